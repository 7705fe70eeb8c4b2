"""A small market with the shape of Japan's, for tests; round figures, not data."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import polars as pl

from teikei.plan.types import Plan, Plans
from teikei.study.types import Study
from tests.factory import make_study

COMPANIES = ("Nissan", "Honda", "Mitsubishi")
GRAND = "Nissan+Honda+Mitsubishi"
_ELECTRIC = (
    ("Sakura", "Nissan", "P01", "kei", 2.55e6, 15_000, 180, 20, 0.57e6),
    ("eK X EV", "Mitsubishi", "P02", "kei", 2.57e6, 1_800, 180, 20, 0.57e6),
    ("N-ONE e:", "Honda", "P03", "kei", 2.7e6, 4_200, 295, 30, 0.57e6),
    ("Leaf", "Nissan", "P09", "registered", 4.1e6, 3_000, 322, 40, 0.85e6),
    ("Model Y", "Tesla", "", "registered", 5.6e6, 7_500, 547, 60, 0.87e6),
    ("Dolphin", "BYD", "", "registered", 3.6e6, 1_000, 400, 45, 0.35e6),
)
_OTHER = (
    ("Toyota PHEV", "Toyota", "phev", "registered", 5.2e6, 23_000),
    ("Suzuki kei", "Suzuki", "ice", "kei", 1.65e6, 700_000),
    ("Honda kei", "Honda", "ice", "kei", 1.95e6, 211_000),
    ("Nissan kei", "Nissan", "ice", "kei", 1.8e6, 112_000),
    ("Toyota hybrid", "Toyota", "hybrid", "registered", 3.6e6, 867_000),
    ("Toyota combustion", "Toyota", "ice", "registered", 2.9e6, 465_000),
    ("Honda hybrid", "Honda", "hybrid", "registered", 3.2e6, 205_000),
    ("Nissan hybrid", "Nissan", "hybrid", "registered", 3.1e6, 140_000),
    ("Other combustion", "Other", "ice", "registered", 3.1e6, 500_000),
)
_MOMENTS = (
    ("own_price_elasticity", -3.5, -4.0, -3.0),
    ("bev_group_elasticity", -1.3, -1.8, -0.8),
    ("pass_through", 0.85, 0.75, 1.0),
    ("margin", 0.25, 0.15, 0.35),
    ("range_value", 5127.0, 4381.0, 5965.0),
    ("second_choice_combustion", 0.9, 0.8, 0.97),
)


def study(scale: float = 1.0, **changed: Any) -> Study:
    """The market with prices (and everything in money) times ``scale``; further tables replace the standard ones."""
    keys = ("product", "maker", "programme", "segment", "price", "units", "range_km", "battery_kwh")
    products = [
        {**dict(zip(keys, row, strict=False)), "country": "JP", "powertrain": "bev", "year": 2025} for row in _ELECTRIC
    ]
    keys = ("product", "maker", "powertrain", "segment", "price", "units")
    products += [{**dict(zip(keys, row, strict=True)), "country": "JP", "year": 2025} for row in _OTHER]
    for row in products:
        row["price"] *= scale
    policy = [
        {"product": row[0], "country": "JP", "year": year, "subsidy": scale * row[8] * (1.3 if year == 2026 else 1)}
        for row in _ELECTRIC
        for year in (2025, 2026)
    ]
    moments = [
        {"moment": name, "country": "JP", "target": target, "low": low, "high": high}
        for name, target, low, high in _MOMENTS
    ]
    programmes = [
        {"programme": row[2], "company": row[1], "segment": "kei" if row[3] == "kei" else "C", "title": row[0]}
        for row in _ELECTRIC
        if row[2]
    ]
    tables = {
        "companies": [{"company": name, "bloc": "NM" if name != "Honda" else ""} for name in COMPANIES],
        "rungs": [
            {"rung": rung, "position": k, "class": "pack", "procurement": "none", "development_shared": False}
            for k, rung in enumerate(("alone", "powertrain", "battery"))
        ],
        "products": products,
        "policy": policy,
        "moments": moments,
        "programmes": programmes,
    }
    settings = {"last_year": 2028, "report_year": 2028, **changed.pop("settings", {})}
    return make_study(settings=settings, **{**tables, **changed})


def plan(coalition: str, rung: str, cost: float, programmes: tuple[str, ...] = ("P01", "P02", "P03", "P09")) -> Plan:
    """A plan whose cars all cost ``cost`` a piece, in two items."""
    companies = {"P01": "Nissan", "P02": "Mitsubishi", "P03": "Honda", "P09": "Nissan"}
    rows = [
        (companies[name], name, year, item, 10_000.0, cost * part)
        for name in programmes
        for year in (2027, 2028)
        for item, part in (("pack", 0.7), ("e-axle", 0.3))
    ]
    table = pl.DataFrame(rows, schema=["company", "programme", "year", "item", "units", "variable_cost"], orient="row")
    return Plan(coalition, rung, 1.0, 1.0, 0.0, "optimal", 0.0, {"unit_costs": table}, {})


def plans(saving: float, nre: float = 0.0) -> Plans:
    """Blocs alone at 800,000 a car, all together cheaper by half and by the whole of ``saving`` at the two rungs."""
    by_key = {
        ("Nissan+Mitsubishi", "alone"): plan("Nissan+Mitsubishi", "alone", 8e5, ("P01", "P02", "P09")),
        ("Honda", "alone"): plan("Honda", "alone", 8e5, ("P03",)),
        (GRAND, "powertrain"): plan(GRAND, "powertrain", 8e5 - saving / 2),
        (GRAND, "battery"): plan(GRAND, "battery", 8e5 - saving),
    }
    by_key = {key: replace(one, value=one.value + nre) for key, one in by_key.items()}
    return Plans(by_key, pl.DataFrame(), pl.DataFrame(), ())
