"""Compiled choice probabilities of all consumer types of one market, with no allocation inside.

Loops run over types innermost, so that the compiler takes several at a time. The fixed points that use them are in
``fixed_point.py``; the batch entry points, which check and shape the arrays, in ``price_equilibrium.py``,
``inversion.py`` and ``demand.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar, cast

import numba
import numpy as np

from teikei.market.types import Array, IntArray

_Function = TypeVar("_Function", bound=Callable[..., Any])


def compiled(function: _Function) -> _Function:
    """The function compiled by numba on first use, kept on disk; typed as written."""
    return cast(_Function, numba.njit(cache=True, error_model="numpy")(function))


def summed(function: _Function) -> _Function:
    """As ``compiled``, for sums whose terms may be added in another order, several at a time."""
    return cast(_Function, numba.njit(cache=True, error_model="numpy", fastmath={"reassoc", "contract"})(function))


_LOG2_E: Final = 1.4426950408889634
_LN2_HIGH: Final = 0.6931471803691238  # Cody and Waite (1980): ln 2 in two parts
_LN2_LOW: Final = 1.9082149292705877e-10


@compiled
def weigh(utility: Array, slope: Array, paid: float, inverse: float, values: Array, top: Array) -> None:
    """Scaled utility of one product to every type, into ``values`` (I,), and its nest's largest so far, ``top``."""
    for i in range(values.size):
        value = (utility[i] - slope[i] * paid) * inverse
        values[i] = value
        top[i] = value if value > top[i] else top[i]


@compiled
def shifted_exponential(values: Array, top: Array, total: Array) -> None:
    """exp(values - top) in place, added to ``total``, without branches or calls: several types at a time.

    Reduction of Cody and Waite (1980), Taylor polynomial of degree 13 on |r| <= ln(2) / 2, for arguments <= 0: within
    2e-16 relative; below -708 the result is 0.
    """
    for i in range(values.size):
        exact = values[i] - top[i]
        value = exact if exact > -708.0 else -708.0
        power = np.floor(value * _LOG2_E + 0.5)
        r = (value - power * _LN2_HIGH) - power * _LN2_LOW
        series = 1.0 / 6227020800.0
        series = series * r + 1.0 / 479001600.0
        series = series * r + 1.0 / 39916800.0
        series = series * r + 1.0 / 3628800.0
        series = series * r + 1.0 / 362880.0
        series = series * r + 1.0 / 40320.0
        series = series * r + 1.0 / 5040.0
        series = series * r + 1.0 / 720.0
        series = series * r + 1.0 / 120.0
        series = series * r + 1.0 / 24.0
        series = series * r + 1.0 / 6.0
        series = series * r + 0.5
        series = series * r + 1.0
        series = series * r + 1.0
        two = np.int64((np.int64(power) + 1023) << 52).view(np.float64)
        result = series * two if exact > -708.0 else 0.0
        values[i] = result
        total[i] += result


@compiled
def nest_shares(keep: float, top: Array, total: Array, nest_share: Array, best: Array) -> None:
    """Inclusive value (1 - rho)(top + ln total) of one nest to every type, and the best so far."""
    for i in range(total.size):
        nest_share[i] = keep * (top[i] + np.log(total[i]))
        best[i] = max(best[i], nest_share[i])
        total[i] = 1.0 / total[i]


@compiled
def probabilities(
    utility: Array,
    order: IntArray,
    slope: Array,
    paid: Array,
    keep: Array,
    bounds: IntArray,
    values: Array,
    nest_work: Array,
    best: Array,
) -> None:
    """Nested logit of all types; utility (J, I) in the caller's order, all else sorted by nest through ``order``.

    Nest g holds products bounds[g] ... bounds[g + 1] - 1. ``keep`` (J,): 1 - rho; ``paid`` (J,): what the slope
    multiplies. Fills ``values`` (J, I), the share within the nest, ``nest_work[2]`` (N, I), the share of the nest, and
    ``best`` (I,), ln(1 + sum_g D_g^(1 - rho)), the expected maximum utility.
    """
    nests, types = bounds.size - 1, best.size
    for i in range(types):
        best[i] = 0.0  # the outside good
    for part in range(nests):
        top, total = nest_work[0, part], nest_work[1, part]
        for i in range(types):
            top[i], total[i] = -np.inf, 0.0
        for j in range(bounds[part], bounds[part + 1]):
            weigh(utility[order[j]], slope, paid[j], 1.0 / keep[j], values[j], top)
        for j in range(bounds[part], bounds[part + 1]):
            shifted_exponential(values[j], top, total)
        nest_shares(keep[bounds[part]], top, total, nest_work[2, part], best)
    whole = nest_work[0, 0]
    for i in range(types):
        whole[i] = np.exp(-best[i])
    for part in range(nests):
        for i in range(types):
            nest_work[2, part, i] = np.exp(nest_work[2, part, i] - best[i])
            whole[i] += nest_work[2, part, i]
    for part in range(nests):
        share, inverse = nest_work[2, part], nest_work[1, part]
        for i in range(types):
            share[i] /= whole[i]
        for j in range(bounds[part], bounds[part + 1]):
            row = values[j]
            for i in range(types):
                row[i] *= inverse[i]
    for i in range(types):
        best[i] += np.log(whole[i])


@compiled
def add_scaled(target: Array, keep: float, factor: float, source: Array) -> None:
    """target <- keep * target + factor * source; with keep 0 whatever stood there is gone."""
    for i in range(target.size):
        before = keep * target[i] if keep != 0.0 else 0.0
        target[i] = before + (factor * source[i] if factor != 0.0 else 0.0)


@summed
def dot(left: Array, right: Array) -> float:
    """Inner product."""
    total = 0.0
    for i in range(left.size):
        total += left[i] * right[i]
    return total


@summed
def three_dots(row: Array, first: Array, second: Array, third: Array) -> tuple[float, float, float]:
    """Inner products of one row with three others, read once."""
    a, b, c = 0.0, 0.0, 0.0
    for i in range(row.size):
        a += row[i] * first[i]
        b += row[i] * second[i]
        c += row[i] * third[i]
    return a, b, c


@compiled
def nest_bounds(nest: IntArray, nests: int) -> IntArray:
    """First product of every nest, and the end, for nests sorted 0, 0, ..., 1, 1, ..."""
    bounds = np.zeros(nests + 1, np.int64)
    for product in range(nest.size):
        bounds[nest[product] + 1] += 1
    for group in range(nests):
        bounds[group + 1] += bounds[group]
    return bounds
