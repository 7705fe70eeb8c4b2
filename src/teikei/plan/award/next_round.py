"""What a losing bid would have to cost to win: for the next round of a tender.

Cutting the prices of a bid by a fraction c leaves every plan without it as dear as it was. So it wins where the
cheapest plan at c costs less than the award, and does not where no plan does. The plan found at one cut, held, says at
which cut it would cost as much as the award; from there the next solve starts, and halving steps in where that fails.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from teikei.plan.award.confirm import net_prices
from teikei.plan.award.price import objective
from teikei.plan.award.solve import solve
from teikei.plan.award.types import Array, AwardResult, Flags, PriceToWin, Tender

CLOSE: Final = 1e-5  # cuts are found this near
STEPS: Final = 18
TIE: Final = 1e-9  # costs nearer than this to the award's are a tie, which does not win
NEAREST: Final = 20
ALMOST_ALL: Final = 1 - 1e-6

Progress = Callable[[str, float], None]


@dataclass
class _Interval:
    """lower: the largest cut proven not to win; cut: the smallest found to win, infinite where none is."""

    lower: float = 0.0
    cut: float = np.inf


def price_to_win(
    result: AwardResult, *, most: int = NEAREST, time_limit_s: float = 60.0, progress: Progress | None = None
) -> tuple[PriceToWin, ...]:
    """The uniform price cut at which losing bids win: of whole suppliers (item ``*``) and of single items.

    Suppliers without any award first, then the ``most`` items nearest to winning by price after discount, of suppliers
    that lost them in every year. ``time_limit_s`` is for all of them; what is not reached keeps a wide interval.
    """
    tender = result.tender
    found = {(a.supplier, a.item, a.year): a.quantity for a in result.awards}
    keys = zip(tender.offer_supplier, tender.offer_item, tender.offer_year, strict=True)
    quantity = np.array([found.get((tender.suppliers[s], tender.items[k], tender.years[t]), 0.0) for s, k, t in keys])
    targets = _targets(tender, quantity, most)
    deadline = time.perf_counter() + time_limit_s
    rows = []
    for at, (supplier, item, offers) in enumerate(targets):
        left = deadline - time.perf_counter()
        until = time.perf_counter() + max(left, 0.0) / (len(targets) - at)
        one = _search(tender, result, offers, until)
        rows.append(PriceToWin(supplier, item, one.cut, one.lower, one.cut - one.lower))
        if progress is not None:
            progress(f"price to win of {supplier}, {item}", (at + 1) / len(targets))
    return tuple(rows)


def _targets(tender: Tender, quantity: Array, most: int) -> list[tuple[str, str, Flags]]:
    """(supplier, item or *, offers (P,)) that have no award at all, the nearest by price first."""
    net = net_prices(tender, quantity)
    cell = tender.offer_item * len(tender.years) + tender.offer_year
    winner = np.zeros(tender.demand.size)
    np.maximum.at(winner, cell[quantity > 0], net[quantity > 0])
    distance = net / np.maximum(winner[cell], 1e-300)
    whole, items = [], []
    for s, supplier in enumerate(tender.suppliers):
        own = tender.offer_supplier == s
        if not own.any():
            continue
        if not quantity[own].any():
            whole.append((float(distance[own].min()), supplier, "*", own))
        for k in np.unique(tender.offer_item[own]):
            there = own & (tender.offer_item == k)
            if not quantity[there].any():
                items.append((float(distance[there].min()), supplier, tender.items[k], there))
    rows = sorted(whole, key=lambda row: row[0]) + sorted(items, key=lambda row: row[0])[:most]
    return [row[1:] for row in rows]


def _search(tender: Tender, result: AwardResult, offers: Flags, until: float) -> _Interval:
    """The interval of one target: from the widest cut down."""
    interval = _Interval()
    cut = ALMOST_ALL
    for _ in range(STEPS):
        if time.perf_counter() >= until or interval.cut - interval.lower <= CLOSE:
            break
        price = np.where(offers, tender.unit_price * (1 - cut), tender.unit_price)
        changed = replace(tender, unit_price=price)
        found = solve(changed, deadline=until, gap=TIE, second=False)
        if found.quantity is None:
            break
        cost = objective(changed, found.quantity)
        pieces = float(found.quantity[offers].sum())
        wins = cost < result.bound * (1 - TIE) and pieces > 0
        loses = found.bound >= result.objective * (1 - 10 * TIE)
        step = np.nan
        if wins:
            interval.cut = min(interval.cut, cut)
            spend = float(tender.unit_price[offers] @ found.quantity[offers])
            step = cut - (result.objective - cost) / spend * (1 - 1e-6) if spend > 0 else np.nan
        elif loses:
            interval.lower = max(interval.lower, cut)
            if interval.cut == np.inf:
                break  # not even for nothing
            step = cut + 0.5 * CLOSE
        else:
            break  # neither is proven in the time there is
        inside = interval.lower < step < interval.cut
        cut = step if inside else (interval.lower + min(interval.cut, 1.0)) / 2
    return interval
