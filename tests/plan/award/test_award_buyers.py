"""What a buyer repeats to a supplier: reasons that a second award confirms, prices of rules together, quotas."""

from __future__ import annotations

import csv
import itertools
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.optimize import linprog
from typer.testing import CliRunner

import teikei.plan.award as product
from teikei.cli import app
from teikei.errors import StudyError
from teikei.plan.award import award, award_tender, read_tender, rule_prices
from tests.plan.award.make import write_tender

TWO = {
    "items": [("rotor", 2028, 100), ("housing", 2028, 100)],
    "suppliers": [("A", 0), ("B", 0)],
    "offers": [
        ("A", "rotor", 2028, 10), ("B", "rotor", 2028, 11), ("A", "housing", 2028, 10), ("B", "housing", 2028, 12),
    ],
}  # fmt: skip


def reason(result: Any, supplier: str, item: str) -> tuple[str, str]:
    return next((b.reason, b.reason_status) for b in result.bids if (b.supplier, b.item) == (supplier, item))


def test_a_supplier_level_rule_is_named_where_it_binds(tmp_path: Path) -> None:
    folder = write_tender(tmp_path / "in", **TWO, rules=[("max_share_per_supplier", "supplier=A", 0.6)])
    result = award(folder, tmp_path / "out")
    text, status = reason(result, "B", "rotor")
    assert "max_share_per_supplier, supplier=A, 0.6" in text
    assert "80.00 less" in text
    assert status == "proven"
    assert not any("tier" in bid.reason for bid in result.bids), "no tier exists in this tender"
    with (tmp_path / "out" / "bids.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 4
    assert float(rows[3]["awarded"]) == 0.0
    assert "a first 1% of the demand there would cost 1.00 more" in rows[3]["reason"]


@pytest.mark.parametrize(
    ("tables", "supplier", "expected"),
    [
        ({"capacity": [("A", 2028, 120)]}, "B", "A is at its capacity in 2028"),
        ({"rules": [("min_share_per_supplier", "supplier=B", 0.3)]}, "B", "min_share_per_supplier, supplier=B, 0.3"),
        ({"rules": [("exclude", "supplier=A;item=rotor", "")]}, "B", "exclude, supplier=A;item=rotor"),
        ({"rules": [("force", "supplier=B;item=rotor", 0.2)]}, "B", "force, supplier=B;item=rotor, 0.2"),
        ({"tiers": [("B", 2028, 150, 0.3)]}, "B", "cheapest at its tier"),
    ],
)
def test_each_cause_is_the_one_without_which_the_line_is_smaller(
    tmp_path: Path, tables: dict[str, Any], supplier: str, expected: str
) -> None:
    result = award(write_tender(tmp_path, **{**TWO, **tables}))
    text, status = reason(result, supplier, "rotor")
    assert expected in text
    assert status == "proven"


def test_rules_that_hold_each_other_have_a_price_together(tmp_path: Path) -> None:
    prices = [("A", "a", 8), ("A", "b", 9), ("A", "c", 9), ("B", "a", 8.5), ("B", "b", 8), ("B", "c", 7)]
    folder = write_tender(
        tmp_path, items=[(k, 2027, 10) for k in "abc"], suppliers=[("A", 0), ("B", 0)],
        offers=[(s, k, 2027, price) for s, k, price in prices],
        rules=[("max_share_per_item", "*", 0.6), ("min_suppliers_per_item", "*", 2), ("min_share_per_item", "*", 0.4)],
    )  # fmt: skip
    found = rule_prices(read_tender(folder))
    alone = [one.price for one in found if one.together == 1]
    assert alone == pytest.approx([0.0, 0.0, 0.0], abs=1e-6)
    whole = next(one for one in found if one.together == 3)
    assert whole.rule == "all rules together"
    assert whole.price == pytest.approx(14.0)
    pair = next(one for one in found if one.together == 2 and "min_suppliers" in one.rule and "max_share" in one.rule)
    assert pair.price == pytest.approx(14.0)


def lindo(folder: Path) -> Path:
    """LINDO's QdiscSupL: 6,000 needed, all-units discounts beside incremental ones, buying more is cheaper."""
    starts = [(1000, 1 / 9), (2500, 2 / 9), (7500, 4 / 9), (15000, 6 / 9)]
    parts = [(0, 0.0), (1200, 0.125), (3000, 0.25), (7500, 0.5), (14000, 0.75)]
    return write_tender(
        folder, items=[("x", 2027, 6000)], suppliers=[("A", 0), ("B", 0)],
        offers=[("A", "x", 2027, 9), ("B", "x", 2027, 8)],
        tiers=[("A", 2027, start, cut, "", "", "") for start, cut in starts]
        + [("B", 2027, start, cut, "x", "quantity", "incremental") for start, cut in parts],
    )  # fmt: skip


def test_what_buying_more_would_save_is_said_and_done_only_where_allowed(tmp_path: Path) -> None:
    result = award(lindo(tmp_path / "in"), tmp_path / "out")
    assert result.objective == pytest.approx(40_200, rel=1e-9)
    assert result.more_than_asked is not None
    assert result.more_than_asked.objective == pytest.approx(37_500, rel=1e-6)
    assert result.more_than_asked.lines[0][:2] == ("x", 2027)
    assert result.more_than_asked.lines[0][3] == pytest.approx(7500, rel=1e-6)
    more = award(tmp_path / "in", allow_overbuying=True)
    assert more.objective == pytest.approx(37_500, rel=1e-6)
    assert sum(a.quantity for a in more.awards) == pytest.approx(7500, rel=1e-6)


@pytest.mark.parametrize("seed", range(4))
def test_order_multiples_are_kept_and_cost_what_enumeration_finds(tmp_path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    price = rng.uniform(5, 9, 2)
    step, start, cut = [7.0, 4.0], float(rng.integers(20, 60)), 0.2
    demand = 83.0
    folder = write_tender(
        tmp_path, items=[("x", 2027, demand)], suppliers=[("A", 0), ("B", 0), ("C", 0)],
        offers=[("A", "x", 2027, price[0], "", ""), ("B", "x", 2027, price[1], "", ""), ("C", "x", 2027, 11.0, 20, "")],
        tiers=[("A", 2027, start, cut)],
    )  # fmt: skip
    tender = read_tender(folder)
    tender = replace(tender, order_multiple=np.array([*step, 0.0]))
    best = math.inf
    for a, b in itertools.product(range(13), range(22)):
        left = demand - 7 * a - 4 * b
        if 0 <= left <= 20:
            best = min(best, 7 * a * price[0] * (1 - cut * (7 * a >= start)) + 4 * b * price[1] + left * 11.0)
    result = award_tender(tender, gap=1e-9)
    assert result.objective == pytest.approx(best, rel=1e-9)
    for line in result.awards:
        if line.supplier != "C":
            assert line.quantity % step["AB".index(line.supplier)] == 0


def test_a_demand_that_is_no_multiple_is_said_with_what_to_ask_for(tmp_path: Path) -> None:
    write_tender(tmp_path, items=[("x", 2027, 105)], suppliers=[("A", 0)], offers=[("A", "x", 2027, 1)])
    (tmp_path / "items.csv").write_text("item,year,quantity,order_multiple\nx,2027,105,10\n", encoding="utf-8")
    with pytest.raises(StudyError, match="ask for 110"):
        read_tender(tmp_path)


QUOTA = {
    "items": [("x", 2027, 100)], "suppliers": [("CN1", 0), ("CN2", 0), ("JP1", 0)],
    "offers": [("CN1", "x", 2027, 8), ("CN2", "x", 2027, 8.5), ("JP1", "x", 2027, 10)],
}  # fmt: skip


@pytest.mark.parametrize("scope", ["supplier=CN1|CN2", "group=china", "country=CN", "china", "group=ch*"])
def test_a_quota_holds_for_suppliers_together(tmp_path: Path, scope: str) -> None:
    """30 of CN1 and 70 of JP1: 940."""
    write_tender(tmp_path, **QUOTA, rules=[("max_share_together", scope, 0.3)])
    (tmp_path / "groups.csv").write_text("group,supplier\nchina,CN1\nchina,CN2\n", encoding="utf-8")
    (tmp_path / "suppliers.csv").write_text("supplier,country\nCN1,CN\nCN2,CN\nJP1,JP\n", encoding="utf-8")
    assert award_tender(read_tender(tmp_path)).objective == pytest.approx(940.0)


@pytest.mark.parametrize(
    ("rule", "share_row"),
    [
        (("max_share_together", "supplier=CN1|CN2", 0.3, "spend"), 0.3),
        (("max_spend", "supplier=CN1|CN2", 250, "spend"), 250),
    ],
)  # fmt: skip
def test_quotas_of_spend_count_money_at_list_prices(tmp_path: Path, rule: tuple[Any, ...], share_row: float) -> None:
    write_tender(tmp_path, **QUOTA)
    (tmp_path / "rules.csv").write_text(
        "rule,scope,value,basis\n" + ",".join(str(cell) for cell in rule) + "\n", encoding="utf-8"
    )
    price = np.array([8, 8.5, 10.0])
    line = price * ([0.7, 0.7, -0.3] if share_row < 1 else [1, 1, 0])
    right = linprog(price, [line], [0.0 if share_row < 1 else share_row], [[1, 1, 1]], [100], [(0, 100)] * 3)
    assert award_tender(read_tender(tmp_path)).objective == pytest.approx(right.fun, rel=1e-9)


@pytest.mark.parametrize("scope", ["item=Bolt M6*20; zinc", 'item="Bolt M6*20; zinc"', "Bolt M6*20; zinc;year=2027"])
def test_any_item_can_be_named_in_a_scope(tmp_path: Path, scope: str) -> None:
    folder = write_tender(
        tmp_path, items=[("Bolt M6*20; zinc", 2027, 100), ("a=b|c", 2027, 10)], suppliers=[("A", 0), ("B", 0)],
        offers=[(s, k, 2027, p) for s, p in (("A", 8), ("B", 8.5)) for k in ("Bolt M6*20; zinc", "a=b|c")],
        rules=[("max_share_per_item", scope, 0.6), ("exclude", "supplier=A;item=a=b|c", "")],
    )  # fmt: skip
    assert award_tender(read_tender(folder)).objective == pytest.approx(60 * 8 + 40 * 8.5 + 85.0)


def test_a_rule_that_is_kept_anyway_is_a_note(tmp_path: Path) -> None:
    offers = [("A", "x", 2027, 8), ("B", "x", 2027, 8.5), ("A", "y", 2027, 1)]
    tables = {"items": [("x", 2027, 100), ("y", 2027, 10)], "suppliers": [("A", 0), ("B", 0)], "offers": offers}
    tender = read_tender(write_tender(tmp_path / "note", **tables, rules=[("exclude", "supplier=B;item=y", "")]))
    assert award_tender(tender).objective == pytest.approx(810.0)
    assert "kept anyway" in str(tender.warnings[0])
    asks = write_tender(tmp_path / "asks", **tables, rules=[("force", "supplier=B;item=y", 0.2)])
    with pytest.raises(StudyError, match="asks for awards"):
        read_tender(asks)


def test_an_award_far_from_its_bound_exits_as_not_converged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_tender(tmp_path / "in", **TWO)
    found = award(folder)
    for gap, code in ((0.06, 3), (0.04, 0)):
        poor = replace(found, gap=gap, status="time limit")
        monkeypatch.setattr(product, "award", lambda *_args, _poor=poor, **_options: _poor)
        assert CliRunner().invoke(app, ["award", str(folder), "--out", str(tmp_path / "out")]).exit_code == code


def test_an_award_that_leaves_money_beside_the_prices_out_is_not_called_optimal(tmp_path: Path) -> None:
    folder = tmp_path / "tender"
    folder.mkdir()
    (folder / "items.csv").write_text("item,year,quantity\nA,2027,100\n")
    (folder / "suppliers.csv").write_text("supplier\nS\nT\n")
    (folder / "offers.csv").write_text("supplier,item,year,unit_price\nS,A,2027,10\nT,A,2027,11\n")
    assert award(folder).status == "optimal"
    (folder / "adders.csv").write_text("supplier,item,kind,value\nS,A,freight,5\n")
    found = award(folder)
    assert found.status == "gap"
    assert [problem.place for problem in found.warnings] == ["adders.csv:2:value"]
    (folder / "adders.csv").write_text("supplier,item,kind,value\nX,A,freight,5\n")
    with pytest.raises(StudyError, match="unknown supplier 'X'"):
        award(folder)
