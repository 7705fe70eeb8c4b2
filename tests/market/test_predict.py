"""The forecast of a study: what it must obey whatever the figures."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from teikei.errors import StudyError
from teikei.market import calibrate, predict, price_and_sell
from teikei.market.cases import cost_change, unit_cost
from teikei.market.scene import consideration_path, scenes
from tests.market.small_japan import GRAND, plan, plans, study

DRAWS = 6


@pytest.fixture(scope="module")
def calibrated():
    return calibrate(study(), draws=DRAWS)


@pytest.fixture(scope="module")
def outcome():
    return predict(study(), plans(60_000.0), draws=DRAWS)


def at(table, rung, scenario="base", year=2028):
    return table.filter(pl.col("rung") == rung, pl.col("scenario") == scenario, pl.col("year") == year)


def test_the_calibration_year_reproduces_units_and_prices_for_every_draw(calibrated):
    found = price_and_sell(calibrated)
    assert found.units == pytest.approx(np.broadcast_to(calibrated.home.units, found.units.shape), rel=1e-9)
    assert found.price == pytest.approx(np.broadcast_to(calibrated.home.price, found.price.shape), rel=1e-9)
    assert found.equilibrium.residual.max() <= 1e-12


def test_moments_that_the_study_names_are_met_within_their_ranges(calibrated):
    table = calibrated.moments.filter(pl.col("low").is_not_null())
    missed = table.filter((pl.col("model") < pl.col("low")) | (pl.col("model") > pl.col("high")))
    # pass-through of a discrete choice with small shares is close to one: it may miss its upper end by a hair
    assert set(missed["moment"]) <= {"pass_through"}
    assert table.filter(pl.col("moment") == "pass_through")["model"][0] < 1.02
    assert np.allclose(table["deviation"], table["model"] - table["target"])


def test_a_moment_moves_the_model_towards_it(calibrated):
    other = study()
    moments = other["moments"].with_columns(
        pl.when(pl.col("moment") == "own_price_elasticity").then(-5.0).otherwise(pl.col("target")).alias("target")
    )
    steeper = calibrate(other.with_tables(moments=moments), draws=2)

    def own(table):
        return table.moments.filter(pl.col("moment") == "own_price_elasticity")["model"][0]

    assert own(steeper) < own(calibrated) - 0.3


def test_parameters_used_to_make_a_market_are_found_again_by_its_moments(calibrated):
    """Simulate and recover: take the model's own moments as targets with narrow ranges."""
    truth = calibrated.moments
    moments = [
        {
            "moment": name,
            "country": "JP",
            "target": value,
            "low": value - abs(value) / 50,
            "high": value + abs(value) / 50,
        }
        for name, value in truth.filter(pl.col("target").is_not_null() & (pl.col("moment") != "units"))
        .select("moment", "model")
        .iter_rows()
    ]
    again = calibrate(study(moments=moments), draws=2)
    rows = again.moments.filter(pl.col("low").is_not_null())
    assert rows["model"].to_numpy() == pytest.approx(rows["target"].to_numpy(), rel=0.02)


def test_a_cost_cut_lowers_own_prices_raises_own_sales_and_takes_from_rivals(outcome):
    base, joint = at(outcome.summary, "alone"), at(outcome.summary, "battery")
    assert joint["ev_share"][0] > base["ev_share"][0]
    assert joint["alliance_ev_units"][0] > base["alliance_ev_units"][0]
    assert joint["rival_ev_units"][0] < base["rival_ev_units"][0]
    assert 0 < joint["ev_share_change_lower"][0] <= joint["ev_share_change_upper"][0]
    assert 0.6 < joint["pass_through"][0] < 1.1
    assert joint["consumer_surplus_change"][0] > 0
    assert joint["alliance_profit_change"][0] > 0


def test_a_rung_that_saves_more_moves_the_share_more(outcome):
    shares = [at(outcome.summary, rung)["ev_share"][0] for rung in ("alone", "powertrain", "battery")]
    assert shares == sorted(shares)
    assert shares[0] < shares[1] < shares[2]


def test_development_cost_never_reaches_prices(outcome):
    dear = predict(study(), plans(60_000.0, nre=1e6), draws=DRAWS)
    assert dear.outcome.equals(outcome.outcome)


def test_no_saving_moves_nothing(outcome):
    same = predict(study(), plans(0.0), draws=DRAWS)
    for rung in ("powertrain", "battery"):
        moved = same.outcome.filter(pl.col("rung") == rung, pl.col("scenario") == "base")
        assert moved["price_change"].abs().max() < 1e-3
        assert moved["units_change"].abs().max() < 1e-3
    base = outcome.summary.filter(pl.col("rung") == "alone", pl.col("scenario") == "base")
    assert base.equals(same.summary.filter(pl.col("rung") == "alone", pl.col("scenario") == "base"))


def test_joint_procurement_keeps_owners_apart_and_the_merger_raises_prices(outcome):
    merged = at(outcome.outcome, "battery", "merger")
    apart = at(outcome.outcome, "battery")
    own = apart["company"].is_in(["Nissan", "Honda", "Mitsubishi"])
    assert (merged["price"].filter(own) > apart["price"].filter(own)).all()
    assert merged["units"].filter(own).sum() < apart["units"].filter(own).sum()


def test_units_and_shares_add_up(outcome):
    for _, rows in outcome.outcome.group_by("coalition", "rung", "scenario", "year"):
        assert rows["share"].sum() == pytest.approx(1.0)
        assert (rows["lower"] <= rows["upper"]).all()
    walk = outcome.walk.filter(pl.col("rung") == "battery")
    steps = dict(walk.select("step", "value").iter_rows())
    assert steps["before"] + steps["cost saving"] + steps["price cut"] + steps["volume"] == pytest.approx(
        steps["after"]
    )
    assert steps["cost saving"] > 0 > steps["price cut"]


def test_tables_carry_the_columns_of_the_contract(outcome):
    columns = [
        "coalition",
        "rung",
        "scenario",
        "year",
        "region",
        "product",
        "company",
        "price",
        "units",
        "share",
        "lower",
        "upper",
    ]
    assert set(columns) <= set(outcome.outcome.columns)
    assert set(outcome.outcome["coalition"]) == {"alone", GRAND}
    assert outcome.convergence["converged"].all()
    starts = pl.col("case").str.contains("starts")
    assert outcome.convergence.filter(~starts)["residual"].max() <= 1e-12
    assert outcome.convergence.filter(starts)["residual"][0] < 1e-8
    assert outcome.history.filter(pl.col("region") == "JP", pl.col("year") == 2024)["ev_share"][0] == 0.028


def test_results_do_not_depend_on_the_executor(outcome):
    with ThreadPoolExecutor(2) as pool:
        parallel = predict(study(), plans(60_000.0), executor=pool, draws=DRAWS)
    assert parallel.outcome.equals(outcome.outcome)
    assert parallel.summary.equals(outcome.summary)


def test_without_plans_only_the_baseline_and_the_merger_are_told():
    alone = predict(study(), None, draws=2)
    assert set(alone.outcome["rung"]) == {"alone"}
    assert any("only the baseline" in message for message in alone.messages)


def test_a_subsidy_rise_raises_the_share_and_reaches_mostly_the_buyer(outcome):
    step = outcome.policy_step
    assert step.filter(pl.col("product") == "EV share")["units_change"][0] > 0
    sakura = step.filter(pl.col("product") == "Sakura")
    assert sakura["subsidy_change"][0] == pytest.approx(0.3 * 0.57e6)
    assert 0.5 < sakura["buyer_part"][0] < 1.2


def test_the_loop_is_closed_by_repricing_and_reports_its_residual():
    calls = []

    def reprice(one, volumes):
        calls.append(volumes)
        grown = volumes.filter(pl.col("programme") == "P01", pl.col("year") == 2028)["units"][0] / 10_000
        cost = 8e5 - 60_000 * grown  # more volume, lower cost: the loop has to settle
        return plan(one.coalition, one.rung, cost)

    volumes = [
        {
            "programme": name,
            "generation": "G1",
            "company": "x",
            "plant": "p",
            "region": region,
            "year": year,
            "units": 1e4,
        }
        for name in ("P01", "P02", "P03", "P09")
        for region in ("JP", "EU")
        for year in (2027, 2028)
    ]
    found = predict(study(volumes=volumes), plans(60_000.0), reprice=reprice, draws=2)
    row = found.convergence.filter(pl.col("case").str.starts_with("battery: loop through volumes")).row(0, named=True)
    assert row["converged"]
    assert row["residual"] <= 1.0
    europe = calls[-1].filter(pl.col("region") == "EU")["units"]
    assert (europe == 1e4).all()
    home = calls[-1].filter(pl.col("region") == "JP", pl.col("year") == 2028)["units"]
    assert (home > 1e4).all()


def test_a_loop_that_cycles_says_so():
    calls: dict[str, int] = {}

    def reprice(one, _volumes):
        calls[one.rung] = calls.get(one.rung, 0) + 1
        return plan(one.coalition, one.rung, 7.6e5 if calls[one.rung] % 2 else 7.2e5)

    found = predict(study(), plans(60_000.0), reprice=reprice, draws=2)
    rows = found.convergence.filter(pl.col("case").str.contains("loop"))
    assert not rows["converged"].any()
    assert any("cycle with length 2" in message for message in found.messages)
    assert any("do not quote" in message for message in found.messages)


def test_a_programme_enters_in_the_year_of_its_start_of_production():
    extra = study()
    programmes = [
        *extra["programmes"].select("programme", "company", "segment", "title").iter_rows(named=True),
        {"programme": "P04", "company": "Honda", "segment": "kei", "title": "N-BOX EV"},
    ]
    fuller = study(
        programmes=programmes,
        generations=[{"programme": "P04", "generation": "G1", "sop": "2027-10", "eop_year": 2027}],
        requirements=[
            {"programme": "P04", "requirement": "range", "procedure": "wltc_japan", "value": 250.0, "unit": "km"}
        ],
        volumes=[
            {
                "programme": "P04",
                "generation": "G1",
                "company": "Honda",
                "plant": "p",
                "region": "JP",
                "year": 2027,
                "units": 1e4,
            }
        ],
    )
    line, messages = scenes(fuller, calibrate(fuller, draws=2))
    on_sale = {scene.year: "N-BOX EV" in scene.home.product for scene in line}
    assert on_sale == {2025: False, 2026: False, 2027: True, 2028: False}
    assert any("N-BOX EV: enters in 2027" in message for message in messages)


def test_consideration_grows_but_never_passes_one():
    path = consideration_path(np.array([0.1, 0.9]), np.array([0.01, 0.5]), np.array([0.2, 3.0]), 30)
    assert (np.diff(path, axis=0) >= 0).all()
    assert path.max() <= 1.0


def test_unit_costs_add_items_up_and_weigh_companies_by_units():
    table = pl.DataFrame(
        {
            "company": ["A", "A", "B", "B"],
            "programme": ["P"] * 4,
            "year": [2030] * 4,
            "item": ["pack", "e-axle"] * 2,
            "units": [100.0, 100.0, 300.0, 300.0],
            "variable_cost": [10.0, 2.0, 20.0, 4.0],
        }
    )
    assert unit_cost(table) == {("P", 2030): (12 * 100 + 24 * 300) / 400}
    short = table.with_columns(pl.lit("shortfall").alias("item"))
    assert unit_cost(pl.concat([table, short])) == unit_cost(table)  # a penalty for too few cars is no cost of a car
    assert cost_change({("P", 2030): 20.0}, unit_cost(table)) == {2030: {"P": 1.0}}


def test_a_rung_that_was_not_evaluated_is_left_out():
    several = plans(60_000.0)
    gone = replace(several.by_key[GRAND, "battery"], status="not evaluated: no data", tables={})
    some = replace(several, by_key={**several.by_key, (GRAND, "battery"): gone})
    found = predict(study(), some, draws=2)
    assert set(found.outcome["rung"]) == {"alone", "powertrain"}


def test_a_study_without_a_market_is_refused_with_the_reason():
    with pytest.raises(StudyError, match="no row for country JP"):
        predict(study(products=[]), None)


def test_a_product_without_units_is_refused_at_its_place():
    small = study()
    table = small["products"].with_columns(
        pl.when(pl.col("product") == "Leaf").then(0.0).otherwise(pl.col("units")).alias("units")
    )
    places = tuple(f"products.csv:{row + 2}" for row in range(table.height))
    bad = replace(small.with_tables(products=table), row_places={"products": places})
    with pytest.raises(StudyError, match=r"products\.csv:5:units: found 0\.0"):
        calibrate(bad)


def test_a_country_without_a_vat_rate_is_refused():
    small = study()
    table = small["products"].with_columns(pl.lit("XX").alias("country"))
    with pytest.raises(StudyError, match="no VAT rate"):
        calibrate(small.with_tables(products=table), country="XX")
