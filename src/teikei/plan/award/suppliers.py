"""Which suppliers to use at all: sets of suppliers ranked by their Lagrangean bounds, the best of them searched."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from teikei.plan.award.cover import cover, least_sources
from teikei.plan.award.relax import Blocks, Lagrangean, Relaxation
from teikei.plan.award.search import Choice, Search
from teikei.plan.award.tree import Tree
from teikei.plan.award.types import Flags, Tender

ITERATIONS = 30
MOVES_RANKED = 30
TRIED_PER_ROUND = 8
WORTH_PAIRS = 2e-3  # a start worse than the best plan by more than this is left after single moves
GAIN = 1e-7


class SupplierSets:
    """Lagrangean bounds of the tender with exactly one set of suppliers switched on; bounds are remembered."""

    def __init__(
        self,
        tender: Tender,
        blocks: Blocks,
        switchable: Flags,
        root: Relaxation,
        *,
        most_on: int,
        workers: int,
        deadline: float,
    ):
        self.tender = tender
        self.blocks, self.switchable, self.root = blocks, switchable, root
        self.most_on, self.deadline = most_on, deadline
        self.workers = max(1, min(workers, 2))
        self.lagrangeans = [Lagrangean(blocks, ~switchable) for _ in range(self.workers)]
        self.known: dict[bytes, float] = {}
        # At one price of demand suppliers stand apart: what each one saves (below 0) or costs by itself.
        best = self.lagrangeans[0].tier_values(root.multiplier).min(axis=1)
        self.worth = blocks.activation + np.bincount(blocks.supplier, best, len(switchable))
        self.sources = least_sources(tender)  # least number of suppliers of each item and year (K · T,)
        self.owner = np.repeat(blocks.supplier, np.diff(blocks.start))
        last = blocks.high[np.arange(len(blocks.count)), blocks.count - 1] * blocks.unit
        self.capacity = np.zeros((len(switchable), blocks.years))  # what each supplier can deliver in each year
        np.add.at(self.capacity, (blocks.supplier, blocks.year), last)
        self.wanted = tender.demand.sum(axis=0)

    def first(self) -> Flags | None:
        """The best set found by adding, dropping and swapping single suppliers, judged by bounds alone.

        None where no set of so many suppliers can cover the demand: then the tender has no plan.
        """
        weight = self.root.supplier_weight
        on: Flags = (weight > 0.5) | ~self.switchable
        if on.sum() > self.most_on:
            on = np.zeros_like(on)
            on[np.argsort(-weight, kind="stable")[: self.most_on]] = True
        if not self.covers(on):
            seconds = max(0.5, self.deadline - time.perf_counter())
            cost = self.worth - min(0.0, float(self.worth.min())) + 1e-3 * float(np.abs(self.worth).max())
            found = cover(self.tender, cost / float(cost.max()), seconds=seconds)
            if found.impossible:
                return None
            on = np.ones_like(on) if found.suppliers is None else found.suppliers | ~self.switchable
        value = self.bounds([on])[0]
        while time.perf_counter() < self.deadline:
            flips = self._neighbours(on, swaps=False)
            values = self.bounds(flips)
            if not values or min(values) >= value - GAIN:
                flips = self._neighbours(on, swaps=True)
                values = self.bounds(flips)
            if not values or min(values) >= value - GAIN:
                break
            at = int(np.argmin(values))
            on, value = flips[at], values[at]
        return on

    def bounds(self, sets: Sequence[Flags]) -> list[float]:
        """Bound (scaled, activation included) of each set."""
        fresh = [on for on in {on.tobytes(): on for on in sets}.values() if on.tobytes() not in self.known]
        parts = [fresh[i :: self.workers] for i in range(self.workers)]

        def work(part: list[Flags], lagrangean: Lagrangean) -> list[float]:
            return [self._bound(on, lagrangean) for on in part]

        if self.workers == 1 or len(fresh) < 2:
            results = [work(part, self.lagrangeans[i]) for i, part in enumerate(parts)]
        else:
            with ThreadPoolExecutor(self.workers) as pool:
                results = list(pool.map(work, parts, self.lagrangeans))
        for part, values in zip(parts, results, strict=True):
            for on, value in zip(part, values, strict=True):
                self.known[on.tobytes()] = value
        return [self.known[on.tobytes()] for on in sets]

    def covers(self, on: Flags) -> bool:
        """Whether a set of suppliers can deliver every item by itself, and every year as a whole."""
        supply = np.bincount(self.blocks.cell, self.blocks.upper * on[self.owner], len(self.blocks.demand))
        enough = (supply >= self.blocks.demand * (1 - 1e-9)).all()
        counted = np.bincount(self.blocks.cell, (self.blocks.upper > 0) * on[self.owner], len(self.blocks.demand))
        enough = enough and (counted >= self.sources).all()
        return bool(enough and (self.capacity[on].sum(axis=0) >= self.wanted * (1 - 1e-9)).all())

    def _bound(self, on: Flags, lagrangean: Lagrangean) -> float:
        if not self.covers(on):
            return np.inf
        lagrangean.state = on.astype(np.int64)
        guess = self.root.bound * 1.003
        found = lagrangean.ascend(
            guess, iterations=ITERATIONS, deadline=self.deadline, start=self.root.multiplier, step=0.05
        )
        return found.bound if np.isfinite(found.bound) else np.inf

    def _neighbours(self, on: Flags, *, swaps: bool) -> list[Flags]:
        free = np.flatnonzero(self.switchable)
        weight = self.root.supplier_weight
        found = []
        used, idle = [s for s in free if on[s]], [s for s in free if not on[s]]
        if swaps:
            used = sorted(used, key=lambda s: weight[s])[:8]
            idle = sorted(idle, key=lambda s: -weight[s])[:5]
            pairs = [(s, z) for s in used for z in idle]
        else:
            pairs = [(s, s) for s in free if on[s] or on.sum() < self.most_on]
            pairs = sorted(pairs, key=lambda pair: -self.worth[pair[0]] if on[pair[0]] else self.worth[pair[0]])
            pairs = pairs[:MOVES_RANKED]
        for s, z in pairs:
            other = on.copy()
            other[s] = not other[s]
            if z != s:
                other[z] = not other[z]
            if other.any():
                found.append(other)
        return found


def improve_suppliers(search: Search, choice: Choice, sets: SupplierSets, keep: Callable[[], None]) -> None:
    """Drop, add and swap suppliers while that pays, in the order of their bounds; changes ``choice`` in place."""
    tried: set[bytes] = set()
    improved = True
    while improved and not search.stop():
        improved = False
        moves = []
        for _, off, on in search.flips(choice)[:MOVES_RANKED]:
            flags = choice.on.copy()
            if off >= 0:
                flags[off] = False
            if on >= 0:
                flags[on] = True
            if flags.tobytes() not in tried:
                moves.append((flags, off, on))
        if search.plain:  # without tiers, the duals of the plan rank the moves well enough
            values = [search.total(choice) - GAIN if sets.covers(flags) else np.inf for flags, _, _ in moves]
        else:
            values = sets.bounds([flags for flags, _, _ in moves])
        order = np.argsort(values, kind="stable")[:TRIED_PER_ROUND]
        for flags, off, on in (moves[i] for i in order if values[i] < search.total(choice)):
            if search.stop():
                return
            tried.add(flags.tobytes())
            new = search.flipped(choice, off, on, sets.root)
            if search.total(new) < search.total(choice) - GAIN:
                choice.on, choice.tiers, choice.values = new.on, new.tiers, new.values
                improved = True
                keep()
                break


def follow(search: Search, choice: Choice, sets: SupplierSets, tree: Tree, done: Callable[[], bool]) -> None:
    """Try the sets of suppliers that the tree's nodes suggest, the weakest node first, while it grows; changes
    ``choice`` in place where one is better."""
    tried = {choice.on.tobytes()}
    while not search.stop():
        fresh = [(value, key) for key, value in list(tree.sets.items()) if key not in tried]
        fresh = [(value, key) for value, key in fresh if value < search.total(choice)]
        if not fresh:
            if done():
                return
            time.sleep(0.05)
            continue
        _, key = min(fresh)
        tried.add(key)
        on = np.frombuffer(key, dtype=np.bool_).copy()
        for s in np.argsort(sets.worth, kind="stable"):
            if sets.covers(on):
                break
            on[s] = True
        new = search.start(sets.root, on)
        if search.total(new) < search.total(choice) * (1 + WORTH_PAIRS):
            improve_suppliers(search, new, sets, lambda: None)
        if search.total(new) < search.total(choice) - GAIN:
            choice.on, choice.tiers, choice.values = new.on, new.tiers, new.values


def restart(
    search: Search, choice: Choice, sets: SupplierSets, *, most: int, pairs: int, kicks: int, proven: float
) -> None:
    """Search again from the other promising sets of suppliers; changes ``choice`` in place where one is better.

    proven: sets whose bound reaches this value cannot lead to a better plan. most: sets to try.
    """
    start = choice.on.tobytes()
    ranked = sorted((value, key) for key, value in sets.known.items() if key != start and value < proven)
    for value, key in ranked[:most]:
        if search.stop() or value >= search.total(choice):
            return
        new = search.start(sets.root, np.frombuffer(key, dtype=np.bool_).copy())
        search.improve(new, pairs=0)
        if search.total(new) > search.total(choice) * (1 + WORTH_PAIRS):
            continue
        search.improve(new, pairs=pairs)
        kick(search, new, kicks)
        if search.total(new) < search.total(choice) - GAIN:
            choice.on, choice.tiers, choice.values = new.on, new.tiers, new.values


def kick(search: Search, choice: Choice, rounds: int) -> None:
    """Iterated local search year by year: two groups are moved at random (fixed seed), the year improved again."""
    rng = np.random.default_rng(1)
    for _ in range(rounds):
        if search.stop():
            return
        at = int(rng.integers(len(search.years)))
        year = search.years[at]
        tiers = choice.tiers[at].copy()
        used = np.flatnonzero(tiers >= 0)
        for i in rng.choice(used, size=min(2, len(used)), replace=False):
            tiers[i] = int(rng.integers(search.blocks.count[year.groups[i]]))
        value = year.improve(tiers, year.value(tiers), pairs=0, stop=search.stop)
        if value < choice.values[at] - GAIN:
            choice.tiers[at], choice.values[at] = tiers, value
