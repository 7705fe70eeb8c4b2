"""A tender's cells are read as a study's: what may be wrong is refused at its cell, asked for, or named."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest

from teikei.errors import StudyError
from teikei.plan.award import award
from teikei.plan.award.read import read_tender
from teikei.plan.award.types import Tender
from tests.tables.sheets import TENDER, Xml, tender, write_ods, write_xlsx

ERROR = Xml('<c r="{r}" t="e"><f>1/0</f><v>#DIV/0!</v></c>')
WRITINGS = {
    "an error": ERROR,
    "an error in single quotes": Xml("<c t='e' r='{r}'><v>#N/A</v></c>"),
    "a formula without result": Xml('<c r="{r}"><f>50000*2</f></c>'),
    "a formula with an empty result": Xml('<c r="{r}"><f>50000*2</f><v></v></c>'),
    "a shared formula without result": Xml('<c r="{r}"><f t="shared" si="0"/><v/></c>'),
}
OPTIONAL = ["suppliers_B3", "offers_E3", "offers_F4", "offers_D3", "items_C2", "items_B2"]


def warnings(read: Tender) -> str:
    return "\n".join(map(str, read.warnings))


def refusal(path: Path) -> str:
    with pytest.raises(StudyError) as caught:
        read_tender(path)
    return str(caught.value)


@pytest.mark.parametrize("place", OPTIONAL)
@pytest.mark.parametrize("writing", WRITINGS)
def test_cells_that_excel_could_not_compute_are_refused_in_any_column(tmp_path: Path, place: str, writing: str) -> None:
    told = refusal(write_xlsx(tmp_path / "t.xlsx", tender(**{place: WRITINGS[writing]})))
    assert f"t.xlsx!{place.replace('_', '!')}: " in told
    assert ("Excel error" if "error" in writing else "formula without a stored result") in told


@pytest.mark.parametrize("place", OPTIONAL)
def test_error_cells_of_an_ods_file_are_refused_too(tmp_path: Path, place: str) -> None:
    broken = Xml(
        '<table:table-cell table:formula="of:=1/0" office:value-type="string" office:string-value="" '
        'calcext:value-type="error"><text:p>#DIV/0!</text:p></table:table-cell>'
    )
    assert f"t.ods!{place.replace('_', '!')}: " in refusal(write_ods(tmp_path / "t.ods", tender(**{place: broken})))
    assert read_tender(write_ods(tmp_path / "good.ods", TENDER)).demand.sum() == 180_000


def test_a_formula_whose_stored_result_is_0_is_named(tmp_path: Path) -> None:
    path = write_xlsx(tmp_path / "t.xlsx", tender(suppliers_B3=Xml('<c r="{r}"><f>40000*3</f><v>0</v></c>')))
    assert "t.xlsx!suppliers!B3: warning: activation_cost: the formula's stored result is 0" in warnings(
        read_tender(path)
    )
    sound = write_xlsx(tmp_path / "s.xlsx", tender(suppliers_B3=Xml('<c r="{r}"><f>40000*3</f><v>120000</v></c>')))
    assert warnings(read_tender(sound)) == ""


@pytest.mark.parametrize("cell", ["XFD1048576", "A1048576", "Z900000"])
def test_a_far_cell_is_one_sentence(tmp_path: Path, cell: str) -> None:
    tables = tender()
    tables["offers"][6] = [*tables["offers"][6], Xml(f'<c r="{cell}" t="inlineStr"><is><t> </t></is></c>')]
    told = refusal(write_xlsx(tmp_path / "t.xlsx", tables))
    assert "t.xlsx!offers: the sheet reaches to cell " in told
    assert cell.lstrip("ABCDEFGHIJKLMNOPQRSTUVWXYZ") in told


def test_a_far_cell_of_an_ods_file_is_one_sentence(tmp_path: Path) -> None:
    far = Xml('<table:table-cell table:number-columns-repeated="16000"/><table:table-cell office:value-type="string">'
              "<text:p>x</text:p></table:table-cell></table:table-row>"
              '<table:table-row table:number-rows-repeated="90000"><table:table-cell office:value-type="float" '
              'office:value="1"><text:p>1</text:p></table:table-cell>')  # fmt: skip
    assert "the sheet reaches to cell" in refusal(write_ods(tmp_path / "t.ods", {**TENDER, "rules": [[far]]}))


@pytest.mark.parametrize("text", ["90.000", "1.290", "60.000", "-1.500", "９０．０００"])
@pytest.mark.parametrize("place", ["items_C2", "offers_D3", "offers_E3", "suppliers_B2"])
def test_text_with_a_point_that_may_stand_between_thousands_is_asked_for(tmp_path: Path, text: str, place: str) -> None:
    told = refusal(write_xlsx(tmp_path / "t.xlsx", tender(**{place: text})))
    assert f"t.xlsx!{place.replace('_', '!')}: " in told
    assert "does not guess" in told


REFUSED = ["1_000", "٥", "१", "20,2", "90,000", "90.000,00", "90 000", "−500", "2e", "1e999", "nan", "n/a", "-", "TRUE"]


@pytest.mark.parametrize("text", REFUSED)
def test_what_is_no_number_in_a_study_is_none_in_a_tender_either(tmp_path: Path, text: str) -> None:
    assert "t.xlsx!offers!D3: " in refusal(write_xlsx(tmp_path / "t.xlsx", tender(offers_D3=text)))
    folder = csv_folder(tmp_path / "folder", tender(offers_D3=text))
    assert "offers.csv:3:unit_price: " in refusal(folder)


READ: list[tuple[str, Any, float]] = [
    ("offers_D3", "20.2", 20.2), ("offers_D3", "¥20.2", 20.2), ("offers_D3", "￥２０．２", 20.2),
    ("offers_D3", "20.2 €", 20.2),
    ("offers_D3", "２０．２", 20.2), ("items_C2", "９００００", 90000.0), ("offers_D3", " 20.2\u00a0", 20.2),
    ("offers_D3", "0.290", 0.29), ("offers_D3", "1234.567", 1234.567), ("offers_D3", "2.02e1", 20.2),
]  # fmt: skip


@pytest.mark.parametrize(("place", "text", "value"), READ)
def test_numbers_written_as_text_are_read_where_they_mean_one_thing(
    tmp_path: Path, place: str, text: str, value: float
) -> None:
    read = read_tender(write_xlsx(tmp_path / "t.xlsx", tender(**{place: text})))
    found = read.demand[0, 0] if place.startswith("items") else read.unit_price[read.unit_price == value][0]
    assert found == value
    assert f"t.xlsx!{place.replace('_', '!')}: warning: " in warnings(read)


def test_in_a_csv_file_a_point_is_decimal(tmp_path: Path) -> None:
    read = read_tender(csv_folder(tmp_path / "folder", tender(offers_D3="20.200", offers_D4="20.900")))
    assert sorted(read.unit_price)[:2] == [20.2, 20.9]


@pytest.mark.parametrize("year", ["2027年度", "2027年", "FY2027", "fy 2027", "２０２７年度", "令和9年度", "令和９年"])
def test_years_as_they_are_written_in_japan_are_read(tmp_path: Path, year: str) -> None:
    read = read_tender(write_xlsx(tmp_path / "t.xlsx", tender(items_B2=year, items_B3=year)))
    assert read.years == (2027,)
    assert "read as 2027" in warnings(read)


def test_signs_of_two_currencies_in_one_column_are_refused(tmp_path: Path) -> None:
    told = refusal(write_xlsx(tmp_path / "t.xlsx", tender(offers_D3="¥20.2", offers_D4="€20.9")))
    assert "t.xlsx!offers!D4: unit_price: the signs ¥ and € stand in one column" in told
    assert "u.xlsx!items!C2: " in refusal(write_xlsx(tmp_path / "u.xlsx", tender(items_C2="¥90000")))


def test_hidden_and_filtered_rows_are_named(tmp_path: Path) -> None:
    for path in (
        write_xlsx(tmp_path / "t.xlsx", TENDER, hidden_rows={"offers": [3, 5, 6]}),
        write_ods(tmp_path / "t.ods", TENDER, hidden_rows={"offers": [3, 5, 6]}),
    ):
        assert f"{path.name}!offers!A3: warning: rows 3, 5 to 6 are hidden or filtered out" in warnings(
            read_tender(path)
        )


def test_headers_and_sheets_in_other_letters_are_read_with_a_note(tmp_path: Path) -> None:
    tables = tender(offers_D1="Unit Price", offers_A1="ＳＵＰＰＬＩＥＲ")
    read = read_tender(
        write_xlsx(tmp_path / "t.xlsx", {("Offers" if n == "offers" else n): t for n, t in tables.items()})
    )
    assert len(read.unit_price) == 6
    for text in ("!Offers: warning: the sheet is read as offers", "!D1: warning: the header", "read as unit_price"):
        assert text in warnings(read)


def test_a_misspelt_header_is_still_an_error(tmp_path: Path) -> None:
    assert "unit_price is missing; did you mean 'unit_prise'?" in refusal(
        write_xlsx(tmp_path / "t.xlsx", tender(offers_D1="unit_prise"))
    )


def test_a_name_in_other_widths_is_the_same_name(tmp_path: Path) -> None:
    read = read_tender(
        write_xlsx(tmp_path / "t.xlsx", tender(suppliers_A2="北(株)", offers_A2="北（株）", offers_A5="北（株）"))
    )
    assert "北(株)" in read.suppliers
    assert "read as" in warnings(read)


def csv_folder(folder: Path, tables: dict[str, list[list[Any]]], encoding: str = "utf-8", separator: str = ",") -> Path:
    folder.mkdir()
    for name, rows in tables.items():
        with (folder / f"{name}.csv").open("w", encoding=encoding, newline="") as stream:
            csv.writer(stream, delimiter=separator).writerows(rows)
    return folder


def test_encodings_and_separators_are_read_or_explained(tmp_path: Path) -> None:
    japanese = tender(suppliers_A2="北日本製作所", offers_A2="北日本製作所", offers_A5="北日本製作所")
    assert "UTF-16" in refusal(csv_folder(tmp_path / "a", japanese, "utf-16"))
    assert "Shift-JIS" in warnings(read_tender(csv_folder(tmp_path / "b", japanese, "cp932")))
    assert "columns are separated by tabs" in refusal(csv_folder(tmp_path / "c", japanese, separator="\t"))
    assert "columns are separated by semicolons" in refusal(csv_folder(tmp_path / "d", japanese, separator=";"))


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"supplier,item\nA,B\n", "text, perhaps a CSV file"),
        (b"\xd0\xcf\x11\xe0" + "EncryptedPackage".encode("utf-16-le"), "protected by a password"),
        (b"\xd0\xcf\x11\xe0" + bytes(4000), "protected by a password, or an old Excel workbook"),
        (b"\xd0\xcf\x11\xe0" + "Workbook".encode("utf-16-le"), "an old Excel workbook (.xls)"),
        (b"PK\x03\x04nonsense", "the workbook is damaged"),
    ],
)
def test_files_that_are_something_else_say_so(tmp_path: Path, content: bytes, told: str) -> None:
    (tmp_path / "t.xlsx").write_bytes(content)
    assert told in refusal(tmp_path / "t.xlsx")


@pytest.mark.parametrize("zero", [0, 0.0, "0", "0.00"])
def test_a_price_of_0_is_refused(tmp_path: Path, zero: Any) -> None:
    assert "t.xlsx!offers!D3: unit_price is 0: delete the row if the supplier makes no bid" in refusal(
        write_xlsx(tmp_path / "t.xlsx", tender(offers_D3=zero))
    )


@pytest.mark.parametrize("price", [2.02, 202, 0.0202, 2020])
def test_a_price_whose_point_has_moved_is_named(tmp_path: Path, price: float) -> None:
    told = warnings(read_tender(write_xlsx(tmp_path / "t.xlsx", tender(offers_D3=price))))
    assert f"t.xlsx!offers!D3: warning: the price {price:g} is " in told
    assert told.count("is it right?") == 1


def test_usual_prices_are_not_named(tmp_path: Path) -> None:
    assert warnings(read_tender(write_xlsx(tmp_path / "t.xlsx", TENDER))) == ""


HOSTILE_ITEMS = ["a;b", "a|b", "a=b", "a*b", 'a"b', "a b", "item=x", "a;b=c|d*"]


@pytest.mark.parametrize("name", HOSTILE_ITEMS)
def test_a_scope_names_any_item(tmp_path: Path, name: str) -> None:
    tables = tender(items_A2=name, offers_B2=name, offers_B3=name, offers_B4=name)
    quoted = '"' + name.replace('"', '""') + '"'
    for scope in (f"item={quoted};supplier=West", f"supplier=West ; {quoted}", f"item=rotor|{quoted};supplier=West"):
        tables["rules"] = [["rule", "scope", "value"], ["exclude", scope, ""]]
        rule = read_tender(write_xlsx(tmp_path / "t.xlsx", tables)).rules[0]
        assert rule.items.tolist() == [True, "rotor" in scope]
        assert rule.suppliers.tolist() == [False, False, True]
    tables["rules"] = [["rule", "scope", "value"], ["max_share_per_item", name, 0.7]]
    assert read_tender(write_xlsx(tmp_path / "t.xlsx", tables)).rules[0].items.tolist() == [True, False]
    tables["rules"] = [["rule", "scope", "value"]]
    tables["tiers"] = [
        ["supplier", "year", "from_quantity", "discount", "item"], ["North", 2027, 100, 0.1, name],
        ["South", 2027, 100, 0.1, f"rotor;{quoted}"],
    ]  # fmt: skip
    schedules = read_tender(write_xlsx(tmp_path / "t.xlsx", tables)).terms.schedules
    assert [one.items.tolist() for one in schedules] == [[True, False], [True, True]]


def test_every_row_that_is_uneven_is_an_error(tmp_path: Path) -> None:
    folder = csv_folder(tmp_path / "a", TENDER)
    text = (folder / "offers.csv").read_text("utf-8")
    (folder / "offers.csv").write_text(text.replace("20.2,", "20,2,"), "utf-8")
    assert "offers.csv:3" in refusal(folder)


def test_no_formula_gets_into_what_an_award_writes(tmp_path: Path) -> None:
    from tests.test_writing import live_cells

    evil = '=HYPERLINK("https://example.org","x")'
    path = write_xlsx(tmp_path / "t.xlsx", tender(suppliers_A2=evil, offers_A2=evil, offers_A5=evil, offers_D2=20))
    award(path, tmp_path / "out", time_limit_s=10, with_scenarios=True)
    files = [file for file in (tmp_path / "out").iterdir() if file.suffix in (".csv", ".xlsx")]
    assert len(files) >= 4
    for file in files:
        assert live_cells(file) == [], file.name
