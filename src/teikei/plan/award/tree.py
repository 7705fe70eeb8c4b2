"""Branching on suppliers and tiers with Lagrangean bounds: what lifts the proven bound of a large tender."""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from teikei.plan.award.relax import Lagrangean, Relaxation
from teikei.plan.award.types import Array, Flags, Ints


@dataclass(order=True)
class Node:
    """One part of the search space: suppliers fixed on or off, tiers still allowed, its bound and relaxation."""

    bound: float
    number: int
    state: Ints = field(compare=False)
    allowed: Flags = field(compare=False)
    relaxation: Relaxation = field(compare=False)


class Tree:
    """Best-first branch and bound; ``bound`` is valid at any moment, also when read from another thread."""

    def __init__(self, lagrangean: Lagrangean, root: Relaxation, *, deadline: float):
        self.lagrangean, self.deadline = lagrangean, deadline
        start = Node(root.bound, 0, lagrangean.state.copy(), lagrangean.allowed.copy(), root)
        self.open: list[Node] = [start]
        self.bound = root.bound
        self.nodes = 1
        self.sets: dict[bytes, float] = {}  # sets of suppliers that nodes suggest, and the bounds of these nodes
        self.stopped = False
        self.also_stop: Callable[[], bool] = lambda: False
        self.complete = False

    def grow(self, target: Callable[[], float], gap: float, *, iterations: int = 80, most_nodes: int = 10**9) -> None:
        """Split the weakest node until the bound reaches ``target() · (1 - gap)`` or time or ``most_nodes`` are up."""
        while self.open and not self.stopped and self.nodes < most_nodes and time.perf_counter() < self.deadline:
            if self.also_stop():
                break
            if self.bound >= target() * (1 - gap):
                break
            node = heapq.heappop(self.open)
            children = self._split(node, target() * (1 - gap), iterations)
            if children is None:  # time ran out in the middle: the node stays
                heapq.heappush(self.open, node)
                break
            for child in children:
                if child.bound < target() * (1 - gap):
                    heapq.heappush(self.open, child)
            lowest = min(self.open[0].bound if self.open else np.inf, target() * (1 - gap))
            self.bound = max(self.bound, lowest)
        self.complete = not self.open

    def _split(self, node: Node, target: float, iterations: int) -> list[Node] | None:
        relaxation = node.relaxation
        weight = np.where(node.state == -1, np.minimum(relaxation.supplier_weight, 1 - relaxation.supplier_weight), 0.0)
        score = weight * (self.lagrangean.blocks.activation + 1e-9)
        s = int(np.argmax(score))
        branches: list[tuple[Ints, Flags]] = []
        if weight[s] > 0.02:
            for on in (0, 1):
                state = node.state.copy()
                state[s] = on
                branches.append((state, node.allowed))
        else:
            found = self._tier_branch(node)
            if found is None:
                return self._again(node, target, iterations)
            g, r = found
            for keep in (np.arange(node.allowed.shape[1]) <= r, np.arange(node.allowed.shape[1]) > r):
                allowed = node.allowed.copy()
                allowed[g] &= keep
                branches.append((node.state, allowed))
        children = []
        for state, allowed in branches:
            child = self._solve(node, state, allowed, target, iterations)
            if child is None:
                return None
            children.append(child)
        return children

    def _tier_branch(self, node: Node) -> tuple[int, int] | None:
        """The group whose tier is least settled, weighed by the spread of its tiers' values, and where to cut."""
        weight = np.where(node.allowed, node.relaxation.tier_weight, 0.0)
        total = weight.sum(axis=1)
        settled = weight.max(axis=1)
        open_weight = np.where(node.allowed.sum(axis=1) > 1, total - settled, 0.0)
        blocks = self.lagrangean.blocks
        size = np.add.reduceat(blocks.upper * blocks.price, blocks.start[:-1])
        score = open_weight * size
        g = int(np.argmax(score))
        if open_weight[g] < 1e-3:
            return None
        left = np.cumsum(weight[g])
        last = int(np.flatnonzero(node.allowed[g])[-1])
        cut = int(np.argmin(np.abs(left - total[g] / 2)))
        choices = np.flatnonzero(node.allowed[g])
        choices = choices[choices < last]
        return g, int(choices[np.argmin(np.abs(choices - cut))])

    def _again(self, node: Node, target: float, iterations: int) -> list[Node] | None:
        """Nothing left to branch on by weight: the node's own bound is pressed on."""
        child = self._solve(node, node.state, node.allowed, target, iterations * 4)
        if child is None or child.bound <= node.bound + 1e-9 * abs(node.bound):
            self.stopped = True
            return [node]
        return [child]

    def _solve(self, node: Node, state: Ints, allowed: Flags, target: float, iterations: int) -> Node | None:
        if time.perf_counter() > self.deadline:
            return None
        self.lagrangean.state, self.lagrangean.allowed = state, allowed
        relaxation = self.lagrangean.ascend(
            target,
            iterations=iterations,
            deadline=self.deadline,
            start=node.relaxation.multiplier,
            step=0.02,
            enough=target,
        )
        self.nodes += 1
        multiplier: Array = relaxation.multiplier
        if relaxation.bound < target and self.lagrangean.most_on >= len(state):  # see _fix
            state, allowed = self._fix(multiplier, state, allowed, target)
        bound = max(node.bound, relaxation.bound)
        on = (state == 1) | ((state == -1) & (relaxation.supplier_weight > 0.5))
        key = on.tobytes()
        self.sets[key] = min(bound, self.sets.get(key, bound))
        kept = Relaxation(
            multiplier,
            bound,
            relaxation.tier_weight,
            relaxation.supplier_weight,
            relaxation.award[:0],
            relaxation.step,
        )
        return Node(bound, self.nodes, state, allowed, kept)

    def _fix(self, multiplier: Array, state: Ints, allowed: Flags, target: float) -> tuple[Ints, Flags]:
        """Suppliers and tiers that no plan below ``target`` can have, by reduced costs at the multipliers.

        Forcing a decision raises the bound by at least its reduced cost, as suppliers stand apart in the relaxation.
        """
        lagrangean, blocks = self.lagrangean, self.lagrangean.blocks
        room = target - lagrangean.bound(multiplier)
        if room <= 0:
            return state, allowed
        value = np.where(allowed, lagrangean.value, np.inf)
        best = value.min(axis=1)
        whole = blocks.activation + np.bincount(blocks.supplier, best, len(blocks.activation))
        free = state == -1
        if ((whole < 0) & free).sum() + (state == 1).sum() < lagrangean.least_on:
            return state, allowed  # the least number of suppliers binds: they do not stand apart
        fixed = state.copy()
        fixed[free & (whole >= room)] = 0
        fixed[free & (-whole >= room)] = 1
        extra = np.where(free, np.maximum(whole, 0.0), 0.0)[blocks.supplier]
        keep = value - best[:, None] + extra[:, None] < room
        keep |= (value == best[:, None]) | (fixed[blocks.supplier] == 0)[:, None]
        return fixed, allowed & keep
