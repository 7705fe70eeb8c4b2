"""Who supplies what from where, and how full sites and plants are."""

from __future__ import annotations

import polars as pl

from teikei.report import charts
from teikei.report.blocks import Block, Cell, Chart, Details, Section, Spec, Text, frame_grid, grid, words
from teikei.report.charts import Series
from teikei.report.context import Context
from teikei.report.formatting import percent
from teikei.report.sections.whole_cars import whole_cars

SHOWN_SUPPLIERS = 9
OTHERS = "all others"
SHOWN_SITES = 18
NEARLY_FULL = 0.95


def section(context: Context) -> Section:
    """Awards and plant use."""
    blocks: list[Block] = []
    if context.joint("awards").is_empty():
        blocks.append(Text(context.absent("awards"), "absent"))
    else:
        blocks += [_by_year(context), _against_alone(context), _all_awards(context)]
    blocks += [_sites(context), _plants(context), *_captives(context), *whole_cars(context)]
    return Section(
        "awards",
        "Awards and plants",
        "Whom to buy from, where, in which year, and how full is each plant?",
        tuple(blocks),
    )


def _named() -> pl.Expr:
    """Supplier, or that none is named (parts priced by a cost law without an offer)."""
    supplier = pl.col("supplier").fill_null("").str.strip_chars()
    return pl.when(supplier == "").then(pl.lit("no supplier named")).otherwise(supplier).alias("supplier")


def _by_year(context: Context) -> Chart:
    money = context.money
    rows = context.joint("awards").with_columns(_named())
    totals = (
        rows.group_by("supplier", maintain_order=True)
        .agg(pl.col("spend").sum())
        .sort("spend", "supplier", descending=[True, False])
    )
    top = totals["supplier"].head(SHOWN_SUPPLIERS).to_list()
    named = rows.with_columns(
        pl.when(pl.col("supplier").is_in(top)).then(pl.col("supplier")).otherwise(pl.lit(OTHERS)).alias("shown")
    )
    years = named["year"].drop_nulls().unique().sort().to_list()
    shown = [*top, *([OTHERS] if totals.height > len(top) else [])]
    spend = {
        (name, year): value
        for name, year, value in named.group_by("shown", "year", maintain_order=True)
        .agg(pl.col("spend").sum())
        .iter_rows()
    }
    everything = float(totals["spend"].sum()) or 1.0
    series = [Series(name, [money.scaled(spend.get((name, year), 0.0)) for year in years]) for name in shown]
    decimals = money.decimals(spend.values())
    table = grid(
        f"Spend by supplier and year at “{words(context.best_rung)}”, {money.label}, discounted",
        ["Supplier", *(str(year) for year in years), "all years"],
        [
            [name]
            + [Cell(money.text(spend.get((name, year)), decimals), spend.get((name, year))) for year in years]
            + [_sum_cell(context, [spend.get((name, year), 0.0) for year in years], decimals)]
            for name in shown
        ],
    )
    first = float(totals["spend"][0]) / everything
    return Chart(
        "awards",
        f"{top[0]} is the largest supplier with {percent(first, 0)} of {money.full(everything)} bought",
        "Columns are years, parts are suppliers; money is discounted, so later years look smaller than they are "
        "in cash.",
        charts.stacked_bars([str(year) for year in years], series, f"spend, {money.label}", decimals=decimals),
        table,
        height_px=430,
    )


def _sum_cell(context: Context, values: list[float], decimals: int) -> Cell:
    return Cell(context.money.text(sum(values), decimals), sum(values))


def _spend_by_supplier(rows: pl.DataFrame) -> dict[str, float]:
    sums = rows.with_columns(_named()).group_by("supplier", maintain_order=True).agg(pl.col("spend").sum())
    return dict(sums.iter_rows())


def _against_alone(context: Context) -> Block:
    """Who wins and loses business against the companies alone."""
    money = context.money
    alone = _spend_by_supplier(context.alone("awards"))
    if not alone:
        return Text(
            "Change against today's buying: not evaluated because no awards of the companies alone are stored.",
            "absent",
        )
    joint = _spend_by_supplier(context.joint("awards"))
    names = sorted({*alone, *joint} - {None}, key=lambda name: -abs(joint.get(name, 0.0) - alone.get(name, 0.0)))
    decimals = money.decimals([*alone.values(), *joint.values()])
    table = grid(
        f"Spend by supplier, alone and at “{words(context.best_rung)}”, {money.label}, discounted",
        ["Supplier", "alone", "together", "change"],
        [
            [
                name,
                Cell(money.text(alone.get(name), decimals), alone.get(name)),
                Cell(money.text(joint.get(name), decimals), joint.get(name)),
                Cell(
                    money.text(joint.get(name, 0.0) - alone.get(name, 0.0), decimals, sign=True),
                    joint.get(name, 0.0) - alone.get(name, 0.0),
                ),
            ]
            for name in names
        ],
    )
    return Details("Who wins and who loses business against buying alone", (table,))


def _all_awards(context: Context) -> Block:
    rows = (
        context.joint("awards")
        .with_columns(_named())
        .group_by("supplier", "site", "item", "price_basis", maintain_order=True)
        .agg(
            pl.col("year").min().alias("first"),
            pl.col("year").max().alias("last"),
            pl.col("quantity").sum(),
            pl.col("unit_price").min().alias("lowest"),
            pl.col("unit_price").max().alias("highest"),
            pl.col("spend").sum(),
        )
        .sort("spend", descending=True, maintain_order=True)
    )
    specs = [
        Spec("supplier", "Supplier"),
        Spec("site", "Site"),
        Spec("item", "Item"),
        Spec("first", "from", "year"),
        Spec("last", "to", "year"),
        Spec("quantity", "Quantity, all years", "number"),
        Spec("lowest", f"Lowest price, {context.currency} each", "number"),
        Spec("highest", f"Highest price, {context.currency} each", "number"),
        Spec("spend", f"Spend, {context.money.label}", "money"),
        Spec("price_basis", "Price from"),
    ]
    table = frame_grid(rows, f"Awards at “{words(context.best_rung)}”", specs, context.money, where="awards")
    return Details("Every award: supplier, site, item, price and what the price rests on", (table,))


def _sites(context: Context) -> Block:
    """Use of suppliers' sites, the fullest first."""
    rows = (
        context.joint("plant_use")
        .filter((pl.col("capacity") > 0) & pl.col("year").is_not_null() & pl.col("site").is_not_null())
        .with_columns((pl.col("quantity") / pl.col("capacity")).alias("use"))
        .drop_nulls("use")
    )
    if rows.is_empty():
        return Text(context.absent("plant_use"), "absent")
    peaks = rows.group_by("site", maintain_order=True).agg(pl.col("use").max())
    sites = peaks.sort("use", "site", descending=[True, False])["site"].to_list()
    shown = sites[:SHOWN_SITES]
    years = rows["year"].unique().sort().to_list()
    use = {(site, year): value for site, year, value in rows.select("site", "year", "use").iter_rows()}
    full = [site for site in shown if any(use.get((site, year), 0.0) > NEARLY_FULL for year in years)]
    title = "No site gives more than 95 % of what it can in any year"
    if full:
        more = f" and {len(full) - 4} more" if len(full) > 4 else ""
        title = f"Nearly full in some year: {', '.join(full[:4])}{more}"
    specs = [Spec("site", "Site"), Spec("year", "Year", "year"), Spec("quantity", "Bought", "number")]
    specs += [Spec("capacity", "Open to these buyers", "number"), Spec("unit", "Unit"), Spec("use", "Use", "percent")]
    cut = f" The {len(shown)} fullest of {len(sites)} sites are drawn." if len(sites) > len(shown) else ""
    return Chart(
        "sites",
        title,
        "Rows are suppliers' sites, columns years; the figure is what the companies buy there in per cent of the "
        f"capacity stored for them, the darker the fuller. Cells without a figure are not used.{cut}",
        charts.heat(
            shown,
            [str(year) for year in years],
            [[_per_cent(use.get((site, year))) for year in years] for site in shown],
            "%",
        ),
        frame_grid(rows, "Use of suppliers' sites", specs, context.money, where="plant_use"),
        height_px=90 + 26 * len(shown),
    )


def _plants(context: Context) -> Block:
    rows = context.joint("plants").filter(pl.col("capacity").is_not_null() & pl.col("year").is_not_null())
    if rows.is_empty():
        if "plants" in context.tables.stored and context.ladder.evaluated:
            return Text(f"The plan at “{words(context.best_rung)}” builds no plant of the companies' own.", "note")
        return Text(context.absent("plants"), "absent")
    named = rows.with_columns(
        pl.concat_str("plant", pl.lit(" of "), "owner", ignore_nulls=True).alias("site"),
        pl.coalesce("use", pl.col("output") / pl.col("capacity")).fill_nan(None).alias("use"),
    )
    sites = named["site"].unique(maintain_order=True).to_list()
    years = named["year"].unique().sort().to_list()
    use = {(site, year): value for site, year, value in named.select("site", "year", "use").iter_rows()}
    known = [value for value in use.values() if value is not None]
    title = (
        f"Own plants are used between {percent(min(known), 0)} and {percent(max(known), 0)}" if known else "Own plants"
    )
    specs = [
        Spec("site", "Plant"),
        Spec("year", "Year", "year"),
        Spec("step", "Size, GWh a year", "number"),
        Spec("capacity", "Capacity in the year, GWh", "number"),
        Spec("output", "Output, GWh", "number"),
        Spec("use", "Use", "percent"),
    ]
    cells = [[_per_cent(use.get((site, year))) for year in years] for site in sites]
    return Chart(
        "plants",
        title,
        "Rows are plants, columns years; the figure is the output in per cent of what the plant can make that year, "
        "the darker the fuller.",
        charts.heat(sites, [str(year) for year in years], cells, "%"),
        frame_grid(named, "Use of own plants", specs, context.money, where="plants"),
        height_px=90 + 30 * len(sites),
    )


def _captives(context: Context) -> list[Block]:
    """What companies' own suppliers lose, alone and together, and what that costs their owners."""
    alone, joint = context.alone("captive_use"), context.joint("captive_use")
    if joint.is_empty() and alone.is_empty():
        return []
    money = context.money
    costs = [float(rows["cost"].drop_nulls().sum()) for rows in (alone, joint)]
    told = "No line of the companies' own suppliers stands idle, alone or together."
    if any(costs):
        told = (
            f"Idle lines of the companies' own suppliers cost their owners {money.full(costs[0])} alone and "
            f"{money.full(costs[1])} at “{words(context.best_rung)}” (fixed cost that stays, at the owner's share; the "
            "margin of a lost unit is in what is bought)."
        )
    told += " What a least share costs: teikei prices."
    specs = [
        Spec("owner", "Owner"),
        Spec("supplier", "Supplier"),
        Spec("site", "Site"),
        Spec("class", "Class"),
        Spec("year", "Year", "year"),
        Spec("committed", "Committed, pieces or GWh", "number"),
        Spec("taken", "Taken", "number"),
        Spec("lost", "Lost", "number"),
        Spec("cost", f"Cost, {money.label}", "money"),
    ]
    tables = tuple(
        frame_grid(rows, f"Own suppliers, {case}", specs, money, where="captive_use")
        for rows, case in ((alone, "alone"), (joint, f"at “{words(context.best_rung)}”"))
        if not rows.is_empty()
    )
    return [Text(told, "note"), Details("Own suppliers year by year", tables)]


def _per_cent(share: float | None) -> float | None:
    return None if share is None else share * 100
