"""Agreed work shares: whether any choice of leads keeps them."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from typing import Final

from teikei.develop.program import Options
from teikei.develop.types import Mode, Project
from teikei.errors import NoPlanError

MOST_CHOICES: Final = 200_000


def check_shares(project: Project, options: Options, modes: Mapping[str, list[Mode]]) -> None:
    """Raises NoPlanError where no choice of leads gives each company its agreed share, with the nearest ones.

    An object has one lead, so that only certain shares can be reached. Not checked above MOST_CHOICES choices.
    """
    size = _hours(project, options, modes)
    total = sum(max(hours.values()) for hours in size.values())
    choices = 1
    for hours in size.values():
        choices *= len(hours)
    if not options.work_share or not total or choices > MOST_CHOICES:
        return
    nearest: tuple[float, dict[str, float]] | None = None
    for leads in product(*(hours.items() for hours in size.values())):
        share = dict.fromkeys(options.work_share, 0.0)
        for name, amount in leads:
            if name in share:
                share[name] += amount / total
        missed = sum(max(low - share[n], 0.0, share[n] - high) for n, (low, high) in options.work_share.items())
        if nearest is None or missed < nearest[0]:
            nearest = (missed, share)
        if missed <= 1e-9:
            return
    if nearest is not None:
        wanted = ", ".join(f"{n} {low:.0%} to {high:.0%}" for n, (low, high) in options.work_share.items())
        found = ", ".join(f"{n} {part:.0%}" for n, part in nearest[1].items())
        largest = max(size, key=lambda team: max(size[team].values()))
        raise NoPlanError(
            f"No choice of leads gives the agreed work shares ({wanted}): the nearest is {found}. An object has one "
            f"lead, and {largest} alone is {max(size[largest].values()) / total:.0%} of the shared hours."
        )


def _hours(project: Project, options: Options, modes: Mapping[str, list[Mode]]) -> dict[str, dict[str, float]]:
    """Shared team -> possible lead -> hours."""
    size: dict[str, dict[str, float]] = {}
    for job in project.jobs:
        if job.team in options.shared_teams:
            hours = {mode.name: sum(sum(amounts) for amounts in mode.demand.values()) for mode in modes[job.name]}
            known = size.get(job.team)
            size[job.team] = {
                name: (known or {}).get(name, 0.0) + amount
                for name, amount in hours.items()
                if known is None or name in known
            }
    return size
