"""Programmes: versions, generations, road load and requirements hang together."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from teikei.errors import Problem
from teikei.study.draft import Draft
from teikei.study.requirement_kinds import (
    FLOOR_ERRORS,
    HARD,
    LEGAL_LIMITS,
    REPORT,
    TARGET,
    kind_of,
    least_floor_offset,
    simulation_error,
    worse,
)
from teikei.tables.messages import closest, number_text, show
from teikei.tables.source import Row
from teikei.units import KMH_PER_MPS

HIGHEST_SPEED_KMH: Final = 140.0
SHARE_TOLERANCE: Final = 1e-6

REQUIREMENT_UNITS: Final = {
    "range": "km",
    "acceleration_0_100": "s",
    "acceleration_80_120": "s",
    "top_speed": "km/h",
    "continuous_grade": "percent",
    "hill_start": "percent",
    "ac_charge_power": "kW",
    "dc_charge_time": "min",
    "cold_range_fraction": "ratio",
    "cold_power_fraction": "ratio",
    "kei_length": "m",
    "kei_width": "m",
    "kei_height": "m",
    "kei_power_cap": "kW",
}
_PLAUSIBLE: Final = {
    "range": (20.0, 2000.0),
    "acceleration_0_100": (1.5, 60.0),
    "acceleration_80_120": (1.0, 60.0),
    "top_speed": (40.0, 400.0),
    "continuous_grade": (0.0, 40.0),
    "hill_start": (0.0, 60.0),
    "ac_charge_power": (0.5, 50.0),
    "dc_charge_time": (3.0, 600.0),
    "cold_range_fraction": (0.0, 1.0),
    "cold_power_fraction": (0.0, 1.0),
    "kei_length": (1.0, 8.0),
    "kei_width": (1.0, 3.0),
    "kei_height": (1.0, 4.0),
    "kei_power_cap": (5.0, 2000.0),
}
RANGE_PROCEDURES: Final = ("wltc_japan", "wltc_class3b", "wltc_class2", "epa_label", "midc")


def version_shares_add_to_one(draft: Draft) -> Iterator[Problem]:
    """The versions of a programme cover all its cars."""
    for programme, rows in draft.grouped("versions", "programme").items():
        shares = [row["share"] for row in rows]
        if None in shares:
            continue
        total = sum(shares)
        if abs(total - 1) > SHARE_TOLERANCE:
            parts = " + ".join(number_text(share) for share in shares)
            yield rows[-1].error(
                "share",
                f"the shares of programme {programme} add up to {total:.6g} ({parts}), expected 1: correct them",
            )


def years_of_a_generation_are_in_order(draft: Draft) -> Iterator[Problem]:
    """Start of production, facelift, end of production, in this order."""
    for row in draft["generations"]:
        start = start_year(row)
        facelift, end = row["facelift_year"], row["eop_year"]
        if start is not None and end is not None and end < start:
            yield row.error(
                "eop_year", f"production ends in {end}, before it starts in {row['sop']}: correct one of the two"
            )
        elif facelift is not None and start is not None and facelift < start:
            yield row.error(
                "facelift_year", f"the facelift of {facelift} is before the start of production {row['sop']}"
            )
        elif facelift is not None and end is not None and facelift > end:
            yield row.error("facelift_year", f"the facelift of {facelift} is after the end of production {end}")


def start_year(row: Row) -> int | None:
    """The year in which production of a generation starts."""
    return int(row["sop"][:4]) if row["sop"] else None


def programmes_with_volumes_are_complete(draft: Draft) -> Iterator[Problem]:
    """A programme that is to be built has generations, versions and requirements."""
    for programme, rows in draft.grouped("volumes", "programme").items():
        for table, word, needed in (
            ("generations", "generation: add one with its start and end of production", True),
            ("versions", "version: add one, for instance std with share 1", True),
            ("requirements", "requirement, so any configuration will do: add what it must reach", False),
        ):
            if table not in draft.damaged and programme not in set(draft.values(table, "programme")):
                message = f"programme {programme} has volumes, but {draft.files[table]} has no {word}"
                yield rows[0].error("programme", message) if needed else rows[0].warning("programme", message)


def programmes_have_volumes(draft: Draft) -> Iterator[Problem]:
    """A programme without any volume is never built; say so."""
    if "volumes" in draft.damaged or not draft["volumes"]:
        return
    having = set(draft.values("volumes", "programme"))
    for programme, row in draft.by_key("programmes", "programme").items():
        if programme not in having:
            yield row.warning(
                "programme", f"programme {programme} has no row in {draft.files['volumes']}: it is left out"
            )


def road_load_is_complete(draft: Draft) -> Iterator[Problem]:
    """Either f0, f1, f2 with their reference mass, or drag coefficient and frontal area."""
    coefficients = ("f0_n", "f1_n_per_mps", "f2_n_per_mps2")
    for row in draft["programmes"]:
        if not row.unread.isdisjoint((*coefficients, "drag_coefficient", "frontal_area_m2")):
            continue
        missing = [name for name in coefficients if row[name] is None]
        if 0 < len(missing) < 3:
            yield row.error(
                missing[0],
                f"{', '.join(missing)} is missing: road load needs f0, f1 and f2 (0 is a value), or none of them",
            )
        elif missing:
            lacking = [name for name in ("drag_coefficient", "frontal_area_m2") if row[name] is None]
            if lacking:
                yield row.error(
                    lacking[0],
                    f"there is no road load: give {' and '.join(lacking)}, or f0_n, f1_n_per_mps and f2_n_per_mps2",
                )
        elif row["road_load_mass_kg"] is None and "road_load_mass_kg" not in row.unread:
            yield row.error("road_load_mass_kg", "f0, f1, f2 are given without the mass at which they hold: add it")


def road_load_is_positive(draft: Draft) -> Iterator[Problem]:
    """f0 + f1 v + f2 v² stays above zero from standstill to 140 km/h (f1 alone may be negative)."""
    top = HIGHEST_SPEED_KMH / KMH_PER_MPS
    for row in draft["programmes"]:
        f0, f1, f2 = row["f0_n"], row["f1_n_per_mps"], row["f2_n_per_mps2"]
        if None in (f0, f1, f2):
            continue
        turning = min(max(-f1 / (2 * f2), 0.0), top) if f2 > 0 else 0.0
        lowest = min(((f0 + f1 * speed + f2 * speed**2), speed) for speed in (0.0, turning, top))
        if lowest[0] < 0:
            yield row.error(
                "f0_n",
                f"the road load is {lowest[0]:.4g} N at {lowest[1] * KMH_PER_MPS:.3g} km/h, expected a positive force: "
                "check the signs, and that f1 and f2 are per m/s, not per km/h or mph",
            )


def requirements_have_their_units(draft: Draft) -> Iterator[Problem]:
    """Each requirement is given in its own unit, at a plausible value."""
    for row in draft["requirements"]:
        name, unit, value = row["requirement"], row["unit"], row["value"]
        wanted = REQUIREMENT_UNITS.get(name or "")
        if wanted is None:
            continue
        if unit is not None and unit != wanted:
            yield row.error(
                "unit", f"found {show(unit)}, expected {wanted} for {name}: convert the value and correct the unit"
            )
        elif value is not None:
            low, high = _PLAUSIBLE[name]
            if not low <= value <= high:
                yield row.error(
                    "value",
                    f"{name} of {number_text(value)} {wanted} is impossible, expected {number_text(low)} to "
                    f"{number_text(high)}: check value and unit",
                )
        if name == "continuous_grade" and row["speed_kmh"] is None and "speed_kmh" not in row.unread:
            yield row.error(
                "speed_kmh", "the speed at which the grade must be held is missing: add it, for instance 100"
            )


def range_procedures_are_known(draft: Draft) -> Iterator[Problem]:
    """A range names the procedure it is measured by; the bare word WLTC is ambiguous."""
    for row in draft["requirements"]:
        procedure = row["procedure"]
        if row["requirement"] != "range" or procedure is None or procedure in RANGE_PROCEDURES:
            continue
        near = closest(procedure, RANGE_PROCEDURES)
        hint = f"; did you mean {show(near)}?" if near else ""
        message = (
            f"range by {show(procedure)} is no procedure that teikei simulates ({', '.join(RANGE_PROCEDURES)}){hint}"
        )
        if kind_of(row) == REPORT:
            yield row.warning("procedure", f"{message} It is kept as information only")
        else:
            yield row.error("procedure", message)


def targets_have_a_price_and_a_floor(draft: Draft) -> Iterator[Problem]:
    """A target says what a buyer pays for a unit and how far it may be missed; the other kinds need neither."""
    for row in draft["requirements"]:
        if row["kind"] is None or not row.unread.isdisjoint(("kind", "value_per_unit", "floor_offset", "requirement")):
            continue
        name, value, unit = row["requirement"], row["value"], row["unit"] or "unit"
        if row["kind"] != TARGET:
            if row["kind"] == HARD and row["binding"] is False:
                yield row.error(
                    "binding", "found no beside kind hard: a hard requirement binds; correct one of the two cells"
                )
            for column in ("value_per_unit", "floor_offset"):
                if row[column] is not None:
                    yield row.warning(column, f"it is not used: only a target has one, this row is {row['kind']}")
            continue
        if name in LEGAL_LIMITS:
            yield row.error("kind", f"{name} is a rule or a size of the body, no target: write hard")
            continue
        if row["value_per_unit"] is None:
            yield row.error(
                "value_per_unit",
                f"a target has a price: add what a buyer pays for one {unit}, in the study's currency, or write hard",
            )
        if row["floor_offset"] is None:
            yield row.error(
                "floor_offset", f"a target has a floor: add how far it may be missed, in {unit}, or write hard"
            )
        elif name is not None and value is not None:
            yield from _floor_problems(row, name, value, unit)


def _floor_problems(row: Row, name: str, value: float, unit: str) -> Iterator[Problem]:
    """A floor on the wrong side of the value, nearer to it than the simulation can tell, or past any meaning."""
    offset = row["floor_offset"]
    side = "above 0 (less is better)" if worse(name) > 0 else "below 0 (more is better)"
    if offset * worse(name) < 0 or offset == 0:
        yield row.error(
            "floor_offset",
            f"found {number_text(offset)}, expected a figure {side}: the floor is value + floor_offset, past the value "
            "on the side of worse cars",
        )
        return
    least = least_floor_offset(name, value)
    if abs(offset) < abs(least) * (1 - 1e-9):
        yield row.error(
            "floor_offset",
            f"found {number_text(offset)} {unit}, expected at least {abs(least):.3g} past the value: the simulation is "
            f"off by {simulation_error(name, value):.3g} {unit} here, and a floor nearer than {FLOOR_ERRORS:g} times "
            "that decides by its error; widen it",
        )
    if worse(name) < 0 and value + offset < 0:
        yield row.error(
            "floor_offset",
            f"found {number_text(offset)}: the floor would be {number_text(value + offset)} {unit}, expected 0 or more",
        )


CHECKS = (
    version_shares_add_to_one,
    years_of_a_generation_are_in_order,
    programmes_with_volumes_are_complete,
    programmes_have_volumes,
    road_load_is_complete,
    road_load_is_positive,
    requirements_have_their_units,
    range_procedures_are_known,
    targets_have_a_price_and_a_floor,
)
