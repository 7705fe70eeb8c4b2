"""Who gains what at each rung: the main function of the stage."""

from __future__ import annotations

import operator
from functools import partial
from typing import Any, Final

import numpy as np
import polars as pl

from teikei.plan.types import Plans
from teikei.split.baselines import baselines
from teikei.split.by_year import by_year
from teikei.split.game import members
from teikei.split.games_of_plans import PlanValues, RungGame
from teikei.split.intervals import core_is_certain, cost_shares, intervals
from teikei.split.levers import by_lever
from teikei.split.owen import coalitions_needed, owen
from teikei.split.rule_shares import ADDITIVE_RULES, largest_complaint, rules
from teikei.split.types import Allocation, Game
from teikei.study.types import Study

_TEXT: Final = pl.String
SHARES_SCHEMA: Final = {
    "rung": _TEXT,
    "rule": _TEXT,
    "company": _TEXT,
    "kind": _TEXT,
    "value": pl.Float64,
    "lower": pl.Float64,
    "upper": pl.Float64,
}
CORE_SCHEMA: Final = {
    "rung": _TEXT,
    "nonempty": pl.Boolean,
    "least_core_epsilon": pl.Float64,
    "rule": _TEXT,
    "in_core": pl.Boolean,
    "leaves": _TEXT,
    "leaves_by": pl.Float64,
    "certain": pl.Boolean,
}


ADDITIVE_NOTE: Final = (
    f"shares by {', '.join(ADDITIVE_RULES)} and owen add up over levers, years and rungs; those by the other rules do "
    "not, so that only their totals are shown"
)


def allocate(study: Study, plans: Plans) -> Allocation:
    """Shares of cost and saving of every rule at every evaluated rung, between blocs and inside them.

    study: companies and their blocs (companies that pool today stay together); plans: one plan for each union of
    blocs at each rung. Coalition values are the plans' present costs at study volumes, million; intervals come from
    their gaps. Inside a bloc the bloc's cost share goes by stand-alone cost in the bloc's own plan; where the plans
    hold the values of single companies, the rule ``owen`` is added. A rung whose plans are missing or not evaluated
    is left out, with a note. Rules and core test: docs/maths/split.md.
    """
    values = PlanValues(study, plans)
    games, notes = values.games()
    shares: list[dict[str, Any]] = []
    of_blocs: list[dict[str, Any]] = []
    core: list[dict[str, Any]] = []
    for game in games:
        bloc_rows, core_rows, said = _between_blocs(game)
        of_blocs += bloc_rows
        core += core_rows
        notes += said
        shares += _inside_blocs(values, game, bloc_rows, notes)
        owen_rows, owen_said = _owen_rows(values, game)
        shares += owen_rows
        notes += owen_said
    levers, lever_notes = by_lever(plans, games)
    years, year_notes = by_year(values, games)
    if games:
        notes.append(ADDITIVE_NOTE)
    return Allocation(
        shares=pl.DataFrame(shares, schema=SHARES_SCHEMA, orient="row"),
        core=pl.DataFrame(core, schema=CORE_SCHEMA, orient="row"),
        baselines=baselines(study, values, games),
        notes=tuple(dict.fromkeys([*notes, *lever_notes, *year_notes])),
        blocs=pl.DataFrame(of_blocs, schema=SHARES_SCHEMA, orient="row"),
        by_lever=levers,
        by_year=years,
    )


def _between_blocs(game: RungGame) -> tuple[list[dict[str, Any]], list[dict[str, Any]], list[str]]:
    result = rules(Game.of(game.players, "cost", game.cost))
    between, sentence = intervals(game.cost, game.bound)
    shares = cost_shares(game.cost)
    notes = [f"{game.rung}: {sentence}"] if sentence else []
    notes += [f"{game.rung}, {rule}: {text}" for rule, text in result["notes"].items()]
    if game.saving < 0:
        notes.append(
            f"{game.rung}: together the companies cost {-game.saving:,.1f} million more than alone, so there is no "
            f"saving to "
            "share; the plans say why"
        )
    alone = game.cost[1 << np.arange(len(game.players))]
    rows: list[dict[str, Any]] = []
    core: list[dict[str, Any]] = []
    cash, cash_between = cost_shares(game.cash), intervals(game.cash_game.cost, game.cash_game.bound)[0]
    for rule, share in cash.items():
        open_between = cash_between[rule]
        if share is not None and open_between is not None:
            paid = game.cash[1 << np.arange(len(game.players))]
            for index, player in enumerate(game.players):
                low, high = (end[index] for end in open_between[1])
                rows.append(_row((game.rung, rule, player, "saving_cash"), paid[index] - share[index], low, high))
    for rule, share in shares.items():
        found = between[rule]
        if share is None or found is None:
            continue
        for kind, amount, (low, high) in (("cost", share, found[0]), ("saving", alone - share, found[1])):
            for index, player in enumerate(game.players):
                rows.append(_row((game.rung, rule, player, kind), amount[index], low[index], high[index]))
        leaving = largest_complaint(-game.cost, -share)
        core.append(
            {
                "rung": game.rung,
                **result["core"],
                "rule": rule,
                "in_core": leaving is None,
                "leaves": "+".join(members(leaving[0], game.players)) if leaving else None,
                "leaves_by": leaving[1] if leaving else None,
                "certain": core_is_certain(game.cost, game.bound, share, leaving is None),
            }
        )
    return rows, core, notes


def _row(key: tuple[str, str, str, str], value: float, low: float, high: float) -> dict[str, Any]:
    rung, rule, company, kind = key
    value = float(value)
    return {
        "rung": rung,
        "rule": rule,
        "company": company,
        "kind": kind,
        "value": value,
        "lower": min(float(low), value),  # rounding must not put a share outside its own interval
        "upper": max(float(high), value),
    }


def _inside_blocs(
    values: PlanValues, game: RungGame, rows: list[dict[str, Any]], notes: list[str]
) -> list[dict[str, Any]]:
    """Rows of companies: a company that is a bloc has its bloc's, the others a part by stand-alone cost."""
    parts: dict[str, dict[str, float]] = {}
    cash_parts: dict[str, dict[str, float]] = {}
    for index, (player, bloc) in enumerate(zip(game.players, values.blocs, strict=True)):
        alone = values.alone_cost_by_company(index)
        total = sum(alone.values())
        paid = values.alone_cost_by_company(index, cash=True)
        if len(paid) == len(bloc) and sum(paid.values()) > 0:
            cash_parts[player] = {company: cost / sum(paid.values()) for company, cost in paid.items()}
        if len(bloc) == 1:
            parts[player] = {bloc[0]: 1.0}
        elif len(alone) == len(bloc) and total > 0:
            parts[player] = {company: cost / total for company, cost in alone.items()}
            notes.append(
                f"inside {player} every rule but owen shares the bloc's cost by stand-alone cost in the bloc's own "
                f"plan: " + ", ".join(f"{company} {part:.1%}" for company, part in parts[player].items())
            )
        else:
            parts[player] = {player: 1.0}
            notes.append(
                f"{player} is shown as one: its own plan does not say what each company costs (table cost_breakdown)"
            )
    return [
        {**row, "company": company, **{name: row[name] * part for name in ("value", "lower", "upper")}}
        for row in rows
        for company, part in (cash_parts if row["kind"] == "saving_cash" and row["company"] in cash_parts else parts)[
            row["company"]
        ].items()
    ]


def _owen_rows(values: PlanValues, game: RungGame) -> tuple[list[dict[str, Any]], list[str]]:
    """The Owen value of every company, where the plans hold the values of single companies."""
    if all(len(bloc) == 1 for bloc in values.blocs):
        return [], []
    plans = {needed: values.plan(needed, game.rung) for needed in coalitions_needed(values.blocs)}
    missing = sorted(values.study.coalition_name(needed) for needed, plan in plans.items() if plan is None)
    if missing:
        return [], [
            f"owen: not computed, the plans lack single companies ({', '.join(missing)}): solve them as a what-if to "
            f"see "
            "shares inside a bloc that reflect what each company adds"
        ]
    cost = {coalition: plan.value for coalition, plan in plans.items() if plan is not None}
    low = {coalition: min(plan.bound, plan.value) for coalition, plan in plans.items() if plan is not None}
    cash = {coalition: plan.cash for coalition, plan in plans.items() if plan is not None}
    cash_low = {coalition: amount - (cost[coalition] - low[coalition]) for coalition, amount in cash.items()}
    share, cash_share = owen(values.blocs, cost.__getitem__), owen(values.blocs, cash.__getitem__)
    unit_shares = {one: owen(values.blocs, partial(operator.eq, one)) for one in cost}
    rows = []
    for company, amount in share.items():
        own = frozenset([company])
        weight = {one: unit_shares[one][company] for one in cost}
        saved = {one: float(one == own) - part for one, part in weight.items()}
        rows.append(_row((game.rung, "owen", company, "cost"), amount, *_spread(weight, low, cost)))
        rows.append(_row((game.rung, "owen", company, "saving"), cost[own] - amount, *_spread(saved, low, cost)))
        paid = cash[own] - cash_share[company]
        rows.append(_row((game.rung, "owen", company, "saving_cash"), paid, *_spread(saved, cash_low, cash)))
    return rows, [
        "owen: the saving of a company in a bloc is against planning all by itself, outside its bloc (a what-if); "
        "other "
        "rules count it against the bloc's own plan"
    ]


def _spread(
    weight: dict[frozenset[str], float], low: dict[frozenset[str], float], high: dict[frozenset[str], float]
) -> tuple[float, float]:
    """Extremes of a weighted sum of costs that lie between low and high."""
    least = sum(part * (low[one] if part > 0 else high[one]) for one, part in weight.items())
    most = sum(part * (high[one] if part > 0 else low[one]) for one, part in weight.items())
    return least, most
