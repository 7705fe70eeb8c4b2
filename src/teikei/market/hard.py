"""Markets on which the plain fixed points stall: steep or very spread tastes, nests of near twins.

Prices: the market is made gentle (utilities and slopes scaled down, nests dissolved), solved, and led back to itself
in steps that shrink where they fail; between steps Newton's method on ln zeta(m) - ln m. Mean utilities: Newton's
method on ln shares, with the contraction as safeguard. Neither guesses: what is not met stays a result with its
residual.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

import numpy as np

from teikei.market.demand import derive
from teikei.market.fixed_point import solve_markets, zeta_once
from teikei.market.inputs import Market
from teikei.market.types import Array, IntArray

_GENTLE: Final = 0.05  # utilities and slopes at the start of the path, of their own size
_FIRST_STEP, _LEAST_STEP = 0.1, 2e-3
_STEPS: Final = 300  # of the accelerated fixed point at every point of the path
_NEWTON: Final = 40
_DIFFERENCE: Final = 1e-6  # of ln markup
_FAR: Final = 3.0  # largest step of ln markup
_INVERSIONS: Final = 200
_POINTS: Final = 25  # of the path of an inversion
_MET: Final = 1e-13  # gap of ln shares
_ON_PATH: Final = 1e-7  # relative step that is near enough to go on


class _Single:
    """One market with its owners: the zeta map and its solver at any point of the path to the market itself."""

    def __init__(
        self, market: Market, t: int, cost: Array, owner: IntArray, conduct: Array, diagonal: float, held: IntArray
    ):
        def row(array: Array) -> Array:
            return np.asarray(array[min(t, len(array) - 1)][None], dtype=np.float64)

        self.utility, self.slope, self.weight = row(market.utility), row(market.slope), row(market.weight)
        self.keep, self.scale = row(market.keep), row(market.scale)
        self.nest, self.nests, self.cost = market.nest, market.nests, cost[None]
        self.owner, self.conduct, self.diagonal = owner[None], conduct[None], np.array([diagonal])
        self.order = market.order(owner)[None]
        self.held, self.free = held[None], held == 0

    def at(self, step: float) -> tuple[Array, Array, Array]:
        """Utility, slope and 1 - rho at ``step`` of the path: 0 gentle, 1 the market itself."""
        factor = float(_GENTLE ** (1.0 - step))
        return factor * self.utility, factor * self.slope, self.keep**step

    def iterate(
        self, markup: Array, step: float, tolerance: float, most: int
    ) -> tuple[Array, Array, float, int, IntArray]:
        """Accelerated fixed point from ``markup`` (J,): markup, share, residual, iterations, supported."""
        count = len(markup)
        utility, slope, keep = self.at(step)
        share, residual = np.empty((1, count)), np.empty(1)
        iterations, supported = np.zeros(1, np.int64), np.ones((1, count), np.int64)
        found = solve_markets(
            markup[None].copy(), self.cost, utility, slope, self.weight, self.nest, self.nests, keep, self.scale,
            self.owner, self.conduct, self.diagonal, self.order, self.held, tolerance, most, share, residual,
            iterations, supported,
        )  # fmt: skip
        return found[0], share[0], float(residual[0]), int(iterations[0]), supported[0]

    def gap(self, markup: Array, step: float) -> Array:
        """ln zeta(m) - ln m of the markups that are free: the relative step of the fixed point; NaN without demand."""
        utility, slope, keep = self.at(step)
        image = zeta_once(
            markup, self.cost[0], utility[0], slope[0], self.weight[0], self.nest, self.nests, keep[0], self.scale[0],
            self.owner[0], self.conduct[0], self.diagonal[0] > 0, self.order[0],
        )  # fmt: skip
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(np.log(image[self.free]) - np.log(markup[self.free]), dtype=np.float64)

    def met(self, markup: Array, step: float) -> bool:
        """Whether ``markup`` (J,) is near enough to the fixed point at ``step`` to go on from it."""
        return _size(self.gap(markup, step)) < _ON_PATH

    def newton(self, markup: Array, step: float) -> Array:
        """Markups (J,) improved by damped Newton steps as long as these help; ``markup`` where they do not."""
        if not np.all(markup[self.free] > 0):
            return markup

        def whole(log_markup: Array) -> Array:
            full = markup.copy()
            full[self.free] = np.exp(log_markup)
            return full

        best = newton(np.log(markup[self.free]), lambda log_markup: self.gap(whole(log_markup), step))
        return whole(best)


def newton(point: Array, gap: Callable[[Array], Array]) -> Array:
    """A zero of ``gap`` (J,) by damped Newton steps from ``point``; the best point found, zero or not."""
    value = gap(point)
    for _ in range(_NEWTON):
        size = _size(value)
        if size < 1e-14 or not np.isfinite(size):
            break
        moved = np.stack([gap(point + _DIFFERENCE * unit) for unit in np.eye(len(point))], axis=1)
        jacobian = (moved - value[:, None]) / _DIFFERENCE
        if not np.isfinite(jacobian).all():
            break
        full = np.linalg.lstsq(jacobian, -value, rcond=1e-14)[0]
        full *= min(1.0, _FAR / max(float(np.abs(full).max()), 1e-300))
        for halving in range(25):
            trial = point + full / 2**halving
            there = gap(trial)
            if _size(there) < (1 - 1e-4 / 2**halving) * size:
                break
        else:
            break
        point, value = trial, there
    return point


def _size(value: Array) -> float:
    return float(np.sqrt(np.mean(value**2))) if np.isfinite(value).all() else np.inf


def solve_hard(
    market: Market,
    t: int,
    cost: Array,
    owner: IntArray,
    conduct: Array,
    diagonal: float,
    held: IntArray,
    start: Array,
    tolerance: float,
    last: int,
) -> tuple[Array, Array, float, int, IntArray]:
    """Prices of market ``t`` by the path from a gentle market: markup, share (J,), residual, iterations, supported.

    cost (J,); owner (J,), conduct (G, G), diagonal: as ``inputs.owner_groups`` gives them; held (J,): 1 where the
    markup of ``start`` (J,) stays; last: iterations of the fixed point allowed at the end of the path.
    """
    single = _Single(market, t, cost, owner, conduct, diagonal, held)
    markup, _, _, spent, _ = single.iterate(np.where(single.free, 0.0, start), 0.0, tolerance, 2000)
    at, length = 0.0, _FIRST_STEP
    while at < 1.0 and length >= _LEAST_STEP:
        step = min(at + length, 1.0)
        shrunk = markup * _GENTLE ** (step - at)  # markups shrink as buyers mind prices more
        guess = np.where(single.free, shrunk, start)
        found, _, _, more, _ = single.iterate(guess, step, tolerance, _STEPS)
        spent += more
        if not single.met(found, step):
            found = single.newton(found, step)
        if not single.met(found, step):
            found = single.newton(guess, step)
        if single.met(found, step):
            at, markup, length = step, found, 1.5 * length
        else:
            length /= 2
    begin = single.newton(markup, 1.0) if at == 1.0 else markup
    found, share, residual, more, supported = single.iterate(begin, 1.0, tolerance, last)
    if at == 1.0 and residual > tolerance:  # the fixed point repels here: Newton's point is the better answer
        again, other, kept, _, fine = single.iterate(begin, 1.0, tolerance, 0)
        if kept < residual:
            found, share, residual, supported = again, other, kept, fine
    return found, share, residual, spent + more, supported


def invert_hard(market: Market, t: int, goal: Array, base: Array, start: Array) -> tuple[Array, float]:
    """Mean utilities (J,) of market ``t`` by Newton's method on ln shares, and the largest gap left.

    goal (J,): shares; base (J, I): utility apart from the mean. Where that stalls, from ``start``, types are first made
    alike and led back to themselves.
    """
    count, types = base.shape
    plain = replace(
        market, lead=(), markets=1, utility=base[None], slope=np.ones((1, types)), scale=np.ones((1, count)),
        weight=market.weight[min(t, len(market.weight) - 1)][None],
        keep=market.keep[min(t, len(market.keep) - 1)][None],
    )  # fmt: skip
    mean, gap = _invert(plain, goal, start)
    if gap < _MET:
        return mean, gap
    other, before = np.zeros(count), 1.0
    for factor in np.geomspace(_GENTLE / 5, 1.0, _POINTS):
        gentle = replace(plain, utility=factor * base[None], keep=plain.keep**factor)
        other, found = _invert(gentle, goal, other * min(factor / before, 10.0))
        before = factor
    return (other, found) if found < gap else (mean, gap)


def _invert(market: Market, goal: Array, start: Array) -> tuple[Array, float]:
    """Newton's method from ``start``, guarded by the convex potential; the best point and its largest gap."""
    wanted, keep = np.log(goal), market.keep[0]
    mean, best, least = start, start, np.inf
    for _ in range(_INVERSIONS):
        share, slopes, worth = derive(market, -mean[None])
        now, steep = share[0], -slopes[0]
        gap = wanted - np.log(np.maximum(now, 1e-300))
        size = float(np.abs(gap).max())
        if size < least:
            best, least = mean, size
        if size < _MET or not np.isfinite(steep).all():
            break
        fall = float(goal @ mean) - float(worth[0])  # minus the convex potential whose slope is share - goal
        for right, first in ((now * gap, True), (goal - now, False)):
            direction = _scaled(steep, right)
            direction *= min(1.0, 30.0 / max(float(np.abs(direction).max()), 1e-300))
            found = _search(market, wanted, goal, mean, direction, size, fall, by_gap=first)
            if found is not None:
                break
        mean = found if found is not None else mean + keep * gap
    return best, least


def _scaled(matrix: Array, right: Array) -> Array:
    """Least-squares solution of matrix x = right, rows and columns scaled to a diagonal of one first."""
    size = np.sqrt(np.maximum(np.diag(matrix), 1e-200))
    inner = np.linalg.lstsq(matrix / size[:, None] / size[None, :], right / size, rcond=1e-15)[0]
    return np.clip(inner / size, -1e6, 1e6)


def _search(
    market: Market,
    wanted: Array,
    goal: Array,
    mean: Array,
    direction: Array,
    size: float,
    fall: float,
    *,
    by_gap: bool,
) -> Array | None:
    """The first of mean + direction / 2^k that lowers the largest gap of ln shares, or the potential; None for none."""
    for halving in range(30):
        trial = mean + direction / 2.0**halving
        share, _, worth = derive(market, -trial[None], slopes=False)
        if by_gap:
            there = float(np.abs(wanted - np.log(np.maximum(share[0], 1e-300))).max())
            good = there < (1 - 1e-3 / 2.0**halving) * size
        else:
            good = float(goal @ trial) - float(worth[0]) > fall + 1e-15 * abs(fall)
        if good:
            return np.asarray(trial, dtype=np.float64)
        if by_gap and halving == 6:
            return None
    return None
