"""Exact pricing of awards outside the solver: tiers, spend, activation, and the refusal of phantom units."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from teikei.plan.award.limits import offer_limits, share_rows
from teikei.plan.award.terms import Extra, Number, extra_cost
from teikei.plan.award.types import Array, Award, Tender

RELATIVE_TOLERANCE = 1e-6


def reached_tier(tender: Tender, supplier: int, year: int, total: float) -> int:
    """Highest tier whose ``from_quantity`` the total is at or above, both as numbers of 64 bits."""
    reached = total >= tender.tier_from[supplier, year]
    reached[0] = True
    return int(np.flatnonzero(reached)[-1])


def group_totals(tender: Tender, quantity: Array) -> Array:
    """Total quantity per supplier and year (S, T) of awards (P,), by ``math.fsum`` where tiers hang on it."""
    shape = (len(tender.suppliers), len(tender.years))
    group = tender.offer_group
    totals = np.bincount(group, quantity, shape[0] * shape[1]).astype(np.float64)
    if tender.tier_from.shape[2] > 1:
        bounds = np.searchsorted(group, np.arange(len(totals) + 1))
        for g in np.flatnonzero((totals > 0) & np.isfinite(tender.tier_from.reshape(len(totals), -1)[:, 1])):
            totals[g] = math.fsum(quantity[bounds[g] : bounds[g + 1]])
    return totals.reshape(shape)


def objective(tender: Tender, quantity: Array) -> float:
    """All spend after discounts plus activation costs of awards (P,), in the money of the tender."""
    totals = group_totals(tender, quantity)
    factor = np.ones_like(totals)
    for s, t in np.argwhere(totals > 0):
        factor[s, t] = 1.0 - tender.tier_discount[s, t, reached_tier(tender, s, t, totals[s, t])]
    spend = float(np.sum(tender.unit_price * quantity * factor[tender.offer_supplier, tender.offer_year]))
    further = float(extra(tender, quantity).cost) if tender.terms else 0.0
    return spend + float(tender.activation_cost[totals.sum(axis=1) > 0].sum()) + further


def extra(tender: Tender, quantity: Array) -> Extra:
    """What the further terms make of awards (P,): rebates by line, charges, promises broken; in exact fractions."""
    keys = _keys(tender)
    bought: dict[tuple[int, int, int], Number] = {
        key: Fraction(float(q)) for key, q in zip(keys, quantity, strict=True) if q > 0
    }
    return _extra(tender, bought)


def _keys(tender: Tender) -> list[tuple[int, int, int]]:
    columns = (tender.offer_supplier, tender.offer_item, tender.offer_year)
    return [(int(s), int(k), int(t)) for s, k, t in zip(*columns, strict=True)]


def _extra(tender: Tender, bought: dict[tuple[int, int, int], Number]) -> Extra:
    price: dict[tuple[int, int, int], Number] = {
        key: Fraction(float(one)) for key, one in zip(_keys(tender), tender.unit_price, strict=True)
    }
    return extra_cost(tender.terms, bought=bought, price=price, demand=tender.demand, capacity=tender.capacity)


def to_awards(tender: Tender, quantity: Array, reasons: Sequence[str] | None = None) -> tuple[Award, ...]:
    """The lines of the award for quantities (P,) > 0, priced at the tier that each supplier's total reaches."""
    totals = group_totals(tender, quantity)
    discount = np.zeros_like(totals)
    for s, t in np.argwhere(totals > 0):
        discount[s, t] = tender.tier_discount[s, t, reached_tier(tender, s, t, totals[s, t])]
    rebates = extra(tender, quantity).rebate if tender.terms else {}
    lines = []
    for p in (int(p) for p in np.flatnonzero(quantity > 0)):
        s, k, t = int(tender.offer_supplier[p]), int(tender.offer_item[p]), int(tender.offer_year[p])
        amount, price, rebate = float(quantity[p]), float(tender.unit_price[p]), float(discount[s, t])
        if price > 0:
            rebate += float(rebates.get((s, k, t), 0) / (Fraction(amount) * Fraction(price)))
        lines.append(
            Award(
                tender.suppliers[s],
                tender.items[k],
                tender.years[t],
                amount,
                price,
                rebate,
                amount * price * (1.0 - rebate),
                reasons[p] if reasons is not None else "",
            )
        )
    return tuple(lines)


def false_lines(tender: Tender, awards: Sequence[Award]) -> list[str]:
    """What is wrong with lines of an award, wherever they come from, in the buyer's words; empty where nothing is.

    Names what is no offer or stands there twice, units that nobody asked for or that are missing, capacities, limits
    and rules that are not kept, and prices or discounts other than what the offer and the tier reached give.
    """
    supplier_at, item_at = ({name: i for i, name in enumerate(names)} for names in (tender.suppliers, tender.items))
    year_at = {year: t for t, year in enumerate(tender.years)}
    place = {key: p for p, key in enumerate(_keys(tender))}
    quantity, found = np.zeros(len(tender.unit_price)), []
    for award in awards:
        key = (supplier_at.get(award.supplier, -1), item_at.get(award.item, -1), year_at.get(award.year, -1))
        at = place.get(key)
        if at is None or not award.quantity > 0 or quantity[at] > 0:
            what = "no offer" if at is None else "twice in the award" if quantity[at] > 0 else "not a quantity above 0"
            found.append(f"{award.supplier}, {award.item}, {award.year}: {what}")
            continue
        quantity[at] = award.quantity
    if found:
        return found
    true = {(one.supplier, one.item, one.year): one for one in to_awards(tender, quantity)}
    for award in awards:
        one = true[award.supplier, award.item, award.year]
        for name in ("unit_price", "discount", "spend"):
            said, right = getattr(award, name), getattr(one, name)
            if not abs(said - right) <= 1e-9 * max(1.0, abs(right)):
                found.append(f"{award.supplier}, {award.item}, {award.year}: {name} is {said:.12g}, it is {right:.12g}")
    return found + violations(tender, quantity)


def reprice(tender: Tender, awards: Sequence[Award]) -> float:
    """The objective from the lines of the award alone, in exact rational arithmetic.

    Nothing of the solver is used: totals are added, tiers looked up, spend and activation summed as fractions.
    """
    supplier_at = {name: s for s, name in enumerate(tender.suppliers)}
    year_at = {year: t for t, year in enumerate(tender.years)}
    prices = {
        (int(s), int(k), int(t)): float(price)
        for s, k, t, price in zip(
            tender.offer_supplier, tender.offer_item, tender.offer_year, tender.unit_price, strict=True
        )
    }
    item_at = {name: k for k, name in enumerate(tender.items)}
    totals: dict[tuple[int, int], Fraction] = {}
    spend: dict[tuple[int, int], Fraction] = {}
    bought: dict[tuple[int, int, int], Number] = {}
    for award in awards:
        s, k, t = supplier_at[award.supplier], item_at[award.item], year_at[award.year]
        amount = Fraction(award.quantity)
        bought[s, k, t] = bought.get((s, k, t), Fraction(0)) + amount
        totals[s, t] = totals.get((s, t), Fraction(0)) + amount
        spend[s, t] = spend.get((s, t), Fraction(0)) + amount * Fraction(prices[s, k, t])
    result = Fraction(0)
    for (s, t), total in totals.items():
        discount = Fraction(float(tender.tier_discount[s, t, reached_tier(tender, s, t, float(total))]))
        result += spend[s, t] * (1 - discount)
    for s in {s for (s, _), total in totals.items() if total > 0}:
        result += Fraction(float(tender.activation_cost[s]))
    if tender.terms:
        result += Fraction(_extra(tender, bought).cost)
    return float(result)


def tidy(tender: Tender, quantity: Array, lower: Array, upper: Array) -> Array:
    """Solver quantities turned into awards: crumbs removed, limits kept exactly, demand met to the last digit.

    quantity, lower, upper (P,). Quantities are rounded to about a ten-billionth of the demand, so that a solver's last
    digits do not reach a buyer. What rounding leaves over goes to the award of the item with the most room.
    """
    cell = tender.offer_item * len(tender.years) + tender.offer_year
    wanted = tender.demand.ravel()
    crumb = 1e-7 * wanted[cell]
    places = 10.0 ** (10 - np.ceil(np.log10(np.maximum(wanted[cell], 1e-9))))
    rounded = np.round(quantity * places) / places
    lower, upper = lower * (1 - 1e-12), upper * (1 + 1e-12)  # 0.7 x 90,000 is 63,000 less a last digit
    result = np.where(quantity < np.maximum(crumb, 0.0), 0.0, np.clip(rounded, lower, upper))
    result = np.maximum(result, lower)
    step = tender.multiple
    fixed = step > 0
    if fixed.any():
        result[fixed] = np.round(quantity[fixed] / step[fixed]) * step[fixed]
    for _ in range(3):
        missing = wanted - np.bincount(cell, result, len(wanted))
        if tender.overbuying:
            missing = np.maximum(missing, 0.0)
        off = np.flatnonzero(np.abs(missing) > 0)
        if len(off) == 0:
            break
        need = missing[cell]
        room = np.where((result > 0) & ~fixed, np.where(need > 0, upper - result, result - lower), 0.0)
        order = np.lexsort((-room, cell))
        best = order[np.append(True, np.diff(cell[order]) != 0)]
        result[best] = np.clip(result[best] + missing[cell[best]], lower[best], upper[best])
    return result


def violations(tender: Tender, quantity: Array) -> list[str]:
    """Every promise that awards (P,) break, in the buyer's words; empty for a plan that may be handed out."""
    limits = offer_limits(tender)
    found = []
    totals = group_totals(tender, quantity)
    over = np.argwhere(totals > tender.capacity_limit * (1 + RELATIVE_TOLERANCE))
    found += [f"{tender.suppliers[s]} gets more than its capacity in {tender.years[t]}" for s, t in over]
    bought = np.zeros_like(tender.demand)
    np.add.at(bought, (tender.offer_item, tender.offer_year), quantity)
    wrong = tender.demand - bought if tender.overbuying else np.abs(bought - tender.demand)
    off = np.argwhere(wrong > 1e-9 * tender.demand)
    found += [
        f"{tender.items[k]} in {tender.years[t]}: {bought[k, t]:.12g} bought, {tender.demand[k, t]:.12g} asked for"
        for k, t in off
    ]
    slack = RELATIVE_TOLERANCE * np.maximum(limits.upper, 1e-3 * tender.offer_demand)
    bad = (quantity > limits.upper + slack) | (quantity < limits.lower - slack) | (quantity < 0)
    bad |= limits.switched & (quantity > 0) & (quantity < limits.least - slack)
    for p in np.flatnonzero(bad):
        name = f"{tender.suppliers[tender.offer_supplier[p]]}, {tender.items[tender.offer_item[p]]}"
        found.append(f"the award of {name} breaks a limit of its offer or a rule: {quantity[p]:.12g}")
    for share in share_rows(tender):
        total = float(share.weight @ quantity[share.offers])
        room = RELATIVE_TOLERANCE * float(np.abs(share.weight) @ quantity[share.offers])
        least = share.low - RELATIVE_TOLERANCE * abs(share.low) if np.isfinite(share.low) else -np.inf
        if not min(least, share.low - room) <= total <= share.high + room:
            found.append(f"the rule '{share.rule}' is broken: {total:.12g}")
    step = np.where(tender.multiple > 0, tender.multiple, 1.0)
    odd = (tender.multiple > 0) & (np.abs(quantity / step - np.round(quantity / step)) > 1e-9 * quantity / step)
    found += [
        f"{tender.suppliers[tender.offer_supplier[p]]}, {tender.items[tender.offer_item[p]]}: {quantity[p]:.12g} is no "
        f"multiple of {step[p]:g}"
        for p in np.flatnonzero(odd)
    ]
    if tender.terms:
        found += extra(tender, quantity).broken
    return found + _count_violations(tender, quantity, limits.counts)


def _count_violations(tender: Tender, quantity: Array, counts: Array) -> list[str]:
    found = []
    cell = tender.offer_item * len(tender.years) + tender.offer_year
    for rule in tender.rules:
        inside = rule.items[tender.offer_item] & rule.years[tender.offer_year] & rule.suppliers[tender.offer_supplier]
        if rule.name == "max_suppliers":
            used = np.unique(tender.offer_supplier[inside & (quantity > 0)])
            bad = len(used) > rule.value
        elif rule.name == "max_suppliers_per_item":
            bad = bool((np.bincount(cell[inside & (quantity > 0)], minlength=1) > rule.value).any())
        elif rule.name == "min_suppliers_per_item":
            enough = inside & (quantity >= counts * (1 - 1e-6))
            number = np.bincount(cell[enough], minlength=tender.demand.size)
            bad = bool((number[np.unique(cell[inside])] < rule.value).any())
        else:
            continue
        if bad:
            found.append(f"the rule '{rule}' is broken")
    return found
