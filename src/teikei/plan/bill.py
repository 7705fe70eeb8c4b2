"""What the awards of a plan cost: tiers by drawing group, rebates by spend group, duty, freight, warranty, equity.

Everything is computed from the decisions, outside the solver, so that the value a plan reports owes nothing to it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from teikei.plan.decisions import Decisions
from teikei.plan.facts import OfferFact
from teikei.plan.scope import CONTRACT, NOT_PRICED, Item, Scope

PoolOf = Callable[[str, str, str], str]
GroupOf = Callable[[str, str], str]


@dataclass(frozen=True, slots=True)
class Line:
    """One award line: pieces of an item from a source in a year; money in study currency per piece, undiscounted."""

    item: Item
    source: str
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

    @property
    def cost(self) -> float:
        """Study currency per piece, all in."""
        return self.unit_price - self.rebate + self.duty_freight + self.warranty - self.equity + self.shortfall


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
        if source.startswith("offer:"):
            key = (source[6:], _pool(scope, item, pool_of), year)
            quantity[key] = quantity.get(key, 0.0) + scope.facts.tier_units(item.module, pieces)
    tiers = {}
    for (name, pool, year), total in quantity.items():
        offer = scope.facts.offers[name]
        counted = total
        lost = divergence is None or divergence(offer.class_name)
        if lost and scope.joint and pool == scope.joint and offer.module in scope.joint_start:
            counted = total * (1.0 - scope.diverged(offer.module, year))
        tiers[(name, pool, year)] = (tier_of(offer, counted), total)
    rebates = _rebates(scope, decisions, pool_of, group_of, tiers)
    lines = []
    for award, pieces in decisions.awards.items():
        if award[1] != NOT_PRICED:
            line = _line(scope, award, pieces, pool_of=pool_of, group_of=group_of, tiers=tiers, rebates=rebates)
            lines.append(line)
    return lines


def _pool(scope: Scope, item: Item, pool_of: PoolOf) -> str:
    return pool_of(scope.facts.modules[item.module].class_name, item.group, scope.item_bloc(item))


def _rebates(
    scope: Scope,
    decisions: Decisions,
    pool_of: PoolOf,
    group_of: GroupOf,
    tiers: dict[tuple[str, str, int], tuple[int, float]],
) -> dict[tuple[str, str, int], float]:
    """(supplier, spend group, year) -> rebate as a share of the year's spend, reached within 1e-6 of the threshold."""
    spend: dict[tuple[str, str, int], list[float]] = {}
    for (item, source, year), pieces in decisions.awards.items():
        if not source.startswith("offer:"):
            continue
        offer = scope.facts.offers[source[6:]]
        tier, _ = tiers[(offer.name, _pool(scope, item, pool_of), year)]
        group = group_of(offer.class_name, scope.item_bloc(item))
        spend.setdefault((offer.supplier, group, year), []).append(pieces * offer.price[year][tier] / 1e6)
    result = {}
    for key, parts in spend.items():
        total = math.fsum(parts)
        reached = [
            rebate
            for threshold, rebate in scope.facts.rebates.get(key[0], ())
            if total >= threshold - max(1e-6, 1e-6 * threshold)
        ]
        result[key] = reached[-1] if reached else 0.0
    return result


def _line(
    scope: Scope,
    award: tuple[Item, str, int],
    pieces: float,
    *,
    pool_of: PoolOf,
    group_of: GroupOf,
    tiers: dict[tuple[str, str, int], tuple[int, float]],
    rebates: dict[tuple[str, str, int], float],
) -> Line:
    facts, (item, source, year) = scope.facts, award
    module = facts.modules[item.module]
    warranty = facts.classes[module.class_name].warranty_share
    bloc = scope.item_bloc(item)
    if source.startswith("offer:"):
        offer = facts.offers[source[6:]]
        pool = _pool(scope, item, pool_of)
        tier, total = tiers[(offer.name, pool, year)]
        price = offer.price[year][tier]
        rebate = rebates[(offer.supplier, group_of(offer.class_name, bloc), year)]
        factor, freight = facts.landed(module.class_name, offer.country, item.country, module.energy_kwh)
        missing = max(0.0, offer.minimum_quantity - total) if total > 0 else 0.0
        short = price * missing / total if missing > 1e-6 * offer.minimum_quantity else 0.0
        return Line(
            item, source, year, pieces, price, price * rebate, price * (factor - 1.0) + freight, price * warranty,
            price * equity_share(scope, offer.supplier, bloc), short, source, pool, tier,
        )  # fmt: skip
    price, origin = flat_price(scope, item, source, year)
    factor, freight = facts.landed(module.class_name, origin, item.country, module.energy_kwh) if origin else (1.0, 0.0)
    supplier = scope.supplier(source, item)
    credit = price * equity_share(scope, supplier, bloc) if supplier else 0.0
    return Line(
        item, source, year, pieces, price, 0.0, price * (factor - 1.0) + freight, price * warranty, credit, 0.0,
        source.split("@", maxsplit=1)[0], "", 0,
    )  # fmt: skip


def flat_price(scope: Scope, item: Item, source: str, year: int) -> tuple[float, str]:
    """(price per piece, country of origin or empty where it is landed) of a source without tiers."""
    module = scope.facts.modules[item.module]
    if source == CONTRACT:
        return scope.contracts[item.contract].unit_price, ""
    if source.startswith("plant:"):
        plant = scope.plants_of(source[6:].split("@", maxsplit=1)[0])[0]
        per_kwh = plant.variable_cost_per_kwh * plant.path.get(year, 1.0)
        return per_kwh * module.energy_kwh + plant.variable_cost_per_pack, plant.country
    return module.curve_price or 0.0, ""


def equity_share(scope: Scope, supplier: str, bloc: str) -> float:
    """Margin a bloc earns back on what it buys from a supplier it owns in part: sum of shares x operating margin."""
    share = math.fsum(scope.facts.equity.get((company, supplier), 0.0) for company in bloc.split("+"))
    return share * scope.facts.margin.get(supplier, 0.0)
