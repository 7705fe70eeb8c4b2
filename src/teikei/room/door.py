"""The only door out of a joint solve: ``release(run, company, release_list)``.

Everything that depends on the joint solve (specifications, tiers, own share, prices of own requirements, settlement)
passes here or not at all. What leaves is built from the signed list, item by item, in the order of the list, and
sorted by public names only; no figure leaves unbanded but the late settlement. The door opens for runs of the members
alone, made on the agreed cells (see ``inference``); of any other run nothing passes.
"""

from __future__ import annotations

import datetime as dt
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from teikei.errors import NotAllowedError
from teikei.room.inference import Interval, Known
from teikei.room.items import Entry, Item, Settlement, Solved
from teikei.room.release_list import ReleaseList
from teikei.runs.types import Run
from teikei.study.rungs import stored_baseline_rung

CELLS: Final = "cells"  # in Run.meta: on which cells its inputs were put, see ReleaseList.cells_key
WITHHELD: Final = "withheld: it would narrow what you can infer below the promised width"
NOT_ON_CELLS: Final = "withheld: the joint study was not solved on the agreed cells of the members' figures"
OUTSIDERS: Final = "withheld: the study that was solved holds companies that are no members"
REFUSED: Final = "withheld: "


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
    run: Run,
    company: str,
    release_list: ReleaseList,
    history: Sequence[Run] = (),
    *,
    after: Sequence[Run] = (),
    today: dt.date | None = None,
) -> Release:
    """What a member may see of a joint run.

    run: the joint study as solved, marked by ``made_on_cells``; company: a member of ``release_list``; history: the
    runs released to this member before, oldest first; after: those released to it since, where an early run is opened
    once more for its late settlement; today: the day that opens a settlement (default: none is open). An item that is
    refused, or would cut the saving below the promised width, is there with the reason in place of a value. Raises
    NotAllowedError for anybody who is not a member.
    """
    if company not in release_list.members:
        raise NotAllowedError("this company is not a member of the joint study")
    solved = _solved(run, company, release_list, today)
    closed = _closed(run, company, release_list)
    known, shown = _saving_ledger([*history, run], company, release_list)
    for later in after:
        known = _cut_by_all(known, _solved(later, company, release_list, None), solved.saving, release_list)
    entries: list[Entry] = []
    for number, item in enumerate(release_list.items):
        why = release_list.refusal(item)
        why = f"{REFUSED}{why}" if why else closed or ("" if shown[number] else WITHHELD)
        if why:
            entries.append(Entry(item.kind, item.subject(release_list.terms), why))
        elif isinstance(item, Settlement):
            lines, edges = item.told(solved, known.left, release_list.smallest_interval_million)
            known = known.cut(edges, solved.saving)
            entries += lines
        else:
            entries += item.entries(solved)
    return Release(company, release_list.rung, tuple(entries))


def made_on_cells(run: Run, release_list: ReleaseList, exact: str = "") -> Run:
    """The run of a study that ``assemble`` wrote under this list, marked so that the door opens for it.

    exact: the member whose own figures were taken as they are (its own what-if run, released to it alone).
    """
    return replace(run, meta={**run.meta, CELLS: release_list.cells_key(exact)})


def joint_saving(run: Run, release_list: ReleaseList) -> float:
    """Sum of the members' stand-alone costs minus the joint cost at the rung, million; NaN where one is missing."""
    costs = run.tables.get("cost_by_rung")
    if costs is None or costs.is_empty():
        return math.nan
    found: dict[tuple[frozenset[str], str], float] = {
        (frozenset(coalition.split("+")), rung): float(value)
        for coalition, rung, value in costs.select("coalition", "rung", "value").iter_rows()
    }
    baseline = stored_baseline_rung(run.tables, run.meta)
    alone = [found.get((frozenset(own), baseline)) for own in release_list.members.values()]
    joint = found.get((frozenset(release_list.companies), release_list.rung))
    if joint is None or any(value is None for value in alone):
        return math.nan
    return math.fsum(value for value in alone if value is not None) - joint


def _solved(run: Run, company: str, release_list: ReleaseList, today: dt.date | None) -> Solved:
    solved = Solved(run, company, release_list.terms, {}, joint_saving(run, release_list), today)
    return replace(solved, owner=_owners(solved))


def _owners(solved: Solved) -> Mapping[str, str]:
    """Programme -> member: by the table of programmes, else by the joint costs."""
    costs = solved.run.tables.get("programmes")
    if costs is None or costs.is_empty() or not {"programme", "company"} <= set(costs.columns):
        costs = solved.rows("cost_breakdown")
    if costs.is_empty():
        return {}
    member_of = {company: member for member, own in solved.terms.members.items() for company in own}
    pairs = costs.select("programme", "company").unique().iter_rows()
    return {str(programme): member_of[company] for programme, company in pairs if company in member_of and programme}


def _closed(run: Run, company: str, release_list: ReleaseList) -> str:
    """Why nothing of a run may pass, whatever the item; empty where the door may open."""
    if _companies(run) - set(release_list.companies):
        return OUTSIDERS
    agreed = {release_list.cells_key(), release_list.cells_key(company)}
    return "" if run.meta.get(CELLS) in agreed else NOT_ON_CELLS


def _companies(run: Run) -> set[str]:
    """Every company that was planned in a run."""
    found = {str(name) for name in run.meta.get("companies", ())}
    costs, shares = run.tables.get("cost_by_rung"), run.tables.get("shares")
    if costs is not None and "coalition" in costs.columns:
        found |= {name for coalition in costs["coalition"].to_list() for name in str(coalition).split("+")}
    if shares is not None and "company" in shares.columns:
        found |= {str(name) for name in shares["company"].to_list()}
    return found


def _saving_ledger(runs: Sequence[Run], company: str, release_list: ReleaseList) -> tuple[Known, list[bool]]:
    """What all lines of all rounds leave of the last round's saving, and which items of the last round may show theirs.

    Line by line, round by round, in the order of the list. The receiver is assumed to know exactly by how much each
    round's saving differs from the others'.
    """
    rounds = [_solved(run, company, release_list, None) for run in runs]
    last = rounds[-1].saving
    public = Interval(*release_list.known_saving) if release_list.known_saving else Interval()
    known = Known(Interval(public.lower, public.upper))
    shown = [True] * len(release_list.items)
    if math.isnan(last):
        return known, shown  # there is nothing to band: "not evaluated" passes
    first = rounds[0].saving
    for solved in rounds:
        if math.isnan(solved.saving) or math.isnan(first):
            known = known.closed()  # what an earlier round told cannot be followed
        shown = []
        for item in release_list.items:
            edges = _in_first(item, solved, first)
            allowed = not edges or known.may_cut(edges, release_list.smallest_interval_million)
            known = known.cut(edges, first) if allowed and edges else known
            shown.append(allowed or bool(release_list.refusal(item)))
    return known, shown


def _in_first(item: Item, solved: Solved, first: float) -> list[float]:
    """Edges of an item as edges on the first round's saving."""
    return [edge - (solved.saving - first) for edge in item.cut_edges(solved)]


def _cut_by_all(known: Known, solved: Solved, first: float, release_list: ReleaseList) -> Known:
    """What a later round leaves of an earlier one: each line counts as shown where it could be."""
    for item in release_list.items:
        edges = _in_first(item, solved, first)
        if edges and known.may_cut(edges, release_list.smallest_interval_million):
            known = known.cut(edges, first)
    return known
