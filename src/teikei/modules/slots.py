"""Slots (cars that need a configuration) and the candidate configurations of each; see docs/decisions/0001."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from math import prod
from typing import Any, Final

import polars as pl

from teikei.errors import Problem, StudyError
from teikei.study.cars import (
    AXLES,
    E_AXLE,
    MAX_CANDIDATES_PER_SLOT,
    PACK,
    available_from,
    choices,
    in_force,
    options,
    phases,
    places,
    twins_of,
    without_bodies,
)
from teikei.study.types import Study

__all__ = ["AXLES", "E_AXLE", "PACK", "Position", "candidates_frame", "existing_modules", "positions", "slots_frame"]

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
        for phase, first, last in phases(generation, settings.first_year, settings.last_year):
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
    found = places(drive, study["classes"]["class"].to_list(), study["modules"]["class"].to_list())
    return [Position(name, class_name) for name, class_name in found]


def existing_modules(study: Study, programme: str, generation: str, version: str, drive: str) -> dict[str, str]:
    """Position -> module in force for one car; a row of the very version wins over ``all``."""
    return in_force(study["existing"].rows(named=True), programme, generation, version=version, drive=drive)


def _configurations(
    where: list[Position], fitting: list[list[str]], first: dict[str, str]
) -> Iterator[tuple[str, ...]]:
    incumbent = tuple(
        first[place.name] if place.name in first else option[0] for place, option in zip(where, fitting, strict=True)
    )
    if first:
        yield incumbent
    for configuration in product(*fitting):
        if not first or configuration != incumbent:
            yield configuration


def candidates_frame(study: Study, slots: pl.DataFrame) -> tuple[pl.DataFrame, list[str]]:
    """Candidate configurations of every slot, one row per position, and warnings.

    StudyError where a slot has no module for one of its positions, or more than MAX_CANDIDATES_PER_SLOT configurations.
    """
    programmes = {row["programme"]: row for row in study["programmes"].iter_rows(named=True)}
    drives = {(row["programme"], row["version"]): row["drive"] for row in study["versions"].iter_rows(named=True)}
    known = {row["module"] for row in study["modules"].iter_rows(named=True)}
    module_rows = study["modules"].rows(named=True)
    twins = twins_of(study["twins"].iter_rows(named=True))
    available = available_from(module_rows, study["families"].rows(named=True))
    columns: dict[str, list[Any]] = {name: [] for name in _CANDIDATE_SCHEMA}
    problems: list[Problem] = []
    warnings: list[str] = []
    for slot in slots.iter_rows(named=True):
        programme, drive = programmes[slot["programme"]], drives[(slot["programme"], slot["version"])]
        where = positions(study, drive)
        incumbent = existing_modules(study, slot["programme"], slot["generation"], slot["version"], drive)
        incumbent = {place: module for place, module in incumbent.items() if module in known}
        chosen = choices(
            module_rows, available, programme["segment"], slot["first_year"],
            company=programme["company"], twin=twins.get((slot["programme"], slot["generation"])),
        )  # fmt: skip
        fitted = without_bodies([(place.name, place.class_name) for place in where], chosen, incumbent)
        where = [Position(name, class_name) for name, class_name in fitted]
        fitting = options([(place.name, place.class_name) for place in where], chosen, incumbent)
        missing = [place.name for place, option in zip(where, fitting, strict=True) if not option]
        if missing:
            problems.append(
                Problem(
                    f"modules.csv:segments ({slot['slot']})",
                    f"no module of {', '.join(missing)} fits segment '{programme['segment']}' of programme "
                    f"{slot['programme']} by {slot['first_year']}; add the segment to a module or an existing module",
                )
            )
            continue
        count = prod(len(option) for option in fitting)
        if count > MAX_CANDIDATES_PER_SLOT:
            sizes = ", ".join(f"{place.name} {len(option)}" for place, option in zip(where, fitting, strict=True))
            problems.append(
                Problem(
                    f"modules.csv:segments ({slot['slot']})",
                    f"{count} candidate configurations ({sizes}), at most {MAX_CANDIDATES_PER_SLOT} can be handled; "
                    "narrow the segments of some modules",
                )
            )
            continue
        whole = all(place.name in incumbent for place in where if place.class_name in (E_AXLE, PACK))
        if incumbent and not whole:
            warnings.append(
                f"{slot['slot']}: incumbent modules are incomplete (no e-axle or pack), no incumbent configuration"
            )
        first = incumbent if whole else {}
        for number, configuration in enumerate(_configurations(where, fitting, first)):
            for place, module in zip(where, configuration, strict=True):
                columns["slot"].append(slot["slot"])
                columns["candidate"].append(number)
                columns["position"].append(place.name)
                columns["class"].append(place.class_name)
                columns["module"].append(module)
                columns["existing"].append(incumbent.get(place.name) == module)
    if problems:
        raise StudyError(problems)
    return pl.DataFrame(columns, schema=_CANDIDATE_SCHEMA), warnings
