"""A common specification of one module as the companies write it together: fields, versions, comments, signatures.

A draft is never changed: each proposal or counter-proposal is a new version, and signatures belong to one version. A
document counts as signed when every member has signed its newest version.
"""

from __future__ import annotations

import datetime as dt
import io
import json
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

from teikei.errors import StudyError
from teikei.room.signed import Signed
from teikei.room.specification import MODULE, clean, fields_of, number_of
from teikei.tables.write import new_workbook, write_row
from teikei.web.accounts import Caller, new_id


def create(connection: sqlite3.Connection, joint: str, title: str, kind: str, classes: Sequence[str]) -> str:
    """An empty document of a module class; its id. classes: those of the common frame."""
    if kind not in classes:
        raise StudyError(f"choose one of {', '.join(classes)}")
    document = new_id()
    connection.execute(
        "INSERT INTO documents VALUES (?, ?, ?, ?)", (document, joint, title.strip()[:120] or kind, kind)
    )
    return document


def propose(
    connection: sqlite3.Connection,
    now: float,
    document: str,
    caller: Caller,
    base: int,
    given: Mapping[str, str],
    reason: str,
    modules: Sequence[str] | None = None,
) -> int:
    """A new version on top of ``base``; raises StudyError where somebody was faster or nothing changed.

    modules: those of the frame that a document of this class may be about (None: not checked).
    """
    found = read(connection, document)
    if base != found["version"]:
        raise StudyError("somebody has proposed a newer version meanwhile; look at it and propose on top of it")
    values = clean(found["kind"], given)
    if modules is not None and values.get(MODULE) and values[MODULE] not in modules:
        raise StudyError(f"the common frame has no such module of this class; it has {', '.join(modules) or 'none'}")
    if values == found["fields"]:
        raise StudyError("nothing differs from the present version")
    connection.execute(
        "INSERT INTO drafts VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            document, base + 1, caller.company or "", caller.name, now,
            json.dumps(values, ensure_ascii=False, sort_keys=True), reason.strip()[:500],
        ),
    )  # fmt: skip
    return base + 1


def comment(
    connection: sqlite3.Connection, now: float, document: str, caller: Caller, version: int, field: str, text: str
) -> None:
    """A remark on a field (or the whole) of a version."""
    found = read(connection, document)
    if not text.strip():
        raise StudyError("the comment is empty")
    if not 1 <= version <= found["version"]:
        raise StudyError("there is no such version")
    if field and field not in {one.name for one in fields_of(found["kind"])}:
        raise StudyError("there is no such field")
    connection.execute(
        "INSERT INTO comments VALUES (?, ?, ?, ?, ?, ?, ?)",
        (document, version, field, caller.company or "room", caller.name, now, text.strip()[:1000]),
    )


def sign(connection: sqlite3.Connection, now: float, document: str, caller: Caller, version: int) -> None:
    """A member signs the newest version, once it is complete."""
    found = read(connection, document)
    if version != found["version"] or version == 0:
        raise StudyError("only the newest version can be signed; look at it first")
    missing = [one.title for one in fields_of(found["kind"]) if one.required and one.name not in found["fields"]]
    if missing:
        raise StudyError(f"a family counts as designed when every field is filled in; missing: {', '.join(missing)}")
    connection.execute(
        "INSERT OR IGNORE INTO signatures VALUES (?, ?, ?, ?, ?)",
        (document, version, caller.company, caller.name, now),
    )


def read(connection: sqlite3.Connection, document: str) -> dict[str, Any]:
    """A document with its newest fields, what changed in each version, comments and signatures."""
    row = dict(connection.execute("SELECT * FROM documents WHERE document=?", (document,)).fetchone())
    drafts = [
        {**dict(draft), "fields": json.loads(draft["fields"])}
        for draft in connection.execute("SELECT * FROM drafts WHERE document=? ORDER BY version", (document,))
    ]
    for before, draft in zip([{}, *[one["fields"] for one in drafts]], drafts, strict=False):
        names = [one.name for one in fields_of(row["kind"])]
        draft["changes"] = [
            (name, before.get(name, ""), draft["fields"].get(name, ""))
            for name in names
            if before.get(name, "") != draft["fields"].get(name, "")
        ]
    members = [
        one["company"]
        for one in connection.execute("SELECT company FROM members WHERE joint=? ORDER BY company", (row["joint"],))
    ]
    version = drafts[-1]["version"] if drafts else 0
    signatures = [
        dict(one)
        for one in connection.execute(
            "SELECT * FROM signatures WHERE document=? AND version=? ORDER BY company", (document, version)
        )
    ]
    comments = [
        dict(one)
        for one in connection.execute("SELECT * FROM comments WHERE document=? ORDER BY at, rowid", (document,))
    ]
    return {
        **row,
        "drafts": drafts,
        "version": version,
        "fields": drafts[-1]["fields"] if drafts else {},
        "signatures": signatures,
        "signed": version > 0 and {one["company"] for one in signatures} == set(members),
        "comments": comments,
        "members": members,
    }


def state(connection: sqlite3.Connection, document: str) -> dict[str, Any]:
    """Newest version of a document and whether all have signed it, for lists."""
    found = read(connection, document)
    return {"version": found["version"], "signed": found["signed"]}


def as_workbook(found: Mapping[str, Any]) -> bytes:
    """The newest version with its history and signatures as an Excel workbook; texts stay texts."""
    packed = io.BytesIO()
    proposed = found["drafts"][-1]["at"] if found["drafts"] else 0.0
    with new_workbook(packed, in_memory=True) as book:
        book.set_properties({"created": dt.datetime.fromtimestamp(proposed, dt.UTC)})  # the same file at any hour
        bold = book.add_format({"bold": True})
        sheet = book.add_worksheet("specification")
        sheet.set_column(0, 0, 48)
        sheet.set_column(1, 2, 24)
        state = "signed by all" if found["signed"] else "draft"
        quoted = book.add_format({"quote_prefix": True})
        write_row(sheet, 0, [found["title"], f"version {found['version']}", state], bold, quoted)
        write_row(sheet, 2, ["Field", "Value", "Unit"], bold)
        for line, field in enumerate(fields_of(found["kind"]), start=3):
            value = found["fields"].get(field.name, "")
            number = number_of(value) if field.kind == "number" else None
            write_row(sheet, line, [field.title, value if number is None else number, field.unit], quoted=quoted)
        history = book.add_worksheet("history")
        history.set_column(0, 5, 22)
        write_row(history, 0, ["Version", "Company", "By", "Field", "Before", "After", "Reason"], bold)
        line = 1
        for draft in found["drafts"]:
            for name, before, after in draft["changes"]:
                cells = [str(draft["version"]), draft["company"], draft["by"], name, before, after, draft["reason"]]
                write_row(history, line, cells, quoted=quoted)
                line += 1
        signed = book.add_worksheet("signatures")
        write_row(signed, 0, ["Company", "By", "Version"], bold)
        for line, one in enumerate(found["signatures"], start=1):
            write_row(signed, line, [one["company"], one["by"], str(one["version"])], quoted=quoted)
    return packed.getvalue()


def signed_documents(connection: sqlite3.Connection, joint: str) -> list[Signed]:
    """The documents of a joint study whose newest version all members have signed, in a fixed order."""
    rows = connection.execute("SELECT document FROM documents WHERE joint=? ORDER BY document", (joint,)).fetchall()
    found = [read(connection, row["document"]) for row in rows]
    return [Signed(one["document"], one["version"], one["kind"], one["fields"]) for one in found if one["signed"]]
