"""Every case answered and set beside what was reported; how many were right."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl

from teikei.backtest.answers import MEASURES, planned
from teikei.backtest.benchmarks import BENCHMARKS, samples_of
from teikei.errors import NoPlanError, StudyError
from teikei.study import Study, load
from teikei.sweep.design import band_samples
from teikei.sweep.inputs import read_uncertainty, sampled_study
from teikei.tables.messages import show

SAMPLES: Final = 24
LEVEL: Final = 0.8
ALPHA: Final = 1.0 - LEVEL
WIDE: Final = 4.0
COLUMNS: Final = {
    "case": pl.String, "figure": pl.String, "unit": pl.String, "reported": pl.Float64, "grade": pl.String,
    "scored": pl.Boolean, "answer": pl.Float64, "lower": pl.Float64, "upper": pl.Float64, "sign": pl.Boolean,
    "factor": pl.Float64, "inside": pl.Boolean, "use": pl.String, "kind": pl.String, "year": pl.Int64,
    "source": pl.String, "note": pl.String,
}  # fmt: skip


@contextmanager
def shipped_cases() -> Iterator[Path]:
    """The folder of the cases that ship with teikei: inside the package, or in ``examples`` of a source tree."""
    packaged = resources.files("teikei").joinpath("data", "examples", "backtest")
    source_tree = Path(__file__).parents[3] / "examples" / "backtest"
    if packaged.joinpath("figures.csv").is_file():
        with resources.as_file(packaged) as folder:
            yield folder
    elif (source_tree / "figures.csv").is_file():
        yield source_tree
    else:
        raise StudyError("The backtests are not part of this installation: install teikei again.")


def backtest(
    cases: Sequence[str] = (),
    *,
    samples: int = SAMPLES,
    progress: Callable[[str, float], None] | None = None,
) -> pl.DataFrame:
    """One row for each reported figure: what was reported, the median answer and its 80 % band, and whether it holds.

    cases: names to answer, none = all; samples: plans of each study, drawn from its table ``ranges``. ``scored`` marks
    the figures named beforehand; ``sign``, ``factor`` and ``inside`` are empty where nothing was reported or computed.
    Raises StudyError for a case that there is not.
    """
    with shipped_cases() as folder:
        figures = pl.read_csv(folder / "figures.csv", schema_overrides={"reported": pl.Float64, "year": pl.Int64})
        known = list(dict.fromkeys(figures["case"]))
        for name in cases:
            if name not in known:
                raise StudyError(f"no case {show(name)}; there are {', '.join(known)}")
        chosen = figures.filter(pl.col("case").is_in(list(cases))) if cases else figures
        benchmarks = {row["benchmark"]: row for row in pl.read_csv(folder / "benchmarks.csv").iter_rows(named=True)}
        names = [name for name in dict.fromkeys(chosen["study"]) if name]
        drawn: dict[str, list[dict[tuple[str, str], float]]] = {}
        for number, name in enumerate(names):
            wanted = [(row["measure"], row["of"] or "") for row in chosen.iter_rows(named=True) if row["study"] == name]
            if progress is not None:
                progress(name, number / len(names))
            drawn[name] = sampled(load(folder / name), wanted, samples)
    rows = []
    for row in chosen.iter_rows(named=True):
        if row["study"]:
            values = [sample[(row["measure"], row["of"] or "")] for sample in drawn[row["study"]]]
        else:
            values = samples_of(row["measure"], benchmarks[row["of"]]) if row["measure"] in BENCHMARKS else []
        rows.append(judged(row, values))
    return pl.DataFrame(rows, schema=COLUMNS, orient="row")


def sampled(study: Study, wanted: Sequence[tuple[str, str]], samples: int) -> list[dict[tuple[str, str], float]]:
    """(measure, of) -> value in every sample of a study's ranges, each planned again; a sample without plan is dropped.

    The draws are the same for every study and every time.
    """
    uncertainty = read_uncertainty(study)
    found = []
    for sample in band_samples(uncertainty, "sobol", samples, 0)[0]:
        try:
            one = planned(sampled_study(study, uncertainty, dict(sample.quantiles), sample.scenario))
        except NoPlanError:
            continue
        found.append({key: MEASURES[key[0]](one, key[1]) for key in wanted})
    return found


def judged(row: Mapping[str, Any], values: Sequence[float]) -> dict[str, Any]:
    """A reported figure beside the median and band of the answer. Rules: docs/backtests.md, fixed before the runs."""
    reported = row["reported"]
    found = {name: row.get(name) for name in COLUMNS} | {"scored": row["use"] == "scored"}
    if not values:
        return found
    lower, answer, upper = (float(q) for q in np.quantile(np.asarray(values), [ALPHA / 2, 0.5, 1 - ALPHA / 2]))
    found |= {"answer": answer, "lower": lower, "upper": upper}
    found["sign"] = answer > 0 if row["reported_sign"] == "+" else lower <= 0
    if reported is not None:
        found["inside"] = lower <= reported <= upper
        if reported > 0 and answer > 0:
            found["factor"] = max(reported / answer, answer / reported)
        elif reported != 0:
            found["factor"] = math.inf
    return found


def figures_text(table: pl.DataFrame) -> str:
    """The figures of a backtest as lines of text: what was reported, the answer with its band, and the verdict."""
    lines = []
    for row in table.sort(pl.col("scored"), descending=True, maintain_order=True).iter_rows(named=True):
        if row["answer"] is None:
            continue
        reported = "no figure" if row["reported"] is None else f"{row['reported']:,.4g}"
        factor = "" if row["factor"] is None or math.isinf(row["factor"]) else f", factor {row['factor']:.1f}"
        sign = "sign right" if row["sign"] else "SIGN WRONG"
        inside = "" if row["inside"] is None else ", inside" if row["inside"] else ", outside"
        use = "scored" if row["scored"] else f"{row['kind']}, not scored"
        lines.append(
            f"{row['case']}, {row['figure']} [{row['unit']}]: reported {reported} ({row['grade']}, {use}); answer "
            f"{row['answer']:,.4g} ({row['lower']:,.4g} to {row['upper']:,.4g}): {sign}{factor}{inside}"
        )
    return "\n".join(lines)


def interval_score(lower: float, upper: float, reported: float) -> float:
    """Width of a band plus 2 / alpha times what it misses by (Gneiting, Raftery 2007, eq. 43), for an 80 % band."""
    missed = max(lower - reported, 0.0) + max(reported - upper, 0.0)
    return upper - lower + 2.0 / ALPHA * missed


def verdict(table: pl.DataFrame) -> str:
    """How many scored figures were right, as lines of text; the bars and whether each is met."""
    scored = table.filter(pl.col("scored") & pl.col("answer").is_not_null())
    sized = scored.filter(pl.col("reported").is_not_null() & (pl.col("reported") > 0))
    lines = [_counted("Sign right", scored["sign"].to_list(), 1.0)]
    lines.append(_counted("Within a factor of two", [value <= 2.0 for value in sized["factor"]], 2 / 3))
    held = [bool(value) for value in scored.filter(pl.col("reported").is_not_null())["inside"]]
    lines.append(_counted("Band holds what was reported", held, 2 / 3))
    narrow = [row["lower"] > 0 and row["upper"] / row["lower"] <= WIDE for row in sized.iter_rows(named=True)]
    lines.append(_counted(f"Band with upper / lower up to {WIDE:g}", narrow, 1.0))
    if sized.height > 2:
        own, everyone = scores(sized)
        better = "better" if own < everyone else "not better"
        lines.append(f"Mean interval score of the bands in logarithms {own:.2f}, of the range of all other cases "
                     f"{everyone:.2f}: {better}")  # fmt: skip
    return "\n".join(lines)


def scores(sized: pl.DataFrame) -> tuple[float, float]:
    """Mean interval scores on ln(answer / reported): of the bands, and of a band made of the other cases' ratios.

    The second shifts each median answer by the 10 % and 90 % quantiles of ln(reported / answer) of all other cases:
    what history alone would say of how wrong an answer is.
    """
    rows = [row for row in sized.iter_rows(named=True) if row["answer"] > 0]
    errors = np.log([row["reported"] / row["answer"] for row in rows])
    own, everyone = [], []
    for number, row in enumerate(rows):
        lower = math.log(max(row["lower"], 1e-3 * row["answer"]))
        own.append(interval_score(lower, math.log(row["upper"]), math.log(row["reported"])))
        low, high = np.quantile(np.delete(errors, number), [ALPHA / 2, 1 - ALPHA / 2])
        everyone.append(interval_score(float(low), float(high), float(errors[number])))
    return float(np.mean(own)), float(np.mean(everyone))


def _counted(what: str, holds: Sequence[bool], bar: float) -> str:
    right = sum(bool(one) for one in holds)
    if not holds:
        return f"{what}: nothing to judge"
    return f"{what}: {right} of {len(holds)} ({'met' if right / len(holds) >= bar - 1e-9 else 'not met'})"
