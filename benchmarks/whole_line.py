"""The command line as a user meets it: help, checks, and the shipped study from its tables to the report.

    python benchmarks/whole_line.py [--study examples/nissan-honda] [--out RUN]

Bars: help under 0.3 CPU s; planning under 60 s wall on two cores; the gap of every coalition at every rung at most 1 %
of its saving. Times of the run are read from its own run.json, gaps from its tables.
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

import polars as pl

if TYPE_CHECKING:
    from benchmarks.table import Row

ROOT = Path(__file__).resolve().parents[1]
TEIKEI = [sys.executable, "-c", "from teikei.cli import main; main()"]
HELP_BAR_S, PLANNING_BAR_S, GAP_BAR = 0.3, 60.0, 0.01
RUN = "run-of-the-line"
"""Name of the run within the folder that the benchmarks of one table share; page_load shows it to its users."""


def command(*arguments: str) -> tuple[float, float]:
    """Wall and CPU seconds of one command in a process of its own; raises where it does not end with 0."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    subprocess.run([*TEIKEI, *arguments], check=True, env=environment, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.perf_counter() - began, spent


def gaps(run: Path) -> tuple[float, str, float, int]:
    """Largest gap over saving, where it is, the same of all companies at their last rung, and how many were solved."""
    meta = json.loads((run / "run.json").read_text("utf-8"))
    costs = pl.read_parquet(run / "tables" / "cost_by_rung.parquet")
    first = dict(costs.filter(pl.col("rung") == meta["rungs"][0]).select("coalition", "value").iter_rows())
    rows = costs.filter((pl.col("rung") != meta["rungs"][0]) & (pl.col("status") != "not evaluated"))
    shares: dict[tuple[str, str], float] = {}
    for coalition, rung, value, gap in rows.select("coalition", "rung", "value", "gap").iter_rows():
        saving = first[coalition] - value
        if saving > 0:
            shares[coalition, rung] = gap / saving
    if not shares:
        return 0.0, "nowhere", 0.0, rows.height
    worst = max(shares, key=lambda key: shares[key])
    grand = [share for (coalition, _), share in shares.items() if coalition == "+".join(meta["companies"])]
    return shares[worst], f"{worst[0]} at {worst[1]}", grand[-1] if grand else float("nan"), rows.height


def table_rows(quick: bool) -> Iterator[Row]:
    """Rows for ``python -m benchmarks``; with ``quick`` of the small study."""
    from benchmarks.table import work_folder

    with work_folder() as folder:
        yield from _rows(ROOT / "examples" / ("kit-supply" if quick else "nissan-honda"), folder / RUN)


def _rows(study: Path, out: Path) -> Iterator[Row]:
    from benchmarks.table import Row

    tries = [command("--help")[1] for _ in range(3)]
    yield Row("teikei --help, best of three", f"{min(tries):.2f} s", "0.3 s", min(tries) <= HELP_BAR_S, sum(tries))
    _, spent = command("check", str(study))
    yield Row(f"teikei check examples/{study.name}", f"{spent:.1f} s", "no bar", None, spent)
    wall, spent = command("run", str(study), "--out", str(out))
    memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    title = f"teikei run examples/{study.name}: tables to report"
    told = f"{wall:.0f} s wall, {spent:.0f} CPU s, at most {memory:.0f} MiB a process"
    yield Row(title, told, "no bar", None, spent)
    steps = json.loads((out / "run.json").read_text("utf-8"))["seconds"]
    planning = steps["Planning"]
    title = "planning of it, every coalition at every rung"
    yield Row(title, f"{planning:.0f} s wall", "60 s on two cores", planning <= PLANNING_BAR_S, 0.0)
    worst, where, grand, count = gaps(out)
    title = f"largest gap of {count} plans as a share of the saving, {where}"
    told = f"{worst:.1%}; all companies at the last rung {grand:.1%}"
    yield Row(title, told, f"{GAP_BAR:.0%}", worst <= GAP_BAR, 0.0)


def main() -> None:
    """Prints the rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--study", type=Path, default=ROOT / "examples" / "nissan-honda")
    parser.add_argument("--out", type=Path, help="keep the run here")
    asked = parser.parse_args()
    sys.path.insert(0, str(ROOT))
    with tempfile.TemporaryDirectory() as folder:
        for row in _rows(asked.study, asked.out or Path(folder) / RUN):
            print(f"{row.claim:78} {row.measured:50} {row.against:20} {row.verdict:>4}")


if __name__ == "__main__":
    main()
