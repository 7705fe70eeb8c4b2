"""The cases of a market forecast: how the plans change variable cost per car, and the loop back through volumes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import polars as pl

from teikei.market.respond import Response, price_and_sell
from teikei.market.scene import Scene
from teikei.plan.types import NOT_CONTRACTED, Plan, Plans
from teikei.study.types import Study

NOT_EVALUATED: Final = "not evaluated"
Reprice = Callable[[Plan, pl.DataFrame], Plan]
CostChange = Mapping[int, Mapping[str, float]]  # year -> programme -> study currency per car

_NOT_BY_CAR: Final = ("shortfall", *NOT_CONTRACTED)  # another car does not cause it, or it is no cash
_LOOP_CAP: Final = 12
_LOOP_TOLERANCE_JPY: Final = 1.0  # per car: below what any price list shows
_CENTRAL: Final = slice(0, 1)


@dataclass(frozen=True)
class Case:
    """One case: its cost change by year and programme, and who sets prices together."""

    coalition: str
    rung: str
    scenario: str
    change: CostChange
    merged: tuple[str, ...] = ()


@dataclass(frozen=True)
class LoopResult:
    """How the loop price -> volume -> re-priced plan -> cost -> price ended.

    change: the last cost change; residual: its largest move in the last round, study currency per car; rounds;
    cycle: length of the cycle found, 0 for none; converged.
    """

    change: CostChange
    residual: float
    rounds: int
    cycle: int
    converged: bool


def is_variable() -> pl.Expr:
    """Rows of ``unit_costs`` that reach prices: what one more car costs, in cash."""
    return ~pl.col("item").is_in(_NOT_BY_CAR)


def unit_cost(table: pl.DataFrame) -> dict[tuple[str, int], float]:
    """Variable cost per car (study currency) by (programme, year): items added up, companies weighted by units.

    Payments for orders short of a minimum are left out: another car does not cause them, so they are not in prices.
    """
    table = table.filter(is_variable())
    if not table.height:
        return {}
    car = table.group_by("company", "programme", "year").agg(pl.col("variable_cost").sum(), pl.col("units").max())
    mean = car.group_by("programme", "year").agg(
        ((pl.col("variable_cost") * pl.col("units")).sum() / pl.col("units").sum()).alias("cost")
    )
    return {
        (programme, year): cost
        for programme, year, cost in mean.select("programme", "year", "cost").iter_rows()
        if cost is not None and cost == cost  # noqa: PLR0124  (not NaN: cars of zero units)
    }


def cost_change(before: Mapping[tuple[str, int], float], after: Mapping[tuple[str, int], float]) -> CostChange:
    """Year -> programme -> change of variable cost per car, where both plans price the car."""
    change: dict[int, dict[str, float]] = {}
    for (programme, year), cost in sorted(after.items()):
        if (programme, year) in before:
            change.setdefault(year, {})[programme] = cost - before[programme, year]
    return change


def alone_costs(study: Study, plans: Plans) -> dict[tuple[str, int], float]:
    """Cost per car where every bloc plans for itself: the plans of blocs at the lowest rung."""
    costs: dict[tuple[str, int], float] = {}
    for members in study.blocs.values():
        plan = plans.by_key.get((study.coalition_name(members), study.baseline_rung))
        if plan is not None and "unit_costs" in plan.tables:
            costs |= unit_cost(plan.tables["unit_costs"])
    return costs


def grand_plans(study: Study, plans: Plans) -> list[Plan]:
    """Evaluated plans of the coalition of all companies, lowest rung first, the lowest itself left out."""
    grand = study.coalition_name(set(study.companies))
    order = {rung: position for position, rung in enumerate(study.rung_names)}
    found = [
        plan
        for (coalition, rung), plan in plans.by_key.items()
        if coalition == grand
        and rung != study.baseline_rung
        and not plan.status.startswith(NOT_EVALUATED)
        and "unit_costs" in plan.tables
    ]
    return sorted(found, key=lambda plan: order.get(plan.rung, len(order)))


def build_cases(study: Study, plans: Plans | None, scenario: str) -> list[Case]:
    """Baseline, every evaluated rung, and the merger with and without the saving of the highest rung."""
    baseline = study.baseline_rung
    cases = [Case(baseline, baseline, scenario, {})]
    joint = grand_plans(study, plans) if plans is not None else []
    before = alone_costs(study, plans) if plans is not None else {}
    cases += [
        Case(plan.coalition, plan.rung, scenario, cost_change(before, unit_cost(plan.tables["unit_costs"])))
        for plan in joint
    ]
    companies = study.companies
    if len(companies) > 1:
        grand = study.coalition_name(set(companies))
        cases.append(Case(grand, baseline, "merger", {}, companies))
        if joint:
            cases.append(Case(grand, cases[-2].rung, "merger", cases[-2].change, companies))
    return cases


def _units(response: Response) -> dict[str, float]:
    units: dict[str, float] = {}
    for j, programme in enumerate(response.scene.home.programme):
        if programme:
            units[programme] = units.get(programme, 0.0) + float(response.units[0, j])
    return units


def moved_volumes(study: Study, factor: Mapping[tuple[str, int], float], country: str) -> pl.DataFrame:
    """The study's volumes with the home market's rows multiplied by the factor of (programme, year)."""
    table = study["volumes"]
    multiplier = [
        factor.get((programme, year), 1.0) if region == country else 1.0
        for programme, year, region in table.select("programme", "year", "region").iter_rows()
    ]
    return table.with_columns(pl.col("units") * pl.Series(multiplier, dtype=pl.Float64))


def close_loop(
    study: Study,
    plan: Plan,
    before: Mapping[tuple[str, int], float],
    scenes: Sequence[Scene],
    baseline: Mapping[int, Response],
    reprice: Reprice,
) -> LoopResult:
    """Price -> volume -> re-priced plan (designs and awards frozen) -> variable cost -> price, until costs stay put.

    Volumes move in the home market only, by the ratio of the case's sales to the baseline's at the most likely
    parameters. Tiers make cost a step function of volume, so the loop may cycle: then the cycle is reported and the
    last round taken, never averaged into something that no plan says.
    """
    change = cost_change(before, unit_cost(plan.tables["unit_costs"]))
    seen: dict[tuple[tuple[int, str, int], ...], int] = {}
    residual, cycle, rounds = float("inf"), 0, 0
    tolerance = _LOOP_TOLERANCE_JPY * scenes[0].home.rate
    for rounds in range(1, _LOOP_CAP + 1):
        factor: dict[tuple[str, int], float] = {}
        for scene in scenes:
            if not change.get(scene.year):
                continue
            old = _units(baseline[scene.year])
            new = _units(price_and_sell(scene, change[scene.year], draws=_CENTRAL))
            factor |= {(programme, scene.year): new[programme] / old[programme] for programme in new}
        repriced = reprice(plan, moved_volumes(study, factor, scenes[0].home.country))
        following = cost_change(before, unit_cost(repriced.tables["unit_costs"]))
        moves = [
            abs(cost - change.get(year, {}).get(programme, 0.0))
            for year, row in following.items()
            for programme, cost in row.items()
        ]
        residual, change = max(moves, default=0.0), following
        if residual <= tolerance:
            break
        state = tuple(
            (year, name, round(cost / tolerance)) for year, row in change.items() for name, cost in row.items()
        )
        if state in seen:
            cycle = rounds - seen[state]
            break
        seen[state] = rounds
    return LoopResult(change, residual, rounds, cycle, residual <= tolerance)
