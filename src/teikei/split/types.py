"""Who gains what."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Self

import numpy as np
import numpy.typing as npt
import polars as pl

Vector = npt.NDArray[np.float64]


class CoalitionTable(Mapping[frozenset[str], float]):
    """Values of all coalitions in one array: entry ``mask`` holds the coalition whose player i has bit i set.

    Twenty players have a million coalitions: an array of them is read in milliseconds, a dictionary is not.
    """

    def __init__(self, players: tuple[str, ...], by_mask: Vector):
        if by_mask.shape != (1 << len(players),):
            raise ValueError(f"{len(players)} players have {1 << len(players)} coalitions, got {by_mask.shape}")
        self.players = players
        self.by_mask = by_mask
        self._bit = {player: 1 << index for index, player in enumerate(players)}

    def __getitem__(self, coalition: frozenset[str]) -> float:
        if not coalition:
            raise KeyError(coalition)
        return float(self.by_mask[sum(self._bit[player] for player in coalition)])

    def __len__(self) -> int:
        return len(self.by_mask) - 1

    def __iter__(self) -> Iterator[frozenset[str]]:
        for mask in range(1, len(self.by_mask)):
            yield frozenset(player for player, bit in self._bit.items() if mask & bit)


@dataclass(frozen=True)
class Game:
    """A transferable-utility game: ``values[frozenset(players)]`` for every non-empty coalition; cost or profit."""

    players: tuple[str, ...]
    kind: str
    values: Mapping[frozenset[str], float]

    @classmethod
    def of(cls, players: tuple[str, ...], kind: str, by_mask: Vector) -> Self:
        """A game from the array of all 2^n values, ordered by bit mask, entry 0 the empty coalition."""
        return cls(players, kind, CoalitionTable(players, by_mask))


@dataclass(frozen=True)
class Allocation:
    """Shares of every rule at every evaluated rung.

    shares: table ``shares`` (rung, rule, company, kind, value, lower, upper; million);
    core: rung, nonempty, least_core_epsilon, rule, in_core, leaves, leaves_by;
        certain (whether the verdict holds whatever the gaps of the plans hide);
    baselines: rung, company, rule, shift (how the company's share moves when its stand-alone claim moves by one),
    claim,
        reported, derived, assumption (input rows behind the claim, by confidence), bought_reported, bought_derived,
        bought_assumption (parts of what is bought alone, by the confidence of its price);
    blocs: the same columns as shares, one row per bloc instead of company (a bloc is named as a coalition);
    by_lever: rung, method, rule, company (bloc), lever, value; by_year: rung, rule, company (bloc), year, value
    (million discounted); additive rules only.
    """

    shares: pl.DataFrame
    core: pl.DataFrame
    baselines: pl.DataFrame
    notes: tuple[str, ...] = ()
    blocs: pl.DataFrame = field(default_factory=pl.DataFrame)
    by_lever: pl.DataFrame = field(default_factory=pl.DataFrame)
    by_year: pl.DataFrame = field(default_factory=pl.DataFrame)
