"""Eight decades of quantity and of price in one tender: a tool set beside ten million bolts."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import pytest

from teikei.plan.award import award, award_tender, read_tender
from tests.plan.award.make import write_tender
from tests.plan.award.wide import compare, exhaustive

BOLTS = {
    "items": [("M6 bolt", 2028, 19e6), ("clip", 2028, 14e6), ("tool set", 2028, 1)],
    "suppliers": [("東京螺子", 5e6), ("メイラ", 7e6), ("Bulten", 3e6)],
    "offers": [
        ("東京螺子", "M6 bolt", 2028, 3.78), ("東京螺子", "clip", 2028, 6.57),
        ("東京螺子", "tool set", 2028, 70291157.42),
        ("メイラ", "M6 bolt", 2028, 3.77), ("メイラ", "clip", 2028, 6.49), ("メイラ", "tool set", 2028, 70980898.21),
        ("Bulten", "M6 bolt", 2028, 3.04), ("Bulten", "clip", 2028, 4.81), ("Bulten", "tool set", 2028, 62426683.89),
    ],
    "tiers": [
        (s, 2028, start, cut)
        for s in ("東京螺子", "メイラ", "Bulten") for start, cut in ((10e6, 0.02), (20e6, 0.05))
    ],
    "rules": [("max_share_per_item", "item=M6 bolt|clip", 0.7)],
}  # fmt: skip


def test_a_tool_set_beside_ten_million_bolts_costs_what_exhaustive_search_finds(tmp_path: Path) -> None:
    tender = read_tender(write_tender(tmp_path, **BOLTS))
    assert exhaustive(tender) == pytest.approx(198735689.6955, rel=1e-9)
    result = award_tender(tender, gap=1e-9)
    assert result.objective == pytest.approx(198735689.6955, rel=1e-9)
    assert result.status == "optimal"
    assert result.second_bound is not None
    assert result.second_bound >= result.objective * (1 - 1e-6)


@pytest.mark.parametrize("first", [0, 3])
def test_wide_tenders_cost_what_exhaustive_search_finds(tmp_path: Path, first: int) -> None:
    differ = {seed: text for seed in range(first, first + 3) if (text := compare(seed, tmp_path / f"{seed}", most=100))}
    assert not differ


@pytest.mark.slow
@pytest.mark.parametrize("first", range(0, 520, 20))
def test_five_hundred_wide_tenders_cost_what_exhaustive_search_finds(tmp_path: Path, first: int) -> None:
    differ = {seed: text for seed in range(first, first + 20) if (text := compare(seed, tmp_path / f"{seed}"))}
    assert not differ


def test_a_tier_that_is_booked_is_reached_as_the_file_says(tmp_path: Path) -> None:
    """999,999,999.30 is no billion: the sum of the written lines stands at or above the start."""
    folder = write_tender(
        tmp_path / "in",
        items=[("stator", 2028, 120_000), ("rotor", 2028, 70_000.7)], suppliers=[("A", 0), ("B", 0)],
        offers=[("A", "stator", 2028, 21753.8), ("B", "stator", 2028, 21500.1),
                ("A", "rotor", 2028, 13753.1), ("B", "rotor", 2028, 13098.8)],
        tiers=[("A", 2028, 1_000_000_000, 0.03, "", "spend", ""), ("B", 2028, 120_000.3, 0.02, "", "", "")],
        rules=[("max_share_per_item", "*", 0.9)],
    )  # fmt: skip
    award(folder, tmp_path / "out", gap=1e-9)
    with (tmp_path / "out" / "awards.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    booked = {row["supplier"]: float(row["discount"]) for row in rows}
    spend = math.fsum(float(row["quantity"]) * float(row["unit_price"]) for row in rows if row["supplier"] == "A")
    pieces = math.fsum(float(row["quantity"]) for row in rows if row["supplier"] == "B")
    assert booked["A"] == 0.03
    assert 1e9 <= spend <= 1e9 * (1 + 1e-8)
    assert (booked["B"] == 0.02) == (pieces >= 120_000.3)
