"""The game of profits: what each group of companies earns beyond what its members earn alone, and its split.

value(S) = change of the members' profit when S plans together at a rung and all others stay as they are alone: variable
profit at the equilibrium of every market (home, other regions, planned volumes where no market is modelled) less fixed
cost. Each company sets its own prices: cooperation changes cost, never conduct. The parts are those of ``kept.py`` at
the most likely parameters. Where starts lead to different equilibria, the lowest and the highest value are told.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

import numpy as np
import polars as pl

from teikei.market.cases import (
    Case,
    Reprice,
    alone_costs,
    close_loop,
    cost_change,
    unit_cost,
)
from teikei.market.home import HomeMarket
from teikei.market.kept import Parts, at_home, fixed_by_company, kept_of
from teikei.market.regions import export_tables, modelled_regions
from teikei.market.respond import Response, price_and_sell
from teikei.market.scene import Scene
from teikei.market.types import Array
from teikei.plan.types import Plan, Plans
from teikei.split.games_of_plans import PlanValues
from teikei.split.rule_shares import rules
from teikei.split.types import Game
from teikei.study.types import Study

GAME_SCHEMA: Final = {
    "rung": pl.String, "coalition": pl.String, "value": pl.Float64, "variable_profit": pl.Float64,
    "fixed": pl.Float64, "lower": pl.Float64, "upper": pl.Float64, "saving": pl.Float64, "several": pl.Boolean,
    "core": pl.String,
}  # fmt: skip
SHARES_SCHEMA: Final = {
    "rung": pl.String, "rule": pl.String, "company": pl.String, "kind": pl.String, "value": pl.Float64,
    "lower": pl.Float64, "upper": pl.Float64,
}  # fmt: skip
PROFIT_SHARES: Final = "profit_shares"
"""Name under which the rows for the table ``shares`` are handed on."""
_CENTRAL: Final = slice(0, 1)
_STARTS: Final = (0.0, 2.0)  # times the baseline's prices: further starts, raised to cost where they lie below
_APART: Final = 1e-6  # relative difference of prices from which on two equilibria are two
_DRAWS: Final = 1  # beside the central one: other regions are solved for a band that nobody reads here


def profit_game(
    study: Study,
    plans: Plans | None,
    line: Sequence[Scene],
    home: HomeMarket,
    closed: Mapping[str, Case],
    reprice: Reprice | None,
) -> tuple[pl.DataFrame, pl.DataFrame, list[str]]:
    """Table ``profit_game``, rows of kind profit for table ``shares``, and what must be said.

    line: markets of the years; closed: rung -> case of all companies, its loop through volumes closed already; reprice:
    closes that loop for smaller groups. saving: the same group in the game of costs, cash. core (row of all companies):
    nonempty or empty. Rungs whose plans lack a group are left out, with a message.
    """
    game_rows: list[dict[str, object]] = []
    share_rows: list[dict[str, object]] = []
    messages: list[str] = []
    if plans is None or not closed:
        return pl.DataFrame(schema=GAME_SCHEMA), pl.DataFrame(schema=SHARES_SCHEMA), messages
    values = PlanValues(study, plans)
    base = {scene.year: price_and_sell(scene, draws=_CENTRAL) for scene in line}
    for rung in closed:
        costs = values.game(rung)
        if costs is None or isinstance(costs, str):
            messages.append(f"no game of profits: {costs or rung}")
            continue
        groups = [mask for mask in range(1, len(costs.names)) if mask & (mask - 1)]  # two blocs or more
        cases = [
            closed[rung] if mask == len(costs.names) - 1 else _case(study, values, mask, rung, line, base, reprice)
            for mask in groups
        ]
        named = [replace(case, rung=costs.names[mask]) for mask, case in zip(groups, cases, strict=True)]
        earned = np.zeros((3, len(costs.names)))
        fixed, several = np.zeros(len(costs.names)), np.zeros(len(costs.names), dtype=bool)
        away = export_tables(study, home, named, draws=_DRAWS)[3]
        for mask, case in zip(groups, named, strict=True):
            members = _companies(values, mask)
            earned[:, mask], several[mask] = _variable(study, case, members, line, base, home, away)
            fixed[mask] = _fixed(study, values, mask, rung)
        value = earned + fixed
        alone = costs.cash[1 << np.arange(len(costs.players))]
        told = rules(Game.of(costs.players, "profit", value[0]))
        for mask in range(1, len(costs.names)):
            inside = [i for i in range(len(costs.players)) if mask >> i & 1]
            whole = mask == len(costs.names) - 1
            game_rows.append(
                {
                    "rung": rung, "coalition": costs.names[mask], "value": value[0, mask],
                    "variable_profit": earned[0, mask], "fixed": fixed[mask], "lower": value[:, mask].min(),
                    "upper": value[:, mask].max(), "saving": float(alone[inside].sum() - costs.cash[mask]),
                    "several": bool(several[mask]),
                    "core": ("nonempty" if told["core"]["nonempty"] else "empty") if whole else None,
                }
            )  # fmt: skip
        share_rows += _shares(values, rung, told["rules"])
        if several.any():
            messages.append(f"{rung}: the market has several equilibria; the game of profits tells lowest and highest")
    return pl.DataFrame(game_rows, schema=GAME_SCHEMA), pl.DataFrame(share_rows, schema=SHARES_SCHEMA), messages


def _companies(values: PlanValues, mask: int) -> frozenset[str]:
    return frozenset().union(*(bloc for i, bloc in enumerate(values.blocs) if mask >> i & 1))


def _case(
    study: Study,
    values: PlanValues,
    mask: int,
    rung: str,
    line: Sequence[Scene],
    base: Mapping[int, Response],
    reprice: Reprice | None,
) -> Case:
    """The change of cost of a group's cars; everybody else's stay as they are alone."""
    plan = values.plan(_companies(values, mask), rung)
    assert plan is not None  # noqa: S101  (the game of costs has every plan)
    before = alone_costs(study, values.plans)
    change = cost_change(before, unit_cost(plan.tables["unit_costs"]))
    if reprice is not None:
        change = close_loop(study, plan, before, line, base, reprice).change
    return Case(plan.coalition, rung, study.scenario or "base", change)


def _variable(
    study: Study,
    case: Case,
    members: frozenset[str],
    line: Sequence[Scene],
    base: Mapping[int, Response],
    home: HomeMarket,
    away: Mapping[tuple[str, str, int, str], Parts],
) -> tuple[Array, bool]:
    """Change of the members' variable profit, million, discounted: from each start (3,); whether these differ.

    The baseline keeps the equilibrium at observed prices: a start that leads elsewhere shows in the case alone.
    """
    covered = modelled_regions(home)
    nothing = replace(case, rung=study.baseline_rung, change={})
    found = np.zeros(1 + len(_STARTS))
    several = False
    first = [
        price_and_sell(scene, case.change.get(scene.year, {}), draws=_CENTRAL, start=base[scene.year].equilibrium.price)
        for scene in line
    ]
    for k, factor in enumerate((1.0, *_STARTS)):
        solved = first
        if k:
            solved = [
                price_and_sell(
                    scene, case.change.get(scene.year, {}), draws=_CENTRAL,
                    start=factor * base[scene.year].equilibrium.price,
                )
                for scene in line
            ]  # fmt: skip
            several |= any(
                bool((np.abs(one.price / other.price - 1) > _APART).any())
                for one, other in zip(solved, first, strict=True)
            )
        at = at_home(study, [(nothing, [base[scene.year] for scene in line]), (case, solved)])
        found[k] = sum(kept_of(study, case, company, (at, away), covered) for company in members)
    return found, several


def _fixed(study: Study, values: PlanValues, mask: int, rung: str) -> float:
    """Fixed cost that a group saves against its blocs alone, million: what is cash and no variable cost of a car."""
    plan = values.plan(_companies(values, mask), rung)
    alone = [values.plan(_companies(values, 1 << i), rung) for i in range(len(values.blocs)) if mask >> i & 1]
    return sum(_fixed_of(study, one) for one in alone) - _fixed_of(study, plan)


def _fixed_of(study: Study, plan: Plan | None) -> float:
    return 0.0 if plan is None else sum(fixed_by_company(study, [plan]).values())


def _shares(values: PlanValues, rung: str, told: Mapping[str, Mapping[str, float] | None]) -> list[dict[str, object]]:
    """Rows of table ``shares``: a bloc's part goes to its companies by their cost alone, as in the game of costs."""
    rows: list[dict[str, object]] = []
    for rule, share in told.items():
        for index, player in enumerate(values.players if share is not None else ()):
            bloc = values.blocs[index]
            paid = values.alone_cost_by_company(index, cash=True)
            total = sum(paid.values())
            by = {name: paid[name] / total for name in bloc} if len(paid) == len(bloc) and total > 0 else {player: 1.0}
            for company, part in by.items():
                value = part * (share or {})[player]
                rows.append(
                    {"rung": rung, "rule": rule, "company": company, "kind": "profit", "value": value, "lower": None,
                     "upper": None}
                )  # fmt: skip
    return rows
