"""Volumes: inside their generation and the planning years, without gaps, in every volume case."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from teikei.errors import Problem
from teikei.study.checks.programmes import start_year
from teikei.study.draft import Draft
from teikei.tables.source import Row

_SERIES = ("programme", "generation", "company", "plant", "region", "scenario")


def cars_are_sold_while_they_are_built(draft: Draft) -> Iterator[Problem]:
    """No car before the start of production of its generation, none after its end."""
    generations = draft.by_key("generations", "programme", "generation")
    for row in draft["volumes"]:
        generation = generations.get((row["programme"], row["generation"]))
        year, units = row["year"], row["units"]
        if generation is None or year is None or not units:
            continue
        start, end = start_year(generation), generation["eop_year"]
        name = f"{row['programme']} {row['generation']}"
        if start is not None and year < start:
            yield row.error(
                "year",
                f"{units:.10g} cars of {name} in {year}, before its start of production {generation['sop']}: "
                "correct the year, or the generation",
            )
        elif end is not None and year > end:
            yield row.error(
                "year",
                f"{units:.10g} cars of {name} in {year}, after its end of production {end}: correct the year, "
                "or the generation",
            )


def volumes_lie_in_the_planning_years(draft: Draft) -> Iterator[Problem]:
    """Volumes outside first_year to last_year are not used; said once for all of them."""
    if draft.settings is None:
        return
    first, last = draft.settings.first_year, draft.settings.last_year
    outside = [row for row in draft["volumes"] if row["year"] is not None and not first <= row["year"] <= last]
    if outside:
        years = sorted({row["year"] for row in outside})
        yield outside[0].warning(
            "year",
            f"{len(outside)} rows of volumes are not used: their years {years[0]} to {years[-1]} are outside "
            f"first_year {first} to last_year {last}",
        )
    if draft["volumes"] and len(outside) == len(draft["volumes"]):
        yield outside[0].error(
            "year",
            f"no volume lies between first_year {first} and last_year {last}: correct the years here or in the "
            "settings",
        )


def volume_series_have_no_gaps(draft: Draft) -> Iterator[Problem]:
    """A series of yearly volumes has a row for each year from its first to its last."""
    for key, rows in draft.grouped("volumes", *_SERIES).items():
        by_year = {row["year"]: row for row in rows if row["year"] is not None}
        if any("year" in row.unread for row in rows):
            continue
        for before, after in pairwise(sorted(by_year)):
            if after > before + 1:
                missing = _years(before + 1, after - 1)
                yield by_year[after].error(
                    "year",
                    f"the volumes of {' '.join(key)} jump from {before} to {after}: add {missing} (0 where none "
                    "are built)",
                )


def _years(first: int, last: int) -> str:
    return f"a row for {first}" if first == last else f"rows for {first} to {last}"


def volume_cases_are_complete(draft: Draft) -> Iterator[Problem]:
    """Where a volume case is used at all, each generation that is built in the base case has a row in it."""
    cases: dict[str, dict[tuple[str, str], Row]] = {}
    for key, row in draft.keyed("volumes", "scenario", "programme", "generation"):
        cases.setdefault(key[0], {}).setdefault(key[1:], row)
    base = cases.get("base", {})
    for name, there in cases.items():
        for key, row in there.items():
            if name != "base" and key not in base:
                yield row.error(
                    "scenario", f"{' '.join(key)} has volumes in the case {name} but none in base: add them"
                )
        missing = [key for key in base if key not in there]
        if missing:
            names = ", ".join(" ".join(key) for key in missing[:8]) + (" …" if len(missing) > 8 else "")
            yield base[missing[0]].warning(
                "scenario",
                f"no volumes in the case {name} for {names}: counted as none built there; add rows with 0 if "
                "that is meant",
            )
    if draft.settings is not None and draft["volumes"] and draft.settings.volume_scenario not in cases:
        place = draft.setting_places.get("volume_scenario", draft.files["study"])
        yield Problem(
            place,
            f"volume_scenario is {draft.settings.volume_scenario}, but {draft.files['volumes']} has no row of "
            "that case: add them or change the setting",
        )


CHECKS = (
    cars_are_sold_while_they_are_built,
    volumes_lie_in_the_planning_years,
    volume_series_have_no_gaps,
    volume_cases_are_complete,
)
