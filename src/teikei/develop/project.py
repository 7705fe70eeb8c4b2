"""Resource-constrained project scheduling, time-indexed, in HiGHS.

Pritsker, Watters and Wolfe (1969), Multiproject scheduling with limited resources, Management Science 16:93-108
(variables x[job, mode, start]); precedence in the disaggregated form of Christofides, Alvarez-Valdes and Tamarit
(1987), European J. Operational Research 29:262-273, which gives the stronger bound; written in z, "has started by t",
which keeps its rows short ("step" variables, Artigues 2017, Operations Research Letters 45:154-159). Solved in two
steps: least weighted lateness first, then least cost with that lateness. Large projects are solved by the search of
``search`` unless a proof is asked for, with bounds from the program: nothing in that rests on a clock.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from teikei.develop.program import GAP, STOPPED, Options, Program, allowed_modes
from teikei.develop.search import Search, Timing
from teikei.develop.shares import check_shares
from teikei.develop.types import Milestone, Project, Timetable
from teikei.errors import NoPlanError, StudyError

EARLY: Final = 6
LATE: Final = 8
SMALL_COLUMNS: Final = 1_500
"""Up to this size the program itself is tried where the bounds leave something open."""
LITTLE: Final = 1e-6

Start = tuple[dict[str, int], dict[str, str]]

__all__ = ["Options", "critical_chain", "lateness_by_precedence", "latest_for_dates", "solve", "windows"]


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


def critical_chain(project: Project, milestone: Milestone) -> list[str]:
    """The jobs that decide how early a milestone can be with unlimited staff, first to last."""
    earliest, _ = windows(project)
    duration = {job.name: job.duration for job in project.jobs}
    before: dict[str, list[tuple[str, int]]] = {}
    for one in project.precedences:
        before.setdefault(one.after, []).append((one.before, one.lag))
    chain = [max(milestone.jobs, key=lambda job: earliest[job] + duration[job])]
    while True:
        holds = [name for name, lag in before.get(chain[-1], []) if earliest[name] + lag == earliest[chain[-1]]]
        if not holds:
            return chain[::-1]
        chain.append(holds[0])


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

    With ``options.proof`` the program is solved, from the search's timetable on: starts are looked for at most EARLY
    periods before the last one that meets all dates, and LATE after the first one possible; where that makes anything
    later than the critical path, all earlier starts are opened and it is solved again (not where the solver stopped
    early: then the critical path is the bound), so that lateness never rests on this restriction; the cost does, as
    dearer starts (earlier ones) are left out. Without it, the search's timetable stands where its bounds (the
    critical path, one proof that it can or cannot be met, the linear relaxation) close or the program has more than
    SMALL_COLUMNS columns. Raises NoPlanError where a job needs more of a resource than there is in any period and mode,
    or where no timetable fits into the horizon; StudyError on circular precedence.
    """
    options = options or Options()
    modes = allowed_modes(project, options)
    check_shares(project, options, modes)
    least = lateness_by_precedence(project)
    unavoidable = [least[one.name] for one in project.milestones]
    start = None
    search = Search(project, modes, windows(project))
    if not options.work_share and options.extra_cost is None:  # the search does not look at these
        timing = search.least_late(unavoidable)
        if options.late_only and timing is not None and search.late(timing) == unavoidable:
            return _as_early_as_possible(project, search, timing)
        start = None if timing is None else search.named(search.least_cost(timing))
    if not options.proof and options.extra_cost is not None and not options.work_share:
        return _with_extra(project, options, search, unavoidable)
    late = sum(one.weight * least[one.name] for one in project.milestones)
    if options.proof or start is None or options.late_limit is not None:
        return _proven(project, options, start, late)
    found = _bounded(project, options, search, start, unavoidable)
    first, last = _narrow(project, start)
    columns = sum((last[job.name] - first[job.name]) * len(modes[job.name]) for job in project.jobs)
    if found.status == "optimal" or columns > SMALL_COLUMNS:
        return found
    return _better(found, _proven(project, options, (dict(found.start), dict(found.mode)), late))


def _as_early_as_possible(project: Project, search: Search, timing: Timing) -> Timetable:
    """A timetable that no other can be earlier than, whatever it costs: every milestone by the critical path."""
    start, mode = search.named(timing)
    total = search.lateness(timing)
    late = dict(zip((one.name for one in project.milestones), search.late(timing), strict=True))
    return Timetable(start, mode, late, {}, total, total, search.cost(timing), -math.inf, "gap")


def _better(one: Timetable, other: Timetable) -> Timetable:
    """The better of two timetables of a project, with what is proven by either."""
    best = min((other, one), key=lambda found: (round(found.late_total, 6), found.cost))
    late_bound = max(one.late_bound, other.late_bound)
    same = [found.cost_bound for found in (one, other) if abs(found.late_total - best.late_total) < LITTLE]
    cost_bound = min(best.cost, max(same))
    proven = best.late_total <= late_bound + LITTLE and best.cost - cost_bound <= GAP * abs(best.cost)
    return replace(best, late_bound=late_bound, cost_bound=cost_bound, status="optimal" if proven else "gap")


def _with_extra(project: Project, options: Options, search: Search, unavoidable: list[int]) -> Timetable:
    """A timetable as early as the critical path with extra units, found by the search; no bound on its cost."""
    price = options.extra_cost or {}
    limit = search.wanted(unavoidable)
    latest = dict(zip(search.names, limit, strict=True))
    begins: list[tuple[Mapping[str, int], Mapping[str, str]]] = [
        (latest, {job.name: min(job.modes, key=lambda m: (m.cost, m.name)).name for job in project.jobs})
    ]
    if options.begin is not None:
        start, mode = options.begin
        begins.append(({name: min(at, latest[name]) for name, at in start.items()}, mode))
    tried = [search.fewest_extra(limit, price, search.timing(*one)) for one in begins]
    discount = project.discount or (1.0,) * project.horizon
    paid = [sum(price[name] * discount[p] * units for (name, p), units in extra.items()) for _, extra in tried]
    bought, (timing, extra) = min(zip(paid, tried, strict=True), key=lambda pair: pair[0])
    named, late = search.named(timing), search.late(timing)
    total = search.lateness(timing)
    return Timetable(
        start=named[0],
        mode=named[1],
        late={one.name: amount for one, amount in zip(project.milestones, late, strict=True)},
        extra=extra,
        late_total=total,
        late_bound=total,
        cost=search.cost(timing) + bought,
        cost_bound=-math.inf,
        status="gap",
    )


def _proven(project: Project, options: Options, start: Start | None, unavoidable: float) -> Timetable:
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


def _bounded(project: Project, options: Options, search: Search, start: Start, unavoidable: list[int]) -> Timetable:
    """The search's timetable with what is proven about lateness and cost.

    Lateness: the critical path; where the search is later, whether all milestones can be as early as that is asked of
    the program with those dates as limits, and if not, one milestone is later by one at least. Cost: the linear
    relaxation with the lateness found.
    """
    timing = search.timing(*start)
    weights = [one.weight for one in project.milestones]
    bound = sum(weight * late for weight, late in zip(weights, unavoidable, strict=True))
    if search.lateness(timing) > bound + 1e-9:
        try:
            timing = search.timing(*_with_dates(project, options, search, unavoidable))
            timing = search.least_cost(timing)
        except NoPlanError as error:
            bound += 0.0 if error.args[0] == STOPPED else min(weights)
    late = search.late(timing)
    excess = search.lateness(timing) - bound
    room = [least + int(excess / weight + 1e-9) for least, weight in zip(unavoidable, weights, strict=True)]
    room = [max(pair) for pair in zip(room, late, strict=True)]
    last = dict(zip(search.names, search.wanted(room), strict=True))
    program = Program(project, options, (windows(project)[0], last))
    program.limit_lateness(search.lateness(timing))
    cost = search.cost(timing)
    cost_bound = min(cost, program.relaxed(program.money_cost, program.constant_money))
    named = search.named(timing)
    proven = search.lateness(timing) <= bound + 1e-9 and cost - cost_bound <= GAP * abs(cost)
    return Timetable(
        start=named[0],
        mode=named[1],
        late={one.name: amount for one, amount in zip(project.milestones, late, strict=True)},
        extra={},
        late_total=search.lateness(timing),
        late_bound=bound,
        cost=cost,
        cost_bound=cost_bound,
        status="optimal" if proven else "gap",
    )


def _with_dates(project: Project, options: Options, search: Search, late: list[int]) -> Start:
    """A timetable in which no milestone is later than given. Raises NoPlanError where there is none, or none found."""
    last = dict(zip(search.names, search.wanted(late), strict=True))
    moved = tuple(replace(one, due=one.due + room) for one, room in zip(project.milestones, late, strict=True))
    program = Program(replace(project, milestones=moved), options, (windows(project)[0], last))
    program.minimise(program.late_cost)
    found = program.timetable(0.0, 0.0, 0.0, "")
    return dict(found.start), dict(found.mode)


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
