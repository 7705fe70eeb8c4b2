"""Why each award went where it did, in a sentence a buyer can repeat."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from teikei.plan.award.limits import in_scope, offer_limits
from teikei.plan.award.price import extra, group_totals, reached_tier
from teikei.plan.award.types import Array, Flags, Tender


def reasons(tender: Tender, quantity: Array) -> list[str]:
    """A reason for each offer (P,) with quantity > 0, empty for the others. Read off the plan itself:

    ``only offer``, ``cheapest offer``, ``cheapest at its tier`` (by the prices after discount of the plan), ``cheapest
    that is left`` (and what stops each cheaper offer: share limit, capacity, supplier not used), ``needed for a rule``,
    ``completes a tier`` (the supplier's total stands at the break), ``keeps its supplier in a better tier``, ``part of
    bundle NAME`` and ``counts towards a take-or-pay`` where these decide.
    """
    limits = offer_limits(tender)
    totals = group_totals(tender, quantity)
    factor = np.ones_like(totals)
    at_break = np.zeros(totals.shape, dtype=np.bool_)
    for s, t in np.argwhere(totals > 0):
        tier = reached_tier(tender, s, t, totals[s, t])
        factor[s, t] = 1 - tender.tier_discount[s, t, tier]
        start = tender.tier_from[s, t, tier]
        at_break[s, t] = tier > 0 and totals[s, t] <= start * (1 + 1e-6) + 1e-9
    full = totals >= tender.capacity_limit * (1 - 1e-9)
    used = totals.sum(axis=1) > 0
    dear = tender.activation_cost > 0
    for rule in tender.rules:
        if rule.name == "max_suppliers":
            dear = dear | rule.suppliers
    net = tender.unit_price * factor[tender.offer_supplier, tender.offer_year]
    tied = [""] * len(quantity)
    if tender.terms:
        keys = list(zip(tender.offer_supplier, tender.offer_item, tender.offer_year, strict=True))
        rate = extra(tender, quantity).rate
        net = net - tender.unit_price * np.array([rate.get((int(s), int(k), int(t)), 0.0) for s, k, t in keys])
        tied = [_tie(tender, rate, int(s), int(k), int(t)) for s, k, t in keys]
    ruled = _ruled_minimum(tender, limits.counts)
    cell = tender.offer_item * len(tender.years) + tender.offer_year
    order = np.lexsort((net, cell))
    starts = np.flatnonzero(np.append(True, np.diff(cell[order]) != 0))
    text = [""] * len(quantity)
    for offers in np.split(order, starts[1:]):
        usable = [int(p) for p in offers if limits.upper[p] > 0]
        for p in usable:
            if quantity[p] > 0:
                text[p] = _reason(
                    tender,
                    quantity=quantity,
                    upper=limits.upper,
                    net=net,
                    offers=usable,
                    award=p,
                    ruled=ruled,
                    at_break=at_break,
                    full=full,
                    used=used,
                    dear=dear,
                    tied=tied[p],
                )
    return text


def _tie(tender: Tender, rate: Mapping[tuple[int, int, int], float], s: int, k: int, t: int) -> str:
    """What ties an award to others of its supplier among the further terms; empty where nothing does."""
    terms = tender.terms
    for bundle in terms.bundles:
        if (bundle.supplier, bundle.year) == (s, t) and bundle.items[k] and rate.get((s, k, t), 0.0) > 0:
            return f"part of bundle {bundle.name}"
    if any(one.supplier == s and one.items[k] and one.years[t] for one in terms.commitments):
        return "counts towards a take-or-pay"
    if any((one.supplier, one.year) == (s, t) and one.items[k] for one in terms.schedules):
        return "keeps its supplier in a better tier"
    return ""


def _reason(
    tender: Tender,
    *,
    quantity: Array,
    upper: Array,
    net: Array,
    offers: list[int],
    award: int,
    ruled: Array,
    at_break: Flags,
    full: Flags,
    used: Flags,
    dear: Flags,
    tied: str,
) -> str:
    """The reason of one award among the usable offers of its item and year, cheapest first."""
    if len(offers) == 1:
        return "only offer"
    s, t = int(tender.offer_supplier[award]), int(tender.offer_year[award])
    better = [p for p in offers if net[p] < net[award] * (1 - 1e-12)]
    parts = []
    room_left = ""
    for p in better:
        other = int(tender.offer_supplier[p])
        name = tender.suppliers[other]
        if full[other, t]:
            parts.append(f"{name} is at its capacity")
        elif quantity[p] >= upper[p] * (1 - 1e-9):
            wanted = tender.demand[tender.offer_item[p], t]
            shared = upper[p] < min(tender.maximum[p], wanted, tender.capacity[other, t]) * (1 - 1e-9)
            parts.append(f"{name} is at its {'share limit' if shared else 'largest quantity'}")
        elif not used[other] and dear[other]:
            parts.append(f"{name} is not used at all (activation cost or limit on suppliers)")
        else:
            room_left = room_left or name
    if not better:
        return "cheapest at its tier" if net[award] < tender.unit_price[award] else "cheapest offer"
    if room_left:
        if ruled[award] > 0 and quantity[award] <= ruled[award] * (1 + 1e-6):
            return "needed for a rule"
        if at_break[s, t]:
            return "completes a tier: the supplier's total stands at the break"
        if tied:
            return f"{tied}; {room_left} is cheaper for this item alone"
        others = [int(tender.offer_supplier[p]) for p in better]
        if any(at_break[o, t] for o in others):
            parts.append(f"{room_left} stays at its tier")
        else:
            parts.append(f"{room_left} is cheaper for this item alone; a rule, or room needed elsewhere, holds it back")
    return "cheapest that is left: " + "; ".join(dict.fromkeys(parts))


def _ruled_minimum(tender: Tender, counts: Array) -> Array:
    """The quantity (P,) that rules ask of each offer: force, second sources, least shares and orders."""
    result = np.zeros(len(counts))
    for rule in tender.rules:
        inside = in_scope(tender, rule)
        if rule.name == "force":
            result[inside] = np.maximum(result[inside], rule.value * tender.offer_demand[inside])
        elif rule.name in ("min_suppliers_per_item", "min_share_per_item"):
            result[inside] = np.maximum(result[inside], counts[inside])
    return np.maximum(result, tender.minimum)
