"""E-axles: ratings filled in by stated laws, envelopes by voltage and by thermal rating, loss tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from teikei.modules.losses import (
    MACHINE_BASE_SPEED_RADPS,
    drive_coefficients,
    loss_table,
    machine_power_w,
    read_loss_map,
)
from teikei.modules.types import Array, EAxle

CONTINUOUS_POWER_SHARE: Final = 0.5  # of peak, where the study gives none (assumption, 0.4 to 0.6)
CONTINUOUS_TORQUE_SHARE: Final = 0.45  # of peak (assumption, 0.35 to 0.55)
DEFAULT_GEAR_RATIO: Final = 9.5
DEFAULT_MAX_SPEED_RPM: Final = 13_000.0
DEFAULT_VOLTAGE_V: Final = 350.0
GEAR_EFFICIENCY: Final = 0.97  # two helical stages and differential, per power flow (assumption, 0.96 to 0.98)
ROTOR_INERTIA_KGM2_PER_NM: Final = 1.5e-4  # assumption: 0.042 kg m2 for a 280 Nm machine


def peak_torque_nm(row: Mapping[str, Any]) -> float:
    """Peak torque of a row of the modules table; peak power at 4,200 rpm (assumption) where the study gives none."""
    if row["peak_torque_nm"] is not None:
        return float(row["peak_torque_nm"])
    return float(row["peak_power_kw"]) * 1000.0 / MACHINE_BASE_SPEED_RADPS


def build_e_axle(row: Mapping[str, Any], mass_kg: float, *, family_size_w: float = 0.0) -> tuple[EAxle, list[str]]:
    """An e-axle from a row of the modules table (peak power required) and notes on what was filled in.

    family_size_w: machine size of the largest member of its family, whose cross-section it shares.
    """
    notes: list[str] = []

    def filled(column: str, fallback: float, law: str) -> float:
        if row[column] is not None:
            return float(row[column])
        notes.append(f"{column}: {law}")
        return fallback

    peak_power_kw = float(row["peak_power_kw"])
    torque_nm = filled("peak_torque_nm", peak_torque_nm(row), "peak power at 4,200 rpm")
    gear_ratio = filled("gear_ratio", DEFAULT_GEAR_RATIO, "9.5 (assumption)")
    max_speed_rpm = filled("max_speed_rpm", DEFAULT_MAX_SPEED_RPM, "13,000 rpm (assumption)")
    voltage_v = filled("voltage_nominal_v", DEFAULT_VOLTAGE_V, "350 V (assumption)")
    voltage_min_v = filled("voltage_min_v", 0.75 * voltage_v, "0.75 of nominal (assumption)")
    continuous_kw = filled("continuous_power_kw", CONTINUOUS_POWER_SHARE * peak_power_kw, "half of peak (assumption)")
    continuous_nm = filled(
        "continuous_torque_nm", CONTINUOUS_TORQUE_SHARE * torque_nm, "0.45 of peak torque (assumption)"
    )
    size_w = machine_power_w(torque_nm, peak_power_kw * 1000.0)
    rated_nm = torque_nm
    if row.get("loss_map"):
        coefficients, size_w, rated_nm = read_loss_map(row["loss_map"])
        notes.append("loss_map: as given")
    else:
        coefficients = drive_coefficients(
            row["motor_type"] or "pm",
            row["inverter_switch"] or "si",
            max(size_w, family_size_w),
        )
    if row["inverter_switch"] == "sic":
        notes.append("SiC inverter loss: assumption, no measured source")
    max_speed_radps = max_speed_rpm * np.pi / 30.0
    return (
        EAxle(
            module=row["module"],
            family=row["family"],
            peak_torque_nm=torque_nm,
            continuous_torque_nm=min(continuous_nm, torque_nm),
            peak_power_w=peak_power_kw * 1000.0,
            continuous_power_w=min(continuous_kw, peak_power_kw) * 1000.0,
            gear_ratio=gear_ratio,
            gear_efficiency=GEAR_EFFICIENCY,
            max_speed_radps=max_speed_radps,
            voltage_v=voltage_v,
            voltage_min_v=voltage_min_v,
            mass_kg=mass_kg,
            rotor_inertia_kgm2=ROTOR_INERTIA_KGM2_PER_NM * torque_nm,
            machine_power_w=size_w,
            coefficients=coefficients,
            loss=loss_table(
                coefficients,
                peak_torque_nm=torque_nm,
                peak_power_w=size_w,
                max_speed_radps=max_speed_radps,
                voltage_v=voltage_v,
                rated_torque_nm=rated_nm,
            ),
        ),
        notes,
    )


def torque_limit_nm(
    e_axle: EAxle, speed_radps: Array, *, voltage_v: float | None = None, continuous: bool = False
) -> Array:
    """Torque limit at motor speed, Nm: min(torque rating, power rating / speed), 0 above the maximum speed.

    Below nominal voltage the peak power falls in proportion to voltage (flux weakening at constant current); the
    continuous power rating is thermal, and is capped by that falling peak power.
    """
    ratio = min(1.0, voltage_v / e_axle.voltage_v) if voltage_v is not None else 1.0
    power = e_axle.peak_power_w * ratio
    torque = e_axle.peak_torque_nm
    if continuous:
        power, torque = min(power, e_axle.continuous_power_w), e_axle.continuous_torque_nm
    speed = np.maximum(np.asarray(speed_radps, dtype=float), 1e-9)
    return np.where(speed <= e_axle.max_speed_radps, np.minimum(torque, power / speed), 0.0)
