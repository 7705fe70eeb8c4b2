"""Tables for the decision maker and every other stored table that no section above shows."""

from __future__ import annotations

from typing import Final

import polars as pl

from teikei.report import charts
from teikei.report.blocks import (
    Block,
    Cell,
    Chart,
    Grid,
    Section,
    Text,
    grid,
    words,
)
from teikei.report.charts import Series
from teikei.report.context import Context, stored_details
from teikei.report.schema import SHAPES

# Working tables that the workbook holds in full and nobody reads row by row.
WORKBOOK_ONLY: Final = ("candidates",)


def section(context: Context) -> Section:
    """Mandate, business case, and whatever else the run stored beyond the tables shown above."""
    blocks: list[Block] = [_mandate(context), _business_case(context)]
    for name, frame in context.tables.stored.items():
        elsewhere = name in SHAPES or name in WORKBOOK_ONLY or name.startswith(("schedule_", "market_"))
        if not elsewhere and frame.height and frame.width:
            blocks.append(stored_details(context, name))
    return Section("decision", "For the decision maker", "What does each company need before it signs?", tuple(blocks))


def _mandate(context: Context) -> Block:
    rows = context.tables.get("mandate").filter(pl.col("rung") == context.best_rung)
    if rows.is_empty():
        return Text(context.absent("mandate"), "absent")
    money = context.money
    names = ("baseline", "target", "target_lower", "target_upper", "walk_away")
    headers = ["Company", "cost alone", "target", "target from", "target to", "walk away above", "gain at target"]
    gains = [
        None if row["baseline"] is None or row["target"] is None else row["baseline"] - row["target"]
        for row in rows.iter_rows(named=True)
    ]
    decimals = money.decimals(gains)  # the gain is the message: costs are written as finely as it
    return grid(
        f"Negotiating mandate at “{words(context.best_rung)}”: cost to bear, {money.label}",
        headers,
        [
            [
                row["company"] or "–",
                *(Cell(money.text(row[name], decimals), row[name]) for name in names),
                Cell(money.text(gain, decimals), gain),
            ]
            for row, gain in zip(rows.iter_rows(named=True), gains, strict=True)
        ],
    )


def _business_case(context: Context) -> Block:
    rows = context.tables.get("business_case").filter(pl.col("rung") == context.best_rung)
    rows = rows.drop_nulls(["company", "year", "saving"])
    if rows.is_empty():
        return Text(context.absent("business_case"), "absent")
    money = context.money
    forms = rows["form"].unique(maintain_order=True).to_list()
    first = rows.filter(pl.col("form").eq_missing(pl.lit(forms[0], pl.String)))
    years = first["year"].unique().sort().to_list()
    saving = {
        (company, year): value
        for company, year, value in first.group_by("company", "year", maintain_order=True)
        .agg(pl.col("saving").sum())
        .iter_rows()
    }
    companies = first["company"].unique(maintain_order=True).to_list()
    lines = [
        (company, years, Series(company, [money.scaled(saving.get((company, year))) for year in years]))
        for company in companies
    ]
    worst = min(saving, key=lambda key: saving[key])
    decimals = money.decimals(saving.values())
    title = "No company pays more in any year than it would alone"
    if saving[worst] < 0:
        title = f"Worst year: {worst[0]} pays {money.full(-saving[worst])} more than alone in {worst[1]}"
    return Chart(
        "business-case",
        title,
        f"One line per company: what it saves in each year under the form “{forms[0] or 'not named'}”; below zero it "
        "pays more than it would alone. The table has every form.",
        charts.lines(lines, "year", f"saving in the year, {money.label}", decimals=decimals),
        _business_grid(context, rows),
    )


def _business_grid(context: Context, rows: pl.DataFrame) -> Grid:
    money = context.money
    decimals = money.decimals(rows["cost_alone"].to_list())
    return grid(
        f"Business case at “{words(context.best_rung)}”, {money.label}",
        ["Company, form", "Year", "cost alone", "cost together", "saving"],
        [
            [f"{row['company']}, {row['form'] or ''}", str(row["year"])]
            + [Cell(money.text(row[name], decimals), row[name]) for name in ("cost_alone", "cost_joint", "saving")]
            for row in rows.iter_rows(named=True)
        ],
    )
