"""Values of companies taken out of their bloc: what the Owen value and a company's own walk-away need.

A what-if, on demand: the baseline of the ladder stays that of the blocs. For each bloc of several companies, every part
of it is planned by itself and together with every union of the other blocs, at every rung. A part that plans by itself
can pool with nobody, so that its value is the same at every rung, as a bloc's is. A company out of its bloc keeps what
is its own: its contracts, what ``sunk_for`` says it has paid, and at the sites what its cars take in the bloc's plan
plus an equal part of what the bloc is reserved beyond that.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from concurrent.futures import Executor

from teikei.plan.decisions import union
from teikei.plan.facts import Facts
from teikei.plan.ladder import Game, evaluated, improve, request
from teikei.plan.parts import Memory
from teikei.plan.price import item_owners, price
from teikei.plan.scope import Scope
from teikei.plan.solve_one import Request, Solved, solve_scope, solve_scopes
from teikei.plan.solve_part import Effort

GAP_ALONE = 1e-4  # of the value: there is no saving yet to judge a gap by

Reserved = dict[tuple[str, int], float]


def coalitions_of_singles(facts: Facts, blocs: Sequence[str]) -> list[tuple[tuple[str, ...], tuple[str, ...]]]:
    """(part of a bloc, other blocs) for every proper part of every bloc and every union of others, small ones first."""
    found = []
    for bloc in blocs:
        members = [company for company in facts.companies if company in bloc.split("+")]
        others = [other for other in blocs if other != bloc]
        parts = [p for size in range(1, len(members)) for p in itertools.combinations(members, size)]
        unions = [u for size in range(len(others) + 1) for u in itertools.combinations(others, size)]
        found += [(part, beside) for part in parts for beside in unions]
    return sorted(found, key=lambda pair: len(pair[1]))


def solve_singles(
    game: Game,
    rungs: Sequence[str],
    *,
    gap: float,
    effort: Effort,
    memory: Memory,
    executor: Executor | None = None,
) -> dict[tuple[str, str], Solved]:
    """(coalition, rung) -> plan of every coalition that takes a bloc apart, at the first rung and the evaluated ones.

    rungs: names in the ladder's order, the first one included. gap: as a share of the saving. A part by itself stands
    at every evaluated rung with the same plan. Raises NoPlanError where a company has no plan by itself.
    """
    facts, first = game.facts, game.facts.baseline_rung
    upper = [rung for rung in rungs if rung != first and evaluated(facts, rung)]
    pairs = coalitions_of_singles(facts, game.blocs)
    alone: dict[tuple[str, ...], Solved] = {}
    for part, beside in pairs:
        if not beside:
            scope = _scope(game, part, (), first)
            rough = GAP_ALONE * game.baseline.value
            alone[part] = solve_scope(scope, gap_absolute=rough, effort=effort, memory=memory)
    solved = {("+".join(part), rung): found for part, found in alone.items() for rung in (first, *upper)}
    requests: list[Request] = []
    for part, beside in pairs:
        if beside:
            base = _side_by_side(game, alone[part], part, beside)
            solved[(base.scope.coalition, first)] = base
            links = game.baseline.links
            requests += [request(_scope(game, part, beside, rung), base, gap, links) for rung in upper]
    for found in solve_scopes(requests, effort=effort, memory=memory, executor=executor):
        name = found.scope.coalition
        lower = [other for (coalition, _), other in solved.items() if coalition == name]
        solved[(name, found.scope.rung)] = improve(found.scope, found, lower)
    return solved


def _scope(game: Game, part: Sequence[str], beside: Sequence[str], rung: str) -> Scope:
    """The scope of a part of a bloc and other blocs at a rung, with what they are reserved."""
    inside = set(part) | {company for bloc in beside for company in bloc.split("+")}
    members = tuple(company for company in game.facts.companies if company in inside)
    reserved = reserved_for(game, part)
    for bloc in beside:
        for key, amount in game.reserved[bloc].items():
            reserved[key] = reserved.get(key, 0.0) + amount
    return Scope(game.facts, "+".join(members), rung, members, reserved)


def reserved_for(game: Game, part: Sequence[str]) -> Reserved:
    """(site, year) -> what a part of a bloc may take: its cars' use in the bloc's plan, and its part of the rest."""
    bloc = next(name for name in game.blocs if set(part) <= set(name.split("+")))
    members = tuple(company for company in game.facts.companies if company in bloc.split("+"))
    scope = Scope(game.facts, bloc, game.facts.baseline_rung, members, game.reserved[bloc])
    decisions = game.alone[bloc]
    owners = item_owners(scope, decisions)
    whole: Reserved = {}
    own: Reserved = {}
    for (item, source, year), pieces in decisions.awards.items():
        site, amount = scope.taken(item, source, year, pieces)
        if site:
            mine = sum(share for company, share in owners[(item, year)].items() if company in part)
            whole[(site, year)] = whole.get((site, year), 0.0) + amount
            own[(site, year)] = own.get((site, year), 0.0) + amount * mine
    share = len(part) / len(members)
    return {  # where the bloc pays for an expansion it takes more than it is reserved
        key: own.get(key, 0.0) * min(1.0, amount / max(whole.get(key, 0.0), 1e-9))
        + share * max(0.0, amount - whole.get(key, 0.0))
        for key, amount in game.reserved[bloc].items()
    }


def _side_by_side(game: Game, alone: Solved, part: Sequence[str], beside: Sequence[str]) -> Solved:
    """A part of a bloc and other blocs, nothing pooled: their own plans next to each other."""
    scope = _scope(game, part, beside, game.facts.baseline_rung)
    decisions = union([alone.decisions, *(game.alone[bloc] for bloc in beside)])
    priced = price(scope, decisions)
    gap = alone.gap + game.baseline.gap
    status = alone.status if alone.status != "optimal" else game.baseline.status
    return Solved(scope, decisions, priced, priced.value - gap, status, alone.nodes, alone.seconds)


def sentences(game: Game, solved: dict[tuple[str, str], Solved]) -> list[str]:
    """What taking a bloc apart costs it, for every bloc that was."""
    found = []
    first = game.facts.baseline_rung
    for bloc in game.blocs:
        members = bloc.split("+")
        if len(members) > 1 and all((company, first) in solved for company in members):
            scope = game.scope((bloc,), first)
            together = price(scope, game.alone[bloc]).value
            apart = sum(solved[(company, first)].value for company in members)
            more = "more" if apart >= together else "less"
            found.append(
                f"{', '.join(members)} taken singly cost {abs(apart - together):,.0f} million {more} than as one bloc "
                "(what-if: the baseline keeps the bloc together)."
            )
    return found


__all__ = ["coalitions_of_singles", "reserved_for", "sentences", "solve_singles"]
