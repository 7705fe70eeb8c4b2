"""Develop now, buy later: modules and plants are chosen before the volumes are known, awards after.

Two-stage programme over sampled volumes (Birge and Louveaux 2011, ch. 4): first stage y (which module each car carries,
who develops it with whom, which plants), second stage the awards of each scenario. Solved over a *pool* of first
stages: the plan for average volumes, the plan of each scenario known in advance, and what can be put together from
their classes of modules. Each is kept and its awards are solved again in every scenario, at exact prices and with a
proven gap. What the pool may miss is bounded: no first stage costs less on average than the mean of the proven bounds
of the scenarios each planned for itself (wait and see). CVaR after Rockafellar and Uryasev 2000, eq. (3), for discrete
scenarios.
"""

from __future__ import annotations

import math
import pickle
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Final

import numpy as np
import polars as pl

from teikei import modules, plan, simulate
from teikei.errors import NoPlanError, StudyError
from teikei.modules.types import Catalogue
from teikei.plan.decisions import Decisions
from teikei.plan.solve_one import solve_scope
from teikei.simulate.types import Performance
from teikei.study import Study
from teikei.sweep import design
from teikei.sweep.executors import Workers, in_order
from teikei.sweep.inputs import read_uncertainty, sampled_study, to_quantiles
from teikei.sweep.mixed import Costs, mix
from teikei.sweep.second_stage import Awarded, Frame, Solved, awards_for, scenario_scope
from teikei.sweep.types import Array, Uncertainty
from teikei.tables.messages import show

Progress = Callable[[str, float], None]
Scenario = tuple[str, float, pl.DataFrame]
AVERAGE: Final = "average volumes"
PARTS: Final = "several scenarios, class by class"
PARTS_AVERAGE: Final = "average volumes, class by class"
WANTED_GAP: Final = 1e-5  # of a plan's cost, of the plans made for one scenario


@dataclass(frozen=True)
class Robust:
    """What the robust plan is and what it is worth; money in million of the study's currency.

    costs: candidate, scenario, probability, cost, bound (of the awards; null: these designs cannot be supplied at
    these volumes); rows of the scenario ``average volumes`` have probability 0. candidates: candidate, expected, cvar,
    objective, worst, at_average, feasible. decisions: candidate, kind, name of what the first stages build and share.

    summary: rung, scenarios, alpha, weight; chosen, expected, cvar, worst: of the robust plan; average_plan: the first
    stage that costs least at average volumes, with average_plan_expected and average_plan_cvar;
    value_of_stochastic_solution with its proven range (value_low, value_high: what the awards' gaps leave open) and
    value_shown (whether the range lies above 0); perfect_information (expected cost with every scenario known),
    value_of_perfect_information (between plans that were found); bound (no first stage costs less on average); gap
    (what a first stage outside the pool could still save, at most, and what knowing the volumes is worth, at most);
    award_gap (largest gap of a second stage); first_stages (how many different ones).
    """

    costs: pl.DataFrame
    candidates: pl.DataFrame
    decisions: pl.DataFrame
    summary: Mapping[str, Any]
    plans: Mapping[str, Decisions]


@dataclass(frozen=True)
class Case:
    """A scenario of volumes, planned for itself: its best plan (designs, awards), and what no plan of it can beat."""

    name: str
    probability: float
    volumes: pl.DataFrame
    designs: Decisions
    bound: float
    awarded: Mapping[str, Awarded]  # candidate -> what it costs here; without those that cannot be supplied
    solved: Solved


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


def volume_scenarios(study: Study, count: int, seed: int, uncertainty: Uncertainty | None = None) -> list[Scenario]:
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
    scenarios: Sequence[Scenario],
    *,
    catalogue: Catalogue | None = None,
    performance: Performance | None = None,
    alpha: float = 0.8,
    weight: float = 0.5,
    crew: Workers | None = None,
    progress: Progress | None = None,
) -> Robust:
    """Which modules and plants to settle on before the volumes are known, at one rung, for all companies together.

    scenarios: name, probability, volumes (from ``volume_scenarios``); probabilities add up to 1. weight: of CVaR beside
    the expected cost; alpha: CVaR is the mean of the worst 1 - alpha. Raises NoPlanError where a scenario has no plan
    at all, or where no first stage of the pool can be supplied in every scenario; StudyError for a wrong question.
    """
    _check(study, rung, scenarios, alpha, weight)
    found = catalogue if catalogue is not None else modules.catalogue(study)
    tested = performance if performance is not None else simulate.performance(study, found)
    frame = Frame(study, found, tested, rung)
    told = _Told(progress, len(scenarios))
    blob = pickle.dumps(frame, protocol=5)

    def each(work: Callable[[Any], Any], jobs: Sequence[Any], text: str) -> list[Any]:
        results = []
        for result in in_order(crew, work, jobs) if crew is not None else map(work, jobs):
            results.append(result)
            told(f"{text} {result.name}")
        return results

    (average,) = each(_plan_average, [(blob, (AVERAGE, 0.0, _average(scenarios)))], "planned for")
    real = each(_plan_case, [(blob, one, average.designs) for one in scenarios], "planned for")
    pool = {case.name: case.designs for case in (average, *real)}
    cases = each(_compare, [(blob, case, pool) for case in (average, *real)], "first stages at")
    weights = _weights(cases, alpha, weight)
    further = {
        PARTS: mix(_costs_by_class(frame, cases[1:], pool), weights),
        PARTS_AVERAGE: mix(_costs_by_class(frame, cases[:1], pool), lambda costs: float(costs[0])),
    }
    new = {name: one for name, one in further.items() if one is not None and not _among(one, pool)}
    if new:
        cases = each(_compare, [(blob, case, new) for case in cases], "class by class at")
    return _chosen(frame, cases, {**pool, **new}, alpha, weight)


class _Told:
    """Progress over the jobs: a plan of a scenario takes about three times what its comparison takes."""

    def __init__(self, progress: Progress | None, scenarios: int):
        self.progress = progress or (lambda _text, _fraction: None)
        self.total, self.done = 3.0 * (1 + scenarios) + 1.2 * (1 + scenarios), 0.0

    def __call__(self, text: str) -> None:
        self.done += 3.0 if text.startswith("planned") else 1.0 if text.startswith("first") else 0.2
        self.progress(text, min(1.0, self.done / self.total))


def _check(study: Study, rung: str, scenarios: Sequence[Scenario], alpha: float, weight: float) -> None:
    if rung not in study.rung_names:
        raise StudyError(f"no rung {show(rung)} in this study; it has {', '.join(study.rung_names)}")
    if not scenarios or abs(math.fsum(one for _, one, _ in scenarios) - 1.0) > 1e-9:
        raise StudyError("the probabilities of the scenarios must add up to 1")
    if not 0 <= alpha < 1 or weight < 0:
        raise StudyError("alpha lies from 0 to below 1, and the weight of CVaR is 0 or above")


def _average(scenarios: Sequence[Scenario]) -> pl.DataFrame:
    units = np.sum([chance * table["units"].to_numpy() for _, chance, table in scenarios], axis=0)
    return scenarios[0][2].with_columns(pl.Series("units", units))


@lru_cache(maxsize=2)
def _unpacked(blob: bytes) -> Frame:
    frame: Frame = pickle.loads(blob)  # noqa: S301  made by ``robust`` in the coordinating process
    return frame


def _plan_average(job: tuple[bytes, Scenario]) -> Case:
    """The plan of all companies at average volumes, as a run would make it."""
    blob, (name, probability, volumes) = job
    frame = _unpacked(blob)
    try:
        plans = plan.solve(
            frame.study.with_tables(volumes=volumes), frame.catalogue, frame.performance, rungs=[frame.rung]
        )
    except NoPlanError as error:
        raise _none(name, error) from None
    grand = max((coalition for coalition, _ in plans.by_key), key=lambda other: other.count("+"))
    best = plans.by_key[(grand, frame.rung)]
    known = best.decisions.get("decisions")
    if not isinstance(known, Decisions):
        raise StudyError(f"rung {show(frame.rung)} is not evaluated: the study has no modules for what it adds")
    return _case(frame, (name, probability, volumes), known, best.bound, Solved())


def _plan_case(job: tuple[bytes, Scenario, Decisions]) -> Case:
    """The plan for one scenario known in advance, begun from the designs that are best at average volumes."""
    blob, (name, probability, volumes), designs = job
    frame = _unpacked(blob)
    scope = scenario_scope(frame, volumes)
    solved = Solved()
    begun = awards_for(scope, designs, memory=solved)
    size = begun.value if begun is not None else 0.0
    try:
        found = solve_scope(
            scope, gap_absolute=max(1.0, WANTED_GAP * size), starts=() if begun is None else (begun.decisions,)
        )
    except NoPlanError as error:
        raise _none(name, error) from None
    return _case(frame, (name, probability, volumes), found.decisions, found.bound, solved)


def _none(name: str, error: NoPlanError) -> NoPlanError:
    return NoPlanError(f"{name}: {error} Narrow the range of the volumes, or give suppliers more room.")


def _case(frame: Frame, scenario: Scenario, known: Decisions, bound: float, solved: Solved) -> Case:
    """A plan as a case: its awards solved again with its designs held."""
    name, probability, volumes = scenario
    awarded = awards_for(scenario_scope(frame, volumes), known, known, solved)
    costs = {} if awarded is None else {name: awarded}
    return Case(name, probability, volumes, replace(known, awards={}), bound, costs, solved)


def _compare(job: tuple[bytes, Case, Mapping[str, Decisions]]) -> Case:
    """A scenario with further first stages at its volumes; parts of the program that are the same are solved once."""
    blob, case, pool = job
    scope = scenario_scope(_unpacked(blob), case.volumes)
    awarded = dict(case.awarded)
    for name, designs in pool.items():
        if name not in awarded:
            found = awards_for(scope, designs, memory=case.solved)
            if found is not None:
                awarded[name] = found
    return replace(case, awarded=awarded)


def _among(one: Decisions, pool: Mapping[str, Decisions]) -> bool:
    return any(_same(one, other) for other in pool.values())


def _same(one: Decisions, other: Decisions) -> bool:
    return one.modules == other.modules and set(one.plants) == set(other.plants)


def _weights(cases: Sequence[Case], alpha: float, weight: float) -> Callable[[Array], float]:
    """The objective over scenarios: expected cost and the weighted tail."""
    chances = np.array([case.probability for case in cases[1:]])
    return lambda costs: float(chances @ costs) + weight * cvar(costs, chances, alpha)


def _costs_by_class(frame: Frame, cases: Sequence[Case], pool: Mapping[str, Decisions]) -> Costs:
    """What each class of modules costs in each case with each first stage that fits all of them."""
    fitting = [name for name in pool if all(name in case.awarded for case in cases)]
    return Costs(
        scenario_scope(frame, cases[0].volumes),
        {name: pool[name] for name in fitting},
        {name: [case.awarded[name].by_class for case in cases] for name in fitting},
    )


def _chosen(frame: Frame, cases: Sequence[Case], pool: Mapping[str, Decisions], alpha: float, weight: float) -> Robust:
    average, real = cases[0], cases[1:]
    chances = np.array([case.probability for case in real])
    rows: list[dict[str, Any]] = []
    for name in pool:
        own = np.array([_cost(case, name) for case in real])
        fits = bool(np.isfinite(own).all())
        expected, tail = (float(chances @ own), cvar(own, chances, alpha)) if fits else (math.inf, math.inf)
        rows.append(
            {
                "candidate": name, "expected": expected, "cvar": tail, "objective": expected + weight * tail,
                "worst": float(own.max()), "at_average": _cost(average, name), "feasible": fits,
            }
        )  # fmt: skip
    best = min(rows, key=lambda row: float(row["objective"]))
    if not best["feasible"]:
        raise NoPlanError(
            "No plan of the pool can be supplied in every scenario: narrow the range of the volumes, or give suppliers "
            "more room."
        )
    summary = {
        "rung": frame.rung, "scenarios": len(real), "alpha": alpha, "weight": weight, "chosen": best["candidate"],
        "expected": best["expected"], "cvar": best["cvar"], "worst": best["worst"],
        **_values(rows, real, chances), "first_stages": _different(pool),
        "award_gap": max(one.value - one.bound for case in cases for one in case.awarded.values()),
    }  # fmt: skip
    return Robust(
        costs=_cost_table(cases, pool),
        candidates=_finite(pl.DataFrame(rows)).sort("objective", nulls_last=True, maintain_order=True),
        decisions=_first_stages(pool),
        summary=summary,
        plans=pool,
    )


def _cost(case: Case, candidate: str) -> float:
    found = case.awarded.get(candidate)
    return math.inf if found is None else found.value


def _different(pool: Mapping[str, Decisions]) -> int:
    found: list[Decisions] = []
    for one in pool.values():
        if not any(_same(one, other) for other in found):
            found.append(one)
    return len(found)


def _values(rows: Sequence[Mapping[str, Any]], real: Sequence[Case], chances: Array) -> dict[str, Any]:
    """What planning for averages costs, what knowing is worth, and what neither can be shown to be."""
    cheapest = min(rows, key=lambda row: float(row["expected"]))
    average = min(rows, key=lambda row: (float(row["at_average"]), float(row["expected"])))
    value = float(average["expected"]) - float(cheapest["expected"])
    low, high = _range(real, chances, str(average["candidate"]), str(cheapest["candidate"]))
    bound = float(chances @ np.array([case.bound for case in real]))
    informed = float(chances @ np.array([min(one.value for one in case.awarded.values()) for case in real]))
    return {
        "average_plan": average["candidate"], "average_plan_expected": average["expected"],
        "average_plan_cvar": average["cvar"], "value_of_stochastic_solution": value, "value_low": low,
        "value_high": high, "value_shown": low > 1e-9 * abs(float(cheapest["expected"])),
        "perfect_information": informed, "value_of_perfect_information": float(cheapest["expected"]) - informed,
        "bound": bound, "gap": float(cheapest["expected"]) - bound,
    }  # fmt: skip


def _range(real: Sequence[Case], chances: Array, one: str, other: str) -> tuple[float, float]:
    """Between what the expected cost of one first stage less that of another lies, whatever the awards' gaps hide.

    Parts of the program that both share cost the same in truth, and leave nothing open.
    """
    low, high = [], []
    for case in real:
        first, second = case.awarded.get(one), case.awarded.get(other)
        if first is None or second is None:
            return math.inf, math.inf  # the one cannot be supplied in some scenario, the other can
        apart = [
            math.fsum(value - bound for name, (value, bound) in mine.parts.items() if name not in others.parts)
            for mine, others in ((first, second), (second, first))
        ]
        low.append(first.value - second.value - apart[0])
        high.append(first.value - second.value + apart[1])
    return float(chances @ np.array(low)), float(chances @ np.array(high))


def _cost_table(cases: Sequence[Case], pool: Mapping[str, Decisions]) -> pl.DataFrame:
    rows = []
    for name in pool:
        for case in (*cases[1:], cases[0]):
            found = case.awarded.get(name)
            money = (None, None) if found is None else (found.value, found.bound)
            rows.append((name, case.name, case.probability, *money))
    schema: dict[str, Any] = {"candidate": pl.String, "scenario": pl.String, "probability": pl.Float64}
    return pl.DataFrame(rows, schema=schema | {"cost": pl.Float64, "bound": pl.Float64}, orient="row")


def _finite(table: pl.DataFrame) -> pl.DataFrame:
    numbers = pl.col(pl.Float64)
    return table.with_columns(pl.when(numbers.is_finite()).then(numbers).otherwise(None))


def _first_stages(pool: Mapping[str, Decisions]) -> pl.DataFrame:
    """candidate, kind (module or plant), name, group, cars (slots that carry it)."""
    rows = []
    for candidate, designs in pool.items():
        carried: dict[tuple[str, str], int] = {}
        for option in designs.modules.values():
            if not option.contract:
                carried[(option.module, option.group)] = carried.get((option.module, option.group), 0) + 1
        rows += [(candidate, "module", module, group, cars) for (module, group), cars in sorted(carried.items())]
        rows += [
            (candidate, "plant", f"{name} {size:g} GWh from {year}", owner, 0)
            for owner, name, size, year in designs.plants
        ]
    schema = {"candidate": pl.String, "kind": pl.String, "name": pl.String, "group": pl.String, "cars": pl.Int64}
    return pl.DataFrame(rows, schema=schema, orient="row")
