"""Plans as their schedules have them: starts that engineers make later than the critical path are priced like others.

The plan knows how long work takes and not who is busy; ``develop`` finds that, and hands back the quarters by which
each start is late. They only lengthen: a schedule is never earlier than the critical path. Each coalition takes at each
rung the cheapest of its own plan, of the plans of lower rungs and of plans made again with longer leads, all as
scheduled. A bound is that of the lead times it was found with: the longer ones where the plan was made again.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from teikei.modules.types import Catalogue
from teikei.plan.commonality import commonality_table
from teikei.plan.decisions import Decisions, union
from teikei.plan.facts import Facts
from teikei.plan.ladder import split_members
from teikei.plan.lateness import cost_of_lateness, late_starts
from teikei.plan.lead_times import Start
from teikei.plan.levers import savings_table
from teikei.plan.missed import missed_of, targets_of
from teikei.plan.price import Priced, price
from teikei.plan.read import read_facts
from teikei.plan.scope import Scope
from teikei.plan.solve_one import Solved, solve_scope
from teikei.plan.solve_part import QUICK, Effort
from teikei.plan.tables import make_tables
from teikei.plan.types import Plan, Plans
from teikei.simulate.types import Performance
from teikei.study.types import Study

Key = tuple[str, str]
Late = Mapping[Key, Mapping[Start, int]]
"""(coalition, rung) -> start -> quarters its schedule is late."""
SMALL = 1e-9  # of a value: less is no difference
LEAST_GAP = 1e-5  # of a value: gap asked for where a plan is made again


def as_scheduled(
    study: Study, catalogue: Catalogue, performance: Performance, plans: Plans, late: Late,
    others: Sequence[tuple[Key, Decisions]] = (), bounds: Mapping[Key, float] | None = None,
) -> Plans:  # fmt: skip
    """The plans with the lateness of their schedules in their values; the same plans where that adds nothing.

    late: of the plans (``develop.late_starts``); others: further plans with the lateness of their own schedules
    (``Decisions.scheduled``); bounds: of plans made again with longer leads.
    """
    facts = read_facts(study, catalogue, performance)
    rank = {rung: at for at, rung in enumerate(facts.rung_order)}
    chosen: dict[Key, tuple[Scope, Decisions, Priced]] = {}
    side_by_side: list[Key] = []
    evaluated = [key for key, plan in plans.by_key.items() if isinstance(plan.decisions.get("decisions"), Decisions)]
    for key in sorted(evaluated, key=lambda one: (rank[one[1]], len(one[0].split("+")))):
        plan = plans.by_key[key]
        scope = _scope(facts, plan)
        own = replace(plan.decisions["decisions"], scheduled=_positive(late.get(key, {})))
        known = [own, *(other for where, other in others if where == key)]
        blocs = [(bloc, key[1]) for bloc in scope.bloc_names]
        if rank[key[1]] == 0 and len(blocs) > 1 and all(bloc in chosen for bloc in blocs):
            known = [union([chosen[bloc][1] for bloc in blocs])]
            side_by_side.append(key)
        known += [decisions for where, (_, decisions, _) in chosen.items() if where[0] == key[0]]
        priced = [(scope, decisions, price(scope, decisions)) for decisions in known]
        chosen[key] = min(priced, key=lambda found: found[2].value)
    if all(_same(plans.by_key[key], *found[1:]) for key, found in chosen.items()):
        return plans
    found = {key: max(plans.by_key[key].bound, (bounds or {}).get(key, -math.inf)) for key in chosen}
    for key in side_by_side:
        blocs = [(bloc, key[1]) for bloc in chosen[key][0].bloc_names]
        wider = [chosen[bloc][2].value - found[bloc] - plans.by_key[bloc].gap for bloc in blocs]
        found[key] = chosen[key][2].value - plans.by_key[key].gap - math.fsum(max(0.0, gap) for gap in wider)
    by_key = {
        key: _plan(plan, *chosen[key], performance, found[key]) if key in chosen else plan
        for key, plan in plans.by_key.items()
    }
    whole = {
        key: Solved(*chosen[key], by_key[key].bound, by_key[key].status, 0, 0.0)
        for key in plans.by_key
        if key in chosen and _of_whole_blocs(study, key[0])
    }
    return replace(
        plans,
        by_key=by_key,
        savings=savings_table(whole),
        commonality=commonality_table(whole),
        explanations=(*plans.explanations, *_told(chosen)),
    )


def behind(study: Study, catalogue: Catalogue, plans: Plans) -> dict[Key, float]:
    """(coalition, rung) -> million that its schedule adds to the lateness the plan reckoned with, where it does."""
    found = {}
    for key, scope in scopes_of(study, catalogue, plans).items():
        decisions: Decisions = plans.by_key[key].decisions["decisions"]
        if decisions.scheduled:
            added = _cost(scope, decisions) - _cost(scope, replace(decisions, scheduled={}))
            if added > 0:
                found[key] = added
    return found


def solve_again(
    study: Study, catalogue: Catalogue, performance: Performance, plans: Plans, keys: Iterable[Key],
    effort: Effort = QUICK,
) -> dict[Key, Plan]:  # fmt: skip
    """Plans made again with leads as long as the schedule showed them, with the bound of these leads.

    Each begins from the plan there is. What is developed anew for a start takes the quarters longer that its schedule
    took; what exists, or only has to be applied, does not. Baselines of several blocs are their blocs' plans and are
    not made again.
    """
    facts = read_facts(study, catalogue, performance)
    found: dict[Key, Plan] = {}
    for key in keys:
        plan = plans.by_key[key]
        decisions: Decisions = plan.decisions["decisions"]
        scope = _scope(facts, plan)
        if facts.time is None or (key[1] == facts.baseline_rung and len(scope.bloc_names) > 1):
            continue
        reckoned = late_starts(scope, replace(decisions, scheduled={}))
        longer = {
            start: late - reckoned.get(start, 0)
            for start, late in decisions.scheduled.items()
            if late > reckoned.get(start, 0)
        }
        longer_scope = replace(scope, facts=replace(facts, time=facts.time.lengthened(longer)))
        start = replace(decisions, scheduled={})
        gap = max(plan.gap, LEAST_GAP * abs(plan.value))
        solved = solve_scope(longer_scope, gap_absolute=gap, starts=(start,), effort=effort)
        priced = price(scope, solved.decisions)
        again = _plan(plan, scope, solved.decisions, priced, performance, solved.bound)
        found[key] = replace(again, bound=solved.bound)
    return found


def scopes_of(study: Study, catalogue: Catalogue, plans: Plans) -> dict[Key, Scope]:
    """The scope of every plan that was evaluated, as it was planned."""
    facts = read_facts(study, catalogue, None)
    return {
        key: _scope(facts, plan)
        for key, plan in plans.by_key.items()
        if isinstance(plan.decisions.get("decisions"), Decisions)
    }


def _positive(late: Mapping[Start, int]) -> dict[Start, int]:
    return {start: quarters for start, quarters in late.items() if quarters > 0}


def _scope(facts: Facts, plan: Plan) -> Scope:
    stored = plan.decisions
    members = split_members(facts, plan.coalition)
    known = facts if facts.missed else replace(facts, missed=stored["missed"])
    return Scope(known, plan.coalition, plan.rung, members, stored["reserved"], stored["joint_start"])


def _cost(scope: Scope, decisions: Decisions) -> float:
    return sum(cost_of_lateness(scope, start, late) for start, late in late_starts(scope, decisions).items())


def _same(plan: Plan, decisions: Decisions, priced: Priced) -> bool:
    own: Decisions = plan.decisions["decisions"]
    return decisions.modules == own.modules and abs(priced.value - plan.value) <= SMALL * max(1.0, abs(plan.value))


def _plan(
    plan: Plan, scope: Scope, decisions: Decisions, priced: Priced, performance: Performance, bound: float
) -> Plan:
    """The plan with other decisions or lateness."""
    value, bound = priced.value, min(bound, priced.value)
    status = "gap" if plan.status == "optimal" and value - bound > SMALL * abs(value) else plan.status
    return replace(
        plan,
        value=value,
        bound=bound,
        gap=max(0.0, value - bound),
        status=status,
        tables=make_tables(scope, decisions, priced, performance),
        decisions={
            **plan.decisions,
            "decisions": decisions,
            "missed": missed_of(scope.facts, decisions),
            "targets": targets_of(decisions, performance),
        },
    )


def _of_whole_blocs(study: Study, coalition: str) -> bool:
    members = set(coalition.split("+"))
    return all(set(bloc) <= members for bloc in study.blocs.values() if set(bloc) & members)


def _told(chosen: Mapping[Key, tuple[Scope, Decisions, Priced]]) -> list[str]:
    """A sentence for each coalition whose schedules are later than its lead times say."""
    found: dict[tuple[str, int, float], list[str]] = {}
    for (coalition, rung), (scope, decisions, _) in chosen.items():
        reckoned = late_starts(scope, replace(decisions, scheduled={}))
        more = sum(late - reckoned.get(start, 0) for start, late in late_starts(scope, decisions).items())
        if more > 0:
            added = _cost(scope, decisions) - _cost(scope, replace(decisions, scheduled={}))
            found.setdefault((coalition, more, round(added, 6)), []).append(rung)
    return [
        f"{coalition} at {', '.join(rungs)}: its engineers make starts {more} quarters later than the work by itself; "
        f"the {added:,.0f} million that loses stand in its cost."
        for (coalition, more, added), rungs in found.items()
    ]
