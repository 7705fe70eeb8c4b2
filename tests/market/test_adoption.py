"""Drift, forecasts and stock of plug-ins: what they may look at and how they behave."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from teikei.market import adoption
from teikei.market.reference import ev_history, parameters


def test_a_forecast_never_looks_past_its_origin(monkeypatch):
    before = adoption.forecast("CN", 2019, 3, draws=50)
    later = ev_history().with_columns(
        pl.when(pl.col("year") > 2019).then(pl.col("ev_share") * 0.1).otherwise(pl.col("ev_share")).alias("ev_share")
    )
    monkeypatch.setattr(adoption, "ev_history", lambda region: later.filter(pl.col("region") == region))
    assert np.array_equal(adoption.forecast("CN", 2019, 3, draws=50), before)
    assert not np.array_equal(adoption.forecast("CN", 2021, 3, draws=50)[0], before[0])


def test_inputs_known_later_change_the_forecast_only_where_they_are_given():
    blind, given = (
        adoption.forecast("JP", 2020, 2, draws=20),
        adoption.forecast("JP", 2020, 2, inputs_known_to=2024, draws=20),
    )
    assert given[0, 0] > blind[0, 0]  # the subsidy of 2021 was doubled
    assert given[0, 1] > 1.2 * blind[0, 1]  # and the first kei car came in 2022


def test_bands_widen_with_the_horizon():
    path = adoption.forecast("JP", 2024, 6)
    low, high = np.quantile(path[1:], [0.1, 0.9], axis=0)
    width = np.log(high / low)
    assert (np.diff(width) > 0).all()
    assert (low < path[0]).all()
    assert (path[0] < high).all()


def test_a_region_that_grew_as_the_inputs_say_has_no_drift(monkeypatch):
    years = range(2010, 2025)
    logit = -6 + np.cumsum([0.0] + [adoption.explained("US", year, 2024) for year in range(2011, 2025)])
    made = pl.DataFrame({"region": "US", "year": list(years), "ev_share": 1 / (1 + np.exp(-logit)), "ev_units": 1.0})
    monkeypatch.setattr(adoption, "ev_history", lambda _region: made)
    assert adoption.drift("US", 2024).mean == pytest.approx(0.0, abs=1e-12)


def test_pack_prices_pass_through_the_reported_ends():
    assert adoption.pack_price_usd(2010) == pytest.approx(1474)
    assert adoption.pack_price_usd(2023) == pytest.approx(139)


def test_stock_is_what_was_sold_less_what_was_scrapped():
    found = adoption.stock({2020: np.array(100.0), 2021: np.array(50.0)})
    assert found[2020] == pytest.approx(100.0)
    assert found[2021] == pytest.approx(50 + 100 * np.exp(-((1 / 15) ** 3)))


def test_parameter_ranges_bracket_their_centres_and_scales_round_trip():
    for name, parameter in parameters().items():
        assert parameter.low < parameter.central < parameter.high, name
        assert parameter.bounded(parameter.unbounded(parameter.central)) == pytest.approx(parameter.central)
        assert parameter.source, name
