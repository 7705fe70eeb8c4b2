"""Why a rung saves what it saves: the difference between consecutive rungs, by lever, adding up exactly.

Rule (docs/maths/plan.md, "Levers"). Cost items that one lever alone explains go to it whole: family NRE to
``development``; tooling to ``tooling``; variant and application NRE to ``variants``; plants and paid expansions of
sites to ``plant_use``; coordination and the alliance's one-off to ``coordination``; units committed to and not taken
to ``commercial_scale``; variant NRE paid again to ``divergence``; changes, cancellations, qualification and activation
to ``switching``. The purchase bill (price, rebate, duty, freight,
warranty, equity, local content) is walked from the lower rung's plan to the upper one's:

1. designs and sources change while every bloc still buys by itself (the lower rung's drawing and spend groups):
   ``overdesign`` where the module differs and costs more, ``access`` where it costs less (a design that pays only
   for the group) or the source is open only to the group, ``plant_use`` where it is a plant, and where the source
   changes within the bloc's reach the effect belongs to the pooling it serves;
2. then drawings pool (``technical_scale``), spend pools (``commercial_scale``), units diverge (``divergence``), in
   this order; the Shapley value over these three is taken over all their orders, each re-priced.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping

import polars as pl

from teikei.plan.bill import Line, price_lines
from teikei.plan.facts import RungRule
from teikei.plan.price import bill_records
from teikei.plan.scope import Item, Scope
from teikei.plan.solve_one import Solved

LEVER_ORDER = (
    "development",
    "tooling",
    "variants",
    "overdesign",
    "access",
    "plant_use",
    "technical_scale",
    "commercial_scale",
    "divergence",
    "coordination",
    "switching",
)

ITEM_LEVER = {
    "nre_family": "development",
    "tooling": "tooling",
    "nre_variant": "variants",
    "nre_application": "variants",
    "plant": "plant_use",
    "plant_fixed": "plant_use",
    "coordination": "coordination",
    "alliance": "coordination",
    "divergence": "divergence",
    "switching": "switching",
    "activation": "switching",
    "take_or_pay": "commercial_scale",
    "expansion": "plant_use",
}

Bill = dict[tuple[str, str], float]  # (company, key of a position's need) -> million


def savings_table(solved: Mapping[tuple[str, str], Solved]) -> pl.DataFrame:
    """Table savings_by_lever: consecutive evaluated rungs of every coalition, by company, both methods."""
    rows = []
    by_coalition: dict[str, list[Solved]] = {}
    for (coalition, _), found in solved.items():
        by_coalition.setdefault(coalition, []).append(found)
    for coalition, ladder in by_coalition.items():
        for lower, upper in itertools.pairwise(ladder):
            for method, levers in levers_between(lower, upper).items():
                rows += [
                    {"coalition": coalition, "rung": upper.scope.rung, "from_rung": lower.scope.rung,
                     "company": company, "lever": lever, "value": value, "method": method}
                    for (company, lever), value in levers.items()
                ]  # fmt: skip
    schema = {
        "coalition": pl.String, "rung": pl.String, "from_rung": pl.String, "company": pl.String, "lever": pl.String,
        "value": pl.Float64, "method": pl.String,
    }  # fmt: skip
    return pl.DataFrame(rows, schema=schema, orient="row")


def levers_between(lower: Solved, upper: Solved) -> dict[str, dict[tuple[str, str], float]]:
    """method -> (company, lever) -> saving in million; every company has every lever, and they add up exactly."""
    base: dict[tuple[str, str], list[float]] = {
        (company, lever): [] for company in upper.scope.members for lever in LEVER_ORDER
    }
    for sign, found in ((1.0, lower), (-1.0, upper)):
        for record in found.priced.records:
            lever = ITEM_LEVER.get(record.item)
            if lever is not None:
                base[(record.company, lever)].append(sign * record.value)
    for key, value in _design_and_source(lower, upper).items():
        base[key].append(value)
    stated = ("technical", "commercial", "divergence")
    orders: dict[str, list[tuple[str, ...]]] = {"order": [stated], "shapley": list(itertools.permutations(stated))}
    result = {}
    bills = _pooling_bills(lower, upper)
    for method, sequences in orders.items():
        levers = {key: list(values) for key, values in base.items()}
        for sequence in sequences:
            on: frozenset[str] = frozenset()
            for name in sequence:
                after = on | {name}
                lever = {"technical": "technical_scale", "commercial": "commercial_scale"}.get(name, name)
                for company in upper.scope.members:
                    change = bills[on].get(company, 0.0) - bills[after].get(company, 0.0)
                    levers[(company, lever)].append(change / len(sequences))
                on = after
        result[method] = _closed(lower, upper, {key: math.fsum(values) for key, values in levers.items()})
    return result


def _closed(lower: Solved, upper: Solved, levers: dict[tuple[str, str], float]) -> dict[tuple[str, str], float]:
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


def _pooling_bills(lower: Solved, upper: Solved) -> dict[frozenset[str], dict[str, float]]:
    """Pooling in force -> company -> purchase bill of the upper plan, million."""
    scope, decisions = upper.scope, upper.decisions
    own_pool, own_group = _own_groups(lower.scope, scope)
    names = ("technical", "commercial", "divergence")
    bills = {}
    for size in range(len(names) + 1):
        for chosen in itertools.combinations(names, size):
            lines = price_lines(
                scope,
                decisions,
                scope.pool if "technical" in chosen else own_pool,
                scope.buying_group if "commercial" in chosen else own_group,
                _diverging(lower.scope, "divergence" in chosen),
            )
            total: dict[str, list[float]] = {}
            for record in bill_records(scope, decisions, lines):
                total.setdefault(record.company, []).append(record.value)
            bills[frozenset(chosen)] = {company: math.fsum(values) for company, values in total.items()}
    return bills


def _design_and_source(lower: Solved, upper: Solved) -> dict[tuple[str, str], float]:
    """(company, lever) -> saving on the bill when designs and sources change but every bloc buys as before.

    Compared per company, programme, class and year. The part due to another module is the difference between the
    bills with own pooling where any module of the cell differs; where only sources differ it goes to the lever that
    the new source stands for.
    """
    before = _cells(lower, own=False, reference=lower)
    after = _cells(upper, own=True, reference=lower)
    found: dict[tuple[str, str], list[float]] = {}
    for key in dict.fromkeys([*before, *after]):  # in the order of the bills: that of a set is another in every process
        old, new = before.get(key), after.get(key)
        change = (old.cost if old else 0.0) - (new.cost if new else 0.0)
        if change == 0.0:
            continue
        lever = _lever_of(lower.scope, upper.scope, key, old, new)
        if lever == "overdesign" and change > 0:
            lever = "access"
        found.setdefault((key[0], lever), []).append(change)
    return {where: math.fsum(changes) for where, changes in found.items()}


class _Cell:
    """Bill of a company, programme, class and year, with what is bought and from whom."""

    def __init__(self) -> None:
        self.costs: list[float] = []
        self.modules: dict[str, None] = {}
        self.sources: dict[tuple[Item, str], None] = {}

    @property
    def cost(self) -> float:
        return math.fsum(self.costs)


def _cells(found: Solved, *, own: bool, reference: Solved) -> dict[tuple[str, str, str, int], _Cell]:
    scope, decisions = found.scope, found.decisions
    if own:
        pool, group = _own_groups(reference.scope, scope)
        lines = price_lines(scope, decisions, pool, group, _diverging(reference.scope, False))
    else:
        lines = price_lines(scope, decisions)
    cells: dict[tuple[str, str, str, int], _Cell] = {}
    for record in bill_records(scope, decisions, lines):
        key = (record.company, record.programme, record.class_name, record.year)
        cells.setdefault(key, _Cell()).costs.append(record.value)
    owners: dict[tuple[str, str, int], list[Line]] = {}
    for line in lines:
        class_name = scope.facts.modules[line.item.module].class_name
        where = (line.item.programme, class_name, line.year)
        owners.setdefault(where, []).append(line)
    for (_, programme, class_name, year), cell in cells.items():
        for line in owners.get((programme, class_name, year), ()):
            cell.modules[line.item.module] = None
            cell.sources[(line.item, line.source)] = None
    return cells


def _lever_of(lower: Scope, upper: Scope, key: tuple[str, str, str, int], old: _Cell | None, new: _Cell | None) -> str:
    """The lever a change of one cell stands for."""
    if old is None or new is None or set(old.modules) != set(new.modules):
        return "overdesign"
    _, _, class_name, year = key
    before = {source.split("@")[0] for _, source in old.sources}
    added = [(item, source) for item, source in new.sources if source.split("@")[0] not in before]
    if any(source.startswith("plant:") for _, source in added) or any(s.startswith("plant:") for s in before):
        return "plant_use"
    for item, source in added:
        if source.startswith("offer:"):
            offer = lower.facts.offers[source[6:]]
            if not lower.may_buy(offer, upper.item_bloc(item), year):
                return "access"
    rule = upper.rule(class_name)
    if rule.procurement == "technical":
        return "technical_scale"
    return "commercial_scale" if rule.procurement == "commercial" else "access"
