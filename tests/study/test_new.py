"""Starting a study never overwrites anything, and what it writes can be read."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from teikei.errors import StudyError
from teikei.study import Settings, check, load, new
from teikei.study.read_settings import parse_yaml, read_settings
from teikei.tables.columns import all_columns
from teikei.tables.read_folder import Found


@pytest.mark.parametrize("excel", [False, True])
def test_a_blank_study_has_every_table_and_lacks_only_its_rows(tmp_path: Path, excel: bool) -> None:
    path = new(tmp_path / "mine", excel=excel)
    problems = check(path)
    errors = [problem for problem in problems if not problem.warning]
    assert [problem.message for problem in errors] == ["the study has no company: add at least one row"]
    assert path == (tmp_path / "mine" / "study.xlsx" if excel else tmp_path / "mine")


def test_the_blank_folder_has_the_columns_of_the_one_description(tmp_path: Path) -> None:
    folder = new(tmp_path / "mine")
    for table, columns in all_columns().items():
        with (folder / f"{table}.csv").open(encoding="utf-8", newline="") as stream:
            assert list(csv.reader(stream)) == [list(columns)]


def test_the_blank_settings_are_commented_and_valid(tmp_path: Path) -> None:
    text = (new(tmp_path / "mine") / "study.yaml").read_text("utf-8")
    found = Found()
    raw = parse_yaml(text, "study.yaml", found)
    assert raw is not None
    settings = read_settings(raw, found)
    assert found.problems == []
    assert settings is not None
    assert set(raw.values) == set(Settings.model_fields)
    assert text.count("\n# ") >= len(Settings.model_fields)


def test_nothing_is_ever_overwritten(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "precious.txt").write_text("x")
    (tmp_path / "file").write_text("x")
    (tmp_path / "there.xlsx").write_text("x")
    for target, excel in ((folder, False), (folder, True), (tmp_path / "file", False), (tmp_path / "there.xlsx", True)):
        with pytest.raises(StudyError, match=r"not empty|of this name|such a file already"):
            new(target, excel=excel)
    assert [path.name for path in folder.iterdir()] == ["precious.txt"]
    assert (tmp_path / "file").read_text() == (tmp_path / "there.xlsx").read_text() == "x"


def test_an_empty_folder_may_be_filled(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    assert new(tmp_path / "mine") == tmp_path / "mine"


def test_a_path_that_ends_in_xlsx_is_the_workbook(tmp_path: Path) -> None:
    assert new(tmp_path / "our study.xlsx", excel=True) == tmp_path / "our study.xlsx"
    assert (tmp_path / "our study.xlsx").is_file()


def test_an_unknown_template_is_refused_with_the_closest_name(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match='did you mean "nissan-honda"'):
        new(tmp_path / "mine", template="nisan-honda")
    assert not (tmp_path / "mine").exists()


def test_a_place_that_cannot_be_written_is_explained(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(StudyError, match=r"cannot be written|of this name"):
        new(tmp_path / "file" / "mine")


def test_the_shipped_study_can_be_copied_as_folder_and_as_workbook_with_equal_tables(tmp_path: Path) -> None:
    folder, workbook = new(tmp_path / "a", "nissan-honda"), new(tmp_path / "b", "nissan-honda", excel=True)
    left, right = load(folder), load(workbook)
    assert left.settings == right.settings
    assert all(left[name].equals(right[name]) for name in all_columns())
    assert left.companies == ("Nissan", "Honda", "Mitsubishi")
    assert [problem for problem in check(folder) if not problem.warning] == []
