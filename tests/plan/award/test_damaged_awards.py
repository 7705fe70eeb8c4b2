"""Awards damaged on purpose are refused by the check outside the solver, with what is wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from teikei.plan.award import award_tender, read_tender
from teikei.plan.award.price import false_lines
from teikei.plan.award.types import Award
from tests.plan.award.make import write_tender

Lines = list[Award]


def more(lines: Lines, at: int, units: float) -> Lines:
    """The same lines with units added to one of them, and its spend with them."""
    one = lines[at]
    spend = (one.quantity + units) * one.unit_price * (1 - one.discount)
    return [*lines[:at], replace(one, quantity=one.quantity + units, spend=spend), *lines[at + 1 :]]


def swap(lines: Lines, units: float) -> Lines:
    """Units moved from the second line to the first: demand is still met."""
    return more(more(lines, 0, units), 1, -units)


DAMAGE: dict[str, tuple[Callable[[Lines], Lines], str]] = {
    "phantom units": (lambda lines: more(lines, 0, 1.0), "101 bought, 100 asked for"),
    "units missing": (lambda lines: more(lines, 0, -1.0), "99 bought, 100 asked for"),
    "capacity exceeded": (lambda lines: swap(lines, 10.0), "A gets more than its capacity in 2030"),
    "a share above the rule": (lambda lines: swap(lines, -40.0), "breaks a limit of its offer or a rule: 80"),
    "price of a tier not reached": (
        lambda lines: [lines[0], replace(lines[1], discount=0.2, spend=lines[1].quantity * 1.2 * 0.8)],
        "B, bolt, 2030: discount is 0.2, it is 0",
    ),
    "another list price": (lambda lines: [replace(lines[0], unit_price=0.9), lines[1]], "unit_price is 0.9, it is 1"),
    "spend that does not add up": (lambda lines: [replace(lines[0], spend=1.0), lines[1]], "A, bolt, 2030: spend is 1"),
    "a line twice": (lambda lines: [*lines, lines[0]], "A, bolt, 2030: twice in the award"),
    "an offer nobody made": (lambda lines: [*lines, replace(lines[0], year=2031)], "A, bolt, 2031: no offer"),
    "a negative quantity": (lambda lines: [*lines[:1], replace(lines[1], quantity=-4.0)], "not a quantity above 0"),
}  # fmt: skip


@pytest.mark.parametrize("name", DAMAGE)
def test_a_damaged_award_is_refused_with_what_is_wrong(tmp_path: Path, name: str) -> None:
    """A makes 60 of 100 bolts at its 5 % tier and can make no more; B the rest, forty short of its tier."""
    folder = write_tender(
        tmp_path, items=[("bolt", 2030, 100)], suppliers=[("A", 0), ("B", 0)], capacity=[("A", 2030, 60)],
        offers=[("A", "bolt", 2030, 1.0), ("B", "bolt", 2030, 1.2)], rules=[("max_share_per_item", "*", 0.75)],
        tiers=[("A", 2030, 50, 0.05), ("B", 2030, 80, 0.2)],
    )  # fmt: skip
    tender = read_tender(folder)
    lines = list(award_tender(tender).awards)
    assert [(line.supplier, line.quantity) for line in lines] == [("A", 60.0), ("B", 40.0)]
    assert false_lines(tender, lines) == []
    damage, expected = DAMAGE[name]
    assert expected in "; ".join(false_lines(tender, damage(lines)))
