"""The sourcing problem as one compact mixed-integer program, built as arrays and handed to HiGHS.

All-units discounts stand in the aggregate form: per supplier and year the quantity ``Q_r``, the spend before discount
``V_r`` and the choice ``y_r`` of tier r, with ``from_r y_r ≤ Q_r ≤ to_r y_r`` and ``V_r`` between the cheapest and the
dearest way to buy such quantities (docs/maths/award.md). No big-M.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import highspy
import numpy as np

from teikei.plan.award.limits import Limits, offer_limits, share_rows
from teikei.plan.award.types import Array, Flags, Ints, Rule, Tender

INF: Final = highspy.kHighsInf
ALL_LINKS_OFFERS: Final = 6_000  # up to so many offers, the links of offers to activation are all put in at once


@dataclass(frozen=True)
class Group:
    """The offers of one supplier in one year (positions first..last) and the tiers they can reach.

    low, high, factor (R,): bounds of the total quantity and price factor of each tier; spend_low, spend_high (R,):
    bounds of the spend before discount in each tier. tier (R,): position of each tier in the tender's tables.
    quantity_unit, spend_unit: what one unit of the group's scaled totals stands for.
    """

    supplier: int
    year: int
    first: int
    last: int
    low: Array
    high: Array
    factor: Array
    spend_low: Array
    spend_high: Array
    tier: Ints
    quantity_unit: float
    spend_unit: float


@dataclass(frozen=True)
class Frame:
    """What every formulation of a tender shares: limits, groups and which suppliers need an on/off decision.

    offer_unit (P,): the quantity that one unit of an offer's column stands for, the most it may get (or, where
    ``by_demand``, the demand of its item and year): a tool set bought once stands beside ten million bolts, so that no
    one unit fits all. money_unit: what one unit of the objective stands for.
    """

    tender: Tender
    limits: Limits
    groups: tuple[Group, ...]
    switchable: Flags
    offer_unit: Array
    money_unit: float
    by_demand: bool = False

    @property
    def offer_price(self) -> Array:
        """List price (P,) of one unit of each offer's column, in scaled money."""
        return np.asarray(self.tender.unit_price * self.offer_unit / self.money_unit)


def frame_of(tender: Tender, *, by_demand: bool = False) -> Frame:
    """Limits, tiers and scaling of a tender; tiers that no set of awards can reach are left out.

    by_demand: another scaling of the same program, for a second opinion on what the first one proves.
    """
    limits = offer_limits(tender)
    groups = []
    years = len(tender.years)
    bounds = np.searchsorted(tender.offer_group, np.arange(len(tender.suppliers) * years + 1))
    for g in range(len(bounds) - 1):
        first, last = int(bounds[g]), int(bounds[g + 1])
        if first < last:
            groups.append(_group(tender, limits.upper[first:last], divmod(g, years), first, last, by_demand))
    switchable = tender.activation_cost > 0
    for rule in tender.rules:
        if rule.name == "max_suppliers":
            switchable = switchable | rule.suppliers
    spend = float(np.sum(tender.unit_price * limits.upper)) if len(limits.upper) else 1.0
    money_unit = float(2.0 ** np.round(np.log2(max(spend, 1e-9) / (1e3 if by_demand else 3e4))))
    demand = np.where(tender.offer_demand > 0, tender.offer_demand, 1.0)
    unit = np.where(limits.upper > 0, limits.upper, demand) if not by_demand else demand
    return Frame(tender, limits, tuple(groups), switchable, unit, money_unit, by_demand)


def _group(tender: Tender, upper: Array, place: tuple[int, int], first: int, last: int, by_demand: bool) -> Group:
    s, t = place
    most = min(float(upper.sum()), float(tender.capacity_limit[s, t]))
    start = tender.tier_from[s, t]
    used = np.flatnonzero(start <= most * (1 + 1e-12))
    low = np.minimum(start[used], most)
    high = np.append(low[1:], most)
    price = tender.unit_price[first:last]
    order = np.argsort(price, kind="stable")
    quantity = np.append(0.0, np.cumsum(upper[order]))
    ascending = np.append(0.0, np.cumsum((price * upper)[order]))
    descending = np.append(0.0, np.cumsum((price * upper)[order[::-1]]))
    falling = np.append(0.0, np.cumsum(upper[order[::-1]]))
    spend_high = np.interp(high, falling, descending)
    # The second scaling measures totals in about half the most that is possible, so that no number is the first's.
    part = 0.618 if by_demand else 1.0
    return Group(
        supplier=s,
        year=t,
        first=first,
        last=last,
        low=low,
        high=high,
        factor=1.0 - tender.tier_discount[s, t, used],
        spend_low=np.interp(low, quantity, ascending),
        spend_high=spend_high,
        tier=used.astype(np.int64),
        quantity_unit=part * most if most > 0 else 1.0,
        spend_unit=part * float(spend_high.max()) if spend_high.max() > 0 else 1.0,
    )


def quiet_solver() -> highspy.Highs:
    """A silent HiGHS on one thread: the same answer in every run."""
    solver = highspy.Highs()
    solver.setOptionValue("output_flag", False)
    solver.setOptionValue("threads", 1)
    solver.setOptionValue("random_seed", 1)
    return solver


def whole_tender(rule: Rule) -> bool:
    """Whether a rule speaks of every supplier, item and year."""
    return bool(rule.suppliers.all() and rule.items.all() and rule.years.all())


class Rows:
    """Rows of a sparse matrix, collected as triplets and turned into row-wise arrays."""

    def __init__(self) -> None:
        self.row: list[Ints] = []
        self.column: list[Ints] = []
        self.value: list[Array] = []
        self.low: list[float] = []
        self.high: list[float] = []
        self.label: list[tuple[Any, ...]] = []

    def add(self, columns: Any, values: Any, low: float, high: float, label: tuple[Any, ...]) -> None:
        """One row low ≤ Σ values · columns ≤ high."""
        at = np.atleast_1d(np.asarray(columns, dtype=np.int64))
        self.column.append(at)
        self.value.append(np.broadcast_to(np.asarray(values, dtype=np.float64), at.shape))
        self.row.append(np.full(len(at), len(self.low), dtype=np.int64))
        self.low.append(low)
        self.high.append(high)
        self.label.append(label)

    def arrays(self) -> tuple[Ints, Ints, Array]:
        """Row starts, columns, values."""
        if not self.row:
            return np.zeros(1, dtype=np.int64), np.zeros(0, dtype=np.int64), np.zeros(0)
        lengths = np.array([len(part) for part in self.row], dtype=np.int64)
        return np.append(0, np.cumsum(lengths)), np.concatenate(self.column), np.concatenate(self.value)


@dataclass
class CompactModel:
    """The scaled program: columns, rows, and where each decision stands.

    award (P,), supplier_on (S,), tier_choice: list of column arrays per group (empty where a group has one tier),
    offer_on: column of an offer's own yes/no (-1: none). labels of rows name the part of the tender they come from.
    """

    frame: Frame
    cost: Array
    lower: Array
    upper: Array
    integer: Flags
    rows: Rows
    award: Ints
    supplier_on: Ints
    tier_choice: list[Ints]
    offer_on: Ints
    scope_on: list[tuple[Rule, Ints]]

    def solver(self) -> highspy.Highs:
        """A silent single-threaded HiGHS holding the program (integrality included)."""
        return solver_of(self.cost, self.lower, self.upper, self.integer, self.rows)


def solver_of(cost: Array, lower: Array, upper: Array, integer: Flags, rows: Rows) -> highspy.Highs:
    """HiGHS holding: minimise cost · x with bounds on columns (n,) and rows, some columns whole numbers."""
    solver = quiet_solver()
    starts, columns, values = rows.arrays()
    lp = highspy.HighsLp()
    lp.num_col_, lp.num_row_ = len(cost), len(rows.low)
    lp.col_cost_, lp.col_lower_, lp.col_upper_ = cost, lower, upper
    lp.row_lower_, lp.row_upper_ = np.array(rows.low), np.array(rows.high)
    lp.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
    lp.a_matrix_.num_col_, lp.a_matrix_.num_row_ = lp.num_col_, lp.num_row_
    lp.a_matrix_.start_ = starts.astype(np.int32)
    lp.a_matrix_.index_ = columns.astype(np.int32)
    lp.a_matrix_.value_ = values
    if integer.any():
        kinds = [highspy.HighsVarType.kContinuous, highspy.HighsVarType.kInteger]
        lp.integrality_ = [kinds[int(flag)] for flag in integer]
    solver.passModel(lp)
    return solver


def build(frame: Frame) -> CompactModel:
    """The compact program of a tender, in scaled units (``Frame``, ``Group``): each row in parts of one whole."""
    tender, limits = frame.tender, frame.limits
    offers, suppliers = len(tender.unit_price), len(tender.suppliers)
    price = frame.offer_price
    tiers = [len(group.low) if len(group.low) > 1 else 0 for group in frame.groups]
    switched = np.flatnonzero(limits.switched | limits.counted)
    scoped = [rule for rule in tender.rules if rule.name == "max_suppliers" and not whole_tender(rule)]
    at = offers + suppliers
    tier_choice, blocks = [], []
    for count in tiers:
        blocks.append(np.arange(at, at + 3 * count, dtype=np.int64).reshape(3, count))
        tier_choice.append(blocks[-1][2])
        at += 3 * count
    offer_on = np.full(offers, -1, dtype=np.int64)
    offer_on[switched] = np.arange(at, at + len(switched))
    at += len(switched)
    scope_on = []
    for rule in scoped:
        scope_on.append((rule, np.arange(at, at + suppliers, dtype=np.int64)))
        at += suppliers
    model = CompactModel(
        frame=frame,
        cost=np.zeros(at),
        lower=np.zeros(at),
        upper=np.ones(at),
        integer=np.zeros(at, dtype=np.bool_),
        rows=Rows(),
        award=np.arange(offers, dtype=np.int64),
        supplier_on=np.arange(offers, offers + suppliers, dtype=np.int64),
        tier_choice=tier_choice,
        offer_on=offer_on,
        scope_on=scope_on,
    )
    model.lower[:offers] = limits.lower / frame.offer_unit
    model.upper[:offers] = limits.upper / frame.offer_unit
    model.cost[model.supplier_on] = tender.activation_cost / frame.money_unit
    model.integer[model.supplier_on] = frame.switchable
    model.lower[model.supplier_on] = np.where(frame.switchable, 0.0, 1.0)
    model.integer[offers + suppliers :] = True
    _demand_rows(model)
    for group, block in zip(frame.groups, blocks, strict=True):
        _group_rows(model, group, block, price)
    if offers <= ALL_LINKS_OFFERS:
        _link_rows(model)
    _rule_rows(model)
    return model


def _demand_rows(model: CompactModel) -> None:
    """Σ_s x / demand = 1, for every item and year asked for."""
    tender, unit = model.frame.tender, model.frame.offer_unit
    cell = tender.offer_item * len(tender.years) + tender.offer_year
    order = np.argsort(cell, kind="stable")
    found, starts = np.unique(cell[order], return_index=True)
    for key, columns in zip(found, np.split(order, starts[1:]), strict=True):
        k, t = divmod(int(key), len(tender.years))
        wanted = tender.demand[k, t]
        part = unit[columns] / wanted if wanted > 0 else np.ones(len(columns))
        most = INF if tender.overbuying and wanted > 0 else float(wanted > 0)
        model.rows.add(columns, part, float(wanted > 0), most, ("demand", k, t))


def _group_rows(model: CompactModel, group: Group, block: Ints, price: Array) -> None:
    """Total quantity, capacity and tiers of one supplier in one year."""
    frame, rows = model.frame, model.rows
    awards = np.arange(group.first, group.last)
    on = int(model.supplier_on[group.supplier])
    label = (group.supplier, group.year)
    size = frame.offer_unit[awards] / group.quantity_unit
    money = group.spend_unit / frame.money_unit
    if block.shape[1] == 0:
        model.cost[awards] = price[awards] * group.factor[0]
        if frame.switchable[group.supplier] or group.high[0] < frame.limits.upper[awards].sum() * (1 - 1e-12):
            most = group.high[0] / group.quantity_unit
            rows.add(np.append(awards, on), np.append(size, -most), -INF, 0.0, ("capacity", *label))
        return
    quantity, spend, choice = block
    count = len(quantity)
    model.cost[spend] = group.factor * money
    model.integer[quantity] = model.integer[spend] = False
    model.upper[quantity] = group.high / group.quantity_unit
    model.upper[spend] = group.spend_high / group.spend_unit
    ones = np.ones(count)
    rows.add(np.append(awards, quantity), np.append(size, -ones), 0.0, 0.0, ("quantity", *label))
    rows.add(np.append(awards, spend), np.append(price[awards] / money, -ones), 0.0, 0.0, ("spend", *label))
    rows.add(np.append(choice, on), np.append(ones, -1.0), 0.0, 0.0, ("tier", *label))
    for r in range(count):
        low, high = group.low[r] / group.quantity_unit, group.high[r] / group.quantity_unit
        least, most = group.spend_low[r] / group.spend_unit, group.spend_high[r] / group.spend_unit
        if low > 0:
            rows.add([quantity[r], choice[r]], [1.0, -low], 0.0, INF, ("from", *label, r))
            rows.add([spend[r], choice[r]], [1.0, -least], 0.0, INF, ("spend from", *label, r))
        rows.add([quantity[r], choice[r]], [1.0, -high], -INF, 0.0, ("capacity", *label, r))
        rows.add([spend[r], choice[r]], [1.0, -most], -INF, 0.0, ("spend to", *label, r))


def _link_rows(model: CompactModel) -> None:
    """x ≤ upper · on, for every offer of a supplier with an on/off decision."""
    tender = model.frame.tender
    for p in np.flatnonzero(model.frame.switchable[tender.offer_supplier] & (model.frame.limits.upper > 0)):
        on = model.supplier_on[tender.offer_supplier[p]]
        model.rows.add([p, on], [1.0, -model.upper[p]], -INF, 0.0, ("link", int(p)))


def _rule_rows(model: CompactModel) -> None:
    """The rules that speak of several awards at once, and least quantities."""
    frame, rows = model.frame, model.rows
    tender, limits = frame.tender, frame.limits
    for p in np.flatnonzero(model.offer_on >= 0):
        on, most = int(model.offer_on[p]), float(model.upper[p])
        if limits.switched[p]:
            rows.add([p, on], [1.0, -most], -INF, 0.0, ("least", int(p)))
        least = limits.counts[p] if limits.counted[p] else limits.least[p]
        if least > 0:
            rows.add([p, on], [1.0, -least / frame.offer_unit[p]], 0.0, INF, ("least", int(p)))
    for share in share_rows(tender):
        size = share.weight * frame.offer_unit[share.offers]
        unit = float(np.abs(size).sum()) or 1.0
        rows.add(share.offers, size / unit, share.low / unit, share.high / unit, ("rule", share.rule))
    cell = tender.offer_item * len(tender.years) + tender.offer_year
    for rule in tender.rules:
        if rule.name not in ("max_suppliers_per_item", "min_suppliers_per_item"):
            continue
        most = rule.name == "max_suppliers_per_item"
        inside = rule.items[tender.offer_item] & rule.years[tender.offer_year] & rule.suppliers[tender.offer_supplier]
        for key in np.unique(cell[inside]):
            columns = model.offer_on[inside & (cell == key) & (model.offer_on >= 0)]
            rows.add(columns, 1.0, -INF if most else rule.value, rule.value if most else INF, ("rule", rule))
    for rule in tender.rules:
        if rule.name == "max_suppliers" and whole_tender(rule):
            rows.add(model.supplier_on, 1.0, -INF, rule.value, ("rule", rule))
    for rule, scoped in model.scope_on:
        inside = rule.items[tender.offer_item] & rule.years[tender.offer_year] & rule.suppliers[tender.offer_supplier]
        for p in np.flatnonzero(inside & (limits.upper > 0)):
            rows.add([p, scoped[tender.offer_supplier[p]]], [1.0, -model.upper[p]], -INF, 0.0, ("link", int(p)))
        rows.add(scoped, 1.0, -INF, rule.value, ("rule", rule))
