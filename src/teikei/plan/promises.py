"""Whether a plan keeps what it was solved under: sources, capacities, plants, rules; checked outside the solver."""

from __future__ import annotations

import math
from collections.abc import Iterator

from teikei.plan.assembly import broken_plants
from teikei.plan.bodies import broken_bodies
from teikei.plan.captive import SHARE_RULE, broken_share
from teikei.plan.decisions import Decisions
from teikei.plan.facts import Rule
from teikei.plan.money import plant_capacity_gwh, plant_first_year
from teikei.plan.scope import Item, Scope
from teikei.plan.sources import CONTRACT, OFFER, PLANT, Source

RELATIVE = 1e-6
CRUMB = 1e-3  # pieces: what a solver's tolerance may leave where nothing is allowed


def broken_promises(scope: Scope, decisions: Decisions) -> list[str]:
    """What a plan's awards break, in the study's words; empty for a plan that may be handed out.

    A contract taken up again after it was left; a source that may not serve the item in the year; more from a site
    than the coalition has there (its contracts and the expansions it pays included); more from a plant than it can
    make, or two sizes of one; a procurement rule. All within 1e-6 of the limit. Nothing is priced here: a price can
    only follow from what is bought (``price``).
    """
    return [
        *_contracts(scope, decisions),
        *broken_bodies(scope, decisions),
        *broken_plants(scope, decisions),
        *_sources(scope, decisions),
        *_sites(scope, decisions),
        *_plants(scope, decisions),
        *(text for rule in scope.facts.rules for text in _rule(scope, decisions, rule)),
    ]


def _above(amount: float, limit: float, crumb: float) -> bool:
    return amount > limit * (1 + RELATIVE) + crumb


def _contracts(scope: Scope, decisions: Decisions) -> Iterator[str]:
    """Once left a contract does not come back: who keeps it after a facelift has kept it before."""
    for (slot, position), option in decisions.modules.items():
        before = option._replace(slot=scope.previous.get(slot, ""))
        offered = before in scope.options.get((before.slot, position), ())
        if option.contract and offered and decisions.modules[(before.slot, position)] != before:
            programme = scope.facts.slots[slot].programme
            yield f"the contract of {programme} for {position} is kept after the facelift, but was left before it"


def _sources(scope: Scope, decisions: Decisions) -> Iterator[str]:
    for item, source, year in decisions.awards:
        if source not in scope.sources(item, year):
            yield f"{item.module} for {item.programme} is awarded to {source} in {year}, which may not serve it"


def _sites(scope: Scope, decisions: Decisions) -> Iterator[str]:
    """Q_g <= part of the free capacity + what its expansions add, all parts together <= free, by spend group g."""
    facts = scope.facts
    taken: dict[tuple[str, int], dict[str, float]] = {}
    for (item, source, year), pieces in decisions.awards.items():
        site, amount = scope.taken(item, source, year, pieces)
        if site in facts.sites:
            group = scope.buying_group(facts.modules[item.module].class_name, scope.item_bloc(item))
            by = taken.setdefault((site, year), {})
            by[group] = by.get(group, 0.0) + amount
    known = {(one.site, one.from_year, one.capacity) for one in facts.expansions}
    paid = [tuple(what) for _, *what in decisions.expansions]
    for one in dict.fromkeys(paid):
        if one not in known or paid.count(one) > 1:
            yield f"the expansion of {one[0]} in {one[1]} is not on offer, or paid twice"
    for (site, year), by_group in taken.items():
        more = {
            group: math.fsum(
                capacity
                for payer, name, start, capacity in decisions.expansions
                if name == site and year >= start and set(payer.split("+")) <= set(group.split("+"))
            )
            for group in by_group
        }
        drawn = math.fsum(max(0.0, amount - more[group]) for group, amount in by_group.items())
        free = scope.free_capacity(site, year)
        crumb = CRUMB if facts.sites[site].unit == "pieces" else RELATIVE
        if _above(drawn, free, crumb):
            text = f"{math.fsum(by_group.values()):,.6g} {facts.sites[site].unit} are awarded to {site} in {year}"
            yield f"{text}, {free + math.fsum(more.values()):,.6g} are free there"


def _plants(scope: Scope, decisions: Decisions) -> Iterator[str]:
    facts = scope.facts
    delivered: dict[tuple[str, str, int], float] = {}
    for (item, source, year), pieces in decisions.awards.items():
        if source.kind == PLANT:
            name, owner = source.name, source.owner
            gwh = facts.modules[item.module].energy_kwh * pieces / 1e6
            delivered[(owner, name, year)] = delivered.get((owner, name, year), 0.0) + gwh
    built = [(owner, name) for owner, name, _, _ in decisions.plants]
    for owner, name, step, opened in decisions.plants:
        size = next((plant for plant in scope.plants_of(name) if plant.step_gwh == step), None)
        if size is None or opened < plant_first_year(facts, size) or built.count((owner, name)) > 1:
            yield f"plant {name} of {owner} with {step:g} GWh from {opened} on cannot be built so, or is built twice"
    for (owner, name, year), gwh in delivered.items():
        capacity = math.fsum(
            plant_capacity_gwh(plant, opened, year)
            for who, which, step, opened in decisions.plants
            if (who, which) == (owner, name)
            for plant in scope.plants_of(name)
            if plant.step_gwh == step
        )
        if _above(gwh, capacity, RELATIVE):
            yield f"plant {name} of {owner} would deliver {gwh:.4g} GWh in {year}, it can {capacity:.4g}"


def _rule(scope: Scope, decisions: Decisions, rule: Rule) -> Iterator[str]:
    """Rules on shares and numbers of suppliers; whom a rule excludes is no source in the first place."""
    bought = {
        key: pieces for key, pieces in decisions.awards.items() if rule_speaks_of(scope, rule, key[0]) and pieces > 0
    }
    if rule.kind == "max_share_per_item":
        yield from _shares(scope, rule, bought)
    elif rule.kind == "local_supply":
        yield from _local(scope, rule, bought)
    elif rule.kind == SHARE_RULE:
        yield from broken_share(scope, decisions, rule)
    elif rule.kind == "min_suppliers_per_class":
        suppliers: dict[tuple[str, str], dict[str, float]] = {}
        for (item, source, year), pieces in bought.items():
            if not any(scope.supplier(one, item) for one in scope.sources(item, year)):
                continue
            by = suppliers.setdefault(buyers(scope, item), {})
            name = scope.supplier(source, item)
            by[name] = by.get(name, 0.0) + pieces
        for (class_name, group), by in suppliers.items():
            least = min(1e3, math.fsum(by.values())) * (1 - RELATIVE)
            count = sum(1 for name, pieces in by.items() if name and pieces >= least)
            if count < rule.number:
                yield f"rule {rule.text} is broken: {group} buys {class_name} from {count}"


def _shares(scope: Scope, rule: Rule, bought: dict[tuple[Item, Source, int], float]) -> Iterator[str]:
    total: dict[tuple[str, str, int], float] = {}
    mine: dict[tuple[str, str, int, str], float] = {}
    for (item, source, year), pieces in bought.items():
        if source == CONTRACT or not _has_choice(scope, item, year):
            continue
        key = (item.module, item.group, year)
        total[key] = total.get(key, 0.0) + pieces
        supplier = scope.supplier(source, item)
        if supplier and rule.supplier in ("", supplier):
            mine[(*key, supplier)] = mine.get((*key, supplier), 0.0) + pieces
    for (module, group, year, supplier), pieces in mine.items():
        if _above(pieces, rule.number * total[(module, group, year)], CRUMB):
            yield f"rule {rule.text} is broken: {supplier} makes {pieces:,.6g} of {module} in {year}"


def _local(scope: Scope, rule: Rule, bought: dict[tuple[Item, Source, int], float]) -> Iterator[str]:
    total: dict[tuple[str, str, str, int], float] = {}
    local: dict[tuple[str, str, str, int], float] = {}
    for (item, source, year), pieces in bought.items():
        if source == CONTRACT or not _has_choice(scope, item, year):
            continue
        key = (*buyers(scope, item), item.country, year)
        total[key] = total.get(key, 0.0) + pieces
        if scope.country_of(source) == item.country:
            local[key] = local.get(key, 0.0) + pieces
    for key, pieces in total.items():
        class_name, group, country, year = key
        if local.get(key, 0.0) < rule.number * pieces * (1 - RELATIVE) - CRUMB:
            text = f"{local.get(key, 0.0):,.6g} of {pieces:,.6g} {class_name} that {group} takes in {country} in {year}"
            yield f"rule {rule.text} is broken: {text} come from there"


def _has_choice(scope: Scope, item: Item, year: int) -> bool:
    """Whether an item is awarded at all: one flat price (a curve, a contract) is no award."""
    sources = scope.sources(item, year)
    return len(sources) > 1 or sources[0].kind in (OFFER, PLANT)


def rule_speaks_of(scope: Scope, rule: Rule, item: Item) -> bool:
    """Whether an item falls under a rule's class, module and country of the car plant."""
    module = scope.facts.modules[item.module]
    return (
        (not rule.class_name or rule.class_name == module.class_name)
        and (not rule.module or rule.module == item.module)
        and (not rule.country or rule.country == item.country)
    )


def buyers(scope: Scope, item: Item) -> tuple[str, str]:
    """(class, spend group): a rule on where parts come from holds for each who buys by itself."""
    class_name = scope.facts.modules[item.module].class_name
    return class_name, scope.buying_group(class_name, scope.item_bloc(item))
