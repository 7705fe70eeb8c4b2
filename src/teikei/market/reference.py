"""Reference data shipped with teikei: parameter ranges, VAT rates, history of EV shares (sources beside the files)."""

from __future__ import annotations

import csv
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources

import numpy as np
import polars as pl

from teikei.errors import StudyError
from teikei.market.types import Array

_P90 = 1.2815515655446004  # standard normal quantile of 0.9


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter: central value, 10-90 % range, and the scale (``log`` or ``logit``) on which it is normal.

    markets: where the figure is from, empty where it is not bound to a market.
    """

    name: str
    central: float
    low: float
    high: float
    scale: str
    confidence: str
    source: str
    markets: tuple[str, ...] = ()

    def unbounded(self, value: Array | float) -> Array:
        """The value on the unbounded scale."""
        plain = np.asarray(value, dtype=np.float64)
        return np.log(plain) if self.scale == "log" else np.log(plain / (1 - plain))

    def bounded(self, value: Array | float) -> Array:
        """The value back from the unbounded scale."""
        plain = np.asarray(value, dtype=np.float64)
        return np.exp(plain) if self.scale == "log" else 1.0 / (1.0 + np.exp(-plain))

    @property
    def spread(self) -> float:
        """Standard deviation on the unbounded scale."""
        return float(self.unbounded(self.high) - self.unbounded(self.low)) / (2 * _P90)


@cache
def _rows(name: str) -> tuple[dict[str, str], ...]:
    text = resources.files("teikei").joinpath("data", "market", name).read_text("utf-8")
    return tuple(csv.DictReader(text.splitlines()))


@cache
def parameters() -> dict[str, Parameter]:
    """Every parameter of the market by name, in the order of the file."""
    return {
        row["parameter"]: Parameter(
            row["parameter"],
            float(row["central"]),
            float(row["low"]),
            float(row["high"]),
            row["scale"],
            row["confidence"],
            row["source"],
            tuple(row["markets"].split()),
        )
        for row in _rows("parameters.csv")
    }


def vat_rate(country: str) -> float:
    """Value-added tax in list prices of a country; StudyError where none is known."""
    rates = {row["country"]: float(row["vat"]) for row in _rows("vat.csv")}
    if country not in rates:
        known = ", ".join(sorted(rates))
        raise StudyError(f"study.yaml:home_market: no VAT rate is known for {country}; expected one of {known}")
    return rates[country]


@cache
def _history() -> pl.DataFrame:
    return pl.DataFrame(
        [
            {
                "region": row["region"],
                "year": int(row["year"]),
                "ev_share": float(row["ev_share"]),
                "ev_units": float(row["ev_units"]),
            }
            for row in _rows("ev_history.csv")
        ],
        schema={"region": pl.String, "year": pl.Int64, "ev_share": pl.Float64, "ev_units": pl.Float64},
    )


def ev_history(region: str | None = None) -> pl.DataFrame:
    """Sales share of plug-in cars: region, year, ev_share, ev_units (IEA Global EV Outlook 2025), one region or all."""
    return _history() if region is None else _history().filter(pl.col("region") == region)


@cache
def public_chargers(region: str) -> dict[int, float]:
    """Public charging points, fast and slow, by year (IEA Global EV Outlook 2025)."""
    found = {}
    for row in _rows("chargers.csv"):
        if row["region"] == region and row["slow"]:
            found[int(row["year"])] = float(row["slow"]) + float(row["fast"] or 0.0)
    return found


@dataclass(frozen=True, slots=True)
class PolicyRow:
    """What holds from ``year`` on, as known at the end of ``announced``.

    subsidy in USD for the longest range; opened: share of the market in which electric cars are on sale that had none
    before (kei cars in Japan).
    """

    year: int
    announced: int
    subsidy_usd: float
    opened: float


_PER_USD = {"JPY": 150.0, "CNY": 6.8}  # rounded, constant: real changes of a subsidy matter, not exchange rates


@cache
def ev_policy(region: str) -> tuple[PolicyRow, ...]:
    """Changes of policy and supply of a region, in the order of the file."""
    return tuple(
        PolicyRow(
            int(row["year"]),
            int(row["announced"]),
            float(row["subsidy"]) / _PER_USD[row["currency"]],
            float(row["opened_segment_share"]),
        )
        for row in _rows("ev_policy.csv")
        if row["region"] == region
    )


def observed(experiment: str) -> list[dict[str, str]]:
    """What was observed in a natural experiment: item, value, unit, source."""
    return [row for row in _rows("natural_experiments.csv") if row["experiment"] == experiment]


@dataclass(frozen=True, slots=True)
class Region:
    """A market known as an aggregate. Prices in JPY with taxes; ``covers``: sales regions of studies that belong to it.

    history: region of the EV history; known_to, known_share: its last year; makers: equal makers that a composite
    stands for; new_cars: cars sold a year.
    """

    region: str
    title: str
    covers: tuple[str, ...]
    history: str
    new_cars: float
    bev_price: float
    combustion_price: float
    makers: int
    known_to: int
    known_share: float


_JPY_PER = {"EUR": 175.0, "USD": 150.0}


@cache
def regions() -> tuple[Region, ...]:
    """Aggregates of the markets that are not the home market (``data/market/regions.csv``)."""
    found = []
    for row in _rows("regions.csv"):
        share = dict(ev_history(row["history"]).select("year", "ev_share").iter_rows())
        rate = _JPY_PER[row["currency"]]
        found.append(
            Region(
                row["region"],
                row["title"],
                tuple(row["covers"].split()),
                row["history"],
                float(row["new_cars"]),
                rate * float(row["bev_price"]),
                rate * float(row["combustion_price"]),
                int(row["makers"]),
                max(share),
                share[max(share)],
            )
        )
    return tuple(found)


@dataclass(frozen=True)
class Segment:
    """A segment of a country's market.

    covers: segments of programmes that belong to it, ``*`` for all that no other names; own_taste: whether buyers'
    taste for it differs from one to the next (parameter kei_taste_spread); running_saving: the parameter of what
    buyers count of cheaper energy.
    """

    name: str
    covers: frozenset[str]
    own_taste: bool
    running_saving: str


@cache
def known_segments(country: str) -> Mapping[str, Segment]:
    """What is known of a country's segments (data/market/segments.csv); empty for a country of which nothing is."""
    return {
        row["segment"]: Segment(
            row["segment"], frozenset(row["covers"].split(";")), row["own_taste"] == "yes", row["running_saving"]
        )
        for row in _rows("segments.csv")
        if row["country"] == country
    }


def segment_of(country: str, name: str) -> Segment:
    """A segment of a country's market; one that no data know is a nest like any other."""
    return known_segments(country).get(name) or Segment(name, frozenset({name}), False, "running_saving_registered")


def segments_for(country: str, programme_segment: str, on_sale: Collection[str]) -> frozenset[str]:
    """Segments of the products to which a programme's segment belongs: its own, by the country's data, or all.

    on_sale: the segments of the country's products.
    """
    if programme_segment in on_sale:
        return frozenset({programme_segment})
    known = [segment_of(country, name) for name in on_sale]
    named = frozenset(one.name for one in known if programme_segment in one.covers)
    return named or frozenset(one.name for one in known if "*" in one.covers) or frozenset(on_sale)


def segment_price(segment: str) -> float:
    """Price in JPY of an electric car of a segment, where the study has none; the largest known where it is unknown."""
    prices = {row["segment"]: float(row["price_jpy"]) for row in _rows("segment_prices.csv")}
    return prices.get(segment, prices["C-SUV"])
