"""Commonality indices of a plan: cost-weighted first, then those that count parts.

CMC is the comprehensive metric of commonality (J. Eng. Design 18(6), 577-598) reduced to cost and number of uses; DCI,
TCCI and CI as compared by Thevenot and Simpson (2006). A *part* is a drawing (module and developing group); a
*product* is a programme and generation.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import polars as pl

from teikei.plan.scope import Scope
from teikei.plan.solve_one import Solved


def degree_of_commonality(parents: Sequence[int]) -> float:
    """DCI = sum of the parents of every distinct part / number of distinct parts."""
    return sum(parents) / len(parents) if parents else math.nan


def total_constant_commonality(parents: Sequence[int]) -> float:
    """TCCI = 1 - (d - 1) / (sum of parents - 1), between 0 (nothing common) and 1."""
    total = sum(parents)
    return 1.0 - (len(parents) - 1) / (total - 1) if total > 1 else math.nan


def commonality_index(distinct: int, parts: Sequence[int]) -> float:
    """CI = 1 - (u - max p_j) / (sum p_j - max p_j); u distinct parts, p_j parts of product j."""
    room = sum(parts) - max(parts) if parts else 0
    return 1.0 - (distinct - max(parts)) / room if room else math.nan


def cost_weighted_commonality(uses: Sequence[tuple[int, float]], products: int) -> float:
    """CMC = sum n_i (Cmax_i - C_i) / sum n_i (Cmax_i - Cmin_i) over parts used n_i times with cost share per part.

    With C inversely proportional to the number of products that share a part (C_i = c / n_i, C_max = c, C_min =
    c / products) this is sum over parts of cost x (1 - 1/n_i) / (cost x (1 - 1/products)); uses: (n_i, cost).
    """
    if products < 2:
        return math.nan
    top = math.fsum(cost * (1.0 - 1.0 / n) for n, cost in uses)
    base = math.fsum(cost for _, cost in uses) * (1.0 - 1.0 / products)
    return top / base if base > 0 else math.nan


def commonality_table(solved: Mapping[tuple[str, str], Solved]) -> pl.DataFrame:
    """coalition, rung, class (``all`` = every class), cmc, dci, tcci, ci, distinct_parts, uses, products."""
    rows = []
    for (coalition, rung), found in solved.items():
        scope = found.scope
        classes = sorted({scope.facts.modules[o.module].class_name for o in found.decisions.modules.values()})
        rows += [
            {"coalition": coalition, "rung": rung, "class": name, **_indices(found, scope, name)}
            for name in ("all", *classes)
        ]
    schema = {
        "coalition": pl.String, "rung": pl.String, "class": pl.String, "cmc": pl.Float64, "dci": pl.Float64,
        "tcci": pl.Float64, "ci": pl.Float64, "distinct_parts": pl.Int64, "uses": pl.Int64, "products": pl.Int64,
    }  # fmt: skip
    return pl.DataFrame(rows, schema=schema, orient="row")


def _indices(found: Solved, scope: Scope, class_name: str) -> dict[str, float]:
    parents: dict[tuple[str, str], set[tuple[str, str]]] = {}
    products: dict[tuple[str, str], set[tuple[str, str]]] = {}
    for (slot_name, _), option in found.decisions.modules.items():
        if class_name not in ("all", scope.facts.modules[option.module].class_name):
            continue
        slot = scope.facts.slots[slot_name]
        product, part = (slot.programme, slot.generation), (option.module, option.group)
        parents.setdefault(part, set()).add(product)
        products.setdefault(product, set()).add(part)
    cost: dict[tuple[str, str], float] = dict.fromkeys(parents, 0.0)
    for line in found.priced.lines:
        part = (line.item.module, line.item.group)
        if part in cost:
            cost[part] += line.cost * line.pieces / 1e6
    counts = [len(found_in) for found_in in parents.values()]
    return {
        "cmc": cost_weighted_commonality([(len(parents[p]), cost[p]) for p in parents], len(products)),
        "dci": degree_of_commonality(counts),
        "tcci": total_constant_commonality(counts),
        "ci": commonality_index(len(parents), [len(parts) for parts in products.values()]),
        "distinct_parts": len(parents),
        "uses": sum(counts),
        "products": len(products),
    }
