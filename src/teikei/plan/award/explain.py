"""Why a tender has no plan: an irreducible set of demands, capacities and rules that cannot hold together."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

import highspy
import numpy as np

from teikei.plan.award.cover import cover
from teikei.plan.award.model import frame_of
from teikei.plan.award.relaxation import least_changes
from teikei.plan.award.terms import Terms
from teikei.plan.award.terms_model import build_with_terms
from teikei.plan.award.types import Tender

Element = tuple[str, int, int]


def conflict(tender: Tender, *, seconds: float = 10.0) -> list[str]:
    """Sentences that name the demands, capacities and rules in conflict.

    Deletion filter: each element (a demand, a capacity, a rule, all least quantities) is left out in turn; where the
    rest still has no plan it stays out, so that what remains conflicts, and each part of it is needed for the conflict.
    Ends early after ``seconds``; the last sentence then says so. The tender given must have no plan.
    """
    deadline = time.perf_counter() + seconds
    kept = _elements(tender)
    complete = True
    quick = _infeasible(tender, kept, deadline, True)  # where counting suppliers proves it, that is also what to say
    for t in range(len(tender.years)):  # most conflicts lie within one year: look there first
        within = [element for element in kept if element[0] in ("rule", "least") or element[2] == t]
        if _infeasible(tender, within, deadline, quick):
            kept = within
            break
    size = max(1, len(kept) // 8)
    blocks = [kept[i : i + size] for i in range(0, len(kept), size)]
    while blocks:
        if time.perf_counter() > deadline:
            complete = False
            break
        block = blocks.pop()
        out = set(block)
        rest = [element for element in kept if element not in out]
        if _infeasible(tender, rest, deadline, quick):
            kept = rest
        elif len(block) > 1:
            blocks += [block[: len(block) // 2], block[len(block) // 2 :]]
    sentences = _sentences(tender, kept)
    if not complete:
        return [*sentences, "(stopped by time: the list may be longer than needed)"]
    return sentences + relaxations(tender, kept, deadline, quick=quick)


def relaxations(tender: Tender, kept: Sequence[Element], deadline: float, *, quick: bool) -> list[str]:
    """What each part of an irreducible conflict would have to become, alone, for a plan; the smallest change first.

    Where none of them is enough because another conflict is left, what ends this one, and that it is not enough.
    """
    everything = _elements(tender)

    def has_plan(changed: Tender) -> bool:
        return not _infeasible(changed, everything, deadline, quick=False)

    def ends_it(changed: Tender) -> bool:
        return not _infeasible(changed, kept, deadline, quick)

    def late() -> bool:
        return time.perf_counter() > deadline

    found = least_changes(tender, kept, has_plan, late)
    lead = "smallest single change that ends this conflict (another one is left then)"
    return found or least_changes(tender, kept, ends_it, late, lead)


def _elements(tender: Tender) -> list[Element]:
    """Everything a buyer can change; the demands last, so that they are tried first."""
    elements: list[Element] = [("rule", i, 0) for i, rule in enumerate(tender.rules) if rule.name != "incumbent"]
    if (tender.minimum > 0).any() or tender.terms.minimums:
        elements.append(("least", 0, 0))
    elements += [("capacity", int(s), int(t)) for s, t in np.argwhere(np.isfinite(tender.capacity))]
    elements += [("demand", int(k), int(t)) for k, t in np.argwhere(tender.demand > 0)]
    return elements


def _infeasible(tender: Tender, kept: Sequence[Element], deadline: float, quick: bool) -> bool:
    """Whether the tender with nothing but these elements is proven to have no plan; quick: by counting suppliers."""
    demand, capacity = np.zeros_like(tender.demand), np.full_like(tender.capacity, np.inf)
    minimum, rules = np.zeros_like(tender.minimum), []
    terms = Terms()
    for kind, first, second in kept:
        if kind == "demand":
            demand[first, second] = tender.demand[first, second]
        elif kind == "capacity":
            capacity[first, second] = tender.capacity_limit[first, second]
        elif kind == "least":
            minimum, terms = tender.minimum, Terms(minimums=tender.terms.minimums)
        else:
            rules.append(tender.rules[first])
    use = demand[tender.offer_item, tender.offer_year] > 0
    reduced = replace(
        tender,
        demand=demand,
        capacity=capacity,
        rules=tuple(rules),
        offer_supplier=tender.offer_supplier[use],
        offer_item=tender.offer_item[use],
        offer_year=tender.offer_year[use],
        unit_price=np.zeros(int(use.sum())),
        maximum=tender.maximum[use],
        minimum=minimum[use],
        tier_from=np.zeros((*tender.capacity.shape, 1)),
        tier_discount=np.zeros((*tender.capacity.shape, 1)),
        terms=terms,
        order_multiple=tender.multiple[use],
    )
    if not use.any():
        return False
    if quick:
        return cover(
            reduced, np.ones(len(tender.suppliers)), seconds=max(0.5, deadline - time.perf_counter())
        ).impossible
    solver = build_with_terms(frame_of(reduced)).model.solver()
    solver.setOptionValue("time_limit", max(0.5, deadline - time.perf_counter()))
    solver.setOptionValue("mip_max_improving_sols", 1)
    solver.run()
    return bool(solver.getModelStatus() == highspy.HighsModelStatus.kInfeasible)


def _sentences(tender: Tender, kept: Sequence[Element]) -> list[str]:
    text = []
    wanted: dict[int, list[str]] = {}
    for kind, k, t in kept:
        if kind == "demand":
            wanted.setdefault(t, []).append(f"{tender.items[k]} ({tender.demand[k, t]:g})")
    for t, names in sorted(wanted.items()):
        text.append(f"demand in {tender.years[t]}: {_few(names)}")
    limited: dict[int, list[str]] = {}
    for kind, s, t in kept:
        if kind == "capacity":
            limited.setdefault(t, []).append(f"{tender.suppliers[s]} ({tender.capacity_limit[s, t]:g})")
    text += [f"capacity in {tender.years[t]}: {_few(names)}" for t, names in sorted(limited.items())]
    for kind, first, _ in kept:
        if kind == "rule":
            text.append(f"rule '{tender.rules[first]}' ({tender.rules[first].place})")
        elif kind == "least":
            text.append("the min_quantity of offers and suppliers")
    return text


def _few(names: Sequence[str], most: int = 12) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
