"""Which requirements bind, with what margin, and what giving up a step would save."""

from __future__ import annotations

from typing import Any

import polars as pl

from teikei.report import charts
from teikei.report.blocks import (
    Block,
    Cell,
    Chart,
    Details,
    Grid,
    Section,
    Spec,
    Text,
    frame_grid,
    grid,
    stored_grid,
    words,
)
from teikei.report.charts import Series
from teikei.report.context import Context
from teikei.report.formatting import number, text_of

SHOWN = 20
BINDING_PER_CENT = 2.0
FULL_SCALE_PER_CENT = 30.0
_TODAY = " “today” marks a requirement that today's own modules miss: it is set to what they reach."
# Sizes of the body, which no module changes.
_OF_THE_CAR = ("kei_length", "kei_width", "kei_height")


def section(context: Context) -> Section:
    """Margins and prices of requirements at the rung that saves most."""
    blocks: list[Block] = [
        _margins(context), *_missed(context), *_near_misses(context), *_all_rows(context), _prices(context)
    ]  # fmt: skip
    return Section(
        "requirements",
        "Binding requirements",
        "What must each car reach, where is no margin left, and what would giving way save?",
        tuple(blocks),
    )


def _margins(context: Context) -> Block:
    """Margin of every requirement of every car, the tightest of its slots, in per cent of what is enforced."""
    enforced = pl.coalesce("effective", "required")
    rows = context.joint("performance").filter(
        pl.col("margin").is_not_null() & enforced.is_not_null() & (enforced != 0) & pl.col("programme").is_not_null()
    )
    if rows.is_empty():
        return Text(context.absent("performance"), "absent")
    asked = pl.coalesce("requirement", "procedure")
    by_car = (
        rows.with_columns(
            (100 * pl.col("margin") / enforced.abs()).alias("relative"),
            asked.alias("asked"),
            _kept(),
            pl.col("version").fill_null(""),
        )
        .filter(pl.col("asked").is_in(_OF_THE_CAR).not_())
        .sort("programme", "version", "kept", "relative", maintain_order=True)
        .unique(["programme", "version", "asked"], keep="first", maintain_order=True)
    )
    new = by_car.filter(pl.col("kept").not_())
    new = new.filter(pl.col("kind").fill_null("") != "report")
    missed = new.filter(pl.col("relative") < -1e-7).height
    binding = new.filter(pl.col("relative").is_between(-1e-7, BINDING_PER_CENT)).height
    title = f"{binding} of {new.height} requirements on new configurations are met with less than 2 % to spare"
    if new.height and not binding and not missed:
        title = f"All {new.height} requirements on new configurations are met with 2 % or more to spare"
    return Chart(
        "margins",
        title + (f"; {missed} missed" if missed else ""),
        "Rows are cars, columns what they must reach; the figure is how much better they are, in per cent of the "
        "requirement, the darker the tighter. At zero the requirement binds: it sizes the module."
        + (_TODAY if by_car["kept"].any() else ""),
        _field(by_car),
        _tightest(new),
        height_px=110 + 24 * by_car.select("programme", "version").unique().height,
    )


def _kept() -> pl.Expr:
    """Rows where a car keeps its own modules and the requirement is what they reach: zero by construction."""
    set_to_it = pl.col("status").fill_null("").str.contains("set to incumbent")
    return (set_to_it & (pl.col("margin").abs() < 1e-9)).alias("kept")


def _field(by_car: pl.DataFrame) -> charts.Figure:
    cars = by_car.select("programme", "version").unique(maintain_order=True).rows()
    asked = by_car["asked"].unique(maintain_order=True).to_list()
    found = {(row["programme"], row["version"], row["asked"]): row for row in by_car.iter_rows(named=True)}
    values: list[list[float | None]] = []
    texts: list[list[str]] = []
    for programme, version in cars:
        cells = [found.get((programme, version, name)) for name in asked]
        values.append([None if cell is None or cell["kept"] else max(cell["relative"], 0.0) for cell in cells])
        texts.append(["" if cell is None else "today" if cell["kept"] else _margin(cell["relative"]) for cell in cells])
    names = [" ".join(part for part in (programme, _version(version)) if part) for programme, version in cars]
    return charts.heat(
        names,
        [words(name) for name in asked],
        values,
        "% margin",
        texts=texts,
        full_scale=FULL_SCALE_PER_CENT,
        dark_is_low=True,
    )


def _margin(relative: float) -> str:
    return number(relative, 0 if abs(relative) >= 10 else 1)


def _version(version: str | None) -> str:
    return "" if version in (None, "", "std", "all") else version


def _tightest(new: pl.DataFrame) -> Grid:
    tight = new.sort("relative", "programme", "asked", maintain_order=True).head(SHOWN)
    return grid(
        f"The {tight.height} tightest on new configurations",
        ["Requirement", "asked for", "enforced", "reached", "margin", "unit", "margin, %"],
        [
            [
                _label(row),
                *(Cell(text_of(row[name]), row[name]) for name in ("required", "effective", "reached", "margin")),
                row["unit"] or "",
                Cell(_margin(row["relative"]), row["relative"]),
            ]
            for row in tight.iter_rows(named=True)
        ],
    )


def _label(row: dict[str, Any]) -> str:
    """Programme, version where there are several, and what is required under which procedure."""
    requirement, procedure = row.get("requirement") or "", row["procedure"] or ""
    named = requirement if procedure in ("", "max_time", "default") else f"{requirement} {procedure}"
    parts = (row["programme"], _version(row.get("version")), words(named.strip() or procedure))
    return " ".join(part for part in parts if part)


def _missed(context: Context) -> list[Block]:
    """Targets that the plan misses on purpose, with what a buyer of the car loses."""
    rows = context.joint("performance").filter((pl.col("kind") == "target") & (pl.col("missed") > 0))
    if rows.is_empty():
        return []
    rows = (
        rows.sort("programme", "missed_cost", descending=[False, True], maintain_order=True)
        .unique(["programme", "generation", "version", "requirement", "procedure"], keep="first", maintain_order=True)
    )  # fmt: skip
    title = f"{rows.height} targets are missed because meeting them would cost more than buyers would pay for it"
    headers = ["Requirement", "generation", "target", "reached", "missed by", "unit"]
    headers.append(f"a buyer loses, {context.currency}")
    cells: list[list[Cell | str]] = [
        [
            _label(row),
            row["generation"] or "",
            *(Cell(text_of(row[name]), row[name]) for name in ("effective", "reached", "missed")),
            row["unit"] or "",
            Cell(number(row["missed_cost"] or 0.0, 0), row["missed_cost"]),
        ]
        for row in rows.iter_rows(named=True)
    ]
    return [Details(title, (grid("Missed targets", headers, cells),))]


def _near_misses(context: Context) -> list[Block]:
    """Configurations refused by less than the simulation can tell."""
    rows = context.tables.get("near_misses").drop_nulls("short")
    if rows.is_empty():
        return []
    cars = rows.select("programme", "generation", "version", "modules").unique().height
    table = stored_grid(
        rows, "Refused by less than the simulation's error", context.money, where="near_misses", limit=SHOWN
    )
    return [Details(f"{cars} configurations are refused by less than the simulation can tell: measure them", (table,))]


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
            "What giving up one step of a requirement would save is not part of a run: teikei prices tells it.",
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
