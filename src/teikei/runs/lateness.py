"""What starts of production that cannot be met would cost: cars lost until the scheduled date, at what a car brings."""

from __future__ import annotations

from typing import Any, Final

import polars as pl

from teikei.study.types import Study

SCHEMA: Final[dict[str, Any]] = {
    "coalition": pl.String, "rung": pl.String, "programme": pl.String, "generation": pl.String, "quarters": pl.Int64,
    "lost_units": pl.Float64, "cost": pl.Float64, "margin": pl.Float64, "margin_basis": pl.String,
}  # fmt: skip
MARKET: Final = "market: price less all variable cost"
BY_VALUE: Final = "as the market's cars, by value of the car"


def lateness(study: Study, milestones: pl.DataFrame, break_even: pl.DataFrame | None) -> pl.DataFrame:
    """A row for every start of production that a schedule reaches late: quarters, cars lost, million (discounted).

    milestones: ``schedule_milestones``; break_even: ``market_break_even`` (margin of a car in study currency), None
    where there is no market: then cost is empty. Cars of a year are spread evenly over its quarters from the start on;
    those of the quarters before the schedule's date are lost, the end of production stays. A programme without a margin
    of its own takes the mean share of ``car_value`` of those that have one. No buyer is counted as one who takes
    another car of the same company: the cost is an upper end. The plan does not know of it, nor does any contract.
    """
    late = milestones.filter(pl.col("late_quarters") > 0)
    margins = _margins(study, break_even)
    volumes = study["volumes"].filter(pl.col("scenario") == study.settings.volume_scenario)
    rows = []
    for row in late.select("coalition", "rung", "programme", "generation", "due", "late_quarters").iter_rows(
        named=True
    ):
        own = volumes.filter(
            (pl.col("programme") == row["programme"])
            & (pl.col("generation") == row["generation"])
            & pl.col("company").is_in(row["coalition"].split("+"))
        )
        units = dict(own.group_by("year").agg(pl.col("units").sum()).iter_rows())
        lost = _lost_by_year(units, row["due"], row["late_quarters"])
        margin, basis = margins.get(row["programme"], (None, ""))
        cost = None
        if margin is not None:
            cost = sum(cars * margin / 1e6 * study.settings.discount_factor(year) for year, cars in lost.items())
        rows.append(
            {
                **{name: row[name] for name in ("coalition", "rung", "programme", "generation")},
                "quarters": row["late_quarters"], "lost_units": sum(lost.values()), "cost": cost, "margin": margin,
                "margin_basis": basis,
            }
        )  # fmt: skip
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


def _lost_by_year(units: dict[int, float], due: str, quarters: int) -> dict[int, float]:
    """Year -> cars of the quarters from ``due`` (``2028-Q3``) on that pass before the car is built."""
    year, _, quarter = due.partition("-Q")
    start = int(year) * 4 + int(quarter) - 1
    lost: dict[int, float] = {}
    for index in range(start, start + quarters):
        of_year = index // 4
        built = 4 - (start % 4 if of_year == start // 4 else 0)  # quarters of the year in which the car is planned
        lost[of_year] = lost.get(of_year, 0.0) + units.get(of_year, 0.0) / built
    return {of_year: cars for of_year, cars in lost.items() if cars > 0}


def _margins(study: Study, break_even: pl.DataFrame | None) -> dict[str, tuple[float | None, str]]:
    """Programme -> what a car brings, study currency, and where that comes from; the market's at the lowest rung."""
    if break_even is None or not {"rung", "programme", "margin"} <= set(break_even.columns):
        return {}
    lowest = break_even.filter((pl.col("rung") == study.baseline_rung) & pl.col("margin").is_not_null())
    known = dict(lowest.select("programme", "margin").iter_rows())
    value = dict(study["programmes"].select("programme", "car_value").iter_rows())
    both = [name for name in known if value.get(name)]
    total = sum(value[name] for name in both)
    share = sum(known[name] for name in both) / total if total else None
    found: dict[str, tuple[float | None, str]] = {name: (margin, MARKET) for name, margin in known.items()}
    for name, worth in value.items():
        if name not in found and worth and share is not None:
            found[name] = (share * worth, BY_VALUE)
    return found
