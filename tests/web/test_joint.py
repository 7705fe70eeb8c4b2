"""A joint study from invitation to deletion, over the server: who may do what when, and what each can see."""

from __future__ import annotations

import json
import re
import secrets
from pathlib import Path
from typing import Any

import httpx
import polars as pl
import pytest

from teikei.errors import StudyError
from teikei.room.joint_study import assemble
from teikei.study import check, load
from teikei.web import solve
from tests.room.test_door import make_list
from tests.study.small import small_tables, write_small
from tests.web.people import Town, make_town
from tests.web.test_workspace import STAND_IN, upload

MEMBERS = {"aoba": ("Aoba",), "midori": ("Midori",)}
LIST = make_list(
    items=[
        {"kind": "specification", "classes": ["e-axle"]},
        {"kind": "saving_band", "edges": [0, 5000, 10000, 20000]},
        {"kind": "saving_at_least", "threshold": 5000},
    ],
    what_ifs=2,
)


def files_of(folder: Path, masses: dict[str, str] | None = None) -> dict[str, bytes]:
    tables = small_tables()
    header = tables["programmes"][0]
    for row in tables["programmes"][1:]:
        row[header.index("body_mass_kg")] = (masses or {}).get(row[0], row[header.index("body_mass_kg")])
    write_small(folder, tables)
    return {f"study/{file.name}": file.read_bytes() for file in sorted(folder.iterdir())}


def start_joint(town: Town, files: dict[str, bytes]) -> str:
    frame = upload(town, "operator@room", files, title="Frame")
    form = {"title": "Axle", "frame": f"{frame}/1", "release_list": LIST.model_dump_json(), "markets": "JP"}
    answer = town["operator@room"].send_form("/joint", form)
    assert answer.status_code == 303, answer.text
    return answer.headers["location"]


def to_release(town: Town, base: str, files: dict[str, dict[str, bytes]]) -> dict[str, str]:
    studies = {}
    for company in MEMBERS:
        who = town[f"planner@{company}"]
        studies[company] = upload(town, f"planner@{company}", files[company])
        assert who.send_form(f"{base}/sign", {"revision": "1"}).status_code == 303
    for company in MEMBERS:
        who = town[f"planner@{company}"]
        assert who.send_form(f"{base}/commit", {"version": f"{studies[company]}/1"}).status_code == 303
    assert town["operator@room"].send_form(f"{base}/solve").status_code == 303
    town.app.state.server.jobs.drain()
    answer = town["operator@room"].send_form(f"{base}/release")
    assert answer.status_code == 303, answer.text
    return studies


@pytest.fixture
def town(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Town:
    monkeypatch.setenv("STAND_IN", "joint")
    monkeypatch.setenv("PYTHONPATH", f"{Path(__file__).parents[2]}:{Path(__file__).parents[2] / 'src'}")
    return make_town(tmp_path / "data", command=STAND_IN)


def test_from_invitation_to_deletion(town: Town, tmp_path: Path) -> None:
    files = files_of(tmp_path / "small")
    base = start_joint(town, files)
    aoba, midori, operator = town["planner@aoba"], town["planner@midori"], town["operator@room"]
    assert town["planner@kuro"].get(base).status_code == 404
    studies = to_release(town, base, {"aoba": files, "midori": files})
    held = load(next(town.app.state.server.store.folder.glob("room/joint/*/inputs/0/midori/study")))["volumes"]
    own = held.filter(pl.col("company") == "Midori")["units"]
    assert own.mean() == pytest.approx(25_000)  # the room never holds the 23,333 a year: only the middle of their cell
    assert not {20_000.0, 25_000.0} & set(own.to_list())
    for who in (aoba, midori, town["counsel@aoba"], town["buyer@midori"]):
        text = who.get(base).text
        assert "Peak power at nominal voltage" in text
        assert re.search(r"Joint saving</td><td>powertrain</td><td>[\d,]+", text)
    asked = aoba.send_form(f"{base}/what-if", {"version": f"{studies['aoba']}/1", "purpose": "other mass"})
    assert asked.status_code == 303, asked.text
    what_if = re.search(r"what-if/(\w+)/approve", midori.get(base).text)
    assert what_if is not None
    approve = f"{base}/what-if/{what_if[1]}/approve"
    assert aoba.send_form(approve).status_code == 400  # never one's own
    assert operator.send_form(approve).status_code == 303
    assert operator.send_form(approve).status_code == 303  # twice the same person counts once
    assert "1 of 2 approvals" in midori.get(base).text
    assert midori.send_form(approve).status_code == 303
    town.app.state.server.jobs.drain()
    assert operator.send_form(f"{base}/what-if/{what_if[1]}/release").status_code == 303
    assert "What-if run 1" in aoba.get(base).text
    assert "What-if run 1" not in midori.get(base).text
    store = town.app.state.server.store
    assert list(store.folder.glob("room/joint/*/inputs/0/midori/*"))
    assert operator.send_form(f"{base}/close").status_code == 303
    assert not list(store.folder.glob("room/joint/*"))
    assert not [path for path in store.folder.glob("room/jobs/*") if path.is_dir()]
    assert "commitments" in midori.get(base).text
    assert "Peak power at nominal voltage" in midori.get(base).text  # what was released stays


def test_steps_out_of_order_are_refused_in_words(town: Town, tmp_path: Path) -> None:
    files = files_of(tmp_path / "small")
    base = start_joint(town, files)
    study = upload(town, "planner@aoba", files)
    aoba, operator = town["planner@aoba"], town["operator@room"]
    version = {"version": f"{study}/1"}
    assert aoba.send_form(f"{base}/commit", version).status_code == 400
    assert operator.send_form(f"{base}/solve").status_code == 400
    assert operator.send_form(f"{base}/release").status_code == 400
    assert aoba.send_form(f"{base}/what-if", {**version, "purpose": "x"}).status_code == 400
    assert aoba.send_form(f"{base}/sign", {"revision": "1"}).status_code == 303
    changed = LIST.model_copy(update={"what_ifs": 0}).model_dump_json()
    assert town["planner@midori"].send_form(f"{base}/list", {"release_list": changed}).status_code == 303
    assert "revision 1," not in aoba.get(base).text  # the change voids the signature
    assert aoba.send_form(f"{base}/sign", {"revision": "1"}).status_code == 400  # not the one that was read
    for who in ("planner@aoba", "planner@midori"):
        assert town[who].send_form(f"{base}/sign", {"revision": "2"}).status_code == 303
    assert aoba.send_form(f"{base}/commit", {"version": "foreign/1"}).status_code == 400
    assert aoba.send_form(f"{base}/commit", version).status_code == 303
    assert aoba.send_form(f"{base}/commit", version).status_code == 400
    assert operator.send_form(f"{base}/list", {"release_list": changed}).status_code == 400


def test_the_what_ifs_are_counted(town: Town, tmp_path: Path) -> None:
    files = files_of(tmp_path / "small")
    base = start_joint(town, files)
    studies = to_release(town, base, {"aoba": files, "midori": files})
    form = {"version": f"{studies['aoba']}/1", "purpose": "x"}
    statuses = [town["planner@aoba"].send_form(f"{base}/what-if", form).status_code for _ in range(3)]
    assert statuses == [303, 303, 400]


def test_an_approved_what_if_that_does_not_start_says_so_to_all_and_why_to_the_operator_alone(
    town: Town, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = files_of(tmp_path / "small")
    base = start_joint(town, files)
    studies = to_release(town, base, {"aoba": files, "midori": files})
    aoba, midori, operator = town["planner@aoba"], town["planner@midori"], town["operator@room"]
    aoba.send_form(f"{base}/what-if", {"version": f"{studies['aoba']}/1", "purpose": "x"})
    found = re.search(r"what-if/(\w+)/approve", midori.get(base).text)
    assert found is not None

    def fails(*_: object) -> str:
        raise StudyError("existing.csv:7:unit_price: of a rival")

    with monkeypatch.context() as broken:
        broken.setattr(solve, "start", fails)
        operator.send_form(f"{base}/what-if/{found[1]}/approve")
        assert midori.send_form(f"{base}/what-if/{found[1]}/approve").status_code == 303
        told = operator.send_form(f"{base}/what-if/{found[1]}/start")
        assert told.status_code == 400
        assert "existing.csv:7" in told.text
    for who in (aoba, midori, operator):
        text = who.get(base).text
        assert "could not be put together" in text
        assert "existing.csv:7" not in text
    assert operator.send_form(f"{base}/what-if/{found[1]}/start").status_code == 303
    assert "could not be put together" not in aoba.get(base).text


def test_a_list_signed_without_declarations_is_void_and_stays_on_record(town: Town, tmp_path: Path) -> None:
    files = files_of(tmp_path / "small")
    base = start_joint(town, files)
    aoba, operator = town["planner@aoba"], town["operator@room"]
    assert aoba.send_form(f"{base}/sign", {"revision": "1"}).status_code == 303
    bare = LIST.model_copy(update={"format": 1, "known_volumes": {}, "known_saving": None})
    with town.app.state.server.store.operator() as connection:  # as 0.1.0 kept it
        connection.execute("UPDATE joint SET release_list=?, state='signed'", (bare.model_dump_json(),))
        connection.execute("UPDATE members SET signed_revision=1")
    text = aoba.get(base).text
    assert "This list is void:" in text
    assert "declare" in text
    study = upload(town, "planner@aoba", files)
    refused = aoba.send_form(f"{base}/commit", {"version": f"{study}/1"})
    assert refused.status_code == 400
    assert "void" in refused.text
    assert operator.send_form(f"{base}/list", {"release_list": bare.model_dump_json()}).status_code == 400
    assert operator.send_form(f"{base}/list", {"release_list": LIST.model_dump_json()}).status_code == 303
    assert aoba.send_form(f"{base}/sign", {"revision": "2"}).status_code == 303


def test_nobodys_file_can_bring_rows_of_another(tmp_path: Path) -> None:
    mine = files_of(tmp_path / "one", {"P1": "900", "P2": "777"})  # aoba also writes midori's car
    theirs = files_of(tmp_path / "two", {"P1": "555", "P2": "1300"})
    assert mine
    assert theirs
    inputs = {"aoba": tmp_path / "one", "midori": tmp_path / "two"}
    joint = assemble(tmp_path / "one", inputs, LIST, tmp_path / "joint")
    assert [problem for problem in check(joint) if not problem.warning] == []
    masses = dict(load(joint)["programmes"].select("programme", "body_mass_kg").iter_rows())
    assert masses == {"P1": 900.0, "P2": 1300.0}
    whole, again = load(tmp_path / "one"), load(joint)
    levels = again["volumes"].group_by("programme").agg(pl.col("units").mean()).sort("programme")
    assert [round(units, 6) for units in levels["units"]] == [35_000, 25_000]  # 31,000 and 23,333 on cells of 10,000
    for table in set(whole.tables) - {"volumes"}:
        assert sorted(map(str, whole[table].drop("body_mass_kg", strict=False).rows())) == sorted(
            map(str, again[table].drop("body_mass_kg", strict=False).rows())
        ), table


class _Counted:
    """Random names in a fixed order, so that two servers differ in nothing but their inputs."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, size: int = 32) -> str:
        self.count += 1
        return f"{self.count:0{2 * size}x}"


def _everything(town: Town, who: str, base: str) -> list[tuple[Any, ...]]:
    """All that a person can get: pages, log, errors, with headers; hashes of secrets are blinded to their length."""
    found = []
    person = town[who]
    addresses = ["/home", "/studies", "/joint", base, "/log", "/log/export", "/nothing", f"{base}/design", "/people"]
    answers: list[httpx.Response] = [person.get(address) for address in addresses]
    answers += [person.send_form(f"{base}/{deed}") for deed in ("solve", "release", "close", "sign", "commit")]
    for answer in answers:
        text = re.sub(r"\b[0-9a-f]{64}\b", "#" * 64, answer.text)
        found.append((answer.url.path, answer.status_code, text, sorted(answer.headers.items())))
    return found


@pytest.mark.parametrize("masses", [("1150", "1160"), pytest.param(("1150", "1151.25"), marks=pytest.mark.slow)])
def test_every_byte_a_rival_gets_stays_equal_when_the_agreed_release_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, masses: tuple[str, str]
) -> None:
    monkeypatch.setenv("STAND_IN", "joint")
    monkeypatch.setenv("PYTHONPATH", f"{Path(__file__).parents[2]}:{Path(__file__).parents[2] / 'src'}")
    seen = []
    for number, mass in enumerate(masses):
        monkeypatch.setattr(secrets, "token_urlsafe", _Counted())
        monkeypatch.setattr(secrets, "token_hex", _Counted())
        town = make_town(tmp_path / f"data{number}", command=STAND_IN)
        public = files_of(tmp_path / f"public{number}")
        private = files_of(tmp_path / f"private{number}", {"P2": mass})
        base = start_joint(town, public)
        to_release(town, base, {"aoba": public, "midori": private})
        seen.append({who: _everything(town, who, base) for who in ("planner@aoba", "counsel@aoba", "planner@kuro")})
        rooms = json.dumps(_everything(town, "operator@room", base)[3][2])
        assert "Joint saving" in rooms
    assert seen[0] == seen[1]
