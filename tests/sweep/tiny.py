"""A study small enough to be swept in tests, and work that needs no study at all."""

from __future__ import annotations

import hashlib
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl

from teikei.study import Study, load
from teikei.sweep.types import Sample
from teikei.tables.columns import frame

EXAMPLES = Path(__file__).parents[2] / "examples"


def kit_study(ranges: list[dict[str, Any]] | None = None) -> Study:
    """The study kit-supply, with other ranges where they are given."""
    study = load(EXAMPLES / "kit-supply")
    return study if ranges is None else study.with_tables(ranges=frame("ranges", ranges))


def short_study(*, tasks: bool = False) -> Study:
    """kit-supply over three years with its first two rungs: a sample takes a fraction of a second.

    tasks: with the work to be scheduled, which takes six times as long as the plan.
    """
    study = kit_study()
    if not tasks:
        study = study.with_tables(**{name: study[name].clear() for name in ("tasks", "engineering", "work")})
    rungs = study["rungs"].filter(pl.col("position") <= 1)
    short = replace(study, settings=study.settings.model_copy(update={"last_year": 2029}))
    return short.with_tables(rungs=rungs, volumes=study["volumes"].filter(pl.col("year") <= 2029))


def busy(blob: bytes, samples: tuple[Sample, ...]) -> list[tuple[dict[str, Any], float]]:
    """Work that takes some milliseconds and gives figures that depend on the sample alone."""
    found = []
    for sample in samples:
        time.sleep(float(blob or b"0.01"))
        figure = int(hashlib.sha256(repr(sample.quantiles).encode()).hexdigest()[:12], 16) / 1e9
        found.append(({"status": "done", "message": "", "figures": {"saving/x": figure}, "decisions": {}}, 0.01))
    return found


def many(count: int) -> dict[str, Sample]:
    """Samples by the name of their file."""
    samples = [Sample("bands", number, (("a", (number + 0.5) / count),)) for number in range(count)]
    return {hashlib.sha256(f"{number} {count}".encode()).hexdigest(): one for number, one in enumerate(samples)}
