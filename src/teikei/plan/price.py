"""The exact price of a plan: every cost, by company, programme, year and item, computed outside the solver."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from teikei.errors import NoPlanError
from teikei.plan.assembly import costs as assembly_costs
from teikei.plan.bill import Line, price_lines, take_or_pay_price
from teikei.plan.captive import ITEM as CAPTIVE
from teikei.plan.captive import captive_uses
from teikei.plan.decisions import Decisions
from teikei.plan.develop_cost import Charge, charges
from teikei.plan.joined_spend import REST, organisation_years, rest_of_car
from teikei.plan.lateness import late_starts, lost
from teikei.plan.money import END, discount, once, plant_cash
from teikei.plan.origin import local_content
from teikei.plan.promises import broken_promises
from teikei.plan.scope import Item, Scope
from teikei.plan.sources import OFFER, PLANT
from teikei.plan.types import LATENESS, MISSED_TARGET, NOT_CONTRACTED
from teikei.plan.vehicle_work import ITEM as VEHICLE_NRE
from teikei.plan.vehicle_work import VEHICLE_CLASS, vehicle_cash


class Record(NamedTuple):
    """A piece of the plan's cost: discounted million; class and thing say what it is for."""

    company: str
    programme: str
    year: int
    item: str
    class_name: str
    thing: str
    value: float


@dataclass(frozen=True)
class Priced:
    """A priced plan: records add up to value (million, discounted); lines carry the undiscounted award prices."""

    value: float
    records: tuple[Record, ...]
    lines: tuple[Line, ...]
    charges: tuple[Charge, ...]

    @property
    def cash(self) -> float:
        """What is paid, million: without missed targets and lateness."""
        return math.fsum(record.value for record in self.records if record.item not in NOT_CONTRACTED)


BILL_ITEMS = ("purchase", "rebate", "duty_freight", "warranty", "equity", "shortfall", "local_content")
JOINT_ITEMS = ("alignment", "joint_rate")


def price(scope: Scope, decisions: Decisions, *, held: bool = True) -> Priced:
    """Present cost of a plan, million.

    held: whether it has to keep capacities and rules; not where designs and awards are priced at volumes they were not
    made for. Raises NoPlanError where awards do not add up to the cars' need, or break what was promised.
    """
    check_quantities(scope, decisions)
    if held and (broken := broken_promises(scope, decisions)):
        raise NoPlanError("This plan cannot be carried out: " + "; ".join(broken[:5]) + ".")
    lines = price_lines(scope, decisions)
    found = charges(scope, decisions)
    records = [
        *bill_records(scope, decisions, lines),
        *_charge_records(scope, found),
        *_plant_records(scope, decisions),
        *_qualification_records(scope, decisions),
        *_alliance_records(scope),
        *_joint_buying_records(scope, decisions, lines),
        *_rest_of_car_records(scope),
        *_organisation_records(scope),
        *_vehicle_records(scope),
        *_captive_records(scope, decisions),
        *_assembly_records(scope, decisions),
        *_take_or_pay_records(scope, decisions, lines),
        *_expansion_records(scope, decisions, lines),
        *_missed_records(scope, decisions),
        *_late_records(scope, decisions),
    ]
    return Priced(math.fsum(record.value for record in records), tuple(records), tuple(lines), tuple(found))


def need(scope: Scope, decisions: Decisions) -> dict[tuple[Item, int], float]:
    """Pieces of every item the cars of a plan need by year."""
    result: dict[tuple[Item, int], float] = {}
    for (slot, _), option in decisions.modules.items():
        for (country, year), cars in scope.demand[slot].items():
            key = (scope.item(option, country), year)
            result[key] = result.get(key, 0.0) + cars
    return result


def check_quantities(scope: Scope, decisions: Decisions) -> None:
    """Refuses phantom units: awards must equal the cars' need within 1e-6 of it, and none may be negative."""
    bought: dict[tuple[Item, int], float] = {}
    for (item, _, year), pieces in decisions.awards.items():
        if pieces < 0:
            raise NoPlanError(f"An award of {item.module} for {item.programme} in {year} is negative ({pieces:g}).")
        bought[(item, year)] = bought.get((item, year), 0.0) + pieces
    needed = need(scope, decisions)
    for key in needed.keys() | bought.keys():
        have, want = bought.get(key, 0.0), needed.get(key, 0.0)
        if abs(have - want) > 1e-6 * max(1.0, want):
            item, year = key
            raise NoPlanError(
                f"Awards of {item.module} for {item.programme} {item.generation} ({item.country}) in {year} are "
                f"{have:g} pieces, the cars need {want:g}."
            )


def owner_shares(scope: Scope, slots: Iterable[str]) -> dict[tuple[str, str], float]:
    """(company, programme) -> share of the cars of these slots, by owner of the units, over the horizon."""
    cars: dict[tuple[str, str], float] = {}
    for slot in slots:
        programme = scope.facts.slots[slot].programme
        for row in scope.facts.units[slot]:
            if row.company in scope.members:
                cars[(row.company, programme)] = cars.get((row.company, programme), 0.0) + row.units
    total = math.fsum(cars.values())
    return {key: units / total for key, units in cars.items()} if total > 0 else {}


def item_owners(scope: Scope, decisions: Decisions) -> dict[tuple[Item, int], dict[str, float]]:
    """(item, year) -> company -> share of the pieces, by owner of the cars."""
    cars: dict[tuple[Item, int], dict[str, float]] = {}
    for (slot, _), option in decisions.modules.items():
        for row in scope.facts.units[slot]:
            if row.company in scope.members:
                by_company = cars.setdefault((scope.item(option, row.country), row.year), {})
                by_company[row.company] = by_company.get(row.company, 0.0) + row.units
    return {key: {c: u / math.fsum(by.values()) for c, u in by.items()} for key, by in cars.items()}


def bill_records(scope: Scope, decisions: Decisions, lines: Iterable[Line]) -> list[Record]:
    """Purchase, rebate, duty and freight, warranty, equity, shortfall and local-content records of award lines."""
    owners = item_owners(scope, decisions)
    records = []
    lines = list(lines)
    for line in lines:
        class_name = scope.facts.modules[line.item.module].class_name
        scale = line.pieces / 1e6 * discount(scope.facts, line.year)
        amounts = (
            ("purchase", line.unit_price), ("rebate", -line.rebate), ("duty_freight", line.duty_freight),
            ("warranty", line.warranty), ("equity", -line.equity), ("shortfall", line.shortfall),
        )  # fmt: skip
        for company, share in owners[(line.item, line.year)].items():
            for name, amount in amounts:
                if amount:
                    value = amount * scale * share
                    records.append(
                        Record(company, line.item.programme, line.year, name, class_name, line.item.module, value)
                    )
    for (company, programme, year), amount in local_content(scope, lines).items():
        value = amount * discount(scope.facts, year)
        records.append(Record(company, programme, year, "local_content", "car", "", value))
    return records


def _charge_records(scope: Scope, found: Iterable[Charge]) -> list[Record]:
    records = []
    for charge in found:
        shares = owner_shares(scope, charge.slots)
        for year, amount in charge.cash:
            value = amount * discount(scope.facts, year)
            at = scope.facts.settings.last_year if year == END else year
            for (company, programme), share in shares.items():
                records.append(
                    Record(company, programme, at, charge.item, charge.class_name, charge.thing, value * share)
                )
    return records


def plants_owned(scope: Scope, decisions: Decisions) -> Mapping[tuple[str, str], dict[tuple[str, str], float]]:
    """(owner, plant) -> (company, programme) -> share of the pieces it delivers; by cars where it stands idle."""
    owners = item_owners(scope, decisions)
    pieces: dict[tuple[str, str], dict[tuple[str, str], float]] = {}
    for (item, source, year), amount in decisions.awards.items():
        if source.kind == PLANT:
            name, owner = source.name, source.owner
            by = pieces.setdefault((owner, name), {})
            for company, share in owners[(item, year)].items():
                by[(company, item.programme)] = by.get((company, item.programme), 0.0) + amount * share
    result = {}
    for owner, name, _, _ in decisions.plants:
        by = pieces.get((owner, name), {})
        total = math.fsum(by.values())
        idle = owner_shares(scope, [s for s in scope.slots if scope.company_of[s] in owner.split("+")])
        result[(owner, name)] = {key: value / total for key, value in by.items()} if total > 0 else idle
    return result


def _plant_records(scope: Scope, decisions: Decisions) -> list[Record]:
    records = []
    shares = plants_owned(scope, decisions)
    for owner, name, step, open_year in decisions.plants:
        plant = next(p for p in scope.plants_of(name) if p.step_gwh == step)
        investment, fixed = plant_cash(scope.facts, plant, open_year)
        for item, cash in (("plant", investment), ("plant_fixed", fixed)):
            for year, amount in cash:
                value = amount * discount(scope.facts, year)
                at = scope.facts.settings.last_year if year == END else year
                for (company, programme), share in shares[(owner, name)].items():
                    records.append(Record(company, programme, at, item, plant.class_name, name, value * share))
    return records


def qualifications(scope: Scope, decisions: Decisions) -> dict[tuple[str, str], dict[str, None]]:
    """(programme, class) -> suppliers it buys from under offers."""
    used: dict[tuple[str, str], dict[str, None]] = {}
    for (item, source, _), pieces in decisions.awards.items():
        if pieces > 0 and source.kind == OFFER:
            class_name = scope.facts.modules[item.module].class_name
            used.setdefault((item.programme, class_name), {})[scope.supplier(source, item)] = None
    return used


def _qualification_records(scope: Scope, decisions: Decisions) -> list[Record]:
    """Switching cost for every source that is new to a programme, and activation of suppliers new to a company.

    A programme without an incumbent source in the class has its first source's tests inside its application.
    """
    facts, records = scope.facts, []
    activated: dict[tuple[str, str], tuple[int, str]] = {}
    company_of = {facts.slots[s].programme: scope.company_of[s] for s in scope.slots}
    known = known_suppliers(scope)
    for (programme, class_name), suppliers in qualifications(scope, decisions).items():
        year = scope.qualification_year(programme, class_name)
        company = company_of[programme]
        incumbents = scope.incumbent_suppliers.get((programme, class_name))
        new = [s for s in suppliers if incumbents is None or s not in incumbents]
        count = len(new) - (1 if incumbents is None else 0)
        amount = max(0, count) * facts.classes[class_name].switching_cost
        for paid, cash in once(facts, amount, year - 1):
            value = cash * discount(facts, paid)
            records.append(Record(company, programme, paid, "switching", class_name, "qualification", value))
        for supplier in suppliers:
            if (company, supplier) not in known:
                found = activated.get((company, supplier))
                if found is None or (year, programme) < found:
                    activated[(company, supplier)] = (year, programme)
    for (company, supplier), (_, programme) in activated.items():
        for paid, cash in once(facts, facts.activation.get(supplier, 0.0), facts.settings.first_year - 1):
            value = cash * discount(facts, paid)
            records.append(Record(company, programme, paid, "activation", "", supplier, value))
    return records


def known_suppliers(scope: Scope) -> frozenset[tuple[str, str]]:
    """(company, supplier) pairs that do business today: no activation cost."""
    lead = {slot.programme: slot.lead for slot in scope.facts.slots.values()}
    return frozenset(
        (lead[contract.programme], contract.supplier)
        for contract in scope.contracts.values()
        if contract.programme in lead
    )


def _take_or_pay_records(scope: Scope, decisions: Decisions, lines: Iterable[Line]) -> list[Record]:
    """What a drawing group pays at the end of an offer for units it committed to and did not take."""
    facts, records = scope.facts, []
    owners = item_owners(scope, decisions)
    taken: dict[tuple[str, str], float] = {}
    shares: dict[tuple[str, str], dict[tuple[str, str], float]] = {}
    for line in lines:
        if line.source.kind != OFFER or not facts.offers[line.source.name].take_or_pay or line.pieces <= 0:
            continue
        key = (line.source.name, line.pool)
        taken[key] = taken.get(key, 0.0) + facts.tier_units(line.item.module, line.pieces)
        by = shares.setdefault(key, {})
        for company, share in owners[(line.item, line.year)].items():
            who = (company, line.item.programme)
            by[who] = by.get(who, 0.0) + line.pieces * share
    for (name, _), total in taken.items():
        offer = facts.offers[name]
        missing = offer.take_or_pay - total
        if missing <= 1e-6 * offer.take_or_pay:
            continue
        year = max(offer.price)
        amount = missing / facts.tier_units(offer.module, 1.0) * take_or_pay_price(offer) / 1e6 * discount(facts, year)
        everyone = math.fsum(shares[(name, _)].values())
        for (company, programme), pieces in shares[(name, _)].items():
            value = amount * pieces / everyone
            records.append(Record(company, programme, year, "take_or_pay", offer.class_name, offer.module, value))
    return records


def expanded(decisions: Decisions, site: str, year: int) -> float:
    """Capacity that a plan's paid expansions add to a site in a year."""
    return math.fsum(capacity for _, name, start, capacity in decisions.expansions if name == site and year >= start)


def _expansion_records(scope: Scope, decisions: Decisions, lines: Iterable[Line]) -> list[Record]:
    """Cost of expanding a site, by what the cars of those who pay take there from then on."""
    facts, records = scope.facts, []
    owners = item_owners(scope, decisions)
    cost = {(one.site, one.from_year, one.capacity): one.cost for one in facts.expansions}
    lines = list(lines)
    for payer, site, start, capacity in decisions.expansions:
        members, pieces = set(payer.split("+")), dict[tuple[str, str], float]()
        for line in lines:
            if line.source.kind == OFFER and facts.offers[line.source.name].site == site and line.year >= start:
                for company, share in owners[(line.item, line.year)].items():
                    if company in members:
                        key = (company, line.item.programme)
                        units = facts.tier_units(line.item.module, line.pieces * share)
                        pieces[key] = pieces.get(key, 0.0) + units
        total = math.fsum(pieces.values())
        idle = owner_shares(scope, [s for s in scope.slots if scope.company_of[s] in members])
        shares = {key: units / total for key, units in pieces.items()} if total > 0 else idle
        for year, cash in once(facts, cost[(site, start, capacity)], start - 1):
            for (company, programme), share in shares.items():
                value = cash * share * discount(facts, year)
                records.append(Record(company, programme, year, "expansion", "", site, value))
    return records


def _missed_records(scope: Scope, decisions: Decisions) -> list[Record]:
    """What buyers lose by the targets that the chosen configurations miss, car by car; no money changes hands."""
    facts, records = scope.facts, []
    for slot, candidate in decisions.candidate.items():
        for missed in facts.missed.get(slot, {}).get(candidate, ()):
            for cars in facts.units[slot]:
                if cars.company in scope.members:
                    value = missed.cost_per_car * cars.units / 1e6 * discount(facts, cars.year)
                    thing = f"{missed.requirement} {missed.procedure}"
                    programme = facts.slots[slot].programme
                    records.append(Record(cars.company, programme, cars.year, MISSED_TARGET, "car", thing, value))
    return records


def _late_records(scope: Scope, decisions: Decisions) -> list[Record]:
    """Cars lost to starts that come late, at what a car brings; no money changes hands."""
    return [
        Record(one.company, start[0], one.year, LATENESS, "car", f"{start[1]} quarter {start[2]}", one.cost)
        for start, quarters in late_starts(scope, decisions).items()
        for one in lost(scope, start, quarters)
        if one.cost
    ]


def alliance_charged(scope: Scope) -> bool:
    """Whether the alliance's one-off is due: more than one bloc, above the first rung that pools anything."""
    if not scope.joint:
        return False
    order = scope.facts.rung_order
    pooling = [
        rung
        for rung in order
        if any(r.procurement != "none" or r.development_shared for r in scope.facts.rungs[rung].values())
    ]
    return bool(pooling) and order.index(scope.rung) > order.index(pooling[0])


def _alliance_records(scope: Scope) -> list[Record]:
    amount = scope.facts.settings.alliance_one_off
    if not amount or not alliance_charged(scope):
        return []
    year = scope.facts.settings.base_year
    value = amount * discount(scope.facts, year)
    return [
        Record(company, programme, year, "alliance", "", "", value * share)
        for (company, programme), share in owner_shares(scope, scope.slots).items()
    ]


def _joint_buying_records(scope: Scope, decisions: Decisions, lines: Iterable[Line]) -> list[Record]:
    """What alignment and the rate on joint spend take off the price of awards (negative)."""
    owners, records = item_owners(scope, decisions), []
    for line in lines:
        class_name = scope.facts.modules[line.item.module].class_name
        scale = -line.pieces / 1e6 * discount(scope.facts, line.year)
        for name, amount in zip(JOINT_ITEMS, (line.alignment, line.joint_rate), strict=True):
            if amount:
                records += [
                    Record(
                        company, line.item.programme, line.year, name, class_name, line.item.module,
                        amount * scale * share,
                    )
                    for company, share in owners[(line.item, line.year)].items()
                ]  # fmt: skip
    return records


def _rest_of_car_records(scope: Scope) -> list[Record]:
    """Spend on commodities without a class, and what joint buying takes off it."""
    records = []
    for one in rest_of_car(scope):
        worth = one.spend * discount(scope.facts, one.year)
        where = (one.company, one.programme, one.year)
        records.append(Record(*where, REST, REST, one.commodity, worth))
        for name, share in zip(JOINT_ITEMS, one.cut, strict=True):
            if share:
                records.append(Record(*where, name, REST, one.commodity, -worth * share))
    return records


def _organisation_records(scope: Scope) -> list[Record]:
    """Yearly cost of buying together, by cars."""
    amount = scope.facts.settings.joint_organisation_a_year
    return [
        Record(company, programme, year, "joint_organisation", "", "", amount * discount(scope.facts, year) * share)
        for year in organisation_years(scope)
        for (company, programme), share in owner_shares(scope, scope.slots).items()
    ]


def _captive_records(scope: Scope, decisions: Decisions) -> list[Record]:
    """Fixed cost that stays with the owner of a captive supplier for units committed and not taken, by its cars."""
    records = []
    for use in captive_uses(scope, decisions):
        if not use.cost:
            continue
        owner, worth = use.captive.owner, use.cost * discount(scope.facts, use.year)
        mine = [slot for slot in scope.slots if scope.company_of[slot] == owner]
        programmes: dict[str, float] = {}
        for (_, programme), share in owner_shares(scope, mine).items():
            programmes[programme] = programmes.get(programme, 0.0) + share
        for programme, share in (programmes or {"": 1.0}).items():
            thing = use.captive.supplier
            records.append(Record(owner, programme, use.year, CAPTIVE, use.captive.class_name, thing, worth * share))
    return records


def _assembly_records(scope: Scope, decisions: Decisions) -> list[Record]:
    """Plants' fixed cost by their owner's cars, conversions by owners of the car, the rest by the cars themselves."""
    facts, records = scope.facts, []
    for cost in assembly_costs(scope, decisions):
        if cost.company and cost.car is not None:
            shares = {(cost.company, cost.car[0]): 1.0}
        elif cost.car is not None:
            shares = owner_shares(scope, scope.slots_of(cost.car))
        else:
            mine = owner_shares(scope, [s for s in scope.slots if scope.company_of[s] == cost.company])
            cars: dict[str, float] = {}
            for (_, programme), share in mine.items():
                cars[programme] = cars.get(programme, 0.0) + share
            shares = {(cost.company, programme): share for programme, share in (cars or {"": 1.0}).items()}
        for year, amount in cost.cash:
            at, worth = facts.settings.last_year if year == END else year, amount * discount(facts, year)
            records += [
                Record(company, programme, at, cost.item, "car", cost.thing, worth * share)
                for (company, programme), share in shares.items()
            ]
    return records


def _vehicle_records(scope: Scope) -> list[Record]:
    """Development of the cars themselves, by owners of their cars."""
    facts, records = scope.facts, []
    for one, cash in vehicle_cash(facts, scope.generations):
        car = (one.programme, one.generation)
        slots = [s for s in scope.slots if (facts.slots[s].programme, facts.slots[s].generation) == car]
        for year, amount in cash:
            at = facts.settings.last_year if year == END else year
            value = amount * discount(facts, year)
            records += [
                Record(company, programme, at, VEHICLE_NRE, VEHICLE_CLASS, one.generation, value * share)
                for (company, programme), share in owner_shares(scope, slots).items()
            ]
    return records
