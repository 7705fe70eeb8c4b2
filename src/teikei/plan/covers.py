"""Tightens a program before it is solved: what a tier or a rebate needs, said in whole positions.

A tier from L pieces on is reached only if enough positions carry the drawing and buy it there. For every set A of
positions that are granted in full, the others must bring what is missing, and none counts for more than that:

    sum over i not in A of min(D_i, L - D(A)) u_i  >=  (L - D(A)) y

where y = the tier or a better one, D_i = what position i can bring, u_i = 1 only if it carries the drawing (or: if the
programme has tested the supplier). These are knapsack cover inequalities (Carr, Fleischer, Leung, Phillips 2000, SODA);
they hold for every plan and cut off those that reach a tier with fractions of positions. Added where the relaxation
breaks them, in rounds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from teikei.plan.arrays import INFINITY, Program, relaxed_solver, solved
from teikei.plan.program import THOUSAND, Build
from teikei.plan.scope import Option
from teikei.plan.sources import of_offer

Vector = npt.NDArray[np.float64]
Opens = tuple[tuple[int, ...], ...]
ASIDE = ("tier of", "rebate of")  # implied for whole tiers by "tier to" and "rebate to"
COVER_ROUNDS = 12
ROUNDS = 30
VIOLATED = 1e-4  # of a choice


@dataclass(frozen=True)
class Demand:
    """One of ``choices`` is 1 only where positions bring ``level``; position i brings ``most[i]``, if it is opened.

    opens[i]: sets of columns; the sum of each bounds whether i may bring anything.
    """

    level: float
    choices: tuple[int, ...]
    most: tuple[float, ...]
    opens: tuple[Opens, ...]

    def within(self, where: Mapping[int, int]) -> Demand:
        """The same with columns renumbered."""
        choices = tuple(where[column] for column in self.choices)
        opens = tuple(tuple(tuple(where[column] for column in columns) for columns in sets) for sets in self.opens)
        return Demand(self.level, choices, self.most, opens)


def demands(made: Build) -> list[Demand]:
    """What the tiers and rebates of a program need."""
    return [*_tiers(made), *_rebates(made)]


def tighten(program: Program, needs: Sequence[Demand]) -> tuple[Program, Vector] | None:
    """A thinner program with the rows that the relaxation needs, and the relaxed solution; None where it has none.

    Covers are added to both programs where the relaxation breaks them. Rows that only tighten (``ASIDE``) are left out
    of the thinner one unless it breaks them: few do, and each node of the solver is the cheaper for it. Both in rounds.
    """
    aside = np.asarray([name[0] in ASIDE for name in program.row_names], dtype=bool)
    thin = program.without(aside)
    left = np.flatnonzero(aside)
    matrix, most = csr_array(program.sparse()[left]), np.asarray(program.row_upper)[left]
    out = np.ones(len(left), dtype=bool)
    seen: set[tuple[int, ...]] = set()
    highs = relaxed_solver(thin)
    for round_number in range(ROUNDS + 1):
        x = solved(highs)
        if x is None:
            return None
        last = round_number == ROUNDS
        broken = np.flatnonzero(out & (matrix @ x > most + 1e-6)) if not last else ()
        covers = [row for need in needs for row in _violated(need, x, seen)] if round_number < COVER_ROUNDS else []
        if not covers and not len(broken):
            return thin, x
        for row in broken:
            start, end = matrix.indptr[row : row + 2]
            terms = dict(zip(matrix.indices[start:end].tolist(), matrix.data[start:end].tolist(), strict=True))
            _add(thin, highs, program.row_names[left[row]], terms, upper=float(most[row]))
        out[broken] = False
        for terms in covers:
            name = ("cover", len(seen))
            program.row(name, terms, 0.0)
            _add(thin, highs, name, terms, lower=0.0)
    raise AssertionError("unreachable")


def _add(
    program: Program, highs: Any, name: Any, terms: dict[int, float],
    *, lower: float = -INFINITY, upper: float = INFINITY,
) -> None:  # fmt: skip
    program.row(name, terms, lower, upper)
    highs.addRow(lower, upper, len(terms), np.asarray(list(terms), dtype=np.int32), np.asarray(list(terms.values())))


def _violated(need: Demand, x: Vector, seen: set[tuple[int, ...]]) -> Iterator[dict[int, float]]:
    """The most violated cover of a demand: positions are granted in the order in which they are open."""
    reached = float(sum(x[column] for column in need.choices))
    if reached < VIOLATED:
        return
    opening = [min(sets, key=lambda columns: sum(x[column] for column in columns)) for sets in need.opens]
    value = np.asarray([min(1.0, sum(x[column] for column in columns)) for columns in opening])
    most, order = np.asarray(need.most), np.argsort(-value, kind="stable")
    missing, best, found = need.level, VIOLATED, -1
    for granted in range(len(order)):
        rest = order[granted:]
        short = reached - float(np.minimum(most[rest], missing) @ value[rest]) / missing
        if short > best:
            best, found = short, granted
        missing -= need.most[order[granted]]
        if missing <= 1e-9 * need.level:
            break
    if found < 0:
        return
    missing = need.level - float(sum(need.most[i] for i in order[:found]))
    terms: dict[int, float] = {}
    for i in order[found:]:
        for column in opening[i]:
            terms[column] = terms.get(column, 0.0) + min(need.most[i], missing) / missing
    for column in need.choices:
        terms[column] = terms.get(column, 0.0) - 1.0
    name = (*sorted(terms), -1, *need.choices, found)
    if name not in seen:
        seen.add(name)
        yield terms


def _tiers(made: Build) -> Iterator[Demand]:
    facts = made.scope.facts
    for keys in made.counted_together().values():
        first, offer = made.tier[keys[0]], facts.offers[keys[0][0]]
        if any(choice < 0 for choice, _ in first.values()):
            continue
        most: dict[Option, float] = {}
        opens: dict[Option, Opens] = {}
        for key in keys:
            mine = facts.offers[key[0]]
            scale = facts.tier_units(mine.module, THOUSAND) * made.pools[key].kept
            for option, country in next(iter(made.tier[key].values()))[1]:
                column = made.carried[(option, country, of_offer(key[0]), key[2])]
                most[option] = most.get(option, 0.0) + made.program.upper[column] * scale
                opens[option] = _opens(made, [option], mine.supplier)
        for index, low, _ in made.pools[keys[0]].steps:
            if low > 0:
                better = [choice for at, (choice, _) in first.items() if at >= index]
                choices = tuple(better[:1] if offer.incremental else better)
                yield Demand(low, choices, tuple(most.values()), tuple(opens.values()))


def _rebates(made: Build) -> Iterator[Demand]:
    options_of = {
        column: option
        for steps in made.tier.values()
        for _, quantities in steps.values()
        for (option, _), column in quantities.items()
    }
    for key, levels in made.rebate.items():
        if key[0] in made.scope.facts.incremental_rebates:
            continue
        most: dict[tuple[str, str], float] = {}
        options: dict[tuple[str, str], dict[Option, None]] = {}
        for place, terms in made.spend[key].items():
            position = place[:2]
            most[position] = most.get(position, 0.0) + made.program.upper[levels[0][2][place]]
            for column, _ in terms:
                options.setdefault(position, {})[options_of[column]] = None
        opens = tuple(_opens(made, list(options[position]), key[0]) for position in most)
        lows = {rebate: low for low, rebate in made.scope.facts.rebates[key[0]]}
        for at, (rebate, _, _) in enumerate(levels):
            low = lows.get(rebate, 0.0)
            if low > 0:
                choices = tuple(choice for _, choice, _ in levels[at:])
                yield Demand(low, choices, tuple(most.values()), opens)


def _opens(made: Build, options: Sequence[Option], supplier: str) -> Opens:
    """Sets of columns whose sum bounds what a position can bring: its drawings, and the programme's tests if any."""
    facts = made.scope.facts
    found = [tuple(made.use[option] for option in options)]
    classes = {facts.modules[option.module].class_name for option in options}
    if len(classes) == 1:
        (class_name,) = classes
        tested = made.qualified.get((facts.slots[options[0].slot].programme, class_name, supplier))
        if tested is not None:
            found.append((tested,))
    return tuple(found)
