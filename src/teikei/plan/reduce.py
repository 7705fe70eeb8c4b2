"""A program with some columns held: what follows from that, and the independent parts that are left to decide."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import connected_components

from teikei.plan.arrays import Program

Vector = npt.NDArray[np.float64]
ROUNDS = 20
SLACK = 1e-7
OUT = 1e-6  # of a row's size: what lies further out than this fits nothing


@dataclass(frozen=True)
class Part:
    """An independent part: its program and the columns of the whole that it holds."""

    program: Program
    columns: npt.NDArray[np.int64]

    @property
    def integers(self) -> int:
        """Number of integer columns."""
        return sum(self.program.integer)


@dataclass(frozen=True)
class Reduced:
    """Values of the columns that are decided (0 elsewhere) and the parts that are not."""

    decided: Vector
    parts: tuple[Part, ...]


def reduce(program: Program, lower: Vector, upper: Vector) -> Reduced | None:
    """Drops columns that the given bounds decide and rows that can no longer bind; None where nothing fits them.

    Bounds are tightened row by row from the other columns' bounds, a fixed number of rounds. Every plan within the
    bounds is kept, except that a column in no row takes its cheaper bound.
    """
    matrix = program.sparse()
    integer, cost = np.asarray(program.integer, dtype=bool), np.asarray(program.cost)
    least, most = np.asarray(program.row_lower), np.asarray(program.row_upper)
    tight = _propagate(matrix, least, most, lower, upper, integer)
    if tight is None:
        return None
    lower, upper = tight
    high, low = _activity(matrix, lower, upper)
    size = np.maximum(1.0, np.maximum(_finite(most), _finite(least)))
    if ((high < least - OUT * size) | (low > most + OUT * size)).any():
        return None
    slack = SLACK * size
    rows = np.flatnonzero((high > most + slack) | (low < least - slack))
    held = upper - lower < 1e-9
    free = np.flatnonzero(~held)
    decided = np.where(held, lower, 0.0)
    left = csr_array(matrix[rows][:, free])
    used = np.diff(left.tocsc().indptr) > 0
    loose = free[~used]
    decided[loose] = np.where(cost[loose] >= 0, lower[loose], upper[loose])
    taken = matrix @ np.where(held, lower, 0.0)
    label = _label(left)
    parts = []
    for group in dict.fromkeys(label[: len(free)][used].tolist()):
        mine, own_rows = np.flatnonzero(label[: len(free)] == group), np.flatnonzero(label[len(free) :] == group)
        parts.append(_part(program, left, free, rows, mine, own_rows, lower, upper, taken))
    return Reduced(decided, tuple(parts))


def _part(
    program: Program, left: csr_array, free: npt.NDArray[np.int64], rows: npt.NDArray[np.int64],
    mine: npt.NDArray[np.int64], own_rows: npt.NDArray[np.int64], lower: Vector, upper: Vector, taken: Vector,
) -> Part:  # fmt: skip
    columns, names = free[mine], rows[own_rows]
    block = csr_array(left[own_rows][:, mine]).tocoo()
    part = Program(
        cost=[program.cost[c] for c in columns],
        lower=lower[columns].tolist(),
        upper=upper[columns].tolist(),
        integer=[bool(program.integer[c]) for c in columns],
        names=[program.names[c] for c in columns],
        row_lower=[program.row_lower[r] - taken[r] for r in names],
        row_upper=[program.row_upper[r] - taken[r] for r in names],
        row_names=[program.row_names[r] for r in names],
        rows=block.row.tolist(),
        columns=block.col.tolist(),
        values=block.data.tolist(),
    )
    return Part(part, columns)


def _label(left: csr_array) -> npt.NDArray[np.int64]:
    """Component of every column, then of every row."""
    block, width = left.tocoo(), left.shape[1]
    size = width + left.shape[0]
    graph = coo_array((np.ones(block.nnz), (block.col, block.row + width)), shape=(size, size))
    return np.asarray(connected_components(graph, directed=False)[1], dtype=np.int64)


def _finite(values: Vector) -> Vector:
    return np.where(np.isfinite(values), np.abs(values), 0.0)


def _activity(matrix: csr_array, lower: Vector, upper: Vector) -> tuple[Vector, Vector]:
    """Largest and smallest value of every row within the columns' bounds."""
    plus, minus = matrix.maximum(0), matrix.minimum(0)
    with np.errstate(invalid="ignore"):
        high, low = plus @ upper + minus @ lower, plus @ lower + minus @ upper
    return np.nan_to_num(high, nan=np.inf), np.nan_to_num(low, nan=-np.inf)


def _propagate(
    matrix: csr_array, least: Vector, most: Vector, lower: Vector, upper: Vector, integer: npt.NDArray[np.bool_]
) -> tuple[Vector, Vector] | None:
    block = matrix.tocoo()
    row, column, value = block.row, block.col, block.data
    positive = value > 0
    lower, upper = lower.copy(), upper.copy()
    for _ in range(ROUNDS):
        high, low = _activity(matrix, lower, upper)
        new_upper, new_lower = upper.copy(), lower.copy()
        room, need = most[row] - low[row], least[row] - high[row]
        for limit in (room, need):
            # within a row with this much room each column can move so far from the bound that uses least of it
            near = np.where(positive == (limit is room), lower[column], upper[column])
            known = np.isfinite(limit) & np.isfinite(near)
            with np.errstate(over="ignore"):
                reach = near[known] + limit[known] / value[known]
            above = (positive == (limit is room))[known]
            np.minimum.at(new_upper, column[known][above], reach[above])
            np.maximum.at(new_lower, column[known][~above], reach[~above])
        new_upper[integer] = np.floor(new_upper[integer] + 1e-6)
        new_lower[integer] = np.ceil(new_lower[integer] - 1e-6)
        better_upper = new_upper < upper - SLACK * np.maximum(1.0, _finite(upper))
        better_lower = new_lower > lower + SLACK * np.maximum(1.0, _finite(lower))
        upper, lower = np.where(better_upper, new_upper, upper), np.where(better_lower, new_lower, lower)
        if (lower > upper + 1e-6 * np.maximum(1.0, _finite(upper))).any():
            return None
        upper = np.maximum(upper, lower)
        if not (better_upper.any() or better_lower.any()):
            break
    return lower, upper
