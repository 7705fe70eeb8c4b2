"""The one writer: CSV files and workbooks with every digit of a number, and no text that a spreadsheet would run."""

from __future__ import annotations

import csv
import datetime as dt
import io
import os
from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime
from functools import partial
from math import isfinite
from pathlib import Path
from typing import Any, Final

import polars as pl
import xlsxwriter

from teikei.tables.columns import LIST_SEPARATOR
from teikei.tables.formula_guard import GUARD, guarded, is_formula

LONGEST_TEXT: Final = 32_000  # a cell of Excel holds 32,767 characters
_CREATED: Final = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)
_OPTIONS: Final = {
    "strings_to_formulas": False,
    "strings_to_urls": False,
    "strings_to_numbers": False,
    "nan_inf_to_errors": False,
}


class ExactNumber(float):
    """A float that is written with all its digits: XlsxWriter's own format keeps 16, which loses the last bit."""

    __slots__ = ()

    def __format__(self, specification: str) -> str:
        return repr(float(self))


def cell_text(value: Any, number: Callable[[float], str] = repr) -> str:
    """The text of a value in a CSV file.

    None and numbers that are not finite are empty, booleans yes and no, lists joined by ``;``, days as in ISO 8601,
    text that ``is_formula`` guarded. number: how a float is written, by default with every digit.
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return number(value) if isfinite(value) else ""
    if isinstance(value, int):
        return str(int(value))
    if hasattr(value, "item") and not isinstance(value, str):  # a number of numpy
        return cell_text(value.item(), number)
    return guarded(plain_text(value))


def plain_text(value: Any) -> str:
    """A text, list or day as one text with plain line breaks, without any guard."""
    if isinstance(value, list | tuple):
        text = LIST_SEPARATOR.join(part if isinstance(part, str) else cell_text(part) for part in value)
    else:
        text = value.isoformat() if isinstance(value, datetime | date) else str(value)
    return text.replace("\r\n", "\n").replace("\r", "\n")


def write_csv(
    path: Path,
    header: Iterable[str],
    rows: Iterable[Iterable[Any]],
    number: Callable[[float], str] = repr,
    *,
    typed: bool = False,
) -> None:
    """A table as a CSV file: UTF-8, comma, decimal point; written beside the place and renamed.

    Cells are written as ``cell_text`` says. typed: the cells are texts as somebody typed them, where an apostrophe of
    the guard stands already if there is one: only what a spreadsheet would run gets one.
    """
    as_text = _raw_text if typed else partial(cell_text, number=number)
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with beside.open("w", encoding="utf-8", newline="") as stream:
            writer = csv.writer(stream, lineterminator="\n")
            writer.writerow([as_text(name) for name in header])
            for row in rows:
                writer.writerow([as_text(value) for value in row])
        os.replace(beside, path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


def typed_csv(rows: Iterable[Iterable[Any]], separator: str = ",") -> str:
    """Rows of texts as somebody typed them as the text of a CSV file, guarded as ``write_csv`` with typed."""
    stream = io.StringIO(newline="")
    csv.writer(stream, lineterminator="\n", delimiter=separator).writerows(
        [_raw_text(cell) for cell in row] for row in rows
    )
    return stream.getvalue()


def write_frame(path: Path, table: pl.DataFrame) -> None:
    """A frame as a CSV file."""
    write_csv(path, table.columns, table.iter_rows())


def write_frames(path: Path, frames: Iterable[pl.DataFrame]) -> None:
    """Frames of the same columns, one after the other, as one CSV file; for tables too long to go cell by cell.

    Cells as ``write_csv`` writes them; columns are texts and numbers only.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with beside.open("wb") as stream:
            for number, frame in enumerate(frames):
                _guarded_frame(frame).write_csv(stream, include_header=number == 0)
        os.replace(beside, path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


def _guarded_frame(frame: pl.DataFrame) -> pl.DataFrame:
    """Texts as ``guarded`` leaves them, numbers that are not finite empty; only odd texts are looked at one by one."""
    texts = [name for name, kind in frame.schema.items() if kind == pl.String]
    numbers = [name for name, kind in frame.schema.items() if kind == pl.Float64]
    plain = r"^[\p{L}\p{N}_][^\r\n\t\x00]*$"
    safe = [
        pl.when(pl.col(name).str.contains(plain) | (pl.col(name) == ""))
        .then(pl.col(name))
        .otherwise(pl.col(name).map_elements(lambda text: guarded(plain_text(text)), return_dtype=pl.String))
        for name in texts
        if not frame[name].fill_null("").str.contains(plain).all()
    ]
    finite = [pl.when(pl.col(name).is_finite()).then(pl.col(name)) for name in numbers]
    return frame.with_columns(*safe, *finite)


def _raw_text(value: Any) -> str:
    text = plain_text(value)
    return GUARD + text if is_formula(text) else text


def new_workbook(target: Any, **options: Any) -> Any:
    """A workbook of XlsxWriter in which no text becomes a formula, a link or a number; close it, or use ``with``."""
    book = xlsxwriter.Workbook(target if isinstance(target, io.IOBase) else str(target), {**_OPTIONS, **options})
    book.set_properties({"created": _CREATED})  # equal content is equal bytes, whenever it is written
    return book


def write_cell(sheet: Any, row: int, column: int, value: Any, style: Any = None, quoted: Any = None) -> None:
    """One cell of a workbook: finite numbers as numbers with every digit, the rest as text, nothing for None or NaN.

    Text is a string cell, which no spreadsheet runs as it stands. quoted: the format (``quote_prefix``) of text that
    would be run once somebody edits the cell; without one the text is ``guarded``, as a reader of teikei expects it.
    """
    if hasattr(value, "item") and not isinstance(value, str | float | int):
        value = value.item()
    if isinstance(value, float | int) and not isinstance(value, bool):
        if isfinite(value):
            sheet.write_number(row, column, ExactNumber(value) if isinstance(value, float) else value, style)
        return
    text = "yes" if value is True else "no" if value is False else "" if value is None else plain_text(value)
    text = guarded(text[:LONGEST_TEXT]) if quoted is None else text[:LONGEST_TEXT]
    if text:
        sheet.write_string(row, column, text, style if quoted is None or not is_formula(text) else quoted)


def write_row(sheet: Any, row: int, values: Sequence[Any], style: Any = None, quoted: Any = None) -> None:
    """Several cells beside each other."""
    for column, value in enumerate(values):
        write_cell(sheet, row, column, value, style, quoted)
