"""What time is worth: priced on the plans as they stand."""

from __future__ import annotations

from typing import Any

import pytest

import teikei.plan as plan
from teikei import develop
from tests.develop.test_feedback import LAST, few_engineers
from tests.plan.small import small
from tests.plan.test_by_hand import QUIET
from tests.plan.test_late_starts import LOST, joint, task, timed


def gains(
    tables: dict[str, Any], settings: dict[str, Any] | None = None
) -> dict[tuple[str, str, str], tuple[int, int, float]]:
    made = small(tables, settings=settings or QUIET)
    plans = develop.plans_as_scheduled(*made, plan.solve(*made, gap=1e-7))
    rows = develop.what_ifs(*made[:2], plans).iter_rows()
    return {(coalition, rung, what): (now, then, gain) for coalition, rung, what, now, then, gain in rows}


def test_a_quarter_earlier_is_worth_the_cars_of_the_last_quarter_that_was_lost() -> None:
    now, then, gain = gains(timed(7))[("Ann", "alone", "all work a quarter earlier")]
    assert (now, then) == (3, 2)
    assert gain == pytest.approx(LOST / 3)


def test_more_engineers_are_worth_what_their_lack_costs() -> None:
    """110 hours a quarter where 117 are needed: 2 + 4 quarters become 3 + 5, four late; with 121 hours two."""
    now, then, gain = gains(few_engineers(timed(6), 110.0))[("Ann", "alone", "a tenth more engineers")]
    assert (now, then) == (4, 2)
    assert gain == pytest.approx(LOST / 3 + LAST)


def test_an_earlier_go_ahead_helps_who_works_together_and_nobody_alone() -> None:
    tables = joint(6, 2)
    found = gains({**tables, "programmes": [{**row, "lost_margin": 500.0} for row in tables["programmes"]]}, {})
    what = "go-ahead a quarter earlier"
    assert found[("Ann", "alone", what)][2] == 0.0
    assert found[("Ann+Bob", "powertrain", what)][2] > 0.0


def test_nothing_late_has_no_what_ifs() -> None:
    assert gains(timed(4)) == {}
    assert gains({**timed(4), "tasks": [task("a", "e-axle application", 3)]}) == {}
