"""What all pages share: the templates, forms' fields, small helpers for routes."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

from fastapi import Request
from fastapi.responses import HTMLResponse, RedirectResponse
from jinja2 import Environment, PackageLoader, StrictUndefined

from teikei.web import accounts
from teikei.web.access import FORM_COOKIE, WORKERS
from teikei.web.accounts import Caller
from teikei.web.database import Store
from teikei.web.jobs import Jobs
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


def server_of(request: Request) -> Server:
    """The server behind a request."""
    return cast(Server, request.app.state.server)


def caller_of(request: Request) -> Caller:
    """The caller; only for routes whose rule asks for somebody signed in."""
    caller: Caller | None = request.state.caller
    assert caller is not None  # noqa: S101 - the rule of the route has been checked before
    return caller


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
    form_key = caller.form_key if caller is not None else request.cookies.get(FORM_COOKIE, "") or accounts.token()
    environment: Environment = request.app.state.templates
    body = environment.get_template(template).render(
        t=translator(language),
        language=language,
        caller=caller,
        form_key=form_key,
        path=request.url.path,
        **values,
    )
    response = HTMLResponse(body, status_code=status)
    if caller is None:
        response.set_cookie(
            FORM_COOKIE, form_key, httponly=True, samesite="strict", secure=request.url.scheme == "https"
        )
    return response


def problem(request: Request, status: int, sentences: list[str], back: str = "/") -> HTMLResponse:
    """A page that says in words what went wrong and what to do."""
    return page(request, "problem.html.j2", status=status, sentences=sentences, back=back)


def see(address: str) -> RedirectResponse:
    """After a change: go and look at the result (so that reloading does not repeat the change)."""
    return RedirectResponse(address, status_code=303)


def record(request: Request, connection: Any, action: str, subject: str = "", *, private: bool = False) -> None:
    """Adds a line to the log in the same transaction as the deed; private lines are sealed for other companies."""
    from teikei.web import audit

    caller = caller_of(request)
    company = caller.company or "room"
    actor = f"{company}/{caller.user}"
    audit.append(connection, server_of(request).clock(), actor, action, subject, company if private else "")


async def form_texts(request: Request) -> dict[str, str]:
    """All text fields of a form, for forms whose fields depend on what they show."""
    return {name: value for name, value in (await request.form()).items() if isinstance(value, str)}
