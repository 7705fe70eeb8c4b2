"""Solves one independent part of a program: tightened, then the solver; large ones from a plan that is searched first.

Once the designs are held a large part falls into small ones that are solved to proof; the relaxation says which
designs are worth looking at (dive, then relaxation-induced neighbourhoods after Danna, Rothberg, Le Pape 2005). The
solver then has a good plan to begin with and spends its nodes on the bound.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from teikei.plan.arrays import INFINITY, Program, Solution, minimise, relax
from teikei.plan.covers import Demand, tighten
from teikei.plan.reduce import reduce

Vector = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Whole = npt.NDArray[np.int64]
KEPT = (
    "use",
    "configuration",
    "joint family",
    "qualified",
    "plant",
    "expansion",
    "committed",
)  # what ties the years together
BUILT = ("plant", "expansion")  # half a plant says little: the solver decides these once the designs are held
DIVE_LOOKS, DIVE_LOOKS_WITHOUT_PLAN = 12, 60  # relaxations that a dive may solve
NEAR = 0.1  # a relaxed value this near to the known plan's agrees with it


@dataclass(frozen=True)
class Effort:
    """How long a part may be worked on, in nodes of the solver so that the same inputs give the same plan.

    small: integer columns up to which a part goes to the solver as it is; held_nodes: of each part that is left once
    designs and sources are held; neighbours: rounds of neighbourhoods, neighbour_nodes: of each part in them; nodes:
    of a whole part of up to wide columns, larger ones soon get fewer because a few nodes there cost much and prove
    little, but at least least_nodes, and alone_nodes where all plan alone (every saving is counted from there);
    time_limit_s: wall seconds of each solve (a plan stopped by it is not reproducible).
    """

    small: int = 600
    held_nodes: int = 30
    neighbours: int = 1
    neighbour_nodes: int = 1
    nodes: int = 500
    wide: int = 12_000
    least_nodes: int = 1
    alone_nodes: int = 500
    time_limit_s: float = INFINITY

    def nodes_of(self, columns: int) -> int:
        """Nodes of a whole part with so many columns: a node's time and the nodes needed both grow with it."""
        return max(self.least_nodes, int(self.nodes * min(1.0, self.wide / max(columns, 1)) ** 16))


QUICK = Effort()
THOROUGH = Effort(held_nodes=100, neighbours=2, neighbour_nodes=10, nodes=20_000, least_nodes=4_000, alone_nodes=4_000)


def solve_part(
    program: Program, needs: Sequence[Demand], *, gap_absolute: float, effort: Effort, start: Vector | None
) -> Solution:
    """The best plan found of a part with a proven bound, from a known plan where there is one."""
    tightened = tighten(program, needs)
    if tightened is None:
        return Solution(None, INFINITY, INFINITY, "infeasible", 0)
    thin, relaxed = tightened
    if start is not None and not fits(program, start):
        start = None
    cost, looked, stopped = np.asarray(thin.cost), 0, False
    if sum(thin.integer) > effort.small:
        search = _Search(program, gap_absolute, effort)
        search.run(relaxed, start)
        start, looked, stopped = search.best, search.nodes, search.stopped
    found = minimise(
        thin, gap_absolute=gap_absolute, node_limit=effort.nodes_of(len(cost)), start=start,
        bounding=start is not None, time_limit_s=effort.time_limit_s,
    )  # fmt: skip
    if found.x is None and found.status == "node limit":
        found = minimise(thin, gap_absolute=gap_absolute, time_limit_s=effort.time_limit_s)
    if start is not None and (found.x is None or found.objective > float(cost @ start)):
        found = replace(found, x=start, objective=float(cost @ start))
    return replace(
        found, bound=max(found.bound, float(cost @ relaxed)), nodes=found.nodes + looked,
        status="time limit" if stopped else found.status,
    )  # fmt: skip


def fits(program: Program, x: Vector) -> bool:
    """Whether a vector satisfies every row and bound within 1e-6 of its size."""
    activity = np.zeros(len(program.row_lower))
    np.add.at(
        activity, np.asarray(program.rows, dtype=int), np.asarray(program.values) * x[np.asarray(program.columns)]
    )
    low, high = np.asarray(program.row_lower), np.asarray(program.row_upper)
    size = 1e-6 * np.maximum(1.0, np.abs(activity))
    inside = (x >= np.asarray(program.lower) - 1e-6) & (
        x <= np.asarray(program.upper) + 1e-6 * np.maximum(1.0, np.abs(x))
    )
    return bool(((activity >= low - size) & (activity <= high + size)).all() and inside.all())


class _Search:
    """Good plans of a large part: what is held of the designs decides how the rest falls apart."""

    def __init__(self, program: Program, gap: float, effort: Effort):
        self.program, self.gap, self.effort = program, gap, effort
        self.cost = np.asarray(program.cost)
        self.lower, self.upper = np.asarray(program.lower), np.asarray(program.upper)
        self.integer: Flags = np.asarray(program.integer, dtype=bool)
        kind = np.asarray([name[0] for name in program.names])
        self.kept: Flags = np.isin(kind, KEPT) & self.integer
        self.held: Flags = self.kept & ~np.isin(kind, BUILT)
        self.modes: Flags = kind == "joint family"
        self.best: Vector | None = None
        self.value = INFINITY
        self.nodes = 0
        self.stopped = False

    def run(self, relaxed: Vector, start: Vector | None) -> None:
        """From the relaxed solution and, where there is one, a known plan."""
        if start is not None:
            self._take(start)
        dived = self._dive(relaxed)
        if dived is not None:
            self._hold(self.held, dived, self.effort.held_nodes)
        if self.best is not None:
            self._neighbours(relaxed)

    def _take(self, x: Vector) -> None:
        value = float(self.cost @ x)
        if value < self.value - 1e-9 * abs(value):
            self.best, self.value = x, value

    def _solve_within(self, lower: Vector, upper: Vector, nodes: int, start: Vector | None) -> None:
        """Solves what is left within bounds, part by part; keeps what is better."""
        left = reduce(self.program, lower, upper)
        if left is None:
            return
        x = left.decided.copy()
        total = max(1, sum(part.integers for part in left.parts))
        for part in left.parts:
            mine = start[part.columns] if start is not None else None
            if mine is not None and not fits(part.program, mine):
                mine = None
            found = minimise(
                part.program, gap_absolute=self.gap * part.integers / total, node_limit=nodes, start=mine,
                time_limit_s=self.effort.time_limit_s,
            )  # fmt: skip
            self.nodes += found.nodes
            if found.x is None and self.best is None and found.status == "node limit":
                found = minimise(
                    part.program, gap_absolute=INFINITY, gap_relative=INFINITY, time_limit_s=self.effort.time_limit_s
                )
            self.stopped |= found.status == "time limit"
            if found.x is None:
                return
            x[part.columns] = found.x
        self._take(x)

    def _hold(self, which: Flags, x: Vector, nodes: int) -> None:
        """Solves with some columns held at a vector's values."""
        lower, upper = self.lower.copy(), self.upper.copy()
        lower[which] = upper[which] = np.round(x[which])
        self._solve_within(lower, upper, nodes, self.best)

    def _neighbours(self, relaxed: Vector) -> None:
        """Holds what the relaxation and the best plan agree on, first everything, then designs and sources only."""
        for _ in range(self.effort.neighbours):
            before = self.value
            for among, nodes in ((self.integer, self.effort.held_nodes), (self.kept, self.effort.neighbour_nodes)):
                if nodes and self.best is not None:
                    self._hold(among & (np.abs(relaxed - self.best) < NEAR), self.best, nodes)
            if self.value > before - max(self.gap / 4, 1e-7 * abs(before)):
                return

    def _dive(self, relaxed: Vector) -> Vector | None:
        """Designs from the relaxation: joint families rounded, then the surest quarter of what is open, and so on.

        Where a plan is known a dive may fail. Where none is, of what cannot be held together only the surer half is
        held, and what cannot be held by itself is held the other way.
        """
        lower, upper, x = self.lower.copy(), self.upper.copy(), relaxed
        batch: Whole = self._surest(x, lower, upper)
        for _ in range(DIVE_LOOKS if self.best is not None else DIVE_LOOKS_WITHOUT_PLAN):
            if not len(batch):
                return x
            low, high = lower.copy(), upper.copy()
            low[batch] = high[batch] = self._rounded(x, batch)
            found = relax(self.program, low, high)
            if found is None and self.best is not None:
                return None
            if found is None and len(batch) > 1:
                batch = batch[: len(batch) // 2]
                continue
            if found is None:
                low[batch] = high[batch] = 1.0 - low[batch]
                found = relax(self.program, low, high)
                if found is None:
                    return None
            lower, upper, x = low, high, found
            batch = self._surest(x, lower, upper)
        return None

    def _surest(self, x: Vector, lower: Vector, upper: Vector) -> Whole:
        """What is to be held next: all joint families that are between, else the largest quarter of what is."""
        between = self.held & (x > 1e-6) & (x < 1.0 - 1e-6) & (lower < upper)
        modes = np.flatnonzero(between & self.modes)
        if len(modes):
            return modes[np.argsort(-np.abs(x[modes] - 0.5), kind="stable")]
        chosen = np.flatnonzero(between)
        chosen = chosen[np.argsort(-x[chosen], kind="stable")]
        sure = int((x[chosen[: max(1, len(chosen) // 4)]] > 0.5).sum())
        return chosen[: max(1, sure)]

    def _rounded(self, x: Vector, batch: Whole) -> Vector:
        """Joint families go to the nearer side, designs are taken."""
        return np.where(self.modes[batch], np.round(x[batch]), 1.0)
