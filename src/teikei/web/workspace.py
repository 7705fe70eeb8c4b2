"""A workspace's studies and their versions: files in the owner's folder, who and when in the owner's database."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import shutil
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from teikei.errors import Problem, StudyError
from teikei.web import audit
from teikei.web.accounts import new_id
from teikei.web.database import Store
from teikei.web.uploads import store_upload

LineOf = Callable[[str, int], audit.Line]  # what the log says of a version, from study and number


@dataclass(frozen=True)
class Version:
    """One version of a study. Problems are in the order of files and lines."""

    study: str
    version: int
    path: Path
    problems: tuple[Problem, ...]


def version_folder(store: Store, workspace: str, study: str, version: int) -> Path:
    """Where a version lies."""
    return store.workspace(workspace) / "studies" / study / str(version)


def study_path(folder: Path) -> Path:
    """The workbook or the folder of tables inside a version's folder."""
    workbook = folder / "study.xlsx"
    return workbook if workbook.is_file() else folder / "study"


def add_version(
    store: Store,
    workspace: str,
    study: str | None,
    title: str,
    data: bytes,
    by: str,
    now: float,
    note: str = "",
    line: LineOf | None = None,
) -> Version:
    """Keeps an upload as the next version (of a new study where ``study`` is None), with every problem it has.

    A version with problems is kept: its owner mends it and uploads again. line: what the log says of a version, from
    study and number; it is written with the version or not at all. Raises StudyError for what is no study.
    """
    return _keep(store, workspace, study, title, lambda folder: store_upload(data, folder), by, now, note, line)


def add_edit(
    store: Store,
    workspace: str,
    study: str,
    base: int,
    change: Callable[[Path], None],
    by: str,
    now: float,
    note: str = "",
    line: LineOf | None = None,
) -> Version:
    """Keeps an edit of version ``base`` as the next version. change: makes the edit in a folder of the study's files.

    Raises StudyError where a newer version than ``base`` is there: nobody's work is overwritten unseen.
    """
    from teikei.web.tables import as_folder

    source = study_path(version_folder(store, workspace, study, base))

    def prepare(folder: Path) -> Path:
        target = folder / "study"
        as_folder(source, target)
        change(target)
        return target

    return _keep(store, workspace, study, "", prepare, by, now, note, line, base=base)


def _keep(
    store: Store,
    workspace: str,
    study: str | None,
    title: str,
    prepare: Callable[[Path], Path],
    by: str,
    now: float,
    note: str,
    line: LineOf | None,
    base: int | None = None,
) -> Version:
    """Written beside its place, renamed and entered: a server that ends half-way leaves no half version."""
    from teikei.study import check

    folder = store.workspace(workspace) / "studies"
    folder.mkdir(parents=True, exist_ok=True)
    beside = folder / f".upload-{new_id()}"
    try:
        path = prepare(beside)
        problems = tuple(check(path))
        (beside / "problems.json").write_text(
            json.dumps([[p.place, p.message, p.warning] for p in problems], ensure_ascii=False), "utf-8"
        )
        sha256 = folder_hash(path)
        with store.company(workspace) as connection:
            if study is None:
                study = new_id()
                connection.execute("INSERT INTO studies VALUES (?, ?, ?)", (study, title.strip()[:120] or "?", now))
            last = connection.execute("SELECT max(version) FROM versions WHERE study=?", (study,)).fetchone()[0] or 0
            if base is not None and base != last:
                raise StudyError("somebody has saved a newer version meanwhile; open it and make your change there")
            version = last + 1
            errors = sum(not problem.warning for problem in problems)
            connection.execute(
                "INSERT INTO versions VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (study, version, by, now, errors, len(problems) - errors, sha256, note.strip()[:300]),
            )
            place = version_folder(store, workspace, study, version)
            place.parent.mkdir(exist_ok=True)
            shutil.rmtree(place, ignore_errors=True)  # left by a server that ended between renaming and entering
            os.rename(beside, place)
            if line is not None:
                audit.set_aside(connection, now, line(study, version))
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return Version(study, version, study_path(place), problems)


def read_version(store: Store, workspace: str, study: str, version: int) -> Version:
    """A kept version with its problems."""
    folder = version_folder(store, workspace, study, version)
    problems = tuple(Problem(*entry) for entry in json.loads((folder / "problems.json").read_text("utf-8")))
    return Version(study, version, study_path(folder), problems)


def keep(file: Path, text: str) -> None:
    """Writes a file whole or not at all."""
    beside = file.with_name(f".{file.name}.{new_id()}")
    beside.write_text(text, "utf-8")
    os.replace(beside, file)


def folder_hash(path: Path) -> str:
    """SHA-256 over names and contents of a study's files, in the order of names."""
    total = hashlib.sha256()
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    for file in files:
        total.update(f"{file.name}\n{hashlib.sha256(file.read_bytes()).hexdigest()}\n".encode())
    return total.hexdigest()


def as_workbook(path: Path) -> bytes:
    """A study as an Excel workbook; raises StudyError with its problems where it has errors."""
    from teikei.study import load, write_workbook

    if path.is_file():
        return path.read_bytes()
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "study.xlsx"
        write_workbook(load(path), target)
        return target.read_bytes()


def rewritten_workbook(path: Path) -> bytes:
    """A study as a workbook that teikei writes anew: nothing of the file that somebody sent but what the study says."""
    from teikei.study import load, write_workbook

    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "study.xlsx"
        write_workbook(load(path), target)
        return target.read_bytes()


def as_zip(path: Path) -> bytes:
    """The files of a version as they were sent, but for cells that a table program would take for formulas."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(path.iterdir()) if path.is_dir() else [path]:
            content = file.read_bytes()
            archive.writestr(f"study/{file.name}", guarded_csv(content) if file.suffix == ".csv" else content)
    return packed.getvalue()


def guarded_csv(content: bytes) -> bytes:
    """A CSV file, whoever made it, without a cell that a table program would run; untouched where there is none."""
    from teikei.tables.formula_guard import is_formula
    from teikei.tables.write import typed_csv

    try:
        encoding = "utf-8-sig" if content.startswith(b"\xef\xbb\xbf") else "utf-8"
        text = content.decode(encoding)
    except UnicodeDecodeError:
        encoding = "latin-1"  # byte for byte, whatever the encoding is
        text = content.decode(encoding)
    first = text.partition("\n")[0]
    separator = max(",;\t", key=first.count)
    try:
        rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=separator))
    except csv.Error:
        rows = [line.split(separator) for line in text.splitlines()]
    if not any(is_formula(cell) for row in rows for cell in row):
        return content
    return typed_csv(rows, separator).encode(encoding)


def clean_up(store: Store) -> None:
    """After a start: removes what uploads that never ended left behind."""
    for left in store.folder.glob("*/studies/.upload-*"):
        shutil.rmtree(left, ignore_errors=True)
