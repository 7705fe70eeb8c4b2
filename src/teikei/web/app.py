"""The server: routes with their rules, errors in words, strict headers."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from fastapi import FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException as AnyHTTPException

from teikei.errors import NotAllowedError, TeikeiError
from teikei.web import (
    accounts,
    pages_design,
    pages_joint,
    pages_people,
    pages_runs,
    pages_solve,
    pages_tables,
    pages_workspace,
)
from teikei.web.access import SignInNeeded, refuse_undeclared
from teikei.web.database import ROOM, Store
from teikei.web.jobs import Jobs, Limits
from teikei.web.pages import Server, make_environment, problem, see
from teikei.web.shell import Shell
from teikei.web.workspace import clean_up

_WORDS: Final = {
    403: "You may not do this with your role, or the form was too old. Go back, reload the page and try again.",
    404: "There is nothing here, or it is not yours.",
    405: "This address does not take that kind of request.",
    422: "The form was not complete. Go back, fill in every field and send it again.",
}
_log = logging.getLogger("teikei.web")


def create_app(
    folder: Path,
    *,
    clock: Callable[[], float] = time.time,
    command: Sequence[str] | None = None,
    limits: Limits | None = None,
) -> FastAPI:
    """The server over the data in ``folder`` (made where it is new).

    clock: seconds since 1970; command: what runs STUDY OUT; both replaceable in tests. limits: of one job. The jobs'
    thread lives as long as the server. Raises RuntimeError if any route declares no rule.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    store = Store(folder)
    jobs = Jobs(store, clock, command, limits)

    @asynccontextmanager
    async def alive(_app: FastAPI) -> AsyncIterator[None]:
        clean_up(store)
        jobs.start()
        threading.Thread(target=_warm_up, name="warm up", daemon=True).start()
        yield
        jobs.stop()

    app = FastAPI(title="teikei", docs_url=None, redoc_url=None, openapi_url=None, lifespan=alive)
    app.state.server = Server(store, clock, jobs)
    app.state.templates = make_environment()
    app.include_router(pages_people.router)
    app.include_router(pages_workspace.router)
    app.include_router(pages_tables.router)
    app.include_router(pages_runs.router)
    app.include_router(pages_joint.router)
    app.include_router(pages_solve.router)
    app.include_router(pages_design.router)
    app.add_middleware(Shell)
    _answer_errors_in_words(app)
    refuse_undeclared(app)
    return app


def _warm_up() -> None:
    """Loads, once the server answers, what the pages of tables and runs need."""
    import teikei.web.compare
    import teikei.web.tables  # noqa: F401

    pages_people.of_packages("plotly.min.js", packed=True)


def first_link(app: FastAPI) -> str | None:
    """A one-time link that makes the operator, where there is none yet."""
    server: Server = app.state.server
    with server.store.operator() as connection:
        if connection.execute("SELECT 1 FROM users WHERE role=?", (accounts.OPERATOR,)).fetchone() is not None:
            return None
        connection.execute("DELETE FROM links WHERE role=?", (accounts.OPERATOR,))
        link = accounts.make_link(connection, server.clock(), accounts.OPERATOR, None)
    with server.store.company(ROOM):
        pass  # makes the room's file
    return link


def _answer_errors_in_words(app: FastAPI) -> None:
    @app.exception_handler(SignInNeeded)
    def _sign_in(_request: Request, _error: SignInNeeded) -> Response:
        return see("/sign-in")

    @app.exception_handler(TeikeiError)
    def _said(request: Request, error: TeikeiError) -> Response:
        sentences = str(error).split("\n")
        return problem(request, 403 if isinstance(error, NotAllowedError) else 400, sentences, _back(request))

    @app.exception_handler(RequestValidationError)
    def _incomplete(request: Request, _error: RequestValidationError) -> Response:
        return problem(request, 422, [_WORDS[422]], _back(request))

    @app.exception_handler(AnyHTTPException)
    def _http(request: Request, error: HTTPException) -> Response:
        sentence = _WORDS.get(error.status_code, "The request could not be understood.")
        return problem(request, error.status_code, [sentence])

    @app.exception_handler(Exception)
    def _bug(_request: Request, error: Exception) -> Response:
        _log.error("fault %s", type(error).__name__)  # no values: they may be private figures
        return Response("A fault in teikei. Nothing was changed; tell the operator the time.", 500)


def _back(request: Request) -> str:
    """Where a form came from, as far as it is a page of ours."""
    referrer = request.headers.get("referer", "")
    base = str(request.base_url)
    return "/" + referrer.removeprefix(base).partition("?")[0] if referrer.startswith(base) else "/"
