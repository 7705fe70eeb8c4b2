"""The walk to an integrated rival's cost, against figures worked by hand."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

import teikei.plan as plan
from tests.plan.small import rung_rows, small, two_companies


def packs(**more: Any) -> tuple[Any, Any, Any]:
    """Both cars carry a 50 kWh pack from Near (15,000 a kWh); Far, a rival's captive in CN, quotes 40 and 60 kWh."""
    tables = two_companies(
        classes=[{"class": "pack", "quantity_unit": "kwh", "k_family_nre": 0.2}],
        rungs=rung_rows(("pack",)),
        families=[{"family": "PF", "class": "pack", "nre": 100.0, "tooling": 0.0, "application_nre": 0.0,
                   "application_tooling": 0.0}],
        modules=[{"module": name, "class": "pack", "family": "PF", "gross_energy_kwh": energy}
                 for name, energy in (("B50", 50.0), ("B40", 40.0), ("B60", 60.0))],
        suppliers=[{"supplier": "Near"}, {"supplier": "Far", "captive_of": "Rival", "operating_margin": 0.1}],
        offers=[
            {"offer": "N", "supplier": "Near", "site": "Near JP", "module": "B50", "currency": "JPY",
             "price_unit": "kwh"},
            *({"offer": f"F{size}", "supplier": "Far", "site": "Far CN", "module": f"B{size}", "currency": "JPY",
               "price_unit": "kwh", "status": "benchmark"} for size in (40, 60)),
        ],
        tiers=[
            {"offer": "N", "from_quantity": 0.0, "unit_price": 15_000.0},
            {"offer": "N", "from_quantity": 3.0, "unit_price": 14_000.0},
            *({"offer": f"F{size}", "from_quantity": start, "unit_price": price}
              for size, scale in ((40, 1.1), (60, 1.0))
              for start, price in ((0.0, 10_000.0 * scale), (20.0, 9_000.0 * scale))),
        ],
        trade=[], **more,
    )  # fmt: skip
    choices = {"A1": [{"pack": "B50"}], "B1": [{"pack": "B50"}]}
    return small(tables, choices, {"report_year": 2028, "inventory_rate": 0.0})


def walk(study: Any, catalogue: Any, performance: Any) -> pl.DataFrame:
    plans = plan.solve(study, catalogue, performance, gap=1e-6)
    return plan.integrated_rival(study, catalogue, plans).filter(pl.col("programme") == "A1")


def test_each_step_of_the_walk_is_what_hand_calculation_gives() -> None:
    """70,000 cars x 50 kWh = 3.5 GWh together reach the second tier; Ann alone has 1.5 GWh and does not.

    The rival's nearest size in log terms is 60 kWh (9,000 a kWh at its largest tier), scaled to 50 kWh: 450,000,
    of which a tenth is the margin it does not pay to itself.
    """
    rows = walk(*packs())
    steps = {(row["step"]): row["value"] for row in rows.iter_rows(named=True)}
    assert steps["own alone"] == pytest.approx(750_000.0)
    assert steps["alliance"] == pytest.approx(-50_000.0)
    assert steps["own together"] == pytest.approx(700_000.0)
    assert steps["source"] == pytest.approx(450_000.0 - 700_000.0)
    assert steps["margin"] == pytest.approx(-45_000.0)
    assert steps["total"] == pytest.approx(405_000.0)


def test_the_walk_is_empty_where_no_supplier_is_a_captive() -> None:
    study, catalogue, performance = small()
    plans = plan.solve(study, catalogue, performance, gap=1e-6)
    assert plan.integrated_rival(study, catalogue, plans).is_empty()


def test_a_part_that_nobody_quotes_at_the_rival_stays_at_own_cost_and_is_named() -> None:
    study, catalogue, performance = packs()
    kept = study["offers"].filter(pl.col("supplier") == "Near")
    rows = walk(study.with_tables(offers=kept), catalogue, performance)
    total = rows.filter(pl.col("step") == "total")
    assert total["value"][0] == pytest.approx(700_000.0)
    assert "pack at own cost" in total["item"][0]
