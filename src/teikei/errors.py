"""What can go wrong, and what the user can do about it.

    TeikeiError
    ├── StudyError          exit 2   the input is wrong: every problem, each with its place
    ├── NoPlanError         exit 3   no plan exists, or an equilibrium did not converge
    ├── NotAllowedError     exit 4   the caller may not see or do this
    └── DamagedRunError     exit 5   a stored run or file is damaged, or newer than this version

Anything else is a bug: exit 1, a short message, the trace in run.log.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with an input, with its place.

    place: ``offers.csv:14:price`` or ``study.xlsx!offers!D14`` or ``study.yaml:3:discount_rate``; empty where the
    sentence says itself what it is about (an option of a command, a whole study).
    message: what was found, what was expected, the closest match, the fix; one line.
    """

    place: str
    message: str
    warning: bool = False

    def __str__(self) -> str:
        return f"{self.place}{': ' if self.place else ''}{'warning: ' if self.warning else ''}{self.message}"


class TeikeiError(Exception):
    """Base of all errors that teikei raises on purpose; the message tells a planner what to change."""

    exit_code: ClassVar[int] = 1


class StudyError(TeikeiError):
    """The input is wrong. Remedy: mend each problem at its place and run ``teikei check`` again."""

    exit_code: ClassVar[int] = 2

    def __init__(self, problems: Sequence[Problem] | str):
        self.problems: tuple[Problem, ...] = (Problem("", problems),) if isinstance(problems, str) else tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class NoPlanError(TeikeiError):
    """No plan satisfies the study, or a computation did not converge. Remedy: relax what the message names."""

    exit_code: ClassVar[int] = 3


class NotAllowedError(TeikeiError):
    """The caller may not see or do this. Remedy: ask the owner to put it on the release list."""

    exit_code: ClassVar[int] = 4


class DamagedRunError(TeikeiError):
    """A stored run or file is damaged or newer than this version. Remedy: run again, or update teikei."""

    exit_code: ClassVar[int] = 5
