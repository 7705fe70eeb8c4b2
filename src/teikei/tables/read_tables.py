"""Raw tables into rows with typed values: header, required columns, every cell, duplicate keys."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any, Final

from teikei.tables.cells import NUMERIC_KINDS, Cell, ambiguous_point, empty_cell, read_cell
from teikei.tables.columns import Column
from teikei.tables.messages import closest, number_text, show
from teikei.tables.read_folder import Found
from teikei.tables.sheet_facts import BadCell
from teikei.tables.source import RawTable, Row, name_and_unit

MOST_UNKNOWN_COLUMNS: Final = 100
ZERO_FORMULA: Final = (
    "the formula's stored result is 0, which is also what a program writes that cannot compute: open it in Excel, "
    "let it compute, and save it, or type the value"
)


def read_table(raw: RawTable, columns: Mapping[str, Column], found: Found) -> tuple[Row, ...]:
    """The rows of a table; every problem of its header and cells goes to ``found``."""
    indexes, lost = _read_header(raw, columns, found)
    misshapen = set() if raw.is_sheet else check_lengths(raw, found)
    cells: dict[str, list[Any]] = {}
    unread: dict[int, set[str]] = {}
    for name, column in columns.items():
        if name in indexes:
            cells[name] = _read_column(raw, column, indexes[name], misshapen, unread, found)
        else:
            default = empty_cell(column).value
            cells[name] = [None if name in lost else default] * len(raw.rows)
            if name in lost:
                for number in range(len(raw.rows)):
                    unread.setdefault(number, set()).add(name)
    rows = tuple(
        Row(raw, line, {name: values[number] for name, values in cells.items()}, frozenset(unread.get(number, ())))
        for number, (line, _) in enumerate(raw.rows)
    )
    _check_keys(rows, [name for name, column in columns.items() if column.key], found)
    return rows


def _read_header(raw: RawTable, columns: Mapping[str, Column], found: Found) -> tuple[dict[str, int], frozenset[str]]:
    """Column name -> position for the columns that teikei knows; and the columns that are missing by mistake."""
    indexes: dict[str, int] = {}
    unknown: dict[int, str] = {}
    for index, text in enumerate(raw.header):
        place = raw.place(raw.header_line, index=index)
        name, unit = name_and_unit(text)
        if name in indexes:
            first = raw.place(raw.header_line, index=indexes[name])
            found.error(
                place,
                f"the column {show(name)} stands twice, first at "
                f"{first if raw.is_sheet else f'position {indexes[name] + 1}'}: keep one of the two",
            )
        elif name in columns:
            indexes[name] = index
            if unit and columns[name].unit and _plain(unit) != _plain(columns[name].unit):
                found.error(
                    place,
                    f"the header says [{unit}], expected {name} in {columns[name].unit}: convert the figures "
                    "and correct the header",
                )
        elif name:
            unknown[index] = name
        elif any(index < len(cells) and cells[index] not in ("", None) for _, cells in raw.rows):
            found.warning(place, "the column has no name; it is ignored: name it or delete it")
    missing = [name for name in columns if name not in indexes]
    taken = _report_unknown_columns(raw, columns, unknown, missing, found)
    for name in missing:
        if columns[name].required and name not in taken:
            found.error(
                f"{raw.place(raw.header_line)}:{name}" if not raw.is_sheet else raw.place(raw.header_line, index=0),
                f"the column {name} is missing: add it ({columns[name].description or columns[name].kind})",
            )
    return indexes, frozenset(taken | {name for name in missing if columns[name].required})


def _plain(unit: str) -> str:
    return "".join(unit.casefold().split())


def _report_unknown_columns(
    raw: RawTable, columns: Mapping[str, Column], unknown: Mapping[int, str], missing: list[str], found: Found
) -> set[str]:
    """Unknown columns that look like a missing one are errors, others are ignored with a note; returns those named."""
    taken: set[str] = set()
    if len(unknown) > MOST_UNKNOWN_COLUMNS:
        place = raw.place(raw.header_line, index=next(iter(unknown)))
        found.error(
            place, f"{len(unknown)} columns are unknown to the table {raw.name}: remove them, or correct the header"
        )
        return taken
    for index, name in unknown.items():
        place = raw.place(raw.header_line, index=index)
        match = closest(name, [column for column in missing if column not in taken], cutoff=0.8)
        if match is not None:
            taken.add(match)
            found.error(
                place,
                f"teikei has no column {show(name)} in the table {raw.name}; did you mean {show(match)}? Rename "
                "the column (an extra column of yours needs a name less like it)",
            )
        else:
            near = difflib.get_close_matches(name, columns, n=1, cutoff=0.8)
            hint = f" (the nearest is {show(near[0])}, which the table has already)" if near else ""
            found.warning(place, f"the column {show(name)} is ignored: the table {raw.name} has no such column{hint}")
    return taken


def check_lengths(raw: RawTable, found: Found) -> set[int]:
    """Reports rows with too many or too few cells, and returns their numbers: only their keys can be trusted."""
    width = len(raw.header)
    misshapen: set[int] = set()
    trailing_commas = all(len(cells) > width and not any(map(str.strip, cells[width:])) for _, cells in raw.rows)
    if trailing_commas:
        return misshapen  # every row ends in the same empty cells: harmless
    for number, (line, cells) in enumerate(raw.rows):
        if len(cells) > width:
            misshapen.add(number)
            found.error(
                raw.place(line, index=width - 1),
                f"the row has {len(cells)} cells, the header {width}: put a text with commas in double quotes, "
                "and write decimals with a point",
            )
        elif len(cells) < width:
            misshapen.add(number)
            found.error(
                raw.place(line, index=len(cells)),
                f"the row has {len(cells)} cells, the header {width}: add the missing commas (an empty cell "
                "still needs its comma)",
            )
    return misshapen


def _read_column(
    raw: RawTable, column: Column, index: int, misshapen: set[int], unread: dict[int, set[str]], found: Found
) -> list[Any]:
    known: dict[Any, Cell] = {}
    notes: dict[str, list[int]] = {}
    values: list[Any] = []
    signs: dict[str, int] = {}
    empty = empty_cell(column)
    is_list = column.kind == "list"
    for number, (line, cells) in enumerate(raw.rows):
        content = cells[index] if index < len(cells) else ""
        key = (type(content), content)
        cell = known.get(key)
        if cell is None:
            cell = known[key] = read_content(column, content, empty, is_sheet=raw.is_sheet)
        if number in misshapen and (cell.error or not column.key or index >= len(cells)):
            cell = Cell()
            unread.setdefault(number, set()).add(column.name)
        if cell.error:
            unread.setdefault(number, set()).add(column.name)
            found.error(raw.place(line, index=index), cell.error)
        elif cell.sign and signs.setdefault(cell.sign, line) and len(signs) > 1:
            unread.setdefault(number, set()).add(column.name)
            found.error(raw.place(line, index=index), mixed_signs(signs))
        elif cell.note:
            notes.setdefault(cell.note, []).append(line)
        if not cell.error and column.kind in NUMERIC_KINDS and (line, index) in raw.formula_zeros:
            notes.setdefault(ZERO_FORMULA, []).append(line)
        values.append(list(cell.value) if is_list and cell.value is not None else cell.value)
    _report_notes(raw, index, notes, found)
    return values


def read_content(column: Column, content: Any, empty: Cell, *, is_sheet: bool) -> Cell:
    """One cell of any table of any kind: empty, an error of the spreadsheet, or what ``read_cell`` makes of it.

    is_sheet: the cell stands in a workbook, where a number is a number: text that looks like one is read with a note,
    and asked for where its point may stand between thousands.
    """
    if content == "" or content is None:
        return empty
    if isinstance(content, BadCell):
        return Cell(error=f"{content}")
    if is_sheet and isinstance(content, str) and column.kind in NUMERIC_KINDS:
        if question := ambiguous_point(content):
            return Cell(error=question)
        cell = read_cell(column, content)
        if cell.error or cell.value is None or cell.note:
            return cell
        read = number_text(cell.value)
        return replace(cell, note=f"the number {show(content)} is stored as text; it was read as {read}")
    return read_cell(column, content)


def mixed_signs(signs: Collection[str]) -> str:
    """What is wrong where amounts of one column carry signs of several currencies."""
    return f"the signs {' and '.join(signs)} stand in one column: write plain numbers, all in one currency"


def _report_notes(raw: RawTable, index: int, notes: Mapping[str, list[int]], found: Found) -> None:
    """One warning for a column, however many of its cells need it."""
    if not notes:
        return
    first, lines = next(iter(notes.items()))
    more = sum(map(len, notes.values())) - 1
    found.warning(raw.place(lines[0], index=index), first + (f" (and {more} more in this column)" if more else ""))


def _check_keys(rows: tuple[Row, ...], keys: list[str], found: Found) -> None:
    seen: dict[tuple[Any, ...], Row] = {}
    for row in rows:
        key = tuple(tuple(value) if isinstance(value := row.values[name], list) else value for name in keys)
        if not keys or None in key or not row.unread.isdisjoint(keys):
            continue
        if key in seen:
            shown = ", ".join(f"{name} {show(value)}" for name, value in zip(keys, key, strict=True))
            found.error(
                row.place(keys[-1]),
                f"{shown} stands twice, first in {'row' if row.table.is_sheet else 'line'} {seen[key].line}: "
                "remove one of the two or correct its key",
            )
        else:
            seen[key] = row
