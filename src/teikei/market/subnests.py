"""Nests within nests: demand and prices where twins take each other's buyers first.

    D_ih = sum_{j in h} exp(v_ij / (1 - sigma)),   D_ig = sum_{h in g} D_ih^((1 - sigma) / (1 - rho)),
    s_ij = exp(v_ij / (1 - sigma)) / D_ih * D_ih^((1 - sigma) / (1 - rho)) / D_ig * D_ig^(1 - rho) / (1 + sum_g ...)

with sigma >= rho (Brenkers and Verboven 2006; Verboven 1996, two-level nested logit). At sigma = rho it is the nested
logit; as sigma nears 1 two identical products sell as one. Written with arrays, not compiled: markets with subnests are
small. Prices: the zeta map as in ``fixed_point.py``, with one more term in Gamma, then Newton's method from where its
steps are small.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
import numpy.typing as npt

from teikei.market.inputs import Market
from teikei.market.types import Array, IntArray

_NEAR: Final = 0.01  # relative step of the map from which Newton's method may take over
_TINY: Final = 1e-280
_PLAIN: Final = 500  # steps of the map; then the subnests are drawn together in _POINTS steps
_POINTS: Final = 25
Newton = Callable[[Array, Callable[[Array], Array]], Array]


def _sum_log(values: Array, group: IntArray, groups: int) -> Array:
    """ln of sums of exp(values) (J, I) over groups: (G, I)."""
    top = np.full((groups, values.shape[1]), -np.inf)
    np.maximum.at(top, group, values)
    total = np.zeros_like(top)
    np.add.at(total, group, np.exp(values - top[group]))
    return np.asarray(top + np.log(total), dtype=np.float64)


def _row(array: Array, t: int) -> Array:
    return np.asarray(array[min(t, len(array) - 1)], dtype=np.float64)


class SubnestMarket:
    """One market ``t`` with subnests: shares, Lambda and Gamma at a price."""

    def __init__(self, market: Market, t: int):
        if market.subnest is None or market.subkeep is None:
            raise ValueError("a market without subnests")
        self.utility, self.slope, self.weight = (_row(a, t) for a in (market.utility, market.slope, market.weight))
        self.keep, self.inner, self.scale = (_row(a, t) for a in (market.keep, market.subkeep, market.scale))
        self.nest, self.nests, self.sub = market.nest, market.nests, market.subnest
        first = [int(np.argmax(self.sub == h)) for h in range(int(self.sub.max()) + 1)]
        self.sub_nest, self.ratio = self.nest[first], (self.inner / self.keep)[first]
        self.nest_keep = np.array([self.keep[int(np.argmax(self.nest == g))] for g in range(self.nests)])
        self.same_nest = self.nest[:, None] == self.nest
        self.same_sub = self.sub[:, None] == self.sub

    def at(self, price: Array) -> tuple[Array, Array, Array, float]:
        """Shares (J,), Lambda (J,), Gamma (J, J), neither with the price scale, and consumer surplus."""
        x = (self.utility - self.slope * (self.scale * price)[:, None]) / self.inner[:, None]
        log_sub = _sum_log(x, self.sub, len(self.ratio))
        in_sub = np.exp(x - log_sub[self.sub])
        lifted = self.ratio[:, None] * log_sub
        log_nest = _sum_log(lifted, self.sub_nest, self.nests)
        in_nest = in_sub * np.exp(lifted - log_nest[self.sub_nest])[self.sub]
        value = self.nest_keep[:, None] * log_nest
        most = np.maximum(value.max(axis=0), 0.0)
        best = most + np.log(np.exp(-most) + np.exp(value - most).sum(axis=0))
        chance = in_nest * np.exp(value - best)[self.nest]
        load = chance * (self.weight * self.slope)
        gamma = load @ chance.T
        gamma += self.same_nest * (1 / self.keep - 1) * (load @ in_nest.T)
        gamma += self.same_sub * (1 / self.inner - 1 / self.keep) * (load @ in_sub.T)
        return chance @ self.weight, load.sum(axis=1) / self.inner, gamma, float((self.weight / self.slope) @ best)

    def zeta(self, price: Array, markup: Array, ownership: Array) -> tuple[Array, Array]:
        """The map at ``markup`` (J,), NaN without demand, and shares (J,)."""
        share, diagonal, gamma, _ = self.at(price)
        with np.errstate(invalid="ignore", divide="ignore"):
            image = (share / self.scale + (ownership * gamma) @ markup) / diagonal
        return np.where(diagonal < _TINY, np.nan, image), share


def derive_subnests(market: Market, price: Array, *, slopes: bool) -> tuple[Array, Array, Array]:
    """As ``demand.derive``, for a market with subnests."""
    count = market.products
    share, surplus = np.empty((len(price), count)), np.empty(len(price))
    matrix = np.zeros((len(price), count, count) if slopes else (len(price), 0, 0))
    for t in range(len(price)):
        one = SubnestMarket(market, t)
        share[t], diagonal, gamma, surplus[t] = one.at(price[t])
        if slopes:
            matrix[t] = (gamma - np.diag(diagonal)) * one.scale
    return share, matrix, surplus


def solve_subnests(
    market: Market,
    t: int,
    cost: Array,
    ownership: Array,
    held: IntArray,
    start: Array,
    tolerance: float,
    most: int,
    newton: Newton,
) -> tuple[Array, Array, float, int, IntArray]:
    """Markups and shares (J,) of market ``t`` from markups ``start``; residual, iterations, supported."""
    one, free = SubnestMarket(market, t), held == 0
    markup, share, residual, step, lost = _iterate(
        one, cost, ownership, free, start, tolerance, min(most, _PLAIN), newton
    )
    if residual > tolerance and most > _PLAIN:
        drawn = _drawn_together(one, cost, ownership, free, start, newton)
        again = _iterate(one, cost, ownership, free, drawn, tolerance, most - _PLAIN, newton)
        if again[2] < residual:
            markup, share, residual, _, lost = again
        step += again[3]
    return markup, share, residual, step, np.where(lost, 0, 1).astype(np.int64)


def _gap(
    one: SubnestMarket, cost: Array, ownership: Array, free: npt.NDArray[np.bool_], at: Array
) -> Callable[[Array], Array]:
    """ln zeta(m) - ln m of the free markups, as a function of their logarithms; the others as in ``at``."""

    def gap(log_markup: Array) -> Array:
        whole = at.copy()
        whole[free] = np.exp(log_markup)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(np.log(one.zeta(cost + whole, whole, ownership)[0][free]) - log_markup)

    return gap


def _drawn_together(
    one: SubnestMarket, cost: Array, ownership: Array, free: npt.NDArray[np.bool_], start: Array, newton: Newton
) -> Array:
    """Markups found from the nests without subnests, which are then drawn together, with Newton's method on the way."""
    end = one.inner, one.ratio
    first = end[1] / end[0][[int(np.argmax(one.sub == h)) for h in range(len(end[1]))]]  # 1 / (1 - rho) of a subnest
    markup = start
    for point in np.linspace(0.0, 1.0, _POINTS):
        one.inner = one.keep ** (1 - point) * end[0] ** point
        inner = np.array([one.inner[int(np.argmax(one.sub == h))] for h in range(len(first))])
        one.ratio = inner * first
        if point == 0.0:
            markup = _iterate(one, cost, ownership, free, start, _NEAR, _PLAIN, newton)[0]
        if (markup[free] > 0).all():
            markup = markup.copy()
            markup[free] = np.exp(newton(np.log(markup[free]), _gap(one, cost, ownership, free, markup)))
    one.inner, one.ratio = end
    return markup


def _iterate(
    one: SubnestMarket,
    cost: Array,
    ownership: Array,
    free: npt.NDArray[np.bool_],
    start: Array,
    tolerance: float,
    most: int,
    newton: Newton,
) -> tuple[Array, Array, float, int, npt.NDArray[np.bool_]]:
    """Markups, shares (J,), residual, steps, products without demand: the map, and Newton's method near its end."""
    markup, enter, before = start.copy(), _NEAR, np.inf
    for step in range(most + 1):
        image, share = one.zeta(cost + markup, markup, ownership)
        image = np.where(free, image, markup)
        lost = np.isnan(image)
        image = np.where(lost, 0.5 * markup, image)
        moves = np.abs(image - markup) / np.maximum(np.abs(image), 1e-300)
        residual = float(moves[free & ~lost].max(initial=0.0))
        if residual <= 0.1 * tolerance or step == most:
            break
        if residual < min(enter, before) and not lost.any() and (markup[free] > 0).all():
            gap = _gap(one, cost, ownership, free, markup)
            found = newton(np.log(markup[free]), gap)
            far = 3.0 * residual / max(1.0 - residual / before, 1e-3) if before < np.inf else 1.0
            if np.abs(gap(found)).max() <= tolerance and np.abs(found - np.log(markup[free])).max() <= far:
                markup = markup.copy()
                markup[free] = np.exp(found)
                image, share = one.zeta(cost + markup, markup, ownership)
                residual = float((np.abs(image - markup) / np.abs(image))[free].max(initial=0.0))
                break
            enter = 0.1 * enter
        before, markup = residual, image
    return markup, share, residual, step, lost
