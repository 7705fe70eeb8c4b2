"""The one function that decides access. Every route declares its rule; what is not declared is not served.

A rule names roles and what kind of object stands in the address. An object that is not the caller's is not found (404),
exactly as if it did not exist; a role that may never use a route is refused (403) before any object is looked up.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, FastAPI, Form, HTTPException, Request, Response
from fastapi.routing import APIRoute

from teikei.web import accounts
from teikei.web.accounts import BUYER, CLEAN_TEAM, COUNSEL, OPERATOR, PLANNER, Caller
from teikei.web.database import ROOM, Store

SESSION_COOKIE: Final = "teikei_session"
FORM_COOKIE: Final = "teikei_form"
DEVICE_COOKIE: Final = "teikei_device"  # a browser in which somebody has signed in before
EVERYONE: Final = (OPERATOR, CLEAN_TEAM, PLANNER, BUYER, COUNSEL)
WORKERS: Final = (OPERATOR, PLANNER, BUYER)  # whoever works with studies; counsel and clean team look and approve


@dataclass(frozen=True, slots=True)
class Rule:
    """Who may call a route. roles empty: anybody, signed in or not. owner: what the address must belong to."""

    roles: tuple[str, ...]
    owner: str = "none"  # none | workspace (study, job: the caller's own) | member (joint: the caller takes part)


class SignInNeeded(Exception):
    """Nobody is signed in."""


def cookie_name(request: Request, name: str) -> str:
    """A cookie's name; behind TLS one that a browser takes from this very host only, and for it alone."""
    return f"__Host-{name}" if request.url.scheme == "https" else name


def set_cookie(request: Request, answer: Response, name: str, value: str, seconds: int | None = None) -> None:
    """A cookie out of reach of scripts and of other sites."""
    secure = request.url.scheme == "https"
    answer.set_cookie(
        cookie_name(request, name), value, max_age=seconds, httponly=True, samesite="strict", secure=secure
    )


def drop_cookie(request: Request, answer: Response, name: str) -> None:
    """Takes a cookie back."""
    secure = request.url.scheme == "https"
    answer.delete_cookie(cookie_name(request, name), httponly=True, samesite="strict", secure=secure)


def workspace_of(caller: Caller) -> str:
    """The workspace a caller works in: the company's, or the operator's room."""
    return caller.company if caller.company is not None else ROOM


def route(router: APIRouter, method: str, path: str, rule: Rule) -> Callable[[Any], Any]:
    """Registers a route together with its rule: there is no other way to add one."""
    enforce = _enforcer(rule, changes=method != "GET")
    return router.api_route(
        path,
        methods=[method],
        dependencies=[Depends(enforce)],
        openapi_extra={"x-access": {"roles": list(rule.roles), "owner": rule.owner}},
        response_model=None,
    )


def rule_of(found: Any) -> Rule | None:
    """The declared rule of a registered route."""
    declared = (getattr(found, "openapi_extra", None) or {}).get("x-access")
    return None if declared is None else Rule(tuple(declared["roles"]), declared["owner"])


def all_routes(app: FastAPI) -> list[Any]:
    """Every route of the server, those inside included routers as well."""
    found: list[Any] = []

    def walk(routes: Any) -> None:
        for one in routes:
            inner = getattr(one, "original_router", None) or getattr(one, "router", None)
            if inner is not None and not isinstance(one, APIRoute):
                walk(inner.routes)
            else:
                found.append(one)

    walk(app.router.routes)
    return found


def refuse_undeclared(app: FastAPI) -> None:
    """Raises at start-up for any route without a rule."""
    for found in all_routes(app):
        if not isinstance(found, APIRoute) or rule_of(found) is None:
            raise RuntimeError(f"route {getattr(found, 'path', found)} declares no access rule")


def _enforcer(rule: Rule, *, changes: bool) -> Callable[..., None]:
    if changes:

        def enforce_change(request: Request, form_key: Annotated[str, Form()] = "") -> None:
            _admit(rule, request)
            _check_form_key(request, form_key)

        return enforce_change

    def enforce_reading(request: Request) -> None:
        _admit(rule, request)

    return enforce_reading


def _admit(rule: Rule, request: Request) -> None:
    caller: Caller | None = request.state.caller
    if not rule.roles:
        return
    if caller is None:
        raise SignInNeeded
    if caller.role not in rule.roles:
        raise HTTPException(403)
    if rule.owner == "workspace":
        _must_own(request.app.state.server.store, caller, request.path_params)
    elif rule.owner == "member":
        _must_take_part(request.app.state.server.store, caller, request.path_params)


def _must_own(store: Store, caller: Caller, parameters: dict[str, Any]) -> None:
    with store.company(workspace_of(caller), write=False) as connection:
        for name, query in (
            ("study", "SELECT 1 FROM studies WHERE study=?"),
            ("job", "SELECT 1 FROM jobs WHERE job=?"),
            ("other", "SELECT 1 FROM jobs WHERE job=?"),
        ):
            if name in parameters and connection.execute(query, (parameters[name],)).fetchone() is None:
                raise HTTPException(404)
        if "version" in parameters:
            found = connection.execute(
                "SELECT 1 FROM versions WHERE study=? AND version=?",
                (parameters["study"], _whole(parameters["version"])),
            ).fetchone()
            if found is None:
                raise HTTPException(404)


def _must_take_part(store: Store, caller: Caller, parameters: dict[str, Any]) -> None:
    joint = parameters["joint"]
    with store.operator(write=False) as connection:
        if caller.company is None:
            found = connection.execute("SELECT 1 FROM joint WHERE joint=?", (joint,)).fetchone()
        else:
            found = connection.execute(
                "SELECT 1 FROM members WHERE joint=? AND company=?", (joint, caller.company)
            ).fetchone()
        if found is None:
            raise HTTPException(404)
        for name, query in (
            ("document", "SELECT 1 FROM documents WHERE document=? AND joint=?"),
            ("what_if", "SELECT 1 FROM what_ifs WHERE what_if=? AND joint=?"),
        ):
            if name in parameters and connection.execute(query, (parameters[name], joint)).fetchone() is None:
                raise HTTPException(404)


def _whole(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 9 else -1


def _check_form_key(request: Request, form_key: str) -> None:
    """A form must come from our own page: same origin, and the key that only our page knows."""
    origin = request.headers.get("origin")
    if origin is not None and origin.partition("://")[2] != request.headers.get("host", ""):
        raise HTTPException(403, "form")
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        raise HTTPException(403, "form")
    caller: Caller | None = request.state.caller
    expected = caller.form_key if caller is not None else request.cookies.get(cookie_name(request, FORM_COOKIE), "")
    if not expected or not accounts.same(expected, form_key or request.headers.get("x-form-key", "")):
        raise HTTPException(403, "form")
