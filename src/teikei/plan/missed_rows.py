"""Rows of missed targets: what the buyers of a car lose belongs to its whole configuration, not to one module.

P(c), the penalty of configuration c of a slot, is split into parts of single modules and a rest that is never negative:

    P(c) = sum over positions p of a(p, module of c at p) + R(c),   a >= 0, R >= 0

The parts go to the modules' own columns. R needs the ties between positions that ``links`` leaves out; so it is added
only where a solution carries a configuration with a rest, for the fewest positions that explain it. Leaving a rest out
can only lower the cost: the bound stays a bound, and the plan's own price is exact in any case.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from teikei.plan.money import discount
from teikei.plan.program import Build, Rest

Vector = npt.NDArray[np.float64]
SMALL = 1e-3  # of the largest rest of a slot: less of it is not worth a tie by itself
EXPLAINED = 0.999  # of a rest: with so much of it on fewer positions the others are left aside


def missed_targets(made: Build) -> None:
    """Cost of the targets that configurations miss: on modules where it can be, the rest kept aside or tied at once."""
    scope, facts = made.scope, made.scope.facts
    for slot in scope.slots:
        if not facts.missed.get(slot):
            continue
        rows, per_car = [], []
        for number, modules in facts.choices[slot]:
            if all((slot, position, module) in made.carrying for position, module in modules.items()):
                rows.append(dict(modules))
                per_car.append(facts.missed_per_car(slot, number))
        cars = sum(amount * discount(facts, year) for (_, year), amount in scope.demand[slot].items())
        penalty = np.array(per_car) * cars / 1e6
        parts, rest = split(rows, penalty)
        for (position, module), amount in parts.items():
            for column in made.carrying[(slot, position, module)]:
                made.program.cost[column] += amount
        if rest.max(initial=0.0) > 0:
            made.rest[slot] = Rest(rows, rest)
            if not made.lazy:
                tie(made, slot, tuple(made.rest[slot].modules))


def split(rows: Sequence[dict[str, str]], penalty: Vector) -> tuple[dict[tuple[str, str], float], Vector]:
    """(position, module) -> its part of the penalty, and the rest of every configuration; none below 0.

    A module's part is what every configuration with it lacks at least; the order of positions that puts most on the
    modules is taken, of equal ones the first.
    """
    positions = [p for p in dict.fromkeys(p for row in rows for p in row) if len({row.get(p, "") for row in rows}) > 1]
    members = {
        (p, m): np.array([n for n, row in enumerate(rows) if row.get(p, "") == m])
        for p in positions
        for m in dict.fromkeys(row[p] for row in rows if p in row)
    }
    best: tuple[float, dict[tuple[str, str], float], Vector] | None = None
    for first in positions or [""]:
        rest, parts = penalty.copy(), dict[tuple[str, str], float]()
        for position in [first, *(p for p in positions if p != first)]:
            for key, mine in members.items():
                least = float(rest[mine].min()) if key[0] == position else 0.0
                if least > 0:
                    parts[key] = least
                    rest[mine] -= least
        left = float(rest.sum())
        if best is None or left < best[0] * (1 - 1e-9):
            best = left, parts, np.maximum(rest, 0.0)
    assert best is not None  # noqa: S101 - there is always a first order
    return best[1], best[2]


def tie_broken(made: Build, x: Vector, slack: float) -> bool:
    """Ties the positions of slots whose configuration in a solution has a rest above slack; whether there was any."""
    broken = False
    for slot, rest in list(made.rest.items()):
        number, amount = rest.of(_whole(made, slot, x))
        if amount > slack:
            tie(made, slot, _explaining(rest, number))
            broken = True
    return broken


def tie(made: Build, slot: str, positions: tuple[str, ...]) -> None:
    """A column for each combination of modules on these positions: the rest that all configurations with it have."""
    from teikei.plan.build import couple

    rest = made.rest[slot]
    wider = [group for name, group in made.configuration if name == slot and set(positions) <= set(group)]
    group = min(wider, key=len) if wider else positions
    if not wider:
        couple(made, slot, group, [{p: row[p] for p in group if p in row} for row in rest.rows])
    made.linked.append(("missed", slot, group))
    lowest = _least(rest, group)
    for key, least in lowest.items():
        column = made.configuration[(slot, group)].get(tuple((p, m) for p, m in zip(group, key, strict=True) if m))
        if column is not None and least > 0:
            made.program.cost[column] += least
    keys = [tuple(row.get(p, "") for p in group) for row in rest.rows]
    left = np.maximum(rest.million - np.array([lowest[key] for key in keys]), 0.0)
    if left.max(initial=0.0) > 1e-9:
        made.rest[slot] = Rest(rest.rows, left)
    else:
        del made.rest[slot]


def tie_among(made: Build, slot: str, positions: tuple[str, ...]) -> bool:
    """Ties positions that are together anyway, where that says anything of the rest; whether it did."""
    rest = made.rest[slot]
    if max(_least(rest, positions).values()) <= SMALL * float(rest.million.max()):
        return False
    tie(made, slot, positions)
    return True


def _least(rest: Rest, positions: Sequence[str]) -> dict[tuple[str, ...], float]:
    """Modules on these positions -> the least rest of a configuration with them."""
    found: dict[tuple[str, ...], float] = {}
    for row, amount in zip(rest.rows, rest.million, strict=True):
        key = tuple(row.get(position, "") for position in positions)
        found[key] = min(float(amount), found.get(key, float("inf")))
    return found


def _explaining(rest: Rest, number: int) -> tuple[str, ...]:
    """The fewest positions whose modules leave (nearly) all of a configuration's rest whatever stands elsewhere."""
    row, positions = rest.rows[number], tuple(rest.modules)
    for size in range(2, len(positions)):
        best = max(
            itertools.combinations(positions, size),
            key=lambda group: _least(rest, group)[tuple(row.get(p, "") for p in group)],
        )
        if _least(rest, best)[tuple(row.get(p, "") for p in best)] >= EXPLAINED * float(rest.million[number]):
            return best
    return positions


def _whole(made: Build, slot: str, x: Vector) -> dict[str, str]:
    """Position -> the module with the largest share there, where it has more than half."""
    found: dict[str, tuple[float, str]] = {}
    for position, modules in made.rest[slot].modules.items():
        for module in modules:
            share = sum(float(x[column]) for column in made.carrying[(slot, position, module)])
            if share > max(0.5, found.get(position, (0.0, ""))[0]):
                found[position] = (share, module)
    return {position: module for position, (_, module) in found.items()}
