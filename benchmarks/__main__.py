"""Runs the benchmarks, each in a process of its own, and prints one table: claim, measured, bar or peer, met, CPU s.

    python -m benchmarks [--only NAME ...] [--quick] [--list] [--peers PYTHON ...] [--write docs/benchmarks.md]

All of them take under 15 minutes on two cores that are free; --quick takes about three and measures less. --peers names
interpreters of environments that hold pyblp, FASTSim or pyomo (each pins versions of its own, see the head of
market_oracle.py, fastsim_reference.py and plan.py); .venv-oracle is looked into anyway. A benchmark whose peer is not
there says so. Exit code 1 where a benchmark failed or was stopped; a bar that is not met is a result, not a failure.
"""

from __future__ import annotations

import argparse
import importlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.page import write_page
from benchmarks.table import PEERS, ROOT, WORK, Row, dump, machine, parse


@dataclass(frozen=True, slots=True)
class Benchmark:
    """A benchmark of this folder: what it is about, its own command, and after how many seconds it is stopped."""

    name: str
    about: str
    command: str
    limit_s: float


BENCHMARKS = (
    Benchmark("whole_line", "the command line, and the shipped study from tables to report", "[--out RUN]", 420),
    Benchmark("simulate_speed", "speed of the simulation, beside FASTSim", "[--fastsim PYTHON]", 200),
    Benchmark("accuracy", "accuracy of the simulation, against tests, labels and FASTSim", "", 150),
    Benchmark("plan", "the plan beside general modelling tools, and as it grows", "--only tools warm growth", 300),
    Benchmark("award", "the sourcing optimiser: gaps, published optima, time to build", "[--seeds 1 2 3]", 150),
    Benchmark("split", "splits of large games, schedules, agreement with coopgame-py", "[--peer]", 60),
    Benchmark("market_speed", "speed of market equilibria, beside pyblp", "[--oracle PYTHON]", 60),
    Benchmark("hindcast", "forecasts of the EV share beside naive ones", "", 120),
    Benchmark("sweep_scale", "cost of handing out samples; two workers", "[STUDY]", 180),
    Benchmark("robust", "development settled before volumes are known", "[STUDY] [--rung battery]", 240),
    Benchmark("hostile_input", "damaged studies: a sentence, never a trace", "[--studies 100000]", 150),
    Benchmark("page_load", "fifty users on the page", "--run RUN [--seconds 60]", 90),
)


def present() -> tuple[Benchmark, ...]:
    """Benchmarks whose file is there and has rows for the table."""
    files = {path.stem: path.read_text("utf-8") for path in Path(__file__).parent.glob("*.py")}
    return tuple(one for one in BENCHMARKS if "def table_rows(" in files.get(one.name, ""))


def main() -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    names = [one.name for one in present()]
    parser.add_argument("--only", nargs="+", metavar="NAME", choices=names, default=names, help=", ".join(names))
    parser.add_argument("--list", action="store_true", help="say what there is, run nothing")
    parser.add_argument("--quick", action="store_true", help="smaller cases")
    parser.add_argument("--peers", nargs="+", metavar="PYTHON", default=[], help="interpreters that hold peers")
    parser.add_argument("--write", type=Path, metavar="PAGE", help="write the table as a page of the documentation")
    parser.add_argument("--one", help=argparse.SUPPRESS)  # what a process of its own is told: which benchmark
    parser.add_argument("--rows", type=Path, help=argparse.SUPPRESS)  # and where its rows go
    asked = parser.parse_args()
    if asked.one:
        return run_here(asked.one, asked.quick, asked.rows)
    chosen = [one for one in present() if one.name in asked.only]
    if asked.list:
        for one in chosen:
            print(f"{one.name:16} {one.about}\n{'':16} python benchmarks/{one.name}.py {one.command}".rstrip())
        return 0
    if asked.peers:
        os.environ[PEERS] = os.pathsep.join(str(Path(python).absolute()) for python in asked.peers)
    about = machine()
    found, failed = run_all(chosen, asked.quick, about)
    if asked.write:
        write_page(asked.write, found, {one.name: one.about for one in chosen}, about, asked.quick)
        print(f"Written: {asked.write}")
    return int(failed)


def run_here(name: str, quick: bool, target: Path) -> int:
    """One benchmark in this process; every row is kept as soon as it is known."""
    sys.path.insert(0, str(Path(__file__).parent))
    with target.open("a", encoding="utf-8") as file:
        for row in importlib.import_module(f"benchmarks.{name}").table_rows(quick):
            file.write(dump([row]))
            file.flush()
    return 0


def run_all(chosen: list[Benchmark], quick: bool, about: dict[str, str]) -> tuple[dict[str, list[Row]], bool]:
    """Rows by benchmark, printed as they come; and whether any benchmark failed."""
    print(f"{about['machine']}; {about['versions']}; {about['date']}; load when started {about['load']}")
    print('Wall seconds ("s wall") mean something only where nothing else runs; CPU seconds are comparable.\n')
    print(f"{'claim':66}{'measured':46}{'bar or peer':46}{'met':>4}{'CPU s':>8}")
    found: dict[str, list[Row]] = {}
    failed, began = False, time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        os.environ[WORK] = folder
        for one in chosen:
            print(f"{one.name}: {one.about}", flush=True)
            rows, trouble = run_apart(one, quick, Path(folder) / f"{one.name}.jsonl")
            found[one.name] = rows
            failed |= trouble
            for row in rows:
                show(row)
    every = [row for rows in found.values() for row in rows]
    missed = sum(row.met is False for row in every)
    print(
        f"\n{len(every)} rows in {time.perf_counter() - began:.0f} s wall, {sum(r.cpu_s for r in every):.0f} CPU s; "
        f"{sum(row.met is True for row in every)} bars met, {missed} not met"
    )
    return found, failed


def run_apart(one: Benchmark, quick: bool, target: Path) -> tuple[list[Row], bool]:
    """Rows of one benchmark in a process of its own, stopped after its limit; and whether anything went wrong."""
    command = [sys.executable, "-m", "benchmarks", "--one", one.name, "--rows", str(target)]
    path = os.pathsep.join([str(ROOT / "src"), str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    said = target.with_suffix(".txt")
    with said.open("w", encoding="utf-8") as out:
        process = subprocess.Popen(
            command + ["--quick"] * quick, cwd=ROOT, env={**os.environ, "PYTHONPATH": path}, stdout=out, stderr=out,
            start_new_session=True,
        )  # fmt: skip
        trouble = ""
        try:
            if process.wait(one.limit_s):
                trouble = f"ended with {process.returncode}: {last_line(said)}"
        except subprocess.TimeoutExpired:
            trouble = f"stopped after {one.limit_s:.0f} s"
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
    rows = parse(target.read_text("utf-8")) if target.exists() else []
    if trouble:
        rows.append(Row(f"{one.name}: the rest", trouble, "", False, 0.0))
    return rows, bool(trouble)


def last_line(path: Path) -> str:
    """What a benchmark that failed said last."""
    return next((line for line in reversed(path.read_text("utf-8").splitlines()) if line.strip()), "nothing said")


def show(row: Row) -> None:
    """One row, wrapped within its columns."""
    import textwrap

    cells = [
        textwrap.wrap(text, width) or [""] for text, width in ((row.claim, 62), (row.measured, 44), (row.against, 44))
    ]
    for number in range(max(map(len, cells))):
        claim, measured, against = (cell[number] if number < len(cell) else "" for cell in cells)
        end = f"{row.verdict:>4}{row.cpu_s:>8.1f}" if number == 0 else ""
        print(f"  {claim:64}{measured:46}{against:46}{end}".rstrip(), flush=True)


if __name__ == "__main__":
    sys.exit(main())
