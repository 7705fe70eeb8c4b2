"""The last digits of an award: every tier that it books is reached as numbers of 64 bits, no limit is passed.

A solver keeps rows within a small tolerance, a supplier's ledger does not: 999,999,999.30 is no billion. What is short
of a start by no more than solvers cannot see is moved there from another supplier of the same item, so that demand
stays what it is.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from teikei.plan.award.limits import offer_limits, share_rows
from teikei.plan.award.types import Array, Ints, Tender

NEAR = 1e-6  # relative: what a solver may have taken for reached
LAST_DIGITS = 1e-12  # relative: what may be added where no other supplier has the item
ROUNDS = 4


@dataclass(frozen=True)
class Total:
    """A sum of awards that something hangs on: weight · quantity over ``offers``; starts ascending, and a limit."""

    offers: Ints
    weight: Array
    starts: Array
    limit: float

    def amount(self, quantity: Array) -> float:
        """The sum as the award's lines give it, rounded once."""
        return math.fsum(quantity[self.offers] * self.weight)


def totals_of(tender: Tender) -> list[Total]:
    """All sums that tiers, schedules, bundles, least quantities, capacities and share rules hang on."""
    found = []
    years = len(tender.years)
    bounds = np.searchsorted(tender.offer_group, np.arange(tender.capacity.size + 1))
    limit = tender.capacity_limit
    least = {(one.supplier, one.year): one.quantity for one in tender.terms.minimums}
    for g in range(tender.capacity.size):
        s, t = divmod(g, years)
        offers = np.arange(bounds[g], bounds[g + 1], dtype=np.int64)
        starts = tender.tier_from[s, t, 1:]
        starts = np.append(starts[np.isfinite(starts)], least.get((s, t), []))
        caps = [float(limit[s, t])]
        if limit[s, t] > tender.capacity[s, t]:
            own = [one for one in tender.terms.expansions if one.supplier == s and one.years[t]]
            caps += [float(tender.capacity[s, t]), *(float(tender.capacity[s, t]) + one.capacity for one in own)]
        if len(offers):
            found += [
                Total(offers, np.ones(len(offers)), np.sort(starts) if i == 0 else np.zeros(0), cap)
                for i, cap in enumerate(caps)
                if len(starts) or np.isfinite(cap)
            ]
    for schedule in tender.terms.schedules:
        inside = (tender.offer_supplier == schedule.supplier) & (tender.offer_year == schedule.year)
        offers = np.flatnonzero(inside & schedule.items[tender.offer_item])
        weight = tender.unit_price[offers] if schedule.by_spend else np.ones(len(offers))
        if not schedule.incremental and len(offers):
            found.append(Total(offers, weight, np.array(schedule.start[1:]), np.inf))
    for bundle in tender.terms.bundles:
        inside = (tender.offer_supplier == bundle.supplier) & (tender.offer_year == bundle.year)
        for p in np.flatnonzero(inside & bundle.items[tender.offer_item]):
            start = bundle.share * float(tender.offer_demand[p])
            found.append(Total(np.array([p]), np.ones(1), np.array([start]), np.inf))
    for share in share_rows(tender):
        if len(share.offers) and (share.weight >= 0).all():
            starts = np.array([share.low]) if share.low > 0 else np.zeros(0)
            found.append(Total(share.offers, share.weight, starts, share.high))
    return found


def settle(tender: Tender, quantity: Array) -> Array:
    """Awards (P,) with the sums that fall short of a start, or pass a limit, by a solver's tolerance put right.

    Sums that cannot be put right stay as they are: the price outside the solver then says what they cost.
    """
    totals = totals_of(tender)
    if not totals:
        return quantity
    result = quantity.copy()
    limits = offer_limits(tender)
    cell = tender.offer_item * len(tender.years) + tender.offer_year
    order = np.argsort(cell, kind="stable")
    first = np.searchsorted(cell[order], np.arange(tender.demand.size + 1))
    holders = [order[first[k] : first[k + 1]] for k in range(tender.demand.size)]
    member: list[list[Total]] = [[] for _ in range(len(quantity))]
    for total in totals:
        for p in total.offers:
            member[p].append(total)
    for _ in range(ROUNDS):
        moved = False
        for total in totals:
            amount = total.amount(result)
            if amount > total.limit and amount <= total.limit * (1 + NEAR):
                moved |= _move(tender, result, total, total.limit, limits.lower, limits.upper, holders, member)
            near = np.flatnonzero((amount < total.starts) & (amount >= total.starts * (1 - NEAR)) & (amount > 0))
            if len(near):
                start = float(total.starts[near[0]])
                moved |= _move(tender, result, total, start, limits.lower, limits.upper, holders, member)
        if not moved:
            break
    return result


def _slack(totals: list[Total], quantity: Array, p: int, gain: bool) -> float:
    """How much more (gain) or less of offer p the sums that hold it bear before a start is lost or a limit passed."""
    room = np.inf
    for total in totals:
        at = float(total.weight[np.flatnonzero(total.offers == p)[0]]) if len(total.offers) > 1 else 1.0
        amount = total.amount(quantity)
        if gain:
            if amount <= total.limit:
                room = min(room, (total.limit - amount) / at if at > 0 else np.inf)
        else:
            held = total.starts[total.starts <= amount]
            if len(held):
                room = min(room, (amount - float(held[-1])) / at if at > 0 else np.inf)
    return room


def _move(
    tender: Tender,
    quantity: Array,
    total: Total,
    goal: float,
    lower: Array,
    upper: Array,
    holders: list[Ints],
    member: list[list[Total]],
) -> bool:
    """Bring a sum to ``goal`` (from below a start, or from above a limit) by one exchange within an item, the cheapest
    that breaks nothing; changes ``quantity`` in place."""
    short, fixed = goal - total.amount(quantity), tender.multiple > 0
    inside = set(total.offers.tolist())
    years = len(tender.years)
    options = []
    for p, weight in zip(total.offers.tolist(), total.weight.tolist(), strict=True):
        if weight <= 0 or quantity[p] <= 0 or fixed[p]:
            continue
        own = abs(short) / weight
        if tender.overbuying and short > 0 and quantity[p] + own <= upper[p] * (1 + 1e-12):
            quantity[p] += own
            if total.amount(quantity) >= goal or _last_digits(quantity, total, goal):
                return True
            quantity[p] -= own
        for q in holders[int(tender.offer_item[p]) * years + int(tender.offer_year[p])].tolist():
            if q in inside or quantity[q] <= 0 or fixed[q] or tender.overbuying:
                continue
            up, down = (p, q) if short > 0 else (q, p)
            if quantity[up] + own > upper[up] * (1 + 1e-12) or quantity[down] - own <= max(lower[down], 0.0):
                continue
            options.append((float(tender.unit_price[up] - tender.unit_price[down]) * own, p, q, own))
    for _, p, q, own in sorted(options)[:40]:
        up, down = (p, q) if short > 0 else (q, p)
        others = [one for one in member[up] if one is not total]
        bear = min(
            _slack(others, quantity, up, True),
            _slack([o for o in member[down] if o is not total], quantity, down, False),
        )
        if bear < own * (1 - 1e-9):
            continue
        before = quantity[p], quantity[q]
        _exchange(tender, quantity, total, goal, p, q, holders, short > 0)
        met = total.amount(quantity)
        if met >= goal if short > 0 else met <= goal:
            return True
        quantity[p], quantity[q] = before
    if 0 < short <= LAST_DIGITS * goal and not fixed[total.offers].any():
        return _last_digits(quantity, total, goal)
    return False


def _exchange(
    tender: Tender, quantity: Array, total: Total, goal: float, p: int, q: int, holders: list[Ints], rising: bool
) -> None:
    """p takes what the sum lacks (or gives what it has too much), q the opposite: the item's sum is its demand."""
    weight = float(total.weight[np.flatnonzero(total.offers == p)[0]])
    cell = int(tender.offer_item[p]) * len(tender.years) + int(tender.offer_year[p])
    rest = [i for i in holders[cell].tolist() if i != q]
    wanted = float(tender.demand.flat[cell])
    step = 0.0
    for _ in range(60):
        amount = total.amount(quantity)
        if amount >= goal if rising else amount <= goal:
            return
        lacking = (goal - amount) / weight
        step = max(abs(lacking), 2 * step, float(np.spacing(quantity[p])))
        quantity[p] += step if rising else -step
        quantity[q] = wanted - math.fsum(quantity[rest])


def _last_digits(quantity: Array, total: Total, goal: float) -> bool:
    """All of an item is here already: its own last digits are rounded up."""
    held = total.offers[quantity[total.offers] > 0]
    if not len(held):
        return False
    p = int(held[np.argmax(quantity[held])])
    before, step = float(quantity[p]), float(np.spacing(quantity[p]))
    for _ in range(40):
        if total.amount(quantity) >= goal:
            return True
        quantity[p] += step
        step *= 2
    quantity[p] = before
    return False
