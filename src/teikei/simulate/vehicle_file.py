"""Reading a vehicles file (``teikei simulate --vehicles``): what is wrong with the file, and with single cars."""

from __future__ import annotations

import csv
import difflib
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

from teikei.errors import Problem, StudyError
from teikei.modules.types import Array
from teikei.simulate.generic import KnownCars
from teikei.tables.cells import plain_number
from teikei.tables.columns import Column, plain_column

REQUIRED: Final = (
    "vehicle_id",
    "maker",
    "model_year",
    "test_mass_kg",
    "f0_n",
    "f1_n_per_mps",
    "f2_n_per_mps2",
    "power_kw",
    "drive",
)
LIMITS: Final = {
    "model_year": (1990.0, 2100.0),
    "test_mass_kg": (200.0, 30_000.0),
    "f0_n": (-500.0, 5000.0),
    "f1_n_per_mps": (-100.0, 200.0),
    "f2_n_per_mps2": (-1.0, 20.0),
    "power_kw": (1.0, 3000.0),
    "usable_energy_kwh": (0.5, 1000.0),
    "charger_efficiency": (0.5, 1.0),
    "label_factor": (0.3, 1.0),
}
_MAY_BE_EMPTY: Final = frozenset({"power_kw", "usable_energy_kwh", "charger_efficiency", "label_factor", "model_year"})
MOTOR_TYPES: Final = ("pm", "induction", "eesm")
GRAVITY_MPS2: Final = 9.80665
ODD_SPEED_MPS: Final = 80 / 3.6
LEAST_LOAD, MOST_LOAD = 0.01, 0.06
"""Road load over weight at 80 km/h: 0.0127 to 0.0401 in the 158 public tests that ship (data/vehicles)."""
DRIVES: Final = ("fwd", "rwd", "awd")


_UNITS: Final = {"kg": "kg", "n": "N", "kw": "kW", "kwh": "kWh"}


def vehicle_columns() -> dict[str, Column]:
    """The columns of a vehicles file, for readers of tables."""
    names = (*REQUIRED, "motor_type", *(name for name in LIMITS if name not in REQUIRED))
    return {
        name: replace(
            plain_column("vehicles", name, "number" if name in LIMITS else "text"),
            required=name in REQUIRED and name not in _MAY_BE_EMPTY,
            key=name == "vehicle_id",
            unit=_UNITS.get(name.rsplit("_", 1)[-1], ""),
        )
        for name in names
    }


@dataclass(frozen=True)
class VehicleFile:
    """Rows of a vehicles file. faults[i]: why row i cannot be simulated (place and reason), empty if it can."""

    path: Path
    vehicle_ids: tuple[str, ...]
    makers: tuple[str, ...]
    lines: tuple[int, ...]
    faults: tuple[str, ...]
    cars: KnownCars
    label_factor: Array
    columns: dict[str, tuple[str, ...]]

    def take(self, index: Sequence[int]) -> VehicleFile:
        """Some of the rows."""
        rows = list(index)
        return VehicleFile(
            self.path,
            tuple(self.vehicle_ids[i] for i in rows),
            tuple(self.makers[i] for i in rows),
            tuple(self.lines[i] for i in rows),
            tuple(self.faults[i] for i in rows),
            self.cars.take(np.array(rows, dtype=np.intp)),
            self.label_factor[rows],
            {name: tuple(values[i] for i in rows) for name, values in self.columns.items()},
        )


def read_vehicles(path: Path, *, top_speed_mps: float = 37.0) -> VehicleFile:
    """The cars of a file. A bad row is kept with its fault; StudyError only where the file itself cannot be used.

    top_speed_mps: the road load must not be negative between rest and this speed.
    """
    rows, header = _rows(path)
    missing = [name for name in REQUIRED if name not in header]
    if missing:
        raise StudyError(
            [
                Problem(f"{path.name}:1:{name}", f"column '{name}' is missing{_closest(name, header)}")
                for name in missing
            ]
        )
    values: dict[str, list[float]] = {name: [] for name in LIMITS}
    faults, kinds = [], []
    for row in rows:
        problems: list[str] = []
        for name in LIMITS:
            value, fault = _number(name, row.get(name, ""))
            values[name].append(value)
            if fault:
                problems.append(fault)
        drive = row["drive"].strip().lower()
        if drive not in DRIVES:
            problems.append(f"drive: '{row['drive']}', expected one of {', '.join(DRIVES)}")
        kind = (row.get("motor_type") or "pm").strip().lower()
        if kind not in MOTOR_TYPES:
            problems.append(f"motor_type: '{kind}', expected one of {', '.join(MOTOR_TYPES)}")
            kind = "pm"
        kinds.append(kind)
        if not problems:
            problems += _road_load_fault(
                [values[f][-1] for f in ("f0_n", "f1_n_per_mps", "f2_n_per_mps2")], top_speed_mps
            )
        faults.append("; ".join(problems))
    arrays = {name: np.array(column, dtype=float) for name, column in values.items()}
    cars = KnownCars(
        test_mass_kg=arrays["test_mass_kg"],
        f0_n=arrays["f0_n"],
        f1_n_per_mps=arrays["f1_n_per_mps"],
        f2_n_per_mps2=arrays["f2_n_per_mps2"],
        power_w=arrays["power_kw"] * 1000.0,
        usable_energy_wh=arrays["usable_energy_kwh"] * 1000.0,
        model_year=arrays["model_year"],
        charger_efficiency=arrays["charger_efficiency"],
        driven_axles=np.array([2.0 if row["drive"].strip().lower() == "awd" else 1.0 for row in rows]),
        motor_types=tuple(kinds),
    )
    return VehicleFile(
        path,
        tuple(row["vehicle_id"].strip() for row in rows),
        tuple(row["maker"].strip() for row in rows),
        tuple(range(2, len(rows) + 2)),
        tuple(faults),
        cars,
        arrays["label_factor"],
        {name: tuple(row.get(name, "") for row in rows) for name in header},
    )


def oddities(vehicles: VehicleFile) -> list[str]:
    """Cars whose road load is far from that of any car tested: usually coefficients in other units. One line each."""
    cars = vehicles.cars
    force_n = cars.f0_n + (cars.f1_n_per_mps + cars.f2_n_per_mps2 * ODD_SPEED_MPS) * ODD_SPEED_MPS
    told = []
    for index, share in enumerate(force_n / (cars.test_mass_kg * GRAVITY_MPS2)):
        if not vehicles.faults[index] and not LEAST_LOAD <= share <= MOST_LOAD:
            place = f"{vehicles.path.name}:{vehicles.lines[index]}"
            told.append(
                f"{place}: warning: the road load of {vehicles.vehicle_ids[index]} at 80 km/h is {share:.1%} of its "
                "weight, cars have 1.3 to 4.0%: are f0, f1 and f2 in N and m/s, and the mass in kg?"
            )
    return told


def _rows(path: Path) -> tuple[list[dict[str, str]], list[str]]:
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise StudyError([Problem(path.name, f"cannot be read: {error.strerror or error}")]) from error
    except UnicodeDecodeError as error:
        raise StudyError([Problem(path.name, "is not UTF-8 text; save it as CSV UTF-8")]) from error
    if "\0" in text:
        raise StudyError([Problem(path.name, "contains NUL bytes; save it as CSV UTF-8")])
    reader = csv.reader(io.StringIO(text, newline=""))
    try:
        lines = [line for line in reader if any(cell.strip() for cell in line)]
    except csv.Error as error:
        raise StudyError([Problem(f"{path.name}:{reader.line_num}", f"is not well-formed CSV: {error}")]) from error
    if not lines:
        raise StudyError([Problem(f"{path.name}:1", f"is empty; expected the columns {', '.join(REQUIRED)}")])
    header = [cell.strip() for cell in lines[0]]
    for separator, word in ((";", "semicolons"), ("\t", "tabs")):
        if len({part.strip(' "') for part in text.split("\n", 1)[0].split(separator)} & {*REQUIRED}) > 1:
            wrong = f"the columns are separated by {word}, commas are expected (and points in numbers: 1.5)"
            raise StudyError([Problem(f"{path.name}:1", wrong)])
    return [dict(zip(header, [*line, *[""] * len(header)], strict=False)) for line in lines[1:]], header


def _closest(name: str, header: Sequence[str]) -> str:
    close = difflib.get_close_matches(name, [other for other in header if other not in REQUIRED], n=1)
    return f"; '{close[0]}' is close: rename it if it is the same quantity in the same unit" if close else ""


def _number(name: str, text: str) -> tuple[float, str]:
    text = text.strip()
    if not text:
        return math.nan, "" if name in _MAY_BE_EMPTY else f"{name}: empty, expected a number"
    try:
        value = plain_number(text)
    except ValueError:
        return math.nan, f"{name}: '{text}' is not a number"
    low, high = LIMITS[name]
    if not low <= value <= high:
        return math.nan, f"{name}: {value:g} is not between {low:g} and {high:g}"
    return value, ""


def _road_load_fault(coefficients: Sequence[float], top_speed_mps: float) -> list[str]:
    speed = np.linspace(0.0, top_speed_mps, 149)
    force = coefficients[0] + (coefficients[1] + coefficients[2] * speed) * speed
    if force.min() >= 0:
        return []
    at = float(speed[int(np.argmin(force))])
    return [f"f0_n: the road load is {force.min():.0f} N at {3.6 * at:.0f} km/h, it must not be negative on the cycle"]
