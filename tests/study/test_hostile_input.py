"""Studies made to hurt: right words in wrong places, endless lists, bombs. Always a sentence, soon, little memory."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from teikei.errors import StudyError
from teikei.study import check, load
from teikei.study.loading import MOST_PROBLEMS, MOST_ROWS
from tests.study.small import SETTINGS, small_tables, write_small
from tests.study.test_mutations import judge, with_tables

TABLES = list(small_tables())
_PLACE = st.tuples(st.sampled_from(TABLES), st.integers(0, 50), st.integers(0, 50))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_small(tmp_path_factory.mktemp("hostile") / "study")


def _cell(tables: dict[str, list[list[str]]], place: tuple[str, int, int]) -> tuple[list[str], int]:
    rows = tables[place[0]]
    return rows[1 + place[1] % (len(rows) - 1)], place[2] % len(rows[0])


@settings(
    max_examples=420, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(moves=st.lists(st.tuples(_PLACE, _PLACE), min_size=1, max_size=6))
def test_any_cell_may_hold_what_belongs_into_another(
    folder: Path, moves: list[tuple[tuple[str, int, int], tuple[str, int, int]]]
) -> None:
    tables = small_tables()
    for source, target in moves:
        row, column = _cell(small_tables(), source)
        to, at = _cell(tables, target)
        to[at] = row[column]
    with_tables(folder, tables, {target[0] for _, target in moves})


@pytest.mark.parametrize("name", ["a\nb", "a\r\nb", "a\u2028b", "\x1b[31mred"])
def test_each_problem_is_one_line_whatever_names_the_study_uses(folder: Path, name: str) -> None:
    tables = small_tables()
    tables["programmes"][1][0] = name
    tables["tiers"][0].append(name)
    problems = with_tables(folder, tables, {"programmes", "tiers"})
    assert problems
    for problem in problems:
        assert len(str(problem).splitlines()) == 1
        assert "\x1b" not in str(problem)


def test_table_of_too_many_rows_is_refused_in_one_sentence(tmp_path: Path) -> None:
    study = write_small(tmp_path / "study")
    with (study / "offers.csv").open("a", encoding="utf-8") as file:
        file.writelines(["O9,Nobody,Nowhere,E9,any,XXX,piece,x,y,z\n"] * (MOST_ROWS + 1))
    told = [problem for problem in check(study) if problem.place == "offers.csv" and not problem.warning]
    assert len(told) == 1
    assert "divide it" in told[0].message


def test_list_of_problems_has_an_end_and_says_so(tmp_path: Path) -> None:
    study = write_small(tmp_path / "study")
    with (study / "offers.csv").open("a", encoding="utf-8") as file:
        file.writelines(["O9,Nobody,Nowhere,E9,any,XXX,piece,x,y,z\n"] * (MOST_PROBLEMS // 4))
    problems = check(study)
    assert len(problems) == MOST_PROBLEMS + 1
    assert "there are more" in problems[-1].message
    with pytest.raises(StudyError, match="there are more"):
        load(study)


LAUGHS = "a: &a [ha, ha]\n" + "".join(
    f"{chr(98 + n)}: &{chr(98 + n)} [{', '.join(['*' + chr(97 + n)] * 9)}]\n" for n in range(20)
)
BOMBS = {
    "billion laughs": SETTINGS + LAUGHS,
    "open brackets": SETTINGS + "a: " + "[" * 50_000,
    "a deep map": SETTINGS + "".join(" " * n + f"k{n}:\n" for n in range(400)),
    "an object of Python": SETTINGS + "x: !!python/object/apply:os.system ['true']\n",
    "a list that holds itself": SETTINGS + "x: &x [*x]\n",
    "a number of a hundred thousand digits": SETTINGS.replace("first_year: 2027", "first_year: " + "9" * 100_000),
}


@pytest.mark.parametrize("text", BOMBS.values(), ids=BOMBS)
def test_settings_made_to_hurt_end_in_a_sentence(tmp_path: Path, text: str) -> None:
    problems = judge(write_small(tmp_path / "study", settings=text))
    assert any(problem.place.startswith("study.yaml") for problem in problems if not problem.warning)


@pytest.mark.parametrize("kind", ["pipe", "folder", "loop", "endless", "nowhere"])
def test_special_files_end_in_a_sentence_and_are_never_waited_for(tmp_path: Path, kind: str) -> None:
    study = write_small(tmp_path / "study")
    path = study / "offers.csv"
    path.unlink()
    match kind:
        case "pipe":
            os.mkfifo(path)
        case "folder":
            path.mkdir()
        case "loop":
            path.symlink_to(path)
        case "endless":
            path.symlink_to("/dev/zero")
        case _:
            path.symlink_to(tmp_path / "nothing")
    assert any(problem.place == "offers.csv" for problem in check(study))
