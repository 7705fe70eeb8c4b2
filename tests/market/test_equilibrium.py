"""Prices of the equilibrium against closed forms, published-tool references, and the laws any equilibrium obeys."""

from __future__ import annotations

import pathlib

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq, minimize_scalar

from teikei.errors import StudyError
from teikei.market import equilibrium, invert_shares, marginal_cost

DATA = pathlib.Path(__file__).parent.parent / "data" / "market"


def random_market(seed, products=12, types=30, makers=4, nests=3, rho=0.4, lead=()):
    rng = np.random.default_rng(seed)
    firm = rng.integers(0, makers, products)
    return {
        "cost": rng.uniform(0.8, 2.5, (*lead, products)),
        "utility": rng.normal(1.0, 1.5, (*lead, products, 1)) + rng.normal(0, 1.0, (*lead, products, types)),
        "price_slope": rng.lognormal(0.6, 0.35, (*lead, types)),
        "weight": np.full(types, 1.0 / types),
        "ownership": (firm[:, None] == firm).astype(float),
        "nest": rng.integers(0, nests, products),
        "nest_parameter": rho,
    }


def brute_share(price, utility, slope, weight, nest, rho):
    """Nested logit written out as in the books, one type and one nest at a time."""
    share = np.zeros(len(price))
    for i in range(len(weight)):
        value = np.exp((utility[:, i] - slope[i] * price) / (1 - rho))
        total = {g: value[nest == g].sum() for g in np.unique(nest)}
        denominator = 1 + sum(d ** (1 - rho) for d in total.values())
        for j, g in enumerate(nest):
            share[j] += weight[i] * value[j] / total[g] * total[g] ** (1 - rho) / denominator
    return share


def brute_slopes(price, *args, step=1e-6):
    columns = []
    for k in range(len(price)):
        up, down = price.copy(), price.copy()
        up[k] += step
        down[k] -= step
        columns.append((brute_share(up, *args) - brute_share(down, *args)) / (2 * step))
    return np.array(columns).T


def test_one_product_logit_has_the_closed_form_markup():
    found = equilibrium([2.0], [[3.0]], [1.5], [1.0], [[1.0]])
    price = brentq(lambda p: (p - 2) - (1 + np.exp(3 - 1.5 * p)) / 1.5, 0, 50, xtol=1e-14)
    assert found.price[0] == pytest.approx(price, abs=1e-12)
    assert found.markup[0] == pytest.approx(1 / (1.5 * (1 - found.share[0])), rel=1e-13)


def test_a_logit_owner_takes_one_markup_on_all_its_products():
    rng = np.random.default_rng(5)
    firm = np.array([0, 0, 0, 1, 1, 2])
    found = equilibrium(
        rng.uniform(1, 3, 6), rng.normal(2, 1, (6, 1)), [0.9], [1.0], (firm[:, None] == firm).astype(float)
    )
    for maker in range(3):
        own = firm == maker
        expected = 1 / (0.9 * (1 - found.share[own].sum()))
        assert found.markup[own] == pytest.approx(np.full(own.sum(), expected), rel=1e-12)


def test_one_product_price_is_where_brute_force_profit_is_largest():
    market = random_market(3, products=1, nests=1)
    found = equilibrium(**market)
    arguments = market["utility"], market["price_slope"], market["weight"], market["nest"], 0.4
    best = minimize_scalar(
        lambda p: -(p - market["cost"][0]) * brute_share(np.array([p]), *arguments)[0],
        bounds=(market["cost"][0], 20),
        method="bounded",
        options={"xatol": 1e-10},
    )
    assert found.price[0] == pytest.approx(best.x, abs=1e-6)


@pytest.mark.parametrize("rho", [0.0, 0.3, 0.8])
def test_shares_and_derivatives_match_the_written_out_model(rho):
    market = random_market(11, rho=rho)
    found = equilibrium(**market)
    arguments = market["utility"], market["price_slope"], market["weight"], market["nest"], rho
    assert found.share == pytest.approx(brute_share(found.price, *arguments), rel=1e-12)
    numeric = brute_slopes(found.price, *arguments)
    assert found.slopes() == pytest.approx(numeric, abs=2e-8)
    condition = found.share + (market["ownership"] * numeric.T) @ found.markup
    assert np.abs(condition).max() < 1e-7
    assert found.converged
    assert found.residual <= 1e-12


@pytest.mark.parametrize("kappa", [0.0, 0.3, 1.0])
def test_first_order_conditions_hold_for_any_conduct_matrix(kappa):
    market = random_market(7)
    rng = np.random.default_rng(8)
    market["ownership"] = np.maximum(market["ownership"], kappa * rng.uniform(0, 1, (12, 12)))
    found = equilibrium(**market)
    condition = found.share + (market["ownership"] * found.slopes().T * found.markup).sum(axis=1)
    assert np.abs(condition).max() <= 1e-12


@pytest.mark.parametrize(
    ("file", "slope", "rho", "within"), [("logit", 0.30, 0.0, 1e-10), ("nestedlogit", 0.15, 0.6, 1e-7)]
)
def test_merger_prices_of_the_1990_car_market_match_pyblp(file, slope, rho, within):
    table = pl.read_csv(DATA / f"ref_merger_{file}_1990.csv")
    share, price, firm = (table[name].to_numpy() for name in ("share_obs", "price_obs", "firm_id"))
    nests = {"nest": table["region"].to_list(), "nest_parameter": rho} if rho else {}
    mean = invert_shares(share, price, [slope], [1.0], **nests)
    cost = marginal_cost(share, price, mean[:, None], [slope], [1.0], firm[:, None] == firm, **nests)
    assert cost == pytest.approx(table["cost"].to_numpy(), abs=within)
    for case, (gone, into) in {"base": (0, 0), "honda_nissan": (3, 2), "gm_chrysler": (16, 19)}.items():
        merged = np.where(firm == gone, into, firm)
        found = equilibrium(cost, mean[:, None], [slope], [1.0], merged[:, None] == merged, **nests)
        assert found.converged
        assert found.price == pytest.approx(table[f"price_{case}"].to_numpy(), abs=within)
        if case != "base":
            assert found.share == pytest.approx(table[f"share_{case}"].to_numpy(), abs=1e-10)


def test_the_order_of_products_and_types_does_not_matter():
    market = random_market(21)
    found = equilibrium(**market)
    rng = np.random.default_rng(22)
    order, types = rng.permutation(12), rng.permutation(30)
    other = equilibrium(
        market["cost"][order],
        market["utility"][np.ix_(order, types)],
        market["price_slope"][types],
        market["weight"],
        market["ownership"][np.ix_(order, order)],
        nest=market["nest"][order],
        nest_parameter=0.4,
    )
    assert other.price == pytest.approx(found.price[order], rel=1e-11)


@pytest.mark.parametrize("scale", [1e-3, 7.0, 3e6])
def test_the_currency_does_not_matter(scale):
    market = random_market(31)
    found = equilibrium(**market)
    market["cost"], market["price_slope"] = market["cost"] * scale, market["price_slope"] / scale
    scaled = equilibrium(**market)
    assert scaled.price == pytest.approx(found.price * scale, rel=1e-11)
    assert scaled.consumer_surplus() == pytest.approx(found.consumer_surplus() * scale, rel=1e-11)
    assert scaled.own_elasticity() == pytest.approx(found.own_elasticity(), rel=1e-10)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(seed=st.integers(0, 10_000), product=st.integers(0, 11), cut=st.floats(0.01, 0.3))
def test_a_lower_cost_lowers_its_price_and_raises_its_units(seed, product, cut):
    market = random_market(seed)
    before = equilibrium(**market)
    market["cost"] = market["cost"].copy()
    market["cost"][product] *= 1 - cut
    after = equilibrium(**market)
    assert after.converged
    assert after.price[product] < before.price[product]
    assert after.share[product] > before.share[product]
    assert after.consumer_surplus() > before.consumer_surplus()


@settings(max_examples=25, deadline=None, derandomize=True)
@given(seed=st.integers(0, 10_000), rho=st.floats(0, 0.85))
def test_costs_and_utilities_that_made_a_market_are_recovered(seed, rho):
    market = random_market(seed, rho=rho)
    made = equilibrium(**market)
    mean = market["utility"].mean(axis=1)
    demand = {"nest": market["nest"], "nest_parameter": rho}
    back = invert_shares(
        made.share,
        made.price,
        market["price_slope"],
        market["weight"],
        taste=market["utility"] - mean[:, None],
        **demand,
    )
    assert back == pytest.approx(mean, abs=1e-9)
    cost = marginal_cost(
        made.share,
        made.price,
        market["utility"],
        market["price_slope"],
        market["weight"],
        market["ownership"],
        **demand,
    )
    assert cost == pytest.approx(market["cost"], rel=1e-8)


def test_a_batch_equals_its_markets_solved_singly():
    market = random_market(41, lead=(2, 3))
    batch = equilibrium(**market)
    assert batch.price.shape == (2, 3, 12)
    assert batch.residual.shape == batch.consumer_surplus().shape == (2, 3)
    for a in range(2):
        for b in range(3):
            single = equilibrium(
                **{**market, **{name: market[name][a, b] for name in ("cost", "utility", "price_slope")}}
            )
            assert np.array_equal(batch.price[a, b], single.price)
            assert batch.own_elasticity()[a, b] == pytest.approx(single.own_elasticity(), rel=1e-13)


def test_a_merger_raises_prices_and_the_start_does_not_change_them():
    market = random_market(51)
    apart = equilibrium(**market)
    market["ownership"] = np.ones((12, 12))
    merged = equilibrium(**market)
    assert np.all(merged.price > apart.price)
    for start in (market["cost"] * 1.01, apart.price, apart.price * 3):
        again = equilibrium(**market, start=start)
        assert again.converged
        assert again.price == pytest.approx(merged.price, rel=1e-9)


def test_diversion_adds_up_to_one():
    found = equilibrium(**random_market(61))
    assert found.diversion().sum(axis=1) == pytest.approx(np.ones(12))
    assert np.all(found.diversion() > 0)


def test_weights_are_used_as_given():
    market = random_market(71)
    one = equilibrium(**market)
    market["weight"] = market["weight"] * 500.0
    many = equilibrium(**market, tolerance=1e-10)
    assert many.share == pytest.approx(one.share * 500, rel=1e-10)
    assert many.price == pytest.approx(one.price, rel=1e-10)


def test_not_converged_is_a_result_with_its_residual():
    found = equilibrium(**random_market(81), max_iterations=2)
    assert not found.converged
    assert found.residual > 1e-12
    assert found.iterations == 2


BAD = {
    "cost not a number": {"cost": np.array([1.0, np.nan])},
    "slope of zero": {"price_slope": np.array([1.0, 0.0, 1.0])},
    "weight of zero": {"weight": np.array([1.0, 0.0, 1.0])},
    "ownership of the wrong shape": {"ownership": np.eye(3)},
    "ownership above one": {"ownership": np.array([[1.0, 2.0], [2.0, 1.0]])},
    "owner that ignores its own product": {"ownership": np.zeros((2, 2))},
    "nest parameter of one": {"nest": [0, 1], "nest_parameter": 1.0},
    "nest parameter without nests": {"nest_parameter": 0.5},
    "too few nests": {"nest": [0], "nest_parameter": 0.5},
    "utility of the wrong shape": {"utility": np.zeros((5, 3))},
    "infinite utility": {"utility": np.full((2, 3), np.inf)},
    "no demand at any price": {"utility": np.array([[0.0] * 3, [-2000.0] * 3])},
    "words": {"cost": ["a", "b"]},
}


@pytest.mark.parametrize("change", BAD.values(), ids=BAD.keys())
def test_input_that_cannot_be_right_is_refused(change):
    good = {
        "cost": np.ones(2),
        "utility": np.zeros((2, 3)),
        "price_slope": np.ones(3),
        "weight": np.full(3, 1 / 3),
        "ownership": np.eye(2),
    }
    assert equilibrium(**good).converged
    with pytest.raises(StudyError) as caught:
        equilibrium(**{**good, **change})
    assert isinstance(caught.value, ValueError)
    assert caught.value.problems[0].place.startswith("market:")


@pytest.mark.parametrize(
    ("share", "says"),
    [
        ([0.6, 0.5], "no outside good"),
        ([0.5, 0.5], "no outside good"),
        ([0.2, 0.0], "above 0"),
        ([0.2, -0.1], "above 0"),
    ],
)
def test_shares_that_leave_no_outside_good_are_refused(share, says):
    with pytest.raises(StudyError, match=says):
        invert_shares(share, [1.0, 1.0], [1.0], [1.0])


def test_shares_that_the_utilities_do_not_give_are_refused():
    with pytest.raises(StudyError, match="demand gives"):
        marginal_cost([0.2, 0.2], [1.0, 1.0], [[0.0], [0.0]], [2.0], [1.0], np.eye(2))


def blp_market():
    """The 1990 market at the published parameters of Berry, Levinsohn and Pakes (1995), Table IV."""
    products = pl.read_csv(DATA / "ref_blp_products_1990.csv")
    agents = pl.read_csv(DATA / "ref_blp_agents_1990.csv").to_numpy()
    sigma = np.array([3.612, 4.628, 1.818, 1.050, 2.056])
    characteristics = np.column_stack(
        [np.ones(products.height), *(products[n] for n in ("hpwt", "air", "mpd", "space"))]
    )
    taste = characteristics @ (sigma[:, None] * agents[:, 2:].T)
    return products, taste, 43.501 / agents[:, 1], agents[:, 0]


BLP_CASES = {
    "base": (None, None, (), 1.0),
    "merger_3_2": (3, 2, (), 1.0),
    "merger_3_1": (3, 1, (), 1.0),
    "merger_16_19": (16, 19, (), 1.0),
    "cut5_2_3": (None, None, (2, 3), 0.95),
    "cut5_merger_3_2": (3, 2, (2, 3), 0.95),
    "cut20_19": (None, None, (19,), 0.80),
    "rise10_all_1": (None, None, (1,), 1.10),
}


def test_mean_utilities_and_costs_of_the_mixed_logit_market_match_pyblp():
    products, taste, slope, weight = blp_market()
    share, price, firm = (products[name].to_numpy() for name in ("share", "price", "firm_id"))
    mean = invert_shares(share, price, slope, weight, taste=taste)
    assert mean == pytest.approx(products["delta"].to_numpy(), abs=1e-9)
    cost = marginal_cost(share, price, mean[:, None] + taste, slope, weight, firm[:, None] == firm)
    assert cost == pytest.approx(products["cost"].to_numpy(), abs=1e-9)


@pytest.mark.parametrize("case", BLP_CASES)
def test_prices_after_mergers_and_cost_changes_match_pyblp(case):
    products, taste, slope, weight = blp_market()
    gone, into, changed, factor = BLP_CASES[case]
    firm = products["firm_id"].to_numpy()
    owner = np.where(firm == gone, into, firm) if gone is not None else firm
    cost = products["cost"].to_numpy() * np.where(np.isin(firm, changed), factor, 1.0)
    mean = products["delta"].to_numpy()
    found = equilibrium(cost, mean[:, None] + taste, slope, weight, owner[:, None] == owner, start=products["price"])
    assert found.converged
    assert found.residual <= 1e-12
    assert found.price == pytest.approx(products[f"price_{case}"].to_numpy(), abs=1e-9)


def test_own_elasticities_of_the_1990_market_are_those_of_the_car_literature():
    products, taste, slope, weight = blp_market()
    firm = products["firm_id"].to_numpy()
    found = equilibrium(
        products["cost"].to_numpy(), products["delta"].to_numpy()[:, None] + taste, slope, weight, firm[:, None] == firm
    )
    own = found.own_elasticity()
    assert -6 < own.mean() < -3
    assert (own < -1).all()
    numeric = []
    for j in range(0, len(own), 40):
        price = found.price.copy()
        price[j] *= 1 + 1e-6
        value = (products["delta"].to_numpy()[:, None] + taste) - slope * price[:, None]
        shares = np.exp(value) / (1 + np.exp(value).sum(axis=0)) @ weight
        numeric.append((shares[j] / found.share[j] - 1) / 1e-6)
    assert own[::40] == pytest.approx(numeric, rel=1e-4)


def test_a_price_scale_is_a_change_of_units_of_that_product():
    market = random_market(91)
    rng = np.random.default_rng(92)
    scale = rng.uniform(0.5, 2.0, 12)
    firm = np.arange(12)  # every product its own owner: units of money of one do not touch another
    market["ownership"] = (firm[:, None] == firm).astype(float)
    plain = equilibrium(**market)
    scaled = equilibrium(**{**market, "cost": market["cost"] / scale}, price_scale=scale)
    assert scaled.price * scale == pytest.approx(plain.price, rel=1e-11)
    assert scaled.share == pytest.approx(plain.share, rel=1e-11)
    mean = market["utility"].mean(axis=1)
    back = invert_shares(
        scaled.share,
        scaled.price,
        market["price_slope"],
        market["weight"],
        taste=market["utility"] - mean[:, None],
        nest=market["nest"],
        nest_parameter=0.4,
        price_scale=scale,
    )
    assert back == pytest.approx(mean, abs=1e-9)


def test_price_scale_with_several_products_an_owner_satisfies_the_written_out_conditions():
    market = random_market(93)
    scale = np.random.default_rng(94).uniform(0.5, 2.0, 12)
    found = equilibrium(**market, price_scale=scale)
    condition = found.share + (market["ownership"] * found.slopes().T) @ found.markup
    assert np.abs(condition).max() <= 1e-12
    step = 1e-6
    for k in (0, 5, 11):
        up, down = found.price.copy(), found.price.copy()
        up[k] += step
        down[k] -= step
        numeric = (
            brute_share(up * scale, market["utility"], market["price_slope"], market["weight"], market["nest"], 0.4)
            - brute_share(down * scale, market["utility"], market["price_slope"], market["weight"], market["nest"], 0.4)
        ) / (2 * step)
        assert found.slopes()[:, k] == pytest.approx(numeric, abs=2e-8)
