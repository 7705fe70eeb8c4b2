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

A scope is ``*`` or terms joined by ``;``: ``item=A*|B7;supplier=S1;year=2027``. Names may carry ``*``; a bare name is
looked up among suppliers, items and years. A name that holds ``;``, ``|``, ``=`` or ``*`` itself stands in double
quotes: ``item="A;B"|C``; a scope that is such a name and nothing else needs none.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

import numpy as np

from teikei.errors import Problem
from teikei.plan.award.tables import TenderTable, closest, number_of, split_names, unquoted
from teikei.plan.award.types import Flags, Rule

SHARE_RULES: Final = (
    "max_share_per_item",
    "min_share_per_item",
    "max_share_per_supplier",
    "min_share_per_supplier",
    "force",
)
COUNT_RULES: Final = ("max_suppliers", "max_suppliers_per_item", "min_suppliers_per_item")
RULES: Final = (*SHARE_RULES, *COUNT_RULES, "exclude", "incumbent")
NEEDS_SUPPLIER: Final = ("force", "min_share_per_supplier", "exclude")
COUNTED_SHARE: Final = 0.01  # a smaller award does not count as a second source unless min_share_per_item says so


def read_rules(
    table: TenderTable, suppliers: Sequence[str], items: Sequence[str], years: Sequence[int], problems: list[Problem]
) -> tuple[Rule, ...]:
    """The rules of a tender; a rule that is unknown, names nothing or has a bad value is a problem at its cell."""
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
        flags = _scope(scope, names, table.place(row, "scope"), problems)
        if name in NEEDS_SUPPLIER and flags["supplier"].all() and len(suppliers) > 1 and flags["item"].all():
            message = f"{name} must name a supplier or an item, its scope '{scope}' is everything"
            problems.append(Problem(table.place(row, "scope"), message))
        number, supplier = _value(name, value, suppliers, table.place(row, "value"), problems)
        if len(problems) == before:
            place = table.place(row, "rule")
            result.append(Rule(name, scope, number, supplier, flags["supplier"], flags["item"], flags["year"], place))
    return tuple(result)


def _scope(scope: str, names: dict[str, Sequence[str]], place: str, problems: list[Problem]) -> dict[str, Flags]:
    flags = {kind: np.ones(len(known), dtype=np.bool_) for kind, known in names.items()}
    if scope == "":
        problems.append(Problem(place, "the scope is empty; write * for everything"))
    whole = any(scope in known for known in names.values())
    for term in [f'"{scope.replace(chr(34), chr(34) * 2)}"'] if whole else split_names(scope, ";"):
        if term in ("", "*"):
            continue
        kind, *values = split_names(term, "=")
        wanted = "=".join(values)
        if not values:
            wanted = term
            kind = next((k for k, known in names.items() if _matching(wanted, known).any()), "")
            if not kind:
                every = [name for known in names.values() for name in known]
                message = f"the scope names nothing: '{term}' is no supplier, item or year{closest(term, every)}"
                problems.append(Problem(place, message + _quote_hint(every)))
                continue
        elif kind not in names:
            every = [name for known in names.values() for name in known]
            message = f"the scope says '{kind}', expected supplier, item or year{_quote_hint(every)}"
            problems.append(Problem(place, message))
            continue
        found = _matching(wanted, names[kind])
        for name in split_names(wanted, "|"):
            if not _matching(name, names[kind]).any():
                plain = unquoted(name)[0]
                message = f"the scope names nothing: no {kind} '{plain}'{closest(plain, names[kind])}"
                problems.append(Problem(place, message + _quote_hint(names[kind])))
        flags[kind] &= found
        if found.any() and not flags[kind].any():
            problems.append(Problem(place, f"the scope names nothing: no {kind} fits all terms of '{scope}'"))
    return flags


def _matching(wanted: str, known: Sequence[str]) -> Flags:
    patterns = [unquoted(part) for part in split_names(wanted, "|")]
    plain = {name for name, quoted in patterns if quoted or "*" not in name}
    wild = [
        re.compile(".*".join(re.escape(piece) for piece in name.split("*")), re.S)
        for name, quoted in patterns
        if not quoted and "*" in name
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
    if name in SHARE_RULES and not 0.0 <= number <= 1.0:
        problems.append(Problem(place, f"{name} is '{value}', a share between 0 and 1 is expected"))
    if name in COUNT_RULES and not (number >= 1 and float(number).is_integer()):
        problems.append(Problem(place, f"{name} is '{value}', a whole number of suppliers from 1 on is expected"))
    return number, ""
