"""Tables for the decision maker of each company: business case, mandate, switching cost, quote sheet."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import numpy as np
import polars as pl

from teikei.plan.types import Plans
from teikei.split.contracts import FORMS, Contracts, Deal, flows_of, kit_flows
from teikei.split.games_of_plans import PlanValues
from teikei.split.intervals import cost_shares, intervals
from teikei.split.types import Vector
from teikei.split.yearly import BILL_ITEMS, YearlyCost
from teikei.study.types import Study

LIFE_YEARS: Final = 8

BUSINESS_SCHEMA: Final = {
    "rung": pl.String,
    "form": pl.String,
    "company": pl.String,
    "year": pl.Int64,
    "cost_alone": pl.Float64,
    "cost_joint": pl.Float64,
    "saving": pl.Float64,
    "saving_at_own_rate": pl.Float64,
    "cumulative_at_own_rate": pl.Float64,
    "own_supplier_margin_change": pl.Float64,
    "profit_change": pl.Float64,
    "idle_plant_alone": pl.Float64,
    "idle_plant_joint": pl.Float64,
}
MANDATE_SCHEMA: Final = {
    "rung": pl.String,
    "company": pl.String,
    "baseline": pl.Float64,
    "target": pl.Float64,
    "target_lower": pl.Float64,
    "target_upper": pl.Float64,
    "walk_away": pl.Float64,
    "others_walk_away": pl.Float64,
}
SWITCHING_SCHEMA: Final = {
    "programme": pl.String,
    "generation": pl.String,
    "company": pl.String,
    "class": pl.String,
    "module": pl.String,
    "supplier": pl.String,
    "contract_end": pl.Float64,
    "committed_units": pl.Float64,
    "cancellation_cost": pl.Float64,
    "revalidation_cost": pl.Float64,
    "switching_cost": pl.Float64,
    "switching_months": pl.Float64,
    "total": pl.Float64,
    "plan_switches": pl.Boolean,
}
_RATINGS: Final = (
    ("peak_power_kw", "kW peak"),
    ("continuous_power_kw", "kW continuous"),
    ("peak_torque_nm", "Nm peak"),
    ("gear_ratio", "ratio"),
    ("voltage_nominal_v", "V nominal"),
    ("gross_energy_kwh", "kWh gross"),
    ("dc_charge_power_kw", "kW DC charge"),
    ("ac_charge_power_kw", "kW AC charge"),
)


def business_case(study: Study, plans: Plans, deals: Contracts) -> pl.DataFrame:
    """What a company pays by year alone and together, under each form of contract.

    Columns: rung, form, company, year, cost_alone and cost_joint and saving (million, real, of the year, not
    discounted), saving_at_own_rate (discounted mid-year to the base year at the company's own rate) and its running
    sum, own_supplier_margin_change (margin earned at suppliers the company owns in part, joint less alone: negative =
    stranded), profit_change (the saving with one-off spending written off in equal parts over the median life of the
    study's families, prices and sales as today), idle_plant_alone and idle_plant_joint (fixed cost of the plants that
    the company owns, or its equal part of a plant of several, for the part not used).
    """
    lives = study["families"]["life_years"].drop_nulls().to_numpy()
    life = max(1, round(float(np.median(lives)))) if len(lives) else LIFE_YEARS
    own_rate = dict(study["companies"].select("company", "own_discount_rate").iter_rows())
    rows: list[dict[str, Any]] = []
    for deal in deals.deals:
        alone = deal.alone.total() / deal.discount
        equity = (deal.alone.total(frozenset(("equity",))) - deal.joint.total(frozenset(("equity",)))) / deal.discount
        years = np.array(deal.years)
        idle = [_idle_plant(study, plans, deal, joint=joint) for joint in (False, True)]
        for form in deal.forms:
            joint = flows_of(deal, form).outcome / deal.discount
            spread = _written_off(deal, form, life)
            for index, company in enumerate(deal.companies):
                rate = own_rate.get(company)
                rate = study.settings.discount_rate if rate is None else rate
                saving = alone[index] - joint[index]
                at_own_rate = saving * (1 + rate) ** -(years + 0.5 - study.settings.base_year)
                running = np.cumsum(at_own_rate)
                rows += [
                    {
                        "rung": deal.rung,
                        "form": form,
                        "company": company,
                        "year": year,
                        "cost_alone": float(alone[index, column]),
                        "cost_joint": float(joint[index, column]),
                        "saving": float(saving[column]),
                        "saving_at_own_rate": float(at_own_rate[column]),
                        "cumulative_at_own_rate": float(running[column]),
                        "own_supplier_margin_change": float(equity[index, column]),
                        "profit_change": float(saving[column] + spread[index, column]),
                        "idle_plant_alone": float(idle[0][index, column]),
                        "idle_plant_joint": float(idle[1][index, column]),
                    }
                    for column, year in enumerate(deal.years)
                ]
    return pl.DataFrame(rows, schema=BUSINESS_SCHEMA, orient="row")


def _written_off(deal: Deal, form: str, life: int) -> Vector:
    """What to add to the saving of a year to get the change of profit: one-off spending is written off over its life.

    Both what a company spends itself and the one-off part of what it pays to the others. The credit for what outlives
    the horizon, booked in the last year, falls away with it.
    """
    bare = replace(deal, joint=_one_off(deal.joint), alone=_one_off(deal.alone), kit=_one_off(deal.kit))
    spent = replace(bare, joint=_spent(bare.joint), alone=_spent(bare.alone), kit=_spent(bare.kit))
    booked = _one_off_saving(bare, form) / deal.discount
    real = _one_off_saving(spent, form) / deal.discount
    written = np.zeros(real.shape)
    for column in range(real.shape[1]):
        written[:, column : column + life] += real[:, column : column + 1] / life
    return written - booked


def _one_off_saving(deal: Deal, form: str) -> Vector:
    """What a company saves of one-off items in a form of contract; a price per kit is a running cost."""
    saving = (deal.alone.total() - deal.joint.total()).sum(axis=0)
    agreed = deal.alone.total() - deal.saving_part[:, None] * saving
    paid = np.zeros(deal.cars.shape)
    flows = kit_flows(deal, paid, None) if form == FORMS[2] else flows_of(replace(deal, agreed=agreed), form)
    return deal.alone.total() - flows.outcome


def _one_off(cost: YearlyCost) -> YearlyCost:
    return replace(cost, items={name: amount for name, amount in cost.items.items() if name not in BILL_ITEMS})


def _spent(cost: YearlyCost) -> YearlyCost:
    return replace(cost, items={name: np.maximum(amount, 0.0) for name, amount in cost.items.items()})


def _idle_plant(study: Study, plans: Plans, deal: Deal, *, joint: bool) -> Vector:
    """Fixed cost of unused plant by company and year, million real: (1 - use) times the step's fixed cost."""
    values = PlanValues(study, plans)
    idle = np.zeros(deal.cars.shape)
    fixed = {
        (plant, step): cost for plant, step, cost in study["plants"].select("plant", "step", "fixed_cost").iter_rows()
    }
    groups = [frozenset(deal.companies)] if joint else [frozenset(bloc) for bloc in values.blocs]
    for group in groups:
        plan = values.plan(group, deal.rung if joint else values.lowest)
        table = plan.tables.get("plants") if plan is not None else None
        if table is None or not {"owner", "plant", "step", "year", "use"} <= set(table.columns):
            continue
        for owner, plant, step, year, use in table.select("owner", "plant", "step", "year", "use").iter_rows():
            owners = [company for company in str(owner).split("+") if company in deal.companies]
            if year in deal.years and use is not None:
                cost = (1.0 - min(1.0, use)) * (fixed.get((plant, step)) or 0.0)
                for company in owners:
                    idle[deal.companies.index(company), deal.years.index(year)] += cost / len(owners)
    return idle


def mandate(study: Study, plans: Plans, *, rule: str = "shapley") -> pl.DataFrame:
    """The negotiating mandate of each bloc at each rung, as cost to bear in cash, million discounted.

    Columns: rung, company (bloc), baseline (its cost alone), target (its share by the rule, with the interval that
    the plans' gaps leave), walk_away (the most it can accept: above it, it does better alone), others_walk_away (the
    least the others can accept it to bear: below it, they do better without it). No deal exists where walk_away <
    others_walk_away.
    """
    games, _ = PlanValues(study, plans).games()
    rows: list[dict[str, Any]] = []
    for game in (one.cash_game for one in games):
        share, between = cost_shares(game.cost)[rule], intervals(game.cost, game.bound)[0][rule]
        if share is None or between is None:
            continue
        (low, high), _ = between
        full = len(game.cost) - 1
        for index, player in enumerate(game.players):
            target = float(share[index])
            rows.append(
                {
                    "rung": game.rung,
                    "company": player,
                    "baseline": float(game.cost[1 << index]),
                    "target": target,
                    "target_lower": min(float(low[index]), target),
                    "target_upper": max(float(high[index]), target),
                    "walk_away": float(game.cost[1 << index]),
                    "others_walk_away": float(game.cost[full] - game.cost[full - (1 << index)]),
                }
            )
    return pl.DataFrame(rows, schema=MANDATE_SCHEMA, orient="row")


def switching_costs(study: Study, plans: Plans, rung: str) -> pl.DataFrame:
    """What leaving each contract in force costs, and whether the joint plan of a rung leaves it.

    Columns: programme, generation, company, class, module, supplier, contract_end, committed_units, cancellation_cost
    (million, if left today; a plan pays it in proportion to the part left), revalidation_cost, switching_cost (of the
    class), their total, switching_months, plan_switches (the joint plan builds the generation without the module;
    empty where the plan does not say).
    """
    classes = study["classes"].select("class", "switching_cost", pl.col("switching_months").cast(pl.Float64))
    values = PlanValues(study, plans)
    plan = values.plan(frozenset(company for bloc in values.blocs for company in bloc), rung)
    uses = plan.tables.get("configurations") if plan is not None else None
    kept: set[tuple[str, str, str]] | None = None
    if uses is not None and {"programme", "generation", "module"} <= set(uses.columns):
        kept = set(uses.select("programme", "generation", "module").iter_rows())
    built = {(programme, generation) for programme, generation, _ in kept} if kept is not None else set()
    rows = []
    for row in study["existing"].join(classes, on="class", how="left").iter_rows(named=True):
        costs = [row[name] or 0.0 for name in ("cancellation_cost", "revalidation_cost", "switching_cost")]
        key = (row["programme"], row["generation"])
        switches = None if kept is None or key not in built else (*key, row["module"]) not in kept
        rows.append(
            {
                **{name: row[name] for name in SWITCHING_SCHEMA if name in row},
                "total": sum(costs),
                "plan_switches": switches,
            }
        )
    return pl.DataFrame(rows, schema=SWITCHING_SCHEMA, orient="row")


def quote_sheet(study: Study, plans: Plans, rung: str) -> pl.DataFrame:
    """What to ask suppliers to quote: joint quantities of each module by year, without prices and without who needs
    how much.

    Columns: class, module, ratings (text), year, quantity (all companies of the plan together). Empty where the rung
    has no plan.
    """
    schema = {"class": pl.String, "module": pl.String, "ratings": pl.String, "year": pl.Int64, "quantity": pl.Float64}
    values = PlanValues(study, plans)
    plan = values.plan(frozenset(company for bloc in values.blocs for company in bloc), rung)
    awards = plan.tables.get("awards") if plan is not None else None
    if awards is None or awards.is_empty():
        return pl.DataFrame(schema=schema)
    modules = {row["module"]: row for row in study["modules"].iter_rows(named=True)}
    total = awards.group_by("item", "year").agg(pl.col("quantity").sum()).sort("item", "year")
    rows = []
    for item, year, quantity in total.iter_rows():
        module = modules.get(item, {})
        ratings = ", ".join(f"{module[name]:g} {unit}" for name, unit in _RATINGS if module.get(name) is not None)
        rows.append(
            {"class": module.get("class"), "module": item, "ratings": ratings, "year": year, "quantity": quantity}
        )
    return pl.DataFrame(rows, schema=schema, orient="row")
