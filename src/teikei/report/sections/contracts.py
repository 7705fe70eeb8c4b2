"""The split as contracts: who pays whom under each form, and who is hurt when things go otherwise."""

from __future__ import annotations

from typing import Any

import polars as pl

from teikei.report import charts
from teikei.report.blocks import Block, Cell, Chart, Details, Grid, Section, Text, grid, words
from teikei.report.charts import Series
from teikei.report.context import Context
from teikei.report.formatting import number


def section(context: Context) -> Section:
    """Terms of each form, payments by year, stress with exit payments."""
    return Section(
        "contracts",
        "Contracts and stress",
        "Who pays whom under each form of contract, and who is hurt when things go otherwise than planned?",
        (*_terms(context), *_transfers(context), *_stress(context), *_notes(context)),
    )


def _terms(context: Context) -> list[Block]:
    rows = context.tables.get("contract_terms").filter(pl.col("rung") == context.best_rung)
    if rows.is_empty():
        return [Text(context.absent("contract_terms"), "absent")]
    money = context.money
    rows = rows.with_columns((pl.col("alone") - pl.col("outcome")).alias("gain"))
    forms = rows["form"].unique(maintain_order=True).to_list()
    companies = rows["company"].unique(maintain_order=True).to_list()
    gain = {(row["company"], row["form"]): row["gain"] for row in rows.iter_rows(named=True)}
    decimals = money.decimals(rows["gain"].to_list())
    series = [Series(words(form), [money.scaled(gain.get((one, form))) for one in companies]) for form in forms]
    worst = min(gain, key=lambda key: gain[key] or 0.0)
    title = f"Every form leaves every company better off than alone; least {worst[0]}, “{words(worst[1])}”"
    if (gain[worst] or 0.0) < 0:
        title = f"Under “{words(worst[1])}” {worst[0]} would pay {money.full(-gain[worst], decimals)} more than alone"
    table = _terms_grid(context, rows, decimals)
    figure = charts.horizontal_bars(companies, series, f"gain, {money.label}", decimals=decimals)
    drawn = [value for one in series for value in one.values if value is not None]
    if min(drawn, default=0.0) < 0:  # room for figures written left of the bars
        room = 0.12 * (max(0.0, *drawn) - min(drawn))
        figure["layout"]["xaxis"]["range"] = [min(drawn) - room, max(0.0, *drawn) + room]
    return [
        Chart(
            "contract-forms",
            title,
            f"What each company gains against its cost alone at “{words(context.best_rung)}”, present value, under "
            "each form of contract.",
            figure,
            table,
            height_px=110 + 34 * len(companies) * len(forms),
        )
    ]


def _terms_grid(context: Context, rows: pl.DataFrame, decimals: int) -> Grid:
    money = context.money
    return grid(
        f"Terms at “{words(context.best_rung)}”, {money.label}, present value",
        [
            "Company",
            "form",
            "cost alone",
            "causes in the joint plan",
            "agreed",
            "pays the others",
            "bears in the end",
            "gain",
            f"price per car, {context.currency}",
            "of it fee",
            "lead",
            "kit",
        ],
        [
            [
                row["company"] or "–",
                words(row["form"] or ""),
                *(
                    Cell(money.text(row[name], decimals), row[name])
                    for name in ("alone", "attributed", "agreed", "transfer", "outcome", "gain")
                ),
                *(
                    Cell("–") if row[name] is None else Cell(number(row[name], 0), row[name])
                    for name in ("price_per_car", "fee_per_car")
                ),
                row["lead"] or "–",
                row["kit"] or "–",
            ]
            for row in rows.iter_rows(named=True)
        ],
        note="Pays the others: negative = receives. The price per car is the mean of a list by year: what the kit is "
        "planned to cost in the year, plus a constant fee for development and tooling. The lead is the company that "
        "owns most of the kit, unless another was agreed.",
    )


def _transfers(context: Context) -> list[Block]:
    rows = context.tables.get("transfers").drop_nulls("value_nominal")
    if rows.is_empty():
        return [Text(context.absent("transfers"), "absent")]
    money = context.money
    at_best = rows.filter(pl.col("rung") == context.best_rung)
    chosen = at_best if not at_best.is_empty() else rows
    pairs = chosen.with_columns(
        pl.concat_str("form", pl.lit(": "), "from_company", pl.lit(" pays "), "to_company", ignore_nulls=True).alias(
            "flow"
        )
    )
    years = pairs["year"].drop_nulls().unique().sort().to_list()
    flows = pairs["flow"].unique(maintain_order=True).to_list()
    value = {
        (flow, year): amount
        for flow, year, amount in pairs.group_by("flow", "year", maintain_order=True)
        .agg(pl.col("value_nominal").sum())
        .iter_rows()
    }
    decimals = money.decimals(value.values())
    table: Grid = grid(
        f"Payments by year, {money.label}, in money of the year",
        ["Form and direction", *(str(year) for year in years), "all years"],
        [
            [words(flow)]
            + [Cell(money.text(value.get((flow, year)), decimals), value.get((flow, year))) for year in years]
            + [Cell(money.text(total, decimals), total)]
            for flow in flows
            for total in [sum(value.get((flow, year), 0.0) for year in years)]
        ],
    )
    return [Details("Who pays whom in which year, under each form of contract", (table,))]


def _stress(context: Context) -> list[Block]:
    rows = context.tables.get("stress").filter(pl.col("rung") == context.best_rung).drop_nulls("gain")
    if rows.is_empty():
        return [Text(context.absent("stress"), "absent")]
    forms = rows["form"].unique(maintain_order=True).to_list()
    made = [_stress_of(context, rows.filter(pl.col("form") == form), index, form) for index, form in enumerate(forms)]
    return [
        made[0],
        *(Details(f"The same cases under “{words(form)}”", (made[i],)) for i, form in enumerate(forms) if i),
    ]


def _stress_of(context: Context, rows: pl.DataFrame, index: int, form: str) -> Chart:
    money = context.money
    cases = rows["case"].unique(maintain_order=True).to_list()
    companies = rows["company"].unique(maintain_order=True).to_list()
    gain = {(row["case"], row["company"]): row["gain"] for row in rows.iter_rows(named=True)}
    planned = dict(rows.select("company", "planned_gain").iter_rows())
    decimals = money.decimals([*gain.values(), *planned.values()])
    series = [
        Series(one, [money.scaled(planned.get(one)), *(money.scaled(gain.get((case, one))) for case in cases)])
        for one in companies
    ]
    worst = rows.sort("gain", maintain_order=True).row(0, named=True)
    hurt = rows.filter(pl.col("hurt").fill_null(False))["case"].n_unique()
    title = (
        f"“{words(form)}”: somebody loses against plan in {hurt} of {len(cases)} cases, nobody ends worse than alone"
    )
    if worst["gain"] < 0:
        title = (
            f"“{words(form)}”: {worst['company']} ends {money.full(-worst['gain'], decimals)} worse than alone when "
            f"{_case(worst['case'])}"
        )
    return Chart(
        f"stress-{index}",
        title,
        "One row per case, one symbol per company: its gain against cost alone in the same case, present value. Left "
        "of zero it ends worse than alone. The table holds the exit payment that makes staying the better choice.",
        charts.dots(["as planned", *cases], series, f"gain in the case, {money.label}", decimals=decimals),
        _stress_grid(context, rows, decimals),
        height_px=130 + 28 * (len(cases) + 1),
    )


def _case(text: str) -> str:
    """A case inside a sentence: what begins with a word of ours is written small."""
    return text[:1].lower() + text[1:] if text.startswith(("Volumes", "Parts")) else text


def _stress_grid(context: Context, rows: pl.DataFrame, decimals: int) -> Grid:
    money = context.money

    def line(row: dict[str, Any]) -> list[Cell | str]:
        amounts = ("planned_gain", "gain", "change", "exit_payment", "compensation")
        return [
            row["case"] or "–",
            row["company"] or "–",
            *(Cell("–") if row[name] is None else Cell(money.text(row[name], decimals), row[name]) for name in amounts),
            Cell("yes", look="no") if row["hurt"] else "no",
            row["basis"] or "–",
        ]

    return grid(
        f"Stress at “{words(context.best_rung)}”, {money.label}, present value",
        [
            "Case",
            "company",
            "gain as planned",
            "gain in the case",
            "change",
            "exit payment",
            "others lose",
            "hurt",
            "how it was computed",
        ],
        [line(row) for row in rows.iter_rows(named=True)],
        note="Gain: cost alone in the same case less what the company bears. Exit payment: what leaving must cost it "
        "at least for staying to be no worse from then on. Others lose: its part of what the exit costs those who "
        "stay.",
    )


def _notes(context: Context) -> list[Block]:
    notes = context.tables.get("contract_notes")["text"].drop_nulls().to_list()
    return [Text(f"{note[0].upper()}{note[1:]}.") for note in notes if note]
