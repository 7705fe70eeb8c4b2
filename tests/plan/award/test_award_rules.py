"""Conventions, rules, reasons, and what a tender must be told about itself."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from python_calamine import CalamineWorkbook
from xlsxwriter import Workbook

from teikei.errors import NoPlanError, StudyError
from teikei.plan.award import award, award_tender, read_tender, rule_prices, scenarios, solve, write_files
from teikei.plan.award.price import reached_tier, violations
from teikei.plan.award.tables import read_tables
from teikei.plan.award.write import quantities
from tests.plan.award.make import generated, write_tender
from tests.plan.award.test_award_against_oracles import tiny


def simple(folder: Path, rules: Sequence[Sequence[Any]] = (), **other: Any) -> Path:
    """Two items, three suppliers; A is cheapest throughout, then B, then C."""
    tables: dict[str, Any] = {
        "items": [("bolt", 2030, 100), ("nut", 2030, 50)],
        "suppliers": [("A", 0), ("B", 0), ("C", 0)],
        "offers": [(s, i, 2030, price) for s, price in (("A", 1.0), ("B", 1.2), ("C", 1.5)) for i in ("bolt", "nut")],
        "rules": rules,
    }
    return write_tender(folder, **{**tables, **other})


def bought(result: Any) -> dict[tuple[str, str], float]:
    return {(a.supplier, a.item): a.quantity for a in result.awards}


def test_at_the_break_the_better_tier_holds(tmp_path: Path) -> None:
    tiers = [("A", 2030, 0, 0), ("A", 2030, 150, 0.1)]
    result = award(simple(tmp_path, tiers=tiers))
    assert result.objective == pytest.approx(150 * 0.9, rel=1e-12)
    tender = result.tender
    assert reached_tier(tender, 0, 0, 150.0) == 1
    assert reached_tier(tender, 0, 0, float(np.nextafter(150.0, 0.0))) == 0


def test_buying_more_to_reach_a_tier_is_forbidden(tmp_path: Path) -> None:
    result = award(simple(tmp_path, tiers=[("A", 2030, 151, 0.9)]))
    assert result.objective == pytest.approx(150.0, rel=1e-12)


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ([], {("A", "bolt"): 100, ("A", "nut"): 50}),
        (
            [("max_share_per_item", "*", 0.6)],
            {("A", "bolt"): 60, ("B", "bolt"): 40, ("A", "nut"): 30, ("B", "nut"): 20},
        ),
        ([("max_share_per_item", "item=bolt", 0.6)], {("A", "bolt"): 60, ("B", "bolt"): 40, ("A", "nut"): 50}),
        (
            [("max_share_per_item", "A", 0.6)],
            {("A", "bolt"): 60, ("B", "bolt"): 40, ("A", "nut"): 30, ("B", "nut"): 20},
        ),
        ([("exclude", "supplier=A;item=nut", "")], {("A", "bolt"): 100, ("B", "nut"): 50}),
        ([("exclude", "A", "")], {("B", "bolt"): 100, ("B", "nut"): 50}),
        ([("force", "supplier=C;item=nut", 0.2)], {("A", "bolt"): 100, ("A", "nut"): 40, ("C", "nut"): 10}),
        ([("max_share_per_supplier", "supplier=A", 0.8)], None),
        ([("min_share_per_supplier", "supplier=C", 0.1)], None),
        (
            [("max_share_per_item", "*", 0.95), ("min_share_per_item", "*", 0.3)],
            {("A", "bolt"): 70, ("B", "bolt"): 30, ("A", "nut"): 35, ("B", "nut"): 15},
        ),
        (
            [("min_suppliers_per_item", "bolt", 2), ("min_share_per_item", "*", 0.25)],
            {("A", "bolt"): 75, ("B", "bolt"): 25, ("A", "nut"): 50},
        ),
        ([("min_suppliers_per_item", "bolt", 2)], {("A", "bolt"): 99, ("B", "bolt"): 1, ("A", "nut"): 50}),
    ],
)
def test_each_rule_moves_the_awards_as_it_says(
    tmp_path: Path, rules: list[Any], expected: dict[Any, float] | None
) -> None:
    result = award(simple(tmp_path, rules))
    found = bought(result)
    if expected is not None:
        assert found == pytest.approx(expected, rel=1e-6)
    elif rules[0][0] == "max_share_per_supplier":
        assert sum(q for (s, _), q in found.items() if s == "A") == pytest.approx(120, rel=1e-6)
    else:
        assert sum(q for (s, _), q in found.items() if s == "C") == pytest.approx(15, rel=1e-6)


def test_limits_on_the_number_of_suppliers_hold(tmp_path: Path) -> None:
    offers = [("A", "bolt", 2030, 1.0), ("B", "bolt", 2030, 1.5), ("B", "nut", 2030, 2.0), ("C", "nut", 2030, 1.0)]
    free = award(simple(tmp_path / "free", offers=offers))
    assert free.suppliers_used == ("A", "C")
    one = award(simple(tmp_path / "one", [("max_suppliers", "*", 1)], offers=offers))
    assert one.suppliers_used == ("B",)
    split = [("A", "bolt", 2030, 1.0, 60, ""), ("B", "bolt", 2030, 1.1, 60, ""), ("C", "bolt", 2030, 3.0, "", "")]
    items = [("bolt", 2030, 100)]
    lone = award(simple(tmp_path / "lone", [("max_suppliers_per_item", "bolt", 1)], offers=split, items=items))
    assert bought(lone) == {("C", "bolt"): 100.0}


def test_minimum_order_is_kept_or_not_placed(tmp_path: Path) -> None:
    items = [("bolt", 2030, 100)]
    offers = [("A", "bolt", 2030, 1.0, 70, ""), ("B", "bolt", 2030, 1.2, "", 50), ("C", "bolt", 2030, 1.5, "", "")]
    assert bought(award(simple(tmp_path, offers=offers, items=items))) == pytest.approx(
        {("A", "bolt"): 50, ("B", "bolt"): 50}
    )


def test_rules_hold_in_the_large_pipeline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(solve, "SMALL_OFFERS", 0)
    folder = generated(tmp_path, years=1, items=15, suppliers=6, tiers=3, seed=2)
    (folder / "rules.csv").write_text(
        "rule,scope,value\nmax_share_per_item,*,0.7\nmin_share_per_item,*,0.15\nmin_suppliers_per_item,*,2\n"
        "max_suppliers,*,5\nmax_share_per_supplier,*,0.4\nmax_suppliers_per_item,item=I00*,2\n"
    )
    tender = read_tender(folder)
    large = award_tender(tender, gap=1e-6)
    assert not violations(tender, quantities(large))
    monkeypatch.setattr(solve, "SMALL_OFFERS", 10**9)
    assert large.objective == pytest.approx(award_tender(tender, gap=1e-6).objective, rel=1e-5)


def test_rule_prices_are_the_difference_of_objectives(tmp_path: Path) -> None:
    tender = read_tender(simple(tmp_path, [("max_share_per_item", "*", 0.6), ("exclude", "supplier=C", "")]))
    prices = rule_prices(tender)
    assert [price.price for price in prices] == pytest.approx([0.2 * 60, 0.0, 0.2 * 60], abs=1e-9)
    assert [price.together for price in prices] == [1, 1, 2]
    assert all(price.lower <= price.price + 1e-9 and price.price <= price.upper + 1e-9 for price in prices)


def test_ready_made_scenarios(tmp_path: Path) -> None:
    rules = [("incumbent", "bolt", "B"), ("incumbent", "nut", "C"), ("exclude", "A", "")]
    tender = read_tender(simple(tmp_path, rules))
    made = scenarios(tender, at_most=1)
    write_files(replace(award_tender(tender), scenarios=made, prices=rule_prices(tender)), tmp_path / "out")
    assert set(made) == {"cheapest", "incumbent", "at most 1 suppliers"}
    assert made["cheapest"].objective == pytest.approx(150.0)
    assert made["incumbent"].objective == pytest.approx(100 * 1.2 + 50 * 1.5)
    assert made["at most 1 suppliers"].suppliers_used == ("B",)
    book = CalamineWorkbook.from_path(tmp_path / "out" / "awards.xlsx")
    prices = book.get_sheet_by_name("rule prices").to_python()
    assert prices[1][:3] == ["exclude, A", "rules.csv:4:rule", pytest.approx(30.0)]
    assert [row[0] for row in book.get_sheet_by_name("scenarios").to_python()][1:] == list(made)


def test_the_command_writes_scenarios_and_rule_prices_that_agree_with_the_functions(tmp_path: Path) -> None:
    folder = simple(tmp_path / "in", [("max_share_per_item", "*", 0.6), ("exclude", "supplier=C", "")])
    result = award(folder, tmp_path / "out", with_scenarios=True, at_most=2, with_prices=True)
    with (tmp_path / "out" / "rule_prices.csv").open() as stream:
        prices = list(csv.DictReader(stream))
    assert [float(row["price"]) for row in prices] == pytest.approx([0.2 * 60, 0.0, 0.2 * 60], abs=1e-9)
    with (tmp_path / "out" / "scenarios.csv").open() as stream:
        made = {row["scenario"]: float(row["objective"]) for row in csv.DictReader(stream)}
    assert made["cheapest"] == pytest.approx(150.0)
    assert set(made) == {"cheapest", "at most 2 suppliers"}
    assert result.objective >= made["cheapest"]


def test_incumbents_keep_what_their_capacity_allows(tmp_path: Path) -> None:
    tender = read_tender(simple(tmp_path, [("incumbent", "*", "C")], capacity=[("C", 2030, 120)]))
    kept = scenarios(tender, at_most=3)["incumbent"]
    assert sum(a.quantity for a in kept.awards if a.supplier == "C") == pytest.approx(120, rel=1e-6)


def test_reasons_name_what_decided(tmp_path: Path) -> None:
    offers = [("A", "bolt", 2030, 1.0), ("B", "bolt", 2030, 1.2), ("B", "nut", 2030, 1.0)]
    result = award(simple(tmp_path, [("max_share_per_item", "bolt", 0.6)], offers=offers))
    reason = {(a.supplier, a.item): a.reason for a in result.awards}
    assert reason["B", "nut"] == "only offer"
    assert reason["A", "bolt"] == "cheapest offer"
    less = "without it the award would cost 8.00 less"
    assert reason["B", "bolt"] == f"the rule 'max_share_per_item, bolt, 0.6' holds it here, though A is cheaper: {less}"
    tiers = [("A", 2030, 0, 0), ("A", 2030, 150, 0.3)]
    dearer = [("A", "bolt", 2030, 1.0), ("A", "nut", 2030, 1.0), ("B", "nut", 2030, 0.6)]
    whole = award(simple(tmp_path / "tier", offers=dearer, tiers=tiers))
    assert {a.reason for a in whole.awards if a.item == "nut"} == {
        "keeps its supplier in a better tier; B is cheaper for this item alone"
    }


BAD: list[tuple[str, dict[str, Any], list[Any], list[str]]] = [
    (
        "tiers overlap",
        {"tiers": [("A", 2030, 10, 0.1), ("A", 2030, 10, 0.2)]},
        [],
        ["tiers.csv:3:from_quantity", "overlap"],
    ),
    ("discount falls", {"tiers": [("A", 2030, 0, 0.1), ("A", 2030, 10, 0.05)]}, [], ["tiers.csv:3:discount", "falls"]),
    ("percent", {"tiers": [("A", 2030, 10, 5)]}, [], ["tiers.csv:2:discount", "0.05"]),
    (
        "minimum above capacity",
        {
            "offers": [("A", "bolt", 2030, 1, "", 60), ("B", "bolt", 2030, 1, "", ""), ("B", "nut", 2030, 1, "", "")],
            "capacity": [("A", 2030, 50)],
        },
        [],
        ["offers.csv:2:min_quantity", "above the capacity 50"],
    ),
    ("negative", {"items": [("bolt", 2030, -5), ("nut", 2030, 1)]}, [], ["items.csv:2:quantity", "at least 0"]),
    ("not a number", {"items": [("bolt", 2030, "nan"), ("nut", 2030, 1)]}, [], ["items.csv:2:quantity", 'found "nan"']),
    (
        "text",
        {"suppliers": [("A", "much"), ("B", 0), ("C", 0)]},
        [],
        ["suppliers.csv:2:activation_cost", 'found "much"'],
    ),
    (
        "unknown supplier",
        {"capacity": [("AA", 2030, 5)]},
        [],
        ["capacity.csv:2:supplier", "unknown supplier 'AA'", "'A'"],
    ),
    (
        "unknown item",
        {"offers": [("A", "bolts", 2030, 1), ("A", "bolt", 2030, 1), ("A", "nut", 2030, 1)]},
        [],
        ["offers.csv:2:item", "unknown item 'bolts'", "did you mean 'bolt'?"],
    ),
    ("rule names nothing", {}, [("exclude", "item=screw", "")], ["rules.csv:2:scope", "names nothing"]),
    (
        "rule without offers",
        {"offers": [("A", "bolt", 2030, 1), ("A", "nut", 2030, 1)]},
        [("force", "supplier=B", 0.2)],
        ["rules.csv:2:rule", "asks for awards"],
    ),
    ("unknown rule", {}, [("max_share_per_itm", "*", 0.5)], ["rules.csv:2:rule", "did you mean 'max_share_per_item'?"]),
    ("bad share", {}, [("max_share_per_item", "*", 70)], ["rules.csv:2:value", "between 0 and 1"]),
    ("no offer", {"offers": [("A", "bolt", 2030, 1)]}, [], ["items.csv:3:quantity", "no supplier offers nut"]),
    ("not enough", {"capacity": [(s, 2030, 30) for s in "ABC"]}, [], ["items.csv:2:quantity", "at most 90"]),
    (
        "share of one",
        {"offers": [("A", "bolt", 2030, 1), ("A", "nut", 2030, 1)]},
        [("max_share_per_item", "nut", 0.5)],
        ["items.csv:3:quantity"],
    ),
    ("nothing asked", {"items": [("bolt", 2030, 0), ("nut", 2030, 0)]}, [], ["items.csv:1:quantity", "every quantity"]),
    ("twice", {"items": [("bolt", 2030, 5), ("bolt", 2030, 6), ("nut", 2030, 1)]}, [], ["items.csv:3:item", "twice"]),
]


@pytest.mark.parametrize(("other", "rules", "expected"), [row[1:] for row in BAD], ids=[row[0] for row in BAD])
def test_bad_input_is_said_with_its_place(tmp_path: Path, other: Any, rules: Any, expected: list[str]) -> None:
    with pytest.raises(StudyError) as caught:
        award(simple(tmp_path, rules, **other), tmp_path / "out")
    for text in expected:
        assert text in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_all_problems_come_at_once(tmp_path: Path) -> None:
    folder = simple(tmp_path, [("force", "supplier=Z", 0.1)], capacity=[("Q", 2030, -1)], items=[("bolt", "x", "y")])
    with pytest.raises(StudyError) as caught:
        read_tender(folder)
    assert len([problem for problem in caught.value.problems if not problem.warning]) >= 5


def test_a_file_of_semicolons_is_said_once(tmp_path: Path) -> None:
    folder = simple(tmp_path)
    (folder / "items.csv").write_text("item;year;quantity\nbolt;2030;1,5\n")
    with pytest.raises(StudyError, match=r"items.csv:1: columns are separated by semicolons") as caught:
        read_tender(folder)
    assert len(caught.value.problems) == 1


def test_missing_table_and_missing_column_are_named(tmp_path: Path) -> None:
    folder = simple(tmp_path)
    (folder / "suppliers.csv").unlink()
    (folder / "items.csv").write_text("item,year,quantitty\nbolt,2030,1\n")
    with pytest.raises(StudyError, match=r"suppliers.csv: the table suppliers is missing") as caught:
        read_tender(folder)
    assert "did you mean 'quantitty'?" in str(caught.value)


def test_conflict_names_items_capacities_and_rules(tmp_path: Path) -> None:
    capacity = [("A", 2030, 90), ("B", 2030, 40)]
    offers = [(s, i, 2030, 1.0) for s in "AB" for i in ("bolt", "nut")] + [("C", "bolt", 2030, 1.0)]
    folder = simple(tmp_path, [("max_share_per_item", "bolt", 0.1)], capacity=capacity, offers=offers)
    with pytest.raises(StudyError):
        read_tender(folder)
    folder = simple(tmp_path / "b", [("max_share_per_supplier", "C", 0.1)], capacity=capacity, offers=offers)
    with pytest.raises(NoPlanError) as caught:
        award(folder)
    text = str(caught.value)
    for part in (
        "bolt (100)",
        "nut (50)",
        "capacity in 2030: A (90), B (40)",
        "max_share_per_supplier",
    ):
        assert part in text


def test_conflict_leaves_out_what_is_not_part_of_it(tmp_path: Path) -> None:
    items = [("bolt", 2030, 100), ("nut", 2030, 50), ("bolt", 2031, 10)]
    offers = [(s, i, t, 1.0) for s in "AB" for i, t in (("bolt", 2030), ("nut", 2030), ("bolt", 2031))]
    rules = [("force", "supplier=A;item=bolt;year=2030", 0.8), ("exclude", "supplier=B;year=2031", "")]
    folder = simple(tmp_path, rules, items=items, offers=offers, capacity=[("A", 2030, 60), ("B", 2030, 140)])
    with pytest.raises(NoPlanError) as caught:
        award(folder)
    text = str(caught.value)
    assert "capacity of A in 2030 60 -> 80" in text
    assert "rule 'force, supplier=A;item=bolt;year=2030, 0.8' -> 0.6" in text
    assert "quantity of bolt in 2030 100 -> 75" in text
    assert text.index("0.8' -> 0.6") < text.index("60 -> 80")  # a quarter less is a smaller change than a third more
    assert "A (60)" in text
    assert "force" in text
    assert "nut" not in text
    assert "2031" not in text
    assert "exclude" not in text


def test_stopped_by_time_gives_a_plan_and_says_so(tmp_path: Path) -> None:
    folder = generated(tmp_path, years=3, items=80, suppliers=12, tiers=4, seed=1)
    result = award(folder, tmp_path / "out", time_limit_s=0.5, gap=0.0)
    assert result.status == "time limit"
    assert result.bound < result.objective
    assert not violations(result.tender, quantities(result))


def test_same_plan_in_every_run(tmp_path: Path) -> None:
    tender = read_tender(generated(tmp_path, years=2, items=30, suppliers=6, tiers=3, seed=4))
    first = award_tender(tender, gap=2e-3)
    for workers in (1, 2):
        assert award_tender(tender, gap=2e-3, workers=workers).awards == first.awards


def test_workbook_gives_the_same_awards_and_no_formula_comes_out(tmp_path: Path) -> None:
    import xlsxwriter

    folder = simple(
        tmp_path / "csv",
        [("max_share_per_item", "*", 0.7)],
        suppliers=[("=A1+1", 0), ("B", 3)],
        offers=[(s, i, 2030, p) for s, p in (("=A1+1", 1.0), ("B", 1.1)) for i in ("bolt", "nut")],
    )
    with xlsxwriter.Workbook(str(tmp_path / "tender.xlsx"), {"strings_to_formulas": False}) as book:
        for file in sorted(folder.glob("*.csv")):
            page = book.add_worksheet(file.stem)
            for at, line in enumerate(file.read_text().splitlines()):
                for column, cell in enumerate(line.split(",")):
                    try:
                        page.write(at, column, float(cell))
                    except ValueError:
                        page.write_string(at, column, cell)
    one, two = award(folder, tmp_path / "out"), award(tmp_path / "tender.xlsx")
    assert one.awards == two.awards
    book_out = CalamineWorkbook.from_path(tmp_path / "out" / "awards.xlsx")
    assert {"summary", "awards", "suppliers"} <= set(book_out.sheet_names)
    assert "=A1+1" in {row[0] for row in book_out.get_sheet_by_name("awards").to_python()}


def test_workbook_problem_names_sheet_and_cell(tmp_path: Path) -> None:
    import xlsxwriter

    with xlsxwriter.Workbook(str(tmp_path / "t.xlsx")) as book:
        for name, rows in {
            "items": [("item", "year", "quantity"), ("bolt", 2030, -1)],
            "suppliers": [("supplier", "activation_cost"), ("A", 0)],
            "offers": [("supplier", "item", "year", "unit_price"), ("A", "bolt", 2030, 1)],
        }.items():
            page = book.add_worksheet(name)
            for at, row in enumerate(rows):
                page.write_row(at, 0, row)
    with pytest.raises(StudyError, match=r"t\.xlsx!items!C2"):
        read_tender(tmp_path / "t.xlsx")


@settings(max_examples=12, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 10_000), more=st.floats(1.0, 2.0))
def test_more_capacity_never_costs_more(tmp_path: Path, seed: int, more: float) -> None:
    tender = read_tender(tiny(tmp_path / str(seed), seed))
    wider = replace(tender, capacity=tender.capacity * more)
    assert award_tender(wider, gap=1e-9).objective <= award_tender(tender, gap=1e-9).objective * (1 + 1e-8)


@settings(max_examples=12, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 10_000), gone=st.integers(0, 100))
def test_an_offer_more_never_costs_more(tmp_path: Path, seed: int, gone: int) -> None:
    tender = read_tender(tiny(tmp_path / str(seed), seed))
    keep = np.arange(len(tender.unit_price)) != gone % len(tender.unit_price)
    fields = ("offer_supplier", "offer_item", "offer_year", "unit_price", "maximum", "minimum", "order_multiple")
    fewer = replace(tender, **{name: getattr(tender, name)[keep] for name in fields})
    try:
        without = award_tender(fewer, gap=1e-9).objective
    except NoPlanError:
        return
    assert award_tender(tender, gap=1e-9).objective <= without * (1 + 1e-8)


@settings(max_examples=12, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 10_000), part=st.floats(0.05, 0.95))
def test_pooled_demand_never_costs_more_than_its_parts_without_capacities(
    tmp_path: Path, seed: int, part: float
) -> None:
    tender = read_tender(tiny(tmp_path / str(seed), seed))
    tender = replace(tender, capacity=np.full_like(tender.capacity, np.inf))
    one, two = replace(tender, demand=tender.demand * part), replace(tender, demand=tender.demand * (1 - part))
    apart = award_tender(one, gap=1e-9).objective + award_tender(two, gap=1e-9).objective
    assert award_tender(tender, gap=1e-9).objective <= apart * (1 + 1e-8)


def test_a_sheet_whose_name_is_nearly_a_table_s_is_told_and_not_silently_left_out(tmp_path: Path) -> None:
    with Workbook(tmp_path / "tender.xlsx") as book:
        for name in ("items", "suppliers", "offer", "Tiers"):
            book.add_worksheet(name).write_row(0, 0, ["supplier"])
    _, problems = read_tables(tmp_path / "tender.xlsx")
    told = [str(problem) for problem in problems]
    assert any("!Tiers: warning: the sheet is read as tiers" in text for text in told)
    assert any("!offer: found a sheet of this name, expected offers" in text for text in told)
