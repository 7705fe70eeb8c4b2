"""Measures of a planned study: one number for each figure that was reported of an alliance."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import polars as pl

from teikei import modules, plan, simulate, split
from teikei.plan.types import Plan, Plans
from teikei.study import Study

LEAD_MONTHS: Final = 37.0
"""First car on a new platform, the target of a maker; a joint one takes longer by the extra work."""
SHARING_RULE: Final = "shapley"


@dataclass(frozen=True)
class Planned:
    """A study planned alone and together (its last rung), with each company's share of the saving.

    share: company -> million, present value; units: company -> cars or pieces, discounted like money.
    """

    study: Study
    plans: Plans
    share: Mapping[str, float]
    units: Mapping[str, float]

    @property
    def everyone(self) -> str:
        """Name of the coalition of all companies."""
        return self.study.coalition_name(self.study.companies)

    @property
    def together(self) -> Plan:
        """The plan of all companies at the last rung."""
        return self.plans.by_key[(self.everyone, self.study.rung_names[-1])]

    @property
    def alone(self) -> Plan:
        """The plans of all companies by themselves, added up."""
        return self.plans.by_key[(self.everyone, self.study.baseline_rung)]

    @property
    def saving(self) -> float:
        """Saving of all companies together, million, present value."""
        return self.alone.value - self.together.value


def planned(study: Study) -> Planned:
    """Plans a study and splits its saving. Raises StudyError, NoPlanError."""
    catalogue = modules.catalogue(study)
    plans = plan.solve(study, catalogue, simulate.performance(study, catalogue))
    shares = split.allocate(study, plans).shares.filter(
        (pl.col("rule") == SHARING_RULE) & (pl.col("kind") == "saving") & (pl.col("rung") == study.rung_names[-1])
    )
    units: dict[str, float] = dict.fromkeys(study.companies, 0.0)
    for company, year, count in study["volumes"].select("company", "year", "units").iter_rows():
        units[company] += count * study.settings.discount_factor(year)
    return Planned(study, plans, dict(shares.select("company", "value").iter_rows()), units)


def development_saved_share(one: Planned, _of: str) -> float:
    """Engineering saved together, percent of what all would spend alone; undiscounted."""
    return 100.0 * (1.0 - _developed(one.together, "nre") / _developed(one.alone, "nre"))


def investment_saved_share(one: Planned, _of: str) -> float:
    """Engineering and tooling saved together, percent of what all would spend alone; undiscounted."""
    return 100.0 * (1.0 - _developed(one.together, "") / _developed(one.alone, ""))


def bought_saved_per_unit(one: Planned, _of: str) -> float:
    """What common drawings save on bought parts, study currency per unit."""
    saved = _item(one.alone, "purchase") - _item(one.together, "purchase")
    return saved / math.fsum(one.units.values()) * 1e6


def saving_per_unit(one: Planned, of: str) -> float:
    """A company's saving over its units, study currency per unit."""
    return one.share[of] / one.units[of] * 1e6


def saving_a_year(one: Planned, of: str) -> float:
    """A company's saving as an even sum over the planning years, million a year."""
    settings = one.study.settings
    return one.share[of] / math.fsum(settings.discount_factor(year) for year in settings.years)


def cost_below_own_share(one: Planned, of: str) -> float:
    """A company's saving, percent of what its cars cost alone (development, bought parts, the rest of the car)."""
    return 100.0 * one.share[of] / one.plans.value(of, one.study.baseline_rung)


def cost_below_own_per_unit(one: Planned, _of: str) -> float:
    """The joint car's cost below that of cars developed alone, study currency per unit."""
    return one.saving / math.fsum(one.units.values()) * 1e6


def months_late(one: Planned, _of: str) -> float:
    """Months that a joint development takes longer: one lead team, work larger by k for every further partner."""
    extra = max(float(k) for k in one.study["classes"]["k_family_nre"].to_list()) * (len(one.study.companies) - 1)
    return LEAD_MONTHS * extra


def value_with_launch(one: Planned, _of: str) -> float:
    """Saving where nobody launches a car that does not pay at these volumes (decision 0050), million, present value.

    Alone and together a car is worth what it brings less all it costs, but not less than nothing. Together it is late,
    which loses the cars of those months; one that does not pay has cost the first year of its development.
    """
    study = one.study
    brought = dict.fromkeys(study.companies, 0.0)
    value = dict(study["programmes"].select("programme", "car_value").iter_rows())
    for programme, company, year, units in study["volumes"].select("programme", "company", "year", "units").iter_rows():
        brought[company] += units * value[programme] * study.settings.discount_factor(year) / 1e6
    alone = math.fsum(max(0.0, brought[name] - one.plans.value(name, study.baseline_rung)) for name in study.companies)
    joint = math.fsum(brought.values()) - one.together.value - lost_by_lateness(one, value)
    development = one.together.tables["development"].filter(pl.col("item").str.starts_with("nre"))["value"].sum()
    spent = study.settings.nre_profile[0] * float(development) + study.settings.alliance_one_off
    return max(joint, alone - spent) - alone


def lost_by_lateness(one: Planned, value: Mapping[str, float]) -> float:
    """Margin of the cars that are not built while a joint car is late, million, present value; its end stays."""
    study, late = one.study, months_late(one, "") / 12.0
    spend = study["spend"]
    lost = 0.0
    costs = (
        one.together.tables["unit_costs"]
        .group_by("programme", "company", "year")
        .agg(pl.col("units").first(), pl.col("variable_cost").sum())
    )
    for programme, company, year, units, cost in costs.sort("programme", "company", "year").iter_rows():
        share = min(1.0, max(0.0, late - (year - study.settings.first_year)))
        rest = spend.filter((pl.col("company") == company) & (pl.col("programme") == programme))["per_car"].sum()
        margin = max(0.0, value[programme] - cost - float(rest))
        lost += share * units * margin * study.settings.discount_factor(year) / 1e6
    return lost


MEASURES: Final[Mapping[str, Callable[[Planned, str], float]]] = {
    one.__name__: one
    for one in (
        development_saved_share, investment_saved_share, bought_saved_per_unit, saving_per_unit, saving_a_year,
        cost_below_own_share, cost_below_own_per_unit, months_late, value_with_launch,
    )
}  # fmt: skip


def _developed(one: Plan, kind: str) -> float:
    table = one.tables["development"]
    return float(table.filter(pl.col("item").str.starts_with(kind))["amount"].sum())


def _item(one: Plan, item: str) -> float:
    return float(one.tables["cost_breakdown"].filter(pl.col("item") == item)["value"].sum())
