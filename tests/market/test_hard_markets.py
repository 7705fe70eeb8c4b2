"""Markets that stall plain fixed points: met to tolerance, or said not to be; never a silent number."""

from __future__ import annotations

import numpy as np
import pytest

from teikei.errors import NoPlanError
from teikei.market import MarketInputError, equilibrium, inversion, invert_shares, marginal_cost


def conditions(found, cost, ownership):
    """First-order conditions written out from the model's own derivatives."""
    return np.abs(found.share + ((ownership * found.slopes().T) @ (found.price - cost))).max()


def relative_conditions(found, market):
    """The first-order conditions as parts of what a product's own price slope makes of its markup, written out."""
    _, utility, slope, weight, ownership, nests = market
    rho, nest = nests["nest_parameter"], np.asarray(nests["nest"])
    value = (utility - slope * found.price[:, None]) / (1 - rho)
    top = np.stack([value[nest == g].max(axis=0) for g in nest])
    within = np.exp(value - top)
    total = np.stack([within[nest == g].sum(axis=0) for g in nest])
    first = np.array([int(np.argmax(nest == g)) for g in np.unique(nest)])
    inclusive = ((1 - rho) * (top + np.log(total)))[first]
    most = np.maximum(inclusive.max(axis=0), 0.0)
    share_of_nest = np.exp(inclusive - most) / (np.exp(-most) + np.exp(inclusive - most).sum(axis=0))
    chance = within / total * share_of_nest[np.searchsorted(np.unique(nest), nest)]
    steep = (chance * weight * slope).sum(axis=1) / (1 - rho)  # Lambda of Morrow and Skerlos
    condition = found.share + (ownership * found.slopes().T) @ found.markup
    return np.abs(condition / (condition + steep * found.markup)).max()


def made(kind, seed):
    """A market of a kind that is hard: arguments of ``equilibrium``."""
    rng = np.random.default_rng((7, seed))
    count, types = int(rng.integers(5, 30)), int(rng.integers(20, 100))
    owner = rng.integers(0, max(count // 4, 2), count)
    slope, spread, taste, rho, nests = rng.uniform(0.5, 3), 0.3, 0.5, 0.4, 3
    base = rng.normal(0, 1, count)
    if kind == "steep":
        slope = 50.0
    elif kind == "spread tastes":
        taste = 8.0
    elif kind == "spread slopes":
        spread = 2.0
    elif kind == "near-one nests":
        rho, base = 0.98, 0.02 * base
    elif kind == "tiny shares":
        base = rng.uniform(-45, 1, count)
    elif kind == "a nest each":
        nests, rho = count, 0.9
    elif kind == "giant":
        base[0] += 40.0
    cost = rng.uniform(0.5, 5, count)
    if kind == "near-one nests":
        cost = 2.0 + 0.01 * rng.standard_normal(count)
    utility = (base + 0.5 * slope * cost)[:, None] + taste * rng.standard_normal((count, types))
    nest = np.arange(count) if nests == count else rng.integers(0, nests, count)
    weight = rng.dirichlet(np.ones(types)) + 1e-9
    slopes = slope * np.exp(spread * rng.standard_normal(types))
    return cost, utility, slopes, weight, (owner[:, None] == owner).astype(float), {"nest": nest, "nest_parameter": rho}


KINDS = ["steep", "spread tastes", "spread slopes", "near-one nests", "tiny shares", "a nest each", "giant"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(4))
def test_hard_markets_converge_and_go_back_to_their_costs_and_shares(kind, seed):
    cost, utility, slope, weight, ownership, nests = made(kind, seed)
    found = equilibrium(cost, utility, slope, weight, ownership, **nests)
    assert found.converged
    assert found.residual <= 1e-12
    assert conditions(found, cost, ownership) <= 2e-12
    back = marginal_cost(found.share, found.price, utility, slope, weight, ownership, **nests)
    assert back == pytest.approx(cost, rel=1e-5)
    if found.share.sum() < weight.sum() * (1 - 1e-9):
        taste = utility - utility.mean(axis=1, keepdims=True)
        mean = invert_shares(found.share, found.price, slope, weight, taste=taste, **nests)
        again = equilibrium(cost, mean[:, None] + taste, slope, weight, ownership, start=found.price, **nests)
        assert again.share == pytest.approx(found.share, rel=1e-6)


@pytest.mark.parametrize(
    ("kind", "seed", "best"), [("spread tastes", 1, False), ("spread slopes", 2, None), ("giant", 0, True)]
)
def test_whether_prices_are_best_replies_is_told(kind, seed, best):
    """Very spread tastes have points that meet the first-order conditions and are no best reply."""
    cost, utility, slope, weight, ownership, nests = made(kind, seed)
    found = equilibrium(cost, utility, slope, weight, ownership, **nests)
    keep = 1 - nests["nest_parameter"]

    def profit(owner_of, price):
        value = np.exp((utility - slope * price[:, None]) / keep)
        inclusive = np.stack([value[nests["nest"] == g].sum(axis=0) for g in range(3)])
        chance = inclusive**keep / (1 + (inclusive**keep).sum(axis=0))
        share = (value / np.maximum(inclusive, 1e-300)[nests["nest"]] * chance[nests["nest"]]) @ weight
        return float(ownership[owner_of] * (price - cost) @ share)

    gain = 0.0
    for j in range(len(cost)):
        for factor in (0.9, 0.99, 1.01, 1.1):
            moved = found.price.copy()
            moved[j] = cost[j] + factor * found.markup[j]
            gain = max(gain, profit(j, moved) / profit(j, found.price) - 1)
    told = found.gain_from_deviating((0.9, 0.99, 1.01, 1.1))
    assert told == pytest.approx(gain, rel=1e-6, abs=1e-12)
    if best is not None:
        assert (told < 1e-12) == best


def test_whatever_the_market_the_flag_tells_the_truth():
    """Demands that are near steps need not have an equilibrium in prices: then converged is false."""
    honest = 0
    for seed in range(1, 4):
        rng = np.random.default_rng((9, seed))
        count, types = 12, 40
        slope = 10 ** rng.uniform(1, 4) * np.exp(0.3 * rng.standard_normal(types))
        cost, weight = rng.uniform(0.5, 5, count), np.full(types, 1 / types)
        utility = rng.normal(0, 1, (count, types)) + slope.mean() * cost[:, None]
        ownership = np.ones((count, count))
        try:
            found = equilibrium(cost, utility, slope, weight, ownership, nest=np.arange(count) % 3, nest_parameter=0.3)
        except MarketInputError:  # a product that nobody would buy at its cost
            continue
        honest += 1
        assert bool(found.converged) == bool(found.residual <= 1e-12)
        market = (cost, utility, slope, weight, ownership, {"nest": np.arange(count) % 3, "nest_parameter": 0.3})
        assert relative_conditions(found, market) == pytest.approx(float(found.residual), rel=1e-3, abs=1e-9)
    assert honest >= 2


def test_shares_that_are_not_met_are_refused_with_the_gap_that_is_left(monkeypatch):
    rng = np.random.default_rng(3)
    share, taste = rng.dirichlet(np.ones(15))[:14], 10 * rng.standard_normal((14, 30))
    monkeypatch.setattr(inversion, "_MAX_ITERATIONS", 3)
    monkeypatch.setattr(inversion, "invert_hard", lambda *given: (given[4], 0.25))
    with pytest.raises(NoPlanError, match=r"largest gap of ln\(share\) 0.25"):
        invert_shares(share, np.ones(14), np.ones(30), np.full(30, 1 / 30), taste=taste)


def test_a_product_made_at_no_cost_comes_back_at_no_cost():
    cost = np.array([0.0, 1.0, 0.0, 2.0])
    utility = np.array([[1.0], [2.0], [0.5], [3.0]])
    found = equilibrium(cost, utility, [1.3], [1.0], np.eye(4))
    back = marginal_cost(found.share, found.price, utility, [1.3], [1.0], np.eye(4))
    assert back == pytest.approx(cost, abs=1e-9)
    assert (back >= 0).all()


def test_shares_that_leave_almost_nobody_outside_are_met():
    rng = np.random.default_rng(5)
    taste = 10 * rng.standard_normal((20, 60))
    share = rng.dirichlet(np.ones(20)) * (1 - 1e-6)
    weight, slope, price = np.full(60, 1 / 60), np.full(60, 1.0), rng.uniform(1, 3, 20)
    mean = invert_shares(share, price, slope, weight, taste=taste)
    value = np.exp(mean[:, None] + taste - price[:, None])
    assert (value / (1 + value.sum(axis=0))) @ weight == pytest.approx(share, rel=1e-9)


def test_an_iteration_limit_is_kept():
    cost, utility, slope, weight, ownership, nests = made("near-one nests", 1)
    found = equilibrium(cost, utility, slope, weight, ownership, max_iterations=3, **nests)
    assert not found.converged
    assert found.iterations <= 3
    assert found.residual > 1e-12
