"""Who develops what, and when."""

from __future__ import annotations

import re

import polars as pl

from teikei.report import charts
from teikei.report.blocks import Block, Chart, Details, Section, Spec, Text, frame_grid, stored_grid, words
from teikei.report.context import Context, other_tables

SHOWN_ROWS = 30
_TIME = re.compile(r"^(\d{4})(?:[-/ ]?Q([1-4])|-(\d{1,2})(?:-\d{1,2})?|(\.\d+))?$")


def section(context: Context) -> Section:
    """The Gantt chart, where the run has a schedule, and what it says of the starts of production."""
    return Section(
        "schedule",
        "Who develops what, by when",
        "Which company leads each development, and does it meet the start of production?",
        (*_stopped(context), _gantt(context), *_milestones(context), *other_tables(context, "schedule_")),
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
            tasks.append((row["object"] or "", words(row["task"] or ""), start, end, row["company"] or "not assigned"))
    specs = [Spec(name, name) for name in ("object", "task", "company", "start", "end")]
    specs.append(Spec("hours", "hours", "number"))
    table = frame_grid(rows, "Development schedule", specs, context.money, where="schedule")
    if not tasks:
        return table
    first: dict[str, float] = {}
    for name, _, start, _, _ in tasks:
        first[name] = min(start, first.get(name, start))
    objects = sorted(first, key=lambda name: (" in " in name, first[name], name))  # applications of a family last
    shown = [task for name in objects[:SHOWN_ROWS] for task in tasks if task[0] == name]
    cut = f" The first {SHOWN_ROWS} of {len(objects)} are drawn." if len(objects) > SHOWN_ROWS else ""
    return Chart(
        "schedule",
        _title(context, rows, len(objects)),
        "One row per family, variant, application or vehicle; bars are its tasks from start to end, one shade and "
        f"pattern per company.{cut}",
        charts.gantt(shown, list(dict.fromkeys(task[4] for task in tasks))),
        table,
        height_px=130 + 24 * min(len(objects), SHOWN_ROWS),
    )


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
