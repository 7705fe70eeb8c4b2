"""A study with two cars from rows: a C-segment car with an all-wheel-drive version, a kei car with an incumbent."""

from __future__ import annotations

from typing import Any

from teikei.study.types import Study
from tests.factory import make_study


def requirement(
    programme: str, name: str, value: float, unit: str, procedure: str = "x", **more: Any
) -> dict[str, Any]:
    return {
        "programme": programme,
        "requirement": name,
        "procedure": procedure,
        "value": value,
        "unit": unit,
        **more,
    }


def small_study(**changes: list[dict[str, Any]]) -> Study:
    body = {"drag_coefficient": 0.28, "frontal_area_m2": 2.3}
    tables: dict[str, list[dict[str, Any]]] = {
        "companies": [{"company": "A"}],
        "currencies": [{"currency": "USD", "rate": 150.0}, {"currency": "EUR", "rate": 165.0}],
        "classes": [{"class": c, "k_family_nre": 0.2} for c in ("e-axle", "pack", "charger", "platform")],
        "programmes": [
            {"programme": "P", "company": "A", "segment": "C", "body_mass_kg": 1150.0, "tyre_radius_m": 0.32, **body},
            {
                "programme": "K",
                "company": "A",
                "segment": "kei",
                "body_mass_kg": 800.0,
                "tyre_radius_m": 0.28,
                "length_m": 3.395,
                **body,
            },
        ],
        "versions": [
            {"programme": "P", "version": "std", "share": 0.7, "drive": "fwd"},
            {"programme": "P", "version": "awd", "share": 0.3, "drive": "awd"},
            {"programme": "K", "version": "std", "share": 1.0, "drive": "fwd"},
        ],
        "generations": [
            {"programme": "P", "generation": "G1", "sop": "2024-01", "facelift_year": 2028, "eop_year": 2032},
            {"programme": "K", "generation": "G1", "sop": "2024-01", "eop_year": 2028},
            {"programme": "K", "generation": "G2", "sop": "2029-04", "eop_year": 2035},
        ],
        "requirements": [
            requirement("P", "range", 400.0, "km", "wltc_japan"),
            requirement("P", "acceleration_0_100", 8.0, "s", "max_time"),
            requirement("P", "top_speed", 150.0, "km/h", "max"),
            requirement("P", "ac_charge_power", 6.0, "kW"),
            requirement("K", "range", 250.0, "km", "wltc_japan", incumbent_value=210.0),
            requirement("K", "kei_power_cap", 47.0, "kW"),
            requirement("K", "kei_length", 3.4, "m"),
            requirement("K", "range", 300.0, "km", "cltc_p"),
        ],
        "volumes": [
            {
                "programme": p,
                "generation": g,
                "company": "A",
                "plant": "X",
                "region": "JP",
                "year": year,
                "units": 1000.0,
            }
            for p, g, years in (("P", "G1", range(2027, 2031)), ("K", "G1", (2027, 2028)), ("K", "G2", (2029, 2030)))
            for year in years
        ],
        "families": [
            {"family": f, "class": c, "nre": 1.0, "tooling": 1.0, "application_nre": 1.0, "application_tooling": 1.0}
            for f, c in (("EA", "e-axle"), ("PK", "pack"), ("CH", "charger"), ("PF", "platform"))
        ],
        "modules": [
            {"module": "E160", "class": "e-axle", "family": "EA", "peak_power_kw": 160.0, "segments": ["C"]},
            {"module": "E90", "class": "e-axle", "family": "EA", "peak_power_kw": 90.0, "segments": ["C"]},
            {"module": "E47", "class": "e-axle", "family": "EA", "peak_power_kw": 47.0, "segments": ["kei"]},
            {"module": "E70", "class": "e-axle", "family": "EA", "peak_power_kw": 70.0, "segments": ["kei"]},
            {"module": "B78", "class": "pack", "family": "PK", "gross_energy_kwh": 78.0, "segments": ["C"]},
            {"module": "B20", "class": "pack", "family": "PK", "gross_energy_kwh": 20.0, "segments": ["kei"]},
            {
                "module": "B31",
                "class": "pack",
                "family": "PK",
                "gross_energy_kwh": 31.0,
                "chemistry": "lfp",
                "segments": ["kei"],
            },
            {"module": "I6", "class": "charger", "family": "CH", "ac_charge_power_kw": 6.6},
            {"module": "PF", "class": "platform", "family": "PF"},
        ],
        "existing": [
            {
                "programme": "K",
                "generation": "G1",
                "class": c,
                "company": "A",
                "module": m,
                "contract_end": 2028.0,
                "unit_price": 1.0,
            }
            for c, m in (("e-axle", "E47"), ("pack", "B20"))
        ],
    }
    return make_study(**{**tables, **changes})
