"""``teikei simulate`` and ``teikei calibrate``: files in, files out, in the formats of docs/reference/formats.md."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, replace
from importlib import resources
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl

from teikei.errors import Problem, StudyError
from teikei.modules.types import Array
from teikei.simulate.as_driven import EMPTY, TRACED, drive, traced
from teikei.simulate.calibrate import Calibration, LeftOut, fit, intervals_of, leave_out
from teikei.simulate.cycles import DEFAULT_LABEL_FACTOR, PROCEDURES, REGULATION, TEST_TEMPERATURE_C, Cycle, cycle
from teikei.simulate.drive_file import read_cycle
from teikei.simulate.generic import LossParameters, wall_efficiency
from teikei.simulate.lines import FEATURES, LINE_NAMES, Lines
from teikei.simulate.vehicle_file import VehicleFile, oddities, read_in_parts, read_vehicles, unused_columns
from teikei.tables.cells import plain_number
from teikei.tables.write import write_frames

COLUMNS: Final = (
    "vehicle_id",
    "cycle",
    "battery_wh_per_km",
    "wall_wh_per_km",
    "range_km",
    "label_wh_per_km",
    "label_range_km",
    "missed_trace_s",
    "status",
    "distance_km",
    "wall_lower_wh_per_km",
    "wall_upper_wh_per_km",
    "parameters",
)
MISSED_TRACE_TOLD_S: Final = 2.0
MOST_LINES_TOLD: Final = 20
_CITY, _HIGHWAY = "udds", "hwfet"


def shipped_calibration() -> Calibration:
    """The calibration that ships: fitted to 158 EPA certification tests (data/vehicles/SOURCES.md)."""
    text = resources.files("teikei").joinpath("data", "vehicles", "epa_calibration.json").read_text("utf-8")
    return _calibration(json.loads(text), "epa_calibration.json")


def read_calibration(path: Path) -> Calibration:
    """A calibration file; StudyError where it is none."""
    try:
        content = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise StudyError([Problem(path.name, f"cannot be read: {error.strerror or error}")]) from error
    except ValueError as error:
        raise StudyError([Problem(path.name, f"is not a calibration file (JSON): {error}")]) from error
    return _calibration(content, path.name)


def _calibration(content: Any, name: str) -> Calibration:
    if not isinstance(content, dict) or content.get("format") != 1:
        found = content.get("format") if isinstance(content, dict) else type(content).__name__
        raise StudyError([Problem(f"{name}:format", f"found {found!r}, expected a calibration file of format 1")])
    names = [field.name for field in fields(LossParameters)]

    def parameters(block: Any, place: str) -> LossParameters:
        try:
            return LossParameters(**{key: float(block[key]) for key in names})
        except (KeyError, TypeError, ValueError) as error:
            raise StudyError([Problem(f"{name}:{place}", f"expected the numbers {', '.join(names)}")]) from error

    makers = content.get("makers", {})
    if not isinstance(makers, dict):
        raise StudyError([Problem(f"{name}:makers", "expected an object of makers")])

    def lines(block: Any, place: str) -> Lines:
        try:
            return Lines.from_json(block.get("lines", []))
        except (KeyError, TypeError, ValueError) as error:
            text = f"expected objects with the numbers {', '.join((*FEATURES, *LINE_NAMES))}"
            raise StudyError([Problem(f"{name}:{place}.lines", text)]) from error

    return Calibration(
        parameters(content.get("population"), "population"),
        {str(maker).strip().lower(): parameters(block, f"makers.{maker}") for maker, block in makers.items()},
        {str(maker).strip().lower(): int(block.get("vehicles", 0)) for maker, block in makers.items()},
        {str(maker).strip().lower(): lines(block, f"makers.{maker}") for maker, block in makers.items()},
        _intervals(content.get("error_of_80_percent", {}), name),
    )


def _intervals(block: Any, name: str) -> dict[str, dict[str, float]]:
    """Errors of a calibration file; empty for files written before there were any."""
    try:
        return {
            str(cycle_name): {way: float(errors[way]) for way in ("one_vehicle", "one_model", "whole_maker")}
            for cycle_name, errors in block.items()
        }
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        text = "expected for each cycle the numbers one_vehicle, one_model, whole_maker"
        raise StudyError([Problem(f"{name}:error_of_80_percent", text)]) from error


def named_cycles(cycles: str | Sequence[str], notes: list[str] | None = None) -> dict[str, Cycle]:
    """Cycles by name from ``udds,hwfet`` or files (``my-road.csv``); ``wltc`` alone names two procedures: refused.

    notes: what was made of own files (``read_cycle``) is added to it.
    """
    names = cycles.split(",") if isinstance(cycles, str) else list(cycles)
    names = list(dict.fromkeys(name.strip() for name in names if name.strip()))
    found: dict[str, Cycle] = {}
    problems = []
    for text in names:
        name = text.lower()
        if name.endswith(".csv"):
            own = read_cycle(Path(text), notes)
            if own.name in found or own.name in REGULATION:
                problems.append(Problem("--cycles", f"two cycles are named '{own.name}'; rename the file {text}"))
            found[own.name] = own
        elif name == "wltc":
            problems.append(Problem("--cycles", "'wltc' names two procedures: say wltc_class3b or wltc_japan"))
        elif name not in REGULATION:
            known = ", ".join(REGULATION)
            problems.append(Problem("--cycles", f"unknown cycle '{name}', expected some of {known}, or a CSV file"))
        else:
            found[name] = cycle(name)
    if not names:
        problems.append(Problem("--cycles", f"no cycle given, expected some of {', '.join(REGULATION)}"))
    if problems:
        raise StudyError(problems)
    return found


def simulate_vehicles(
    in_csv: Path | str,
    cycles: str | Sequence[str],
    calibration: Path | str | None = None,
    without_maker: bool = False,
    out_csv: Path | str | None = None,
) -> list[dict[str, Any]]:
    """Energy of every car of a file on every cycle asked for, and its label where udds and hwfet both are.

    cycles: shipped names and files of one's own (``read_cycle``). calibration None uses the one that ships; a car whose
    maker is not in it, or any car where ``without_maker``, uses the population's parameters. Rows as in
    docs/reference/formats.md; written to ``out_csv`` if given. StudyError for a file, calibration or cycle that cannot
    be used; a single bad car gets a row with its reason in ``status``.
    """
    frames = list(_Simulation(in_csv, cycles, calibration, without_maker=without_maker).frames())
    if out_csv is not None:
        _write(Path(out_csv), iter(frames))
    return [
        {key: "" if value is None else value for key, value in row.items()}
        for frame in frames
        for row in frame.iter_rows(named=True)
    ]


def simulate_file(
    in_csv: Path | str,
    cycles: str | Sequence[str],
    calibration: Path | str | None,
    without_maker: bool,
    out_csv: Path | str,
) -> list[str]:
    """The same for files of any length: written part by part, and what there is to tell about them in a few lines."""
    simulation = _Simulation(in_csv, cycles, calibration, without_maker=without_maker)
    _write(Path(out_csv), simulation.frames())
    return simulation.told()


MOST_TRACED: Final = 50


def write_traces(
    in_csv: Path | str,
    cycles: str | Sequence[str],
    calibration: Path | str | None,
    without_maker: bool,
    trace_csv: Path | str,
) -> None:
    """Every car of a file on every cycle, step by step, as one CSV: vehicle_id, cycle and ``as_driven.TRACED``.

    StudyError where the file has more than ``MOST_TRACED`` cars.
    """
    traces = named_cycles(cycles)
    chosen = shipped_calibration() if calibration is None else read_calibration(Path(calibration))
    part = read_vehicles(Path(in_csv), top_speed_mps=max(float(t.speed_mps.max()) for t in traces.values()))
    good = np.array([index for index, fault in enumerate(part.faults) if not fault], dtype=np.intp)
    if len(good) > MOST_TRACED:
        text = f"{len(good)} cars; traces of at most {MOST_TRACED} are written"
        raise StudyError([Problem("--trace", text)])
    cars = part.cars.take(good)
    own = chosen.table(cars, [part.makers[i] for i in good], without_maker=without_maker)
    cars, load = replace(cars, model_year=own.model_year), part.load.take(good)
    frames = [
        pl.DataFrame({"vehicle_id": part.vehicle_ids[good[place]], "cycle": name}).join(
            pl.DataFrame(rows, schema=list(TRACED)), how="cross"
        )
        for name, trace in traces.items()
        for place, rows in enumerate(traced(cars, trace, own.parameters, load))
    ]
    _write(Path(trace_csv), iter(frames))


class _Simulation:
    """One pass over a vehicles file: a frame of results for each part of it, and what is told at the end."""

    def __init__(
        self, in_csv: Path | str, cycles: str | Sequence[str], calibration: Path | str | None, *, without_maker: bool
    ) -> None:
        self.notes: list[str] = []
        self.traces = named_cycles(cycles, self.notes)
        self.calibration = shipped_calibration() if calibration is None else read_calibration(Path(calibration))
        self.path = Path(in_csv)
        self.without_maker = without_maker
        self.count = self.done = 0
        self.unused: list[str] = []
        self.unknown: dict[str, int] = {}
        self.ids: set[str] = set()
        self.twice: dict[str, None] = {}
        self.refused: list[str] = []
        self.odd: list[str] = []
        self.behind: list[str] = []

    def frames(self) -> Iterator[pl.DataFrame]:
        """Results of each part, rows as in ``COLUMNS``."""
        top = max(float(trace.speed_mps.max()) for trace in self.traces.values())
        for part in read_in_parts(self.path, top_speed_mps=top):
            self._look_at(part)
            yield self._simulated(part)

    def told(self) -> list[str]:
        """What is wrong with the file and with single cars, who cannot follow, and how many were simulated."""
        lines = [
            *self.notes,
            *([f"{self.path.name}: columns not used: {', '.join(self.unused)}"] if self.unused else []),
            *self._unknown_makers(),
            *self._twice(),
        ]
        cars = [*(f"{text} (not simulated)" for text in self.refused), *self.odd, *self.behind]
        hidden = len(cars) - MOST_LINES_TOLD
        cars = cars if hidden <= 0 else [*cars[:MOST_LINES_TOLD], f"… and {hidden} more: see the column status"]
        return [*lines, *cars, f"{self.done} of {self.count} vehicles simulated"]

    def _unknown_makers(self) -> list[str]:
        if not self.unknown or self.without_maker:
            return []
        listed = ", ".join(f"{name} ({count})" for name, count in list(self.unknown.items())[:MOST_LINES_TOLD])
        more = len(self.unknown) - MOST_LINES_TOLD
        listed += f" and {more} more" if more > 0 else ""
        return [
            f"{self.path.name}: warning: makers not in the calibration, the population's parameters are used: {listed}"
        ]

    def _twice(self) -> list[str]:
        if not self.twice:
            return []
        listed = ", ".join(list(self.twice)[:5]) + (f" and {len(self.twice) - 5} more" if len(self.twice) > 5 else "")
        return [f"{self.path.name}: warning: vehicle_id more than once: {listed}; each row is simulated"]

    def _look_at(self, part: VehicleFile) -> None:
        self.count += len(part.vehicle_ids)
        self.unused = self.unused or unused_columns(part)
        for name in self.calibration.unknown(part.makers):
            self.unknown[name] = self.unknown.get(name, 0) + part.makers.count(name)
        if len(set(part.vehicle_ids)) < len(part.vehicle_ids) or not self.ids.isdisjoint(part.vehicle_ids):
            for name in part.vehicle_ids:
                if name in self.ids:
                    self.twice[name] = None
                self.ids.add(name)
        else:
            self.ids.update(part.vehicle_ids)
        if len(self.odd) <= MOST_LINES_TOLD:
            self.odd += oddities(part)

    def _simulated(self, part: VehicleFile) -> pl.DataFrame:
        count = len(part.vehicle_ids)
        names = list(self.traces)
        label = _CITY in self.traces and _HIGHWAY in self.traces
        width = len(names) + label
        found = {name: np.full((count, width), np.nan) for name in _NUMBERS}
        status = np.full((count, width), "ok", dtype=object)
        good = np.array([index for index, fault in enumerate(part.faults) if not fault], dtype=np.intp)
        parameters = np.full(count, "", dtype=object)
        if len(good):
            whole = len(good) == count
            cars = part.cars if whole else part.cars.take(good)
            makers = part.makers if whole else [part.makers[i] for i in good]
            own = self.calibration.table(cars, makers, without_maker=self.without_maker)
            parameters[good] = np.where(np.isnan(own.nearest), "population", "maker")
            cars = replace(cars, model_year=own.model_year)
            efficiency = wall_efficiency(cars, own.parameters)
            load = part.load if whole else part.load.take(good)
            for column, (name, trace) in enumerate(self.traces.items()):
                totals = drive(cars, trace, own.parameters, load)
                self._place(found, status, good, column, totals, trace, part)
                half = self.calibration.half_width(name, trace.distance_m / float(np.ptp(trace.time_s)), own.nearest)
                battery = found["battery_wh_per_km"][good, column]
                found["wall_wh_per_km"][good, column] = battery / efficiency
                found["range_km"][good, column] = cars.usable_energy_wh / battery
                found["wall_lower_wh_per_km"][good, column] = battery / efficiency * (1.0 - half)
                found["wall_upper_wh_per_km"][good, column] = battery / efficiency * (1.0 + half)
            if label:
                self._label(found, part, good, efficiency)
        for index in sorted(set(range(count)) - set(good.tolist())):
            status[index, :] = f"bad_input {part.path.name}:{part.lines[index]}: {part.faults[index]}"
            self.refused.append(str(status[index, 0]).removeprefix("bad_input "))
        self.done += len(good)
        cycles = [*names, "label"] if label else names
        flat = {name: pl.Series(values.ravel(), nan_to_null=True) for name, values in found.items()}
        return pl.DataFrame(
            {
                "vehicle_id": pl.Series(part.vehicle_ids, dtype=pl.String).gather(np.repeat(np.arange(count), width)),
                "cycle": pl.Series(cycles, dtype=pl.String).gather(np.tile(np.arange(width), count)),
                **flat,
                "status": pl.Series(status.ravel(), dtype=pl.String),
                "parameters": pl.Series(np.repeat(parameters, width), dtype=pl.String),
            }
        ).select(COLUMNS)

    def _place(
        self,
        found: Mapping[str, Array],
        status: Any,
        good: Any,
        column: int,
        totals: Array,
        trace: Cycle,
        part: VehicleFile,
    ) -> None:
        distance = totals[:, 0]
        moves = distance > 0
        found["battery_wh_per_km"][good, column] = np.where(
            moves, totals[:, 7] / 3.6 / np.where(moves, distance, 1), np.nan
        )
        found["missed_trace_s"][good, column] = np.where(moves, totals[:, 8], np.nan)
        found["distance_km"][good, column] = distance / 1000.0
        for row in np.nonzero(~moves)[0]:
            place = f"{part.path.name}:{part.lines[good[row]]}"
            status[good[row], column] = f"bad_input {place}: the car does not move"
        for row in np.nonzero(totals[:, EMPTY] > 0)[0]:
            text = f"empty after {distance[row] / 1000.0:.1f} km of {trace.distance_m / 1000.0:.1f}"
            status[good[row], column] = text
            if len(self.behind) <= MOST_LINES_TOLD:
                self.behind.append(f"warning: {part.vehicle_ids[good[row]]} on {trace.name}: {text}")
        for row in np.nonzero(moves & (totals[:, 8] > MISSED_TRACE_TOLD_S))[0]:
            self.behind.append(
                f"warning: {part.vehicle_ids[good[row]]} falls behind the trace of {trace.name} for "
                f"{totals[row, 8]:.0f} s: its energy is that of the slower drive"
            )

    def _label(self, found: Mapping[str, Array], part: VehicleFile, good: Any, efficiency: Array) -> None:
        """EPA label: 55/45 on consumption, divided by the factor (40 CFR 600.210; 0.7, a car's own where given)."""
        places = [list(self.traces).index(name) for name in (_CITY, _HIGHWAY)]
        factor = np.where(np.isnan(part.label_factor), DEFAULT_LABEL_FACTOR, part.label_factor)[good]
        battery = sum(
            weight * found["battery_wh_per_km"][good, place]
            for (_, weight), place in zip(PROCEDURES["epa_label"], places, strict=True)
        )
        found["label_wh_per_km"][good, -1] = battery / efficiency / factor
        found["label_range_km"][good, -1] = part.cars.usable_energy_wh[good] / battery * factor
        found["missed_trace_s"][good, -1] = found["missed_trace_s"][good][:, places].sum(axis=1)


_NUMBERS: Final = tuple(name for name in COLUMNS if name not in ("vehicle_id", "cycle", "status", "parameters"))


def told(in_csv: Path | str, rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """What the rows of ``simulate_vehicles`` say in a few lines: how many cars, what is wrong, who cannot follow."""
    vehicles = read_vehicles(Path(in_csv))
    count = len(vehicles.vehicle_ids)
    refused = list(
        dict.fromkeys(row["status"].removeprefix("bad_input ") for row in rows if row["status"].startswith("bad_input"))
    )
    slow = [row for row in rows if row["cycle"] != "label" and (row["missed_trace_s"] or 0.0) > MISSED_TRACE_TOLD_S]
    behind = [
        f"warning: {row['vehicle_id']} falls behind the trace of {row['cycle']} for {row['missed_trace_s']:.0f} s: its "
        "energy is that of the slower drive"
        for row in slow
    ]
    lines = [*(f"{text} (not simulated)" for text in refused), *oddities(vehicles), *behind]
    hidden = len(lines) - MOST_LINES_TOLD
    lines = lines if hidden <= 0 else [*lines[:MOST_LINES_TOLD], f"… and {hidden} more: see the column status"]
    every = max(len(rows) // max(count, 1), 1)  # rows of one car
    return [
        *lines,
        f"{sum(not row['status'].startswith('bad') for row in rows[::every])} of {count} vehicles simulated",
    ]


def _write(path: Path, frames: Iterator[pl.DataFrame]) -> None:
    try:
        write_frames(path, frames)
    except OSError as error:
        raise StudyError([Problem(path.name, f"cannot be written: {error.strerror or error}")]) from error


def calibrate_vehicles(in_csv: Path | str, out_json: Path | str | None = None) -> dict[str, Any]:
    """Fit maker and population parameters to a file with ``<cycle>_wall_wh_per_km`` columns (empty = not measured).

    Returns and writes the calibration with its leave-one-out errors (mean absolute relative error, percent) by maker
    and overall: ``one_vehicle`` (that vehicle left out: a further trim), ``one_model`` (its model left out, by the
    column ``model``: a car not built yet), ``whole_maker`` (its maker left out: population parameters).
    StudyError where nothing is measured, or a row cannot be used.
    """
    vehicles = read_vehicles(Path(in_csv))
    name = vehicles.path.name
    measured = {
        cycle_name: _measured(vehicles, cycle_name) for cycle_name in REGULATION if cycle_name not in TEST_TEMPERATURE_C
    }
    measured = {key: values for key, values in measured.items() if values is not None and np.isfinite(values).any()}
    problems = [
        Problem(f"{name}:{line}:{fault.split(':')[0]}", fault.split(": ", 1)[-1])
        for line, fault in zip(vehicles.lines, vehicles.faults, strict=True)
        if fault
    ]
    if not measured:
        expected = ", ".join(f"{key}_wall_wh_per_km" for key in ("udds", "hwfet"))
        problems.append(Problem(f"{name}:1", f"no measured energy: expected a column like {expected}"))
    if problems:
        raise StudyError(problems)
    known = {key: values for key, values in measured.items() if values is not None}
    left = leave_out(vehicles.cars, vehicles.makers, known, models=vehicles.columns.get("model"))
    calibration = replace(fit(vehicles.cars, vehicles.makers, known), intervals=intervals_of(left, known))
    content = calibration.as_json() | {
        "cycles": list(known),
        "leave_one_out_error_percent": left_out_table(vehicles.makers, known, left),
    }
    if out_json is not None:
        try:
            Path(out_json).write_text(json.dumps(content, indent=1) + "\n", "utf-8")
        except OSError as error:
            text = f"cannot be written: {error.strerror or error}"
            raise StudyError([Problem(Path(out_json).name, text)]) from error
    return dict(content)


def _measured(vehicles: VehicleFile, cycle_name: str) -> Array | None:
    texts = vehicles.columns.get(f"{cycle_name}_wall_wh_per_km")
    if texts is None:
        return None
    values, problems = [], []
    for line, text in zip(vehicles.lines, texts, strict=True):
        place = f"{vehicles.path.name}:{line}:{cycle_name}_wall_wh_per_km"
        try:
            value = plain_number(text) if text.strip() else np.nan
        except ValueError:
            value = np.nan
            problems.append(Problem(place, f"'{text}' is not a number"))
        if value <= 0 or value > 5000:
            problems.append(Problem(place, f"{value:g} Wh/km, expected a positive measured energy"))
        values.append(value)
    if problems:
        raise StudyError(problems)
    return np.array(values, dtype=float)


def left_out_table(makers: Sequence[str], measured: dict[str, Array], left: LeftOut) -> dict[str, Any]:
    """Mean absolute relative errors, percent, by cycle: overall and by maker, each way of leaving out."""
    names = np.array([maker.strip().lower() for maker in makers])
    table: dict[str, Any] = {}
    for way, predicted in left.ways:
        error = {
            cycle_name: 100.0 * np.abs(predicted[:, place] / measured[cycle_name] - 1.0)
            for place, cycle_name in enumerate(left.cycles)
        }
        groups = {"all": np.ones(len(names), dtype=bool)} | {
            name: names == name for name in sorted(set(names.tolist()))
        }
        table[way] = {
            group: {key: _mean(values[rows]) for key, values in error.items()} for group, rows in groups.items()
        }
    return table


def _mean(values: Array) -> float | None:
    return float(np.nanmean(values)) if np.isfinite(values).any() else None
