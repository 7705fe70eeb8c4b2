"""Exported tables carry every digit and no live formula, and are written whole or not at all."""

from __future__ import annotations

import csv
import json
import math
import re
import zipfile
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from python_calamine import CalamineWorkbook

from teikei.errors import DamagedRunError, StudyError
from teikei.runs import export as module
from teikei.runs import read, save
from teikei.runs.compare import compare_text
from teikei.runs.export import export, write_tables

NASTY = ["=1+1", "+1+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "=HYPERLINK(\"http://x\")", "http://x",
         "plain", "'quoted", "a,b\"c", "線", "{=1}", "-5", "−5"]  # fmt: skip
TABLES = {
    "cost_by_rung": pl.DataFrame({"rung": ["alone", "battery"], "value": [0.1 + 0.2, 1e-300], "gap": [None, math.nan]}),
    "texts": pl.DataFrame({"text": NASTY, "=header": NASTY, "list": [[text, "b"] for text in NASTY]}),
    "kinds": pl.DataFrame({"yes": [True, False], "count": [1, -(2**53)], "when": ["2027-04", None]}),
    "a name that is far too long for a sheet of Excel": pl.DataFrame({"x": [1.0]}),
    "A NAME THAT IS FAR TOO LONG FOR A SHEET OF EXCEL": pl.DataFrame({"x": [2.0]}),
    "empty": pl.DataFrame(schema={"x": pl.Float64}),
}


@pytest.fixture
def run(tmp_path: Path) -> Path:
    inputs = tmp_path / "study"
    inputs.mkdir()
    (inputs / "companies.csv").write_text("company\nA\n", "utf-8")
    save(tmp_path / "run", TABLES, {"versions": {"teikei": "0.0.1"}}, inputs, lambda *_: None, "")
    return tmp_path / "run"


def test_parquet_is_the_stored_table_to_the_last_bit(run: Path) -> None:
    folder = export(run, "parquet")
    assert folder == run.with_name("run-parquet")
    for name, table in TABLES.items():
        assert pl.read_parquet(folder / f"{name}.parquet").equals(table, null_equal=True)


def test_csv_carries_every_digit_and_an_empty_cell_where_there_is_no_number(run: Path) -> None:
    rows = list(csv.reader((export(run, "csv") / "cost_by_rung.csv").open(encoding="utf-8", newline="")))
    assert rows[0] == ["rung", "value", "gap"]
    assert [float(row[1]) for row in rows[1:]] == [0.1 + 0.2, 1e-300]
    assert [row[2] for row in rows[1:]] == ["", ""]
    kinds = list(csv.reader((run.with_name("run-csv") / "kinds.csv").open(encoding="utf-8", newline="")))
    assert kinds[1:] == [["yes", "1", "2027-04"], ["no", str(-(2**53)), ""]]


def live(text: str) -> bool:
    """Whether a spreadsheet would take the cell for a formula."""
    plain = re.fullmatch(r"[+-]?\d+(\.\d+)?([eE][+-]?\d+)?", text)
    return plain is None and text.lstrip("\t\r\n \u3000\ufeff").startswith(("=", "+", "-", "@"))


def test_no_cell_of_an_exported_csv_is_a_formula(run: Path) -> None:
    for path in export(run, "csv").iterdir():
        for row in csv.reader(path.open(encoding="utf-8", newline="")):
            assert not [cell for cell in row if live(cell)]


CELL = st.text(alphabet=st.sampled_from("=+-@\t\r\n \u3000'\"|!A1"), max_size=6)


@settings(
    max_examples=150, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(texts=st.lists(CELL, min_size=1, max_size=5))
def test_no_text_whatever_becomes_a_formula_in_a_csv(tmp_path: Path, texts: list[str]) -> None:
    folder = write_tables({"t": pl.DataFrame({"text": texts})}, "csv", tmp_path / "out")
    for row in csv.reader((folder / "t.csv").open(encoding="utf-8", newline="")):
        assert not [cell for cell in row if live(cell)]


def test_workbook_holds_values_only_and_every_digit(run: Path) -> None:
    path = export(run, "xlsx")
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            if name.startswith("xl/worksheets/"):
                text = archive.read(name)
                assert b"<f>" not in text
                assert b"<f " not in text
                assert b"hyperlink" not in text
        assert not [name for name in archive.namelist() if "externalLink" in name]
    book = CalamineWorkbook.from_path(str(path))
    assert len(book.sheet_names) == len(TABLES)
    assert all(len(name) <= 31 for name in book.sheet_names)
    rows = book.get_sheet_by_name("cost_by_rung").to_python()
    assert [row[1] for row in rows[1:]] == [0.1 + 0.2, 1e-300]
    told = [row[0] for row in book.get_sheet_by_name("texts").to_python()[1:]]
    assert [text.strip() for text in told] == [text.strip() for text in NASTY]


@pytest.mark.parametrize("kind", ["parquet", "csv", "xlsx"])
def test_failed_export_leaves_the_earlier_one_and_nothing_else(
    run: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = export(run, kind)
    before = sorted(path.name for path in run.parent.iterdir())
    content = first.read_bytes() if first.is_file() else sorted(path.read_bytes() for path in first.iterdir())

    def broken(*_: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(module, "_workbook", broken)
    monkeypatch.setattr(module, "_WRITERS", {"parquet": broken, "csv": broken})
    with pytest.raises(OSError, match="no space"):
        export(run, kind)
    assert sorted(path.name for path in run.parent.iterdir()) == before
    assert (first.read_bytes() if first.is_file() else sorted(p.read_bytes() for p in first.iterdir())) == content


def test_export_again_replaces_the_earlier_one(run: Path) -> None:
    first = export(run, "csv")
    (first / "left_over.csv").write_text("x", "utf-8")
    assert not (export(run, "csv") / "left_over.csv").exists()


def test_folder_of_someone_else_is_never_replaced(run: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear", "utf-8")
    for kind in ("csv", "parquet", "xlsx"):
        with pytest.raises(StudyError, match=r"something else|is a folder"):
            export(run, kind, tmp_path / "mine")
    with pytest.raises(StudyError, match="expected one of"):
        export(run, "json")


def test_older_run_says_what_to_do(run: Path) -> None:
    record = run / "run.json"
    record.write_text(json.dumps({**json.loads(record.read_text("utf-8")), "format": 0}), "utf-8")
    with pytest.raises(DamagedRunError, match=r"older teikei.*teikei run .*inputs"):
        read(run)


def test_comparing_with_a_run_that_lacks_a_table_or_whose_inputs_fail_says_what_to_do(run: Path) -> None:
    with pytest.raises(DamagedRunError, match=r"no longer pass the checks.*teikei check"):
        compare_text([run, run])
