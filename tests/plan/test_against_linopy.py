"""The program of a study with scarce capacity against a reference model written independently with linopy.

The reference knows families, variants, applications, tiers and capacity in the multiple-choice form (one binary per
offer, drawing group, year and tier, quantities split by tier), not the compact form of the plan.
"""

from __future__ import annotations

import itertools

import linopy
import pandas as pd
import pytest

import teikei.plan as plan
from tests.plan.small import small, two_companies

CAPACITY = {"Near JP": 60_000.0, "Far CN": 45_000.0}
UNITS = {"A1": 30_000.0, "B1": 40_000.0}
YEARS = (2027, 2028, 2029, 2030)
TIERS = {
    ("N", "S"): [(0.0, 100_000.0), (50_000.0, 95_000.0)],
    ("N", "L"): [(0.0, 110_000.0), (50_000.0, 104_500.0)],
    ("F", "S"): [(0.0, 90_000.0), (50_000.0, 85_500.0)],
    ("F", "L"): [(0.0, 99_000.0), (50_000.0, 94_050.0)],
}


def landed(site: str, price: float) -> float:
    """Price + duty + inventory + freight, from the factory's trade row."""
    inventory = price * 0.07 / 52.0
    return price + inventory + (price * 0.03 + 3_000.0 if site == "F" else 0.0)


def reference_value(*, joint: bool) -> float:
    """Least present cost, million; joint: one drawing for both (k = 0.2 on family NRE), pooled tiers."""
    model = linopy.Model()
    cars, modules, sites = list(UNITS), ["S", "L"], ["N", "F"]
    groups = ["own", "joint"] if joint else ["own"]
    index = pd.Index([f"{c}|{m}|{g}" for c, m, g in itertools.product(cars, modules, groups)], name="use")
    use = model.add_variables(coords=[index], binary=True, name="use")
    families = pd.Index([f"{m}|{g}" for m in modules for g in ([*cars, "joint"] if joint else cars)], name="family")
    developed = model.add_variables(coords=[families], binary=True, name="developed")
    sharers = pd.Index([f"{c}|{m}" for c in cars for m in modules], name="sharer")
    shared = model.add_variables(coords=[sharers], binary=True, name="shared")
    half_year = 1.05**-0.5
    cost = 0
    for car in cars:
        model.add_constraints(sum(use.loc[f"{car}|{m}|{g}"] for m in modules for g in groups) == 1)
        for module in modules:
            model.add_constraints(use.loc[f"{car}|{module}|own"] - developed.loc[f"{module}|{car}"] <= 0)
            cost = cost + 2_900.0 * half_year * developed.loc[f"{module}|{car}"]
            for group in groups:
                cost = cost + 150.0 * half_year * use.loc[f"{car}|{module}|{group}"]
            if joint:
                model.add_constraints(use.loc[f"{car}|{module}|joint"] - shared.loc[f"{car}|{module}"] <= 0)
                model.add_constraints(shared.loc[f"{car}|{module}"] - developed.loc[f"{module}|joint"] <= 0)
                cost = cost + 0.2 * 2_000.0 * half_year * shared.loc[f"{car}|{module}"]
    if joint:
        for module in modules:
            pair = sum(shared.loc[f"{car}|{module}"] for car in cars)
            model.add_constraints(developed.loc[f"{module}|joint"] - pair <= 0)
            cost = cost + (2_900.0 - 0.2 * 2_000.0) * half_year * developed.loc[f"{module}|joint"]
    for year in YEARS:
        cost = cost + _year(model, use, year, cars, modules, sites, groups)
    model.add_objective(cost)
    status, _ = model.solve(solver_name="highs", mip_rel_gap=0.0, output_flag=False)
    assert status == "ok"
    return float(model.objective.value)


def _year(model, use, year, cars, modules, sites, groups):  # type: ignore[no-untyped-def]
    """Purchases of one year: quantities by car, drawing, site and tier, thousand pieces."""
    keys = [(c, m, g, s, t) for c, m, g, s, t in itertools.product(cars, modules, groups, sites, (0, 1))]
    index = pd.Index(["|".join(map(str, key)) for key in keys], name=f"buy{year}")
    buy = model.add_variables(lower=0, coords=[index], name=f"buy{year}")
    pools = sorted({(m, "joint" if g == "joint" else c, s, t) for c, m, g, s, t in keys})
    names = pd.Index(["|".join(map(str, pool)) for pool in pools], name=f"tier{year}")
    tier = model.add_variables(coords=[names], binary=True, name=f"tier{year}")
    for car, module, group in itertools.product(cars, modules, groups):
        bought = sum(buy.loc[f"{car}|{module}|{group}|{s}|{t}"] for s in sites for t in (0, 1))
        model.add_constraints(bought - UNITS[car] / 1e3 * use.loc[f"{car}|{module}|{group}"] == 0)
    for module, pool, site, at in pools:
        members = cars if pool == "joint" else [pool]
        group = "joint" if pool == "joint" else "own"
        quantity = sum(buy.loc[f"{c}|{module}|{group}|{site}|{at}"] for c in members)
        chosen = tier.loc[f"{module}|{pool}|{site}|{at}"]
        low = TIERS[(site, module)][at][0] / 1e3
        model.add_constraints(quantity - low * chosen >= 0)
        model.add_constraints(quantity - 100.0 * chosen <= 0)
        if at == 1:
            model.add_constraints(chosen + tier.loc[f"{module}|{pool}|{site}|0"] <= 1)
    for site, full in (("N", "Near JP"), ("F", "Far CN")):
        drawn = sum(buy.loc["|".join(map(str, key))] for key in keys if key[3] == site)
        model.add_constraints(drawn <= CAPACITY[full] / 1e3)
    factor = 1.05 ** -(year + 0.5 - 2026)
    return sum(
        landed(s, TIERS[(s, m)][t][1]) / 1e3 * factor * buy.loc[f"{c}|{m}|{g}|{s}|{t}"] for c, m, g, s, t in keys
    )


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::linopy.LinopySemanticsWarning")
@pytest.mark.parametrize("rung", ["alone", "powertrain"])
def test_the_program_reaches_the_value_of_the_reference_model(rung: str) -> None:
    capacities = [
        {"site": site, "from_year": 2027, "capacity": amount, "unit": "pieces"} for site, amount in CAPACITY.items()
    ]
    plans = plan.solve(*small(two_companies(capacities=capacities)), gap=1e-6)
    assert plans.value("Ann+Bob", rung) == pytest.approx(reference_value(joint=rung == "powertrain"), rel=1e-7)
