"""No file that teikei writes carries a formula that a person's text put there; there is one writer and one decision."""

from __future__ import annotations

import csv
import io
import re
import zipfile
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import teikei
from teikei.tables.columns import all_columns
from teikei.tables.formula_guard import guarded, is_formula, unguarded
from teikei.tables.read_folder import Found, parse_csv
from teikei.tables.read_tables import read_table
from teikei.tables.write import cell_text, new_workbook, write_cell, write_csv, write_frame
from teikei.web.tables import Sheet, write_sheet

HOSTILE = [
    "=1+1", "+1+1", "-1+1", "@SUM(A1)", " =1+1", "\t=1+1", "\u3000=1+1", "\u00a0=cmd", "\ufeff=1+1", "\u200b=1+1",
    "\n=1+1", "\r=1+1", "＝1+1", "＋1+1", "－1+1", "＠SUM(A1)", "﹦1+1", " \u3000\t＝1+1", "=", "-",
    "-cmd|' /C calc'!A0",
    '=HYPERLINK("https://example.org","x")', "+81-3-1234", "-5%",
]  # fmt: skip
HARMLESS = ["", "a=1", "1+1", "-5", "+5", "-5.25", "-.5", "1e-3", "-1E+3", "北（株）", "x@y", "'quoted'", "O'Neill"]


@pytest.mark.parametrize("text", HOSTILE)
def test_what_a_spreadsheet_would_run_is_guarded(text: str) -> None:
    assert is_formula(text)
    assert not is_formula(guarded(text))
    assert unguarded(guarded(text)) == text


@pytest.mark.parametrize("text", HARMLESS)
def test_other_text_stays_as_it_is(text: str) -> None:
    assert guarded(text) == text == unguarded(text)


@settings(max_examples=300, derandomize=True)
@given(st.text(st.sampled_from(["'", "=", "-", "5", "＝", " ", "\t", "a", ".", "\u3000", "\u200b"]), max_size=8))
def test_the_guard_is_taken_away_exactly(text: str) -> None:
    assert unguarded(guarded(text)) == text
    assert not is_formula(guarded(text))


def live_cells(path: Path) -> list[str]:
    """What a spreadsheet would run in a CSV file or in a workbook."""
    if path.suffix == ".csv":
        rows = csv.reader(io.StringIO(path.read_text("utf-8"), newline=""))
        return [cell for row in rows for cell in row if is_formula(cell)]
    with zipfile.ZipFile(path) as archive:
        sheets = [archive.read(name).decode() for name in archive.namelist() if "worksheets/sheet" in name]
    return [found for sheet in sheets for found in re.findall(r"<f[ >][^<]*|<hyperlink [^>]*", sheet)]


@pytest.mark.parametrize("text", [*HOSTILE, "{=1+1}", "https://example.org", "'=1+1"])
def test_the_writer_writes_no_formula_and_no_link(text: str, tmp_path: Path) -> None:
    write_csv(tmp_path / "a.csv", ["name", text], [[text, 1.5], [[text, "b"], None]])
    write_csv(tmp_path / "b.csv", ["name"], [[text]], typed=True)
    write_frame(tmp_path / "c.csv", pl.DataFrame({"name": [text], "names": [[text, text]]}))
    with new_workbook(tmp_path / "d.xlsx") as book:
        sheet = book.add_worksheet("a")
        write_cell(sheet, 0, 0, text)
        write_cell(sheet, 1, 0, [text, text])
        write_cell(sheet, 2, 0, text, None, book.add_format({"quote_prefix": True}))
    for file in sorted(tmp_path.iterdir()):
        assert live_cells(file) == [], file.name


def test_numbers_keep_every_digit(tmp_path: Path) -> None:
    values = [0.1 + 0.2, 1e-300, -1234567.891011, 5.0, 2**53 - 1.0]
    write_csv(tmp_path / "a.csv", ["x"], [[value] for value in values])
    read = [float(row["x"]) for row in csv.DictReader((tmp_path / "a.csv").open(encoding="utf-8"))]
    assert read == values
    assert [cell_text(value) for value in (None, float("nan"), float("inf"), True)] == ["", "", "", "yes"]


def test_every_file_is_written_by_the_one_writer() -> None:
    own = re.compile(r"csv\.(writer|DictWriter)\(|\.write_csv\(|\.write_excel\(|xlsxwriter\.Workbook\(|openpyxl")
    root = Path(teikei.__file__).parent
    found = [
        f"{file.relative_to(root)}: {match[0]}"
        for file in sorted(root.rglob("*.py"))
        for match in own.finditer(file.read_text("utf-8"))
    ]
    kinds = ("csv.writer(", "csv.writer(", ".write_csv(", "xlsxwriter.Workbook(")
    assert found == [f"tables/write.py: {kind}" for kind in kinds]


@pytest.mark.parametrize("text", HOSTILE)
def test_a_cell_edited_on_the_page_is_kept_and_carries_no_formula(text: str, tmp_path: Path) -> None:
    sheet = Sheet("companies", ("company", "title"), ((2, ("Aoba", text)), (3, ("Midori", "'=1+1"))))
    write_sheet(sheet, tmp_path)
    assert live_cells(tmp_path / "companies.csv") == []
    found = Found()
    raw = parse_csv(
        "companies", "companies.csv", (tmp_path / "companies.csv").read_text("utf-8"), found, ("company", "title")
    )
    assert raw is not None
    titles = [row["title"] for row in read_table(raw, all_columns()["companies"], found)]
    assert titles[1] == "=1+1"
