"""Background jobs: one run each, in a process of its own, fair between companies, kept through a crash.

A job lies in the workspace of its owner: ``jobs/<job>/study…`` (a copy), ``run/`` (the finished run), its progress and
messages. Its state stands in the owner's database, so a server that starts again goes on where it stopped.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from teikei.errors import StudyError
from teikei.web.accounts import new_id
from teikei.web.database import ROOM, Store
from teikei.web.run_pages import FOLDER
from teikei.web.worker import EXTRA, OPTIONS, PREVIEW

QUEUED, RUNNING, DONE, FAILED, CANCELLED = "queued", "running", "done", "failed", "cancelled"
MOST_ATTEMPTS: Final = 3
MOST_WAITING: Final = 20  # of one company
_POLL_SECONDS: Final = 0.2


@dataclass(frozen=True)
class Limits:
    """What one job may use."""

    seconds: float = 3_600.0
    memory_bytes: int = 12_000_000_000


class Jobs:
    """The queue over all workspaces, and the thread that serves it."""

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
        self._thread: threading.Thread | None = None

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
    ) -> str:
        """Copies the study and puts a job at the end of the owner's queue; its id.

        options: what the worker is asked for beside the run. Raises StudyError where too many of this owner wait.
        """
        job = new_id()
        with self._store.company(workspace, write=False) as connection:
            waiting = connection.execute("SELECT count(*) FROM jobs WHERE state=?", (QUEUED,)).fetchone()[0]
        if waiting >= MOST_WAITING:
            raise StudyError(f"{waiting} of your jobs are waiting; let them finish or cancel some")
        folder = self.folder(workspace, job)
        folder.mkdir(parents=True)
        if source.is_dir():
            shutil.copytree(source, folder / source.name)
        else:
            shutil.copyfile(source, folder / source.name)
        (folder / OPTIONS).write_text(json.dumps(dict(options or {})), "utf-8")
        with self._store.company(workspace) as connection:
            connection.execute(
                "INSERT INTO jobs (job, study, version, by, at, state) VALUES (?, ?, ?, ?, ?, ?)",
                (job, study, version, by, self._clock(), QUEUED),
            )
        return job

    def cancel(self, workspace: str, job: str) -> None:
        """Takes a job from the queue, or stops its process within a moment."""
        with self._store.company(workspace) as connection:
            connection.execute(
                "UPDATE jobs SET state=?, ended=? WHERE job=? AND state IN (?, ?)",
                (CANCELLED, self._clock(), job, QUEUED, RUNNING),
            )

    def progress(self, workspace: str, job: str) -> tuple[str, float]:
        """The present step and the share done (0 to 1), as the process last said."""
        try:
            lines = (self.folder(workspace, job) / "progress.jsonl").read_text("utf-8").splitlines()
            last = json.loads(lines[-1])
            return str(last["step"]), min(max(float(last["fraction"]), 0.0), 1.0)
        except (OSError, ValueError, IndexError, KeyError, TypeError):
            return "", 0.0

    def recover(self) -> None:
        """After a start: jobs that ran when the server ended run again; each only so often."""
        for workspace in self._workspaces():
            with self._store.company(workspace) as connection:
                connection.execute(
                    "UPDATE jobs SET state=?, message=?, ended=? WHERE state=? AND attempts>=?",
                    (FAILED, "the server ended three times during this run", self._clock(), RUNNING, MOST_ATTEMPTS),
                )
                connection.execute("UPDATE jobs SET state=? WHERE state=?", (QUEUED, RUNNING))

    def start(self) -> None:
        """Serves the queue in a thread until ``stop``."""
        self.recover()
        self._thread = threading.Thread(target=self._serve, name="jobs", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ends the thread; a running job goes back to the queue."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def drain(self) -> None:
        """Runs everything that waits, here and now (for tests and small tools)."""
        while (found := self._next()) is not None:
            self._run(*found)

    def _serve(self) -> None:
        while not self._stop.is_set():
            found = self._next()
            if found is None:
                self._stop.wait(_POLL_SECONDS)
            else:
                self._run(*found)

    def _workspaces(self) -> list[str]:
        with self._store.operator(write=False) as connection:
            companies = [row["company"] for row in connection.execute("SELECT company FROM companies ORDER BY company")]
        return [ROOM, *companies]

    def _next(self) -> tuple[str, str] | None:
        """The oldest job of the owner who has waited longest since the last turn: no company can crowd others out."""
        for workspace in sorted(self._workspaces(), key=lambda name: self._last_served.get(name, 0)):
            with self._store.company(workspace) as connection:
                row = connection.execute(
                    "SELECT job FROM jobs WHERE state=? ORDER BY at, rowid LIMIT 1", (QUEUED,)
                ).fetchone()
                if row is None:
                    continue
                connection.execute(
                    "UPDATE jobs SET state=?, started=?, attempts=attempts+1 WHERE job=?",
                    (RUNNING, self._clock(), row["job"]),
                )
            self._turn += 1
            self._last_served[workspace] = self._turn
            return workspace, str(row["job"])
        return None

    def _run(self, workspace: str, job: str) -> None:
        folder = self.folder(workspace, job)
        for left in ("run", EXTRA, FOLDER):
            shutil.rmtree(folder / left, ignore_errors=True)
        (folder / PREVIEW).unlink(missing_ok=True)
        study = folder / "study.xlsx" if (folder / "study.xlsx").is_file() else folder / "study"
        with (folder / "progress.jsonl").open("wb") as out, (folder / "messages.txt").open("wb") as errors:
            process = subprocess.Popen(
                [*self._command, str(study), str(folder / "run")],
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=errors,
                start_new_session=True,
                env={**os.environ, "TEIKEI_JOB_MEMORY_BYTES": str(self._limits.memory_bytes)},
            )
            ending = self._watch(process, workspace, job)
        if ending == "server stops":
            return  # the job stays marked as running and is taken up again by the next start
        whole = (folder / "run" / "run.json").is_file() or (folder / PREVIEW).is_file()
        good = ending == "ended" and process.returncode == 0 and whole
        if ending != "cancelled":
            self._finish(workspace, job, good, self._message(folder, ending, process.returncode))
        if self._when_done is not None:
            self._when_done(workspace, job, good)

    def _watch(self, process: subprocess.Popen[bytes], workspace: str, job: str) -> str:
        """Waits for the process and ends it when it is cancelled, too slow, or the server stops."""
        end = time.monotonic() + self._limits.seconds
        while process.poll() is None:
            reason = ""
            with self._store.company(workspace, write=False) as connection:
                state = connection.execute("SELECT state FROM jobs WHERE job=?", (job,)).fetchone()["state"]
            if state == CANCELLED:
                reason = "cancelled"
            elif self._stop.is_set():
                reason = "server stops"
            elif time.monotonic() > end:
                reason = "too slow"
            if reason:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                return reason
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_POLL_SECONDS)
        return "ended"

    def _message(self, folder: Path, ending: str, code: int | None) -> str:
        if ending == "too slow":
            return f"the run took longer than {self._limits.seconds / 60:.0f} minutes; solve fewer rungs"
        if code == 0:
            return ""
        said = (folder / "messages.txt").read_text("utf-8", errors="replace").strip()[-20_000:]
        return said or f"the run ended without a word (code {code}); it may have needed more memory than a job may use"

    def _finish(self, workspace: str, job: str, good: bool, message: str) -> None:
        with self._store.company(workspace) as connection:
            values: tuple[Any, ...] = (DONE if good else FAILED, message, self._clock(), job, RUNNING)
            connection.execute("UPDATE jobs SET state=?, message=?, ended=? WHERE job=? AND state=?", values)
