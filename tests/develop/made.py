"""A small study with tasks, work and engineers, and plans made by hand."""

from __future__ import annotations

from typing import Any

import polars as pl

from teikei.modules.types import Catalogue
from teikei.plan.types import Plan, Plans
from teikei.study.types import Study
from tests.factory import make_study

FAMILY_TASKS = [
    ("fam_1", "concept", [], 1.0),
    ("fam_2", "spec freeze", ["fam_1"], 1.0),
    ("fam_3", "B samples", ["fam_2"], 2.0),
    ("fam_4", "tooling", ["fam_2"], 1.0),
    ("fam_5", "C samples", ["fam_3", "fam_4"], 1.0),
]
APPLICATION_TASKS = [
    ("app_1", "concept", [], 0.5),
    ("app_2", "spec freeze", ["app_1"], 0.5),
    ("app_3", "validation", ["app_2"], 1.5),
]
CAR_TASKS = [
    ("car_1", "concept", [], 2.0),
    ("car_2", "validation", ["car_1"], 2.0),
    ("car_3", "pre-series", ["car_2"], 1.0),
]
LINK = ("link_1", "B samples before car validation: must finish before car_2", ["fam_3"], 0.0)


def tasks(*, link: bool = False) -> list[dict[str, Any]]:
    groups = [("e-axle family", FAMILY_TASKS), ("e-axle application", APPLICATION_TASKS), ("vehicle", CAR_TASKS)]
    if link:
        groups.append(("link", [LINK]))
    return [
        {"task": task, "scope": scope, "title": title, "predecessors": before, "quarters": quarters}
        for scope, rows in groups
        for task, title, before, quarters in rows
    ]


def study_of(hours: dict[str, float] | None = None, *, link: bool = False, **tables: Any) -> Study:
    """Nissan and Honda, each its own bloc; family F takes 6,000 hours, its application 300, a car 1,000."""
    rungs = [
        {"rung": rung, "position": i, "class": "e-axle", "procurement": "none" if i == 0 else "technical"}
        | {"development_shared": i == 1}
        for i, rung in enumerate(("alone", "powertrain"))
    ]
    cars = [("N", "Nissan", "2030-01"), ("H", "Honda", "2030-07")]
    defaults: dict[str, list[dict[str, Any]]] = {
        "companies": [
            {"company": "Nissan", "engineering_rate_per_hour": 9_000.0},
            {"company": "Honda", "engineering_rate_per_hour": 11_000.0},
        ],
        "classes": [{"class": "e-axle", "quantity_unit": "piece", "k_family_nre": 0.2}],
        "rungs": rungs,
        "programmes": [
            {"programme": name, "company": company, "segment": "B", "body_mass_kg": 900.0, "tyre_radius_m": 0.3}
            for name, company, _ in cars
        ],
        "generations": [
            {"programme": name, "generation": "G1", "sop": sop, "facelift_year": 2032, "eop_year": 2035}
            for name, _, sop in cars
        ],
        "volumes": [
            {"programme": name, "generation": "G1", "company": company, "plant": "X", "region": "JP", "year": year}
            | {"units": 40_000.0}
            for name, company, _ in cars
            for year in (2030, 2031)
        ],
        "families": [
            {"family": "F", "class": "e-axle", "nre": 60.0, "tooling": 0.0, "application_nre": 3.0}
            | {"application_tooling": 0.0}
        ],
        "modules": [
            {"module": "E1", "class": "e-axle", "family": "F", "sunk_for": ["Nissan", "Honda"]},
            {"module": "OLD", "class": "e-axle", "family": "F", "sunk_for": ["Nissan", "Honda"]},
        ],
        "engineering": [
            {"company": company, "skill": "motor", "hours_per_quarter": (hours or {}).get(company, 9_000.0)}
            for company in ("Nissan", "Honda")
        ],
        "work": [
            {"class": "e-axle", "item": "F", "level": "family", "skill": "motor", "hours": 6_000.0},
            {"class": "e-axle", "item": "F", "level": "application", "skill": "motor", "hours": 300.0},
            {"class": "top-hat", "item": "B", "level": "programme", "skill": "motor", "hours": 1_000.0},
        ],
        "tasks": tasks(link=link),
    }
    settings = {"first_year": 2028, "last_year": 2034, "base_year": 2026}
    return make_study(settings, **{**defaults, **tables})


def catalogue() -> Catalogue:
    slots = pl.DataFrame(
        schema={"programme": pl.String, "generation": pl.String, "phase": pl.Int64, "first_year": pl.Int64}
    )
    return Catalogue({}, {}, pl.DataFrame(), slots, pl.DataFrame())


def plan(coalition: str, rung: str, uses: list[tuple[str, str, str, bool]], **more: Any) -> Plan:
    """uses: programme, generation, module, existing."""
    table = pl.DataFrame(
        [
            {"programme": p, "generation": g, "class": "e-axle", "module": m, "existing": e, **more}
            for p, g, m, e in uses
        ]
    )
    return Plan(coalition, rung, 0.0, 0.0, 0.0, "optimal", 0.0, {"configurations": table}, {})


def plans(*made: Plan) -> Plans:
    return Plans({(one.coalition, one.rung): one for one in made}, pl.DataFrame(), pl.DataFrame(), ())


def both() -> Plans:
    """Both cars carry the new module E1, alone and together."""
    return plans(
        plan("Nissan", "alone", [("N", "G1", "E1", False)]),
        plan("Honda", "alone", [("H", "G1", "E1", False)]),
        plan("Nissan+Honda", "powertrain", [("N", "G1", "E1", False), ("H", "G1", "E1", False)]),
    )
