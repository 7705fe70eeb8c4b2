"""A company's own room: upload, problems with places, versions, downloads, runs in the background and their reports."""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path
from typing import Annotated, Any, Final

from fastapi import APIRouter, File, Form, Request, UploadFile
from fastapi.responses import FileResponse, HTMLResponse, Response

from teikei.errors import StudyError
from teikei.web.access import WORKERS, Rule, route, workspace_of
from teikei.web.jobs import DONE, QUEUED, RUNNING
from teikei.web.pages import caller_of, page, record, see, server_of
from teikei.web.workspace import add_version, as_workbook, as_zip, read_version

router = APIRouter()
_OWN: Final = Rule(WORKERS)
_OBJECT: Final = Rule(WORKERS, "workspace")
_EXCEL: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_INLINE_SCRIPT: Final = re.compile(r"<script(?![^>]*\bsrc=)[^>]*>(.*?)</script>", re.S)


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
    request: Request, study: str, file: Annotated[UploadFile, File()], note: Annotated[str, Form()] = ""
) -> Response:
    """A newer version of a study."""
    return _take(request, study, "", file, note)


def _take(request: Request, study: str | None, title: str, file: UploadFile, note: str) -> Response:
    server, caller = server_of(request), caller_of(request)
    workspace = workspace_of(caller)
    made = add_version(server.store, workspace, study, title, file.file.read(), caller.name, server.clock(), note)
    with server.store.operator() as connection:
        record(request, connection, "uploaded a version", f"{made.study}/{made.version}", private=True)
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
    return _download(content, _EXCEL, f"study-{version}.xlsx")


@route(router, "GET", "/studies/{study}/{version}/tables", _OBJECT)
def download_tables(request: Request, study: str, version: str) -> Response:
    """A version's files as they were sent."""
    return _download(as_zip(_path(request, study, version)), "application/zip", f"study-{version}.zip")


def _path(request: Request, study: str, version: str) -> Path:
    return read_version(server_of(request).store, workspace_of(caller_of(request)), study, int(version)).path


def _download(content: bytes, kind: str, name: str) -> Response:
    return Response(content, media_type=kind, headers={"Content-Disposition": f'attachment; filename="{name}"'})


@route(router, "POST", "/studies/{study}/{version}/run", _OBJECT)
def run_version(request: Request, study: str, version: str) -> Response:
    """Puts a run of this version into the queue."""
    server, caller = server_of(request), caller_of(request)
    workspace = workspace_of(caller)
    chosen = read_version(server.store, workspace, study, int(version))
    if any(not problem.warning for problem in chosen.problems):
        raise StudyError("this version has errors; mend them, upload again and run that version")
    job = server.jobs.add(workspace, study, int(version), chosen.path, caller.name)
    with server.store.operator() as connection:
        record(request, connection, "started a run", f"{study}/{version} {job}", private=True)
    return see(f"/jobs/{job}")


def _job(request: Request, job: str) -> dict[str, Any]:
    server, workspace = server_of(request), workspace_of(caller_of(request))
    with server.store.company(workspace, write=False) as connection:
        row = dict(connection.execute("SELECT * FROM jobs WHERE job=?", (job,)).fetchone())
    step, fraction = server.jobs.progress(workspace, job) if row["state"] == RUNNING else ("", 0.0)
    folder = server.jobs.folder(workspace, job) / "run"
    return {
        **row,
        "step": step,
        "fraction": fraction,
        "active": row["state"] in (QUEUED, RUNNING),
        "report": row["state"] == DONE and (folder / "report.html").is_file(),
        "workbook": row["state"] == DONE and (folder / "report.xlsx").is_file(),
    }


@route(router, "GET", "/jobs/{job}", _OBJECT)
def show_job(request: Request, job: str) -> HTMLResponse:
    """A run: progress, what it said, its report."""
    return page(request, "job.html.j2", job=_job(request, job))


@route(router, "GET", "/jobs/{job}/state", _OBJECT)
def job_state(request: Request, job: str) -> Response:
    """The part of the page that moves; once the run has ended the whole page is loaded again."""
    found = _job(request, job)
    answer = page(request, "job_state.html.j2", job=found)
    if not found["active"]:
        answer.headers["HX-Refresh"] = "true"
    return answer


@route(router, "POST", "/jobs/{job}/cancel", _OBJECT)
def cancel_job(request: Request, job: str) -> Response:
    """Stops a run or takes it from the queue."""
    server = server_of(request)
    server.jobs.cancel(workspace_of(caller_of(request)), job)
    with server.store.operator() as connection:
        record(request, connection, "cancelled a run", job, private=True)
    return see(f"/jobs/{job}")


def _run_file(request: Request, job: str, name: str) -> Path:
    file = server_of(request).jobs.folder(workspace_of(caller_of(request)), job) / "run" / name
    if not file.is_file():
        raise StudyError("this run has no such file (yet)")
    return Path(file)


@route(router, "GET", "/jobs/{job}/report", _OBJECT)
def report(request: Request, job: str) -> Response:
    """The report inside a sandbox: only the scripts that stand in it may run, and it can load and send nothing."""
    text = _run_file(request, job, "report.html").read_text("utf-8")
    digests = (hashlib.sha256(script.encode()).digest() for script in _INLINE_SCRIPT.findall(text))
    allowed = " ".join(f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests) or "'none'"
    policy = (
        f"sandbox allow-scripts allow-downloads; default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; "
        "img-src data: blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
    )
    return HTMLResponse(text, headers={"Content-Security-Policy": policy, "X-Frame-Options": "SAMEORIGIN"})


@route(router, "GET", "/jobs/{job}/workbook", _OBJECT)
def report_workbook(request: Request, job: str) -> Response:
    """The report as a workbook."""
    return FileResponse(_run_file(request, job, "report.xlsx"), media_type=_EXCEL, filename="report.xlsx")
