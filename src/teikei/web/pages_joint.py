"""The pages of a joint study: invite, agree, sign, commit, solve, release, what-if, close."""

from __future__ import annotations

import datetime as dt
import json
from typing import Annotated, Any, Final

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, Response

from teikei.errors import StudyError
from teikei.web import joint as joints
from teikei.web import solve
from teikei.web.access import EVERYONE, Rule, route
from teikei.web.accounts import BUYER, CLEAN_TEAM, OPERATOR, PLANNER
from teikei.web.database import ROOM
from teikei.web.jobs import CANCELLED, DONE, FAILED
from teikei.web.pages import caller_of, page, record, see, server_of
from teikei.web.workspace import read_version

router = APIRouter()
_MEMBERS: Final = Rule(EVERYONE, "member")
_PLANNERS: Final = Rule((PLANNER,), "member")
_ROOM: Final = Rule((OPERATOR,), "member")


@route(router, "GET", "/joint", Rule(EVERYONE))
def joint_studies(request: Request) -> HTMLResponse:
    """The joint studies in which the caller takes part."""
    server, caller = server_of(request), caller_of(request)
    with server.store.operator(write=False) as connection:
        rows = connection.execute(
            "SELECT joint, title, state FROM joint WHERE ? IS NULL OR joint IN "
            "(SELECT joint FROM members WHERE company = ?) ORDER BY made, joint",
            (caller.company, caller.company),
        ).fetchall()
        companies = connection.execute("SELECT * FROM companies ORDER BY company").fetchall()
    frames = _own_versions(request) if caller.role == OPERATOR else []
    return page(
        request,
        "joints.html.j2",
        joints=[dict(row) for row in rows],
        companies=[dict(row) for row in companies],
        frames=frames,
        example=_example([row["company"] for row in companies]),
    )


def _example(companies: list[str]) -> str:
    """A list to start from; its bands are placeholders for the parties to set."""
    example = {
        "rung": "powertrain",
        "members": {company: [company.title()] for company in companies[:2]},
        "items": [
            {"kind": "specification", "classes": ["e-axle"]},
            {"kind": "saving_band", "edges": [0, 50_000, 100_000, 200_000]},
            {"kind": "saving_at_least", "threshold": 50_000},
        ],
        "smallest_interval_million": 50_000,
        "smallest_interval_units": 20_000,
        "what_ifs": 1,
    }
    return json.dumps(example, indent=1)


def _own_versions(request: Request) -> list[dict[str, Any]]:
    """Versions without errors of the caller's workspace, newest first."""
    caller = caller_of(request)
    with server_of(request).store.company(caller.company or ROOM, write=False) as connection:
        rows = connection.execute(
            "SELECT v.study, v.version, v.at, s.title FROM versions v JOIN studies s ON s.study = v.study "
            "WHERE v.errors = 0 ORDER BY v.at DESC, v.rowid DESC"
        ).fetchall()
    return [dict(row) for row in rows]


@route(router, "POST", "/joint", Rule((OPERATOR,)))
def start_joint_study(
    request: Request,
    title: Annotated[str, Form()],
    frame: Annotated[str, Form()],
    release_list: Annotated[str, Form()],
    markets: Annotated[str, Form()] = "",
) -> Response:
    """The operator invites the members of a release list to a joint study on a common frame."""
    server = server_of(request)
    study, version = _chosen(request, frame)
    parsed = joints.parse_list(release_list)
    place = read_version(server.store, ROOM, study, version)
    scope = {
        "frame": study,
        "frame_version": version,
        "frame_sha256": _sha256(request, study, version),
        "markets": markets.strip()[:200],
    }
    _fits_the_frame(place.path, parsed)
    with server.store.operator() as connection:
        joint = joints.create(connection, server.clock(), title, scope, parsed)
        record(request, connection, "started a joint study", joint)
    return see(f"/joint/{joint}")


def _chosen(request: Request, text: str) -> tuple[str, int]:
    """A version picked in a form; StudyError where it is not one of the caller's own without errors."""
    for one in _own_versions(request):
        if text == f"{one['study']}/{one['version']}":
            return one["study"], one["version"]
    raise StudyError("choose one of your own versions without errors")


def _sha256(request: Request, study: str, version: int) -> str:
    with server_of(request).store.company(caller_of(request).company or ROOM, write=False) as connection:
        row = connection.execute("SELECT sha256 FROM versions WHERE study=? AND version=?", (study, version)).fetchone()
    return str(row["sha256"])


def _fits_the_frame(path: Any, release_list: Any) -> None:
    from teikei.study import load

    rungs = load(path).rung_names
    if release_list.rung not in rungs:
        raise StudyError(f"the frame has no rung {release_list.rung!r}; it has {', '.join(rungs)}")


@route(router, "GET", "/joint/{joint}", _MEMBERS)
def show_joint_study(request: Request, joint: str) -> HTMLResponse:
    """Where the joint study stands, what is asked of the caller now, and what was released to it."""
    server, caller = server_of(request), caller_of(request)
    with server.store.operator(write=False) as connection:
        found = joints.read(connection, joint)
        what_ifs = [
            dict(row) for row in connection.execute("SELECT * FROM what_ifs WHERE joint=? ORDER BY round", (joint,))
        ]
        given = [
            dict(row)
            for row in connection.execute(
                "SELECT what_if, count(*) AS count, sum(user = ?) AS mine FROM approvals GROUP BY what_if",
                (caller.user,),
            )
        ]
        releases = connection.execute(
            "SELECT round, content FROM releases WHERE joint=? AND company=? ORDER BY round", (joint, caller.company)
        ).fetchall()
        documents = connection.execute("SELECT * FROM documents WHERE joint=? ORDER BY title", (joint,)).fetchall()
    room_state = solve.state_of(server.store, found["job"]) if caller.company is None and found["job"] else ""
    for row in what_ifs:
        row["room_state"] = solve.state_of(server.store, row["job"]) if caller.company is None and row["job"] else ""
    return page(
        request,
        "joint.html.j2",
        joint=found,
        states=joints.STATES,
        what_ifs=what_ifs,
        approvals={row["what_if"]: row for row in given},
        releases=[{"round": row["round"], **json.loads(row["content"])} for row in releases],
        documents=[dict(row) for row in documents],
        versions=_own_versions(request) if caller.role == PLANNER else [],
        room_state=room_state,
        ended=(DONE, FAILED, CANCELLED),
        list_text=json.dumps(found["list"].model_dump(mode="json"), indent=1, ensure_ascii=False),
    )


@route(router, "POST", "/joint/{joint}/list", Rule((OPERATOR, PLANNER), "member"))
def change_release_list(request: Request, joint: str, release_list: Annotated[str, Form()]) -> Response:
    """A new revision of the list; every signature given before is void."""
    with server_of(request).store.operator() as connection:
        joints.change_list(connection, joint, release_list)
        record(request, connection, "changed the release list", joint)
    return see(f"/joint/{joint}")


@route(router, "POST", "/joint/{joint}/preview", Rule((PLANNER, BUYER), "member"))
def show_preview(request: Request, joint: str, version: Annotated[str, Form()]) -> HTMLResponse:
    """What a rival could infer about each own figure; computed on own data only and kept nowhere."""
    from teikei.study import load
    from teikei.web.preview import preview, unbounded

    server, caller = server_of(request), caller_of(request)
    study, number = _chosen(request, version)
    with server.store.operator(write=False) as connection:
        found = joints.read(connection, joint)
    assert caller.company is not None  # noqa: S101 - the rule admits companies only
    own = load(read_version(server.store, caller.company, study, number).path)
    rows = preview(own, caller.company, found["list"])
    return page(
        request,
        "preview.html.j2",
        joint=found,
        rows=sorted(rows, key=lambda row: row.upper - row.lower)[:300],
        count=len(rows),
        unbounded=unbounded(own, caller.company, found["list"]),
    )


@route(router, "POST", "/joint/{joint}/sign", _PLANNERS)
def sign_list(request: Request, joint: str, revision: Annotated[int, Form()]) -> Response:
    """A planner signs the revision shown, for the company."""
    with server_of(request).store.operator() as connection:
        joints.sign(connection, joint, caller_of(request), revision)
        record(request, connection, "signed the release list", f"{joint} revision {revision}")
    return see(f"/joint/{joint}")


@route(router, "POST", "/joint/{joint}/commit", _PLANNERS)
def commit_inputs(request: Request, joint: str, version: Annotated[str, Form()]) -> Response:
    """Fixes the company's inputs; all members see the hash at once, and nobody sees the inputs."""
    server, caller = server_of(request), caller_of(request)
    study, number = _chosen(request, version)
    assert caller.company is not None  # noqa: S101 - the rule admits companies only
    with server.store.operator() as connection:
        shown = joints.commit_inputs(server.store, connection, server.clock(), joint, caller.company, study, number)
        record(request, connection, "committed inputs", f"{joint} {shown}")
    return see(f"/joint/{joint}")


@route(router, "POST", "/joint/{joint}/solve", _ROOM)
def solve_joint_study(request: Request, joint: str) -> Response:
    """Puts the joint solve into the queue of the operator's room."""
    server = server_of(request)
    with server.store.operator(write=False) as connection:
        found = joints.read(connection, joint)
    again = found["state"] == joints.SOLVING and solve.state_of(server.store, found["job"]) in (FAILED, CANCELLED)
    if found["state"] != joints.COMMITTED and not again:
        raise StudyError("the joint study is solved once, after all have committed their inputs")
    job = solve.start(server.store, server.jobs, found, joints.FIRST_ROUND, "", caller_of(request).name)
    with server.store.operator() as connection:
        connection.execute("UPDATE joint SET state=?, job=? WHERE joint=?", (joints.SOLVING, job, joint))
        record(request, connection, "started the joint solve", joint)
    return see(f"/joint/{joint}")


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
        record(request, connection, "released", joint)
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
        record(request, connection, "opened the settlement", joint)
    return see(f"/joint/{joint}")


@route(router, "POST", "/joint/{joint}/what-if", _PLANNERS)
def ask_what_if(
    request: Request, joint: str, version: Annotated[str, Form()], purpose: Annotated[str, Form()]
) -> Response:
    """Asks for one of the few what-if runs."""
    server, caller = server_of(request), caller_of(request)
    study, number = _chosen(request, version)
    with server.store.operator() as connection:
        made = joints.request_what_if(server.store, connection, joint, caller, study, number, purpose)
        record(request, connection, "asked for a what-if run", f"{joint} {made}")
    return see(f"/joint/{joint}")


@route(router, "POST", "/joint/{joint}/what-if/{what_if}/approve", Rule((OPERATOR, CLEAN_TEAM, PLANNER), "member"))
def approve_what_if(request: Request, joint: str, what_if: str) -> Response:
    """One of the two approvals; the second one starts the run."""
    server, caller = server_of(request), caller_of(request)
    with server.store.operator() as connection:
        ready = joints.approve(connection, what_if, caller)
        record(request, connection, "approved a what-if run", f"{joint} {what_if}")
        found = joints.read(connection, joint)
        row = dict(connection.execute("SELECT * FROM what_ifs WHERE what_if=?", (what_if,)).fetchone())
    if ready:
        job = solve.start(server.store, server.jobs, found, row["round"], row["company"], "what-if")
        with server.store.operator() as connection:
            connection.execute("UPDATE what_ifs SET job=? WHERE what_if=?", (job, what_if))
    return see(f"/joint/{joint}")


@route(router, "POST", "/joint/{joint}/what-if/{what_if}/release", _ROOM)
def release_what_if(request: Request, joint: str, what_if: str) -> Response:
    """Opens the door for a what-if run, to the company that asked and to nobody else."""
    server = server_of(request)
    with server.store.operator() as connection:
        found = joints.read(connection, joint)
        row = dict(connection.execute("SELECT * FROM what_ifs WHERE what_if=?", (what_if,)).fetchone())
        if row["state"] != "approved" or not row["job"]:
            raise StudyError("this what-if run is not approved, or released already")
        solve.open_door(server.store, server.jobs, connection, found, [row["company"]], row["round"], row["job"])
        connection.execute("UPDATE what_ifs SET state='released' WHERE what_if=?", (what_if,))
        record(request, connection, "released a what-if run", f"{joint} {what_if}")
    return see(f"/joint/{joint}")


@route(router, "POST", "/joint/{joint}/close", _ROOM)
def close_joint_study(request: Request, joint: str) -> Response:
    """Deletes raw inputs and joint runs; what was released, the hashes and the record stay."""
    server = server_of(request)
    with server.store.operator() as connection:
        joints.close(server.store, connection, server.clock(), joint, lambda job: server.jobs.folder(ROOM, job))
        record(request, connection, "closed a joint study and deleted its inputs", joint)
    return see(f"/joint/{joint}")
