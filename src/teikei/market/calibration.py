"""Parameters of demand from the study's moments: a most likely set, draws around it, and the table of targets.

Units are met exactly (mean utilities by share inversion) and prices exactly (marginal cost from the first-order
conditions); the few parameters of substitution are a compromise between the moments, weighted, and their own ranges.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from teikei.errors import StudyError
from teikei.market.demand import derive
from teikei.market.home import NOT_CONSIDERED, HomeMarket, buyers
from teikei.market.inputs import check_market
from teikei.market.inversion import SharesNotMetError, invert_shares
from teikei.market.price_equilibrium import equilibrium, markups
from teikei.market.types import Array

DEMAND = (
    "price_slope",
    "price_slope_spread",
    "price_curvature",
    "electric_taste_spread",
    "kei_taste_spread",
    "nest_parameter",
    "inside_share",
    "consideration_share",
    "range_value",
)
REFERENCE_PRICE = 3.0  # million JPY: where the price slope is stated
_PLAIN_STEPS = 1000  # a parameter set whose market needs more is far from the moments: no more effort on it
_PASS_THROUGH_CUT = 0.02  # of the price: small enough to be a derivative, large enough for the solver's tolerance


@dataclass(frozen=True)
class Demand:
    """Demand and cost at D parameter sets, in million JPY. The first set is the most likely one.

    theta (D, P): parameters of ``DEMAND`` in plain units. slope, weight (D, I); taste (D, J, I); mean (D, J): mean
    utility; cost (D, J): marginal cost before VAT; buyers_total (D,): potential buyers, cars.
    """

    theta: Array
    slope: Array
    weight: Array
    taste: Array
    mean: Array
    cost: Array
    buyers_total: Array

    def part(self, rows: slice | list[int]) -> Demand:
        """The same for some parameter sets."""
        return Demand(
            self.theta[rows],
            self.slope[rows],
            self.weight[rows],
            self.taste[rows],
            self.mean[rows],
            self.cost[rows],
            self.buyers_total[rows],
        )

    @property
    def nest_parameter(self) -> Array:
        """(D, 1)."""
        return self.theta[:, DEMAND.index("nest_parameter"), None]

    def net_utility(self, home: HomeMarket, year: int) -> Array:
        """Utility (D, J, I) before the list price: mean, taste, subsidy and tax of ``year``."""
        wedge = self.scale(home.price) * home.wedge(year)
        return self.mean[..., None] + self.taste - self.slope[:, None, :] * wedge[:, :, None]

    def scale(self, price: Array) -> Array:
        """Factor on the price slope of cars of consumer price ``price`` (J,), million JPY: (D, J)."""
        return price_scale(self.theta, price)


@dataclass(frozen=True)
class Calibrated:
    """A market with its demand: ``draws`` holds the most likely parameters first, then posterior draws.

    moments: moment, target, low, high, model, lower, upper, deviation, weight, note. effective_draws: effective
    sample size of the importance draws before resampling.
    """

    home: HomeMarket
    draws: Demand
    moments: pl.DataFrame
    effective_draws: float
    messages: tuple[str, ...] = ()


def price_scale(theta: Array, price: Array) -> Array:
    """(reference price / price)^curvature (D, J): a yen weighs more on a cheap car, as in a Box-Cox utility of price.

    The slope is taken at the observed price and held there: constant elasticity (curvature 1 followed through) would
    pass on more than the whole of a cost change, which is not observed.
    """
    return np.asarray((REFERENCE_PRICE / price) ** theta[:, DEMAND.index("price_curvature"), None], dtype=np.float64)


def types_of(theta: Array, home: HomeMarket, consideration: Array | None = None) -> tuple[Array, Array, Array]:
    """Price slopes (D, I) per million, weights (D, I) and tastes (D, J, I) at parameters theta (D, P)."""
    nodes = buyers()
    column = {name: theta[:, k, None] for k, name in enumerate(DEMAND)}
    share = column["consideration_share"] if consideration is None else consideration[:, None]
    slope = column["price_slope"] * np.exp(column["price_slope_spread"] * nodes.price_node)
    weight = nodes.weight * np.where(nodes.considers > 0, share, 1.0 - share)
    electric = column["electric_taste_spread"] * nodes.electric_node
    kei = column["kei_taste_spread"] * nodes.kei_node
    taste = electric[:, None, :] * home.battery_electric[:, None] + kei[:, None, :] * home.segment_taste[:, None]
    taste = taste + np.where(nodes.considers > 0, 0.0, NOT_CONSIDERED) * home.plug_in[:, None]
    return slope, weight, taste


def demand_at(theta: Array, home: HomeMarket) -> Demand:
    """Mean utilities and marginal costs that reproduce units and prices at parameters theta (D, P).

    A cost may come out negative at parameters that the prices cannot support: the caller judges.
    """
    slope, weight, taste = types_of(theta, home)
    inside = theta[:, DEMAND.index("inside_share")]
    total = home.units.sum() / inside
    factory = home.price / (1 + home.vat)
    seller_slope = slope * (1 + home.vat)
    scale = price_scale(theta, home.price)
    known = taste - slope[:, None, :] * (scale * home.wedge(home.year))[:, :, None]
    rho = theta[:, DEMAND.index("nest_parameter"), None]
    try:
        mean = invert_shares(
            home.units / total[:, None],
            factory,
            seller_slope,
            weight,
            taste=known,
            nest=home.nest,
            nest_parameter=rho,
            price_scale=scale,
        )
    except SharesNotMetError as error:
        name, price = home.product[error.product], home.price[error.product] * home.million
        raise StudyError(
            f"products: no demand was found that sells what the table says: {name} is hardest to meet; check its price "
            f"({price:,.0f} {home.currency}), units ({home.units[error.product]:,.0f}) and range"
        ) from error
    prices = np.broadcast_to(factory, mean.shape).copy()
    market = check_market(
        mean[..., None] + known, seller_slope, weight, home.nest, rho, (("price", prices, 1),), price_scale=scale
    )
    found, _ = markups(market, prices, home.ownership()[None])
    return Demand(theta, slope, weight, taste, mean, factory - found, total)


def _group_elasticity(slopes: Array, share: Array, price: Array, group: Array) -> Array:
    """Elasticity (D,) of the units of a group to the price of all its products together."""
    change = np.einsum("j,djk,dk->d", group, slopes, group * price)
    return np.asarray(change / (share @ group), dtype=np.float64)


def _second_choice(demand: Demand, home: HomeMarket, kinds: tuple[str, ...]) -> Array:
    """Of BEV buyers who buy another new car when no BEV is on sale, the share (D,) that takes ``kinds``.

    0 where none of them buys another new car.
    """
    electric = home.battery_electric > 0
    utility, scale = demand.net_utility(home, home.year), demand.scale(home.price)
    gone = utility.copy()
    gone[:, electric, :] = 4 * NOT_CONSIDERED
    rows = []
    for value in (utility, gone):
        market = check_market(
            value,
            demand.slope * (1 + home.vat),
            demand.weight,
            home.nest,
            demand.nest_parameter,
            (),
            price_scale=scale,
        )
        price = np.broadcast_to(home.price / (1 + home.vat), demand.mean.shape).copy()
        rows.append(derive(market, price, slopes=False)[0])
    gain = rows[1] - rows[0]
    to = np.array([kind in kinds for kind in home.powertrain]) & ~electric
    won, every = gain[:, to].sum(axis=1), gain[:, ~electric].sum(axis=1)
    return np.asarray(np.divide(won, every, out=np.zeros_like(won), where=every > 0), dtype=np.float64)


def model_moments(demand: Demand, home: HomeMarket) -> dict[str, Array]:
    """What the model says of every moment it knows, (D,) each."""
    factory = home.price / (1 + home.vat)
    scale = demand.scale(home.price)
    utility = demand.net_utility(home, home.year)
    cost = np.maximum(demand.cost, 1e-6)
    base = equilibrium(
        cost,
        utility,
        demand.slope * (1 + home.vat),
        demand.weight,
        home.ownership(),
        nest=home.nest,
        nest_parameter=demand.nest_parameter,
        price_scale=scale,
        start=factory,
        max_iterations=_PLAIN_STEPS,
    )
    slopes, share = base.slopes(), base.share
    own = np.diagonal(slopes, axis1=1, axis2=2) * base.price / share
    single = home.model if home.model.any() else np.ones(len(home.product))
    lerner = 1 - demand.cost / factory
    electric = home.battery_electric
    cut = _PASS_THROUGH_CUT * factory * electric
    after = equilibrium(
        np.maximum(cost - cut, 0.0),
        utility,
        demand.slope * (1 + home.vat),
        demand.weight,
        home.ownership(),
        nest=home.nest,
        nest_parameter=demand.nest_parameter,
        price_scale=scale,
        start=base.price,
        max_iterations=_PLAIN_STEPS,
    )
    weight = home.units * electric
    values = {
        "own_price_elasticity": (own * home.units * single).sum(axis=1) / (home.units * single).sum(),
        "market_elasticity": _group_elasticity(slopes, share, base.price, np.ones(len(home.product))),
        "margin": (lerner * home.units).sum(axis=1) / home.units.sum(),
        "range_value": demand.theta[:, DEMAND.index("range_value")],
    }
    if electric.any():
        values |= {
            "bev_group_elasticity": _group_elasticity(slopes, share, base.price, electric),
            "pass_through": ((base.price - after.price) * weight).sum(axis=1) / (cut * weight).sum(),
            "bev_margin": (lerner * weight).sum(axis=1) / weight.sum(),
            "second_choice_combustion": _second_choice(demand, home, ("ice", "hybrid")),
            "second_choice_ice": _second_choice(demand, home, ("ice",)),
            "second_choice_hybrid": _second_choice(demand, home, ("hybrid",)),
        }
    return values
