"""Which car carries which body, who developed it, what it shares, and in which plant it is built."""

from __future__ import annotations

import polars as pl

from teikei.report.blocks import Block, Details, Spec, Text, frame_grid, words
from teikei.report.context import Context
from teikei.study.cars import BODIES

_CAR = ["programme", "generation"]


def whole_cars(context: Context) -> list[Block]:
    """Bodies and assembly plants of the cars of the best rung; nothing where the study has neither."""
    bodies, plants = _bodies(context), _plants(context)
    if bodies.is_empty() and plants.is_empty():
        return []
    told = []
    if not bodies.is_empty():
        shared = bodies.filter(pl.col("cars_on_body") > 1)
        told.append(
            f"{len(shared)} of {len(bodies)} cars that choose among bodies share one; the body is common, each has a "
            "brand face of its own."
        )
    if not plants.is_empty():
        moved = plants.filter(~pl.col("planned"))
        told.append(
            f"{moved.select(_CAR).unique().height} of {plants.select(_CAR).unique().height} cars are built in another "
            "plant than planned."
        )
    grids = []
    if not bodies.is_empty():
        specs = [
            Spec("programme", "Car"),
            Spec("generation", "Generation"),
            Spec("module", "Body"),
            Spec("developing_group", "Developed by"),
            Spec("cars_on_body", "Cars on this body", "number"),
        ]
        title = f"Bodies at “{words(context.best_rung)}”"
        grids.append(frame_grid(bodies, title, specs, context.money, where="configurations"))
    if not plants.is_empty():
        specs = [Spec("programme", "Car"), Spec("generation", "Generation"), Spec("plant", "Plant"),
                 Spec("year", "Year", "year"), Spec("units", "Cars", "number"),
                 Spec("capacity", "Plant can build", "number")]  # fmt: skip
        title = f"Cars by plant at “{words(context.best_rung)}”"
        grids.append(frame_grid(plants, title, specs, context.money, where="assembly"))
    return [Text(" ".join(told), "note"), Details("Who builds what where", tuple(grids))]


def _bodies(context: Context) -> pl.DataFrame:
    table = context.joint("configurations")
    if table.is_empty() or not {*_CAR, "class", "module", "developing_group"} <= set(table.columns):
        return pl.DataFrame()
    mine = table.filter(pl.col("class").is_in(sorted(BODIES)))
    mine = mine.select(*_CAR, "module", "developing_group").unique(maintain_order=True)
    on_body = pl.len().over("module", "developing_group").alias("cars_on_body")
    return mine.with_columns(on_body) if len(mine) else pl.DataFrame()


def _plants(context: Context) -> pl.DataFrame:
    table = context.joint("assembly")
    if table.is_empty() or "planned" not in table.columns:
        return pl.DataFrame()
    return table.sort("programme", "generation", "plant", "year")
