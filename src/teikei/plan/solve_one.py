"""Solves one coalition at one rung: search, program, bound, exact price."""

from __future__ import annotations

import time
from concurrent.futures import Executor
from dataclasses import dataclass

from teikei.errors import NoPlanError
from teikei.plan.arrays import INFINITY
from teikei.plan.build import build
from teikei.plan.decisions import Decisions
from teikei.plan.infeasible import explain_infeasible
from teikei.plan.parts import Memory, solve_parts
from teikei.plan.price import Priced, price
from teikei.plan.program import least_cost
from teikei.plan.read_solution import read_decisions, start_vector
from teikei.plan.scope import Scope
from teikei.plan.search import Found, search


@dataclass(frozen=True)
class Solved:
    """A solved scope."""

    scope: Scope
    decisions: Decisions
    priced: Priced
    bound: float
    status: str
    nodes: int
    seconds: float

    @property
    def value(self) -> float:
        """Re-priced present cost, million."""
        return self.priced.value

    @property
    def gap(self) -> float:
        """Value - bound, million, never negative."""
        return max(0.0, self.value - self.bound)


def solve_scope(
    scope: Scope,
    *,
    gap_absolute: float,
    starts: tuple[Decisions, ...] = (),
    time_limit_s: float = INFINITY,
    node_limit: int | None = None,
    memory: Memory | None = None,
    executor: Executor | None = None,
) -> Solved:
    """Solves a scope towards an absolute gap (million), from the best of the given starts.

    First ``search`` finds a good plan; then the program is solved part by part from it, which gives the bound and
    perhaps a better plan. The plan returned is never worse than a start. Raises NoPlanError with what is in conflict.
    """
    began = time.process_time()
    memory = memory or Memory()
    known = [Found(price(scope, start), start) for start in starts]
    best = search(scope, known, gap_absolute=gap_absolute)
    made = build(scope)
    vector = start_vector(made, best.decisions) if best is not None else None
    found = solve_parts(
        made.program, memory, gap_absolute=gap_absolute, time_limit_s=time_limit_s, node_limit=node_limit,
        start=vector, bound_large=True, executor=executor,
    )  # fmt: skip
    bound, status, nodes = max(found.bound, least_cost(made.program)), found.status, found.nodes
    if found.x is not None:
        decisions = read_decisions(made, found.x)
        better = Found(price(scope, decisions), decisions)
        best = better if best is None or better.value < best.value else best
    seconds = time.process_time() - began
    if best is None:
        sentences = explain_infeasible(scope) if status == "infeasible" else [f"The solver stopped: {status}."]
        raise NoPlanError("\n".join([f"There is no plan for {scope.coalition} at {scope.rung}.", *sentences]))
    status = "time limit" if status == "time limit" else "gap"
    if best.value - bound <= 1e-9 * abs(best.value):
        status = "optimal"
    return Solved(scope, best.decisions, best.priced, bound, status, nodes, seconds)
