"""The saving of each year, shared by the rules whose shares add up."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import polars as pl

from teikei.errors import NoPlanError
from teikei.split import values as single_rule
from teikei.split.games_of_plans import PlanValues, RungGame
from teikei.split.rule_shares import ADDITIVE_RULES
from teikei.split.types import Vector
from teikei.split.yearly import yearly_cost

SCHEMA: Final = {
    "rung": pl.String,
    "rule": pl.String,
    "company": pl.String,
    "year": pl.Int64,
    "value": pl.Float64,
}


def by_year(values: PlanValues, games: list[RungGame]) -> tuple[pl.DataFrame, list[str]]:
    """Each bloc's share of the saving of each year, million discounted; additive rules only.

    The game of a year has as worth of a coalition what it saves in that year against its blocs alone. These games add
    up to the game of the whole saving, so the shares of an additive rule do too. A rung whose plans do not say what
    they cost by year makes a sentence instead of rows.
    """
    rows: list[dict[str, Any]] = []
    notes: list[str] = []
    for game in games:
        try:
            years, worth = _worth_by_year(values, game)
        except NoPlanError as error:
            notes.append(f"{game.rung}: the saving is not shared by year. {error}")
            continue
        for rule in ADDITIVE_RULES:
            for year, column in zip(years, worth.T, strict=True):
                share = getattr(single_rule, rule)(np.ascontiguousarray(column))
                rows += [
                    {"rung": game.rung, "rule": rule, "company": player, "year": year, "value": value}
                    for player, value in zip(game.players, share.tolist(), strict=True)
                ]
    return pl.DataFrame(rows, schema=SCHEMA, orient="row"), notes


def _worth_by_year(values: PlanValues, game: RungGame) -> tuple[tuple[int, ...], Vector]:
    """(years, worth of each coalition in each year (2^n, years))."""
    count = len(game.players)
    costs: dict[int, dict[int, float]] = {0: {}}
    for mask in range(1, 1 << count):
        plan = values.plan(frozenset(game.names[mask].split("+")), game.rung)
        if plan is None:
            raise NoPlanError(f"There is no plan of {game.names[mask]} at {game.rung}: no shares by year.")
        cost = yearly_cost(values.study, [plan], whole=True)
        costs[mask] = dict(zip(cost.years, cost.total().sum(axis=0).tolist(), strict=True))
    years = tuple(sorted({year for one in costs.values() for year in one}))
    table = np.array([[costs[mask].get(year, 0.0) for year in years] for mask in range(1 << count)])
    alone = np.zeros_like(table)
    for player in range(count):
        alone[np.arange(1 << count) >> player & 1 == 1] += table[1 << player]
    return years, alone - table
