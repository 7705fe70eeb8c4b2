"""When the modules of a car can exist at the earliest, by who develops them, and what a late start loses.

Rule (docs/maths/plan.md, "Time"): the critical path of the tasks of family, variant, application and car with the
study's links between them, engineers without limit. Own work begins in the base year, joint work with the
alliance: after its go-ahead, and not before ``alliance_year`` where the study gives one. ``develop`` schedules the same
tasks with the engineers there are, so that no schedule is earlier. What binds two classes of modules of one car (a
platform that waits for its e-axle's specification) is left to the schedule.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

import polars as pl

from teikei.plan.facts import SlotFact
from teikei.plan.tasks import (
    FACELIFT_PHASE,
    QUARTERS,
    Link,
    Places,
    car_scope,
    joint_from,
    left_of,
    length,
    links_of,
    origin_of,
    places_of,
    scope_of,
)
from teikei.plan.vehicle_work import VEHICLE_CLASS
from teikei.study.types import Study

Car = tuple[str, str]  # programme, generation
Start = tuple[str, str, int]
"""A start of production or a facelift: programme, generation, quarter (0 = the first in which work can be done)."""


@dataclass(frozen=True, slots=True)
class Work:
    """What a module new to a car makes somebody develop: class, levels with their task scopes, joint or not.

    levels: level of work -> task scope, those with tasks. shared: developed by two blocs or more.
    """

    class_name: str
    levels: tuple[tuple[str, str], ...]
    shared: bool


@dataclass(frozen=True, slots=True)
class TimeFacts:
    """What the plan knows of time.

    due[slot]: quarter by which what is new to it must be ready; start_of_production[car]: quarter, of cars that are
    still developed; car_scopes[car]: task scopes that may be its own; lost_margin[programme]: study currency lost with
    a car that is not built; joint_from: quarter from which joint work may begin; origin: quarter 0, counted from
    the year 0; longer[start]: quarters that what is developed for it takes longer than its critical path (found by
    a schedule).
    """

    scopes: Mapping[str, Places]
    links: tuple[Link, ...]
    joint_from: int
    due: Mapping[str, int]
    start_of_production: Mapping[Car, int]
    car_scopes: Mapping[Car, tuple[str, ...]]
    lost_margin: Mapping[str, float]
    origin: int
    longer: Mapping[Start, int] = field(default_factory=dict)
    known: dict[tuple[Work, Car | None, int], int] = field(default_factory=dict, compare=False, repr=False)

    def scope(self, class_name: str, level: str) -> str:
        """Task scope of a class and level; empty where there is none."""
        return scope_of(self.scopes, class_name, level)

    def lengthened(self, longer: Mapping[Start, int]) -> TimeFacts:
        """The same with longer leads for some starts."""
        return replace(self, longer=dict(longer), known={})

    def late(self, work: Work, car: Car | None, due: int) -> int:
        """Quarters by which a start is late that waits for this work; car: whose own work counts, None = nobody's."""
        own = car if car is not None and self.start_of_production.get(car) == due else None
        key = (work, own, due)
        if key not in self.known:
            scopes = self.car_scopes.get(own, ()) if own is not None else ()
            found = [self._ready(work, places) for places in self._car_places(scopes, due)]
            self.known[key] = max(0, min(found) - due)
        return self.known[key]

    def _car_places(self, scopes: tuple[str, ...], due: int) -> Iterable[Places]:
        """Tasks of the car itself by each scope that may be its own; of a car under way what is left."""
        if not scopes:
            return [{}]
        left = ((self.scopes[scope], left_of(self.scopes[scope], due)) for scope in scopes)
        return [whole if rest is None else rest for whole, rest in left]

    def _ready(self, work: Work, car: Places) -> int:
        """First quarter in which all of the work and the car are done."""
        steps: list[_Step] = []
        waits: list[tuple[int, int, int]] = []
        for level, scope in work.levels:
            begins = self.joint_from if work.shared and level != "application" else 0
            _add(steps, waits, work.class_name, self.scopes[scope], begins, whole=level == "application")
        if car:
            _add(steps, waits, VEHICLE_CLASS, car, 0, whole=False)
        for link in self.links:
            for at, source in enumerate(steps):
                if (source.class_name, source.title) == (link.class_name, link.title):
                    waits += [
                        (at, to, source.end - target.first)
                        for to, target in enumerate(steps)
                        if target.task in link.after and target.of != source.of
                    ]
        return _longest(steps, waits)


NOTHING = Work("", (), False)


@dataclass(slots=True)
class _Step:
    """A task in its job: quarters from the job's start to its first and after its last, and when the job may start."""

    of: int
    job: int
    class_name: str
    task: str
    title: str
    first: int
    end: int
    start: int
    duration: int


def _add(
    steps: list[_Step], waits: list[tuple[int, int, int]], class_name: str, places: Places, begins: int, *, whole: bool
) -> None:
    """The tasks of an object: one job where they keep their places (``whole``, parts of quarters), else a job each."""
    of = 1 + max((step.of for step in steps), default=-1)
    number = {task: len(steps) + at for at, task in enumerate(places)}
    one_job = whole or not all(float(quarters).is_integer() for _, _, quarters, _ in places.values())
    for task, (title, start, quarters, before) in places.items():
        if one_job:
            first, end = math.floor(start + 1e-9), math.ceil(start + quarters - 1e-9)
            job, duration = number[next(iter(places))], math.ceil(length(places) - 1e-9)
        else:
            first, end, duration, job = 0, int(quarters), int(quarters), number[task]
            waits += [(number[p], number[task], int(places[p][2])) for p in before]
        steps.append(_Step(of, job, class_name, task, title, first, end, begins, duration))


def _longest(steps: list[_Step], waits: list[tuple[int, int, int]]) -> int:
    """Quarter in which the last job ends: the longest way through what waits for what."""
    start = {step.job: step.start for step in steps}
    for _ in range(len(steps) + 1):
        moved = False
        for before, after, lag in waits:
            earliest = start[steps[before].job] + lag
            if earliest > start[steps[after].job]:
                start[steps[after].job] = earliest
                moved = True
        if not moved:
            break
    return max((start[step.job] + step.duration for step in steps), default=0)


def read_time(study: Study, slots: Mapping[str, SlotFact]) -> TimeFacts | None:
    """Lead times of a study; None where it has no tasks: then every module counts as ready in time."""
    tasks, settings = study["tasks"], study.settings
    if tasks.is_empty():
        return None
    links, go_ahead = links_of(tasks)
    names = [name for name in tasks["scope"].unique(maintain_order=True).to_list() if name and name != "link"]
    scopes = {name: places_of(tasks.filter(pl.col("scope") == name)) for name in names}
    generations = {(row["programme"], row["generation"]): row for row in study["generations"].iter_rows(named=True)}
    facelift: dict[Car, int] = {}
    for slot in slots.values():
        if slot.phase == FACELIFT_PHASE:
            car = (slot.programme, slot.generation)
            facelift[car] = min(slot.first_year, facelift.get(car, slot.first_year))
    origin = origin_of(settings)
    first = settings.first_year * QUARTERS - origin
    start = {car: quarter_of(row["sop"], origin) for car, row in generations.items()}
    due = {}
    for name, slot in slots.items():
        car = (slot.programme, slot.generation)
        if slot.phase == FACELIFT_PHASE:
            due[name] = max(first, facelift[car] * QUARTERS - origin)
        else:
            due[name] = start[car] if start[car] > 0 else first
    contracted = set(study["existing"].select("programme", "generation").iter_rows())
    segment = {row["programme"]: row["segment"] for row in study["programmes"].iter_rows(named=True) if row["in_scope"]}
    last = (settings.last_year + 1) * QUARTERS - origin
    ahead = {c: q for c, q in start.items() if c[0] in segment and 0 < q <= last and c not in contracted}
    car_scopes = {
        car: tuple(
            dict.fromkeys(
                scope for lead in (True, False) if (scope := car_scope(scopes, segment[car[0]], lead_car=lead))
            )
        )
        for car in ahead
    }
    joint = joint_from(settings, go_ahead)
    return TimeFacts(scopes, tuple(links), joint, due, ahead, car_scopes, lost_margins(study), origin)


def quarter_of(month: str, origin: int) -> int:
    """Quarter that holds a month ``YYYY-MM``, from quarter 0."""
    year, _, number = month.partition("-")
    return int(year) * QUARTERS + (int(number) - 1) // 3 - origin


def lost_margins(study: Study) -> dict[str, float]:
    """Programme -> what is lost with a car that is not built, study currency; absent where the study cannot say.

    Its ``lost_margin``, else ``lost_margin_share`` of ``car_value``; less the part of buyers who take another car of
    the same company (``late_buyers_kept``).
    """
    settings = study.settings
    found = {}
    for row in study["programmes"].iter_rows(named=True):
        margin = row["lost_margin"]
        if margin is None and row["car_value"]:
            margin = settings.lost_margin_share * row["car_value"]
        if margin is not None:
            found[row["programme"]] = float(margin) * (1.0 - settings.late_buyers_kept)
    return found


def lost_cars(units: Mapping[int, float], due: int, quarters: int, origin: int) -> dict[int, float]:
    """Year -> cars of the ``quarters`` from ``due`` on that pass before the car is built.

    units: year -> cars planned. Cars of a year are spread evenly over its quarters from the start on; the end of
    production stays.
    """
    lost: dict[int, float] = {}
    start = origin + due
    for index in range(start, start + quarters):
        year = index // QUARTERS
        built = QUARTERS - (start % QUARTERS if year == start // QUARTERS else 0)
        lost[year] = lost.get(year, 0.0) + units.get(year, 0.0) / built
    return {year: cars for year, cars in lost.items() if cars > 0}
