"""Cycles with a temperature of their own, and drives step by step."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from teikei.cli import app
from teikei.simulate import simulate_vehicles
from teikei.simulate.conditions import conditions_of
from teikei.simulate.cycles import cycle
from teikei.simulate.files import write_traces

HEADER = "vehicle_id,maker,model_year,test_mass_kg,f0_n,f1_n_per_mps,f2_n_per_mps2,power_kw,drive,usable_energy_kwh"
CARS = f"{HEADER}\na,nissan,2022,1700,130,0.5,0.40,110,fwd,59\nweak,x,2020,1500,130,0.5,0.40,12,fwd,30\n"


@pytest.fixture
def vehicles(tmp_path: Path) -> Path:
    path = tmp_path / "cars.csv"
    path.write_text(CARS, "utf-8")
    return path


def test_class_2_has_the_check_sum_of_the_regulation() -> None:
    assert np.round(cycle("wltc_class2").speed_mps * 3.6, 1).sum() == pytest.approx(81536.9, abs=0.05)


def test_ftp_is_udds_and_its_first_505_seconds_again() -> None:
    whole, town = cycle("ftp75").speed_mps, cycle("udds").speed_mps
    assert np.abs(whole[: len(town)] - town).max() < 0.05
    assert np.abs(whole[-505:] - town[1:506]).max() < 0.05


def test_cold_and_hot_tests_are_driven_at_their_temperature(vehicles: Path) -> None:
    rows = {row["cycle"]: row for row in simulate_vehicles(vehicles, "ftp75,cold_ftp,sc03") if row["vehicle_id"] == "a"}
    assert cycle("sc03").temperature_c == 35.0
    assert rows["cold_ftp"]["wall_wh_per_km"] > 1.2 * rows["ftp75"]["wall_wh_per_km"]
    warm = vehicles.with_name("warm.csv")
    warm.write_text(
        CARS.replace(HEADER, HEADER + ",temperature_c").replace("59\n", "59,23\n").replace(",30\n", ",30,23\n")
    )
    mild = {row["cycle"]: row for row in simulate_vehicles(warm, "ftp75,cold_ftp,sc03") if row["vehicle_id"] == "a"}
    assert mild["cold_ftp"]["wall_wh_per_km"] == pytest.approx(mild["ftp75"]["wall_wh_per_km"])
    assert mild["sc03"]["wall_wh_per_km"] < rows["sc03"]["wall_wh_per_km"]


@pytest.mark.parametrize(("procedure", "temperature"), [("sc03", 35.0), ("cold_ftp", -6.7), ("ftp75", 23.0)])
def test_a_requirement_on_them_is_tested_at_that_temperature(procedure: str, temperature: float) -> None:
    row = {
        "requirement": "range",
        "procedure": procedure,
        "temperature_c": 23.0,
        "loading": "driver",
        "state_of_charge": 0.5,
        "speed_kmh": None,
    }
    test = conditions_of(row)
    assert not isinstance(test, str)
    assert test.temperature_c == temperature
    assert test.cycle == procedure
    if procedure != "ftp75":
        assert isinstance(conditions_of({**row, "temperature_c": 10.0}), str)


def test_steps_add_up_to_the_drive(vehicles: Path, tmp_path: Path) -> None:
    """Also for a car that falls behind the trace."""
    out = tmp_path / "trace.csv"
    write_traces(vehicles, ["udds", "us06"], None, False, out)
    steps = pl.read_csv(out)
    for row in simulate_vehicles(vehicles, "udds,us06"):
        if row["cycle"] == "label":
            continue
        own = steps.filter((pl.col("vehicle_id") == row["vehicle_id"]) & (pl.col("cycle") == row["cycle"]))
        seconds = np.diff(own["time_s"].to_numpy())
        power = (own["battery_power_kw"] + own["battery_loss_kw"]).to_numpy()[1:]
        assert own["distance_m"][-1] / 1000.0 == pytest.approx(row["distance_km"], rel=1e-9)
        energy_wh = float((power * seconds).sum()) / 3.6
        assert energy_wh / row["distance_km"] == pytest.approx(row["battery_wh_per_km"], rel=1e-9)
        behind = (own["asked_speed_mps"] - own["speed_mps"]).max()
        assert (behind > 0.9) == (row["missed_trace_s"] > 0)


def test_a_drive_ends_in_the_trace_where_the_pack_is_empty(tmp_path: Path) -> None:
    path = tmp_path / "small.csv"
    path.write_text(f"{HEADER}\ns,x,2020,1500,130,0.5,0.40,100,fwd,1\n", "utf-8")
    write_traces(path, ["udds"], None, False, tmp_path / "t.csv")
    steps = pl.read_csv(tmp_path / "t.csv")
    assert steps["time_s"][-1] < 1369
    row = simulate_vehicles(path, "udds")[0]
    assert steps["distance_m"][-1] / 1000.0 == pytest.approx(row["distance_km"], rel=1e-6)


def test_the_command_writes_it_and_refuses_too_many(vehicles: Path, tmp_path: Path) -> None:
    arguments = ["simulate", "--cycles", "udds", "--out", str(tmp_path / "o.csv"), "--trace", str(tmp_path / "t.csv")]
    done = CliRunner().invoke(app, [*arguments, "--vehicles", str(vehicles)])
    assert done.exit_code == 0, done.output
    assert len(pl.read_csv(tmp_path / "t.csv")) == 2 * 1370
    many = tmp_path / "many.csv"
    many.write_text(HEADER + "\n" + "".join(f"c{n},x,2020,1500,130,0.5,0.40,90,fwd,30\n" for n in range(51)), "utf-8")
    done = CliRunner().invoke(app, [*arguments, "--vehicles", str(many)])
    assert "at most 50" in str(done.exception)
    done = CliRunner().invoke(app, [*arguments, "examples/kit-supply"])
    assert "--vehicles" in str(done.exception)
