"""The whole of a sweep: samples, their outcomes, tables and page; whatever stops it, what it has is kept and told."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import polars as pl

from teikei.errors import NoPlanError, StudyError
from teikei.runs import versions
from teikei.runs.export import write_tables
from teikei.study import Study, apply_scenario
from teikei.sweep import design, gather
from teikei.sweep.conduct import Progress, Tally, compute
from teikei.sweep.decided import decisions
from teikei.sweep.executors import Workers, in_order, workers
from teikei.sweep.files import (
    FORMAT,
    RECORD,
    Shelf,
    common_digest,
    prepare_folder,
    sample_name,
    study_digest,
    write_whole,
)
from teikei.sweep.gather import Gathered
from teikei.sweep.inputs import read_uncertainty
from teikei.sweep.one import evaluate_chunk, packed, plans_to_keep
from teikei.sweep.page import write_page
from teikei.sweep.types import Array, Options, Sample, SweepStoppedError, Uncertainty
from teikei.tables.messages import show

TABLES: Final = "tables"


@dataclass(frozen=True)
class Plan:
    """What is asked of a sweep: how many samples of which kind, and where they start."""

    samples: int
    seed: int = 0
    method: str = "sobol"
    tornado: int = 10
    indices: int = 0
    options: Options = field(default_factory=Options)


@dataclass(frozen=True)
class Sweep:
    """A finished sweep: its folder, its tables by name, and what is known of it."""

    path: Path
    tables: Mapping[str, pl.DataFrame]
    record: Mapping[str, Any]

    @property
    def page(self) -> Path:
        """The page a planner reads."""
        return self.path / "report.html"

    def summary(self) -> str:
        """What the sweep found, in a few lines."""
        counts = self.record["counts"]["bands"]
        lines = [f"{counts['done']} of {counts['asked']} samples have a plan; saving against alone, million:"]
        bands = self.tables["bands"]
        gaps = dict(bands.filter(pl.col("kind") == "gap").select("rung", "p50").iter_rows())
        for row in bands.filter(pl.col("kind") == "saving").iter_rows(named=True):
            line = f"  {row['rung']:<16}{row['p50']:>14,.1f}   (10 % to 90 %: {row['p10']:,.1f} to {row['p90']:,.1f}"
            own = gaps.get(row["rung"])
            shown = "" if own is None or own <= abs(row["p50"]) else ": that it pays is not shown"
            lines.append(line + (f"; the solver leaves {own:,.1f} open{shown})" if own is not None else ")"))
        return "\n".join([*lines, *self._without_plan()])

    def _without_plan(self) -> list[str]:
        """What most of the samples without a plan say."""
        samples = self.tables["samples"].filter((pl.col("part") == "bands") & (pl.col("status") == "no plan"))
        if samples.is_empty():
            return []
        said = gather.reasons(samples["message"].to_list())
        return [f"{samples.height} have none: {said}"]


def sweep(
    study: Study,
    out: Path | str | None = None,
    *,
    samples: int,
    seed: int = 0,
    method: str = "sobol",
    scenario: str | None = None,
    rungs: Sequence[str] | None = None,
    tornado: int = 10,
    indices: int = 0,
    predict: bool = True,
    market_draws: int = 1,
    again: bool = True,
    count: int | None = None,
    cluster: str | None = None,
    progress: Progress | None = None,
) -> Sweep:
    """How sure are we: the whole line over samples of the study's uncertain inputs (table ``ranges``).

    out: folder (default ``sweeps/NAME``); samples already there are not computed again. samples, seed, method: of the
    bands (``sobol`` or ``lhs``); tornado: how many of the most telling inputs are looked at one by one; indices: base
    points of the Sobol indices over the same inputs (each costs their number + 3 samples; 0 = none). rungs: which to
    plan (default all); again: every sample is planned anew, else the plans of the study as it stands are kept and
    priced (a hundred times faster; it tells how sure this plan is, not which plan would be best); predict: whether
    prices and sales are predicted, with ``market_draws`` draws each; count: processes (default one a processor);
    cluster: address of a Dask scheduler instead.

    Raises StudyError (the input is wrong), NoPlanError (no sample has a plan), SweepStoppedError (full disk, lost
    cluster: what it has stays, the same command goes on). KeyboardInterrupt passes through after tables are written.
    """
    asked = Plan(
        samples, seed, method, tornado, indices,
        Options(None if rungs is None else tuple(rungs), predict, market_draws, again),
    )  # fmt: skip
    if seed < 0 or tornado < 0 or indices < 0 or market_draws < 1:
        raise StudyError("seed, tornado and indices are 0 or above, market draws 1 or above")
    for rung in rungs or ():
        if rung not in study.rung_names:
            raise StudyError(f"no rung {show(rung)} in this study; it has {', '.join(study.rung_names)}")
    chosen = study if scenario is None else apply_scenario(study, scenario)
    folder = Path(out) if out is not None else Path("sweeps") / study.settings.name
    prepare_folder(folder)
    with workers(count, cluster) as crew:
        return _Conductor(chosen, asked, folder, crew, progress or (lambda _text, _fraction: None)).perform()


class _Conductor:
    """One sweep under way: which samples there are, and what has been found."""

    def __init__(self, study: Study, asked: Plan, folder: Path, crew: Workers, progress: Progress):
        self.study, self.asked, self.folder, self.crew, self.progress = study, asked, folder, crew, progress
        self.uncertainty = read_uncertainty(study)
        self.shelf = Shelf(folder)
        self.common = common_digest(study, asked.options)
        self.blob = packed(study, self.uncertainty, asked.options)
        self.tally = Tally()
        drawn, self.cube = design.band_samples(self.uncertainty, asked.method, asked.samples, asked.seed)
        self.parts: dict[str, list[Sample]] = {"base": [design.base_sample()], "bands": drawn}
        self.finished = 0

    @property
    def rungs(self) -> tuple[str, ...]:
        """Rungs that are planned, lowest first."""
        order, wanted = self.study.rung_names, self.asked.options.rungs
        return tuple(rung for at, rung in enumerate(order) if at == 0 or wanted is None or rung in wanted)

    def expected(self) -> int:
        """Samples of all parts, also of those not drawn yet."""
        inputs = min(self.asked.tornado, len(self.uncertainty.inputs))
        further = 2 * inputs if "tornado" not in self.parts else len(self.parts["tornado"])
        further += self.asked.indices * (inputs + 3) if "indices" not in self.parts else len(self.parts["indices"])
        return 1 + self.asked.samples + (further if inputs else 0)

    def perform(self) -> Sweep:
        """Computes part by part, then writes what was found; when stopped, writes what there is and says so."""
        try:
            self._keep_plans()
            self._compute("base")
            self._compute("bands")
            names = self._telling()
            if names:
                self.parts["tornado"] = design.tornado_samples(self.uncertainty, names)
                self._compute("tornado")
                if self.asked.indices:
                    self.parts["indices"] = design.index_samples(
                        self.uncertainty, names, self.asked.indices, self.asked.seed
                    )
                    self._compute("indices")
            return self._write("done")
        except SweepStoppedError as error:
            with suppress(SweepStoppedError, OSError, NoPlanError):
                self._write("stopped")
            raise SweepStoppedError(f"{error} {self._has()}") from error
        except KeyboardInterrupt:
            with suppress(SweepStoppedError, OSError, NoPlanError):
                self._write("stopped")
            raise SweepInterruptedError(f"Stopped. {self._has()}") from None

    def _keep_plans(self) -> None:
        """Where samples are not planned again: the plans that all of them price. Planned once more after a stop."""
        named = [sample_name(self.common, sample) for part in self.parts.values() for sample in part]
        if self.asked.options.again or all(self.shelf.read(name) is not None for name in named):
            return
        self.progress("planning the study as it stands", 0.0)
        (kept,) = in_order(self.crew, plans_to_keep, [self.blob])
        self.blob = packed(self.study, self.uncertainty, self.asked.options, kept)

    def _telling(self) -> list[str]:
        if not self.asked.tornado:
            return []
        return gather.most_telling(self.uncertainty, self.cube, self._gathered("bands"), self.asked.tornado)

    def _compute(self, part: str) -> None:
        named = {sample_name(self.common, sample): sample for sample in self.parts[part]}

        def tell(text: str, fraction: float) -> None:
            self.progress(f"{part}: {text}", (self.finished + fraction * len(named)) / self.expected())

        compute(named, self.blob, self.shelf, self.crew, tell, self.tally, evaluate_chunk)
        self.finished += len(named)

    def _gathered(self, part: str) -> Gathered:
        samples = tuple(self.parts.get(part, ()))
        return Gathered(samples, tuple(self.shelf.read(sample_name(self.common, sample)) for sample in samples))

    def _has(self) -> str:
        found = self._gathered("bands")
        there = sum(outcome is not None for outcome in found.outcomes)
        return (
            f"{there} of {self.asked.samples} samples are kept in {self.folder}; "
            "run the same command again to go on from there."
        )

    def _write(self, state: str) -> Sweep:
        """Tables, page and record of what there is; identical whenever the same samples are there."""
        found = {part: self._gathered(part) for part in ("base", "bands", "tornado", "indices")}
        if not found["bands"].done:
            raise NoPlanError(_why_none(found["bands"]))
        tables = make_tables(self.uncertainty, self.cube, found, self.rungs, self.asked.seed)
        record = self._record(state, found)
        for kind in ("parquet", "csv"):
            write_tables(tables, kind, self.folder / (TABLES if kind == "parquet" else kind))
        write_tables(tables, "xlsx", self.folder / "report.xlsx")
        write_page(tables, record, self.folder / "report.html")
        text = json.dumps(record, indent=1, ensure_ascii=False, sort_keys=True)
        write_whole(self.folder / RECORD, text.encode())
        return Sweep(self.folder, tables, record)

    def _record(self, state: str, found: Mapping[str, Gathered]) -> dict[str, Any]:
        asked, settings = self.asked, self.study.settings
        counts = {
            part: {
                "asked": len(one.samples),
                "done": one.done,
                "no_plan": sum(o is not None and o["status"] == "no plan" for o in one.outcomes),
                "fault": sum(o is not None and o["status"] == "fault" for o in one.outcomes),
            }
            for part, one in found.items()
        }
        return {
            "format": FORMAT, "state": state, "study": settings.model_dump(mode="json"),
            "study_sha256": study_digest(self.study), "scenario": self.study.scenario, "rungs": list(self.rungs),
            "companies": list(self.study.companies), "samples": asked.samples, "seed": asked.seed,
            "method": asked.method, "tornado": asked.tornado, "indices": asked.indices,
            "market": asked.options.market, "market_draws": asked.options.market_draws,
            "planned_again": asked.options.again,
            "inputs": list(self.uncertainty.inputs), "versions": versions(), "counts": counts,
        }  # fmt: skip


class SweepInterruptedError(SweepStoppedError):
    """Someone stopped the sweep. Remedy: run the same command again; it goes on from what is there."""

    exit_code = 130


def make_tables(
    uncertainty: Uncertainty, cube: Array, found: Mapping[str, Gathered], rungs: Sequence[str], seed: int
) -> dict[str, pl.DataFrame]:
    """Every table of a sweep: bands, sensitivity, tornado, indices, decisions, knowing, inputs, samples."""
    base, drawn = found["base"], found["bands"]
    makers: dict[str, Callable[[], pl.DataFrame]] = {
        "bands": lambda: gather.bands(drawn, base),
        "sensitivity": lambda: gather.sensitivity(uncertainty, cube, drawn),
        "tornado": lambda: gather.tornado(found["tornado"], base),
        "indices": lambda: gather.indices(found["indices"], seed),
        "decisions": lambda: decisions(uncertainty, cube, drawn, base, rungs),
        "knowing": lambda: gather.knowing(uncertainty, cube, drawn, rungs, seed),
        "inputs": lambda: inputs_table(uncertainty),
        "samples": lambda: gather.samples_table(found),
    }
    return {name: make() for name, make in makers.items()}


def inputs_table(uncertainty: Uncertainty) -> pl.DataFrame:
    """driver, table, column, operation, distribution, low, mode, high, figures, correlation_group, correlation."""
    rows = [
        (
            driver.name, entry.table, entry.column, entry.operation, entry.distribution, entry.low, entry.mode,
            entry.high, len(entry.rows), driver.group, driver.loading,
        )
        for driver in uncertainty.drivers
        for entry in driver.entries
    ]  # fmt: skip
    rows += [
        ("scenario", "scenarios", name, "", "", chance, chance, chance, 0, "", 0.0)
        for name, chance in uncertainty.chances.items()
    ]
    texts = ("driver", "table", "column", "operation", "distribution")
    schema: dict[str, Any] = dict.fromkeys(texts, pl.String) | dict.fromkeys(("low", "mode", "high"), pl.Float64)
    schema |= {"figures": pl.Int64, "correlation_group": pl.String, "correlation": pl.Float64}
    return pl.DataFrame(rows, schema=schema, orient="row")


def _why_none(found: Gathered) -> str:
    said = [outcome["message"] for outcome in found.outcomes if outcome is not None]
    if not said:
        return "No sample has been computed yet."
    first = next((line for text in said for line in text.splitlines()), "nothing")
    return (
        f"None of {len(said)} samples has a plan, most often because of: {gather.reasons(said)}. Narrow those "
        f"ranges, or give the study modules that meet them. The first says: {first}"
    )


__all__ = ["Plan", "Sweep", "SweepInterruptedError", "make_tables", "sweep"]
