"""What follows from the choice of drawings: who develops what and when, applications, changes, coordination.

The events found here are the ones the solver's columns stand for; ``price`` charges them exactly.
"""

from __future__ import annotations

from dataclasses import dataclass

from teikei.plan.bodies import application_item, family_item
from teikei.plan.captive import outsiders_part
from teikei.plan.decisions import Decisions
from teikei.plan.facts import Facts, FamilyFact
from teikei.plan.money import Cash, coordination_cash, nre_cash, once, tooling_cash
from teikei.plan.scope import Option, Scope


@dataclass(frozen=True, slots=True)
class Charge:
    """A cash list for an object: what for (cost item), class, family or module, group, and the cars that carry it."""

    item: str
    class_name: str
    thing: str
    group: str
    start_year: int
    cash: Cash
    slots: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Share:
    """How the cost of a family divides: factors on NRE for the group, each further bloc, each further company."""

    base: float
    per_bloc: float
    per_company: float
    paid_blocs: frozenset[str]


def family_share(scope: Scope, family: FamilyFact, group: str) -> Share:
    """Shared NRE = NRE x (base + per_bloc x extra blocs + per_company x extra companies of a bloc counted already).

    Where a member of the group has paid the family before, base is 0 and every bloc beyond the payers' is extra.
    """
    facts = scope.facts
    class_fact = facts.classes[family.class_name]
    paid = frozenset(scope.bloc_of_company(c) for c in group.split("+") if c in family.sunk_for)
    return Share(0.0 if paid else 1.0, class_fact.k_bloc, min(class_fact.k_same_bloc, class_fact.k_bloc), paid)


def sunk(names: frozenset[str], group: str) -> bool:
    """Whether a member of the group has paid already."""
    return any(company in names for company in group.split("+"))


def application_cash(facts: Facts, family: FamilyFact, slot_name: str, with_nre: bool) -> Cash:
    """Application NRE or tooling of a family for a car, at the start of the slot, over the car's remaining life."""
    slot = facts.slots[slot_name]
    life = max(1, slot.eop_year - slot.first_year + 1)
    if with_nre:
        return nre_cash(facts, family.application_nre, slot.first_year, life)
    return tooling_cash(facts, family.application_tooling, slot.first_year, life)


def requalification(scope: Scope, slot_name: str, class_name: str, after_facelift: bool) -> float:
    """Million paid when a car in production changes its module: the contract's re-validation, else switching cost."""
    slot = scope.facts.slots[slot_name]
    costs = [
        contract.revalidation_cost
        for contract in scope.contracts.values()
        if (contract.programme, contract.generation, contract.class_name)
        == (slot.programme, slot.generation, class_name)
    ]
    if costs:
        return max(costs)
    return scope.facts.classes[class_name].switching_cost if after_facelift else 0.0


def cancellation(scope: Scope, slot_name: str, position: str) -> float:
    """Million paid for leaving the contract of a position from this slot on: in proportion to the part left.

    To a captive of a member it costs the outsiders' share of it.

    The part left runs from the slot's start to the contract's end, over the part that is left at the first planning
    year; a contract over several versions is divided by the versions' shares.
    """
    facts = scope.facts
    contract = facts.existing.get((slot_name, position))
    if contract is None or contract.cancellation_cost == 0:
        return 0.0
    slot, horizon = facts.slots[slot_name], facts.settings.first_year
    if contract.contract_end <= max(slot.first_year, horizon):
        return 0.0
    left = (contract.contract_end - slot.first_year) / (contract.contract_end - horizon)
    covered = sum(
        facts.slots[other].share
        for (other, where), found in facts.existing.items()
        if found.key == contract.key and where == position and facts.slots[other].phase == slot.phase
    )
    return contract.cancellation_cost * left * slot.share / covered * outsiders_part(scope, contract.supplier)


def charges(scope: Scope, decisions: Decisions) -> list[Charge]:
    """Every development, application, change and cancellation charge of a plan."""
    new_uses = [option for option in decisions.modules.values() if scope.is_new(option)]
    result = _family_charges(scope, new_uses) + _module_charges(scope, new_uses)
    result += _introductions(scope, decisions) + _cancellations(scope, decisions)
    return [charge for charge in result if charge.cash]


def _first(scope: Scope, options: list[Option]) -> int:
    return min(scope.facts.slots[option.slot].first_year for option in options)


def _family_charges(scope: Scope, uses: list[Option]) -> list[Charge]:
    facts = scope.facts
    grouped: dict[tuple[str, str], list[Option]] = {}
    for option in uses:
        grouped.setdefault((facts.modules[option.module].family, option.group), []).append(option)
    found = []
    for (name, group), options in grouped.items():
        family = facts.families[name]
        share = family_share(scope, family, group)
        slots = tuple(sorted({option.slot for option in options}))
        start = _first(scope, options)
        if share.base:
            found.append(
                Charge(family_item(family.class_name), family.class_name, name, group, start,
                       nre_cash(facts, family.nre, start, family.life_years), slots)
            )  # fmt: skip
            found.append(
                Charge("tooling", family.class_name, name, group, start,
                       tooling_cash(facts, family.tooling, start, family.life_years), slots)
            )  # fmt: skip
        found += _member_charges(scope, family, group, options)
    return found


def member_starts(scope: Scope, options: list[Option]) -> dict[str, dict[str, int]]:
    """Bloc -> company -> first year in which it uses a family."""
    starts: dict[str, dict[str, int]] = {}
    for option in options:
        company, year = scope.company_of[option.slot], scope.facts.slots[option.slot].first_year
        by_company = starts.setdefault(scope.bloc_of_company(company), {})
        by_company[company] = min(year, by_company.get(company, year))
    return starts


def _member_charges(scope: Scope, family: FamilyFact, group: str, options: list[Option]) -> list[Charge]:
    """The k part and coordination of every bloc beyond the first (or beyond those that paid), and of further companies.

    The first bloc is the one that starts first (ties: order of the companies); so is the first company of a bloc.
    Blocs that have each paid the family bear no k, but from the second on they bear the coordination of sharing it.
    """
    facts, found = scope.facts, []
    share = family_share(scope, family, group)
    class_fact = facts.classes[family.class_name]
    starts = member_starts(scope, options)
    order = sorted(starts, key=lambda bloc: (min(starts[bloc].values()), scope.bloc_names.index(bloc)))
    counted = set(share.paid_blocs) or set(order[:1])
    leading = next((bloc for bloc in order if bloc in counted), "")
    for bloc in order:
        slots = tuple(sorted({o.slot for o in options if scope.bloc_of_slot(o.slot) == bloc}))
        year = min(starts[bloc].values())
        if bloc not in counted:
            nre = nre_cash(facts, family.nre * share.per_bloc, year, family.life_years)
            what = family_item(family.class_name)
            found.append(Charge(what, family.class_name, family.name, group, year, nre, slots))
        if bloc != leading and scope.joint and group == scope.joint:
            cash = coordination_cash(facts, class_fact, year)
            found.append(Charge("coordination", family.class_name, family.name, group, year, cash, slots))
        paid = [c for c in starts[bloc] if c in family.sunk_for]
        later = sorted(starts[bloc], key=lambda c: (starts[bloc][c], facts.companies.index(c)))
        free = set(paid) if bloc in share.paid_blocs else set(later[:1])
        for company in later:
            if company not in free:
                year = starts[bloc][company]
                nre = nre_cash(facts, family.nre * share.per_company, year, family.life_years)
                mine = tuple(s for s in slots if scope.company_of[s] == company)
                what = family_item(family.class_name)
                found.append(Charge(what, family.class_name, family.name, group, year, nre, mine))
    return found


def _module_charges(scope: Scope, uses: list[Option]) -> list[Charge]:
    facts = scope.facts
    grouped: dict[tuple[str, str], list[Option]] = {}
    for option in uses:
        grouped.setdefault((option.module, option.group), []).append(option)
    found = []
    for (name, group), options in grouped.items():
        module = facts.modules[name]
        life = facts.families[module.family].life_years
        slots = tuple(sorted({option.slot for option in options}))
        start = _first(scope, options)
        if not sunk(module.sunk_for, group):
            nre = nre_cash(facts, module.nre, start, life)
            found.append(Charge("nre_variant", module.class_name, name, group, start, nre, slots))
            if not module.tooling_in_price:
                tooling = tooling_cash(facts, module.tooling, start, life)
                found.append(Charge("tooling", module.class_name, name, group, start, tooling, slots))
        if group == scope.joint and scope.joint:
            found += _divergence_charges(scope, name, options)
    return found


def divergence_cash(scope: Scope, module_name: str, start_year: int) -> Cash:
    """Variant NRE paid again, year by year, for the share of a partner's units that leaves the joint drawing."""
    _, rate = scope.joint_start[module_name]
    amount = rate * scope.facts.modules[module_name].nre
    years = range(start_year + 1, scope.facts.settings.last_year + 1)
    return tuple((year, amount) for year in years) if amount else ()


def _divergence_charges(scope: Scope, module_name: str, options: list[Option]) -> list[Charge]:
    starts = member_starts(scope, options)
    order = sorted(starts, key=lambda bloc: (min(starts[bloc].values()), scope.bloc_names.index(bloc)))
    module, found = scope.facts.modules[module_name], []
    for bloc in order[1:]:
        year = min(starts[bloc].values())
        slots = tuple(sorted({o.slot for o in options if scope.bloc_of_slot(o.slot) == bloc}))
        cash = divergence_cash(scope, module_name, year)
        found.append(Charge("divergence", module.class_name, module_name, scope.joint, year, cash, slots))
    return found


def introductions(scope: Scope, decisions: Decisions) -> dict[tuple[str, str, str, int], list[str]]:
    """(programme, generation, family, step) -> slots in which a family's module is new; step 2 = facelift."""
    facts = scope.facts
    found: dict[tuple[str, str, str, int], list[str]] = {}
    for (slot_name, position), option in decisions.modules.items():
        if not scope.is_new(option):
            continue
        before = decisions.modules.get((scope.previous.get(slot_name, ""), position))
        if before is not None and (before.module, before.group, before.contract) == (option.module, option.group, ""):
            continue
        slot = facts.slots[slot_name]
        step = 2 if slot_name in scope.previous else 1
        key = (slot.programme, slot.generation, facts.modules[option.module].family, step)
        found.setdefault(key, []).append(slot_name)
    return found


def _introductions(scope: Scope, decisions: Decisions) -> list[Charge]:
    facts, found = scope.facts, []
    for (_, _, family_name, step), slots in introductions(scope, decisions).items():
        family = facts.families[family_name]
        first = min(slots, key=lambda s: (facts.slots[s].first_year, s))
        year, where = facts.slots[first].first_year, tuple(sorted(set(slots)))
        for item, with_nre in ((application_item(family.class_name), True), ("tooling", False)):
            cash = application_cash(facts, family, first, with_nre)
            found.append(Charge(item, family.class_name, family_name, "", year, cash, where))
        amount = requalification(scope, first, family.class_name, step == 2)
        found.append(
            Charge("switching", family.class_name, family_name, "", year, once(facts, amount, year - 1), where)
        )
    return found


def _cancellations(scope: Scope, decisions: Decisions) -> list[Charge]:
    facts, found = scope.facts, []
    for slot_name, position in decisions.modules:
        contract = facts.existing.get((slot_name, position))
        if contract is None or decisions.modules[(slot_name, position)].contract:
            continue
        before = decisions.modules.get((scope.previous.get(slot_name, ""), position))
        if before is not None and not before.contract:
            continue
        year = facts.slots[slot_name].first_year
        cash = once(facts, cancellation(scope, slot_name, position), year - 1)
        found.append(Charge("switching", contract.class_name, contract.module, "", year, cash, (slot_name,)))
    return found
