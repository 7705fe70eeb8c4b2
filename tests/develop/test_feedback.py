"""What the schedule finds comes back into the plans: prices, another choice, and agreement with the critical path."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

import teikei.plan as plan
from teikei import develop
from teikei.develop.network import make_network
from teikei.develop.objects import ObjectFinder
from teikei.develop.project import lateness_by_precedence
from teikei.develop.quarters import Calendar
from teikei.errors import NoPlanError
from teikei.plan.ladder import split_members
from teikei.plan.lateness import late_starts
from teikei.plan.read import read_facts
from teikei.plan.scope import Scope
from tests.plan.mixed import random_study, with_tasks
from tests.plan.small import small
from tests.plan.test_by_hand import CARS, EACH_YEAR, PRICE, QUIET, WORTH, million
from tests.plan.test_late_starts import LOST, MARGIN, of_item, ready_or_late, timed

SLOW = (31, 39)
LAST = 0.25 * CARS * MARGIN / 1e6 * WORTH[2027]  # the fourth quarter of 2027


def few_engineers(tables: dict[str, Any], hours_a_quarter: float) -> dict[str, Any]:
    """The family's 7 quarters of work are 700 hours; Ann has so many a quarter."""
    return {
        **tables,
        "work": [{"class": "e-axle", "item": "FS", "level": "family", "skill": "motor", "hours": 700.0}],
        "engineering": [{"company": "Ann", "skill": "motor", "hours_per_quarter": hours_a_quarter}],
    }


def both(tables: dict[str, Any]) -> tuple[Any, plan.Plan, plan.Plan, plan.Plans]:
    """The study with catalogue and performance, Ann's plan as made and as scheduled, and all plans as scheduled."""
    made = small(tables, settings=QUIET)
    plans = plan.solve(*made, gap=1e-7)
    after = develop.plans_as_scheduled(*made, plans)
    return made, plans.by_key[("Ann", "alone")], after.by_key[("Ann", "alone")], after


def test_enough_engineers_change_nothing() -> None:
    made = small(few_engineers(timed(7), 100.0), settings=QUIET)
    plans = plan.solve(*made, gap=1e-7)
    assert develop.plans_as_scheduled(*made, plans) is plans


def test_few_engineers_make_a_start_later_and_the_plan_holds_what_that_loses() -> None:
    """80 hours a quarter where 100 are needed: 2 + 5 quarters become 3 + 7, six late instead of three."""
    (study, catalogue, _), before, after, plans = both(few_engineers(timed(7), 80.0))
    assert of_item(before, "lateness") == pytest.approx(LOST)
    more = LAST + 0.5 * CARS * MARGIN / 1e6 * WORTH[2028]
    assert of_item(after, "lateness") == pytest.approx(LOST + more)
    assert after.value == pytest.approx(before.value + more)
    assert after.bound == pytest.approx(after.value)  # at the lead times that the schedule shows
    assert after.status == "optimal"
    assert after.cash == pytest.approx(before.cash)
    row = after.tables["lateness"].row(0, named=True)
    assert (row["quarters"], row["due"], row["found_by"]) == (6, "2027-Q1", "schedule")
    assert row["lost_units"] == pytest.approx(1.5 * CARS)
    assert row["cost"] == pytest.approx(LOST + more)
    found = develop.schedule(study, catalogue, plans).milestones
    assert found["late_quarters"].to_list() == [6]
    assert plan.reprice(study, catalogue, after, study["volumes"]).value == pytest.approx(after.value, rel=1e-12)
    assert [text for text in plans.explanations if "3 quarters later" in text]


def test_where_waiting_for_engineers_costs_more_the_plan_is_made_again_with_what_exists() -> None:
    """S and three quarters late is cheaper than L, S and six quarters late is not."""
    dearer = (LOST + LAST / 2) / (CARS / 1e6 * EACH_YEAR)
    _, before, after, plans = both(few_engineers(ready_or_late(PRICE + dearer), 80.0))
    assert before.tables["configurations"]["module"].to_list() == ["S"]
    assert after.tables["configurations"]["module"].to_list() == ["L"]
    assert after.value == pytest.approx(million(PRICE + dearer) * EACH_YEAR)
    assert of_item(after, "lateness") == 0.0
    assert plans.explanations == ()


def test_without_a_further_round_the_difference_is_priced_and_told() -> None:
    dearer = (LOST + LAST / 2) / (CARS / 1e6 * EACH_YEAR)
    made = small(few_engineers(ready_or_late(PRICE + dearer), 80.0), settings=QUIET)
    plans = plan.solve(*made, gap=1e-7)
    after = develop.plans_as_scheduled(*made, plans, rounds=0)
    assert after.by_key[("Ann", "alone")].tables["configurations"]["module"].to_list() == ["S"]
    assert len(after.explanations) == 1
    assert after.by_key[("Ann", "alone")].bound == plans.by_key[("Ann", "alone")].bound
    assert after.by_key[("Ann", "alone")].status == "gap"


def critical_path(study: Any, catalogue: Any, found: plan.Plan) -> dict[tuple[str, str, int], int]:
    """Quarters late by the precedence of the network that develop makes of a plan, engineers without limit."""
    calendar = Calendar(f"{study.settings.base_year}-Q1")
    finder = ObjectFinder(study, catalogue, found, calendar)
    network = make_network(study, finder.objects(), finder.members, calendar, stretch=False)
    if not network.project.jobs:
        return {}
    late = {}
    for name, quarters in lateness_by_precedence(network.project).items():
        car, _, due = name.partition("@")
        programme, _, generation = car.partition("/")
        if quarters:
            late[(programme, generation, int(due))] = quarters
    return late


@pytest.mark.parametrize(
    "seed", [pytest.param(n, marks=[pytest.mark.slow] if n in SLOW or n > 41 else []) for n in range(30, 60)]
)
def test_the_plan_reckons_with_the_critical_path_of_the_schedule(seed: int) -> None:
    study, catalogue, performance = random_study(seed)
    study = with_tasks(study, seed)
    try:
        plans = plan.solve(study, catalogue, performance, gap=1e-4)
    except NoPlanError:
        return
    facts = read_facts(study, catalogue, performance)
    for (coalition, rung), found in plans.by_key.items():
        scope = Scope(facts, coalition, rung, split_members(facts, coalition), found.decisions["reserved"])
        told = found.tables["lateness"]
        reckoned = late_starts(scope, found.decisions["decisions"])
        assert reckoned == critical_path(study, catalogue, found), (coalition, rung)
        costs = found.tables["cost_breakdown"].filter(pl.col("item") == "lateness")["value"].sum()
        assert told["cost"].sum() == pytest.approx(costs)
        assert dict(zip(told["programme"], told["quarters"], strict=True)).keys() == {car for car, _, _ in reckoned}
    after = develop.plans_as_scheduled(study, catalogue, performance, plans)
    for key, found in after.by_key.items():
        assert found.value >= plans.by_key[key].bound * (1 - 1e-9)
        late = develop.late_starts(study, catalogue, after)[key]
        assert {start: quarters for start, quarters in late.items() if quarters} == late_starts(
            Scope(facts, *key, split_members(facts, key[0]), found.decisions["reserved"]), found.decisions["decisions"]
        )


def test_lateness_by_itself_is_that_of_the_whole_schedule() -> None:
    """The short way, without costs, and the schedule that a run shows agree on every start."""
    made = small(few_engineers(ready_or_late(PRICE + 20_000.0), 90.0), settings=QUIET)
    for hours in (50.0, 90.0, 101.0):
        study = made[0].with_tables(
            engineering=made[0]["engineering"].with_columns(pl.lit(hours).alias("hours_per_quarter"))
        )
        plans = plan.solve(study, *made[1:], gap=1e-7)
        shown = develop.schedule(study, made[1], plans).milestones
        alone = {start[0]: late for start, late in develop.late_starts(study, made[1], plans)[("Ann", "alone")].items()}
        assert alone == dict(zip(shown["programme"], shown["late_quarters"], strict=True))
