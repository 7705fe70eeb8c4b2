"""A sheet of whatever form as a grid of cells, and which of them were used for what."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from teikei.tables.messages import one_line, shorten
from teikei.tables.read_folder import LARGEST_FILE_BYTES, Found, decode, read_bytes
from teikei.tables.read_workbook import read_sheets
from teikei.tables.sheet_facts import spans
from teikei.tables.source import column_letters

MOST_TOLD: Final = 200


@dataclass
class Grid:
    """One sheet. cells: (row, column) from 1 and 0 -> value, only those that hold something; used: what was read."""

    title: str
    place: str
    cells: dict[tuple[int, int], Any]
    merged: dict[tuple[int, int], tuple[int, int]] = field(
        default_factory=dict
    )  # cell -> the first of its merged range
    hidden: tuple[int, ...] = ()
    used: set[tuple[int, int]] = field(default_factory=set)

    @property
    def rows(self) -> list[int]:
        """Numbers of the rows that hold something."""
        return sorted({row for row, _ in self.cells})

    @property
    def width(self) -> int:
        """Number of columns up to the last that holds something."""
        return max((column for _, column in self.cells), default=-1) + 1

    def at(self, row: int, column: int) -> Any:
        """A cell's value; a cell in a merged range has that of its first."""
        return self.cells.get(self.merged.get((row, column), (row, column)), "")

    def cell(self, row: int, column: int) -> str:
        """The place of a cell."""
        return f"{self.place}!{column_letters(column)}{row}"

    def use(self, row: int, columns: Iterable[int]) -> None:
        """Marks cells as read."""
        for column in columns:
            self.used.add(self.merged.get((row, column), (row, column)))

    def unused(self) -> list[str]:
        """Every cell that was not read, by column and runs of rows, with what stands there."""
        left: dict[int, list[int]] = {}
        for row, column in sorted(set(self.cells) - self.used, key=lambda at: (at[1], at[0])):
            left.setdefault(column, []).append(row)
        told = []
        for column, rows in left.items():
            values = [one_line(shorten(str(self.cells[row, column]), 70)) for row in rows]
            shown = ", ".join(dict.fromkeys(values[:6])) + (" …" if len(set(values)) > 6 else "")
            letters = column_letters(column)
            told.append(f"{self.place}!{letters}{rows[0]}: not used: column {letters}, rows {spans(rows)}: {shown}")
        return told


def read_grids(path: Path, found: Found) -> list[Grid]:
    """The sheets of a workbook, or the one table of a CSV file (commas, semicolons or tabs)."""
    if path.suffix.casefold() in (".csv", ".tsv", ".txt"):
        return _read_csv(path, found)
    grids = []
    for sheet in (read_sheets(path, found) or {}).values():
        if sheet is None:
            continue
        cells = {
            (number, column): cell
            for number, row in sheet.rows
            for column, cell in enumerate(row)
            if cell is not None and not (isinstance(cell, str) and not cell.strip())
        }
        merged = {
            (row + 1, column): (top + 1, left)
            for (top, left), (bottom, right) in sheet.merged
            for row in range(top, min(bottom, top + 1000) + 1)
            for column in range(left, min(right, left + 1000) + 1)
        }
        hidden = tuple(number for number, _ in sheet.rows if number - 1 in sheet.facts.hidden_rows)
        grids.append(Grid(sheet.title, sheet.place, cells, merged, hidden))
        for row, column in sheet.facts.formula_zeros:
            found.warning(grids[-1].cell(row + 1, column), "the formula's stored result is 0: is it computed?")
    return grids


def _read_csv(path: Path, found: Found) -> list[Grid]:
    data = read_bytes(path, path.name, LARGEST_FILE_BYTES, found)
    text = None if data is None else decode(data, path.name, found)
    if text is None:
        return []
    lines = [line for line in text.splitlines() if line.strip()][:30]
    counts = {separator: sum(line.count(separator) for line in lines) for separator in ("\t", ";", ",")}
    separator = "\t" if counts["\t"] >= len(lines) else ";" if counts[";"] >= len(lines) else ","
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    cells: dict[tuple[int, int], Any] = {}
    try:
        for row in reader:
            cells.update({(reader.line_num, column): cell for column, cell in enumerate(row) if cell.strip()})
    except csv.Error as problem:
        found.error(f"{path.name}:{reader.line_num}", f"the line cannot be read as CSV ({one_line(str(problem))})")
        return []
    return [Grid(path.stem, path.name, cells)]
