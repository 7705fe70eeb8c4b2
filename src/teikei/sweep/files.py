"""One small file for each sample: written whole or not at all, named by what went in, checked when read.

A file is written under a name of its own beside its place, flushed to the disk and renamed; its content carries its
own checksum. What is missing, cut short or changed is computed again; nothing half written is ever read.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from teikei.errors import DamagedRunError, StudyError
from teikei.runs import versions
from teikei.study import Study
from teikei.sweep.types import Options, Sample, SweepStoppedError

FORMAT: Final = 1
RECORD: Final = "sweep.json"
SAMPLES: Final = "samples"
_FULL: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def digest(value: object) -> str:
    """SHA-256 of plain data as canonical JSON (floats with every digit)."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=True, separators=(",", ":"), allow_nan=True)
    return hashlib.sha256(text.encode()).hexdigest()


def study_digest(study: Study) -> str:
    """SHA-256 of everything a study says: settings and every cell of every table."""
    tables = {name: study[name].to_dict(as_series=False) for name in sorted(study.tables)}
    return digest({"settings": study.settings.model_dump(mode="json"), "tables": tables, "scenario": study.scenario})


def common_digest(study: Study, options: Options) -> str:
    """What the names of all samples of a sweep share: study, options, and versions that can change a number."""
    rungs = None if options.rungs is None else list(options.rungs)
    chosen = {"market": options.market, "market_draws": options.market_draws, "again": options.again, "rungs": rungs}
    return digest({"study": study_digest(study), "options": chosen, "versions": versions(), "format": FORMAT})


def sample_name(common: str, sample: Sample) -> str:
    """Name of a sample's file: a hash of its inputs, so that the same inputs are computed once wherever they occur."""
    return digest([common, [[name, value.hex()] for name, value in sorted(sample.quantiles)], sample.scenario])


def write_whole(path: Path, data: bytes) -> None:
    """Writes a file whole or not at all, and has it on the disk before it returns.

    Raises SweepStoppedError where the disk (or the quota) is full; what was there before stays.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with beside.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
        _flush_folder(path.parent)
    except OSError as error:
        with suppress(OSError):
            beside.unlink()
        if error.errno in _FULL:
            raise SweepStoppedError(f"There is no room left for {path}.") from error
        raise SweepStoppedError(f"{path} cannot be written ({error.strerror or error}).") from error


def _flush_folder(folder: Path) -> None:
    """The rename itself on the disk; not every system lets a folder be flushed."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with suppress(OSError):
            os.fsync(handle)
    finally:
        os.close(handle)


class Shelf:
    """The files of one sweep's samples."""

    def __init__(self, folder: Path):
        self.folder = folder / SAMPLES

    def path(self, name: str) -> Path:
        """Where the file of a sample stands."""
        return self.folder / name[:2] / f"{name}.json"

    def read(self, name: str) -> Mapping[str, Any] | None:
        """The outcome of a sample; None where there is none, or none that is whole."""
        try:
            stored = json.loads(self.path(name).read_bytes())
            outcome = stored["outcome"]
            if stored["format"] == FORMAT and stored["name"] == name and stored["sha256"] == digest(outcome):
                return dict(outcome)
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return None

    def write(self, name: str, outcome: Mapping[str, Any]) -> None:
        """Keeps the outcome of a sample. Raises SweepStoppedError where it cannot be written."""
        stored = {"format": FORMAT, "name": name, "outcome": outcome, "sha256": digest(outcome)}
        write_whole(self.path(name), json.dumps(stored, sort_keys=True, ensure_ascii=True).encode())

    def sweep_up(self) -> None:
        """Takes away what killed processes left beside the files."""
        if self.folder.is_dir():
            for left in self.folder.glob("*/.*.part"):
                with suppress(OSError):
                    left.unlink()


def prepare_folder(folder: Path) -> None:
    """A folder for a sweep: new, empty, or of an earlier sweep. Raises StudyError where it holds something else."""
    if folder.exists() and not folder.is_dir():
        raise StudyError(f"{folder} is a file; choose a folder with --out")
    ours = (folder / RECORD).is_file() or (folder / SAMPLES).is_dir()
    if folder.exists() and any(folder.iterdir()) and not ours:
        raise StudyError(f"{folder} is not empty and is not a sweep of teikei; choose another folder with --out")
    try:
        (folder / SAMPLES).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SweepStoppedError(f"{folder} cannot be made ({error.strerror or error}).") from error
    Shelf(folder).sweep_up()


def read_record(folder: Path) -> dict[str, Any]:
    """What a finished (or stopped) sweep says of itself. Raises DamagedRunError with what to do."""
    try:
        record = json.loads((folder / RECORD).read_text("utf-8"))
        number = int(record["format"])
    except FileNotFoundError as error:
        raise DamagedRunError(
            f"{folder} is not a sweep of teikei: {RECORD} is missing. Sweep the study again."
        ) from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DamagedRunError(f"{folder / RECORD} cannot be read. Run the same sweep again.") from error
    if number > FORMAT:
        raise DamagedRunError(f"{folder} was written by a newer teikei (format {number}). Update teikei.")
    return dict(record)
