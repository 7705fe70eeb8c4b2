"""Coming in: links work once, sessions expire, guessing is slowed, forms are guarded, headers are strict."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from teikei.web import accounts
from teikei.web.accounts import IDLE_SECONDS, SESSION_SECONDS
from teikei.web.app import create_app, first_link
from tests.web.people import PASSPHRASE, Clock, Person, Town, make_town


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Town:
    return make_town(tmp_path_factory.mktemp("town"))


def test_the_first_link_makes_the_operator_once_and_only_once(tmp_path: Path) -> None:
    app = create_app(tmp_path, clock=Clock())
    old, link = first_link(app), first_link(app)
    assert old is not None
    assert link is not None
    assert old != link
    visitor = Person(app, base_url="http://localhost", follow_redirects=False)
    form = {"login": "chief", "name": "Chief", "passphrase": PASSPHRASE}
    assert visitor.send_form(f"/join/{old}", form).status_code == 400  # a newer start makes the older link void
    assert visitor.send_form(f"/join/{link}", {**form, "passphrase": "short"}).status_code == 400
    assert visitor.send_form(f"/join/{link}", form).status_code == 303
    assert visitor.get("/people").status_code == 200
    assert Person(app, base_url="http://localhost").send_form(f"/join/{link}", form).status_code == 400
    assert first_link(app) is None


def test_a_link_dies_after_a_week(tmp_path: Path) -> None:
    clock = Clock()
    app = create_app(tmp_path, clock=clock)
    link = first_link(app)
    clock.now += accounts.LINK_SECONDS + 1
    assert Person(app, base_url="http://localhost").get(f"/join/{link}").status_code == 404


@pytest.mark.parametrize(
    ("step", "count"), [(IDLE_SECONDS + 1, 1), (IDLE_SECONDS - 60, SESSION_SECONDS // (IDLE_SECONDS - 60) + 1)]
)
def test_sessions_end_when_idle_and_in_any_case_after_half_a_day(tmp_path: Path, step: float, count: float) -> None:
    town = make_town(tmp_path)
    person = town["planner@aoba"]
    for _ in range(int(count) - 1):
        town.clock.now += step
        assert person.get("/home").status_code == 200
    town.clock.now += step
    assert person.get("/home").headers["location"] == "/sign-in"


def test_unknown_name_and_wrong_passphrase_get_the_same_bytes(town: Town) -> None:
    visitor = town.visitor()
    key = visitor.form_key()
    answers = [
        visitor.post("/sign-in", data={"form_key": key, "login": login, "passphrase": "not the passphrase"})
        for login in ("planner@aoba", "nobody")
    ]
    assert answers[0].status_code == answers[1].status_code == 401
    assert answers[0].content == answers[1].content


def test_signing_out_and_switching_off_end_sessions_on_the_server(tmp_path: Path) -> None:
    town = make_town(tmp_path)
    person = town["planner@aoba"]
    stolen = dict(person.cookies)
    person.send_form("/sign-out")
    thief = town.visitor(follow_redirects=False)
    thief.cookies.update(stolen)
    assert thief.get("/home").status_code == 303
    page = town["operator@room"].get("/people").text
    user = re.search(r"<td>buyer@midori</td>.*?/people/(\w+)/off", page, re.S)
    assert user is not None
    assert town["operator@room"].send_form(f"/people/{user[1]}/off").status_code == 303
    assert town["buyer@midori"].get("/home").status_code == 303
    visitor = town.visitor(follow_redirects=False)
    assert visitor.send_form("/sign-in", {"login": "buyer@midori", "passphrase": PASSPHRASE}).status_code == 401


def test_a_form_without_the_key_or_from_another_site_changes_nothing(town: Town) -> None:
    operator = town["operator@room"]
    form = {"company": "shiro", "title": "Shiro"}
    assert operator.post("/companies", data=form).status_code == 403
    assert operator.post("/companies", data={**form, "form_key": "x"}).status_code == 403
    assert operator.post("/companies", data={**form, "form_key": town["planner@aoba"].form_key()}).status_code == 403
    for headers in ({"Origin": "http://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}):
        assert operator.send_form("/companies", form, headers=headers).status_code == 403
    assert town.visitor().post("/sign-in", data={"login": "a", "passphrase": "b"}).status_code == 403
    assert "Shiro" not in operator.get("/people").text
    assert operator.send_form("/companies", form, headers={"Origin": "http://localhost"}).status_code == 303


def test_cookies_are_out_of_reach_of_scripts_and_other_sites(town: Town) -> None:
    visitor = town.visitor(follow_redirects=False)
    answer = visitor.send_form("/sign-in", {"login": "counsel@kuro", "passphrase": PASSPHRASE})
    cookie = next(c for c in answer.headers.get_list("set-cookie") if c.startswith("teikei_session="))
    assert "HttpOnly" in cookie
    assert "samesite=strict" in cookie.casefold()
    secure = Person(town.app, base_url="https://localhost", follow_redirects=False)
    answer = secure.send_form("/sign-in", {"login": "counsel@kuro", "passphrase": PASSPHRASE})
    cookie = next(c for c in answer.headers.get_list("set-cookie") if c.startswith("__Host-teikei_session="))
    assert "Secure" in cookie
    assert "Path=/" in cookie
    assert "domain" not in cookie.casefold()
    assert secure.get("/home").status_code == 200
    assert "max-age=" in secure.get("/home").headers["strict-transport-security"]
    assert "strict-transport-security" not in visitor.get("/sign-in").headers


@pytest.mark.parametrize("address", ["/sign-in", "/home", "/nothing", "/static/style.css"])
def test_every_answer_has_strict_headers_and_loads_nothing_from_outside(town: Town, address: str) -> None:
    answer = town["planner@aoba"].get(address)
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "http:" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "same-origin"
    for link in re.findall(r'(?:src|href|action)="([^"]+)"', answer.text):
        assert link.startswith(("/", "#")), link
    assert not re.search(r"<script(?![^>]*src=)|\son\w+=|\sstyle=", answer.text)


def test_too_large_a_form_is_refused_before_it_is_read(town: Town) -> None:
    visitor = town.visitor()
    form = {"content-type": "application/x-www-form-urlencoded"}
    assert visitor.post("/sign-in", content=b"x" * 1_000_001).status_code == 413

    def pieces():  # type: ignore[no-untyped-def]
        for _ in range(20):
            yield b"x" * 100_000

    assert visitor.post("/sign-in", content=pieces(), headers=form).status_code in (400, 413)


def test_a_database_reader_finds_no_secret_that_opens_a_door(town: Town) -> None:
    person = town["planner@midori"]
    session = person.cookies["teikei_session"]
    with town.app.state.server.store.operator() as connection:
        dump = "\n".join(connection.iterdump())
    assert session not in dump
    assert PASSPHRASE not in dump
    assert "$argon2id$" in dump


@pytest.mark.parametrize("figure", ["inf", "nan", "1.9", "1e400", "-inf", "1e16", "x", "1; 2", ""])
def test_figures_that_are_none_are_refused_in_words(tmp_path: Path, figure: str) -> None:
    from teikei.errors import StudyError
    from teikei.web.list_form import Frame, list_of

    form = {"rung": "r", "smallest_interval_million": "10", "smallest_interval_units": "10", "what_ifs": figure}
    with pytest.raises(StudyError, match="number"):
        list_of(form, Frame(("r",), (), (), {}, "JPY"))


@pytest.mark.parametrize("base_url", ["http://localhost", "https://localhost"])
def test_a_fault_has_all_headers_and_leaves_no_value_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], base_url: str
) -> None:
    app = create_app(tmp_path, clock=Clock())

    def broken(*_: object) -> None:
        raise ZeroDivisionError("canary 918273645546")

    monkeypatch.setattr(app.state.templates, "get_template", broken)
    answer = Person(app, base_url=base_url).get("/sign-in")
    assert answer.status_code == 500
    for name in ("content-security-policy", "x-content-type-options", "cache-control", "referrer-policy"):
        assert answer.headers[name]
    assert ("strict-transport-security" in answer.headers) is base_url.startswith("https")
    assert "918273645546" not in answer.text
    said = capfd.readouterr()
    assert "918273645546" not in said.err + said.out
    assert "Traceback" not in said.err


def test_the_clean_team_reads_states_and_does_nothing_else(town: Town) -> None:
    person = town["clean_team@room"]
    assert person.get("/joint").status_code == 200
    for address in ("/studies", "/log", "/people", "/log/export", "/jobs/0123456789abcdef"):
        assert person.get(address).status_code == 403, address
    for address in ("/studies", "/studies/0123456789abcdef/1/run", "/jobs/0123456789abcdef/cancel"):
        assert person.send_form(address).status_code in (403, 422), address


def test_back_leads_to_the_page_of_the_form_and_to_no_other_site(town: Town) -> None:
    operator = town["operator@room"]
    for before, wanted in (
        ("http://localhost/joint?frame=a/1", "/joint?frame=a/1"),
        ("http://evil.example/joint", "/"),
        ("http://localhost//evil.example", "/"),
        ("", "/"),
    ):
        answer = operator.send_form("/companies", {"company": "X!", "title": "x"}, headers={"Referer": before})
        assert answer.status_code == 400
        assert f'<a href="{wanted}">Back</a>' in answer.text.replace("&amp;", "&"), before
