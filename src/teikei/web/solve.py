"""The solve of a joint study in the operator's room, and the way of its result through the door."""

from __future__ import annotations

import datetime as dt
import json
import shutil
import sqlite3
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from teikei.errors import StudyError
from teikei.room.items import RequirementPriceBand
from teikei.room.release_list import ReleaseList
from teikei.room.signed import Signed, apply
from teikei.web import joint as joints
from teikei.web.database import ROOM, Store
from teikei.web.jobs import DONE, Jobs
from teikei.web.worker import EXTRA, OPTIONS
from teikei.web.workspace import read_version, study_path

if TYPE_CHECKING:
    from teikei.runs.types import Run

EXACT: Final = "exact"  # in the options of a joint job: the member whose own figures are not on cells
TIMELINE_SECONDS: Final = 120.0  # for a longer proof of the schedule, where one is asked for (never in a joint run)


def start(
    store: Store,
    jobs: Jobs,
    found: dict[str, Any],
    documents: Sequence[Signed],
    number: int,
    company: str,
    by: str,
    job: str,
) -> str:
    """Puts the joint study together, with the signed specifications, and into the queue as ``job``; its id.

    number: 0 for the first solve, else the round of a what-if run of ``company``, whose changed inputs replace its
    committed ones (empty: nobody's change). Raises StudyError (for the operator) where the parts do not fit.
    """
    from teikei.room import assemble
    from teikei.study import check, load

    joint, release_list = found["joint"], found["list"]
    if found["void"]:
        raise StudyError(f"the release list is void: {found['void']}")
    folder = joints.room_folder(store, joint)
    inputs: dict[str, Path] = {}
    for member in release_list.members:
        part = number if member == company else joints.FIRST_ROUND
        inputs[member] = study_path(folder / "inputs" / str(part) / member)
    frame = read_version(store, ROOM, found["scope"]["frame"], int(found["scope"]["frame_version"]))
    target = folder / "solve" / str(number) / "study"
    shutil.rmtree(target.parent, ignore_errors=True)
    target.parent.mkdir(parents=True)
    assemble(frame.path, inputs, release_list, target, lambda study: apply(study, documents), exact=company)
    problems = [problem for problem in check(target) if not problem.warning]
    if problems:
        raise StudyError(problems[:50])
    coalition = load(target).coalition_name(set(release_list.companies))
    options = {**options_of(release_list, coalition), EXACT: company}
    return jobs.add(ROOM, joint, 0, target, by, options, joint=joint, job=job)


def options_of(release_list: ReleaseList, coalition: str) -> dict[str, Any]:
    """What the joint run has to compute beside the plan, so that every item of the list can be answered."""
    options: dict[str, Any] = {}
    if any(isinstance(item, RequirementPriceBand) for item in release_list.items):
        options["requirement_prices"] = {"coalition": coalition, "rung": release_list.rung}
    return options


def state_of(store: Store, job: str) -> str:
    """State of a job of the room."""
    with store.company(ROOM, write=False) as connection:
        row = connection.execute("SELECT state FROM jobs WHERE job=?", (job,)).fetchone()
    return "" if row is None else str(row["state"])


def joint_run(store: Store, jobs: Jobs, job: str, release_list: ReleaseList) -> Run:
    """The finished run of a job of the room, as made on the list's cells. Raises StudyError where it is not done."""
    import polars as pl

    from teikei.room.door import made_on_cells
    from teikei.runs import read as read_run

    if state_of(store, job) != DONE:
        raise StudyError("the joint run is not done")
    folder = jobs.folder(ROOM, job)
    run = read_run(folder / "run")
    more = {file.stem: pl.read_parquet(file) for file in sorted((folder / EXTRA).glob("*.parquet"))}
    asked = json.loads((folder / OPTIONS).read_text("utf-8"))
    whole = replace(run, tables={**run.tables, **more})
    return made_on_cells(whole, release_list, str(asked[EXACT])) if EXACT in asked else whole


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
    from teikei.room import release

    run = joint_run(store, jobs, job, found["list"])
    for member in members:
        history = [joint_run(store, jobs, one, found["list"]) for one in _earlier(connection, found, member, number)]
        passed = release(run, member, found["list"], history=history)
        connection.execute("INSERT INTO releases VALUES (?, ?, ?, ?)", (found["joint"], member, number, passed.text()))


def open_settlement(
    store: Store, jobs: Jobs, connection: sqlite3.Connection, found: dict[str, Any], today: dt.date
) -> None:
    """Releases the first round again with the late settlement opened, where its date has come."""
    from teikei.room import release

    run = joint_run(store, jobs, found["job"], found["list"])
    for member in found["list"].members:
        since = [joint_run(store, jobs, one, found["list"]) for one in _earlier(connection, found, member, None)[1:]]
        passed = release(run, member, found["list"], after=since, today=today)
        connection.execute(  # an update keeps the row's place: the order in which rounds were shown
            "UPDATE releases SET content=? WHERE joint=? AND company=? AND round=?",
            (passed.text(), found["joint"], member, joints.FIRST_ROUND),
        )


def _earlier(connection: sqlite3.Connection, found: dict[str, Any], member: str, number: int | None) -> list[str]:
    """Jobs of all rounds but ``number`` that a member has been shown, in the order in which it was shown them."""
    if number == joints.FIRST_ROUND:
        return []
    rows = connection.execute(
        "SELECT w.job FROM what_ifs w JOIN releases r ON r.joint = w.joint AND r.round = w.round "
        "WHERE w.joint=? AND r.company=? AND w.round IS NOT ? ORDER BY r.rowid",
        (found["joint"], member, number),
    ).fetchall()
    return [found["job"], *[row["job"] for row in rows]]
