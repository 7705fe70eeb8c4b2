"""Captive suppliers: each tie against a slip of paper, each lost unit charged once, laws, and bad rows named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import teikei.plan as plan
from teikei.errors import NoPlanError
from teikei.plan.decisions import Decisions
from teikei.study import check
from tests.plan.small import make_catalogue, small, two_companies
from tests.plan.test_joined_spend import WORTH, YEARS, flat, levers, plans_of, value
from tests.plan.test_levers import adds_up, random_study
from tests.study.small import small_tables, write_small

ANN, BOB = 30_000.0, 40_000.0
NEAR, FAR = 100_000.0, 60_000.0
TIED = {"owner": "Ann", "supplier": "Near", "class": "e-axle", "committed": 20_000.0, "fixed_cost": 30_000.0}
OWNED = [{"company": "Ann", "supplier": "Near", "share": 0.5}]
DISCOUNTED = sum(WORTH[year] for year in YEARS)


def both(**changes: Any) -> dict[str, Any]:
    """Both suppliers sell S at a flat price, Far at less; Ann owns half of Near."""
    base = two_companies()
    return flat(**{
        "offers": [row for row in base["offers"] if row["module"] == "S"],
        "tiers": [
            {"offer": "NS", "from_quantity": 0.0, "unit_price": NEAR},
            {"offer": "FS", "from_quantity": 0.0, "unit_price": FAR},
        ],
        "suppliers": [{"supplier": "Near", "operating_margin": 0.0}, {"supplier": "Far"}], "equity": OWNED, **changes,
    })  # fmt: skip


def near(plans: plan.Plans, rung: str, coalition: str, programme: str | None = None) -> list[float]:
    """Pieces that a coalition takes from Near, year by year."""
    awards = plans.by_key[(coalition, rung)].tables["awards"].filter(pl.col("supplier") == "Near")
    if programme:
        awards = awards.filter(pl.col("programme") == programme)
    return [float(awards.filter(pl.col("year") == year)["quantity"].sum()) for year in YEARS]


def test_an_idle_line_costs_the_owners_share_of_what_stays() -> None:
    tied, free = plans_of(both(captive=[TIED])), plans_of(both())
    assert near(tied, "alone", "Ann") == [0.0] * 4  # 40,000 a unit is more than 15,000 of idle line
    idle = 0.5 * 30_000 * 20_000 / 1e6
    assert value(tied, "alone", "Ann") - value(free, "alone", "Ann") == pytest.approx(idle * DISCOUNTED, rel=1e-10)
    assert value(tied, "alone", "Bob") == pytest.approx(value(free, "alone", "Bob"), rel=1e-12)
    use = tied.by_key[("Ann", "alone")].tables["captive_use"]
    assert use.select("committed", "taken", "lost").rows() == [(20_000.0, 0.0, 20_000.0)] * 4
    assert use["cost"].sum() == pytest.approx(idle * DISCOUNTED)


def test_where_an_idle_line_costs_more_than_the_dearer_part_it_is_filled_and_no_further() -> None:
    dear = {**TIED, "fixed_cost": 90_000.0}
    tied, free = plans_of(both(captive=[dear])), plans_of(both())
    assert near(tied, "alone", "Ann") == pytest.approx([20_000.0] * 4)
    extra = (NEAR - FAR) * 20_000 / 1e6 * DISCOUNTED
    assert value(tied, "alone", "Ann") - value(free, "alone", "Ann") == pytest.approx(extra, rel=1e-10)


def test_each_lost_unit_is_charged_once_its_margin_in_the_credit_and_its_fixed_cost_here() -> None:
    """Leaving Near for the captive's whole volume costs share x (margin + fixed cost) a unit, not more."""
    suppliers = [{"supplier": "Near", "operating_margin": 0.1}, {"supplier": "Far"}]
    full = {**TIED, "committed": ANN}
    limit = NEAR - 0.5 * (0.1 * NEAR + 30_000)  # Far's price at which both are equal: 80,000
    for price, bought in ((limit - 100, 0.0), (limit + 100, ANN)):
        tiers = [
            {"offer": "NS", "from_quantity": 0.0, "unit_price": NEAR},
            {"offer": "FS", "from_quantity": 0.0, "unit_price": price},
        ]
        tied = plans_of(both(captive=[full], suppliers=suppliers, tiers=tiers))
        assert near(tied, "alone", "Ann") == pytest.approx([bought] * 4), price


def test_the_least_share_holds_alone_and_at_every_rung_while_it_runs() -> None:
    share = {**TIED, "committed": 0.0, "least_share": 0.4, "until_year": 2028}
    tied, free = plans_of(both(captive=[share])), plans_of(both())
    expected = [0.4 * ANN, 0.4 * ANN, 0.0, 0.0]
    assert near(tied, "alone", "Ann") == pytest.approx(expected)
    for rung in ("alone", "components", "powertrain"):
        assert near(tied, rung, "Ann+Bob", "A1") == pytest.approx(expected)
    extra = (NEAR - FAR) * 0.4 * ANN / 1e6 * (WORTH[2027] + WORTH[2028])
    assert value(tied, "alone", "Ann") - value(free, "alone", "Ann") == pytest.approx(extra, rel=1e-10)


def test_a_partners_units_fill_the_line_where_the_class_is_pooled_and_the_lever_says_so() -> None:
    """Bob can buy at Near only: alone his units are none of Ann's business, together they fill her line."""
    offers = [{**row, "buyer": "Ann"} if row["offer"] == "FS" else row for row in both()["offers"]]
    tied, free = plans_of(both(offers=offers, captive=[TIED])), plans_of(both(offers=offers))
    idle = 0.5 * 30_000 * 20_000 / 1e6 * DISCOUNTED
    assert value(tied, "alone") - value(free, "alone") == pytest.approx(idle, rel=1e-10)
    assert value(tied, "components") == pytest.approx(value(free, "components"), rel=1e-10)
    assert levers(tied, "components")["captive"] == pytest.approx(idle, rel=1e-10)
    assert value(tied, "alone") == pytest.approx(value(tied, "alone", "Ann") + value(tied, "alone", "Bob"), rel=1e-12)


def test_a_contract_fills_the_line_and_leaving_it_costs_the_outsiders_share() -> None:
    held = [
        {"programme": "A1", "generation": "G1", "class": "e-axle", "company": "Ann", "module": "S", "supplier": "Near",
         "site": "Near JP", "contract_end": 2031.0, "unit_price": NEAR, "cancellation_cost": 100.0}
    ]  # fmt: skip
    generations = [{**row, "sop": "2025-01"} for row in both()["generations"]]
    keep = plans_of(
        both(existing=held, generations=generations, captive=[{**TIED, "committed": ANN, "fixed_cost": 5e5}])
    )
    assert near(keep, "alone", "Ann") == pytest.approx([ANN] * 4)
    left = plans_of(both(existing=held, generations=generations, captive=[{**TIED, "fixed_cost": 1.0}]))
    free = plans_of(both(existing=held, generations=generations))
    costs = [found.by_key[("Ann", "alone")].tables["cost_breakdown"] for found in (left, free)]
    paid = [float(table.filter(pl.col("item") == "switching")["value"].sum()) for table in costs]
    assert near(left, "alone", "Ann") == [0.0] * 4
    assert paid[1] > 0
    assert paid[0] == pytest.approx(0.5 * paid[1], rel=1e-9)


def test_a_site_counts_by_itself_where_it_is_named() -> None:
    sites = [*both()["sites"], {"site": "Near 2", "supplier": "Near", "country": "JP"}]
    offers = [{**row, "site": "Near 2"} if row["offer"] == "NS" else row for row in both()["offers"]]
    dear = {**TIED, "fixed_cost": 90_000.0}
    anywhere = plans_of(both(sites=sites, offers=offers, captive=[dear]))
    other = plans_of(both(sites=sites, offers=offers, captive=[{**dear, "site": "Near JP"}]))
    assert near(anywhere, "alone", "Ann") == pytest.approx([20_000.0] * 4)
    assert near(other, "alone", "Ann") == [0.0] * 4


def test_a_share_that_cannot_be_had_is_named_with_what_would_do() -> None:
    capacity = [{"site": "Near JP", "from_year": 2027, "capacity": 6_000.0, "unit": "pieces"}]
    with pytest.raises(NoPlanError, match=r"captive \(Near of Ann, e-axle, 2027-2030: at least 0\.5\)") as raised:
        plans_of(both(captive=[{**TIED, "least_share": 0.5}], capacities=capacity))
    assert "with 0.2" in str(raised.value)


def test_a_broken_share_is_refused_outside_the_solver_too() -> None:
    from dataclasses import replace

    from teikei.plan.price import price
    from teikei.plan.read import read_facts
    from teikei.plan.scope import Scope
    from teikei.plan.sources import of_offer

    study, catalogue, performance = small(both(captive=[{**TIED, "least_share": 0.5}]))
    plans = plan.solve(study, catalogue, performance, gap=1e-7)
    decisions = plans.by_key[("Ann", "alone")].decisions["decisions"]
    assert isinstance(decisions, Decisions)
    pieces: dict[Any, float] = {}
    for (item, _, year), amount in decisions.awards.items():
        key = (item, of_offer("FS"), year)
        pieces[key] = pieces.get(key, 0.0) + amount
    scope = Scope(read_facts(study, catalogue, performance), "Ann", "alone", ("Ann",))
    with pytest.raises(NoPlanError, match="captive"):
        price(scope, replace(decisions, awards=pieces))


@pytest.mark.parametrize("seed", range(6))
def test_program_and_price_agree_and_levers_add_up_with_ties(seed: int) -> None:
    """With every other term mixed: proven plans, levers that add up, ties never make a plan cheaper."""
    study, catalogue, performance = random_study(seed)
    rng = np.random.default_rng(seed)
    from teikei.tables.columns import frame

    supplier = study["suppliers"]["supplier"][0]
    row = {
        "owner": study.companies[0], "supplier": supplier, "class": "e-axle",
        "committed": float(rng.uniform(1_000, 60_000)), "fixed_cost": float(rng.uniform(1_000, 60_000)),
        "least_share": 0.2 if seed % 2 else 0.0,
    }  # fmt: skip
    owned = [{"company": study.companies[0], "supplier": supplier, "share": 0.6}]
    bare = study.with_tables(equity=frame("equity", owned))
    tied = bare.with_tables(captive=frame("captive", [row]))
    plans, before = (plan.solve(one, catalogue, performance, gap=1e-7) for one in (tied, bare))
    for key, found in plans.by_key.items():
        assert found.value - found.bound <= 1e-4 * found.value
        assert found.value >= before.by_key[key].value * (1 - 1e-4)
        again = plan.reprice(tied, catalogue, found, tied["volumes"])
        assert again.value == pytest.approx(found.value, rel=1e-9)
    adds_up(tied, catalogue, plans)


def test_the_price_of_a_tie_is_what_the_plan_costs_less_without_it() -> None:
    study, catalogue, performance = small(both(captive=[{**TIED, "committed": 0.0, "least_share": 0.5}]))
    plans = plan.solve(study, catalogue, performance, gap=1e-7)
    prices = plan.rule_prices(study, catalogue, performance, plans)
    assert prices["rule"].to_list() == ["captive (Near of Ann, e-axle, 2027-2030: at least 0.5)"]
    free, _, _ = small(both())
    without = plan.solve(free, make_catalogue(free), performance, gap=1e-7)
    last = value(plans, "powertrain") - value(without, "powertrain")
    assert prices["price"][0] == pytest.approx(last, rel=1e-4)


def test_packs_count_in_gwh_and_their_fixed_cost_by_kwh() -> None:
    """Ann needs 30,000 packs of 50 kWh, 1.5 of the 2 GWh committed: half a GWh stands idle, at half of 2,000 a kWh."""
    from tests.plan.small import plant_study

    study, catalogue, performance = plant_study(step=2.0, investment=1e9)
    from teikei.tables.columns import frame

    row = {"owner": "Ann", "supplier": "Near", "class": "pack", "committed": 2.0, "fixed_cost": 2_000.0}
    tied = study.with_tables(captive=frame("captive", [row]), equity=frame("equity", OWNED))
    bare = study.with_tables(equity=frame("equity", OWNED))
    with_tie, without = (plan.solve(one, catalogue, performance, gap=1e-7) for one in (tied, bare))
    found = with_tie.by_key[("Ann", "alone")]
    assert found.tables["captive_use"]["lost"].to_list() == pytest.approx([0.5] * 4)
    extra = 0.5 * 2_000 * 0.5e6 / 1e6 * DISCOUNTED
    assert found.value - without.by_key[("Ann", "alone")].value == pytest.approx(extra, rel=1e-9)


def test_bad_rows_are_named_with_their_place(tmp_path: Path) -> None:
    tables = small_tables()
    supplier = tables["suppliers"][1][0]
    tables["equity"] = [["company", "supplier", "share"], ["Aoba", supplier, "0.5"]]
    tables["captive"] = [
        ["owner", "supplier", "class", "committed", "fixed_cost", "least_share", "from_year", "until_year"],
        ["Aoba", supplier, "e-axle", "1000", "10", "1.5", "2030", "2028"],
        ["Midori", supplier, "e-axle", "1000", "-1", "0.5", "", ""],
        ["Aoba", "Nobody", "e-axle", "1000", "10", "0.5", "", ""],
    ]
    problems = [str(one) for one in check(write_small(tmp_path / "bad", tables)) if not one.warning]
    for place in (
        "captive.csv:2:least_share", "captive.csv:2:until_year", "captive.csv:3:owner", "captive.csv:3:fixed_cost",
        "captive.csv:4:supplier",
    ):  # fmt: skip
        assert any(place in text for text in problems), (place, problems)
