"""Who gains what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl


@dataclass(frozen=True)
class Game:
    """A transferable-utility game: ``values[frozenset(players)]`` for every non-empty coalition; kind cost or profit."""

    players: tuple[str, ...]
    kind: str
    values: Mapping[frozenset[str], float]


@dataclass(frozen=True)
class Allocation:
    """Shares of every rule at every evaluated rung.

    shares: CONTRACT table ``shares`` (rung, rule, company, kind, value, lower, upper; million);
    core: rung, nonempty, least_core_epsilon, rule, in_core, leaves, leaves_by;
    baselines: rung, company, rule, shift (how the company's share moves when its stand-alone claim moves by one).
    """

    shares: pl.DataFrame
    core: pl.DataFrame
    baselines: pl.DataFrame
    notes: tuple[str, ...] = ()
