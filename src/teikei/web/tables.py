"""The tables of a version as texts: cells exactly as they were sent, so that a wrong one can be seen and mended.

Line numbers are those of the command line's messages. A workbook is turned into tables before its first edit; from then
on the study is a folder, and comes back as a workbook through the download.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from teikei.errors import Problem, StudyError
from teikei.tables.columns import all_columns
from teikei.tables.messages import number_text
from teikei.tables.read_folder import SETTINGS_FILE, Found, read_folder
from teikei.tables.read_workbook import read_workbook
from teikei.tables.source import RawTable, name_and_unit
from teikei.tables.write import write_csv

SETTINGS: Final = "study"
LONGEST_CELL: Final = 2_000
MOST_ROWS: Final = 100_000


@dataclass(frozen=True)
class Sheet:
    """One table as texts. rows: (line, cells), each as long as the header; damaged: not all rows could be read."""

    name: str
    header: tuple[str, ...]
    rows: tuple[tuple[int, tuple[str, ...]], ...]
    damaged: bool = False


@dataclass(frozen=True)
class Change:
    """One difference between two versions. kind: changed, added or removed; column is empty for whole rows."""

    table: str
    key: str
    kind: str
    column: str = ""
    before: str = ""
    after: str = ""


def read_sheets(path: Path) -> dict[str, Sheet]:
    """Every table of a study's folder or workbook, in the order of columns.csv; tables that it leaves out are empty."""
    found = Found()
    if path.is_dir():
        read_folder(path, found)
    else:
        read_workbook(path, found)
    sheets = {}
    for name, columns in all_columns().items():
        raw = found.tables.get(name)
        damaged = name in found.damaged
        sheets[name] = Sheet(name, tuple(columns), (), damaged) if raw is None else _sheet(raw, damaged)
    return sheets


def _sheet(raw: RawTable, damaged: bool) -> Sheet:
    header = tuple(name_and_unit(text)[0] for text in raw.header)
    width = len(header)
    rows = tuple(
        (line, (*(_text(cell) for cell in cells[:width]), *[""] * (width - len(cells)))) for line, cells in raw.rows
    )
    uneven = any(len(cells) > width and any(str(cell).strip() for cell in cells[width:]) for _, cells in raw.rows)
    return Sheet(raw.name, header, rows, damaged or raw.damaged or uneven)


def _text(cell: Any) -> str:
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    if isinstance(cell, int | float):
        return number_text(cell)
    return str(cell)


def settings_text(path: Path) -> str:
    """study.yaml as it stands; of a workbook, the sheet ``study`` in the form of study.yaml."""
    if path.is_dir():
        file = path / SETTINGS_FILE
        return file.read_text("utf-8", errors="replace") if file.is_file() else ""
    raw = read_workbook(path, Found())
    values = {} if raw is None else raw.values
    return "".join(f"{key}: {_yaml(value)}\n" for key, value in values.items() if value not in (None, ""))


def _yaml(value: Any) -> str:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, str) and ";" in value and all(_is_number(part) for part in value.split(";")):
        value = [float(part) for part in value.split(";")]
    return json.dumps(value, ensure_ascii=False, default=str)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def write_sheet(sheet: Sheet, folder: Path) -> None:
    """Writes one table as a CSV file; what a spreadsheet would run gets the apostrophe that the reader takes away."""
    write_csv(folder / f"{sheet.name}.csv", sheet.header, (cells for _, cells in sheet.rows), typed=True)


def as_folder(path: Path, target: Path) -> None:
    """Puts a version's files into a new folder; a workbook becomes study.yaml and CSV files.

    Raises StudyError where a sheet of the workbook cannot be read whole, so that no row is lost by the change of form.
    """
    target.mkdir(parents=True)
    if path.is_dir():
        for file in sorted(path.iterdir()):
            (target / file.name).write_bytes(file.read_bytes())
        return
    sheets = read_sheets(path)
    for sheet in sheets.values():
        if sheet.damaged:
            raise StudyError(f"the sheet {sheet.name} cannot be read whole; mend it in the workbook and upload that")
        if sheet.rows:
            write_sheet(sheet, target)
    (target / SETTINGS_FILE).write_text(settings_text(path), "utf-8")


def edited(
    sheet: Sheet, cells: Mapping[tuple[int, int], str], deleted: set[int], new: Sequence[Sequence[str]]
) -> Sheet:
    """The table after an edit. cells: (line, column) -> text; deleted: lines; new: rows, kept where a cell is filled.

    Raises StudyError where the table was not read whole, or would grow beyond what a study may hold.
    """
    if sheet.damaged:
        raise StudyError(f"{sheet.name} cannot be read whole; mend the file and upload it")
    rows = [
        (line, tuple(cells.get((line, index), text)[:LONGEST_CELL] for index, text in enumerate(row)))
        for line, row in sheet.rows
        if line not in deleted
    ]
    last = max((line for line, _ in sheet.rows), default=1)
    for row in new:
        if any(text.strip() for text in row):
            last += 1
            rows.append((last, tuple(text[:LONGEST_CELL] for text in row)))
    if len(rows) > MOST_ROWS:
        raise StudyError(f"a table has at most {MOST_ROWS:,} rows")
    return Sheet(sheet.name, sheet.header, tuple(rows))


def with_column(sheet: Sheet, column: str) -> Sheet:
    """The table with one more, empty column, where columns.csv knows it and it is not there yet."""
    if column in sheet.header or column not in all_columns()[sheet.name]:
        return sheet
    return Sheet(sheet.name, (*sheet.header, column), tuple((n, (*row, "")) for n, row in sheet.rows), sheet.damaged)


def differences(before: Path, after: Path) -> list[Change]:
    """What changed from one version to another: settings first, then tables; rows are matched by their key columns."""
    old, new = _settings_lines(before), _settings_lines(after)
    found = [
        Change(SETTINGS_FILE, key, "changed", key, old.get(key, ""), new.get(key, ""))
        for key in dict.fromkeys([*old, *new])
        if old.get(key, "") != new.get(key, "")
    ]
    one, two = read_sheets(before), read_sheets(after)
    for name in all_columns():
        found += _changes(one[name], two[name])
    return found


def _settings_lines(path: Path) -> dict[str, str]:
    lines = [line for line in settings_text(path).splitlines() if ":" in line and not line.lstrip().startswith("#")]
    return {line.partition(":")[0].strip(): line.partition(":")[2].strip() for line in lines}


def _changes(before: Sheet, after: Sheet) -> list[Change]:
    keys = [column.name for column in all_columns()[before.name].values() if column.key]
    old, new = _by_key(before, keys), _by_key(after, keys)
    found = [
        Change(before.name, " / ".join(key), "changed", column, row.get(column, ""), new[key].get(column, ""))
        for key, row in old.items()
        if key in new
        for column in dict.fromkeys([*row, *new[key]])
        if row.get(column, "") != new[key].get(column, "")
    ]
    found += [Change(before.name, " / ".join(key), "removed") for key in old if key not in new]
    return found + [Change(before.name, " / ".join(key), "added") for key in new if key not in old]


def _by_key(sheet: Sheet, keys: Sequence[str]) -> dict[tuple[str, ...], dict[str, str]]:
    found: dict[tuple[str, ...], dict[str, str]] = {}
    for line, cells in sheet.rows:
        row = dict(zip(sheet.header, (cell.strip() for cell in cells), strict=False))
        key = tuple(row.get(name, "") for name in keys)
        if not any(key) or key in found:
            key = (*key, f"line {line}")  # without a key of its own a row is known by its place
        found[key] = {name: text for name, text in row.items() if text}
    return found


def problems_of(problems: Sequence[Problem], name: str) -> tuple[list[Problem], dict[tuple[int, str], Problem]]:
    """Problems of one table (or the settings), and those that name a cell by line and column."""
    file = SETTINGS_FILE if name == SETTINGS else f"{name}.csv"
    own = [problem for problem in problems if problem.place == file or problem.place.startswith(f"{file}:")]
    own += [problem for problem in problems if f"!{name}!" in f"{problem.place}!"]
    cells: dict[tuple[int, str], Problem] = {}
    for problem in own:
        parts = problem.place.split(":")
        if len(parts) == 3 and parts[1].isdigit():
            cells.setdefault((int(parts[1]), parts[2]), problem)
    return own, cells


def choices_of(sheets: Mapping[str, Sheet], reference: str) -> list[str]:
    """The values that a column which refers to ``table.column`` may take."""
    table, _, column = reference.partition(".")
    sheet = sheets.get(table)
    if sheet is None or column not in sheet.header:
        return []
    place = sheet.header.index(column)
    return sorted({cells[place].strip() for _, cells in sheet.rows if cells[place].strip()})
