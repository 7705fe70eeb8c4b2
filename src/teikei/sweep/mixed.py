"""First stages put together from several: each class of modules as the plan has it that does best by it.

Classes that no car ties together are chosen apart, so that what is best in one need not come with what is not in
another. The costs by class come from the exact prices; what is put together is priced again as a whole afterwards.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from teikei.plan.build import build
from teikei.plan.decisions import Decisions
from teikei.plan.links import joined
from teikei.plan.scope import Scope
from teikei.sweep.types import Array

ROUNDS = 10


@dataclass(frozen=True)
class Costs:
    """pool: first stages by name; by_class[name]: for every scenario, class -> cost (million)."""

    scope: Scope
    pool: Mapping[str, Decisions]
    by_class: Mapping[str, Sequence[Mapping[str, float]]]


def mix(costs: Costs, objective: Callable[[Array], float]) -> Decisions | None:
    """The first stage with the least objective that single changes of a class's plan reach from the best whole one.

    objective: of the costs over the scenarios (n,). None where there is no first stage, or none fits together.
    """
    if not costs.pool:
        return None
    groups = tied_classes(costs.scope)
    names = list(costs.pool)
    table = {name: [_by_group(groups, row) for row in costs.by_class[name]] for name in names}
    cost = {name: np.array(table[name]).T for name in names}  # (groups and rest, scenarios)
    whole = min(names, key=lambda name: objective(cost[name].sum(axis=0)))
    chosen = [whole] * len(groups)
    rest = cost[whole][-1]
    for _ in range(ROUNDS):
        before = list(chosen)
        for at in range(len(groups)):
            others = rest + sum(
                (cost[chosen[other]][other] for other in range(len(groups)) if other != at), np.zeros_like(rest)
            )
            chosen[at] = min(
                dict.fromkeys([chosen[at], *names]),
                key=lambda name: objective(others + cost[name][at]),
            )
        if chosen == before:
            break
    return put_together(costs.scope, [(group, costs.pool[name]) for group, name in zip(groups, chosen, strict=True)])


def _by_group(groups: Sequence[frozenset[str]], by_class: Mapping[str, float]) -> list[float]:
    """Cost of each group of classes, then of what belongs to none."""
    found = [sum(value for name, value in by_class.items() if name in group) for group in groups]
    return [*found, sum(by_class.values()) - sum(found)]


def tied_classes(scope: Scope) -> list[frozenset[str]]:
    """Classes of modules in groups that can be chosen apart: no car ties a module of one to a module of another."""
    made = build(scope)
    singles = {scope.facts.modules[o.module].class_name for options in scope.options.values() for o in options}
    tied = [
        {
            scope.facts.modules[option.module].class_name
            for position in positions
            for option in scope.options.get((slot, position), ())
        }
        for slot, positions in made.configuration
    ]
    return sorted(joined([*tied, *({name} for name in sorted(singles))]), key=sorted)


def put_together(scope: Scope, parts: Sequence[tuple[frozenset[str], Decisions]]) -> Decisions | None:
    """Modules and plants of each group of classes from its own plan; None where a car has no such configuration."""
    facts = scope.facts
    plant_class = {plant.name: plant.class_name for plant in facts.plants}
    modules = {
        key: option
        for classes, plan in parts
        for key, option in plan.modules.items()
        if facts.modules[option.module].class_name in classes
    }
    plants = tuple(key for classes, plan in parts for key in plan.plants if plant_class[key[1]] in classes)
    candidate = {}
    for slot in scope.slots:
        number = scope.candidate(slot, modules)
        if number is None:
            return None
        candidate[slot] = number
    return Decisions(modules, candidate, {}, plants)
