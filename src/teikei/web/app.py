"""The server: routes with their rules, errors in words, strict headers."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from fastapi import FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException as AnyHTTPException

from teikei.errors import NotAllowedError, TeikeiError
from teikei.web import (
    accounts,
    audit,
    log_watch,
    pages_account,
    pages_design,
    pages_gate,
    pages_joint,
    pages_log,
    pages_people,
    pages_runs,
    pages_sign_in,
    pages_solve,
    pages_tables,
    pages_workspace,
)
from teikei.web.access import SignInNeeded, refuse_undeclared
from teikei.web.database import ROOM, Store
from teikei.web.ending import finish_endings
from teikei.web.jobs import Jobs, Limits
from teikei.web.pages import Server, make_environment, problem, see
from teikei.web.shell import FAULT, Shell
from teikei.web.sign_in import Gate
from teikei.web.workspace import clean_up

_WORDS: Final = {
    403: "You may not do this with your role, or the form was too old. Go back, reload the page and try again.",
    404: "There is nothing here, or it is not yours.",
    405: "This address does not take that kind of request.",
    422: "The form was not complete. Go back, fill in every field and send it again.",
}
CHECKPOINT_SECONDS: Final = 60.0
MOST_REFUSALS: Final = 200  # lines an hour for what is refused to one person; and to all strangers together
_log = logging.getLogger("teikei.web")


def create_app(
    folder: Path,
    *,
    clock: Callable[[], float] = time.time,
    command: Sequence[str] | None = None,
    limits: Limits | None = None,
    trusted_proxies: Collection[str] = (),
    address: str = "",
) -> FastAPI:
    """The server over the data in ``folder`` (made where it is new).

    clock: seconds since 1970; command: what runs STUDY OUT; both replaceable in tests. limits: of one job.
    trusted_proxies: addresses of proxies whose word on a sender's address and scheme is believed. address: of the page,
    as people type it. The jobs' threads live as long as the server. Raises RuntimeError if any route declares no rule.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    store = Store(folder)
    jobs = Jobs(store, clock, command, limits)

    @asynccontextmanager
    async def alive(_app: FastAPI) -> AsyncIterator[None]:
        clean_up(store)
        look_at_log(app)
        finish_endings(app.state.server)
        jobs.start()
        threading.Thread(target=_warm_up, name="warm up", daemon=True).start()
        stop = threading.Event()
        keeper = threading.Thread(target=_keep_checkpoints, args=(store, stop), name="checkpoints", daemon=True)
        keeper.start()
        yield
        stop.set()
        keeper.join()
        jobs.stop()

    app = FastAPI(
        title="teikei", docs_url=None, redoc_url=None, openapi_url=None, lifespan=alive, redirect_slashes=False
    )
    gate = Gate(store.operator, clock)
    app.state.server = Server(store, clock, jobs, gate, address=address.rstrip("/"))
    app.state.templates = make_environment()
    app.include_router(pages_sign_in.router)
    app.include_router(pages_account.router)
    app.include_router(pages_people.router)
    app.include_router(pages_log.router)
    app.include_router(pages_workspace.router)
    app.include_router(pages_tables.router)
    app.include_router(pages_runs.router)
    app.include_router(pages_joint.router)
    app.include_router(pages_gate.router)
    app.include_router(pages_solve.router)
    app.include_router(pages_design.router)
    app.add_middleware(Shell, trusted_proxies=trusted_proxies)
    _answer_errors_in_words(app)
    refuse_undeclared(app)
    return app


def look_at_log(app: FastAPI) -> None:
    """Compares the log with the heads noted elsewhere; what is wrong is shown on every page and written into it."""
    server: Server = app.state.server
    server.log_faults[:] = log_watch.examine(server.store)
    if server.log_faults:
        _log.error("the log was tampered with: %s", "; ".join(server.log_faults))
        with server.store.operator() as connection:
            for sentence in server.log_faults:
                audit.append(connection, server.clock(), "teikei", "found the log damaged", sentence)
    log_watch.checkpoint(server.store)


def _keep_checkpoints(store: Store, stop: threading.Event) -> None:
    """Notes the head of the log in every company's folder, once a minute and at the end."""
    while True:
        ended = stop.wait(CHECKPOINT_SECONDS)
        try:
            log_watch.checkpoint(store)
        except Exception as error:  # a full disk or a busy database passes; the next minute tries again
            _log.error("no checkpoint: %s", type(error).__name__)
        if ended:
            return


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
        status = 403 if isinstance(error, NotAllowedError) else 400
        if status == 403:
            _note_refusal(request, status)
        return problem(request, status, sentences, _back(request))

    @app.exception_handler(RequestValidationError)
    def _incomplete(request: Request, _error: RequestValidationError) -> Response:
        return problem(request, 422, [_WORDS[422]], _back(request))

    @app.exception_handler(AnyHTTPException)
    def _http(request: Request, error: HTTPException) -> Response:
        if error.status_code in (403, 404):
            _note_refusal(request, error.status_code)
        sentence = _WORDS.get(error.status_code, "The request could not be understood.")
        return problem(request, error.status_code, [sentence], _back(request))

    @app.exception_handler(Exception)
    def _bug(_request: Request, error: Exception) -> Response:
        _log.error("fault %s", type(error).__name__)  # no values: they may be private figures
        return Response(FAULT, 500)


def _note_refusal(request: Request, status: int) -> None:
    """A line for what was refused: the person's own matter; of strangers only so many, so that none fills the disk."""
    server: Server = request.app.state.server
    caller: accounts.Caller | None = request.state.caller
    who = caller.user if caller is not None else ""
    key = f"{int(server.clock() // 3600)} {who}"
    server.refusals[key] += 1
    if server.refusals[key] > MOST_REFUSALS:
        return
    for old in [known for known in server.refusals if known.partition(" ")[0] != key.partition(" ")[0]]:
        del server.refusals[old]
    path = request.url.path
    path = "/join/…" if path.startswith("/join/") else path[:200]
    actor = caller.label if caller is not None else f"a stranger from {request.state.address}"
    company = (caller.company if caller is not None else None) or ROOM
    action = "was refused" if status == 403 else "asked for what is not there or not theirs"
    with server.store.operator() as connection:
        audit.append(connection, server.clock(), actor, action, f"{request.method} {path}", company)


def _back(request: Request) -> str:
    """Where a form came from, as far as it is a page of ours."""
    before = urlsplit(request.headers.get("referer", ""))
    if not before.netloc or before.netloc != request.headers.get("host", "") or not before.path.startswith("/"):
        return "/"
    if before.path.startswith("//"):
        return "/"
    return before.path + (f"?{before.query}" if before.query else "")
