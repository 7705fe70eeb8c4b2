"""All rules of sharing on one game, with the core test: who would rather leave, and by how much."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from teikei.split import values as single_rule
from teikei.split.game import coalition_sums, members, tolerance, worths
from teikei.split.nucleolus import nucleolus, prenucleolus_and_least_core
from teikei.split.types import Game, Vector

RULES: Final = (
    "shapley",
    "nucleolus",
    "prenucleolus",
    "tau",
    "equal_saving",
    "proportional_to_standalone",
    "equal_nonseparable",
    "separable_cost_remaining_benefits",
)
ADDITIVE_RULES: Final = ("shapley", "equal_saving", "equal_nonseparable")
"""Rules whose shares of a sum of games are the sums of the shares: only these may be split by lever or component."""

_UNDEFINED: Final = {
    "nucleolus": "not defined: together the players have less than the sum of what each has alone (no imputation)",
    "tau": "not defined: the game is not quasi-balanced (minimal rights exceed utopia payoffs or the joint value)",
    "proportional_to_standalone": "not defined: the values alone add up to zero",
    "separable_cost_remaining_benefits": "not defined: the remaining benefits add up to zero",
}


def rules(game: Game) -> dict[str, Any]:
    """Shares of every rule, the core test, and the coalition that gains most by leaving.

    game: every non-empty coalition has a value; costs are shared as costs to pay, profits as worths.
    Result: ``rules`` (rule -> {player: share}, None where a rule is not defined), ``notes`` (rule -> sentence),
    ``core`` (``nonempty``, ``least_core_epsilon``: the smallest amount by which the worst-off coalition complains,
    negative where every coalition gains), ``in_core`` (rule -> bool or None), ``leaves`` (rule -> {``coalition``,
    ``by``} or None).
    Raises StudyError where the game is incomplete.
    """
    worth = worths(game)
    shares, least = shares_of_all_rules(worth)
    sign = -1.0 if game.kind == "cost" else 1.0
    notes = {rule: sentence for rule, sentence in _UNDEFINED.items() if shares[rule] is None}
    notes |= _notes_on_defined(worth, shares, least)
    in_core: dict[str, bool | None] = {}
    leaves: dict[str, dict[str, Any] | None] = {}
    for rule, share in shares.items():
        complaint = None if share is None else largest_complaint(worth, share)
        in_core[rule] = None if share is None else complaint is None
        leaves[rule] = complaint and {"coalition": ",".join(members(complaint[0], game.players)), "by": complaint[1]}
    return {
        "rules": {
            rule: None if share is None else dict(zip(game.players, (sign * share + 0.0).tolist(), strict=True))
            for rule, share in shares.items()
        },
        "notes": notes,
        "core": {"nonempty": least is None or least <= tolerance(worth), "least_core_epsilon": least},
        "in_core": in_core,
        "leaves": leaves,
    }


def shares_of_all_rules(worth: Vector) -> tuple[dict[str, Vector | None], float | None]:
    """Shares (n,) of every rule of a profit game (2^n,), None where not defined, and the least-core epsilon."""
    pre, least = prenucleolus_and_least_core(worth)
    shares = {rule: getattr(single_rule, rule)(worth) for rule in RULES if not rule.endswith("nucleolus")}
    shares |= {"prenucleolus": pre, "nucleolus": nucleolus(worth, pre)}
    return {rule: shares[rule] for rule in RULES}, least


def largest_complaint(worth: Vector, share: Vector) -> tuple[int, float] | None:
    """Coalition mask that gains most by leaving, and its gain; None where none gains (the share is in the core)."""
    if len(share) == 1:
        return None
    excess = worth - coalition_sums(share)
    excess[[0, -1]] = -np.inf
    worst = int(excess.argmax())
    return (worst, float(excess[worst])) if excess[worst] > tolerance(worth) else None


def _notes_on_defined(worth: Vector, shares: dict[str, Vector | None], least: float | None) -> dict[str, str]:
    notes = {}
    alone = single_rule.singles(worth)
    slack = tolerance(worth)
    if shares["proportional_to_standalone"] is not None and (alone > slack).any() and (alone < -slack).any():
        notes["proportional_to_standalone"] = (
            "the values alone differ in sign: shares in proportion to them mean little"
        )
    benefit = single_rule.utopia(worth) - alone
    if shares["separable_cost_remaining_benefits"] is not None and (benefit < -slack).any():
        notes["separable_cost_remaining_benefits"] = (
            "a player does better alone than it adds to the others (negative benefit): the rule was not made for this"
        )
    if least is None:
        notes["core"] = "one player: there is no coalition that could leave"
    return notes
