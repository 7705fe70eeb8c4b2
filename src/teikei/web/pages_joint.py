"""The pages of a joint study up to the solve: invite, agree on a release list, preview, sign, commit."""

from __future__ import annotations

import datetime as dt
import json
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import HTMLResponse, Response

from teikei.errors import StudyError
from teikei.room.items import Settlement
from teikei.room.release_list import parse_list
from teikei.web import joint as joints
from teikei.web import legal_gate, list_form, solve, specification
from teikei.web.access import EVERYONE, Rule, route, workspace_of
from teikei.web.accounts import BUYER, OPERATOR, PLANNER
from teikei.web.database import ROOM
from teikei.web.jobs import CANCELLED, DONE, FAILED
from teikei.web.pages import caller_of, form_texts, line_of, named_joint, note, page, record, see, server_of
from teikei.web.released_view import view
from teikei.web.specification import signed_documents
from teikei.web.workspace import read_version

router = APIRouter()
_MEMBERS: Final = Rule(EVERYONE, "member")
_PLANNERS: Final = Rule((PLANNER,), "member")


@route(router, "GET", "/joint", Rule(EVERYONE))
def joint_studies(request: Request, frame: str = "") -> HTMLResponse:
    """The joint studies in which the caller takes part; for the operator the form that starts one."""
    server, caller = server_of(request), caller_of(request)
    with server.store.operator(write=False) as connection:
        rows = connection.execute(
            "SELECT joint, title, state FROM joint WHERE ? IS NULL OR joint IN "
            "(SELECT joint FROM members WHERE company = ?) ORDER BY made, joint",
            (caller.company, caller.company),
        ).fetchall()
        companies = connection.execute("SELECT * FROM companies ORDER BY company").fetchall()
    frames = own_versions(request) if caller.role == OPERATOR else []
    names = [f"{one['study']}/{one['version']}" for one in frames]
    chosen = frame if frame in names else next(iter(names), "")
    facts = None
    if chosen:
        study, version = chosen.split("/")
        facts = list_form.read_frame(read_version(server.store, ROOM, study, int(version)).path)
    members = [row["company"] for row in companies]
    return page(
        request,
        "joints.html.j2",
        joints=[dict(row) for row in rows],
        companies=[dict(row) for row in companies],
        frames=frames,
        chosen=chosen,
        facts=facts,
        values=list_form.values_of(None, facts, members) if facts is not None else {},
        rules=list_form.RULES,
        forms=list_form.FORMS,
    )


def own_versions(request: Request) -> list[dict[str, Any]]:
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
    form: Annotated[dict[str, str], Depends(form_texts)],
    release_list: Annotated[str, Form()] = "",
    markets: Annotated[str, Form()] = "",
) -> Response:
    """The operator invites the members of a release list to a joint study on a common frame."""
    server = server_of(request)
    study, version = chosen_version(request, frame)
    place = read_version(server.store, ROOM, study, version)
    facts = list_form.read_frame(place.path)
    parsed = parse_list(release_list) if release_list.strip() else list_form.list_of(form, facts)
    list_form.must_fit(parsed, facts)
    scope = {
        "frame": study,
        "frame_version": version,
        "frame_sha256": _sha256(request, study, version),
        "markets": markets.strip()[:200],
        "facts": facts.public(),
    }
    with server.store.operator() as connection:
        joint = joints.create(connection, server.clock(), title, scope, parsed)
        legal_gate.keep_revision(connection, server.clock(), joint, caller_of(request).name)
        record(request, connection, "started a joint study", named_joint(connection, joint))
    return see(f"/joint/{joint}")


def chosen_version(request: Request, text: str) -> tuple[str, int]:
    """A version picked in a form; StudyError where it is not one of the caller's own without errors."""
    for one in own_versions(request):
        if text == f"{one['study']}/{one['version']}":
            return one["study"], one["version"]
    raise StudyError("choose one of your own versions without errors")


def _sha256(request: Request, study: str, version: int) -> str:
    with server_of(request).store.company(caller_of(request).company or ROOM, write=False) as connection:
        row = connection.execute("SELECT sha256 FROM versions WHERE study=? AND version=?", (study, version)).fetchone()
    return str(row["sha256"])


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
        signed_runs = len(signed_documents(connection, joint))
        changed = legal_gate.changes(connection, joint, found["revision"])
        reviews = legal_gate.reviews(connection, joint, found["revision"], caller.company)
        document_states = {row["document"]: specification.state(connection, row["document"]) for row in documents}
    if releases:
        note(request, "looked at the release", f"{found['title']} [{joint}]")
    today = dt.datetime.fromtimestamp(server.clock(), dt.UTC).date()
    settlement_open = any(isinstance(item, Settlement) and item.not_before <= today for item in found["list"].items)
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
        releases=[_shown(row) for row in releases],
        documents=[{**dict(row), **document_states[row["document"]]} for row in documents],
        versions=own_versions(request) if caller.role in (PLANNER, BUYER) else [],
        previews=_previews(request, joint),
        room_state=room_state,
        ended=(DONE, FAILED, CANCELLED),
        facts=list_form.from_public(found["scope"].get("facts", {})),
        values=list_form.values_of(found["list"], list_form.from_public(found["scope"].get("facts", {})), ()),
        rules=list_form.RULES,
        forms=list_form.FORMS,
        signed_runs=signed_runs,
        changed=changed,
        reviews=reviews,
        settlement_open=settlement_open,
        list_text=json.dumps(found["list"].model_dump(mode="json"), indent=1, ensure_ascii=False),
    )


def _previews(request: Request, joint: str) -> list[dict[str, Any]]:
    """Own previews of a joint study, newest first."""
    caller = caller_of(request)
    if caller.role not in (PLANNER, BUYER):
        return []
    with server_of(request).store.company(workspace_of(caller), write=False) as connection:
        rows = connection.execute(
            "SELECT job, at, by, state FROM jobs WHERE study=? ORDER BY at DESC, rowid DESC LIMIT 5", (joint,)
        ).fetchall()
    return [dict(row) for row in rows]


def _shown(row: Any) -> dict[str, Any]:
    content = json.loads(row["content"])
    return {"round": row["round"], "rung": content["rung"], "view": view(content)}


@route(router, "POST", "/joint/{joint}/list", Rule((OPERATOR, PLANNER), "member"))
def change_release_list(
    request: Request,
    joint: str,
    form: Annotated[dict[str, str], Depends(form_texts)],
    release_list: Annotated[str, Form()] = "",
) -> Response:
    """A new revision of the list, from the form or its JSON; every signature given before is void."""
    with server_of(request).store.operator() as connection:
        found = joints.read(connection, joint)
        if release_list.strip():
            new = parse_list(release_list)
        else:
            new = list_form.list_of(form, list_form.from_public(found["scope"].get("facts", {})), found["list"])
        list_form.must_fit(new, list_form.from_public(found["scope"].get("facts", {})))
        joints.change_list(connection, server_of(request).clock(), joint, new)
        legal_gate.keep_revision(connection, server_of(request).clock(), joint, caller_of(request).name)
        record(request, connection, "changed the release list", named_joint(connection, joint))
    return see(f"/joint/{joint}")


@route(router, "POST", "/joint/{joint}/preview", Rule((PLANNER, BUYER), "member"))
def start_preview(request: Request, joint: str, version: Annotated[str, Form()]) -> Response:
    """What a rival could infer about each own figure: computed in the own workspace, on own data only."""
    server, caller = server_of(request), caller_of(request)
    study, number = chosen_version(request, version)
    with server.store.operator(write=False) as connection:
        found = joints.read(connection, joint)
    assert caller.company is not None  # noqa: S101 - the rule admits companies only
    asked = {"company": caller.company, "list": found["list"].model_dump(mode="json"), "revision": found["revision"]}
    path = read_version(server.store, caller.company, study, number).path
    subject = f"{found['title']} [{joint}]"
    job = server.jobs.add(
        caller.company,
        joint,
        0,
        path,
        caller.name,
        {"preview": asked},
        joint=joint,
        line=lambda made: line_of(request, "started a preview", f"{subject}, run {made}", private=True),
    )
    return see(f"/jobs/{job}")


@route(router, "POST", "/joint/{joint}/sign", _PLANNERS)
def sign_list(request: Request, joint: str, revision: Annotated[int, Form()]) -> Response:
    """A planner signs the revision shown, for the company."""
    with server_of(request).store.operator() as connection:
        legal_gate.must_not_be_refused(connection, joint, revision, caller_of(request).company)
        joints.sign(connection, joint, caller_of(request), revision)
        record(request, connection, "signed the release list", f"{named_joint(connection, joint)} revision {revision}")
    return see(f"/joint/{joint}")


@route(router, "POST", "/joint/{joint}/commit", _PLANNERS)
def commit_inputs(request: Request, joint: str, version: Annotated[str, Form()]) -> Response:
    """Fixes the company's inputs; all members see the hash at once, and nobody sees the inputs."""
    server, caller = server_of(request), caller_of(request)
    study, number = chosen_version(request, version)
    assert caller.company is not None  # noqa: S101 - the rule admits companies only
    with server.store.operator() as connection:
        shown = joints.commit_inputs(server.store, connection, server.clock(), joint, caller.company, study, number)
        record(request, connection, "committed inputs", f"{named_joint(connection, joint)} {shown}")
    return see(f"/joint/{joint}")
