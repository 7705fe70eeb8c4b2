"""Which equilibrium is found, from which start, and what is said of it; prices beside pyblp's."""

from __future__ import annotations

import warnings

import numpy as np
import polars as pl
import pytest

from teikei.market import MarketInputError, MarketWarning, equilibria, equilibrium, invert_shares, marginal_cost
from tests.market.random_markets import made
from tests.market.test_equilibrium import DATA, blp_market, random_market

REFERENCE = pl.read_csv(DATA / "ref_random_pyblp.csv")


def test_random_markets_of_every_ownership_have_the_prices_of_pyblp():
    """Random coefficients, nests to 0.9, monopoly, merger, partial and one-sided ownership, kappa; from cost."""
    for (seed,), rows in REFERENCE.group_by("seed", maintain_order=True):
        market, _ = made(seed)
        found = equilibrium(**market, start=market["cost"])
        assert found.converged, seed
        assert found.price == pytest.approx(rows["price"].to_numpy(), rel=1e-5), seed


def test_markets_in_one_batch_are_solved_as_they_are_alone():
    one = [made(seed)[0] for seed in (246, 246)]
    one[1]["cost"] = 1.05 * one[1]["cost"]
    shared = {
        name: one[0][name] for name in ("utility", "price_slope", "weight", "ownership", "nest", "nest_parameter")
    }
    cost = np.stack([market["cost"] for market in one])
    both = equilibrium(cost, **shared, start=cost)
    for t, market in enumerate(one):
        assert both.price[t] == pytest.approx(equilibrium(**market, start=market["cost"]).price, rel=1e-11)


def hard_1990():
    products, taste, slope, weight = blp_market()
    return products, taste, slope, weight, pl.read_csv(DATA / "ref_blp_hard_1990.csv")


def test_the_car_market_under_one_owner_has_the_prices_of_pyblp():
    products, taste, slope, weight, told = hard_1990()
    count = products.height
    utility = products["delta"].to_numpy()[:, None] + taste
    found = equilibrium(
        products["cost"].to_numpy(), utility, slope, weight, np.ones((count, count)), start=products["price"].to_numpy()
    )
    assert found.converged
    assert found.price == pytest.approx(told["price_monopoly"].to_numpy(), rel=1e-6)


def test_a_merger_in_nests_of_near_twins_has_the_prices_of_pyblp():
    products, taste, slope, weight, told = hard_1990()
    firm = products["firm_id"].to_numpy()
    owner = np.where(firm == 16, 19, firm)
    found = equilibrium(
        told["cost_rcnl"].to_numpy(),
        told["delta_rcnl"].to_numpy()[:, None] + taste,
        slope,
        weight,
        owner[:, None] == owner,
        start=products["price"].to_numpy(),
        nest=told["region"].to_list(),
        nest_parameter=0.7,
    )
    assert found.converged
    assert found.price == pytest.approx(told["price_rcnl_merger_16_19"].to_numpy(), rel=1e-6)


def two_valleys():
    """One product, buyers who hardly mind the price and buyers who do: two local best prices."""
    return {
        "cost": np.array([1.0]),
        "utility": np.array([[4.0, 4.0]]),
        "price_slope": np.array([0.2, 3.0]),
        "weight": np.array([0.1, 0.9]),
        "ownership": np.eye(1),
    }


def test_several_equilibria_are_said_and_all_that_are_found_are_given():
    market = two_valleys()
    with pytest.warns(MarketWarning, match="several equilibria in 1 of 1"):
        first = equilibrium(**market)
    assert first.several
    all_found = equilibria(**market)
    assert len(all_found) >= 2
    prices = np.array([one.price[0] for one in all_found])
    assert len(np.unique(np.round(prices, 6))) == len(prices)
    for one in all_found:
        assert one.several
        assert one.converged
        # where profit stands still, written out
        shares = [1 / (1 + np.exp(-(4.0 - a * one.price[0]))) for a in (0.2, 3.0)]
        slope = sum(-w * a * s * (1 - s) for w, a, s in zip((0.1, 0.9), (0.2, 3.0), shares, strict=True))
        share = 0.1 * shares[0] + 0.9 * shares[1]
        assert share + slope * (one.price[0] - 1) == pytest.approx(0, abs=1e-12)
    assert first.price[0] == pytest.approx(prices[0])
    given = equilibria(**market, starts=np.array([[1.0], [20.0]]))
    assert [one.price[0] for one in given] == pytest.approx([prices.min(), prices.max()])


def test_one_equilibrium_is_said_to_be_one():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = equilibrium(**random_market(5))
    assert not found.several
    assert len(equilibria(**random_market(5))) == 1


def test_costs_backed_out_of_prices_lead_back_to_them_whatever_other_equilibria_there_are():
    market = two_valleys()
    for price in (one.price for one in equilibria(**market)):
        value = market["utility"] - market["price_slope"] * price[:, None]
        share = (np.exp(value) / (1 + np.exp(value))) @ market["weight"]
        known = {name: market[name] for name in ("utility", "price_slope", "weight", "ownership")}
        cost = marginal_cost(share, price, **known)
        assert equilibrium(cost, **known).price == pytest.approx(price, rel=1e-9)
        assert cost.observed_price == pytest.approx(price)
        cheaper = equilibrium(0.99 * cost, **known)
        assert abs(cheaper.price[0] - price[0]) < 0.1 * price[0]
    batch = np.stack([cost, cost])
    assert not isinstance(batch, type(cost)) or batch.observed_price is None


def test_negative_costs_are_computed_with_and_said():
    mean = invert_shares([0.2, 0.2], [1.0, 1.0], [0.5], [1.0])
    known = (mean[:, None], [0.5], [1.0], np.eye(2))
    with pytest.warns(MarketWarning, match="product 0: the price 1 would need a marginal cost of -"):
        cost = marginal_cost([0.2, 0.2], [1.0, 1.0], *known)
    assert cost == pytest.approx([1 - 1 / (0.5 * 0.8)] * 2)
    with pytest.warns(MarketWarning, match="below 0"):
        found = equilibrium(cost, *known)
    assert found.converged
    assert found.price == pytest.approx([1.0, 1.0])


@pytest.mark.parametrize("mass", [1e-6, 1.0, 1e6])
def test_the_mass_of_buyers_does_not_decide_whether_a_market_has_converged(mass):
    market = random_market(81)
    plain = equilibrium(**market)
    market["weight"] = market["weight"] * mass
    found = equilibrium(**market)
    assert found.converged
    assert found.price == pytest.approx(plain.price, rel=1e-11)


def test_a_product_that_hardly_anybody_buys_is_priced_all_the_same():
    market = random_market(82, nests=1, rho=0.0)
    market["utility"][3] -= 300.0
    market["ownership"] = np.eye(12)
    found = equilibrium(**market)
    assert found.converged
    assert found.share[3] < 1e-120
    value = market["utility"] - market["price_slope"] * found.price[:, None]
    chance = np.exp(value) / (1 + np.exp(value).sum(axis=0))
    slope = (market["weight"] * market["price_slope"] * chance * (1 - chance)).sum(axis=1)
    assert found.markup == pytest.approx((chance @ market["weight"]) / slope, rel=1e-10)


def test_prices_that_are_held_stay_and_the_others_are_best_replies_to_them():
    market = random_market(83)
    free = equilibrium(**market)
    fixed = np.full(12, np.nan)
    fixed[[2, 7]] = free.price[[2, 7]] * np.array([1.2, 0.9])
    found = equilibrium(**market, fixed_price=fixed)
    assert found.converged
    assert found.price[[2, 7]] == pytest.approx(fixed[[2, 7]], abs=0)
    condition = found.share + (market["ownership"] * found.slopes().T * found.markup).sum(axis=1)
    chosen = np.isnan(fixed)
    assert np.abs(condition[chosen]).max() < 1e-12
    assert np.abs(condition[~chosen]).max() > 1e-4
    same = equilibrium(**market, start=np.where(chosen, free.price, fixed), fixed_price=~chosen)
    assert same.price == pytest.approx(found.price, rel=1e-11)
    nothing = equilibrium(**market, fixed_price=np.full(12, np.nan))
    assert nothing.price == pytest.approx(free.price, rel=1e-12)
    everything = equilibrium(**market, fixed_price=free.price * 1.1)
    assert everything.converged
    assert everything.price == pytest.approx(free.price * 1.1)
    with pytest.raises(MarketInputError, match="mask without"):
        equilibrium(**market, fixed_price=~chosen)


def test_equilibria_takes_one_market():
    market = random_market(84, lead=(2,))
    with pytest.raises(MarketInputError, match="one market"):
        equilibria(**market)
