"""Who shares what: programme by class, coloured and lettered by family."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from string import ascii_uppercase
from typing import Any, Final

import polars as pl

from teikei.report.blocks import Block, Cell, Details, Grid, Section, Spec, Text, frame_grid, grid, stored_grid, words
from teikei.report.context import Context

LOOKS = 8
_PART_OF: Final = {
    "motor_type": "peak_power_kw",
    "inverter_switch": "peak_power_kw",
    "charger_efficiency": "ac_charge_power_kw",
}
"""Columns with a default in the modules table, and the column that a class with such a part fills."""


def section(context: Context) -> Section:
    """The matrix at the rung that saves most, other rungs behind a click, designs and commonality."""
    blocks: list[Block] = []
    best = context.best_rung
    matrix = _matrix(context, best)
    if matrix is None:
        blocks.append(Text(context.absent("configurations"), "absent"))
    else:
        blocks.append(Text(_message(context, best), "lead"))
        blocks.append(matrix)
        others = [rung.name for rung in context.ladder.evaluated if rung.name != best]
        for rung in others:
            other = _matrix(context, rung)
            if other is not None:
                blocks.append(Details(f"The same at “{words(rung)}”", (other,)))
    blocks.append(_designs(context))
    blocks.append(_uses(context))
    blocks.append(_commonality(context))
    return Section(
        "sharing", "Who shares what", "Which car gets which module, and which designs are common?", tuple(blocks)
    )


def family_of(context: Context) -> dict[str, str]:
    """Module -> family, from the designs; a module without a design is its own family."""
    rows = context.tables.get("module_designs").select("variant", "family").drop_nulls().unique(maintain_order=True)
    return dict(rows.iter_rows())


def family_in(row: Mapping[str, Any], families: Mapping[str, str]) -> str:
    """Family of a row of configurations: its own column, else that of the module's design, else the module."""
    return str(row["family"] or families.get(row["module"], row["module"]))


def joint_classes(context: Context, rung: str) -> set[str] | None:
    """Classes that a rung develops together; None where the run does not say."""
    rows = context.tables.get("rungs")
    if rows.is_empty():
        return None
    return set(rows.filter((pl.col("rung") == rung) & pl.col("development_shared"))["class"].drop_nulls().to_list())


def shared_families(context: Context, rung: str) -> dict[str, tuple[str, ...]]:
    """Family -> blocs whose new configurations use it, for families that one group of two blocs or more develops.

    Modules kept from today count for nobody. One name is one design only inside one developing group; where the run
    does not store the group, inside a class that the rung develops together. By class, most used first.
    """
    families, joint = family_of(context), joint_classes(context, rung)
    users: dict[tuple[str, str], set[str]] = {}
    programmes: dict[str, set[str]] = {}
    order: dict[str, int] = {}
    rows = context.joint("configurations", rung).drop_nulls(["class", "programme", "module"])
    classes = rows["class"].unique(maintain_order=True).to_list()
    for row in rows.filter(pl.col("existing").fill_null(False).not_()).iter_rows(named=True):
        if row["developing_group"] is None and joint is not None and row["class"] not in joint:
            continue
        family = family_in(row, families)
        blocs = {context.bloc_of.get(company, company) for company in context.companies_of.get(row["programme"], ())}
        order.setdefault(family, classes.index(row["class"]))
        users.setdefault((family, row["developing_group"] or ""), set()).update(blocs)
        programmes.setdefault(family, set()).add(row["programme"])
    shared = {family: tuple(sorted(blocs)) for (family, _), blocs in users.items() if len(blocs) > 1}
    names = sorted(shared, key=lambda family: (order[family], -len(programmes[family]), family))
    return {family: shared[family] for family in names}


def _message(context: Context, rung: str) -> str:
    shared = shared_families(context, rung)
    new = context.joint("configurations", rung).filter(pl.col("existing").fill_null(False).not_())
    known = family_of(context)
    families = {family_in(row, known) for row in new.drop_nulls("module").iter_rows(named=True)}
    if not shared:
        return f"At “{words(rung)}” no new design is developed by more than one of the groups that already pool today."
    return (
        f"At “{words(rung)}” {len(shared)} of the {len(families)} families in new configurations are developed and "
        f"used across company groups: {', '.join(shared)}."
    )


def _matrix(context: Context, rung: str) -> Grid | None:
    rows = context.joint("configurations", rung).drop_nulls(["programme", "class", "module"])
    if rows.is_empty():
        return None
    classes = rows["class"].unique(maintain_order=True).to_list()
    families = family_of(context)
    letters = {family: ascii_uppercase[index % 26] for index, family in enumerate(shared_families(context, rung))}
    looks = {family: f"family-{index % LOOKS}" for index, family in enumerate(letters)}
    keys = rows.select("programme", "generation").unique(maintain_order=True).sort("programme", "generation")
    placed: dict[tuple[str, str, str], list[tuple[str, str, bool]]] = {}
    for row in rows.iter_rows(named=True):
        place = placed.setdefault((row["programme"], row["generation"], row["class"]), [])
        place.append((row["module"], family_in(row, families), bool(row["existing"])))
    table = []
    for programme, generation in keys.iter_rows():
        cells: list[Cell | str] = [f"{context.programme_label(programme)} {generation or ''}".strip()]
        cells += [_module_cell(placed.get((programme, generation, name), []), letters, looks) for name in classes]
        table.append(cells)
    return grid(
        f"Modules by programme and class at “{words(rung)}”",
        ["Programme, generation", *(words(name) for name in classes)],
        table,
        look="matrix",
        note="A letter with a shade or hatching marks a new design that more than one company group develops and uses "
        "together: same letter, same family. Plain cells are one group's own; “today” marks modules in production or "
        "under contract, which cooperation does not change." + _unsaid(context, rung),
    )


def _unsaid(context: Context, rung: str) -> str:
    told = context.joint("configurations", rung)["developing_group"].null_count() == 0
    if told or joint_classes(context, rung) is not None:
        return ""
    return " This run does not store which classes the rung develops together: equal names may still be two drawings."


def _module_cell(entries: Sequence[tuple[str, str, bool]], letters: dict[str, str], looks: dict[str, str]) -> Cell:
    """One cell of the matrix from its (module, family, whether it is there today)."""
    if not entries:
        return Cell("–", look="blank")
    kept = all(existing for _, _, existing in entries)
    text = " / ".join(dict.fromkeys(module for module, _, _ in entries)) + (" (today)" if kept else "")
    family = next((name for _, name, existing in entries if name in letters and not existing), None)
    if family is None:
        return Cell(text)
    return Cell(f"{letters[family]} · {text}", look=looks[family], note=f"family {family}")


def _designs(context: Context) -> Block:
    rows = context.joint("module_designs")
    if rows.is_empty():
        return Text(context.absent("module_designs"), "absent")
    used = context.joint("configurations")["module"].drop_nulls().unique().to_list()
    used_rows = rows.filter(pl.col("variant").is_in(used)) if used else rows
    tables = tuple(
        stored_grid(
            _of_its_class(used_rows.filter(pl.col("class") == name)),
            f"Designs in use at “{words(context.best_rung)}”: {words(name)}",
            context.money,
            where="module_designs",
            skip=("coalition", "rung", "class"),
        )
        for name in used_rows["class"].drop_nulls().unique(maintain_order=True).to_list()
    )
    return Details("What is designed: ratings of every module in use", tables)


def _of_its_class(rows: pl.DataFrame) -> pl.DataFrame:
    """Without the defaults that the modules table gives to classes that have no such part: a harness has no motor."""
    idle = [
        column
        for column, part in _PART_OF.items()
        if column in rows.columns and part in rows.columns and rows[part].is_null().all()
    ]
    return rows.drop(idle)


def _uses(context: Context) -> Block:
    rows = context.joint("module_uses")
    if rows.is_empty():
        return Text(context.absent("module_uses"), "absent")
    said = pl.col("driving_requirement").map_elements(words, return_dtype=pl.String)
    told = ["module", "programme", "axle", "driving_requirement", "margin", "unit", "overdesign"]
    ordered = rows.with_columns(said).select(told).unique(maintain_order=True)
    ordered = ordered.sort("module", "programme", "margin", nulls_last=True, maintain_order=True)
    specs = [
        Spec("module", "Module"),
        Spec("programme", "Programme"),
        Spec("axle", "Axle"),
        Spec("driving_requirement", "Requirement that drives it"),
        Spec("margin", "Margin over it", "plain"),
        Spec("unit", "Unit"),
        Spec("overdesign", f"Overdesign, {context.currency} a piece", "number"),
    ]
    table = frame_grid(ordered, "What drives each module", specs, context.money, where="module_uses")
    note = Text(
        "A requirement drives a module where another module in its place would miss it; of several the one with the "
        "smallest margin. None is named where every other module would do, or where none was tried.",
        "note",
    )
    return Details("Which requirement drives each module, and what overdesign it causes", (note, table))


def _commonality(context: Context) -> Block:
    rows = context.tables.get("commonality")
    if rows.is_empty():
        return Text(context.absent("commonality"), "absent")
    table = stored_grid(rows, "Commonality, cost-weighted index first", context.money, where="commonality")
    return Details("Commonality indices", (table,))
