"""A study with the ranges that cars reach as each company plans alone: what buyers are offered, not what was asked."""

from __future__ import annotations

import polars as pl

from teikei.plan.types import Plan, Plans
from teikei.simulate.types import Performance
from teikei.study.requirement_kinds import TARGET
from teikei.study.types import Study


def with_ranges_reached(study: Study, performance: Performance, plans: Plans) -> Study:
    """The study with every range that is a target lowered by what the plans of the blocs alone miss of it.

    Averaged over the cars of a programme's versions and generations by units, in the procedure's own kilometres (where
    the target was scaled by an incumbent, so is what is missed). What exceeds a target counts no further. Hard ranges
    and reports stay.
    """
    rung = study.baseline_rung
    alone = [plans.by_key.get((study.coalition_name(members), rung)) for members in study.blocs.values()]
    missed = _missed(performance, [plan for plan in alone if plan is not None])
    if not missed:
        return study
    table = study["requirements"]
    values = [
        row["value"] - missed.get((row["programme"], row["version"], row["procedure"]), 0.0)
        if row["requirement"] == "range" and row["kind"] == TARGET
        else row["value"]
        for row in table.iter_rows(named=True)
    ]
    return study.with_tables(requirements=table.with_columns(pl.Series("value", values, dtype=pl.Float64)))


def _missed(performance: Performance, plans: list[Plan]) -> dict[tuple[str, str, str], float]:
    """(programme, version or ``all``, procedure) -> km missed by the configurations of these plans."""
    frames = [table for plan in plans if (table := plan.tables.get("configurations")) is not None and table.height]
    if not frames:
        return {}
    chosen = pl.concat(frames).group_by("slot", "candidate").agg(pl.col("quantity").max().alias("cars"))
    rows = performance.results.filter((pl.col("requirement") == "range") & (pl.col("kind") == TARGET)).join(
        chosen, on=["slot", "candidate"], how="inner"
    )
    rows = rows.with_columns((pl.col("missed") * pl.col("required") / pl.col("effective")).alias("km"))
    found: dict[tuple[str, str, str], float] = {}
    for keys in (["programme", "version", "procedure"], ["programme", "procedure"]):
        mean = rows.group_by(keys).agg((pl.col("km") * pl.col("cars")).sum() / pl.col("cars").sum())
        for row in mean.iter_rows(named=True):
            if row["km"]:
                found[(row["programme"], row.get("version", "all"), row["procedure"])] = row["km"]
    return found
