"""One's own account: the passphrase, and where one is signed in."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, Response
from starlette.concurrency import run_in_threadpool

from teikei.errors import StudyError
from teikei.web import accounts
from teikei.web.access import EVERYONE, SESSION_COOKIE, Rule, cookie_name, route
from teikei.web.pages import caller_of, page, record, see, server_of

router = APIRouter()
_SIGNED_IN: Final = Rule(EVERYONE)


@route(router, "GET", "/account", _SIGNED_IN)
def account(request: Request) -> HTMLResponse:
    """The sessions of the caller, and the form for another passphrase."""
    server = server_of(request)
    with server.store.operator(write=False) as connection:
        own = accounts.digest(_session(request))
        sessions = accounts.open_sessions(connection, server.clock(), caller_of(request).user)
    return page(request, "account.html.j2", sessions=[{**one, "here": one["hash"] == own} for one in sessions])


def _session(request: Request) -> str:
    return request.cookies.get(cookie_name(request, SESSION_COOKIE), "")


@route(router, "POST", "/account/passphrase", _SIGNED_IN)
async def change_passphrase(
    request: Request, present: Annotated[str, Form()] = "", passphrase: Annotated[str, Form()] = ""
) -> Response:
    """Another passphrase, for who knows the present one; all other sessions of the account end."""
    server, caller = server_of(request), caller_of(request)
    user = await server.gate.check(caller.login, present, request.state.address, _session(request))
    if user != caller.user:
        raise StudyError("the present passphrase is not right")

    def change() -> None:
        with server.store.operator() as connection:
            accounts.change_passphrase(connection, caller, passphrase, keep=_session(request))
            record(request, connection, "changed the own passphrase", private=True)

    await run_in_threadpool(change)
    return see("/account")


@route(router, "POST", "/account/sessions/{link}/end", _SIGNED_IN)
def end_session(request: Request, link: str) -> Response:
    """Ends one of the caller's own sessions; ``link`` is the name that the list gives it."""
    with server_of(request).store.operator() as connection:
        if accounts.end_session(connection, caller_of(request).user, link):
            record(request, connection, "ended a session", private=True)
    return see("/account")
