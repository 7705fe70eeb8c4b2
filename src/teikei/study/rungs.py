"""The ladder of rungs: their order, and the baseline, which is the lowest rung whatever it is called."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import polars as pl

NO_RUNGS: Final = "alone"  # what the companies by themselves are called where a study names no rung at all


def rung_names(rungs: pl.DataFrame) -> tuple[str, ...]:
    """Rungs by position, lowest first; rungs: columns rung and position, one row for each rung and class."""
    return tuple(rungs.sort("position", maintain_order=True)["rung"].unique(maintain_order=True).to_list())


def baseline_rung(rungs: pl.DataFrame) -> str:
    """The rung at the lowest position: every bloc by itself, against which savings count."""
    return next(iter(rung_names(rungs)), NO_RUNGS)


def stored_baseline_rung(tables: Mapping[str, pl.DataFrame], meta: Mapping[str, Any]) -> str:
    """The baseline rung of a stored run.

    tables, meta: of the run. Its table ``rungs`` says it, else the rungs of run.json (lowest first). A run that keeps
    neither (tables made by hand): the first rung at which a part of the grand coalition has a cost.
    """
    rungs = tables.get("rungs")
    if rungs is not None and {"rung", "position"} <= set(rungs.columns):
        placed = rungs.select("rung", "position").drop_nulls()
        if placed.height:
            return baseline_rung(placed)
    told = meta.get("rungs")
    if isinstance(told, list | tuple) and told:
        return str(told[0])
    costs = tables.get("cost_by_rung")
    if costs is None or not {"coalition", "rung"} <= set(costs.columns):
        return NO_RUNGS
    pairs = [(str(name), str(rung)) for name, rung in costs.select("coalition", "rung").drop_nulls().iter_rows()]
    grand = max((name for name, _ in pairs), key=lambda name: name.count("+"), default="")
    return next((rung for name, rung in pairs if name != grand), next((rung for _, rung in pairs), NO_RUNGS))
