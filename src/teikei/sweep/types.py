"""What a sweep is made of: drivers, samples, what is asked for, and how it can stop."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from teikei.errors import TeikeiError

Array = npt.NDArray[np.float64]


class SweepStoppedError(TeikeiError):
    """A sweep had to stop before its end. Remedy: free what the message names and run the same command again."""

    exit_code: ClassVar[int] = 1


@dataclass(frozen=True)
class Entry:
    """One row of ``ranges``, understood: which figures of which column it moves, and how.

    rows: numbers of the rows of the table (empty for a setting); base (rows,): the study's figures; low, mode, high:
    of the figure itself, or of the factor on it where operation is ``multiply``.
    """

    table: str
    column: str
    operation: str
    distribution: str
    low: float
    mode: float
    high: float
    rows: tuple[int, ...] = ()


@dataclass(frozen=True)
class Driver:
    """What is uncertain: one quantile moves every entry. group and loading: the common factor it shares with others."""

    name: str
    entries: tuple[Entry, ...]
    group: str = ""
    loading: float = 0.0


@dataclass(frozen=True)
class Uncertainty:
    """All that is uncertain in a study.

    drivers in the order of ``ranges``; groups: common factors; chances: scenario -> probability (what is left is the
    study as it stands).
    """

    drivers: tuple[Driver, ...]
    groups: tuple[str, ...]
    chances: Mapping[str, float]

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the independent inputs of a sample: drivers' own parts, common factors, the scenario."""
        factors = tuple(f"common factor of {group}" for group in self.groups)
        return (*(driver.name for driver in self.drivers), *factors, *(("scenario",) if self.chances else ()))


@dataclass(frozen=True)
class Sample:
    """One set of inputs: quantile of every driver that is moved (others keep the study's figure), and the scenario.

    part and number say which plan of samples it belongs to (``bands``, ``tornado``, ``indices``, ``base``).
    """

    part: str
    number: int
    quantiles: tuple[tuple[str, float], ...]
    scenario: str | None = None
    label: str = ""


@dataclass(frozen=True)
class Options:
    """What is computed for each sample; it is part of a sample's name.

    rungs: which to plan (None = all); market: whether prices and sales are predicted; market_draws: draws behind each
    sample's market (1 = its most likely parameters); again: whether every sample is planned again (else the designs
    and award shares of the plan at the study's own figures are priced).
    """

    rungs: tuple[str, ...] | None = None
    market: bool = True
    market_draws: int = 1
    again: bool = True


@dataclass(frozen=True)
class Outcome:
    """What one sample came to: ``done``, or ``no plan`` / ``fault`` with a sentence. figures and decisions as told."""

    status: str
    message: str = ""
    figures: Mapping[str, float] = field(default_factory=dict)
    decisions: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    seconds: float = 0.0

    def as_json(self) -> dict[str, Any]:
        """The outcome as plain data; seconds stay out, so that equal inputs give equal files."""
        return {
            "status": self.status,
            "message": self.message,
            "figures": dict(self.figures),
            "decisions": {name: list(values) for name, values in self.decisions.items()},
        }
