"""A mixed-integer program as growing arrays, handed to HiGHS column-wise in one call."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import highspy
import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

INFINITY = float("inf")
Vector = npt.NDArray[np.float64]
HEURISTIC_EFFORT = 0.01  # plans come from ``solve_part``; the solver is there for the bound
NODES_FIRST = {"mip_allow_restart": False, "mip_pscost_minreliable": 1}  # restarts and trials cost more than nodes
NO_PROGRAMS_WITHIN = {  # beside a good plan they find little
    "mip_heuristic_run_rins": False,
    "mip_heuristic_run_rens": False,
    "mip_heuristic_run_root_reduced_cost": False,
    "mip_heuristic_run_feasibility_jump": False,
}


@dataclass
class Program:
    """minimise offset + cost.x, row_lower <= A x <= row_upper, lower <= x <= upper, some x integer.

    Built once by ``build``; ``names`` and ``row_names`` keep the field's words for explanations.
    """

    cost: list[float] = field(default_factory=list)
    lower: list[float] = field(default_factory=list)
    upper: list[float] = field(default_factory=list)
    integer: list[bool] = field(default_factory=list)
    names: list[Any] = field(default_factory=list)
    row_lower: list[float] = field(default_factory=list)
    row_upper: list[float] = field(default_factory=list)
    row_names: list[Any] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)
    columns: list[int] = field(default_factory=list)
    values: list[float] = field(default_factory=list)
    offset: float = 0.0

    def column(
        self, name: Any, cost: float = 0.0, lower: float = 0.0, upper: float = 1.0, integer: bool = False
    ) -> int:
        """Adds a variable and returns its index."""
        self.cost.append(cost)
        self.lower.append(lower)
        self.upper.append(upper)
        self.integer.append(integer)
        self.names.append(name)
        return len(self.cost) - 1

    def row(
        self,
        name: Any,
        terms: Iterable[tuple[int, float]] | Mapping[int, float],
        lower: float = -INFINITY,
        upper: float = INFINITY,
    ) -> int:
        """Adds a constraint and returns its index; repeated columns add up."""
        merged: dict[int, float] = {}
        for column, value in terms.items() if isinstance(terms, Mapping) else terms:
            merged[column] = merged.get(column, 0.0) + value
        index = len(self.row_lower)
        for column, value in merged.items():
            if value:
                self.rows.append(index)
                self.columns.append(column)
                self.values.append(value)
        self.row_lower.append(lower)
        self.row_upper.append(upper)
        self.row_names.append(name)
        return index

    def without(self, rows: npt.NDArray[np.bool_]) -> Program:
        """The same columns (shared) without the rows that are flagged."""
        index, taken = np.asarray(self.rows, dtype=np.int64), np.flatnonzero(~rows)
        place = np.cumsum(~rows) - 1
        kept = ~rows[index]
        return replace(
            self,
            row_lower=[self.row_lower[row] for row in taken],
            row_upper=[self.row_upper[row] for row in taken],
            row_names=[self.row_names[row] for row in taken],
            rows=place[index[kept]].tolist(),
            columns=np.asarray(self.columns, dtype=np.int64)[kept].tolist(),
            values=np.asarray(self.values)[kept].tolist(),
        )

    def sparse(self) -> csr_array:
        """The coefficients, row by row."""
        shape = (len(self.row_lower), len(self.cost))
        return csr_array((self.values, (self.rows, self.columns)), shape=shape)

    def matrix(self) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32], npt.NDArray[np.float64]]:
        """Column-compressed (start, index, value)."""
        columns = np.asarray(self.columns, dtype=np.int64)
        order = np.argsort(columns, kind="stable")
        start = np.zeros(len(self.cost) + 1, dtype=np.int32)
        np.cumsum(np.bincount(columns, minlength=len(self.cost)), out=start[1:])
        return start, np.asarray(self.rows, dtype=np.int32)[order], np.asarray(self.values)[order]

    def to_highs(self) -> highspy.HighsLp:
        """The program as a HiGHS model."""
        lp = highspy.HighsLp()
        lp.num_col_, lp.num_row_ = len(self.cost), len(self.row_lower)
        lp.col_cost_, lp.col_lower_, lp.col_upper_ = (np.asarray(v) for v in (self.cost, self.lower, self.upper))
        lp.row_lower_, lp.row_upper_ = np.asarray(self.row_lower), np.asarray(self.row_upper)
        lp.offset_ = self.offset
        start, index, value = self.matrix()
        lp.a_matrix_.format_ = highspy.MatrixFormat.kColwise
        lp.a_matrix_.start_, lp.a_matrix_.index_, lp.a_matrix_.value_ = start, index, value
        kinds = (highspy.HighsVarType.kContinuous, highspy.HighsVarType.kInteger)
        lp.integrality_ = [kinds[flag] for flag in self.integer]
        return lp


@dataclass(frozen=True)
class Solution:
    """What HiGHS found: x is None where there is no plan."""

    x: npt.NDArray[np.float64] | None
    objective: float
    bound: float
    status: str
    nodes: int


def minimise(
    program: Program,
    *,
    gap_absolute: float,
    gap_relative: float = 1e-9,
    time_limit_s: float = INFINITY,
    node_limit: int | None = None,
    start: npt.NDArray[np.float64] | None = None,
    bounding: bool = False,
) -> Solution:
    """Solves a program with one thread; stops by gap, nodes or (not reproducible) time.

    bounding: the start is good and nodes are for the bound; else the solver also looks for plans.
    """
    highs: Any = highspy.Highs()
    highs.setOptionValue("output_flag", False)
    highs.setOptionValue("threads", 1)
    highs.setOptionValue("random_seed", 1)
    highs.setOptionValue("mip_heuristic_effort", HEURISTIC_EFFORT)
    highs.setOptionValue("mip_abs_gap", gap_absolute)
    highs.setOptionValue("mip_rel_gap", gap_relative)
    highs.setOptionValue("mip_feasibility_tolerance", 1e-7)
    for name, value in (NODES_FIRST | NO_PROGRAMS_WITHIN if bounding else NODES_FIRST).items():
        highs.setOptionValue(name, value)
    if time_limit_s < INFINITY:
        highs.setOptionValue("time_limit", float(time_limit_s))
    if node_limit is not None:
        highs.setOptionValue("mip_max_nodes", int(node_limit))
    highs.passModel(program.to_highs())
    if start is not None:
        solution = highspy.HighsSolution()
        solution.col_value = list(start)
        highs.setSolution(solution)
    highs.run()
    info, status = highs.getInfo(), highs.getModelStatus()
    text = {
        highspy.HighsModelStatus.kOptimal: "optimal",
        highspy.HighsModelStatus.kInfeasible: "infeasible",
        highspy.HighsModelStatus.kTimeLimit: "time limit",
        highspy.HighsModelStatus.kSolutionLimit: "node limit",
        highspy.HighsModelStatus.kInterrupt: "node limit",
    }.get(status, highs.modelStatusToString(status))
    found = info.primal_solution_status == 2
    x = np.asarray(highs.getSolution().col_value) if found else None
    bound = info.mip_dual_bound
    if not any(program.integer):  # a linear program proves itself
        bound = info.objective_function_value if text == "optimal" else -INFINITY
    return Solution(x, info.objective_function_value if found else INFINITY, bound, text, max(0, info.mip_node_count))


def relaxed_solver(program: Program, lower: Vector | None = None, upper: Vector | None = None) -> Any:
    """HiGHS with the program without integrality, within other bounds if given; rows may be added and it runs again."""
    highs: Any = highspy.Highs()
    highs.setOptionValue("output_flag", False)
    highs.setOptionValue("threads", 1)
    loose = program.to_highs()
    loose.integrality_ = []
    if lower is not None and upper is not None:
        loose.col_lower_, loose.col_upper_ = lower, upper
    highs.passModel(loose)
    return highs


def solved(highs: Any) -> Vector | None:
    """The columns of a linear program that HiGHS has solved; None where there is no solution."""
    highs.run()
    if highs.getModelStatus() != highspy.HighsModelStatus.kOptimal:
        return None
    return np.asarray(highs.getSolution().col_value)


def relax(program: Program, lower: Vector | None = None, upper: Vector | None = None) -> Vector | None:
    """The solution of the program without integrality, within other bounds if given; None where it has none."""
    return solved(relaxed_solver(program, lower, upper))
