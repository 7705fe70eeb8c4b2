"""Games as arrays: entry ``mask`` of a vector belongs to the coalition whose player i has bit i set.

A cost game is turned into a profit game by the sign alone (v = -c), so that every rule is written once; all rules here
except ``proportional_to_standalone`` are covariant under that change.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from teikei.errors import Problem, StudyError
from teikei.split.types import CoalitionTable, Game, Vector

MAX_PLAYERS: Final = 22
KINDS: Final = ("cost", "profit")

# Excesses below this part of the largest value count as zero: the values come from solvers and files, not from algebra.
RELATIVE_TOLERANCE: Final = 1e-8


def coalition_sums(amount: Vector) -> Vector:
    """Sum of a player vector over every coalition: shape (n,) -> (2^n,), the empty coalition first."""
    sums = np.zeros(1 << len(amount))
    for index, value in enumerate(amount):
        half = 1 << index
        np.add(sums[:half], value, out=sums[half : 2 * half])
    return sums


def coalition_sizes(player_count: int) -> Vector:
    """Number of members of every coalition, shape (2^n,)."""
    return coalition_sums(np.ones(player_count))


def worths(game: Game) -> Vector:
    """Worth of every coalition as a profit (costs with their sign turned), shape (2^n,), the empty coalition 0.

    Raises StudyError naming players named twice, an unknown kind, missing coalitions, values that are not finite.
    """
    problems = _problems(game)
    if problems:
        raise StudyError(problems)
    if isinstance(game.values, CoalitionTable):
        value = game.values.by_mask.copy()
    else:
        bit = {player: 1 << index for index, player in enumerate(game.players)}
        value = np.zeros(1 << len(game.players))
        for coalition, amount in game.values.items():
            value[sum(bit[player] for player in coalition)] = amount
    value[0] = 0.0
    return -value if game.kind == "cost" else value


def _problems(game: Game) -> list[Problem]:
    if game.kind not in KINDS:
        return [Problem("game", f"kind is {game.kind!r}, expected cost or profit")]
    if not game.players or len(set(game.players)) != len(game.players):
        return [Problem("game", f"players are {list(game.players)}: name each player once, and at least one")]
    if len(game.players) > MAX_PLAYERS:
        return [
            Problem("game", f"{len(game.players)} players: at most {MAX_PLAYERS} (a coalition table doubles each time)")
        ]
    if isinstance(game.values, CoalitionTable):
        finite = bool(np.isfinite(game.values.by_mask[1:]).all())
        return [] if finite else [Problem("game", "a value is not a finite number")]
    problems = [
        Problem("game", f"coalition {sorted(coalition)} has players that the game does not name")
        for coalition in game.values
        if not coalition <= set(game.players)
    ]
    missing = (1 << len(game.players)) - 1 - sum(1 for coalition in game.values if coalition)
    if missing > 0 and not problems:
        problems.append(Problem("game", f"{missing} coalition(s) have no value"))
    problems += [
        Problem("game", f"the value of {sorted(coalition)} is {amount}, expected a finite number")
        for coalition, amount in game.values.items()
        if not np.isfinite(amount)
    ]
    return problems


def members(mask: int, players: tuple[str, ...]) -> tuple[str, ...]:
    """Players of a coalition mask, in the order of the game."""
    return tuple(player for index, player in enumerate(players) if mask >> index & 1)


def tolerance(worth: Vector) -> float:
    """Amount below which a difference of values counts as zero, in the unit of the game."""
    return RELATIVE_TOLERANCE * float(np.abs(worth).max(initial=0.0))
