"""Whether the log in the database is the one that grew: its heads are noted elsewhere, and compared at each start.

Every head goes into ``log-heads.jsonl`` beside the operator's database as soon as its line is committed; from time to
time the newest goes into ``checkpoints.jsonl`` in every company's folder, and the pages show it to every member. A line
rewritten with all hashes after it, or a tail cut off, disagrees with those files. Who can rewrite all of them at once
still cannot take back the heads that people have kept.
"""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any, Final

from teikei.web import audit
from teikei.web.database import TRIGGERS, Store

HEADS: Final = "log-heads.jsonl"
CHECKPOINTS: Final = "checkpoints.jsonl"


def witness(folder: Path, number: int, at: float, hash_: str) -> None:
    """Notes a head beside the database. A disk that is full must not undo a deed that is committed: it is left out."""
    try:
        _add(folder / HEADS, number, at, hash_)
    except OSError:
        return


def checkpoint(store: Store) -> None:
    """Notes the newest head in every company's folder, where it is not there yet."""
    with store.operator(write=False) as connection:
        row = connection.execute("SELECT number, at, hash FROM audit ORDER BY number DESC LIMIT 1").fetchone()
    if row is None:
        return
    for company in store.workspaces():
        file = store.workspace(company) / CHECKPOINTS
        known = read_heads(file)
        if file.parent.is_dir() and (not known or known[-1]["number"] != row["number"]):
            _add(file, row["number"], row["at"], row["hash"])


def read_heads(file: Path) -> list[dict[str, Any]]:
    """The heads noted in a file; a line that was cut off by the end of a server is left out."""
    found = []
    try:
        lines = file.read_text("utf-8", errors="replace").splitlines()
    except OSError:
        return []
    for line in lines:
        try:
            entry = json.loads(line)
            found.append({"number": int(entry["number"]), "at": float(entry["at"]), "hash": str(entry["hash"])})
        except (ValueError, KeyError, TypeError):
            continue
    return found


def _add(file: Path, number: int, at: float, hash_: str) -> None:
    with file.open("a", encoding="utf-8") as stream:
        stream.write(json.dumps({"number": number, "at": at, "hash": hash_}) + "\n")


def examine(store: Store) -> list[str]:
    """What is wrong with the log, in sentences; empty where it is the one that grew. Puts missing triggers back."""
    wrong = []
    with store.operator() as connection:
        there = {row["name"] for row in connection.execute("SELECT name FROM sqlite_master WHERE type='trigger'")}
        for name, statement in TRIGGERS.items():
            if name not in there:
                connection.execute(statement)
                wrong.append("the guard that keeps lines from being changed had been taken out of the database")
        hashes, broken = _chain(connection)
    if broken:
        wrong.append(f"line {broken} does not follow from the lines before it")
    files = [store.folder / HEADS, *(store.workspace(company) / CHECKPOINTS for company in store.workspaces())]
    wrong += [sentence for file in files if (sentence := _compare(read_heads(file), hashes, file.parent.name))]
    return list(dict.fromkeys(wrong))


def _chain(connection: sqlite3.Connection) -> tuple[list[str], int]:
    """The heads as stored, and the first line that does not follow (0: all do)."""
    hashes, broken = [audit.FIRST], 0
    for count, row in enumerate(connection.execute("SELECT * FROM audit ORDER BY number"), start=1):
        if not broken and not audit.follows(dict(row), count, hashes[-1]):
            broken = count
        hashes.append(row["hash"])
    return hashes, broken


def _compare(known: list[dict[str, Any]], hashes: list[str], place: str) -> str:
    for head in known:
        number = head["number"]
        if number >= len(hashes):
            return f"{number - len(hashes) + 1} lines are missing at its end, as noted in {place}"
        if hashes[number] != head["hash"]:
            return f"line {number} or one before it was rewritten, as noted in {place}"
    return ""
