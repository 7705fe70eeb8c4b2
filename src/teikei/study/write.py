"""Writes a study: as a folder of CSV files, or as an Excel workbook with units, notes and drop-downs."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any, Final

import polars as pl
import yaml

from teikei.errors import StudyError
from teikei.study.read_settings import expected_setting
from teikei.study.types import Settings, Study
from teikei.tables.cells import expected
from teikei.tables.columns import LIST_SEPARATOR, Column, all_columns, frame
from teikei.tables.messages import number_text, show
from teikei.tables.read_folder import SETTINGS_FILE
from teikei.tables.read_workbook import NOTES_SHEET, SETTINGS_SHEET
from teikei.tables.source import column_letters
from teikei.tables.write import LONGEST_TEXT, ExactNumber, cell_text, new_workbook, write_cell, write_csv

Tables = Mapping[str, pl.DataFrame]

BLANK_SETTINGS: Final = Settings(
    format=1, name="my-study", price_year=2026, base_year=2026, first_year=2027, last_year=2034
)
_FEWEST_PREPARED_ROWS: Final = 1_000
_NUMERIC: Final = ("number", "integer", "year")


def write_folder(study: Study | Tables, folder: str | PathLike[str], settings: Settings | None = None) -> Path:
    """Writes study.yaml and one CSV file per table (empty tables as headers only) into a folder, and returns it.

    Text that a spreadsheet would take for a formula gets an apostrophe before it, which ``load`` takes away again.
    """
    tables, chosen = _parts(study, settings)
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    (target / SETTINGS_FILE).write_text(settings_text(chosen), "utf-8")
    for table, columns in all_columns().items():
        write_csv(target / f"{table}.csv", columns, tables[table].select(list(columns)).iter_rows(), number_text)
    return target


def _parts(study: Study | Tables, settings: Settings | None) -> tuple[Tables, Settings]:
    tables = study.tables if isinstance(study, Study) else study
    own = study.settings if isinstance(study, Study) else BLANK_SETTINGS
    return {name: tables[name] if name in tables else frame(name) for name in all_columns()}, settings or own


def settings_text(settings: Settings) -> str:
    """study.yaml, each setting with a comment that says what it is and what it may be."""
    lines = ["# Settings of the study. Every line is `key: value`; a line left out takes its default.", ""]
    for name, field in Settings.model_fields.items():
        value = getattr(settings, name)
        comment = ". ".join(part for part in (field.description, f"Expected: {expected_setting(field)}") if part)
        default = "" if field.is_required() else f". Default: {_setting_text(field.default) or 'empty'}"
        lines.append(f"# {comment}{default}")
        if isinstance(value, tuple):
            lines.append(f"{name}: {list(value)}")
        else:
            lines.append(yaml.safe_dump({name: value}, allow_unicode=True, width=10_000).strip())
    return "\n".join(lines) + "\n"


def _setting_text(value: Any) -> str:
    if isinstance(value, tuple):
        return LIST_SEPARATOR.join(map(str, value))
    return number_text(value) if isinstance(value, float) else str(value)


def write_workbook(study: Study | Tables, path: str | PathLike[str], settings: Settings | None = None) -> Path:
    """Writes an Excel workbook that ``load`` reads back to equal tables, and returns its path.

    study: a Study, or tables by name (what is missing becomes an empty sheet). settings: for tables without a Study.
    Header cells carry unit and description; choices, booleans and names of other tables have drop-downs. No text of
    the study ever becomes a formula or link. Raises StudyError where a text is longer than a cell of Excel can hold.
    """
    tables, chosen = _parts(study, settings)
    target = Path(path)
    with new_workbook(target, in_memory=True) as book:
        writer = _WorkbookWriter(book)
        writer.settings_sheet(chosen)
        for table, columns in all_columns().items():
            writer.table_sheet(table, columns, tables[table])
        writer.notes_sheet()
    return target


class _WorkbookWriter:
    """One workbook in the making, with its formats."""

    def __init__(self, book: Any):
        self.book = book
        header = {"bold": True, "text_wrap": True, "valign": "top", "border": 1}
        self.required = book.add_format({**header, "bg_color": "#1F4E78", "font_color": "#FFFFFF"})
        self.optional = book.add_format({**header, "bg_color": "#DDEBF7"})
        self.text = book.add_format({"num_format": "@", "valign": "top"})
        self.plain = book.add_format({"valign": "top"})
        self.wrapped = book.add_format({"text_wrap": True, "valign": "top"})

    def settings_sheet(self, settings: Settings) -> None:
        """The sheet ``study``: setting, value, what is expected, what it means."""
        sheet = self.book.add_worksheet(SETTINGS_SHEET)
        for column, (title, width) in enumerate((("setting", 28), ("value", 24), ("expected", 44), ("meaning", 70))):
            sheet.write_string(0, column, title, self.required if column < 2 else self.optional)
            sheet.set_column(column, column, width, self.plain)
        sheet.freeze_panes(1, 1)
        for row, (name, field) in enumerate(Settings.model_fields.items(), start=1):
            value = getattr(settings, name)
            sheet.write_string(row, 0, name)
            if isinstance(value, int | float):
                sheet.write_number(row, 1, ExactNumber(value))
            elif value:
                sheet.write_string(row, 1, _setting_text(value), self.text)
            expectation = expected_setting(field).replace("[0.1, 0.3, 0.4, 0.2]", "0.1;0.3;0.4;0.2")
            sheet.write_string(
                row, 2, expectation if field.is_required() else f"{expectation}; may be left out", self.wrapped
            )
            sheet.write_string(row, 3, field.description or "", self.wrapped)

    def table_sheet(self, table: str, columns: Mapping[str, Column], rows: pl.DataFrame) -> None:
        """One table: header with units and notes, typed cells, drop-downs, frozen header and key columns."""
        sheet = self.book.add_worksheet(table)
        keys = sum(column.key for column in columns.values())
        sheet.freeze_panes(1, 1 if keys else 0)
        sheet.set_row(0, 48)
        last_row = max(_FEWEST_PREPARED_ROWS, rows.height + 500)
        for index, column in enumerate(columns.values()):
            title = f"{column.name} [{column.unit}]" if column.unit else column.name
            sheet.write_string(0, index, title, self.required if column.required else self.optional)
            sheet.write_comment(0, index, _note(column), {"x_scale": 2.2, "y_scale": 1.4})
            sheet.set_column(index, index, _width(column), self.plain if column.kind in _NUMERIC else self.text)
            if rule := self._validation(column):
                sheet.data_validation(1, index, last_row, index, rule)
            for number, value in enumerate(rows[column.name].to_list(), start=1):
                text = cell_text(value)
                if len(text) > LONGEST_TEXT:
                    raise StudyError(
                        f"{column.table}, row {number}, {column.name}: {len(text)} characters do not fit into a cell "
                        f"of Excel; shorten the text {show(text)}"
                    )
                write_cell(sheet, number, index, value)

    def _validation(self, column: Column) -> dict[str, Any] | None:
        """The rule of a column's cells: a drop-down for choices, booleans and names, a range for numbers."""
        message = {
            "error_type": "warning",
            "error_title": column.name,
            "error_message": f"Expected {expected(column)}"[:250],
        }
        if column.kind == "boolean":
            return {**message, "validate": "list", "source": ["yes", "no"]}
        if column.kind == "choice":
            return {**message, "validate": "list", "source": list(column.values)}
        if column.references and column.kind == "text":
            target, _, name = column.references.partition(".")
            position = list(all_columns()[target]).index(name)
            letter = column_letters(position)
            message["error_message"] = f"Expected a name of the sheet {target}, column {name}"
            return {
                **message,
                "validate": "list",
                "source": f"='{target}'!${letter}$2:${letter}${_FEWEST_PREPARED_ROWS}",
            }
        if column.kind in _NUMERIC and column.minimum is not None:
            low, high = column.minimum, column.maximum
            bounds = (
                {"criteria": ">=", "value": low}
                if high is None
                else {"criteria": "between", "minimum": low, "maximum": high}
            )
            return {**message, "validate": "decimal", **bounds}
        return None

    def notes_sheet(self) -> None:
        """What each column means, and which other table it refers to."""
        sheet = self.book.add_worksheet(NOTES_SHEET)
        titles = ("table", "column", "expected", "required", "default", "refers to", "seen by others", "meaning")
        for index, (title, width) in enumerate(zip(titles, (16, 28, 44, 10, 14, 24, 14, 90), strict=True)):
            sheet.write_string(0, index, title, self.optional)
            sheet.set_column(index, index, width, self.wrapped)
        sheet.freeze_panes(1, 2)
        described = [column for columns in all_columns().values() for column in columns.values()]
        for row, column in enumerate(described, start=1):
            required = "yes" if column.required else "no"
            texts = (
                column.table,
                column.name,
                _expected_in_full(column),
                required,
                column.default,
                column.references,
                column.visibility,
                column.description,
            )
            for index, text in enumerate(texts):
                sheet.write_string(row, index, text)
        sheet.autofilter(0, 0, len(described), len(titles) - 1)


def _note(column: Column) -> str:
    parts = [column.description or column.name, f"Expected: {_expected_in_full(column)}"]
    if column.references:
        parts.append(f"Refers to {column.references}")
    if column.default:
        parts.append(f"Default: {column.default}")
    parts.append("Required" if column.required else "May be empty")
    return "\n".join(parts)


def _expected_in_full(column: Column) -> str:
    return " or ".join(column.values) if column.values else expected(column)


def _width(column: Column) -> float:
    if column.name in ("description", "note", "title"):
        return 40
    return min(max(len(column.name) + 2, len(column.unit) / 2 + 2, 10), 30)
