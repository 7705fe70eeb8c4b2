"""Random games for the tests of the split stage."""

from __future__ import annotations

from itertools import permutations
from math import factorial

import numpy as np

from teikei.split.game import coalition_sizes, coalition_sums
from teikei.split.types import Game, Vector


def players(count: int) -> tuple[str, ...]:
    return tuple("ABCDEFGHIJKLMNOPQRST"[:count])


def random_worth(count: int, seed: int) -> Vector:
    """Integers, of a family that depends on the seed: rough, nearly additive, convex, voting, bankruptcy, tiers."""
    rng = np.random.default_rng(seed)
    size = coalition_sizes(count)
    weight = coalition_sums(rng.integers(1, 30, count).astype(float))
    worth = [
        rng.integers(0, 100, 1 << count).astype(float),
        weight + rng.integers(0, 5, 1 << count) * (size > 1),
        weight**2,
        (weight > 0.55 * weight[-1]).astype(float),
        np.maximum(0.0, 0.6 * weight[-1] - (weight[-1] - weight)),
        -weight * np.select([weight > 0.8 * weight[-1], weight > 0.4 * weight[-1]], [0.9, 0.95], 1.0),
        rng.integers(-50, 50, 1 << count) * size,
    ][seed % 7].astype(float)
    worth[0] = 0.0
    return worth


def game_of(worth: Vector, kind: str = "profit") -> Game:
    count = len(worth).bit_length() - 1
    return Game.of(players(count), kind, worth if kind == "profit" else -worth)


def shapley_by_orders(worth: Vector) -> Vector:
    """By definition: the mean contribution over all n! orders."""
    count = len(worth).bit_length() - 1
    share = np.zeros(count)
    for order in permutations(range(count)):
        mask = 0
        for player in order:
            share[player] += worth[mask | 1 << player] - worth[mask]
            mask |= 1 << player
    return share / factorial(count)


def sorted_complaints(worth: Vector, share: Vector) -> Vector:
    """Complaints v(S) - x(S) of all proper coalitions, largest first."""
    return np.sort((worth - coalition_sums(share))[1:-1])[::-1]
