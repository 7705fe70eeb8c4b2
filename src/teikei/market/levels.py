"""How high the EV share may stand: the level of each year over many paths of the appeal of plug-ins.

What a saving changes is the same for like draws, and a few dozen parameter sets tell it. The level is not: most of its
spread is the random walk of appeal, one number a year, and one walk for each parameter set makes the end of an 80 %
band a matter of chance. Each parameter set therefore carries ``paths`` walks. Its market is solved at a few values of
the walk (Chebyshev's nodes, from the lowest walk to the highest) and ln(units) is interpolated between them by the
polynomial through the nodes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from teikei.market.adoption import spread_normal
from teikei.market.questions import band
from teikei.market.respond import Response, price_and_sell
from teikei.market.scene import walks
from teikei.market.types import Array

_SEED: Final = (2026, 19, 2)
_NODES: Final = 7
_TOLERANCE: Final = 1e-4  # of the first-order conditions: prices within some 1e-4, of a band printed with two digits


@dataclass(frozen=True)
class Level:
    """One year of the baseline: the most likely market first, then N paths. units (N + 1, J), in cars."""

    units: Array
    plug_in: Array

    @property
    def share(self) -> Array:
        """Share of sales of each product (N + 1, J)."""
        return np.asarray(self.units / self.units.sum(axis=1, keepdims=True), dtype=np.float64)

    @property
    def ev_share(self) -> Array:
        """Plug-in share of sales (N + 1,)."""
        return np.asarray((self.units @ self.plug_in) / self.units.sum(axis=1), dtype=np.float64)


def levels(baseline: Sequence[Response], *, paths: int, seed: tuple[int, ...] = _SEED) -> list[Level]:
    """The level of every year at ``paths`` walks for each parameter set; 1: the walk each set has anyway.

    baseline: responses of consecutive years, without any saving.
    """
    first, count = baseline[0].scene, len(baseline[0].units)
    if paths <= 1 or count < 2 or not first.home.plug_in.any():
        return [Level(one.units, one.scene.home.plug_in) for one in baseline]
    sets = count - 1
    noise = spread_normal(np.random.default_rng(seed), sets * paths + 1, len(baseline))
    walk = walks(first.home.country, first.year, noise)[:, 1:]
    return [_level(one, at) for one, at in zip(baseline, walk, strict=True)]


def _level(base: Response, walk: Array) -> Level:
    """units at the walks (N,) of one year; path n belongs to the parameter set n modulo their number."""
    scene, sets = base.scene, len(base.units) - 1
    low, high = float(walk.min()), float(walk.max())
    own = np.arange(len(walk)) % sets + 1
    if not high > low:
        return Level(np.concatenate([base.units[:1], base.units[own]]), scene.home.plug_in)
    angle = (np.arange(_NODES) + 0.5) * np.pi / _NODES
    node = 0.5 * (low + high) + 0.5 * (high - low) * np.cos(angle)
    start, found = base.equilibrium.price[1:], []
    later = slice(1, None)
    for value in node:
        shift = ((value - scene.walk) / scene.response)[:, None] * scene.home.plug_in
        moved = replace(scene, demand=replace(scene.demand, mean=scene.demand.mean + shift))
        one = price_and_sell(moved, draws=later, start=start, tolerance=_TOLERANCE)
        found.append(np.log(one.units))
    weight = _lagrange(node, np.sin(angle) * (-1.0) ** np.arange(_NODES), walk)  # (N, nodes)
    at_node = np.stack(found)  # (nodes, sets, J)
    units = np.exp(np.einsum("nk,knj->nj", weight, at_node[:, own - 1]))
    return Level(np.concatenate([base.units[:1], units]), scene.home.plug_in)


def _lagrange(node: Array, weight: Array, place: Array) -> Array:
    """Weights (N, K) of the values at the nodes in the polynomial at ``place`` (N,), in barycentric form."""
    gap = place[:, None] - node
    at = np.abs(gap) < 1e-12 * np.abs(node).max()
    part = weight / np.where(at, 1.0, gap)
    exact = at.any(axis=1, keepdims=True)
    part = np.where(exact, at.astype(np.float64), part)
    return np.asarray(part / part.sum(axis=1, keepdims=True), dtype=np.float64)


def level_band(level: Array, before: Array, after: Array) -> tuple[float, float, float]:
    """10 %, median and 90 % of the level of a case.

    level (N + 1,): of the baseline over all paths; before, after (D,): the baseline and the case at the parameter sets'
    own walks. What the case does to each quantile there, as a factor, is applied to the quantile over all paths (the
    ratio estimator): both share their draws, so that the factor is far more certain than the level.
    """
    whole, ratio = _three(level), np.array(_three(after)) / np.maximum(_three(before), 1e-300)
    low, middle, high = (float(value) for value in np.array(whole) * ratio)
    return low, middle, high


def _three(values: Array) -> tuple[float, float, float]:
    low, high = band(values)
    return low, float(np.median(values[1:] if len(values) > 1 else values)), high
