"""What the schedule finds comes back into the plans: late starts as they are with the engineers there are."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from teikei.develop.timetable import late_starts
from teikei.modules.types import Catalogue
from teikei.plan.decisions import Decisions
from teikei.plan.scheduled import as_scheduled, behind, solve_again
from teikei.plan.solve_part import QUICK, Effort
from teikei.plan.types import Plans
from teikei.simulate.types import Performance
from teikei.study.types import Study

ROUNDS: Final = 1
"""Further plans made where schedules are later than the plans reckoned; each costs what a rung costs."""


def plans_as_scheduled(
    study: Study,
    catalogue: Catalogue,
    performance: Performance,
    plans: Plans,
    *,
    seconds: float | None = None,
    rounds: int = ROUNDS,
    effort: Effort = QUICK,
) -> Plans:
    """The plans with the lateness of their own schedules priced; the same plans where no schedule adds any.

    Where a schedule adds more than the plan's gap, that plan is made again with leads as long as the schedule showed
    them, at most ``rounds`` times, and the cheapest as scheduled is kept; the difference left is told in
    ``explanations``. seconds: as for ``schedule``.
    """
    late = late_starts(study, catalogue, plans, seconds=seconds)
    if not late:
        return plans
    found = as_scheduled(study, catalogue, performance, plans, late)
    others: list[tuple[tuple[str, str], Decisions]] = []
    bounds: dict[tuple[str, str], float] = {}
    for _ in range(rounds):
        keys = [key for key, added in behind(study, catalogue, found).items() if added > found.by_key[key].gap - added]
        again = solve_again(study, catalogue, performance, found, keys, effort)
        if not again:
            break
        theirs = late_starts(study, catalogue, replace(plans, by_key=again), seconds=seconds)
        for key, plan in again.items():
            decisions: Decisions = plan.decisions["decisions"]
            scheduled = {start: quarters for start, quarters in theirs.get(key, {}).items() if quarters}
            others.append((key, replace(decisions, scheduled=scheduled)))
            bounds[key] = plan.bound
        found = as_scheduled(study, catalogue, performance, plans, late, others, bounds)
    return found
