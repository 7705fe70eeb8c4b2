"""The ledger: what is secret, what was promised of it, and what each item of a release list could tell of it.

Two kinds of secret, two ways to keep a promise (docs/maths/release.md has the argument):

- *Volumes and prices* act on everything that a joint plan decides, in ways that only another solve could follow. They
  are therefore never in the joint solve: the level of a programme's volume, and each private price, is put into one of
  the agreed ``Cells`` before anything is solved. Whatever is then released, in whatever number and rounds, is a
  function of the cells, and a rival who can solve every candidate at home is left a whole cell.
- *The joint saving* is told in bands. All edges of all items and rounds cut one interval (``Known``), line by line in
  the order of the list; a line is shown only if every piece it could leave is as wide as promised. The rule looks at
  what the receiver knows already, never at which side of an edge the truth lies: a refusal tells nothing (Kenthapadi,
  Mishra, Nissim, "Simulatable auditing", PODS 2005).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

CARS: Final = "cars a year"
MILLION: Final = "million"
SHARE: Final = "share of the price"


@dataclass(frozen=True, slots=True)
class Interval:
    """lower <= value < upper."""

    lower: float = -math.inf
    upper: float = math.inf

    @property
    def width(self) -> float:
        """How wide it is."""
        return self.upper - self.lower


@dataclass(frozen=True, slots=True)
class Cells:
    """A public partition of what is publicly known of a figure into ``count`` equal cells.

    A figure outside lies in the nearest cell: the outer two have no outer end.
    """

    lower: float
    upper: float
    count: int

    @property
    def width(self) -> float:
        """Width of one cell."""
        return (self.upper - self.lower) / self.count

    def index(self, value: float) -> int:
        """Which cell a value lies in, from 0; a cell holds its lower edge."""
        return min(max(math.floor((value - self.lower) / self.width), 0), self.count - 1)

    def middle(self, value: float) -> float:
        """Middle of the cell of a value: all that a joint solve ever reads of it."""
        return self.lower + (self.index(value) + 0.5) * self.width

    def around(self, value: float) -> Interval:
        """The cell of a value, within what is publicly known."""
        low = self.lower + self.index(value) * self.width
        return Interval(low, low + self.width)


def cells_within(known: tuple[float, float], promised: float) -> Cells:
    """As many equal cells as are each at least ``promised`` wide; one where less than twice that is open at all."""
    lower, upper = known
    return Cells(lower, upper, max(1, math.floor((upper - lower) / promised + 1e-9)))


def price_cell(price: float, share: float) -> Interval:
    """The cell of a price on a public grid whose steps are ``share`` of their lower end."""
    step = math.log1p(share)
    index = math.floor(math.log(price) / step)
    return Interval(math.exp(index * step), math.exp((index + 1) * step))


def price_middle(price: float, share: float) -> float:
    """What a joint solve reads of a private price: the middle of its cell (in ratio)."""
    cell = price_cell(price, share)
    return math.sqrt(cell.lower * cell.upper)


def pieces(known: Interval, edges: Iterable[float]) -> list[Interval]:
    """The parts into which edges cut an interval, from low to high."""
    inside = sorted({edge for edge in edges if known.lower < edge < known.upper})
    ends = [known.lower, *inside, known.upper]
    return [Interval(low, high) for low, high in itertools.pairwise(ends)]


@dataclass(frozen=True, slots=True)
class Known:
    """What a receiver knows of the first round's saving: public belief, and the interval that all shown lines leave."""

    public: Interval
    shown: Interval = Interval()
    open: bool = True

    @property
    def left(self) -> Interval:
        """What is shown and what is publicly believed, together."""
        return Interval(max(self.shown.lower, self.public.lower), min(self.shown.upper, self.public.upper))

    def may_cut(self, edges: Iterable[float], floor: float) -> bool:
        """Whether every part that a line with these edges could leave keeps ``floor`` within the public belief."""
        return self.open and all(part.width >= floor for part in self._parts(edges) if part.width > 0)

    def cut(self, edges: Iterable[float], value: float) -> Known:
        """What is known after a line with these edges was shown; value: the truth."""
        part = next((part for part in pieces(self.shown, edges) if part.lower <= value < part.upper), self.shown)
        return replace(self, shown=part)

    def closed(self) -> Known:
        """Nothing more can be shown: an earlier round cannot be followed."""
        return replace(self, open=False)

    def _parts(self, edges: Iterable[float]) -> list[Interval]:
        """The parts as the receiver's belief ends them; a part beyond the belief is not expected and has no end."""
        edges = list(edges)
        if not any(self.shown.lower < edge < self.shown.upper for edge in edges):
            return []  # nothing is cut
        public = self.public
        return [
            Interval(max(part.lower, public.lower), min(part.upper, public.upper)) for part in pieces(self.shown, edges)
        ]


def narrowest_gap(edges: Iterable[float]) -> float:
    """The narrowest band between edges (the outer two are without end)."""
    ordered = sorted(set(edges))
    return min((high - low for low, high in itertools.pairwise(ordered)), default=math.inf)


@dataclass(frozen=True, slots=True)
class Promise:
    """One line of the ledger: of which quantity, in which unit, how wide it stays, and what keeps it so."""

    quantity: str
    of: str
    unit: str
    width: float
    kept_by: str


@dataclass(frozen=True, slots=True)
class Constraint:
    """What an item declares: what it could narrow, its unit, and the edges it cuts (empty: through the plan)."""

    quantity: str
    unit: str
    edges: tuple[float, ...] = ()


VOLUMES: Final = Constraint("volumes", CARS)
PRICES: Final = Constraint("prices", SHARE)
