from __future__ import annotations

import zipfile
from pathlib import Path

import polars as pl
import pytest
from python_calamine import CalamineWorkbook

from teikei.report import write
from tests.report.fake_tables import meta, tables

COMMANDS = (
    "=CMD()",
    "+1+cmd|' /C calc'!A0",
    "-2+3",
    "@SUM(1)",
    "\t=1",
    '=HYPERLINK("http://x")',
    "http://example.org",
    "007",
)


def workbook(folder: Path, stored: dict[str, pl.DataFrame], known: dict) -> Path:
    return write(stored, known, folder).with_name("report.xlsx")


def test_every_stored_table_reads_back_unrounded(tmp_path):
    book = CalamineWorkbook.from_path(str(workbook(tmp_path, tables(), meta())))
    for name, frame in tables().items():
        rows = book.get_sheet_by_name(name).to_python(skip_empty_area=False)
        assert rows[0] == frame.columns
        assert len(rows) == frame.height + 1
        for row, expected in zip(rows[1:], frame.rows(), strict=True):
            for found, wanted in zip(row, expected, strict=True):
                shown = (
                    "" if wanted is None else {True: "yes", False: "no"}[wanted] if isinstance(wanted, bool) else wanted
                )
                assert found == (pytest.approx(shown, rel=1e-15) if isinstance(shown, float) else shown), (name, row)


def test_first_sheet_holds_the_answer_in_the_unit_of_the_page(tmp_path):
    book = CalamineWorkbook.from_path(str(workbook(tmp_path, tables(), meta())))
    rows = book.get_sheet_by_index(0).to_python()
    header = next(row for row in rows if row[0] == "Rung")
    battery = next(row for row in rows if row[0] == "battery")
    assert header[1] == "Saves, bn JPY, and proven range"
    assert battery[1] == pytest.approx(140.07)
    assert battery[2] == pytest.approx(140_070 / 2_787_050)
    assert battery[4] == pytest.approx(140.07 * 0.42)
    market = tables()["market_summary"].filter((pl.col("year") == 2030) & (pl.col("scenario") == "study"))
    assert battery[8] == pytest.approx(market.filter(pl.col("rung") == "battery")["ev_share_change"][0])
    assert rows[1][0] == meta()["label"]


def test_no_text_becomes_a_formula_a_link_or_a_number(tmp_path):
    stored = {**tables(), "warnings": pl.DataFrame({"stage": list(COMMANDS), "message": ["=1+1"] * len(COMMANDS)})}
    path = workbook(
        tmp_path, stored, {**meta(), "title": "=CMD()", "label": "@x", "scenario": "+y", "seeds": {"=a": "=b"}}
    )
    with zipfile.ZipFile(path) as archive:
        sheets = [name for name in archive.namelist() if name.startswith("xl/worksheets/")]
        texts = {name: archive.read(name).decode() for name in sheets}
        assert len([name for name in texts if name.endswith(".xml")]) >= len(tables())
        assert not any("<f>" in text or "<f " in text or "<hyperlink" in text for text in texts.values())
        assert not any("externalLink" in name for name in archive.namelist())
        assert "quotePrefix" in archive.read("xl/styles.xml").decode()
    rows = CalamineWorkbook.from_path(str(path)).get_sheet_by_name("warnings").to_python()
    assert [row[0] for row in rows[1:]] == list(COMMANDS)


def test_table_names_that_excel_refuses_get_names_it_takes(tmp_path):
    names = ["a" * 40, "a" * 39, "x/y[z]:?*", "History", "'quoted'", "Answer", "SHARES"]
    stored = {**tables(), **{name: pl.DataFrame({"n": [index]}) for index, name in enumerate(names)}}
    book = CalamineWorkbook.from_path(str(workbook(tmp_path, stored, meta())))
    assert len(book.sheet_names) == len(tables()) + len(names) + 3
    assert all(len(name) <= 31 for name in book.sheet_names)
    assert len({name.lower() for name in book.sheet_names}) == len(book.sheet_names)


def test_lists_long_texts_and_dates_are_written(tmp_path):
    odd = pl.DataFrame({"list": [["a", "b"]], "long": ["x" * 40_000], "number": [float("inf")]}).with_columns(
        pl.date(2026, 11, 23).alias("day")
    )
    book = CalamineWorkbook.from_path(str(workbook(tmp_path, {"odd": odd}, meta())))
    row = book.get_sheet_by_name("odd").to_python()[1]
    assert row[0] == "a; b"
    assert len(row[1]) == 32_000
    assert row[2] == ""
    assert row[3] == "2026-11-23"


def test_no_tables_give_a_workbook_that_says_so(tmp_path):
    book = CalamineWorkbook.from_path(str(workbook(tmp_path, {}, {})))
    assert book.sheet_names == ["Answer", "Ladder", "Run"]
    assert "not evaluated" in str(book.get_sheet_by_name("Ladder").to_python())


def test_the_first_sheet_lists_every_other_table_with_what_it_answers(tmp_path):
    write(tables(), meta(), tmp_path)
    book = CalamineWorkbook.from_path(tmp_path / "report.xlsx")
    rows = book.get_sheet_by_name("Answer").to_python()
    start = next(number for number, row in enumerate(rows) if row[:2] == ["Sheet", "What it answers"])
    listed = {row[0]: row[1] for row in rows[start + 1 :]}
    assert list(listed) == [name for name in book.sheet_names if name not in ("Answer", "Ladder", "Run")]
    assert all(listed.values())
