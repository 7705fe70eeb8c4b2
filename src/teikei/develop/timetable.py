"""The main function: schedules of the joint plan and of each bloc's own plan."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import Any, Final

import polars as pl

from teikei.develop.fixes import FIXES_SCHEMA, TOO_SHORT, causes, find_fixes
from teikei.develop.network import Network, make_network
from teikei.develop.objects import DevelopmentObject, ObjectFinder
from teikei.develop.program import NODES
from teikei.develop.project import Options, critical_chain, latest_for_dates, solve, windows
from teikei.develop.quarters import Calendar
from teikei.develop.said import differs, nre_in_plan, nre_of_work, too_early
from teikei.develop.types import Schedule, Timetable
from teikei.errors import NoPlanError, StudyError
from teikei.modules.types import Catalogue
from teikei.plan.types import Plan, Plans
from teikei.study.types import Study

TABLE_SCHEMA: Final = {
    "coalition": pl.String,
    "rung": pl.String,
    "task": pl.String,
    "object": pl.String,
    "company": pl.String,
    "start": pl.String,
    "end": pl.String,
    "hours": pl.Float64,
}
MILESTONE_SCHEMA: Final = {
    "coalition": pl.String,
    "rung": pl.String,
    "programme": pl.String,
    "generation": pl.String,
    "due": pl.String,
    "reached": pl.String,
    "late_quarters": pl.Int64,
    "cause": pl.String,
    "chain": pl.String,
}
LOAD_SCHEMA: Final = {
    "coalition": pl.String,
    "rung": pl.String,
    "company": pl.String,
    "skill": pl.String,
    "quarter": pl.String,
    "hours": pl.Float64,
    "capacity": pl.Float64,
}
CALENDAR_SCHEMA: Final = {
    "coalition": pl.String,
    "rung": pl.String,
    "object": pl.String,
    "level": pl.String,
    "programme": pl.String,
    "generation": pl.String,
    "due": pl.String,
    "go_ahead_by": pl.String,
    "freeze_by": pl.String,
    "planned_freeze": pl.String,
    "missed": pl.Boolean,
}
SUMMARY_SCHEMA: Final = {
    "coalition": pl.String,
    "rung": pl.String,
    "objects": pl.Int64,
    "hours": pl.Float64,
    "external_cost": pl.Float64,
    "nre_of_work": pl.Float64,
    "nre_in_plan": pl.Float64,
    "engineering_cost": pl.Float64,
    "late_quarters": pl.Int64,
    "late_bound": pl.Float64,
    "cost_bound": pl.Float64,
    "status": pl.String,
}


Late = dict[tuple[str, str], dict[tuple[str, str, int], int]]
"""(coalition, rung) -> programme, generation, quarter from the first in which work can be done -> quarters late."""

QUICK_NODES: Final = 20
"""Nodes of a solve that the default schedule falls back on: some CPU seconds at most for a study like the shipped."""


@dataclass
class _Tables:
    """Rows of the result, filled plan by plan."""

    table: list[dict[str, Any]]
    milestones: list[dict[str, Any]]
    fixes: list[dict[str, Any]]
    load: list[dict[str, Any]]
    calendar: list[dict[str, Any]]
    summary: list[dict[str, Any]]


def schedule(
    study: Study,
    catalogue: Catalogue,
    plans: Plans,
    *,
    rung: str | None = None,
    first_quarter: str | None = None,
    leads: Mapping[str, str] | None = None,
    work_share: Mapping[str, tuple[float, float]] | None = None,
    seconds: float | None = None,
) -> Schedule:
    """Who develops what and when, for the joint plan of a rung and, beside it, each bloc by itself.

    Hours are those of the tables work and classes (sharing factor k included), as the plan pays them; they are
    scheduled within each company's hours by skill and quarter. A lead is chosen for every shared object. First the
    fewest quarters by which starts of production are missed, then the least present cost of the leads' hours.

    rung: default the highest evaluated one; first_quarter: ``YYYY-Qn``, default the study's ``work_begins``, else the
    first quarter of the base year;
    leads: object -> company where already agreed; work_share: company -> (least, most) share of the hours of shared
    objects; seconds: None for a search with bounds that no clock touches (tables are the same at every run); a number
    proves each schedule further for at most so long (a solve stopped by it says ``time limit`` and is not
    reproducible). Raises StudyError for circular tasks or a lead that is not possible.
    """
    calendar = Calendar(first_quarter or study.settings.first_quarter)
    rows = _Tables([], [], [], [], [], [])
    notes: list[str] = []
    if study["tasks"].is_empty():
        notes.append(
            "no schedule: the study has no tasks; every module counts as ready in time, and no late start is priced"
        )
    for plan in [] if notes else _plans_to_schedule(study, plans, rung):
        label = f"{plan.coalition}, {plan.rung}"
        try:
            made = _made(study, catalogue, plan, calendar, leads or {}, work_share or {}, seconds)
        except NoPlanError as error:
            notes.append(f"{label}: no schedule. {error}")
            continue
        finder, agreed, network = made.finder, made.agreed, made.network
        said = [*finder.notes, *network.notes, *differs(study, plan, network), *too_early(calendar, network)]
        notes += [f"{label}: {note}" for note in dict.fromkeys(said)]
        if made.found is None:
            notes.append(f"{label}: nothing to develop")
            continue
        found, options = made.found, made.options
        free = make_network(study, agreed, finder.members, calendar, stretch=False)
        _append(rows, study, plan, calendar, network=network, found=found)
        choice = partial(_other_leads, study, calendar, finder, found=found, agreed=agreed, network=network)
        rows.fixes += find_fixes(
            study, plan, calendar, network=network, free=free, choice=choice, found=found, options=options
        )
        rows.milestones += _milestone_rows(plan, calendar, network, found, causes(network, free, found))
    return Schedule(
        table=pl.DataFrame(rows.table, schema=TABLE_SCHEMA, orient="row"),
        milestones=pl.DataFrame(rows.milestones, schema=MILESTONE_SCHEMA, orient="row"),
        fixes=pl.DataFrame(rows.fixes, schema=FIXES_SCHEMA, orient="row"),
        load=pl.DataFrame(rows.load, schema=LOAD_SCHEMA, orient="row"),
        calendar=pl.DataFrame(rows.calendar, schema=CALENDAR_SCHEMA, orient="row"),
        summary=pl.DataFrame(rows.summary, schema=SUMMARY_SCHEMA, orient="row"),
        notes=tuple(dict.fromkeys(notes)),
    )


def late_starts(
    study: Study, catalogue: Catalogue, plans: Plans, *, seconds: float | None = None, quarters_earlier: int = 0
) -> Late:
    """(coalition, rung) -> (programme, generation, quarter of the base year's first) -> quarters its schedule is late.

    Every plan is scheduled as ``schedule`` does it (seconds as there); where all blocs stay by themselves (the lowest
    rung) their own schedules stand side by side. A plan without a schedule (agreed shares that cannot be met) is left
    out. Empty where the study has no tasks. quarters_earlier: as if all work could begin so much earlier.
    """
    found: Late = {}
    if study["tasks"].is_empty():
        return found
    first = Calendar(study.settings.first_quarter)
    calendar = Calendar(first.label(-quarters_earlier))
    whole = {study.coalition_name(frozenset(bloc)) for bloc in study.blocs.values()}
    together = []
    for (name, rung), plan in plans.by_key.items():
        members = set(name.split("+"))
        inside = [bloc for bloc in whole if set(bloc.split("+")) <= members]
        if plan.status == "not evaluated":
            continue
        if rung == study.baseline_rung and len(inside) > 1 and {c for b in inside for c in b.split("+")} == members:
            together.append(((name, rung), inside))
            continue
        try:
            made = _made(study, catalogue, plan, calendar, {}, {}, seconds, late_only=True)
        except NoPlanError:
            continue
        late = {} if made.found is None else made.found.late
        found[(name, rung)] = {_start_of(one, quarters_earlier): quarters for one, quarters in late.items()}
    for key, blocs in together:
        found[key] = {start: late for bloc in blocs for start, late in found.get((bloc, key[1]), {}).items()}
    return found


def _start_of(milestone: str, earlier: int) -> tuple[str, str, int]:
    """Programme, generation and quarter (from the first in which work can be done) of a milestone's name."""
    car, _, due = milestone.rpartition("@")
    programme, _, generation = car.partition("/")
    return programme, generation, int(due) - earlier


@lru_cache(maxsize=200)
def _solved_once(blob: bytes) -> Timetable:
    """The timetable of a project; samples and rungs with the same designs have the same one."""
    project, options = pickle.loads(blob)  # noqa: S301  made by ``_made`` in this process
    return solve(project, options)


@dataclass(frozen=True)
class _Made:
    """What a plan makes its members develop, and the timetable found; None where there is nothing to develop."""

    finder: ObjectFinder
    agreed: list[DevelopmentObject]
    network: Network
    options: Options
    found: Timetable | None


def _made(
    study: Study, catalogue: Catalogue, plan: Plan, calendar: Calendar, leads: Mapping[str, str],
    work_share: Mapping[str, tuple[float, float]], seconds: float | None, late_only: bool = False,
) -> _Made:  # fmt: skip
    """The timetable of one plan; raises NoPlanError where there is none."""
    finder = ObjectFinder(study, catalogue, plan, calendar)
    agreed = _with_leads(finder.objects(), leads)
    network = make_network(study, agreed, finder.members, calendar, stretch=True)
    shared = frozenset(name for name, one in network.objects.items() if one.shared)
    options = Options(work_share=work_share, shared_teams=shared, proof=False, nodes=QUICK_NODES, late_only=late_only)
    if seconds is not None:
        options = replace(options, proof=True, nodes=NODES, seconds=seconds)
    found = None
    if network.project.jobs:
        once = late_only and seconds is None
        found = _solved_once(pickle.dumps((network.project, options))) if once else solve(network.project, options)
    return _Made(finder, agreed, network, options, found)


def _with_leads(objects: list[DevelopmentObject], leads: Mapping[str, str]) -> list[DevelopmentObject]:
    """The objects with agreed leads; raises StudyError for a lead that the object cannot have."""
    result = []
    for one in objects:
        lead = leads.get(one.name)
        if lead is not None and one.shared and lead not in one.leads:
            raise StudyError(f"{lead} cannot lead {one.name}: it must be one of {', '.join(one.leads)}.")
        result.append(replace(one, leads=(lead,)) if lead is not None and lead in one.leads else one)
    return result


def _other_leads(
    study: Study,
    calendar: Calendar,
    finder: ObjectFinder,
    held: set[str],
    *,
    found: Timetable,
    agreed: list[DevelopmentObject],
    network: Network,
) -> Network | None:
    """The network where what the milestones in ``held`` wait for may be led by others, the rest as it is; None where
    nobody else can lead any of it."""
    lead = {job.team: found.mode[job.name] for job in network.project.jobs}
    waited_for = {job for one in network.project.milestones if one.name in held for job in one.jobs}
    teams = {job.team for job in network.project.jobs if job.name in waited_for}
    before = {one.name: one for one in agreed}
    fixed = [replace(one, leads=(lead.get(one.name) or one.leads[0],)) for one in finder.found]
    wider = finder.open_leads(finder.found)
    opened = [wide if wide.name in teams else keep for wide, keep in zip(wider, fixed, strict=True)]
    if all(set(one.leads) <= set(before[one.name].leads) for one in opened):
        return None
    return make_network(study, opened, finder.members, calendar, stretch=True)


def _plans_to_schedule(study: Study, plans: Plans, rung: str | None) -> list[Plan]:
    """The joint plan at the rung (default: highest evaluated), then each bloc's own plan."""
    lowest = study.baseline_rung
    everyone = study.coalition_name(frozenset(study.companies))
    rungs = [rung] if rung else list(reversed(study.rung_names))
    joint = [plans.by_key[everyone, name] for name in rungs if (everyone, name) in plans.by_key]
    joint = [plan for plan in joint if plan.status != "not evaluated"][:1]
    own = [study.coalition_name(frozenset(bloc)) for bloc in study.blocs.values()]
    alone = [plans.by_key[name, lowest] for name in own if (name, lowest) in plans.by_key]
    return [*joint, *(plan for plan in alone if plan.status != "not evaluated" and plan not in joint)]


def _append(rows: _Tables, study: Study, plan: Plan, calendar: Calendar, *, network: Network, found: Timetable) -> None:
    key = {"coalition": plan.coalition, "rung": plan.rung}
    for step in network.steps:
        if step.quarters <= 0:
            continue  # a date, not work: it stands in the milestones
        start = found.start[step.job]
        last = max(step.end - 1, step.first)
        rows.table.append(
            {
                **key,
                "task": step.title or step.task,
                "object": step.object_name,
                "company": found.mode[step.job],
                "start": calendar.label(start + step.first),
                "end": calendar.label(start + last),
                "hours": step.hours,
            }
        )
    rows.load += [{**key, **row} for row in _load(study, calendar, network, found)]
    rows.calendar += [{**key, **row} for row in _calendar(calendar, network, found)]
    rows.summary.append(
        {
            **key,
            "objects": len(network.objects),
            "hours": sum(step.hours for step in network.steps),
            "external_cost": sum(one.external_cost for one in network.objects.values()),
            "nre_of_work": nre_of_work(study, network),
            "nre_in_plan": nre_in_plan(plan),
            "engineering_cost": found.cost,
            "late_quarters": int(sum(found.late.values())),
            "late_bound": found.late_bound,
            "cost_bound": found.cost_bound,
            "status": found.status,
        }
    )


def _load(study: Study, calendar: Calendar, network: Network, found: Timetable) -> list[dict[str, Any]]:
    used: dict[tuple[str, int], float] = {}
    for job in network.project.jobs:
        mode = next(one for one in job.modes if one.name == found.mode[job.name])
        for resource, amounts in mode.demand.items():
            for k, amount in enumerate(amounts):
                if amount:
                    at = (resource, found.start[job.name] + k)
                    used[at] = used.get(at, 0.0) + amount
    rows = []
    for company, skill, capacity in study["engineering"].select("company", "skill", "hours_per_quarter").iter_rows():
        resource = f"{skill} at {company}"
        rows += [
            {
                "company": company,
                "skill": skill,
                "quarter": calendar.label(period),
                "hours": hours,
                "capacity": capacity,
            }
            for (name, period), hours in sorted(used.items(), key=lambda item: item[0][1])
            if name == resource
        ]
    return rows


def _calendar(calendar: Calendar, network: Network, found: Timetable) -> list[dict[str, Any]]:
    """For each object and the first car that needs it: the last quarters for go-ahead and for the frozen
    specification."""
    latest = latest_for_dates(network.project)
    steps: dict[str, list[Any]] = {}
    for step in network.steps:
        steps.setdefault(step.object_name, []).append(step)
    rows = []
    for name, one in network.objects.items():
        mine = steps.get(name, [])
        if not mine:
            continue
        (programme, generation), due = min(one.uses, key=lambda use: use[1])
        begin = min(latest[step.job] + step.first for step in mine)
        freezes = [step for step in mine if "freeze" in step.title.lower()]
        freeze = latest[freezes[0].job] + freezes[0].end - 1 if freezes else None
        planned = found.start[freezes[0].job] + freezes[0].end - 1 if freezes else None
        rows.append(
            {
                "object": name,
                "level": one.level,
                "programme": programme,
                "generation": generation,
                "due": calendar.label(due),
                "go_ahead_by": calendar.label(begin),
                "freeze_by": None if freeze is None else calendar.label(freeze),
                "planned_freeze": None if planned is None else calendar.label(planned),
                "missed": begin < 0,
            }
        )
    return rows


def _milestone_rows(
    plan: Plan, calendar: Calendar, network: Network, found: Timetable, why: Mapping[str, str]
) -> list[dict[str, Any]]:
    rows = []
    duration = {job.name: job.duration for job in network.project.jobs}
    earliest, _ = windows(network.project)
    team = {job.name: job.team for job in network.project.jobs}
    for milestone in network.project.milestones:
        car, _, _ = milestone.name.partition("@")
        programme, _, generation = car.partition("/")
        late = found.late[milestone.name]
        last = [job for job in milestone.jobs if late and found.start[job] + duration[job] == milestone.due + late]
        last = [job for job in last if earliest[job] + duration[job] > milestone.due] or last
        joiner = ", "
        if why.get(milestone.name) == TOO_SHORT:
            joiner = " → "
            last = critical_chain(network.project, milestone)
        rows.append(
            {
                "coalition": plan.coalition,
                "rung": plan.rung,
                "programme": programme,
                "generation": generation,
                "due": calendar.label(milestone.due),
                "reached": calendar.label(milestone.due + late),
                "late_quarters": late,
                "cause": why.get(milestone.name, ""),
                "chain": joiner.join(dict.fromkeys(team[job] for job in last)),
            }
        )
    return rows
