"""Develop now, buy later: the pool against enumeration of every first stage, CVaR against its definition."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar

from teikei.errors import NoPlanError, StudyError
from teikei.plan.decisions import Decisions
from teikei.report.formatting import money_for
from teikei.sweep import robust as module
from teikei.sweep.inputs import read_uncertainty
from teikei.sweep.mixed import put_together, tied_classes
from teikei.sweep.robust import AVERAGE, Case, Robust, cvar, robust, volume_scenarios
from teikei.sweep.robust_report import in_words
from teikei.sweep.second_stage import Frame, Solved, awards_for, scenario_scope
from tests.plan.small import small, two_companies
from tests.sweep.tiny import kit_study

RUNG = "powertrain"


def scaled(study: Any, factors: list[tuple[float, float]]) -> list[tuple[str, float, pl.DataFrame]]:
    """Scenarios: cars of Ann and of Bob times a factor each, equally likely."""
    table = study["volumes"]
    ann = pl.col("company") == "Ann"
    return [
        (
            f"s{number}",
            1 / len(factors),
            table.with_columns(pl.when(ann).then(pl.col("units") * a).otherwise(pl.col("units") * b).alias("units")),
        )
        for number, (a, b) in enumerate(factors)
    ]


def every_first_stage(frame: Frame, volumes: pl.DataFrame) -> list[Decisions]:
    """All combinations of a module and a developing group for every slot and position."""
    scope = scenario_scope(frame, volumes)
    places = list(scope.options)
    found = []
    for options in itertools.product(*(scope.options[place] for place in places)):
        modules = dict(zip(places, options, strict=True))
        candidate = dict.fromkeys(scope.slots, 0)
        found.append(Decisions(modules, candidate, {}, ()))
    return found


FACTORS = [[(0.5, 0.5), (1.5, 1.5)], [(0.2, 1.0), (1.8, 1.0), (1.0, 1.0)], [(1.6, 0.3), (0.3, 1.6)]]


@pytest.mark.parametrize("factors", FACTORS)
def test_pool_against_every_first_stage(factors: list[tuple[float, float]]) -> None:
    study, catalogue, performance = small(two_companies())
    scenarios = scaled(study, factors)
    found = robust(study, RUNG, scenarios, catalogue=catalogue, performance=performance, weight=0.0)
    frame = Frame(study, catalogue, performance, RUNG)
    scopes = [scenario_scope(frame, table) for _, _, table in scenarios]
    expected = []
    for first in every_first_stage(frame, scenarios[0][2]):
        found_here = [one for one in (awards_for(scope, first) for scope in scopes) if one is not None]
        if len(found_here) == len(scopes):
            expected.append(float(np.mean([one.value for one in found_here])))
    true = min(expected)
    told = found.summary
    assert len(expected) == 12  # of 16: a bloc develops a family by itself or with the other, not both
    assert told["expected"] >= true - 1e-6
    assert told["bound"] <= true + 1e-6
    assert told["expected"] - true <= told["gap"] + 1e-6  # what the pool may miss is inside the gap it tells
    assert told["expected"] == pytest.approx(true, rel=2e-3)


@pytest.mark.parametrize("factors", FACTORS)
def test_values_of_information_and_of_the_stochastic_solution_stand_in_their_order(
    factors: list[tuple[float, float]],
) -> None:
    study, catalogue, performance = small(two_companies())
    told = robust(study, RUNG, scaled(study, factors), catalogue=catalogue, performance=performance).summary
    assert told["value_of_stochastic_solution"] >= 0
    assert told["value_of_perfect_information"] >= -1e-9
    assert told["bound"] <= told["perfect_information"] + 1e-6
    assert told["gap"] >= told["value_of_perfect_information"] - 1e-6
    assert told["cvar"] >= told["expected"] - 1e-9
    assert told["worst"] >= told["cvar"] - 1e-9


def test_one_certain_scenario_leaves_nothing_to_gain() -> None:
    study, catalogue, performance = small(two_companies())
    told = robust(study, RUNG, scaled(study, [(1.0, 1.0)]), catalogue=catalogue, performance=performance).summary
    assert told["value_of_stochastic_solution"] == pytest.approx(0.0, abs=1e-6)
    assert told["value_of_perfect_information"] == pytest.approx(0.0, abs=1e-6)
    assert told["expected"] == pytest.approx(told["cvar"])


def test_weight_on_the_tail_never_makes_the_tail_worse() -> None:
    study, catalogue, performance = small(two_companies())
    scenarios = scaled(study, FACTORS[1])
    tails = [
        robust(study, RUNG, scenarios, catalogue=catalogue, performance=performance, weight=weight).summary["cvar"]
        for weight in (0.0, 1.0, 1e6)
    ]
    assert tails == sorted(tails, reverse=True)


def without(case: Case, candidates: set[str]) -> Case:
    return replace(case, awarded={name: one for name, one in case.awarded.items() if name not in candidates})


def test_first_stage_that_cannot_be_supplied_is_not_chosen_and_its_cost_is_empty(monkeypatch: Any) -> None:
    study, catalogue, performance = small(two_companies())
    real = module._compare
    short = {"s1": {"s0"}}
    monkeypatch.setattr(module, "_compare", lambda job: without(real(job), short.get(job[1].name, set())))
    found = robust(study, RUNG, scaled(study, FACTORS[0]), catalogue=catalogue, performance=performance)
    assert found.summary["chosen"] != "s0"
    assert found.costs.filter((pl.col("candidate") == "s0") & (pl.col("scenario") == "s1"))["cost"][0] is None
    monkeypatch.setattr(module, "_compare", lambda job: without(real(job), set(real(job).awarded)))
    with pytest.raises(NoPlanError, match="every scenario"):
        robust(study, RUNG, scaled(study, FACTORS[0]), catalogue=catalogue, performance=performance)


@pytest.mark.parametrize("factors", FACTORS)
def test_range_of_the_value_holds_the_value_between_the_same_first_stages(factors: list[tuple[float, float]]) -> None:
    study, catalogue, performance = small(two_companies())
    found = robust(study, RUNG, scaled(study, factors), catalogue=catalogue, performance=performance)
    told = found.summary
    assert told["value_low"] - 1e-9 <= told["value_of_stochastic_solution"] <= told["value_high"] + 1e-9
    assert told["award_gap"] >= -1e-9
    gaps = found.costs.drop_nulls("cost")
    assert (gaps["bound"] <= gaps["cost"] + 1e-9).all()
    cost = dict(found.candidates.select("candidate", "expected").iter_rows())
    best_at_average = found.candidates.sort("at_average", "expected")["candidate"][0]
    assert told["average_plan_expected"] == pytest.approx(cost[best_at_average])


def test_costs_are_those_of_the_awards_solved_one_by_one() -> None:
    study, catalogue, performance = small(two_companies())
    scenarios = scaled(study, FACTORS[1])
    found = robust(study, RUNG, scenarios, catalogue=catalogue, performance=performance)
    frame = Frame(study, catalogue, performance, RUNG)
    for name, _, table in scenarios:
        scope = scenario_scope(frame, table)
        for candidate, designs in found.plans.items():
            alone = awards_for(scope, designs)
            assert alone is not None
            told = found.costs.filter((pl.col("candidate") == candidate) & (pl.col("scenario") == name))["cost"][0]
            assert told == pytest.approx(alone.value, rel=1e-3)  # what the gap of a part allows


def test_parts_solved_before_are_not_solved_again_and_give_the_same_cost(monkeypatch: Any) -> None:
    from teikei.sweep import second_stage

    study, catalogue, performance = small(two_companies())
    scope = scenario_scope(Frame(study, catalogue, performance, RUNG), study["volumes"])
    first = every_first_stage(Frame(study, catalogue, performance, RUNG), study["volumes"])[0]
    memory, calls, real = Solved(), [], second_stage._solve_one
    monkeypatch.setattr(second_stage, "_solve_one", lambda part, start: calls.append(part) or real(part, start))
    once = awards_for(scope, first, memory=memory)
    solved = len(calls)
    again = awards_for(scope, first, memory=memory)
    assert len(calls) == solved
    assert once is not None
    assert again is not None
    assert again.value == once.value
    assert sum(once.by_class.values()) == pytest.approx(once.value, rel=1e-12)


def test_first_stage_put_together_from_one_plan_is_that_plan() -> None:
    study, catalogue, performance = small(two_companies())
    frame = Frame(study, catalogue, performance, RUNG)
    scope = scenario_scope(frame, study["volumes"])
    groups = tied_classes(scope)
    assert sorted(name for group in groups for name in group) == sorted(
        {scope.facts.modules[o.module].class_name for options in scope.options.values() for o in options}
    )
    for first in every_first_stage(frame, study["volumes"]):
        made = put_together(scope, [(group, first) for group in groups])
        assert made is not None
        assert made.modules == first.modules


def told_words(summary: dict[str, Any]) -> str:
    plain = {
        "rung": RUNG, "chosen": "s1", "expected": 2000.0, "cvar": 2100.0, "alpha": 0.8, "scenarios": 4,
        "first_stages": 3, "value_of_stochastic_solution": 2.0, "value_low": 1.0, "value_high": 3.0,
        "value_shown": True, "gap": 1.5, "value_of_perfect_information": 1.0,
    }  # fmt: skip
    empty = pl.DataFrame()
    return in_words(Robust(empty, empty, empty, plain | summary, {}), money_for("EUR", [2000.0]))


def test_value_inside_the_awards_gaps_is_said_to_be_not_shown() -> None:
    assert "not shown" not in told_words({})
    assert "is not shown: it comes to" in told_words({"value_low": -1.0, "value_shown": False})


def test_difference_below_the_plans_own_gap_is_said_to_be_no_proof_of_the_best_first_stage() -> None:
    words = told_words({"gap": 50.0})
    assert "which is the best of all that are possible is not shown" in words


def test_average_plan_that_is_the_best_of_the_pool_is_said_to_lose_nothing() -> None:
    words = told_words({"value_of_stochastic_solution": 0.0, "value_low": 0.0, "value_high": 0.0})
    assert "is itself the best on average" in words
    assert "not shown: it comes to" not in words


def test_one_first_stage_for_all_scenarios_is_said_in_words_not_as_a_zero() -> None:
    words = told_words({"first_stages": 1, "value_of_stochastic_solution": 0.0, "value_shown": False})
    assert "leads to the same modules and plants" in words
    assert "more on average" not in words


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    costs=st.lists(st.floats(-100, 100), min_size=1, max_size=8),
    alpha=st.sampled_from([0.0, 0.3, 0.5, 0.8, 0.9]),
    seed=st.integers(0, 1000),
)
def test_cvar_is_the_minimum_of_rockafellar_and_uryasev(costs: list[float], alpha: float, seed: int) -> None:
    x = np.array(costs)
    p = np.random.default_rng(seed).dirichlet(np.ones(len(x)))
    found = minimize_scalar(
        lambda t: t + float(p @ np.maximum(x - t, 0.0)) / (1 - alpha), bounds=(x.min() - 1, x.max() + 1),
        method="bounded", options={"xatol": 1e-10},
    )  # fmt: skip
    assert cvar(x, p, alpha) == pytest.approx(found.fun, abs=1e-6)
    assert cvar(x, p, 0.0) == pytest.approx(float(p @ x), abs=1e-9)


def test_scenarios_of_volumes_come_from_the_studys_ranges_and_average_near_it() -> None:
    study = kit_study()
    drawn = volume_scenarios(study, 64, 1)
    assert len(read_uncertainty(study).drivers) > 3
    mean = np.mean([table["units"].to_numpy() for _, _, table in drawn], axis=0)
    assert mean == pytest.approx(study["volumes"]["units"].to_numpy(), rel=0.03)
    for _, _, table in drawn:
        ratio = table["units"].to_numpy() / study["volumes"]["units"].to_numpy()
        assert ((ratio >= 0.7 - 1e-9) & (ratio <= 1.3 + 1e-9)).all()


def test_study_whose_volumes_are_certain_is_told_so() -> None:
    row = {"table": "families", "row": "KB", "column": "nre", "low": 100.0, "high": 200.0}
    with pytest.raises(StudyError, match="volumes"):
        volume_scenarios(kit_study([row]), 4, 1)


@pytest.mark.parametrize(
    ("rung", "alpha", "weight", "sentence"),
    [("no", 0.8, 0.5, "no rung"), (RUNG, 1.0, 0.5, "alpha"), (RUNG, 0.8, -1.0, "weight")],
)
def test_wrong_question_is_told(rung: str, alpha: float, weight: float, sentence: str) -> None:
    study, _, _ = small(two_companies())
    with pytest.raises(StudyError, match=sentence):
        robust(study, rung, scaled(study, FACTORS[0]), alpha=alpha, weight=weight)


def test_plan_for_average_volumes_is_in_the_pool() -> None:
    study, catalogue, performance = small(two_companies())
    found = robust(study, RUNG, scaled(study, FACTORS[0]), catalogue=catalogue, performance=performance)
    assert {"s0", "s1", AVERAGE} <= set(found.candidates["candidate"])
    assert {"s0", "s1", AVERAGE} <= set(found.decisions["candidate"])
