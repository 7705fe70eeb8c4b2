"""From the table ``ranges`` to drivers, and from quantiles of drivers to a study.

Quantile functions: triangular (Johnson, Kotz, Balakrishnan 1995, ch. 26), uniform, and normal and lognormal with low
and high as their 5 % and 95 % quantiles. Drivers of a group are tied by a Gaussian copula with one factor:
z = r F + sqrt(1 - r^2) e, quantile = Phi(z), so that two drivers correlate by the product of their r.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np
import polars as pl
from pydantic import ValidationError
from scipy.special import ndtr, ndtri

from teikei.errors import Problem, StudyError
from teikei.study import Study, apply_scenario
from teikei.study.checks.ranges import PROBABILITY, SCENARIOS_TABLE, written
from teikei.study.scenarios import SETTINGS_TABLE, parse_where
from teikei.study.types import Settings
from teikei.sweep.types import Array, Driver, Entry, Uncertainty
from teikei.tables.columns import all_columns

_EDGE: Final = 1e-6  # quantiles stay inside the open interval
_Z95: Final = 1.6448536269514722
_KIND_COLUMN: Final = {"requirements": "requirement", "trade": "part", "products": "powertrain"}


def read_uncertainty(study: Study) -> Uncertainty:
    """What is uncertain in a study, from its table ``ranges``; rows of empty cells are left out.

    Rows without a named driver move together where table, column and class (or requirement, traded part, powertrain)
    are the same. Raises StudyError where nothing is uncertain.
    """
    rows_of: dict[str, dict[str, int]] = {}
    classes = _class_of_row(study)
    entries: dict[str, list[Entry]] = {}
    ties: dict[str, tuple[str, float]] = {}
    chances: dict[str, float] = {}
    for row in study["ranges"].iter_rows(named=True):
        table, key, column = row["table"], row["row"], row["column"]
        if table == SCENARIOS_TABLE and column == PROBABILITY:
            chances[key] = (row["low"] + row["high"]) / 2
            continue
        if table == SETTINGS_TABLE:
            numbers: tuple[int, ...] = ()
            name = f"study.{column}"
        elif row["operation"] == "multiply":
            numbers = _matching(study, table, key)
            name = f"{table}.{column}" + ("" if key == "*" else f": {key}")
        else:
            if table not in rows_of:
                rows_of[table] = _rows_by_key(study, table)
            numbers = (rows_of[table][key],)
            name = ": ".join(part for part in (f"{table}.{column}", classes(table, numbers[0])) if part)
        entry = _entry(study, row, numbers)
        if entry is None or entry.low == entry.high == entry.mode:
            continue
        name = row["driver"] or name
        entries.setdefault(name, []).append(entry)
        ties.setdefault(name, (row["correlation_group"] or "", row["correlation"] or 0.0))
    drivers = tuple(Driver(name, tuple(rows), *_tie(ties[name])) for name, rows in entries.items())
    if not drivers and not chances:
        raise StudyError(
            [Problem("ranges.csv", "nothing in this study is uncertain: give figures a range in the table ranges")]
        )
    groups = tuple(dict.fromkeys(driver.group for driver in drivers if driver.group))
    return Uncertainty(drivers, groups, chances)


def _tie(tie: tuple[str, float]) -> tuple[str, float]:
    return tie if tie[0] and tie[1] else ("", 0.0)


def _entry(study: Study, row: Mapping[str, Any], numbers: tuple[int, ...]) -> Entry | None:
    """The entry of a row, or None where every cell it names is empty."""
    table, column = row["table"], row["column"]
    if table == SETTINGS_TABLE:
        figure = float(getattr(study.settings, column))
    else:
        values = study[table][column]
        numbers = tuple(number for number in numbers if values[number] is not None)
        if not numbers:
            return None
        figure = float(values[numbers[0]])
    factor = row["operation"] == "multiply"
    low, high = float(row["low"]), float(row["high"])
    middle = row["mode"] if row["mode"] is not None else 1.0 if factor else figure
    return Entry(table, column, row["operation"], row["distribution"], low, min(max(middle, low), high), high, numbers)


def _matching(study: Study, table: str, where: str) -> tuple[int, ...]:
    conditions = () if where == "*" else parse_where(where, table)
    return tuple(
        number
        for number, row in enumerate(study[table].iter_rows(named=True))
        if all(row[name] == value for name, value in conditions)
    )


def _rows_by_key(study: Study, table: str) -> dict[str, int]:
    keys = [name for name, column in all_columns()[table].items() if column.key]
    rows = study[table].select(keys).iter_rows()
    return {"/".join(written(part) for part in row): number for number, row in enumerate(rows)}


def _class_of_row(study: Study) -> Any:
    """Function (table, row number) -> the class of modules the row is about, or what else divides the table."""
    module = dict(study["modules"].select("module", "class").iter_rows())
    family = dict(study["families"].select("family", "class").iter_rows())
    offer = {name: module.get(of, "") for name, of in study["offers"].select("offer", "module").iter_rows()}

    def find(table: str, number: int) -> str:
        row = study[table].row(number, named=True)
        if table in _KIND_COLUMN:
            return str(row[_KIND_COLUMN[table]])
        if "class" in row:
            return str(row["class"])
        for column, known in (("offer", offer), ("module", module), ("family", family)):
            if column in row:
                return str(known.get(row[column], ""))
        return ""

    return find


def quantile(entry: Entry, probability: float) -> float:
    """The figure (or factor) that an entry takes with the given probability of being below it."""
    p = min(max(probability, _EDGE), 1.0 - _EDGE)
    low, mode, high = entry.low, entry.mode, entry.high
    if low == high:
        return low
    if entry.distribution == "uniform":
        return low + p * (high - low)
    if entry.distribution == "triangular":
        split = (mode - low) / (high - low)
        if p < split:
            return float(low + np.sqrt(p * (high - low) * (mode - low)))
        return float(high - np.sqrt((1.0 - p) * (high - low) * (high - mode)))
    score = float(ndtri(p)) / _Z95
    if entry.distribution == "normal":
        return (low + high) / 2 + score * (high - low) / 2
    return float(np.exp((np.log(low) + np.log(high)) / 2 + score * (np.log(high) - np.log(low)) / 2))


def to_quantiles(uncertainty: Uncertainty, point: Sequence[float] | Array) -> tuple[dict[str, float], str | None]:
    """Quantile of every driver and the scenario from a point of independent inputs in the unit cube.

    point (len(uncertainty.inputs),): drivers' own parts, common factors, the scenario.
    """
    drivers, groups = uncertainty.drivers, uncertainty.groups
    own, factors = point[: len(drivers)], point[len(drivers) : len(drivers) + len(groups)]
    factor = {group: float(ndtri(_open(value))) for group, value in zip(groups, factors, strict=True)}
    found = {}
    for driver, value in zip(drivers, own, strict=True):
        if driver.group:
            rest = np.sqrt(1.0 - driver.loading**2)
            found[driver.name] = float(ndtr(driver.loading * factor[driver.group] + rest * ndtri(_open(value))))
        else:
            found[driver.name] = _open(value)
    scenario = None
    if uncertainty.chances:
        left = float(point[-1])
        for name, chance in uncertainty.chances.items():
            if left < chance:
                scenario = name
                break
            left -= chance
    return found, scenario


def _open(value: float) -> float:
    return float(min(max(value, _EDGE), 1.0 - _EDGE))


def sampled_study(
    study: Study, uncertainty: Uncertainty, quantiles: Mapping[str, float], scenario: str | None = None
) -> Study:
    """The study with the figures of every named driver at its quantile, and the scenario's changes made on top.

    Figures stay within what their column may hold; whole numbers are rounded. Drivers that are not named keep the
    study's figures. Raises StudyError where a setting or a scenario's change does not fit.
    """
    moved: dict[tuple[str, str], Array] = {}
    settings: dict[str, Any] = {}
    ordered = sorted(
        ((entry, quantiles[driver.name]) for driver in uncertainty.drivers if driver.name in quantiles
         for entry in driver.entries),
        key=lambda pair: pair[0].operation == "multiply",  # factors act on figures that were set
    )  # fmt: skip
    for entry, probability in ordered:
        value = quantile(entry, probability)
        if entry.table == SETTINGS_TABLE:
            before = settings.get(entry.column, getattr(study.settings, entry.column))
            settings[entry.column] = before * value if entry.operation == "multiply" else value
            continue
        place = (entry.table, entry.column)
        if place not in moved:
            moved[place] = study[entry.table][entry.column].cast(pl.Float64).to_numpy().copy()
        rows = list(entry.rows)
        moved[place][rows] = moved[place][rows] * value if entry.operation == "multiply" else value
    made = study.with_tables(**_tables(study, moved)) if moved else study
    if settings:
        made = replace(made, settings=_settings(study.settings, settings))
    return made if scenario is None else apply_scenario(made, scenario)


def _tables(study: Study, moved: Mapping[tuple[str, str], Array]) -> dict[str, pl.DataFrame]:
    columns: dict[str, list[pl.Series]] = {}
    for (table, name), values in moved.items():
        described, before = all_columns()[table][name], study[table][name]
        kept = np.clip(values, described.minimum, described.maximum)
        if described.kind != "number":
            kept = np.rint(kept)
        series = pl.Series(name, kept, dtype=pl.Float64, nan_to_null=True)
        columns.setdefault(table, []).append(series.cast(before.dtype))
    return {table: study[table].with_columns(made) for table, made in columns.items()}


def _settings(settings: Settings, changed: Mapping[str, Any]) -> Settings:
    values = settings.model_dump()
    for name, value in changed.items():
        values[name] = round(value) if isinstance(values[name], int) else float(value)
    try:
        return Settings(**values)
    except ValidationError as error:
        first = error.errors()[0]
        raise StudyError(f"settings drawn from ranges do not fit: {first['msg']}") from None
