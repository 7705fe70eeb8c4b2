"""Development of the cars themselves: once, in every plan; not what lies behind or is under contract."""

from __future__ import annotations

from typing import Any

import pytest

from tests.plan.test_joined_spend import CARS, WORTH, flat, levers, plans_of, value

WORK = [
    {"class": "top-hat", "item": "kei", "level": "programme", "skill": "body", "hours": 100_000.0},
    {"class": "top-hat", "item": "kei", "level": "programme", "skill": "external", "hours": 0.0, "external_cost": 50.0},
    {"class": "top-hat", "item": "B1", "level": "programme", "skill": "body", "hours": 40_000.0},
]
SPENT = 1.0 * WORTH[2026]  # all four years before a start in 2027 but the last lie before the base year: paid in it


def test_hours_times_rate_and_bought_in_work_stand_once_in_every_plan() -> None:
    """Ann's car is a kei car (1,000 + 50 million), Bob's has rows of its own (400); nobody saves anything."""
    plain, plans = plans_of(flat()), plans_of(flat(work=WORK))
    for name, amount in zip(CARS, (1_050.0, 400.0), strict=True):
        assert value(plans, "alone", name) - value(plain, "alone", name) == pytest.approx(amount * SPENT, rel=1e-12)
    for rung in ("alone", "components", "powertrain"):
        assert value(plans, rung) - value(plain, rung) == pytest.approx(1_450.0 * SPENT, rel=1e-12)
    assert levers(plans, "powertrain").get("development", 0.0) == pytest.approx(
        levers(plain, "powertrain")["development"]
    )
    breakdown = plans.by_key[("Ann+Bob", "powertrain")].tables["cost_breakdown"]
    by_company = dict(breakdown.filter(breakdown["item"] == "nre_vehicle").select("company", "value").iter_rows())
    assert by_company == pytest.approx({"Ann": 1_050.0 * SPENT, "Bob": 400.0 * SPENT})


def test_it_is_paid_by_the_profile_and_what_outlives_the_horizon_is_credited() -> None:
    """Start in 2029 and built to 2032: 10/30/40/20 % before it, half of its life lies beyond 2030."""
    later: dict[str, Any] = {"sop": "2029-01", "eop_year": 2032}
    generations = [{**row, **later} for row in flat()["generations"]]
    volumes = [row for row in flat()["volumes"] if row["year"] >= 2029]
    plain = plans_of(flat(generations=generations, volumes=volumes))
    plans = plans_of(flat(generations=generations, volumes=volumes, work=WORK))
    spent = 0.4 * WORTH[2026] + 0.4 * WORTH[2027] + 0.2 * WORTH[2028] - 0.5 * 1.05 ** -(2031 - 2026)
    assert value(plans, "alone") - value(plain, "alone") == pytest.approx(1_450.0 * spent, rel=1e-9)


def test_cars_on_the_road_and_under_contract_are_developed_already() -> None:
    contract = {
        "programme": "A1", "generation": "G1", "class": "e-axle", "company": "Ann", "module": "S", "supplier": "Near",
        "site": "Near JP", "contract_end": 2031.0, "unit_price": 90_000.0, "cancellation_cost": 1e6,
    }  # fmt: skip
    plain, plans = plans_of(flat(existing=[contract])), plans_of(flat(existing=[contract], work=WORK))
    assert value(plans, "alone", "Ann") == pytest.approx(value(plain, "alone", "Ann"), rel=1e-12)
    old = [{**row, "sop": "2024-01"} for row in flat()["generations"]]
    plain, plans = plans_of(flat(generations=old)), plans_of(flat(generations=old, work=WORK))
    assert value(plans, "alone") == pytest.approx(value(plain, "alone"), rel=1e-12)
