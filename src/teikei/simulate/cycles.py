"""Driving cycles and the named procedures made of them.

The traces ship with the package and are checked against the figures of the regulations (40 CFR 86 and 600, UN GTR 15
Annex 1, UN Regulation 83, CMVR, TRIAS): length, duration, highest speed. ``wltc_japan`` is the three-phase WLTC (low,
medium, high); ``wltc_class3b`` has the extra-high phase as well.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from importlib import resources
from typing import Final

import numpy as np

from teikei.errors import Problem, StudyError
from teikei.modules.types import Array
from teikei.units import GRAVITY_MPS2


def _none() -> Array:
    return np.zeros(0)


@dataclass(frozen=True)
class Cycle:
    """A speed trace: time_s ascending, speed_mps >= 0 at those times, linear in between.

    grade (rise over run), headwind_mps (against the car) and auxiliary_w (on top of the car's own) at the same times,
    linear in between; empty where the drive has none. temperature_c: of the drive, None where it says none.
    """

    name: str
    time_s: Array
    speed_mps: Array
    grade: Array = field(default_factory=_none)
    headwind_mps: Array = field(default_factory=_none)
    auxiliary_w: Array = field(default_factory=_none)
    temperature_c: float | None = None

    @property
    def plain(self) -> bool:
        """Whether it has neither slope nor wind nor auxiliaries of its own."""
        return not (len(self.grade) or len(self.headwind_mps) or len(self.auxiliary_w))

    @property
    def distance_m(self) -> float:
        """Length of the trace, m."""
        return float(np.sum(np.diff(self.time_s) * 0.5 * (self.speed_mps[1:] + self.speed_mps[:-1])))

    def steps(self) -> tuple[Array, Array, Array]:
        """Per step: g sin of the road's angle (m/s²), headwind (m/s), auxiliaries of the drive (W)."""
        grade, wind, auxiliary = (
            0.5 * (values[1:] + values[:-1]) if len(values) else np.zeros(len(self.time_s) - 1)
            for values in (self.grade, self.headwind_mps, self.auxiliary_w)
        )
        return GRAVITY_MPS2 * grade / np.sqrt(1.0 + grade * grade), wind, auxiliary

    def refined(self, parts: int) -> Cycle:
        """The same trace with every step cut into ``parts``."""
        time = np.interp(
            np.arange((len(self.time_s) - 1) * parts + 1) / parts, np.arange(len(self.time_s)), self.time_s
        )

        def between(values: Array) -> Array:
            return np.interp(time, self.time_s, values) if len(values) else values

        return replace(
            self,
            time_s=time,
            speed_mps=between(self.speed_mps),
            grade=between(self.grade),
            headwind_mps=between(self.headwind_mps),
            auxiliary_w=between(self.auxiliary_w),
        )

    def capped(self, top_speed_mps: float) -> Cycle:
        """The same at no more than a speed (capped speed cycle, UN GTR 15 Annex 1, without its longer time)."""
        return replace(self, speed_mps=np.minimum(self.speed_mps, top_speed_mps))


REGULATION: Final[Mapping[str, tuple[float, float, float]]] = {
    "udds": (11.990, 1369.0, 91.25),
    "hwfet": (16.503, 765.0, 96.4),
    "us06": (12.89, 600.0, 129.2),
    "jc08": (8.172, 1204.0, 81.6),
    "wltc_class3b": (23.266, 1800.0, 131.3),
    "wltc_japan": (15.012, 1478.0, 97.4),
    "nedc": (11.007, 1180.0, 120.0),
    "midc": (10.647, 1180.0, 90.0),
    "wltc_class2": (22.649, 1800.0, 123.1),
    "sc03": (5.761, 600.0, 88.2),
    "ftp75": (17.769, 1875.0, 91.25),
    "cold_ftp": (17.769, 1875.0, 91.25),
}
"""Cycle -> distance (km), duration (s), highest speed (km/h) as the regulations state them.

sc03 is 596 s and 4 s of key on and off; ftp75 is driven without its soak, one second joins its parts. cold_ftp is ftp75
in the cold.

Traces differ from the stated distance by up to 0.2 %; ``data/cycles/SOURCES.md`` says by how much each and why.
"""

TEST_TEMPERATURE_C: Final[Mapping[str, float]] = {"sc03": 35.0, "cold_ftp": -6.7}
"""Cycles that are driven at a temperature of their own (40 CFR 86.160, 86.230), air conditioning or heater on."""

_JAPAN_PHASES: Final = ("wltc3_phase_low", "wltc3b_phase_medium", "wltc3b_phase_high")


def make_cycle(
    name: str,
    time_s: Sequence[float] | Array,
    speed_mps: Sequence[float] | Array,
    place: str = "",
    lines: Sequence[int] | None = None,
) -> Cycle:
    """A checked cycle. StudyError for backward or repeated time, gaps over 10 s, negative or impossible speed.

    lines: of the rows in the file, for the messages; from 2 where not given.
    """
    time, speed = np.asarray(time_s, dtype=float), np.asarray(speed_mps, dtype=float)
    where = place or f"cycle {name}"
    if time.ndim != 1 or time.shape != speed.shape or len(time) < 2:
        raise StudyError([Problem(where, "a cycle needs at least two rows of time_s and speed_mps of equal length")])
    at = list(range(2, len(time) + 2)) if lines is None else list(lines)
    backward, gaps, speeds = [], [], []
    for row, step in enumerate(np.diff(time), start=1):
        if not np.isfinite(step) or step <= 0:
            text = f"time goes from {time[row - 1]:g} to {time[row]:g} s"
            backward.append(Problem(f"{where}:{at[row]}:time_s", text))
        elif step > 10:
            text = f"gap of {step:g} s in the trace, at most 10 s are bridged"
            gaps.append(Problem(f"{where}:{at[row]}:time_s", text))
    for row, value in enumerate(speed):
        if not np.isfinite(value) or value < 0 or value > 120:
            speeds.append(Problem(f"{where}:{at[row]}:speed_mps", f"speed {value:g} m/s, expected 0 to 120"))
    if backward or gaps or speeds:
        raise StudyError([*shortened(backward), *shortened(gaps), *shortened(speeds)])
    return Cycle(name, time, speed)


def shortened(problems: list[Problem], most: int = 3) -> list[Problem]:
    """The first few problems of one kind; the last of them says how many more there are."""
    if len(problems) <= most:
        return problems
    last = problems[most - 1]
    more = f"{last.message} (and {len(problems) - most} more rows like this)"
    return [*problems[: most - 1], Problem(last.place, more)]


def _read(name: str) -> tuple[Array, Array]:
    text = resources.files("teikei").joinpath("data", "cycles", f"{name}.csv").read_text("utf-8")
    rows = [(float(row["time_s"]), float(row["speed_mps"])) for row in csv.DictReader(text.splitlines())]
    return np.array([row[0] for row in rows]), np.array([row[1] for row in rows])


@cache
def cycle(name: str) -> Cycle:
    """A shipped cycle by name; StudyError for an unknown one."""
    if name not in REGULATION:
        raise StudyError(f"unknown cycle '{name}', expected one of {', '.join(REGULATION)}")
    if name != "wltc_japan":
        trace = make_cycle(name, *_read("ftp75" if name == "cold_ftp" else name))
        return replace(trace, temperature_c=TEST_TEMPERATURE_C.get(name))
    time, speed = _read(_JAPAN_PHASES[0])
    for phase in _JAPAN_PHASES[1:]:
        more_time, more_speed = _read(phase)
        # every phase starts and ends at rest: the first second of the next phase follows the last of this one
        time = np.concatenate([time, time[-1] + 1.0 + more_time])
        speed = np.concatenate([speed, more_speed])
    return make_cycle(name, time, speed)


PROCEDURES: Final[Mapping[str, tuple[tuple[str, float], ...]]] = {
    "wltc_japan": (("wltc_japan", 1.0),),
    "wltc_class3b": (("wltc_class3b", 1.0),),
    "epa_label": (("udds", 0.55), ("hwfet", 0.45)),
    "udds": (("udds", 1.0),),
    "hwfet": (("hwfet", 1.0),),
    "us06": (("us06", 1.0),),
    "jc08": (("jc08", 1.0),),
    "nedc": (("nedc", 1.0),),
    "midc": (("midc", 1.0),),
    "wltc_class2": (("wltc_class2", 1.0),),
    "sc03": (("sc03", 1.0),),
    "ftp75": (("ftp75", 1.0),),
    "cold_ftp": (("cold_ftp", 1.0),),
}
"""Procedure -> its cycles with their weights on consumption (per distance)."""

_BEHIND_S: Final[Mapping[str, float]] = dict.fromkeys(("udds", "hwfet", "us06", "sc03", "ftp75", "cold_ftp"), 2.0)


def tolerance_s(name: str) -> tuple[float, float]:
    """How long a car may be below the trace of a cycle: seconds on one occasion, and in all ten that are allowed.

    EPA: 2 s on an occasion (40 CFR 1066.425); others 1 s, at most ten occasions (UN GTR 15 Annex 6). Below the trace
    means by more than 2 mph (40 CFR 86.115; the others say 2 km/h, within 1 s, which is about the same).
    """
    occasion = _BEHIND_S.get(name, 1.0)
    return occasion, 10.0 * occasion


DEFAULT_LABEL_FACTOR: Final = 0.7  # 40 CFR 600.210: label = unadjusted / 0.7 where no vehicle-specific factor is given


def range_factor(procedure: str) -> float:
    """Factor on the range of a procedure: the label factor for the EPA label, else 1."""
    return DEFAULT_LABEL_FACTOR if procedure == "epa_label" else 1.0
