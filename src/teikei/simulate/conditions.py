"""Under which conditions a requirement row is tested: its procedure is a name from a list, its columns are used.

What a row names and the simulation cannot do is said (``not evaluated: …``), never left aside.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from teikei.simulate.cycles import PROCEDURES, TEST_TEMPERATURE_C
from teikei.simulate.weather import Weather

STANDARD: Final = ("", "default", "standard", "test")
"""Names that choose nothing: the test of the requirement as it is usually done."""
DEFAULT_TEMPERATURE_C: Final = 23.0
HOTTEST_CHARGE_C: Final = 40.0  # above it charging is limited by the cooling of the pack, which is not modelled
LEAST_SUSTAINED_MIN: Final = 5.0  # a speed or grade held for as long rests on the continuous rating


@dataclass(frozen=True)
class Conditions:
    """One test: temperature, load, state of charge, speed, and what its procedure chooses.

    cycle: of a range. sustained: on the continuous rating. window: states of charge a charge goes from and to (0 to 1).
    station_w: power of the charging station. limit_kmh: a speed limiter that the procedure names.
    """

    temperature_c: float
    loading: str
    state_of_charge: float
    speed_kmh: float | None
    cycle: str = ""
    sustained: bool = False
    window: tuple[float, float] = (0.1, 0.8)
    station_w: float = math.inf
    limit_kmh: float = math.inf

    @property
    def weather(self) -> Weather:
        """What the temperature does."""
        return Weather(self.temperature_c)


Row = Mapping[str, Any]
Read = Callable[[str, Conditions], "Conditions | str"]


def conditions_of(row: Row) -> Conditions | str:
    """The conditions of a requirement row, or why they cannot be simulated (text in the planner's words).

    Kei dimensions, the power cap and the charger's rating are figures of the car: no condition changes them, so any
    procedure name is taken.
    """
    requirement = str(row["requirement"])
    stated = Conditions(row["temperature_c"], row["loading"], row["state_of_charge"], row["speed_kmh"])
    name = str(row["procedure"] or "").strip().lower()
    read = _READERS.get(requirement)
    return stated if read is None else read(name, stated)


def _unknown(name: str, expected: str, known: tuple[str, ...] = ()) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    hint = f" (is it {close[0]}?)" if close else ""
    return f"procedure '{name}' is not one of {expected}{hint}"


def _cycle(name: str, stated: Conditions) -> Conditions | str:
    if name not in PROCEDURES:
        return f"procedure '{name}' is not shipped"
    if name in TEST_TEMPERATURE_C:
        stated_there = _at(TEST_TEMPERATURE_C[name], name, stated)
        return stated_there if isinstance(stated_there, str) else replace(stated_there, cycle=name)
    return replace(stated, cycle=name)


def _one_of(*names: str) -> Read:
    """Procedures that choose nothing beyond the columns, but may repeat them: ``gross``, ``cold``, ``low_soc`` …"""

    def read(name: str, stated: Conditions) -> Conditions | str:
        if name in (*STANDARD, *names):
            return stated
        if name in _REPEATS:
            column, holds = _REPEATS[name]
            if holds(stated):
                return stated
            return f"procedure '{name}' does not fit the row's {column} ({getattr(stated, column)})"
        temperature = _temperature(name)
        if temperature is not None:
            return _at(temperature, name, stated)
        return _unknown(name, ", ".join(names), names)

    return read


_REPEATS: Final[Mapping[str, tuple[str, Callable[[Conditions], bool]]]] = {
    "gross": ("loading", lambda test: test.loading == "gross"),
    "loaded": ("loading", lambda test: test.loading == "gross"),
    "driver": ("loading", lambda test: test.loading == "driver"),
    "cold": ("temperature_c", lambda test: test.temperature_c < 15.0),
    "hot": ("temperature_c", lambda test: test.temperature_c > 28.0),
    "low_soc": ("state_of_charge", lambda test: test.state_of_charge <= 0.3),
    "full": ("state_of_charge", lambda test: test.state_of_charge >= 0.9),
}


def _temperature(word: str) -> float | None:
    """25 of ``25c``, −10 of ``minus10c`` or ``-10c`` or ``m10c``; None where the word is something else."""
    match = re.fullmatch(r"(minus_?|m|-|−)?(\d+(?:\.\d+)?)_?(?:deg)?c", word)
    return None if match is None else float(match[2]) * (-1.0 if match[1] else 1.0)


def _at(temperature_c: float, name: str, stated: Conditions) -> Conditions | str:
    """The temperature that a name says, where the column does not say another (23 is its default)."""
    if stated.temperature_c not in (DEFAULT_TEMPERATURE_C, temperature_c):
        return f"procedure '{name}' says {temperature_c:g} °C, temperature_c {stated.temperature_c:g}"
    return replace(stated, temperature_c=temperature_c)


_SHORT = ("peak", "max", "maximum", "max_speed", "maximum_speed", "top_speed", "max_time", "unlimited")
_LONG = ("sustained", "continuous", "thirty_minute", "v30", "maximum_30_min_speed")


def _top_speed(name: str, stated: Conditions) -> Conditions | str:
    if name in (*STANDARD, *_SHORT):
        return stated
    held = re.fullmatch(r"(?:sustained_|continuous_)?(\d+(?:\.\d+)?)_?min(?:utes?)?", name)
    if name in _LONG or (held is not None and float(held[1]) >= LEAST_SUSTAINED_MIN):
        return replace(stated, sustained=True)
    limited = re.fullmatch(r"(?:limited|governed)_(?:to_)?(\d+(?:\.\d+)?)_?(?:kmh|km_h)?", name)
    if limited is not None:
        return replace(stated, limit_kmh=float(limited[1]))
    expected = "peak, sustained_10_min (any time from 5 min), limited_130kmh"
    return (
        _unknown(name, expected, (*_SHORT, *_LONG)) + "; a governor belongs into top_speed_limit_kmh of the programme"
    )


def _grade(name: str, stated: Conditions) -> Conditions | str:
    held = re.fullmatch(r"(?:grade_|sustained_|continuous_)?(\d+(?:\.\d+)?)_?min(?:utes?)?", name)
    if name in (*STANDARD, "continuous", "sustained", "grade", "continuous_grade") or (
        held is not None and float(held[1]) >= LEAST_SUSTAINED_MIN
    ):
        return replace(stated, sustained=True)
    return _unknown(name, "continuous, grade_20_min (any time from 5 min)")


def _dc(name: str, stated: Conditions) -> Conditions | str:
    """``soc_10_80``, with ``_25c`` or ``_minus10c`` and ``_50kw_station`` where the row says so."""
    if name in (*STANDARD, "max_time", "dc", "dc_charge"):
        return _charging(stated)
    match = re.match(r"(?:soc_?)?(\d+)_(?:to_)?(\d+)(?:_?percent|%)?(?=_|$)", name)
    if match is None or not 0 <= int(match[1]) < int(match[2]) <= 100:
        return _unknown(name, "soc_10_80 (any window), soc_10_80_25c, soc_10_80_50kw_station")
    found = replace(stated, window=(int(match[1]) / 100.0, int(match[2]) / 100.0))
    for word in re.sub(r"minus_", "minus", name[match.end() :]).split("_"):
        power = re.fullmatch(r"(\d+(?:\.\d+)?)kw", word)
        temperature = _temperature(word)
        if power is not None and float(power[1]) > 0:
            found = replace(found, station_w=1000.0 * float(power[1]))
        elif temperature is not None:
            placed = _at(temperature, name, found)
            if isinstance(placed, str):
                return placed
            found = placed
        elif word not in ("", "station", "dc", "at"):
            return f"'{word}' in procedure '{name}' is not known; known: a window, a temperature, the station's power"
    return _charging(found)


def _charging(stated: Conditions) -> Conditions | str:
    if stated.temperature_c > HOTTEST_CHARGE_C:
        return f"charging above {HOTTEST_CHARGE_C:g} °C is limited by the cooling of the pack, which is not modelled"
    return stated


_READERS: Final[Mapping[str, Read]] = {
    "range": _cycle,
    "cold_range_fraction": _cycle,
    "acceleration_0_100": _one_of("max_time", "acceleration", "full_load"),
    "acceleration_80_120": _one_of("max_time", "acceleration", "full_load"),
    "top_speed": _top_speed,
    "continuous_grade": _grade,
    "hill_start": _one_of("grade_start_both_ways", "hill_start", "grade_start"),
    "dc_charge_time": _dc,
    "cold_power_fraction": _one_of("pulse_10_s", "pulse", "pulse_10s"),
}
