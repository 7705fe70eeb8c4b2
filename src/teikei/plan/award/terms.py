"""What suppliers ask and grant besides discounts on their total quantity, and what that costs, outside any solver.

Every discount is a share of the list price and all add up, so that none depends on the order in which they are taken.
Numbers may be floats or fractions: ``extra_cost`` works with whatever it is given (price.py re-prices with fractions).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from itertools import product
from typing import Final

import numpy as np
import numpy.typing as npt

Flags = npt.NDArray[np.bool_]
Key = tuple[int, int, int]  # supplier, item, year
Number = float | Fraction
TOLERANCE: Final = 1e-6
MOST_EXPANSIONS: Final = 12  # rows of one supplier: the cheapest set of them is found by trying all


@dataclass(frozen=True)
class Schedule:
    """Discounts of a supplier in a year on some items (K,), by quantity or by spend at list prices.

    all units: the discount of the tier reached holds for all of it. incremental: each discount holds for the part from
    its start on. start, discount: ascending, the first from 0.
    """

    supplier: int
    year: int
    items: Flags
    by_spend: bool
    incremental: bool
    start: tuple[float, ...]
    discount: tuple[float, ...]
    name: str


@dataclass(frozen=True)
class Bundle:
    """A further discount on some items (K,) of a supplier in a year, if it gets ``share`` of the demand of each."""

    name: str
    supplier: int
    year: int
    items: Flags
    share: float
    discount: float


@dataclass(frozen=True)
class Commitment:
    """Take or pay: ``quantity`` of a supplier's items (K,) over some years (T,), or ``price`` for each unit missing.

    always: due even if the supplier gets nothing else; otherwise only if it gets any of these items in these years.
    """

    supplier: int
    items: Flags
    years: Flags
    quantity: float
    price: float
    always: bool
    name: str


@dataclass(frozen=True)
class Expansion:
    """More capacity of a supplier in some years (T,), paid once."""

    supplier: int
    years: Flags
    capacity: float
    cost: float
    name: str


@dataclass(frozen=True)
class Minimum:
    """The least a supplier delivers in a year if it delivers anything."""

    supplier: int
    year: int
    quantity: float


@dataclass(frozen=True)
class Terms:
    """All further terms of a tender; false where there are none."""

    schedules: tuple[Schedule, ...] = ()
    bundles: tuple[Bundle, ...] = ()
    commitments: tuple[Commitment, ...] = ()
    expansions: tuple[Expansion, ...] = ()
    minimums: tuple[Minimum, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.schedules or self.bundles or self.commitments or self.expansions or self.minimums)

    def expanded(self, shape: tuple[int, int]) -> npt.NDArray[np.float64]:
        """All that expansions could add to the capacities (S, T)."""
        result = np.zeros(shape)
        for expansion in self.expansions:
            result[expansion.supplier, expansion.years] += expansion.capacity
        return result


@dataclass(frozen=True)
class Charge:
    """Money that is no spend on a line: ``expansion`` or ``take or pay``, with the units it is for."""

    kind: str
    supplier: int
    name: str
    units: Number
    amount: Number


@dataclass(frozen=True)
class Extra:
    """rebate: money off the list price by line; rate: discount a further unit of the line would get, by line."""

    rebate: Mapping[Key, Number]
    rate: Mapping[Key, float]
    charges: tuple[Charge, ...]
    broken: tuple[str, ...]

    @property
    def cost(self) -> Number:
        """Charges less rebates."""
        return sum((c.amount for c in self.charges), Fraction(0)) - sum(self.rebate.values(), Fraction(0))


def reaches(amount: Number, start: float) -> bool:
    """Whether an amount is at or above a threshold, both as numbers of 64 bits."""
    return float(amount) >= start


def extra_cost(
    terms: Terms,
    *,
    bought: Mapping[Key, Number],
    price: Mapping[Key, Number],
    demand: npt.NDArray[np.float64],
    capacity: npt.NDArray[np.float64],
) -> Extra:
    """What the further terms add to the cost of what is bought (awards > 0 only), line by line.

    price: list price of every offer; demand (K, T); capacity (S, T) before expansion. Expansions are the cheapest that
    let the totals through; ``broken`` names capacities and least quantities that the awards do not keep.
    """
    rebate: dict[Key, Number] = {}
    rate: dict[Key, float] = {}

    def grant(keys: Iterable[Key], share: Number, marginal: float) -> None:
        for key in keys:
            rate[key] = rate.get(key, 0.0) + marginal
            if key in bought:
                rebate[key] = rebate.get(key, Fraction(0)) + bought[key] * price[key] * share

    offered: dict[tuple[int, int], list[Key]] = {}
    for key in price:
        offered.setdefault((key[0], key[2]), []).append(key)

    def within(supplier: int, year: int, items: Flags) -> list[Key]:
        return [key for key in offered.get((supplier, year), ()) if items[key[1]]]

    for schedule in terms.schedules:
        keys = within(schedule.supplier, schedule.year, schedule.items)
        held = [key for key in keys if key in bought]
        # Spend is the sum of the lines as they are written, quantity times price in 64 bits.
        worth = (float(bought[key]) * float(price[key]) if schedule.by_spend else bought[key] for key in held)
        amount = sum((Fraction(one) for one in worth), Fraction(0))
        share, marginal = _granted(schedule, amount)
        grant(keys, share, marginal)
    for bundle in terms.bundles:
        keys = within(bundle.supplier, bundle.year, bundle.items)
        wanted = {key: bundle.share * float(demand[key[1], bundle.year]) for key in keys}
        if keys and all(key in bought and reaches(bought[key], wanted[key]) for key in keys):
            grant(keys, Fraction(bundle.discount), bundle.discount)
    charges = [*_take_or_pay(terms, bought), *_expansions(terms, bought, capacity)]
    return Extra(rebate, rate, tuple(charges), tuple(_broken(terms, bought, capacity)))


def _granted(schedule: Schedule, amount: Number) -> tuple[Number, float]:
    """(discount on the whole of it, discount on a further unit) at an amount of quantity or spend."""
    reached = [i for i, start in enumerate(schedule.start) if i == 0 or reaches(amount, start)][-1]
    if not schedule.incremental or amount <= 0:
        return Fraction(schedule.discount[reached]), schedule.discount[reached]
    off: Number = Fraction(0)
    for i in range(reached + 1):
        end = amount if i == reached else Fraction(schedule.start[i + 1])
        off += (end - Fraction(schedule.start[i])) * Fraction(schedule.discount[i])
    return off / amount, schedule.discount[reached]


def _take_or_pay(terms: Terms, bought: Mapping[Key, Number]) -> list[Charge]:
    charges = []
    for one in terms.commitments:
        taken = [n for (s, k, t), n in bought.items() if s == one.supplier and one.items[k] and one.years[t] and n > 0]
        missing = Fraction(one.quantity) - sum(taken, Fraction(0))
        if (taken or one.always) and float(missing) > 1e-9 * one.quantity:
            charges.append(Charge("take or pay", one.supplier, one.name, missing, missing * Fraction(one.price)))
    return charges


def _totals(bought: Mapping[Key, Number]) -> dict[tuple[int, int], Number]:
    totals: dict[tuple[int, int], Number] = {}
    for (s, _, t), amount in bought.items():
        totals[s, t] = totals.get((s, t), Fraction(0)) + amount
    return totals


def _over(total: Number, capacity: float) -> float:
    """What a total needs beyond a capacity; 0 within the tolerance that re-pricing allows."""
    return max(0.0, float(total) - capacity) if float(total) > capacity * (1 + TOLERANCE) else 0.0


def _expansions(terms: Terms, bought: Mapping[Key, Number], capacity: npt.NDArray[np.float64]) -> list[Charge]:
    charges = []
    for supplier in dict.fromkeys(expansion.supplier for expansion in terms.expansions):
        own = [expansion for expansion in terms.expansions if expansion.supplier == supplier]
        needed = np.zeros(capacity.shape[1])
        for (s, t), total in _totals(bought).items():
            if s == supplier:
                needed[t] = _over(total, float(capacity[s, t]))
        chosen = cheapest_cover(own, needed)
        if chosen is not None:
            charges += [
                Charge("expansion", supplier, one.name, Fraction(one.capacity), Fraction(one.cost)) for one in chosen
            ]
    return charges


def cheapest_cover(own: list[Expansion], needed: npt.NDArray[np.float64]) -> list[Expansion] | None:
    """The cheapest of a supplier's expansions that add ``needed`` (T,) to its capacity; None where none do."""
    if not needed.any():
        return []
    slack = needed * (1 - TOLERANCE)
    best: tuple[float, list[Expansion]] | None = None
    for taken in product((False, True), repeat=len(own)):
        chosen = [one for one, use in zip(own, taken, strict=True) if use]
        cost = sum(one.cost for one in chosen)
        if best is not None and cost >= best[0]:
            continue
        if (sum((one.capacity * one.years for one in chosen), np.zeros(len(needed))) >= slack).all():
            best = (cost, chosen)
    return best[1] if best is not None else None


def _broken(terms: Terms, bought: Mapping[Key, Number], capacity: npt.NDArray[np.float64]) -> list[str]:
    most = capacity + terms.expanded((capacity.shape[0], capacity.shape[1]))
    found = []
    totals = _totals(bought)
    for (s, t), total in totals.items():
        if _over(total, float(most[s, t])):
            found.append(f"supplier {s} gets more than its expanded capacity in year {t}")
    for least in terms.minimums:
        total = totals.get((least.supplier, least.year), Fraction(0))
        if total > 0 and float(total) < least.quantity * (1 - TOLERANCE):
            found.append(f"supplier {least.supplier} gets less than its least quantity in year {least.year}")
    return found
