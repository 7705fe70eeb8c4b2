"""One function per requirement: what a car reaches, in the requirement's unit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from teikei.modules.packs import dc_charge_time_s
from teikei.simulate import manoeuvres
from teikei.simulate.car import Car
from teikei.simulate.conditions import Conditions
from teikei.units import kmh_to_mps, mps_to_kmh

BIASED: Final = frozenset({"range", "acceleration_0_100", "acceleration_80_120"})
"""Computed by a model that may be off by some percent for one car, and known as measured figures of cars on sale."""
BY_CYCLE: Final = frozenset({"range", "cold_range_fraction"})
DIMENSIONS: Final = {"kei_length": "length_m", "kei_width": "width_m", "kei_height": "height_m"}

_UNITS: Final[dict[str, dict[str, float]]] = {
    "range": {"km": 1.0},
    "acceleration_0_100": {"s": 1.0},
    "acceleration_80_120": {"s": 1.0},
    "top_speed": {"km/h": 1.0},
    "continuous_grade": {"percent": 1.0, "%": 1.0},
    "hill_start": {"percent": 1.0, "%": 1.0},
    "ac_charge_power": {"kW": 1.0},
    "dc_charge_time": {"min": 1.0, "s": 60.0},
    "cold_range_fraction": {"ratio": 1.0, "percent": 100.0},
    "cold_power_fraction": {"ratio": 1.0, "percent": 100.0},
    "kei_length": {"m": 1.0, "mm": 1000.0},
    "kei_width": {"m": 1.0, "mm": 1000.0},
    "kei_height": {"m": 1.0, "mm": 1000.0},
    "kei_power_cap": {"kW": 1.0},
}


def unit_factor(requirement: str, unit: str) -> float | None:
    """Multiplier from the functions' unit to the row's unit; None if it is not a unit of the requirement."""
    return _UNITS[requirement].get(unit)


def _acceleration(start_kmh: float, end_kmh: float) -> Callable[[Car, Conditions], float]:
    def reached(car: Car, test: Conditions) -> float:
        return manoeuvres.acceleration_s(
            car,
            kmh_to_mps(start_kmh),
            kmh_to_mps(end_kmh),
            loading=test.loading,
            state_of_charge=test.state_of_charge,
            weather=test.weather,
        )

    return reached


def _top_speed(car: Car, test: Conditions) -> float:
    speed = manoeuvres.top_speed_mps(
        car,
        loading=test.loading,
        state_of_charge=test.state_of_charge,
        sustained=test.sustained,
        weather=test.weather,
    )
    return min(mps_to_kmh(speed), test.limit_kmh)


def _continuous_grade(car: Car, test: Conditions) -> float:
    return manoeuvres.continuous_grade_percent(
        car,
        kmh_to_mps(test.speed_kmh if test.speed_kmh is not None else 100.0),
        loading=test.loading,
        state_of_charge=test.state_of_charge,
        weather=test.weather,
    )


def _hill_start(car: Car, test: Conditions) -> float:
    return manoeuvres.hill_start_percent(
        car, loading=test.loading, state_of_charge=test.state_of_charge, weather=test.weather
    )


def _cold_power(car: Car, test: Conditions) -> float:
    return manoeuvres.cold_power_fraction(car, state_of_charge=test.state_of_charge, temperature_c=test.temperature_c)


def _dc_charge_time(car: Car, test: Conditions) -> float:
    weather = test.weather
    return (
        dc_charge_time_s(
            car.pack,
            *test.window,
            test.station_w,
            power_factor=weather.charge_factor(car.pack),
            resistance_factor=weather.resistance_factor(car.pack),
        )
        / 60.0
    )


def _peak_power(car: Car, test: Conditions) -> float:
    del test
    return sum(e_axle.peak_power_w for _, e_axle in car.axles) / 1000.0


MANOEUVRES: Final[Mapping[str, Callable[[Car, Conditions], float]]] = {
    "acceleration_0_100": _acceleration(0.0, 100.0),
    "acceleration_80_120": _acceleration(80.0, 120.0),
    "top_speed": _top_speed,
    "continuous_grade": _continuous_grade,
    "hill_start": _hill_start,
    "cold_power_fraction": _cold_power,
    "dc_charge_time": _dc_charge_time,
    "kei_power_cap": _peak_power,
}
