"""Development of the cars themselves: hours at the study's rate and bought-in work, from the table work.

Rule: every generation whose start of production lies ahead and that carries nothing under contract today is developed
once, by its company, whatever is shared of its modules; what was developed before costs nothing again. The same rows
give ``develop`` its hours.
"""

from __future__ import annotations

import math
from collections.abc import Container, Iterable

import polars as pl

from teikei.plan.facts import Facts, VehicleWork
from teikei.plan.money import Cash, discount, nre_cash
from teikei.study.cars import BODIES
from teikei.study.types import Study

VEHICLE_CLASS = "top-hat"
CLASSES = sorted(BODIES)
ITEM = "nre_vehicle"


def car_item(study: Study, programme: str, segment: str) -> str:
    """The rows of table work for a car: the programme's own, its segment's, or a range of letters (C-D) with it."""
    items = study["work"].filter(pl.col("level") == "programme")["item"].unique(maintain_order=True).to_list()
    if programme in items:
        return programme
    if segment in items:
        return segment
    letter = segment.split("-", maxsplit=1)[0]
    for item in items:
        low, _, high = item.partition("-")
        if len(low) == len(high) == len(letter) == 1 and low <= letter <= high:
            return str(item)
    return ""


def read_vehicle_work(study: Study, bodied: Container[tuple[str, str]] = ()) -> tuple[VehicleWork, ...]:
    """What is still to be developed of the cars in scope.

    bodied: (programme, generation) whose cars choose among bodies: their work is the body's family and its brand face.
    """
    settings = study.settings
    contracted = set(study["existing"].select("programme", "generation").iter_rows())
    segment = {row["programme"]: row["segment"] for row in study["programmes"].iter_rows(named=True) if row["in_scope"]}
    work = study["work"].filter(pl.col("level") == "programme", pl.col("class").is_in(CLASSES))
    found = []
    for row in study["generations"].iter_rows(named=True):
        name, start = row["programme"], int(row["sop"][:4])
        ahead = settings.base_year <= start <= settings.last_year
        if (
            name not in segment
            or not ahead
            or (name, row["generation"]) in contracted
            or (name, row["generation"]) in bodied
        ):
            continue
        mine = work.filter(pl.col("item") == car_item(study, name, segment[name]))
        hours = float(mine["hours"].fill_null(0.0).sum()) * settings.engineering_rate_per_hour / 1e6
        amount = hours + float(mine["external_cost"].fill_null(0.0).sum())
        if amount:
            found.append(VehicleWork(name, row["generation"], amount, start, row["eop_year"] - start + 1.0))
    return tuple(found)


def vehicle_cash(facts: Facts, generations: Iterable[tuple[str, str]]) -> list[tuple[VehicleWork, Cash]]:
    """The work of these generations and when it is paid."""
    wanted = set(generations)
    return [
        (one, nre_cash(facts, one.amount, one.start_year, one.life_years))
        for one in facts.vehicle_work
        if (one.programme, one.generation) in wanted
    ]


def vehicle_cost(facts: Facts, generations: Iterable[tuple[str, str]]) -> float:
    """Present value of the work of these generations, million: the same at every rung, so a constant of the program."""
    return math.fsum(
        amount * discount(facts, year) for _, cash in vehicle_cash(facts, generations) for year, amount in cash
    )
