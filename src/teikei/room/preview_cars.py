"""What a rival could infer about figures that decide which designs a car can take: requirements, masses, road loads.

Such a figure reaches a release through the choice of designs alone. As long as every candidate of the car passes or
fails as it does now, the plan is the same to the last byte, and so is everything released. The range here is therefore
the least that a rival is left with, whatever else it knows: from the nearest candidate that would begin to fail to the
nearest that would begin to pass. For masses and road loads the results of candidates are followed along a straight line
through a simulation with the figure moved by two percent.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import polars as pl

from teikei.modules.types import Catalogue
from teikei.study import Study
from teikei.study.requirement_kinds import HARD, kind_of
from teikei.tables.columns import all_columns

STEP: Final = 0.02  # of the figure
PHYSICAL: Final = ("body_mass_kg", "f0_n", "f1_n_per_mps", "f2_n_per_mps2", "road_load_mass_kg")
_CASE: Final = ("slot", "candidate", "requirement", "procedure")


@dataclass(frozen=True, slots=True)
class Range:
    """lower < figure <= upper (or the reverse ends): within, no candidate changes."""

    table: str
    row: int
    column: str
    value: float
    lower: float
    upper: float


def ranges_of_cars(study: Study, programmes: set[str]) -> list[Range]:
    """A range for each hard requirement, mass and road load of own programmes; study: the company's own version."""
    from teikei import modules

    catalogue = modules.catalogue(study)
    results = _results(study, catalogue)
    found = _requirements(study, programmes, results)
    rows = study["programmes"]
    for column in PHYSICAL:
        values = rows[column].to_list()
        moved_rows = [
            index
            for index, name in enumerate(rows["programme"].to_list())
            if name in programmes and values[index] not in (None, 0.0)
        ]
        if not moved_rows:
            continue
        changed = [value * (1 + STEP) if index in moved_rows else value for index, value in enumerate(values)]
        moved = study.with_tables(programmes=rows.with_columns(pl.Series(column, changed, dtype=pl.Float64)))
        along = _results(moved, modules.catalogue(moved)).select(*_CASE, pl.col("reached").alias("moved"))
        joined = results.join(along, on=_CASE, how="left")
        for index in moved_rows:
            own = joined.filter(pl.col("programme") == rows["programme"][index])
            found.append(_physical(index, column, float(values[index]), own))
    return found


def _results(study: Study, catalogue: Catalogue) -> pl.DataFrame:
    """Results of all candidates, with those kept whose fate hangs on this one figure: all else passes."""
    from teikei import simulate

    results = simulate.performance(study, catalogue).results.filter(pl.col("reached").is_not_null())
    failures = (~pl.col("passed")).cast(pl.Int64).sum().over("slot", "candidate")
    return results.with_columns(
        (failures - (~pl.col("passed")).cast(pl.Int64) == 0).alias("decides"),
        pl.when((pl.col("margin") - (pl.col("reached") - pl.col("effective"))).abs() <= 1e-9)
        .then(1.0)
        .otherwise(-1.0)
        .alias("sign"),
    )


def _requirements(study: Study, programmes: set[str], results: pl.DataFrame) -> list[Range]:
    found = []
    columns = ("programme", "version", "requirement", "procedure", "value", "binding", "kind")
    for index, row in enumerate(study["requirements"].select(columns).iter_rows(named=True)):
        if row["programme"] not in programmes or kind_of(row) != HARD:
            continue
        own = results.filter(
            (pl.col("programme") == row["programme"])
            & (pl.col("requirement") == row["requirement"])
            & (pl.col("procedure") == row["procedure"])
            & (pl.lit(row["version"] in ("all", "", None)) | (pl.col("version") == row["version"]))
            & ((pl.col("required") - row["value"]).abs() <= 1e-9)
        )
        lower, upper = _between(own, float(row["value"]))
        found.append(Range("requirements", index, "value", float(row["value"]), lower, upper))
    return found


def _between(own: pl.DataFrame, value: float) -> tuple[float, float]:
    """The range of a required value over which every candidate passes or fails as now."""
    lower, upper = -math.inf, math.inf
    for reached, passed, sign, status in (
        own.filter("decides").select("reached", "passed", "sign", "status").iter_rows()
    ):
        if status == "set to incumbent":
            continue  # the incumbent's own value is enforced; this one is not
        at_least = sign > 0
        if passed == at_least:  # "at least" and passes: may rise to what is reached; "at most" and fails: the same
            upper = min(upper, reached)
        else:
            lower = max(lower, reached)
    return min(lower, value), max(upper, value)


def _physical(index: int, column: str, value: float, own: pl.DataFrame) -> Range:
    """Follows every result along its slope to where it meets what is required."""
    down, up = -math.inf, math.inf
    step = abs(value) * STEP * (1.0 if value > 0 else -1.0)
    for reached, moved, effective, decides in own.select("reached", "moved", "effective", "decides").iter_rows():
        if not decides or moved is None or effective is None or abs(moved - reached) < 1e-12:
            continue
        change = (effective - reached) / (moved - reached) * step
        if change >= 0:
            up = min(up, change)
        else:
            down = max(down, change)
    described = all_columns()["programmes"][column]
    low = -math.inf if described.minimum is None else described.minimum
    high = math.inf if described.maximum is None else described.maximum
    return Range("programmes", index, column, value, max(low, value + down), min(high, value + up))


def by_place(ranges: list[Range]) -> Mapping[tuple[str, int, str], Range]:
    """The ranges by table, row and column."""
    return {(one.table, one.row, one.column): one for one in ranges}
