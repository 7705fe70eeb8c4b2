"""A requirement row is evaluated under the conditions it states, or says that it is not."""

import math
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from teikei.errors import StudyError
from teikei.modules import catalogue
from teikei.modules.charge_curves import shipped_curves
from teikei.modules.packs import dc_charge_time_s
from teikei.simulate import performance, simulate_study
from teikei.simulate.conditions import conditions_of
from teikei.simulate.cycles import Cycle
from teikei.simulate.fleet import plain
from teikei.simulate.study_file import results_path, without_cars
from teikei.simulate.weather import Weather
from tests.simulate.fleet import fleet
from tests.simulate.small_study import requirement, small_study


def reached(name, unit, procedure="", *, programme="P", study=None, **more):
    rows = [requirement(programme, name, 1.0, unit, procedure, **more)]
    made = small_study(requirements=rows) if study is None else small_study(**study, requirements=rows)
    row = performance(made, catalogue(made)).results.filter(pl.col("programme") == programme).row(0, named=True)
    return row["reached"], row["status"]


@pytest.mark.parametrize(
    ("name", "unit", "procedure", "warmer", "colder"),
    [
        ("range", "km", "wltc_japan", 23.0, -7.0),
        ("range", "km", "wltc_japan", 23.0, 45.0),
        ("range", "km", "epa_label", 5.0, -20.0),
        ("top_speed", "km/h", "peak", 23.0, -25.0),
        ("continuous_grade", "percent", "grade_20_min", 23.0, 40.0),
        ("cold_range_fraction", "ratio", "wltc_japan", 30.0, 38.0),
    ],
)
def test_heat_and_cold_cost_what_is_reached(name, unit, procedure, warmer, colder):
    good, _ = reached(name, unit, procedure, temperature_c=warmer, programme="K")
    bad, _ = reached(name, unit, procedure, temperature_c=colder, programme="K")
    assert bad < good * 0.998


def test_range_in_the_cold_is_the_range_times_its_own_cold_fraction():
    mild, _ = reached("range", "km", "wltc_japan")
    cold, _ = reached("range", "km", "wltc_japan", temperature_c=-7.0)
    fraction, _ = reached("cold_range_fraction", "ratio", "wltc_japan", temperature_c=-7.0)
    assert cold == pytest.approx(mild * fraction, rel=1e-9)


def test_a_cold_pack_accelerates_no_faster_and_charges_slower():
    kei = {"programme": "K"}
    assert (
        reached("acceleration_0_100", "s", "max_time", temperature_c=-25.0, **kei)[0]
        > reached("acceleration_0_100", "s", "max_time", **kei)[0]
    )
    cold = reached("dc_charge_time", "min", "soc_10_80", temperature_c=-10.0)[0]
    assert cold == reached("dc_charge_time", "min", "soc_10_80_minus10c")[0]
    assert cold > 2.0 * reached("dc_charge_time", "min", "soc_10_80_25c")[0]


def test_load_and_state_of_charge_of_a_row_count():
    assert reached("range", "km", "wltc_japan", loading="gross")[0] < 0.98 * reached("range", "km", "wltc_japan")[0]
    assert (
        reached("acceleration_0_100", "s", "gross", loading="gross")[0]
        > reached("acceleration_0_100", "s", "max_time")[0]
    )
    low = reached("acceleration_80_120", "s", "low_soc", state_of_charge=0.05, programme="K")[0]
    assert low > reached("acceleration_80_120", "s", "max_time", state_of_charge=0.9, programme="K")[0]


def test_charging_uses_window_and_station_of_the_procedure():
    """Closed form for a station that is the limit: usable energy of the window over station power, plus cell loss."""
    pack = catalogue(small_study()).packs["B78"]
    minutes, _ = reached("dc_charge_time", "min", "soc_10_80_20kw_station")
    exact = 0.7 * pack.usable_energy_j / 20e3 / 60.0
    assert exact < minutes < 1.01 * exact
    full, usual, short = (
        reached("dc_charge_time", "min", name)[0] for name in ("soc_10_100", "soc_10_80", "soc_20_80")
    )
    assert short < usual < 0.75 * full


def test_a_name_with_30_in_it_is_not_sustained():
    peak, _ = reached("top_speed", "km/h", "peak", programme="K")
    assert reached("top_speed", "km/h", "limited_130kmh")[0] == 130.0
    assert reached("top_speed", "km/h", "sustained_30_min", programme="K")[0] < peak
    for name in ("peak_130", "max_1300_m", "sustained_2_min", "30"):
        value, status = reached("top_speed", "km/h", name)
        assert value is None
        assert status.startswith(f"not evaluated: procedure '{name}' is not one of peak")


@pytest.mark.parametrize(
    ("name", "unit", "procedure", "more", "words"),
    [
        ("dc_charge_time", "min", "soc_80_10", {}, "soc_10_80 (any window)"),
        ("dc_charge_time", "min", "soc_10_80_ccs", {}, "'ccs' in procedure"),
        ("dc_charge_time", "min", "soc_10_80_25c", {"temperature_c": -10.0}, "says 25 °C, temperature_c -10"),
        ("dc_charge_time", "min", "soc_10_80", {"temperature_c": 45.0}, "cooling of the pack"),
        ("acceleration_0_100", "s", "with_trailer", {}, "not one of max_time"),
        ("acceleration_0_100", "s", "gross", {}, "does not fit the row's loading (driver)"),
        ("continuous_grade", "percent", "peak", {}, "grade_20_min"),
        ("range", "km", "cltc_p", {}, "not shipped"),
    ],
)
def test_what_a_row_names_and_cannot_be_simulated_is_said(name, unit, procedure, more, words):
    value, status = reached(name, unit, procedure, **more)
    assert value is None
    assert status.startswith("not evaluated: ")
    assert words in status


def test_a_binding_row_that_binds_nothing_is_a_warning():
    study = small_study(requirements=[requirement("P", "top_speed", 200.0, "km/h", "peak_130")])
    done = performance(study, catalogue(study))
    assert any(text.startswith("top_speed (peak_130) of P binds nothing: not evaluated") for text in done.warnings)


def test_a_governor_holds_top_speed_and_ends_what_is_above_it():
    rows = small_study()["programmes"].rows(named=True)
    study = {"programmes": [{**row, "top_speed_limit_kmh": 110.0} for row in rows]}
    assert reached("top_speed", "km/h", "peak", study=study)[0] == pytest.approx(110.0)
    assert reached("acceleration_80_120", "s", "max_time", study=study)[0] == math.inf
    value, status = reached("range", "km", "wltc_class3b", study=study)
    assert status == "ok"
    assert value > reached("range", "km", "wltc_class3b")[0]


def weak(power_kw, procedure="wltc_class3b"):
    modules = [
        {**row, "peak_power_kw": power_kw if row["module"] == "E160" else row["peak_power_kw"]}
        for row in small_study()["modules"].rows(named=True)
    ]
    study = small_study(modules=modules, requirements=[requirement("P", "range", 100.0, "km", procedure)])
    done = performance(study, catalogue(study))
    slot = "P/G1/std/1"
    return (
        done.candidates.filter(pl.col("slot") == slot).row(0, named=True),
        done.results.filter(pl.col("slot") == slot).row(0, named=True),
    )


@pytest.mark.parametrize("power_kw", [15.0, 25.0])
def test_a_car_too_weak_for_its_cycle_is_infeasible_and_has_no_range(power_kw):
    candidate, result = weak(power_kw)
    assert candidate["missed_trace_s"] > 10
    assert not candidate["feasible"]
    assert candidate["range_km"] is None
    assert candidate["wall_wh_per_km"] is None
    assert "falls behind the trace of wltc_class3b" in candidate["reason"]
    assert result["passed"] is False
    assert result["reached"] is None
    assert result["status"].startswith("missed: ")


def test_a_car_that_follows_the_cycle_is_judged_as_before():
    candidate, result = weak(160.0)
    assert candidate["feasible"]
    assert candidate["missed_trace_s"] == 0
    assert result["reached"] == candidate["range_km"]


def test_a_curve_of_one_s_own_and_a_shipped_one_give_their_times():
    def minutes(curve, **more):
        modules = [
            {**row, "dc_curve": curve} if row["module"] == "B78" else row
            for row in small_study()["modules"].rows(named=True)
        ]
        return reached("dc_charge_time", "min", "soc_10_80", study={"modules": modules}, **more)[0]

    pack = catalogue(small_study()).packs["B78"]
    constant = 0.7 * pack.usable_energy_j / 50e3 / 60.0
    assert constant < minutes("0:50;100:50") < 1.02 * constant
    assert minutes("cp001") > minutes("CP001", state_of_charge=0.1) * 0.999
    with pytest.raises(StudyError, match=r"modules \(B78\):dc_curve"):
        minutes("fast")


def test_times_of_published_curves_are_within_six_percent():
    """Energy over power of each shipped curve, against the charge time of a pack that has it."""
    base = catalogue(small_study()).packs["B78"]
    soc = base.soc
    worst = []
    for _, usable_kwh, points in shipped_curves().values():
        percent, power = np.array(points).T
        size = usable_kwh * 3.6e6 / base.usable_energy_j
        pack = replace(
            base,
            usable_energy_j=usable_kwh * 3.6e6,
            gross_energy_j=base.gross_energy_j * size,
            resistance_ohm=base.resistance_ohm / size,
            dc_charge_power_w=np.interp(100 * soc, percent, power) * 1e3,
        )
        fine = np.linspace(0.1, 0.8, 701)
        plain = usable_kwh * 3.6e6 * np.trapezoid(1e-3 / np.interp(100 * fine, percent, power), fine)
        worst.append(abs(dc_charge_time_s(pack, 0.1, 0.8) / plain - 1))
    assert len(worst) == 112
    assert max(worst) < 0.06


def test_no_step_in_the_weather():
    for edge in (20.0, 25.0, 35.0):
        for name in ("rolling_factor", "air_factor", "cabin_w", "continuous_factor"):
            below, above = (getattr(Weather(edge + side), name) for side in (-1e-6, 1e-6))
            assert below == pytest.approx(above, abs=1e-3)


def test_conditions_are_read_from_the_columns():
    row = {
        "requirement": "hill_start",
        "procedure": "grade_start_both_ways",
        "temperature_c": 5.0,
        "loading": "gross",
        "state_of_charge": 0.2,
        "speed_kmh": None,
    }
    found = conditions_of(row)
    assert (found.temperature_c, found.loading, found.state_of_charge) == (5.0, "gross", 0.2)


def test_braking_does_not_lift_a_full_pack_above_its_highest_voltage():
    """Downhill from full: terminal voltage, from current and resistance, stays under the highest."""
    time = np.arange(0.0, 301.0)
    hill = Cycle("pass", time, np.full(301, 15.0), grade=np.full(301, -0.10))
    open_ended = fleet(50)
    held = replace(open_ended, soc_start=np.full(50, 0.98), voltage_max_v=np.full(16, 403.2))
    free = plain(replace(open_ended, soc_start=np.full(50, 0.98)), hill)
    limited = plain(held, hill)
    assert (limited[:, 2] <= free[:, 2]).all()
    assert (limited[:, 2] < 0.95 * free[:, 2]).sum() > 10
    assert (limited[:, 9] <= 1.0002).all()
    assert (free[:, 9] > 1.002).any()


def test_a_study_without_volumes_says_so(tmp_path):
    study = small_study(volumes=[])
    assert simulate_study(study, tmp_path / "out.csv").is_empty()
    assert "no car has volumes" in without_cars(study)
    full = small_study()
    simulate_study(full, tmp_path / "out.csv")
    written = pl.read_csv(results_path(tmp_path / "out.csv"))
    assert {"requirement", "reached", "status"} <= set(written.columns)
    assert without_cars(full) != without_cars(study)
