"""Columns and rows of the further terms (terms.py) for the compact program; formulas in docs/maths/award.md."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from teikei.plan.award.model import INF, CompactModel, Frame, build
from teikei.plan.award.terms import Bundle, Commitment, Expansion, Minimum, Schedule, cheapest_cover, reaches
from teikei.plan.award.types import Array, Flags, Ints

Fill = Callable[[Array, Array], None]


@dataclass(frozen=True)
class TermsModel:
    """The compact program with the further terms; fill: what sets their columns for known awards."""

    model: CompactModel
    fill: tuple[Fill, ...]

    def start(self, values: Array, quantity: Array) -> Array:
        """values (n,) of all columns with those of the further terms set for awards quantity (P,) of the tender."""
        for one in self.fill:
            one(values, quantity)
        return values


def build_with_terms(frame: Frame) -> TermsModel:
    """The compact program of a tender with its further terms."""
    model = build(frame)
    terms = frame.tender.terms
    fill: list[Fill] = []
    for schedule in terms.schedules:
        offers = _offers(model, schedule.supplier, schedule.items, schedule.year)
        if len(offers):
            add = _incremental if schedule.incremental else _all_units
            fill.append(add(model, schedule, offers))
    fill += [_bundle(model, bundle) for bundle in terms.bundles]
    fill += [_take_or_pay(model, commitment) for commitment in terms.commitments]
    if terms.expansions:
        fill.append(_expansions(model, terms.expansions))
    fill += [_least(model, minimum) for minimum in terms.minimums]
    if frame.tender.multiple.any():
        fill.append(_multiples(model))
    return TermsModel(model, tuple(fill))


def _offers(
    model: CompactModel, supplier: int, items: Flags, year: int | None = None, years: Flags | None = None
) -> Ints:
    tender = model.frame.tender
    inside = (tender.offer_supplier == supplier) & items[tender.offer_item]
    inside &= tender.offer_year == year if years is None else years[tender.offer_year]
    return np.flatnonzero(inside & (model.frame.limits.upper > 0)).astype(np.int64)


def _columns(model: CompactModel, count: int, *, cost: Array | float, upper: Array | float, integer: bool) -> Ints:
    at = len(model.cost)
    ones = np.ones(count)
    model.cost = np.append(model.cost, cost * ones)
    model.lower = np.append(model.lower, 0.0 * ones)
    model.upper = np.append(model.upper, upper * ones)
    model.integer = np.append(model.integer, ones > 0 if integer else ones < 0)
    return np.arange(at, at + count, dtype=np.int64)


def _size(model: CompactModel, offers: Ints) -> Array:
    """Quantity that one unit of each offer's column stands for."""
    return model.frame.offer_unit[offers]


def spend_range(price: Array, upper: Array, low: Array, high: Array) -> tuple[Array, Array]:
    """Cheapest way to buy ``low`` and dearest way to buy ``high`` (R,) of offers with prices and limits (fractional
    knapsack)."""
    order = np.argsort(price, kind="stable")
    rising, falling = upper[order], upper[order[::-1]]
    cheap = np.append(0.0, np.cumsum(rising * price[order]))
    dear = np.append(0.0, np.cumsum(falling * price[order[::-1]]))
    return (
        np.interp(low, np.append(0.0, np.cumsum(rising)), cheap),
        np.interp(high, np.append(0.0, np.cumsum(falling)), dear),
    )


def _most(model: CompactModel, offers: Ints, supplier: int, year: int) -> float:
    """The most that the offers of a supplier and year can deliver together."""
    capacity = model.frame.tender.capacity_limit[supplier, year]
    return float(min(model.frame.limits.upper[offers].sum(), capacity))


def _top(model: CompactModel, offers: Ints, most: float) -> float:
    """The most that ``most`` units of the offers can cost at list prices; 1 where it is nothing."""
    tender, limits = model.frame.tender, model.frame.limits
    return float(spend_range(tender.unit_price[offers], limits.upper[offers], np.zeros(1), np.array([most]))[1][0])


def _all_units(model: CompactModel, schedule: Schedule, offers: Ints) -> Fill:
    """Rebate δ_r V_r with V_r the spend at tier r; thresholds on V_r (spend) or on Q_r (quantity).

    Spend is measured in the most that is possible of it, and so is quantity.
    """
    rows, award, size = model.rows, model.award[offers], _size(model, offers)
    price = model.frame.tender.unit_price[offers]
    most = _most(model, offers, schedule.supplier, schedule.year)
    top = _top(model, offers, most)
    limit = top if schedule.by_spend else most
    low = np.array(schedule.start)
    used = np.flatnonzero(low <= limit * (1 + 1e-12))
    low = np.minimum(low[used], limit)
    high = np.append(low[1:], limit)
    paid_unit, unit = top or 1.0, limit or 1.0
    label = ("schedule", schedule.name)
    worth = paid_unit / model.frame.money_unit
    spend = _columns(
        model, len(used), cost=-np.array(schedule.discount)[used] * worth, upper=top / paid_unit, integer=False
    )
    choice = _columns(model, len(used), cost=0.0, upper=1.0, integer=True)
    on = int(model.supplier_on[schedule.supplier])
    rows.add(np.append(choice, on), np.append(np.ones(len(used)), -1.0), 0.0, 0.0, label)
    rows.add(np.append(award, spend), np.append(price * size / paid_unit, -np.ones(len(used))), 0.0, 0.0, label)
    quantity = spend
    if schedule.by_spend:
        floor, ceiling = low, high
    else:
        quantity = _columns(model, len(used), cost=0.0, upper=most / unit, integer=False)
        rows.add(np.append(award, quantity), np.append(size / unit, -np.ones(len(used))), 0.0, 0.0, label)
        floor, ceiling = spend_range(price, model.frame.limits.upper[offers], low, high)
        for r in range(len(used)):
            rows.add([quantity[r], choice[r]], [1.0, -low[r] / unit], 0.0, INF, ("from", schedule.name))
            rows.add([quantity[r], choice[r]], [1.0, -high[r] / unit], -INF, 0.0, label)
    for r in range(len(used)):
        kind = ("from", schedule.name) if schedule.by_spend else label
        rows.add([spend[r], choice[r]], [1.0, -floor[r] / paid_unit], 0.0, INF, kind)
        rows.add([spend[r], choice[r]], [1.0, -ceiling[r] / paid_unit], -INF, 0.0, label)

    def fill(values: Array, bought: Array) -> None:
        if values[on] < 0.5:
            return
        paid, total = float(price @ bought[offers]), float(bought[offers].sum())
        amount = paid if schedule.by_spend else total
        tier = [r for r in range(len(used)) if r == 0 or reaches(amount, float(low[r]))][-1]
        values[choice[tier]], values[spend[tier]] = 1.0, paid / paid_unit
        if not schedule.by_spend:
            values[quantity[tier]] = total / unit

    return fill


def _incremental(model: CompactModel, schedule: Schedule, offers: Ints) -> Fill:
    """Spend split into the parts between thresholds, each filled before the next begins: rebate Σ δ_r W_r."""
    rows, award = model.rows, model.award[offers]
    price = model.frame.tender.unit_price[offers]
    top = _top(model, offers, _most(model, offers, schedule.supplier, schedule.year))
    unit = top or 1.0
    scale = 1.0 if schedule.by_spend else float(price[0])
    low = np.array(schedule.start) * scale / unit
    used = np.flatnonzero(low < top / unit)
    used = used if len(used) else np.zeros(1, dtype=np.int64)
    low = low[used]
    length = np.append(low[1:], max(top / unit, float(low[-1]))) - low
    label = ("schedule", schedule.name)
    worth = unit / model.frame.money_unit
    part = _columns(model, len(used), cost=-np.array(schedule.discount)[used] * worth, upper=length, integer=False)
    begun = _columns(model, len(used), cost=0.0, upper=1.0, integer=True)
    rows.add(
        np.append(award, part),
        np.append(price * _size(model, offers) / unit, -np.ones(len(used))), 0.0, 0.0, label,
    )  # fmt: skip
    for r in range(len(used)):
        rows.add([part[r], begun[r]], [1.0, -length[r]], -INF, 0.0, label)
        if r + 1 < len(used):
            rows.add([part[r], begun[r + 1]], [1.0, -length[r]], 0.0, INF, label)

    def fill(values: Array, bought: Array) -> None:
        left = float(price @ bought[offers]) / unit
        for r in range(len(used)):
            values[part[r]] = min(left, float(length[r]))
            values[begun[r]] = 1.0 if left > 0 else 0.0
            left -= values[part[r]]

    return fill


def _bundle(model: CompactModel, bundle: Bundle) -> Fill:
    """Rebate δ R with R ≤ spend on the items, R ≤ its most · b, and share · demand · b ≤ each award."""
    offers = _offers(model, bundle.supplier, bundle.items, bundle.year)
    award, price = model.award[offers], model.frame.tender.unit_price[offers]
    top = _top(model, offers, _most(model, offers, bundle.supplier, bundle.year))
    unit = top or 1.0
    label = ("bundle", bundle.name)
    worth = unit / model.frame.money_unit
    rebated = int(_columns(model, 1, cost=-bundle.discount * worth, upper=top / unit, integer=False)[0])
    reached = int(_columns(model, 1, cost=0.0, upper=1.0, integer=True)[0])
    least = bundle.share * model.frame.tender.offer_demand[offers] / _size(model, offers)
    needed = int(np.count_nonzero(bundle.items & (model.frame.tender.demand[:, bundle.year] > 0)))
    if len(offers) < needed or (least > model.upper[award] * (1 + 1e-9)).any():
        model.upper[reached] = 0.0
    model.rows.add(np.append(award, rebated), np.append(price * _size(model, offers) / unit, -1.0), 0.0, INF, label)
    model.rows.add([rebated, reached], [1.0, -top / unit], -INF, 0.0, label)
    for p, amount in zip(award, least, strict=True):
        model.rows.add([p, reached], [1.0, -amount], 0.0, INF, ("from", bundle.name))

    def fill(values: Array, quantity: Array) -> None:
        share = bundle.share * model.frame.tender.offer_demand[offers]
        if model.upper[reached] > 0 and all(
            reaches(float(q), float(s)) and q > 0 for q, s in zip(quantity[offers], share, strict=True)
        ):
            values[reached], values[rebated] = 1.0, float(price @ quantity[offers]) / unit

    return fill


def _take_or_pay(model: CompactModel, commitment: Commitment) -> Fill:
    """missing ≥ Q g − Σ x, paid at its price; x ≤ u g, g fixed to 1 where the commitment holds always."""
    offers = _offers(model, commitment.supplier, commitment.items, years=commitment.years)
    award, label = model.award[offers], ("take or pay", commitment.name)
    unit = commitment.quantity or 1.0
    total = commitment.quantity / unit
    price = commitment.price * unit / model.frame.money_unit
    size = _size(model, offers) / unit
    missing = int(_columns(model, 1, cost=price, upper=total, integer=False)[0])
    due = int(_columns(model, 1, cost=0.0, upper=1.0, integer=True)[0])
    if commitment.always:
        model.lower[due] = 1.0
    else:
        for p in award:
            model.rows.add([p, due], [1.0, -model.upper[p]], -INF, 0.0, label)
    model.rows.add(np.append(award, [missing, due]), np.append(size, [1.0, -total]), 0.0, INF, label)

    def fill(values: Array, quantity: Array) -> None:
        if commitment.always or (quantity[offers] > 0).any():
            values[due], values[missing] = 1.0, max(0.0, total - float(quantity[offers].sum()) / unit)

    return fill


def _expansions(model: CompactModel, expansions: tuple[Expansion, ...]) -> Fill:
    """Σ_k x ≤ C + Σ step · e in every year of a supplier with expansions; each paid once."""
    tender = model.frame.tender
    cost = np.array([expansion.cost for expansion in expansions]) / model.frame.money_unit
    bought = _columns(model, len(expansions), cost=cost, upper=1.0, integer=True)
    everything = np.ones(len(tender.items), dtype=np.bool_)
    for s in dict.fromkeys(expansion.supplier for expansion in expansions):
        own = [i for i, expansion in enumerate(expansions) if expansion.supplier == s]
        for t in range(len(tender.years)):
            offers = _offers(model, s, everything, t)
            if not len(offers):
                continue
            step = np.array([expansions[i].capacity * expansions[i].years[t] for i in own])
            held = float(tender.capacity[s, t])
            unit = min(held + float(step.sum()), float(_size(model, offers).sum())) or 1.0
            columns = np.append(model.award[offers], bought[own])
            values = np.append(_size(model, offers), -step) / unit
            model.rows.add(columns, values, -INF, held / unit, ("expansion", s, t))

    def fill(values: Array, quantity: Array) -> None:
        shape = tender.capacity.shape
        total = np.bincount(tender.offer_group, quantity, tender.capacity.size).reshape(shape)
        for s in dict.fromkeys(expansion.supplier for expansion in expansions):
            own = [expansion for expansion in expansions if expansion.supplier == s]
            chosen = cheapest_cover(own, np.maximum(0.0, total[s] - tender.capacity[s])) or []
            for i, expansion in enumerate(expansions):
                if any(expansion is one for one in chosen):
                    values[bought[i]] = 1.0

    return fill


def _multiples(model: CompactModel) -> Fill:
    """x = multiple · n with n a whole number, for every offer that comes in multiples."""
    tender = model.frame.tender
    step = tender.multiple
    offers = np.flatnonzero((step > 0) & (model.frame.limits.upper > 0))
    most = np.floor(model.frame.limits.upper[offers] / step[offers] * (1 + 1e-12))
    number = _columns(model, len(offers), cost=0.0, upper=most, integer=True)
    for p, n in zip(offers, number, strict=True):
        unit = float(model.frame.offer_unit[p])
        model.rows.add([model.award[p], n], [1.0, -step[p] / unit], 0.0, 0.0, ("multiple", int(p)))

    def fill(values: Array, quantity: Array) -> None:
        values[number] = np.round(quantity[offers] / step[offers])

    return fill


def _least(model: CompactModel, minimum: Minimum) -> Fill:
    """m w ≤ Σ_k x, x ≤ u w: a supplier's least quantity of a year, or nothing."""
    everything = np.ones(len(model.frame.tender.items), dtype=np.bool_)
    offers = _offers(model, minimum.supplier, everything, minimum.year)
    award, label = model.award[offers], ("least of supplier", minimum.supplier, minimum.year)
    used = int(_columns(model, 1, cost=0.0, upper=1.0, integer=True)[0])
    size = _size(model, offers) / minimum.quantity
    model.rows.add(np.append(award, used), np.append(size, -1.0), 0.0, INF, label)
    for p in award:
        model.rows.add([p, used], [1.0, -model.upper[p]], -INF, 0.0, label)

    def fill(values: Array, quantity: Array) -> None:
        values[used] = 1.0 if (quantity[offers] > 0).any() else 0.0

    return fill
