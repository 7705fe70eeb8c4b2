"""Plants that build cars: shifts, closure, conversion, transport, choice of a plant; by hand and by enumeration."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import polars as pl
import pytest

import teikei.plan as plan
from teikei.errors import NoPlanError
from teikei.plan.assembly import sites
from teikei.plan.decisions import Decisions
from teikei.plan.price import need, price
from teikei.plan.read import read_facts
from teikei.plan.scope import Scope
from tests.plan.small import small
from tests.plan.test_bodies import bodies, choices_of
from tests.plan.test_joined_spend import WORTH, levers, value

YEARS = range(2027, 2031)
ALL_YEARS = sum(WORTH[year] for year in YEARS)
PLANT = {"country": "JP", "shift_capacity": 50_000.0, "shifts": 2, "fixed_cost": 3_000.0, "shift_cost": 2_000.0}
FREE = {"nre": 0.0, "tooling": 0.0, "application_nre": 0.0, "application_tooling": 0.0}


def factories(joint: bool = True, **changes: dict[str, Any]) -> dict[str, Any]:
    """Ann's 30,000 and Bob's 40,000 cars, each in its company's plant; bodies cost nothing."""
    tables = bodies()
    tables["families"] = [{**row, **FREE} for row in tables["families"]]
    tables["rungs"] = [{**row, "joint_plants": joint and row["position"] == 2} for row in tables["rungs"]]
    tables["car_plants"] = [
        {"plant": "West", "company": "Ann", **PLANT, **changes.get("West", {})},
        {"plant": "East", "company": "Bob", **PLANT, **changes.get("East", {})},
    ]
    home = {"A1": "West", "B1": "East"}
    tables["volumes"] = [{**row, "plant": home[row["programme"]]} for row in tables["volumes"]]
    return tables


def solved(tables: dict[str, Any]) -> plan.Plans:
    study, catalogue, performance = small(tables, choices_of(tables), {"inventory_rate": 0.0})
    return plan.solve(study, catalogue, performance, gap=1e-7)


def where(plans: plan.Plans, rung: str = "powertrain") -> dict[str, str]:
    table = plans.by_key[("Ann+Bob", rung)].tables["assembly"]
    return dict(table.select("programme", "plant").unique().iter_rows())


def test_a_plant_costs_its_shifts_and_its_fixed_cost_and_moves_nowhere_by_itself() -> None:
    plans = solved(factories(joint=False))
    for rung in ("alone", "components", "powertrain"):
        assert value(plans, rung) == pytest.approx(2 * (3_000.0 + 2_000.0) * ALL_YEARS)
    assert where(plans) == {"A1": "West", "B1": "East"}


def test_two_twins_in_one_plant_close_the_other_where_that_pays() -> None:
    """Together 70,000 cars run two shifts of one plant: one fixed cost less, for the closure of a plant."""
    plans = solved(factories(West={"closure_cost": 1_000.0}, East={"closure_cost": 5_000.0}))
    saved = 3_000.0 * ALL_YEARS - 1_000.0 * WORTH[2027]
    assert value(plans, "alone") - value(plans, "powertrain") == pytest.approx(saved)
    assert where(plans) == {"A1": "East", "B1": "East"}
    assert levers(plans, "powertrain")["plant_use"] == pytest.approx(saved)
    table = plans.by_key[("Ann+Bob", "powertrain")].tables["assembly"]
    assert table["capacity"].unique().to_list() == [100_000.0]
    assert table.filter(pl.col("year") == 2028)["units"].sum() == 70_000.0


def test_identical_twins_and_one_plant_free_make_one_body_and_one_plant() -> None:
    tables = factories(West={"fixed_cost": 0.0, "shift_cost": 0.0, "conversion_cost": 100.0, "shifts": 3},
                       East={"fixed_cost": 0.0, "conversion_cost": 100.0})  # fmt: skip
    plans = solved(tables)
    assert where(plans) == {"A1": "West", "B1": "West"}
    used = plans.by_key[("Ann+Bob", "powertrain")].tables["configurations"]["module"].unique().to_list()
    assert used == ["BJ"]
    assert value(plans, "powertrain") == pytest.approx(100.0 * WORTH[2026])
    assert value(plans, "alone") == pytest.approx(200.0 * WORTH[2026] + 2_000.0 * ALL_YEARS)


def test_other_output_keeps_a_plant_open_and_is_not_charged() -> None:
    """West makes 90,000 other cars in two shifts: Ann's cars are a third; Bob's find no room there."""
    plans = solved(factories(West={"other_units": 90_000.0, "shifts": 3}, East={"shift_cost": 1_500.0}))
    assert value(plans, "alone", "Ann") == pytest.approx(1 * 2_000.0 * ALL_YEARS)
    assert where(plans) == {"A1": "East", "B1": "East"}
    assert value(plans, "alone") == pytest.approx((2_000.0 + 3_000.0 + 1_500.0) * ALL_YEARS)
    assert value(plans, "powertrain") == pytest.approx((3_000.0 + 2 * 1_500.0) * ALL_YEARS)


def test_an_announced_closure_is_in_alone() -> None:
    """Ann's car ends in 2028, and so does West: fixed cost and shifts of two years, then the closure."""
    tables = factories(joint=False, West={"closes": 2028, "closure_cost": 700.0})
    tables["generations"][0]["eop_year"] = 2028
    tables["volumes"] = [r for r in tables["volumes"] if r["programme"] == "B1" or r["year"] <= 2028]
    plans = solved(tables)
    two = WORTH[2027] + WORTH[2028]
    assert value(plans, "alone", "Ann") == pytest.approx(5_000.0 * two + 700.0 * WORTH[2029])


def test_transport_and_variable_cost_are_of_the_plant() -> None:
    tables = factories(West={"variable_cost": 100_000.0}, East={"variable_cost": 90_000.0})
    tables["logistics"] = [{"plant": "West", "region": "JP", "cost": 5_000.0}]
    for row in tables["car_plants"]:
        row |= {"fixed_cost": 0.0, "shift_cost": 0.0}
    plans = solved(tables)
    assert where(plans) == {"A1": "East", "B1": "East"}
    assert value(plans, "alone", "Ann") == pytest.approx(30_000 * 105_000 / 1e6 * ALL_YEARS)
    assert value(plans, "powertrain") == pytest.approx(70_000 * 90_000 / 1e6 * ALL_YEARS)
    items = plans.by_key[("Ann", "alone")].tables["cost_breakdown"]
    assert items.filter(pl.col("item") == "logistics")["value"].sum() == pytest.approx(30_000 * 5e-3 * ALL_YEARS)


def test_a_study_whose_plants_have_no_capacity_is_as_it_was() -> None:
    tables = factories()
    plain = [{"plant": row["plant"], "country": "JP"} for row in tables["car_plants"]]
    plans = solved({**tables, "car_plants": plain})
    assert value(plans, "alone") == 0.0
    assert plans.by_key[("Ann+Bob", "powertrain")].tables["assembly"].is_empty()


@pytest.mark.parametrize("seed", range(8))
def test_against_enumeration(seed: int) -> None:
    """Random plants, bodies, closures and volumes: every body in every plant is priced, the least is found."""
    rng = np.random.default_rng(100 + seed)
    some = {
        name: {
            "shift_capacity": float(rng.choice([20_000, 35_000, 50_000])), "shifts": 4,
            "fixed_cost": float(rng.uniform(0, 900)), "shift_cost": float(rng.uniform(0, 500)),
            "variable_cost": float(rng.uniform(0, 9_000)), "conversion_cost": float(rng.uniform(0, 900)),
            "closure_cost": float(rng.choice([0.0, 300.0, 1e4])), "other_units": float(rng.choice([0, 0, 15_000])),
        }
        for name in ("West", "East")
    }  # fmt: skip
    tables = factories(**some)
    for row in tables["families"]:
        row |= {"nre": float(rng.uniform(0, 900)), "application_nre": float(rng.uniform(0, 300)),
                "life_years": int(rng.choice([3, 4, 8]))}  # fmt: skip
    tables["programmes"].append({**tables["programmes"][1], "programme": "C1"})
    tables["versions"].append({"programme": "C1", "version": "std", "share": 1.0})
    tables["generations"].append({"programme": "C1", "generation": "G1", "sop": "2028-04", "eop_year": 2029})
    tables["volumes"] += [
        {**row, "programme": "C1", "units": 9_000.0}
        for row in tables["volumes"]
        if row["programme"] == "B1" and row["year"] in (2028, 2029)
    ]
    tables["twins"].append({"twin": "T", "programme": "C1", "generation": "G1"})
    study, catalogue, performance = small(tables, choices_of(tables), {"inventory_rate": 0.0})
    plans = plan.solve(study, catalogue, performance, gap=1e-7)
    facts = read_facts(study, catalogue, performance)
    for (coalition, rung), found in plans.by_key.items():
        scope = Scope(facts, coalition, rung, tuple(coalition.split("+")))
        open_to = sites(scope)
        best = float("inf")
        for options in itertools.product(*scope.options.values()):
            modules = dict(zip(scope.options, options, strict=True))
            bare = Decisions(modules, dict.fromkeys(scope.slots, 0), {}, ())
            awards = {(item, scope.sources(item, year)[0], year): n for (item, year), n in need(scope, bare).items()}
            for plants in itertools.product(*open_to.values()):
                built = dict(zip(open_to, plants, strict=True))
                try:
                    priced = price(scope, Decisions(modules, bare.candidate, awards, (), built=built))
                except NoPlanError:
                    continue
                best = min(best, priced.value)
        assert found.value == pytest.approx(best, rel=1e-7, abs=1e-6), (coalition, rung)
        assert found.bound <= found.value + 1e-6
    lower, upper = (plans.by_key[("Ann+Bob", rung)].value for rung in ("alone", "powertrain"))
    apart = sum(plans.by_key[(name, "alone")].value for name in ("Ann", "Bob"))
    assert upper <= lower + 1e-6
    assert lower == pytest.approx(apart, abs=1e-6)
