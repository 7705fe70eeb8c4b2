"""An Excel workbook into raw tables: guarded against bombs and damage before it is opened; nothing typed yet."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import python_calamine

from teikei.tables.columns import all_columns
from teikei.tables.messages import closest, one_line, shorten, show
from teikei.tables.read_folder import Found, read_bytes
from teikei.tables.source import RawSettings, RawTable, column_letters
from teikei.tables.workbook_guard import SheetFacts, inspect_workbook

LARGEST_WORKBOOK_BYTES: Final = 50_000_000
SETTINGS_SHEET: Final = "study"
NOTES_SHEET: Final = "notes"  # the explanation of columns in a template


def read_workbook(path: Path, found: Found) -> RawSettings | None:
    """Reads every sheet that is a table into ``found``; returns the settings sheet, None where there is none."""
    name = path.name
    data = read_bytes(path, name, LARGEST_WORKBOOK_BYTES, found)
    if data is None:
        return None
    found.hashes[name] = hashlib.sha256(data).hexdigest()
    facts = inspect_workbook(data, name, found)
    if facts is None:
        return None
    try:
        book = python_calamine.CalamineWorkbook.from_filelike(io.BytesIO(data))
        return _read_sheets(book, name, facts, found)
    except BaseException as problem:  # a panic of the Rust reader is no Exception
        if isinstance(problem, KeyboardInterrupt | SystemExit | GeneratorExit):
            raise
        found.error(
            name,
            f"the workbook cannot be read ({one_line(shorten(str(problem), 120))}): open it in Excel and save "
            "it again as .xlsx",
        )
        return None


def _read_sheets(
    book: python_calamine.CalamineWorkbook, name: str, facts: dict[str, SheetFacts], found: Found
) -> RawSettings | None:
    tables = all_columns()
    sheets = {
        sheet.name: sheet for sheet in book.sheets_metadata if sheet.typ == python_calamine.SheetTypeEnum.WorkSheet
    }
    settings = None
    for title, metadata in sheets.items():
        place = f"{name}!{one_line(title)}"
        if title != SETTINGS_SHEET and title not in tables:
            _report_unknown_sheet(title, place, sheets, found)
            continue
        sheet = book.get_sheet_by_name(title)
        if metadata.visible != python_calamine.SheetVisibleEnum.Visible:
            found.warning(place, "the sheet is hidden; it was read like the others")
        rows = _rows(sheet, place, facts.get(title, SheetFacts()), found)
        if title == SETTINGS_SHEET:
            settings = _settings_of_rows(rows, place, found)
        elif rows:
            found.tables[title] = _table_of_rows(title, rows, place)
    if SETTINGS_SHEET not in sheets:
        found.error(
            f"{name}!{SETTINGS_SHEET}",
            "the sheet is missing: add a sheet named study with the columns setting and value, beginning with format 1",
        )
    return settings


def _report_unknown_sheet(title: str, place: str, sheets: Any, found: Found) -> None:
    if title == NOTES_SHEET:
        return
    match = closest(title, [*all_columns(), SETTINGS_SHEET], cutoff=0.75)
    if match is not None and match not in sheets:
        found.error(
            place,
            f"found a sheet of this name, expected {match}: rename the sheet (or remove it if it is no table of "
            "the study)",
        )
        found.damaged.add(match)
    else:
        found.warning(place, f"the sheet is ignored: teikei has no table {show(title)}")


def _rows(
    sheet: python_calamine.CalamineSheet, place: str, facts: SheetFacts, found: Found
) -> list[tuple[int, list[Any]]]:
    """Sheet rows that hold something, numbered as in Excel; error cells become `BadCell`."""
    for (top, left), (bottom, right) in sheet.merged_cell_ranges or []:
        span = f"{column_letters(left)}{top + 1}:{column_letters(right)}{bottom + 1}"
        found.warning(
            f"{place}!{column_letters(left)}{top + 1}",
            f"the cells {span} are merged: only the first holds the value, the others count as empty; unmerge them",
        )
    cells = sheet.to_python(skip_empty_area=False)
    for (row, column), content in facts.bad_cells.items():
        while len(cells) <= row:
            cells.append([])
        cells[row].extend([""] * (column + 1 - len(cells[row])))
        cells[row][column] = content
    return [
        (number, row)
        for number, row in enumerate(cells, start=1)
        if any(not (isinstance(cell, str) and (not cell or cell.isspace())) for cell in row)
    ]


def _table_of_rows(title: str, rows: Sequence[tuple[int, Sequence[Any]]], place: str) -> RawTable:
    line, header = rows[0]
    names = [str(cell).strip() for cell in header]
    while names and not names[-1]:
        names.pop()
    return RawTable(title, place, tuple(names), rows[1:], header_line=line)


def _settings_of_rows(rows: Sequence[tuple[int, Sequence[Any]]], place: str, found: Found) -> RawSettings | None:
    if not rows:
        found.error(place, "the sheet is empty, expected the columns setting and value, beginning with format 1")
        return None
    header_line, header = rows[0]
    names = [str(cell).strip().casefold() for cell in header]
    if "setting" not in names or "value" not in names:
        found.error(f"{place}!A{header_line}", "expected a header with the columns setting and value")
        return None
    key_column, value_column = names.index("setting"), names.index("value")
    values: dict[str, Any] = {}
    places: dict[str, str] = {}
    for line, cells in rows[1:]:
        key = str(cells[key_column]).strip() if key_column < len(cells) else ""
        cell_place = f"{place}!{column_letters(value_column)}{line}"
        if not key:
            found.error(
                f"{place}!{column_letters(key_column)}{line}",
                "the name of the setting is empty: fill it in or clear the row",
            )
        elif key in values:
            found.error(
                cell_place,
                f"the setting {show(key)} stands twice, first at {places[key].rsplit('!', 1)[1]}: keep one of the two",
            )
        else:
            value = cells[value_column] if value_column < len(cells) else ""
            value = value.strip() if isinstance(value, str) else value
            values[key] = None if value == "" else value
            places[key] = cell_place
    return RawSettings(values, places, place)
