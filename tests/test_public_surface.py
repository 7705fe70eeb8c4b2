"""The names that notebooks and outside checks use."""

from __future__ import annotations

import inspect
import pkgutil
import re
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import pytest

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
        "study", "out", "scenario", "rungs", "executor", "progress", "schedule_seconds", "singles", "thorough",
        "without",
    ]  # fmt: skip


def test_load_takes_a_path() -> None:
    assert next(iter(inspect.signature(teikei.load).parameters)) == "path"


@pytest.mark.parametrize(
    ("function", "promised"),
    [
        (
            market.equilibrium,
            "cost utility price_slope weight ownership nest nest_parameter start tolerance",
        ),
        (market.invert_shares, "share price price_slope weight taste nest nest_parameter"),
        (market.marginal_cost, "share price utility price_slope weight ownership nest nest_parameter"),
    ],
    ids=["equilibrium", "invert_shares", "marginal_cost"],
)
def test_market_functions_take_the_promised_arguments(function: Callable[..., object], promised: str) -> None:
    found = inspect.signature(function).parameters
    assert [name for name in found if name in promised.split()] == promised.split()
    further = [found[name] for name in found if name not in promised.split()]
    assert all(one.kind is inspect.Parameter.KEYWORD_ONLY for one in further)
    assert all(one.default is not inspect.Parameter.empty for one in further)


def test_main_function_of_each_stage_is_there() -> None:
    assert callable(plan.solve)
    assert callable(split.allocate)
    assert callable(simulate.batch)


PACKAGES = sorted(
    {"teikei"} | {found.name for found in pkgutil.walk_packages(teikei.__path__, "teikei.") if found.ispkg}
)
PAGE = Path(__file__).parents[1] / "docs" / "reference" / "python.md"


@pytest.mark.parametrize("name", PACKAGES)
def test_no_submodule_bears_the_name_of_a_public_function(name: str) -> None:
    package = import_module(name)
    public = {one for one in getattr(package, "__all__", ()) if not inspect.ismodule(getattr(package, one))}
    assert public.isdisjoint({found.name for found in pkgutil.iter_modules(package.__path__)})


def test_importing_every_module_leaves_public_functions_functions() -> None:
    """What a notebook imports first must not decide whether ``teikei.run`` works."""
    for found in pkgutil.walk_packages(teikei.__path__, "teikei."):
        if found.name != "teikei.__main__":
            import_module(found.name)
    for name in PACKAGES:
        package = sys.modules[name]
        for one in getattr(package, "__all__", ()):
            value = getattr(package, one)
            assert not inspect.ismodule(value) or hasattr(value, "__path__"), f"{name}.{one} is a module"


@pytest.mark.parametrize("name", re.findall(r"^::: (teikei\.\S+)$", PAGE.read_text("utf-8"), re.MULTILINE))
def test_the_python_page_lists_exported_names_only(name: str) -> None:
    package, _, one = name.rpartition(".")
    if name == "teikei.errors":
        return
    assert one in import_module(package).__all__
