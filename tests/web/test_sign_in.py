"""Guessing is slowed, and nobody is locked out: no name, no address, not by a stranger and not by a neighbour."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest

from teikei.errors import StudyError
from teikei.web import accounts, sign_in
from teikei.web.passphrases import is_weak, refuse_weak
from teikei.web.sign_in import FREE_FAILURES, LONGEST_WAIT_SECONDS, Gate, TooManyAttemptsError, wait_of
from tests.web.people import PASSPHRASE, Person, Town, make_town


@pytest.fixture
def town(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Town:
    made = make_town(tmp_path / "data")
    waits: list[float] = []

    async def note(seconds: float) -> None:
        waits.append(seconds)

    made.app.state.server.gate.sleep = note
    made.app.state.waits = waits
    return made


def attempt(person: Person, login: str, passphrase: str = "not the passphrase") -> int:
    return person.send_form("/sign-in", {"login": login, "passphrase": passphrase}).status_code


def test_the_right_passphrase_passes_after_any_number_of_wrong_ones(town: Town) -> None:
    stranger = town.visitor(follow_redirects=False)
    statuses = [attempt(stranger, "operator@room") for _ in range(12)]
    assert statuses == [401] * FREE_FAILURES + [429] * (12 - FREE_FAILURES)
    assert attempt(town.visitor(follow_redirects=False), "operator@room", PASSPHRASE) == 303


def test_waits_double_up_to_five_seconds_and_a_success_ends_them(town: Town) -> None:
    stranger = town.visitor(follow_redirects=False)
    for _ in range(FREE_FAILURES + 8):
        attempt(stranger, "buyer@kuro")
    assert town.app.state.waits == [0.25, 0.5, 1.0, 2.0, 4.0, 5.0, 5.0, 5.0]
    assert wait_of(10_000) == LONGEST_WAIT_SECONDS
    town.app.state.waits.clear()
    assert attempt(stranger, "buyer@kuro", PASSPHRASE) == 303
    assert town.app.state.waits == [5.0]
    stranger.send_form("/sign-out")
    town.app.state.waits.clear()
    assert attempt(stranger, "buyer@kuro", PASSPHRASE) == 303
    assert town.app.state.waits == []


def test_an_address_from_which_all_names_are_tried_still_lets_the_right_ones_in(town: Town) -> None:
    stranger = town.visitor(follow_redirects=False)
    for number in range(3):
        for who in town.people:
            attempt(stranger, who if number else f"{who}x")
    for who in ("planner@aoba", "operator@room"):
        assert attempt(town.visitor(follow_redirects=False), who, PASSPHRASE) == 303


def test_a_browser_that_is_known_is_not_slowed_by_its_neighbours(town: Town) -> None:
    known = town["planner@aoba"]
    known.send_form("/sign-out")
    stranger = town.visitor(follow_redirects=False)
    for _ in range(15):
        attempt(stranger, "planner@aoba")
    town.app.state.waits.clear()
    assert attempt(known, "planner@aoba", PASSPHRASE) == 303
    assert town.app.state.waits == []


def test_unknown_names_are_answered_like_known_ones_also_when_slowed(town: Town) -> None:
    stranger = town.visitor(follow_redirects=False)
    known = [attempt(stranger, "counsel@midori") for _ in range(8)]
    assert [attempt(stranger, "nobody") for _ in range(8)] == known


def test_one_verification_at_a_time_by_name_and_by_address(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    gate: Gate = town.app.state.server.gate
    at_work, most = 0, 0

    async def slow(_function: object, *arguments: object) -> object:
        nonlocal at_work, most
        if _function is not accounts.matches:
            return _function(*arguments)  # type: ignore[operator]
        at_work += 1
        most = max(most, at_work)
        await asyncio.sleep(0.02)
        at_work -= 1
        return False

    monkeypatch.setattr(sign_in, "run_in_threadpool", slow)

    async def side_by_side(pairs: list[tuple[str, str]]) -> list[object]:
        tries = [gate.check(name, "wrong", address) for name, address in pairs]
        return list(await asyncio.gather(*tries, return_exceptions=True))

    asyncio.run(side_by_side([("planner@aoba", f"10.0.0.{n}") for n in range(5)]))
    assert most == 1
    most = 0
    asyncio.run(side_by_side([(who, "10.0.1.1") for who in list(town.people)[:5]]))
    assert most == 1
    answers = asyncio.run(side_by_side([("buyer@aoba", "10.0.2.1")] * 7))
    assert sum(isinstance(one, TooManyAttemptsError) for one in answers) >= 3  # no queue without an end
    assert gate._lanes == {}


@pytest.mark.parametrize("trusted", [False, True])
def test_a_forwarded_address_is_believed_from_a_trusted_proxy_only(tmp_path: Path, trusted: bool) -> None:
    town = make_town(tmp_path / "data", trusted_proxies=("testclient", "10.9.9.9") if trusted else ())
    visitor = town.visitor(follow_redirects=False)
    forwarded = {"X-Forwarded-For": "198.51.100.7, 203.0.113.5, 10.9.9.9", "X-Forwarded-Proto": "https"}
    form = {"login": "buyer@kuro", "passphrase": PASSPHRASE}
    answer = visitor.send_form("/sign-in", form, headers={**forwarded, "Origin": "http://localhost"})
    lines = town["operator@room"].get("/log/export").text
    if trusted:
        assert answer.status_code == 403  # the form's cookie was set without TLS: another name now
        key = visitor.get("/sign-in", headers=forwarded)
        assert "__Host-teikei_form" in key.headers["set-cookie"]
        assert "strict-transport-security" in key.headers
        assert "from 203.0.113.5" in lines
    else:
        assert answer.status_code == 303
        assert "203.0.113.5" not in lines
        assert "198.51.100.7" not in lines
        assert "strict-transport-security" not in answer.headers


def test_links_do_not_repeat_what_a_request_calls_the_server(tmp_path: Path) -> None:
    town = make_town(tmp_path / "data", address="https://room.example/")
    operator = town["operator@room"]
    form = {"role": "planner", "company": "aoba", "form_key": operator.form_key()}
    page = operator.post("/links", data=form, headers={"Host": "evil.example"}).text
    assert "https://room.example/join/" in page
    assert "evil.example" not in page
    assert operator.get("/people/", headers={"Host": "evil.example"}).headers.get("location") is None


def test_a_link_is_listed_revoked_and_then_works_no_longer(tmp_path: Path) -> None:
    town = make_town(tmp_path / "data")
    operator = town["operator@room"]
    page = operator.send_form("/links", {"role": "buyer", "company": "kuro"}).text
    link = re.search(r"/join/[\w-]+", page)
    assert link is not None
    assert town.visitor().get(link[0]).status_code == 200
    before = re.findall(r"/links/(\w+)/revoke", operator.get("/people").text)
    listed = accounts.digest(link[0].removeprefix("/join/"))[:16]
    assert listed in before
    assert link[0].removeprefix("/join/") not in operator.get("/people").text
    operator.send_form(f"/links/{listed}/revoke")
    assert town.visitor().get(link[0]).status_code == 404
    assert sorted([listed, *re.findall(r"/links/(\w+)/revoke", operator.get("/people").text)]) == sorted(before)


def test_the_name_of_somebody_who_left_can_be_used_again(tmp_path: Path) -> None:
    town = make_town(tmp_path / "data")
    page = town["operator@room"].get("/people").text
    user = re.search(r"<td>buyer@midori</td>.*?/people/(\w+)/off", page, re.S)
    assert user is not None
    town["operator@room"].send_form(f"/people/{user[1]}/off")
    town["operator@room"].send_form(f"/people/{user[1]}/off")  # twice is once
    town.join("buyer", "midori")
    assert town["buyer@midori"].get("/home").status_code == 200


KNOWN = ("planner@aoba", "Taro Planner", "aoba", "Aoba Motor", "planner", "operator")
WEAK = (
    "password1234", "P@ssw0rd2026!", "aaaaaaaaaaaa", "operator0000", "123456789012", "qwertyuiop12", "1q2w3e4r5t6y",
    "1qaz2wsx3edc", "iloveyou1234", "abcdefghijkl", "aoba-planner-1", "teikei2026!!", "Nissan-Honda-2027",
    "Taro.Aoba.99!", "passwordpassword", "さくらさくらさくら",
)  # fmt: skip


@pytest.mark.parametrize("passphrase", WEAK)
def test_what_guessers_try_first_is_refused(passphrase: str) -> None:
    with pytest.raises(StudyError):
        refuse_weak(passphrase, KNOWN)


@pytest.mark.parametrize(
    "passphrase", [PASSPHRASE, "kettle under the stairs", "blue canoe 41 walnut", "雨の日は本を読む十二文字"]
)
def test_a_sentence_is_taken(passphrase: str) -> None:
    assert not is_weak(passphrase, KNOWN)
