"""Configurations refused by less than the simulation can tell: the next ones to look at, and to measure."""

from __future__ import annotations

from typing import Any, Final

import polars as pl

from teikei.modules.types import Catalogue
from teikei.simulate.types import Performance
from teikei.study.requirement_kinds import simulation_error

SCHEMA: Final[dict[str, Any]] = {
    "programme": pl.String, "generation": pl.String, "version": pl.String, "slot": pl.String, "candidate": pl.Int64,
    "modules": pl.String, "requirement": pl.String, "procedure": pl.String, "kind": pl.String, "floor": pl.Float64,
    "reached": pl.Float64, "unit": pl.String, "short": pl.Float64, "simulation_error": pl.Float64,
}  # fmt: skip


def near_misses(catalogue: Catalogue, performance: Performance) -> pl.DataFrame:
    """A row for every requirement that refuses a configuration, where all that refuse it do so within their error.

    floor: what a car must not fall behind (the value of a hard requirement, the floor of a target), ``short``: by how
    much it does, both in ``unit``; simulation_error: how far the simulation may be off there. Configurations whose
    axles and pack cannot work together are not listed. Nearest first, by slot.
    """
    refusing = (
        performance.results.filter(~pl.col("allowed") & pl.col("floor").is_not_null() & pl.col("reached").is_not_null())
        .with_columns((pl.col("reached") - pl.col("floor")).abs().alias("short"))
        .join(
            performance.candidates.filter(pl.col("fault") == "").select("slot", "candidate"),
            on=["slot", "candidate"],
            how="semi",
            maintain_order="left",
        )
    )
    if refusing.is_empty():
        return pl.DataFrame(schema=SCHEMA)
    errors = [simulation_error(name, value) for name, value in refusing.select("requirement", "floor").iter_rows()]
    refusing = refusing.with_columns(pl.Series("simulation_error", errors, dtype=pl.Float64))
    near = refusing.filter(
        ((pl.col("short") < pl.col("simulation_error")).all().over("slot", "candidate")) & pl.col("short").is_finite()
    )
    modules = catalogue.candidates.group_by("slot", "candidate", maintain_order=True).agg(
        pl.col("module").str.join("+").alias("modules")
    )
    return (
        near.join(modules, on=["slot", "candidate"], how="left", maintain_order="left")
        .join(catalogue.slots.select("slot", "generation"), on="slot", how="left", maintain_order="left")
        .with_columns((pl.col("short") / pl.col("simulation_error")).max().over("slot", "candidate").alias("nearness"))
        .sort("slot", "nearness", "candidate", maintain_order=True)
        .select(pl.col(name).cast(kind) for name, kind in SCHEMA.items())
    )
