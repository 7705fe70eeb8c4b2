"""Can so few suppliers cover the demand at all? A small program over suppliers alone, necessary for any plan."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from teikei.plan.award.exact import INFEASIBLE
from teikei.plan.award.limits import offer_limits
from teikei.plan.award.model import INF, Rows, solver_of, whole_tender
from teikei.plan.award.types import Array, Flags, Ints, Tender

FEASIBLE = 2  # HiGHS's primal_solution_status of a solution that keeps all rows
SLACK = 1 - 1e-9


@dataclass(frozen=True)
class Cover:
    """Set of suppliers (None: none found or none exists) and whether it is proven that none exists."""

    suppliers: Flags | None
    impossible: bool


def least_sources(tender: Tender) -> Ints:
    """The number of suppliers that rules ask for, for each item and year (K · T,)."""
    result = np.zeros(tender.demand.shape, dtype=np.int64)
    for rule in tender.rules:
        if rule.name == "min_suppliers_per_item":
            inside = np.ix_(rule.items, rule.years)
            result[inside] = np.maximum(result[inside], int(rule.value))
    return np.where(tender.demand > 0, result, 0).ravel()


def most_suppliers(tender: Tender) -> int:
    """The smallest limit on the number of suppliers that speaks of the whole tender."""
    limits = [int(rule.value) for rule in tender.rules if rule.name == "max_suppliers" and whole_tender(rule)]
    return min([len(tender.suppliers), *limits])


def cover(tender: Tender, cost: Array, *, seconds: float) -> Cover:
    """A cheapest set of suppliers (cost (S,)) that can deliver each item by itself and each year as a whole.

    Σ_s u_skt on_s ≥ d_kt, Σ_s on_s ≥ least sources, Σ_s C_st on_s ≥ Σ_k d_kt, Σ_s on_s ≤ the limit on suppliers.
    """
    limits, years = offer_limits(tender), len(tender.years)
    cell = tender.offer_item * years + tender.offer_year
    demand, sources = tender.demand.ravel(), least_sources(tender)
    rows = Rows()
    order = np.flatnonzero(limits.upper > 0)
    order = order[np.argsort(cell[order], kind="stable")]
    cells, at = np.unique(cell[order], return_index=True)
    if (np.delete(demand, cells) > 0).any():
        return Cover(None, impossible=True)
    for place, offers in zip(cells, np.split(order, at[1:]), strict=True):
        owner = tender.offer_supplier[offers]
        rows.add(owner, limits.upper[offers] / demand[place], SLACK, INF, ("demand",))
        if sources[place] > 1:
            rows.add(owner, 1.0, float(sources[place]), INF, ("sources",))
    suppliers = np.arange(len(tender.suppliers))
    for t in np.flatnonzero(tender.demand.sum(axis=0) > 0):
        total = float(tender.demand[:, t].sum())
        rows.add(suppliers, np.minimum(tender.capacity[:, t] / total, 1.0), SLACK, INF, ("year",))
    rows.add(suppliers, 1.0, -INF, float(most_suppliers(tender)), ("most",))
    ones = np.ones(len(suppliers))
    solver = solver_of(cost, 0.0 * ones, ones, ones > 0, rows)
    solver.setOptionValue("time_limit", seconds)
    solver.run()
    if solver.getModelStatus() in INFEASIBLE:
        return Cover(None, impossible=True)
    if solver.getInfo().primal_solution_status != FEASIBLE:
        return Cover(None, impossible=False)
    return Cover(np.array(solver.getSolution().col_value) > 0.5, impossible=False)
