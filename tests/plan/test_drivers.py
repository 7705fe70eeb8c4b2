"""Which requirement drives a module: the one that another module in its place would miss."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import polars as pl

import teikei.plan as plan
from tests.plan.small import small, two_companies

# Car A1 may carry e-axle S or L with pack P or Q; only S with P does its job. (reached, needed) by requirement.
REACHED: dict[tuple[str, str], dict[str, tuple[float, float]]] = {
    ("S", "P"): {"range": (410.0, 400.0), "acceleration_0_100": (9.0, 10.0), "ac_charge_power": (6.0, 6.0)},
    ("S", "Q"): {"range": (300.0, 400.0), "acceleration_0_100": (9.5, 10.0), "ac_charge_power": (6.0, 6.0)},
    ("L", "P"): {"range": (405.0, 400.0), "acceleration_0_100": (11.0, 10.0), "ac_charge_power": (6.0, 6.0)},
    ("L", "Q"): {"range": (290.0, 400.0), "acceleration_0_100": (11.5, 10.0), "ac_charge_power": (5.0, 6.0)},
}
SHORTER_IS_BETTER = "acceleration_0_100"


def driven(reached: dict[tuple[str, str], dict[str, tuple[float, float]]]) -> dict[str, tuple[Any, Any]]:
    """Position -> (requirement that drives the module, margin) of car A1."""
    tables = two_companies()
    tables["classes"].append({"class": "pack", "quantity_unit": "kwh", "k_family_nre": 0.2})
    tables["families"].append(
        {
            "family": "FP",
            "class": "pack",
            "nre": 0.0,
            "tooling": 0.0,
            "application_nre": 0.0,
            "application_tooling": 0.0,
        }
    )
    tables["modules"] += [
        {"module": name, "class": "pack", "family": "FP", "gross_energy_kwh": 50.0} for name in ("P", "Q")
    ]
    tables["offers"] += [
        {"offer": f"N{name}", "supplier": "Near", "site": "Near JP", "module": name, "currency": "JPY",
         "price_unit": "kwh"}
        for name in ("P", "Q")
    ]  # fmt: skip
    tables["tiers"] += [{"offer": f"N{name}", "from_quantity": 0.0, "unit_price": 10_000.0} for name in ("P", "Q")]
    pairs = list(reached)
    study, catalogue, performance = small(
        tables,
        {"A1": [{"front": axle, "pack": pack} for axle, pack in pairs], "B1": [{"front": "L", "pack": "Q"}]},
    )
    rows = []
    for slot in performance.candidates["slot"].unique().to_list():
        for number, pair in enumerate(pairs if slot.startswith("A1/") else []):
            for name, (value, needed) in reached[pair].items():
                margin = needed - value if name == SHORTER_IS_BETTER else value - needed
                rows.append(
                    {"slot": slot, "candidate": number, "programme": "A1", "requirement": name, "procedure": "own",
                     "required": needed, "effective": needed, "reached": value, "margin": margin,
                     "passed": margin >= 0, "unit": "-", "status": "ok", "kind": "hard", "floor": 0.0,
                     "allowed": margin >= 0, "missed": max(0.0, -margin), "missed_cost": 0.0}
                )  # fmt: skip
    results = pl.DataFrame(rows, schema=performance.results.schema)
    failed = results.filter(~pl.col("passed")).select("slot", "candidate").unique()
    feasible = performance.candidates.with_columns(
        ~pl.struct("slot", "candidate").is_in(failed.select(pl.struct("slot", "candidate")).to_series().implode())
        .alias("feasible")
    )  # fmt: skip
    made = plan.solve(study, catalogue, replace(performance, candidates=feasible, results=results))
    uses = made.by_key[("Ann", "alone")].tables["module_uses"]
    return {row["axle"]: (row["driving_requirement"], row["margin"]) for row in uses.iter_rows(named=True)}


def test_a_module_is_driven_by_what_another_in_its_place_would_miss_not_by_the_tightest_of_the_car() -> None:
    assert driven(REACHED) == {"front": ("acceleration_0_100", 1.0), "pack": ("range", 10.0)}


def test_nothing_drives_a_module_where_the_others_would_do() -> None:
    slow = {**REACHED, ("L", "P"): {**REACHED[("L", "P")], "acceleration_0_100": (10.0, 10.0)}}
    dear = {pair: found for pair, found in slow.items() if pair[0] == "S" or pair == ("L", "P")}
    found = driven(dear)
    assert found["front"] == (None, None)
    assert found["pack"][0] == "range"
