"""Where samples are computed: processes of this machine, or the workers of a Dask cluster, behind one interface.

Both are a ``concurrent.futures.Executor``. Every worker computes with one thread, so that numbers do not depend on how
many there are.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Final, Protocol

from teikei.errors import StudyError
from teikei.sweep.types import SweepStoppedError

ANSWER_SECONDS: Final = 15

ONE_THREAD: Final[Mapping[str, str]] = {
    "POLARS_MAX_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "NUMBA_NUM_THREADS": "1",
}


class Workers(Protocol):
    """What a sweep needs of its workers."""

    @property
    def count(self) -> int:
        """How many samples are computed at once."""
        ...

    def executor(self) -> Executor:
        """The executor now in use; a new one after ``renew``."""
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

    def __init__(self, count: int):
        self._count = count
        self._pool: ProcessPoolExecutor | None = None

    @property
    def count(self) -> int:
        """Processes at work."""
        return self._count

    def executor(self) -> Executor:
        """The pool, made when it is first needed."""
        if self._pool is None:
            self._pool = ProcessPoolExecutor(
                self._count, mp_context=multiprocessing.get_context("spawn"), initializer=_in_worker
            )
        return self._pool

    def renew(self) -> None:
        """Ends what is left of a broken pool; the next one is made when needed."""
        self.stop()

    def stop(self) -> None:
        """Ends the processes, also in the middle of a sample."""
        if self._pool is None:
            return
        running = list((getattr(self._pool, "_processes", None) or {}).values())
        self._pool.shutdown(wait=False, cancel_futures=True)
        for process in running:
            with suppress(OSError, ValueError):
                process.kill()
        for process in running:
            with suppress(OSError, ValueError, AssertionError):
                process.join(10)
        self._pool = None


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
        made = _join_cluster(cluster) if cluster else Processes(count or processors())
        yield made
    finally:
        if made is not None:
            made.stop()
        for name, value in kept.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _join_cluster(address: str) -> Cluster:
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
    return Cluster(client, address)
