"""A study may leave any table out but companies, programmes and volumes: what needs an absent table is set aside.

What is set aside is said once for each column, as a warning; the stage that lacks it is then left out of a run.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Final

from teikei.errors import Problem
from teikei.study.draft import Draft
from teikei.tables.source import Row

CORE: Final = ("companies", "programmes", "volumes")
"""Tables that every study has; their rows stay whatever else is absent."""

_ALSO_NEED: Final = {
    "offers": (("tiers", "offer"),),
    "requirements": (("versions", "version"),),
    "existing": (("generations", "generation"), ("versions", "version")),
    "volumes": (("generations", "generation"), ("versions", "programme")),
    "work": (("engineering", "skill"),),
}
"""Needs that columns.csv cannot say: table -> (table needed, column that shows it)."""
_TOGETHER: Final = {"index_paths": "index_shares"}
"""Lists that go by pairs: without the first the second says nothing."""


def set_aside(draft: Draft, present: Iterable[str]) -> tuple[Draft, list[Problem]]:
    """The draft without the rows that need a table which the study does not have, and a warning for each such column.

    present: tables that have a file or sheet, with rows or without; an empty one is not absent, it waits for its rows.
    Tables that are absent, or lost rows here, count as damaged: no check may conclude anything from what they lack.
    """
    gone = {name for name in draft.columns if name not in CORE} - set(present)
    needs = list(_needs(draft))
    own_currency = "" if draft.settings is None else draft.settings.currency
    rows = dict(draft.rows)
    lost: dict[tuple[str, str, str], list[Row]] = {}
    changed = True
    while changed:
        changed = False
        for table, column, target, needed in needs:
            if target not in gone or table in CORE:
                continue
            names: tuple[object, ...] = (None, [], "", own_currency if target == "currencies" else "")
            users = [row for row in rows[table] if row[column] not in names]
            if not users:
                continue
            changed = True
            lost.setdefault((table, column, target), []).extend(users)
            if needed:
                dropped = set(map(id, users))
                rows[table] = tuple(row for row in rows[table] if id(row) not in dropped)
                if not rows[table]:
                    gone.add(table)
            else:
                rows[table] = tuple(_without(row, column) for row in rows[table])
    told = [_told(draft, *key, users) for key, users in lost.items()]
    if "sources" in gone and any(row["source"] for name in draft.columns for row in rows[name]):
        text = "the study does not have this table: no figure can be traced to its source"
        told.append(Problem(draft.files["sources"], text, warning=True))
    unknown = {target for _, _, target, _ in needs} & gone | ({"sources"} & gone) | {table for table, _, _ in lost}
    return replace(draft, rows=rows, damaged=draft.damaged | unknown), told


def _told(draft: Draft, table: str, column: str, target: str, users: list[Row]) -> Problem:
    many = len(users) > 1
    return users[0].warning(
        column,
        f"the study does not have {draft.files[target]}: {len(users)} {'rows' if many else 'row'} of {table} that "
        f"{'need' if many else 'needs'} it {'are' if many else 'is'} left aside",
    )


def _needs(draft: Draft) -> Iterator[tuple[str, str, str, bool]]:
    """(table, column, table that the column names, whether a row without it means nothing)."""
    for table, columns in draft.columns.items():
        for column in columns.values():
            if column.references:
                yield table, column.name, column.references.partition(".")[0], column.required
        for target, name in _ALSO_NEED.get(table, ()):
            yield table, name, target, True


def _without(row: Row, column: str) -> Row:
    cleared = [name for name in (column, _TOGETHER.get(column)) if name is not None]
    return replace(row, values=row.values | {name: [] if isinstance(row[name], list) else None for name in cleared})
