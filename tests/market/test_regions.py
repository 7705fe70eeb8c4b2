"""Regions other than the home market: what the elasticities taken imply, and what exports do."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from teikei.market import predict, regions
from teikei.market.cases import Case
from teikei.market.home import home_market
from teikei.market.reference import parameters
from teikei.market.reference import regions as known_regions
from tests.market.small_japan import plans, study
from tests.market.test_questions import volumes

ABROAD = (("P09", "EU", 2028, 30_000.0), ("P09", "UK", 2028, 10_000.0), ("P03", "US", 2028, 5_000.0))


def exporting(*more):
    return study(volumes=volumes(*ABROAD, ("P03", "JP", 2028, 9_000.0), *more))


def tables(saving: float, *more):
    small = exporting(*more)
    change = {2028: {"P09": -saving, "P03": -saving}}
    cases = [Case("", "alone", "base", {}), Case("", "battery", "base", change)]
    return regions.export_tables(small, home_market(small), cases, draws=6)


def test_planned_exports_are_the_baseline_and_stay_without_a_saving():
    table, exports, _, _ = tables(0.0)
    at = table.filter((pl.col("year") == 2028) & (pl.col("rung") == "battery"))
    assert dict(at.select("region", "alliance_ev_units").iter_rows()) == pytest.approx({"EU": 40_000.0, "US": 5_000.0})
    assert at["units_change"].abs().max() < 1e-3
    assert exports.filter(pl.col("rung") == "battery")["price_change"].abs().max() < 1e-3


def test_a_saving_lowers_prices_abroad_and_sells_more_the_more_it_is():
    small, large = (tables(saving)[1].filter(pl.col("rung") == "battery") for saving in (20_000.0, 80_000.0))
    for table, saving in ((small, 20_000.0), (large, 80_000.0)):
        fall = -table["price_change"] / (saving * pl.Series([1.21, 1.0]))  # with Europe's value-added tax
        assert fall.is_between(0.85, 1.05).all()
        assert table["units_change"].min() > 0
        assert (table["units_change_lower"] < table["units_change"]).all()
        assert (table["units_change"] < table["units_change_upper"]).all()
    assert (large["units_change"] > 3.5 * small["units_change"]).all()


def test_a_model_abroad_has_the_elasticity_of_the_literature():
    """1 % of the price saved and passed on sells about 3.5 % more."""
    table, exports, _, _ = tables(1_000.0)
    row = exports.filter((pl.col("rung") == "battery") & (pl.col("region") == "US")).row(0, named=True)
    relative = (row["units_change"] / row["units"]) / (row["price_change"] / row["price"])
    assert relative == pytest.approx(-parameters()["region_model_elasticity"].central, rel=0.03)
    assert (table["group_elasticity"].drop_nulls() < -0.3).all()
    assert (table["group_elasticity"].drop_nulls() > -1.5).all()


def test_the_elasticities_taken_come_back_where_they_were_measured():
    slopes = regions._slopes(3)
    share, market = 0.16, parameters()["region_market_elasticity"].central
    inside = 1 - slopes.outside[0]
    group = slopes.slope[0] * (1 - share * inside)
    assert group == pytest.approx(parameters()["region_group_elasticity"].central)
    assert slopes.slope[0] * slopes.outside[0] == pytest.approx(market)


def test_regions_know_their_share_and_it_stays_between_nothing_and_all():
    table, _, _, _ = tables(10_000.0)
    assert set(table["region"]) == {"CN", "EU", "US"}
    for name in ("ev_share", "ev_share_lower", "ev_share_upper"):
        assert table[name].is_between(0, 1).all()
    assert (table["ev_share_lower"] <= table["ev_share"]).all()
    china = table.filter(pl.col("region") == "CN")
    assert set(china["scenario"]) == {"no sales"}
    assert china["alliance_ev_units"].sum() == 0


def test_the_home_market_is_never_a_region_and_what_is_not_modelled_is_said():
    small = exporting(("P03", "IN", 2028, 20_000.0))
    home = home_market(small)
    table, _, messages, _ = regions.export_tables(small, home, [Case("", "alone", "base", {})], draws=2)
    assert home.country not in {name for region in known_regions() for name in region.covers} & set(table["region"])
    assert any("27 % of the cars of 2028 go to IN" in message for message in messages)


def test_a_study_that_sells_more_than_the_forecast_of_a_region_makes_the_market_larger():
    crowded = study(volumes=volumes(("P09", "US", 2028, 8_000_000.0)))
    table, _, _, _ = regions.export_tables(crowded, home_market(crowded), [Case("", "alone", "base", {})], draws=2)
    row = table.filter((pl.col("region") == "US") & (pl.col("rung") == "alone") & (pl.col("year") == 2028))
    assert row["alliance_ev_units"][0] == pytest.approx(8_000_000.0)


def test_a_run_keeps_the_regions_and_their_history():
    found = predict(exporting(), plans(60_000.0), draws=2)
    assert found.more["market_regions"].height > 0
    assert set(found.more["market_exports"]["rung"]) >= {"battery", "the companies' electric cars cost 10 % less"}
    assert {"JP", "CN", "EU", "US"} <= set(found.history["region"])
    assert np.isfinite(found.more["market_exports"]["units_change"].to_numpy()).all()
