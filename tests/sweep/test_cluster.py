"""A Dask cluster gives the numbers of local processes: in one machine, and with workers joined over TCP."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from teikei.errors import StudyError
from teikei.sweep import SweepStoppedError, executors
from teikei.sweep.conduct import Tally, compute
from teikei.sweep.executors import ONE_THREAD, workers
from teikei.sweep.files import Shelf
from tests.sweep.test_nothing_lost import ROOT, numbers, quiet, undisturbed
from tests.sweep.tiny import busy, many

distributed = pytest.importorskip("distributed")


@pytest.fixture
def programs() -> Iterator[list[subprocess.Popen[bytes]]]:
    """Programs that a test starts; each is ended by its own handle."""
    running: list[subprocess.Popen[bytes]] = []
    yield running
    for program in reversed(running):
        program.terminate()
        try:
            program.wait(20)
        except subprocess.TimeoutExpired:
            program.kill()
            program.wait(20)


def begin(arguments: list[str], programs: list[subprocess.Popen[bytes]], log: Path) -> subprocess.Popen[bytes]:
    environment = {**os.environ, **ONE_THREAD, "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)])}
    with log.open("wb") as file:
        program = subprocess.Popen([sys.executable, "-m", *arguments], env=environment, stdout=file, stderr=file)
    programs.append(program)
    return program


def scheduler(programs: list[subprocess.Popen[bytes]], tmp_path: Path) -> str:
    """Starts a scheduler on a free port of this machine and gives its address."""
    log = tmp_path / "scheduler.log"
    begin(["distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard"], programs, log)
    return wait_for(log, r"Scheduler at:\s+(tcp://127\.0\.0\.1:\d+)")


def worker(address: str, programs: list[subprocess.Popen[bytes]], log: Path) -> subprocess.Popen[bytes]:
    arguments = ["distributed.cli.dask_worker", address, "--nthreads", "1", "--no-dashboard", "--host", "127.0.0.1"]
    arguments += ["--local-directory", str(log.parent)]
    return begin(arguments, programs, log)


def wait_for(log: Path, pattern: str, seconds: float = 60) -> str:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = re.search(pattern, log.read_text("utf-8", errors="replace")) if log.exists() else None
        if found:
            return found.group(found.lastindex or 0)
        time.sleep(0.1)
    raise AssertionError(log.read_text("utf-8"))


def test_local_cluster_gives_the_numbers_of_processes(tmp_path: Path) -> None:
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None, processes=True) as local,
        workers(cluster=local.scheduler_address) as crew,
    ):
        assert crew.count == 2
        compute(many(60), b"0.005", Shelf(tmp_path), crew, quiet, Tally(), busy)
    assert numbers(Shelf(tmp_path), list(many(60))) == undisturbed(60)


def test_workers_joined_over_tcp_give_the_same_numbers_and_one_may_be_killed(
    tmp_path: Path, programs: list[subprocess.Popen[bytes]]
) -> None:
    address = scheduler(programs, tmp_path)
    joined = [worker(address, programs, tmp_path / f"worker{number}.log") for number in range(2)]
    for number in range(2):
        wait_for(tmp_path / f"worker{number}.log", r"Registered to:")
    shelf, killed = Shelf(tmp_path), []

    def kill_one(_text: str, fraction: float) -> None:
        if fraction > 0.3 and not killed:
            joined[0].kill()
            killed.append(joined[0].pid)

    with workers(cluster=address) as crew:
        compute(many(60), b"0.02", shelf, crew, kill_one, Tally(), busy)
    assert killed
    assert numbers(shelf, list(many(60))) == undisturbed(60)


def test_cluster_without_teikei_is_told_what_to_install(
    tmp_path: Path, programs: list[subprocess.Popen[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    address = scheduler(programs, tmp_path)
    worker(address, programs, tmp_path / "worker.log")
    wait_for(tmp_path / "worker.log", r"Registered to:")
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "only_here.py").write_text("def work(blob, samples):\n    return []\n", "utf-8")
    work = __import__("only_here").work
    with workers(cluster=address) as crew, pytest.raises(SweepStoppedError, match="same teikei"):
        compute(many(2), b"", Shelf(tmp_path), crew, quiet, Tally(), work)


def test_cluster_that_does_not_answer_is_told_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(executors, "ANSWER_SECONDS", 1)
    with pytest.raises(SweepStoppedError, match="no Dask scheduler answers"), workers(cluster="tcp://127.0.0.1:9"):
        pass


def test_without_dask_the_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(StudyError, match="pip install"), workers(cluster="tcp://127.0.0.1:9"):
        pass


@pytest.mark.slow
def test_commands_of_the_page_on_clusters_give_the_numbers_of_one_machine(
    tmp_path: Path, programs: list[subprocess.Popen[bytes]]
) -> None:
    """The three commands as the page prints them, on a free port; then the same sweep without a cluster."""
    page = (ROOT / "docs" / "how-to" / "cluster.md").read_text("utf-8")
    block = re.search(r'```text title="one machine"\n(.*?)```', page, re.S)
    assert block is not None
    start, join, sweep = block.group(1).strip().splitlines()
    begin(["dask", *start.replace("--port 8786", "--port 0").split()[1:]], programs, tmp_path / "scheduler.log")
    address = wait_for(tmp_path / "scheduler.log", r"Scheduler at:\s+(tcp://127\.0\.0\.1:\d+)")
    words = join.replace("tcp://127.0.0.1:8786", address).split()
    assert {word for word in words if "=" in word} <= {f"{name}=1" for name in ONE_THREAD}
    begin(["dask", *words[words.index("dask") + 1 :]], programs, tmp_path / "workers.log")
    wait_for(tmp_path / "workers.log", r"Registered to:")
    arguments = sweep.replace("tcp://127.0.0.1:8786", address).split()[1:]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    found = []
    for given in (arguments, [*arguments[: arguments.index("--cluster")], "--out", "kit-local"]):
        command = [sys.executable, "-c", "from teikei.cli import main; main()", *given]
        subprocess.run(command, env=environment, cwd=tmp_path, check=True, timeout=1200, capture_output=True)
        folder = tmp_path / ("kit-cluster" if "--cluster" in given else "kit-local")
        found.append({path.name: path.read_bytes() for path in (folder / "samples").rglob("*.json")})
    assert found[0] == found[1]
    assert found[0]
