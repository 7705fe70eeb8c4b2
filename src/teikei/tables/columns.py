"""columns.csv, the one description of tables and columns: it drives reader, checks, templates, reference and forms."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, Final

import polars as pl

from teikei.tables.source import Layout

LIST_SEPARATOR: Final = ";"

_DTYPES: Final[dict[str, Any]] = {
    "text": pl.String,
    "choice": pl.String,
    "month": pl.String,
    "number": pl.Float64,
    "integer": pl.Int64,
    "year": pl.Int64,
    "boolean": pl.Boolean,
    "list": pl.List(pl.String),
}


@dataclass(frozen=True, slots=True)
class Column:
    """One column of one table, as columns.csv describes it."""

    table: str
    name: str
    kind: str
    unit: str
    required: bool
    default: str
    minimum: float | None
    maximum: float | None
    visibility: str
    key: bool
    values: tuple[str, ...]
    references: str
    description: str

    @property
    def dtype(self) -> Any:
        """The polars type of the column in a checked study."""
        return _DTYPES[self.kind]

    def default_value(self) -> Any:
        """The default, typed; None where an empty cell stays empty."""
        return parse_plain(self, self.default) if self.default != "" else ([] if self.kind == "list" else None)


@cache
def all_columns() -> Mapping[str, Mapping[str, Column]]:
    """Table name -> column name -> description, in the order of columns.csv."""
    tables: dict[str, dict[str, Column]] = {}
    text = resources.files("teikei.tables").joinpath("columns.csv").read_text("utf-8")
    for row in csv.DictReader(text.splitlines()):
        tables.setdefault(row["table"], {})[row["column"]] = Column(
            table=row["table"],
            name=row["column"],
            kind=row["type"],
            unit=row["unit"],
            required=row["required"] == "yes",
            default=row["default"],
            minimum=float(row["min"]) if row["min"] else None,
            maximum=float(row["max"]) if row["max"] else None,
            visibility=row["visibility"],
            key=row["key"] == "yes",
            values=tuple(row["values"].split("|")) if row["values"] else (),
            references=row["references"],
            description=row["description"],
        )
    return tables


@cache
def plain_column(
    table: str, name: str, kind: str, *, minimum: float | None = None, required: bool = False, unit: str = ""
) -> Column:
    """A column that columns.csv does not describe: of a tender, a vehicles file, a cycle. Text is a key."""
    return Column(
        table, name, kind, unit, required, default="", minimum=minimum, maximum=None, visibility="", key=kind == "text",
        values=(), references="", description="",
    )  # fmt: skip


@cache
def study_layout() -> Layout:
    """The tables of a study, for the readers of folders and workbooks."""
    return Layout("study", {table: tuple(columns) for table, columns in all_columns().items()}, has_settings=True)


def parse_plain(column: Column, text: str) -> Any:
    """The typed value of a well-formed cell text; raises ValueError otherwise."""
    if column.kind == "number":
        return float(text)
    if column.kind in ("integer", "year"):
        return int(text)
    if column.kind == "boolean":
        if text in ("yes", "no"):
            return text == "yes"
        raise ValueError(text)
    if column.kind == "list":
        return [part.strip() for part in text.split(LIST_SEPARATOR) if part.strip()]
    return text


def frame(table: str, rows: Iterable[Mapping[str, Any]] = ()) -> pl.DataFrame:
    """A typed table from rows of Python values; defaults fill what a row leaves out. KeyError on unknown columns."""
    columns = all_columns()[table]
    filled = []
    for row in rows:
        unknown = set(row) - set(columns)
        if unknown:
            raise KeyError(f"{table} has no column {sorted(unknown)}")
        filled.append({name: row.get(name, column.default_value()) for name, column in columns.items()})
    return pl.DataFrame(filled, schema={name: column.dtype for name, column in columns.items()}, orient="row")
