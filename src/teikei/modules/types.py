"""Designs (modules with all their ratings filled in) and the candidate configurations of each car."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class LossCoefficients:
    """Per-unit loss coefficients of one kind of drive (equation in ``losses``); ``source`` says where they are from."""

    constant: float
    speed: float
    speed_squared: float
    torque: float
    torque_speed: float
    torque_squared: float
    torque_squared_speed: float
    flux_weakening: float
    source: str


@dataclass(frozen=True)
class LossTable:
    """Loss of motor and inverter together, W, over DC voltage, motor speed and torque.

    voltage_v (U,) ascending, speed_radps (S,) from 0, torque_nm (T,) ascending and symmetric about 0, both uniform;
    loss_w (U, S, T) >= 0.
    """

    voltage_v: Array
    speed_radps: Array
    torque_nm: Array
    loss_w: Array

    def at(self, voltage_v: float) -> Array:
        """Loss (S, T), W, at one voltage: linear between the voltages of the table, the ends held beyond them."""
        place = float(np.interp(voltage_v, self.voltage_v, np.arange(len(self.voltage_v))))
        low = min(int(place), len(self.voltage_v) - 2)
        part = place - low
        return np.asarray((1.0 - part) * self.loss_w[low] + part * self.loss_w[low + 1], dtype=float)


@dataclass(frozen=True)
class EAxle:
    """One e-axle design: motor, inverter, reduction gear.

    peak_power_w and continuous_power_w hold at ``voltage_v``; the torque limit at speed w is
    min(peak_torque_nm, peak_power_w / w). gear_efficiency applies per power flow; zero-torque drag is in the table.
    coefficients, with machine_power_w and peak_torque_nm, are the equation that the table samples.
    """

    module: str
    family: str
    peak_torque_nm: float
    continuous_torque_nm: float
    peak_power_w: float
    continuous_power_w: float
    gear_ratio: float
    gear_efficiency: float
    max_speed_radps: float
    voltage_v: float
    voltage_min_v: float
    mass_kg: float
    rotor_inertia_kgm2: float
    machine_power_w: float
    coefficients: LossCoefficients
    loss: LossTable


@dataclass(frozen=True)
class Pack:
    """One battery pack design. Energies are battery side.

    open_circuit_voltage_v and resistance_ohm are functions of state of charge (soc, ascending); charge curve:
    accepted DC power, W, over state of charge. cold_…: factors at -10 °C on the 10 s discharge and charge power and on
    the resistance; ``packs.cold_share`` is their exponent at other temperatures.
    """

    module: str
    family: str
    chemistry: str
    gross_energy_j: float
    usable_energy_j: float
    mass_kg: float
    voltage_min_v: float
    voltage_max_v: float
    soc: Array
    open_circuit_voltage_v: Array
    resistance_ohm: Array
    peak_discharge_power_w: float
    peak_charge_power_w: float
    dc_charge_power_w: Array
    cold_power_factor: float
    cold_charge_factor: float
    cold_resistance_factor: float


@dataclass(frozen=True)
class Catalogue:
    """All designs of a study, and which configurations each car may have.

    table: one row per module: every rating with its default or law filled in, ``mass_kg``, and ``curve_price``
    (study currency per piece, by the study's named cost curve, before tiers), ``curve_price_low``, ``curve_price_high``
    (spread over all named curves), ``notes`` (laws used, out-of-range warnings).
    slots: one row per car that needs a configuration: slot, programme, generation, version, phase (1 before the
    facelift, 2 from it on), first_year, last_year (inside the horizon), share (of the programme's units).
    candidates: one row per slot and position: slot, candidate (int), position (front, rear, or the class name),
    class, module, existing (true where it is the module in force under contract in this slot). Candidate 0 of a slot
    is the incumbent configuration where one exists.
    """

    e_axles: Mapping[str, EAxle]
    packs: Mapping[str, Pack]
    table: pl.DataFrame
    slots: pl.DataFrame
    candidates: pl.DataFrame
    warnings: tuple[str, ...] = ()
