"""Acceleration, top speed, grade, hill start, cold power: what a car can do at its limits."""

from __future__ import annotations

import numpy as np

from teikei.modules.packs import discharge_power_limit_w
from teikei.modules.types import Array
from teikei.simulate.car import HEIGHT_OVER_WHEELBASE, TORQUE_RISE_S, TYRE_GRIP, Car
from teikei.simulate.weather import MILD, Weather
from teikei.units import GRAVITY_MPS2


def traction_limit_n(car: Car, loading: str, slope: float = 0.0) -> float:
    """Largest driving force the driven tyres hold, N, with the weight transfer of that force itself (or of the slope).

    One axle: mu N = F with N_front = m g (share cos − (h/L)(sin + a/g)), a/g + sin ≈ F / (m g); two axles: mu m g cos.
    """
    weight = car.loaded_mass_kg(loading) * GRAVITY_MPS2
    level = np.cos(np.arctan(slope))
    if car.drive == "awd":
        return float(TYRE_GRIP * weight * level)
    share = car.front_share(loading)
    if car.drive == "fwd":
        return float(TYRE_GRIP * weight * share * level / (1.0 + TYRE_GRIP * HEIGHT_OVER_WHEELBASE))
    return float(
        min(TYRE_GRIP * weight * (1.0 - share) * level / (1.0 - TYRE_GRIP * HEIGHT_OVER_WHEELBASE), TYRE_GRIP * weight)
    )


def acceleration_s(
    car: Car, start_mps: float, end_mps: float, *, loading: str, state_of_charge: float, weather: Weather = MILD
) -> float:
    """Time between two speeds, s; inf where the end is not reached, or is above the governor."""
    from teikei.simulate.kernels import reach_time

    if end_mps > car.top_speed_limit_mps:
        return float("inf")
    speed, force = car.force_curve_n(state_of_charge=state_of_charge, weather=weather)
    force = np.minimum(force, traction_limit_n(car, loading))
    mass = car.loaded_mass_kg(loading)
    f0, f1, f2 = car.road_load(mass, weather)
    time = reach_time(speed, force, f0, f1, f2, mass + car.rotating_mass_kg, start_mps, end_mps, TORQUE_RISE_S)
    return float(time) if time >= 0 else float("inf")


def top_speed_mps(car: Car, *, loading: str, state_of_charge: float, sustained: bool, weather: Weather = MILD) -> float:
    """Highest speed at which the driving force still equals the road load, m/s (0 if at none), by the governor at most.

    sustained: on the continuous rating at minimum pack voltage; else peak power at the state of charge.
    """
    speed, force = car.force_curve_n(
        state_of_charge=state_of_charge, continuous=sustained, at_minimum_voltage=sustained, weather=weather
    )
    f0, f1, f2 = car.road_load(car.loaded_mass_kg(loading), weather)
    return min(_last_positive(speed, force - (f0 + (f1 + f2 * speed) * speed)), car.top_speed_limit_mps)


def _last_positive(speed: Array, spare: Array) -> float:
    if spare[-1] >= 0:
        return float(speed[-1])
    above = np.nonzero(spare >= 0)[0]
    if len(above) == 0:
        return 0.0
    i = int(above[-1])
    return float(speed[i] + (speed[i + 1] - speed[i]) * spare[i] / (spare[i] - spare[i + 1]))


def continuous_grade_percent(
    car: Car, speed_mps: float, *, loading: str, state_of_charge: float = 0.5, weather: Weather = MILD
) -> float:
    """Steepest grade held on the continuous rating at minimum pack voltage, percent (negative: not even level)."""
    speed, force = car.force_curve_n(
        state_of_charge=state_of_charge, continuous=True, at_minimum_voltage=True, weather=weather
    )
    mass = car.loaded_mass_kg(loading)
    f0, f1, f2 = car.road_load(mass, weather)
    if speed_mps > speed[-1]:
        return -100.0
    # force falls as power / speed between nodes: interpolate power
    available = float(np.interp(speed_mps, speed, force * speed)) / speed_mps
    sine = (available - f0 - (f1 + f2 * speed_mps) * speed_mps) / (mass * GRAVITY_MPS2)
    return float(100.0 * np.tan(np.arcsin(np.clip(sine, -0.99, 0.99))))


def hill_start_percent(
    car: Car, *, loading: str, state_of_charge: float, reserve: float = 1.1, weather: Weather = MILD
) -> float:
    """Steepest grade on which the car starts with 10 % of force in reserve, percent, by torque and by grip.

    Uphill the weight moves to the rear: N_front = m g (share cos − (h/L) sin).
    """
    _, force = car.force_curve_n(state_of_charge=state_of_charge, weather=weather)
    mass = car.loaded_mass_kg(loading)
    f0, _, _ = car.road_load(mass, weather)
    slope = np.linspace(0.0, 0.8, 1601)
    angle = np.arctan(slope)
    share = car.front_share(loading)
    front = share * np.cos(angle) - HEIGHT_OVER_WHEELBASE * np.sin(angle)
    normal = {"fwd": front, "rwd": np.cos(angle) - front, "awd": np.cos(angle)}[car.drive]
    most = np.minimum(force[0], TYRE_GRIP * np.maximum(normal, 0.0) * mass * GRAVITY_MPS2)
    needed = reserve * (mass * GRAVITY_MPS2 * np.sin(angle) + f0 * np.cos(angle))
    held = most >= needed
    if not held[0]:
        return 0.0
    last = int(np.argmin(held)) if not held.all() else len(held)
    return float(100.0 * slope[last - 1])


def cold_power_fraction(car: Car, *, state_of_charge: float, temperature_c: float) -> float:
    """Ten-second battery power in the cold over the motors' peak power, not above 1.

    Resistance and rate factors of the pack hold at −10 °C and go to 1 at 20 °C, log-linear in temperature.
    """
    weather = Weather(temperature_c)
    power = discharge_power_limit_w(
        car.pack,
        state_of_charge,
        resistance_factor=weather.resistance_factor(car.pack),
        rate_factor=weather.discharge_factor(car.pack),
    )
    peak = sum(e.peak_power_w for _, e in car.axles)
    return min(1.0, power / (peak / 0.9 + car.auxiliary_power_w))
