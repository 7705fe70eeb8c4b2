"""One joint study from the common frame and each member's own rows: nobody's file can bring rows of another.

Who owns a row: companies, engineering, programmes and volumes by company; what belongs to a programme (versions,
generations, requirements, contracts) by that programme's company; offers by their buyer, tiers by their offer; rules by
the companies they hold for; modules and families open to one member's companies only. The rest comes from the frame.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import polars as pl

from teikei.errors import StudyError
from teikei.study import Study, load, write_folder

_BY_COMPANY: Final = ("companies", "programmes", "engineering", "equity", "volumes")
_BY_PROGRAMME: Final = ("versions", "generations", "requirements", "existing")


def row_owners(study: Study, table: str, member_of: Mapping[str, str]) -> list[str]:
    """Member who owns each row of a table; an empty text is the frame's."""
    rows = study[table]
    if table in _BY_COMPANY:
        return [member_of.get(company, "") for company in rows["company"].to_list()]
    programmes = dict(study["programmes"].select("programme", "company").iter_rows())
    if table in _BY_PROGRAMME:
        return [member_of.get(programmes.get(name, ""), "") for name in rows["programme"].to_list()]
    if table == "offers":
        return [_one_member(str(buyer or "any").split("+"), member_of) for buyer in rows["buyer"].to_list()]
    if table == "tiers":
        owners = dict(zip(study["offers"]["offer"].to_list(), row_owners(study, "offers", member_of), strict=True))
        return [owners.get(offer, "") for offer in rows["offer"].to_list()]
    if table == "rules":
        return [_one_member(str(value).replace("+", ";").split(";"), member_of) for value in rows["value"].to_list()]
    if table == "modules":
        return [_one_member(list(names or []), member_of) for names in rows["available_to"].to_list()]
    if table == "families":
        found: dict[str, set[str]] = {}
        of_modules = row_owners(study, "modules", member_of)
        for family, owner in zip(study["modules"]["family"].to_list(), of_modules, strict=True):
            found.setdefault(family, set()).add(owner)
        sets = [found.get(name, {""}) for name in rows["family"].to_list()]
        return [next(iter(owners)) if len(owners) == 1 else "" for owners in sets]
    return [""] * len(rows)


def _one_member(names: list[str], member_of: Mapping[str, str]) -> str:
    members = {member_of.get(name.strip(), "") for name in names}
    return members.pop() if len(members) == 1 else ""


def assemble(
    frame: Path,
    inputs: Mapping[str, Path],
    members: Mapping[str, tuple[str, ...]],
    target: Path,
    change: Callable[[Study], Study] | None = None,
) -> Path:
    """Writes the joint study into ``target``: the frame's public rows and each member's own rows.

    frame: the common study; inputs: member -> its committed study; members: member -> its companies; change: made last,
    for signed specifications. Rows of a file that another member owns are left out. Raises StudyError where a file has
    errors or a member brings no company.
    """
    member_of = {company: member for member, own in members.items() for company in own}
    common = load(frame)
    own_studies = {member: load(inputs[member]) for member in members}
    tables: dict[str, pl.DataFrame] = {}
    for table in common.tables:
        parts = [_rows_of("", common, table, member_of)]
        parts += [_rows_of(member, own_studies[member], table, member_of) for member in members]
        tables[table] = pl.concat(parts)
    missing = [company for company in member_of if company not in tables["companies"]["company"].to_list()]
    if missing:
        raise StudyError(f"no member brings the company {missing[0]}; its own table companies must name it")
    keyed = _first_of_each(tables, "sources", "source")
    whole = common.with_tables(**{**tables, "sources": keyed})
    write_folder(change(whole) if change is not None else whole, target)
    return target


def _rows_of(owner: str, study: Study, table: str, member_of: Mapping[str, str]) -> pl.DataFrame:
    if table == "sources":  # who cites a source brings it along
        return study[table]
    return study[table].filter(
        pl.Series([found == owner for found in row_owners(study, table, member_of)], dtype=pl.Boolean)
    )


def _first_of_each(tables: Mapping[str, pl.DataFrame], table: str, key: str) -> pl.DataFrame:
    return tables[table].unique(key, keep="first", maintain_order=True)
