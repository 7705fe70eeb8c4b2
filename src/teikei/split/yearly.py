"""A plan's cost by company, year and item, and the cars it buys for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl

from teikei.errors import NoPlanError
from teikei.plan.types import NOT_CONTRACTED, Plan
from teikei.split.types import Vector
from teikei.study.types import Study

BILL_ITEMS: Final = frozenset(
    (
        "purchase",
        "rebate",
        "duty_freight",
        "warranty",
        "equity",
        "shortfall",
        "local_content",
        "alignment",
        "joint_rate",
        "rest_of_car",
    )
)
"""What follows the number of cars; every other item is spent once or by the year."""

OWN_ITEMS: Final = frozenset(("nre_application", "nre_brand", "nre_vehicle", "switching", "activation", "captive"))
"""Items that a company pays for its own programmes, or its own suppliers, and shares with nobody."""


@dataclass(frozen=True)
class YearlyCost:
    """Cost of a plan: item -> array (companies, years) of million, real, discounted to the base year."""

    companies: tuple[str, ...]
    years: tuple[int, ...]
    items: dict[str, Vector]

    def total(self, items: frozenset[str] | None = None, but: frozenset[str] = frozenset()) -> Vector:
        """Sum over items (all, or these, or all but those), shape (companies, years)."""
        picked = [amount for name, amount in self.items.items() if (items is None or name in items) and name not in but]
        return sum(picked, np.zeros((len(self.companies), len(self.years))))


def yearly_cost(
    study: Study, plans: list[Plan], classes: tuple[str, ...] | None = None, *, whole: bool = False
) -> YearlyCost:
    """What plans of disjoint coalitions pay side by side, by company, year and item; of some classes, where given.

    whole: with what nobody pays (missed targets, lateness), so that it adds up to the plans' values. Raises NoPlanError
    where a plan's breakdown is missing or does not add up to its value: flows made from it would be wrong.
    """
    frames = []
    for plan in plans:
        table = plan.tables.get("cost_breakdown")
        if table is None or not {"company", "year", "item", "value"} <= set(table.columns):
            raise NoPlanError(
                f"The plan of {plan.coalition} at {plan.rung} does not say what it costs by company and year."
            )
        total = float(table["value"].sum())
        if abs(total - plan.value) > 1e-6 * max(1.0, abs(plan.value)):
            raise NoPlanError(
                f"The cost breakdown of {plan.coalition} at {plan.rung} adds up to {total:,.3f} million and its "
                f"value is "
                f"{plan.value:,.3f} million: no flows can be made from it."
            )
        if not whole:
            table = table.filter(~pl.col("item").is_in(NOT_CONTRACTED))
        if "class" not in table.columns:
            table = table.with_columns(pl.lit("").alias("class"))
        frames.append(table.select("company", pl.col("year").cast(pl.Int64), "item", "class", "value"))
    table = pl.concat(frames)
    everything = table
    if classes is not None:
        table = table.filter(pl.col("class").is_in(list(classes)))
    companies = tuple(company for company in study.companies if company in set(everything["company"]))
    strange = sorted(set(everything["company"].drop_nulls()) - set(companies))
    strange += ["an empty name"] if everything["company"].has_nulls() else []
    if strange:
        raise NoPlanError(f"The cost breakdown names companies that the study does not: {', '.join(strange)}.")
    listed = everything["year"].to_list()
    years = tuple(range(min(listed), max(listed) + 1))
    items: dict[str, Vector] = {}
    grouped = table.group_by("company", "year", "item", maintain_order=True).agg(pl.col("value").sum())
    for company, year, item, value in grouped.iter_rows():
        array = items.setdefault(item, np.zeros((len(companies), len(years))))
        array[companies.index(company), year - years[0]] += value
    return YearlyCost(companies, years, items)


def aligned(cost: YearlyCost, companies: tuple[str, ...], years: tuple[int, ...]) -> YearlyCost:
    """The same costs on other companies and years (which must contain them)."""
    rows = [companies.index(company) for company in cost.companies]
    first = years.index(cost.years[0])
    items = {}
    for name, amount in cost.items.items():
        wide = np.zeros((len(companies), len(years)))
        wide[rows, first : first + len(cost.years)] = amount
        items[name] = wide
    return YearlyCost(companies, years, items)


def together(first: YearlyCost, second: YearlyCost, companies: tuple[str, ...]) -> tuple[YearlyCost, YearlyCost]:
    """Two costs on the same companies and the years of both."""
    years = tuple(range(min(first.years[0], second.years[0]), max(first.years[-1], second.years[-1]) + 1))
    return aligned(first, companies, years), aligned(second, companies, years)


def cars_by_company(study: Study, companies: tuple[str, ...], years: tuple[int, ...], scenario: str = "") -> Vector:
    """Cars a year of programmes in scope by owner, shape (companies, years); scenario: the study's unless given."""
    in_scope = study["programmes"].filter(pl.col("in_scope"))["programme"].to_list()
    table = study["volumes"].filter(
        pl.col("programme").is_in(in_scope), pl.col("scenario") == (scenario or study.settings.volume_scenario)
    )
    cars = np.zeros((len(companies), len(years)))
    for company, year, units in table.select("company", "year", "units").iter_rows():
        if company in companies and year in years:
            cars[companies.index(company), years.index(year)] += units
    return cars


def discount_factors(study: Study, years: tuple[int, ...]) -> Vector:
    """Mid-year factors to the base year, shape (years,)."""
    return np.array([study.settings.discount_factor(year) for year in years])
