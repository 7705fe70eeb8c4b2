"""The workbook: one sheet to read, then every stored table, unrounded, with units; no text is ever a formula."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from pathlib import Path
from typing import Any, Final

import polars as pl

from teikei.report.answer import Answer
from teikei.report.blocks import words
from teikei.report.context import TITLES, Context
from teikei.report.formatting import is_number, text_of
from teikei.report.schema import SHAPES
from teikei.report.sections.run import flat
from teikei.tables.write import new_workbook, write_cell

_MOST_ROWS: Final = 1_048_000
_FORBIDDEN_IN_NAMES: Final = str.maketrans(dict.fromkeys("[]:*?/\\'", "_"))
_UNITS: Final = {"million": "million {currency}, real, discounted", "fraction": "fraction between 0 and 1"}


def write_workbook(context: Context, answer: Answer, path: Path) -> None:
    """Write the workbook of a run; OSError where the path cannot be written to."""
    book = new_workbook(path, default_date_format="yyyy-mm-dd")
    book.set_properties(
        {"title": str(context.meta.get("title") or ""), "comments": str(context.meta.get("label") or "")}
    )
    writer = _Writer(book)
    names: set[str] = set()
    first = book.add_worksheet(sheet_name("Answer", names))
    row = _first_sheet(writer, context, answer, first)
    _ladder_sheet(writer, context, book.add_worksheet(sheet_name("Ladder", names)))
    stored = {name: context.tables.stored[name] for name in SHAPES if context.tables.has(name)}
    stored |= {name: frame for name, frame in context.tables.stored.items() if name not in SHAPES and frame.height}
    for name, frame in stored.items():
        sheet = book.add_worksheet(sheet_name(name, names))
        _table_sheet(writer, context, name, frame, sheet)
        row += 1
        writer.cell(first, row, 0, sheet.name)
        writer.cell(first, row, 1, _answers(name))
    _run_sheet(writer, context, book.add_worksheet(sheet_name("Run", names)))
    book.close()


class _Writer:
    """Formats of the workbook, and the one way a cell is written."""

    def __init__(self, book: Any):
        self.title = book.add_format({"bold": True, "font_size": 14})
        self.bold = book.add_format({"bold": True})
        self.wrap = book.add_format({"text_wrap": True, "valign": "top"})
        self.header = book.add_format(
            {"bold": True, "bottom": 2, "text_wrap": True, "valign": "top", "bg_color": "#EEF2F6"}
        )
        self.note = book.add_format({"italic": True, "font_color": "#5A6675"})
        self.quoted = book.add_format({"quote_prefix": True})
        self.figure = book.add_format({"num_format": "#,##0.00;\u2212#,##0.00;0"})
        self.large = book.add_format({"num_format": "#,##0;\u2212#,##0;0"})
        self.percent = book.add_format({"num_format": "0.00%;\u22120.00%;0.00%"})
        self.book = book

    def cell(self, sheet: Any, row: int, column: int, value: Any, style: Any = None) -> None:
        """Numbers as numbers, everything else as text that Excel can never run."""
        if value is None or is_number(value) or isinstance(value, float | datetime | date):
            write_cell(sheet, row, column, value, style, self.quoted)
        else:
            write_cell(sheet, row, column, text_of(value), style, self.quoted)


def sheet_name(name: str, used: set[str]) -> str:
    """A name Excel takes: at most 31 characters, no brackets or slashes, not used yet in any case."""
    plain = name.translate(_FORBIDDEN_IN_NAMES).strip() or "table"
    result, number = plain[:31], 2
    while result.lower() in used or result.lower() == "history":
        suffix = f" {number}"
        result, number = plain[: 31 - len(suffix)] + suffix, number + 1
    used.add(result.lower())
    return result


def _answers(name: str) -> str:
    """What a stored table answers, in a sentence part."""
    text = SHAPES[name].answers if name in SHAPES else TITLES.get(name, words(name))
    return text[:1].upper() + text[1:]


def _first_sheet(writer: _Writer, context: Context, answer: Answer, sheet: Any) -> int:
    """The first screen of the page; gives the row of the heading under which the other sheets are listed."""
    sheet.hide_gridlines(2)
    sheet.set_column(0, 0, 30)
    sheet.set_column(1, 14, 17)
    writer.cell(
        sheet, 0, 0, str(context.meta.get("title") or context.meta.get("name") or "Study without a title"), writer.title
    )
    writer.cell(sheet, 1, 0, str(context.meta.get("label") or ""), writer.note)
    row = 3
    for sentence in (*answer.sentences, answer.trust):
        writer.cell(sheet, row, 0, sentence, writer.bold)
        row += 1
    row += 1
    if answer.ladder is not None:
        for column, header in enumerate(answer.ladder.columns):
            writer.cell(sheet, row, column, header.header, writer.header)
        for cells in answer.ladder.rows:
            row += 1
            for column, cell in enumerate(cells):
                if cell.value is not None and cell.money:
                    writer.cell(sheet, row, column, cell.value / context.money.per_unit_millions, writer.figure)
                elif cell.value is not None:
                    writer.cell(sheet, row, column, cell.value, writer.percent)
                else:
                    writer.cell(sheet, row, column, cell.text)
        row += 1
        writer.cell(sheet, row, 0, answer.ladder.note, writer.note)
        row += 2
    for title, sentence in answer.facts:
        writer.cell(sheet, row, 0, title, writer.bold)
        writer.cell(sheet, row, 1, sentence)
        row += 1
    row += 1
    writer.cell(
        sheet, row, 0, "The other sheets hold every stored table of the run, unrounded; money in millions.", writer.note
    )
    row += 2
    writer.cell(sheet, row, 0, "Sheet", writer.header)
    writer.cell(sheet, row, 1, "What it answers", writer.header)
    return row


def _ladder_sheet(writer: _Writer, context: Context, sheet: Any) -> None:
    """Cumulative saving by lever with a native chart, in the unit the page uses."""
    ladder, money = context.ladder, context.money
    rungs = ladder.evaluated
    sheet.set_column(0, 0, 26)
    sheet.set_column(1, 12, 14)
    if not rungs or not ladder.levers:
        writer.cell(sheet, 0, 0, ladder.not_evaluated_because or context.absent("savings_by_lever"))
        return
    headers = [f"{money.label}, each rung with all below it", *(words(rung.name) for rung in rungs)]
    for column, header in enumerate(headers):
        writer.cell(sheet, 0, column, header, writer.header)
    chart = writer.book.add_chart({"type": "column", "subtype": "stacked"})
    for row, lever in enumerate(ladder.levers, start=1):
        writer.cell(sheet, row, 0, words(lever))
        for column, rung in enumerate(rungs, start=1):
            writer.cell(sheet, row, column, money.scaled(rung.levers.get(lever, 0.0)), writer.figure)
        chart.add_series(
            {
                "name": [sheet.name, row, 0],
                "categories": [sheet.name, 0, 1, 0, len(rungs)],
                "values": [sheet.name, row, 1, row, len(rungs)],
                "gap": 60,
            }
        )
    last = len(ladder.levers) + 1
    for offset, (name, figures) in enumerate(
        (
            ("net saving", [money.scaled(rung.saving) for rung in rungs]),
            ("proven from", [money.scaled(rung.lower) for rung in rungs]),
            ("proven to", [money.scaled(rung.upper) for rung in rungs]),
            ("cost", [money.scaled(rung.value) for rung in rungs]),
        )
    ):
        writer.cell(sheet, last + offset, 0, name, writer.bold)
        for column, figure in enumerate(figures, start=1):
            writer.cell(sheet, last + offset, column, figure, writer.figure)
    chart.set_title({"name": "Saving by lever, penalties below zero"})
    chart.set_y_axis({"name": money.label, "num_format": "#,##0"})
    chart.set_x_axis({"label_position": "low"})
    chart.set_size({"width": 760, "height": 420})
    sheet.insert_chart(last + 6, 0, chart)


def _table_sheet(writer: _Writer, context: Context, name: str, frame: pl.DataFrame, sheet: Any) -> None:
    shape = SHAPES.get(name)
    for column, header in enumerate(frame.columns):
        writer.cell(sheet, 0, column, header, writer.header)
        kind = shape.columns.get(header, "") if shape else ""
        if kind in _UNITS:
            unit = _UNITS[kind].format(currency=context.currency)
            sheet.write_comment(0, column, "money of the year" if header.endswith("_nominal") else unit)
        width = max(len(header), *(len(text_of(value)) for value in frame[header].head(60).to_list()), 6)
        sheet.set_column(column, column, min(width + 2, 48), _style(writer, frame[header], kind))
    for column, header in enumerate(frame.columns):
        for row, value in enumerate(frame[header].head(_MOST_ROWS).to_list(), start=1):
            writer.cell(sheet, row, column, value)
    sheet.freeze_panes(1, 1)
    if frame.width:
        sheet.autofilter(0, 0, min(frame.height, _MOST_ROWS), frame.width - 1)


def _style(writer: _Writer, series: pl.Series, kind: str) -> Any:
    """How a column is shown; what is stored in its cells stays unrounded."""
    if not series.dtype.is_float():
        return None
    largest = series.abs().max()
    if is_number(largest) and float(str(largest)) >= 10_000:
        return writer.large
    return writer.figure if kind == "million" else None


def _run_sheet(writer: _Writer, context: Context, sheet: Any) -> None:
    sheet.set_column(0, 0, 34)
    sheet.set_column(1, 1, 90)
    row = 0
    for key, value in context.meta.items():
        if isinstance(value, Mapping):
            for inner, entry in value.items():
                writer.cell(sheet, row, 0, f"{key}: {inner}")
                writer.cell(sheet, row, 1, flat(entry))
                row += 1
        elif isinstance(value, list | tuple):
            for entry in value:
                writer.cell(sheet, row, 0, str(key))
                writer.cell(sheet, row, 1, flat(entry))
                row += 1
        else:
            writer.cell(sheet, row, 0, str(key))
            writer.cell(sheet, row, 1, flat(value))
            row += 1
