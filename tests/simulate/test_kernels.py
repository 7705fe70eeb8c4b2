import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from teikei.simulate.consumption import energy_residual
from teikei.simulate.cycles import Cycle, cycle
from teikei.simulate.fleet import batch, binned, plain
from teikei.simulate.kernels import TOTALS
from tests.simulate.fleet import fleet

ENERGY = TOTALS.index("battery_energy_j")
MISSED = TOTALS.index("missed_trace_s")


def test_energy_in_is_energy_out():
    for name in ("udds", "wltc_class3b"):
        for run in (plain, batch):
            assert energy_residual(run(fleet(50), cycle(name))).max() < 1e-9


def test_constant_speed_on_the_level_costs_road_load_plus_losses():
    """Closed form: P = F v + loss(v, F) + aux at the cells' voltage."""
    cars = fleet(3)
    speed = 25.0
    trace = Cycle("steady", np.arange(0.0, 601.0), np.full(601, speed))
    totals = plain(cars, trace)
    for n in range(3):
        force = cars.f0_n[n] + cars.f1_n_per_mps[n] * speed + cars.f2_n_per_mps2[n] * speed**2
        k = cars.table_index[n]
        column = (force / cars.force_limit_n[k] + 1) / 2 * (cars.losses_w.shape[2] - 1)
        row = speed / cars.top_speed_mps[k] * (cars.losses_w.shape[1] - 1)
        by_row = [np.interp(column, np.arange(cars.losses_w.shape[2]), cars.losses_w[k, int(row) + d]) for d in (0, 1)]
        loss = by_row[0] + (row - int(row)) * (by_row[1] - by_row[0])
        terminal = force * speed + loss + cars.auxiliary_w[n]
        assert totals[n, 7] - totals[n, 6] == pytest.approx(600 * terminal, rel=1e-9)
        volt = np.interp(0.9, np.linspace(0, 1, 21), cars.ocv_v[0])
        x = cars.resistance_ohm[cars.pack_index[n]].min() * terminal / volt**2
        assert totals[n, 6] == pytest.approx(600 * terminal * x, rel=0.12)  # I2R at first order


@pytest.mark.parametrize("name", ["udds", "hwfet", "wltc_class3b"])
def test_fast_kernel_is_within_a_thousandth_of_the_plain_one(name):
    cars = fleet(700)
    fast, exact = batch(cars, cycle(name)), plain(cars, cycle(name))
    assert np.abs(fast[:, ENERGY] / exact[:, ENERGY] - 1).max() < 1e-3
    assert np.abs(fast[:, 1] / exact[:, 1] - 1).max() < 1e-3
    assert np.array_equal(fast[:, MISSED], exact[:, MISSED])


def test_cars_that_cannot_follow_are_simulated_step_by_step_and_say_so():
    cars = fleet(40, power_w=(12e3, 20e3))
    fast, exact = batch(cars, cycle("wltc_class3b")), plain(cars, cycle("wltc_class3b"))
    assert (exact[:, MISSED] > 0).any()
    assert np.array_equal(fast, exact)
    slower = exact[:, 0] < cycle("wltc_class3b").distance_m - 1
    assert slower[exact[:, MISSED] > 0].all()


def test_one_bad_car_does_not_stop_the_batch():
    cars = fleet(70)
    cars.f0_n[3] = np.nan
    cars.inertia_kg[5] = -1.0
    totals = batch(cars, cycle("hwfet"))
    assert np.isnan(totals[[3, 5]]).all()
    assert np.isfinite(np.delete(totals, [3, 5], axis=0)).all()


def test_result_does_not_depend_on_threads_or_company():
    cars = fleet(300)
    whole = batch(cars, cycle("udds"), threads=3)
    assert np.array_equal(whole, batch(cars, cycle("udds")))
    some = batch(cars.cars(np.arange(100, 164)), cycle("udds"))
    assert some == pytest.approx(whole[100:164], rel=1e-6)


def test_half_the_time_step_changes_energy_by_less_than_three_thousandths():
    cars = fleet(100)
    for name in ("udds", "wltc_class3b"):
        base, half = plain(cars, cycle(name)), plain(cars, cycle(name).refined(2))
        assert np.abs(half[:, ENERGY] / base[:, ENERGY] - 1).max() < 3e-3


def test_merged_steps_keep_time_distance_and_kinetic_work():
    trace = cycle("wltc_class3b")
    steps = binned(trace)
    assert steps.seconds.sum() == pytest.approx(1800)
    assert (steps.speed_mps * steps.seconds).sum() == pytest.approx(trace.distance_m)
    assert (steps.speed_mps * steps.acceleration_mps2 * steps.seconds).sum() == pytest.approx(0, abs=1e-6)
    assert len(steps.seconds) < len(trace.time_s)


@settings(max_examples=30, deadline=None, derandomize=True)
@given(st.floats(1.0, 1.5), st.integers(0, 49))
def test_more_drag_or_mass_never_saves_energy(factor, n):
    base = fleet(50).cars(np.array([n]))
    heavy = fleet(50).cars(np.array([n]))
    heavy.inertia_kg[0] *= factor
    heavy.f2_n_per_mps2[0] *= factor
    trace = cycle("udds")
    assert plain(heavy, trace)[0, ENERGY] >= plain(base, trace)[0, ENERGY] * (1 - 1e-9)


def test_importing_the_stage_neither_imports_nor_compiles_numba():
    code = "import sys, teikei.simulate, teikei.modules; sys.exit('numba' in sys.modules)"
    assert (
        subprocess.run([sys.executable, "-c", code], check=False, env={"PYTHONPATH": ":".join(sys.path)}).returncode
        == 0
    )
