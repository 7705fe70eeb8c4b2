"""What happens to prices: alone, alliance and merger, pass-through, elasticities, parity, break-even."""

from __future__ import annotations

import polars as pl

from teikei.report import charts
from teikei.report.blocks import Block, Cell, Chart, grid, words
from teikei.report.charts import Series
from teikei.report.context import Context
from teikei.report.facts import MERGER
from teikei.report.formatting import number, percent, points
from teikei.report.sections.market_rows import absent, banded, banded_series, interval, market_rows


def merger_blocks(context: Context) -> list[Block]:
    """Alone, alliance and merger beside each other, and what lies between separate and joint prices."""
    return [_contrast(context), _conduct(context)]


def price_blocks(context: Context) -> list[Block]:
    """How much of a cost change reaches prices, how buyers react, and when electric cars cost no more."""
    return [_pass_through(context), _elasticities(context), _parity(context), _break_even(context)]


def _contrast(context: Context) -> Block:
    """Price and sales of the companies' electric cars: alliance and merger, with and without savings."""
    numbers = ("kappa", *banded("price_change_percent_ev", "units_change_percent_ev", "profit_change"))
    numbers += banded("consumer_surplus_change", "ev_share_change")
    rows = market_rows(context, "market_conduct", numbers).filter(pl.col("kappa").is_in([0.0, 1.0]))
    rows = rows.sort("kappa", maintain_order=True)
    if rows.is_empty():
        return absent(context, "market_conduct")
    who = pl.when(pl.col("kappa") == 0.0).then(pl.lit("separate prices")).otherwise(pl.lit("merged"))
    rows = rows.with_columns(
        pl.when((pl.col("kappa") == 0.0) & (pl.col("saving") == "no saving"))
        .then(pl.lit("alone"))
        .otherwise(pl.concat_str(who, pl.lit(", "), pl.col("saving").str.replace_all("_", " ")))
        .alias("case")
    )
    names = rows["case"].to_list()
    series = [
        banded_series("price of their electric cars", rows, "price_change_percent_ev"),
        banded_series("sales of their electric cars", rows, "units_change_percent_ev"),
    ]
    merged = rows.filter((pl.col("kappa") == 1.0) & (pl.col("saving") == "no saving"))
    title = "Sharing parts leaves prices apart; a merger would not"
    if merged.height:
        price, units = merged["price_change_percent_ev"][0], merged["units_change_percent_ev"][0]
        title = (
            "A merger without any saving would move the prices of their electric cars by "
            f"{number(price, 1, sign=True)} %"
            f" and their sales by {number(units, 1, sign=True)} %; joint procurement leaves owners apart"
        )
    money = context.money
    decimals = money.decimals(rows["profit_change"].to_list())
    cells: list[list[Cell | str]] = [
        [
            row["case"],
            Cell(number(row["price_change_percent_ev"], 2, sign=True), row["price_change_percent_ev"]),
            Cell(interval(row["price_change_percent_ev_lower"], row["price_change_percent_ev_upper"], 2)),
            Cell(number(row["units_change_percent_ev"], 2, sign=True), row["units_change_percent_ev"]),
            Cell(points(row["ev_share_change"], 3), row["ev_share_change"]),
            Cell(money.text(row["profit_change"], decimals, sign=True), row["profit_change"], money=True),
            Cell(money.text(row["consumer_surplus_change"], decimals, sign=True), row["consumer_surplus_change"]),
        ]
        for row in rows.iter_rows(named=True)
    ]
    headers = ["Case", "Price of their EVs, %", "10–90 %", "Sales of their EVs, %", "EV share"]
    headers += [f"Profit, {money.label} a year", f"Consumer surplus, {money.label} a year"]
    return Chart(
        "market-merger",
        title,
        "Changes against the companies alone in the report year; whiskers are 10–90 % bands. Profit is the variable "
        "profit "
        "of the companies on all their cars in the home market. The merger is a contrast, not a plan.",
        charts.dots(names, series, "change, %", decimals=1),
        grid("Alone, alliance, merger", headers, cells),
        height_px=120 + 44 * len(names),
    )


def _conduct(context: Context) -> Block:
    """Prices as the companies weigh each other's profit more."""
    rows = market_rows(context, "market_conduct", ("kappa", *banded("price_change_percent_ev", "profit_change")))
    rows = rows.drop_nulls(["kappa", "price_change_percent_ev"]).sort("kappa")
    lines = []
    for saving in rows["saving"].unique(maintain_order=True).to_list():
        cut = rows.filter(pl.col("saving") == saving)
        if saving == "no saving" or "10 %" in saving:
            weights = [round(100 * value) for value in cut["kappa"].to_list()]
            lines.append((saving, weights, banded_series("", cut, "price_change_percent_ev")))
    if not lines:
        return absent(context, "market_conduct")
    figure = charts.lines(
        lines, "weight of the other companies' profit, % (0: separate, 100: merged)",
        "price of their electric cars, change in %",
    )  # fmt: skip
    figure["layout"]["xaxis"]["dtick"] = 25
    cells: list[list[Cell | str]] = [
        [
            row["saving"],
            Cell(number(row["kappa"], 2), row["kappa"]),
            Cell(number(row["price_change_percent_ev"], 2, sign=True), row["price_change_percent_ev"]),
            Cell(interval(row["price_change_percent_ev_lower"], row["price_change_percent_ev_upper"], 2)),
        ]
        for row in rows.iter_rows(named=True)
    ]
    return Chart(
        "market-conduct",
        "What softer competition between the companies would cost buyers",
        "Sharing parts can make rivals behave less like rivals. The line says how prices would rise with the weight "
        "that "
        "each company gives to the others' profit; bands are 10–90 %.",
        figure,
        grid("Conduct", ["Saving", "Weight", "Price, %", "10–90 %"], cells),
    )


def _pass_through(context: Context) -> Block:
    rows = market_rows(context, "market_pass_through", banded("pass_through")).drop_nulls("pass_through")
    if rows.is_empty():
        return absent(context, "market_pass_through")
    rows = rows.sort("pass_through", descending=True, maintain_order=True)
    names = [f"{product} ({company})" for product, company in rows.select("product", "company").iter_rows()]
    low, high = rows["pass_through"].min(), rows["pass_through"].max()
    cells = _cells(names, rows, "pass_through")
    return Chart(
        "market-pass-through",
        f"Of lower cost, {number(_float(low), 2)} to {number(_float(high), 2)} reaches the price",
        "All the companies' electric cars cost a tenth less in the report year: fall of each price before VAT over "
        "fall of "
        "its cost; whiskers are 10–90 % bands. Observed for subsidies: 0.73 to 0.85.",
        charts.dots(
            names, [banded_series("pass-through", rows, "pass_through")], "price change over cost change", decimals=2
        ),
        grid("Pass-through", ["Model", "Pass-through", "10–90 %"], cells),
        height_px=110 + 34 * len(names),
    )


def _cells(names: list[str], rows: pl.DataFrame, value: str) -> list[list[Cell | str]]:
    """Rows of a grid: name, value and its 10-90 % band."""
    return [
        [name, Cell(number(row[value], 2), row[value]), Cell(interval(row[f"{value}_lower"], row[f"{value}_upper"], 2))]
        for name, row in zip(names, rows.iter_rows(named=True), strict=True)
    ]


def _float(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None


def _elasticities(context: Context) -> Block:
    """Own-price elasticities of electric models and of every kind of car as a group."""
    table = context.tables.get("market_elasticities")
    needed = ("own_price", "own_price_lower", "own_price_upper")
    if table.is_empty() or any(name not in table.columns for name in needed):
        return absent(context, "market_elasticities")
    typed = table.with_columns(pl.col(name).cast(pl.Float64, strict=False) for name in needed)
    typed = typed.drop_nulls(["product", "own_price"])
    electric = typed.filter((pl.col("powertrain") == "bev") | (pl.col("company").fill_null("") == ""))
    if electric.is_empty():
        return absent(context, "market_elasticities")
    names = [product + (f" ({company})" if company else "") for product, company in
             electric.select("product", "company").iter_rows()]  # fmt: skip
    group = electric.filter(pl.col("product") == "all bev")["own_price"].to_list()
    said = f"; all electric cars together lose {number(-group[0], 1)} %" if group else ""
    cells = _cells(names, electric, "own_price")
    return Chart(
        "market-elasticities",
        f"A model that costs 1 % more loses about {number(_middle(electric), 1)} % of its buyers{said}",
        "Change of sales in per cent for 1 % on the price, at calibration; whiskers are 10–90 % bands. Buyers leave "
        "a model "
        "far more easily than they leave electric cars.",
        charts.dots(
            names, [banded_series("own-price elasticity", electric, "own_price")], "own-price elasticity", decimals=2
        ),
        grid("Own-price elasticities", ["Model or group", "Elasticity", "10–90 %"], cells),
        height_px=110 + 26 * len(names),
    )


def _middle(rows: pl.DataFrame) -> float | None:
    single = rows.filter(pl.col("company").fill_null("") != "")["own_price"]
    value = single.median()
    return -float(value) if isinstance(value, int | float) else None


def _parity(context: Context) -> Block:
    numbers = ("year", "gap", *banded("gap_after_subsidy"), "gap_with_running")
    rows = market_rows(context, "market_parity", numbers).filter(pl.col("scenario") != MERGER).drop_nulls("year")
    rows = rows.filter(
        pl.col("rung")
        == (context.best_rung if context.best_rung in rows["rung"].to_list() else context.ladder.baseline)
    )
    if rows.is_empty():
        return absent(context, "market_parity")
    lines, said = [], []
    for segment in rows["segment"].unique(maintain_order=True).to_list():
        cut = rows.filter(pl.col("segment") == segment).sort("year")
        years = [int(year) for year in cut["year"].to_list()]
        lines.append((f"{segment}: list price", years, Series("", cut["gap"].to_list())))
        lines.append((f"{segment}: after the subsidy", years, banded_series("", cut, "gap_after_subsidy")))
        reached = [int(year) for year, gap in cut.select("year", "gap_after_subsidy").iter_rows() if gap <= 0]
        said.append(f"{segment} {'in ' + str(reached[0]) if reached else 'not by ' + str(years[-1])}")
    figure = charts.lines(lines, "year", f"electric above own combustion cars, {context.currency} a car", decimals=0)
    figure["layout"]["yaxis"]["rangemode"] = "normal"
    headers = ["Segment", "Year", "Gap at list prices", "after subsidy", "10–90 %", "and five years of cheaper energy"]
    cells: list[list[Cell | str]] = [
        [
            row["segment"],
            str(int(row["year"])),
            Cell(number(row["gap"], 0, sign=True), row["gap"]),
            Cell(number(row["gap_after_subsidy"], 0, sign=True), row["gap_after_subsidy"]),
            Cell(interval(row["gap_after_subsidy_lower"], row["gap_after_subsidy_upper"], 0)),
            Cell(number(row["gap_with_running"], 0, sign=True), row["gap_with_running"]),
        ]
        for row in rows.sort("segment", "year").iter_rows(named=True)
    ]
    return Chart(
        "market-parity",
        f"Price parity after the subsidy: {', '.join(said)}",
        "Mean price of the companies' electric cars less that of their combustion and hybrid cars of the segment, "
        "weighted "
        "by sales; below zero the electric car is cheaper. Bands are 10–90 %. Not like for like: sizes and equipment "
        "differ.",
        figure,
        grid(f"Cost parity by year, {context.currency} a car", headers, cells),
    )


def _break_even(context: Context) -> Block:
    numbers: tuple[str, ...] = ("fixed_cost", "margin", *banded("cars_needed"), "cars_planned", "cars_at_home")
    stored, later = context.tables.stored.get("market_break_even"), ("cars_forecast", "profit_expected", "chance")
    here = () if stored is None else tuple(name for name in later if name in stored.columns)  # older runs have none
    rows = market_rows(context, "market_break_even", (*numbers, *here)).drop_nulls(["cars_needed", "cars_planned"])
    rows = rows.with_columns(pl.lit(None, pl.Float64).alias(name) for name in later if name not in here)
    joint = rows.filter(pl.col("rung") == context.best_rung)
    alone = rows.filter(pl.col("rung") == context.ladder.baseline).select(
        "programme", pl.col("cars_needed").alias("needed_alone")
    )
    both = joint.join(alone, on="programme", how="left", maintain_order="left")
    if both.is_empty():
        return absent(context, "market_break_even")
    names = [context.programme_label(name) for name in both["programme"].to_list()]
    short = both.filter(pl.col("cars_needed") > pl.col("cars_at_home")).height
    title = (
        f"For {both.height - short} of {both.height} programmes the cars planned for the home market alone pay for "
        "development and tooling"
    )
    expected = both.drop_nulls(["profit_expected"])
    if expected.height:
        pays = expected.filter(pl.col("profit_expected") > 0).height
        title += f"; with the market's own sales there {pays} of {expected.height} are expected to pay"
    series = [
        Series("needed alone", both["needed_alone"].to_list()),
        Series(f"needed at {words(context.best_rung)}", both["cars_needed"].to_list()),
        Series("planned for the home market", both["cars_at_home"].to_list()),
    ]
    cells: list[list[Cell | str]] = [
        [
            name,
            Cell(context.money.text(row["fixed_cost"]), row["fixed_cost"], money=True),
            Cell(number(row["margin"], 0), row["margin"]),
            Cell(number(row["needed_alone"], 0), row["needed_alone"]),
            Cell(number(row["cars_needed"], 0), row["cars_needed"]),
            Cell(interval(row["cars_needed_lower"], row["cars_needed_upper"], 0)),
            Cell(number(row["cars_planned"], 0), row["cars_planned"]),
            Cell(number(row["cars_forecast"], 0), row["cars_forecast"]),
            Cell(context.money.text(row["profit_expected"]), row["profit_expected"], money=True),
            Cell(percent(row["chance"], 0), row["chance"]),
        ]
        for name, row in zip(names, both.iter_rows(named=True), strict=True)
    ]
    headers = ["Programme", f"Fixed cost, {context.money.label}", f"Margin, {context.currency} a car", "needed alone"]
    headers += [f"needed at {words(context.best_rung)}", "10–90 %", "planned, all regions", "expected at home"]
    headers += [f"expected profit, {context.money.label}", "chance that it pays"]
    return Chart(
        "market-break-even",
        title,
        "Cars over the horizon whose margins in the home market pay for the programme's share of development, "
        "tooling and "
        "switching, the whole car where the study has its work; what is spent already is not counted. Expected profit: "
        "the market's own cars at home, planned ones elsewhere at the margin at home.",
        charts.horizontal_bars(names, series, "cars over the horizon", decimals=0),
        grid("Break-even volume", headers, cells),
        height_px=110 + 62 * len(names),
    )
