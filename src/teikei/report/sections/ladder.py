"""Which rung saves what, by lever, penalties shown as what they are."""

from __future__ import annotations

import polars as pl

from teikei.report import charts
from teikei.report.blocks import Block, Cell, Chart, Details, Section, Text, grid, words
from teikei.report.charts import Series
from teikei.report.context import Context
from teikei.report.facts import Rung
from teikei.report.formatting import percent
from teikei.report.sections.schedule import late_alone, late_together


def section(context: Context) -> Section:
    """The ladder of savings."""
    blocks: list[Block] = []
    if not context.ladder.evaluated:
        blocks.append(Text(context.ladder.not_evaluated_because or "No rung has a value.", "absent"))
    elif not context.ladder.levers:
        blocks.append(Text(context.absent("savings_by_lever"), "absent"))
        blocks.append(_gaps(context))
    else:
        blocks += [_stacked(context), _walk(context), _methods(context), _by_company(context), _gaps(context)]
    blocks += published_beside(context)
    shared_today = str(context.meta.get("incumbent_bloc_note") or "")
    blocks += [Text(f"What counts as alone: {shared_today}")] if shared_today else []
    blocks += [Text(told, "warning") for told in (late_alone(context), late_together(context)) if told]
    blocks += [
        Text(f"Rung “{words(rung.name)}”: {rung.status or 'not evaluated'}.", "absent")
        for rung in context.ladder.rungs
        if not rung.evaluated
    ]
    return Section(
        "ladder",
        "Savings by rung and lever",
        "Where does the saving come from, and what does sharing cost?",
        tuple(blocks),
    )


def published_beside(context: Context) -> list[Block]:
    """What the companies have published themselves beside the answer, a year each, with the difference in scope."""
    rows, best, meta = context.tables.get("published"), context.ladder.best, context.meta
    named = rows.filter(pl.col("target").is_not_null() & pl.col("value").is_not_null())
    if named.is_empty() or best is None or best.saving is None:
        return []
    first, last, base = (meta.get(name) for name in ("first_year", "last_year", "base_year"))
    rate = meta.get("discount_rate")
    if not (isinstance(first, int) and isinstance(last, int) and isinstance(base, int) and isinstance(rate, float)):
        return []
    a_year = best.saving / sum((1.0 + rate) ** -(year + 0.5 - base) for year in range(first, last + 1))
    told: list[Block] = []
    for row in named.iter_rows(named=True):
        said = {"at least": "more than ", "at most": "at most "}.get(row["bound"] or "", "")
        about = [row["by"], row["announced"], row["status"]]
        share = percent(a_year / row["value"]) if row["value"] else "no part"
        published = f"{said}{context.money.full(row['value'])} a year ({'; '.join(part for part in about if part)})"
        told.append(
            Text(
                f"Published, {row['target']}: {published}. This study at “{words(context.best_rung)}”: "
                f"{context.money.full(a_year)} a year as an even sum over {first} to {last}, "
                f"{share} of it. Published for: {row['scope']}. "
                f"Not in this study: {row['difference']}.",
                "note",
            )
        )
    return told


def is_penalty(context: Context, lever: str) -> bool:
    """A lever that takes money away over the whole ladder."""
    return sum(rung.levers.get(lever, 0.0) for rung in context.ladder.evaluated) < 0


def _stacked(context: Context) -> Chart:
    ladder, money = context.ladder, context.money
    rungs = ladder.evaluated
    names = [words(rung.name) for rung in rungs]
    decimals = money.decimals([rung.saving for rung in rungs])
    series = [
        Series(
            words(lever),
            [money.scaled(rung.levers.get(lever, 0.0)) for rung in rungs],
            penalty=is_penalty(context, lever),
        )
        for lever in ladder.levers
    ]
    net = Series(
        "net saving and its proven range",
        [money.scaled(rung.saving) for rung in rungs],
        [money.scaled(rung.lower) for rung in rungs],
        [money.scaled(rung.upper) for rung in rungs],
    )
    headers = ["Rung", *(words(lever) for lever in ladder.levers), "sum of levers", "net saving", "of cost alone"]
    rows = []
    for rung in rungs:
        total = sum(rung.levers.values())
        values = [rung.levers.get(lever) for lever in ladder.levers] + [total, rung.saving]
        cells: list[Cell | str] = [Cell(words(rung.name))]
        cells += [Cell(money.text(value, decimals), value) for value in values]
        rows.append([*cells, Cell(percent(rung.share_of_alone), rung.share_of_alone)])
    return Chart(
        "ladder",
        _stacked_title(context, rungs),
        f"Each column is one rung with everything below it. Parts above zero save, parts below zero are what "
        f"sharing costs; "
        f"the diamond is the net saving, its whisker the range the solver has proven. {_adds_up(context)}",
        charts.stacked_bars(names, series, f"saving, {money.label}", net=net, decimals=decimals),
        grid(f"Cumulative saving by lever, {money.label}", headers, rows),
        height_px=470,
    )


def _stacked_title(context: Context, rungs: tuple[Rung, ...]) -> str:
    biggest = max(rungs, key=lambda rung: sum(rung.steps.values()))
    step = sum(biggest.steps.values())
    if step <= 0:
        return "No step of cooperation adds a saving"
    lever = max(biggest.steps, key=lambda name: biggest.steps[name])
    return (
        f"The step to “{words(biggest.name)}” adds most, {context.money.full(step)}, "
        f"and {words(lever)} is the largest part of it"
    )


def _adds_up(context: Context) -> str:
    """Whether levers add up to the savings; said either way."""
    worst = max(abs(sum(rung.levers.values()) - (rung.saving or 0.0)) for rung in context.ladder.evaluated)
    largest = max(abs(rung.saving or 0.0) for rung in context.ladder.evaluated)
    if worst <= 1e-6 * max(largest, 1.0):
        return "The levers add up to the net saving."
    return (
        f"The stored levers do not add up to the net saving: they differ by up to {context.money.full(worst)}. "
        "Do not quote the levers before this is explained."
    )


def _walk(context: Context) -> Chart:
    ladder, money = context.ladder, context.money
    best = ladder.best
    assert best is not None  # noqa: S101  the caller has checked that a rung was evaluated
    levers = sorted(best.levers.items(), key=lambda item: -item[1])
    steps = [("cost alone", money.scaled(ladder.alone) or 0.0, True)]
    steps += [(words(name), -(money.scaled(value) or 0.0), False) for name, value in levers if value]
    steps.append((f"cost at {words(best.name)}", money.scaled(best.value) or 0.0, True))
    decimals = money.decimals([best.saving])
    rows: list[list[Cell | str]] = [
        [name, Cell(money.text(value * money.per_unit_millions, decimals), value * money.per_unit_millions)]
        for name, value, _ in steps
    ]
    return Chart(
        "walk",
        f"From {money.full(ladder.alone)} alone to {money.full(best.value)} together",
        "Read from top to bottom: each bar takes off (or, where crossed, puts on) what its lever changes in total "
        "cost; the two plain bars are total costs.",
        charts.waterfall(steps, f"present cost, {money.label}", decimals=decimals),
        grid(f"Walk from cost alone to cost at {words(best.name)}, {money.label}", ["Step", "Amount"], rows),
        height_px=100 + 27 * len(steps),
    )


def _methods(context: Context) -> Block:
    """Stated order beside Shapley over levers, step by step."""
    money = context.money
    rows: list[list[Cell | str]] = []
    for rung in context.ladder.evaluated:
        for lever in context.ladder.levers:
            ordered, fair = rung.steps.get(lever), rung.steps_shapley.get(lever)
            if ordered is not None or fair is not None:
                rows.append(
                    [f"{words(rung.previous or '')} → {words(rung.name)}", words(lever)]
                    + [Cell(money.text(value), value) for value in (ordered, fair)]
                )
    order = ", ".join(words(str(lever)) for lever in context.meta.get("lever_order") or ())
    told = f" Stated order: {order}." if order else ""
    table = grid(
        f"Each step by lever, two ways of attributing, {money.label}",
        ["Step", "Lever", "by stated order", "by Shapley over levers"],
        rows,
        note=f"Both columns add up to the same step; where they differ, levers work through each other.{told}",
    )
    return Details("Does the order of the levers matter? Stated order beside Shapley", (table,))


def _by_company(context: Context) -> Block:
    money, ladder = context.money, context.ladder
    table_rows: list[list[Cell | str]] = []
    for rung in ladder.evaluated:
        step = context.joint("savings_by_lever", rung.name).filter(
            (pl.col("method") == "order") & (pl.col("from_rung") == rung.previous)
        )
        for lever in ladder.levers:
            own = (
                step.filter(pl.col("lever") == lever)
                .group_by("company", maintain_order=True)
                .agg(pl.col("value").sum())
            )
            by_company = dict(own.iter_rows())
            if by_company:
                values = [by_company.get(company) for company in ladder.companies]
                table_rows.append(
                    [words(rung.name), words(lever), *(Cell(money.text(value), value) for value in values)]
                )
    table = grid(
        f"What each step adds, by company, {money.label}",
        ["Step to", "Lever", *ladder.companies],
        table_rows,
        note="Where a saving arises is not who should get it: that is the split, below.",
    )
    return Details("In whose accounts the saving arises", (table,))


def _gaps(context: Context) -> Block:
    """Value, bound and gap of every plan, the gap judged against the saving."""
    money = context.money
    costs = context.tables.get("cost_by_rung")
    decimals = money.decimals(costs["value"].to_list())
    saving = {rung.name: rung.saving for rung in context.ladder.evaluated}
    rows = []
    for row in costs.iter_rows(named=True):
        own = saving.get(row["rung"]) if row["coalition"] == context.ladder.coalition else None
        against = row["gap"] / abs(own) if row["gap"] is not None and own else None
        rows.append(
            [
                f"{row['coalition']}, {words(row['rung'] or '')}",
                Cell(money.text(row["value"], decimals), row["value"]),
                Cell(money.text(row["bound"], decimals), row["bound"]),
                Cell(money.text(row["gap"]), row["gap"]),
                Cell(percent(against, 2), against),
                row["status"] or "–",
            ]
        )
    table = grid(
        f"Every plan of this run, {money.label}",
        ["Coalition, rung", "cost", "proven lower bound", "gap", "gap, of the saving", "status"],
        rows,
        note="The gap is what a better plan could still save at most. A run stopped by time says so in its status.",
    )
    return Details("How close to the best possible: solver gaps", (table,))
