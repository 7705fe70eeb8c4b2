"""Task scopes of the study: what follows what, how long it takes, and what binds objects of one car.

Both the plan (when a module can exist at the earliest) and ``develop`` (who does it when) read them here.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from teikei.errors import StudyError
from teikei.study.cars import BODIES
from teikei.study.types import Settings

Places = dict[str, tuple[str, float, float, list[str]]]
"""Task -> (title, earliest start in quarters from the start of the object, quarters, predecessors in the scope)."""
FACELIFT_PHASE = 2
QUARTERS = 4


def places_of(tasks: pl.DataFrame) -> Places:
    """Tasks of one scope in their places; raises StudyError where some wait for each other in a circle."""
    rows = {row["task"]: row for row in tasks.iter_rows(named=True)}
    start: dict[str, float] = {}
    open_tasks = dict(rows)
    while open_tasks:
        ready = [
            name
            for name, row in open_tasks.items()
            if all(p in start or p not in rows for p in row["predecessors"] or [])
        ]
        if not ready:
            circle = ", ".join(sorted(open_tasks))
            raise StudyError(f"tasks: {circle} wait for each other in a circle: remove one of their predecessors")
        for name in ready:
            before = [p for p in open_tasks.pop(name)["predecessors"] or [] if p in rows]
            start[name] = max([0.0, *(start[p] + rows[p]["quarters"] for p in before)])
    return {
        name: (row["title"], start[name], row["quarters"], [p for p in row["predecessors"] or [] if p in rows])
        for name, row in rows.items()
    }


def length(places: Places) -> float:
    """Quarters from the first task to the last."""
    return max(start + quarters for _, start, quarters, _ in places.values())


def left_of(places: Places, due: int) -> Places | None:
    """What is left of the tasks of a car that must be ready at ``due`` and so was begun before quarter 0.

    None where they all fit. Tasks that must have ended before quarter 0 are done; of others what lies after it is left.
    """
    after: dict[str, list[str]] = {}
    for name, (_, _, _, before) in places.items():
        for earlier in before:
            after.setdefault(earlier, []).append(name)
    latest_end: dict[str, float] = {}
    for name in sorted(places, key=lambda n: (-places[n][1], -places[n][2])):
        latest_end[name] = min([float(due), *(latest_end[n] - places[n][2] for n in after.get(name, []))])
    if all(latest_end[name] - quarters >= 0 for name, (_, _, quarters, _) in places.items()):
        return None
    left: Places = {}
    for name, (title, _, quarters, before) in places.items():
        remaining = min(quarters, math.floor(latest_end[name] + 1e-9))
        if remaining > 0 or (quarters == 0 and latest_end[name] >= 0):
            left[name] = (title, max(0.0, latest_end[name] - quarters), float(remaining), before)
    return {n: (t, s, q, [b for b in before if b in left]) for n, (t, s, q, before) in left.items()}


def scope_of(scopes: Iterable[str], class_name: str, level: str) -> str:
    """The task scope of a class and level (``pack family (new cell)`` for pack, family); empty where there is none.

    Without tasks of its own a body takes those of a car: the lead car's for the body, a second car's for a brand face.
    """
    named = next((scope for scope in scopes if f"{scope} ".startswith(f"{class_name} {level} ")), "")
    if named or class_name not in BODIES or level == "variant":
        return named
    return car_scope(scopes, "", lead_car=level == "family")


def car_scope(scopes: Iterable[str], segment: str, *, lead_car: bool) -> str:
    """The task scope of a car: its segment's, else by its rank in a family of cars, else that of all cars."""
    rank = "vehicle, lead car of a family" if lead_car else "vehicle, second car of a family"
    known = set(scopes)
    return next((scope for scope in (f"vehicle, {segment}", rank, "vehicle") if scope in known), "")


@dataclass(frozen=True, slots=True)
class Link:
    """Tasks named in ``after`` wait for the task ``title`` of any object of the class that is for the same car."""

    class_name: str
    title: str
    after: tuple[str, ...]


def links_of(tasks: pl.DataFrame) -> tuple[list[Link], int]:
    """Rows of scope ``link``: what binds objects of one car, and the quarters of the alliance's go-ahead.

    A row's predecessors must end before the tasks named in its title begin; a link on a family's task holds for the
    task of the same title in variants and applications of the class as well. A row whose title speaks of any shared
    family is the go-ahead before all families and variants that blocs develop together; 0 quarters where there is none.
    """
    titles: Mapping[str, Any] = dict(tasks.select("task", "title").iter_rows())
    scopes: Mapping[str, Any] = dict(tasks.select("task", "scope").iter_rows())
    links, go_ahead = [], 0
    for row in tasks.filter(pl.col("scope") == "link").iter_rows(named=True):
        if "shared family" in row["title"]:
            go_ahead = max(go_ahead, math.ceil(float(row["quarters"])))
            continue
        _, _, after_text = row["title"].partition("before")
        named = tuple(t for t in titles if re.search(rf"(?<![\w-]){re.escape(t)}(?![\w-])", row["title"]))
        for earlier in row["predecessors"] or []:
            if after_text:
                class_name = scopes.get(earlier, "").split(" ")[0]
                links.append(Link(class_name, str(titles.get(earlier, "")), named))
    return links, go_ahead


def origin_of(settings: Settings) -> int:
    """Quarter 0, counted from the year 0: the first from which development can be done."""
    year, _, quarter = settings.first_quarter.partition("-Q")
    return int(year) * QUARTERS + int(quarter) - 1


def joint_from(settings: Settings, go_ahead: int) -> int:
    """Quarter from which joint work may begin: after the go-ahead, not before ``alliance_year`` where that is given."""
    if settings.alliance_year is None:
        return go_ahead
    return max(go_ahead, settings.alliance_year * QUARTERS - origin_of(settings))
