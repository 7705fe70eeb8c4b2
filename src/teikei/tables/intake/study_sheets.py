"""A planner's own sheets as tables of columns.csv: titles, two-line headers, years across, totals, units in cells."""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping
from typing import Any, Final

from teikei.tables.cells import NUMERIC_KINDS
from teikei.tables.columns import Column
from teikei.tables.intake.amounts import plain
from teikei.tables.intake.asking import Reader
from teikei.tables.intake.grid import Grid
from teikei.tables.intake.vocabulary import vocabulary
from teikei.tables.intake.words import is_total, year_in
from teikei.tables.messages import closest, number_text, plain_word, show
from teikei.tables.sheet_facts import BadCell
from teikei.tables.source import name_and_unit

DEEPEST_HEADER: Final = 40
LEAST_SHARE: Final = 0.5  # of a header's names must be columns of the table
_MONTHS: Final = {word: int(value) for word, value in vocabulary("month").items()}

Rows = list[list[Any]]
Tables = Mapping[str, Mapping[str, Column]]


def read_study_sheets(grids: list[Grid], tables: Tables, reader: Reader) -> dict[str, Rows]:
    """Tables (header first) from sheets of whatever name and form; what is not clear is asked through ``reader``."""
    result: dict[str, Rows] = {}
    for grid in grids:
        found = _find_table(grid, tables, reader)
        if found is None:
            continue
        table, header = found
        if table in result:
            reader.problems.append(_twice(grid, table))
            continue
        if plain_word(grid.title) != plain_word(table):
            reader.note(grid, header, _first_column(grid, header), f"the sheet is read as {table}")
        reader.map.sheets[grid.title] = {"read_as": table, "header_row": header}
        result[table] = _read_table(grid, header, tables[table], reader)
    return result


def _twice(grid: Grid, table: str) -> Any:
    from teikei.errors import Problem

    return Problem(grid.place, f"two sheets are {table}: leave one out in the map (sheets: read_as: not used)")


def _first_column(grid: Grid, row: int) -> int:
    return min((column for at, column in grid.cells if at == row), default=0)


def _find_table(grid: Grid, tables: Tables, reader: Reader) -> tuple[str, int] | None:
    """(table, row of its header): by the map, by the name of the sheet, or by the header that fits best."""
    given = reader.map.sheets.get(grid.title, {})
    if given.get("read_as") == "not used":
        return None
    chosen = str(given.get("read_as", "")) or next(
        (name for name in tables if plain_word(name) == plain_word(grid.title)), ""
    )
    if chosen and chosen not in tables:
        reader.ask_for(f"sheets: {grid.title}: read_as", grid, f"there is no table {show(chosen)}")
        return None
    candidates = [chosen] if chosen else list(tables)
    if isinstance(given.get("header_row"), int) and chosen:
        return chosen, int(given["header_row"])
    best: tuple[int, float, str, int] | None = None
    for row in grid.rows[:DEEPEST_HEADER]:
        names = [plain(cell) for column in range(grid.width) if (cell := grid.at(row, column)) != ""]
        for table in candidates:
            columns = {plain_word(name) for name in tables[table]}
            fits = sum(plain_word(name_and_unit(name)[0]) in columns for name in names)
            texts = sum(year_in(name) is None for name in names)
            required = sum(column.required for column in tables[table].values())
            if fits >= min(2, len(columns)) and fits >= LEAST_SHARE * texts and (chosen or fits >= required):
                score = (fits, fits / max(texts, 1), table, row)
                if best is None or score[:2] > best[:2]:
                    best = score
    return None if best is None else (best[2], best[3])


def _read_table(grid: Grid, header: int, columns: Mapping[str, Column], reader: Reader) -> Rows:
    positions: dict[str, int] = {}
    years: dict[int, int] = {}
    folded = {plain_word(name): name for name in columns}
    for index in range(grid.width):
        text = plain(grid.at(header, index))
        given = reader.settings(grid, index)
        plain_name, unit = name_and_unit(text)
        name = folded.get(plain_word(plain_name)) or folded.get(plain_word(f"{plain_name} {unit}"), "")
        name = str(given.get("read_as", name))
        if name in columns and name not in positions:
            positions[name] = index
            grid.use(header, [index])
            _check_unit(grid, header, index, columns[name], reader)
            reader.map.columns[reader.column_key(grid, index)] = {"header": text, "read_as": name, **given}
        elif name == "" and (year := year_in(text)) is not None and len(text) <= 8:
            years[index] = year
            grid.use(header, [index])
            reader.map.columns[reader.column_key(grid, index)] = {
                "header": text,
                "read_as": "year",
                "year": year,
                **given,
            }
        elif text:
            near = closest(name_and_unit(text)[0], [one for one in columns if one not in positions], cutoff=0.8)
            hint = f"; is it {near}? Then say so in the map (columns: read_as)" if near else ""
            reader.note(grid, header, index, f"the column {show(text)} is not used{hint}")
    value_column = _value_column(columns, positions, grid, header) if years else ""
    missing = [name for name, one in columns.items() if one.required and not one.default and name not in positions]
    for name in missing:
        if not (years and name in ("year", value_column)):
            about = columns[name].description or columns[name].kind
            reader.ask_for("columns: … read_as", grid, f"no column is {name} ({about})")
    if years and not value_column:
        reader.ask_for("columns: … read_as", grid, "years stand across, but the table has no column of figures by year")
        return [list(columns)]
    key = next((name for name, column in columns.items() if column.key and name in positions), "")
    names = [name for name in columns if name in positions or (years and name in ("year", value_column))]
    rows: Rows = [names]
    for row in [row for row in grid.rows if row > header]:
        if not _is_data(grid, row, header, positions, key, columns, years):
            continue
        values = {name: _value(grid, row, index, columns[name], reader, positions) for name, index in positions.items()}
        if not years:
            rows.append([values.get(name, "") for name in names])
            continue
        for index, year in years.items():
            if grid.at(row, index) != "":
                figure = _value(grid, row, index, columns[value_column], reader, positions)
                rows.append([{**values, "year": year, value_column: figure}.get(name, "") for name in names])
    return rows


def _check_unit(grid: Grid, header: int, index: int, column: Column, reader: Reader) -> None:
    unit = name_and_unit(plain(grid.at(header, index)))[1]
    if unit and column.unit and _unit(unit) != _unit(column.unit):
        reader.ask(
            grid, header, index, f"the header says [{unit}], {column.name} is in {column.unit}: convert the figures"
        )


def _unit(text: str) -> str:
    return "".join(plain(text).casefold().split())


def _value_column(columns: Mapping[str, Column], positions: Mapping[str, int], grid: Grid, header: int) -> str:
    """The column whose figures stand under the years: the required number that the rows leave empty."""
    if "year" not in columns:
        return ""
    numbers = [name for name, column in columns.items() if column.kind in ("number", "integer") and column.required]
    empty = [
        name
        for name in numbers
        if name not in positions or not any(grid.at(row, positions[name]) != "" for row in grid.rows if row > header)
    ]
    return empty[0] if len(empty) == 1 else ""


def _is_data(
    grid: Grid,
    row: int,
    header: int,
    positions: Mapping[str, int],
    key: str,
    columns: Mapping[str, Column],
    years: Mapping[int, int],
) -> bool:
    """Whether a row is one of the table: no sum, no second line of the header, no note below it."""
    filled = {name for name, index in positions.items() if grid.at(row, index) != ""}
    first = plain(grid.at(row, positions[key])) if key else ""
    if is_total(first) or any(is_total(plain(grid.at(row, column))) for column in range(min(2, grid.width))):
        return False
    texts = [plain(grid.at(row, index)) for index in positions.values() if grid.at(row, index) != ""]
    if row <= header + 2 and texts and all(re.fullmatch(r"[\[(].*[\])]", text) for text in texts):
        return False
    wanted = [name for name, column in columns.items() if column.key and column.required and name in positions]
    has_years = any(grid.at(row, index) != "" for index in years)
    wanted = [name for name in wanted if not (years and name == "year")]
    return all(name in filled for name in wanted) if wanted and not has_years else bool(filled)


def _value(grid: Grid, row: int, index: int, column: Column, reader: Reader, positions: Mapping[str, int]) -> Any:
    """The cell as teikei writes it; empty where it is empty or asked for."""
    cell = grid.at(row, index)
    if cell == "":
        return ""
    if isinstance(cell, BadCell):
        reader.ask(grid, row, index, str(cell))
        return ""
    if column.kind in NUMERIC_KINDS:
        return _figure(grid, row, index, column, reader, positions)
    grid.use(row, [index])
    if column.kind == "month":
        month = _month(cell)
        if month is None:
            reader.ask(grid, row, index, f"found {show(plain(cell))}, expected a month such as 2028-01")
        return month or ""
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    if column.kind == "boolean":
        word = plain(cell).casefold()
        return {
            "ja": "yes",
            "はい": "yes",
            "有": "yes",
            "nein": "no",
            "いいえ": "no",
            "無": "no",
            "1": "yes",
            "0": "no",
        }.get(word, word)
    return plain(cell) if isinstance(cell, int | float | datetime.date) else str(cell).strip()


def _figure(grid: Grid, row: int, index: int, column: Column, reader: Reader, positions: Mapping[str, int]) -> Any:
    cell = grid.at(row, index)
    text = plain(cell)
    if column.kind in ("year", "period") and (year := year_in(text)) is not None and len(text) <= 8:
        grid.use(row, [index])
        return year
    amount = reader.amount(grid, row, index)
    if amount.value is None:
        reader.ask(
            grid, row, index, f"{amount.question}; expected {column.name}{f' in {column.unit}' if column.unit else ''}"
        )
        return ""
    unit = amount.unit.replace("pieces", "")
    own_units = {_unit(column.unit)}
    if "unit" in positions:
        own_units.add(_unit(plain(grid.at(row, positions["unit"]))))
    if unit and _unit(unit) not in own_units and not (unit == "%" and (column.maximum == 1 or "share" in column.unit)):
        reader.ask(
            grid, row, index, f"found {show(text)}, expected {column.name} in {column.unit or 'the unit of the row'}"
        )
        return ""
    if amount.currency and "currency" not in column.unit:
        reader.ask(grid, row, index, f"found {show(text)}, but {column.name} is no amount in one currency")
        return ""
    if isinstance(cell, str):
        reader.note(grid, row, index, f"{show(text)} is read as {number_text(amount.value)}")
    grid.use(row, [index])
    return amount.value


def _month(cell: Any) -> str | None:
    if isinstance(cell, datetime.date):
        return f"{cell.year:04d}-{cell.month:02d}"
    text = plain(cell)
    if match := re.fullmatch(r"(\d{4})[-/.年] ?(\d{1,2})月?", text):
        year, month = int(match[1]), int(match[2])
    elif match := re.fullmatch(r"(\d{1,2})[-/.](\d{4})", text):
        year, month = int(match[2]), int(match[1])
    elif match := re.fullmatch(r"([A-Za-zäÄ]{3,9})\.? ?(\d{4})", text):
        year, month = int(match[2]), _MONTHS.get(match[1].casefold(), 0)
    else:
        return None
    return f"{year:04d}-{month:02d}" if 1 <= month <= 12 else None
