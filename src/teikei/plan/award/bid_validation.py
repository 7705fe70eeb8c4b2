"""Prices that look like slips: 0 where nobody gives a part away, a decimal point that moved, another unit."""

from __future__ import annotations

from typing import Final

import numpy as np

from teikei.errors import Problem
from teikei.plan.award.tables import TenderTable
from teikei.plan.award.types import Array, Ints

FAR_FROM_OTHERS: Final = 4.0
FAR_FROM_ONE: Final = 5.0  # a single other bid says less than the middle of several
WIDELY_SPREAD: Final = 0.01  # of the prices far from the others: prices are distances rather than bids
MOST_TOLD: Final = 20


def price_problems(
    table: TenderTable, price: Array, in_one_money: Array, supplier: Ints, item: Ints, year: Ints
) -> list[Problem]:
    """Prices of 0 and prices far from the other bids for the same item and year, each at its cell.

    price, in_one_money (price × rate), supplier, item, year (n,): of each row of offers, -1 where a name is not known.
    A 0 stands for no bid in bid sheets, and the item would go for nothing: an error. Where the prices of the tender
    spread as widely as distances do, or where every price of a supplier is 0 (a package for its activation cost), a 0
    is a warning. A price is far that is more than 4 times above or below the middle of the others, 5 times of a single
    other bid (then only the lower one is named: it is the one that would be awarded).
    """
    far = _far_prices(in_one_money, item, year)
    usable = int((price > 0).sum())
    wide = len(far) >= max(10, WIDELY_SPREAD * usable)
    return [*_zero_prices(table, price, supplier, wide), *_told(table, in_one_money, far, usable, wide)]


def _zero_prices(table: TenderTable, price: Array, supplier: Ints, wide: bool) -> list[Problem]:
    rows = np.flatnonzero(price == 0.0)
    packages = {int(s) for s in np.unique(supplier[rows]) if s >= 0 and not (price[supplier == s] > 0).any()}
    problems = []
    for row in rows:
        if not wide and int(supplier[row]) not in packages:
            text = (
                "unit_price is 0: delete the row if the supplier makes no bid; if the part is free of charge, give it "
                "a price that does not count, such as 0.000001"
            )
            problems.append(Problem(table.place(int(row), "unit_price"), text))
    harmless = [int(row) for row in rows if wide or int(supplier[row]) in packages]
    if harmless:
        more = f" (and {len(harmless) - 1} more)" if len(harmless) > 1 else ""
        text = f"unit_price is 0{more}: the item goes for nothing there; delete the row if it stands for no bid"
        problems.append(Problem(table.place(harmless[0], "unit_price"), text, warning=True))
    return problems


def _far_prices(price: Array, item: Ints, year: Ints) -> list[tuple[int, float, int]]:
    """(row, middle of the others, how many others) of every price that is far from them."""
    usable = np.flatnonzero((item >= 0) & (year >= 0) & (price > 0))
    if not len(usable):
        return []
    order = usable[np.lexsort((price[usable], year[usable], item[usable]))]
    keys = np.stack((item[order], year[order]))
    starts = np.flatnonzero(np.r_[True, (keys[:, 1:] != keys[:, :-1]).any(axis=0)])
    found: list[tuple[int, float, int]] = []
    for start, end in zip(starts, np.r_[starts[1:], len(order)], strict=True):
        rows, count = order[start:end], end - start
        if count < 2:
            continue
        ascending = price[rows]
        lower, upper = _middle_of_others(ascending)
        limit = FAR_FROM_ONE if count == 2 else FAR_FROM_OTHERS
        below, above = ascending < lower / limit, (ascending > limit * upper) & (count > 2)
        middle, far = np.where(below, lower, upper), below | above
        found += [(int(row), float(m), int(count - 1)) for row, m in zip(rows[far], middle[far], strict=True)]
    return sorted(found)


def _middle_of_others(ascending: Array) -> tuple[Array, Array]:
    """For each of some ascending prices, the lower and the upper one of the two in the middle of the others."""
    count = len(ascending)
    at = np.arange(count)
    low, high = (count - 2) // 2, (count - 1) // 2  # positions of the median among count - 1
    return ascending[low + (at <= low)], ascending[high + (at <= high)]


def _told(table: TenderTable, price: Array, far: list[tuple[int, float, int]], count: int, wide: bool) -> list[Problem]:
    problems = []
    for row, middle, others in far[: 1 if wide else MOST_TOLD]:
        factor = price[row] / middle
        share = f"{factor:.3g} times" if factor > 1 else f"1/{1 / factor:.3g} of"
        what = f"the middle of the {others} other bids" if others > 1 else "the other bid"
        text = f"the price {price[row]:.10g} is {share} {what} for the item and year, {middle:.10g}: is it right?"
        if wide:
            text += f" {len(far)} of {count} prices are as far as that"
        problems.append(Problem(table.place(row, "unit_price"), text, warning=True))
    if len(far) > MOST_TOLD and not wide:
        text = f"{len(far) - MOST_TOLD} more prices are as far from the other bids"
        problems.append(Problem(table.place(far[MOST_TOLD][0], "unit_price"), text, warning=True))
    return problems
