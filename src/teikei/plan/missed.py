"""The targets that the cars of a plan miss: kept with it, and found again where the study asks for something else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from teikei.plan.decisions import Decisions
from teikei.plan.facts import Facts, Missed, MissedTarget, TargetReached
from teikei.simulate.types import Performance
from teikei.study.requirement_kinds import TARGET, worse
from teikei.study.types import Study

Targets = Mapping[str, tuple[TargetReached, ...]]  # slot -> targets of the car with what it reaches


def missed_of(facts: Facts, decisions: Decisions) -> Missed:
    """The targets that a plan's configurations miss: what is needed to price it again without a performance."""
    found: dict[str, dict[int, tuple[MissedTarget, ...]]] = {}
    for slot, candidate in decisions.candidate.items():
        if missed := facts.missed.get(slot, {}).get(candidate):
            found[slot] = {candidate: missed}
    return found


def targets_of(decisions: Decisions, performance: Performance | None) -> dict[str, tuple[TargetReached, ...]]:
    """What the configurations of a plan reach of their targets; empty without a performance."""
    if performance is None:
        return {}
    rows = performance.results.filter((pl.col("kind") == TARGET) & pl.col("reached").is_not_null())
    found: dict[str, tuple[TargetReached, ...]] = {}
    for row in rows.iter_rows(named=True):
        slot = row["slot"]
        if decisions.candidate.get(slot) == row["candidate"]:
            factor = row["effective"] / row["required"] if row["required"] else 1.0
            fixed = "set to incumbent" in (row["status"] or "")
            one = TargetReached(row["requirement"], row["procedure"], row["unit"], row["reached"], factor, fixed)
            found[slot] = (*found.get(slot, ()), one)
    return found


def missed_in(study: Study, facts: Facts, decisions: Decisions, stored: Mapping[str, Any]) -> tuple[Missed, list[str]]:
    """What a plan's cars miss of the targets as this study has them, and a sentence for each that is past its floor.

    stored: the plan's ``decisions`` (``missed``, ``targets``). The cars are as they were planned; targets, prices and
    floors may have moved.
    """
    targets: Targets = stored.get("targets", {})
    if not targets:
        return stored["missed"], []
    rows = study["requirements"].rows(named=True)
    result: dict[str, dict[int, tuple[MissedTarget, ...]]] = {}
    past = []
    for slot, candidate in decisions.candidate.items():
        car = facts.slots[slot]
        found = []
        for target in targets.get(slot, ()):
            row = _row(rows, car.programme, car.version, target)
            if row is None or row["kind"] != TARGET or target.fixed:
                continue
            short = worse(target.requirement) * (target.reached - row["value"] * target.factor)
            if short <= 1e-9 * max(abs(row["value"]), 1.0):
                continue
            if short > abs(row["floor_offset"] or 0.0) * (1 + 1e-9):
                past.append(
                    f"{car.programme} {car.generation} would fall past the floor of {target.requirement} "
                    f"({target.procedure}): {target.reached:.4g} {target.unit} against {row['value']:g}."
                )
            cost = short * (row["value_per_unit"] or 0.0)
            if cost > 0:
                found.append(MissedTarget(target.requirement, target.procedure, target.unit, short, cost))
        if found:
            result[slot] = {candidate: tuple(found)}
    return result, list(dict.fromkeys(past))


def _row(rows: Sequence[Mapping[str, Any]], programme: str, version: str, target: TargetReached) -> Any:
    """The requirement of a version: its own row before one for all versions."""
    named = (target.requirement, target.procedure)
    own = [r for r in rows if r["programme"] == programme and (r["requirement"], r["procedure"]) == named]
    return next((r for v in (version, "all") for r in own if r["version"] == v), None)
