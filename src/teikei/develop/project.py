"""Resource-constrained project scheduling, time-indexed, in HiGHS.

Pritsker, Watters and Wolfe (1969), Multiproject scheduling with limited resources, Management Science 16:93-108
(variables x[job, mode, start]); precedence in the disaggregated form of Christofides, Alvarez-Valdes and Tamarit
(1987), European J. Operational Research 29:262-273, which gives the stronger bound. Solved in two steps: least
weighted lateness first, then least cost with that lateness.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

import highspy
import numpy as np

from teikei.develop.types import Job, Mode, Project, Timetable
from teikei.errors import NoPlanError, StudyError

GAP: Final = 1e-4
NODES: Final = 20_000
SAFETY_SECONDS: Final = 120.0


@dataclass(frozen=True)
class Options:
    """extra_cost: million per extra unit of a resource (None = no extra units); late_limit: most weighted lateness.

    fixed_modes: team -> mode that must be used; work_share: mode name -> (least, most) share of shared_teams' demand.
    """

    extra_cost: Mapping[str, float] | None = None
    late_limit: float | None = None
    fixed_modes: Mapping[str, str] = field(default_factory=dict)
    work_share: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    shared_teams: frozenset[str] = frozenset()
    seconds: float = SAFETY_SECONDS


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

    Raises NoPlanError where a job needs more of a resource than there is in any period and mode, or where no timetable
    fits into the horizon; StudyError on circular precedence.
    """
    options = options or Options()
    program = _Program(project, options)
    late_bound = 0.0
    status = "optimal"
    if options.late_limit is None:
        late_bound, late_total, status = program.minimise(program.late_cost)
        program.limit_lateness(late_total)
    else:
        late_total = options.late_limit
        program.limit_lateness(late_total)
    cost_bound, cost, second = program.minimise(program.money_cost)
    status = second if status == "optimal" else status
    return program.timetable(late_bound, cost, cost_bound, status)


class _Program:
    """Columns: x[job, mode, start]; y[team, mode]; step[milestone, k] = 1 if late by k or more; extra[resource,
    period]."""

    def __init__(self, project: Project, options: Options):
        self.project = project
        self.options = options
        self.earliest, self.latest = windows(project)
        self.lower: list[float] = []
        self.upper: list[float] = []
        self.integer: list[bool] = []
        self.late_cost: list[float] = []
        self.money_cost: list[float] = []
        self.rows: list[tuple[float, float, list[int], list[float]]] = []
        self.x: dict[tuple[str, str], dict[int, int]] = {}
        self.y: dict[tuple[str, str], int] = {}
        self.step: dict[tuple[str, int], int] = {}
        self.extra: dict[tuple[str, int], int] = {}
        self.jobs = {job.name: job for job in project.jobs}
        self._columns()
        self._assignment_rows()
        self._precedence_rows()
        self._capacity_rows()
        self._milestone_rows()
        self._work_share_rows()
        self.solver = self._build()

    def _column(self, upper: float, *, integer: bool, late: float = 0.0, money: float = 0.0) -> int:
        self.lower.append(0.0)
        self.upper.append(upper)
        self.integer.append(integer)
        self.late_cost.append(late)
        self.money_cost.append(money)
        return len(self.lower) - 1

    def _row(self, low: float, high: float, entries: Mapping[int, float]) -> None:
        self.rows.append((low, high, list(entries), list(entries.values())))

    def _modes(self, job: Job) -> list[Mode]:
        fixed = self.options.fixed_modes.get(job.team)
        return [mode for mode in job.modes if fixed is None or mode.name == fixed or len(job.modes) == 1]

    def _columns(self) -> None:
        discount = self.project.discount or (1.0,) * self.project.horizon
        for job in self.project.jobs:
            if self.latest[job.name] < self.earliest[job.name]:
                raise NoPlanError(f"{job.name} does not fit into the {self.project.horizon} periods of the horizon.")
            for mode in self._modes(job):
                starts = {}
                for start in range(self.earliest[job.name], self.latest[job.name] + 1):
                    periods = discount[start : start + job.duration] or (0.0,)
                    money = mode.cost * sum(periods) / len(periods)
                    if self._possible(mode, start):
                        starts[start] = self._column(1.0, integer=True, money=money)
                self.x[job.name, mode.name] = starts
                team = (job.team or job.name, mode.name)
                if len(self._modes(job)) > 1 and team not in self.y:
                    self.y[team] = self._column(1.0, integer=True)
        for milestone in self.project.milestones:
            most = max([0, *(self.latest[name] + self.jobs[name].duration - milestone.due for name in milestone.jobs)])
            for k in range(1, most + 1):
                self.step[milestone.name, k] = self._column(1.0, integer=True, late=milestone.weight)
        if self.options.extra_cost is not None:
            for resource, capacity in self.project.capacity.items():
                price = self.options.extra_cost.get(resource)
                if price is not None:
                    for period in range(len(capacity)):
                        money = price * discount[min(period, len(discount) - 1)]
                        self.extra[resource, period] = self._column(highspy.kHighsInf, integer=False, money=money)

    def _possible(self, mode: Mode, start: int) -> bool:
        """Whether a start is not ruled out by the job's own demand."""
        if self.options.extra_cost is not None:
            return True
        return all(
            amount <= self.project.capacity[resource][start + k] * (1 + 1e-9)
            for resource, amounts in mode.demand.items()
            for k, amount in enumerate(amounts)
        )

    def _assignment_rows(self) -> None:
        teams: dict[str, set[str]] = {}
        for job in self.project.jobs:
            modes = self._modes(job)
            every = {column: 1.0 for mode in modes for column in self.x[job.name, mode.name].values()}
            if not every:
                raise NoPlanError(self._too_large(job))
            self._row(1.0, 1.0, every)
            if len(modes) > 1:
                for mode in modes:
                    row = dict.fromkeys(self.x[job.name, mode.name].values(), 1.0)
                    row[self.y[job.team or job.name, mode.name]] = -1.0
                    self._row(0.0, 0.0, row)
                    teams.setdefault(job.team or job.name, set()).add(mode.name)
        for team, names in teams.items():
            self._row(1.0, 1.0, {self.y[team, name]: 1.0 for name in sorted(names)})

    def _too_large(self, job: Job) -> str:
        needs = [
            f"{max(amounts):,.0f} of {resource}, where there are {max(self.project.capacity[resource]):,.0f}"
            for mode in self._modes(job)
            for resource, amounts in mode.demand.items()
            if amounts and max(amounts) > max(self.project.capacity[resource])
        ]
        return f"{job.name} needs in one period {'; or '.join(needs) or 'more than there is'}."

    def _starts(self, name: str) -> dict[int, list[int]]:
        found: dict[int, list[int]] = {}
        for mode in self._modes(self.jobs[name]):
            for start, column in self.x[name, mode.name].items():
                found.setdefault(start, []).append(column)
        return found

    def _precedence_rows(self) -> None:
        """A successor that has started by t means that the job before has started by t - lag."""
        for one in self.project.precedences:
            before, after = self._starts(one.before), self._starts(one.after)
            for t in range(
                self.earliest[one.after], min(self.latest[one.after], self.latest[one.before] + one.lag - 1) + 1
            ):
                row = {column: 1.0 for start, columns in after.items() if start <= t for column in columns}
                if not row:
                    continue
                for start, columns in before.items():
                    if start <= t - one.lag:
                        row |= dict.fromkeys(columns, -1.0)
                self._row(-highspy.kHighsInf, 0.0, row)

    def _capacity_rows(self) -> None:
        rows: dict[tuple[str, int], dict[int, float]] = {}
        for job in self.project.jobs:
            for mode in self._modes(job):
                for resource, amounts in mode.demand.items():
                    for start, column in self.x[job.name, mode.name].items():
                        for k, amount in enumerate(amounts):
                            if amount:
                                rows.setdefault((resource, start + k), {})[column] = amount
        for (resource, period), row in rows.items():
            scale = max(1.0, *row.values())  # hours come in ten thousands: rows near one solve better
            scaled = {column: amount / scale for column, amount in row.items()}
            if (resource, period) in self.extra:
                scaled[self.extra[resource, period]] = -1.0 / scale
            self._row(-highspy.kHighsInf, self.project.capacity[resource][period] / scale, scaled)

    def _milestone_rows(self) -> None:
        """A job that ends k or more periods after a milestone's due date forces the k-th step of lateness."""
        for milestone in self.project.milestones:
            for name in milestone.jobs:
                duration = self.jobs[name].duration
                k = 1
                while (milestone.name, k) in self.step:
                    row = {
                        column: 1.0
                        for start, columns in self._starts(name).items()
                        if start + duration >= milestone.due + k
                        for column in columns
                    }
                    if row:
                        row[self.step[milestone.name, k]] = -1.0
                        self._row(-highspy.kHighsInf, 0.0, row)
                    k += 1

    def _work_share_rows(self) -> None:
        """Share of the shared teams' demand that each mode (company) takes on."""
        if not self.options.work_share:
            return
        size: dict[tuple[str, str], float] = {}
        for job in self.project.jobs:
            if job.team in self.options.shared_teams:
                for mode in job.modes:
                    hours = sum(sum(amounts) for amounts in mode.demand.values())
                    size[job.team, mode.name] = size.get((job.team, mode.name), 0.0) + hours
        total = sum(max(h for (team, _), h in size.items() if team == one) for one in {team for team, _ in size})
        for name, (least, most) in self.options.work_share.items():
            row = {self.y[key]: hours / total for key, hours in size.items() if key[1] == name and key in self.y}
            if row:
                self._row(least, most, row)

    def limit_lateness(self, most: float) -> None:
        """Hold weighted lateness at most at this value from now on."""
        row = {column: cost for column, cost in enumerate(self.late_cost) if cost}
        if row:
            self.solver.addRow(
                -highspy.kHighsInf,
                most + 1e-6,
                len(row),
                np.array(list(row), dtype=np.int32),
                np.array(list(row.values())),
            )

    def _build(self) -> highspy.Highs:
        new_solver: Callable[[], highspy.Highs] = highspy.Highs  # its constructor carries no annotations
        solver = new_solver()
        for option, value in (
            ("output_flag", False),
            ("threads", 1),
            ("random_seed", 0),
            ("mip_rel_gap", GAP),
            ("mip_max_nodes", NODES),
            ("time_limit", self.options.seconds),
        ):
            solver.setOptionValue(option, value)
        program = highspy.HighsLp()
        program.num_col_, program.num_row_ = len(self.lower), len(self.rows)
        program.col_cost_ = np.zeros(len(self.lower))
        program.col_lower_, program.col_upper_ = np.array(self.lower), np.array(self.upper)
        program.row_lower_ = np.array([row[0] for row in self.rows])
        program.row_upper_ = np.array([row[1] for row in self.rows])
        program.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
        program.a_matrix_.start_ = np.cumsum([0, *(len(row[2]) for row in self.rows)]).astype(np.int32)
        program.a_matrix_.index_ = np.array([column for row in self.rows for column in row[2]], dtype=np.int32)
        program.a_matrix_.value_ = np.array([value for row in self.rows for value in row[3]])
        kinds = (highspy.HighsVarType.kContinuous, highspy.HighsVarType.kInteger)
        program.integrality_ = [kinds[integer] for integer in self.integer]
        solver.passModel(program)
        return solver

    def minimise(self, cost: list[float]) -> tuple[float, float, str]:
        """(bound, value, status) of the cheapest solution; the solver then holds it."""
        indices = np.arange(len(cost), dtype=np.int32)
        self.solver.changeColsCost(len(cost), indices, np.array(cost))
        self.solver.run()
        status = self.solver.getModelStatus()
        info = self.solver.getInfo()
        if info.primal_solution_status != 2:
            raise NoPlanError(
                "No timetable fits: some work needs more hours than there are inside the horizon"
                if status == highspy.HighsModelStatus.kInfeasible
                else "No timetable was found within the limits of the solver: allow more time."
            )
        names = {
            highspy.HighsModelStatus.kOptimal: "optimal",
            highspy.HighsModelStatus.kSolutionLimit: "gap",
            highspy.HighsModelStatus.kTimeLimit: "time limit",
        }
        bound = float(info.mip_dual_bound)
        value = float(info.objective_function_value)
        return (bound if np.isfinite(bound) else value), value, names.get(status, "gap")

    def timetable(self, late_bound: float, cost: float, cost_bound: float, status: str) -> Timetable:
        """The solution in the words of the project."""
        value = np.array(self.solver.getSolution().col_value)
        start: dict[str, int] = {}
        chosen: dict[str, str] = {}
        for (name, mode), columns in self.x.items():
            for at, column in columns.items():
                if value[column] > 0.5:
                    start[name], chosen[name] = at, mode
        late = {
            one.name: max([0, *(start[name] + self.jobs[name].duration - one.due for name in one.jobs)])
            for one in self.project.milestones
        }
        return Timetable(
            start=start,
            mode=chosen,
            late=late,
            extra={key: float(value[column]) for key, column in self.extra.items() if value[column] > 1e-6},
            late_total=sum(one.weight * late[one.name] for one in self.project.milestones),
            late_bound=late_bound,
            cost=cost,
            cost_bound=cost_bound,
            status=status,
        )
