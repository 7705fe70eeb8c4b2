"""Further terms of suppliers: each against enumeration, exact prices, bad input with its place."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from python_calamine import CalamineWorkbook

from teikei.errors import NoPlanError, StudyError
from teikei.plan.award import award, award_tender, read_tender, rule_prices, solve, write_files
from teikei.plan.award.price import violations
from teikei.plan.award.terms import Terms
from teikei.plan.award.write import quantities
from tests.plan.award.make import generated, write_tender
from tests.plan.award.oracles import brute_force_terms

YEARS = (2030, 2031)


def case(folder: Path, seed: int, **more: Any) -> Path:
    """Two suppliers, two items, two years; capacities that bind for one of them."""
    rng = np.random.default_rng(seed)
    demand = {(k, t): float(rng.integers(20, 60)) for k in range(2) for t in YEARS}
    base = rng.uniform(2, 8, 2)
    tables: dict[str, Any] = {
        "items": [(f"i{k}", t, d) for (k, t), d in demand.items()],
        "suppliers": [(f"s{s}", float(rng.uniform(0, 20))) for s in range(2)],
        "capacity": [("s0", t, float(round(0.7 * sum(demand[k, t] for k in range(2)), 1))) for t in YEARS],
        "offers": [
            (f"s{s}", f"i{k}", t, float(round(base[k] * rng.uniform(0.85, 1.15), 3)))
            for s in range(2)
            for k in range(2)
            for t in YEARS
        ],
    }
    tables.update(more)
    return write_tender(folder, **tables)


TERMS: dict[str, dict[str, Any]] = {
    "all units on one item": {
        "tiers": [("s1", t, q, d, "i0", "", "") for t in YEARS for q, d in ((10, 0.05), (25, 0.12))]
    },
    "all units on two items by quantity": {
        "tiers": [("s1", 2030, q, d, "i0;i1", "quantity", "") for q, d in ((0, 0.01), (30, 0.1), (60, 0.2))]
    },
    "all units on spend": {
        "tiers": [("s1", t, q, d, "", "spend", "all_units") for t in YEARS for q, d in ((80, 0.06), (220, 0.14))]
    },
    "incremental on one item": {
        "tiers": [("s1", t, q, d, "i1", "", "incremental") for t in YEARS for q, d in ((8, 0.1), (20, 0.3))]
    },
    "incremental on spend": {
        "tiers": [("s0", t, q, d, "", "spend", "incremental") for t in YEARS for q, d in ((60, 0.15), (120, 0.35))]
    },
    "total volume and spend together": {
        "tiers": [
            *(("s1", t, q, d, "", "", "") for t in YEARS for q, d in ((0, 0.0), (50, 0.08))),
            *(("s1", t, 100, 0.07, "", "spend", "") for t in YEARS),
        ]
    },
    "bundle": {"bundles": [("both", "s1", "i0;i1", "", 0.6, 0.15)]},
    "bundle of a year at its whole demand": {"bundles": [("all", "s1", "i0;i1", 2031, "", 0.25)]},
    "take or pay over two years": {"take_or_pay": [("s1", "", 2030, 2031, 120, 2.5, "")]},
    "take or pay that is signed already": {"take_or_pay": [("s1", "i0", 2030, 2031, 70, 3.0, "always")]},
    "paid expansion": {"expansions": [("s0", 2030, 15, 6), ("s0", 2031, 30, 9)]},
    "least quantity of a supplier": {
        "capacity": [("s0", 2030, 60, 40), ("s0", 2031, 60, 40), ("s1", 2030, 200, 30), ("s1", 2031, 200, 30)]
    },
    "all together": {
        "tiers": [("s1", 2030, q, d, "", "spend", "incremental") for q, d in ((60, 0.1), (150, 0.2))],
        "bundles": [("both", "s1", "i0;i1", 2031, 0.5, 0.1)],
        "take_or_pay": [("s0", "", 2030, 2031, 90, 1.0, "")],
        "expansions": [("s0", 2030, 20, 5)],
    },
}


@pytest.mark.parametrize("name", TERMS)
@pytest.mark.parametrize("seed", range(4))
def test_each_term_reaches_the_optimum_of_the_enumeration(tmp_path: Path, name: str, seed: int) -> None:
    tender = read_tender(case(tmp_path, seed, **TERMS[name]))
    result = award_tender(tender, gap=1e-9)
    assert result.objective == pytest.approx(brute_force_terms(tender), rel=1e-7)
    assert result.status == "optimal"


@pytest.mark.parametrize("name", TERMS)
def test_each_term_changes_the_cost_of_some_tender(tmp_path: Path, name: str) -> None:
    def changed(seed: int) -> bool:
        plain = award_tender(read_tender(case(tmp_path / f"p{seed}", seed))).objective
        with_it = award_tender(read_tender(case(tmp_path / f"t{seed}", seed, **TERMS[name]))).objective
        return abs(plain - with_it) > 1e-6 * plain

    assert any(changed(seed) for seed in range(4))


@pytest.mark.parametrize("name", ["all together", "incremental on one item", "all units on spend"])
def test_files_add_up_in_decimal_arithmetic(tmp_path: Path, name: str) -> None:
    """Spend of the lines plus charges, from the written files alone."""
    result = award(case(tmp_path / "in", 1, **TERMS[name]), tmp_path / "out")
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    with (tmp_path / "out" / "awards.csv").open() as stream:
        lines = list(csv.DictReader(stream))
    spend = sum((Decimal(line["spend"]) for line in lines), Decimal(0))
    charged = sum((Decimal(repr(one["amount"])) for one in summary["charges"]), Decimal(0))
    assert float(spend + charged) == pytest.approx(result.objective, rel=1e-12)
    for line in lines:
        whole = Decimal(line["quantity"]) * Decimal(line["unit_price"]) * (1 - Decimal(line["discount"]))
        assert float(whole) == pytest.approx(float(line["spend"]), rel=1e-12)
    assert summary["repriced"] == pytest.approx(summary["objective"], rel=1e-12)


def test_an_incremental_discount_is_granted_on_the_part_above_its_start_only(tmp_path: Path) -> None:
    folder = write_tender(
        tmp_path, items=[("bolt", 2030, 100)], suppliers=[("A", 0)], offers=[("A", "bolt", 2030, 2.0)],
        tiers=[("A", 2030, 0, 0, "bolt", "quantity", "incremental"), ("A", 2030, 40, 0.1, "bolt", "", "incremental"),
               ("A", 2030, 80, 0.2, "bolt", "", "incremental")],
    )  # fmt: skip
    result = award(folder)
    assert result.objective == pytest.approx(40 * 2 + 40 * 2 * 0.9 + 20 * 2 * 0.8, rel=1e-12)


def test_at_the_break_of_a_spend_tier_the_better_discount_holds(tmp_path: Path) -> None:
    folder = write_tender(
        tmp_path, items=[("bolt", 2030, 100)], suppliers=[("A", 0)], offers=[("A", "bolt", 2030, 2.0)],
        tiers=[("A", 2030, 200, 0.1, "", "spend", "")],
    )  # fmt: skip
    assert award(folder).objective == pytest.approx(180.0, rel=1e-12)


def test_a_large_tender_with_terms_gets_a_plan_a_bound_and_an_exact_price(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The way of large tenders (a plan without the terms first), against the direct way."""
    folder = generated(tmp_path, years=2, items=12, suppliers=5, tiers=3, seed=3)
    write_tender(
        folder,
        bundles=[("both", "S01", "I000;I001", "", 0.3, 0.05)] if _offers(folder, "S01", ("I000", "I001")) else [],
        take_or_pay=[("S02", "", "", "", 500, 10.0, "")],
        expansions=[("S00", 2027, 200, 100.0)],
    )
    tender = read_tender(folder)
    direct = award_tender(tender, gap=1e-6)
    monkeypatch.setattr(solve, "SMALL_OFFERS", 0)
    result = award_tender(tender, gap=1e-6)
    assert not violations(tender, quantities(result))
    assert result.objective == pytest.approx(direct.objective, rel=2e-6)
    assert result.bound <= direct.objective * (1 + 1e-9)


def _offers(folder: Path, supplier: str, items: tuple[str, ...]) -> bool:
    with (folder / "offers.csv").open() as stream:
        found = {row["item"] for row in csv.DictReader(stream) if row["supplier"] == supplier}
    return set(items) <= found


def test_rules_are_priced_with_the_terms_in_force(tmp_path: Path) -> None:
    terms = {"bundles": [("both", "s1", "i0;i1", "", 0.6, 0.4)], "rules": [("max_share_per_item", "*", 0.5)]}
    tender = read_tender(case(tmp_path / "with", 1, **terms))
    price = rule_prices(tender)[0]
    free = read_tender(case(tmp_path / "free", 1, bundles=terms["bundles"]))
    assert price.objective_without == pytest.approx(brute_force_terms(free), rel=1e-7)
    assert price.price > 0


def test_the_workbook_lists_charges_and_says_what_a_bundle_decided(tmp_path: Path) -> None:
    terms = {
        "bundles": [("both", "s1", "i0;i1", "", 0.9, 0.4)],
        "take_or_pay": [("s1", "", 2030, 2031, 900, 0.1, "")],
    }
    result = award_tender(read_tender(case(tmp_path / "in", 2, **terms)))
    write_files(result, tmp_path / "out")
    book = CalamineWorkbook.from_path(tmp_path / "out" / "awards.xlsx")
    rows = book.get_sheet_by_name("charges").to_python()
    paid = [row for row in rows if row[0] == "take or pay"]
    taken = sum(a.quantity for a in result.awards if a.supplier == "s1")
    assert paid[0][3] == pytest.approx(900 - taken)
    assert paid[0][4] == pytest.approx((900 - taken) * 0.1)
    sheet = book.get_sheet_by_name("suppliers").to_python()
    spend = {(row[0], row[1]): row[6] for row in sheet[1:]}
    for (supplier, year), amount in spend.items():
        lines = [a.spend for a in result.awards if (a.supplier, a.year) == (supplier, int(year))]
        assert amount == pytest.approx(sum(lines), rel=1e-9)
    dearer = [a.reason for a in result.awards if "bundle" in a.reason]
    assert all("part of bundle both" in reason for reason in dearer)


def test_without_an_expansion_that_is_enough_there_is_no_plan_and_the_capacity_is_named(tmp_path: Path) -> None:
    folder = write_tender(
        tmp_path,
        items=[("bolt", 2030, 100), ("nut", 2030, 50)],
        suppliers=[("A", 0)],
        offers=[("A", "bolt", 2030, 1.0), ("A", "nut", 2030, 1.0)],
        capacity=[("A", 2030, 60)],
        expansions=[("A", 2030, 60, 5)],
    )
    with pytest.raises(NoPlanError, match=r"A \(120\)"):
        award(folder)


BAD: list[tuple[str, dict[str, Any], list[str]]] = [
    ("spend tiers overlap", {"tiers": [("s1", 2030, 9, 0.1, "", "spend", ""), ("s1", 2030, 9, 0.2, "", "spend", "")]},
     ["tiers.csv:3:from_quantity", "overlap"]),
    ("discount falls", {"tiers": [("s1", 2030, 0, 0.2, "i0", "", ""), ("s1", 2030, 9, 0.1, "i0", "", "")]},
     ["tiers.csv:3:discount", "falls with volume"]),
    ("unknown basis", {"tiers": [("s1", 2030, 0, 0.2, "", "spent", "")]},
     ["tiers.csv:2:basis", "did you mean 'spend'"]),
    ("unknown item", {"tiers": [("s1", 2030, 0, 0.2, "i7", "", "")]}, ["tiers.csv:2:item", "names nothing"]),
    ("incremental on several items", {"tiers": [("s1", 2030, 5, 0.2, "", "quantity", "incremental")]},
     ["tiers.csv:2:kind", "which item is the last"]),
    ("mixed kinds",
     {"tiers": [("s1", 2030, 5, 0.1, "", "spend", ""), ("s1", 2030, 9, 0.2, "", "spend", "incremental")]},
     ["tiers.csv:2:kind", "partly"]),
    ("bundle names nothing", {"bundles": [("b", "s1", "i0;i9", "", "", 0.1)]}, ["bundles.csv:2:items", "'i9'"]),
    ("bundle in no year", {"bundles": [("b", "s1", "i0", 2044, "", 0.1)]}, ["bundles.csv:2:year", "names nothing"]),
    ("bundle share", {"bundles": [("b", "s1", "i0", "", 60, 0.1)]}, ["bundles.csv:2:min_share", "up to 1"]),
    ("discounts above the price", {"bundles": [("b", "s1", "i0", "", 0.5, 0.6), ("c", "s1", "i0", "", 0.5, 0.5)]},
     ["bundles.csv:1:discount", "add up to 1.1"]),
    ("expansion of nothing", {"expansions": [("s1", 2030, 5, 1)]}, ["expansions.csv:2:supplier", "unlimited"]),
    ("take or pay without years", {"take_or_pay": [("s1", "", 2040, 2041, 5, 1, "")]},
     ["take_or_pay.csv:2:from_year", "names nothing"]),
    ("take or pay when", {"take_or_pay": [("s1", "", "", "", 5, 1, "allways")]},
     ["take_or_pay.csv:2:when", "'always'"]),
    ("capacity below minimum order", {"capacity": [("s0", 2030, 60, 70), ("s0", 2031, 60, "")]},
     ["capacity.csv:2:min_quantity", "above its capacity 60"]),
    ("negative step", {"expansions": [("s0", 2030, -5, 1)]}, ["expansions.csv:2:capacity", "at least 0"]),
]  # fmt: skip


@pytest.mark.parametrize(("tables", "expected"), [row[1:] for row in BAD], ids=[row[0] for row in BAD])
def test_bad_terms_are_said_with_their_place(tmp_path: Path, tables: Any, expected: list[str]) -> None:
    with pytest.raises(StudyError) as caught:
        read_tender(case(tmp_path, 1, **tables))
    for text in expected:
        assert text in str(caught.value)


@settings(max_examples=10, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 10_000), name=st.sampled_from(sorted(set(TERMS) - {"least quantity of a supplier"})))
def test_what_suppliers_grant_never_costs_more_and_what_they_ask_never_less(
    tmp_path: Path, seed: int, name: str
) -> None:
    tender = read_tender(case(tmp_path / f"{seed} {name}", seed, **TERMS[name]))
    granted = replace(tender.terms, commitments=(), minimums=())
    asked = replace(tender.terms, schedules=(), bundles=(), expansions=())
    plain = award_tender(replace(tender, terms=Terms()), gap=1e-9).objective
    assert award_tender(replace(tender, terms=granted), gap=1e-9).objective <= plain * (1 + 1e-8)
    assert award_tender(replace(tender, terms=asked), gap=1e-9).objective >= plain * (1 - 1e-8)
