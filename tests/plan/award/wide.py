"""Random tenders over eight decades of quantity and of price, against exhaustive search.

A tool set stands beside ten million bolts. The search tries every set of suppliers, every tier, every bundle, every
purchased expansion and, where a least quantity or a count of suppliers asks for it, every set of offers; what is left
is one linear program each, in shares of demand. No branch and bound, none of the product's model.
``python -m tests.plan.award.wide 0 500`` compares some hundred tenders and prints what differs.
"""

from __future__ import annotations

import itertools
import sys
import tempfile
import traceback
from pathlib import Path

import numpy as np
from scipy.optimize import linprog

from teikei.plan.award.types import Tender
from tests.plan.award.make import write_tender
from tests.plan.award.mixed import Tables, check

DECADES = 8


def wide_tender(seed: int) -> Tables:
    """Rows of a small tender whose items differ by up to eight decades in quantity and in price, rarely in spend."""
    rng = np.random.default_rng([seed, 2026])
    years = [2030 + t for t in range(int(rng.choice([1, 1, 1, 2])))]
    items = [f"部品{k}" for k in range(int(rng.integers(2, 4)))]
    suppliers = [f"s{s}" for s in range(int(rng.integers(2, 4)))]
    spend = 10.0 ** rng.uniform(3, 9)
    size = {k: 10.0 ** rng.uniform(0, DECADES) for k in items}
    if rng.random() < 0.5:  # one of each: the hardest pair
        size[items[0]], size[items[1]] = float(rng.integers(1, 9)), 10.0 ** rng.uniform(DECADES - 1.5, DECADES)
    whole = rng.random() < 0.7
    amount = {(k, t): float(size[k] * rng.uniform(0.8, 1.2)) for k in items for t in years}
    demand = {key: max(1.0, round(value)) if whole else value for key, value in amount.items()}
    base = {k: spend * 10.0 ** rng.uniform(-1.5, 0.5) / size[k] for k in items}
    if rng.random() < 0.2:  # prices wide by themselves: an item that hardly matters
        base[items[-1]] *= 10.0 ** rng.uniform(-4, 0)
    offers = []
    for s in suppliers:
        for k in items:
            if rng.random() < 0.85 or s == suppliers[0]:
                for t in years:
                    wanted = demand[k, t]
                    most = float(f"{wanted * rng.uniform(0.4, 1.1):.6g}") if rng.random() < 0.12 else ""
                    least = float(f"{wanted * rng.uniform(0.1, 0.5):.6g}") if rng.random() < 0.12 else ""
                    if most != "" and least != "" and least > most:
                        least = ""
                    offers.append((s, k, t, float(f"{base[k] * rng.uniform(0.85, 1.2):.6g}"), most, least))
    total = {t: sum(demand[k, t] for k in items) for t in years}
    money = {t: sum(demand[k, t] * base[k] for k in items) for t in years}
    tables: Tables = {
        "items": [(k, t, d) for (k, t), d in demand.items()],
        "suppliers": [(s, round(spend * rng.uniform(0, 0.05), 2) if rng.random() < 0.6 else 0) for s in suppliers],
        "offers": offers,
    }
    tiers: list[tuple[object, ...]] = []
    for s in suppliers:
        for t in years:
            draw = rng.random()
            if draw < 0.75:
                basis = "spend" if draw < 0.3 else ""
                scale = (money if basis else total)[t]
                starts = np.sort(rng.uniform(0.1, 0.9, int(rng.integers(1, 3)))) * scale
                cuts = np.cumsum(rng.uniform(0.01, 0.09, len(starts)))
                kind = "incremental" if basis and rng.random() < 0.3 else ""
                tiers += [
                    (s, t, float(f"{a:.7g}"), round(float(c), 3), "", basis, kind)
                    for a, c in zip(starts, cuts, strict=True)
                ]
    tables["tiers"] = tiers
    if rng.random() < 0.4:
        tables["capacity"] = [
            (s, t, float(f"{total[t] * rng.uniform(0.35, 1.1):.7g}"), "")
            for s in suppliers for t in years if rng.random() < 0.5
        ]  # fmt: skip
        if tables["capacity"] and rng.random() < 0.4:
            s, t, held, _ = tables["capacity"][0]
            tables["expansions"] = [(s, t, float(f"{held * 0.4:.6g}"), round(spend * rng.uniform(0.001, 0.03), 2))]
    sold = {row[:3] for row in offers}
    if rng.random() < 0.25:
        s, t = suppliers[int(rng.integers(len(suppliers)))], years[0]
        mine = [k for k in items if (s, k, t) in sold]
        if len(mine) > 1:
            tables["bundles"] = [("b", s, ";".join(mine[:2]), t, round(rng.uniform(0.3, 1.0), 2), 0.06)]
    tables["rules"] = _rules(rng, suppliers, items, offers)
    return {name: rows for name, rows in tables.items() if rows}


def _rules(rng, suppliers, items, offers) -> list[tuple[object, ...]]:  # type: ignore[no-untyped-def]
    found: list[tuple[object, ...]] = []
    if rng.random() < 0.4:
        where = "*" if rng.random() < 0.5 else f"item={items[int(rng.integers(len(items)))]}"
        found.append(("max_share_per_item", where, round(rng.uniform(0.5, 0.9), 2)))
    if rng.random() < 0.15:
        found.append(("min_share_per_item", f"item={items[-1]}", round(rng.uniform(0.1, 0.4), 2)))
    if rng.random() < 0.2:
        found.append(("max_suppliers", "*", int(rng.integers(1, 3))))
    if rng.random() < 0.15:
        found.append(("max_suppliers_per_item", f"item={items[0]}", 1))
    if rng.random() < 0.15:
        found.append(("min_suppliers_per_item", f"item={items[-1]}", 2))
    if rng.random() < 0.2:
        found.append(("max_share_per_supplier", f"supplier={suppliers[0]}", round(rng.uniform(0.3, 0.9), 2)))
    if rng.random() < 0.1:
        found.append(("min_share_per_supplier", f"supplier={suppliers[-1]}", round(rng.uniform(0.05, 0.3), 2)))
    if rng.random() < 0.1:
        s, k, *_ = offers[-1]
        found.append(("exclude", f"supplier={s};item={k}", ""))
    if rng.random() < 0.1:
        s, k, *_ = offers[0]
        found.append(("force", f"supplier={s};item={k}", round(rng.uniform(0.05, 0.3), 2)))
    return found


def exhaustive(tender: Tender, most_programs: int = 4_000) -> float | None:
    """Least cost over every yes or no, each with a linear program; infinite without a plan, None if there are too many
    combinations to try."""
    terms, years = tender.terms, len(tender.years)
    owner, year = tender.offer_supplier, tender.offer_year
    suppliers = range(len(tender.suppliers))
    decided = _decided_offers(tender)
    tiers = {
        (s, t): [r for r in range(tender.tier_from.shape[2]) if np.isfinite(tender.tier_from[s, t, r])]
        for s in suppliers for t in range(years)
    }  # fmt: skip
    best, programs = np.inf, 0
    for on in itertools.product((False, True), repeat=len(tender.suppliers)):
        if _too_many(tender, on):
            continue
        fixed = float(tender.activation_cost[list(on)].sum())
        if fixed >= best:
            continue
        free = [p for p in decided if on[owner[p]]]
        own = [one for one in terms.schedules if on[one.supplier]]
        whole = [(s, t) for s, t in tiers if on[s]]
        bundles = [one for one in terms.bundles if on[one.supplier]]
        for used in itertools.product((False, True), repeat=len(free)):
            off = {p for p, use in zip(free, used, strict=True) if not use}
            off |= {p for p in range(len(owner)) if not on[owner[p]]}
            if not _counts_hold(tender, off, decided):
                continue
            least = {p for p, use in zip(free, used, strict=True) if use}
            for choice in itertools.product(
                itertools.product(*(tiers[pair] for pair in whole)),
                itertools.product(*(range(len(one.start)) for one in own)),
                itertools.product((False, True), repeat=len(bundles)),
                itertools.product((False, True), repeat=len(terms.expansions)),
            ):
                programs += 1
                if programs > most_programs:
                    return None
                tier = dict(zip(whole, choice[0], strict=True))
                level = list(zip(own, choice[1], strict=True))
                taken = [one for one, use in zip(bundles, choice[2], strict=True) if use]
                bought = [one for one, use in zip(terms.expansions, choice[3], strict=True) if use]
                if all(year[p] < years for p in off):
                    cost = _program(tender, off, least, tier, level, taken, bought)
                    best = min(best, fixed + cost)
    return float(best)


def _decided_offers(tender: Tender) -> list[int]:
    """Offers whose yes or no matters by itself: least quantities, shares and counts of suppliers."""
    flags = tender.minimum > 0
    for rule in tender.rules:
        if rule.name in ("min_share_per_item", "max_suppliers_per_item", "min_suppliers_per_item"):
            flags = flags | _inside(tender, rule)
    return [int(p) for p in np.flatnonzero(flags)]


def _inside(tender, rule):  # type: ignore[no-untyped-def]
    return rule.items[tender.offer_item] & rule.years[tender.offer_year] & rule.suppliers[tender.offer_supplier]


def _too_many(tender: Tender, on: tuple[bool, ...]) -> bool:
    """The generator's limits on suppliers speak of everything: who gets nothing need not be on."""
    return any(rule.name == "max_suppliers" and sum(on) > rule.value for rule in tender.rules)


def _counts_hold(tender: Tender, off: set[int], decided: list[int]) -> bool:
    for rule in tender.rules:
        if rule.name not in ("max_suppliers_per_item", "min_suppliers_per_item"):
            continue
        inside = [int(p) for p in np.flatnonzero(_inside(tender, rule))]
        cells = {(int(tender.offer_item[p]), int(tender.offer_year[p])) for p in inside}
        for cell in cells:
            number = sum((tender.offer_item[p], tender.offer_year[p]) == cell and p not in off for p in inside)
            if number > rule.value if rule.name.startswith("max") else number < rule.value:
                return False
    return True


def _program(tender: Tender, off, least, tier, level, taken, bought) -> float:  # type: ignore[no-untyped-def]
    """Awards as shares of demand; rows as shares of their own size."""
    owner, item, year, price = tender.offer_supplier, tender.offer_item, tender.offer_year, tender.unit_price
    demand = tender.demand[item, year]
    factor = np.ones(len(price))
    low, high = np.zeros(len(price)), np.minimum(tender.maximum, demand) / demand
    rows: list[tuple[np.ndarray, float]] = []  # Σ a x ≤ b
    fixed = sum(one.cost for one in bought)

    def at_most(offers, weight, limit) -> None:  # type: ignore[no-untyped-def]
        line = np.zeros(len(price))
        line[offers] = np.asarray(weight)
        size = max(np.abs(line).max(initial=0.0), abs(limit)) or 1.0
        rows.append((line / size, limit / size))

    def at_least(offers, weight, limit) -> None:  # type: ignore[no-untyped-def]
        at_most(offers, -np.asarray(weight), -limit)

    counts = np.zeros(len(price))
    for rule in tender.rules:
        inside = _inside(tender, rule)
        if rule.name == "max_share_per_item":
            high[inside] = np.minimum(high[inside], rule.value)
        elif rule.name == "exclude":
            high[inside] = 0.0
        elif rule.name == "force":
            low[inside] = np.maximum(low[inside], rule.value)
        elif rule.name == "min_share_per_item":
            counts[inside] = np.maximum(counts[inside], rule.value)
        elif rule.name in ("max_share_per_supplier", "min_share_per_supplier"):
            for s in np.flatnonzero(rule.suppliers):
                for t in np.flatnonzero(rule.years):
                    offers = np.flatnonzero(inside & (owner == s) & (year == t))
                    limit = rule.value * float(tender.demand[rule.items, t].sum())
                    (at_most if rule.name.startswith("max") else at_least)(offers, demand[offers], limit)
    for rule in tender.rules:
        if rule.name == "min_suppliers_per_item":
            inside = _inside(tender, rule)
            counts[inside] = np.maximum(counts[inside], np.where(counts[inside] > 0, 0.0, 0.01))
    for p in least:
        low[p] = max(low[p], counts[p], tender.minimum[p] / demand[p])
    for p in off:
        if low[p] > 0:
            return np.inf
        high[p] = 0.0
    if (low > high * (1 + 1e-12)).any():
        return np.inf
    capacity = tender.capacity.copy()
    for one in bought:
        capacity[one.supplier, one.years] += one.capacity
    for s, t in itertools.product(range(len(tender.suppliers)), range(len(tender.years))):
        offers = np.flatnonzero((owner == s) & (year == t))
        if np.isfinite(capacity[s, t]) and len(offers):
            at_most(offers, demand[offers], float(capacity[s, t]))
        r = tier.get((s, t), 0)
        if r and not len(offers):
            return np.inf
        if r:
            at_least(offers, demand[offers], float(tender.tier_from[s, t, r]))
            factor[offers] -= tender.tier_discount[s, t, r]
        elif len(offers):
            factor[offers] -= tender.tier_discount[s, t, 0]
    for one, r in level:
        offers = np.flatnonzero((owner == one.supplier) & (year == one.year) & one.items[item])
        weight = price[offers] * demand[offers] if one.by_spend else demand[offers]
        if r:
            at_least(offers, weight, one.start[r])
        factor[offers] -= one.discount[r]
        if one.incremental:
            if r + 1 < len(one.start):
                at_most(offers, weight, one.start[r + 1])
            for i in range(r):
                fixed += (one.discount[r] - one.discount[i]) * (one.start[i + 1] - one.start[i])
    for one in taken:
        offers = np.flatnonzero((owner == one.supplier) & (year == one.year) & one.items[item])
        wanted = np.count_nonzero(one.items & (tender.demand[:, one.year] > 0))
        if len(offers) < wanted:
            return np.inf
        low[offers] = np.maximum(low[offers], one.share)
        factor[offers] -= one.discount
    if (low > high * (1 + 1e-12)).any():
        return np.inf
    low = np.minimum(low, high)
    cells = np.argwhere(tender.demand > 0)
    equal = np.array([(item == k) & (year == t) for k, t in cells], dtype=float)
    cost = price * demand * factor
    unit = max(float(cost.max()), 1e-300)
    answer = linprog(
        cost / unit,
        np.array([line for line, _ in rows]) if rows else None,
        [limit for _, limit in rows] if rows else None,
        equal,
        np.ones(len(cells)),
        np.column_stack([low, high]),
    )
    return float(answer.fun) * unit + fixed if answer.status == 0 else np.inf


def compare(seed: int, folder: Path, most: int = 4_000) -> str:
    """Empty where product and exhaustive search agree on a tender (or both have no plan), else what differs."""
    from teikei.errors import NoPlanError, StudyError
    from teikei.plan.award import award_tender, read_tender

    tables = wide_tender(seed)
    try:
        tender = read_tender(write_tender(folder, **tables))
    except StudyError as error:
        return "" if "can supply at most" in str(error) else f"refused: {error}"
    best = exhaustive(tender, most)
    if best is None:
        return ""
    try:
        result = award_tender(tender, gap=1e-9, time_limit_s=120.0)
    except NoPlanError as error:
        return f"no plan, exhaustive {best!r}: {error}" if np.isfinite(best) else ""
    cost, broken = check(tables, [(a.supplier, a.item, a.year, a.quantity) for a in result.awards])
    if broken:
        return f"broken: {broken}"
    if abs(cost - result.objective) > 1e-9 * abs(cost):
        return f"says {result.objective!r}, the files say {cost!r}"
    if result.objective > best * (1 + 2e-6):
        return f"{result.objective!r}, exhaustive {best!r} (bound {result.bound!r}, {result.status})"
    if result.bound > best * (1 + 2e-6):
        return f"bound {result.bound!r} above exhaustive {best!r}"
    if result.objective < best * (1 - 2e-6):
        return f"{result.objective!r} below exhaustive {best!r}: the search is wrong"
    return "" if result.status == "optimal" else f"status {result.status}, gap {result.gap:.2e}"


def main() -> None:
    """Compare tenders of seeds first..last."""
    first, last, agreed = int(sys.argv[1]), int(sys.argv[2]), 0
    for seed in range(first, last):
        with tempfile.TemporaryDirectory() as folder:
            try:
                text = compare(seed, Path(folder))
            except Exception:
                text = traceback.format_exc()
        agreed += not text
        if text:
            print(seed, text, flush=True)
    print(f"{agreed} of {last - first} agree", flush=True)


if __name__ == "__main__":
    main()
