"""GPX tracks and logged CSV as drives."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from teikei.cli import app
from teikei.errors import StudyError
from teikei.simulate.cycles import cycle
from teikei.simulate.drive_file import read_cycle
from teikei.simulate.drive_import import EARTH_M, import_drive

SPEED = cycle("hwfet").speed_mps


def track() -> tuple[np.ndarray, np.ndarray]:
    """Latitudes of the highway cycle driven north, and a climb of 3 %."""
    distance = np.concatenate([[0.0], np.cumsum(0.5 * (SPEED[1:] + SPEED[:-1]))])
    return 35.0 + np.degrees(distance / EARTH_M), 100.0 + 0.03 * distance


def gpx(path: Path, keep: slice = slice(None), extra: str = "") -> Path:
    latitude, height = track()
    points = "".join(
        f'<trkpt lat="{lat:.9f}" lon="139.0"><ele>{ele:.2f}</ele>'
        f"<time>2026-05-01T08:{second // 60:02d}:{second % 60:02d}Z</time></trkpt>"
        for second, (lat, ele) in list(enumerate(zip(latitude, height, strict=True)))[keep]
    )
    space = 'xmlns="http://www.topografix.com/GPX/1/1"'
    path.write_text(f'<?xml version="1.0"?>{extra}<gpx {space}><trk><trkseg>{points}</trkseg></trk></gpx>', "utf-8")
    return path


def test_a_track_is_the_drive_that_was_driven(tmp_path: Path) -> None:
    told = import_drive(gpx(tmp_path / "a.gpx"), tmp_path / "out")
    made = read_cycle(tmp_path / "out" / "drive.csv")
    assert made.distance_m == pytest.approx(cycle("hwfet").distance_m, rel=2e-3)
    five = np.convolve(SPEED, np.ones(5) / 5, mode="same")
    assert np.abs(made.speed_mps - five)[5:-5].max() < 0.6
    assert np.median(made.grade[100:-100]) == pytest.approx(0.03, abs=0.002)
    assert any("from the positions" in line for line in told)


def test_a_log_by_clock_and_kmh_is_the_same_as_one_by_seconds(tmp_path: Path) -> None:
    seconds = "time_s,speed_mps\n" + "".join(f"{s},{v:.4f}\n" for s, v in enumerate(SPEED))
    clock = "Timestamp,speed_kmh\n" + "".join(
        f"2026-05-01 08:{s // 60:02d}:{s % 60:02d},{3.6 * v:.6f}\n" for s, v in enumerate(SPEED)
    )
    for name, text in (("s", seconds), ("c", clock)):
        (tmp_path / f"{name}.csv").write_text(text, "utf-8")
        import_drive(tmp_path / f"{name}.csv", tmp_path / name)
    one, other = (read_cycle(tmp_path / name / "drive.csv") for name in "sc")
    np.testing.assert_allclose(one.speed_mps, other.speed_mps, atol=2e-4)
    assert one.distance_m == pytest.approx(cycle("hwfet").distance_m, rel=1e-3)


def test_a_stop_without_points_is_standing_still(tmp_path: Path) -> None:
    rows = ["time_s,latitude,longitude"]
    rows += [f"{second},{35 + np.degrees(10 * second / EARTH_M):.9f},139" for second in range(60)]
    rows += [f"{second + 300},{35 + np.degrees(10 * second / EARTH_M):.9f},139" for second in range(60, 120)]
    (tmp_path / "stop.csv").write_text("\n".join(rows) + "\n", "utf-8")
    told = import_drive(tmp_path / "stop.csv", tmp_path)
    made = read_cycle(tmp_path / "drive.csv")
    assert made.speed_mps[70:350].max() == 0.0
    assert made.speed_mps[20] == pytest.approx(10.0, rel=1e-3)
    assert any("1 gaps" in line for line in told)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("time_s,lat,lon\n0,35,139\n1,35,139\n", "three or more"),
        ("time_s,speed_kmh\n0,1\n2,x\n3,1\n", ":3:speed_kmh"),
        ("time_s,speed_kmh\n0,1\n2,1\n1,1\n", "backward"),
        ("when,speed_kmh\n0,1\n", "timestamp"),
        ("timestamp,speed_kmh\n8 o'clock,1\n", "no time"),
        ("time_s,lat,lon\n0,35,139\n1,35,139\n400,36,139\n", "not known"),
        ("time_s,lat,lon\n0,35,139\n1,35,139\n2,35.1,139\n3,35.1,139\n", "jump"),
    ],
)
def test_what_is_no_drive_is_said_with_its_place(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "log.csv").write_text(text, "utf-8")
    with pytest.raises(StudyError, match=said):
        import_drive(tmp_path / "log.csv", tmp_path)


def test_entities_of_xml_are_refused(tmp_path: Path) -> None:
    bomb = '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]>'
    with pytest.raises(StudyError, match="no GPX"):
        import_drive(gpx(tmp_path / "bomb.gpx", extra=bomb), tmp_path)


def test_a_planned_route_is_no_drive(tmp_path: Path) -> None:
    path = tmp_path / "route.gpx"
    path.write_text('<gpx><trk><trkseg><trkpt lat="35" lon="139"/></trkseg></trk></gpx>', "utf-8")
    with pytest.raises(StudyError, match="planned route"):
        import_drive(path, tmp_path)


def test_the_command_makes_a_drive_that_simulate_takes(tmp_path: Path) -> None:
    source = gpx(tmp_path / "a.gpx")
    done = CliRunner().invoke(app, ["import", str(source), "--as", "drive", "--out", str(tmp_path / "d")])
    assert done.exit_code == 0, done.output
    assert "km in 765 s" in done.output
    cars = tmp_path / "cars.csv"
    cars.write_text(
        "vehicle_id,maker,model_year,test_mass_kg,f0_n,f1_n_per_mps,f2_n_per_mps2,power_kw,drive\n"
        "a,nissan,2022,1700,130,0.5,0.40,110,fwd\n",
        "utf-8",
    )
    arguments = ["--vehicles", str(cars), "--cycles", f"{tmp_path / 'd' / 'drive.csv'},hwfet"]
    done = CliRunner().invoke(app, ["simulate", *arguments, "--out", str(tmp_path / "o.csv")])
    assert done.exit_code == 0, done.output
