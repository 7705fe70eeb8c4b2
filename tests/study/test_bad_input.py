"""Every problem of a bad study is said with its place, what was found, what was expected, and the fix."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from teikei.errors import Problem
from teikei.study import check
from tests.study.small import SETTINGS, small_tables, write_small

Tables = dict[str, list[list[str]]]


def put(tables: Tables, table: str, row: int, column: str, value: str) -> None:
    """Sets one cell; row 1 is the first below the header, which is line 2 of the file."""
    rows = tables[table]
    if column not in rows[0]:
        for line, cells in enumerate(rows):
            cells.append(column if line == 0 else "")
    rows[row][rows[0].index(column)] = value


def problems_with(tmp_path: Path, *cells: tuple[str, int, str, str]) -> list[Problem]:
    tables = small_tables()
    for cell in cells:
        put(tables, *cell)
    return check(write_small(tmp_path / "study", tables))


CELLS = {
    "a unit typed into the cell": ("tiers", 1, "unit_price", "58 kWh", ['"58 kWh"', "a number", "offer's currency"]),
    "a decimal comma": ("classes", 1, "k_family_nre", "0,2", ["decimals take a point", "0.2"]),
    "an ambiguous comma": ("volumes", 1, "units", "30,000", ["30000 or 30.000", "does not guess"]),
    "marks between thousands": ("volumes", 1, "units", "1,230,000", ["1230000"]),
    "continental marks": ("volumes", 1, "units", "1.230.000,5", ["1230000.5"]),
    "a percent sign": ("classes", 1, "k_family_nre", "20%", ["0.2 instead of 20 %"]),
    "a percentage where a fraction belongs": ("versions", 1, "share", "60", ["0.6 for 60 %"]),
    "a word for nothing": ("programmes", 1, "length_m", "n/a", ["leave the cell empty"]),
    "not a number": ("families", 1, "nre", "NaN", ["a number in million"]),
    "infinity": ("families", 1, "nre", "inf", ["a number in million"]),
    "a number beyond all measure": ("families", 1, "nre", "1e999", ["too large"]),
    "an underscore that Python would accept": ("families", 1, "nre", "4_000", ["a number in million"]),
    "a hexadecimal number": ("families", 1, "nre", "0x10", ["a number in million"]),
    "a blank inside a number": ("families", 1, "nre", "4 000", ["4000"]),
    "a currency sign": ("families", 1, "nre", "¥4000", ["write the number only"]),
    "a true minus sign": ("programmes", 2, "f1_n_per_mps", "−0.4", ["-0.4"]),
    "below the smallest": ("programmes", 1, "tyre_radius_m", "0.05", ["0.05", "from 0.2 to 0.6"]),
    "above the largest": ("programmes", 1, "tyre_radius_m", "28", ["from 0.2 to 0.6"]),
    "negative where nothing is": ("families", 1, "nre", "-1", ["of at least 0"]),
    "a fraction of a step": ("scenarios", 1, "step", "1.5", ["a whole number"]),
    "a year of the wrong century": ("generations", 1, "eop_year", "29", ["a year such as 2027"]),
    "a month as a date": ("generations", 1, "sop", "2024-04-01", ["write 2024-04"]),
    "a month with a slash": ("generations", 1, "sop", "2024/4", ["write 2024-04"]),
    "a Japanese month": ("generations", 1, "sop", "2024年4月", ["write 2024-04"]),
    "a year for a month": ("generations", 1, "sop", "2024", ["add the month"]),
    "a month that does not exist": ("generations", 1, "sop", "2024-13", ["a month such as"]),
    "an odd boolean": ("rungs", 4, "development_shared", "maybe", ["yes or no"]),
    "a misspelt choice": ("versions", 1, "drive", "fwdd", ["fwd, rwd, awd", 'did you mean "fwd"?']),
    "a choice in capitals": ("versions", 1, "drive", "FWD", ['did you mean "fwd"?']),
    "an empty required cell": ("families", 1, "nre", "", ["is empty", "fill it in"]),
    "a misspelt reference": ("offers", 1, "supplier", "Denkl", ["suppliers.csv", 'did you mean "Denki"?']),
    "a misspelt name in a list": ("tasks", 3, "predecessors", "T1;T9", ['"T9"', "tasks.csv"]),
    "a list with commas": ("families", 2, "sunk_for", "Aoba,Midori", ["separated by ;"]),
    "an unknown source": ("companies", 1, "source", "S1;S9", ['"S9"', "sources.csv"]),
    "an unknown assumed column": ("companies", 1, "assumed_columns", "titel", ['did you mean "title"?']),
    "an unknown generation": ("volumes", 1, "generation", "G9", ['no generation "G9"']),
    "an unknown version": ("requirements", 3, "version", "lang", ['did you mean "long"?']),
    "a coalition out of order": ("offers", 2, "buyer", "Midori+Aoba", ['expected "Aoba+Midori"']),
    "a name that parts names": ("companies", 1, "company", "Ao+ba", ["separates names", "another name"]),
    "a name with a meaning": ("versions", 1, "version", "all", ["a meaning of its own"]),
    "an unknown buyer": ("offers", 2, "buyer", "Aoba+Midory", ['did you mean "Midori"?']),
    "a control character": ("companies", 1, "title", "Ao\x07ba", ["control character", "U+0007"]),
    "shares that do not add up": ("versions", 3, "share", "0.3", ["add up to 0.9"]),
    "an end before the start": ("generations", 1, "eop_year", "2020", ["before it starts in 2024-04"]),
    "a facelift before the start": ("generations", 1, "facelift_year", "2023", ["before the start"]),
    "a facelift after the end": ("generations", 1, "facelift_year", "2031", ["after the end"]),
    "half a road load": ("programmes", 2, "f2_n_per_mps2", "", ["f2_n_per_mps2 is missing"]),
    "no road load": ("programmes", 1, "frontal_area_m2", "", ["no road load"]),
    "a road load without its mass": ("programmes", 2, "road_load_mass_kg", "", ["mass at which they hold"]),
    "a requirement in a foreign unit": ("requirements", 1, "unit", "miles", ["expected km for range"]),
    "an impossible requirement": ("requirements", 2, "value", "0.4", ["impossible"]),
    "an ambiguous procedure": ("requirements", 1, "procedure", "WLTC", ["wltc_japan", "wltc_class3b"]),
    "a grade without its speed": ("requirements", 4, "speed_kmh", "", ["speed at which the grade"]),
    "a module of another class": ("modules", 1, "class", "pack", ['family EA_S is of class "e-axle"']),
    "more usable than gross energy": ("modules", 3, "usable_energy_kwh", "26", ["above the gross energy of 25 kWh"]),
    "more continuous than peak power": ("modules", 1, "continuous_power_kw", "50", ["above the peak power"]),
    "a minimum above the nominal voltage": ("modules", 1, "voltage_min_v", "360", ["above the nominal voltage"]),
    "a power that torque cannot reach": ("modules", 1, "peak_power_kw", "400", ["cannot be reached"]),
    "a pack without energy": ("modules", 3, "gross_energy_kwh", "", ["class pack needs it"]),
    "something pooled at position 0": ("rungs", 1, "procurement", "technical", ["each maker alone"]),
    "a rung with two positions": ("rungs", 2, "position", "2", ["positions 0 and 2"]),
    "an existing module of another class": ("existing", 1, "class", "pack", ['is of class "e-axle"']),
    "a site of another supplier": ("offers", 1, "site", "Dian-CN", ["belongs to supplier Dian"]),
    "a price per kWh of a piece": ("offers", 1, "price_unit", "kwh", ["counts in piece"]),
    "a price that rises with quantity": ("tiers", 2, "unit_price", "180000", ["must not rise"]),
    "a free part": ("tiers", 2, "unit_price", "0", ["above 0"]),
    "tiers that start too high": ("tiers", 3, "from_quantity", "20000", ["no price below 20000"]),
    "a minimum order above the capacity": ("offers", 4, "minimum_quantity", "30", ["can never be bought"]),
    "a capacity in the wrong unit": ("capacities", 2, "unit", "pieces", ["counts in gwh"]),
    "a rebate that falls": ("rebates", 1, "rebate", "0.05", ["must not fall"]),
    "more equity than the whole": ("equity", 1, "share", "1.2", ["from 0 to 1"]),
    "a rate of the study's own currency": ("currencies", 1, "rate", "1.1", ["expected 1"]),
    "a path with a missing year": ("price_paths", 3, "year", "2030", ["no factor for 2029"]),
    "a ramp that is no list of shares": ("plants", 1, "ramp", "50;90;100", ['found "50; 90; 100"']),
    "a grant above the investment": ("plants", 1, "grant", "70000", ["above the investment"]),
    "a skill nobody has": ("work", 1, "skill", "moter", ['did you mean "motor"?']),
    "work on an unknown family": ("work", 1, "item", "EA_X", ["families.csv"]),
    "hours of bought-in work": ("work", 2, "hours", "5", ["give external_cost"]),
    "tasks in a circle": ("tasks", 1, "predecessors", "T3", ["circle", "→"]),
    "a product without a price": ("products", 1, "price", "0", ["consumer price"]),
    "policy for another market": ("policy", 1, "country", "US", ["not on sale in US"]),
    "a target outside its band": ("moments", 1, "target", "-5", ["above the target"]),
    "a scenario of an unknown table": ("scenarios", 1, "table", "currency", ['did you mean "currencies"?']),
    "a scenario of an unknown column": ("scenarios", 1, "column", "rates", ['did you mean "rate"?']),
    "a scenario of a key": ("scenarios", 1, "column", "currency", ["part of the key"]),
    "a condition nothing meets": ("scenarios", 1, "where", "currency=CNJ", ['did you mean "CNY"?']),
    "a condition without a value": ("scenarios", 1, "where", "currency", ["column=value"]),
    "a scenario value of the wrong kind": ("scenarios", 3, "value", "perhaps", ["yes or no"]),
    "a scenario that multiplies words": ("scenarios", 3, "operation", "multiply", ["use set"]),
    "a scenario that leaves the range": ("scenarios", 1, "value", "-1", ["of at least 0"]),
    "an unknown setting in a scenario": ("scenarios", 2, "column", "discount", ['did you mean "discount_rate"?']),
    "a setting out of range in a scenario": ("scenarios", 2, "value", "7", ["from 0 to 0.5"]),
    "a range of no row": ("ranges", 1, "row", "EA_T", ["no row of families"]),
    "a range of words": ("ranges", 1, "column", "title", ["holds no number"]),
    "a range upside down": ("ranges", 1, "low", "9000", ["exchange them"]),
    "a rule that names nothing": ("rules", 1, "scope", "class:axle", ['did you mean "e-axle"?']),
    "a rule of an unknown kind": ("rules", 1, "scope", "clas:e-axle", ['did you mean "class"?']),
    "a rule with an odd share": ("rules", 1, "value", "70", ["at most 1"]),
    "a rule for an unknown company": ("rules", 3, "value", "Aobe", ['did you mean "Aoba"?']),
}


# Where the problem is seen in another cell than the one that was spoilt.
ELSEWHERE = {
    "a rebate that falls": "rebates.csv:3:rebate",
    "a path with a missing year": "price_paths.csv:2:year",
    "a target outside its band": "moments.csv:2:low",
}


@pytest.mark.parametrize("name", CELLS)
def test_a_bad_cell_is_explained_at_its_place(tmp_path: Path, name: str) -> None:
    table, row, column, value, fragments = CELLS[name]
    problems = [problem for problem in problems_with(tmp_path, (table, row, column, value)) if not problem.warning]
    place = ELSEWHERE.get(name, f"{table}.csv:{row + 1}:{column}")
    explained = [problem for problem in problems if all(fragment in problem.message for fragment in fragments)]
    assert place in [problem.place for problem in explained], "\n".join(map(str, problems))
    assert all("fault of teikei" not in problem.message for problem in problems)


ALONE = [
    "a decimal comma",
    "a misspelt reference",
    "a month as a date",
    "an odd boolean",
    "a ramp that is no list of shares",
]


@pytest.mark.parametrize("name", ALONE)
def test_a_bad_cell_raises_no_other_alarm(tmp_path: Path, name: str) -> None:
    table, row, column, value, _ = CELLS[name]
    places = [problem.place for problem in problems_with(tmp_path, (table, row, column, value))]
    assert places == [f"{table}.csv:{row + 1}:{column}"]


def test_all_bad_cells_are_reported_in_one_pass(tmp_path: Path) -> None:
    chosen = [
        "a decimal comma",
        "a month as a date",
        "a misspelt choice",
        "no road load",
        "a free part",
        "a rule that names nothing",
    ]
    cells = [CELLS[name][:4] for name in chosen]
    places = {problem.place for problem in problems_with(tmp_path, *cells)}
    for table, row, column, _ in cells:
        where = "drag_coefficient" if column == "frontal_area_m2" else column
        assert f"{table}.csv:{row + 1}:{where}" in places or f"{table}.csv:{row + 1}:{column}" in places


def edited(tmp_path: Path, edit: Callable[[Path], object]) -> list[Problem]:
    folder = write_small(tmp_path / "study")
    edit(folder)
    return check(folder)


def rewrite(name: str, old: str, new: str) -> Callable[[Path], object]:
    def edit(folder: Path) -> None:
        text = (folder / name).read_text("utf-8")
        assert old in text
        (folder / name).write_text(text.replace(old, new, 1), "utf-8")

    return edit


def write_bytes(name: str, data: bytes) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_bytes(data)


FILES: dict[str, tuple[Callable[[Path], object], str, list[str]]] = {
    "a misspelt column": (
        rewrite("tiers.csv", "unit_price", "unit_prise"),
        "tiers.csv:1:unit_prise",
        ['did you mean "unit_price"?'],
    ),
    "a missing required column": (
        rewrite("car_plants.csv", "country", "xyz"),
        "car_plants.csv:1:country",
        ["is missing", "add it"],
    ),
    "a column that stands twice": (
        rewrite("companies.csv", "bloc", "title"),
        "companies.csv:1:title",
        ["stands twice"],
    ),
    "a row too long": (rewrite("tiers.csv", "170000", "170000,5"), "tiers.csv:2:unit_price", ["4 cells, the header 3"]),
    "a row too short": (
        rewrite("tiers.csv", "O1,0,170000", "O1,0"),
        "tiers.csv:2:unit_price",
        ["2 cells, the header 3"],
    ),
    "a key that stands twice": (
        rewrite("car_plants.csv", "Kawa,", "Yama,"),
        "car_plants.csv:3:plant",
        ["stands twice", "line 2"],
    ),
    "an empty file": (write_bytes("tiers.csv", b""), "tiers.csv:1:offer", ["the file is empty"]),
    "a header in line 2": (rewrite("tiers.csv", "offer,", "\noffer,"), "tiers.csv:1", ["the line is empty"]),
    "an open quote": (rewrite("tiers.csv", "K1,2,", 'K1,"2,'), "tiers.csv:7", ["never closes"]),
    "text after a quote": (rewrite("tiers.csv", "K1,2,", 'K1,"2"x,'), "tiers.csv:7", ["closing double quote"]),
    "a NUL byte": (rewrite("tiers.csv", "K1,2,", "K1,\0,"), "tiers.csv:7", ["NUL byte"]),
    "UTF-16": (
        write_bytes("tiers.csv", "offer,from_quantity".encode("utf-16")),
        "tiers.csv:1",
        ["UTF-16", "CSV UTF-8"],
    ),
    "Latin-1": (
        write_bytes("car_plants.csv", "plant,country\nYama,JP\nKawa,JP\nCitroën,é\n".encode("latin-1")),
        "car_plants.csv:4",
        ["0xEB", "Latin-1"],
    ),
    "EUC-JP": (
        write_bytes("car_plants.csv", "plant,country\nYama,JP\nKawa,日本のくに\n".encode("euc_jp")),
        "car_plants.csv:3",
        ["EUC-JP"],
    ),
    "semicolons": (
        write_bytes("tiers.csv", b"offer;from_quantity;unit_price\nO1;0;1\n"),
        "tiers.csv:1",
        ["semicolons", "expected commas"],
    ),
    "tabs": (
        write_bytes("tiers.csv", b"offer\tfrom_quantity\tunit_price\nO1\t0\t1\n"),
        "tiers.csv:1",
        ["tabs", "expected commas"],
    ),
    "a misspelt file": (
        lambda folder: (folder / "tiers.csv").rename(folder / "tires.csv"),
        "tires.csv",
        ["expected tiers.csv"],
    ),
    "a folder for a file": (
        lambda folder: ((folder / "equity.csv").unlink(), (folder / "equity.csv").mkdir()),
        "equity.csv",
        ["a folder", "expected a file"],
    ),
    "a link to nowhere": (
        lambda folder: ((folder / "equity.csv").unlink(), (folder / "equity.csv").symlink_to(folder / "no")),
        "equity.csv",
        ["leads nowhere"],
    ),
    "no settings": (lambda folder: (folder / "study.yaml").unlink(), "study.yaml", ["is missing"]),
    "settings of another name": (
        lambda folder: (folder / "study.yaml").rename(folder / "settings.yml"),
        "study.yaml",
        ['"settings.yml"', "rename"],
    ),
    "no header unit match": (
        rewrite("capacities.csv", "capacity,", "capacity [MWh],"),
        "capacities.csv:1:capacity",
        ["convert the figures"],
    ),
    "a referenced table without rows": (
        rewrite("currencies.csv", "JPY,1,2026\nCNY,21.5,2026-06\n", ""),
        "offers.csv:2:currency",
        ["3 more", "has no rows"],
    ),
}


@pytest.mark.parametrize("name", FILES)
def test_a_bad_file_is_explained_at_its_place(tmp_path: Path, name: str) -> None:
    edit, place, fragments = FILES[name]
    problems = [problem for problem in edited(tmp_path, edit) if not problem.warning]
    text = "\n".join(map(str, problems))
    assert any(problem.place == place and all(part in problem.message for part in fragments) for problem in problems), (
        text
    )
    assert "fault of teikei" not in text


def test_a_table_that_cannot_be_read_causes_no_false_alarm_in_tables_that_refer_to_it(tmp_path: Path) -> None:
    problems = [
        problem
        for problem in edited(tmp_path, write_bytes("offers.csv", b"offer;supplier;site\n"))
        if not problem.warning
    ]
    assert [problem.place for problem in problems] == ["offers.csv:1"]


YAML = {
    "an unknown setting": ("discount_rat: 0.05", "discount_rat", ['did you mean "discount_rate"?']),
    "a rate above its range": ("discount_rate: 6", "discount_rate", ["found 6", "from 0 to 0.5"]),
    "a decimal comma": ("discount_rate: 0,06", "discount_rate", ["0.06"]),
    "a percent sign": ("discount_rate: 6 %", "discount_rate", ["0.06 instead of 6 %"]),
    "yes for a number": ("discount_rate: no", "discount_rate", ["found no", "a number"]),
    "infinity": ("safety_weeks: .inf", "safety_weeks", ["a number"]),
    "not a number": ("safety_weeks: .nan", "safety_weeks", ["a number"]),
    "a misspelt choice": ("residual_rule: straightline", "residual_rule", ['did you mean "straight_line"?']),
    "a country that YAML takes for no": ("cost_curve: NO", "cost_curve", ["in quotes"]),
    "a list for a text": ("label: [a, b]", "label", ["expected text"]),
    "a mapping for a number": ("safety_weeks: {a: 1}", "safety_weeks", ["a number"]),
    "a currency in words": ("currency: yen", "currency", ["three capital letters"]),
    "a Python object": ("label: !!python/object:os.system x", "label", ["cannot be read"]),
    "a setting twice": ("price_year: 2025", "price_year", ["stands twice", "line 5"]),
    "a fraction of a year": ("report_year: 2028.5", "report_year", ["a whole number"]),
}


@pytest.mark.parametrize("name", YAML)
def test_a_bad_setting_is_explained_at_its_line(tmp_path: Path, name: str) -> None:
    line, key, fragments = YAML[name]
    settings = SETTINGS.replace("report_year: 2029\n", "") if key == "report_year" else SETTINGS
    number = settings.count("\n") + 1
    problems = check(write_small(tmp_path / "study", settings=settings + line + "\n"))
    assert [problem.place for problem in problems] == [f"study.yaml:{number}:{key}"], problems
    assert all(part in problems[0].message for part in fragments), problems[0]


BROKEN_YAML = {
    "a tab": (SETTINGS + "\tx: 1\n", "study.yaml:12", ["not readable as YAML"]),
    "an open bracket": (SETTINGS + "label: [a\n", "study.yaml:13", ["not readable as YAML"]),
    "a list": ("- a\n- b\n", "study.yaml:1", ["key: value"]),
    "nothing": ("", "study.yaml:1", ["the file is empty"]),
    "many laughs": (
        "a: &a [x]\n" + "".join(f"b{n}: *a\n" for n in range(20)),
        "study.yaml:12",
        ["more than 10 references"],
    ),
    "depth": (SETTINGS + "label: " + "[" * 30_000 + "\n", "study.yaml:12", ["nested too deeply"]),
    "size": (SETTINGS + "# " + "x" * 300_000 + "\n", "study.yaml", ["expected at most"]),
    "another format": (
        SETTINGS.replace("format: 1", "format: 2"),
        "study.yaml:2:format",
        ["newer", "expected format: 1"],
    ),
    "no format": (SETTINGS.replace("format: 1\n", ""), "study.yaml:1:format", ["is missing", "expected 1"]),
    "years in disorder": (
        SETTINGS.replace("first_year: 2027", "first_year: 2030"),
        "study.yaml:7:first_year",
        ["is after last_year 2029"],
    ),
    "a profile that does not add up": (
        SETTINGS.replace("0.4, 0.2]", "0.4, 0.1]"),
        "study.yaml:9:nre_profile",
        ["adds up to 0.9"],
    ),
}


@pytest.mark.parametrize("name", BROKEN_YAML)
def test_broken_settings_are_explained_at_their_line(tmp_path: Path, name: str) -> None:
    settings, place, fragments = BROKEN_YAML[name]
    problems = [problem for problem in check(write_small(tmp_path / "study", settings=settings)) if not problem.warning]
    assert [problem.place for problem in problems] == [place], problems
    assert all(part in problems[0].message for part in fragments), problems[0]


def test_a_study_that_is_not_there_is_named_with_its_nearest_neighbour(tmp_path: Path) -> None:
    write_small(tmp_path / "nissan-honda")
    (problem,) = check(tmp_path / "nisan-honda")
    assert 'did you mean "nissan-honda"?' in problem.message


READ_WITH_A_NOTE = {
    "an extra column": (rewrite("tiers.csv", "unit_price", "unit_price,remark"), "remark", "is ignored"),
    "Shift-JIS": (
        lambda folder: (folder / "companies.csv").write_bytes(
            "company,title,bloc,source\nAoba,青葉自動車,,S1\nMidori,みどり,,S1\n".encode("cp932")
        ),
        "companies.csv:2",
        "Shift-JIS",
    ),
    "lost characters": (
        rewrite("companies.csv", "Aoba Motor", "Aoba \ufffdMotor"),
        "companies.csv:2",
        "type them again",
    ),
    "full-width digits": (rewrite("tiers.csv", "170000", "１７００００"), "tiers.csv:2:unit_price", 'read as "170000"'),
    "an unknown file": (lambda folder: (folder / "thoughts.csv").write_text("a\n1\n"), "thoughts.csv", "is ignored"),
}


@pytest.mark.parametrize("name", READ_WITH_A_NOTE)
def test_what_can_be_read_is_read_with_a_note(tmp_path: Path, name: str) -> None:
    edit, place, words = READ_WITH_A_NOTE[name]
    problems = edited(tmp_path, edit)
    warnings = [problem for problem in problems if problem.warning]
    assert any(place in problem.place and words in problem.message for problem in warnings), problems
    if name != "an extra column":
        assert warnings == problems


@pytest.mark.parametrize("ending", ["\r\n", "\r"])
def test_line_endings_byte_order_mark_blank_lines_and_blanks_do_not_matter(tmp_path: Path, ending: str) -> None:
    def edit(folder: Path) -> None:
        lines = (folder / "tiers.csv").read_text("utf-8").splitlines()
        lines.insert(3, "")
        lines.append(" , ,\u3000")
        text = ending.join(line.replace("K1,", "K1 ,") for line in lines) + ending
        (folder / "tiers.csv").write_bytes(b"\xef\xbb\xbf" + text.encode())

    assert edited(tmp_path, edit) == []


def test_no_message_breaks_its_line_or_carries_control_characters(tmp_path: Path) -> None:
    from teikei.study import format_problems_text

    problems = problems_with(
        tmp_path, ("offers", 1, "supplier", "De\nnki\x1b[31m"), ("tiers", 1, "unit_price", "5\n\u202e8")
    )
    text = format_problems_text(problems)
    assert len(text.split("\n")) == len(problems) > 1
    assert all(character.isprintable() for line in text.split("\n") for character in line)


ONE_PROBLEM_ONLY = {
    "a row too short": (
        rewrite("programmes.csv", "0.33,2.2,,,,,0.28", "0.33,2.2,,,0.28"),
        "programmes.csv:2:road_load_mass_kg",
    ),
    "a row too long": (rewrite("families.csv", "Small e-axle", "Small, e-axle"), "families.csv:2:sunk_for"),
    "a misspelt optional column": (
        rewrite("programmes.csv", "drag_coefficient", "drag_coeficient"),
        "programmes.csv:1:drag_coeficient",
    ),
    "a misspelt required column": (rewrite("tiers.csv", "unit_price", "unitprice"), "tiers.csv:1:unitprice"),
}


@pytest.mark.parametrize("name", ONE_PROBLEM_ONLY)
def test_one_slip_is_one_problem(tmp_path: Path, name: str) -> None:
    edit, place = ONE_PROBLEM_ONLY[name]
    assert [problem.place for problem in edited(tmp_path, edit)] == [place]


def test_problems_come_by_table_and_line_settings_first(tmp_path: Path) -> None:
    cells = [
        ("tiers", 2, "unit_price", "x"),
        ("tiers", 1, "unit_price", "x"),
        ("companies", 1, "source", "S8"),
        ("scenarios", 1, "step", "x"),
    ]
    tables = small_tables()
    for cell in cells:
        put(tables, *cell)
    problems = check(write_small(tmp_path / "study", tables, SETTINGS + "what: 1\n"))
    places = [problem.place.rpartition(":")[0] for problem in problems]
    assert places == ["study.yaml:12", "companies.csv:2", "tiers.csv:2", "tiers.csv:3", "scenarios.csv:2"]


def test_commas_at_the_end_of_every_row_do_no_harm(tmp_path: Path) -> None:
    def edit(folder: Path) -> None:
        header, *lines = (folder / "tiers.csv").read_text("utf-8").splitlines()
        (folder / "tiers.csv").write_text("\n".join([header, *[f"{line},," for line in lines]]), "utf-8")

    assert edited(tmp_path, edit) == []


@pytest.mark.parametrize("name", ["", "no/such", "a\0b", "x" * 3000, "companies.csv"])
def test_a_path_that_is_no_study_is_one_problem(tmp_path: Path, name: str) -> None:
    (tmp_path / "companies.csv").write_text("company\n") if name.endswith("csv") else None
    (problem,) = check(tmp_path / name)
    assert not problem.warning
    assert "\0" not in str(problem)
    assert "fault of teikei" not in problem.message


def test_a_pipe_in_place_of_a_file_is_not_opened(tmp_path: Path) -> None:
    def edit(folder: Path) -> None:
        (folder / "equity.csv").unlink()
        os.mkfifo(folder / "equity.csv")

    (problem,) = edited(tmp_path, edit)
    assert (problem.place, "no regular file" in problem.message) == ("equity.csv", True)
