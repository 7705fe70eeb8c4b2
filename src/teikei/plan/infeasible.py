"""Why there is no plan: an irreducible set of limits in conflict, found by a deletion filter, in the study's words."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import replace

from teikei.plan.arrays import INFINITY, Program, minimise
from teikei.plan.build import build
from teikei.plan.program import Build
from teikei.plan.relaxation import least_changes
from teikei.plan.scope import Scope

FILTER_NODES = 200


def explain_infeasible(scope: Scope) -> list[str]:
    """Sentences that name programmes, capacities, minimum orders and rules which cannot hold together.

    Every limit named is needed for the conflict: without any one of them it is gone (deletion filter). The last
    sentences say by how much each would have to give way, alone, the smallest relative change first
    (``relaxation``); where no such change gives a plan because another conflict is left, they say that. Empty where a
    plan exists after all.
    """
    made = build(scope, tight=False)
    empty = _without_choice(made)
    if empty:
        return empty
    program = made.program
    groups: dict[Hashable, list[int]] = {}
    for row, name in enumerate(program.row_names):
        group = _group(name)
        if group is not None:
            groups.setdefault(group, []).append(row)
    if _feasible(program, set()):
        return []
    dropped: set[int] = set()
    kept = []
    for group, rows in groups.items():
        trial = dropped | set(rows)
        if _feasible(program, trial):
            kept.append(group)
        else:
            dropped = trial
    conflict = {group: groups[group] for group in kept}
    whole = replace(made, program=_without_rows(program, set()))
    changes = least_changes(whole, conflict, lambda other: has_plan(other, None))
    if not changes:
        others = replace(made, program=_without_rows(program, dropped))
        ends = "Smallest change that ends this conflict (another one is left then)"
        changes = least_changes(others, conflict, lambda other: has_plan(other, kept), ends)
    return [*(_sentence(made, group) for group in kept), *changes]


def has_plan(scope: Scope, kept: Sequence[Hashable] | None) -> bool:
    """Whether a scope has a plan when only the limits ``kept`` (and what defines the program) hold; None: all."""
    made = build(scope, tight=False)
    out = {row for row, name in enumerate(made.program.row_names) if kept is not None and _other(name, kept)}
    return _feasible(made.program, out)


def _other(name: tuple[object, ...], kept: Sequence[Hashable]) -> bool:
    group = _group(name)
    if isinstance(group, tuple) and group[0] == "rule":  # a changed rule has another text: rules hold where any does
        return not any(isinstance(one, tuple) and one[0] == "rule" for one in kept)
    return group is not None and group not in kept


def _without_choice(made: Build) -> list[str]:
    """Cars none of whose configurations can be had: a module too late, not available, or without a source."""
    scope, sentences = made.scope, []
    for row, name in enumerate(made.program.row_names):
        if name[0] != "configuration" or made.program.row_lower[row] != 1.0 or row in made.program.rows:
            continue
        slot = scope.facts.slots[name[1]]
        missing = []
        for position in dict.fromkeys(p for _, modules in scope.facts.choices[name[1]] for p in modules):
            if not scope.options.get((name[1], position)):
                modules = sorted({m[position] for _, m in scope.facts.choices[name[1]] if position in m})
                missing.append(f"{position} ({', '.join(modules)})")
        text = f"for {'; '.join(missing)}" if missing else "for all positions together"
        sentences.append(
            f"{slot.programme} {slot.generation} {slot.version} from {slot.first_year}: no module can be had {text}: "
            f"each is too late, not available to {scope.company_of[name[1]]}, or has no offer in some year."
        )
    return sentences


def _group(name: tuple[object, ...]) -> Hashable | None:
    """Limits that are dropped together; None for rows that define the program."""
    kind = name[0]
    if kind == "site capacity":
        return ("site", name[1])
    if kind == "rule":
        return ("rule", name[1])
    if kind == "plant capacity":
        return ("plant", name[2])
    if kind == "need":
        item = name[1]
        return ("programme", getattr(item, "programme", ""))
    if kind == "tier from":
        return ("minimum", name[1])
    return None


def _feasible(program: Program, without: set[int]) -> bool:
    """Whether the program has a plan when some rows are dropped (cost set to zero: any plan will do)."""
    found = minimise(
        _without_rows(program, without), gap_absolute=INFINITY, gap_relative=INFINITY, node_limit=FILTER_NODES
    )
    return found.x is not None


def _without_rows(program: Program, without: set[int]) -> Program:
    trial = Program(
        cost=[0.0] * len(program.cost), lower=program.lower, upper=program.upper, integer=program.integer,
        names=program.names, row_lower=list(program.row_lower), row_upper=list(program.row_upper),
        row_names=program.row_names, rows=program.rows, columns=program.columns, values=program.values,
    )  # fmt: skip
    for row in without:
        trial.row_lower[row], trial.row_upper[row] = -INFINITY, INFINITY
    return trial


def _sentence(made: Build, group: Hashable) -> str:
    assert isinstance(group, tuple)  # noqa: S101 - groups are made here
    kind, name = group
    facts = made.scope.facts
    if kind == "site":
        site = facts.sites[name]
        free = min(site.free.values())
        return f"Site {name} has {free:,.6g} {site.unit} a year free at the least (capacity less other customers)."
    if kind == "rule":
        return f"Rule {name}."
    if kind == "plant":
        return f"Plant {name} can make no more than its step after ramp-up."
    if kind == "minimum":
        offer = facts.offers[name]
        return f"Offer {name} of {offer.supplier} sells {offer.module} from {offer.minimum_quantity:,.6g} a year on."
    return f"Programme {name} needs its modules in every year it is built."
