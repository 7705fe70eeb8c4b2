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
from pathlib import Path

import numpy as np
from tests.simulate.fleet import fleet

from teikei.simulate.cycles import cycle
from teikei.simulate.fleet import batch, plain


def memory_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0


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


def option(name: str, default: str) -> str:
    return sys.argv[sys.argv.index(name) + 1] if name in sys.argv else default


def main() -> None:
    count = int(option("--cars", "200000"))
    batch(fleet(500), cycle("udds"))
    plain(fleet(50), cycle("udds"))
    million_in_memory()
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
    walls = []
    for threads in (1, os.cpu_count() or 1):
        start = time.perf_counter()
        batch(cars, cycle("udds"), threads=threads)
        walls.append(count / (time.perf_counter() - start))
        print(f"{threads} thread(s): {walls[-1]:,.0f} sims / s of wall time")
    print(f"all cores / one: {walls[-1] / walls[0]:.2f} (bar 1.8; load average {os.getloadavg()[0]:.1f})")
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
