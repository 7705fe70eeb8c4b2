"""Before a company signs a release list: what changed since the last revision, and what its counsel says of each item.

Counsel approves or refuses items one by one, for one revision; a new revision starts again. A company cannot sign a
revision of which its own counsel has refused an item. Reviews are a company's own matter: no other company reads them.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from typing import Any, Final

from teikei.errors import StudyError
from teikei.web.accounts import Caller

APPROVED, REFUSED = "approved", "refused"
WHOLE: Final = "the whole list"
_ASIDE: Final = ("format", "items", "members")


def keep_revision(connection: sqlite3.Connection, now: float, joint: str, by: str) -> None:
    """Keeps the present revision of a list for later comparison."""
    connection.execute(
        "INSERT OR IGNORE INTO revisions SELECT joint, revision, release_list, ?, ? FROM joint WHERE joint=?",
        (by, now, joint),
    )


def changes(connection: sqlite3.Connection, joint: str, revision: int) -> list[tuple[str, str, str]]:
    """What a revision changed against the one before: (of what, before, after); empty texts where nothing stood."""
    rows = connection.execute(
        "SELECT release_list FROM revisions WHERE joint=? AND revision<=? ORDER BY revision DESC LIMIT 2",
        (joint, revision),
    ).fetchall()
    if len(rows) < 2:
        return []
    after, before = (_flat(json.loads(row["release_list"])) for row in rows)
    return [
        (name, before.get(name, ""), after.get(name, ""))
        for name in dict.fromkeys([*before, *after])
        if before.get(name, "") != after.get(name, "")
    ]


def _flat(release_list: Mapping[str, Any]) -> dict[str, str]:
    found = {name: _text(value) for name, value in release_list.items() if name not in _ASIDE}
    numbers: dict[str, int] = {}
    for item in release_list.get("items", ()):
        kind = str(item.get("kind", "?"))
        numbers[kind] = numbers.get(kind, 0) + 1
        name = kind if numbers[kind] == 1 else f"{kind} {numbers[kind]}"
        found[name] = "; ".join(f"{key}: {_text(value)}" for key, value in item.items() if key != "kind")
    return found


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {_text(one)}" for key, one in value.items())
    if isinstance(value, list):
        return ", ".join(_text(one) for one in value)
    return "" if value is None else f"{value:.12g}" if isinstance(value, float) else str(value)


def review(
    connection: sqlite3.Connection,
    now: float,
    found: Mapping[str, Any],
    caller: Caller,
    item: int,
    verdict: str,
    text: str,
) -> None:
    """Counsel's word on one item of the present revision; item 0 is the whole list. A later word replaces it."""
    if verdict not in (APPROVED, REFUSED) or not 0 <= item <= len(found["list"].items):
        raise StudyError("choose an item of the list, and approve or refuse it")
    if verdict == REFUSED and not text.strip():
        raise StudyError("say why the item is refused, so that the list can be changed")
    connection.execute(
        "INSERT OR REPLACE INTO reviews VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (found["joint"], found["revision"], caller.company, item, caller.name, verdict, text.strip()[:1000], now),
    )


def reviews(
    connection: sqlite3.Connection, joint: str, revision: int, company: str | None
) -> dict[int, dict[str, Any]]:
    """Item -> what the company's own counsel said of it."""
    rows = connection.execute(
        "SELECT * FROM reviews WHERE joint=? AND revision=? AND company=?", (joint, revision, company)
    ).fetchall()
    return {row["item"]: dict(row) for row in rows}


def must_not_be_refused(connection: sqlite3.Connection, joint: str, revision: int, company: str | None) -> None:
    """Raises StudyError where the company's counsel has refused an item of this revision."""
    refused = [one for one in reviews(connection, joint, revision, company).values() if one["verdict"] == REFUSED]
    if refused:
        raise StudyError(
            f"your counsel has refused {len(refused)} of this revision; change the list, or ask counsel again"
        )
