"""The names that notebooks and outside checks use."""

from __future__ import annotations

import inspect

import teikei
from teikei import market, plan, simulate, split


def test_public_names_are_exactly_these() -> None:
    assert sorted(teikei.__all__) == sorted(
        ["Run", "Study", "__version__", "load", "market", "plan", "run", "simulate", "split"]
    )
    for name in teikei.__all__:
        assert getattr(teikei, name) is not None


def test_run_takes_the_promised_arguments() -> None:
    assert list(inspect.signature(teikei.run).parameters) == [
        "study", "out", "scenario", "rungs", "executor", "progress",
    ]  # fmt: skip


def test_load_takes_a_path() -> None:
    assert next(iter(inspect.signature(teikei.load).parameters)) == "path"


def test_equilibrium_takes_the_promised_arguments() -> None:
    promised = ["cost", "utility", "price_slope", "weight", "ownership", "nest", "nest_parameter", "start", "tolerance"]
    found = inspect.signature(market.equilibrium).parameters
    assert list(found)[: len(promised)] == promised
    assert all(found[name].default is not inspect.Parameter.empty for name in list(found)[len(promised) :])
    assert list(inspect.signature(market.invert_shares).parameters) == [
        "share", "price", "price_slope", "weight", "taste", "nest", "nest_parameter",
    ]  # fmt: skip
    assert list(inspect.signature(market.marginal_cost).parameters) == [
        "share", "price", "utility", "price_slope", "weight", "ownership", "nest", "nest_parameter",
    ]  # fmt: skip


def test_main_function_of_each_stage_is_there() -> None:
    assert callable(plan.solve)
    assert callable(split.allocate)
    assert callable(simulate.batch)
