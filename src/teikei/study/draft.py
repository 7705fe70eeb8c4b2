"""A study as far as it could be read: rows with typed values, before it is known to be right."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from teikei.study.types import Settings
from teikei.tables.columns import Column
from teikei.tables.source import Row


@dataclass(frozen=True)
class Draft:
    """A study as far as it could be read: what the checks work on.

    rows: table -> its rows (every table of columns.csv is present); damaged: tables of which rows were lost in reading;
    settings: None where study.yaml has errors; places of settings by key.
    """

    settings: Settings | None
    rows: Mapping[str, tuple[Row, ...]]
    columns: Mapping[str, Mapping[str, Column]]
    files: Mapping[str, str]
    damaged: frozenset[str] = frozenset()
    setting_places: Mapping[str, str] = field(default_factory=dict)

    def __getitem__(self, table: str) -> tuple[Row, ...]:
        return self.rows[table]

    def values(self, table: str, column: str) -> list[Any]:
        """The values of a column that are there, in order."""
        return [row.values[column] for row in self.rows[table] if row.values.get(column) is not None]

    def by_key(self, table: str, *columns: str) -> dict[Any, Row]:
        """First row of each key; the key is the value itself for one column, a tuple for several."""
        found: dict[Any, Row] = {}
        for key, row in self.keyed(table, *columns):
            found.setdefault(key, row)
        return found

    def grouped(self, table: str, *columns: str) -> dict[Any, list[Row]]:
        """Rows by key, for rows whose key is complete."""
        found: dict[Any, list[Row]] = {}
        for key, row in self.keyed(table, *columns):
            found.setdefault(key, []).append(row)
        return found

    def keyed(self, table: str, *columns: str) -> Iterator[tuple[Any, Row]]:
        """(key, row) for rows whose key columns are all readable."""
        for row in self.rows[table]:
            key = tuple(tuple(cell) if isinstance(cell := row.values.get(name), list) else cell for name in columns)
            if None not in key:
                yield (key[0] if len(columns) == 1 else key), row
