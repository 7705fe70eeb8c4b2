"""Before a company signs: what a rival could infer about each of its own figures, computed in its own workspace.

The rival is taken to know everything but the one figure. Volumes are seen through tiers, contract prices through the
saving. The door keeps the promised widths (see ``release``); here they are put on each figure.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import polars as pl

from teikei.study import Study
from teikei.study.columns import all_columns
from teikei.web.assemble import row_owners
from teikei.web.knowledge import Interval, cut
from teikei.web.release_list import OwnShareBand, ReleaseList, SavingAtLeast, SavingBand, Schedule, TierIndex

_VOLUME_LIMIT: Final = 400


@dataclass(frozen=True, slots=True)
class Inference:
    """lower <= own figure < upper is the least a rival could be left with, if the release falls as computed.

    at_least: width that the door guarantees, in the figure's unit, however the release falls; NaN where none is given.
    """

    place: str
    figure: str
    value: float
    lower: float
    upper: float
    at_least: float
    through: str


def preview(study: Study, company: str, release_list: ReleaseList) -> list[Inference]:
    """An interval for each own private figure that a released item is a direct function of.

    study: the company's own version; company: a member. Volumes (base case): as if every car that a module fits gets
    it, against the rival volume that the study itself shows for the other members. Contract prices: as if the rest of
    the stand-alone cost were known to the rival. Figures that reach a release through the saving or the choice of
    designs are counted by ``unbounded``: their range is not computed.
    """
    return [*_volumes(study, company, release_list), *_contract_prices(study, company, release_list)]


def unbounded(study: Study, company: str, release_list: ReleaseList) -> int:
    """How many own private figures have no interval of their own here."""
    member_of = {name: member for member, own in release_list.members.items() for name in own}
    total = 0
    for table, columns in all_columns().items():
        figures = [
            column.name for column in columns.values() if column.visibility == "private" and column.kind == "number"
        ]
        if not figures or study[table].is_empty():
            continue
        own = pl.Series([owner == company for owner in row_owners(study, table, member_of)], dtype=pl.Boolean)
        total += int(study[table].filter(own).select(pl.sum_horizontal(pl.col(figures).is_not_null().sum())).item())
    return max(0, total - len(preview(study, company, release_list)))


def _volumes(study: Study, company: str, release_list: ReleaseList) -> list[Inference]:
    schedules = [one for item in release_list.items if isinstance(item, TierIndex) for one in item.schedules]
    if not schedules:
        return []
    own = set(release_list.members[company])
    owner = dict(study["programmes"].select("programme", "company").iter_rows())
    segment = dict(study["programmes"].select("programme", "segment").iter_rows())
    rows = [
        (index, programme, int(year), float(units))
        for index, (programme, year, scenario, units) in enumerate(
            study["volumes"].select("programme", "year", "scenario", "units").iter_rows()
        )
        if scenario == "base"
    ]
    found = []
    for index, programme, year, units in rows:
        if owner.get(programme) not in own:
            continue
        seen = [
            (schedule, _seen_through(study, schedule, segment, owner, own, rows, programme, year, units))
            for schedule in schedules
        ]
        through = [(schedule, interval) for schedule, interval in seen if interval is not None]
        if not through:
            continue
        schedule, narrowest = min(through, key=lambda pair: pair[1].width)
        place = study.row_places.get("volumes", ())[index] if study.row_places else f"volumes row {index + 1}"
        floor = release_list.smallest_interval_units / schedule.units_per_piece
        found.append(
            Inference(place, f"{programme} {year}", units, narrowest.lower, narrowest.upper, floor, schedule.offer)
        )
    return found[:_VOLUME_LIMIT]


def _seen_through(
    study: Study,
    schedule: Schedule,
    segment: dict[str, str],
    owner: dict[str, str],
    own: set[str],
    rows: list[tuple[int, str, int, float]],
    programme: str,
    year: int,
    units: float,
) -> Interval | None:
    """Interval of one volume seen through one offer's tier; None where the offer's module does not fit the car."""
    offers = study["offers"].filter(pl.col("offer") == schedule.offer)
    modules = study["modules"].filter(pl.col("module").is_in(offers["module"].to_list()))
    fits = {name for names in modules["segments"].to_list() for name in (names or [])}
    if not fits or segment.get(programme) not in fits:
        return None
    same_year = [(name, count) for _, name, at, count in rows if at == year and segment.get(name) in fits]
    mine = math.fsum(count for name, count in same_year if owner.get(name) in own) * schedule.units_per_piece
    theirs = math.fsum(count for name, count in same_year if owner.get(name) not in own) * schedule.units_per_piece
    known = cut(Interval(0.0, math.inf), [one - theirs for one in schedule.breaks], mine)
    rest = mine - units * schedule.units_per_piece
    scale = schedule.units_per_piece
    return Interval(max(0.0, (known.lower - rest) / scale), (known.upper - rest) / scale)


def _contract_prices(study: Study, company: str, release_list: ReleaseList) -> list[Inference]:
    """A contract's price moves the stand-alone cost by the pieces still to come, at most undiscounted."""
    if not any(isinstance(item, SavingBand | SavingAtLeast | OwnShareBand) for item in release_list.items):
        return []
    member_of = {name: member for member, own in release_list.members.items() for name in own}
    owners = row_owners(study, "existing", member_of)
    found = []
    for index, (price, committed) in enumerate(study["existing"].select("unit_price", "committed_units").iter_rows()):
        if owners[index] != company or price is None or not committed:
            continue
        width = release_list.smallest_interval_million * 1e6 / committed
        place = study.row_places.get("existing", ())[index] if study.row_places else f"existing row {index + 1}"
        found.append(
            Inference(place, "unit_price", float(price), max(0.0, price - width), price + width, width, "saving")
        )
    return found
