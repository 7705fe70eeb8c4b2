"""What a car costs before and after, and against the same car built by an integrated rival."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import polars as pl

from teikei.report import charts
from teikei.report.blocks import Block, Cell, Chart, Details, Section, Spec, Text, frame_grid, grid, words
from teikei.report.charts import Series
from teikei.report.context import Context
from teikei.report.formatting import is_number, number, percent

TOTAL_STEPS = ("start", "end", "total", "own", "rival")


def section(context: Context) -> Section:
    """Cost per vehicle, part by part."""
    blocks: list[Block] = [_before_after(context), *_by_item(context), *_rival(context), *_laws(context)]
    return Section(
        "vehicle-cost",
        "Cost per vehicle",
        "What does each car cost before and after, and against an integrated rival?",
        tuple(blocks),
    )


def _per_car(rows: pl.DataFrame, year: int | None) -> dict[str, float]:
    """Programme -> variable cost per car in a year: parts added up, companies and plants weighted by units."""
    own = rows.filter((pl.col("year").eq(pl.lit(year, pl.Int64))) & pl.col("variable_cost").is_not_null())
    units = own.group_by("programme", "company", maintain_order=True).agg(
        pl.col("units").max(), pl.col("variable_cost").sum()
    )
    weighted = units.group_by("programme", maintain_order=True).agg(
        ((pl.col("variable_cost") * pl.col("units")).sum() / pl.col("units").sum()).alias("cost")
    )
    return {name: cost for name, cost in weighted.drop_nulls().iter_rows() if is_number(cost)}


def _unit(context: Context, values: list[float]) -> tuple[float, str]:
    """Thousands of the currency per car where prices are that large."""
    large = max(values, default=0.0) >= 100_000
    return (1000.0, f"thousand {context.currency} per car") if large else (1.0, f"{context.currency} per car")


def _before_after(context: Context) -> Block:
    year = context.ladder.report_year
    after = _per_car(context.joint("unit_costs"), year)
    before = _per_car(context.alone("unit_costs"), year)
    both = [name for name in after if name in before]
    if not both:
        return Text(context.absent("unit_costs"), "absent")
    both.sort(key=lambda name: before[name] - after[name], reverse=True)
    scale, unit = _unit(context, list(before.values()))
    names = [context.programme_label(name) for name in both]
    falls = sum(1 for name in both if after[name] < before[name] * (1 - 1e-9))
    best = both[0]
    cut = 1 - after[best] / before[best] if before[best] else 0.0
    title = f"{falls} of {len(both)} cars become cheaper to build by {year}"
    title += f", {best} most: {percent(cut)}" if cut > 0 else ""
    table = grid(
        f"Variable cost of the modules per car in {year}, {unit}",
        ["Programme", "alone", f"at {words(context.best_rung)}", "change", "change, %"],
        [
            [
                label,
                Cell(number(before[name] / scale), before[name]),
                Cell(number(after[name] / scale), after[name]),
                Cell(number((after[name] - before[name]) / scale, sign=True), after[name] - before[name]),
                Cell(percent(after[name] / before[name] - 1, sign=True), after[name] / before[name] - 1),
            ]
            for name, label in zip(both, names, strict=True)
        ],
        note="Variable cost only: development, tooling and plants are paid apart and never reach prices.",
    )
    return Chart(
        "vehicle-cost",
        title,
        "One row per programme: the open circle is the cost of its modules alone, the filled square together. "
        "Square to the "
        "left of the circle: cheaper.",
        charts.dots(
            names,
            [
                Series("alone", [before[name] / scale for name in both]),
                Series(f"at {words(context.best_rung)}", [after[name] / scale for name in both]),
            ],
            unit,
        ),
        table,
        height_px=110 + 30 * len(both),
    )


def _by_item(context: Context) -> list[Block]:
    year = context.ladder.report_year
    joint = context.joint("unit_costs").filter(pl.col("year").eq(pl.lit(year, pl.Int64)))
    alone = context.alone("unit_costs").filter(pl.col("year").eq(pl.lit(year, pl.Int64)))
    if joint.is_empty():
        return []
    keys = ["programme", "company", "item"]
    both = joint.select(*keys, "units", pl.col("variable_cost").alias("together")).join(
        alone.select(*keys, pl.col("variable_cost").alias("alone")), on=keys, how="left"
    )
    rows = both.with_columns((pl.col("together") - pl.col("alone")).alias("change")).sort(keys)
    specs = [
        Spec("programme", "Programme"),
        Spec("company", "Company"),
        Spec("item", "Part"),
        Spec("units", "Cars a year", "number"),
        Spec("alone", f"alone, {context.currency}", "number"),
        Spec("together", f"together, {context.currency}", "number"),
        Spec("change", f"change, {context.currency}", "number", sign=True),
    ]
    table = frame_grid(rows, f"Cost per car by part in {year}", specs, context.money, where="unit_costs")
    return [Details("Cost per car by part", (table,))]


LAWS = (
    Spec("variant", "Module"),
    Spec("class", "Class"),
    Spec("mass_kg", "Mass, kg", "plain"),
    Spec("mass_kg_low", "lowest", "plain"),
    Spec("mass_kg_high", "highest", "plain"),
    Spec("mass_law", "Law of the mass"),
    Spec("curve", "Cost curve"),
    Spec("curve_price_low", "lowest curve price", "number"),
    Spec("curve_price_high", "highest curve price", "number"),
    Spec("curve_source", "Source of the curve"),
    Spec("notes", "Filled in by"),
    Spec("warning", "Outside its range"),
)


def _laws(context: Context) -> list[Block]:
    """By which law each design in use weighs, costs and loses, the spread of the sources, and where it is stretched."""
    rows = context.joint("module_designs")
    used = context.joint("configurations")["module"].drop_nulls().unique().to_list()
    rows = rows.filter(pl.col("variant").is_in(used)) if used else rows
    specs = [spec for spec in LAWS if spec.column in rows.columns]
    if rows.is_empty() or "mass_law" not in rows.columns:
        return []
    stretched = rows.filter(pl.col("warning").fill_null("") != "").height
    caption = f"Laws behind the designs in use; {stretched} of {rows.height} outside the range of one of them"
    table = frame_grid(rows, caption, specs, context.money, where="module_designs")
    return [Details("By which law each module weighs and costs, and how far the sources differ", (table,))]


def _rival(context: Context) -> list[Block]:
    rows = context.tables.get("integrated_rival").filter(
        pl.col("value").is_not_null() & pl.col("programme").is_not_null()
    )
    if rows.is_empty():
        return [Text(context.absent("integrated_rival"), "absent")]
    walks = {
        str(name): rows.filter(pl.col("programme") == name) for name in rows["programme"].unique(maintain_order=True)
    }
    pictures = tuple(
        _walk(context, walk, name, f"rival-{index}") for index, (name, walk) in enumerate(walks.items(), start=1)
    )
    return [_beside_rival(context, walks), Details("The walk to the rival part by part, for each programme", pictures)]


def _beside_rival(context: Context, walks: Mapping[str, pl.DataFrame]) -> Chart:
    """The first level of every walk (alone), the last before the rival's (together) and the rival's."""
    found = {}
    for name, walk in walks.items():
        pairs = list(walk.select("step", "value").iter_rows())
        at = [value for (_, value), level in zip(pairs, levels(pairs), strict=True) if level]
        found[name] = (at[0], at[-2] if len(at) > 2 else None, at[-1])
    ordered = sorted(found, key=lambda name: found[name][0], reverse=True)
    scale, unit = _unit(context, [found[name][0] for name in ordered])
    labels = [context.programme_label(name) for name in ordered]
    columns = [[value / scale if value is not None else None for value in found[name]] for name in ordered]
    names = ("alone", "together", "integrated rival")
    dearer = [name for name in ordered if (found[name][1] or found[name][0]) > found[name][2]]
    title = f"{len(dearer)} of {len(ordered)} cars still cost more to build than at an integrated rival"
    if dearer:
        gaps = [(found[name][1] or found[name][0]) / found[name][2] - 1 for name in dearer if found[name][2] > 0]
        title += f", by up to {percent(max(gaps), 0)}" if gaps else ""
    return Chart(
        "rival",
        title,
        "One row per programme: what its parts cost alone (circle), together (square) and at the structure of an "
        "integrated rival (diamond): own cells and drives, no supplier margin, its region and scale.",
        charts.dots(labels, [Series(one, [row[index] for row in columns]) for index, one in enumerate(names)], unit),
        grid(
            f"Cost of parts per car, {unit}",
            ["Programme", *names],
            [
                [label, *(Cell(number(shown), value) for shown, value in zip(row, found[name], strict=True))]
                for label, name, row in zip(labels, ordered, columns, strict=True)
            ],
        ),
        height_px=110 + 30 * len(ordered),
    )


def levels(rows: Sequence[tuple[str | None, float]]) -> list[bool]:
    """Which of the (step, value) of a walk are levels rather than differences.

    The first is; one whose step says so is; the last is where it equals the sum of those before it.
    """
    found: list[bool] = []
    level = 0.0
    for index, (step, value) in enumerate(rows):
        named = (step or "").split(" ")[0].lower() in TOTAL_STEPS
        closes = index == len(rows) - 1 and index > 0 and abs(value - level) <= 1e-6 * max(abs(level), 1.0)
        found.append(index == 0 or named or closes)
        level = value if found[-1] else level + value
    return found


def _walk(context: Context, rows: pl.DataFrame, programme: str, name: str) -> Chart:
    values = [float(value) for value in rows["value"].to_list()]
    scale, unit = _unit(context, [abs(value) for value in values])
    totals_at = levels(list(rows.select("step", "value").iter_rows()))
    entries = [
        (row["item"] or row["step"] or "", row["value"] / scale, total)
        for row, total in zip(rows.iter_rows(named=True), totals_at, strict=True)
    ]
    labels: list[str] = []
    for label, _, _ in entries:  # a category axis joins equal names: make each its own
        labels.append(label if label not in labels else f"{label} ({labels.count(label) + 1})")
    steps = [(label, value, total) for label, (_, value, total) in zip(labels, entries, strict=True)]
    totals = [value for _, value, total in steps if total]
    title = f"{context.programme_label(programme)} beside the same car of an integrated rival"
    if len(totals) > 1:
        gap = totals[0] - totals[-1]
        word = "less" if gap >= 0 else "more"
        title = (
            f"An integrated rival would build {context.programme_label(programme)} for {number(abs(gap))} {unit} {word}"
        )
    table = grid(
        f"Cost walk of {programme}, {unit}",
        ["Step", "Amount", "kind"],
        [
            [label, Cell(number(value, sign=not total), value * scale), "level" if total else "change"]
            for label, value, total in steps
        ],
    )
    return Chart(
        name,
        title,
        "Start at the own car, then part by part what the rival pays less (hatched, to the left) or more "
        "(crossed, to the "
        "right), to the same car at the rival's structure.",
        charts.waterfall(steps, unit),
        table,
        height_px=100 + 30 * len(steps),
    )
