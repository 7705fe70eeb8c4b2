"""Every coalition at every rung: the baseline plan of all blocs, reservations, starts, rungs in order."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import asdict, dataclass, replace

from teikei.errors import StudyError
from teikei.modules.types import Catalogue
from teikei.plan.decisions import Decisions, union
from teikei.plan.facts import Facts
from teikei.plan.missed import missed_of, targets_of
from teikei.plan.parts import Memory
from teikei.plan.price import expanded, price
from teikei.plan.read import read_facts
from teikei.plan.scope import Scope
from teikei.plan.solve_one import Found, Request, Solved, combine, solve_scope, solve_scopes
from teikei.plan.solve_part import QUICK, Effort
from teikei.plan.tables import empty_tables, make_tables
from teikei.plan.types import Plan, Plans
from teikei.simulate.types import Performance
from teikei.study.types import Study

Progress = Callable[[str, float], None]
ALONE_GAP = 1e-5  # of the baseline's cost, before a saving is known to judge the gap by


@dataclass(frozen=True)
class Game:
    """The blocs that play, their baseline plans and what each is reserved at the sites."""

    facts: Facts
    blocs: tuple[str, ...]
    baseline: Solved
    alone: Mapping[str, Decisions]
    reserved: Mapping[str, Mapping[tuple[str, int], float]]

    def scope(self, blocs: Sequence[str], rung: str) -> Scope:
        """The scope of a union of blocs at a rung."""
        companies = {company for bloc in blocs for company in bloc.split("+")}
        members = tuple(company for company in self.facts.companies if company in companies)
        reserved: dict[tuple[str, int], float] = {}
        for bloc in blocs:
            for key, amount in self.reserved[bloc].items():
                reserved[key] = reserved.get(key, 0.0) + amount
        everyone = len(blocs) == len(self.blocs)
        return Scope(self.facts, "+".join(members), rung, members, None if everyone else reserved)


def split_members(facts: Facts, coalition: str) -> tuple[str, ...]:
    """Companies of a coalition's name, in the study's order."""
    named = set(coalition.split("+"))
    return tuple(company for company in facts.companies if company in named)


def split_decisions(decisions: Decisions, scope: Scope, bloc: str) -> Decisions:
    """The part of a baseline plan that is one bloc's own."""
    modules = {key: option for key, option in decisions.modules.items() if scope.bloc_of_slot(key[0]) == bloc}
    candidate = {slot: number for slot, number in decisions.candidate.items() if scope.bloc_of_slot(slot) == bloc}
    awards = {key: pieces for key, pieces in decisions.awards.items() if scope.item_bloc(key[0]) == bloc}
    plants = tuple(plant for plant in decisions.plants if plant[0] == bloc)
    expansions = tuple(expansion for expansion in decisions.expansions if expansion[0] == bloc)
    mine = set(scope.generations_of(bloc))
    built = {site: plant for site, plant in decisions.built.items() if site[:2] in mine}
    return Decisions(modules, candidate, awards, plants, expansions, built=built)


def site_use(decisions: Decisions, scope: Scope) -> dict[tuple[str, int], float]:
    """(site, year) -> what a plan takes there, contracts included, in the site's unit; expansions it pays for apart."""
    use: dict[tuple[str, int], float] = {}
    for (item, source, year), pieces in decisions.awards.items():
        site, amount = scope.taken(item, source, year, pieces)
        if site:
            use[(site, year)] = use.get((site, year), 0.0) + amount
    for (site, year), amount in use.items():
        use[(site, year)] = max(0.0, amount - expanded(decisions, site, year))
    return use


def play(facts: Facts, memory: Memory, *, gap: float, effort: Effort, executor: Executor | None) -> Game:
    """The baseline: all blocs plan at once, nothing pooled, site capacity shared at least total cost.

    Each bloc is reserved what it takes there and an equal part of what is left, so that stand-alone plans fit side by
    side and a union can always carry out the plans of its parts.
    """
    everyone = tuple(company for company in facts.companies if any(_owns(facts, company)))
    whole = Scope(facts, "+".join(everyone), facts.baseline_rung, everyone)
    longer = replace(effort, least_nodes=max(effort.least_nodes, effort.alone_nodes))
    solved = solve_scope(whole, gap_absolute=gap, effort=longer, memory=memory, executor=executor)
    blocs = whole.bloc_names
    alone = {bloc: split_decisions(solved.decisions, whole, bloc) for bloc in blocs}
    used = {bloc: site_use(alone[bloc], whole) for bloc in blocs}
    reserved: dict[str, dict[tuple[str, int], float]] = {bloc: {} for bloc in blocs}
    for site in facts.sites.values():
        for year, free in site.free.items():
            key = (site.name, year)
            left = max(0.0, free - math.fsum(used[bloc].get(key, 0.0) for bloc in blocs))
            for bloc in blocs:
                reserved[bloc][key] = used[bloc].get(key, 0.0) + left / len(blocs)
    return Game(facts, blocs, solved, alone, reserved)


def _owns(facts: Facts, company: str) -> Iterable[bool]:
    return (row.company == company for cars in facts.units.values() for row in cars)


def evaluated(facts: Facts, rung: str) -> bool:
    """Whether a rung permits something new for a class that has modules; the first rung always is."""
    order = facts.rung_order
    at = order.index(rung)
    if at == 0:
        return True
    present = {module.class_name for module in facts.modules.values()}
    before, now = facts.rungs[order[at - 1]], facts.rungs[rung]
    return any(now[name] != before.get(name) for name in now if name in present)


def solve(
    study: Study,
    catalogue: Catalogue,
    performance: Performance,
    *,
    rungs: Sequence[str] | None = None,
    coalitions: Sequence[str] | None = None,
    executor: Executor | None = None,
    progress: Progress | None = None,
    time_limit_s: float = math.inf,
    gap: float = 0.01,
    effort: Effort = QUICK,
    singles: bool = False,
) -> Plans:
    """What to share, what to buy together and from whom: the plan of every coalition at every rung.

    rungs: names to solve (the first rung is always solved), None = all. coalitions: companies joined by ``+``, None =
    the blocs and all their unions. executor: rungs may be solved through it; results do not depend on it. progress:
    called with a text and a fraction. time_limit_s: wall seconds of each solve (a plan stopped by it says so);
    gap: wanted gap of each value as a share of the saving; effort: how far plans and bounds are pursued.
    singles: also plan the companies of a bloc taken singly, with and without the other blocs
    (``plan.singles``), for the Owen value; the baseline stays the blocs' own.

    Raises NoPlanError where a coalition has no plan (in the study's words), StudyError for unknown names.
    """
    say = progress or (lambda _text, _fraction: None)
    facts = read_facts(study, catalogue, performance)
    wanted = _wanted_rungs(facts, rungs)
    say("plan: every company by itself", 0.0)
    start_gap = ALONE_GAP * _rough_cost(facts)
    memory = Memory()
    effort = replace(effort, time_limit_s=time_limit_s)
    game = play(facts, memory, gap=start_gap, effort=effort, executor=executor)
    names = _wanted_coalitions(facts, game, coalitions)
    solved: dict[tuple[str, str], Solved] = {}
    requests: list[Request] = []
    for blocs in names:
        first = _baseline_of(game, blocs)
        solved[(first.scope.coalition, first.scope.rung)] = first
        if len(blocs) > 1:
            upper = [rung for rung in wanted[1:] if evaluated(facts, rung)]
            requests += [request(game.scope(blocs, rung), first, gap, game.baseline.links) for rung in upper]
    say(f"plan: {len(requests)} programs of coalitions and rungs", 0.3)
    for found in solve_scopes(requests, effort=effort, memory=memory, executor=executor):
        scope = found.scope
        lower = [other for (name, _), other in solved.items() if name == scope.coalition]
        solved[(scope.coalition, scope.rung)] = improve(scope, found, lower)
    by_key = {key: _plan(found, performance) for key, found in solved.items()}
    for blocs in names:
        coalition = game.scope(blocs, facts.baseline_rung).coalition
        for rung in wanted:
            if len(blocs) > 1 and not evaluated(facts, rung):
                by_key[(coalition, rung)] = not_evaluated(coalition, rung)
    sentences = _explanations(game, solved)
    if singles:
        from teikei.plan import singles as apart

        say("plan: companies taken singly", 0.95)
        found_apart = apart.solve_singles(game, wanted, gap=gap, effort=effort, memory=memory, executor=executor)
        by_key.update({key: replace(_plan(one, performance), rung=key[1]) for key, one in found_apart.items()})
        sentences += apart.sentences(game, found_apart)
    from teikei.plan.commonality import commonality_table
    from teikei.plan.levers import LEVER_ORDER, savings_table

    return Plans(
        by_key=by_key,
        savings=savings_table(solved),
        commonality=commonality_table(solved),
        lever_order=LEVER_ORDER,
        explanations=tuple(sentences),
    )


def _rough_cost(facts: Facts) -> float:
    """Order of magnitude of the baseline's cost, million: cheapest price of each class times cars, discounted."""
    total = 0.0
    cheapest: dict[str, float] = {}
    for offer in facts.offers.values():
        price_now = min(prices[0] for prices in offer.price.values()) if offer.price else 0.0
        cheapest[offer.class_name] = min(price_now, cheapest.get(offer.class_name, math.inf))
    per_car = math.fsum(cheapest.values()) or 1e5
    for cars in facts.units.values():
        total += math.fsum(row.units * facts.settings.discount_factor(row.year) for row in cars) * per_car / 1e6
    return total


def request(scope: Scope, first: Solved, gap: float, links: tuple[Hashable, ...]) -> Request:
    """One rung, from the baseline plan; the gap asked for is a share of a saving of a thousandth of the cost."""
    return Request(scope, gap * max(1e-3 * first.value, 1.0), (first.decisions,), links)


def improve(scope: Scope, found: Solved, lower: Sequence[Solved]) -> Solved:
    """A rung's plan, bettered by the plans of the rungs below it: a rung that permits more never costs more."""
    others = [Found(price(scope, other.decisions), other.decisions) for other in lower]
    if all(other.value >= found.value for other in others):
        return found
    best = combine(scope, [Found(found.priced, found.decisions), *others])
    return replace(found, decisions=best.decisions, priced=best.priced)


def _baseline_of(game: Game, blocs: Sequence[str]) -> Solved:
    """The baseline plan of a union of blocs: their stand-alone plans side by side, with the baseline's gap."""
    scope = game.scope(blocs, game.facts.baseline_rung)
    decisions = union([game.alone[bloc] for bloc in blocs])
    priced = price(scope, decisions)
    base = game.baseline
    return Solved(scope, decisions, priced, priced.value - base.gap, base.status, base.nodes, base.seconds)


def _plan(solved: Solved, performance: Performance | None) -> Plan:
    scope = solved.scope
    return Plan(
        coalition=scope.coalition,
        rung=scope.rung,
        value=solved.value,
        bound=min(solved.bound, solved.value),
        gap=solved.gap,
        status=solved.status,
        seconds=solved.seconds,
        tables=make_tables(scope, solved.decisions, solved.priced, performance),
        decisions={
            "decisions": solved.decisions,
            "reserved": scope.reserved,
            "joint_start": scope.joint_start,
            "missed": missed_of(scope.facts, solved.decisions),
            "targets": targets_of(solved.decisions, performance),
        },
        messages=scope.facts.messages,
    )


def not_evaluated(coalition: str, rung: str) -> Plan:
    """The plan of a rung whose classes have no data."""
    text = f"Rung {rung} is not evaluated: the study has no modules for the classes it adds."
    return Plan(coalition, rung, math.nan, math.nan, math.nan, "not evaluated", 0.0, empty_tables(), {}, (text,))


def _wanted_rungs(facts: Facts, rungs: Sequence[str] | None) -> list[str]:
    unknown = [rung for rung in rungs or () if rung not in facts.rung_order]
    if unknown:
        raise StudyError(f"Rung {unknown[0]} is not in the rungs table; expected one of {', '.join(facts.rung_order)}.")
    return [r for i, r in enumerate(facts.rung_order) if i == 0 or rungs is None or r in rungs]


def _wanted_coalitions(facts: Facts, game: Game, coalitions: Sequence[str] | None) -> list[tuple[str, ...]]:
    """Unions of blocs, small ones first."""
    every = [tuple(part) for size in range(1, len(game.blocs) + 1) for part in itertools.combinations(game.blocs, size)]
    if coalitions is None:
        return every
    found = []
    for name in coalitions:
        members = [member.strip() for member in name.split("+")]
        unknown = [member for member in members if member not in facts.companies]
        if unknown:
            raise StudyError(f"Coalition {name}: {unknown[0]} is not a company of the study.")
        blocs = tuple(bloc for bloc in game.blocs if set(bloc.split("+")) & set(members))
        if {company for bloc in blocs for company in bloc.split("+")} != set(members):
            raise StudyError(f"Coalition {name} takes a bloc apart; set the bloc column of companies to study that.")
        found.append(blocs)
    singles = [(bloc,) for bloc in game.blocs]
    return list(dict.fromkeys([*singles, *sorted(found, key=len)]))


def _explanations(game: Game, solved: Mapping[tuple[str, str], Solved]) -> list[str]:
    """Sentences about values that a reader could find odd."""
    sentences = []
    for (coalition, rung), found in solved.items():
        base = solved[(coalition, game.facts.baseline_rung)]
        if found.value > base.value + 1e-6 and rung != game.facts.baseline_rung:
            sentences.append(
                f"{coalition} at {rung} costs {found.value - base.value:,.0f} million more than its members alone: "
                "the alliance's one-off is larger than what the rung saves."
            )
    return sentences


def lacking(study: Study) -> str:
    """What a study must have for a plan and does not, as a sentence; empty where nothing is missing."""
    return study.lacking("rungs", "families", "car_plants")


def solver_options(effort: Effort = QUICK) -> dict[str, object]:
    """What a run has to keep to be repeated: solver, version and every option and limit that shapes its path."""
    from importlib import metadata

    return {
        "solver": "HiGHS",
        "version": metadata.version("highspy"),
        "threads": 1,
        "random_seed": 1,
        "effort": {name: value for name, value in asdict(effort).items() if name != "time_limit_s"},
        "baseline_gap_share": ALONE_GAP,
    }
