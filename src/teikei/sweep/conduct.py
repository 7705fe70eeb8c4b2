"""Computes the samples that are missing: chunks in flight, results kept as they come, lost workers replaced."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from typing import Any, Final

from teikei.sweep.executors import LOOK_SECONDS, MOST_DEATHS, Workers
from teikei.sweep.files import Shelf
from teikei.sweep.types import Sample, SweepStoppedError

Progress = Callable[[str, float], None]
Found = list[tuple[dict[str, Any], float]]
Job = Callable[[bytes, tuple[Sample, ...]], Found]

CHUNK_SECONDS: Final = 1.0  # work of a chunk: handing one over costs some milliseconds, far below 5 % of it
LARGEST_CHUNK: Final = 64
IN_FLIGHT: Final = 2  # chunks per worker: one at work, one waiting; this bounds memory


@dataclass
class Tally:
    """What a pass over samples did: how many were there already, computed, given up, and the seconds they took."""

    kept: int = 0
    computed: int = 0
    given_up: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    deaths: int = 0


@dataclass
class _Work:
    """Samples that travel together; deaths counts the workers lost while it was in flight."""

    named: tuple[tuple[str, Sample], ...]
    deaths: int = 0


def compute(
    named: Mapping[str, Sample],
    blob: bytes,
    shelf: Shelf,
    workers: Workers,
    progress: Progress,
    tally: Tally,
    work: Job,
) -> None:
    """Computes the samples whose files are missing or damaged, and keeps each result as soon as it is there.

    named: file name -> sample; work: what a worker does with ``blob`` and some samples. Results depend neither on the
    workers nor on how samples are put into chunks. Raises SweepStoppedError where the disk is full or the cluster is
    gone; KeyboardInterrupt passes through. What was computed stays in both cases.
    """
    missing = {name: sample for name, sample in named.items() if shelf.read(name) is None}
    tally.kept += len(named) - len(missing)
    if missing:
        _Pass(missing, blob, shelf, workers, progress, tally, work).run(len(named) - len(missing))


class _Pass:
    """The state of one pass: what waits, what is in flight, what a sample costs."""

    def __init__(
        self,
        missing: Mapping[str, Sample],
        blob: bytes,
        shelf: Shelf,
        workers: Workers,
        progress: Progress,
        tally: Tally,
        job: Job,
    ):
        self.waiting = deque(missing.items())
        self.again: deque[_Work] = deque()
        self.flying: dict[Future[Found], _Work] = {}
        self.blob, self.shelf, self.workers, self.tally = blob, shelf, workers, tally
        self.progress, self.job, self.done, self.total = progress, job, 0, 0
        self.sample_seconds = 0.0

    def run(self, there: int) -> None:
        """Until nothing waits and nothing flies; ``there`` samples were computed before."""
        self.done, self.total = there, there + len(self.waiting)
        self._tell()
        while self.waiting or self.again or self.flying:
            try:
                self._launch()
                ready, _ = wait(self.flying, timeout=LOOK_SECONDS, return_when=FIRST_COMPLETED)
                for future in ready:
                    self._land(future)
                if not ready and self.workers.lost():
                    raise BrokenProcessPool
            except BrokenProcessPool:
                self._pick_up()
            self._tell()
            self.workers.noted.heed()

    def _launch(self) -> None:
        """Keeps every worker busy. After a death, chunks that were in flight go one by one, to find the guilty one."""
        executor = self.workers.executor()
        room = 1 if self.again else IN_FLIGHT * self.workers.count
        while len(self.flying) < room and (self.again or self.waiting):
            if self.again and self.flying:
                return
            work = self.again.popleft() if self.again else self._chunk()
            try:
                samples = tuple(sample for _, sample in work.named)
                self.flying[executor.submit(self.job, self.blob, samples)] = work
            except BrokenProcessPool:
                self.again.appendleft(work)
                raise

    def _chunk(self) -> _Work:
        """The next samples: about a second of work, fewer near the end, so that all workers finish together."""
        wanted = math.ceil(CHUNK_SECONDS / self.sample_seconds) if self.sample_seconds > 0 else 1
        fair = math.ceil(len(self.waiting) / (IN_FLIGHT * self.workers.count))
        count = max(1, min(wanted, fair, LARGEST_CHUNK, len(self.waiting)))
        return _Work(tuple(self.waiting.popleft() for _ in range(count)))

    def _land(self, future: Future[Found]) -> None:
        """Keeps the results of a chunk."""
        try:
            found = future.result()
        except BrokenProcessPool:
            raise
        except MemoryError:
            self._lost(self.flying.pop(future), "a worker ran out of memory")
            return
        except (CancelledError, OSError) as error:
            raise SweepStoppedError(f"The workers are gone ({type(error).__name__}).") from error
        except Exception as error:
            if "deserializ" in str(error):  # Dask: another side cannot read our functions or data
                raise SweepStoppedError(
                    "The scheduler or a worker of the cluster cannot read the work: install the same teikei and "
                    "packages (requirements.lock) on every machine, and start scheduler and workers anew."
                ) from error
            if type(error).__name__ != "KilledWorker":  # of Dask, which may not be installed
                raise
            self._lost(self.flying.pop(future), "its workers died")
            return
        work = self.flying.pop(future)
        for (name, _), (outcome, seconds) in zip(work.named, found, strict=True):
            self.shelf.write(name, outcome)
            self.tally.computed += 1
            self.tally.seconds += seconds
            self.done += 1
            known = self.sample_seconds
            self.sample_seconds = seconds if known == 0 else 0.8 * known + 0.2 * seconds

    def _pick_up(self) -> None:
        """A worker died: whatever was in flight is done again by new workers."""
        self.tally.deaths += 1
        for future in [one for one in self.flying if one.done() and not one.cancelled() and one.exception() is None]:
            self._land(future)
        lost = list(self.flying.values())
        self.flying.clear()
        alone = len(lost) == 1
        for work in lost:
            work.deaths += alone  # only a chunk that flew by itself is surely to blame
            if len(work.named) > 1:
                self.again.extend(_Work((one,), work.deaths) for one in work.named)
            elif work.deaths >= MOST_DEATHS:
                self._lost(work, "its workers died")
            else:
                self.again.append(work)
        self.workers.renew()

    def _lost(self, work: _Work, reason: str) -> None:
        for name, _ in work.named:
            self.tally.given_up[name] = reason
            self.done += 1

    def _tell(self) -> None:
        self.progress(f"{self.done} of {self.total} samples", self.done / self.total)
