"""The program of one coalition at one rung with its columns by meaning, filled in by ``build``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from teikei.plan.arrays import Program
from teikei.plan.scope import Item, Option, Scope
from teikei.plan.sources import Source

THOUSAND = 1e3
Place = tuple[str, str, str]


@dataclass
class Rest:
    """What the columns of a slot do not hold yet of its missed targets: million, by configuration."""

    rows: list[dict[str, str]]
    million: npt.NDArray[np.float64]

    @cached_property
    def modules(self) -> dict[str, tuple[str, ...]]:
        """Position -> the modules that configurations have there."""
        positions = dict.fromkeys(position for row in self.rows for position in row)
        return {p: tuple(dict.fromkeys(row[p] for row in self.rows if p in row)) for p in positions}

    def of(self, whole: dict[str, str]) -> tuple[int, float]:
        """Number of the configuration with these modules and its rest; -1 and 0 where there is none."""
        for number, row in enumerate(self.rows):
            if row == whole:
                return number, float(self.million[number])
        return -1, 0.0


@dataclass
class Waiting:
    """A start that modules of several classes make late, each by itself: cost of each level (quarters late; million for
    the quarters up to it from the level before) and the columns of the classes that can be so late."""

    cost: dict[int, float]
    columns: dict[int, list[int]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Pool:
    """Tiers that a drawing group can reach at an offer in a year: (index, from, to); kept = share not diverged."""

    kept: float
    steps: tuple[tuple[int, float, float], ...]
    most: float


@dataclass(frozen=True, slots=True)
class TierTotal:
    """A tier of an offer for a drawing group in a year: columns of its choice and of what counts there, from which
    quantity it is had, and the thousand pieces (with their weight) that add up to it."""

    choice: int
    total: int
    low: float
    terms: list[tuple[int, float]]


def least_cost(program: Program) -> float:
    """A lower bound that needs no solver: every column at the end of its range that costs least.

    What is left to say of a program whose solver was stopped before it had any bound.
    """
    total = program.offset
    for cost, low, high in zip(program.cost, program.lower, program.upper, strict=True):
        total += min(cost * low if cost else 0.0, cost * high if cost else 0.0)
    return total


@dataclass
class Build:
    """The program with its columns by meaning.

    fills: what sets the columns of further terms (``terms_rows``) in a start vector whose quantities are set. tight:
    whether site capacity bounds the tiers and rebates that can be reached (off when limits are to be dropped). lazy:
    whether the couplings of a car's positions are kept aside until a solution breaks them. carrying: (slot, position,
    module) -> columns of its drawings. rest: slot -> the part of what its missed targets cost that no column holds yet
    (``missed_rows``). late: starts whose classes bear their lateness in equal parts until tied (``late_rows``).
    """

    scope: Scope
    tight: bool = True
    lazy: bool = False
    program: Program = field(default_factory=Program)
    configuration: dict[tuple[str, tuple[str, ...]], dict[tuple[tuple[str, str], ...], int]] = field(
        default_factory=dict
    )
    use: dict[Option, int] = field(default_factory=dict)
    carrying: dict[Place, list[int]] = field(default_factory=dict)
    rest: dict[str, Rest] = field(default_factory=dict)
    late: dict[tuple[str, str, int], Waiting] = field(default_factory=dict)
    ladder: dict[tuple[str, str, str, str], dict[int, int]] = field(default_factory=dict)
    mode: dict[tuple[str, str], int] = field(default_factory=dict)
    introduced: dict[tuple[str, str, str, int], int] = field(default_factory=dict)
    changed: dict[Option, int] = field(default_factory=dict)
    bought: dict[tuple[Item, Source, int], int] = field(default_factory=dict)
    carried: dict[tuple[Option, str, Source, int], int] = field(default_factory=dict)
    pools: dict[tuple[str, str, int], Pool] = field(default_factory=dict)
    tier: dict[tuple[str, str, int], dict[int, tuple[int, dict[tuple[Option, str], int]]]] = field(default_factory=dict)
    in_tier: dict[tuple[str, str, int], list[TierTotal]] = field(default_factory=dict)
    rebate: dict[tuple[str, str, int], list[tuple[float, int, dict[Place, int]]]] = field(default_factory=dict)
    qualified: dict[tuple[str, str, str], int] = field(default_factory=dict)
    first_free: dict[tuple[str, str], int] = field(default_factory=dict)
    activated: dict[tuple[str, str], int] = field(default_factory=dict)
    plant: dict[tuple[str, str, float, int], int] = field(default_factory=dict)
    expansion: dict[tuple[str, str, int, float], int] = field(default_factory=dict)
    built: dict[tuple[tuple[str, str, str], str], int] = field(default_factory=dict)
    missed: dict[tuple[str, str, str, str, int], int] = field(default_factory=dict)
    couplings: dict[tuple[str, tuple[str, ...]], list[dict[str, str]]] = field(default_factory=dict)
    linked: list[Any] = field(default_factory=list)
    members: dict[tuple[Item, int], list[tuple[Option, float]]] = field(default_factory=dict)
    spend: dict[tuple[str, str, int], dict[Place, list[tuple[int, float]]]] = field(default_factory=dict)
    fills: list[Callable[[npt.NDArray[np.float64]], None]] = field(default_factory=list)

    def places(self, item: Item, year: int, weight: float = 1.0) -> list[tuple[Place, float]]:
        """What each position could need of an item in a year: ((slot, position, country), cars x weight)."""
        return [((o.slot, o.position, item.country), cars * weight) for o, cars in self.members[(item, year)]]

    def counted_together(self) -> dict[tuple[tuple[str, str], str, int], list[tuple[str, str, int]]]:
        """Offers (with drawing group and year) whose pieces count together for their tiers, by what they share."""
        found: dict[tuple[tuple[str, str], str, int], list[tuple[str, str, int]]] = {}
        for name, pool, year in self.tier:
            found.setdefault((self.scope.facts.offers[name].counts_with, pool, year), []).append((name, pool, year))
        return found

    def pool(self, item: Item) -> str:
        """Drawing group of an item."""
        scope = self.scope
        return scope.pool(scope.facts.modules[item.module].class_name, item.group, scope.item_bloc(item))
