"""One function per rule: a profit game as an array of worths (2^n,) in, shares (n,) out."""

from __future__ import annotations

from math import factorial

import numpy as np

from teikei.split.game import coalition_sizes, coalition_sums, tolerance
from teikei.split.types import Vector


def shapley(worth: Vector) -> Vector:
    """Average contribution of each player over all orders of joining.

    phi_i = sum over S without i of |S|! (n - |S| - 1)! / n! (v(S + i) - v(S)).
    Shapley, L.S. (1953), A value for n-person games, Contributions to the Theory of Games II:307-317.
    """
    count = len(worth).bit_length() - 1
    by_size = np.array([factorial(size) * factorial(count - size - 1) / factorial(count) for size in range(count)])
    sizes = coalition_sizes(count - 1).astype(int)
    weight = by_size[sizes]
    share = np.empty(count)
    for index in range(count):
        pairs = worth.reshape(-1, 2, 1 << index)  # axis 1: without and with player ``index``
        share[index] = float(weight @ (pairs[:, 1, :] - pairs[:, 0, :]).ravel())
    return share


def utopia(worth: Vector) -> Vector:
    """What each player adds to all others, v(N) - v(N - i): the separable part."""
    count = len(worth).bit_length() - 1
    separable: Vector = worth[-1] - worth[len(worth) - 1 - (1 << np.arange(count))]
    return separable


def singles(worth: Vector) -> Vector:
    """What each player has alone."""
    alone: Vector = worth[1 << np.arange(len(worth).bit_length() - 1)]
    return alone


def minimal_rights(worth: Vector) -> Vector:
    """What is left of the best coalition for a player once its partners are paid their utopia payoff."""
    best = utopia(worth)
    rest = worth - coalition_sums(best)
    return np.array(
        [best[index] + rest.reshape(-1, 2, 1 << index)[:, 1, :].max() for index in range(len(best))],
    )


def tau(worth: Vector) -> Vector | None:
    """The compromise between utopia payoff and minimal right; None where the game is not quasi-balanced.

    Tijs, S.H. (1981), Bounds for the core and the tau-value, Game Theory and Mathematical Economics:123-132.
    """
    best, least = utopia(worth), minimal_rights(worth)
    slack = tolerance(worth)
    total = float(worth[-1])
    if (least > best + slack).any() or least.sum() > total + slack or best.sum() < total - slack:
        return None
    spread = best - least
    if spread.sum() <= slack:
        return best + (total - float(best.sum())) / len(best)
    return least + spread * ((total - float(least.sum())) / float(spread.sum()))


def equal_saving(worth: Vector) -> Vector:
    """Everyone's own value alone, plus an equal part of the joint gain."""
    alone = singles(worth)
    return alone + float(worth[-1] - alone.sum()) / len(alone)


def proportional_to_standalone(worth: Vector) -> Vector | None:
    """The joint value in proportion to the values alone; None where these add up to nothing."""
    alone = singles(worth)
    if abs(alone.sum()) <= tolerance(worth):
        return None
    return alone * float(worth[-1] / alone.sum())


def equal_nonseparable(worth: Vector) -> Vector:
    """Separable part of each player plus an equal part of the rest (equal charge of non-separable cost).

    Straffin, P.D. and Heaney, J.P. (1981), Game theory and the Tennessee Valley Authority, Int. J. Game Theory
    10:35-43.
    """
    separable = utopia(worth)
    return separable + float(worth[-1] - separable.sum()) / len(separable)


def separable_cost_remaining_benefits(worth: Vector) -> Vector | None:
    """Separable part of each player plus the rest in proportion to its remaining benefit over its value alone.

    None where remaining benefits add up to nothing but a rest is to be shared (Straffin and Heaney 1981).
    """
    separable = utopia(worth)
    benefit = separable - singles(worth)
    rest = float(worth[-1] - separable.sum())
    slack = tolerance(worth)
    if abs(benefit.sum()) <= slack:
        return separable + rest / len(separable) if abs(rest) <= slack else None
    return separable + benefit * (rest / float(benefit.sum()))
