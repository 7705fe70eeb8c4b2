"""Before signing: counsel's word on each item, what a revision changed, the frame; and one's own account."""

from __future__ import annotations

import io
import re
import zipfile
from pathlib import Path

import pytest
from python_calamine import CalamineWorkbook

from tests.web.people import PASSPHRASE, Town, make_town
from tests.web.test_joint import LIST, files_of, start_joint, to_release
from tests.web.test_workspace import STAND_IN, upload


@pytest.fixture
def town(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Town:
    monkeypatch.setenv("STAND_IN", "joint")
    monkeypatch.setenv("PYTHONPATH", f"{Path(__file__).parents[2]}:{Path(__file__).parents[2] / 'src'}")
    return make_town(tmp_path / "data", command=STAND_IN)


def test_what_counsel_refuses_cannot_be_signed_until_the_list_or_the_word_changes(town: Town, tmp_path: Path) -> None:
    base = start_joint(town, files_of(tmp_path / "small"))
    counsel, planner = town["counsel@aoba"], town["planner@aoba"]
    assert (
        counsel.send_form(f"{base}/review", {"item": "2", "verdict": "refused"}).status_code == 400
    )  # without a reason
    assert counsel.send_form(f"{base}/review", {"item": "99", "verdict": "approved"}).status_code == 400
    form = {"item": "2", "verdict": "refused", "text": "bands are too narrow for us"}
    assert counsel.send_form(f"{base}/review", form).status_code == 303
    assert counsel.send_form(f"{base}/review", {"item": "1", "verdict": "approved"}).status_code == 303
    refused = planner.send_form(f"{base}/sign", {"revision": "1"})
    assert refused.status_code == 400
    assert "counsel has refused 1" in refused.text
    assert "bands are too narrow for us" in planner.get(base).text
    for who in ("planner@midori", "counsel@midori", "operator@room"):
        assert "bands are too narrow for us" not in town[who].get(base).text
        assert "bands are too narrow for us" not in town[who].get("/log/export").text
    assert planner.send_form(f"{base}/review", form).status_code == 403
    assert town["planner@midori"].send_form(f"{base}/sign", {"revision": "1"}).status_code == 303
    assert counsel.send_form(f"{base}/review", {"item": "2", "verdict": "approved"}).status_code == 303
    assert planner.send_form(f"{base}/sign", {"revision": "1"}).status_code == 303


def test_a_new_revision_shows_what_it_changed_and_asks_counsel_anew(town: Town, tmp_path: Path) -> None:
    base = start_joint(town, files_of(tmp_path / "small"))
    form = {"item": "0", "verdict": "refused", "text": "no"}
    assert town["counsel@aoba"].send_form(f"{base}/review", form).status_code == 303
    changed = LIST.model_copy(update={"what_ifs": 1}).model_dump_json()
    assert town["planner@midori"].send_form(f"{base}/list", {"release_list": changed}).status_code == 303
    text = town["planner@aoba"].get(base).text
    assert re.search(r"what ifs</th><td><del>2</del></td><td><ins>1</ins>", text)
    assert len(re.findall("<ins>", text)) == 1
    assert town["planner@aoba"].send_form(f"{base}/sign", {"revision": "2"}).status_code == 303


def test_every_member_gets_the_frame_it_signs_on_without_a_live_formula(town: Town, tmp_path: Path) -> None:
    files = files_of(tmp_path / "small")
    base = start_joint(town, files)
    for who in ("planner@aoba", "counsel@midori", "clean_team@room"):
        answer = town[who].get(f"{base}/frame")
        assert answer.status_code == 200
        book = CalamineWorkbook.from_filelike(io.BytesIO(answer.content))
        assert "programmes" in book.sheet_names
        sheets = zipfile.ZipFile(io.BytesIO(answer.content))
        assert not [n for n in sheets.namelist() if n.startswith("xl/worksheets/") and b"<f>" in sheets.read(n)]
    assert town["planner@kuro"].get(f"{base}/frame").status_code == 404


def test_a_what_if_that_is_withdrawn_or_refused_is_not_used_up(town: Town, tmp_path: Path) -> None:
    files = files_of(tmp_path / "small")
    base = start_joint(town, files)
    studies = to_release(town, base, {"aoba": files, "midori": files})
    form = {"version": f"{studies['aoba']}/1", "purpose": "x"}
    for who in ("planner@aoba", "planner@midori", "operator@room"):
        assert town["planner@aoba"].send_form(f"{base}/what-if", form).status_code == 303
        what_if = re.findall(r"what-if/(\w+)/turn-down", town["operator@room"].get(base).text)[-1]
        assert town[who].send_form(f"{base}/what-if/{what_if}/turn-down").status_code == 303
        assert town[who].send_form(f"{base}/what-if/{what_if}/turn-down").status_code == 400
        assert town["planner@midori"].send_form(f"{base}/what-if/{what_if}/approve").status_code == 400
    text = town["planner@aoba"].get(base).text
    assert "0 of 2 used" in text
    assert text.count(">withdrawn<") == 1
    assert text.count(">refused<") == 2


def test_cells_with_formulas_leave_no_file_live(town: Town, tmp_path: Path) -> None:
    files = files_of(tmp_path / "small")
    live = '=HYPERLINK("http://evil.example","x")'
    study = upload(
        town, "planner@aoba", {**files, "study/extra.csv": f'a,b\n"{live.replace(chr(34), chr(34) * 2)}",1\n'.encode()}
    )
    with zipfile.ZipFile(io.BytesIO(town["planner@aoba"].get(f"/studies/{study}/1/tables").content)) as packed:
        content = packed.read("study/extra.csv").decode()
        assert "'=HYPERLINK" in content
        untouched = [name for name in packed.namelist() if name.endswith(".csv") and "extra" not in name]
        assert all(packed.read(name) == files[name] for name in untouched)


def test_a_passphrase_is_changed_by_its_owner_and_ends_the_other_sessions(town: Town) -> None:
    here, there = town["planner@aoba"], town.visitor(follow_redirects=False)
    there.send_form("/sign-in", {"login": "planner@aoba", "passphrase": PASSPHRASE})
    assert here.get("/account").text.count("testclient") >= 2
    change = {"present": PASSPHRASE, "passphrase": "kettle under the stairs"}
    assert here.send_form("/account/passphrase", {**change, "present": "wrong"}).status_code == 400
    assert here.send_form("/account/passphrase", {**change, "passphrase": "password1234"}).status_code == 400
    assert there.get("/home").status_code == 200
    assert here.send_form("/account/passphrase", change).status_code == 303
    assert here.get("/home").status_code == 200
    assert there.get("/home").status_code == 303
    for passphrase, status in ((PASSPHRASE, 401), ("kettle under the stairs", 303)):
        form = {"login": "planner@aoba", "passphrase": passphrase}
        assert town.visitor(follow_redirects=False).send_form("/sign-in", form).status_code == status


def test_own_sessions_are_seen_and_ended_and_nobody_elses(town: Town) -> None:
    there = town.visitor(follow_redirects=False)
    there.send_form("/sign-in", {"login": "planner@aoba", "passphrase": PASSPHRASE})
    names = re.findall(r"/account/sessions/(\w+)/end", town["planner@aoba"].get("/account").text)
    assert len(names) == 1
    town["planner@midori"].send_form(f"/account/sessions/{names[0]}/end")
    assert there.get("/home").status_code == 200
    town["planner@aoba"].send_form(f"/account/sessions/{names[0]}/end")
    assert there.get("/home").status_code == 303
