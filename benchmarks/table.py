"""Rows of the table of all benchmarks, and what is said of the machine they were measured on.

Every benchmark has a function ``table_rows(quick: bool) -> Iterator[Row]``; every figure in a row is computed by it.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PEERS = "TEIKEI_BENCHMARK_PEERS"
"""Environment variable: interpreters in which peers that need packages of their own are looked for, by os.pathsep."""
WORK = "TEIKEI_BENCHMARK_WORK"
"""Environment variable: a folder that the benchmarks of one table share (the run of the shipped study)."""
PACKAGES = ("teikei", "highspy", "numpy", "numba", "polars", "scipy")


@dataclass(frozen=True, slots=True)
class Row:
    """One claim with what was measured.

    claim: what is claimed, without the figure; measured: the figure with its unit; against: the bar, or the peer with
    its version and what it reached; met: whether the bar is met, None where there is nothing to meet; cpu_s: CPU
    seconds that measuring it took (of this process, or of those it started).
    """

    claim: str
    measured: str
    against: str
    met: bool | None
    cpu_s: float

    @property
    def verdict(self) -> str:
        """The column ``met`` in words."""
        return "–" if self.met is None else "yes" if self.met else "NO"


class Stopwatch:
    """CPU seconds of this process (and of the processes it has waited for) since the last look."""

    def __init__(self) -> None:
        self._last = self._now()

    @staticmethod
    def _now() -> float:
        spent = os.times()
        return spent.user + spent.system + spent.children_user + spent.children_system

    def lap(self) -> float:
        """CPU seconds since the last lap."""
        now = self._now()
        last, self._last = self._last, now
        return now - last


def with_package(package: str) -> str | None:
    """An interpreter that can import ``package``: this one, one of ``--peers``, or .venv-oracle; None if there is none.

    Peers pin other versions of what teikei needs, so most of them live in an environment of their own.
    """
    named = os.environ.get(PEERS, "")
    usual = str(ROOT / ".venv-oracle" / "bin" / "python")
    for python in [sys.executable, *filter(None, named.split(os.pathsep)), usual]:
        code = f"import importlib.util, sys; sys.exit(importlib.util.find_spec({package!r}) is None)"
        if Path(python).exists() and subprocess.run([python, "-c", code], check=False).returncode == 0:
            return python
    return None


def not_installed(claim: str, package: str) -> Row:
    """The row of a claim whose peer is not there."""
    return Row(claim, "not measured", f"{package} is not installed (see --peers)", None, 0.0)


@contextmanager
def work_folder() -> Iterator[Path]:
    """The folder shared by the benchmarks of one table; one of its own where a benchmark runs by itself."""
    import tempfile

    shared = os.environ.get(WORK)
    if shared:
        yield Path(shared)
    else:
        with tempfile.TemporaryDirectory() as folder:
            yield Path(folder)


def machine() -> dict[str, str]:
    """Processor, cores, system and versions, as this process finds them."""
    model = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
        model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), model)
        gigabytes = f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB of memory"
    except (OSError, ValueError):
        gigabytes = ""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return {
        "date": time.strftime("%Y-%m-%d"),
        "machine": ", ".join(filter(None, (f"{cores} × {model}", gigabytes, platform.system()))),
        "versions": ", ".join([f"Python {platform.python_version()}", *(_version(name) for name in PACKAGES)]),
        "load": f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "unknown",
    }


def _version(package: str) -> str:
    try:
        return f"{package} {version(package)}"
    except PackageNotFoundError:
        return f"{package} (from source)"


def version_in(python: str, package: str) -> str:
    """``package 1.2.3`` as the interpreter ``python`` has it."""
    code = f"from importlib.metadata import version; print(version({package!r}))"
    done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=False)
    return f"{package} {done.stdout.strip()}".strip()


def dump(rows: Sequence[Row]) -> str:
    """Rows as JSON lines."""
    return "".join(
        json.dumps([r.claim, r.measured, r.against, r.met, r.cpu_s], ensure_ascii=False) + "\n" for r in rows
    )


def parse(text: str) -> list[Row]:
    """Rows from JSON lines."""
    return [Row(*json.loads(line)) for line in text.splitlines()]
