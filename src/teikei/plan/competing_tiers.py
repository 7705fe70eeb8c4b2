"""Rows on tiers that compete: two tiers cannot both be reached if they need more than there is to buy or to make.

Without them the relaxation chooses two high tiers of rival offers by halves, each reached with a part of the pieces.
Every plan keeps these rows; they follow from what a tier needs and hold for whole tiers:

    sum over tiers r of from_r y_r  <=  what the positions can bring together (or the site can make)
    sum over tiers with from_r > half of it of y_r  <=  1
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence

from teikei.plan.program import THOUSAND, Build, Place
from teikei.plan.sources import of_offer

Tiers = Sequence[tuple[Hashable, int, float]]
Group = tuple[Hashable, ...]


def tiers_share_what_is_needed(made: Build) -> None:
    """Tiers of a class in a year share what its positions can bring: all of them, of a drawing group, of a module."""
    if not made.tight:
        return
    tiers: dict[Group, list[tuple[Hashable, int, float]]] = {}
    most: dict[Group, dict[Place, float]] = {}
    facts = made.scope.facts
    for seller, keys in made.counted_together().items():
        mine = made.in_tier.get(keys[0])
        if mine is None:
            continue
        _, pool, year = seller
        first = facts.offers[keys[0][0]]
        groups: list[Group] = [(first.class_name, year), (first.class_name, pool, year)]
        if len(keys) == 1:
            groups.append((first.class_name, pool, year, first.module))
        for group in groups:
            tiers.setdefault(group, []).extend((seller, tier.choice, tier.low) for tier in mine)
            places = most.setdefault(group, {})
            for place, amount in _brought(made, keys):
                places[place] = max(places.get(place, 0.0), amount)
    seen: set[frozenset[int]] = set()
    for group, found in sorted(tiers.items(), key=lambda one: len(one[0])):
        columns = frozenset(column for _, column, low in found if low > 0)
        if columns not in seen:
            seen.add(columns)
            tiers_within(made, ("class", *group), found, sum(most[group].values()))


def _brought(made: Build, keys: Sequence[tuple[str, str, int]]) -> Iterator[tuple[Place, float]]:
    """What each position can bring to offers that count together, in the unit of their tiers."""
    facts = made.scope.facts
    for name, pool, year in keys:
        weight = facts.tier_units(facts.offers[name].module, THOUSAND) * made.pools[(name, pool, year)].kept
        for option, country in next(iter(made.tier[(name, pool, year)].values()))[1]:
            cars = made.program.upper[made.carried[(option, country, of_offer(name), year)]]
            yield (option.slot, option.position, country), cars * weight


def tiers_within(made: Build, name: Group, tiers: Tiers, available: float) -> None:
    """The two rows of the module docstring, where tiers of several offers can want more than is available."""
    largest: dict[Hashable, float] = {}
    for seller, _, low in tiers:
        largest[seller] = max(low, largest.get(seller, 0.0))
    available *= 1.0 + 1e-9
    if sum(1 for low in largest.values() if low > 0) < 2 or sum(largest.values()) <= available:
        return
    made.program.row(("tiers within", *name), [(column, low) for _, column, low in tiers if low > 0], upper=available)
    large = [(seller, column) for seller, column, low in tiers if low > available / 2]
    if len({seller for seller, _ in large}) > 1:
        made.program.row(("one large tier", *name), [(column, 1.0) for _, column in large], upper=1.0)
