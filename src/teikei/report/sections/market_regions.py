"""Who loses sales, who keeps subsidies, and what happens in other regions."""

from __future__ import annotations

from typing import Final

import polars as pl

from teikei.report import charts
from teikei.report.blocks import Block, Cell, Chart, drive_name, grid, words
from teikei.report.charts import Series
from teikei.report.context import Context
from teikei.report.formatting import in_words, number, percent
from teikei.report.sections.market_rows import absent, banded, banded_series, interval, market_rows

_WHAT_IF: Final = "what-if"
_SHOWN: Final = 16


def loser_blocks(context: Context) -> list[Block]:
    """Who loses sales, and who keeps subsidies."""
    return [_losers(context), _incidence(context)]


def region_blocks(context: Context) -> list[Block]:
    """Other regions: EV share, and what the companies sell there."""
    return [_regions(context), _exports(context)]


def _losers(context: Context) -> Block:
    """Who loses when the companies' electric cars cost a tenth less: by maker and drive."""
    rows = context.tables.get("market_diversion").drop_nulls(["company", "powertrain", "units_change"])
    rows = rows.filter(pl.col("scenario") == _WHAT_IF).sort(
        pl.col("units_change").abs(), descending=True, maintain_order=True
    )
    if rows.is_empty():
        return absent(context, "market_diversion")
    own = rows["company"].is_in(list(context.ladder.companies)) & (rows["powertrain"] == "bev")
    gained = float(rows.filter(own)["units_change"].sum())
    lost = rows.filter(~own & (pl.col("units_change") < 0))
    plug = lost.filter(pl.col("powertrain").is_in(["bev", "phev"]))
    total = -float(lost["units_change"].sum())
    title = (
        f"Of {number(gained, 0)} more electric cars of the companies, {number(total, 0)} come from rivals and from "
        "their own other cars"
    )
    if total > 0:
        title += f", {percent(-float(plug['units_change'].sum()) / total, 0)} of them plug-ins"
    shown = rows.head(_SHOWN)
    names = [f"{company}, {drive_name(kind)}" for company, kind in shown.select("company", "powertrain").iter_rows()]
    changes = shown["units_change"].to_list()
    figure = charts.horizontal_bars(names, [Series("change of sales", changes)], "cars a year", decimals=0)
    figure["layout"]["xaxis"]["range"] = [1.5 * min(0.0, *changes), 1.2 * max(0.0, *changes)]  # room for the figures
    cells: list[list[Cell | str]] = [
        [
            row["company"],
            drive_name(row["powertrain"]),
            Cell(number(row["units_change"], 0, sign=True), row["units_change"]),
        ]
        for row in rows.iter_rows(named=True)
    ]
    return Chart(
        "market-losers",
        title,
        "Change of yearly sales if the companies' electric cars cost a tenth less to make, in the report year: a "
        "what-if large enough to be seen. Buyers from outside the market (who would have kept their car or bought a "
        "used one) make up the rest. What the rungs of the plan do is in the table of changes by maker.",
        figure,
        grid("Who loses", ["Maker", "Drive", "Cars a year"], cells),
        height_px=90 + 26 * len(names),
    )


def _incidence(context: Context) -> Block:
    numbers = (*banded("outlay", "to_buyers"), "cars_with", "cars_without", "outlay_per_additional_plug_in")
    rows = market_rows(context, "market_incidence", numbers).drop_nulls("to_buyers")
    if rows.is_empty():
        return absent(context, "market_incidence")
    names = ["all makers" if name == "all" else name for name in rows["company"].to_list()]
    whole = rows.filter(pl.col("company") == "all")
    title = "Who keeps the subsidies"
    if whole.height:
        each = whole["outlay_per_additional_plug_in"][0]
        title = f"Buyers keep {percent(whole['to_buyers'][0], 0)} of the subsidies"
        if each is not None:
            title += f"; each additional plug-in costs the state {in_words(each)} {context.currency}"
    money = context.money
    cells: list[list[Cell | str]] = [
        [
            name,
            Cell(money.text(row["outlay"]), row["outlay"], money=True),
            Cell(percent(row["to_buyers"], 0), row["to_buyers"]),
            Cell(percent(1 - row["to_buyers"], 0), 1 - row["to_buyers"]),
            Cell(number(row["cars_with"], 0), row["cars_with"]),
            Cell(number(row["cars_without"], 0), row["cars_without"]),
        ]
        for name, row in zip(names, rows.iter_rows(named=True), strict=True)
    ]
    headers = ["Maker", f"Outlay, {money.label} a year", "to buyers", "to makers", "cars with", "cars without"]
    return Chart(
        "market-incidence",
        title,
        "The report year with its subsidies beside the same market without any: fall of what buyers pay over the "
        "subsidy. "
        "Above 100 % a maker also lowers its list price, because its rivals are subsidised more. Whiskers: 10–90 %.",
        charts.dots(
            names, [banded_series("part that reaches buyers", rows, "to_buyers", 100.0)], "% of the subsidy", decimals=0
        ),
        grid("Subsidies: who keeps them", headers, cells),
        height_px=110 + 34 * len(names),
    )


def _regions(context: Context) -> Block:
    numbers = (
        "year",
        *banded("ev_share", "units_change"),
        "alliance_ev_units",
        "price_change_percent",
        "profit_change",
    )
    rows = market_rows(context, "market_regions", numbers).drop_nulls("year")
    base = (
        rows.filter(pl.col("rung") == context.ladder.baseline)
        .drop_nulls("ev_share")
        .unique(["region", "year"], keep="first")
    )
    lines, said = [], []
    for region in rows["region"].unique(maintain_order=True).to_list():
        cut = base.filter(pl.col("region") == region).sort("year")
        if cut.height > 1:
            years = [int(year) for year in cut["year"].to_list()]
            lines.append((cut["title"][0], years, banded_series("", cut, "ev_share", 100.0)))
            at_report = cut.filter(pl.col("year") == context.ladder.report_year)["ev_share"].to_list()
            said += [f"{cut['title'][0]} {percent(share, 0)}" for share in at_report]
    if not lines:
        return absent(context, "market_regions")
    told = rows.filter(pl.col("year") == context.ladder.report_year)
    cells: list[list[Cell | str]] = [
        [
            row["title"],
            words(row["rung"]),
            Cell(percent(row["ev_share"]), row["ev_share"]),
            Cell(number(row["alliance_ev_units"], 0), row["alliance_ev_units"]),
            Cell(number(row["units_change"], 0, sign=True), row["units_change"]),
            Cell(interval(row["units_change_lower"], row["units_change_upper"], 0)),
            Cell(number(row["price_change_percent"], 2, sign=True), row["price_change_percent"]),
            Cell(context.money.text(row["profit_change"], sign=True), row["profit_change"], money=True),
        ]
        for row in told.iter_rows(named=True)
    ]
    headers = ["Region", "Case", "EV share", "EVs of the companies", "change", "10–90 %", "price, %"]
    headers.append(f"Variable profit, {context.money.label} a year")
    return Chart(
        "market-regions",
        f"EV share abroad in {context.ladder.report_year}: {', '.join(said) or 'not in the report year'}",
        "Aggregates: share from the region's own history, chargers and policy as announced; bands are 10–90 %. The "
        "table "
        "says what the plan's savings do to the companies' sales there. Elasticities are taken from the literature.",
        charts.lines(lines, "year", "EV share of new cars, %", decimals=1),
        grid(f"Other regions in {context.ladder.report_year}", headers, cells),
    )


def _exports(context: Context) -> Block:
    numbers = ("units", *banded("units_change"), "price", "price_change", "cost_change")
    rows = (
        market_rows(context, "market_exports", numbers)
        .drop_nulls(["units", "units_change"])
        .filter(pl.col("units") > 0)
    )
    best = rows.filter(pl.col("rung") == context.best_rung)
    if best.is_empty():
        return absent(context, "market_exports")
    shown = best.with_columns(
        *(
            (100 * pl.col(f"units_change{end}") / pl.col("units")).alias(f"percent{end}")
            for end in ("", "_lower", "_upper")
        )
    )
    names = [
        f"{title}: {context.programme_label(programme)}"
        for title, programme in shown.select("title", "programme").iter_rows()
    ]
    total, more = float(shown["units"].sum()), float(shown["units_change"].sum())
    cells: list[list[Cell | str]] = [
        [
            name,
            Cell(number(row["units"], 0), row["units"]),
            Cell(number(row["cost_change"], 0, sign=True), row["cost_change"]),
            Cell(number(row["price_change"], 0, sign=True), row["price_change"]),
            Cell(number(row["units_change"], 0, sign=True), row["units_change"]),
            Cell(interval(row["units_change_lower"], row["units_change_upper"], 0)),
        ]
        for name, row in zip(names, shown.iter_rows(named=True), strict=True)
    ]
    headers = ["Region and car", "Cars planned", f"Cost, {context.currency} a car", f"Price, {context.currency}"]
    headers += ["Cars, change", "10–90 %"]
    return Chart(
        "market-exports",
        f"At “{words(context.best_rung)}” exports of {number(total, 0)} cars change by {number(more, 0, sign=True)} "
        "a year",
        "Sales of the study's own volumes in other regions in the report year, after the plan's change of cost per "
        "car; "
        "whiskers are 10–90 % bands. A car whose cost rises with sharing sells less.",
        charts.dots(names, [banded_series("change of sales", shown, "percent")], "change of sales, %", decimals=2),
        grid("Exports", headers, cells),
        height_px=120 + 30 * len(names),
    )
