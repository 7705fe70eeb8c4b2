"""A run is kept whole or not at all, and opens again or says what to do."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from teikei.errors import DamagedRunError, StudyError
from teikei.runs import read, save
from teikei.runs.store import choose_folder

TABLES = {"cost_by_rung": pl.DataFrame({"rung": ["alone"], "value": [0.1 + 0.2]})}


def _write(tables: Mapping[str, pl.DataFrame], meta: Mapping[str, Any], folder: Path) -> None:
    (folder / "report.html").write_text(f"{len(tables)} {meta['study']}", "utf-8")


def _save(folder: Path, tmp_path: Path) -> None:
    inputs = tmp_path / "study"
    inputs.mkdir(exist_ok=True)
    (inputs / "companies.csv").write_text("company\nA\n", "utf-8")
    save(folder, TABLES, {"study": "s"}, inputs, _write, "log\n")


def test_run_reads_back_to_the_last_digit(tmp_path: Path) -> None:
    _save(tmp_path / "run", tmp_path)
    stored = read(tmp_path / "run")
    assert stored.tables["cost_by_rung"].equals(TABLES["cost_by_rung"])
    assert (stored.path / "inputs" / "companies.csv").is_file()
    assert stored.report_path.read_text("utf-8") == "1 s"


def test_failed_report_leaves_the_earlier_run_and_nothing_else(tmp_path: Path) -> None:
    _save(tmp_path / "run", tmp_path)

    def broken(*_: object) -> None:
        raise OSError("no space left on device")

    with pytest.raises(OSError, match="no space"):
        save(tmp_path / "run", {}, {"study": "t"}, tmp_path / "study", broken, "")
    assert read(tmp_path / "run").meta["study"] == "s"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["run", "study"]


def test_folder_of_someone_else_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear", "utf-8")
    with pytest.raises(StudyError, match="not a run of teikei"):
        choose_folder("s", tmp_path / "mine")


def test_newer_run_is_refused_with_a_sentence(tmp_path: Path) -> None:
    _save(tmp_path / "run", tmp_path)
    record = tmp_path / "run" / "run.json"
    record.write_text(json.dumps({**json.loads(record.read_text("utf-8")), "format": 99}), "utf-8")
    with pytest.raises(DamagedRunError, match="Update teikei"):
        read(tmp_path / "run")


@pytest.mark.parametrize("damage", ["", "{", '{"format": 1}', '{"format": "x", "tables": []}'])
def test_damaged_record_is_refused_with_a_sentence(tmp_path: Path, damage: str) -> None:
    _save(tmp_path / "run", tmp_path)
    (tmp_path / "run" / "run.json").write_text(damage, "utf-8")
    with pytest.raises(DamagedRunError, match="Run the study again"):
        read(tmp_path / "run")


def test_damaged_table_is_refused_with_a_sentence(tmp_path: Path) -> None:
    _save(tmp_path / "run", tmp_path)
    (tmp_path / "run" / "tables" / "cost_by_rung.parquet").write_bytes(b"PAR1")
    with pytest.raises(DamagedRunError, match=r"cost_by_rung\.parquet"):
        read(tmp_path / "run")


@pytest.mark.parametrize("record", ["sweep.json", "robust.json"])
def test_folder_of_a_sweep_says_where_its_tables_stand(tmp_path: Path, record: str) -> None:
    (tmp_path / record).write_text("{}", "utf-8")
    with pytest.raises(DamagedRunError, match=r"is a sweep, not a run: its tables stand in .*report\.xlsx"):
        read(tmp_path)
