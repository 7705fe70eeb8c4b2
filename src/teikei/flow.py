"""The whole line in one screen; it alone owns the loop from market volumes back to re-priced plans.

A stage that cannot be computed never costs the others: what it lacks is said in run.json (``left_out``), in the report
and in the terminal; its tables are left out.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import polars as pl

from teikei import develop, market, modules, plan, report, runs, simulate, split
from teikei.errors import NoPlanError, StudyError, TeikeiError
from teikei.plan.types import Plan
from teikei.runs.store import choose_folder
from teikei.runs.tables import Results, collect
from teikei.runs.types import Run
from teikei.study import Study, apply_scenario
from teikei.tables.messages import show

Progress = Callable[[str, float], None]
OPTIONAL_STAGES: Final = ("develop", "split", "market")
"""Stages that a run can be asked to leave out."""


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
    without: Sequence[str] = (),
) -> Run:
    """Plan every coalition at every rung, split the saving, predict the market, and keep it all as a run.

    study: from ``teikei.load``; scenario: a named set of changes of the study; rungs: which to solve (default: all);
    executor: where plans are solved side by side (default: here); progress: called with a text and the share done;
    schedule_seconds: prove each schedule of the development further, for at most so long (0 = only the bounds of the
    default schedule, which no clock touches; a proof stopped by its time is not reproducible).
    singles: also plan the companies of a bloc taken singly (the split's Owen value needs them).
    thorough: pursue plans and bounds further (five minutes on the shipped study, instead of one).
    without: stages to leave out (``develop``, ``split``, ``market``).
    A stage whose inputs the study does not have is left out, and the run says so. Raises StudyError (the input is
    wrong) and NoPlanError (no plan, or no convergence): then what could be computed is kept in the run's folder first.
    """
    folder = choose_folder(study.settings.name, Path(out) if out is not None else None)
    if scenario is not None:
        study = apply_scenario(study, scenario)
    _check_rungs(study, rungs)
    _check_stages(without)
    clock = _Clock(progress)
    line = _Line(study, folder, clock, thorough=thorough, left_out=dict.fromkeys(without, _ASKED))

    with line.kept_if_it_stops():
        if line.may_begin("modules", modules.lacking(study)):
            clock.next("Designing modules", 0.00)
            line.found.catalogue = modules.catalogue(study)
            clock.next("Simulating every candidate", 0.05)
            line.found.performance = simulate.performance(study, line.found.catalogue)
        catalogue, performance = line.found.catalogue, line.found.performance

        def reprice(one: Plan, volumes: pl.DataFrame) -> Plan:
            assert catalogue is not None  # noqa: S101  (a plan was made from it)
            return plan.reprice(study, catalogue, one, volumes)

        if line.may_begin("plan", plan.lacking(study)) and catalogue is not None and performance is not None:
            clock.next("Planning", 0.15)
            with line.others_go_on("plan", NoPlanError):
                line.found.plans = plan.solve(
                    study, catalogue, performance, rungs=rungs, executor=executor, progress=clock.part(0.15, 0.70),
                    singles=singles, effort=plan.THOROUGH if thorough else plan.QUICK,
                )  # fmt: skip
                line.found.rival = plan.integrated_rival(study, catalogue, line.found.plans)
        plans = line.found.plans
        if line.may_begin("develop", "") and catalogue is not None and plans is not None:
            clock.next("Scheduling the development", 0.70)
            with line.others_go_on("develop"):
                seconds = schedule_seconds if schedule_seconds > 0 else None
                assert performance is not None  # noqa: S101  (plans were made from it)
                effort = plan.THOROUGH if thorough else plan.QUICK
                as_made = plans
                plans = develop.plans_as_scheduled(study, catalogue, performance, plans, seconds=seconds, effort=effort)
                if plans is not as_made:
                    line.found.plans, line.found.rival = plans, plan.integrated_rival(study, catalogue, plans)
                line.found.schedule = develop.schedule(study, catalogue, plans, seconds=seconds)
                line.found.what_ifs = develop.what_ifs(study, catalogue, plans, seconds=seconds)
        if line.may_begin("split", "") and plans is not None:
            clock.next("Splitting the saving", 0.80)
            with line.others_go_on("split"):
                line.found.allocation = split.allocate(study, plans)
                line.found.terms = split.terms(study, plans, line.found.allocation, reprice=reprice)
        if line.may_begin("market", market.lacking(study)):
            clock.next("Predicting prices and sales", 0.85)
            with line.others_go_on("market"):
                offered = study
                if plans is not None and performance is not None:
                    offered = plan.with_ranges_reached(study, performance, plans)
                line.found.outcome = market.predict(offered, plans, reprice=reprice, executor=executor)
        clock.next("Writing the report", 0.95)
    finished = line.save()
    line.stop_if_a_stage_found_no_answer()
    return finished


_ASKED: Final = "the run was asked to leave it out (--without)"
_NEEDS: Final = {"plan": ("modules",), "develop": ("modules", "plan"), "split": ("modules", "plan")}
"""Stages without which a stage cannot begin; a market is predicted without plans too, as it stands without them."""


class _Line:
    """What the stages have found so far, what was left out and why, and how it is all kept."""

    def __init__(self, study: Study, folder: Path, clock: _Clock, *, thorough: bool, left_out: dict[str, str]):
        self.found = Results(study)
        self.left_out = left_out
        self.stopped: list[tuple[str, TeikeiError]] = []
        self._folder, self._clock, self._thorough = folder, clock, thorough

    def may_begin(self, stage: str, lacking: str) -> bool:
        """Whether a stage has what it needs; if not, why is kept. lacking: what the study does not have, or empty."""
        before = next((one for one in _NEEDS.get(stage, ()) if one in self.left_out), None)
        if stage not in self.left_out and before is not None:
            self.left_out[stage] = f"it needs the stage {before}"
        elif stage not in self.left_out and lacking:
            self.left_out[stage] = lacking
        return stage not in self.left_out

    @contextmanager
    def others_go_on(self, stage: str, kind: type[TeikeiError] = TeikeiError) -> Iterator[None]:
        """A stage that finds no answer (no plan, no convergence, figures it cannot use) leaves the others theirs."""
        try:
            yield
        except kind as error:
            self.left_out[stage] = f"it found no answer: {' '.join(str(error).split())}"
            self.stopped.append((stage, error))

    @contextmanager
    def kept_if_it_stops(self) -> Iterator[None]:
        """Whatever else stops the line, what was found until then is kept before the error goes on its way."""
        try:
            yield
        except Exception as error:
            if self.found.catalogue is not None:
                self.left_out["the rest of the line"] = f"a stage stopped it ({type(error).__name__})"
                self.save()
            raise

    def save(self) -> Run:
        """Keeps everything found as a run."""
        meta = _meta(self.found, self._clock, self._thorough) | {"left_out": dict(self.left_out)}
        path = self.found.study.path
        return runs.save(self._folder, collect(self.found), meta, path, report.write, self._clock.log())

    def stop_if_a_stage_found_no_answer(self) -> None:
        """Raises NoPlanError with what the stages said, after all else was kept."""
        if self.stopped:
            told = "\n".join(str(error) for _, error in self.stopped)
            names = " and ".join(stage for stage, _ in self.stopped)
            text = f"{told}\nThe stage {names} has no answer; what could be computed is kept in {self._folder}."
            raise NoPlanError(text) from self.stopped[0][1]


def _check_rungs(study: Study, rungs: Sequence[str] | None) -> None:
    """Raises StudyError for a rung that the study does not have, before any work is done."""
    for rung in rungs or ():
        if rung not in study.rung_names:
            raise StudyError(f"no rung {show(rung)} in this study; it has {', '.join(study.rung_names)}")


def _check_stages(without: Sequence[str]) -> None:
    for stage in without:
        if stage not in OPTIONAL_STAGES:
            raise StudyError(f"a run cannot leave out {show(stage)}; it can leave out {', '.join(OPTIONAL_STAGES)}")


def _meta(found: Results, clock: _Clock, thorough: bool) -> dict[str, Any]:
    """What run.json keeps beside the tables: everything needed to get the same numbers again."""
    study = found.study
    settings, plans = study.settings, {} if found.plans is None else found.plans.by_key
    timed_schedule = found.schedule is not None and found.schedule.summary["status"].str.starts_with("time limit").any()
    return {
        "study": settings.model_dump(mode="json"),
        "companies": list(study.companies),
        "blocs": {name: list(members) for name, members in study.blocs.items()},
        "rungs": list(study.rung_names),
        "scenario": study.scenario,
        "versions": runs.versions(),
        "input_sha256": dict(study.input_hashes),
        "solver": plan.solver_options(plan.THOROUGH if thorough else plan.QUICK),
        "lever_order": [] if found.plans is None else list(found.plans.lever_order),
        "gaps": {f"{p.coalition}/{p.rung}": p.gap for p in plans.values() if p.status != "not evaluated"},
        "reproducible": all(p.status != "time limit" for p in plans.values()) and not timed_schedule,
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
