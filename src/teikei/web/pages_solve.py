"""The pages of a joint study from the solve on: solve, release, settle, what-if runs, close."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Annotated, Any, Final

from fastapi import APIRouter, Form, Request
from fastapi.responses import Response

from teikei.errors import StudyError
from teikei.room.signed import Signed
from teikei.web import ending, solve
from teikei.web import joint as joints
from teikei.web.access import Rule, route
from teikei.web.accounts import CLEAN_TEAM, OPERATOR, PLANNER, new_id
from teikei.web.jobs import CANCELLED, FAILED
from teikei.web.pages import caller_of, line_of, named_joint, record, see, server_of
from teikei.web.pages_joint import chosen_version
from teikei.web.specification import signed_documents

router = APIRouter()
_PLANNERS: Final = Rule((PLANNER,), "member")
_ROOM: Final = Rule((OPERATOR,), "member")


@route(router, "POST", "/joint/{joint}/solve", _ROOM)
def solve_joint_study(request: Request, joint: str) -> Response:
    """Puts the joint solve into the queue of the operator's room: once, however often the button is pressed."""
    server = server_of(request)
    with server.deeds:
        job = new_id()
        with server.store.operator(write=False) as connection:
            before = joints.read(connection, joint)
        ended = before["state"] == joints.SOLVING and _is_over(request, before["job"])
        with server.store.operator() as connection:
            found = joints.read(connection, joint)
            if found["state"] != joints.COMMITTED and not (ended and found["job"] == before["job"]):
                raise StudyError("the joint study is solved once, after all have committed their inputs")
            documents = signed_documents(connection, joint)
            connection.execute("UPDATE joint SET state=?, job=? WHERE joint=?", (joints.SOLVING, job, joint))
            record(request, connection, "started the joint solve", f"{_title(found)} with {_named(documents)}")
        try:
            solve.start(
                server.store, server.jobs, found, documents, joints.FIRST_ROUND, "", caller_of(request).name, job
            )
        except BaseException:
            with server.store.operator() as connection:
                values = (found["state"], found["job"], joint, job)
                connection.execute("UPDATE joint SET state=?, job=? WHERE joint=? AND job=?", values)
                record(request, connection, "the joint solve could not be put together", _title(found))
            raise
    return see(f"/joint/{joint}")


def _is_over(request: Request, job: str) -> bool:
    """Whether a job failed, was cancelled, or never came to be (the server ended before it was put together)."""
    return not job or solve.state_of(server_of(request).store, job) in ("", FAILED, CANCELLED)


def _title(found: dict[str, Any]) -> str:
    return f"{found['title']} [{found['joint']}]"


@route(router, "POST", "/joint/{joint}/release", _ROOM)
def release_joint_study(request: Request, joint: str) -> Response:
    """Opens the door once: each member gets what the signed list lets pass."""
    server = server_of(request)
    with server.store.operator() as connection:
        found = joints.read(connection, joint)
        if found["state"] != joints.SOLVING:
            raise StudyError("there is no finished solve to release")
        members = list(found["list"].members)
        solve.open_door(server.store, server.jobs, connection, found, members, joints.FIRST_ROUND, found["job"])
        connection.execute("UPDATE joint SET state=? WHERE joint=?", (joints.RELEASED, joint))
        record(request, connection, "released", _title(found))
    return see(f"/joint/{joint}")


@route(router, "POST", "/joint/{joint}/settle", _ROOM)
def open_settlement(request: Request, joint: str) -> Response:
    """Opens the late settlement where its date has come."""
    server = server_of(request)
    today = dt.datetime.fromtimestamp(server.clock(), dt.UTC).date()
    with server.store.operator() as connection:
        found = joints.read(connection, joint)
        if found["state"] != joints.RELEASED:
            raise StudyError("a settlement follows a release")
        solve.open_settlement(server.store, server.jobs, connection, found, today)
        record(request, connection, "opened the settlement", _title(found))
    return see(f"/joint/{joint}")


@route(router, "POST", "/joint/{joint}/what-if", _PLANNERS)
def ask_what_if(
    request: Request, joint: str, version: Annotated[str, Form()], purpose: Annotated[str, Form()]
) -> Response:
    """Asks for one of the few what-if runs: with other own inputs, or with the specifications signed meanwhile."""
    server, caller = server_of(request), caller_of(request)
    chosen = None if version == "signed" else chosen_version(request, version)
    with server.store.operator() as connection:
        made = joints.request_what_if(server.store, connection, joint, caller, chosen, purpose)
        record(request, connection, "asked for a what-if run", f"{named_joint(connection, joint)} {made}")
    return see(f"/joint/{joint}")


@route(router, "POST", "/joint/{joint}/what-if/{what_if}/approve", Rule((OPERATOR, CLEAN_TEAM, PLANNER), "member"))
def approve_what_if(request: Request, joint: str, what_if: str) -> Response:
    """One of the two approvals; the second one starts the run."""
    server, caller = server_of(request), caller_of(request)
    with server.store.operator() as connection:
        ready = joints.approve(connection, what_if, caller)
        record(request, connection, "approved a what-if run", f"{named_joint(connection, joint)} {what_if}")
        found = joints.read(connection, joint)
        row = dict(connection.execute("SELECT * FROM what_ifs WHERE what_if=?", (what_if,)).fetchone())
    if ready:
        try:
            _start_what_if(request, found, row)
        except StudyError:  # what does not fit may name a rival's cells: all read that it did not start, not why
            with server.store.operator() as connection:
                connection.execute("UPDATE what_ifs SET state=? WHERE what_if=?", (joints.NOT_STARTED, what_if))
                name = f"{_title(found)} {what_if}"
                record(request, connection, "could not put a what-if run together", name)
    return see(f"/joint/{joint}")


@route(router, "POST", "/joint/{joint}/what-if/{what_if}/turn-down", Rule((OPERATOR, PLANNER), "member"))
def turn_down_what_if(request: Request, joint: str, what_if: str) -> Response:
    """Its asker withdraws a what-if run, others refuse it, as long as it waits for approval."""
    with server_of(request).store.operator() as connection:
        state = joints.turn_down(connection, what_if, caller_of(request))
        record(request, connection, f"{state} a what-if run", f"{named_joint(connection, joint)} {what_if}")
    return see(f"/joint/{joint}")


def _start_what_if(request: Request, found: dict[str, Any], row: dict[str, Any]) -> None:
    """Claims the run, so that it is started once, and puts it into the queue."""
    server = server_of(request)
    with server.deeds:
        job = new_id()
        with server.store.operator() as connection:
            state = joints.read(connection, found["joint"])["state"]
            claimed = connection.execute(
                "UPDATE what_ifs SET job=?, state='approved' WHERE what_if=? AND job=? AND state IN ('approved', ?)",
                (job, row["what_if"], row["job"], joints.NOT_STARTED),
            ).rowcount
            if state != joints.RELEASED or not claimed:
                raise StudyError("this what-if run is not approved, or under way already")
            documents = signed_documents(connection, found["joint"])
        changed = row["company"] if row["kind"] == joints.OWN_RUN else ""
        try:
            solve.start(server.store, server.jobs, found, documents, row["round"], changed, "what-if", job)
        except BaseException:
            with server.store.operator() as connection:
                connection.execute(
                    "UPDATE what_ifs SET job='', state=? WHERE what_if=? AND job=?", (row["state"], row["what_if"], job)
                )
            raise


@route(router, "POST", "/joint/{joint}/what-if/{what_if}/start", _ROOM)
def start_what_if_again(request: Request, joint: str, what_if: str) -> Response:
    """Starts an approved what-if run again whose run failed or could not be put together."""
    server = server_of(request)
    with server.store.operator() as connection:
        found = joints.read(connection, joint)
        row = dict(connection.execute("SELECT * FROM what_ifs WHERE what_if=?", (what_if,)).fetchone())
        if row["state"] not in ("approved", joints.NOT_STARTED) or not _is_over(request, row["job"]):
            raise StudyError("this what-if run is not approved, or under way already")
        record(request, connection, "started a what-if run again", f"{_title(found)} {what_if}")
    _start_what_if(request, found, row)
    return see(f"/joint/{joint}")


@route(router, "POST", "/joint/{joint}/what-if/{what_if}/release", _ROOM)
def release_what_if(request: Request, joint: str, what_if: str) -> Response:
    """Opens the door for a what-if run: own inputs to who asked and to nobody else; signed specifications to all."""
    server = server_of(request)
    with server.store.operator() as connection:
        found = joints.read(connection, joint)
        row = dict(connection.execute("SELECT * FROM what_ifs WHERE what_if=?", (what_if,)).fetchone())
        if found["state"] != joints.RELEASED:
            raise StudyError("this joint study is being ended")
        if row["state"] != "approved" or not row["job"]:
            raise StudyError("this what-if run is not approved, or released already")
        members = [row["company"]] if row["kind"] == joints.OWN_RUN else list(found["list"].members)
        solve.open_door(server.store, server.jobs, connection, found, members, row["round"], row["job"])
        connection.execute("UPDATE what_ifs SET state='released' WHERE what_if=?", (what_if,))
        record(request, connection, "released a what-if run", f"{_title(found)} {what_if}")
    return see(f"/joint/{joint}")


@route(router, "POST", "/joint/{joint}/close", _ROOM)
def close_joint_study(request: Request, joint: str) -> Response:
    """Stops and deletes raw inputs and joint runs; what was released, the hashes and the record stay."""
    server = server_of(request)
    with server.store.operator(write=False) as connection:
        name = named_joint(connection, joint)
    ending.end(server, joint, line_of(request, "began to end a joint study", name))
    return see(f"/joint/{joint}")


def _named(documents: Sequence[Signed]) -> str:
    """Which signed versions go into a solve, for the log."""
    return ", ".join(f"{one.document}/{one.version}" for one in documents) or "no signed specification"
