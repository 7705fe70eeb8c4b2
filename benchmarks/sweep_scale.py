"""Claim: handing out samples costs under 5 % of their work, and two workers do 1.8 times what one does.

PYTHONPATH=src python benchmarks/sweep_scale.py [STUDY] [--samples 32] [--rungs buying] [--workers 1,2] [--market]
    [--cluster tcp://HOST:PORT] [--keep-plan] [--nothing] | --table | --write PAGE

Prints for each number of workers: seconds until they are ready, wall seconds of the samples, seconds of the samples
themselves (in the workers), what is lost between the two, what a sample costs the coordinating process (CPU, so that it
can be read on a busy machine too), and how many times one worker that is. Measure on a quiet
machine: two workers need two free processors. --nothing hands out samples that only sleep: the overhead by itself.
--table (under four minutes when quiet) prints the lines of docs/how-to/cluster.md: what a sample costs in three kinds
of sweep, what is lost, and how long 1,024 samples take on n workers; --write docs/how-to/cluster.md puts them there.
"""

from __future__ import annotations

import argparse
import math
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from platform import machine, python_version
from typing import TYPE_CHECKING, Any

from teikei.study import load
from teikei.sweep import design
from teikei.sweep.conduct import Tally, compute
from teikei.sweep.executors import Workers, processors, workers
from teikei.sweep.files import Shelf, common_digest, sample_name
from teikei.sweep.inputs import read_uncertainty
from teikei.sweep.one import evaluate_chunk, packed, plans_to_keep
from teikei.sweep.types import Options, Sample

if TYPE_CHECKING:
    from benchmarks.table import Row


def sleeping(_blob: bytes, samples: tuple[Sample, ...]) -> list[tuple[dict[str, Any], float]]:
    """Samples of a tenth of a second that take no processor."""
    found = []
    for _ in samples:
        began = time.perf_counter()
        time.sleep(0.1)
        outcome = {"status": "done", "message": "", "figures": {}, "decisions": {}}
        found.append((outcome, time.perf_counter() - began))
    return found


def measure(
    named: dict[str, Sample], warm: dict[str, Sample], blob: bytes, crew: Workers, job: Callable[..., Any]
) -> tuple[float, float, float, float]:
    """Seconds until workers are warm, wall seconds of the samples, seconds of the samples themselves, our own CPU."""
    quiet = lambda _text, _fraction: None  # noqa: E731
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        compute(warm, blob, Shelf(Path(folder) / "warm"), crew, quiet, Tally(), job)
        ready, own = time.perf_counter(), time.process_time()
        tally = Tally()
        compute(named, blob, Shelf(Path(folder) / "timed"), crew, quiet, tally, job)
        return ready - began, time.perf_counter() - ready, tally.seconds, time.process_time() - own


@dataclass(frozen=True)
class Kind:
    """A kind of sweep that the table tells of."""

    name: str
    study: str
    options: Options
    samples: int


KINDS = (
    Kind("kit-supply, rung buying, planned again", "examples/kit-supply", Options(("buying",), False), 24),
    Kind("shipped study, every rung, plan kept", "examples/nissan-honda", Options(None, False, 1, False), 48),
)
MANY = 1024
MARKS = ("<!-- measured -->", "<!-- end of what was measured -->")
WORKERS = (1, 2, 8, 32, 128)


@dataclass(frozen=True)
class Cost:
    """Seconds: until workers are ready (with the plan that is kept), of a sample inside a worker (one, two at work),
    of this process for a sample (CPU); share of the wall time lost with one worker; wall time of one over two."""

    ready: float
    sample: float
    beside: float
    ours: float
    lost: float
    twice: float


def cost_of(kind: Kind) -> tuple[Cost, float]:
    """Measures a kind of sweep with one worker and two; also the seconds of a sample that plans (where one is kept)."""
    study = load(kind.study)
    uncertainty = read_uncertainty(study)
    blob, planning = packed(study, uncertainty, kind.options), 0.0
    if not kind.options.again:
        began = time.perf_counter()
        kept = plans_to_keep(blob)
        planning = time.perf_counter() - began
        blob = packed(study, uncertainty, kind.options, kept)
    common = common_digest(study, kind.options)
    drawn, others = (design.band_samples(uncertainty, "sobol", kind.samples, seed)[0] for seed in (1, 2))
    named = {sample_name(common, sample): sample for sample in drawn}
    found = []
    for count in (1, 2):
        with workers(count) as crew:
            warm = {sample_name(common, sample): sample for sample in others[: 2 * count]}
            found.append(measure(named, warm, blob, crew, evaluate_chunk))
    (ready, wall, inside, own), (_, wall_two, inside_two, _) = found
    n = kind.samples
    cost = Cost(ready + planning, inside / n, inside_two / n, own / n, 1.0 - inside / wall, wall / wall_two)
    return cost, planning


def table() -> str:
    """What docs/how-to/cluster.md shows, as it stands there."""
    rows = []
    for kind in KINDS:
        cost, planning = cost_of(kind)
        rows.append((kind.name, cost))
        if planning:
            # every sample makes what was made once here; handing it out costs the same few milliseconds
            lost = cost.ours / (planning + cost.ours)
            again = Cost(cost.ready - planning, planning, 0.0, cost.ours, lost, 0.0)
            rows.append(("shipped study, every rung, planned again", again))
    lines: list[str] = []
    say = lines.append
    say(f"Measured {date.today().isoformat()} on {processors()} processors ({model()}), Python {python_version()}:\n")
    say("| Sweep | ready, s | a sample, s | two at once, s | handing out, ms | lost | two workers |")
    say("|---|--:|--:|--:|--:|--:|--:|")
    for name, one in rows:
        twice = f"{one.twice:.2f} ×" if one.twice else "–"
        beside = f"{one.beside:.2f}" if one.beside else "–"
        say(
            f"| {name} | {one.ready:.1f} | {one.sample:.2f} | {beside} | {1000 * one.ours:.1f} | "
            f"{one.lost:.1%} | {twice} |"
        )
    say(f"\nWhat that makes of {MANY:,} samples (start + ⌈N / w⌉ · t, and never below what this process needs):\n")
    say("| Sweep | " + " | ".join(f"{count} worker{'s' if count > 1 else ''}" for count in WORKERS) + " | at most |")
    say("|---|" + "--:|" * (len(WORKERS) + 1))
    for name, one in rows:
        spent = [one.ready + max(math.ceil(MANY / count) * one.sample, MANY * one.ours) for count in WORKERS]
        most = int(one.sample / one.ours)
        say(f"| {name} | " + " | ".join(duration(seconds) for seconds in spent) + f" | {most:,} workers |")
    say(
        "\n*At most*: so many workers this process can keep busy (a sample's seconds over those of handing it out). "
        "Workers are processors of one speed, one process each."
    )
    return "\n".join(lines)


def write(page: Path, text: str) -> None:
    """Puts the lines into the page, between its two marks."""
    before, _, rest = page.read_text("utf-8").partition(MARKS[0])
    _, _, after = rest.partition(MARKS[1])
    page.write_text(f"{before}{MARKS[0]}\n{text}\n{MARKS[1]}{after}", "utf-8")


def duration(seconds: float) -> str:
    """Seconds as a reader says them."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def model() -> str:
    """The processor's own name, where the system tells it."""
    told = Path("/proc/cpuinfo")
    lines = told.read_text("utf-8").splitlines() if told.is_file() else []
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), machine())


def main() -> None:
    """Print one row a number of workers."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", nargs="?", default="examples/kit-supply")
    parser.add_argument("--samples", type=int, default=32)
    parser.add_argument("--rungs", default="")
    parser.add_argument("--workers", default="1,2")
    parser.add_argument("--market", action="store_true")
    parser.add_argument("--keep-plan", action="store_true")
    parser.add_argument("--nothing", action="store_true")
    parser.add_argument("--cluster")
    parser.add_argument("--table", action="store_true")
    parser.add_argument("--write", type=Path)
    asked = parser.parse_args()
    if asked.table or asked.write:
        told = table()
        print(told)
        if asked.write:
            write(asked.write, told)
        return
    study = load(asked.study)
    uncertainty = read_uncertainty(study)
    rungs = tuple(name for name in asked.rungs.split(",") if name) or None
    options = Options(rungs, asked.market, 1, not asked.keep_plan)
    samples, _ = design.band_samples(uncertainty, "sobol", asked.samples, 1)
    others, _ = design.band_samples(uncertainty, "sobol", 16, 2)
    common, blob = common_digest(study, options), packed(study, uncertainty, options)
    if asked.keep_plan and not asked.nothing:
        blob = packed(study, uncertainty, options, plans_to_keep(blob))
    named = {sample_name(common, sample): sample for sample in samples}
    print(f"{asked.study}: {asked.samples} samples, {len(blob):,} bytes for each worker")
    print(
        f"{'workers':>8}{'ready s':>9}{'wall s':>9}{'samples s':>11}{'a sample s':>12}{'lost':>8}"
        f"{'ours ms':>9}{'times one':>11}"
    )
    first = 0.0
    for text in ["-"] if asked.cluster else asked.workers.split(","):
        with workers(None if asked.cluster else int(text), asked.cluster) as crew:
            warm = {sample_name(common, sample): sample for sample in others[: 2 * crew.count]}
            ready, wall, inside, own = measure(named, warm, blob, crew, sleeping if asked.nothing else evaluate_chunk)
            first = first or wall
            lost = 1.0 - inside / (wall * crew.count)
            print(
                f"{crew.count:>8}{ready:>9.1f}{wall:>9.2f}{inside:>11.2f}{inside / asked.samples:>12.3f}{lost:>8.1%}"
                f"{1000 * own / asked.samples:>9.1f}{first / wall:>11.2f}"
            )


def table_rows(quick: bool) -> Iterator[Row]:
    """Rows for ``python -m benchmarks``: samples that keep the plan (``quick``: that sleep), one worker and two."""
    from benchmarks.table import ROOT, Row, Stopwatch

    watch, count = Stopwatch(), 16 if quick else 32
    study = load(ROOT / "examples" / "kit-supply")
    uncertainty = read_uncertainty(study)
    options = Options(None, False, 1, False)
    samples, _ = design.band_samples(uncertainty, "sobol", count, 1)
    others, _ = design.band_samples(uncertainty, "sobol", 4, 2)
    common, blob = common_digest(study, options), packed(study, uncertainty, options)
    blob = blob if quick else packed(study, uncertainty, options, plans_to_keep(blob))
    named = {sample_name(common, sample): sample for sample in samples}
    walls = {}
    for processes in (1, 2):
        with workers(processes, None) as crew:
            warm = {sample_name(common, sample): sample for sample in others[: 2 * processes]}
            job = sleeping if quick else evaluate_chunk
            _, walls[processes], inside, own = measure(named, warm, blob, crew, job)
        lost = 1.0 - inside / (walls[processes] * processes)
        told = f"{lost:.1%} lost, {1000 * own / count:.1f} ms of the coordinating process a sample"
        title = f"{count} samples of {inside / count:.2f} s handed out to {processes} worker{'s' * (processes > 1)}"
        yield Row(title, told, "5 %", lost <= 0.05, watch.lap())
    ratio = walls[1] / walls[2]
    yield Row("two workers against one", f"{ratio:.2f} times wall", "1.8", ratio >= 1.8, watch.lap())


if __name__ == "__main__":
    main()
