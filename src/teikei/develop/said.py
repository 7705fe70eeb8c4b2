"""What a schedule says beside its tables: whether its work is the plan's, and what the plan fits too early."""

from __future__ import annotations

from typing import Final

import polars as pl

from teikei.develop.network import Network
from teikei.develop.project import windows
from teikei.develop.quarters import Calendar
from teikei.plan.types import Plan
from teikei.study.types import Study

NRE_TOLERANCE: Final = 0.02


def nre_of_work(study: Study, network: Network) -> float:
    """Hours at the study's rate and external cost of all that the plan pays (the cars themselves it does not)."""
    rate = study.settings.engineering_rate_per_hour / 1e6
    paid = [one for one in network.objects.values() if one.level != "programme"]
    return sum(sum(one.hours.values()) * rate + one.external_cost for one in paid)


def too_early(calendar: Calendar, network: Network) -> list[str]:
    """Sentences on families that the plan fits before their tasks can be done, and what would keep it from that."""
    if not network.project.jobs:
        return []
    earliest, _ = windows(network.project)
    ready: dict[str, int] = {}
    for job in network.project.jobs:
        ready[job.team] = max(ready.get(job.team, 0), earliest[job.name] + job.duration)
    said = []
    for name, one in network.objects.items():
        due = min(when for _, when in one.uses)
        if one.level in ("family", "variant") and ready.get(name, 0) > due:
            table = "families" if one.level == "family" else "modules"
            said.append(
                f"{name} can be in series from {calendar.label(ready[name])} on at the earliest, the plan fits it from "
                f"{calendar.label(due)}: earliest_year of {one.item} (table {table}) would keep the plan from it"
            )
    return said


def differs(study: Study, plan: Plan, network: Network) -> list[str]:
    """A sentence where the work scheduled is not the work that the plan pays."""
    here, paid = nre_of_work(study, network), nre_in_plan(plan)
    if paid is None or abs(here - paid) <= NRE_TOLERANCE * max(abs(paid), 1.0):
        return []
    return [
        f"the work scheduled is worth {here:,.0f} million, the plan pays {paid:,.0f}: rows of tables work or tasks are "
        "missing"
    ]


def nre_in_plan(plan: Plan) -> float | None:
    """What the plan pays for development, not discounted; None where it does not say."""
    table = plan.tables.get("development")
    if table is None or not {"item", "amount"} <= set(table.columns):
        return None
    return float(table.filter(pl.col("item").str.starts_with("nre"))["amount"].sum())
