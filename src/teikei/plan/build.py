"""The mixed-integer program of one coalition at one rung.

Quantities are thousand pieces (or GWh in the tier and capacity rows), money is million of the study's currency,
discounted. Every function called here adds the columns and rows of one term of docs/maths/plan.md and is named after
it.
"""

from __future__ import annotations

import itertools

from teikei.plan.assembly_rows import plants_of_cars
from teikei.plan.bodies import bodies_of_twins
from teikei.plan.captive import idle_captives
from teikei.plan.competing_tiers import tiers_share_what_is_needed
from teikei.plan.develop_rows import contracts_left, families_and_variants, introductions_and_facelifts, own_or_joint
from teikei.plan.joined_spend import constant_cost
from teikei.plan.late_rows import late_starts
from teikei.plan.limit_rows import local_content_missed, plants_opened, qualification_of_sources, site_capacity
from teikei.plan.missed_rows import missed_targets
from teikei.plan.money import once, present_value
from teikei.plan.price import alliance_charged
from teikei.plan.program import Build
from teikei.plan.purchase_rows import purchases_meet_need, rebates_by_spend_group, tiers_by_drawing_group
from teikei.plan.rules import apply_rules
from teikei.plan.scope import Scope
from teikei.plan.terms_rows import bundles_bought_together, minimum_orders, take_or_pay_over_years
from teikei.plan.vehicle_work import vehicle_cost


def build(scope: Scope, *, tight: bool = True, lazy: bool = False) -> Build:
    """The program of a scope.

    tight: whether capacity bounds what tiers can be reached; off for the search for conflicting limits.
    lazy: leaves out the links between classes and blocs that seldom bind; ``links`` adds those that a solution breaks.
    """
    made = Build(scope, tight, lazy)
    if alliance_charged(scope):
        made.program.offset += present_value(
            scope.facts, once(scope.facts, scope.facts.settings.alliance_one_off, scope.facts.settings.base_year)
        )
    made.program.offset += constant_cost(scope) + vehicle_cost(scope.facts, scope.generations)
    one_configuration_per_slot(made)
    missed_targets(made)
    families_and_variants(made)
    own_or_joint(made)
    introductions_and_facelifts(made)
    late_starts(made)
    contracts_left(made)
    bodies_of_twins(made)
    plants_of_cars(made)
    purchases_meet_need(made)
    plants_opened(made)
    tiers_by_drawing_group(made)
    tiers_share_what_is_needed(made)
    rebates_by_spend_group(made)
    minimum_orders(made)
    take_or_pay_over_years(made)
    bundles_bought_together(made)
    site_capacity(made)
    qualification_of_sources(made)
    local_content_missed(made)
    idle_captives(made)
    apply_rules(made)
    return made


def independent_positions(rows: list[dict[str, str]], positions: tuple[str, ...]) -> list[tuple[str, ...]]:
    """Groups of positions such that the feasible configurations are exactly the product of the groups' own."""

    def seen(names: tuple[str, ...]) -> int:
        return len({tuple(row[name] for name in names) for row in rows})

    for size in range(1, len(positions) // 2 + 1):
        for group in itertools.combinations(positions, size):
            rest = tuple(position for position in positions if position not in group)
            if rest and seen(group) * seen(rest) == seen(positions):
                return independent_positions(rows, group) + independent_positions(rows, rest)
    return [positions]


def one_configuration_per_slot(made: Build) -> None:
    """sum of configurations = 1; drawings of a position = the configurations that carry the module.

    Positions whose choice never interacts with the others (the feasible set is a product) need no configuration
    columns: their drawings add up to 1 by themselves. That also keeps classes apart that no car ties together.
    """
    scope, program = made.scope, made.program
    for slot in scope.slots:
        allowed = []
        for _, modules in scope.facts.choices[slot]:
            names = {p: {o.module for o in scope.options[(slot, p)]} for p in modules}
            if all(module in names[position] for position, module in modules.items()):
                allowed.append(dict(modules))
        if not allowed:
            program.row(("configuration", slot), [], 1.0, 1.0)
            continue
        positions = tuple(dict.fromkeys(position for row in allowed for position in row))
        whole = [{position: row.get(position, "") for position in positions} for row in allowed]
        _use_columns(made, slot, allowed)
        for group in independent_positions(whole, positions):
            if len(group) == 1 and all(row[group[0]] for row in whole):
                _one_of(made, slot, group[0], 1.0)
            elif made.lazy:
                for position in group:
                    _one_of(made, slot, position, 1.0 if all(row[position] for row in whole) else 0.0)
                made.couplings[(slot, group)] = allowed
            else:
                couple(made, slot, group, allowed)


def _one_of(made: Build, slot: str, position: str, least: float) -> None:
    columns = [(made.use[o], 1.0) for o in made.scope.options[(slot, position)] if o in made.use]
    made.program.row(("configuration", slot, position), columns, least, 1.0)


def _use_columns(made: Build, slot: str, allowed: list[dict[str, str]]) -> None:
    present = {(position, module) for row in allowed for position, module in row.items()}
    for (name, position), options in made.scope.options.items():
        if name != slot:
            continue
        for option in options:
            if (position, option.module) in present:
                made.use[option] = made.program.column(("use", option), integer=True)
                made.carrying.setdefault((slot, position, option.module), []).append(made.use[option])


def couple(made: Build, slot: str, rest: tuple[str, ...], allowed: list[dict[str, str]]) -> None:
    """Positions of a slot that carry one of the combinations seen in ``allowed``: a column for each, once."""
    if (slot, rest) in made.configuration:
        return
    seen: dict[tuple[tuple[str, str], ...], int] = {}
    for row in allowed:
        key = tuple((p, row[p]) for p in rest if p in row)
        if key not in seen:
            seen[key] = made.program.column(("configuration", slot, key), integer=True)
    made.configuration[(slot, rest)] = seen
    made.program.row(("configuration", slot), [(column, 1.0) for column in seen.values()], 1.0, 1.0)
    for position in rest:
        modules = dict.fromkeys(row[position] for row in allowed if position in row)
        for module in modules:
            terms = [(made.use[o], 1.0) for o in made.scope.options[(slot, position)] if o.module == module]
            terms += [(column, -1.0) for key, column in seen.items() if (position, module) in key]
            made.program.row(("carries", slot, position, module), terms, 0.0, 0.0)
