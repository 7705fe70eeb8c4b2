"""Scenarios and rules: what they name exists, and what they say can be done."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from teikei.errors import Problem
from teikei.study.draft import Draft
from teikei.study.scenarios import SETTINGS_TABLE, PatchError, patch_rows, patch_settings, read_patch
from teikei.tables.messages import show, suggest

_SCOPES = {
    "class": ("classes", "class"),
    "module": ("modules", "module"),
    "supplier": ("suppliers", "supplier"),
}


def scenarios_can_be_applied(draft: Draft) -> Iterator[Problem]:
    """Every scenario is tried step by step: table, column, conditions, operation, value, and the result's range."""
    for rows in draft.grouped("scenarios", "scenario").values():
        settings = draft.settings
        tables: dict[str, list[dict[str, Any]]] = {}
        ordered = sorted((row for row in rows if row["step"] is not None), key=lambda row: int(row["step"]))
        for row in ordered:
            if row.unread or None in (row["table"], row["column"], row["operation"], row["value"]):
                continue
            try:
                patch = read_patch(row.values)
                if patch.table == SETTINGS_TABLE:
                    settings = None if settings is None else patch_settings(settings, patch)
                elif patch.table not in draft.damaged:
                    if patch.table not in tables:
                        tables[patch.table] = [dict(target.values) for target in draft[patch.table]]
                    patch_rows(tables[patch.table], patch)
            except PatchError as problem:
                yield row.error(problem.column, str(problem))


def rules_name_something(draft: Draft) -> Iterator[Problem]:
    """The scope of a rule is * or kind:NAME joined by &, and each name exists."""
    countries = {
        *draft.values("sites", "country"),
        *draft.values("plants", "country"),
        *draft.values("car_plants", "country"),
    }
    for row in draft["rules"]:
        scope = row["scope"]
        if scope is None or scope == "*":
            continue
        for part in (piece.strip() for piece in scope.split("&")):
            kind, colon, name = (piece.strip() for piece in part.partition(":"))
            if not colon or kind not in (*_SCOPES, "country"):
                yield row.error(
                    "scope",
                    f"found {show(part)}, expected * or class:NAME, module:NAME, supplier:NAME, country:NAME "
                    f"joined by &{_kind_hint(kind)}",
                )
                continue
            table, column = _SCOPES.get(kind, ("", ""))
            known = countries if kind == "country" else set(draft.values(table, column))
            if name not in known and table not in draft.damaged:
                where = "any site or plant" if kind == "country" else draft.files[table]
                yield row.error(
                    "scope",
                    f"the rule names {kind} {show(name)}, which is not in {where}{suggest(name, sorted(known))}",
                )


def _kind_hint(kind: str) -> str:
    words = suggest(kind, [*_SCOPES, "country"])
    return words if "did you mean" in words else ""


def values_of_rules_fit(draft: Draft) -> Iterator[Problem]:
    """Each rule has the kind of value it needs."""
    companies = draft.values("companies", "company")
    for row in draft["rules"]:
        rule, value = row["rule"], row["value"]
        if rule is None or value is None:
            continue
        number = _as_number(value)
        if rule == "max_share_per_item" and not (number is not None and 0 < number <= 1):
            yield row.error("value", f"found {show(value)}, expected a share above 0 and at most 1, such as 0.7")
        elif rule == "min_suppliers_per_class" and not (number is not None and number >= 1 and number.is_integer()):
            yield row.error("value", f"found {show(value)}, expected a number of suppliers, such as 2")
        elif rule == "local_supply" and value not in ("yes", "no") and not (number is not None and 0 <= number <= 1):
            yield row.error(
                "value", f"found {show(value)}, expected yes, no, or the share that must come from there (0 to 1)"
            )
        elif rule == "exclude_supplier":
            if "supplier:" not in (row["scope"] or ""):
                yield row.error(
                    "scope", f"found {show(row['scope'])}, expected supplier:NAME: say whom the rule excludes"
                )
            for name in (part.strip() for part in value.split(";")):
                if name not in (*companies, "all", "any") and "companies" not in draft.damaged:
                    yield row.error(
                        "value",
                        f"{show(name)} is not in {draft.files['companies']}{suggest(name, [*companies, 'any'])}",
                    )


def _as_number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


CHECKS = (scenarios_can_be_applied, rules_name_something, values_of_rules_fit)
