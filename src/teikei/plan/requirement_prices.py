"""The price of a requirement: what the alliance would save if one programme gave up 0.5 s, 20 km, ..."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import polars as pl

from teikei.errors import StudyError
from teikei.modules.types import Catalogue
from teikei.plan.decisions import Decisions
from teikei.plan.ladder import split_members
from teikei.plan.read import read_facts
from teikei.plan.scope import Scope
from teikei.plan.solve_one import solve_scope
from teikei.plan.solve_part import QUICK, Effort
from teikei.plan.types import Plan, Plans
from teikei.simulate.types import Performance
from teikei.study.types import Study

STEPS: Mapping[str, float] = {
    "range": 20.0,
    "acceleration_0_100": 0.5,
    "acceleration_80_120": 0.5,
    "top_speed": 5.0,
    "continuous_grade": 1.0,
    "hill_start": 2.0,
    "ac_charge_power": 1.0,
    "dc_charge_time": 3.0,
    "cold_range_fraction": 0.05,
    "cold_power_fraction": 0.05,
}

SCHEMA = {
    "coalition": pl.String, "rung": pl.String, "programme": pl.String, "procedure": pl.String, "step": pl.Float64,
    "saving_alliance": pl.Float64, "saving_owner": pl.Float64, "requirement": pl.String, "unit": pl.String,
    "new_configurations": pl.Int64, "modules_changed": pl.String,
}  # fmt: skip


def requirement_prices(
    study: Study,
    catalogue: Catalogue,
    performance: Performance,
    plans: Plans,
    *,
    coalition: str | None = None,
    rung: str | None = None,
    programmes: Sequence[str] | None = None,
    steps: Mapping[str, float] | None = None,
    effort: Effort = QUICK,
) -> pl.DataFrame:
    """What relaxing each binding requirement by a step saves the coalition and the programme's owner, million.

    coalition, rung: default the largest coalition at its last evaluated rung. programmes: default all. steps:
    requirement -> step in the requirement's unit (default STEPS). A requirement is listed where its relaxation makes
    configurations feasible that were not; every other stays as it was. The saving is that of the best plan found from
    the known one, so that it is never negative; ``modules_changed`` names the drawings whose use changes.
    """
    plan = _chosen(plans, coalition, rung)
    known = plan.decisions.get("decisions")
    if not isinstance(known, Decisions):
        raise StudyError(
            f"The plan of {plan.coalition} at {plan.rung} was not evaluated; it has no requirement prices."
        )
    rows = []
    facts = read_facts(study, catalogue, performance)
    members = split_members(facts, plan.coalition)
    pairs = (
        performance.results.filter(~pl.col("passed") & pl.col("margin").is_not_null())
        .select("programme", "requirement", "procedure", "unit")
        .unique(maintain_order=True)
    )
    for pair in pairs.iter_rows(named=True):
        step = (steps or STEPS).get(pair["requirement"])
        if step is None or (programmes is not None and pair["programme"] not in programmes):
            continue
        relaxed, count = _relax(performance, pair["programme"], pair["requirement"], pair["procedure"], step)
        if not count:
            continue
        wider = replace(facts, choices=read_facts(study, catalogue, relaxed).choices)
        scope = Scope(wider, plan.coalition, plan.rung, members, plan.decisions.get("reserved"))
        found = solve_scope(scope, gap_absolute=1e-4 * plan.value, starts=(known,), effort=effort)
        owner = next(s.lead for s in facts.slots.values() if s.programme == pair["programme"])
        changed = {
            option.module
            for key, option in found.decisions.modules.items()
            if known.modules.get(key) is None or known.modules[key].module != option.module
        }
        rows.append(
            {
                "coalition": plan.coalition, "rung": plan.rung, **pair, "step": step,
                "saving_alliance": plan.value - found.value,
                "saving_owner": _owner_cost(plan, owner)
                - math.fsum(r.value for r in found.priced.records if r.company == owner),
                "new_configurations": count, "modules_changed": ";".join(sorted(changed)),
            }
        )  # fmt: skip
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


def _chosen(plans: Plans, coalition: str | None, rung: str | None) -> Plan:
    found = [
        plan
        for plan in plans.by_key.values()
        if plan.status != "not evaluated"
        and (coalition is None or plan.coalition == coalition)
        and (rung is None or plan.rung == rung)
    ]
    if not found:
        raise StudyError(f"There is no plan of {coalition or 'any coalition'} at {rung or 'any rung'}.")
    size = max(plan.coalition.count("+") for plan in found)
    return [plan for plan in found if plan.coalition.count("+") == size][-1]


def _owner_cost(plan: Plan, owner: str) -> float:
    return float(plan.tables["cost_breakdown"].filter(pl.col("company") == owner)["value"].sum())


def _relax(
    performance: Performance, programme: str, requirement: str, procedure: str, step: float
) -> tuple[Performance, int]:
    """The performance with one requirement of a programme relaxed, and how many candidates become feasible."""
    here = (
        (pl.col("programme") == programme) & (pl.col("requirement") == requirement) & (pl.col("procedure") == procedure)
    )
    results = performance.results.with_columns(
        pl.when(here & pl.col("margin").is_not_null())
        .then(pl.col("passed") | (pl.col("margin") >= -step))
        .otherwise(pl.col("passed"))
        .alias("passed")
    )
    touched = results.filter(here).select("slot").unique()
    failing = results.filter(~pl.col("passed")).select("slot", "candidate").unique()
    candidates = (
        performance.candidates.join(touched.with_columns(pl.lit(True).alias("touched")), on="slot", how="left")
        .join(failing.with_columns(pl.lit(True).alias("failing")), on=["slot", "candidate"], how="left")
        .with_columns(
            (pl.col("feasible") | (pl.col("touched").fill_null(False) & ~pl.col("failing").fill_null(False))).alias(
                "feasible"
            )
        )
        .drop("touched", "failing")
    )
    count = int(candidates["feasible"].sum()) - int(performance.candidates["feasible"].sum())
    return replace(performance, candidates=candidates, results=results), count
