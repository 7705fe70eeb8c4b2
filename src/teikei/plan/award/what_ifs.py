"""What-if questions of a buyer: ready-made scenarios, and what each rule costs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from typing import Final

import highspy
import numpy as np

from teikei.errors import NoPlanError, StudyError
from teikei.plan.award.command import award_tender
from teikei.plan.award.confirm import forced
from teikei.plan.award.model import frame_of
from teikei.plan.award.terms import Terms
from teikei.plan.award.terms_model import build_with_terms
from teikei.plan.award.types import AwardResult, Rule, RulePrice, Tender

Progress = Callable[[str, float], None]
MOST_PAIRS: Final = 8  # up to so many rules, every pair is priced


def scenarios(
    tender: Tender,
    *,
    at_most: int | None = None,
    time_limit_s: float = 60.0,
    gap: float = 1e-4,
    workers: int = 2,
    progress: Progress | None = None,
) -> Mapping[str, AwardResult | None]:
    """The ready-made scenarios, each an award of its own; ``time_limit_s`` is shared between them.

    ``cheapest``: without the tender's own rules. ``incumbent`` (where ``incumbent`` rules name today's suppliers): as
    much as possible stays where it is, within offers, capacities and rules, and that at least cost. ``at most n
    suppliers`` (n = ``at_most``; by default one less than the award of all rules uses): the rules plus that limit.
    A scenario that no award satisfies is None. Raises StudyError for a limit below one.
    """
    if at_most is not None and at_most < 1:
        raise StudyError(f"at most {at_most} suppliers are asked for; one is the least")
    share = time_limit_s / (3 if at_most is not None else 4)
    result: dict[str, AwardResult | None] = {}

    def add(name: str, variant: Tender) -> None:
        result[name] = None
        try:
            result[name] = award_tender(variant, time_limit_s=share, gap=gap, workers=workers, progress=progress)
        except NoPlanError:
            return

    known = tuple(rule for rule in tender.rules if rule.name == "incumbent")
    add("cheapest", replace(tender, rules=known))
    if known:
        kept = keep_incumbents(tender)
        if kept is not None:
            add("incumbent", kept)
    if at_most is None:
        base = award_tender(tender, time_limit_s=share, gap=gap, workers=workers, progress=progress)
        at_most = max(1, len(base.suppliers_used) - 1)
    add(f"at most {at_most} suppliers", with_limit(tender, at_most))
    return result


def with_limit(tender: Tender, most: int) -> Tender:
    """The tender with at most ``most`` suppliers."""
    everything = [np.ones(count, dtype=np.bool_) for count in (len(tender.suppliers), len(tender.items))]
    years = np.ones(len(tender.years), dtype=np.bool_)
    rule = Rule("max_suppliers", "*", float(most), "", everything[0], everything[1], years, "scenario")
    return replace(tender, rules=(*tender.rules, rule))


def keep_incumbents(tender: Tender) -> Tender | None:
    """The tender in which each incumbent keeps as much of its items as possible; None where nothing can be kept.

    A first program maximises the quantity that stays, within offers, capacities and rules; what it awards to incumbents
    becomes the least quantity of those offers.
    """
    own = tender.incumbent[tender.offer_item] == tender.offer_supplier
    flat = np.zeros((*tender.capacity.shape, 1))
    plain = replace(
        tender,
        tier_from=flat,
        tier_discount=flat,
        activation_cost=np.zeros_like(tender.activation_cost),
        unit_price=np.where(own, 0.0, 1.0),
        terms=Terms(minimums=tender.terms.minimums),
    )
    model = build_with_terms(frame_of(plain)).model
    solver = model.solver()
    solver.setOptionValue("mip_rel_gap", 1e-6)
    solver.run()
    if solver.getModelStatus() != highspy.HighsModelStatus.kOptimal:
        return None
    awards = np.array(solver.getSolution().col_value)[model.award] * model.frame.offer_unit
    kept = np.where(own, np.maximum(awards * (1 - 1e-9), 0.0), 0.0)
    rules = [
        forced(tender, int(p), float(kept[p] / tender.offer_demand[p]), "scenario incumbent")
        for p in np.flatnonzero(kept > 1e-6 * tender.offer_demand)
    ]
    return replace(tender, rules=(*tender.rules, *rules))


def rule_prices(
    tender: Tender,
    base: AwardResult | None = None,
    *,
    rules: Sequence[int] | None = None,
    time_limit_s: float = 60.0,
    gap: float = 1e-4,
    workers: int = 2,
    progress: Progress | None = None,
) -> tuple[RulePrice, ...]:
    """What each rule of a tender costs (or those at the positions ``rules``): objective with it minus without it.

    base: the award under all rules, solved here if not given. ``time_limit_s`` is shared between the solves. A price is
    an interval where the plans are not proven optimal: [max(0, bound with − plan without), plan with − bound without].
    Rules that hold each other cost nothing one by one: their price together follows, of every pair (up to MOST_PAIRS
    rules) and of all; ``together`` says how many rules a price is of.
    """
    wanted = rules if rules is not None else range(len(tender.rules))
    chosen = [i for i in wanted if tender.rules[i].name != "incumbent"]
    sets: list[tuple[int, ...]] = [(i,) for i in chosen]
    if len(chosen) > 2 and len(chosen) <= MOST_PAIRS:
        sets += list(combinations(chosen, 2))
    if len(chosen) > 1:
        sets.append(tuple(chosen))
    share = time_limit_s / (len(sets) + (base is None)) if sets or base is None else 0.0
    conflict = False
    if base is None:
        try:
            base = award_tender(tender, time_limit_s=share, gap=gap, workers=workers, progress=progress)
        except NoPlanError:
            conflict = True
    prices = []
    for left_out in sets:
        rules_out = [tender.rules[i] for i in left_out]
        name, place = " + ".join(str(rule) for rule in rules_out), ", ".join(rule.place for rule in rules_out)
        if len(left_out) == len(chosen) and len(chosen) > 1:
            name = "all rules together"
        without = replace(tender, rules=tuple(r for i, r in enumerate(tender.rules) if i not in left_out))
        try:
            other = award_tender(without, time_limit_s=share, gap=gap, workers=workers, progress=progress)
        except NoPlanError:
            if not conflict:
                raise
            continue
        if base is None:
            infinite = float("inf")
            whole = RulePrice(name, place, infinite, infinite, infinite, other.objective, True, len(left_out))
            prices.append(whole)
            continue
        lowest = min(other.objective, base.objective)  # the award under all rules is a plan without the rule, too
        prices.append(
            RulePrice(
                name,
                place,
                base.objective - lowest,
                max(0.0, base.bound - lowest),
                base.objective - other.bound,
                lowest,
                together=len(left_out),
            )
        )
    return tuple(prices)
