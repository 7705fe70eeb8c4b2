"""One coalition at one rung: who is in, what may be pooled, which modules each car may carry, who may sell them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from teikei.modules.fill_catalogue import PIECE_COST
from teikei.plan import bodies, joined_spend
from teikei.plan.facts import CommodityFact, ContractFact, Facts, OfferFact, PlantFact, Rule, RungRule
from teikei.plan.sources import CONTRACT, CURVE, NOT_PRICED, OFFER, PLANT, Source, of_offer, of_plant
from teikei.study.cars import BODIES


class Option(NamedTuple):
    """A module on a position of a slot, a drawing of one developing group; contract = key of the contract in force."""

    slot: str
    position: str
    module: str
    group: str
    contract: str


class Item(NamedTuple):
    """What is awarded together: one drawing for one programme, generation, phase and country of assembly."""

    programme: str
    generation: str
    phase: int
    module: str
    group: str
    country: str
    contract: str


@dataclass(frozen=True)
class Scope:
    """See module docstring. ``joint`` is the name of the developing group of all members, empty for a single bloc."""

    facts: Facts
    coalition: str
    rung: str
    members: tuple[str, ...]
    reserved: Mapping[tuple[str, int], float] | None = None
    known_joint_start: Mapping[str, tuple[int, float]] | None = None

    @cached_property
    def bloc_names(self) -> tuple[str, ...]:
        """Blocs of the coalition, each spelled by its members."""
        names: dict[str, list[str]] = {}
        for company in self.members:
            names.setdefault(self.facts.bloc_of[company], []).append(company)
        return tuple("+".join(members) for members in names.values())

    @property
    def joint(self) -> str:
        """Name of the joint group, or empty."""
        return self.coalition if len(self.bloc_names) > 1 else ""

    def bloc_of_company(self, company: str) -> str:
        """The bloc (spelled by members) a member belongs to."""
        return next(name for name in self.bloc_names if company in name.split("+"))

    def rule(self, class_name: str) -> RungRule:
        """What the rung permits for a class; nothing where the table has no row or the coalition is one bloc."""
        found = self.facts.rungs.get(self.rung, {}).get(class_name)
        return found if found is not None and self.joint else RungRule("none", False, False)

    @cached_property
    def generations(self) -> tuple[tuple[str, str], ...]:
        """(programme, generation) that the members build."""
        facts = self.facts
        return tuple(dict.fromkeys((facts.slots[s].programme, facts.slots[s].generation) for s in self.slots))

    def generations_of(self, bloc: str) -> tuple[tuple[str, str], ...]:
        """(programme, generation) that a bloc builds."""
        return tuple(car for car in self.generations if self.bloc_of_slot(self.slots_of(car)[0]) == bloc)

    @cached_property
    def joint_commodities(self) -> Mapping[str, CommodityFact]:
        """Class -> its commodity, where the rung lets it be bought together."""
        return joined_spend.cuts_by_class(self)

    @cached_property
    def buying_blocs(self) -> Mapping[tuple[str, int], int]:
        """(class, year) -> blocs whose cars need it."""
        return joined_spend.buying_blocs(self)

    @cached_property
    def company_of(self) -> dict[str, str]:
        """Slot -> the member that answers for it: the lead company, or the largest owner in the coalition."""
        result = {}
        for name, slot in self.facts.slots.items():
            owned: dict[str, float] = {}
            for cars in self.facts.units[name]:
                if cars.company in self.members:
                    owned[cars.company] = owned.get(cars.company, 0.0) + cars.units
            if owned:
                result[name] = slot.lead if slot.lead in self.members else max(owned, key=lambda c: (owned[c], c))
        return result

    @cached_property
    def company_of_programme(self) -> dict[str, str]:
        """Programme -> the member that answers for its first slot."""
        found: dict[str, str] = {}
        for slot, company in self.company_of.items():
            found.setdefault(self.facts.slots[slot].programme, company)
        return found

    @cached_property
    def slots(self) -> tuple[str, ...]:
        """Slots with cars of the members, in the study's order."""
        return tuple(self.company_of)

    def slots_of(self, car: tuple[str, str]) -> tuple[str, ...]:
        """Slots of a programme's generation."""
        return self._slots_by_car.get(car, ())

    @cached_property
    def _slots_by_car(self) -> dict[tuple[str, str], tuple[str, ...]]:
        found: dict[tuple[str, str], tuple[str, ...]] = {}
        for name in self.slots:
            slot = self.facts.slots[name]
            car = (slot.programme, slot.generation)
            found[car] = (*found.get(car, ()), name)
        return found

    def bloc_of_slot(self, slot: str) -> str:
        """Bloc of the company that answers for a slot."""
        return self.bloc_of_company(self.company_of[slot])

    @cached_property
    def demand(self) -> dict[str, dict[tuple[str, int], float]]:
        """Slot -> (country of the car plant, year) -> cars."""
        result: dict[str, dict[tuple[str, int], float]] = {}
        for slot in self.slots:
            cars: dict[tuple[str, int], float] = {}
            for row in self.facts.units[slot]:
                if row.company in self.members:
                    cars[(row.country, row.year)] = cars.get((row.country, row.year), 0.0) + row.units
            result[slot] = cars
        return result

    @cached_property
    def cars_by_company(self) -> dict[tuple[str, str], dict[str, dict[int, float]]]:
        """(programme, generation) -> company of the coalition -> year -> cars."""
        result: dict[tuple[str, str], dict[str, dict[int, float]]] = {}
        for name in self.slots:
            slot = self.facts.slots[name]
            for row in self.facts.units[name]:
                if row.company in self.members:
                    cars = result.setdefault((slot.programme, slot.generation), {}).setdefault(row.company, {})
                    cars[row.year] = cars.get(row.year, 0.0) + row.units
        return result

    @cached_property
    def carried(self) -> frozenset[tuple[str, str, str]]:
        """(programme, generation, module) under contract today."""
        return frozenset((one.programme, one.generation, one.module) for one in self.facts.existing.values())

    @cached_property
    def contracts(self) -> dict[str, ContractFact]:
        """Contract key -> contract."""
        return {contract.key: contract for contract in self.facts.existing.values()}

    @cached_property
    def previous(self) -> dict[str, str]:
        """Slot after the facelift -> slot of the same car before it."""
        by_car: dict[tuple[str, str, str], dict[int, str]] = {}
        for name in self.slots:
            slot = self.facts.slots[name]
            by_car.setdefault((slot.programme, slot.generation, slot.version), {})[slot.phase] = name
        return {phases[2]: phases[1] for phases in by_car.values() if 1 in phases and 2 in phases}

    @cached_property
    def options(self) -> dict[tuple[str, str], tuple[Option, ...]]:
        """(slot, position) -> what it may carry, in a fixed order."""
        result = {}
        for slot in self.slots:
            positions: dict[str, dict[str, None]] = {}
            for _, modules in self.facts.choices[slot]:
                for position, module in modules.items():
                    positions.setdefault(position, {})[module] = None
            for position, modules_found in positions.items():
                found: list[Option] = []
                for module in modules_found:
                    found += self._options(slot, position, module)
                result[(slot, position)] = tuple(found)
        return result

    def _options(self, slot_name: str, position: str, module_name: str) -> list[Option]:
        facts = self.facts
        slot, module = facts.slots[slot_name], facts.modules[module_name]
        bloc = self.bloc_of_slot(slot_name)
        contract = facts.existing.get((slot_name, position))
        groups = [bloc]
        running = contract is not None and contract.module == module_name
        kept = [Option(slot_name, position, module_name, bloc, contract.key)] if contract and running else []
        family = facts.families[module.family]
        if max(module.earliest_year, family.earliest_year) > slot.first_year and not running:
            return kept
        if contract is not None and slot.first_year < self.earliest_switch(module.class_name):
            return kept
        if running and not self.facts.classes[module.class_name].priced:
            return kept
        if self.rule(module.class_name).development_shared:
            groups.append(self.joint)
        found = kept
        for group in groups:
            allowed = not module.available_to or bool(module.available_to & set(group.split("+")))
            if module.class_name in BODIES:
                allowed = bodies.body_may_join(self, slot_name, module_name, group)
            option = Option(slot_name, position, module_name, group, "")
            if allowed and all(
                self.sources(self.item(option, country), year) for country, year in self.demand[slot_name]
            ):
                found.append(option)
        return found

    def is_new(self, option: Option) -> bool:
        """Whether a use has to be developed: not the module in production in this generation, on its own drawing."""
        if option.contract:
            return False
        contract = self.facts.existing.get((option.slot, option.position))
        own = option.group == self.bloc_of_slot(option.slot)
        return contract is None or contract.module != option.module or not own

    def earliest_switch(self, class_name: str) -> int:
        """First year in which a car on the road can carry another module or source (time to qualify from today)."""
        months = self.facts.classes[class_name].switching_months
        return math.ceil(self.facts.settings.base_year + months / 12.0 - 1e-9)

    def item(self, option: Option, country: str) -> Item:
        """The item an option belongs to."""
        slot = self.facts.slots[option.slot]
        return Item(slot.programme, slot.generation, slot.phase, option.module, option.group, country, option.contract)

    def item_bloc(self, item: Item) -> str:
        """Bloc that builds the cars of an item."""
        return self._bloc_of_generation[(item.programme, item.generation)]

    @cached_property
    def _bloc_of_generation(self) -> dict[tuple[str, str], str]:
        return {
            (self.facts.slots[slot].programme, self.facts.slots[slot].generation): self.bloc_of_slot(slot)
            for slot in self.slots
        }

    def buying_group(self, class_name: str, bloc: str) -> str:
        """Whose spend counts together for commercial rebates, and whose contacts open a door."""
        return self.joint if self.rule(class_name).procurement in ("commercial", "technical") else bloc

    def pool(self, class_name: str, group: str, bloc: str) -> str:
        """Whose units of a drawing count together for an offer's tiers (the drawing group)."""
        rule = self.rule(class_name)
        if self.joint and group == self.joint:
            return self.joint if rule.procurement == "technical" else f"{bloc} (joint drawing)"
        if rule.procurement == "technical" and not rule.development_shared:
            return self.joint
        return bloc

    @cached_property
    def _sources(self) -> dict[tuple[Item, int], tuple[Source, ...]]:
        return {}

    def sources(self, item: Item, year: int) -> tuple[Source, ...]:
        """Names of the sources an item may be bought from in a year; empty = it cannot be had."""
        key = (item, year)
        if key not in self._sources:
            self._sources[key] = self._find_sources(item, year)
        return self._sources[key]

    def _find_sources(self, item: Item, year: int) -> tuple[Source, ...]:
        facts = self.facts
        module = facts.modules[item.module]
        class_fact = facts.classes[module.class_name]
        if not class_fact.priced:
            return (NOT_PRICED,)
        bloc = self.item_bloc(item)
        if item.contract:
            return (CONTRACT,)
        found: list[Source] = [
            of_offer(name)
            for name in facts.offers_of.get(item.module, ())
            if self.may_buy(facts.offers[name], bloc, year)
        ]
        if not found and module.curve_price is not None:
            found.append(Source(CURVE, PIECE_COST if module.cost_given else facts.settings.cost_curve))
        for owner in self.plant_owners(module.class_name, bloc):
            found += [of_plant(name, owner) for name in self._plant_names(module.family, year)]
        return tuple(found)

    def _plant_names(self, family: str, year: int) -> list[str]:
        names: dict[str, None] = {}
        for plant in self.facts.plants:
            if plant.family == family and year >= math.ceil(self.facts.settings.base_year + plant.lead_years):
                names[plant.name] = None
        return list(names)

    def plant_owners(self, class_name: str, bloc: str) -> tuple[str, ...]:
        """Groups that may own a plant: the bloc, and the coalition where joint plants are."""
        return (bloc, self.joint) if self.joint and self.rule(class_name).joint_plants else (bloc,)

    def may_buy(self, offer: OfferFact, bloc: str, year: int) -> bool:
        """Whether cars of a bloc may be supplied from an offer in a year."""
        if year not in offer.price:
            return False
        group = set(self.buying_group(offer.class_name, bloc).split("+"))
        if len(offer.buyers) == 1 and not offer.buyers & set(bloc.split("+")):
            return False
        if len(offer.buyers) > 1 and not offer.buyers <= group:
            return False
        if offer.sources and not offer.sources & group:
            return False
        return not any(self._excludes(rule, offer, bloc) for rule in self.facts.rules)

    @staticmethod
    def _excludes(rule: Rule, offer: OfferFact, bloc: str) -> bool:
        if rule.kind != "exclude_supplier":
            return False
        holds = rule.value.lower() in ("yes", "1", "*", "all", "any") or bool(
            {name.strip() for name in rule.value.replace("+", ";").split(";")} & set(bloc.split("+"))
        )
        return holds and (
            (not rule.supplier or rule.supplier == offer.supplier)
            and (not rule.class_name or rule.class_name == offer.class_name)
            and (not rule.module or rule.module == offer.module)
            and (not rule.country or rule.country == offer.country)
        )

    def plants_of(self, name: str) -> tuple[PlantFact, ...]:
        """The sizes of a plant option."""
        return tuple(plant for plant in self.facts.plants if plant.name == name)

    def free_capacity(self, site: str, year: int) -> float:
        """Capacity of a site open to the coalition: what its blocs are reserved, at most what there is.

        Infinite where the study gives no capacity. Without reservations (a coalition planned by itself, or the plan
        of all blocs from which reservations are read) it is all that outsiders leave.
        """
        fact = self.facts.sites.get(site)
        if fact is None:
            return math.inf
        reserved = self.reserved.get((site, year)) if self.reserved is not None else None
        return fact.free[year] if reserved is None else min(reserved, fact.free[year])

    @cached_property
    def held(self) -> dict[tuple[str, int], float]:
        """(site, year) -> what all running contracts of the study would take there, in the site's unit."""
        held: dict[tuple[str, int], float] = {}
        for (slot, _), contract in self.facts.existing.items():
            for cars in self.facts.units[slot]:
                key = (contract.site, cars.year)
                held[key] = held.get(key, 0.0) + self.facts.tier_units(contract.module, cars.units)
        return held

    def contract_scale(self, site: str, year: int) -> float:
        """What a piece under contract takes of a site's free capacity: less than 1 where contracts hold more than that.

        So all contracts can be kept, and who leaves one frees no more than its part of what there is. The same for
        every coalition: who left a contract in the plan of all cannot take it up again beside those who have moved in.
        """
        fact, held = self.facts.sites.get(site), self.held.get((site, year), 0.0)
        return 1.0 if fact is None or held <= fact.free[year] else fact.free[year] / held

    def taken(self, item: Item, source: Source, year: int, pieces: float) -> tuple[str, float]:
        """The site that delivers an award, and what the award takes there in the site's unit; no site: empty and 0."""
        site, scale = "", 1.0
        if source.kind == OFFER and source.name in self.facts.offers:
            site = self.facts.offers[source.name].site
        elif source == CONTRACT:
            site = self.contracts[item.contract].site
            scale = self.contract_scale(site, year)
        return site, scale * self.facts.tier_units(item.module, pieces) if site else 0.0

    def expandable(self, site: str, year: int) -> float:
        """Capacity that could be added to a site until a year, in its unit."""
        return math.fsum(e.capacity for e in self.facts.expansions if e.site == site and year >= e.from_year)

    def country_of(self, source: Source) -> str:
        """Country that an offer or a plant delivers from; empty for curves, contracts and unpriced classes."""
        if source.kind == PLANT:
            return self.plants_of(source.name)[0].country
        return self.facts.offers[source.name].country if source.kind == OFFER else ""

    def candidate(self, slot: str, modules: Mapping[tuple[str, str], Option]) -> int | None:
        """Number of the configuration of a car that carries these modules; None where there is none."""
        mine = {position: option.module for (name, position), option in modules.items() if name == slot}
        return next((number for number, found in self.facts.choices[slot] if dict(found) == mine), None)

    def supplier(self, source: Source, item: Item) -> str:
        """Supplier behind a source; empty for curves, plants and unpriced classes."""
        if source == CONTRACT:
            return self.contracts[item.contract].supplier
        return self.facts.offers[source.name].supplier if source.kind == OFFER else ""

    @cached_property
    def incumbent_suppliers(self) -> dict[tuple[str, str], frozenset[str]]:
        """(programme, class) -> suppliers that serve it today."""
        found: dict[tuple[str, str], set[str]] = {}
        for contract in self.contracts.values():
            found.setdefault((contract.programme, contract.class_name), set()).add(contract.supplier)
        return {key: frozenset(suppliers) for key, suppliers in found.items()}

    def qualification_year(self, programme: str, class_name: str) -> int:
        """Year in which the qualification of a new source is paid: as soon as the programme could use it."""
        start = min(
            self.facts.slots[slot].first_year for slot in self.slots if self.facts.slots[slot].programme == programme
        )
        if (programme, class_name) in self.incumbent_suppliers:
            return max(start, self.earliest_switch(class_name))
        return start

    @cached_property
    def joint_start(self) -> dict[str, tuple[int, float]]:
        """Module -> (first year a joint drawing may be in series, divergence rate a year) in this coalition."""
        if self.known_joint_start is not None:
            return dict(self.known_joint_start)
        starts: dict[str, dict[str, int]] = {}
        for options in self.options.values():
            for option in options:
                if self.joint and option.group == self.joint:
                    year = self.facts.slots[option.slot].first_year
                    by_bloc = starts.setdefault(option.module, {})
                    bloc = self.bloc_of_slot(option.slot)
                    by_bloc[bloc] = min(year, by_bloc.get(bloc, year))
        result = {}
        for module, by_bloc in starts.items():
            class_fact = self.facts.classes[self.facts.modules[module].class_name]
            apart = max(by_bloc.values()) - min(by_bloc.values())
            factor = class_fact.divergence_offset_factor if apart >= 2 else 1.0
            result[module] = (min(by_bloc.values()), min(1.0, class_fact.divergence_rate * factor))
        return result

    def diverged(self, module: str, year: int) -> float:
        """Share of the units of a joint drawing that have left it by a year."""
        start, rate = self.joint_start[module]
        return 1.0 - (1.0 - rate) ** max(0, year - start)
