"""Random tenders with every term and rule mixed, against an oracle that reads the same rows by itself (``mixed``)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from teikei.plan.award import award_tender, read_tender, solve
from tests.plan.award.make import write_tender
from tests.plan.award.mixed import check, compare, optimum, random_tender

WITH_PLAN = [seed for seed in range(50) if np.isfinite(optimum(random_tender(seed)))]


def test_about_two_thirds_of_the_random_tenders_have_a_plan() -> None:
    assert 25 <= len(WITH_PLAN) <= 40


@pytest.mark.parametrize("first", range(0, 50, 10))
def test_cost_bound_and_awards_are_those_of_the_oracle(tmp_path: Path, first: int) -> None:
    """Also that there is no plan where the oracle has none."""
    differ = {seed: text for seed in range(first, first + 10) if (text := compare(seed, tmp_path / f"{seed}"))}
    assert not differ


@pytest.mark.parametrize("seed", [seed for seed in WITH_PLAN if "expansions" not in random_tender(seed)][:12])
def test_the_way_of_large_tenders_gives_true_bounds_and_keeps_every_rule(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """Bound by multipliers, local search and repair only: HiGHS on the whole tender is switched off."""
    monkeypatch.setattr(solve, "SMALL_OFFERS", 0)
    monkeypatch.setattr(solve, "MEDIUM_OFFERS", 0)
    tables = random_tender(seed)
    for name in ("bundles", "take_or_pay"):
        tables.pop(name, None)
    offer = tables["offers"][0]
    tables["tiers"] = [row for row in tables.get("tiers", ()) if row[4:] == ("", "", "")] or [
        (offer[0], offer[2], 5.0, 0.05, "", "", "")
    ]
    tables["capacity"] = [(*row[:3], "") for row in tables.get("capacity", ())]
    best = optimum(tables)
    result = award_tender(read_tender(write_tender(tmp_path, **tables)), gap=1e-6, time_limit_s=30.0)
    cost, broken = check(tables, [(a.supplier, a.item, a.year, a.quantity) for a in result.awards])
    assert not broken
    assert cost == pytest.approx(result.objective, rel=1e-9)
    assert result.bound <= best * (1 + 2e-6)
    assert best * (1 - 2e-6) <= result.objective <= best * 1.05


def test_a_year_written_as_a_decimal_number_is_a_year(tmp_path: Path) -> None:
    """Spreadsheets and programs write 2030.0 where a column has an empty cell."""
    for name, year in (("whole", 2030), ("decimal", "2030.0")):
        write_tender(
            tmp_path / name, items=[("bolt", year, 100)], suppliers=[("A", 0)], offers=[("A", "bolt", year, 2.0)],
            tiers=[("A", year, 50, 0.1, "", "spend", "")], capacity=[("A", year, 80)],
            expansions=[("A", year, 30, 5.0)],
        )  # fmt: skip
    results = [award_tender(read_tender(tmp_path / name)) for name in ("whole", "decimal")]
    assert [one.objective for one in results] == pytest.approx([185.0, 185.0])


def test_terms_on_what_nothing_is_asked_for_are_notes_and_change_nothing(tmp_path: Path) -> None:
    offers = [("A", "bolt", 2030, 2.0), ("A", "nut", 2030, 1.0), ("A", "bolt", 2031, 2.0), ("A", "nut", 2031, 1.0)]
    rows = {
        "items": [("bolt", 2030, 100), ("nut", 2031, 10)], "suppliers": [("A", 0)], "offers": offers,
        "tiers": [("A", 2030, 5, 0.5, "nut", "", "")], "rules": [("max_share_per_item", "item=nut;year=2030", 0.1)],
    }  # fmt: skip
    tender = read_tender(write_tender(tmp_path, **rows))
    assert award_tender(tender).objective == pytest.approx(210.0)
    places = [str(problem).split(": ")[0] for problem in tender.warnings]
    assert places == ["tiers.csv:2:item", "rules.csv:2:rule"]
    assert all(problem.warning for problem in tender.warnings)
