"""Objects and task scopes as a project: jobs, precedence within and between objects, capacity, dates."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import polars as pl

from teikei.develop.objects import DevelopmentObject
from teikei.develop.project import lateness_by_precedence
from teikei.develop.quarters import Calendar
from teikei.develop.types import Job, Milestone, Mode, Precedence, Project
from teikei.plan.tasks import Places, joint_from, left_of, length, links_of, places_of
from teikei.study.types import Study

SLACK_QUARTERS: Final = 12
STRETCHES: Final = (1.25, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0)
"""Factors tried for an object that is one job, where no lead has the hours it needs in a quarter."""
GO_AHEAD: Final = "alliance go-ahead"


@dataclass(frozen=True)
class Step:
    """One task of one object: the job it is in, and its place inside that job (quarters, possibly fractions)."""

    task: str
    title: str
    object_name: str
    job: str
    start: float
    quarters: float
    hours: float

    @property
    def first(self) -> int:
        """First quarter of the task, counted from the start of its job."""
        return math.floor(self.start + 1e-9)

    @property
    def end(self) -> int:
        """Quarter after the last one worked in."""
        return math.ceil(self.start + self.quarters - 1e-9)


@dataclass(frozen=True)
class Network:
    """A project with the steps behind its jobs, and sentences on what was read into the study."""

    project: Project
    steps: tuple[Step, ...]
    objects: Mapping[str, DevelopmentObject]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Staff:
    """capacity: ``SKILL at COMPANY`` -> hours a quarter; rates: company -> study currency an hour."""

    capacity: Mapping[str, float]
    rates: Mapping[str, float]
    stretch: bool


@dataclass
class _Draft:
    jobs: list[Job] = field(default_factory=list)
    precedences: list[Precedence] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def make_network(
    study: Study, objects: list[DevelopmentObject], companies: tuple[str, ...], calendar: Calendar, *, stretch: bool
) -> Network:
    """The project of a list of objects.

    Tasks of families, variants and cars are jobs of their own; where a scope has parts of quarters, and for
    applications, the object is one job whose tasks keep their places. Hours of an object are spread over its tasks by
    their quarters. stretch: a task that needs more hours a quarter than any lead has takes as many more quarters as
    it must. Raises StudyError where tasks of a scope wait for each other in a circle.
    """
    capacity = {
        f"{skill} at {company}": hours
        for company, skill, hours in study["engineering"].select("company", "skill", "hours_per_quarter").iter_rows()
        if company in companies
    }
    staff = _Staff(capacity, _rates(study), stretch)
    draft = _Draft()
    ready: dict[tuple[str, str], tuple[int, list[str]]] = {}
    kept = []
    for one in objects:
        tasks = study["tasks"].filter(pl.col("scope") == one.scope)
        if not one.scope or tasks.is_empty():
            continue
        add = _car if one.level == "programme" else _add
        ends = add(draft, one, places_of(tasks), staff)
        if not ends:
            continue
        kept.append(one)
        for use, due in one.uses:
            # an object that comes at the facelift must not hold the start of production: dates are kept apart
            key = (f"{use[0]}/{use[1]}", str(due))
            known = ready.setdefault(key, (due, []))
            known[1].extend(ends)
    _links(draft, study, kept)
    milestones = tuple(
        Milestone(f"{name}@{due}", date, tuple(dict.fromkeys(jobs))) for (name, due), (date, jobs) in ready.items()
    )
    horizon = _horizon(draft, milestones)
    discount = tuple(
        float((1 + study.settings.discount_rate) ** -(calendar.middle(q) - study.settings.base_year))
        for q in range(horizon)
    )
    project = Project(
        jobs=tuple(draft.jobs),
        precedences=tuple(draft.precedences),
        capacity={name: (hours,) * horizon for name, hours in capacity.items()},
        milestones=milestones,
        horizon=horizon,
        discount=discount,
    )
    return Network(project, tuple(draft.steps), {one.name: one for one in kept}, tuple(draft.notes))


def _rates(study: Study) -> dict[str, float]:
    own = study["companies"].select("company", "engineering_rate_per_hour").iter_rows()
    return {company: rate or study.settings.engineering_rate_per_hour for company, rate in own}


def _car(
    draft: _Draft,
    one: DevelopmentObject,
    places: Places,
    staff: _Staff,
) -> list[str]:
    """A car whose work must have begun before the first quarter counts as under way: only what is left is planned."""
    due = one.uses[0][1]
    left = left_of(places, due)
    if left is None:
        return _add(draft, one, places, staff)
    total = sum(quarters for _, _, quarters, _ in places.values())
    draft.notes.append(
        f"{one.name} is taken to be under way: its tasks take {length(places):g} quarters and production starts in "
        f"{due}"
    )
    part = sum(quarters for _, _, quarters, _ in left.values()) / total if total else 0.0
    rest = {skill: hours * part for skill, hours in one.hours.items()}
    return _add(draft, one, left, staff, rest)


def _add(
    draft: _Draft,
    one: DevelopmentObject,
    places: Places,
    staff: _Staff,
    hours: dict[str, float] | None = None,
) -> list[str]:
    """Adds the jobs of an object and returns those that must have ended when it is ready."""
    if not places:
        return []
    hours = one.hours if hours is None else hours
    original = places
    total = sum(quarters for _, _, quarters, _ in places.values())
    per_quarter = {skill: amount / total for skill, amount in hours.items()} if total else {}
    whole = all(float(quarters).is_integer() for _, _, quarters, _ in places.values())
    if one.level == "application" or not whole:
        places, work = _spread(places, 1.0)
        for factor in STRETCHES if staff.stretch else ():
            if _fits(one, per_quarter, work, staff.capacity):
                break
            places, work = _spread(original, factor)
        name = one.name
        if length(places) > length(original):
            draft.notes.append(
                f"{one.name}: takes {len(work)} quarters instead of {math.ceil(length(original) - 1e-9)}, no lead has "
                f"the hours for less"
            )
        draft.jobs.append(Job(name, len(work), _modes(draft, one, per_quarter, work, staff), team=one.name))
        for task, (title, start, quarters, _) in places.items():
            draft.steps.append(
                Step(task, title, one.name, name, start, quarters, sum(hours.values()) * _part(quarters, total))
            )
        return [name]
    ended = set(places)
    for task, (title, _, quarters, before) in places.items():
        name = f"{one.name}: {task}"
        duration = int(quarters)
        if staff.stretch and duration:
            duration = _stretched(one, per_quarter, duration, staff.capacity)
            if duration > quarters:
                draft.notes.append(
                    f"{one.name}, {title}: takes {duration} quarters instead of {int(quarters)}, no lead has the "
                    f"hours for less"
                )
        work = [quarters / duration] * duration if duration else []
        draft.jobs.append(Job(name, duration, _modes(draft, one, per_quarter, work, staff), team=one.name))
        draft.steps.append(
            Step(task, title, one.name, name, 0.0, float(duration), sum(hours.values()) * _part(quarters, total))
        )
        ended -= set(before)
    duration_of = {job.name: job.duration for job in draft.jobs}
    for task, (_, _, _, before) in places.items():
        for earlier in before:
            first = f"{one.name}: {earlier}"
            draft.precedences.append(Precedence(first, f"{one.name}: {task}", duration_of[first]))
    return [f"{one.name}: {task}" for task in ended]


def _part(quarters: float, total: float) -> float:
    return quarters / total if total else 0.0


def _spread(places: Places, factor: float) -> tuple[Places, list[float]]:
    """The tasks of an object drawn out by a factor, and the task quarters of work in each of its quarters."""
    drawn = {name: (title, start * factor, q * factor, before) for name, (title, start, q, before) in places.items()}
    work = [0.0] * math.ceil(length(drawn) - 1e-9)
    for _, start, quarters, _ in drawn.values():
        for q in range(len(work)):
            work[q] += max(0.0, min(start + quarters, q + 1.0) - max(start, float(q))) / factor
    return drawn, work


def _fits(
    one: DevelopmentObject, per_quarter: dict[str, float], work: list[float], capacity: Mapping[str, float]
) -> bool:
    """Whether some lead has the hours of every quarter."""
    most = max(work, default=0.0)
    return any(
        all(amount * most <= capacity.get(f"{skill} at {lead}", math.inf) for skill, amount in per_quarter.items())
        for lead in one.leads
    )


def _modes(
    draft: _Draft, one: DevelopmentObject, per_quarter: dict[str, float], work: list[float], staff: _Staff
) -> tuple[Mode, ...]:
    """A mode for each possible lead; per_quarter: hours by skill per quarter of task; work: task quarters in each
    period. Hours of a skill that the study does not state for a company are taken as unlimited, with a note."""
    modes = []
    for lead in one.leads:
        known = {skill: amount for skill, amount in per_quarter.items() if f"{skill} at {lead}" in staff.capacity}
        draft.notes += [
            f"no hours of {skill} at {lead} are stated (table engineering): taken as unlimited"
            for skill in per_quarter
            if skill not in known
        ]
        demand = {f"{skill} at {lead}": tuple(amount * part for part in work) for skill, amount in known.items()}
        modes.append(Mode(lead, demand, sum(per_quarter.values()) * sum(work) * staff.rates[lead] / 1e6))
    return tuple(modes)


def _stretched(
    one: DevelopmentObject, per_quarter: dict[str, float], duration: int, capacity: Mapping[str, float]
) -> int:
    """Quarters a task takes if its hours must fit into what the best lead has."""
    needed = []
    for lead in one.leads:
        on_hand = {skill: capacity.get(f"{skill} at {lead}", math.inf) for skill in per_quarter}
        if all(on_hand[skill] > 0 for skill, amount in per_quarter.items() if amount):
            ratios = [amount / on_hand[skill] for skill, amount in per_quarter.items() if amount]
            needed.append(math.ceil(duration * max([1.0, *ratios]) - 1e-9))
    return min(needed) if needed else duration


def _horizon(draft: _Draft, milestones: tuple[Milestone, ...]) -> int:
    """Up to the last date that precedence alone allows, and some years for what waits for staff."""
    everything = sum(job.duration for job in draft.jobs) + sum(abs(one.lag) for one in draft.precedences)
    far = everything + max([0, *(one.due for one in milestones)])
    project = Project(tuple(draft.jobs), tuple(draft.precedences), {}, milestones, far)
    late = lateness_by_precedence(project)
    return max([1, *(max(0, one.due) + late[one.name] for one in milestones)]) + SLACK_QUARTERS


def _links(draft: _Draft, study: Study, objects: list[DevelopmentObject]) -> None:
    """Rows of scope ``link``: their predecessors must end before the tasks named in the title begin.

    A link on a family's task holds for the task of the same title in variants and applications of the class as well. A
    link whose title speaks of any shared family is a task of its own before all shared families and variants (go-ahead
    of the alliance).
    """
    links, go_ahead = links_of(study["tasks"])
    by_name = {one.name: one for one in objects}
    _go_ahead(draft, joint_from(study.settings, go_ahead), objects)
    for link in links:
        sources = [
            step
            for step in draft.steps
            if step.title == link.title and by_name[step.object_name].class_name == link.class_name
        ]
        targets = [step for step in draft.steps if step.task in link.after]
        for source in sources:
            for target in targets:
                if _serve_the_same_car(by_name[source.object_name], by_name[target.object_name]):
                    draft.precedences.append(Precedence(source.job, target.job, source.end - target.first))


def _serve_the_same_car(one: DevelopmentObject, other: DevelopmentObject) -> bool:
    """Whether both are for the same car and the same date."""
    return one.name != other.name and bool(set(one.uses) & set(other.uses))


def _go_ahead(draft: _Draft, quarters: int, objects: list[DevelopmentObject]) -> None:
    """What blocs develop together begins after the alliance's go-ahead."""
    shared = {one.name for one in objects if one.shared and one.level in ("family", "variant")}
    waits = {one.after for one in draft.precedences}
    begins = sorted({s.job for s in draft.steps if s.object_name in shared and s.first == 0 and s.job not in waits})
    if not begins or quarters <= 0:
        return
    draft.jobs.append(Job(GO_AHEAD, quarters, (Mode("", {}),), team=GO_AHEAD))
    draft.precedences += [Precedence(GO_AHEAD, job, quarters) for job in begins]
