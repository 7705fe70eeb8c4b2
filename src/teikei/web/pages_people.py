"""Companies, accounts and links, for the operator; style and scripts for everybody."""

from __future__ import annotations

import gzip
from functools import cache
from importlib import resources
from typing import Annotated, Final

from fastapi import APIRouter, Form, HTTPException, Request
from fastapi.responses import HTMLResponse, Response

from teikei.web import accounts
from teikei.web.access import Rule, route
from teikei.web.accounts import OPERATOR, ROOM_ROLES
from teikei.web.pages import address_of, caller_of, page, problem, record, see, server_of

router = APIRouter()
_STATIC: Final = {
    "style.css": "text/css",
    "htmx.min.js": "text/javascript",
    "table.js": "text/javascript",
    "favicon.svg": "image/svg+xml",
}
_OF_PACKAGES: Final = {"plotly.min.js": "text/javascript", "charts.js": "text/javascript", "report.css": "text/css"}
_ANYONE: Final = Rule(())


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


@route(router, "GET", "/people", Rule((OPERATOR,)))
def people(request: Request) -> HTMLResponse:
    """Companies and accounts, for the operator."""
    return _people(request, "")


def _people(request: Request, link: str) -> HTMLResponse:
    server = server_of(request)
    with server.store.operator(write=False) as connection:
        companies = [dict(row) for row in connection.execute("SELECT * FROM companies ORDER BY company")]
        users = [
            dict(row)
            for row in connection.execute("SELECT user, login, name, role, company, active FROM users ORDER BY login")
        ]
        links = accounts.open_links(connection, server.clock())
    for user in users:
        user["login"] = user["login"].partition(accounts.SEPARATOR)[0]
    return page(request, "people.html.j2", companies=companies, users=users, link=link, links=links)


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
        by = caller_of(request).name
        link = accounts.make_link(connection, server.clock(), role, None if role in ROOM_ROLES else company, by)
        record(request, connection, "made a link", f"{role} {company if role not in ROOM_ROLES else 'room'}")
    return _people(request, f"{address_of(request)}/join/{link}")


@route(router, "POST", "/links/{link}/revoke", Rule((OPERATOR,)))
def revoke_link(request: Request, link: str) -> Response:
    """Takes back a link that nobody has used yet; ``link`` is the name that the list of links gives it."""
    with server_of(request).store.operator() as connection:
        revoked = accounts.revoke_link(connection, link)
        if revoked is not None:
            record(request, connection, "revoked a link", revoked)
    return see("/people")


@route(router, "POST", "/people/{user}/off", Rule((OPERATOR,)))
def switch_off(request: Request, user: str) -> Response:
    """Takes an account away at once."""
    if user == caller_of(request).user:
        return problem(request, 400, ["You cannot switch off your own account."], "/people")
    with server_of(request).store.operator() as connection:
        found = connection.execute("SELECT company, name, login FROM users WHERE user=?", (user,)).fetchone()
        if found is None:
            raise HTTPException(404)
        accounts.switch_off(connection, user)
        record(request, connection, "switched off an account", accounts.label(*found))
    return see("/people")
