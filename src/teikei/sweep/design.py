"""Where to look: points in the unit cube of the independent inputs, and the samples made of them.

Sobol points with Owen scrambling and Latin hypercubes (scipy.stats.qmc); Saltelli's radial design for first and total
indices (Saltelli et al. 2010, Comp. Phys. Comm. 181, 259-270, table 2). Seeds are keyed by the part of the sweep, so
that adding a part moves no other; more Sobol samples with the same seed keep the earlier ones.
"""

from __future__ import annotations

import warnings
import zlib
from collections.abc import Sequence
from typing import Final

import numpy as np
from scipy.stats import qmc

from teikei.errors import StudyError
from teikei.sweep.inputs import to_quantiles
from teikei.sweep.types import Array, Sample, Uncertainty

METHODS: Final = ("sobol", "lhs")
LOW, HIGH = 0.1, 0.9  # ends of the tornado
OTHERS: Final = "all other inputs together"


def points(method: str, count: int, inputs: int, seed: int, part: str) -> Array:
    """Points (count, inputs) in the unit cube. Raises StudyError for an unknown method or no sample."""
    if method not in METHODS:
        raise StudyError(f"no sampling method {method!r}; expected one of {', '.join(METHODS)}")
    if count < 1:
        raise StudyError(f"a sweep needs one sample or more, not {count}")
    generator = np.random.default_rng(np.random.SeedSequence([seed, zlib.crc32(part.encode())]))
    if method == "lhs":
        return np.asarray(qmc.LatinHypercube(inputs, rng=generator).random(count))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # "balance properties require a power of 2": docs/maths/sweep.md
        return np.asarray(qmc.Sobol(inputs, scramble=True, rng=generator).random(count))


def band_samples(uncertainty: Uncertainty, method: str, count: int, seed: int) -> tuple[list[Sample], Array]:
    """Samples over all inputs at once, and their points (count, inputs)."""
    cube = points(method, count, len(uncertainty.inputs), seed, "bands")
    return [_sample(uncertainty, "bands", number, point) for number, point in enumerate(cube)], cube


def base_sample() -> Sample:
    """The study as it stands."""
    return Sample("base", 0, ())


def tornado_samples(uncertainty: Uncertainty, names: Sequence[str]) -> list[Sample]:
    """Each named driver by itself at its 10 % and 90 % quantile, each scenario by itself; all else as it stands.

    A common factor has no figure of its own: its drivers are all moved to the quantile.
    """
    found: list[Sample] = []
    by_factor = {
        f"common factor of {group}": [driver.name for driver in uncertainty.drivers if driver.group == group]
        for group in uncertainty.groups
    }
    for name in names:
        if name == "scenario":
            found += [Sample("tornado", 0, (), scenario, name) for scenario in uncertainty.chances]
            continue
        moved = by_factor.get(name, [name])
        found += [Sample("tornado", 0, tuple((one, level) for one in moved), None, name) for level in (LOW, HIGH)]
    return [Sample(one.part, number, one.quantiles, one.scenario, one.label) for number, one in enumerate(found)]


def index_samples(uncertainty: Uncertainty, names: Sequence[str], count: int, seed: int) -> list[Sample]:
    """Saltelli's design: A, B, and A with each named input (and all others together) from B; labels say which.

    count x (len(names) + 2 or 3) samples, point by point, so that a longer design holds the shorter one.
    """
    inputs = uncertainty.inputs
    where = {name: index for index, name in enumerate(inputs)}
    groups: list[tuple[str, list[int]]] = [(name, [where[name]]) for name in names]
    rest = [index for name, index in where.items() if name not in set(names)]
    if rest:
        groups.append((OTHERS, rest))
    cube = points("sobol", count, 2 * len(inputs), seed, "indices")
    found: list[Sample] = []
    for first, second in zip(cube[:, : len(inputs)], cube[:, len(inputs) :], strict=True):
        rows = [("A", first), ("B", second)]
        for name, columns in groups:
            mixed = first.copy()
            mixed[columns] = second[columns]
            rows.append((name, mixed))
        for label, point in rows:
            made = _sample(uncertainty, "indices", len(found), point)
            found.append(Sample(made.part, made.number, made.quantiles, made.scenario, label))
    return found


def _sample(uncertainty: Uncertainty, part: str, number: int, point: Array) -> Sample:
    quantiles, scenario = to_quantiles(uncertainty, point)
    return Sample(part, number, tuple(quantiles.items()), scenario)
