"""Rules between tables that need more than one cell to break, and the two forms in which problems are shown."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from teikei.errors import Problem
from teikei.study import check, format_problems_json, format_problems_text
from tests.study.small import SETTINGS, small_tables, write_small

KIT = Path(__file__).parents[2] / "examples" / "kit-supply"

Rows = list[list[str]]
Tables = dict[str, Rows]


def change(tmp_path: Path, edit: Callable[[Tables], object], settings: str = SETTINGS) -> list[Problem]:
    tables = small_tables()
    edit(tables)
    return check(write_small(tmp_path / "study", tables, settings))


def said(problems: list[Problem], place: str, *fragments: str, warning: bool = False) -> bool:
    return any(p.place == place and p.warning is warning and all(f in p.message for f in fragments) for p in problems)


def set_year(tables: Tables, row: int, year: str) -> None:
    tables["volumes"][row][5] = year


def test_a_gap_in_a_series_of_volumes_is_named(tmp_path: Path) -> None:
    problems = change(tmp_path, lambda tables: tables["volumes"].pop(2))
    assert said(problems, "volumes.csv:3:year", "jump from 2027 to 2029", "add a row for 2028")


def test_no_car_is_sold_before_its_start_of_production_or_after_its_end(tmp_path: Path) -> None:
    def edit(tables: Tables) -> None:
        tables["generations"][2][2:5] = ["2028-04", "", "2028"]

    problems = change(tmp_path, edit)
    assert said(problems, "volumes.csv:5:year", "before its start of production 2028-04")
    assert said(problems, "volumes.csv:7:year", "after its end of production 2028")
    assert len(problems) == 2


def test_zero_cars_outside_production_are_no_problem(tmp_path: Path) -> None:
    def edit(tables: Tables) -> None:
        tables["generations"][2][2:5] = ["2028-04", "", "2029"]
        tables["volumes"][4][7] = "0"

    assert change(tmp_path, edit) == []


def test_volumes_outside_the_planning_years_are_noted_once_and_refused_if_none_is_left(tmp_path: Path) -> None:
    settings = SETTINGS.replace("first_year: 2027", "first_year: 2028")
    problems = change(tmp_path, lambda tables: None, settings)
    assert said(problems, "volumes.csv:2:year", "2 rows of volumes are not used", warning=True)
    far = SETTINGS.replace("first_year: 2027", "first_year: 2040").replace("last_year: 2029", "last_year: 2041")
    assert said(change(tmp_path, lambda tables: None, far), "volumes.csv:2:year", "no volume lies between")


def test_a_volume_case_that_lacks_a_generation_is_noted_and_a_missing_case_refused(tmp_path: Path) -> None:
    low = ["P1", "G1", "Aoba", "Yama", "JP", "2027", "low", "1"]
    problems = change(tmp_path, lambda tables: tables["volumes"].append(low))
    assert said(problems, "volumes.csv:5:scenario", "case low for P2 G1", warning=True)
    settings = SETTINGS + "volume_scenario: high\n"
    assert said(change(tmp_path, lambda tables: None, settings), "study.yaml:12:volume_scenario", "no row of that case")


@pytest.mark.parametrize(("table", "words"), [("generations", "no generation"), ("versions", "no version")])
def test_a_programme_with_volumes_needs_generations_and_versions(tmp_path: Path, table: str, words: str) -> None:
    def edit(tables: Tables) -> None:
        tables[table] = [row for row in tables[table] if row[0] != "P1"]

    assert said(change(tmp_path, edit), "volumes.csv:2:programme", "programme P1 has volumes", words)


def test_a_programme_without_volumes_or_requirements_is_noted(tmp_path: Path) -> None:
    def edit(tables: Tables) -> None:
        tables["volumes"] = [row for row in tables["volumes"] if row[0] != "P1"]
        tables["requirements"] = [row for row in tables["requirements"] if row[0] != "P2"]

    problems = change(tmp_path, edit)
    assert said(problems, "programmes.csv:2:programme", "it is left out", warning=True)
    assert said(problems, "volumes.csv:2:programme", "no requirement", warning=True)


@pytest.mark.parametrize(
    ("f0", "f1", "f2", "speed"),
    [
        ("-5", "0", "0.4", "0 km/h"),
        ("100", "-20", "0.5", "72 km/h"),
        ("100", "-5", "0", "140 km/h"),
        ("50", "-15", "0.2", "135 km/h"),
    ],
)
def test_a_road_load_that_pushes_the_car_is_refused_where_it_is_lowest(
    tmp_path: Path, f0: str, f1: str, f2: str, speed: str
) -> None:
    def edit(tables: Tables) -> None:
        tables["programmes"][2][7:10] = [f0, f1, f2]

    assert said(change(tmp_path, edit), "programmes.csv:3:f0_n", "the road load is -", speed)


def test_a_negative_f1_alone_is_no_problem(tmp_path: Path) -> None:
    def edit(tables: Tables) -> None:
        tables["programmes"][2][7:10] = ["100", "-4", "0.5"]

    assert change(tmp_path, edit) == []


def test_an_offer_needs_a_price(tmp_path: Path) -> None:
    problems = change(tmp_path, lambda tables: tables["tiers"].pop())
    assert said(problems, "offers.csv:5:offer", "offer K2 has no row in tiers.csv")


def test_tiers_out_of_order_are_read_in_order_with_a_note(tmp_path: Path) -> None:
    def edit(tables: Tables) -> None:
        tables["tiers"][1], tables["tiers"][2] = tables["tiers"][2], tables["tiers"][1]

    problems = change(tmp_path, edit)
    assert said(problems, "tiers.csv:2:from_quantity", "not in rising order", warning=True)
    assert len(problems) == 1


def test_work_that_costs_more_or_less_than_the_stated_nre_is_noted_beyond_two_percent(tmp_path: Path) -> None:
    # 300,000 h × 10,000 JPY/h + 1,000 million = 4,000 million, the NRE of EA_S.
    for nre, noted in (("4079", False), ("4085", True), ("3925", False), ("3915", True)):

        def edit(tables: Tables, nre: str = nre) -> None:
            tables["families"][1][3] = nre

        problems = change(tmp_path / nre, edit)
        assert said(problems, "work.csv:2:hours", f"says {nre}", warning=True) is noted
        assert len(problems) == noted


def test_the_circle_of_tasks_is_shown_and_a_diamond_is_none(tmp_path: Path) -> None:
    def circle(tables: Tables) -> None:
        tables["tasks"] += [
            ["T4", "family", "x", "T6", "1"],
            ["T5", "family", "x", "T4", "1"],
            ["T6", "family", "x", "T5", "1"],
        ]

    (problem,) = change(tmp_path, circle)
    assert "T4 → T6 → T5 → T4" in problem.message
    assert (
        change(tmp_path / "diamond", lambda tables: tables["tasks"].append(["T4", "family", "x", "T2;T3", "1"])) == []
    )


def test_very_long_chains_of_tasks_are_walked_without_recursion(tmp_path: Path) -> None:
    def edit(tables: Tables) -> None:
        tables["tasks"] += [[f"C{number}", "family", "x", f"C{number + 1}", "1"] for number in range(3000)]
        tables["tasks"] += [["C3000", "family", "x", "T1", "1"]]

    assert change(tmp_path, edit) == []


def test_rungs_that_leave_out_a_class_or_pool_less_are_noted_and_position_zero_is_needed(tmp_path: Path) -> None:
    problems = change(tmp_path, lambda tables: tables["rungs"].pop())
    assert said(problems, "rungs.csv:5:class", "no row for charger", warning=True)

    def lower(tables: Tables) -> None:
        tables["rungs"] += [["battery", "2", name, "none", "no", "no"] for name in ("e-axle", "pack", "charger")]

    assert said(change(tmp_path / "b", lower), "rungs.csv:8:procurement", "pools less of e-axle", warning=True)

    def lift(tables: Tables) -> None:
        tables["rungs"] = [
            tables["rungs"][0],
            *[[row[0], str(int(row[1]) + 1), *row[2:]] for row in tables["rungs"][1:]],
        ]

    assert said(change(tmp_path / "c", lift), "rungs.csv:2:position", "no rung stands at position 0")


def test_two_rungs_cannot_share_a_position(tmp_path: Path) -> None:
    def edit(tables: Tables) -> None:
        for row in tables["rungs"][4:]:
            row[1] = "0"

    assert said(change(tmp_path, edit), "rungs.csv:5:position", "belongs to the rung alone already")


def test_a_price_ten_times_off_its_like_is_noted(tmp_path: Path) -> None:
    problems = change(tmp_path, lambda tables: tables["tiers"].__setitem__(7, ["K2", "0.5", "38"]))
    assert said(problems, "tiers.csv:8:unit_price", "times below the median", warning=True)


def test_volumes_in_thousands_and_prices_in_thousands_are_noted(tmp_path: Path) -> None:
    def edit(tables: Tables) -> None:
        for row in tables["volumes"][1:]:
            row[7] = str(int(row[7]) // 1000)
        tables["products"][1][7] = "2600"

    problems = change(tmp_path, edit)
    assert said(problems, "volumes.csv:3:units", "the largest volume is 32 cars", "not thousands", warning=True)
    assert said(problems, "products.csv:2:price", "times below the median", warning=True)


def test_a_thousand_unknown_names_are_all_reported_without_delay(tmp_path: Path) -> None:
    def edit(tables: Tables) -> None:
        tables["work"] += [["e-axle", f"EA_{number}", "family", "motor", "1", "0"] for number in range(1000)]
        tables["ranges"] += [["families", f"EA_{number}", "nre", "1", "2"] for number in range(1000)]

    problems = change(tmp_path, edit)
    assert len([problem for problem in problems if "families" in problem.message]) == 2000


def test_a_site_without_capacity_and_a_benchmark_site_are_noted(tmp_path: Path) -> None:
    problems = change(tmp_path, lambda tables: tables["capacities"].pop())
    assert said(problems, "offers.csv:4:site", "counts as unlimited", warning=True)

    def close(tables: Tables) -> None:
        tables["sites"][2][4] = "none"

    assert said(change(tmp_path / "b", close), "offers.csv:4:status", "never bought", warning=True)


def test_a_part_that_travels_without_a_trade_row_is_noted(tmp_path: Path) -> None:
    problems = change(tmp_path, lambda tables: tables["trade"].pop(1))
    assert said(problems, "offers.csv:4:site", "no row for pack on CN-JP", warning=True)


def test_a_market_year_without_products_is_refused(tmp_path: Path) -> None:
    problems = change(tmp_path, lambda tables: None, SETTINGS + "market_year: 2024\n")
    assert said(problems, "products.csv:2:year", "no product of JP in 2024")


def test_a_reported_figure_without_a_source_is_noted_once_a_table(tmp_path: Path) -> None:
    def edit(tables: Tables) -> None:
        tables["families"] = [
            [*row, "confidence" if number == 0 else "reported"] for number, row in enumerate(tables["families"])
        ]

    problems = change(tmp_path, edit)
    assert [problem.place for problem in problems] == ["families.csv:2:source"]
    assert "3 more rows" in problems[0].message


def test_problems_as_text_are_one_line_each_and_as_json_carry_the_parts_of_the_place() -> None:
    problems = [
        Problem("offers.csv:14:price", "a\nb"),
        Problem("study.xlsx!offers!D14", "c", warning=True),
        Problem("study.xlsx!offers", "d"),
        Problem("tiers.csv", "e"),
    ]
    assert format_problems_text(problems).split("\n") == [
        "offers.csv:14:price: a\\nb",
        "study.xlsx!offers!D14: warning: c",
        "study.xlsx!offers: d",
        "tiers.csv: e",
    ]
    document = json.loads(format_problems_json(problems))
    assert (document["format"], document["errors"], document["warnings"]) == (1, 3, 1)
    first, second, third, fourth = document["problems"]
    assert (first["file"], first["line"], first["column"], first["severity"]) == ("offers.csv", 14, "price", "error")
    assert (second["file"], second["sheet"], second["cell"], second["severity"]) == (
        "study.xlsx",
        "offers",
        "D14",
        "warning",
    )
    assert (third["sheet"], third["cell"]) == ("offers", None)
    assert (fourth["file"], fourth["line"]) == ("tiers.csv", None)
    assert format_problems_text([]) == ""


def with_columns(tables: Tables, table: str, **cells: str) -> None:
    """Further columns of a table, the same cell in its first row and empty elsewhere."""
    rows = tables[table]
    rows[0] += list(cells)
    for at, row in enumerate(rows[1:]):
        row.extend(cells.values() if at == 0 else [""] * len(cells))


def test_index_clauses_give_each_path_its_share_of_at_most_the_whole_price(tmp_path: Path) -> None:
    def edit(shares: str) -> Callable[[Tables], None]:
        return lambda tables: with_columns(tables, "offers", index_paths="cells", index_shares=shares)

    assert said(change(tmp_path / "a", edit("0.3;0.2")), "offers.csv:2:index_shares", "2 shares for 1 index_paths")
    assert said(change(tmp_path / "b", edit("1.2")), "offers.csv:2:index_shares", "expected shares of the price")
    assert not any("index" in str(problem) for problem in change(tmp_path / "c", edit("0.4")))


def test_bundles_name_offers_of_one_supplier(tmp_path: Path) -> None:
    def edit(tables: Tables) -> None:
        names = [row[0] for row in tables["offers"][1:]]
        tables["bundles"] = [["bundle", "offers", "rebate"], ["all", ";".join(names), "0.1"]]

    problems = change(tmp_path, edit)
    assert said(problems, "bundles.csv:2:offers", "expected one supplier")


def test_only_sites_with_a_capacity_can_be_expanded(tmp_path: Path) -> None:
    def edit(tables: Tables) -> None:
        site = tables["capacities"][1][0]
        tables["capacities"] = [row for row in tables["capacities"] if row[0] != site]
        tables["expansions"] = [["site", "from_year", "capacity", "cost"], [site, "2028", "10", "5"]]

    assert said(change(tmp_path, edit), "expansions.csv:2:site", "there is nothing to expand")


def targets(tmp_path: Path, kind: str, price: str, floor: str, binding: str = "", row: int = 1) -> list[Problem]:
    def edit(tables: Tables) -> None:
        rows = tables["requirements"]
        rows[0] += ["binding", "kind", "value_per_unit", "floor_offset"]
        for number, cells in enumerate(rows[1:], 1):
            cells.extend([binding, kind, price, floor] if number == row else ["", "", "", ""])

    return change(tmp_path, edit)


def test_a_target_has_a_price_and_a_floor_past_its_value_that_the_simulation_can_tell(tmp_path: Path) -> None:
    assert targets(tmp_path / "a", "target", "4000", "-20") == []
    assert targets(tmp_path / "b", "target", "60000", "2", row=2) == []
    missing = targets(tmp_path / "c", "target", "", "")
    assert said(missing, "requirements.csv:2:value_per_unit", "for one km", "write hard")
    assert said(missing, "requirements.csv:2:floor_offset", "how far it may be missed, in km")
    assert said(targets(tmp_path / "d", "target", "-1", "-20"), "requirements.csv:2:value_per_unit", "-1")
    assert said(targets(tmp_path / "e", "soft", "1", "-20"), "requirements.csv:2:kind", "soft", "target")
    wrong_side = targets(tmp_path / "f", "target", "4000", "20")
    assert said(wrong_side, "requirements.csv:2:floor_offset", "below 0 (more is better)")
    other_side = targets(tmp_path / "g", "target", "4000", "-2", row=2)
    assert said(other_side, "requirements.csv:3:floor_offset", "above 0 (less is better)")
    near = targets(tmp_path / "h", "target", "4000", "-16")
    assert said(near, "requirements.csv:2:floor_offset", "at least 16.2", "8.1 km")
    assert said(targets(tmp_path / "i", "target", "4000", "-181"), "requirements.csv:2:floor_offset", "would be -1")


def test_what_only_a_target_has_is_noted_elsewhere_and_hard_contradicts_not_binding(tmp_path: Path) -> None:
    noted = targets(tmp_path / "a", "hard", "4000", "-20")
    assert said(noted, "requirements.csv:2:value_per_unit", "only a target has one", warning=True)
    assert said(noted, "requirements.csv:2:floor_offset", "only a target has one", warning=True)
    assert said(targets(tmp_path / "b", "hard", "", "", "no"), "requirements.csv:2:binding", "beside kind hard")
    assert targets(tmp_path / "c", "report", "", "", "no") == []


def market_of(tmp_path: Path, *rows: str) -> list[Problem]:
    """Problems of the small study with further products of its home market."""

    def edit(tables: Tables) -> None:
        tables["products"] += [
            *(f"Car {k},JP,Maker {k},,kei,ice,2025,{1_500_000 + 100_000 * k},50000,,,".split(",") for k in range(6)),
            *(row.split(",") for row in rows),
        ]

    return change(tmp_path, edit)


def test_a_range_of_nothing_is_refused_and_a_tiny_one_noted(tmp_path: Path) -> None:
    problems = market_of(tmp_path, "Slip,JP,Other,,kei,bev,2025,2600000,900,0,wltc_japan,20")
    assert said(problems, "products.csv:11:range_km", "found 0 for Slip", "leave the cell empty")
    problems = market_of(tmp_path / "b", "Slip,JP,Other,,kei,bev,2025,2600000,900,18,wltc_japan,20")
    assert said(problems, "products.csv:11:range_km", "whole range of Slip", warning=True)


def test_a_price_or_units_of_another_size_than_the_market_are_refused(tmp_path: Path) -> None:
    for k, (price, units, column, words) in enumerate(
        (
            ("1", "900", "price", "found 1 for Slip"),
            ("2600", "900", "price", "found 2600 for Slip"),
            ("2600000000", "900", "price", "no market has both"),
            ("2600000", "5e9", "units", "more than the world buys"),
            ("2600000", "9e7", "units", "times all other cars of JP"),
        )
    ):
        problems = market_of(tmp_path / str(k), f"Slip,JP,Other,,kei,ice,2025,{price},{units},,,")
        assert said(problems, f"products.csv:11:{column}", words), (price, units)
    problems = market_of(tmp_path / "ok", "Slip,JP,Other,,kei,ice,2025,26000000,5000000,,,")
    assert said(problems, "products.csv:11:units", "check the unit", warning=True)


def test_rows_of_other_years_enter_or_are_named(tmp_path: Path) -> None:
    problems = market_of(
        tmp_path,
        "Newcomer,JP,Other,,kei,bev,2027,2500000,12000,180,wltc_japan,20",
        "Newcomer,JP,Other,,kei,bev,2028,2400000,15000,180,wltc_japan,20",
        "Rival,JP,Other,,kei,ice,2026,1700000,800000,,,",
        "Old,JP,Other,,kei,ice,2020,1700000,800000,,,",
        "Ours,JP,Aoba,P1,kei,bev,2027,2600000,1000,180,wltc_japan,20",
    )
    assert not [one for one in problems if one.place == "products.csv:11:year"]
    assert said(problems, "products.csv:12:year", "enters in 2027 already", warning=True)
    assert said(problems, "products.csv:13:year", "Rival is on sale in 2025", warning=True)
    assert said(problems, "products.csv:14:year", "market is that of 2025", warning=True)
    assert said(problems, "products.csv:15:year", "programme P1", warning=True)


def test_one_changed_part_of_a_key_is_told_once_for_all_ranges_of_it(tmp_path: Path) -> None:
    shutil.copytree(KIT, tmp_path / "study")
    tiers = tmp_path / "study" / "tiers.csv"
    tiers.write_text(tiers.read_text("utf-8").replace(",40000,", ",45000,"), "utf-8")
    told = [str(problem) for problem in check(tmp_path / "study") if problem.place.startswith("ranges.csv")]
    assert len(told) == 1
    assert "ranges.csv:3:row: 3 ranges, the first in line 3, the last in line 9, are of rows of tiers" in told[0]
    assert "with from_quantity 40000" in told[0]
