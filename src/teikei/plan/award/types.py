"""What the sourcing optimiser reads and returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from teikei.errors import Problem
from teikei.plan.award.terms import Charge, Terms

Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Rule:
    """One row of the rules table, its scope resolved to flags over suppliers (S,), items (K,) and years (T,).

    value is the number of the row (0 where the rule has none); supplier_name is the value of an ``incumbent`` row;
    by_spend: of spend at prices before discount, not of pieces; over_years: of all years together.
    """

    name: str
    scope: str
    value: float
    supplier_name: str
    suppliers: Flags
    items: Flags
    years: Flags
    place: str
    by_spend: bool = False
    over_years: bool = False

    def __str__(self) -> str:
        shown = self.supplier_name or (f"{self.value:g}" if self.name not in ("exclude",) else "")
        return f"{self.name}, {self.scope}{', ' + shown if shown else ''}"


@dataclass(frozen=True)
class Tender:
    """A checked tender. Quantities and money are in the units of the files.

    demand (K, T); activation_cost (S,); capacity (S, T), infinite where the file is silent.
    Offers (P,), ordered by supplier, year, item: supplier, item and year index, unit price before discount, largest
    and smallest quantity of an award (infinite and 0 where the file is silent), row in the offers table.
    tier_from, tier_discount (S, T, R): tiers of a supplier and year in ascending order, the first from 0; unused places
    at the end carry an infinite ``tier_from``.
    incumbent (K,): index of the supplier that has the item today, -1 where no rule says so.
    order_multiple (P,): quantities come in multiples of it, empty where none do; overbuying: more than the demand may
    be bought where that costs less. terms: whatever else suppliers ask and grant (terms.py). not_counted: rows of
    ``adders`` beside the prices (duty, freight, tooling, bonus), which no award reckons with: none of them is optimal.
    """

    items: tuple[str, ...]
    suppliers: tuple[str, ...]
    years: tuple[int, ...]
    demand: Array
    activation_cost: Array
    capacity: Array
    offer_supplier: Ints
    offer_item: Ints
    offer_year: Ints
    unit_price: Array
    maximum: Array
    minimum: Array
    tier_from: Array
    tier_discount: Array
    rules: tuple[Rule, ...] = ()
    warnings: tuple[Problem, ...] = ()
    terms: Terms = field(default_factory=Terms)
    order_multiple: Array = field(default_factory=lambda: np.zeros(0))
    overbuying: bool = False
    not_counted: int = 0

    @property
    def multiple(self) -> Array:
        """Quantities (P,) come in multiples of this, 0 where they need not."""
        return self.order_multiple if len(self.order_multiple) else np.zeros(len(self.unit_price))

    @property
    def for_branching(self) -> bool:
        """Whether anything is asked that only the full program knows: further terms, multiples, buying more."""
        return bool(self.terms) or self.overbuying or bool(self.multiple.any())

    @property
    def capacity_limit(self) -> Array:
        """Capacity (S, T) with every expansion that is on offer."""
        return self.capacity + self.terms.expanded((self.capacity.shape[0], self.capacity.shape[1]))

    @property
    def incumbent(self) -> Ints:
        """Incumbent supplier of each item, -1 where unknown."""
        result = np.full(len(self.items), -1, dtype=np.int64)
        for rule in self.rules:
            if rule.name == "incumbent":
                result[rule.items] = self.suppliers.index(rule.supplier_name)
        return result

    @property
    def offer_demand(self) -> Array:
        """Demand of the item and year of each offer (P,)."""
        return self.demand[self.offer_item, self.offer_year]

    @property
    def offer_group(self) -> Ints:
        """Index supplier · T + year of each offer (P,); ascending."""
        return self.offer_supplier * len(self.years) + self.offer_year


@dataclass(frozen=True)
class Award:
    """One line of the award: unit_price before discount, discount the sum of all it gets, spend after it.

    reason: why this supplier; reason_status: ``proven`` where prices alone or a second award confirm it, else ``price
    only``.
    """

    supplier: str
    item: str
    year: int
    quantity: float
    unit_price: float
    discount: float
    spend: float
    reason: str = ""
    reason_status: str = "price only"


@dataclass(frozen=True)
class Bid:
    """One bid, won or lost: landed_price is the price with all that comes on top; awarded the quantity."""

    supplier: str
    item: str
    year: int
    unit_price: float
    landed_price: float
    awarded: float
    reason: str
    reason_status: str


@dataclass(frozen=True)
class MoreThanAsked:
    """What the award would cost if more than the demand might be bought, and what it would buy of more."""

    objective: float
    saving: float
    lines: tuple[tuple[str, int, float, float], ...]  # item, year, asked for, bought


@dataclass(frozen=True)
class AwardResult:
    """The best plan found, and how good it is proven to be.

    objective: all spend after discounts, activation costs and charges, in the money of the tender; bound: proven lower
    bound; gap = (objective - bound) / objective; repriced: the objective recomputed in exact arithmetic from the awards
    alone;
    status: ``optimal`` (gap within 1e-6, and a second bound, from another scaling of the program or another method,
    agrees within the gap asked for), ``gap`` (within the gap asked for, by one bound) or ``time limit`` (the best plan
    found so far; another run may find another); second_bound: the second bound, None where there is none;
    seconds: wall time of the command. scenarios (None: no award satisfies
    one) and prices: where the command was asked for them.
    """

    awards: tuple[Award, ...]
    objective: float
    bound: float
    gap: float
    seconds: float
    repriced: float
    status: str
    suppliers_used: tuple[str, ...]
    tender: Tender
    folder: Path | None = None
    warnings: tuple[Problem, ...] = ()
    details: Mapping[str, Any] = field(default_factory=dict)
    charges: tuple[Charge, ...] = ()
    second_bound: float | None = None
    bids: tuple[Bid, ...] = ()
    more_than_asked: MoreThanAsked | None = None
    prices_to_win: tuple[PriceToWin, ...] = ()
    scenarios: Mapping[str, AwardResult | None] = field(default_factory=dict)
    prices: tuple[RulePrice, ...] = ()


@dataclass(frozen=True)
class PriceToWin:
    """How far a losing bid is off: item ``*`` is all bids of the supplier.

    cut: the smallest uniform fraction off its prices found at which the cheapest award buys there, infinite where none
    does; lower: the largest at which it is proven that it does not; gap = cut - lower. A tie does not win.
    """

    supplier: str
    item: str
    cut: float
    lower: float
    gap: float


@dataclass(frozen=True)
class RulePrice:
    """What a rule, or several together, cost: the objective with all rules minus the objective without these.

    lower, upper: the price lies between them, by the proven bounds of the two plans; ``none`` is true where the tender
    has a plan only without the rule (then price, lower and upper are infinite).
    """

    rule: str
    place: str
    price: float
    lower: float
    upper: float
    objective_without: float
    none: bool = False
    together: int = 1
