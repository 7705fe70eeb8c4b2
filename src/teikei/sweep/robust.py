"""Develop now, buy later: modules and plants are chosen before the volumes are known, awards after.

Two-stage programme over sampled volumes (Birge and Louveaux 2011, ch. 4): first stage y (which module each car carries,
who develops it with whom, which plants), second stage the awards of each scenario. Solved over a *pool* of first
stages: the plans that would be best for each scenario known in advance, and the plan for average volumes. Each is kept
and its awards are solved again in every scenario, at exact prices. What the pool may miss is bounded: no first stage
costs less on average than the mean of the proven bounds of the scenarios each planned for itself (wait and see).
CVaR after Rockafellar and Uryasev 2000, eq. (3), for discrete scenarios.
"""

from __future__ import annotations

import math
import pickle
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import numpy as np
import polars as pl

from teikei import modules, plan, simulate
from teikei.errors import NoPlanError, StudyError
from teikei.modules.types import Catalogue
from teikei.plan.build import build
from teikei.plan.decisions import Decisions
from teikei.plan.ladder import split_members
from teikei.plan.parts import Memory, solve_parts
from teikei.plan.price import price
from teikei.plan.read import read_facts
from teikei.plan.read_solution import read_decisions, start_vector
from teikei.plan.scope import Scope
from teikei.simulate.types import Performance
from teikei.study import Study
from teikei.study.messages import show
from teikei.sweep import design
from teikei.sweep.inputs import read_uncertainty, sampled_study, to_quantiles
from teikei.sweep.types import Array, Uncertainty

Progress = Callable[[str, float], None]
AVERAGE: Final = "average volumes"
AWARD_GAP: Final = 1e-5  # of a plan's cost: second stages are compared with each other, so they are solved closely
AWARD_NODES: Final = 50


@dataclass(frozen=True)
class Robust:
    """What the robust plan is and what it is worth; money in million of the study's currency.

    costs: candidate, scenario, probability, cost (null: these designs cannot be supplied at these volumes).
    candidates: candidate, expected, cvar, objective, worst, feasible. decisions: candidate, kind, name of what the
    first stages build and share. summary: rung, chosen, expected, cvar, average_plan (its expected cost),
    value_of_stochastic_solution (at least; of expected cost), perfect_information (expected cost with every scenario
    known), value_of_perfect_information (at most), bound (no first stage costs less on average), gap (what a first
    stage outside the pool could still save, at most), alpha, weight.
    """

    costs: pl.DataFrame
    candidates: pl.DataFrame
    decisions: pl.DataFrame
    summary: Mapping[str, Any]
    plans: Mapping[str, Decisions]


@dataclass(frozen=True)
class Case:
    """A scenario of volumes, planned for itself: its study's volumes, and the best plan with its value and bound."""

    name: str
    probability: float
    volumes: pl.DataFrame
    decisions: Decisions
    value: float
    bound: float


@dataclass(frozen=True)
class Frame:
    """What all scenarios have in common."""

    study: Study
    catalogue: Catalogue
    performance: Performance
    rung: str


def cvar(costs: Array, probabilities: Array, alpha: float) -> float:
    """Mean cost of the worst 1 - alpha of probability; a scenario on the edge counts with its part inside."""
    order = np.argsort(-costs, kind="stable")
    left, total = 1.0 - alpha, 0.0
    for at in order:
        taken = min(left, float(probabilities[at]))
        total += taken * float(costs[at])
        left -= taken
        if left <= 1e-15:
            break
    return total / (1.0 - alpha)


def volume_scenarios(
    study: Study, count: int, seed: int, uncertainty: Uncertainty | None = None
) -> list[tuple[str, float, pl.DataFrame]]:
    """Equally likely volumes from the ranges of the table volumes (Latin hypercube): name, probability, table.

    Raises StudyError where the study gives no volume a range.
    """
    known = uncertainty or read_uncertainty(study)
    drivers = tuple(d for d in known.drivers if {entry.table for entry in d.entries} == {"volumes"})
    if not drivers:
        raise StudyError("the robust plan is over uncertain volumes: give the table volumes a range in ranges")
    groups = tuple(dict.fromkeys(driver.group for driver in drivers if driver.group))
    only = Uncertainty(drivers, groups, {})
    cube = design.points("lhs", count, len(only.inputs), seed, "robust")
    return [
        (f"volumes {number + 1}", 1.0 / count, sampled_study(study, only, to_quantiles(only, point)[0])["volumes"])
        for number, point in enumerate(cube)
    ]


def robust(
    study: Study,
    rung: str,
    scenarios: Sequence[tuple[str, float, pl.DataFrame]],
    *,
    catalogue: Catalogue | None = None,
    performance: Performance | None = None,
    alpha: float = 0.8,
    weight: float = 0.5,
    executor: Executor | None = None,
    progress: Progress | None = None,
) -> Robust:
    """Which modules and plants to settle on before the volumes are known, at one rung, for all companies together.

    scenarios: name, probability, volumes (from ``volume_scenarios``); probabilities add up to 1. weight: of CVaR beside
    the expected cost; alpha: CVaR is the mean of the worst 1 - alpha. Raises NoPlanError where a scenario has no plan
    at all, or where no first stage of the pool can be supplied in every scenario; StudyError for a wrong question.
    """
    _check(study, rung, scenarios, alpha, weight)
    say = progress or (lambda _text, _fraction: None)
    found = catalogue if catalogue is not None else modules.catalogue(study)
    tested = performance if performance is not None else simulate.performance(study, found)
    frame = Frame(study, found, tested, rung)
    blob = pickle.dumps(frame, protocol=5)
    run = executor.map if executor is not None else map
    average = _average(scenarios)
    wanted = [*scenarios, (AVERAGE, 0.0, average)]
    cases = []
    for case in run(_plan_case, [(blob, one) for one in wanted]):
        cases.append(case)
        say(f"planned for {case.name}", 0.8 * len(cases) / len(wanted))
    real = [case for case in cases if case.name != AVERAGE]
    pairs = [(candidate, scenario) for candidate in cases for scenario in real]
    costs: dict[tuple[str, str], float] = {}
    for (candidate, scenario), cost in zip(pairs, run(_second_stage, [(blob, *pair) for pair in pairs]), strict=True):
        costs[(candidate.name, scenario.name)] = cost
        say(f"{candidate.name} at {scenario.name}", 0.8 + 0.2 * len(costs) / len(pairs))
    return _chosen(frame, cases, real, costs, alpha, weight)


def _check(
    study: Study, rung: str, scenarios: Sequence[tuple[str, float, pl.DataFrame]], alpha: float, weight: float
) -> None:
    if rung not in study.rung_names:
        raise StudyError(f"no rung {show(rung)} in this study; it has {', '.join(study.rung_names)}")
    if not scenarios or abs(math.fsum(one for _, one, _ in scenarios) - 1.0) > 1e-9:
        raise StudyError("the probabilities of the scenarios must add up to 1")
    if not 0 <= alpha < 1 or weight < 0:
        raise StudyError("alpha lies from 0 to below 1, and the weight of CVaR is 0 or above")


def _average(scenarios: Sequence[tuple[str, float, pl.DataFrame]]) -> pl.DataFrame:
    units = np.sum([chance * table["units"].to_numpy() for _, chance, table in scenarios], axis=0)
    return scenarios[0][2].with_columns(pl.Series("units", units))


@lru_cache(maxsize=2)
def _unpacked(blob: bytes) -> Frame:
    frame: Frame = pickle.loads(blob)  # noqa: S301  made by ``robust`` in the coordinating process
    return frame


def _plan_case(job: tuple[bytes, tuple[str, float, pl.DataFrame]]) -> Case:
    """The plan of all companies for one scenario known in advance."""
    blob, (name, probability, volumes) = job
    frame = _unpacked(blob)
    known = frame.study.with_tables(volumes=volumes)
    try:
        plans = plan.solve(known, frame.catalogue, frame.performance, rungs=[frame.rung])
    except NoPlanError as error:
        raise NoPlanError(f"{name}: {error} Narrow the range of the volumes, or give suppliers more room.") from None
    grand = max((coalition for coalition, _ in plans.by_key), key=lambda other: other.count("+"))
    best = plans.by_key[(grand, frame.rung)]
    if not isinstance(best.decisions.get("decisions"), Decisions):
        raise StudyError(f"rung {show(frame.rung)} is not evaluated: the study has no modules for what it adds")
    return Case(name, probability, volumes, best.decisions["decisions"], best.value, best.bound)


def _second_stage(job: tuple[bytes, Case, Case]) -> float:
    """Cost of one scenario with the designs and plants of a candidate; infinite where they cannot be supplied."""
    blob, candidate, scenario = job
    scope = scenario_scope(_unpacked(blob), scenario.volumes)
    own = candidate.decisions if candidate.name == scenario.name else None
    found = awards_for(scope, candidate.decisions, own)
    return math.inf if found is None else found


def scenario_scope(frame: Frame, volumes: pl.DataFrame) -> Scope:
    """All companies at the rung, at other volumes."""
    facts = read_facts(frame.study.with_tables(volumes=volumes), frame.catalogue, frame.performance)
    everyone = tuple(
        name for name in facts.companies if any(c.company == name for u in facts.units.values() for c in u)
    )
    coalition = "+".join(everyone)
    return Scope(facts, coalition, frame.rung, split_members(facts, coalition), None)


def awards_for(scope: Scope, designs: Decisions, known: Decisions | None = None) -> float | None:
    """Exact cost of a scope when modules and plants are given and only awards are chosen; None where none fit.

    known: a plan with the same designs that fits this scope, which is then never beaten by a worse one.
    """
    made = build(scope)
    chosen = set(designs.modules.values())
    if not chosen <= made.use.keys() or not set(designs.plants) <= made.plant.keys():
        return None
    for column_of, kept in ((made.use, chosen), (made.plant, set(designs.plants))):
        for key, column in column_of.items():
            made.program.lower[column] = made.program.upper[column] = 1.0 if key in kept else 0.0
    before = math.inf if known is None else price(scope, known).value
    rough = before if before < math.inf else float(np.abs(made.program.offset)) + 1e5
    solution = solve_parts(
        made.program, Memory(), gap_absolute=AWARD_GAP * rough, time_limit_s=math.inf, node_limit=AWARD_NODES,
        start=start_vector(made, known) if known is not None else None,
    )  # fmt: skip
    if solution.x is None:
        return before if before < math.inf else None
    return min(before, price(scope, read_decisions(made, solution.x)).value)


def _chosen(
    frame: Frame,
    cases: Sequence[Case],
    real: Sequence[Case],
    costs: Mapping[tuple[str, str], float],
    alpha: float,
    weight: float,
) -> Robust:
    chances = np.array([case.probability for case in real])
    rows: list[dict[str, Any]] = []
    for case in cases:
        own = np.array([costs[(case.name, scenario.name)] for scenario in real])
        fits = bool(np.isfinite(own).all())
        expected, tail = (float(chances @ own), cvar(own, chances, alpha)) if fits else (math.inf, math.inf)
        rows.append(
            {
                "candidate": case.name, "expected": expected, "cvar": tail, "objective": expected + weight * tail,
                "worst": float(own.max()), "feasible": fits,
            }
        )  # fmt: skip
    best = min(rows, key=lambda row: float(row["objective"]))
    if not best["feasible"]:
        raise NoPlanError(
            "No plan of the pool can be supplied in every scenario: narrow the range of the volumes, or give suppliers "
            "more room."
        )
    cheapest = min(float(row["expected"]) for row in rows)
    average = next(row for row in rows if row["candidate"] == AVERAGE)
    bound = math.fsum(case.probability * case.bound for case in real)
    informed = math.fsum(case.probability * min(case.value, costs[(case.name, case.name)]) for case in real)
    summary = {
        "rung": frame.rung, "scenarios": len(real), "alpha": alpha, "weight": weight, "chosen": best["candidate"],
        "expected": best["expected"], "cvar": best["cvar"], "worst": best["worst"],
        "average_plan": average["expected"], "average_plan_cvar": average["cvar"],
        "value_of_stochastic_solution": float(average["expected"]) - cheapest,
        "perfect_information": informed, "value_of_perfect_information": cheapest - informed, "bound": bound,
        "gap": cheapest - bound,
    }  # fmt: skip
    cost_rows = [
        (case.name, scenario.name, scenario.probability, costs[(case.name, scenario.name)])
        for case in cases
        for scenario in real
    ]
    schema: dict[str, Any] = {"candidate": pl.String, "scenario": pl.String, "probability": pl.Float64}
    schema["cost"] = pl.Float64
    table = pl.DataFrame(cost_rows, schema=schema, orient="row")
    return Robust(
        costs=_finite(table),
        candidates=_finite(pl.DataFrame(rows)).sort("objective", nulls_last=True, maintain_order=True),
        decisions=_first_stages(cases),
        summary=summary,
        plans={case.name: case.decisions for case in cases},
    )


def _finite(table: pl.DataFrame) -> pl.DataFrame:
    numbers = pl.col(pl.Float64)
    return table.with_columns(pl.when(numbers.is_finite()).then(numbers).otherwise(None))


def _first_stages(cases: Sequence[Case]) -> pl.DataFrame:
    """candidate, kind (module or plant), name, group, cars (slots that carry it)."""
    rows = []
    for case in cases:
        carried: dict[tuple[str, str], int] = {}
        for option in case.decisions.modules.values():
            if not option.contract:
                carried[(option.module, option.group)] = carried.get((option.module, option.group), 0) + 1
        rows += [(case.name, "module", module, group, cars) for (module, group), cars in sorted(carried.items())]
        rows += [
            (case.name, "plant", f"{name} {size:g} GWh from {year}", owner, 0)
            for owner, name, size, year in case.decisions.plants
        ]
    schema = {"candidate": pl.String, "kind": pl.String, "name": pl.String, "group": pl.String, "cars": pl.Int64}
    return pl.DataFrame(rows, schema=schema, orient="row")
