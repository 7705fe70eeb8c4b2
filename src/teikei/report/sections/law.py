"""Screens of competition law: amber and red lights with the figure behind them."""

from __future__ import annotations

import polars as pl

from teikei.report.blocks import Block, Cell, Details, Grid, Section, Text, grid, words
from teikei.report.context import Context
from teikei.report.formatting import percent, plain

ADVICE = "Screens only point to what must be taken to counsel; a missing light is no clearance."


def section(context: Context) -> Section:
    """The screens of the rung that saves most, the others behind a click."""
    rows = context.tables.get("screens")
    blocks: list[Block] = []
    if rows.is_empty():
        blocks.append(Text(context.absent("screens"), "absent"))
    else:
        blocks.append(Text(f"{_count(rows, context.best_rung)} {ADVICE}", "lead"))
        for rung in sorted(rows["rung"].fill_null("").unique().to_list(), key=lambda name: name != context.best_rung):
            table = _table(rows.filter(pl.col("rung").fill_null("") == rung), rung)
            blocks.append(table if rung == context.best_rung else Details(f"Screens at “{words(rung)}”", (table,)))
    return Section(
        "law", "Law screens", "Which shares and thresholds need a lawyer before anybody talks?", tuple(blocks)
    )


def _count(rows: pl.DataFrame, rung: str) -> str:
    own = rows.filter(pl.col("rung") == rung)
    lights = own["light"].fill_null("").to_list()
    unknown = own["figure"].null_count()
    return (
        f"At “{words(rung)}”: {lights.count('red')} red and {lights.count('amber')} amber of {own.height} screens, "
        f"{unknown} of them because a figure is not known."
        if unknown
        else f"At “{words(rung)}”: {lights.count('red')} red and {lights.count('amber')} amber of {own.height} screens."
    )


def _table(rows: pl.DataFrame, rung: str) -> Grid:
    order = {"red": 0, "amber": 1}
    ordered = sorted(rows.iter_rows(named=True), key=lambda row: order.get(row["light"] or "", 2))
    return grid(
        f"Competition-law screens at “{words(rung)}”",
        ["Screen", "Subject", "Region", "Year", "Figure", "Threshold", "Light", "What to find out", "Threshold from"],
        [
            [
                row["screen"] or "",
                row["subject"] or "–",
                row["region"] or "–",
                str(row["year"] or "–"),
                _figure(row["figure"], row["question"]),
                Cell("–") if row["threshold"] is None else _figure(row["threshold"], None),
                _light(row["light"]),
                row["question"] or "–",
                row["source"] or "no source given",
            ]
            for row in ordered
        ],
        note="A figure that is not known is asked for, not guessed.",
    )


def _figure(value: float | None, question: str | None) -> Cell:
    if value is None:
        return Cell("not known" if question else "not known: ask")
    return Cell(percent(value) if 0 <= value <= 1 else plain(value), value)


def _light(light: str | None) -> Cell:
    signs = {"red": "■ red", "amber": "▲ amber"}
    return Cell(signs.get(light or "", light or "–"), look=f"light-{light}" if light in signs else "")
