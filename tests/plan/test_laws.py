"""The laws of the ladder: what must hold whatever the numbers are."""

from __future__ import annotations

import itertools
import math
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import teikei.plan as plan
from tests.plan.small import small, two_companies


def solved(**tables: Any) -> plan.Plans:
    return plan.solve(*small(two_companies(**tables)), gap=1e-6)


def test_flat_prices_and_no_fixed_cost_save_nothing() -> None:
    free = [{"family": name, "class": "e-axle", "nre": 0.0, "tooling": 0.0, "application_nre": 0.0,
             "application_tooling": 0.0} for name in ("FS", "FL")]  # fmt: skip
    flat = [{"offer": offer, "from_quantity": 0.0, "unit_price": 100_000.0} for offer in ("NS", "NL", "FS", "FL")]
    modules = [{"module": name, "class": "e-axle", "family": f"F{name}"} for name in ("S", "L")]
    plans = solved(families=free, tiers=flat, modules=modules)
    alone = plans.value("Ann+Bob", "alone")
    for rung in ("components", "powertrain"):
        assert plans.value("Ann+Bob", rung) == pytest.approx(alone, rel=1e-12)


def test_very_large_family_nre_leaves_the_fewest_feasible_families() -> None:
    dear = [{"family": name, "class": "e-axle", "nre": 1e6, "tooling": 0.0, "application_nre": 0.0,
             "application_tooling": 0.0} for name in ("FS", "FL")]  # fmt: skip
    study, catalogue, performance = small(
        two_companies(families=dear), choices={"A1": [{"front": "S"}, {"front": "L"}], "B1": [{"front": "L"}]}
    )
    plans = plan.solve(study, catalogue, performance, gap=1e-6)
    table = plans.by_key[("Ann+Bob", "powertrain")].tables["configurations"]
    assert set(table["family"]) == {"FL"}
    assert set(table["developing_group"]) == {"Ann+Bob"}


@settings(max_examples=15, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(
    nre=st.floats(0, 5_000), k=st.floats(0, 1), coordination=st.floats(0, 3_000), divergence=st.floats(0, 0.3),
    units=st.tuples(st.floats(1_000, 90_000), st.floats(1_000, 90_000)), rebate=st.floats(0, 0.2),
)  # fmt: skip
def test_a_union_never_costs_more_than_its_parts_and_rungs_never_rise(
    nre: float, k: float, coordination: float, divergence: float, units: tuple[float, float], rebate: float
) -> None:
    base = two_companies()
    volumes = [{**row, "units": units[row["company"] == "Bob"]} for row in base["volumes"]]
    families = [{**row, "nre": nre} for row in base["families"]]
    plans = solved(
        volumes=volumes,
        families=families,
        classes=[
            {"class": "e-axle", "k_family_nre": k, "coordination_one_off": coordination, "divergence_rate": divergence}
        ],
        rebates=[{"supplier": "Far", "spend_from": 5_000.0, "rebate": rebate}],
    )
    parts = plans.value("Ann", "alone") + plans.value("Bob", "alone")
    ladder = [plans.value("Ann+Bob", rung) for rung in ("alone", "components", "powertrain")]
    assert ladder[0] == pytest.approx(parts, rel=1e-12)
    for lower, upper in itertools.pairwise(ladder):
        assert upper <= lower * (1 + 1e-9)
    for key, found in plans.by_key.items():
        assert found.bound <= found.value * (1 + 1e-9), key


def test_scarce_capacity_is_not_used_twice_by_stand_alone_plans() -> None:
    """Both want the cheap site, which has room for one: their stand-alone plans fit side by side."""
    plans = solved(capacities=[{"site": "Far CN", "from_year": 2027, "capacity": 45_000.0, "unit": "pieces"}])
    used = pl.concat([plans.by_key[(name, "alone")].tables["awards"] for name in ("Ann", "Bob")])
    by_year = used.filter(pl.col("site") == "Far CN").group_by("year").agg(pl.col("quantity").sum())
    assert by_year["quantity"].max() <= 45_000.0 * (1 + 1e-6)
    parts = plans.value("Ann", "alone") + plans.value("Bob", "alone")
    assert plans.value("Ann+Bob", "powertrain") <= parts * (1 + 1e-9)


def test_the_levers_of_every_rung_add_up_to_its_saving() -> None:
    plans = solved(
        classes=[{"class": "e-axle", "k_family_nre": 0.3, "coordination_one_off": 100.0, "divergence_rate": 0.1,
                  "switching_cost": 20.0}],
        rebates=[{"supplier": "Near", "spend_from": 2_500.0, "rebate": 0.1}],
    )  # fmt: skip
    order = ["alone", "components", "powertrain"]
    for before, after in itertools.pairwise(order):
        saving = plans.value("Ann+Bob", before) - plans.value("Ann+Bob", after)
        for method in ("order", "shapley"):
            rows = plans.savings.filter((pl.col("rung") == after) & (pl.col("method") == method))
            assert set(rows["from_rung"]) == {before}
            assert math.fsum(rows["value"]) == pytest.approx(saving, abs=1e-6)
            assert set(rows["lever"]) == set(plans.lever_order)


def test_development_paid_once_is_the_lever_development() -> None:
    """Same price at any volume: all that sharing changes is NRE, tooling and coordination."""
    tiers = [{"offer": offer, "from_quantity": 0.0, "unit_price": 1e5} for offer in ("NS", "NL", "FS", "FL")]
    plans = solved(tiers=tiers)
    rows = plans.savings.filter((pl.col("rung") == "powertrain") & (pl.col("method") == "order"))
    levers = dict(rows.group_by("lever").agg(pl.col("value").sum()).iter_rows())
    assert levers["technical_scale"] == pytest.approx(0.0, abs=1e-6)
    assert levers["development"] > 0
    total = plans.value("Ann+Bob", "components") - plans.value("Ann+Bob", "powertrain")
    assert levers["development"] + levers["tooling"] + levers["variants"] == pytest.approx(total, abs=1e-6)


def test_the_cost_breakdown_adds_up_to_the_value() -> None:
    plans = solved(rebates=[{"supplier": "Near", "spend_from": 2_500.0, "rebate": 0.1}])
    for key, found in plans.by_key.items():
        assert math.fsum(found.tables["cost_breakdown"]["value"]) == pytest.approx(found.value, rel=1e-12), key


def test_two_runs_give_the_same_numbers_to_the_last_digit() -> None:
    first, second = solved(), solved()
    for key, found in first.by_key.items():
        again = second.by_key[key]
        assert (found.value, found.bound) == (again.value, again.bound)
        for name, table in found.tables.items():
            assert table.equals(again.tables[name]), (key, name)


def test_a_solver_stopped_by_time_gives_the_best_plan_with_a_finite_gap_and_says_so() -> None:
    study, catalogue, performance = small()
    stopped = plan.solve(study, catalogue, performance, time_limit_s=1e-6)
    whole = plan.solve(study, catalogue, performance, gap=1e-6)
    statuses = {found.status for found in stopped.by_key.values()}
    assert "time limit" in statuses
    for key, found in stopped.by_key.items():
        assert found.value >= whole.by_key[key].value * (1 - 1e-9)
        assert math.isfinite(found.gap)
        assert found.bound <= whole.by_key[key].value * (1 + 1e-9)


def test_a_rung_without_modules_is_not_evaluated() -> None:
    rungs = [*two_companies()["rungs"]]
    rungs += [
        {"rung": "vehicle", "position": 3, "class": "e-axle", "procurement": "technical", "development_shared": True},
        {"rung": "vehicle", "position": 3, "class": "top-hat", "procurement": "none", "development_shared": True},
    ]
    plans = solved(rungs=rungs, classes=[{"class": "e-axle", "k_family_nre": 0.2}, {"class": "top-hat",
                                                                                   "k_family_nre": 0.2}])  # fmt: skip
    found = plans.by_key[("Ann+Bob", "vehicle")]
    assert found.status == "not evaluated"
    assert math.isnan(found.value)
    assert all(table.height == 0 for table in found.tables.values())
