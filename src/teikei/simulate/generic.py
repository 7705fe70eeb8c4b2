"""Cars known only by road load, test mass, power and drive (certification tests): a generic powertrain around them.

One equivalent machine of the rated power drives the wheels; its losses are the per-unit losses of ``modules.losses``
times ``loss_scale``. The road-load coefficients already contain tyre, bearing and gear drag, so no gear drag is added.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Final

import numpy as np

from teikei.modules.losses import drive_coefficients, loss_w
from teikei.modules.packs import CELL_LIMITS_V, CELL_NOMINAL_V, SOC_GRID, cell_curves
from teikei.modules.types import Array
from teikei.simulate.cycles import Cycle
from teikei.simulate.fleet import Fleet, plain
from teikei.simulate.powertrain import FORCE_POINTS, SPEED_POINTS

BASE_SPEED_MPS: Final = 13.0  # vehicle speed at which a typical drive reaches its power (0.45 g with 70 W/kg)
TOP_SPEED_MPS: Final = 55.0
GEAR_LOAD_EFFICIENCY: Final = 0.98  # load-dependent part only; gear drag is in the coastdown coefficients
DEFAULT_POWER_W_PER_KG: Final = 85.0
REFERENCE_YEAR: Final = 2021.0
TESTED_YEARS: Final = (2011.0, 2023.0)  # of the tests that ship: beyond them a car is taken as the nearest of them
REGEN_FADE_MPS: Final = (0.8, 3.0)
REGEN_LIMIT_MPS2: Final = 3.5
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

    def moved(self, name: str, step: float) -> LossParameters:
        """The same with one parameter changed by ``step``."""
        return replace(self, **{name: getattr(self, name) + step})


PARAMETER_NAMES: Final = tuple(one.name for one in fields(LossParameters))


def charger_efficiency(at_reference: Array, per_year: Array, model_year: Array) -> Array:
    """Charger efficiency of a model year, kept within 0.6 to 0.97; years beyond the tested ones count as the last."""
    year = np.clip(np.where(np.isnan(model_year), REFERENCE_YEAR, model_year), *TESTED_YEARS)
    return np.clip(at_reference * (1.0 + per_year * (year - REFERENCE_YEAR)), 0.6, 0.97)


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
        if len(set(self.motor_types)) == 1:
            return KnownCars(**arrays, motor_types=self.motor_types[:1] * len(arrays["test_mass_kg"]))
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


Parameters = LossParameters | Sequence[LossParameters] | Array
"""One set for all cars, one per car, or a table (N, 6) in the order of ``PARAMETER_NAMES``."""


def parameter_table(parameters: Parameters, count: int) -> Array:
    """Parameters of every car (N, 6)."""
    if isinstance(parameters, np.ndarray):
        return parameters
    sets = [parameters] if isinstance(parameters, LossParameters) else list(parameters)
    table = np.array([[getattr(one, name) for name in PARAMETER_NAMES] for one in sets], dtype=float).reshape(-1, 6)
    return np.broadcast_to(table, (count, 6)) if len(table) == 1 else table


def fleet_of_known(cars: KnownCars, parameters: Parameters, *, start_soc: Array | float = START_SOC) -> Fleet:
    """The cars for the kernels: each kind of motor has one per-unit table that its cars share by scales.

    A car of unknown energy has ``DEFAULT_ENERGY_KWH`` and is never empty.
    """
    count = len(cars)
    table = parameter_table(parameters, count)
    loss_scale, regen_share, auxiliary_w, _, _, exponent = table.T
    power = drive_power_w(cars, exponent)
    kinds = tuple(dict.fromkeys(cars.motor_types))
    units = unit_loss_tables(kinds)
    speed = np.linspace(0.0, TOP_SPEED_MPS, SPEED_POINTS)
    unit_force = np.tile(np.minimum(1.0 / BASE_SPEED_MPS, 1.0 / np.maximum(speed, 1e-9)), (len(kinds), 1))
    unknown = np.isnan(cars.usable_energy_wh)
    energy = np.where(unknown, DEFAULT_ENERGY_KWH * 1000.0, cars.usable_energy_wh)
    ocv, ohm_ah = cell_curves("nmc", 25.0)
    capacity_ah = energy / (SERIES_CELLS * CELL_NOMINAL_V["nmc"])
    regen = np.tile([0.0, *REGEN_FADE_MPS, REGEN_LIMIT_MPS2], (count, 1))
    regen[:, 0] = regen_share
    place = {kind: number for number, kind in enumerate(kinds)}
    return Fleet(
        f0_n=cars.f0_n,
        f1_n_per_mps=cars.f1_n_per_mps,
        f2_n_per_mps2=cars.f2_n_per_mps2,
        inertia_kg=cars.test_mass_kg * (1.0 + ROTATING_SHARE),
        auxiliary_w=np.ascontiguousarray(auxiliary_w),
        regen=regen,
        pack_index=np.zeros(count, dtype=np.int64),
        table_index=np.array([place[kind] for kind in cars.motor_types], dtype=np.int64),
        soc_start=np.broadcast_to(np.asarray(start_soc, dtype=float), (count,)).copy(),
        resistance_factor=1.0 / capacity_ah,
        discharge_limit_w=np.full(count, np.inf),
        charge_limit_w=np.full(count, np.inf),
        losses_w=np.stack([units[kind] for kind in kinds]),
        top_speed_mps=np.full(len(kinds), TOP_SPEED_MPS),
        force_limit_n=np.full(len(kinds), 1.0 / BASE_SPEED_MPS),
        drive_force_n=unit_force,
        brake_force_n=unit_force,
        ocv_v=(ocv * SERIES_CELLS)[None, :],
        resistance_ohm=(ohm_ah * SERIES_CELLS)[None, :],
        charge_c=np.array([3600.0 * CELL_NOMINAL_V["nmc"] / float(np.trapezoid(ocv, SOC_GRID))]),
        mass_kg=cars.test_mass_kg,
        empty_soc=np.where(unknown, -np.inf, 0.0),
        force_scale=power,
        loss_scale=loss_scale * power,
        # what the car can give is its rated power where that is less than the machine the losses belong to
        limit_scale=np.fmin(power, cars.power_w),
        capacity_factor=capacity_ah,
        voltage_max_v=np.array([CELL_LIMITS_V["nmc"][1] * SERIES_CELLS]),
    )


def run_cycle(cars: KnownCars, trace: Cycle, parameters: Parameters) -> Array:
    """Totals (``kernels.TOTALS``) of every car on a trace, step by step."""
    return plain(fleet_of_known(cars, parameters), trace)


def wall_efficiency(cars: KnownCars, parameters: Parameters) -> Array:
    """AC wall to cells of each car: its own figure where given, else that of the parameters."""
    table = parameter_table(parameters, len(cars))
    fitted = charger_efficiency(table[:, 3], table[:, 4], cars.model_year)
    return np.where(np.isnan(cars.charger_efficiency), fitted, cars.charger_efficiency)


def battery_wh_per_km(cars: KnownCars, trace: Cycle, parameters: Parameters) -> Array:
    """Energy out of the cells, Wh/km."""
    totals = run_cycle(cars, trace, parameters)
    return np.asarray(totals[:, 7] / 3.6 / totals[:, 0], dtype=float)


def wall_wh_per_km(cars: KnownCars, trace: Cycle, parameters: Parameters) -> Array:
    """AC wall energy, Wh/km."""
    return battery_wh_per_km(cars, trace, parameters) / wall_efficiency(cars, parameters)
