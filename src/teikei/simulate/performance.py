"""Every candidate configuration of every car on its cycles and manoeuvres, and why it is rejected."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import polars as pl

from teikei.errors import Problem, StudyError
from teikei.modules.slots import AXLES, E_AXLE, PACK, existing_modules, positions
from teikei.modules.types import Catalogue
from teikei.simulate.car import Car, road_load_of
from teikei.simulate.consumption import procedure_consumption
from teikei.simulate.cycles import PROCEDURES
from teikei.simulate.powertrain import WheelTable, wheel_table
from teikei.simulate.requirements import BY_CYCLE, DIMENSIONS, LEGAL_LIMITS, LOWER_IS_BETTER, MANOEUVRES, unit_factor
from teikei.simulate.types import Performance
from teikei.study.types import Study

MASS_CLASSES: Final = frozenset({E_AXLE, PACK, "charger", "thermal", "harness"})
"""Classes whose mass is not part of the programme's body mass."""
DEFAULT_CHARGER_EFFICIENCY: Final = 0.9
CHUNK: Final = 20_000  # cars simulated at a time, to bound memory

Modules = tuple[tuple[str, str], ...]  # (position, module) of one car, in the order of positions
Progress = Callable[[str, float], None]


@dataclass(frozen=True)
class _Version:
    programme: Mapping[str, Any]
    version: str
    drive: str
    home: str
    requirements: tuple[Mapping[str, Any], ...]
    incumbents: Mapping[str, Modules]  # generation -> the incumbent configuration that sets requirements there


def performance(study: Study, catalogue: Catalogue, *, progress: Progress | None = None) -> Performance:
    """Results of every candidate of the catalogue; see ``Performance``.

    Cars that differ only in generation or phase share one simulation. StudyError where a car's road load is negative or
    cannot be formed.
    """
    versions = _versions(study, catalogue)
    configurations = _configurations(catalogue)
    wanted: dict[tuple[str, str], dict[Modules, None]] = {key: {} for key in versions}
    for (slot, _), modules in configurations.items():
        wanted[_key(slot)][modules] = None
    for key, version in versions.items():
        for modules in version.incumbents.values():
            wanted[key][modules] = None
    runner = _Runner(study, catalogue)
    reached: dict[tuple[str, str], dict[Modules, dict[str, Any]]] = {}
    for number, (key, version) in enumerate(versions.items()):
        reached[key] = runner.run(version, list(wanted[key]))
        if progress is not None:
            progress(f"simulated {len(wanted[key])} configurations of {key[0]} {key[1]}", (number + 1) / len(versions))
    return _assemble(versions, configurations, reached, runner.warnings)


def _key(slot: str) -> tuple[str, str]:
    programme, _, version, _ = slot.split("/")
    return programme, version


def _configurations(catalogue: Catalogue) -> dict[tuple[str, int], Modules]:
    found: dict[tuple[str, int], list[tuple[str, str]]] = {}
    for slot, candidate, position, module in catalogue.candidates.select(
        "slot", "candidate", "position", "module"
    ).iter_rows():
        found.setdefault((slot, candidate), []).append((position, module))
    return {key: tuple(modules) for key, modules in found.items()}


def _versions(study: Study, catalogue: Catalogue) -> dict[tuple[str, str], _Version]:
    programmes = {row["programme"]: row for row in study["programmes"].iter_rows(named=True)}
    drives = {(row["programme"], row["version"]): row["drive"] for row in study["versions"].iter_rows(named=True)}
    generations: dict[str, list[str]] = {}
    for row in study["generations"].sort("sop", maintain_order=True).iter_rows(named=True):
        generations.setdefault(row["programme"], []).append(row["generation"])
    found = {}
    for programme, version in catalogue.slots.select("programme", "version").unique(maintain_order=True).iter_rows():
        rows = tuple(
            row
            for row in study["requirements"].iter_rows(named=True)
            if row["programme"] == programme and row["version"] in ("all", version)
        )
        specific = {(row["requirement"], row["procedure"]) for row in rows if row["version"] == version}
        rows = tuple(
            row for row in rows if row["version"] == version or (row["requirement"], row["procedure"]) not in specific
        )
        home = next(
            (row["procedure"] for row in rows if row["requirement"] == "range" and row["procedure"] in PROCEDURES),
            "wltc_japan" if study.settings.home_market == "JP" else "wltc_class3b",
        )
        drive = drives[(programme, version)]
        incumbents: dict[str, Modules] = {}
        latest: Modules | None = None
        for generation in generations.get(programme, []):
            latest = _incumbent(study, catalogue, programme, generation, version=version, drive=drive) or latest
            if latest is not None:
                incumbents[generation] = latest
        found[(programme, version)] = _Version(programmes[programme], version, drive, home, rows, incumbents)
    return found


def _incumbent(
    study: Study, catalogue: Catalogue, programme: str, generation: str, *, version: str, drive: str
) -> Modules | None:
    modules = existing_modules(study, programme, generation, version, drive)
    if any(axle not in modules for axle in AXLES[drive]) or PACK not in modules:
        return None
    slots = catalogue.slots.filter(
        (pl.col("programme") == programme) & (pl.col("generation") == generation) & (pl.col("version") == version)
    )
    if len(slots):  # candidate 0 has the gaps filled
        first = catalogue.candidates.filter((pl.col("slot") == slots["slot"][0]) & (pl.col("candidate") == 0))
        return tuple(first.select("position", "module").iter_rows())
    return tuple((place.name, modules[place.name]) for place in positions(study, drive) if place.name in modules)


class _Runner:
    """Builds cars and runs them; keeps the powertrain tables that several cars share."""

    def __init__(self, study: Study, catalogue: Catalogue) -> None:
        self.catalogue = catalogue
        self.study = study
        self.rows = {row["module"]: row for row in catalogue.table.iter_rows(named=True)}
        self.tables: dict[tuple[Any, ...], WheelTable] = {}
        self.warnings: list[str] = []

    def car(self, version: _Version, modules: Modules) -> Car:
        programme = version.programme
        axles = tuple(
            (place, self.catalogue.e_axles[module]) for place, module in modules if place in ("front", "rear")
        )
        radius = programme["tyre_radius_m"]
        key = (*((place, e_axle.module) for place, e_axle in axles), radius)
        if key not in self.tables:
            self.tables[key] = wheel_table(list(axles), radius)
        kerb = programme["body_mass_kg"] + sum(
            self.rows[module]["mass_kg"] for _, module in modules if self.rows[module]["class"] in MASS_CLASSES
        )
        pack = next(self.catalogue.packs[module] for place, module in modules if place == PACK)
        charger = next((self.rows[module] for place, module in modules if place == "charger"), None)
        f0, f1, f2, mass = road_load_of(programme, kerb)
        return Car(
            drive=version.drive,
            kerb_mass_kg=kerb,
            payload_kg=programme["payload_kg"],
            f0_n=f0,
            f1_n_per_mps=f1,
            f2_n_per_mps2=f2,
            road_load_mass_kg=mass,
            tyre_radius_m=radius,
            auxiliary_power_w=programme["auxiliary_power_w"],
            charger_efficiency=charger["charger_efficiency"] if charger else DEFAULT_CHARGER_EFFICIENCY,
            axles=axles,
            table=self.tables[key],
            pack=pack,
        )

    def faults(self, modules: Modules) -> list[str]:
        """Why these modules cannot work together, whatever the requirements."""
        pack = next(self.catalogue.packs[module] for place, module in modules if place == PACK)
        middle = float(np.interp(0.5, pack.soc, pack.open_circuit_voltage_v))
        found = []
        for place, module in modules:
            if place not in ("front", "rear"):
                continue
            row = self.rows[module]
            if row["voltage_max_v"] is not None and pack.voltage_max_v > 1.02 * row["voltage_max_v"]:
                found.append(
                    f"{pack.module} reaches {pack.voltage_max_v:.0f} V, {module} bears {row['voltage_max_v']:.0f} V"
                )
            if middle < row["voltage_min_v"]:
                found.append(f"{pack.module} gives {middle:.0f} V, {module} needs {row['voltage_min_v']:.0f} V")
        return found

    def run(self, version: _Version, wanted: list[Modules]) -> dict[Modules, dict[str, Any]]:
        """Configuration -> mass, home-cycle results, faults and what each requirement row reaches (by its index)."""
        _check_road_load(version.programme)
        results: dict[Modules, dict[str, Any]] = {}
        for start in range(0, len(wanted), CHUNK):
            chunk = wanted[start : start + CHUNK]
            cars = [self.car(version, modules) for modules in chunk]
            home = procedure_consumption(cars, version.home)
            for index, (modules, car) in enumerate(zip(chunk, cars, strict=True)):
                results[modules] = {
                    "mass_kg": car.kerb_mass_kg,
                    "wall": float(home.wall_wh_per_km[index]),
                    "battery": float(home.battery_wh_per_km[index]),
                    "range": float(home.range_km[index]),
                    "missed": float(home.missed_trace_s[index]),
                    "faults": self.faults(modules),
                    "reached": {},
                    "status": {},
                }
            for number, row in enumerate(version.requirements):
                values, status = self._reached(version, row, chunk, cars)
                for modules, value in zip(chunk, values, strict=True):
                    results[modules]["reached"][number] = value
                    results[modules]["status"][number] = status
        return results

    def _reached(
        self, version: _Version, row: Mapping[str, Any], chunk: list[Modules], cars: list[Car]
    ) -> tuple[list[float | None], str]:
        requirement, unit = row["requirement"], row["unit"]
        factor = unit_factor(requirement, unit)
        if factor is None:
            return [None] * len(cars), f"not evaluated: unit '{unit}' is not one of {requirement}"
        values: Iterable[float | None]
        if requirement in BY_CYCLE:
            procedure = row["procedure"]
            if requirement == "cold_range_fraction" and procedure not in PROCEDURES:
                procedure = next((name for name in PROCEDURES if name in procedure), version.home)
            if procedure not in PROCEDURES:
                return [None] * len(cars), f"not evaluated: procedure '{procedure}' is not shipped"
            if requirement == "range":
                values = procedure_consumption(cars, procedure).range_km.tolist()
            else:
                warm = procedure_consumption(cars, procedure).range_km
                cold = procedure_consumption(cars, procedure, temperature_c=row["temperature_c"]).range_km
                values = (cold / warm).tolist()
        elif requirement in DIMENSIONS:
            size = version.programme[DIMENSIONS[requirement]]
            if size is None:
                return [None] * len(cars), f"not evaluated: {DIMENSIONS[requirement]} of the programme is not given"
            values = [size] * len(cars)
        elif requirement == "kei_power_cap":
            values = [sum(e.peak_power_w for _, e in car.axles) / 1000.0 for car in cars]
        elif requirement == "ac_charge_power":
            chargers = [next((self.rows[m] for place, m in modules if place == "charger"), None) for modules in chunk]
            values = [charger["ac_charge_power_kw"] if charger else None for charger in chargers]
        else:
            values = self._manoeuvre(requirement, row, cars)
        return [None if value is None else value * factor for value in values], ""

    @staticmethod
    def _manoeuvre(requirement: str, row: Mapping[str, Any], cars: list[Car]) -> list[float]:
        # mass and axles decide; cars of equal mass, pack and powertrain differ only in what the manoeuvre does not see
        known: dict[tuple[Any, ...], float] = {}
        values = []
        for car in cars:
            key = (round(car.kerb_mass_kg, 6), id(car.table), id(car.pack))
            if key not in known:
                known[key] = MANOEUVRES[requirement](car, row)
            values.append(known[key])
        return values


def _check_road_load(programme: Mapping[str, Any]) -> None:
    name = programme["programme"]
    if programme["f0_n"] is None or programme["f2_n_per_mps2"] is None:
        if programme["drag_coefficient"] is None or programme["frontal_area_m2"] is None:
            raise StudyError(
                [
                    Problem(
                        f"programmes ({name}):f0_n",
                        "give f0_n and f2_n_per_mps2, or drag_coefficient and frontal_area_m2",
                    )
                ]
            )
        return
    speed = np.linspace(0.0, 140.0 / 3.6, 141)
    force = programme["f0_n"] + ((programme["f1_n_per_mps"] or 0.0) + programme["f2_n_per_mps2"] * speed) * speed
    if force.min() < 0:
        at = speed[int(np.argmin(force))] * 3.6
        raise StudyError(
            [
                Problem(
                    f"programmes ({name}):f0_n",
                    f"the road load is {force.min():.0f} N at {at:.0f} km/h; it must not be negative",
                )
            ]
        )


def _assemble(
    versions: dict[tuple[str, str], _Version],
    configurations: dict[tuple[str, int], Modules],
    reached: dict[tuple[str, str], dict[Modules, dict[str, Any]]],
    warnings: list[str],
) -> Performance:
    candidate_rows: dict[str, list[Any]] = {name: [] for name in _CANDIDATE_SCHEMA}
    result_rows: dict[str, list[Any]] = {name: [] for name in _RESULT_SCHEMA}
    judged: dict[tuple[str, str, str, Modules], tuple[list[tuple[Any, ...]], list[str]]] = {}
    for (slot, candidate), modules in configurations.items():
        programme, generation, version_name, _ = slot.split("/")
        version = versions[(programme, version_name)]
        found = reached[(programme, version_name)]
        key = (programme, generation, version_name, modules)
        if key not in judged:
            judged[key] = _judge(version, found[modules], _incumbent_result(version, generation, found))
        rows, reasons = judged[key]
        result = found[modules]
        for name, value in zip(
            _CANDIDATE_SCHEMA,
            (
                slot,
                candidate,
                not reasons,
                result["mass_kg"],
                result["wall"],
                result["battery"],
                result["range"],
                result["missed"],
                version.home,
                "; ".join(reasons),
            ),
            strict=True,
        ):
            candidate_rows[name].append(value)
        for row in rows:
            for name, value in zip(_RESULT_SCHEMA, (slot, candidate, programme, version_name, *row), strict=True):
                result_rows[name].append(value)
    candidates = pl.DataFrame(candidate_rows, schema=_CANDIDATE_SCHEMA)
    return Performance(
        candidates, pl.DataFrame(result_rows, schema=_RESULT_SCHEMA), (*warnings, *_no_choice_warnings(candidates))
    )


_CANDIDATE_SCHEMA: Final = {
    "slot": pl.String,
    "candidate": pl.Int64,
    "feasible": pl.Boolean,
    "mass_kg": pl.Float64,
    "wall_wh_per_km": pl.Float64,
    "battery_wh_per_km": pl.Float64,
    "range_km": pl.Float64,
    "missed_trace_s": pl.Float64,
    "cycle": pl.String,
    "reason": pl.String,
}
_RESULT_SCHEMA: Final = {
    "slot": pl.String,
    "candidate": pl.Int64,
    "programme": pl.String,
    "version": pl.String,
    "requirement": pl.String,
    "procedure": pl.String,
    "required": pl.Float64,
    "effective": pl.Float64,
    "reached": pl.Float64,
    "unit": pl.String,
    "margin": pl.Float64,
    "passed": pl.Boolean,
    "status": pl.String,
}


def _incumbent_result(
    version: _Version, generation: str, found: dict[Modules, dict[str, Any]]
) -> dict[str, Any] | None:
    modules = version.incumbents.get(generation)
    return found[modules] if modules is not None else None


def _judge(
    version: _Version, result: dict[str, Any], incumbent: dict[str, Any] | None
) -> tuple[list[tuple[Any, ...]], list[str]]:
    """Rows of the results table from ``requirement`` on, and the reasons for a rejection."""
    rows: list[tuple[Any, ...]] = []
    reasons = list(result["faults"])
    for number, requirement in enumerate(version.requirements):
        name, value = requirement["requirement"], result["reached"][number]
        required = effective = requirement["value"]
        if value is None:
            status = result["status"][number] or "not evaluated: the configuration has no such module"
            rows.append(
                (name, requirement["procedure"], required, required, None, requirement["unit"], None, None, status)
            )
            continue
        sign = -1.0 if name in LOWER_IS_BETTER else 1.0
        own = incumbent["reached"][number] if incumbent is not None and name not in LEGAL_LIMITS else None
        lowered = own is not None and np.isfinite(own) and sign * (own - required) < 0
        if lowered:
            effective = own
        margin = sign * (value - effective)
        passed = bool(margin >= -1e-9 * max(abs(effective), 1.0))
        status = "ok" if passed else "missed"
        if lowered:
            status = "set to incumbent" if passed else "missed: set to incumbent"
        rows.append(
            (name, requirement["procedure"], required, effective, value, requirement["unit"], margin, passed, status)
        )
        if not passed and requirement["binding"]:
            side = "above" if sign < 0 else "below"
            reasons.append(
                f"{name} ({requirement['procedure']}) {value:.4g} {requirement['unit']}, {side} {effective:.4g}"
            )
    return rows, reasons


def _no_choice_warnings(candidates: pl.DataFrame) -> list[str]:
    dead = candidates.group_by("slot", maintain_order=True).agg(pl.col("feasible").any(), pl.col("reason").first())
    return [
        f"{row['slot']}: no candidate meets every requirement; the first: {row['reason']}"
        for row in dead.filter(~pl.col("feasible")).iter_rows(named=True)
    ]
