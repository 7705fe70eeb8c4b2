"""The solve of a joint study in the operator's room, and the way of its result through the door."""

from __future__ import annotations

import datetime as dt
import shutil
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING, Any

from teikei.errors import StudyError
from teikei.web import joint as joints
from teikei.web.database import ROOM, Store
from teikei.web.jobs import DONE, Jobs
from teikei.web.workspace import read_version, study_path

if TYPE_CHECKING:
    from teikei.runs.types import Run


def start(store: Store, jobs: Jobs, found: dict[str, Any], number: int, company: str, by: str) -> str:
    """Puts the joint study together and into the queue; the job's id.

    number: 0 for the first solve, else the round of a what-if run of ``company``, whose changed inputs replace its
    committed ones. Raises StudyError (for the operator) where the parts do not fit.
    """
    from teikei.study import check
    from teikei.web.assemble import assemble

    joint, release_list = found["joint"], found["list"]
    folder = joints.room_folder(store, joint)
    inputs: dict[str, Path] = {}
    for member in release_list.members:
        part = number if member == company else joints.FIRST_ROUND
        inputs[member] = study_path(folder / "inputs" / str(part) / member)
    frame = read_version(store, ROOM, found["scope"]["frame"], int(found["scope"]["frame_version"]))
    target = folder / "solve" / str(number) / "study"
    shutil.rmtree(target.parent, ignore_errors=True)
    target.parent.mkdir(parents=True)
    assemble(frame.path, inputs, release_list.members, target)
    problems = [problem for problem in check(target) if not problem.warning]
    if problems:
        raise StudyError(problems[:50])
    return jobs.add(ROOM, joint, 0, target, by)


def state_of(store: Store, job: str) -> str:
    """State of a job of the room."""
    with store.company(ROOM, write=False) as connection:
        row = connection.execute("SELECT state FROM jobs WHERE job=?", (job,)).fetchone()
    return "" if row is None else str(row["state"])


def joint_run(store: Store, jobs: Jobs, job: str) -> Run:
    """The finished run of a job of the room. Raises StudyError where it is not done."""
    from teikei.runs import read as read_run

    if state_of(store, job) != DONE:
        raise StudyError("the joint run is not done")
    return read_run(jobs.folder(ROOM, job) / "run")


def open_door(
    store: Store,
    jobs: Jobs,
    connection: sqlite3.Connection,
    found: dict[str, Any],
    members: list[str],
    number: int,
    job: str,
) -> None:
    """Stores for each of ``members`` what ``release`` passes of a run; pages show only what is stored here."""
    from teikei.web.release import release

    run = joint_run(store, jobs, job)
    for member in members:
        history = [joint_run(store, jobs, one) for one in _earlier(connection, found, member, number)]
        passed = release(run, member, found["list"], history=history)
        connection.execute(
            "INSERT OR REPLACE INTO releases VALUES (?, ?, ?, ?)", (found["joint"], member, number, passed.text())
        )


def open_settlement(
    store: Store, jobs: Jobs, connection: sqlite3.Connection, found: dict[str, Any], today: dt.date
) -> None:
    """Releases the first round again with the late settlement opened, where its date has come."""
    from teikei.web.release import release

    run = joint_run(store, jobs, found["job"])
    for member in found["list"].members:
        passed = release(run, member, found["list"], today=today)
        connection.execute(
            "INSERT OR REPLACE INTO releases VALUES (?, ?, ?, ?)",
            (found["joint"], member, joints.FIRST_ROUND, passed.text()),
        )


def _earlier(connection: sqlite3.Connection, found: dict[str, Any], member: str, number: int) -> list[str]:
    if number == joints.FIRST_ROUND:
        return []
    rows = connection.execute(
        "SELECT w.job FROM what_ifs w JOIN releases r ON r.joint = w.joint AND r.company = w.company "
        "AND r.round = w.round WHERE w.joint=? AND w.company=? AND w.round<? ORDER BY w.round",
        (found["joint"], member, number),
    ).fetchall()
    return [found["job"], *[row["job"] for row in rows]]
