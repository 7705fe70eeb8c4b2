"""Each question's table: accounting identities, limits that are known, and what must not move."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from teikei.errors import StudyError
from teikei.market import calibrate, predict, price_and_sell, questions, respond
from teikei.market.respond import base_scene
from tests.market.small_japan import COMPANIES, GRAND, plans, study


@pytest.fixture(scope="module")
def outcome():
    return predict(study(), plans(60_000.0), draws=8)


@pytest.fixture(scope="module")
def calibrated():
    return calibrate(study(), draws=8)


def test_weighing_each_others_profit_raises_prices_step_by_step_up_to_the_merger(outcome, calibrated):
    table = outcome.more["market_conduct"]
    for saving in table["saving"].unique():
        rows = table.filter(pl.col("saving") == saving).sort("kappa")
        assert rows["kappa"].to_list() == list(questions.KAPPAS)
        for name in ("price_change_percent_ev", "price_change_percent_all"):
            assert (np.diff(rows[name].to_numpy()) > 0).all()
        for name in ("units_change_percent_ev", "consumer_surplus_change"):
            assert (np.diff(rows[name].to_numpy()) < 0).all()
    scene = base_scene(calibrated)
    full, merged = price_and_sell(scene, merged=COMPANIES, conduct=1.0), price_and_sell(scene, merged=COMPANIES)
    assert np.array_equal(full.price, merged.price)
    apart, alone = price_and_sell(scene, merged=COMPANIES, conduct=0.0), price_and_sell(scene)
    assert np.array_equal(apart.price, alone.price)


def test_separate_prices_without_saving_are_the_baseline_itself(outcome):
    base = outcome.more["market_conduct"].filter((pl.col("kappa") == 0) & (pl.col("saving") == "no saving"))
    numbers = base.select(pl.selectors.numeric()).drop("kappa", "year").row(0)
    assert max(abs(value) for value in numbers) < 1e-9


def test_the_merger_of_the_sweep_is_the_merger_of_the_cases(outcome):
    sweep = outcome.more["market_conduct"].filter((pl.col("kappa") == 1) & (pl.col("saving") == "no saving"))
    case = outcome.summary.filter(
        (pl.col("scenario") == "merger") & (pl.col("rung") == "alone") & (pl.col("year") == 2028)
    )
    assert sweep["ev_share_change"][0] == pytest.approx(case["ev_share_change"][0], rel=1e-6)
    assert sweep["profit_change"][0] == pytest.approx(case["alliance_profit_change"][0], rel=1e-6)


def test_gaps_are_price_less_subsidy_less_the_companies_own_combustion_cars(outcome):
    table = outcome.more["market_parity"].filter((pl.col("rung") == "alone") & (pl.col("scenario") == "base"))
    assert set(table["segment"]) == {"kei", "registered"}
    for row in table.iter_rows(named=True):
        gap = row["electric_price"] - row["combustion_price"]
        assert row["gap"] == pytest.approx(gap)
        assert row["gap_after_subsidy"] == pytest.approx(gap - row["subsidy"])
        assert row["gap_with_running"] < row["gap_after_subsidy"]
    at = outcome.outcome.filter((pl.col("rung") == "alone") & (pl.col("scenario") == "base") & (pl.col("year") == 2025))
    kei = at.filter(pl.col("product").is_in(["Honda kei", "Nissan kei"]))
    mean = (kei["price"] * kei["units"]).sum() / kei["units"].sum()
    assert table.filter((pl.col("year") == 2025) & (pl.col("segment") == "kei"))["combustion_price"][0] == (
        pytest.approx(mean)
    )


def test_parity_is_said_with_its_first_year():
    same = {"rung": "battery", "scenario": "base", "segment": "kei"}
    rows = [
        {**same, "year": year, "gap": gap, "gap_after_subsidy": gap - 2, "gap_with_running": gap - 9}
        for year, gap in ((2027, 3.0), (2028, 1.0), (2029, 0.5))
    ]  # fmt: skip
    (told,) = questions.parity_words(pl.DataFrame(rows), "battery")
    assert "at list prices not until 2029" in told
    assert "after the subsidy in 2028" in told
    assert "cheaper energy as well in 2027" in told


def with_fixed(cost: float):
    found = plans(0.0)
    for one in found.by_key.values():
        one.tables["cost_breakdown"] = pl.DataFrame(
            [("Honda", "P03", 2027, "nre_variant", cost), ("Honda", "P03", 2027, "purchase", 9e9)],
            schema=["company", "programme", "year", "item", "value"],
            orient="row",
        )
    return found


def volumes(*rows):
    return [
        {"programme": name, "generation": "G1", "company": "Honda", "plant": "X", "region": region, "year": year,
         "scenario": "base", "units": units}
        for name, region, year, units in rows
    ]  # fmt: skip


def test_break_even_is_the_volume_whose_discounted_margins_equal_development_and_tooling():
    """One year of sales: cars = fixed cost over discounted margin; bought parts are in the margin already."""
    small = study(volumes=volumes(("P03", "JP", 2028, 4000.0), ("P03", "EU", 2028, 1000.0)))
    found = predict(small, with_fixed(2_000.0), draws=4)
    table = found.more["market_break_even"].filter(pl.col("rung") == "battery")
    (row,) = list(table.iter_rows(named=True))
    expected = 2_000.0 * 1e6 / (row["margin"] * small.settings.discount_factor(2028))
    assert row["cars_needed"] == pytest.approx(expected)
    assert (row["cars_planned"], row["cars_at_home"]) == (5000.0, 4000.0)
    twice = predict(small, with_fixed(4_000.0), draws=4).more["market_break_even"].filter(pl.col("rung") == "battery")
    assert twice["cars_needed"][0] == pytest.approx(2 * row["cars_needed"])


def test_a_programme_is_launched_where_the_markets_own_sales_are_expected_to_pay():
    """Sales are the outcome's own; go turns into no-go where fixed cost passes what margins bring."""
    small = study(volumes=volumes(("P03", "JP", 2028, 4000.0), ("P03", "EU", 2028, 1000.0)))
    found = predict(small, with_fixed(10.0), draws=1, paths=1)
    row = found.more["market_break_even"].filter(pl.col("rung") == "battery").row(0, named=True)
    at = found.outcome.filter(
        (pl.col("rung") == "battery") & (pl.col("scenario") == "base") & (pl.col("year") == 2028)
        & (pl.col("product") == "N-ONE e:")
    )  # fmt: skip
    assert row["cars_forecast"] == pytest.approx(at["units"][0])
    assert row["launch"]
    assert row["chance"] == 1.0
    gross = row["profit_expected"] + 10.0
    barely = predict(small, with_fixed(gross * 0.99), draws=1, paths=1).more["market_break_even"]
    beyond = predict(small, with_fixed(gross * 1.01), draws=1, paths=1)
    assert barely["launch"].all()
    assert not beyond.more["market_break_even"]["launch"].any()
    assert any("not expected to pay" in text and "P03" in text for text in beyond.messages)


def test_what_exists_only_because_development_is_shared_is_named():
    small = study(volumes=volumes(("P03", "JP", 2028, 4000.0)))
    joint = with_fixed(1.0)
    alone = joint.by_key["Honda", "alone"]
    alone.tables["cost_breakdown"] = alone.tables["cost_breakdown"].with_columns(
        pl.when(pl.col("item") == "nre_variant").then(1e9).otherwise(pl.col("value")).alias("value")
    )
    found = predict(small, joint, draws=1, paths=1)
    assert any("expected to pay only together (battery against alone): P03" in text for text in found.messages)


def test_who_keeps_the_subsidy_adds_up(outcome):
    table = outcome.more["market_incidence"]
    whole = table.filter(pl.col("company") == "all").row(0, named=True)
    each = table.filter(pl.col("company") != "all")
    assert each["outlay"].sum() == pytest.approx(whole["outlay"])
    assert (table["to_buyers"] + table["to_makers"]).to_list() == pytest.approx([1.0] * table.height)
    assert 0.7 < whole["to_buyers"] < 1.1
    assert whole["cars_with"] > whole["cars_without"]
    base = outcome.summary.filter(
        (pl.col("rung") == "alone") & (pl.col("scenario") == "base") & (pl.col("year") == 2028)
    )
    assert table["ev_share_without"][0] < base["ev_share"][0]


def test_without_subsidies_there_is_nothing_to_keep():
    none = [{"product": "Leaf", "country": "JP", "year": 2025, "subsidy": 0.0}]
    found = predict(study(policy=none), None, draws=2)
    assert found.more["market_incidence"].height == 0
    assert "no subsidy for plug-ins" not in found.levers["lever"].to_list()


def test_what_ifs_are_in_the_order_of_their_size_and_each_has_its_band(outcome):
    change = dict(outcome.levers.select("lever", "change").iter_rows())
    assert change["the companies' electric cars cost 10 % less"] > 0
    assert change["the companies' electric cars cost 10 % less"] < change["the companies' electric cars cost 25 % less"]
    assert change["the companies' electric cars cost 10 % less"] < change["every maker's plug-ins cost 10 % less"]
    assert change["no subsidy for plug-ins"] < 0 < change["twice as many electric models on sale, alike"]
    assert change["three times as many fast chargers"] > 0
    assert (outcome.levers["change_lower"] <= outcome.levers["change_upper"]).all()


def test_prices_fall_by_most_of_what_cost_falls(outcome):
    table = outcome.more["market_pass_through"]
    assert set(table["company"]) <= set(COMPANIES)
    assert table["pass_through"].is_between(0.5, 1.3).all()
    for row in table.iter_rows(named=True):
        assert row["price_change"] == pytest.approx(row["pass_through"] * row["cost_change"] * 1.1)


def test_the_cut_that_can_be_seen_is_in_the_walk_and_in_who_loses(outcome):
    name = "the companies' electric cars cost 10 % less"
    walk = dict(outcome.walk.filter(pl.col("rung") == name).select("step", "value").iter_rows())
    assert walk["before"] + walk["cost saving"] + walk["price cut"] + walk["volume"] == pytest.approx(walk["after"])
    lost = outcome.diversion.filter(pl.col("rung") == name)
    assert lost.filter(pl.col("company").is_in(COMPANIES) & (pl.col("powertrain") == "bev"))["units_change"].min() > 0
    assert lost.filter(~pl.col("company").is_in(COMPANIES))["units_change"].max() < 0


def test_whether_any_maker_gains_by_moving_one_price_is_in_the_run(outcome):
    (row,) = outcome.convergence.filter(pl.col("case").str.contains("moves one price")).iter_rows(named=True)
    assert row["converged"]
    assert row["residual"] <= 1e-9


def test_bands_by_hand_are_those_of_numpy():
    values = np.random.default_rng(4).standard_normal(37)
    assert questions.band(values) == pytest.approx(tuple(np.quantile(values[1:], [0.1, 0.9])), abs=1e-14)
    assert questions.band(np.array([3.0])) == (3.0, 3.0)


def test_the_grand_coalition_is_what_the_cases_are_named_after(outcome):
    assert set(outcome.summary.filter(pl.col("rung") != "alone")["coalition"]) == {GRAND}


def test_equilibria_that_did_not_converge_are_named_and_never_silent(monkeypatch):
    hasty = respond.equilibrium
    monkeypatch.setattr(respond, "equilibrium", lambda *given, **more: hasty(*given, **more, max_iterations=1))
    found = predict(study(), plans(60_000.0), draws=2)
    failed = found.convergence.filter(~pl.col("converged"))
    assert failed.height > 0
    assert (failed["residual"] > 1e-12).any()
    (told,) = [message for message in found.messages if message.startswith("not converged, do not quote")]
    assert "battery" in told


def test_prices_that_no_demand_of_the_moments_supports_are_refused_with_the_product():
    """Buyers who hardly mind the price would make a maker ask far more than the table says."""
    inelastic = [{"moment": "own_price_elasticity", "country": "JP", "target": -0.2, "low": -0.21, "high": -0.19}]
    with pytest.raises(StudyError, match=r"would need a marginal cost of -"):
        calibrate(study(moments=inelastic), draws=2)


def test_what_a_rung_changes_per_car_is_said_in_money_and_price(outcome):
    (told,) = [message for message in outcome.messages if "a car to make" in message]
    assert "at rung battery" in told
    assert "-60,000 JPY" in told
    assert "development, tooling and plants does not reach prices" in told
