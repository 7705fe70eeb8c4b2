"""Solves one independent part of a program: small ones whole, large ones by what their structure offers.

A large part is hard because designs, sources and tiers are chosen together. Once the designs are held it falls into
small parts that are solved to proof; the relaxation, tightened by covers, says which designs are worth looking at
(dive, then relaxation-induced neighbourhoods after Danna, Rothberg, Le Pape 2005); and whether a family is joint is
decided outside the solver, best bound first, because each answer removes half of the drawings.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from teikei.plan.arrays import INFINITY, Program, Solution, minimise, relax
from teikei.plan.covers import Demand, tighten
from teikei.plan.reduce import Part, reduce

Vector = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
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
DIVE_STEPS = 12
NEAR = 0.1  # a relaxed value this near to the known plan's agrees with it


@dataclass(frozen=True)
class Effort:
    """How long a part may be worked on, in nodes of the solver so that the same inputs give the same plan.

    small: integer columns up to which a part goes to the solver as it is, with small_nodes; held_nodes: of each part
    that is left once designs and sources are held; neighbours: rounds of neighbourhoods, neighbour_nodes: of each part
    in them; leaves: of the tree over joint families; leaf_nodes: of each part of a leaf (0 = relaxed only),
    leaf_checks: rounds of cuts after which a leaf is left (None = no limit); time_limit_s: wall seconds of each
    solve (a plan stopped by it is not reproducible).
    """

    small: int = 250
    small_nodes: int = 100
    held_nodes: int = 30
    neighbours: int = 1
    neighbour_nodes: int = 2
    leaves: int = 8
    leaf_nodes: int = 0
    leaf_checks: int | None = 20
    time_limit_s: float = INFINITY


QUICK = Effort()
THOROUGH = Effort(
    small=500, small_nodes=400, held_nodes=100, neighbours=3, neighbour_nodes=40, leaves=16, leaf_nodes=100,
    leaf_checks=None,
)  # fmt: skip


def solve_part(
    program: Program, needs: Sequence[Demand], *, gap_absolute: float, effort: Effort, start: Vector | None
) -> Solution:
    """The best plan found of a part with a proven bound, from a known plan where there is one."""
    relaxed = tighten(program, needs)
    if relaxed is None:
        return Solution(None, INFINITY, INFINITY, "infeasible", 0)
    if start is not None and not fits(program, start):
        start = None
    if sum(program.integer) <= effort.small:
        return minimise(
            program,
            gap_absolute=gap_absolute,
            node_limit=effort.small_nodes,
            start=start,
            time_limit_s=effort.time_limit_s,
        )
    return _Large(program, gap_absolute, effort).solve(relaxed, start)


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


class _Leaf(NamedTuple):
    """A set of answers on joint families: its bound, relaxed solution and bounds of the columns."""

    bound: float
    number: int
    x: Vector
    lower: Vector
    upper: Vector
    solved: bool


class _Large:
    """The state of one large part while it is solved."""

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
        self.status = "optimal"

    def solve(self, relaxed: Vector, start: Vector | None) -> Solution:
        """Plans first, then the bound; what the bound's search finds counts as well."""
        if start is not None:
            self._take(start)
        dived = self._dive(relaxed)
        if dived is not None:
            self._hold(self.held, dived, self.effort.held_nodes)
        if self.best is None:
            return minimise(self.program, gap_absolute=self.gap, time_limit_s=self.effort.time_limit_s)
        self._neighbours(relaxed)
        bound = min(self._bound(relaxed), self.value)
        status = "optimal" if self.value - bound <= 1e-9 * abs(self.value) else "node limit"
        return Solution(
            self.best, self.value, bound, "time limit" if self.status == "time limit" else status, self.nodes
        )

    def _take(self, x: Vector) -> None:
        value = float(self.cost @ x)
        if value < self.value - 1e-9 * abs(value):
            self.best, self.value = x, value

    def _solve_within(
        self, lower: Vector, upper: Vector, nodes: int, start: Vector | None, checks: int | None = None
    ) -> tuple[float, float]:
        """Solves what is left within bounds, part by part; (value, bound), infinite where nothing fits."""
        left = reduce(self.program, lower, upper)
        if left is None:
            return INFINITY, INFINITY
        x = left.decided.copy()
        value = bound = float(self.cost @ x)
        total = max(1, sum(part.integers for part in left.parts))
        for part in left.parts:
            found = self._minimise(part, self.gap * part.integers / total, nodes, start, checks)
            bound += found.bound
            value += found.objective
            if found.x is not None:
                x[part.columns] = found.x
        if value < INFINITY:
            self._take(x)
        return value, bound

    def _minimise(self, part: Part, gap: float, nodes: int, start: Vector | None, checks: int | None) -> Solution:
        mine = start[part.columns] if start is not None else None
        if mine is not None and not fits(part.program, mine):
            mine = None
        found = minimise(
            part.program, gap_absolute=gap, node_limit=nodes, start=mine, time_limit_s=self.effort.time_limit_s,
            checks=checks if part.integers > self.effort.small else None,
        )  # fmt: skip
        self.nodes += found.nodes
        if found.status == "time limit":
            self.status = "time limit"
        return found

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
        """Designs from the relaxation: joint families rounded, then the surest quarter of what is open, and so on."""
        lower, upper, x = self.lower.copy(), self.upper.copy(), relaxed
        for _ in range(DIVE_STEPS):
            between = self.held & (x > 1e-6) & (x < 1.0 - 1e-6) & (lower < upper)
            if not between.any():
                return x
            modes = np.flatnonzero(between & self.modes)
            chosen = modes if len(modes) else np.flatnonzero(between)
            chosen = chosen[np.argsort(-x[chosen], kind="stable")]
            if len(modes):
                lower[chosen] = upper[chosen] = np.round(x[chosen])
            else:
                sure = [c for c in chosen[: max(1, len(chosen) // 4)] if x[c] > 0.5] or [chosen[0]]
                lower[sure] = 1.0
            found = relax(self.program, lower, upper)
            if found is None:
                return None
            x = found
        return None

    def _bound(self, relaxed: Vector) -> float:
        """Smallest bound over the leaves of a tree on joint families, best bound first.

        A leaf is solved part by part, to the solver's root; the search ends when the leaf with the smallest bound has
        been solved, because no other leaf can change the minimum.
        """
        first = _Leaf(float(self.cost @ relaxed), 0, relaxed, self.lower, self.upper, False)
        heap, made = [first], 0
        while heap:
            leaf = heapq.heappop(heap)
            done = leaf.solved or not (self.effort.leaf_nodes or self._undecided(leaf, made))
            if done or leaf.bound >= self.value - self.gap:
                return leaf.bound
            if self._undecided(leaf, made):
                between = np.flatnonzero(self.modes & (leaf.x > 1e-6) & (leaf.x < 1.0 - 1e-6))
                column = between[np.argmin(np.abs(leaf.x[between] - 0.5))]
                for side in (0.0, 1.0):
                    low, high = leaf.lower.copy(), leaf.upper.copy()
                    low[column] = high[column] = side
                    found = relax(self.program, low, high)
                    if found is not None:
                        made += 1
                        heapq.heappush(heap, _Leaf(float(self.cost @ found), made, found, low, high, False))
                continue
            _, proven = self._solve_within(
                leaf.lower, leaf.upper, self.effort.leaf_nodes, self.best, self.effort.leaf_checks
            )
            heapq.heappush(heap, leaf._replace(bound=max(leaf.bound, proven), solved=True))
        return self.value

    def _undecided(self, leaf: _Leaf, made: int) -> bool:
        """Whether a leaf leaves a joint family half chosen and the tree may still grow."""
        return made < self.effort.leaves and bool((self.modes & (leaf.x > 1e-6) & (leaf.x < 1.0 - 1e-6)).any())
