"""Tables of a run as Parquet, CSV or one workbook, for other tools; no text of a user ever becomes a formula."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

import polars as pl

from teikei.errors import StudyError
from teikei.report.workbook import sheet_name
from teikei.runs.store import read
from teikei.tables.write import new_workbook, write_cell, write_frame, write_row

FORMATS: Final = ("parquet", "csv", "xlsx")
_MOST_ROWS: Final = 1_048_575


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
    write_frame(file, table)


_WRITERS: Final[Mapping[str, Callable[[pl.DataFrame, Path], None]]] = {"parquet": _parquet, "csv": _csv}


def _workbook(tables: Mapping[str, pl.DataFrame], file: Path) -> None:
    book = new_workbook(file, constant_memory=True)
    header, quoted = book.add_format({"bold": True}), book.add_format({"quote_prefix": True})
    used: set[str] = set()
    for name, table in tables.items():
        sheet = book.add_worksheet(sheet_name(name, used))
        for column, title in enumerate(table.columns):
            write_cell(sheet, 0, column, title, header)
        for row, values in enumerate(table.head(_MOST_ROWS).iter_rows(), start=1):
            write_row(sheet, row, values, quoted=quoted)
        sheet.freeze_panes(1, 0)
    if not tables:
        book.add_worksheet("empty")
    book.close()
