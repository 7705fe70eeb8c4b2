"""When money is spent and what it is worth today: spending profiles, residual values, present values.

A *cash list* is ((year, million), ...), real and undiscounted; a residual value is a negative entry in the year
``END`` (the end of the horizon). Rules (docs/maths/plan.md, "Money"): NRE is spent by ``nre_profile`` before the start
of series; tooling in the year before it; what would fall before the base year is spent in the base year.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from teikei.plan.facts import ClassFact, Facts, PlantFact

Cash = tuple[tuple[int, float], ...]
END = 9999  # marks the end of the horizon, discounted half a year later than the last year's middle


def present_value(facts: Facts, *cash: Iterable[tuple[int, float]]) -> float:
    """Present value in million at mid-year of each entry of the cash lists together, exactly summed."""
    return math.fsum(amount * discount(facts, year) for part in cash for year, amount in part)


def discount(facts: Facts, year: int) -> float:
    """Mid-year discount factor; ``END`` is the end of the last year."""
    settings = facts.settings
    return settings.discount_factor(settings.last_year + 0.5 if year == END else year)


def with_residual(facts: Facts, spent: Cash, start_year: int, life_years: float) -> Cash:
    """Adds what outlives the horizon: straight-line credit at its end, or only the part of the life volume used.

    ``straight_line``: credit = sum(spent) x max(0, 1 - years used / life) at the end of the horizon.
    ``life_volume``: every entry is scaled by volume in the horizon / volume over the life, the last year's volume
    going on; volumes are the study's total, the same for every coalition.
    """
    settings = facts.settings
    used = settings.last_year - start_year + 1
    if used >= life_years or not spent:
        return spent
    if settings.residual_rule == "life_volume":
        inside = math.fsum(facts.volume_by_year.get(year, 0.0) for year in range(start_year, settings.last_year + 1))
        beyond = facts.volume_by_year.get(settings.last_year, 0.0) * (life_years - used)
        share = inside / (inside + beyond) if inside + beyond > 0 else used / life_years
        return tuple((year, amount * share) for year, amount in spent)
    total = math.fsum(amount for _, amount in spent)
    return (*spent, (END, -total * (1.0 - used / life_years)))


def nre_cash(facts: Facts, amount: float, start_year: int, life_years: float) -> Cash:
    """NRE by the study's profile in the years before ``start_year``."""
    if amount == 0:
        return ()
    settings = facts.settings
    first = start_year - len(settings.nre_profile)
    spent: dict[int, float] = {}
    for offset, share in enumerate(settings.nre_profile):
        year = max(first + offset, settings.base_year)
        spent[year] = spent.get(year, 0.0) + share * amount
    return with_residual(facts, tuple(sorted(spent.items())), start_year, life_years)


def tooling_cash(facts: Facts, amount: float, start_year: int, life_years: float) -> Cash:
    """Tooling in the year before ``start_year``."""
    if amount == 0:
        return ()
    spent = ((max(start_year - 1, facts.settings.base_year), amount),)
    return with_residual(facts, spent, start_year, life_years)


def once(facts: Facts, amount: float, year: int) -> Cash:
    """A single payment, not before the base year."""
    return ((max(year, facts.settings.base_year), amount),) if amount else ()


def coordination_cash(facts: Facts, class_fact: ClassFact, start_year: int) -> Cash:
    """One extra partner on one shared family: one-off, engineers until start of production, half of them after."""
    settings = facts.settings
    first = max(start_year - len(settings.nre_profile), settings.base_year)
    yearly = (
        class_fact.coordination_engineers * settings.engineer_hours_per_year * settings.engineering_rate_per_hour / 1e6
    )
    spent: dict[int, float] = {first: class_fact.coordination_one_off}
    for year in range(first, settings.last_year + 1):
        spent[year] = spent.get(year, 0.0) + (yearly if year < start_year else 0.5 * yearly)
    return tuple(sorted(spent.items()))


def plant_cash(facts: Facts, plant: PlantFact, open_year: int) -> tuple[Cash, Cash]:
    """(investment with residual, fixed cost) of a plant that delivers first in ``open_year``."""
    settings = facts.settings
    lead = max(1, math.ceil(plant.lead_years))
    spent: dict[int, float] = {}
    for year in range(open_year - lead, open_year):
        at = max(year, settings.base_year)
        spent[at] = spent.get(at, 0.0) + plant.investment / lead
    cash: dict[int, float] = {}
    for share, life in (
        (plant.building_share, plant.building_life_years),
        (1.0 - plant.building_share, plant.life_years),
    ):
        part = tuple((year, amount * share) for year, amount in sorted(spent.items()))
        for year, amount in with_residual(facts, part, open_year, life):
            cash[year] = cash.get(year, 0.0) + amount
    fixed = tuple((year, plant.fixed_cost) for year in range(open_year, settings.last_year + 1))
    return tuple(sorted(cash.items())), fixed


def plant_first_year(facts: Facts, plant: PlantFact) -> int:
    """First year in which a plant decided today can deliver."""
    return max(facts.settings.first_year, math.ceil(facts.settings.base_year + plant.lead_years))


def plant_capacity_gwh(plant: PlantFact, open_year: int, year: int) -> float:
    """Capacity after ramp-up, GWh."""
    if year < open_year:
        return 0.0
    return plant.step_gwh * plant.ramp[min(year - open_year, len(plant.ramp) - 1)]
