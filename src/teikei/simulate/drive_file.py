"""A drive of the user's: speed over time or distance, with slope, wind, temperature, auxiliaries where given."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np

from teikei.errors import Problem, StudyError
from teikei.modules.types import Array
from teikei.simulate.cycles import Cycle, make_cycle, shortened
from teikei.tables.cells import plain_number

ALIASES: Final[Mapping[str, tuple[str, float]]] = {
    "time_s": ("time", 1.0),
    "cycsecs": ("time", 1.0),  # FASTSim
    "cyc_secs": ("time", 1.0),
    "time_seconds": ("time", 1.0),  # T3CO
    "time_ms": ("time", 1e-3),
    "speed_mps": ("speed", 1.0),
    "cycmps": ("speed", 1.0),
    "cyc_mps": ("speed", 1.0),
    "mps": ("speed", 1.0),
    "speed_meters_per_second": ("speed", 1.0),
    "speed_kmh": ("speed", 1 / 3.6),
    "speed_kph": ("speed", 1 / 3.6),
    "speed_km_h": ("speed", 1 / 3.6),
    "speed_mph": ("speed", 0.44704),
    "distance_m": ("distance", 1.0),
    "distance_km": ("distance", 1000.0),
    "grade": ("grade", 1.0),
    "cycgrade": ("grade", 1.0),
    "cyc_grade": ("grade", 1.0),
    "road_grade": ("grade", 1.0),
    "grade_percent": ("grade", 0.01),
    "elevation_m": ("elevation", 1.0),
    "altitude_m": ("elevation", 1.0),
    "headwind_mps": ("headwind", 1.0),
    "headwind_kmh": ("headwind", 1 / 3.6),
    "auxiliary_w": ("auxiliary", 1.0),
    "temperature_c": ("temperature", 1.0),
}
"""Column, in small letters -> what it is, and the factor to SI."""
LIMITS: Final[Mapping[str, tuple[float, float, str]]] = {
    "grade": (-0.5, 0.5, "a slope as rise over run (0.06 for 6 %, or name the column grade_percent)"),
    "elevation": (-500.0, 9000.0, "metres above the sea"),
    "headwind": (-40.0, 40.0, "m/s against the car"),
    "auxiliary": (0.0, 50_000.0, "W"),
    "temperature": (-45.0, 55.0, "°C"),
}
SMOOTHED_OVER_M: Final = 100.0
GRID_M: Final = 5.0
ODD_SPEED_MPS: Final = 50.0  # 180 km/h
GRIP_MPS2: Final = 9.3  # tyres on dry asphalt, TYRE_GRIP of the study's cars
RESTLESS: Final = 0.35  # share of moving steps that turn speeding up into braking or back: US06 0.13, others under 0.05


def read_cycle(path: Path, notes: list[str] | None = None) -> Cycle:
    """A drive from a CSV file, named by the file: time_s or distance_m, and speed_mps, speed_kmh or speed_mph.

    Also used where given: grade or grade_percent or elevation_m (smoothed over 100 m), headwind_mps, auxiliary_w,
    temperature_c (its mean). Names in any case; those of FASTSim and T3CO are known. notes: what was made of the file
    and what in it looks odd, one line each. StudyError with the place for a file that cannot be read, a missing column,
    a cell that is no number, and all that ``make_cycle`` refuses.
    """
    told = [] if notes is None else notes
    header, rows = _rows(path)
    known = {name: ALIASES[name.lower()] for name in header if name.lower() in ALIASES}
    found: dict[str, list[str]] = {}
    for name, (kind, _) in known.items():
        found.setdefault(kind, []).append(name)
    problems = _missing(path, header, found)
    if problems:
        raise StudyError(problems)
    columns: dict[str, Array] = {}
    for name, (_, factor) in known.items():
        values = []
        for line, row in rows:
            text = row.get(name, "")
            try:
                values.append(plain_number(text) * factor)
            except (TypeError, ValueError):
                problems.append(Problem(f"{path.name}:{line}:{name}", f"'{text}' is not a number"))
        columns[name] = np.array(values)
    if problems:
        raise StudyError(shortened(problems))
    picked = {kind: _one(path, names, columns) for kind, names in found.items()}
    problems = [problem for kind in LIMITS if kind in picked for problem in _beyond(path, kind, found, picked, rows)]
    if "time" not in picked:
        picked["time"] = _time_from_distance(path, picked["distance"], picked["speed"], rows, found["distance"][0])
    elif len(rows) > 2 and float(np.median(np.diff(picked["time"]))) >= 50.0:
        step = float(np.median(np.diff(picked["time"])))
        text = f"time goes in steps of {step:g} s: is it in milliseconds? Then name the column time_ms"
        problems.append(Problem(f"{path.name}:1:{found['time'][0]}", text))
    if problems:
        raise StudyError(shortened(problems))
    lines = [line for line, _ in rows]
    made = make_cycle(path.stem, picked["time"], picked["speed"], place=path.name, lines=lines)
    grade = picked.get("grade", np.zeros(0))
    if "elevation" in picked and "grade" not in picked:
        grade = grade_of(made, picked["elevation"])
        climb = float(np.maximum(np.diff(_smooth(made, picked["elevation"])[1]), 0.0).sum())
        told.append(f"{path.name}: elevation smoothed over {SMOOTHED_OVER_M:g} m; {climb:.0f} m of climb in all")
    temperature = picked.get("temperature")
    unused = [name for name in header if name and name not in known]
    unused += found["elevation"] if "grade" in picked and "elevation" in picked else []
    unused += found["distance"] if "time" in found and "distance" in picked else []
    if unused:
        told.append(f"{path.name}: columns not used: {', '.join(unused)}")
    told += [f"{path.name}: warning: {text}" for text in odd(made)]
    return Cycle(
        made.name,
        made.time_s,
        made.speed_mps,
        grade=grade,
        headwind_mps=picked.get("headwind", np.zeros(0)),
        auxiliary_w=picked.get("auxiliary", np.zeros(0)),
        temperature_c=None if temperature is None else float(np.mean(temperature)),
    )


def odd(trace: Cycle) -> list[str]:
    """What in a trace is unlike any drive: usually another unit than the column says, or noise."""
    told = []
    top = float(trace.speed_mps.max())
    if top > ODD_SPEED_MPS:
        told.append(f"its top speed is {3.6 * top:.0f} km/h: are the speeds km/h or mph (speed_kmh, speed_mph)?")
    step = np.diff(trace.speed_mps)
    acceleration = step / np.diff(trace.time_s)
    hardest = float(np.abs(acceleration).max())
    if hardest > GRIP_MPS2:
        told.append(
            f"it speeds up or brakes at {hardest:.0f} m/s², tyres hold {GRIP_MPS2:g}: is time in s, speed right?"
        )
    moving = np.minimum(trace.speed_mps[1:], trace.speed_mps[:-1])[1:] > 1.0
    turns = (step[1:] * step[:-1] < 0) & (np.minimum(np.abs(step[1:]), np.abs(step[:-1])) > 0.1)
    if moving.sum() > 50 and turns[moving].mean() > RESTLESS:
        share = float(turns[moving].mean())
        told.append(f"{share:.0%} of its steps turn speeding up into braking or back: smooth the noise of GPS first")
    return told


def grade_of(trace: Cycle, elevation_m: Array) -> Array:
    """Slope (rise over run) at the times of a trace from the elevation there, smoothed over 100 m of road."""
    grid, height = _smooth(trace, elevation_m)
    if len(grid) < 2:
        return np.zeros(len(trace.time_s))
    return np.interp(_travelled(trace), grid, np.gradient(height, grid))


def _travelled(trace: Cycle) -> Array:
    steps = np.diff(trace.time_s) * 0.5 * (trace.speed_mps[1:] + trace.speed_mps[:-1])
    return np.concatenate([[0.0], np.cumsum(steps)])


def _smooth(trace: Cycle, elevation_m: Array) -> tuple[Array, Array]:
    """Distance nodes, m, and the elevation there: mean of the samples of a place, then over the window around it."""
    where = _travelled(trace)
    places, index = np.unique(np.round(where, 3), return_inverse=True)
    height = np.bincount(index.ravel(), weights=elevation_m) / np.bincount(index.ravel())
    grid = np.arange(0.0, where[-1] + GRID_M, GRID_M)
    level = np.interp(grid, places, height)
    half = int(SMOOTHED_OVER_M / GRID_M / 2)
    padded = np.pad(level, half, mode="reflect", reflect_type="odd") if len(level) > half else level
    if len(padded) == len(level):
        return grid, level
    total = np.concatenate([[0.0], np.cumsum(padded)])
    return grid, (total[2 * half + 1 :] - total[: -2 * half - 1]) / (2 * half + 1)


def _rows(path: Path) -> tuple[list[str], list[tuple[int, dict[str, str]]]]:
    """Header, and each row that holds anything with its line."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise StudyError([Problem(path.name, f"cannot be read: {error.strerror or error}")]) from error
    except UnicodeDecodeError as error:
        raise StudyError([Problem(path.name, "is not CSV text in UTF-8")]) from error
    first = text.split("\n", 1)[0]
    for separator, word in ((";", "semicolons"), ("\t", "tabs")):
        parts = [part.strip(' "\r').lower() for part in first.split(separator)]
        if sum(part in ALIASES for part in parts) > 1:
            wrong = f"the columns are separated by {word}, commas are expected (and points in numbers: 1.5)"
            raise StudyError([Problem(f"{path.name}:1", wrong)])
    reader = csv.reader(text.splitlines())
    try:
        lines = [(reader.line_num, cells) for cells in reader]
    except csv.Error as error:
        raise StudyError([Problem(path.name, "is not CSV text in UTF-8")]) from error
    header = [cell.strip() for cell in lines[0][1]] if lines else []
    filled = [(line, cells) for line, cells in lines[1:] if any(cell.strip() for cell in cells)]
    return header, [(line, dict(zip(header, (cell.strip() for cell in cells), strict=False))) for line, cells in filled]


def _missing(path: Path, header: Sequence[str], found: Mapping[str, list[str]]) -> list[Problem]:
    there = ", ".join(name for name in header if name) or "nothing"
    hints = {"time": "time_s", "speed": "speed_mps"}
    if "distance" in found:
        hints.pop("time")
    return [
        Problem(f"{path.name}:1:{name}", f"column '{name}' is missing; found {there}")
        for kind, name in hints.items()
        if kind not in found
    ]


def _one(path: Path, names: Sequence[str], columns: Mapping[str, Array]) -> Array:
    """The column of a kind; where there are several, they must agree."""
    first = columns[names[0]]
    for other in names[1:]:
        apart = float(np.abs(columns[other] - first).max()) if len(first) else 0.0
        if apart > 0.01 * float(np.abs(first).max()) + 1e-9:
            text = f"columns {names[0]} and {other} contradict each other: leave one out"
            raise StudyError([Problem(f"{path.name}:1:{other}", text)])
    return first


def _beyond(
    path: Path,
    kind: str,
    found: Mapping[str, list[str]],
    picked: Mapping[str, Array],
    rows: Sequence[tuple[int, Mapping[str, str]]],
) -> list[Problem]:
    low, high, words = LIMITS[kind]
    return [
        Problem(f"{path.name}:{line}:{found[kind][0]}", f"{value:g} is not between {low:g} and {high:g}, {words}")
        for (line, _), value in zip(rows, picked[kind], strict=True)
        if not low <= value <= high
    ]


def _time_from_distance(
    path: Path,
    distance_m: Array,
    speed_mps: Array,
    rows: Sequence[tuple[int, Mapping[str, str]]],
    name: str,
) -> Array:
    """Times of a drive given by speed over distance: dt = 2 ds / (v0 + v1). A stop takes no time."""
    steps = np.diff(distance_m)
    both = speed_mps[1:] + speed_mps[:-1]
    problems = [
        Problem(f"{path.name}:{rows[i + 1][0]}:{name}", text)
        for i, (step, speed) in enumerate(zip(steps, both, strict=True))
        if (text := _step_fault(step, speed))
    ]
    if problems:
        raise StudyError(shortened(problems))
    return np.concatenate([[0.0], np.cumsum(2.0 * steps / both)])


def _step_fault(step_m: float, both_mps: float) -> str:
    if not step_m > 0:
        return f"distance goes on by {step_m:g} m, expected more than 0"
    return "" if both_mps > 0 else "the car does not move and yet goes on; a stop needs a column time_s"
