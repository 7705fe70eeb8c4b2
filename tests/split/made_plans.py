"""Studies and plans made by hand for the tests of the split stage."""

from __future__ import annotations

from typing import Any

import polars as pl

from teikei.plan.types import Plan, Plans
from teikei.study.types import Study
from tests.factory import make_study


def three_companies(**tables: Any) -> Study:
    """Nissan and Mitsubishi pool already; Honda stands by itself."""
    classes = [{"class": "e-axle", "quantity_unit": "piece", "k_family_nre": 0.2}]
    rungs = [
        {"rung": name, "position": i, "class": "e-axle", "procurement": how, "development_shared": i > 1}
        for i, (name, how) in enumerate(
            [("alone", "none"), ("components", "commercial"), ("powertrain", "technical"), ("battery", "technical")]
        )
    ]
    companies = [
        {"company": "Nissan", "bloc": "NM"},
        {"company": "Honda"},
        {"company": "Mitsubishi", "bloc": "NM"},
    ]
    return make_study(**{"companies": companies, "classes": classes, "rungs": rungs, **tables})


def plan(coalition: str, rung: str, value: float, gap: float = 0.0, **more: Any) -> Plan:
    return Plan(
        coalition=coalition,
        rung=rung,
        value=value,
        bound=value - gap,
        gap=gap,
        status=more.pop("status", "optimal"),
        seconds=0.0,
        tables=more.pop("tables", {}),
        decisions={},
        **more,
    )


def breakdown(rows: list[tuple[str, float]]) -> dict[str, pl.DataFrame]:
    return {"cost_breakdown": pl.DataFrame(rows, schema=["company", "value"], orient="row")}


def plans(*made: Plan, savings: list[dict[str, Any]] | None = None) -> Plans:
    schema = {
        "coalition": pl.String,
        "rung": pl.String,
        "from_rung": pl.String,
        "company": pl.String,
        "lever": pl.String,
        "value": pl.Float64,
        "method": pl.String,
    }
    return Plans(
        by_key={(one.coalition, one.rung): one for one in made},
        savings=pl.DataFrame(savings or [], schema=schema, orient="row"),
        commonality=pl.DataFrame(),
        lever_order=("development", "tooling"),
    )


GRAND = "Nissan+Honda+Mitsubishi"
BLOC = "Nissan+Mitsubishi"


def usual_plans(gap: float = 0.0) -> Plans:
    """The bloc pays 900 alone (Nissan 600, Mitsubishi 300), Honda 700; together 1550, then 1450; battery not
    evaluated."""
    return plans(
        plan(BLOC, "alone", 900.0, gap, tables=breakdown([("Nissan", 600.0), ("Mitsubishi", 300.0)])),
        plan("Honda", "alone", 700.0, tables=breakdown([("Honda", 700.0)])),
        plan(GRAND, "components", 1550.0, gap),
        plan(GRAND, "powertrain", 1450.0, 2 * gap),
        plan(GRAND, "battery", float("nan"), status="not evaluated"),
        savings=[
            _saving("components", "alone", "Nissan", "development", 0.0),
            _saving("components", "alone", "Honda", "tooling", 50.0),
            _saving("powertrain", "components", "Nissan", "development", 130.0),
            _saving("powertrain", "components", "Honda", "tooling", -30.0),
        ],
    )


def _saving(rung: str, from_rung: str, company: str, lever: str, value: float) -> dict[str, Any]:
    return {
        "coalition": GRAND,
        "rung": rung,
        "from_rung": from_rung,
        "company": company,
        "lever": lever,
        "value": value,
        "method": "order",
    }
