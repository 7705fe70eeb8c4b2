"""The Owen value: shares of single players when some of them already stand together in blocs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import combinations
from math import factorial
from typing import TypeVar

Worth = Callable[[frozenset[str]], float]
Item = TypeVar("Item")


def coalitions_needed(blocs: Sequence[Sequence[str]]) -> set[frozenset[str]]:
    """Every coalition whose value the Owen value reads: part of one bloc together with whole other blocs."""
    needed: set[frozenset[str]] = set()
    for index, bloc in enumerate(blocs):
        others = [frozenset(other) for position, other in enumerate(blocs) if position != index]
        for count in range(len(others) + 1):
            for whole in combinations(others, count):
                base = frozenset().union(*whole)
                for size in range(len(bloc) + 1):
                    needed |= {base | frozenset(part) for part in combinations(bloc, size)}
    needed.discard(frozenset())
    return needed


def owen(blocs: Sequence[Sequence[str]], worth: Worth) -> dict[str, float]:
    """Mean contribution over all orders that keep blocs together: first orders of blocs, then orders inside a bloc.

    blocs: a partition of the players; worth: value of a coalition (0 for the empty one is not asked for).
    The shares of a bloc add up to its Shapley value in the game between blocs (quotient game).
    Owen, G. (1977), Values of games with a priori unions, in Mathematical Economics and Game Theory, 76-88.
    """
    value = {coalition: worth(coalition) for coalition in coalitions_needed(blocs)}
    value[frozenset()] = 0.0
    shares: dict[str, float] = {}
    for index, bloc in enumerate(blocs):
        others = [frozenset(other) for position, other in enumerate(blocs) if position != index]
        for player in bloc:
            partners = [other for other in bloc if other != player]
            total = 0.0
            for whole, outer in _weighted_subsets(others):
                base = frozenset().union(*whole)
                for part, inner in _weighted_subsets(partners):
                    before = base | frozenset(part)
                    total += outer * inner * (value[before | {player}] - value[before])
            shares[player] = total
    return shares


def _weighted_subsets(items: Sequence[Item]) -> list[tuple[tuple[Item, ...], float]]:
    """Subsets of the others, with the chance that just these come before in a random order of all."""
    count = len(items) + 1
    return [
        (subset, factorial(size) * factorial(count - size - 1) / factorial(count))
        for size in range(count)
        for subset in combinations(items, size)
    ]
