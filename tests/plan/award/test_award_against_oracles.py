"""The optimum of small tenders by enumeration, by another model, and by published results."""

from __future__ import annotations

import csv
import json
import math
import time
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from teikei.plan.award import award, award_tender, read_tender, solve
from teikei.plan.award.price import objective
from teikei.plan.award.race import solve_program
from tests.plan.award.make import (
    facility_location,
    generated,
    sites_and_customers,
    total_quantity_discount,
    write_tender,
)
from tests.plan.award.oracles import brute_force, linopy_optimum

CAPS = ("cap71", "cap72", "cap73", "cap74", "cap131", "cap132", "cap133", "cap134")


def tiny(folder: Path, seed: int, *, max_share: float = 1.0) -> Path:
    """Three suppliers, three items, one or two years, two or three tiers, capacities that bind."""
    rng = np.random.default_rng(seed)
    years = range(2030, 2030 + int(rng.integers(1, 3)))
    demand = {(k, t): float(rng.integers(5, 40)) for k in range(3) for t in years}
    offered = {(s, k) for s in range(3) for k in range(3) if s == k % 3 or rng.random() < 0.8} | {
        (2, 0),
        (0, 1),
        (1, 2),
    }
    base = rng.uniform(1, 10, 3)
    capacity = {
        (s, t): float(sum(demand[k, t] for k in range(3)) * rng.uniform(0.5, 0.9)) for s in range(3) for t in years
    }
    return write_tender(
        folder,
        items=[(f"i{k}", t, d) for (k, t), d in demand.items()],
        suppliers=[(f"s{s}", float(rng.uniform(0, 30))) for s in range(3)],
        capacity=[(f"s{s}", t, c) for (s, t), c in capacity.items()],
        offers=[
            (f"s{s}", f"i{k}", t, float(base[k] * rng.uniform(0.8, 1.3))) for s, k in sorted(offered) for t in years
        ],
        tiers=[
            (f"s{s}", t, capacity[s, t] * share, cut)
            for s in range(3)
            for t in years
            for share, cut in ((0, 0.0), (0.35, 0.06), (0.7, float(rng.uniform(0.08, 0.15))))
        ],
        rules=[("max_share_per_item", "*", max_share)],
    )


@pytest.mark.parametrize("seed", range(6))
def test_optimum_equals_enumeration_of_tiers_and_suppliers(tmp_path: Path, seed: int) -> None:
    tender = read_tender(tiny(tmp_path, seed))
    result = award_tender(tender, gap=1e-9)
    assert result.objective == pytest.approx(brute_force(tender), rel=1e-7)
    assert result.status == "optimal"


@pytest.mark.parametrize("seed", range(4))
def test_large_pipeline_proves_the_enumerated_optimum_too(
    tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(solve, "SMALL_OFFERS", 0)
    tender = read_tender(tiny(tmp_path, seed))
    expected = brute_force(tender)
    result = award_tender(tender, gap=1e-6)
    assert result.objective == pytest.approx(expected, rel=2e-6)
    assert result.bound <= expected * (1 + 1e-9)


def test_generated_tender_equals_multiple_choice_model_in_linopy(tmp_path: Path) -> None:
    tender = read_tender(generated(tmp_path, years=2, items=10, suppliers=4, tiers=3, seed=3))
    expected = linopy_optimum(tender, 0.7)
    result = award_tender(tender, gap=1e-7)
    assert result.objective == pytest.approx(expected, rel=1e-6)
    assert result.bound == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("name", CAPS)
def test_published_optima_of_facility_location_are_reached(tmp_path: Path, name: str) -> None:
    folder, optimum = facility_location(tmp_path / name, name)
    result = award(folder)
    assert result.objective == pytest.approx(optimum, rel=1e-9)
    assert result.status == "optimal"


def test_a_tender_without_tiers_goes_through_the_search_too(tmp_path: Path) -> None:
    """1,200 offers of 15 sites: the search finds the plan that HiGHS alone proves, and bounds it within a per cent."""
    tender = read_tender(sites_and_customers(tmp_path, sites=15, customers=80, seed=3))
    alone = solve_program(tender, deadline=time.perf_counter() + 120.0, gap=1e-6)
    assert alone.quantity is not None
    search = solve.solve(tender, deadline=time.perf_counter() + 120.0, gap=1e-4, workers=1)
    assert search.quantity is not None
    best = objective(tender, alone.quantity)
    assert objective(tender, search.quantity) == pytest.approx(best, rel=1e-4)
    assert best * 0.99 <= search.bound <= best * (1 + 1e-6)


def test_discount_file_is_solved_to_the_optimum_of_the_multiple_choice_model(tmp_path: Path) -> None:
    tender = read_tender(total_quantity_discount(tmp_path, "Cap.10.40.3.1.99.1"))
    result = award_tender(tender, gap=1e-7)
    assert result.gap <= 1e-6
    assert result.objective == pytest.approx(linopy_optimum(tender, 1.0), rel=1e-7)


def test_tiny_tender_with_a_share_limit_equals_linopy(tmp_path: Path) -> None:
    tender = read_tender(tiny(tmp_path, 11, max_share=0.8))
    assert award_tender(tender, gap=1e-9).objective == pytest.approx(linopy_optimum(tender, 0.8), rel=1e-6)


def test_awards_file_alone_repeats_the_objective_in_decimal_arithmetic(tmp_path: Path) -> None:
    folder = generated(tmp_path / "tender", years=2, items=20, suppliers=6, tiers=4, seed=5)
    award(folder, tmp_path / "out", gap=1e-3)
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    rows = _rows(tmp_path / "out" / "awards.csv")
    tiers: dict[tuple[str, str], list[tuple[Decimal, Decimal]]] = {}
    for row in _rows(folder / "tiers.csv"):
        key = row["supplier"], row["year"]
        tiers.setdefault(key, []).append((Decimal(row["from_quantity"]), Decimal(row["discount"])))
    amounts: dict[tuple[str, str], list[float]] = {}
    for row in rows:
        amounts.setdefault((row["supplier"], row["year"]), []).append(float(row["quantity"]))
    total = {key: Decimal(math.fsum(found)) for key, found in amounts.items()}
    value = Decimal(0)
    for row in rows:
        key = row["supplier"], row["year"]
        discount = max(cut for low, cut in tiers[key] if total[key] >= Decimal(float(low)))
        assert float(discount) == float(row["discount"])
        spend = Decimal(row["quantity"]) * Decimal(row["unit_price"]) * (1 - discount)
        assert float(spend) == pytest.approx(float(row["spend"]), rel=1e-12)
        value += spend
    used = {row["supplier"] for row in rows}
    value += sum(Decimal(row["activation_cost"]) for row in _rows(folder / "suppliers.csv") if row["supplier"] in used)
    assert float(value) == pytest.approx(summary["objective"], rel=1e-12)
    assert summary["repriced"] == summary["objective"]
    assert sorted(used) == sorted(summary["suppliers_used"])
    assert summary["bound"] <= summary["objective"]
    assert summary["gap"] == pytest.approx((summary["objective"] - summary["bound"]) / summary["objective"])
    bought: dict[tuple[str, str], float] = {}
    for row in rows:
        bought[row["item"], row["year"]] = bought.get((row["item"], row["year"]), 0.0) + float(row["quantity"])
    for row in _rows(folder / "items.csv"):
        assert bought[row["item"], row["year"]] == pytest.approx(float(row["quantity"]), rel=1e-12)


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))
