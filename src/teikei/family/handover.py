"""A designed family as rows of a study: modules, families and their work, and every field that makes it designed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import polars as pl

from teikei.family.designs import Design
from teikei.family.front import Point
from teikei.family.line_up import LineCar
from teikei.family.thermal import ratings
from teikei.modules import catalogue
from teikei.modules.specification import COLUMNS
from teikei.simulate.car import Car
from teikei.simulate.manoeuvres import traction_limit_n
from teikei.study.types import Study
from teikei.tables.columns import frame
from teikei.units import GRAVITY_MPS2

PASS_SPEED_MPS: Final = 60.0 / 3.6
Rows = dict[str, list[dict[str, Any]]]


def study_rows(study: Study, chosen: Point, designs: Mapping[str, Design], cars: Sequence[LineCar]) -> Rows:
    """Rows to add to the tables modules, families and work: what ``teikei check`` takes as it is.

    Development of a family, of a variant and of an application is that of the family the lamination is from.
    """
    by_car = {car.name: car for car in cars}
    served: dict[str, list[LineCar]] = {}
    for name, option in chosen.choice:
        for member in option.members:
            served.setdefault(member, []).append(by_car[name])
    modules, families, work = [], {}, []
    own_modules = {row["module"]: row for row in study["modules"].iter_rows(named=True)}
    own_families = {row["family"]: row for row in study["families"].iter_rows(named=True)}
    columns = list(study["modules"].columns)
    for member in chosen.members:
        design = designs[member.removesuffix("_suv")]
        like = own_modules[str(design.lamination.reference["module"])]
        family, first = str(design.row["family"]), min(car.first_year for car in served[member])
        segments = list(dict.fromkeys(car.segment for car in served[member]))
        row = {
            **dict.fromkeys(columns),
            **{name: value for name, value in design.row.items() if name in columns},
            "module": member,
            "title": title(design),
            "nre": like["nre"],
            "tooling": like["tooling"],
            "earliest_year": first,
            "segments": segments,
            "charger_efficiency": like["charger_efficiency"],
            "confidence": "derived",
            "note": f"designed by teikei family on the lamination of {design.lamination.name}; NRE of {like['module']}",
        }
        modules.append(row)
        work += _copied(study, str(like["module"]), member, "variant")
        if family not in families:
            reference = own_families[design.lamination.name]
            families[family] = {
                **reference,
                "family": family,
                "title": f"Shared e-axle on the lamination of {design.lamination.name}",
                "sunk_for": [],
                "earliest_year": None,
                "note": f"designed by teikei family; spending of {design.lamination.name}",
            }
            work += _copied(study, design.lamination.name, family, "family")
            work += _copied(study, design.lamination.name, family, "application")
    return {"modules": modules, "families": list(families.values()), "work": work}


def title(design: Design) -> str:
    """What a member is, in a line."""
    row = design.row
    switch = {"si": "Si", "sic": "SiC"}[row["inverter_switch"]]
    return (
        f"{row['peak_power_kw']:.0f} kW and {row['peak_torque_nm']:.0f} Nm, {row['voltage_nominal_v']:.0f} V {switch}, "
        f"ratio {row['gear_ratio']:g}, stack {row['stack_length_mm']:.0f} mm"
    )


def _copied(study: Study, item: str, name: str, level: str) -> list[dict[str, Any]]:
    rows = study["work"].filter((pl.col("item") == item) & (pl.col("level") == level))
    return [{**row, "item": name} for row in rows.iter_rows(named=True)]


def with_rows(study: Study, rows: Rows) -> Study:
    """The study with the rows added."""
    tables = dict(study.tables)
    for table, added in rows.items():
        more = frame(table, added).select(tables[table].columns)
        tables[table] = pl.concat([tables[table], more.cast(tables[table].schema)])
    return replace(study, tables=tables, row_places={})


def design_table(study: Study, rows: Rows, chosen: Point, designs: Mapping[str, Design]) -> pl.DataFrame:
    """Every field of a designed family, one row a member, with its thermal ratings.

    From the catalogue of the study with the rows in it, so that the plan sees the same.
    """
    table = catalogue(with_rows(study, rows)).table
    found = []
    wanted = [*study["modules"].columns, *(name for name in COLUMNS if name not in study["modules"].columns)]
    more = ("curve_price", "curve_price_low", "curve_price_high", "notes", "warning")
    for row in table.filter(pl.col("module").is_in(list(chosen.members))).iter_rows(named=True):
        design = designs[row["module"].removesuffix("_suv")]
        held = ratings(design.e_axle, design.thermal, str(design.row["inverter_switch"]))
        found.append(
            {name: row[name] for name in (*wanted, *more)}
            | {
                "peak_torque_duration_s": min(row["peak_torque_duration_s"], held.peak_torque_s),
                "thirty_minute_power_kw": held.thirty_minute_power_w / 1000.0,
                "pass_power_15_min_kw": held.pass_power_w / 1000.0,
                "repeated_launches": held.launches,
                "peak_torque_held_s": held.peak_torque_s,
                "length_factor": design.length,
                "lamination_of": design.lamination.name,
                "loss_map_note": design.lamination.note,
            }
        )
    text = pl.DataFrame(found, infer_schema_length=None)
    lists = [name for name, kind in text.schema.items() if kind == pl.List]
    return text.with_columns(pl.col(name).cast(pl.List(pl.String)).list.join(";") for name in lists)


def pass_grade_percent(car: Car, pass_power_w: float) -> float:
    """Steepest grade that a gross car climbs at 60 km/h for 15 minutes on this power of its e-axles, percent."""
    mass = car.loaded_mass_kg("gross")
    f0, f1, f2 = car.road_load(mass)
    wheel_w = pass_power_w * min(e_axle.gear_efficiency for _, e_axle in car.axles)
    force = min(wheel_w / PASS_SPEED_MPS, traction_limit_n(car, "gross"))
    spare = force - f0 - (f1 + f2 * PASS_SPEED_MPS) * PASS_SPEED_MPS
    sine = min(max(spare / (mass * GRAVITY_MPS2), -0.99), 0.99)
    return float(100.0 * sine / (1.0 - sine * sine) ** 0.5)
