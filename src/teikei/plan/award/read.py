"""From the sheets of a tender to checked arrays: every problem at once, each with its place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np

from teikei.errors import Problem, StudyError
from teikei.plan.award.bid_validation import price_problems
from teikei.plan.award.limits import offer_limits
from teikei.plan.award.rules import read_rules
from teikei.plan.award.tables import (
    TenderTable,
    cell_problems,
    closest,
    number_column,
    read_tables,
    year_column,
    year_of,
)
from teikei.plan.award.terms_read import read_terms, special_rows
from teikei.plan.award.types import Array, Flags, Ints, Tender


def read_tender(path: str | Path) -> Tender:
    """The checked tender of a folder or workbook (formats: CONTRACT, ``teikei award``).

    Raises StudyError with all problems at once: cells that are no numbers or negative, unknown suppliers and items,
    rows that stand there twice, tiers that overlap or fall with volume, a minimum order above a capacity or above the
    largest quantity of its offer, rules that name nothing, and demand that no offers can meet.
    """
    tables, problems = read_tables(Path(path))
    _stop_on_errors(problems)
    for table in tables.values():
        problems.extend(cell_problems(table))
    items, years, demand = _read_items(tables["items"], problems)
    suppliers, activation = _read_suppliers(tables["suppliers"], problems)
    capacity = np.full((len(suppliers), len(years)), np.inf)
    least = np.zeros_like(capacity)
    if "capacity" in tables:
        _read_capacity(tables["capacity"], suppliers, years, capacity, least, problems)
    more = capacity + _possible_expansion(tables.get("expansions"), suppliers, years)
    tier_from, tier_discount = _read_tiers(tables.get("tiers"), suppliers, years, more, problems)
    offers, named = _read_offers(
        tables["offers"],
        suppliers=suppliers,
        items=items,
        years=years,
        demand=demand,
        capacity=more,
        rates=_currencies(tables.get("currencies"), problems),
        problems=problems,
    )
    groups = _groups(tables, suppliers, items, problems)
    rules = read_rules(tables["rules"], suppliers, items, years, problems, groups) if "rules" in tables else ()
    supplier, item, year, price, maximum, minimum, multiple = offers
    of_item = _multiples_of_items(tables["items"], items, years, problems)[item, year]
    tender = Tender(
        items=items,
        suppliers=suppliers,
        years=years,
        demand=demand,
        activation_cost=activation,
        capacity=capacity,
        offer_supplier=supplier,
        offer_item=item,
        offer_year=year,
        unit_price=price,
        maximum=maximum,
        minimum=minimum,
        tier_from=tier_from,
        tier_discount=tier_discount,
        rules=rules,
        order_multiple=np.where(multiple > 0, multiple, of_item),
    )
    tender = replace(tender, terms=read_terms(tables, tender, least, named, problems))
    tender = replace(tender, not_counted=_adders(tables.get("adders"), suppliers, items, problems))
    if not any(not problem.warning for problem in problems):
        problems.extend(_demand_problems(tender, tables["items"]))
        problems.extend(_rule_problems(tender, named))
        problems.extend(_multiple_problems(tender, tables["items"]))
    _stop_on_errors(problems)
    return replace(tender, warnings=tuple(dict.fromkeys(problems)))


def _adders(table: TenderTable | None, suppliers: Sequence[str], items: Sequence[str], problems: list[Problem]) -> int:
    """Number of rows beside the prices, and a warning of what they are: the award does not reckon with them."""
    if table is None or not table.rows:
        return 0
    _names(table, "supplier", {name: at for at, name in enumerate(suppliers)}, problems)
    _names(table, "item", {name: at for at, name in enumerate(items)}, problems)
    kinds = sorted({kind for kind in table.texts("kind") if kind})
    rows = f"{len(table.rows)} row{'s' if len(table.rows) > 1 else ''}"
    text = (
        f"{rows} ({', '.join(kinds)}) not counted: the award compares prices without them and is not called optimal; "
        "put duty and freight into unit_price"
    )
    problems.append(Problem(table.place(0, "value"), text, warning=True))
    return len(table.rows)


def _stop_on_errors(problems: Sequence[Problem]) -> None:
    if any(not problem.warning for problem in problems):
        raise StudyError(list(dict.fromkeys(problems)))


def _names(table: TenderTable, column: str, known: dict[str, int] | None, problems: list[Problem]) -> list[int | None]:
    """Index of each cell's name in ``known``; None where unknown (a problem)."""
    result: list[int | None] = []
    for row, name in enumerate(table.texts(column)):
        if name == "":
            problems.append(Problem(table.place(row, column), f"{column} is empty"))
            result.append(None)
        elif known is not None and name not in known:
            message = f"unknown {column} '{name}'{closest(name, known)}"
            problems.append(Problem(table.place(row, column), message))
            result.append(None)
        else:
            result.append(known[name] if known is not None else 0)
    return result


def _read_items(table: TenderTable, problems: list[Problem]) -> tuple[tuple[str, ...], tuple[int, ...], Array]:
    _names(table, "item", None, problems)
    names, year_cells = table.texts("item"), year_column(table, problems)
    quantity = number_column(table, "quantity", problems)
    if not names:
        problems.append(Problem(table.header_place("item"), "the table has no rows: nothing is asked for"))
    elif (quantity == 0).all():
        problems.append(Problem(table.header_place("quantity"), "every quantity is 0: nothing is asked for"))
    items = {name: index for index, name in enumerate(dict.fromkeys(names))}
    years = sorted({year for year in year_cells if year is not None})
    place = {year: index for index, year in enumerate(years)}
    demand = np.zeros((len(items), len(years)))
    seen: dict[tuple[str, int], int] = {}
    for row, (name, year) in enumerate(zip(names, year_cells, strict=True)):
        if year is None:
            continue
        if (name, year) in seen:
            message = f"item {name}, year {year} stands there twice, first on line {table.lines[seen[name, year]]}"
            problems.append(Problem(table.place(row, "item"), message))
        seen.setdefault((name, year), row)
        demand[items[name], place[year]] = quantity[row]
    return tuple(items), tuple(years), demand


def _read_suppliers(table: TenderTable, problems: list[Problem]) -> tuple[tuple[str, ...], Array]:
    _names(table, "supplier", None, problems)
    names = table.texts("supplier")
    cost = number_column(table, "activation_cost", problems, empty=0.0)
    seen: dict[str, int] = {}
    for row, name in enumerate(names):
        if name in seen:
            message = f"supplier {name} stands there twice, first on line {table.lines[seen[name]]}"
            problems.append(Problem(table.place(row, "supplier"), message))
        seen.setdefault(name, row)
    return tuple(seen), np.array([cost[row] for row in seen.values()], dtype=np.float64)


def _groups(
    tables: Mapping[str, TenderTable], suppliers: Sequence[str], items: Sequence[str], problems: list[Problem]
) -> dict[str, dict[str, Flags]]:
    """Kind -> name -> members: groups of suppliers (groups table), their countries, and groups of items."""
    found: dict[str, dict[str, Flags]] = {"group": {}, "country": {}, "item_group": {}}

    def join(kind: str, name: str, member: int, count: int) -> None:
        if name:
            found[kind].setdefault(name, np.zeros(count, dtype=np.bool_))[member] = True

    if "groups" in tables:
        table = tables["groups"]
        at = _names(table, "supplier", {name: i for i, name in enumerate(suppliers)}, problems)
        for row, (name, s) in enumerate(zip(table.texts("group"), at, strict=True)):
            if name == "":
                problems.append(Problem(table.place(row, "group"), "group is empty"))
            elif s is not None:
                join("group", name, s, len(suppliers))
    for name, country in zip(tables["suppliers"].texts("supplier"), tables["suppliers"].texts("country"), strict=True):
        if name in suppliers:
            join("country", country, suppliers.index(name), len(suppliers))
    place = {name: k for k, name in enumerate(items)}
    for name, group in zip(tables["items"].texts("item"), tables["items"].texts("item_group"), strict=True):
        if name in place:
            join("item_group", group, place[name], len(items))
    return found


def _year_index(table: TenderTable, years: Sequence[int], problems: list[Problem]) -> list[int | None]:
    """Index of each row's year; a year without any demand is a note, and the row is left out."""
    place = {year: index for index, year in enumerate(years)}
    result: list[int | None] = []
    unknown: dict[int, int] = {}
    for row, year in enumerate(year_column(table, problems)):
        result.append(place.get(year) if year is not None else None)
        if year is not None and year not in place:
            unknown.setdefault(year, row)
    for year, row in unknown.items():
        message = f"nothing is asked for in year {year}; rows of that year are not used"
        problems.append(Problem(table.place(row, "year"), message, warning=True))
    return result


def _read_capacity(
    table: TenderTable,
    suppliers: Sequence[str],
    years: Sequence[int],
    capacity: Array,
    least: Array,
    problems: list[Problem],
) -> None:
    supplier_at = _names(table, "supplier", {name: i for i, name in enumerate(suppliers)}, problems)
    year_at = _year_index(table, years, problems)
    value = number_column(table, "capacity", problems)
    minimum = number_column(table, "min_quantity", problems, empty=0.0)
    seen: set[tuple[int, int]] = set()
    for row, (s, t) in enumerate(zip(supplier_at, year_at, strict=True)):
        if s is None or t is None:
            continue
        if (s, t) in seen:
            message = f"the capacity of {suppliers[s]} in {years[t]} stands there twice"
            problems.append(Problem(table.place(row, "supplier"), message))
        seen.add((s, t))
        capacity[s, t], least[s, t] = value[row], minimum[row]


def _possible_expansion(table: TenderTable | None, suppliers: Sequence[str], years: Sequence[int]) -> Array:
    """What the expansions could add to capacities (S, T); rows that cannot be read are left to ``read_terms``."""
    result = np.zeros((len(suppliers), len(years)))
    if table is None:
        return result
    step = np.nan_to_num(number_column(table, "capacity", []))
    for row, (name, first) in enumerate(zip(table.texts("supplier"), table.texts("from_year"), strict=True)):
        start = year_of(first)
        if name in suppliers and start is not None:
            result[suppliers.index(name), np.array(years) >= start] += step[row]
    return result


def _read_tiers(
    table: TenderTable | None,
    suppliers: Sequence[str],
    years: Sequence[int],
    capacity: Array,
    problems: list[Problem],
) -> tuple[Array, Array]:
    """Tiers of each supplier and year in ascending order, a first one from 0 added where the file has none."""
    found: dict[tuple[int, int], list[tuple[float, float, int]]] = {}
    if table is not None:
        supplier_at = _names(table, "supplier", {name: i for i, name in enumerate(suppliers)}, problems)
        year_at = _year_index(table, years, problems)
        start, discount = number_column(table, "from_quantity", problems), number_column(table, "discount", problems)
        special = special_rows(table)
        for row, (s, t) in enumerate(zip(supplier_at, year_at, strict=True)):
            if discount[row] >= 1:
                message = f"discount is {discount[row]:g}, a fraction below 1 is expected (0.05 is five per cent)"
                problems.append(Problem(table.place(row, "discount"), message))
            elif s is not None and t is not None and not special[row] and not np.isnan(start[row] + discount[row]):
                found.setdefault((s, t), []).append((float(start[row]), float(discount[row]), row))
        for (s, t), tiers in found.items():
            tiers.sort()
            who = f"{suppliers[s]} in {years[t]}"
            for (low, less, _), (high, more, row) in pairwise(tiers):
                if high == low:
                    message = f"tiers of {who} overlap: two start from {high:g}"
                    problems.append(Problem(table.place(row, "from_quantity"), message))
                elif more < less:
                    message = (
                        f"the discount of {who} falls with volume: {less:g} from {low:g}, only {more:g} from {high:g}"
                    )
                    problems.append(Problem(table.place(row, "discount"), message))
            if tiers[-1][0] > capacity[s, t] * (1 + 1e-9):
                message = f"this tier of {who} starts above the capacity {capacity[s, t]:g}; it cannot be reached"
                problems.append(Problem(table.place(tiers[-1][2], "from_quantity"), message, warning=True))
    for tiers in found.values():
        if tiers[0][0] > 0:
            tiers.insert(0, (0.0, 0.0, -1))
    count = max((len(tiers) for tiers in found.values()), default=1)
    tier_from = np.full((len(suppliers), len(years), count), np.inf)
    tier_discount = np.zeros_like(tier_from)
    tier_from[:, :, 0] = 0.0
    for (s, t), tiers in found.items():
        for r, (start_quantity, fraction, _) in enumerate(tiers):
            tier_from[s, t, r], tier_discount[s, t, r] = start_quantity, fraction
    return tier_from, tier_discount


def _read_offers(
    table: TenderTable,
    *,
    suppliers: Sequence[str],
    items: Sequence[str],
    years: Sequence[int],
    demand: Array,
    capacity: Array,
    rates: Mapping[str, float],
    problems: list[Problem],
) -> tuple[tuple[Ints, Ints, Ints, Array, Array, Array, Array], Ints]:
    """Offers for what is asked for (the seven arrays of Tender), and the places (n, 3) of all that the table names."""
    supplier_at = _names(table, "supplier", {name: i for i, name in enumerate(suppliers)}, problems)
    item_at = _names(table, "item", {name: i for i, name in enumerate(items)}, problems)
    year_at = _year_index(table, years, problems)
    price = number_column(table, "unit_price", problems)
    maximum = number_column(table, "max_quantity", problems, empty=np.inf)
    minimum = number_column(table, "min_quantity", problems, empty=0.0)
    multiple = number_column(table, "order_multiple", problems, empty=0.0)
    indexes = [np.array([-1 if one is None else one for one in at]) for at in (supplier_at, item_at, year_at)]
    as_bid, price = price, price * _rates(table, rates, problems)
    problems.extend(price_problems(table, as_bid, price, *indexes))
    seen: dict[tuple[int, int, int], int] = {}
    for row, (s, k, t) in enumerate(zip(supplier_at, item_at, year_at, strict=True)):
        if s is None or k is None or t is None:
            continue
        if (s, k, t) in seen:
            message = (
                f"{suppliers[s]} offers {items[k]} in {years[t]} twice, first on line {table.lines[seen[s, k, t]]}"
            )
            problems.append(Problem(table.place(row, "supplier"), message))
            continue
        seen[s, k, t] = row
        if minimum[row] == 0.0:
            continue
        if minimum[row] > maximum[row]:
            message = f"min_quantity {minimum[row]:g} is above max_quantity {maximum[row]:g}"
            problems.append(Problem(table.place(row, "min_quantity"), message))
        if minimum[row] > capacity[s, t]:
            message = f"min_quantity {minimum[row]:g} is above the capacity {capacity[s, t]:g} of {suppliers[s]}"
            problems.append(Problem(table.place(row, "min_quantity"), message))
        elif minimum[row] > demand[k, t]:
            message = (
                f"min_quantity {minimum[row]:g} is above what is asked for, {demand[k, t]:g}; the offer cannot be used"
            )
            problems.append(Problem(table.place(row, "min_quantity"), message, warning=True))
    keys = np.array(list(seen), dtype=np.int64).reshape(-1, 3)
    rows = np.fromiter(seen.values(), dtype=np.int64, count=len(seen))
    order = np.lexsort((keys[:, 1], keys[:, 2], keys[:, 0]))
    keys, rows = keys[order], rows[order]
    wanted = demand[keys[:, 1], keys[:, 2]] > 0 if len(keys) else np.zeros(0, dtype=np.bool_)
    named, keys, rows = keys, keys[wanted], rows[wanted]
    arrays = keys[:, 0], keys[:, 1], keys[:, 2], price[rows], maximum[rows], minimum[rows], multiple[rows]
    return arrays, named


def _demand_problems(tender: Tender, table: TenderTable) -> list[Problem]:
    """Items and years whose offers, each taken at its most, do not add up to what is asked for."""
    limits = offer_limits(tender)
    supply = np.zeros_like(tender.demand)
    np.add.at(supply, (tender.offer_item, tender.offer_year), limits.upper)
    offered = np.zeros_like(tender.demand)
    np.add.at(offered, (tender.offer_item, tender.offer_year), 1.0)
    short = supply < tender.demand * (1 - 1e-9)
    if not short.any():
        return []
    years = (year_of(text) for text in table.texts("year"))
    place = {(k, t): row for row, (k, t) in enumerate(zip(table.texts("item"), years, strict=True))}
    problems = []
    for k, t in np.argwhere(short):
        name, year = tender.items[k], tender.years[t]
        if offered[k, t] == 0:
            message = f"no supplier offers {name} in {year}, {tender.demand[k, t]:g} are asked for"
        else:
            message = (
                f"the {offered[k, t]:g} offers for {name} in {year} can supply at most {supply[k, t]:g} within their "
                f"limits, capacities and share rules; {tender.demand[k, t]:g} are asked for"
            )
        problems.append(Problem(table.place(place[name, year], "quantity"), message))
    return problems


def _currencies(table: TenderTable | None, problems: list[Problem]) -> dict[str, float]:
    """Money of the tender for one unit of each currency."""
    if table is None:
        return {}
    found: dict[str, float] = {}
    rate = number_column(table, "rate", problems)
    for row, name in enumerate(table.texts("currency")):
        if name in found:
            problems.append(Problem(table.place(row, "currency"), f"currency {name} stands there twice"))
        elif rate[row] <= 0:
            problems.append(
                Problem(table.place(row, "rate"), f"the rate of {name} is {rate[row]:g}, it must be above 0")
            )
        found[name] = float(rate[row])
    return found


def _rates(table: TenderTable, rates: Mapping[str, float], problems: list[Problem]) -> Array:
    """The rate of each row's currency; 1 where the row names none (the tender's own money)."""
    result = np.ones(len(table.rows))
    for row, name in enumerate(table.texts("currency")):
        if name and name not in rates:
            said = (
                "add the table currencies with its rate"
                if not rates
                else f"the table currencies lacks it{closest(name, rates)}"
            )
            problems.append(Problem(table.place(row, "currency"), f"no rate for currency '{name}': {said}"))
        elif name:
            result[row] = rates[name]
    return result


def _multiples_of_items(
    table: TenderTable, items: Sequence[str], years: Sequence[int], problems: list[Problem]
) -> Array:
    """order_multiple (K, T) of the items table, 0 where it says nothing."""
    result = np.zeros((len(items), len(years)))
    step = number_column(table, "order_multiple", problems, empty=0.0)
    at = {name: k for k, name in enumerate(items)}, {year: t for t, year in enumerate(years)}
    for row, (name, text) in enumerate(zip(table.texts("item"), table.texts("year"), strict=True)):
        k, t = at[0].get(name), at[1].get(year_of(text) or 0)
        if k is not None and t is not None and step[row] > 0:
            result[k, t] = step[row]
    return result


def _multiple_problems(tender: Tender, table: TenderTable) -> list[Problem]:
    """Demands that no whole number of order multiples adds up to, where all offers come in the same one."""
    years = [year_of(text) for text in table.texts("year")]
    place = {(k, t): row for row, (k, t) in enumerate(zip(table.texts("item"), years, strict=True))}
    problems = []
    for k, t in np.argwhere(tender.demand > 0):
        steps = tender.multiple[(tender.offer_item == k) & (tender.offer_year == t)]
        if not len(steps) or steps.min() != steps.max() or steps[0] == 0:
            continue
        wanted = float(tender.demand[k, t])
        number = wanted / float(steps[0])
        if abs(number - round(number)) > 1e-9 * number:
            name, year = tender.items[k], tender.years[t]
            message = (
                f"{wanted:g} of {name} in {year} are no multiple of {steps[0]:g}, in which all its offers come; ask "
                f"for {np.ceil(number) * steps[0]:g}"
            )
            problems.append(Problem(table.place(place[name, year], "quantity"), message))
    return problems


def _rule_problems(tender: Tender, named: Ints) -> list[Problem]:
    """Rules whose scope holds no offer: a note where the rule is kept anyway, a problem where it asks for an award.

    named (n, 3): supplier, item and year of every offer of the table.
    """
    problems = []
    for rule in tender.rules:
        inside = rule.items[tender.offer_item] & rule.years[tender.offer_year] & rule.suppliers[tender.offer_supplier]
        if rule.name == "incumbent":
            inside = rule.items[tender.offer_item]
        if not inside.any():
            asks = (
                rule.name in ("force", "min_share_per_supplier", "min_share_together", "min_spend") and rule.value > 0
            )
            message = f"no offer lies in the scope '{rule.scope}' of the rule {rule.name}; it is kept anyway"
            if asks:
                message = f"the rule {rule.name} asks for awards, but no offer lies in its scope '{rule.scope}'"
            idle = bool((rule.suppliers[named[:, 0]] & rule.items[named[:, 1]] & rule.years[named[:, 2]]).any())
            if idle:
                message = f"nothing is asked for in the scope '{rule.scope}' of the rule {rule.name}; it does nothing"
            problems.append(Problem(rule.place, message, warning=idle or not asks))
    return problems
