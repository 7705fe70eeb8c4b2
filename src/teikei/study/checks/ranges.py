"""Ranges: each is of a number that stands in the study, and what moves together is said once."""

from __future__ import annotations

import math
from collections.abc import Iterator

from teikei.errors import Problem
from teikei.study.checks.references import MOST_SUGGESTIONS
from teikei.study.draft import Draft
from teikei.study.scenarios import SETTINGS_TABLE, PatchError, parse_where
from teikei.study.types import Settings
from teikei.tables.columns import Column
from teikei.tables.messages import listed, number_text, show, suggest
from teikei.tables.source import Row

SCENARIOS_TABLE = "scenarios"
PROBABILITY = "probability"
_NUMERIC = ("number", "integer", "year")


def ranges_name_real_figures(draft: Draft) -> Iterator[Problem]:
    """A range is of a number that stands in the study, and holds it."""
    written_keys: dict[str, dict[str, Row]] = {}
    lost: dict[str, list[Row]] = {}
    for row in draft["ranges"]:
        yield from _ends(row)
        table, key, column = row["table"], row["row"], row["column"]
        if None in (table, key, column):
            continue
        if table == SETTINGS_TABLE:
            yield from _range_of_setting(draft, row, column)
        elif table == SCENARIOS_TABLE:
            yield from _chance_of_scenario(draft, row, key, column)
        elif table not in draft.columns:
            yield row.error(
                "table", f"teikei has no table {show(table)}{suggest(table, [*draft.columns, SETTINGS_TABLE])}"
            )
        elif column not in draft.columns[table]:
            yield row.error(
                "column", f"the table {table} has no column {show(column)}{suggest(column, draft.columns[table])}"
            )
        elif draft.columns[table][column].kind not in _NUMERIC:
            yield row.error(
                "column", f"{column} of {table} holds no number, so it has no range: name a column of numbers"
            )
        elif draft.columns[table][column].key:
            yield row.error(
                "column", f"{column} is part of the key of {table}, which a range cannot move: name another column"
            )
        elif table in draft.damaged:
            continue
        elif row["operation"] == "multiply":
            yield from _factor_on_rows(draft, row)
        else:
            if table not in written_keys:
                written_keys[table] = rows_by_written_key(draft, table)
            if key not in written_keys[table]:
                lost.setdefault(table, []).append(row)
            else:
                yield from _range_of_cell(draft, row, written_keys[table])
    for table, rows in lost.items():
        yield from _lost_rows(draft, table, rows, written_keys[table])


def _ends(row: Row) -> Iterator[Problem]:
    low, high, mode = row["low"], row["high"], row["mode"]
    if None in (low, high):
        return
    if low > high:
        yield row.error("low", f"{number_text(low)} is above high, {number_text(high)}: exchange them")
    elif mode is not None and not low <= mode <= high:
        yield row.error(
            "mode",
            f"{number_text(mode)} lies outside {number_text(low)} to {number_text(high)}: correct one of the three",
        )
    if row["distribution"] == "lognormal" and low <= 0:
        yield row.error("low", f"{number_text(low)} cannot be the low end of a lognormal figure: it must be above 0")
    if not math.isfinite(high - low):
        yield row.error("high", "low and high lie further apart than a number can say: narrow the range")


def _range_of_setting(draft: Draft, row: Row, column: str) -> Iterator[Problem]:
    if column not in Settings.model_fields:
        yield row.error("column", f"teikei knows no setting {show(column)}{suggest(column, Settings.model_fields)}")
        return
    value = None if draft.settings is None else getattr(draft.settings, column)
    if column == "format" or isinstance(value, bool | str | tuple):
        yield row.error("column", f"the setting {column} is no single number, so it has no range: name another")
    elif row["operation"] != "multiply" and isinstance(value, int | float):
        yield from _holds(row, float(value), "study.yaml")


def _chance_of_scenario(draft: Draft, row: Row, name: str, column: str) -> Iterator[Problem]:
    known = sorted(set(draft.values("scenarios", "scenario")))
    if column != PROBABILITY:
        yield row.error("column", f"found {show(column)}, expected {PROBABILITY}: the chance that the scenario holds")
    elif name not in known and "scenarios" not in draft.damaged:
        yield row.error("row", f"there is no scenario {show(name)}{suggest(name, known)}")
    if None not in (row["low"], row["high"]) and not 0 <= row["low"] <= row["high"] <= 1:
        yield row.error("low", "a probability lies between 0 and 1: correct low and high")


def _factor_on_rows(draft: Draft, row: Row) -> Iterator[Problem]:
    """A factor on rows: the condition can be read, and some row fulfils it."""
    if row["row"] != "*":
        try:
            conditions = parse_where(row["row"], row["table"])
        except PatchError as problem:
            yield row.error("row", str(problem))
            return
        rows = draft[row["table"]]
        if not any(all(target[name] == value for name, value in conditions) for target in rows):
            yield row.error("row", f"no row of {row['table']} has {row['row']}: correct the condition")
    if row["low"] is not None and row["low"] < 0:
        yield row.error("low", f"{number_text(row['low'])} would turn the sign of a figure: a factor is 0 or above")


def _lost_rows(draft: Draft, table: str, rows: list[Row], targets: dict[str, Row]) -> Iterator[Problem]:
    """Ranges of rows that are not there. What one changed part of the key has cut off is told once, with that part."""
    names = [name for name, described in draft.columns[table].items() if described.key]
    known = [tuple(key.split("/")) for key in targets]
    rest = [{(*key[:at], *key[at + 1 :]) for key in known if len(key) == len(names)} for at in range(len(names))]
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        parts = tuple(row["row"].split("/"))
        at = next(
            (at for at in reversed(range(len(names))) if (*parts[:at], *parts[at + 1 :]) in rest[at]),
            None,
        )  # fmt: skip
        whole = at is None or len(parts) != len(names) or len(names) == 1
        groups.setdefault((row["row"], "") if at is None or whole else (names[at], parts[at]), []).append(row)
    for number, ((name, part), cut_off) in enumerate(groups.items()):
        row, key = cut_off[0], cut_off[0]["row"]
        if len({one["row"] for one in cut_off}) == 1:
            suggesting = number < MOST_SUGGESTIONS
            hint = "" if not suggesting else suggest(key, targets) if targets else f"; the table {table} has no rows"
            more = f" (so do {len(cut_off) - 1} more ranges)" if len(cut_off) > 1 else ""
            yield row.error("row", f"no row of {table} has the key {show(key)} ({'/'.join(names)}){hint}{more}")
            continue
        at = names.index(name)
        others = {tuple(one["row"].split("/"))[:at] + tuple(one["row"].split("/"))[at + 1 :] for one in cut_off}
        here = sorted({k[at] for k in known if (*k[:at], *k[at + 1 :]) in others} - {part})
        yield row.error(
            "row",
            f"{len(cut_off)} ranges, the first in line {row.line}, the last in line {cut_off[-1].line}, are of rows of "
            f"{table} with {name} {part}, which are not there ({listed(here)} are): if {name} was changed, change it "
            "in the column row of these ranges too",
        )


def _range_of_cell(draft: Draft, row: Row, targets: dict[str, Row]) -> Iterator[Problem]:
    table, key, column = row["table"], row["row"], row["column"]
    value = targets[key][column]
    if value is None:
        if column not in targets[key].unread:
            yield row.warning("column", f"{column} is empty in row {key} of {table}: the range has no figure to vary")
        return
    yield from _holds(row, value, table)
    yield from _inside(row, draft.columns[table][column])


def _holds(row: Row, value: float, table: str) -> Iterator[Problem]:
    low, high = row["low"], row["high"]
    if None not in (low, high) and low <= high and not low <= value <= high:
        yield row.warning(
            "low",
            f"the figure of {table} is {number_text(value)}, outside its range {number_text(low)} to "
            f"{number_text(high)}: correct one of the two",
        )


def _inside(row: Row, column: Column) -> Iterator[Problem]:
    """The ends are figures that the column itself would take."""
    for end in ("low", "high"):
        value = row[end]
        if value is None:
            continue
        if column.minimum is not None and value < column.minimum:
            yield row.warning(end, f"{number_text(value)} is below {column.minimum:g}, the least {column.name} may be")
        if column.maximum is not None and value > column.maximum:
            yield row.warning(end, f"{number_text(value)} is above {column.maximum:g}, the most {column.name} may be")


def chances_add_up(draft: Draft) -> Iterator[Problem]:
    """The chances of all scenarios leave room for the study as it stands."""
    rows = [row for row in draft["ranges"] if row["table"] == SCENARIOS_TABLE and 0 <= (row["high"] or 0) <= 1]
    total = math.fsum(row["high"] or 0.0 for row in rows)
    if rows and total > 1 + 1e-9:
        yield rows[-1].error("high", f"the chances of all scenarios add up to {total:g}, more than 1")


def drivers_say_one_correlation(draft: Draft) -> Iterator[Problem]:
    """Rows of one named driver name the same group and correlation."""
    said: dict[str, tuple[object, object]] = {}
    for row in draft["ranges"]:
        name, mine = row["driver"], (row["correlation_group"], row["correlation"])
        if name is not None and said.setdefault(name, mine) != mine:
            yield row.error(
                "correlation", f"driver {show(name)} has another correlation in an earlier row: give all rows the same"
            )
        if row["correlation_group"] is None and row["correlation"] not in (None, 0.0):
            yield row.warning("correlation", "without a correlation_group the correlation says nothing: name the group")


def rows_by_written_key(draft: Draft, table: str) -> dict[str, Row]:
    """Rows of a table by their key as ``ranges.row`` writes it: the parts joined by /."""
    keys = [name for name, column in draft.columns[table].items() if column.key]
    return {"/".join(written(row[name]) for name in keys): row for row in draft[table]}


def written(value: object) -> str:
    """A key's part as a person writes it."""
    if isinstance(value, list):
        return ";".join(map(str, value))
    return number_text(value) if isinstance(value, float) else "" if value is None else str(value)


CHECKS = (ranges_name_real_figures, chances_add_up, drivers_say_one_correlation)
