"""A drive from a file to its energy: slope, wind, load, temperature, an empty pack, and what in a file is told."""

import csv
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from teikei.errors import StudyError
from teikei.simulate import simulate_vehicles
from teikei.simulate.as_driven import REFERENCE_CARS
from teikei.simulate.cycles import Cycle, cycle
from teikei.simulate.drive_file import grade_of, read_cycle
from teikei.simulate.files import read_calibration, shipped_calibration, simulate_file
from teikei.simulate.makers import known_maker

HEADER = "vehicle_id,maker,model_year,test_mass_kg,f0_n,f1_n_per_mps,f2_n_per_mps2,power_kw,drive"
LEAF = "leaf,nissan,2018,1757.7,115.164,3.43189,0.432926,109.62,fwd"


def cars(folder, *lines, header=HEADER):
    path = folder / "cars.csv"
    path.write_text("\n".join([header, *lines]) + "\n", "utf-8")
    return path


def road(folder, text, name="road.csv"):
    path = folder / name
    path.write_text(text, "utf-8")
    return path


def udds(folder, **columns):
    trace = cycle("udds")
    names = ["time_s", "speed_mps", *columns]
    rows = zip(trace.time_s, trace.speed_mps, *columns.values(), strict=True)
    return road(folder, "\n".join([",".join(names), *(",".join(map(str, row)) for row in rows)]) + "\n")


def battery(folder, drive, line=LEAF, header=HEADER):
    return simulate_vehicles(cars(folder, line, header=header), str(drive))[0]["battery_wh_per_km"]


def told(folder, cycles="udds", *lines, header=HEADER):
    return simulate_file(cars(folder, *(lines or (LEAF,)), header=header), cycles, None, False, folder / "out.csv")


def test_a_slope_costs_at_least_its_height(tmp_path):
    level = battery(tmp_path, udds(tmp_path))
    grade = np.full(len(cycle("udds").time_s), 0.03)
    up = battery(tmp_path, udds(tmp_path, grade=grade))
    lift = 1757.7 * 9.80665 * np.sin(np.arctan(0.03)) / 3.6  # Wh/km at the wheels
    assert 0.95 * lift < up - level < 1.35 * lift  # braking on the cycle gives a little of it back
    assert battery(tmp_path, udds(tmp_path, grade_percent=100 * grade)) == pytest.approx(up)
    assert battery(tmp_path, udds(tmp_path, grade=-grade)) < level


def test_elevation_is_smoothed_into_the_slope(tmp_path):
    trace = cycle("hwfet")
    where = np.concatenate([[0], np.cumsum(0.5 * (trace.speed_mps[1:] + trace.speed_mps[:-1]))])
    noise = np.random.default_rng(3).normal(0.0, 1.5, len(where))
    slope = grade_of(trace, 0.02 * where + noise)
    moving = trace.speed_mps > 5
    assert slope[moving].mean() == pytest.approx(0.02, abs=0.002)
    assert np.abs(slope[moving] - 0.02).max() < 0.06  # unsmoothed: 0.2


def test_headwind_is_air_speed(tmp_path):
    steady = Cycle("x", np.arange(0.0, 301.0), np.full(301, 25.0))
    text = "\n".join(["time_s,speed_mps,headwind_mps", *(f"{t},25,5" for t in steady.time_s)])
    plain = "\n".join(["time_s,speed_mps", *(f"{t},25" for t in steady.time_s)])
    more = battery(tmp_path, road(tmp_path, text)) - battery(tmp_path, road(tmp_path, plain, "calm.csv"))
    drag = 0.432926 * (30.0**2 - 25.0**2) / 3.6  # Wh/km
    assert drag < more < 1.25 * drag


def test_speed_over_distance_is_the_same_drive(tmp_path):
    trace = Cycle("x", np.arange(0.0, 201.0), 10.0 + 5.0 * np.sin(np.arange(201) / 20.0))
    where = np.concatenate([[0], np.cumsum(0.5 * (trace.speed_mps[1:] + trace.speed_mps[:-1]))])
    by_time = "\n".join(["time_s,speed_mps", *(f"{t},{v}" for t, v in zip(trace.time_s, trace.speed_mps, strict=True))])
    by_place = "\n".join(["distance_m,speed_mps", *(f"{s},{v}" for s, v in zip(where, trace.speed_mps, strict=True))])
    assert battery(tmp_path, road(tmp_path, by_place)) == pytest.approx(
        battery(tmp_path, road(tmp_path, by_time, "t.csv"))
    )
    with pytest.raises(StudyError, match=r"road\.csv:3:distance_m: the car does not move"):
        read_cycle(road(tmp_path, "distance_m,speed_mps\n0,0\n5,0\n9,3\n"))


@pytest.mark.parametrize(
    ("column", "value", "least"),
    [("payload_kg", "400", 1.04), ("trailer_mass_kg", "1000", 1.2), ("auxiliary_w", "3000", 1.3),
     ("temperature_c", "-10", 1.1), ("temperature_c", "40", 1.02)],
)  # fmt: skip
def test_what_a_row_says_of_its_drive_counts(tmp_path, column, value, least):
    level = battery(tmp_path, "udds")
    assert battery(tmp_path, "udds", f"{LEAF},{value}", f"{HEADER},{column}") > least * level
    assert battery(tmp_path, "udds", f"{LEAF},", f"{HEADER},{column}") == level


def test_a_drive_ends_where_the_pack_is_empty(tmp_path):
    trace = cycle("udds")
    speeds = np.tile(trace.speed_mps, 40)
    long = road(tmp_path, "\n".join(["time_s,speed_mps", *(f"{t},{v}" for t, v in enumerate(speeds))]))
    row = simulate_vehicles(cars(tmp_path, LEAF + ",38", header=HEADER + ",usable_energy_kwh"), str(long))[0]
    assert row["status"].startswith("empty after ")
    assert row["distance_km"] * row["battery_wh_per_km"] == pytest.approx(38_000, rel=0.02)
    half = simulate_vehicles(
        cars(tmp_path, LEAF + ",38,0.5", header=HEADER + ",usable_energy_kwh,start_soc"), str(long)
    )[0]
    assert half["distance_km"] == pytest.approx(0.5 * row["distance_km"], rel=0.05)
    assert "empty after" in " ".join(told(tmp_path, str(long), LEAF + ",38", header=HEADER + ",usable_energy_kwh"))


def test_names_of_other_programs_capitals_and_empty_rows_are_read(tmp_path):
    same = read_cycle(road(tmp_path, "cycSecs,cycMps,cycGrade\n0,0,0\n1,2,0.01\n,,\n2,3,0.01\n,,\n"))
    assert same.speed_mps.tolist() == [0, 2, 3]
    assert same.grade.tolist() == [0, 0.01, 0.01]
    miles = read_cycle(road(tmp_path, "Time_s,speed_mph\n0,0\n1,10\n"))
    assert miles.speed_mps[1] == pytest.approx(4.4704)
    with pytest.raises(StudyError, match="contradict each other"):
        read_cycle(road(tmp_path, "time_s,speed_mps,speed_kmh\n0,0,0\n1,10,10\n"))


def test_time_in_milliseconds_is_one_line(tmp_path):
    text = "time_s,speed_mps\n" + "\n".join(f"{1000 * t},{t % 7}" for t in range(1400))
    with pytest.raises(StudyError) as refused:
        read_cycle(road(tmp_path, text))
    assert len(refused.value.problems) == 1
    assert "milliseconds" in str(refused.value.problems[0])


def test_speeds_in_another_unit_and_noise_are_suspected(tmp_path):
    trace = cycle("udds")
    notes = []
    read_cycle(udds(tmp_path), notes)
    assert notes == []
    rows = zip(trace.time_s, 3.6 * trace.speed_mps, strict=True)
    read_cycle(road(tmp_path, "time_s,speed_mps,note\n" + "\n".join(f"{t},{v},x" for t, v in rows)), notes)
    assert any("are the speeds km/h" in text for text in notes)
    assert any("columns not used: note" in text for text in notes)
    shaken = np.maximum(trace.speed_mps + 0.3 * (-1.0) ** np.arange(len(trace.time_s)), 0)
    noisy = []
    read_cycle(road(tmp_path, "time_s,speed_mps\n" + "\n".join(f"{t},{v}" for t, v in enumerate(shaken))), noisy)
    assert any("smooth the noise" in text for text in noisy)


def test_what_is_not_used_unknown_or_twice_is_named(tmp_path):
    other = LEAF.replace("leaf", "other", 1)
    lines = told(tmp_path, "udds", LEAF + ",red", LEAF + ",red", other.replace("nissan", "acme") + ",red",
                 header=HEADER.title().replace("Vehicle_Id", "VEHICLE_ID") + ",colour")  # fmt: skip
    text = "\n".join(lines)
    assert "columns not used: colour" in text
    assert "makers not in the calibration, the population's parameters are used: acme (1)" in text
    assert "vehicle_id more than once: leaf" in text
    assert lines[-1] == "3 of 3 vehicles simulated"
    pounds = told(tmp_path, "udds", LEAF.replace("1757.7", "3875"))
    assert any("mass in kg, not lb" in line for line in pounds)


@pytest.mark.parametrize(
    ("name", "means"),
    [("Mercedes-Benz", "mercedes"), ("VW", "volkswagen"), ("Porsche AG", "porsche"), ("Nissan Motor", "nissan"),
     ("Nissan Motor Co., Ltd.", "nissan"), ("FORD MOTOR COMPANY", "ford"), ("Tesla, Inc.", "tesla"),
     ("canoo technologies", "canoo technologies"), ("acme", "acme"), ("日産自動車", "nissan")],
)  # fmt: skip
def test_makers_are_known_by_the_names_they_are_written_with(name, means):
    assert known_maker(name, shipped_calibration().makers) == means


def test_a_newer_car_is_not_worse_for_being_newer(tmp_path):
    for maker in shipped_calibration().makers:
        lines = [LEAF.replace("nissan", maker).replace("2018", str(year)) for year in (2018, 2024, 2029, 2034)]
        wall = [row["wall_wh_per_km"] for row in simulate_vehicles(cars(tmp_path, *lines), "udds")]
        assert wall[3] <= wall[0] * 1.02
        assert wall[1] == wall[2] == wall[3]


def test_intervals_hold_the_cars_left_out_and_widen_with_ignorance(tmp_path):
    rows = simulate_vehicles(
        cars(tmp_path, LEAF, LEAF.replace("1757.7", "2600").replace("109.62", "400"), LEAF.replace("nissan", "acme")),
        "udds,nedc,us06",
    )
    width = {
        (row["vehicle_id"], n): row["wall_upper_wh_per_km"] / row["wall_lower_wh_per_km"] - 1
        for n, row in enumerate(rows)
    }
    known, unlike, blind = (list(width.values())[3 * n] for n in range(3))
    assert 0.04 < known < unlike < blind < 0.4
    assert [row["parameters"] for row in rows[::3]] == ["maker", "maker", "population"]
    errors = shipped_calibration().intervals["udds"]
    assert errors["one_vehicle"] < errors["one_model"] < errors["whole_maker"]


def test_a_calibration_written_before_there_were_intervals_still_reads(tmp_path):
    old = read_calibration(Path(__file__).parents[1] / "data" / "frozen-0.1.0" / "CAL.json")
    assert old.intervals == {}
    row = simulate_vehicles(
        cars(tmp_path, LEAF), "udds", Path(__file__).parents[1] / "data" / "frozen-0.1.0" / "CAL.json"
    )[0]
    assert row["status"] == "ok"
    assert row["wall_lower_wh_per_km"] == ""


def test_many_cars_are_within_a_thousandth_of_the_same_cars_alone(tmp_path):
    random = np.random.default_rng(1)
    count = REFERENCE_CARS + 200
    lines = [
        f"v{n},nissan,2020,{m:.1f},{0.07 * m:.1f},{random.uniform(0, 3):.3f},{random.uniform(0.3, 0.6):.3f},{p:.1f},fwd"
        for n, (m, p) in enumerate(zip(random.uniform(1000, 2500, count), random.uniform(25, 200, count), strict=True))
    ]
    simulate_file(cars(tmp_path, *lines), "udds", None, False, tmp_path / "many.csv")
    many = pl.read_csv(tmp_path / "many.csv")["battery_wh_per_km"].to_numpy()
    alone = simulate_vehicles(cars(tmp_path, *lines[:300]), "udds")
    assert np.abs(many[:300] / [row["battery_wh_per_km"] for row in alone] - 1).max() < 1e-3
    assert len(many) == count
    with (tmp_path / "many.csv").open(encoding="utf-8") as file:
        assert next(csv.reader(file))[:2] == ["vehicle_id", "cycle"]
