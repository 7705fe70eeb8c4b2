"""The sourcing optimiser against its bars: gaps, times and build times, printed as tables.

    PYTHONPATH=src:. python benchmarks/award.py [--seeds 1 2 3] [--only large small facility ctqd build beside]

Each tender is written as CSV files and solved by the whole command in a fresh interpreter, so that imports, reading and
writing count in the wall time. CPU seconds are those of that process with its threads: on a busy machine a longer
--time-limit gives it the 60 CPU seconds that two cores have in 30 s.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.plan.award.make import (
    DATA,
    facility_location,
    generated,
    sites_and_customers,
    total_quantity_discount,
)

if TYPE_CHECKING:
    from benchmarks.table import Row

COMMAND = """
import time; started = time.perf_counter()
import sys
from teikei.plan.award import award
award(sys.argv[1], sys.argv[2], time_limit_s=float(sys.argv[3]), gap=float(sys.argv[4]), started=started)
"""


ALONE = """
import sys, time
from teikei.plan.award.price import objective
from teikei.plan.award.race import solve_program
from teikei.plan.award.read import read_tender
tender = read_tender(sys.argv[1])
begin = time.process_time()
found = solve_program(tender, deadline=time.perf_counter() + float(sys.argv[2]), gap=float(sys.argv[3]))
cost = objective(tender, found.quantity) if found.quantity is not None else float("inf")
print(cost, found.bound, time.process_time() - begin)
"""


def highs_alone(tender: Path, time_limit: float, gap: float = 1e-6) -> tuple[float, float, float]:
    """Cost, bound and CPU seconds of plain HiGHS, one thread, on the same program (reading not counted)."""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1] / "src")}
    arguments = [sys.executable, "-c", ALONE, str(tender), str(time_limit), str(gap)]
    told = subprocess.run(arguments, check=True, env=environment, capture_output=True, text=True).stdout.split()
    return float(told[0]), float(told[1]), float(told[2])


def measure(tender: Path, out: Path, time_limit: float, gap: float = 1e-4) -> tuple[dict[str, float], float, float]:
    """Summary, wall and CPU seconds of one whole command."""
    before, begin = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1] / "src")}
    arguments = [sys.executable, "-c", COMMAND, str(tender), str(out), str(time_limit), str(gap)]
    subprocess.run(arguments, check=True, env=environment)
    wall = time.perf_counter() - begin
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return json.loads((out / "summary.json").read_text()), wall, cpu


def row(name: str, summary: dict[str, float], wall: float, cpu: float, bar: str, kept: bool) -> None:
    print(
        f"{name:28} {summary['objective']:16,.2f} {summary['bound']:16,.2f} {summary['gap']:10.4%}"
        f" {wall:7.2f} {cpu:7.2f}"
        f"  {summary['status']:10}  {bar} {'yes' if kept else 'NO'}",
        flush=True,
    )


def head(title: str) -> None:
    columns = f"{'tender':28} {'objective':>16} {'bound':>16} {'gap':>10} {'wall s':>7} {'CPU s':>7}  status      bar"
    print(f"\n{title}\n{columns}")


def large(work: Path, seeds: list[int], limit: float) -> None:
    head("8 years x 300 items x 25 suppliers x 5 tiers: 1.0 % of a proven bound in 30 s wall")
    for seed in seeds:
        result = measure(generated(work / f"large{seed}", seed=seed), work / "out", limit)
        kept = result[0]["gap"] <= 0.01 and (result[1] <= 30.6 or result[2] <= 2 * 30.0)
        row(f"large, seed {seed}", *result, "<= 1.0 %, 30 s or 60 CPU s:", kept)


def small(work: Path, seeds: list[int]) -> None:
    head("2 years x 60 items x 10 suppliers x 4 tiers: 0.05 % in 20 s wall")
    for seed in seeds:
        folder = generated(work / f"small{seed}", years=2, items=60, suppliers=10, tiers=4, seed=seed)
        result = measure(folder, work / "out", 20.0)
        row(f"small, seed {seed}", *result, "<= 0.05 %, 20 s:", result[0]["gap"] <= 5e-4 and result[1] <= 20.4)


def beside(work: Path, seeds: list[int], limit: float) -> None:
    """Tenders of about 500 offers, and 100 sites with 1,000 customers, next to plain HiGHS on the same program."""
    print("\nbeside plain HiGHS (one thread, the same program): cost, gap, CPU s of each")
    tenders = [(f"500 offers, seed {s}", work / f"pair{s}", s) for s in seeds]
    for name, folder, seed in tenders:
        generated(folder, years=2, items=60, suppliers=10, tiers=4, seed=seed)
        _beside(name, folder, work / "out", limit)
    for seed in seeds[:1]:
        _beside(f"100 x 1,000, seed {seed}", sites_and_customers(work / f"sites{seed}", seed=seed), work / "out", limit)


def _beside(name: str, folder: Path, out: Path, limit: float) -> None:
    summary, _, cpu = measure(folder, out, limit, 1e-6)
    cost, bound, alone = highs_alone(folder, limit)
    print(
        f"{name:24} teikei {summary['objective']:16,.2f} {summary['gap']:9.4%} {cpu:7.2f}"
        f"   HiGHS {cost:16,.2f} {(cost - bound) / cost:9.4%} {alone:7.2f}",
        flush=True,
    )


CAPACITATED = ("cap71", "cap72", "cap73", "cap74", "cap131", "cap132", "cap133", "cap134")


def facility(work: Path) -> None:
    head("capacitated facility location (OR-Library), written as tenders: the published optima, each under 1 s (CPU)")
    for name in CAPACITATED:
        folder, optimum = facility_location(work / name, name)
        result = measure(folder, work / "out", 20.0)
        same = abs(result[0]["objective"] - optimum) <= 1e-6 * optimum
        row(name, *result, f"{optimum:.3f}, 1 CPU s:", same and result[2] < 1.0)


def ctqd(work: Path) -> None:
    head("capacitated total quantity discount files (no published optima): solved, gap printed")
    for file in sorted((DATA / "ctqd").glob("*.ctqd")):
        result = measure(total_quantity_discount(work / file.stem, file.stem), work / "out", 30.0)
        row(file.stem, *result, "solved:", result[0]["gap"] < 0.01)


def build_times(work: Path) -> None:
    size, built, whole = build_found(work)
    print(
        f"\nbuild of the large tender (seed 1): {size}; arrays {built:.2f} CPU s, with hand-over to HiGHS {whole:.2f}"
    )
    print(f"bar 0.5 CPU s: {'yes' if whole < 0.5 else 'NO'}")


def build_found(work: Path) -> tuple[str, float, float]:
    """Size of the large tender's program, CPU seconds of its arrays, and with the hand-over to the solver."""
    from teikei.plan.award.model import build, frame_of
    from teikei.plan.award.read import read_tender

    tender = read_tender(generated(work / "build", seed=1))
    begin = time.process_time()
    model = build(frame_of(tender))
    built = time.process_time() - begin
    solver = model.solver()
    whole = time.process_time() - begin
    return f"{solver.getNumCol():,} columns, {solver.getNumRow():,} rows", built, whole


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--only", nargs="+", default=["build", "facility", "small", "large", "ctqd"])
    parser.add_argument("--time-limit", type=float, default=30.0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        if "build" in options.only:
            build_times(work)
        if "facility" in options.only:
            facility(work)
        if "small" in options.only:
            small(work, options.seeds)
        if "large" in options.only:
            large(work, options.seeds, options.time_limit)
        if "ctqd" in options.only:
            ctqd(work)
        if "beside" in options.only:
            beside(work, options.seeds, options.time_limit)


def table_rows(quick: bool) -> Iterator[Row]:
    """Rows for ``python -m benchmarks``; CPU seconds are those of the whole command."""
    from benchmarks.table import Row

    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        size, _, whole = build_found(work)
        yield Row(f"building the program of the large tender ({size})", f"{whole:.2f} s", "0.5 s", whole < 0.5, whole)
        names = CAPACITATED[:3] if quick else CAPACITATED
        found, met = [], True
        for name in names:
            tender, optimum = facility_location(work / name, name)
            summary, _, spent = measure(tender, work / "out", 20.0)
            found.append(spent)
            met &= abs(summary["objective"] - optimum) <= 1e-6 * optimum and spent < 1.0
        title = f"{len(names)} files of facility location (OR-Library) as tenders, the whole command"
        told = f"slowest {max(found):.2f} s"
        yield Row(title, told, "the published optima, each under 1 s", met, sum(found))
        tender = generated(work / "small", years=2, items=60, suppliers=10, tiers=4, seed=1)
        summary, wall, spent = measure(tender, work / "out", 20.0)
        title = "tender of 2 years x 60 items x 10 suppliers x 4 tiers: gap"
        told, kept = f"{summary['gap']:.3%} in {wall:.1f} s wall", summary["gap"] <= 5e-4 and wall <= 20.4
        yield Row(title, told, "0.05 % in 20 s wall", kept, spent)
        summary, wall, spent = measure(generated(work / "large", seed=1), work / "out", 30.0)
        title = "tender of 8 years x 300 items x 25 suppliers x 5 tiers: gap"
        told, kept = f"{summary['gap']:.2%} in {wall:.1f} s wall", summary["gap"] <= 0.01 and wall <= 30.6
        yield Row(title, told, "1.0 % in 30 s wall", kept, spent)


if __name__ == "__main__":
    main()
