"""What a requirement does to a car that misses it: it refuses it, costs what buyers would have paid, or only tells."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Protocol

HARD, TARGET, REPORT = "hard", "target", "report"

LOWER_IS_BETTER: Final = frozenset(
    {
        "acceleration_0_100",
        "acceleration_80_120",
        "dc_charge_time",
        "kei_length",
        "kei_width",
        "kei_height",
        "kei_power_cap",
    }
)

LEGAL_LIMITS: Final = frozenset({"kei_length", "kei_width", "kei_height", "kei_power_cap"})
"""Rules: never set to what the incumbent reaches, never a target."""

SIMULATION_ERROR: Final[Mapping[str, float]] = {
    "range": 0.045,
    "acceleration_0_100": 0.058,
    "acceleration_80_120": 0.058,
    "top_speed": 0.076,
    "dc_charge_time": 0.125,
    "cold_range_fraction": 0.08,
    "cold_power_fraction": 0.08,
    "continuous_grade": 0.05,
    "hill_start": 0.05,
}
"""How far a simulated figure is off, as a share of it.

Range, 0-100 km/h, top speed, charge time: mean absolute errors against published figures of 21 European and Japanese
cars that no parameter was fitted on (one set of losses, rolling resistance 0.0095 for all). 80-120 km/h as 0-100. Cold
figures: cars tested at one temperature differ by some points more than simulated ones do (assumption). Grade and hill
start: assumption. What is a rating or a size (charger power, length) has no error.
"""

FLOOR_ERRORS: Final = 2.0
"""A target's floor lies at least so many simulation errors below its value."""


class Cells(Protocol):
    """A row by column names: a mapping, or a row of a draft."""

    def __getitem__(self, column: str, /) -> Any: ...


def kind_of(row: Cells) -> str:
    """``hard``, ``target`` or ``report`` of a row of ``requirements``; without a kind ``binding`` decides."""
    return str(row["kind"] or (HARD if row["binding"] else REPORT))


def worse(requirement: str) -> float:
    """Sign of a change for the worse: +1 where less is better, -1 where more is."""
    return 1.0 if requirement in LOWER_IS_BETTER else -1.0


def simulation_error(requirement: str, value: float) -> float:
    """How far the simulation may be off at this value, in its unit."""
    return SIMULATION_ERROR.get(requirement, 0.0) * abs(value)


def least_floor_offset(requirement: str, value: float) -> float:
    """The floor offset nearest to zero that a target of this value may have, in its unit."""
    return worse(requirement) * FLOOR_ERRORS * simulation_error(requirement, value)
