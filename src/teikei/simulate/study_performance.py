"""Every candidate configuration of every car on its cycles and manoeuvres, and why it is rejected."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import polars as pl

from teikei.modules.packs import MEASURED_CELL_C
from teikei.modules.slots import AXLES, PACK, existing_modules
from teikei.modules.types import Array, Catalogue
from teikei.simulate.cycles import PROCEDURES
from teikei.simulate.evaluate import (
    DEFAULT_CHARGER_EFFICIENCY,
    MASS_CLASSES,
    Evaluation,
    Evaluator,
    Indices,
    Modules,
    Version,
)
from teikei.simulate.requirements import BIASED
from teikei.simulate.types import Performance
from teikei.study.cars import BODIES
from teikei.study.requirement_kinds import LEGAL_LIMITS, LOWER_IS_BETTER, REPORT, TARGET, kind_of
from teikei.study.types import Study

Progress = Callable[[str, float], None]
Key = tuple[str, str, tuple[str, ...]]  # programme, version, positions (a generation may have a body to choose)

_NOT_EVALUATED: Final = "not evaluated: no such module"
_BEHIND: Final = "missed: the cycle is not driven to its end as it is (reason of the candidate)"
_CHANGED: Final = ("", "set to incumbent", "scaled by incumbent")  # how a requirement was made effective


@dataclass(frozen=True)
class _Slot:
    name: str
    generation: str
    key: Key
    candidates: npt.NDArray[np.int64]
    modules: list[Modules]


def performance(study: Study, catalogue: Catalogue, *, progress: Progress | None = None) -> Performance:
    """Results of every candidate of the catalogue; see ``Performance``.

    Cars that differ only in generation or phase share one simulation. StudyError where a car's road load is negative or
    cannot be formed.
    """
    slots = _slots(catalogue)
    versions = _versions(study, slots)
    evaluator = Evaluator(catalogue)
    candidate_frames: list[pl.DataFrame] = []
    result_frames: list[pl.DataFrame] = []
    order = {slot.name: number for number, slot in enumerate(slots)}
    for number, (key, version) in enumerate(versions.items()):
        own = [slot for slot in slots if slot.key == key]
        wanted: dict[Modules, int] = {}
        for modules in (*(m for slot in own for m in slot.modules), *version.incumbents.values()):
            wanted.setdefault(modules, len(wanted))
        evaluation = evaluator.evaluate(version, list(wanted))
        judgements: dict[str, _Judgement] = {}
        for slot in own:
            if slot.generation not in judgements:
                incumbent = version.incumbents.get(slot.generation)
                judgements[slot.generation] = _judge(
                    version,
                    evaluation,
                    None if incumbent is None else wanted[incumbent],
                    own=slot.generation in version.contracted,
                )
            place = np.array([wanted[modules] for modules in slot.modules], dtype=np.intp)
            judgement = judgements[slot.generation]
            candidate_frames.append(
                _candidate_frame(slot, version, evaluation, judgement, place=place, order=order[slot.name])
            )
            result_frames.append(
                _result_frame(slot, version, evaluation, judgement, place=place, order=order[slot.name])
            )
        if progress is not None:
            progress(f"simulated {len(wanted)} configurations of {key[0]} {key[1]}", (number + 1) / len(versions))
    candidates = _in_order(candidate_frames, _CANDIDATE_SCHEMA)
    results = _in_order(result_frames, _RESULT_SCHEMA)
    warnings = (
        *_left_aside(catalogue),
        *_beyond_the_cells(study),
        *_not_evaluated(results, versions),
        *_no_choice_warnings(candidates),
    )
    return Performance(candidates, results, warnings)


def _left_aside(catalogue: Catalogue) -> list[str]:
    """What of the modules the simulation does not use, or replaces by a default: never in silence."""
    weighed = [*MASS_CLASSES, *BODIES]
    weighing = catalogue.table.filter((pl.col("mass_kg") > 0) & ~pl.col("class").is_in(weighed))
    found = [
        f"class {name}: mass_kg of {', '.join(rows['module'])} is not added to the car, whose body_mass_kg holds it"
        for (name,), rows in weighing.group_by("class", maintain_order=True)
    ]
    without = set(catalogue.slots["slot"]) - set(catalogue.candidates.filter(pl.col("class") == "charger")["slot"])
    if without:
        found.append(
            f"no charger module for {len(without)} of {len(catalogue.slots)} cars: their wall energy is taken with "
            f"{DEFAULT_CHARGER_EFFICIENCY:g} from the wall to the cells, the mean of 158 EPA tests"
        )
    return found


def _not_evaluated(results: pl.DataFrame, versions: Mapping[Key, Version]) -> list[str]:
    """Binding rows that bind nothing, because what they name cannot be simulated: one line for each kind."""
    binding = {
        (*key[:2], row["requirement"], row["procedure"])
        for key, version in versions.items()
        for row in version.requirements
        if kind_of(row) != REPORT
    }
    rows = results.filter(pl.col("status").str.starts_with("not evaluated") & (pl.col("status") != _NOT_EVALUATED))
    names = ("requirement", "procedure", "status", "programme", "version")
    found: dict[tuple[str, str, str], list[str]] = {}
    for requirement, procedure, status, programme, version in rows.select(names).unique(maintain_order=True).rows():
        if (programme, version, requirement, procedure) in binding:
            cars = found.setdefault((requirement, procedure, status), [])
            cars.append(programme) if programme not in cars else None
    return [
        f"{requirement} ({procedure}) of {', '.join(cars)} binds nothing: {status}"
        for (requirement, procedure, status), cars in found.items()
    ]


def _beyond_the_cells(study: Study) -> list[str]:
    """Requirements at temperatures where the cells' resistance is not measured."""
    low, high = MEASURED_CELL_C
    rows = study["requirements"].filter(
        ~pl.col("requirement").is_in([*LEGAL_LIMITS, "ac_charge_power"])
        & ~pl.col("temperature_c").is_between(low, high)
    )
    if rows.is_empty():
        return []
    temperatures = ", ".join(f"{value:g}" for value in sorted(set(rows["temperature_c"].drop_nulls())))
    return [
        f"{len(rows)} requirements at {temperatures} °C: the cells were measured from {low:g} to {high:g} °C, their "
        "resistance beyond is an extrapolation (Arrhenius)"
    ]


def _slots(catalogue: Catalogue) -> list[_Slot]:
    parts = catalogue.candidates.partition_by("slot", as_dict=True, maintain_order=True)
    slots = []
    for row in catalogue.slots.iter_rows(named=True):
        part = parts.get((row["slot"],))
        if part is None:
            continue
        part = part.sort("candidate", maintain_order=True)
        width = part["position"].n_unique()
        names = part["module"].to_list()
        slots.append(
            _Slot(
                row["slot"],
                row["generation"],
                (row["programme"], row["version"], tuple(part["position"].head(width).to_list())),
                part["candidate"].gather_every(width).to_numpy(),
                [tuple(names[start : start + width]) for start in range(0, len(names), width)],
            )
        )
    return slots


def _versions(study: Study, slots: list[_Slot]) -> dict[Key, Version]:
    programmes = {row["programme"]: row for row in study["programmes"].iter_rows(named=True)}
    drives = {(row["programme"], row["version"]): row["drive"] for row in study["versions"].iter_rows(named=True)}
    generations: dict[str, list[str]] = {}
    for row in study["generations"].sort("sop", maintain_order=True).iter_rows(named=True):
        generations.setdefault(row["programme"], []).append(row["generation"])
    requirements = study["requirements"].rows(named=True)
    found: dict[Key, Version] = {}
    for slot in slots:
        programme, name, where = slot.key
        if slot.key in found:
            continue
        rows = _requirement_rows(requirements, programme, name)
        ranges = [row["procedure"] for row in rows if row["requirement"] == "range" and row["procedure"] in PROCEDURES]
        default = "wltc_japan" if study.settings.home_market == "JP" else "wltc_class3b"
        version = Version(
            programme=programmes[programme],
            version=name,
            drive=drives[(programme, name)],
            home=ranges[0] if ranges else default,
            positions=where,
            requirements=rows,
            incumbents={},
            contracted=frozenset(),
        )
        incumbents, contracted = _incumbents(study, version, generations, slots)
        found[slot.key] = replace(version, incumbents=incumbents, contracted=contracted)
    return found


def _requirement_rows(rows: list[dict[str, Any]], programme: str, version: str) -> tuple[dict[str, Any], ...]:
    """Rows for a version; a row of the very version replaces one for ``all`` of the same requirement and procedure."""
    own = [row for row in rows if row["programme"] == programme and row["version"] in ("all", version)]
    specific = {(row["requirement"], row["procedure"]) for row in own if row["version"] == version}
    return tuple(
        row for row in own if row["version"] == version or (row["requirement"], row["procedure"]) not in specific
    )


def _incumbents(
    study: Study, version: Version, generations: dict[str, list[str]], slots: list[_Slot]
) -> tuple[dict[str, Modules], frozenset[str]]:
    """Generation -> the latest incumbent configuration up to it, and the generations that have one of their own.

    Positions without a contract take the first module that fits; without a body in force it is the programme's own.
    """
    programme = version.programme["programme"]
    key = (programme, version.version, version.positions)
    first = next(slot.modules[0] for slot in slots if slot.key == key)
    known = set(study["modules"]["module"].to_list())
    latest: Modules | None = None
    result = {}
    contracted = set()
    for generation in generations.get(programme, []):
        modules = existing_modules(study, programme, generation, version.version, version.drive)
        if all(modules.get(place) in known for place in (*AXLES[version.drive], PACK)):
            own = next(
                (s.modules[0] for s in slots if s.key == key and s.generation == generation),
                first,
            )
            contracted.add(generation)
            latest = tuple(
                modules.get(place, "" if place in BODIES else own[index])
                for index, place in enumerate(version.positions)
            )
        if latest is not None:
            result[generation] = latest
    return result, frozenset(contracted)


@dataclass(frozen=True)
class _Judgement:
    effective: Array  # (R,)
    changed: npt.NDArray[np.int64]  # (R,) index into _CHANGED
    kinds: list[str]  # (R,)
    floor: Array  # (R,) what a car must not fall behind; NaN for what is only reported
    margin: Array  # (R, N)
    passed: npt.NDArray[np.bool_]  # (R, N) the value is reached
    allowed: npt.NDArray[np.bool_]  # (R, N) the floor is kept
    missed: Array  # (R, N)
    reasons: list[str]  # (N,)


def _judge(version: Version, evaluation: Evaluation, incumbent: int | None, *, own: bool) -> _Judgement:
    """Margins against each requirement, as made effective by the incumbent (never loosened in silence).

    own: the incumbent is in force in this very generation: what it misses is set to what it reaches. In a later
    generation the requirement is a target of its own; where the incumbent's measured figure is known, it is multiplied
    by simulated / measured of the incumbent, so that a bias of the simulation neither helps nor hurts the successor.
    """
    rows = version.requirements
    required = np.array([row["value"] for row in rows], dtype=float)
    sign = np.array([-1.0 if row["requirement"] in LOWER_IS_BETTER else 1.0 for row in rows])
    changed = np.zeros(len(rows), dtype=np.int64)
    effective = required.copy()
    if incumbent is not None:
        simulated = evaluation.reached[:, incumbent]
        open_to_change = np.array([row["requirement"] not in LEGAL_LIMITS for row in rows], dtype=np.bool_)
        open_to_change &= np.isfinite(simulated) & (simulated > 0)
        if own:
            changed[open_to_change & (sign * (simulated - required) < 0)] = 1
            effective = np.where(changed == 1, simulated, required)
        else:
            measured = np.array([row["incumbent_value"] or np.nan for row in rows], dtype=float)
            by_model = np.array([row["requirement"] in BIASED for row in rows], dtype=np.bool_)
            changed[open_to_change & by_model & (measured > 0) & (simulated != measured)] = 2
            effective = np.where(changed == 2, required * simulated / measured, required)
    kinds = [kind_of(row) for row in rows]
    offset = np.array(
        [row["floor_offset"] or 0.0 if kind == TARGET else 0.0 for kind, row in zip(kinds, rows, strict=True)]
    )
    binding = np.array([kind != REPORT for kind in kinds], dtype=np.bool_)
    floor = np.where(binding, effective + offset, np.nan)
    margin = sign[:, None] * (evaluation.reached - effective[:, None])
    slack = 1e-9 * np.maximum(np.abs(effective), 1.0)[:, None]
    passed = (margin >= -slack) & ~evaluation.invalid
    allowed = (sign[:, None] * (evaluation.reached - floor[:, None]) >= -slack) & ~evaluation.invalid
    allowed |= ~binding[:, None]
    missed = np.where(passed | ~np.isfinite(margin), np.where(passed, 0.0, np.nan), -margin)
    reasons = [[text] if text else [] for text in evaluation.faults]
    for number, row in enumerate(rows):
        side = "above" if sign[number] < 0 else "below"
        head = f"{row['requirement']} ({row['procedure']})"
        tail = f"{row['unit']}, {side} {'the floor ' if kinds[number] == TARGET else ''}{floor[number]:.4g}"
        for index in np.nonzero(~allowed[number] & ~np.isnan(evaluation.reached[number]))[0]:
            reasons[index].append(f"{head} {evaluation.reached[number, index]:.4g} {tail}")
        for place, text in evaluation.invalid_reasons[number].items() if binding[number] else ():
            if text not in evaluation.faults[place]:
                reasons[place].append(f"{head} {text}")
    return _Judgement(
        effective, changed, kinds, floor, margin, passed, allowed, missed, ["; ".join(texts) for texts in reasons]
    )


_CANDIDATE_SCHEMA: Final[dict[str, Any]] = {
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
    "fault": pl.String,
}
_RESULT_SCHEMA: Final[dict[str, Any]] = {
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
    "kind": pl.String,
    "floor": pl.Float64,
    "allowed": pl.Boolean,
    "missed": pl.Float64,
    "missed_cost": pl.Float64,
}


def _candidate_frame(
    slot: _Slot, version: Version, evaluation: Evaluation, judgement: _Judgement, *, place: Indices, order: int
) -> pl.DataFrame:
    reasons = pl.Series(judgement.reasons, dtype=pl.String).gather(place)
    return pl.DataFrame(
        {
            "candidate": slot.candidates,
            "feasible": reasons == "",
            "mass_kg": evaluation.mass_kg[place],
            "wall_wh_per_km": pl.Series(evaluation.wall_wh_per_km[place]).fill_nan(None),
            "battery_wh_per_km": pl.Series(evaluation.battery_wh_per_km[place]).fill_nan(None),
            "range_km": pl.Series(evaluation.range_km[place]).fill_nan(None),
            "missed_trace_s": evaluation.missed_trace_s[place],
            "reason": reasons,
            "fault": pl.Series(evaluation.faults, dtype=pl.String).gather(place),
        }
    ).with_columns(slot=pl.lit(slot.name), cycle=pl.lit(version.home), order=pl.lit(order))


def _result_frame(
    slot: _Slot, version: Version, evaluation: Evaluation, judgement: _Judgement, *, place: Indices, order: int
) -> pl.DataFrame:
    rows = version.requirements
    per_row = pl.DataFrame(
        {
            "requirement": [row["requirement"] for row in rows],
            "procedure": [row["procedure"] for row in rows],
            "required": [row["value"] for row in rows],
            "effective": judgement.effective,
            "unit": [row["unit"] for row in rows],
            "not_evaluated": list(evaluation.status),
            "kind": judgement.kinds,
            "floor": pl.Series(judgement.floor, dtype=pl.Float64).fill_nan(None),
        },
        schema_overrides={
            "required": pl.Float64,
            "requirement": pl.String,
            "procedure": pl.String,
            "unit": pl.String,
            "kind": pl.String,
        },
    )
    price = np.array([row["value_per_unit"] or 0.0 for row in rows]) * np.array([k == TARGET for k in judgement.kinds])
    missed = judgement.missed[:, place]
    passed = judgement.passed[:, place].T.ravel()
    reached = evaluation.reached[:, place].T.ravel()
    texts = [*_CHANGED, *(f"missed: {text}" if text else "missed" for text in _CHANGED), _BEHIND, _NOT_EVALUATED]
    texts[0] = "ok"
    code = np.tile(judgement.changed, len(place)) + np.where(passed, 0, len(_CHANGED))
    invalid = evaluation.invalid[:, place].T.ravel()
    code = np.where(np.isnan(reached), len(texts) - 1, code)
    code = np.where(invalid, len(texts) - 2, code)
    known = ~np.isnan(reached) | invalid
    return (
        pl.DataFrame({"candidate": slot.candidates})
        .join(per_row, how="cross")
        .with_columns(
            reached=pl.Series(reached).fill_nan(None),
            margin=pl.Series(judgement.margin[:, place].T.ravel()).fill_nan(None),
            passed=pl.when(pl.Series(known)).then(pl.Series(passed)),
            allowed=pl.when(pl.Series(known)).then(pl.Series(judgement.allowed[:, place].T.ravel())),
            missed=pl.Series(missed.T.ravel()).fill_nan(None),
            missed_cost=pl.Series((missed * price[:, None]).T.ravel()).fill_nan(None),
            status=pl.Series(texts).gather(code),
            slot=pl.lit(slot.name),
            programme=pl.lit(slot.key[0]),
            version=pl.lit(slot.key[1]),
            order=pl.lit(order),
        )
        .with_columns(status=pl.when(pl.col("not_evaluated") != "").then("not_evaluated").otherwise("status"))
    )


def _in_order(frames: list[pl.DataFrame], schema: dict[str, Any]) -> pl.DataFrame:
    if not frames:
        return pl.DataFrame(schema=schema)
    ordered = sorted(frames, key=lambda frame: frame["order"][0] if len(frame) else -1)
    return pl.concat([frame.select(pl.col(name).cast(kind) for name, kind in schema.items()) for frame in ordered])


def _no_choice_warnings(candidates: pl.DataFrame) -> list[str]:
    dead = candidates.group_by("slot", maintain_order=True).agg(pl.col("feasible").any(), pl.col("reason").first())
    return [
        f"{row['slot']}: no candidate meets every requirement; the first: {row['reason']}"
        for row in dead.filter(~pl.col("feasible")).iter_rows(named=True)
    ]
