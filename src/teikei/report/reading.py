"""Reading the stored tables of a run so that nothing missing, empty or oddly typed can stop the report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import polars as pl

from teikei.report.schema import SHAPES


@dataclass(frozen=True)
class Tables:
    """The stored tables of one run.

    ``get`` gives a table with every expected column, typed, missing ones null; ``why_absent`` says in a sentence why a
    table has nothing to show. left_out: stage -> why it was left out, as run.json keeps it.
    """

    stored: Mapping[str, pl.DataFrame]
    left_out: Mapping[str, str] = field(default_factory=dict)

    def get(self, name: str) -> pl.DataFrame:
        """The table with the columns of schema.py first (typed; null where not stored), then its other columns."""
        shape = SHAPES[name]
        stored = self.stored.get(name)
        if stored is None:
            return pl.DataFrame(schema={column: shape.dtype(column) for column in shape.columns})
        expected = [
            _cast(stored[column], shape.dtype(column)).alias(column)
            if column in stored.columns
            else pl.Series(column, [None] * stored.height, dtype=shape.dtype(column))
            for column in shape.columns
        ]
        return pl.DataFrame([*expected, *(stored[column] for column in stored.columns if column not in shape.columns)])

    def has(self, name: str) -> bool:
        """Whether the table is stored and has rows."""
        return name in self.stored and self.stored[name].height > 0

    def why_absent(self, name: str) -> str:
        """The sentence shown in place of a table: not evaluated, and because of what."""
        subject = SHAPES[name].answers if name in SHAPES else name.replace("_", " ")
        stage = stage_of(name)
        if name not in self.stored and stage in self.left_out:
            return f"{subject[0].upper()}{subject[1:]}: not evaluated: {left_out_sentence(stage, self.left_out[stage])}"
        reason = (
            f"this run stored no table “{name}”"
            if name not in self.stored
            else f"the table “{name}” of this run has no rows"
        )
        return f"{subject[0].upper()}{subject[1:]}: not evaluated because {reason}."


_STAGES: Final = {
    "market": ("market_",),
    "develop": ("schedule", "decision_calendar"),
    "split": (
        "shares", "core", "baselines", "transfers", "contract_", "stress", "screens", "law_precedents",
        "business_case", "mandate", "switching_costs", "quote_sheet",
    ),
}  # fmt: skip


def stage_of(table: str) -> str:
    """The stage of the line that makes a table of a run."""
    return next((stage for stage, starts in _STAGES.items() if table.startswith(starts)), "plan")


def left_out_sentence(stage: str, reason: str) -> str:
    """Why a stage has no tables in a run, as a sentence."""
    return f"the stage {stage} was left out, because {reason}."


def _cast(series: pl.Series, dtype: Any) -> pl.Series:
    """The series in the wanted type; what cannot be converted becomes null, lists become text."""
    if series.dtype == dtype:
        return series.fill_nan(None) if series.dtype == pl.Float64 else series
    if dtype == pl.String and isinstance(series.dtype, pl.List):
        return series.cast(pl.List(pl.String)).list.join("; ")
    if dtype == pl.Boolean and series.dtype == pl.String:
        return series.str.to_lowercase().is_in(["yes", "true", "1"])
    if isinstance(series.dtype, pl.List | pl.Struct):
        return pl.Series(series.name, [None] * len(series), dtype=dtype)
    cast = series.cast(dtype, strict=False)
    return cast.fill_nan(None) if cast.dtype == pl.Float64 else cast
