"""What version 0.1.0 wrote is opened by this version, or answered with what to do."""

from __future__ import annotations

import csv
import json
import shutil
import tarfile
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import teikei
from teikei import runs
from teikei.cli import app
from teikei.study import check
from tests.web.people import PASSPHRASE, Clock, Person

FROZEN = Path(__file__).parent / "data" / "frozen-0.1.0"
NOTES: dict[str, Any] = json.loads((FROZEN / "NOTES.json").read_text("utf-8"))


def call(*arguments: object) -> str:
    answer = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert answer.exit_code == 0, answer.output
    return answer.output


def test_the_studies_are_accepted(tmp_path: Path) -> None:
    with tarfile.open(FROZEN / "nissan-honda.tar.gz") as archive:
        archive.extractall(tmp_path, filter="data")
    for study in (tmp_path / "nissan-honda", FROZEN / "run" / "inputs"):
        assert [problem for problem in check(study) if not problem.warning] == []
        assert teikei.load(study).companies


def test_the_run_is_read_reported_and_compared(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(FROZEN / "run", folder)
    run = runs.read(folder)
    assert run.tables["cost_by_rung"].height > 0
    call("report", folder)
    assert (folder / "report.html").stat().st_size > 100_000
    assert "run" in call("compare", folder, folder)


def test_the_calibration_is_used(tmp_path: Path) -> None:
    vehicles = tmp_path / "cars.csv"
    names = "vehicle_id,maker,model_year,test_mass_kg,f0_n,f1_n_per_mps,f2_n_per_mps2,power_kw,drive"
    vehicles.write_text(f"{names}\nleaf,nissan,2018,1701,128.8,0.60,0.46,110,fwd\n", "utf-8")
    call(
        "simulate", "--vehicles", vehicles, "--cycles", "udds", "--calibration", FROZEN / "CAL.json",
        "--out", tmp_path / "out.csv",
    )  # fmt: skip
    with (tmp_path / "out.csv").open(encoding="utf-8-sig") as file:
        energy = [float(row["wall_wh_per_km"]) for row in csv.DictReader(file) if row["cycle"] == "udds"]
    assert 90.0 < energy[0] < 180.0


def test_the_log_verifies_with_the_head_that_was_kept() -> None:
    call("audit-verify", FROZEN / "log.jsonl", "--head", NOTES["log_head"])


def test_the_release_list_is_read_or_refused_with_what_to_do() -> None:
    """A list without what it declares to constrain may be void; then the reason says what is missing."""
    from pydantic import ValidationError

    from teikei.errors import StudyError

    try:
        from teikei.room import ReleaseList
    except ImportError:
        from teikei.web.release_list import ReleaseList
    reason, items = "", 3
    try:
        items = len(ReleaseList.model_validate_json((FROZEN / "release-list.json").read_text("utf-8")).items)
    except (ValidationError, StudyError) as error:
        reason = str(error)
    assert items == 3
    assert not reason or any(word in reason for word in ("declare", "promise", "width")), reason


@pytest.mark.parametrize("who", ["operator@room", "planner@aoba", "counsel@midori"])
def test_the_folder_of_a_server_is_opened_and_its_people_sign_in(tmp_path: Path, who: str) -> None:
    from teikei.web.app import create_app

    with tarfile.open(FROZEN / "server-data.tar.gz") as archive:
        archive.extractall(tmp_path, filter="data")
    clock = Clock()
    clock.now += 3600.0
    person = Person(create_app(tmp_path / "data", clock=clock), base_url="http://localhost", follow_redirects=True)
    answer = person.send_form("/sign-in", {"login": who, "passphrase": PASSPHRASE})
    assert answer.status_code == 200, answer.text
    assert person.get("/home").status_code == 200
    for joint in (NOTES["joint"], NOTES["signed_joint"]):
        page = person.get(f"/joint/{joint}")
        assert page.status_code == 200, page.text
        assert "Axle" in page.text
