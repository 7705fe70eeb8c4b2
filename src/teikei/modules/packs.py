"""Packs from cells: open-circuit voltage, resistance, power limits, charge curve.

Measured: the 2013 Leaf cell (ORNL pulse tests at 10, 25, 40 °C; ``data/cells``). Cells of other capacity have the same
resistance times capacity (same electrode, other area). LFP and everything below 10 °C are assumptions with a range.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cache
from typing import Any, Final

import numpy as np

from teikei.modules.charge_curves import charge_curve_kw
from teikei.modules.data_files import reference_rows
from teikei.modules.types import Array, Pack
from teikei.units import J_PER_KWH

LEAF_CELL_CAPACITY_AH: Final = 31.4
MEASURED_CELL_C: Final = (10.0, 40.0)
SOC_GRID: Final = np.linspace(0.0, 1.0, 21)
CELL_NOMINAL_V: Final = {"nmc": 3.75, "lfp": 3.22, "other": 3.75}
CELL_LIMITS_V: Final = {"nmc": (2.8, 4.2), "lfp": (2.5, 3.65), "other": (2.8, 4.2)}
_LFP_OCV_SOC: Final = (0.0, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 0.95, 1.0)
_LFP_OCV_V: Final = (2.90, 3.12, 3.19, 3.245, 3.285, 3.295, 3.33, 3.345, 3.40)
LFP_RESISTANCE_FACTOR: Final = 1.1  # resistance x capacity against the Leaf cell; assumption, range 0.8 to 1.5
PULSE_RATE_PER_H: Final = {"nmc": 6.0, "lfp": 5.0, "other": 6.0}  # 10 s discharge power / energy; assumption, 4 to 8
REGEN_RATE_PER_H: Final = {"nmc": 3.0, "lfp": 2.5, "other": 3.0}  # 10 s charge power / energy; assumption, 2 to 4
DC_CHARGE_RATE_PER_H: Final = 1.3  # peak DC power / gross energy where the study gives none; assumption, 0.8 to 2.2
DEFAULT_VOLTAGE_V: Final = 350.0  # assumption
USABLE_SHARE: Final = 0.92  # TUM AuVeCoDe net/gross capacity, where the study gives none
_CHARGE_SHAPE_SOC: Final = (0.0, 0.1, 0.35, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
# assumption: plateau, then taper to the cell limit; 10-80 % at 0.79 of the peak (Leaf 0.60, Ariya 0.84 by their makers)
_CHARGE_SHAPE: Final = (0.85, 1.0, 1.0, 0.85, 0.72, 0.60, 0.48, 0.28, 0.10)
COLD_CHARGE_FACTOR: Final = {"nmc": 0.35, "lfp": 0.20, "other": 0.35}  # of the 10 s charge power at -10 °C; assumption
COLD_CHEMISTRY_FACTOR: Final = {"nmc": 0.85, "lfp": 0.70, "other": 0.85}  # of the pulse rate at -10 °C; assumption


@cache
def leaf_cell(temperature_c: float) -> tuple[Array, Array]:
    """Open-circuit voltage (V) and 10 s discharge resistance (ohm) of the Leaf cell on ``SOC_GRID`` at a temperature.

    Between the measured 10, 25 and 40 °C resistance follows log-linear interpolation in 1/T; below 10 °C the slope
    between 10 and 25 °C is continued (Arrhenius; an extrapolation), above 40 °C the value at 40 °C.
    """
    rows = reference_rows("cells", "leaf_2013_pulse_tests.csv")
    curves = []
    for measured_c in (10.0, 25.0, 40.0):
        points = [row for row in rows if float(row["temperature_c"]) == measured_c]
        soc = np.array([1.0 - float(row["discharged_ah"]) / LEAF_CELL_CAPACITY_AH for row in points])[::-1]
        ocv = np.array([float(row["ocv_v"]) for row in points])[::-1]
        ohm = np.array([float(row["resistance_discharge_10s_ohm"]) for row in points])[::-1]
        low_end = (0.0, ocv[0] - 0.40, ohm[0] * 1.6)  # below the last pulse: the 1C discharge ends at 3.0 V
        curves.append(
            (
                np.interp(SOC_GRID, [low_end[0], *soc], [low_end[1], *ocv]),
                np.interp(SOC_GRID, [low_end[0], *soc], [low_end[2], *ohm]),
            )
        )
    kelvin = 1.0 / (273.15 + np.array([10.0, 25.0, 40.0]))
    position = 1.0 / (273.15 + min(temperature_c, 40.0))
    if position >= kelvin[1]:
        weight = (position - kelvin[1]) / (kelvin[0] - kelvin[1])
        ohm = np.exp(np.log(curves[1][1]) * (1 - weight) + np.log(curves[0][1]) * weight)
    else:
        weight = (position - kelvin[2]) / (kelvin[1] - kelvin[2])
        ohm = np.exp(np.log(curves[2][1]) * (1 - weight) + np.log(curves[1][1]) * weight)
    return curves[1][0], np.asarray(ohm, dtype=float)


def cell_curves(chemistry: str, temperature_c: float) -> tuple[Array, Array]:
    """Open-circuit voltage (V) and resistance x capacity (ohm Ah) of a cell on ``SOC_GRID``."""
    ocv, ohm = leaf_cell(temperature_c)
    if chemistry == "lfp":
        return np.interp(SOC_GRID, _LFP_OCV_SOC, _LFP_OCV_V), ohm * LEAF_CELL_CAPACITY_AH * LFP_RESISTANCE_FACTOR
    return ocv, ohm * LEAF_CELL_CAPACITY_AH


def series_cells(row: Mapping[str, Any]) -> int:
    """Cells in series of a row of the modules table; nominal voltage (350 V) over the cell's where it gives none."""
    nominal_v = row["voltage_nominal_v"] or DEFAULT_VOLTAGE_V
    return int(row["series_cells"] or round(nominal_v / CELL_NOMINAL_V[row["chemistry"] or "nmc"]))


def build_pack(row: dict[str, Any], mass_kg: float) -> tuple[Pack, list[str]]:
    """A pack from a row of the modules table with gross energy; and notes on what was filled in.

    series_cells defaults to nominal voltage over the cell's; usable energy to 0.92 of gross.
    """
    notes: list[str] = []
    chemistry = row["chemistry"] or "nmc"
    gross_kwh = float(row["gross_energy_kwh"])
    usable_kwh = row["usable_energy_kwh"]
    if usable_kwh is None:
        usable_kwh = USABLE_SHARE * gross_kwh
        notes.append("usable energy: 0.92 of gross (TUM AuVeCoDe)")
    series = series_cells(row)
    ocv, ohm_ah = cell_curves(chemistry, 25.0)
    mean_v = float(np.mean(ocv[1:]))
    capacity_ah = gross_kwh * 1000.0 / (series * mean_v)
    resistance = ohm_ah * series / capacity_ah
    low_v, high_v = CELL_LIMITS_V[chemistry]
    voltage_min = row["voltage_min_v"] or low_v * series
    voltage_max = row["voltage_max_v"] or high_v * series
    dc_peak_kw = row["dc_charge_power_kw"]
    curve_text = row.get("dc_curve")
    if curve_text:
        shape, note = charge_curve_kw(curve_text, row["module"], float(usable_kwh), SOC_GRID)
        charge_kw = np.minimum(shape, dc_peak_kw) if dc_peak_kw is not None else shape
        notes.append(note)
    elif dc_peak_kw is None:
        dc_peak_kw = DC_CHARGE_RATE_PER_H * gross_kwh
        notes.append(f"DC charge power: {DC_CHARGE_RATE_PER_H:g} x gross energy (assumption)")
    if not curve_text:
        charge_kw = np.interp(SOC_GRID, _CHARGE_SHAPE_SOC, _CHARGE_SHAPE) * float(dc_peak_kw)
    _, cold_ohm_ah = cell_curves(chemistry, -10.0)
    middle = len(SOC_GRID) // 2
    if chemistry == "lfp":
        notes.append("LFP cell: assumption, no measured source")
    return (
        Pack(
            module=row["module"],
            family=row["family"],
            chemistry=chemistry,
            gross_energy_j=gross_kwh * J_PER_KWH,
            usable_energy_j=float(usable_kwh) * J_PER_KWH,
            mass_kg=mass_kg,
            voltage_min_v=float(voltage_min),
            voltage_max_v=float(voltage_max),
            soc=SOC_GRID,
            open_circuit_voltage_v=ocv * series,
            resistance_ohm=resistance,
            peak_discharge_power_w=PULSE_RATE_PER_H[chemistry] * gross_kwh * 1000.0,
            peak_charge_power_w=REGEN_RATE_PER_H[chemistry] * gross_kwh * 1000.0,
            dc_charge_power_w=charge_kw * 1000.0,
            cold_power_factor=COLD_CHEMISTRY_FACTOR[chemistry],
            cold_charge_factor=COLD_CHARGE_FACTOR[chemistry],
            cold_resistance_factor=float(cold_ohm_ah[middle] / ohm_ah[middle]),
        ),
        notes,
    )


def cold_share(temperature_c: float) -> float:
    """Exponent of the factors that hold at -10 °C: 0 from 20 °C up, 1 at -10 °C, at most 1.5 (log-linear between)."""
    return min(max((20.0 - temperature_c) / 30.0, 0.0), 1.5)


def discharge_power_limit_w(
    pack: Pack, soc: float, *, resistance_factor: float = 1.0, rate_factor: float = 1.0
) -> float:
    """Ten-second discharge power, W: the lesser of the voltage limit V_min (OCV − V_min) / R and the rate limit."""
    ocv = float(np.interp(soc, pack.soc, pack.open_circuit_voltage_v))
    ohm = float(np.interp(soc, pack.soc, pack.resistance_ohm)) * resistance_factor
    voltage = max(pack.voltage_min_v, ocv / 2.0)
    by_voltage = voltage * max(ocv - voltage, 0.0) / ohm
    return min(by_voltage, pack.peak_discharge_power_w * rate_factor)


def dc_charge_time_s(
    pack: Pack,
    start_soc: float,
    end_soc: float,
    station_power_w: float = math.inf,
    *,
    power_factor: float = 1.0,
    resistance_factor: float = 1.0,
) -> float:
    """Time to charge from one state of charge (of usable energy) to another, s, by charge curve and station power.

    State of charge is read on the usable window; the accepted power is terminal power, resistance loss is taken off it.
    power_factor and resistance_factor: of cells that are cold (``cold_charge_factor``, ``cold_resistance_factor``).
    """
    edges = np.linspace(start_soc, end_soc, 71)
    middle = 0.5 * (edges[1:] + edges[:-1])
    power = np.minimum(np.interp(middle, pack.soc, pack.dc_charge_power_w) * power_factor, station_power_w)
    ocv = np.interp(middle, pack.soc, pack.open_circuit_voltage_v)
    ohm = np.interp(middle, pack.soc, pack.resistance_ohm) * resistance_factor
    current = (-ocv + np.sqrt(ocv * ocv + 4.0 * ohm * power)) / (2.0 * ohm)
    return float(np.sum(np.diff(edges) * pack.usable_energy_j / (ocv * current)))
