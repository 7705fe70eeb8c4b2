"""Procurement rules of the study as rows of the program."""

from __future__ import annotations

from teikei.plan.captive import SHARE_RULE, captive_shares
from teikei.plan.facts import Rule
from teikei.plan.program import Build
from teikei.plan.promises import buyers, rule_speaks_of
from teikei.plan.sources import CONTRACT


def apply_rules(made: Build) -> None:
    """Adds every rule in force; ``exclude_supplier`` already acts on who may sell (``Scope.may_buy``)."""
    for rule in made.scope.facts.rules:
        if rule.kind == "max_share_per_item":
            no_supplier_above_share(made, rule)
        elif rule.kind == "min_suppliers_per_class":
            enough_suppliers(made, rule)
        elif rule.kind == "local_supply":
            local_supply(made, rule)
        elif rule.kind == SHARE_RULE:
            captive_shares(made, rule)


def no_supplier_above_share(made: Build, rule: Rule) -> None:
    """Pieces of a drawing from one supplier <= share x all pieces of the drawing bought under offers that year."""
    scope = made.scope
    share = rule.number
    total: dict[tuple[str, str, int], list[tuple[int, float]]] = {}
    mine: dict[tuple[str, str, int, str], list[tuple[int, float]]] = {}
    for (item, source, year), column in made.bought.items():
        if source == CONTRACT or not rule_speaks_of(scope, rule, item):
            continue
        key = (item.module, item.group, year)
        total.setdefault(key, []).append((column, -share))
        supplier = scope.supplier(source, item)
        if supplier and rule.supplier in ("", supplier):
            mine.setdefault((*key, supplier), []).append((column, 1.0))
    for (module, group, year, supplier), bought in mine.items():
        terms = bought + total[(module, group, year)]
        made.program.row(("rule", rule.text, module, supplier, year), terms, upper=0.0)


def enough_suppliers(made: Build, rule: Rule) -> None:
    """Everyone who buys a class together uses at least n suppliers of it, each for a thousand pieces or more in all."""
    scope, program = made.scope, made.program
    by_group: dict[tuple[str, str], dict[str, list[tuple[int, float]]]] = {}
    most: dict[tuple[str, str], float] = {}
    for (item, year), carriers in made.members.items():
        if not rule_speaks_of(scope, rule, item):
            continue
        key = buyers(scope, item)
        most[key] = most.get(key, 0.0) + sum(cars for _, cars in carriers) / 1e3
        for source in scope.sources(item, year):
            supplier = scope.supplier(source, item)
            if not supplier:
                continue
            terms = by_group.setdefault(key, {}).setdefault(supplier, [])
            if (item, source, year) in made.bought:
                terms.append((made.bought[(item, source, year)], 1.0))
            else:
                terms += [(made.use[option], cars / 1e3) for option, cars in carriers]
    for key, suppliers in by_group.items():
        used = []
        for supplier, terms in suppliers.items():
            column = program.column(("supplier used", *key, supplier), integer=True)
            least = min(1.0, most[key])
            program.row(("rule", rule.text, *key, supplier), [*terms, (column, -least)], lower=0.0)
            used.append((column, 1.0))
        program.row(("rule", rule.text, *key), used, lower=rule.number)


def local_supply(made: Build, rule: Rule) -> None:
    """Of a class, at least a share of what who buys together takes for cars built in a country comes from there.

    Contracts in force apart.
    """
    scope = made.scope
    share = rule.number
    total: dict[tuple[str, str, str, int], list[tuple[int, float]]] = {}
    for (item, source, year), column in made.bought.items():
        if source == CONTRACT or not rule_speaks_of(scope, rule, item):
            continue
        weight = (1.0 if scope.country_of(source) == item.country else 0.0) - share
        total.setdefault((*buyers(scope, item), item.country, year), []).append((column, weight))
    for key, terms in total.items():
        made.program.row(("rule", rule.text, *key), terms, lower=0.0)
