"""How a tender is solved: small ones by branch and bound at once, large ones by bounds and search side by side."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from teikei.plan.award.exact import branch_and_bound, restricted
from teikei.plan.award.model import CompactModel, Frame, build, frame_of
from teikei.plan.award.price import objective, tidy, violations
from teikei.plan.award.types import Array, Tender

SMALL_OFFERS: Final = 250  # up to so many offers, or without tiers, branch and bound needs no help
MEDIUM_OFFERS: Final = 4_000  # up to so many, branch and bound closes what the search leaves
ROOT_ITERATIONS: Final = 600
KICKS: Final = 400

Progress = Callable[[str, float], None]


@dataclass(frozen=True)
class Outcome:
    """quantity (P,) of the best plan, None where none is known; bound: proven; details: how it was found."""

    quantity: Array | None
    bound: float
    infeasible: bool = False
    details: Mapping[str, Any] = field(default_factory=dict)


def solve(
    tender: Tender, *, deadline: float, gap: float, workers: int = 2, progress: Progress | None = None
) -> Outcome:
    """The cheapest awards of a tender that can be found and proven until ``deadline`` (time.perf_counter seconds).

    Without tiers, or up to SMALL_OFFERS offers, HiGHS proves the compact program directly. Above that a Lagrangean bound
    (relax.py) guides a local search (search.py); what is left open is closed by HiGHS from the plan found (up to
    MEDIUM_OFFERS offers) or narrowed by branching on the Lagrangean bound in a second thread (tree.py).
    The plan depends on the clock only where the deadline is reached.
    """
    say = progress or (lambda text, fraction: None)
    begin = time.perf_counter()
    frame = frame_of(tender)
    model = build(frame)
    say("model built", 0.02)
    tiered = any(len(group.low) > 1 for group in frame.groups)
    if not tiered or len(tender.unit_price) <= SMALL_OFFERS:
        solved = branch_and_bound(model, deadline=deadline, gap=min(gap, 1e-6))
        return Outcome(solved.quantity, solved.bound, solved.infeasible)
    return _Large(frame, model, begin, deadline, gap, workers, say).run()


class _Large:
    """The pipeline for tenders with tiers: bound, search, proof."""

    def __init__(
        self,
        frame: Frame,
        model: CompactModel,
        begin: float,
        deadline: float,
        gap: float,
        workers: int,
        say: Progress,
    ):
        from teikei.plan.award.relax import Lagrangean, blocks_of

        self.frame, self.model, self.begin, self.deadline = frame, model, begin, deadline
        self.gap, self.workers, self.say_to = gap, workers, say
        self.blocks = blocks_of(frame)
        self.most_on = _most_suppliers(frame)
        self.lagrangean = Lagrangean(self.blocks, ~frame.switchable, self.most_on)
        self.best: Array | None = None
        self.value = np.inf  # scaled, of the best plan
        self.bound = -np.inf  # scaled
        self.medium = len(frame.tender.unit_price) <= MEDIUM_OFFERS

    def say(self, text: str) -> None:
        spent = (time.perf_counter() - self.begin) / max(self.deadline - self.begin, 1e-9)
        self.say_to(text, min(spent, 1.0))

    def run(self) -> Outcome:
        from teikei.plan.award.tree import Tree

        first = self.lagrangean.bound(self.lagrangean.first_multiplier())
        root = self.lagrangean.ascend(first * 1.03, iterations=ROOT_ITERATIONS, deadline=self.deadline)
        self.bound = root.bound
        self.say(f"bound {self.bound * self.frame.money_unit:.6g}")
        tree = Tree(self.lagrangean, root, deadline=self.deadline)
        search = self._search(root, tree)
        solved_bound = max(self.bound, tree.bound)
        infeasible = False
        if (self.medium or self.best is None) and not self._closed(solved_bound):
            solved = branch_and_bound(
                self.model,
                deadline=self.deadline,
                gap=self.gap,
                start=self.best,
                bound=solved_bound * self.frame.money_unit,
            )
            infeasible = solved.infeasible and self.best is None
            solved_bound = max(solved_bound, solved.bound / self.frame.money_unit) if not infeasible else solved_bound
            if solved.quantity is not None:
                self._offer(solved.quantity)
        details = {"nodes": tree.nodes, "evaluations": search, "root_bound": root.bound * self.frame.money_unit}
        return Outcome(self.best, solved_bound * self.frame.money_unit, infeasible, details)

    def _search(self, root: Any, tree: Any) -> int:
        """Local search in this thread, the tree in another; returns the number of evaluations."""
        from teikei.plan.award.search import Search

        threads = 2 if self.workers > 1 else 1
        search = Search(self.frame, self.blocks, workers=threads, deadline=self.deadline, most_on=self.most_on)
        choice = search.start(root, 0.3)
        search.improve(choice, pairs=0)
        self._keep(search, choice)
        self.say(f"first plan {self.value * self.frame.money_unit:.6g}")
        other: threading.Thread | None = None
        if not self.medium and self.workers > 1 and not self._closed(root.bound):
            other = threading.Thread(
                target=tree.grow, args=(lambda: min(self.value, root.bound * 1.05), self.gap), daemon=True
            )
            other.start()
        if not self._closed(root.bound):
            improve_suppliers(search, choice, root, lambda: self._keep(search, choice))
            self.say(f"suppliers settled {self.value * self.frame.money_unit:.6g}")
            search.improve(choice, pairs=60)
            self._keep(search, choice)
            kick(search, choice, 50 if self.medium else KICKS)
            self._keep(search, choice)
            self.say(f"search ended {self.value * self.frame.money_unit:.6g}")
        search.close()
        if other is not None:
            other.join()
        elif not self.medium:
            tree.grow(lambda: min(self.value, root.bound * 1.05), self.gap)
        return int(sum(year.evaluations for year in search.years))

    def _keep(self, search: Any, choice: Any) -> None:
        """Remember a choice's awards if they are the best so far and keep every rule."""
        if search.total(choice) >= self.value - 1e-9:
            return
        awards = search.awards(choice)
        if awards is None:
            return
        frame = self.frame
        quantity = tidy(frame.tender, awards, frame.limits.lower, frame.limits.upper)
        if violations(frame.tender, quantity):
            found = restricted(self.model, quantity, deadline=time.perf_counter() + 0.25 * self._left(), gap=self.gap)
            if found is None:
                return
            quantity = found
        self._offer(quantity)

    def _offer(self, quantity: Array) -> None:
        value = objective(self.frame.tender, quantity) / self.frame.money_unit
        if value < self.value:
            self.best, self.value = quantity, value

    def _left(self) -> float:
        return max(0.0, self.deadline - time.perf_counter())

    def _closed(self, bound: float) -> bool:
        return bool(self.best is not None and bound >= self.value * (1 - self.gap))


def _most_suppliers(frame: Frame) -> int:
    """The smallest limit on the number of suppliers that speaks of the whole tender."""
    tender = frame.tender
    limits = [
        int(rule.value)
        for rule in tender.rules
        if rule.name == "max_suppliers" and rule.suppliers.all() and rule.items.all() and rule.years.all()
    ]
    return min([len(tender.suppliers), *limits])


def improve_suppliers(search: Any, choice: Any, root: Any, keep: Callable[[], None]) -> None:
    """Drop, add and swap suppliers while that pays; changes ``choice`` in place."""
    tried: set[tuple[int, int]] = set()
    improved = True
    while improved and not search.stop():
        improved = False
        for _, off, on in search.flips(choice):
            if (off, on) in tried:
                continue
            tried.add((off, on))
            new = search.flipped(choice, off, on, root)
            if search.total(new) < search.total(choice) - 1e-7:
                choice.on, choice.tiers, choice.values = new.on, new.tiers, new.values
                improved = True
                keep()
                tried = set()
                break
            if search.stop():
                break


def kick(search: Any, choice: Any, rounds: int) -> None:
    """Iterated local search year by year: two groups are moved at random (fixed seed), the year improved again."""
    rng = np.random.default_rng(1)
    for _ in range(rounds):
        at = int(rng.integers(len(search.years)))
        year = search.years[at]
        tiers = choice.tiers[at].copy()
        used = np.flatnonzero(tiers >= 0)
        for i in rng.choice(used, size=min(2, len(used)), replace=False):
            tiers[i] = int(rng.integers(search.blocks.count[year.groups[i]]))
        if search.stop():
            return
        value = year.improve(tiers, year.value(tiers), pairs=0, stop=search.stop)
        if value < choice.values[at] - 1e-9:
            choice.tiers[at], choice.values[at] = tiers, value
