"""What samples say of a figure: bands, which inputs move it, and what it is worth to know an input first.

First-order index of given data: adjusted R^2 of a regression on Legendre polynomials up to degree 3 of the input's own
uniform (Lewandowski, Cooke, Duintjer Tebbens 2007, Reliab. Eng. Syst. Safety 92, 1325-1335, with the adjustment for
degrees of freedom). Saltelli and Jansen estimators: Saltelli et al. 2010, table 2 (b) and (f). Value of knowing:
Strong, Oakley, Brennan 2014, Med. Decis. Making 34, 311-326, with the same regression and its bias taken off by
permutation.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from teikei.sweep.types import Array

QUANTILES: Final = (0.05, 0.10, 0.25, 0.50, 0.75, 0.90, 0.95)
DEGREE: Final = 3
_PERMUTATIONS: Final = 40
_RESAMPLES: Final = 300


def known(values: Array) -> Array:
    """The values that are there."""
    return values[np.isfinite(values)]


def basis(uniform: Array) -> Array:
    """Legendre polynomials (n, DEGREE) of an input in (0, 1), each with mean 0 and variance 1 under it."""
    x = 2.0 * uniform - 1.0
    columns = [np.polynomial.legendre.legval(x, [0.0] * k + [np.sqrt(2 * k + 1.0)]) for k in range(1, DEGREE + 1)]
    return np.stack(columns, axis=1)


def indicator(kinds: Sequence[str | None]) -> Array:
    """Columns (n, kinds - 1) that tell categories apart."""
    names = sorted({kind or "" for kind in kinds})
    return np.array([[float((kind or "") == name) for name in names[1:]] for kind in kinds]).reshape(len(kinds), -1)


def fitted(terms: Array, values: Array) -> Array:
    """Least-squares fit (n, ...) of values (n, ...) on a constant and the terms (n, k)."""
    design = np.column_stack([np.ones(len(terms)), terms])
    solution, *_ = np.linalg.lstsq(design, values, rcond=None)
    return np.asarray(design @ solution, dtype=np.float64)


def first_order(terms: Array, values: Array) -> float:
    """Share of the variance of values (n,) that the input behind ``terms`` explains by itself; nan if n is too small.

    The adjustment takes off what noise alone would explain, so that an input without effect is near 0, also below.
    """
    there = np.isfinite(values)
    y, x = values[there], terms[there]
    freedom = len(y) - x.shape[1] - 1
    if freedom < 1 or x.shape[1] == 0:
        return float("nan")
    total = float(np.sum((y - y.mean()) ** 2))
    if total <= 1e-18 * max(1.0, float(np.sum(y**2))):
        return 0.0
    rest = float(np.sum((y - fitted(x, y)) ** 2))
    return float(1.0 - (rest / freedom) / (total / (len(y) - 1)))


def direction(uniform: Array, values: Array) -> float:
    """Rank correlation of an input and a figure: +1 where more of one goes with more of the other."""
    there = np.isfinite(values)
    if there.sum() < 3 or np.ptp(values[there]) == 0:
        return 0.0
    ranks = [np.argsort(np.argsort(one[there])).astype(float) for one in (uniform, values)]
    return float(np.corrcoef(ranks[0], ranks[1])[0, 1])


def sobol_indices(a: Array, b: Array, mixed: Array) -> tuple[float, float]:
    """First and total index of an input group from f(A), f(B), f(A with the group from B), each (n,).

    S = mean(f(B) (f(AB) - f(A))) / V, T = mean((f(A) - f(AB))^2) / 2V, V the variance of A and B together; figures are
    centred first, which takes noise off S.
    """
    both = np.concatenate([a, b])
    variance = float(both.var())
    if variance <= 1e-18 * max(1.0, float(np.mean(both**2))):
        return 0.0, 0.0
    middle = float(both.mean())
    first = float(np.mean((b - middle) * (mixed - a))) / variance
    total = float(np.mean((a - mixed) ** 2)) / (2.0 * variance)
    return first, total


def sobol_with_intervals(
    a: Array, b: Array, mixed: Array, seed: int
) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
    """First and total index, each with 5 % and 95 % quantiles over resampled points; points with a gap are left out."""
    there = np.isfinite(a) & np.isfinite(b) & np.isfinite(mixed)
    a, b, mixed = a[there], b[there], mixed[there]
    if len(a) < 4:
        missing = (float("nan"),) * 3
        return missing, missing
    dice = np.random.default_rng(np.random.SeedSequence([seed, 7]))
    found = np.array([
        sobol_indices(a[chosen], b[chosen], mixed[chosen])
        for chosen in (dice.integers(0, len(a), len(a)) for _ in range(_RESAMPLES))
    ])  # fmt: skip
    ends = np.quantile(found, (0.05, 0.95), axis=0)
    first, total = sobol_indices(a, b, mixed)
    return (first, float(ends[0, 0]), float(ends[1, 0])), (total, float(ends[0, 1]), float(ends[1, 1]))


def value_of_everything(worth: Array) -> float:
    """What it is worth to know every input before choosing, EVPI: E max_d worth - max_d E worth; worth (n, choices)."""
    return float(np.mean(worth.max(axis=1)) - worth.mean(axis=0).max())


def value_of_knowing(terms: Array, worth: Array, seed: int) -> float:
    """What it is worth to know one input before choosing, EVPPI: E max_d E(worth_d | input) - max_d E worth_d.

    terms (n, k): of the input; worth (n, choices). A fit to noise finds value where there is none: the mean of the
    same figure over permuted inputs is taken off; never below 0.
    """
    if len(worth) < terms.shape[1] + 3 or terms.shape[1] == 0:
        return float("nan")

    def raw(x: Array) -> float:
        return float(np.mean(fitted(x, worth).max(axis=1)) - worth.mean(axis=0).max())

    dice = np.random.default_rng(np.random.SeedSequence([seed, 11]))
    noise = float(np.mean([raw(terms[dice.permutation(len(terms))]) for _ in range(_PERMUTATIONS)]))
    found = raw(terms) - noise
    return found if found > 1e-9 * float(np.abs(worth).max()) else 0.0
