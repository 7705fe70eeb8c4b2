"""Tables of a joint run for tests: a tiny cost model over an assembled study, so that inputs reach results."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl

RUNG = "powertrain"
MODULE = "AX1"
FAMILY = "AX"
OFFER = "O1"


def make_tables(
    companies: list[str], programmes: list[tuple[str, str, float, float]], breaks: tuple[float, ...] = (0.0, 50_000.0)
) -> dict[str, pl.DataFrame]:
    """programmes: (programme, company, units a year, cost per car in million). One shared axle, one offer, one year."""
    grand = "+".join(companies)
    total = sum(units for _, _, units, _ in programmes)
    alone = {c: sum(units * cost for _, owner, units, cost in programmes if owner == c) for c in companies}
    saving = 0.1 * min(alone.values()) + 0.02 * sum(alone.values())
    tier = max((one for one in breaks if one <= total), default=0.0)
    rows: dict[str, list[dict[str, Any]]] = {
        "cost_by_rung": [
            *[{"coalition": c, "rung": "alone", "value": value} for c, value in alone.items()],
            {"coalition": grand, "rung": RUNG, "value": sum(alone.values()) - saving},
        ],
        "cost_breakdown": [
            {"coalition": grand, "rung": RUNG, "company": c, "programme": p, "value": units * cost}
            for p, c, units, cost in programmes
        ],
        "configurations": [
            {"coalition": grand, "rung": RUNG, "programme": p, "class": "e-axle", "module": MODULE}
            for p, _, _, _ in programmes
        ],
        "module_designs": [
            {
                "coalition": grand, "rung": RUNG, "variant": MODULE, "peak_power_kw": 80.0, "gear_ratio": 9.5,
                "nre": 123_456_789.0, "motor_type": "pm", "family": FAMILY, "peak_torque_duration_s": 20.0,
            }
        ],
        "awards": [
            {
                "coalition": grand, "rung": RUNG, "price_basis": f"offer:{OFFER}", "year": 2027, "quantity": units,
                "drawing_group": grand, "programme": p, "tier_from": tier, "unit_price": 190_000.0,
            }
            for p, _, units, _ in programmes
        ],
        "shares": [
            {"rung": RUNG, "rule": "shapley", "company": c, "kind": "saving", "value": saving / len(companies)}
            for c in companies
        ],
        "requirement_prices": [
            {
                "coalition": grand, "rung": RUNG, "programme": p, "procedure": "wltc_japan", "step": 20.0,
                "saving_alliance": 3.0 * cost, "saving_owner": cost, "requirement": "range", "unit": "km",
            }
            for p, _, _, cost in programmes
        ],
        "module_uses": [
            {
                "coalition": grand, "rung": RUNG, "module": MODULE, "programme": p, "driving_requirement": "range",
                "procedure": "wltc_japan", "overdesign": 100.0 * number,
            }
            for number, (p, _, _, _) in enumerate(programmes)
        ],
        "schedule": [
            {
                "coalition": grand, "rung": RUNG, "task": task, "object": thing, "company": lead, "start": "2026-Q1",
                "end": "2026-Q3", "hours": 1000.0 * total,
            }
            for thing, task, lead in [
                (MODULE, "design", companies[0]), (FAMILY, "concept", companies[-1]),
                *[(f"{FAMILY} in {p}/G1 for 2027-Q1", "calibration", c) for p, c, _, _ in programmes],
            ]
        ],
        "transfers": [
            {
                "rung": RUNG, "form": "equal", "year": 2027, "from_company": companies[0],
                "to_company": companies[-1], "value_nominal": saving / 7,
            }
        ],
    }  # fmt: skip
    return {name: pl.DataFrame(found) for name, found in rows.items()}


def write_tables(study: Path, folder: Path) -> list[str]:
    """Reads an assembled study and writes its tables; the names."""
    from teikei.study import load

    loaded = load(study)
    owner = dict(loaded["programmes"].select("programme", "company").iter_rows())
    mass = dict(loaded["programmes"].select("programme", "body_mass_kg").iter_rows())
    volumes = loaded["volumes"].filter((pl.col("scenario") == "base") & (pl.col("year") == 2027))
    units: dict[str, float] = {}
    for programme, count in volumes.select("programme", "units").iter_rows():
        units[programme] = units.get(programme, 0.0) + float(count)
    programmes = [(p, owner[p], units.get(p, 0.0), (mass[p] or 1000.0) / 1000.0) for p in sorted(owner)]
    tables = make_tables(list(loaded.companies), programmes)
    for name, table in tables.items():
        table.write_parquet(folder / f"{name}.parquet")
    return sorted(tables)
