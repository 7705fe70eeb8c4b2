"""The whole line in one screen; it alone owns the loop from market volumes back to re-priced plans."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from pathlib import Path
from typing import Any

import polars as pl

from teikei import develop, market, modules, plan, report, runs, simulate, split
from teikei.develop import Schedule
from teikei.errors import StudyError
from teikei.plan.types import Plan, Plans
from teikei.runs.store import choose_folder
from teikei.runs.tables import Results, collect
from teikei.runs.types import Run
from teikei.study import Study, apply_scenario
from teikei.tables.messages import show

Progress = Callable[[str, float], None]


def run(
    study: Study,
    out: Path | str | None = None,
    scenario: str | None = None,
    rungs: Sequence[str] | None = None,
    executor: Executor | None = None,
    progress: Progress | None = None,
    *,
    schedule_seconds: float = 0.0,
    singles: bool = False,
    thorough: bool = False,
) -> Run:
    """Plan every coalition at every rung, split the saving, predict the market, and keep it all as a run.

    study: from ``teikei.load``; scenario: a named set of changes of the study; rungs: which to solve (default: all);
    executor: where plans are solved side by side (default: here); progress: called with a text and the share done;
    schedule_seconds: prove each schedule of the development further, for at most so long (0 = only the bounds of the
    default schedule, which no clock touches; a proof stopped by its time is not reproducible).
    singles: also plan the companies of a bloc taken singly (the split's Owen value needs them).
    thorough: pursue plans and bounds further (five minutes on the shipped study, instead of one).
    Raises StudyError (the input is wrong) and NoPlanError (nothing satisfies it).
    """
    folder = choose_folder(study.settings.name, Path(out) if out is not None else None)
    if scenario is not None:
        study = apply_scenario(study, scenario)
    _check_rungs(study, rungs)
    clock = _Clock(progress)

    clock.next("Designing modules", 0.00)
    catalogue = modules.catalogue(study)
    clock.next("Simulating every candidate", 0.05)
    performance = simulate.performance(study, catalogue)
    clock.next("Planning", 0.15)
    plans = plan.solve(
        study, catalogue, performance, rungs=rungs, executor=executor, progress=clock.part(0.15, 0.70),
        singles=singles, effort=plan.THOROUGH if thorough else plan.QUICK,
    )  # fmt: skip

    def reprice(one: Plan, volumes: pl.DataFrame) -> Plan:
        return plan.reprice(study, catalogue, one, volumes)

    clock.next("Scheduling the development", 0.70)
    schedule = develop.schedule(study, catalogue, plans, seconds=schedule_seconds if schedule_seconds > 0 else None)
    clock.next("Splitting the saving", 0.80)
    allocation = split.allocate(study, plans)
    terms = split.terms(study, plans, allocation, reprice=reprice)
    clock.next("Predicting prices and sales", 0.85)
    outcome = market.predict(study, plans, reprice=reprice, executor=executor)
    clock.next("Writing the report", 0.95)
    rival = plan.integrated_rival(study, catalogue, plans)
    tables = collect(Results(study, catalogue, performance, plans, schedule, allocation, terms, outcome, rival))
    return runs.save(
        folder, tables, _meta(study, plans, schedule, clock, thorough), study.path, report.write, clock.log()
    )


def _check_rungs(study: Study, rungs: Sequence[str] | None) -> None:
    """Raises StudyError for a rung that the study does not have, before any work is done."""
    for rung in rungs or ():
        if rung not in study.rung_names:
            raise StudyError(f"no rung {show(rung)} in this study; it has {', '.join(study.rung_names)}")


def _meta(study: Study, plans: Plans, schedule: Schedule, clock: _Clock, thorough: bool) -> dict[str, Any]:
    """What run.json keeps beside the tables: everything needed to get the same numbers again."""
    settings = study.settings
    return {
        "study": settings.model_dump(mode="json"),
        "companies": list(study.companies),
        "blocs": {name: list(members) for name, members in study.blocs.items()},
        "rungs": list(study.rung_names),
        "scenario": study.scenario,
        "versions": runs.versions(),
        "input_sha256": dict(study.input_hashes),
        "solver": plan.solver_options(plan.THOROUGH if thorough else plan.QUICK),
        "lever_order": list(plans.lever_order),
        "gaps": {f"{p.coalition}/{p.rung}": p.gap for p in plans.by_key.values() if p.status != "not evaluated"},
        "reproducible": all(p.status != "time limit" for p in plans.by_key.values())
        and not schedule.summary["status"].str.starts_with("time limit").any(),
        "seconds": clock.seconds(),
    }


class _Clock:
    """Times of the steps, and progress as a share of the whole run."""

    def __init__(self, progress: Progress | None):
        self._progress = progress
        self._marks: list[tuple[str, float]] = []

    def next(self, step: str, fraction: float) -> None:
        """A step begins."""
        self._marks.append((step, time.perf_counter()))
        if self._progress is not None:
            self._progress(step, fraction)

    def part(self, start: float, end: float) -> Progress:
        """Progress of one step, scaled to its part of the whole."""
        report_progress = self._progress

        def scaled(text: str, fraction: float) -> None:
            if report_progress is not None:
                report_progress(text, start + (end - start) * min(max(fraction, 0.0), 1.0))

        return scaled

    def seconds(self) -> dict[str, float]:
        """Wall seconds of each step so far."""
        ends = [moment for _, moment in self._marks[1:]] + [time.perf_counter()]
        return {step: round(end - begin, 3) for (step, begin), end in zip(self._marks, ends, strict=True)}

    def log(self) -> str:
        """The log of a run: steps and times, no figure of the study."""
        return "".join(f"{step}: {spent:.2f} s\n" for step, spent in self.seconds().items())
