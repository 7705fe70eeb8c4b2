"""Who may come in: accounts with argon2 secrets, one-time links, sessions that expire. Sign-in itself: ``sign_in``."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import sqlite3
from dataclasses import dataclass
from functools import cache
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from teikei.errors import StudyError
from teikei.web.passphrases import refuse_weak

OPERATOR, CLEAN_TEAM, PLANNER, BUYER, COUNSEL = "operator", "clean_team", "planner", "buyer", "counsel"
ROLES: Final = (OPERATOR, CLEAN_TEAM, PLANNER, BUYER, COUNSEL)
ROOM_ROLES: Final = (OPERATOR, CLEAN_TEAM)  # they belong to the operator's room and to no company
LINK_SECONDS: Final = 7 * 86_400.0
SESSION_SECONDS: Final = 12 * 3_600.0
IDLE_SECONDS: Final = 45 * 60.0
DEVICE_SECONDS: Final = 180 * 86_400.0
SEPARATOR: Final = "#"  # between a name that was given up with its account, and the account


@dataclass(frozen=True, slots=True)
class Caller:
    """Who sends a request. company is None for operator and clean team."""

    user: str
    name: str
    role: str
    company: str | None
    form_key: str
    login: str = ""

    @property
    def label(self) -> str:
        """How the log names the caller, for people to read."""
        return label(self.company, self.name, self.login)


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


def label(company: str | None, name: str, login: str) -> str:
    """A person in the log: company, name, and the sign-in name that no other person has."""
    return f"{company or 'room'}/{name}" if name in ("", login) else f"{company or 'room'}/{name} ({login})"


def add_company(connection: sqlite3.Connection, company: str, title: str) -> None:
    """Raises StudyError where the id is not plain or taken."""
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,39}", company) or company == "room":
        raise StudyError("the short name of a company has 1 to 40 small letters, digits and hyphens")
    if connection.execute("SELECT 1 FROM companies WHERE company = ?", (company,)).fetchone():
        raise StudyError(f"there is already a company {company!r}")
    connection.execute("INSERT INTO companies VALUES (?, ?)", (company, title.strip()[:120] or company))


def make_link(connection: sqlite3.Connection, now: float, role: str, company: str | None, by: str = "") -> str:
    """A link that makes one account, once, within a week; only its hash is kept."""
    if role not in ROLES or (company is None) != (role in ROOM_ROLES):
        raise StudyError("operator and clean team belong to no company; planner, buyer and counsel to one")
    if company is not None and not connection.execute("SELECT 1 FROM companies WHERE company=?", (company,)).fetchone():
        raise StudyError("there is no such company")
    link = token()
    connection.execute("DELETE FROM links WHERE until<=?", (now,))
    connection.execute(
        "INSERT INTO links VALUES (?, ?, ?, ?, ?, ?)", (digest(link), role, company, now + LINK_SECONDS, now, by)
    )
    return link


def find_link(connection: sqlite3.Connection, now: float, link: str) -> tuple[str, str | None] | None:
    """Role and company that a link still gives, or None."""
    row = connection.execute("SELECT role, company FROM links WHERE hash=? AND until>?", (digest(link), now)).fetchone()
    return None if row is None else (row["role"], row["company"])


def open_links(connection: sqlite3.Connection, now: float) -> list[dict[str, object]]:
    """Links that still make an account: whose they are, who made them and until when; never the link itself."""
    rows = connection.execute("SELECT * FROM links WHERE until>? ORDER BY until, hash", (now,)).fetchall()
    return [{**dict(row), "invitation": row["hash"][:16]} for row in rows]


def revoke_link(connection: sqlite3.Connection, invitation: str) -> str | None:
    """Takes a link back; for whom it was, or None. invitation: the name that ``open_links`` gives it."""
    for row in connection.execute("SELECT hash, role, company FROM links").fetchall():
        if same(row["hash"][:16], invitation):
            connection.execute("DELETE FROM links WHERE hash=?", (row["hash"],))
            return f"{row['role']} {row['company'] or 'room'}"
    return None


def use_link(connection: sqlite3.Connection, now: float, link: str, login: str, name: str, passphrase: str) -> str:
    """Makes the account of a link and spends the link; the id of the user. Raises StudyError with what to change."""
    granted = find_link(connection, now, link)
    if granted is None:
        raise StudyError("this link was used already or has expired; ask the operator for a new one")
    login = login.strip().casefold()
    if not 3 <= len(login) <= 80 or any(character.isspace() for character in login):
        raise StudyError("the sign-in name has 3 to 80 characters and no spaces")
    if SEPARATOR in login:
        raise StudyError("the sign-in name has no sign #")
    refuse_weak(passphrase, (login, name, granted[0], granted[1] or ""))
    if connection.execute("SELECT 1 FROM users WHERE login=?", (login,)).fetchone():
        raise StudyError("choose another sign-in name")
    user = new_id()
    connection.execute(
        "INSERT INTO users (user, login, name, role, company, secret) VALUES (?, ?, ?, ?, ?, ?)",
        (user, login, name.strip()[:80] or login, *granted, hashed(passphrase)),
    )
    connection.execute("DELETE FROM links WHERE hash=?", (digest(link),))
    return user


def hashed(passphrase: str) -> str:
    """What is stored of a passphrase."""
    return str(_hasher().hash(passphrase))


def matches(secret: str | None, passphrase: str) -> bool:
    """Whether a passphrase is the one behind a stored secret; None costs the same time and is never right."""
    try:
        _hasher().verify(secret if secret is not None else _decoy(), passphrase[:200])
    except (VerificationError, InvalidHashError):
        return False
    return secret is not None


def open_session(connection: sqlite3.Connection, now: float, user: str, address: str = "", browser: str = "") -> str:
    """A new session; the returned token goes into the cookie and nowhere else.

    address, browser: where it was opened, for its owner to recognise it.
    """
    session = token()
    connection.execute("DELETE FROM sessions WHERE until <= ? OR idle_until <= ?", (now, now))
    connection.execute(
        "INSERT INTO sessions VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (digest(session), user, token(), now + SESSION_SECONDS, now + IDLE_SECONDS, now, address[:60], browser[:200]),
    )
    return session


def find_session(connection: sqlite3.Connection, now: float, session: str) -> tuple[Caller, bool] | None:
    """The caller behind a session cookie, and whether the idle limit wants moving (see ``touch_session``)."""
    row = connection.execute(
        "SELECT u.user, u.login, u.name, u.role, u.company, s.form_key, s.idle_until FROM sessions s JOIN users u "
        "ON u.user = s.user WHERE s.hash = ? AND s.until > ? AND s.idle_until > ? AND u.active = 1",
        (digest(session), now, now),
    ).fetchone()
    if row is None:
        return None
    caller = Caller(row["user"], row["name"], row["role"], row["company"], row["form_key"], row["login"])
    return caller, row["idle_until"] < now + IDLE_SECONDS - 60


def touch_session(connection: sqlite3.Connection, now: float, session: str) -> None:
    """Moves the idle limit of a session; done once a minute at most, to spare the disk."""
    connection.execute("UPDATE sessions SET idle_until=? WHERE hash=?", (now + IDLE_SECONDS, digest(session)))


def open_sessions(connection: sqlite3.Connection, now: float, user: str) -> list[dict[str, object]]:
    """Where a person is signed in: hash, since when, address and browser."""
    rows = connection.execute(
        "SELECT hash, made, address, browser FROM sessions WHERE user=? AND until>? AND idle_until>? "
        "ORDER BY made, hash",
        (user, now, now),
    ).fetchall()
    return [dict(row) for row in rows]


def end_session(connection: sqlite3.Connection, user: str, name: str) -> bool:
    """Ends one of a person's own sessions, named by the first 16 digits of its hash; whether there was one."""
    query = "DELETE FROM sessions WHERE user=? AND substr(hash, 1, 16)=?"
    return len(name) == 16 and connection.execute(query, (user, name)).rowcount > 0


def change_passphrase(connection: sqlite3.Connection, caller: Caller, passphrase: str, keep: str) -> None:
    """Another passphrase; every session but ``keep`` ends. Raises StudyError where it is too weak."""
    refuse_weak(passphrase, (caller.login, caller.name, caller.role, caller.company or ""))
    connection.execute("UPDATE users SET secret=? WHERE user=?", (hashed(passphrase), caller.user))
    connection.execute("DELETE FROM sessions WHERE user=? AND hash<>?", (caller.user, digest(keep)))
    connection.execute("DELETE FROM devices WHERE user=?", (caller.user,))


def close_session(connection: sqlite3.Connection, session: str) -> None:
    """Ends one session."""
    connection.execute("DELETE FROM sessions WHERE hash=?", (digest(session),))


def switch_off(connection: sqlite3.Connection, user: str) -> None:
    """Takes an account and all its sessions away, at once; its sign-in name is free for somebody else."""
    connection.execute(
        "UPDATE users SET active=0, login=login || ? || user WHERE user=? AND active=1", (SEPARATOR, user)
    )
    connection.execute("DELETE FROM sessions WHERE user=?", (user,))
    connection.execute("DELETE FROM devices WHERE user=?", (user,))


def same(left: str, right: str) -> bool:
    """Compare secrets in constant time."""
    return hmac.compare_digest(left.encode(), right.encode())
