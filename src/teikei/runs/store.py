"""Write a run beside its place and rename it, so that a killed run leaves nothing half done; read it back."""

from __future__ import annotations

import json
import os
import platform
import shutil
from collections.abc import Callable, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any, Final

import polars as pl

import teikei
from teikei.errors import DamagedRunError, StudyError
from teikei.runs.types import Run

FORMAT: Final = 1
_PACKAGES: Final = ("numpy", "numba", "scipy", "polars", "highspy", "plotly", "pydantic")


def versions() -> dict[str, str]:
    """Versions of teikei, Python and the packages whose release can change a number."""
    found = {"teikei": teikei.__version__, "python": platform.python_version()}
    for package in _PACKAGES:
        found[package] = metadata.version(package)
    return found


SWEEPS = ("sweep.json", "robust.json")  # records of what is not a run


def choose_folder(name: str, out: Path | None) -> Path:
    """The folder a run will have: ``out``, or the next free ``runs/<name>-<n>`` under the working folder.

    Raises StudyError if ``out`` exists and is not a run of teikei: nothing that is not ours is replaced.
    """
    if out is None:
        number = 1
        while (candidate := Path("runs") / f"{name}-{number}").exists():
            number += 1
        return candidate
    if out.exists() and not out.is_dir():
        raise StudyError(f"{out} is a file; choose a folder for the run")
    if out.exists() and any(out.iterdir()) and not (out / "run.json").is_file():
        raise StudyError(f"{out} is not empty and is not a run of teikei; choose another folder with --out")
    return out


def save(
    folder: Path,
    tables: Mapping[str, pl.DataFrame],
    meta: Mapping[str, Any],
    inputs: Path,
    write_report: Callable[[Mapping[str, pl.DataFrame], Mapping[str, Any], Path], object],
    log: str,
) -> Run:
    """Write everything of a run into ``<folder>.partial-<process>``, then rename it to ``folder``.

    A run that stood at ``folder`` is replaced only once the new one is complete. The log holds no private figures.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = folder.with_name(f".{folder.name}.partial-{os.getpid()}")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        (partial / "tables").mkdir(parents=True)
        copy_inputs(inputs, partial / "inputs")
        for name, table in tables.items():
            table.write_parquet(partial / "tables" / f"{name}.parquet")
        (partial / "run.log").write_text(log, "utf-8")
        full_meta = {"format": FORMAT, "tables": sorted(tables), **meta}
        write_report(tables, full_meta, partial)
        (partial / "run.json").write_text(json.dumps(full_meta, indent=1, ensure_ascii=False, sort_keys=True), "utf-8")
        _put_in_place(partial, folder)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    return Run(folder, dict(tables), full_meta)


def _put_in_place(partial: Path, folder: Path) -> None:
    replaced = folder.with_name(f".{folder.name}.replaced-{os.getpid()}")
    if folder.exists():
        folder.rename(replaced)
    try:
        partial.rename(folder)
    except BaseException:
        if replaced.exists():
            replaced.rename(folder)
        raise
    shutil.rmtree(replaced, ignore_errors=True)


def copy_inputs(source: Path, target: Path) -> None:
    """Copy the study as it was read: the folder's own files (no subfolders), or the workbook."""
    target.mkdir(parents=True)
    if source.is_dir():
        for file in sorted(source.iterdir()):
            if file.is_file() and file.suffix in (".csv", ".yaml", ".md"):
                shutil.copyfile(file, target / file.name)
    elif source.is_file():
        shutil.copyfile(source, target / source.name)


def read(folder: Path) -> Run:
    """Open a stored run. Raises DamagedRunError, with what to do, if it is damaged or newer than this version."""
    record = folder / "run.json"
    if not record.is_file():
        if any((folder / name).is_file() for name in SWEEPS):
            raise DamagedRunError(
                f"{folder} is a sweep, not a run: its tables stand in {folder / 'tables'} (Parquet), {folder / 'csv'} "
                f"and {folder / 'report.xlsx'} already."
            )
        raise DamagedRunError(f"{folder} is not a run of teikei: run.json is missing. Run the study again.")
    try:
        meta = json.loads(record.read_text("utf-8"))
        file_format = int(meta["format"])
        names = [str(name) for name in meta["tables"]]
    except (ValueError, KeyError, TypeError, UnicodeDecodeError) as error:
        raise DamagedRunError(f"{record} cannot be read ({type(error).__name__}). Run the study again.") from error
    if file_format > FORMAT:
        raise DamagedRunError(
            f"{folder} was written by a newer teikei (format {file_format}; this one reads {FORMAT}). Update teikei."
        )
    if file_format < FORMAT:
        raise DamagedRunError(
            f"{folder} was written by an older teikei (format {file_format}; this one reads {FORMAT}). "
            f"Run its inputs again: teikei run {folder / 'inputs'}"
        )
    tables = {}
    for name in names:
        file = folder / "tables" / f"{name}.parquet"
        try:
            tables[name] = pl.read_parquet(file)
        except (OSError, pl.exceptions.PolarsError) as error:
            raise DamagedRunError(f"{file} is missing or damaged. Run the study again.") from error
    return Run(folder, tables, meta)
