"""Tables for the decision maker and every other stored table that no section above shows."""

from __future__ import annotations

from typing import Final

import polars as pl

from teikei.report.blocks import Block, Details, Section, Spec, Text, frame_grid, words
from teikei.report.context import Context
from teikei.report.schema import SHAPES

# Tables the workbook holds in full and no reader of the page asks for row by row.
WORKBOOK_ONLY: Final = ("cost_breakdown",)


def section(context: Context) -> Section:
    """Business cases, calendars, mandates: whatever the run stored beyond the tables shown above."""
    blocks: list[Block] = []
    for name, frame in context.tables.stored.items():
        if name not in SHAPES and frame.height and frame.width:
            blocks.append(_details(context, name, frame))
    if not blocks:
        blocks.append(
            Text(
                "Business case, decision calendar, switching cost and mandate of each company: not evaluated "
                "because this "
                "run stored no such tables.",
                "absent",
            )
        )
    return Section(
        "decision", "For the decision maker", "What else does each company need before it signs?", tuple(blocks)
    )


def _details(context: Context, name: str, frame: pl.DataFrame) -> Details:
    specs = [
        Spec(
            column,
            words(column),
            "year" if column == "year" else "plain" if frame[column].dtype.is_numeric() else "text",
        )
        for column in frame.columns
    ]
    title = words(name)
    return Details(
        f"{title[0].upper()}{title[1:]} ({frame.height} rows)",
        (frame_grid(frame, title, specs, context.money, where=name),),
    )
