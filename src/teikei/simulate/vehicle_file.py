"""Reading a vehicles file (``teikei simulate --vehicles``): what is wrong with the file, and with single cars."""

from __future__ import annotations

import csv
import difflib
import io
import itertools
import math
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Final, TextIO

import numpy as np
import numpy.typing as npt
import polars as pl

from teikei.errors import Problem, StudyError
from teikei.modules.types import Array
from teikei.simulate.as_driven import Load
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
    "auxiliary_w": (0.0, 50_000.0),
    "temperature_c": (-45.0, 55.0),
    "payload_kg": (0.0, 30_000.0),
    "trailer_mass_kg": (0.0, 40_000.0),
    "trailer_drag_area_m2": (0.0, 15.0),
    "start_soc": (0.02, 1.0),
}
NEEDED: Final = ("test_mass_kg", "f0_n", "f1_n_per_mps", "f2_n_per_mps2")
USED: Final = frozenset({*REQUIRED, *LIMITS, "motor_type"})
MOTOR_TYPES: Final = ("pm", "induction", "eesm")
GRAVITY_MPS2: Final = 9.80665
ODD_SPEED_MPS: Final = 80 / 3.6
LEAST_LOAD, MOST_LOAD = 0.012, 0.06
"""Road load over weight at 80 km/h: 0.0127 to 0.0401 in the 158 public tests that ship (data/vehicles)."""
DRIVES: Final = ("fwd", "rwd", "awd")


_UNITS: Final = {"kg": "kg", "n": "N", "kw": "kW", "kwh": "kWh"}


def vehicle_columns() -> dict[str, Column]:
    """The columns of a vehicles file, for readers of tables."""
    names = (*REQUIRED, "motor_type", *(name for name in LIMITS if name not in REQUIRED))
    return {
        name: replace(
            plain_column("vehicles", name, "number" if name in LIMITS else "text"),
            required=name in NEEDED or (name in REQUIRED and name not in LIMITS),
            key=name == "vehicle_id",
            unit=_UNITS.get(name.rsplit("_", 1)[-1], ""),
        )
        for name in names
    }


@dataclass(frozen=True)
class VehicleFile:
    """Rows of a vehicles file. faults[i]: why row i cannot be simulated (place and reason), empty if it can.

    cars: as they were tested; load: what their rows say of the drive.
    """

    path: Path
    vehicle_ids: tuple[str, ...]
    makers: tuple[str, ...]
    lines: tuple[int, ...]
    faults: tuple[str, ...]
    cars: KnownCars
    load: Load
    label_factor: Array
    columns: Mapping[str, tuple[str, ...]]

    def take(self, index: Sequence[int]) -> VehicleFile:
        """Some of the rows."""
        rows = list(index)
        at = np.array(rows, dtype=np.intp)
        return VehicleFile(
            self.path,
            tuple(self.vehicle_ids[i] for i in rows),
            tuple(self.makers[i] for i in rows),
            tuple(self.lines[i] for i in rows),
            tuple(self.faults[i] for i in rows),
            self.cars.take(at),
            self.load.take(at),
            self.label_factor[rows],
            {name: tuple(values[i] for i in rows) for name, values in self.columns.items()},
        )


def read_vehicles(path: Path, *, top_speed_mps: float = 37.0) -> VehicleFile:
    """The cars of a file. A bad row is kept with its fault; StudyError only where the file itself cannot be used.

    top_speed_mps: the road load must not be negative between rest and this speed.
    """
    parts = list(read_in_parts(path, top_speed_mps=top_speed_mps, most=sys.maxsize))
    return parts[0]


def read_in_parts(path: Path, *, top_speed_mps: float = 37.0, most: int = 50_000) -> Iterator[VehicleFile]:
    """The cars of a file, ``most`` at a time; one part without cars where the file has none."""
    with _opened(path) as file:
        reader = csv.reader(file)
        header = _header(path, file, reader)
        before, given = reader.line_num, False
        try:
            while True:
                block = list(itertools.islice(file, most))
                frame = _plain_block(header, block)
                if frame is None:
                    break
                if block or not given:
                    lines = list(range(before + 1, before + 1 + len(block)))
                    yield _part(path, Cells(frame), lines, top_speed_mps)
                before, given = before + len(block), True
                if len(block) < most:
                    return
        except UnicodeDecodeError as error:
            raise StudyError([Problem(path.name, "is not UTF-8 text; save it as CSV UTF-8")]) from error
        yield from _cell_by_cell(path, header, itertools.chain(block, file), before, top_speed_mps, most, given=given)


def _plain_block(header: list[str], block: list[str]) -> pl.DataFrame | None:
    """Lines of a file as a frame of texts, where nothing in them needs a reader of CSV: no quote, no odd width."""
    text = "".join(block)
    if "\r" in text:
        text = text.replace("\r\n", "\n")
    width = len(header)
    if '"' in text or "\r" in text or "\0" in text or text.count(",") != len(block) * (width - 1):
        return None
    names = [str(place) for place in range(width)]
    if not block:
        return pl.DataFrame(schema=dict.fromkeys(names, pl.String)).rename(dict(zip(names, header, strict=True)))
    try:
        frame = pl.read_csv(
            io.BytesIO(text.encode()),
            has_header=False,
            new_columns=names,
            infer_schema=False,
            quote_char=None,
            glob=False,
        ).fill_null("")
    except pl.exceptions.PolarsError:
        return None
    odd = len(frame) != len(block) or frame.width != width or len(set(header)) != width
    if odd or (frame["0"].str.strip_chars() == "").any():
        return None
    return frame.rename(dict(zip(names, header, strict=True)))


def _cell_by_cell(
    path: Path, header: list[str], source: Iterable[str], before: int, top_speed_mps: float, most: int, *, given: bool
) -> Iterator[VehicleFile]:
    """The rest of a file with quotes, empty rows or rows of other widths."""
    reader = csv.reader(source)
    width = len(header)
    while True:
        lines: list[int] = []
        rows: list[list[str]] = []
        try:
            for row in reader:
                if (row and row[0].strip()) or any(cell.strip() for cell in row):
                    lines.append(before + reader.line_num)
                    rows.append(row if len(row) >= width else [*row, *[""] * (width - len(row))])
                    if len(rows) == most:
                        break
        except csv.Error as error:
            place = f"{path.name}:{before + reader.line_num}"
            raise StudyError([Problem(place, f"is not well-formed CSV: {error}")]) from error
        except UnicodeDecodeError as error:
            raise StudyError([Problem(path.name, "is not UTF-8 text; save it as CSV UTF-8")]) from error
        if rows or not given:
            texts = dict(zip(header, zip(*rows, strict=False), strict=False)) if rows else {}
            frame = pl.DataFrame({name: pl.Series(texts.get(name, ()), dtype=pl.String) for name in header})
            yield _part(path, Cells(frame), lines, top_speed_mps)
        given = True
        if len(rows) < most:
            return


class Cells(Mapping[str, tuple[str, ...]]):
    """Columns of texts by name, as tuples made when they are asked for."""

    def __init__(self, frame: pl.DataFrame) -> None:
        self.frame = frame

    def __getitem__(self, name: str) -> tuple[str, ...]:
        if name not in self.frame.columns:
            raise KeyError(name)
        return tuple(self.frame[name].to_list())

    def __iter__(self) -> Iterator[str]:
        return iter(self.frame.columns)

    def __len__(self) -> int:
        return self.frame.width

    def column(self, name: str) -> pl.Series:
        """A column, of empty texts where the file has none of that name."""
        if name in self.frame.columns:
            return self.frame[name]
        return pl.Series(name, [""] * len(self.frame), dtype=pl.String)


def _part(path: Path, cells: Cells, lines: list[int], top_speed_mps: float) -> VehicleFile:
    count = len(lines)
    faults: dict[int, list[str]] = {}
    arrays = {name: _numbers(name, cells.column(name), faults) for name in LIMITS}
    drives = _words(cells.column("drive"))
    kinds = _words(cells.column("motor_type"))
    for name, words, choices in (("drive", drives, DRIVES), ("motor_type", kinds, ("", *MOTOR_TYPES))):
        for index in np.nonzero(~np.isin(words, choices))[0]:
            shown = cells.column(name)[int(index)] if name == "drive" else words[index]
            expected = ", ".join(choice for choice in choices if choice)
            faults.setdefault(int(index), []).append(f"{name}: '{shown}', expected one of {expected}")
    motor = np.where(np.isin(kinds, MOTOR_TYPES), kinds, "pm")
    coefficients = np.stack([arrays[name] for name in ("f0_n", "f1_n_per_mps", "f2_n_per_mps2")], axis=1)
    for index in np.nonzero(_least_load_n(coefficients, top_speed_mps) < 0)[0]:
        if int(index) not in faults:
            faults[int(index)] = _road_load_fault(coefficients[index].tolist(), top_speed_mps)
    cars = KnownCars(
        test_mass_kg=arrays["test_mass_kg"],
        f0_n=arrays["f0_n"],
        f1_n_per_mps=arrays["f1_n_per_mps"],
        f2_n_per_mps2=arrays["f2_n_per_mps2"],
        power_w=arrays["power_kw"] * 1000.0,
        usable_energy_wh=arrays["usable_energy_kwh"] * 1000.0,
        model_year=arrays["model_year"],
        charger_efficiency=arrays["charger_efficiency"],
        driven_axles=np.where(drives == "awd", 2.0, 1.0),
        motor_types=tuple(motor.tolist()),
    )
    return VehicleFile(
        path,
        tuple(cells.column("vehicle_id").str.strip_chars().to_list()),
        tuple(cells.column("maker").str.strip_chars().to_list()),
        tuple(lines),
        tuple("; ".join(faults[i]) if i in faults else "" for i in range(count)) if faults else ("",) * count,
        cars,
        Load(*(arrays[one.name] for one in fields(Load))),
        arrays["label_factor"],
        cells,
    )


def _words(texts: pl.Series) -> npt.NDArray[np.str_]:
    known = {text: text.strip().lower() for text in texts.unique().to_list()}
    return np.array([known[text] for text in texts.to_list()], dtype=str)


def _numbers(name: str, texts: pl.Series, faults: dict[int, list[str]]) -> Array:
    """Numbers of a column; NaN and a fault where a cell is none, or beyond the limits."""
    given = texts != ""
    if not given.any():
        if name in NEEDED:
            for index in range(len(texts)):
                faults.setdefault(index, []).append(_number(name, "")[1])
        return np.full(len(texts), np.nan)
    low, high = LIMITS[name]
    values = np.array(texts.cast(pl.Float64, strict=False).fill_null(np.nan).to_numpy(), dtype=float)
    odd = ~((values >= low) & (values <= high))
    if name not in NEEDED:
        odd &= given.to_numpy()
    for place in np.nonzero(odd)[0].tolist():
        values[place], fault = _number(name, texts[place])
        if fault:
            faults.setdefault(place, []).append(fault)
    return values


def _least_load_n(coefficients: Array, top_speed_mps: float) -> Array:
    """Least road load between rest and the top speed, N: at the ends, or at the bottom of the parabola."""
    f0, f1, f2 = coefficients.T
    with np.errstate(divide="ignore", invalid="ignore"):
        bottom = np.clip(np.where(f2 > 0, -f1 / (2.0 * f2), 0.0), 0.0, top_speed_mps)
    ends = (np.zeros_like(f0), bottom, np.full_like(f0, top_speed_mps))
    return np.asarray(np.min([f0 + (f1 + f2 * v) * v for v in ends], axis=0))


def oddities(vehicles: VehicleFile) -> list[str]:
    """Cars whose road load is far from that of any car tested: usually coefficients in other units. One line each."""
    cars = vehicles.cars
    force_n = cars.f0_n + (cars.f1_n_per_mps + cars.f2_n_per_mps2 * ODD_SPEED_MPS) * ODD_SPEED_MPS
    shares = force_n / (cars.test_mass_kg * GRAVITY_MPS2)
    told = []
    for index in np.nonzero(~((shares >= LEAST_LOAD) & (shares <= MOST_LOAD)))[0]:
        if not vehicles.faults[index]:
            place = f"{vehicles.path.name}:{vehicles.lines[index]}"
            told.append(
                f"{place}: warning: the road load of {vehicles.vehicle_ids[index]} at 80 km/h is {shares[index]:.1%} "
                "of its weight, cars have 1.3 to 4.0%: are f0, f1 and f2 in N and m/s, and the mass in kg, not lb?"
            )
    return told


def unused_columns(vehicles: VehicleFile) -> list[str]:
    """Columns of the file that neither name a car nor enter its simulation."""
    return [name for name in vehicles.columns if name and name not in USED]


def _opened(path: Path) -> TextIO:
    try:
        if b"\0" in path.open("rb").read(1 << 20):
            raise StudyError([Problem(path.name, "contains NUL bytes; save it as CSV UTF-8")])
        return path.open(encoding="utf-8-sig", newline="")
    except OSError as error:
        raise StudyError([Problem(path.name, f"cannot be read: {error.strerror or error}")]) from error


def _header(path: Path, file: TextIO, reader: Any) -> list[str]:
    """Names of the columns, in the letters that teikei uses; StudyError where one that is needed is missing."""
    try:
        row = next((cells for cells in reader if any(cell.strip() for cell in cells)), None)
    except csv.Error as error:
        raise StudyError([Problem(f"{path.name}:{reader.line_num}", f"is not well-formed CSV: {error}")]) from error
    except UnicodeDecodeError as error:
        raise StudyError([Problem(path.name, "is not UTF-8 text; save it as CSV UTF-8")]) from error
    if row is None:
        raise StudyError([Problem(f"{path.name}:1", f"is empty; expected the columns {', '.join(REQUIRED)}")])
    joined = ",".join(row)
    for separator, word in ((";", "semicolons"), ("\t", "tabs")):
        if len({part.strip(' "').lower() for part in joined.split(separator)} & {*REQUIRED}) > 1:
            wrong = f"the columns are separated by {word}, commas are expected (and points in numbers: 1.5)"
            raise StudyError([Problem(f"{path.name}:1", wrong)])
    header = [cell.strip() for cell in row]
    header = [cell.lower() if cell.lower() in USED else cell for cell in header]
    doubled = sorted({name for name in header if name and header.count(name) > 1})
    missing = [name for name in REQUIRED if name not in header]
    if missing or doubled:
        raise StudyError(
            [
                *(Problem(f"{path.name}:1:{name}", "this column is there twice: leave one out") for name in doubled),
                *(
                    Problem(f"{path.name}:1:{name}", f"column '{name}' is missing{_closest(name, header)}")
                    for name in missing
                ),
            ]
        )
    del file
    return header


def _closest(name: str, header: Sequence[str]) -> str:
    close = difflib.get_close_matches(name, [other for other in header if other not in REQUIRED], n=1)
    return f"; '{close[0]}' is close: rename it if it is the same quantity in the same unit" if close else ""


def _number(name: str, text: str) -> tuple[float, str]:
    text = text.strip()
    if not text:
        return math.nan, "" if name not in NEEDED else f"{name}: empty, expected a number"
    try:
        value = plain_number(text)
    except ValueError:
        if text.lower().lstrip("+-") not in ("nan", "inf"):
            return math.nan, f"{name}: '{text}' is not a number"
        value = float(text)
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
