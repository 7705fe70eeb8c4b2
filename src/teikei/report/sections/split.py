"""Who gets what, whether it is stable, and what moves it."""

from __future__ import annotations

import polars as pl

from teikei.report import charts
from teikei.report.blocks import (
    Block,
    Cell,
    Chart,
    Details,
    Section,
    Spec,
    Text,
    frame_grid,
    grid,
    rule_name,
    words,
)
from teikei.report.charts import Series
from teikei.report.context import Context
from teikei.report.formatting import number, percent


def section(context: Context) -> Section:
    """Shares of every rule with intervals, core test, baselines and shares by lever."""
    blocks: list[Block] = []
    rows = context.tables.get("shares").filter(
        (pl.col("rung") == context.best_rung) & (pl.col("kind") == "saving") & pl.col("value").is_not_null()
    )
    if rows.is_empty():
        blocks.append(Text(context.absent("shares"), "absent"))
    else:
        blocks.append(_rules(context, rows))
        blocks.append(_all_shares(context))
    blocks += [_core(context), _baselines(context), *_by_lever(context), *_by_year(context)]
    return Section(
        "split", "The split", "Who gets what, would anybody leave, and what moves the shares?", tuple(blocks)
    )


def _rules(context: Context, rows: pl.DataFrame) -> Chart:
    money, ladder = context.money, context.ladder
    rules = rows["rule"].drop_nulls().unique(maintain_order=True).to_list()
    found = {(row["rule"], row["company"]): row for row in rows.iter_rows(named=True)}
    stored = rows["company"].drop_nulls().unique(maintain_order=True).to_list()
    companies = [
        *(name for name in ladder.companies if name in stored),
        *(n for n in stored if n not in ladder.companies),
    ]
    series = []
    for company in companies:
        cells = [found.get((rule, company), {}) for rule in rules]
        columns = {key: [money.scaled(cell.get(key)) for cell in cells] for key in ("value", "lower", "upper")}
        series.append(Series(company, columns["value"], columns["lower"], columns["upper"]))
    decimals = money.decimals(rows["value"].to_list())
    table = grid(
        f"Share of the saving at “{words(context.best_rung)}”, {money.label}",
        ["Rule", *(header for company in companies for header in (company, f"{company}, range"))],
        [[rule_name(rule), *_share_cells(context, found, rule, companies, decimals)] for rule in rules],
    )
    return Chart(
        "split",
        _spread_title(context, rows, len(rules)),
        "One row per rule, one symbol per company. The whisker is what the solver's gaps leave open; a rule whose "
        "symbols lie "
        "elsewhere than the others' is a different idea of fairness, not an error.",
        charts.dots(
            [rule_name(rule) for rule in rules], series, f"share of the saving, {money.label}", decimals=decimals
        ),
        table,
        height_px=130 + 36 * len(rules),
    )


def _spread_title(context: Context, rows: pl.DataFrame, rules: int) -> str:
    """How far apart the rules lie for the company they move most."""
    spread = rows.group_by("company", maintain_order=True).agg(
        pl.col("value").min().alias("low"), pl.col("value").max().alias("high")
    )
    widest = max(spread.iter_rows(named=True), key=lambda row: row["high"] - row["low"])
    money = context.money
    decimals = money.decimals([widest["high"]])
    if rules == 1:
        return f"{widest['company']} gets {money.full(widest['high'], decimals)} under the one rule computed"
    if widest["high"] - widest["low"] <= 1e-9 * max(abs(widest["high"]), 1.0):
        return f"All {rules} rules agree on what each company gets"
    return (
        f"What is fair moves {widest['company']} most: {money.text(widest['low'], decimals)} to "
        f"{money.full(widest['high'], decimals)}, depending on the rule"
    )


def _share_cells(
    context: Context, found: dict[tuple[str, str], dict[str, float]], rule: str, companies: list[str], decimals: int
) -> list[Cell]:
    money = context.money
    cells = []
    for company in companies:
        row = found.get((rule, company), {})
        low, high = row.get("lower"), row.get("upper")
        known = low is not None and high is not None
        cells.append(Cell(money.text(row.get("value"), decimals), row.get("value")))
        cells.append(Cell(f"{money.text(low, decimals)} to {money.text(high, decimals)}" if known else "no interval"))
    return cells


def _all_shares(context: Context) -> Block:
    rows = context.tables.get("shares")
    money = context.money
    specs = [
        Spec("rung", "Rung"),
        Spec("rule", "Rule"),
        Spec("company", "Company"),
        Spec("kind", "Kind"),
        Spec("value", money.label, "money"),
        Spec("lower", "lower", "money"),
        Spec("upper", "upper", "money"),
    ]
    return Details(
        "Shares at every rung, under every rule",
        (frame_grid(rows, "Shares of saving and cost", specs, money, where="shares", limit=300),),
    )


def _core(context: Context) -> Block:
    rows = context.tables.get("core").drop_nulls("rule")
    if rows.is_empty():
        return Text(context.absent("core"), "absent")
    money = context.money
    unstable = rows.filter(pl.col("in_core").fill_null(True).not_())
    at_best = rows.filter(pl.col("rung") == context.best_rung)
    empty = at_best.filter(pl.col("nonempty").fill_null(True).not_())
    if not empty.is_empty():
        lead = f"At “{words(context.best_rung)}” no split at all can keep every group: the core is empty."
    elif unstable.is_empty():
        lead = "No rule shown gives any group less than it has without the others: nobody gains by leaving."
    else:
        lead = f"{unstable.height} of {rows.height} splits would make somebody leave; they are marked below."
    table = grid(
        "Core test: would any group do better without the others?",
        [
            "Rung",
            "Rule",
            "in the core",
            "who would leave",
            f"better off by, {money.label}",
            f"least-core value, {money.label}",
        ],
        [
            [
                words(row["rung"] or ""),
                rule_name(row["rule"]),
                Cell("yes", look="yes")
                if row["in_core"]
                else Cell("no" if row["in_core"] is False else "–", look="no"),
                row["leaves"] or "–",
                Cell(money.text(row["leaves_by"]), row["leaves_by"]),
                Cell(money.text(row["least_core_epsilon"]), row["least_core_epsilon"]),
            ]
            for row in rows.iter_rows(named=True)
        ],
        note="Least-core value: by how much every group could be worse off before some group leaves (negative: "
        "that much "
        "room is left for all).",
    )
    return Details(lead, (table,))


def _baselines(context: Context) -> Block:
    rows = context.tables.get("baselines").drop_nulls("shift").filter(pl.col("rung") == context.best_rung)
    if rows.is_empty():
        return Text(context.absent("baselines"), "absent")
    money = context.money
    decimals = money.decimals(rows["claim"].to_list())
    table = grid(
        f"How shares move with stand-alone claims at “{words(context.best_rung)}”",
        [
            "Company, rule",
            f"claim: cost alone, {money.label}",
            "share of cost moves by, per 1 of claim",
            "rows reported",
            "rows derived",
            "rows assumed",
            "bought at reported prices",
            "at derived",
            "at assumed",
        ],
        [
            [
                f"{row['company']}, {rule_name(row['rule'])}",
                Cell(money.text(row["claim"], decimals), row["claim"]),
                Cell(number(row["shift"], 3, sign=True), row["shift"]),
                *(Cell(number(row[name], 0), row[name]) for name in ("reported", "derived", "assumption")),
                *(
                    Cell("–") if row[name] is None else Cell(percent(row[name], 0), row[name])
                    for name in ("bought_reported", "bought_derived", "bought_assumption")
                ),
            ]
            for row in rows.iter_rows(named=True)
        ],
        note="Who understates its own cost alone by 2 pays 1 less where the figure is 0.5: evidence of the claims "
        "matters more than the rule. Rows: programmes, volumes, requirements and contracts behind the claim.",
    )
    return Details(
        "What if a company understates what it would cost alone? How shares move, and what claims rest on", (table,)
    )


def _by_lever(context: Context) -> list[Block]:
    rows = context.tables.get("shares_by_lever").filter(
        (pl.col("rung") == context.best_rung) & (pl.col("rule") == "shapley") & (pl.col("method") == "order")
    )
    if rows.is_empty():
        return []
    money = context.money
    levers = rows["lever"].unique(maintain_order=True).to_list()
    companies = rows["company"].unique(maintain_order=True).to_list()
    found = {(row["lever"], row["company"]): row["value"] for row in rows.iter_rows(named=True)}
    decimals = money.decimals(found.values())
    table = grid(
        f"Shapley value by lever at “{words(context.best_rung)}”, {money.label}",
        ["Lever", *companies],
        [
            [
                words(lever),
                *(Cell(money.text(found.get((lever, c)), decimals), found.get((lever, c))) for c in companies),
            ]
            for lever in levers
        ],
        note="Only rules whose shares add up can be shown by lever; every other one is in the workbook's total only.",
    )
    return [Details("The same split lever by lever", (table,))]


def _by_year(context: Context) -> list[Block]:
    rows = context.tables.get("shares_by_year").filter(
        (pl.col("rung") == context.best_rung) & (pl.col("rule") == "shapley")
    )
    if rows.is_empty():
        return []
    money = context.money
    years = rows["year"].drop_nulls().unique().sort().to_list()
    companies = rows["company"].drop_nulls().unique(maintain_order=True).to_list()
    found = {(row["company"], row["year"]): row["value"] for row in rows.iter_rows(named=True)}
    decimals = money.decimals(found.values())
    table = grid(
        f"Shapley value by year at “{words(context.best_rung)}”, {money.label}, present value",
        ["Company", *(str(year) for year in years)],
        [
            [one, *(Cell(money.text(found.get((one, year)), decimals), found.get((one, year))) for year in years)]
            for one in companies
        ],
        note="The last year carries the credit for what outlives the horizon.",
    )
    return [Details("The same split year by year", (table,))]
