"""Reading a study from a folder."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from teikei.errors import StudyError
from teikei.study import check, load
from teikei.tables.columns import all_columns
from tests.study.small import small_tables, write_small


def test_the_small_study_has_no_problem_and_loads_with_all_tables_typed(tmp_path: Path) -> None:
    folder = write_small(tmp_path / "study")
    assert check(folder) == []
    study = load(folder)
    assert set(study.tables) == set(all_columns())
    for name, table in study.tables.items():
        assert list(table.columns) == list(all_columns()[name])
        assert table.schema == {column.name: column.dtype for column in all_columns()[name].values()}
        assert table.height == len(small_tables().get(name, [[]])) - 1
    assert study.companies == ("Aoba", "Midori")
    assert study["programmes"]["rolling_resistance"].to_list() == [0.008, 0.008]
    assert study["families"]["sunk_for"].to_list() == [[], ["Midori"], [], []]
    assert study["requirements"]["binding"].to_list() == [True] * 4


def test_a_missing_table_is_an_empty_table(tmp_path: Path) -> None:
    folder = write_small(tmp_path / "study")
    (folder / "equity.csv").unlink()
    assert load(folder)["equity"].height == 0


def test_places_count_physical_lines_after_a_cell_with_a_line_break(tmp_path: Path) -> None:
    study = load(write_small(tmp_path / "study"))
    assert study.row_places["companies"] == ("companies.csv:2", "companies.csv:3")
    assert study["companies"]["title"].to_list() == ["Aoba Motor", "Midori\nJidosha"]
    folder = write_small(tmp_path / "other")
    with (folder / "companies.csv").open("a", encoding="utf-8") as stream:
        stream.write("Aoba,Again,,S1\n")
    (problem,) = [problem for problem in check(folder) if "twice" in problem.message]
    assert problem.place == "companies.csv:5:company"  # the cell with a line break covers lines 3 and 4
    assert "line 2" in problem.message


def test_hashes_are_those_of_the_files(tmp_path: Path) -> None:
    folder = write_small(tmp_path / "study")
    hashes = load(folder).input_hashes
    assert set(hashes) == {path.name for path in folder.iterdir()}
    assert all(hashlib.sha256((folder / name).read_bytes()).hexdigest() == value for name, value in hashes.items())


def test_load_raises_with_every_problem_at_once(tmp_path: Path) -> None:
    tables = small_tables()
    tables["tiers"][1][2] = "58 kWh"
    tables["offers"][1][1] = "Denky"
    with pytest.raises(StudyError) as caught:
        load(write_small(tmp_path / "study", tables))
    places = {problem.place for problem in caught.value.problems}
    assert {"tiers.csv:2:unit_price", "offers.csv:2:supplier"} <= places
    assert 'did you mean "Denki"?' in str(caught.value)
