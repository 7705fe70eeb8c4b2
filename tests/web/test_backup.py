"""A backup brings a server back, and holds nothing that the end of a joint study has to delete."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from teikei.errors import DamagedRunError, StudyError
from teikei.web import audit
from teikei.web.app import create_app
from teikei.web.backup import backup, restore
from teikei.web.database import Store
from tests.web.people import PASSPHRASE, Clock, Person, Town, make_town
from tests.web.test_ending import SECRET, commit_all
from tests.web.test_joint import files_of, start_joint
from tests.web.test_workspace import STAND_IN


def test_a_restored_server_goes_on_and_no_committed_input_was_in_the_backup(tmp_path: Path) -> None:
    town: Town = make_town(tmp_path / "data", command=STAND_IN)
    base = start_joint(town, files_of(tmp_path / "frame"))
    studies = commit_all(town, base, tmp_path)
    assert town["operator@room"].send_form(f"{base}/solve").status_code == 303
    lines = town["operator@room"].get("/log/export").text
    assert backup(tmp_path / "data", tmp_path / "room.zip") > 20
    with pytest.raises(StudyError, match="already"):
        backup(tmp_path / "data", tmp_path / "room.zip")
    with zipfile.ZipFile(tmp_path / "room.zip") as packed:
        names = packed.namelist()
        held = [name for name in names if SECRET.encode() in packed.read(name)]
    assert held
    assert all(name.startswith("company-midori/") for name in held)
    assert not [name for name in names if name.startswith(("room/joint", "room/jobs"))]
    assert restore(tmp_path / "room.zip", tmp_path / "again", Clock()) == 1
    app = create_app(tmp_path / "again", clock=Clock(), command=STAND_IN)
    with TestClient(app) as visitor:
        assert visitor.get("/health").json()["status"] == "ok"
    planner = Person(app, base_url="http://localhost", follow_redirects=False)
    planner.cookies.update(dict(town["planner@midori"].cookies))
    assert planner.get("/home").status_code == 303  # sessions are not restored
    assert planner.send_form("/sign-in", {"login": "planner@midori", "passphrase": PASSPHRASE}).status_code == 303
    assert planner.send_form(f"{base}/commit", {"version": f"{studies['midori']}/1"}).status_code == 303
    with Store(tmp_path / "again").operator(write=False) as connection:
        text = audit.export(audit.entries(connection))
    assert text.startswith(lines)
    assert "restored from a backup" in text
    with pytest.raises(StudyError, match="not empty"):
        restore(tmp_path / "room.zip", tmp_path / "again")


@pytest.mark.parametrize("name", ["../operator.db", "/operator.db", "other.txt"])
def test_what_is_no_backup_is_refused(tmp_path: Path, name: str) -> None:
    with zipfile.ZipFile(tmp_path / "bad.zip", "w") as packed:
        packed.writestr(name, "x")
    with pytest.raises(DamagedRunError):
        restore(tmp_path / "bad.zip", tmp_path / "data")
    (tmp_path / "worse.zip").write_bytes(b"PK no zip")
    with pytest.raises(DamagedRunError):
        restore(tmp_path / "worse.zip", tmp_path / "data2")
