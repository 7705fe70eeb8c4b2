"""Why a start of production cannot be met, and what three fixes would cost: hours, another lead, a later date."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

import polars as pl

from teikei.develop.network import Network
from teikei.develop.project import Options, lateness_by_precedence, solve
from teikei.develop.quarters import Calendar
from teikei.develop.types import Milestone, Timetable
from teikei.errors import NoPlanError
from teikei.plan.types import Plan
from teikei.study.types import Study

FIXES_SCHEMA: Final = {
    "coalition": pl.String,
    "rung": pl.String,
    "programmes": pl.String,
    "fix": pl.String,
    "detail": pl.String,
    "cost": pl.Float64,
    "late_quarters": pl.Int64,
    "break_even_per_car": pl.Float64,
}
ALMOST_FULL: Final = 0.8
TOO_SHORT: Final = "the tasks take longer than the time left"


def causes(network: Network, free: Network, found: Timetable) -> dict[str, str]:
    """Milestone -> why it is late: time alone (critical path), or the resource that is used up before it.

    free: the same objects with tasks at their own length; lateness left there with unlimited staff is a matter of time.
    """
    least = lateness_by_precedence(free.project)
    reasons = {}
    for milestone in network.project.milestones:
        late = found.late[milestone.name]
        if not late:
            continue
        if late <= least.get(milestone.name, 0):
            reasons[milestone.name] = TOO_SHORT
        else:
            scarce = _fullest(network, found, milestone)
            proven = "" if found.status == "optimal" else ", not proven"
            reasons[milestone.name] = (f"hours of {scarce}" if scarce else "order of the work") + proven
    return reasons


def _fullest(network: Network, found: Timetable, milestone: Milestone) -> str:
    """Of the resources that the milestone's own objects need, the one used most while they are under way."""
    used: dict[tuple[str, int], float] = {}
    needed: set[str] = set()
    teams = {job.team for job in network.project.jobs if job.name in milestone.jobs}
    for job in network.project.jobs:
        mode = next(one for one in job.modes if one.name == found.mode[job.name])
        for resource, amounts in mode.demand.items():
            if job.team in teams and any(amounts):
                needed.add(resource)
            for k, amount in enumerate(amounts):
                at = (resource, found.start[job.name] + k)
                used[at] = used.get(at, 0.0) + amount
    until = milestone.due + found.late[milestone.name]
    begin = min(found.start[job.name] for job in network.project.jobs if job.team in teams)
    mean: dict[str, float] = {}
    for resource in sorted(needed):
        capacity = network.project.capacity[resource]
        shares = [used.get((resource, p), 0.0) / capacity[p] for p in range(begin, until) if capacity[p] > 0]
        if shares and max(shares) >= ALMOST_FULL:
            mean[resource] = sum(shares) / len(shares)
    return max(mean, key=lambda name: mean[name]) if mean else ""


def find_fixes(
    study: Study,
    plan: Plan,
    calendar: Calendar,
    *,
    network: Network,
    free: Network,
    choice: Callable[[set[str]], Network | None],
    found: Timetable,
    options: Options,
) -> list[dict[str, Any]]:
    """Rows of the table ``fixes``: bought hours, another lead, and the later date, the cheapest with a price first.

    choice: the network with more leads open for what the milestones named wait for, None where there are none.
    Bought hours cost the lead's hourly rate on top of what the plan pays. A later date has no price in the study; it
    is given as the margin per delayed car from which the cheapest other fix is the better choice.
    """
    if not found.late_total:
        return []
    late = [one for one in network.project.milestones if found.late[one.name]]
    key = {
        "coalition": plan.coalition,
        "rung": plan.rung,
        "programmes": ", ".join(dict.fromkeys(one.name.partition("@")[0] for one in late)),
    }
    rows = [*_hours_fix(study, calendar, free, found, options), *_lead_fix(network, free, choice, found, options)]
    priced = [row["cost"] for row in rows if row["cost"] is not None and row["late_quarters"] == 0]
    cars = _delayed_cars(study, {one.name.partition("@")[0]: found.late[one.name] for one in late})
    date = {
        "fix": "date",
        "detail": ", ".join(
            f"{one.name.partition('@')[0]} from {calendar.label(one.due)} to "
            f"{calendar.label(one.due + found.late[one.name])}"
            for one in late
        )
        + f"; {cars:,.0f} cars delayed",
        "cost": None,
        "late_quarters": int(sum(found.late.values())),
        "break_even_per_car": min(priced) * 1e6 / cars if priced and cars else None,
    }
    rows.sort(key=lambda row: (row["late_quarters"], row["cost"] if row["cost"] is not None else float("inf")))
    return [{**key, **row} for row in (*rows, date)]


def _hours_fix(
    study: Study, calendar: Calendar, free: Network, found: Timetable, options: Options
) -> list[dict[str, Any]]:
    least = lateness_by_precedence(free.project)
    limit = sum(one.weight * least[one.name] for one in free.project.milestones)
    if limit >= found.late_total:
        return [_row("hours", "no: more hours do not shorten the tasks", None, int(sum(found.late.values())))]
    price = {resource: _rate(study, resource) / 1e6 for resource in free.project.capacity}
    try:
        more = replace(options, extra_cost=price, late_limit=limit, begin=(found.start, found.mode))
        bought = solve(free.project, more)
    except NoPlanError:
        return [_row("hours", "no schedule was found with bought hours", None, int(sum(found.late.values())))]
    by_resource: dict[str, list[tuple[int, float]]] = {}
    for (resource, period), hours in sorted(bought.extra.items(), key=lambda item: item[0][1]):
        by_resource.setdefault(resource, []).append((period, hours))
    detail = "; ".join(
        f"{sum(hours for _, hours in parts):,.0f} hours of {resource}, {calendar.label(parts[0][0])} to "
        f"{calendar.label(parts[-1][0])}"
        for resource, parts in by_resource.items()
    )
    cost = sum(hours * price[resource] * free.project.discount[p] for (resource, p), hours in bought.extra.items())
    return [_row("hours", detail, cost, int(sum(bought.late.values())))]


def _rate(study: Study, resource: str) -> float:
    company = resource.partition(" at ")[2]
    own = dict(study["companies"].select("company", "engineering_rate_per_hour").iter_rows())
    return float(own.get(company) or study.settings.engineering_rate_per_hour)


def _lead_fix(
    network: Network,
    free: Network,
    choice: Callable[[set[str]], Network | None],
    found: Timetable,
    options: Options,
) -> list[dict[str, Any]]:
    late = int(sum(found.late.values()))
    least = lateness_by_precedence(free.project)
    held = {one.name for one in network.project.milestones if found.late[one.name] > least.get(one.name, 0)}
    if not held:
        return [_row("lead", "no: another lead does not shorten the tasks", None, late)]
    opened = choice(held)
    if opened is None:
        return [_row("lead", "no: every lead was open to choice, no other helps", None, late)]
    open_leads = solve(opened.project, replace(options, work_share={}))
    moved = {
        job.team: (found.mode[job.name], open_leads.mode[job.name])
        for job in network.project.jobs
        if found.mode[job.name] != open_leads.mode[job.name]
    }
    if open_leads.late_total >= found.late_total:
        return [_row("lead", "no: another lead does not help", None, late)]
    detail = ", ".join(f"{team} from {old} to {new}" for team, (old, new) in moved.items())
    return [_row("lead", detail, open_leads.cost - found.cost, int(sum(open_leads.late.values())))]


def _row(fix: str, detail: str, cost: float | None, late_quarters: int) -> dict[str, Any]:
    return {"fix": fix, "detail": detail, "cost": cost, "late_quarters": late_quarters, "break_even_per_car": None}


def _delayed_cars(study: Study, late: Mapping[str, int]) -> float:
    """Cars of the first years of production that come later: a quarter of a year's cars for each quarter late."""
    volumes = study["volumes"].filter(pl.col("scenario") == study.settings.volume_scenario, pl.col("units") > 0)
    total = 0.0
    for name, quarters in late.items():
        programme, _, generation = name.partition("/")
        years = (
            volumes.filter(pl.col("programme") == programme, pl.col("generation") == generation)
            .group_by("year")
            .agg(pl.col("units").sum())
            .sort("year")["units"]
            .to_list()
        )
        left = float(quarters)
        for units in years:
            total += units * min(1.0, left / 4)
            left = max(0.0, left - 4)
    return total
