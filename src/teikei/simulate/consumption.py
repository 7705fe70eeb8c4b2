"""Energy and range of many cars on named cycles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from teikei.modules.types import Array
from teikei.simulate.car import Car
from teikei.simulate.cycles import PROCEDURES, cycle, range_factor, tolerance_s
from teikei.simulate.fleet import Fleet, plain
from teikei.simulate.weather import Weather
from teikei.units import J_PER_WH

REGEN_SHARE: Final = {"fwd": 0.95, "rwd": 0.93, "awd": 0.97}  # of the braking force asked for, friction takes the rest
REGEN_FADE_MPS: Final = (0.8, 3.0)  # no recovery below the first, full from the second
REGEN_LIMIT_MPS2: Final = {"fwd": 3.0, "rwd": 2.5, "awd": 3.5}  # deceleration by the driven axle (assumption)
START_SOC: Final = 0.9
MISSED, LONGEST, EMPTY = 8, 12, 13  # columns of kernels.TOTALS


@dataclass(frozen=True)
class Consumption:
    """Per car: battery and wall energy, Wh/km, weighted over the procedure; range, km; missed trace, s.

    A car that falls further behind the trace than the procedure allows, or whose pack is empty before its end, has no
    range (NaN) and the reason in ``invalid`` (empty text where the drive is valid).
    """

    battery_wh_per_km: Array
    wall_wh_per_km: Array
    range_km: Array
    missed_trace_s: Array
    residual: Array
    invalid: tuple[str, ...]


def procedure_consumption(
    cars: Sequence[Car], procedure: str, *, temperature_c: float = 23.0, loading: str = "driver"
) -> Consumption:
    """Consumption and new-car range of cars on a named procedure; with ``loading`` gross at gross mass.

    Below 20 °C air is denser, tyres roll harder, the cells have more resistance and give and take less power, and the
    cabin is heated; above 25 °C it is cooled (``weather``).
    residual: largest energy imbalance over the throughput. A car too weak to move: infinite consumption, no range.
    """
    battery = np.zeros(len(cars))
    missed = np.zeros(len(cars))
    residual = np.zeros(len(cars))
    invalid = [""] * len(cars)
    for name, weight in PROCEDURES[procedure]:
        totals = cycle_run(cars, name, procedure, temperature_c, loading)
        moves = totals[:, 0] > 0
        per_km = np.full(len(cars), np.inf)
        per_km[moves] = totals[moves, 7] / J_PER_WH / (totals[moves, 0] / 1000.0)
        battery += weight * per_km
        missed += totals[:, 8]
        residual = np.maximum(residual, energy_residual(totals))
        invalid = [text or _why_invalid(name, row) for text, row in zip(invalid, totals, strict=True)]
    usable_wh = np.array([car.pack.usable_energy_j for car in cars]) / J_PER_WH
    efficiency = np.array([car.charger_efficiency for car in cars])
    valid = np.array([not text for text in invalid], dtype=np.bool_) | np.isinf(battery)  # at rest: 0 km
    return Consumption(
        battery_wh_per_km=battery,
        wall_wh_per_km=battery / efficiency,
        range_km=np.where(valid, usable_wh / battery * range_factor(procedure), np.nan),
        missed_trace_s=missed,
        residual=residual,
        invalid=tuple(invalid),
    )


def _why_invalid(name: str, totals: Array) -> str:
    """Why a drive is no test of the cycle: behind the trace beyond its tolerance, or the pack empty. Else empty."""
    missed, longest, empty = totals[MISSED], totals[LONGEST], totals[EMPTY]
    if totals[0] <= 0:
        return f"does not move on {name}"
    if empty > 0:
        return f"the pack is empty after {totals[0] / 1000.0:.1f} km of {name}"
    occasion_s, all_s = tolerance_s(name)
    if longest > occasion_s or missed > all_s:
        allowed = f"{occasion_s:g} s on end and {all_s:g} s in all are allowed"
        return f"falls behind the trace of {name} for {missed:.0f} s, {longest:.0f} s of them on end ({allowed})"
    return ""


def energy_residual(totals: Array) -> Array:
    """|cells − battery loss − auxiliaries − powertrain loss − wheels| over throughput, and the same at the wheels."""
    throughput = totals[:, 1] + totals[:, 2] + totals[:, 4] + totals[:, 5]
    inside = totals[:, 7] - totals[:, 6] - totals[:, 5] - totals[:, 4] - totals[:, 1] + totals[:, 2]
    wheels = totals[:, 1] - totals[:, 2] - totals[:, 3] - totals[:, 10] - totals[:, 11]
    return np.maximum(np.abs(inside), np.abs(wheels)) / throughput


def cycle_run(cars: Sequence[Car], name: str, procedure: str, temperature_c: float, loading: str = "driver") -> Array:
    """Totals (see ``kernels.TOTALS``) of each car on one cycle at the procedure's mass, governed cars capped."""
    from teikei.simulate.kernels import TOTALS

    out = np.zeros((len(cars), len(TOTALS)))
    for limit in sorted({car.top_speed_limit_mps for car in cars}):
        rows = [row for row, car in enumerate(cars) if car.top_speed_limit_mps == limit]
        part = [cars[row] for row in rows]
        out[rows] = plain(fleet_of_cars(part, procedure, Weather(temperature_c), loading), cycle(name).capped(limit))
    return out


def fleet_of_cars(cars: Sequence[Car], procedure: str, weather: Weather, loading: str = "driver") -> Fleet:
    """Cars of a study as arrays for the kernels, at the procedure's mass (or gross) and in a weather."""
    masses = np.array([car.test_mass_kg(procedure, loading) for car in cars])
    road = np.array([car.road_load(mass, weather) for car, mass in zip(cars, masses, strict=True)])
    road = np.ascontiguousarray(road.reshape(len(cars), 3).T)
    tables = list({id(car.table): car.table for car in cars}.values())
    packs = list({id(car.pack): car.pack for car in cars}.values())
    table_place = {id(table): place for place, table in enumerate(tables)}
    pack_place = {id(pack): place for place, pack in enumerate(packs)}
    return Fleet(
        f0_n=road[0],
        f1_n_per_mps=road[1],
        f2_n_per_mps2=road[2],
        inertia_kg=masses + np.array([car.rotating_mass_kg for car in cars]),
        auxiliary_w=np.array([car.auxiliary_power_w for car in cars]) + weather.cabin_w,
        regen=np.array([[REGEN_SHARE[car.drive], *REGEN_FADE_MPS, REGEN_LIMIT_MPS2[car.drive]] for car in cars]),
        pack_index=np.array([pack_place[id(car.pack)] for car in cars]),
        table_index=np.array([table_place[id(car.table)] for car in cars]),
        soc_start=np.full(len(cars), START_SOC),
        resistance_factor=np.array([weather.resistance_factor(car.pack) for car in cars]),
        discharge_limit_w=np.array(
            [car.pack.peak_discharge_power_w * weather.discharge_factor(car.pack) for car in cars]
        ),
        charge_limit_w=np.array([car.pack.peak_charge_power_w * weather.charge_factor(car.pack) for car in cars]),
        losses_w=np.array([table.loss_w for table in tables]),
        top_speed_mps=np.array([table.top_speed_mps for table in tables]),
        force_limit_n=np.array([table.force_limit_n for table in tables]),
        drive_force_n=np.array([table.drive_force_n for table in tables]),
        brake_force_n=np.array([table.brake_force_n for table in tables]),
        ocv_v=np.array([pack.open_circuit_voltage_v for pack in packs]),
        resistance_ohm=np.array([pack.resistance_ohm for pack in packs]),
        charge_c=np.array(
            [_charge_coulomb(pack.gross_energy_j, pack.soc, pack.open_circuit_voltage_v) for pack in packs]
        ),
        mass_kg=masses,
        empty_soc=np.zeros(len(cars)),
        voltage_max_v=np.array([pack.voltage_max_v for pack in packs]),
    )


def _charge_coulomb(gross_energy_j: float, soc: Array, ocv: Array) -> float:
    return gross_energy_j / float(np.trapezoid(ocv, soc))
