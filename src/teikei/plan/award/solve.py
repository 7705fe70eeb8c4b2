"""How a tender is solved: small ones by branch and bound at once, large ones by bounds and search side by side."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np

from teikei.plan.award.cover import most_suppliers
from teikei.plan.award.exact import branch_and_bound, demand_duals
from teikei.plan.award.model import CompactModel, Frame, build, frame_of, whole_tender
from teikei.plan.award.price import objective, tidy, violations
from teikei.plan.award.repair import repair, without_decisions
from teikei.plan.award.settle import settle
from teikei.plan.award.terms import Terms
from teikei.plan.award.types import Array, Tender

SMALL_OFFERS: Final = 250  # up to so many offers, or without tiers, branch and bound needs no help
MEDIUM_OFFERS: Final = 4_000  # up to so many, branch and bound closes what the search leaves
ROOT_ITERATIONS: Final = 600
KICKS: Final = 50  # random moves after each local optimum
TREE_NODES: Final = 8_000
PATIENCE_S: Final = 3.0
PLAIN_PART: Final = 0.4  # of the time, for the plan without further terms that a large tender with them starts from
PLAIN_GAP: Final = 2e-3

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

    Without tiers, or up to SMALL_OFFERS offers, HiGHS proves the compact program directly. Above that a
    Lagrangean bound (relax.py) guides a local search (search.py, suppliers.py), while a second thread branches on the
    bound (tree.py); up to MEDIUM_OFFERS offers, HiGHS closes what is then left, from the plan found.
    The plan depends on the clock only where the deadline is reached.
    """
    say = progress or _silent
    begin = time.perf_counter()
    if tender.terms:
        return _solve_with_terms(tender, deadline=deadline, gap=gap, workers=workers, say=say)
    frame = frame_of(tender)
    model = build(frame)
    say("model built", 0.02)
    tiered = any(len(group.low) > 1 for group in frame.groups)
    if not tiered or len(tender.unit_price) <= SMALL_OFFERS:
        solved = branch_and_bound(model, deadline=deadline, gap=min(gap, 1e-6))
        return Outcome(solved.quantity, solved.bound, solved.infeasible)
    return _Large(frame, model, begin=begin, deadline=deadline, gap=gap, workers=workers, say=say).run()


def _solve_with_terms(tender: Tender, *, deadline: float, gap: float, workers: int, say: Progress) -> Outcome:
    """Tenders with further terms: HiGHS on the compact program with their rows.

    Large ones start from the plan of the same tender without these terms (capacity as it is, else expanded), found in
    a part of the time; its cost with the terms is computed exactly.
    """
    from teikei.plan.award.terms_model import build_with_terms

    best: Array | None = None
    if len(tender.unit_price) > SMALL_OFFERS:
        for capacity in (tender.capacity, tender.capacity_limit):
            plain = replace(tender, terms=Terms(), capacity=capacity)
            until = time.perf_counter() + PLAIN_PART * (deadline - time.perf_counter())
            found = solve(plain, deadline=until, gap=max(gap, PLAIN_GAP), workers=workers, progress=say)
            if found.quantity is not None and not violations(tender, found.quantity):
                best = found.quantity
                break
    made = build_with_terms(frame_of(tender))
    say("model with further terms built", 0.5)
    solved = branch_and_bound(made.model, deadline=deadline, gap=gap, start=best, further=made.start)
    quantity = solved.quantity
    if best is not None and (quantity is None or objective(tender, best) < objective(tender, quantity)):
        quantity = best
    return Outcome(quantity, solved.bound, solved.infeasible and quantity is None)


def _silent(text: str, fraction: float) -> None:
    """Progress for nobody."""


class _Large:
    """The pipeline for tenders with tiers: bound, search, proof."""

    def __init__(
        self,
        frame: Frame,
        model: CompactModel,
        *,
        begin: float,
        deadline: float,
        gap: float,
        workers: int,
        say: Progress,
    ):
        from teikei.plan.award.relax import Lagrangean, blocks_of

        self.frame, self.model, self.begin, self.deadline = frame, model, begin, deadline
        self.gap, self.workers, self.say_to = (
            gap * 0.999,
            workers,
            say,
        )  # so that rounding leaves the gap within ``gap``
        self.blocks = blocks_of(frame)
        self.most_on = most_suppliers(frame.tender)
        self.lagrangean = Lagrangean(self.blocks, ~frame.switchable, self.most_on)
        self.best: Array | None = None
        self.impossible = False
        self.start = np.zeros(len(self.blocks.demand))  # first price of a unit of each demand
        self.value = np.inf  # scaled, of the best plan
        self.bound = -np.inf  # scaled
        limits = frame.limits
        self.special = bool(limits.switched.any() or limits.counted.any())
        self.special |= any(rule.name == "max_suppliers" and not whole_tender(rule) for rule in frame.tender.rules)
        self.medium = len(frame.tender.unit_price) <= MEDIUM_OFFERS

    def say(self, text: str) -> None:
        spent = (time.perf_counter() - self.begin) / max(self.deadline - self.begin, 1e-9)
        self.say_to(text, min(spent, 1.0))

    def run(self) -> Outcome:
        from teikei.plan.award.tree import Tree

        if not self._plain_plan():
            return Outcome(None, np.inf, infeasible=True)
        first = self.lagrangean.bound(self.start)
        target = self.value if self.best is not None else first * 1.05
        root = self.lagrangean.ascend(
            target, iterations=ROOT_ITERATIONS, deadline=self.deadline, start=self.start, enough=self.value
        )
        self.bound = root.bound
        self.say(f"bound {self.bound * self.frame.money_unit:.6g}")
        tree = Tree(self.lagrangean, root, deadline=self.deadline)
        search = self._search(root, tree) if self._left() > 0 else 0
        if self.impossible:
            return Outcome(None, np.inf, infeasible=True)
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

    def _plain_plan(self) -> bool:
        """A first plan by list prices alone (no tiers, no activation); False if even that has none.

        Its duals are the first prices of demand for the bound. It may outlast a very short limit: a plan that comes
        late is worth more than none.
        """
        tender = self.frame.tender
        model = build(frame_of(without_decisions(tender)))
        patient = max(self.deadline, time.perf_counter() + PATIENCE_S)
        duals = demand_duals(model, deadline=patient)
        if duals is None:
            return False
        blocks = self.blocks
        self.start = duals * float(np.mean(blocks.factor[np.arange(len(blocks.count)), (blocks.count - 1) // 2]))
        solved = branch_and_bound(model, deadline=patient, gap=0.01)
        if solved.quantity is not None and not violations(tender, solved.quantity):
            self._offer(solved.quantity)
        self.say(f"plan by list prices {self.value * self.frame.money_unit:.6g}")
        return not solved.infeasible

    def _search(self, root: Any, tree: Any) -> int:
        """Local search in this thread, the tree in another; returns the number of evaluations."""
        from teikei.plan.award.search import Search
        from teikei.plan.award.suppliers import SupplierSets, improve_suppliers, kick, restart

        threads = 2 if self.workers > 1 else 1
        search = Search(self.frame, self.blocks, workers=threads, deadline=self.deadline, most_on=self.most_on)
        sets = SupplierSets(
            self.frame.tender,
            self.blocks,
            self.frame.switchable,
            root,
            most_on=self.most_on,
            workers=threads,
            deadline=self.begin + 0.3 * (self.deadline - self.begin),
        )
        suppliers = sets.first()
        if suppliers is None:
            self.impossible = True
            return 0
        choice = search.start(root, suppliers)
        search.improve(choice, pairs=0)
        self._keep(search, choice)
        self.say(f"first plan {self.value * self.frame.money_unit:.6g}")
        other: threading.Thread | None = None

        def grow() -> None:
            tree.grow(lambda: min(self.value, root.bound * 1.05), self.gap, most_nodes=TREE_NODES)

        if self.workers > 1 and not self._closed(root.bound):
            other = threading.Thread(target=grow, daemon=True)
            other.start()
        if not self._closed(root.bound):
            sets.deadline = self.deadline
            improve_suppliers(search, choice, sets, lambda: None if self.special else self._keep(search, choice))
            self._keep(search, choice)
            self.say(f"suppliers settled {self.value * self.frame.money_unit:.6g}")
            pairs, most = (600, 20) if self.medium else (60, 8)
            search.improve(choice, pairs=pairs)
            kick(search, choice, KICKS)
            self._keep(search, choice)
            proven = self.value * (1 - self.gap)
            restart(search, choice, sets, most=most, pairs=pairs, kicks=KICKS, proven=proven)
            self._keep(search, choice)
            self.say(f"search ended {self.value * self.frame.money_unit:.6g}")
        search.close()
        if other is not None:
            other.join()
        else:
            grow()
        return int(sum(year.evaluations for year in search.years))

    def _keep(self, search: Any, choice: Any) -> None:
        """Remember a choice's awards if they are the best so far and keep every rule."""
        if search.total(choice) >= self.value - 1e-9:
            return
        awards = search.awards(choice)
        if awards is None:
            return
        frame = self.frame
        quantity = settle(frame.tender, tidy(frame.tender, awards, frame.limits.lower, frame.limits.upper))
        if violations(frame.tender, quantity):
            deadline = time.perf_counter() + 0.4 * self._left()
            found = repair(frame.tender, quantity, deadline=deadline, gap=self.gap)
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
