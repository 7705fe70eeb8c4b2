"""Who keeps a saving: parts that add up to a difference of profits, and plans beside the market's own forecast."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from teikei.market import predict
from teikei.market.kept import parts
from tests.market.small_japan import plans, study

COMPANY = {"P01": "Nissan", "P02": "Mitsubishi", "P03": "Honda", "P09": "Nissan"}


def volumes(*rows):
    return [
        {"programme": name, "generation": "G1", "company": COMPANY[name], "plant": "X", "region": region, "year": year,
         "scenario": "base", "units": units}
        for name, region, year, units in rows
    ]  # fmt: skip


def planned(saving, fixed_alone, fixed_joint):
    """Plans whose fixed cost (Honda's development of P03) differs between the companies alone and together."""
    found = plans(saving)
    for (coalition, rung), one in found.by_key.items():
        cars = one.tables["unit_costs"]
        factor = {2027: 1.0, 2028: 1.0}
        rows = [
            (company, programme, year, "purchase", units * cost / 1e6 * SMALL.settings.discount_factor(year))
            for company, programme, year, units, cost in cars.select(
                "company", "programme", "year", "units", "variable_cost"
            ).iter_rows()
            if year in factor
        ]
        if "Honda" in coalition:
            rows.append(("Honda", "P03", 2027, "nre_variant", fixed_alone if rung == "alone" else fixed_joint))
            rows.append(("Honda", "P03", 2027, "missed_target", 9e9 if rung == "alone" else 0.0))
        one.tables["cost_breakdown"] = pl.DataFrame(
            rows, schema=["company", "programme", "year", "item", "value"], orient="row"
        )
    return found


SMALL = study(
    settings={"first_year": 2027, "last_year": 2028, "report_year": 2028},
    volumes=volumes(
        ("P01", "JP", 2027, 60_000.0), ("P01", "JP", 2028, 60_000.0), ("P03", "JP", 2028, 4_000.0),
        ("P03", "EU", 2028, 1_000.0), ("P09", "TH", 2028, 700.0),
    ),
)  # fmt: skip


@pytest.fixture(scope="module")
def outcome():
    return predict(SMALL, planned(200_000.0, 3_000.0, 1_000.0), draws=4)


def test_the_parts_of_a_change_add_up_to_the_difference_of_profits():
    rng = np.random.default_rng(3)
    for _ in range(50):
        price, cost, units = rng.uniform(1, 3, (2, 5)), rng.uniform(0, 2, (2, 5)), rng.uniform(0, 9, (2, 5))
        profit = (price - cost) * units
        found = parts(tuple(price), tuple(cost), tuple(units), tuple(profit))
        assert found.cost_saving + found.passed_on + found.volume_effect == pytest.approx(found.kept, abs=1e-10)


def test_what_companies_keep_adds_up_and_is_the_markets_own_change_of_profit(outcome):
    kept = outcome.more["kept"]
    assert set(kept["rung"]) == {"powertrain", "battery"}
    added = kept["cost_saving"] + kept["passed_on"] + kept["volume_effect"] + kept["fixed"]
    assert added.to_list() == pytest.approx(kept["kept"].to_list(), abs=1e-6)
    for rung in ("powertrain", "battery"):
        at_home = kept.filter((pl.col("rung") == rung) & (pl.col("region") == "JP"))
        assert at_home["volume_basis"].to_list() == ["market"] * 3
        told = outcome.summary.filter((pl.col("rung") == rung) & (pl.col("scenario") == "base"))
        gain = sum(
            change * SMALL.settings.discount_factor(year)
            for year, change in told.filter(pl.col("year") >= 2027).select("year", "alliance_profit_change").iter_rows()
        )
        assert at_home["kept"].sum() == pytest.approx(gain, rel=1e-9)
        assert (at_home["cost_saving"] > 0).all()
        assert at_home["passed_on"].sum() < 0
        assert 0 < at_home["kept"].sum() < at_home["cost_saving"].sum()


def test_fixed_cost_is_kept_whole_and_what_is_no_cash_is_left_out(outcome):
    fixed = outcome.more["kept"].filter((pl.col("region") == "*") & (pl.col("rung") == "battery"))
    by_company = dict(fixed.select("company", "kept").iter_rows())
    assert by_company["Honda"] == pytest.approx(2_000.0, abs=1e-6)
    assert by_company["Nissan"] == pytest.approx(0.0, abs=1e-6)


def test_regions_without_a_market_keep_the_saving_at_planned_volumes(outcome):
    kept = outcome.more["kept"].filter(pl.col("rung") == "battery")
    (row,) = kept.filter((pl.col("region") == "TH") & (pl.col("company") == "Nissan")).iter_rows(named=True)
    assert row["volume_basis"] == "plan"
    assert row["kept"] == pytest.approx(200_000.0 * 700 / 1e6 * SMALL.settings.discount_factor(2028))
    (europe,) = kept.filter(pl.col("volume_basis") == "market at the planned level").iter_rows(named=True)
    assert europe["company"] == "Honda"
    whole = 200_000.0 * 1_000 / 1e6 * SMALL.settings.discount_factor(2028)
    assert europe["cost_saving"] == pytest.approx(whole, rel=1e-9)


def test_the_tables_are_joined_in_one_sentence(outcome):
    (told,) = [message for message in outcome.messages if "the companies keep" in message]
    kept = outcome.more["kept"].filter(pl.col("rung") == "battery")
    assert f"the companies keep {kept['kept'].sum():,.0f}" in told
    assert f"fixed {kept['fixed'].sum():,.0f}" in told


def test_plans_stand_beside_the_forecast_and_far_ones_are_warned_of(outcome):
    table = outcome.more["plan_against_forecast"]
    rows = {(row["programme"], row["region"], row["year"]): row for row in table.iter_rows(named=True)}
    assert len(rows) == 5
    for year in (2027, 2028):
        told = outcome.outcome.filter(
            (pl.col("rung") == "alone") & (pl.col("scenario") == "base") & (pl.col("year") == year)
            & (pl.col("product") == "Sakura")
        )["units"].item()  # fmt: skip
        assert rows["P01", "JP", year]["forecast"] == pytest.approx(told)
        assert rows["P01", "JP", year]["planned"] == 60_000.0
        assert 1.5 * told < 60_000
    assert rows["P03", "EU", 2028]["forecast"] is None
    assert "not independent" in rows["P03", "EU", 2028]["note"]
    assert rows["P09", "TH", 2028]["note"] == "no market"
    (warned,) = [message for message in outcome.messages if "more than 1.5 times" in message]
    assert "P01 60,000 against" in warned
    assert "P03" not in warned
