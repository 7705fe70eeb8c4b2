"""Savings by lever, shared by the rules whose shares add up."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import polars as pl

from teikei.plan.types import Plans
from teikei.split import values as single_rule
from teikei.split.games_of_plans import RungGame
from teikei.split.rule_shares import ADDITIVE_RULES
from teikei.split.types import Vector

SCHEMA: Final = {
    "rung": pl.String,
    "method": pl.String,
    "rule": pl.String,
    "company": pl.String,
    "lever": pl.String,
    "value": pl.Float64,
}


def by_lever(plans: Plans, games: list[RungGame]) -> tuple[pl.DataFrame, list[str]]:
    """Each bloc's share of the saving of each lever, summed from the lowest rung up; additive rules only.

    The game of a lever has as worth of a coalition what the coalition's plans save by this lever. Since these games
    add up to the game of the whole saving, the shares of an additive rule do too. A coalition whose levers the plans
    do not state, or do not add up to its saving, makes a sentence instead of rows.
    """
    rows: list[dict[str, Any]] = []
    notes: list[str] = []
    if plans.savings.is_empty():
        return pl.DataFrame(schema=SCHEMA), notes
    for method in plans.savings["method"].unique(maintain_order=True).to_list():
        table = plans.savings.filter(pl.col("method") == method)
        for game in games:
            levers = _cumulative(table, game, notes)
            for lever, worth in levers.items():
                for rule in ADDITIVE_RULES:
                    share = getattr(single_rule, rule)(worth)
                    rows += [
                        {
                            "rung": game.rung,
                            "method": method,
                            "rule": rule,
                            "company": player,
                            "lever": lever,
                            "value": v,
                        }
                        for player, v in zip(game.players, share.tolist(), strict=True)
                    ]
    return pl.DataFrame(rows, schema=SCHEMA, orient="row"), notes


def _cumulative(table: pl.DataFrame, game: RungGame, notes: list[str]) -> dict[str, Vector]:
    """Lever -> worth of each coalition (2^n,), from the lowest rung up to the game's; empty where it does not add
    up."""
    levers: dict[str, Vector] = {}
    count = len(game.players)
    for mask in range(1, 1 << count):
        if mask & (mask - 1) == 0:
            continue  # one bloc saves nothing by sharing with itself
        name = game.names[mask]
        rows = table.filter(pl.col("coalition") == name)
        rung, steps, seen = game.rung, [], set[str]()
        while rung not in seen:
            seen.add(rung)
            step = rows.filter(pl.col("rung") == rung)
            if step.is_empty():
                break
            steps.append(step)
            rung = step["from_rung"][0]
        saving = sum(game.cost[1 << i] for i in range(count) if mask >> i & 1) - game.cost[mask]
        found = pl.concat(steps).group_by("lever", maintain_order=True).agg(pl.col("value").sum()) if steps else None
        total = 0.0 if found is None else float(found["value"].sum())
        if found is None or abs(total - saving) > 1e-6 * max(1.0, abs(float(game.cost[mask]))):
            notes.append(
                f"{game.rung}: savings by lever are not shared, the levers of {name} add up to {total:,.3f} million "
                f"and its "
                f"saving is {saving:,.3f} million"
            )
            return {}
        for lever, value in found.iter_rows():
            levers.setdefault(lever, np.zeros(1 << count))[mask] = value
    return levers
