"""Nests within nests: against the model written out, and twins that sell as one."""

from __future__ import annotations

import numpy as np
import pytest

from teikei.market import MarketInputError, equilibrium, marginal_cost
from tests.market.test_equilibrium import random_market

SUB = np.array([0, 0, 1, 1, 2, 2, 3, 3, 3, 4, 4, 5])
NEST = np.array([0, 0, 0, 0, 1, 1, 1, 1, 1, 2, 2, 2])


def market(seed, sigma=0.7, rho=0.4):
    found = random_market(seed)
    return {**found, "nest": NEST, "nest_parameter": rho, "subnest": SUB, "subnest_parameter": sigma}


def brute(price, given):
    """Shares written out, one type, nest and subnest at a time."""
    sigma, rho = given["subnest_parameter"], given["nest_parameter"]
    share = np.zeros(len(price))
    for i, weight in enumerate(given["weight"]):
        value = np.exp((given["utility"][:, i] - given["price_slope"][i] * price) / (1 - sigma))
        inner = {h: value[h == SUB].sum() for h in np.unique(SUB)}
        lifted = {h: inner[h] ** ((1 - sigma) / (1 - rho)) for h in inner}
        outer = {g: sum(lifted[h] for h in np.unique(SUB[g == NEST])) for g in np.unique(NEST)}
        whole = 1 + sum(d ** (1 - rho) for d in outer.values())
        for j, (h, g) in enumerate(zip(SUB, NEST, strict=True)):
            share[j] += weight * value[j] / inner[h] * lifted[h] / outer[g] * outer[g] ** (1 - rho) / whole
    return share


def test_shares_slopes_and_prices_are_those_of_the_model_written_out():
    given = market(41)
    found = equilibrium(**given)
    assert found.converged
    assert found.share == pytest.approx(brute(found.price, given), rel=1e-12)
    step = 1e-6
    numeric = np.array(
        [(brute(found.price + step * unit, given) - brute(found.price - step * unit, given)) / (2 * step)
         for unit in np.eye(12)]
    ).T  # fmt: skip
    assert found.slopes() == pytest.approx(numeric, abs=2e-8)
    condition = found.share + (given["ownership"] * found.slopes().T) @ found.markup
    assert np.abs(condition).max() < 1e-12
    known = {name: given[name] for name in given if name != "cost"}
    back = marginal_cost(found.share, found.price, **known)
    assert back == pytest.approx(given["cost"], rel=1e-9)


def test_a_subnest_as_near_as_its_nest_is_the_nested_logit():
    given = market(42, sigma=0.4)
    plain = {name: given[name] for name in given if not name.startswith("subnest")}
    assert equilibrium(**given).price == pytest.approx(equilibrium(**plain).price, rel=1e-10)
    assert equilibrium(**given).consumer_surplus() == pytest.approx(equilibrium(**plain).consumer_surplus(), rel=1e-10)


@pytest.mark.parametrize("sigma", [0.99, 0.999, 0.9999])
def test_twins_of_one_owner_near_one_sell_as_one(sigma):
    rng = np.random.default_rng(43)
    cost, utility = rng.uniform(1, 2, 4), rng.normal(1.0, 1.0, (4, 1)) + rng.normal(0, 0.5, (4, 25))
    slope, weight, owner = rng.lognormal(0.5, 0.3, 25), np.full(25, 0.04), np.array([0, 0, 1, 2])
    own = (owner[:, None] == owner).astype(float)
    one = equilibrium(cost, utility, slope, weight, own, nest=[0, 0, 1, 1], nest_parameter=0.3)
    twice = np.array([0, 0, 1, 2, 3])
    two = equilibrium(
        cost[twice], utility[twice], slope, weight, own[np.ix_(twice, twice)], nest=[0, 0, 0, 1, 1], nest_parameter=0.3,
        subnest=twice, subnest_parameter=np.where(twice == 0, sigma, 0.3),
    )  # fmt: skip
    assert two.converged
    within = 3 * (1 - sigma)
    assert two.price[0] == pytest.approx(two.price[1], rel=1e-9)
    assert two.share[0] + two.share[1] == pytest.approx(one.share[0], rel=within + 1e-9)
    assert two.price[[0, 2, 3, 4]] == pytest.approx(one.price, rel=within + 1e-9)


def test_twins_of_two_owners_leave_each_other_no_margin():
    given = {
        "cost": [1.0, 1.0], "utility": np.ones((2, 1)), "price_slope": [1.0], "weight": [1.0], "ownership": np.eye(2),
        "nest": [0, 0], "subnest": [0, 0],
    }  # fmt: skip
    margins = [equilibrium(**given, subnest_parameter=sigma).markup[0] for sigma in (0.0, 0.9, 0.999)]
    assert margins[0] > margins[1] > margins[2]
    assert margins[2] == pytest.approx(2 * (1 - 0.999), rel=0.01)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"subnest_parameter": 0.2}, "at least that"),
        ({"subnest_parameter": 1.0}, "below 1"),
        ({"subnest": [0] * 12}, "several nests"),
        ({"subnest": [0, 1]}, "one subnest for each"),
        ({"subnest": None}, "without subnests"),
    ],
)
def test_subnests_that_cannot_be_right_are_refused(change, says):
    with pytest.raises(MarketInputError, match=says):
        equilibrium(**{**market(44), **change})
