"""Reading a tender's sheets from a folder of CSV files or one workbook, cell by cell with their places."""

from __future__ import annotations

import csv
import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from teikei.errors import Problem, StudyError
from teikei.plan.award.types import Array

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
    "groups": (("group", "supplier"), ()),
    "rules": (("rule", "scope", "value"), ("basis", "period")),
}
REQUIRED_TABLES: Final = ("items", "suppliers", "offers")


@dataclass(frozen=True)
class RawTable:
    """Cells of one sheet as written. ``lines[i]`` is the line (header = 1) of row i; ``source`` names file or sheet."""

    name: str
    source: str
    header: tuple[str, ...]
    rows: tuple[Sequence[Any], ...]
    lines: tuple[int, ...]
    workbook: bool

    def place(self, row: int, column: str) -> str:
        """``offers.csv:14:unit_price`` or ``tender.xlsx!offers!D14``."""
        if not self.workbook:
            return f"{self.source}:{self.lines[row]}:{column}"
        number, letters = self.header.index(column) + 1 if column in self.header else 1, ""
        while number:
            number, rest = divmod(number - 1, 26)
            letters = chr(65 + rest) + letters
        return f"{self.source}!{letters}{self.lines[row]}"

    def header_place(self, column: str) -> str:
        """Place of the header row."""
        return f"{self.source}!A1" if self.workbook else f"{self.source}:1:{column}"

    def cells(self, column: str) -> list[Any]:
        """The raw cells of a column; empty strings if the sheet has no such column."""
        if column not in self.header:
            return [""] * len(self.rows)
        at = self.header.index(column)
        return [row[at] if at < len(row) else "" for row in self.rows]

    def texts(self, column: str) -> list[str]:
        """The cells of a column as trimmed text; a whole number from a workbook is written without its ``.0``."""
        cells = self.cells(column)
        return [cell.strip() if isinstance(cell, str) else _text(cell) for cell in cells]


def read_tables(path: Path) -> tuple[dict[str, RawTable], list[Problem]]:
    """The sheets of a tender and the problems of their shape.

    path: a folder with items.csv, suppliers.csv, offers.csv and perhaps the other tables of ``COLUMNS``, or a
    workbook (.xlsx, .xlsm, .xlsb, .ods) with sheets of these names. Raises StudyError if nothing can be read at all.
    """
    if not path.exists():
        raise StudyError([Problem(str(path), "no such folder or workbook")])
    problems: list[Problem] = []
    tables = _read_folder(path, problems) if path.is_dir() else _read_workbook(path, problems)
    for name in REQUIRED_TABLES:
        if name not in tables and not any(name in problem.place for problem in problems):
            wanted = f"is missing: add it with the columns {', '.join(COLUMNS[name][0])}"
            place, kind = (f"{name}.csv", "table") if path.is_dir() else (path.name, "sheet")
            problems.append(Problem(place, f"the {kind} {name} {wanted}"))
    for table in tables.values():
        problems.extend(_header_problems(table))
    return tables, problems


def number_column(
    table: RawTable, column: str, problems: list[Problem], *, empty: float | None = None, least: float | None = 0.0
) -> Array:
    """A column as floats; each cell that is no finite number (or below ``least``) is a problem and becomes NaN.

    empty: what an empty cell means; None if it must be filled.
    """
    cells = table.cells(column)
    result = np.full(len(cells), np.nan)
    for row, cell in enumerate(cells):
        if isinstance(cell, str):
            cell = cell.strip()  # noqa: PLW2901
            if cell == "":
                if empty is None:
                    problems.append(Problem(table.place(row, column), f"{column} is empty, a number is expected"))
                else:
                    result[row] = empty
                continue
        try:
            value = float(cell)
        except (TypeError, ValueError):
            problems.append(Problem(table.place(row, column), f"{column} is '{cell}', a number is expected"))
            continue
        if not np.isfinite(value) or isinstance(cell, bool):
            problems.append(Problem(table.place(row, column), f"{column} is {cell}, a finite number is expected"))
        elif least is not None and value < least:
            problems.append(Problem(table.place(row, column), f"{column} is {value:g}, it must be at least {least:g}"))
        else:
            result[row] = value
    return result


def year_column(table: RawTable, problems: list[Problem]) -> list[int | None]:
    """The column ``year`` as whole numbers; None where it is none (a problem)."""
    result = [year_of(text) for text in table.texts("year")]
    for row, (year, text) in enumerate(zip(result, table.texts("year"), strict=True)):
        if year is None:
            problems.append(Problem(table.place(row, "year"), f"year is '{text}', a whole number is expected"))
    return result


def year_of(text: str) -> int | None:
    """A year as people and programs write it (``2030``, ``2030.0``); None where it is no whole number."""
    try:
        value = float(text)
    except ValueError:
        return None
    return int(value) if value.is_integer() else None


def closest(name: str, known: Iterable[str]) -> str:
    """``; did you mean 'X'?`` or nothing."""
    found = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean '{found[0]}'?" if found else ""


def _text(cell: Any) -> str:
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return "" if cell is None else str(cell)


def _read_folder(path: Path, problems: list[Problem]) -> dict[str, RawTable]:
    tables: dict[str, RawTable] = {}
    problems += [
        Problem(file.name, f"the file is not used{closest(file.stem.strip().lower(), COLUMNS)}", warning=True)
        for file in sorted(path.glob("*.csv"))
        if file.stem not in COLUMNS
    ]
    for name in COLUMNS:
        file = path / f"{name}.csv"
        if not file.is_file():
            continue
        try:
            with file.open(encoding="utf-8-sig", newline="") as stream:
                reader = csv.reader(stream)
                rows, lines = [], []
                for row in reader:
                    if any(cell.strip() for cell in row):
                        rows.append(row)
                        lines.append(reader.line_num)
        except (UnicodeDecodeError, csv.Error, OSError) as error:
            problems.append(Problem(f"{name}.csv", f"cannot be read as UTF-8 CSV: {error}"))
            continue
        if not rows:
            problems.append(Problem(f"{name}.csv:1", "the file is empty, a header row is expected"))
            continue
        header = tuple(cell.strip() for cell in rows[0])
        if len(header) == 1 and ";" in header[0]:
            text = "the columns are separated by semicolons, commas are expected (and points in numbers: 1.5)"
            problems.append(Problem(f"{name}.csv:1", text))
            continue
        tables[name] = RawTable(name, f"{name}.csv", header, tuple(rows[1:]), tuple(lines[1:]), workbook=False)
    return tables


def _read_workbook(path: Path, problems: list[Problem]) -> dict[str, RawTable]:
    from python_calamine import CalamineError, CalamineWorkbook

    try:
        book = CalamineWorkbook.from_path(path)
    except (CalamineError, OSError) as error:
        raise StudyError([Problem(path.name, f"cannot be read as a workbook: {error}")]) from error
    tables: dict[str, RawTable] = {}
    problems += [
        Problem(f"{path.name}!{sheet}", f"the sheet is not used{closest(sheet.strip().lower(), COLUMNS)}", warning=True)
        for sheet in book.sheet_names
        if sheet not in COLUMNS
    ]
    for name in COLUMNS:
        if name not in book.sheet_names:
            continue
        cells = book.get_sheet_by_name(name).to_python(skip_empty_area=False)
        kept = [(number, row) for number, row in enumerate(cells, 1) if any(str(cell).strip() for cell in row)]
        if not kept:
            problems.append(Problem(f"{path.name}!{name}!A1", "the sheet is empty, a header row is expected"))
            continue
        header = tuple(str(cell).strip() for cell in kept[0][1])
        rows, lines = tuple(row for _, row in kept[1:]), tuple(number for number, _ in kept[1:])
        tables[name] = RawTable(name, f"{path.name}!{name}", header, rows, lines, workbook=True)
    return tables


def _header_problems(table: RawTable) -> list[Problem]:
    required, optional = COLUMNS[table.name]
    problems = [
        Problem(table.header_place(column), f"column {column} is missing{closest(column, table.header)}")
        for column in required
        if column not in table.header
    ]
    seen: set[str] = set()
    for column in table.header:
        if column in seen and column:
            problems.append(Problem(table.header_place(column), f"column {column} stands there twice"))
        seen.add(column)
        if column and column not in required + optional:
            note = f"column {column} is not used{closest(column, required + optional)}"
            problems.append(Problem(table.header_place(column), note, warning=True))
    return problems
