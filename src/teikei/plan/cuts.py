"""Tightens a program before it is solved: what a tier or rebate needs, said in whole positions.

A tier from L pieces on is reached only if enough positions carry the drawing and buy it there. For every set A of
positions that are granted in full, the others must bring what is missing, and none of them counts for more than that:

    sum over i not in A of min(D_i, L - D(A)) u_i  >=  (L - D(A)) y,      u_i = the position carries it, or may buy there

These are knapsack cover inequalities (Carr, Fleischer, Leung, Phillips 2000); they are true of every plan and cut off
plans that reach a tier with fractions of positions. They are added where the relaxation breaks them, in rounds.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import highspy
import numpy as np
import numpy.typing as npt

from teikei.plan.program import THOUSAND, Build

Vector = npt.NDArray[np.float64]
ROUNDS = 12
VIOLATED = 1e-4  # of the right-hand side


@dataclass(frozen=True)
class Demand:
    """level is reached (sum of choices = 1) only with at least ``level`` from the positions: most_i and what opens it."""

    level: float
    choices: tuple[int, ...]
    most: tuple[float, ...]
    opens: tuple[tuple[tuple[int, ...], ...], ...]


def tighten(made: Build, *, rounds: int = ROUNDS) -> int:
    """Adds violated cover rows to the program in rounds; returns their number."""
    demands = [*_tiers(made), *_rebates(made)]
    if not demands:
        return 0
    program = made.program
    highs: Any = highspy.Highs()
    highs.setOptionValue("output_flag", False)
    highs.setOptionValue("threads", 1)
    relaxed = program.to_highs()
    relaxed.integrality_ = []
    highs.passModel(relaxed)
    seen: set[tuple[int, ...]] = set()
    added = 0
    for _ in range(rounds):
        highs.run()
        x = np.asarray(highs.getSolution().col_value)
        if not len(x):
            break
        rows = [row for demand in demands for row in _violated(demand, x, seen)]
        if not rows:
            break
        for terms in rows:
            program.row(("cover", added), terms, lower=0.0)
            columns, values = zip(*terms, strict=True)
            highs.addRow(0.0, highspy.kHighsInf, len(columns), np.asarray(columns, dtype=np.int32), np.asarray(values))
            added += 1
    return added


def _violated(demand: Demand, x: Vector, seen: set[tuple[int, ...]]) -> Iterator[list[tuple[int, float]]]:
    reached = float(sum(x[column] for column in demand.choices))
    if reached < 1e-6:
        return
    opening = [min(group, key=lambda columns: sum(x[c] for c in columns)) for group in demand.opens]
    value = np.asarray([min(1.0, sum(x[c] for c in columns)) for columns in opening])
    order = np.argsort(-value, kind="stable")
    missing, best, chosen = demand.level, 0.0, -1
    for granted in range(len(order) + 1):
        if missing <= 1e-9 * demand.level:
            break
        rest = order[granted:]
        have = float(np.minimum(np.asarray(demand.most)[rest], missing) @ value[rest])
        short = reached - have / missing
        if short > best + VIOLATED:
            best, chosen = short, granted
        if granted < len(order):
            missing -= demand.most[order[granted]]
    if chosen < 0:
        return
    missing = demand.level - sum(demand.most[i] for i in order[:chosen])
    terms: dict[int, float] = {}
    for i in order[chosen:]:
        for column in opening[i]:
            terms[column] = terms.get(column, 0.0) + min(demand.most[i], missing) / missing
    for column in demand.choices:
        terms[column] = terms.get(column, 0.0) - 1.0
    name = (*sorted(terms), *demand.choices)
    if name not in seen:
        seen.add(name)
        yield list(terms.items())


def _tiers(made: Build) -> Iterator[Demand]:
    scope, facts = made.scope, made.scope.facts
    for key, steps in made.tier.items():
        offer, pool = facts.offers[key[0]], made.pools[key]
        if len(pool.steps) == 1 and pool.steps[0][1] == 0.0:
            continue
        scale = facts.tier_units(offer.module, THOUSAND) * pool.kept
        most: dict[Any, float] = {}
        opens: dict[Any, tuple[tuple[int, ...], ...]] = {}
        _, quantities = next(iter(steps.values()))
        for (option, country), column in quantities.items():
            place = (option.slot, option.position)
            most[place] = most.get(place, 0.0) + made.program.upper[made.carried[(option, country, f"offer:{key[0]}", key[2])]] * scale
            opens[place] = _opens(made, [option], offer.supplier)
        for index, low, _ in pool.steps:
            if low > 0:
                choices = tuple(choice for at, (choice, _) in steps.items() if at >= index)
                yield Demand(low, choices, tuple(most.values()), tuple(opens.values()))


def _rebates(made: Build) -> Iterator[Demand]:
    facts = made.scope.facts
    carriers: dict[int, Any] = {}
    for (key, steps) in made.tier.items():
        for _, quantities in steps.values():
            for (option, _), column in quantities.items():
                carriers[column] = option
    for key, levels in made.rebate.items():
        most: dict[Any, float] = {}
        opens: dict[Any, tuple[tuple[int, ...], ...]] = {}
        options: dict[Any, dict[Any, None]] = {}
        for place, terms in made.spend[key].items():
            short = place[:2]
            value = levels[0][2][place]
            most[short] = most.get(short, 0.0) + made.program.upper[value]
            for column, _ in terms:
                options.setdefault(short, {})[carriers[column]] = None
        for short, mine in options.items():
            opens[short] = _opens(made, list(mine), key[0])
        lows = {rebate: low for low, rebate in facts.rebates[key[0]]}
        for at, (rebate, _, _) in enumerate(levels):
            low = lows.get(rebate, 0.0)
            if low > 0:
                yield Demand(low, tuple(choice for _, choice, _ in levels[at:]), tuple(most[s] for s in opens), tuple(opens.values()))


def _opens(made: Build, options: list[Any], supplier: str) -> tuple[tuple[int, ...], ...]:
    """Sets of columns of which one must be 1 before a position can buy there: its drawings, the programme's tests."""
    found = [tuple(made.use[option] for option in options)]
    facts = made.scope.facts
    first = options[0]
    tested = made.qualified.get((facts.slots[first.slot].programme, facts.modules[first.module].class_name, supplier))
    if tested is not None and len({facts.modules[o.module].class_name for o in options}) == 1:
        found.append((tested,))
    return tuple(found)
