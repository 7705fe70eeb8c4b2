"""The fields that make a powertrain family designed, by stated laws from the ratings of its members.

An e-axle family has one lamination: its diameter comes from the member of greatest torque; others have a stack in
proportion to torque (axial scaling at equal current loading; Stipetic, Zarko and Popescu, EVER 2015). Turns follow from
the voltage: turns x stack length is constant within a family at one voltage (rewinding). These are design figures for a
specification to start from, not measured data: every column here is an assumption unless it says otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import pi, sqrt
from typing import Any, Final

import numpy as np
import polars as pl

from teikei.modules.losses import loss_map_text
from teikei.modules.packs import CELL_NOMINAL_V, discharge_power_limit_w, series_cells
from teikei.modules.types import EAxle, Pack

STATOR_LITRES_BASE: Final = 3.0806  # TUM AuVeCoDe, unfiltered: 3.0806 + 0.045335 P (87–165 kW, R² 0.20)
STATOR_LITRES_PER_KW: Final = 0.045335
LENGTH_OVER_DIAMETER: Final = {"pm": 0.986, "induction": 0.865, "eesm": 1.132}  # TUM AuVeCoDe
HOUSING_LENGTH_MM: Final = 74.0  # TUM AuVeCoDe: machine = stator + 74 mm
HOUSING_DIAMETER_MM: Final = 2 * (13.04 + 11.65)  # TUM AuVeCoDe
GEARBOX_LENGTH_MM: Final = 190.0
INVERTER_HEIGHT_MM: Final = 90.0
POLE_PAIRS: Final = 4
REFERENCE_TURNS: Final = 8
POWER_FACTOR: Final = 0.85
MODULATION: Final = 0.95  # of the largest sine that the DC voltage gives
GEAR_TORQUE_RESERVE: Final = 1.3
WINDING: Final = "distributed, short-pitched hairpin, star"  # of traction machines today (assumption)
POWER_SOCS: Final = (0.2, 0.5, 0.8)
CURVE_SOCS: Final = (0.1, 0.3, 0.5, 0.7, 0.8, 0.9)
MAGNET_KG_PER_NM: Final = 0.0062
PEAK_DURATION_S: Final = 20.0
COOLANT_L_PER_MIN_PER_KW: Final = 0.12  # of continuous power
COOLANT_INLET_C: Final = 65.0
PACK_KWH_PER_LITRE: Final = {"nmc": 0.26, "lfp": 0.22, "other": 0.26}
PACK_HEIGHT_MM: Final = 140.0
PACK_WIDTH_MM: Final = {True: 1000.0, False: 1350.0}  # kei and below 35 kWh; larger cars
E_AXLE_INTERFACES: Final = (
    "three-point mounts; half-shaft splines; coolant 19 mm hoses; high-voltage connector 2-pole with interlock; "
    "torque request by CAN FD; safety goal: no unintended torque, ASIL D"
)
PACK_INTERFACES: Final = (
    "underbody bolts; coolant 16 mm hoses; high-voltage connector traction and DC charge; current limits by CAN FD; "
    "safety goal: no overcharge, ASIL C"
)

COLUMNS: Final[dict[str, Any]] = {
    "lamination_diameter_mm": pl.Float64,
    "stack_length_mm": pl.Float64,
    "turns_per_phase": pl.Int64,
    "winding": pl.String,
    "pole_pairs": pl.Int64,
    "gear_torque_limit_nm": pl.Float64,
    "phase_current_peak_a": pl.Float64,
    "phase_current_continuous_a": pl.Float64,
    "peak_torque_duration_s": pl.Float64,
    "peak_power_at_minimum_voltage_kw": pl.Float64,
    "continuous_power_at_minimum_voltage_kw": pl.Float64,
    "coolant_flow_l_per_min": pl.Float64,
    "coolant_inlet_c": pl.Float64,
    "magnet_mass_kg": pl.Float64,
    "loss_map": pl.String,
    "cell_capacity_ah": pl.Float64,
    "power_10_s_25c_kw": pl.Float64,
    "power_10_s_minus_10c_kw": pl.Float64,
    "power_10_s_by_charge": pl.String,
    "charge_curve": pl.String,
    "volume_l": pl.Float64,
    "envelope_x_mm": pl.Float64,
    "envelope_y_mm": pl.Float64,
    "envelope_z_mm": pl.Float64,
    "interfaces": pl.String,
    "carried_over": pl.String,
    "family_nre": pl.Float64,
    "family_tooling": pl.Float64,
    "application_nre": pl.Float64,
    "application_tooling": pl.Float64,
}
"""nre and tooling of the variant itself are columns of the modules table."""


def family_lamination_mm(members: Sequence[tuple[EAxle, str]]) -> tuple[float, float]:
    """Outer diameter of a family's lamination and stack length per torque, mm and mm/Nm.

    members: (e-axle, motor type). Volume law at the member of greatest torque, then diameter from length over diameter.
    """
    largest, motor_type = max(members, key=lambda member: member[0].peak_torque_nm)
    litres = STATOR_LITRES_BASE + STATOR_LITRES_PER_KW * largest.peak_power_w / 1000.0
    ratio = LENGTH_OVER_DIAMETER[motor_type]
    diameter = (4.0 * litres * 1e6 / (pi * ratio)) ** (1.0 / 3.0)
    return diameter, ratio * diameter / largest.peak_torque_nm


def e_axle_fields(e_axle: EAxle, row: Mapping[str, Any], members: Sequence[tuple[EAxle, str]]) -> dict[str, Any]:
    """Design fields of one member of an e-axle family."""
    largest = max(member.peak_torque_nm for member, _ in members)
    diameter, per_torque = family_lamination_mm(members)
    diameter = row.get("lamination_diameter_mm") or diameter
    stack = row.get("stack_length_mm") or per_torque * e_axle.peak_torque_nm
    turns = max(round(REFERENCE_TURNS * largest / e_axle.peak_torque_nm * e_axle.voltage_v / 350.0), 1)
    at_minimum = min(1.0, e_axle.voltage_min_v / e_axle.voltage_v)
    line_voltage = MODULATION * e_axle.voltage_v / sqrt(2.0)
    peak_current = 1.05 * e_axle.peak_power_w / (sqrt(3.0) * line_voltage * POWER_FACTOR)
    outer = diameter + HOUSING_DIAMETER_MM
    return {
        "lamination_diameter_mm": diameter,
        "stack_length_mm": stack,
        "turns_per_phase": row.get("turns_per_phase") or turns,
        "winding": WINDING,
        "pole_pairs": POLE_PAIRS,
        "gear_torque_limit_nm": GEAR_TORQUE_RESERVE * e_axle.peak_torque_nm * e_axle.gear_ratio,
        "phase_current_peak_a": peak_current,
        "phase_current_continuous_a": peak_current * e_axle.continuous_torque_nm / e_axle.peak_torque_nm,
        "peak_torque_duration_s": PEAK_DURATION_S,
        "peak_power_at_minimum_voltage_kw": e_axle.peak_power_w * at_minimum / 1000.0,
        "continuous_power_at_minimum_voltage_kw": min(e_axle.continuous_power_w, e_axle.peak_power_w * at_minimum)
        / 1e3,
        "coolant_flow_l_per_min": max(6.0, COOLANT_L_PER_MIN_PER_KW * e_axle.continuous_power_w / 1000.0),
        "coolant_inlet_c": COOLANT_INLET_C,
        "magnet_mass_kg": MAGNET_KG_PER_NM * e_axle.peak_torque_nm if row["motor_type"] == "pm" else 0.0,
        "loss_map": row.get("loss_map")
        or loss_map_text(e_axle.coefficients, e_axle.machine_power_w, e_axle.peak_torque_nm),
        "envelope_x_mm": outer + 120.0,
        "envelope_y_mm": stack + HOUSING_LENGTH_MM + GEARBOX_LENGTH_MM,
        "envelope_z_mm": outer + INVERTER_HEIGHT_MM,
        "interfaces": E_AXLE_INTERFACES,
        "carried_over": _carried_over(row),
    }


def pack_fields(pack: Pack, row: Mapping[str, Any]) -> dict[str, Any]:
    """Design fields of one pack."""
    gross_kwh = pack.gross_energy_j / 3.6e6
    series = series_cells(row)
    parallel = row["parallel_cells"] or 1
    volume = gross_kwh / PACK_KWH_PER_LITRE[pack.chemistry]
    width = PACK_WIDTH_MM[gross_kwh < 35.0]
    cold = discharge_power_limit_w(
        pack, 0.5, resistance_factor=pack.cold_resistance_factor, rate_factor=pack.cold_power_factor
    )
    return {
        "cell_capacity_ah": gross_kwh * 1000.0 / (series * CELL_NOMINAL_V[pack.chemistry] * parallel),
        "power_10_s_25c_kw": discharge_power_limit_w(pack, 0.5) / 1000.0,
        "power_10_s_minus_10c_kw": cold / 1000.0,
        "power_10_s_by_charge": _power_text(pack),
        "charge_curve": "; ".join(
            f"{100 * soc:.0f} %: {np.interp(soc, pack.soc, pack.dc_charge_power_w) / 1000:.1f} kW" for soc in CURVE_SOCS
        ),
        "volume_l": volume,
        "envelope_x_mm": volume * 1e6 / (width * PACK_HEIGHT_MM),
        "envelope_y_mm": width,
        "envelope_z_mm": PACK_HEIGHT_MM,
        "interfaces": PACK_INTERFACES,
        "carried_over": _carried_over(row),
    }


def _power_text(pack: Pack) -> str:
    """Ten-second discharge power at three states of charge, at 25 and -10 °C."""

    def at(soc: float, cold: bool) -> float:
        factors = (pack.cold_resistance_factor, pack.cold_power_factor) if cold else (1.0, 1.0)
        return discharge_power_limit_w(pack, soc, resistance_factor=factors[0], rate_factor=factors[1]) / 1000.0

    rows = [
        f"{title}: " + ", ".join(f"{at(soc, cold):.0f} kW at {100 * soc:.0f} %" for soc in POWER_SOCS)
        for title, cold in (("25 °C", False), ("-10 °C", True))
    ]
    return "; ".join(rows)


def _carried_over(row: Mapping[str, Any]) -> str:
    owners = row["sunk_for"] or []
    return f"variant exists at {', '.join(owners)}" if owners else "new variant"
