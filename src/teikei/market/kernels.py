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
    return cast(_Function, numba.njit(cache=True, fastmath=False)(function))


@compiled
def choose(
    scaled: Array, nest: IntArray, keep: Array, within: Array, nest_top: Array, nest_sum: Array, nest_share: Array
) -> float:
    """Nested logit of one type. ``scaled`` (J,): utility / (1 - rho), changed to exp(.); ``keep`` (J,): 1 - rho.

    Fills ``within`` (J,), the share within the nest, and ``nest_share`` (N,); returns ln(1 + sum_g D_g^(1 - rho)), the
    expected maximum utility of the type.
    """
    count = nest.size
    nests = nest_share.size
    for group in range(nests):
        nest_top[group] = -np.inf
        nest_sum[group] = 0.0
    for product in range(count):
        nest_top[nest[product]] = max(nest_top[nest[product]], scaled[product])
    for product in range(count):
        group = nest[product]
        value = np.exp(scaled[product] - nest_top[group])
        within[product] = value
        nest_sum[group] += value
        nest_share[group] = keep[product]  # the nest's 1 - rho, for the next loop
    top = 0.0  # the outside good
    for group in range(nests):
        nest_share[group] *= nest_top[group] + np.log(nest_sum[group])
        top = max(top, nest_share[group])
    total = np.exp(-top)
    for group in range(nests):
        nest_share[group] = np.exp(nest_share[group] - top)
        total += nest_share[group]
    for group in range(nests):
        nest_share[group] /= total
    for product in range(count):
        within[product] /= nest_sum[nest[product]]
    return float(top + np.log(total))


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
def transpose(source: Array, target: Array) -> None:
    """``source`` (J, I) into ``target`` (I, J): the loops run over products innermost."""
    for i in range(target.shape[0]):
        for j in range(target.shape[1]):
            target[i, j] = source[j, i]


@compiled
def zeta(
    markup: Array,
    cost: Array,
    utility: Array,
    slope: Array,
    weight: Array,
    nest: IntArray,
    keep: Array,
    scale: Array,
    owner: IntArray,
    conduct: Array,
    diagonal: bool,
    share: Array,
    image: Array,
    buffers: Array,
    cells: Array,
) -> float:
    """The zeta map at ``markup`` (J,) for one market; utility (I, J). Returns the largest first-order condition.

    Fills ``share`` and ``image`` (J,). ``owner`` (J,) groups products with equal rows and columns of the ownership
    matrix, ``conduct`` (G, G) is that matrix by group: sums run over groups instead of products; ``scale`` (J,)
    multiplies the price slope. image is NaN for a product without any demand.
    """
    types, count = utility.shape
    groups = conduct.shape[0]
    nests = cells.shape[2]
    scaled, within, diagonal_slope, cross = buffers[0], buffers[1], buffers[2], buffers[3]
    nest_top, nest_sum, nest_share = cells[0, 0], cells[0, 1], cells[0, 2]
    own, seen = cells[1], cells[2]
    for j in range(count):
        share[j] = 0.0
        diagonal_slope[j] = 0.0
        cross[j] = 0.0
    for i in range(types):
        for j in range(count):
            scaled[j] = (utility[i, j] - slope[i] * scale[j] * (cost[j] + markup[j])) / keep[j]
        choose(scaled, nest, keep, within, nest_top, nest_sum, nest_share)
        for group in range(groups):
            for part in range(nests):
                own[group, part] = 0.0
        for j in range(count):
            own[owner[j], nest[j]] += within[j] * nest_share[nest[j]] * markup[j]
        if not diagonal:
            for group in range(groups):
                for part in range(nests):
                    value = 0.0
                    for other in range(groups):
                        value += conduct[group, other] * own[other, part]
                    seen[group, part] = value
            for group in range(groups):
                for part in range(nests):
                    own[group, part] = seen[group, part]
        for group in range(groups):
            value = 0.0
            for part in range(nests):
                value += own[group, part]
            seen[group, 0] = value
        for j in range(count):
            part = nest[j]
            probability = within[j] * nest_share[part]
            share[j] += weight[i] * probability
            sensitivity = weight[i] * slope[i]
            diagonal_slope[j] += sensitivity * probability / keep[j]
            cross[j] += sensitivity * (
                probability * seen[owner[j], 0] + (1.0 / keep[j] - 1.0) * within[j] * own[owner[j], part]
            )
    residual = 0.0
    for j in range(count):
        if diagonal_slope[j] < _TINY:
            image[j] = np.nan
        else:
            image[j] = (share[j] / scale[j] + cross[j]) / diagonal_slope[j]
        residual = max(residual, abs(share[j] + scale[j] * (cross[j] - diagonal_slope[j] * markup[j])))
    return residual


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
    tolerance: float,
    max_iterations: int,
    share: Array,
    residual: Array,
    iterations: IntArray,
    supported: IntArray,
) -> Array:
    """Markups (T, J) of T markets: zeta fixed points with safeguarded Anderson acceleration.

    Arrays have a leading axis of length T or 1 (1 = the same in every market). A market stops when the first-order
    condition is within ``tolerance`` and the relative step too; where rounding forbids the latter, when 15 steps bring
    no halving. ``supported`` is 0 for a product without demand.
    """
    markets, count = start.shape
    types = utility.shape[2]
    groups = conduct.shape[1]
    markup = start.copy()
    transposed = np.empty((types, count))
    buffers = np.empty((4, count))
    cells = np.empty((3, max(groups, 3), nests))
    memory = np.empty((2, _WINDOW + 1, count))
    work, factor = np.empty((_WINDOW + 1, count)), np.zeros((_WINDOW, _WINDOW))
    image, nxt = np.empty(count), np.empty(count)
    for t in range(markets):
        transpose(utility[min(t, utility.shape[0] - 1)], transposed)
        at_owner = min(t, owner.shape[0] - 1)
        point = markup[t]
        filled, stalled, best, lowest = -1, 0, np.inf, np.inf
        for step in range(max_iterations + 1):
            residual[t] = zeta(
                point,
                cost[min(t, cost.shape[0] - 1)],
                transposed,
                slope[min(t, slope.shape[0] - 1)],
                weight[min(t, weight.shape[0] - 1)],
                nest,
                keep[min(t, keep.shape[0] - 1)],
                scale[min(t, scale.shape[0] - 1)],
                owner[at_owner],
                conduct[at_owner],
                diagonal[at_owner] > 0.0,
                share[t],
                image,
                buffers,
                cells,
            )
            iterations[t] = step
            largest = 0.0
            for j in range(count):
                supported[t, j] = 0 if np.isnan(image[j]) else 1
                if np.isnan(image[j]):
                    image[j] = 0.5 * point[j]
                else:
                    largest = max(largest, abs(image[j] - point[j]) / max(abs(image[j]), 1e-300))
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
            usable = True
            for j in range(count):
                usable = usable and np.isfinite(nxt[j]) and nxt[j] > 0.1 * image[j] and nxt[j] < 10.0 * image[j]
            for j in range(count):
                point[j] = nxt[j] if usable else image[j]
    return markup


@compiled
def invert_markets(
    target: Array,
    base: Array,
    weight: Array,
    nest: IntArray,
    nests: int,
    keep: Array,
    start: Array,
    tolerance: float,
    max_iterations: int,
    residual: Array,
) -> Array:
    """Mean utilities (T, J) at which the model's shares equal ``target``; base (T, J, I): utility apart from the mean.

    BLP contraction, damped by 1 - rho for nests (Berry, Levinsohn and Pakes 1995; Brenkers and Verboven 2006), with
    Anderson acceleration. residual (T,): largest |ln target - ln share|.
    """
    markets, count = target.shape
    types = base.shape[2]
    mean = start.copy()
    scaled, within, share = np.empty(count), np.empty(count), np.empty(count)
    cells = np.empty((3, nests))
    memory = np.empty((2, _WINDOW + 1, count))
    work, factor = np.empty((_WINDOW + 1, count)), np.zeros((_WINDOW, _WINDOW))
    image, nxt = np.empty(count), np.empty(count)
    transposed = np.empty((types, count))
    for t in range(markets):
        at_weight = weight[min(t, weight.shape[0] - 1)]
        at_keep = keep[min(t, keep.shape[0] - 1)]
        transpose(base[min(t, base.shape[0] - 1)], transposed)
        point = mean[t]
        filled, best, stalled, lowest = -1, np.inf, 0, np.inf
        for _step in range(max_iterations):
            for j in range(count):
                share[j] = 0.0
            for i in range(types):
                for j in range(count):
                    scaled[j] = (point[j] + transposed[i, j]) / at_keep[j]
                choose(scaled, nest, at_keep, within, cells[0], cells[1], cells[2])
                for j in range(count):
                    share[j] += at_weight[i] * within[j] * cells[2, nest[j]]
            largest = 0.0
            for j in range(count):
                gap = np.log(target[t, j]) - np.log(max(share[j], 1e-300))
                largest = max(largest, abs(gap))
                image[j] = point[j] + at_keep[j] * gap
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
    return mean
