"""``teikei simulate`` and ``teikei calibrate``: files in, files out, in the formats of docs/reference/formats.md."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import fields
from importlib import resources
from pathlib import Path
from typing import Any, Final

import numpy as np

from teikei.errors import Problem, StudyError
from teikei.modules.types import Array
from teikei.simulate.calibrate import Calibration, LeftOut, fit, leave_out
from teikei.simulate.cycles import DEFAULT_LABEL_FACTOR, PROCEDURES, REGULATION, Cycle, cycle, read_cycle
from teikei.simulate.generic import LossParameters, run_cycle, wall_efficiency
from teikei.simulate.lines import FEATURES, LINE_NAMES, Lines
from teikei.simulate.vehicle_file import VehicleFile, oddities, read_vehicles
from teikei.tables.cells import plain_number
from teikei.tables.write import write_csv

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
)
CHUNK: Final = 5_000
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
    )


def named_cycles(cycles: str | Sequence[str]) -> dict[str, Cycle]:
    """Cycles by name from ``udds,hwfet`` or files (``my-road.csv``); ``wltc`` alone names two procedures: refused."""
    names = cycles.split(",") if isinstance(cycles, str) else list(cycles)
    names = list(dict.fromkeys(name.strip() for name in names if name.strip()))
    found: dict[str, Cycle] = {}
    problems = []
    for text in names:
        name = text.lower()
        if name.endswith(".csv"):
            own = read_cycle(Path(text))
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
    traces = named_cycles(cycles)
    loaded = shipped_calibration() if calibration is None else read_calibration(Path(calibration))
    top = max(float(trace.speed_mps.max()) for trace in traces.values())
    vehicles = read_vehicles(Path(in_csv), top_speed_mps=top)
    rows: list[dict[str, Any]] = []
    for start in range(0, len(vehicles.vehicle_ids), CHUNK):
        part = vehicles.take(range(start, min(start + CHUNK, len(vehicles.vehicle_ids))))
        rows += _simulate_part(part, traces, loaded, without_maker=without_maker)
    if out_csv is not None:
        _write(Path(out_csv), rows)
    return rows


def _simulate_part(
    vehicles: VehicleFile, traces: Mapping[str, Cycle], calibration: Calibration, *, without_maker: bool
) -> list[dict[str, Any]]:
    count = len(vehicles.vehicle_ids)
    good = [index for index in range(count) if not vehicles.faults[index]]
    results: dict[str, dict[int, tuple[float, float, float]]] = {name: {} for name in traces}
    efficiency = np.full(count, np.nan)
    if good:
        cars = vehicles.cars.take(np.array(good, dtype=np.intp))
        sets = calibration.sets(cars, [vehicles.makers[index] for index in good], without_maker=without_maker)
        efficiency[good] = wall_efficiency(cars, sets)
        for name, trace in traces.items():
            totals = run_cycle(cars, trace, sets)
            for place, index in enumerate(good):
                distance, cells, missed = (float(totals[place, column]) for column in (0, 7, 8))
                results[name][index] = (cells / 3.6 / distance if distance > 0 else np.nan, missed, distance)
    rows = []
    for index in range(count):
        usable = float(vehicles.cars.usable_energy_wh[index])
        for name in traces:
            found = results[name].get(index)
            fault = vehicles.faults[index] or ("" if found and np.isfinite(found[0]) else "the car does not move")
            rows.append(_row(vehicles, index, name, fault))
            if not fault and found is not None:
                rows[-1] |= {
                    "battery_wh_per_km": found[0],
                    "wall_wh_per_km": found[0] / float(efficiency[index]),
                    "range_km": usable / found[0] if usable > 0 else "",
                    "missed_trace_s": found[1],
                }
        if _CITY in traces and _HIGHWAY in traces:
            rows.append(_label_row(vehicles, index, results, float(efficiency[index])))
    return rows


def _row(vehicles: VehicleFile, index: int, name: str, fault: str) -> dict[str, Any]:
    row: dict[str, Any] = dict.fromkeys(COLUMNS, "")
    place = f"{vehicles.path.name}:{vehicles.lines[index]}"
    return row | {
        "vehicle_id": vehicles.vehicle_ids[index],
        "cycle": name,
        "status": f"bad_input {place}: {fault}" if fault else "ok",
    }


def _label_row(
    vehicles: VehicleFile, index: int, results: dict[str, dict[int, tuple[float, float, float]]], efficiency: float
) -> dict[str, Any]:
    """EPA label: 55/45 on consumption, divided by the factor (40 CFR 600.210; default 0.7, a car's own where given)."""
    row = _row(vehicles, index, "label", vehicles.faults[index])
    city, highway = results[_CITY].get(index), results[_HIGHWAY].get(index)
    if vehicles.faults[index] or city is None or highway is None:
        return row
    factor = float(vehicles.label_factor[index])
    factor = DEFAULT_LABEL_FACTOR if np.isnan(factor) else factor
    battery = sum(
        weight * found[0] for (_, weight), found in zip(PROCEDURES["epa_label"], (city, highway), strict=True)
    )
    usable = float(vehicles.cars.usable_energy_wh[index])
    return row | {
        "label_wh_per_km": battery / efficiency / factor,
        "label_range_km": usable / battery * factor if usable > 0 else "",
        "missed_trace_s": city[1] + highway[1],
    }


def told(in_csv: Path | str, rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """What the rows of ``simulate_vehicles`` say in a few lines: how many cars, what is wrong, who cannot follow."""
    vehicles = read_vehicles(Path(in_csv))
    count = len(vehicles.vehicle_ids)
    refused = list(dict.fromkeys(row["status"].removeprefix("bad_input ") for row in rows if row["status"] != "ok"))
    slow = [row for row in rows if row["cycle"] != "label" and (row["missed_trace_s"] or 0.0) > MISSED_TRACE_TOLD_S]
    behind = [
        f"warning: {row['vehicle_id']} falls behind the trace of {row['cycle']} for {row['missed_trace_s']:.0f} s: its "
        "energy is that of the slower drive"
        for row in slow
    ]
    lines = [*(f"{text} (not simulated)" for text in refused), *oddities(vehicles), *behind]
    hidden = len(lines) - MOST_LINES_TOLD
    lines = lines if hidden <= 0 else [*lines[:MOST_LINES_TOLD], f"… and {hidden} more: see the column status"]
    done = sum(row["status"] == "ok" for row in rows[:: max(len(rows) // max(count, 1), 1)])  # the same for every car
    return [*lines, f"{done} of {count} vehicles simulated"]


def _write(path: Path, rows: list[dict[str, Any]]) -> None:
    try:
        write_csv(path, COLUMNS, ([row.get(name) for name in COLUMNS] for row in rows))
    except OSError as error:
        raise StudyError([Problem(path.name, f"cannot be written: {error.strerror or error}")]) from error


def calibrate_vehicles(in_csv: Path | str, out_json: Path | str | None = None) -> dict[str, Any]:
    """Fit maker and population parameters to a file with ``<cycle>_wall_wh_per_km`` columns (empty = not measured).

    Returns and writes the calibration with its leave-one-out errors (mean absolute relative error, percent) by maker
    and overall: ``one_vehicle`` (that vehicle left out), ``whole_maker`` (its maker left out: population parameters).
    StudyError where nothing is measured, or a row cannot be used.
    """
    vehicles = read_vehicles(Path(in_csv))
    name = vehicles.path.name
    measured = {cycle_name: _measured(vehicles, cycle_name) for cycle_name in REGULATION}
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
    calibration = fit(vehicles.cars, vehicles.makers, known)
    content = calibration.as_json() | {
        "cycles": list(known),
        "leave_one_out_error_percent": left_out_table(
            vehicles.makers, known, leave_out(vehicles.cars, vehicles.makers, known)
        ),
    }
    if out_json is not None:
        try:
            Path(out_json).write_text(json.dumps(content, indent=1) + "\n", "utf-8")
        except OSError as error:
            text = f"cannot be written: {error.strerror or error}"
            raise StudyError([Problem(Path(out_json).name, text)]) from error
    return content


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
    for way, predicted in (("one_vehicle", left.one_vehicle), ("whole_maker", left.whole_maker)):
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
