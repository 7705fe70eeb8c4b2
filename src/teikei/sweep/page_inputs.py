"""Part of a sweep's page: which inputs matter, by tornado, first-order and Sobol indices."""

from __future__ import annotations

import polars as pl

from teikei.report import charts
from teikei.report.blocks import Block, Chart, Section, Spec, Text, frame_grid, words
from teikei.report.charts import Series
from teikei.report.formatting import percent
from teikei.sweep.told import MOST_ROWS, Told


def which_inputs_matter(told: Told) -> Section:
    """The section that ranks the inputs."""
    blocks: list[Block] = [*_tornado(told), *_first_order(told), *_sobol(told)]
    return Section(
        "inputs", "Which inputs matter", "What moves the saving, by itself and together?",
        tuple(blocks) or (Text("Too few samples to tell inputs apart.", "absent"),),
    )  # fmt: skip


def _tornado(told: Told) -> list[Block]:
    rows = told.tables["tornado"].filter((pl.col("kind") == "saving") & (pl.col("rung") == told.best))
    rows = rows.drop_nulls(["low", "high"]).head(MOST_ROWS)
    if rows.is_empty():
        return []
    labels = rows["input"].to_list()
    base = rows["base"][0]
    away = {key: [told.money.scaled(value - base) for value in rows[key].to_list()] for key in ("low", "high")}
    series = [
        Series("input at its 10 % quantile", away["low"]),
        Series("input at its 90 % quantile", away["high"], penalty=True),
    ]
    unit = f"change of the saving at “{words(told.best)}” from {told.money.text(base)}, {told.money.label}"
    figure = charts.horizontal_bars(labels, series, unit, decimals=told.money.decimals(rows["swing"].to_list()))
    figure["layout"]["barmode"] = "overlay"
    for trace in figure["data"]:
        trace["textposition"] = "none"
    specs = [Spec("input", "Input")] + [Spec(key, key, "money") for key in ("base", "low", "high", "swing")]
    return [
        Chart(
            "tornado",
            "One input at a time",
            "Each bar moves one input from its 10 % to its 90 % quantile, all others as the study has them; the plan "
            "is made again each time. The inputs shown are those that explain most over the samples.",
            figure,
            frame_grid(rows, f"Saving with one input moved, {told.money.label}", specs, told.money, where="tornado"),
            height_px=140 + 34 * len(labels),
        )
    ]


def _first_order(told: Told) -> list[Block]:
    rows = told.tables["sensitivity"].filter((pl.col("kind") == "saving") & (pl.col("rung") == told.best))
    rows = rows.drop_nulls("first_order").head(MOST_ROWS)
    if rows.is_empty():
        return []
    specs = [Spec("input", "Input"), Spec("first_order", "explains by itself", "percent")]
    specs.append(Spec("direction", "direction", "number", sign=True))
    total = sum(max(0.0, share) for share in rows["first_order"].to_list())
    shown = rows.with_columns(pl.col("first_order").clip(lower_bound=0.0))  # below none is noise
    table = frame_grid(shown, "First-order index from the samples of the bands", specs, told.money, where="sensitivity")
    noise = f"With {told.done} samples a figure below about {percent(told.noise, 0)} is noise."
    note = (
        f"Together these explain {percent(total, 0)} of the variance by themselves; the rest is interplay, "
        f"solver gaps and noise. {noise}"
        if total <= 1.0
        else f"These add up to more than the whole: there are too few samples to tell inputs well apart. {noise}"
    )
    return [table, Text(note)]


def _sobol(told: Told) -> list[Block]:
    rows = told.tables["indices"].filter((pl.col("kind") == "saving") & (pl.col("rung") == told.best))
    rows = rows.drop_nulls(["first", "total"]).sort("total", descending=True, maintain_order=True)
    if rows.is_empty():
        return [Text("Total indices need their own samples: teikei sweep … --indices N.", "note")]
    labels = rows["input"].to_list()
    series = [
        Series(f"{kind} index", rows[kind].to_list(), rows[f"{kind}_low"].to_list(), rows[f"{kind}_high"].to_list())
        for kind in ("first", "total")
    ]
    specs = [Spec("input", "Input")]
    specs += [
        Spec(f"{kind}{end}", f"{kind}{end.replace('_', ' ')}", "number")
        for kind in ("first", "total")
        for end in ("", "_low", "_high")
    ]
    specs.append(Spec("points", "points", "number"))
    return [
        Chart(
            "indices",
            "Sobol indices of the saving",
            "First: share of the variance an input explains by itself. Total: with all its interplay; an input whose "
            "total is near zero can be fixed. Whiskers: 5 to 95 % over resampled points.",
            charts.dots(labels, series, "share of variance", decimals=2),
            frame_grid(rows, "Sobol indices", specs, told.money, where="indices"),
            height_px=140 + 46 * len(labels),
        )
    ]
