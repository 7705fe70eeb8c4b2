"""The least change of one demand, capacity or rule that gives a tender without a plan one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from teikei.plan.award.terms import Terms
from teikei.plan.award.types import Tender

Element = tuple[str, int, int]
STEPS = 12  # halvings: the amount is found within 1/4096 of its range
MOST = 12  # elements of a conflict for which the least change is looked for
DOWN = ("min_share_per_item", "min_share_per_supplier", "min_share_together", "min_spend", "force")


def least_changes(
    tender: Tender,
    kept: Sequence[Element],
    has_plan: Callable[[Tender], bool],
    stop: Callable[[], bool],
    lead: str = "smallest single change that gives a plan",
) -> list[str]:
    """Sentences, the smallest relative change first: what each part of a conflict would have to become, alone.

    kept: an irreducible conflict, so that giving way far enough in any one part of it is enough. has_plan(tender):
    whether the conflict is gone. Amounts are found by halving and rounded up, so that they are enough.
    """
    found: list[tuple[float, str]] = []
    for element in kept[:MOST]:
        for change, text in _change(tender, element, has_plan, stop):
            found.append((change, text))
    found.sort()
    if not found:
        return []
    first, *rest = [text for _, text in found]
    return [f"{lead}: {first}", *(f"or: {text}" for text in rest[:3])]


def _change(
    tender: Tender, element: Element, has_plan: Callable[[Tender], bool], stop: Callable[[], bool]
) -> list[tuple[float, str]]:
    kind, first, second = element
    if kind == "capacity":
        held = float(tender.capacity_limit[first, second])
        top = max(0.0, float(tender.demand[:, second].sum()) - held)
        amount = _halve(lambda x: has_plan(_with_capacity(tender, first, second, held + x)), top, stop)
        who = f"capacity of {tender.suppliers[first]} in {tender.years[second]}"
    elif kind == "demand":
        held = top = float(tender.demand[first, second])
        amount = _halve(lambda x: has_plan(_with_demand(tender, first, second, held - x)), top, stop)
        amount = None if amount is None else -amount
        who = f"quantity of {tender.items[first]} in {tender.years[second]}"
    elif kind == "rule":
        return _rule(tender, first, has_plan, stop)
    else:
        held, top, who = 1.0, 1.0, "min_quantity of offers and suppliers, as a part of what it is"
        amount = _halve(lambda x: has_plan(_with_minimum(tender, 1.0 - x)), top, stop)
        amount = None if amount is None else -amount
    if amount is None:
        return []
    return [(abs(amount) / max(held, 1e-9), f"{who} {held:.6g} -> {held + amount:.6g}")]


def _rule(
    tender: Tender, at: int, has_plan: Callable[[Tender], bool], stop: Callable[[], bool]
) -> list[tuple[float, str]]:
    rule = tender.rules[at]

    def fits(value: float) -> bool:
        rules = (*tender.rules[:at], replace(rule, value=value), *tender.rules[at + 1 :])
        return has_plan(replace(tender, rules=rules))

    if rule.name == "exclude":
        return [(1.0, f"rule '{rule}' -> left out")]
    if rule.name in ("max_suppliers", "max_suppliers_per_item", "min_suppliers_per_item"):
        step = -1 if rule.name == "min_suppliers_per_item" else 1
        most = 0 if step < 0 else len(tender.suppliers)
        for number in range(int(rule.value) + step, most + step, step):
            if stop():
                return []
            if fits(float(number)):
                return [(abs(number - rule.value) / rule.value, f"rule '{rule}' -> {number}")]
        return []
    down = rule.name in DOWN
    top = rule.value if down else (9.0 * rule.value if rule.name == "max_spend" else 1.0 - rule.value)
    amount = _halve(lambda x: fits(rule.value - x if down else rule.value + x), top, stop)
    if amount is None:
        return []
    value = rule.value - amount if down else rule.value + amount
    return [(amount / max(rule.value, 1e-9), f"rule '{rule}' -> {value:.4g}")]


def _halve(fits: Callable[[float], bool], top: float, stop: Callable[[], bool]) -> float | None:
    """The least amount in (0, top] that fits, from above; None where top does not, or time is up before it is known."""
    if top <= 0 or stop() or not fits(top):
        return None
    low, high = 0.0, top
    for _ in range(STEPS):
        if stop():
            break
        middle = (low + high) / 2
        low, high = (low, middle) if fits(middle) else (middle, high)
    digits = 4 - int(np.floor(np.log10(high)))
    rounded = float(np.ceil(high * 10.0**digits) / 10.0**digits)
    nearest = round(high, max(0, digits - 3))
    return nearest if low < nearest <= high else min(rounded, top)


def _with_capacity(tender: Tender, s: int, t: int, value: float) -> Tender:
    capacity = tender.capacity_limit.copy()
    capacity[s, t] = value
    return replace(tender, capacity=capacity, terms=Terms(minimums=tender.terms.minimums))


def _with_demand(tender: Tender, k: int, t: int, value: float) -> Tender:
    demand = tender.demand.copy()
    demand[k, t] = max(0.0, value)
    return replace(tender, demand=demand)


def _with_minimum(tender: Tender, share: float) -> Tender:
    minimums = tuple(replace(one, quantity=one.quantity * share) for one in tender.terms.minimums)
    return replace(tender, minimum=tender.minimum * share, terms=replace(tender.terms, minimums=minimums))
