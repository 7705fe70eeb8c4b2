"""Whatever a file holds, reading it ends in a study or in sentences with places: never in another exception."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from teikei.errors import Problem, StudyError
from teikei.study import check, format_problems_text, load
from teikei.tables.columns import all_columns
from tests.study.small import SETTINGS, small_tables, write_small

NASTY = [
    *(
        "",
        " ",
        "\u3000",
        "0",
        "-1",
        "1e308",
        "1e999",
        "-1e400",
        "nan",
        "inf",
        "1,5",
        "1.234,5",
        "58 kWh",
        "12%",
        "１２",
        "−5",
        "0x1f",
    ),
    *(
        "yes",
        "no",
        "TRUE",
        "any",
        "all",
        "none",
        ";",
        ";;",
        "a;b",
        "a=b",
        "=1+1",
        "@x",
        "'",
        '"',
        "\n",
        "a\nb",
        "\x00",
        "\x1b[0m",
    ),
    *(
        "2027",
        "2027-04",
        "2027-13",
        "9999999999999999999",
        "1_000",
        "½",
        "Ⅷ",
        "①",
        "\ud7ff",
        "\u202e",
        "💥",
        "e" * 300,
        "{0}",
        "%s",
    ),
    *(
        "Aoba",
        "Midori",
        "P1",
        "P2",
        "G1",
        "E1",
        "B1",
        "T1",
        "T3",
        "O1",
        "e-axle",
        "pack",
        "*",
        "class:",
        ":",
        "&",
        "+",
        "Aoba+Aoba",
    ),
    *(
        "study",
        "volumes",
        "discount_rate",
        "programme=P1",
        "programme=",
        "=P1",
        "EA_S/",
        "cells/2027",
        "1/0",
        "multiply",
        "set",
    ),
]
CELL_TEXT = st.one_of(st.sampled_from(NASTY), st.text(max_size=12))
TABLES = list(small_tables())
PLACE = re.compile(r"(study\.yaml|[^:!\n]+\.csv)(:\d+(:[^\n]+)?)?", re.S)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_small(tmp_path_factory.mktemp("mutated") / "study")


def judge(folder: Path) -> list[Problem]:
    """The claim itself: problems with places and sentences, and load agrees with check."""
    problems = check(folder)
    for problem in problems:
        assert PLACE.fullmatch(problem.place), problem
        assert len(problem.message) > 10, problem
        assert "fault of teikei" not in problem.message, problem
    assert len(format_problems_text(problems).splitlines()) == len(problems)
    if any(not problem.warning for problem in problems):
        with pytest.raises(StudyError) as caught:
            load(folder)
        assert list(caught.value.problems) == problems
    else:
        study = load(folder)
        for name, columns in all_columns().items():
            assert study[name].schema == {column.name: column.dtype for column in columns.values()}
    return problems


def with_tables(folder: Path, tables: dict[str, list[list[str]]], names: set[str]) -> list[Problem]:
    """Judges the folder with some tables replaced, and puts the good ones back."""
    kept = {name: (folder / f"{name}.csv").read_bytes() for name in names}
    try:
        write_small(folder, {name: tables[name] for name in names})
        return judge(folder)
    finally:
        for name, data in kept.items():
            (folder / f"{name}.csv").write_bytes(data)


_CELL = st.tuples(st.sampled_from(TABLES), st.integers(0, 50), st.integers(0, 50), CELL_TEXT)


@settings(
    max_examples=220, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(cells=st.lists(_CELL, min_size=4, max_size=8))
def test_any_cells_of_any_tables_may_hold_anything(folder: Path, cells: list[tuple[str, int, int, str]]) -> None:
    tables = small_tables()
    for table, row, column, text in cells:
        rows = tables[table]
        rows[1 + row % (len(rows) - 1)][column % len(rows[0])] = text
    with_tables(folder, tables, {table for table, *_ in cells})


def test_every_column_of_every_table_survives_every_nasty_text(folder: Path) -> None:
    # One text in every cell of every table at once: each cell is read with each nasty text.
    for text in NASTY:
        tables = {name: [rows[0], *[[text] * len(rows[0]) for _ in rows[1:]]] for name, rows in small_tables().items()}
        assert with_tables(folder, tables, set(tables)), text


def test_each_single_cell_replaced_by_a_text_of_the_wrong_kind_is_noticed_if_it_is_a_number(folder: Path) -> None:
    dice = random.Random(7)
    for name, rows in small_tables().items():
        for column, title in enumerate(rows[0]):
            described = all_columns()[name][title]
            if described.kind not in ("number", "integer", "year", "month", "boolean", "choice"):
                continue
            tables = small_tables()
            row = dice.randrange(1, len(rows))
            tables[name][row][column] = "bogus"
            places = [problem.place for problem in with_tables(folder, tables, {name}) if not problem.warning]
            lines = _first_lines(tables[name])
            assert f"{name}.csv:{lines[row]}:{title}" in places


def _first_lines(rows: list[list[str]]) -> list[int]:
    lines = [1]
    for row in rows:
        lines.append(lines[-1] + 1 + sum(cell.count("\n") for cell in row))
    return lines


_SHAPE = st.tuples(
    st.sampled_from(
        ["drop row", "double row", "drop column", "double column", "rename column", "shorten", "lengthen", "swap"]
    ),
    st.sampled_from(TABLES),
    st.integers(0, 50),
    st.integers(0, 50),
    st.sampled_from(["", "x", "unit_prise", "note", "company", "e" * 200]),
)


@settings(
    max_examples=100, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(changes=st.lists(_SHAPE, min_size=1, max_size=4))
def test_rows_and_columns_may_be_lost_doubled_renamed_or_cut(
    folder: Path, changes: list[tuple[str, str, int, int, str]]
) -> None:
    tables = small_tables()
    for kind, table, row_number, column_number, text in changes:
        rows = tables[table]
        row, column = row_number % len(rows), column_number % max(len(rows[0]), 1)
        match kind:
            case "drop row" if len(rows) > 1:
                rows.pop(row)
            case "double row":
                rows.insert(row, list(rows[row]))
            case "drop column" if len(rows[0]) > 1:
                tables[table] = [cells[:column] + cells[column + 1 :] for cells in rows]
            case "double column":
                tables[table] = [[*cells, *cells[column : column + 1]] for cells in rows]
            case "rename column" if rows[0]:
                rows[0][column] = text
            case "shorten":
                rows[row] = rows[row][:column]
            case "lengthen":
                rows[row] = [*rows[row], text]
            case "swap":
                rows[0], rows[row] = rows[row], rows[0]
    with_tables(folder, tables, {change[1] for change in changes})


@settings(
    max_examples=150, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_any_bytes_of_any_file_may_be_anything(folder: Path, data: st.DataObject) -> None:
    path = folder / data.draw(st.sampled_from([*[f"{name}.csv" for name in TABLES], "study.yaml"]))
    kept = path.read_bytes()
    content = bytearray(kept)
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(content)))
        content[place : place + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=4))
    try:
        path.write_bytes(content)
        judge(folder)
    finally:
        path.write_bytes(kept)


_YAML_VALUES = st.one_of(
    st.sampled_from(
        [
            "",
            "~",
            "yes",
            "[]",
            "{}",
            "[1, 2",
            "*a",
            "&a x",
            "!!int x",
            "!!binary x",
            "2026-01-01",
            "1e400",
            ".nan",
            "'",
            "? x",
            "- 1",
            "0x7f",
            "1:30",
            "|",
            ">",
        ]
    ),
    st.text(max_size=10),
    st.floats().map(str),
)


@settings(
    max_examples=150, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(line=st.integers(0, 10), value=_YAML_VALUES)
def test_any_setting_may_hold_anything(folder: Path, line: int, value: str) -> None:
    lines = SETTINGS.splitlines()
    lines[line] = f"{lines[line].partition(':')[0]}: {value}"
    try:
        (folder / "study.yaml").write_text("\n".join(lines), "utf-8", errors="replace")
        judge(folder)
    finally:
        (folder / "study.yaml").write_text(SETTINGS, "utf-8")
