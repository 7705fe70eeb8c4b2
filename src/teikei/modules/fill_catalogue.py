"""All designs of a study with ratings, masses and curve prices, and the candidate configurations of every car."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import polars as pl

from teikei.errors import Problem, StudyError
from teikei.modules import costs, masses, specification
from teikei.modules.e_axles import build_e_axle, peak_torque_nm
from teikei.modules.losses import SIZE_RANGE_W, machine_power_w, read_loss_map
from teikei.modules.packs import build_pack, series_cells
from teikei.modules.slots import E_AXLE, PACK, candidates_frame, slots_frame
from teikei.modules.types import Catalogue, EAxle, Pack
from teikei.study.types import Study


def lacking(study: Study) -> str:
    """What a study must have for designs and candidates and does not, as a sentence; empty where nothing is missing."""
    return study.lacking("classes", "modules", "generations", "versions")


def catalogue(study: Study) -> Catalogue:
    """Designs, slots and candidates of a checked study.

    StudyError if a module is physically impossible or lacks the rating that its class cannot do without (e-axle: peak
    power; pack: gross energy), or if a car has no module for a position.
    """
    if study.settings.cost_curve not in costs.CURVES:
        raise StudyError(
            [
                Problem(
                    "study.yaml:cost_curve",
                    f"unknown cost curve '{study.settings.cost_curve}', expected one of {', '.join(costs.CURVES)}",
                )
            ]
        )
    places = study.row_places.get("modules", ())
    e_axles: dict[str, EAxle] = {}
    packs: dict[str, Pack] = {}
    rows: list[dict[str, Any]] = []
    problems: list[Problem] = []
    sizes = _family_sizes(study)
    for index, row in enumerate(study["modules"].iter_rows(named=True)):
        place = places[index] if index < len(places) else f"modules ({row['module']})"
        faults = impossibilities(row)
        if faults:
            problems += [Problem(f"{place}:{column}", message) for column, message in faults]
            continue
        filled, e_axle, pack = _design(study, row, sizes.get((row["family"], row["motor_type"] or "pm"), 0.0))
        if e_axle is not None:
            e_axles[row["module"]] = e_axle
        if pack is not None:
            packs[row["module"]] = pack
        rows.append(filled)
    if problems:
        raise StudyError(problems)
    slots = slots_frame(study)
    candidates, warnings = candidates_frame(study, slots)
    _add_design_fields(rows, e_axles, packs, study)
    schema: dict[str, Any] = {**study["modules"].schema, **_ADDED_COLUMNS, **specification.COLUMNS}
    table = pl.DataFrame(rows, schema=schema, orient="row")
    out_of_range = [f"{row['module']}: {row['warning']}" for row in rows if row["warning"]]
    return Catalogue(e_axles, packs, table, slots, candidates, (*warnings, *out_of_range))


PIECE_COST: Final = "piece_cost"
"""In place of the name of a cost curve: what the study says a piece costs."""
MAXIMUM_VOLTAGE_RATIO: Final = 1.2  # of nominal, where the study gives no maximum (assumption, 1.12 to 1.25)
_ADDED_COLUMNS: Final[dict[str, type[pl.DataType]]] = {
    "curve_price": pl.Float64,
    "curve_price_low": pl.Float64,
    "curve_price_high": pl.Float64,
    "curve": pl.String,
    "curve_source": pl.String,
    "mass_law": pl.String,
    "mass_kg_low": pl.Float64,
    "mass_kg_high": pl.Float64,
    "notes": pl.String,
    "warning": pl.String,
}


def _add_design_fields(
    rows: list[dict[str, Any]], e_axles: dict[str, EAxle], packs: dict[str, Pack], study: Study
) -> None:
    """Fill the design fields in place; other classes stay empty."""
    families: dict[str, list[tuple[EAxle, str]]] = {}
    for row in rows:
        if row["module"] in e_axles:
            families.setdefault(row["family"], []).append((e_axles[row["module"]], row["motor_type"] or "pm"))
    spending = {row["family"]: row for row in study["families"].iter_rows(named=True)}
    for row in rows:
        fields: dict[str, Any] = {}
        if row["module"] in e_axles:
            fields = specification.e_axle_fields(e_axles[row["module"]], row, families[row["family"]])
        elif row["module"] in packs:
            fields = specification.pack_fields(packs[row["module"]], row)
        paid = spending.get(row["family"], {})
        fields |= {
            "family_nre": paid.get("nre"),
            "family_tooling": paid.get("tooling"),
            "application_nre": paid.get("application_nre"),
            "application_tooling": paid.get("application_tooling"),
        }
        row.update({name: fields.get(name) for name in specification.COLUMNS})


def impossibilities(row: dict[str, Any]) -> list[tuple[str, str]]:
    """What is physically impossible in a row of the modules table: (column, message)."""
    faults: list[tuple[str, str]] = []

    def above(lower: str, upper: str, what: str) -> None:
        if row[lower] is not None and row[upper] is not None and row[lower] > row[upper]:
            faults.append((lower, f"{what}: {row[lower]:g} is above {upper} {row[upper]:g} of {row['module']}"))

    if row["class"] == E_AXLE and not row["peak_power_kw"]:
        faults.append(("peak_power_kw", f"e-axle {row['module']} needs its peak power"))
    if row["class"] == PACK and not row["gross_energy_kwh"]:
        faults.append(("gross_energy_kwh", f"pack {row['module']} needs its gross energy"))
    above("continuous_power_kw", "peak_power_kw", "a continuous rating cannot exceed the peak")
    above("continuous_torque_nm", "peak_torque_nm", "a continuous rating cannot exceed the peak")
    above("usable_energy_kwh", "gross_energy_kwh", "the energy window cannot exceed the gross energy")
    above("voltage_min_v", "voltage_nominal_v", "voltages must rise from minimum to nominal")
    above("voltage_nominal_v", "voltage_max_v", "voltages must rise from nominal to maximum")
    if row["charger_efficiency"] is not None and row["charger_efficiency"] > 1:
        faults.append(("charger_efficiency", f"efficiency {row['charger_efficiency']:g} is above one"))
    if row["class"] == E_AXLE and row.get("loss_map"):
        try:
            read_loss_map(row["loss_map"])
        except ValueError as error:
            faults.append(("loss_map", str(error)))
    if row["class"] == E_AXLE and row["peak_power_kw"] and row["peak_torque_nm"] and row["max_speed_rpm"]:
        base_rpm = row["peak_power_kw"] * 1000 / row["peak_torque_nm"] * 30 / 3.141592653589793
        if base_rpm > row["max_speed_rpm"] * (1 + 1e-9):
            faults.append(
                (
                    "peak_torque_nm",
                    f"{row['module']} reaches {row['peak_power_kw']:g} kW only at {base_rpm:.0f} rpm, above its "
                    f"maximum speed {row['max_speed_rpm']:g}: the envelope does not cover the rating",
                )
            )
    return faults


def _family_sizes(study: Study) -> dict[tuple[str, str], float]:
    """(Family, motor type) -> machine size of the largest member, W: it has the family's full length."""
    found: dict[tuple[str, str], float] = {}
    for row in study["modules"].iter_rows(named=True):
        if row["class"] == E_AXLE and row["peak_power_kw"]:
            key = (row["family"], row["motor_type"] or "pm")
            size = machine_power_w(peak_torque_nm(row), row["peak_power_kw"] * 1000.0)
            found[key] = max(found.get(key, 0.0), size)
    return found


def _design(
    study: Study, row: dict[str, Any], family_size_w: float
) -> tuple[dict[str, Any], EAxle | None, Pack | None]:
    mass = _mass(row, study)
    notes = [] if row["mass_kg"] is not None or mass is None else [f"mass: {mass.law}"]
    mass_kg = row["mass_kg"] if row["mass_kg"] is not None else (mass.value if mass else 0.0)
    e_axle: EAxle | None = None
    pack: Pack | None = None
    outside = ""
    filled = dict(row)
    if row["class"] == E_AXLE:
        e_axle, more = build_e_axle(row, mass_kg, family_size_w=family_size_w)
        notes += more
        filled |= {
            "peak_torque_nm": e_axle.peak_torque_nm,
            "continuous_torque_nm": e_axle.continuous_torque_nm,
            "continuous_power_kw": e_axle.continuous_power_w / 1000,
            "gear_ratio": e_axle.gear_ratio,
            "max_speed_rpm": e_axle.max_speed_radps * 30 / 3.141592653589793,
            "voltage_nominal_v": e_axle.voltage_v,
            "voltage_min_v": e_axle.voltage_min_v,
            "voltage_max_v": row["voltage_max_v"] or MAXIMUM_VOLTAGE_RATIO * e_axle.voltage_v,
            "motor_type": row["motor_type"] or "pm",
            "inverter_switch": row["inverter_switch"] or "si",
        }
        if row["voltage_max_v"] is None:
            notes.append(f"voltage_max_v: {MAXIMUM_VOLTAGE_RATIO:g} x nominal (assumption)")
        outside = _size_warning(row["peak_power_kw"], e_axle)
    elif row["class"] == PACK:
        pack, more = build_pack(row, mass_kg)
        notes += more
        filled |= {
            "usable_energy_kwh": pack.usable_energy_j / 3.6e6,
            "voltage_min_v": pack.voltage_min_v,
            "voltage_max_v": pack.voltage_max_v,
            "dc_charge_power_kw": float(pack.dc_charge_power_w.max()) / 1000,
            "chemistry": pack.chemistry,
            "series_cells": series_cells(row),
            "parallel_cells": row["parallel_cells"] or 1,
        }
    named, low, high, curve, source, warning = _prices(study, row, filled)
    if row["mass_kg"] is None and mass is not None and mass.warning:
        warning = "; ".join(text for text in (mass.warning, warning) if text)
    warning = "; ".join(text for text in (outside, warning) if text)
    filled |= {
        "mass_kg": mass_kg,
        "mass_law": "" if row["mass_kg"] is not None or mass is None else mass.law,
        "mass_kg_low": mass.low if mass is not None and row["mass_kg"] is None else mass_kg,
        "mass_kg_high": mass.high if mass is not None and row["mass_kg"] is None else mass_kg,
        "curve_price": named,
        "curve_price_low": low,
        "curve_price_high": high,
        "curve": curve,
        "curve_source": source,
        "notes": "; ".join(notes),
        "warning": warning,
    }
    return filled, e_axle, pack


def _size_warning(peak_power_kw: float, e_axle: EAxle) -> str:
    size_kw = machine_power_w(e_axle.peak_torque_nm, peak_power_kw * 1000.0) / 1000.0
    low, high = (bound / 1000.0 for bound in SIZE_RANGE_W)
    if low <= size_kw <= high:
        return ""
    return f"machine size {size_kw:.0f} kW is outside the loss law's range {low:.0f} to {high:.0f} kW"


def _mass(row: dict[str, Any], study: Study) -> masses.LawResult | None:
    if row["class"] == E_AXLE:
        e_axle, _ = build_e_axle(row, 0.0)
        return masses.e_axle_mass_kg(
            row["motor_type"] or "pm", e_axle.peak_torque_nm, e_axle.peak_power_w / 1000, e_axle.gear_ratio
        )
    if row["class"] == PACK:
        return masses.pack_mass_kg(row["chemistry"] or "nmc", row["gross_energy_kwh"], study.settings.price_year)
    if row["class"] == "charger":
        return masses.charger_mass_kg(row["ac_charge_power_kw"] or 6.6)
    if row["class"] == "thermal":
        return masses.thermal_mass_kg()
    if row["class"] == "harness":
        return masses.harness_mass_kg()
    return None


def _prices(
    study: Study, row: dict[str, Any], filled: dict[str, Any]
) -> tuple[float | None, float | None, float | None, str, str, str]:
    """Price by the study's curve, lowest and highest over all named curves, in study currency; curve, source; warnings.

    A class that the study's own curve does not cover is priced by the first curve that does; its name says which.
    """
    if row["piece_cost"] is not None:
        return row["piece_cost"], row["piece_cost"], row["piece_cost"], PIECE_COST, row["source"] or "", ""
    rates = {study.settings.currency: 1.0, **dict(study["currencies"].select("currency", "rate").iter_rows())}
    pricer = _pricer(row, filled, study.settings.price_year)
    if pricer is None:
        return None, None, None, "", "", ""
    found = {curve: price for curve in costs.CURVES if (price := pricer(curve)) is not None}
    priced = {curve: price.amount * rates[price.currency] for curve, price in found.items() if price.currency in rates}
    if not priced:
        missing = "no cost curve: the currencies table has no rate for USD or EUR" if found else ""
        return None, None, None, "", "", missing
    own = study.settings.cost_curve if study.settings.cost_curve in priced else next(iter(priced))
    return priced[own], min(priced.values()), max(priced.values()), own, found[own].note, found[own].warning


def _pricer(
    row: dict[str, Any], filled: dict[str, Any], price_year: int
) -> Callable[[str], costs.CurvePrice | None] | None:
    if row["class"] == E_AXLE:
        suv = any("SUV" in segment.upper() for segment in row["segments"] or [])
        return lambda curve: costs.e_axle_price(
            curve,
            motor_type=row["motor_type"] or "pm",
            peak_power_kw=row["peak_power_kw"],
            gearbox_kg=masses.gearbox_mass_kg(filled["peak_torque_nm"], filled["gear_ratio"]),
            suv=suv,
            price_year=price_year,
            switch=filled["inverter_switch"],
        )
    if row["class"] == PACK:
        return lambda curve: costs.pack_price(
            curve, chemistry=filled["chemistry"], gross_energy_kwh=row["gross_energy_kwh"], price_year=price_year
        )
    if row["class"] == "charger" and row["ac_charge_power_kw"]:
        return lambda curve: costs.other_price(curve, "charger", row["ac_charge_power_kw"], price_year=price_year)
    if row["class"] in ("thermal", "harness"):
        return lambda curve: costs.other_price(curve, row["class"], 0.0, price_year=price_year)
    return None
