"""Tables of a run as Parquet, CSV or one workbook, for other tools; no text of a user ever becomes a formula."""

from __future__ import annotations

import csv
import os
import re
import shutil
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import date, datetime
from math import isfinite
from pathlib import Path
from typing import Any, Final

import polars as pl
import xlsxwriter

from teikei.errors import StudyError
from teikei.report.workbook import sheet_name
from teikei.runs.store import read

FORMATS: Final = ("parquet", "csv", "xlsx")
_MOST_ROWS: Final = 1_048_575
_LONGEST_TEXT: Final = 32_000
_PLAIN_TEXT: Final = {"strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
_NUMBER: Final = re.compile(r"[+-]?\d+(\.\d+)?([eE][+-]?\d+)?")
_FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t", "\r", "\n")


def export(folder: Path, kind: str, out: Path | None = None) -> Path:
    """Write every table of a stored run, unrounded, and give the folder (parquet, csv) or the workbook (xlsx).

    out: default ``<run>-<kind>`` or ``<run>.xlsx`` beside the run. Numbers keep every digit; lists are joined by ``;``.
    Raises StudyError for an unknown kind or a place that holds something else, DamagedRunError for a damaged run.
    """
    if kind not in FORMATS:
        raise StudyError(f"--format is {kind!r}; expected one of {', '.join(FORMATS)}")
    stored = read(folder)
    if kind == "xlsx":
        target = out or folder.with_name(f"{folder.name}.xlsx")
        if target.is_dir():
            raise StudyError(f"{target} is a folder; name a workbook, such as tables.xlsx")
    else:
        target = out or folder.with_name(f"{folder.name}-{kind}")
        if target.exists() and (not target.is_dir() or any(one.suffix != f".{kind}" for one in target.iterdir())):
            raise StudyError(f"{target} holds something else; choose another folder with --out")
    return write_tables(stored.tables, kind, target)


def write_tables(tables: Mapping[str, pl.DataFrame], kind: str, target: Path) -> Path:
    """Tables as files of one kind in a folder, or as one workbook; written beside the place and renamed."""
    target.parent.mkdir(parents=True, exist_ok=True)
    beside = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        if kind == "xlsx":
            _workbook(tables, beside)
            beside.replace(target)
        else:
            beside.mkdir()
            for name, table in tables.items():
                _WRITERS[kind](table, beside / f"{name}.{kind}")
            _swap(beside, target)
    except BaseException:
        if beside.is_dir():
            shutil.rmtree(beside, ignore_errors=True)
        with suppress(OSError):
            beside.unlink()
        raise
    return target


def _swap(made: Path, target: Path) -> None:
    replaced = target.with_name(f".{target.name}.{os.getpid()}.replaced")
    if target.exists():
        target.rename(replaced)
    made.rename(target)
    shutil.rmtree(replaced, ignore_errors=True)


def _parquet(table: pl.DataFrame, file: Path) -> None:
    table.write_parquet(file)


def _csv(table: pl.DataFrame, file: Path) -> None:
    with file.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow([_guarded(name) for name in table.columns])
        for row in table.iter_rows():
            writer.writerow([_text(value) for value in row])


_WRITERS: Final[Mapping[str, Callable[[pl.DataFrame, Path], None]]] = {"parquet": _parquet, "csv": _csv}


def _text(value: Any) -> str:
    """A cell of a CSV file: numbers with every digit, texts that no spreadsheet takes for a formula."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return repr(value) if isfinite(value) else ""
    if isinstance(value, list | tuple):
        return _guarded(";".join(_text(part) for part in value))
    return _guarded(value.isoformat() if isinstance(value, datetime | date) else str(value))


def _guarded(text: str) -> str:
    """Text that no spreadsheet takes for a formula, also one that trims cells or breaks lines at a carriage return."""
    plain = text.replace("\r\n", "\n").replace("\r", "\n")
    start = plain.lstrip("\t\n \u3000\ufeff\u00a0")
    return f"'{plain}" if start.startswith(("=", "+", "-", "@")) and not _NUMBER.fullmatch(plain) else plain


class _Exact(float):
    """A float that is written with all its digits: XlsxWriter's own format keeps 16, which loses the last bit."""

    __slots__ = ()

    def __format__(self, specification: str) -> str:
        return repr(float(self))


def _workbook(tables: Mapping[str, pl.DataFrame], file: Path) -> None:
    book = xlsxwriter.Workbook(str(file), {**_PLAIN_TEXT, "constant_memory": True})
    header, quoted = book.add_format({"bold": True}), book.add_format({"quote_prefix": True})
    used: set[str] = set()
    for name, table in tables.items():
        sheet = book.add_worksheet(sheet_name(name, used))
        for column, title in enumerate(table.columns):
            sheet.write_string(0, column, title, header)
        for row, values in enumerate(table.head(_MOST_ROWS).iter_rows(), start=1):
            for column, value in enumerate(values):
                _cell(sheet, row, column, value, quoted)
        sheet.freeze_panes(1, 0)
    if not tables:
        book.add_worksheet("empty")
    book.close()


def _cell(sheet: Any, row: int, column: int, value: Any, quoted: Any) -> None:
    if isinstance(value, float | int) and not isinstance(value, bool):
        if isfinite(value):
            sheet.write_number(row, column, _Exact(value) if isinstance(value, float) else value)
        return
    text = "yes" if value is True else "no" if value is False else "" if value is None else _plain(value)
    if text:
        sheet.write_string(row, column, text[:_LONGEST_TEXT], quoted if text.startswith(_FORMULA_STARTS) else None)


def _plain(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ";".join("" if part is None else str(part) for part in value)
    return value.isoformat() if isinstance(value, datetime | date) else str(value)
