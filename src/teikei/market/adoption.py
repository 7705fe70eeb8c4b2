"""How fast plug-ins spread beyond what prices of single models explain: the yearly drift and its uncertainty.

A reduced form of the yearly market on the share alone, for any region with a history:

    logit s_t - logit s_(t-1) = charging elasticity * d ln(chargers) + eta * (d subsidy - d pack cost) / price
                                + d ln(consideration) + d ln(segments opened) + drift + shock

The first terms are inputs with parameters from elsewhere; drift is the mean of what is left over in the region's own
past, shrunk towards zero and fading; shocks are as large as they were. The forecast takes drift and shocks from here;
the hindcast (benchmarks/hindcast.py) tests this very function at past origins.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np

from teikei.market.reference import ev_history, ev_policy, parameters, public_chargers
from teikei.market.types import Array

GROUP_ELASTICITY: Final = 1.3  # BEV as a group (Fridstrom and Ostli 2021: 1.27), the calibration moment
_FIRST_YEAR: Final = 2013  # before, shares of a few hundredths of a percent
_PACK_KWH: Final = 40.0
_CAR_PRICE_USD: Final = 30_000.0
_JPY_PER_USD: Final = 150.0
_PACK_USD: Final = (2010, 1474.0, 2023, 139.0)  # BNEF December 2025, real: the two ends; log-linear between and after
_CONSIDER_2010: Final = 0.1
_DRIFT_SPREAD: Final = 0.15  # prior sd of a region's own yearly drift around what the inputs explain (assumption)
_SHOCK_FLOOR: Final = 0.2
_DAMPING: Final = 0.85  # a year: what the past adds fades (damped trend, Gardner and McKenzie 1985)


@dataclass(frozen=True)
class Drift:
    """What a region's past adds: yearly drift (mean, sd) and sd of a yearly shock, on logit of the share."""

    mean: float
    spread: float
    shock: float


def _logit(share: Array | float) -> Array:
    plain = np.asarray(share, dtype=np.float64)
    return np.log(plain / (1 - plain))


def pack_price_usd(year: float) -> float:
    """Pack price, real USD per kWh: log-linear through the two reported years."""
    first, high, last, low = _PACK_USD
    return float(high * np.exp(np.log(low / high) * (year - first) / (last - first)))


@cache
def _consideration(year: int) -> float:
    share = _CONSIDER_2010
    for _ in range(year - 2010):
        push, mouth = parameters()["outside_push"].central, parameters()["word_of_mouth"].central
        share = 1 - (1 - share) * float(np.exp(-(push + mouth * share)))
    return share


def _chargers(region: str, year: int, known_to: int) -> float:
    """ln(public chargers) of ``year``; after ``known_to`` they go on as in the three years before it."""
    table = {at: count for at, count in public_chargers(region).items() if at <= known_to}
    if not table:
        return 0.0
    years = sorted(table)
    if year <= years[-1]:
        return float(np.interp(year, years, np.log([table[at] for at in years])))
    back = max(years[0], years[-1] - 3)
    growth = np.log(table[years[-1]] / table[back]) / max(years[-1] - back, 1)
    return float(np.log(table[years[-1]]) + growth * (year - years[-1]))


def _policy(region: str, year: int, known_to: int) -> tuple[float, float]:
    """Subsidy (USD) and share of the market that had no electric car before and has now, as known."""
    rows = [row for row in ev_policy(region) if row[0] <= min(year, known_to)]
    return (rows[-1][1] / _JPY_PER_USD, rows[-1][2]) if rows else (0.0, 0.0)


def explained(region: str, year: int, known_to: int) -> float:
    """Change of logit share from the year before that the inputs explain; inputs after ``known_to`` are carried on.

    A carried-on input keeps its trend (chargers, packs, consideration) or its level (subsidy, models on sale).
    """
    chargers = _chargers(region, year, known_to) - _chargers(region, year - 1, known_to)
    subsidy, opened = _policy(region, year, known_to)
    subsidy_before, opened_before = _policy(region, year - 1, known_to)
    pack = _PACK_KWH * (pack_price_usd(year) - pack_price_usd(year - 1))
    price = GROUP_ELASTICITY * (subsidy - subsidy_before - pack) / _CAR_PRICE_USD
    consider = np.log(_consideration(year) / _consideration(year - 1))
    entry = np.log((1 - opened_before) / (1 - opened))
    return float(parameters()["charging_elasticity"].central * chargers + price + consider + entry)


def drift(region: str, origin: int) -> Drift:
    """Drift and shocks of a region from its shares up to ``origin``; nothing later is looked at."""
    history = dict(ev_history(region).select("year", "ev_share").iter_rows())
    years = [year for year in range(_FIRST_YEAR, origin + 1) if year in history and year - 1 in history]
    if len(years) < 3:
        return Drift(0.0, _DRIFT_SPREAD, 0.5)
    left = np.array(
        [_logit(history[year]) - _logit(history[year - 1]) - explained(region, year, origin) for year in years]
    )
    shock = max(float(np.std(left, ddof=1)), _SHOCK_FLOOR)
    weight = _DRIFT_SPREAD**2 / (_DRIFT_SPREAD**2 + shock**2 / len(left))
    return Drift(float(weight * left.mean()), float(np.sqrt(weight) * shock / np.sqrt(len(left))), shock)


def damped_years(horizon: int) -> Array:
    """How many full years of drift have gone into the share after 1 ... horizon years: 1, 1.85, ... (horizon,)."""
    return np.cumsum(_DAMPING ** np.arange(horizon))


def stock(sales: Mapping[int, Array]) -> dict[int, Array]:
    """Plug-in cars on the road by year from plug-in sales by year (any shape): what was sold and has not been scrapped.

    Survival is Weibull with shape 3 and scale 15 years (assumption: mean life 13.4 years).
    """
    years = sorted(sales)
    found = {}
    for year in years:
        alive = [sales[sold] * np.exp(-(((year - sold) / 15.0) ** 3)) for sold in years if sold <= year]
        found[year] = np.asarray(sum(alive), dtype=np.float64)
    return found


def forecast(region: str, origin: int, horizon: int, *, inputs_known_to: int | None = None, draws: int = 2000) -> Array:
    """EV share (draws, horizon) of the years after ``origin``; the first row is the central path without shocks.

    inputs_known_to: year up to which chargers, subsidies and models are taken as they were (default: origin).
    """
    history = dict(ev_history(region).select("year", "ev_share").iter_rows())
    known_to = origin if inputs_known_to is None else inputs_known_to
    past = drift(region, origin)
    steps = np.array([explained(region, origin + step, known_to) for step in range(1, horizon + 1)])
    generator = np.random.default_rng((2026, 9, origin))
    own = past.mean + past.spread * generator.standard_normal((draws, 1))
    shocks = past.shock * generator.standard_normal((draws, horizon))
    own[0], shocks[0] = past.mean, 0.0
    path = _logit(history[origin]) + (steps + shocks).cumsum(axis=1) + own * damped_years(horizon)
    return np.asarray(1 / (1 + np.exp(-path)), dtype=np.float64)
