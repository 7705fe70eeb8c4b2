"""The games that the plans of a study make: players, coalition values with their proven bounds, rung by rung."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from teikei.plan.types import NOT_CONTRACTED, Plan, Plans
from teikei.split.types import Vector
from teikei.study.types import Study


@dataclass(frozen=True)
class RungGame:
    """The cost game between blocs at one rung.

    players: coalition name of each bloc; names (2^n,): coalition name of each mask; cost and bound (2^n,) in million,
    entry ``mask`` the coalition with these blocs: the plan's exact cost, and what it is proven to cost at least; cash
    (2^n,): what is paid of the cost, without missed targets and lateness.
    """

    rung: str
    players: tuple[str, ...]
    names: tuple[str, ...]
    cost: Vector
    bound: Vector
    cash: Vector

    @property
    def cash_game(self) -> RungGame:
        """The game of what is paid; a plan's gap in value is taken as the gap of its cash."""
        return replace(self, cost=self.cash, bound=self.cash - (self.cost - self.bound))

    @property
    def saving(self) -> float:
        """What all blocs together save against each planning alone, million."""
        return float(sum(self.cost[1 << i] for i in range(len(self.players))) - self.cost[-1])


class PlanValues:
    """Looks up the plan of a coalition at a rung; a group inside one bloc has one plan, at the lowest rung."""

    def __init__(self, study: Study, plans: Plans):
        self.study = study
        self.plans = plans
        self.lowest = study.baseline_rung
        self.blocs = tuple(study.blocs.values())
        self.players = tuple(study.coalition_name(frozenset(bloc)) for bloc in self.blocs)

    def plan(self, companies: frozenset[str], rung: str) -> Plan | None:
        """The evaluated plan of a coalition at a rung; None where there is none."""
        inside_one_bloc = any(companies <= set(bloc) for bloc in self.blocs)
        name = self.study.coalition_name(companies)
        plan = self.plans.by_key.get((name, self.lowest if inside_one_bloc else rung))
        if plan is None or plan.status == "not evaluated" or not math.isfinite(plan.value):
            return None
        return plan

    def game(self, rung: str) -> RungGame | str | None:
        """The game of a rung; a sentence where single coalitions are missing; None where the rung was not evaluated."""
        count = len(self.players)
        everyone = frozenset().union(*self.blocs)
        if self.plan(everyone, rung) is None:
            return None
        cost, bound, cash = np.zeros(1 << count), np.zeros(1 << count), np.zeros(1 << count)
        missing = []
        names = [""]
        for mask in range(1, 1 << count):
            companies = frozenset().union(*(self.blocs[i] for i in range(count) if mask >> i & 1))
            names.append(self.study.coalition_name(companies))
            plan = self.plan(companies, rung)
            if plan is None:
                missing.append(names[-1])
                continue
            cost[mask] = plan.value
            cash[mask] = plan.cash
            bound[mask] = min(plan.bound, plan.value) if math.isfinite(plan.bound) else plan.value
        if missing:
            return f"{rung}: no shares, the plans lack {', '.join(missing)}: solve these coalitions as well"
        return RungGame(rung, self.players, tuple(names), cost, bound, cash)

    def games(self) -> tuple[list[RungGame], list[str]]:
        """The games of all evaluated rungs above the lowest, where nothing is shared yet, and a sentence for each
        rung whose game lacks a coalition."""
        found = [self.game(rung) for rung in self.study.rung_names if rung != self.lowest]
        return (
            [game for game in found if isinstance(game, RungGame)],
            [game for game in found if isinstance(game, str)],
        )

    def alone_cost_by_company(self, player: int, *, cash: bool = False) -> dict[str, float]:
        """Cost of each company in its bloc's own plan, million, by the plan's own attribution (cost_breakdown).

        cash: without missed targets and lateness.
        """
        bloc = self.blocs[player]
        plan = self.plan(frozenset(bloc), self.lowest)
        if plan is None:
            return {}
        if len(bloc) == 1:
            return {bloc[0]: plan.cash if cash else plan.value}
        table = plan.tables.get("cost_breakdown")
        if table is None or table.is_empty() or not {"company", "value"} <= set(table.columns):
            return {}
        if cash and "item" in table.columns:
            table = table.filter(~pl.col("item").is_in(NOT_CONTRACTED))
        sums: dict[str, float] = dict.fromkeys(bloc, 0.0)
        for company, value in table.select("company", "value").iter_rows():
            if company in sums:
                sums[company] += value
        return sums
