"""An Excel workbook into raw tables: guarded against bombs and damage before it is opened; nothing typed yet."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import python_calamine

from teikei.tables.columns import study_layout
from teikei.tables.messages import closest, one_line, shorten, show
from teikei.tables.read_folder import Found, fold_header, folded, read_bytes
from teikei.tables.sheet_facts import SheetFacts, spans
from teikei.tables.source import Layout, RawSettings, RawTable, column_letters
from teikei.tables.workbook_guard import inspect_workbook

LARGEST_WORKBOOK_BYTES: Final = 50_000_000
SETTINGS_SHEET: Final = "study"
NOTES_SHEET: Final = "notes"  # the explanation of columns in a template


@dataclass(frozen=True)
class Sheet:
    """One sheet as the workbook holds it, behind the guard.

    rows: (row number as in Excel, cells from column A on), only rows that hold something; error cells are `BadCell`.
    """

    title: str
    place: str
    is_hidden: bool
    rows: list[tuple[int, list[Any]]]
    facts: SheetFacts
    merged: tuple[tuple[tuple[int, int], tuple[int, int]], ...]


def read_workbook(path: Path, found: Found, layout: Layout | None = None) -> RawSettings | None:
    """Reads every sheet that is a table into ``found``; returns the settings sheet, None where there is none.

    layout: the tables that may stand there; by default those of a study.
    """
    layout = layout or study_layout()
    sheets = read_sheets(path, found, lambda title, titles: _table_of_sheet(title, titles, layout) is not None)
    return None if sheets is None else _tables_of_sheets(sheets, path.name, layout, found)


def read_sheets(
    path: Path, found: Found, wanted: Callable[[str, Collection[str]], bool] = lambda _title, _titles: True
) -> dict[str, Sheet | None] | None:
    """The sheets of a workbook (.xlsx, .xlsm, .ods) by title; None, with a problem, where it cannot be read.

    wanted: whether a sheet is read, of its title and all titles; a sheet that is not stands there as None.
    """
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
        sheets = {
            sheet.name: sheet for sheet in book.sheets_metadata if sheet.typ == python_calamine.SheetTypeEnum.WorkSheet
        }
        return {
            title: _sheet(book, metadata, name, facts.get(title, SheetFacts())) if wanted(title, sheets) else None
            for title, metadata in sheets.items()
        }
    except BaseException as problem:  # a panic of the Rust reader is no Exception
        if isinstance(problem, KeyboardInterrupt | SystemExit | GeneratorExit):
            raise
        found.error(
            name,
            f"the workbook cannot be read ({one_line(shorten(str(problem), 120))}): open it in Excel and save "
            "it again as .xlsx",
        )
        return None


def _sheet(book: python_calamine.CalamineWorkbook, metadata: Any, name: str, facts: SheetFacts) -> Sheet:
    sheet = book.get_sheet_by_name(metadata.name)
    cells = sheet.to_python(skip_empty_area=False)
    for (row, column), content in facts.bad_cells.items():
        while len(cells) <= row:
            cells.append([])
        cells[row].extend([""] * (column + 1 - len(cells[row])))
        cells[row][column] = content
    rows = [
        (number, row)
        for number, row in enumerate(cells, start=1)
        if any(not (isinstance(cell, str) and (not cell or cell.isspace())) for cell in row)
    ]
    is_hidden = metadata.visible != python_calamine.SheetVisibleEnum.Visible
    merged = tuple(sheet.merged_cell_ranges or ())
    return Sheet(metadata.name, f"{name}!{one_line(metadata.name)}", is_hidden, rows, facts, merged)


def _table_of_sheet(title: str, titles: Collection[str], layout: Layout) -> str | None:
    """The table that a sheet holds, its name written in whatever letters; None for a sheet that is none."""
    known = [*layout.tables, *([SETTINGS_SHEET] if layout.has_settings else [])]
    return title if title in known else folded(title, known, titles)


def _tables_of_sheets(
    sheets: Mapping[str, Sheet | None], name: str, layout: Layout, found: Found
) -> RawSettings | None:
    settings = None
    seen: dict[str, str] = {}
    for title, sheet in sheets.items():
        place = f"{name}!{one_line(title)}"
        table = _table_of_sheet(title, sheets, layout)
        if table is None or sheet is None:
            _report_unknown_sheet(title, place, sheets, layout, found)
            continue
        if table in seen:
            found.error(place, f"this sheet and {show(seen[table])} are both {table}: keep one of the two")
            continue
        seen[table] = title
        if table != title:
            found.warning(place, f"the sheet is read as {table}")
        _report_hidden_and_merged(sheet, found)
        if table == SETTINGS_SHEET and layout.has_settings:
            settings = _settings_of_rows(sheet.rows, place, found)
        elif sheet.rows:
            found.tables[table] = _table_of_rows(table, sheet, layout.tables[table], found)
    if layout.has_settings and SETTINGS_SHEET not in seen:
        found.error(
            f"{name}!{SETTINGS_SHEET}",
            "the sheet is missing: add a sheet named study with the columns setting and value, beginning with format 1",
        )
    return settings


def _report_unknown_sheet(title: str, place: str, sheets: Collection[str], layout: Layout, found: Found) -> None:
    if title == NOTES_SHEET:
        return
    known = [*layout.tables, *([SETTINGS_SHEET] if layout.has_settings else [])]
    match = closest(title, known, cutoff=0.75)
    if match is not None and match not in sheets:
        found.error(
            place,
            f"found a sheet of this name, expected {match}: rename the sheet (or remove it if it is no table of "
            f"the {layout.kind})",
        )
        found.damaged.add(match)
    else:
        found.warning(place, f"the sheet is ignored: teikei has no table {show(title)}")


def _report_hidden_and_merged(sheet: Sheet, found: Found) -> None:
    """Warnings on what people do not see: a hidden sheet, hidden or filtered rows and columns, merged cells."""
    if sheet.is_hidden:
        found.warning(sheet.place, "the sheet is hidden; it was read like the others")
    hidden = [number for number, _ in sheet.rows if number - 1 in sheet.facts.hidden_rows]
    if hidden:
        what = f"rows {spans(hidden)} are" if len(hidden) > 1 else f"row {hidden[0]} is"
        found.warning(
            f"{sheet.place}!A{hidden[0]}",
            f"{what} hidden or filtered out; read like the others: delete what does not belong to it",
        )
    width = max((len(row) for _, row in sheet.rows), default=0)
    columns = [index for index in sorted(sheet.facts.hidden_columns) if index < width]
    filled = [index for index in columns if any(index < len(row) and row[index] != "" for _, row in sheet.rows)]
    if filled:
        letters = ", ".join(column_letters(index) for index in filled[:12]) + (" …" if len(filled) > 12 else "")
        what = f"columns {letters} are" if len(filled) > 1 else f"column {letters} is"
        found.warning(f"{sheet.place}!{column_letters(filled[0])}1", f"{what} hidden; read like the others")
    for (top, left), (bottom, right) in sheet.merged:
        span = f"{column_letters(left)}{top + 1}:{column_letters(right)}{bottom + 1}"
        found.warning(
            f"{sheet.place}!{column_letters(left)}{top + 1}",
            f"the cells {span} are merged: only the first holds the value, the others count as empty; unmerge them",
        )


def _table_of_rows(table: str, sheet: Sheet, columns: Collection[str], found: Found) -> RawTable:
    line, header = sheet.rows[0]
    names = [str(cell).strip() for cell in header]
    while names and not names[-1]:
        names.pop()
    zeros = frozenset((row + 1, column) for row, column in sheet.facts.formula_zeros)
    raw = RawTable(table, sheet.place, tuple(names), sheet.rows[1:], header_line=line, formula_zeros=zeros)
    return replace(raw, header=fold_header(raw.header, raw, columns, found))


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
