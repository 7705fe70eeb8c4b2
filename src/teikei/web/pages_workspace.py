"""A company's own room: studies, upload, problems with places, versions, downloads."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

from fastapi import APIRouter, File, Form, Request, UploadFile
from fastapi.responses import HTMLResponse, Response

from teikei.web.access import WORKERS, Rule, route, workspace_of
from teikei.web.pages import caller_of, line_of, named_study, note, page, see, server_of
from teikei.web.workspace import add_version, as_workbook, as_zip, read_version

router = APIRouter()
_OWN: Final = Rule(WORKERS)
_OBJECT: Final = Rule(WORKERS, "workspace")
_EXCEL: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


@route(router, "GET", "/studies", _OWN)
def studies(request: Request) -> HTMLResponse:
    """All studies of the workspace."""
    with server_of(request).store.company(workspace_of(caller_of(request)), write=False) as connection:
        rows = connection.execute(
            "SELECT s.study, s.title, v.version, v.at, v.errors, v.warnings FROM studies s JOIN versions v "
            "ON v.study = s.study AND v.version = (SELECT max(version) FROM versions w WHERE w.study = s.study) "
            "ORDER BY s.made, s.study"
        ).fetchall()
    return page(request, "studies.html.j2", studies=[dict(row) for row in rows])


@route(router, "POST", "/studies", _OWN)
def add_study(request: Request, title: Annotated[str, Form()], file: Annotated[UploadFile, File()]) -> Response:
    """A new study from a workbook or a zip."""
    return _take(request, None, title, file, "")


@route(router, "POST", "/studies/{study}", _OBJECT)
def add_study_version(
    request: Request,
    study: str,
    file: Annotated[UploadFile, File()],
    words: Annotated[str, Form(alias="note")] = "",
) -> Response:
    """A newer version of a study."""
    return _take(request, study, "", file, words)


def _take(request: Request, study: str | None, title: str, file: UploadFile, words: str) -> Response:
    server, caller = server_of(request), caller_of(request)
    workspace = workspace_of(caller)
    made = add_version(
        server.store,
        workspace,
        study,
        title,
        file.file.read(),
        caller.name,
        server.clock(),
        words,
        lambda name, number: line_of(request, "uploaded a version", named_study(name, number), private=True),
    )
    return see(f"/studies/{made.study}")


@route(router, "GET", "/studies/{study}", _OBJECT)
def show_study(request: Request, study: str) -> HTMLResponse:
    """Versions, problems of the newest, runs."""
    server, workspace = server_of(request), workspace_of(caller_of(request))
    with server.store.company(workspace, write=False) as connection:
        title = connection.execute("SELECT title FROM studies WHERE study=?", (study,)).fetchone()["title"]
        versions = connection.execute("SELECT * FROM versions WHERE study=? ORDER BY version DESC", (study,)).fetchall()
        jobs = connection.execute("SELECT * FROM jobs WHERE study=? ORDER BY at DESC, rowid DESC", (study,)).fetchall()
    newest = read_version(server.store, workspace, study, versions[0]["version"])
    return page(
        request,
        "study.html.j2",
        study=study,
        title=title,
        versions=[dict(row) for row in versions],
        jobs=[dict(row) for row in jobs],
        problems=newest.problems[:500],
        more_problems=max(0, len(newest.problems) - 500),
        is_workbook=newest.path.is_file(),
    )


@route(router, "GET", "/studies/{study}/{version}/workbook", _OBJECT)
def download_workbook(request: Request, study: str, version: str) -> Response:
    """A version back in Excel."""
    content = as_workbook(_path(request, study, version))
    note(request, "downloaded a study", named_study(study, version))
    return _download(content, _EXCEL, f"study-{version}.xlsx")


@route(router, "GET", "/studies/{study}/{version}/tables", _OBJECT)
def download_tables(request: Request, study: str, version: str) -> Response:
    """A version's files; cells that a table program would take for formulas are guarded."""
    content = as_zip(_path(request, study, version))
    note(request, "downloaded a study", named_study(study, version))
    return _download(content, "application/zip", f"study-{version}.zip")


def _path(request: Request, study: str, version: str) -> Path:
    return read_version(server_of(request).store, workspace_of(caller_of(request)), study, int(version)).path


def _download(content: bytes, kind: str, name: str) -> Response:
    return Response(content, media_type=kind, headers={"Content-Disposition": f'attachment; filename="{name}"'})
