"""Coming in and going out: sign-in, sign-out, one-time links, home."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Form, HTTPException, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from starlette.concurrency import run_in_threadpool

from teikei.web import accounts, audit, sign_in
from teikei.web.access import (
    DEVICE_COOKIE,
    EVERYONE,
    FORM_COOKIE,
    SESSION_COOKIE,
    Rule,
    cookie_name,
    drop_cookie,
    route,
    set_cookie,
)
from teikei.web.pages import caller_of, page, problem, record, see, server_of
from teikei.web.shell import LANGUAGE_COOKIE
from teikei.web.sign_in import TooManyAttemptsError

router = APIRouter()
_ANYONE: Final = Rule(())
_SIGNED_IN: Final = Rule(EVERYONE)
MOST_OF_A_NAME: Final = 3  # characters of an unknown sign-in name in the log: it may be a passphrase typed too early


@route(router, "GET", "/", _ANYONE)
def start(request: Request) -> Response:
    """The first page: home for those signed in, else the sign-in."""
    return see("/home" if request.state.caller is not None else "/sign-in")


@route(router, "POST", "/language", _ANYONE)
def choose_language(request: Request, language: Annotated[str, Form()]) -> Response:
    """Japanese or English."""
    if language not in ("ja", "en"):
        raise HTTPException(404)
    answer = see("/")
    answer.set_cookie(
        LANGUAGE_COOKIE,
        language,
        max_age=31_536_000,
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
    )
    return answer


@route(router, "GET", "/sign-in", _ANYONE)
def ask_to_sign_in(request: Request) -> HTMLResponse:
    """The form to sign in."""
    return page(request, "sign_in.html.j2", failed="")


@route(router, "POST", "/sign-in", _ANYONE)
async def come_in(request: Request, login: Annotated[str, Form()], passphrase: Annotated[str, Form()]) -> Response:
    """Opens a session; a name that does not exist and a wrong passphrase get the same answer."""
    server = server_of(request)
    device = request.cookies.get(cookie_name(request, DEVICE_COOKIE), "")
    status, said = 401, "The name or the passphrase is not right."
    try:
        user = await server.gate.check(login, passphrase, request.state.address, device)
    except TooManyAttemptsError as brake:
        user, status, said = None, 429, str(brake)
    if user is None:
        await run_in_threadpool(_note_failure, request, login, status)
        return await run_in_threadpool(page, request, "sign_in.html.j2", status=status, failed=said)
    return await run_in_threadpool(_welcome, request, user)


def _note_failure(request: Request, login: str, status: int) -> None:
    server = server_of(request)
    login = login.strip().casefold()[:80]
    with server.store.operator() as connection:
        row = connection.execute("SELECT company, name, login FROM users WHERE login=?", (login,)).fetchone()
        who = accounts.label(*row) if row is not None else f"unknown name {login[:MOST_OF_A_NAME]}…"
        action = "failed sign-in" if status != 429 else "failed sign-in, slowed down"
        audit.append(connection, server.clock(), who, action, f"from {request.state.address}", "room")


def _welcome(request: Request, user: str, action: str = "signed in") -> RedirectResponse:
    server = server_of(request)
    known = request.cookies.get(cookie_name(request, DEVICE_COOKIE), "")
    with server.store.operator() as connection:
        browser = request.headers.get("user-agent", "")
        session = accounts.open_session(connection, server.clock(), user, request.state.address, browser)
        device = sign_in.remember_device(connection, server.clock(), user, known)
        row = connection.execute("SELECT company, name, login FROM users WHERE user=?", (user,)).fetchone()
        subject = f"from {request.state.address}"
        audit.append(connection, server.clock(), accounts.label(*row), action, subject, row["company"] or "room")
    answer = see("/home")
    set_cookie(request, answer, SESSION_COOKIE, session)
    set_cookie(request, answer, DEVICE_COOKIE, device, int(accounts.DEVICE_SECONDS))
    drop_cookie(request, answer, FORM_COOKIE)
    return answer


@route(router, "POST", "/sign-out", _SIGNED_IN)
def sign_out(request: Request) -> Response:
    """Ends the session on the server, not only in the browser."""
    with server_of(request).store.operator() as connection:
        accounts.close_session(connection, request.cookies.get(cookie_name(request, SESSION_COOKIE), ""))
        record(request, connection, "signed out", private=True)
    answer = see("/sign-in")
    drop_cookie(request, answer, SESSION_COOKIE)
    return answer


@route(router, "GET", "/join/{link}", _ANYONE)
def ask_to_join(request: Request, link: str) -> HTMLResponse:
    """The form behind a one-time link."""
    server = server_of(request)
    with server.store.operator(write=False) as connection:
        granted = accounts.find_link(connection, server.clock(), link)
    if granted is None:
        return problem(request, 404, ["This link was used already or has expired; ask the operator for a new one."])
    return page(request, "join.html.j2", role=granted[0], company=granted[1])


@route(router, "POST", "/join/{link}", _ANYONE)
def join(
    request: Request,
    link: str,
    login: Annotated[str, Form()],
    name: Annotated[str, Form()],
    passphrase: Annotated[str, Form()],
) -> Response:
    """Makes the account of a one-time link and signs it in."""
    server = server_of(request)
    with server.store.operator() as connection:
        user = accounts.use_link(connection, server.clock(), link, login, name, passphrase)
        row = connection.execute("SELECT company, name, login, role FROM users WHERE user=?", (user,)).fetchone()
        who = accounts.label(row["company"], row["name"], row["login"])
        audit.append(connection, server.clock(), who, "joined", row["role"], row["company"] or "room")
    return _welcome(request, user)


@route(router, "GET", "/home", _SIGNED_IN)
def home(request: Request) -> HTMLResponse:
    """What waits for the caller."""
    server, caller = server_of(request), caller_of(request)
    with server.store.operator(write=False) as connection:
        count, newest = audit.head(connection)
        joints = connection.execute(
            "SELECT joint, title, state FROM joint WHERE ? IS NULL OR joint IN "
            "(SELECT joint FROM members WHERE company = ?) ORDER BY made, joint",
            (caller.company, caller.company),
        ).fetchall()
        companies = connection.execute("SELECT count(*) FROM companies").fetchone()[0]
    return page(
        request, "home.html.j2", head=newest, lines=count, joints=[dict(row) for row in joints], companies=companies
    )
