"""Procurement rules of the study as rows of the program."""

from __future__ import annotations

from teikei.errors import StudyError
from teikei.plan.facts import Rule
from teikei.plan.program import Build
from teikei.plan.scope import Item


def apply_rules(made: Build) -> None:
    """Adds every rule in force; ``exclude_supplier`` already acts on who may sell (``Scope.may_buy``)."""
    for rule in made.scope.facts.rules:
        if rule.kind == "max_share_per_item":
            no_supplier_above_share(made, rule)
        elif rule.kind == "min_suppliers_per_class":
            enough_suppliers(made, rule)
        elif rule.kind == "local_supply":
            local_supply(made, rule)


def number(rule: Rule) -> float:
    """The value of a rule as a number; ``yes`` counts as 1."""
    try:
        return 1.0 if rule.value.lower() in ("yes", "true") else float(rule.value)
    except ValueError:
        raise StudyError(f"Rule {rule.text}: the value is not a number.") from None


def in_scope(made: Build, rule: Rule, item: Item) -> bool:
    """Whether an item falls under a rule's class and module (the country of a rule is read by the rule itself)."""
    module = made.scope.facts.modules[item.module]
    return (not rule.class_name or rule.class_name == module.class_name) and (
        not rule.module or rule.module == item.module
    )


def no_supplier_above_share(made: Build, rule: Rule) -> None:
    """Pieces of a drawing from one supplier <= share x all pieces of the drawing bought under offers that year."""
    scope = made.scope
    share = number(rule)
    total: dict[tuple[str, str, int], list[tuple[int, float]]] = {}
    mine: dict[tuple[str, str, int, str], list[tuple[int, float]]] = {}
    for (item, source, year), column in made.bought.items():
        if source == "contract" or not in_scope(made, rule, item):
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
    """At least n suppliers of a class are used, each for at least one thousand pieces over the horizon."""
    scope, program = made.scope, made.program
    by_class: dict[str, dict[str, list[tuple[int, float]]]] = {}
    most: dict[str, float] = {}
    for (item, year), carriers in made.members.items():
        if not in_scope(made, rule, item):
            continue
        class_name = scope.facts.modules[item.module].class_name
        most[class_name] = most.get(class_name, 0.0) + sum(cars for _, cars in carriers) / 1e3
        for source in scope.sources(item, year):
            supplier = scope.supplier(source, item)
            if not supplier:
                continue
            terms = by_class.setdefault(class_name, {}).setdefault(supplier, [])
            if (item, source, year) in made.bought:
                terms.append((made.bought[(item, source, year)], 1.0))
            else:
                terms += [(made.use[option], cars / 1e3) for option, cars in carriers]
    for class_name, suppliers in by_class.items():
        used = []
        for supplier, terms in suppliers.items():
            column = program.column(("supplier used", class_name, supplier), integer=True)
            least = min(1.0, most[class_name])
            program.row(("rule", rule.text, class_name, supplier), [*terms, (column, -least)], lower=0.0)
            used.append((column, 1.0))
        program.row(("rule", rule.text, class_name), used, lower=number(rule))


def local_supply(made: Build, rule: Rule) -> None:
    """At least a share of what cars built in a country take of a class comes from that country (contracts apart)."""
    scope = made.scope
    share = number(rule)
    total: dict[tuple[str, str, int], list[tuple[int, float]]] = {}
    for (item, source, year), column in made.bought.items():
        if source == "contract" or not in_scope(made, rule, item) or rule.country not in ("", item.country):
            continue
        origin = ""
        if source.startswith("offer:"):
            origin = scope.facts.offers[source[6:]].country
        elif source.startswith("plant:"):
            origin = scope.plants_of(source[6:].split("@")[0])[0].country
        key = (scope.facts.modules[item.module].class_name, item.country, year)
        weight = (1.0 if origin == item.country else 0.0) - share
        total.setdefault(key, []).append((column, weight))
    for (class_name, country, year), terms in total.items():
        made.program.row(("rule", rule.text, class_name, country, year), terms, lower=0.0)
