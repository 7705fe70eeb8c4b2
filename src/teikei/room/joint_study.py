"""One joint study from the common frame and each member's own rows: nobody's file can bring rows of another.

Who owns a row: whatever has a company (companies, engineering, programmes, volumes, spend) by that company; what
belongs to a programme (versions, generations, requirements, contracts) by that programme's company; offers by their
buyer, tiers by their offer; rules by the companies they hold for; modules and families open to one member's companies
only. The rest comes from the frame.

Before anything is solved, the level of each programme's volume and each private price is put into its agreed cell
(``on_cells``): the joint solve never reads more of it. Companies that are no members are left out (``members_only``).
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Final

import polars as pl

from teikei.errors import StudyError
from teikei.room.inference import price_middle
from teikei.room.release_list import ReleaseList
from teikei.study import Study, load, write_folder

_BY_PROGRAMME: Final = ("versions", "generations", "requirements", "existing")
_OF_ALL: Final = ("products",)  # public market data that only refer to a programme


def row_owners(study: Study, table: str, member_of: Mapping[str, str]) -> list[str]:
    """Member who owns each row of a table; an empty text is the frame's."""
    rows = study[table]
    if "company" in rows.columns and table not in _BY_PROGRAMME:
        return [member_of.get(company, "") for company in rows["company"].to_list()]
    if table == "captive":
        return [member_of.get(owner, "") for owner in rows["owner"].to_list()]
    programmes = dict(study["programmes"].select("programme", "company").iter_rows())
    if "programme" in rows.columns and table not in _OF_ALL:
        return [member_of.get(programmes.get(name, ""), "") for name in rows["programme"].to_list()]
    if table == "offers":
        return [_one_member(str(buyer or "any").split("+"), member_of) for buyer in rows["buyer"].to_list()]
    if table == "logistics":
        owners = dict(
            zip(study["car_plants"]["plant"].to_list(), row_owners(study, "car_plants", member_of), strict=True)
        )
        return [owners.get(plant, "") for plant in rows["plant"].to_list()]
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
    release_list: ReleaseList,
    target: Path,
    change: Callable[[Study], Study] | None = None,
    *,
    exact: str = "",
) -> Path:
    """Writes the joint study into ``target``: the frame's public rows and each member's own rows, on the agreed cells.

    frame: the common study; inputs: member -> its committed study; change: made last, for signed specifications; exact:
    a member whose own figures are taken as they are (its own what-if run, whose result it alone gets). Rows of a file
    that another member owns, and all of companies that are no members, are left out. Raises StudyError where a file has
    errors, a member brings no company, or the list does not say what is known of a programme's volume.
    """
    members = release_list.members
    member_of = {company: member for member, own in members.items() for company in own}
    common = load(frame)
    own_studies = {
        member: on_cells(load(inputs[member]), common, release_list, "" if member == exact else member)
        for member in members
    }
    tables: dict[str, pl.DataFrame] = {}
    for table in common.tables:
        parts = [_rows_of("", common, table, member_of)]
        parts += [_rows_of(member, own_studies[member], table, member_of) for member in members]
        tables[table] = pl.concat(parts)
    missing = [company for company in member_of if company not in tables["companies"]["company"].to_list()]
    if missing:
        raise StudyError(f"no member brings the company {missing[0]}; its own table companies must name it")
    keyed = _first_of_each(tables, "sources", "source")
    whole = members_only(common.with_tables(**{**tables, "sources": keyed}), set(member_of))
    write_folder(change(whole) if change is not None else whole, target)
    return target


def level(volumes: pl.DataFrame, programme: str, scenario: str, years: int) -> float:
    """Cars a year of a programme in the planned volume case, over so many years."""
    rows = volumes.filter((pl.col("programme") == programme) & (pl.col("scenario") == scenario))
    return float(rows["units"].sum()) / years if years else 0.0


def years_on_sale(volumes: pl.DataFrame, programme: str, scenario: str) -> int:
    """Years in which a programme sells anything in the planned volume case."""
    chosen = (pl.col("programme") == programme) & (pl.col("scenario") == scenario) & (pl.col("units") > 0)
    return volumes.filter(chosen)["year"].n_unique()


def on_cells(study: Study, common: Study, release_list: ReleaseList, member: str) -> Study:
    """A member's study with the level of each own programme's volume, and each own price, in the middle of its cell.

    common: the frame, whose volumes give the course over the years (unless the list takes the owner's own); member:
    whose rows to change (empty: nobody's, all stays as it is). Raises StudyError where a programme is not declared.
    """
    if not member:
        return study
    member_of = {company: name for name, own in release_list.members.items() for company in own}
    scenario = common.settings.volume_scenario
    mine = study["volumes"].filter(_owned(study, "volumes", member_of, member))
    public = common["volumes"].filter(_owned(common, "volumes", member_of, member))
    kept = [study["volumes"].filter(~_owned(study, "volumes", member_of, member))]
    for programme in sorted({*mine["programme"].to_list(), *public["programme"].to_list()}):
        if programme not in release_list.known_volumes:
            raise StudyError(f"the release list does not say what is known of the volume of {programme}")
        source = public if release_list.volume_shape == "frame" else mine
        years = years_on_sale(source, programme, scenario)
        now = level(source, programme, scenario, years)
        if now <= 0:
            raise StudyError(f"the common frame has no volumes of {programme}; add public ones to it")
        middle = release_list.cells(programme).middle(level(mine, programme, scenario, years))
        rows = source.filter(pl.col("programme") == programme)
        kept.append(rows.with_columns(pl.col("units") * (middle / now)))
    changed = {"volumes": pl.concat(kept)}
    share = release_list.smallest_interval_price_share
    if share > 0:
        for table in ("tiers", "existing"):
            own = _owned(study, table, member_of, member)
            prices = [
                price_middle(price, share) if owned and price and math.isfinite(price) else price
                for price, owned in zip(study[table]["unit_price"].to_list(), own.to_list(), strict=True)
            ]
            changed[table] = study[table].with_columns(pl.Series("unit_price", prices, dtype=pl.Float64))
    return study.with_tables(**changed)


def _owned(study: Study, table: str, member_of: Mapping[str, str], member: str) -> pl.Series:
    return pl.Series([one == member for one in row_owners(study, table, member_of)], dtype=pl.Boolean)


def members_only(study: Study, companies: set[str]) -> Study:
    """The study without every company that is no member: its cars, contracts, offers and modules go with it.

    A market product that stands for an outsider's programme stays, as a rival's.
    """
    outside = set(study.companies) - companies
    if not outside:
        return study
    gone = set(study["programmes"].filter(pl.col("company").is_in(outside))["programme"].to_list())
    tables = dict(study.tables)
    for table, rows in study.tables.items():
        if table == "products":
            continue
        keys = {"company": outside, "programme": gone}
        for column in keys.keys() & set(rows.columns):
            tables[table] = _without(tables[table], column, keys[column])
    stands_for = pl.col("programme")
    tables["products"] = tables["products"].with_columns(
        pl.when(stands_for.is_in(sorted(gone))).then(None).otherwise(stands_for).alias("programme")
    )
    segments = set(tables["programmes"]["segment"].to_list())
    modules = [
        row["module"]
        for row in tables["modules"].iter_rows(named=True)
        if (row["available_to"] and not companies & set(row["available_to"]))
        or (row["segments"] and not segments & set(row["segments"]))
    ]
    offers = [
        row["offer"]
        for row in tables["offers"].iter_rows(named=True)
        if row["module"] in modules or outside & set(str(row["buyer"] or "any").split("+"))
    ]
    tables["modules"] = _named(
        _named(_without(tables["modules"], "module", modules), "available_to", outside), "sunk_for", outside
    )
    tables["families"] = _named(tables["families"], "sunk_for", outside)
    tables["existing"] = _without(tables["existing"], "module", modules)
    tables["offers"] = _without(tables["offers"], "offer", offers)
    tables["tiers"] = _without(tables["tiers"], "offer", offers)
    kept_bundles = [not set(names or ()) & set(offers) for names in tables["bundles"]["offers"].to_list()]
    tables["bundles"] = tables["bundles"].filter(pl.Series(kept_bundles, dtype=pl.Boolean))
    tables["sites"] = _named(tables["sites"], "sourceable_by", outside, empty=["none"])
    kept_rules = [
        not set(str(value).replace("+", ";").split(";")) & outside for value in tables["rules"]["value"].to_list()
    ]
    tables["rules"] = tables["rules"].filter(pl.Series(kept_rules, dtype=pl.Boolean))
    names = outside | gone | set(modules) | set(offers)
    tables["work"] = _without(
        tables["work"], "item", [name for name in names if name not in set(study["families"]["family"].to_list())]
    )
    speaks = [bool(_words(row) & names) for row in tables["ranges"]["row"].to_list()]
    tables["ranges"] = tables["ranges"].filter(~pl.Series(speaks, dtype=pl.Boolean))
    steps = tables["scenarios"].iter_rows(named=True)
    touched = {row["scenario"] for row in steps if (_words(row["where"]) | _words(row["value"])) & names}
    tables["scenarios"] = _without(tables["scenarios"], "scenario", touched)
    return study.with_tables(**tables)


def _words(text: object) -> set[str]:
    """The names in a key or a condition such as ``company=A&year=2030`` or ``OFFER/0``."""
    return {word.strip() for word in re.split(r"[/&;=+]", str(text or ""))}


def _without(rows: pl.DataFrame, column: str, names: Collection[str]) -> pl.DataFrame:
    return rows.filter(pl.col(column).is_null() | ~pl.col(column).is_in(sorted(names)))


def _named(rows: pl.DataFrame, column: str, outside: set[str], empty: list[str] | None = None) -> pl.DataFrame:
    """Lists of companies without the outsiders; ``empty`` where nobody is left of a list that named somebody."""
    lists = []
    for names in rows[column].to_list():
        kept = [name for name in names or () if name not in outside]
        lists.append(kept if kept or not names or empty is None else empty)
    return rows.with_columns(pl.Series(column, lists, dtype=rows.schema[column]))


def _rows_of(owner: str, study: Study, table: str, member_of: Mapping[str, str]) -> pl.DataFrame:
    if table == "sources":  # who cites a source brings it along
        return study[table]
    return study[table].filter(
        pl.Series([found == owner for found in row_owners(study, table, member_of)], dtype=pl.Boolean)
    )


def _first_of_each(tables: Mapping[str, pl.DataFrame], table: str, key: str) -> pl.DataFrame:
    return tables[table].unique(key, keep="first", maintain_order=True)
