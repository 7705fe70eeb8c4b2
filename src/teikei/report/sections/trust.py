"""How far to trust it: evidence behind figures and cost, warnings and explanations."""

from __future__ import annotations

import polars as pl

from teikei.report import charts
from teikei.report.blocks import Block, Cell, Chart, Details, Section, Spec, Text, frame_grid, grid, words
from teikei.report.charts import Series
from teikei.report.context import Context
from teikei.report.evidence import KINDS, Evidence
from teikei.report.formatting import percent, text_of


def section(context: Context, evidence: Evidence) -> Section:
    """Evidence, warnings, explanations."""
    blocks: list[Block] = []
    if evidence.count:
        blocks += [_figures(evidence), _cost(context, evidence), _list(context)]
    else:
        blocks.append(Text(context.absent("sources"), "absent"))
    blocks += [_messages(context, "explanations", "Odd results, explained"), _messages(context, "warnings", "Warnings")]
    return Section(
        "trust", "Sources and confidence", "How much rests on evidence, how much on assumptions?", tuple(blocks)
    )


def _figures(evidence: Evidence) -> Chart:
    rows = evidence.by_table.drop_nulls("table")
    names = rows["table"].to_list()
    series = [Series(kind, rows[kind].to_list(), penalty=kind == "assumption") for kind in KINDS]
    figure = charts.horizontal_bars(names, series, "figures", decimals=0)
    figure["layout"]["barmode"] = "stack"
    for trace in figure["data"]:
        trace["textposition"] = "none"
    table = grid(
        "Figures by table and kind of evidence",
        ["Table", *KINDS, "figures", "assumed"],
        [
            [
                row["table"],
                *(Cell(f"{row[kind]:,}", row[kind]) for kind in (*KINDS, "figures")),
                Cell(percent(row["assumption"] / row["figures"], 0), row["assumption"] / row["figures"]),
            ]
            for row in rows.iter_rows(named=True)
        ],
    )
    return Chart(
        "evidence",
        f"{percent(evidence.assumed_share, 0)} of {evidence.count:,} figures are assumptions",
        "One row per input table: plain is reported by a source, hatched is arithmetic on a reported figure, "
        "crossed is an "
        "assumption.",
        figure,
        table,
        height_px=110 + 26 * len(names),
    )


def _cost(context: Context, evidence: Evidence) -> Block:
    """Cost alone by item and by the evidence behind its prices."""
    money = context.money
    rows = context.tables.get("evidence").drop_nulls(["item", "value"])
    if rows.is_empty():
        return Text(context.absent("evidence"), "absent")
    kinds = [kind for kind, _ in evidence.cost]
    value = {
        (item, kind): amount
        for item, kind, amount in rows.group_by("item", "confidence", maintain_order=True)
        .agg(pl.col("value").sum())
        .iter_rows()
    }
    decimals = money.decimals([amount for _, amount in evidence.cost])
    total = sum(amount for _, amount in evidence.cost)
    table: list[list[Cell | str]] = []
    for item in rows["item"].unique(maintain_order=True).to_list():
        cells = [value.get((item, kind)) for kind in kinds]
        table.append([words(item), *(Cell(money.text(cell, decimals), cell) for cell in cells)])
    table.append(["all cost", *(Cell(money.text(amount, decimals), amount) for _, amount in evidence.cost)])
    shares = [amount / total if total else None for _, amount in evidence.cost]
    table.append(["share", *(Cell(percent(share, 0), share) for share in shares)])
    return grid(
        f"What the cost alone rests on, {money.label}",
        ["Item", *kinds],
        table,
        note="A purchase counts with the evidence of the offer or contract that prices it, development and tooling "
        "with that of the families. Volumes multiply everything and are not counted here.",
    )


def _list(context: Context) -> Block:
    """Sources with what is known of them, and where each is used; a row may name several keys."""
    used = (
        context.tables.get("sources")
        .with_columns(pl.col("source").fill_null("no source given").str.split(";").alias("key"))
        .explode("key")
        .with_columns(pl.col("key").str.strip_chars())
        .group_by("key", maintain_order=True)
        .agg(
            pl.len().alias("figures"),
            pl.col("table").drop_nulls().unique(maintain_order=True).str.join(", ").alias("tables"),
        )
    )
    known = context.tables.get("references").rename({"source": "key", "confidence": "kind"}).unique("key", keep="first")
    rows = used.join(known, on="key", how="left", maintain_order="left").sort(
        "figures", "key", descending=[True, False]
    )
    columns = (
        ("key", "Source"),
        ("publisher", "Publisher"),
        ("title", "Title"),
        ("date", "Date"),
        ("address", "Address"),
    )
    specs = [Spec(name, header) for name, header in columns if not rows[name].is_null().all()]
    specs += [Spec("figures", "Figures", "number"), Spec("tables", "used in")]
    return Details(
        f"All {rows.height} sources, and where each is used",
        (frame_grid(rows, "Sources", specs, context.money, where="sources", limit=400),),
    )


def _messages(context: Context, name: str, title: str) -> Block:
    rows = context.tables.get(name)
    if rows.is_empty():
        return Text(f"{title}: none stored in this run.", "note")
    columns = [column for column in rows.columns if not rows[column].is_null().all()]
    table = grid(
        title,
        ["Message" if column == "text" else words(column) for column in columns],
        [[text_of(value) for value in row] for row in rows.select(columns).rows()],
    )
    return Details(f"{title} ({rows.height})", (table,)) if rows.height > 8 else table
