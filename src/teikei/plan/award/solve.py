"""How a tender is solved: bounds and search on one side, branch and bound from the start beside them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np

from teikei.plan.award.cover import most_suppliers
from teikei.plan.award.exact import branch_and_bound, demand_duals
from teikei.plan.award.limits import share_rows
from teikei.plan.award.model import Frame, build, frame_of, whole_tender
from teikei.plan.award.price import objective, tidy, violations
from teikei.plan.award.race import CLOSE, Racer, prove
from teikei.plan.award.repair import repair, without_decisions
from teikei.plan.award.settle import settle
from teikei.plan.award.terms import Terms
from teikei.plan.award.types import Array, Tender

SMALL_OFFERS: Final = 250  # up to so many offers branch and bound needs no plan to start from
PAIR_OFFERS: Final = 600  # up to so many, it runs in two scalings side by side from a quickly found plan
MEDIUM_OFFERS: Final = 4_000  # up to so many, branch and bound has as much of the processors as the search
ROOT_ITERATIONS: Final = 600
KICKS: Final = 50  # random moves after each local optimum
TREE_NODES: Final = 8_000
PATIENCE_S: Final = 3.0
PLAIN_PART: Final = 0.4  # of the time, for the plan without further terms that a large tender with them starts from
PLAIN_GAP: Final = 2e-3

Progress = Callable[[str, float], None]


@dataclass(frozen=True)
class Outcome:
    """quantity (P,) of the best plan, None where none is known; bound: proven; second: the bound of a second opinion,
    in another scaling or by another method (minus infinity where there is none); details: how it was found."""

    quantity: Array | None
    bound: float
    infeasible: bool = False
    details: Mapping[str, Any] = field(default_factory=dict)
    second: float = -np.inf


def solve(
    tender: Tender,
    *,
    deadline: float,
    gap: float,
    workers: int = 2,
    progress: Progress | None = None,
    second: bool = True,
) -> Outcome:
    """The cheapest awards of a tender that can be found and proven until ``deadline`` (time.perf_counter seconds).

    Up to SMALL_OFFERS offers, HiGHS proves the compact program directly, and a second time in another scaling where the
    first claims an optimum (``second``). Up to PAIR_OFFERS both scalings run side by side from a plan that the search
    finds at once. Above that a Lagrangean bound (relax.py) guides a local search (search.py, suppliers.py), a second
    thread branches on the bound (tree.py), and HiGHS runs beside them from the start; whoever closes the gap ends it.
    Up to PAIR_OFFERS the plan depends on the clock only where the deadline is reached, or between plans of equal cost.
    """
    say = progress or _silent
    begin = time.perf_counter()
    offers = len(tender.unit_price)
    pair = workers > 1 and second and offers > SMALL_OFFERS
    if tender.for_branching:
        start = _plain_start(tender, deadline, gap, workers, say) if offers > SMALL_OFFERS else None
        say("plan without further terms", 0.5)
    elif offers <= SMALL_OFFERS:
        start = None
    else:
        race = _Large(frame_of(tender), begin=begin, deadline=deadline, gap=gap, workers=workers, say=say)
        if offers > PAIR_OFFERS:
            return race.run()
        if not race.quick():
            return Outcome(None, np.inf, infeasible=True)
        start = race.best
    proof = prove(tender, deadline=deadline, gap=gap, start=start, side_by_side=pair, second=second)
    quantity = proof.quantity
    if start is not None and (quantity is None or objective(tender, start) < objective(tender, quantity)):
        quantity = start
    return Outcome(quantity, proof.bound, proof.infeasible and quantity is None, second=proof.second)


def _plain_start(tender: Tender, deadline: float, gap: float, workers: int, say: Progress) -> Array | None:
    """A plan of the tender without its further terms (capacity as it is, else expanded) that keeps them, found in a
    part of the time; None where none does."""
    for capacity in (tender.capacity, tender.capacity_limit):
        plain = replace(tender, terms=Terms(), capacity=capacity, order_multiple=np.zeros(0), overbuying=False)
        until = time.perf_counter() + PLAIN_PART * (deadline - time.perf_counter())
        found = solve(plain, deadline=until, gap=max(gap, PLAIN_GAP), workers=workers, progress=say, second=False)
        if found.quantity is not None and not violations(tender, found.quantity):
            return found.quantity
    return None


def _silent(text: str, fraction: float) -> None:
    """Progress for nobody."""


class _Large:
    """The search: bound, suppliers, tiers; and its race with branch and bound."""

    def __init__(self, frame: Frame, *, begin: float, deadline: float, gap: float, workers: int, say: Progress):
        from teikei.plan.award.relax import Lagrangean, blocks_of, fewest_suppliers

        self.frame, self.begin, self.deadline = frame, begin, deadline
        self.gap = gap * 0.999  # so that rounding leaves the gap within ``gap``
        self.workers, self.say_to = workers, say
        self.blocks = blocks_of(frame)
        self.most_on = most_suppliers(frame.tender)
        fewest = fewest_suppliers(frame.tender, frame.limits.upper)
        self.lagrangean = Lagrangean(self.blocks, ~frame.switchable, self.most_on, min(fewest, self.most_on))
        self.best: Array | None = None
        self.impossible = False
        self.start = np.zeros(len(self.blocks.demand))  # first price of each demand
        self.value = np.inf  # scaled, of the best plan
        self.bound = -np.inf  # scaled
        limits = frame.limits
        self.special = bool(limits.switched.any() or limits.counted.any())
        self.special |= any(rule.name == "max_suppliers" and not whole_tender(rule) for rule in frame.tender.rules)
        self.special |= any(row.years > 1 for row in share_rows(frame.tender))
        self.medium = len(frame.tender.unit_price) <= MEDIUM_OFFERS
        self.racer: Racer | None = None

    def say(self, text: str) -> None:
        spent = (time.perf_counter() - self.begin) / max(self.deadline - self.begin, 1e-9)
        self.say_to(text, min(spent, 1.0))

    def quick(self) -> bool:
        """A first good plan, without kicks and restarts; False where the tender has none."""
        if not self._plain_plan():
            return False
        root = self._root()
        if self._left() > 0:
            self._search(root, None)
        return not self.impossible

    def run(self) -> Outcome:
        """Search and branch and bound side by side until one of them closes the gap or time is up."""
        from teikei.plan.award.tree import Tree

        tender, unit = self.frame.tender, self.frame.money_unit
        if self.workers > 1:
            gentle = not self.medium
            self.racer = Racer(tender, deadline=self.deadline, gap=min(self.gap, CLOSE), gentle=gentle)
        if not self._plain_plan():
            if self.racer is not None:
                self.racer.stop()
            return Outcome(None, np.inf, infeasible=True)
        root = self._root()
        self.say(f"bound {self.bound * unit:.6g}")
        tree = Tree(self.lagrangean, root, deadline=self.deadline)
        search = self._search(root, tree) if self._left() > 0 else 0
        if self.impossible:
            if self.racer is not None:
                self.racer.stop()
            return Outcome(None, np.inf, infeasible=True)
        lagrangean = max(self.bound, tree.bound)
        if self.racer is None and (self.medium or self.best is None) and not self._closed(lagrangean):
            self.racer = Racer(tender, deadline=self.deadline, gap=self.gap, start=self.best)
        details = {"nodes": tree.nodes, "evaluations": search, "root_bound": root.bound * unit}
        if self.racer is None:
            return Outcome(self.best, lagrangean * unit, details=details)
        claimed = self.best is not None and lagrangean >= self.value * (1 - CLOSE)
        spent = time.perf_counter() - self.begin  # a second opinion may take as long as the first
        until = min(self.deadline, time.perf_counter() + spent) if claimed else self.deadline
        racer = self.racer
        racer.wait(
            until,
            lambda: (not claimed and self._closed(lagrangean)) or self._closed(racer.bound / unit),
        )
        solved = racer.stop()
        if solved.quantity is not None:
            self._offer(solved.quantity)
        if self.best is None:
            return Outcome(None, np.inf, solved.infeasible, details)
        bounds = [lagrangean * unit, racer.bound if not solved.infeasible else -np.inf]
        kept = sorted(one if one <= self.value * unit * (1 + CLOSE) else -np.inf for one in bounds)
        if kept[1] >= self.value * unit * (1 - CLOSE) and not self._closed(kept[0] / unit) and not claimed:
            kept[0] = max(kept[0], self._again())
        return Outcome(self.best, kept[1], details=details, second=kept[0])

    def _again(self) -> float:
        """The bound of branch and bound in another scaling, where the first one claims an optimum."""
        from teikei.plan.award.race import solve_program

        found = solve_program(self.frame.tender, deadline=self.deadline, gap=self.gap, by_demand=True, start=self.best)
        return found.bound if not found.infeasible else -np.inf

    def _root(self) -> Any:
        first = self.lagrangean.bound(self.start)
        target = self.value if self.best is not None else first * 1.05
        root = self.lagrangean.ascend(
            target, iterations=ROOT_ITERATIONS, deadline=self.deadline, start=self.start, enough=self.value
        )
        self.bound = root.bound
        return root

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
        """Local search in this thread, the tree (None: none wanted) in another; returns the number of evaluations."""
        from teikei.plan.award.search import Search
        from teikei.plan.award.suppliers import SupplierSets, follow, improve_suppliers, kick, restart

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
        if tree is None:
            improve_suppliers(search, choice, sets, lambda: None)
            search.improve(choice, pairs=60)
            self._keep(search, choice)
            search.close()
            return 0
        if self.racer is not None:
            racer = self.racer
            search.also_stop = lambda: racer.finished
            tree.also_stop = search.also_stop
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
            if search.plain:
                follow(search, choice, sets, tree, lambda: other is None or not other.is_alive())
                self._keep(search, choice)
            pairs, most = (600, 20) if self.medium else (60, 8)
            search.improve(choice, pairs=pairs)
            if not search.plain:
                kick(search, choice, KICKS)
            self._keep(search, choice)
            proven = self.value * (1 - self.gap)
            if not search.plain:
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
