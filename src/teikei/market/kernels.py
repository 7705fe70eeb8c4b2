# ruff: noqa: PLR0917  (compiled functions take their arrays by position)
"""Compiled inner loops: choice probabilities, the zeta map of Morrow and Skerlos, the share contraction.

Plain loops over consumer types, one market at a time, no allocation inside: the batch entry points are in
``equilibrium.py`` and ``inversion.py``, which check and shape the arrays. Symbols follow Morrow and Skerlos (2011,
Operations Research 59): s_ij the probability that type i takes product j, rho the nest parameter, a_i the price slope

    ds_j/dp_k = -Lambda_j [j = k] + Gamma_jk
    Lambda_j  = sum_i w_i a_i s_ij / (1 - rho)
    Gamma_jk  = sum_i w_i a_i ( s_ij s_ik + [same nest] rho / (1 - rho) s_ij|nest s_ik )
    zeta_j    = ( s_j + sum_k H_jk Gamma_jk m_k ) / Lambda_j,  fixed point m = zeta(m) of the markups m = p - c
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar, cast

import numba
import numpy as np

from teikei.market.types import Array, IntArray

_Function = TypeVar("_Function", bound=Callable[..., Any])
_WINDOW: Final = 6  # columns kept by the Anderson acceleration
_TINY: Final = 1e-280  # a demand below it is numerically none


def compiled(function: _Function) -> _Function:
    """The function compiled by numba on first use, kept on disk; typed as written."""
    return cast(_Function, numba.njit(cache=True, error_model="numpy")(function))


_LOG2_E: Final = 1.4426950408889634
_LN2_HIGH: Final = 0.6931471803691238  # Cody and Waite (1980): ln 2 in two parts
_LN2_LOW: Final = 1.9082149292705877e-10


@compiled
def exponential(values: Array) -> None:
    """exp in place for values <= 0, without branches or calls, so that the compiler can take several at a time.

    Cody and Waite (1980) reduction, Taylor polynomial of degree 13 on |r| <= ln(2) / 2: within 2e-16 relative; below
    -708 the result is 0.
    """
    for j in range(values.size):
        value = max(values[j], -708.0)
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
        values[j] = series * two if values[j] > -708.0 else 0.0


@compiled
def choose(
    scaled: Array, bounds: IntArray, keep: Array, within: Array, nest_top: Array, nest_sum: Array, nest_share: Array
) -> float:
    """Nested logit of one type, products sorted by nest: nest g holds products bounds[g] ... bounds[g + 1] - 1.

    ``scaled`` (J,): utility / (1 - rho); ``keep`` (J,): 1 - rho. Fills ``within`` (J,), the share within the nest, and
    ``nest_share`` (N,); returns ln(1 + sum_g D_g^(1 - rho)), the expected maximum utility of the type.
    """
    nests = nest_share.size
    for group in range(nests):
        largest = -np.inf
        for product in range(bounds[group], bounds[group + 1]):
            largest = scaled[product] if scaled[product] > largest else largest
        for product in range(bounds[group], bounds[group + 1]):
            within[product] = scaled[product] - largest
        nest_top[group] = largest
    exponential(within)
    top = 0.0  # the outside good
    for group in range(nests):
        total = 0.0
        for product in range(bounds[group], bounds[group + 1]):
            total += within[product]
        nest_sum[group] = 1.0 / total
        nest_share[group] = keep[bounds[group]] * (nest_top[group] + np.log(total))
        top = max(top, nest_share[group])
    total = np.exp(-top)
    for group in range(nests):
        nest_share[group] = np.exp(nest_share[group] - top)
        total += nest_share[group]
    for group in range(nests):
        nest_share[group] /= total
        for product in range(bounds[group], bounds[group + 1]):
            within[product] *= nest_sum[group]
    return float(top + np.log(total))


@compiled
def nest_bounds(nest: IntArray, nests: int) -> IntArray:
    """First product of every nest, and the end, for nests sorted 0, 0, ..., 1, 1, ..."""
    bounds = np.zeros(nests + 1, np.int64)
    for product in range(nest.size):
        bounds[nest[product] + 1] += 1
    for group in range(nests):
        bounds[group + 1] += bounds[group]
    return bounds


@compiled
def anderson_step(
    point: Array, image: Array, points: Array, images: Array, filled: int, work: Array, factor: Array, nxt: Array
) -> None:
    """One Anderson step (type II, window of ``filled`` columns) for image = map(point), written to ``nxt``.

    points, images (window + 1, J): the last ones, the newest at row ``filled``. Least squares by modified Gram-Schmidt;
    columns that depend on earlier ones are dropped.
    """
    size = point.size
    for j in range(size):
        nxt[j] = image[j]
        work[filled, j] = image[j] - point[j]
    for column in range(filled):  # newest differences first
        new, old = filled - column, filled - column - 1
        norm_before = 0.0
        for j in range(size):
            work[column, j] = (images[new, j] - points[new, j]) - (images[old, j] - points[old, j])
            norm_before += work[column, j] ** 2
        for earlier in range(column):
            dot = 0.0
            for j in range(size):
                dot += work[earlier, j] * work[column, j]
            factor[earlier, column] = dot
            for j in range(size):
                work[column, j] -= dot * work[earlier, j]
        norm = 0.0
        for j in range(size):
            norm += work[column, j] ** 2
        if norm <= 1e-24 * norm_before or norm == 0.0:
            factor[column, column] = 0.0
            for j in range(size):
                work[column, j] = 0.0
        else:
            factor[column, column] = np.sqrt(norm)
            for j in range(size):
                work[column, j] /= factor[column, column]
    gamma = np.zeros(filled)
    for column in range(filled):
        dot = 0.0
        for j in range(size):
            dot += work[column, j] * work[filled, j]
        gamma[column] = dot
    for column in range(filled - 1, -1, -1):
        if factor[column, column] == 0.0:
            gamma[column] = 0.0
            continue
        for later in range(column + 1, filled):
            gamma[column] -= factor[column, later] * gamma[later]
        gamma[column] /= factor[column, column]
        new, old = filled - column, filled - column - 1
        for j in range(size):
            nxt[j] -= gamma[column] * (images[new, j] - images[old, j])


@compiled
def push_and_step(
    point: Array, image: Array, memory: Array, filled: int, work: Array, factor: Array, nxt: Array
) -> int:
    """Remember (point, image) in ``memory`` (2, window + 1, J), take the Anderson step; returns the newest row."""
    points, images = memory[0], memory[1]
    if filled == _WINDOW:
        for row in range(_WINDOW):
            points[row], images[row] = points[row + 1], images[row + 1]
        filled -= 1
    filled += 1
    points[filled], images[filled] = point, image
    anderson_step(point, image, points, images, filled, work, factor, nxt)
    return filled


@compiled
def transpose(source: Array, order: IntArray, target: Array) -> None:
    """``source`` (J, I) into ``target`` (I, J), products in ``order``: the loops run over products innermost."""
    for j in range(target.shape[1]):
        for i in range(target.shape[0]):
            target[i, j] = source[order[j], i]


@compiled
def zeta(
    markup: Array,
    utility: Array,
    slope: Array,
    weight: Array,
    bounds: IntArray,
    product_rows: Array,
    owner: IntArray,
    conduct: Array,
    diagonal: bool,
    share: Array,
    image: Array,
    buffers: Array,
    cells: Array,
) -> float:
    """The zeta map at ``markup`` (J,) for one market; utility (I, J). Returns the largest first-order condition.

    Products are sorted by nest. ``product_rows`` (3, J): cost, 1 - rho, factor on the price slope. Fills ``share`` and
    ``image`` (J,). ``owner`` (J,) groups products with equal rows and columns of the ownership matrix, ``conduct``
    (G, G) is that matrix by group: sums run over groups instead of products. image is NaN for a product without any
    demand.
    """
    types, count = utility.shape
    nests = bounds.size - 1
    cost, keep, scale = product_rows[0], product_rows[1], product_rows[2]
    scaled, within, diagonal_slope = buffers[0], buffers[1], buffers[2]
    cross, paid, inverse = buffers[3], buffers[4], buffers[5]
    nest_top, nest_sum, nest_share = cells[0, 0, :nests], cells[0, 1, :nests], cells[0, 2, :nests]
    own, seen = cells[1], cells[2]
    for j in range(count):
        share[j], diagonal_slope[j], cross[j] = 0.0, 0.0, 0.0
        inverse[j] = 1.0 / keep[j]
        paid[j] = scale[j] * (cost[j] + markup[j])
    for i in range(types):
        for j in range(count):
            scaled[j] = (utility[i, j] - slope[i] * paid[j]) * inverse[j]
        choose(scaled, bounds, keep, within, nest_top, nest_sum, nest_share)
        profit_by_owner(within, nest_share, markup, bounds, owner, conduct, diagonal, own, seen)
        mass, sensitivity = weight[i], weight[i] * slope[i]
        for part in range(nests):
            for j in range(bounds[part], bounds[part + 1]):
                probability = within[j] * nest_share[part]
                share[j] += mass * probability
                diagonal_slope[j] += sensitivity * probability
                cross[j] += sensitivity * (
                    probability * seen[owner[j], nests] + (inverse[j] - 1.0) * within[j] * seen[owner[j], part]
                )
    residual = 0.0
    for j in range(count):
        diagonal_slope[j] *= inverse[j]
        if diagonal_slope[j] < _TINY:
            image[j] = np.nan
        else:
            image[j] = (share[j] / scale[j] + cross[j]) / diagonal_slope[j]
        residual = max(residual, abs(share[j] + scale[j] * (cross[j] - diagonal_slope[j] * markup[j])))
    return residual


@compiled
def profit_by_owner(
    within: Array,
    nest_share: Array,
    markup: Array,
    bounds: IntArray,
    owner: IntArray,
    conduct: Array,
    diagonal: bool,
    own: Array,
    seen: Array,
) -> None:
    """Expected profit of one type by owner and nest, as owners count it: ``seen`` (G, N + 1), last column the sum."""
    groups, nests = conduct.shape[0], bounds.size - 1
    for group in range(groups):
        for part in range(nests):
            own[group, part] = 0.0
    for part in range(nests):
        last, total = owner[bounds[part]], 0.0
        for j in range(bounds[part], bounds[part + 1]):  # runs of one owner are added up in a register
            if owner[j] != last:
                own[last, part] += total * nest_share[part]
                last, total = owner[j], 0.0
            total += within[j] * markup[j]
        own[last, part] += total * nest_share[part]
    for group in range(groups):
        whole = 0.0
        for part in range(nests):
            value = own[group, part]
            if not diagonal:
                value = 0.0
                for other in range(groups):
                    value += conduct[group, other] * own[other, part]
            seen[group, part] = value
            whole += value
        seen[group, nests] = whole


@compiled
def settle(point: Array, image: Array, nxt: Array) -> None:
    """Move ``point`` to the accelerated markups where these are sensible, else to the plain step."""
    usable = True
    for j in range(point.size):
        usable = usable and np.isfinite(nxt[j]) and nxt[j] > 0.1 * image[j] and nxt[j] < 10.0 * image[j]
    for j in range(point.size):
        point[j] = nxt[j] if usable else image[j]


@compiled
def relative_step(point: Array, image: Array, supported: IntArray, order: IntArray) -> float:
    """Largest relative step; a product without demand gets half of its markup and is noted."""
    largest = 0.0
    for j in range(point.size):
        supported[order[j]] = 0 if np.isnan(image[j]) else 1
        if np.isnan(image[j]):
            image[j] = 0.5 * point[j]
        else:
            largest = max(largest, abs(image[j] - point[j]) / max(abs(image[j]), 1e-300))
    return largest


@compiled
def solve_markets(
    start: Array,
    cost: Array,
    utility: Array,
    slope: Array,
    weight: Array,
    nest: IntArray,
    nests: int,
    keep: Array,
    scale: Array,
    owner: IntArray,
    conduct: Array,
    diagonal: Array,
    order: IntArray,
    tolerance: float,
    max_iterations: int,
    share: Array,
    residual: Array,
    iterations: IntArray,
    supported: IntArray,
) -> Array:
    """Markups (T, J) of T markets: zeta fixed points with safeguarded Anderson acceleration.

    Arrays have a leading axis of length T or 1 (1 = the same in every market); ``order`` (J,) sorts products by nest. A
    market stops when the first-order condition is within ``tolerance`` and the relative step too; where rounding
    forbids the latter, when 15 steps bring no halving. ``supported`` is 0 for a product without demand.
    """
    markets, count = start.shape
    types = utility.shape[2]
    markup = start.copy()
    transposed, rows = np.empty((types, count)), np.empty((3, count))
    buffers, sorted_owner = np.empty((6, count)), np.empty(count, np.int64)
    cells = np.empty((3, max(conduct.shape[1], 3), nests + 1))
    memory = np.empty((2, _WINDOW + 1, count))
    work, factor = np.empty((_WINDOW + 1, count)), np.zeros((_WINDOW, _WINDOW))
    point, image, nxt, here = np.empty(count), np.empty(count), np.empty(count), np.empty(count)
    bounds = nest_bounds(nest, nests)
    for t in range(markets):
        transpose(utility[min(t, utility.shape[0] - 1)], order, transposed)
        at_owner = min(t, owner.shape[0] - 1)
        for j in range(count):
            rows[0, j] = cost[min(t, cost.shape[0] - 1), order[j]]
            rows[1, j] = keep[min(t, keep.shape[0] - 1), order[j]]
            rows[2, j] = scale[min(t, scale.shape[0] - 1), order[j]]
            sorted_owner[j], point[j] = owner[at_owner, order[j]], start[t, order[j]]
        filled, stalled, best, lowest = -1, 0, np.inf, np.inf
        for step in range(max_iterations + 1):
            residual[t] = zeta(
                point,
                transposed,
                slope[min(t, slope.shape[0] - 1)],
                weight[min(t, weight.shape[0] - 1)],
                bounds,
                rows,
                sorted_owner,
                conduct[at_owner],
                diagonal[at_owner] > 0.0,
                here,
                image,
                buffers,
                cells,
            )
            iterations[t] = step
            largest = relative_step(point, image, supported[t], order)
            if residual[t] <= tolerance:
                stalled = stalled + 1 if largest >= 0.5 * lowest else 0
                if largest <= 0.1 * tolerance or stalled > 15:
                    break
            lowest = min(lowest, largest)
            if step == max_iterations:
                break
            if largest > 2.0 * best or not np.isfinite(largest):
                filled, best = -1, np.inf  # the acceleration led astray: forget it, take plain steps
            best = min(best, largest)
            filled = push_and_step(point, image, memory, filled, work, factor, nxt)
            settle(point, image, nxt)
        for j in range(count):
            share[t, order[j]], markup[t, order[j]] = here[j], point[j]
    return markup


@compiled
def invert_markets(
    target: Array,
    base: Array,
    weight: Array,
    nest: IntArray,
    nests: int,
    keep: Array,
    order: IntArray,
    start: Array,
    tolerance: float,
    max_iterations: int,
    residual: Array,
) -> Array:
    """Mean utilities (T, J) at which the model's shares equal ``target``; base (T, J, I): utility apart from the mean.

    BLP contraction, damped by 1 - rho for nests (Berry, Levinsohn and Pakes 1995; Brenkers and Verboven 2006), with
    Anderson acceleration. residual (T,): largest |ln target - ln share|. ``order`` as in ``solve_markets``.
    """
    markets, count = target.shape
    types = base.shape[2]
    mean = start.copy()
    scaled, within, share, goal = np.empty(count), np.empty(count), np.empty(count), np.empty(count)
    cells, kept = np.empty((3, nests)), np.empty(count)
    memory = np.empty((2, _WINDOW + 1, count))
    work, factor = np.empty((_WINDOW + 1, count)), np.zeros((_WINDOW, _WINDOW))
    point, image, nxt = np.empty(count), np.empty(count), np.empty(count)
    transposed = np.empty((types, count))
    bounds = nest_bounds(nest, nests)
    for t in range(markets):
        at_weight = weight[min(t, weight.shape[0] - 1)]
        transpose(base[min(t, base.shape[0] - 1)], order, transposed)
        for j in range(count):
            kept[j] = keep[min(t, keep.shape[0] - 1), order[j]]
            goal[j], point[j] = np.log(target[t, order[j]]), start[t, order[j]]
        filled, best, stalled, lowest = -1, np.inf, 0, np.inf
        for _step in range(max_iterations):
            for j in range(count):
                share[j] = 0.0
            for i in range(types):
                for j in range(count):
                    scaled[j] = (point[j] + transposed[i, j]) / kept[j]
                choose(scaled, bounds, kept, within, cells[0], cells[1], cells[2])
                for part in range(nests):
                    mass = at_weight[i] * cells[2, part]
                    for j in range(bounds[part], bounds[part + 1]):
                        share[j] += mass * within[j]
            largest = 0.0
            for j in range(count):
                gap = goal[j] - np.log(max(share[j], 1e-300))
                largest = max(largest, abs(gap))
                image[j] = point[j] + kept[j] * gap
            residual[t] = largest
            stalled = stalled + 1 if largest >= 0.5 * lowest else 0
            lowest = min(lowest, largest)
            if largest <= tolerance or (largest <= 100.0 * tolerance and stalled > 20):
                break
            if largest > 2.0 * best:
                filled, best = -1, np.inf
            best = min(best, largest)
            filled = push_and_step(point, image, memory, filled, work, factor, nxt)
            usable = True
            for j in range(count):
                usable = usable and np.isfinite(nxt[j]) and abs(nxt[j] - image[j]) < 20.0
            for j in range(count):
                point[j] = nxt[j] if usable else image[j]
        for j in range(count):
            mean[t, order[j]] = point[j]
    return mean
