"""How fast plug-ins spread beyond what prices of single models explain: the yearly drift and its uncertainty.

A reduced form of the yearly market on the share alone, for any region with a history:

    logit s_t - logit s_(t-1) = steps_t + w * trends_t + drift + shock
    steps  = eta * d subsidy / price + d ln(segments opened)                  policy and models, known when announced
    trends = charging elasticity * d ln(chargers) - eta * d pack cost / price + d ln(consideration)

Steps and trends are inputs with parameters from elsewhere. Drift is what they left unexplained in the region's own
past, without its largest and its smallest year, shrunk towards zero and fading; shocks are as large as forecasts of
eight markets were wrong. The forecast takes drift, shocks and w from here; ``benchmarks/hindcast.py`` tests this very
function at past origins, and prints which w and which shrinkage the eight markets ask for at each of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from statistics import NormalDist
from typing import Final

import numpy as np

from teikei.market.reference import ev_history, ev_policy, parameters, public_chargers
from teikei.market.types import Array

GROUP_ELASTICITY: Final = 1.3  # BEV as a group (Fridstrom and Ostli 2021: 1.27), the calibration moment
MARKETS: Final = ("CN", "DE", "EU", "JP", "KR", "NO", "UK", "US")  # with a history that is not the world's
TREND_WEIGHT: Final = 0.5  # of trends in a year: what rolling origins of eight markets before 2018 ask for, and after
DRIFT_SPREAD: Final = 0.35  # prior sd of a region's own yearly drift; losses are flat from 0.15 to 0.4
_FIRST_YEAR: Final = 2013  # before, shares of a few hundredths of a percent
_LEAST_SHARE: Final = 2e-5
_PACK_KWH: Final = 40.0
_CAR_PRICE_USD: Final = 30_000.0
_PACK_USD: Final = (2010, 1474.0, 2023, 139.0)  # BNEF December 2025, real: the two ends; log-linear between and after
_CONSIDER_2010: Final = 0.1
_SHOCK_FLOOR: Final = 0.2
_SHOCK_UNKNOWN: Final = 0.6  # where there is no history: wider than of any region with one
_DAMPING: Final = 0.85  # a year: what the past adds fades (damped trend, Gardner and McKenzie 1985)


@dataclass(frozen=True)
class Drift:
    """What a region's past adds: yearly drift (mean, sd) and scale of a yearly shock, on logit of the share.

    known: from the region's own past; otherwise assumed wide.
    """

    mean: float
    spread: float
    shock: float
    known: bool = True


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
    """ln(public chargers) of ``year``; after ``known_to`` they go on as in the three years before it.

    The world's where the region's are not known.
    """
    everything = public_chargers(region) or public_chargers("World")
    table = {at: count for at, count in everything.items() if at <= known_to}
    if not table:
        return 0.0
    years = sorted(table)
    if year <= years[-1]:
        return float(np.interp(year, years, np.log([table[at] for at in years])))
    back = max(years[0], years[-1] - 3)
    growth = np.log(table[years[-1]] / table[back]) / max(years[-1] - back, 1)
    return float(np.log(table[years[-1]]) + growth * (year - years[-1]))


def _policy(region: str, year: int, known_to: int) -> tuple[float, float]:
    """Subsidy (USD) and share of the market that had no electric car before and has now, as announced by then."""
    rows = [row for row in ev_policy(region) if row.year <= year and row.announced <= known_to]
    if not rows:
        return 0.0, 0.0
    last = max(rows, key=lambda row: (row.year, row.announced))
    return last.subsidy_usd, last.opened


def steps(region: str, year: int, known_to: int) -> float:
    """Change of logit share from the year before by policy and newly opened segments, as announced by ``known_to``."""
    subsidy, opened = _policy(region, year, known_to)
    subsidy_before, opened_before = _policy(region, year - 1, known_to)
    price = GROUP_ELASTICITY * (subsidy - subsidy_before) / _CAR_PRICE_USD
    return float(price + np.log((1 - opened_before) / (1 - opened)))


def trends(region: str, year: int, known_to: int) -> float:
    """Change of logit share from the year before by chargers, pack prices and consideration.

    Chargers after ``known_to`` go on as before it; pack prices and consideration follow one path everywhere.
    """
    chargers = _chargers(region, year, known_to) - _chargers(region, year - 1, known_to)
    pack = _PACK_KWH * (pack_price_usd(year) - pack_price_usd(year - 1))
    consider = np.log(_consideration(year) / _consideration(year - 1))
    price = -GROUP_ELASTICITY * pack / _CAR_PRICE_USD
    return float(parameters()["charging_elasticity"].central * chargers + price + consider)


def unexplained(region: str, origin: int, weight: float = TREND_WEIGHT) -> Array:
    """Yearly changes of logit share up to ``origin`` that steps and weighted trends leave open; later is not seen."""
    return np.array(_left_open(region, origin, weight, _shares(region)))


_History = tuple[tuple[int, float], ...]


def _shares(region: str) -> _History:
    """(year, share) of a region with a history worth a logit."""
    rows = ev_history(region).select("year", "ev_share").iter_rows()
    return tuple((year, share) for year, share in rows if share > _LEAST_SHARE)


@cache
def _left_open(region: str, origin: int, weight: float, history: _History) -> tuple[float, ...]:
    logit = {year: float(_logit(share)) for year, share in history if year <= origin}
    return tuple(
        logit[year] - logit[year - 1] - steps(region, year, origin) - weight * trends(region, year, origin)
        for year in range(_FIRST_YEAR, origin + 1)
        if year in logit and year - 1 in logit
    )


def own_drift(left: Array, spread: float = DRIFT_SPREAD, *, trimmed: bool = True) -> tuple[float, float, float]:
    """Mean of what was left open, shrunk towards zero, its sd, and the sd of the years around it.

    trimmed: without the largest and the smallest year, since one launch of a model makes a year of its own.
    """
    shock = max(float(np.std(left, ddof=1)), _SHOCK_FLOOR)
    weight = spread**2 / (spread**2 + shock**2 / len(left))
    centre = float(np.sort(left)[1:-1].mean()) if trimmed and len(left) > 3 else float(left.mean())
    return weight * centre, float(np.sqrt(weight) * shock / np.sqrt(len(left))), shock


def pooled_shock(origin: int) -> float:
    """Root mean square of the one-year errors, on logit, that forecasts of eight markets made up to ``origin``."""
    return _pooled(origin, tuple(_shares(region) for region in MARKETS))


@cache
def _pooled(origin: int, histories: tuple[_History, ...]) -> float:
    missed = []
    for region, history in zip(MARKETS, histories, strict=True):
        logit = {year: float(_logit(share)) for year, share in history}
        for past in range(_FIRST_YEAR + 2, origin):
            left = np.array(_left_open(region, past, TREND_WEIGHT, history))
            if len(left) < 2 or past not in logit or past + 1 not in logit:
                continue
            ahead = steps(region, past + 1, past) + TREND_WEIGHT * trends(region, past + 1, past) + own_drift(left)[0]
            missed.append(logit[past + 1] - logit[past] - ahead)
    return float(np.sqrt(np.mean(np.square(missed)))) if missed else _SHOCK_UNKNOWN


def drift(region: str, origin: int) -> Drift:
    """Drift and shocks of a region from its shares up to ``origin``; nothing later is looked at.

    The shock is the larger of the region's own and of the errors of all markets: a calm past has misled before.
    """
    left = unexplained(region, origin)
    if len(left) < 3:
        return Drift(0.0, DRIFT_SPREAD, _SHOCK_UNKNOWN, known=False)
    mean, spread, own = own_drift(left)
    return Drift(mean, spread, max(own, pooled_shock(origin)))


def beyond_the_market(region: str, origin: int, horizon: int) -> Array:
    """What to add, cumulated (horizon,), to logit shares of a market in which trends count in full.

    The drift, fading, less the part 1 - w of the trends that rolling origins did not find in the shares.
    """
    past = drift(region, origin)
    unseen = np.array([trends(region, origin + step, origin) for step in range(1, horizon + 1)])
    return np.asarray(past.mean * damped_years(horizon) - (1 - TREND_WEIGHT) * unseen.cumsum(), dtype=np.float64)


def spread_normal(generator: np.random.Generator, draws: int, columns: int) -> Array:
    """Standard normal draws (draws, columns), the first row 0: every column holds each part of the range once.

    Latin hypercube (McKay, Beckman and Conover 1979): bands of few draws are smooth over the years.
    """
    found = np.zeros((draws, columns))
    if draws > 1:
        scores = np.array([NormalDist().inv_cdf((k + 0.5) / (draws - 1)) for k in range(draws - 1)])
        found[1:] = np.stack([generator.permutation(scores) for _ in range(columns)], axis=1)
    return found


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

    inputs_known_to: year up to which chargers, subsidies and models are taken as they were (default: what was announced
    by the end of the origin's year).
    """
    history = dict(ev_history(region).select("year", "ev_share").iter_rows())
    known_to = origin if inputs_known_to is None else inputs_known_to
    past = drift(region, origin)
    years = range(origin + 1, origin + horizon + 1)
    change = np.array([steps(region, year, known_to) + TREND_WEIGHT * trends(region, year, known_to) for year in years])
    generator = np.random.default_rng((2026, 9, origin))
    noise = spread_normal(generator, draws, horizon + 1)
    own = past.mean + past.spread * noise[:, :1]
    shock = past.shock * noise[:, 1:]
    path = _logit(history[origin]) + (change + shock).cumsum(axis=1) + own * damped_years(horizon)
    return np.asarray(1 / (1 + np.exp(-path)), dtype=np.float64)
