"""A joint study from invitation to deletion: one state at a time, and what each step asks for.

drafting → (all sign the same revision) signed → (all commit) committed → (operator solves) solving → solved → (operator
opens the door) released → closing → closed (see ``ending``). A change of the list voids all signatures; inputs are
fixed before any result.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import shutil
import sqlite3
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from teikei.errors import StudyError
from teikei.room.release_list import ReleaseList, must_be_signable, parse_list
from teikei.web.accounts import Caller, new_id, token
from teikei.web.database import ROOM, Store
from teikei.web.specification import signed_documents
from teikei.web.workspace import folder_hash, read_version

DRAFTING, SIGNED, COMMITTED, SOLVING, SOLVED, RELEASED, CLOSING, CLOSED = (
    "drafting", "signed", "committed", "solving", "solved", "released", "closing", "closed",
)  # fmt: skip
STATES: Final = (DRAFTING, SIGNED, COMMITTED, SOLVING, SOLVED, RELEASED, CLOSING, CLOSED)
FIRST_ROUND: Final = 0
NOT_STARTED: Final = "could not be put together"  # an approved what-if run; only the operator reads why
OWN_RUN, SIGNED_RUN = "own", "signed"  # what a what-if run changes: own inputs, or the signed specifications
TWO_PEOPLE: Final = 2
REFUSED, WITHDRAWN = "refused", "withdrawn"  # a what-if run that was turned down before it began


def room_folder(store: Store, joint: str) -> Path:
    """Where the operator's room keeps the committed inputs of a joint study."""
    return store.workspace(ROOM) / "joint" / joint


def create(
    connection: sqlite3.Connection, now: float, title: str, scope: Mapping[str, Any], release_list: ReleaseList
) -> str:
    """A joint study in drafting; its id. Raises StudyError for a member that is no company here, or a refused list."""
    must_be_signable(release_list, scope.get("facts", {}).get("programmes", {}), _day(now))
    known = {row["company"] for row in connection.execute("SELECT company FROM companies")}
    for member in release_list.members:
        if member not in known:
            raise StudyError(f"there is no company {member!r}; add it under companies and people")
    joint = new_id()
    connection.execute(
        "INSERT INTO joint (joint, title, scope, release_list, state, revision, made) VALUES (?, ?, ?, ?, ?, 1, ?)",
        (joint, title.strip()[:120] or "?", json.dumps(dict(scope)), release_list.model_dump_json(), DRAFTING, now),
    )
    connection.executemany(
        "INSERT INTO members (joint, company) VALUES (?, ?)", [(joint, member) for member in release_list.members]
    )
    return joint


def read(connection: sqlite3.Connection, joint: str) -> dict[str, Any]:
    """Everything about a joint study that all its members may see."""
    row = dict(connection.execute("SELECT * FROM joint WHERE joint=?", (joint,)).fetchone())
    members = connection.execute("SELECT * FROM members WHERE joint=? ORDER BY company", (joint,)).fetchall()
    commitments = connection.execute(
        "SELECT * FROM commitments WHERE joint=? ORDER BY round, company", (joint,)
    ).fetchall()
    deletions = connection.execute("SELECT * FROM deletions WHERE joint=? ORDER BY at", (joint,)).fetchall()
    release_list = parse_list(row["release_list"])
    return {
        **row,
        "scope": json.loads(row["scope"]),
        "list": release_list,
        "void": "; ".join(release_list.refusals()),
        "members": [dict(member) for member in members],
        "commitments": [dict(one) for one in commitments],
        "deletions": [dict(one) for one in deletions],
    }


def change_list(connection: sqlite3.Connection, now: float, joint: str, new: ReleaseList) -> None:
    """A new revision of the release list: all signatures are void. Members stay the same."""
    found = read(connection, joint)
    must_be_signable(new, found["scope"].get("facts", {}).get("programmes", {}), _day(now))
    _need(found["state"] in (DRAFTING, SIGNED), "the list can be changed only before inputs are committed")
    _need(not found["commitments"], "the list can be changed only before inputs are committed")
    _need(set(new.members) == set(found["list"].members), "the members of a joint study stay the same; start another")
    connection.execute(
        "UPDATE joint SET release_list=?, revision=revision+1, state=? WHERE joint=?",
        (new.model_dump_json(), DRAFTING, joint),
    )


def sign(connection: sqlite3.Connection, joint: str, caller: Caller, revision: int) -> None:
    """A member signs the revision it has read; when all have signed the same one, inputs may be committed."""
    found = read(connection, joint)
    _need(found["state"] == DRAFTING, "this joint study is past signing")
    _need(revision == found["revision"], "the list has changed since you read it; read the new one and sign that")
    _need(not found["void"], f"this list cannot be signed: {found['void']}")
    connection.execute(
        "UPDATE members SET signed_revision=?, signed_by=? WHERE joint=? AND company=?",
        (revision, caller.name, joint, caller.company),
    )
    open_ones = connection.execute(
        "SELECT count(*) FROM members WHERE joint=? AND signed_revision<>?", (joint, revision)
    ).fetchone()[0]
    if open_ones == 0:
        connection.execute("UPDATE joint SET state=? WHERE joint=?", (SIGNED, joint))


def commit_inputs(
    store: Store, connection: sqlite3.Connection, now: float, joint: str, company: str, study: str, version: int
) -> str:
    """Fixes a member's inputs for the first solve: a copy goes to the operator's room, the salted hash to all."""
    found = read(connection, joint)
    _need(found["state"] == SIGNED, "inputs are committed after all have signed and before the solve")
    _need(not found["void"], f"the signatures are void: {found['void']}")
    already = [one for one in found["commitments"] if one["company"] == company and one["round"] == FIRST_ROUND]
    _need(not already, "your inputs are committed already; they can no longer be changed")
    frame = read_version(store, ROOM, found["scope"]["frame"], int(found["scope"]["frame_version"])).path

    def reduced(path: Path, target: Path) -> None:
        from teikei.room.joint_study import on_cells
        from teikei.study import load, write_folder

        write_folder(on_cells(load(path), load(frame), found["list"], company), target)

    shown = hand_over(store, joint, company, FIRST_ROUND, study, version, reduced)
    connection.execute("INSERT INTO commitments VALUES (?, ?, ?, ?, ?)", (joint, company, FIRST_ROUND, shown, now))
    if len(found["commitments"]) + 1 == len(found["members"]):
        connection.execute("UPDATE joint SET state=? WHERE joint=?", (COMMITTED, joint))
    return shown


def hand_over(
    store: Store,
    joint: str,
    company: str,
    number: int,
    study: str,
    version: int,
    write: Callable[[Path, Path], None] | None = None,
) -> str:
    """Puts a version without errors into the operator's room; its salted hash, which hides what it is a hash of.

    write: writes what the room may hold of the version into a folder (none: a copy).
    """
    with store.company(company) as own:
        row = own.execute("SELECT 1 FROM versions WHERE study=? AND version=?", (study, version)).fetchone()
        _need(row is not None, "choose one of your own versions")
        chosen = read_version(store, company, study, version)
        _need(all(problem.warning for problem in chosen.problems), "this version has errors; mend them first")
        salt = token()
        own.execute("INSERT OR REPLACE INTO salts VALUES (?, ?, ?, ?, ?)", (joint, number, study, version, salt))
    target = room_folder(store, joint) / "inputs" / str(number) / company
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    if write is not None:
        write(chosen.path, target / "study")
    elif chosen.path.is_dir():
        shutil.copytree(chosen.path, target / "study")
    else:
        shutil.copyfile(chosen.path, target / "study.xlsx")
    return hashlib.sha256(f"{salt}\n{folder_hash(chosen.path)}".encode()).hexdigest()


def request_what_if(
    store: Store,
    connection: sqlite3.Connection,
    joint: str,
    caller: Caller,
    chosen: tuple[str, int] | None,
    purpose: str,
) -> str:
    """Asks for one more solve; counted from the moment it is asked for.

    chosen: study and version of changed own inputs, whose result only the asker gets; None: the committed inputs with
    the specifications signed meanwhile, whose result all members get.
    """
    found = read(connection, joint)
    _need(found["state"] == RELEASED, "what-if runs come after the first release")
    asked, used = connection.execute(
        "SELECT count(*), coalesce(sum(state NOT IN (?, ?)), 0) FROM what_ifs WHERE joint=?",
        (REFUSED, WITHDRAWN, joint),
    ).fetchone()
    allowed = found["list"].what_ifs
    _need(used < allowed, f"all {allowed} what-if runs of this joint study are used up")
    _need(bool(purpose.strip()), "say what the what-if run is for")
    what_if, number = new_id(), asked + 1
    assert caller.company is not None  # noqa: S101 - the rule of the route admits members only
    if chosen is not None:
        hand_over(store, joint, caller.company, number, *chosen)
    else:
        _need(bool(signed_documents(connection, joint)), "no specification is signed by all members yet")
    kind = SIGNED_RUN if chosen is None else OWN_RUN
    connection.execute(
        "INSERT INTO what_ifs (what_if, joint, company, round, by, purpose, state, kind) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (what_if, joint, caller.company, number, caller.user, purpose.strip()[:300], "asked", kind),
    )
    return what_if


def approve(connection: sqlite3.Connection, what_if: str, caller: Caller) -> bool:
    """One approval; True once two people, one of them from another company, have given theirs. Never one's own."""
    row = connection.execute("SELECT * FROM what_ifs WHERE what_if=?", (what_if,)).fetchone()
    _need(read(connection, row["joint"])["state"] == RELEASED, "this joint study is being ended")
    _need(row["state"] == "asked", "this what-if run is no longer waiting for approval")
    _need(row["by"] != caller.user, "nobody approves a request of their own")
    connection.execute("INSERT OR IGNORE INTO approvals VALUES (?, ?, ?)", (what_if, caller.user, caller.company))
    given = connection.execute("SELECT user, company FROM approvals WHERE what_if=?", (what_if,)).fetchall()
    other = any(one["company"] not in (None, row["company"]) for one in given)
    if len(given) < TWO_PEOPLE or not other:
        return False
    connection.execute("UPDATE what_ifs SET state='approved' WHERE what_if=?", (what_if,))
    return True


def turn_down(connection: sqlite3.Connection, what_if: str, caller: Caller) -> str:
    """A what-if run that nobody has started: its asker withdraws it, anybody else who may approve refuses it.

    It no longer counts among the runs used; which of the two it was.
    """
    row = connection.execute("SELECT * FROM what_ifs WHERE what_if=?", (what_if,)).fetchone()
    _need(row["state"] == "asked", "this what-if run is no longer waiting for approval")
    state = WITHDRAWN if row["by"] == caller.user else REFUSED
    connection.execute("UPDATE what_ifs SET state=? WHERE what_if=?", (state, what_if))
    return state


def _day(now: float) -> dt.date:
    return dt.datetime.fromtimestamp(now, dt.UTC).date()


def _need(condition: bool, sentence: str) -> None:
    if not condition:
        raise StudyError(sentence)
