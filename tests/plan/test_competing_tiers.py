"""Rows on competing tiers cut off no plan, and cut off what the relaxation makes of two rival tiers."""

from __future__ import annotations

import pytest

from teikei.plan.arrays import minimise
from teikei.plan.competing_tiers import tiers_within
from teikei.plan.program import Build


def _two_offers(made: Build, low: float, need: float) -> tuple[list[int], list[tuple[str, int, float]]]:
    program = made.program
    choices, quantities = [], []
    for name in ("first", "second"):
        choice = program.column(("tier", name), integer=True)
        quantity = program.column(("in tier", name), upper=need)
        program.row(("tier from", name), [(quantity, 1.0), (choice, -low)], lower=0.0)
        program.row(("tier to", name), [(quantity, 1.0), (choice, -need)], upper=0.0)
        choices.append(choice)
        quantities.append(quantity)
    program.row(("need",), [(quantity, 1.0) for quantity in quantities], upper=need)
    return choices, [("first", choices[0], low), ("second", choices[1], low)]


@pytest.mark.parametrize(("low", "need", "together"), [(60.0, 100.0, 1), (50.0, 100.0, 2), (40.0, 100.0, 2)])
def test_two_tiers_are_reached_together_only_where_the_need_allows_it(low: float, need: float, together: int) -> None:
    for rows in (False, True):
        made = Build(None)  # type: ignore[arg-type]  # the rows read nothing of the scope
        choices, tiers = _two_offers(made, low, need)
        if rows:
            tiers_within(made, ("need",), tiers, need)
        for choice in choices:
            made.program.cost[choice] = -1.0
        found = minimise(made.program, gap_absolute=1e-9)
        assert round(-found.objective) == together


def test_the_relaxation_no_longer_reaches_both_by_halves() -> None:
    values = []
    for rows in (False, True):
        made = Build(None)  # type: ignore[arg-type]  # the rows read nothing of the scope
        choices, tiers = _two_offers(made, 60.0, 100.0)
        if rows:
            tiers_within(made, ("need",), tiers, 100.0)
        for choice in choices:
            made.program.cost[choice] = -1.0
        made.program.integer = [False] * len(made.program.integer)
        values.append(-minimise(made.program, gap_absolute=1e-9).objective)
    assert values[0] == pytest.approx(100.0 / 60.0)
    assert values[1] == pytest.approx(1.0)
