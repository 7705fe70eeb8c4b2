"""Cars of a vehicles file as they are driven: payload, trailer, temperature, auxiliaries, start of charge of a row."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any, Final

import numpy as np

from teikei.modules.packs import cell_curves, cold_share
from teikei.modules.types import Array
from teikei.simulate.cycles import Cycle
from teikei.simulate.fleet import Fleet, batch, plain
from teikei.simulate.generic import ROTATING_SHARE, START_SOC, KnownCars, fleet_of_known
from teikei.simulate.weather import MILD, Weather
from teikei.units import AIR_DENSITY_KG_PER_M3, GRAVITY_MPS2

TRAILER_ROLLING: Final = 0.012  # of its weight (assumption, 0.010 to 0.015)
TRAILER_DRAG_AREA_M2: Final = 0.6  # Cd A on top of the car's where the row gives none (assumption: low; caravan 2 to 3)
REFERENCE_CARS: Final = 5_000  # up to so many cars the plain kernel is used, beyond them the one across the lanes
LOW_SOC: Final = 0.1  # a drive that ends below it is driven from full where the row gives no start of charge
EMPTY: Final = 13  # column of kernels.TOTALS
SOC_END: Final = 9


@dataclass(frozen=True)
class Load:
    """Arrays (N,) of what a row says of its drive; NaN where it says nothing."""

    auxiliary_w: Array
    temperature_c: Array
    payload_kg: Array
    trailer_mass_kg: Array
    trailer_drag_area_m2: Array
    start_soc: Array

    def take(self, index: Any) -> Load:
        """Some of the rows."""
        return Load(
            self.auxiliary_w[index],
            self.temperature_c[index],
            self.payload_kg[index],
            self.trailer_mass_kg[index],
            self.trailer_drag_area_m2[index],
            self.start_soc[index],
        )


def drive(cars: KnownCars, trace: Cycle, parameters: Array, load: Load) -> Array:
    """Totals (``kernels.TOTALS``) of every car on a drive. Parameters: a table (N, 6).

    A car starts at 90 % where its row says nothing; a drive that would take it below 10 % is driven from full instead,
    and ends where the pack is empty.
    """
    run = plain if len(cars) <= REFERENCE_CARS else batch
    fleet = fleet_as_driven(cars, trace, parameters, load)
    totals = run(fleet, trace)
    short = np.isnan(load.start_soc) & np.isfinite(fleet.empty_soc)
    short &= (totals[:, EMPTY] > 0) | (totals[:, SOC_END] < LOW_SOC)
    if short.any():
        totals[short] = run(replace(fleet.cars(short), soc_start=np.ones(int(short.sum()))), trace)
    return totals


TRACED: Final = (
    "time_s",
    "speed_mps",
    "asked_speed_mps",
    "distance_m",
    "state_of_charge",
    "battery_power_kw",
    "wheel_power_kw",
    "powertrain_loss_kw",
    "auxiliary_kw",
    "battery_loss_kw",
    "friction_brake_kw",
)
"""Columns of ``traced``: speeds, distance and charge at the time, powers as means since the time before."""


def traced(cars: KnownCars, trace: Cycle, parameters: Array, load: Load) -> list[Array]:
    """Each car's drive step by step: (times, ``TRACED``), up to the step in which the pack is empty.

    The plain kernel, a step at a time: energies add up to those of ``drive``.
    """
    from teikei.simulate.kernels import TOTALS, cycle_totals

    fleet = fleet_as_driven(cars, trace, parameters, load)
    totals = plain(fleet, trace)
    short = np.isnan(load.start_soc) & np.isfinite(fleet.empty_soc)
    short &= (totals[:, EMPTY] > 0) | (totals[:, SOC_END] < LOW_SOC)
    fleet = replace(fleet, soc_start=np.where(short, 1.0, fleet.soc_start))
    slope, wind, extra = trace.steps()
    found = []
    for index in range(len(cars)):
        one = fleet.cars(slice(index, index + 1))
        arrays = [getattr(one, name.name) for name in fields(one)]
        speed, distance, start = float(trace.speed_mps[0]), 0.0, one.soc_start
        rows = [[trace.time_s[0], speed, speed, 0.0, float(start[0]), 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]]
        for step in range(1, len(trace.time_s)):
            time, asked = trace.time_s[step - 1 : step + 1], trace.speed_mps[step]
            out = np.zeros((1, len(TOTALS)))
            at = slice(step - 1, step)
            cycle_totals(time, np.array([speed, asked]), slope[at], wind[at], extra[at], *arrays, out)
            seconds = float(time[1] - time[0])
            distance += out[0, 0]
            speed = max(2.0 * out[0, 0] / seconds - speed, 0.0) if out[0, 0] > 0 or asked == 0 else 0.0
            start[0] = out[0, SOC_END]
            watts = out[0] / seconds / 1000.0
            wheel = watts[1] - watts[2]
            powers = [watts[7] - watts[6], wheel, watts[4], watts[5], watts[6], watts[3]]
            rows.append([time[1], speed, asked, distance, float(start[0]), *powers])
            if out[0, EMPTY] > 0:
                break
        found.append(np.array(rows))
    return found


def fleet_as_driven(cars: KnownCars, trace: Cycle, parameters: Array, load: Load) -> Fleet:
    """The cars for the kernels with what their rows say of the drive.

    Payload and trailer add mass; rolling resistance of the car goes with its mass, the trailer has its own and a drag
    area. auxiliary_w of a row stands in place of the calibrated one, heating and cooling come on top.
    """
    count = len(cars)
    fleet = fleet_of_known(cars, parameters, start_soc=np.where(np.isnan(load.start_soc), START_SOC, load.start_soc))
    asked = trace.temperature_c if trace.temperature_c is not None else MILD.temperature_c
    temperature = np.where(np.isnan(load.temperature_c), asked, load.temperature_c)
    rolling, air, cabin, cold = np.ones(count), np.ones(count), np.zeros(count), np.ones(count)
    _, mild_ohm = cell_curves("nmc", 25.0)
    _, cold_ohm = cell_curves("nmc", -10.0)
    middle = len(mild_ohm) // 2
    for value in np.unique(temperature):
        weather, rows = Weather(float(value)), temperature == value
        rolling[rows], air[rows], cabin[rows] = weather.rolling_factor, weather.air_factor, weather.cabin_w
        cold[rows] = (cold_ohm[middle] / mild_ohm[middle]) ** cold_share(float(value))
    payload, trailer = np.nan_to_num(load.payload_kg), np.nan_to_num(load.trailer_mass_kg)
    towed = trailer > 0
    area = np.where(
        towed, np.where(np.isnan(load.trailer_drag_area_m2), TRAILER_DRAG_AREA_M2, load.trailer_drag_area_m2), 0.0
    )
    mass = cars.test_mass_kg + payload + trailer
    own = cars.f0_n * (cars.test_mass_kg + payload) / cars.test_mass_kg
    return replace(
        fleet,
        f0_n=rolling * (own + TRAILER_ROLLING * GRAVITY_MPS2 * trailer),
        f2_n_per_mps2=air * (cars.f2_n_per_mps2 + 0.5 * AIR_DENSITY_KG_PER_M3 * area),
        inertia_kg=mass + ROTATING_SHARE * cars.test_mass_kg,
        mass_kg=mass,
        auxiliary_w=np.where(np.isnan(load.auxiliary_w), fleet.auxiliary_w, load.auxiliary_w) + cabin,
        resistance_factor=fleet.resistance_factor * cold,
    )
