"""Independent ways to solve a tender: enumeration of tiers with scipy, and a multiple-choice model in linopy."""

from __future__ import annotations

import itertools

import numpy as np
from scipy.optimize import linprog

from teikei.plan.award.types import Tender


def brute_force(tender: Tender, max_share: float = 1.0) -> float:
    """Cheapest cost over every set of suppliers and every tier of each supplier and year; infinite without a plan.

    Knows tiers, capacities, activation, largest quantities and one share limit for all; nothing of the product's code
    is used but the arrays of the tender.
    """
    suppliers, years = len(tender.suppliers), len(tender.years)
    best = np.inf
    tiers = [
        [r for r in range(tender.tier_from.shape[2]) if np.isfinite(tender.tier_from[s, t, r])]
        for s in range(suppliers)
        for t in range(years)
    ]
    for on in itertools.product((False, True), repeat=suppliers):
        fixed = float(tender.activation_cost[list(on)].sum())
        cost = fixed
        for t in range(years):
            own = [s for s in range(suppliers) if on[s]]
            found = min(
                (
                    _year(tender, t, dict(zip(own, choice, strict=True)), max_share)
                    for choice in itertools.product(*(tiers[s * years + t] for s in own))
                ),
                default=np.inf,
            )
            cost += found
        best = min(best, cost)
    return float(best)


def _year(tender: Tender, t: int, choice: dict[int, int], max_share: float) -> float:
    offers = [
        p for p in range(len(tender.unit_price)) if tender.offer_year[p] == t and tender.offer_supplier[p] in choice
    ]
    wanted = np.flatnonzero(tender.demand[:, t] > 0)
    if not offers:
        return np.inf if len(wanted) else 0.0
    cost, bounds = [], []
    for p in offers:
        s = int(tender.offer_supplier[p])
        cost.append(tender.unit_price[p] * (1 - tender.tier_discount[s, t, choice[s]]))
        bounds.append((0.0, min(tender.maximum[p], max_share * tender.demand[tender.offer_item[p], t])))
    equal = np.array([[float(tender.offer_item[p] == k) for p in offers] for k in wanted])
    upper, right = [], []
    for s, r in choice.items():
        row = np.array([float(tender.offer_supplier[p] == s) for p in offers])
        upper.append(-row)
        right.append(-tender.tier_from[s, t, r])
        if np.isfinite(tender.capacity[s, t]):
            upper.append(row)
            right.append(tender.capacity[s, t])
    answer = linprog(cost, np.array(upper), right, equal, tender.demand[wanted, t], bounds)
    return float(answer.fun) if answer.status == 0 else np.inf


def brute_force_terms(tender: Tender) -> float:
    """Cheapest cost of a tender with further terms: every yes or no is tried, the rest is one linear program each.

    Tries suppliers, tiers of total quantity, tiers of every further schedule, bundles, commitments, expansions and
    least quantities; knows capacities and largest quantities, no rules.
    """
    terms, years = tender.terms, len(tender.years)
    suppliers = range(len(tender.suppliers))
    pairs = [(s, t) for s in suppliers for t in range(years)]
    tiers = [[r for r in range(tender.tier_from.shape[2]) if np.isfinite(tender.tier_from[s, t, r])] for s, t in pairs]
    flags = (False, True)
    best = np.inf
    for on in itertools.product(flags, repeat=len(tender.suppliers)):
        for chosen in itertools.product(
            itertools.product(*tiers),
            itertools.product(*(range(len(one.start)) for one in terms.schedules)),
            itertools.product(flags, repeat=len(terms.bundles)),
            itertools.product(*((True,) if one.always else flags for one in terms.commitments)),
            itertools.product(flags, repeat=len(terms.expansions)),
            itertools.product(flags, repeat=len(terms.minimums)),
        ):
            best = min(best, _with_terms(tender, on, dict(zip(pairs, chosen[0], strict=True)), *chosen[1:]))
    return float(best)


def _with_terms(tender: Tender, on, tier, levels, bundled, due, expanded, used) -> float:  # type: ignore[no-untyped-def]
    """One combination: awards, and one column for the missing units of each commitment."""
    terms, offers = tender.terms, range(len(tender.unit_price))
    owner, item, year, price = tender.offer_supplier, tender.offer_item, tender.offer_year, tender.unit_price
    cost = np.zeros(len(price) + len(terms.commitments))
    top = np.append(np.minimum(tender.maximum, tender.offer_demand), np.full(len(terms.commitments), np.inf))
    fixed = float(tender.activation_cost[list(on)].sum())
    upper, right = [], []

    def row(columns, factors, sign, limit) -> None:  # type: ignore[no-untyped-def]
        line = np.zeros(len(cost))
        line[columns] = np.asarray(factors) * sign
        upper.append(line)
        right.append(limit * sign)

    capacity = tender.capacity.copy()
    for one, bought in zip(terms.expansions, expanded, strict=True):
        fixed += one.cost * bought
        capacity[one.supplier, one.years] += one.capacity * bought
    for p in offers:
        cost[p] = price[p] * (1 - tender.tier_discount[owner[p], year[p], tier[owner[p], year[p]]])
        if not on[owner[p]]:
            top[p] = 0.0
    for (s, t), r in tier.items():
        mine = [p for p in offers if (owner[p], year[p]) == (s, t)]
        if on[s]:
            row(mine, np.ones(len(mine)), -1.0, tender.tier_from[s, t, r])
        if np.isfinite(capacity[s, t]):
            row(mine, np.ones(len(mine)), 1.0, capacity[s, t])
    for one, r in zip(terms.schedules, levels, strict=True):
        mine = [p for p in offers if (owner[p], year[p]) == (one.supplier, one.year) and one.items[item[p]]]
        measure = price[mine] if one.by_spend else np.ones(len(mine))
        row(mine, measure, -1.0, one.start[r])
        if not one.incremental:
            cost[mine] -= one.discount[r] * price[mine]
            continue
        if r + 1 < len(one.start):
            row(mine, measure, 1.0, one.start[r + 1])
        cost[mine] -= one.discount[r] * price[mine]
        each = 1.0 if one.by_spend else float(price[mine[0]])
        for i in range(r):  # what the parts below grant less than the last one
            fixed += (one.discount[r] - one.discount[i]) * (one.start[i + 1] - one.start[i]) * each
    for one, reached in zip(terms.bundles, bundled, strict=True):
        mine = [p for p in offers if (owner[p], year[p]) == (one.supplier, one.year) and one.items[item[p]]]
        if reached:
            cost[mine] -= one.discount * price[mine]
            for p in mine:
                row([p], [1.0], -1.0, one.share * tender.demand[item[p], one.year])
    for at, (one, holds) in enumerate(zip(terms.commitments, due, strict=True)):
        mine = [p for p in offers if owner[p] == one.supplier and one.items[item[p]] and one.years[year[p]]]
        cost[len(price) + at] = one.price
        if holds:
            row([*mine, len(price) + at], np.ones(len(mine) + 1), -1.0, one.quantity)
        else:
            top[mine] = 0.0
    for one, delivers in zip(terms.minimums, used, strict=True):
        mine = [p for p in offers if (owner[p], year[p]) == (one.supplier, one.year)]
        if delivers:
            row(mine, np.ones(len(mine)), -1.0, one.quantity)
        else:
            top[mine] = 0.0
    wanted = np.argwhere(tender.demand > 0)
    equal = np.zeros((len(wanted), len(cost)))
    for at, (k, t) in enumerate(wanted):
        equal[at, [p for p in offers if (item[p], year[p]) == (k, t)]] = 1.0
    bounds = [(0.0, one) for one in top]
    asked = tender.demand[wanted[:, 0], wanted[:, 1]]
    answer = linprog(cost, np.array(upper) if upper else None, right or None, equal, asked, bounds)
    return float(answer.fun) + fixed if answer.status == 0 else np.inf


def linopy_optimum(tender: Tender, max_share: float) -> float:
    """The optimum by the multiple-choice form: a quantity per offer and tier, written with linopy, solved by HiGHS."""
    import linopy
    import pandas as pd
    import xarray as xr

    years, tiers = len(tender.years), tender.tier_from.shape[2]
    model = linopy.Model()
    offers, tier = pd.RangeIndex(len(tender.unit_price), name="p"), pd.RangeIndex(tiers, name="r")
    groups = pd.RangeIndex(len(tender.suppliers) * years, name="g")
    group = tender.offer_supplier * years + tender.offer_year
    exists = np.isfinite(tender.tier_from).reshape(len(groups), tiers)
    most = np.minimum(tender.maximum, max_share * tender.demand[tender.offer_item, tender.offer_year])
    upper = np.repeat(most[:, None], tiers, axis=1)
    quantity = model.add_variables(lower=0, upper=upper, coords=[offers, tier], name="z")
    choice = model.add_variables(binary=True, coords=[groups, tier], name="y")
    active = model.add_variables(binary=True, coords=[pd.RangeIndex(len(tender.suppliers), name="s")], name="a")
    start = np.where(exists, tender.tier_from.reshape(len(groups), tiers), 0.0)
    capacity = np.minimum(tender.capacity.reshape(-1), tender.demand.sum())
    factor = 1 - tender.tier_discount.reshape(len(groups), tiers)[group]
    cell = pd.Series(tender.offer_item * years + tender.offer_year, index=offers, name="cell")
    per_cell = quantity.sum("r").groupby(cell).sum()
    wanted = tender.demand.ravel()[np.unique(cell)]
    model.add_constraints(per_cell == wanted)
    per_group = quantity.groupby(pd.Series(group, index=offers, name="g")).sum()
    used = np.unique(group)
    chosen = choice.sel(g=used)

    def labelled(values: np.ndarray) -> xr.DataArray:
        return xr.DataArray(values, dims=("g", "r"), coords={"g": used, "r": tier})

    model.add_constraints(per_group - chosen * labelled(start[used]) >= 0)
    model.add_constraints(per_group - chosen * labelled(np.where(exists, capacity[:, None], 0.0)[used]) <= 0)
    for s in range(len(tender.suppliers)):
        for t in range(years):
            model.add_constraints(choice.sel(g=s * years + t).sum() - active.sel(s=s) == 0)
    model.add_objective(
        (quantity * (tender.unit_price[:, None] * factor)).sum() + (active * tender.activation_cost).sum()
    )
    model.solve(solver_name="highs", output_flag=False, mip_rel_gap=1e-9)
    return float(model.objective.value)
