"""Starts that come late: which a plan has, and what is lost with the cars that are not built until then.

Rule (docs/maths/plan.md, "Time"): a start of production, or a facelift, comes when all that is new to the car is ready.
Cars of the quarters until then are lost, each at its margin; the end of production stays. Purchases, tiers and plants
stay at the study's volumes. Nobody pays lateness: it steers the plan and is no cash.
"""

from __future__ import annotations

from dataclasses import dataclass

from teikei.plan.decisions import Decisions
from teikei.plan.develop_cost import sunk
from teikei.plan.lead_times import NOTHING, Car, Start, Work, lost_cars
from teikei.plan.money import discount
from teikei.plan.scope import Option, Scope


@dataclass(frozen=True, slots=True)
class Lost:
    """Cars of a company that are lost to a late start in a year, and what that costs: million, discounted."""

    company: str
    year: int
    cars: float
    cost: float


def work_of(scope: Scope, option: Option) -> Work:
    """What has to be developed before a car can carry an option that is new to it, by its developing group.

    A family that a member has paid takes the time of an application for those who take it over, none for its owner.
    """
    facts = scope.facts
    module = facts.modules[option.module]
    family, class_fact = facts.families[module.family], facts.classes[module.class_name]
    group = option.group.split("+")
    levels = []
    paid = [company for company in group if company in family.sunk_for]
    company = scope.company_of[option.slot]
    if not paid:
        levels.append(("family", "family"))
    elif company not in paid:
        ours = facts.bloc_of[company] in {facts.bloc_of[payer] for payer in paid}
        if (min(class_fact.k_same_bloc, class_fact.k_bloc) if ours else class_fact.k_bloc) > 0:
            levels.append(("family", "application"))
    if not sunk(module.sunk_for, option.group):
        levels.append(("variant", "variant"))
    levels.append(("application", "application"))
    assert facts.time is not None  # noqa: S101 - asked for only where there are lead times
    found = tuple((level, name) for level, what in levels if (name := facts.time.scope(module.class_name, what)))
    return Work(module.class_name, found, len({facts.bloc_of[one] for one in group}) > 1)


def carried_today(scope: Scope, option: Option) -> bool:
    """Whether the car carries the module under contract today, in any version and from any supplier, as its own."""
    facts, slot = scope.facts, scope.facts.slots[option.slot]
    own = len({facts.bloc_of[company] for company in option.group.split("+")}) == 1
    return own and (slot.programme, slot.generation, option.module) in scope.carried


def quarters_late(scope: Scope, option: Option) -> int:
    """Quarters by which the car's start (or facelift) waits for an option that is new to it; 0 without lead times."""
    time = scope.facts.time
    if time is None or option.contract:
        return 0
    work = work_of(scope, option)
    late = time.late(work, _own_work(scope, option.slot), time.due[option.slot])
    if time.longer and any(level != "application" for level, _ in work.levels):
        late += time.longer.get(start_of(scope, option.slot), 0)
    return late


def car_late(scope: Scope, car: Car) -> int:
    """Quarters by which a start of production waits for the work on the car itself."""
    time = scope.facts.time
    if time is None or car not in time.start_of_production:
        return 0
    slot = next((s for s in scope.slots if _car_of(scope, s) == car), "")
    mine = _own_work(scope, slot) if slot else None
    return time.late(NOTHING, mine, time.start_of_production[car]) if mine is not None else 0


def start_of(scope: Scope, slot: str) -> Start:
    """The start that what is new to a slot must be ready for."""
    assert scope.facts.time is not None  # noqa: S101 - asked for only where there are lead times
    return (*_car_of(scope, slot), scope.facts.time.due[slot])


def late_starts(scope: Scope, decisions: Decisions) -> dict[Start, int]:
    """Start -> quarters it is late: by the critical path or, where that is later, by the schedule of the plan."""
    time, found = scope.facts.time, dict[Start, int]()
    if time is None:
        return {}
    for car in scope.generations:
        if late := car_late(scope, car):
            found[(*car, time.start_of_production[car])] = late
    for (slot, position), option in decisions.modules.items():
        before = decisions.modules.get((scope.previous.get(slot, ""), position))
        if option.contract or (before is None and carried_today(scope, option)):
            continue
        if before is not None and (before.module, before.group) == (option.module, option.group):
            continue
        start = start_of(scope, slot)
        found[start] = max(found.get(start, 0), quarters_late(scope, option))
    cars = set(scope.generations)
    for start, late in decisions.scheduled.items():
        if start[:2] in cars:
            found[start] = max(found.get(start, 0), late)
    return {start: late for start, late in sorted(found.items()) if late > 0}


def lost(scope: Scope, start: Start, quarters: int) -> list[Lost]:
    """The cars of the members that are lost until a start comes, by company and year."""
    facts, found = scope.facts, []
    assert facts.time is not None  # noqa: S101 - asked for only where there are lead times
    margin = facts.time.lost_margin.get(start[0], 0.0)
    for company, units in scope.cars_by_company.get(start[:2], {}).items():
        for year, cars in lost_cars(units, start[2], quarters, facts.time.origin).items():
            found.append(Lost(company, year, cars, cars * margin / 1e6 * discount(facts, year)))
    return found


def cost_of_lateness(scope: Scope, start: Start, quarters: int) -> float:
    """What a start so late costs the members, million, discounted."""
    return sum(one.cost for one in lost(scope, start, quarters))


def _car_of(scope: Scope, slot: str) -> Car:
    fact = scope.facts.slots[slot]
    return fact.programme, fact.generation


def _own_work(scope: Scope, slot: str) -> Car | None:
    """The car whose own development the members do."""
    return _car_of(scope, slot) if scope.facts.slots[slot].lead in scope.members else None
