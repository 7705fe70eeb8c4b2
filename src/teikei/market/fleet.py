"""Fleet rules: what a pool pays for missing its target, and what one more car is worth to it.

A rule asks for an average over the cars of a pool and a year, either at most (g CO2/km) or at least (share of cars
without emissions). Missing it costs ``penalty`` per unit of the measure and car. With q_j cars of value e_j, target T
and distance d_j = e_j - T (at most) or T - e_j (at least), the pool misses by M = sum q_j d_j: M > 0 is short, M < 0
slack. Short pools pay; where the rule lets pools buy from one another a slack pool sells, at the price that clears:

    lambda = penalty where all that is short exceeds all that is slack, 0 where slack is left over

At lambda the marginal cost of car j rises by lambda d_j: that of a car without emissions falls. lambda only steers
prices: profit is sum (p - c) q less the payment.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from teikei.market.inputs import number_array, refuse
from teikei.market.types import Array

AT_MOST: Final = "at most"
AT_LEAST: Final = "at least"


@dataclass(frozen=True)
class FleetRule:
    """One rule in one region and year.

    sense: ``at most`` or ``at least`` · target: of the average, in the measure's unit · penalty: money per unit of the
    measure and car missed, >= 0 · transfers: pools may buy what others have to spare.
    """

    sense: str
    target: float
    penalty: float
    transfers: bool = False

    def __post_init__(self) -> None:
        if self.sense not in (AT_MOST, AT_LEAST):
            raise refuse("fleet", f"found the sense {self.sense!r}; expected {AT_MOST!r} or {AT_LEAST!r}")
        if not (np.isfinite(self.target) and np.isfinite(self.penalty) and self.penalty >= 0):
            raise refuse("fleet", "expected a finite target and a finite penalty of at least 0")

    def distance(self, value: npt.ArrayLike) -> Array:
        """How far cars of ``value`` (J,) miss the target, each for itself (J,): negative where they help."""
        away = number_array("value", value) - self.target
        return np.asarray(away if self.sense == AT_MOST else -away, dtype=np.float64)


@dataclass(frozen=True)
class PoolResult:
    """One pool: cars, value (the average reached), missed (sum of distances), shadow_price, payment.

    shadow_price: money per unit of the measure and car · payment: money, negative where the pool sells what it has to
    spare; with transfers the payments of bought and sold units net out at the same price.
    """

    cars: float
    value: float
    missed: float
    shadow_price: float
    payment: float


def clear_pools(
    rule: FleetRule,
    pools: Mapping[str, tuple[npt.ArrayLike, npt.ArrayLike]],
    *,
    sold_outside: float = 0.0,
) -> dict[str, PoolResult]:
    """What every pool reaches, misses and pays under one rule.

    pools: name -> (units (J,), value (J,)) of its cars · sold_outside: slack of makers that are not told apart, in unit
    x cars, offered to the pools (with transfers only).

    A pool never gains from missing: its payment is not negative where it misses. Without transfers slack is worth
    nothing and the shadow price of a pool is the penalty where it is short, else 0. With them one price clears: the
    penalty where short exceeds slack, 0 where slack is left over; slack beyond what is short is not sold, each slack
    pool sells its part in proportion.
    Raises MarketInputError on negative units or shapes that differ.
    """
    missed: dict[str, float] = {}
    cars: dict[str, float] = {}
    reached: dict[str, float] = {}
    for name, (units, value) in pools.items():
        sold, of = number_array("units", units), number_array("value", value)
        if sold.shape != of.shape or sold.ndim != 1:
            raise refuse("fleet", f"pool {name}: units {sold.shape} and values {of.shape} differ in shape")
        if np.any(sold < 0):
            raise refuse("fleet", f"pool {name}: found negative units")
        cars[name] = float(sold.sum())
        reached[name] = float(sold @ of / cars[name]) if cars[name] > 0 else rule.target
        missed[name] = float(sold @ rule.distance(of))
    short = sum(max(value, 0.0) for value in missed.values())
    slack = sum(max(-value, 0.0) for value in missed.values()) + max(sold_outside, 0.0)
    price = rule.penalty if short > slack else 0.0
    found = {}
    for name, value in missed.items():
        if rule.transfers:
            shadow, payment = price, price * value
        else:
            shadow = rule.penalty if value > 0 else 0.0
            payment = shadow * max(value, 0.0)
        found[name] = PoolResult(cars[name], reached[name], value, shadow, payment)
    return found


def cost_of_rule(rule: FleetRule, shadow_price: float, value: npt.ArrayLike) -> Array:
    """What the rule adds to the marginal cost of cars of ``value`` (J,): negative for cars that help the pool."""
    return shadow_price * rule.distance(value)


def pooled(
    pools: Mapping[str, tuple[npt.ArrayLike, npt.ArrayLike]], together: Sequence[str], name: str
) -> dict[str, tuple[npt.ArrayLike, npt.ArrayLike]]:
    """The pools with those of ``together`` made one, called ``name``."""
    missing = [one for one in together if one not in pools]
    if missing:
        raise refuse("fleet", f"no pool {missing[0]}; there are {', '.join(pools)}")
    rest: dict[str, tuple[npt.ArrayLike, npt.ArrayLike]] = {
        one: cars for one, cars in pools.items() if one not in together
    }
    rest[name] = (
        np.concatenate([np.asarray(pools[one][0], dtype=np.float64) for one in together]),
        np.concatenate([np.asarray(pools[one][1], dtype=np.float64) for one in together]),
    )
    return rest


def gain_of_pooling(
    rule: FleetRule, pools: Mapping[str, tuple[npt.ArrayLike, npt.ArrayLike]], together: Sequence[str]
) -> float:
    """Payments that ``together`` save as one pool against each in its own (or today's) pool, money."""
    apart = clear_pools(rule, pools)
    name = "+".join(together)
    joint = clear_pools(rule, pooled(pools, together, name))
    return sum(apart[one].payment for one in together) - joint[name].payment
