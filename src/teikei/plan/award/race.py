"""Branch and bound in threads of their own: beside the search, and twice in two scalings for a second opinion."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from teikei.plan.award.exact import Solved, Watch, branch_and_bound
from teikei.plan.award.model import frame_of
from teikei.plan.award.price import objective
from teikei.plan.award.terms_model import build_with_terms
from teikei.plan.award.types import Array, Tender

CLOSE = 1e-6  # a relative gap that counts as none
TURN_S = 0.02


class Racer:
    """HiGHS on the compact program of a tender, further terms included, in a thread of its own.

    by_demand: the other scaling. start: awards of a known plan (P,). gentle: give way to other threads.
    """

    def __init__(
        self,
        tender: Tender,
        *,
        deadline: float,
        gap: float,
        by_demand: bool = False,
        start: Array | None = None,
        gentle: bool = False,
    ):
        self.watch = Watch()
        self.solved: Solved | None = None
        self.failure: BaseException | None = None

        def work() -> None:
            if gentle and hasattr(os, "setpriority"):
                os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 10)
            try:
                self.solved = solve_program(
                    tender, deadline=deadline, gap=gap, by_demand=by_demand, start=start, watch=self.watch
                )
            except Exception as error:  # raised again in the thread that asks
                self.failure = error

        self.thread = threading.Thread(target=work, daemon=True)
        self.thread.start()

    @property
    def finished(self) -> bool:
        """Whether nothing is left to search within the gap, or no plan exists."""
        return self.solved is not None and self.solved.finished

    @property
    def bound(self) -> float:
        """The bound proven so far, in the money of the tender."""
        return self.watch.bound if self.solved is None else max(self.solved.bound, self.watch.bound)

    def wait(self, until: float, enough: Callable[[], bool]) -> None:
        """Wait until it ends, time is up (time.perf_counter seconds) or it is enough."""
        while self.thread.is_alive() and time.perf_counter() < until and not enough():
            self.thread.join(TURN_S)
        if self.failure is not None:
            raise self.failure

    def stop(self) -> Solved:
        """End it; what it has found by then."""
        self.watch.stop = True
        self.thread.join()
        if self.failure is not None:
            raise self.failure
        return self.solved if self.solved is not None else Solved(None, self.watch.bound, finished=False)


def solve_program(
    tender: Tender,
    *,
    deadline: float,
    gap: float,
    by_demand: bool = False,
    start: Array | None = None,
    watch: Watch | None = None,
) -> Solved:
    """HiGHS on the compact program of a tender with its further terms."""
    made = build_with_terms(frame_of(tender, by_demand=by_demand))
    return branch_and_bound(made.model, deadline=deadline, gap=gap, start=start, further=made.start, watch=watch)


@dataclass(frozen=True)
class Proof:
    """The best plan (P,) of two scalings, the bound of the first and that of the second opinion (money)."""

    quantity: Array | None
    bound: float
    second: float
    infeasible: bool


def prove(
    tender: Tender, *, deadline: float, gap: float, start: Array | None, side_by_side: bool, second: bool = True
) -> Proof:
    """The tender by HiGHS in one scaling, and its bound once more in another.

    side_by_side: both at once, on two processors; else the second only where the first claims an optimum. second:
    False where no second opinion is wanted.
    """
    if side_by_side:
        racers = [
            Racer(tender, deadline=deadline, gap=min(gap, CLOSE), by_demand=by_demand, start=start)
            for by_demand in (False, True)
        ]
        while not any(one.finished for one in racers) and any(one.thread.is_alive() for one in racers):
            racers[0].wait(deadline + 1.0, lambda: racers[1].finished or not racers[1].thread.is_alive())
            if not racers[0].thread.is_alive():
                racers[1].wait(deadline + 1.0, lambda: racers[0].finished)
        ready = [one for one in racers if one.finished]
        if len(ready) == 1:
            value = _value(tender, ready[0].solved)
            other = racers[1] if ready[0] is racers[0] else racers[0]
            other.wait(deadline, lambda: other.bound >= value * (1 - max(gap, CLOSE)) and np.isfinite(value))
        return _judge(tender, [one.stop() for one in racers])
    first = solve_program(tender, deadline=deadline, gap=min(gap, CLOSE), start=start)
    if not second or not first.finished:
        return Proof(first.quantity, first.bound, -np.inf, first.infeasible)
    known = first.quantity if first.quantity is not None else start
    again = solve_program(tender, deadline=deadline, gap=max(gap, CLOSE), by_demand=True, start=known)
    return _judge(tender, [first, again])


def _value(tender: Tender, solved: Solved | None) -> float:
    return np.inf if solved is None or solved.quantity is None else objective(tender, solved.quantity)


def _judge(tender: Tender, answers: Sequence[Solved]) -> Proof:
    """The better plan of two answers, with bounds that no plan contradicts.

    A bound above a plan that exists is false, whoever proved it, and counts as none; an infeasible tender for which the
    other answer has a plan is none.
    """
    values = [_value(tender, one) for one in answers]
    best = int(np.argmin(values))
    quantity = answers[best].quantity
    if quantity is None:
        return Proof(None, -np.inf, -np.inf, any(one.infeasible for one in answers))
    kept = [one.bound if not one.infeasible and one.bound <= values[best] * (1 + CLOSE) else -np.inf for one in answers]
    kept.sort()
    return Proof(quantity, kept[1], kept[0], False)
