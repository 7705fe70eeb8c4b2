"""What a run may use of the machine, so that nobody can read from his own run whether another one is going on.

The cores are shared out once and for all: one half is the slot of the operator's room, where joint studies are solved,
the other half that of the companies, divided evenly between them as far as it goes. A share stays with its owner also
while the others rest. Ends of a company's runs are shown at the boundaries of its slot, not at the moment they happen.
"""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Sequence
from typing import Final

from teikei.web.database import ROOM

LOWER_PRIORITY: Final = 10  # "niceness" of a run beside the server that answers people


def machine_cores() -> list[int]:
    """Numbers of the cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def cores_of(workspace: str, workspaces: Sequence[str], cores: Sequence[int]) -> tuple[int, ...]:
    """The cores of one workspace; workspaces: all of them, cores: all of the machine.

    With two cores or more the room and the companies share none; with as many cores in the companies' half as there
    are companies, no two companies share one either.
    """
    if len(cores) < 2:
        return tuple(cores)
    half = len(cores) // 2
    if workspace == ROOM:
        return tuple(cores[:half])
    left = list(cores[half:])
    companies = sorted(set(workspaces) - {ROOM})
    place = companies.index(workspace) if workspace in companies else 0
    each = len(left) // max(len(companies), 1)
    return tuple(left[place * each : (place + 1) * each]) if each else (left[place % len(left)],)


def shared_by_companies(workspaces: Sequence[str], cores: Sequence[int]) -> bool:
    """Whether two companies have to share a core, so that one could feel the other's run in the pace of its own."""
    companies = len(set(workspaces) - {ROOM})
    return companies > 1 and companies > len(cores) - len(cores) // 2


def settle(process: int, cores: Sequence[int]) -> None:
    """Puts a process that has just started onto its cores, behind the server; what it starts inherits both."""
    with contextlib.suppress(OSError, AttributeError):
        os.setpriority(os.PRIO_PROCESS, process, LOWER_PRIORITY)
        os.sched_setaffinity(process, cores)


def until_boundary(seconds: float, slot_seconds: float) -> float:
    """How long a slot is still held after work of so many seconds."""
    if slot_seconds <= 0:
        return 0.0
    return max(math.ceil(seconds / slot_seconds), 1) * slot_seconds - seconds
