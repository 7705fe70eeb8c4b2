"""Plans that keep every rule, made from plans that know only suppliers and tiers.

The search over tiers knows nothing of least quantities and of the number of suppliers per item. With suppliers and
tiers fixed, the years stand apart, and each is a small program with all rules.
"""

from __future__ import annotations

import time
from dataclasses import replace

import highspy
import numpy as np

from teikei.plan.award.cover import FEASIBLE
from teikei.plan.award.exact import columns_of, finish
from teikei.plan.award.model import CompactModel, build, frame_of, whole_tender
from teikei.plan.award.price import violations
from teikei.plan.award.terms import Terms
from teikei.plan.award.types import Array, Flags, Tender

PER_OFFER = ("min_share_per_item", "max_suppliers_per_item", "min_suppliers_per_item", "max_suppliers")


def without_decisions(tender: Tender) -> Tender:
    """The tender at list prices without anything that needs a yes or no: a linear program and a relaxation."""
    flat = np.zeros((*tender.capacity.shape, 1))
    return replace(
        tender,
        tier_from=flat,
        tier_discount=flat,
        activation_cost=np.zeros_like(tender.activation_cost),
        minimum=np.zeros_like(tender.minimum),
        terms=Terms(),
        order_multiple=np.zeros(0),
        overbuying=False,
        rules=tuple(rule for rule in tender.rules if rule.name not in PER_OFFER),
    )


def repair(tender: Tender, quantity: Array, *, deadline: float, gap: float) -> Array | None:
    """Awards (P,) with the suppliers of ``quantity`` (P,) that keep every rule; None if none are found in time.

    Each year keeps its tiers if it can, else chooses them anew. The result is feasible, not proven best.
    """
    used: Flags = np.bincount(tender.offer_supplier, quantity, len(tender.suppliers)) > 0
    result = np.zeros_like(quantity)
    for t in range(len(tender.years)):
        inside = tender.offer_year == t
        if not inside.any():
            continue
        model = build(frame_of(_year(tender, t, inside)))
        own = None
        for keep_tiers in (True, False):
            share = (deadline - time.perf_counter()) / (len(tender.years) - t)
            own = _solve(model, quantity[inside], used, keep_tiers, seconds=share / 2, gap=gap)
            if own is not None:
                break
        if own is None:
            return None
        result[inside] = own
    return None if violations(tender, result) else result


def _year(tender: Tender, t: int, inside: Flags) -> Tender:
    """One year of a tender by itself; activation is decided already."""
    rules = tuple(
        replace(rule, years=rule.years[[t]])
        for rule in tender.rules
        if rule.years[t] and not (rule.name == "max_suppliers" and whole_tender(rule))
    )
    return replace(
        tender,
        years=(tender.years[t],),
        demand=tender.demand[:, [t]],
        activation_cost=np.zeros_like(tender.activation_cost),
        capacity=tender.capacity[:, [t]],
        offer_supplier=tender.offer_supplier[inside],
        offer_item=tender.offer_item[inside],
        offer_year=np.zeros(int(inside.sum()), dtype=np.int64),
        unit_price=tender.unit_price[inside],
        maximum=tender.maximum[inside],
        minimum=tender.minimum[inside],
        tier_from=tender.tier_from[:, [t]],
        tier_discount=tender.tier_discount[:, [t]],
        rules=rules,
        terms=Terms(),
        order_multiple=tender.multiple[inside],
    )


def _solve(
    model: CompactModel, quantity: Array, used: Flags, keep_tiers: bool, *, seconds: float, gap: float
) -> Array | None:
    upper, lower = model.upper.copy(), model.lower.copy()
    tender = model.frame.tender
    upper[model.award[~used[tender.offer_supplier]]] = 0.0
    if keep_tiers:
        values = columns_of(model, quantity)
        for group, choice in zip(model.frame.groups, model.tier_choice, strict=True):
            if len(choice) and quantity[group.first : group.last].sum() > 0:
                lower[choice] = upper[choice] = values[choice]
    solver = replace(model, lower=lower, upper=upper).solver()
    solver.setOptionValue("time_limit", max(0.2, seconds))
    solver.setOptionValue("mip_rel_gap", max(gap, 1e-4))
    solver.setOptionValue("mip_feasibility_tolerance", 1e-7)
    solver.run()
    optimal = solver.getModelStatus() == highspy.HighsModelStatus.kOptimal
    if not optimal and solver.getInfo().primal_solution_status != FEASIBLE:
        return None
    return finish(model, np.array(solver.getSolution().col_value)[model.award], None)
