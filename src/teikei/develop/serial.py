"""A first timetable by serial generation: jobs in order of urgency, each at the first place that has the hours.

Kolisch, R. (1996), Serial and parallel resource-constrained project scheduling methods revisited, European J.
Operational Research 90:320-333; priority: latest start that still meets the dates.
"""

from __future__ import annotations

from collections.abc import Mapping

from teikei.develop.types import Job, Mode, Project


def serial_timetable(
    project: Project,
    modes: Mapping[str, list[Mode]],
    order: list[str],
    urgency: Mapping[str, int],
    window: tuple[Mapping[str, int], Mapping[str, int]],
) -> tuple[dict[str, int], dict[str, str]] | None:
    """Start and mode of every job, or None where a job finds no place inside its window.

    order: jobs so that predecessors come first; urgency: latest wanted start. A team takes, of the modes open to all
    its jobs, the one in which its first job can start earliest (ties: the cheaper one).
    """
    earliest, latest = window
    jobs = {job.name: job for job in project.jobs}
    waits: dict[str, list[tuple[str, int]]] = {}
    for one in project.precedences:
        waits.setdefault(one.after, []).append((one.before, one.lag))
    used = {resource: [0.0] * len(amounts) for resource, amounts in project.capacity.items()}
    open_to_team: dict[str, set[str]] = {}
    for job in project.jobs:
        names = {mode.name for mode in modes[job.name]}
        open_to_team[job.team or job.name] = open_to_team.get(job.team or job.name, names) & names
    start: dict[str, int] = {}
    chosen: dict[str, str] = {}
    left = list(order)
    while left:
        ready = [name for name in left if all(before in start for before, _ in waits.get(name, []))]
        name = min(ready, key=lambda n: (urgency[n], order.index(n)))
        left.remove(name)
        first = max([earliest[name], *(start[before] + lag for before, lag in waits.get(name, []))])
        team = jobs[name].team or name
        possible = [
            mode for mode in modes[name] if mode.name in open_to_team[team] and chosen.get(team, mode.name) == mode.name
        ]
        places = [(_first_place(project, used, jobs[name], mode, first, latest[name]), mode) for mode in possible]
        found = [(at, mode.cost, mode) for at, mode in places if at is not None]
        if not found:
            return None
        at, _, mode = min(found, key=lambda item: item[:2])
        start[name], chosen[team] = at, mode.name
        for resource, amounts in mode.demand.items():
            for k, amount in enumerate(amounts):
                used[resource][at + k] += amount
    return start, {job.name: chosen[job.team or job.name] for job in project.jobs}


def _first_place(project: Project, used: Mapping[str, list[float]], job: Job, mode: Mode, *limits: int) -> int | None:
    first, last = limits
    for at in range(first, last + 1):
        if all(
            used[resource][at + k] + amount <= project.capacity[resource][at + k] * (1 + 1e-9)
            for resource, amounts in mode.demand.items()
            for k, amount in enumerate(amounts)
            if amount and job.duration
        ):
            return at
    return None
