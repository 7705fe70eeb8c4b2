"""Cars of rivals that come later: they enter in their year, as they would have sold, and rows that cannot are named."""

from __future__ import annotations

import numpy as np
import pytest

from teikei.market import calibrate, equilibrium
from teikei.market.launches import launches, with_launches
from teikei.market.scene import scenes
from tests.market import small_japan

RACCO = {
    "product": "Racco", "country": "JP", "maker": "BYD", "segment": "kei", "powertrain": "bev", "year": 2026,
    "price": 2.5e6, "units": 12_000, "range_km": 180, "battery_kwh": 20,
}  # fmt: skip


@pytest.fixture(scope="module")
def plain():
    return small_japan.study()


@pytest.fixture(scope="module")
def later(plain):
    rows = plain["products"].to_dicts()
    taken = [{**RACCO, "product": "Model Y", "maker": "Tesla", "segment": "registered"}, {**RACCO, "year": 2020}]
    return small_japan.study(products=[*rows, RACCO, *taken, {**RACCO, "product": "Far", "year": 2040}])


@pytest.fixture(scope="module")
def calibrated(later):
    return calibrate(later, draws=4)


def test_a_launch_would_have_sold_its_units_at_its_price_and_its_maker_would_not_move_a_price(later, calibrated):
    found, _ = launches(later, calibrated.home)
    wide = with_launches(calibrated, found)
    home, demand = wide.home, wide.draws
    assert home.product[-1] == "Racco"
    market = {
        "cost": demand.cost,
        "utility": demand.net_utility(home, home.year),
        "price_slope": demand.slope * (1 + home.vat),
        "weight": demand.weight,
        "nest": home.nest,
        "nest_parameter": demand.nest_parameter,
        "price_scale": demand.scale(home.price),
    }
    start = np.broadcast_to(home.price / (1 + home.vat), demand.cost.shape)
    held = equilibrium(**market, ownership=home.ownership(), start=start, fixed_price=np.ones(start.shape, dtype=bool))
    assert held.share[:, -1] * demand.buyers_total == pytest.approx(np.full(len(start), 12_000.0), rel=1e-9)
    byd = np.array([maker == "BYD" for maker in home.maker])
    margin = (home.price / (1 + home.vat))[None] - demand.cost
    condition = held.share[:, -1] + (held.slopes()[:, :, -1] * margin)[:, byd].sum(axis=1)
    assert condition == pytest.approx(np.zeros(len(start)), abs=1e-12)
    assert demand.cost[:, :-1] == pytest.approx(calibrated.draws.cost, rel=1e-15)


def test_a_launch_is_on_sale_from_its_year_on_and_moves_the_share(plain, later, calibrated):
    with_it, told = scenes(later, calibrated)
    without, _ = scenes(plain, calibrate(plain, draws=4))
    assert ["Racco" in scene.home.product for scene in with_it] == [False, True, True, True]
    for after, before in zip(with_it[1:], without[1:], strict=True):
        assert set(before.home.product) == set(after.home.product) - {"Racco"}
    text = " | ".join(told)
    assert "Racco (BYD): enters in 2026 with the appeal that would have sold 12,000 cars in 2025" in text
    assert "Model Y of 2026 is not used: Model Y is on sale in 2025" in text
    assert "Racco of 2020 is not used: the market is that of 2025" in text
    assert "Far of 2040 is not used: the forecast ends in 2028" in text
