"""The study read once into plain frozen facts: what every coalition at every rung has in common."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from teikei.errors import StudyError
from teikei.study.types import Settings

if TYPE_CHECKING:
    from teikei.plan.lead_times import TimeFacts


@dataclass(frozen=True, slots=True)
class SlotFact:
    """A car that needs a configuration (docs/decisions/0001); years lie inside the horizon.

    start_year: of its production or, after the facelift, of the facelift; may lie before the horizon.
    """

    name: str
    programme: str
    generation: str
    version: str
    phase: int
    first_year: int
    last_year: int
    share: float
    lead: str
    start_year: int
    eop_year: int


@dataclass(frozen=True, slots=True)
class UnitsFact:
    """Cars of a slot: owner, country of the car plant, sales region, year, units."""

    company: str
    country: str
    region: str
    year: int
    units: float


@dataclass(frozen=True, slots=True)
class ContractFact:
    """A row of ``existing``: module and source in force for a programme and generation."""

    key: str
    programme: str
    generation: str
    class_name: str
    module: str
    supplier: str
    site: str
    country: str
    contract_end: float
    unit_price: float
    cancellation_cost: float
    revalidation_cost: float
    renegotiated: float | None = None


@dataclass(frozen=True, slots=True)
class ClassFact:
    """A row of ``classes``; ``part`` is its row name in the trade table; ``priced`` is False where no module of the
    class has an offer or a curve (its unit cost is the same at every rung and is left out)."""

    name: str
    part: str
    in_kwh: bool
    k_bloc: float
    k_same_bloc: float
    coordination_one_off: float
    coordination_engineers: float
    divergence_rate: float
    divergence_offset_factor: float
    switching_cost: float
    switching_months: float
    warranty_share: float
    priced: bool


@dataclass(frozen=True, slots=True)
class FamilyFact:
    """A row of ``families``."""

    name: str
    class_name: str
    nre: float
    tooling: float
    application_nre: float
    application_tooling: float
    sunk_for: frozenset[str]
    life_years: float
    earliest_year: int


@dataclass(frozen=True, slots=True)
class ModuleFact:
    """A row of ``modules`` with the catalogue's curve price; ``energy_kwh`` is gross energy (packs).

    cost_given: the curve price is the study's own piece_cost.
    """

    name: str
    class_name: str
    family: str
    nre: float
    tooling: float
    sunk_for: frozenset[str]
    available_to: frozenset[str]
    earliest_year: int
    energy_kwh: float
    curve_price: float | None
    tooling_in_price: bool
    cost_given: bool = False


@dataclass(frozen=True, slots=True)
class OfferFact:
    """An offer with tiers in the class's unit (pieces, GWh) and prices in study currency per piece by year.

    buyers: companies the offer is made to (empty = any; several = only together). sources: companies that may buy at
    the site (empty = any). price[year][tier]. incremental: each price holds for the part of the quantity from
    its tier's start on. tier_pool: offers with the same name (of one site) count their quantities together.
    take_or_pay: quantity over all years, take_or_pay_share of the first tier's price due for what is missing.
    """

    name: str
    supplier: str
    site: str
    country: str
    module: str
    class_name: str
    buyers: frozenset[str]
    sources: frozenset[str]
    from_quantity: tuple[float, ...]
    price: Mapping[int, tuple[float, ...]]
    minimum_quantity: float
    incremental: bool = False
    tier_pool: str = ""
    take_or_pay: float = 0.0
    take_or_pay_share: float = 1.0

    @property
    def counts_with(self) -> tuple[str, str]:
        """What its quantities count together with for its tiers: (site, tier pool), or (itself, empty)."""
        return (self.site, self.tier_pool) if self.tier_pool else (self.name, "")


@dataclass(frozen=True, slots=True)
class BundleFact:
    """A rebate on a year's spend with several offers of one supplier, if at least ``minimum`` of each is bought."""

    name: str
    offers: tuple[str, ...]
    minimum: float
    rebate: float


@dataclass(frozen=True, slots=True)
class PlantFact:
    """A make option of one size."""

    name: str
    step_gwh: float
    class_name: str
    family: str
    country: str
    investment: float
    fixed_cost: float
    variable_cost_per_kwh: float
    variable_cost_per_pack: float
    lead_years: float
    ramp: tuple[float, ...]
    life_years: float
    building_share: float
    building_life_years: float
    path: Mapping[int, float]


@dataclass(frozen=True, slots=True)
class SiteFact:
    """Capacity of a site that outsiders leave, in ``unit`` (pieces, gwh), by year."""

    name: str
    unit: str
    free: Mapping[int, float]


@dataclass(frozen=True, slots=True)
class ExpansionFact:
    """Capacity that a buyer can add to a site from a year on, for a sum (million) paid once."""

    site: str
    from_year: int
    capacity: float
    cost: float


@dataclass(frozen=True, slots=True)
class TradeFact:
    """Duty (share of value), freight (study currency per piece or kWh), lead time."""

    duty: float
    freight: float
    lead_weeks: float


@dataclass(frozen=True, slots=True)
class LocalRule:
    """A row of ``local_content`` for a part the plan decides (pack, e-axle) or for the whole car."""

    origins: frozenset[str]
    plant_country: str
    region: str
    part: str
    from_year: int
    minimum: float
    penalty: float


@dataclass(frozen=True, slots=True)
class CaptiveFact:
    """A row of ``captive``: committed in pieces or GWh a year, fixed_cost in study currency per piece or kWh.

    site: empty = all of the supplier's sites.
    """

    owner: str
    supplier: str
    site: str
    class_name: str
    committed: float
    fixed_cost: float
    least_share: float
    first_year: int
    last_year: int


@dataclass(frozen=True, slots=True)
class Rule:
    """A row of ``rules`` that is in force, its scope split into kinds; or the least share of a captive supplier."""

    kind: str
    text: str
    value: str
    class_name: str
    module: str
    supplier: str
    country: str
    captive: CaptiveFact | None = None

    @property
    def number(self) -> float:
        """The value as a number; ``yes`` counts as 1. Raises StudyError where it is none."""
        try:
            return rule_number(self.value)
        except ValueError:
            raise StudyError(f"Rule {self.text}: the value is not a number.") from None


def rule_number(value: str) -> float:
    """The value of a rule as a number; ``yes`` counts as 1. Raises ValueError where it is none."""
    return 1.0 if value.lower() in ("yes", "true") else float(value)


@dataclass(frozen=True, slots=True)
class VehicleWork:
    """Development of one generation of a car: million, year of its start of production, years it is built."""

    programme: str
    generation: str
    amount: float
    start_year: int
    life_years: float


@dataclass(frozen=True, slots=True)
class TwinFact:
    """A row of ``twins``: start in quarters since the year 0, gaps to the lead car's start in quarters."""

    twin: str
    lead: bool
    start: int
    gap: float
    longest_gap: float | None


@dataclass(frozen=True, slots=True)
class CarPlantFact:
    """A row of ``car_plants`` with a capacity: cars a year and shift, costs in million, of a car in study currency.

    closes: last year of production where a closure is announced.
    """

    name: str
    company: str
    country: str
    shift_capacity: float
    shifts: int
    fixed_cost: float
    shift_cost: float
    variable_cost: float
    conversion_cost: float
    closure_cost: float
    closes: int | None
    other_units: float


class PlannedFact(NamedTuple):
    """Cars of a generation as the study plans them."""

    company: str
    plant: str
    region: str
    year: int
    units: float


@dataclass(frozen=True, slots=True)
class CommodityFact:
    """A row of ``commodities``; class_name is empty for the rest of the car, cut_limit 1 where none is given."""

    name: str
    class_name: str
    joinable_share: float
    dispersion: float
    alignment_share: float
    commercial_rate: float
    cut_limit: float
    from_rung: str
    contract_years: float


@dataclass(frozen=True, slots=True)
class SpendFact:
    """A row of ``spend``; programme is empty where it holds for all cars of the company."""

    company: str
    programme: str
    commodity: str
    per_car: float
    million_a_year: float


@dataclass(frozen=True, slots=True)
class RungRule:
    """What a rung permits for one class."""

    procurement: str
    development_shared: bool
    joint_plants: bool


@dataclass(frozen=True, slots=True)
class MissedTarget:
    """What a configuration lacks of a target: amount in the unit, cost in study currency per car (what buyers lose)."""

    requirement: str
    procedure: str
    unit: str
    amount: float
    cost_per_car: float


@dataclass(frozen=True, slots=True)
class TargetReached:
    """What a chosen configuration reaches of a target; factor: what the value is multiplied by before it is enforced.

    fixed: the value enforced is what the incumbent reaches, whatever the study asks for.
    """

    requirement: str
    procedure: str
    unit: str
    reached: float
    factor: float
    fixed: bool


Configurations = tuple[tuple[int, Mapping[str, str]], ...]
Missed = Mapping[str, Mapping[int, tuple[MissedTarget, ...]]]  # slot -> candidate -> targets it misses


@dataclass(frozen=True)
class Facts:
    """Everything the plan needs of a study, a catalogue and a performance.

    choices[slot]: feasible configurations as (candidate number, {position: module}); rejected[slot]: those that miss a
    requirement past its floor. missed[slot][candidate]: the targets a feasible configuration misses, none where it
    is not named. time: lead times, None where the study has no tasks. existing[(slot, position)]: the contract of the
    incumbent module. units[slot]: cars.
    classes_of[position] follows from the module.
    """

    settings: Settings
    companies: tuple[str, ...]
    bloc_of: Mapping[str, str]
    rungs: Mapping[str, Mapping[str, RungRule]]
    rung_order: tuple[str, ...]
    slots: Mapping[str, SlotFact]
    units: Mapping[str, tuple[UnitsFact, ...]]
    choices: Mapping[str, Configurations]
    existing: Mapping[tuple[str, str], ContractFact]
    classes: Mapping[str, ClassFact]
    families: Mapping[str, FamilyFact]
    modules: Mapping[str, ModuleFact]
    offers: Mapping[str, OfferFact]
    offers_of: Mapping[str, tuple[str, ...]]
    plants: tuple[PlantFact, ...]
    sites: Mapping[str, SiteFact]
    trade: Mapping[tuple[str, str, str], TradeFact]
    local_rules: tuple[LocalRule, ...]
    rules: tuple[Rule, ...]
    rebates: Mapping[str, tuple[tuple[float, float], ...]]
    equity: Mapping[tuple[str, str], float]
    margin: Mapping[str, float]
    activation: Mapping[str, float]
    car_value: Mapping[str, float]
    volume_by_year: Mapping[int, float]
    messages: tuple[str, ...]
    bundles: tuple[BundleFact, ...] = ()
    incremental_rebates: frozenset[str] = frozenset()
    expansions: tuple[ExpansionFact, ...] = ()
    rejected: Mapping[str, Configurations] = field(default_factory=dict)
    missed: Missed = field(default_factory=dict)
    classes_of_slot: Mapping[str, frozenset[str]] = field(default_factory=dict)
    vehicle_work: tuple[VehicleWork, ...] = ()
    commodities: tuple[CommodityFact, ...] = ()
    spend: tuple[SpendFact, ...] = ()
    ramp: tuple[tuple[float, float], ...] = ()
    time: TimeFacts | None = None
    captives: tuple[CaptiveFact, ...] = ()
    twins: Mapping[tuple[str, str], TwinFact] = field(default_factory=dict)
    car_plants: Mapping[str, CarPlantFact] = field(default_factory=dict)
    plant_country: Mapping[str, str] = field(default_factory=dict)
    planned: Mapping[tuple[str, str], tuple[PlannedFact, ...]] = field(default_factory=dict)
    logistics: Mapping[tuple[str, str], float] = field(default_factory=dict)
    ahead: frozenset[tuple[str, str]] = frozenset()

    def missed_per_car(self, slot: str, candidate: int) -> float:
        """What the buyers of a car lose by the targets that its configuration misses, study currency per car."""
        return math.fsum(one.cost_per_car for one in self.missed.get(slot, {}).get(candidate, ()))

    @property
    def baseline_rung(self) -> str:
        """The rung at the lowest position: every bloc by itself."""
        return self.rung_order[0]

    def landed(self, class_name: str, origin: str, destination: str, energy_kwh: float) -> tuple[float, float]:
        """Landed-cost law of a part: (factor on price, freight in study currency per piece).

        factor = 1 + duty + inventory rate x (lead weeks + safety weeks) / 52; freight per kWh counts gross energy.
        """
        part = self.classes[class_name].part
        row = self.trade.get((origin, destination, part)) or TradeFact(0.0, 0.0, 0.0)
        weeks = row.lead_weeks + self.settings.safety_weeks
        freight = row.freight * (energy_kwh if part == "pack" else 1.0)
        return 1.0 + row.duty + self.settings.inventory_rate * weeks / 52.0, freight

    def tier_units(self, module: str, pieces: float) -> float:
        """Pieces in the unit of the class's tiers and capacities (GWh for classes counted in kWh)."""
        fact = self.modules[module]
        return pieces * fact.energy_kwh / 1e6 if self.classes[fact.class_name].in_kwh else pieces
