"""Cars of other makers that come onto the home market after the market year: rows of products of a later year.

A launch takes the mean utility with which it would have sold its units at its price beside the market of the market
year, and the marginal cost that makes this price right for its maker; the others keep theirs. From its year on it is
on sale like any other car: chargers, consideration and pack prices reach it as they reach all.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import polars as pl

from teikei.market.calibration import Calibrated, Demand, price_scale, types_of
from teikei.market.demand import derive
from teikei.market.home import MILLION, HomeMarket, policy_of, row_place
from teikei.market.inputs import check_market
from teikei.market.types import Array, IntArray
from teikei.study.types import Study

_STEPS: Final = 200  # of the bracketed search for a mean utility
_MET: Final = 1e-12  # of ln units
_FAR: Final = 60.0  # largest mean utility tried


@dataclass(frozen=True)
class Launches:
    """Rows of products that come later: year on sale from (L,), and what ``HomeMarket`` knows of a product."""

    year: IntArray
    home: HomeMarket


def launches(study: Study, home: HomeMarket) -> tuple[Launches | None, list[str]]:
    """The later launches of the home market, None for none; and which rows of other years are not used, and why."""
    table = study["products"]
    if not table.height:
        return None, []
    table = table.with_row_index("row").filter((pl.col("country") == home.country) & (pl.col("year") != home.year))
    used: list[int] = []
    messages: list[str] = []
    seen: dict[str, int] = {}
    for row in table.sort("year", maintain_order=True).iter_rows(named=True):
        reason = _not_used(study, home, row, seen)
        if reason:
            messages.append(f"{row_place(study, row['row'])}: {row['product']} of {row['year']} is not used: {reason}")
        else:
            seen[row["product"]] = row["year"]
            used.append(row["row"])
    if not used:
        return None, messages
    rows = study["products"][used]
    names = tuple(rows["product"].to_list())
    subsidy, tax, _ = policy_of(study, home.country, names, MILLION * home.rate)
    number = {
        name: rows[name].cast(pl.Float64).fill_null(np.nan).to_numpy().copy()
        for name in ("price", "units", "range_km", "battery_kwh")
    }
    found = replace(
        home,
        product=names,
        maker=tuple(rows["maker"].to_list()),
        programme=("",) * len(names),
        powertrain=tuple(rows["powertrain"].to_list()),
        price=number["price"] / home.million,
        units=number["units"],
        range_km=number["range_km"],
        battery_kwh=number["battery_kwh"],
        segment=tuple(rows["segment"].to_list()),
        subsidy=subsidy,
        tax=tax,
    )
    messages += [
        f"{name} ({maker}): enters in {year} with the appeal that would have sold {units:,.0f} cars in {home.year} at "
        f"{price * home.million:,.0f} {home.currency}"
        for name, maker, year, units, price in zip(
            names, found.maker, rows["year"].to_list(), found.units, found.price, strict=True
        )
    ]
    return Launches(rows["year"].to_numpy().astype(np.int64), found), messages


def _not_used(study: Study, home: HomeMarket, row: dict[str, object], seen: dict[str, int]) -> str:
    """Why a row of another year than the market's cannot enter; empty where it can."""
    year, name = row["year"], str(row["product"])
    if not isinstance(year, int) or year < home.year:
        return f"the market is that of {home.year}, the setting market_year"
    if name in home.product:
        return f"{name} is on sale in {home.year}, and its later years are forecast"
    if row["programme"]:
        return f"programme {row['programme']} enters by its start of production and the volumes of the study"
    if year > max(study.settings.last_year, home.year):
        return f"the forecast ends in {max(study.settings.last_year, home.year)}"
    if name in seen:
        return f"it enters in {seen[name]} already"
    for column in ("price", "units"):
        value = row[column]
        if not isinstance(value, int | float) or not value > 0:
            return f"its {column} is {value}; a launch needs a number above 0"
    return ""


def with_launches(calibrated: Calibrated, found: Launches) -> Calibrated:
    """The market with the launches appended, at every draw (D)."""
    home, demand, new = calibrated.home, calibrated.draws, found.home
    wide = replace(
        home,
        product=home.product + new.product,
        maker=home.maker + new.maker,
        programme=home.programme + new.programme,
        powertrain=home.powertrain + new.powertrain,
        price=np.concatenate([home.price, new.price]),
        units=np.concatenate([home.units, np.zeros(len(new.product))]),
        range_km=np.concatenate([home.range_km, new.range_km]),
        battery_kwh=np.concatenate([home.battery_kwh, new.battery_kwh]),
        segment=home.segment + new.segment,
        subsidy=_joined(home.subsidy, new.subsidy, len(home.product), len(new.product)),
        tax=_joined(home.tax, new.tax, len(home.product), len(new.product)),
    )
    slope, weight, taste = types_of(demand.theta, wide)
    mean = np.concatenate([demand.mean, np.zeros((len(demand.mean), len(new.product)))], axis=1)
    cost = np.concatenate([demand.cost, np.zeros((len(demand.mean), len(new.product)))], axis=1)
    known = Demand(demand.theta, slope, weight, taste, mean, cost, demand.buyers_total)
    for j in range(len(home.product), len(wide.product)):
        share = new.units[j - len(home.product)] / demand.buyers_total
        mean[:, j], cost[:, j] = _appeal_and_cost(
            wide, known, len(home.product), j, share, int(found.year[j - len(home.product)])
        )
    return replace(calibrated, home=wide, draws=known)


def _joined(old: dict[int, Array], new: dict[int, Array], count: int, more: int) -> dict[int, Array]:
    """Figures by year of the old products and the new: each keeps its last one."""

    def at(table: dict[int, Array], year: int, size: int) -> Array:
        known = [one for one in sorted(table) if one <= year] or sorted(table)[:1]
        return table[known[-1]] if known else np.zeros(size)

    return {year: np.concatenate([at(old, year, count), at(new, year, more)]) for year in sorted({*old, *new})}


def _appeal_and_cost(
    home: HomeMarket, demand: Demand, before: int, j: int, share: Array, first: int
) -> tuple[Array, Array]:
    """Mean utility and marginal cost (D,) of product ``j`` beside the first ``before`` ones, as if already on sale."""
    keep = [*range(before), j]
    factory = home.price[keep] / (1 + home.vat)
    scale = price_scale(demand.theta, home.price[keep])
    wedge = home.wedge(home.year)[keep]
    wedge[-1] = home.wedge(first)[j]  # a launch has no subsidy before its year
    base = demand.mean[:, keep, None] + demand.taste[:, keep] - demand.slope[:, None, :] * (scale * wedge)[:, :, None]
    price = np.broadcast_to(factory, (len(share), len(keep))).copy()
    nest = home.nest[keep]

    def at(mean: Array, *, slopes: bool) -> tuple[Array, Array]:
        utility = base.copy()
        utility[:, -1] += mean[:, None]
        market = check_market(
            utility, demand.slope * (1 + home.vat), demand.weight, nest, demand.nest_parameter, (), price_scale=scale
        )
        found = derive(market, price, slopes=slopes)
        return found[0], found[1]

    low, high = np.full(len(share), -_FAR), np.full(len(share), _FAR)
    mean = np.zeros(len(share))
    for _ in range(_STEPS):
        gap = np.log(np.maximum(at(mean, slopes=False)[0][:, -1], 1e-300) / share)
        low, high = np.where(gap < 0, mean, low), np.where(gap < 0, high, mean)
        if np.abs(gap).max() < _MET or np.max(high - low) < 1e-13:
            break
        step = mean - (1 - demand.nest_parameter[:, 0]) * gap  # the contraction, kept inside the bracket
        mean = np.where((step > low) & (step < high), step, (low + high) / 2)
    sold, slopes = at(mean, slopes=True)
    own = np.array([maker == home.maker[j] for maker in (home.maker[k] for k in keep[:-1])], dtype=np.float64)
    margin = price[:, :-1] - demand.cost[:, :before]
    counted = sold[:, -1] + (slopes[:, :-1, -1] * margin) @ own
    return mean, price[:, -1] + counted / slopes[:, -1, -1]
