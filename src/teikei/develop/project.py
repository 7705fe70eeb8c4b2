"""Resource-constrained project scheduling, time-indexed, in HiGHS.

Pritsker, Watters and Wolfe (1969), Multiproject scheduling with limited resources, Management Science 16:93-108
(variables x[job, mode, start]); precedence in the disaggregated form of Christofides, Alvarez-Valdes and Tamarit
(1987), European J. Operational Research 29:262-273, which gives the stronger bound; written in z, "has started by t",
which keeps its rows short ("step" variables, Artigues 2017, Operations Research Letters 45:154-159). Solved in two
steps: least weighted lateness first, then least cost with that lateness.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from teikei.develop.program import Options, Program, allowed_modes
from teikei.develop.serial import serial_timetable
from teikei.develop.types import Project, Timetable
from teikei.errors import NoPlanError, StudyError

EARLY: Final = 6
LATE: Final = 8

Start = tuple[dict[str, int], dict[str, str]]

__all__ = ["Options", "lateness_by_precedence", "latest_for_dates", "solve", "windows"]


def windows(project: Project) -> tuple[dict[str, int], dict[str, int]]:
    """Earliest start of each job by precedence alone, and the latest that still ends inside the horizon.

    Raises StudyError where jobs wait for each other in a circle.
    """
    order = _topological(project)
    duration = {job.name: job.duration for job in project.jobs}
    after: dict[str, list[tuple[str, int]]] = {}
    for one in project.precedences:
        after.setdefault(one.before, []).append((one.after, one.lag))
    earliest = {job.name: job.earliest for job in project.jobs}
    for name in order:
        for successor, lag in after.get(name, []):
            earliest[successor] = max(earliest[successor], earliest[name] + lag)
    latest = {name: project.horizon - duration[name] for name in order}
    for name in reversed(order):
        for successor, lag in after.get(name, []):
            latest[name] = min(latest[name], latest[successor] - lag)
    return earliest, latest


def lateness_by_precedence(project: Project) -> dict[str, int]:
    """Periods each milestone is late however many units of every resource there are (critical path)."""
    earliest, _ = windows(project)
    duration = {job.name: job.duration for job in project.jobs}
    return {
        one.name: max([0, *(earliest[job] + duration[job] - one.due for job in one.jobs)]) for one in project.milestones
    }


def latest_for_dates(project: Project) -> dict[str, int]:
    """Latest start of each job (any integer) with which every milestone is met by precedence alone."""
    duration = {job.name: job.duration for job in project.jobs}
    latest = {name: project.horizon - duration[name] for name in duration}
    for milestone in project.milestones:
        for name in milestone.jobs:
            latest[name] = min(latest[name], milestone.due - duration[name])
    before: dict[str, list[tuple[str, int]]] = {}
    for one in project.precedences:
        before.setdefault(one.after, []).append((one.before, one.lag))
    for name in reversed(_topological(project)):
        for earlier, lag in before.get(name, []):
            latest[earlier] = min(latest[earlier], latest[name] - lag)
    return latest


def _topological(project: Project) -> list[str]:
    waits: dict[str, set[str]] = {job.name: set() for job in project.jobs}
    for one in project.precedences:
        waits[one.after].add(one.before)
    order: list[str] = []
    ready = [name for name, before in waits.items() if not before]
    follows: dict[str, list[str]] = {}
    for name, before in waits.items():
        for one_before in sorted(before):
            follows.setdefault(one_before, []).append(name)
    while ready:
        name = ready.pop(0)
        order.append(name)
        for successor in follows.get(name, []):
            waits[successor].discard(name)
            if not waits[successor]:
                ready.append(successor)
    if len(order) < len(waits):
        circle = [name for name in waits if name not in set(order)]
        raise StudyError(f"These tasks wait for each other in a circle: {', '.join(circle[:8])}. Remove a predecessor.")
    return order


def solve(project: Project, options: Options | None = None) -> Timetable:
    """The timetable with the least weighted lateness, and the least cost among those.

    Starts are looked for at most EARLY periods before the last one that meets all dates, and LATE after the first one
    possible. Where that makes anything later than the critical path, all earlier starts are opened and it is solved
    again (not where the solver stopped early: then the critical path is the bound), so that lateness never rests on
    this restriction; the cost does, as dearer starts (earlier ones) are left out. Raises NoPlanError where a job
    needs more of a resource than there is in any period and mode, or where no timetable fits into the horizon;
    StudyError on circular precedence.
    """
    options = options or Options()
    modes = allowed_modes(project, options)
    start = serial_timetable(project, modes, _topological(project), latest_for_dates(project), windows(project))
    if options.work_share or options.extra_cost is not None:
        start = None  # the serial timetable does not look at these
    least = lateness_by_precedence(project)
    unavoidable = sum(one.weight * least[one.name] for one in project.milestones)
    limit = unavoidable if options.late_limit is None else options.late_limit
    try:
        found = _solve(project, options, _narrow(project, start), start)
    except NoPlanError:
        found = None
    if found is None or (found.late_total > limit + 1e-6 and found.status == "optimal"):
        return _solve(project, options, windows(project), start)
    if found.late_total > unavoidable and options.late_limit is None:
        return replace(found, late_bound=unavoidable)  # the only bound that does not rest on the narrow windows
    return found


def _narrow(project: Project, start: Start | None) -> tuple[dict[str, int], dict[str, int]]:
    """Windows of starts around the ones that meet the dates, and those of a first timetable."""
    earliest, latest = windows(project)
    wanted = latest_for_dates(project)
    first = {name: max(earliest[name], min(latest[name], wanted[name] - EARLY)) for name in earliest}
    last = {name: min(latest[name], max(earliest[name], wanted[name]) + LATE) for name in earliest}
    for name, at in (start[0] if start else {}).items():
        first[name], last[name] = min(first[name], at), max(last[name], at)
    return first, last


def _solve(
    project: Project, options: Options, windows_of_jobs: tuple[dict[str, int], dict[str, int]], start: Start | None
) -> Timetable:
    program = Program(project, options, windows_of_jobs)
    if start is not None:
        program.begin_with(*start)
    late_bound = 0.0
    status = "optimal"
    if options.late_limit is None:
        late_bound, late_total, status = program.minimise(program.late_cost)
        program.hold_solution()
        program.limit_lateness(late_total)
        program.begin_with_held()
    else:
        program.limit_lateness(options.late_limit)
    cost_bound, cost, second = program.minimise(program.money_cost, program.constant_money)
    status = second if status == "optimal" else status
    return program.timetable(late_bound, cost, cost_bound, status)
