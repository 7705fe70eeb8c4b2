"""Good plans fast: solve with one price per pool, look at the tiers reached, solve again; then refine the awards.

With one price for each drawing group, offer and year the program has no tiers and solves in a moment (slope scaling, as
in Balakrishnan and Natarajan's sequential rounding for joint procurement). The tiers its plan really reaches are the
next guess. At last the designs are kept and the awards are solved with the true tiers and rebates.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from teikei.plan.build import build
from teikei.plan.decisions import Decisions
from teikei.plan.parts import LARGE, Memory, solve_parts, split
from teikei.plan.price import Priced, price
from teikei.plan.program import Build
from teikei.plan.read_solution import read_decisions, start_vector
from teikei.plan.scope import Scope

ROUNDS = 2
FLAT_NODES = 3
AWARD_NODES = 1
OPTIMISM = (0.5,)
FLAT_GAP = 4e-4  # of a plan's value, at least


@dataclass(frozen=True)
class Found:
    """A plan with its exact price."""

    priced: Priced
    decisions: Decisions

    @property
    def value(self) -> float:
        """Present cost, million."""
        return self.priced.value


@dataclass(frozen=True)
class Guess:
    """One tier for each (offer, drawing group, year), one rebate for each (supplier, spend group, year).

    Where neither is named: what ``optimism`` x the largest possible volume would reach.
    """

    tiers: Mapping[tuple[str, str, int], int]
    rebates: Mapping[tuple[str, str, int], float]
    optimism: float


def search(scope: Scope, starts: list[Found], *, gap_absolute: float) -> Found | None:
    """The best plan found from the starts and from guesses of tiers; None where even one price each has no plan.

    Guesses start from the tiers of the best known plan, and from those that half of all possible volume, or all of it,
    would reach. Plans are combined part by part: each independent part of the program keeps the best that any has.
    """
    known = list(starts)
    loose = max(gap_absolute, FLAT_GAP * min((found.value for found in starts), default=0.0))
    trails: list[tuple[Guess, int]] = [(Guess({}, {}, optimism), ROUNDS) for optimism in OPTIMISM]
    if starts:
        tiers, rates = reached(scope, min(starts, key=lambda found: found.value))
        trails.insert(0, (Guess(tiers, rates, OPTIMISM[0]), 1))
    seen: set[float] = set()
    for first, rounds in trails:
        guess = first
        for _ in range(rounds):
            found = _flat(scope, guess, loose)
            if found is None or found.value in seen:
                break
            seen.add(found.value)
            known.append(found)
            tiers, rates = reached(scope, found)
            guess = Guess({**guess.tiers, **tiers}, {**guess.rebates, **rates}, guess.optimism)
    if not known:
        return None
    return refine_awards(scope, combine(scope, known), gap_absolute=gap_absolute)


def _flat(scope: Scope, guess: Guess, gap_absolute: float) -> Found | None:
    """The plan with one price for each pool, at its true price."""
    made = build(scope, guess)
    solution = solve_parts(
        made.program, Memory(), gap_absolute=gap_absolute, time_limit_s=float("inf"), node_limit=FLAT_NODES, start=None
    )
    if solution.x is None:
        return None
    decisions = read_decisions(made, solution.x)
    return Found(price(scope, decisions), decisions)


def combine(scope: Scope, known: list[Found]) -> Found:
    """The best plan that takes every independent part of the program from one of the known plans."""
    best = min(known, key=lambda found: found.value)
    made = build(scope)
    vectors = [vector for found in known if (vector := start_vector(made, found.decisions)) is not None]
    if len(vectors) < 2:
        return best
    cost = np.asarray(made.program.cost)
    x = np.zeros(len(cost))
    for part in split(made.program):
        mine = part.columns
        chosen = min(vectors, key=lambda vector: float(cost[mine] @ vector[mine]))
        x[mine] = chosen[mine]
    decisions = read_decisions(made, x)
    mixed = Found(price(scope, decisions), decisions)
    return mixed if mixed.value < best.value else best


def reached(scope: Scope, found: Found) -> tuple[dict[tuple[str, str, int], int], dict[tuple[str, str, int], float]]:
    """Tier of every pool and rebate of every spend group that a plan reaches."""
    tiers, rates = {}, {}
    for line in found.priced.lines:
        if line.source.startswith("offer:"):
            offer = scope.facts.offers[line.source[6:]]
            tiers[(offer.name, line.pool, line.year)] = line.tier
            group = scope.buying_group(offer.class_name, scope.item_bloc(line.item))
            rates[(offer.supplier, group, line.year)] = line.rebate / line.unit_price if line.unit_price else 0.0
    return tiers, rates


def refine_awards(scope: Scope, found: Found, *, gap_absolute: float) -> Found:
    """The same designs with awards of large parts solved at true tiers and rebates; never worse than what it is given.

    Small parts keep their awards: ``solve_scope`` solves them whole.
    """
    made = build(scope)
    vector = start_vector(made, found.decisions)
    if vector is None:
        return found
    _keep_designs(made, found.decisions)
    for part in split(made.program):
        if part.integers <= LARGE:
            for column in part.columns:
                if made.program.integer[column]:
                    made.program.lower[column] = made.program.upper[column] = round(vector[column])
    solution = solve_parts(
        made.program, Memory(), gap_absolute=gap_absolute, time_limit_s=float("inf"), node_limit=AWARD_NODES,
        start=vector,
    )  # fmt: skip
    if solution.x is None:
        return found
    decisions = read_decisions(made, solution.x)
    better = Found(price(scope, decisions), decisions)
    return better if better.value < found.value else found


def _keep_designs(made: Build, decisions: Decisions) -> None:
    chosen = set(decisions.modules.values())
    for option, column in made.use.items():
        made.program.lower[column] = made.program.upper[column] = 1.0 if option in chosen else 0.0
