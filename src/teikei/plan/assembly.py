"""Which plant builds a car, and what that costs: shifts, open plants, conversions, closures, cars and their transport.

Rules (docs/maths/plan.md, "Whole cars"). A plant of a member costs ``fixed_cost`` a year while it is open and
``shift_cost`` for each shift it runs, as many as its output needs; what its cars outside the study (``other_units``)
need by themselves is taken off, the same in every plan. A plant without other output may be closed, once, for
``closure_cost``; an announced closure is in every plan. A body new to a plant costs its conversion once. Cars of
companies that are not in the coalition stay where the study has them.

A car may be built where the study plans it, and in the plants of its twins in the same country: those of its own bloc
at every rung, a partner's where the rung lets plants of bodies be joint and the car carries a joint body that a car of
the partner carries too.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from teikei.plan.facts import CarPlantFact, Facts, PlannedFact
from teikei.plan.money import Cash, tooling_cash
from teikei.study.cars import BODIES
from teikei.study.types import Study

if TYPE_CHECKING:
    import polars as pl

    from teikei.plan.decisions import Decisions
    from teikei.plan.scope import Option, Scope

ITEM, LOGISTICS = "assembly", "logistics"
Car = tuple[str, str]
Site = tuple[str, str, str]  # programme, generation, country of assembly


class Built(NamedTuple):
    """Cars built: where, for which company and region, in a year."""

    car: Car
    company: str
    plant: str
    region: str
    year: int
    units: float


class Cost(NamedTuple):
    """What assembly costs somebody: item, what for, million by year, not discounted; slots that bear it, if not all."""

    item: str
    thing: str
    company: str
    cash: Cash
    car: Car | None


def read_car_plants(study: Study) -> dict[str, CarPlantFact]:
    """Plants of which the study gives a capacity; what is not given costs nothing."""
    return {
        row["plant"]: CarPlantFact(
            row["plant"], row["company"] or "", row["country"], row["shift_capacity"], row["shifts"] or 1,
            row["fixed_cost"] or 0.0, row["shift_cost"] or 0.0, row["variable_cost"] or 0.0,
            row["conversion_cost"] or 0.0, row["closure_cost"] or 0.0, row["closes"], row["other_units"] or 0.0,
        )
        for row in study["car_plants"].iter_rows(named=True)
        if row["shift_capacity"]
    }  # fmt: skip


def read_planned(study: Study, volumes: pl.DataFrame, cars: frozenset[Car]) -> dict[Car, tuple[PlannedFact, ...]]:
    """(Programme, generation) -> cars by company, plant, region and year as the study plans them."""
    years = set(study.settings.years)
    found: dict[Car, list[PlannedFact]] = {}
    for row in volumes.iter_rows(named=True):
        car = (row["programme"], row["generation"])
        if car in cars and row["year"] in years and row["units"] > 0:
            found.setdefault(car, []).append(
                PlannedFact(row["company"], row["plant"], row["region"], row["year"], row["units"])
            )
    return {car: tuple(sorted(rows)) for car, rows in found.items()}


def sites(scope: Scope) -> dict[Site, tuple[str, ...]]:
    """(Car, country) whose plant is a choice -> plants, the planned one first; cars built in two plants stay there."""
    facts = scope.facts
    if not facts.car_plants:
        return {}
    planned: dict[Site, dict[str, None]] = {}
    for car in scope.generations:
        for row in facts.planned.get(car, ()):
            if row.company in scope.members:
                planned.setdefault((*car, facts.plant_country[row.plant]), {})[row.plant] = None
    found = {}
    for site, home in planned.items():
        twin = facts.twins.get(site[:2])
        if twin is None or len(home) != 1:
            continue
        others = {
            plant: None
            for other, plants in planned.items()
            if other[2] == site[2] and (mate := facts.twins.get(other[:2])) and mate.twin == twin.twin
            for plant in plants
            if plant not in home and _open_to(scope, site[:2], plant)
        }
        if others and next(iter(home)) in facts.car_plants:
            found[site] = (*home, *others)
    return found


def _open_to(scope: Scope, car: Car, plant: str) -> bool:
    fact = scope.facts.car_plants.get(plant)
    if fact is None or fact.company not in scope.members or not scope.slots_of(car):
        return False
    return own_plant(scope, car, plant) or any(scope.rule(name).joint_plants for name in BODIES)


def own_plant(scope: Scope, car: Car, plant: str) -> bool:
    """Whether a plant is of the bloc that builds a car."""
    owner = scope.facts.car_plants[plant].company
    return owner in scope.bloc_of_slot(scope.slots_of(car)[0]).split("+")


def body_of(scope: Scope, decisions: Decisions, car: Car) -> Option | None:
    """The body a car carries; None where it has none to choose."""
    slots = scope.slots_of(car)
    mine = (o for (slot, position), o in decisions.modules.items() if slot in slots and position in BODIES)
    return next(mine, None)


def built(scope: Scope, decisions: Decisions) -> list[Built]:
    """The members' cars by plant: where the plan builds them, else where the study does."""
    facts, found = scope.facts, []
    for car in scope.generations:
        for row in facts.planned.get(car, ()):
            if row.company in scope.members:
                country = facts.plant_country[row.plant]
                plant = decisions.built.get((*car, country), row.plant)
                found.append(Built(car, row.company, plant, row.region, row.year, row.units))
    return found


def standing(scope: Scope, plant: CarPlantFact, year: int) -> float:
    """Cars that a plant builds whatever the members decide: not in the study, or of companies not in the coalition."""
    others = math.fsum(
        row.units
        for rows in scope.facts.planned.values()
        for row in rows
        if row.plant == plant.name and row.year == year and row.company not in scope.members
    )
    return (plant.other_units if plant.closes is None or year <= plant.closes else 0.0) + others


def per_car(facts: Facts, plant: str, region: str) -> tuple[float, float]:
    """(Variable cost of building a car in a plant, transport to a region), study currency."""
    fact = facts.car_plants.get(plant)
    return (fact.variable_cost if fact else 0.0), facts.logistics.get((plant, region), 0.0)


def shifts_needed(plant: CarPlantFact, units: float) -> int:
    """Shifts that a year's output needs."""
    return math.ceil(units / plant.shift_capacity - 1e-9)


def plant_cash(scope: Scope, plant: CarPlantFact, output: Mapping[int, float]) -> Cash:
    """Fixed cost, shifts and closure of a plant by year, less what its other output needs by itself; output: cars.

    Closed from the year on that costs least, of those after the last car; announced closures by their year.
    """
    years = scope.facts.settings.years
    shift = {year: shifts_needed(plant, output.get(year, 0.0)) for year in years}
    alone = {year: shifts_needed(plant, plant.other_units) for year in years}
    spent = {year: plant.shift_cost * (shift[year] - (alone[year] if _other(plant, year) else 0)) for year in years}
    if plant.other_units > 0 and plant.closes is None:
        return tuple((year, amount) for year, amount in spent.items() if amount)
    last = max((year for year in years if output.get(year, 0.0) > 0), default=years[0] - 1)
    latest = years[-1] + 1 if plant.closes is None else max(plant.closes + 1, last + 1)
    best: dict[int, float] = {}
    for close in range(latest if plant.other_units > 0 else last + 1, latest + 1):
        cash = dict(spent)
        for year in years:
            if year < close and not _other(plant, year):
                cash[year] += plant.fixed_cost
        if years[0] <= close <= years[-1]:
            cash[close] += plant.closure_cost
        if not best or _worth(scope, cash) < _worth(scope, best) - 1e-9:
            best = cash
    return tuple((year, amount) for year, amount in best.items() if amount)


def _other(plant: CarPlantFact, year: int) -> bool:
    return plant.other_units > 0 and (plant.closes is None or year <= plant.closes)


def _worth(scope: Scope, cash: Mapping[int, float]) -> float:
    return math.fsum(amount * scope.facts.settings.discount_factor(year) for year, amount in cash.items())


def conversion_cash(scope: Scope, plant: str, family: str, car: Car, start: int) -> Cash:
    """Making a plant ready for a body (for a car without one, ``family`` empty) that starts in a year."""
    facts = scope.facts
    fact = facts.car_plants.get(plant)
    if fact is None or not fact.conversion_cost:
        return ()
    slot = facts.slots[scope.slots_of(car)[0]]
    life = facts.families[family].life_years if family else max(1, slot.eop_year - start + 1)
    return tooling_cash(facts, fact.conversion_cost, start, life)


def start_of(scope: Scope, car: Car) -> int:
    """First planning year of a car."""
    return min(scope.facts.slots[slot].first_year for slot in scope.slots_of(car))


def costs(scope: Scope, decisions: Decisions) -> list[Cost]:
    """Every cost of assembly and transport of a plan."""
    facts = scope.facts
    if not facts.car_plants and not facts.logistics:
        return []
    found: list[Cost] = []
    output: dict[str, dict[int, float]] = {}
    plants: dict[tuple[str, Car], None] = {}
    for row in built(scope, decisions):
        by = output.setdefault(row.plant, {})
        by[row.year] = by.get(row.year, 0.0) + row.units
        plants[(row.plant, row.car)] = None
        for item, each in zip((ITEM, LOGISTICS), per_car(facts, row.plant, row.region), strict=True):
            if each:
                found.append(Cost(item, row.plant, row.company, ((row.year, each * row.units / 1e6),), row.car))
    used = {row.plant for rows in facts.planned.values() for row in rows}
    for plant in facts.car_plants.values():
        if plant.company in scope.members:
            mine = output.get(plant.name, {})
            whole = {year: standing(scope, plant, year) + mine.get(year, 0.0) for year in facts.settings.years}
            if plant.name in used or any(whole.values()):
                found.append(Cost(ITEM, plant.name, plant.company, plant_cash(scope, plant, whole), None))
    first: dict[tuple[str, str, str], tuple[int, Car]] = {}
    for name, car in plants:
        if car not in facts.ahead:
            continue
        body = body_of(scope, decisions, car)
        family = facts.modules[body.module].family if body is not None else ""
        key = (name, family, body.group) if body is not None else (name, "", "/".join(car))
        first[key] = min((start_of(scope, car), car), first.get(key, (9999, car)))
    for (name, family, _), (start, car) in first.items():
        cash = conversion_cash(scope, name, family, car, start)
        if cash:
            found.append(Cost(ITEM, name, "", cash, car))
    return found


def _with_partner(scope: Scope, decisions: Decisions, body: Option | None, plant: str) -> bool:
    """Whether a body is a joint one that a car of the plant's own bloc carries too."""
    if body is None or body.group != scope.joint:
        return False
    theirs = (body_of(scope, decisions, car) for car in scope.generations if own_plant(scope, car, plant))
    return any(other is not None and (other.module, other.group) == (body.module, body.group) for other in theirs)


def broken_plants(scope: Scope, decisions: Decisions) -> list[str]:
    """Plants that build more than they can, cars built where they may not be, or after a closure."""
    found, allowed = [], sites(scope)
    output: dict[tuple[str, int], float] = {}
    for row in built(scope, decisions):
        output[(row.plant, row.year)] = output.get((row.plant, row.year), 0.0) + row.units
    for site, plant in decisions.built.items():
        if site[:2] not in scope.generations:
            continue
        body = body_of(scope, decisions, site[:2])
        if plant not in allowed.get(site, ()):
            found.append(f"{site[0]} {site[1]} is built in {plant}, which is not open to it")
        elif (
            plant != allowed[site][0]
            and not own_plant(scope, site[:2], plant)
            and not _with_partner(scope, decisions, body, plant)
        ):
            found.append(f"{site[0]} {site[1]} is built in {plant} of a partner without a joint body")
    moved = {plant for site, plant in decisions.built.items() if plant != allowed.get(site, (plant,))[0]}
    for (name, year), units in output.items():
        fact = scope.facts.car_plants.get(name)
        if name not in moved or fact is None:
            continue
        most = 0.0 if fact.closes is not None and year > fact.closes else fact.shifts * fact.shift_capacity
        if units + standing(scope, fact, year) > most * (1 + 1e-6) + 1e-3:
            found.append(f"{name} builds {units + standing(scope, fact, year):,.6g} cars in {year}, it can {most:,.6g}")
    return found
