"""The split as contracts: who pays whom in which year, under three forms."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import polars as pl

from teikei.errors import NoPlanError
from teikei.plan.types import Plans
from teikei.split.games_of_plans import PlanValues
from teikei.split.kit import kit_classes, kit_owner
from teikei.split.owen import coalitions_needed, owen
from teikei.split.rounding import whole_units
from teikei.split.types import Allocation, Vector
from teikei.split.yearly import (
    BILL_ITEMS,
    OWN_ITEMS,
    YearlyCost,
    cars_by_company,
    discount_factors,
    together,
    yearly_cost,
)
from teikei.study.types import Study

FORMS: Final = ("equal split", "own contract on joint terms", "price per kit")

TRANSFERS_SCHEMA: Final = {
    "rung": pl.String,
    "form": pl.String,
    "year": pl.Int64,
    "from_company": pl.String,
    "to_company": pl.String,
    "value_nominal": pl.Float64,
}
TERMS_SCHEMA: Final = {
    "rung": pl.String,
    "form": pl.String,
    "company": pl.String,
    "alone": pl.Float64,
    "attributed": pl.Float64,
    "agreed": pl.Float64,
    "transfer": pl.Float64,
    "outcome": pl.Float64,
    "price_per_car": pl.Float64,
    "fee_per_car": pl.Float64,
    "lead": pl.String,
    "kit": pl.String,
}


@dataclass(frozen=True)
class Deal:
    """What a contract starts from, all arrays (companies, years) in million, real, discounted.

    joint: the joint plan's cost by the company that causes it; alone: the companies' own plans; agreed: what each
    should bear by the rule; cars (companies, years); discount (years,); lead: the company that pays shared
    development first; kit: the part of joint that is spent on the classes of the kit, and their names.
    """

    rung: str
    rule: str
    companies: tuple[str, ...]
    years: tuple[int, ...]
    joint: YearlyCost
    alone: YearlyCost
    agreed: Vector
    cars: Vector
    discount: Vector
    lead: str
    saving_part: Vector
    kit: YearlyCost
    kit_classes: tuple[str, ...] = ()

    @property
    def forms(self) -> tuple[str, ...]:
        """The forms of contract that make sense: without a class developed together there is no kit to sell."""
        return FORMS if self.kit_classes else FORMS[:2]


@dataclass(frozen=True)
class Contracts:
    """The flows of each form.

    transfers: table ``transfers`` (rung, form, year, from_company, to_company, value_nominal: million of the
    year, in whole units of the currency); terms: rung, form, company, alone, attributed (the joint plan's cost it
    causes), agreed (by the rule), transfer (what it pays to the others less what it receives), outcome (what it bears
    in the end), all million discounted, price_per_car and fee_per_car (mean price per kit and the constant part of it
    that is not the kit's bill, study currency, real), lead and kit (the classes in it). deals: what the flows were
    made from.
    """

    transfers: pl.DataFrame
    terms: pl.DataFrame
    deals: tuple[Deal, ...]
    notes: tuple[str, ...] = ()


def contracts(
    study: Study,
    plans: Plans,
    allocation: Allocation,
    *,
    rule: str = "shapley",
    lead: str | None = None,
    inflation: float = 0.0,
) -> Contracts:
    """Flows between companies by year at every shared rung, under each form.

    - equal split: a yearly settlement brings each company to its cost alone less its part of the year's saving.
    - own contract on joint terms: each pays its suppliers itself; the lead pays shared development, tooling and
    plants, and
      the others repay what the joint plan puts down to them, in the year it is spent.
    - price per kit: the lead pays for the kit (all modules of the classes that are developed together, with their
      development and tooling), the others for the rest of their cars and their own applications; each other company
      pays a price per car by a list: what its kits are planned to cost in the year, plus a constant fee that brings it
      to its agreed share over the horizon (the lead finances until then, at the common rate). Left out where no class
      is developed together.

    rule: the rule whose shares are agreed; lead: default the owner of the kit (``kit_owner``), else the company that
    causes most shared development; inflation: a year, from the price year, for value_nominal (the study has none: 0
    unless given).
    A rung whose plans have no breakdown by company and year is left out with a note.
    """
    flows: list[dict[str, Any]] = []
    terms: list[dict[str, Any]] = []
    deals: list[Deal] = []
    notes: list[str] = []
    for rung in allocation.shares["rung"].unique(maintain_order=True).to_list():
        try:
            deal = make_deal(study, plans, allocation, rung=rung, rule=rule, lead=lead)
        except NoPlanError as error:
            notes.append(f"{rung}: no transfers. {error}")
            continue
        deals.append(deal)
        nominal = (1 + inflation) ** (np.array(deal.years) - study.settings.price_year) / deal.discount
        notes += _kit_notes(deal)
        for form in deal.forms:
            found = flows_of(deal, form)
            flows += [{"rung": rung, "form": form, **one} for one in _bilateral(deal, found.payments * nominal, form)]
            terms += _terms(deal, form, found)
    notes.append(
        "payments by year are money of the year"
        + (f" at {inflation:.1%} inflation" if inflation else " without inflation (the study states none)")
        + "; each year's payments are whole units of the currency that add up"
    )
    return Contracts(
        transfers=pl.DataFrame(flows, schema=TRANSFERS_SCHEMA, orient="row"),
        terms=pl.DataFrame(terms, schema=TERMS_SCHEMA, orient="row"),
        deals=tuple(deals),
        notes=tuple(notes),
    )


def make_deal(
    study: Study, plans: Plans, allocation: Allocation, *, rung: str, rule: str, lead: str | None = None
) -> Deal:
    """Costs and agreed shares of a rung by company and year. Raises NoPlanError where the plans do not hold them."""
    values = PlanValues(study, plans)
    everyone = frozenset(company for bloc in values.blocs for company in bloc)
    grand = values.plan(everyone, rung)
    alone_plans = [values.plan(frozenset(bloc), values.lowest) for bloc in values.blocs]
    if grand is None or any(plan is None for plan in alone_plans):
        raise NoPlanError(f"There is no joint plan at {rung}, or no own plan of every bloc: no contract can be made.")
    companies = tuple(company for company in study.companies if company in everyone)
    classes = kit_classes(study, grand)
    own = yearly_cost(study, [plan for plan in alone_plans if plan is not None])
    joint, alone = together(yearly_cost(study, [grand]), own, companies)
    kit, _ = together(yearly_cost(study, [grand], classes), own, companies)
    part = _saving_parts(values, allocation, rung, rule, alone)
    saving = (alone.total() - joint.total()).sum(axis=0)
    shared = joint.total(but=BILL_ITEMS | OWN_ITEMS).sum(axis=1)
    chosen = lead or kit_owner(study, grand, classes, companies) or companies[int(shared.argmax())]
    if chosen not in companies:
        raise NoPlanError(f"The lead {chosen!r} is not one of {', '.join(companies)}.")
    return Deal(
        rung=rung,
        rule=rule,
        companies=companies,
        years=joint.years,
        joint=joint,
        alone=alone,
        agreed=alone.total() - part[:, None] * saving,
        cars=cars_by_company(study, companies, joint.years),
        discount=discount_factors(study, joint.years),
        lead=chosen,
        saving_part=part,
        kit=kit,
        kit_classes=classes,
    )


def _kit_notes(deal: Deal) -> list[str]:
    if not deal.kit_classes:
        return [f"{deal.rung}: no price per kit, no class is developed together"]
    return [f"{deal.rung}: the kit is {', '.join(deal.kit_classes)} (every module of these classes); {deal.lead} leads"]


def _saving_parts(values: PlanValues, allocation: Allocation, rung: str, rule: str, alone: YearlyCost) -> Vector:
    """Each company's part of the saving (companies,), adding up to one: the bloc's by the rule, inside by cost alone.

    The rule ``owen`` says itself what each company of a bloc bears.
    """
    if rule == "owen":
        return _owen_parts(values, rung, alone)
    table = allocation.blocs.filter(pl.col("rung") == rung, pl.col("rule") == rule, pl.col("kind") == "saving_cash")
    if table.is_empty():
        raise NoPlanError(f"The rule {rule} has no shares at {rung}.")
    of_bloc = dict(table.select("company", "value").iter_rows())
    total = sum(of_bloc.values())
    part = np.zeros(len(alone.companies))
    own = alone.total().sum(axis=1)
    for player, bloc in zip(values.players, values.blocs, strict=True):
        rows = [alone.companies.index(company) for company in bloc]
        fraction = of_bloc[player] / total if abs(total) > 1e-9 * float(own.sum()) else 1.0 / len(values.blocs)
        part[rows] = fraction * own[rows] / own[rows].sum()
    return part


def _owen_parts(values: PlanValues, rung: str, alone: YearlyCost) -> Vector:
    plans = {needed: values.plan(needed, rung) for needed in coalitions_needed(values.blocs)}
    paid = {coalition: plan.cash for coalition, plan in plans.items() if plan is not None}
    if len(paid) < len(plans):
        raise NoPlanError(f"The rule owen has no shares at {rung}: solve the companies of each bloc singly as well.")
    share = owen(values.blocs, paid.__getitem__)
    saved: Vector = alone.total().sum(axis=1) - np.array([share[company] for company in alone.companies])
    total = float(saved.sum())
    if abs(total) <= 1e-9 * float(np.abs(alone.total()).sum()):
        raise NoPlanError(f"There is no saving to share at {rung}.")
    part: Vector = saved / total
    return part


@dataclass(frozen=True)
class Flows:
    """payments: what a company pays to the others less what it receives; outcome: what it bears in the end.

    Both (companies, years), million, real, discounted; payments of a year add up to zero. price_per_car (companies,):
    study currency, real, NaN for the lead; None where the form has no price per car.
    """

    payments: Vector
    outcome: Vector
    price_per_car: Vector | None = None


def flows_of(deal: Deal, form: str) -> Flows:
    """Payments and outcome of a deal under one of FORMS."""
    attributed = deal.joint.total()
    if form == "equal split":
        return Flows(deal.agreed - attributed, deal.agreed)
    lead = deal.companies.index(deal.lead)
    if form == "own contract on joint terms":
        repaid = deal.joint.total(but=BILL_ITEMS | OWN_ITEMS)
        repaid[lead] = 0.0
        repaid[lead] = -repaid.sum(axis=0)
        return Flows(repaid, attributed)
    if form != "price per kit":
        raise ValueError(f"unknown form of contract {form!r}")
    kit = kit_prices(deal)
    return kit_flows(deal, kit.by_year * deal.cars * deal.discount / 1e6, kit.mean)


def kit_flows(deal: Deal, paid: Vector, price: Vector | None) -> Flows:
    """Flows where each company but the lead pays this much for its kits (companies, years), the lead for all kits."""
    lead = deal.companies.index(deal.lead)
    outcome = deal.joint.total() - deal.kit.total(but=OWN_ITEMS) + paid
    outcome[lead] = deal.joint.total().sum(axis=0) - np.delete(outcome, lead, axis=0).sum(axis=0)
    payments = paid.copy()
    payments[lead] = 0.0
    payments[lead] = -payments.sum(axis=0)
    return Flows(payments, outcome, price)


@dataclass(frozen=True)
class KitPrices:
    """by_year (companies, years): price list per car, study currency, real; 0 for the lead.

    mean (companies,): discounted mean of the list, NaN for the lead; fee (companies,): the part of every price that is
    not the planned bill of the kit (development, tooling, and what the agreed share adds or takes off).
    """

    by_year: Vector
    mean: Vector
    fee: Vector


def kit_prices(deal: Deal) -> KitPrices:
    """The price list of the kit as signed: in each year what the kit of the buyer's cars is planned to cost, plus a
    constant fee.

    The fee brings the company to its agreed share over the horizon: fee = (agreed share - what it pays itself - planned
    bill) / discounted cars. What it pays itself: its own applications and changes, and every class outside the kit.
    Raises NoPlanError where a company with an agreed share has no cars.
    """
    own = (deal.joint.total() - deal.kit.total(but=OWN_ITEMS)).sum(axis=1)
    real_cars = deal.cars * deal.discount
    cars = real_cars.sum(axis=1)
    bill = deal.kit.total(BILL_ITEMS) * 1e6
    by_year = np.divide(bill, real_cars, out=np.zeros_like(bill), where=real_cars > 0)
    mean, fee = np.full(len(deal.companies), np.nan), np.zeros(len(deal.companies))
    lead = deal.companies.index(deal.lead)
    for index, company in enumerate(deal.companies):
        if index == lead:
            continue
        if cars[index] <= 0:
            raise NoPlanError(f"{company} builds no cars in these years: a price per kit cannot be made for it.")
        due = (deal.agreed[index].sum() - own[index]) * 1e6
        fee[index] = (due - float((by_year[index] * real_cars[index]).sum())) / cars[index]
        mean[index] = due / cars[index]
    by_year += fee[:, None] * (deal.cars > 0)
    by_year[lead] = 0.0
    return KitPrices(by_year, mean, fee)


def _bilateral(deal: Deal, nominal: Vector, form: str) -> list[dict[str, Any]]:
    """Payments between companies: to the lead or from it, else from payers to receivers in proportion; whole units."""
    flows = []
    for column, year in enumerate(deal.years):
        net = whole_units(dict(zip(deal.companies, nominal[:, column].tolist(), strict=True)))
        if form == "equal split":
            pairs = _pairs(net)
        else:
            pairs = {
                (company, deal.lead) if amount > 0 else (deal.lead, company): abs(amount)
                for company, amount in net.items()
                if company != deal.lead and amount
            }
        flows += [
            {"year": year, "from_company": payer, "to_company": receiver, "value_nominal": units / 1e6}
            for (payer, receiver), units in pairs.items()
            if units
        ]
    return flows


def _pairs(net: dict[str, int]) -> dict[tuple[str, str], int]:
    """Payments in whole units that settle net amounts adding up to zero: payers in order fill receivers in order."""
    owed = {company: -amount for company, amount in net.items() if amount < 0}
    pairs: dict[tuple[str, str], int] = {}
    for payer, amount in net.items():
        left = amount
        for receiver, open_amount in list(owed.items()):
            paid = min(left, open_amount)
            if paid > 0:
                pairs[payer, receiver] = paid
                owed[receiver] -= paid
                left -= paid
    return pairs


def _terms(deal: Deal, form: str, flows: Flows) -> list[dict[str, Any]]:
    alone, attributed = deal.alone.total().sum(axis=1), deal.joint.total().sum(axis=1)
    price = flows.price_per_car
    return [
        {
            "rung": deal.rung,
            "form": form,
            "company": company,
            "alone": float(alone[index]),
            "attributed": float(attributed[index]),
            "agreed": float(deal.agreed[index].sum()),
            "transfer": float(flows.payments[index].sum()),
            "outcome": float(flows.outcome[index].sum()),
            "price_per_car": None if price is None or np.isnan(price[index]) else float(price[index]),
            "fee_per_car": None if price is None or np.isnan(price[index]) else float(kit_prices(deal).fee[index]),
            "lead": None if form == FORMS[0] else deal.lead,
            "kit": ", ".join(deal.kit_classes) if form == FORMS[2] else None,
        }
        for index, company in enumerate(deal.companies)
    ]
