"""Splits a program into independent parts, solves each once, and puts the solutions together.

Classes of modules meet only where a car's configurations tie them or a supplier sells several of them, so that the
program of a coalition falls apart into a few middle-sized parts and many small ones; a part that is the same at
several rungs is solved once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from teikei.plan.arrays import INFINITY, Program, Solution, minimise

Vector = npt.NDArray[np.float64]
Work = tuple[Program, float, float, int | None, Vector | None, bool]


LARGE = 400  # integer columns


@dataclass(frozen=True)
class Part:
    """An independent part: its program and the columns of the whole that it holds."""

    program: Program
    columns: npt.NDArray[np.int64]

    @property
    def integers(self) -> int:
        """Number of integer columns."""
        return sum(self.program.integer)


@dataclass
class Memory:
    """Solutions of parts by content, kept while one ladder is solved."""

    solutions: dict[str, Solution] = field(default_factory=dict)


def split(program: Program) -> list[Part]:
    """Connected parts of a program, in the order of their first column; rows without columns stay with the first."""
    count, row_count = len(program.cost), len(program.row_lower)
    rows, columns = np.asarray(program.rows, dtype=np.int64), np.asarray(program.columns, dtype=np.int64)
    size = count + row_count
    graph = coo_array((np.ones(len(rows)), (columns, rows + count)), shape=(size, size))
    _, label = connected_components(graph, directed=False)
    order: dict[int, int] = {}
    for column in range(count):
        order.setdefault(int(label[column]), len(order))
    parts = [Program() for _ in order]
    members: list[list[int]] = [[] for _ in order]
    where = np.zeros(count, dtype=np.int64)
    for column in range(count):
        at = order[int(label[column])]
        where[column] = parts[at].column(
            program.names[column], program.cost[column], program.lower[column], program.upper[column],
            program.integer[column],
        )  # fmt: skip
        members[at].append(column)
    row_at = np.zeros(row_count, dtype=np.int64)
    for row in range(row_count):
        part = parts[order.get(int(label[count + row]), 0)]
        row_at[row] = len(part.row_lower)
        part.row_lower.append(program.row_lower[row])
        part.row_upper.append(program.row_upper[row])
        part.row_names.append(program.row_names[row])
    for row, column, value in zip(program.rows, program.columns, program.values, strict=True):
        part = parts[order[int(label[column])]]
        part.rows.append(int(row_at[row]))
        part.columns.append(int(where[column]))
        part.values.append(value)
    return [Part(part, np.asarray(mine, dtype=np.int64)) for part, mine in zip(parts, members, strict=True)]


def fingerprint(program: Program) -> str:
    """Hash of a program's arrays (money rounded to a millionth of a million): equal programs have equal solutions."""
    digest = hashlib.sha256()
    start, index, value = program.matrix()
    floats = (program.cost, program.lower, program.upper, program.row_lower, program.row_upper, value)
    for array in floats:
        digest.update(np.round(np.asarray(array, dtype=float), 9).tobytes())
    for whole in (np.asarray(program.integer), start, index):
        digest.update(np.ascontiguousarray(whole).tobytes())
    return digest.hexdigest()


def _solve_part(job: Work) -> Solution:
    """Large parts with a known plan are solved at the root only, for their bound: the time goes to finding plans."""
    program, gap, time_limit_s, node_limit, start, bound_only = job
    large = bound_only and sum(program.integer) > LARGE and start is not None
    return minimise(
        program, gap_absolute=gap, time_limit_s=time_limit_s, node_limit=node_limit, start=start,
        root_only=large,
    )  # fmt: skip


def solve_parts(
    program: Program,
    memory: Memory,
    *,
    gap_absolute: float,
    time_limit_s: float,
    node_limit: int | None,
    start: Vector | None,
    bound_large: bool = False,
    executor: Executor | None = None,
) -> Solution:
    """Solves a program part by part; the gap is divided over the parts by their number of integer columns.

    bound_large: large parts that have a start are solved for their bound only.

    A part that was solved before to the gap now asked for, or better, is not solved again.
    """
    parts = split(program)
    total = max(1, sum(part.integers for part in parts))
    jobs: list[Work] = []
    waiting: list[tuple[int, str]] = []
    found: dict[int, Solution] = {}
    for at, part in enumerate(parts):
        allowed = gap_absolute * part.integers / total
        name = fingerprint(part.program)
        known = memory.solutions.get(name)
        if known is not None and (known.x is None or known.objective - known.bound <= allowed + 1e-6):
            found[at] = known
            continue
        mine = start[part.columns] if start is not None else None
        if known is not None and known.x is not None:
            mine = known.x
        jobs.append((part.program, allowed, time_limit_s, node_limit, mine, bound_large))
        waiting.append((at, name))
    solved = list(executor.map(_solve_part, jobs)) if executor is not None else [_solve_part(job) for job in jobs]
    for (at, name), solution in zip(waiting, solved, strict=True):
        memory.solutions[name] = solution
        found[at] = solution
    return _together(program, parts, [found[at] for at in range(len(parts))])


def _together(program: Program, parts: Sequence[Part], solutions: Sequence[Solution]) -> Solution:
    bad = [solution for solution in solutions if solution.x is None]
    status = next(
        (s.status for kind in ("infeasible", "time limit", "node limit") for s in solutions if s.status == kind),
        next((s.status for s in solutions if s.status != "optimal"), "optimal"),
    )
    bound = program.offset + sum(solution.bound for solution in solutions)
    nodes = sum(solution.nodes for solution in solutions)
    if bad:
        return Solution(None, INFINITY, bound, status, nodes)
    x = np.zeros(len(program.cost))
    for part, solution in zip(parts, solutions, strict=True):
        x[part.columns] = solution.x
    objective = program.offset + sum(solution.objective for solution in solutions)
    return Solution(x, objective, bound, status, nodes)
