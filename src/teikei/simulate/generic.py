"""Cars known only by road load, test mass, power and drive (certification tests): a generic powertrain around them.

One equivalent machine of the rated power drives the wheels; its losses are the per-unit losses of ``modules.losses``
times ``loss_scale``. The road-load coefficients already contain tyre, bearing and gear drag, so no gear drag is added.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from teikei.modules.losses import drive_coefficients, loss_w
from teikei.modules.packs import CELL_NOMINAL_V, SOC_GRID, cell_curves
from teikei.modules.types import Array
from teikei.simulate.cycles import Cycle
from teikei.simulate.powertrain import FORCE_POINTS, SPEED_POINTS

BASE_SPEED_MPS: Final = 13.0  # vehicle speed at which a typical drive reaches its power (0.45 g with 70 W/kg)
TOP_SPEED_MPS: Final = 55.0
GEAR_LOAD_EFFICIENCY: Final = 0.98  # load-dependent part only; gear drag is in the coastdown coefficients
DEFAULT_POWER_W_PER_KG: Final = 85.0
REFERENCE_YEAR: Final = 2021.0
DEFAULT_ENERGY_KWH: Final = 70.0
ROTATING_SHARE: Final = 0.015  # of test mass, 40 CFR 1066: rotating axle components of the driven wheels
SERIES_CELLS: Final = 96
START_SOC: Final = 0.9


@dataclass(frozen=True)
class LossParameters:
    """The few physical parameters that calibration fits.

    loss_scale: multiplies all losses of motor, inverter and gear. regen_share: part of the braking force
    that the motors take. auxiliary_w: electrical load besides traction. charger_efficiency: AC wall to cells, of a car
    of 2021; efficiency_per_year: its relative change with the model year (chargers and the rest of the electronics).
    power_exponent: how the losses grow with the rated power, see ``drive_power_w``.
    """

    loss_scale: float = 1.0
    regen_share: float = 0.88
    auxiliary_w: float = 250.0
    charger_efficiency: float = 0.87
    efficiency_per_year: float = 0.0
    power_exponent: float = 0.25

    def efficiency(self, model_year: float) -> float:
        """Charger efficiency of a model year, kept within 0.6 to 0.97."""
        years = 0.0 if np.isnan(model_year) else min(max(model_year - REFERENCE_YEAR, -10.0), 10.0)
        return min(max(self.charger_efficiency * (1.0 + self.efficiency_per_year * years), 0.6), 0.97)

    def moved(self, name: str, step: float) -> LossParameters:
        """The same with one parameter changed by ``step``."""
        return replace(self, **{name: getattr(self, name) + step})


@dataclass(frozen=True)
class KnownCars:
    """Arrays (N,) of cars of a vehicles file; power, energy, year and the car's own charger efficiency may be NaN.

    driven_axles: 1 or 2.
    """

    test_mass_kg: Array
    f0_n: Array
    f1_n_per_mps: Array
    f2_n_per_mps2: Array
    power_w: Array
    usable_energy_wh: Array
    model_year: Array
    charger_efficiency: Array
    driven_axles: Array
    motor_types: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.test_mass_kg)

    def take(self, index: Any) -> KnownCars:
        """Some of the cars."""
        arrays: dict[str, Any] = {name: np.asarray(getattr(self, name))[index] for name in _ARRAYS}
        return KnownCars(**arrays, motor_types=tuple(self.motor_types[int(i)] for i in np.arange(len(self))[index]))


_ARRAYS: Final = (
    "test_mass_kg",
    "f0_n",
    "f1_n_per_mps",
    "f2_n_per_mps2",
    "power_w",
    "usable_energy_wh",
    "model_year",
    "charger_efficiency",
    "driven_axles",
)


def drive_power_w(cars: KnownCars, exponent: Array | float) -> Array:
    """Power of the equivalent machine, W: P0 (P / P0)^exponent with P0 = 85 W per kg of test mass.

    The reported rating is a peak for some makers and a continuous rating for others, and strong cars rest one axle at
    part load: over all makers losses rise far slower than rated power (158 EPA tests), hence the small exponent.
    """
    usual = DEFAULT_POWER_W_PER_KG * cars.test_mass_kg
    ratio = np.where(np.isnan(cars.power_w) | (cars.power_w <= 0), 1.0, cars.power_w / usual)
    return np.asarray(usual * ratio**exponent, dtype=float)


def unit_loss_tables(motor_types: Sequence[str], inverter_switch: str = "si") -> dict[str, Array]:
    """Per-unit loss (of rated power) over speed (0 … TOP_SPEED_MPS) and force (±peak) of each motor type."""
    speed = np.linspace(0.0, TOP_SPEED_MPS, SPEED_POINTS)[:, None] / BASE_SPEED_MPS
    force = np.linspace(-1.0, 1.0, FORCE_POINTS)[None, :]
    gear = (1.0 - GEAR_LOAD_EFFICIENCY) * np.abs(force) * speed
    return {
        motor_type: gear
        + loss_w(drive_coefficients(motor_type, inverter_switch), force, speed, peak_torque_nm=1.0, peak_power_w=1.0)
        for motor_type in dict.fromkeys(motor_types)
    }


def run_cycle(cars: KnownCars, trace: Cycle, parameters: LossParameters | Sequence[LossParameters]) -> Array:
    """Totals (``kernels.TOTALS``) of every car on a trace; one set of parameters for all, or one per car."""
    from teikei.simulate.kernels import TOTALS, cycle_totals

    count = len(cars)
    sets = [parameters] * count if isinstance(parameters, LossParameters) else list(parameters)
    power = drive_power_w(cars, np.array([p.power_exponent for p in sets]))
    limit = power / BASE_SPEED_MPS
    scale = np.array([p.loss_scale for p in sets]) * power
    units = unit_loss_tables(cars.motor_types)
    losses = np.stack([units[kind] * s for kind, s in zip(cars.motor_types, scale, strict=True)])
    speed = np.linspace(0.0, TOP_SPEED_MPS, SPEED_POINTS)
    # what the car can give is its rated power where that is less than the machine the losses belong to
    most = np.fmin(power, cars.power_w)
    force = np.minimum(most[:, None] / BASE_SPEED_MPS, most[:, None] / np.maximum(speed[None, :], 1e-9))
    energy = np.where(np.isnan(cars.usable_energy_wh), DEFAULT_ENERGY_KWH * 1000.0, cars.usable_energy_wh)
    ocv, ohm_ah = cell_curves("nmc", 25.0)
    capacity_ah = energy / (SERIES_CELLS * CELL_NOMINAL_V["nmc"])
    out = np.zeros((count, len(TOTALS)))
    fade = np.tile([0.0, 0.8, 3.0, 3.5], (count, 1))
    fade[:, 0] = [p.regen_share for p in sets]
    cycle_totals(
        trace.time_s,
        trace.speed_mps,
        cars.f0_n,
        cars.f1_n_per_mps,
        cars.f2_n_per_mps2,
        cars.test_mass_kg * (1.0 + ROTATING_SHARE),
        np.array([p.auxiliary_w for p in sets]),
        fade,
        np.arange(count),
        np.arange(count),
        np.full(count, START_SOC),
        np.ones(count),
        np.full(count, np.inf),
        np.full(count, np.inf),
        losses,
        np.full(count, TOP_SPEED_MPS),
        limit,
        force,
        force,
        np.tile(ocv * SERIES_CELLS, (count, 1)),
        ohm_ah[None, :] * SERIES_CELLS / capacity_ah[:, None],
        capacity_ah * 3600.0 * float(np.trapezoid(ocv, SOC_GRID)) / float(np.mean(ocv[1:])),
        out,
    )
    return out


def wall_efficiency(cars: KnownCars, parameters: LossParameters | Sequence[LossParameters]) -> Array:
    """AC wall to cells of each car: its own figure where given, else that of the parameters."""
    sets = [parameters] * len(cars) if isinstance(parameters, LossParameters) else list(parameters)
    fitted = np.array([p.efficiency(float(year)) for p, year in zip(sets, cars.model_year, strict=True)])
    return np.where(np.isnan(cars.charger_efficiency), fitted, cars.charger_efficiency)


def battery_wh_per_km(cars: KnownCars, trace: Cycle, parameters: LossParameters | Sequence[LossParameters]) -> Array:
    """Energy out of the cells, Wh/km."""
    totals = run_cycle(cars, trace, parameters)
    return np.asarray(totals[:, 7] / 3.6 / totals[:, 0], dtype=float)


def wall_wh_per_km(cars: KnownCars, trace: Cycle, parameters: LossParameters | Sequence[LossParameters]) -> Array:
    """AC wall energy, Wh/km."""
    return battery_wh_per_km(cars, trace, parameters) / wall_efficiency(cars, parameters)
