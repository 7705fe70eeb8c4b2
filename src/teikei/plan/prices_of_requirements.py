"""The price of a requirement: what the alliance would save if one programme gave up 0.5 s, 20 km, ..."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import polars as pl

from teikei.errors import StudyError
from teikei.modules.types import Catalogue
from teikei.plan.decisions import Decisions
from teikei.plan.facts import Facts
from teikei.plan.ladder import split_members
from teikei.plan.read import read_facts
from teikei.plan.scope import Scope
from teikei.plan.solve_one import Solved, solve_scope
from teikei.plan.solve_part import QUICK, Effort
from teikei.plan.types import Plan, Plans
from teikei.simulate.types import Performance
from teikei.study.requirement_kinds import worse
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
    "new_configurations": pl.Int64, "modules_changed": pl.String, "saving_upper": pl.Float64,
    "shared_families": pl.String, "kind": pl.String, "saving_cash": pl.Float64,
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

    A hard requirement gives way by the step. Of a target the floor does: what its buyers lose still counts against the
    saving, so that the price is what the target costs beyond its value. coalition, rung: default the largest coalition
    at its last evaluated rung. programmes: default all. steps: requirement -> step in the requirement's unit (default
    STEPS). A requirement is listed where its relaxation makes configurations feasible that were not; every other stays
    as it was. The saving is that of the best plan found from the known one, so that it is never negative; saving_upper
    is what it can be at most, by the proven bound of the relaxed plan. ``modules_changed`` names the drawings whose use
    changes, ``shared_families`` those families that several companies share in the known plan and that the change adds
    to or takes out of a car; ``saving_cash`` is the part of ``saving_alliance`` that is paid.
    """
    plan = chosen_plan(plans, coalition, rung)
    known = _known(plan)
    rows = []
    facts = read_facts(study, catalogue, performance)
    pairs = (
        performance.results.filter(~pl.col("allowed"))
        .select("programme", "requirement", "procedure", "unit", "kind")
        .unique(maintain_order=True)
    )
    for pair in pairs.iter_rows(named=True):
        step = (steps or STEPS).get(pair["requirement"])
        if step is None or (programmes is not None and pair["programme"] not in programmes):
            continue
        relaxed, count = _relax(performance, pair["programme"], pair["requirement"], pair["procedure"], step)
        if not count:
            continue
        more = read_facts(study, catalogue, relaxed)
        wider = replace(facts, choices=more.choices, missed=more.missed)
        found = _relaxed_plan(plan, wider, (known,), effort)
        rows.append(_row(plan, facts, pair, step, count, found))
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


def requirement_curve(
    study: Study,
    catalogue: Catalogue,
    performance: Performance,
    plans: Plans,
    *,
    programme: str,
    requirement: str,
    steps: Sequence[float],
    coalition: str | None = None,
    rung: str | None = None,
    effort: Effort = QUICK,
) -> pl.DataFrame:
    """The price of one requirement of one programme as a curve: a row like those of ``requirement_prices`` per step.

    steps: amounts to give up, in the requirement's unit. Each plan starts from the one of the smaller step, so that
    the curve never falls. A step that lets no configuration in has saving 0. Raises StudyError where the programme
    has no such requirement that rejects anything.
    """
    plan = chosen_plan(plans, coalition, rung)
    facts = read_facts(study, catalogue, performance)
    here = (pl.col("programme") == programme) & (pl.col("requirement") == requirement)
    rejected = performance.results.filter(here & ~pl.col("allowed"))
    if rejected.is_empty():
        raise StudyError(f"No configuration of {programme} is rejected by {requirement}; giving it up saves nothing.")
    pair = rejected.row(0, named=True)
    pair = {name: pair[name] for name in ("programme", "requirement", "procedure", "unit", "kind")}
    starts: tuple[Decisions, ...] = (_known(plan),)
    rows = []
    for step in sorted(steps):
        relaxed, count = _relax(performance, programme, requirement, pair["procedure"], step)
        more = read_facts(study, catalogue, relaxed)
        wider = replace(facts, choices=more.choices, missed=more.missed)
        found = _relaxed_plan(plan, wider, starts, effort)
        starts = (*starts, found.decisions)
        rows.append(_row(plan, facts, pair, step, count, found))
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


def _known(plan: Plan) -> Decisions:
    known = plan.decisions.get("decisions")
    if not isinstance(known, Decisions):
        raise StudyError(
            f"The plan of {plan.coalition} at {plan.rung} was not evaluated; it has no requirement prices."
        )
    return known


def _relaxed_plan(plan: Plan, facts: Facts, starts: tuple[Decisions, ...], effort: Effort) -> Solved:
    members = split_members(facts, plan.coalition)
    scope = Scope(facts, plan.coalition, plan.rung, members, plan.decisions.get("reserved"))
    joint = {**scope.joint_start, **plan.decisions.get("joint_start", {})}  # divergence counts from the same years
    scope = replace(scope, known_joint_start=joint)
    return solve_scope(scope, gap_absolute=1e-4 * plan.value, starts=starts, effort=effort)


def _row(
    plan: Plan, facts: Facts, pair: Mapping[str, object], step: float, count: int, found: Solved
) -> dict[str, object]:
    known = _known(plan)
    owner = next(s.lead for s in facts.slots.values() if s.programme == pair["programme"])
    changed = {
        key
        for key, option in found.decisions.modules.items()
        if known.modules.get(key) is None or known.modules[key].module != option.module
    }
    shared = {facts.modules[o.module].family for o in known.modules.values() if o.group == plan.coalition}
    touched = {
        facts.modules[decisions.modules[key].module].family
        for key in changed
        for decisions in (known, found.decisions)
        if key in decisions.modules
    }
    return {
        "coalition": plan.coalition, "rung": plan.rung, **pair, "step": step,
        "saving_alliance": plan.value - found.value,
        "saving_owner": _owner_cost(plan, owner)
        - math.fsum(r.value for r in found.priced.records if r.company == owner),
        "new_configurations": count,
        "modules_changed": ";".join(sorted({found.decisions.modules[key].module for key in changed})),
        "saving_cash": plan.cash - found.priced.cash,
        "saving_upper": plan.value - found.bound, "shared_families": ";".join(sorted(shared & touched)),
    }  # fmt: skip


def chosen_plan(plans: Plans, coalition: str | None, rung: str | None) -> Plan:
    """The plan asked for; by default of the largest coalition at its last evaluated rung. Raises StudyError."""
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
    short = (pl.col("reached") - pl.col("floor")) * (worse(requirement) * -1.0)
    results = performance.results.with_columns(
        pl.when(here).then(pl.col("allowed") | (short >= -step)).otherwise(pl.col("allowed")).alias("allowed")
    )
    touched = results.filter(here).select("slot").unique()
    failing = results.filter(~pl.col("allowed")).select("slot", "candidate").unique()
    candidates = (
        performance.candidates.join(touched.with_columns(pl.lit(True).alias("touched")), on="slot", how="left")
        .join(failing.with_columns(pl.lit(True).alias("failing")), on=["slot", "candidate"], how="left")
        .with_columns(
            (
                pl.col("feasible")
                | (pl.col("touched").fill_null(False) & ~pl.col("failing").fill_null(False) & (pl.col("fault") == ""))
            ).alias("feasible")
        )
        .drop("touched", "failing")
    )
    count = int(candidates["feasible"].sum()) - int(performance.candidates["feasible"].sum())
    return replace(performance, candidates=candidates, results=results), count
