"""The log that only grows: each line carries a hash of itself and of the line before it.

A reader who keeps the newest hash (the head) finds out later if any line before it was changed, left out, put elsewhere
or cut off. Lines hold who did what to which object, never a figure of a study. A line of another company is exported
sealed: its salted digest stands for it, so that the chain can still be checked without reading it.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from teikei.errors import DamagedRunError, StudyError

FIRST: Final = "0" * 64
_FIELDS: Final = ("number", "at", "actor", "company", "action", "object", "salt")


def line_digest(entry: Mapping[str, Any]) -> str:
    """SHA-256 of a line's fields as canonical JSON; its salt keeps a sealed line from being guessed."""
    body = json.dumps([entry[field] for field in _FIELDS], ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(body.encode()).hexdigest()


def chain_hash(before: str, number: int, digest: str) -> str:
    """SHA-256 over the hash of the line before, this line's number and its digest."""
    return hashlib.sha256(f"{before}\n{number}\n{digest}".encode()).hexdigest()


@dataclass(frozen=True)
class Line:
    """Who did what to what. company: whose private matter it is; empty for lines that every party may read."""

    actor: str
    action: str
    subject: str = ""
    company: str = ""


def append(
    connection: sqlite3.Connection, at: float, actor: str, action: str, subject: str = "", company: str = ""
) -> str:
    """Adds a line within the caller's transaction, so that a deed and its line stand or fall together; its hash.

    connection: to the operator's database. company: whose private matter the line is; empty for lines that every party
    may read.
    """
    return _chain(connection, _entry(at, Line(actor, action, subject, company)))


def set_aside(connection: sqlite3.Connection, at: float, line: Line) -> None:
    """Keeps a line in the transaction of a workspace's database; ``Store.company`` brings it into the log after it."""
    connection.execute("INSERT INTO outbox VALUES (:salt, :at, :actor, :company, :action, :object)", _entry(at, line))
    connection.has_set_aside = True  # type: ignore[attr-defined]


def take_in(connection: sqlite3.Connection, waiting: Mapping[str, Any]) -> None:
    """Puts a line that was set aside into the log, unless it is there already."""
    if connection.execute("SELECT 1 FROM audit WHERE salt=?", (waiting["salt"],)).fetchone() is None:
        _chain(connection, dict(waiting))


def _entry(at: float, line: Line) -> dict[str, Any]:
    return {
        "at": round(at, 3),
        "actor": line.actor,
        "company": line.company,
        "action": line.action,
        "object": line.subject,
        "salt": secrets.token_hex(16),
    }


def _chain(connection: sqlite3.Connection, entry: dict[str, Any]) -> str:
    count, before = head(connection)
    entry["number"] = count + 1
    entry["digest"] = line_digest(entry)
    entry["hash"] = chain_hash(before, count + 1, entry["digest"])
    connection.execute(
        "INSERT INTO audit VALUES (:number, :at, :actor, :company, :action, :object, :salt, :digest, :hash)", entry
    )
    connection.newest_line = (entry["number"], entry["at"], entry["hash"])  # type: ignore[attr-defined]
    return str(entry["hash"])


def entries(connection: sqlite3.Connection, company: str | None = None) -> list[dict[str, Any]]:
    """All lines, oldest first; for a company, the private lines of others are sealed. None reads everything."""
    rows = [dict(row) for row in connection.execute("SELECT * FROM audit ORDER BY number")]
    if company is None:
        return rows
    kept = ("number", "digest", "hash")
    return [row if row["company"] in ("", company) else {name: row[name] for name in kept} for row in rows]


def head(connection: sqlite3.Connection) -> tuple[int, str]:
    """Number of lines and the newest hash."""
    last = connection.execute("SELECT number, hash FROM audit ORDER BY number DESC LIMIT 1").fetchone()
    return (0, FIRST) if last is None else (int(last["number"]), str(last["hash"]))


def export(lines: Iterable[Mapping[str, Any]]) -> str:
    """One JSON object per line, as ``verify`` reads it."""
    return "".join(json.dumps(line, ensure_ascii=False, sort_keys=True) + "\n" for line in lines)


def verify(text: str, expected_head: str) -> int:
    """Number of lines of an exported log in which ``expected_head`` is the hash of a line (or of the empty log).

    A head kept earlier stays good while lines are only added; ``lines_after`` says how many came since. Raises
    DamagedRunError naming the first line that was changed, left out or moved, or saying that lines up to the head are
    missing; StudyError where the head is no hash.
    """
    hashes = _hashes(text)
    _place(hashes, expected_head)
    return len(hashes) - 1


def lines_after(text: str, expected_head: str) -> int:
    """How many lines of a whole log (see ``verify``) follow the one whose hash is ``expected_head``."""
    hashes = _hashes(text)
    return len(hashes) - 1 - _place(hashes, expected_head)


def _place(hashes: list[str], expected_head: str) -> int:
    expected_head = expected_head.strip().lower()
    if len(expected_head) != 64 or set(expected_head) - set("0123456789abcdef"):
        raise StudyError("--head is the 64 hexadecimal digits shown on the page of the log")
    if expected_head not in hashes:
        raise DamagedRunError(
            f"after {len(hashes) - 1} lines the log has another head than the one given, and none of its lines has it: "
            "lines were cut off, or all of it was written anew"
        )
    return hashes.index(expected_head)


def _hashes(text: str) -> list[str]:
    """The head before the first line and after each; raises where a line does not follow from those before it."""
    found = [FIRST]
    lines = text.split("\n")
    for count, line in enumerate(lines[:-1] if not lines[-1] else lines, start=1):
        try:
            entry = json.loads(line)
            right = follows(entry, count, found[-1])
        except (ValueError, KeyError, TypeError, RecursionError):
            right = False
        if not right:
            raise DamagedRunError(f"line {count} does not follow from the lines before it: the log was tampered with")
        found.append(entry["hash"])
    return found


def follows(entry: Mapping[str, Any], number: int, before: str) -> bool:
    """Whether a line is the right one after the head ``before``; sealed lines bring their digest."""
    digest = line_digest(entry) if "salt" in entry else entry["digest"]
    return bool(
        entry["number"] == number and entry["digest"] == digest and entry["hash"] == chain_hash(before, number, digest)
    )


def read_file(log: Path) -> str:
    """The text of an exported log; raises StudyError where it cannot be read."""
    try:
        return log.read_text("utf-8")
    except OSError as error:
        raise StudyError(f"{log} cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise StudyError(f"{log} is not text in UTF-8: give the log as it was downloaded from the page") from error


def verify_file(log: Path, expected_head: str) -> int:
    """``verify`` for a file; raises StudyError where it cannot be read."""
    return verify(read_file(log), expected_head)
