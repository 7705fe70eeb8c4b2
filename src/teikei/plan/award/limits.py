"""What offers and rules allow, in numbers: bounds of each award, and the rows that tie awards together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from teikei.plan.award.rules import COUNTED_SHARE, TOGETHER
from teikei.plan.award.types import Array, Flags, Ints, Rule, Tender


@dataclass(frozen=True)
class Limits:
    """Limits of each offer (P,), after every rule that speaks of single offers.

    upper: the most that may be awarded; lower: what must be awarded (rule ``force``); least: the least quantity of an
    award that is made at all (0: none); counts: quantity from which an award counts as a source;
    switched: offers that need a yes/no decision of their own (``least`` or a limit on suppliers per item).
    """

    upper: Array
    lower: Array
    least: Array
    counts: Array
    switched: Flags
    counted: Flags


@dataclass(frozen=True)
class ShareRow:
    """low ≤ Σ weight · awards of ``offers`` ≤ high: a share of a quantity or of spend, or an amount of money.

    years: how many years it ties together.
    """

    offers: Ints
    weight: Array
    low: float
    high: float
    rule: Rule
    years: int = 1


def in_scope(tender: Tender, rule: Rule) -> Flags:
    """Offers (P,) that a rule speaks of."""
    result: Flags = (
        rule.items[tender.offer_item] & rule.years[tender.offer_year] & rule.suppliers[tender.offer_supplier]
    )
    return result


def offer_limits(tender: Tender) -> Limits:
    """Bounds of every offer from its own limits, the demand, the capacity and the rules on single offers."""
    demand = tender.offer_demand
    capacity = tender.capacity_limit[tender.offer_supplier, tender.offer_year]
    useful = np.maximum(demand, _useful(tender)) if tender.overbuying else demand
    upper = np.minimum(np.minimum(tender.maximum, useful), capacity)
    lower, least = np.zeros_like(upper), tender.minimum.copy()
    share = np.zeros_like(upper)
    limited, counted = np.zeros(len(upper), dtype=np.bool_), np.zeros(len(upper), dtype=np.bool_)
    for rule in tender.rules:
        inside = in_scope(tender, rule)
        if rule.name == "max_share_per_item":
            upper[inside] = np.minimum(upper[inside], rule.value * demand[inside])
        elif rule.name == "exclude":
            upper[inside] = 0.0
        elif rule.name == "force":
            lower[inside] = np.maximum(lower[inside], rule.value * demand[inside])
        elif rule.name == "min_share_per_item":
            share[inside] = np.maximum(share[inside], rule.value)
        elif rule.name == "max_suppliers_per_item":
            limited |= inside
        elif rule.name == "min_suppliers_per_item":
            counted |= inside
    least = np.maximum(least, share * demand)
    upper = np.where(least > upper * (1 + 1e-12), 0.0, upper)
    least = np.where(upper > 0, np.minimum(least, upper), 0.0)
    counts = np.maximum(np.where(share > 0, share, COUNTED_SHARE) * demand, least)
    return Limits(upper, lower, least, counts, ((least > 0) | limited) & (upper > 0), counted & (upper > 0))


def _useful(tender: Tender) -> Array:
    """The most (P,) that it can make sense to buy of each offer: the highest start that it could reach alone."""
    finite = np.where(np.isfinite(tender.tier_from), tender.tier_from, 0.0).max(axis=2)
    most = finite[tender.offer_supplier, tender.offer_year]
    for one in tender.terms.schedules:
        inside = (tender.offer_supplier == one.supplier) & (tender.offer_year == one.year)
        inside &= one.items[tender.offer_item]
        price = np.maximum(tender.unit_price, 1e-300)
        start = max(one.start) / price if one.by_spend else np.full(len(price), max(one.start))
        most = np.where(inside, np.maximum(most, start), most)
    for due in tender.terms.commitments:
        inside = (tender.offer_supplier == due.supplier) & due.items[tender.offer_item] & due.years[tender.offer_year]
        most = np.where(inside, np.maximum(most, due.quantity), most)
    step = tender.multiple
    return np.asarray(
        np.where(step > 0, np.ceil(np.maximum(most, tender.offer_demand) / np.where(step > 0, step, 1)) * step, most)
    )


def share_rows(tender: Tender) -> list[ShareRow]:
    """Rows of rules that tie several awards: one per supplier and year in the scope, or per year, or one in all."""
    rows = []
    for rule in tender.rules:
        if rule.name in TOGETHER:
            rows += _together(tender, rule)
        if rule.name not in ("max_share_per_supplier", "min_share_per_supplier"):
            continue
        total = tender.demand[rule.items].sum(axis=0)
        inside = in_scope(tender, rule)
        group = tender.offer_group
        for s in np.flatnonzero(rule.suppliers):
            for t in np.flatnonzero(rule.years & (total > 0)):
                offers = np.flatnonzero(inside & (group == s * len(tender.years) + t)).astype(np.int64)
                limit = rule.value * float(total[t])
                most = rule.name == "max_share_per_supplier"
                if len(offers) or not most:
                    low, high = (-np.inf, limit) if most else (limit, np.inf)
                    rows.append(ShareRow(offers, np.ones(len(offers)), low, high, rule))
    return rows


def _together(tender: Tender, rule: Rule) -> list[ShareRow]:
    """Suppliers of a scope together: Σ inside ≤ share · total, or ≤ money; a share of spend is told as
    Σ inside (1 − share) price · x − Σ outside share · price · x ≤ 0."""
    rows = []
    most = rule.name.startswith("max")
    asked = np.flatnonzero(rule.years & (tender.demand[rule.items].sum(axis=0) > 0))
    spans = [asked] if rule.over_years else [asked[i : i + 1] for i in range(len(asked))]
    inside = in_scope(tender, rule)
    for span in spans:
        within = np.isin(tender.offer_year, span)
        if rule.by_spend and "share" in rule.name:
            offers = np.flatnonzero(within & rule.items[tender.offer_item])
            weight = tender.unit_price[offers] * (inside[offers] - rule.value)
            limit = 0.0
        else:
            offers = np.flatnonzero(within & inside)
            money = "spend" in rule.name
            weight = tender.unit_price[offers] if money else np.ones(len(offers))
            limit = rule.value if money else rule.value * float(tender.demand[np.ix_(rule.items, span)].sum())
        low, high = (-np.inf, limit) if most else (limit, np.inf)
        rows.append(ShareRow(offers.astype(np.int64), weight, low, high, rule, len(span)))
    return rows
