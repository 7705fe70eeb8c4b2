"""Studies of any size for the benchmarks of the plan: invented alliances, the same for a seed on every machine.

Companies build programmes of five segments in three countries; e-axles, packs and chargers come in families of three
sizes; suppliers quote a few modules each at one to two sites, with tiers, limited capacity and rebates. Orders of
magnitude (prices, development cost, volumes) are those of the shipped study, in million yen; the figures themselves
are drawn and mean nothing.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.factory import make_study
from tests.plan.small import make_catalogue, make_performance

from teikei.modules.types import Catalogue
from teikei.simulate.types import Performance
from teikei.study.types import Study

COUNTRIES = ("JP", "CN", "EU")
SEGMENTS = 5
SHARES = {"e-axle": 0.4, "pack": 0.4, "charger": 0.2}
PRICE = {"e-axle": 120_000.0, "pack": 15_000.0, "charger": 40_000.0}  # yen per piece, packs per kWh
FAMILY_NRE = {"e-axle": 12_000.0, "pack": 8_000.0, "charger": 2_500.0}
FIRST_YEAR = 2027
Rows = list[dict[str, Any]]


def alliance(
    companies: int = 4, programmes: int = 60, years: int = 12, modules: int = 60, suppliers: int = 25, seed: int = 1
) -> tuple[Study, Catalogue, Performance]:
    """Study, catalogue and performance of an invented alliance; every candidate the choices list is feasible."""
    rng = np.random.default_rng(seed)
    last_year = FIRST_YEAR + years - 1
    names = [f"C{i + 1}" for i in range(companies)]
    made = _modules(rng, modules)
    cars, choices = _programmes(rng, names, programmes, last_year, made)
    tables: dict[str, Rows] = {
        "companies": [{"company": name} for name in names],
        "classes": [
            {"class": name, "quantity_unit": "kwh" if name == "pack" else "piece", "k_family_nre": 0.2,
             "coordination_one_off": 200.0, "coordination_engineers": 5.0, "divergence_rate": 0.02,
             "switching_cost": 50.0, "warranty_share": 0.01}
            for name in SHARES
        ],
        "rungs": [
            {"rung": rung, "position": at, "class": name, "procurement": bought, "development_shared": shared}
            for at, (rung, bought, shared) in enumerate(
                (("alone", "none", False), ("components", "commercial", False), ("shared", "technical", True))
            )
            for name in SHARES
        ],
        **made, **cars, **_supply(rng, suppliers, made["modules"], cars["volumes"]),
        "trade": [
            {"origin": a, "destination": b, "part": part, "duty": 0.0 if a == b else 0.04,
             "freight": 0.0 if a == b else (400.0 if part == "pack" else 2_500.0), "lead_weeks": 1.0 if a == b else 6.0}
            for a in COUNTRIES for b in COUNTRIES for part in ("pack", "e-axle", "other")
        ],
    }  # fmt: skip
    settings = {"discount_rate": 0.06, "first_year": FIRST_YEAR, "last_year": last_year, "alliance_one_off": 500.0}
    study = make_study(settings, **tables)
    catalogue = make_catalogue(study, choices)
    return study, catalogue, make_performance(catalogue)


def _modules(rng: np.random.Generator, count: int) -> dict[str, Rows]:
    """Families of three sizes each; size 0 to 4 along the segments."""
    families: Rows = []
    modules: Rows = []
    for name, share in SHARES.items():
        wanted = max(3, round(count * share))
        for number in range(wanted):
            family = f"{name}-F{number // 3 + 1}"
            if number % 3 == 0:
                factor = float(rng.uniform(0.7, 1.4))
                families.append(
                    {"family": family, "class": name, "nre": FAMILY_NRE[name] * factor, "tooling": 2_000.0 * factor,
                     "application_nre": 150.0, "application_tooling": 60.0, "life_years": 8}
                )  # fmt: skip
            size = float(rng.uniform(0, SEGMENTS - 1)) if number >= 3 else 2.0 * (number % 3)
            modules.append(
                {"module": f"{name}-{number + 1}", "class": name, "family": family, "nre": 400.0, "tooling": 300.0,
                 "gross_energy_kwh": 30.0 + 15.0 * size if name == "pack" else None, "note": f"{size:.3f}"}
            )  # fmt: skip
    return {"families": families, "modules": modules}


def _programmes(
    rng: np.random.Generator, companies: list[str], count: int, last_year: int, made: dict[str, Rows]
) -> tuple[dict[str, Rows], dict[str, list[dict[str, str]]]]:
    """Programmes with volumes in one or two countries, and the modules that fit each: the nearest in size and above."""
    tables: dict[str, Rows] = {name: [] for name in ("programmes", "versions", "generations", "car_plants", "volumes")}
    tables["car_plants"] = [{"plant": f"Works {country}", "country": country} for country in COUNTRIES]
    choices: dict[str, list[dict[str, str]]] = {}
    for number in range(count):
        name, company, segment = f"P{number + 1:02}", companies[number % len(companies)], number % SEGMENTS
        start = int(rng.integers(FIRST_YEAR, max(FIRST_YEAR + 1, last_year - 3)))
        end = min(last_year, start + 7)
        tables["programmes"].append(
            {"programme": name, "company": company, "segment": str(segment), "body_mass_kg": 900.0 + 150 * segment,
             "tyre_radius_m": 0.3}
        )  # fmt: skip
        tables["versions"].append({"programme": name, "version": "std", "share": 1.0})
        tables["generations"].append({"programme": name, "generation": "G1", "sop": f"{start}-01", "eop_year": end})
        places = rng.choice(3, size=int(rng.integers(1, 3)), replace=False)
        for place in places:
            units = float(np.round(rng.uniform(8_000, 60_000), -2))
            tables["volumes"] += [
                {"programme": name, "generation": "G1", "company": company, "plant": f"Works {COUNTRIES[place]}",
                 "region": COUNTRIES[place], "year": year, "units": units * (0.6 if year == start else 1.0)}
                for year in range(start, end + 1)
            ]  # fmt: skip
        fits = []
        for class_name, most in (("e-axle", 5), ("pack", 4), ("charger", 2)):
            sized = [(float(row["note"]), row["module"]) for row in made["modules"] if row["class"] == class_name]
            above = sorted(row for row in sized if row[0] >= segment - 0.7) or sorted(sized)[-1:]
            fits.append([("front" if class_name == "e-axle" else class_name, module) for _, module in above[:most]])
        choices[name] = [dict((a, b, c)) for a in fits[0] for b in fits[1] for c in fits[2]]
    return tables, choices


def _supply(rng: np.random.Generator, count: int, modules: Rows, volumes: Rows) -> dict[str, Rows]:
    """Suppliers with one or two sites; every module has two to four offers of three tiers."""
    tables: dict[str, Rows] = {name: [] for name in ("suppliers", "sites", "capacities", "offers", "tiers", "rebates")}
    by_year: dict[int, float] = {}
    for row in volumes:
        by_year[row["year"]] = by_year.get(row["year"], 0.0) + row["units"]
    peak = max(by_year.values())
    sites: dict[str, list[tuple[str, str, float]]] = {name: [] for name in SHARES}
    kinds = [*SHARES] * (count // len(SHARES) + 1)
    for number in range(count):
        supplier, class_name = f"S{number + 1:02}", kinds[number]
        tables["suppliers"].append({"supplier": supplier, "activation_cost": 100.0})
        tables["rebates"] += [
            {"supplier": supplier, "spend_from": start, "rebate": rate}
            for start, rate in ((20_000.0, 0.005), (60_000.0, 0.012), (150_000.0, 0.02))
        ]
        sellers = max(1, kinds[:count].count(class_name))
        for place in rng.choice(3, size=int(rng.integers(1, 3)), replace=False):
            site, country = f"{supplier} {COUNTRIES[place]}", COUNTRIES[place]
            cheap = float(rng.uniform(0.92, 1.08)) * (0.93 if country == "CN" else 1.0)
            sites[class_name].append((site, country, cheap))
            tables["sites"].append({"site": site, "supplier": supplier, "country": country})
            share = float(rng.uniform(1.2, 2.4)) / sellers
            amount = peak * share * (60.0 / 1e6 if class_name == "pack" else 1.0)
            unit = "gwh" if class_name == "pack" else "pieces"
            tables["capacities"].append({"site": site, "from_year": FIRST_YEAR, "capacity": amount, "unit": unit})
    for module in modules:
        class_name = module["class"]
        known = sites[class_name]
        chosen = rng.choice(len(known), size=min(len(known), int(rng.integers(2, 5))), replace=False)
        for at in chosen:
            site, _, cheap = known[at]
            offer = f"{module['module']}@{site}"
            per_kwh = class_name == "pack"
            size = 1.0 if per_kwh else 0.7 + 0.2 * float(module["note"])
            tables["offers"].append(
                {"offer": offer, "supplier": site.split()[0], "site": site, "module": module["module"],
                 "currency": "JPY", "price_unit": "kwh" if per_kwh else "piece"}
            )  # fmt: skip
            breaks = (0.0, 2.0, 6.0) if per_kwh else (0.0, 60_000.0, 180_000.0)
            tables["tiers"] += [
                {"offer": offer, "from_quantity": start, "unit_price": PRICE[class_name] * size * cheap * factor}
                for start, factor in zip(breaks, (1.0, 0.955, 0.92), strict=True)
            ]
    return tables
