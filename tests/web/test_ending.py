"""Ended means gone: whatever was tried before the end, nothing of a member's inputs stays outside its own workspace."""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
import threading
import time
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from teikei.errors import StudyError
from teikei.web import ending
from teikei.web.app import create_app
from teikei.web.database import ROOM
from teikei.web.jobs import Jobs
from tests.web.people import Town, make_town
from tests.web.test_joint import MEMBERS, files_of, start_joint, to_release
from tests.web.test_workspace import STAND_IN, upload

SECRET = "1151.3719"  # a mass that nobody else has, written into Midori's inputs
NOTE = "canary of midori 918273645546"


@pytest.fixture
def town(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Town:
    monkeypatch.setenv("STAND_IN", "joint")
    monkeypatch.setenv("PYTHONPATH", f"{Path(__file__).parents[2]}:{Path(__file__).parents[2] / 'src'}")
    return make_town(tmp_path / "data", command=STAND_IN)


def secret_files(folder: Path) -> dict[str, bytes]:
    files = files_of(folder, {"P2": SECRET})
    assert SECRET in files["study/programmes.csv"].decode()
    return {**files, "study/note.md": NOTE.encode()}


def found_outside(town: Town, company: str = "midori") -> list[Path]:
    """Files outside a company's own workspace that hold its secret, databases and what SQLite keeps beside them too."""
    folder = town.app.state.server.store.folder
    own = folder / f"company-{company}"
    return [
        path
        for path in folder.rglob("*")
        if path.is_file()
        and own not in path.parents
        and any(one.encode() in path.read_bytes() for one in (SECRET, NOTE))
    ]


def commit_all(town: Town, base: str, tmp_path: Path) -> dict[str, str]:
    files = {"aoba": files_of(tmp_path / "aoba"), "midori": secret_files(tmp_path / "midori")}
    studies = {}
    for company in MEMBERS:
        studies[company] = upload(town, f"planner@{company}", files[company])
        assert town[f"planner@{company}"].send_form(f"{base}/sign", {"revision": "1"}).status_code == 303
    for company in MEMBERS:
        form = {"version": f"{studies[company]}/1"}
        assert town[f"planner@{company}"].send_form(f"{base}/commit", form).status_code == 303
    assert found_outside(town)
    return studies


def test_solve_cancel_solve_and_a_double_click_leave_nothing_behind(town: Town, tmp_path: Path) -> None:
    base = start_joint(town, files_of(tmp_path / "frame"))
    commit_all(town, base, tmp_path)
    operator, server = town["operator@room"], town.app.state.server
    jobs = []
    for _ in range(3):
        assert operator.send_form(f"{base}/solve").status_code == 303
        assert operator.send_form(f"{base}/solve").status_code == 400  # the second click starts nothing
        job = re.search(r"/jobs/(\w+)", operator.get(base).text)
        assert job is not None
        jobs.append(job[1])
        operator.send_form(f"/jobs/{job[1]}/cancel")
    assert operator.send_form(f"{base}/solve").status_code == 303
    server.jobs.drain()
    assert len(list((server.store.folder / "room" / "jobs").iterdir())) == 4
    with server.store.company(ROOM) as connection:  # messages of a run may name a member's cells
        said = f"programmes.csv:3: {SECRET} is odd " * 400
        connection.execute("UPDATE jobs SET message=? WHERE job=?", (said, jobs[0]))
    assert operator.send_form(f"{base}/close").status_code == 303
    assert found_outside(town) == []
    for job in jobs:
        assert operator.get(f"/jobs/{job}").status_code == 404
    record = re.search(r"<code>({&#34;files.*?)</code>", operator.get(base).text)
    assert record is not None
    assert json.loads(record[1].replace("&#34;", '"'))["files"] > 4
    assert operator.send_form(f"{base}/close").status_code == 400


def test_ended_while_a_what_if_is_at_work_and_another_waits(
    town: Town, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = start_joint(town, files_of(tmp_path / "frame"))
    files = {"aoba": files_of(tmp_path / "aoba"), "midori": secret_files(tmp_path / "midori")}
    studies = to_release(town, base, files)
    monkeypatch.setenv("STAND_IN", "slow")
    operator, server = town["operator@room"], town.app.state.server
    for number in range(2):
        form = {"version": f"{studies['aoba']}/1", "purpose": f"heavier body {number}"}
        assert town["planner@aoba"].send_form(f"{base}/what-if", form).status_code == 303
    for what_if in re.findall(r"what-if/(\w+)/approve", town["planner@midori"].get(base).text):
        for who in ("operator@room", "planner@midori"):
            assert town[who].send_form(f"{base}/what-if/{what_if}/approve").status_code == 303
    with TestClient(town.app):
        for _ in range(100):
            if "Planning" in "".join(p.read_text() for p in server.store.folder.glob("room/jobs/*/progress.jsonl")):
                break
            time.sleep(0.05)
        begun = time.monotonic()
        assert operator.send_form(f"{base}/close").status_code == 303
        assert time.monotonic() - begun < 25  # the process is stopped, not waited for to the end of its work
        assert found_outside(town) == []
        time.sleep(0.5)
        assert found_outside(town) == []
        assert town["planner@aoba"].send_form(f"{base}/what-if", form).status_code == 400
        mine = upload(town, "planner@aoba", files["aoba"])  # and the queue serves on
        monkeypatch.setenv("STAND_IN", "good")
        where = town["planner@aoba"].send_form(f"/studies/{mine}/1/run").headers["location"]
        for _ in range(200):
            if 'state good">done' in town["planner@aoba"].get(where).text:
                break
            time.sleep(0.1)
        assert 'state good">done' in town["planner@aoba"].get(where).text


def test_what_was_not_deleted_keeps_the_study_closing_and_the_next_start_ends_it(
    town: Town, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = start_joint(town, files_of(tmp_path / "frame"))
    commit_all(town, base, tmp_path)
    operator, store = town["operator@room"], town.app.state.server.store
    whole = shutil.rmtree
    monkeypatch.setattr(ending.shutil, "rmtree", lambda *_, **__: None)
    answer = operator.send_form(f"{base}/close")
    assert answer.status_code == 400
    assert "could not be deleted" in answer.text
    assert "closing" in operator.get(base).text
    assert "Deleted" not in operator.get(base).text  # no record before it is true
    monkeypatch.setattr(ending.shutil, "rmtree", whole)
    ending.finish_endings(town.app.state.server)
    assert found_outside(town) == []
    assert "commitments" in operator.get(base).text
    left = store.folder / "room" / "joint" / base.rpartition("/")[2] / "inputs"  # as of a server that ended half-way
    left.mkdir(parents=True)
    (left / "note.md").write_text(NOTE, "utf-8")
    with TestClient(create_app(store.folder, command=STAND_IN)):
        assert found_outside(town) == []
    assert "deleted what was left" in operator.get("/log").text


def test_a_database_in_use_is_said_and_no_record_is_written(
    town: Town, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = start_joint(town, files_of(tmp_path / "frame"))
    commit_all(town, base, tmp_path)
    monkeypatch.setattr(
        type(town.app.state.server.store),
        "clean_files",
        lambda *_: (_ for _ in ()).throw(sqlite3.OperationalError("locked")),
    )
    answer = town["operator@room"].send_form(f"{base}/close")
    assert answer.status_code == 400
    assert "in use" in answer.text
    assert "Deleted" not in town["operator@room"].get(base).text


def test_two_solves_at_the_same_moment_make_one_job(town: Town, tmp_path: Path) -> None:
    base = start_joint(town, files_of(tmp_path / "frame"))
    commit_all(town, base, tmp_path)
    operator = town["operator@room"]
    key, statuses = operator.form_key(), []

    def click() -> None:
        statuses.append(operator.post(f"{base}/solve", data={"form_key": key}).status_code)

    threads = [threading.Thread(target=click) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [303, 400, 400, 400]
    with town.app.state.server.store.company(ROOM, write=False) as connection:
        assert connection.execute("SELECT count(*) FROM jobs WHERE joint<>''").fetchone()[0] == 1


def test_a_job_that_does_not_stop_keeps_the_study_open(town: Town, tmp_path: Path) -> None:
    base = start_joint(town, files_of(tmp_path / "frame"))
    commit_all(town, base, tmp_path)
    jobs: Jobs = town.app.state.server.jobs
    assert town["operator@room"].send_form(f"{base}/solve").status_code == 303
    joint = base.rpartition("/")[2]
    job = jobs._take(ROOM)
    assert job is not None
    with pytest.raises(StudyError, match="does not stop"):
        jobs.end_joint(joint, 0.1)
    assert jobs._at_work[job].is_set()
