"""What cheaper shared parts do to prices, sales and EV share, as bands."""

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
    region_name,
    stored_grid,
    words,
)
from teikei.report.charts import Series
from teikei.report.context import Context, stored_details
from teikei.report.facts import MERGER, main_market_rows
from teikei.report.formatting import number, percent, points
from teikei.report.schema import SHAPES
from teikei.report.sections.kept import kept_blocks
from teikei.report.sections.market_questions import merger_blocks, price_blocks
from teikei.report.sections.market_regions import loser_blocks, region_blocks
from teikei.report.sections.market_rows import TABLES

SHOWN_PRODUCTS = 40
SMALLEST_CHANGE_TOLD = 0.00005
"""Of the EV share: what is less rounds to 0.00 points."""


def section(context: Context) -> Section:
    """EV share fan, cases beside each other, prices and volumes, fit of the model."""
    blocks: list[Block] = [
        _fan(context),
        _other_levers(context),
        *kept_blocks(context),
        *merger_blocks(context),
        _cases(context),
        _prices(context),
        _profit_walk(context, context.best_rung),
        *_what_if_walks(context),
        *loser_blocks(context),
        *price_blocks(context),
        *region_blocks(context),
        *_whole_tables(context),
        *(stored_details(context, name) for name in _others(context)),
        *_fit(context),
    ]
    return Section(
        "market", "Prices, sales and EV share", "What do buyers notice, and does it change EV adoption?", tuple(blocks)
    )


def _others(context: Context) -> list[str]:
    """Stored tables of the market that nothing above reads."""
    return [
        name
        for name, frame in context.tables.stored.items()
        if name.startswith("market_") and name not in SHAPES and name not in TABLES and frame.height and frame.width
    ]


def _line(rows: pl.DataFrame) -> tuple[list[int], Series]:
    ordered = rows.drop_nulls(["year", "ev_share"]).unique("year", keep="first").sort("year")
    bands = not (ordered["ev_share_lower"].null_count() or ordered["ev_share_upper"].null_count())
    return ordered["year"].to_list(), Series(
        "",
        [value * 100 for value in ordered["ev_share"].to_list()],
        [value * 100 for value in ordered["ev_share_lower"].to_list()] if bands else None,
        [value * 100 for value in ordered["ev_share_upper"].to_list()] if bands else None,
    )


def _fan(context: Context) -> Block:
    region = context.ladder.home_market
    rows = main_market_rows(context.tables.get("market_summary")).filter(pl.col("region") == region)
    alone = rows.filter(pl.col("rung") == context.ladder.baseline)
    joint = rows.filter((pl.col("coalition") == context.ladder.coalition) & (pl.col("rung") == context.best_rung))
    if alone.is_empty() and joint.is_empty():
        return Text(context.absent("market_summary"), "absent")
    history = context.tables.get("market_history").filter(pl.col("region") == region).drop_nulls()
    past = history.sort("year")
    lines: list[tuple[str, list[int], Series]] = []
    if past.height:
        lines.append(
            ("history", past["year"].to_list(), Series("", [value * 100 for value in past["ev_share"].to_list()]))
        )
    for name, cut in (("alone", alone), (f"at {words(context.best_rung)}", joint)):
        if cut.height:
            lines.append((name, *_line(cut)))
    table = frame_grid(
        pl.concat([alone.sort("year"), joint.sort("year")]),
        f"EV share in {region}",
        [
            Spec("rung", "Rung"),
            Spec("year", "Year", "year"),
            Spec("ev_share", "EV share, most likely", "percent"),
            Spec("ev_share_lower", "10 %", "percent"),
            Spec("ev_share_median", "Median", "percent"),
            Spec("ev_share_upper", "90 %", "percent"),
        ],
        context.money,
        where="market_summary",
    )
    past_note = "" if past.height else " No history is stored in this run."
    return Chart(
        "ev-share",
        _fan_title(context),
        "The solid line is the past; the lines after it are the forecast without and with cooperation. The grey field "
        "and the dotted edges are their 10–90 % bands. The bands are about the level, and both forecasts share it."
        f"{past_note}",
        charts.lines(lines, "year", f"EV share of new cars in {region_name(region)}, %", decimals=2),
        table,
        height_px=430,
    )


def _fan_title(context: Context) -> str:
    ev = context.ladder.best.ev if context.ladder.best else None
    if ev is None or ev.alone is None or ev.change is None:
        return f"EV share in {region_name(context.ladder.home_market)}: forecast and history"
    if abs(ev.change) < SMALLEST_CHANGE_TOLD:
        return (
            f"Cooperation does not move the EV share in {region_name(ev.region)}: {percent(ev.share, 2)} in {ev.year}, "
            "alone and together"
        )
    return (
        f"Cooperation moves the EV share in {region_name(ev.region)} by {points(ev.change)} in {ev.year}: "
        f"{percent(ev.alone, 2)} to {percent(ev.share, 2)}"
    )


def _other_levers(context: Context) -> Block:
    """What else would move the EV share, beside what cooperation does."""
    rows = context.tables.get("market_levers").drop_nulls(["lever", "change"])
    if rows.is_empty():
        return Text(context.absent("market_levers"), "absent")
    ordered = rows.sort("change", descending=True, maintain_order=True)
    names = ordered["lever"].to_list()
    middle, lower, upper = (_points(ordered[name].to_list()) for name in ("change", "change_lower", "change_upper"))
    change = Series("change of EV share", middle, lower, upper)
    ev = context.ladder.best.ev if context.ladder.best else None
    told = "" if ev is None else f" (cooperation at {words(context.best_rung)}: {points(ev.change)})"
    specs = [
        Spec("lever", "What changes"),
        Spec("ev_share", "EV share", "percent"),
        Spec("change", "Change, fraction of cars", "plain"),
        Spec("change_lower", "10 %", "plain"),
        Spec("change_upper", "90 %", "plain"),
    ]
    return Chart(
        "market-levers",
        f"What moves the EV share most: {names[0]}, {points(ordered['change'][0])}{told}",
        "One change at a time, everything else as it is; the whisker is the 10–90 % band. They do not add up.",
        charts.dots(names, [change], "change of the EV share, points", decimals=2),
        frame_grid(ordered, "What else moves the EV share", specs, context.money, where="market_levers"),
        height_px=110 + 34 * len(names),
    )


def _points(values: list[float | None]) -> list[float | None]:
    return [None if value is None else value * 100 for value in values]


def _what_if_walks(context: Context) -> list[Block]:
    """The same walk for what is no rung: a cut of cost large enough to be seen."""
    rungs = context.tables.get("market_walk")["rung"].drop_nulls().unique(maintain_order=True).to_list()
    known = {rung.name for rung in context.ladder.rungs}
    return [_profit_walk(context, rung, f"profit-walk-{k}") for k, rung in enumerate(rungs) if rung not in known]


def _profit_walk(context: Context, rung: str, name: str = "profit-walk") -> Block:
    """From variable profit before to after: saving, price cut, volume."""
    rows = context.tables.get("market_walk").filter(pl.col("rung") == rung).drop_nulls(["step", "value"])
    if rows.is_empty():
        return Text(context.absent("market_walk"), "absent")
    money = context.money
    entries = list(rows.select("step", "value").iter_rows())
    steps = [(words(step), money.scaled(value) or 0.0, step in ("before", "after")) for step, value in entries]
    decimals = money.decimals([value for step, value in entries if step not in ("before", "after")])
    given = dict(entries).get("price cut")
    saved = dict(entries).get("cost saving")
    title = "From cheaper parts to profit: saving, price cut, volume"
    if given is not None and saved and given <= 0 < saved:
        title = f"{words(rung)}: lower prices hand buyers {percent(-given / saved, 0)} of what is saved at old sales"
        title = title[0].upper() + title[1:]
    return Chart(
        name,
        title,
        "From top to bottom: what cheaper parts save at old sales, what of it lower prices give to buyers, what more "
        "cars earn. Plain bars are the variable profit on the companies' plug-ins in one year.",
        charts.waterfall(steps, f"variable profit a year, {money.label}", decimals=decimals, more_is_good=True),
        grid(
            f"Price, volume, profit: {words(rung)}, {money.label} a year",
            ["Step", "Amount"],
            [[words(step), Cell(money.text(value, decimals), value)] for step, value in entries],
        ),
        height_px=90 + 34 * len(steps),
    )


def _whole_tables(context: Context) -> list[Block]:
    """Diversion and elasticities, as stored."""
    blocks: list[Block] = []
    for name, title in (
        ("market_diversion", "Who loses: change of sales by maker and powertrain"),
        ("market_elasticities", "How buyers react to prices: own-price elasticities and margins"),
    ):
        rows = context.tables.get(name)
        if rows.is_empty():
            blocks.append(Text(context.absent(name), "absent"))
        else:
            blocks.append(Details(title, (stored_grid(rows, title, context.money, where=name),)))
    return blocks


def _cases(context: Context) -> Block:
    """Alone, every rung and the merger contrast side by side in the report year."""
    year, region = context.ladder.report_year, context.ladder.home_market
    rows = context.tables.get("market_summary").filter(
        (pl.col("year").eq(pl.lit(year, pl.Int64))) & (pl.col("region") == region)
    )
    if rows.is_empty():
        return Text(context.absent("market_summary"), "absent")
    label = (
        pl.when(pl.col("scenario").fill_null("") == MERGER)
        .then(pl.concat_str(pl.col("rung").fill_null(""), pl.lit(", merged into one company (contrast)")))
        .otherwise(pl.col("rung"))
    )
    specs = [
        Spec("case", "Case"),
        Spec("ev_share", "EV share, most likely", "percent"),
        Spec("ev_share_lower", "10 %", "percent"),
        Spec("ev_share_median", "Median", "percent"),
        Spec("ev_share_upper", "90 %", "percent"),
        Spec("alliance_ev_units", "EVs of the companies", "number"),
        Spec("rival_ev_units", "EVs of rivals", "number"),
        Spec("pass_through", "Pass-through", "number"),
        Spec(
            "alliance_profit_change",
            f"Profit of the companies, change, {context.money.label} a year",
            "money",
            sign=True,
        ),
        Spec("consumer_surplus_change", f"Consumer surplus, change, {context.money.label} a year", "money", sign=True),
    ]
    table = frame_grid(
        rows.with_columns(label.alias("case")),
        f"{region} in {year}: alone, alliance, merger",
        specs,
        context.money,
        where="market_summary",
    )
    return Details(f"Alone, every rung and a merger side by side, {region_name(region)} {year}", (table,))


def _prices(context: Context) -> Block:
    year, region = context.ladder.report_year, context.ladder.home_market
    outcome = main_market_rows(context.tables.get("market_outcome")).filter(
        (pl.col("region") == region) & pl.col("price").is_not_null() & pl.col("units").is_not_null()
    )
    stored = outcome["year"].drop_nulls().unique().sort().to_list()
    shown_year = year if year in stored else (stored[-1] if stored else None)
    outcome = outcome.filter(pl.col("year").eq(pl.lit(shown_year, pl.Int64)))
    joint = outcome.filter((pl.col("coalition") == context.ladder.coalition) & (pl.col("rung") == context.best_rung))
    alone = outcome.filter(pl.col("rung") == context.ladder.baseline).select(
        "product", pl.col("price").alias("price_alone"), pl.col("units").alias("units_alone")
    )
    both = joint.join(alone.unique("product"), on="product", how="inner").with_columns(
        (pl.col("units") - pl.col("units_alone")).alias("more"),
        (pl.col("price") - pl.col("price_alone")).alias("dearer"),
    )
    if both.is_empty():
        return Text(context.absent("market_outcome"), "absent")
    ordered = both.sort(pl.col("more").abs(), descending=True, maintain_order=True)
    shown = ordered.head(SHOWN_PRODUCTS)
    own = both.filter(pl.col("company").is_in(list(context.ladder.companies)))
    gained, others = float(own["more"].sum()), float(both["more"].sum()) - float(own["more"].sum())
    names = [f"{name} ({company})" for name, company in shown.select("product", "company").head(20).iter_rows()]
    specs = [
        Spec("product", "Model"),
        Spec("company", "Maker"),
        Spec("price_alone", f"Price alone, {context.currency}", "number"),
        Spec("price", f"Price together, {context.currency}", "number"),
        Spec("dearer", "change", "number", sign=True),
        Spec("units_alone", "Sales alone", "number"),
        Spec("units", "Sales together", "number"),
        Spec("more", "change", "number", sign=True),
        Spec("lower", "share, 10 %", "percent"),
        Spec("upper", "share, 90 %", "percent"),
    ]
    return Chart(
        "prices",
        f"The companies sell {_more(gained)} cars in {region_name(region)} in {shown_year}, all others {_more(others)}",
        "Bars to the right are models that sell more than without cooperation, to the left less; the table has "
        "the prices "
        "that cause it. Models with the largest changes first.",
        charts.horizontal_bars(
            names, [Series("change of sales", shown["more"].head(20).to_list())], "cars a year", decimals=0
        ),
        frame_grid(
            ordered, f"Prices and sales in {region}, {shown_year}", specs, context.money, where="market_outcome"
        ),
        height_px=90 + 26 * len(names),
    )


def _more(change: float) -> str:
    """A change of sales in words."""
    count = number(abs(change), 0)
    return "as many" if count == "0" else f"{count} {'more' if change > 0 else 'fewer'}"


def _fit(context: Context) -> list[Block]:
    blocks: list[Block] = []
    moments = context.tables.get("market_moments")
    if moments.is_empty():
        blocks.append(Text(context.absent("market_moments"), "absent"))
    else:
        specs = [Spec("moment", "Figure fitted to")]
        specs += [Spec(name, name, "plain") for name in ("target", "model", "deviation", "weight")]
        blocks.append(
            Details(
                "How well the demand model meets what is known: target, model, deviation",
                (frame_grid(moments, "Calibration moments", specs, context.money, where="market_moments"),),
            )
        )
    convergence = context.tables.get("market_convergence")
    if convergence.is_empty():
        blocks.append(Text(context.absent("market_convergence"), "absent"))
        return blocks
    failed = convergence.filter(pl.col("converged").fill_null(False).not_())
    if failed.height:
        names = ", ".join(str(name) for name in failed["case"].to_list())
        blocks.append(Text(f"Not converged, so not to be quoted: {names}.", "warning"))
    rows = [
        [
            row["case"] or "",
            Cell(f"{row['residual']:.1e}" if row["residual"] is not None else "–", row["residual"]),
            Cell(number(row["iterations"], 0), row["iterations"]),
            "yes" if row["converged"] else "no",
        ]
        for row in convergence.iter_rows(named=True)
    ]
    table = grid("Equilibria", ["Case", "largest residual", "iterations", "converged"], rows)
    blocks.append(Details("How exactly each equilibrium was solved", (table,)))
    return blocks
