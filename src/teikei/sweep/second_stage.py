"""The second stage: modules and plants are settled, the volumes have come, and only the awards are left to make.

With the designs held the program falls into parts, a class of modules or two each, that the solver takes whole. First
stages that agree on a class have the same part: it is solved once, and its gap cancels where they are compared.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import polars as pl

from teikei.modules.types import Catalogue
from teikei.plan.arrays import Solution, minimise
from teikei.plan.build import build
from teikei.plan.decisions import Decisions
from teikei.plan.ladder import split_members
from teikei.plan.parts import fingerprint, together
from teikei.plan.price import price
from teikei.plan.program import Build
from teikei.plan.read import read_facts
from teikei.plan.read_solution import read_decisions, start_vector
from teikei.plan.reduce import Part, reduce
from teikei.plan.scope import Scope
from teikei.plan.solve_part import fits
from teikei.simulate.types import Performance
from teikei.study import Study
from teikei.sweep.types import Array

PART_GAP: Final = 5e-4  # of a part's cost: first stages are compared by their second stages, which are solved closely
NODES: Final = 150


@dataclass(frozen=True)
class Frame:
    """What all scenarios have in common."""

    study: Study
    catalogue: Catalogue
    performance: Performance
    rung: str


@dataclass(frozen=True)
class Awarded:
    """One scenario with given designs: the plan, its exact cost and a bound of it, million.

    parts: fingerprint -> (value, bound) of each independent part; by_class: class -> cost.
    """

    decisions: Decisions
    value: float
    bound: float
    parts: Mapping[str, tuple[float, float]]
    by_class: Mapping[str, float]


@dataclass
class Solved:
    """Parts that were solved at one scenario, by content, and with what a plan of them was known."""

    solutions: dict[str, Solution] = field(default_factory=dict)


def scenario_scope(frame: Frame, volumes: pl.DataFrame) -> Scope:
    """All companies at the rung, at other volumes (a table like the study's ``volumes``)."""
    facts = read_facts(frame.study.with_tables(volumes=volumes), frame.catalogue, frame.performance)
    everyone = tuple(
        name for name in facts.companies if any(c.company == name for u in facts.units.values() for c in u)
    )
    coalition = "+".join(everyone)
    return Scope(facts, coalition, frame.rung, split_members(facts, coalition), None)


def awards_for(
    scope: Scope, designs: Decisions, known: Decisions | None = None, memory: Solved | None = None
) -> Awarded | None:
    """The least cost of a scope when modules and plants are given and only awards are chosen; None where none fit.

    known: a plan with the same designs that fits this scope, which is then never beaten by a worse one; memory: parts
    that were solved at this scope before.
    """
    made = build(scope)
    chosen = set(designs.modules.values())
    if not chosen <= made.use.keys() or not set(designs.plants) <= made.plant.keys():
        return None
    for column_of, kept in ((made.use, chosen), (made.plant, set(designs.plants))):
        for key, column in column_of.items():
            made.program.lower[column] = made.program.upper[column] = 1.0 if key in kept else 0.0
    solution, parts = _solve(made, known, memory or Solved())
    if solution is None or solution.x is None:
        return None if known is None else _awarded(scope, known, -math.inf, {})
    found = _awarded(scope, read_decisions(made, solution.x), solution.bound, parts)
    if known is not None:
        other = _awarded(scope, known, solution.bound, parts)
        found = min(found, other, key=lambda one: one.value)
    return found


def _awarded(scope: Scope, decisions: Decisions, bound: float, parts: Mapping[str, tuple[float, float]]) -> Awarded:
    priced = price(scope, decisions)
    by_class: dict[str, float] = {}
    for record in priced.records:
        by_class[record.class_name] = by_class.get(record.class_name, 0.0) + record.value
    return Awarded(decisions, priced.value, min(bound, priced.value), parts, by_class)


def _solve(
    made: Build, known: Decisions | None, memory: Solved
) -> tuple[Solution | None, dict[str, tuple[float, float]]]:
    """The program part by part; None where the designs cannot be supplied at all."""
    program = made.program
    left = reduce(program, np.asarray(program.lower), np.asarray(program.upper))
    if left is None:
        return None, {}
    start = start_vector(made, known) if known is not None else None
    solutions, parts = [], {}
    for part in left.parts:
        name = fingerprint(part.program)
        if name not in memory.solutions:
            mine = start[part.columns] if start is not None else None
            memory.solutions[name] = _solve_one(part, mine if mine is not None and fits(part.program, mine) else None)
        found = memory.solutions[name]
        if found.x is None:
            return None, {}
        solutions.append(found)
        parts[name] = (found.objective, found.bound)
    return together(program, left.decided, left.parts, solutions), parts


def _solve_one(part: Part, start: Array | None) -> Solution:
    for nodes in (NODES, None):
        found = minimise(part.program, gap_absolute=1e-6, gap_relative=PART_GAP, node_limit=nodes, start=start)
        if found.x is not None or found.status == "infeasible":
            break
    return found
