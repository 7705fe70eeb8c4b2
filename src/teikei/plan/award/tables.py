"""A tender's sheets through the one engine for tables: the same cells, guard and words as a study's."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np

from teikei.errors import Problem, StudyError
from teikei.plan.award.types import Array
from teikei.tables.cells import CURRENCY_SIGNS, Cell, empty_cell, is_plain_number, plain_number
from teikei.tables.columns import plain_column
from teikei.tables.messages import closest as closest_word
from teikei.tables.read_folder import Found, read_folder
from teikei.tables.read_tables import ZERO_FORMULA, check_lengths, mixed_signs, read_content
from teikei.tables.read_workbook import read_workbook
from teikei.tables.sheet_facts import BadCell
from teikei.tables.source import Layout, RawTable, name_and_unit

COLUMNS: Final[dict[str, tuple[tuple[str, ...], tuple[str, ...]]]] = {
    "items": (("item", "year", "quantity"), ("item_group", "order_multiple")),
    "suppliers": (("supplier",), ("activation_cost", "country")),
    "capacity": (("supplier", "year", "capacity"), ("min_quantity",)),
    "offers": (
        ("supplier", "item", "year", "unit_price"),
        ("max_quantity", "min_quantity", "order_multiple", "currency"),
    ),
    "tiers": (("supplier", "year", "from_quantity", "discount"), ("item", "basis", "kind")),
    "bundles": (("bundle", "supplier", "items", "discount"), ("year", "min_share")),
    "take_or_pay": (("supplier", "quantity", "price"), ("items", "from_year", "to_year", "when")),
    "expansions": (("supplier", "from_year", "capacity", "cost"), ("to_year",)),
    "currencies": (("currency", "rate"), ("date",)),
    "adders": (("supplier", "item", "kind", "value"), ("year", "currency")),
    "groups": (("group", "supplier"), ()),
    "rules": (("rule", "scope", "value"), ("basis", "period")),
}
REQUIRED_TABLES: Final = ("items", "suppliers", "offers")
MONEY_COLUMNS: Final = frozenset({"unit_price", "activation_cost", "price", "cost"})
YEAR_COLUMNS: Final = frozenset({"year", "from_year", "to_year"})
NAME_COLUMNS: Final = frozenset(
    {"supplier", "item", "items", "bundle", "rule", "scope", "basis", "kind", "when", "period", "group"}
)
"""Columns whose cells must read as names; those of numbers are read where they are used, others are as they stand."""


@dataclass(frozen=True)
class TenderTable:
    """One table of a tender: rows by number from 0, cells by name of column."""

    raw: RawTable

    @property
    def name(self) -> str:
        """Name of the table."""
        return self.raw.name

    @property
    def header(self) -> tuple[str, ...]:
        """Names of columns."""
        return self.raw.header

    @cached_property
    def rows(self) -> tuple[Sequence[Any], ...]:
        """Cells of each row as the file holds them."""
        return tuple(cells for _, cells in self.raw.rows)

    @cached_property
    def lines(self) -> tuple[int, ...]:
        """Line in the file, or row of the sheet, of each row (header = 1)."""
        return tuple(line for line, _ in self.raw.rows)

    def place(self, row: int, column: str) -> str:
        """``offers.csv:14:unit_price`` or ``tender.xlsx!offers!D14``."""
        if self.raw.is_sheet and column not in self.raw.positions:
            return self.raw.place(self.lines[row], index=0)
        return self.raw.place(self.lines[row], column)

    def problem(self, row: int, column: str, message: str, *, warning: bool = False) -> Problem:
        """A problem at a cell; in a workbook, whose places have no names, the column is named."""
        return Problem(self.place(row, column), f"{column}: {message}" if self.raw.is_sheet else message, warning)

    def header_place(self, column: str) -> str:
        """Place of the header row."""
        if self.raw.is_sheet:
            return self.raw.place(self.raw.header_line, index=self.raw.positions.get(column, 0))
        return f"{self.raw.file}:{self.raw.header_line}:{column}"

    def cells(self, column: str) -> list[Any]:
        """The raw cells of a column; empty strings if the table has no such column."""
        at = self.raw.positions.get(column)
        if at is None:
            return [""] * len(self.raw.rows)
        return [row[at] if at < len(row) else "" for _, row in self.raw.rows]

    def texts(self, column: str) -> list[str]:
        """The cells of a column as names, or years; empty where a cell cannot be read as such."""
        return ["" if cell.value is None else str(cell.value) for cell in self.read(column)]

    @cached_property
    def _read(self) -> dict[str, list[Cell]]:
        return {}

    def read(self, column: str) -> list[Cell]:
        """The cells of a column as names (text that others refer to), or as years."""
        if column not in self._read:
            self._read[column] = self._read_column(column)
        return self._read[column]

    def _read_column(self, column: str) -> list[Cell]:
        described = plain_column(self.name, column, "period" if column in YEAR_COLUMNS else "text")
        known: dict[tuple[type, Any], Cell] = {}
        result = []
        for content in self.cells(column):
            key = (type(content), content)
            if key not in known:
                known[key] = read_content(described, content, Cell(), is_sheet=self.raw.is_sheet)
            result.append(known[key])
        return result


def read_tables(path: Path) -> tuple[dict[str, TenderTable], list[Problem]]:
    """The sheets of a tender and the problems of their shape; ``cell_problems`` has those of single cells.

    path: a folder with items.csv, suppliers.csv, offers.csv and perhaps the other tables of ``COLUMNS``, or a
    workbook (.xlsx, .xlsm, .ods) with sheets of these names. Raises StudyError if nothing can be read at all.
    """
    if not path.exists():
        raise StudyError([Problem(str(path), "no such folder or workbook")])
    found = Found()
    layout = Layout("tender", {name: (*required, *optional) for name, (required, optional) in COLUMNS.items()})
    if path.is_dir():
        read_folder(path, found, layout)
    else:
        read_workbook(path, found, layout)
        if not found.tables and any(not problem.warning for problem in found.problems):
            raise StudyError(found.problems)
    problems = found.problems
    tables = {name: TenderTable(found.tables[name]) for name in COLUMNS if name in found.tables}
    for name in REQUIRED_TABLES:
        if name not in tables and name not in found.damaged:
            wanted = f"is missing: add it with the columns {', '.join(COLUMNS[name][0])}"
            place, kind = (f"{name}.csv", "table") if path.is_dir() else (path.name, "sheet")
            problems.append(Problem(place, f"the {kind} {name} {wanted}"))
    for table in tables.values():
        problems.extend(_header_problems(table))
    return tables, problems


def number_column(
    table: TenderTable, column: str, problems: list[Problem], *, empty: float | None = None, least: float | None = 0.0
) -> Array:
    """A column as floats; each cell that is no finite number (or below ``least``) is a problem and becomes NaN.

    empty: what an empty cell means; None if it must be filled. Cells are read as those of a study
    (``tables.read_content``); an amount of money may carry the sign of its currency, the same in the whole column and
    fitting the column ``currency`` where there is one.
    """
    raw = table.raw
    described = plain_column(
        table.name, column, "number", minimum=least, required=empty is None, unit="currency" * (column in MONEY_COLUMNS)
    )
    at = raw.positions.get(column, -1)
    blank = empty_cell(described) if empty is None else Cell(empty)
    currencies = table.texts("currency") if "currency" in raw.positions else []
    signs: dict[str, int] = {}
    notes: dict[str, list[int]] = {}
    result = np.full(len(raw.rows), np.nan)
    for row, content in enumerate(table.cells(column)):
        if isinstance(content, float) or (not raw.is_sheet and isinstance(content, str) and is_plain_number(content)):
            value = float(content)  # the usual cell, without the words around it
            if np.isfinite(value) and (least is None or value >= least) and not raw.formula_zeros:
                result[row] = value
                continue
        if isinstance(content, BadCell):
            continue  # told with the table
        cell = read_content(described, content, blank, is_sheet=raw.is_sheet)
        if isinstance(content, str) and not content.strip():
            cell = blank
        error = cell.error
        if cell.sign:
            signs.setdefault(cell.sign, row)
            if len(signs) > 1 and not currencies:
                error = mixed_signs(signs)
            elif currencies and currencies[row] and currencies[row].upper() not in CURRENCY_SIGNS[cell.sign]:
                error = f"the sign {cell.sign} does not fit the currency {currencies[row]} of the row"
        if error:
            problems.append(table.problem(row, column, error))
            continue
        if cell.note:
            notes.setdefault(cell.note, []).append(row)
        if (table.lines[row], at) in raw.formula_zeros:
            notes.setdefault(ZERO_FORMULA, []).append(row)
        result[row] = cell.value
    for note, rows in notes.items():
        more = f" (and {len(rows) - 1} more in this column)" if len(rows) > 1 else ""
        problems.append(table.problem(rows[0], column, f"{note}{more}", warning=True))
    return result


def year_column(table: TenderTable, problems: list[Problem]) -> list[int | None]:
    """The column ``year`` as whole numbers; None where it is none (a problem)."""
    result: list[int | None] = []
    for row, cell in enumerate(table.read("year")):
        result.append(cell.value)
        if cell.value is None and not cell.error:
            problems.append(Problem(table.place(row, "year"), "year is empty, a year such as 2030 is expected"))
    return result


def year_of(text: str) -> int | None:
    """A year as ``read_content`` reads it (``2030``, ``2030.0``, ``2030年度``); None where it is none."""
    cell = read_content(plain_column("", "year", "period"), text, Cell(), is_sheet=False)
    return None if cell.value is None else int(cell.value)


def number_of(text: str) -> float | None:
    """A number by the law of cells; None where the text is none."""
    try:
        return plain_number(text)
    except ValueError:
        return None


def split_names(text: str, separator: str) -> list[str]:
    """Parts of a text, cut at the separator outside double quotes; each as written, without blanks around it."""
    parts, depth, current = [], False, ""
    for character in text.replace("“", '"').replace("”", '"'):
        if character == '"':
            depth = not depth
        if character == separator and not depth:
            parts.append(current.strip())
            current = ""
        else:
            current += character
    return [*parts, current.strip()]


def unquoted(name: str) -> tuple[str, bool]:
    """(name, whether it stood in double quotes): ``"A;B"`` is the name A;B, where a quote itself is doubled."""
    if len(name) >= 2 and name.startswith('"') and name.endswith('"'):
        return name[1:-1].replace('""', '"'), True
    return name, False


def closest(name: str, known: Iterable[str]) -> str:
    """``; did you mean 'X'?`` or nothing."""
    match = closest_word(name, known)
    return "" if match is None else f"; did you mean '{match}'?"


def _header_problems(table: TenderTable) -> list[Problem]:
    required, optional = COLUMNS[table.name]
    header = tuple(name_and_unit(text)[0] for text in table.header)
    problems = [
        Problem(table.header_place(column), f"column {column} is missing{closest(column, header)}")
        for column in required
        if column not in table.raw.positions
    ]
    seen: set[str] = set()
    for index, column in enumerate(header):
        place = table.raw.place(table.raw.header_line, index=index)
        if column in seen and column:
            problems.append(Problem(place, f"column {column} stands there twice"))
        seen.add(column)
        if column and column not in required + optional:
            note = f"column {column} is not used{closest(column, required + optional)}"
            problems.append(Problem(place, note, warning=True))
    return problems


def cell_problems(table: TenderTable) -> list[Problem]:
    """Cells of known columns that are errors of a spreadsheet, names and years that cannot be read, uneven rows."""
    found = Found()
    if not table.raw.is_sheet:
        check_lengths(table.raw, found)
    problems = found.problems
    required, optional = COLUMNS[table.name]
    for column in (*required, *optional):
        notes: dict[str, list[int]] = {}
        if column not in NAME_COLUMNS | YEAR_COLUMNS:
            for row, content in enumerate(table.cells(column)):
                if isinstance(content, BadCell):
                    problems.append(table.problem(row, column, str(content)))
            continue
        for row, cell in enumerate(table.read(column)):
            if cell.error:
                problems.append(table.problem(row, column, cell.error))
            elif cell.note:
                notes.setdefault(cell.note, []).append(row)
        for note, rows in notes.items():
            more = f" (and {len(rows) - 1} more in this column)" if len(rows) > 1 else ""
            problems.append(table.problem(rows[0], column, f"{note}{more}", warning=True))
    return problems
