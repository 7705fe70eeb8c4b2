"""The only door out of a joint solve: ``release(run, company, release_list)``.

Everything that depends on the joint solve (specifications, tiers, own share, prices of own requirements, settlement)
passes here or not at all. What leaves is built from the signed list, item by item, in the order of the list, and
sorted by public names only; no figure leaves unbanded but the late settlement.
"""

from __future__ import annotations

import datetime as dt
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import polars as pl

from teikei.errors import NotAllowedError
from teikei.room import designs
from teikei.room.inference import Interval, cut, may_cut, replay
from teikei.room.release_list import (
    Drivers,
    OwnShareBand,
    ReleaseList,
    RequirementPriceBand,
    SavingAtLeast,
    SavingBand,
    Schedule,
    Settlement,
    Specification,
    TierIndex,
    Timeline,
    band_text,
)
from teikei.runs.types import Run

NOT_EVALUATED: Final = "not evaluated"
WITHHELD: Final = "withheld: it would narrow what you can infer below the promised width"


@dataclass(frozen=True, slots=True)
class Entry:
    """One released line: which item of the list, of what (public names), and its text."""

    kind: str
    subject: tuple[str, ...]
    value: str


@dataclass(frozen=True, slots=True)
class Release:
    """What one member may see of one joint solve. Only ``release`` makes one."""

    company: str
    rung: str
    entries: tuple[Entry, ...]

    def text(self) -> str:
        """Canonical JSON: the same entries are the same bytes."""
        rows = [[entry.kind, list(entry.subject), entry.value] for entry in self.entries]
        return json.dumps({"company": self.company, "rung": self.rung, "entries": rows}, ensure_ascii=True)


def release(
    run: Run, company: str, release_list: ReleaseList, *, history: Sequence[Run] = (), today: dt.date | None = None
) -> Release:
    """What a member may see of a joint run.

    run: the solved joint study; company: a member of ``release_list``; history: the runs released to this member
    before, oldest first (a later round is withheld where it would cut what the member can infer below the promised
    width); today: the day that opens a late settlement (default: none is open). Raises NotAllowedError for anybody
    else.
    """
    if company not in release_list.members:
        raise NotAllowedError("this company is not a member of the joint study")
    runs = (*history, run)
    savings = [joint_saving(one, release_list) for one in runs]
    bands_open = _bands_open(savings, release_list)
    owner = _owners(run, release_list)

    def rows(table: str) -> pl.DataFrame:
        return _joint(run, table, release_list)

    entries: list[Entry] = []
    for item in release_list.items:
        match item:
            case Specification():
                entries += _lines(item.kind, designs.specifications(rows, owner, item))
            case Drivers():
                entries += _lines(item.kind, designs.drivers(rows, owner, company, item))
            case Timeline():
                entries += _lines(item.kind, designs.timeline(rows, owner, company, item, release_list))
            case TierIndex():
                entries += _tiers(runs, company, item, release_list)
            case SavingBand():
                value = _banded(savings[-1], item.edges)
                entries.append(Entry(item.kind, (release_list.rung,), value if bands_open else WITHHELD))
            case SavingAtLeast():
                entries.append(_at_least(savings[-1], item, release_list.rung, bands_open))
            case OwnShareBand():
                share = _own_share(run, company, item.rule, release_list) + 0.0 * savings[-1]
                value = _banded(share, item.edges) if bands_open else WITHHELD
                entries.append(Entry(item.kind, (release_list.rung, item.rule), value))
            case RequirementPriceBand():
                entries += _requirement_prices(run, company, item, release_list, open_=not history)
            case Settlement():
                entries.append(_settlement(run, company, item, release_list, today))
    return Release(company, release_list.rung, tuple(entries))


def _lines(kind: str, lines: Sequence[designs.Line]) -> list[Entry]:
    return [Entry(kind, subject, value) for subject, value in lines]


def joint_saving(run: Run, release_list: ReleaseList) -> float:
    """Sum of the members' stand-alone costs minus the joint cost at the rung, million; NaN where one is missing."""
    costs = run.tables.get("cost_by_rung", pl.DataFrame())
    if costs.is_empty():
        return math.nan
    found: dict[tuple[frozenset[str], str], float] = {
        (frozenset(coalition.split("+")), rung): float(value)
        for coalition, rung, value in costs.select("coalition", "rung", "value").iter_rows()
    }
    alone = [_alone(found, frozenset(own)) for own in release_list.members.values()]
    joint = found.get((frozenset(release_list.companies), release_list.rung))
    if joint is None or any(value is None for value in alone):
        return math.nan
    return math.fsum(value for value in alone if value is not None) - joint


def _alone(found: dict[tuple[frozenset[str], str], float], own: frozenset[str]) -> float | None:
    values = [value for (coalition, rung), value in found.items() if coalition == own and rung == "alone"]
    return values[0] if values else None


def _bands_open(savings: Sequence[float], release_list: ReleaseList) -> bool:
    if math.isnan(savings[-1]):
        return True  # there is nothing to band: "not evaluated" passes
    if any(math.isnan(saving) for saving in savings):
        return False  # what an earlier round told cannot be followed
    return replay(release_list.saving_edges(), savings, release_list.smallest_interval_million)[1][-1]


def _banded(value: float, edges: tuple[float, ...]) -> str:
    return NOT_EVALUATED if math.isnan(value) else band_text(edges, value)


def _at_least(saving: float, item: SavingAtLeast, rung: str, bands_open: bool) -> Entry:
    subject = (rung, f"{item.threshold:g}")
    if math.isnan(saving):
        return Entry(item.kind, subject, NOT_EVALUATED)
    return Entry(item.kind, subject, ("yes" if saving >= item.threshold else "no") if bands_open else WITHHELD)


def _joint(run: Run, table: str, release_list: ReleaseList) -> pl.DataFrame:
    """Rows of a table that belong to all members together at the agreed rung."""
    found = run.tables.get(table, pl.DataFrame())
    if found.is_empty() or not {"coalition", "rung"} <= set(found.columns):
        return pl.DataFrame()
    grand = set(release_list.companies)
    names = [name for name in found["coalition"].unique().to_list() if set(str(name).split("+")) == grand]
    return found.filter(pl.col("coalition").is_in(names) & (pl.col("rung") == release_list.rung))


def _owners(run: Run, release_list: ReleaseList) -> dict[str, str]:
    """Programme -> member: by the table of programmes, else by the joint costs."""
    costs = run.tables.get("programmes", pl.DataFrame())
    if costs.is_empty() or not {"programme", "company"} <= set(costs.columns):
        costs = _joint(run, "cost_breakdown", release_list)
    if costs.is_empty():
        return {}
    member_of = {company: member for member, own in release_list.members.items() for company in own}
    pairs = costs.select("programme", "company").unique().iter_rows()
    return {str(programme): member_of[company] for programme, company in pairs if company in member_of and programme}


def _tiers(runs: Sequence[Run], company: str, item: TierIndex, release_list: ReleaseList) -> list[Entry]:
    """Tier of the joint volume; a line is left out where the receiver's own volume would show the others' too well."""
    tables = [_joint_volumes(run, company, release_list) for run in runs]
    entries = []
    for schedule in sorted(item.schedules, key=lambda one: one.offer):
        years = sorted({year for offer, year in tables[-1] if offer == schedule.offer})
        for year in years:
            key = (schedule.offer, year)
            rounds = [table.get(key, (0.0, 0.0, 0.0)) for table in tables]
            subject = (schedule.offer, str(year))
            index = sum(rounds[-1][2] >= one - 1e-6 * max(1.0, one) for one in schedule.breaks)
            others = rounds[0][0] - rounds[0][1]
            shown = tier_rounds(schedule, [own for _, own, _ in rounds], others, release_list.smallest_interval_units)
            entries.append(Entry(item.kind, subject, str(index) if shown[-1] else WITHHELD))
    return entries


def tier_rounds(schedule: Schedule, own: Sequence[float], others: float, floor: float) -> list[bool]:
    """Which rounds may show their tier, seen by a receiver whose own pieces in each round were ``own``.

    others: pieces of the other members, which the receiver knows only to lie at or above nothing.
    """
    known, shown = Interval(0.0, math.inf), []
    others *= schedule.units_per_piece
    for volume in own:
        edges = [one - volume * schedule.units_per_piece for one in schedule.breaks]
        allowed = may_cut(known, edges, floor)
        shown.append(allowed)
        if allowed:
            known = cut(known, edges, others)
    return shown


def _joint_volumes(
    run: Run, company: str, release_list: ReleaseList
) -> dict[tuple[str, int], tuple[float, float, float]]:
    """(offer, year) -> pieces on drawings of two or more members, the receiver's own part, the start of the tier."""
    awards = _joint(run, "awards", release_list)
    if awards.is_empty() or "drawing_group" not in awards.columns:
        return {}
    owner = _owners(run, release_list)
    members = {name: set(own) for name, own in release_list.members.items()}
    found: dict[tuple[str, int], tuple[float, float, float]] = {}
    columns = ("price_basis", "year", "quantity", "drawing_group", "programme", "tier_from")
    for basis, year, quantity, group, programme, tier_from in awards.select(columns).iter_rows():
        pooled = set(str(group).split("+"))
        if not str(basis).startswith("offer:") or sum(bool(own & pooled) for own in members.values()) < 2:
            continue
        key = (str(basis).removeprefix("offer:"), int(year))
        total, mine, start = found.get(key, (0.0, 0.0, 0.0))
        own = quantity if owner.get(str(programme)) == company else 0.0
        found[key] = (total + quantity, mine + own, max(start, tier_from))
    return found


def _own_share(run: Run, company: str, rule: str, release_list: ReleaseList) -> float:
    shares = run.tables.get("shares", pl.DataFrame())
    if shares.is_empty():
        return math.nan
    own = shares.filter(
        (pl.col("rung") == release_list.rung)
        & (pl.col("rule") == rule)
        & (pl.col("kind") == "saving")
        & pl.col("company").is_in(list(release_list.members[company]))
    )
    return float(own["value"].sum()) if len(own) == len(release_list.members[company]) else math.nan


def _requirement_prices(
    run: Run, company: str, item: RequirementPriceBand, release_list: ReleaseList, *, open_: bool
) -> list[Entry]:
    """Bands of the receiver's own prices, once: in later rounds a moved requirement could feel for the edges."""
    prices = _joint(run, "requirement_prices", release_list)
    if prices.is_empty():
        return []
    owner = _owners(run, release_list)
    lines = []
    for row in prices.iter_rows(named=True):
        if owner.get(str(row["programme"])) == company:
            saving = row["saving_alliance"]
            subject = (row["programme"], row["requirement"], row["procedure"], f"{row['step']:g} {row['unit']}")
            lines.append((subject, math.nan if saving is None else float(saving)))
    return [
        Entry(item.kind, subject, _banded(value, item.edges) if open_ else WITHHELD) for subject, value in sorted(lines)
    ]


def _settlement(run: Run, company: str, item: Settlement, release_list: ReleaseList, today: dt.date | None) -> Entry:
    if today is None or today < item.not_before:
        return Entry(item.kind, (item.form,), f"not before {item.not_before}")
    transfers = run.tables.get("transfers", pl.DataFrame())
    if transfers.is_empty():
        return Entry(item.kind, (item.form,), NOT_EVALUATED)
    own = list(release_list.members[company])
    rows = transfers.filter((pl.col("rung") == release_list.rung) & (pl.col("form") == item.form))
    into = float(rows.filter(pl.col("to_company").is_in(own))["value_nominal"].sum())
    out = float(rows.filter(pl.col("from_company").is_in(own))["value_nominal"].sum())
    return Entry(item.kind, (item.form,), f"{round((into - out) / item.unit_million) * item.unit_million:g}")
