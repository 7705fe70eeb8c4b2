"""Good plans fast: solve with one price per pool, look at the tiers reached, solve again; then refine the awards.

With one price for each drawing group, offer and year the program has no tiers and solves in a moment (slope scaling, as
in Balakrishnan and Natarajan's sequential rounding for joint procurement). The tiers its plan really reaches are the
next guess. At last the designs are kept and the awards are solved with the true tiers and rebates.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Executor
from dataclasses import dataclass

from teikei.plan.build import build
from teikei.plan.decisions import Decisions
from teikei.plan.parts import Memory, solve_parts
from teikei.plan.price import Priced, price
from teikei.plan.program import Build
from teikei.plan.read_solution import read_decisions, start_vector
from teikei.plan.scope import Scope

ROUNDS = 2
FLAT_NODES = 3
AWARD_NODES = 3


@dataclass(frozen=True)
class Found:
    """A plan with its exact price."""

    priced: Priced
    decisions: Decisions

    @property
    def value(self) -> float:
        """Present cost, million."""
        return self.priced.value


def search(scope: Scope, starts: list[Found], *, gap_absolute: float, executor: Executor | None) -> Found | None:
    """The best plan found from the starts and from guesses of tiers; None where even one price each has no plan."""
    best = min(starts, key=lambda found: found.value) if starts else None
    guess: dict[tuple[str, str, int], int] = {}
    rates: dict[tuple[str, str, int], float] = {}
    seen: set[float] = set()
    if best is not None:
        guess, rates = reached(scope, best)
    for _ in range(ROUNDS):
        made = build(scope, Guess(guess, rates))
        solution = solve_parts(
            made.program, Memory(), gap_absolute=gap_absolute, time_limit_s=float("inf"), node_limit=FLAT_NODES,
            start=None, executor=executor,
        )  # fmt: skip
        if solution.x is None:
            return best
        decisions = read_decisions(made, solution.x)
        found = Found(price(scope, decisions), decisions)
        if best is None or found.value < best.value:
            best = found
        if found.value in seen:
            break
        seen.add(found.value)
        tiers, spends = reached(scope, found)
        guess, rates = {**guess, **tiers}, {**rates, **spends}
    return refine_awards(scope, best, gap_absolute=gap_absolute, executor=executor) if best else None


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


def refine_awards(scope: Scope, found: Found, *, gap_absolute: float, executor: Executor | None) -> Found:
    """The same designs with awards solved at true tiers and rebates; never worse than what it is given."""
    made = build(scope)
    vector = start_vector(made, found.decisions)
    if vector is None:
        return found
    _keep_designs(made, found.decisions)
    solution = solve_parts(
        made.program, Memory(), gap_absolute=gap_absolute, time_limit_s=float("inf"), node_limit=AWARD_NODES,
        start=vector, executor=executor,
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


@dataclass(frozen=True)
class Guess:
    """One tier for each (offer, drawing group, year) and one rebate for each (supplier, spend group, year)."""

    tiers: Mapping[tuple[str, str, int], int]
    rebates: Mapping[tuple[str, str, int], float]
