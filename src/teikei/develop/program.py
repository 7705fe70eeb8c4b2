"""The integer program of a project, built as arrays straight into HiGHS (formulation: ``project``)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

import highspy
import numpy as np
import numpy.typing as npt

from teikei.develop.types import Job, Mode, Project, Timetable
from teikei.errors import NoPlanError

Vector = npt.NDArray[np.float64]

GAP: Final = 1e-3
NODES: Final = 500
STOPPED: Final = "No timetable was found within the limits of the solver: allow more time."


@dataclass(frozen=True)
class Options:
    """extra_cost: million per extra unit of a resource (None = no extra units); late_limit: most weighted lateness.

    fixed_modes: team -> mode that must be used; work_share: mode name -> (least, most) share of shared_teams' demand.
    begin: start and mode of each job in a timetable to begin from, where extra units are bought; proof: solve the
    program to the gap, however large; nodes: most nodes of each solve; seconds: safety limit of each solve, with
    which a result may differ from one machine to the next; without it only gap and nodes stop the solver. late_only:
    only how late each milestone is matters, so that a timetable as early as the critical path needs no cost.
    """

    extra_cost: Mapping[str, float] | None = None
    late_limit: float | None = None
    fixed_modes: Mapping[str, str] = field(default_factory=dict)
    work_share: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    shared_teams: frozenset[str] = frozenset()
    begin: tuple[Mapping[str, int], Mapping[str, str]] | None = None
    proof: bool = True
    nodes: int = NODES
    seconds: float = highspy.kHighsInf
    late_only: bool = False


def allowed_modes(project: Project, options: Options) -> dict[str, list[Mode]]:
    """The modes each job may have: the agreed one, and none that needs more than there ever is.

    Raises NoPlanError naming a job that fits into no mode.
    """
    return {job.name: _modes(project, options, job) for job in project.jobs}


def _modes(project: Project, options: Options, job: Job) -> list[Mode]:
    fixed = options.fixed_modes.get(job.team)
    allowed = [mode for mode in job.modes if fixed is None or mode.name == fixed or len(job.modes) == 1]
    if options.extra_cost is not None:
        return allowed
    most = {resource: max(amounts) for resource, amounts in project.capacity.items()}
    possible = [
        mode
        for mode in allowed
        if all(max(amounts, default=0.0) <= most[r] * (1 + 1e-9) for r, amounts in mode.demand.items())
    ]
    if not possible:
        needs = [
            f"{max(amounts):,.0f} of {resource}, where there are {most[resource]:,.0f}"
            for mode in allowed
            for resource, amounts in mode.demand.items()
            if amounts and max(amounts) > most[resource]
        ]
        raise NoPlanError(f"{job.name} needs in one period {'; or '.join(needs)}.")
    return possible


class Program:
    """Columns: z[job, mode, t] = 1 if the job has started by t in this mode; y[team, mode]; step[milestone, k] = 1 if
    late by k or more; extra[resource, period]. Before a job's window z is 0, from its last start on it is y (1 for
    one mode).
    """

    def __init__(self, project: Project, options: Options, windows_of_jobs: tuple[dict[str, int], dict[str, int]]):
        self.project = project
        self.options = options
        self.earliest, self.latest = windows_of_jobs
        self.lower: list[float] = []
        self.upper: list[float] = []
        self.integer: list[bool] = []
        self.late_cost: list[float] = []
        self.money_cost: list[float] = []
        self.rows: list[tuple[float, float, list[int], list[float]]] = []
        self.z: dict[tuple[str, str, int], int] = {}
        self.y: dict[tuple[str, str], int] = {}
        self.step: dict[tuple[str, int], int] = {}
        self.extra: dict[tuple[str, int], int] = {}
        self.constant_money = 0.0
        self.jobs = {job.name: job for job in project.jobs}
        self.modes = allowed_modes(project, options)
        self.discount = project.discount or (1.0,) * project.horizon
        self._columns()
        self._order_rows()
        self._precedence_rows()
        self._capacity_rows()
        self._milestone_rows()
        self._work_share_rows()
        self.solver = self._build()
        self.held: Vector = np.zeros(len(self.lower))

    def _column(self, upper: float, *, integer: bool, late: float = 0.0, money: float = 0.0) -> int:
        self.lower.append(0.0)
        self.upper.append(upper)
        self.integer.append(integer)
        self.late_cost.append(late)
        self.money_cost.append(money)
        return len(self.lower) - 1

    def _row(self, low: float, high: float, terms: Mapping[int, float], constant: float = 0.0) -> None:
        """low <= constant + sum of terms <= high; rows without columns are checked, not added."""
        if terms:
            self.rows.append((low - constant, high - constant, list(terms), list(terms.values())))
        elif not low - 1e-9 <= constant <= high + 1e-9:
            raise NoPlanError("No timetable fits: a fixed start contradicts another limit.")

    def _columns(self) -> None:
        for job in self.project.jobs:
            if self.latest[job.name] < self.earliest[job.name]:
                raise NoPlanError(f"{job.name} does not fit into the {self.project.horizon} periods of the horizon.")
            for mode in self.modes[job.name]:
                for t in range(self.earliest[job.name], self.latest[job.name]):
                    self.z[job.name, mode.name, t] = self._column(1.0, integer=True)
                key = (job.team or job.name, mode.name)
                if len(self.modes[job.name]) > 1 and key not in self.y:
                    self.y[key] = self._column(1.0, integer=True)
        for job in self.project.jobs:
            for mode in self.modes[job.name]:
                for t in range(self.earliest[job.name], self.latest[job.name] + 1):
                    self._charge_start(job, mode, t)
        for milestone in self.project.milestones:
            most = max([0, *(self.latest[name] + self.jobs[name].duration - milestone.due for name in milestone.jobs)])
            for k in range(1, most + 1):
                self.step[milestone.name, k] = self._column(1.0, integer=True, late=milestone.weight)
        for resource, price in (self.options.extra_cost or {}).items():
            for period in range(len(self.project.capacity.get(resource, ()))):
                money = price * self.discount[min(period, len(self.discount) - 1)]
                self.extra[resource, period] = self._column(highspy.kHighsInf, integer=False, money=money)

    def _charge_start(self, job: Job, mode: Mode, t: int) -> None:
        """Cost of starting in t, spread over the job's periods, on x = z[t] - z[t - 1]."""
        periods = self.discount[t : t + job.duration] or (0.0,)
        money = mode.cost * sum(periods) / len(periods)
        terms, constant = self._started(job.name, mode.name, t)
        before, before_constant = self._started(job.name, mode.name, t - 1)
        self.constant_money += money * (constant - before_constant)
        for column, amount in terms.items():
            self.money_cost[column] += money * amount
        for column, amount in before.items():
            self.money_cost[column] -= money * amount

    def _started(self, name: str, mode: str, t: int) -> tuple[dict[int, float], float]:
        """Whether a job has started by t in a mode: (terms, constant)."""
        if t < self.earliest[name]:
            return {}, 0.0
        if t < self.latest[name]:
            return {self.z[name, mode, t]: 1.0}, 0.0
        key = (self.jobs[name].team or name, mode)
        return ({self.y[key]: 1.0}, 0.0) if key in self.y and len(self.modes[name]) > 1 else ({}, 1.0)

    def _started_any(self, name: str, t: int) -> tuple[dict[int, float], float]:
        """Whether a job has started by t in any mode."""
        if t >= self.latest[name]:
            return {}, 1.0
        terms: dict[int, float] = {}
        for mode in self.modes[name]:
            terms |= self._started(name, mode.name, t)[0]
        return terms, 0.0

    def _order_rows(self) -> None:
        """What has started stays started; jobs of a team are all done in the team's mode."""
        teams: dict[str, set[str]] = {}
        for job in self.project.jobs:
            for mode in self.modes[job.name]:
                for t in range(self.earliest[job.name] + 1, self.latest[job.name] + 1):
                    terms, constant = self._started(job.name, mode.name, t)
                    row = dict(terms)
                    row[self.z[job.name, mode.name, t - 1]] = -1.0
                    self._row(0.0, highspy.kHighsInf, row, constant)
            if len(self.modes[job.name]) > 1:
                names = {mode.name for mode in self.modes[job.name]}
                team = job.team or job.name
                teams[team] = teams.get(team, names) & names
        for team, names in teams.items():
            mine = {self.y[key]: float(key[1] in names) for key in self.y if key[0] == team}
            self._row(1.0, 1.0, {column: 1.0 for column, allowed in mine.items() if allowed})
            for column, allowed in mine.items():
                if not allowed:
                    self.upper[column] = 0.0

    def _precedence_rows(self) -> None:
        """A successor that has started by t means that the job before has started by t - lag."""
        for one in self.project.precedences:
            last = min(self.latest[one.after], self.latest[one.before] + one.lag - 1)
            for t in range(self.earliest[one.after], last + 1):
                terms, constant = self._started_any(one.after, t)
                before, before_constant = self._started_any(one.before, t - one.lag)
                row = dict(terms)
                for column, amount in before.items():
                    row[column] = row.get(column, 0.0) - amount
                self._row(-highspy.kHighsInf, 0.0, row, constant - before_constant)

    def _capacity_rows(self) -> None:
        """Demand of a job in period t: its k-th period's amount if it started in t - k."""
        rows: dict[tuple[str, int], tuple[dict[int, float], list[float]]] = {}
        for job in self.project.jobs:
            for mode in self.modes[job.name]:
                for resource, amounts in mode.demand.items():
                    for k, amount in enumerate(amounts):
                        if not amount:
                            continue
                        for start in range(self.earliest[job.name], self.latest[job.name] + 1):
                            row, constants = rows.setdefault((resource, start + k), ({}, []))
                            for at, sign in ((start, 1.0), (start - 1, -1.0)):
                                terms, constant = self._started(job.name, mode.name, at)
                                constants.append(sign * amount * constant)
                                for column, one in terms.items():
                                    row[column] = row.get(column, 0.0) + sign * amount * one
        for (resource, period), (row, constants) in rows.items():
            scale = max([1.0, *(abs(amount) for amount in row.values())])  # hours come in ten thousands
            scaled = {column: amount / scale for column, amount in row.items() if abs(amount) > 1e-12 * scale}
            if (resource, period) in self.extra:
                scaled[self.extra[resource, period]] = -1.0 / scale
            most = self.project.capacity[resource][period] * (1 + 1e-9)
            self._row(-highspy.kHighsInf, most / scale, scaled, sum(constants) / scale)

    def _milestone_rows(self) -> None:
        """A job that ends k or more periods after a milestone's due date forces the k-th step of lateness."""
        for milestone in self.project.milestones:
            for name in milestone.jobs:
                k = 1
                while (milestone.name, k) in self.step:
                    in_time = milestone.due + k - self.jobs[name].duration - 1
                    terms, constant = self._started_any(name, in_time)
                    self._row(1.0, highspy.kHighsInf, {**terms, self.step[milestone.name, k]: 1.0}, constant)
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

    def begin_with(self, start: Mapping[str, int], mode: Mapping[str, str]) -> None:
        """Hand the solver a timetable to start from."""
        value = np.zeros(len(self.lower))
        for (name, mode_name, t), column in self.z.items():
            value[column] = float(mode[name] == mode_name and start[name] <= t)
        of_team = {job.team or job.name: mode[job.name] for job in self.project.jobs}
        for (team, mode_name), column in self.y.items():
            value[column] = float(of_team[team] == mode_name)
        for milestone in self.project.milestones:
            late = max([0, *(start[name] + self.jobs[name].duration - milestone.due for name in milestone.jobs)])
            for k in range(1, late + 1):
                value[self.step[milestone.name, k]] = 1.0
        self.held = value
        self.begin_with_held()

    def hold_solution(self) -> None:
        """Remember the solution found, as a start for the next solve."""
        self.held = np.array(self.solver.getSolution().col_value)

    def begin_with_held(self) -> None:
        """Start from the held solution."""
        solution = highspy.HighsSolution()
        solution.col_value = self.held.tolist()
        self.solver.setSolution(solution)

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
            ("mip_max_nodes", self.options.nodes),
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

    def minimise(self, cost: list[float], constant: float = 0.0) -> tuple[float, float, str]:
        """(bound, value, status) of the cheapest solution; the solver then holds it."""
        indices = np.arange(len(cost), dtype=np.int32)
        self.solver.changeColsCost(len(cost), indices, np.array(cost))
        self.solver.run()
        status = self.solver.getModelStatus()
        info = self.solver.getInfo()
        if info.primal_solution_status != 2:
            raise NoPlanError(
                "No timetable fits: some work needs more hours than there are inside the horizon."
                if status == highspy.HighsModelStatus.kInfeasible
                else STOPPED
            )
        names = {
            highspy.HighsModelStatus.kOptimal: "optimal",
            highspy.HighsModelStatus.kSolutionLimit: "gap",
            highspy.HighsModelStatus.kTimeLimit: "time limit",
        }
        value = float(info.objective_function_value)
        bound = min(float(info.mip_dual_bound), value) if np.isfinite(info.mip_dual_bound) else -np.inf
        if not any(self.integer) or not any(cost):
            bound = value  # nothing to branch on, or nothing to minimise: HiGHS gives no bound
        return bound + constant, value + constant, names.get(status, "gap")

    def relaxed(self, cost: list[float], constant: float = 0.0) -> float:
        """Least value of the linear relaxation: no timetable costs less."""
        self.solver.changeColsCost(len(cost), np.arange(len(cost), dtype=np.int32), np.array(cost))
        self.solver.setOptionValue("solve_relaxation", True)
        self.solver.run()
        if self.solver.getModelStatus() != highspy.HighsModelStatus.kOptimal:
            return -np.inf
        return float(self.solver.getInfo().objective_function_value) + constant

    def timetable(self, late_bound: float, cost: float, cost_bound: float, status: str) -> Timetable:
        """The solution in the words of the project."""
        value = np.array(self.solver.getSolution().col_value)
        start: dict[str, int] = {}
        chosen: dict[str, str] = {}
        for job in self.project.jobs:
            name = job.name
            modes = self.modes[name]
            chosen[name] = max(modes, key=lambda mode: self._value(value, name, mode.name, self.latest[name])).name
            start[name] = next(
                t
                for t in range(self.earliest[name], self.latest[name] + 1)
                if self._value(value, name, chosen[name], t) > 0.5
            )
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

    def _value(self, solution: Vector, name: str, mode: str, t: int) -> float:
        terms, constant = self._started(name, mode, t)
        return constant + sum(amount * float(solution[column]) for column, amount in terms.items())
