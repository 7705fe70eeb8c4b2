"""What competition economists read off an equilibrium: against closed forms and the laws that define the figures."""

from __future__ import annotations

import numpy as np
import pytest

from teikei.market import MarketInputError, equilibrium
from tests.market.test_equilibrium import blp_market, random_market

PYBLP = {  # .venv-oracle/bin/python benchmarks/market_oracle.py --measures, pyblp 1.3.0
    "hhi": 2160.799386446313,
    "profits": 0.29950915689760016,
    "consumer_surplus": 2.5818327676015445,
    "diversion_inside_first": 0.8064578739988437,
}


def logit(share_of=(0.3, 0.2, 0.1), slope=2.0):
    """A logit market with these shares: every measure has a closed form."""
    share = np.array(share_of)
    outside = 1 - share.sum()
    markup = 1 / (slope * (1 - share))
    cost = np.array([1.0, 1.5, 0.7])
    utility = np.log(share / outside) + slope * (cost + markup)
    return equilibrium(cost, utility[:, None], [slope], [1.0], np.eye(3), start=cost + markup), share, markup, cost


def joined():
    both = np.eye(3)
    both[0, 1] = both[1, 0] = 1.0
    return both


def test_logit_measures_have_their_closed_forms():
    found, share, markup, cost = logit()
    assert found.profits() == pytest.approx(share * markup)
    parts = share / share.sum()
    assert found.hhi() == pytest.approx(1e4 * (parts**2).sum())
    assert found.hhi(outside=True) == pytest.approx(1e4 * (share**2).sum())
    assert found.hhi(["a", "a", "b"]) == pytest.approx(1e4 * ((parts[0] + parts[1]) ** 2 + parts[2] ** 2))
    diverted = share[None, :] / (1 - share[:, None])  # logit: to k from j, s_k / (1 - s_j)
    pressure = np.array([diverted[0, 1] * markup[1], diverted[1, 0] * markup[0], 0.0])
    assert found.upp(joined()) == pytest.approx(pressure)
    assert found.upp(joined(), efficiency=[0.1, 0.0, 0.1]) == pytest.approx(pressure - np.array([0.1, 0, 0.1]) * cost)
    d01, d10 = diverted[0, 1], diverted[1, 0]
    after = np.array([(markup[0] + d01 * markup[1]), (markup[1] + d10 * markup[0])]) / (1 - d01 * d10)  # Werden (1996)
    assert found.compensating_cost_change(joined()) == pytest.approx([*(markup[:2] - after), 0.0])


def test_costs_that_compensate_a_merger_keep_every_price():
    market = random_market(61)
    found = equilibrium(**market)
    after = market["ownership"].copy()
    owner = np.argmax(after, axis=1)
    first, second = np.unique(owner)[:2]
    both = np.isin(owner, (first, second))
    after[np.ix_(both, both)] = 1.0
    change = found.compensating_cost_change(after)
    assert (change[both] < 0).all()
    assert change[~both] == pytest.approx(np.zeros((~both).sum()), abs=1e-12)
    kept = equilibrium(**{**market, "cost": market["cost"] + change, "ownership": after}, start=found.price)
    assert kept.price == pytest.approx(found.price, rel=1e-10)
    # the pressure is what the merger adds to the first-order condition, per buyer that leaves
    condition = (((after - market["ownership"]) * found.slopes().T) @ found.markup) / -np.diag(found.slopes())
    assert found.upp(after) == pytest.approx(condition, abs=1e-12)


def test_measures_of_the_car_market_of_1990_are_those_of_pyblp():
    """pyblp 1.3.0 on the same market: compute_hhi, compute_profits, compute_consumer_surpluses (market_oracle.py)."""
    products, taste, slope, weight = blp_market()
    firm = products["firm_id"].to_numpy()
    found = equilibrium(
        products["cost"].to_numpy(), products["delta"].to_numpy()[:, None] + taste, slope, weight,
        firm[:, None] == firm, start=products["price"].to_numpy(),
    )  # fmt: skip
    assert found.hhi(firm) == pytest.approx(PYBLP["hhi"], rel=1e-9)
    assert found.profits().sum() == pytest.approx(PYBLP["profits"], rel=1e-9)
    assert found.consumer_surplus() == pytest.approx(PYBLP["consumer_surplus"], rel=1e-9)
    assert np.delete(found.diversion()[0], 0).sum() == pytest.approx(PYBLP["diversion_inside_first"], rel=1e-9)


def test_batches_and_wrong_owners():
    market = random_market(62, lead=(2, 3))
    found = equilibrium(**market)
    assert found.hhi().shape == (2, 3)
    assert found.upp(np.ones((12, 12))).shape == (2, 3, 12)
    one = equilibrium(**{**market, "cost": market["cost"][1, 2], "utility": market["utility"][1, 2],
                         "price_slope": market["price_slope"][1, 2]})  # fmt: skip
    assert found.hhi()[1, 2] == pytest.approx(one.hhi(), rel=1e-10)
    assert found.compensating_cost_change(np.ones((12, 12)))[1, 2] == pytest.approx(
        one.compensating_cost_change(np.ones((12, 12))), rel=1e-8, abs=1e-10
    )
    with pytest.raises(MarketInputError, match="one owner"):
        found.hhi([1, 2])
