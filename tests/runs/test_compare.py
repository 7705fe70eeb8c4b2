"""What changed between runs is told cell by cell and rung by rung, for every table a study can have."""

from __future__ import annotations

import shutil
from pathlib import Path

import polars as pl
import pytest

from teikei.errors import StudyError
from teikei.runs import save
from teikei.runs.compare import compare_text, saving_by_lever, saving_by_rung
from teikei.runs.store import read
from teikei.study import load
from teikei.tables.columns import all_columns, frame

EXAMPLES = Path(__file__).parents[2] / "examples"


def stored(folder: Path, inputs: Path, kit: float, gap: float = 0.0) -> Path:
    """A run of these inputs with made-up results."""
    costs = pl.DataFrame({
        "coalition": ["A", "A+B", "A+B"], "rung": ["alone", "alone", "kit"], "value": [60.0, 100.0, 100.0 - kit],
        "gap": [0.0, gap, gap], "status": ["gap", "gap", "gap"],
    })  # fmt: skip
    levers = pl.DataFrame({
        "coalition": ["A", "A+B", "A+B", "A+B"], "rung": ["kit"] * 4,
        "lever": ["tooling", "tooling", "tooling", "plant_use"],
        "method": ["order", "order", "order", "shapley"], "value": [20.0 * kit, kit, 1.0, 99.0],
    })  # fmt: skip
    meta = {"versions": {"teikei": "1"}, "study": load(inputs).settings.model_dump(mode="json")}
    save(folder, {"cost_by_rung": costs, "savings_by_lever": levers}, meta, inputs, lambda *_: None, "")
    return folder


def inputs(folder: Path) -> Path:
    shutil.copytree(EXAMPLES / "kit-supply", folder)
    return folder


def test_runs_of_equal_inputs_are_said_to_be_the_same(tmp_path: Path) -> None:
    mine = inputs(tmp_path / "study")
    text = compare_text([stored(tmp_path / "one", mine, 5.0), stored(tmp_path / "two", mine, 5.0)])
    assert text.count("  the same") == 3


def test_changed_cells_and_results_are_told_with_both_figures(tmp_path: Path) -> None:
    mine, other = inputs(tmp_path / "study"), inputs(tmp_path / "other")
    lines = (other / "volumes.csv").read_text("utf-8").splitlines()
    at = next(number for number, column in enumerate(lines[0].split(",")) if column == "units")
    cells = lines[1].split(",")
    before, cells[at] = cells[at], "12345"
    (other / "volumes.csv").write_text("\n".join([lines[0], ",".join(cells), *lines[2:]]) + "\n", "utf-8")
    ranges = (other / "ranges.csv").read_text("utf-8").splitlines()
    (other / "ranges.csv").write_text("\n".join(ranges[:-1]) + "\n", "utf-8")
    text = compare_text([stored(tmp_path / "one", mine, 5.0), stored(tmp_path / "two", other, 7.5)])
    assert f"units: {float(before)} → 12345.0" in text
    assert "ranges: 0 rows added, 1 removed" in text
    assert "kit: 5.0 → 7.5 (+2.5)" in text
    assert "kit / tooling: 6.0 → 8.5 (+2.5)" in text


def test_levers_of_the_largest_coalition_add_up_to_its_saving_whatever_its_parts_save(tmp_path: Path) -> None:
    run = read(stored(tmp_path / "one", inputs(tmp_path / "study"), 5.0))
    assert sum(saving_by_lever(run).values()) == saving_by_rung(run)["kit"] + 1.0  # the 1.0 of the table above


def test_gap_of_the_solver_stands_beside_the_change(tmp_path: Path) -> None:
    mine = inputs(tmp_path / "study")
    text = compare_text([stored(tmp_path / "one", mine, 5.0, 1.5), stored(tmp_path / "two", mine, 6.0, 0.5)])
    assert "leaves up to 3.0 and 1.0 open of a saving" in text


@pytest.mark.parametrize("example", ["kit-supply", "nissan-honda"])
def test_every_table_of_a_study_can_be_compared_also_where_a_key_is_a_list(tmp_path: Path, example: str) -> None:
    mine = EXAMPLES / example
    assert any(
        column.kind == "list" and column.key for columns in all_columns().values() for column in columns.values()
    )
    text = compare_text([stored(tmp_path / "one", mine, 5.0), stored(tmp_path / "two", mine, 5.0)])
    assert "the same" in text


def test_rows_without_a_key_or_with_the_same_key_are_each_kept() -> None:
    from teikei.runs.compare import _by_key

    table = frame("companies", [{"company": "A"}, {"company": "A"}, {"company": "B"}])
    assert len(_by_key(table, ["company"])) == 3
    assert len(_by_key(table, [])) == 3


def test_one_run_alone_cannot_be_compared(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="two runs"):
        compare_text([tmp_path])
