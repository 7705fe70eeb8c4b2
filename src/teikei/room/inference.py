"""What a rival can know: intervals cut by released bands, and the rule that keeps them wide.

The rule looks only at what the receiver is assumed to know already (the interval so far, and by how much its own change
moved the quantity), never at which side of a cut the truth lies. A refusal therefore tells nothing (Kenthapadi, Mishra,
Nissim 2005, "Simulatable auditing").
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Interval:
    """lower <= value < upper."""

    lower: float = -math.inf
    upper: float = math.inf

    @property
    def width(self) -> float:
        """How wide it is."""
        return self.upper - self.lower


def pieces(known: Interval, edges: Iterable[float]) -> list[Interval]:
    """The parts into which edges cut an interval, from low to high."""
    inside = sorted({edge for edge in edges if known.lower < edge < known.upper})
    ends = [known.lower, *inside, known.upper]
    return [Interval(low, high) for low, high in itertools.pairwise(ends)]


def may_cut(known: Interval, edges: Iterable[float], floor: float) -> bool:
    """Whether every part that a release could leave is at least ``floor`` wide."""
    return all(part.width >= floor for part in pieces(known, edges))


def cut(known: Interval, edges: Iterable[float], value: float) -> Interval:
    """The part that holds ``value``: what is known after the release."""
    return next((part for part in pieces(known, edges) if part.lower <= value < part.upper), known)


def narrowest_gap(edges: Iterable[float]) -> float:
    """The narrowest band between edges (the outer two are without end)."""
    ordered = sorted(set(edges))
    return min((high - low for low, high in itertools.pairwise(ordered)), default=math.inf)


def replay(edges: Sequence[float], values: Sequence[float], floor: float) -> tuple[Interval, list[bool]]:
    """Knowledge of the first value after rounds that each showed the band of ``values[i]``; which rounds were shown.

    The receiver is assumed to know exactly by how much each later value differs from the first.
    """
    known, shown = Interval(), []
    for value in values:
        moved = [edge - (value - values[0]) for edge in edges]
        allowed = may_cut(known, moved, floor)
        shown.append(allowed)
        if allowed:
            known = cut(known, moved, values[0])
    return known, shown
