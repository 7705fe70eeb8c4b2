"""Bertrand-Nash prices by the zeta fixed point (Morrow and Skerlos 2011), and the marginal cost behind them."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from teikei.market.demand import derive
from teikei.market.fixed_point import solve_markets
from teikei.market.hard import solve_hard
from teikei.market.inputs import Market, check_market, check_ownership, flat, number_array, owner_groups, refuse
from teikei.market.types import Array, IntArray

_MAX_ITERATIONS = 5_000
_PLAIN_ITERATIONS = 1_000  # then the market counts as hard and is led to its prices from a gentler one
_MOVES = (0.5, 0.9, 0.99, 1.01, 1.1, 2.0)
_ROUNDING = 1e-9  # of the price: a cost below nothing by less is nothing


@dataclass(frozen=True)
class Equilibrium:
    """Prices at which no owner gains by a small change of its own; leading axes (...) are independent markets.

    price, share, markup (..., J): markup = price - cost. residual (...): largest first-order condition
    |s_j + sum_k H_jk ds_k/dp_j (p_k - c_k)|, in shares. iterations (...). converged (...): residual within the
    tolerance asked for. A market that has not converged carries its last prices and its residual: judge it by them.
    """

    price: Array
    share: Array
    markup: Array
    residual: Array
    iterations: IntArray
    converged: npt.NDArray[np.bool_]
    market: Market = field(repr=False)
    ownership: Array = field(repr=False)

    def _derive(self, *, slopes: bool) -> tuple[Array, Array, Array]:
        return derive(self.market, self.price.reshape(-1, self.market.products), slopes=slopes)

    def slopes(self) -> Array:
        """Price derivatives of demand ds_j/dp_k (..., J, J), shares per unit of price."""
        count = self.market.products
        return self._derive(slopes=True)[1].reshape(*self.market.lead, count, count)

    def elasticities(self) -> Array:
        """Elasticity of the demand for j to the price of k (..., J, J)."""
        return self.slopes() * self.price[..., None, :] / self.share[..., :, None]

    def own_elasticity(self) -> Array:
        """Own-price elasticity of each product (..., J), negative."""
        return np.diagonal(self.elasticities(), axis1=-2, axis2=-1).copy()

    def diversion(self) -> Array:
        """Of the buyers that j loses when its price rises, the share k wins (..., J, J); diagonal: outside good."""
        slopes = self.slopes()
        own = np.diagonal(slopes, axis1=-2, axis2=-1)
        ratio = -np.swapaxes(slopes, -1, -2) / own[..., :, None]
        index = np.arange(self.market.products)
        outside = 1.0 - (ratio.sum(axis=-1) + 1.0)
        ratio[..., index, index] = outside
        return ratio

    def gain_from_deviating(self, moves: tuple[float, ...] = _MOVES) -> Array:
        """Largest relative gain of an owner that alone moves one price (...): above rounding, prices are no best reply.

        First-order conditions hold at a best reply, but also at a worst one: with very spread tastes both occur. moves:
        factors on the markup that are tried, for every product in turn.
        """
        count = self.market.products
        price, markup = self.price.reshape(-1, count), self.markup.reshape(-1, count)
        share = self.share.reshape(-1, count)
        counted = np.broadcast_to(self.ownership, (len(price), count, count))
        profit = np.einsum("tjk,tk->tj", counted, markup * share)
        gain = np.zeros(len(price))
        for j in range(count):
            for factor in moves:
                margin = markup.copy()
                margin[:, j] *= factor
                moved = derive(self.market, price - markup + margin, slopes=False)[0]
                after = np.einsum("tk,tk->t", counted[:, j], margin * moved)
                gain = np.maximum(gain, after / np.maximum(profit[:, j], 1e-300) - 1)
        return gain.reshape(self.market.lead)

    def consumer_surplus(self) -> Array:
        """Consumer surplus per head (...), in money, up to a constant: only differences mean something."""
        return self._derive(slopes=False)[2].reshape(self.market.lead)


def equilibrium(
    cost: npt.ArrayLike,
    utility: npt.ArrayLike,
    price_slope: npt.ArrayLike,
    weight: npt.ArrayLike,
    ownership: npt.ArrayLike,
    *,
    nest: npt.ArrayLike | None = None,
    nest_parameter: npt.ArrayLike = 0.0,
    start: npt.ArrayLike | None = None,
    tolerance: float = 1e-12,
    max_iterations: int = _MAX_ITERATIONS,
    price_scale: npt.ArrayLike = 1.0,
) -> Equilibrium:
    """At which prices does every owner earn most, given the prices of the others?

    cost (..., J): marginal cost, >= 0 · utility (..., J, I): of product j to consumer type i net of price, outside
    good 0 · price_slope (..., I): utility lost per unit of price, > 0 · weight (..., I): of each type, > 0, used as
    given · ownership (..., J, J): 1 same owner, kappa across; row j: what the owner of j counts of the profit on k ·
    nest (J,): label of each product, None for none · nest_parameter: below 1, a number or anything that fits (..., J),
    equal within a nest · start (..., J): prices to start from (default: cost) · tolerance: on the first-order
    conditions, in shares, and on the relative step of markups · price_scale (..., J): multiplies the price slope for a
    product (1: none). Leading axes are independent markets and broadcast.

    Raises MarketInputError (a StudyError and a ValueError) where an input cannot be right, a product without any demand
    included. Not converged is a result: see ``Equilibrium.converged`` and ``residual``.
    Source: Morrow and Skerlos (2011), fixed point zeta; Anderson (1965) acceleration, safeguarded by the plain step. A
    market that has not converged after 1,000 steps is led to its prices from a gentler one (``hard.py``), unless
    max_iterations is smaller.
    """
    cost_array = number_array("cost", cost)
    if np.any(cost_array < 0):
        where = tuple(int(k) for k in np.argwhere(cost_array < 0)[0])
        raise refuse("cost", f"found {cost_array[where]} at index {where}; expected a marginal cost of at least 0")
    matrix = number_array("ownership", ownership)
    begin = None if start is None else number_array("start", start)
    others: tuple[tuple[str, Array, int], ...] = (("cost", cost_array, 1), ("ownership", matrix, 2))
    if begin is not None:
        others = (*others, ("start", begin, 1))
    if not tolerance > 0:
        raise refuse("tolerance", f"found {tolerance}; expected a number above 0")
    market = check_market(utility, price_slope, weight, nest, nest_parameter, others, price_scale=price_scale)
    count = market.products
    owner, conduct, diagonal = owner_groups(check_ownership(matrix, market.lead, count))
    shaped_cost = flat("cost", cost_array, market.lead, (count,))
    full_cost = np.broadcast_to(shaped_cost, (market.markets, count))
    markup = np.zeros((market.markets, count))
    if begin is not None:
        markup += np.maximum(flat("start", begin, market.lead, (count,)) - full_cost, 0.0)
    share, residual = np.empty((market.markets, count)), np.empty(market.markets)
    iterations, supported = np.zeros(market.markets, np.int64), np.ones((market.markets, count), np.int64)
    markup = solve_markets(
        markup,
        shaped_cost,
        market.utility,
        market.slope,
        market.weight,
        market.nest,
        market.nests,
        market.keep,
        market.scale,
        owner,
        conduct,
        diagonal,
        np.stack([market.order(one) for one in owner]),
        tolerance,
        min(max_iterations, _PLAIN_ITERATIONS),
        share,
        residual,
        iterations,
        supported,
    )
    if max_iterations > _PLAIN_ITERATIONS:
        for t in np.flatnonzero((residual > tolerance) | (supported == 0).any(axis=1)).tolist():
            at = min(t, len(owner) - 1)
            hard = solve_hard(market, t, full_cost[t], owner[at], conduct[at], diagonal[at], tolerance, max_iterations)
            if (hard[2] < residual[t] and hard[4].all()) or not supported[t].all():
                markup[t], share[t], residual[t], _, supported[t] = hard
            iterations[t] += hard[3]
    if not supported.all():
        t, j = (int(k) for k in np.argwhere(supported == 0)[0])
        raise refuse("utility", f"product {j} (market {t}) has no demand at any price near its cost; leave it out")
    shape = (*market.lead, count)
    return Equilibrium(
        price=(full_cost + markup).reshape(shape),
        share=share.reshape(shape),
        markup=markup.reshape(shape),
        residual=residual.reshape(market.lead),
        iterations=iterations.reshape(market.lead),
        converged=(residual <= tolerance).reshape(market.lead),
        market=market,
        ownership=check_ownership(matrix, market.lead, count),
    )


def markups(market: Market, price: Array, matrix: Array) -> tuple[Array, Array]:
    """Markups (T, J) that make ``price`` (T, J) optimal under ownership ``matrix`` (T|1, J, J), and shares (T, J)."""
    share, slopes, _ = derive(market, price)
    system = matrix * np.swapaxes(slopes, 1, 2)  # row j: H_jk ds_k/dp_j
    return np.asarray(-np.linalg.solve(system, share[:, :, None])[:, :, 0], dtype=np.float64), share


def marginal_cost(
    share: npt.ArrayLike,
    price: npt.ArrayLike,
    utility: npt.ArrayLike,
    price_slope: npt.ArrayLike,
    weight: npt.ArrayLike,
    ownership: npt.ArrayLike,
    *,
    nest: npt.ArrayLike | None = None,
    nest_parameter: npt.ArrayLike = 0.0,
    price_scale: npt.ArrayLike = 1.0,
) -> Array:
    """Which marginal cost (..., J) makes the observed prices optimal for their owners?

    Arguments as in ``equilibrium``; share (..., J) as observed: it must be what demand gives at ``price`` (take
    ``utility`` from ``invert_shares``). Solves s + (H * ds/dp)(p - c) = 0 (Bresnahan 1987; BLP 1995, eq. 3.6).

    Raises MarketInputError where an input cannot be right, where shares and utilities disagree by more than 1 %, and
    where a cost comes out negative: then demand is too inelastic for these prices.
    """
    prices, shares = number_array("price", price), number_array("share", share)
    matrix = number_array("ownership", ownership)
    market = check_market(
        utility,
        price_slope,
        weight,
        nest,
        nest_parameter,
        (("price", prices, 1), ("share", shares, 1), ("ownership", matrix, 2)),
        price_scale=price_scale,
    )
    count = market.products
    full = np.broadcast_to(flat("price", prices, market.lead, (count,)), (market.markets, count)).copy()
    observed = np.broadcast_to(flat("share", shares, market.lead, (count,)), (market.markets, count))
    markup, modelled = markups(market, full, check_ownership(matrix, market.lead, count))
    apart = np.abs(modelled - observed) > 0.01 * np.abs(observed)
    if apart.any():
        t, j = (int(k) for k in np.argwhere(apart)[0])
        raise refuse(
            "share", f"product {j}: found {observed[t, j]:.6g}, but demand gives {modelled[t, j]:.6g} at its price"
        )
    cost = full - markup
    cost[(cost < 0) & (cost >= -_ROUNDING * full)] = 0.0
    if np.any(cost < 0):
        t, j = (int(k) for k in np.argwhere(cost < 0)[0])
        raise refuse(
            "price",
            f"product {j}: the price {full[t, j]:.6g} would need a marginal cost of {cost[t, j]:.6g}; "
            "demand is too inelastic for this price: expected a larger price_slope",
        )
    return cost.reshape(*market.lead, count)
