"""``teikei import``: sheets as people have them are read, or asked for by cell; what is not used is named."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from teikei.cli import app
from teikei.errors import StudyError
from teikei.plan.award.read import read_tender
from teikei.simulate.vehicle_file import read_vehicles, vehicle_columns
from teikei.study import check, load
from teikei.tables.intake import Imported, import_file
from teikei.tables.intake.amounts import read_amount
from teikei.tables.source import column_letters
from tests.tables.sheets import write_xlsx

MESSY = Path(__file__).parents[1] / "data" / "messy"
RFQ = MESSY / "rfq-2027-e-axle.xlsx"
SHEET = "見積比較表 Bid comparison"


def rows_of(folder: Path, table: str) -> list[dict[str, str]]:
    with (folder / f"{table}.csv").open(encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def prices_of(folder: Path) -> dict[tuple[str, str, str], float]:
    return {(row["supplier"], row["item"], row["year"]): float(row["unit_price"]) for row in rows_of(folder, "offers")}


def questions(made: Imported) -> list[str]:
    return [str(problem) for problem in made.problems if not problem.warning]


def places(made: Imported) -> set[str]:
    return {problem.place.rsplit("!", 1)[1] for problem in made.problems if not problem.warning}


def answered(folder: Path, answers: dict[str, Any], **columns: dict[str, Any]) -> Path:
    """The map that an import has written, with answers, and with settings of columns by their letters."""
    document = yaml.safe_load((folder / "import.yaml").read_text("utf-8"))
    document["answers"].update(answers)
    for key, settings in columns.items():
        next(one for name, one in document["columns"].items() if name.endswith(f"!{key}")).update(settings)
    target = folder.with_name(f"{folder.name}-map.yaml")
    target.write_text(yaml.safe_dump(document, allow_unicode=True), "utf-8")
    return target


AMOUNTS = [
    (20.2, 20.2, ""),
    ("20,2", 20.2, ""),
    ("1.290,50", 1290.5, ""),
    ("1,290.50", 1290.5, ""),
    ("1.250.000", 1250000, ""),
    ("60,447,943", 60447943, ""),
    ("80 000", 80000, ""),
    ("110'000", 110000, ""),
    ("６０００", 6000, ""),
    ("¥20.25", 20.25, "JPY"),
    ("€ 1.250.000", 1250000, "EUR"),
    ("12,5 Mio €", 12.5e6, "EUR"),
    ("3億円", 3e8, "JPY"),
    ("25万", 250000, ""),
    ("50k pcs", 50000, ""),
    ("1.5 %", 0.015, ""),
    ("-5", -5, ""),
    ("−5", -5, ""),
    ("0,290", 0.29, ""),
    ("1234.567", 1234.567, ""),
    ("USD 12.34", 12.34, "USD"),
    ("12.34 $", 12.34, "USD"),
    (".5", 0.5, ""),
    ("1 234 567,8", 1234567.8, ""),
]


@pytest.mark.parametrize(("cell", "value", "currency"), AMOUNTS)
def test_an_amount_that_means_one_number_is_read(cell: Any, value: float, currency: str) -> None:
    read = read_amount(cell)
    assert (read.value, read.currency) == (value, currency)


@pytest.mark.parametrize("cell", ["1.290", "60.000", "120,000", "¥20,149", "5.000 pcs", "６０,０００", "1.225 EUR"])
def test_an_amount_that_means_two_numbers_is_asked_for_and_read_in_a_locale(cell: str) -> None:
    assert read_amount(cell).value is None
    assert "does not guess" in read_amount(cell).question
    english, german = read_amount(cell, "en").value, read_amount(cell, "de").value
    assert english is not None
    assert german is not None
    assert max(english / german, german / english) == pytest.approx(1000)
    assert read_amount(cell, "ja").value == english


@pytest.mark.parametrize(
    "cell", ["tbd", "~110000", "100-110k", "n/a", "see note 3", "1,2,3", "12.34.5", "", True, "1.2.3,4"]
)
def test_what_is_no_amount_is_a_question(cell: Any) -> None:
    read = read_amount(cell)
    assert read.value is None or read.unit
    assert read.question or read.unit


def test_a_buyers_sheet_is_asked_for_by_cell_then_imported_and_awarded(tmp_path: Path) -> None:
    first = import_file(RFQ, "tender", tmp_path / "first")
    assert places(first) == {
        *(f"{c}{r}" for c, rows in {"E": "457", "F": "45", "G": "45789", "S": "456789"}.items() for r in rows),
        "F8",
        "B4",
    }
    assert list(first.folder.iterdir()) == [first.folder / "import.yaml"]
    map_file = answered(
        first.folder,
        {f"{SHEET}!F8": 170000, "Rabatte 値引!B4": "1000000000 JPY"},
        **{c: {"locale": "en"} for c in "EFGS"},
    )
    made = import_file(RFQ, "tender", tmp_path / "second", map_file)
    assert questions(made) == []
    offers = {(row["supplier"], row["item"], row["year"]): row for row in rows_of(made.folder, "offers")}
    assert len(offers) == 54
    bosch = offers["Bosch GmbH", "4410-001", "2029"]
    assert (bosch["unit_price"], bosch["currency"]) == ("127.71", "EUR")
    assert {row["currency"]: float(row["rate"]) for row in rows_of(made.folder, "currencies")} == {
        "JPY": 1,
        "EUR": 163.2,
        "CNY": 21.4,
    }
    assert float(offers["アイシン", "4430-101", "2028"]["unit_price"]) == 6327
    assert ("ニデック(株)", "4420-010", "2028") not in offers  # n/a
    assert ("BYD FinDreams", "4420-011", "2028") not in offers  # no bid
    tiers = {(row["supplier"], row["year"], float(row["from_quantity"])): row for row in rows_of(made.folder, "tiers")}
    assert tiers["Bosch GmbH", "2028", 816e6]["discount"] == "0.015"
    assert tiers["ニデック(株)", "2029", 1e9]["item"] == "4410-001;4410-002"
    assert (tiers["Vitesco / Schaeffler", "2028", 5e4]["basis"], len(tiers)) == ("quantity", 10)
    tender = read_tender(made.folder)
    assert 127.71 * 163.2 in tender.unit_price
    assert tender.demand.sum() == 2 * (120e3 + 150e3) + 80e3 + 95e3 + 120e3 + 2 * (150e3 + 170e3)
    # nothing lost silently: every cell that is in no table is named
    told = "\n".join(made.not_used)
    for text in ("Notes: 1) Bosch: -2 %", "see note 3", "MOQ", "LT (wks)", "栃木", "RFQ #2027-014"):
        assert text in told


def test_the_map_that_is_written_reads_the_same_again(tmp_path: Path) -> None:
    first = import_file(RFQ, "tender", tmp_path / "a", locale="en")
    made = import_file(RFQ, "tender", tmp_path / "b", answered(first.folder, {"Rabatte 値引!B4": "1000000000 JPY"}))
    again = import_file(RFQ, "tender", tmp_path / "c", made.folder / "import.yaml")
    for table in made.tables:
        assert rows_of(made.folder, table) == rows_of(again.folder, table)
    assert made.not_used == again.not_used


GERMAN = [
    ["Angebotsvergleich Achsantriebe, Stand 11/2026"],
    [],
    ["Teilenummer", "Benennung", "Bedarf 2028", "Bedarf 2029", "Müller AG (€)", "Valeo (€)", "ZF (€)", "Bemerkung"],
    ["HV-01", "Gehäuse", 50000, 60000, "12,50", "k.A.", "11,95", "Muster fehlt"],
    ["HV-02", "Welle; lang", 50000, 60000, "8,25", "7,9", "", ""],
    ["Summe", "", 100000, 120000, "20,75", "7,9", "11,95", ""],
    [],
    ["Alle Preise frei Haus"],
]


def test_suppliers_as_plain_columns_in_german(tmp_path: Path) -> None:
    made = import_file(write_xlsx(tmp_path / "Vergleich.xlsx", {"Vergleich": GERMAN}), "tender", tmp_path / "out")
    assert questions(made) == []
    offers = prices_of(made.folder)
    assert offers == {
        (supplier, item, year): price
        for (supplier, item), price in {
            ("Müller AG (€)", "HV-01"): 12.5,
            ("ZF (€)", "HV-01"): 11.95,
            ("Müller AG (€)", "HV-02"): 8.25,
            ("Valeo (€)", "HV-02"): 7.9,
        }.items()
        for year in ("2028", "2029")
    }
    told = "\n".join(made.not_used)
    for text in ("Summe", "Alle Preise frei Haus", "Muster fehlt", "Angebotsvergleich", "120000"):
        assert text in told
    assert read_tender(made.folder).years == (2028, 2029)


JAPANESE = [
    ["見積比較表　2028年度"],
    [],
    ["", "", "", "北日本製作所", "", "東海精機（株）", ""],
    ["品番", "品名", "年間数量", "単価", "型費", "単価", "型費"],
    ["A-100", "ハウジング", "１２００００", "¥1250.5", "込み", "1,310.25", "3億円"],
    ["A-200", "ロータ", "80 000", "辞退", "", "845.0", "1,200万円"],
    ["合計", "", "", "", "", "", ""],
]


def test_a_japanese_sheet_with_groups_without_a_year_asks_for_the_year(tmp_path: Path) -> None:
    path = write_xlsx(tmp_path / "見積.xlsx", {"見積": JAPANESE})
    first = import_file(path, "tender", tmp_path / "a", locale="ja")
    assert len(questions(first)) == 1
    assert "no column names a year: write year: 2028" in questions(first)[0]
    document = yaml.safe_load((first.folder / "import.yaml").read_text("utf-8"))
    (tmp_path / "map.yaml").write_text(yaml.safe_dump({**document, "year": 2028}), "utf-8")
    made = import_file(path, "tender", tmp_path / "b", tmp_path / "map.yaml")
    assert questions(made) == []
    offers = {(row["supplier"], row["item"]): float(row["unit_price"]) for row in rows_of(made.folder, "offers")}
    assert offers == {
        ("北日本製作所", "A-100"): 1250.5,
        ("東海精機(株)", "A-100"): 1310.25,
        ("東海精機(株)", "A-200"): 845,
    }
    adders = {(row["supplier"], row["item"]): float(row["value"]) for row in rows_of(made.folder, "adders")}
    assert adders == {("東海精機(株)", "A-100"): 3e8, ("東海精機(株)", "A-200"): 1.2e7}
    assert read_tender(made.folder).demand.sum() == 200_000


LONG = """Bid export round 2;;;;;;
;;;;;;
Supplier;Material;Year;Qty;Price;Currency;Comment
North;"P;1";2028;1.000.000;0,85;EUR;
North;"P;1";2029;1.000.000;0,83;EUR;
South;"P;1";2028;1.000.000;no bid;;holiday
South;"P;1";2029;1.000.000;0,91;USD;
Total;;;;;;
"""


def test_a_long_csv_of_semicolons_in_two_currencies_asks_for_the_rate(tmp_path: Path) -> None:
    (tmp_path / "bids.csv").write_text(LONG, "utf-8")
    first = import_file(tmp_path / "bids.csv", "tender", tmp_path / "a")
    assert any("no rate of USD to EUR was found" in text for text in questions(first))
    document = yaml.safe_load((first.folder / "import.yaml").read_text("utf-8"))
    (tmp_path / "map.yaml").write_text(yaml.safe_dump({**document, "rates": {"USD": 0.9}}), "utf-8")
    made = import_file(tmp_path / "bids.csv", "tender", tmp_path / "b", tmp_path / "map.yaml")
    assert questions(made) == []
    prices = {(row["supplier"], row["year"]): float(row["unit_price"]) for row in rows_of(made.folder, "offers")}
    assert prices == {("North", "2028"): 0.85, ("North", "2029"): 0.83, ("South", "2029"): 0.91}
    assert sorted(read_tender(made.folder).unit_price) == [pytest.approx(0.91 * 0.9), 0.83, 0.85]
    assert "holiday" in "\n".join(made.not_used)
    assert read_tender(made.folder).items == ("P;1",)


YEARS_UNDER_SUPPLIERS = [
    ["Part", "Volume 2028", "Volume 2029", "Alpha", "", "Beta", ""],
    ["", "", "", "2028", "2029", "FY2028", "FY2029"],
    ["p1", 1000, 2000, 10.5, 10.25, 11, "declined"],
    ["p2", 500, 500, 0, 3, "x", 2.5],
]


def test_years_under_suppliers_and_a_price_of_0_is_asked_for(tmp_path: Path) -> None:
    table = [[*YEARS_UNDER_SUPPLIERS[0][:3], *YEARS_UNDER_SUPPLIERS[0][3:]], *YEARS_UNDER_SUPPLIERS[1:]]
    table[1][:3] = ["Part", "Volume 2028", "Volume 2029"]
    table[0][:3] = ["", "", ""]
    path = write_xlsx(tmp_path / "b.xlsx", {"b": table})
    first = import_file(path, "tender", tmp_path / "a")
    assert places(first) == {"D4"}
    made = import_file(path, "tender", tmp_path / "c", answered(first.folder, {"b!D4": "no bid"}))
    prices = prices_of(made.folder)
    assert prices == {
        ("Alpha", "p1", "2028"): 10.5,
        ("Alpha", "p1", "2029"): 10.25,
        ("Beta", "p1", "2028"): 11,
        ("Alpha", "p2", "2029"): 3,
        ("Beta", "p2", "2029"): 2.5,
    }


@pytest.mark.parametrize(
    "name",
    [
        "v00_clean",
        "v02_decimal_comma",
        "v09_total_row",
        "v11_title_and_merged_header",
        "v12_wide_years",
        "v14_renamed_sheets",
        "v16_two_line_header",
    ],
)
def test_a_planners_workbook_becomes_the_study_that_it_is(tmp_path: Path, name: str) -> None:
    made = import_file(MESSY / f"{name}.xlsx", "study", tmp_path / "out")
    assert questions(made) == []
    assert [str(problem) for problem in check(made.folder) if not problem.warning] == []
    clean, read = load(MESSY / "v00_clean.xlsx"), load(made.folder)
    for table in clean.tables:
        assert read[table].equals(clean[table]), table
    assert read.settings == clean.settings


@pytest.mark.parametrize(
    ("name", "asked"),
    [
        ("v01_thousands_text", {"H2", "H5"}),
        ("v03_units_in_cells", {"C2"}),
        ("v04_dates", {"C6"}),
        ("v17_errors", {"H3", "H4", "H5", "H6"}),
    ],
)
def test_what_a_planner_has_to_decide_is_asked_for_by_cell(tmp_path: Path, name: str, asked: set[str]) -> None:
    made = import_file(MESSY / f"{name}.xlsx", "study", tmp_path / "out")
    assert places(made) == asked
    assert not list(made.folder.glob("*.csv"))


def test_vehicles_of_another_form_are_read(tmp_path: Path) -> None:
    header = "Vehicle ID,maker,model_year,Test mass [kg],f0_n [N],f1_n_per_mps,f2_n_per_mps2,power_kw,drive"
    (tmp_path / "cars.csv").write_text(
        f"Fleet list\n\n{header}\na,A,2024,1 800 kg,120,1,0.4,,fwd\nTotal,,,,,,,,\n", "utf-8"
    )
    done = CliRunner().invoke(
        app, ["import", str(tmp_path / "cars.csv"), "--as", "vehicles", "--out", str(tmp_path / "out")]
    )
    assert (done.exit_code, "Total" in done.output, "Fleet list" in done.output) == (0, True, True)
    assert read_vehicles(tmp_path / "out" / "vehicles.csv").cars.test_mass_kg.tolist() == [1800]
    (tmp_path / "cars.csv").write_text(
        f"{header}\na,A,2024,1800,120,1,0.4,,fwd\n".replace("Test mass", "Weight"), "utf-8"
    )
    made = import_file(tmp_path / "cars.csv", "vehicles", tmp_path / "b", tables={"vehicles": vehicle_columns()})
    assert any("no column is test_mass_kg" in text for text in questions(made))


def test_the_command_prints_what_is_not_used_and_asks_with_exit_2(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["import", str(RFQ), "--as", "tender", "--out", str(tmp_path / "out")])
    assert done.exit_code == 2
    assert "!E4: found" in done.output
    assert "not used: column B" in done.output


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[1, 2]", "expected lines of the form key: value"),
        ("a: [", "not readable as YAML"),
        ("localle: de", "did you mean"),
        ("locale: fr", "expected one of auto"),
        ("rates: {EUR: x}", "rates"),
        ("year: soon", "expected a year"),
        ("columns: {a: {read: b}}", "no such key"),
        ("!!python/object/apply:os.system ['true']", "not readable as YAML"),
        ("answers: {a: [1]}", "answers"),
    ],
)
def test_a_map_that_is_none_is_told(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "m.yaml").write_text(text, "utf-8")
    with pytest.raises(StudyError) as caught:
        import_file(RFQ, "tender", tmp_path / "out", tmp_path / "m.yaml")
    assert told in str(caught.value)


def test_a_folder_that_holds_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "offers.csv").write_text("mine", "utf-8")
    with pytest.raises(StudyError, match="holds something else"):
        import_file(RFQ, "tender", tmp_path, locale="en")
    assert (tmp_path / "offers.csv").read_text("utf-8") == "mine"


def test_every_cell_of_a_sheet_is_used_or_named(tmp_path: Path) -> None:
    """Sheets with texts put anywhere: each of them is in the tables, in a question, or among what is not used."""
    for row in range(8):
        for column in (0, 2, 4, 7, 9):
            table = [list(line) + [""] * (10 - len(line)) for line in GERMAN]
            if table[row][column] != "" or row == 2:
                continue
            table[row][column] = "Fremdwort 4711"
            path = write_xlsx(tmp_path / f"{row}{column_letters(column)}.xlsx", {"V": table})
            made = import_file(path, "tender", tmp_path / f"out-{row}-{column}")
            named = "\n".join([*questions(made), *made.not_used])
            written = "".join(file.read_text("utf-8") for file in made.folder.glob("*.csv"))
            assert "Fremdwort 4711" in named + written, (row, column)
