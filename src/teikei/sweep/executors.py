"""Where samples are computed: processes of this machine, or the workers of a Dask cluster, behind one interface.

Both are a ``concurrent.futures.Executor``. Every worker computes with one thread, so that numbers do not depend on how
many there are.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from importlib import import_module
from multiprocessing import resource_tracker
from types import FrameType
from typing import Any, Final, Protocol, TypeVar

from teikei.errors import StudyError
from teikei.sweep.types import SweepStoppedError

Given = TypeVar("Given")
Result = TypeVar("Result")

ANSWER_SECONDS: Final = 15
LOOK_SECONDS: Final = 0.2  # how often Ctrl-C and dead workers are looked for while nothing comes back
PATIENCE_SECONDS: Final = 5.0  # for a pool to tell of a dead worker by itself
END_SECONDS: Final = 10.0
MOST_DEATHS: Final = 5  # of workers over the same work

ONE_THREAD: Final[Mapping[str, str]] = {
    "POLARS_MAX_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "NUMBA_NUM_THREADS": "1",
}


class CtrlC:
    """Ctrl-C while workers are at work: noted, and heeded where nothing is half done; a second one acts at once.

    An exception raised amid the locks of a pool leaves them taken, and the pool's threads wait for them for ever.
    """

    def __init__(self) -> None:
        self.asked = False

    def heed(self) -> None:
        """Raises KeyboardInterrupt if Ctrl-C was pressed."""
        if self.asked:
            self.asked = False  # whatever is written on the way out is written whole
            raise KeyboardInterrupt

    def note(self, _number: int, _frame: FrameType | None) -> None:
        """Handler of the signal."""
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True


@contextmanager
def ctrl_c() -> Iterator[CtrlC]:
    """Notes Ctrl-C instead of raising at once; nothing is changed outside the main thread, where no signal comes."""
    noted = CtrlC()
    if (
        threading.current_thread() is not threading.main_thread()
        or signal.getsignal(signal.SIGINT) is not signal.default_int_handler
    ):
        yield noted
        return
    signal.signal(signal.SIGINT, noted.note)
    try:
        yield noted
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


class Workers(Protocol):
    """What a sweep needs of its workers."""

    @property
    def noted(self) -> CtrlC:
        """Whether Ctrl-C was pressed."""
        ...

    @property
    def count(self) -> int:
        """How many samples are computed at once."""
        ...

    def executor(self) -> Executor:
        """The executor now in use; a new one after ``renew``."""
        ...

    def lost(self) -> bool:
        """Whether a worker has died and its executor has not told so for some seconds."""
        ...

    def renew(self) -> None:
        """Replaces an executor whose workers have died."""
        ...

    def stop(self) -> None:
        """Ends the work under way without waiting for it."""
        ...


def processors() -> int:
    """Processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Processes:
    """Spawned processes of this machine."""

    def __init__(self, count: int, noted: CtrlC | None = None):
        self._count = count
        self._noted = noted or CtrlC()
        self._pool: ProcessPoolExecutor | None = None
        self._dead_since: float | None = None

    @property
    def count(self) -> int:
        """Processes at work."""
        return self._count

    @property
    def noted(self) -> CtrlC:
        """Whether Ctrl-C was pressed."""
        return self._noted

    def executor(self) -> Executor:
        """The pool, made when it is first needed."""
        if self._pool is None:
            self._pool = _Pool(self._count)
        return self._pool

    def lost(self) -> bool:
        """Whether a worker is dead and the pool has not noticed.

        One that dies while it sends a result leaves the pool waiting for the rest of it, and the other workers for
        their turn to send.
        """
        if any(process.exitcode is not None for process in self._processes()):
            now = time.monotonic()
            self._dead_since = self._dead_since or now
            return now - self._dead_since > PATIENCE_SECONDS
        self._dead_since = None
        return False

    def _processes(self) -> list[Any]:
        return list((getattr(self._pool, "_processes", None) or {}).values())

    def renew(self) -> None:
        """Ends what is left of a broken pool; the next one is made when needed."""
        self.stop()

    def stop(self) -> None:
        """Ends the processes, also in the middle of a sample, and the pool's own thread with them."""
        pool, self._pool, self._dead_since = self._pool, None, None
        if pool is None:
            return
        running = list((getattr(pool, "_processes", None) or {}).values())
        thread, results = getattr(pool, "_executor_manager_thread", None), getattr(pool, "_result_queue", None)
        pool.shutdown(wait=False, cancel_futures=True)
        for process in running:
            with suppress(OSError, ValueError):
                process.kill()
        if results is not None:  # ours is the last end held open: without it, half a result is an end and no wait
            with suppress(OSError):
                results._writer.close()
        for process in running:
            with suppress(OSError, ValueError, AssertionError):
                process.join(END_SECONDS)
        if thread is not None:
            thread.join(END_SECONDS)


class _Pool(ProcessPoolExecutor):
    """Spawned processes that never see Ctrl-C, not even while they start."""

    def __init__(self, count: int):
        super().__init__(count, mp_context=multiprocessing.get_context("spawn"), initializer=_in_worker)

    def submit(self, work: Callable[..., Result], /, *args: Any, **kwargs: Any) -> Future[Result]:
        """As of the pool; processes that it starts inherit that the signal is held back."""
        with _held_back():
            return super().submit(work, *args, **kwargs)


@contextmanager
def _held_back() -> Iterator[None]:
    """Ctrl-C waits until the block has ended; processes started in it never get one."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    resource_tracker.ensure_running()  # which would let the signal through again when it starts
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def in_order(crew: Workers, work: Callable[[Given], Result], jobs: Sequence[Given]) -> Iterator[Result]:
    """Results of jobs in their order, as ``map``; dead workers are replaced, Ctrl-C ends it.

    Raises SweepStoppedError where workers die again and again; whatever the work itself raises passes through.
    """
    done: dict[int, Result] = {}
    futures: dict[int, Future[Result]] = {}
    deaths = 0
    for at in range(len(jobs)):
        while at not in done:
            try:
                for number in range(at, len(jobs)):
                    if number not in futures and number not in done:
                        futures[number] = crew.executor().submit(work, jobs[number])
                wait([futures[at]], timeout=LOOK_SECONDS)
                crew.noted.heed()
                if crew.lost():
                    raise BrokenProcessPool
                if futures[at].done():
                    done[at] = futures.pop(at).result()
            except BrokenProcessPool as error:
                deaths += 1
                if deaths >= MOST_DEATHS:
                    raise SweepStoppedError("Workers die again and again: is there enough memory for them?") from error
                futures = {number: future for number, future in futures.items() if _came_back(future)}
                done |= {number: future.result() for number, future in futures.items()}
                futures = {}
                crew.renew()
        yield done.pop(at)


def _came_back(future: Future[Any]) -> bool:
    return future.done() and not future.cancelled() and future.exception() is None


def _in_worker() -> None:
    """Ctrl-C is for the coordinating process alone, and no worker outlives it."""
    with suppress(ValueError):
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: Any) -> None:
    parent.join()
    os._exit(1)


@dataclass
class Cluster:
    """The workers of a Dask scheduler."""

    client: Any
    address: str
    noted: CtrlC = field(default_factory=CtrlC)

    @property
    def count(self) -> int:
        """Threads of all workers now known to the scheduler; at least one, since workers may join later."""
        return max(1, sum(int(worker["nthreads"]) for worker in self._workers().values()))

    def _workers(self) -> dict[str, dict[str, Any]]:
        return dict(self.client.scheduler_info(n_workers=-1)["workers"])

    def executor(self) -> Executor:
        """An executor of the client; lost work is computed again by other workers."""
        found: Executor = self.client.get_executor(pure=False, retries=5)
        return found

    def lost(self) -> bool:
        """Never: Dask looks after its workers itself."""
        return False

    def renew(self) -> None:
        """Dask replaces lost workers itself; nothing to do."""

    def stop(self) -> None:
        """Leaves the cluster; what it still computes for us is forgotten."""
        with suppress(Exception):
            self.client.close(timeout=5)


@contextmanager
def workers(count: int | None = None, cluster: str | None = None) -> Iterator[Workers]:
    """Workers of a sweep, ended with the block: ``count`` processes (default: one a processor), or a Dask cluster.

    cluster: address of a scheduler, ``tcp://host:port``. Raises StudyError where Dask is not installed or the count is
    below one, SweepStoppedError where the scheduler does not answer.
    """
    if count is not None and count < 1:
        raise StudyError(f"a sweep needs one worker or more, not {count}")
    kept = {name: os.environ.get(name) for name in ONE_THREAD}
    os.environ.update(ONE_THREAD)
    made: Workers | None = None
    try:
        with ctrl_c() as noted:
            try:
                made = _join_cluster(cluster, noted) if cluster else Processes(count or processors(), noted)
                yield made
            finally:
                if made is not None:
                    made.stop()
    finally:
        for name, value in kept.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _join_cluster(address: str, noted: CtrlC) -> Cluster:
    try:
        client_of = import_module("distributed").Client
    except ImportError:
        raise StudyError(
            "--cluster needs Dask, which is not installed: pip install 'teikei[cluster]', here and on every worker"
        ) from None
    try:
        client = client_of(address, timeout=ANSWER_SECONDS, set_as_default=False)
    except (OSError, ValueError, TimeoutError) as error:
        raise SweepStoppedError(
            f"no Dask scheduler answers at {address} ({type(error).__name__}): start one with `dask scheduler`, see "
            "docs/how-to/cluster.md"
        ) from None
    return Cluster(client, address, noted)
