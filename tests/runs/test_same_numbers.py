"""The same study gives the same tables to the last bit, in any process and on a cluster."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-c", "from teikei.cli import main; main()", "run", str(ROOT / "examples" / "kit-supply")]


def tables(out: Path, hash_seed: int, *options: str) -> dict[str, pl.DataFrame]:
    """Tables of a run of the small study in a process whose sets have an order of their own."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "PYTHONHASHSEED": str(hash_seed)}
    subprocess.run([*COMMAND, "--out", str(out), *options], check=True, env=environment, capture_output=True)
    return {file.stem: pl.read_parquet(file) for file in (out / "tables").glob("*.parquet")}


def same(first: dict[str, pl.DataFrame], second: dict[str, pl.DataFrame]) -> list[str]:
    """Names of tables that differ."""
    assert set(first) == set(second)
    return [name for name in sorted(first) if not first[name].equals(second[name])]


@pytest.mark.slow
def test_tables_are_equal_to_the_last_bit_in_processes_with_other_hashes(tmp_path: Path) -> None:
    assert same(tables(tmp_path / "one", 1), tables(tmp_path / "two", 2)) == []


@pytest.mark.slow
def test_a_run_on_a_cluster_has_the_tables_of_a_run_on_one_machine(tmp_path: Path) -> None:
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=None) as cluster:
        there = tables(tmp_path / "there", 3, "--cluster", cluster.scheduler_address)
    assert same(tables(tmp_path / "here", 4), there) == []
