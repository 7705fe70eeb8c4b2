"""What a study's cars ask of their e-axles, and what each possible member is to each car.

The cars are those whose e-axle is not under contract. The rest of a car (pack, charger …) is that of its cheapest
feasible candidate in the study. A member serves an axle if every driving requirement that refuses a car is kept
with it: judged by the simulation itself, at the floors that ``simulate.performance`` enforces.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import polars as pl

from teikei.errors import StudyError
from teikei.family.designs import Design
from teikei.family.front import FamilyCost, LineUp, Option
from teikei.modules import costs, masses
from teikei.modules.slots import AXLES, PACK
from teikei.modules.types import Catalogue
from teikei.plan.facts import Facts
from teikei.plan.money import coordination_cash, nre_cash, present_value, tooling_cash
from teikei.plan.read import read_facts
from teikei.simulate.car import Car
from teikei.simulate.conditions import Conditions, conditions_of
from teikei.simulate.evaluate import DEFAULT_CHARGER_EFFICIENCY, Evaluator, Version, by_cycle
from teikei.simulate.requirements import BY_CYCLE, MANOEUVRES, unit_factor
from teikei.simulate.types import Performance
from teikei.study.requirement_kinds import LOWER_IS_BETTER, REPORT, TARGET
from teikei.study.types import Study
from teikei.units import GRAVITY_MPS2

DRIVING: Final = (
    "kei_power_cap",
    "top_speed",
    "continuous_grade",
    "hill_start",
    "acceleration_0_100",
    "acceleration_80_120",
    "cold_power_fraction",
    "range",
    "cold_range_fraction",
)
"""Requirements that an e-axle decides on, quick ones first."""
PAIRS: Final = 240  # pairs of members tried for a car with two driven axles, half of them the cheapest
WORST_MARGIN: Final = -1e-9
CAPS: Final = ("kei_power_cap",)  # a limit that is used to the full by design: no margin is wanted to it


@dataclass(frozen=True)
class Duty:
    """One requirement of a car: what it reaches with is asked by ``test``; floor refuses, value is what is wanted."""

    requirement: str
    procedure: str
    test: Conditions
    factor: float
    sign: float
    value: float
    floor: float
    unit: str
    value_per_unit: float

    def margin(self, reached: float) -> float:
        """How far beyond the floor, as a fraction of it (negative: refused)."""
        return self.sign * (reached - self.floor) / max(abs(self.floor), 1e-9)

    def missed_cost(self, reached: float) -> float:
        """Study currency per car for what is lacking of a target."""
        return max(self.sign * (self.value - reached), 0.0) * self.value_per_unit


@dataclass(frozen=True)
class LineCar:
    """A version of a programme without its e-axles: what is asked of it, how many are built, in which body."""

    name: str
    version: Version
    company: str
    suv: bool
    modules: Mapping[str, str]  # position -> module, of everything but e-axles
    duties: tuple[Duty, ...]
    units: float  # over the horizon
    discounted_units: float
    first_year: int
    eop_year: int
    segment: str

    @property
    def axles(self) -> tuple[str, ...]:
        """Its driven axles."""
        return AXLES[self.version.drive]


@dataclass(frozen=True)
class Trial:
    """A member, or one for each axle, in a car: figures, and the margin of each duty."""

    option: Option
    wall_wh_per_km: float
    mass_kg: float
    price: float
    missed_cost: float
    margins: tuple[float, ...]


def line_cars(study: Study, catalogue: Catalogue, performance: Performance, facts: Facts) -> list[LineCar]:
    """The cars to design for. StudyError where the study has none."""
    slots = {row["slot"]: row for row in catalogue.slots.iter_rows(named=True)}
    contracted = {
        (row["programme"], row["generation"])
        for row in study["existing"].iter_rows(named=True)
        if row["class"] == "e-axle"
    }
    free = [s for s in slots.values() if (s["programme"], s["generation"]) not in contracted] or list(slots.values())
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for slot in free:
        groups.setdefault((slot["programme"], slot["version"]), []).append(slot)
    programmes = {row["programme"]: row for row in study["programmes"].iter_rows(named=True)}
    drives = {(row["programme"], row["version"]): row["drive"] for row in study["versions"].iter_rows(named=True)}
    prices = dict(zip(catalogue.table["module"], catalogue.table["curve_price"], strict=True))
    found = []
    for (programme, version), own in groups.items():
        last = max(own, key=lambda slot: (slot["first_year"], slot["phase"]))
        modules = _rest(last["slot"], catalogue, performance, prices)
        if modules is None or PACK not in modules:
            continue
        drive = drives[(programme, version)]
        positions = (*AXLES[drive], *modules)
        units = sum(u.units for slot in own for u in facts.units.get(slot["slot"], ()))
        worth = sum(
            u.units * study.settings.discount_factor(u.year) for slot in own for u in facts.units.get(slot["slot"], ())
        )
        if units <= 0:
            continue
        results = performance.results.filter((pl.col("slot") == last["slot"]) & (pl.col("candidate") == 0))
        cycle = performance.candidates.filter(pl.col("slot") == last["slot"])["cycle"][0]
        found.append(
            LineCar(
                f"{programme}/{version}",
                Version(programmes[programme], version, drive, cycle, positions, (), {}, frozenset()),
                programmes[programme]["company"],
                "SUV" in str(programmes[programme]["segment"]).upper(),
                modules,
                _duties(study, programme, version, results),
                units,
                worth,
                min(slot["first_year"] for slot in own),
                max(facts.slots[slot["slot"]].eop_year for slot in own),
                programmes[programme]["segment"],
            )
        )
    if not found:
        raise StudyError("the study has no car whose e-axle could be designed (volumes, packs and e-axles are needed)")
    return found


def _rest(
    slot: str, catalogue: Catalogue, performance: Performance, prices: Mapping[str, float | None]
) -> dict[str, str] | None:
    """Everything but the e-axles of the slot's cheapest feasible candidate (by curve price), or of its first one."""
    own = performance.candidates.filter(pl.col("slot") == slot)
    good = set(own.filter(pl.col("feasible"))["candidate"]) or set(own["candidate"].head(1))
    best: tuple[float, int] | None = None
    modules: dict[int, dict[str, str]] = {}
    for row in catalogue.candidates.filter(pl.col("slot") == slot).iter_rows(named=True):
        if row["candidate"] in good:
            modules.setdefault(row["candidate"], {})[row["position"]] = row["module"]
    for number, named in modules.items():
        price = sum(prices.get(module) or 0.0 for module in named.values())
        if best is None or (price, number) < best:
            best = price, number
    if best is None:
        return None
    return {place: name for place, name in modules[best[1]].items() if place not in ("front", "rear")}


def _duties(study: Study, programme: str, version: str, results: pl.DataFrame) -> tuple[Duty, ...]:
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for row in study["requirements"].iter_rows(named=True):
        key = row["requirement"], row["procedure"]
        own = row["programme"] == programme and row["version"] in ("all", version)
        if own and (key not in rows or row["version"] == version):
            rows[key] = row
    found = []
    for result in results.iter_rows(named=True):
        key = result["requirement"], result["procedure"]
        if (
            key not in rows
            or result["requirement"] not in DRIVING
            or result["kind"] == REPORT
            or result["floor"] is None
        ):
            continue
        row = rows[key]
        test, factor = conditions_of(row), unit_factor(result["requirement"], row["unit"])
        if isinstance(test, str) or factor is None:
            continue
        found.append(
            Duty(
                result["requirement"],
                result["procedure"],
                test,
                factor,
                -1.0 if result["requirement"] in LOWER_IS_BETTER else 1.0,
                result["effective"],
                result["floor"],
                row["unit"],
                (row["value_per_unit"] or 0.0) if result["kind"] == TARGET else 0.0,
            )
        )
    return tuple(sorted(found, key=lambda duty: DRIVING.index(duty.requirement)))


class Judge:
    """Puts members into cars and asks the simulation; keeps the powertrain tables that several cars share."""

    def __init__(self, study: Study, catalogue: Catalogue, members: Sequence[Design]) -> None:
        self.study = study
        self.designs = {design.name: design for design in members}
        self.evaluator = Evaluator(
            replace(catalogue, e_axles={**catalogue.e_axles, **{d.name: d.e_axle for d in members}})
        )
        self.evaluator.rows.update({name: dict(design.row) for name, design in self.designs.items()})
        self.prices = {(d.name, suv): piece_price(study, d, suv) for d in members for suv in (False, True)}
        warranty = dict(study["classes"].select("class", "warranty_share").iter_rows())
        self.warranty = float(warranty.get("e-axle") or 0.0)

    def built(self, car: LineCar, names: tuple[str, ...]) -> Car:
        """A car with a design on each driven axle."""
        modules = (*names, *car.modules.values())
        return self.evaluator.car(car.version, modules, self.evaluator.kerb_mass_kg(car.version, modules))

    def trials(self, car: LineCar, total_units: float) -> list[Trial]:
        """Every member (pair of members) that serves a car."""
        combinations = self._combinations(car)
        kept: list[tuple[tuple[str, ...], Car, list[float], list[float]]] = []
        for names in combinations:
            built = self.built(car, names)
            if self.evaluator.faults(built):
                continue
            values = self._manoeuvres(car, built)
            if values is not None:
                kept.append((names, built, *values))
        if not kept:
            return []
        cars = [built for _, built, _, _ in kept]
        home = by_cycle(cars, car.version.home)
        sound = np.isfinite(home.battery_wh_per_km) & np.array([not text for text in home.invalid], dtype=np.bool_)
        for duty in car.duties:
            if duty.requirement in BY_CYCLE:
                found = by_cycle(cars, duty.test.cycle, duty.test.temperature_c, duty.test.loading)
                values_of = found.range_km
                if duty.requirement == "cold_range_fraction":
                    mild = by_cycle(cars, duty.test.cycle, loading=duty.test.loading).range_km
                    values_of = values_of / np.where(mild > 0, mild, np.inf)
                for number, value in enumerate(values_of * duty.factor):
                    margin = duty.margin(float(value))
                    sound[number] &= margin >= WORST_MARGIN
                    kept[number][2].append(margin)
                    kept[number][3].append(duty.missed_cost(float(value)))
        efficiency = self._charger(car)
        return [
            self._trial(car, names, home.battery_wh_per_km[number] / efficiency, margins, missed, total_units)
            for number, (names, _, margins, missed) in enumerate(kept)
            if sound[number]
        ]

    def _trial(
        self,
        car: LineCar,
        names: tuple[str, ...],
        wall: float,
        margins: list[float],
        missed: list[float],
        total_units: float,
    ) -> Trial:
        price = sum(self.prices[(name, car.suv)] for name in names)
        mass = sum(float(self.designs[name].row["mass_kg"]) for name in names)
        lost = sum(missed)
        share = car.units / total_units
        ordered = self.ordered(car)
        cost = (price * (1.0 + self.warranty) + lost) * car.discounted_units / 1e6
        option = Option(
            tuple(member_name(name, car.suv) for name in names),
            cost,
            float(wall) * share,
            mass * share,
            max(min([m for d, m in zip(ordered, margins, strict=True) if d.requirement not in CAPS] or [1.0]), 0.0),
        )
        return Trial(option, float(wall), mass, price, lost, tuple(margins))

    def _combinations(self, car: LineCar) -> list[tuple[str, ...]]:
        if car.version.drive != "awd":
            return [(name,) for name in self.designs if self._possible(car, name)]
        return self._pairs(car)

    def _pairs(self, car: LineCar) -> list[tuple[str, ...]]:
        """Pairs of one family and voltage that could do it, at most ``PAIRS``: the cheapest half, the others spread."""
        groups: dict[tuple[str, float], list[str]] = {}
        for name, design in self.designs.items():
            groups.setdefault((design.row["family"], design.row["voltage_nominal_v"]), []).append(name)
        found: list[tuple[float, str, str]] = []
        for names in groups.values():
            price = np.array([self.prices[(name, car.suv)] for name in names])
            able = self._bounds([self.designs[name].row for name in names], car)
            front, rear = np.nonzero(able)
            sums = price[front] + price[rear]
            found += [(float(s), names[f], names[r]) for s, f, r in zip(sums, front, rear, strict=True)]
        found.sort()
        pairs: list[tuple[str, ...]] = [(front, rear) for _, front, rear in found]
        if len(pairs) <= PAIRS:
            return pairs
        first, rest = pairs[: PAIRS // 2], pairs[PAIRS // 2 :]
        spread = np.unique(np.linspace(0, len(rest) - 1, PAIRS - len(first)).astype(int))
        return [*first, *(rest[place] for place in spread)]

    def _bounds(self, rows: Sequence[Mapping[str, Any]], car: LineCar) -> Any:
        """Which pairs (front, rear) keep the bounds of ``_possible``."""
        power = 1000.0 * np.array([row["peak_power_kw"] for row in rows])
        wheel_nm = np.array([row["peak_torque_nm"] * row["gear_ratio"] for row in rows])
        top = np.array([row["max_speed_rpm"] / row["gear_ratio"] for row in rows])
        return self._within(
            car, power[:, None] + power[None, :], wheel_nm[:, None] + wheel_nm[None, :], np.minimum.outer(top, top)
        )

    def _possible(self, car: LineCar, name: str) -> bool:
        """Whether power, speed and force at rest could do it at all, by bounds that no car beats."""
        row = self.designs[name].row
        power, wheel_nm = 1000.0 * row["peak_power_kw"], row["peak_torque_nm"] * row["gear_ratio"]
        return bool(self._within(car, power, wheel_nm, row["max_speed_rpm"] / row["gear_ratio"]))

    @staticmethod
    def _within(car: LineCar, power_w: Any, wheel_nm: Any, top_rpm: Any) -> Any:
        radius, mass = car.version.programme["tyre_radius_m"], car.version.programme["body_mass_kg"]
        able = power_w > 0
        for duty in car.duties:
            wanted = duty.floor / duty.factor
            if duty.requirement == "kei_power_cap":
                able = able & (power_w / 1000.0 <= wanted * (1 + 1e-9))
            elif duty.requirement == "acceleration_0_100":
                able = able & (power_w >= 0.5 * mass * (100 / 3.6) ** 2 / wanted)
            elif duty.requirement == "top_speed":
                able = able & (top_rpm * np.pi / 30.0 * radius * 3.6 >= wanted * (1 - 1e-9))
            elif duty.requirement == "hill_start":
                able = able & (wheel_nm / radius >= mass * GRAVITY_MPS2 * np.sin(np.arctan(wanted / 100.0)))
        return able

    def _manoeuvres(self, car: LineCar, built: Car) -> tuple[list[float], list[float]] | None:
        margins, missed = [], []
        for duty in car.duties:
            if duty.requirement in BY_CYCLE:
                continue
            reached = MANOEUVRES[duty.requirement](built, duty.test) * duty.factor
            margin = duty.margin(reached)
            if not margin >= WORST_MARGIN:
                return None
            margins.append(margin)
            missed.append(duty.missed_cost(reached))
        return margins, missed

    @staticmethod
    def ordered(car: LineCar) -> tuple[Duty, ...]:
        """The duties of a car in the order of ``Trial.margins``: manoeuvres, then cycles."""
        quick = tuple(duty for duty in car.duties if duty.requirement not in BY_CYCLE)
        return (*quick, *(duty for duty in car.duties if duty.requirement in BY_CYCLE))

    def _charger(self, car: LineCar) -> float:
        row = self.evaluator.rows.get(car.modules.get("charger", ""), {})
        return float(row.get("charger_efficiency") or DEFAULT_CHARGER_EFFICIENCY)


def member_name(design: str, suv: bool) -> str:
    """A member as the cost law sees it: the gear of an SUV costs more, so that it is a member of its own."""
    return f"{design}_suv" if suv else design


def piece_price(study: Study, design: Design, suv: bool) -> float:
    """Price of a piece by the study's cost curve, study currency."""
    rates = {study.settings.currency: 1.0, **dict(study["currencies"].select("currency", "rate").iter_rows())}
    found = costs.e_axle_price(
        study.settings.cost_curve,
        motor_type=str(design.row["motor_type"]),
        peak_power_kw=float(design.row["peak_power_kw"]),
        gearbox_kg=masses.gearbox_mass_kg(float(design.row["peak_torque_nm"]), float(design.row["gear_ratio"])),
        suv=suv,
        price_year=study.settings.price_year,
        switch=str(design.row["inverter_switch"]),
    )
    if found is None or found.currency not in rates:
        raise StudyError(f"the currencies table has no rate for the money of cost curve '{study.settings.cost_curve}'")
    return found.amount * float(rates[found.currency])


def built_line_up(
    study: Study,
    catalogue: Catalogue,
    performance: Performance,
    members: Sequence[Design],
    progress: Callable[[str, float], None] | None = None,
) -> tuple[LineUp, list[LineCar], Mapping[str, Mapping[tuple[str, ...], Trial]], Judge]:
    """The line-up for ``front``, its cars, what each option is to each car (car -> members -> trial), the judge.

    StudyError where no member serves a car, with the requirement that refuses most.
    """
    facts = read_facts(study, catalogue, None)
    cars = line_cars(study, catalogue, performance, facts)
    judge = Judge(study, catalogue, members)
    total = sum(car.units for car in cars)
    trials: dict[str, dict[tuple[str, ...], Trial]] = {}
    for number, car in enumerate(cars):
        trials[car.name] = {trial.option.members: trial for trial in judge.trials(car, total)}
        judge.evaluator.tables.clear()  # tens of kilobytes each, and few are of the next car too
        if progress is not None:
            progress(f"{car.name}: {len(trials[car.name])} members serve it", (number + 1) / len(cars))
    unserved = [car.name for car in cars if not trials[car.name]]
    if unserved:
        raise StudyError(
            f"no member of the choices serves {', '.join(unserved)}: widen --lengths, --inverter-kw, --ratios or "
            "--voltages"
        )
    if any(car.suv for car in cars) and not all(car.suv for car in cars):
        _share_suv_gears(cars, trials, judge)
    options = {car.name: tuple(trial.option for trial in trials[car.name].values()) for car in cars}
    return _line_up(facts, cars, options, judge, study), cars, trials, judge


def _share_suv_gears(cars: Sequence[LineCar], trials: dict[str, dict[tuple[str, ...], Trial]], judge: Judge) -> None:
    """A member with the gear of an SUV may serve any car as well, at its price."""
    wanted = {member for car in cars if car.suv for members in trials[car.name] for member in members}
    for car in cars:
        if car.suv:
            continue
        for members, trial in list(trials[car.name].items()):
            changed = tuple(member_name(name, True) for name in members)
            if not wanted.issuperset(changed):
                continue
            price = sum(judge.prices[(name, True)] for name in members)
            more = (price - trial.price) * (1.0 + judge.warranty) * car.discounted_units / 1e6
            option = replace(trial.option, members=changed, cost=trial.option.cost + more)
            trials[car.name][changed] = replace(trial, option=option, price=price)


def _line_up(
    facts: Facts, cars: Sequence[LineCar], options: Mapping[str, tuple[Option, ...]], judge: Judge, study: Study
) -> LineUp:
    names = sorted({member for own in options.values() for option in own for member in option.members})
    design_of = {name: judge.designs[name.removesuffix("_suv")] for name in names}
    start: dict[str, int] = {}
    for car in cars:
        for option in options[car.name]:
            for member in option.members:
                for key in (member, str(design_of[member].row["family"])):
                    start[key] = min(start.get(key, car.first_year), car.first_year)
    references = {str(design.row["family"]): design.lamination for design in design_of.values()}
    class_fact = facts.classes["e-axle"]
    member_cost, family_cost = {}, {}
    for name, design in design_of.items():
        like = facts.modules[str(design.lamination.reference["module"])]
        life = facts.families[like.family].life_years
        member_cost[name] = present_value(
            facts, nre_cash(facts, like.nre, start[name], life), tooling_cash(facts, like.tooling, start[name], life)
        )
    for family, lamination in references.items():
        like_family = facts.families[lamination.name]
        first, life = start[family], like_family.life_years
        nre = present_value(facts, nre_cash(facts, like_family.nre, first, life))
        tooling = present_value(facts, tooling_cash(facts, like_family.tooling, first, life))
        k_same = min(class_fact.k_same_bloc, class_fact.k_bloc)
        coordination = present_value(facts, coordination_cash(facts, class_fact, first))
        application: dict[str, float] = {}
        for car in cars:
            life_of_car = max(1, car.eop_year - car.first_year + 1)
            application[car.version.programme["programme"]] = present_value(
                facts,
                nre_cash(facts, like_family.application_nre, car.first_year, life_of_car),
                tooling_cash(facts, like_family.application_tooling, car.first_year, life_of_car),
            )
        family_cost[family] = FamilyCost(
            nre + tooling,
            per_bloc=(class_fact.k_bloc - k_same) * nre,
            per_company=k_same * nre + coordination,
            application=application,
        )
    blocs = {company: bloc for bloc, members in study.blocs.items() for company in members}
    return LineUp(
        options,
        {car.name: car.company for car in cars},
        {car.company: blocs.get(car.company, car.company) for car in cars},
        {car.name: car.version.programme["programme"] for car in cars},
        {name: str(design.row["family"]) for name, design in design_of.items()},
        member_cost,
        family_cost,
    )
