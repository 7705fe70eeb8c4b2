"""Closed forms for cars at their limits."""

from dataclasses import replace

import numpy as np
import pytest

from teikei.modules import catalogue
from teikei.simulate import manoeuvres
from teikei.simulate.car import HEIGHT_OVER_WHEELBASE, TYRE_GRIP, Car
from teikei.simulate.kernels import reach_time
from teikei.simulate.powertrain import wheel_table
from tests.simulate.small_study import small_study

G = 9.80665


def car(drive="fwd", modules=("E160",)) -> Car:
    designs = catalogue(small_study())
    places = {"fwd": ("front",), "rwd": ("rear",), "awd": ("front", "rear")}[drive]
    names = modules if len(modules) == len(places) else modules * len(places)
    axles = tuple((place, designs.e_axles[name]) for place, name in zip(places, names, strict=True))
    return Car(
        drive=drive,
        kerb_mass_kg=1600.0,
        payload_kg=450.0,
        f0_n=130.0,
        f1_n_per_mps=0.0,
        f2_n_per_mps2=0.38,
        road_load_mass_kg=1700.0,
        tyre_radius_m=0.32,
        auxiliary_power_w=250.0,
        charger_efficiency=0.9,
        axles=axles,
        table=wheel_table(list(axles), 0.32),
        pack=designs.packs["B78"],
    )


def test_constant_force_accelerates_as_newton_says():
    speed = np.linspace(0, 60, 61)
    time = reach_time(speed, np.full(61, 5000.0), 0.0, 0.0, 0.0, 2000.0, 0.0, 25.0, 1e-9)
    assert time == pytest.approx(25.0 / 2.5, rel=1e-3)


def test_constant_power_accelerates_as_energy_says():
    speed = np.linspace(0, 60, 2001)
    power = 100e3
    time = reach_time(speed, power / np.maximum(speed, 1e-3), 0.0, 0.0, 0.0, 1800.0, 10.0, 30.0, 0.1)
    assert time == pytest.approx(0.5 * 1800 * (30**2 - 10**2) / power, rel=5e-3)


def test_zero_to_hundred_lies_between_the_bounds_of_power_and_grip():
    c = car()
    mass = c.loaded_mass_kg("driver") + c.rotating_mass_kg
    end = 100 / 3.6
    time = manoeuvres.acceleration_s(c, 0.0, end, loading="driver", state_of_charge=0.5)
    by_power = 0.5 * mass * end**2 / 160e3
    by_grip = mass * end / manoeuvres.traction_limit_n(c, "driver")
    assert max(by_power, by_grip) < time < 2.2 * max(by_power, by_grip)


def test_more_power_is_faster_until_grip_ends_it():
    slow = manoeuvres.acceleration_s(car(modules=("E90",)), 0, 27.8, loading="driver", state_of_charge=0.5)
    fast = manoeuvres.acceleration_s(car(), 0, 27.8, loading="driver", state_of_charge=0.5)
    both = manoeuvres.acceleration_s(car("awd"), 0, 27.8, loading="driver", state_of_charge=0.5)
    assert both < fast < slow


def test_top_speed_balances_force_and_road_load():
    c = car(modules=("E90",))
    top = manoeuvres.top_speed_mps(c, loading="driver", state_of_charge=0.5, sustained=True)
    f0, f1, f2 = c.road_load(c.loaded_mass_kg("driver"))
    wheel = 45e3 * c.axles[0][1].gear_efficiency
    # solve (f0 + f2 v2) v = P at the wheel
    roots = np.roots([f2, f1, f0, -wheel])
    exact = float(roots[np.isreal(roots)].real.max())
    assert top == pytest.approx(min(exact, c.table.top_speed_mps), rel=3e-3)


def test_continuous_grade_is_the_force_left_over_weight():
    c = car()
    v = 100 / 3.6
    wheel = 80e3 * c.axles[0][1].gear_efficiency
    mass = c.loaded_mass_kg("driver")
    f0, _, f2 = c.road_load(mass)
    exact = 100 * np.tan(np.arcsin((wheel / v - f0 - f2 * v * v) / (mass * G)))
    assert manoeuvres.continuous_grade_percent(c, v, loading="driver") == pytest.approx(exact, rel=5e-3)


def test_hill_start_of_a_strong_front_driven_car_ends_at_its_grip():
    c = car()
    reached = manoeuvres.hill_start_percent(c, loading="driver", state_of_charge=0.5)
    angle = np.arctan(reached / 100)
    share = c.front_share("driver")
    mass = c.loaded_mass_kg("driver")
    f0, _, _ = c.road_load(mass)
    grip = TYRE_GRIP * (share * np.cos(angle) - HEIGHT_OVER_WHEELBASE * np.sin(angle)) * mass * G
    assert grip == pytest.approx(1.1 * (mass * G * np.sin(angle) + f0 * np.cos(angle)), rel=0.01)
    assert manoeuvres.hill_start_percent(car("rwd"), loading="driver", state_of_charge=0.5) > reached


def test_weight_moves_to_the_rear_when_accelerating():
    front = manoeuvres.traction_limit_n(car("fwd"), "driver") / (car().loaded_mass_kg("driver") * G)
    assert front < TYRE_GRIP * car("fwd").front_share("driver")
    rear = manoeuvres.traction_limit_n(car("rwd"), "driver") / (car().loaded_mass_kg("driver") * G)
    assert rear > TYRE_GRIP * (1 - car("rwd").front_share("driver"))


def test_two_axles_never_lose_more_than_one_of_them_alone():
    designs = catalogue(small_study())
    pair = [("front", designs.e_axles["E160"]), ("rear", designs.e_axles["E90"])]
    both = wheel_table(pair, 0.32)
    for place, e_axle in pair:
        other = next(e for p, e in pair if p != place)
        idle = wheel_table([(place, e_axle)], 0.32)
        v = both.speed_mps[5:30]
        for force in (300.0, 900.0):
            loss = [np.interp(force, both.force_n, both.loss_w[5 + i]) for i in range(len(v))]
            drag = [
                np.interp(s * other.gear_ratio / 0.32, other.loss.speed_radps, other.loss.at(other.voltage_v)[:, 40])
                for s in v
            ]
            column = (force / idle.force_limit_n + 1) / 2 * (len(idle.force_n) - 1)
            alone = [np.interp(s, idle.speed_mps, idle.loss_w[:, int(column)]) for s in v]
            assert (np.array(loss) <= np.array(alone) + np.array(drag) + 0.06 * force * v + 20).all()


def test_cold_takes_power_from_a_small_pack():
    designs = catalogue(small_study())
    small = replace(car(), pack=designs.packs["B20"])
    warm = manoeuvres.cold_power_fraction(small, state_of_charge=0.5, temperature_c=25.0)
    cold = manoeuvres.cold_power_fraction(small, state_of_charge=0.2, temperature_c=-10.0)
    assert cold < warm < 1.0
