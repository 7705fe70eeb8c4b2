"""Screens of competition law: amber and red lights with the figure behind them."""

from __future__ import annotations

from teikei.report.blocks import Block, Cell, Section, Text, grid, words
from teikei.report.context import Context
from teikei.report.formatting import percent, plain

ADVICE = "Screens only point to what must be taken to counsel; a missing light is no clearance."


def section(context: Context) -> Section:
    """The screens of every rung."""
    rows = context.tables.get("screens")
    blocks: list[Block] = []
    if rows.is_empty():
        blocks.append(Text(context.absent("screens"), "absent"))
    else:
        lights = rows["light"].fill_null("").to_list()
        red, amber = lights.count("red"), lights.count("amber")
        blocks.append(Text(f"{red} red and {amber} amber of {rows.height} screens. {ADVICE}", "lead"))
        table = [
            [
                words(row["rung"] or ""),
                row["screen"] or "",
                row["region"] or "",
                str(row["year"] or ""),
                _figure(row["figure"]),
                _figure(row["threshold"]),
                _light(row["light"]),
                row["source"] or "no source given",
            ]
            for row in rows.iter_rows(named=True)
        ]
        headers = ["Rung", "Screen", "Region", "Year", "Figure", "Threshold", "Light", "Threshold from"]
        blocks.append(
            grid(
                "Competition-law screens", headers, table, note="A figure that is not known is asked for, not guessed."
            )
        )
    return Section(
        "law", "Law screens", "Which shares and thresholds need a lawyer before anybody talks?", tuple(blocks)
    )


def _figure(value: float | None) -> Cell:
    if value is None:
        return Cell("not known: ask")
    return Cell(percent(value) if 0 <= value <= 1 else plain(value), value)


def _light(light: str | None) -> Cell:
    signs = {"red": "■ red", "amber": "▲ amber"}
    return Cell(signs.get(light or "", light or "–"), look=f"light-{light}" if light in signs else "")
