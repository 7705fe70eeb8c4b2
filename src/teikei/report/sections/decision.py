"""Tables for the decision maker and every other stored table that no section above shows."""

from __future__ import annotations

from typing import Final

import polars as pl

from teikei.report import charts
from teikei.report.blocks import (
    Block,
    Cell,
    Chart,
    Details,
    Grid,
    Section,
    Text,
    grid,
    words,
)
from teikei.report.charts import Series
from teikei.report.context import Context, stored_details
from teikei.report.formatting import number
from teikei.report.schema import SHAPES

# Working tables that the workbook holds in full and nobody reads row by row.
WORKBOOK_ONLY: Final = ("candidates",)

_CASE_COLUMNS: Final = (
    ("cost_alone", "cost alone"),
    ("cost_joint", "cost together"),
    ("saving", "saving (cash)"),
    ("cumulative_at_own_rate", "saving so far, discounted at its own rate"),
    ("profit_change", "change of profit"),
    ("own_supplier_margin_change", "margin of own suppliers, change"),
    ("idle_plant_alone", "idle plant alone"),
    ("idle_plant_joint", "idle plant together"),
)
_CASE_NOTE: Final = (
    "Profit writes one-off spending off over the median life of the families, at today's prices and sales; cash books "
    "it when it is spent. Margin of own suppliers: negative = stranded. Idle plant (where a plan builds "
    "any): fixed cost of the unused part."
)


def section(context: Context) -> Section:
    """Mandate, business case, calendar, quote sheet, switching cost, and whatever else the run stored."""
    blocks: list[Block] = [_mandate(context), _business_case(context)]
    blocks += [*_company_pages(context), *_calendar(context), *_quotes(context)]
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
    names = ("baseline", "target", "target_lower", "target_upper", "walk_away", "others_walk_away")
    headers = [
        "Company", "cost alone", "target", "target from", "target to", "walk away above", "others walk away below",
        "gain at target",
    ]  # fmt: skip
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
        "pays more than it would alone. The last year carries the credit for what outlives the horizon: who develops "
        "less has less of it. The table has every form.",
        charts.lines(lines, "year", f"saving in the year, {money.label}", decimals=decimals),
        _business_grid(context, rows),
    )


def _business_grid(context: Context, rows: pl.DataFrame) -> Grid:
    money = context.money
    decimals = money.decimals(rows["cost_alone"].to_list())
    return grid(
        f"Business case at “{words(context.best_rung)}”, {money.label}",
        ["Company", "form", "year", *(header for _, header in _CASE_COLUMNS[:3])],
        [
            [row["company"], row["form"] or "", str(row["year"])]
            + [Cell(money.text(row[name], decimals), row[name]) for name, _ in _CASE_COLUMNS[:3]]
            for row in rows.iter_rows(named=True)
        ],
        note="Profit, margin of own suppliers and idle plant: on the page of each company below.",
    )


def _company_pages(context: Context) -> list[Block]:
    """For each company: its business case by year under each form, and what leaving its contracts costs."""
    cases = context.tables.get("business_case").filter(pl.col("rung") == context.best_rung)
    switching = context.tables.get("switching_costs")
    pages: list[Block] = []
    for company in cases["company"].drop_nulls().unique(maintain_order=True).to_list():
        mine = cases.filter(pl.col("company") == company)
        forms = mine["form"].unique(maintain_order=True).to_list()
        blocks = [
            _case_by_year(context, mine.filter(pl.col("form").eq_missing(pl.lit(f, pl.String))), f) for f in forms
        ]
        left = switching.filter(pl.col("company") == company)
        if not left.is_empty():
            blocks.append(_switching(context, left))
        pages.append(Details(f"{company}: business case by year, and what leaving its contracts costs", tuple(blocks)))
    return pages


def _case_by_year(context: Context, rows: pl.DataFrame, form: str) -> Grid:
    """Years as columns: cash, profit, margin of own suppliers, idle plant."""
    money = context.money
    years = rows["year"].to_list()
    amounts = [value for name, _ in _CASE_COLUMNS for value in rows[name].to_list() if name != "cost_alone"]
    decimals = money.decimals([value for value in amounts if value is not None and abs(value) < 1e5])
    return grid(
        f"Under “{words(form or '')}”, {money.label}, real, not discounted",
        ["", *(str(year) for year in years)],
        [
            [header, *(Cell(money.text(value, decimals), value) for value in rows[name].to_list())]
            for name, header in _CASE_COLUMNS
            if not rows[name].is_null().all()
            and (not name.startswith("idle") or (rows[name].fill_null(0.0) != 0.0).any())
        ],
        note=_CASE_NOTE,
    )


def _switching(context: Context, rows: pl.DataFrame) -> Grid:
    money = context.money
    names = ("cancellation_cost", "revalidation_cost", "switching_cost", "total")
    decimals = money.decimals(rows["total"].to_list())
    return grid(
        f"What leaving the contracts in force costs, {money.label}",
        [
            "Programme",
            "module",
            "supplier",
            "contract until",
            "cancellation today",
            "re-validation",
            "switching",
            "together",
            "months",
            "the plan leaves it",
        ],
        [
            [
                f"{row['programme']} {row['generation'] or ''}",
                row["module"] or "–",
                row["supplier"] or "not named",
                Cell("–") if row["contract_end"] is None else Cell(f"{row['contract_end']:.1f}", row["contract_end"]),
                *(Cell(money.text(row[name], decimals), row[name]) for name in names),
                Cell("–") if row["switching_months"] is None else Cell(f"{row['switching_months']:.0f}"),
                {True: "yes", False: "no", None: "–"}[row["plan_switches"]],
            ]
            for row in rows.iter_rows(named=True)
        ],
        note="Cancellation falls with the part of the contract left. “The plan leaves it” reads the module, not the "
        "supplier.",
    )


def _calendar(context: Context) -> list[Block]:
    """Last dates of families, variants and cars of the joint plan; applications are in the workbook."""
    rows = context.joint("decision_calendar").filter(pl.col("level") != "application").sort("go_ahead_by", "object")
    if rows.is_empty():
        return [Text(context.absent("decision_calendar"), "absent")]
    missed = int(rows["missed"].fill_null(False).sum())
    table = grid(
        f"Decision calendar at “{words(context.best_rung)}”: last dates that still meet the start of production",
        ["Development", "first needed by", "due", "decide by", "freeze by", "frozen in the schedule", "missed already"],
        [
            [
                f"{row['object']} ({row['level']})",
                f"{row['programme']} {row['generation'] or ''}",
                row["due"] or "–",
                row["go_ahead_by"] or "–",
                row["freeze_by"] or "–",
                row["planned_freeze"] or "–",
                Cell("yes", look="no") if row["missed"] else "no",
            ]
            for row in rows.iter_rows(named=True)
        ],
        note="By the length of the tasks alone, with as many engineers as they ask for.",
    )
    several = "" if rows.height == 1 else "s"
    lead = f"Decision calendar: {rows.height} development{several}, the last date of {missed} has passed already"
    return [Details(lead, (table,))]


def _quotes(context: Context) -> list[Block]:
    rows = context.tables.get("quote_sheet").drop_nulls("year")
    if rows.is_empty():
        return [Text(context.absent("quote_sheet"), "absent")]
    years = rows["year"].unique().sort().to_list()
    found = {(row["module"], row["year"]): row["quantity"] for row in rows.iter_rows(named=True)}
    modules = rows.select("class", "module", "ratings").unique(subset="module", maintain_order=True)
    table = grid(
        "Quote sheet: pieces a year of all companies together",
        ["Module", "class", "ratings", *(str(year) for year in years)],
        [
            [
                row["module"],
                row["class"] or "–",
                row["ratings"] or "–",
                *(
                    Cell("–") if found.get((row["module"], y)) is None else _pieces(found[row["module"], y])
                    for y in years
                ),
            ]
            for row in modules.iter_rows(named=True)
        ],
        note="To send to suppliers: neither prices nor who needs how much.",
    )
    return [Details(f"Quote sheet: {modules.height} modules by year", (table,))]


def _pieces(quantity: float) -> Cell:
    return Cell(number(quantity, 0), quantity)
