"""What buying together takes off the price of what carmakers buy anyway: alignment and a rate on joint spend.

Scope (MODEL, "Purchasing as carmakers do it"): everything bought for the programmes, as *commodities*. A commodity that
names a module class stands for what the plan buys of it, contracts included; one without a class is part of the rest of
the car and known by its spend alone, which is in the cost of ``alone`` too. Of a year's spend

    joined = min(joinable share, ramp(years since the alliance's start)) x renegotiated by then

is bought together, at a rung that pools the commodity and only where at least two blocs buy it. On it two effects hold,
multiplicatively and in this order:

    alignment  a = share of the way to the better price x expected distance from it
    rate       c = (1 - a) x commercial rate

cut together at what suppliers can give. A drawing that all share has one price already: no alignment. The expected
distance of one of n buyers from the best of them follows from the mean gap between two (``distance_from_best``). What
does not depend on a decision (the rest of the car, the joint organisation) is a constant of the program; the rest is
a factor on prices. Technical scale is not here: it is in the tiers.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from teikei.plan.facts import CommodityFact, Facts, SlotFact
from teikei.plan.money import discount
from teikei.plan.sources import CONTRACT, OFFER, Source

if TYPE_CHECKING:
    from teikei.plan.scope import Item, Scope

REST = "rest_of_car"


class Cut(NamedTuple):
    """Shares of a price that joint buying takes off."""

    alignment: float
    rate: float

    @property
    def total(self) -> float:
        """Both together."""
        return self.alignment + self.rate


NOTHING = Cut(0.0, 0.0)


class RestOfCar(NamedTuple):
    """Spend of one company on one commodity for one programme in a year, million, not discounted, and its cut."""

    company: str
    programme: str
    commodity: str
    year: int
    spend: float
    cut: Cut


@lru_cache(maxsize=32)
def distance_from_best(buyers: int) -> float:
    """Expected distance of a buyer's price from the best of ``buyers``, per unit of the mean gap between two of them.

    For normally distributed prices E[mean - min of n] / E|x1 - x2|, by Simpson's rule on the density of the minimum:
    0 for one, 1/2 for two (exact whatever the distribution), 3/4 for three.
    """
    if buyers <= 2:
        return 0.5 * (buyers - 1)
    count, end = 4000, 9.0
    step = 2 * end / count
    total = 0.0
    for i in range(count + 1):
        x = -end + i * step
        density = math.exp(-x * x / 2) / math.sqrt(2 * math.pi)
        above = 0.5 * math.erfc(x / math.sqrt(2))
        weight = 1 if i in (0, count) else 4 if i % 2 else 2
        total -= weight * x * buyers * density * above ** (buyers - 1)
    return total * step / 3 / (2 / math.sqrt(math.pi))


def ramp_share(facts: Facts, year: int) -> float:
    """Share of the spend that is joined by the middle of a year, between the rows of the ramp; 1 without a ramp."""
    after = year + 0.5 - facts.settings.alliance_start
    return 0.0 if after < 0 else joined_after(facts.ramp, after)


def joined_after(ramp: Sequence[tuple[float, float]], years: float) -> float:
    """Share joined some years after the start: straight lines between (years, share), flat beyond; 1 without rows."""
    if not ramp:
        return 1.0
    if years <= ramp[0][0]:
        return ramp[0][1]
    for (start, low), (end, high) in itertools.pairwise(ramp):
        if years <= end:
            return low + (high - low) * (years - start) / (end - start)
    return ramp[-1][1]


def cut_of(commodity: CommodityFact, buyers: int, *, common_drawing: bool = False) -> Cut:
    """Shares that alignment and the rate take off the joined part of a commodity's spend with ``buyers`` blocs."""
    if buyers < 2:
        return NOTHING
    alignment = 0.0 if common_drawing else commodity.alignment_share * commodity.dispersion * distance_from_best(buyers)
    alignment = min(alignment, commodity.cut_limit)
    return Cut(alignment, min((1.0 - alignment) * commodity.commercial_rate, commodity.cut_limit - alignment))


def pooled(scope: Scope, commodity: CommodityFact) -> bool:
    """Whether the rung lets a commodity be bought together: from the rung it names on, else as its class is pooled."""
    if not scope.joint:
        return False
    if commodity.from_rung:
        order = scope.facts.rung_order
        return order.index(scope.rung) >= order.index(commodity.from_rung)
    if commodity.class_name:
        return scope.rule(commodity.class_name).procurement != "none"
    return any(rule.procurement != "none" for rule in scope.facts.rungs[scope.rung].values())


def cuts_by_class(scope: Scope) -> Mapping[str, CommodityFact]:
    """Class -> its commodity, where the rung pools it."""
    return {one.class_name: one for one in scope.facts.commodities if one.class_name and pooled(scope, one)}


def buying_blocs(scope: Scope) -> Mapping[tuple[str, int], int]:
    """(class, year) -> blocs whose cars need the class in the year."""
    found: dict[tuple[str, int], set[str]] = {}
    for slot in scope.slots:
        for _, year in scope.demand[slot]:
            for class_name in scope.facts.classes_of_slot[slot]:
                found.setdefault((class_name, year), set()).add(scope.bloc_of_slot(slot))
    return {key: len(blocs) for key, blocs in found.items()}


def price_cut(scope: Scope, item: Item, source: Source, year: int) -> Cut:
    """Shares of an award's price that joint buying takes off: of what is joined and renegotiated in the year."""
    class_name = scope.facts.modules[item.module].class_name
    commodity = scope.joint_commodities.get(class_name)
    if commodity is None or (source.kind != OFFER and source != CONTRACT):
        return NOTHING
    if source == CONTRACT and not _contract_renegotiated(scope, item, year):
        return NOTHING
    cut = cut_of(commodity, scope.buying_blocs[(class_name, year)], common_drawing=item.group == scope.joint)
    joined = min(commodity.joinable_share, ramp_share(scope.facts, year))
    return Cut(cut.alignment * joined, cut.rate * joined)


def _contract_renegotiated(scope: Scope, item: Item, year: int) -> bool:
    """Whether a contract in force has been negotiated anew: at its stated date or at a facelift since the start."""
    facts = scope.facts
    stated = scope.contracts[item.contract].renegotiated
    if stated is not None and year >= max(stated, facts.settings.alliance_start):
        return True
    same = (item.programme, item.generation, item.phase)
    return item.phase > 1 and any(
        facts.settings.alliance_start <= slot.start_year <= year
        for slot in facts.slots.values()
        if (slot.programme, slot.generation, slot.phase) == same
    )


def renegotiated_share(facts: Facts, commodity: CommodityFact, slot: SlotFact, year: int) -> float:
    """Share of the rest of a car's spend negotiated since the alliance's start: at SOP or facelift, else by contracts.

    Contracts of ``contract_years`` end evenly; 0 years: only with the car.
    """
    start = facts.settings.alliance_start
    if start <= slot.start_year <= year:
        return 1.0
    if commodity.contract_years <= 0:
        return 0.0
    return min(1.0, max(0.0, (year + 0.5 - start) / commodity.contract_years))


def rest_of_car(scope: Scope) -> list[RestOfCar]:
    """What the members spend on commodities without a class, by company, programme and year; the same at every rung."""
    facts = scope.facts
    commodities = {one.name: one for one in facts.commodities if not one.class_name}
    rows: list[tuple[str, SlotFact, str, int, float]] = []
    cars_of: dict[tuple[str, str, int], float] = {}
    for slot_name in scope.slots:
        for cars in facts.units[slot_name]:
            if cars.company in scope.members:
                for programme in ("", facts.slots[slot_name].programme):
                    key = (cars.company, programme, cars.year)
                    cars_of[key] = cars_of.get(key, 0.0) + cars.units
    for slot_name in scope.slots:
        slot = facts.slots[slot_name]
        for cars in facts.units[slot_name]:
            if cars.company not in scope.members or not cars.units:
                continue
            for row in facts.spend:
                if row.company == cars.company and row.programme in ("", slot.programme):
                    amount = row.per_car * cars.units / 1e6
                    amount += row.million_a_year * cars.units / cars_of[(cars.company, row.programme, cars.year)]
                    rows.append((cars.company, slot, row.commodity, cars.year, amount))
    buyers: dict[tuple[str, int], set[str]] = {}
    for company, _, name, year, amount in rows:
        if amount > 0:
            buyers.setdefault((name, year), set()).add(scope.bloc_of_company(company))
    joint = {name for name, one in commodities.items() if pooled(scope, one)}
    found: dict[tuple[str, str, str, int], tuple[list[float], list[float], list[float]]] = {}
    for company, slot, name, year, amount in rows:
        spends, aligned, rated = found.setdefault((company, slot.programme, name, year), ([], [], []))
        spends.append(amount)
        if name in joint:
            commodity = commodities[name]
            joined = min(commodity.joinable_share, ramp_share(facts, year))
            joined *= renegotiated_share(facts, commodity, slot, year)
            cut = cut_of(commodity, len(buyers.get((name, year), ())))
            aligned.append(amount * joined * cut.alignment)
            rated.append(amount * joined * cut.rate)
    result = []
    for (company, programme, name, year), (spends, aligned, rated) in found.items():
        spend = math.fsum(spends)
        share = Cut(math.fsum(aligned) / spend, math.fsum(rated) / spend) if spend > 0 else NOTHING
        result.append(RestOfCar(company, programme, name, year, spend, share))
    return result


def organisation_years(scope: Scope) -> Iterable[int]:
    """Planning years in which the joint organisation costs money: from the first rung that pools anything on."""
    facts = scope.facts
    if not scope.joint or not facts.settings.joint_organisation_a_year:
        return []
    pools = any(rule.procurement != "none" for rule in facts.rungs[scope.rung].values()) or any(
        pooled(scope, one) for one in facts.commodities
    )
    return [year for year in facts.settings.years if pools and year >= facts.settings.alliance_start]


def constant_cost(scope: Scope) -> float:
    """Present cost, million, of the rest of the car and of the joint organisation: no decision changes it."""
    facts = scope.facts
    rest = [one.spend * (1.0 - one.cut.total) * discount(facts, one.year) for one in rest_of_car(scope)]
    a_year = facts.settings.joint_organisation_a_year
    return math.fsum([*rest, *(a_year * discount(facts, year) for year in organisation_years(scope))])
