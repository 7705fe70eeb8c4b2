"""Random small studies with every term of the plan mixed, and a random search for plans cheaper than the solver's.

``python -m tests.plan.mixed 0 200`` compares some hundred studies and prints what differs.
"""

from __future__ import annotations

import itertools
import sys
import traceback
from typing import Any

import numpy as np
import polars as pl

import teikei.plan as plan
from teikei.errors import NoPlanError
from teikei.plan.decisions import Decisions
from teikei.plan.facts import Facts
from teikei.plan.ladder import split_members
from teikei.plan.price import need, price
from teikei.plan.read import read_facts
from teikei.plan.scope import Option, Scope
from tests.plan.small import frame, rung_rows, small, two_companies

Generator = np.random.Generator
Rows = list[dict[str, Any]]


def random_study(seed: int) -> tuple[Any, Any, Any]:
    """Two or three companies with a car each, two e-axles, two suppliers, one to three years."""
    rng = np.random.default_rng(seed)
    years = [2027, 2028, 2029][: int(rng.integers(1, 4))]
    names = ["Ann", "Bob", "Cid"][: 3 if rng.random() < 0.2 else 2]
    scale = float(rng.choice([0.05, 0.3, 1.0]))
    generations, old = _generations(rng, names, years)
    tables: dict[str, Rows] = {
        "companies": [{"company": name} for name in names],
        "programmes": [
            {"programme": f"{name[0]}1", "company": name, "segment": "kei", "body_mass_kg": 900.0,
             "tyre_radius_m": 0.3, "car_value": 2e6} for name in names
        ],
        "versions": [{"programme": f"{name[0]}1", "version": "std", "share": 1.0} for name in names],
        "generations": generations,
        "car_plants": [{"plant": "Suzuka", "country": "JP"}, {"plant": "Swindon", "country": "UK"}],
        "volumes": _volumes(rng, names, generations, years),
        "classes": [_class(rng)],
        "rungs": rung_rows(),
        "families": [_family(rng, name, names, scale) for name in ("FS", "FL")],
        "modules": [_module(rng, name, names, scale) for name in ("S", "L")],
        **_suppliers(rng, names),
        **_offers(rng, names),
        **_limits(rng, names, years),
        "existing": _contracts(rng, old, scale),
    }  # fmt: skip
    every = [[{"front": "S"}, {"front": "L"}], [{"front": "L"}], [{"front": "S"}]]
    choices = {f"{name[0]}1": every[int(rng.choice([0, 0, 0, 1, 2]))] for name in names}
    settings: dict[str, Any] = {"last_year": years[-1], "alliance_one_off": 50.0 * rng.random() * (rng.random() < 0.2)}
    if rng.random() < 0.2:
        settings["residual_rule"] = "life_volume"
    return small(two_companies(**tables), choices, settings)


def _between(rng: Generator, low: float, high: float) -> float:
    return float(round(rng.uniform(low, high), 3))


def _generations(rng: Generator, names: list[str], years: list[int]) -> tuple[Rows, list[str]]:
    rows, old = [], []
    for name in names:
        start = 2027 if rng.random() < 0.7 else min(years[-1], 2028)
        if rng.random() < 0.35:
            old.append(name)
            start = 2024
        row = {"programme": f"{name[0]}1", "generation": "G1", "sop": f"{start}-01",
               "eop_year": int(years[-1] + rng.integers(0, 3))}  # fmt: skip
        if rng.random() < 0.35 and years[-1] > 2027:
            row["facelift_year"] = int(rng.integers(2028, years[-1] + 1))
        rows.append(row)
    return rows, old


def _volumes(rng: Generator, names: list[str], generations: Rows, years: list[int]) -> Rows:
    rows = []
    for name, generation in zip(names, generations, strict=True):
        where = [("Suzuka", "JP")]
        if rng.random() < 0.3:
            where.append(("Swindon" if rng.random() < 0.5 else "Suzuka", "EU"))
        rows += [
            {"programme": f"{name[0]}1", "generation": "G1", "company": name, "plant": site, "region": region,
             "year": year, "units": _between(rng, 8e3, 5e4)}
            for site, region in where for year in years if year >= int(generation["sop"][:4])
        ]  # fmt: skip
    return rows


def _class(rng: Generator) -> dict[str, Any]:
    row: dict[str, Any] = {
        "class": "e-axle", "k_family_nre": _between(rng, 0, 0.5), "k_family_nre_same_bloc": _between(rng, 0, 0.1),
        "switching_cost": _between(rng, 0, 80) if rng.random() < 0.6 else 0.0,
        "switching_months": float(rng.choice([0, 0, 12, 18])),
    }  # fmt: skip
    if rng.random() < 0.4:
        row.update(coordination_one_off=_between(rng, 0, 100), coordination_engineers=_between(rng, 0, 5))
    if rng.random() < 0.3:
        row.update(divergence_rate=_between(rng, 0, 0.2), divergence_offset_factor=_between(rng, 1, 2))
    if rng.random() < 0.3:
        row["warranty_share"] = _between(rng, 0, 0.03)
    return row


def _family(rng: Generator, name: str, names: list[str], scale: float) -> dict[str, Any]:
    row: dict[str, Any] = {
        "family": name, "class": "e-axle", "nre": _between(rng, 0, 3000) * scale,
        "tooling": _between(rng, 0, 800) * scale, "application_nre": _between(rng, 0, 200) * scale,
        "application_tooling": _between(rng, 0, 80) * scale, "life_years": float(rng.integers(2, 10)),
    }  # fmt: skip
    if rng.random() < 0.3:
        row["sunk_for"] = [str(rng.choice(names))]
    return row


def _module(rng: Generator, name: str, names: list[str], scale: float) -> dict[str, Any]:
    row: dict[str, Any] = {
        "module": name, "class": "e-axle", "family": f"F{name}", "nre": _between(rng, 0, 300) * scale,
        "tooling": _between(rng, 0, 100) * scale,
    }  # fmt: skip
    if rng.random() < 0.2:
        row["sunk_for"] = [str(rng.choice(names))]
    if rng.random() < 0.1 and name == "L":
        row["available_to"] = [str(rng.choice(names))]
    if rng.random() < 0.1 and name == "L":
        row["earliest_year"] = 2028
    return row


def _suppliers(rng: Generator, names: list[str]) -> dict[str, Rows]:
    suppliers: Rows = [{"supplier": "Near"}, {"supplier": "Far"}]
    for row in suppliers:
        if rng.random() < 0.3:
            row["activation_cost"] = _between(rng, 0, 100)
        if rng.random() < 0.3:
            row["operating_margin"] = _between(rng, 0, 0.2)
    sites: Rows = [{"site": "Near JP", "supplier": "Near", "country": "JP"},
                   {"site": "Far CN", "supplier": "Far", "country": "CN"}]  # fmt: skip
    if rng.random() < 0.2:
        sites[1]["sourceable_by"] = [str(rng.choice(names))]
    if rng.random() < 0.2:
        sites[0]["outsider_share"] = _between(rng, 0, 0.4)
    tables: dict[str, Rows] = {"suppliers": suppliers, "sites": sites}
    if rng.random() < 0.3:
        tables["equity"] = [{"company": str(rng.choice(names)), "supplier": "Near", "share": _between(rng, 0, 1)}]
    if rng.random() < 0.35:
        kind, who, start = "incremental" if rng.random() < 0.4 else "all_units", str(rng.choice(["Near", "Far"])), 1e3
        start += _between(rng, 0, 2000)
        tables["rebates"] = [
            {"supplier": who, "spend_from": start, "rebate": _between(rng, 0.01, 0.06), "kind": kind},
            {"supplier": who, "spend_from": start + _between(rng, 500, 4000), "rebate": _between(rng, 0.07, 0.15),
             "kind": kind},
        ]  # fmt: skip
    if rng.random() < 0.25:
        tables["bundles"] = [{"bundle": "b", "offers": ["NS", "NL"], "rebate": _between(rng, 0.02, 0.15),
                              "minimum_quantity": float(rng.integers(5_000, 25_000))}]  # fmt: skip
    return tables


def _offers(rng: Generator, names: list[str]) -> dict[str, Rows]:
    offers, tiers = [], []
    pooled = rng.random() < 0.15
    shared = [float(rng.integers(20_000, 60_000)), float(rng.integers(65_000, 100_000))]
    for who, site in (("Near", "Near JP"), ("Far", "Far CN")):
        for module, level in (("S", 1e5), ("L", 1.05e5)):
            row: dict[str, Any] = {"offer": f"{who[0]}{module}", "supplier": who, "site": site, "module": module,
                                   "currency": "JPY"}  # fmt: skip
            starts = [float(rng.integers(15_000, 40_000)), float(rng.integers(45_000, 100_000))]
            starts = starts[: int(rng.integers(0, 3))]
            if rng.random() < 0.2:
                row["minimum_quantity"] = float(rng.integers(5_000, 30_000))
            if rng.random() < 0.15:
                quantity = float(rng.integers(20_000, 80_000))
                row.update(take_or_pay_quantity=quantity, take_or_pay_share=_between(rng, 0.1, 1))
            if rng.random() < 0.2:
                row["yearly_price_down"] = _between(rng, 0, 0.05)
            if rng.random() < 0.1:
                row["buyer"] = str(rng.choice(names))
            if pooled and who == "Near":
                row["tier_pool"], starts = "line", shared
            elif rng.random() < 0.15:
                row["discount_kind"] = "incremental"
            offers.append(row)
            price_now = level * _between(rng, 0.85, 1.15)
            for start in (0.0, *starts):
                tiers.append({"offer": row["offer"], "from_quantity": start, "unit_price": price_now})
                price_now *= _between(rng, 0.9, 0.99)
    trade = [
        {"origin": "CN", "destination": "JP", "part": "e-axle", "duty": _between(rng, 0, 0.1),
         "freight": _between(rng, 0, 5e3), "lead_weeks": _between(rng, 0, 9)},
        {"origin": "JP", "destination": "UK", "part": "e-axle", "duty": _between(rng, 0, 0.1)},
        {"origin": "CN", "destination": "UK", "part": "e-axle", "duty": _between(rng, 0, 0.1), "freight": 2e3},
    ]  # fmt: skip
    return {"offers": offers, "tiers": tiers, "trade": trade}


def _limits(rng: Generator, names: list[str], years: list[int]) -> dict[str, Rows]:
    tables: dict[str, Rows] = {"local_content": [], "rules": []}
    if rng.random() < 0.4:
        site = str(rng.choice(["Near JP", "Far CN"]))
        tables["capacities"] = [{"site": site, "from_year": 2027, "capacity": float(rng.integers(10_000, 90_000)),
                                 "unit": "pieces"}]  # fmt: skip
        if rng.random() < 0.5:
            tables["expansions"] = [{"site": site, "from_year": int(rng.choice(years)), "cost": _between(rng, 1, 200),
                                     "capacity": float(rng.integers(10_000, 40_000))}]  # fmt: skip
    home = {"origins": ["JP"], "plant_country": "JP"}
    for chance, part, region, start, minimum in (
        (0.3, "e-axle", str(rng.choice(["JP", "EU"])), 2027, 0.5), (0.2, "car", "JP", 2028, 0.97)
    ):  # fmt: skip
        if rng.random() < chance:
            row = {**home, "region": region, "part": part, "from_year": start, "minimum": minimum}
            tables["local_content"].append({**row, "penalty": _between(rng, 0, 0.02)})
    for chance, rule, scope, value in (
        (0.12, "max_share_per_item", "*", str(round(rng.uniform(0.5, 0.95), 2))),
        (0.1, "min_suppliers_per_class", "class:e-axle", "2"),
        (0.1, "local_supply", "class:e-axle&country:JP", str(round(rng.uniform(0.1, 0.8), 2))),
        (0.1, "exclude_supplier", "supplier:Far", str(rng.choice([*names, "any"]))),
    ):
        if rng.random() < chance:
            tables["rules"].append({"rule": rule, "scope": scope, "value": value})
    return tables


def _contracts(rng: Generator, old: list[str], scale: float) -> Rows:
    rows = []
    for name in old:
        if rng.random() < 0.8:
            who = str(rng.choice(["Near", "Far"]))
            rows.append(
                {"programme": f"{name[0]}1", "generation": "G1", "class": "e-axle", "company": name,
                 "module": str(rng.choice(["S", "L"])), "supplier": who, "site": {"Near": "Near JP"}.get(who, "Far CN"),
                 "contract_end": float(rng.choice([2027.0, 2028.5, 2030.0, 2032.0])),
                 "unit_price": _between(rng, 8e4, 1.4e5), "cancellation_cost": _between(rng, 0, 600) * scale,
                 "revalidation_cost": _between(rng, 0, 100) * scale}
            )  # fmt: skip
    return rows


def cheapest_found(scope: Scope, start: Decisions, rng: Generator, tries: int) -> float:
    """Least exact price over random changes of designs, sources, splits and expansions that keep every promise."""
    best, value = start, price(scope, start).value
    steps = [(one.site, one.from_year, one.capacity) for one in scope.facts.expansions]
    for _ in range(tries):
        modules = dict(best.modules)
        if rng.random() < 0.5:
            places = list(scope.options)
            for place in places if rng.random() < 0.5 else [places[int(rng.integers(len(places)))]]:
                modules[place] = scope.options[place][int(rng.integers(len(scope.options[place])))]
        if not _one_footing(scope, modules):
            continue
        expansions = best.expansions
        if steps and scope.reserved is None and rng.random() < 0.2:
            payers = [*scope.bloc_names, scope.joint or scope.bloc_names[0]]
            chosen = (str(rng.choice(payers)), *steps[int(rng.integers(len(steps)))])
            expansions = () if expansions and rng.random() < 0.5 else (chosen,)
        other = Decisions(modules, best.candidate, {}, best.plants, expansions)
        other = Decisions(modules, best.candidate, _awards(scope, other, best, rng), best.plants, expansions)
        try:
            found = price(scope, other).value
        except NoPlanError:
            continue
        if found < value - 1e-9:
            best, value = other, found
    return value


def _awards(scope: Scope, bare: Decisions, best: Decisions, rng: Generator) -> dict[Any, float]:
    awards: dict[Any, float] = {}
    together: dict[Any, str] = {}
    mode = rng.random()
    for (item, year), wanted in need(scope, bare).items():
        sources = scope.sources(item, year)
        kept = {s: best.awards[(item, s, year)] for s in sources if (item, s, year) in best.awards}
        if kept and abs(sum(kept.values()) - wanted) < 1e-6 * wanted and mode < 0.5 and rng.random() < 0.6:
            awards.update({(item, s, year): pieces for s, pieces in kept.items()})
        elif rng.random() < 0.6 or len(sources) == 1:
            key = item.module if mode > 0.8 else (item, year)
            source = together.setdefault(key, sources[int(rng.integers(len(sources)))])
            awards[(item, source if source in sources else sources[0], year)] = wanted
        else:
            part = float(rng.choice([0.1, 0.25, 0.3, 0.5, 0.7, 0.9, rng.random()]))
            one, two = rng.permutation(len(sources))[:2]
            awards[(item, sources[one], year)] = wanted * part
            awards[(item, sources[two], year)] = wanted - wanted * part
    return awards


def _one_footing(scope: Scope, modules: dict[tuple[str, str], Option]) -> bool:
    """Whether each bloc has each family either by itself or with the partners."""
    joint: dict[tuple[str, str], bool] = {}
    for option in modules.values():
        module = scope.facts.modules[option.module]
        if scope.is_new(option) and scope.rule(module.class_name).development_shared:
            key = (module.family, scope.bloc_of_slot(option.slot))
            if joint.setdefault(key, option.group == scope.joint) != (option.group == scope.joint):
                return False
    return True


def with_tasks(study: Any, seed: int) -> Any:
    """The study with tasks of random length, a go-ahead of the alliance and margins of cars."""
    rng = np.random.default_rng(seed + 99)
    tasks = [
        {"task": f"{level}_{at}", "scope": f"e-axle {level}", "title": f"part {at}",
         "quarters": int(rng.integers(1, 6)), "predecessors": [f"{level}_{at - 1}"] if at else []}
        for level in ("family", "variant", "application") if rng.random() < 0.8
        for at in range(2)
    ]  # fmt: skip
    car = rng.random() < 0.5
    if car:
        tasks += [{"task": f"car_{at}", "scope": "vehicle", "title": f"car {at}", "quarters": 2,
                   "predecessors": [f"car_{at - 1}"] if at else []} for at in range(2)]  # fmt: skip
    if tasks and rng.random() < 0.7:
        tasks.append({"task": "go", "scope": "link", "title": "go-ahead before any shared family",
                      "quarters": int(rng.integers(1, 4)), "predecessors": []})  # fmt: skip
    if car and any(task["task"] == "family_0" for task in tasks):
        tasks.append({"task": "bind", "scope": "link", "title": "samples before car_1", "quarters": 0,
                      "predecessors": ["family_0"]})  # fmt: skip
    margin = float(rng.choice([5e3, 5e4, 3e5]))
    programmes = study["programmes"].with_columns(pl.lit(margin).alias("lost_margin"))
    return study.with_tables(tasks=frame("tasks", tasks), programmes=programmes)


def compare(seed: int, tries: int = 150, *, timed: bool = False) -> list[str]:
    """What is wrong with the plans of a random study; empty where nothing is, and where it has no plan."""
    study, catalogue, performance = random_study(seed)
    if timed:
        study = with_tasks(study, seed)
    try:
        plans = plan.solve(study, catalogue, performance, gap=1e-7)
    except NoPlanError as error:
        return [] if len(str(error).splitlines()) > 1 else [f"no plan, without a reason: {error}"]
    facts = read_facts(study, catalogue, performance)
    wrong = []
    for (coalition, rung), found in plans.by_key.items():
        where = f"{coalition} at {rung}"
        scope = Scope(facts, coalition, rung, split_members(facts, coalition), found.decisions["reserved"])
        best = cheapest_found(scope, found.decisions["decisions"], np.random.default_rng(seed + 7), tries)
        if best < found.value * (1 - 1e-6):
            wrong.append(f"{where}: {best} is cheaper than {found.value}, bound {found.bound}")
        if found.bound > min(best, found.value) * (1 + 1e-9):
            wrong.append(f"{where}: bound {found.bound} above a plan of {min(best, found.value)}")
        again = plan.reprice(study, catalogue, found, study["volumes"]).value
        if abs(again - found.value) > 1e-9 * found.value:
            wrong.append(f"{where}: {found.value}, priced again {again}")
    wrong += _reserved_twice(facts, plans)
    for coalition in {name for name, _ in plans.by_key}:
        rungs = [rung for rung in facts.rung_order if (coalition, rung) in plans.by_key]
        for lower, upper in itertools.pairwise(rungs):
            saving = plans.value(coalition, lower) - plans.value(coalition, upper)
            if saving < -study.settings.alliance_one_off - 1e-6 * plans.value(coalition, lower):
                wrong.append(f"{coalition}: {upper} costs more than {lower}")
            table = plans.savings.filter((plans.savings["coalition"] == coalition) & (plans.savings["rung"] == upper))
            for method in ("order", "shapley"):
                total = table.filter(table["method"] == method)["value"].sum()
                if abs(total - saving) > 1e-6 * max(1.0, abs(plans.value(coalition, lower))):
                    wrong.append(f"{coalition} at {upper}: levers by {method} are {total}, the saving {saving}")
    return wrong


def _reserved_twice(facts: Facts, plans: plan.Plans) -> list[str]:
    """Sites of which the blocs are reserved more than there is: their plans alone would not fit side by side."""
    first = facts.rung_order[0]
    members = {name: set(name.split("+")) for name, rung in plans.by_key if rung == first}
    blocs = [name for name, mine in members.items() if not any(other < mine for other in members.values())]
    total: dict[tuple[str, int], float] = {}
    for bloc in blocs:
        for key, amount in (plans.by_key[(bloc, first)].decisions["reserved"] or {}).items():
            total[key] = total.get(key, 0.0) + amount
    return [
        f"{site} in {year}: {amount:,.6g} are reserved, {facts.sites[site].free[year]:,.6g} are free"
        for (site, year), amount in total.items()
        if amount > facts.sites[site].free[year] * (1 + 1e-9)
    ]


def main() -> None:
    """Compare the studies of seeds first..last."""
    first, last = int(sys.argv[1]), int(sys.argv[2])
    agreed = 0
    for seed in range(first, last):
        try:
            wrong = compare(seed, tries=1_000)
        except Exception:
            wrong = [traceback.format_exc()]
        agreed += not wrong
        for text in wrong:
            print(seed, text, flush=True)
    print(f"{agreed} of {last - first} agree", flush=True)


if __name__ == "__main__":
    main()
