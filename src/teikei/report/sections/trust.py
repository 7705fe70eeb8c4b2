"""How far to trust it: evidence behind figures and cost, warnings and explanations."""

from __future__ import annotations

import polars as pl

from teikei.report import charts
from teikei.report.blocks import Block, Cell, Chart, Details, Section, Spec, Text, frame_grid, grid
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
    money = context.money
    total = sum(value for _, value in evidence.cost)
    if total <= 0:
        return Text(
            "Cost by evidence: not evaluated because no awards or cost breakdown of the joint plan are stored.",
            "absent",
        )
    decimals = money.decimals([value for _, value in evidence.cost])
    return grid(
        f"What the joint cost is priced by, {money.label}",
        ["Evidence of the price", money.label, "share"],
        [
            [kind, Cell(money.text(value, decimals), value), Cell(percent(value / total), value / total)]
            for kind, value in evidence.cost
        ],
        note="An offer counts as its weakest figure. “Cost law, no quote”: priced by a named cost curve. “Not "
        "traced”: the "
        "stored tables do not lead from the cost to one kind of evidence. Volumes multiply everything and are not "
        "counted here.",
    )


def _list(context: Context) -> Block:
    rows = context.tables.get("sources")
    per_source = (
        rows.with_columns(pl.col("source").fill_null("no source given"))
        .group_by("source", "confidence", maintain_order=True)
        .agg(
            pl.col("table").drop_nulls().unique(maintain_order=True).str.join(", ").alias("tables"),
            pl.len().alias("figures"),
        )
        .sort("figures", "source", descending=[True, False])
    )
    specs = [Spec("source", "Source"), Spec("confidence", "Kind"), Spec("figures", "Figures", "number")]
    specs.append(Spec("tables", "used in"))
    return Details(
        "All sources, and where each is used",
        (frame_grid(per_source, "Sources", specs, context.money, where="sources", limit=400),),
    )


def _messages(context: Context, name: str, title: str) -> Block:
    rows = context.tables.get(name)
    if rows.is_empty():
        return Text(f"{title}: none stored in this run.", "note")
    columns = [column for column in rows.columns if not rows[column].is_null().all()]
    table = grid(
        title,
        list(columns),
        [[text_of(value) for value in row] for row in rows.select(columns).rows()],
    )
    return Details(f"{title} ({rows.height})", (table,)) if rows.height > 8 else table
