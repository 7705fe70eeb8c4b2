"""A backup of the server's data, and the way back. No backup holds what the end of a joint study has to delete.

Committed inputs and joint runs stay out: whoever ends a joint study need not look for copies of them. After a restore,
joint studies that were committed and not yet released wait for their members' inputs again; those that were released
keep what was released. Sessions and links are not restored. Heads noted beside the database stay out, too: a head that
was kept later than the backup is not in the restored log, and ``audit-verify`` says so, as it should.
"""

from __future__ import annotations

import os
import sqlite3
import tempfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Final

from teikei.errors import DamagedRunError, StudyError
from teikei.web import audit
from teikei.web import joint as joints
from teikei.web.database import ROOM, Store
from teikei.web.log_watch import CHECKPOINTS

_DATABASES: Final = ("operator.db", "workspace.db")
_LEFT_OUT_OF_ROOM: Final = ("joint", "jobs")


def backup(data: Path, out: Path) -> int:
    """Writes a zip of a server's data, also while it runs; the number of files. Raises StudyError where there is none.

    Databases come first, each as it stood at one moment; the files of a version are there before its row is.
    """
    if not (data / "operator.db").is_file():
        raise StudyError(f"{data} holds no data of a server")
    if out.exists():
        raise StudyError(f"{out} is there already; give another name")
    beside = out.with_name(f".{out.name}.part")
    count = 0
    try:
        with zipfile.ZipFile(beside, "w", zipfile.ZIP_DEFLATED) as archive, tempfile.TemporaryDirectory() as folder:
            os.chmod(beside, 0o600)
            databases = [path for name in _DATABASES for path in sorted(data.rglob(name))]
            for path in databases:
                copy = Path(folder) / "copy.db"
                _copy(path, copy)
                archive.write(copy, path.relative_to(data).as_posix())
                copy.unlink()
            files = [path for path in sorted(data.rglob("*")) if path.is_file() and _belongs(path.relative_to(data))]
            for path in files:
                archive.write(path, path.relative_to(data).as_posix())
            count = len(databases) + len(files)
        os.replace(beside, out)
    finally:
        beside.unlink(missing_ok=True)
    return count


def _copy(database: Path, target: Path) -> None:
    source, copy = sqlite3.connect(database, timeout=60), sqlite3.connect(target)
    try:
        source.backup(copy)
    finally:
        source.close()
        copy.close()


def _belongs(path: Path) -> bool:
    """Whether a file goes into a backup: the files of companies' studies and runs, and those of the room's studies."""
    parts = path.parts
    if len(parts) < 2 or path.name == CHECKPOINTS or path.name.startswith("workspace.db") or ".upload-" in str(path):
        return False
    return parts[0].startswith("company-") or (parts[0] == ROOM and parts[1] not in _LEFT_OUT_OF_ROOM)


def restore(file: Path, data: Path, clock: Callable[[], float] = time.time) -> int:
    """Puts a backup into a new folder; the number of joint studies whose members have to commit their inputs again.

    Raises StudyError where the folder is not empty, DamagedRunError where the file is no whole backup.
    """
    if data.exists() and any(data.iterdir()):
        raise StudyError(f"{data} is not empty; restore into a new folder")
    data.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        with zipfile.ZipFile(file) as archive:
            names = [PurePosixPath(name) for name in archive.namelist()]
            if (
                any(name.is_absolute() or ".." in name.parts for name in names)
                or PurePosixPath("operator.db") not in names
            ):
                raise DamagedRunError(f"{file} is no backup of a server")
            archive.extractall(data)
    except (OSError, zipfile.BadZipFile) as error:
        raise DamagedRunError(f"{file} is not a whole backup") from error
    store = Store(data)
    for path in data.rglob("*.db"):
        path.chmod(0o600)
    with store.company(ROOM) as connection:
        connection.execute("DELETE FROM jobs WHERE joint<>''")
    with store.operator() as connection:
        for table in ("sessions", "devices", "links", "attempts"):
            connection.execute(f"DELETE FROM {table}")  # noqa: S608 - names of our own
        waiting = (joints.SIGNED, joints.COMMITTED, joints.SOLVING)
        rows = connection.execute("SELECT joint FROM joint WHERE state IN (?, ?, ?)", waiting).fetchall()
        for row in rows:
            connection.execute("DELETE FROM commitments WHERE joint=?", (row["joint"],))
            connection.execute("UPDATE joint SET state=?, job='' WHERE joint=?", (joints.SIGNED, row["joint"]))
        lines, head = audit.head(connection)
        subject = f"after line {lines}, head {head}; later lines are not in it"
        audit.append(connection, clock(), "teikei", "restored from a backup", subject)
    return len(rows)
