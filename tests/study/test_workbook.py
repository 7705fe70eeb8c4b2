"""Excel workbooks: what is written loads back equal, and every bad workbook is explained."""

from __future__ import annotations

import csv
import datetime
import io
import re
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import xlsxwriter
from hypothesis import given, settings
from hypothesis import strategies as st

from teikei.errors import Problem, StudyError
from teikei.study import Study, check, load, write_folder, write_workbook
from teikei.tables.columns import all_columns, frame
from teikei.tables.read_folder import Found
from teikei.tables.workbook_guard import _is_of_sane_size
from tests.study.small import SETTINGS, small_tables, write_small

Edit = Callable[[Any, Any], None]


def equal(left: Study, right: Study) -> bool:
    return left.settings == right.settings and all(left[name].equals(right[name]) for name in all_columns())


def test_a_workbook_written_from_a_folder_loads_to_equal_tables(tmp_path: Path) -> None:
    study = load(write_small(tmp_path / "study"))
    workbook = write_workbook(study, tmp_path / "study.xlsx")
    assert check(workbook) == []
    assert equal(load(workbook), study)
    assert load(workbook).row_places["offers"][0] == "study.xlsx!offers!2"
    assert equal(load(write_folder(load(workbook), tmp_path / "again")), study)


HOSTILE = [
    "=1+1",
    "+1+1",
    "-x",
    "@SUM(A1)",
    "'=x",
    "''=x",
    "=cmd|' /C calc'!A0",
    "_x0041_",
    "https://a.b",
    "a\nb",
    "日本語 ①",
    "#REF!",
    "-5",
]


def noted(*texts: str) -> dict[str, pl.DataFrame]:
    rows = [{"company": f"A{number}", "title": text, "note": text} for number, text in enumerate(texts)]
    return {"companies": frame("companies", rows)}


def test_text_that_looks_like_a_formula_stays_text_both_ways(tmp_path: Path) -> None:
    tables = noted(*HOSTILE)
    for path in (write_workbook(tables, tmp_path / "study.xlsx"), write_folder(tables, tmp_path / "folder")):
        assert load(path)["companies"]["title"].to_list() == HOSTILE


def test_no_cell_of_a_written_workbook_is_a_formula_or_link_and_no_csv_cell_begins_one(tmp_path: Path) -> None:
    with zipfile.ZipFile(write_workbook(noted(*HOSTILE), tmp_path / "study.xlsx")) as archive:
        sheets = b"".join(archive.read(name) for name in archive.namelist() if name.startswith("xl/worksheets/sheet"))
    assert b"<sheetData>" in sheets
    assert b"<f>" not in sheets
    assert b"<hyperlink" not in sheets
    with (write_folder(noted(*HOSTILE), tmp_path / "folder") / "companies.csv").open(
        encoding="utf-8", newline=""
    ) as file:
        cells = [cell for row in csv.reader(file) for cell in row]
    assert "'=1+1" in cells
    assert [cell for cell in cells if cell.startswith(("=", "+", "-", "@"))] == ["-5", "-5"]  # plain negative numbers


_TEXT = st.text(st.characters(blacklist_categories=("Cs", "Cc"), blacklist_characters="\ufffe\uffff"), max_size=40)


@settings(max_examples=10, deadline=None, derandomize=True)
@given(
    texts=st.lists(_TEXT, min_size=20, max_size=20),
    numbers=st.lists(st.floats(min_value=1e-300, max_value=1e300), min_size=20, max_size=20),
)
def test_any_text_and_number_survives_workbook_and_folder(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str], numbers: list[float]
) -> None:
    tables = {
        "companies": frame("companies", [{"company": f"A{i}", "note": t.strip() or None} for i, t in enumerate(texts)]),
        "currencies": frame("currencies", [{"currency": f"X{i}", "rate": number} for i, number in enumerate(numbers)]),
    }
    folder = tmp_path_factory.mktemp("round")
    for path in (write_workbook(tables, folder / "study.xlsx"), write_folder(tables, folder / "folder")):
        study = load(path)
        assert study["companies"].equals(tables["companies"])
        assert study["currencies"].equals(tables["currencies"])


def test_a_text_too_long_for_a_cell_is_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="do not fit into a cell"):
        write_workbook(noted("x" * 40_000), tmp_path / "study.xlsx")


def test_headers_carry_units_and_notes_choices_have_drop_downs(tmp_path: Path) -> None:
    workbook = write_workbook({}, tmp_path / "study.xlsx")
    with zipfile.ZipFile(workbook) as archive:
        texts = archive.read("xl/sharedStrings.xml").decode()
        sheets = [archive.read(name).decode() for name in archive.namelist() if name.startswith("xl/worksheets/sheet")]
        comments = "".join(archive.read(name).decode() for name in archive.namelist() if "comments" in name)
    assert "body_mass_kg [kg]" in texts
    assert comments.count("<comment ") == sum(map(len, all_columns().values()))
    assert "<formula1>&quot;yes,no&quot;</formula1>" in "".join(sheets) or '<formula1>"yes,no"</formula1>' in "".join(
        sheets
    )
    assert "<formula1>'companies'!$A$2:$A$1000</formula1>" in "".join(sheets)
    assert sum('state="frozen"' in sheet for sheet in sheets) >= len(all_columns())
    choices = sum(column.kind == "choice" for columns in all_columns().values() for column in columns.values())
    assert "".join(sheets).count('type="list"') >= choices


def raw_workbook(path: Path, edit: Edit | None = None, skip: tuple[str, ...] = ()) -> Path:
    """The small study typed into a workbook cell by cell, then altered by ``edit(book, sheets)``."""
    book = xlsxwriter.Workbook(str(path), {"strings_to_formulas": False})
    sheets = {}
    if "study" not in skip:
        sheets["study"] = book.add_worksheet("study")
        sheets["study"].write_row(0, 0, ["setting", "value"])
        lines = [line.partition(": ") for line in SETTINGS.splitlines() if ": " in line]
        for row, (key, _, value) in enumerate(lines, start=1):
            text = value.strip("[]").replace(", ", ";") if value.startswith("[") else value
            sheets["study"].write_row(row, 0, [key, float(text) if re.fullmatch(r"\d+", text) else text])
    for name, rows in small_tables().items():
        if name in skip:
            continue
        sheets[name] = book.add_worksheet(name)
        for row, cells in enumerate(rows):
            for column, cell in enumerate(cells):
                if row and re.fullmatch(r"-?\d+(\.\d+)?", cell) and name not in ("scenarios", "rules"):
                    sheets[name].write_number(row, column, float(cell))
                elif cell:
                    sheets[name].write_string(row, column, cell)
    if edit is not None:
        edit(book, sheets)
    book.close()
    return path


def cell_of(table: str, row: int, column: str) -> tuple[int, int]:
    return row, small_tables()[table][0].index(column)


def in_cell(table: str, row: int, column: str, value: Any, method: str = "write") -> Edit:
    def edit(book: Any, sheets: Any) -> None:
        extra = (book.add_format({"num_format": "yyyy-mm-dd"}),) if method == "write_datetime" else ()
        getattr(sheets[table], method)(*cell_of(table, row, column), value, *extra)

    return edit


def test_a_workbook_typed_by_hand_loads_like_the_folder(tmp_path: Path) -> None:
    workbook = raw_workbook(tmp_path / "study.xlsx")
    assert [problem for problem in check(workbook) if not problem.warning] == []
    assert equal(load(workbook), load(write_small(tmp_path / "study")))


def test_a_folder_that_holds_only_a_workbook_is_that_workbook(tmp_path: Path) -> None:
    raw_workbook(tmp_path / "study.xlsx")
    assert load(tmp_path).companies == ("Aoba", "Midori")


def merged(book: Any, sheets: Any) -> None:
    sheets["companies"].merge_range(4, 0, 5, 0, "Sora")


GOOD_WITH_NOTE: dict[str, tuple[Edit, str, str]] = {
    "a number stored as text": (
        in_cell("tiers", 1, "unit_price", "170000", "write_string"),
        "study.xlsx!tiers!C2",
        "stored as text",
    ),
    "a hidden sheet": (lambda book, sheets: sheets["tiers"].hide(), "study.xlsx!tiers", "hidden"),
    "an unknown sheet": (lambda book, sheets: book.add_worksheet("my thoughts"), "study.xlsx!my thoughts", "ignored"),
    "a merged cell": (merged, "study.xlsx!companies!A5", "merged"),
}


@pytest.mark.parametrize("name", GOOD_WITH_NOTE)
def test_what_can_be_read_in_a_workbook_is_read_with_a_note(tmp_path: Path, name: str) -> None:
    edit, place, words = GOOD_WITH_NOTE[name]
    problems = check(raw_workbook(tmp_path / "study.xlsx", edit))
    assert any(problem.place == place and words in problem.message and problem.warning for problem in problems), (
        problems
    )
    assert [problem for problem in problems if not problem.warning] == []


def test_excel_booleans_dates_and_whole_numbers_are_understood(tmp_path: Path) -> None:
    def edit(book: Any, sheets: Any) -> None:
        in_cell("generations", 1, "sop", datetime.datetime(2024, 4, 1), "write_datetime")(book, sheets)
        in_cell("rungs", 4, "development_shared", True, "write_boolean")(book, sheets)
        in_cell("rungs", 4, "joint_plants", 0, "write_number")(book, sheets)
        in_cell("currencies", 1, "rate_date", datetime.datetime(2026, 6, 30), "write_datetime")(book, sheets)

    study = load(raw_workbook(tmp_path / "study.xlsx", edit))
    assert study["generations"]["sop"][0] == "2024-04"
    assert study["rungs"].row(3, named=True)["development_shared"] is True
    assert study["rungs"].row(3, named=True)["joint_plants"] is False
    assert study["currencies"]["rate_date"].to_list() == ["2026-06-30", "2026-06"]


BAD_CELLS: dict[str, tuple[Edit, str, list[str]]] = {
    "a number turned into a date": (
        in_cell("versions", 1, "share", datetime.datetime(2027, 3, 5), "write_datetime"),
        "study.xlsx!versions!C2",
        ["2027-03-05", "Excel has turned the entry into a date"],
    ),
    "a key turned into a date": (
        in_cell("car_plants", 1, "plant", datetime.datetime(2027, 3, 5), "write_datetime"),
        "study.xlsx!car_plants!A2",
        ["Excel date"],
    ),
    "TRUE for a number": (
        in_cell("versions", 1, "share", True, "write_boolean"),
        "study.xlsx!versions!C2",
        ["TRUE", "a number"],
    ),
    "an error value": (
        lambda book, sheets: sheets["versions"].write_formula(1, 2, "=A1/0", None, "#DIV/0!"),
        "study.xlsx!versions!C2",
        ["#DIV/0!", "mend the formula"],
    ),
    "a number out of range": (
        in_cell("versions", 1, "share", 60, "write_number"),
        "study.xlsx!versions!C2",
        ["0.6 for 60 %"],
    ),
    "a duplicate key": (
        in_cell("car_plants", 2, "plant", "Yama", "write_string"),
        "study.xlsx!car_plants!A3",
        ["twice", "row 2"],
    ),
    "a misspelt reference": (
        in_cell("offers", 1, "supplier", "Denky", "write_string"),
        "study.xlsx!offers!B2",
        ['"Denki"', "study.xlsx!suppliers"],
    ),
    "a bad setting": (
        lambda book, sheets: sheets["study"].write(7, 1, "soon"),
        "study.xlsx!study!B8",
        ['found "soon"', "a whole number"],
    ),
    "a misspelt setting": (
        lambda book, sheets: sheets["study"].write_row(12, 0, ["curency", "JPY"]),
        "study.xlsx!study!B13",
        ['"currency"'],
    ),
    "a misspelt header": (
        lambda book, sheets: sheets["tiers"].write(0, 2, "unit_prise"),
        "study.xlsx!tiers!C1",
        ['"unit_price"'],
    ),
    "a header in another unit": (
        lambda book, sheets: sheets["capacities"].write(0, 2, "capacity [MWh]"),
        "study.xlsx!capacities!C1",
        ["convert"],
    ),
}


@pytest.mark.parametrize("name", BAD_CELLS)
def test_a_bad_cell_of_a_workbook_is_explained_at_its_cell(tmp_path: Path, name: str) -> None:
    edit, place, fragments = BAD_CELLS[name]
    problems = [problem for problem in check(raw_workbook(tmp_path / "study.xlsx", edit)) if not problem.warning]
    text = "\n".join(map(str, problems))
    assert any(problem.place == place and all(part in problem.message for part in fragments) for problem in problems), (
        text
    )
    assert "fault of teikei" not in text


def repacked(path: Path, change: Callable[[str, bytes], bytes | None], extra: dict[str, bytes] | None = None) -> Path:
    """A copy of the workbook with its parts altered (None drops a part)."""
    source = raw_workbook(path.with_name("source.xlsx"))
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            content = change(name, old.read(name))
            if content is not None:
                new.writestr(name, content)
        for name, content in (extra or {}).items():
            new.writestr(name, content)
    source.unlink()
    return path


def bomb_that_lies(path: Path) -> Path:
    """A workbook with a part of 101 MB of blanks whose directory claims a kilobyte."""
    repacked(path, lambda name, content: content, {"xl/media.xml": b" " * 101_000_000})
    data = bytearray(path.read_bytes())
    data = bytearray(bytes(data).replace(struct.pack("<I", 101_000_000), struct.pack("<I", 1_000)))
    path.write_bytes(data)
    return path


def stray_cell(name: str, content: bytes) -> bytes:
    cell = b'<row r="1048576"><c r="XFD1048576"><v>1</v></c></row></sheetData>'
    return content.replace(b"</sheetData>", cell) if name == "xl/worksheets/sheet3.xml" else content


def unfinished(name: str, content: bytes) -> bytes:
    return (
        re.sub(rb'<c r="C2"[^>]*><v>[^<]*</v></c>', b'<c r="C2"><f>1+1</f></c>', content)
        if name.endswith("sheet7.xml")
        else content
    )


BAD_FILES: dict[str, tuple[Callable[[Path], object], list[str]]] = {
    "nothing": (lambda path: path.write_bytes(b""), ["the file is empty"]),
    "text": (lambda path: path.write_text("offer,price\n"), ["no Excel workbook"]),
    "an old workbook": (
        lambda path: path.write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600)),
        ["old Excel workbook (.xls)"],
    ),
    "a protected workbook": (
        lambda path: path.write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + "EncryptedPackage".encode("utf-16-le")),
        ["protected by a password"],
    ),
    "half a workbook": (lambda path: path.write_bytes(raw_workbook(path).read_bytes()[:9000]), ["damaged"]),
    "another archive": (
        lambda path: repacked(path, lambda name, content: None, {"a.txt": b"a"}),
        ["no Excel workbook"],
    ),
    "a bomb": (
        lambda path: repacked(path, lambda name, content: content, {"xl/a.xml": b" " * 101_000_000}),
        ["unpacks to more than 100 MB"],
    ),
    "a bomb that lies about its size": (bomb_that_lies, ["unpacks to more than 100 MB"]),
    "a cell at the end of the world": (lambda path: repacked(path, stray_cell), ["XFD1048576"]),
    "a document type": (
        lambda path: repacked(
            path,
            lambda name, content: b"<!DOCTYPE x [<!ENTITY a 'b'>]>" + content if name == "xl/workbook.xml" else content,
        ),
        ["document type"],
    ),
    "very many parts": (
        lambda path: repacked(path, lambda name, content: content, {f"xl/{number}.xml": b"" for number in range(2100)}),
        ["parts"],
    ),
    "no list of sheets": (
        lambda path: repacked(path, lambda name, content: None if "workbook.xml.rels" in name else content),
        ["damaged"],
    ),
    "broken XML in a sheet": (
        lambda path: repacked(
            path, lambda name, content: content[: len(content) // 2] if name.endswith("sheet3.xml") else content
        ),
        ["cannot be read"],
    ),
    "no sheet of settings": (lambda path: raw_workbook(path, skip=("study",)), ["sheet named study"]),
    "a misspelt sheet": (
        lambda path: raw_workbook(path, lambda book, sheets: book.add_worksheet("tier"), skip=("tiers",)),
        ["expected tiers"],
    ),
    "a formula that was never computed": (lambda path: repacked(path, unfinished), ["without a stored result"]),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_bad_workbook_is_explained(tmp_path: Path, name: str) -> None:
    make, fragments = BAD_FILES[name]
    make(tmp_path / "study.xlsx")
    problems: list[Problem] = check(tmp_path / "study.xlsx")
    text = "\n".join(map(str, problems))
    assert any(all(part in problem.message for part in fragments) and not problem.warning for problem in problems), text
    assert "fault of teikei" not in text
    assert all(problem.place.startswith("study.xlsx") for problem in problems)
    with pytest.raises(StudyError):
        load(tmp_path / "study.xlsx")


@settings(max_examples=80, deadline=None, derandomize=True)
@given(data=st.data())
def test_flipped_bytes_of_a_workbook_never_raise_anything_but_study_errors(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    content = bytearray(_workbook_bytes(tmp_path_factory))
    for _ in range(data.draw(st.integers(1, 5))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.mktemp("flip") / "study.xlsx"
    path.write_bytes(content)
    assert all("fault of teikei" not in problem.message and problem.message for problem in check(path))


_KEPT: list[bytes] = []


def _workbook_bytes(factory: pytest.TempPathFactory) -> bytes:
    if not _KEPT:
        stream = io.BytesIO(raw_workbook(factory.mktemp("kept") / "study.xlsx").read_bytes())
        _KEPT.append(stream.getvalue())
    return _KEPT[0]


def test_every_choice_fits_into_a_drop_down_of_its_own() -> None:
    choices = [",".join(column.values) for columns in all_columns().values() for column in columns.values()]
    assert max(map(len, choices)) <= 255  # longer lists are dropped by Excel without a word


@pytest.mark.parametrize(
    ("sheet", "sane"),
    [
        (b'<row r="1"><c r="A1"/><c r="B1"/></row><row r="1048576" ht="15"/>', True),
        (b'<row r="1"><c/></row><row><c/><c/></row>', True),
        (b"<row r='1'><c r='A1'/></row><row r='9999999'><c r='A9999999'/></row>", False),
        (b'<row r="1"><c r="A1"/></row><row r="9999999"><c/></row>', False),
        (b'<row r="1"><c r="A1"/><c r="xfd999"/></row>', False),
        (b'<row r="1"><c r="A9999999991"/></row>', False),
        (b'<x-y:row r="9999999"><x-y:c/></x-y:row>', False),
        (b'<row r="999999999999"><c/></row>', False),
        (b'<row r="1"><c s=">" r="XFD1048576"/></row>', False),
    ],
)
def test_a_sheet_that_reaches_far_is_refused_however_its_places_are_written(sheet: bytes, sane: bool) -> None:
    found = Found()
    assert _is_of_sane_size(b"<sheetData>" + sheet + b"</sheetData>", "study.xlsx!volumes", found) == sane
    assert bool(found.problems) == (not sane)
