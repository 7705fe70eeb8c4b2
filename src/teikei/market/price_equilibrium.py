"""Bertrand-Nash prices by the zeta fixed point (Morrow and Skerlos 2011), and the marginal cost behind them."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from teikei.market.demand import derive
from teikei.market.fixed_point import solve_markets
from teikei.market.hard import newton, solve_hard
from teikei.market.inputs import (
    Market,
    MarketInputError,
    check_market,
    check_ownership,
    flat,
    number_array,
    owner_groups,
    refuse,
)
from teikei.market.subnests import solve_subnests
from teikei.market.types import Array, CostAtPrices, IntArray

_MAX_ITERATIONS = 5_000  # of the fixed point; then the market counts as hard and is led to its prices (hard.py)
_MOVES = (0.5, 0.9, 0.99, 1.01, 1.1, 2.0)
_HIGH = 2.0  # of cost: markup of the second start, which asks whether there is another equilibrium
_ROUNDING = 1e-12  # of the price: a cost of less is none
_ROUGH = 1e-4  # tolerance of that question
_ROUGH_ITERATIONS = 1_000
_APART = 1e-6  # relative difference of prices from which on two equilibria are two
_SEED = (2026, 19)
_FACTORS = (0.0, 0.25, 0.5, 1.0, 2.0, 4.0)  # markups on cost from which ``equilibria`` starts
_RANDOM_STARTS = 10


class MarketWarning(UserWarning):
    """Something about a market that may be right and should be seen: a negative cost, several equilibria."""


@dataclass(frozen=True)
class Equilibrium:
    """Prices at which no owner gains by a small change of its own; leading axes (...) are independent markets.

    price, share, markup (..., J): markup = price - cost. residual (...): largest first-order condition
    |s_j + sum_k H_jk ds_k/dp_j (p_k - c_k)| as a part of its positive terms, so that neither the size of shares and
    weights nor the currency matters. iterations (...). converged (...): residual within the tolerance asked for. A
    market that has not converged carries its last prices and its residual: judge it by them. several (...): another
    start led to other prices (``equilibria`` gives all that it finds); looked for only where no start was given.
    """

    price: Array
    share: Array
    markup: Array
    residual: Array
    iterations: IntArray
    converged: npt.NDArray[np.bool_]
    several: npt.NDArray[np.bool_]
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

    def profits(self) -> Array:
        """Variable profit on each product (..., J), money per head: markup times share."""
        return np.asarray(self.markup * self.share, dtype=np.float64)

    def hhi(self, owner: npt.ArrayLike | None = None, *, outside: bool = False) -> Array:
        """Herfindahl-Hirschman index (...): 10,000 times the sum of squared shares of owners, 10,000 for one owner.

        owner (J,): label of the owner of each product (default: products that the ownership matrix treats alike).
        outside: shares of all buyers, those who buy nothing included; else shares of sales.
        """
        share = self.share.reshape(-1, self.market.products)
        if owner is None:
            group = owner_groups(self.ownership)[0]
        else:
            label = np.asarray(owner)
            if label.shape != (self.market.products,):
                raise refuse("owner", f"found shape {label.shape}; expected one owner for each product")
            group = np.unique(label, return_inverse=True)[1].astype(np.int64)[None]
        one_hot = (group[:, :, None] == np.arange(self.market.products)).astype(np.float64)
        held = np.einsum("tj,tjg->tg", share, np.broadcast_to(one_hot, (len(share), *one_hot.shape[1:])))
        whole = self.market.weight.sum(axis=1) if outside else share.sum(axis=1)
        return np.asarray(1e4 * ((held / whole[:, None]) ** 2).sum(axis=1).reshape(self.market.lead))

    def _after(self, ownership: npt.ArrayLike) -> Array:
        return check_ownership(ownership, self.market.lead, self.market.products)

    def upp(self, ownership: npt.ArrayLike, *, efficiency: npt.ArrayLike = 0.0) -> Array:
        """Upward pricing pressure (..., J) of a change of owners, money per unit: what a merger adds to marginal cost.

        ownership (..., J, J): the matrix after it · efficiency: part of marginal cost saved on each product. Profit on
        the new partner's products that a buyer who leaves j brings there, sum_k (H1 - H0)_jk D_jk m_k, less the cost
        saved (Farrell and Shapiro 2010); divided by price and without efficiency it is the GUPPI.
        """
        count = self.market.products
        won = self.diversion().reshape(-1, count, count)
        gained = np.einsum(
            "tjk,tk->tj", (self._after(ownership) - self.ownership) * won, self.markup.reshape(-1, count)
        )
        saved = number_array("efficiency", efficiency) * (self.price - self.markup)
        return np.asarray(gained.reshape(self.price.shape) - saved, dtype=np.float64)

    def compensating_cost_change(self, ownership: npt.ArrayLike) -> Array:
        """Change of marginal cost (..., J) that keeps today's prices after a change of owners; negative: a saving.

        ownership (..., J, J): the matrix after it. These prices are an equilibrium of the costs so changed (Werden
        1996, compensating marginal cost reductions); divided by cost it is the part of cost a merger must save.
        """
        count = self.market.products
        after, _ = markups(self.market, self.price.reshape(-1, count), self._after(ownership))
        return np.asarray(self.markup - after.reshape(self.price.shape), dtype=np.float64)

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
    subnest: npt.ArrayLike | None = None,
    subnest_parameter: npt.ArrayLike = 0.0,
    start: npt.ArrayLike | None = None,
    fixed_price: npt.ArrayLike | None = None,
    tolerance: float = 1e-12,
    max_iterations: int = _MAX_ITERATIONS,
    price_scale: npt.ArrayLike = 1.0,
) -> Equilibrium:
    """At which prices does every owner earn most, given the prices of the others?

    cost (..., J): marginal cost; one below 0 is used as it is, with a MarketWarning · utility (..., J, I): of product j
    to consumer type i net of price, outside good 0 · price_slope (..., I): utility lost per unit of price, > 0 ·
    weight (..., I): of each type, > 0, used as given · ownership (..., J, J): 1 same owner, kappa across; row j: what
    the owner of j counts of the profit on k · nest (J,): label of each product, None for none · nest_parameter: below
    1, a number or anything that fits (..., J), equal within a nest · subnest, subnest_parameter: nests within nests,
    the parameter from the nest's to below 1, where identical twins sell as one · start (..., J): prices to start from ·
    fixed_price (..., J): prices that are not chosen, NaN where they are; or true where the price of ``start`` is held ·
    tolerance: on the first-order conditions, relative (``Equilibrium.residual``) · price_scale (..., J): multiplies the
    price slope for a product (1: none). Leading axes are independent markets and broadcast.

    Where a market has several equilibria, the start decides which is found: give observed prices where they are known.
    Costs that come from ``marginal_cost`` remember theirs. Without any start, cost is one, and a second, far higher one
    asks whether there is another equilibrium: then ``several`` is true and a MarketWarning says so.

    Raises MarketInputError (a StudyError and a ValueError) where an input cannot be right, a product without any demand
    included. Not converged is a result: see ``Equilibrium.converged`` and ``residual``.
    Source: Morrow and Skerlos (2011), fixed point zeta; Anderson (1965) acceleration near its end. A market that has
    not converged after max_iterations is led to its prices from a gentler one (``hard.py``), unless max_iterations is
    smaller than the default.
    """
    cost_array = number_array("cost", cost)
    matrix = number_array("ownership", ownership)
    others: tuple[tuple[str, Array, int], ...] = (("cost", cost_array, 1), ("ownership", matrix, 2))
    begin = None if start is None else number_array("start", start)
    if begin is None and isinstance(cost, CostAtPrices) and cost.observed_price is not None:
        begin = cost.observed_price
    if begin is not None:
        others = (*others, ("start", begin, 1))
    chosen = _fixed(fixed_price, begin)
    if chosen is not None:
        others = (*others, ("fixed_price", chosen, 1))
    if not tolerance > 0:
        raise refuse("tolerance", f"found {tolerance}; expected a number above 0")
    market = check_market(
        utility,
        price_slope,
        weight,
        nest,
        nest_parameter,
        others,
        price_scale=price_scale,
        subnest=subnest,
        subnest_parameter=subnest_parameter,
    )
    pricing = _Pricing(market, cost_array, matrix, chosen, tolerance, max_iterations)
    if np.any(cost_array < 0):
        where = tuple(int(k) for k in np.argwhere(cost_array < 0)[0])
        _warn(f"cost: found {cost_array[where]:.6g} at index {where}: a marginal cost below 0 is used as it is")
    if begin is not None:
        return pricing.solve(pricing.markup_of(begin))
    found = pricing.solve(np.zeros_like(pricing.cost))
    if max_iterations < _MAX_ITERATIONS:
        return found
    several = pricing.led_elsewhere(found)
    if several.any():
        _warn(
            f"several equilibria in {several.sum()} of {several.size} markets: give `start`, observed prices where "
            "they are known; `equilibria` finds the others"
        )
    return replace(found, several=several)


def equilibria(
    cost: npt.ArrayLike,
    utility: npt.ArrayLike,
    price_slope: npt.ArrayLike,
    weight: npt.ArrayLike,
    ownership: npt.ArrayLike,
    *,
    starts: npt.ArrayLike | None = None,
    nest: npt.ArrayLike | None = None,
    nest_parameter: npt.ArrayLike = 0.0,
    subnest: npt.ArrayLike | None = None,
    subnest_parameter: npt.ArrayLike = 0.0,
    fixed_price: npt.ArrayLike | None = None,
    tolerance: float = 1e-12,
    price_scale: npt.ArrayLike = 1.0,
) -> tuple[Equilibrium, ...]:
    """Which equilibria does one market have, as far as many starts find them?

    Arguments as in ``equilibrium``, for one market: cost (J,) · starts (S, J): prices to start from (default: cost with
    six markups from none to four times cost, the observed prices behind costs of ``marginal_cost``, and ten random
    ones). Returns the distinct ones that converged, in the order of their starts, each with ``several`` true where
    there is more than one; ``gain_from_deviating`` tells which of them are no best replies. No number of starts proves
    that there are no more.

    Raises MarketInputError as ``equilibrium`` does, and for more than one market.
    """
    cost_array = number_array("cost", cost)
    if cost_array.ndim != 1:
        raise refuse("cost", f"found shape {cost_array.shape}; expected one market (J,)")
    if starts is None:
        size = np.maximum(np.abs(cost_array), 1e-3 * float(np.abs(cost_array).max(initial=0.0)) or 1.0)
        rng = np.random.default_rng(_SEED)
        rows = [cost_array + factor * size for factor in _FACTORS]
        rows += [cost_array + np.exp(rng.normal(0.0, 1.0, cost_array.size)) * size for _ in range(_RANDOM_STARTS)]
        if isinstance(cost, CostAtPrices) and cost.observed_price is not None:
            rows.insert(0, np.asarray(cost.observed_price, dtype=np.float64))
        begin = np.stack(rows)
    else:
        begin = np.atleast_2d(number_array("starts", starts))
    found: list[Equilibrium] = []
    for row in begin:
        one = equilibrium(
            cost_array, utility, price_slope, weight, ownership, start=row, nest=nest, nest_parameter=nest_parameter,
            subnest=subnest, subnest_parameter=subnest_parameter,
            fixed_price=fixed_price, tolerance=tolerance, price_scale=price_scale,
        )  # fmt: skip
        if one.market.lead:
            raise refuse("shapes", f"found leading axes {one.market.lead}; expected one market")
        if bool(one.converged) and not any(_apart(one.price, other.price).max() <= _APART for other in found):
            found.append(one)
    return tuple(replace(one, several=np.asarray(len(found) > 1)) for one in found)


def _warn(message: str) -> None:
    warnings.warn(MarketWarning(f"market: {message}"), stacklevel=3)


def _apart(price: Array, other: Array) -> Array:
    """Relative difference of prices (..., J)."""
    return np.asarray(np.abs(price - other) / np.maximum(np.maximum(np.abs(price), np.abs(other)), 1e-300))


def _fixed(fixed_price: npt.ArrayLike | None, start: Array | None) -> Array | None:
    """Prices that are held (..., J), NaN where they are free."""
    if fixed_price is None:
        return None
    given = np.asarray(fixed_price)
    if given.dtype == np.bool_:
        if start is None:
            raise refuse("fixed_price", "found a mask without `start`; expected the prices that are held, or `start`")
        return np.where(given, start, np.nan)
    try:
        prices = given.astype(np.float64)
    except (TypeError, ValueError):
        raise refuse("fixed_price", "found something that is not a number; expected prices, NaN where free") from None
    if np.isinf(prices).any():
        raise refuse("fixed_price", "found an infinite price; expected prices, NaN where they are free")
    return np.asarray(prices, dtype=np.float64)


class _Pricing:
    """Markets with their costs and owners, shaped for the kernels; solved from any markups."""

    def __init__(
        self, market: Market, cost: Array, matrix: Array, chosen: Array | None, tolerance: float, max_iterations: int
    ):
        count = market.products
        self.market, self.tolerance, self.max_iterations = market, tolerance, max_iterations
        self.ownership = check_ownership(matrix, market.lead, count)
        self.owner, self.conduct, self.diagonal = owner_groups(self.ownership)
        self.shaped_cost = flat("cost", cost, market.lead, (count,))
        self.cost = np.broadcast_to(self.shaped_cost, (market.markets, count))
        free = np.full((1, count), np.nan)
        self.fixed = free if chosen is None else flat("fixed_price", chosen, market.lead, (count,))
        self.held = (~np.isnan(self.fixed)).astype(np.int64)
        self.order = np.stack([market.order(one) for one in self.owner])

    def markup_of(self, price: Array) -> Array:
        """Markups (T, J) at ``price`` (..., J), none below zero."""
        shaped = flat("start", price, self.market.lead, (self.market.products,))
        return np.maximum(shaped - self.cost, 0.0)

    def _held_at(self, markup: Array) -> Array:
        return np.where(self.held == 1, np.nan_to_num(self.fixed) - self.cost, markup)

    def solve(self, begin: Array, rough: bool = False) -> Equilibrium:
        """The equilibrium that is reached from markups ``begin`` (T, J); ``rough``: near it, hard markets left."""
        market, count = self.market, self.market.products
        tolerance = max(_ROUGH, self.tolerance) if rough else self.tolerance
        most = min(_ROUGH_ITERATIONS, self.max_iterations) if rough else self.max_iterations
        share, residual = np.empty((market.markets, count)), np.empty(market.markets)
        iterations, supported = np.zeros(market.markets, np.int64), np.ones((market.markets, count), np.int64)
        start = self._held_at(begin)
        if market.subnest is not None:
            markup = start.copy()
            for t in range(market.markets):
                matrix, held = self.ownership[min(t, len(self.ownership) - 1)], self.held[min(t, len(self.held) - 1)]
                markup[t], share[t], residual[t], iterations[t], supported[t] = solve_subnests(
                    market, t, self.cost[t], matrix, held, start[t], tolerance, most, newton
                )
        else:
            markup = self._compiled(start, tolerance, most, share, residual, iterations, supported)
        if not supported.all():
            t, j = (int(k) for k in np.argwhere(supported == 0)[0])
            raise refuse(
                "utility",
                f"product {j} (market {t}) has no demand at any price near its cost (a share below 1e-280); leave it "
                "out",
                j,
            )
        shape = (*market.lead, count)
        return Equilibrium(
            price=np.asarray(np.where(self.held == 1, self.fixed, self.cost + markup)).reshape(shape),
            share=share.reshape(shape),
            markup=markup.reshape(shape),
            residual=residual.reshape(market.lead),
            iterations=iterations.reshape(market.lead),
            converged=(residual <= tolerance).reshape(market.lead),
            several=np.zeros(market.lead, dtype=bool),
            market=market,
            ownership=self.ownership,
        )

    def _compiled(
        self,
        start: Array,
        tolerance: float,
        most: int,
        share: Array,
        residual: Array,
        iterations: IntArray,
        supported: IntArray,
    ) -> Array:
        """Markups (T, J) by the compiled fixed point, and by the path from a gentle market where that fails."""
        market = self.market
        markup = solve_markets(
            start, self.shaped_cost, market.utility, market.slope, market.weight, market.nest, market.nests,
            market.keep, market.scale, self.owner, self.conduct, self.diagonal, self.order, self.held, tolerance,
            most, share, residual, iterations, supported,
        )  # fmt: skip
        if most >= _MAX_ITERATIONS:
            for t in np.flatnonzero((residual > tolerance) | (supported == 0).any(axis=1)).tolist():
                at = min(t, len(self.owner) - 1)
                held = self.held[min(t, len(self.held) - 1)]
                hard = solve_hard(
                    market, t, self.cost[t], self.owner[at], self.conduct[at], self.diagonal[at], held, start[t],
                    tolerance, self.max_iterations,
                )  # fmt: skip
                if (hard[2] < residual[t] and hard[4].all()) or not supported[t].all():
                    markup[t], share[t], residual[t], _, supported[t] = hard
                iterations[t] += hard[3]
        return markup

    def led_elsewhere(self, found: Equilibrium) -> npt.NDArray[np.bool_]:
        """Whether a start of high prices leads to another equilibrium than ``found`` (...)."""
        high = _HIGH * np.maximum(np.abs(self.cost), np.abs(self.cost).max(axis=1, keepdims=True) * 1e-3)
        high = np.maximum(high, found.markup.reshape(high.shape))
        try:
            other = self.solve(high, rough=True)
            apart = _apart(other.price, found.price).max(axis=-1)
            if not ((apart > 10 * _ROUGH) & (other.residual <= _ROUGH)).any():
                return np.zeros(self.market.lead, dtype=bool)
            other = self.solve(other.markup.reshape(high.shape))
        except MarketInputError:  # nobody buys at such prices: the start says nothing
            return np.zeros(self.market.lead, dtype=bool)
        apart = _apart(other.price, found.price).max(axis=-1)
        return np.asarray((apart > _APART) & other.converged & found.converged)


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
    subnest: npt.ArrayLike | None = None,
    subnest_parameter: npt.ArrayLike = 0.0,
    price_scale: npt.ArrayLike = 1.0,
) -> Array:
    """Which marginal cost (..., J) makes the observed prices optimal for their owners?

    Arguments as in ``equilibrium``; share (..., J) as observed: it must be what demand gives at ``price`` (take
    ``utility`` from ``invert_shares``). Solves s + (H * ds/dp)(p - c) = 0 (Bresnahan 1987; BLP 1995, eq. 3.6). The
    result remembers ``price``: ``equilibrium`` starts there.

    A cost below 0 is given as it is, with a MarketWarning: demand is then too inelastic for the price. Raises
    MarketInputError where an input cannot be right and where shares and utilities disagree by more than 1 %.
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
        subnest=subnest,
        subnest_parameter=subnest_parameter,
    )
    count = market.products
    full = np.broadcast_to(flat("price", prices, market.lead, (count,)), (market.markets, count)).copy()
    observed = np.broadcast_to(flat("share", shares, market.lead, (count,)), (market.markets, count))
    markup, modelled = markups(market, full, check_ownership(matrix, market.lead, count))
    apart = np.abs(modelled - observed) > 0.01 * np.abs(observed)
    if apart.any():
        t, j = (int(k) for k in np.argwhere(apart)[0])
        raise refuse(
            "share", f"product {j}: found {observed[t, j]:.6g}, but demand gives {modelled[t, j]:.6g} at its price", j
        )
    cost = full - markup
    cost[np.abs(cost) <= _ROUNDING * np.abs(full)] = 0.0
    if np.any(cost < 0):
        t, j = (int(k) for k in np.argwhere(cost < 0)[0])
        _warn(
            f"price: product {j}: the price {full[t, j]:.6g} would need a marginal cost of {cost[t, j]:.6g}; "
            "demand is too inelastic for this price: a larger price_slope would mend it"
        )
    shape = (*market.lead, count)
    return CostAtPrices(cost.reshape(shape), full.reshape(shape))
