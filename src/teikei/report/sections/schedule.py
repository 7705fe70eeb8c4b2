"""Who develops what, and when."""

from __future__ import annotations

import re

import polars as pl

from teikei.report import charts
from teikei.report.blocks import Block, Chart, Section, Spec, Text, frame_grid, words
from teikei.report.context import Context

SHOWN_ROWS = 40
_TIME = re.compile(r"^(\d{4})(?:[-/ ]?Q([1-4])|-(\d{1,2})(?:-\d{1,2})?|(\.\d+))?$")


def section(context: Context) -> Section:
    """The Gantt chart, where the run has a schedule."""
    return Section(
        "schedule",
        "Who develops what, by when",
        "Which company leads each development, and does it meet the start of production?",
        (_gantt(context),),
    )


def moment(text: str | None) -> float | None:
    """Decimal year of ``2028``, ``2028.25``, ``2028-Q2``, ``2028-04`` or ``2028-04-15``; None of anything else."""
    found = _TIME.match((text or "").strip())
    if not found:
        return None
    year, quarter, month, fraction = found.groups()
    if quarter:
        return int(year) + (int(quarter) - 1) / 4
    if month:
        return int(year) + (int(month) - 1) / 12 if 1 <= int(month) <= 12 else None
    return int(year) + float(fraction or 0.0)


def _gantt(context: Context) -> Block:
    rows = context.joint("schedule")
    if rows.is_empty():
        return Text(context.absent("schedule"), "absent")
    tasks = []
    for row in rows.iter_rows(named=True):
        start, end = moment(row["start"]), moment(row["end"])
        if start is not None and end is not None and end >= start:
            tasks.append((row["object"] or "", words(row["task"] or ""), start, end, row["company"] or "not assigned"))
    specs = [Spec(name, name) for name in ("object", "task", "company", "start", "end")] + [
        Spec("hours", "hours", "number")
    ]
    table = frame_grid(rows, "Development schedule", specs, context.money, where="schedule")
    if not tasks:
        return table
    shown_rows = list(dict.fromkeys(task[0] for task in tasks))[:SHOWN_ROWS]
    shown = [task for task in tasks if task[0] in shown_rows]
    owners = list(dict.fromkeys(task[4] for task in shown))
    hours = rows.group_by("company", maintain_order=True).agg(pl.col("hours").sum()).sort("hours", descending=True)
    lead = hours.row(0, named=True)
    return Chart(
        "schedule",
        f"{len({task[0] for task in tasks})} developments; {lead['company']} carries the most hours, "
        f"{lead['hours']:,.0f}",
        "One row per family or vehicle, bars are tasks from start to end, one shade and pattern per company.",
        charts.gantt(shown, owners),
        table,
        height_px=130 + 34 * len(shown_rows),
    )
