"""The cars of one version with many configurations: what each reaches on every requirement."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from teikei.errors import Problem, StudyError
from teikei.modules.slots import AXLES, E_AXLE, PACK
from teikei.modules.types import Array, Catalogue, Pack
from teikei.simulate.car import Car, road_load_of
from teikei.simulate.conditions import conditions_of
from teikei.simulate.consumption import Consumption, procedure_consumption
from teikei.simulate.powertrain import WheelTable, wheel_table
from teikei.simulate.requirements import BY_CYCLE, DIMENSIONS, MANOEUVRES, unit_factor
from teikei.simulate.weather import MILD
from teikei.study.cars import BODIES
from teikei.units import kmh_to_mps

MASS_CLASSES: Final = frozenset({E_AXLE, PACK, "charger", "thermal", "harness"})
"""Classes whose mass is not part of the programme's body mass."""
DEFAULT_CHARGER_EFFICIENCY: Final = 0.87  # AC wall to cells where a study has no charger: the mean of 158 EPA tests
VOLTAGE_STEP_V: Final = 5.0
CHUNK: Final = 20_000  # cars simulated at a time, to bound memory

Modules = tuple[str, ...]  # one module per position; empty where an incumbent keeps the programme's own body
Indices = npt.NDArray[np.intp]


@dataclass(frozen=True)
class Version:
    """A version of a programme, its requirement rows, and the incumbent configurations that may lower them."""

    programme: Mapping[str, Any]
    version: str
    drive: str
    home: str
    positions: tuple[str, ...]
    requirements: tuple[Mapping[str, Any], ...]
    incumbents: Mapping[str, Modules]  # generation -> incumbent configuration in force there or before
    contracted: frozenset[str]  # generations with an incumbent configuration of their own


@dataclass(frozen=True)
class Evaluation:
    """Arrays over the configurations of one version: home-cycle results, faults, and reached[r] for each requirement.

    reached is NaN where ``status[r]`` says why a requirement is not evaluated, where the module is missing, or where
    ``invalid`` (R, N) is True: the car cannot follow the cycle that the row names (``faults`` say so for the home
    cycle, ``invalid_reasons`` for the others).
    """

    configurations: tuple[Modules, ...]
    mass_kg: Array
    wall_wh_per_km: Array
    battery_wh_per_km: Array
    range_km: Array
    missed_trace_s: Array
    faults: tuple[str, ...]
    reached: Array  # (R, N)
    status: tuple[str, ...]
    invalid: npt.NDArray[np.bool_]  # (R, N)
    invalid_reasons: tuple[Mapping[int, str], ...]  # of each row: configuration -> why


class Evaluator:
    """Builds cars and runs them; keeps the powertrain tables that several cars share."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.catalogue = catalogue
        self.rows = {row["module"]: row for row in catalogue.table.iter_rows(named=True)}
        self.tables: dict[tuple[Any, ...], WheelTable] = {}

    def evaluate(self, version: Version, configurations: list[Modules]) -> Evaluation:
        """Everything about these configurations of a version; equal cars are simulated once.

        A study that plans no e-axle or no pack for a car says nothing of how it drives: then only what hangs on no
        drive (a size, the charger) is judged. StudyError where the programme's road load is negative or cannot be
        formed.
        """
        undriven = _undriven(version)
        if undriven:
            return self._weighed_only(version, configurations, undriven)
        check_road_load(version.programme)
        cars: list[Car] = []
        known: dict[tuple[Any, ...], int] = {}
        place = np.empty(len(configurations), dtype=np.intp)
        for index, modules in enumerate(configurations):
            kerb = round(self.kerb_mass_kg(version, modules), 6)
            core = tuple(m for p, m in zip(version.positions, modules, strict=True) if p in ("front", "rear", PACK))
            key = (core, kerb, self._body(version, modules).get("drag_area_m2"))
            if key not in known:
                known[key] = len(cars)
                cars.append(self.car(version, modules, kerb))
            place[index] = known[key]
        home = by_cycle(cars, version.home)
        count = len(configurations)
        reached = np.full((len(version.requirements), count), np.nan)
        invalid = np.zeros(reached.shape, dtype=np.bool_)
        reasons: list[dict[int, str]] = []
        status = []
        for number, row in enumerate(version.requirements):
            found = self._reached(version, row, configurations, cars, place)
            reached[number] = found.values
            status.append(found.status)
            reasons.append({index: found.invalid[at] for index, at in enumerate(place.tolist()) if at in found.invalid})
            invalid[number, list(reasons[-1])] = True
        efficiency = np.array([self._charger(version, m, "charger_efficiency") for m in configurations])
        efficiency = np.where(np.isnan(efficiency), DEFAULT_CHARGER_EFFICIENCY, efficiency)
        core_faults = [
            "; ".join(part for part in (self.faults(car), text) if part)
            for car, text in zip(cars, home.invalid, strict=True)
        ]
        good = np.isfinite(home.battery_wh_per_km) & np.array([not text for text in home.invalid], dtype=np.bool_)
        battery = np.where(good, home.battery_wh_per_km, np.nan)[place]
        return Evaluation(
            configurations=tuple(configurations),
            mass_kg=np.array([car.kerb_mass_kg for car in cars])[place],
            wall_wh_per_km=battery / efficiency,
            battery_wh_per_km=battery,
            range_km=home.range_km[place],
            missed_trace_s=home.missed_trace_s[place],
            faults=tuple(core_faults[index] for index in place),
            reached=reached,
            status=tuple(status),
            invalid=invalid,
            invalid_reasons=tuple(reasons),
        )

    def _weighed_only(self, version: Version, configurations: list[Modules], why: str) -> Evaluation:
        """What can be said of configurations that cannot be simulated."""
        nothing = np.full(len(configurations), np.nan)
        reached, status = [], []
        for row in version.requirements:
            drives = row["requirement"] in BY_CYCLE or row["requirement"] in MANOEUVRES
            place = np.zeros(0, dtype=np.intp)
            found = _Reached(nothing, why) if drives else self._reached(version, row, configurations, [], place)
            reached.append(found.values)
            status.append(found.status)
        return Evaluation(
            configurations=tuple(configurations),
            mass_kg=np.array([self.kerb_mass_kg(version, modules) for modules in configurations]),
            wall_wh_per_km=nothing,
            battery_wh_per_km=nothing,
            range_km=nothing,
            missed_trace_s=nothing,
            faults=("",) * len(configurations),
            reached=np.array(reached).reshape(len(reached), len(configurations)),
            status=tuple(status),
            invalid=np.zeros((len(reached), len(configurations)), dtype=np.bool_),
            invalid_reasons=tuple({} for _ in reached),
        )

    def kerb_mass_kg(self, version: Version, modules: Modules) -> float:
        """Mass of body and modules, kg."""
        rows = (self.rows[module] for module in modules if module)
        body = self._body(version, modules).get("mass_kg") or version.programme["body_mass_kg"]
        return float(body + sum(row["mass_kg"] for row in rows if row["class"] in MASS_CLASSES))

    def _body(self, version: Version, modules: Modules) -> Mapping[str, Any]:
        """The row of the body in a configuration: what it gives replaces the programme's; empty where there is none."""
        for position, module in zip(version.positions, modules, strict=True):
            if position in BODIES and module:
                return self.rows[module]
        return {}

    def car(self, version: Version, modules: Modules, kerb_mass_kg: float) -> Car:
        """The car of a version with one module per position."""
        programme = version.programme
        named = dict(zip(version.positions, modules, strict=True))
        axles = tuple((p, self.catalogue.e_axles[m]) for p, m in named.items() if p in ("front", "rear"))
        radius = programme["tyre_radius_m"]
        pack = self.catalogue.packs[named[PACK]]
        voltage = cycle_voltage_v(pack)
        key = (*((p, e_axle.module) for p, e_axle in axles), radius, voltage)
        if key not in self.tables:
            self.tables[key] = wheel_table(list(axles), radius, voltage_v=voltage)
        f0, f1, f2, mass = road_load_of(programme, kerb_mass_kg, self._body(version, modules).get("drag_area_m2"))
        return Car(
            drive=version.drive,
            kerb_mass_kg=kerb_mass_kg,
            payload_kg=programme["payload_kg"],
            f0_n=f0,
            f1_n_per_mps=f1,
            f2_n_per_mps2=f2,
            road_load_mass_kg=mass,
            tyre_radius_m=radius,
            auxiliary_power_w=programme["auxiliary_power_w"],
            charger_efficiency=DEFAULT_CHARGER_EFFICIENCY,
            axles=axles,
            table=self.tables[key],
            pack=pack,
            top_speed_limit_mps=kmh_to_mps(programme.get("top_speed_limit_kmh") or math.inf),
        )

    def _charger(self, version: Version, modules: Modules, column: str) -> float:
        for position, module in zip(version.positions, modules, strict=True):
            if position == "charger" and module and self.rows[module][column] is not None:
                return float(self.rows[module][column])
        return float("nan")

    def faults(self, car: Car) -> str:
        """Why axles and pack cannot work together, whatever the requirements."""
        pack = car.pack
        middle = float(np.interp(0.5, pack.soc, pack.open_circuit_voltage_v))
        found = []
        for _, e_axle in car.axles:
            bears = self.rows[e_axle.module]["voltage_max_v"]
            if bears is not None and pack.voltage_max_v > 1.02 * bears:
                found.append(f"{pack.module} reaches {pack.voltage_max_v:.0f} V, {e_axle.module} bears {bears:.0f} V")
            if middle < e_axle.voltage_min_v:
                found.append(f"{pack.module} gives {middle:.0f} V, {e_axle.module} needs {e_axle.voltage_min_v:.0f} V")
        return "; ".join(found)

    def _reached(
        self,
        version: Version,
        row: Mapping[str, Any],
        configurations: list[Modules],
        cars: list[Car],
        place: Indices,
    ) -> _Reached:
        requirement = row["requirement"]
        factor = unit_factor(requirement, row["unit"])
        nothing = np.full(len(configurations), np.nan)
        if factor is None:
            return _Reached(nothing, f"not evaluated: unit '{row['unit']}' is not one of {requirement}")
        test = conditions_of(row)
        if isinstance(test, str):
            return _Reached(nothing, f"not evaluated: {test}")
        if requirement in BY_CYCLE:
            found = by_cycle(cars, test.cycle, test.temperature_c, test.loading)
            values, invalid = found.range_km, list(found.invalid)
            if requirement == "cold_range_fraction":
                mild = by_cycle(cars, test.cycle, MILD.temperature_c, test.loading)
                values = values / np.where(mild.range_km > 0, mild.range_km, np.inf)
                invalid = [text or other for text, other in zip(mild.invalid, invalid, strict=True)]
            return _Reached(values[place] * factor, "", {i: text for i, text in enumerate(invalid) if text})
        if requirement in DIMENSIONS:
            name = DIMENSIONS[requirement]
            own = version.programme[name]
            sizes = [self._body(version, modules).get(name) or own for modules in configurations]
            if None in sizes:
                return _Reached(nothing, f"not evaluated: {name} of the programme is not given")
            return _Reached(np.array(sizes, dtype=float) * factor)
        if requirement == "ac_charge_power":
            powers = [self._charger(version, modules, "ac_charge_power_kw") for modules in configurations]
            return _Reached(np.array(powers) * factor)
        return _Reached(np.array([MANOEUVRES[requirement](car, test) for car in cars])[place] * factor)


@dataclass(frozen=True)
class _Reached:
    values: Array  # (N,) over configurations
    status: str = ""
    invalid: Mapping[int, str] = field(default_factory=dict)  # place among the cars -> why the cycle is not driven


def by_cycle(
    cars: list[Car], procedure: str, temperature_c: float = MILD.temperature_c, loading: str = "driver"
) -> Consumption:
    """``procedure_consumption`` in chunks that bound memory."""
    parts = [
        procedure_consumption(cars[start : start + CHUNK], procedure, temperature_c=temperature_c, loading=loading)
        for start in range(0, len(cars), CHUNK)
    ]
    names = ("battery_wh_per_km", "wall_wh_per_km", "range_km", "missed_trace_s", "residual")
    arrays = {name: np.concatenate([getattr(part, name) for part in parts]) for name in names}
    return Consumption(**arrays, invalid=tuple(text for part in parts for text in part.invalid))


def _undriven(version: Version) -> str:
    """Why cars of this version cannot be simulated; empty where they can."""
    wanted = {**dict.fromkeys(AXLES[version.drive], E_AXLE), PACK: PACK}
    missing = list(dict.fromkeys(name for place, name in wanted.items() if place not in version.positions))
    return f"not evaluated: the study plans no {' and no '.join(missing)} for this car" if missing else ""


def cycle_voltage_v(pack: Pack) -> float:
    """Voltage at which a car's powertrain table is made, V: open circuit at half charge, to the nearest 5 V.

    A range test runs from full to empty: the mean of loss and limits over it is near that of the middle. Rounding lets
    packs of the same voltage share a table (5 V change the energy of a cycle by less than 0.1 %, tested).
    """
    middle = float(np.interp(0.5, pack.soc, pack.open_circuit_voltage_v))
    return VOLTAGE_STEP_V * max(round(middle / VOLTAGE_STEP_V), 1)


def check_road_load(programme: Mapping[str, Any]) -> None:
    """StudyError where f0, f1, f2 give a negative force between 0 and 140 km/h, or neither they nor Cd A are given."""
    place = f"programmes ({programme['programme']}):f0_n"
    if programme["f0_n"] is None or programme["f2_n_per_mps2"] is None:
        if programme["drag_coefficient"] is None or programme["frontal_area_m2"] is None:
            text = "give f0_n and f2_n_per_mps2, or drag_coefficient and frontal_area_m2"
            raise StudyError([Problem(place, text)])
        return
    speed = np.linspace(0.0, 140.0 / 3.6, 141)
    force = programme["f0_n"] + ((programme["f1_n_per_mps"] or 0.0) + programme["f2_n_per_mps2"] * speed) * speed
    if force.min() < 0:
        at = speed[int(np.argmin(force))] * 3.6
        text = f"the road load is {force.min():.0f} N at {at:.0f} km/h; it must not be negative"
        raise StudyError([Problem(place, text)])
