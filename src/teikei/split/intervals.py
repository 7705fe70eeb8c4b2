"""What the gaps of the plans leave open in the shares."""

from __future__ import annotations

from itertools import product
from typing import Final

import numpy as np

from teikei.split import values as single_rule
from teikei.split.game import coalition_sums
from teikei.split.rule_shares import ADDITIVE_RULES, RULES, shares_of_all_rules
from teikei.split.types import Vector

MOST_CORNERS: Final = 256

Interval = tuple[Vector, Vector]


def cost_shares(cost: Vector) -> dict[str, Vector | None]:
    """Cost shares (n,) of every rule of a cost game (2^n,)."""
    return {rule: None if share is None else -share for rule, share in shares_of_all_rules(-cost)[0].items()}


def coefficients(rule: str, count: int) -> Vector:
    """Matrix (n, 2^n) of an additive rule: share i = sum over S of entry (i, S) times the value of S."""
    columns = [np.zeros(count)]
    for mask in range(1, 1 << count):
        unit = np.zeros(1 << count)
        unit[mask] = 1.0
        columns.append(getattr(single_rule, rule)(unit))
    return np.array(columns).T


def intervals(cost: Vector, bound: Vector) -> tuple[dict[str, tuple[Interval, Interval] | None], str]:
    """Lower and upper cost share and saving of every player under every rule, the true costs lying in [bound, cost].

    Result: rule -> ((lower, upper) of the cost share, (lower, upper) of the saving); None where a rule is not defined.
    Exact for additive rules (a share is linear in each cost, so its extremes are read off the signs of its
    coefficients) and for two players; for other rules the extremes over the corners of the box, which the sentence
    returned says.
    """
    count = len(cost).bit_length() - 1
    single = 1 << np.arange(count)
    result: dict[str, tuple[Interval, Interval] | None] = {}
    for rule in ADDITIVE_RULES:
        matrix = coefficients(rule, count)
        own = np.zeros_like(matrix)
        own[np.arange(count), single] = 1.0
        result[rule] = (_linear(matrix, bound, cost), _linear(own - matrix, bound, cost))
    corners, sentence = _corners(cost, bound)
    shares = [(corner, cost_shares(corner)) for corner in corners]
    for rule in RULES:
        if rule in ADDITIVE_RULES:
            continue
        at_corners = [(corner[single], share[rule]) for corner, share in shares]
        defined = [(alone, share) for alone, share in at_corners if share is not None]
        if shares[0][1][rule] is None:
            result[rule] = None
            continue
        paid = np.array([share for _, share in defined])
        saved = np.array([alone - share for alone, share in defined])
        result[rule] = ((paid.min(0), paid.max(0)), (saved.min(0), saved.max(0)))
    return {rule: result[rule] for rule in RULES}, sentence


def core_is_certain(cost: Vector, bound: Vector, share: Vector, in_core: bool) -> bool:
    """Whether the verdict of the core test holds wherever in [bound, cost] the true costs of the groups lie."""
    paid = coalition_sums(share)[1:-1]
    slack = 1e-8 * float(np.abs(cost).max())
    if in_core:
        return bool((paid <= bound[1:-1] + slack).all())
    return bool((paid > cost[1:-1] + slack).any())


def _linear(matrix: Vector, low: Vector, high: Vector) -> Interval:
    positive, negative = np.maximum(matrix, 0.0), np.minimum(matrix, 0.0)
    return positive @ low + negative @ high, positive @ high + negative @ low


def _corners(cost: Vector, bound: Vector) -> tuple[list[Vector], str]:
    """The plan's own costs first, then corners of the box of true costs."""
    open_masks = np.flatnonzero(cost - bound > 1e-9 * np.abs(cost).max())
    if not len(open_masks):
        return [cost], ""
    if 1 << len(open_masks) <= MOST_CORNERS:
        choices = list(product((False, True), repeat=len(open_masks)))
        sentence = (
            "" if len(cost) == 4 else "intervals of rules that are not additive: extremes over all corners of the gaps"
        )
    else:
        unit = np.eye(len(open_masks), dtype=bool)
        choices = [tuple(row) for row in (*unit, *~unit, np.zeros(len(unit), bool), np.ones(len(unit), bool))]
        sentence = (
            "intervals of rules that are not additive: each gap by itself, and all together (a part of the corners)"
        )
    corners = [cost]
    for choice in choices:
        corner = cost.copy()
        lowered = open_masks[np.array(choice)]
        corner[lowered] = bound[lowered]
        corners.append(corner)
    return corners, sentence
