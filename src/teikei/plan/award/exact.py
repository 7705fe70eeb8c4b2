"""Branch and bound by HiGHS on the compact program, with links added in rounds and a polished last plan."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import highspy
import numpy as np

from teikei.plan.award.model import INF, CompactModel, quiet_solver
from teikei.plan.award.price import objective, tidy
from teikei.plan.award.settle import settle
from teikei.plan.award.types import Array

LINK_TOLERANCE = 1e-6
MARGIN = 1e-9  # of a tier's start, where its last digits cannot be put right one by one
CUT_ROUNDS = 6
INFEASIBLE = (highspy.HighsModelStatus.kInfeasible, highspy.HighsModelStatus.kUnboundedOrInfeasible)


@dataclass
class Watch:
    """What another thread may read of a search, and say to it: the bound proven so far (money), and to stop."""

    bound: float = -np.inf
    stop: bool = False


@dataclass(frozen=True)
class Solved:
    """quantity (P,) in units of the tender, None where no plan is known; bound in its money; finished: nothing left
    to search within the gap asked for; infeasible: proven to have no plan."""

    quantity: Array | None
    bound: float
    finished: bool
    infeasible: bool = False


def branch_and_bound(
    model: CompactModel,
    *,
    deadline: float,
    gap: float,
    start: Array | None = None,
    bound: float = -np.inf,
    further: Callable[[Array, Array], Array] | None = None,
    watch: Watch | None = None,
) -> Solved:
    """The compact program solved by HiGHS until ``gap`` (relative) or ``deadline`` (time.perf_counter seconds).

    start: awards (P,) of a known plan. bound: a lower bound known from elsewhere. further: sets the columns of further
    terms for known awards (``TermsModel.start``). watch: where it tells its bound
    while it runs, and hears that it shall stop.
    """
    solver = model.solver()
    if watch is not None:
        _listen(solver, watch, model.frame.money_unit)
    if any(model.integer):
        _cut_rounds(model, solver, deadline)
    remaining = deadline - time.perf_counter()
    if remaining <= 0.05:
        return Solved(start, bound, finished=False)
    solver.setOptionValue("time_limit", solver.getRunTime() + remaining)
    solver.setOptionValue("mip_rel_gap", gap)
    solver.setOptionValue("mip_abs_gap", 1e-9)
    solver.setOptionValue("mip_feasibility_tolerance", 1e-7)
    if start is not None and model.integer.any():
        values = columns_of(model, start)
        solver.setSolution(_solution(values if further is None else further(values, start)))
    if watch is not None and watch.stop:
        return Solved(start, bound, finished=False)
    solver.run()
    status = solver.getModelStatus()
    if status in INFEASIBLE:
        return Solved(None, np.inf, finished=True, infeasible=True)
    info = solver.getInfo()
    scale = model.frame.money_unit
    if not model.integer.any():
        values = np.array(solver.getSolution().col_value)
        done = status == highspy.HighsModelStatus.kOptimal
        found = finish(model, values[model.award], None) if done else start
        return Solved(found, info.objective_function_value * scale if done else bound, finished=done)
    bound = max(bound, info.mip_dual_bound * scale)
    done = status == highspy.HighsModelStatus.kOptimal
    if info.primal_solution_status != 2:
        return Solved(start, bound, finished=False)
    values = np.array(solver.getSolution().col_value)
    return Solved(_polish(model, solver, values), bound, finished=done)


def _listen(solver: highspy.Highs, watch: Watch, money_unit: float) -> None:
    """Let HiGHS tell its bound and hear a stop."""

    def tell(event: Any) -> None:
        bound = float(event.data_out.mip_dual_bound) * money_unit
        if np.isfinite(bound) and bound > watch.bound:
            watch.bound = bound
        if watch.stop:
            event.interrupt()

    def hear(event: Any) -> None:
        if watch.stop:
            event.interrupt()

    solver.cbMipInterrupt += tell
    solver.cbSimplexInterrupt += hear


def demand_duals(model: CompactModel, *, deadline: float) -> Array | None:
    """What one more unit of each demand costs in the relaxation (K · T,), scaled; None if it has no solution at all."""
    relaxed = replace(model, integer=np.zeros_like(model.integer))
    solver = relaxed.solver()
    solver.setOptionValue("time_limit", max(1.0, deadline - time.perf_counter()))
    solver.run()
    tender = model.frame.tender
    result = np.zeros(tender.demand.size)
    if solver.getModelStatus() in INFEASIBLE:
        return None
    if solver.getModelStatus() == highspy.HighsModelStatus.kOptimal:
        duals = np.array(solver.getSolution().row_dual)
        for row, label in enumerate(model.rows.label):
            if label[0] == "demand":
                result[label[1] * len(tender.years) + label[2]] = duals[row]
    return result


def finish(model: CompactModel, scaled: Array, fallback: Array | None) -> Array:
    """Awards in the tender's units from scaled solver values, tidied; the cheaper of it and ``fallback``."""
    frame = model.frame
    quantity = tidy(frame.tender, scaled * frame.offer_unit, frame.limits.lower, frame.limits.upper)
    quantity = settle(frame.tender, quantity)
    if fallback is not None and objective(frame.tender, fallback) <= objective(frame.tender, quantity):
        return fallback
    return quantity


def columns_of(model: CompactModel, quantity: Array) -> Array:
    """All columns of the scaled program for awards (P,) given in the tender's units."""
    frame = model.frame
    tender = frame.tender
    values = np.zeros(len(model.cost))
    scaled = quantity / frame.offer_unit
    values[model.award] = scaled
    used = np.bincount(tender.offer_supplier, quantity, len(tender.suppliers)) > 0
    values[model.supplier_on] = np.where(frame.switchable, used, 1.0)
    for group, choice in zip(frame.groups, model.tier_choice, strict=True):
        count = len(choice)
        if count == 0 or values[model.supplier_on[group.supplier]] < 0.5:
            continue
        awards = slice(group.first, group.last)
        total = math.fsum(quantity[awards])
        tier = int(np.flatnonzero(total >= group.low * (1 - 1e-12))[-1])
        values[choice[tier]] = 1.0
        values[choice[tier] - 2 * count] = total / group.quantity_unit
        values[choice[tier] - count] = float(tender.unit_price[awards] @ quantity[awards]) / group.spend_unit
    on = model.offer_on >= 0
    limits = frame.limits
    values[model.offer_on[on]] = np.where(
        limits.switched[on], quantity[on] > 0, quantity[on] >= limits.counts[on] * (1 - 1e-9)
    )
    for rule, columns in model.scope_on:
        inside = rule.items[tender.offer_item] & rule.years[tender.offer_year] & rule.suppliers[tender.offer_supplier]
        values[columns] = np.bincount(tender.offer_supplier[inside], quantity[inside], len(columns)) > 0
    return values


def _solution(values: Array) -> highspy.HighsSolution:
    solution = highspy.HighsSolution()
    solution.col_value = list(values)
    return solution


def _cut_rounds(model: CompactModel, solver: highspy.Highs, deadline: float) -> None:
    """Links x ≤ upper · on that the relaxation breaks, added in rounds; leaves integrality as it was."""
    frame = model.frame
    tender = frame.tender
    linked = frame.switchable[tender.offer_supplier] & (frame.limits.upper > 0)
    if any(label[0] == "link" for label in model.rows.label[:]) or not linked.any():
        return
    integers = np.flatnonzero(model.integer).astype(np.int32)
    continuous = [highspy.HighsVarType.kContinuous] * len(integers)
    solver.changeColsIntegrality(len(integers), integers, np.array(continuous))
    on = model.supplier_on[tender.offer_supplier]
    for _ in range(CUT_ROUNDS):
        if time.perf_counter() > deadline:
            break
        solver.setOptionValue("time_limit", solver.getRunTime() + max(0.1, deadline - time.perf_counter()))
        solver.run()
        if solver.getModelStatus() != highspy.HighsModelStatus.kOptimal:
            break
        values = np.array(solver.getSolution().col_value)
        limit = model.upper[model.award] * values[on]
        broken = np.flatnonzero(linked & (values[model.award] > limit + LINK_TOLERANCE * model.upper[model.award]))
        if len(broken) == 0:
            break
        count = len(broken)
        columns = np.column_stack([broken, on[broken]]).ravel().astype(np.int32)
        factors = np.column_stack([np.ones(count), -model.upper[broken]]).ravel()
        starts = np.arange(0, 2 * count, 2, dtype=np.int32)
        solver.addRows(count, np.full(count, -INF), np.zeros(count), 2 * count, starts, columns, factors)
    integer = [highspy.HighsVarType.kInteger] * len(integers)
    solver.changeColsIntegrality(len(integers), integers, np.array(integer))


def _polish(model: CompactModel, solver: highspy.Highs, values: Array) -> Array:
    """The best awards for the yes/no decisions of a solution: they are fixed and the rest is solved again.

    Where the awards then fall short of a tier by last digits that cannot be put right one by one, every start is
    asked for with a margin of a billionth.
    """
    plain = finish(model, values[model.award], None)
    fixed = _fixed(model, solver, values, margin=0.0)
    if fixed is None:
        return plain
    found = finish(model, fixed[0], plain)
    if objective(model.frame.tender, found) <= fixed[1] * (1 + 10 * MARGIN):
        return found
    safe = _fixed(model, solver, values, margin=MARGIN)
    return found if safe is None else finish(model, safe[0], found)


def _fixed(model: CompactModel, solver: highspy.Highs, values: Array, margin: float) -> tuple[Array, float] | None:
    """Scaled awards and cost (money) with the decisions of a solution, every start asked for with a margin."""
    integers = np.flatnonzero(model.integer)
    lp = solver.getLp()
    lp.integrality_ = []
    lower, upper = np.array(lp.col_lower_), np.array(lp.col_upper_)
    lower[integers] = upper[integers] = np.round(values[integers])
    lp.col_lower_, lp.col_upper_ = lower, upper
    if margin:
        least = np.array(lp.row_lower_)
        starts, columns, factors = model.rows.arrays()
        for row, label in enumerate(model.rows.label):
            if label[0] == "from":
                decision, start = columns[starts[row] + 1], -factors[starts[row] + 1]
                least[row] += margin * start * lower[decision]
        lp.row_lower_ = least
    fresh = quiet_solver()
    fresh.passModel(lp)
    fresh.setOptionValue("primal_feasibility_tolerance", 1e-10)
    fresh.run()
    if fresh.getModelStatus() != highspy.HighsModelStatus.kOptimal:
        return None
    scaled = np.array(fresh.getSolution().col_value)[model.award]
    return scaled, fresh.getInfo().objective_function_value * model.frame.money_unit
