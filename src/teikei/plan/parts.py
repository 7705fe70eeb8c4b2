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

from teikei.plan.arrays import INFINITY, Program, Solution
from teikei.plan.covers import Demand
from teikei.plan.reduce import Part, reduce
from teikei.plan.solve_part import Effort, solve_part

Vector = npt.NDArray[np.float64]


@dataclass
class Memory:
    """Solutions of parts by content, kept while one ladder is solved."""

    solutions: dict[str, Solution] = field(default_factory=dict)


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


@dataclass(frozen=True)
class Work:
    """One part as handed to a worker."""

    program: Program
    needs: tuple[Demand, ...]
    gap: float
    effort: Effort
    start: Vector | None


def _solve(work: Work) -> Solution:
    return solve_part(work.program, work.needs, gap_absolute=work.gap, effort=work.effort, start=work.start)


@dataclass(frozen=True)
class Task:
    """A program to be solved: what its tiers need, the gap wanted (million) and a known plan as a vector."""

    program: Program
    needs: tuple[Demand, ...]
    gap: float
    start: Vector | None


def solve_parts(
    tasks: Sequence[Task], memory: Memory, *, effort: Effort, executor: Executor | None = None
) -> list[Solution]:
    """Solves programs part by part; each gap is divided over the parts by their number of integer columns.

    A part that several programs share, or that was solved before to the gap now asked for or better, is solved once.
    """
    reduced = [reduce(task.program, np.asarray(task.program.lower), np.asarray(task.program.upper)) for task in tasks]
    names: list[list[str]] = []
    waiting: dict[str, Work] = {}
    for task, left in zip(tasks, reduced, strict=True):
        names.append([])
        total = max(1, sum(part.integers for part in left.parts)) if left is not None else 1
        for part in left.parts if left is not None else ():
            name = fingerprint(part.program)
            names[-1].append(name)
            allowed = task.gap * part.integers / total
            known = memory.solutions.get(name)
            if known is not None and (known.x is None or known.objective - known.bound <= allowed + 1e-6):
                continue
            if name in waiting and waiting[name].gap <= allowed:
                continue
            mine = task.start[part.columns] if task.start is not None else None
            if known is not None and known.x is not None:
                mine = known.x
            where = {int(column): own for own, column in enumerate(part.columns)}
            needs = tuple(need.within(where) for need in task.needs if _inside(need, where))
            waiting[name] = Work(part.program, needs, allowed, effort, mine)
    order = sorted(waiting, key=lambda name: -sum(waiting[name].program.integer))
    jobs = [waiting[name] for name in order]
    solved = list(executor.map(_solve, jobs)) if executor is not None else [_solve(job) for job in jobs]
    memory.solutions.update(zip(order, solved, strict=True))
    result = []
    for task, left, own in zip(tasks, reduced, names, strict=True):
        if left is None:
            result.append(Solution(None, INFINITY, INFINITY, "infeasible", 0))
        else:
            result.append(together(task.program, left.decided, left.parts, [memory.solutions[name] for name in own]))
    return result


def _inside(need: Demand, where: dict[int, int]) -> bool:
    columns = (*need.choices, *(column for sets in need.opens for columns in sets for column in columns))
    return all(column in where for column in columns)


def together(program: Program, decided: Vector, parts: Sequence[Part], solutions: Sequence[Solution]) -> Solution:
    """The solution of a program from those of its parts and the columns that were decided before."""
    cost = np.asarray(program.cost)
    status = next(
        (s.status for kind in ("infeasible", "time limit", "node limit") for s in solutions if s.status == kind),
        next((s.status for s in solutions if s.status != "optimal"), "optimal"),
    )
    base = program.offset + float(cost @ decided)
    bound = base + sum(solution.bound for solution in solutions)
    nodes = sum(solution.nodes for solution in solutions)
    if any(solution.x is None for solution in solutions):
        return Solution(None, INFINITY, bound, status, nodes)
    x = decided.copy()
    for part, solution in zip(parts, solutions, strict=True):
        x[part.columns] = solution.x
    objective = base + sum(solution.objective for solution in solutions)
    return Solution(x, objective, bound, status, nodes)
