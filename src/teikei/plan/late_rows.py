"""Rows of late starts: a start waits for the last of what is new to the car, and each quarter it waits loses cars."""

from __future__ import annotations

import itertools

import numpy as np
import numpy.typing as npt

from teikei.plan.lateness import car_late, carried_today, cost_of_lateness, quarters_late, start_of
from teikei.plan.lead_times import Start
from teikei.plan.program import Build, Waiting
from teikei.plan.scope import Option, Scope

Vector = npt.NDArray[np.float64]
Term = tuple[int, int, tuple[int, ...]]
"""Column of what counts as new, column of the use, columns of the same drawing before the facelift."""


def late_starts(made: Build) -> None:
    """L(start, q) >= what is new to a position and q or more quarters late; L costs what the quarters up to q add.

    q runs over the lateness that options of the car can have. What no choice avoids is a constant.
    """
    scope = made.scope
    if scope.facts.time is None:
        return
    places: dict[Start, dict[tuple[str, str], list[tuple[int, Term]]]] = {}
    least: dict[Start, int] = {}
    for car in scope.generations:
        if late := car_late(scope, car):
            least[(*car, scope.facts.time.start_of_production[car])] = late
    for slot in scope.slots:
        start = start_of(scope, slot)
        everywhere = frozenset[str].intersection(*(frozenset(modules) for _, modules in scope.facts.choices[slot]))
        for (name, position), options in scope.options.items():
            if name != slot:
                continue
            used = [option for option in options if option in made.use]
            late_of = {option: _late(scope, option) for option in used}
            if position in everywhere and slot not in scope.previous and used:
                least[start] = max(least.get(start, 0), min(late_of.values()))
            found = [(late, _new(made, option, made.use[option])) for option, late in late_of.items() if late]
            if found:
                places.setdefault(start, {})[(slot, position)] = found
    for start in dict.fromkeys((*least, *places)):
        made.program.offset += cost_of_lateness(scope, start, least.get(start, 0))
        _levels(made, start, least.get(start, 0), places.get(start, {}))


def _late(scope: Scope, option: Option) -> int:
    """Quarters that the option makes its start late where nothing came before it."""
    if option.slot not in scope.previous and carried_today(scope, option):
        return 0
    return quarters_late(scope, option)


def _new(made: Build, option: Option, use: int) -> Term:
    """The column of a use that counts as new: after a facelift only what the car did not carry before."""
    slot = made.scope.previous.get(option.slot)
    if slot is None:
        return use, use, ()
    same = [o for o in made.scope.options.get((slot, option.position), ()) if o[2:4] == option[2:4]]
    before = tuple(made.use[o] for o in same if o in made.use)
    if not before:
        return use, use, ()
    column = made.changed.get(option)
    if column is None or len(before) > 1:
        column = made.program.column(("new at facelift", option))
        terms = [(use, 1.0), *((other, -1.0) for other in before), (column, -1.0)]
        made.program.row(("new at facelift", option), terms, upper=0.0)
    return column, use, before


def _levels(made: Build, start: Start, least: int, by_place: dict[tuple[str, str], list[tuple[int, Term]]]) -> None:
    """Columns of how late the modules of each class make a start; they bear its cost in equal parts until tied.

    The latest of the classes is what counts, so that their mean is never too much (see ``tie_late``).
    """
    scope, program = made.scope, made.program
    quarters = sorted({late for terms in by_place.values() for late, _ in terms if late > least})
    costs = [cost_of_lateness(scope, start, late) for late in (least, *quarters)]
    steps = {late: now - before for late, (before, now) in zip(quarters, itertools.pairwise(costs), strict=True)}
    classes: dict[str, dict[tuple[str, str], list[tuple[int, Term]]]] = {}
    for place, terms in by_place.items():
        classes.setdefault(scope.facts.modules[scope.options[place][0].module].class_name, {})[place] = terms
    rows: dict[int, list[list[Term]]] = {}
    waiting = Waiting({late: cost for late, cost in steps.items() if cost > 0})
    for late, cost in waiting.cost.items():
        so_late = {name for name, places in classes.items() if any(q >= late for ts in places.values() for q, _ in ts)}
        for name in [name for name in classes if name in so_late]:
            column = program.column(("late of", *start, late, name), cost=cost / len(so_late))
            waiting.columns.setdefault(late, []).append(column)
            for place, terms in classes[name].items():
                if mine := [term for quarter, term in terms if quarter >= late]:
                    row = [*((new, 1.0) for new, _, _ in mine), (column, -1.0)]
                    program.row(("late of", *start, late, name, *place), row, upper=0.0)
                    rows.setdefault(column, []).append(mine)
    made.fills.append(lambda x: _fill(rows, x))
    if any(len(columns) > 1 for columns in waiting.columns.values()):
        made.late[start] = waiting
        if not made.lazy:
            tie_late(made, start)


def tie_late(made: Build, start: Start) -> None:
    """A start is as late as the latest of its classes: one column for each level, above those of all classes."""
    waiting, program = made.late.pop(start), made.program
    made.linked.append(("late", *start))
    top: dict[int, list[int]] = {}
    for late, columns in waiting.columns.items():
        if len(columns) == 1:
            continue
        whole = program.column(("late", *start, late), cost=waiting.cost[late])
        top[whole] = columns
        for column in columns:
            program.cost[column] = 0.0
            program.row(("late", *start, late, column), [(column, 1.0), (whole, -1.0)], upper=0.0)
    made.fills.append(lambda x: _fill_top(top, x))


def late_broken(made: Build, x: Vector, slack: float) -> bool:
    """Ties the starts whose lateness costs more than a solution says, by more than slack; whether there was any."""
    broken = False
    for start, waiting in list(made.late.items()):
        missing = 0.0
        for late, columns in waiting.columns.items():
            level = [float(x[column]) for column in columns]
            borne = sum(made.program.cost[column] * float(x[column]) for column in columns)
            missing += waiting.cost[late] * max(level) - borne
        if missing > slack:
            tie_late(made, start)
            broken = True
    return broken


def _fill(rows: dict[int, list[list[Term]]], x: Vector) -> None:
    for column, places in rows.items():
        for terms in places:
            total = 0.0
            for new, use, before in terms:
                value = max(0.0, float(x[use] - sum(x[other] for other in before))) if before else float(x[use])
                if new != use:
                    x[new] = value
                total += value
            x[column] = max(x[column], total)


def _fill_top(top: dict[int, list[int]], x: Vector) -> None:
    for whole, columns in top.items():
        x[whole] = max(float(x[column]) for column in columns)
