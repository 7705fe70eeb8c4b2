"""Reasons that a second award confirms: what is said to decide a line is taken away, and the tender solved again.

A line that a cheaper offer could have had is explained by the first cause (a rule, a capacity, a largest quantity, an
activation cost, a discount) without which the line really loses quantity; where none does alone, by what the award
would cost without the line. A losing bid is explained by what a first part of it would cost.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from teikei.plan.award.limits import in_scope, offer_limits, share_rows
from teikei.plan.award.price import extra, group_totals, objective, reached_tier
from teikei.plan.award.solve import solve
from teikei.plan.award.types import Array, Rule, Tender

PROVEN: Final = "proven"
PRICE_ONLY: Final = "price only"
LOSERS: Final = 20  # the nearest losing bids are solved again with a first part forced in
FIRST_PART: Final = 0.01  # of the item, where no least quantity asks for more
GAP: Final = 1e-6
TIED_RULES: Final = ("force", "min_suppliers_per_item", "min_share_per_item", "max_suppliers_per_item")

Cause = tuple[Any, ...]


@dataclass(frozen=True)
class Reasons:
    """text and status (P,) of every offer: why it got what it got, and whether a second award confirms it."""

    text: tuple[str, ...]
    status: tuple[str, ...]


@dataclass(frozen=True)
class _Answer:
    """A tender solved again: its awards (P,), None where there is no plan; cost and proven bound."""

    quantity: Array | None
    cost: float
    bound: float


class _Again:
    """Solves changed tenders, each once, while there is time."""

    def __init__(self, tender: Tender, *, deadline: float, seconds: float):
        self.tender, self.deadline, self.seconds = tender, deadline, seconds
        self.known: dict[Cause, _Answer | None] = {}

    def without(self, cause: Cause) -> _Answer | None:
        """The tender without a cause; None where time is up."""
        return self._solve(cause, lambda: without(self.tender, cause))

    def forced(self, offer: int, share: float) -> _Answer | None:
        """The tender with a share of an offer's demand bought there."""
        rule = forced(self.tender, offer, share, "first part of a losing bid")
        return self._solve(("forced", offer), lambda: replace(self.tender, rules=(*self.tender.rules, rule)))

    def barred(self, offer: int) -> _Answer | None:
        """The tender without an offer."""
        maximum = self.tender.maximum.copy()
        maximum[offer] = 0.0
        minimum = self.tender.minimum.copy()
        minimum[offer] = 0.0
        return self._solve(("barred", offer), lambda: replace(self.tender, maximum=maximum, minimum=minimum))

    def _solve(self, key: Cause, change: Callable[[], Tender]) -> _Answer | None:
        if key not in self.known:
            now = time.perf_counter()
            if now >= self.deadline:
                return None
            until = min(self.deadline, now + self.seconds)
            changed = change()
            found = solve(changed, deadline=until, gap=GAP, second=False)
            if found.infeasible:
                self.known[key] = _Answer(None, np.inf, np.inf)
            elif found.quantity is None:
                self.known[key] = None
            else:
                cost = objective(changed, found.quantity)
                self.known[key] = _Answer(found.quantity, cost, min(found.bound, cost))
        return self.known[key]


def forced(tender: Tender, offer: int, share: float, place: str) -> Rule:
    """The rule that a supplier gets at least a share of one item in one year."""

    def only(count: int, at: int) -> Any:
        flags = np.zeros(count, dtype=np.bool_)
        flags[at] = True
        return flags

    s, k, t = int(tender.offer_supplier[offer]), int(tender.offer_item[offer]), int(tender.offer_year[offer])
    scope = f"supplier={tender.suppliers[s]};item={tender.items[k]};year={tender.years[t]}"
    flags = only(len(tender.suppliers), s), only(len(tender.items), k), only(len(tender.years), t)
    return Rule("force", scope, share, "", *flags, place)


def without(tender: Tender, cause: Cause) -> Tender:
    """The tender without a rule, a capacity, a limit of an offer, an activation cost or a supplier's discounts."""
    kind, *at = cause
    if kind == "rule":
        return replace(tender, rules=tender.rules[: at[0]] + tender.rules[at[0] + 1 :])
    if kind == "capacity":
        capacity = tender.capacity.copy()
        capacity[at[0], at[1]] = np.inf
        return replace(tender, capacity=capacity)
    if kind == "activation":
        cost = tender.activation_cost.copy()
        cost[at[0]] = 0.0
        return replace(tender, activation_cost=cost)
    if kind in ("maximum", "minimum"):
        limit = (tender.maximum if kind == "maximum" else tender.minimum).copy()
        limit[at[0]] = np.inf if kind == "maximum" else 0.0
        return replace(tender, maximum=limit) if kind == "maximum" else replace(tender, minimum=limit)
    discount = tender.tier_discount.copy()
    discount[at[0]] = discount[at[0], :, :1]
    terms = tender.terms
    terms = replace(
        terms,
        schedules=tuple(one for one in terms.schedules if one.supplier != at[0]),
        bundles=tuple(one for one in terms.bundles if one.supplier != at[0]),
        commitments=tuple(one for one in terms.commitments if one.supplier != at[0]),
    )
    return replace(tender, tier_discount=discount, terms=terms)


def net_prices(tender: Tender, quantity: Array) -> Array:
    """Price (P,) of a unit of each offer after the discounts that the plan reaches."""
    totals = group_totals(tender, quantity)
    factor = np.ones_like(totals)
    for s, t in np.argwhere(totals > 0):
        factor[s, t] -= tender.tier_discount[s, t, reached_tier(tender, s, t, totals[s, t])]
    net = tender.unit_price * factor[tender.offer_supplier, tender.offer_year]
    if tender.terms:
        rate = extra(tender, quantity).rate
        keys = zip(tender.offer_supplier, tender.offer_item, tender.offer_year, strict=True)
        net = net - tender.unit_price * np.array([rate.get((int(s), int(k), int(t)), 0.0) for s, k, t in keys])
    return np.asarray(net)


def confirmed(
    tender: Tender, quantity: Array, text: Sequence[str], cost: float, *, deadline: float, seconds: float
) -> Reasons:
    """The reasons of a plan (P,), confirmed by solving again as long as there is time.

    text (P,): what price and limits alone say. cost: of the plan. seconds: the most that one solve may take.
    """
    said, status = list(text), [PRICE_ONLY if quantity[p] > 0 else "" for p in range(len(quantity))]
    net, limits = net_prices(tender, quantity), offer_limits(tender)
    cell = tender.offer_item * len(tender.years) + tender.offer_year
    again = _Again(tender, deadline=deadline, seconds=seconds)
    order = np.argsort(cell, kind="stable")
    first = np.searchsorted(cell[order], np.arange(tender.demand.size + 1))
    lines = sorted(np.flatnonzero(quantity > 0), key=lambda p: -quantity[p] * net[p])
    for p in (int(p) for p in lines):
        rivals = [int(q) for q in order[first[cell[p]] : first[cell[p] + 1]] if q != p]
        cheaper = sorted((q for q in rivals if net[q] < net[p] * (1 - 1e-12)), key=lambda q: net[q])
        if not cheaper:
            status[p] = PROVEN  # a comparison of prices is all there is to it
            continue
        found = _line(tender, quantity, p, cheaper, again, limits.upper, cost)
        if found:
            said[p], status[p] = found, PROVEN
    winners = np.zeros(tender.demand.size)
    np.maximum.at(winners, cell[quantity > 0], net[quantity > 0])
    losers = np.flatnonzero(quantity <= 0)
    distance = net[losers] / np.maximum(winners[cell[losers]], 1e-300) - 1
    for at, q in enumerate(losers.tolist()):
        said[q], status[q] = _by_price(q, float(distance[at]), limits.upper), PRICE_ONLY
    for q in losers[np.argsort(distance, kind="stable")[:LOSERS]].tolist():
        if limits.upper[q] <= 0:
            status[q] = PROVEN
            continue
        least = max(FIRST_PART, float(limits.least[q] / tender.offer_demand[q]))
        answer = again.forced(q, min(least, float(limits.upper[q] / tender.offer_demand[q])))
        if answer is not None and answer.quantity is None:
            said[q], status[q] = "lost: no award with any of it keeps every rule", PROVEN
        elif answer is not None and answer.bound >= cost * (1 - 1e-12):
            more = answer.bound - cost
            said[q] = f"lost: a first {least:.0%} of the demand there would cost {more:,.2f} more ({said[q][6:]})"
            status[q] = PROVEN
    return Reasons(tuple(said), tuple(status))


def _by_price(q: int, distance: float, upper: Array) -> str:
    if upper[q] <= 0:
        return "lost: its own limits or a rule leave no room for it"
    if distance <= 0:
        return f"lost: {-distance:.2%} below the dearest line awarded, but a whole plan with it costs more"
    return f"lost: {distance:.2%} above the dearest line awarded"


def _line(
    tender: Tender, quantity: Array, p: int, cheaper: Sequence[int], again: _Again, upper: Array, cost: float
) -> str:
    """The first cause without which an awarded line loses quantity, in a sentence; empty where time is up."""
    who = tender.suppliers[int(tender.offer_supplier[cheaper[0]])]
    for cause in _causes(tender, quantity, p, cheaper, upper):
        answer = again.without(cause)
        if answer is None:
            return ""
        if answer.quantity is None or answer.quantity[p] >= quantity[p] - 1e-6 * tender.offer_demand[p]:
            continue
        saved = cost - answer.cost
        if cause[0] != "discounts" and saved <= 1e-9 * cost:
            continue
        return _sentence(tender, cause, saved, p, who)
    answer = again.barred(p)
    if answer is None:
        return ""
    if answer.quantity is None:
        return f"without this line no award keeps every rule ({who} is cheaper for this item alone)"
    more = answer.bound - cost
    if more < -1e-9 * cost:
        return ""
    return f"cheapest as a whole: without this line the award costs at least {max(more, 0.0):,.2f} more"


def _causes(tender: Tender, quantity: Array, p: int, cheaper: Sequence[int], upper: Array) -> list[Cause]:
    """What may hold a line where it is although others are cheaper, the likeliest first."""
    totals = group_totals(tender, quantity)
    t = int(tender.offer_year[p])
    found: list[Cause] = []
    rows = share_rows(tender)
    for q in cheaper[:3]:
        o = int(tender.offer_supplier[q])
        if totals[o, t] >= tender.capacity[o, t] * (1 - 1e-9):
            found.append(("capacity", o, t))
        if quantity[q] >= upper[q] * (1 - 1e-9):
            if tender.maximum[q] <= upper[q] * (1 + 1e-12):
                found.append(("maximum", q))
            found += [
                ("rule", i)
                for i, rule in enumerate(tender.rules)
                if rule.name in ("max_share_per_item", "exclude") and in_scope(tender, rule)[q]
            ]
        tied = [row.rule for row in rows if q in row.offers and _full(row, quantity, high=True)]
        tied += [row.rule for row in rows if p in row.offers and _full(row, quantity, high=False)]
        found += [("rule", i) for i, rule in enumerate(tender.rules) if any(rule is one for one in tied)]
        if not totals[o].any() and tender.activation_cost[o] > 0:
            found.append(("activation", o))
        found += [
            ("rule", i)
            for i, rule in enumerate(tender.rules)
            if rule.name == "max_suppliers" and in_scope(tender, rule)[q]
        ]
    found += [
        ("rule", i) for i, rule in enumerate(tender.rules) if rule.name in TIED_RULES and in_scope(tender, rule)[p]
    ]
    if tender.minimum[p] > 0:
        found.append(("minimum", p))
    owners = [int(tender.offer_supplier[p]), *(int(tender.offer_supplier[q]) for q in cheaper[:3])]
    for s in owners:
        terms = tender.terms
        granted = [one.supplier for one in terms.schedules] + [one.supplier for one in terms.bundles]
        granted += [one.supplier for one in terms.commitments]
        if (tender.tier_discount[s] > tender.tier_discount[s, :, :1]).any() or s in granted:
            found.append(("discounts", s))
    return list(dict.fromkeys(found))


def _full(row: Any, quantity: Array, *, high: bool) -> bool:
    total = float(row.weight @ quantity[row.offers])
    size = float(np.abs(row.weight) @ quantity[row.offers])
    return bool(total >= row.high - 1e-6 * size if high else total <= row.low + 1e-6 * size)


def _sentence(tender: Tender, cause: Cause, saved: float, p: int, who: str) -> str:
    kind, *at = cause
    less = f"without it the award would cost {saved:,.2f} less"
    if kind == "rule":
        return f"the rule '{tender.rules[at[0]]}' holds it here, though {who} is cheaper: {less}"
    if kind == "capacity":
        return f"{tender.suppliers[at[0]]} is at its capacity in {tender.years[at[1]]}: {less}"
    if kind == "maximum":
        return f"{tender.suppliers[int(tender.offer_supplier[at[0]])]} is at its largest quantity: {less}"
    if kind == "minimum":
        return f"the least quantity of this offer: {less}"
    if kind == "activation":
        return f"{tender.suppliers[at[0]]} is not used at all because of its activation cost: {less}"
    if at[0] == int(tender.offer_supplier[p]):
        tied = [b.name for b in tender.terms.bundles if b.supplier == at[0] and b.items[tender.offer_item[p]]]
        named = f"part of bundle {tied[0]}" if tied else "keeps its supplier in a better tier"
        return f"{named}; {who} is cheaper for this item alone"
    return f"{tender.suppliers[at[0]]} is bought from only as far as its discounts ask for; it is cheaper here"
