"""The end of a joint study: nothing of what its members committed is left on the disk, and then a record says so.

closing: from here on nothing can be started, asked for or released. Every job of the joint study is cancelled and
waited for; every folder that holds a part of it is deleted, the database rows of its jobs go (their messages may name
cells of a member), and the database files are written anew so that no deleted row stays in them. Only when a second
look finds nothing is the record of the deletion written. A server that ends half-way goes on with it at the next start,
and every start looks again after the studies that are closed.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING, Any

from teikei.errors import StudyError
from teikei.web import audit
from teikei.web import joint as joints
from teikei.web.database import ROOM, Store

if TYPE_CHECKING:
    from teikei.web.audit import Line
    from teikei.web.pages import Server


def end(server: Server, joint: str, line: Line) -> None:
    """Ends a joint study. line: who ends it. Raises StudyError where something cannot be stopped or deleted yet."""
    with server.deeds:
        with server.store.operator() as connection:
            found = joints.read(connection, joint)
            if found["state"] == joints.CLOSED:
                raise StudyError("this joint study is closed already")
            if found["state"] != joints.CLOSING:
                connection.execute("UPDATE joint SET state=? WHERE joint=?", (joints.CLOSING, joint))
            audit.append(connection, server.clock(), line.actor, line.action, line.subject, line.company)
        files = _sweep(server, joint)
        with server.store.operator() as connection:
            hashes = [one["hash"] for one in joints.read(connection, joint)["commitments"]]
            record = {"files": files, "commitments": hashes}
            connection.execute("INSERT INTO deletions VALUES (?, ?, ?)", (joint, server.clock(), json.dumps(record)))
            connection.execute("UPDATE joint SET state=? WHERE joint=?", (joints.CLOSED, joint))
            subject = f"{line.subject}: {files} files"
            audit.append(connection, server.clock(), line.actor, "deleted the inputs of a joint study", subject)


def finish_endings(server: Server) -> None:
    """At a start: ends what was being ended, and deletes whatever is still there of a study that is closed."""
    with server.store.operator(write=False) as connection:
        rows = [dict(row) for row in connection.execute("SELECT joint, title, state FROM joint")]
    for row in rows:
        name = f"{row['title']} [{row['joint']}]"
        if row["state"] == joints.CLOSING:
            try:
                end(server, row["joint"], audit.Line("teikei", "goes on with ending a joint study", name))
            except (StudyError, OSError, sqlite3.Error):
                continue  # its page says that it is still being ended; the operator ends it again
        elif row["state"] == joints.CLOSED and remains(server.store, row["joint"]):
            _sweep(server, row["joint"])
            with server.store.operator() as connection:
                action = "deleted what was left of a joint study that had ended"
                audit.append(connection, server.clock(), "teikei", action, name)


def _sweep(server: Server, joint: str) -> int:
    """Stops and deletes everything of a joint study; the number of files."""
    store = server.store
    server.jobs.end_joint(joint)
    files = 0
    for folder in remains(store, joint):
        files += sum(path.is_file() for path in folder.rglob("*"))
        shutil.rmtree(folder, ignore_errors=True)
    left = remains(store, joint)
    if left:
        raise StudyError("some files could not be deleted; look at the server's disk, then end the study again")
    with store.company(ROOM) as connection:
        connection.execute("DELETE FROM jobs WHERE joint=?", (joint,))
    try:
        store.clean_files(ROOM)
        store.clean_files()
    except sqlite3.Error as error:
        raise StudyError("the server's database is in use; end the study again in a minute") from error
    return files


def remains(store: Store, joint: str) -> list[Path]:
    """Folders that hold a part of a joint study: its own, those of its jobs, and those of jobs that nothing knows."""
    with store.company(ROOM, write=False) as connection:
        rows: list[Any] = connection.execute("SELECT job, joint FROM jobs").fetchall()
    others = {row["job"] for row in rows if row["joint"] != joint}
    folders = [joints.room_folder(store, joint)]
    jobs = store.workspace(ROOM) / "jobs"
    if jobs.is_dir():
        folders += [path for path in sorted(jobs.iterdir()) if path.name not in others]
    return [folder for folder in folders if folder.exists()]
