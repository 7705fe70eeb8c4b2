"""What counsel and members need before they sign: the common frame, the preview, a word on each item."""

from __future__ import annotations

import json
from typing import Annotated, Final

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, Response

from teikei.errors import StudyError
from teikei.web import joint as joints
from teikei.web import legal_gate
from teikei.web.access import EVERYONE, Rule, route, workspace_of
from teikei.web.accounts import BUYER, COUNSEL, PLANNER
from teikei.web.database import ROOM
from teikei.web.jobs import DONE
from teikei.web.pages import caller_of, note, page, record, see, server_of
from teikei.web.worker import OPTIONS, PREVIEW
from teikei.web.workspace import read_version, rewritten_workbook

router = APIRouter()
_EXCEL: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


@route(router, "GET", "/joint/{joint}/frame", Rule(EVERYONE, "member"))
def download_frame(request: Request, joint: str) -> Response:
    """The common frame that the members sign on, as a workbook without a live formula."""
    server = server_of(request)
    with server.store.operator(write=False) as connection:
        found = joints.read(connection, joint)
    scope = found["scope"]
    frame = read_version(server.store, ROOM, scope["frame"], int(scope["frame_version"]))
    content = rewritten_workbook(frame.path)
    note(request, "downloaded the common frame", f"{found['title']} [{joint}]")
    headers = {"Content-Disposition": 'attachment; filename="common-frame.xlsx"'}
    return Response(content, media_type=_EXCEL, headers=headers)


@route(router, "GET", "/joint/{joint}/preview", Rule((PLANNER, BUYER, COUNSEL), "member"))
def show_newest_preview(request: Request, joint: str) -> HTMLResponse:
    """The company's newest preview of what a rival could infer; counsel reads it here."""
    server, workspace = server_of(request), workspace_of(caller_of(request))
    with server.store.company(workspace, write=False) as connection:
        row = connection.execute(
            "SELECT * FROM jobs WHERE study=? AND state=? ORDER BY at DESC, rowid DESC LIMIT 1", (joint, DONE)
        ).fetchone()
    if row is None:
        raise StudyError("no preview of this list is there yet; a planner of your company starts it on this page")
    folder = server.jobs.folder(workspace, row["job"])
    asked = json.loads((folder / OPTIONS).read_text("utf-8"))["preview"]
    found = json.loads((folder / PREVIEW).read_text("utf-8"))
    note(request, "looked at the preview", f"run {row['job']}")
    return page(request, "preview.html.j2", job=dict(row), asked=asked, **found)


@route(router, "POST", "/joint/{joint}/review", Rule((COUNSEL,), "member"))
def review_item(
    request: Request,
    joint: str,
    item: Annotated[int, Form()] = -1,
    verdict: Annotated[str, Form()] = "",
    text: Annotated[str, Form()] = "",
) -> Response:
    """Counsel approves or refuses one item of the list for the own company."""
    server = server_of(request)
    with server.store.operator() as connection:
        found = joints.read(connection, joint)
        if found["state"] != joints.DRAFTING:
            raise StudyError("this joint study is past signing")
        legal_gate.review(connection, server.clock(), found, caller_of(request), item, verdict, text)
        subject = f"{found['title']} [{joint}] revision {found['revision']}, item {item or legal_gate.WHOLE}"
        record(request, connection, f"counsel {verdict}", subject, private=True)
    return see(f"/joint/{joint}#list")
