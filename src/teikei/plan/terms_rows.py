"""Rows of what offers ask and grant besides tiers: minimum orders, take-or-pay over the years, bundles."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from teikei.plan.bill import take_or_pay_price
from teikei.plan.facts import BundleFact
from teikei.plan.money import discount
from teikei.plan.program import THOUSAND, Build

Vector = npt.NDArray[np.float64]
TINY = 1e-9


def minimum_orders(made: Build) -> None:
    """missing >= minimum u - Q, Q <= most u: a year's order below the minimum pays for what is missing."""
    facts, program = made.scope.facts, made.program
    for key, pool in made.pools.items():
        name, _, year = key
        offer = facts.offers[name]
        if offer.minimum_quantity <= 0:
            continue
        weight = facts.tier_units(offer.module, THOUSAND)
        bought = quantities(made, key)
        cost = offer.price[year][0] / THOUSAND / weight * discount(facts, year)
        used = program.column(("ordered", *key), integer=True)
        missing = program.column(("missing", *key), cost=cost, upper=offer.minimum_quantity)
        program.row(
            ("minimum order", *key), [*((c, weight) for c in bought), (missing, 1.0), (used, -offer.minimum_quantity)],
            lower=0.0,
        )  # fmt: skip
        program.row(("ordered", *key), [*((c, weight) for c in bought), (used, -pool.most)], upper=0.0)
        _fill_missing(made, bought, used, missing, weight, offer.minimum_quantity)


def take_or_pay_over_years(made: Build) -> None:
    """missing >= Q u - sum_t Q_t, Q_t <= most_t u: over the offer's years, by drawing group."""
    facts, program = made.scope.facts, made.program
    by_group: dict[tuple[str, str], list[tuple[str, str, int]]] = {}
    for key in made.pools:
        if facts.offers[key[0]].take_or_pay > 0:
            by_group.setdefault(key[:2], []).append(key)
    for (name, pool), keys in by_group.items():
        offer = facts.offers[name]
        weight = facts.tier_units(offer.module, THOUSAND)
        total = offer.take_or_pay
        cost = take_or_pay_price(offer) / THOUSAND / weight * discount(facts, max(offer.price))
        used = program.column(("committed", name, pool), integer=True)
        missing = program.column(("not taken", name, pool), cost=cost, upper=total)
        every = [column for key in keys for column in quantities(made, key)]
        terms = [*((c, weight) for c in every), (missing, 1.0), (used, -total)]
        program.row(("take or pay", name, pool), terms, lower=0.0)
        for key in keys:
            most = [(c, weight) for c in quantities(made, key)]
            program.row(("committed", *key), [*most, (used, -made.pools[key].most)], upper=0.0)
        _fill_missing(made, every, used, missing, weight, total)


def bundles_bought_together(made: Build) -> None:
    """Rebate on R, R <= spend with the bundle's offers, R <= most b, minimum b <= Q of each offer."""
    scope, facts, program = made.scope, made.scope.facts, made.program
    for bundle in facts.bundles:
        groups = dict.fromkeys(bundle_group(made, bundle, bloc) for bloc in scope.bloc_names)
        for group in groups:
            for year in facts.settings.years:
                parts = [_spend_of(made, bundle, name, group, year) for name in bundle.offers]
                if not all(columns for columns, _, _ in parts):
                    continue
                worth = discount(facts, year)
                most = sum(top for _, _, top in parts)
                place = (bundle.name, group, year)
                rebated = program.column(("bundled", *place), cost=-bundle.rebate * worth, upper=most)
                reached = program.column(("bundle", *place), integer=True)
                spend = [
                    (column, price)
                    for columns, prices, _ in parts
                    for column, price in zip(columns, prices, strict=True)
                ]
                program.row(("bundle spend", *place), [*spend, (rebated, -1.0)], lower=0.0)
                program.row(("bundle", *place), [(rebated, 1.0), (reached, -most)], upper=0.0)
                for name, (columns, _, _) in zip(bundle.offers, parts, strict=True):
                    weight = facts.tier_units(facts.offers[name].module, THOUSAND)
                    least = max(bundle.minimum, TINY)
                    terms = [*((c, weight) for c in columns), (reached, -least)]
                    program.row(("bundle needs", name, *place), terms, lower=0.0)
                _fill_bundle(made, bundle, [columns for columns, _, _ in parts], spend, rebated, reached)


def bundle_group(made: Build, bundle: BundleFact, bloc: str) -> str:
    """Whose purchases count together for a bundle: the spend group of its offers' classes, if it is one."""
    scope = made.scope
    groups = {scope.buying_group(scope.facts.offers[name].class_name, bloc) for name in bundle.offers}
    return groups.pop() if len(groups) == 1 else bloc


def quantities(made: Build, key: tuple[str, str, int]) -> list[int]:
    """Columns (thousand pieces) that an offer's quantity for a drawing group in a year consists of."""
    return [column for _, cells in made.tier[key].values() for column in cells.values()]


def _spend_of(
    made: Build, bundle: BundleFact, name: str, group: str, year: int
) -> tuple[list[int], list[float], float]:
    """(columns, million per thousand pieces, largest spend) of one offer for a bundle's group in a year."""
    offer = made.scope.facts.offers[name]
    weight = made.scope.facts.tier_units(offer.module, THOUSAND)
    columns, prices, most = [], [], 0.0
    for key, pool in made.pools.items():
        if key[0] != name or key[2] != year:
            continue
        mine = 0
        for index, (_, cells) in made.tier[key].items():
            for (option, _), column in cells.items():
                if bundle_group(made, bundle, made.scope.bloc_of_slot(option.slot)) == group:
                    columns.append(column)
                    prices.append(offer.price[year][index] / THOUSAND)
                    mine += 1
        most += pool.most / weight * offer.price[year][0] / THOUSAND if mine else 0.0
    return columns, prices, most


def _fill_missing(made: Build, bought: Sequence[int], used: int, missing: int, weight: float, least: float) -> None:
    def fill(x: Vector) -> None:
        total = float(sum(x[column] for column in bought)) * weight
        if total > TINY:
            x[used], x[missing] = 1.0, max(0.0, least - total)

    made.fills.append(fill)


def _fill_bundle(
    made: Build,
    bundle: BundleFact,
    parts: Sequence[Sequence[int]],
    spend: Sequence[tuple[int, float]],
    rebated: int,
    reached: int,
) -> None:
    facts = made.scope.facts
    weights = [facts.tier_units(facts.offers[name].module, THOUSAND) for name in bundle.offers]

    def fill(x: Vector) -> None:
        totals = [float(sum(x[c] for c in columns)) * w for columns, w in zip(parts, weights, strict=True)]
        if all(total > TINY and total >= bundle.minimum * (1 - 1e-6) for total in totals):
            x[reached] = 1.0
            x[rebated] = float(sum(x[column] * price for column, price in spend))

    made.fills.append(fill)
