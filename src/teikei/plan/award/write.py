"""The award as files: awards.csv, summary.json and a workbook."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from teikei.plan.award.types import Array, Award, AwardResult, Bid, PriceToWin, RulePrice, Tender
from teikei.tables.write import new_workbook, write_cell, write_csv, write_row

WIN_COLUMNS = ("supplier", "item", "cut", "lower", "gap")
BID_COLUMNS = (
    "supplier", "item", "year", "unit_price", "landed_price", "awarded", "reason", "reason_status",
)  # fmt: skip
COLUMNS = ("supplier", "item", "year", "quantity", "unit_price", "discount", "spend")


def write_files(result: AwardResult, folder: Path) -> None:
    """awards.csv (CONTRACT, ``teikei award``) and awards.xlsx, each written beside and renamed.

    Scenarios and prices of rules that the result carries become scenarios.csv, scenario_awards.csv and rule_prices.csv,
    and further sheets.
    """
    folder.mkdir(parents=True, exist_ok=True)
    write_csv(folder / "awards.csv", COLUMNS, [_line(award) for award in result.awards])
    if result.scenarios:
        write_csv(folder / "scenarios.csv", SCENARIO_COLUMNS, scenario_rows(result))
        rows = [row[:-1] for row in _scenario_awards(result)]
        write_csv(folder / "scenario_awards.csv", ("scenario", *COLUMNS), rows)
    if result.prices:
        write_csv(folder / "rule_prices.csv", PRICE_COLUMNS, [_price_row(price) for price in result.prices])
    if result.prices_to_win:
        rows = [_win_row(one) for one in result.prices_to_win]
        write_csv(folder / "price_to_win.csv", WIN_COLUMNS, rows)
    if result.bids:
        write_csv(folder / "bids.csv", BID_COLUMNS, [_bid(bid) for bid in result.bids])
    _workbook(result, folder / "awards.xlsx")


def _win_row(one: PriceToWin) -> tuple[Any, ...]:
    """Empty cut and gap where no cut below 1 wins."""
    if not np.isfinite(one.cut):
        return (one.supplier, one.item, "", one.lower, "")
    return (one.supplier, one.item, one.cut, one.lower, one.gap)


def _bid(bid: Bid) -> tuple[Any, ...]:
    return tuple(getattr(bid, name) for name in BID_COLUMNS)


def _line(award: Award) -> tuple[Any, ...]:
    return tuple(getattr(award, name) for name in COLUMNS)


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
        "second_bound": result.second_bound,
        "suppliers_used": list(result.suppliers_used),
        "warnings": [str(problem) for problem in result.warnings],
        **({"more_than_asked": asdict(result.more_than_asked)} if result.more_than_asked else {}),
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


FORMATS = {
    **dict.fromkeys(("year", "suppliers"), "0"),
    **dict.fromkeys(("quantity", "capacity", "tier_from", "to next tier", "units"), "#,##0.######"),
    "unit_price": "#,##0.00####",
    **dict.fromkeys(("discount", "cut", "lower"), "0.00##%"),
    "gap": "0.0000%",
    **dict.fromkeys(
        ("spend", "amount", "objective", "bound", "more than the award", "price", "at least", "at most",
         "objective without it"), "#,##0.00",
    ),
}  # fmt: skip
WIDTHS = {"reason": 70, "rule": 44, "scenario": 24, "place": 28, "name": 22, "status": 12, "what": 22, "value": 60}


def _workbook(result: AwardResult, path: Path) -> None:
    beside = path.with_suffix(".part.xlsx")
    with new_workbook(beside, constant_memory=True) as book:
        quoted = book.add_format({"quote_prefix": True})
        bold = book.add_format({"bold": True, "bottom": 1})
        shown = {name: book.add_format({"num_format": text}) for name, text in FORMATS.items()}
        whole = book.add_format({"num_format": "#,##0"})

        def sheet(name: str, header: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
            page = book.add_worksheet(name)
            for at, column in enumerate(header):
                page.set_column(at, at, WIDTHS.get(column, 16))
            page.freeze_panes(1, 0)
            page.autofilter(0, 0, max(1, len(rows)), len(header) - 1)
            write_row(page, 0, header, bold)
            for number, row in enumerate(rows, 1):
                for at, (column, cell) in enumerate(zip(header, row, strict=True)):
                    look = shown.get(column) if isinstance(cell, float | int) else None
                    counted = FORMATS.get(column) == FORMATS["quantity"]
                    style = whole if counted and cell == _rounded(cell) else look
                    write_cell(page, number, at, cell, style, quoted)

        sheet("summary", ("what", "value"), _facts(result))
        lines = [(*_line(award), award.reason, award.reason_status) for award in result.awards]
        sheet("awards", (*COLUMNS, "reason", "reason_status"), lines)
        if result.prices_to_win:
            sheet("price to win", WIN_COLUMNS, [_win_row(one) for one in result.prices_to_win])
        if result.bids:
            sheet("bids", BID_COLUMNS, [_bid(bid) for bid in result.bids])
        sheet("suppliers", SUPPLIER_COLUMNS, supplier_rows(result.tender, quantities(result)))
        paid = charges(result)
        if paid:
            sheet("charges", tuple(paid[0]), [tuple(one.values()) for one in paid])
        if result.scenarios:
            sheet("scenarios", SCENARIO_COLUMNS, scenario_rows(result))
            sheet("scenario awards", ("scenario", *COLUMNS, "reason"), _scenario_awards(result))
        if result.prices:
            sheet("rule prices", PRICE_COLUMNS, [_price_row(price) for price in result.prices])
    os.replace(beside, path)


def _rounded(cell: Any) -> float | None:
    return round(cell) if isinstance(cell, float | int) else None


def _facts(result: AwardResult) -> list[tuple[str, Any]]:
    """The first sheet: what the award costs, what is proven of it, and what a reader has to know."""
    words = {
        "optimal": "optimal: no cheaper award exists (two bounds agree)",
        "gap": "within the gap that was asked for" + _why_not_optimal(result),
        "time limit": "stopped by time: the best award found; another run may find another",
    }
    paid = sum(float(one["amount"]) for one in charges(result))
    return [
        ("cost", f"{result.objective:,.2f}"),
        ("of it spend on lines", f"{result.objective - paid:,.2f}"),
        ("of it charges (activation and others)", f"{paid:,.2f}"),
        ("no award costs less than (proven)", f"{result.bound:,.2f}"),
        ("gap", f"{result.gap:.4%}"),
        ("computed again from the lines", f"{result.repriced:,.2f}"),
        ("status", words[result.status]),
        ("suppliers used", ", ".join(result.suppliers_used)),
        *([("buying more than asked for", more_text(result))] if result.more_than_asked else []),
        *(("note", str(problem)) for problem in result.warnings),
    ]


def _why_not_optimal(result: AwardResult) -> str:
    if result.gap > 1e-6:
        return ""
    if result.tender.not_counted:
        return f" without {result.tender.not_counted} rows of adders, which are not counted"
    return ", proven by one bound"


def more_text(result: AwardResult) -> str:
    """What buying more than asked for would cost, and of what; empty where it would not cost less."""
    more = result.more_than_asked
    if more is None:
        return ""
    what = ", ".join(
        f"{item} {year}: {bought:,.6g} instead of {asked:,.6g}" for item, year, asked, bought in more.lines[:5]
    )
    left = f" and {len(more.lines) - 5} more" if len(more.lines) > 5 else ""
    return f"would cost {more.objective:,.2f}, {more.saving:,.2f} less ({what}{left}); --allow-overbuying permits it"


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


def scenario_rows(result: AwardResult) -> list[tuple[Any, ...]]:
    """One row per scenario; a scenario that no award satisfies says so."""
    rows: list[tuple[Any, ...]] = []
    for name, one in result.scenarios.items():
        if one is None:
            rows.append((name, "", "", "", "no award", "", ""))
            continue
        more = one.objective - result.objective
        rows.append((name, one.objective, one.bound, one.gap, one.status, len(one.suppliers_used), more))
    return rows


def _scenario_awards(result: AwardResult) -> list[tuple[Any, ...]]:
    """(scenario, *COLUMNS, reason) of every scenario that has an award."""
    return [
        (name, *_line(award), award.reason)
        for name, one in result.scenarios.items()
        if one is not None
        for award in one.awards
    ]


def _price_row(price: RulePrice) -> tuple[Any, ...]:
    cells = ("no plan with it",) * 3 if price.none else (price.price, price.lower, price.upper)
    return (price.rule, price.place, *cells, price.objective_without)
