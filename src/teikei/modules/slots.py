"""Slots (cars that need a configuration) and the candidate configurations of each; see docs/decisions/0001."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from math import prod
from typing import Any, Final

import polars as pl

from teikei.errors import Problem, StudyError
from teikei.study.types import Study

E_AXLE: Final = "e-axle"
PACK: Final = "pack"
AXLES: Final = {"fwd": ("front",), "rwd": ("rear",), "awd": ("front", "rear")}
MAX_CANDIDATES_PER_SLOT: Final = 20_000

_SLOT_SCHEMA: Final = {
    "slot": pl.String,
    "programme": pl.String,
    "generation": pl.String,
    "version": pl.String,
    "phase": pl.Int64,
    "first_year": pl.Int64,
    "last_year": pl.Int64,
    "share": pl.Float64,
}
_CANDIDATE_SCHEMA: Final = {
    "slot": pl.String,
    "candidate": pl.Int64,
    "position": pl.String,
    "class": pl.String,
    "module": pl.String,
    "existing": pl.Boolean,
}


@dataclass(frozen=True)
class Position:
    """One place of a car that takes one module."""

    name: str
    class_name: str


def slots_frame(study: Study) -> pl.DataFrame:
    """Slots of the programmes in scope: per generation and version one or two phases inside the horizon.

    Slots in which no volume scenario has units are left out.
    """
    settings = study.settings
    in_scope = {row["programme"] for row in study["programmes"].iter_rows(named=True) if row["in_scope"]}
    sold = {
        (row["programme"], row["generation"], row["year"])
        for row in study["volumes"].iter_rows(named=True)
        if row["units"] > 0
    }
    versions: dict[str, list[dict[str, Any]]] = {}
    for row in study["versions"].iter_rows(named=True):
        versions.setdefault(row["programme"], []).append(row)
    rows = []
    for generation in study["generations"].iter_rows(named=True):
        programme, name = generation["programme"], generation["generation"]
        if programme not in in_scope:
            continue
        start = max(settings.first_year, int(generation["sop"][:4]))
        end = min(settings.last_year, generation["eop_year"])
        facelift = generation["facelift_year"]
        phases = [(1, start, end)]
        if facelift is not None and start < facelift <= end:
            phases = [(1, start, facelift - 1), (2, facelift, end)]
        elif facelift is not None and facelift <= start:
            phases = [(2, start, end)]
        for phase, first, last in phases:
            if not any((programme, name, year) in sold for year in range(first, last + 1)):
                continue
            rows += [
                {
                    "slot": f"{programme}/{name}/{version['version']}/{phase}",
                    "programme": programme,
                    "generation": name,
                    "version": version["version"],
                    "phase": phase,
                    "first_year": first,
                    "last_year": last,
                    "share": version["share"],
                }
                for version in versions.get(programme, [])
            ]
    return pl.DataFrame(rows, schema=_SLOT_SCHEMA, orient="row")


def positions(study: Study, drive: str) -> list[Position]:
    """Places to fill in a car with this drive: its axles, then one of each other class that has any module."""
    used = set(study["modules"]["class"].to_list())
    names = [name for name in study["classes"]["class"].to_list() if name in used]
    return [Position(axle, E_AXLE) for axle in AXLES[drive] if E_AXLE in names] + [
        Position(name, name) for name in names if name != E_AXLE
    ]


def existing_modules(study: Study, programme: str, generation: str, version: str, drive: str) -> dict[str, str]:
    """Position -> module in force for one car; a row of the very version wins over ``all``."""
    found: dict[str, tuple[int, str]] = {}
    axles = AXLES[drive]
    rows = [
        row
        for row in study["existing"].iter_rows(named=True)
        if row["programme"] == programme and row["generation"] == generation and row["version"] in ("all", version)
    ]
    axle_rows = [row for row in rows if row["class"] == E_AXLE]
    for row in rows:
        rank = 0 if row["version"] == "all" else 1
        if row["class"] != E_AXLE:
            place = row["class"]
        elif len(axles) == 1 and len({other["position"] for other in axle_rows}) == 1:
            place = axles[
                0
            ]  # the only e-axle of a one-axle car sits on its driven axle whatever the row's default says
        else:
            place = row["position"]
        if place not in axles and row["class"] == E_AXLE:
            continue
        if place not in found or rank > found[place][0]:
            found[place] = (rank, row["module"])
    return {place: module for place, (_, module) in found.items()}


def _available_from(study: Study) -> dict[str, int]:
    family_year = dict(study["families"].select("family", "earliest_year").iter_rows())
    return {
        row["module"]: max(row["earliest_year"] or 0, family_year.get(row["family"]) or 0)
        for row in study["modules"].iter_rows(named=True)
    }


def _choices(study: Study, segment: str, first_year: int, available: dict[str, int]) -> dict[str, list[str]]:
    """Position or class -> modules that fit the segment and exist by the slot's first year, in table order."""
    chosen: dict[str, list[str]] = {}
    for row in study["modules"].iter_rows(named=True):
        if row["segments"] and segment not in row["segments"]:
            continue
        if available[row["module"]] > first_year:
            continue
        places: tuple[str, ...] = (row["class"],)
        if row["class"] == E_AXLE:
            places = ("front", "rear") if (row["position"] or "any") == "any" else (row["position"],)
        for place in places:
            chosen.setdefault(place, []).append(row["module"])
    return chosen


def _configurations(
    places: list[Position], options: list[list[str]], first: dict[str, str]
) -> Iterator[tuple[str, ...]]:
    incumbent = tuple(
        first[place.name] if place.name in first else option[0] for place, option in zip(places, options, strict=True)
    )
    if first:
        yield incumbent
    for configuration in product(*options):
        if not first or configuration != incumbent:
            yield configuration


def candidates_frame(study: Study, slots: pl.DataFrame) -> tuple[pl.DataFrame, list[str]]:
    """Candidate configurations of every slot, one row per position, and warnings.

    StudyError where a slot has no module for one of its positions, or more than MAX_CANDIDATES_PER_SLOT configurations.
    """
    programmes = {row["programme"]: row for row in study["programmes"].iter_rows(named=True)}
    drives = {(row["programme"], row["version"]): row["drive"] for row in study["versions"].iter_rows(named=True)}
    known = {row["module"] for row in study["modules"].iter_rows(named=True)}
    available = _available_from(study)
    columns: dict[str, list[Any]] = {name: [] for name in _CANDIDATE_SCHEMA}
    problems: list[Problem] = []
    warnings: list[str] = []
    for slot in slots.iter_rows(named=True):
        programme, drive = programmes[slot["programme"]], drives[(slot["programme"], slot["version"])]
        places = positions(study, drive)
        incumbent = existing_modules(study, slot["programme"], slot["generation"], slot["version"], drive)
        incumbent = {place: module for place, module in incumbent.items() if module in known}
        choices = _choices(study, programme["segment"], slot["first_year"], available)
        options = []
        for place in places:
            option = list(choices.get(place.name, []))
            if place.name in incumbent and incumbent[place.name] not in option:
                option.insert(0, incumbent[place.name])
            options.append(option)
        missing = [place.name for place, option in zip(places, options, strict=True) if not option]
        if missing:
            problems.append(
                Problem(
                    f"modules.csv:segments ({slot['slot']})",
                    f"no module of {', '.join(missing)} fits segment '{programme['segment']}' of programme "
                    f"{slot['programme']} by {slot['first_year']}; add the segment to a module or an existing module",
                )
            )
            continue
        count = prod(len(option) for option in options)
        if count > MAX_CANDIDATES_PER_SLOT:
            sizes = ", ".join(f"{place.name} {len(option)}" for place, option in zip(places, options, strict=True))
            problems.append(
                Problem(
                    f"modules.csv:segments ({slot['slot']})",
                    f"{count} candidate configurations ({sizes}), at most {MAX_CANDIDATES_PER_SLOT} can be handled; "
                    "narrow the segments of some modules",
                )
            )
            continue
        whole = all(place.name in incumbent for place in places if place.class_name in (E_AXLE, PACK))
        if incumbent and not whole:
            warnings.append(
                f"{slot['slot']}: incumbent modules are incomplete (no e-axle or pack), no incumbent configuration"
            )
        first = incumbent if whole else {}
        for number, configuration in enumerate(_configurations(places, options, first)):
            for place, module in zip(places, configuration, strict=True):
                columns["slot"].append(slot["slot"])
                columns["candidate"].append(number)
                columns["position"].append(place.name)
                columns["class"].append(place.class_name)
                columns["module"].append(module)
                columns["existing"].append(incumbent.get(place.name) == module)
    if problems:
        raise StudyError(problems)
    return pl.DataFrame(columns, schema=_CANDIDATE_SCHEMA), warnings
