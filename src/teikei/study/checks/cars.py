"""Every car that is sold has a module for each of its places, and not more configurations than can be tried."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod

from teikei.errors import Problem
from teikei.study.cars import (
    AXLES,
    MAX_CANDIDATES_PER_SLOT,
    available_from,
    choices,
    in_force,
    options,
    phases,
    places,
    twins_of,
    without_bodies,
)
from teikei.study.draft import Draft
from teikei.tables.messages import show
from teikei.tables.source import Row

_READ = ("companies", "classes", "families", "modules", "programmes", "generations", "versions", "volumes", "existing")


def every_place_of_a_car_has_a_module(draft: Draft) -> Iterator[Problem]:
    """Each car sold in the planning years has a module for each place by then, and not too many ways to fill them."""
    settings = draft.settings
    if settings is None or draft.damaged.intersection(_READ) or not (draft["modules"] and draft["classes"]):
        return
    modules = [row for row in draft["modules"] if not row.unread & {"module", "class", "segments", "earliest_year"}]
    modules = [row for row in modules if row["module"] is not None and row["class"] is not None]
    known = {row["module"] for row in modules}
    available = available_from(modules, [row for row in draft["families"] if row["family"] is not None])
    sold = {key for key, row in draft.keyed("volumes", "programme", "generation", "year") if row["units"]}
    programmes = draft.by_key("programmes", "programme")
    versions = draft.grouped("versions", "programme")
    twins = twins_of(draft["twins"])
    for generation in draft["generations"]:
        programme = programmes.get(generation["programme"])
        if programme is None or not programme["in_scope"] or None in (generation["sop"], generation["eop_year"]):
            continue
        key = (generation["programme"], generation["generation"])
        for phase, first, last in phases(generation, settings.first_year, settings.last_year):
            if not any((*key, year) in sold for year in range(first, last + 1)):
                continue
            for version in versions.get(key[0], []):
                if version["drive"] not in AXLES or version["version"] is None or programme["segment"] is None:
                    continue
                where = places(version["drive"], draft.values("classes", "class"), (row["class"] for row in modules))
                force = in_force(draft["existing"], *key, version=version["version"], drive=version["drive"])
                force = {place: module for place, module in force.items() if module in known}
                chosen = choices(
                    modules, available, programme["segment"], first,
                    company=programme["company"] or "", twin=twins.get(key),
                )  # fmt: skip
                where = without_bodies(where, chosen, force)
                fitting = options(where, chosen, force)
                yield from _car(draft, programme, version, [name for name, _ in where], fitting, first, phase)


def _car(
    draft: Draft,
    programme: Row,
    version: Row,
    where: list[str],
    fitting: list[list[str]],
    first: int,
    phase: int,
) -> Iterator[Problem]:
    car = f"programme {programme['programme']}, version {version['version']}"
    car += ", from its facelift" if phase == 2 else ""
    missing = [place for place, option in zip(where, fitting, strict=True) if not option]
    if missing:
        yield programme.error(
            "segment",
            f"no module in {draft.files['modules']} fits {' and '.join(missing)} of {car} by {first}: add "
            f"{show(programme['segment'])} to the segments of a module that exists by then, or a module in force",
        )
    elif (count := prod(map(len, fitting))) > MAX_CANDIDATES_PER_SLOT:
        sizes = ", ".join(f"{place} {len(option)}" for place, option in zip(where, fitting, strict=True))
        yield programme.error(
            "segment",
            f"{count:,} ways to fill {car} ({sizes}), at most {MAX_CANDIDATES_PER_SLOT:,} can be tried: narrow the "
            f"segments of some modules in {draft.files['modules']}",
        )


CHECKS = (every_place_of_a_car_has_a_module,)
