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
    assert given[0, 0] == pytest.approx(blind[0, 0], rel=0.05)  # the subsidy of 2021 was announced in 2020
    assert given[0, 1] > 1.2 * blind[0, 1]  # the first kei car, of 2022, in 2021


def test_policy_counts_from_its_announcement_and_is_replaced_by_what_is_announced_later():
    assert adoption.steps("JP", 2021, 2019) == 0.0
    assert adoption.steps("JP", 2021, 2020) == pytest.approx(1.3 * 400_000 / 150 / 30_000)
    assert adoption.steps("CN", 2021, 2019) < adoption.steps("CN", 2021, 2020) < 0  # the end of subsidies was put off
    assert adoption.steps("CN", 2019, 2019) < adoption.steps("CN", 2019, 2018) < 0  # cut by more than expected
    assert adoption.steps("JP", 2022, 2021) == pytest.approx(-np.log(1 - 0.24))


def test_the_drift_does_not_rest_on_one_launch_and_is_shrunk():
    calm = np.array([0.1, 0.12, 0.08, 0.1, 0.1])
    launch = np.array([0.1, 0.12, 2.0, 0.1, 0.1])
    assert adoption.own_drift(launch)[0] < adoption.own_drift(launch, trimmed=False)[0]
    assert adoption.own_drift(calm)[0] < 0.1
    assert adoption.own_drift(calm, spread=100.0)[0] == pytest.approx(0.1, rel=1e-3)
    assert abs(adoption.own_drift(launch, spread=1e-6)[0]) < 1e-9


def test_a_market_in_which_trends_count_in_full_is_corrected_by_what_the_forecast_does_not_see():
    beyond = adoption.beyond_the_market("JP", 2024, 3)
    full = sum(adoption.steps("JP", at, 2024) + adoption.trends("JP", at, 2024) for at in (2025, 2026, 2027))
    share = adoption.forecast("JP", 2024, 3, draws=5)[0, -1]
    last = dict(ev_history("JP").select("year", "ev_share").iter_rows())[2024]
    change = np.log(share / (1 - share)) - np.log(last / (1 - last))
    assert change == pytest.approx(full + beyond[-1])


def test_shocks_are_at_least_as_large_as_forecasts_of_other_markets_were_wrong():
    for region in adoption.MARKETS:
        assert adoption.drift(region, 2024).shock >= adoption.pooled_shock(2024) > adoption.pooled_shock(2018)


def test_the_central_forecast_is_nearer_than_no_change_in_the_pool_of_markets():
    """The claim of the hindcast in one line; benchmarks/hindcast.py prints all of it."""
    ours, still = [], []
    for region in adoption.MARKETS:
        shares = dict(ev_history(region).select("year", "ev_share").iter_rows())
        for origin in range(2015, 2024):
            ours.append(abs(np.log(adoption.forecast(region, origin, 1, draws=2)[0, 0] / shares[origin + 1])))
            still.append(abs(np.log(shares[origin] / shares[origin + 1])))
    assert np.mean(ours) < 0.8 * np.mean(still)


def test_bands_widen_with_the_horizon():
    path = adoption.forecast("JP", 2024, 6)
    low, high = np.quantile(path[1:], [0.1, 0.9], axis=0)
    width = np.log(high / low)
    assert (np.diff(width) > 0).all()
    assert (low < path[0]).all()
    assert (path[0] < high).all()


def test_a_region_that_grew_as_the_inputs_say_has_no_drift(monkeypatch):
    years = range(2010, 2025)
    grown = [adoption.steps("US", at, 2024) + 0.5 * adoption.trends("US", at, 2024) for at in range(2011, 2025)]
    logit = -6 + np.cumsum([0.0, *grown])
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
