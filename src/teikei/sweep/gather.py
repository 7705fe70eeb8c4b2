"""From files to arrays, and from arrays to the tables of a sweep."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import polars as pl

from teikei.sweep import statistics
from teikei.sweep.types import Array, Sample, Uncertainty

_UNITS: Final = {
    "saving": "million", "gap": "million", "cost": "million", "share": "million", "lever": "million",
    "over": "count",
    "ev_share": "fraction", "ev_change": "fraction",
}  # fmt: skip
Mask = npt.NDArray[np.bool_]
_REQUIREMENT: Final = re.compile(r"^No configuration serves [^:]*: (\w+)")
_SENSITIVE: Final = ("saving", "share", "ev_share", "ev_change")


@dataclass(frozen=True)
class Gathered:
    """Samples of one part with what they came to; an outcome is None where it was not computed (yet)."""

    samples: tuple[Sample, ...]
    outcomes: tuple[Mapping[str, Any] | None, ...]

    @property
    def done(self) -> int:
        """Samples that have figures."""
        return sum(self._is_done(outcome) for outcome in self.outcomes)

    @staticmethod
    def _is_done(outcome: Mapping[str, Any] | None) -> bool:
        return outcome is not None and outcome["status"] == "done"

    def names(self) -> list[str]:
        """Every figure that some sample has, in the order it was told."""
        found: dict[str, None] = {}
        for outcome in self.outcomes:
            if outcome is not None:
                found.update(dict.fromkeys(outcome["figures"]))
        return list(found)

    def figure(self, name: str) -> Array:
        """A figure of every sample, nan where it has none: (samples,)."""
        return np.array([
            float(outcome["figures"].get(name, math.nan)) if outcome is not None else math.nan
            for outcome in self.outcomes
        ])  # fmt: skip

    def decision(self, name: str) -> list[frozenset[str] | None]:
        """A decision of every sample, None where it has none."""
        return [
            frozenset(outcome["decisions"][name]) if outcome is not None and name in outcome["decisions"] else None
            for outcome in self.outcomes
        ]


def split_name(name: str) -> tuple[str, str, str]:
    """Kind, rung and what else of a figure's name: ``share/battery/Honda``; costs are by coalition and rung."""
    kind, *rest = name.split("/")
    if kind == "cost":
        return kind, rest[-1], "/".join(rest[:-1])
    return kind, rest[0], "/".join(rest[1:])


def bands(found: Gathered, base: Gathered) -> pl.DataFrame:
    """kind, rung, of, unit, base, samples, mean, standard_error, standard_deviation, p05 ... p95 of every figure."""
    rows = []
    for name in found.names():
        values = statistics.known(found.figure(name))
        kind, rung, of = split_name(name)
        quantiles = np.quantile(values, statistics.QUANTILES)
        spread = float(values.std(ddof=1)) if len(values) > 1 else math.nan
        rows.append(
            {
                "kind": kind, "rung": rung, "of": of, "unit": _UNITS[kind], "base": _first(base.figure(name)),
                "samples": len(values), "mean": float(values.mean()),
                "standard_error": spread / math.sqrt(len(values)), "standard_deviation": spread,
                **{f"p{round(100 * at):02d}": float(q) for at, q in zip(statistics.QUANTILES, quantiles, strict=True)},
            }
        )  # fmt: skip
    texts, at = ("kind", "rung", "of", "unit"), [f"p{round(100 * q):02d}" for q in statistics.QUANTILES]
    schema: dict[str, Any] = dict.fromkeys(texts, pl.String) | {"base": pl.Float64, "samples": pl.Int64}
    schema |= dict.fromkeys(("mean", "standard_error", "standard_deviation", *at), pl.Float64)
    return pl.DataFrame(rows, schema=schema, orient="row").with_columns(pl.col(pl.Float64).fill_nan(None))


def _first(values: Array) -> float | None:
    return float(values[0]) if len(values) and math.isfinite(values[0]) else None


def terms_of(uncertainty: Uncertainty, cube: Array, samples: Sequence[Sample]) -> dict[str, Array]:
    """Regression terms of every independent input over the samples: name -> (n, k)."""
    found = {name: statistics.basis(cube[:, at]) for at, name in enumerate(uncertainty.inputs) if name != "scenario"}
    if uncertainty.chances:
        found["scenario"] = statistics.indicator([sample.scenario for sample in samples])
    return found


def sensitivity(uncertainty: Uncertainty, cube: Array, found: Gathered) -> pl.DataFrame:
    """kind, rung, of, input, first_order, direction: which inputs move which figure, from the samples of the bands."""
    rows = []
    terms = terms_of(uncertainty, cube, found.samples)
    for name in found.names():
        kind, rung, of = split_name(name)
        if kind not in _SENSITIVE:
            continue
        values = found.figure(name)
        for at, (source, columns) in enumerate(terms.items()):
            share = statistics.first_order(columns, values)
            way = 0.0 if source == "scenario" else statistics.direction(cube[:, at], values)
            rows.append((kind, rung, of, source, share, way))
    schema = ["kind", "rung", "of", "input", "first_order", "direction"]
    types = [pl.String, pl.String, pl.String, pl.String, pl.Float64, pl.Float64]
    table = pl.DataFrame(rows, schema=dict(zip(schema, types, strict=True)), orient="row")
    return table.with_columns(pl.col("first_order").fill_nan(None)).sort(
        "kind",
        "rung",
        "of",
        "first_order",
        descending=[False, False, False, True],
        nulls_last=True,
        maintain_order=True,
    )


def most_telling(uncertainty: Uncertainty, cube: Array, found: Gathered, most: int) -> list[str]:
    """The inputs that explain most of the savings, averaged over rungs: those worth a look of their own."""
    savings = [name for name in found.names() if name.startswith("saving/")]
    if not savings or found.done < statistics.DEGREE + 3:
        return list(uncertainty.inputs)[:most]
    score = {
        source: float(np.mean([statistics.first_order(columns, found.figure(name)) for name in savings]))
        for source, columns in terms_of(uncertainty, cube, found.samples).items()
    }
    score = {source: value if math.isfinite(value) else -1.0 for source, value in score.items()}
    return sorted(score, key=lambda source: (-score[source], source))[:most]


def tornado(found: Gathered, base: Gathered) -> pl.DataFrame:
    """kind, rung, of, input, base, low, high, swing: each input by itself at its ends, all else as it stands."""
    ends: dict[str, list[int]] = {}
    for number, sample in enumerate(found.samples):
        ends.setdefault(sample.label, []).append(number)
    rows = []
    for name in found.names():
        kind, rung, of = split_name(name)
        values, middle = found.figure(name), _first(base.figure(name))
        if kind not in _SENSITIVE or middle is None:
            continue
        for label, numbers in ends.items():
            if label == "scenario":
                for number in numbers:
                    value = float(values[number])
                    rows.append((kind, rung, of, f"scenario {found.samples[number].scenario}", middle, value, value))
            else:
                rows.append((kind, rung, of, label, middle, float(values[numbers[0]]), float(values[numbers[1]])))
    schema: dict[str, Any] = dict.fromkeys(("kind", "rung", "of", "input"), pl.String)
    schema |= dict.fromkeys(("base", "low", "high"), pl.Float64)
    table = pl.DataFrame(rows, schema=schema, orient="row").with_columns(pl.col("low", "high").fill_nan(None))
    from_base = pl.max_horizontal((pl.col("low") - pl.col("base")).abs(), (pl.col("high") - pl.col("base")).abs())
    swing = pl.max_horizontal((pl.col("high") - pl.col("low")).abs(), from_base)
    return table.with_columns(swing.alias("swing")).sort(
        "kind", "rung", "of", "swing", descending=[False, False, False, True], nulls_last=True, maintain_order=True
    )


def indices(found: Gathered, seed: int) -> pl.DataFrame:
    """kind, rung, of, input, first, first_low, first_high, total, total_low, total_high, points (Sobol indices)."""
    labels = [sample.label for sample in found.samples]
    inputs = [label for label in dict.fromkeys(labels) if label not in ("A", "B")]
    at = {label: np.array([label == other for other in labels]) for label in ("A", "B", *inputs)}
    rows = []
    for name in found.names():
        kind, rung, of = split_name(name)
        if kind not in _SENSITIVE:
            continue
        values = found.figure(name)
        count = int(at["A"].sum())
        for source in inputs:
            a, b, mixed = (values[at[label]][:count] for label in ("A", "B", source))
            first, total = statistics.sobol_with_intervals(a, b, mixed, seed)
            points = int((np.isfinite(a) & np.isfinite(b) & np.isfinite(mixed)).sum())
            rows.append((kind, rung, of, source, *first, *total, points))
    numbers = ("first", "first_low", "first_high", "total", "total_low", "total_high")
    schema: dict[str, Any] = dict.fromkeys(("kind", "rung", "of", "input"), pl.String)
    schema |= {**dict.fromkeys(numbers, pl.Float64), "points": pl.Int64}
    return pl.DataFrame(rows, schema=schema, orient="row").with_columns(pl.col(pl.Float64).fill_nan(None))


def rung_worth(found: Gathered, rungs: Sequence[str]) -> tuple[Array, list[str], Mask]:
    """Saving of every rung in every sample that has all of them: (n, rungs), ``alone`` (first) being 0, and which."""
    names = [rung for rung in rungs[1:] if f"saving/{rung}" in found.names()]
    columns = [found.figure(f"saving/{rung}") for rung in names]
    if not columns:
        return np.zeros((0, 1)), [rungs[0]], np.zeros(len(found.samples), dtype=bool)
    worth = np.column_stack([np.zeros(len(columns[0])), *columns])
    there: Mask = np.asarray(np.isfinite(worth).all(axis=1), dtype=np.bool_)
    return worth[there], [rungs[0], *names], there


def knowing(uncertainty: Uncertainty, cube: Array, found: Gathered, rungs: Sequence[str], seed: int) -> pl.DataFrame:
    """input, value: what it is worth to know an input before choosing the rung, million; first row: all inputs."""
    worth, _, there = rung_worth(found, rungs)
    rows: list[tuple[str, float]] = []
    if len(worth) > statistics.DEGREE + 3:
        rows.append(("every input", statistics.value_of_everything(worth)))
        each = [
            (source, statistics.value_of_knowing(columns[there], worth, seed))
            for source, columns in terms_of(uncertainty, cube, found.samples).items()
        ]
        rows += sorted(each, key=lambda row: -row[1])
    schema = {"input": pl.String, "value": pl.Float64}
    return pl.DataFrame(rows, schema=schema, orient="row").with_columns(pl.col("value").fill_nan(None))


def samples_table(parts: Mapping[str, Gathered]) -> pl.DataFrame:
    """part, sample, label, scenario, status, message, then the quantile of every driver that was moved."""
    rows = []
    for part, found in parts.items():
        for sample, outcome in zip(found.samples, found.outcomes, strict=True):
            head = {"part": part, "sample": sample.number, "label": sample.label, "scenario": sample.scenario}
            status = "not computed" if outcome is None else outcome["status"]
            message = "" if outcome is None else outcome["message"]
            rows.append({**head, "status": status, "message": message, **dict(sample.quantiles)})
    return pl.DataFrame(rows, infer_schema_length=None)


def reasons(messages: Sequence[str], most: int = 3) -> str:
    """What samples without a plan say, the most frequent first, each requirement or sentence counted once a sample."""
    counted: Counter[str] = Counter()
    for message in messages:
        lines = [line for line in message.splitlines() if line.strip()]
        named = [found.group(1) for line in lines if (found := _REQUIREMENT.search(line))]
        counted.update(set(named) if named else set(lines[:1]))
    return "; ".join(f"{text} (in {count})" for text, count in counted.most_common(most))
