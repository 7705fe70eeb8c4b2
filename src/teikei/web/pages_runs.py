"""Runs of a company's own studies: in the background with progress, their report part by part, and side by side."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from pathlib import Path
from typing import Annotated, Any, Final

from fastapi import APIRouter, Form, Request
from fastapi.responses import FileResponse, HTMLResponse, Response
from markupsafe import Markup

from teikei.errors import StudyError
from teikei.web import run_pages
from teikei.web.access import WORKERS, Rule, route, workspace_of
from teikei.web.jobs import DONE, QUEUED, RUNNING
from teikei.web.pages import caller_of, line_of, named_study, note, page, see, server_of
from teikei.web.shell import CHART_POLICY
from teikei.web.solve import TIMELINE_SECONDS
from teikei.web.worker import OPTIONS, PREVIEW
from teikei.web.workspace import read_version

router = APIRouter()
_OBJECT: Final = Rule(WORKERS, "workspace")
_EXCEL: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_INLINE_SCRIPT: Final = re.compile(r"<script(?![^>]*\bsrc=)[^>]*>(.*?)</script>", re.S)


@route(router, "POST", "/studies/{study}/{version}/run", _OBJECT)
def run_version(request: Request, study: str, version: str, timeline: Annotated[str, Form()] = "") -> Response:
    """Puts a run of this version into the queue; with a longer proof of its timeline where it is asked for."""
    server, caller = server_of(request), caller_of(request)
    workspace = workspace_of(caller)
    chosen = read_version(server.store, workspace, study, int(version))
    if any(not problem.warning for problem in chosen.problems):
        raise StudyError("this version has errors; mend them, upload again and run that version")
    subject = named_study(study, version)
    job = server.jobs.add(
        workspace,
        study,
        int(version),
        chosen.path,
        caller.name,
        _options(timeline),
        line=lambda made: line_of(request, "started a run", f"{subject}, run {made}", private=True),
    )
    return see(f"/jobs/{job}")


def _options(timeline: str) -> dict[str, Any]:
    return {"schedule_seconds": TIMELINE_SECONDS} if timeline == "yes" else {}


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
        "before": server.jobs.place(workspace, job) if row["state"] == QUEUED else 0,
        "active": row["state"] in (QUEUED, RUNNING),
        "report": row["state"] == DONE and (folder / "report.html").is_file(),
        "workbook": row["state"] == DONE and (folder / "report.xlsx").is_file(),
    }


@route(router, "GET", "/jobs/{job}", _OBJECT)
def show_job(request: Request, job: str) -> HTMLResponse:
    """A run: progress, what it said, its answer and the parts of its report."""
    return _show(request, job, run_pages.ANSWER)


@route(router, "GET", "/jobs/{job}/part/{name}", _OBJECT)
def show_part(request: Request, job: str, name: str) -> HTMLResponse:
    """One part of the report: tables and charts of one stage."""
    return _show(request, job, name)


def _show(request: Request, job: str, name: str) -> HTMLResponse:
    server, workspace = server_of(request), workspace_of(caller_of(request))
    found = _job(request, job)
    folder = server.jobs.folder(workspace, job)
    parts = run_pages.index(folder) if found["report"] else []
    piece = run_pages.part(folder, name) if parts else ""
    preview = folder / PREVIEW
    if found["state"] == DONE and preview.is_file():
        asked = json.loads((folder / OPTIONS).read_text("utf-8"))["preview"]
        return page(request, "preview.html.j2", job=found, asked=asked, **json.loads(preview.read_text("utf-8")))
    if not parts and name != run_pages.ANSWER:
        raise StudyError("this run has no such file (yet)")
    with server.store.company(workspace, write=False) as connection:
        others = connection.execute(
            "SELECT job, at, version FROM jobs WHERE study=? AND state=? AND job<>? ORDER BY at DESC, rowid DESC",
            (found["study"], DONE, job),
        ).fetchall()
    answer = page(
        request,
        "job.html.j2",
        job=found,
        parts=parts,
        name=name,
        piece=Markup(piece),  # noqa: S704 - written by our own templates, which escape every text of the study
        others=[dict(row) for row in others],
        gantt=name != "schedule" or "data-chart" in piece,
    )
    if parts:
        answer.headers["Content-Security-Policy"] = CHART_POLICY
    return answer


@route(router, "GET", "/jobs/{job}/compare", _OBJECT)
def choose_comparison(job: str, other: str = "") -> Response:
    """From the choice of a second run to the page that compares the two."""
    if not re.fullmatch(r"[0-9a-f]{1,40}", other):
        raise StudyError("choose a second run of the same study")
    return see(f"/jobs/{job}/against/{other}")


@route(router, "GET", "/jobs/{job}/against/{other}", _OBJECT)
def compare_runs(request: Request, job: str, other: str) -> HTMLResponse:
    """Two runs side by side: what changed in the inputs, and in savings by rung and lever."""
    server, workspace = server_of(request), workspace_of(caller_of(request))
    from teikei.web.compare import MOST_CHANGES, kept_comparison

    first, second = sorted((_job(request, job), _job(request, other)), key=lambda one: (one["at"], one["version"]))
    for one in (first, second):
        if one["state"] != DONE:
            raise StudyError("only finished runs can be compared")
    found = kept_comparison(*(server.jobs.folder(workspace, one["job"]) for one in (first, second)))
    answer = page(
        request,
        "against.html.j2",
        first=first,
        second=second,
        found=found,
        most=MOST_CHANGES,
        figure_json=Markup(found.figure),  # noqa: S704 - JSON in which no character can end the element
    )
    answer.headers["Content-Security-Policy"] = CHART_POLICY
    return answer


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
    server.jobs.cancel(
        workspace_of(caller_of(request)), job, line_of(request, "cancelled a run", f"run {job}", private=True)
    )
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
    note(request, "opened a whole report", f"run {job}")
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
    file = _run_file(request, job, "report.xlsx")
    note(request, "downloaded a report", f"run {job}")
    return FileResponse(file, media_type=_EXCEL, filename="report.xlsx")
