"""The buyer's own rules: their names, scopes and what they mean.

Each row of ``rules`` has a rule, a scope and a value. Shares are between 0 and 1, of a quantity of one year.

max_share_per_item      no supplier gets more than this share of an item
min_share_per_item      a supplier that gets any of an item gets at least this share of it
max_suppliers           at most so many suppliers get anything in the scope, all years together
max_suppliers_per_item  at most so many suppliers for each item and year
min_suppliers_per_item  at least so many for each item and year; who gets less than min_share_per_item (1 % where there
                        is no such rule) does not count
max_share_per_supplier  no supplier gets more than this share of the total of the items in the scope
min_share_per_supplier  each supplier named gets at least this share of that total
exclude                 no awards in the scope; no value
force                   the supplier gets at least this share of each item in the scope
incumbent               the value is the supplier that has the items today; binds only in the scenario ``incumbent``

max_share_together      the suppliers in the scope together get at most this share of the items in the scope
min_share_together      together they get at least this share
max_spend               the suppliers in the scope together get at most so much money, at prices before discount
min_spend               together they get at least so much

A scope is ``*`` or terms joined by ``;``: ``item=A*|B7;supplier=S1;year=2027``; further kinds are ``group`` (table
groups), ``country`` (suppliers) and ``item_group`` (items). Names may carry ``*``; a bare name is looked up among
suppliers, items, years and groups. A name that holds ``;``, ``|``, ``=`` or ``*`` is found as it stands; in double
quotes every name is taken to the letter (``item="a;b"``, a quote inside is doubled).

Shares of the last rules are of pieces, or of spend at prices before discount where the column ``basis`` says ``spend``;
they hold in each year, or over all years together where the column ``period`` says ``all``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import numpy as np

from teikei.errors import Problem
from teikei.plan.award.tables import TenderTable, closest, number_of
from teikei.plan.award.types import Flags, Rule

SHARE_RULES: Final = (
    "max_share_per_item",
    "min_share_per_item",
    "max_share_per_supplier",
    "min_share_per_supplier",
    "max_share_together",
    "min_share_together",
    "force",
)
SPEND_RULES: Final = ("max_spend", "min_spend")
BASES: Final = ("quantity", "spend")
PERIODS: Final = ("year", "all")
COUNT_RULES: Final = ("max_suppliers", "max_suppliers_per_item", "min_suppliers_per_item")
RULES: Final = (*SHARE_RULES, *COUNT_RULES, *SPEND_RULES, "exclude", "incumbent")
TOGETHER: Final = ("max_share_together", "min_share_together", *SPEND_RULES)
NEEDS_SUPPLIER: Final = ("force", "min_share_per_supplier", "exclude")
COUNTED_SHARE: Final = 0.01  # a smaller award does not count as a second source unless min_share_per_item says so


def read_rules(
    table: TenderTable,
    suppliers: Sequence[str],
    items: Sequence[str],
    years: Sequence[int],
    problems: list[Problem],
    groups: Mapping[str, Mapping[str, Flags]] | None = None,
) -> tuple[Rule, ...]:
    """The rules of a tender; a rule that is unknown, names nothing or has a bad value is a problem at its cell.

    groups: kind (group, country, item_group) -> name -> flags over suppliers (S,), or items (K,) for item_group.
    """
    groups = groups or {}
    names: dict[str, Sequence[str]] = {"supplier": suppliers, "item": items, "year": [str(year) for year in years]}
    result = []
    for row, (name, scope, value) in enumerate(
        zip(table.texts("rule"), table.texts("scope"), table.texts("value"), strict=True)
    ):
        if name not in RULES:
            known = f"unknown rule '{name}'{closest(name, RULES)}; known rules: {', '.join(RULES)}"
            problems.append(Problem(table.place(row, "rule"), known))
            continue
        before = len(problems)
        flags = _scope(scope, names, groups, table.place(row, "scope"), problems)
        if name in NEEDS_SUPPLIER and flags["supplier"].all() and len(suppliers) > 1 and flags["item"].all():
            message = f"{name} must name a supplier or an item, its scope '{scope}' is everything"
            problems.append(Problem(table.place(row, "scope"), message))
        number, supplier = _value(name, value, suppliers, table.place(row, "value"), problems)
        basis = _choice(table, row, "basis", BASES, problems)
        period = _choice(table, row, "period", PERIODS, problems)
        if name not in TOGETHER and (basis, period) != (BASES[0], PERIODS[0]):
            message = f"{name} is about pieces of a year; only {', '.join(TOGETHER)} know a basis and a period"
            problems.append(Problem(table.place(row, "rule"), message))
        if len(problems) == before:
            place = table.place(row, "rule")
            kept = flags["supplier"], flags["item"], flags["year"]
            result.append(Rule(name, scope, number, supplier, *kept, place, basis == "spend", period == "all"))
    return tuple(result)


def _choice(table: TenderTable, row: int, column: str, known: Sequence[str], problems: list[Problem]) -> str:
    cell = table.texts(column)[row] or known[0]
    if cell not in known:
        message = f"'{cell}' is not known{closest(cell, known)}; expected {' or '.join(known)}"
        problems.append(Problem(table.place(row, column), message))
    return cell


MARK: Final = "\x00"  # stands around the number of a name that is taken to the letter


def _letters(scope: str, known: Iterable[str]) -> tuple[str, list[str]]:
    """The scope with every quoted name, and every known name that holds a separator, put aside as a numbered mark."""
    kept: list[str] = []

    def aside(name: str) -> str:
        kept.append(name)
        return f"{MARK}{len(kept) - 1}{MARK}"

    text = re.sub(r'"((?:[^"]|"")*)"', lambda found: aside(found[1].replace('""', '"')), scope)
    for name in sorted((one for one in known if set(one) & set(';|=*"')), key=len, reverse=True):
        if name in text:
            text = text.replace(name, aside(name))
    return text, kept


def _scope(
    scope: str,
    names: dict[str, Sequence[str]],
    groups: Mapping[str, Mapping[str, Flags]],
    place: str,
    problems: list[Problem],
) -> dict[str, Flags]:
    flags = {kind: np.ones(len(known), dtype=np.bool_) for kind, known in names.items()}
    if scope == "":
        problems.append(Problem(place, "the scope is empty; write * for everything"))
    everything = [name for known in (*names.values(), *groups.values()) for name in known]
    text, kept = _letters(scope, everything)

    def plain(part: str) -> str:
        return kept[int(part.strip(MARK))] if part.startswith(MARK) else part

    for term in (part.strip() for part in text.split(";")):
        if term in ("", "*"):
            continue
        kind, equals, wanted = (part.strip() for part in term.partition("="))
        if not equals:
            wanted = kind
            found_in = {**names, **groups}
            kind = next((k for k, known in found_in.items() if _matching(wanted, list(known), kept).any()), "")
            if not kind:
                message = f"the scope names nothing: '{plain(term)}' is no supplier, item or year"
                said = closest(plain(term), everything) + _quote_hint(everything)
                problems.append(Problem(place, message + said))
                continue
        elif kind not in names and kind not in groups:
            expected = ", ".join([*list(names)[:-1], *groups]) + f" or {list(names)[-1]}"
            said = f"the scope says '{kind}', expected {expected}{_quote_hint(everything)}"
            problems.append(Problem(place, said))
            continue
        known = list(groups[kind]) if kind in groups else list(names[kind])
        found = _matching(wanted, known, kept)
        for name in (part.strip() for part in wanted.split("|")):
            if not _matching(name, known, kept).any():
                message = f"the scope names nothing: no {kind} '{plain(name)}'{closest(plain(name), known)}"
                problems.append(Problem(place, message + _quote_hint(known)))
        if kind in groups:
            members = [groups[kind][known[i]] for i in np.flatnonzero(found)]
            kind = "item" if kind == "item_group" else "supplier"
            found = np.logical_or.reduce(members) if members else np.zeros(len(names[kind]), dtype=np.bool_)
        flags[kind] &= found
        if found.any() and not flags[kind].any():
            problems.append(Problem(place, f"the scope names nothing: no {kind} fits all terms of '{scope}'"))
    return flags


def _matching(wanted: str, known: Sequence[str], kept: Sequence[str]) -> Flags:
    patterns = [part.strip() for part in wanted.split("|")]
    literal = {kept[int(p.strip(MARK))] for p in patterns if p.startswith(MARK)}
    plain = literal | {p for p in patterns if "*" not in p}
    wild = [
        re.compile(".*".join(re.escape(piece) for piece in p.split("*")), re.S)
        for p in patterns
        if "*" in p and not p.startswith(MARK)
    ]
    fits = [name in plain or any(pattern.fullmatch(name) for pattern in wild) for name in known]
    return np.array(fits, dtype=np.bool_)


def _quote_hint(known: Sequence[str]) -> str:
    odd = next((name for name in known if any(sign in name for sign in ';|=*"')), None)
    return "" if odd is None else f'; a name with ; | = or * stands in double quotes, such as "{odd}"'


def _value(name: str, value: str, suppliers: Sequence[str], place: str, problems: list[Problem]) -> tuple[float, str]:
    if name == "incumbent":
        if value not in suppliers:
            problems.append(Problem(place, f"the incumbent '{value}' is no supplier{closest(value, suppliers)}"))
        return 0.0, value
    if name == "exclude":
        return 0.0, ""
    read = number_of(value)
    number = float("nan") if read is None else read
    if name in SPEND_RULES and not 0.0 <= number < float("inf"):
        problems.append(Problem(place, f"{name} is '{value}', an amount of money from 0 on is expected"))
    if name in SHARE_RULES and not 0.0 <= number <= 1.0:
        problems.append(Problem(place, f"{name} is '{value}', a share between 0 and 1 is expected"))
    if name in COUNT_RULES and not (number >= 1 and float(number).is_integer()):
        problems.append(Problem(place, f"{name} is '{value}', a whole number of suppliers from 1 on is expected"))
    return number, ""
