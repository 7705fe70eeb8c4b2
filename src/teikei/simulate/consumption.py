"""Energy and range of many cars on named cycles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from teikei.modules.packs import cold_share
from teikei.modules.types import Array
from teikei.simulate.car import Car
from teikei.simulate.cycles import PROCEDURES, cycle, range_factor
from teikei.units import J_PER_WH

REGEN_SHARE: Final = {"fwd": 0.95, "rwd": 0.93, "awd": 0.97}  # of the braking force asked for, friction takes the rest
REGEN_FADE_MPS: Final = (0.8, 3.0)  # no recovery below the first, full from the second
REGEN_LIMIT_MPS2: Final = {"fwd": 3.0, "rwd": 2.5, "awd": 3.5}  # deceleration by the driven axle (assumption)
START_SOC: Final = 0.9

AIR_REFERENCE_K: Final = 293.15
ROLLING_PER_K: Final = 8.6e-3  # K0 of UN GTR 15 Annex 4: rolling resistance correction per kelvin
CABIN_LOSS_W_PER_K: Final = 70.0  # heat through the body and with fresh air (assumption, 45 kei to 110 large)
CABIN_TEMPERATURE_C: Final = 20.0
HEAT_PUMP_COP: Final = 1.8  # at -7 °C, with the resistance heater's part (assumption, 1 to 2.2)


@dataclass(frozen=True)
class Consumption:
    """Per car: battery and wall energy, Wh/km, weighted over the procedure; range, km; missed trace, s."""

    battery_wh_per_km: Array
    wall_wh_per_km: Array
    range_km: Array
    missed_trace_s: Array
    residual: Array


def procedure_consumption(cars: Sequence[Car], procedure: str, *, temperature_c: float = 23.0) -> Consumption:
    """Consumption and new-car range of cars on a named procedure.

    Below 20 °C air is denser, tyres roll harder, the cells have more resistance and give and take less power, and the
    cabin is heated.
    residual: largest energy imbalance over the throughput. A car too weak to move: infinite consumption, no range.
    """
    battery = np.zeros(len(cars))
    missed = np.zeros(len(cars))
    residual = np.zeros(len(cars))
    for name, weight in PROCEDURES[procedure]:
        totals = cycle_run(cars, name, procedure, temperature_c)
        moves = totals[:, 0] > 0
        per_km = np.full(len(cars), np.inf)
        per_km[moves] = totals[moves, 7] / J_PER_WH / (totals[moves, 0] / 1000.0)
        battery += weight * per_km
        missed += totals[:, 8]
        residual = np.maximum(residual, energy_residual(totals))
    usable_wh = np.array([car.pack.usable_energy_j for car in cars]) / J_PER_WH
    efficiency = np.array([car.charger_efficiency for car in cars])
    return Consumption(
        battery_wh_per_km=battery,
        wall_wh_per_km=battery / efficiency,
        range_km=usable_wh / battery * range_factor(procedure),
        missed_trace_s=missed,
        residual=residual,
    )


def energy_residual(totals: Array) -> Array:
    """|cells − battery loss − auxiliaries − powertrain loss − wheels| over throughput, and the same at the wheels."""
    throughput = totals[:, 1] + totals[:, 2] + totals[:, 4] + totals[:, 5]
    inside = totals[:, 7] - totals[:, 6] - totals[:, 5] - totals[:, 4] - totals[:, 1] + totals[:, 2]
    wheels = totals[:, 1] - totals[:, 2] - totals[:, 3] - totals[:, 10] - totals[:, 11]
    return np.maximum(np.abs(inside), np.abs(wheels)) / throughput


def cycle_run(cars: Sequence[Car], name: str, procedure: str, temperature_c: float) -> Array:
    """Totals (see ``kernels.TOTALS``) of each car on one cycle at the procedure's mass."""
    from teikei.simulate.kernels import TOTALS, cycle_totals

    trace = cycle(name)
    masses = np.array([car.test_mass_kg(procedure) for car in cars])
    road = np.array([car.road_load(mass) for car, mass in zip(cars, masses, strict=True)]).reshape(len(cars), 3)
    auxiliary = np.array([car.auxiliary_power_w for car in cars])
    share = cold_share(temperature_c) if temperature_c < CABIN_TEMPERATURE_C else 0.0
    if temperature_c < CABIN_TEMPERATURE_C:
        below = CABIN_TEMPERATURE_C - temperature_c
        road[:, 0] *= 1.0 + ROLLING_PER_K * below
        road[:, 2] *= AIR_REFERENCE_K / (273.15 + temperature_c)
        auxiliary = auxiliary + CABIN_LOSS_W_PER_K * below / HEAT_PUMP_COP
    tables = list({id(car.table): car.table for car in cars}.values())
    packs = list({id(car.pack): car.pack for car in cars}.values())
    table_place = {id(table): place for place, table in enumerate(tables)}
    pack_place = {id(pack): place for place, pack in enumerate(packs)}
    out = np.zeros((len(cars), len(TOTALS)))
    cycle_totals(
        trace.time_s,
        trace.speed_mps,
        np.ascontiguousarray(road[:, 0]),
        np.ascontiguousarray(road[:, 1]),
        np.ascontiguousarray(road[:, 2]),
        masses + np.array([car.rotating_mass_kg for car in cars]),
        auxiliary,
        np.array([[REGEN_SHARE[car.drive], *REGEN_FADE_MPS, REGEN_LIMIT_MPS2[car.drive]] for car in cars]),
        np.array([pack_place[id(car.pack)] for car in cars]),
        np.array([table_place[id(car.table)] for car in cars]),
        np.full(len(cars), START_SOC),
        np.array([car.pack.cold_resistance_factor**share for car in cars]),
        np.array([car.pack.peak_discharge_power_w * car.pack.cold_power_factor**share for car in cars]),
        np.array([car.pack.peak_charge_power_w * car.pack.cold_charge_factor**share for car in cars]),
        np.array([table.loss_w for table in tables]),
        np.array([table.top_speed_mps for table in tables]),
        np.array([table.force_limit_n for table in tables]),
        np.array([table.drive_force_n for table in tables]),
        np.array([table.brake_force_n for table in tables]),
        np.array([pack.open_circuit_voltage_v for pack in packs]),
        np.array([pack.resistance_ohm for pack in packs]),
        np.array([_charge_coulomb(pack.gross_energy_j, pack.soc, pack.open_circuit_voltage_v) for pack in packs]),
        out,
    )
    return out


def _charge_coulomb(gross_energy_j: float, soc: Array, ocv: Array) -> float:
    return gross_energy_j / float(np.trapezoid(ocv, soc))
