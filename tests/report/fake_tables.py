"""A made-up run with the shape and size of a real one, for looking at the report and for its tests; deterministic."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import polars as pl

GRAND = "Nissan+Honda+Mitsubishi"
PARTS = ("Nissan+Mitsubishi", "Honda")
RUNGS = ("components", "powertrain", "platform", "battery")
YEARS = tuple(range(2027, 2035))
SHARE_OF_SAVING = {"Nissan": 0.42, "Honda": 0.5, "Mitsubishi": 0.08}

# programme: company, thousand cars a year at the end, e-axle alone and joint, pack alone and joint
PROGRAMMES: dict[str, tuple[str, float, str, str, str, str]] = {
    "P01": ("Nissan", 42.0, "MM48", "E1", "K20", "B1"),
    "P02": ("Mitsubishi", 11.0, "MM48", "E1", "K20", "B1"),
    "P03": ("Honda", 24.0, "MCF7", "E1", "K29", "B1"),
    "P04": ("Honda", 38.0, "MCF7", "E1", "K29", "B1"),
    "P05": ("Honda", 19.0, "MCF7", "MCF7", "K29", "K29"),
    "P06": ("Mitsubishi", 16.0, "MM48", "E1", "K20", "B1"),
    "P07": ("Honda", 22.0, "MCF7-70", "E2", "K29", "B1"),
    "P08": ("Nissan", 55.0, "E3", "E3", "B3", "B3"),
    "P09": ("Nissan", 78.0, "E4", "E4", "B4", "B4"),
    "P11": ("Honda", 64.0, "H0A", "E3", "H0A-LFP", "B2"),
    "P12": ("Honda", 35.0, "E3h", "E3", "B2h", "B2"),
    "P13": ("Nissan", 31.0, "E4", "E4", "B4", "B4"),
}
MODULES: dict[str, tuple[str, str]] = {
    "MM48": ("e-axle", "kei Nissan"),
    "MCF7": ("e-axle", "kei Honda"),
    "MCF7-70": ("e-axle", "kei Honda"),
    "E1": ("e-axle", "EA_K"),
    "E2": ("e-axle", "EA_K"),
    "E3": ("e-axle", "EA_M"),
    "E3h": ("e-axle", "EA_M Honda"),
    "E4": ("e-axle", "EA_M"),
    "H0A": ("e-axle", "0 Alpha axle"),
    "K20": ("pack", "kei NMC Nissan"),
    "K29": ("pack", "kei NMC Honda"),
    "B1": ("pack", "PK_LFP"),
    "B2": ("pack", "PK_LFP"),
    "B2h": ("pack", "PK_LFP Honda"),
    "B3": ("pack", "PK_NMC"),
    "B4": ("pack", "PK_NMC"),
    "H0A-LFP": ("pack", "0 Alpha pack"),
    "I1": ("charger", "OBC"),
    "I1h": ("charger", "OBC Honda"),
}
STEPS: dict[str, dict[str, float]] = {  # million, grand coalition, by lever
    "components": {"commercial_scale": 14_200.0, "access": 1_900.0, "coordination": -5_400.0, "switching": -1_100.0},
    "powertrain": {
        "development": 61_300.0,
        "tooling": 17_250.0,
        "variants": 8_420.0,
        "technical_scale": 12_900.0,
        "commercial_scale": 1_200.0,
        "overdesign": -4_800.0,
        "coordination": -3_900.0,
        "divergence": -2_350.0,
        "switching": -6_200.0,
    },
    "platform": {"development": 22_400.0, "tooling": 9_100.0, "overdesign": -3_300.0, "coordination": -6_800.0},
    "battery": {
        "technical_scale": 21_700.0,
        "development": 7_900.0,
        "plant_use": 2_600.0,
        "overdesign": -5_050.0,
        "switching": -1_900.0,
    },
}
ALONE_VALUE = {"Nissan+Mitsubishi": 1_684_300.0, "Honda": 1_102_750.0}
ITEMS = {"e-axle": 310_000.0, "pack": 780_000.0, "charger": 38_000.0, "thermal": 52_000.0, "harness": 31_000.0}


def meta() -> dict[str, Any]:
    """What flow.py knows about the run."""
    return {
        "name": "nissan-honda",
        "title": "Nissan and Honda (and Mitsubishi): what to share in electric cars",
        "label": "Made-up tables for tests. The scope agreed in August 2024 applied to programmes alive in mid-2026; "
        "volumes and most prices are assumptions.",
        "currency": "JPY",
        "price_year": 2026,
        "base_year": 2026,
        "first_year": 2027,
        "last_year": 2034,
        "report_year": 2030,
        "home_market": "JP",
        "discount_rate": 0.06,
        "companies": ["Nissan", "Honda", "Mitsubishi"],
        "blocs": {"Nissan-Mitsubishi": ["Nissan", "Mitsubishi"], "Honda": ["Honda"]},
        "rungs": ["alone", *RUNGS, "vehicle"],
        "lever_order": ["development", "tooling", "technical_scale"],
        "versions": {"teikei": "0.1.0", "highspy": "1.11.0", "python": "3.11.9"},
        "times": {"study": 0.4, "modules": 0.9, "simulate": 2.2, "plan": 24.8, "split": 0.1, "market": 6.0},
        "solver": {"gap": 0.0005, "time_limit_s": 60.0, "threads": 1},
        "input_hashes": {"study.yaml": "a" * 64, "offers.csv": "b" * 64},
        "seeds": {"market": 20260101},
        "scenario": None,
        "citations": ["Morrow and Skerlos (2011), Operations Research 59(2)", "US EPA (2023), OMEGA technical support"],
    }


def tables() -> dict[str, pl.DataFrame]:
    """All tables of the made-up run, in a dictionary of the caller's own."""
    return dict(_tables())


@cache
def _tables() -> dict[str, pl.DataFrame]:
    return {
        "cost_by_rung": _costs(),
        "savings_by_lever": _savings(),
        "programmes": pl.DataFrame(
            [(name, row[0], f"car {name[1:]}") for name, row in PROGRAMMES.items()],
            schema=["programme", "company", "title"],
            orient="row",
        ),
        "rungs": pl.DataFrame(
            [
                (rung, position, klass, _joint(rung, klass))
                for position, rung in enumerate(("alone", *RUNGS))
                for klass in ("e-axle", "pack", "charger")
            ],
            schema=["rung", "position", "class", "development_shared"],
            orient="row",
        ),
        "configurations": _configurations(),
        "module_designs": _designs(),
        "module_uses": _uses(),
        "awards": _awards(),
        "performance": _performance(),
        "requirement_prices": _requirement_prices(),
        "schedule": _schedule(),
        "cost_breakdown": _breakdown(),
        "commonality": pl.DataFrame(
            [
                (coalition, rung, index, value)
                for coalition, rung, values in ((PARTS[0], "alone", (0.31, 1.9)), (GRAND, "battery", (0.56, 3.4)))
                for index, value in zip(("CMC", "DCI"), values, strict=True)
            ],
            schema=["coalition", "rung", "index", "value"],
            orient="row",
        ),
        **_split(),
        **_market(),
        **_vehicle_cost(),
        **_evidence(),
        **_decision(),
    }


def _saving_until(rung: str) -> float:
    return sum(sum(STEPS[name].values()) for name in RUNGS[: RUNGS.index(rung) + 1])


def _costs() -> pl.DataFrame:
    rows: list[tuple[str, str, float | None, float | None, float | None, str]] = []
    for part, value in ALONE_VALUE.items():
        rows.append((part, "alone", value, value - 180.0, 180.0, "gap"))
    for rung in RUNGS:
        value = sum(ALONE_VALUE.values()) - _saving_until(rung)
        rows.append((GRAND, rung, value, value - 420.0, 420.0, "gap"))
    rows.append((GRAND, "vehicle", None, None, None, "not evaluated: no vehicle is defined for joint development"))
    return pl.DataFrame(rows, schema=["coalition", "rung", "value", "bound", "gap", "status"], orient="row")


def _savings() -> pl.DataFrame:
    rows = []
    for index, rung in enumerate(RUNGS):
        before = "alone" if index == 0 else RUNGS[index - 1]
        for method, tilt in (("order", 0.0), ("shapley", 0.1)):
            levers = list(STEPS[rung])
            for lever, value in STEPS[rung].items():
                moved = tilt * STEPS[rung][levers[0]]
                shift = -moved if lever == levers[0] else moved / (len(levers) - 1)
                for company, part in SHARE_OF_SAVING.items():
                    rows.append((GRAND, rung, before, company, lever, (value + shift) * part, method))
    return pl.DataFrame(
        rows, schema=["coalition", "rung", "from_rung", "company", "lever", "value", "method"], orient="row"
    )


def _module(programme: str, klass: str, joint: bool) -> str:
    company, _, axle, joint_axle, pack, joint_pack = PROGRAMMES[programme]
    if klass == "e-axle":
        return joint_axle if joint else axle
    if klass == "pack":
        return joint_pack if joint else pack
    return "I1" if joint or company != "Honda" else "I1h"


def _cases() -> list[tuple[str, str, list[str]]]:
    """coalition, rung, programmes."""
    cases = [(part, "alone", [p for p, row in PROGRAMMES.items() if row[0] in part.split("+")]) for part in PARTS]
    return cases + [(GRAND, rung, list(PROGRAMMES)) for rung in RUNGS]


def _joint(rung: str, klass: str) -> bool:
    return rung == "battery" or (rung in ("powertrain", "platform") and klass != "pack")


def _configurations() -> pl.DataFrame:
    rows = [
        (coalition, rung, programme, generation, klass, _module(programme, klass, joint), 1.0, not joint)
        for coalition, rung, programmes in _cases()
        for programme in programmes
        for generation in ("G1", "G2")
        for klass in ("e-axle", "pack", "charger")
        for joint in [_joint(rung, klass) and generation == "G2"]
    ]
    names = ["coalition", "rung", "programme", "generation", "class", "module", "quantity", "existing"]
    return pl.DataFrame(rows, schema=names, orient="row")


def _designs() -> pl.DataFrame:
    rows = [
        (coalition, rung, klass, family, module, 47.0 + 9 * index, 66.0 + 3 * index, "assumption")
        for coalition, rung, _ in _cases()
        for index, (module, (klass, family)) in enumerate(MODULES.items())
    ]
    names = ["coalition", "rung", "class", "family", "variant", "peak_power_kw", "mass_kg", "confidence"]
    return pl.DataFrame(rows, schema=names, orient="row")


def _uses() -> pl.DataFrame:
    rows = [
        (coalition, rung, _module(p, "e-axle", _joint(rung, "e-axle")), p, "front", need, margin, over)
        for coalition, rung, programmes in _cases()
        for p, need, margin, over in zip(
            programmes,
            ["acceleration_0_100", "continuous_grade", "top_speed"] * 5,
            np.linspace(0.0, 0.31, len(programmes)).tolist(),
            np.linspace(0.0, 900.0, len(programmes)).tolist(),
            strict=False,
        )
    ]
    names = ["coalition", "rung", "module", "programme", "axle", "driving_requirement", "margin", "overdesign"]
    return pl.DataFrame(rows, schema=names, orient="row")


def _awards() -> pl.DataFrame:
    generator = np.random.default_rng(7)
    sources = {
        "e-axle": (("JATCO", "Fuji"), ("Astemo", "Hitachinaka"), ("Nidec", "Pinghu")),
        "pack": (("CATL", "Ningde"), ("AESC", "Sunderland"), ("PPES", "Himeji")),
        "charger": (("Panasonic", "Matsumoto"), ("Shinry", "Shenzhen")),
    }
    rows = []
    for coalition, rung, programmes in _cases():
        for programme in programmes:
            for klass, choices in sources.items():
                supplier, site = choices[int(generator.integers(len(choices) if rung == "alone" else 2))]
                module = _module(programme, klass, _joint(rung, klass))
                price = {"e-axle": 165_000.0, "pack": 620_000.0, "charger": 52_000.0}[klass]
                price *= 1.0 if rung == "alone" else 0.95
                basis = f"offer:O{1 + int(generator.integers(4)):02d}" if klass != "charger" else "curve:epa_frm"
                for year in YEARS:
                    units = PROGRAMMES[programme][1] * 1000 * (year - 2024) / 10
                    spend = units * price / 1e6 * 1.06 ** -(year + 0.5 - 2026)
                    rows.append((coalition, rung, supplier, site, module, year, units, price, spend, basis))
    rows += [
        (GRAND, "battery", "joint LFP plant", "LFP_JP", "B1", year, 40_000.0, 560_000.0, 18_000.0, "plant:LFP_JP")
        for year in YEARS
    ]
    names = ["coalition", "rung", "supplier", "site", "item", "year", "quantity", "unit_price", "spend", "price_basis"]
    return pl.DataFrame(rows, schema=names, orient="row")


def _performance() -> pl.DataFrame:
    needs = (
        ("wltc_japan", 220.0, "km", 12.0),
        ("acceleration_0_100", 9.5, "s", 0.2),
        ("continuous_grade", 12.0, "percent", 1.1),
        ("dc_charge_time", 30.0, "min", 0.0),
    )
    rows = []
    for coalition, rung, programmes in _cases():
        for index, programme in enumerate(programmes):
            for procedure, required, unit, margin in needs:
                better = -1.0 if unit in ("s", "min") else 1.0
                spread = margin * (1 + 0.4 * index)
                rows.append((coalition, rung, programme, procedure, required, required + better * spread, unit, spread))
    names = ["coalition", "rung", "programme", "procedure", "required", "reached", "unit", "margin"]
    return pl.DataFrame(rows, schema=names, orient="row")


def _requirement_prices() -> pl.DataFrame:
    rows = [
        (GRAND, "battery", "P13", "acceleration_0_100", "+0.5 s", 3_210.0, 890.0),
        (GRAND, "battery", "P08", "wltc_class3b", "-20 km", 5_640.0, 5_640.0),
        (GRAND, "battery", "P04", "wltc_japan", "-20 km", 1_130.0, 240.0),
        (GRAND, "battery", "P09", "dc_charge_time", "+5 min", 0.0, 0.0),
    ]
    names = ["coalition", "rung", "programme", "procedure", "step", "saving_alliance", "saving_owner"]
    return pl.DataFrame(rows, schema=names, orient="row")


def _schedule() -> pl.DataFrame:
    rows = []
    for index, (family, company) in enumerate((("EA_K", "Honda"), ("EA_M", "Nissan"), ("PK_LFP", "Honda"))):
        start = 2027 + index / 2
        for task, years, hours in (
            ("concept", 0.75, 21_000.0),
            ("prototype", 1.0, 48_000.0),
            ("validation", 1.25, 66_000.0),
        ):
            begins, ends = (f"{int(t)}-Q{int(t % 1 * 4) + 1}" for t in (start, start + years))
            rows.append((GRAND, "battery", task, family, company, begins, ends, hours))
            start += years
    names = ["coalition", "rung", "task", "object", "company", "start", "end", "hours"]
    return pl.DataFrame(rows, schema=names, orient="row")


def _breakdown() -> pl.DataFrame:
    rows = []
    for coalition, rung, programmes in _cases():
        total = sum(ALONE_VALUE.values()) - _saving_until(rung) if rung != "alone" else ALONE_VALUE[coalition]
        volume = sum(PROGRAMMES[p][1] for p in programmes)
        parts = {"purchase": 0.78, "nre_family": 0.09, "tooling": 0.05, "duty_freight": 0.05, "nre_application": 0.03}
        for programme in programmes:
            for item, part in parts.items():
                for year in YEARS:
                    value = total * part * PROGRAMMES[programme][1] / volume / len(YEARS)
                    rows.append((coalition, rung, PROGRAMMES[programme][0], programme, year, item, value))
    names = ["coalition", "rung", "company", "programme", "year", "item", "value"]
    return pl.DataFrame(rows, schema=names, orient="row")


def _split() -> dict[str, pl.DataFrame]:
    shares, core, baselines = [], [], []
    rules = {
        "shapley": (0.42, 0.5, 0.08),
        "nucleolus": (0.42, 0.5, 0.08),
        "proportional_to_standalone": (0.5, 0.4, 0.1),
    }
    companies = ("Nissan", "Honda", "Mitsubishi")
    for rung in RUNGS:
        saving = _saving_until(rung)
        for rule, parts in rules.items():
            for company, part in zip(companies, parts, strict=True):
                half = 390.0 * part
                shares.append(
                    (rung, rule, company, "saving", saving * part, saving * part - half, saving * part + half)
                )
                baselines.append((rung, company, rule, 0.5 if company == "Honda" else 0.25))
            core.append((rung, True, -saving / 2, rule, True, None, None))
    transfers = [
        ("battery", form, year, "Nissan", "Honda", 800.0 + 130.0 * index * (1.2 if form == "price per kit" else 1.0))
        for form in ("equal split", "price per kit")
        for index, year in enumerate(YEARS)
    ]
    screens = [
        ("battery", "joint buying share, packs", "JP", 2030, 0.31, 0.15, "red", "EU guidelines 2023, 15 %"),
        ("battery", "joint selling share, BEV", "JP", 2030, 0.52, 0.20, "red", "JFTC"),
        ("battery", "common share of variable cost", "JP", 2030, 0.27, 0.50, "amber", "EU guidelines 2023"),
        ("powertrain", "joint buying share, e-axles", "EU", 2030, None, 0.15, "amber", "share unknown: ask"),
    ]
    return {
        "shares": pl.DataFrame(
            shares, schema=["rung", "rule", "company", "kind", "value", "lower", "upper"], orient="row"
        ),
        "core": pl.DataFrame(
            core,
            schema={
                "rung": pl.String,
                "nonempty": pl.Boolean,
                "least_core_epsilon": pl.Float64,
                "rule": pl.String,
                "in_core": pl.Boolean,
                "leaves": pl.String,
                "leaves_by": pl.Float64,
            },
            orient="row",
        ),
        "baselines": pl.DataFrame(baselines, schema=["rung", "company", "rule", "shift"], orient="row"),
        "transfers": pl.DataFrame(
            transfers, schema=["rung", "form", "year", "from_company", "to_company", "value_nominal"], orient="row"
        ),
        "screens": pl.DataFrame(
            screens,
            schema=["rung", "screen", "region", "year", "figure", "threshold", "light", "source"],
            orient="row",
        ),
    }


def _market() -> dict[str, pl.DataFrame]:
    cases = [("alone", "alone", "study"), *((GRAND, rung, "study") for rung in RUNGS), (GRAND, "battery", "merger")]
    summary, outcome = [], []
    for index, (coalition, rung, scenario) in enumerate(cases):
        for year in range(2026, 2035):
            share = 0.028 + 0.0105 * (year - 2026) + (0.0006 * index if scenario != "merger" else -0.001)
            spread = 0.08 + 0.05 * (year - 2026)
            summary.append(
                (
                    coalition,
                    rung,
                    scenario,
                    year,
                    "JP",
                    share,
                    share * (1 - spread),
                    share * (1 + 1.4 * spread),
                    *(share - 0.028 - 0.0105 * (year - 2026) + tail for tail in (0.0, -0.0002 * index, 0.0003 * index)),
                    41000.0 + 900 * index + 8000 * (year - 2026),
                    30000.0 - 120 * index,
                    0.82,
                    1200.0 * index,
                )
            )
        for product, company, price, units in (
            ("Sakura", "Nissan", 2_600_000.0, 15_000.0),
            ("Leaf", "Nissan", 5_190_000.0, 9_000.0),
            ("N-ONE e:", "Honda", 2_700_000.0, 12_000.0),
            ("eK X EV", "Mitsubishi", 2_570_000.0, 3_100.0),
            ("Dolphin", "BYD", 2_990_000.0, 4_000.0),
        ):
            cut = 0.0 if company == "BYD" else 0.009 * index * (-0.4 if scenario == "merger" else 1)
            count = units * (1 + 2.6 * cut) if company != "BYD" else units * (1 - 0.004 * index)
            outcome.append(
                (
                    coalition,
                    rung,
                    scenario,
                    2030,
                    "JP",
                    product,
                    company,
                    price * (1 - cut),
                    count,
                    count / 3900000.0,
                    count * 0.8 / 3900000.0,
                    count * 1.25 / 3900000.0,
                )
            )
    summary_names = ["coalition", "rung", "scenario", "year", "region", "ev_share", "ev_share_lower", "ev_share_upper"]
    summary_names += ["ev_share_change", "ev_share_change_lower", "ev_share_change_upper"]
    summary_names += ["alliance_ev_units", "rival_ev_units", "pass_through", "consumer_surplus_change"]
    outcome_names = ["coalition", "rung", "scenario", "year", "region", "product", "company", "price", "units"]
    moments = [("own-price elasticity", -3.5, -3.42, 0.08, 1.0), ("pass-through", 0.85, 0.82, -0.03, 1.0)]
    past = {2018: 0.0063, 2019: 0.005, 2020: 0.0039, 2021: 0.0055, 2022: 0.0171, 2023: 0.0228, 2024: 0.016, 2025: 0.016}
    return {
        "market_summary": pl.DataFrame(summary, schema=summary_names, orient="row"),
        "market_outcome": pl.DataFrame(outcome, schema=[*outcome_names, "share", "lower", "upper"], orient="row"),
        "market_moments": pl.DataFrame(
            moments, schema=["moment", "target", "model", "deviation", "weight"], orient="row"
        ),
        "market_history": pl.DataFrame(
            [("JP", year, share) for year, share in past.items()], schema=["region", "year", "ev_share"], orient="row"
        ),
        "market_levers": pl.DataFrame(
            [
                ("the companies' electric cars cost 10 % less", 0.0735, 0.0035, 0.0021, 0.0052),
                ("three times as many fast chargers", 0.081, 0.011, 0.002, 0.021),
                ("every buyer considers a plug-in", 0.19, 0.12, 0.07, 0.17),
            ],
            schema=["lever", "ev_share", "change", "change_lower", "change_upper"],
            orient="row",
        ),
        "market_walk": pl.DataFrame(
            [
                ("battery", step, value)
                for step, value in (
                    ("before", 61_000.0),
                    ("cost saving", 4_100.0),
                    ("price cut", -3_350.0),
                    ("volume", 2_450.0),
                    ("after", 64_200.0),
                )
            ],
            schema=["rung", "step", "value"],
            orient="row",
        ),
        "market_diversion": pl.DataFrame(
            [("battery", "study", "BYD", "bev", -64.0), ("battery", "study", "Toyota", "hybrid", -1_800.0)],
            schema=["rung", "scenario", "company", "powertrain", "units_change"],
            orient="row",
        ),
        "market_elasticities": pl.DataFrame(
            [("Leaf", "Nissan", "bev", -3.4, 0.21)],
            schema=["product", "company", "powertrain", "own_price", "margin"],
            orient="row",
        ),
        "market_convergence": pl.DataFrame(
            [("alone", 3.1e-13, 41, True), ("battery", 4.4e-13, 44, True)],
            schema=["case", "residual", "iterations", "converged"],
            orient="row",
        ),
    }


def _vehicle_cost() -> dict[str, pl.DataFrame]:
    rows = []
    for coalition, rung, programmes in _cases():
        for programme in programmes:
            company, thousand = PROGRAMMES[programme][:2]
            for year in YEARS:
                cut = 0.0 if rung == "alone" else 0.015 * (1 + RUNGS.index(rung))
                for item, cost in (("e-axle", 150_000.0), ("pack", 560_000.0), ("charger", 48_000.0)):
                    size = 1.0 if programme <= "P07" else 1.9
                    rows.append(
                        (coalition, rung, company, programme, year, item, thousand * 1000, cost * size * (1 - cut))
                    )
    names = ["coalition", "rung", "company", "programme", "year", "item", "units", "variable_cost"]
    walk = [
        (programme, step, item, value * size)
        for programme, size in (("P01", 1.0), ("P09", 1.9))
        for step, item, value in (
            ("start", "own car at rung alone", 758_000.0),
            ("pack", "own cells: no supplier margin", -61_000.0),
            ("pack", "volume of the rival", -48_000.0),
            ("e-axle", "in-house drive", -19_000.0),
            ("duty_freight", "import duty and freight to Japan", 12_500.0),
            ("end", "the same car, integrated rival", 642_500.0),
        )
    ]
    use = [
        (GRAND, "battery", GRAND, "LFP_JP", 5.0, year, 5.0, 5.0 * min(0.97, 0.35 + 0.09 * (year - 2027)), None)
        for year in YEARS
    ]
    return {
        "unit_costs": pl.DataFrame(rows, schema=names, orient="row"),
        "integrated_rival": pl.DataFrame(walk, schema=["programme", "step", "item", "value"], orient="row"),
        "plants": pl.DataFrame(
            use,
            schema=["coalition", "rung", "owner", "plant", "step", "year", "capacity", "output", "use"],
            orient="row",
        ),
    }


def _decision() -> dict[str, pl.DataFrame]:
    case = [
        ("battery", form, company, year, 200_000.0, 200_000.0 - saving, saving)
        for form in ("equal split", "price per kit")
        for company, scale in (("Nissan", 1.0), ("Honda", 1.3), ("Mitsubishi", 0.2))
        for index, year in enumerate(range(2024, 2035))
        for saving in [scale * (-6_000.0 + 1_900.0 * index)]
    ]
    mandate = [
        ("battery", "Honda", 1_102_750.0, 1_032_700.0, 1_032_300.0, 1_033_100.0, 1_102_750.0),
        ("battery", "Nissan", 1_684_300.0, 1_614_300.0, 1_613_900.0, 1_614_700.0, 1_684_300.0),
    ]
    return {
        "business_case": pl.DataFrame(
            case, schema=["rung", "form", "company", "year", "cost_alone", "cost_joint", "saving"], orient="row"
        ),
        "mandate": pl.DataFrame(
            mandate,
            schema=["rung", "company", "baseline", "target", "target_lower", "target_upper", "walk_away"],
            orient="row",
        ),
    }


def _evidence() -> dict[str, pl.DataFrame]:
    rows = [("volumes", f"P{n:02d}/G2/2030", "", "study note 12", "assumption") for n in range(1, 13)]
    rows += [("offers", "O01", "", "supplier list 2025", "reported"), ("offers", "O02", "", "teardown", "derived")]
    rows += [("offers", f"O{n:02d}", "", "analyst", "assumption") for n in range(3, 9)]
    evidence = [("purchase", "reported", 610_000.0), ("purchase", "assumption", 1_563_900.0)]
    evidence += [("nre_family", "assumption", 250_800.0), ("tooling", "derived", 139_300.0)]
    rows += [("families", name, "", "analyst", "assumption") for name in ("EA_K", "EA_M", "PK_LFP")]
    rows += [("products", f"model {n}", "", "JADA 2025", "reported") for n in range(20)]
    return {
        "sources": pl.DataFrame(rows, schema=["table", "row", "column", "source", "confidence"], orient="row"),
        "evidence": pl.DataFrame(evidence, schema=["item", "confidence", "value"], orient="row"),
        "references": pl.DataFrame(
            [("supplier list 2025", "Fourin", "Suppliers of electric drives", "2025-03", "https://example.org/list")],
            schema=["source", "publisher", "title", "date", "address"],
            orient="row",
        ),
        "warnings": pl.DataFrame(
            [("study", "offers.csv:14:unit_price: ten times dearer per kWh than the other packs")],
            schema=["stage", "text"],
            orient="row",
        ),
        "explanations": pl.DataFrame(
            [("Rung components: the joint supplier volume meets the capacity of Fuji from 2031 on.",)],
            schema=["text"],
            orient="row",
        ),
    }
