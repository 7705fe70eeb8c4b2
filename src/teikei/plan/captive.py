"""What a company's own supplier costs it: a least share of its need, and units that its line stands idle for.

A *captive* supplier is owned in part by a company of the study. Two ties hold in every plan that the owner is in, alone
and at every rung (docs/maths/plan.md, "Captive suppliers"):

    least share   pieces the owner's cars take there >= share x pieces they need of the class, year by year (a rule)
    idle          owner's share x fixed cost that stays x max(0, committed - taken)

Taken counts what the owner's bloc buys there and, where the rung pools the class, what its partners buy: their units
fill the line. The operating margin of a unit is in the equity credit of every piece bought, which a lost unit loses by
itself, so it is not charged again. What is paid to a captive for leaving its contracts comes back to the owner in part:
it costs the outsiders' share only.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from teikei.plan.arrays import INFINITY
from teikei.plan.decisions import Decisions
from teikei.plan.facts import CaptiveFact, Facts, Rule
from teikei.plan.money import discount
from teikei.plan.program import THOUSAND, Build
from teikei.plan.scope import Item, Scope
from teikei.plan.sources import CONTRACT, OFFER, Source

ITEM = "captive"
SHARE_RULE = "captive_share"


class CaptiveUse(NamedTuple):
    """A captive in a year: pieces or GWh committed, taken and lost; cost of what is lost, million, not discounted."""

    captive: CaptiveFact
    year: int
    committed: float
    taken: float
    cost: float

    @property
    def lost(self) -> float:
        """Committed and not taken."""
        return max(0.0, self.committed - self.taken)


def share_rule(captive: CaptiveFact) -> Rule:
    """The least share of a captive as a rule of the study, so that a conflict names it and its price can be asked."""
    where = f"{captive.supplier}{f', {captive.site}' if captive.site else ''} of {captive.owner}, {captive.class_name}"
    text = f"captive ({where}, {captive.first_year}-{captive.last_year}: at least {captive.least_share:g})"
    return Rule(SHARE_RULE, text, f"{captive.least_share!r}", captive.class_name, "", captive.supplier, "", captive)


def years_of(facts: Facts, captive: CaptiveFact) -> Iterator[int]:
    """Planning years in which a captive's ties hold."""
    return (year for year in facts.settings.years if captive.first_year <= year <= captive.last_year)


def delivers(scope: Scope, captive: CaptiveFact, item: Item, source: Source) -> bool:
    """Whether an award comes from the captive (and its site, where one is named)."""
    if scope.facts.modules[item.module].class_name != captive.class_name:
        return False
    if scope.supplier(source, item) != captive.supplier:
        return False
    return not captive.site or _site(scope, item, source) == captive.site


def _site(scope: Scope, item: Item, source: Source) -> str:
    if source == CONTRACT:
        return scope.contracts[item.contract].site
    return scope.facts.offers[source.name].site if source.kind == OFFER else ""


def counts(scope: Scope, captive: CaptiveFact, item: Item) -> bool:
    """Whether an item's pieces fill the captive: the owner's bloc's, a partner's where the rung pools the class."""
    bloc, owner = scope.item_bloc(item), scope.bloc_of_company(captive.owner)
    group = scope.buying_group
    return bloc == owner or group(captive.class_name, bloc) == group(captive.class_name, owner)


def owned_by(scope: Scope, item: Item, company: str) -> bool:
    """Whether a company answers for the cars of an item."""
    return scope.company_of_programme.get(item.programme) == company


def cost_per_unit(facts: Facts, captive: CaptiveFact) -> float:
    """Million that the owner bears for one unit (piece, GWh) which is committed and not taken."""
    per_piece = 1e6 if facts.classes[captive.class_name].in_kwh else 1.0
    share = facts.equity.get((captive.owner, captive.supplier), 0.0)
    return share * captive.fixed_cost * per_piece / 1e6


def idle_captives(made: Build) -> None:
    """lost >= committed - taken, lost >= 0, at the cost that stays with the owner."""
    scope, facts, program = made.scope, made.scope.facts, made.program
    for captive in facts.captives:
        cost = cost_per_unit(facts, captive) if captive.owner in scope.members else 0.0
        if not cost or not captive.committed:
            continue
        for year in years_of(facts, captive):
            key = (captive.owner, captive.supplier, captive.site, captive.class_name, year)
            terms = [
                (column, facts.tier_units(item.module, THOUSAND) * weight)
                for item, _, column, weight in _delivered(made, captive, year)
                if counts(scope, captive, item)
            ]
            lost = program.column(("captive", *key), cost * discount(facts, year), 0.0, captive.committed)
            program.row(("captive", *key), [*terms, (lost, 1.0)], lower=captive.committed, upper=INFINITY)
            made.fills.append(_fill(lost, terms, captive.committed))


def captive_shares(made: Build, rule: Rule) -> None:
    """Pieces from the captive - share x all pieces of the owner's cars >= 0, in every year of the tie."""
    scope, captive = made.scope, rule.captive
    if captive is None or captive.owner not in scope.members:
        return
    share = rule.number
    for year in years_of(scope.facts, captive):
        terms = [
            (column, weight * ((1.0 if delivers(scope, captive, item, source) else 0.0) - share))
            for item, source, column, weight in _bought(made, captive.class_name, year)
            if owned_by(scope, item, captive.owner)
        ]
        if terms:
            made.program.row(("rule", rule.text, year), terms, lower=0.0)


def broken_share(scope: Scope, decisions: Decisions, rule: Rule) -> Iterator[str]:
    """Years in which a plan gives the captive less than its least share, in the study's words."""
    captive = rule.captive
    if captive is None or captive.owner not in scope.members:
        return
    for year in years_of(scope.facts, captive):
        mine, everything = 0.0, 0.0
        for (item, source, when), pieces in decisions.awards.items():
            of_class = scope.facts.modules[item.module].class_name == captive.class_name
            if when == year and of_class and owned_by(scope, item, captive.owner):
                everything += pieces
                mine += pieces if delivers(scope, captive, item, source) else 0.0
        if mine < rule.number * everything * (1 - 1e-6) - 1e-3:
            yield f"rule {rule.text} is broken: {mine:,.6g} of {everything:,.6g} in {year}"


def captive_uses(scope: Scope, decisions: Decisions) -> list[CaptiveUse]:
    """Every captive of a member in every year of its tie: committed, taken, and what is lost costs."""
    facts, found = scope.facts, []
    for captive in facts.captives:
        if captive.owner not in scope.members:
            continue
        each = cost_per_unit(facts, captive)
        for year in years_of(facts, captive):
            taken = math.fsum(
                facts.tier_units(item.module, pieces)
                for (item, source, when), pieces in decisions.awards.items()
                if when == year and delivers(scope, captive, item, source) and counts(scope, captive, item)
            )
            found.append(CaptiveUse(captive, year, captive.committed, taken, 0.0))
            found[-1] = found[-1]._replace(cost=found[-1].lost * each)
    return found


def outsiders_part(scope: Scope, supplier: str) -> float:
    """Part of a payment to a supplier that leaves the coalition: 1, or less where members own it as a captive."""
    owners = {one.owner for one in scope.facts.captives if one.supplier == supplier and one.owner in scope.members}
    return 1.0 - math.fsum(scope.facts.equity.get((owner, supplier), 0.0) for owner in sorted(owners))


def _bought(made: Build, class_name: str, year: int) -> Iterator[tuple[Item, Source, int, float]]:
    """(item, source, column, thousand pieces of it in a unit of the column) of a class in a year."""
    for (item, when), carriers in made.members.items():
        if when != year or made.scope.facts.modules[item.module].class_name != class_name:
            continue
        for source in made.scope.sources(item, year):
            column = made.bought.get((item, source, year))
            if column is not None:
                yield item, source, column, 1.0
            else:
                for option, cars in carriers:
                    yield item, source, made.use[option], cars / THOUSAND


def _delivered(made: Build, captive: CaptiveFact, year: int) -> Iterator[tuple[Item, Source, int, float]]:
    for item, source, column, weight in _bought(made, captive.class_name, year):
        if delivers(made.scope, captive, item, source):
            yield item, source, column, weight


def _fill(lost: int, terms: list[tuple[int, float]], committed: float) -> Callable[[npt.NDArray[np.float64]], None]:
    def fill(x: npt.NDArray[np.float64]) -> None:
        x[lost] = max(0.0, committed - sum(float(x[column]) * weight for column, weight in terms))

    return fill
