"""DC charge curves: shipped ones by name, or one's own as text in the column ``dc_curve`` of a pack."""

from __future__ import annotations

from functools import cache

import numpy as np

from teikei.errors import Problem, StudyError
from teikei.modules.data_files import reference_rows
from teikei.modules.types import Array


@cache
def shipped_curves() -> dict[str, tuple[str, float, tuple[tuple[float, float], ...]]]:
    """Name of a curve -> (car, usable kWh of that car, points of state of charge in percent and kW)."""
    points: dict[str, list[tuple[float, float]]] = {}
    cars: dict[str, tuple[str, float]] = {}
    for row in reference_rows("vehicles", "charge_curves.csv"):
        points.setdefault(row["curve"], []).append((float(row["soc_percent"]), float(row["power_kw"])))
        car = " ".join(row[name] for name in ("maker", "model", "variant", "model_year") if row[name])
        cars[row["curve"]] = car, float(row["usable_kwh"])
    return {name: (*cars[name], tuple(sorted(found))) for name, found in points.items()}


def charge_curve_kw(text: str, module: str, usable_kwh: float, soc: Array) -> tuple[Array, str]:
    """Accepted DC power, kW, at states of charge (0 to 1, of usable energy), and a note where it comes from.

    text: ``0:95;18:90;100:20`` (percent : kW, joined by ; or |), or the name of a shipped curve (``CP001``), which is
    scaled by usable energy from its car to this pack. StudyError where it is neither.
    """
    place = f"modules ({module}):dc_curve"
    name = text.strip()
    if name.upper() in shipped_curves():
        car, its_kwh, points = shipped_curves()[name.upper()]
        scale, note = usable_kwh / its_kwh, f"DC charge curve of {car} ({name.upper()}), by usable energy"
    else:
        points, scale, note = _points(name, place), 1.0, "DC charge curve: as given"
    percent, power = np.array(points).T
    return np.interp(100.0 * soc, percent, power) * scale, note


def _points(text: str, place: str) -> tuple[tuple[float, float], ...]:
    found = []
    for part in text.replace("|", ";").split(";"):
        percent, _, power = part.partition(":")
        try:
            found.append((float(percent), float(power)))
        except ValueError as error:
            example = "expected points like 0:95;18:90;100:20 (percent : kW) or the name of a shipped curve like CP001"
            raise StudyError([Problem(place, f"'{part}' is no point of a curve; {example}")]) from error
    percents = [percent for percent, _ in found]
    if len(found) < 2 or percents != sorted(set(percents)) or not 0 <= percents[0] < percents[-1] <= 100:
        raise StudyError([Problem(place, "the states of charge of a curve rise from 0 to 100, two or more of them")])
    if min(power for _, power in found) <= 0 or not all(np.isfinite(power) for _, power in found):
        raise StudyError([Problem(place, "the power of a curve is above 0 kW everywhere")])
    return tuple(found)
