"""Late starts as money, against a slip of paper."""

from __future__ import annotations

import polars as pl
import pytest

from teikei.runs.lateness import BY_VALUE, MARKET, lateness
from teikei.study.types import Study
from tests.factory import make_study


def two_cars() -> Study:
    return make_study(
        {"discount_rate": 0.05},
        companies=[{"company": "Ann"}, {"company": "Bob"}],
        rungs=[{"rung": "alone", "position": 0, "class": "e-axle", "procurement": "none", "development_shared": False}],
        programmes=[
            {"programme": name, "company": company, "segment": "kei", "body_mass_kg": 900.0, "tyre_radius_m": 0.3,
             "car_value": value}
            for name, company, value in (("A1", "Ann", 2e6), ("B1", "Bob", 3e6))
        ],
        volumes=[
            {"programme": name, "generation": "G1", "company": company, "plant": "X", "region": "JP", "year": year,
             "units": units}
            for name, company in (("A1", "Ann"), ("B1", "Bob"))
            for year, units in ((2028, 10_000.0), (2029, 40_000.0))
        ],
    )  # fmt: skip


def milestones(quarters: int, programme: str = "A1", due: str = "2028-Q3") -> pl.DataFrame:
    return pl.DataFrame(
        {"coalition": ["Ann+Bob"], "rung": ["alone"], "programme": [programme], "generation": ["G1"], "due": [due],
         "late_quarters": [quarters]}
    )  # fmt: skip


MARGINS = pl.DataFrame({"rung": ["alone"], "programme": ["A1"], "margin": [400_000.0]})


def test_three_quarters_late_lose_half_a_year_of_the_first_and_a_quarter_of_the_next() -> None:
    """10,000 cars of 2028 are built in its two last quarters, both lost; of 2029 one of four."""
    row = lateness(two_cars(), milestones(3), MARGINS).row(0, named=True)
    assert row["lost_units"] == pytest.approx(10_000 + 10_000)
    worth = {year: 1.05 ** -(year + 0.5 - 2026) for year in (2028, 2029)}
    assert row["cost"] == pytest.approx(10_000 * 0.4 * worth[2028] + 10_000 * 0.4 * worth[2029])
    assert row["margin_basis"] == MARKET


def test_a_car_the_market_does_not_know_takes_the_margin_of_its_like_by_value() -> None:
    row = lateness(two_cars(), milestones(1, "B1"), MARGINS).row(0, named=True)
    assert (row["margin"], row["margin_basis"]) == (pytest.approx(600_000.0), BY_VALUE)


def test_without_a_market_cars_are_counted_and_not_priced() -> None:
    row = lateness(two_cars(), milestones(2), None).row(0, named=True)
    assert row["lost_units"] == pytest.approx(10_000)
    assert row["cost"] is None
    assert lateness(two_cars(), milestones(0), MARGINS).is_empty()
