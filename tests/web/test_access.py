"""Every route × role × owner of the object, generated from the router. A route without a rule stops the build."""

from __future__ import annotations

import re

import pytest
from fastapi import APIRouter, FastAPI

from teikei.web.access import EVERYONE, all_routes, refuse_undeclared, rule_of
from teikei.web.pages_people import router as people_router
from tests.web.people import Person, Town
from tests.web.scene import Scene, make_scene


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    return make_scene(tmp_path_factory.mktemp("scene"))


def test_a_route_without_a_rule_stops_the_start() -> None:
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.include_router(people_router)
    refuse_undeclared(app)
    late = APIRouter()
    late.get("/open")(lambda: "everything")
    app.include_router(late)
    with pytest.raises(RuntimeError, match="/open"):
        refuse_undeclared(app)


def test_every_parameter_in_an_address_is_known_to_the_rules(scene: Scene) -> None:
    for found in all_routes(scene.town.app):
        names = set(re.findall(r"{(\w+)}", found.path))
        rule = rule_of(found)
        assert rule is not None
        assert names <= {"name", "link", "user"} | set(scene.own), found.path
        if names & {"study", "job", "version", "other"}:
            assert rule.owner == "workspace", found.path
        if names & {"joint", "document", "what_if"}:
            assert rule.owner == "member", found.path


_VISITORS: dict[tuple[Town, str | None], tuple[Person, str]] = {}


def _call(town: Town, who: str | None, method: str, address: str) -> tuple[int, str]:
    if (town, who) not in _VISITORS:
        visitor = town.visitor(follow_redirects=False)
        if who is not None:
            visitor.cookies.update(dict(town[who].cookies))
        _VISITORS[town, who] = (visitor, visitor.form_key())
    visitor, key = _VISITORS[town, who]
    answer = visitor.request(method, address, data={"form_key": key} if method == "POST" else None)
    return answer.status_code, answer.headers.get("location", "")


def test_nobody_reaches_what_the_rule_does_not_give(scene: Scene) -> None:
    """Own objects are let in; a role outside the rule is 403; objects of others and of nobody are the same 404."""
    checked = 0
    for found in all_routes(scene.town.app):
        rule = rule_of(found)
        assert rule is not None
        if not rule.roles or found.path == "/sign-out":
            continue
        for method in found.methods:
            for who in scene.town.people:
                role, _, company = who.partition("@")
                for owner, parameters in scene.objects(found.path).items():
                    address = re.sub(r"{(\w+)}", lambda m, p=parameters: str(p[m[1]]), found.path)
                    status, location = _call(scene.town, who, method, address)
                    case = f"{who} {method} {address} ({owner}): {status} {location}"
                    checked += 1
                    if role not in rule.roles:
                        assert status == 403, case
                    elif not scene.may_see(rule.owner, company, owner):
                        assert status == 404, case
                    else:
                        assert status not in (401, 403, 404), case
                        assert status < 500, case
                        assert location != "/sign-in", case
    assert checked > 400


def test_nobody_is_let_in_without_signing_in(scene: Scene) -> None:
    for found in all_routes(scene.town.app):
        rule = rule_of(found)
        assert rule is not None
        for method in found.methods:
            for parameters in scene.objects(found.path).values():
                address = re.sub(r"{(\w+)}", lambda m, p=parameters: str(p[m[1]]), found.path)
                status, location = _call(scene.town, None, method, address)
                if rule.roles:
                    assert (status, location) == (303, "/sign-in"), address


def test_rules_name_only_known_roles_and_counsel_changes_nothing_but_its_own_word(scene: Scene) -> None:
    for found in all_routes(scene.town.app):
        rule = rule_of(found)
        assert rule is not None
        assert set(rule.roles) <= set(EVERYONE)
        own = found.path.startswith("/account/") or found.path.endswith("/review")
        if "POST" in found.methods and found.path != "/sign-out" and not own:
            assert "counsel" not in rule.roles, found.path
