"""Nothing is lost: processes are killed for real at random moments, disks are full, files are cut; numbers stay."""

from __future__ import annotations

import errno
import json
import os
import random
import resource
import signal
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from teikei.sweep import executors
from teikei.sweep.conduct import Tally, compute
from teikei.sweep.executors import Processes, ctrl_c, in_order, workers
from teikei.sweep.files import Shelf, digest, write_whole
from teikei.sweep.types import SweepStoppedError
from tests.sweep.tiny import busy, many

ROOT = Path(__file__).parents[2]


def quiet(_text: str, _fraction: float) -> None:
    pass


def numbers(shelf: Shelf, names: list[str]) -> list[object]:
    return [shelf.read(name) for name in names]


def undisturbed(count: int) -> list[object]:
    return [outcome for outcome, _ in busy(b"0", tuple(many(count).values()))]


def finish(folder: Path, count: int, processes: int = 2) -> Tally:
    tally = Tally()
    with workers(processes) as crew:
        compute(many(count), b"0.001", Shelf(folder), crew, quiet, tally, busy)
    return tally


@pytest.fixture
def started(tmp_path: Path) -> Iterator[list[subprocess.Popen[bytes]]]:
    running: list[subprocess.Popen[bytes]] = []
    yield running
    for process in running:
        if process.poll() is None:
            process.kill()
        process.wait(30)


SCRIPT = """
import sys
from pathlib import Path
from teikei.sweep import executors
from teikei.sweep.conduct import Tally, compute
from teikei.sweep.executors import workers
from teikei.sweep.files import Shelf
from tests.sweep.tiny import busy, many

if __name__ == "__main__":
    print("begun", flush=True)
    with workers(2) as crew:
        compute(many(int(sys.argv[2])), b"0.02", Shelf(Path(sys.argv[1])), crew, lambda *_: None, Tally(), busy)
    print("ended", flush=True)
"""


def start(
    folder: Path, count: int, started: list[subprocess.Popen[bytes]], text: str = SCRIPT
) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)])}
    script = folder.parent / "script.py"
    script.write_text(text, "utf-8")
    process = subprocess.Popen(
        [sys.executable, str(script), str(folder), str(count)], env=environment, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip
    started.append(process)
    return process


def kill_main_at_random(tmp_path: Path, started: list[subprocess.Popen[bytes]], times: int, count: int) -> list[int]:
    """Kills the coordinating process again and again while it works; how many files were there after each time."""
    dice = random.Random(times)
    shelf, left = Shelf(tmp_path / "out"), []
    for _ in range(times):
        process = start(tmp_path / "out", count, started)
        before = len(list(shelf.folder.glob("*/*.json")))
        deadline = time.monotonic() + 60
        while len(list(shelf.folder.glob("*/*.json"))) <= before and process.poll() is None:
            assert time.monotonic() < deadline
            time.sleep(0.005)
        time.sleep(dice.random() * 0.15)
        process.send_signal(signal.SIGKILL)
        process.wait(30)
        left.append(len(list(shelf.folder.glob("*/*.json"))))
    return left


def test_sweep_whose_main_process_is_killed_ends_with_the_same_numbers(
    tmp_path: Path, started: list[subprocess.Popen[bytes]]
) -> None:
    left = kill_main_at_random(tmp_path, started, 3, 200)
    assert left == sorted(left)
    tally = finish(tmp_path / "out", 200)
    assert tally.kept >= left[-1] > 0  # nothing that was there was computed again
    assert tally.kept + tally.computed == 200
    assert numbers(Shelf(tmp_path / "out"), list(many(200))) == undisturbed(200)


@pytest.mark.slow
def test_sweep_killed_thirty_times_ends_with_the_same_numbers(
    tmp_path: Path, started: list[subprocess.Popen[bytes]]
) -> None:
    kill_main_at_random(tmp_path, started, 30, 2000)
    finish(tmp_path / "out", 2000)
    assert numbers(Shelf(tmp_path / "out"), list(many(2000))) == undisturbed(2000)


def children(parent: int) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rsplit(")", 1)[1].split()
            except OSError:
                continue
            if int(fields[1]) == parent:
                found.append(int(entry.name))
    return found


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads /proc")
def test_workers_do_not_outlive_a_killed_main_process(tmp_path: Path, started: list[subprocess.Popen[bytes]]) -> None:
    process = start(tmp_path / "out", 5000, started)
    deadline = time.monotonic() + 60
    while not list((tmp_path / "out").glob("samples/*/*.json")) and time.monotonic() < deadline:
        time.sleep(0.02)
    orphans = children(process.pid)
    assert len(orphans) >= 2
    process.send_signal(signal.SIGKILL)
    process.wait(30)
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and any(Path(f"/proc/{orphan}").exists() for orphan in orphans):
        time.sleep(0.05)
    assert not [orphan for orphan in orphans if Path(f"/proc/{orphan}").exists()]


def kill_workers(crew: Processes, shelf: Shelf, stop: threading.Event, killed: list[int], times: int) -> None:
    """Kills a random worker once work has gone on since the last time; only ever processes that this pool started."""
    dice, seen = random.Random(times), 0
    while not stop.wait(0.05 * dice.random()) and len(killed) < times:
        there = len(list(shelf.folder.glob("*/*.json")))
        pool = crew._pool
        processes = list((getattr(pool, "_processes", None) or {}).values()) if pool is not None else []
        if processes and there > seen:
            seen = there
            victim = dice.choice(processes)
            victim.kill()
            killed.append(victim.pid)


@pytest.mark.parametrize(("count", "times"), [(150, 3), pytest.param(1500, 30, marks=pytest.mark.slow)])
def test_workers_killed_at_random_moments_are_replaced_and_numbers_stay(tmp_path: Path, count: int, times: int) -> None:
    stop, killed, tally = threading.Event(), [], Tally()
    with workers(2) as crew:
        assert isinstance(crew, Processes)
        killer = threading.Thread(target=kill_workers, args=(crew, Shelf(tmp_path), stop, killed, times))
        killer.start()
        try:
            compute(many(count), b"0.02", Shelf(tmp_path), crew, quiet, tally, busy)
        finally:
            stop.set()
            killer.join()
    assert len(killed) == times
    assert tally.deaths
    assert not tally.given_up
    assert numbers(Shelf(tmp_path), list(many(count))) == undisturbed(count)


def deadly(blob: bytes, samples: tuple[object, ...]) -> list[object]:
    """Work that kills its own worker for one of the samples."""
    if any(dict(sample.quantiles)["a"] < float(blob) for sample in samples):  # type: ignore[attr-defined]
        os.kill(os.getpid(), signal.SIGKILL)
    return busy(b"0.001", samples)  # type: ignore[arg-type,return-value]


def test_sample_that_kills_every_worker_is_given_up_and_all_others_are_computed(tmp_path: Path) -> None:
    tally, named = Tally(), many(12)
    with workers(2) as crew:
        compute(named, b"0.05", Shelf(tmp_path), crew, quiet, tally, deadly)
    assert list(tally.given_up) == [next(iter(named))]
    assert [outcome is not None for outcome in numbers(Shelf(tmp_path), list(named))] == [False, *[True] * 11]


def half_told(blob: bytes, samples: tuple[object, ...]) -> list[object]:
    """Work whose worker dies amid sending a result, once for each file named in ``blob``, holding the others' turn."""
    for mark in map(Path, blob.decode().split("|")):
        if not mark.exists():
            mark.touch()
            frame = sys._getframe()
            while "result_queue" not in frame.f_locals and frame.f_back is not None:
                frame = frame.f_back
            queue = frame.f_locals["result_queue"]
            queue._wlock.acquire()
            os.write(queue._writer.fileno(), struct.pack("!i", 1_000_000) + b"begun")
            os.kill(os.getpid(), signal.SIGKILL)
    return busy(b"0.001", samples)  # type: ignore[arg-type,return-value]


@pytest.mark.skipif(sys.platform == "win32", reason="speaks the pipe's own language")
@pytest.mark.parametrize("times", [1, 3])
def test_worker_that_dies_amid_sending_a_result_stops_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    monkeypatch.setattr(executors, "PATIENCE_SECONDS", 0.3)
    tally = Tally()
    before = threading.active_count()
    with workers(2) as crew:
        marks = "|".join(str(tmp_path / f"mark{number}") for number in range(times))
        compute(many(12), marks.encode(), Shelf(tmp_path), crew, quiet, tally, half_told)
    assert tally.deaths
    assert len(list(tmp_path.glob("mark*"))) == times
    assert not tally.given_up
    assert numbers(Shelf(tmp_path), list(many(12))) == undisturbed(12)
    assert threading.active_count() == before  # the pool's own threads have ended: nothing to wait for at the end


def test_ctrl_c_is_noted_where_locks_are_held_and_heeded_where_nothing_is_half_done() -> None:
    with ctrl_c() as noted:
        os.kill(os.getpid(), signal.SIGINT)
        assert noted.asked
        with pytest.raises(KeyboardInterrupt):
            noted.heed()
        noted.heed()  # once
        os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):  # pressed twice: at once
            os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def dies_once(job: tuple[str, int]) -> int:
    """Work that kills its worker the first time it is done."""
    mark = Path(job[0]) / f"{job[1]}"
    if job[1] % 2 and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return 10 * job[1]


def dies(_job: int) -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return 0


def test_jobs_come_back_in_their_order_though_workers_die(tmp_path: Path) -> None:
    with workers(2) as crew:
        assert list(in_order(crew, dies_once, [(str(tmp_path), number) for number in range(6)])) == [
            0,
            10,
            20,
            30,
            40,
            50,
        ]


def test_job_that_kills_every_worker_ends_with_a_sentence() -> None:
    with workers(1) as crew, pytest.raises(SweepStoppedError, match="again and again"):
        list(in_order(crew, dies, [1]))


def test_ctrl_c_ends_jobs_under_way_without_waiting_for_them() -> None:
    began = time.monotonic()
    with workers(1) as crew:
        crew.noted.asked = True
        with pytest.raises(KeyboardInterrupt):
            list(in_order(crew, time.sleep, [60.0]))
    assert time.monotonic() - began < 50


INTERRUPTED = SCRIPT.replace('b"0.02"', 'b"0.02" + b" " * 2_000_000')  # far more than a pipe holds


@pytest.mark.slow
def test_twenty_ctrl_c_at_random_moments_each_end_in_seconds_and_numbers_stay(
    tmp_path: Path, started: list[subprocess.Popen[bytes]]
) -> None:
    """Without the command line, which leaves at once: here the interpreter waits for every thread of the pool."""
    dice, ended = random.Random(20), []
    for turn in range(20):
        process = start(tmp_path / "out", 4000, started, INTERRUPTED)
        assert process.stdout is not None
        process.stdout.readline()
        shelf = Shelf(tmp_path / "out")
        if turn % 2:  # amid the work; else at any moment, also while workers start
            before, deadline = len(list(shelf.folder.glob("*/*.json"))), time.monotonic() + 60
            while len(list(shelf.folder.glob("*/*.json"))) <= before and time.monotonic() < deadline:
                time.sleep(0.005)
        time.sleep(dice.random() * (0.3 if turn % 2 else 2.0))
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to the whole group
        _, said = process.communicate(timeout=60)
        assert process.returncode != 0
        assert b"SpawnProcess" not in said  # workers never see it, not even while they start
        assert not list(shelf.folder.rglob("*.part"))
        ended.append(len(list(shelf.folder.glob("*/*.json"))))
    assert ended == sorted(ended)
    finish(tmp_path / "out", 4000)
    assert numbers(Shelf(tmp_path / "out"), list(many(4000))) == undisturbed(4000)


@pytest.mark.parametrize("damage", ["", "{", "null", "[]", '{"format": 1}', "cut", "changed", "other name"])
def test_file_that_is_not_whole_is_never_read_and_is_computed_again(tmp_path: Path, damage: str) -> None:
    finish(tmp_path, 4)
    shelf, names = Shelf(tmp_path), list(many(4))
    path = shelf.path(names[1])
    text = path.read_text("utf-8")
    stored = json.loads(text)
    match damage:
        case "cut":
            path.write_text(text[: len(text) // 2], "utf-8")
        case "changed":
            stored["outcome"]["figures"]["saving/x"] += 1e-9
            path.write_text(json.dumps(stored), "utf-8")
        case "other name":
            path.write_bytes(shelf.path(names[2]).read_bytes())
        case _:
            path.write_text(damage, "utf-8")
    assert shelf.read(names[1]) is None
    tally = finish(tmp_path, 4)
    assert (tally.kept, tally.computed) == (3, 1)
    assert numbers(shelf, names) == undisturbed(4)


def test_every_cut_of_a_file_is_noticed(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    shelf.write("ab" * 32, {"status": "done", "message": "", "figures": {"saving/x": 0.1 + 0.2}, "decisions": {}})
    path = shelf.path("ab" * 32)
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        assert shelf.read("ab" * 32) is None, length
    path.write_bytes(whole)
    assert shelf.read("ab" * 32) is not None


def test_full_disk_stops_with_a_sentence_keeps_what_is_there_and_leaves_nothing_half_written(tmp_path: Path) -> None:
    """The limit on file size stands for the full disk: the kernel itself refuses the bytes, as with ENOSPC."""
    target = tmp_path / "file.json"
    write_whole(target, b"old")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
        with pytest.raises(SweepStoppedError, match="no room left"):
            write_whole(target, b"x" * 100_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)
    assert target.read_bytes() == b"old"
    assert [one.name for one in tmp_path.iterdir()] == ["file.json"]


def test_sweep_stopped_by_a_full_disk_goes_on_when_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf, real, room = Shelf(tmp_path), os.fsync, [7]

    def full(handle: int) -> None:
        room[0] -= 1
        if room[0] < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(handle)

    monkeypatch.setattr(os, "fsync", full)
    with workers(1) as crew, pytest.raises(SweepStoppedError, match="no room left"):
        compute(many(20), b"0.001", shelf, crew, quiet, Tally(), busy)
    monkeypatch.undo()
    assert 0 < sum(one is not None for one in numbers(shelf, list(many(20)))) < 20
    assert not list(tmp_path.rglob("*.part"))
    finish(tmp_path, 20)
    assert numbers(shelf, list(many(20))) == undisturbed(20)


def test_left_overs_of_killed_writers_are_swept_up_and_nothing_else(tmp_path: Path) -> None:
    finish(tmp_path, 3)
    folder = next((tmp_path / "samples").iterdir())
    (folder / ".x.json.123.part").write_text("{", "utf-8")
    before = sorted(one for one in tmp_path.rglob("*.json"))
    Shelf(tmp_path).sweep_up()
    assert not list(tmp_path.rglob("*.part"))
    assert sorted(tmp_path.rglob("*.json")) == before


@pytest.mark.parametrize("processes", [1, 2, 3])
def test_files_are_equal_to_the_last_byte_whatever_the_workers(tmp_path: Path, processes: int) -> None:
    finish(tmp_path / "one", 30, 1)
    finish(tmp_path / "more", 30, processes)
    for name in many(30):
        assert Shelf(tmp_path / "one").path(name).read_bytes() == Shelf(tmp_path / "more").path(name).read_bytes()


def test_checksum_sees_the_last_bit_of_a_number() -> None:
    assert digest({"a": 0.1 + 0.2}) != digest({"a": 0.3})
