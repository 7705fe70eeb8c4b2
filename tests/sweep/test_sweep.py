"""The whole of a sweep on a small study: the same numbers whatever happens, tables that add up, a page that reads."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from teikei import develop, modules, plan, simulate
from teikei.errors import DamagedRunError, NoPlanError, StudyError
from teikei.study import Study
from teikei.sweep import Sweep, sweep
from teikei.sweep.files import read_record
from teikei.sweep.gather import reasons
from teikei.sweep.inputs import read_uncertainty, sampled_study
from teikei.sweep.one import NOT_SIMULATED, SETTINGS_NOT_SIMULATED, evaluate, packed, plans_to_keep, simulation_key
from teikei.sweep.page import page_text
from teikei.sweep.types import Options, Sample
from teikei.tables.columns import all_columns
from tests.sweep.test_nothing_lost import ROOT
from tests.sweep.tiny import kit_study, short_study

ASKED = {"samples": 8, "seed": 4, "predict": False, "tornado": 2, "indices": 4}


@pytest.fixture(scope="module")
def study() -> Study:
    return short_study()


@pytest.fixture(scope="module")
def finished(study: Study, tmp_path_factory: pytest.TempPathFactory) -> Sweep:
    return sweep(study, tmp_path_factory.mktemp("sweep") / "out", count=1, **ASKED)


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (folder / "samples").rglob("*.json")}


def saving(finished: Sweep) -> dict[str, float]:
    rows = finished.tables["bands"].filter((pl.col("kind") == "saving") & (pl.col("rung") == "buying"))
    return rows.row(0, named=True)


def hard(study: Study) -> Study:
    """Nobody can drive that fast."""
    fast = pl.when(pl.col("requirement") == "top_speed").then(900.0).otherwise(pl.col("value"))
    return study.with_tables(requirements=study["requirements"].with_columns(fast.alias("value")))


def test_two_workers_give_every_file_and_table_of_one(study: Study, finished: Sweep, tmp_path: Path) -> None:
    other = sweep(study, tmp_path / "two", count=2, **ASKED)
    assert files(other.path) == files(finished.path)
    for name, table in finished.tables.items():
        assert table.equals(other.tables[name]), name
    assert other.record == finished.record


def test_samples_are_planned_as_a_run_plans_the_same_study(study: Study, finished: Sweep) -> None:
    catalogue = modules.catalogue(study)
    plans = plan.solve(study, catalogue, simulate.performance(study, catalogue))
    grand = max((coalition for coalition, _ in plans.by_key), key=len)
    expected = plans.value(grand, "alone") - plans.value(grand, "buying")
    row = (
        finished.tables["bands"].filter((pl.col("kind") == "saving") & (pl.col("rung") == "buying")).row(0, named=True)
    )
    assert row["base"] == pytest.approx(expected, rel=1e-12)


def test_samples_are_scheduled_as_a_run_schedules_the_same_study() -> None:
    study = short_study(tasks=True)
    catalogue = modules.catalogue(study)
    performance = simulate.performance(study, catalogue)
    plans = develop.plans_as_scheduled(study, catalogue, performance, plan.solve(study, catalogue, performance))
    grand = max((coalition for coalition, _ in plans.by_key), key=len)
    found = evaluate(study, read_uncertainty(study), Options(market=False), Sample("base", 0, ()))
    expected = plans.value(grand, "alone") - plans.value(grand, "buying")
    assert found.figures["saving/buying"] == pytest.approx(expected, rel=1e-12)


def test_bands_are_quantiles_of_the_samples_files(finished: Sweep) -> None:
    drawn = finished.tables["samples"].filter(pl.col("part") == "bands")
    assert drawn.height == ASKED["samples"]
    outcomes = [json.loads(text)["outcome"]["figures"] for text in files(finished.path).values()]
    assert len(outcomes) == finished.tables["samples"].height  # no two samples have the same inputs here
    row = (
        finished.tables["bands"].filter((pl.col("kind") == "saving") & (pl.col("rung") == "buying")).row(0, named=True)
    )
    everything = np.array([figures["saving/buying"] for figures in outcomes])
    assert everything.min() <= row["p05"] <= row["p50"] <= row["p95"] <= everything.max()
    assert row["samples"] == ASKED["samples"]


def test_shares_of_companies_add_up_to_the_saving_in_the_mean(finished: Sweep) -> None:
    rows = finished.tables["bands"].filter(pl.col("rung") == "buying")
    mean = {kind: rows.filter(pl.col("kind") == kind)["mean"].sum() for kind in ("saving", "share", "lever")}
    assert mean["share"] == pytest.approx(mean["saving"], rel=1e-9)
    assert mean["lever"] == pytest.approx(mean["saving"], rel=1e-9)


def test_tornado_moves_one_input_from_the_study_as_it_stands(study: Study, finished: Sweep) -> None:
    rows = finished.tables["tornado"].filter(pl.col("kind") == "saving")
    assert rows["input"].n_unique() == ASKED["tornado"]
    top = rows.row(0, named=True)
    uncertainty = read_uncertainty(study)
    moved = [driver.name for driver in uncertainty.drivers if driver.name == top["input"] or
             top["input"] == f"common factor of {driver.group}"]  # fmt: skip
    for end, level in (("low", 0.1), ("high", 0.9)):
        sample = Sample("x", 0, tuple((name, level) for name in moved))
        outcome = evaluate(study, uncertainty, Options(None, False, 1), sample)
        assert outcome.figures["saving/buying"] == pytest.approx(top[end], rel=1e-9)


def test_page_is_whole_and_nothing_is_loaded_from_anywhere(finished: Sweep) -> None:
    text = finished.page.read_text("utf-8")
    assert text.rstrip().endswith("</html>")
    shown = re.sub(r"<script.*?</script>", "", text, flags=re.S)
    assert not re.findall(r"(?:src|href)=[\"']https?:", shown)
    for heading in ("Savings as bands", "Which inputs matter", "Which decisions change", "What is worth knowing first"):
        assert heading in text
    for name in ("chart-savings", "chart-tornado", "chart-indices", "chart-awarded"):
        assert f'id="{name}"' in text
    assert "million EUR" in text


def test_saving_below_the_plans_own_gap_is_said_to_be_not_shown(finished: Sweep) -> None:
    assert "not shown" not in finished.summary()
    bands = finished.tables["bands"]
    wide = bands.with_columns(pl.when(pl.col("kind") == "gap").then(1e6).otherwise(pl.col("p50")).alias("p50"))
    other = Sweep(finished.path, {**finished.tables, "bands": wide}, finished.record)
    assert "that it pays is not shown" in other.summary()
    assert "That it pays, or does not: “buying”" in page_text(other.tables, other.record)
    assert "That it pays, or does not" not in page_text(finished.tables, finished.record)


def test_tables_stand_as_parquet_csv_and_workbook(finished: Sweep) -> None:
    for name, table in finished.tables.items():
        assert pl.read_parquet(finished.path / "tables" / f"{name}.parquet").equals(table)
        assert (finished.path / "csv" / f"{name}.csv").is_file()
    assert (finished.path / "report.xlsx").is_file()


def test_more_samples_reuse_those_that_are_there(study: Study, finished: Sweep, tmp_path: Path) -> None:
    folder = tmp_path / "more"
    sweep(study, folder, count=1, **{**ASKED, "samples": 4, "tornado": 0, "indices": 0})
    before = files(folder)
    sweep(study, folder, count=1, **{**ASKED, "tornado": 0, "indices": 0})
    after = files(folder)
    assert len(after) == 1 + ASKED["samples"]
    assert before.items() <= after.items()
    assert after.items() <= files(finished.path).items()


def test_other_inputs_options_and_seeds_never_share_a_file(study: Study, finished: Sweep, tmp_path: Path) -> None:
    few = {**ASKED, "samples": 1, "tornado": 0, "indices": 0}
    seen = set(files(finished.path))
    dearer = replace(study, settings=study.settings.model_copy(update={"discount_rate": 0.08}))
    sweep(dearer, tmp_path / "rate", count=1, **few)
    assert not seen & set(files(tmp_path / "rate"))
    sweep(study, tmp_path / "seed", count=1, **{**few, "seed": 5})
    assert len(seen & set(files(tmp_path / "seed"))) == 1  # the study as it stands is the same


def test_sample_without_a_plan_is_counted_and_told_and_not_in_the_bands(study: Study) -> None:
    uncertainty = read_uncertainty(study)
    outcome = evaluate(hard(study), uncertainty, Options(None, False, 1), Sample("bands", 0, ()))
    assert outcome.status == "no plan"
    assert len(outcome.message) > 20
    assert not outcome.figures


def test_reasons_count_a_requirement_once_a_sample_and_put_the_most_frequent_first() -> None:
    fast = "No configuration serves P01 G2 std: top_speed (sustained) of 900 km/h rejects 3 of 3 candidates"
    far = "No configuration serves P02 G1 std: range (wltc) of 900 km rejects 3 of 3 candidates"
    said = reasons([f"{fast}\n{fast}\n{far}", fast, "There is no plan for A+B at buying.\nSites are full."])
    assert said == "top_speed (in 2); range (in 1); There is no plan for A+B at buying. (in 1)"


def test_study_that_never_has_a_plan_ends_with_its_sentence(study: Study, tmp_path: Path) -> None:
    with pytest.raises(NoPlanError, match=r"None of 2 samples has a plan, most often because of: top_speed \(in 2\)"):
        sweep(hard(study), tmp_path / "out", count=1, samples=2, predict=False, tornado=0)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"samples": 0}, "one sample or more"),
        ({"method": "dice"}, "sampling method"),
        ({"rungs": ["batery"]}, "no rung"),
        ({"seed": -1}, "0 or above"),
        ({"count": 0}, "one worker or more"),
    ],
)
def test_wrong_question_is_told_before_any_work(
    study: Study, tmp_path: Path, change: dict[str, object], sentence: str
) -> None:
    with pytest.raises(StudyError, match=sentence):
        sweep(study, tmp_path / "out", **{"count": 1, **ASKED, **change})


def test_folder_of_someone_else_is_left_alone(study: Study, tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("dear", "utf-8")
    with pytest.raises(StudyError, match="not a sweep of teikei"):
        sweep(study, tmp_path, count=1, **ASKED)
    assert [one.name for one in tmp_path.iterdir()] == ["letter.txt"]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format": 99}', '{"format": "x"}'])
def test_record_that_is_damaged_or_newer_says_what_to_do(tmp_path: Path, text: str) -> None:
    (tmp_path / "sweep.json").write_text(text, "utf-8")
    with pytest.raises(DamagedRunError, match=r"again|Update teikei"):
        read_record(tmp_path)


def test_kept_plans_cost_what_repricing_says_and_never_less_than_planning_again(study: Study) -> None:
    uncertainty, options = read_uncertainty(study), Options(None, False, 1)
    kept = plans_to_keep(packed(study, uncertainty, options))
    catalogue = modules.catalogue(study)
    for level in (None, 0.1, 0.6, 0.95):
        quantiles = {} if level is None else {driver.name: level for driver in uncertainty.drivers}
        sample = Sample("bands", 0, tuple(quantiles.items()))
        held = evaluate(study, uncertainty, options, sample, kept)
        planned = evaluate(study, uncertainty, options, sample)
        assert held.status == planned.status == "done"
        moved = sampled_study(study, uncertainty, quantiles)
        for (coalition, rung), one in kept.items():
            name = f"cost/{coalition}/{rung}"
            again = plan.reprice(moved, catalogue, one, moved["volumes"]).value
            assert held.figures[name] == pytest.approx(again, rel=1e-12)
            if level is None:
                assert held.figures[name] == pytest.approx(one.value, rel=1e-12)
            assert planned.figures[name] <= held.figures[name] * (1 + 1e-4)  # the gap a plan may leave
        assert held.figures["over/buying"] >= 0


def test_sweep_with_kept_plans_ends_and_says_so(study: Study, tmp_path: Path) -> None:
    asked = {**ASKED, "again": False, "indices": 0}
    kept = sweep(study, tmp_path / "out", count=1, **asked)
    assert kept.record["counts"]["bands"]["done"] == ASKED["samples"]
    assert "kept and priced" in kept.page.read_text("utf-8")
    again = sweep(study, tmp_path / "out", count=1, **asked)
    assert again.tables["bands"].equals(kept.tables["bands"])


def moved_columns() -> list[tuple[str, str]]:
    found = [(table, column) for table, columns in NOT_SIMULATED.items() for column in columns]
    return [place for place in found if all_columns()[place[0]][place[1]].kind in ("number", "integer", "year")]


def test_columns_that_are_said_not_to_be_simulated_leave_the_simulation_as_it_is() -> None:
    """All of them are moved at once, and the settings: candidates and results stay equal to the last bit."""
    study = kit_study()
    moved = study
    for table, column in moved_columns():
        moved = moved.with_tables(**{table: moved[table].with_columns((pl.col(column) * 1.21).alias(column))})
    rates = moved["currencies"].with_columns(pl.col("rate") * 1.3)
    changes = {name: getattr(study.settings, name) * 1.1 for name in SETTINGS_NOT_SIMULATED
               if isinstance(getattr(study.settings, name), float)}  # fmt: skip
    moved = replace(moved.with_tables(currencies=rates), settings=study.settings.model_copy(update=changes))
    assert simulation_key(moved) == simulation_key(study)
    before, after = (simulate.performance(one, modules.catalogue(one)) for one in (study, moved))
    assert before.candidates.equals(after.candidates)
    assert before.results.equals(after.results)


@pytest.mark.parametrize(
    ("table", "column"),
    [("programmes", "body_mass_kg"), ("requirements", "value"), ("modules", "peak_power_kw"), ("versions", "share")],
)
def test_columns_that_are_simulated_are_simulated_again(table: str, column: str) -> None:
    study = kit_study()
    moved = study.with_tables(**{table: study[table].with_columns((pl.col(column) * 1.1).alias(column))})
    assert simulation_key(moved) != simulation_key(study)


def command(tmp_path: Path) -> list[str]:
    folder = ROOT / "examples" / "kit-supply"
    asked = ["--samples", "16", "--seed", "4", "--no-market", "--tornado", "2", "--workers", "2", "--rungs", "buying"]
    start = "from teikei.cli import main; main()"
    return [sys.executable, "-c", start, "sweep", str(folder), "--out", str(tmp_path / "out"), *asked]


def begin(arguments: list[str]) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    return subprocess.Popen(
        arguments, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )


def wait_for_files(folder: Path, count: int, process: subprocess.Popen[str]) -> None:
    """Waits for as long as it takes on a busy machine; a process that hangs is ended, so that none is left behind."""
    deadline = time.monotonic() + 900
    while len(list(folder.glob("samples/*/*.json"))) < count and process.poll() is None:
        if time.monotonic() > deadline:
            process.kill()
            raise AssertionError("no further sample within a quarter of an hour")
        time.sleep(0.02)


def test_ctrl_c_says_what_it_has_leaves_tables_and_the_same_command_goes_on(tmp_path: Path) -> None:
    arguments = command(tmp_path)
    process = begin(arguments)
    wait_for_files(tmp_path / "out", 5, process)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to the whole group
    _, said = process.communicate(timeout=300)
    assert process.returncode == 130
    assert re.search(r"Stopped\. \d+ of 16 samples are kept in .*run the same command again", said)
    assert "Traceback" not in said
    assert read_record(tmp_path / "out")["state"] == "stopped"
    kept = files(tmp_path / "out")
    again = begin(arguments)
    told, _ = again.communicate(timeout=900)
    assert again.returncode == 0
    assert "16 of 16 samples" in told
    assert kept.items() <= files(tmp_path / "out").items()


def kill_and_finish(tmp_path: Path, times: int) -> None:
    arguments = command(tmp_path)
    for time_of in range(times):
        process = begin(arguments)
        wait_for_files(tmp_path / "out", 2 + 3 * time_of, process)
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=60)
    last = begin(arguments)
    last.communicate(timeout=900)
    assert last.returncode == 0


@pytest.mark.slow
@pytest.mark.parametrize("times", [6])
def test_command_that_is_killed_again_and_again_ends_with_the_tables_of_an_undisturbed_one(
    tmp_path: Path, times: int
) -> None:
    kill_and_finish(tmp_path, times)
    asked = {"samples": 16, "seed": 4, "predict": False, "tornado": 2, "rungs": ["buying"]}
    whole = sweep(kit_study(), tmp_path / "whole", count=1, **asked)
    for name, table in whole.tables.items():
        if name != "samples":
            assert pl.read_parquet(tmp_path / "out" / "tables" / f"{name}.parquet").equals(table), name
    assert {json.loads(text)["sha256"] for text in files(whole.path).values()} == {
        json.loads(text)["sha256"] for text in files(tmp_path / "out").values()
    }
