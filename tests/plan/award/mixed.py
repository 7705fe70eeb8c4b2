"""Random tenders with every term and rule mixed, and an oracle that reads the same rows by itself.

The oracle shares no code with the product: it works on the rows as they stand in the files and writes the problem in
the multiple-choice form (a quantity per offer and tier) for scipy's branch and bound. ``check`` prices an award from
the rows alone. ``python -m tests.plan.award.mixed 0 500`` compares some hundred tenders and prints what differs.
"""

from __future__ import annotations

import math
import sys
import tempfile
import traceback
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import csr_matrix

from tests.plan.award.make import write_tender

Tables = dict[str, list[tuple[Any, ...]]]
CLOSE = 1e-6


def random_tender(seed: int) -> Tables:
    """Rows of a small tender; about one in five has no plan."""
    rng = np.random.default_rng(seed)
    years = [2030 + t for t in range(int(rng.integers(1, 4)))]
    items = [f"i{k}" for k in range(int(rng.integers(1, 5)))]
    suppliers = [f"s{s}" for s in range(int(rng.integers(1, 5)))]
    demand = {(k, t): float(rng.integers(10, 80)) for k in items for t in years if rng.random() < 0.9}
    if not demand:
        demand = {(items[0], years[0]): 25.0}
    items = [k for k in items if any(name == k for name, _ in demand)]
    base = {k: float(rng.uniform(1, 9)) for k in items}
    offered = {(s, k) for s in suppliers for k in items if rng.random() < 0.8} | {(suppliers[0], items[0])}
    offers = []
    for s, k in sorted(offered):
        for t in years:
            if rng.random() < 0.95 or (s, k) == (suppliers[0], items[0]):
                wanted = demand.get((k, t), 10.0)
                most = round(wanted * rng.uniform(0.3, 1.2), 1) if rng.random() < 0.15 else ""
                least = round(wanted * rng.uniform(0.1, 0.6), 1) if rng.random() < 0.15 else ""
                if most != "" and least != "" and least > most:
                    least = ""
                offers.append((s, k, t, round(base[k] * rng.uniform(0.8, 1.25), 3), most, least))
    tables: Tables = {
        "items": [(k, t, d) for (k, t), d in demand.items()],
        "suppliers": [(s, round(rng.uniform(0, 40), 2) if rng.random() < 0.6 else 0) for s in suppliers],
        "offers": offers,
    }
    total = {t: sum(d for (_, year), d in demand.items() if year == t) for t in years}
    asked = [t for t in years if total[t] > 0]
    whole = rng.random() < 0.5  # capacities and least quantities of suppliers
    if rng.random() < 0.7:
        tables["capacity"] = [
            (s, t, round(total[t] * rng.uniform(0.3, 1.3), 1),
             round(total[t] * rng.uniform(0.05, 0.3), 1) if whole and rng.random() < 0.3 else "")
            for s in suppliers for t in asked if rng.random() < 0.6
        ]  # fmt: skip
    tables.update(_discounts(rng, suppliers, items, asked, total, offers))
    tables.update(_further(rng, suppliers, items, asked, total, offers, tables))
    tables["rules"] = _rules(rng, suppliers, [row for row in offers if row[1:3] in demand] or offers[:1])
    return {name: rows for name, rows in tables.items() if rows}


def _discounts(rng, suppliers, items, years, total, offers) -> Tables:  # type: ignore[no-untyped-def]
    rows: list[tuple[Any, ...]] = []
    sold = {(s, k, t) for s, k, t, *_ in offers}

    def steps(scale: float, most: float) -> list[tuple[float, float]]:
        count = int(rng.integers(1, 4))
        starts = np.sort(rng.uniform(0.1, 1.1, count)) * scale
        cuts = np.cumsum(rng.uniform(0.01, most / 3, count))
        found = [(float(round(a, 1)), float(round(c, 4))) for a, c in zip(starts, cuts, strict=True)]
        found = [row for i, row in enumerate(found) if i == 0 or row[0] > found[i - 1][0]]
        return [(0.0, 0.0), *found] if rng.random() < 0.5 and found[0][0] > 0 else found

    for s in suppliers:
        for t in years:
            if rng.random() < 0.5:
                rows += [(s, t, a, c, "", "", "") for a, c in steps(total[t] * 0.7, 0.2)]
            mine = [k for k in items if (s, k, t) in sold]
            if mine and rng.random() < 0.25:
                one = mine[int(rng.integers(len(mine)))]
                kind = "incremental" if rng.random() < 0.5 else "all_units"
                rows += [(s, t, a, c, one, "quantity", kind) for a, c in steps(30.0, 0.15)]
            if len(mine) > 1 and rng.random() < 0.2:
                rows += [(s, t, a, c, ";".join(mine[:2]), "", "") for a, c in steps(60.0, 0.15)]
            if mine and rng.random() < 0.25:
                kind = "incremental" if rng.random() < 0.5 else "all_units"
                rows += [(s, t, a, c, "", "spend", kind) for a, c in steps(total[t] * 3.0, 0.2)]
    return {"tiers": rows}


def _further(rng, suppliers, items, years, total, offers, tables) -> Tables:  # type: ignore[no-untyped-def]
    sold = {(s, k, t) for s, k, t, *_ in offers}
    asked = {(k, t) for k, t, d in tables["items"]}
    bundles, pay, more = [], [], []
    for s in suppliers:
        for t in years:
            mine = [k for k in items if (s, k, t) in sold and (k, t) in asked]
            if len(mine) > 1 and rng.random() < 0.25:
                share = round(rng.uniform(0.2, 1.0), 2) if rng.random() < 0.8 else ""
                bundles.append((f"b{s}{t}", s, ";".join(mine[:2]), t, share, round(rng.uniform(0.03, 0.15), 3)))
        if rng.random() < 0.2 and any((s, k, t) in sold for k in items for t in years):
            when = "always" if rng.random() < 0.3 else ""
            amount = round(sum(total.values()) * rng.uniform(0.1, 0.6), 1)
            pay.append((s, "", "", "", amount, round(rng.uniform(0.2, 4), 2), when))
        limited = [row for row in tables.get("capacity", ()) if row[0] == s]
        if limited and rng.random() < 0.4:
            for _ in range(int(rng.integers(1, 3))):
                start = limited[int(rng.integers(len(limited)))][1]
                more.append((s, start, round(rng.uniform(5, 40), 1), round(rng.uniform(1, 60), 1)))
    return {"bundles": bundles, "take_or_pay": pay, "expansions": more}


def _rules(rng, suppliers, offers) -> list[tuple[Any, ...]]:  # type: ignore[no-untyped-def]
    def scope(*kinds: str) -> str:
        names = dict(zip(("supplier", "item", "year"), offers[int(rng.integers(len(offers)))][:3], strict=True))
        return ";".join(f"{kind}={names[kind]}" for kind in kinds if rng.random() < 0.5) or "*"

    found: list[tuple[Any, ...]] = []
    chance = rng.random() * 0.35
    for name in (
        "max_share_per_item", "min_share_per_item", "max_suppliers", "max_suppliers_per_item",
        "min_suppliers_per_item", "max_share_per_supplier", "min_share_per_supplier", "exclude", "force", "incumbent",
    ):  # fmt: skip
        if rng.random() > chance:
            continue
        if name == "max_share_per_item":
            found.append((name, scope("supplier", "item", "year"), round(rng.uniform(0.5, 1), 2)))
        elif name == "min_share_per_item":
            found.append((name, scope("item", "year"), round(rng.uniform(0.05, 0.4), 2)))
        elif name in ("max_suppliers", "max_suppliers_per_item"):
            found.append((name, scope("item", "year"), int(rng.integers(1, 4))))
        elif name == "min_suppliers_per_item":
            found.append((name, scope("item", "year"), 2))
        elif name == "max_share_per_supplier":
            found.append((name, scope("supplier", "item", "year"), round(rng.uniform(0.4, 1), 2)))
        elif name == "incumbent":
            found.append((name, scope("item"), suppliers[0]))
        else:
            s, k, t, *_ = offers[int(rng.integers(len(offers)))]
            if name == "exclude":
                found.append((name, f"supplier={s};item={k}", ""))
            else:
                found.append((name, f"supplier={s};item={k};year={t}", round(rng.uniform(0.05, 0.4), 2)))
    return found


class Rows:
    """The problem of a tender as the files say it."""

    def __init__(self, tables: Tables):
        self.demand = {(k, t): float(d) for k, t, d in tables["items"] if float(d) > 0}
        self.years = sorted({t for _, t, _ in tables["items"]})
        self.suppliers = [row[0] for row in tables["suppliers"]]
        self.activation = {row[0]: float(row[1] or 0) for row in tables["suppliers"]}
        self.offers = {
            (s, k, t): (float(p), float(most) if most != "" else np.inf, float(least) if least != "" else 0.0)
            for s, k, t, p, most, least in ((*row, "", "")[:6] for row in tables["offers"])
            if (k, t) in self.demand
        }
        self.capacity = {(row[0], row[1]): float(row[2]) for row in tables.get("capacity", ())}
        self.least = {
            (row[0], row[1]): float(row[3]) for row in tables.get("capacity", ()) if len(row) > 3 and row[3] != ""
        }
        self.schedules: dict[tuple[Any, ...], list[tuple[float, float]]] = defaultdict(list)
        for s, t, start, cut, item, basis, kind in ((*row, "", "", "")[:7] for row in tables.get("tiers", ())):
            self.schedules[(s, t, item, basis or "quantity", kind or "all_units")].append((float(start), float(cut)))
        for key, steps in self.schedules.items():
            steps.sort()
            if steps[0][0] > 0:
                self.schedules[key] = [(0.0, 0.0), *steps]
        self.bundles = [
            (s, items.split(";"), t, float(share) if share != "" else 1.0, float(cut))
            for _, s, items, t, share, cut in tables.get("bundles", ())
        ]
        self.pay = [
            (s, float(q), float(p), when == "always") for s, _, _, _, q, p, when in tables.get("take_or_pay", ())
        ]
        self.more = [(s, first, float(step), float(cost)) for s, first, step, cost in tables.get("expansions", ())]
        self.rules = [(name, self.scope(where), value) for name, where, value in tables.get("rules", ())]

    @staticmethod
    def scope(text: str) -> dict[str, str]:
        """Kind -> name of the terms of a scope."""
        return dict(term.split("=") for term in text.split(";")) if text != "*" else {}

    @staticmethod
    def inside(scope: dict[str, str], offer: tuple[str, str, int]) -> bool:
        """Whether a rule speaks of an offer."""
        s, k, t = offer
        return scope.get("supplier", s) == s and scope.get("item", k) == k and scope.get("year", str(t)) == str(t)

    def within(self, key: tuple[Any, ...]) -> list[tuple[str, str, int]]:
        """Offers of a discount schedule."""
        s, t, item, *_ = key
        names = item.split(";") if item not in ("", "*") else None
        return [o for o in self.offers if o[0] == s and o[2] == t and (names is None or o[1] in names)]


def optimum(tables: Tables) -> float:
    """Least cost of a tender by scipy's branch and bound on the multiple-choice form; infinite where none exists."""
    rows = Rows(tables)
    cost: list[float] = []
    top: list[float] = []
    whole: list[int] = []
    lines: list[tuple[dict[int, float], float, float]] = []

    def column(price: float, upper: float, integer: bool = False) -> int:
        cost.append(price)
        top.append(upper)
        whole.append(int(integer))
        return len(cost) - 1

    def line(terms: dict[int, float], low: float, high: float) -> None:
        lines.append((terms, low, high))

    most = {o: min(limit, rows.demand[o[1], o[2]]) for o, (_, limit, _) in rows.offers.items()}
    x = {o: column(price, most[o]) for o, (price, _, _) in rows.offers.items()}
    used = {o: column(0.0, 1.0, True) for o in rows.offers}
    on = {s: column(rows.activation[s], 1.0, True) for s in rows.suppliers}
    for o in rows.offers:
        line({x[o]: 1.0, used[o]: -most[o]}, -np.inf, 0.0)
        line({used[o]: 1.0, on[o[0]]: -1.0}, -np.inf, 0.0)
        least = rows.offers[o][2]
        if least > 0:
            line({x[o]: 1.0, used[o]: -least}, 0.0, np.inf)
    for (k, t), wanted in rows.demand.items():
        line({x[o]: 1.0 for o in rows.offers if o[1:] == (k, t)}, wanted, wanted)
    extra = [column(price, 1.0, True) for _, _, _, price in rows.more]
    for (s, t), limit in rows.capacity.items():
        terms = {x[o]: 1.0 for o in rows.offers if (o[0], o[2]) == (s, t)}
        for at, (who, first, step, _) in zip(extra, rows.more, strict=True):
            if who == s and t >= first:
                terms[at] = -step
        line(terms, -np.inf, limit)
    for (s, t), least in rows.least.items():
        delivers = column(0.0, 1.0, True)
        mine = [o for o in rows.offers if (o[0], o[2]) == (s, t)]
        line({**{x[o]: 1.0 for o in mine}, delivers: -least}, 0.0, np.inf)
        for o in mine:
            line({used[o]: 1.0, delivers: -1.0}, -np.inf, 0.0)
    for key, steps in rows.schedules.items():
        _schedule_rows(rows, key, steps, x, most, column, line)
    for s, names, t, share, cut in rows.bundles:
        reached = column(0.0, 1.0, True)
        for k in names:
            if (k, t) not in rows.demand:
                continue
            o = (s, k, t)
            if o not in x:
                top[reached] = 0.0
                continue
            rebated = column(-cut * rows.offers[o][0], most[o])
            line({rebated: 1.0, reached: -most[o]}, -np.inf, 0.0)
            line({rebated: 1.0, x[o]: -1.0}, -np.inf, 0.0)
            line({x[o]: 1.0, reached: -share * rows.demand[k, t]}, 0.0, np.inf)
    for s, quantity, price, always in rows.pay:
        missing, due = column(price, quantity), column(0.0, 1.0, True)
        mine = [o for o in rows.offers if o[0] == s]
        line({missing: 1.0, due: -quantity, **{x[o]: 1.0 for o in mine}}, 0.0, np.inf)
        if always:
            line({due: 1.0}, 1.0, 1.0)
        for o in mine:
            line({used[o]: 1.0, due: -1.0}, -np.inf, 0.0)
    _rule_rows(rows, x, used, column, line)
    return _solve(cost, top, whole, lines)


def _schedule_rows(rows, key, steps, x, most, column, line) -> None:  # type: ignore[no-untyped-def]
    mine = rows.within(key)
    _, _, _, basis, kind = key
    worth = {o: rows.offers[o][0] if basis == "spend" else 1.0 for o in mine}
    limit = sum(most[o] * worth[o] for o in mine)
    choose = [column(0.0, 1.0, True) for _ in steps]
    if kind == "incremental":
        price = 1.0 if basis == "spend" else (rows.offers[mine[0]][0] if mine else 0.0)
        parts = []
        for r, (start, cut) in enumerate(steps):
            end = steps[r + 1][0] if r + 1 < len(steps) else max(limit, start)
            parts.append(column(-cut * price, max(0.0, end - start)))
            line({parts[r]: 1.0, choose[r]: -max(0.0, end - start)}, -np.inf, 0.0)
            if r:
                line({parts[r - 1]: 1.0, choose[r]: -(start - steps[r - 1][0])}, 0.0, np.inf)
        line({**{x[o]: worth[o] for o in mine}, **dict.fromkeys(parts, -1.0)}, 0.0, 0.0)
        return
    line(dict.fromkeys(choose, 1.0), 1.0, 1.0)
    split: dict[Any, dict[int, float]] = {o: {x[o]: 1.0} for o in mine}
    for r, (start, cut) in enumerate(steps):
        amounts = {o: column(-cut * rows.offers[o][0], most[o]) for o in mine}
        for o in mine:
            split[o][amounts[o]] = -1.0
            line({amounts[o]: 1.0, choose[r]: -most[o]}, -np.inf, 0.0)
        line({**{amounts[o]: worth[o] for o in mine}, choose[r]: -start}, 0.0, np.inf)
        if r + 1 < len(steps):
            line({**{amounts[o]: worth[o] for o in mine}, choose[r]: -steps[r + 1][0]}, -np.inf, 0.0)
    for terms in split.values():
        line(terms, 0.0, 0.0)


def _rule_rows(rows, x, used, column, line) -> None:  # type: ignore[no-untyped-def]
    counted: dict[Any, float] = {}
    for name, scope, value in rows.rules:
        if name == "min_share_per_item":
            for o in rows.offers:
                if rows.inside(scope, o):
                    counted[o] = max(counted.get(o, 0.0), float(value) * rows.demand[o[1:]])
    for o, least in counted.items():
        line({x[o]: 1.0, used[o]: -least}, 0.0, np.inf)
    for name, scope, value in rows.rules:
        mine = [o for o in rows.offers if rows.inside(scope, o)]
        cells = sorted({o[1:] for o in mine})
        if name == "max_share_per_item":
            for o in mine:
                line({x[o]: 1.0}, 0.0, float(value) * rows.demand[o[1:]])
        elif name == "exclude":
            for o in mine:
                line({x[o]: 1.0}, 0.0, 0.0)
        elif name == "force":
            for o in mine:
                line({x[o]: 1.0}, float(value) * rows.demand[o[1:]], np.inf)
        elif name == "max_suppliers":
            gets = {s: column(0.0, 1.0, True) for s in {o[0] for o in mine}}
            for o in mine:
                line({used[o]: 1.0, gets[o[0]]: -1.0}, -np.inf, 0.0)
            line(dict.fromkeys(gets.values(), 1.0), -np.inf, float(value))
        elif name == "max_suppliers_per_item":
            for cell in cells:
                line({used[o]: 1.0 for o in mine if o[1:] == cell}, -np.inf, float(value))
        elif name == "min_suppliers_per_item":
            for cell in cells:
                counts = {o: column(0.0, 1.0, True) for o in mine if o[1:] == cell}
                for o, count in counts.items():
                    least = max(counted.get(o, 0.01 * rows.demand[cell]), rows.offers[o][2])
                    line({x[o]: 1.0, count: -least}, 0.0, np.inf)
                line(dict.fromkeys(counts.values(), 1.0), float(value), np.inf)
        elif name in ("max_share_per_supplier", "min_share_per_supplier"):
            named = [scope["supplier"]] if "supplier" in scope else rows.suppliers
            for t in rows.years:
                if scope.get("year", str(t)) != str(t):
                    continue
                total = sum(d for (k, year), d in rows.demand.items() if year == t and scope.get("item", k) == k)
                for s in named:
                    terms = {x[o]: 1.0 for o in mine if (o[0], o[2]) == (s, t)}
                    if total > 0 and name == "max_share_per_supplier":
                        line(terms, -np.inf, float(value) * total)
                    elif total > 0:
                        line(terms, float(value) * total, np.inf)


def _solve(cost, top, whole, lines) -> float:  # type: ignore[no-untyped-def]
    data, row, at, low, high = [], [], [], [], []
    for terms, least, most in lines:
        if not terms:
            if least > 1e-12 or most < -1e-12:
                return np.inf
            continue
        for c, value in terms.items():
            data.append(value)
            row.append(len(low))
            at.append(c)
        low.append(least)
        high.append(most)
    matrix = csr_matrix((data, (row, at)), shape=(len(low), len(cost)))
    answer = milp(
        cost, integrality=whole, bounds=Bounds(0, top), constraints=LinearConstraint(matrix, low, high),
        options={"mip_rel_gap": 1e-9, "time_limit": 60},
    )  # fmt: skip
    return float(answer.fun) if answer.status == 0 else np.inf


def check(tables: Tables, awards: list[tuple[str, str, int, float]]) -> tuple[float, list[str]]:
    """(cost of awards from the rows alone, promises they break)."""
    rows, broken = Rows(tables), []
    x = {(s, k, t): q for s, k, t, q in awards}
    for o, q in x.items():
        if o not in rows.offers:
            broken.append(f"{o} is no offer")
            return np.inf, broken
        price, most, least = rows.offers[o]
        if q <= 0 or q > most * (1 + CLOSE) or q < least * (1 - CLOSE):
            broken.append(f"{o} {q} outside {least}..{most}")
    for cell, wanted in rows.demand.items():
        got = sum(q for o, q in x.items() if o[1:] == cell)
        if abs(got - wanted) > 1e-9 * max(1.0, wanted):
            broken.append(f"{cell} {got} of {wanted}")
    cost = sum(rows.offers[o][0] * q for o, q in x.items())
    cost += sum(rows.activation[s] for s in {o[0] for o in x})
    over: dict[str, dict[int, float]] = defaultdict(dict)
    for (s, t), limit in rows.capacity.items():
        got = sum(q for o, q in x.items() if (o[0], o[2]) == (s, t))
        if got > limit * (1 + CLOSE) + 1e-9:
            over[s][t] = got - limit
        if got > 0 and got < rows.least.get((s, t), 0.0) * (1 - CLOSE):
            broken.append(f"least of {s} in {t}")
    for s, needed in over.items():
        own = [row for row in rows.more if row[0] == s]
        best = np.inf
        for mask in range(2 ** len(own)):
            taken = [row for i, row in enumerate(own) if mask >> i & 1]
            if all(sum(r[2] for r in taken if t >= r[1]) >= n * (1 - CLOSE) - 1e-9 for t, n in needed.items()):
                best = min(best, sum(r[3] for r in taken))
        cost += best
        if best == np.inf:
            broken.append(f"capacity of {s}")
    for key, steps in rows.schedules.items():
        mine = [o for o in rows.within(key) if o in x]
        spend = math.fsum(rows.offers[o][0] * x[o] for o in mine)
        amount = spend if key[3] == "spend" else math.fsum(x[o] for o in mine)
        reached = [r for r, (start, _) in enumerate(steps) if r == 0 or amount >= start]
        if key[4] == "all_units":
            cost -= steps[reached[-1]][1] * spend
        elif amount > 0:
            for r in reached:
                end = amount if r == reached[-1] else steps[r + 1][0]
                cost -= (end - steps[r][0]) * steps[r][1] * spend / amount
    for s, names, t, share, cut in rows.bundles:
        wanted = [k for k in names if (k, t) in rows.demand]
        if wanted and all(x.get((s, k, t), -CLOSE) >= share * rows.demand[k, t] for k in wanted):
            cost -= cut * sum(rows.offers[s, k, t][0] * x[s, k, t] for k in wanted)
    for s, quantity, price, always in rows.pay:
        got = sum(q for o, q in x.items() if o[0] == s)
        if (got > 0 or always) and quantity - got > CLOSE * max(1.0, quantity):
            cost += price * (quantity - got)
    return cost, broken + _broken_rules(rows, x)


def _broken_rules(rows: Rows, x: dict[tuple[str, str, int], float]) -> list[str]:
    broken = []
    shares: dict[Any, float] = {}
    for name, scope, value in rows.rules:
        if name == "min_share_per_item":
            for o in rows.offers:
                if rows.inside(scope, o):
                    shares[o] = max(shares.get(o, 0.0), float(value))
    for name, scope, value in rows.rules:
        mine = {o: q for o, q in x.items() if rows.inside(scope, o)}
        offers = [o for o in rows.offers if rows.inside(scope, o)]
        bad = False
        if name == "max_share_per_item":
            bad = any(q > float(value) * rows.demand[o[1:]] * (1 + CLOSE) for o, q in mine.items())
        elif name == "min_share_per_item":
            bad = any(q < float(value) * rows.demand[o[1:]] * (1 - CLOSE) for o, q in mine.items())
        elif name == "exclude":
            bad = bool(mine)
        elif name == "force":
            bad = any(x.get(o, 0.0) < float(value) * rows.demand[o[1:]] * (1 - CLOSE) for o in offers)
        elif name == "max_suppliers":
            bad = len({o[0] for o in mine}) > value
        elif name == "max_suppliers_per_item":
            bad = any(sum(o[1:] == cell for o in mine) > value for cell in {o[1:] for o in mine})
        elif name == "min_suppliers_per_item":
            for cell in {o[1:] for o in offers}:
                least = {o: shares.get(o, 0.01) * rows.demand[cell] for o in offers if o[1:] == cell}
                bad |= sum(x.get(o, 0.0) >= q * (1 - CLOSE) for o, q in least.items()) < value
        elif name in ("max_share_per_supplier", "min_share_per_supplier"):
            for t in rows.years:
                total = sum(d for (k, y), d in rows.demand.items() if y == t and scope.get("item", k) == k)
                for s in [scope["supplier"]] if "supplier" in scope else rows.suppliers:
                    got = sum(q for o, q in mine.items() if (o[0], o[2]) == (s, t))
                    if scope.get("year", str(t)) == str(t) and total > 0:
                        most = name == "max_share_per_supplier"
                        limit = float(value) * total
                        bad |= got > limit * (1 + CLOSE) if most else got < limit * (1 - CLOSE)
        if bad:
            broken.append(f"rule {name} {scope} {value}")
    return broken


def compare(seed: int, folder: Path, *, gap: float = 1e-9, tables: Tables | None = None) -> str:
    """Empty where product and oracle agree on a tender, else what differs; ``no plan`` agreed is also empty."""
    from teikei.errors import NoPlanError, StudyError
    from teikei.plan.award import award_tender, read_tender

    tables = tables or random_tender(seed)
    best = optimum(tables)
    try:
        result = award_tender(read_tender(write_tender(folder, **tables)), gap=gap, time_limit_s=60.0)
    except (NoPlanError, StudyError) as error:
        return f"no plan, oracle {best!r}: {error}" if np.isfinite(best) else ""
    if not np.isfinite(best):
        return f"{result.objective!r}, the oracle has no plan"
    cost, broken = check(tables, [(a.supplier, a.item, a.year, a.quantity) for a in result.awards])
    if broken:
        return f"broken: {broken}"
    if abs(cost - result.objective) > 1e-9 * max(1.0, abs(cost)):
        return f"says {result.objective!r}, the files say {cost!r}"
    if result.bound > best + 2e-6 * max(1.0, abs(best)):
        return f"bound {result.bound!r} above the optimum {best!r}"
    if abs(result.objective - best) > (2e-6 + gap) * max(1.0, abs(best)):
        return f"{result.objective!r}, oracle {best!r} (bound {result.bound!r}, {result.status})"
    return ""


def main() -> None:
    """Compare tenders of seeds first..last; --large sends all of them through the way of large tenders."""
    from teikei.plan.award import solve

    first, last = int(sys.argv[1]), int(sys.argv[2])
    gap = 1e-9
    if "--large" in sys.argv:
        solve.SMALL_OFFERS = 0
        gap = 1e-4
    agreed = 0
    for seed in range(first, last):
        with tempfile.TemporaryDirectory() as folder:
            try:
                text = compare(seed, Path(folder), gap=gap)
            except Exception:
                text = traceback.format_exc()
        agreed += not text
        if text:
            print(seed, text, flush=True)
    print(f"{agreed} of {last - first} agree", flush=True)


if __name__ == "__main__":
    main()
