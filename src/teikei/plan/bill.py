"""What the awards of a plan cost: tiers by drawing group, rebates by spend group, duty, freight, warranty, equity.

Everything is computed from the decisions, outside the solver, so that the value a plan reports owes nothing to it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from teikei.plan.decisions import Decisions
from teikei.plan.facts import Facts, OfferFact
from teikei.plan.joined_spend import price_cut
from teikei.plan.scope import Item, Scope
from teikei.plan.sources import CONTRACT, NOT_PRICED, OFFER, PLANT, Source


class Reached(NamedTuple):
    """Tier and price per piece that a drawing group reaches at an offer in a year, and its total in tier units."""

    tier: int
    price: float
    total: float


PoolOf = Callable[[str, str, str], str]
GroupOf = Callable[[str, str], str]


@dataclass(frozen=True, slots=True)
class Line:
    """One award line: pieces of an item from a source in a year; money in study currency per piece, undiscounted."""

    item: Item
    source: Source
    year: int
    pieces: float
    unit_price: float
    rebate: float
    duty_freight: float
    warranty: float
    equity: float
    shortfall: float
    basis: str
    pool: str
    tier: int
    alignment: float = 0.0
    joint_rate: float = 0.0

    @property
    def cost(self) -> float:
        """Study currency per piece, all in."""
        together = self.rebate + self.alignment + self.joint_rate
        return self.unit_price - together + self.duty_freight + self.warranty - self.equity + self.shortfall


def tier_price(offer: OfferFact, year: int, quantity: float) -> tuple[int, float]:
    """(tier reached, price per piece) at a yearly quantity; the average price where the discount is incremental."""
    tier, prices = tier_of(offer, quantity), offer.price[year]
    if not offer.incremental or quantity <= 0 or tier == 0:
        return tier, prices[tier]
    ends = (*offer.from_quantity[1 : tier + 1], max(quantity, offer.from_quantity[tier]))
    starts = (0.0, *offer.from_quantity[1 : tier + 1])
    paid = math.fsum((end - start) * prices[i] for i, (start, end) in enumerate(zip(starts, ends, strict=True)))
    return tier, paid / ends[-1]


def take_or_pay_price(offer: OfferFact) -> float:
    """Study currency paid for each piece not taken: the first tier's price of the last year, times its share."""
    return offer.price[max(offer.price)][0] * offer.take_or_pay_share


def tier_of(offer: OfferFact, quantity: float) -> int:
    """Index of the tier a yearly quantity reaches; at the break (within max(1e-6, 1e-6 x break)) the better one."""
    reached = 0
    for index, threshold in enumerate(offer.from_quantity):
        if quantity >= threshold - max(1e-6, 1e-6 * threshold):
            reached = index
    return reached


def price_lines(
    scope: Scope,
    decisions: Decisions,
    pool_of: PoolOf | None = None,
    group_of: GroupOf | None = None,
    divergence: Callable[[str], bool] | None = None,
) -> list[Line]:
    """Prices every award of a plan.

    pool_of(class, group, bloc) and group_of(class, bloc) name the drawing and spend groups; None = those of the scope.
    divergence(class): whether units that have left a joint drawing are lost for its tiers; None = they are.
    """
    pool_of = pool_of or scope.pool
    group_of = group_of or scope.buying_group
    quantity: dict[tuple[str, str, int], float] = {}
    for (item, source, year), pieces in decisions.awards.items():
        if source.kind == OFFER:
            key = (source.name, _pool(scope, item, pool_of), year)
            quantity[key] = quantity.get(key, 0.0) + scope.facts.tier_units(item.module, pieces)
    counted: dict[tuple[tuple[str, str], str, int], float] = {}
    for (name, pool, year), total in quantity.items():
        offer = scope.facts.offers[name]
        kept = 1.0
        lost = divergence is None or divergence(offer.class_name)
        if lost and scope.joint and pool == scope.joint and offer.module in scope.joint_start:
            kept = 1.0 - scope.diverged(offer.module, year)
        together = (offer.counts_with, pool, year)
        counted[together] = counted.get(together, 0.0) + total * kept
    tiers = {}
    for (name, pool, year), total in quantity.items():
        offer = scope.facts.offers[name]
        tier, paid = tier_price(offer, year, counted[(offer.counts_with, pool, year)])
        tiers[(name, pool, year)] = Reached(tier, paid, total)
    rebates = _rebates(scope, decisions, pool_of, group_of, tiers)
    lines = []
    for award, pieces in decisions.awards.items():
        if award[1] != NOT_PRICED:
            line = _line(scope, award, pieces, pool_of=pool_of, tiers=tiers, rebates=rebates)
            lines.append(line)
    return lines


def _pool(scope: Scope, item: Item, pool_of: PoolOf) -> str:
    return pool_of(scope.facts.modules[item.module].class_name, item.group, scope.item_bloc(item))


def _rebates(
    scope: Scope,
    decisions: Decisions,
    pool_of: PoolOf,
    group_of: GroupOf,
    tiers: dict[tuple[str, str, int], Reached],
) -> dict[tuple[str, str, int], float]:
    """(offer, bloc, year) -> rebates as a share of the price, of the year's spend and of bundles.

    Thresholds count as reached within 1e-6 of them.
    """
    spend: dict[tuple[str, str, int], list[float]] = {}
    bought: dict[tuple[str, str, int], float] = {}
    for (item, source, year), pieces in decisions.awards.items():
        if source.kind != OFFER:
            continue
        offer = scope.facts.offers[source.name]
        paid = tiers[(offer.name, _pool(scope, item, pool_of), year)].price
        bloc = scope.item_bloc(item)
        group = group_of(offer.class_name, bloc)
        spend.setdefault((offer.supplier, group, year), []).append(pieces * paid / 1e6)
        units = scope.facts.tier_units(item.module, pieces)
        bought[(offer.name, bloc, year)] = bought.get((offer.name, bloc, year), 0.0) + units
    rates = {key: spend_rebate(scope.facts, key[0], math.fsum(parts)) for key, parts in spend.items()}
    result = {}
    for name, bloc, year in bought:
        offer = scope.facts.offers[name]
        rate = rates[(offer.supplier, group_of(offer.class_name, bloc), year)]
        result[(name, bloc, year)] = rate + _bundled(scope, group_of, bought, (name, bloc, year))
    return result


def spend_rebate(facts: Facts, supplier: str, spend: float) -> float:
    """Rebate as a share of a year's spend (million) with a supplier; the average where it is incremental."""
    rows = [row for row in facts.rebates.get(supplier, ()) if spend >= row[0] - max(1e-6, 1e-6 * row[0])]
    if not rows:
        return 0.0
    if supplier not in facts.incremental_rebates or spend <= 0:
        return rows[-1][1]
    ends = [*(start for start, _ in rows[1:]), max(spend, rows[-1][0])]
    return math.fsum((end - start) * rate for (start, rate), end in zip(rows, ends, strict=True)) / spend


def _bundled(
    scope: Scope, group_of: GroupOf, bought: dict[tuple[str, str, int], float], where: tuple[str, str, int]
) -> float:
    """Rebates of the bundles an offer is in that the spend group of a bloc reaches in a year."""
    (name, bloc, year), total = where, 0.0
    for bundle in scope.facts.bundles:
        if name not in bundle.offers:
            continue
        groups = {group_of(scope.facts.offers[other].class_name, bloc) for other in bundle.offers}
        members = set((groups.pop() if len(groups) == 1 else bloc).split("+"))
        blocs = [one for one in scope.bloc_names if set(one.split("+")) <= members]
        amounts = [math.fsum(bought.get((other, one, year), 0.0) for one in blocs) for other in bundle.offers]
        if all(amount > 0 and amount >= bundle.minimum * (1 - 1e-6) for amount in amounts):
            total += bundle.rebate
    return total


def _line(
    scope: Scope,
    award: tuple[Item, Source, int],
    pieces: float,
    *,
    pool_of: PoolOf,
    tiers: dict[tuple[str, str, int], Reached],
    rebates: dict[tuple[str, str, int], float],
) -> Line:
    facts, (item, source, year) = scope.facts, award
    module = facts.modules[item.module]
    warranty = facts.classes[module.class_name].warranty_share
    bloc = scope.item_bloc(item)
    cut = price_cut(scope, item, source, year)
    if source.kind == OFFER:
        offer = facts.offers[source.name]
        pool = _pool(scope, item, pool_of)
        tier, price, total = tiers[(offer.name, pool, year)]
        rebate = rebates[(offer.name, bloc, year)]
        factor, freight = facts.landed(module.class_name, offer.country, item.country, module.energy_kwh)
        missing = max(0.0, offer.minimum_quantity - total) if total > 0 else 0.0
        first = offer.price[year][0]
        short = first * missing / total if missing > 1e-6 * offer.minimum_quantity else 0.0
        return Line(
            item, source, year, pieces, price, price * rebate, price * (factor - 1.0) + freight, price * warranty,
            price * equity_share(scope, offer.supplier, bloc), short, source.basis, pool, tier, price * cut.alignment,
            price * cut.rate,
        )  # fmt: skip
    price, origin = flat_price(scope, item, source, year)
    factor, freight = facts.landed(module.class_name, origin, item.country, module.energy_kwh) if origin else (1.0, 0.0)
    supplier = scope.supplier(source, item)
    credit = price * equity_share(scope, supplier, bloc) if supplier else 0.0
    return Line(
        item, source, year, pieces, price, 0.0, price * (factor - 1.0) + freight, price * warranty, credit, 0.0,
        source.basis, "", 0, price * cut.alignment, price * cut.rate,
    )  # fmt: skip


def flat_price(scope: Scope, item: Item, source: Source, year: int) -> tuple[float, str]:
    """(price per piece, country of origin or empty where it is landed) of a source without tiers."""
    module = scope.facts.modules[item.module]
    if source == CONTRACT:
        return scope.contracts[item.contract].unit_price, ""
    if source.kind == PLANT:
        plant = scope.plants_of(source.name)[0]
        per_kwh = plant.variable_cost_per_kwh * plant.path.get(year, 1.0)
        return per_kwh * module.energy_kwh + plant.variable_cost_per_pack, plant.country
    return module.curve_price or 0.0, ""


def equity_share(scope: Scope, supplier: str, bloc: str) -> float:
    """Margin a bloc earns back on what it buys from a supplier it owns in part: sum of shares x operating margin."""
    share = math.fsum(scope.facts.equity.get((company, supplier), 0.0) for company in bloc.split("+"))
    return share * scope.facts.margin.get(supplier, 0.0)
