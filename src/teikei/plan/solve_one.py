"""Solves one coalition at one rung: program, links in rounds, parts, bound, exact price."""

from __future__ import annotations

import time
from collections.abc import Hashable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass

import numpy as np

from teikei.errors import NoPlanError
from teikei.plan.arrays import Solution
from teikei.plan.build import build
from teikei.plan.covers import demands
from teikei.plan.decisions import Decisions
from teikei.plan.infeasible import explain_infeasible
from teikei.plan.links import add_between_tied_classes, add_broken, add_broken_by_relaxation, add_known
from teikei.plan.parts import Memory, Task, Vector, solve_parts
from teikei.plan.price import Priced, price
from teikei.plan.program import Build, least_cost
from teikei.plan.read_solution import read_decisions, start_vector
from teikei.plan.reduce import reduce
from teikei.plan.scope import Scope
from teikei.plan.solve_part import QUICK, Effort

LEFT_OUT = 0.1  # of the gap asked for: missed targets that a program may be without


@dataclass(frozen=True)
class Found:
    """A plan with its exact price."""

    priced: Priced
    decisions: Decisions

    @property
    def value(self) -> float:
        """Present cost, million."""
        return self.priced.value


@dataclass(frozen=True)
class Solved:
    """A solved scope. links: ties between classes or blocs that it needed, for programs like it to begin with."""

    scope: Scope
    decisions: Decisions
    priced: Priced
    bound: float
    status: str
    nodes: int
    seconds: float
    links: tuple[Hashable, ...] = ()

    @property
    def value(self) -> float:
        """Re-priced present cost, million."""
        return self.priced.value

    @property
    def gap(self) -> float:
        """Value - bound, million, never negative."""
        return max(0.0, self.value - self.bound)


@dataclass(frozen=True)
class Request:
    """A scope to be solved towards an absolute gap (million): known plans of it, links to begin with."""

    scope: Scope
    gap: float
    starts: tuple[Decisions, ...] = ()
    links: tuple[Hashable, ...] = ()


def solve_scope(
    scope: Scope,
    *,
    gap_absolute: float,
    starts: Sequence[Decisions] = (),
    links: Sequence[Hashable] = (),
    effort: Effort = QUICK,
    memory: Memory | None = None,
    executor: Executor | None = None,
) -> Solved:
    """Solves one scope; see ``solve_scopes``."""
    request = Request(scope, gap_absolute, tuple(starts), tuple(links))
    return solve_scopes([request], effort=effort, memory=memory, executor=executor)[0]


def solve_scopes(
    requests: Sequence[Request],
    *,
    effort: Effort = QUICK,
    memory: Memory | None = None,
    executor: Executor | None = None,
) -> list[Solved]:
    """Solves scopes side by side, so that a part which several of them share is solved once.

    A plan returned is never worse than the starts of its scope. Raises NoPlanError with what is in conflict.
    """
    began = time.process_time()
    memory = memory or Memory()
    prepared = [_prepare(request) for request in requests]
    found: dict[int, Solution] = {}
    open_ones = list(range(len(requests)))
    while open_ones:
        tasks = []
        for i in open_ones:
            made, best = prepared[i]
            vector = start_vector(made, best.decisions) if best is not None else None
            tasks.append(Task(made.program, tuple(demands(made)), requests[i].gap, vector))
        solutions = solve_parts(tasks, memory, effort=effort, executor=executor)
        found.update(zip(open_ones, solutions, strict=True))
        open_ones = [
            i for i in open_ones if (x := found[i].x) is not None and add_broken(prepared[i][0], x, _slack(requests[i]))
        ]
    seconds = (time.process_time() - began) / max(1, len(requests))
    return [_solved(*prepared[i], found[i], seconds) for i in range(len(requests))]


def _prepare(request: Request) -> tuple[Build, Found | None]:
    """The program with the links it is known to need, or that its relaxation needs; the best of the known plans."""
    known = [Found(price(request.scope, start), start) for start in request.starts]
    best = combine(request.scope, known) if known else None
    made = build(request.scope, lazy=True)
    if request.links:
        add_known(made, request.links)
        add_between_tied_classes(made)
    else:
        add_broken_by_relaxation(made, _slack(request))
    return made, best


def _slack(request: Request) -> float:
    """Million that the missed targets of one slot may be left out of a program: all together a tenth of the gap."""
    return LEFT_OUT * request.gap / max(1, len(request.scope.slots))


def _solved(made: Build, best: Found | None, found: Solution, seconds: float) -> Solved:
    scope = made.scope
    if found.x is not None:
        decisions = read_decisions(made, found.x)
        better = Found(price(scope, decisions), decisions)
        best = better if best is None or better.value < best.value else best
    if best is None:
        sentences = (
            explain_infeasible(scope) if found.status == "infeasible" else [f"The solver stopped: {found.status}."]
        )
        raise NoPlanError("\n".join([f"There is no plan for {scope.coalition} at {scope.rung}.", *sentences]))
    bound = max(found.bound, least_cost(made.program))
    status = "time limit" if found.status == "time limit" else "gap"
    if best.value - bound <= 1e-9 * abs(best.value):
        status = "optimal"
    links = tuple(made.linked)
    return Solved(scope, best.decisions, best.priced, bound, status, found.nodes, seconds, links)


def combine(scope: Scope, known: Sequence[Found]) -> Found:
    """The best plan that takes every independent part of the program from one of the known plans."""
    best = min(known, key=lambda found: found.value)
    if len(known) < 2:
        return best
    made = build(scope)
    vectors: list[Vector] = [v for found in known if (v := start_vector(made, found.decisions)) is not None]
    left = reduce(made.program, np.asarray(made.program.lower), np.asarray(made.program.upper))
    if len(vectors) < 2 or left is None:
        return best
    cost = np.asarray(made.program.cost)
    x = min(vectors, key=lambda vector: float(cost @ vector)).copy()
    for part in left.parts:
        mine = part.columns
        chosen = min(vectors, key=lambda vector: float(cost[mine] @ vector[mine]))
        x[mine] = chosen[mine]
    decisions = read_decisions(made, x)
    mixed = Found(price(scope, decisions), decisions)
    return mixed if mixed.value < best.value else best
