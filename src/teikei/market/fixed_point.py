"""Compiled fixed points: the zeta map of Morrow and Skerlos for markups, the share contraction for mean utilities.

Symbols follow Morrow and Skerlos (2011, Operations Research 59): s_ij the probability that type i takes product j, rho
the nest parameter, a_i the price slope

    ds_j/dp_k = -Lambda_j [j = k] + Gamma_jk
    Lambda_j  = sum_i w_i a_i s_ij / (1 - rho)
    Gamma_jk  = sum_i w_i a_i ( s_ij s_ik + [same nest] rho / (1 - rho) s_ij|nest s_ik )
    zeta_j    = ( s_j + sum_k H_jk Gamma_jk m_k ) / Lambda_j,  fixed point m = zeta(m) of the markups m = p - c

Both run with Anderson (1965) acceleration, safeguarded by the plain step; prices only near the end of the plain map, so
that acceleration never chooses among several equilibria.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from teikei.market.anderson import WINDOW, push_and_step
from teikei.market.kernels import add_scaled, compiled, dot, nest_bounds, probabilities, three_dots
from teikei.market.types import Array, IntArray

_TINY: Final = 1e-280  # a demand below it is numerically none
_ENTER: Final = 0.01  # relative step of the plain map from which on it may be accelerated
_PATIENCE: Final = 40  # accelerated steps that must bring a tenth
_IDLE: Final = 1_000  # plain steps without halving the least: the map goes round


@compiled
def zeta(
    markup: Array,
    utility: Array,
    order: IntArray,
    slope: Array,
    weight: Array,
    bounds: IntArray,
    product_rows: Array,
    owner: IntArray,
    conduct: Array,
    diagonal: bool,
    share: Array,
    image: Array,
    values: Array,
    nest_work: Array,
    own: Array,
    owner_work: Array,
    type_rows: Array,
) -> None:
    """The zeta map at ``markup`` (J,) for one market; utility (J, I).

    All but utility is sorted by nest, within it by owner. ``product_rows`` (3, J): cost, 1 - rho, factor on the price
    slope. Fills ``share`` and ``image`` (J,). ``owner`` (J,) groups products with equal rows and columns of the
    ownership matrix, ``conduct`` (G, G) is that matrix by group: sums run over groups instead of products. image is NaN
    for a product without any demand.
    """
    count, types = values.shape
    cost, keep, scale = product_rows[0], product_rows[1], product_rows[2]
    best, counted, mass, sensitivity = type_rows[0], type_rows[1], type_rows[2], type_rows[3]
    for j in range(count):
        image[j] = scale[j] * (cost[j] + markup[j])
    probabilities(utility, order, slope, image, keep, bounds, values, nest_work, best)
    profit_by_owner(values, nest_work[2], markup, bounds, owner, conduct, diagonal, own, owner_work)
    for part in range(bounds.size - 1):
        nest_share = nest_work[2, part]
        for i in range(types):
            mass[i] = weight[i] * nest_share[i]
            sensitivity[i] = mass[i] * slope[i]
        last = -1
        for j in range(bounds[part], bounds[part + 1]):
            if owner[j] != last:
                last = owner[j]
                in_nest, whole, factor = own[j], owner_work[1, last], 1.0 / keep[j] - 1.0
                for i in range(types):
                    counted[i] = weight[i] * slope[i] * (nest_share[i] * whole[i] + factor * in_nest[i])
            share[j], diagonal_slope, cross = three_dots(values[j], mass, sensitivity, counted)
            diagonal_slope /= keep[j]
            if diagonal_slope < _TINY:
                image[j] = np.nan
            else:
                image[j] = (share[j] / scale[j] + cross) / diagonal_slope


@compiled
def zeta_once(
    markup: Array,
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
    diagonal: bool,
    order: IntArray,
) -> Array:
    """zeta(markup) (J,) of one market, all in the caller's order; NaN for a product without demand."""
    count, types = utility.shape
    rows, image, share = np.empty((3, count)), np.empty(count), np.empty(count)
    point, sorted_owner, found = np.empty(count), np.empty(count, np.int64), np.empty(count)
    for j in range(count):
        rows[0, j], rows[1, j], rows[2, j] = cost[order[j]], keep[order[j]], scale[order[j]]
        point[j], sorted_owner[j] = markup[order[j]], owner[order[j]]
    zeta(
        point,
        utility,
        order,
        slope,
        weight,
        nest_bounds(nest, nests),
        rows,
        sorted_owner,
        conduct,
        diagonal,
        share,
        image,
        np.empty((count, types)),
        np.empty((3, nests, types)),
        np.empty((count, types)),
        np.empty((2, conduct.shape[0], types)),
        np.empty((4, types)),
    )
    for j in range(count):
        found[order[j]] = image[j]
    return found


@compiled
def profit_by_owner(
    values: Array,
    nest_share: Array,
    markup: Array,
    bounds: IntArray,
    owner: IntArray,
    conduct: Array,
    diagonal: bool,
    own: Array,
    owner_work: Array,
) -> None:
    """Expected profit of every type as each owner counts it.

    Into ``owner_work[1]`` (G, I) for all nests together, and into ``own`` (J, I), at the first product of each run of
    one owner, for the nest alone.
    """
    groups, types = conduct.shape[0], values.shape[1]
    plain, seen = owner_work[0], owner_work[1]
    for group in range(groups):
        add_scaled(plain[group], 0.0, 0.0, plain[group])
    for part in range(bounds.size - 1):
        first, end = bounds[part], bounds[part + 1]
        run = first
        for j in range(first, end):
            if j == first or owner[j] != owner[run]:
                run = j
                add_scaled(own[run], 0.0, 0.0, own[run])
            row, sums, margin = values[j], own[run], markup[j]
            for i in range(types):
                sums[i] += margin * row[i] * nest_share[part, i]
        for j in range(first, end):
            if j == first or owner[j] != owner[j - 1]:
                add_scaled(plain[owner[j]], 1.0, 1.0, own[j])
        if not diagonal:
            mix_within_nest(own, owner, conduct, first, end)
    for group in range(groups):
        if diagonal:
            add_scaled(seen[group], 0.0, 1.0, plain[group])
        else:
            add_scaled(seen[group], 0.0, 0.0, plain[group])
            for other in range(groups):
                add_scaled(seen[group], 1.0, conduct[group, other], plain[other])


@compiled
def mix_within_nest(own: Array, owner: IntArray, conduct: Array, first: int, end: int) -> None:
    """Replace each owner's profit in a nest by what it counts of all owners' profits there."""
    before = np.empty((end - first, own.shape[1]))
    for j in range(first, end):
        add_scaled(before[j - first], 0.0, 1.0, own[j])
    for j in range(first, end):
        if j == first or owner[j] != owner[j - 1]:
            add_scaled(own[j], 0.0, 0.0, own[j])
            for k in range(first, end):
                if k == first or owner[k] != owner[k - 1]:
                    add_scaled(own[j], 1.0, conduct[owner[j], owner[k]], before[k - first])


@compiled
def settle(point: Array, image: Array, nxt: Array, held: IntArray) -> None:
    """Move ``point`` to the accelerated markups where these are sensible, else to the plain step."""
    usable = True
    for j in range(point.size):
        if held[j] == 0:
            usable = usable and np.isfinite(nxt[j]) and nxt[j] > 0.1 * image[j] and nxt[j] < 10.0 * image[j]
    for j in range(point.size):
        point[j] = nxt[j] if usable and held[j] == 0 else image[j]


@compiled
def relative_step(point: Array, image: Array, held: IntArray, supported: IntArray, order: IntArray) -> float:
    """Largest relative step; a held markup stays, a product without demand gets half of its own and is noted.

    Of the first-order condition s_j + sum_k H_jk ds_k/dp_j m_k it is the part that is left of its positive terms:
    (zeta_j - m_j) / zeta_j, whatever shares, weights and money are counted in.
    """
    largest = 0.0
    for j in range(point.size):
        supported[order[j]] = 1
        if held[j] != 0:
            image[j] = point[j]
        elif np.isnan(image[j]):
            supported[order[j]] = 0
            image[j] = 0.5 * point[j]
        else:
            largest = max(largest, abs(image[j] - point[j]) / max(abs(image[j]), 1e-300))
    return largest


@compiled
def farther(point: Array, anchor: Array, reach: float) -> bool:
    """Whether some markup is farther from ``anchor`` than ``reach``, relative to it."""
    for j in range(point.size):  # noqa: SIM110  (compiled)
        if abs(point[j] - anchor[j]) > reach * abs(anchor[j]):
            return True
    return False


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
    held: IntArray,
    tolerance: float,
    max_iterations: int,
    share: Array,
    residual: Array,
    iterations: IntArray,
    supported: IntArray,
) -> Array:
    """Markups (T, J) of T markets: zeta fixed points, accelerated near their end.

    Arrays have a leading axis of length T or 1 (1 = the same in every market); ``order`` (T|1, J) sorts products by
    nest, within it by owner; ``held`` (T|1, J): 1 where the markup stays at its start. The plain map runs until its
    steps are small and shrink; only then Anderson's acceleration takes over, so that it ends where the plain map ends,
    and hands back where it brings nothing or leads away. A market stops when its relative step, ``residual``, is far
    below ``tolerance``; where rounding forbids that, within it when 15 steps bring no halving. ``supported``: 0 for
    a product without demand.
    """
    markets, count = start.shape
    types = utility.shape[2]
    markup = start.copy()
    rows, sorted_owner, values = np.empty((3, count)), np.empty(count, np.int64), np.empty((count, types))
    nest_work, own, owner_work = (
        np.empty((3, nests, types)),
        np.empty((count, types)),
        np.empty((2, conduct.shape[1], types)),
    )
    type_rows = np.empty((4, types))
    memory = np.empty((2, WINDOW + 1, count))
    work, factor = np.empty((WINDOW + 1, count)), np.zeros((WINDOW, WINDOW))
    point, image, nxt, here = np.empty(count), np.empty(count), np.empty(count), np.empty(count)
    saved, anchor, at_held = np.empty(count), np.empty(count), np.empty(count, np.int64)
    bounds = nest_bounds(nest, nests)
    for t in range(markets):
        at_owner = min(t, owner.shape[0] - 1)
        by_nest = order[at_owner]
        for j in range(count):
            rows[0, j] = cost[min(t, cost.shape[0] - 1), by_nest[j]]
            rows[1, j] = keep[min(t, keep.shape[0] - 1), by_nest[j]]
            rows[2, j] = scale[min(t, scale.shape[0] - 1), by_nest[j]]
            at_held[j] = held[min(t, held.shape[0] - 1), by_nest[j]]
            sorted_owner[j], point[j] = owner[at_owner, by_nest[j]], start[t, by_nest[j]]
        accelerated, filled, enter = False, -1, _ENTER
        entered, reach, since = np.inf, np.inf, 0
        before, lowest, stalled = np.inf, np.inf, 0
        for step in range(max_iterations + 1):
            zeta(
                point,
                utility[min(t, utility.shape[0] - 1)],
                by_nest,
                slope[min(t, slope.shape[0] - 1)],
                weight[min(t, weight.shape[0] - 1)],
                bounds,
                rows,
                sorted_owner,
                conduct[at_owner],
                diagonal[at_owner] > 0.0,
                here,
                image,
                values,
                nest_work,
                own,
                owner_work,
                type_rows,
            )
            iterations[t] = step
            largest = relative_step(point, image, at_held, supported[t], by_nest)
            residual[t] = largest
            stalled = 0 if largest < 0.5 * lowest else stalled + 1
            lowest = min(lowest, largest)
            met = largest <= 0.1 * tolerance or (largest <= tolerance and stalled > 15)
            elsewhere = met and accelerated and farther(point, anchor, reach)
            if (met and not elsewhere) or step == max_iterations or (stalled > _IDLE and not accelerated):
                break
            if accelerated and (elsewhere or since > _PATIENCE or not largest <= 2.0 * entered):
                for j in range(count):
                    point[j] = saved[j]
                accelerated, enter, before, stalled, lowest = False, 0.1 * enter, np.inf, 0, np.inf
                continue
            if not accelerated and largest < min(enter, before):
                ratio = largest / before if before < np.inf else 0.9
                accelerated, filled, entered, since = True, -1, np.inf, 0
                reach = 2.0 * largest / (1.0 - min(ratio, 0.999))
                for j in range(count):
                    anchor[j] = point[j]
            if accelerated:
                if largest < 0.1 * entered:
                    entered, since = largest, 0
                    if not farther(image, anchor, reach):
                        for j in range(count):
                            saved[j] = image[j]
                since += 1
                filled = push_and_step(point, image, memory, filled, work, factor, nxt)
                settle(point, image, nxt, at_held)
            else:
                for j in range(count):
                    point[j] = image[j]
            before = largest
        for j in range(count):
            share[t, by_nest[j]], markup[t, by_nest[j]] = here[j], point[j]
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
    share, goal, kept, paid = np.empty(count), np.empty(count), np.empty(count), np.empty(count)
    values, nest_work, type_rows = np.empty((count, types)), np.empty((3, nests, types)), np.ones((3, types))
    memory = np.empty((2, WINDOW + 1, count))
    work, factor = np.empty((WINDOW + 1, count)), np.zeros((WINDOW, WINDOW))
    point, image, nxt = np.empty(count), np.empty(count), np.empty(count)
    bounds, mass = nest_bounds(nest, nests), type_rows[2]
    for t in range(markets):
        at_weight = weight[min(t, weight.shape[0] - 1)]
        for j in range(count):
            kept[j] = keep[min(t, keep.shape[0] - 1), order[j]]
            goal[j], point[j] = np.log(target[t, order[j]]), start[t, order[j]]
        filled, best, stalled, lowest = -1, np.inf, 0, np.inf
        for _step in range(max_iterations):
            for j in range(count):
                paid[j] = -point[j]
            at_base = base[min(t, base.shape[0] - 1)]
            probabilities(at_base, order, type_rows[0], paid, kept, bounds, values, nest_work, type_rows[1])
            for part in range(nests):
                for i in range(types):
                    mass[i] = at_weight[i] * nest_work[2, part, i]
                for j in range(bounds[part], bounds[part + 1]):
                    share[j] = dot(values[j], mass)
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
