"""The pages of collective design: propose, comment, counter-propose, sign, export."""

from __future__ import annotations

import json
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import HTMLResponse, Response

from teikei.room.signed import Signed, must_fit
from teikei.room.specification import MODULE, NOT_CROSSING, fields_of
from teikei.web import joint as joints
from teikei.web import list_form, specification
from teikei.web.access import EVERYONE, Rule, route
from teikei.web.accounts import BUYER, PLANNER
from teikei.web.database import ROOM
from teikei.web.pages import caller_of, form_texts, named_joint, note, page, record, see, server_of
from teikei.web.released_view import view
from teikei.web.workspace import read_version

router = APIRouter()
_MEMBERS: Final = Rule(EVERYONE, "member")
_PLANNERS: Final = Rule((PLANNER,), "member")
_EXCEL: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


@route(router, "POST", "/joint/{joint}/design", _PLANNERS)
def add_document(request: Request, joint: str, title: Annotated[str, Form()], kind: Annotated[str, Form()]) -> Response:
    """An empty common specification."""
    with server_of(request).store.operator() as connection:
        facts = list_form.from_public(joints.read(connection, joint)["scope"].get("facts", {}))
        document = specification.create(connection, joint, title, kind, facts.classes)
        record(request, connection, "opened a specification", f"{named_joint(connection, joint)} {document}")
    return see(f"/joint/{joint}/design/{document}")


def _read(request: Request, document: str) -> dict[str, Any]:
    with server_of(request).store.operator(write=False) as connection:
        return specification.read(connection, document)


@route(router, "GET", "/joint/{joint}/design/{document}", _MEMBERS)
def show_document(request: Request, joint: str, document: str, design: str = "") -> HTMLResponse:
    """The newest version, its history, comments and signatures; prices of own requirements beside it."""
    caller = caller_of(request)
    with server_of(request).store.operator(write=False) as connection:
        found = specification.read(connection, document)
        releases = connection.execute(
            "SELECT content FROM releases WHERE joint=? AND company=? ORDER BY round", (joint, caller.company)
        ).fetchall()
        facts = list_form.from_public(joints.read(connection, joint)["scope"].get("facts", {}))
    fields = fields_of(found["kind"])
    released = [view(json.loads(row["content"])) for row in releases]
    designs: dict[str, dict[str, str]] = {}
    for row in releases:
        for kind, subject, value in json.loads(row["content"])["entries"]:
            if kind == "specification" and subject[0] == found["kind"]:
                designs.setdefault(subject[1], {MODULE: subject[1]})[subject[2]] = value
    chosen = design if design in designs else next(iter(designs), "")
    module = found["fields"].get(MODULE, chosen)
    return page(
        request,
        "design.html.j2",
        document=found,
        fields=fields,
        titles={field.name: field.title for field in fields},
        start=found["fields"] or designs.get(chosen, {}),
        from_release="" if found["fields"] else chosen,
        designs=sorted(designs),
        modules=facts.modules.get(found["kind"], ()),
        module=module,
        drivers=[(subject, value) for one in released for subject, value in one.drivers if subject[1] == module],
        prices=[(subject, value) for one in released for subject, value in one.prices],
        not_crossing=NOT_CROSSING,
    )


@route(router, "POST", "/joint/{joint}/design/{document}/propose", _PLANNERS)
def propose(
    request: Request,
    joint: str,
    document: str,
    base: Annotated[int, Form()],
    form: Annotated[dict[str, str], Depends(form_texts)],
    reason: Annotated[str, Form()] = "",
) -> Response:
    """A proposal or counter-proposal: a new version; signatures of the one before stay with it."""
    server = server_of(request)
    caller = caller_of(request)
    with server.store.operator() as connection:
        facts = list_form.from_public(joints.read(connection, joint)["scope"].get("facts", {}))
        modules = facts.modules.get(specification.read(connection, document)["kind"], ())
        version = specification.propose(connection, server.clock(), document, caller, base, form, reason, modules)
        record(request, connection, "proposed a version", f"{named_joint(connection, joint)} {document}/{version}")
    return see(f"/joint/{joint}/design/{document}")


@route(router, "POST", "/joint/{joint}/design/{document}/comment", Rule((PLANNER, BUYER), "member"))
def comment(
    request: Request,
    joint: str,
    document: str,
    version: Annotated[int, Form()],
    text: Annotated[str, Form()],
    field: Annotated[str, Form()] = "",
) -> Response:
    """A remark that all members read."""
    server = server_of(request)
    with server.store.operator() as connection:
        specification.comment(connection, server.clock(), document, caller_of(request), version, field, text)
        record(request, connection, "commented", f"{named_joint(connection, joint)} {document}/{version}")
    return see(f"/joint/{joint}/design/{document}#comments")


@route(router, "POST", "/joint/{joint}/design/{document}/sign", _PLANNERS)
def sign(request: Request, joint: str, document: str, version: Annotated[int, Form()]) -> Response:
    """A planner signs the newest version for the company."""
    server = server_of(request)
    with server.store.operator(write=False) as connection:
        found = specification.read(connection, document)
        scope = joints.read(connection, joint)["scope"]
    if version == found["version"] and found["fields"].get(MODULE):
        frame = read_version(server.store, ROOM, scope["frame"], int(scope["frame_version"]))
        must_fit(frame.path, Signed(document, version, found["kind"], found["fields"]))
    with server.store.operator() as connection:
        specification.sign(connection, server.clock(), document, caller_of(request), version)
        record(request, connection, "signed a specification", f"{named_joint(connection, joint)} {document}/{version}")
    return see(f"/joint/{joint}/design/{document}")


@route(router, "GET", "/joint/{joint}/design/{document}/workbook", _MEMBERS)
def export_workbook(request: Request, document: str) -> Response:
    """The newest version with history and signatures in Excel."""
    found = _read(request, document)
    note(request, "downloaded a specification", f"{found['title']} [{document}]")
    name = f"specification-v{found['version']}.xlsx"
    return Response(
        specification.as_workbook(found),
        media_type=_EXCEL,
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


@route(router, "GET", "/joint/{joint}/design/{document}/sheet", _MEMBERS)
def printable_sheet(request: Request, document: str) -> HTMLResponse:
    """One sheet to print and sign by hand."""
    found = _read(request, document)
    return page(request, "sheet.html.j2", document=found, fields=fields_of(found["kind"]), not_crossing=NOT_CROSSING)
