"""Why a rung saves what it saves: the difference between consecutive rungs, by lever, adding up exactly.

Rule (docs/maths/plan.md, "Levers"). Cost items that one lever alone explains go to it whole: family NRE to
``development``; tooling to ``tooling``; variant and application NRE to ``variants``; plants and paid expansions of
sites to ``plant_use``; coordination and the alliance's one-off to ``coordination``; units committed to and not taken to
``commercial_scale``; variant NRE paid again to ``divergence``; changes, cancellations, qualification and activation to
``switching``; own suppliers' lines that stand idle to ``captive``; what buyers lose by missed targets to
``missed_target``, cars lost to late starts to ``lateness`` (neither is cash). The purchase bill (price, rebate, duty,
freight, warranty, equity, local content) is a game of four moves from the lower rung's plan to the upper one's, every
one of whose sixteen states is priced:

1. designs and sources change: ``overdesign`` where the module differs and costs more, ``access`` where it costs less (a
   design that pays only for the group) or the source is open only to the group, ``plant_use`` where it is a plant;
   where only the source changes within the bloc's reach the effect belongs to the pooling it serves;
2. drawings pool (``technical_scale``); 3. spend pools (``commercial_scale``); 4. units diverge (``divergence``).

The stated order makes the moves in this order; the Shapley value is their average over all twenty-four orders. Both are
kept by company, programme and year.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

import polars as pl

from teikei.modules.types import Catalogue
from teikei.plan.bill import price_lines
from teikei.plan.decisions import Decisions
from teikei.plan.facts import RungRule
from teikei.plan.price import bill_records, price
from teikei.plan.read import read_facts
from teikei.plan.scope import Item, Scope
from teikei.plan.solve_one import Solved
from teikei.plan.sources import OFFER, PLANT, Source
from teikei.plan.types import Plans
from teikei.study.types import Study

LEVER_ORDER = (
    "development",
    "tooling",
    "variants",
    "overdesign",
    "access",
    "plant_use",
    "technical_scale",
    "alignment",
    "commercial_scale",
    "divergence",
    "coordination",
    "joint_organisation",
    "captive",
    "switching",
    "missed_target",
    "lateness",
)

ITEM_LEVER = {
    "nre_family": "development",
    "nre_vehicle": "development",
    "tooling": "tooling",
    "nre_variant": "variants",
    "nre_application": "variants",
    "nre_brand": "variants",
    "plant": "plant_use",
    "plant_fixed": "plant_use",
    "assembly": "plant_use",
    "logistics": "plant_use",
    "coordination": "coordination",
    "alliance": "coordination",
    "divergence": "divergence",
    "switching": "switching",
    "activation": "switching",
    "take_or_pay": "commercial_scale",
    "alignment": "alignment",
    "joint_rate": "commercial_scale",
    "joint_organisation": "joint_organisation",
    "captive": "captive",
    "expansion": "plant_use",
    "missed_target": "missed_target",
    "lateness": "lateness",
}

DESIGN, TECHNICAL, COMMERCIAL, DIVERGENCE = "designs", "technical_scale", "commercial_scale", "divergence"
STATED = (DESIGN, TECHNICAL, COMMERCIAL, DIVERGENCE)
ORDERS: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "order": (STATED,),
    "shapley": tuple(itertools.permutations(STATED)),
}

Where = tuple[str, str, int]  # company, programme, year
Cell = tuple[str, str, str, int]  # company, programme, class, year
Levers = dict[tuple[Where, str], float]
DETAIL = {
    "coalition": pl.String, "rung": pl.String, "from_rung": pl.String, "company": pl.String, "programme": pl.String,
    "year": pl.Int64, "lever": pl.String, "value": pl.Float64, "method": pl.String,
}  # fmt: skip
KEYS = ["coalition", "rung", "from_rung", "company", "lever"]


def savings_table(solved: Mapping[tuple[str, str], Solved]) -> pl.DataFrame:
    """CONTRACT savings_by_lever: consecutive evaluated rungs of every coalition, by company, both methods.

    Every company of a coalition has every lever.
    """
    rows: list[dict[str, object]] = []
    for lower, upper in _steps(solved.values()):
        for method, levers in levers_between(lower, upper).items():
            sums: dict[tuple[str, str], list[float]] = {
                (company, lever): [] for company in upper.scope.members for lever in LEVER_ORDER
            }
            for ((company, _, _), lever), value in levers.items():
                sums[(company, lever)].append(value)
            rows += [
                {**_step(lower, upper), "company": company, "lever": lever, "value": math.fsum(values),
                 "method": method}
                for (company, lever), values in sums.items()
            ]  # fmt: skip
    return pl.DataFrame(rows, schema={name: DETAIL[name] for name in (*KEYS, "value", "method")}, orient="row")


def savings_by_programme(study: Study, catalogue: Catalogue, plans: Plans) -> pl.DataFrame:
    """The same savings by company, programme and year (of the cash): what ``savings_by_lever`` adds up.

    Columns: coalition, rung, from_rung, company, programme, year, lever, value (million, discounted), method. Only
    rows with a value. Plans are priced again from their decisions; those of a bloc taken apart are left out.
    """
    facts = read_facts(study, catalogue, None)
    found = []
    for plan in plans.by_key.values():
        decisions = plan.decisions.get("decisions")
        members = tuple(company for company in facts.companies if company in plan.coalition.split("+"))
        whole = all(set(bloc) <= set(members) for bloc in study.blocs.values() if set(bloc) & set(members))
        if isinstance(decisions, Decisions) and whole:
            stored = plan.decisions
            known = replace(facts, missed=stored["missed"])
            scope = Scope(known, plan.coalition, plan.rung, members, stored["reserved"], stored["joint_start"])
            priced = price(scope, decisions)
            found.append(Solved(scope, decisions, priced, plan.bound, plan.status, 0, 0.0))
    order = {rung: at for at, rung in enumerate(facts.rung_order)}
    rows = [
        {**_step(lower, upper), "company": company, "programme": programme, "year": year, "lever": lever,
         "value": value, "method": method}
        for lower, upper in _steps(sorted(found, key=lambda one: order[one.scope.rung]))
        for method, levers in levers_between(lower, upper).items()
        for ((company, programme, year), lever), value in sorted(levers.items())
        if value
    ]  # fmt: skip
    return pl.DataFrame(rows, schema=DETAIL, orient="row")


def _steps(solved: Iterable[Solved]) -> Iterable[tuple[Solved, Solved]]:
    """Consecutive rungs of every coalition."""
    by_coalition: dict[str, list[Solved]] = {}
    for found in solved:
        by_coalition.setdefault(found.scope.coalition, []).append(found)
    for ladder in by_coalition.values():
        yield from itertools.pairwise(ladder)


def _step(lower: Solved, upper: Solved) -> dict[str, object]:
    return {"coalition": upper.scope.coalition, "rung": upper.scope.rung, "from_rung": lower.scope.rung}


def levers_between(lower: Solved, upper: Solved) -> dict[str, Levers]:
    """method -> (company, programme, year), lever -> saving in million; they add up exactly to the step's saving."""
    whole: dict[tuple[Where, str], list[float]] = {}
    for sign, found in ((1.0, lower), (-1.0, upper)):
        for record in found.priced.records:
            lever = ITEM_LEVER.get(record.item)
            if lever is not None:
                where = (record.company, record.programme, record.year)
                whole.setdefault((where, lever), []).append(sign * record.value)
    bills = _bills(lower, upper)
    lever_of = _LeverOf(lower, upper)
    result = {}
    for method, orders in ORDERS.items():
        levers = {key: list(values) for key, values in whole.items()}
        for order in orders:
            done: frozenset[str] = frozenset()
            for move in order:
                before, after = bills[done], bills[done | {move}]
                for cell in before.keys() | after.keys():
                    saving = before.get(cell, 0.0) - after.get(cell, 0.0)
                    if saving:
                        company, programme, _, year = cell
                        lever = lever_of(cell, saving) if move == DESIGN else move
                        levers.setdefault(((company, programme, year), lever), []).append(saving / len(orders))
                done |= {move}
        result[method] = _closed(lower, upper, {key: math.fsum(values) for key, values in levers.items()})
    return result


def _closed(lower: Solved, upper: Solved, levers: Levers) -> Levers:
    """Checks that the levers add up to the difference of values (to rounding) and returns them."""
    total = lower.value - upper.value
    error = total - math.fsum(levers.values())
    if abs(error) > 1e-7 * max(1.0, abs(lower.value)):
        raise AssertionError(f"levers add up to {total - error:.6f}, the saving is {total:.6f}")
    return levers


def _own_groups(lower: Scope, upper: Scope) -> tuple[Callable[[str, str, str], str], Callable[[str, str], str]]:
    """Drawing and spend groups as at the lower rung, for the upper rung's drawings."""

    def rule(class_name: str) -> RungRule:
        return lower.rule(class_name)

    def pool(class_name: str, group: str, bloc: str) -> str:
        joint = bool(upper.joint) and group == upper.joint
        if rule(class_name).procurement == "technical" and (joint or not rule(class_name).development_shared):
            return upper.joint
        return f"{bloc} (joint drawing)" if joint else bloc

    return pool, lower.buying_group


def _diverging(lower: Scope, everywhere: bool) -> Callable[[str], bool]:
    """Classes whose joint drawings lose volume to divergence: all, or those that were shared at the lower rung."""
    return lambda class_name: everywhere or lower.rule(class_name).development_shared


def _bills(lower: Solved, upper: Solved) -> dict[frozenset[str], dict[Cell, float]]:
    """Moves made -> purchase bill by cell, million: designs and sources of either plan, pooled as the moves say."""
    own_pool, own_group = _own_groups(lower.scope, upper.scope)
    bills = {}
    for size in range(len(STATED) + 1):
        for chosen in itertools.combinations(STATED, size):
            found = upper if DESIGN in chosen else lower
            lines = price_lines(
                found.scope,
                found.decisions,
                upper.scope.pool if TECHNICAL in chosen else own_pool,
                upper.scope.buying_group if COMMERCIAL in chosen else own_group,
                _diverging(lower.scope, DIVERGENCE in chosen),
            )
            cells: dict[Cell, list[float]] = {}
            for record in bill_records(found.scope, found.decisions, lines):
                cell = (record.company, record.programme, record.class_name, record.year)
                cells.setdefault(cell, []).append(record.value)
            bills[frozenset(chosen)] = {cell: math.fsum(values) for cell, values in cells.items()}
    return bills


class _LeverOf:
    """The lever that a change of designs and sources of a cell stands for."""

    def __init__(self, lower: Solved, upper: Solved):
        self.lower, self.upper = lower.scope, upper.scope
        self.before, self.after = _bought(lower), _bought(upper)

    def __call__(self, cell: Cell, saving: float) -> str:
        """cell: company, programme, class, year; saving: what the change saves there, million."""
        _, programme, class_name, year = cell
        nothing: dict[tuple[Item, Source], None] = {}
        old = self.before.get((programme, class_name, year), nothing)
        new = self.after.get((programme, class_name, year), nothing)
        if class_name == "car":  # penalties of whole cars come from where parts are bought
            return "access"
        if {item.module for item, _ in old} != {item.module for item, _ in new}:
            return "access" if saving > 0 else "overdesign"
        before = {source.unowned for _, source in old}
        added = [(item, source) for item, source in new if source.unowned not in before]
        if any(source.kind == PLANT for source in (*before, *(source for _, source in added))):
            return "plant_use"
        for item, source in added:
            if source.kind == OFFER:
                offer = self.lower.facts.offers[source.name]
                if not self.lower.may_buy(offer, self.upper.item_bloc(item), year):
                    return "access"
        procurement = self.upper.rule(class_name).procurement
        return {"technical": TECHNICAL, "commercial": COMMERCIAL}.get(procurement, "access")


def _bought(found: Solved) -> dict[tuple[str, str, int], dict[tuple[Item, Source], None]]:
    """(programme, class, year) -> items and sources."""
    result: dict[tuple[str, str, int], dict[tuple[Item, Source], None]] = {}
    for item, source, year in found.decisions.awards:
        class_name = found.scope.facts.modules[item.module].class_name
        result.setdefault((item.programme, class_name, year), {})[(item, source)] = None
    return result
