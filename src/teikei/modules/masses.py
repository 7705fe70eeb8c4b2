"""Mass laws, used where a study gives no mass; each with source, validity range and, where known, its scatter."""

from __future__ import annotations

import math
from dataclasses import dataclass

LB_KG = 0.45359237


@dataclass(frozen=True)
class LawResult:
    """A value from a law: central, low and high of the sources' spread, the law's name, and a note if out of range."""

    value: float
    low: float
    high: float
    law: str
    warning: str = ""


def _range_note(name: str, value: float, low: float, high: float, unit: str) -> str:
    if low <= value <= high:
        return ""
    return f"{name} {value:.0f} {unit} is outside the law's range {low:.0f} to {high:.0f} {unit}"


def gearbox_mass_kg(peak_torque_nm: float, gear_ratio: float) -> float:
    """Single-speed reduction gear with differential, kg: 8 + 0.0068 kg per Nm at the wheels (assumption).

    Chosen so that a 2,700 Nm axle weighs 26 kg; no public regression was found. Range ±30 %.
    """
    return 8.0 + 0.0068 * peak_torque_nm * gear_ratio


def e_axle_mass_kg(motor_type: str, peak_torque_nm: float, peak_power_kw: float, gear_ratio: float) -> LawResult:
    """Motor, inverter and gear of one axle, kg.

    TUM AuVeCoDe regressions: PSM 23.145 + 0.088425 T (R² 0.34, RMSE 10.1 kg, 165–450 Nm), ASM 29.348 + 0.13049 T
    (R² 0.70, RMSE 11 kg), mounts and insulation 12.94 kg (scaled with the motor below 40 kg), inverter 11.86 kg, plus
    ``gearbox_mass_kg``. Spread: ±RMSE, and the EPA OMEGA law for everything but the battery (0.61 lb/hp slope).
    """
    slope, base, scatter = (0.13049, 29.3478, 11.0) if motor_type == "induction" else (0.088425, 23.145, 10.1)
    motor = base + slope * peak_torque_nm
    mounts = 12.94 * min(1.0, motor / 40.0)
    gear = gearbox_mass_kg(peak_torque_nm, gear_ratio)
    value = motor + mounts + 11.86 + gear
    epa = 0.61 * (peak_power_kw / 0.7457) * LB_KG + 0.5 * 230 * LB_KG
    return LawResult(
        value,
        min(value - scatter, epa),
        max(value + scatter, epa),
        "TUM AuVeCoDe machine, mounts and inverter (R² 0.70, 57-450 Nm); gear by assumption"
        if motor_type == "induction"
        else "TUM AuVeCoDe machine, mounts and inverter (R² 0.34, 165-450 Nm); gear by assumption",
        _range_note("peak torque", peak_torque_nm, 57.0 if motor_type == "induction" else 165.0, 450.0, "Nm"),
    )


def pack_mass_kg(chemistry: str, gross_energy_kwh: float, model_year: int) -> LawResult:
    """Battery pack, kg: EPA OMEGA FRM (ANL BatPaC), kg per gross kWh by model year 2023–2035.

    NMC (5.266 + 20.60 / E^1.129) − 0.3537 n e^(−0.08158 n); LFP (6.602 + 25.62 / E^1.016) − 0.3597 n e^(−0.09757 n);
    n = model year − 2023. Spread ±10 % (cell-to-pack against module designs; assumption).
    """
    years = float(min(max(model_year, 2023), 2035) - 2023)
    if chemistry == "lfp":
        specific = 6.602 + 25.62 / gross_energy_kwh**1.016 - 0.3597 * years * math.exp(-0.09757 * years)
    else:
        specific = 5.266 + 20.60 / gross_energy_kwh**1.129 - 0.3537 * years * math.exp(-0.08158 * years)
    value = specific * gross_energy_kwh
    return LawResult(
        value,
        0.9 * value,
        1.1 * value,
        "EPA OMEGA FRM pack mass (ANL BatPaC, 20-120 kWh, 2023-2035)",
        _range_note("gross energy", gross_energy_kwh, 20.0, 120.0, "kWh"),
    )


def charger_mass_kg(ac_charge_power_kw: float) -> LawResult:
    """On-board charger with DC-DC converter, kg: TUM AuVeCoDe at 60 kWh and 350 V for 6.6 kW, scaled by power.

    The TUM law has the pack energy as variable; its 60 kWh value is read as 6.6 kW, 0.8 kg per further kW (assumption).
    """
    value = 5.3459 + 0.10956 * 60 + 1.21 + 1.8787 + 0.0069707 * 350 + 0.65 + 0.8 * (ac_charge_power_kw - 6.6)
    return LawResult(
        max(value, 5.0),
        0.7 * value,
        1.3 * value,
        "TUM AuVeCoDe charger and converter, power slope assumed (3-22 kW)",
        _range_note("AC charge power", ac_charge_power_kw, 2.9, 22.0, "kW"),
    )


def thermal_mass_kg(peak_power_kw: float = 120.0) -> LawResult:
    """Powertrain cooling with coolant (2WD), kg: TUM AuVeCoDe 11.1957 + 0.04334 P + 7.39 (R² 0.39, 49–331 kW)."""
    value = 11.1957 + 0.04334 * peak_power_kw + 7.39
    return LawResult(value, 0.75 * value, 1.25 * value, "TUM AuVeCoDe powertrain cooling (R² 0.39, 49-331 kW)")


def harness_mass_kg(wheelbase_mm: float = 2650.0) -> LawResult:
    """High-voltage cables, kg: TUM AuVeCoDe −13.6378 + 0.0068436 wheelbase (R² 0.17, 2421–2990 mm)."""
    value = -13.6378 + 0.0068436 * wheelbase_mm
    return LawResult(
        value, 0.5 * value, 1.5 * value, "TUM AuVeCoDe high-voltage cables at 2650 mm wheelbase (R² 0.17, 2421-2990 mm)"
    )
