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
from collections.abc import Callable
from pathlib import Path

import numpy as np
from tests.simulate.fleet import fleet

from teikei.simulate import fast_kernel, kernels
from teikei.simulate.cycles import Cycle, cycle
from teikei.simulate.fleet import Fleet, batch, plain


def memory_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0


def import_seconds() -> None:
    """CPU seconds of importing the stage in a fresh interpreter, and whether that imports the compiler."""
    code = (
        "import time, sys; start = time.process_time(); import teikei.simulate; "
        "print(time.process_time() - start, 'numba' in sys.modules)"
    )
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    print(f"import of teikei.simulate: {float(output[0]):.2f} CPU s; imports the compiler: {output[1]}")


def million_in_memory() -> None:
    """A million (car, cycle) pairs, first of all, so that the peak is theirs."""
    before = memory_mb()
    million = fleet(1_000_000 // 3)
    loaded = memory_mb()
    results = [batch(million, cycle(name)) for name in ("udds", "hwfet", "wltc_japan")]
    size = sum(result.nbytes for result in results) / 2**20
    print(
        f"a million (car, cycle): peak memory {memory_mb() - before:,.0f} MB over the start, of which inputs "
        f"{loaded - before:,.0f} and results {size:,.0f} (bar 512 above the results)"
    )


def two_cores(cars: Fleet, rounds: int = 12) -> None:
    """One thread and two in turn, best of several rounds each, since other work on the machine only ever adds.

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
    print(
        f"two threads / one, {len(cars):,} cars, best of {rounds}: wall {wall[1] / wall[2]:.2f} (bar 1.8; load average "
        f"{os.getloadavg()[0]:.1f} on {os.cpu_count()} cores); CPU seconds {processor[1]:.2f} and {processor[2]:.2f}, "
        f"{100 * free[0]:.0f}-{100 * free[1]:.0f} % in loops "
        f"without a lock: at least {lower:.2f} to {upper:.2f} on free cores"
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
        trace = cycle(name)
        start = time.process_time()
        totals = batch(cars, trace)
        fast = count / (time.process_time() - start)
        sample = np.arange(0, count, max(count // 2000, 1))
        start = time.process_time()
        exact = plain(cars.cars(sample), trace)
        slow = len(sample) / (time.process_time() - start)
        error = np.abs(totals[sample, 7] / exact[:, 7] - 1).max()
        limited = float((totals[sample] == exact).all(axis=1).mean())
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
        script = Path(__file__).parent / "fastsim_reference.py"
        output = subprocess.run(
            [python, str(script), "--speed", "5"], capture_output=True, text=True, check=True
        ).stdout
        print(f"FASTSim 3.1, same run: {json.loads(output)['udds_per_cpu_second']:,.1f} UDDS / CPU s")
    else:
        print("FASTSim 3.1: no environment found (see benchmarks/fastsim_reference.py)")


if __name__ == "__main__":
    main()
