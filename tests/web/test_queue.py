"""The queue: a fault stays with its job, no workspace waits for another, ends fall on slot boundaries."""

from __future__ import annotations

import errno
import json
import shutil
import sqlite3
import time
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from teikei.errors import StudyError
from teikei.web import jobs as jobs_module
from teikei.web import slots
from teikei.web.database import ROOM, Store
from teikei.web.jobs import ENDED, Jobs, Limits
from teikei.web.serve import only_one
from tests.study.small import write_small
from tests.web.people import Town, make_town
from tests.web.test_workspace import STAND_IN, upload

QUICK = Limits(slot_seconds=0.0)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = write_small(tmp_path_factory.mktemp("small"))
    return {f"study/{file.name}": file.read_bytes() for file in sorted(folder.iterdir())}


def run(town: Town, who: str, study: str) -> str:
    return town[who].send_form(f"/studies/{study}/1/run").headers["location"].rpartition("/")[2]


def state(town: Town, workspace: str, job: str) -> str:
    with town.app.state.server.store.company(workspace, write=False) as connection:
        return str(connection.execute("SELECT state FROM jobs WHERE job=?", (job,)).fetchone()[0])


def wait_for(town: Town, workspace: str, job: str, wanted: str, seconds: float = 60.0) -> str:
    end = time.monotonic() + seconds
    while (found := state(town, workspace, job)) != wanted and time.monotonic() < end:
        time.sleep(0.05)
    return found


def test_no_workspace_waits_for_the_run_of_another(
    tmp_path: Path, small: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    town = make_town(tmp_path / "data", command=STAND_IN, limits=QUICK)
    mine, theirs = upload(town, "planner@aoba", small), upload(town, "planner@midori", small)
    monkeypatch.setenv("STAND_IN", "slow")
    with TestClient(town.app):
        long = [run(town, "planner@midori", theirs) for _ in range(3)]
        assert wait_for(town, "midori", long[0], "running") == "running"
        monkeypatch.setenv("STAND_IN", "good")
        probe = run(town, "planner@aoba", mine)
        assert wait_for(town, "aoba", probe, "done") == "done"
        assert [state(town, "midori", job) for job in long] == ["running", "queued", "queued"]
        assert "after 1 of your own runs" in town["planner@midori"].get(f"/jobs/{long[1]}").text
        for job in long:
            town["planner@midori"].send_form(f"/jobs/{job}/cancel")


@pytest.mark.parametrize("fault", ["folder gone", "disk full", "database locked", "anything"])
def test_a_fault_fails_its_job_with_a_reason_and_the_others_go_on(
    tmp_path: Path, small: dict[str, bytes], monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    town = make_town(tmp_path / "data", command=STAND_IN, limits=QUICK)
    jobs: Jobs = town.app.state.server.jobs
    mine, theirs = upload(town, "planner@aoba", small), upload(town, "planner@midori", small)
    bad, after, other = (
        run(town, "planner@aoba", mine),
        run(town, "planner@aoba", mine),
        run(town, "planner@midori", theirs),
    )
    if fault == "folder gone":
        shutil.rmtree(jobs.folder("aoba", bad))
    else:
        errors = {
            "disk full": OSError(errno.ENOSPC, "No space left on device"),
            "database locked": sqlite3.OperationalError("database is locked"),
            "anything": RuntimeError(f"value {bad}"),
        }
        whole = jobs._run

        def broken(workspace: str, job: str, *rest: Any) -> Any:
            if job == bad:
                raise errors[fault]
            return whole(workspace, job, *rest)

        monkeypatch.setattr(jobs, "_run", broken)
    with TestClient(town.app):
        assert wait_for(town, "aoba", bad, "failed") == "failed"
        assert wait_for(town, "aoba", after, "done") == "done"
        assert wait_for(town, "midori", other, "done") == "done"
    said = {
        "folder gone": "no longer there",
        "disk full": "disk is full",
        "database locked": "in use",
        "anything": "RuntimeError",
    }
    text = town["planner@aoba"].get(f"/jobs/{bad}").text
    assert said[fault] in text
    assert f"value {bad}" not in text


def test_a_workspace_whose_database_fails_is_told_served_again_and_stops_nobody(
    tmp_path: Path, small: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    town = make_town(tmp_path / "data", command=STAND_IN, limits=QUICK)
    mine, theirs = upload(town, "planner@aoba", small), upload(town, "planner@midori", small)
    stuck, other = run(town, "planner@aoba", mine), run(town, "planner@midori", theirs)
    whole = jobs_module.Jobs._take
    broken = True

    def take(self: Jobs, workspace: str) -> str | None:
        if broken and workspace == "aoba":
            raise sqlite3.OperationalError("database or disk is full")
        return whole(self, workspace)

    monkeypatch.setattr(jobs_module.Jobs, "_take", take)
    with TestClient(town.app) as visitor:
        assert wait_for(town, "midori", other, "done") == "done"
        assert state(town, "aoba", stuck) == "queued"
        health = visitor.get("/health")
        assert health.status_code == 503
        assert health.json() == {"status": "disturbed", "queue": "disturbed", "log": "whole"}
        assert "Runs are not served" in town["planner@midori"].get("/home").text
        broken = False
        assert wait_for(town, "aoba", stuck, "done") == "done"
        assert visitor.get("/health").json()["status"] == "ok"
        assert "Runs are not served" not in town["planner@midori"].get("/home").text


def test_an_end_is_shown_at_a_boundary_of_the_slot_and_survives_a_stop_before_it(
    tmp_path: Path, small: dict[str, bytes]
) -> None:
    town = make_town(tmp_path / "data", command=STAND_IN, limits=Limits(slot_seconds=600.0))
    mine = upload(town, "planner@aoba", small)
    job = run(town, "planner@aoba", mine)
    jobs: Jobs = town.app.state.server.jobs
    with TestClient(town.app):
        for _ in range(600):
            if (jobs.folder("aoba", job) / ENDED).is_file():
                break
            time.sleep(0.05)
        assert json.loads((jobs.folder("aoba", job) / ENDED).read_text())["good"] is True
        assert state(town, "aoba", job) == "running"
    again = Jobs(town.app.state.server.store, town.clock, ("false",))  # would fail if it were run again
    again.recover()
    assert state(town, "aoba", job) == "done"


@pytest.mark.parametrize(("seconds", "left"), [(0.0, 5.0), (4.0, 1.0), (5.0, 0.0), (12.5, 2.5)])
def test_slots_end_at_multiples_of_their_length(seconds: float, left: float) -> None:
    assert slots.until_boundary(seconds, 5.0) == pytest.approx(left)
    assert slots.until_boundary(seconds, 0.0) == 0.0


@pytest.mark.parametrize("count", [2, 3, 4, 8, 16, 64])
@pytest.mark.parametrize("companies", [1, 2, 3, 7])
def test_the_room_and_the_companies_share_no_core_nor_do_companies_where_there_are_enough(
    count: int, companies: int
) -> None:
    cores = list(range(100, 100 + count))
    workspaces = [ROOM, *(f"c{number}" for number in range(companies))]
    shares = {name: set(slots.cores_of(name, workspaces, cores)) for name in workspaces}
    assert all(share and share <= set(cores) for share in shares.values())
    own = [shares[name] for name in workspaces if name != ROOM]
    assert all(not shares[ROOM] & share for share in own)
    apart = sum(map(len, own)) == len(set().union(*own))
    assert apart is not slots.shared_by_companies(workspaces, cores)
    assert len({len(share) for share in own}) == 1


def test_a_second_server_on_the_same_folder_is_refused(tmp_path: Path) -> None:
    with only_one(tmp_path), pytest.raises(StudyError, match="another teikei"), only_one(tmp_path):
        pass
    with only_one(tmp_path):
        pass


def test_a_deed_whose_line_was_not_yet_in_the_log_brings_it_in_once(
    tmp_path: Path, small: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    town = make_town(tmp_path / "data", command=STAND_IN)
    mine = upload(town, "planner@aoba", small)
    whole = Store.bring_lines_in

    @contextmanager
    def killed() -> Any:
        monkeypatch.setattr(Store, "bring_lines_in", lambda *_: (_ for _ in ()).throw(SystemExit))
        with pytest.raises(SystemExit):
            yield
        monkeypatch.setattr(Store, "bring_lines_in", whole)

    server = town.app.state.server
    with killed():
        jobs: Jobs = server.jobs
        source = server.store.workspace("aoba") / "studies" / mine / "1" / "study"
        from teikei.web.audit import Line

        jobs.add("aoba", mine, 1, source, "x", line=lambda job: Line("aoba/x", "started a run", job, "aoba"))
    assert "started a run" not in town["planner@aoba"].get("/log/export").text
    for _ in range(2):
        server.store.bring_lines_in("aoba")
    assert town["planner@aoba"].get("/log/export").text.count("started a run") == 1
