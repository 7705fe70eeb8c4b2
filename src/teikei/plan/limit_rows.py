"""Rows of limits and of what using a source costs: plants, site capacity, qualification, local content."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from teikei.plan.arrays import INFINITY
from teikei.plan.competing_tiers import tiers_within
from teikei.plan.facts import ExpansionFact, LocalRule
from teikei.plan.money import (
    discount,
    once,
    plant_capacity_gwh,
    plant_cash,
    plant_first_year,
    present_value,
)
from teikei.plan.origin import cars_by_region, customs_value
from teikei.plan.price import known_suppliers
from teikei.plan.program import THOUSAND, Build, Place
from teikei.plan.purchase_rows import most_by_position
from teikei.plan.sources import CONTRACT, OFFER, PLANT


def plants_opened(made: Build) -> None:
    """One size and opening year per owner and plant; deliveries <= capacity after ramp-up."""
    scope, facts, program = made.scope, made.scope.facts, made.program
    deliveries: dict[tuple[str, str, int], list[tuple[int, float]]] = {}
    for (item, source, year), column in made.bought.items():
        if source.kind == PLANT:
            name, owner = source.name, source.owner
            weight = facts.modules[item.module].energy_kwh / THOUSAND
            deliveries.setdefault((owner, name, year), []).append((column, weight))
    for owner, name in dict.fromkeys((owner, name) for owner, name, _ in deliveries):
        opened = []
        for plant in scope.plants_of(name):
            for year in range(plant_first_year(facts, plant), facts.settings.last_year + 1):
                worth = present_value(facts, *plant_cash(facts, plant, year))
                key = (owner, name, plant.step_gwh, year)
                made.plant[key] = program.column(("plant", *key), cost=worth, integer=True)
                opened.append((made.plant[key], 1.0))
        program.row(("one plant", owner, name), opened, upper=1.0)
        for (who, which, year), terms in deliveries.items():
            if (who, which) == (owner, name):
                built = [
                    (made.plant[(owner, name, plant.step_gwh, opening)], -plant_capacity_gwh(plant, opening, year))
                    for plant in scope.plants_of(name)
                    for opening in range(plant_first_year(facts, plant), year + 1)
                ]
                program.row(("plant capacity", owner, name, year), terms + built, upper=0.0)


def site_capacity(made: Build) -> None:
    """All offers of a site draw on what outsiders leave of its capacity; running contracts draw on it too (``held``).

    A stand-alone coalition sees what it is reserved (``ladder.reservations``), so that no two use a line twice.
    """
    scope, facts, program = made.scope, made.scope.facts, made.program
    drawn = _drawn(made)
    for (item, year), carriers in made.members.items():
        contract = scope.contracts.get(item.contract)
        if contract is not None and contract.site:
            found = [(made.use[option], scope.taken(item, CONTRACT, year, cars)[1]) for option, cars in carriers]
            drawn.setdefault((contract.site, year), []).extend(found)
    expandable = {expansion.site for expansion in facts.expansions}
    for (site, year), terms in drawn.items():
        free = scope.free_capacity(site, year)
        if site in expandable:
            _expandable_capacity(made, site, year, free)
            continue
        most = sum(weight * program.upper[column] for column, weight in terms)
        if most > free:
            program.row(("site capacity", site, year), terms, upper=free)
            if made.tight:
                tiers_within(made, ("site", site, year), _tiers_at(made, site, year), free)


def _drawn(made: Build) -> dict[tuple[str, int], list[tuple[int, float]]]:
    """(site, year) -> (column, weight) of what the offers of a site deliver, in the site's unit.

    Tier by tier where an offer has tiers: what is seen of a capacity is then which tiers fit into it.
    """
    facts = made.scope.facts
    drawn: dict[tuple[str, int], list[tuple[int, float]]] = {}
    by_tier = set()
    for (name, pool, year), tiers in made.in_tier.items():
        kept = made.pools[(name, pool, year)].kept
        if kept and not facts.offers[name].tier_pool:
            by_tier.add((name, pool, year))
            terms = [(tier.total, 1.0 / kept) for tier in tiers]
            drawn.setdefault((facts.offers[name].site, year), []).extend(terms)
    for (item, source, year), column in made.bought.items():
        if source.kind == OFFER and (source.name, made.pool(item), year) not in by_tier:
            site, weight = facts.offers[source.name].site, facts.tier_units(item.module, THOUSAND)
            drawn.setdefault((site, year), []).append((column, weight))
    return drawn


def _tiers_at(made: Build, site: str, year: int) -> list[tuple[str, int, float]]:
    """(offer, column of the choice, least of the site's capacity that the tier takes) of a site in a year."""
    found = []
    for (name, pool, when), tiers in made.in_tier.items():
        offer, kept = made.scope.facts.offers[name], made.pools[(name, pool, when)].kept
        if when == year and offer.site == site and kept and not offer.tier_pool:
            found += [(name, tier.choice, tier.low / kept) for tier in tiers]
    return found


def _expandable_capacity(made: Build, site: str, year: int, free: float) -> None:
    """Q_g <= f_g + sum step e_g, sum_g f_g <= free, sum_g e_g <= 1: each spend group has its part and what it paid."""
    scope, facts, program = made.scope, made.scope.facts, made.program
    taken: dict[str, list[tuple[int, float]]] = {}
    for (item, source, when), column in made.bought.items():
        if when == year and source.kind == OFFER and facts.offers[source.name].site == site:
            group = scope.buying_group(facts.modules[item.module].class_name, scope.item_bloc(item))
            taken.setdefault(group, []).append((column, facts.tier_units(item.module, THOUSAND)))
    for (item, when), carriers in made.members.items():
        contract = scope.contracts.get(item.contract)
        if when == year and contract is not None and contract.site == site:
            group = scope.buying_group(facts.modules[item.module].class_name, scope.item_bloc(item))
            uses = [(made.use[option], scope.taken(item, CONTRACT, year, cars)[1]) for option, cars in carriers]
            taken.setdefault(group, []).extend(uses)
    parts = []
    for group, terms in taken.items():
        part = program.column(("part of site", site, year, group), upper=free)
        parts.append((part, 1.0))
        steps = [
            (_expansion(made, group, expansion), expansion.capacity)
            for expansion in facts.expansions
            if expansion.site == site and year >= expansion.from_year
        ]
        program.row(
            ("site capacity", site, year, group), [*terms, (part, -1.0), *((e, -step) for e, step in steps)], upper=0.0
        )
        made.fills.append(_fill_part(part, terms, steps))
    program.row(("site capacity", site, year), parts, upper=free)


def _expansion(made: Build, group: str, expansion: ExpansionFact) -> int:
    """Column of an expansion paid by a spend group; over all groups each is bought at most once."""
    key = (group, expansion.site, expansion.from_year, expansion.capacity)
    if key not in made.expansion:
        worth = present_value(made.scope.facts, once(made.scope.facts, expansion.cost, expansion.from_year - 1))
        made.expansion[key] = made.program.column(("expansion", *key), cost=worth, integer=True)
        others = [column for other, column in made.expansion.items() if other[1:] == key[1:]]
        if len(others) > 1:
            made.program.row(("one payer", *key), [(column, 1.0) for column in others], upper=1.0)
    return made.expansion[key]


def _fill_part(
    part: int, terms: list[tuple[int, float]], steps: list[tuple[int, float]]
) -> Callable[[npt.NDArray[np.float64]], None]:
    def fill(x: npt.NDArray[np.float64]) -> None:
        x[part] = max(0.0, sum(x[c] * w for c, w in terms) - sum(x[e] * step for e, step in steps))

    return fill


def qualification_of_sources(made: Build) -> None:
    """A source new to a programme costs its tests once; the first source of a car without incumbents does not."""
    scope, facts, program = made.scope, made.scope.facts, made.program
    company_of = {facts.slots[s].programme: scope.company_of[s] for s in scope.slots}
    known = known_suppliers(scope)
    awards: dict[tuple[str, str, str], dict[tuple[Place, int], list[int]]] = {}
    for (option, country, source, year), column in made.carried.items():
        if source.kind == OFFER:
            class_name = facts.modules[option.module].class_name
            key = (facts.slots[option.slot].programme, class_name, facts.offers[source.name].supplier)
            place = (option.slot, option.position, country)
            awards.setdefault(key, {}).setdefault((place, year), []).append(column)
    for key, bought in awards.items():
        programme, class_name, supplier = key
        incumbents = scope.incumbent_suppliers.get((programme, class_name))
        company = company_of[programme]
        costs = facts.classes[class_name].switching_cost if incumbents is None or supplier not in incumbents else 0.0
        opens = facts.activation.get(supplier, 0.0) if (company, supplier) not in known else 0.0
        if not costs and not opens:
            continue
        paid = once(facts, costs, scope.qualification_year(programme, class_name) - 1)
        made.qualified[key] = program.column(("qualified", *key), cost=present_value(facts, paid), integer=True)
        if opens:
            _activation(made, company, supplier, opens, made.qualified[key])
        for (place, year), columns in bought.items():
            most = max(program.upper[column] for column in columns)
            terms = [(column, 1.0) for column in columns] + [(made.qualified[key], -most)]
            program.row(("qualified first", *key, *place, year), terms, upper=0.0)
    _first_sources(made)


def _activation(made: Build, company: str, supplier: str, amount: float, qualified: int) -> None:
    facts, key = made.scope.facts, (company, supplier)
    if key not in made.activated:
        worth = present_value(facts, once(facts, amount, facts.settings.first_year - 1))
        made.activated[key] = made.program.column(("activated", *key), cost=worth)
    made.program.row(("activates", *key, qualified), [(qualified, 1.0), (made.activated[key], -1.0)], upper=0.0)


def _first_sources(made: Build) -> None:
    facts = made.scope.facts
    grouped: dict[tuple[str, str], list[int]] = {}
    for (programme, class_name, _), column in made.qualified.items():
        if (programme, class_name) not in made.scope.incumbent_suppliers:
            grouped.setdefault((programme, class_name), []).append(column)
    for (programme, class_name), columns in grouped.items():
        cost = facts.classes[class_name].switching_cost
        if not cost:
            continue
        paid = once(facts, cost, made.scope.qualification_year(programme, class_name) - 1)
        free = made.program.column(("first source", programme, class_name), cost=-present_value(facts, paid))
        made.first_free[(programme, class_name)] = free
        terms = [(free, 1.0)] + [(column, -1.0) for column in columns]
        made.program.row(("first source", programme, class_name), terms, upper=0.0)


def local_content_missed(made: Build) -> None:
    """Cars that miss a local-content rule lose its penalty once, whichever parts miss it."""
    scope, facts, program = made.scope, made.scope.facts, made.program
    if not facts.local_rules:
        return
    for (programme, generation, country, region, year), (cars, total) in cars_by_region(scope).items():
        value = facts.car_value.get(programme, 0.0)
        rules = [
            rule
            for rule in facts.local_rules
            if rule.plant_country == country and rule.region == region and year >= rule.from_year and rule.minimum > 0
        ]
        if not rules or not value:
            continue
        worth = sum(cars.values()) * value / 1e6 * discount(facts, year)
        key = (programme, generation, country, region, year)
        for rule in rules:
            if rule.part == "car":
                terms = _whole_car(made, rule, key, value * total / 1e6)
            else:
                found = _missing_terms(made, rule.part, rule.origins, (programme, generation, country, year))
                terms = [(c, weight * rule.penalty / (total / THOUSAND)) for c, weight, _ in found]
            if not terms:
                continue
            if key not in made.missed:
                made.missed[key] = program.column(("misses", *key), worth, 0.0, INFINITY)
            label = ("local content", rule.part, programme, region, year)
            program.row(label, [*terms, (made.missed[key], -1.0)], upper=0.0)


def _whole_car(
    made: Build, rule: LocalRule, key: tuple[str, str, str, str, int], cars_value: float
) -> list[tuple[int, float]]:
    """Value of parts from outside <= (1 - minimum) of the cars' value, else m = 1 and the penalty is due.

    The largest value of foreign parts that the positions can hold bounds what m lets through.
    """
    programme, generation, country, _, year = key
    found = _missing_terms(made, "car", rule.origins, (programme, generation, country, year))
    allowed = (1.0 - rule.minimum) * cars_value
    entries = [
        (place, cars * max((v for _, _, v in found), default=0.0) / 1e6)
        for item, when in made.members
        if (item.programme, item.generation, item.country, when) == (programme, generation, country, year)
        for place, cars in made.places(item, when)
    ]
    most = most_by_position(entries)
    if not found or most <= allowed:
        return []
    missed = made.program.column(("misses car", *key), integer=True)
    terms = [(column, weight * each / THOUSAND) for column, weight, each in found]
    made.program.row(("whole car", *key), [*terms, (missed, allowed - most)], upper=allowed)

    def fill(x: npt.NDArray[np.float64]) -> None:
        x[missed] = 1.0 if sum(x[column] * factor for column, factor in terms) > allowed * (1 + 1e-6) else 0.0

    made.fills.append(fill)
    return [(missed, rule.penalty)]


def _missing_terms(
    made: Build, part: str, origins: frozenset[str], where: tuple[str, str, str, int]
) -> list[tuple[int, float, float]]:
    """(column, thousand pieces each unit of it, customs value of a piece) that bring a part from outside the origins.

    part: as the trade table names it, or ``car`` for all parts.
    """
    scope, facts = made.scope, made.scope.facts
    terms: list[tuple[int, float, float]] = []
    for (item, year), carriers in made.members.items():
        if (item.programme, item.generation, item.country, year) != where:
            continue
        if part not in ("car", facts.classes[facts.modules[item.module].class_name].part):
            continue
        for source in scope.sources(item, year):
            origin = ""
            if source == CONTRACT:
                origin = scope.contracts[item.contract].country
            elif source.kind == OFFER:
                origin = facts.offers[source.name].country
            elif source.kind == PLANT:
                origin = scope.plants_of(source.name)[0].country
            if not origin or origin in origins:
                continue
            value = customs_value(scope, item, source, year)
            if (item, source, year) in made.bought:
                terms.append((made.bought[(item, source, year)], 1.0, value))
            else:
                terms += [(made.use[option], cars / THOUSAND, value) for option, cars in carriers]
    return terms
