"""The nucleolus by linear programs whose coalition rows are added only when they are violated.

Schmeidler, D. (1969), The nucleolus of a characteristic function game, SIAM J. Appl. Math. 17:1163-1170; the sequence
of programs is that of Maschler, Peleg and Shapley (1979), Math. Oper. Res. 4:303-338: make the largest complaint as
small as possible, hold the coalitions that cannot do better, and go on with the rest. A coalition with a positive
dual is tight in every optimal solution, so holding those is always right, and each round raises the rank of the held
set: at most n rounds.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import highspy
import numpy as np
import numpy.typing as npt

from teikei.errors import NoPlanError
from teikei.split.game import coalition_sums
from teikei.split.types import Vector

FEASIBILITY: Final = 1e-9  # of the scaled game, whose largest gain from cooperation is 1
DUAL_POSITIVE: Final = 1e-6  # duals of a round add up to 1 over at most n + 1 rows
SPAN_ZERO: Final = 1e-7
MAX_SOLVES: Final = 20_000

Masks = npt.NDArray[np.int64]


def prenucleolus(worth: Vector) -> Vector:
    """Efficient shares that make the vector of sorted complaints lexicographically least, shape (n,).

    worth: (2^n,), a profit game. No individual rationality is asked for; see ``nucleolus``.
    """
    return _solve(worth, individually_rational=False)[0]


def nucleolus(worth: Vector, free: Vector | None = None) -> Vector | None:
    """The same among shares that give nobody less than alone; None where the players cannot all be given that.

    free: the prenucleolus, where it is already known.
    """
    single = worth[1 << np.arange(_count(worth))]
    slack = FEASIBILITY * max(1.0, float(np.abs(worth).max()))
    if single.sum() > worth[-1] + slack:
        return None
    free = prenucleolus(worth) if free is None else free
    if (free >= single - slack).all():
        return free  # the prenucleolus is an imputation, so it is the nucleolus
    return _solve(worth, individually_rational=True)[0]


def prenucleolus_and_least_core(worth: Vector) -> tuple[Vector, float | None]:
    """Both from one sequence of programs.

    Least core: smallest epsilon so that no coalition complains by more than epsilon; <= 0 where the core is not empty.
    None for one player, who has no other coalition to complain.
    """
    return _solve(worth, individually_rational=False)


def _count(worth: Vector) -> int:
    return len(worth).bit_length() - 1


def _solve(worth: Vector, *, individually_rational: bool) -> tuple[Vector, float | None]:
    count = _count(worth)
    single = worth[1 << np.arange(count)]
    if count == 1:
        return worth[1:].copy(), None
    gain = worth - coalition_sums(single)  # zero-normalised: complaints are the same, numbers are small
    scale = float(np.abs(gain).max())
    if scale <= 1e-13 * float(np.abs(worth).max()):
        return single.copy(), 0.0
    program = _Program(gain / scale, individually_rational)
    least: float | None = None
    while program.rank < count:
        epsilon = program.minimise()
        least = epsilon if least is None else least
        program.hold()
    share = single + scale * program.share
    share += (worth[-1] - share.sum()) / count  # what rounding left over, far below a yen
    return share, None if least is None else least * scale


class _Program:
    """min e such that x(S) + e >= w(S) for all S not held, x(S) = w(S) - e(S) for held S, x(N) = w(N)."""

    def __init__(self, gain: Vector, individually_rational: bool):
        self.gain = gain
        self.count = _count(gain)
        self.full = len(gain) - 1
        self.share = np.zeros(self.count)
        self.epsilon = 0.0
        self.random = np.random.default_rng(0)
        self.held: list[int] = [self.full]
        self.excluded = np.zeros(len(gain), dtype=bool)  # in the span of what is held: the complaint cannot change
        self.excluded[[0, self.full]] = True
        self.in_program = self.excluded.copy()
        self.rows: list[int] = []  # mask of each row of the program; row 0 is x(N)
        self.solver = self._start(individually_rational)
        self._refresh_span()

    @property
    def rank(self) -> int:
        return int(np.linalg.matrix_rank(self._bits(np.array(self.held)), tol=SPAN_ZERO))

    def _bits(self, masks: Masks) -> Vector:
        return (masks[:, None] >> np.arange(self.count) & 1).astype(float)

    def _start(self, individually_rational: bool) -> highspy.Highs:
        new_solver: Callable[[], highspy.Highs] = highspy.Highs  # its constructor carries no annotations
        solver = new_solver()
        for option, value in (
            ("output_flag", False),
            ("threads", 1),
            ("presolve", "off"),
            ("primal_feasibility_tolerance", FEASIBILITY / 10),
            ("dual_feasibility_tolerance", FEASIBILITY / 10),
        ):
            solver.setOptionValue(option, value)
        low = 0.0 if individually_rational else -highspy.kHighsInf
        for _ in range(self.count):
            solver.addVar(low, highspy.kHighsInf)
        solver.addVar(-highspy.kHighsInf, highspy.kHighsInf)
        solver.changeColCost(self.count, 1.0)
        solver.addRow(
            float(self.gain[self.full]),
            float(self.gain[self.full]),
            self.count,
            np.arange(self.count, dtype=np.int32),
            np.ones(self.count),
        )
        self.rows.append(self.full)
        self.solver = solver
        single = 1 << np.arange(self.count, dtype=np.int64)
        self._add(np.unique(np.concatenate([single, self.full - single])))
        return solver

    def _add(self, masks: Masks) -> None:
        masks = masks[~self.in_program[masks]]
        if not len(masks):
            return
        self.in_program[masks] = True
        self.rows.extend(int(mask) for mask in masks)
        bits = np.hstack([self._bits(masks), np.ones((len(masks), 1))])
        row, column = np.nonzero(bits)
        start = np.searchsorted(row, np.arange(len(masks)))
        self.solver.addRows(
            len(masks),
            self.gain[masks],
            np.full(len(masks), highspy.kHighsInf),
            len(column),
            start.astype(np.int32),
            column.astype(np.int32),
            np.ones(len(column)),
        )

    def minimise(self) -> float:
        """Least epsilon over all coalitions; rows that the answer violates are added until none is left."""
        for _ in range(MAX_SOLVES):
            self.solver.run()
            if self.solver.getModelStatus() != highspy.HighsModelStatus.kOptimal:
                status = self.solver.modelStatusToString(self.solver.getModelStatus())
                raise NoPlanError(
                    f"the nucleolus did not converge (solver status {status}): scale the values of the game"
                )
            value = np.array(self.solver.getSolution().col_value)
            self.share, self.epsilon = value[:-1], float(value[-1])
            excess = self.gain - coalition_sums(self.share)
            excess[self.in_program] = -np.inf
            violated = np.flatnonzero(excess > self.epsilon + FEASIBILITY)
            if not len(violated):
                return self.epsilon
            most = 2 * self.count
            if len(violated) > most:
                violated = violated[np.argpartition(-excess[violated], most)[:most]]
            self._add(violated)
        raise NoPlanError("the nucleolus did not converge: too many coalitions are tight")

    def hold(self) -> None:
        """Turn rows with a positive dual into equations, and free the rows that now cannot change."""
        dual = np.abs(np.array(self.solver.getSolution().row_dual))
        tight = [
            row for row in range(1, len(self.rows)) if dual[row] > DUAL_POSITIVE and not self.excluded[self.rows[row]]
        ]
        for row in tight:
            mask = self.rows[row]
            amount = float(self.gain[mask]) - self.epsilon
            self.solver.changeCoeff(row, self.count, 0.0)
            self.solver.changeRowBounds(row, amount, amount)
            self.held.append(mask)
        if not tight:
            raise NoPlanError("the nucleolus did not converge: no coalition is tight; scale the values of the game")
        self._refresh_span()
        held = set(self.held)
        for row, mask in enumerate(self.rows):
            if self.excluded[mask] and mask not in held:
                self.solver.changeRowBounds(row, -highspy.kHighsInf, highspy.kHighsInf)

    def _refresh_span(self) -> None:
        """Mark every coalition in the span of the held ones: it is orthogonal to random vectors of the null space."""
        bits = self._bits(np.array(self.held))
        _, singular, right = np.linalg.svd(bits, full_matrices=True)
        null = right[int((singular > SPAN_ZERO).sum()) :]
        spanned = np.ones(len(self.gain), dtype=bool)
        for _ in range(2 if len(null) else 0):  # two draws: a chance hit among a million coalitions is below 1e-7
            probe = coalition_sums(self.random.standard_normal(len(null)) @ null)
            spanned &= np.abs(probe) < SPAN_ZERO
        self.excluded |= spanned
        self.in_program |= spanned
