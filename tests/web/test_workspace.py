"""A company's own room: hostile uploads, problems with places, versions, runs that survive a crash, fairness."""

from __future__ import annotations

import io
import re
import sys
import threading
import time
import zipfile
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from teikei.errors import StudyError
from teikei.study import new
from teikei.web.jobs import Jobs, Limits
from teikei.web.uploads import LARGEST_UNPACKED_BYTES, store_upload
from tests.study.small import write_small
from tests.web.people import Town, make_town

STAND_IN = (sys.executable, str(Path(__file__).parent / "stand_in.py"))


def zipped(files: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return packed.getvalue()


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = write_small(tmp_path_factory.mktemp("small"))
    return {f"study/{file.name}": file.read_bytes() for file in sorted(folder.iterdir())}


@pytest.fixture
def town(tmp_path: Path) -> Town:
    return make_town(tmp_path / "data", command=STAND_IN)


def upload(town: Town, who: str, files: dict[str, bytes], title: str = "Mine") -> str:
    answer = town[who].send_form("/studies", {"title": title}, files={"file": ("mine.zip", zipped(files))})
    assert answer.status_code == 303, answer.text
    return answer.headers["location"].rpartition("/")[2]


@pytest.mark.parametrize(
    "files",
    [
        {"../study.yaml": b"x"},
        {"/study.yaml": b"x"},
        {"study.yaml": b"x", "..\\..\\evil.csv": b"x"},
        {"study.yaml": b"x", "evil.py": b"x"},
        {"study.yaml": b"x", "a/b/c.csv": b"x"},
        {"a/study.yaml": b"x", "b/study.yaml": b"x"},
        {"volumes.csv": b"x"},
        {"study.yaml": b"x", **{f"t{n}.csv": b"x" for n in range(200)}},
        {"study.yaml": b"0" * 30_000_000},
    ],
    ids=["parent", "absolute", "backslash", "program", "deep", "twice", "no settings", "many", "bomb"],
)
def test_a_hostile_zip_is_refused_in_words_and_leaves_nothing(tmp_path: Path, files: dict[str, bytes]) -> None:
    with pytest.raises(StudyError):
        store_upload(zipped(files), tmp_path / "in" / "here")
    assert not (tmp_path / "in" / "here").exists()
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_zip_that_lies_about_its_size_is_refused(tmp_path: Path) -> None:
    data = bytearray(zipped({"study.yaml": b"0" * (LARGEST_UNPACKED_BYTES // 2)}))
    place = data.rfind(b"PK\x01\x02")
    data[place + 24 : place + 28] = (10).to_bytes(4, "little")
    with pytest.raises(StudyError):
        store_upload(bytes(data), tmp_path / "here")
    assert not (tmp_path / "here").exists()


@pytest.mark.parametrize("data", [b"", b"text", b"PK\x03\x04junk", b"\xd0\xcf\x11\xe0" * 10])
def test_what_is_no_zip_is_said_in_words(town: Town, data: bytes) -> None:
    answer = town["planner@aoba"].send_form("/studies", {"title": "x"}, files={"file": ("x.xlsx", data)})
    assert answer.status_code == 400
    assert "Traceback" not in answer.text


def test_problems_are_shown_with_the_places_of_the_command_line(town: Town, small: dict[str, bytes]) -> None:
    bad = {**small, "study/volumes.csv": small["study/volumes.csv"].replace(b"2027", b"20x7", 1)}
    study = upload(town, "planner@aoba", bad)
    text = town["planner@aoba"].get(f"/studies/{study}").text
    assert "volumes.csv:2:year" in text
    assert town["planner@aoba"].send_form(f"/studies/{study}/1/run").status_code == 400


def test_versions_keep_who_and_what_and_come_back_as_excel(town: Town, small: dict[str, bytes]) -> None:
    from teikei.study import check

    study = upload(town, "planner@aoba", small)
    answer = town["buyer@aoba"].send_form(
        f"/studies/{study}", {"note": "new offers"}, files={"file": ("m.zip", zipped(small))}
    )
    assert answer.status_code == 303
    text = town["planner@aoba"].get(f"/studies/{study}").text
    assert "new offers" in text
    assert "buyer aoba" in text
    workbook = town["planner@aoba"].get(f"/studies/{study}/2/workbook").content
    file = Path(town.app.state.server.store.folder) / "back.xlsx"
    file.write_bytes(workbook)
    assert [p for p in check(file) if not p.warning] == []
    again = town["planner@aoba"].send_form("/studies", {"title": "x"}, files={"file": ("b.xlsx", workbook)})
    assert "no problem" in town["planner@aoba"].get(again.headers["location"]).text.casefold()
    assert zipfile.ZipFile(io.BytesIO(town["planner@aoba"].get(f"/studies/{study}/1/tables").content)).testzip() is None


def test_files_of_a_company_lie_only_in_its_own_folder(town: Town, small: dict[str, bytes]) -> None:
    store = town.app.state.server.store
    before = {path for path in store.folder.rglob("*") if "company-aoba" not in path.parts}
    marker = {**small, "study/note.md": b"canary 918273645546"}
    study = upload(town, "planner@aoba", marker, title="canary 918273645546")
    town["planner@aoba"].send_form(f"/studies/{study}/1/run")
    town.app.state.server.jobs.drain()
    after = {path for path in store.folder.rglob("*") if "company-aoba" not in path.parts}
    assert {path.name.rpartition(".db")[1] for path in after - before if path.is_file()} <= {".db"}
    for path in after:
        assert path.is_dir() or b"918273645546" not in path.read_bytes(), path


def test_a_run_goes_through_and_its_report_may_run_only_its_own_scripts(town: Town, small: dict[str, bytes]) -> None:
    study = upload(town, "planner@aoba", small)
    where = town["planner@aoba"].send_form(f"/studies/{study}/1/run").headers["location"]
    assert "queued" in town["planner@aoba"].get(where).text
    town.app.state.server.jobs.drain()
    assert "done" in town["planner@aoba"].get(where).text
    report = town["planner@aoba"].get(f"{where}/report")
    assert report.status_code == 200
    policy = report.headers["content-security-policy"]
    assert policy.startswith("sandbox allow-scripts")
    assert "allow-same-origin" not in policy
    assert re.search(r"script-src 'sha256-[^ ]+';", policy)


@pytest.mark.parametrize(("mode", "said"), [("bad", "offers.csv:3:price"), ("fault", "without a word")])
def test_a_run_that_fails_says_so_in_words(
    town: Town, small: dict[str, bytes], monkeypatch: pytest.MonkeyPatch, mode: str, said: str
) -> None:
    monkeypatch.setenv("STAND_IN", mode)
    study = upload(town, "planner@aoba", small)
    where = town["planner@aoba"].send_form(f"/studies/{study}/1/run").headers["location"]
    town.app.state.server.jobs.drain()
    text = town["planner@aoba"].get(where).text
    assert said in text
    assert "failed" in text


def test_a_running_job_shows_progress_and_can_be_cancelled(
    tmp_path: Path, small: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STAND_IN", "slow")
    town = make_town(tmp_path / "data", command=STAND_IN)
    study = upload(town, "planner@aoba", small)
    where = town["planner@aoba"].send_form(f"/studies/{study}/1/run").headers["location"]
    with TestClient(town.app):  # the server's own thread takes the job
        for _ in range(100):
            if "Planning" in town["planner@aoba"].get(f"{where}/state").text:
                break
            time.sleep(0.1)
        assert 'value="40.0"' in town["planner@aoba"].get(f"{where}/state").text
        town["planner@aoba"].send_form(f"{where}/cancel")
        assert "cancelled" in town["planner@aoba"].get(where).text


def test_a_job_cut_off_by_the_end_of_the_server_runs_again_and_ends_well(
    tmp_path: Path, small: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STAND_IN", "slow")
    town = make_town(tmp_path / "data", command=STAND_IN)
    jobs: Jobs = town.app.state.server.jobs
    study = upload(town, "planner@aoba", small)
    where = town["planner@aoba"].send_form(f"/studies/{study}/1/run").headers["location"]
    thread = threading.Thread(target=jobs.drain)
    thread.start()
    while "running" not in town["planner@aoba"].get(where).text:
        time.sleep(0.05)
    jobs._stop.set()
    thread.join()
    assert "running" in town["planner@aoba"].get(where).text
    monkeypatch.setenv("STAND_IN", "good")
    again = Jobs(town.app.state.server.store, town.clock, STAND_IN)
    again.recover()
    again.drain()
    assert "done" in town["planner@aoba"].get(where).text


def test_a_job_that_takes_too_long_is_ended_and_says_so(
    tmp_path: Path, small: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STAND_IN", "slow")
    town = make_town(tmp_path / "data", command=STAND_IN, limits=Limits(seconds=0.5))
    study = upload(town, "planner@aoba", small)
    where = town["planner@aoba"].send_form(f"/studies/{study}/1/run").headers["location"]
    town.app.state.server.jobs.drain()
    assert "took longer" in town["planner@aoba"].get(where).text


def test_one_company_cannot_crowd_out_another(town: Town, small: dict[str, bytes]) -> None:
    mine, other = upload(town, "planner@aoba", small), upload(town, "planner@midori", small)
    for _ in range(4):
        town["planner@aoba"].send_form(f"/studies/{mine}/1/run")
    town["planner@midori"].send_form(f"/studies/{other}/1/run")
    jobs: Jobs = town.app.state.server.jobs
    order = [found[0] for _ in range(5) if (found := jobs._next()) is not None]
    assert order.index("midori") <= 1


def test_the_shipped_study_is_taken_as_a_workbook(town: Town, tmp_path: Path) -> None:
    file = new(tmp_path / "shipped.xlsx", template="nissan-honda", excel=True)
    answer = town["planner@midori"].send_form(
        "/studies", {"title": "Shipped"}, files={"file": ("s.xlsx", Path(file).read_bytes())}
    )
    text = town["planner@midori"].get(answer.headers["location"]).text
    assert "error</strong>" not in text
