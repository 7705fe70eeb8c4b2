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
    terms: whatever else suppliers ask and grant (terms.py).
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
    """One line of the award: unit_price before discount, discount the sum of all it gets, spend after it; ``reason``
    says why this supplier."""

    supplier: str
    item: str
    year: int
    quantity: float
    unit_price: float
    discount: float
    spend: float
    reason: str = ""


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
    scenarios: Mapping[str, AwardResult | None] = field(default_factory=dict)
    prices: tuple[RulePrice, ...] = ()


@dataclass(frozen=True)
class RulePrice:
    """What a rule costs: the objective with all rules minus the objective without this one.

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
