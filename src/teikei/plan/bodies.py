"""Bodies shared by twins: who may carry which, one body for a car, and starts that follow the lead car's.

A *twin group* names generations of cars that may share a body (docs/maths/plan.md, "Whole cars"). A body is a module:
its family is what is developed once (``nre_vehicle``), its application is the brand face that every car pays, the first
included (``nre_brand``). Three ties beside the ones all modules have:

    one body     all versions of a generation, before and after the facelift, carry one body of one developing group
    the lead     a follower carries a body of a group that the lead car is developed in only if the lead carries it
    the gap      and only if it starts no sooner (and no later) after the lead than the group says
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from teikei.plan.facts import TwinFact
from teikei.study.cars import BODIES
from teikei.study.types import Study

if TYPE_CHECKING:
    from teikei.plan.decisions import Decisions
    from teikei.plan.program import Build
    from teikei.plan.scope import Option, Scope

LEAD = "lead"
FAMILY_ITEM, FACE_ITEM = "nre_vehicle", "nre_brand"
QUARTERS = 4


def family_item(class_name: str) -> str:
    """Cost item of what a family of the class costs to develop."""
    return FAMILY_ITEM if class_name in BODIES else "nre_family"


def application_item(class_name: str) -> str:
    """Cost item of putting a family of the class into a car."""
    return FACE_ITEM if class_name in BODIES else "nre_application"


def read_twins(study: Study) -> dict[tuple[str, str], TwinFact]:
    """(Programme, generation) -> its place in its twin group."""
    sop = {(row["programme"], row["generation"]): row["sop"] for row in study["generations"].iter_rows(named=True)}
    found = {}
    for row in study["twins"].iter_rows(named=True):
        car = (row["programme"], row["generation"])
        year, _, month = sop[car].partition("-")
        quarter = int(year) * QUARTERS + (int(month) - 1) // 3
        found[car] = TwinFact(
            row["twin"], row["role"] == LEAD, quarter, row["gap_quarters"] or 0.0, row["longest_gap_quarters"]
        )
    return found


def lead_of(scope: Scope, car: tuple[str, str]) -> tuple[str, str] | None:
    """The lead car of a follower's twin group, where a member builds it; None for the lead itself."""
    twin = scope.facts.twins.get(car)
    if twin is None or twin.lead:
        return None
    cars = scope.generations
    return next((c for c in cars if (t := scope.facts.twins.get(c)) and t.lead and t.twin == twin.twin), None)


def may_follow(twins: Mapping[tuple[str, str], TwinFact], lead: tuple[str, str], car: tuple[str, str]) -> bool:
    """Whether a follower starts within the gap after its lead."""
    later = twins[car].start - twins[lead].start
    most = twins[car].longest_gap
    return later >= twins[car].gap and (most is None or later <= most)


def body_may_join(scope: Scope, slot: str, module: str, group: str) -> bool:
    """Whether a car may carry a body of a developing group: for whom it is made, and the gap to its lead.

    A joint body is one that another bloc may use too. A follower outside the gap shares no body with its lead.
    """
    facts = scope.facts
    fact, car_slot = facts.modules[module], facts.slots[slot]
    if fact.available_to and scope.company_of[slot] not in fact.available_to:
        return False
    joint = bool(scope.joint) and group == scope.joint
    others = {company for company in scope.members if scope.bloc_of_company(company) != scope.bloc_of_slot(slot)}
    if joint and fact.available_to and not fact.available_to & others:
        return False
    car = (car_slot.programme, car_slot.generation)
    lead = lead_of(scope, car)
    if lead is None or not _develop_together(scope, lead, group) or may_follow(facts.twins, lead, car):
        return True
    return not _lead_may_carry(scope, lead, module)


def _develop_together(scope: Scope, lead: tuple[str, str], group: str) -> bool:
    return any(scope.company_of[slot] in group.split("+") for slot in scope.slots_of(lead))


def _lead_may_carry(scope: Scope, lead: tuple[str, str], module: str) -> bool:
    facts = scope.facts
    available = facts.modules[module].available_to
    return any(
        module in modules.values() and (not available or scope.company_of[slot] in available)
        for slot in scope.slots_of(lead)
        for _, modules in facts.choices[slot]
    )


def bodies_of_twins(made: Build) -> None:
    """One body for all versions and phases of a car; a follower carries its lead's body only with the lead."""
    for first, others in _same(made.scope):
        for other in others:
            terms = [(made.use[o], s) for o, s in ((first, 1.0), (other, -1.0)) if o in made.use]
            if terms and (first in made.use or other in made.use):
                made.program.row(("one body", first, other.slot), terms, 0.0, 0.0)
    for option, column in list(made.use.items()):
        follows = followed(made.scope, option)
        if follows is not None and follows in made.use:
            made.program.row(("follows its lead", option), [(column, 1.0), (made.use[follows], -1.0)], upper=0.0)


def followed(scope: Scope, option: Option) -> Option | None:
    """The lead car's use of the same body that an option of a follower needs; None where it needs none."""
    slot = scope.facts.slots[option.slot]
    if option.contract or scope.facts.modules[option.module].class_name not in BODIES:
        return None
    lead = lead_of(scope, (slot.programme, slot.generation))
    if lead is None or not _develop_together(scope, lead, option.group):
        return None
    for name in scope.slots_of(lead):
        there = option._replace(slot=name)
        if there in scope.options.get((name, option.position), ()):
            return there
    return None


def _same(scope: Scope) -> Iterator[tuple[Option, list[Option]]]:
    """Uses of a body in a car's first slot, and the same use in its other slots; cars under contract are left out."""
    for car in scope.generations:
        slots = scope.slots_of(car)
        places = [(slot, p) for slot, p in scope.options if slot in slots and p in BODIES]
        if len(places) < 2 or any(place in scope.facts.existing for place in places):
            continue
        home = places[0]
        known = {o._replace(slot=home[0]) for place in places for o in scope.options[place]}
        for option in sorted(known):
            yield option, [option._replace(slot=slot) for slot, _ in places[1:]]


def broken_bodies(scope: Scope, decisions: Decisions) -> Iterator[str]:
    """What a plan's bodies break: two bodies in one car, a follower without its lead."""
    for car in scope.generations:
        mine = [(place, o) for place, o in decisions.modules.items() if place[0] in scope.slots_of(car)]
        bodies = {o[2:] for (slot, p), o in mine if p in BODIES and (slot, p) not in scope.facts.existing}
        if len(bodies) > 1:
            yield f"{' '.join(car)} carries {len(bodies)} bodies: {', '.join(sorted(body[0] for body in bodies))}"
    for option in decisions.modules.values():
        lead = followed(scope, option)
        if lead is not None and decisions.modules.get((lead.slot, lead.position)) != lead:
            yield f"{option.slot} carries the body {option.module} of {option.group} without its lead car"
