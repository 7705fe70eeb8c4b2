"""What a contract does when a partner falls short, leaves, or the world differs from the study."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import polars as pl

from teikei.plan.types import Plan, Plans
from teikei.split.contracts import FORMS, Contracts, Deal, Flows, flows_of, kit_flows, kit_prices
from teikei.split.games_of_plans import PlanValues
from teikei.split.types import Vector
from teikei.split.yearly import (
    BILL_ITEMS,
    OWN_ITEMS,
    YearlyCost,
    cars_by_company,
    together,
    yearly_cost,
)
from teikei.study.types import Study

Reprice = Callable[[Plan, pl.DataFrame], Plan]
"""The plan with the same designs and awards at another volumes table (plan.reprice with study and catalogue bound)."""

SCHEMA: Final = {
    "rung": pl.String,
    "case": pl.String,
    "form": pl.String,
    "company": pl.String,
    "planned_gain": pl.Float64,
    "gain": pl.Float64,
    "change": pl.Float64,
    "hurt": pl.Boolean,
    "exit_payment": pl.Float64,
    "compensation": pl.Float64,
    "basis": pl.String,
}
_BOUGHT: Final = frozenset(("purchase", "rebate", "duty_freight", "warranty", "shortfall", "equity"))

SHORTFALL: Final = 0.6
DELIVERED: Final = 0.28
"""Median of what five first-time joint electric programmes delivered of their plans (docs/backtests.md)."""
PRICE_RISE: Final = 1.2
TAKE_OR_PAY: Final = 0.8
"""Part of the planned cars for which a company owes the fee of the kit, taken or not (an assumption, settable).

Only the fee: for a kit that is not taken the lead need not buy its parts."""


@dataclass(frozen=True)
class _World:
    """A case: the cost of joint and own plans and the cars in it, on the companies and years of the deal."""

    joint: YearlyCost
    alone: YearlyCost
    kit: YearlyCost
    cars: Vector
    basis: str


def stress(
    study: Study,
    plans: Plans,
    deals: Contracts,
    *,
    reprice: Reprice | None = None,
    leave_after: int | None = None,
    take_or_pay: float = TAKE_OR_PAY,
    keeps_design: bool = True,
) -> pl.DataFrame:
    """Who gains and who is hurt when things go otherwise than planned, under each form of contract.

    Cases: each company delivers 60 % of its cars; all deliver 28 %, as first-time joint electric programmes did;
    volumes low and high (where the study has them); bought parts cost 20 % more; each bloc leaves after
    ``leave_after`` (default: after a quarter, half and three quarters of the years).
    Columns: rung, case, form, company, planned_gain and gain (cost alone in the same case less what it bears, million,
    discounted), change, hurt (gain fell), exit_payment (what it would have to owe on leaving for staying to be at
    least as good from then on; 0 where staying is better anyway), compensation (what its leaving costs the others),
    basis. reprice: prices the frozen plans at other volumes, tiers included; without it bought items move with the
    company's cars and one-off items stay, so lost tiers are not seen (basis says which). take_or_pay: part of the
    planned cars for which the fee of the kit is owed, taken or not; the price list stays as signed. keeps_design:
    whether who leaves may go on using the shared design; else it pays again for its own.
    """
    rows: list[dict[str, Any]] = []
    once = None if reprice is None else _Once(reprice)
    for deal in deals.deals:
        for case, world in _worlds(study, plans, deal, once):
            rows += _case_rows(deal, case, world, take_or_pay)
        last = len(deal.years) - 1
        usual = dict.fromkeys(deal.years[last * part // 4] for part in (1, 2, 3))
        for year in usual if leave_after is None else (leave_after,):
            rows += _leaving_rows(study, plans, deal, year, keeps_design)
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


class _Once:
    """Prices each plan once at each case's volumes: the companies' own plans are the same at every rung."""

    def __init__(self, reprice: Reprice):
        self._reprice = reprice
        self._known: dict[tuple[str, str, str], Plan] = {}

    def __call__(self, plan: Plan, case: str, volumes: pl.DataFrame) -> Plan:
        key = (plan.coalition, plan.rung, case)
        if key not in self._known:
            self._known[key] = self._reprice(plan, volumes)
        return self._known[key]


def _worlds(study: Study, plans: Plans, deal: Deal, reprice: _Once | None) -> list[tuple[str, _World]]:
    made = []
    for company in deal.companies:
        factor = np.where(np.array(deal.companies) == company, SHORTFALL, 1.0)
        volumes = study["volumes"].with_columns(
            units=pl.when(pl.col("company") == company).then(pl.col("units") * SHORTFALL).otherwise(pl.col("units"))
        )
        cars = deal.cars * factor[:, None]
        case = f"{company} delivers {SHORTFALL:.0%}"
        made.append((case, _at_volumes(study, plans, deal, case, cars=cars, volumes=volumes, reprice=reprice)))
    delivered = study["volumes"].with_columns(units=pl.col("units") * DELIVERED)
    case, cars = f"all deliver {DELIVERED:.0%}", deal.cars * DELIVERED
    made.append((case, _at_volumes(study, plans, deal, case, cars=cars, volumes=delivered, reprice=reprice)))
    active = study.settings.volume_scenario
    for scenario in ("low", "high"):
        rows = study["volumes"].filter(pl.col("scenario") == scenario)
        if scenario != active and rows.height:
            cars = cars_by_company(study, deal.companies, deal.years, scenario)
            volumes = rows.with_columns(scenario=pl.lit(active))
            case = f"volumes {scenario}"
            made.append((case, _at_volumes(study, plans, deal, case, cars=cars, volumes=volumes, reprice=reprice)))
    joint, alone, kit = (_scaled(cost, _BOUGHT, PRICE_RISE) for cost in (deal.joint, deal.alone, deal.kit))
    case = f"parts cost {PRICE_RISE - 1:.0%} more"
    made.append((case, _World(joint, alone, kit, deal.cars, "exact, awards frozen")))
    return made


def _at_volumes(
    study: Study,
    plans: Plans,
    deal: Deal,
    case: str,
    *,
    cars: Vector,
    volumes: pl.DataFrame,
    reprice: _Once | None,
) -> _World:
    if reprice is None:
        factor = np.divide(cars, deal.cars, out=np.ones_like(cars), where=deal.cars > 0)
        return _World(
            _scaled(deal.joint, BILL_ITEMS, factor),
            _scaled(deal.alone, BILL_ITEMS, factor),
            _scaled(deal.kit, BILL_ITEMS, factor),
            cars,
            "bought items in proportion to cars, one-off items unchanged, lost tiers not seen",
        )
    values = PlanValues(study, plans)
    grand = plans.by_key[study.coalition_name(frozenset(deal.companies)), deal.rung]
    own = [plan for bloc in values.blocs if (plan := values.plan(frozenset(bloc), values.lowest)) is not None]
    together_priced = reprice(grand, case, volumes)
    alone = yearly_cost(study, [reprice(plan, case, volumes) for plan in own])
    joint, alone = together(yearly_cost(study, [together_priced]), alone, deal.companies)
    kit, _ = together(yearly_cost(study, [together_priced], deal.kit_classes), alone, deal.companies)
    on_years = [_on_years(cost, deal) for cost in (joint, alone, kit)]
    return _World(on_years[0], on_years[1], on_years[2], cars, "re-priced, designs and awards frozen")


def _on_years(cost: YearlyCost, deal: Deal) -> YearlyCost:
    """Costs on the years of the deal; other volumes move no spending to other years, designs being frozen."""
    picked = [cost.years.index(year) if year in cost.years else -1 for year in deal.years]
    items = {}
    for name, amount in cost.items.items():
        padded = np.hstack([amount, np.zeros((amount.shape[0], 1))])
        items[name] = padded[:, picked]
    return YearlyCost(deal.companies, deal.years, items)


def _scaled(cost: YearlyCost, items: frozenset[str], factor: Vector | float) -> YearlyCost:
    scaled = {name: amount * factor if name in items else amount for name, amount in cost.items.items()}
    return replace(cost, items=scaled)


def _flows_in(deal: Deal, form: str, world: _World, take_or_pay: float) -> Flows:
    """The contract made for the plan, carried out in another world."""
    saving = (world.alone.total() - world.joint.total()).sum(axis=0)
    actual = replace(
        deal,
        joint=world.joint,
        alone=world.alone,
        kit=world.kit,
        agreed=world.alone.total() - deal.saving_part[:, None] * saving,
        cars=world.cars,
    )
    if form != "price per kit":
        return flows_of(actual, form)
    kit = kit_prices(deal)  # the list as signed
    missing = np.maximum(0.0, take_or_pay * deal.cars - world.cars)
    fee = np.maximum(0.0, kit.fee)[:, None]
    paid = (kit.by_year * world.cars + fee * missing) * deal.discount / 1e6
    return kit_flows(actual, paid, None)


def _case_rows(deal: Deal, case: str, world: _World, take_or_pay: float) -> list[dict[str, Any]]:
    alone_planned = deal.alone.total().sum(axis=1)
    alone = world.alone.total().sum(axis=1)
    rows = []
    for form in deal.forms:
        planned = alone_planned - flows_of(deal, form).outcome.sum(axis=1)
        gain = alone - _flows_in(deal, form, world, take_or_pay).outcome.sum(axis=1)
        for index, company in enumerate(deal.companies):
            rows.append(
                {
                    "rung": deal.rung,
                    "case": case,
                    "form": form,
                    "company": company,
                    "planned_gain": float(planned[index]),
                    "gain": float(gain[index]),
                    "change": float(gain[index] - planned[index]),
                    "hurt": bool(gain[index] < planned[index] - 1e-6 * abs(alone[index])),
                    "exit_payment": float(max(0.0, -gain[index])),
                    "compensation": None,
                    "basis": world.basis,
                }
            )
    return rows


def _leaving_rows(study: Study, plans: Plans, deal: Deal, year: int, keeps_design: bool) -> list[dict[str, Any]]:
    """A bloc leaves: it buys on the terms of its own plan; those who stay on those of their own joint plan.

    Where fewer than two blocs stay, theirs is the plan alone. Shared one-off items still due fall to those who stay;
    the credit for what outlives the horizon stays with the leaver while it may keep the design.
    """
    after = np.array(deal.years) > year
    values = PlanValues(study, plans)
    weight = deal.alone.total().sum(axis=1)
    flows = {form: flows_of(deal, form) for form in deal.forms}
    rows = []
    for bloc in values.blocs:
        leaves = np.array([company in bloc for company in deal.companies])
        rest = frozenset(deal.companies) - set(bloc)
        plan = values.plan(rest, deal.rung)
        terms = _bill_after(study, deal, plan if len([b for b in values.blocs if set(b) <= rest]) > 1 else None, after)
        for form in deal.forms:
            due, credit = _still_due(deal, form, after)
            cost = terms + np.where(leaves, 0.0, due + due[leaves].sum() * weight / weight[~leaves].sum())
            cost += np.where(leaves & (not keeps_design), 0.0, credit)
            if not keeps_design:
                cost += np.where(leaves, _own_development(deal, year), 0.0)
            planned = (deal.alone.total() - flows[form].outcome).sum(axis=1)
            change = flows[form].outcome[:, after].sum(axis=1) - cost
            lost = float(np.maximum(0.0, -change[~leaves]).sum())
            part = weight / weight[leaves].sum()
            rows += [
                {
                    "rung": deal.rung,
                    "case": f"{study.coalition_name(frozenset(bloc))} leaves after {year}",
                    "form": form,
                    "company": company,
                    "planned_gain": float(planned[index]),
                    "gain": float(planned[index] + change[index]),
                    "change": float(change[index]),
                    "hurt": bool(change[index] < -1e-6 * weight[index]),
                    "exit_payment": float(max(0.0, change[index])) if leaves[index] else None,
                    "compensation": float(lost * part[index]) if leaves[index] else None,
                    "basis": "after the exit the leaver buys on its own plan's terms, those who stay on theirs; the "
                    + ("leaver may keep the shared design" if keeps_design else "leaver develops its design again"),
                }
                for index, company in enumerate(deal.companies)
            ]
    return rows


def _still_due(deal: Deal, form: str, after: npt.NDArray[np.bool_]) -> tuple[Vector, Vector]:
    """Shared one-off spending after the exit, and the credit for what outlives the horizon, by company.

    As the joint plan puts it down to each; under a price per kit that of the kit is the lead's.
    """
    due, credit = _one_off_after(deal.joint, after)
    if form != FORMS[2]:
        return due, credit
    leads = np.array([company == deal.lead for company in deal.companies])
    kit_due, kit_credit = _one_off_after(deal.kit, after)
    return due - kit_due + leads * kit_due.sum(), credit - kit_credit + leads * kit_credit.sum()


def _one_off_after(cost: YearlyCost, after: npt.NDArray[np.bool_]) -> tuple[Vector, Vector]:
    shared = [amount[:, after] for name, amount in cost.items.items() if name not in BILL_ITEMS | OWN_ITEMS]
    zero = np.zeros(len(cost.companies))
    due = zero + sum(np.maximum(amount, 0.0).sum(axis=1) for amount in shared)
    return due, zero + sum(np.minimum(amount, 0.0).sum(axis=1) for amount in shared)


def _bill_after(study: Study, deal: Deal, rest: Plan | None, after: npt.NDArray[np.bool_]) -> Vector:
    """What each company buys and applies after the exit: on its own plan's terms, or on the plan of those who stay."""
    bill: Vector = deal.alone.total(BILL_ITEMS | OWN_ITEMS)[:, after].sum(axis=1)
    if rest is None:
        return bill
    stays, _ = together(yearly_cost(study, [rest]), deal.alone, deal.companies)
    joint = _on_years(stays, deal).total(BILL_ITEMS | OWN_ITEMS)[:, after].sum(axis=1)
    members = rest.coalition.split("+")
    return np.where([company in members for company in deal.companies], joint, bill)


def _own_development(deal: Deal, year: int) -> Vector:
    """The one-off items of the companies' own plans: those of earlier years are spent in the year after leaving."""
    one_off = deal.alone.total(but=BILL_ITEMS | OWN_ITEMS)
    before = np.array(deal.years) <= year
    real = (one_off / deal.discount)[:, before].sum(axis=1)
    at = min(int(np.searchsorted(deal.years, year + 1)), len(deal.years) - 1)
    spent: Vector = real * float(deal.discount[at]) + one_off[:, ~before].sum(axis=1)
    return spent
