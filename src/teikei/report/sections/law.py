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
        blocks.append(_table(rows.filter(pl.col("rung") == context.best_rung), context.best_rung))
        blocks += [*_precedents(context), _sources(rows.filter(pl.col("rung") == context.best_rung))]
        for rung in rows["rung"].fill_null("").unique(maintain_order=True).to_list():
            if rung != context.best_rung:
                table = _table(rows.filter(pl.col("rung").fill_null("") == rung), rung)
                blocks.append(Details(f"Screens at “{words(rung)}”", (table,)))
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
        ["Light", "Screen", "Subject", "Where, when", "Figure", "Threshold", "To take to counsel or to find out"],
        [
            [
                _light(row["light"]),
                row["screen"] or "",
                row["subject"] or "–",
                ", ".join(str(part) for part in (row["region"], row["year"]) if part is not None) or "–",
                _figure(row["figure"], row["question"], row["band"]),
                Cell("–") if row["threshold"] is None else _figure(row["threshold"], None),
                row["question"] or "–",
            ]
            for row in ordered
        ],
        note="A figure that is not known is asked for, not guessed. No light says only that a figure lies below a "
        "warning level.",
    )


def _sources(rows: pl.DataFrame) -> Details:
    found = rows.select("screen", "source").unique(maintain_order=True).drop_nulls("source")
    table = grid(
        "Where thresholds and shares come from",
        ["Screen", "Source"],
        [[row["screen"] or "", row["source"] or ""] for row in found.iter_rows(named=True)],
    )
    return Details("Where thresholds and shares come from, and of what date", (table,))


def _precedents(context: Context) -> list[Block]:
    rows = context.tables.get("law_precedents")
    if rows.is_empty():
        return []

    def share(value: float | None) -> Cell:
        return Cell("not known") if value is None else Cell(percent(value, 0), value)

    table = grid(
        "Cases that the authority let pass, beside which the common share of cost is read",
        ["Case", "Year", "Selling share", "Buying share", "Common share of cost", "Conditions", "Answer", "Evidence"],
        [
            [
                f"{row['authority']}: {row['case']}",
                str(row["year"] or "–"),
                *(share(row[name]) for name in ("selling_share", "buying_share", "common_cost")),
                row["conditions"] or "–",
                row["answer"] or "–",
                f"{row['confidence']}: {row['source']}",
            ]
            for row in rows.iter_rows(named=True)
        ],
        note="A case is no clearance of another. A pool of batteries and e-axles lies outside all of them.",
    )
    return [Details(f"Precedents: {rows.height} cases with their figures", (table,))]


def _figure(value: float | None, question: str | None, band: str | None = None) -> Cell:
    if value is None:
        return Cell("not known" if question else "not known: ask")
    text = percent(value) if 0 <= value <= 1 else plain(value)
    return Cell(f"{text} ({band})" if band else text, value)


def _light(light: str | None) -> Cell:
    signs = {"red": "■ red", "amber": "▲ amber"}
    return Cell(signs.get(light or "", light or "–"), look=f"light-{light}" if light in signs else "")
