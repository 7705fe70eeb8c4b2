"""What somebody sends, before anything reads it: one workbook, or a zip of the study's tables, within limits."""

from __future__ import annotations

import io
import re
import shutil
import zipfile
import zlib
from pathlib import Path, PurePosixPath
from typing import Final

from teikei.errors import StudyError

MOST_FILES: Final = 200
LARGEST_UNPACKED_BYTES: Final = 60_000_000
LARGEST_RATIO: Final = 200  # text packs 10 to 30 times; a bomb packs a thousand times
_NAME: Final = re.compile(r"[\w][\w .()-]{0,80}\.(csv|yaml|md)", re.ASCII)


def store_upload(data: bytes, folder: Path) -> Path:
    """Writes an upload below ``folder`` (which must be new) and gives the path that ``study.check`` reads.

    data: an .xlsx workbook, or a zip that holds study.yaml and its CSV files (at the top or in one folder). Only files
    with plain names are written, into one flat folder. Raises StudyError with what to send instead; then ``folder``
    is not left behind.
    """
    if not data:
        raise StudyError("the file is empty; choose a workbook (.xlsx) or a zip of the study's folder")
    folder.mkdir(parents=True)
    try:
        return _store(data, folder)
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError, OSError, ValueError) as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise StudyError(
            "the file is damaged or packed in a way that is not read; pack it again as a plain zip"
        ) from error
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _store(data: bytes, folder: Path) -> Path:
    if not zipfile.is_zipfile(io.BytesIO(data)):
        raise StudyError("this is neither a workbook (.xlsx) nor a zip; send one of the two")
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        infos = [info for info in archive.infolist() if not info.is_dir()]
        if any(info.filename == "xl/workbook.xml" for info in infos):
            target = folder / "study.xlsx"
            target.write_bytes(data)  # the study's reader has its own guard for what is inside a workbook
            return target
        target = folder / "study"
        target.mkdir()
        _unpack(archive, infos, target)
        return target


def _unpack(archive: zipfile.ZipFile, infos: list[zipfile.ZipInfo], target: Path) -> None:
    if len(infos) > MOST_FILES:
        raise StudyError(f"the zip holds {len(infos)} files; a study has at most {MOST_FILES}")
    wanted: dict[str, zipfile.ZipInfo] = {}
    for info in infos:
        path = PurePosixPath(info.filename.replace("\\", "/"))
        if path.name.startswith(".") or "__MACOSX" in path.parts:
            continue
        if path.is_absolute() or ".." in path.parts or len(path.parts) > 2 or not _NAME.fullmatch(path.name):
            raise StudyError(
                "the zip may hold only study.yaml, .csv and .md files with plain names, at the top or in one folder"
            )
        if path.name in wanted:
            raise StudyError(f"the zip holds two files named {path.name}; pack one study only")
        wanted[path.name] = info
    if "study.yaml" not in wanted:
        raise StudyError("the zip holds no study.yaml; pack the whole folder of the study")
    left = LARGEST_UNPACKED_BYTES
    for name, info in wanted.items():
        most = min(left, max(1_000_000, info.compress_size * LARGEST_RATIO))
        with archive.open(info) as packed:
            content = packed.read(most + 1)  # what the header says of the size is not believed
        if len(content) > most:
            raise StudyError("the zip unpacks to far more than a study; send the tables as they are")
        left -= len(content)
        (target / name).write_bytes(content)
