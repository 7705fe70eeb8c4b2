"""Any table may be absent but companies, programmes and volumes; a stage without an answer leaves the others theirs."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

import teikei
from teikei import develop, market, plan, split
from teikei.cli import app
from teikei.errors import NoPlanError, StudyError
from teikei.report import headline
from teikei.runs import Run, read
from teikei.study import check

STUDIES = Path(__file__).parent / "data" / "studies"
CORE = ("companies", "programmes", "volumes")
TABLES = sorted(file.stem for file in (STUDIES / "european").glob("*.csv") if file.stem not in CORE)


def without(folder: Path, *tables: str, study: str = "european") -> Path:
    shutil.copytree(STUDIES / study, folder)
    for table in tables:
        (folder / f"{table}.csv").unlink()
    return folder


def terminal(run: Run) -> str:
    console = Console(width=200, file=io.StringIO(), record=True)
    console.print(headline(run.tables, run.meta))
    return console.export_text()


@pytest.mark.parametrize("table", TABLES)
def test_a_study_without_a_table_has_no_error(tmp_path: Path, table: str) -> None:
    folder = without(tmp_path / "study", table)
    assert [str(problem) for problem in check(folder) if not problem.warning] == []
    teikei.load(folder)


def test_the_rows_that_need_an_absent_table_are_said_once_for_each_column(tmp_path: Path) -> None:
    said = [str(problem) for problem in check(without(tmp_path / "study", "suppliers")) if "left aside" in str(problem)]
    assert [text.split(":")[2] for text in said if text.startswith("offers.csv")] == ["supplier"]
    assert all("warning" in text and "does not have suppliers.csv" in text for text in said[:1])


def test_three_tables_make_a_run_that_says_what_it_lacks(tmp_path: Path) -> None:
    run = teikei.run(teikei.load(without(tmp_path / "study", *TABLES)), out=tmp_path / "run")
    assert set(run.meta["left_out"]) == {"modules", "plan", "develop", "split", "market"}
    assert "cost_by_rung" not in run.tables
    assert "market_outcome" not in run.tables
    assert "no rows in classes" in terminal(run)
    assert "no rows in products" in run.report_path.read_text("utf-8")


def test_the_smallest_study_of_one_class_is_planned_and_says_what_it_cannot_simulate(tmp_path: Path) -> None:
    study = teikei.load(STUDIES / "one-class")
    run = teikei.run(study, out=tmp_path / "run")
    costs = {(c, r): v for c, r, v in run.tables["cost_by_rung"].select("coalition", "rung", "value").iter_rows()}
    assert costs["A", "alone"] + costs["B", "alone"] > costs["A+B", "joint"]
    assert set(run.meta["left_out"]) == {"market"}
    assert "market" in terminal(run)


def test_a_european_study_runs_whole(tmp_path: Path) -> None:
    run = teikei.run(teikei.load(STUDIES / "european"), out=tmp_path / "run")
    assert run.meta["left_out"] == {}
    assert run.tables["market_summary"]["region"].unique().to_list() == ["EU"]


def test_stages_are_left_out_on_request(tmp_path: Path) -> None:
    leaving = [part for stage in ("market", "split", "develop") for part in ("--without", stage)]
    done = CliRunner().invoke(app, ["run", str(STUDIES / "one-class"), "--out", str(tmp_path / "run"), *leaving])
    assert done.exit_code == 0, done.output
    assert "--without" in done.output
    run = read(tmp_path / "run")
    assert set(run.meta["left_out"]) == {"market", "split", "develop"}
    assert not {"shares", "schedule", "market_outcome"} & set(run.tables)
    assert {"cost_by_rung", "awards"} <= set(run.tables)
    with pytest.raises(StudyError, match="it can leave out develop, split, market"):
        teikei.run(teikei.load(STUDIES / "one-class"), out=tmp_path / "other", without=["plan"])


def refuse(*_args: object, **_options: object) -> None:
    raise NoPlanError("no answer here")


def break_down(*_args: object, **_options: object) -> None:
    raise RuntimeError("a fault")


@pytest.mark.parametrize(
    ("stage", "place", "kept", "lost"),
    [
        ("plan", (plan, "solve"), "programmes", "cost_by_rung"),
        ("develop", (develop, "schedule"), "shares", "schedule"),
        ("split", (split, "allocate"), "schedule", "shares"),
        ("market", (market, "predict"), "shares", "market_outcome"),
    ],
)
def test_a_stage_without_an_answer_leaves_the_others_theirs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stage: str, place: tuple[object, str], kept: str, lost: str
) -> None:
    monkeypatch.setattr(*place, refuse)
    monkeypatch.setattr(market, "lacking", lambda _study: "") if stage == "market" else None
    with pytest.raises(NoPlanError, match=r"no answer here(.|\n)*kept in"):
        teikei.run(teikei.load(STUDIES / "one-class"), out=tmp_path / "run")
    run = read(tmp_path / "run")
    assert kept in run.tables
    assert lost not in run.tables
    assert "no answer here" in run.meta["left_out"][stage]
    assert "no answer here" in terminal(run)


def test_a_fault_is_not_hidden_and_the_tables_so_far_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(split, "allocate", break_down)
    with pytest.raises(RuntimeError, match="a fault"):
        teikei.run(teikei.load(STUDIES / "one-class"), out=tmp_path / "run")
    run = read(tmp_path / "run")
    assert {"cost_by_rung", "schedule"} <= set(run.tables)
    assert json.loads((tmp_path / "run" / "run.json").read_text("utf-8"))["left_out"]["the rest of the line"]


@pytest.mark.slow
@pytest.mark.parametrize("table", TABLES)
def test_a_study_without_a_table_runs(tmp_path: Path, table: str) -> None:
    run = teikei.run(teikei.load(without(tmp_path / "study", table)), out=tmp_path / "run", without=("market",))
    assert run.report_path.is_file()
