"""Who may come in: accounts with argon2 secrets, one-time links, sessions that expire, a brake on guessing."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import sqlite3
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cache
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from teikei.errors import NotAllowedError, StudyError

OPERATOR, CLEAN_TEAM, PLANNER, BUYER, COUNSEL = "operator", "clean_team", "planner", "buyer", "counsel"
ROLES: Final = (OPERATOR, CLEAN_TEAM, PLANNER, BUYER, COUNSEL)
ROOM_ROLES: Final = (OPERATOR, CLEAN_TEAM)  # they belong to the operator's room and to no company
LINK_SECONDS: Final = 7 * 86_400.0
SESSION_SECONDS: Final = 12 * 3_600.0
IDLE_SECONDS: Final = 45 * 60.0
MOST_FAILURES: Final = 5
FAILURE_WINDOW_SECONDS: Final = 15 * 60.0
SHORTEST_PASSPHRASE: Final = 12


class TooManyAttemptsError(NotAllowedError):
    """Too many failed sign-ins. Remedy: wait a quarter of an hour."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who sends a request. company is None for operator and clean team."""

    user: str
    name: str
    role: str
    company: str | None
    form_key: str


@cache
def _hasher() -> PasswordHasher:
    return PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)  # OWASP's minimum for argon2id


@cache
def _decoy() -> str:
    return _hasher().hash(secrets.token_urlsafe(16))


def token() -> str:
    """256 random bits for links, sessions and ids that cannot be guessed."""
    return secrets.token_urlsafe(32)


def new_id() -> str:
    """A random name for an object, safe in addresses and file names."""
    return secrets.token_hex(8)


def digest(text: str) -> str:
    """What is stored of a link or session: who reads the database cannot use it."""
    return hashlib.sha256(text.encode()).hexdigest()


def add_company(connection: sqlite3.Connection, company: str, title: str) -> None:
    """Raises StudyError where the id is not plain or taken."""
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,39}", company) or company == "room":
        raise StudyError("the short name of a company has 1 to 40 small letters, digits and hyphens")
    if connection.execute("SELECT 1 FROM companies WHERE company = ?", (company,)).fetchone():
        raise StudyError(f"there is already a company {company!r}")
    connection.execute("INSERT INTO companies VALUES (?, ?)", (company, title.strip()[:120] or company))


def make_link(connection: sqlite3.Connection, now: float, role: str, company: str | None) -> str:
    """A link that makes one account, once, within a week; only its hash is kept."""
    if role not in ROLES or (company is None) != (role in ROOM_ROLES):
        raise StudyError("operator and clean team belong to no company; planner, buyer and counsel to one")
    if company is not None and not connection.execute("SELECT 1 FROM companies WHERE company=?", (company,)).fetchone():
        raise StudyError("there is no such company")
    link = token()
    connection.execute("INSERT INTO links VALUES (?, ?, ?, ?)", (digest(link), role, company, now + LINK_SECONDS))
    return link


def find_link(connection: sqlite3.Connection, now: float, link: str) -> tuple[str, str | None] | None:
    """Role and company that a link still gives, or None."""
    row = connection.execute("SELECT role, company FROM links WHERE hash=? AND until>?", (digest(link), now)).fetchone()
    return None if row is None else (row["role"], row["company"])


def use_link(connection: sqlite3.Connection, now: float, link: str, login: str, name: str, passphrase: str) -> str:
    """Makes the account of a link and spends the link; the id of the user. Raises StudyError with what to change."""
    granted = find_link(connection, now, link)
    if granted is None:
        raise StudyError("this link was used already or has expired; ask the operator for a new one")
    login = login.strip().casefold()
    if not 3 <= len(login) <= 80 or any(character.isspace() for character in login):
        raise StudyError("the sign-in name has 3 to 80 characters and no spaces")
    if not SHORTEST_PASSPHRASE <= len(passphrase) <= 200:
        raise StudyError(f"the passphrase has at least {SHORTEST_PASSPHRASE} characters (and at most 200)")
    if connection.execute("SELECT 1 FROM users WHERE login=?", (login,)).fetchone():
        raise StudyError("choose another sign-in name")
    user = new_id()
    connection.execute(
        "INSERT INTO users (user, login, name, role, company, secret) VALUES (?, ?, ?, ?, ?, ?)",
        (user, login, name.strip()[:80] or login, *granted, _hasher().hash(passphrase)),
    )
    connection.execute("DELETE FROM links WHERE hash=?", (digest(link),))
    return user


def check_passphrase(
    database: Callable[[], AbstractContextManager[sqlite3.Connection]],
    now: float,
    login: str,
    passphrase: str,
    address: str,
) -> str | None:
    """The user's id, or None. Unknown names cost the same time as wrong passphrases.

    database: opens a transaction; none is open while the passphrase is verified, which is slow on purpose. For its name
    an attempt counts as failed until it has succeeded, so that guesses sent side by side are counted as well. Raises
    TooManyAttemptsError after five failures for a name, or twenty from an address, in a quarter of an hour.
    """
    login = login.strip().casefold()[:80]
    name_key, address_key = f"name:{digest(login)}", f"address:{address}"
    with database() as connection:
        connection.execute("DELETE FROM attempts WHERE at < ?", (now - FAILURE_WINDOW_SECONDS,))
        for key, most in ((name_key, MOST_FAILURES), (address_key, 4 * MOST_FAILURES)):
            if connection.execute("SELECT count(*) FROM attempts WHERE key=?", (key,)).fetchone()[0] >= most:
                raise TooManyAttemptsError("too many failed sign-ins; wait a quarter of an hour and try again")
        connection.execute("INSERT INTO attempts VALUES (?, ?)", (name_key, now))
        row = connection.execute("SELECT user, secret FROM users WHERE login=? AND active=1", (login,)).fetchone()
    try:
        _hasher().verify(row["secret"] if row is not None else _decoy(), passphrase[:200])
    except (VerificationError, InvalidHashError):
        row = None
    with database() as connection:
        if row is None:
            connection.execute("INSERT INTO attempts VALUES (?, ?)", (address_key, now))
            return None
        connection.execute("DELETE FROM attempts WHERE key=?", (name_key,))
    return str(row["user"])


def open_session(connection: sqlite3.Connection, now: float, user: str) -> str:
    """A new session; the returned token goes into the cookie and nowhere else."""
    session = token()
    connection.execute("DELETE FROM sessions WHERE until <= ? OR idle_until <= ?", (now, now))
    connection.execute(
        "INSERT INTO sessions VALUES (?, ?, ?, ?, ?)",
        (digest(session), user, token(), now + SESSION_SECONDS, now + IDLE_SECONDS),
    )
    return session


def find_session(connection: sqlite3.Connection, now: float, session: str) -> tuple[Caller, bool] | None:
    """The caller behind a session cookie, and whether the idle limit wants moving (see ``touch_session``)."""
    row = connection.execute(
        "SELECT u.user, u.name, u.role, u.company, s.form_key, s.idle_until FROM sessions s JOIN users u "
        "ON u.user = s.user WHERE s.hash = ? AND s.until > ? AND s.idle_until > ? AND u.active = 1",
        (digest(session), now, now),
    ).fetchone()
    if row is None:
        return None
    caller = Caller(row["user"], row["name"], row["role"], row["company"], row["form_key"])
    return caller, row["idle_until"] < now + IDLE_SECONDS - 60


def touch_session(connection: sqlite3.Connection, now: float, session: str) -> None:
    """Moves the idle limit of a session; done once a minute at most, to spare the disk."""
    connection.execute("UPDATE sessions SET idle_until=? WHERE hash=?", (now + IDLE_SECONDS, digest(session)))


def close_session(connection: sqlite3.Connection, session: str) -> None:
    """Ends one session."""
    connection.execute("DELETE FROM sessions WHERE hash=?", (digest(session),))


def switch_off(connection: sqlite3.Connection, user: str) -> None:
    """Takes an account and all its sessions away, at once."""
    connection.execute("UPDATE users SET active=0 WHERE user=?", (user,))
    connection.execute("DELETE FROM sessions WHERE user=?", (user,))


def same(left: str, right: str) -> bool:
    """Compare secrets in constant time."""
    return hmac.compare_digest(left.encode(), right.encode())
