"""What a plan decides, and nothing else: everything that follows from it is computed by ``price``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from teikei.plan.scope import Item, Option
from teikei.plan.sources import Source


@dataclass(frozen=True)
class Decisions:
    """modules[(slot, position)]: the drawing it carries. candidate[slot]: number of the configuration.

    awards[(item, source, year)]: pieces. plants: (owner, plant, size in GWh, first year of delivery).
    expansions: (who pays, site, first year, capacity added). scheduled[(programme, generation, quarter)]: quarters by
    which a schedule of this plan's work reaches a start late; empty before there is one. built[(programme, generation,
    country)]: the car plant, where it is a choice.
    """

    modules: Mapping[tuple[str, str], Option]
    candidate: Mapping[str, int]
    awards: Mapping[tuple[Item, Source, int], float]
    plants: tuple[tuple[str, str, float, int], ...] = field(default=())
    expansions: tuple[tuple[str, str, int, float], ...] = field(default=())
    scheduled: Mapping[tuple[str, str, int], int] = field(default_factory=dict)
    built: Mapping[tuple[str, str, str], str] = field(default_factory=dict)


def union(parts: list[Decisions]) -> Decisions:
    """The plans of disjoint coalitions carried out side by side."""
    modules: dict[tuple[str, str], Option] = {}
    candidate: dict[str, int] = {}
    awards: dict[tuple[Item, Source, int], float] = {}
    plants: list[tuple[str, str, float, int]] = []
    expansions: dict[tuple[str, str, int, float], None] = {}
    scheduled: dict[tuple[str, str, int], int] = {}
    built: dict[tuple[str, str, str], str] = {}
    for part in parts:
        built.update(part.built)
        modules.update(part.modules)
        candidate.update(part.candidate)
        awards.update(part.awards)
        plants += part.plants
        expansions.update(dict.fromkeys(part.expansions))
        scheduled.update(part.scheduled)
    return Decisions(modules, candidate, awards, tuple(plants), tuple(expansions), scheduled, built)
