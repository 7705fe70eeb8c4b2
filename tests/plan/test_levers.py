"""Savings by lever: by company, programme and year, in the stated order and by Shapley; they add up exactly."""

from __future__ import annotations

import itertools
import math
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import teikei.plan as plan
from teikei.modules import catalogue as make_catalogue
from teikei.plan import levers
from teikei.plan.commonality import commonality_index, cost_weighted_commonality, total_constant_commonality
from teikei.plan.price import price
from teikei.plan.read import read_facts
from teikei.plan.scope import Scope
from teikei.plan.solve_one import Solved
from teikei.simulate import performance as simulate
from teikei.study import load
from tests.plan.small import small, two_companies

KIT = Path(__file__).parents[2] / "examples" / "kit-supply"


def random_study(seed: int) -> tuple[Any, Any, Any]:
    """Two companies with tiers, rebates, divergence, coordination, activation, qualification and a scarce site."""
    rng = np.random.default_rng(seed)
    base = two_companies()
    tiers = []
    for offer in ("NS", "NL", "FS", "FL"):
        level = float(rng.uniform(8e4, 1.2e5))
        for start, cut in ((0.0, 1.0), (float(rng.uniform(2e4, 6e4)), 0.95), (float(rng.uniform(6.2e4, 7e4)), 0.9)):
            tiers.append({"offer": offer, "from_quantity": start, "unit_price": level * cut})
    tables = two_companies(
        families=[{**row, "nre": float(rng.uniform(0, 1_500)), "tooling": 90.0} for row in base["families"]],
        classes=[{"class": "e-axle", "k_family_nre": 0.2, "coordination_one_off": float(rng.uniform(0, 80)),
                  "divergence_rate": float(rng.uniform(0, 0.1)), "switching_cost": 15.0}],
        tiers=tiers,
        rebates=[{"supplier": "Far", "spend_from": float(rng.uniform(3e3, 6e3)), "rebate": 0.06}],
        suppliers=[{"supplier": "Near", "activation_cost": 20.0}, {"supplier": "Far", "activation_cost": 35.0}],
        sites=[base["sites"][0], {**base["sites"][1], "sourceable_by": ["Bob"] if rng.random() < 0.5 else ["any"]}],
        capacities=[{"site": "Near JP", "from_year": 2027, "capacity": float(rng.uniform(3e4, 8e4)), "unit": "pieces"}],
    )  # fmt: skip
    choices = {"A1": [{"front": "S"}, {"front": "L"}], "B1": [{"front": "L"}] if rng.random() < 0.5 else
               [{"front": "S"}, {"front": "L"}]}  # fmt: skip
    return small(tables, choices)


def kit() -> tuple[Any, Any, Any]:
    study = load(KIT)
    catalogue = make_catalogue(study)
    return study, catalogue, simulate(study, catalogue)


def adds_up(study: Any, catalogue: Any, plans: plan.Plans) -> pl.DataFrame:
    """Checks every step of every coalition in both methods; returns the savings by programme and year."""
    detail = plan.savings_by_programme(study, catalogue, plans)
    keys = ["coalition", "rung", "from_rung", "method"]
    assert set(plans.savings["method"]) == {"order", "shapley"}
    for (coalition, rung, before, method), rows in plans.savings.group_by(keys):
        saving = plans.value(str(coalition), str(before)) - plans.value(str(coalition), str(rung))
        assert math.fsum(rows["value"]) == pytest.approx(saving, abs=1e-6), (coalition, rung, method)
    by = [*levers.KEYS, "method"]
    sums = detail.group_by(by).agg(pl.col("value").sum().alias("detail"))
    both = plans.savings.join(sums, on=by, how="left").with_columns(pl.col("detail").fill_null(0.0))
    assert (both["value"] - both["detail"]).abs().max() < 1e-6
    assert sums.join(plans.savings, on=by, how="anti").height == 0
    return detail


@pytest.mark.parametrize("seed", range(6))
def test_levers_add_up_by_company_programme_and_year_on_random_studies(seed: int) -> None:
    study, catalogue, performance = random_study(seed)
    plans = plan.solve(study, catalogue, performance, gap=1e-6)
    detail = adds_up(study, catalogue, plans)
    assert set(detail["programme"]) <= {"A1", "B1"}
    own = detail.filter(pl.col("programme") == "A1")["company"].unique().to_list()
    assert own in ([], ["Ann"])


@pytest.mark.slow
def test_levers_add_up_by_company_programme_and_year_on_the_kit_study() -> None:
    study, catalogue, performance = kit()
    plans = plan.solve(study, catalogue, performance)
    detail = adds_up(study, catalogue, plans)
    assert detail["programme"].n_unique() > 2
    assert detail["year"].n_unique() > 3


@pytest.mark.parametrize("seed", range(4))
def test_the_shapley_value_is_that_of_the_game_of_moves(seed: int) -> None:
    """The formula over subsets, for the bill's four moves; where designs move, all their levers together."""
    study, catalogue, performance = random_study(seed)
    plans = plan.solve(study, catalogue, performance, gap=1e-6)
    facts = read_facts(study, catalogue, performance)
    found = {}
    for rung in ("components", "powertrain"):
        decisions = plans.by_key[("Ann+Bob", rung)].decisions["decisions"]
        scope = Scope(facts, "Ann+Bob", rung, ("Ann", "Bob"))
        found[rung] = Solved(scope, decisions, price(scope, decisions), 0.0, "gap", 0, 0.0)
    lower, upper = found["components"], found["powertrain"]
    worth = {moves: -math.fsum(bill.values()) for moves, bill in levers._bills(lower, upper).items()}
    n = len(levers.STATED)
    expected = {}
    for move in levers.STATED:
        others = [other for other in levers.STATED if other != move]
        terms = [
            math.factorial(size) * math.factorial(n - size - 1) / math.factorial(n)
            * (worth[frozenset((*chosen, move))] - worth[frozenset(chosen)])
            for size in range(n) for chosen in itertools.combinations(others, size)
        ]  # fmt: skip
        expected[move] = math.fsum(terms)
    whole = levers.levers_between(lower, upper)
    items = dict.fromkeys(levers.LEVER_ORDER, 0.0)
    for sign, one in ((1.0, lower), (-1.0, upper)):
        for record in one.priced.records:
            if record.item in levers.ITEM_LEVER:
                items[levers.ITEM_LEVER[record.item]] += sign * record.value
    got = dict.fromkeys(levers.LEVER_ORDER, 0.0)
    for (_, lever), value in whole["shapley"].items():
        got[lever] += value
    purchases = {lever: got[lever] - items[lever] for lever in levers.LEVER_ORDER}
    assert purchases["divergence"] == pytest.approx(expected[levers.DIVERGENCE], abs=1e-6)
    assert math.fsum(purchases.values()) == pytest.approx(math.fsum(expected.values()), abs=1e-6)


def test_levers_that_work_only_together_are_shared_by_the_shapley_value() -> None:
    """Ann would carry S at 100,000, Bob needs L: 105,000, or 95,000 from 60,000 pieces of a drawing on.

    Carrying L costs Ann 5,000 a car as long as drawings do not pool, pooling brings nothing as long as she does not.
    Stated order: -5,000 x 30,000 for the design, 10,000 x 70,000 for pooling. The other way round the design brings
    both cars what the tier is worth: Ann's 5,000 (a design that pays only for the group), Bob's 10,000.
    """
    base = two_companies()
    tables = two_companies(
        families=[{**row, "nre": 0.0, "tooling": 0.0, "application_nre": 0.0, "application_tooling": 0.0}
                  for row in base["families"]],
        modules=[{"module": name, "class": "e-axle", "family": f"F{name}"} for name in "SL"],
        offers=[row for row in base["offers"] if row["supplier"] == "Near"],
        tiers=[{"offer": "NS", "from_quantity": 0.0, "unit_price": 100_000.0},
               {"offer": "NL", "from_quantity": 0.0, "unit_price": 105_000.0},
               {"offer": "NL", "from_quantity": 60_000.0, "unit_price": 95_000.0}],
        trade=[],
    )  # fmt: skip
    choices = {"A1": [{"front": "S"}, {"front": "L"}], "B1": [{"front": "L"}]}
    plans = plan.solve(*small(tables, choices, {"inventory_rate": 0.0}), gap=1e-7)
    worth = sum(1.05 ** -(year + 0.5 - 2026) for year in range(2027, 2031))
    rows = plans.savings.filter((pl.col("rung") == "powertrain") & (pl.col("value").abs() > 1e-6))
    found = {
        method: {
            lever: value / worth
            for lever, value in rows.filter(pl.col("method") == method)
            .group_by("lever").agg(pl.col("value").sum()).iter_rows()
        }
        for method in ("order", "shapley")
    }  # fmt: skip
    assert found["order"] == pytest.approx({"overdesign": -150.0, "technical_scale": 700.0})
    assert found["shapley"] == pytest.approx(
        {"overdesign": -150.0 / 2, "access": 150.0 / 2, "technical_scale": (700.0 + 400.0) / 2}
    )


def test_commonality_runs_from_nothing_shared_to_everything_shared() -> None:
    """Three products of two parts: all distinct, all shared, and one of each pair shared by two of three."""
    assert cost_weighted_commonality([(1, 5.0)] * 6, 3) == 0.0
    assert cost_weighted_commonality([(3, 15.0)] * 2, 3) == pytest.approx(1.0)
    assert total_constant_commonality([1] * 6) == 0.0
    assert total_constant_commonality([6]) == 1.0
    assert commonality_index(6, [2, 2, 2]) == 0.0
    assert commonality_index(2, [2, 2, 2]) == 1.0
    # a part of 30 used by two of three products and parts of 10: (30 / 2) / (40 x 2 / 3)
    assert cost_weighted_commonality([(2, 30.0), (1, 10.0)], 3) == pytest.approx(15.0 / (40.0 * 2 / 3))


def test_the_plans_commonality_rises_when_designs_are_shared() -> None:
    study, catalogue, performance = small()
    plans = plan.solve(study, catalogue, performance, gap=1e-6)
    table = plans.commonality.filter((pl.col("class") == "all") & (pl.col("coalition") == "Ann+Bob"))
    found = {row["rung"]: row for row in table.iter_rows(named=True)}
    assert (found["alone"]["cmc"], found["alone"]["dci"], found["alone"]["distinct_parts"]) == (0.0, 1.0, 2)
    shared = found["powertrain"]
    assert (shared["cmc"], shared["dci"], shared["tcci"], shared["ci"]) == pytest.approx((1.0, 2.0, 1.0, 1.0))
