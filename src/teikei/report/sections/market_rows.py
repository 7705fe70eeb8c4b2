"""Reading the market's own tables for the report: typed, and empty where something is not stored."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import polars as pl

from teikei.report.blocks import Text
from teikei.report.charts import Series
from teikei.report.context import Context
from teikei.report.formatting import number

# name -> its text columns; every other column read is a number
TABLES: Final[Mapping[str, tuple[str, ...]]] = {
    "market_conduct": ("saving",),
    "market_parity": ("rung", "scenario", "segment"),
    "market_break_even": ("rung", "programme"),
    "market_incidence": ("company",),
    "market_pass_through": ("product", "company"),
    "market_regions": ("region", "title", "rung", "scenario"),
    "market_exports": ("region", "title", "programme", "company", "rung"),
}


def market_rows(context: Context, name: str, numbers: tuple[str, ...]) -> pl.DataFrame:
    """The stored table with the columns asked for, typed; empty where one is not stored or nothing is left."""
    texts = TABLES[name]
    stored = context.tables.stored.get(name)
    if stored is None or any(column not in stored.columns for column in (*texts, *numbers)):
        return pl.DataFrame(schema={**dict.fromkeys(texts, pl.String), **dict.fromkeys(numbers, pl.Float64)})
    if any(isinstance(stored[column].dtype, pl.List | pl.Struct) for column in (*texts, *numbers)):
        return stored.head(0).select(*texts, *numbers)
    typed = stored.select(
        *(pl.col(column).cast(pl.String, strict=False) for column in texts),
        *(pl.col(column).cast(pl.Float64, strict=False).fill_nan(None) for column in numbers),
    )
    return typed.drop_nulls(list(texts))


def absent(context: Context, name: str) -> Text:
    """The sentence in place of a picture."""
    return Text(context.tables.why_absent(name), "absent")


def banded(*names: str) -> tuple[str, ...]:
    """Each name with its lower and upper."""
    return tuple(f"{name}{end}" for name in names for end in ("", "_lower", "_upper"))


def banded_series(name: str, rows: pl.DataFrame, column: str, factor: float = 1.0) -> Series:
    """A column and its band, times ``factor``."""
    middle, lower, upper = (
        [None if value is None else value * factor for value in rows[f"{column}{end}"].to_list()]
        for end in ("", "_lower", "_upper")
    )
    return Series(name, middle, lower, upper)


def interval(low: float | None, high: float | None, decimals: int) -> str:
    """Two ends in words."""
    return f"{number(low, decimals)} to {number(high, decimals)}"
