"""How hard a plan is pursued changes how much is proven, never what a plan costs or what a bound may claim."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from teikei import load, modules, plan, simulate
from teikei.plan import solve_part as solve_part_module
from teikei.plan.arrays import Program, Solution, minimise, relax
from teikei.plan.build import build
from teikei.plan.covers import demands, tighten
from teikei.plan.ladder import Scope
from teikei.plan.read import read_facts
from teikei.plan.read_solution import start_vector
from teikei.plan.solve_part import Effort, fits, solve_part

KIT = Path(__file__).parents[2] / "examples" / "kit-supply"
EVERYONE = "Aldermoor+Brevik+Corvo"


@pytest.fixture(scope="module")
def kit() -> tuple:
    study = load(KIT)
    catalogue = modules.catalogue(study)
    performance = simulate.performance(study, catalogue)
    return study, catalogue, performance, plan.solve(study, catalogue, performance)


def test_bounds_of_little_effort_lie_below_plans_of_much(kit: tuple) -> None:
    study, catalogue, performance, quick = kit
    thorough = plan.solve(study, catalogue, performance, coalitions=[EVERYONE], effort=plan.THOROUGH)
    for key, found in thorough.by_key.items():
        assert quick.by_key[key].bound <= found.value + 1e-6 * abs(found.value)
        assert found.bound <= quick.by_key[key].value + 1e-6 * abs(found.value)


@pytest.mark.parametrize("rung", ["buying", "kit", "powertrain"])
def test_covers_cut_off_no_plan_and_lift_the_relaxation(kit: tuple, rung: str) -> None:
    study, catalogue, performance, plans = kit
    facts = read_facts(study, catalogue, performance)
    found = plans.by_key[(EVERYONE, rung)]
    scope = Scope(facts, EVERYONE, rung, tuple(EVERYONE.split("+")), found.decisions["reserved"])
    made = build(scope)
    before = relax(made.program)
    tightened = tighten(made.program, demands(made))
    assert before is not None
    assert tightened is not None
    thin, after = tightened
    cost = pl.Series(made.program.cost).to_numpy()
    assert cost @ after >= cost @ before - 1e-6 * abs(cost @ before)
    vector = start_vector(made, found.decisions["decisions"])
    assert vector is not None
    assert fits(made.program, vector)
    assert fits(thin, vector)
    assert found.value == pytest.approx(made.program.offset + cost @ vector, rel=1e-9)


def test_a_search_without_a_plan_to_begin_with_finds_one_where_the_surest_designs_exclude_each_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Four cars, design A or B; A is better, but of any two cars only one may carry it: all relax to 0.75 of A."""
    program = Program()
    first = [program.column(("use", car, "A"), cost=-1.0, integer=True) for car in range(4)]
    for car, column in enumerate(first):
        other = program.column(("use", car, "B"), cost=0.0, integer=True)
        program.row(("one design", car), [(column, 1.0), (other, 1.0)], lower=1.0, upper=1.0)
    for one, two in itertools.combinations(first, 2):
        program.row(("not both", one, two), [(one, 1.0), (two, 1.0)], upper=1.5)
    starts = []

    def seen(program: Program, **options: Any) -> Solution:
        starts.append((options.get("bounding", False), options.get("start")))
        return minimise(program, **options)

    monkeypatch.setattr(solve_part_module, "minimise", seen)
    found = solve_part(program, (), gap_absolute=1e-6, effort=Effort(small=0), start=None)
    assert found.objective == pytest.approx(-1.0)
    [(_, start)] = [call for call in starts if call[0]]  # the solver was handed the plan of the search
    assert start is not None
    assert fits(program, start)
