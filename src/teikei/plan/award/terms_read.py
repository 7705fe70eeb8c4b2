"""Reads the further terms of a tender: bundles, take-or-pay, expansions, least quantities, and discounts on some items,
on spend, or by increments. Every problem with its place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np

from teikei.errors import Problem
from teikei.plan.award.tables import TenderTable, closest, number_column, split_names, unquoted, year_of
from teikei.plan.award.terms import MOST_EXPANSIONS, Bundle, Commitment, Expansion, Minimum, Schedule, Terms
from teikei.plan.award.types import Array, Flags, Ints, Tender

KINDS = ("all_units", "incremental")
BASES = ("quantity", "spend")
WHEN = ("awarded", "always")


class _Reader:
    """Names and the list of problems, so that each table's function stays short."""

    def __init__(self, tender: Tender, named: Ints, problems: list[Problem]):
        self.tender, self.problems = tender, problems
        self.suppliers = {name: s for s, name in enumerate(tender.suppliers)}
        self.years = {year: t for t, year in enumerate(tender.years)}
        self.offered = {
            (int(s), int(k), int(t))
            for s, k, t in zip(tender.offer_supplier, tender.offer_item, tender.offer_year, strict=True)
        }
        self.named = {(int(s), int(k), int(t)) for s, k, t in named}  # also those of which nothing is asked for

    def bad(self, table: TenderTable, row: int, column: str, message: str, *, warning: bool = False) -> None:
        self.problems.append(Problem(table.place(row, column), message, warning=warning))

    def supplier(self, table: TenderTable, row: int) -> int | None:
        name = table.texts("supplier")[row]
        if name not in self.suppliers:
            self.bad(table, row, "supplier", f"unknown supplier '{name}'{closest(name, self.suppliers)}")
            return None
        return self.suppliers[name]

    def items(self, table: TenderTable, row: int, column: str) -> Flags | None:
        """Items of a cell, names joined by ``;`` (one that holds ``;`` in double quotes); empty or ``*`` = all."""
        cell = table.texts(column)[row]
        known = self.tender.items
        if cell in ("", "*"):
            return np.ones(len(known), dtype=np.bool_)
        flags = np.zeros(len(known), dtype=np.bool_)
        for name in [cell] if cell in known else [unquoted(part)[0] for part in split_names(cell, ";")]:
            if name not in known:
                self.bad(table, row, column, f"names nothing: unknown item '{name}'{closest(name, known)}")
                return None
            flags[known.index(name)] = True
        return flags

    def choice(self, table: TenderTable, row: int, column: str, known: Sequence[str]) -> str | None:
        cell = table.texts(column)[row] or known[0]
        if cell not in known:
            self.bad(table, row, column, f"'{cell}' is not known{closest(cell, known)}; expected {' or '.join(known)}")
            return None
        return cell

    def span(self, table: TenderTable, row: int, first: str, last: str) -> Flags | None:
        """Years (T,) from one column to another; an empty cell is open, years without demand are left out."""
        limits = []
        for column, empty in ((first, self.tender.years[0]), (last, self.tender.years[-1])):
            cell = table.read(column)[row]
            if cell.error:  # told with the table
                return None
            limits.append(empty if cell.value is None else cell.value)
        flags = np.array([limits[0] <= year <= limits[1] for year in self.tender.years], dtype=np.bool_)
        if not flags.any():
            self.bad(table, row, first, f"names nothing: nothing is asked for from {limits[0]:g} to {limits[1]:g}")
            return None
        return flags


def read_terms(
    tables: Mapping[str, TenderTable], tender: Tender, minimum: Array, named: Ints, problems: list[Problem]
) -> Terms:
    """The further terms of a tender without them.

    minimum (S, T): least quantities of suppliers (capacity table). named (n, 3): supplier, item and year of every row
    of offers; a term on something offered of which nothing is asked for is a note, on something else a mistake.
    """
    reader = _Reader(tender, named, problems)
    expansions = _expansions(tables["expansions"], reader) if "expansions" in tables else ()
    limit = tender.capacity + Terms(expansions=expansions).expanded(minimum.shape)
    terms = Terms(
        schedules=_schedules(tables["tiers"], reader) if "tiers" in tables else (),
        bundles=_bundles(tables["bundles"], reader) if "bundles" in tables else (),
        commitments=_commitments(tables["take_or_pay"], reader) if "take_or_pay" in tables else (),
        expansions=expansions,
        minimums=tuple(Minimum(int(s), int(t), float(minimum[s, t])) for s, t in np.argwhere(minimum > 0)),
    )
    for s, t in np.argwhere(minimum > limit):
        who = f"min_quantity {minimum[s, t]:g} of {tender.suppliers[s]} in {tender.years[t]}"
        row = _row_of(tables["capacity"], tender.suppliers[s], tender.years[t])
        place = tables["capacity"].place(row, "min_quantity")
        problems.append(Problem(place, f"{who} is above its capacity {limit[s, t]:g}"))
    if "tiers" in tables or "bundles" in tables:
        _too_much(tender, terms, tables, problems)
    return terms


def special_rows(table: TenderTable) -> list[bool]:
    """Rows of the tiers table that are no all-units discount on a supplier's total quantity (read here, not there)."""
    items, bases, kinds = table.texts("item"), table.texts("basis"), table.texts("kind")
    return [
        item not in ("", "*") or basis not in ("", BASES[0]) or kind not in ("", KINDS[0])
        for item, basis, kind in zip(items, bases, kinds, strict=True)
    ]


def _row_of(table: TenderTable, supplier: str, year: int) -> int:
    years = [year_of(text) for text in table.texts("year")]
    return next(i for i, name in enumerate(table.texts("supplier")) if name == supplier and years[i] == year)


def _schedules(table: TenderTable, reader: _Reader) -> tuple[Schedule, ...]:
    start = number_column(table, "from_quantity", [])
    discount = number_column(table, "discount", [])
    years = table.texts("year")
    rows: dict[tuple[int, int, str, str], list[tuple[float, float, int, str]]] = {}
    flags: dict[tuple[int, int, str, str], Flags] = {}
    for row, special in enumerate(special_rows(table)):
        if not special:
            continue
        supplier, items = reader.supplier(table, row), reader.items(table, row, "item")
        basis, kind = reader.choice(table, row, "basis", BASES), reader.choice(table, row, "kind", KINDS)
        year = reader.years.get(year_of(years[row]) or 0)
        if supplier is None or items is None or basis is None or kind is None or year is None:
            continue
        if np.isnan(start[row] + discount[row]) or discount[row] >= 1:
            continue  # said by the reader of the plain tiers
        key = (supplier, year, table.texts("item")[row], basis)
        rows.setdefault(key, []).append((float(start[row]), float(discount[row]), row, kind))
        flags[key] = items
    return tuple(s for key, found in rows.items() if (s := _schedule(table, reader, key, sorted(found), flags[key])))


def _schedule(
    table: TenderTable,
    reader: _Reader,
    key: tuple[int, int, str, str],
    found: list[tuple[float, float, int, str]],
    items: Flags,
) -> Schedule | None:
    tender, (supplier, year, cell, basis) = reader.tender, key
    who = f"{tender.suppliers[supplier]} in {tender.years[year]} on {cell or 'everything'}, by {basis}"
    before = len(reader.problems)
    for (low, less, _, _), (high, more, row, _) in pairwise(found):
        if high == low:
            reader.bad(table, row, "from_quantity", f"tiers of {who} overlap: two start from {high:g}")
        elif more < less:
            text = f"the discount of {who} falls with volume: {less:g} from {low:g}, only {more:g} from {high:g}"
            reader.bad(table, row, "discount", text)
    kinds = {kind for _, _, _, kind in found}
    row = found[0][2]
    if len(kinds) > 1:
        reader.bad(table, row, "kind", f"tiers of {who} are partly all_units and partly incremental")
    offered = [k for k in np.flatnonzero(items) if (supplier, int(k), year) in reader.offered]
    if not offered and any((supplier, int(k), year) in reader.named for k in np.flatnonzero(items)):
        reader.bad(table, row, "item", f"nothing is asked for of {who}; the rows are not used", warning=True)
    elif not offered:
        text = f"{tender.suppliers[supplier]} offers none of it in that year; the rows are not used"
        reader.bad(table, row, "item", text, warning=True)
    if "incremental" in kinds and basis == "quantity" and len(offered) > 1:
        text = (
            "an incremental discount on the quantity of several items has no definite price (which item is the last "
            "unit?); name one item, or use basis spend"
        )
        reader.bad(table, row, "kind", text)
    if len(reader.problems) > before or not offered:
        return None
    if found[0][0] > 0:
        found = [(0.0, 0.0, -1, ""), *found]
    return Schedule(
        supplier=supplier,
        year=year,
        items=items,
        by_spend=basis == "spend",
        incremental="incremental" in kinds,
        start=tuple(low for low, _, _, _ in found),
        discount=tuple(share for _, share, _, _ in found),
        name=who,
    )


def _bundles(table: TenderTable, reader: _Reader) -> tuple[Bundle, ...]:
    tender = reader.tender
    share = number_column(table, "min_share", reader.problems, empty=1.0)
    discount = number_column(table, "discount", reader.problems)
    found = []
    for row, name in enumerate(table.texts("bundle")):
        supplier, items = reader.supplier(table, row), reader.items(table, row, "items")
        years = reader.span(table, row, "year", "year")
        if not 0 < share[row] <= 1:
            reader.bad(table, row, "min_share", f"min_share is {share[row]:g}, a share above 0 and up to 1 is expected")
        if discount[row] >= 1:
            reader.bad(table, row, "discount", f"discount is {discount[row]:g}, a fraction below 1 is expected")
        if supplier is None or items is None or years is None:
            continue
        for t in np.flatnonzero(years):
            wanted = [int(k) for k in np.flatnonzero(items & (tender.demand[:, t] > 0))]
            lacking = [tender.items[k] for k in wanted if (supplier, k, int(t)) not in reader.offered]
            who = f"bundle {name} of {tender.suppliers[supplier]} in {tender.years[t]}"
            if lacking:
                reader.bad(table, row, "items", f"{who} names {', '.join(lacking)}, which it does not offer")
            elif wanted:
                found.append(Bundle(name, supplier, int(t), items, float(share[row]), float(discount[row])))
    return tuple(found)


def _commitments(table: TenderTable, reader: _Reader) -> tuple[Commitment, ...]:
    tender = reader.tender
    quantity = number_column(table, "quantity", reader.problems)
    price = number_column(table, "price", reader.problems)
    found = []
    for row in range(len(table.rows)):
        supplier, items = reader.supplier(table, row), reader.items(table, row, "items")
        years, when = reader.span(table, row, "from_year", "to_year"), reader.choice(table, row, "when", WHEN)
        if supplier is None or items is None or years is None or when is None or np.isnan(quantity[row] + price[row]):
            continue
        if not any(s == supplier and items[k] and years[t] for s, k, t in reader.named):
            reader.bad(table, row, "supplier", "names nothing: the supplier offers none of these items in these years")
            continue
        span = f"{tender.years[int(np.flatnonzero(years)[0])]}-{tender.years[int(np.flatnonzero(years)[-1])]}"
        found.append(
            Commitment(supplier, items, years, float(quantity[row]), float(price[row]), when == "always", span)
        )
    return tuple(found)


def _expansions(table: TenderTable, reader: _Reader) -> tuple[Expansion, ...]:
    capacity = number_column(table, "capacity", reader.problems)
    cost = number_column(table, "cost", reader.problems)
    found: list[Expansion] = []
    for row in range(len(table.rows)):
        supplier, years = reader.supplier(table, row), reader.span(table, row, "from_year", "to_year")
        if supplier is None or years is None or np.isnan(capacity[row] + cost[row]):
            continue
        limited = np.isfinite(reader.tender.capacity[supplier]) & years
        if not limited.any():
            text = f"names nothing: the capacity of {reader.tender.suppliers[supplier]} is unlimited in these years"
            reader.bad(table, row, "supplier", text)
            continue
        if sum(one.supplier == supplier for one in found) == MOST_EXPANSIONS:
            reader.bad(table, row, "supplier", f"more than {MOST_EXPANSIONS} expansions of one supplier; join some")
            continue
        name = f"+{capacity[row]:g} from {table.texts('from_year')[row]}"
        found.append(Expansion(supplier, years, float(capacity[row]), float(cost[row]), name))
    return tuple(found)


def _too_much(tender: Tender, terms: Terms, tables: Mapping[str, TenderTable], problems: list[Problem]) -> None:
    """Discounts add up; together they must stay below the whole price."""
    finite = np.isfinite(tender.tier_from)
    plain = np.where(finite, tender.tier_discount, 0.0).max(axis=2)
    most = np.repeat(plain[:, None, :], len(tender.items), axis=1)
    for schedule in terms.schedules:
        most[schedule.supplier, schedule.items, schedule.year] += max(schedule.discount)
    for bundle in terms.bundles:
        most[bundle.supplier, bundle.items, bundle.year] += bundle.discount
    for s, k, t in np.argwhere(most >= 1)[:5]:
        table = tables.get("bundles") or tables["tiers"]
        text = (
            f"the discounts of {tender.suppliers[s]} on {tender.items[k]} in {tender.years[t]} add up to "
            f"{most[s, k, t]:g}; together they must stay below 1"
        )
        problems.append(Problem(table.header_place("discount"), text))
