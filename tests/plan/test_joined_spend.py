"""Buying together: each effect by itself against a slip of paper, laws, and bad rows named with their place."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import teikei.plan as plan
from teikei.plan.facts import CommodityFact
from teikei.plan.joined_spend import cut_of, distance_from_best
from teikei.study import check
from tests.plan.small import rung_rows, small, two_companies
from tests.plan.test_levers import adds_up, random_study
from tests.study.small import small_tables, write_small

YEARS = (2027, 2028, 2029, 2030)
WORTH = {year: 1.05 ** -(year + 0.5 - 2026) for year in range(2026, 2031)}
CARS = {"Ann": 30_000.0, "Bob": 40_000.0}
SEATS = {
    "commodity": "seats",
    "joinable_share": 0.8,
    "dispersion": 0.1,
    "alignment_share": 0.4,
    "commercial_rate": 0.01,
}
SPEND = [{"company": name, "commodity": "seats", "per_car": 200_000.0} for name in CARS]
ALIGNED, RATED = 0.4 * 0.1 * 0.5, (1 - 0.02) * 0.01


def flat(**changes: Any) -> dict[str, Any]:
    """Both buy module S at one flat price; development costs nothing: only what a test adds can save."""
    base = two_companies()
    free = {"nre": 0.0, "tooling": 0.0, "application_nre": 0.0, "application_tooling": 0.0}
    return two_companies(**{
        "classes": [{"class": "e-axle", "k_family_nre": 0.2}],
        "families": [{"family": "FS", "class": "e-axle", "life_years": 4, **free}],
        "modules": [{"module": "S", "class": "e-axle", "family": "FS"}],
        "offers": [row for row in base["offers"] if row["offer"] == "NS"],
        "tiers": [{"offer": "NS", "from_quantity": 0.0, "unit_price": 100_000.0}],
        "trade": [], **changes,
    })  # fmt: skip


def plans_of(tables: dict[str, Any], **settings: Any) -> plan.Plans:
    study, catalogue, performance = small(tables, settings={"inventory_rate": 0.0, **settings})
    return plan.solve(study, catalogue, performance, gap=1e-7)


def value(plans: plan.Plans, rung: str, coalition: str = "Ann+Bob") -> float:
    return plans.by_key[(coalition, rung)].value


def levers(plans: plan.Plans, rung: str) -> dict[str, float]:
    table = plans.savings.filter((pl.col("rung") == rung) & (pl.col("method") == "order"))
    return {name: part["value"].sum() for (name,), part in table.group_by("lever")}


def test_the_distance_from_the_best_of_n_buyers() -> None:
    """Expected least of n normal values (Teichroew 1956) by the mean gap of two, 2 / sqrt(pi)."""
    assert distance_from_best(1) == 0.0
    assert distance_from_best(2) == 0.5
    for buyers, least in ((3, 0.8462843753), (4, 1.0293753730), (10, 1.5387527308)):
        assert distance_from_best(buyers) == pytest.approx(least / 1.1283791671, abs=1e-8)


def test_the_rest_of_the_car_stands_in_every_plan_and_is_a_slip_of_paper() -> None:
    plans = plans_of(flat(commodities=[SEATS], spend=SPEND))
    plain = plans_of(flat())
    rest = {name: sum(cars * 0.2 * WORTH[year] for year in YEARS) for name, cars in CARS.items()}
    for name in CARS:
        assert value(plans, "alone", name) - value(plain, "alone", name) == pytest.approx(rest[name], rel=1e-12)
    saving = value(plans, "alone") - value(plans, "components")
    assert saving == pytest.approx(0.8 * (ALIGNED + RATED) * sum(rest.values()), rel=1e-10)
    found = levers(plans, "components")
    assert found["alignment"] == pytest.approx(0.8 * ALIGNED * sum(rest.values()), rel=1e-10)
    assert found["commercial_scale"] == pytest.approx(0.8 * RATED * sum(rest.values()), rel=1e-10)
    assert value(plans, "components") == pytest.approx(value(plans, "powertrain"), rel=1e-12)


def test_spend_by_the_year_is_spread_over_the_cars() -> None:
    yearly = [{"company": name, "commodity": "seats", "million_a_year": cars * 0.2} for name, cars in CARS.items()]
    by_car = [{"company": name, "programme": programme, "commodity": "seats", "million_a_year": CARS[name] * 0.2}
              for name, programme in (("Ann", "A1"), ("Bob", "B1"))]  # fmt: skip
    expected = plans_of(flat(commodities=[SEATS], spend=SPEND))
    for spend in (yearly, by_car):
        found = plans_of(flat(commodities=[SEATS], spend=spend))
        for rung in ("alone", "components"):
            assert value(found, rung) == pytest.approx(value(expected, rung), rel=1e-12)


def test_the_ramp_and_the_start_of_the_alliance_join_the_spend_year_by_year() -> None:
    """Half a year after the start 0.30 + 0.13 / 3 of the spend, then on between the rows of the ramp; 0 before it."""
    ramp = [{"years_after": after, "share": share} for after, share in ((0.0, 0.30), (1.5, 0.43), (3.0, 0.70))]
    seats = {**SEATS, "joinable_share": 0.5, "contract_years": 1.0}
    plans = plans_of(flat(commodities=[seats], spend=SPEND, ramp=ramp), alliance_year=2028)
    joined = {2027: 0.0, 2028: 0.5 * (0.30 + 0.13 / 3), 2029: 0.43, 2030: 0.5}  # 2028: half of the contracts ended
    expected = sum(70_000 * 0.2 * WORTH[year] * joined[year] for year in YEARS) * (ALIGNED + RATED)
    assert value(plans, "alone") - value(plans, "components") == pytest.approx(expected, rel=1e-10)


def test_spend_is_joined_only_once_it_is_negotiated_again() -> None:
    """Cars in production before the start: nothing until the facelift of 2029; no contract ends by itself."""
    base = flat()
    generations = [{**row, "sop": "2025-01", "facelift_year": 2029} for row in base["generations"]]
    plans = plans_of(flat(generations=generations, commodities=[SEATS], spend=SPEND), alliance_year=2028)
    expected = sum(70_000 * 0.2 * WORTH[year] for year in (2029, 2030)) * 0.8 * (ALIGNED + RATED)
    assert value(plans, "alone") - value(plans, "components") == pytest.approx(expected, rel=1e-10)


def test_cars_on_the_road_when_the_alliance_starts_are_not_negotiated_by_the_start_of_the_horizon() -> None:
    """In production since 2025, or past a facelift of 2026: nothing is joined, though both begin in 2027."""
    for facelift in (None, 2026):
        generations = [{**row, "sop": "2025-01", "facelift_year": facelift} for row in flat()["generations"]]
        plans = plans_of(flat(generations=generations, commodities=[SEATS], spend=SPEND))
        assert value(plans, "alone") == pytest.approx(value(plans, "components"), rel=1e-12)


def parts(**more: Any) -> dict[str, Any]:
    return {**SEATS, "commodity": "drives", "class": "e-axle", "joinable_share": 1.0, **more}


def test_parts_that_the_plan_buys_are_cut_too_and_a_common_drawing_has_one_price() -> None:
    plans = plans_of(flat(commodities=[parts()]))
    bill = sum(70_000 * 0.1 * WORTH[year] for year in YEARS)
    assert value(plans, "alone") == pytest.approx(bill, rel=1e-12)
    assert value(plans, "alone") - value(plans, "components") == pytest.approx(bill * (ALIGNED + RATED), rel=1e-10)
    shared = flat(commodities=[parts()], families=[{**flat()["families"][0], "nre": 50_000.0}])
    joint = plans_of(shared)
    developed = joint.by_key[("Ann+Bob", "powertrain")].tables["development"]
    assert "Ann+Bob" in developed["developing_group"].to_list()
    given_up = -bill * ALIGNED  # one drawing has one price
    assert levers(joint, "powertrain")["alignment"] == pytest.approx(given_up, rel=1e-9)
    rate = levers(joint, "components")["commercial_scale"] + levers(joint, "powertrain")["commercial_scale"]
    assert rate == pytest.approx(bill * 0.01, rel=1e-9)


def test_a_contract_is_cut_from_its_renegotiation_on() -> None:
    contract = {
        "generation": "G1", "class": "e-axle", "module": "S", "supplier": "Near", "site": "Near JP",
        "contract_end": 2031.0, "unit_price": 90_000.0, "cancellation_cost": 1e6,
    }  # fmt: skip
    held = [{**contract, "programme": programme, "company": name} for programme, name in (("A1", "Ann"), ("B1", "Bob"))]
    never = plans_of(flat(commodities=[parts()], existing=held))
    assert value(never, "alone") == pytest.approx(value(never, "components"), rel=1e-12)
    stated = plans_of(flat(commodities=[parts()], existing=[{**row, "renegotiated": 2029.0} for row in held]))
    expected = sum(70_000 * 0.09 * WORTH[year] for year in (2029, 2030)) * (ALIGNED + RATED)
    assert value(stated, "alone") - value(stated, "components") == pytest.approx(expected, rel=1e-10)


def test_the_organisation_costs_from_the_first_rung_that_pools_on_and_nothing_alone() -> None:
    plans = plans_of(flat(), joint_organisation_a_year=10.0, alliance_year=2028)
    expected = 10.0 * sum(WORTH[year] for year in (2028, 2029, 2030))
    assert value(plans, "components") - value(plans, "alone") == pytest.approx(expected, rel=1e-10)
    assert levers(plans, "components")["joint_organisation"] == pytest.approx(-expected, rel=1e-10)
    assert value(plans, "powertrain") - value(plans, "components") == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize(
    "changes",
    [
        {"spend": SPEND[:1]},
        {"ramp": [{"years_after": 0.0, "share": 0.0}]},
        {"commodities": [{**SEATS, "joinable_share": 0.0}]},
        {"commodities": [{**SEATS, "from_rung": "powertrain"}]},
        {"rungs": [{**row, "procurement": "none"} for row in rung_rows()]},
        {"commodities": [{**SEATS, "cut_limit": 0.0}]},
    ],
    ids=[
        "one buyer",
        "ramp of nothing",
        "nothing joinable",
        "from a later rung",
        "nothing pooled",
        "suppliers give none",
    ],
)
def test_nothing_joined_nothing_saved(changes: dict[str, Any]) -> None:
    plans = plans_of(flat(**{"commodities": [SEATS], "spend": SPEND, **changes}))
    found = plans.by_key.get(("Ann+Bob", "components"))
    if found is not None and found.status != "not evaluated":
        assert value(plans, "alone") == pytest.approx(found.value, rel=1e-12)


def test_suppliers_give_no_more_than_they_have() -> None:
    one = CommodityFact("x", "", 1.0, 0.1, 0.4, 0.01, 0.025, "", 0.0)
    assert cut_of(one, 2) == pytest.approx((0.02, 0.005))
    tight = CommodityFact("x", "", 1.0, 0.1, 0.4, 0.01, 0.015, "", 0.0)
    assert cut_of(tight, 2) == pytest.approx((0.015, 0.0))


@pytest.mark.parametrize("seed", range(6))
def test_the_program_and_the_price_agree_and_levers_add_up(seed: int) -> None:
    """With every other term mixed: the bound holds, the plan found is proven, and nothing is lost between levers."""
    study, catalogue, performance = random_study(seed)
    rng = np.random.default_rng(seed)
    tables = {
        "commodities": [
            parts(dispersion=float(rng.uniform(0, 0.3)), commercial_rate=float(rng.uniform(0, 0.1))),
            SEATS,
        ],
        "spend": SPEND,
        "ramp": [{"years_after": 0.0, "share": 0.3}, {"years_after": 3.0, "share": 0.9}],
    }
    from teikei.tables.columns import frame

    study = study.with_tables(**{name: frame(name, rows) for name, rows in tables.items()})
    plans = plan.solve(study, catalogue, performance, gap=1e-7)
    for found in plans.by_key.values():
        assert found.bound <= found.value * (1 + 1e-9)
        assert found.value - found.bound <= 1e-4 * found.value
        assert math.isfinite(found.value)
    adds_up(study, catalogue, plans)
    saved = value(plans, "alone") - value(plans, "components")
    assert saved > -1e-6
    assert levers(plans, "components")["alignment"] > 0


def test_variable_cost_per_car_falls_by_what_is_saved_together() -> None:
    plans = plans_of(flat(commodities=[SEATS], spend=SPEND))
    table = plans.by_key[("Ann+Bob", "components")].tables["unit_costs"]
    found = table.filter((pl.col("year") == 2028) & pl.col("item").is_in(["alignment", "joint_rate"]))
    assert set(found["item"]) == {"alignment", "joint_rate"}
    cut = found.filter(pl.col("company") == "Ann")["variable_cost"].sum()
    assert cut == pytest.approx(-200_000.0 * 0.8 * (ALIGNED + RATED))


def test_bad_rows_are_named_with_their_place(tmp_path: Path) -> None:
    tables = small_tables()
    rungs = [row[0] for row in tables["rungs"][1:]]
    tables["commodities"] = [
        ["commodity", "class", "joinable_share", "dispersion", "from_rung"],
        ["seats", "", "0.5", "-0.1", ""],
        ["drives", "e-axle", "0.5", "0.1", ""],
        ["motors", "e-axle", "0.5", "0.1", rungs[0]],
    ]
    tables["spend"] = [
        ["company", "programme", "commodity", "per_car", "million_a_year"],
        ["Aoba", "", "seats", "1", "1"],
        ["Aoba", "", "", "1", ""],
        ["Aoba", "", "drives", "1", ""],
        ["Midori", "P1", "seats", "1", ""],
    ]
    tables["ramp"] = [["years_after", "share"], ["0", "0.5"], ["3", "0.4"]]
    problems = [str(one) for one in check(write_small(tmp_path / "bad", tables)) if not one.warning]
    for place in (
        "commodities.csv:2:dispersion", "commodities.csv:4:class", "commodities.csv:4:from_rung", "spend.csv:2:per_car",
        "spend.csv:3:commodity", "spend.csv:4:commodity", "spend.csv:5:company", "ramp.csv:3:share",
    ):  # fmt: skip
        assert any(place in text for text in problems), (place, problems)
