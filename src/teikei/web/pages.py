"""What all pages share: the templates, forms' fields, small helpers for routes."""

from __future__ import annotations

import datetime as dt
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast

from fastapi import Request
from fastapi.responses import HTMLResponse, RedirectResponse
from jinja2 import Environment, PackageLoader, StrictUndefined

from teikei.web import accounts, audit
from teikei.web.access import FORM_COOKIE, WORKERS, cookie_name, set_cookie, workspace_of
from teikei.web.accounts import Caller
from teikei.web.audit import Line
from teikei.web.database import Store
from teikei.web.jobs import Jobs
from teikei.web.sign_in import Gate
from teikei.web.text import translator

ROLE_TITLES = {
    "operator": "Operator",
    "clean_team": "Clean team",
    "planner": "Planner",
    "buyer": "Buyer",
    "counsel": "Counsel",
}


@dataclass(frozen=True)
class Server:
    """What routes need: where things lie, the clock, and the runner of jobs."""

    store: Store
    clock: Callable[[], float]
    jobs: Jobs
    gate: Gate
    log_faults: list[str] = field(default_factory=list)  # what the start found wrong with the log
    address: str = ""  # of the page, as people type it
    deeds: threading.RLock = field(default_factory=threading.RLock)  # one start or end of a joint solve at a time
    refusals: Counter[str] = field(default_factory=Counter)  # lines written of late for refusals, by whose they were


def server_of(request: Request) -> Server:
    """The server behind a request."""
    return cast(Server, request.app.state.server)


def caller_of(request: Request) -> Caller:
    """The caller; only for routes whose rule asks for somebody signed in."""
    caller: Caller | None = request.state.caller
    assert caller is not None  # noqa: S101 - the rule of the route has been checked before
    return caller


def address_of(request: Request) -> str:
    """Where people reach the page: as the operator has set it, else the very address the server listens at.

    Never what a request calls the server: who sends it chooses that.
    """
    server = server_of(request)
    if server.address:
        return server.address
    host, port = request.scope.get("server") or ("127.0.0.1", 80)
    return f"{request.scope['scheme']}://{f'[{host}]' if ':' in str(host) else host}{f':{port}' if port else ''}"


def _moment(seconds: float | None) -> str:
    if seconds is None:
        return ""
    return dt.datetime.fromtimestamp(seconds, dt.UTC).strftime("%Y-%m-%d %H:%M UTC")


def make_environment() -> Environment:
    """The templates; what is not defined is an error, and all text is escaped."""
    environment = Environment(
        loader=PackageLoader("teikei.web", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["moment"] = _moment
    environment.filters["plain"] = "{:.12g}".format
    environment.globals["role_titles"] = ROLE_TITLES
    environment.globals["workers"] = WORKERS
    return environment


def page(request: Request, template: str, *, status: int = 200, **values: Any) -> HTMLResponse:
    """A page in the caller's language. Sets the cookie that guards forms of people who are not signed in."""
    caller: Caller | None = request.state.caller
    language: str = request.state.language
    known = request.cookies.get(cookie_name(request, FORM_COOKIE), "")
    form_key = caller.form_key if caller is not None else known or accounts.token()
    environment: Environment = request.app.state.templates
    body = environment.get_template(template).render(
        t=translator(language),
        language=language,
        caller=caller,
        form_key=form_key,
        path=request.url.path,
        troubles=_troubles(request) if caller is not None else (),
        **values,
    )
    response = HTMLResponse(body, status_code=status)
    if caller is None:
        set_cookie(request, response, FORM_COOKIE, form_key)
    return response


def _troubles(request: Request) -> list[str]:
    """What everybody who works here should know at once: runs that are not served, a log that was changed."""
    server = server_of(request)
    found = [] if server.jobs.health().serving else ["Runs are not served at the moment. Work on; they are kept."]
    if server.log_faults:
        found.append("The log was changed outside the server. Keep what you noted of its head, and ask the operator.")
    return found


def problem(request: Request, status: int, sentences: list[str], back: str = "/") -> HTMLResponse:
    """A page that says in words what went wrong and what to do."""
    return page(request, "problem.html.j2", status=status, sentences=sentences, back=back)


def see(address: str) -> RedirectResponse:
    """After a change: go and look at the result (so that reloading does not repeat the change)."""
    return RedirectResponse(address, status_code=303)


def line_of(request: Request, action: str, subject: str = "", *, private: bool = False) -> Line:
    """What the log says of a deed of the caller; private lines are sealed for other companies."""
    caller = caller_of(request)
    return Line(caller.label, action, subject, workspace_of(caller) if private else "")


def record(request: Request, connection: Any, action: str, subject: str = "", *, private: bool = False) -> None:
    """Adds a line to the log in the same transaction as the deed, which is one in the operator's database."""
    line = line_of(request, action, subject, private=private)
    audit.append(connection, server_of(request).clock(), line.actor, line.action, line.subject, line.company)


def note(request: Request, action: str, subject: str = "", *, private: bool = True) -> None:
    """A line for what changes nothing, such as a look or a download; written before the answer is given."""
    with server_of(request).store.operator() as connection:
        record(request, connection, action, subject, private=private)


def named_joint(connection: Any, joint: str) -> str:
    """A joint study as the log names it."""
    row = connection.execute("SELECT title FROM joint WHERE joint=?", (joint,)).fetchone()
    return f"{row['title'] if row is not None else '?'} [{joint}]"


def named_study(study: str, version: object = "") -> str:
    """A study of a workspace as the log names it: by its id, since its title is for its owner; see ``pages_log``."""
    return f"version {version} of study {study}" if version else f"study {study}"


async def form_texts(request: Request) -> dict[str, str]:
    """All text fields of a form, for forms whose fields depend on what they show."""
    return {name: value for name, value in (await request.form()).items() if isinstance(value, str)}
