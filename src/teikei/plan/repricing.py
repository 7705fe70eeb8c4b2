"""The same designs and awards at other volumes: tiers, rebates, plant use and minimum orders move, nothing else."""

from __future__ import annotations

import math
from dataclasses import replace

import polars as pl

from teikei.errors import StudyError
from teikei.modules.types import Catalogue
from teikei.plan.decisions import Decisions
from teikei.plan.ladder import split_members
from teikei.plan.missed import missed_in
from teikei.plan.money import plant_capacity_gwh
from teikei.plan.price import expanded, need, price
from teikei.plan.read import read_facts
from teikei.plan.scope import Item, Scope
from teikei.plan.sources import OFFER, PLANT, Source
from teikei.plan.tables import make_tables
from teikei.plan.types import Plan
from teikei.study.types import Study


def reprice(study: Study, catalogue: Catalogue, plan: Plan, volumes: pl.DataFrame) -> Plan:
    """What a plan costs at other volumes, with designs and award shares frozen.

    volumes: a table like the study's ``volumes`` (programme, generation, company, plant, region, year, units; rows of
    another ``scenario`` than the study's are ignored). Every award keeps its share of its item and year; an item that
    had no units in a year takes the shares of its nearest year. Orders below a minimum pay the shortfall. Capacities
    are not enforced: what exceeds them is said in ``messages``. value is the new present cost; bound and gap are
    not known (nan); at the study's own volumes value equals the plan's. Targets are those of ``study``: what its cars,
    as they were planned, miss of them now; a car past a floor is said in ``messages``.

    Raises StudyError for a plan without decisions (a rung that was not evaluated) or unknown columns.
    """
    decisions = plan.decisions.get("decisions")
    if not isinstance(decisions, Decisions):
        raise StudyError(f"The plan of {plan.coalition} at {plan.rung} was not evaluated and cannot be re-priced.")
    missing = {"programme", "generation", "company", "plant", "region", "year", "units"} - set(volumes.columns)
    if missing:
        raise StudyError(f"The volumes to re-price lack the columns {', '.join(sorted(missing))}.")
    facts = read_facts(study, catalogue, None, volumes)
    missed, past = missed_in(study, facts, decisions, plan.decisions)
    facts = replace(facts, missed=missed)
    scope = Scope(
        facts,
        plan.coalition,
        plan.rung,
        split_members(facts, plan.coalition),
        plan.decisions["reserved"],
        plan.decisions["joint_start"],
    )
    present = {key: option for key, option in decisions.modules.items() if key[0] in scope.company_of}
    frozen = replace(decisions, modules=present, awards={})
    frozen = replace(frozen, awards=_awards(scope, frozen, decisions))
    priced = price(scope, frozen, held=False)
    messages = (*facts.messages, *_over_capacity(scope, frozen), *past)
    return Plan(
        coalition=plan.coalition,
        rung=plan.rung,
        value=priced.value,
        bound=math.nan,
        gap=math.nan,
        status="repriced",
        seconds=0.0,
        tables=make_tables(scope, frozen, priced, None),
        decisions={**plan.decisions, "decisions": frozen},
        messages=messages,
    )


def _awards(scope: Scope, frozen: Decisions, before: Decisions) -> dict[tuple[Item, Source, int], float]:
    """New quantities: the need at the new volumes, divided as the old awards were."""
    shares: dict[Item, dict[int, dict[Source, float]]] = {}
    for (item, source, year), pieces in before.awards.items():
        shares.setdefault(item, {}).setdefault(year, {})[source] = pieces
    by_drawing: dict[tuple[str, str, str], Item] = {}
    for item in shares:
        by_drawing.setdefault((item.programme, item.generation, item.module), item)
    awards: dict[tuple[Item, Source, int], float] = {}
    for (item, year), wanted in need(scope, frozen).items():
        known = shares.get(item) or shares.get(by_drawing.get((item.programme, item.generation, item.module), item))
        if not known:
            source = scope.sources(item, year)[0]
            awards[(item, source, year)] = wanted
            continue
        nearest = min(known, key=lambda y: (abs(y - year), y))
        total = math.fsum(known[nearest].values())
        for source, pieces in known[nearest].items():
            awards[(item, source, year)] = wanted if pieces == total else wanted * (pieces / total)
    return awards


def _over_capacity(scope: Scope, decisions: Decisions) -> list[str]:
    """Sites and plants that would have to deliver more than they can."""
    facts, found = scope.facts, []
    use: dict[tuple[str, int], float] = {}
    made: dict[tuple[str, str, int], float] = {}
    for (item, source, year), pieces in decisions.awards.items():
        if source.kind == OFFER:
            key = (facts.offers[source.name].site, year)
            use[key] = use.get(key, 0.0) + facts.tier_units(item.module, pieces)
        elif source.kind == PLANT:
            name, owner = source.name, source.owner
            gwh = facts.modules[item.module].energy_kwh * pieces / 1e6
            made[(owner, name, year)] = made.get((owner, name, year), 0.0) + gwh
    for (site, year), amount in sorted(use.items()):
        fact = facts.sites.get(site)
        free = fact.free[year] + expanded(decisions, site, year) if fact is not None else math.inf
        if fact is not None and amount > free * (1 + 1e-6):
            found.append(f"{site} would deliver {amount:,.6g} {fact.unit} in {year}, {free:,.6g} are free.")
    for (owner, name, year), amount in sorted(made.items()):
        capacity = sum(
            plant_capacity_gwh(plant, opened, year)
            for who, which, step, opened in decisions.plants
            if (who, which) == (owner, name)
            for plant in scope.plants_of(name)
            if plant.step_gwh == step
        )
        if amount > capacity * (1 + 1e-6):
            found.append(f"Plant {name} of {owner} would deliver {amount:.3g} GWh in {year}, it can {capacity:.3g}.")
    return found
