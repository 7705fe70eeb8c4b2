"""A drive from a logger's own file: GPX tracks, or CSV with positions or clock times, into a cycle at one second."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
from defusedxml import DefusedXmlException, ElementTree

from teikei.errors import Problem, StudyError
from teikei.modules.types import Array
from teikei.simulate.drive_file import ALIASES, read_cycle
from teikei.tables.cells import plain_number
from teikei.tables.write import write_csv

EARTH_M: Final = 6_371_008.8
LARGEST_BYTES: Final = 50_000_000
STANDS_M: Final = 30.0  # moved less than that over a gap of the log: the car stood still
LONGEST_GAP_S: Final = 120.0  # of moving over which speed is taken as even
SMOOTHED_S: Final = 5  # running mean of the speed: positions of phones jump by metres
TOP_SPEED_MPS: Final = 90.0
_TIMES: Final = ("timestamp", "time", "utc", "datetime", "gps_time")
_LATITUDES: Final = ("latitude", "lat", "latitude_deg")
_LONGITUDES: Final = ("longitude", "lon", "lng", "long", "longitude_deg")


@dataclass(frozen=True)
class Log:
    """Points of a log: places in the file for messages, seconds from the start, and what was measured (or empty)."""

    places: Sequence[str]
    time_s: Array
    latitude_deg: Array
    longitude_deg: Array
    speed_mps: Array
    elevation_m: Array


def import_drive(path: Path, out: Path) -> list[str]:
    """Reads a GPX or CSV log and writes OUT/drive.csv (time_s, speed_mps, elevation_m at one second).

    Returns what was made of it, one line each. Speed is the log's own or that of its positions, a running mean over
    five seconds; a gap in which the car hardly moved is standing still. StudyError with the place for what is no log.
    """
    try:
        size = path.stat().st_size
    except OSError as error:
        raise StudyError([Problem(path.name, f"cannot be read: {error.strerror or error}")]) from error
    if size > LARGEST_BYTES:
        raise StudyError([Problem(path.name, f"{size / 1e6:.0f} MB, at most {LARGEST_BYTES / 1e6:.0f} MB are read")])
    log = _gpx(path) if path.suffix.lower() == ".gpx" else _csv(path)
    told: list[str] = []
    time, speed, elevation = _at_seconds(path, log, told)
    target = out / "drive.csv"
    try:
        out.mkdir(parents=True, exist_ok=True)
        columns = ["time_s", "speed_mps", *(["elevation_m"] if len(elevation) else [])]
        table = [time, np.round(speed, 4), *([np.round(elevation, 2)] if len(elevation) else [])]
        write_csv(target, columns, ([float(value) for value in row] for row in zip(*table, strict=True)))
    except OSError as error:
        raise StudyError(f"{target} cannot be written: {error.strerror or error}") from error
    made = read_cycle(target, told)
    told.append(f"{len(log.time_s)} points, {made.distance_m / 1000.0:.2f} km in {time[-1]:.0f} s")
    return told


def _gpx(path: Path) -> Log:
    try:
        root: Any = ElementTree.parse(path, forbid_dtd=True).getroot()
    except (DefusedXmlException, ElementTree.ParseError, ValueError) as error:
        raise StudyError([Problem(path.name, f"is no GPX that can be read: {error}")]) from error
    points = [element for element in root.iter() if element.tag.rsplit("}", 1)[-1] == "trkpt"]
    rows: list[tuple[str, float, float, float, float, float]] = []
    for number, point in enumerate(points, start=1):
        place = f"{path.name}:trkpt {number}"
        inside = {child.tag.rsplit("}", 1)[-1]: child.text or "" for child in point.iter()}
        if "time" not in inside:
            raise StudyError([Problem(place, "has no time: only a recorded track is a drive, not a planned route")])
        rows.append(
            (
                place,
                _clock(inside["time"], place),
                _value(point.get("lat") or "", f"{place}:lat"),
                _value(point.get("lon") or "", f"{place}:lon"),
                _value(inside["speed"], f"{place}:speed") if "speed" in inside else np.nan,
                _value(inside["ele"], f"{place}:ele") if "ele" in inside else np.nan,
            )
        )
    return _log(path, rows, "track points (trkpt)")


def _csv(path: Path) -> Log:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            cells = [(number, row) for number, row in enumerate(csv.reader(file), start=1) if any(row)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise StudyError([Problem(path.name, f"cannot be read as CSV in UTF-8: {error}")]) from error
    if not cells:
        raise StudyError([Problem(path.name, "is empty")])
    header = [name.strip().lower() for name in cells[0][1]]

    def first(names: Sequence[str]) -> str:
        return next((name for name in names if name in header), "")

    clock, latitude, longitude = first(_TIMES), first(_LATITUDES), first(_LONGITUDES)
    seconds = next((name for name in header if ALIASES.get(name, ("",))[0] == "time"), "")
    speed = next((name for name in header if ALIASES.get(name, ("",))[0] == "speed"), "")
    elevation = next(
        (name for name in header if ALIASES.get(name, ("",))[0] == "elevation"), first(("ele", "altitude"))
    )
    if not (seconds or clock) or not (speed or (latitude and longitude)):
        wanted = "time_s or timestamp, and speed_mps (speed_kmh, speed_mph) or latitude and longitude"
        raise StudyError([Problem(f"{path.name}:1", f"found {', '.join(header)}; expected {wanted}")])
    rows = []
    for number, row in cells[1:]:
        own = dict(zip(header, row, strict=False))
        place = f"{path.name}:{number}"

        def number_of(name: str, own: dict[str, str] = own, place: str = place) -> float:
            text = own.get(name, "").strip() if name else ""
            return _value(text, f"{place}:{name}") * ALIASES.get(name, ("", 1.0))[1] if text else np.nan

        at = number_of(seconds) if seconds else _clock(own.get(clock, ""), f"{place}:{clock}")
        rows.append((place, at, number_of(latitude), number_of(longitude), number_of(speed), number_of(elevation)))
    return _log(path, rows, "rows")


def _log(path: Path, rows: Sequence[tuple[str, float, float, float, float, float]], what: str) -> Log:
    if len(rows) < 3:
        raise StudyError([Problem(path.name, f"has {len(rows)} {what}; a drive needs three or more")])
    values = np.array([row[1:] for row in rows], dtype=float)
    if not np.isfinite(values[:, 0]).all():
        place = rows[int(np.nonzero(~np.isfinite(values[:, 0]))[0][0])][0]
        raise StudyError([Problem(place, "has no time")])
    return Log([row[0] for row in rows], values[:, 0] - values[0, 0], *values[:, 1:].T)


def _value(text: str, place: str) -> float:
    try:
        return plain_number(text)
    except ValueError:
        raise StudyError([Problem(place, f"'{text[:40]}' is no number")]) from None


def _clock(text: str, place: str) -> float:
    try:
        return datetime.fromisoformat(text.strip().replace("Z", "+00:00")).timestamp()
    except ValueError:
        raise StudyError([Problem(place, f"'{text[:40]}' is no time; expected 2026-05-01T08:00:00Z")]) from None


def _at_seconds(path: Path, log: Log, told: list[str]) -> tuple[Array, Array, Array]:
    """Time, speed and elevation (empty where the log has none) at whole seconds."""
    keep = np.concatenate([[True], np.diff(log.time_s) != 0])
    backward = np.nonzero(np.diff(log.time_s) < 0)[0]
    if len(backward):
        raise StudyError([Problem(log.places[int(backward[0]) + 1], "the time goes backward")])
    if not keep.all():
        told.append(f"{path.name}: {int((~keep).sum())} points at the time of the one before are left out")
    time, measured = log.time_s[keep], log.speed_mps[keep]
    places = [place for place, kept in zip(log.places, keep, strict=True) if kept]
    step = np.diff(time)
    whole = np.arange(0.0, np.floor(time[-1]) + 1.0)
    if np.isfinite(measured).all():
        moved = 0.5 * (measured[1:] + measured[:-1]) * step
        speed = np.interp(whole, time, measured)
        own = "speed: the log's own"
    else:
        moved = _moved_m(log.latitude_deg[keep], log.longitude_deg[keep])
        if not np.isfinite(moved).all():
            place = places[int(np.nonzero(~np.isfinite(moved))[0][0]) + 1]
            raise StudyError([Problem(place, "has neither a speed nor a position")])
        travelled = np.concatenate([[0.0], np.cumsum(np.where((step > 10) & (moved < STANDS_M), 0.0, moved))])
        speed = np.gradient(np.interp(whole, time, travelled))
        own = "speed: from the positions"
    for index in np.nonzero(step > 10)[0]:
        if moved[index] >= STANDS_M and step[index] > LONGEST_GAP_S:
            text = f"{step[index]:.0f} s without a point, {moved[index] / 1000:.1f} km on: what was driven is not known"
            raise StudyError([Problem(places[index + 1], text)])
        if moved[index] < STANDS_M:
            speed[(whole > time[index]) & (whole < time[index + 1])] = 0.0
    gaps = int((step > 10).sum())
    if gaps:
        told.append(f"{path.name}: {gaps} gaps of more than 10 s: standing still, or even speed where the car moved on")
    smooth = np.convolve(np.pad(speed, SMOOTHED_S // 2, mode="edge"), np.ones(SMOOTHED_S) / SMOOTHED_S, mode="valid")
    smooth = np.where(smooth < 0.3, 0.0, smooth)  # noise of a car at rest
    if smooth.max() > TOP_SPEED_MPS:
        fastest = places[int(np.argmin(np.abs(time - whole[int(np.argmax(smooth))])))]
        raise StudyError([Problem(fastest, f"{3.6 * smooth.max():.0f} km/h: a jump of the position, or another unit")])
    told.append(f"{path.name}: {own}, mean over {SMOOTHED_S} s, at 1 s")
    high = log.elevation_m[keep]
    known = np.isfinite(high)
    return whole, smooth, np.interp(whole, time[known], high[known]) if known.any() else np.zeros(0)


def _moved_m(latitude_deg: Array, longitude_deg: Array) -> Array:
    """Great-circle distance from point to point, m (haversine)."""
    latitude, longitude = np.radians(latitude_deg), np.radians(longitude_deg)
    half = (
        np.sin(np.diff(latitude) / 2) ** 2
        + np.cos(latitude[1:]) * np.cos(latitude[:-1]) * np.sin(np.diff(longitude) / 2) ** 2
    )
    return np.asarray(2.0 * EARTH_M * np.arcsin(np.sqrt(np.clip(half, 0.0, 1.0))))
