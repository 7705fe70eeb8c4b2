"""How each share moves with the company's stand-alone claim, and what that claim rests on."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import polars as pl

from teikei.split.games_of_plans import PlanValues, RungGame
from teikei.split.intervals import coefficients, cost_shares
from teikei.split.rule_shares import ADDITIVE_RULES, RULES
from teikei.split.types import Vector
from teikei.study.types import Study

SCHEMA: Final = {
    "rung": pl.String,
    "company": pl.String,
    "rule": pl.String,
    "shift": pl.Float64,
    "claim": pl.Float64,
    "reported": pl.Int64,
    "derived": pl.Int64,
    "assumption": pl.Int64,
    "bought_reported": pl.Float64,
    "bought_derived": pl.Float64,
    "bought_assumption": pl.Float64,
}
STEP: Final = 1e-4
"""Part of the joint saving by which a claim is moved to see a rule that is not additive react."""

_CLAIM_TABLES: Final = ("programmes", "volumes", "requirements", "existing")


def baselines(study: Study, values: PlanValues, games: list[RungGame]) -> pl.DataFrame:
    """How a bloc's cost share moves when its own stand-alone claim rises by one, every rule and rung.

    Columns: rung, company (the bloc), rule, shift (for two blocs and any rule that shares the saving: one half, so who
    understates its own stand-alone cost by 2 pays 1 less), claim (stand-alone cost, million), and on how many input
    rows of each confidence (reported, derived, assumption) of its programmes, volumes, requirements and contracts the
    claim rests; bought_reported, bought_derived, bought_assumption: the parts (adding up to one) of what the bloc buys
    in its own plan whose price rests on an offer or contract of that confidence; curves are assumptions. Empty where
    the plan has no awards.
    """
    bought = {player: _bought(study, values, frozenset(player.split("+"))) for player in values.players}
    rows: list[dict[str, Any]] = []
    for game in games:
        shifts = claim_shifts(game.cost)
        for index, player in enumerate(game.players):
            evidence = _evidence(study, frozenset(player.split("+")))
            for rule, shift in shifts.items():
                rows.append(
                    {
                        "rung": game.rung,
                        "company": player,
                        "rule": rule,
                        "shift": None if shift is None else float(shift[index]),
                        "claim": float(game.cost[1 << index]),
                        **evidence,
                        **bought[player],
                    }
                )
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


def claim_shifts(cost: Vector) -> dict[str, Vector | None]:
    """Rule -> how the cost share of each player (n,) moves per unit of its own stand-alone cost.

    Exact for additive rules; for the others the mean of the moves up and down by a small part of the saving.
    """
    count = len(cost).bit_length() - 1
    single = 1 << np.arange(count)
    result: dict[str, Vector | None] = {
        rule: coefficients(rule, count)[np.arange(count), single] for rule in ADDITIVE_RULES
    }
    saving = abs(float(cost[single].sum() - cost[-1]))
    step = STEP * (saving if saving > 0 else float(np.abs(cost).max()))
    for rule in RULES:
        if rule not in ADDITIVE_RULES:
            result[rule] = np.zeros(count)
    for player in range(count):
        moved = []
        for sign in (1.0, -1.0):
            other = cost.copy()
            other[single[player]] += sign * step
            moved.append(cost_shares(other))
        for rule in RULES:
            up, down, so_far = moved[0][rule], moved[1][rule], result[rule]
            if rule in ADDITIVE_RULES or so_far is None:
                continue
            if up is None or down is None:
                result[rule] = None
            else:
                so_far[player] = (up[player] - down[player]) / (2 * step)
    return {rule: result[rule] for rule in RULES}


def _bought(study: Study, values: PlanValues, companies: frozenset[str]) -> dict[str, float | None]:
    """Parts of the bloc's purchases alone by the confidence of what their price rests on."""
    names = {kind: f"bought_{kind}" for kind in ("reported", "derived", "assumption")}
    plan = values.plan(companies, values.lowest)
    awards = plan.tables.get("awards") if plan is not None else None
    if awards is None or awards.is_empty() or not {"price_basis", "spend"} <= set(awards.columns):
        return dict.fromkeys(names.values())
    of_offer = dict(study["offers"].select("offer", "confidence").iter_rows())
    contracts = {
        (programme, generation, module): confidence
        for programme, generation, module, confidence in study["existing"]
        .select("programme", "generation", "module", "confidence")
        .iter_rows()
    }
    spend = dict.fromkeys(names, 0.0)
    for row in awards.iter_rows(named=True):
        kind, _, name = str(row["price_basis"]).partition(":")
        confidence = of_offer.get(name) if kind == "offer" else None
        if kind == "contract":
            confidence = contracts.get((row.get("programme"), row.get("generation"), row["item"]))
        confidence = confidence if confidence in spend else "assumption"
        spend[confidence] += float(row["spend"])
    total = sum(spend.values())
    return {names[kind]: amount / total if total > 0 else None for kind, amount in spend.items()}


def _evidence(study: Study, companies: frozenset[str]) -> dict[str, int]:
    programmes = study["programmes"].filter(pl.col("company").is_in(list(companies)))["programme"].to_list()
    counts = dict.fromkeys(("reported", "derived", "assumption"), 0)
    for table in _CLAIM_TABLES:
        rows = study[table].filter(pl.col("programme").is_in(programmes))
        for confidence in rows["confidence"].to_list():
            counts[confidence] = counts.get(confidence, 0) + 1
    return counts
