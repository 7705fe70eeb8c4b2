"""Links between classes of modules, added only where a solution breaks them.

Without the ties of one car's positions the program falls into small parts, and most ties never bind. Leaving one out
can only lower the cost: a bound of the looser program is a bound of the whole, and a plan that breaks no tie is a plan
of the whole.
"""

from __future__ import annotations

import itertools
from collections.abc import Hashable, Iterable, Set

import numpy as np
import numpy.typing as npt

from teikei.plan.arrays import relax
from teikei.plan.build import couple
from teikei.plan.late_rows import late_broken, tie_late
from teikei.plan.missed_rows import tie, tie_among, tie_broken
from teikei.plan.program import Build

Vector = npt.NDArray[np.float64]
ROUNDS = 6


def add_known(made: Build, known: Iterable[Hashable]) -> None:
    """Adds the links that another program of the study has needed."""
    for name in known:
        if isinstance(name, tuple) and name[0] == "missed" and name[1] in made.rest:
            tie(made, name[1], name[2])
        if isinstance(name, tuple) and name[0] == "late" and name[1:] in made.late:
            tie_late(made, (name[1], name[2], name[3]))
        for (slot, group), allowed in list(made.couplings.items()):
            if isinstance(name, tuple) and name[0] == "coupling" and name[1] == slot and set(name[2]) <= set(group):
                _couple(made, slot, group, set(name[2]), allowed)


def _couple(made: Build, slot: str, group: tuple[str, ...], tied: set[str], allowed: list[dict[str, str]]) -> None:
    together = tuple(position for position in group if position in tied)
    couple(made, slot, together, [{p: row[p] for p in together if p in row} for row in allowed])
    made.linked.append(("coupling", slot, together))
    if len(together) == len(group):
        del made.couplings[(slot, group)]


def add_broken_by_relaxation(made: Build, slack: float = 0.0) -> None:
    """Adds, in rounds, the links that the solution without integrality breaks; slack as for ``add_broken``."""
    for _ in range(ROUNDS):
        x = relax(made.program)
        if x is None or not add_broken(made, x, slack):
            break
    add_between_tied_classes(made)


def add_between_tied_classes(made: Build) -> None:
    """Classes that are tied anyway are tied in every car: leaving those links out would win nothing."""
    scope = made.scope

    def class_of(slot: str, position: str) -> str:
        return scope.facts.modules[scope.options[(slot, position)][0].module].class_name

    tied = [name for name in made.linked if name[0] != "late"]
    together = joined({class_of(name[1], position) for position in name[2]} for name in tied)
    for (slot, group), allowed in list(made.couplings.items()):
        for classes in together:
            mine = {position for position in group if class_of(slot, position) in classes}
            if len(mine) > 1 and ("coupling", slot, tuple(p for p in group if p in mine)) not in made.linked:
                _couple(made, slot, group, mine, allowed)
                break
    for slot in list(made.rest):
        for classes in together:
            rest = made.rest.get(slot)
            among = tuple(p for p in rest.modules if class_of(slot, p) in classes) if rest is not None else ()
            if len(among) > 1:
                tie_among(made, slot, among)


def joined(sets: Iterable[Set[str]]) -> list[frozenset[str]]:
    """Sets that share a member, put together."""
    found: list[frozenset[str]] = []
    for one in sets:
        apart = [group for group in found if not group & one]
        found = [*apart, frozenset(one).union(*(group for group in found if group & one))]
    return found


def add_broken(made: Build, x: Vector, slack: float = 0.0) -> bool:
    """Adds the links that a solution breaks; whether there was any.

    slack: million that a slot's missed targets or a late start may cost more than the solution says (``missed_rows``,
    ``late_rows``). A coupling is broken where a module has a larger share than all modules together that it may be
    combined with.
    """
    broken = tie_broken(made, x, slack)
    broken = late_broken(made, x, slack) or broken
    for (slot, group), allowed in list(made.couplings.items()):
        share = _shares(made, slot, group, x)
        tied: set[str] = set()
        for one, other in itertools.permutations(group, 2):
            for module, amount in share[one].items():
                partners = {row.get(other, "") for row in allowed if row.get(one, "") == module}
                if amount > sum(share[other].get(partner, 0.0) for partner in partners) + 1e-6:
                    tied |= {one, other}
        whole = _choice(share)
        if not tied and whole is not None and not any(_carries(row, whole) for row in allowed):
            tied = set(group)
        if tied:
            broken = True
            _couple(made, slot, group, tied, allowed)
    return broken


def _shares(made: Build, slot: str, group: tuple[str, ...], x: Vector) -> dict[str, dict[str, float]]:
    """Position -> module -> share; "" stands for a position left empty."""
    result: dict[str, dict[str, float]] = {}
    for position in group:
        share: dict[str, float] = {}
        for option in made.scope.options.get((slot, position), ()):
            column = made.use.get(option)
            if column is not None and x[column] > 1e-9:
                share[option.module] = share.get(option.module, 0.0) + float(x[column])
        empty = 1.0 - sum(share.values())
        if empty > 1e-6:
            share[""] = empty
        result[position] = share
    return result


def _choice(share: dict[str, dict[str, float]]) -> dict[str, str] | None:
    """The module of every position where each is chosen whole."""
    found = {}
    for position, modules in share.items():
        best = max(modules, key=lambda name: modules[name], default="")
        if modules.get(best, 0.0) < 1.0 - 1e-6:
            return None
        found[position] = best
    return found


def _carries(row: dict[str, str], whole: dict[str, str]) -> bool:
    return all(row.get(position, "") == module for position, module in whole.items())
