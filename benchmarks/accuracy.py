"""Accuracy of the simulation against 158 EPA certification tests, 117 EPA labels and FASTSim 3.1.

    PYTHONPATH=src:. python benchmarks/accuracy.py

Bars: the regressions named in the project's issue. ``whole maker left out`` uses no vehicle of that maker;
``one vehicle left out`` is calibrated per maker and predicts that maker's left-out vehicle.
"""

from __future__ import annotations

import csv
from importlib import resources
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from tests.simulate.fastsim_model import fleet_of, reference

from teikei.simulate.calibrate import fit, leave_out
from teikei.simulate.cycles import cycle
from teikei.simulate.files import calibrate_vehicles, shipped_calibration, simulate_vehicles
from teikei.simulate.fleet import plain
from teikei.simulate.generic import battery_wh_per_km, wall_wh_per_km
from teikei.simulate.vehicle_file import VehicleFile, read_vehicles

DATA = Path(str(resources.files("teikei").joinpath("data", "vehicles")))
CYCLES = ("udds", "hwfet")


def percent(values: np.ndarray) -> str:
    finite = values[np.isfinite(values)]
    mean, middle, bias = np.abs(finite).mean(), np.median(np.abs(finite)), np.median(finite)
    return f"{100 * mean:5.2f} %  (median {100 * middle:.2f}, bias {100 * bias:+.2f})"


def epa_tests() -> None:
    vehicles = read_vehicles(DATA / "epa_bev_tests.csv")
    measured = {name: np.array([float(text) for text in vehicles.columns[f"{name}_wall_wh_per_km"]]) for name in CYCLES}
    left = leave_out(vehicles.cars, vehicles.makers, measured)
    makers = np.array(vehicles.makers)
    several = np.array([(makers == maker).sum() > 1 for maker in makers])
    print(f"EPA tests, {len(makers)} vehicles, {len(set(makers))} makers: mean absolute error of wall energy")
    print(f"{'':42s}{'UDDS':42s}{'HWFET'}")
    rows = (
        ("whole maker left out (bar 9.4 / 6.4)", left.whole_maker, np.ones(len(makers), bool)),
        ("one vehicle left out (bar 6.3 / 3.8)", left.one_vehicle, np.ones(len(makers), bool)),
        ("  makers with more than one vehicle", left.one_vehicle, several),
    )
    for title, predicted, use in rows:
        cells = [percent(predicted[use, i] / measured[name][use] - 1) for i, name in enumerate(CYCLES)]
        print(f"{title:42s}{cells[0]:42s}{cells[1]}")
    halves(vehicles, measured)
    print("by maker, one vehicle left out (UDDS, HWFET):")
    for maker in sorted(set(makers), key=lambda name: -(makers == name).sum()):
        use = makers == maker
        errors = [
            100 * np.abs(left.one_vehicle[use, i] / measured[name][use] - 1).mean() for i, name in enumerate(CYCLES)
        ]
        print(f"  {maker:20s} n={use.sum():3d} {errors[0]:6.2f} {errors[1]:6.2f}")


def halves(vehicles: VehicleFile, measured: dict[str, np.ndarray]) -> None:
    """Calibrated on a random half of the cars, predicting the other cars of the makers seen; mean of twelve splits."""
    makers = np.array(vehicles.makers)
    errors: dict[str, list[float]] = {name: [] for name in CYCLES}
    for seed in range(12):
        seen = np.random.default_rng(seed).random(len(makers)) < 0.5
        found = fit(vehicles.cars.take(seen), makers[seen].tolist(), {n: v[seen] for n, v in measured.items()})
        rest = ~seen & np.isin(makers, makers[seen])
        sets = found.sets(vehicles.cars.take(rest), makers[rest].tolist())
        for name in CYCLES:
            wall = wall_wh_per_km(vehicles.cars.take(rest), cycle(name), sets)
            errors[name].append(float(np.abs(wall / measured[name][rest] - 1).mean()))
    cells = [f"{100 * np.mean(errors[name]):5.2f} %" for name in CYCLES]
    print(f"{'half of the cars left out, makers known':42s}{cells[0]:42s}{cells[1]}")


def labels() -> None:
    """Labels and ranges from the simulation, calibrated without the row's car or without its maker."""
    with (DATA / "epa_bev_labels.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    vehicles = read_vehicles(DATA / "epa_bev_labels.csv")
    tested = {name: np.array([float(row[f"{name}_wall_wh_per_km"]) for row in rows]) for name in CYCLES}
    label = np.array([float(row["label_wall_wh_per_km"]) for row in rows])
    own = (0.55 * tested["udds"] + 0.45 * tested["hwfet"]) / label
    left = leave_out(vehicles.cars, vehicles.makers, tested)
    for title, factor in (("default factor 0.7", np.full(len(rows), 0.7)), ("label's own factor as input", own)):
        for what, predicted in (("one vehicle left out", left.one_vehicle), ("whole maker left out", left.whole_maker)):
            combined = (0.55 * predicted[:, 0] + 0.45 * predicted[:, 1]) / factor
            print(f"labels, {title:28s} {what:22s} {percent(combined / label - 1)}")
    known = np.array([float(row["battery_kwh_in_name"] or "nan") for row in rows])
    use = np.isfinite(known)
    calibration = shipped_calibration()
    sets = calibration.sets(vehicles.cars, vehicles.makers)
    battery = [battery_wh_per_km(vehicles.cars, cycle(name), sets) for name in CYCLES]
    combined = 0.55 * battery[0] + 0.45 * battery[1]
    ranges = np.array([float(row["label_range_km"]) for row in rows])
    for title, factor in (("default factor 0.7", np.full(len(rows), 0.7)), ("label's own factor as input", own)):
        predicted_range = 1000 * 0.94 * known / combined * factor
        print(
            f"range where capacity is in the name ({use.sum()} rows, 0.94 of it usable), {title}: "
            f"{percent((predicted_range / ranges - 1)[use])}"
        )


def fastsim() -> None:
    print("FASTSim 3.1 (tests/simulate/data), its efficiencies in our kernel against its own battery energy:")
    for record in reference():
        if "x" not in record["motor_efficiency"]:
            continue
        note = ""
        if "constant" not in record["battery_efficiency"]:
            record["battery_efficiency"] = {"constant": 0.985}
            note = " (battery efficiency varies with temperature there: 0.985 taken)"
        ours = plain(fleet_of(record), cycle(record["cycle"]))[0]
        difference = 100 * (ours[7] / record["battery_energy_j"] - 1)
        print(f"  {record['vehicle']:28s} {record['cycle']:6s} {difference:+6.2f} %{note}")


def time_step() -> None:
    vehicles = read_vehicles(DATA / "epa_bev_tests.csv")
    parameters = shipped_calibration().population
    for name in (*CYCLES, "wltc_class3b"):
        base = wall_wh_per_km(vehicles.cars, cycle(name), parameters)
        half = wall_wh_per_km(vehicles.cars, cycle(name).refined(2), parameters)
        print(f"halving the time step, {name}: largest change {100 * np.abs(half / base - 1).max():.3f} % (bar 0.3 %)")


def files() -> None:
    with TemporaryDirectory() as folder:
        content = calibrate_vehicles(DATA / "epa_bev_tests.csv", Path(folder) / "calibration.json")
        rows = simulate_vehicles(DATA / "epa_bev_tests.csv", CYCLES, Path(folder) / "calibration.json")
    print(f"files: {len(rows)} rows written, population {content['population']}")


if __name__ == "__main__":
    epa_tests()
    labels()
    fastsim()
    time_step()
    files()
