"""The log for those who may read it, its checkpoints, and whether the server is well."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, JSONResponse, Response

from teikei.web import audit
from teikei.web.access import Rule, route, workspace_of
from teikei.web.accounts import BUYER, COUNSEL, OPERATOR, PLANNER
from teikei.web.log_watch import CHECKPOINTS, read_heads
from teikei.web.pages import caller_of, page, server_of

router = APIRouter()
_READERS: Final = Rule((OPERATOR, PLANNER, BUYER, COUNSEL))
SHOWN_CHECKPOINTS: Final = 20


@route(router, "GET", "/log", _READERS)
def log(request: Request) -> HTMLResponse:
    """The newest lines of the log, its head, and heads it had before."""
    server = server_of(request)
    with server.store.operator(write=False) as connection:
        lines = audit.entries(connection, caller_of(request).company)
        count, newest = audit.head(connection)
    with server.store.company(workspace_of(caller_of(request)), write=False) as connection:
        titles = {row["study"]: row["title"] for row in connection.execute("SELECT study, title FROM studies")}
    return page(
        request,
        "log.html.j2",
        entries=[_with_titles(line, titles) for line in lines[-200:][::-1]],
        head=newest,
        lines=count,
        checkpoints=_checkpoints(request)[-SHOWN_CHECKPOINTS:][::-1],
    )


def _with_titles(line: dict[str, Any], titles: Mapping[str, str]) -> dict[str, Any]:
    """A line with the titles of the reader's own studies beside their ids: the log itself holds no title of a study."""
    if "object" not in line:
        return line
    named = re.sub(r"\b[0-9a-f]{16}\b", lambda found: titles.get(found[0], found[0]), line["object"])
    return {**line, "object": named}


def _checkpoints(request: Request) -> list[dict[str, object]]:
    return read_heads(server_of(request).store.workspace(workspace_of(caller_of(request))) / CHECKPOINTS)


@route(router, "GET", "/log/export", _READERS)
def export_log(request: Request) -> Response:
    """The whole log as JSON lines, to be checked with ``teikei audit-verify`` anywhere."""
    with server_of(request).store.operator(write=False) as connection:
        text = audit.export(audit.entries(connection, caller_of(request).company))
    return _download(text, "log.jsonl")


@route(router, "GET", "/log/checkpoints", _READERS)
def export_checkpoints(request: Request) -> Response:
    """The heads that the log had from time to time, to be kept outside the server."""
    return _download("".join(json.dumps(one) + "\n" for one in _checkpoints(request)), "checkpoints.jsonl")


def _download(text: str, name: str) -> Response:
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(text, media_type="application/jsonl", headers=headers)


@route(router, "GET", "/health", Rule(()))
def health(request: Request) -> Response:
    """Whether runs are served and the log is whole, for whoever watches the server; nothing of what is in it."""
    server = server_of(request)
    found = server.jobs.health()
    well = found.serving and not server.log_faults
    told = {
        "queue": "serving" if found.serving else "disturbed",
        "log": "whole" if not server.log_faults else "damaged",
    }
    return JSONResponse({"status": "ok" if well else "disturbed", **told}, 200 if well else 503)
