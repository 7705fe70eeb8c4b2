"""Bodies and twins: who may share a body, what it must measure, who starts first; and the plants that build cars."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from teikei.errors import Problem
from teikei.study.cars import BODIES
from teikei.study.draft import Draft
from teikei.study.requirement_kinds import HARD, kind_of
from teikei.tables.messages import number_text, show
from teikei.tables.source import Row

_OF_BODIES: Final = ("twin", "drag_area_m2", "length_m", "width_m", "height_m")
_OF_PLANTS: Final = (
    "fixed_cost", "shift_cost", "variable_cost", "conversion_cost", "closure_cost", "closes", "other_units",
)  # fmt: skip
_LIMITS: Final = {"kei_length": "length_m", "kei_width": "width_m", "kei_height": "height_m"}
_METRES: Final = {"m": 1.0, "mm": 0.001}


def twins_have_a_body(draft: Draft) -> Iterator[Problem]:
    """Every twin group has a body that one of its cars can carry."""
    if draft.damaged & {"modules", "programmes"}:
        return
    for twin, rows in draft.grouped("twins", "twin").items():
        if not any(_carries(draft, body, row) for row in rows for body in _bodies(draft)):
            yield rows[0].error(
                "twin",
                f"no body in {draft.files['modules']} is for the twins of {twin}: add a module of class "
                f"{' or '.join(sorted(BODIES))} with {show(twin)} in the column twin",
            )


def bodies_have_a_class(draft: Draft) -> Iterator[Problem]:
    """What only a body has stands in rows of bodies, and bodies are of one class."""
    for row in draft["modules"]:
        if row["class"] is None or row["class"] in BODIES:
            continue
        for name in _OF_BODIES:
            if row[name] is not None:
                yield row.error(
                    name, f"only a body has one, and {row['module']} is of class {row['class']}: leave the cell empty"
                )
                break
    first: dict[str, Row] = {}
    for row in _bodies(draft):
        first.setdefault(row["class"], row)
    if len(first) > 1:
        other = list(first.values())[1]
        yield other.error("class", f"bodies are of two classes, {' and '.join(sorted(first))}: name them alike")


def a_car_is_one_twin(draft: Draft) -> Iterator[Problem]:
    """A generation of a car belongs to one twin group, and a group has one lead."""
    groups: dict[tuple[str, str], str] = {}
    for (twin, programme, generation), row in draft.keyed("twins", "twin", "programme", "generation"):
        other = groups.setdefault((programme, generation), twin)
        if other != twin:
            yield row.error(
                "twin", f"{programme} {generation} is a twin of the group {other} already: keep one of the two"
            )
    for twin, rows in draft.grouped("twins", "twin").items():
        leads = [row for row in rows if row["role"] == "lead"]
        for row in leads[1:]:
            yield row.error(
                "role",
                f"the twins of {twin} have two leads, {leads[0]['programme']} and {row['programme']}: "
                "make one of them a follower",
            )


def followers_start_in_time(draft: Draft) -> Iterator[Problem]:
    """A follower starts within the gap after its lead, or it shares no body with it."""
    starts = {key: row["sop"] for key, row in draft.keyed("generations", "programme", "generation") if row["sop"]}
    for rows in draft.grouped("twins", "twin").values():
        lead = next((row for row in rows if row["role"] == "lead"), None)
        for row in rows:
            least, most = row["gap_quarters"] or 0.0, row["longest_gap_quarters"]
            if most is not None and most < least:
                yield row.error(
                    "longest_gap_quarters",
                    f"{number_text(most)} quarters are less than gap_quarters {number_text(least)}: correct one",
                )
                continue
            if lead is None or row is lead:
                continue
            mine, first = (starts.get((one["programme"], one["generation"])) for one in (row, lead))
            if mine is None or first is None:
                continue
            gap = _quarter(mine) - _quarter(first)
            if gap < least or (most is not None and gap > most):
                limit = f"at least {number_text(least)}" if gap < least else f"at most {number_text(most or 0.0)}"
                yield row.warning(
                    "gap_quarters",
                    f"{row['programme']} {row['generation']} starts {gap} quarters after the lead "
                    f"{lead['programme']} {lead['generation']}, {limit} are asked for: it shares no body with it",
                )


def bodies_keep_kei_limits(draft: Draft) -> Iterator[Problem]:
    """A body is no larger than what its cars may measure (requirements kei_length, kei_width, kei_height)."""
    limits: dict[tuple[str, str], tuple[float, Row]] = {}
    for row in draft["requirements"]:
        name, value = _LIMITS.get(row["requirement"] or ""), row["value"]
        if name is None or value is None or row["unit"] not in _METRES or kind_of(row) != HARD:
            continue
        key, limit = (row["programme"], name), value * _METRES[row["unit"]]
        if key not in limits or limit < limits[key][0]:
            limits[key] = (limit, row)
    for body in _bodies(draft):
        for programme, generation in _cars(draft, body):
            for name in _LIMITS.values():
                found = limits.get((programme, name))
                if found is not None and body[name] is not None and body[name] > found[0] * (1 + 1e-9):
                    yield body.error(
                        name,
                        f"the body of {number_text(body[name])} m is above the limit of {number_text(found[0])} m of "
                        f"{programme} {generation} ({found[1].place()}): correct one, or take the car from its twins",
                    )


def drag_of_bodies_can_be_used(draft: Draft) -> Iterator[Problem]:
    """Measured coasting coefficients change by the difference of Cd A, so that both must be known."""
    programmes = draft.by_key("programmes", "programme")
    for body in _bodies(draft):
        if body["drag_area_m2"] is None:
            continue
        for name in dict.fromkeys(programme for programme, _ in _cars(draft, body)):
            row = programmes.get(name)
            if row is None or row["f2_n_per_mps2"] is None:
                continue
            lacking = [column for column in ("drag_coefficient", "frontal_area_m2") if row[column] is None]
            if lacking:
                yield row.error(
                    lacking[0],
                    f"the body {body['module']} ({body.place()}) changes Cd x A of {name}, whose road load is given by "
                    f"f0, f1 and f2: add {' and '.join(lacking)}, so that the difference is known",
                )


def bodies_cost_alike(draft: Draft) -> Iterator[Problem]:
    """All bodies have a piece cost, or none: one without could otherwise not be had beside the others."""
    offered = set(draft.values("offers", "module"))
    bodies = [row for row in _bodies(draft) if row["module"] not in offered]
    without = [row for row in bodies if row["piece_cost"] is None and "piece_cost" not in row.unread]
    if len(without) == len(bodies) and not any(row["module"] in offered for row in _bodies(draft)):
        return
    for row in without:
        yield row.error("piece_cost", f"other bodies have a price and {row['module']} has none: give its piece_cost")


def plants_have_a_capacity(draft: Draft) -> Iterator[Problem]:
    """A plant with a cost has a capacity; who bears what it costs whatever it builds is a company of the study."""
    for row in draft["car_plants"]:
        given = [name for name in _OF_PLANTS if row[name]]
        if given and not row["shift_capacity"] and "shift_capacity" not in row.unread:
            yield row.error(
                "shift_capacity",
                f"plant {row['plant']} has {given[0]} and no capacity: give the cars a year of one shift",
            )
        owned = [name for name in ("fixed_cost", "shift_cost", "closure_cost") if row[name]]
        if owned and not row["company"] and "company" not in row.unread:
            yield row.error(
                "company", f"nobody bears {owned[0]} of plant {row['plant']}: name the company that owns it"
            )


def plants_can_build_what_is_planned(draft: Draft) -> Iterator[Problem]:
    """The cars of the volumes, with those outside the study, fit into the shifts of their plant until it closes."""
    if draft.settings is None or draft.damaged & {"volumes", "programmes"}:
        return
    scope = {name for name, row in draft.by_key("programmes", "programme").items() if row["in_scope"]}
    planned: dict[tuple[str, int, str], float] = {}
    for row in draft["volumes"]:
        if row["programme"] in scope and row["plant"] and row["year"] and row["units"]:
            key = (row["plant"], row["year"], row["scenario"] or "")
            planned[key] = planned.get(key, 0.0) + row["units"]
    for row in draft["car_plants"]:
        if not row["shift_capacity"]:
            continue
        most = row["shift_capacity"] * (row["shifts"] or 1)
        cars = {key[1:]: units for key, units in planned.items() if key[0] == row["plant"]}
        late = [year for year, _ in cars if row["closes"] is not None and year > row["closes"]]
        if late:
            yield row.error(
                "closes", f"{draft.files['volumes']} has cars in {row['plant']} in {max(late)}, after it has closed"
            )
            continue
        above = [(units, year) for (year, _), units in cars.items() if units + (row["other_units"] or 0.0) > most]
        if above:
            units, year = max(above)
            yield row.error(
                "shift_capacity",
                f"{row['plant']} is to build {number_text(units)} cars of the study in {year}, with "
                f"{number_text(row['other_units'] or 0.0)} others, and can build {number_text(most)}: "
                "correct capacity, shifts or volumes",
            )


def _bodies(draft: Draft) -> list[Row]:
    return [row for row in draft["modules"] if row["class"] in BODIES]


def _carries(draft: Draft, body: Row, twin: Row) -> bool:
    """Whether a body is for a row of the twins."""
    programme = draft.by_key("programmes", "programme").get(twin["programme"])
    if body["twin"] not in (None, "", twin["twin"]) or programme is None:
        return False
    fits = not body["segments"] or programme["segment"] in body["segments"]
    return fits and (not body["available_to"] or programme["company"] in body["available_to"])


def _cars(draft: Draft, body: Row) -> list[tuple[str, str]]:
    """(Programme, generation) that a body is for by its twin group; all generations of its segments without one."""
    if body["twin"]:
        return [
            (row["programme"], row["generation"])
            for row in draft["twins"]
            if row["twin"] == body["twin"] and _carries(draft, body, row)
        ]
    having = draft.by_key("programmes", "programme")
    return [
        (row["programme"], row["generation"])
        for row in draft["generations"]
        if (programme := having.get(row["programme"])) is not None
        and body["segments"]
        and programme["segment"] in body["segments"]
        and (not body["available_to"] or programme["company"] in body["available_to"])
    ]


def _quarter(month: str) -> int:
    year, _, number = month.partition("-")
    return int(year) * 4 + (int(number) - 1) // 3


CHECKS = (
    twins_have_a_body,
    bodies_have_a_class,
    a_car_is_one_twin,
    followers_start_in_time,
    bodies_keep_kei_limits,
    drag_of_bodies_can_be_used,
    bodies_cost_alike,
    plants_have_a_capacity,
    plants_can_build_what_is_planned,
)
