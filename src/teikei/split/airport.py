"""Airport games: many players of few types, each needing a facility at least as large as its type costs.

The cost of a coalition is the cost of its dearest member. Closed forms, because 2^13,572 coalitions cannot be listed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from teikei.split.game import RELATIVE_TOLERANCE
from teikei.split.rule_shares import RULES
from teikei.split.types import Vector


@dataclass(frozen=True)
class AirportType:
    """All players of one type: ``movements`` players, each of whom alone would cost ``cost``."""

    name: str
    cost: float
    movements: int


def airport_rules(types: Sequence[AirportType]) -> dict[str, Any]:
    """The same result as ``rules``, shares per single movement of each type.

    Shapley: Littlechild, S.C. and Owen, G. (1973), A simple expression for the Shapley value in a special case,
    Management Sci. 20:370-372. Nucleolus: Littlechild, S.C. (1974), Int. J. Game Theory 3:21-29. The game is concave,
    so its core is not empty, holds Shapley value and nucleolus, and tau is the separable-cost rule (Tijs and
    Driessen 1986, Management Science 32:1015-1028).
    """
    order = sorted(range(len(types)), key=lambda index: types[index].cost)
    cost = np.array([types[index].cost for index in order], dtype=float)
    count = np.array([types[index].movements for index in order], dtype=float)
    by_rule = _all_rules(cost, count)
    slack = RELATIVE_TOLERANCE * float(cost[-1])
    names = [types[index].name for index in order]
    complaints = {
        rule: None if share is None else _largest_complaint(cost, count, share, names, slack)
        for rule, share in by_rule.items()
    }
    in_input_order = np.argsort(order)
    shares = {
        rule: None if share is None else {types[i].name: float(share[in_input_order[i]]) for i in range(len(types))}
        for rule, share in by_rule.items()
    }
    alone = count.sum() == 1
    notes = {
        rule: "not defined: the costs alone add up to zero" for rule, share in by_rule.items() if share is None
    } | {"shares": "per single movement (player) of each type; times its movements for the type's total"}
    return {
        "rules": shares | {"shapley_per_movement": shares["shapley"]},
        "notes": notes,
        "core": {"nonempty": True, "least_core_epsilon": None if alone else -float(_littlechild(cost, count)[0])},
        "in_core": {rule: None if share is None else complaints[rule] is None for rule, share in by_rule.items()},
        "leaves": complaints,
    }


def _all_rules(cost: Vector, count: Vector) -> dict[str, Vector | None]:
    players = count.sum()
    top = cost[-1]
    separable = np.zeros_like(cost)
    if count[-1] == 1:  # only a sole user of the largest size adds anything to all others
        separable[-1] = top - (cost[-2] if len(cost) > 1 else 0.0)
    rest = top - separable @ count
    benefit = cost - separable
    total_benefit = benefit @ count
    remaining = separable + rest * benefit / total_benefit if total_benefit > 0 else separable
    least = _littlechild(cost, count)
    total_alone = cost @ count
    values: dict[str, Vector | None] = {
        "shapley": np.cumsum(np.diff(cost, prepend=0.0) / np.cumsum(count[::-1])[::-1]),
        "nucleolus": least,
        "prenucleolus": least,
        "tau": remaining,
        "equal_saving": cost - (total_alone - top) / players,
        "proportional_to_standalone": top * cost / total_alone if total_alone > 0 else None,
        "equal_nonseparable": separable + rest / players,
        "separable_cost_remaining_benefits": remaining,
    }
    return {rule: values[rule] for rule in RULES}


def _littlechild(cost: Vector, count: Vector) -> Vector:
    """Nucleolus per player: the level that a group of types can bear before its joint cost binds, group by group."""
    share = np.zeros(len(cost))
    done, paid_before, level = 0, 0.0, 0.0
    while done < len(cost):
        players = np.cumsum(count[done:])
        room = cost[done:] - paid_before + level
        bound = room / (players + 1)
        bound[-1] = room[-1] / players[-1]
        last = done + int(np.flatnonzero(bound <= bound.min() * (1 + 1e-12))[-1])
        level = float(bound.min())
        share[done : last + 1] = level
        paid_before = float(cost[last])
        done = last + 1
    return share


def _largest_complaint(
    cost: Vector, count: Vector, share: Vector, names: list[str], slack: float
) -> dict[str, Any] | None:
    """Of coalitions that need size k, the one with every player up to k who pays more than nothing complains most."""
    paying = np.maximum(share, 0.0) * count
    excess = np.cumsum(paying) - cost
    worst = int(excess.argmax())
    if len(cost) == 1 or excess[worst] <= slack:
        return None
    joined = [name for name, amount in zip(names[: worst + 1], paying, strict=False) if amount > 0]
    return {"coalition": ",".join(joined), "by": float(excess[worst])}
