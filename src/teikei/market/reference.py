"""Reference data shipped with teikei: parameter ranges, VAT rates, history of EV shares (sources beside the files)."""

from __future__ import annotations

import csv
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
    """One parameter: central value, 10-90 % range, and the scale (``log`` or ``logit``) on which it is normal."""

    name: str
    central: float
    low: float
    high: float
    scale: str
    confidence: str
    source: str

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


def _rows(name: str) -> list[dict[str, str]]:
    text = resources.files("teikei").joinpath("data", "market", name).read_text("utf-8")
    return list(csv.DictReader(text.splitlines()))


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
        )
        for row in _rows("parameters.csv")
    }


def vat_rate(country: str) -> float:
    """Value-added tax in list prices of a country; StudyError where none is known."""
    rates = {row["country"]: float(row["vat"]) for row in _rows("vat.csv")}
    if country not in rates:
        raise StudyError(f"home_market: no VAT rate is known for {country}; expected one of {', '.join(sorted(rates))}")
    return rates[country]


def ev_history(region: str | None = None) -> pl.DataFrame:
    """Sales share of plug-in cars: region, year, ev_share, ev_units (IEA Global EV Outlook 2025), one region or all."""
    table = pl.DataFrame(
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
    return table if region is None else table.filter(pl.col("region") == region)


def public_chargers(region: str) -> dict[int, float]:
    """Public charging points, fast and slow, by year (IEA Global EV Outlook 2025)."""
    found = {}
    for row in _rows("chargers.csv"):
        if row["region"] == region and row["slow"]:
            found[int(row["year"])] = float(row["slow"]) + float(row["fast"] or 0.0)
    return found


def ev_policy(region: str) -> list[tuple[int, float, float]]:
    """Changes of policy and supply: (year, subsidy cap in JPY, share of the market opened to electric cars)."""
    return [
        (int(row["year"]), float(row["subsidy_cap_jpy"]), float(row["opened_segment_share"]))
        for row in _rows("ev_policy.csv")
        if row["region"] == region
    ]
