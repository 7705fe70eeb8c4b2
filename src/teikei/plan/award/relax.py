"""Lower bounds by Lagrangean relaxation of the demand: each supplier then fills its best tiers by itself.

With a price λ per item and year for a unit of demand, the tender falls apart into suppliers; a supplier's year at one
tier is a fractional knapsack between ``from`` and ``to``. The best bound over λ equals that of the multiple-choice
linear formulation with all links (Geoffrion 1974), at a small part of its cost. λ is found by the volume algorithm
(Barahona and Anbil, Math. Program. 87, 2000), whose fractional primal solution guides the search.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

from teikei.plan.award import kernels
from teikei.plan.award.kernels import UNREACHABLE
from teikei.plan.award.model import Frame
from teikei.plan.award.types import Array, Flags, Ints, Tender


@dataclass(frozen=True)
class Blocks:
    """The scaled tender as the kernels read it: awards are shares of the demand of their item and year.

    cell (P,): item · T + year; price (of the whole demand), lower, upper (P,); size (P,): the whole demand as a part of
    the most that its group can deliver, in which low and high are told too; start (G + 1,): first offer of each group;
    supplier (G,); first (S + 1,): first group of each supplier; low, high, factor (G, R) of the tiers, count (G,);
    unit (G,): that most; demand (K · T,): 1 where anything is asked for; activation (S,).
    """

    cell: Ints
    price: Array
    lower: Array
    upper: Array
    size: Array
    start: Ints
    supplier: Ints
    year: Ints
    first: Ints
    low: Array
    high: Array
    factor: Array
    count: Ints
    unit: Array
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
        table[0, g, :count] = group.low / group.quantity_unit
        table[1, g, :count] = group.high / group.quantity_unit
        table[2, g, :count] = group.factor
    wanted = tender.offer_demand
    unit = np.repeat([group.quantity_unit for group in groups], [group.last - group.first for group in groups])
    supplier = np.array([group.supplier for group in groups], dtype=np.int64)
    return Blocks(
        cell=tender.offer_item * len(tender.years) + tender.offer_year,
        price=tender.unit_price * wanted / frame.money_unit,
        lower=np.minimum(frame.limits.lower, frame.limits.upper) / wanted,
        upper=frame.limits.upper / wanted,
        size=wanted / unit,
        start=np.array([group.first for group in groups] + [groups[-1].last], dtype=np.int64),
        supplier=supplier,
        year=np.array([group.year for group in groups], dtype=np.int64),
        first=np.searchsorted(supplier, np.arange(len(tender.suppliers) + 1)).astype(np.int64),
        low=table[0],
        high=table[1],
        factor=table[2],
        count=np.array([len(group.low) for group in groups], dtype=np.int64),
        unit=np.array([group.quantity_unit for group in groups]),
        demand=(tender.demand.ravel() > 0).astype(np.float64),
        activation=tender.activation_cost / frame.money_unit,
        years=len(tender.years),
    )


def fewest_suppliers(tender: Tender, upper: Array) -> int:
    """How many suppliers it takes at least, by what the largest of them can deliver in each year; upper (P,)."""
    size = tender.capacity.size
    most = np.bincount(tender.offer_group, upper, size).reshape(tender.capacity.shape)
    most = np.sort(np.minimum(most, tender.capacity_limit), axis=0)[::-1]
    wanted = tender.demand.sum(axis=0) * (1 - 1e-9)
    return int((np.cumsum(most, axis=0) < wanted).sum(axis=0).max()) + 1


class Lagrangean:
    """The relaxation of one tender with its working arrays; not shared between threads."""

    def __init__(self, blocks: Blocks, must_be_on: Flags, most_on: int | None = None, least_on: int = 0):
        self.blocks, self.least_on = blocks, least_on
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
        kernels.tier_values(
            multiplier,
            b.cell,
            b.price,
            b.lower,
            b.upper,
            b.size,
            b.start,
            b.low,
            b.high,
            b.factor,
            b.count,
            self.order,
            self.value,
        )
        return self.value

    def bound(self, multiplier: Array) -> float:
        """The bound at the multipliers; award, tier, on and value then hold the solution of the relaxed problem."""
        b = self.blocks
        return float(
            kernels.bound(
                multiplier,
                b.cell,
                b.price,
                b.lower,
                b.upper,
                b.size,
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
                self.least_on,
                self.order,
                self.value,
                self.award,
                self.tier,
                self.on,
            )
        )

    def ascend(
        self,
        target: float,
        *,
        iterations: int,
        deadline: float,
        start: Array,
        step: float = 0.1,
        enough: float = np.inf,
    ) -> Relaxation:
        """The volume algorithm. target: value of a plan, or a guess of it; enough: stop at such a bound.

        The bound of every iterate is valid by itself, whatever the target.
        """
        b = self.blocks
        best_at = start
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
