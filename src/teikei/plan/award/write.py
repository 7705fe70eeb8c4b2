"""The award as files: awards.csv, summary.json and a workbook."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from teikei.plan.award.types import Array, AwardResult, RulePrice, Tender

COLUMNS = ("supplier", "item", "year", "quantity", "unit_price", "discount", "spend")


def write_files(
    result: AwardResult,
    folder: Path,
    *,
    scenarios: Mapping[str, AwardResult] | None = None,
    prices: Sequence[RulePrice] = (),
) -> None:
    """awards.csv (CONTRACT, ``teikei award``) and awards.xlsx, each written beside and renamed.

    scenarios, prices: what ``scenarios`` and ``rule_prices`` gave, as CSV files of these names and further sheets.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lines = [(a.supplier, a.item, a.year, a.quantity, a.unit_price, a.discount, a.spend) for a in result.awards]
    _csv(folder / "awards.csv", COLUMNS, lines)
    if scenarios:
        rows = [_scenario_row(name, one, result) for name, one in scenarios.items()]
        _csv(folder / "scenarios.csv", SCENARIO_COLUMNS, rows)
    if prices:
        _csv(folder / "rule_prices.csv", PRICE_COLUMNS, [_price_row(price) for price in prices])
    _workbook(result, folder / "awards.xlsx", scenarios or {}, prices)


def _csv(path: Path, header: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    beside = path.with_name(f"{path.name}.part")
    with beside.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(header)
        writer.writerows(rows)
    os.replace(beside, path)


def write_summary(result: AwardResult, folder: Path) -> None:
    """summary.json; written last, so that its ``seconds`` are those of the whole command."""
    beside = folder / "summary.json.part"
    beside.write_text(json.dumps(summary(result), indent=2) + "\n", encoding="utf-8")
    os.replace(beside, folder / "summary.json")


def summary(result: AwardResult) -> dict[str, Any]:
    """What summary.json says."""
    return {
        "format": 1,
        "objective": result.objective,
        "bound": result.bound,
        "gap": result.gap,
        "seconds": result.seconds,
        "repriced": result.repriced,
        "status": result.status,
        "suppliers_used": list(result.suppliers_used),
        "warnings": [str(problem) for problem in result.warnings],
        **({"charges": charges(result)} if result.tender.terms else {}),
    }


def charges(result: AwardResult) -> list[dict[str, Any]]:
    """Activation, expansions and take-or-pay: the money in the objective that is no spend on a line."""
    tender = result.tender
    used = set(result.suppliers_used)
    found: list[dict[str, Any]] = [
        {"kind": "activation", "supplier": name, "name": "", "units": 0.0, "amount": float(cost)}
        for name, cost in zip(tender.suppliers, tender.activation_cost, strict=True)
        if name in used and cost > 0
    ]
    for one in result.charges:
        amounts = {"units": float(one.units), "amount": float(one.amount)}
        found.append({"kind": one.kind, "supplier": tender.suppliers[one.supplier], "name": one.name, **amounts})
    return found


def _workbook(
    result: AwardResult, path: Path, scenarios: Mapping[str, AwardResult], prices: Sequence[RulePrice]
) -> None:
    import xlsxwriter

    beside = path.with_suffix(".part.xlsx")
    # Names come from the user's files: a name that starts with = must stay text, never become a live formula.
    options = {"strings_to_formulas": False, "strings_to_urls": False, "constant_memory": True}
    with xlsxwriter.Workbook(str(beside), options) as book:
        bold = book.add_format({"bold": True})

        def sheet(name: str, header: Sequence[str], rows: Sequence[Sequence[Any]], width: int = 14) -> None:
            page = book.add_worksheet(name)
            page.set_column(0, len(header) - 1, width)
            page.freeze_panes(1, 0)
            page.write_row(0, 0, header, bold)
            for number, row in enumerate(rows, 1):
                page.write_row(number, 0, row)

        facts = {key: value for key, value in summary(result).items() if not isinstance(value, list)}
        facts["suppliers_used"] = len(result.suppliers_used)
        note = "stopped by time: another run may find another plan" if result.status == "time limit" else ""
        sheet("summary", ("what", "value"), [*facts.items(), ("note", note)], 22)
        lines = [
            (a.supplier, a.item, a.year, a.quantity, a.unit_price, a.discount, a.spend, a.reason) for a in result.awards
        ]
        sheet("awards", (*COLUMNS, "reason"), lines)
        sheet("suppliers", SUPPLIER_COLUMNS, supplier_rows(result.tender, quantities(result)))
        paid = charges(result)
        if paid:
            sheet("charges", tuple(paid[0]), [tuple(one.values()) for one in paid], 22)
        if scenarios:
            sheet(
                "scenarios", SCENARIO_COLUMNS, [_scenario_row(name, one, result) for name, one in scenarios.items()], 20
            )
        if prices:
            sheet("rule prices", PRICE_COLUMNS, [_price_row(price) for price in prices], 24)
    os.replace(beside, path)


SCENARIO_COLUMNS = ("scenario", "objective", "bound", "gap", "status", "suppliers", "more than the award")
PRICE_COLUMNS = ("rule", "place", "price", "at least", "at most", "objective without it")
SUPPLIER_COLUMNS = ("supplier", "year", "quantity", "capacity", "tier_from", "discount", "spend", "to next tier")


def supplier_rows(tender: Tender, quantity: Array) -> list[tuple[Any, ...]]:
    """One row per supplier and year with awards: total, capacity, tier, spend after discount, way to the next tier."""
    from teikei.plan.award.price import extra, group_totals, reached_tier

    rebates: dict[tuple[int, int], float] = {}
    for (s, _, t), amount in (extra(tender, quantity).rebate if tender.terms else {}).items():
        rebates[s, t] = rebates.get((s, t), 0.0) + float(amount)
    totals = group_totals(tender, quantity)
    size = totals.size
    spend = np.bincount(tender.offer_group, quantity * tender.unit_price, size).reshape(totals.shape)
    rows: list[tuple[Any, ...]] = []
    for s, t in np.argwhere(totals > 0):
        tier = reached_tier(tender, s, t, totals[s, t])
        start, discount = tender.tier_from[s, t], float(tender.tier_discount[s, t, tier])
        further = float(start[tier + 1]) - float(totals[s, t]) if tier + 1 < len(start) else np.inf
        capacity = float(tender.capacity_limit[s, t])
        rows.append(
            (
                tender.suppliers[s],
                tender.years[t],
                float(totals[s, t]),
                capacity if np.isfinite(capacity) else "",
                float(start[tier]),
                discount,
                float(spend[s, t]) * (1 - discount) - rebates.get((int(s), int(t)), 0.0),
                further if np.isfinite(further) else "",
            )
        )
    return rows


def quantities(result: AwardResult) -> Array:
    """The awards of a result as quantities per offer (P,)."""
    tender = result.tender
    found = {(a.supplier, a.item, a.year): a.quantity for a in result.awards}
    keys = zip(tender.offer_supplier, tender.offer_item, tender.offer_year, strict=True)
    return np.array([found.get((tender.suppliers[s], tender.items[k], tender.years[t]), 0.0) for s, k, t in keys])


def _scenario_row(name: str, one: AwardResult, base: AwardResult) -> tuple[Any, ...]:
    return (
        name,
        one.objective,
        one.bound,
        one.gap,
        one.status,
        len(one.suppliers_used),
        one.objective - base.objective,
    )


def _price_row(price: RulePrice) -> tuple[Any, ...]:
    cells = ("no plan with it",) * 3 if price.none else (price.price, price.lower, price.upper)
    return (price.rule, price.place, *cells, price.objective_without)
