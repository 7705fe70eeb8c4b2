"""Who develops what, by when, with whose engineers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import polars as pl


@dataclass(frozen=True)
class Mode:
    """One way to do a job: by whom (or how). demand[resource][k]: units of the resource in the job's period k.

    cost: million, spread evenly over the periods of the job.
    """

    name: str
    demand: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    cost: float = 0.0


@dataclass(frozen=True)
class Job:
    """A job of whole periods that is not interrupted. Jobs of one ``team`` are all done in the same mode."""

    name: str
    duration: int
    modes: tuple[Mode, ...]
    earliest: int = 0
    team: str = ""


@dataclass(frozen=True)
class Precedence:
    """start(after) >= start(before) + lag, in periods."""

    before: str
    after: str
    lag: int


@dataclass(frozen=True)
class Milestone:
    """All ``jobs`` should have ended when period ``due`` begins; every period later counts ``weight``."""

    name: str
    due: int
    jobs: tuple[str, ...]
    weight: float = 1.0


@dataclass(frozen=True)
class Project:
    """Jobs, what binds them, and how much of each resource there is: capacity[resource][period]."""

    jobs: tuple[Job, ...]
    precedences: tuple[Precedence, ...]
    capacity: Mapping[str, tuple[float, ...]]
    milestones: tuple[Milestone, ...]
    horizon: int
    discount: tuple[float, ...] = ()


@dataclass(frozen=True)
class Timetable:
    """A solved project: start and mode of every job, periods each milestone is late, extra units used.

    late_total is the weighted lateness, late_bound what it is proven to be at least; cost and cost_bound likewise for
    the cheapest timetable with that lateness. status: ``optimal``, ``gap`` or ``time limit``.
    """

    start: Mapping[str, int]
    mode: Mapping[str, str]
    late: Mapping[str, int]
    extra: Mapping[tuple[str, int], float]
    late_total: float
    late_bound: float
    cost: float
    cost_bound: float
    status: str


@dataclass(frozen=True)
class Schedule:
    """Schedules of the joint plan and of each bloc's own plan.

    table: ``schedule`` of a run (coalition, rung, task, object, company, start, end, hours); start and end are
    quarters ``YYYY-Qn``, the last one worked in included; company is the lead.
    milestones: coalition, rung, programme, generation, due (quarter of SOP or facelift), reached, late_quarters, cause
    (``hours of SKILL at COMPANY``, ``the tasks take longer than the time left``, or empty), chain (the objects that
    hold it). fixes: coalition, rung, programmes, fix (``hours``, ``lead``, ``date``), detail, cost (million, empty
    where it has no price in the study), late_quarters (what is left after the fix), break_even_per_car (study
    currency, for ``date``). load: coalition, rung, company, skill, quarter, hours, capacity.
    calendar: coalition, rung, object, level, programme, generation, due, go_ahead_by, freeze_by (last quarter in
    which the task must begin, or be finished), planned_freeze.
    summary: coalition, rung, objects, hours, external_cost, engineering_cost, late_quarters, late_bound, cost_bound,
    status.
    """

    table: pl.DataFrame
    milestones: pl.DataFrame
    fixes: pl.DataFrame
    load: pl.DataFrame
    calendar: pl.DataFrame
    summary: pl.DataFrame
    notes: tuple[str, ...] = ()
