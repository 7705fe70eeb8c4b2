"""A good timetable without a solver: serial generation, moved urgencies, justification, other leads; no clock in it.

Serial generation: Kolisch, R. (1996), European J. Operational Research 90:320-333. Squeaky wheel: Joslin, D.E. and
Clements, D.P. (1999), J. Artificial Intelligence Research 10:353-373. Justification: Valls, V., Ballestin, F. and
Quintanilla, S. (2005), European J. Operational Research 165:375-386.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from teikei.develop.types import Mode, Project

Vector = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

ROUNDS: Final = 300
PATIENCE: Final = 120
PASSES: Final = 6
PICKED: Final = 0.1
SPREADS: Final = (1.0, 2.0, 4.0)


@dataclass(frozen=True)
class _Way:
    """A mode as arrays: rows of the resources it draws on (k,), what it draws in each period (k, duration)."""

    name: str
    cost: float
    rows: Integers
    demand: Vector


@dataclass
class Timing:
    """Start and mode (index into the job's ways) of each job, and what is left of the resources (rows, periods)."""

    start: list[int]
    way: list[int]
    free: Vector

    def copy(self) -> Timing:
        """A timing that can be changed without changing this one."""
        return Timing(list(self.start), list(self.way), self.free.copy())


class Search:
    """The arrays of a project, and the moves on its timetables.

    modes: those each job may have; limits: earliest and latest start of each job inside the horizon.
    """

    def __init__(
        self,
        project: Project,
        modes: Mapping[str, list[Mode]],
        limits: tuple[Mapping[str, int], Mapping[str, int]],
    ):
        jobs = project.jobs
        self.names = [job.name for job in jobs]
        number = {name: index for index, name in enumerate(self.names)}
        self.duration = [job.duration for job in jobs]
        self.earliest = [limits[0][name] for name in self.names]
        self.latest = [limits[1][name] for name in self.names]
        self.before: list[list[tuple[int, int]]] = [[] for _ in jobs]
        self.after: list[list[tuple[int, int]]] = [[] for _ in jobs]
        for one in project.precedences:
            self.before[number[one.after]].append((number[one.before], one.lag))
            self.after[number[one.before]].append((number[one.after], one.lag))
        resources = {name: row for row, name in enumerate(project.capacity)}
        self.resources = tuple(resources)
        self.capacity = np.zeros((len(resources), project.horizon))
        for row, name in enumerate(self.resources):
            self.capacity[row] = np.array(project.capacity[name][: project.horizon]) * (1 + 1e-9)
        self.ways = [[_way(mode, resources, job.duration) for mode in modes[job.name]] for job in jobs]
        self.team = [job.team or job.name for job in jobs]
        self.milestones = [
            (one.due, one.weight, np.array([number[name] for name in one.jobs], dtype=np.int64))
            for one in project.milestones
        ]
        discount = np.array(project.discount or (1.0,) * project.horizon)
        self.discount = np.concatenate([[0.0], np.cumsum(discount)])
        self.open_names: dict[str, set[str]] = {}
        for team, ways in zip(self.team, self.ways, strict=True):
            names = {way.name for way in ways}
            self.open_names[team] = self.open_names.get(team, names) & names

    def late(self, timing: Timing) -> list[int]:
        """Periods each milestone is late."""
        ends = np.array(timing.start) + np.array(self.duration)
        return [max(0, int(ends[jobs].max()) - due) for due, _, jobs in self.milestones]

    def lateness(self, timing: Timing) -> float:
        """Weighted lateness of all milestones."""
        return sum(weight * late for (_, weight, _), late in zip(self.milestones, self.late(timing), strict=True))

    def cost(self, timing: Timing) -> float:
        """Present cost of all jobs, each spread evenly over its periods."""
        jobs = range(len(self.names))
        return sum(self._cost_of(job, self.ways[job][timing.way[job]], timing.start[job]) for job in jobs)

    def _cost_of(self, job: int, way: _Way, start: int) -> float:
        length = self.duration[job]
        if not length or not way.cost:
            return 0.0
        return way.cost * float(self.discount[start + length] - self.discount[start]) / length

    def wanted(self, allowed_late: list[int]) -> list[int]:
        """Latest start of each job with which every milestone ends at most so late."""
        last = list(self.latest)
        for (due, _, jobs), late in zip(self.milestones, allowed_late, strict=True):
            for job in jobs.tolist():
                last[job] = min(last[job], due + late - self.duration[job])
        for job in reversed(self._order()):
            for successor, lag in self.after[job]:
                last[job] = min(last[job], last[successor] - lag)
        return last

    def _order(self) -> list[int]:
        left = [len(before) for before in self.before]
        ready = [job for job, count in enumerate(left) if not count]
        order: list[int] = []
        while ready:
            job = ready.pop()
            order.append(job)
            for successor, _ in self.after[job]:
                left[successor] -= 1
                if not left[successor]:
                    ready.append(successor)
        return order

    def serial(self, urgency: list[float], wanted: list[int]) -> Timing | None:
        """Jobs by urgency, each at the first place that has the hours; None where one finds no place.

        A team takes the cheapest lead with which its first job begins as wanted, else the one that begins first.
        """
        timing = Timing([-1] * len(self.names), [0] * len(self.names), self.capacity.copy())
        left = [len(before) for before in self.before]
        ready = [(urgency[job], job) for job, count in enumerate(left) if not count]
        heapq.heapify(ready)
        lead: dict[str, str] = {}
        while ready:
            _, job = heapq.heappop(ready)
            first = max([self.earliest[job], *(timing.start[one] + lag for one, lag in self.before[job])])
            best: tuple[float, float, int, int] | None = None
            team = self.team[job]
            for index, way in enumerate(self.ways[job]):
                if way.name not in self.open_names[team] or lead.get(team, way.name) != way.name:
                    continue
                at = self._first_place(timing.free, way, first, self.latest[job])
                if at is not None:
                    key = (max(0, at - wanted[job]), way.cost, at, index)
                    best = key if best is None else min(best, key)
            if best is None:
                return None
            lead[team] = self.ways[job][best[3]].name
            timing.start[job], timing.way[job] = best[2], best[3]
            self._take(timing, job, 1.0)
            for successor, _ in self.after[job]:
                left[successor] -= 1
                if not left[successor]:
                    heapq.heappush(ready, (urgency[successor], successor))
        return timing

    def _first_place(self, free: Vector, way: _Way, first: int, last: int) -> int | None:
        length = way.demand.shape[1]
        if not length or not len(way.rows):
            return first if first <= last else None
        for at in range(first, last + 1):
            if (free[way.rows, at : at + length] >= way.demand).all():
                return at
        return None

    def _last_place(self, free: Vector, way: _Way, first: int, last: int) -> int | None:
        length = way.demand.shape[1]
        if not length or not len(way.rows):
            return last if first <= last else None
        for at in range(last, first - 1, -1):
            if (free[way.rows, at : at + length] >= way.demand).all():
                return at
        return None

    def _take(self, timing: Timing, job: int, sign: float) -> None:
        way, at = self.ways[job][timing.way[job]], timing.start[job]
        if len(way.rows) and way.demand.shape[1]:
            timing.free[way.rows, at : at + way.demand.shape[1]] -= sign * way.demand

    def push_late(self, timing: Timing, limit: list[int]) -> None:
        """Moves every job to the last place before its limit and its successors, last jobs first."""
        for job in sorted(range(len(self.names)), key=lambda j: (-timing.start[j] - self.duration[j], -j)):
            last = min([limit[job], *(timing.start[one] - lag for one, lag in self.after[job])])
            self._move(timing, job, timing.start[job], last)

    def _move(self, timing: Timing, job: int, first: int, last: int) -> None:
        """Moves a job to its last place between ``first`` and ``last``, if it has one."""
        if last <= first:
            return
        self._take(timing, job, -1.0)
        found = self._last_place(timing.free, self.ways[job][timing.way[job]], first, last)
        timing.start[job] = timing.start[job] if found is None else found
        self._take(timing, job, 1.0)

    def least_late(self, unavoidable: list[int]) -> Timing | None:
        """The timetable with the least weighted lateness found; unavoidable: what the critical path leaves.

        Urgencies are the latest wanted starts; each round moves some of them, by chance (fixed seed) or, in every
        fifth round, those before a milestone that came later than it must, and keeps what is no worse.
        """
        wanted = self.wanted(unavoidable)
        goal = sum(weight * late for (_, weight, _), late in zip(self.milestones, unavoidable, strict=True))
        chains = [self._chain(jobs.tolist()) for _, _, jobs in self.milestones]
        random = np.random.default_rng(0)
        urgency = np.array(wanted, dtype=np.float64)
        best: Timing | None = None
        best_late, quiet, found_at = np.inf, 0, list(unavoidable)
        for round_number in range(ROUNDS):
            tried = urgency.copy()
            if round_number % 5 == 4:
                for chain, have, least in zip(chains, found_at, unavoidable, strict=True):
                    tried[chain] -= have - least
            elif round_number:
                picked = random.random(len(tried)) < PICKED
                tried += picked * random.normal(0.0, random.choice(SPREADS), len(tried))
            timing = self.serial(tried.tolist(), wanted)
            quiet += 1
            if timing is None:
                continue
            late = self.lateness(timing)
            if late <= best_late + 1e-9:
                quiet = 0 if late < best_late - 1e-9 else quiet
                best, best_late, urgency, found_at = timing, late, tried, self.late(timing)
            if best_late <= goal + 1e-9 or quiet > PATIENCE:
                break
        return best

    def _chain(self, jobs: list[int]) -> list[int]:
        """The jobs and all that come before them."""
        found, open_jobs = set(jobs), list(jobs)
        while open_jobs:
            for earlier, _ in self.before[open_jobs.pop()]:
                if earlier not in found:
                    found.add(earlier)
                    open_jobs.append(earlier)
        return sorted(found)

    def least_cost(self, timing: Timing) -> Timing:
        """The cheapest timetable found that is no later at any milestone: later places, then cheaper leads."""
        limit = self.wanted(self.late(timing))
        best = timing.copy()
        for _ in range(PASSES):
            known = list(best.start)
            self.push_late(best, limit)
            if best.start == known:
                break
        teams: dict[str, list[int]] = {}
        for job, team in enumerate(self.team):
            teams.setdefault(team, []).append(job)
        for team, jobs in teams.items():
            for name in sorted(self.open_names[team]) if len(self.open_names[team]) > 1 else ():
                moved = self._led_by(best, jobs, name, limit)
                if moved is not None:
                    self.push_late(moved, limit)
                    if self.cost(moved) < self.cost(best) - 1e-9:
                        best = moved
        return best

    def _led_by(self, timing: Timing, jobs: list[int], name: str, limit: list[int]) -> Timing | None:
        """The same timetable with a team's jobs under another lead, the others where they are; None if none fits."""
        if self.ways[jobs[0]][timing.way[jobs[0]]].name == name:
            return None
        moved = timing.copy()
        for job in jobs:
            self._take(moved, job, -1.0)
        order = {job: place for place, job in enumerate(self._order())}
        inside, placed = set(jobs), set[int]()
        for job in sorted(jobs, key=lambda j: -order[j]):
            ways = self.ways[job]
            moved.way[job] = next((i for i, way in enumerate(ways) if way.name == name), moved.way[job])
            first = max(
                [self.earliest[job], *(moved.start[one] + lag for one, lag in self.before[job] if one not in inside)]
            )
            last = min(
                [limit[job]] + [moved.start[o] - lag for o, lag in self.after[job] if o not in inside or o in placed]
            )
            at = self._last_place(moved.free, ways[moved.way[job]], first, last)
            if at is None:
                return None
            moved.start[job] = at
            placed.add(job)
            self._take(moved, job, 1.0)
        return moved

    def fewest_extra(
        self, limit: list[int], price: Mapping[str, float], begin: Timing
    ) -> tuple[Timing, dict[tuple[str, int], float]]:
        """A timetable with every start at most at its limit, and the units it needs beyond what there are.

        price: million per extra unit of a resource; begin: a timetable that ends in time, whatever it needs. Each job
        in turn goes where extra units and work together are cheapest, until none moves.
        """
        timing = begin.copy()
        unit = np.array([price[name] for name in self.resources])[:, None] * np.diff(self.discount)[None, :]
        order = sorted(range(len(self.names)), key=lambda job: (limit[job], job))
        for _ in range(2 * PASSES):
            moved = False
            for job in order:
                first = max([self.earliest[job], *(timing.start[one] + lag for one, lag in self.before[job])])
                last = min([limit[job], *(timing.start[one] - lag for one, lag in self.after[job])])
                moved |= self._cheapest_place(timing, job, (first, last), unit)
            order.reverse()
            if not moved:
                break
        missing = np.maximum(0.0, -timing.free)
        extra = {
            (name, period): float(missing[row, period])
            for row, name in enumerate(self.resources)
            for period in np.flatnonzero(missing[row] > 1e-6).tolist()
        }
        return timing, extra

    def _cheapest_place(self, timing: Timing, job: int, limits: tuple[int, int], unit: Vector) -> bool:
        way, known = self.ways[job][timing.way[job]], timing.start[job]
        length = self.duration[job]
        self._take(timing, job, -1.0)
        best: tuple[float, int] | None = None
        for at in range(limits[1], limits[0] - 1, -1):
            extra = 0.0
            if len(way.rows) and length:
                free = timing.free[way.rows, at : at + length]
                more = np.maximum(0.0, way.demand - free) - np.maximum(0.0, -free)
                extra = float((more * unit[way.rows, at : at + length]).sum())
            cost = extra + self._cost_of(job, way, at)
            if best is None or cost < best[0] - 1e-12:
                best = (cost, at)
        timing.start[job] = known if best is None else best[1]
        self._take(timing, job, 1.0)
        return timing.start[job] != known

    def timing(self, start: Mapping[str, int], mode: Mapping[str, str]) -> Timing:
        """The timing of a timetable given by names."""
        ways = [
            next(index for index, way in enumerate(self.ways[job]) if way.name == mode[name])
            for job, name in enumerate(self.names)
        ]
        timing = Timing([start[name] for name in self.names], ways, self.capacity.copy())
        for job in range(len(self.names)):
            self._take(timing, job, 1.0)
        return timing

    def named(self, timing: Timing) -> tuple[dict[str, int], dict[str, str]]:
        """Start and mode by the name of the job."""
        start = dict(zip(self.names, timing.start, strict=True))
        return start, {name: self.ways[j][timing.way[j]].name for j, name in enumerate(self.names)}


def _way(mode: Mode, resources: Mapping[str, int], duration: int) -> _Way:
    used = {resources[name]: amounts for name, amounts in mode.demand.items() if any(amounts)}
    demand = np.zeros((len(used), duration))
    for row, amounts in enumerate(used.values()):
        demand[row, : len(amounts)] = amounts[:duration]
    return _Way(mode.name, mode.cost, np.array(list(used), dtype=np.int64), demand)
