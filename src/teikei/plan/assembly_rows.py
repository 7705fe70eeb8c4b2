"""Rows of assembly plants: where a twin is built, shifts, closures, conversions for bodies."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from teikei.plan.arrays import INFINITY
from teikei.plan.assembly import (
    Car,
    Site,
    conversion_cash,
    costs,
    own_plant,
    per_car,
    shifts_needed,
    sites,
    standing,
    start_of,
)
from teikei.plan.decisions import Decisions
from teikei.plan.facts import CarPlantFact
from teikei.plan.money import discount, present_value
from teikei.plan.program import Build
from teikei.plan.scope import Option
from teikei.study.cars import BODIES

Vector = npt.NDArray[np.float64]
Term = tuple[int, float]


def plants_of_cars(made: Build) -> None:
    """Cars in the plants that are open to them; what no decision changes is a constant.

    sum of plants = 1 for each car and country that has a choice; a partner's plant needs a joint body. Shifts of a
    plant that a choice may change: cars <= capacity x shifts, open plants once closed stay closed. A body starts in a
    plant where a car that carries it is built there: its conversion.
    """
    scope, facts, program = made.scope, made.scope.facts, made.program
    if not facts.car_plants and not facts.logistics:
        return
    choice = sites(scope)
    touched = {plant for plants in choice.values() for plant in plants}
    for site, plants in choice.items():
        for plant in plants:
            made.built[(site, plant)] = program.column(
                ("built", *site, plant), _of_cars(made, site, plant), integer=True
            )
        program.row(("built", *site), [(made.built[(site, plant)], 1.0) for plant in plants], 1.0, 1.0)
        for plant in plants[1:]:
            if not own_plant(scope, site[:2], plant):
                _needs_joint_body(made, site, plant)
    nothing = Decisions({}, {}, {})
    for cost in costs(scope, nothing):  # at home, without a body: what is not decided below stands here
        if cost.car is None:
            decided = cost.thing in touched
        elif cost.company:
            decided = any(site[:2] == cost.car and cost.thing in plants for site, plants in choice.items())
        else:
            decided = True
        if not decided:
            program.offset += present_value(facts, cost.cash)
    for name in sorted(touched):
        if facts.car_plants[name].company in scope.members:
            _shifts(made, facts.car_plants[name], choice)
    _conversions(made, choice)


def _needs_joint_body(made: Build, site: Site, plant: str) -> None:
    """A partner's plant builds a car only with a joint body that a car of the partner's own carries too."""
    scope, program = made.scope, made.program
    here = made.built[(site, plant)]
    mine = {option: column for option, column in _bodies(made, site[:2]).items() if option.group == scope.joint}
    program.row(("joint body", *site, plant), [(here, 1.0), *((column, -1.0) for column in mine.values())], upper=0.0)
    partners = [car for car in scope.generations if car != site[:2] and own_plant(scope, car, plant)]
    for option, column in mine.items():
        theirs = [
            (other_column, -1.0)
            for car in partners
            for other, other_column in _bodies(made, car).items()
            if (other.module, other.group) == (option.module, option.group)
        ]
        terms = [(here, 1.0), (column, 1.0), *theirs]
        program.row(("partner's body", *site, plant, option.module), terms, upper=1.0)


def _of_cars(made: Build, site: Site, plant: str) -> float:
    """Present value of building and transporting a car's members' units in a plant."""
    scope, facts = made.scope, made.scope.facts
    return sum(
        sum(per_car(facts, plant, row.region)) * row.units / 1e6 * discount(facts, row.year)
        for row in facts.planned[site[:2]]
        if row.company in scope.members and facts.plant_country[row.plant] == site[2]
    )


def _bodies(made: Build, car: Car) -> dict[Option, int]:
    """Bodies that a car may carry, by its first slot."""
    slot = made.scope.slots_of(car)[0]
    return {option: column for option, column in made.use.items() if option.slot == slot and option.position in BODIES}


def _shifts(made: Build, plant: CarPlantFact, choice: dict[Site, tuple[str, ...]]) -> None:
    """Shifts and openness of a plant year by year; less the shifts of its other output by itself."""
    scope, facts, program = made.scope, made.scope.facts, made.program
    filled: list[tuple[int, int, float, list[Term]]] = []
    before: int | None = None
    for year in facts.settings.years:
        worth = discount(facts, year)
        fixed = standing(scope, plant, year)
        terms: list[Term] = []
        for car in scope.generations:
            for row in facts.planned.get(car, ()):
                if row.company not in scope.members or row.year != year:
                    continue
                site = (*car, facts.plant_country[row.plant])
                if site not in choice:
                    fixed += row.units if row.plant == plant.name else 0.0
                elif plant.name in choice[site]:
                    terms.append((made.built[(site, plant.name)], row.units / plant.shift_capacity))
        closed = plant.closes is not None and year > plant.closes
        other = plant.other_units > 0 and not closed
        if other:
            program.offset -= plant.shift_cost * shifts_needed(plant, plant.other_units) * worth
        least = shifts_needed(plant, fixed)
        most = max(least, 0 if closed else plant.shifts)
        shifts = program.column(("shifts", plant.name, year), plant.shift_cost * worth, least, most, integer=True)
        program.row(("shifts", plant.name, year), [*terms, (shifts, -1.0)], upper=-fixed / plant.shift_capacity + 1e-9)
        kept = 1.0 if fixed > 0 else 0.0
        pays = 0.0 if other else plant.fixed_cost * worth
        is_open = program.column(
            ("open", plant.name, year), pays, kept, 0.0 if closed and not kept else 1.0, integer=True
        )
        program.row(("open", plant.name, year), [(shifts, 1.0), (is_open, -float(max(most, 1)))], upper=0.0)
        if before is None:
            program.offset += plant.closure_cost * worth
            program.cost[is_open] -= plant.closure_cost * worth
        else:
            program.cost[before] += plant.closure_cost * worth
            program.cost[is_open] -= plant.closure_cost * worth
            program.row(("closed", plant.name, year), [(is_open, 1.0), (before, -1.0)], upper=0.0)
        before = is_open
        filled.append((shifts, is_open, fixed / plant.shift_capacity, terms))
    made.fills.append(lambda x: _fill(made, filled, x))


def _fill(made: Build, filled: list[tuple[int, int, float, list[Term]]], x: Vector) -> None:
    """Shifts that the cars need; a plant closes in the year that costs least from then on."""
    cost = made.program.cost
    for shifts, _, fixed, terms in filled:
        needed = np.ceil(fixed + sum(float(x[column]) * weight for column, weight in terms) - 2e-9)
        x[shifts] = max(made.program.lower[shifts], float(needed))
    last = max((at for at, (shifts, _, _, _) in enumerate(filled) if x[shifts] > 0), default=-1)
    longest = max((at for at, (_, o, _, _) in enumerate(filled) if made.program.upper[o] > 0), default=-1)
    paid = np.cumsum([0.0, *(cost[is_open] for _, is_open, _, _ in filled)])
    until = min(range(last + 1, max(last, longest) + 2), key=lambda at: (paid[at], -at))
    for at, (_, is_open, _, _) in enumerate(filled):
        x[is_open] = 1.0 if at < until else 0.0


def _conversions(made: Build, choice: dict[Site, tuple[str, ...]]) -> None:
    """X(plant, body, t) >= built + carried - 1 of every car that has started by t; cars without a body: constants."""
    scope, facts, program = made.scope, made.scope.facts, made.program
    uses: dict[tuple[str, str, str], list[tuple[Car, list[int], int | None]]] = {}
    for car in scope.generations:
        if car not in facts.ahead:
            continue
        carried: dict[tuple[str, str], list[int]] = {}
        for option, column in _bodies(made, car).items():
            carried.setdefault((facts.modules[option.module].family, option.group), []).append(column)
        rows = [row for row in facts.planned.get(car, ()) if row.company in scope.members]
        places: dict[str, int | None] = {}
        for row in rows:
            site = (*car, facts.plant_country[row.plant])
            for plant in choice.get(site, (row.plant,)):
                places[plant] = made.built.get((site, plant))
        for plant, where in places.items():
            if not carried:
                program.offset += present_value(facts, conversion_cash(scope, plant, "", car, start_of(scope, car)))
            for (family, group), columns in carried.items():
                uses.setdefault((plant, family, group), []).append((car, columns, where))
    for (plant, family, group), cars in uses.items():
        if plant not in facts.car_plants or not facts.car_plants[plant].conversion_cost:
            continue
        first = {start_of(scope, car): car for car, _, _ in reversed(cars)}
        years = sorted(first)
        worth = {t: present_value(facts, conversion_cash(scope, plant, family, first[t], t)) for t in years}
        ladder: dict[int, int] = {}
        for year, following in itertools.zip_longest(years, years[1:]):
            rest = worth[year] - (worth[following] if following is not None else 0.0)
            ladder[year] = program.column(("converted", plant, family, group, year), rest)
        for year, following in itertools.pairwise(years):
            program.row(
                ("converted", plant, family, group, following),
                [(ladder[year], 1.0), (ladder[following], -1.0)],
                upper=0.0,
            )
        needs = []
        for car, columns, place in cars:
            terms: list[Term] = [(column, 1.0) for column in columns]
            if place is not None:
                terms.append((place, 1.0))
            limit = 0.0 if place is None else 1.0
            year = start_of(scope, car)
            name = ("converts", *car, plant, family, group)
            program.row(name, [*terms, (ladder[year], -1.0)], -INFINITY, limit)
            needs.append((year, terms, limit))
        made.fills.append(_filler(ladder, needs))


def _filler(ladder: dict[int, int], needs: list[tuple[int, list[Term], float]]) -> Callable[[Vector], None]:
    def fill(x: Vector) -> None:
        started = [y for y, terms, limit in needs if sum(float(x[c]) * w for c, w in terms) - limit > 0.5]
        for year, column in ladder.items():
            x[column] = 1.0 if started and min(started) <= year else 0.0

    return fill
