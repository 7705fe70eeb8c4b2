"""Before a company signs: what a rival could infer about each of its own figures, computed in its own workspace.

Volumes, and prices where the list promises a width of them, reach the joint solve through their cells alone
(``inference``): the range is the cell, whatever is released and however often. Other figures are seen through the
joint saving (``preview_money``) and through the choice of designs (``preview_cars``), by a rival who is taken to know
everything but the one figure; the list promises nothing of them. Figures without a way are named with the reason.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

from teikei.room.inference import Interval, price_cell
from teikei.room.items import Timeline
from teikei.room.joint_study import level, row_owners, years_on_sale
from teikei.room.preview_cars import ranges_of_cars
from teikei.room.preview_money import slopes
from teikei.room.release_list import ReleaseList
from teikei.study import Study
from teikei.study.requirement_kinds import TARGET, kind_of
from teikei.tables.columns import all_columns

CHOICE: Final = "the choice of designs"
CELL: Final = "its cell alone: no release tells more"
_UNDECLARED: Final = (
    "the list does not declare what is publicly known of this programme's volume; it cannot be committed"
)
_NOTHING: Final = "is nothing (0)"
_NEVER: Final = "not used in a joint solve"
_OTHER_CASE: Final = "belongs to another volume case than the one that is planned"
_NOT_BINDING: Final = "reported only: the requirement is not binding"
_TARGET: Final = "a target, whose price moves the plan step by step; no range is computed"
_NO_SAVING: Final = "the list releases no money"
_TEST: Final = "decides with its requirement which designs pass; no range is computed for the test's own conditions"
_SCHEDULE: Final = "moves the timeline; no range is computed"
_NO_TIMELINE: Final = "moves the timeline only, and the list has none"
_REASONS: Final[Mapping[tuple[str, str], str]] = {
    ("companies", "own_discount_rate"): _NEVER,
    ("companies", "engineering_rate_per_hour"): _NEVER,
    ("generations", "facelift_year"): "decides in which year designs may change; no range is computed",
    ("requirements", "speed_kmh"): _TEST,
    ("requirements", "state_of_charge"): _TEST,
    ("requirements", "temperature_c"): _TEST,
    ("requirements", "incumbent_value"): _TEST,
}


@dataclass(frozen=True, slots=True)
class Inference:
    """lower <= own figure <= upper is the least a rival could be left with, if the release falls as computed.

    at_least: width that is kept in any case, in the figure's unit; NaN where the list promises none. row: what the
    figure is of, such as ``K1 range``.
    """

    place: str
    figure: str
    value: float
    lower: float
    upper: float
    at_least: float
    through: str
    row: str = ""


@dataclass(frozen=True)
class Preview:
    """rows: an interval for each own private number that enters the release; left: (column, how many, why none)."""

    rows: list[Inference]
    left: list[tuple[str, int, str]]

    def text(self) -> str:
        """As JSON; infinite ends are null."""
        rows = [
            {name: _plain(value) for name, value in asdict(row).items()} for row in sorted(self.rows, key=_relative)
        ]
        return json.dumps({"rows": rows, "left": self.left}, ensure_ascii=False)


def _plain(value: Any) -> Any:
    return value if not isinstance(value, float) or math.isfinite(value) else None


def _relative(row: Inference) -> float:
    """How wide the interval is in terms of the figure: the narrowest first."""
    return (row.upper - row.lower) / max(abs(row.value), 1e-9)


def preview_of(study: Study, company: str, release_list: ReleaseList) -> Preview:
    """An interval for every own private number that can reach a release, and the reason for each that cannot.

    study: the company's own version; company: a member. Volumes are put into their cells with the years of the own
    study; a rival who knows their course over the years is left the ranges told.
    """
    member_of = {name: member for member, own in release_list.members.items() for name in own}
    owners = {table: row_owners(study, table, member_of) for table in all_columns()}
    found: dict[tuple[str, int, str], Inference] = {}

    def put(table: str, row: int, column: str, one: Inference) -> None:
        """Who sees a figure through several ways sees what they leave together."""
        key = (table, row, column)
        if key in found:
            two = found[key]
            sure = math.nan if math.isnan(one.at_least + two.at_least) else min(one.at_least, two.at_least)
            ends = (max(one.lower, two.lower), min(one.upper, two.upper))
            one = replace(one, lower=ends[0], upper=ends[1], at_least=sure, through=f"{two.through}; {one.through}")
        found[key] = one

    priced = (
        {("tiers", "unit_price"), ("existing", "unit_price")} if release_list.smallest_interval_price_share else set()
    )
    if release_list.saving_edges():
        width = release_list.smallest_interval_million
        for slope in slopes(study, owners, company, len(release_list.members)):
            reach = width / slope.most if slope.most > 0 else math.inf
            ends = _clipped(slope.table, slope.column, slope.value - reach, slope.value + reach)
            if (slope.table, slope.column) in priced:
                continue
            place = _place(study, slope.table, slope.row)
            one = Inference(place, slope.column, slope.value, *ends, math.nan, slope.through)
            put(slope.table, slope.row, slope.column, one)
    for row, cell in _volumes(study, owners["volumes"], company, release_list):
        put("volumes", row, "units", cell)
    for table, column in sorted(priced):
        for row, cell in _prices(study, table, owners[table], company, release_list):
            put(table, row, column, cell)
    programmes = study["programmes"].select("programme", "company").iter_rows()
    own = {name for name, of in programmes if member_of.get(of) == company}
    for car in ranges_of_cars(study, own):
        ends = _clipped(car.table, car.column, car.lower, car.upper)
        place = _place(study, car.table, car.row)
        one = Inference(place, car.column, car.value, *ends, ends[1] - ends[0], CHOICE)
        put(car.table, car.row, car.column, one)
    rows = [replace(one, row=_row_name(study, table, row)) for (table, row, _), one in found.items()]
    return Preview(rows, _left(study, owners, company, release_list, set(found)))


def _row_name(study: Study, table: str, row: int) -> str:
    """The key of a row in words, as far as it is filled."""
    keys = [name for name, column in all_columns()[table].items() if column.key and name in study[table].columns]
    cells = study[table].row(row, named=True)
    return " ".join(str(cells[name]).replace("_", " ") for name in keys if cells[name] not in (None, "", []))


def _place(study: Study, table: str, row: int) -> str:
    return study.row_places[table][row] if study.row_places else f"{table} row {row + 1}"


def _clipped(table: str, column: str, lower: float, upper: float) -> tuple[float, float]:
    """Ends within what the column may hold at all: everybody knows that much."""
    described = all_columns()[table][column]
    low = -math.inf if described.minimum is None else described.minimum
    high = math.inf if described.maximum is None else described.maximum
    return max(lower, low), min(upper, high)


def _left(
    study: Study,
    owners: Mapping[str, list[str]],
    company: str,
    release_list: ReleaseList,
    covered: set[tuple[str, int, str]],
) -> list[tuple[str, int, str]]:
    """Every own private number without an interval: counted by column and reason."""
    counts: dict[tuple[str, str], int] = {}
    money = bool(release_list.saving_edges())
    timeline = any(isinstance(item, Timeline) for item in release_list.items)
    for table, columns in all_columns().items():
        for column in columns.values():
            if column.visibility != "private" or column.kind not in ("number", "integer", "year"):
                continue
            for row, value in enumerate(study[table][column.name].to_list()):
                key = (table, row, column.name)
                if value is None or owners[table][row] != company or key in covered:
                    continue
                why = _REASONS.get((table, column.name)) or _why(study, key, value, money, timeline)
                counts[f"{table}.{column.name}", why] = counts.get((f"{table}.{column.name}", why), 0) + 1
    return [(name, count, why) for (name, why), count in sorted(counts.items())]


def _why(study: Study, key: tuple[str, int, str], value: float, money: bool, timeline: bool) -> str:
    table, row, column = key
    if table == "volumes":
        other = study["volumes"]["scenario"][row] != study.settings.volume_scenario
        return _OTHER_CASE if other else _NEVER if column != "units" else _NOTHING if value == 0 else _UNDECLARED
    if table == "engineering":
        return _SCHEDULE if timeline else _NO_TIMELINE
    if table == "requirements":
        kind = kind_of(study["requirements"].row(row, named=True))
        return _TARGET if kind == TARGET else _NOT_BINDING
    if value == 0:
        return _NOTHING
    return _NO_SAVING if not money else "part of a key or of a rule: it names things, it is no amount"


def _volumes(study: Study, owners: list[str], company: str, release_list: ReleaseList) -> list[tuple[int, Inference]]:
    """The range of each yearly figure while its programme's level stays in its cell."""
    scenario = study.settings.volume_scenario
    levels: dict[str, float] = {}
    for programme in release_list.known_volumes:
        years = years_on_sale(study["volumes"], programme, scenario)
        levels[programme] = level(study["volumes"], programme, scenario, years)
    found = []
    for index, row in enumerate(study["volumes"].iter_rows(named=True)):
        own = levels.get(row["programme"], 0.0)
        if owners[index] != company or row["scenario"] != scenario or own <= 0:
            continue
        cell = release_list.cells(row["programme"]).around(own)
        units = float(row["units"])
        ends = Interval(units * min(cell.lower, own) / own, units * max(cell.upper, own) / own)
        place = _place(study, "volumes", index)
        found.append((index, Inference(place, "units", units, ends.lower, ends.upper, ends.width, CELL)))
    return found


def _prices(
    study: Study, table: str, owners: list[str], company: str, release_list: ReleaseList
) -> list[tuple[int, Inference]]:
    """The cell of each own price, where the list promises a width of prices."""
    found = []
    for index, price in enumerate(study[table]["unit_price"].to_list()):
        if owners[index] == company and price:
            cell = price_cell(price, release_list.smallest_interval_price_share)
            place = _place(study, table, index)
            one = Inference(place, "unit_price", float(price), cell.lower, cell.upper, cell.width, CELL)
            found.append((index, one))
    return found
