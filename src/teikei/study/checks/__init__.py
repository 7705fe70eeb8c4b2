"""What must hold between tables: one small function a rule, each yielding problems with their places."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from teikei.errors import Problem
from teikei.study.checks import (
    buying,
    cars,
    changes,
    development,
    market,
    modules,
    plausibility,
    programmes,
    purchasing,
    ranges,
    references,
    terms,
    volumes,
    whole_cars,
)
from teikei.study.draft import Draft

Check = Callable[[Draft], Iterator[Problem]]

ALL_CHECKS: tuple[Check, ...] = (
    *references.CHECKS,
    *programmes.CHECKS,
    *volumes.CHECKS,
    *modules.CHECKS,
    *cars.CHECKS,
    *whole_cars.CHECKS,
    *buying.CHECKS,
    *terms.CHECKS,
    *purchasing.CHECKS,
    *development.CHECKS,
    *market.CHECKS,
    *changes.CHECKS,
    *ranges.CHECKS,
    *plausibility.CHECKS,
)


def all_problems(draft: Draft) -> Iterator[Problem]:
    """The problems of every check on a study as far as it could be read."""
    for check in ALL_CHECKS:
        yield from check(draft)
