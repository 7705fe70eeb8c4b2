"""Lower bounds by Lagrangean relaxation of the demand: each supplier then fills its best tiers by itself.

With a price λ per item and year for a unit of demand, the tender falls apart into suppliers; a supplier's year at one tier
is a fractional knapsack between ``from`` and ``to``. The best bound over λ equals that of the strongest known linear
formulation (multiple choice with links; Geoffrion 1974), at a small part of its cost. λ is found by the volume algorithm
(Barahona and Anbil, Math. Program. 87, 2000), which also yields a fractional primal solution that guides the search.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
from numba import njit

from teikei.plan.award.model import Frame
from teikei.plan.award.types import Array, Flags, Ints

UNREACHABLE = 1e30


@dataclass(frozen=True)
class Blocks:
    """The scaled tender as the kernels read it.

    cell (P,): item · T + year; price, lower, upper (P,); start (G + 1,): first offer of each group; supplier (G,);
    first (S + 1,): first group of each supplier; low, high, factor (G, R) of the tiers, count (G,);
    demand (K · T,); activation (S,).
    """

    cell: Ints
    price: Array
    lower: Array
    upper: Array
    start: Ints
    supplier: Ints
    year: Ints
    first: Ints
    low: Array
    high: Array
    factor: Array
    count: Ints
    demand: Array
    activation: Array
    years: int


@dataclass
class Relaxation:
    """Best multipliers found (K · T,), their bound (scaled), and averages of the primal: tier weights (G, R)."""

    multiplier: Array
    bound: float
    tier_weight: Array
    supplier_weight: Array
    award: Array
    step: float


def blocks_of(frame: Frame) -> Blocks:
    """The arrays of a tender in scaled units."""
    tender, groups = frame.tender, frame.groups
    tiers = max(len(group.low) for group in groups)
    table = np.zeros((3, len(groups), tiers))
    for g, group in enumerate(groups):
        count = len(group.low)
        table[0, g, :count] = group.low / frame.quantity_unit
        table[1, g, :count] = group.high / frame.quantity_unit
        table[2, g, :count] = group.factor
    supplier = np.array([group.supplier for group in groups], dtype=np.int64)
    return Blocks(
        cell=tender.offer_item * len(tender.years) + tender.offer_year,
        price=tender.unit_price * (frame.quantity_unit / frame.money_unit),
        lower=np.minimum(frame.limits.lower, frame.limits.upper) / frame.quantity_unit,
        upper=frame.limits.upper / frame.quantity_unit,
        start=np.array([group.first for group in groups] + [groups[-1].last], dtype=np.int64),
        supplier=supplier,
        year=np.array([group.year for group in groups], dtype=np.int64),
        first=np.searchsorted(supplier, np.arange(len(tender.suppliers) + 1)).astype(np.int64),
        low=table[0],
        high=table[1],
        factor=table[2],
        count=np.array([len(group.low) for group in groups], dtype=np.int64),
        demand=tender.demand.ravel() / frame.quantity_unit,
        activation=tender.activation_cost / frame.money_unit,
        years=len(tender.years),
    )


@njit(cache=True, nogil=True)
def _tier_values(multiplier, cell, price, lower, upper, start, low, high, factor, count, order, value):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Reduced cost of each group at each tier (G, R), filled into ``value``; ``order`` (R, P) is kept sorted."""
    reduced = np.empty(price.shape[0])
    for g in range(len(start) - 1):
        a, b = start[g], start[g + 1]
        for r in range(count[g]):
            o = order[r]
            total, cost = 0.0, 0.0
            for i in range(a, b):
                reduced[i] = factor[g, r] * price[i] - multiplier[cell[i]]
                total += lower[i]
                cost += lower[i] * reduced[i]
            for i in range(a + 1, b):
                j = o[i]
                key = reduced[j]
                q = i - 1
                while q >= a and reduced[o[q]] > key:
                    o[q + 1] = o[q]
                    q -= 1
                o[q + 1] = j
            if total > high[g, r] * (1 + 1e-9):
                value[g, r] = UNREACHABLE
                continue
            for i in range(a, b):
                j = o[i]
                room = (high[g, r] if reduced[j] < 0 else low[g, r]) - total
                if room <= 0:
                    break
                taken = min(upper[j] - lower[j], room)
                total += taken
                cost += taken * reduced[j]
            value[g, r] = cost if total >= low[g, r] * (1 - 1e-9) else UNREACHABLE


@njit(cache=True, nogil=True)
def _fill(g, r, multiplier, cell, price, lower, upper, start, low, high, factor, order, award):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """The awards of one group at one tier, filled into ``award`` (P,)."""
    o = order[r]
    total = 0.0
    for i in range(start[g], start[g + 1]):
        award[i] = lower[i]
        total += lower[i]
    for i in range(start[g], start[g + 1]):
        j = o[i]
        negative = factor[g, r] * price[j] - multiplier[cell[j]] < 0
        room = (high[g, r] if negative else low[g, r]) - total
        if room <= 0:
            break
        taken = min(upper[j] - lower[j], room)
        award[j] += taken
        total += taken


@njit(cache=True, nogil=True)
def _bound(multiplier, cell, price, lower, upper, start, first, low, high, factor, count, demand, activation, state, allowed, most_on, order, value, award, tier, on):  # type: ignore[no-untyped-def]  # noqa: E501  # pragma: no cover - compiled
    """Lagrangean bound at the multipliers; fills tier values (G, R), awards (P,), best tier (G,), supplier on (S,).

    state (S,): -1 free, 0 off, 1 on; allowed (G, R): tiers that may be used; most_on: most suppliers with awards.
    """
    _tier_values(multiplier, cell, price, lower, upper, start, low, high, factor, count, order, value)
    total = 0.0
    for i in range(len(demand)):
        total += multiplier[i] * demand[i]
    award[:] = 0.0
    whole = np.zeros(len(activation))
    used = 0
    for s in range(len(activation)):
        cost = activation[s]
        for g in range(first[s], first[s + 1]):
            best, at = UNREACHABLE, 0
            for r in range(count[g]):
                if allowed[g, r] and value[g, r] < best:
                    best, at = value[g, r], r
            tier[g] = at
            cost += best
        whole[s] = cost
        on[s] = 1 if state[s] == 1 else 0
        used += on[s]
    for s in np.argsort(whole):
        if whole[s] >= 0 or used >= most_on:
            break
        if state[s] == -1:
            on[s] = 1
            used += 1
    for s in range(len(activation)):
        if on[s] == 1:
            total += whole[s]
            for g in range(first[s], first[s + 1]):
                _fill(g, tier[g], multiplier, cell, price, lower, upper, start, low, high, factor, order, award)
    return total


class Lagrangean:
    """The relaxation of one tender with its working arrays; not shared between threads."""

    def __init__(self, blocks: Blocks, must_be_on: Flags, most_on: int | None = None):
        self.blocks = blocks
        self.most_on = len(must_be_on) if most_on is None else most_on
        self.state = np.where(must_be_on, 1, -1).astype(np.int64)
        shape = blocks.low.shape
        self.allowed = np.arange(shape[1])[None, :] < blocks.count[:, None]
        self.order = np.tile(np.arange(len(blocks.price)), (shape[1], 1))
        self.value = np.full(shape, UNREACHABLE)
        self.award = np.zeros(len(blocks.price))
        self.tier = np.zeros(shape[0], dtype=np.int64)
        self.on = np.zeros(len(blocks.activation), dtype=np.int64)

    def tier_values(self, multiplier: Array) -> Array:
        """Reduced cost of each group at each tier (G, R) at the multipliers."""
        b = self.blocks
        _tier_values(
            multiplier, b.cell, b.price, b.lower, b.upper, b.start, b.low, b.high, b.factor, b.count, self.order, self.value
        )
        return self.value

    def bound(self, multiplier: Array) -> float:
        """The bound at the multipliers; award, tier, on and value then hold the solution of the relaxed problem."""
        b = self.blocks
        return float(
            _bound(
                multiplier,
                b.cell,
                b.price,
                b.lower,
                b.upper,
                b.start,
                b.first,
                b.low,
                b.high,
                b.factor,
                b.count,
                b.demand,
                b.activation,
                self.state,
                self.allowed,
                self.most_on,
                self.order,
                self.value,
                self.award,
                self.tier,
                self.on,
            )
        )

    def first_multiplier(self) -> Array:
        """A start: the price of the second cheapest offer of each item and year, at the middle tier's discount."""
        b = self.blocks
        middle = b.factor[np.arange(len(b.count)), (b.count - 1) // 2]
        net = b.price * np.repeat(middle, np.diff(b.start))
        usable = np.flatnonzero(b.upper > 0)
        order = usable[np.lexsort((net[usable], b.cell[usable]))]
        cells, at = np.unique(b.cell[order], return_index=True)
        last = np.append(at[1:], len(order)) - 1
        result = np.zeros(len(b.demand))
        result[cells] = net[order[np.minimum(at + 1, last)]]
        return result

    def ascend(
        self,
        target: float,
        *,
        iterations: int,
        deadline: float,
        start: Array | None = None,
        step: float = 0.1,
        enough: float = np.inf,
    ) -> Relaxation:
        """The volume algorithm. target: value of a plan, or a guess of it; enough: stop at such a bound.

        The bound of every iterate is valid by itself, whatever the target.
        """
        b = self.blocks
        best_at = self.first_multiplier() if start is None else start
        best = self.bound(best_at)
        average = self.award.copy()
        rows = np.arange(len(b.count))
        weight = np.zeros_like(self.value)
        weight[rows, self.tier] = self.on[b.supplier]
        on = self.on.astype(np.float64)
        blend, stale = 0.1, 0
        for iteration in range(iterations):
            if best >= enough or (iteration % 16 == 0 and time.perf_counter() > deadline):
                break
            direction = b.demand - np.bincount(b.cell, average, len(b.demand))
            norm = float(direction @ direction)
            if norm < 1e-14:
                break
            goal = max(target, best + 1e-4 * abs(best))
            multiplier = best_at + step * (goal - best) / norm * direction
            bound = self.bound(multiplier)
            fresh = b.demand - np.bincount(b.cell, self.award, len(b.demand))
            change = fresh - direction
            length = float(change @ change)
            mix = min(max(-float(direction @ change) / length, blend / 10), blend) if length > 0 else blend
            average += mix * (self.award - average)
            weight *= 1 - mix
            weight[rows, self.tier] += mix * self.on[b.supplier]
            on += mix * (self.on - on)
            if bound > best:
                best, best_at, stale = bound, multiplier, 0
                if float(fresh @ direction) > 0:
                    step = min(2.0, step * 1.1)
            else:
                stale += 1
                if stale >= 10:
                    step, stale = step * 0.66, 0
            if iteration % 50 == 49 and blend > 1e-4 and step < 0.01:
                blend /= 2
            if step < 1e-6:
                break
        return Relaxation(best_at, best, weight, on, average, step)
