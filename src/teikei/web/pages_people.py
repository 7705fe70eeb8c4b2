"""Coming in and going out, accounts and companies, the log."""

from __future__ import annotations

import gzip
from functools import cache
from importlib import resources
from typing import Annotated, Final

from fastapi import APIRouter, Form, HTTPException, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from teikei.web import accounts, audit
from teikei.web.access import EVERYONE, FORM_COOKIE, SESSION_COOKIE, Rule, route
from teikei.web.accounts import BUYER, COUNSEL, OPERATOR, PLANNER, ROOM_ROLES, TooManyAttemptsError
from teikei.web.pages import caller_of, page, problem, record, see, server_of
from teikei.web.shell import LANGUAGE_COOKIE

router = APIRouter()
_STATIC: Final = {
    "style.css": "text/css",
    "htmx.min.js": "text/javascript",
    "table.js": "text/javascript",
    "favicon.svg": "image/svg+xml",
}
_OF_PACKAGES: Final = {"plotly.min.js": "text/javascript", "charts.js": "text/javascript", "report.css": "text/css"}
_ANYONE: Final = Rule(())
_SIGNED_IN: Final = Rule(EVERYONE)


@route(router, "GET", "/static/{name}", _ANYONE)
def static(request: Request, name: str) -> Response:
    """Style and scripts: our own files, plotly.js of the plotly package and the report's style, nothing else."""
    if name in _OF_PACKAGES:
        packed = "gzip" in request.headers.get("accept-encoding", "")
        headers = {"Cache-Control": "public, max-age=86400", "Vary": "Accept-Encoding"}
        if packed:
            headers["Content-Encoding"] = "gzip"
        return Response(of_packages(name, packed=packed), media_type=_OF_PACKAGES[name], headers=headers)
    if name not in _STATIC:
        raise HTTPException(404)
    content = resources.files("teikei.web").joinpath("static", name).read_bytes()
    return Response(content, media_type=_STATIC[name], headers={"Cache-Control": "public, max-age=3600"})


@cache
def of_packages(name: str, *, packed: bool) -> bytes:
    """A file of the plotly package, or of the report: as it is, or packed with gzip."""
    if name == "plotly.min.js":
        from plotly.offline import get_plotlyjs

        content = get_plotlyjs().encode()
    else:
        templates = resources.files("teikei.report").joinpath("templates")
        content = templates.joinpath("start.js" if name == "charts.js" else name).read_bytes()
        if name == "report.css":
            content = b"@scope (.report) {\n" + content + b"}\n"
    return gzip.compress(content, 6) if packed else content


@route(router, "GET", "/", _ANYONE)
def start(request: Request) -> Response:
    """The first page: home for those signed in, else the sign-in."""
    return see("/home" if request.state.caller is not None else "/sign-in")


@route(router, "POST", "/language", _ANYONE)
def choose_language(language: Annotated[str, Form()]) -> Response:
    """Japanese or English."""
    if language not in ("ja", "en"):
        raise HTTPException(404)
    answer = see("/")
    answer.set_cookie(LANGUAGE_COOKIE, language, max_age=31_536_000, httponly=True, samesite="strict")
    return answer


@route(router, "GET", "/sign-in", _ANYONE)
def ask_to_sign_in(request: Request) -> HTMLResponse:
    """The form to sign in."""
    return page(request, "sign_in.html.j2", failed=False)


@route(router, "POST", "/sign-in", _ANYONE)
def sign_in(request: Request, login: Annotated[str, Form()], passphrase: Annotated[str, Form()]) -> Response:
    """Opens a session; a name that does not exist and a wrong passphrase get the same answer."""
    server = server_of(request)
    address = request.client.host if request.client is not None else ""
    try:
        user = accounts.check_passphrase(server.store.operator, server.clock(), login, passphrase, address)
        if user is None:
            with server.store.operator() as connection:
                audit.append(connection, server.clock(), "somebody", "failed sign-in", company="room")
    except TooManyAttemptsError as brake:
        return problem(request, 429, [str(brake)], "/sign-in")
    return _welcome(request, user) if user is not None else page(request, "sign_in.html.j2", status=401, failed=True)


def _welcome(request: Request, user: str) -> RedirectResponse:
    server = server_of(request)
    with server.store.operator() as connection:
        session = accounts.open_session(connection, server.clock(), user)
    answer = see("/home")
    secure = request.url.scheme == "https"
    answer.set_cookie(SESSION_COOKIE, session, httponly=True, samesite="strict", secure=secure)
    answer.delete_cookie(FORM_COOKIE)
    return answer


@route(router, "POST", "/sign-out", _SIGNED_IN)
def sign_out(request: Request) -> Response:
    """Ends the session on the server, not only in the browser."""
    with server_of(request).store.operator() as connection:
        accounts.close_session(connection, request.cookies.get(SESSION_COOKIE, ""))
    answer = see("/sign-in")
    answer.delete_cookie(SESSION_COOKIE)
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
        granted = accounts.find_link(connection, server.clock(), link)
        user = accounts.use_link(connection, server.clock(), link, login, name, passphrase)
        company = (granted[1] if granted is not None else None) or "room"
        audit.append(connection, server.clock(), f"{company}/{user}", "joined", company=company)
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


@route(router, "GET", "/people", Rule((OPERATOR,)))
def people(request: Request) -> HTMLResponse:
    """Companies and accounts, for the operator."""
    return _people(request, "")


def _people(request: Request, link: str) -> HTMLResponse:
    with server_of(request).store.operator(write=False) as connection:
        companies = [dict(row) for row in connection.execute("SELECT * FROM companies ORDER BY company")]
        users = [
            dict(row)
            for row in connection.execute("SELECT user, login, name, role, company, active FROM users ORDER BY login")
        ]
    return page(request, "people.html.j2", companies=companies, users=users, link=link)


@route(router, "POST", "/companies", Rule((OPERATOR,)))
def add_company(request: Request, company: Annotated[str, Form()], title: Annotated[str, Form()]) -> Response:
    """A company gets its own folder and database file."""
    server = server_of(request)
    with server.store.operator() as connection:
        accounts.add_company(connection, company, title)
        record(request, connection, "added company", company)
    with server.store.company(company):
        pass  # makes the file, so that the first visit does not
    return see("/people")


@route(router, "POST", "/links", Rule((OPERATOR,)))
def add_link(request: Request, role: Annotated[str, Form()], company: Annotated[str, Form()] = "") -> HTMLResponse:
    """A one-time link for a new account; shown once, kept as a hash only."""
    server = server_of(request)
    with server.store.operator() as connection:
        link = accounts.make_link(connection, server.clock(), role, None if role in ROOM_ROLES else company)
        record(request, connection, "made a link", f"{role} {company if role not in ROOM_ROLES else 'room'}")
    return _people(request, f"{request.base_url}join/{link}")


@route(router, "POST", "/people/{user}/off", Rule((OPERATOR,)))
def switch_off(request: Request, user: str) -> Response:
    """Takes an account away at once."""
    if user == caller_of(request).user:
        return problem(request, 400, ["You cannot switch off your own account."], "/people")
    with server_of(request).store.operator() as connection:
        if connection.execute("SELECT 1 FROM users WHERE user=?", (user,)).fetchone() is None:
            raise HTTPException(404)
        accounts.switch_off(connection, user)
        record(request, connection, "switched off an account", user)
    return see("/people")


@route(router, "GET", "/log", Rule((OPERATOR, PLANNER, BUYER, COUNSEL)))
def log(request: Request) -> HTMLResponse:
    """The newest lines of the log, and its head."""
    with server_of(request).store.operator(write=False) as connection:
        lines = audit.entries(connection, _log_reader(request))
        count, newest = audit.head(connection)
    return page(request, "log.html.j2", entries=lines[-200:][::-1], head=newest, lines=count)


@route(router, "GET", "/log/export", Rule((OPERATOR, PLANNER, BUYER, COUNSEL)))
def export_log(request: Request) -> Response:
    """The whole log as JSON lines, to be checked with ``teikei audit-verify`` anywhere."""
    with server_of(request).store.operator(write=False) as connection:
        text = audit.export(audit.entries(connection, _log_reader(request)))
    return Response(
        text, media_type="application/jsonl", headers={"Content-Disposition": 'attachment; filename="log.jsonl"'}
    )


def _log_reader(request: Request) -> str | None:
    """Companies read their own and the common lines; what belongs to the room is the operator's."""
    return caller_of(request).company
