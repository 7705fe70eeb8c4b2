"""Which requirements bind, with what margin, and what giving up a step would save."""

from __future__ import annotations

from typing import Any

import polars as pl

from teikei.report import charts
from teikei.report.blocks import Block, Cell, Chart, Details, Section, Spec, Text, frame_grid, grid, stored_grid, words
from teikei.report.charts import Series
from teikei.report.context import Context
from teikei.report.formatting import plain

SHOWN = 20


def section(context: Context) -> Section:
    """Margins and prices of requirements at the rung that saves most."""
    blocks: list[Block] = [_margins(context), *_all_rows(context), _prices(context)]
    return Section(
        "requirements",
        "Binding requirements",
        "What must each car reach, where is no margin left, and what would giving way save?",
        tuple(blocks),
    )


def _margins(context: Context) -> Block:
    rows = context.joint("performance").filter(
        pl.col("margin").is_not_null() & pl.col("required").is_not_null() & (pl.col("required") != 0)
    )
    if rows.is_empty():
        return Text(context.absent("performance"), "absent")
    relative = rows.with_columns((pl.col("margin") / pl.col("required").abs()).alias("relative")).sort(
        "relative", "programme", "procedure", maintain_order=True
    )
    keys = [name for name in ("programme", "version", "requirement", "procedure") if name in relative.columns]
    tight = relative.unique(keys, keep="first", maintain_order=True).head(SHOWN)
    names = [_label(row) for row in tight.iter_rows(named=True)]
    missed = int((relative["relative"] < -1e-9).sum())
    binding = int(((relative["relative"] >= -1e-9) & (relative["relative"] < 0.02)).sum())
    values = [value * 100 for value in tight["relative"].to_list()]
    title = f"{binding} of {relative.height} requirements are met with less than 2 % to spare"
    if missed:
        title += f"; {missed} are missed"
    table = grid(
        "The tightest requirements",
        ["Requirement", "required", "reached", "margin", "unit", "margin, % of required"],
        [
            [
                name,
                *(Cell(plain(row[key]) if row[key] is not None else "–", row[key]) for key in ("required", "reached")),
                Cell(plain(row["margin"]), row["margin"]),
                row["unit"] or "",
                Cell(plain(value), value),
            ]
            for name, row, value in zip(names, tight.iter_rows(named=True), values, strict=True)
        ],
    )
    return Chart(
        "margins",
        title,
        f"The {len(names)} tightest, tightest first: how far the car is above what it must reach, in per cent of the "
        "requirement. At zero the requirement binds: it sizes the module.",
        charts.horizontal_bars(names, [Series("margin", values)], "margin, % of required"),
        table,
        height_px=90 + 24 * len(names),
    )


def _label(row: dict[str, Any]) -> str:
    """Programme, version where there are several, and what is required under which procedure."""
    version = row.get("version") or ""
    requirement, procedure = row.get("requirement") or "", row["procedure"] or ""
    named = requirement if procedure in ("", "max_time", "default") else f"{requirement} {procedure}"
    parts = (row["programme"], "" if version in ("std", "all") else version, words(named.strip() or procedure))
    return " ".join(part for part in parts if part)


def _all_rows(context: Context) -> list[Block]:
    rows = context.joint("performance")
    if rows.is_empty():
        return []
    table = stored_grid(
        rows,
        f"All requirements at “{words(context.best_rung)}”",
        context.money,
        where="performance",
        skip=("coalition", "rung", "slot", "candidate"),
    )
    return [Details("All requirements and what is reached", (table,))]


def _prices(context: Context) -> Block:
    rows = context.tables.get("requirement_prices").drop_nulls("saving_alliance")
    if rows.is_empty():
        return Text(
            context.absent("requirement_prices")[:-1] + " (prices of requirements are computed on demand).",
            "absent",
        )
    money = context.money
    ordered = rows.sort("saving_alliance", descending=True, maintain_order=True).head(SHOWN)
    names = [
        f"{row['programme']} {words(row['procedure'] or '')} {row['step'] or ''}".strip()
        for row in ordered.iter_rows(named=True)
    ]
    alliance = [money.scaled(value) for value in ordered["saving_alliance"].to_list()]
    owner = [money.scaled(value) for value in ordered["saving_owner"].to_list()]
    decimals = money.decimals(ordered["saving_alliance"].to_list())
    specs = [
        Spec("programme", "Programme"),
        Spec("procedure", "Requirement"),
        Spec("step", "Step given up"),
        Spec("saving_alliance", f"Alliance saves, {money.label}", "money"),
        Spec("saving_owner", f"Owner saves alone, {money.label}", "money"),
    ]
    return Chart(
        "requirement-prices",
        f"The dearest requirement is {names[0]}: giving way would save {money.full(ordered['saving_alliance'][0])}",
        "Longer bars are dearer requirements. Where the alliance's bar is longer than the owner's, one company's "
        "requirement "
        "costs its partners money.",
        charts.horizontal_bars(
            names, [Series("alliance saves", alliance), Series("owner saves", owner)], money.label, decimals=decimals
        ),
        frame_grid(rows, "Price of each requirement", specs, money, where="requirement_prices"),
        height_px=110 + 44 * len(names),
    )
