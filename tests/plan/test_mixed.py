"""Random studies with every term mixed: no cheaper plan is found, bounds hold, prices repeat, levers add up."""

from __future__ import annotations

import pytest

from tests.plan.mixed import compare


@pytest.mark.parametrize("seed", range(8))
def test_no_cheaper_plan_is_found_and_bounds_prices_and_levers_hold(seed: int) -> None:
    assert compare(seed) == []


@pytest.mark.slow
@pytest.mark.parametrize("first", range(100, 140, 10))
def test_the_same_on_more_studies(first: int) -> None:
    assert {seed: wrong for seed in range(first, first + 10) if (wrong := compare(seed))} == {}
