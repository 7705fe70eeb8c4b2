"""Targets that a car may miss at a price: what it costs, what the plan does about it, and that nobody pays it."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest

import teikei.plan as plan
from teikei.modules.types import Catalogue
from teikei.plan.decisions import Decisions
from teikei.plan.missed_rows import split
from teikei.plan.price import need, price
from teikei.plan.read import read_facts
from teikei.plan.scope import Scope
from teikei.simulate.types import Performance
from tests.plan.small import small, two_companies
from tests.plan.test_by_hand import EACH_YEAR, PRICE, QUIET, ann, million

RANGE = ("range", "wltc_japan", "km")
PAIRS = [{"front": front, "rear": rear} for front in ("S", "L") for rear in ("S", "L")]


def missing(catalogue: Catalogue, performance: Performance, costs: dict[tuple[str, int], float]) -> Performance:
    """The performance with targets missed: (programme, candidate) -> study currency per car; 2,000 a km."""
    rows = []
    for slot in catalogue.slots.iter_rows(named=True):
        for (programme, candidate), cost in costs.items():
            if slot["programme"] == programme:
                rows.append(
                    {
                        "slot": slot["slot"], "candidate": candidate, "programme": programme, "version": "std",
                        "requirement": RANGE[0], "procedure": RANGE[1], "unit": RANGE[2], "required": 200.0,
                        "effective": 200.0, "reached": 200.0 - cost / 2_000.0, "margin": -cost / 2_000.0,
                        "passed": False, "status": "missed", "kind": "target", "floor": 150.0, "allowed": True,
                        "missed": cost / 2_000.0, "missed_cost": cost,
                    }
                )  # fmt: skip
    schema = performance.results.schema
    return replace(performance, results=pl.DataFrame(rows, schema=schema, orient="row"))


def planned(tables: dict[str, Any], costs: dict[tuple[str, int], float], **more: Any) -> plan.Plans:
    """Plans of a study whose cars miss targets."""
    study, catalogue, performance = small(tables, settings=QUIET, **more)
    return plan.solve(study, catalogue, missing(catalogue, performance, costs), gap=1e-7)


def test_a_target_missed_costs_every_car_what_its_buyer_would_have_paid() -> None:
    found = planned(ann(), {("A1", 0): 6_000.0}).by_key[("Ann", "alone")]
    assert found.value == pytest.approx(million(PRICE + 6_000.0) * EACH_YEAR, rel=1e-12)
    assert found.bound == pytest.approx(found.value, rel=1e-9)
    missed = found.tables["cost_breakdown"].filter(pl.col("item") == "missed_target")
    assert float(missed["value"].sum()) == pytest.approx(million(6_000.0) * EACH_YEAR, rel=1e-12)
    assert found.cash == pytest.approx(million(PRICE) * EACH_YEAR, rel=1e-12)
    assert "missed_target" not in set(found.tables["unit_costs"]["item"])


@pytest.mark.parametrize(("cost", "module"), [(9_900.0, "S"), (10_100.0, "L")])
def test_the_plan_misses_a_target_only_where_meeting_it_costs_more(cost: float, module: str) -> None:
    """Module L meets the target and costs 10,000 more a piece."""
    free = {"nre": 0.0, "tooling": 0.0, "application_nre": 0.0, "application_tooling": 0.0, "life_years": 4}
    tables = ann(
        families=[{"family": "FS", "class": "e-axle", **free}],
        modules=[{"module": name, "class": "e-axle", "family": "FS"} for name in ("S", "L")],
        offers=[
            {"offer": f"N{name}", "supplier": "Near", "site": "Near JP", "module": name, "currency": "JPY"}
            for name in ("S", "L")
        ],
        tiers=[
            {"offer": f"N{name}", "from_quantity": 0.0, "unit_price": price_each}
            for name, price_each in (("S", PRICE), ("L", PRICE + 10_000.0))
        ],
    )
    found = planned(tables, {("A1", 0): cost}).by_key[("Ann", "alone")]
    assert found.tables["configurations"]["module"].to_list() == [module]
    assert found.value == pytest.approx(million(PRICE + min(cost, 10_000.0)) * EACH_YEAR, rel=1e-12)


def cheapest(scope: Scope) -> float:
    """Least exact price over all allowed configurations, groups and single sources."""
    places = list(scope.options)
    best = float("inf")
    for options in itertools.product(*(scope.options[place] for place in places)):
        modules = dict(zip(places, options, strict=True))
        candidate = {slot: scope.candidate(slot, modules) for slot in scope.slots}
        if None in candidate.values():
            continue
        bare = Decisions(modules, {slot: number or 0 for slot, number in candidate.items()}, {}, ())
        wanted = need(scope, bare)
        awards = {(item, scope.sources(item, year)[0], year): pieces for (item, year), pieces in wanted.items()}
        best = min(best, price(scope, replace(bare, awards=awards)).value)
    return best


@pytest.mark.parametrize("seed", [*range(5), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(5, 12))])
def test_the_plan_is_the_cheapest_of_all_configurations_with_what_they_miss(seed: int) -> None:
    """Penalties that no sum over modules can hold: the couplings of positions have to come in."""
    rng = np.random.default_rng(seed)
    tables = two_companies(suppliers=[{"supplier": "Near"}])
    tables["sites"] = tables["sites"][:1]
    tables["offers"] = [row for row in tables["offers"] if row["supplier"] == "Near"]
    tables["tiers"] = [row for row in tables["tiers"] if row["offer"].startswith("N")]
    costs = {
        (programme, number): float(rng.choice([0.0, rng.uniform(0, 60_000)]))
        for programme in ("A1", "B1")
        for number in range(4)
    }
    choices = {"A1": PAIRS, "B1": PAIRS}
    study, catalogue, performance = small(tables, choices, QUIET)
    performance = missing(catalogue, performance, {key: cost for key, cost in costs.items() if cost})
    plans = plan.solve(study, catalogue, performance, gap=1e-6)
    facts = read_facts(study, catalogue, performance)
    for rung in ("alone", "powertrain"):
        found = plans.by_key[("Ann+Bob", rung)]
        scope = Scope(facts, "Ann+Bob", rung, ("Ann", "Bob"))
        assert found.value == pytest.approx(cheapest(scope), rel=1e-9)
        assert found.bound <= found.value * (1 + 1e-12)
        assert found.bound == pytest.approx(found.value, rel=1e-5)
    savings = plans.savings.filter((pl.col("coalition") == "Ann+Bob") & (pl.col("method") == "order"))
    missed = savings.filter(pl.col("lever") == "missed_target")["value"].sum()
    apart = [plans.by_key[("Ann+Bob", rung)] for rung in ("alone", "powertrain")]
    assert missed == pytest.approx((apart[0].value - apart[0].cash) - (apart[1].value - apart[1].cash), abs=1e-6)
    assert savings["value"].sum() == pytest.approx(apart[0].value - apart[1].value, abs=1e-6)
    by_programme = plan.savings_by_programme(study, catalogue, plans).filter(pl.col("method") == "order")
    assert by_programme.filter(pl.col("coalition") == "Ann+Bob")["value"].sum() == pytest.approx(
        savings["value"].sum(), abs=1e-6
    )


PER_KM, TARGET_KM, FLOOR = 4_660.0, 220.0, 0.85


def judged(
    catalogue: Catalogue, performance: Performance, ranges: dict[tuple[str, int], float], km: float
) -> Performance:
    """The performance where configurations reach these ranges and the target of the first car is ``km``."""
    asked = {programme: km if programme == "A1" else TARGET_KM for programme, _ in ranges}
    short = {key: max(0.0, asked[key[0]] - reached) for key, reached in ranges.items()}
    kept = {key for key, reached in ranges.items() if reached >= FLOOR * asked[key[0]]}
    costs = {key: PER_KM * short[key] for key in kept if short[key] > 0}
    allowed = [
        (slot.split("/")[0], number) in kept
        for slot, number in performance.candidates.select("slot", "candidate").iter_rows()
    ]
    candidates = performance.candidates.with_columns(pl.Series("feasible", allowed))
    return replace(missing(catalogue, performance, costs), candidates=candidates)


@pytest.mark.parametrize("seed", [0, 1, 3, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(4, 11))])
def test_no_saving_turns_on_one_per_cent_of_a_target(seed: int) -> None:
    """Bar: 15 % of the saving, the change x its value x the cars, or 0.1 % of the cost alone, whichever is most."""
    rng = np.random.default_rng(seed)
    study, catalogue, performance = small(two_companies(), {"A1": PAIRS, "B1": PAIRS}, QUIET)
    ranges = {(name, number): float(rng.uniform(200, 240)) for name in ("A1", "B1") for number in range(4)}
    if seed % 2:  # the cliff: the cheap configuration at the target itself
        ranges[("A1", 0)] = TARGET_KM * (1 + float(rng.uniform(-0.001, 0.001)))
    savings, alone = [], []
    for km in (TARGET_KM, TARGET_KM * 1.01, TARGET_KM * 0.99):
        plans = plan.solve(study, catalogue, judged(catalogue, performance, ranges, km), gap=1e-6)
        alone.append(plans.value("Ann+Bob", "alone"))
        savings.append([alone[-1] - plans.value("Ann+Bob", rung) for rung in ("components", "powertrain")])
    lost = 0.01 * TARGET_KM * million(PER_KM) * EACH_YEAR
    for moved in savings[1:]:
        for before, after in zip(savings[0], moved, strict=True):
            assert abs(after - before) <= max(0.15 * abs(before), lost, 1e-3 * alone[0]) * (1 + 1e-9)


def test_the_market_is_offered_the_ranges_that_are_reached_alone() -> None:
    study, catalogue, performance = small(ann(requirements=[asked(200.0, 2_000.0)]), settings=QUIET)
    performance = missing(catalogue, performance, {("A1", 0): 6_000.0})
    plans = plan.solve(study, catalogue, performance)
    assert plan.with_ranges_reached(study, performance, plans)["requirements"]["value"].to_list() == [197.0]
    assert study["requirements"]["value"].to_list() == [200.0]


def asked(value: float, price_per_km: float) -> dict[str, Any]:
    return {"programme": "A1", "requirement": "range", "procedure": "wltc_japan", "value": value, "unit": "km",
            "kind": "target", "value_per_unit": price_per_km, "floor_offset": -50.0}  # fmt: skip


def test_what_is_missed_is_priced_again_at_other_volumes() -> None:
    study, catalogue, performance = small(ann(requirements=[asked(200.0, 2_000.0)]), settings=QUIET)
    performance = missing(catalogue, performance, {("A1", 0): 6_000.0})
    found = plan.solve(study, catalogue, performance).by_key[("Ann", "alone")]
    assert plan.reprice(study, catalogue, found, study["volumes"]).value == pytest.approx(found.value, rel=1e-12)
    half = study["volumes"].with_columns(pl.col("units") / 2)
    less = plan.reprice(study, catalogue, found, half)
    assert less.value - less.cash == pytest.approx((found.value - found.cash) / 2, rel=1e-12)


def test_a_plan_is_priced_again_where_the_target_or_its_price_has_moved() -> None:
    """The car reaches 197 km: at a target of 205 and 3,000 a km its buyers lose 24,000; at 190 nothing."""

    study, catalogue, performance = small(ann(requirements=[asked(200.0, 2_000.0)]), settings=QUIET)
    performance = missing(catalogue, performance, {("A1", 0): 6_000.0})
    found = plan.solve(study, catalogue, performance).by_key[("Ann", "alone")]
    assert found.value - found.cash == pytest.approx(million(6_000.0) * EACH_YEAR)
    for value, price_per_km, lost in ((200.0, 2_000.0, 6_000.0), (205.0, 3_000.0, 24_000.0), (190.0, 3_000.0, 0.0)):
        moved = small(ann(requirements=[asked(value, price_per_km)]), settings=QUIET)[0]
        again = plan.reprice(moved, catalogue, found, moved["volumes"])
        assert again.value - again.cash == pytest.approx(million(lost) * EACH_YEAR, rel=1e-9, abs=1e-9)
        assert not any("floor" in message for message in again.messages)
    past = small(ann(requirements=[asked(250.0, 2_000.0)]), settings=QUIET)[0]
    assert "would fall past the floor of range" in plan.reprice(past, catalogue, found, past["volumes"]).messages[-1]


@pytest.mark.parametrize("seed", range(20))
def test_parts_and_rest_of_a_penalty_add_up_and_none_is_negative(seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows = [
        {"front": f, "pack": p, **({"charger": c} if c else {})}
        for f in "ABC"
        for p in "XYZ"
        for c in ("", "I")
        if rng.random() < 0.8
    ]
    penalty = rng.uniform(0, 10, len(rows)) * (rng.random(len(rows)) < 0.7)
    parts, rest = split(rows, penalty)
    assert all(part > 0 for part in parts.values())
    assert (rest >= 0).all()
    for row, whole, left in zip(rows, penalty, rest, strict=True):
        assert whole == pytest.approx(sum(parts.get(key, 0.0) for key in row.items()) + left, abs=1e-12)


def test_a_penalty_that_is_a_sum_over_modules_leaves_no_rest() -> None:
    rows = [{"front": f, "pack": p} for f in "AB" for p in "XYZ"]
    own = {"A": 0.0, "B": 3.0, "X": 0.0, "Y": 2.0, "Z": 5.0}
    parts, rest = split(rows, np.array([own[row["front"]] + own[row["pack"]] for row in rows]))
    assert rest.max() == 0.0
    assert parts == {("front", "B"): 3.0, ("pack", "Y"): 2.0, ("pack", "Z"): 5.0}


def test_the_price_of_a_target_is_what_it_costs_beyond_its_value() -> None:
    """S reaches 195 km of 220 with the floor at 200: 20 km less of floor let it in, its buyers still lose 25 km."""
    study, catalogue, performance = small(settings=QUIET)
    slot = catalogue.slots.filter(pl.col("programme") == "A1")["slot"][0]
    number = catalogue.candidates.filter((pl.col("slot") == slot) & (pl.col("module") == "S"))["candidate"][0]
    lost = missing(catalogue, performance, {("A1", number): 2_500.0})
    refused = replace(
        lost,
        candidates=lost.candidates.with_columns(
            ~((pl.col("slot") == slot) & (pl.col("candidate") == number)).alias("feasible")
        ),
        results=lost.results.with_columns(
            pl.lit(195.0).alias("reached"), pl.lit(200.0).alias("floor"), pl.lit(False).alias("allowed")
        ),
    )
    tight, free = (plan.solve(study, catalogue, one, gap=1e-6) for one in (refused, lost))
    price_of = plan.requirement_prices(study, catalogue, refused, tight).row(0, named=True)
    before, after = (plans.by_key[("Ann+Bob", "powertrain")] for plans in (tight, free))
    assert price_of["kind"] == "target"
    assert price_of["saving_alliance"] == pytest.approx(before.value - after.value, rel=1e-9)
    assert price_of["saving_cash"] == pytest.approx(before.cash - after.cash, rel=1e-9)
    assert price_of["saving_cash"] > price_of["saving_alliance"] > 0
    near = plan.requirement_prices(study, catalogue, refused, tight, steps={"range": 4.0})
    assert near.is_empty()
