"""Signing in: guessing is slowed and never locks anybody out.

One passphrase is verified at a time for a name, and one at a time for an address. After some failures every further try
waits first, twice as long each time up to five seconds, and a wrong one is told 429; the right one always passes. The
waits count for a name tried from one address, so that a stranger elsewhere delays nobody; and a browser in which
somebody has signed in before has a lane of its own, so that not even a neighbour behind the same address does.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, asynccontextmanager
from typing import Final

from starlette.concurrency import run_in_threadpool

from teikei.errors import NotAllowedError
from teikei.web import accounts
from teikei.web.accounts import digest

FREE_FAILURES: Final = 5  # of one name from one address
FREE_FAILURES_OF_ADDRESS: Final = 20
FAILURE_WINDOW_SECONDS: Final = 15 * 60.0
FIRST_WAIT_SECONDS: Final = 0.25
LONGEST_WAIT_SECONDS: Final = 5.0
MOST_IN_A_LANE: Final = 4  # tries of one name from one address that wait side by side
MOST_OF_ADDRESS: Final = 40  # tries from one address that wait side by side
_LOOK_SECONDS: Final = 0.01
Database = Callable[[], AbstractContextManager[sqlite3.Connection]]


class TooManyAttemptsError(NotAllowedError):
    """Too many failed sign-ins. Remedy: check name and passphrase; the right ones pass at any time."""


def wait_of(failures: int, free: int = FREE_FAILURES) -> float:
    """Seconds before the next try: none at first, then doubling up to the longest."""
    if failures < free:
        return 0.0
    return float(min(LONGEST_WAIT_SECONDS, FIRST_WAIT_SECONDS * 2 ** min(failures - free, 16)))


class Gate:
    """Where all tries to sign in to one server pass."""

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        self._database = database
        self._clock = clock
        self._lanes: dict[str, list[object]] = {}  # those who wait, the one whose turn it is first
        self._guard = threading.Lock()
        self.sleep: Callable[[float], object] = asyncio.sleep  # replaced in tests

    async def check(self, login: str, passphrase: str, address: str, device: str = "") -> str | None:
        """The user's id, or None where name or passphrase is wrong; unknown names cost the same time.

        device: the token of a browser in which somebody has signed in before. Raises TooManyAttemptsError instead of
        None after many failures, and where many tries from the same place wait already.
        """
        login = login.strip().casefold()[:80]
        user, secret, known = await run_in_threadpool(self._look, login, device)
        source = f"device:{digest(device)}" if known else f"address:{address}"
        lane = f"{source} {digest(login)}"
        async with self._in(lane, MOST_IN_A_LANE):
            failures, of_source = await run_in_threadpool(self._failures, lane, source)
            wait = max(wait_of(failures), wait_of(of_source, FREE_FAILURES_OF_ADDRESS))
            if wait:
                await self.sleep(wait)  # type: ignore[misc]
            by_name = lane if known else f"name:{digest(login)}"
            async with self._in(f"verify {source}", MOST_OF_ADDRESS), self._in(f"verify {by_name}"):
                right = await run_in_threadpool(accounts.matches, secret, passphrase)
            await run_in_threadpool(self._note, lane, source, right)
        if right:
            return user
        if failures + 1 > FREE_FAILURES or of_source + 1 > FREE_FAILURES_OF_ADDRESS:
            raise TooManyAttemptsError("many sign-ins have failed here; each further try waits some seconds")
        return None

    @asynccontextmanager
    async def _in(self, name: str, most: int = 0) -> AsyncIterator[None]:
        """One at a time in a lane, in the order of arrival."""
        turn = object()
        with self._guard:
            lane = self._lanes.setdefault(name, [])
            if most and len(lane) >= most:
                raise TooManyAttemptsError("other tries with this name are still being checked; try again in a moment")
            lane.append(turn)
        try:
            while lane[0] is not turn:
                await asyncio.sleep(_LOOK_SECONDS)
            yield
        finally:
            with self._guard:
                lane.remove(turn)
                if not lane:
                    self._lanes.pop(name, None)

    def _look(self, login: str, device: str) -> tuple[str | None, str | None, bool]:
        with self._database() as connection:
            row = connection.execute("SELECT user, secret FROM users WHERE login=? AND active=1", (login,)).fetchone()
            if row is None:
                return None, None, False
            known = connection.execute(
                "SELECT 1 FROM devices WHERE hash=? AND user=? AND until>?",
                (digest(device), row["user"], self._clock()),
            ).fetchone()
        return str(row["user"]), str(row["secret"]), known is not None

    def _failures(self, lane: str, source: str) -> tuple[int, int]:
        with self._database() as connection:
            connection.execute("DELETE FROM attempts WHERE at < ?", (self._clock() - FAILURE_WINDOW_SECONDS,))
            counts = [
                connection.execute("SELECT count(*) FROM attempts WHERE key=?", (key,)).fetchone()[0]
                for key in (lane, source)
            ]
        return counts[0], counts[1]

    def _note(self, lane: str, source: str, right: bool) -> None:
        with self._database() as connection:
            if right:
                connection.execute("DELETE FROM attempts WHERE key=?", (lane,))
            else:
                connection.executemany(
                    "INSERT INTO attempts VALUES (?, ?)", [(key, self._clock()) for key in (lane, source)]
                )


def remember_device(connection: sqlite3.Connection, now: float, user: str, device: str) -> str:
    """The token of a browser in which ``user`` has signed in; a new one where it brought none of this user."""
    known = connection.execute(
        "SELECT 1 FROM devices WHERE hash=? AND user=? AND until>?", (digest(device), user, now)
    ).fetchone()
    if known is not None:
        return device
    connection.execute("DELETE FROM devices WHERE until<=?", (now,))
    made = accounts.token()
    connection.execute("INSERT INTO devices VALUES (?, ?, ?)", (digest(made), user, now + accounts.DEVICE_SECONDS))
    return made
