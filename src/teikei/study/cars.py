"""Which modules a car can take: its places, the phases of its generations, what fits each place, what is in force.

Read by the checks (rows as they were read) and by the catalogue (rows of a checked study): told once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Protocol

E_AXLE: Final = "e-axle"
PACK: Final = "pack"
AXLES: Final[Mapping[str, tuple[str, ...]]] = {"fwd": ("front",), "rwd": ("rear",), "awd": ("front", "rear")}
BODIES: Final = frozenset({"body", "top-hat"})
"""Classes of the body of a car (top hat): only cars that a body is made for have a place for it."""
MAX_CANDIDATES_PER_SLOT: Final = 20_000


class Cells(Protocol):
    """A row of a table: its cells by column."""

    def __getitem__(self, column: str, /) -> Any: ...


def phases(generation: Cells, first_year: int, last_year: int) -> list[tuple[int, int, int]]:
    """(Phase, its first year, its last year) inside the planning years: before the facelift, and from it on.

    generation: sop (``YYYY-MM``), facelift_year (or None) and eop_year. A phase may be empty (its last year first).
    """
    start = max(first_year, int(generation["sop"][:4]))
    end = min(last_year, generation["eop_year"])
    facelift = generation["facelift_year"]
    if facelift is not None and start < facelift <= end:
        return [(1, start, facelift - 1), (2, facelift, end)]
    return [(2 if facelift is not None and facelift <= start else 1, start, end)]


def places(drive: str, classes: Iterable[str], used: Iterable[str]) -> list[tuple[str, str]]:
    """(Place, class) of a car: its axles, then one place of each other class that has any module, in table order.

    Places of bodies are among them; ``without_bodies`` takes them from the cars that no body is made for.
    """
    having = set(used)
    names = [name for name in classes if name in having]
    axles = [(axle, E_AXLE) for axle in AXLES[drive] if E_AXLE in names]
    return axles + [(name, name) for name in names if name != E_AXLE]


def without_bodies(
    car_places: Sequence[tuple[str, str]], chosen: Mapping[str, Sequence[str]], incumbent: Mapping[str, str]
) -> list[tuple[str, str]]:
    """The places of a car without that of a body, where no body is made for it and none is in force."""
    return [
        (place, class_name)
        for place, class_name in car_places
        if class_name not in BODIES or chosen.get(place) or place in incumbent
    ]


def twins_of(rows: Iterable[Cells]) -> dict[tuple[str, str], str]:
    """(Programme, generation) -> its twin group."""
    return {(row["programme"], row["generation"]): row["twin"] for row in rows}


def available_from(modules: Iterable[Cells], families: Iterable[Cells]) -> dict[str, int]:
    """Module -> first year in which it exists: its own earliest_year, or its family's; 0 where neither is given."""
    family_year = {row["family"]: row["earliest_year"] or 0 for row in families}
    return {row["module"]: max(row["earliest_year"] or 0, family_year.get(row["family"], 0)) for row in modules}


def choices(
    modules: Iterable[Cells],
    available: Mapping[str, int],
    segment: str,
    first_year: int,
    *,
    company: str = "",
    twin: str | None = None,
) -> dict[str, list[str]]:
    """Place -> modules that fit the segment and exist by the first year, in table order.

    A body fits the cars of its twin group (of its segments, where it names none), and of the companies that may use it
    only: nobody gets another's body because a partner has it.
    """
    chosen: dict[str, list[str]] = {}
    for row in modules:
        if (row["segments"] and segment not in row["segments"]) or available[row["module"]] > first_year:
            continue
        if row["class"] in BODIES and (
            (row["twin"] and row["twin"] != twin) or (row["available_to"] and company not in row["available_to"])
        ):
            continue
        fits: tuple[str, ...] = (row["class"],)
        if row["class"] == E_AXLE:
            fits = ("front", "rear") if (row["position"] or "any") == "any" else (row["position"],)
        for place in fits:
            chosen.setdefault(place, []).append(row["module"])
    return chosen


def in_force(existing: Sequence[Cells], programme: str, generation: str, *, version: str, drive: str) -> dict[str, str]:
    """Place -> module in force for one car; a row of the very version wins over ``all``."""
    found: dict[str, tuple[int, str]] = {}
    axles = AXLES[drive]
    rows = [
        row
        for row in existing
        if row["programme"] == programme
        and row["generation"] == generation
        and (row["version"] or "all") in ("all", version)
    ]
    axle_rows = [row for row in rows if row["class"] == E_AXLE]
    for row in rows:
        rank = 0 if (row["version"] or "all") == "all" else 1
        if row["class"] != E_AXLE:
            place = row["class"]
        elif len(axles) == 1 and len({other["position"] for other in axle_rows}) == 1:
            place = axles[0]  # the only e-axle of a one-axle car: on its driven axle, whatever the row says
        else:
            place = row["position"]
        if place not in axles and row["class"] == E_AXLE:
            continue
        if place not in found or rank > found[place][0]:
            found[place] = (rank, row["module"])
    return {place: module for place, (_, module) in found.items()}


def options(
    car_places: Sequence[tuple[str, str]], chosen: Mapping[str, Sequence[str]], incumbent: Mapping[str, str]
) -> list[list[str]]:
    """Modules of each place: those that fit, and the one in force before them where it would not fit by its segment."""
    found = []
    for place, _ in car_places:
        option = list(chosen.get(place, ()))
        if place in incumbent and incumbent[place] not in option:
            option.insert(0, incumbent[place])
        found.append(option)
    return found
