"""Background jobs: one run each, in a process of its own, one worker for each workspace, kept through a crash.

A job lies in the workspace of its owner: ``jobs/<job>/study…`` (a copy), ``run/`` (the finished run), its progress and
messages. Its state stands in the owner's database, so a server that starts again goes on where it stopped. A fault
stays with its job and its workspace: the other workers go on, and the pages say what is wrong.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from teikei.errors import StudyError
from teikei.web import audit, slots
from teikei.web.accounts import new_id
from teikei.web.database import ROOM, Store
from teikei.web.run_pages import FOLDER
from teikei.web.worker import EXTRA, OPTIONS, PREVIEW

QUEUED, RUNNING, DONE, FAILED, CANCELLED = "queued", "running", "done", "failed", "cancelled"
MOST_ATTEMPTS: Final = 3
MOST_WAITING: Final = 20  # of one company
ENDED: Final = "ended.json"  # how a process ended, before its state is shown
PROCESS: Final = "process"  # the number of the process at work in a job's folder
LONGEST_SILENCE_SECONDS: Final = 30.0  # without a sign of life of a worker
LEAST_MEMORY_BYTES: Final = 6_000_000_000  # of addresses, not all of them used
_POLL_SECONDS: Final = 0.2
_REST_SECONDS: Final = 1.0  # after a fault


@dataclass(frozen=True)
class Limits:
    """What one job may use; slot_seconds: ends of a company's runs are shown at multiples of it after their start."""

    seconds: float = 3_600.0
    memory_bytes: int = 12_000_000_000
    slot_seconds: float = 5.0

    def memory_share(self, workspaces: int) -> int:
        """Bytes for one job where so many workspaces share the machine: its memory is divided like its cores."""
        whole = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        return min(self.memory_bytes, max(LEAST_MEMORY_BYTES, whole // max(workspaces, 1)))


@dataclass(frozen=True)
class Health:
    """Whether runs are served. troubles: what is wrong, in sentences without a company's name."""

    serving: bool
    troubles: tuple[str, ...] = ()


class _Ended(Exception):
    """A job cannot go on; the message is for its owner."""


class Jobs:
    """The queues of all workspaces, and the threads that serve them."""

    def __init__(
        self,
        store: Store,
        clock: Callable[[], float],
        command: Sequence[str] | None = None,
        limits: Limits | None = None,
        when_done: Callable[[str, str, bool], None] | None = None,
    ) -> None:
        """command: what runs STUDY OUT (tests put a small one here); when_done(workspace, job, good) after each."""
        self._store = store
        self._clock = clock
        self._command = tuple(command or (sys.executable, "-m", "teikei.web.worker"))
        self._limits = limits or Limits()
        self._when_done = when_done
        self._last_served: dict[str, int] = {}
        self._turn = 0
        self._stop = threading.Event()
        self._threads: dict[str, threading.Thread] = {}
        self._beats: dict[str, float] = {}
        self._faults: dict[str, str] = {}
        self._at_work: dict[str, threading.Event] = {}  # job -> set when it is to stop
        self._idle = threading.Condition()
        self._started = False

    def folder(self, workspace: str, job: str) -> Path:
        """Where a job lies."""
        return self._store.workspace(workspace) / "jobs" / job

    def add(
        self,
        workspace: str,
        study: str,
        version: int,
        source: Path,
        by: str,
        options: Mapping[str, Any] | None = None,
        *,
        joint: str = "",
        job: str | None = None,
        line: Callable[[str], audit.Line] | None = None,
    ) -> str:
        """Copies the study and puts a job at the end of the owner's queue; its id.

        options: what the worker is asked for beside the run. joint: the joint study that the job belongs to and ends
        with. line: what the log says of it, written with the job or not at all. Raises StudyError where too many of
        this owner wait.
        """
        job = job or new_id()
        with self._store.company(workspace, write=False) as connection:
            waiting = connection.execute("SELECT count(*) FROM jobs WHERE state=?", (QUEUED,)).fetchone()[0]
        if waiting >= MOST_WAITING:
            raise StudyError(f"{waiting} of your jobs are waiting; let them finish or cancel some")
        folder = self.folder(workspace, job)
        folder.mkdir(parents=True)
        try:
            if source.is_dir():
                shutil.copytree(source, folder / source.name)
            else:
                shutil.copyfile(source, folder / source.name)
            (folder / OPTIONS).write_text(json.dumps(dict(options or {})), "utf-8")
            with self._store.company(workspace) as connection:
                connection.execute(
                    "INSERT INTO jobs (job, study, version, by, at, state, joint) VALUES (?, ?, ?, ?, ?, ?, ?)",
                    (job, study, version, by, self._clock(), QUEUED, joint),
                )
                if line is not None:
                    audit.set_aside(connection, self._clock(), line(job))
        except BaseException:
            if not self._known(workspace, job):
                shutil.rmtree(folder, ignore_errors=True)
            raise
        return job

    def _known(self, workspace: str, job: str) -> bool:
        try:
            with self._store.company(workspace, write=False) as connection:
                return connection.execute("SELECT 1 FROM jobs WHERE job=?", (job,)).fetchone() is not None
        except sqlite3.Error:
            return True  # what cannot be looked at is not deleted

    def cancel(self, workspace: str, job: str, line: audit.Line | None = None) -> None:
        """Takes a job from the queue, or stops its process within a moment."""
        with self._store.company(workspace) as connection:
            stopped = connection.execute(
                "UPDATE jobs SET state=?, ended=? WHERE job=? AND state IN (?, ?)",
                (CANCELLED, self._clock(), job, QUEUED, RUNNING),
            ).rowcount
            if line is not None and stopped:
                audit.set_aside(connection, self._clock(), line)
        if stopped and (event := self._at_work.get(job)) is not None:
            event.set()

    def end_joint(self, joint: str, seconds: float = 30.0) -> list[str]:
        """Cancels every job of a joint study in the room and waits until none is at work; the jobs.

        Raises StudyError where one could not be stopped in time.
        """
        with self._store.company(ROOM) as connection:
            found = [row["job"] for row in connection.execute("SELECT job FROM jobs WHERE joint=?", (joint,))]
            connection.execute(
                "UPDATE jobs SET state=?, ended=? WHERE joint=? AND state IN (?, ?)",
                (CANCELLED, self._clock(), joint, QUEUED, RUNNING),
            )
        for job in found:
            if (event := self._at_work.get(job)) is not None:
                event.set()
        with self._idle:
            if not self._idle.wait_for(lambda: not set(found) & set(self._at_work), seconds):
                raise StudyError("a run of this joint study does not stop; wait a minute and end the study again")
        return found

    def progress(self, workspace: str, job: str) -> tuple[str, float]:
        """The present step and the share done (0 to 1), as the process last said."""
        try:
            lines = (self.folder(workspace, job) / "progress.jsonl").read_text("utf-8").splitlines()
            last = json.loads(lines[-1])
            return str(last["step"]), min(max(float(last["fraction"]), 0.0), 1.0)
        except (OSError, ValueError, IndexError, KeyError, TypeError):
            return "", 0.0

    def place(self, workspace: str, job: str) -> int:
        """How many of the owner's own jobs come first; others' jobs do not stand in this queue."""
        with self._store.company(workspace, write=False) as connection:
            return int(
                connection.execute(
                    "SELECT count(*) FROM jobs WHERE state=? OR (state=? AND "
                    "(at, rowid) < (SELECT at, rowid FROM jobs WHERE job=?))",
                    (RUNNING, QUEUED, job),
                ).fetchone()[0]
            )

    def recover(self) -> None:
        """After a start: jobs that ran when the server ended run again, each only so often; ended ones are done.

        A fault in one workspace keeps none of the others from being served.
        """
        for workspace in self._workspaces():
            try:
                self._recover(workspace)
            except (OSError, sqlite3.Error) as error:
                self._faults[workspace] = _reason(error)

    def _recover(self, workspace: str) -> None:
        with self._store.company(workspace, write=False) as connection:
            left = [row["job"] for row in connection.execute("SELECT job FROM jobs WHERE state=?", (RUNNING,))]
        endings = {}
        for job in left:
            _end_process_of(self.folder(workspace, job))
            with contextlib.suppress(OSError, ValueError, KeyError):
                ending = json.loads((self.folder(workspace, job) / ENDED).read_text("utf-8"))
                endings[job] = (bool(ending["good"]), str(ending["message"]))
        with self._store.company(workspace) as connection:
            for job, (good, message) in endings.items():
                values = (DONE if good else FAILED, message, self._clock(), job, RUNNING)
                connection.execute("UPDATE jobs SET state=?, message=?, ended=? WHERE job=? AND state=?", values)
            connection.execute(
                "UPDATE jobs SET state=?, message=?, ended=? WHERE state=? AND attempts>=?",
                (FAILED, "the server ended three times during this run", self._clock(), RUNNING, MOST_ATTEMPTS),
            )
            connection.execute("UPDATE jobs SET state=? WHERE state=?", (QUEUED, RUNNING))
        self._store.bring_lines_in(workspace)

    def start(self) -> None:
        """Serves the queues in threads until ``stop``."""
        self.recover()
        self._started = True
        self._beats[""] = time.monotonic()
        self._threads[""] = threading.Thread(target=self._supervise, name="jobs", daemon=True)
        self._threads[""].start()

    def stop(self) -> None:
        """Ends the threads; a running job goes back to the queue."""
        self._stop.set()
        for thread in list(self._threads.values()):
            thread.join()

    def health(self) -> Health:
        """Whether every worker lives, moves, and met no fault that lasts."""
        if not self._started:
            return Health(True)
        if self._stop.is_set():
            return Health(False, ("the server is stopping",))
        now = time.monotonic()
        silent = [name for name, beat in list(self._beats.items()) if now - beat > LONGEST_SILENCE_SECONDS]
        dead = [name for name, thread in list(self._threads.items()) if not thread.is_alive()]
        troubles = list(dict.fromkeys(self._faults.values()))
        if silent or dead:
            troubles.append("a worker gives no sign of life")
        return Health(not troubles, tuple(troubles))

    def drain(self) -> None:
        """Runs everything that waits, here and now (for tests and small tools)."""
        while (found := self._next()) is not None:
            self._perform(*found, hold=False)

    def _supervise(self) -> None:
        """Keeps a worker for every workspace, those of new companies as well."""
        while not self._stop.is_set():
            for workspace in self._workspaces():
                thread = self._threads.get(workspace)
                if thread is None or not thread.is_alive():
                    self._beats[workspace] = time.monotonic()
                    made = threading.Thread(
                        target=self._serve, args=(workspace,), name=f"jobs {workspace}", daemon=True
                    )
                    self._threads[workspace] = made
                    made.start()
            self._beats[""] = time.monotonic()
            self._stop.wait(_POLL_SECONDS)

    def _serve(self, workspace: str) -> None:
        while not self._stop.is_set():
            self._beats[workspace] = time.monotonic()
            try:
                job = self._take(workspace)
                self._faults.pop(workspace, None)
                if job is None:
                    self._stop.wait(_POLL_SECONDS)
                else:
                    self._perform(workspace, job, hold=workspace != ROOM)
            except Exception as error:  # whatever it is, the next look may find it gone; the pages say it meanwhile
                self._faults[workspace] = _reason(error)
                self._stop.wait(_REST_SECONDS)

    def _workspaces(self) -> list[str]:
        return [name for name in self._store.workspaces() if (self._store.workspace(name) / "workspace.db").is_file()]

    def _next(self) -> tuple[str, str] | None:
        """The oldest waiting job of the workspace that was served the longest time ago."""
        for workspace in sorted(self._workspaces(), key=lambda name: self._last_served.get(name, 0)):
            job = self._take(workspace)
            if job is not None:
                self._turn += 1
                self._last_served[workspace] = self._turn
                return workspace, job
        return None

    def _take(self, workspace: str) -> str | None:
        with self._store.company(workspace, write=False) as connection:
            if connection.execute("SELECT 1 FROM jobs WHERE state=? LIMIT 1", (QUEUED,)).fetchone() is None:
                return None
        with self._store.company(workspace) as connection:
            row = connection.execute(
                "SELECT job FROM jobs WHERE state=? ORDER BY at, rowid LIMIT 1", (QUEUED,)
            ).fetchone()
            if row is None:
                return None
            connection.execute(
                "UPDATE jobs SET state=?, started=?, attempts=attempts+1 WHERE job=?",
                (RUNNING, self._clock(), row["job"]),
            )
            self._at_work[row["job"]] = threading.Event()
            return str(row["job"])

    def _perform(self, workspace: str, job: str, *, hold: bool) -> None:
        """Runs a job that was taken; whatever goes wrong is the job's own end."""
        start = time.monotonic()
        cancelled = self._at_work.setdefault(job, threading.Event())
        try:
            try:
                ending = self._run(workspace, job, cancelled)
            except _Ended as ended:
                ending = (False, str(ended))
            except Exception as error:
                ending = (False, _reason(error))
            if ending is None:
                return
            good, message = ending
            with contextlib.suppress(OSError):
                text = json.dumps({"good": good, "message": message})
                (self.folder(workspace, job) / ENDED).write_text(text, "utf-8")
            if hold:
                end = time.monotonic() + slots.until_boundary(time.monotonic() - start, self._limits.slot_seconds)
                while (left := end - time.monotonic()) > 0 and not cancelled.wait(min(left, _POLL_SECONDS)):
                    self._beats[workspace] = time.monotonic()
                    if self._stop.is_set():
                        return  # its end is noted in its folder; the next start shows it
            self._finish(workspace, job, good, message)
            if self._when_done is not None:
                self._when_done(workspace, job, good)
        finally:
            with self._idle:
                self._at_work.pop(job, None)
                self._idle.notify_all()

    def _run(self, workspace: str, job: str, cancelled: threading.Event) -> tuple[bool, str] | None:
        """Whether the process ended well, and what it said; None where it was stopped."""
        folder = self.folder(workspace, job)
        if not folder.is_dir():
            raise _Ended("the files of this run are no longer there")
        if self._joint_has_ended(workspace, job):
            self.cancel(workspace, job)
            return None
        for left in ("run", EXTRA, FOLDER):
            shutil.rmtree(folder / left, ignore_errors=True)
        for name in (PREVIEW, ENDED):
            (folder / name).unlink(missing_ok=True)
        others = self._workspaces()
        study = folder / "study.xlsx" if (folder / "study.xlsx").is_file() else folder / "study"
        with (folder / "progress.jsonl").open("wb") as out, (folder / "messages.txt").open("wb") as errors:
            process = subprocess.Popen(
                [*self._command, str(study), str(folder / "run")],
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=errors,
                start_new_session=True,
                env={**os.environ, "TEIKEI_JOB_MEMORY_BYTES": str(self._limits.memory_share(len(others)))},
            )
            try:
                slots.settle(process.pid, slots.cores_of(workspace, others, slots.machine_cores()))
                (folder / PROCESS).write_text(str(process.pid), "utf-8")
                ending = self._watch(process, workspace, cancelled)
            finally:
                _kill(process.pid)
                process.wait()
        if ending in ("server stops", "cancelled"):
            return None  # what the server's end has stopped stays marked as running, and is taken up by the next start
        whole = (folder / "run" / "run.json").is_file() or (folder / PREVIEW).is_file()
        good = ending == "ended" and process.returncode == 0 and whole
        return good, self._message(folder, ending, process.returncode)

    def _joint_has_ended(self, workspace: str, job: str) -> bool:
        with self._store.company(workspace, write=False) as connection:
            row = connection.execute("SELECT joint FROM jobs WHERE job=?", (job,)).fetchone()
        if row is None or not row["joint"] or workspace != ROOM:
            return row is None
        with self._store.operator(write=False) as connection:
            found = connection.execute("SELECT state FROM joint WHERE joint=?", (row["joint"],)).fetchone()
        return found is not None and found["state"] in ("closing", "closed")

    def _watch(self, process: subprocess.Popen[bytes], workspace: str, cancelled: threading.Event) -> str:
        """Waits for the process until it ends, is cancelled, too slow, or the server stops."""
        end = time.monotonic() + self._limits.seconds
        while process.poll() is None:
            self._beats[workspace] = time.monotonic()
            if cancelled.is_set():
                return "cancelled"
            if self._stop.is_set():
                return "server stops"
            if time.monotonic() > end:
                return "too slow"
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_POLL_SECONDS)
        return "cancelled" if cancelled.is_set() else "ended"

    def _message(self, folder: Path, ending: str, code: int | None) -> str:
        if ending == "too slow":
            return f"the run took longer than {self._limits.seconds / 60:.0f} minutes; solve fewer rungs"
        if code == 0:
            return ""
        said = (folder / "messages.txt").read_text("utf-8", errors="replace").strip()[-20_000:]
        return said or f"the run ended without a word (code {code}); it may have needed more memory than a job may use"

    def _finish(self, workspace: str, job: str, good: bool, message: str) -> None:
        """Enters how a job ended, as soon as the database can be written again."""
        values: tuple[Any, ...] = (DONE if good else FAILED, message, self._clock(), job, RUNNING)
        while True:
            try:
                with self._store.company(workspace) as connection:
                    connection.execute("UPDATE jobs SET state=?, message=?, ended=? WHERE job=? AND state=?", values)
            except (OSError, sqlite3.Error) as error:
                self._faults[workspace] = _reason(error)
                if self._stop.wait(_REST_SECONDS) or not self._started:
                    return
            else:
                self._faults.pop(workspace, None)
                return


def _reason(error: Exception) -> str:
    """What went wrong beside the run, for its owner; no values, since they may be another company's."""
    if (isinstance(error, OSError) and error.errno == errno.ENOSPC) or "disk is full" in str(error):
        return "the server's disk is full; the operator has to make room, then run again"
    if isinstance(error, sqlite3.OperationalError):
        return "the server's database was in use by another program; run again"
    if isinstance(error, FileNotFoundError):
        return "the files of this run are no longer there"
    return f"a fault of the server ({type(error).__name__}); run again, and tell the operator if it stays"


def _kill(process: int) -> None:
    """Ends a run with all that it has started."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process, signal.SIGKILL)


def _end_process_of(folder: Path) -> None:
    """Ends the process that an earlier server has left at work in a job's folder, if it still is that process."""
    try:
        number = int((folder / PROCESS).read_text("utf-8"))
        started = Path(f"/proc/{number}/cmdline").read_bytes()
    except (OSError, ValueError):
        return
    if str(folder).encode() in started:
        _kill(number)
