"""UDDS simulations per CPU second, totals only, full model; FASTSim 3.1 beside it in the same run.

    PYTHONPATH=src:. python benchmarks/simulate_speed.py [--fastsim .venv-oracle/bin/python] [--cars 200000]

Full model: two-dimensional loss tables (bilinear), internal-resistance battery with its state of charge, regeneration
with fade and limits, auxiliaries. Every car has its own mass, road load, auxiliaries; 64 powertrains and 16 packs.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from tests.simulate.fleet import fleet

from teikei.simulate import fast_kernel, kernels
from teikei.simulate.cycles import Cycle, cycle
from teikei.simulate.fleet import Fleet, batch, plain

if TYPE_CHECKING:
    from benchmarks.table import Row


def memory_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0


def import_seconds() -> None:
    """CPU seconds of importing the stage in a fresh interpreter, and whether that imports the compiler."""
    seconds, compiles = import_found()
    print(f"import of teikei.simulate: {seconds:.2f} CPU s; imports the compiler: {compiles}")


def import_found() -> tuple[float, bool]:
    code = (
        "import time, sys; start = time.process_time(); import teikei.simulate; "
        "print(time.process_time() - start, 'numba' in sys.modules)"
    )
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    return float(output[0]), output[1] == "True"


def million_in_memory() -> None:
    peak, inputs, results = million_found()
    print(
        f"a million (car, cycle): peak memory {peak:,.0f} MB over the start, of which inputs {inputs:,.0f} and results "
        f"{results:,.0f} (bar 512 above the results)"
    )


def million_found() -> tuple[float, float, float]:
    """Megabytes of a million (car, cycle) pairs, first of all, so that the peak is theirs: peak, inputs, results."""
    before = memory_mb()
    million = fleet(1_000_000 // 3)
    loaded = memory_mb()
    results = [batch(million, cycle(name)) for name in ("udds", "hwfet", "wltc_japan")]
    size = sum(result.nbytes for result in results) / 2**20
    return memory_mb() - before, loaded - before, size


def two_threads(cars: Fleet, rounds: int) -> tuple[float, dict[int, float], tuple[float, float]]:
    """Wall time of one thread over that of two, CPU seconds of both, least and most gain on free cores.

    One thread and two in turn, best of several rounds each, since other work on the machine only ever adds.

    Where the cores are not free the wall time shows nothing; the CPU seconds still say what two free ones would give:
    compiled loops hold no lock and split, the rest is taken as serial (a lower bound: large numpy calls split as well).
    """
    trace = cycle("udds")
    wall, processor = {1: np.inf, 2: np.inf}, {1: np.inf, 2: np.inf}
    for _ in range(rounds):
        for threads in (1, 2):
            start, used = time.perf_counter(), time.process_time()
            batch(cars, trace, threads=threads)
            wall[threads] = min(wall[threads], time.perf_counter() - start)
            processor[threads] = min(processor[threads], time.process_time() - used)
    free = min(split_share(cars, trace) for _ in range(3)), max(split_share(cars, trace) for _ in range(3))
    more = processor[2] / processor[1]
    lower, upper = (1.0 / ((1.0 - share) + more * share / 2.0) for share in free)
    return wall[1] / wall[2], processor, (lower, upper)


def two_cores(cars: Fleet, rounds: int = 12) -> None:
    ratio, processor, (lower, upper) = two_threads(cars, rounds)
    print(
        f"two threads / one, {len(cars):,} cars, best of {rounds}: wall {ratio:.2f} (bar 1.8; load average "
        f"{os.getloadavg()[0]:.1f} on {os.cpu_count()} cores); CPU seconds {processor[1]:.2f} and {processor[2]:.2f}; "
        f"at least {lower:.2f} to {upper:.2f} on free cores"
    )


def split_share(cars: Fleet, trace: Cycle) -> float:
    """Part of the CPU seconds of ``batch`` in compiled loops that release the interpreter's lock."""
    spent = [0.0]
    loops = [(fast_kernel, name) for name in ("lanes", "cells", "touches")] + [(kernels, "cycle_totals")]
    kept = [(module, name, getattr(module, name)) for module, name in loops]

    def timed(function: Callable[..., None]) -> Callable[..., None]:
        def call(*arguments: object) -> None:
            start = time.thread_time()
            function(*arguments)
            spent[0] += time.thread_time() - start

        return call

    for module, name, function in kept:
        setattr(module, name, timed(function))
    try:
        start = time.process_time()
        batch(cars, trace)
        return spent[0] / (time.process_time() - start)
    finally:
        for module, name, function in kept:
            setattr(module, name, function)


def rates(cars: Fleet, name: str) -> tuple[float, float, float, float]:
    """Simulations per CPU second, fast and plain, largest difference of energy, share of cars at a limit."""
    count, trace = len(cars), cycle(name)
    start = time.process_time()
    totals = batch(cars, trace)
    fast = count / (time.process_time() - start)
    sample = np.arange(0, count, max(count // 2000, 1))
    start = time.process_time()
    exact = plain(cars.cars(sample), trace)
    slow = len(sample) / (time.process_time() - start)
    error = float(np.abs(totals[sample, 7] / exact[:, 7] - 1).max())
    return fast, slow, error, float((totals[sample] == exact).all(axis=1).mean())


def fastsim_rate(python: str) -> float:
    """UDDS simulations per CPU second of FASTSim, run by the interpreter ``python``."""
    command = [python, str(Path(__file__).parent / "fastsim_reference.py"), "--speed", "5"]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return float(json.loads(output)["udds_per_cpu_second"])


def table_rows(quick: bool) -> Iterator[Row]:
    """Rows for ``python -m benchmarks``."""
    from benchmarks.table import Row, Stopwatch, not_installed, version_in, with_package

    batch(fleet(500), cycle("udds"))
    plain(fleet(50), cycle("udds"))
    watch = Stopwatch()
    peak, _, results = million_found()
    title = "a million (car, cycle) pairs: memory above the results"
    yield Row(title, f"{peak - results:,.0f} MB", "512 MB", peak - results <= 512, watch.lap())
    seconds, compiles = import_found()
    told = f"{seconds:.2f} s, {'imports' if compiles else 'does not import'} the compiler"
    yield Row("import of teikei.simulate", told, "does not compile", not compiles, watch.lap())
    cars = fleet(50_000 if quick else 200_000)
    found = {name: rates(cars, name) for name in ("udds", "hwfet", "wltc_class3b")}
    fast = found["udds"][0]
    title = f"UDDS simulations a CPU second, full model, {len(cars):,} cars"
    yield Row(title, f"{fast:,.0f} (plain kernel {found['udds'][1]:,.0f})", "200,000", fast >= 200_000, watch.lap())
    worst = max(found, key=lambda name: found[name][2])
    error = found[worst][2]
    title = "energy against the plain kernel, three cycles: largest difference"
    yield Row(title, f"{100 * error:.4f} % ({worst})", "0.1 %", error <= 0.001, watch.lap())
    ratio, _, (lower, _) = two_threads(cars, 4 if quick else 12)
    told = f"{ratio:.2f} times wall; at least {lower:.2f} by CPU time where both cores are free"
    yield Row("two threads against one, best of several", told, "1.8", ratio >= 1.8, watch.lap())
    python = with_package("fastsim")
    if python is None:
        yield not_installed("the same beside FASTSim", "FASTSim")
        return
    theirs = fastsim_rate(python)
    peer = f"{version_in(python, 'fastsim')}, its own model: {theirs:,.1f}"
    title = "UDDS simulations a CPU second beside FASTSim in the same run"
    yield Row(title, f"{fast / theirs:,.0f} times as many", peer, None, watch.lap())


def option(name: str, default: str) -> str:
    return sys.argv[sys.argv.index(name) + 1] if name in sys.argv else default


def main() -> None:
    count = int(option("--cars", "200000"))
    batch(fleet(500), cycle("udds"))
    plain(fleet(50), cycle("udds"))
    million_in_memory()
    import_seconds()
    cars = fleet(count)
    print(f"{'cycle':14s}{'sims / CPU s':>14s}{'plain kernel':>14s}{'largest difference':>20s}{'at a limit':>12s}")
    for name in ("udds", "hwfet", "wltc_class3b"):
        fast, slow, error, limited = rates(cars, name)
        print(f"{name:14s}{fast:14,.0f}{slow:14,.0f}{100 * error:18.4f} %{100 * limited:10.1f} %")
    for powertrains in (1000,):
        many = fleet(20_000, powertrains)
        start = time.process_time()
        batch(many, cycle("udds"))
        rate = 20_000 / (time.process_time() - start)
        print(f"udds with {powertrains} powertrains for 20,000 cars: {rate:,.0f} sims / CPU s")
    two_cores(cars)
    python = option("--fastsim", ".venv-oracle/bin/python")
    if Path(python).exists():
        print(f"FASTSim 3.1, same run: {fastsim_rate(python):,.1f} UDDS / CPU s")
    else:
        print("FASTSim 3.1: no environment found (see benchmarks/fastsim_reference.py)")


if __name__ == "__main__":
    main()
