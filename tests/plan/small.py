"""Small studies with catalogues and performances made by hand, for the plan."""

from __future__ import annotations

from typing import Any

import polars as pl

from teikei.modules.types import Catalogue
from teikei.simulate.types import Performance
from teikei.study.types import Study
from teikei.tables.columns import frame
from tests.factory import make_study

RUNGS = ("alone", "components", "powertrain")


def rung_rows(classes: tuple[str, ...] = ("e-axle",)) -> list[dict[str, Any]]:
    """The ladder alone, components (commercial), powertrain (technical, shared)."""
    rules = (("none", False), ("commercial", False), ("technical", True))
    return [
        {"rung": rung, "position": at, "class": name, "procurement": rules[at][0], "development_shared": rules[at][1]}
        for at, rung in enumerate(RUNGS)
        for name in classes
    ]


def two_companies(**changes: Any) -> dict[str, list[dict[str, Any]]]:
    """Tables of two companies, one car each, two e-axles of two families, two suppliers; years 2027 to 2030.

    changes: tables to replace.
    """
    tables: dict[str, list[dict[str, Any]]] = {
        "companies": [{"company": "Ann"}, {"company": "Bob"}],
        "classes": [{"class": "e-axle", "k_family_nre": 0.2, "switching_cost": 0.0}],
        "rungs": rung_rows(),
        "programmes": [
            {"programme": "A1", "company": "Ann", "segment": "kei", "body_mass_kg": 900.0, "tyre_radius_m": 0.3},
            {"programme": "B1", "company": "Bob", "segment": "kei", "body_mass_kg": 900.0, "tyre_radius_m": 0.3},
        ],
        "versions": [{"programme": name, "version": "std", "share": 1.0} for name in ("A1", "B1")],
        "generations": [
            {"programme": name, "generation": "G1", "sop": "2027-01", "eop_year": 2030} for name in ("A1", "B1")
        ],
        "car_plants": [{"plant": "Suzuka", "country": "JP"}],
        "volumes": [
            {
                "programme": programme, "generation": "G1", "company": company, "plant": "Suzuka", "region": "JP",
                "year": year, "units": units,
            }
            for programme, company, units in (("A1", "Ann", 30_000.0), ("B1", "Bob", 40_000.0))
            for year in range(2027, 2031)
        ],
        "families": [
            {
                "family": name, "class": "e-axle", "nre": 2_000.0, "tooling": 500.0, "application_nre": 100.0,
                "application_tooling": 50.0, "life_years": 4,
            }
            for name in ("FS", "FL")
        ],
        "modules": [
            {"module": "S", "class": "e-axle", "family": "FS", "nre": 300.0, "tooling": 100.0},
            {"module": "L", "class": "e-axle", "family": "FL", "nre": 300.0, "tooling": 100.0},
        ],
        "suppliers": [{"supplier": "Near"}, {"supplier": "Far"}],
        "sites": [
            {"site": "Near JP", "supplier": "Near", "country": "JP"},
            {"site": "Far CN", "supplier": "Far", "country": "CN"},
        ],
        "capacities": [],
        "offers": [
            {"offer": f"{site[0]}{module}", "supplier": site, "site": f"{site} {country}", "module": module,
             "currency": "JPY"}
            for site, country in (("Near", "JP"), ("Far", "CN"))
            for module in ("S", "L")
        ],
        "tiers": [
            {"offer": f"{site}{module}", "from_quantity": quantity, "unit_price": price * scale * cheaper}
            for site, scale in (("N", 1.0), ("F", 0.9))
            for module, price in (("S", 100_000.0), ("L", 110_000.0))
            for quantity, cheaper in ((0.0, 1.0), (50_000.0, 0.95))
        ],
        "trade": [{"origin": "CN", "destination": "JP", "part": "e-axle", "duty": 0.03, "freight": 3_000.0}],
    }  # fmt: skip
    return {**tables, **changes}


def make_catalogue(study: Study, choices: dict[str, list[dict[str, str]]] | None = None) -> Catalogue:
    """Slots by generation and facelift inside the horizon; candidates from choices[programme], else every module.

    choices: programme -> list of {position: module}; a position of an e-axle is front.
    """
    settings = study.settings
    slots: list[dict[str, Any]] = []
    versions = study["versions"].to_dicts()
    for generation in study["generations"].iter_rows(named=True):
        first = max(settings.first_year, int(generation["sop"][:4]))
        last = min(settings.last_year, generation["eop_year"])
        facelift = generation["facelift_year"]
        spans = [(1, first, last)]
        if facelift is not None and first < facelift <= last:
            spans = [(1, first, facelift - 1), (2, facelift, last)]
        for version in (v for v in versions if v["programme"] == generation["programme"]):
            slots += [
                {
                    "slot": f"{generation['programme']}/{generation['generation']}/{version['version']}/{phase}",
                    "programme": generation["programme"], "generation": generation["generation"],
                    "version": version["version"], "phase": phase, "first_year": start, "last_year": end,
                    "share": version["share"],
                }
                for phase, start, end in spans
            ]  # fmt: skip
    class_of = dict(zip(study["modules"]["module"], study["modules"]["class"], strict=True))
    everything = [{"front": module} for module in class_of]
    rows: list[dict[str, Any]] = []
    existing = study["existing"].to_dicts()
    for slot in slots:
        held = {
            row["position"] if row["class"] == "e-axle" else row["class"]: row["module"]
            for row in existing
            if (row["programme"], row["generation"]) == (slot["programme"], slot["generation"])
        }
        found = list((choices or {}).get(slot["programme"], everything))
        if held:
            found = [held, *(c for c in found if c != held)]
        for number, configuration in enumerate(found):
            rows += [
                {
                    "slot": slot["slot"], "candidate": number, "position": position, "class": class_of[module],
                    "module": module, "existing": held.get(position) == module,
                }
                for position, module in configuration.items()
            ]  # fmt: skip
    table = study["modules"].with_columns(pl.lit(None, dtype=pl.Float64).alias("curve_price"))
    return Catalogue({}, {}, table, pl.DataFrame(slots), pl.DataFrame(rows))


def make_performance(catalogue: Catalogue) -> Performance:
    """Every candidate feasible."""
    candidates = (
        catalogue.candidates.select("slot", "candidate").unique(maintain_order=True)
        .with_columns(pl.lit(True).alias("feasible"), pl.lit("").alias("reason"), pl.lit("").alias("fault"))
    )  # fmt: skip
    results = pl.DataFrame(
        schema={
            "slot": pl.String, "candidate": pl.Int64, "programme": pl.String, "version": pl.String,
            "requirement": pl.String, "procedure": pl.String, "required": pl.Float64, "effective": pl.Float64,
            "reached": pl.Float64, "unit": pl.String, "margin": pl.Float64, "passed": pl.Boolean, "status": pl.String,
            "kind": pl.String, "floor": pl.Float64, "allowed": pl.Boolean, "missed": pl.Float64,
            "missed_cost": pl.Float64,
        }
    )  # fmt: skip
    return Performance(candidates, results)


def small(
    tables: dict[str, list[dict[str, Any]]] | None = None,
    choices: dict[str, list[dict[str, str]]] | None = None,
    settings: dict[str, Any] | None = None,
) -> tuple[Study, Catalogue, Performance]:
    """Study, catalogue and performance of ``two_companies`` or other tables."""
    study = make_study({"discount_rate": 0.05, **(settings or {})}, **(tables or two_companies()))
    catalogue = make_catalogue(study, choices)
    return study, catalogue, make_performance(catalogue)


def plant_study(**plant: Any) -> tuple[Any, Any, Any]:
    """Packs of 50 kWh from one offer, or from a plant that pays from 2028 on; ``plant`` sets fields of the plant."""
    own = {
        "plant": "Own", "class": "pack", "family": "PF", "country": "JP", "investment": 100.0, "fixed_cost": 5.0,
        "variable_cost_per_kwh": 1_000.0, "lead_years": 2.0, "life_years": 10.0, **plant,
    }  # fmt: skip
    tables = two_companies(
        classes=[{"class": "pack", "quantity_unit": "kwh", "k_family_nre": 0.2}],
        rungs=[{"rung": "alone", "position": 0, "class": "pack", "procurement": "none", "development_shared": False}],
        families=[{"family": "PF", "class": "pack", "nre": 0.0, "tooling": 0.0, "application_nre": 0.0,
                   "application_tooling": 0.0}],
        modules=[{"module": "B", "class": "pack", "family": "PF", "gross_energy_kwh": 50.0}],
        offers=[{"offer": "K", "supplier": "Near", "site": "Near JP", "module": "B", "currency": "JPY",
                 "price_unit": "kwh"}],
        tiers=[{"offer": "K", "from_quantity": 0.0, "unit_price": 15_000.0}],
        plants=[own],
    )  # fmt: skip
    return small(tables, {"A1": [{"pack": "B"}], "B1": [{"pack": "B"}]})


__all__ = ["frame", "make_catalogue", "make_performance", "plant_study", "rung_rows", "small", "two_companies"]
