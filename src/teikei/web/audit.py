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


def append(
    connection: sqlite3.Connection, at: float, actor: str, action: str, subject: str = "", company: str = ""
) -> str:
    """Adds a line within the caller's transaction, so that a deed and its line stand or fall together; its hash.

    company: whose private matter the line is; empty for lines that every party may read.
    """
    count, before = head(connection)
    entry: dict[str, Any] = {
        "number": count + 1,
        "at": round(at, 3),
        "actor": actor,
        "company": company,
        "action": action,
        "object": subject,
        "salt": secrets.token_hex(16),
    }
    entry["digest"] = line_digest(entry)
    entry["hash"] = chain_hash(before, count + 1, entry["digest"])
    connection.execute(
        "INSERT INTO audit VALUES (:number, :at, :actor, :company, :action, :object, :salt, :digest, :hash)", entry
    )
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
    """Number of lines of an exported log that ends in ``expected_head``.

    Raises DamagedRunError naming the first line that was changed, left out or moved, or saying that lines are missing
    at the end; StudyError where the head is no hash.
    """
    expected_head = expected_head.strip().lower()
    if len(expected_head) != 64 or set(expected_head) - set("0123456789abcdef"):
        raise StudyError("--head is the 64 hexadecimal digits shown on the page of the log")
    before, count = FIRST, 0
    lines = text.split("\n")
    for count, line in enumerate(lines[:-1] if not lines[-1] else lines, start=1):
        try:
            entry = json.loads(line)
            digest = line_digest(entry) if "salt" in entry else entry["digest"]
            right = (
                entry["number"] == count
                and entry["digest"] == digest
                and entry["hash"] == chain_hash(before, count, digest)
            )
        except (ValueError, KeyError, TypeError, RecursionError):
            right = False
        if not right:
            raise DamagedRunError(f"line {count} does not follow from the lines before it: the log was tampered with")
        before = entry["hash"]
    if before != expected_head:
        raise DamagedRunError(
            f"after {count} lines the log ends in another head than the one given: lines were cut off or added, or all "
            "of it was written anew"
        )
    return count


def verify_file(log: Path, expected_head: str) -> int:
    """``verify`` for a file; raises StudyError where it cannot be read."""
    try:
        return verify(log.read_text("utf-8"), expected_head)
    except OSError as error:
        raise StudyError(f"{log} cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise StudyError(f"{log} is not text in UTF-8: give the log as it was downloaded from the page") from error
