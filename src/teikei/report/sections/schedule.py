"""Who develops what, and when."""

from __future__ import annotations

import re
from typing import Any

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
    stored_grid,
    words,
)
from teikei.report.context import Context, other_tables
from teikei.report.formatting import listed, number

SHOWN_ROWS = 60
FITTED = "modules in "
_TIME = re.compile(r"^(\d{4})(?:[-/ ]?Q([1-4])|-(\d{1,2})(?:-\d{1,2})?|(\.\d+))?$")


def section(context: Context) -> Section:
    """The Gantt chart, what it says of the starts of production, and the same with each company by itself."""
    return Section(
        "schedule",
        "Who develops what, by when",
        "Which company leads each development, and does it meet the start of production?",
        (
            *_stopped(context),
            _gantt(context),
            *_against_alone(context),
            *_fixes(context),
            *_milestones(context),
            *_load(context),
            *other_tables(context, "schedule_"),
        ),
    )


def late_alone(context: Context) -> str:
    """A sentence for the ladder where the companies' own plans cannot be developed in time; empty where they can."""
    rows = context.alone("schedule_milestones").filter(pl.col("late_quarters") > 0)
    if rows.is_empty():
        return ""
    cars = [f"{row['programme']} {row['generation'] or ''} ({row['late_quarters']:.0f})" for row in rows.to_dicts()]
    holds = "the cars lost by that" if _is_priced(context) else "no cost of that"
    return (
        f"The baseline cannot be reached in time: alone, {listed(cars)} would start late (quarters in brackets), and "
        f"the cost alone holds {holds}. The schedule below says why."
    )


def late_together(context: Context) -> str:
    """A sentence where starts of production come late in the joint schedule, beside alone; empty where none does."""
    due = context.joint("schedule_milestones").drop_nulls("late_quarters")
    late = due.filter(pl.col("late_quarters") > 0)
    if late.is_empty():
        return ""
    alone = context.alone("schedule_summary")["late_quarters"].drop_nulls()
    against = f" against {alone.sum():,.0f} alone" if alone.len() else ""
    return (
        f"In the joint schedule {late.height} of {due.height} starts of production come late, "
        f"{late['late_quarters'].sum():,.0f} quarters in all{against}; {_price_of_lateness(context)}"
    )


def _is_priced(context: Context) -> bool:
    """Whether the plans of this run hold what late starts cost; those of before 0.2 do not."""
    best = context.ladder.best
    return best is not None and "lateness" in best.levers


def _price_of_lateness(context: Context) -> str:
    """What the late starts cost together and alone; both stand in the values that the saving is the difference of."""
    if not _is_priced(context):
        return "the saving holds no cost of that."
    joint, alone = (float(rows("lateness")["cost"].drop_nulls().sum()) for rows in (context.joint, context.alone))
    unpriced = context.joint("lateness").filter(pl.col("cost").is_null() & (pl.col("quarters") > 0))
    names, money = listed(unpriced["programme"].unique(maintain_order=True).to_list()), context.money
    open_ones = f" Not priced, for want of a margin: {names}." if names else ""
    return (
        f"the cars lost until then are worth {money.full(joint)} together and {money.full(alone)} alone, and both "
        f"stand in what is compared; no contract holds them.{open_ones}"
    )


def moment(text: str | None, *, end: bool = False) -> float | None:
    """Decimal year of ``2028``, ``2028.25``, ``2028-Q2``, ``2028-04`` or ``2028-04-15``; None of anything else.

    end: the moment at which the quarter or month named is over.
    """
    found = _TIME.match((text or "").strip())
    if not found:
        return None
    year, quarter, month, fraction = found.groups()
    if quarter:
        return int(year) + (int(quarter) - 1 + end) / 4
    if month:
        return int(year) + (int(month) - 1 + end) / 12 if 1 <= int(month) <= 12 else None
    return int(year) + float(fraction or 0.0)


def _gantt(context: Context) -> Block:
    rows = context.joint("schedule")
    if rows.is_empty():
        return Text(context.absent("schedule"), "absent")
    tasks = []
    for row in rows.iter_rows(named=True):
        start, end = moment(row["start"]), moment(row["end"], end=True)
        if start is not None and end is not None and end >= start:
            name, task = _row_of(row["object"] or "", words(row["task"] or ""))
            tasks.append((name, task, start, end, row["company"] or "not assigned"))
    specs = [Spec(name, name) for name in ("object", "task", "company", "start", "end")]
    specs.append(Spec("hours", "hours", "number"))
    table = frame_grid(rows, "Development schedule", specs, context.money, where="schedule")
    if not tasks:
        return table
    owners = list(dict.fromkeys(task[4] for task in tasks))
    place: dict[str, tuple[int, bool, float]] = {}
    for name, _, start, _, owner in tasks:
        key = (owners.index(owner), name.startswith(FITTED), start)
        place[name] = min(key, place.get(name, key))
    objects = sorted(place, key=lambda name: (place[name], name))
    shown = [task for name in objects[:SHOWN_ROWS] for task in tasks if task[0] == name]
    cut = f" The first {SHOWN_ROWS} of {len(objects)} rows are drawn." if len(objects) > SHOWN_ROWS else ""
    figure = charts.gantt(shown, owners)
    figure["data"] += _due_marks(context, objects[:SHOWN_ROWS])
    return Chart(
        "schedule",
        _title(context, rows, len(set(rows["object"].to_list()))),
        "Company by company, one row per family, variant or car, and one per car for the modules fitted into it; bars "
        "are tasks, one shade and pattern per company that leads. A diamond is the start of production that a car is "
        f"due for. Work is placed as late as cost allows.{cut}",
        figure,
        table,
        height_px=130 + 22 * min(len(objects), SHOWN_ROWS),
    )


def _row_of(name: str, task: str) -> tuple[str, str]:
    """Applications (``family in car for date``) share a row per car and date; the family goes into the label."""
    family, found, rest = name.partition(" in ")
    car, dated, date = rest.partition(" for ")
    return (f"{FITTED}{car}, {date}", f"{family}: {task}") if found and dated else (name, task)


def _due_marks(context: Context, shown: list[str]) -> list[charts.Figure]:
    """A diamond in the row of each car drawn, or of the modules fitted into it, where it is due; hollow if missed."""
    due = context.joint("schedule_milestones").drop_nulls("due")
    marks: dict[bool, list[tuple[str, float]]] = {False: [], True: []}
    for row in due.iter_rows(named=True):
        car, when = f"{row['programme']}/{row['generation']}", moment(row["due"])
        name = next((one for one in (car, f"{FITTED}{car}, {row['due']}") if one in shown), None)
        if name is not None and when is not None:
            marks[(row["late_quarters"] or 0) > 0].append((name, when))
    return [
        {
            "type": "scatter",
            "mode": "markers",
            "name": "due, missed" if late else "due, met",
            "y": [charts.safe(name) for name, _ in points],
            "x": [when for _, when in points],
            "marker": {
                "symbol": "diamond",
                "size": 10,
                "color": "#ffffff" if late else charts.INK,
                "line": {"color": charts.PENALTY_COLOURS[0] if late else charts.INK, "width": 2},
            },
            "hovertemplate": "%{y}: due %{x:.2f}",
        }
        for late, points in marks.items()
        if points
    ]


def _against_alone(context: Context) -> list[Block]:
    joint = context.joint("schedule_summary")
    alone = context.alone("schedule_summary")
    if joint.is_empty() or alone.is_empty():
        return []
    money = context.money
    decimals = money.decimals([*joint["engineering_cost"].to_list(), *alone["engineering_cost"].to_list()])
    names = ("objects", "hours", "engineering_cost", "late_quarters", "late_bound", "cost_bound")
    sums = {name: float(alone[name].fill_null(0.0).sum()) for name in names}
    together = {"coalition": "all, each alone", **sums, "status": ""}

    def line(row: dict[str, Any]) -> list[Cell | str]:
        cost, bound = row["engineering_cost"], row["cost_bound"]
        return [
            row["coalition"]
            if row["status"] == "" or row["rung"] == context.ladder.baseline
            else f"{row['coalition']}, together",
            Cell(number(row["objects"], 0), row["objects"]),
            Cell(number(row["hours"], 0), row["hours"]),
            Cell(money.text(cost, decimals), cost),
            Cell(money.text(bound, decimals), bound),
            Cell(number(row["late_quarters"], 0), row["late_quarters"]),
            Cell(number(row["late_bound"], 0), row["late_bound"]),
        ]

    table = grid(
        "Developing together and each company developing everything alone",
        [
            "Who",
            "developments",
            "hours",
            f"engineers' cost, {money.label}",
            "proven at least",
            "quarters late",
            "proven at least",
        ],
        [line(row) for row in (*joint.to_dicts(), *alone.to_dicts(), together)],
        note="Hours of modules are those the plan has paid; those of the cars themselves are the same in every plan "
        "and not in its cost. Cost at each lead's own rate, present value.",
    )
    return [table]


def _fixes(context: Context) -> list[Block]:
    rows = pl.concat([context.joint("schedule_fixes"), context.alone("schedule_fixes")])
    if rows.is_empty():
        return []
    money = context.money
    decimals = money.decimals(rows["cost"].to_list())
    table = grid(
        "What would help the starts of production that cannot be met",
        [
            "Who",
            "fix",
            "what",
            f"cost, {money.label}",
            "quarters late against today's dates",
            f"pays below, {context.currency} a car",
        ],
        [
            [
                row["coalition"] or "–",
                words(row["fix"] or ""),
                row["detail"] or "–",
                Cell("no price") if row["cost"] is None else Cell(money.text(row["cost"], decimals), row["cost"]),
                Cell(number(row["late_quarters"], 0), row["late_quarters"]),
                Cell("–")
                if row["break_even_per_car"] is None
                else Cell(number(row["break_even_per_car"], 0), row["break_even_per_car"]),
            ]
            for row in rows.iter_rows(named=True)
        ],
        note="Hours: bought in at the lead's rate, on top of the plan. A later date has no price in the study: it is "
        "the better choice while a delayed car loses less margin than the last column.",
    )
    return [Details("What would help: hours, another lead, a later date", (table,))]


def _load(context: Context) -> list[Block]:
    """How full the engineers of each company and skill are, by year."""
    rows = context.joint("schedule_load").drop_nulls(["hours", "capacity"])
    if rows.is_empty():
        return []
    yearly = (
        rows.with_columns(year=pl.col("quarter").str.slice(0, 4))
        .group_by("company", "skill", "year", maintain_order=True)
        .agg(pl.col("hours").sum(), pl.col("capacity").mean() * 4)
        .with_columns(part=100 * pl.col("hours") / pl.col("capacity"))
    )
    years = yearly["year"].unique().sort().to_list()
    names = yearly.select("company", "skill").unique(maintain_order=True).sort("company", maintain_order=True)
    found = {(row["company"], row["skill"], row["year"]): row for row in yearly.iter_rows(named=True)}
    labels = [f"{company}, {words(skill)}" for company, skill in names.iter_rows()]
    part = [[(found.get((c, s, y)) or {}).get("part", 0.0) for y in years] for c, s in names.iter_rows()]
    fullest = max(found.values(), key=lambda row: row["part"])
    table = grid(
        "Hours over hours on hand, %",
        ["Company, skill", *years],
        [
            [label, *(Cell(number(value, 0), value) for value in values)]
            for label, values in zip(labels, part, strict=True)
        ],
    )
    return [
        Chart(
            "engineers",
            f"Fullest: {words(fullest['skill'])} at {fullest['company']}, {fullest['part']:.0f} % of the hours of "
            f"{fullest['year']}",
            "Hours that the joint schedule needs over the hours a company has, by skill and year, %; single quarters "
            "can be fuller than their year.",
            charts.heat(labels, years, part, "% of the hours on hand"),
            table,
            height_px=90 + 26 * len(labels),
        )
    ]


def _title(context: Context, rows: pl.DataFrame, developments: int) -> str:
    due = context.joint("schedule_milestones").drop_nulls("late_quarters")
    if not due.is_empty():
        late = due.filter(pl.col("late_quarters") > 0)
        if late.is_empty():
            return f"All {due.height} starts of production are met"
        worst = late.sort("late_quarters", descending=True, maintain_order=True).row(0, named=True)
        return (
            f"{late.height} of {due.height} starts of production are late in the schedule found, {worst['programme']} "
            f"{worst['generation'] or ''} most: {worst['late_quarters']:.0f} quarters"
        )
    hours = rows.group_by("company", maintain_order=True).agg(pl.col("hours").sum()).sort("hours", descending=True)
    lead = hours.row(0, named=True)
    return f"{developments} developments; {lead['company']} carries the most hours, {lead['hours']:,.0f}"


def _stopped(context: Context) -> list[Block]:
    """A schedule stopped by time is the best one found, not the best there is: said before anything is read off it."""
    rows = context.joint("schedule_summary").filter(pl.col("status").fill_null("").str.starts_with("time limit"))
    if rows.is_empty():
        return []
    row = rows.row(0, named=True)
    told = ""
    if row["late_quarters"] is not None and row["late_bound"] is not None:
        told = (
            f" All starts together are {row['late_quarters']:,.0f} quarters late in it; no schedule can do better than "
            f"{row['late_bound']:,.0f}."
        )
    return [Text(f"This schedule was stopped by the time limit: a better one may exist.{told}", "warning")]


def _milestones(context: Context) -> list[Block]:
    due = context.joint("schedule_milestones")
    if due.is_empty():
        return []
    table = stored_grid(
        due, "Starts of production", context.money, where="schedule_milestones", skip=("coalition", "rung")
    )
    return [Details("Every start of production: due, reached, and what holds it up", (table,))]
