"""Where parts come from: local-content rules on parts and on whole cars, outside the solver."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from teikei.plan.bill import Line, flat_price
from teikei.plan.scope import Item, Scope
from teikei.plan.sources import CONTRACT, OFFER, Source


def origin_of(scope: Scope, line: Line) -> str:
    """Country a line comes from; empty where it is not known (curves, contracts without a site)."""
    if line.source == CONTRACT:
        return scope.contracts[line.item.contract].country
    return scope.country_of(line.source)


def local_content(scope: Scope, lines: Iterable[Line]) -> dict[tuple[str, str, int], float]:
    """(company, programme, year) -> million lost on cars that miss a local-content rule, undiscounted.

    A car misses a rule where its part comes from outside the rule's origins (a part bought from abroad has local share
    0); a car that misses several parts' rules loses the highest penalty once. Unknown origin counts as local. A rule on
    the whole car is missed by all cars of a programme's generation from a country and year where parts from outside the
    origins (``customs_value``) are more than 1 - minimum of the cars' value; what the plan does not buy is local.
    """
    if not scope.facts.local_rules:
        return {}
    lines = list(lines)
    missing: dict[tuple[str, str, str, str, int], dict[str, float]] = {}
    by_car = cars_by_region(scope)
    for line in lines:
        origin = origin_of(scope, line)
        class_name = scope.facts.modules[line.item.module].class_name
        part = scope.facts.classes[class_name].part
        if not origin:
            continue
        for rule in scope.facts.local_rules:
            hit = rule.part == part and rule.plant_country == line.item.country and line.year >= rule.from_year
            if not hit or origin in rule.origins or rule.minimum <= 0:
                continue
            key = (line.item.programme, line.item.generation, line.item.country, rule.region, line.year)
            cars, total = by_car.get(key, ({}, 0.0))
            if not cars:
                continue
            lost = line.pieces / total * rule.penalty
            parts = missing.setdefault(key, {})
            parts[part] = parts.get(part, 0.0) + lost
    for key, penalty in _cars_missing(scope, lines, by_car).items():
        missing.setdefault(key, {})["car"] = penalty
    result: dict[tuple[str, str, int], float] = {}
    for (programme, generation, country, region, year), parts in missing.items():
        cars, _ = by_car[(programme, generation, country, region, year)]
        for company, units in cars.items():
            key3 = (company, programme, year)
            lost = max(parts.values()) * units * scope.facts.car_value.get(programme, 0.0) / 1e6
            result[key3] = result.get(key3, 0.0) + lost
    return result


def _cars_missing(
    scope: Scope, lines: Iterable[Line], by_car: Mapping[tuple[str, str, str, str, int], tuple[dict[str, float], float]]
) -> dict[tuple[str, str, str, str, int], float]:
    """(programme, generation, country, region, year) -> penalty of the whole-car rules that its cars miss."""
    rules = [rule for rule in scope.facts.local_rules if rule.part == "car" and rule.minimum > 0]
    if not rules:
        return {}
    bought: dict[tuple[str, str, str, int], list[Line]] = {}
    for line in lines:
        bought.setdefault((line.item.programme, line.item.generation, line.item.country, line.year), []).append(line)
    result: dict[tuple[str, str, str, str, int], float] = {}
    for key, (_, total) in by_car.items():
        programme, generation, country, region, year = key
        value = scope.facts.car_value.get(programme, 0.0)
        for rule in rules:
            if not value or (rule.plant_country, rule.region) != (country, region) or year < rule.from_year:
                continue
            foreign = math.fsum(
                line.pieces * customs_value(scope, line.item, line.source, year)
                for line in bought.get((programme, generation, country, year), ())
                if (origin := origin_of(scope, line)) and origin not in rule.origins
            )
            allowed = (1.0 - rule.minimum) * value * total
            if foreign > allowed * (1.0 + 1e-6):
                result[key] = max(result.get(key, 0.0), rule.penalty)
    return result


def customs_value(scope: Scope, item: Item, source: Source, year: int) -> float:
    """Value of a part for rules of origin, study currency: an offer's first-tier price, else its flat price.

    The first tier, so that a car's origin does not hang on the volumes of others.
    """
    if source.kind == OFFER:
        return scope.facts.offers[source.name].price[year][0]
    return flat_price(scope, item, source, year)[0]


def cars_by_region(scope: Scope) -> dict[tuple[str, str, str, str, int], tuple[dict[str, float], float]]:
    """(programme, generation, country, region, year) -> (cars by company to that region, cars to all regions)."""
    regional: dict[tuple[str, str, str, str, int], dict[str, float]] = {}
    total: dict[tuple[str, str, str, int], float] = {}
    for name in scope.slots:
        slot = scope.facts.slots[name]
        for row in scope.facts.units[name]:
            if row.company in scope.members:
                key = (slot.programme, slot.generation, row.country, row.region, row.year)
                by = regional.setdefault(key, {})
                by[row.company] = by.get(row.company, 0.0) + row.units
                all_key = (slot.programme, slot.generation, row.country, row.year)
                total[all_key] = total.get(all_key, 0.0) + row.units
    return {key: (by, total[(key[0], key[1], key[2], key[4])]) for key, by in regional.items()}
