"""Scenarios: named sets of changes to tables and settings, made in the order of their steps."""

from __future__ import annotations

from collections.abc import Mapping, MutableSequence, Sequence
from dataclasses import dataclass, replace
from typing import Any

import polars as pl

from teikei.errors import Problem, StudyError
from teikei.study.read_settings import read_settings
from teikei.study.types import Settings, Study
from teikei.tables.cells import Cell, read_cell
from teikei.tables.columns import LIST_SEPARATOR, Column, all_columns
from teikei.tables.messages import closest, number_text, show, suggest
from teikei.tables.read_folder import Found
from teikei.tables.source import RawSettings

SETTINGS_TABLE = "study"


class PatchError(Exception):
    """A change that cannot be made: which cell of the scenario row is wrong, and why."""

    def __init__(self, column: str, message: str):
        self.column = column
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class Patch:
    """One row of the table ``scenarios``, understood: which cells of which table it changes, and how."""

    table: str
    column: str
    operation: str
    value: str
    where: tuple[tuple[str, Any], ...] = ()


def apply_scenario(study: Study, name: str) -> Study:
    """The study with one scenario's changes made, in the order of ``step``.

    Raises StudyError where the scenario does not exist (with the closest match) or a change cannot be made.
    """
    scenarios = study["scenarios"]
    chosen = scenarios.with_row_index("row_number").filter(pl.col("scenario") == name).sort("step", maintain_order=True)
    if chosen.is_empty():
        known = scenarios["scenario"].unique(maintain_order=True).to_list()
        hint = suggest(name, known) or "; the study has no scenario"
        raise StudyError([Problem(study.path.name or "study", f"there is no scenario {show(name)}{hint}")])
    settings = study.settings
    changed: dict[str, list[dict[str, Any]]] = {}
    places = study.row_places.get("scenarios", ())
    for row in chosen.iter_rows(named=True):
        try:
            patch = read_patch(row)
            if patch.table == SETTINGS_TABLE:
                settings = patch_settings(settings, patch)
            else:
                if patch.table not in changed:
                    changed[patch.table] = study[patch.table].to_dicts()
                patch_rows(changed[patch.table], patch)
        except PatchError as problem:
            number = row["row_number"]
            place = places[number] if number < len(places) else f"scenarios, row {number + 1}"
            raise StudyError(
                [Problem(f"{place}:{problem.column}" if "!" not in place else place, str(problem))]
            ) from None
    tables = {table: pl.DataFrame(rows, schema=study[table].schema, orient="row") for table, rows in changed.items()}
    return replace(study.with_tables(**tables), settings=settings, scenario=name)


def read_patch(row: Mapping[str, Any]) -> Patch:
    """A row of ``scenarios`` as a Patch; raises PatchError where table, column or where-clause make no sense."""
    table, column = row["table"], row["column"]
    known = all_columns()
    if table == SETTINGS_TABLE:
        if row["where"]:
            raise PatchError("where", f"found {show(row['where'])}, expected an empty cell: settings have no rows")
        if column not in Settings.model_fields or column == "format":
            raise PatchError(
                "column", f"teikei knows no setting {show(column)} to change{suggest(column, Settings.model_fields)}"
            )
        return Patch(table, column, row["operation"], row["value"])
    if table not in known:
        raise PatchError("table", f"teikei has no table {show(table)}{suggest(table, [*known, SETTINGS_TABLE])}")
    if table == "scenarios":
        raise PatchError("table", "a scenario cannot change the table of scenarios: name another table")
    columns = known[table]
    if column not in columns:
        raise PatchError("column", f"the table {table} has no column {show(column)}{suggest(column, columns)}")
    if columns[column].key:
        raise PatchError(
            "column",
            f"{column} is part of the key of {table}, which a scenario cannot change: change another column, or "
            "add rows to the table",
        )
    return Patch(table, column, row["operation"], row["value"], parse_where(row["where"] or "", table))


def parse_where(text: str, table: str) -> tuple[tuple[str, Any], ...]:
    """The conditions of a where-clause ``column=value; column=value``, typed; no condition = every row."""
    columns = all_columns()[table]
    conditions = []
    for part in (piece.strip() for piece in text.split(LIST_SEPARATOR)):
        if not part:
            continue
        name, equals, value = (piece.strip() for piece in part.partition("="))
        if not equals or not value:
            raise PatchError("where", f"found {show(part)}, expected column=value; column=value")
        if name not in columns:
            raise PatchError("where", f"the table {table} has no column {show(name)}{suggest(name, columns)}")
        cell = read_cell(columns[name], value)
        if cell.error:
            raise PatchError("where", f"{name}: {cell.error}")
        conditions.append((name, cell.value))
    return tuple(conditions)


def patch_rows(rows: MutableSequence[dict[str, Any]], patch: Patch) -> list[int]:
    """Changes the matching rows in place and returns their numbers; PatchError where none matches or a value is bad."""
    column = all_columns()[patch.table][patch.column]
    matching = [number for number, row in enumerate(rows) if all(row.get(name) == value for name, value in patch.where)]
    if not matching:
        raise PatchError("where", _explain_no_match(rows, patch))
    if patch.operation == "set":
        value = _checked(read_cell(column, patch.value))
        for number in matching:
            rows[number][patch.column] = list(value) if isinstance(value, list) else value
        return matching
    amount = _amount(column, patch)
    changed = [number for number in matching if rows[number].get(patch.column) is not None]
    if not changed:
        raise PatchError(
            "operation",
            f"{patch.column} is empty in every row it names, so there is nothing to {patch.operation}: use set",
        )
    for number in changed:
        before = float(rows[number][patch.column])
        after = before * amount if patch.operation == "multiply" else before + amount
        rows[number][patch.column] = _checked(read_cell(column, after))
    return changed


def patch_settings(settings: Settings, patch: Patch) -> Settings:
    """The settings with one value changed; PatchError where the value does not fit."""
    values = settings.model_dump()
    value: Any = patch.value
    if patch.operation != "set":
        before = values[patch.column]
        if isinstance(before, bool) or not isinstance(before, int | float):
            raise PatchError("operation", f"{patch.column} is no number: use set")
        amount = _number_of(patch.value)
        value = before * amount if patch.operation == "multiply" else before + amount
        if isinstance(before, int) and float(value).is_integer():
            value = int(value)
    found = Found()
    raw = RawSettings({**values, patch.column: value}, dict.fromkeys(values, "value"), "value")
    changed = read_settings(raw, found)
    if changed is None:
        raise PatchError("value", f"{patch.column}: {found.problems[0].message}")
    return changed


def _amount(column: Column, patch: Patch) -> float:
    if column.kind not in ("number", "integer", "year"):
        raise PatchError("operation", f"{patch.column} holds {column.kind}, no numbers: use set")
    return _number_of(patch.value)


def _number_of(text: str) -> float:
    plain = Column("scenarios", "value", "number", "", True, "", None, None, "public", False, (), "", "")
    return float(_checked(read_cell(plain, text)))


def _checked(cell: Cell) -> Any:
    if cell.error:
        raise PatchError("value", cell.error)
    return cell.value


def _explain_no_match(rows: Sequence[Mapping[str, Any]], patch: Patch) -> str:
    if not rows:
        return f"the table {patch.table} has no rows to change"
    for name, value in patch.where:
        there = {_as_text(row.get(name)) for row in rows}
        if _as_text(value) not in there:
            match = closest(_as_text(value), sorted(there))
            hint = f"; did you mean {show(match)}?" if match else ""
            return f"no row of {patch.table} has {name}={_as_text(value)}{hint}"
    conditions = "; ".join(f"{name}={_as_text(value)}" for name, value in patch.where)
    return f"no row of {patch.table} has all of {conditions}: correct the conditions"


def _as_text(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return number_text(value)
    return LIST_SEPARATOR.join(value) if isinstance(value, list) else str(value or "")
