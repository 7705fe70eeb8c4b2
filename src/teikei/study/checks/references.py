"""Names that must exist elsewhere: every column with ``references``, source keys, and references of two columns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from teikei.errors import Problem
from teikei.study.draft import Draft
from teikei.tables.columns import LIST_SEPARATOR, Column
from teikei.tables.messages import show, suggest

MOST_SUGGESTIONS: Final = 100  # different unknown names of one column for which the closest match is looked up

# Characters that part names where the table's names are joined or listed, and words with a meaning of their own.
_NOT_IN_NAMES: Final = {
    ("companies", "company"): ("+,;/&=:", ("any", "none", "all")),
    ("programmes", "programme"): (";/=", ()),
    ("generations", "generation"): (";/=", ()),
    ("versions", "version"): (";/=", ("all",)),
    ("suppliers", "supplier"): (";&=", ("any", "none", "all")),
    ("modules", "module"): (";&=", ()),
    ("classes", "class"): (";&=", ()),
    ("sites", "site"): (";=", ()),
    ("offers", "offer"): (";", ()),
    ("tasks", "task"): (";", ()),
    ("sources", "source"): (";", ()),
}


def names_can_be_joined(draft: Draft) -> Iterator[Problem]:
    """Names hold no character that separates names elsewhere (lists, coalitions, slots, scopes, conditions)."""
    for (table, column), (characters, words) in _NOT_IN_NAMES.items():
        for row in draft[table]:
            name = row[column] or ""
            odd = next((character for character in characters if character in name), "")
            if odd:
                yield row.error(
                    column,
                    f"the name {show(name)} holds {show(odd)}, which separates names elsewhere: choose another name",
                )
            elif name in words:
                yield row.error(column, f"{show(name)} has a meaning of its own in teikei: choose another name")


def referenced_names_exist(draft: Draft) -> Iterator[Problem]:
    """Every value of a column that refers to another table stands in that table (columns.csv, ``references``)."""
    for table, columns in draft.columns.items():
        for column in columns.values():
            if column.references:
                target, _, target_column = column.references.partition(".")
                yield from _missing_names(draft, table, column, target, target_column)


def source_keys_exist(draft: Draft) -> Iterator[Problem]:
    """Each key in a ``source`` column stands in the table of sources."""
    for table, columns in draft.columns.items():
        if table != "sources" and "source" in columns:
            yield from _missing_names(draft, table, columns["source"], "sources", "source")


def _missing_names(draft: Draft, table: str, column: Column, target: str, target_column: str) -> Iterator[Problem]:
    if target in draft.damaged:
        return  # rows of the target were lost: its names are not known
    known = set(draft.values(target, target_column))
    unreadable = any(target_column in row.unread for row in draft[target])
    is_list = column.kind == "list" or column.name == "source"
    users = [(row, name) for row in draft[table] for name in _names(row[column.name], is_list)]
    if users and not known and not unreadable:
        row, name = users[0]
        more = f" (and {len(users) - 1} more here)" if len(users) > 1 else ""
        yield row.error(
            column.name,
            f"{show(name)}{more} must stand in {draft.files[target]}, column {target_column}, which has no "
            "rows: add them",
        )
        return
    suggestions: dict[str, str] = {}
    choices = sorted(known)
    for row, name in users:
        if name in known:
            continue
        if name not in suggestions:
            suggestions[name] = _suggestion(name, choices) if len(suggestions) < MOST_SUGGESTIONS else ""
        yield row.error(
            column.name,
            f"{show(name)} is not in {draft.files[target]}, column {target_column}{suggestions[name]}",
        )


def _suggestion(name: str, known: Sequence[str]) -> str:
    if "," in name or "、" in name:
        return ": names in a list are separated by ;"
    return suggest(name, known)


def _names(value: Any, is_list: bool) -> Sequence[str]:
    if value is None:
        return ()
    if isinstance(value, list):
        return value
    return [part.strip() for part in value.split(LIST_SEPARATOR) if part.strip()] if is_list else (value,)


def assumed_columns_exist(draft: Draft) -> Iterator[Problem]:
    """``assumed_columns`` names columns of its own table."""
    for table, columns in draft.columns.items():
        if "assumed_columns" not in columns:
            continue
        for row in draft[table]:
            for name in row["assumed_columns"] or ():
                if name not in columns:
                    yield row.error(
                        "assumed_columns", f"the table {table} has no column {show(name)}{suggest(name, columns)}"
                    )


def generations_and_versions_exist(draft: Draft) -> Iterator[Problem]:
    """Rows that name a generation or version of a programme name one that the programme has."""
    for table, column, target, free in (
        ("volumes", "generation", "generations", ()),
        ("existing", "generation", "generations", ()),
        ("twins", "generation", "generations", ()),
        ("existing", "version", "versions", ("all",)),
        ("requirements", "version", "versions", ("all",)),
    ):
        if target in draft.damaged:
            continue
        having = {
            programme: {row[column] for row in rows} for programme, rows in draft.grouped(target, "programme").items()
        }
        programmes = set(draft.values("programmes", "programme"))
        for row in draft[table]:
            programme, name = row["programme"], row[column]
            if name is None or name in free or programme not in programmes:
                continue
            names = sorted(filter(None, having.get(programme, ())))
            if name not in names:
                yield row.error(
                    column,
                    f"programme {programme} has no {column} {show(name)} in "
                    f"{draft.files[target]}{suggest(name, [*names, *free])}",
                )


def buyers_exist(draft: Draft) -> Iterator[Problem]:
    """``offers.buyer`` is any, a company, or companies joined by + in the order of the companies table."""
    companies = draft.values("companies", "company")
    if "companies" in draft.damaged:
        return
    for row in draft["offers"]:
        names = [name.strip() for name in (row["buyer"] or "any").split("+")]
        unknown = [name for name in names if name not in companies and names != ["any"]]
        for name in unknown:
            hint = suggest(name, [*companies, "any"])
            yield row.error(
                "buyer",
                f"{show(name)} is not in {draft.files['companies']}{hint} (a coalition is companies joined by +)",
            )
        ordered = "+".join(company for company in companies if company in names)
        if not unknown and names != ["any"] and ordered != row["buyer"]:
            yield row.error(
                "buyer",
                f"found {show(row['buyer'])}, expected {show(ordered)}: a coalition names each company once, in "
                "the order "
                f"of {draft.files['companies']}",
            )


def site_customers_exist(draft: Draft) -> Iterator[Problem]:
    """``sites.sourceable_by`` is any, none, or companies."""
    companies = draft.values("companies", "company")
    for row in draft["sites"]:
        names = row["sourceable_by"] or []
        if len(names) > 1 and {"any", "none"} & set(names):
            yield row.error(
                "sourceable_by", f"found {show(names)}, expected any, or none, or companies: the three cannot be mixed"
            )
            continue
        for name in names:
            if name not in [*companies, "any", "none"] and "companies" not in draft.damaged:
                yield row.error(
                    "sourceable_by",
                    f"{show(name)} is not in {draft.files['companies']}{suggest(name, [*companies, 'any', 'none'])}",
                )


CHECKS = (
    names_can_be_joined,
    referenced_names_exist,
    source_keys_exist,
    assumed_columns_exist,
    generations_and_versions_exist,
    buyers_exist,
    site_customers_exist,
)
