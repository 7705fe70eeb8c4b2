"""Local search over tiers and suppliers; with these fixed, each year is a transportation problem solved warm by HiGHS.

The duals of the current year, put into the Lagrangean of relax.py, bound from below what any other choice of tiers can
cost; moves that cannot pay are never tried, and the promising ones come first.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import highspy
import numpy as np

from teikei.plan.award.kernels import UNREACHABLE
from teikei.plan.award.limits import ShareRow, share_rows
from teikei.plan.award.model import INF, Frame, quiet_solver
from teikei.plan.award.relax import Blocks, Lagrangean, Relaxation
from teikei.plan.award.types import Array, Flags, Ints

OFF = -1
COLD_OFFERS = 20_000  # without tiers, from so many offers a year, each plan of it is solved anew with presolve
MARGIN = 1e-9  # of a tier's start, so that what the solver calls reached is reached
GAIN = 1e-7  # scaled money; smaller gains are rounding


class YearProblem:
    """The awards of one year for given tiers: a linear program kept alive between evaluations.

    Shortage of an item and missing volume of a tier are allowed at a price no offer reaches, so that every choice of
    tiers has a value and the search can start anywhere.
    """

    def __init__(self, blocks: Blocks, year: int, lagrangean: Lagrangean, shares: list[ShareRow], unit: Array):
        self.blocks, self.lagrangean = blocks, lagrangean
        self.groups = np.flatnonzero(blocks.year == year)
        spans = [np.arange(blocks.start[g], blocks.start[g + 1]) for g in self.groups]
        self.offers = np.concatenate(spans)
        ends = np.cumsum([len(span) for span in spans])
        self.spans = [(int(end - len(span)), int(end)) for span, end in zip(spans, ends, strict=True)]
        self.cells = np.unique(blocks.cell[self.offers])
        self.multiplier = np.zeros(len(blocks.demand))
        self.evaluations = 0
        self.price = blocks.price[self.offers]
        self.solver = self._solver(shares, unit)
        self.current = np.full(len(self.groups), -2, dtype=np.int64)
        self.cold = blocks.low.shape[1] == 1 and len(self.offers) > COLD_OFFERS
        self.supplier = blocks.supplier[self.groups]

    def _solver(self, shares: list[ShareRow], unit: Array) -> highspy.Highs:
        blocks = self.blocks
        offers, items, groups = len(self.offers), len(self.cells), len(self.groups)
        row_of_item = np.searchsorted(self.cells, blocks.cell[self.offers])
        row_of_group = items + np.repeat(np.arange(groups), [b - a for a, b in self.spans])
        place = {int(p): i for i, p in enumerate(self.offers)}
        own = [one for one in shares if one.years == 1 and len(one.offers) and int(one.offers[0]) in place]
        row = [row_of_item, row_of_group, np.arange(items + groups)]
        column = [np.arange(offers), np.arange(offers), offers + np.arange(items + groups)]
        width = [float(np.abs(share.weight * unit[share.offers]).sum()) or 1.0 for share in own]
        factor = [np.ones(offers), blocks.size[self.offers], np.ones(items + groups)]
        factor += [share.weight * unit[share.offers] / w for share, w in zip(own, width, strict=True)]
        for number, share in enumerate(own):
            row.append(np.full(len(share.offers), items + groups + number))
            column.append(np.array([place[int(p)] for p in share.offers]))
        rows, columns = np.concatenate(row), np.concatenate(column)
        order = np.lexsort((rows, columns))
        demand = blocks.demand[self.cells]
        lp = highspy.HighsLp()
        lp.num_col_, lp.num_row_ = offers + items + groups, items + groups + len(own)
        # Missing a whole item, or a whole group's quantity, costs more than the year can.
        dearest = np.zeros(items)
        np.maximum.at(dearest, row_of_item, self.price)
        penalty = 3.0 * float(dearest.sum()) + 1e-6
        lp.col_cost_ = np.append(self.price, np.full(items + groups, penalty))
        lp.col_lower_ = np.append(blocks.lower[self.offers], np.zeros(items + groups))
        lp.col_upper_ = np.append(blocks.upper[self.offers], np.full(items + groups, INF))
        lp.row_lower_ = np.concatenate(
            [demand, np.zeros(groups), [share.low / w for share, w in zip(own, width, strict=True)]]
        )
        lp.row_upper_ = np.concatenate(
            [demand, np.zeros(groups), [share.high / w for share, w in zip(own, width, strict=True)]]
        )
        lp.a_matrix_.format_ = highspy.MatrixFormat.kColwise
        lp.a_matrix_.start_ = np.append(0, np.cumsum(np.bincount(columns, minlength=lp.num_col_))).astype(np.int32)
        lp.a_matrix_.index_ = rows[order].astype(np.int32)
        lp.a_matrix_.value_ = np.concatenate(factor)[order]
        solver = quiet_solver()
        many = self.blocks.low.shape[1] == 1 and len(self.offers) > COLD_OFFERS
        solver.setOptionValue("presolve", "on" if many else "off")
        solver.setOptionValue("primal_feasibility_tolerance", 1e-9)
        solver.passModel(lp)
        return solver

    def value(self, tiers: Ints) -> float:
        """Cost (scaled) of the year's awards at these tiers (one per group, OFF where the supplier is not used)."""
        blocks, items = self.blocks, len(self.cells)
        for i in np.flatnonzero(self.current != tiers):
            g, r = self.groups[i], int(tiers[i])
            if r == OFF:
                self.solver.changeRowBounds(int(items + i), 0.0, 0.0)
            else:
                low, high = float(blocks.low[g, r]), float(blocks.high[g, r])
                self.solver.changeRowBounds(int(items + i), min(low * (1 + MARGIN), high), high)
                first, last = self.spans[i]
                columns = np.arange(first, last, dtype=np.int32)
                self.solver.changeColsCost(last - first, columns, blocks.factor[g, r] * self.price[first:last])
            self.current[i] = r
        if self.cold:
            self.solver.clearSolver()
        self.solver.run()
        self.evaluations += 1
        if self.solver.getModelStatus() != highspy.HighsModelStatus.kOptimal:
            return float("inf")
        return float(self.solver.getInfo().objective_function_value)

    def awards(self, tiers: Ints) -> Array | None:
        """The awards (scaled) of the year's offers; None if something asked for is missing."""
        if not np.isfinite(self.value(tiers)):
            return None
        values = np.array(self.solver.getSolution().col_value)
        if values[len(self.offers) :].max(initial=0.0) > 1e-6:
            return None
        return values[: len(self.offers)]

    def moves(self, tiers: Ints) -> Array:
        """Lower bound (groups, R) of the change of cost when one group goes to another tier; the year must be solved
        at ``tiers``. Infinite where there is no move."""
        self.multiplier[self.cells] = np.array(self.solver.getSolution().row_dual)[: len(self.cells)]
        value = self.lagrangean.tier_values(self.multiplier)[self.groups]
        rows = np.arange(len(tiers))
        change = value - value[rows, np.maximum(tiers, 0)][:, None]
        change[rows, np.maximum(tiers, 0)] = np.inf
        change[(tiers == OFF)[:, None] | (value >= UNREACHABLE / 2)] = np.inf
        return np.asarray(change)

    def improve(self, tiers: Ints, value: float, *, pairs: int, stop: Callable[[], bool]) -> float:
        """Better tiers by moves of one group, then of up to ``pairs`` pairs of groups; changes ``tiers`` in place."""
        while not stop():
            self.value(tiers)
            change = self.moves(tiers)
            better = self._first_better(tiers, value, _singles(change), stop)
            if better is None and pairs:
                better = self._first_better(tiers, value, _pairs(change, pairs), stop)
            if better is None:
                break
            value = better
        return value

    def _first_better(
        self, tiers: Ints, value: float, moves: list[tuple[tuple[int, int], ...]], stop: Callable[[], bool]
    ) -> float | None:
        for move in moves:
            before = tiers.copy()
            for i, r in move:
                tiers[i] = r
            tried = self.value(tiers)
            if tried < value - GAIN:
                return tried
            tiers[:] = before
            if stop():
                break
        return None


def _singles(change: Array) -> list[tuple[tuple[int, int], ...]]:
    at = np.argwhere(change < -GAIN)
    return [((int(i), int(r)),) for i, r in at[np.argsort(change[at[:, 0], at[:, 1]], kind="stable")]]


def _pairs(change: Array, most: int) -> list[tuple[tuple[int, int], ...]]:
    at = np.argwhere(np.isfinite(change))
    size = change[at[:, 0], at[:, 1]]
    order = np.argsort(size, kind="stable")
    at, size = at[order], size[order]
    first, second = np.triu_indices(len(at), 1)
    total = size[first] + size[second]
    use = np.flatnonzero((total < -GAIN) & (at[first, 0] != at[second, 0]))
    use = use[np.argsort(total[use], kind="stable")][:most]
    return [
        ((int(at[i, 0]), int(at[i, 1])), (int(at[j, 0]), int(at[j, 1])))
        for i, j in zip(first[use], second[use], strict=True)
    ]


@dataclass
class Choice:
    """A choice of suppliers (S,) and of tiers, one array a year, with the cost of each year (scaled)."""

    on: Flags
    tiers: list[Ints]
    values: list[float]

    def copy(self) -> Choice:
        """A copy that can be changed."""
        return Choice(self.on.copy(), [tiers.copy() for tiers in self.tiers], list(self.values))


class Search:
    """Local search on one tender; years are improved side by side on ``workers`` threads."""

    def __init__(self, frame: Frame, blocks: Blocks, *, workers: int, deadline: float, most_on: int):
        shares = share_rows(frame.tender)
        self.frame, self.blocks, self.deadline, self.most_on = frame, blocks, deadline, most_on
        must = ~frame.switchable
        self.years = [
            YearProblem(blocks, int(t), Lagrangean(blocks, must), shares, frame.tender.offer_demand)
            for t in np.unique(blocks.year)
        ]
        self.pool = ThreadPoolExecutor(workers) if workers > 1 else None
        self.plain = blocks.low.shape[1] == 1  # no tiers: only suppliers are chosen
        self.also_stop: Callable[[], bool] = lambda: False

    def stop(self) -> bool:
        """Whether time is up or somebody else has found the end."""
        return time.perf_counter() > self.deadline or self.also_stop()

    def close(self) -> None:
        """End the threads."""
        if self.pool is not None:
            self.pool.shutdown(wait=True, cancel_futures=True)

    def total(self, choice: Choice) -> float:
        """Cost of a choice (scaled): all years and activation."""
        return float(sum(choice.values) + self.blocks.activation[choice.on].sum())

    def start(self, relaxation: Relaxation, on: Flags) -> Choice:
        """A set of suppliers (S,) at the tiers that weigh most in the relaxation."""
        tiers = []
        for year in self.years:
            best = np.argmax(relaxation.tier_weight[year.groups], axis=1)
            tiers.append(np.where(on[year.supplier], best, OFF).astype(np.int64))
        choice = Choice(on, tiers, [0.0] * len(self.years))
        choice.values = self._each(lambda year, at: year.value(choice.tiers[at]))
        return choice

    def improve(self, choice: Choice, *, pairs: int) -> None:
        """Better tiers in every year, suppliers unchanged."""
        choice.values = self._each(
            lambda year, at: year.improve(choice.tiers[at], choice.values[at], pairs=pairs, stop=self.stop)
        )

    def flipped(self, choice: Choice, off: int, on: int, relaxation: Relaxation) -> Choice:
        """The choice with one supplier dropped and one added (-1: none), its tiers improved by single moves."""
        new = choice.copy()
        for at, year in enumerate(self.years):
            if off >= 0:
                new.tiers[at][year.supplier == off] = OFF
            for i in np.flatnonzero(year.supplier == on):
                new.tiers[at][i] = int(np.argmax(relaxation.tier_weight[year.groups[i]]))
        if off >= 0:
            new.on[off] = False
        if on >= 0:
            new.on[on] = True
        new.values = self._each(lambda year, at: year.value(new.tiers[at]))
        self.improve(new, pairs=0)
        return new

    def flips(self, choice: Choice) -> list[tuple[float, int, int]]:
        """(lower bound of the change, supplier dropped, supplier added), most promising first."""
        multiplier = np.zeros(len(self.blocks.demand))
        for at, year in enumerate(self.years):
            year.value(choice.tiers[at])
            year.moves(choice.tiers[at])
            multiplier[year.cells] = year.multiplier[year.cells]
        value = self.years[0].lagrangean.tier_values(multiplier)
        suppliers = len(self.blocks.activation)
        current = np.zeros(suppliers)
        for at, year in enumerate(self.years):
            used = choice.tiers[at] != OFF
            np.add.at(current, year.supplier[used], value[year.groups[used], choice.tiers[at][used]])
        best = np.bincount(self.blocks.supplier, value.min(axis=1), suppliers)
        drop = np.where(choice.on, -current - self.blocks.activation, np.inf)
        add = np.where(choice.on, np.inf, best + self.blocks.activation)
        drop[~self.frame.switchable] = np.inf
        found = [(float(drop[s]), int(s), -1) for s in np.flatnonzero(drop < -GAIN)]
        if choice.on.sum() < self.most_on:
            found += [(float(add[s]), -1, int(s)) for s in np.flatnonzero(add < -GAIN)]
        swaps = [
            (float(drop[s] + add[z]), int(s), int(z))
            for s in np.flatnonzero(np.isfinite(drop))
            for z in np.flatnonzero(np.isfinite(add))
            if drop[s] + add[z] < -GAIN
        ]
        return sorted(found) + sorted(swaps)

    def awards(self, choice: Choice) -> Array | None:
        """Awards (P,) in the tender's units; None if the choice leaves something asked for unmet."""
        result = np.zeros(len(self.blocks.price))
        for at, year in enumerate(self.years):
            found = year.awards(choice.tiers[at])
            if found is None:
                return None
            result[year.offers] = found
        return result * self.frame.tender.offer_demand

    def _each(self, work: Callable[[YearProblem, int], float]) -> list[float]:
        if self.pool is None:
            return [work(year, at) for at, year in enumerate(self.years)]
        return list(self.pool.map(work, self.years, range(len(self.years))))
