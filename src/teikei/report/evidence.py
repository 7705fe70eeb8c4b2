"""How much of the result rests on assumptions: figures and cost by kind of evidence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import polars as pl

from teikei.report.context import Context

KINDS: Final = ("reported", "derived", "assumption")


@dataclass(frozen=True)
class Evidence:
    """Evidence behind a run.

    figures: (kind, count). by_table: table, reported, derived, assumption, figures. cost: (kind, million) of the cost
    alone, from the stored table ``evidence``. wholly_assumed: tables in which every figure is an assumption.
    """

    figures: tuple[tuple[str, int], ...]
    by_table: pl.DataFrame
    cost: tuple[tuple[str, float], ...]
    wholly_assumed: tuple[str, ...]

    @property
    def count(self) -> int:
        """Figures with a source entry."""
        return sum(count for _, count in self.figures)

    @property
    def assumed_share(self) -> float | None:
        """Share of figures that are assumptions."""
        return dict(self.figures).get("assumption", 0) / self.count if self.count else None

    @property
    def assumed_cost_share(self) -> float | None:
        """Share of the cost alone that rests on assumptions."""
        total = sum(value for _, value in self.cost)
        return dict(self.cost).get("assumption", 0.0) / total if total > 0 else None


def read_evidence(context: Context) -> Evidence:
    """The evidence behind the figures of a run; a figure whose kind is not stored counts as an assumption."""
    sources = context.tables.get("sources").with_columns(pl.col("confidence").fill_null("assumption"))
    by_table = (
        sources.group_by("table", maintain_order=True)
        .agg(*(pl.col("confidence").eq(kind).sum().alias(kind) for kind in KINDS), pl.len().alias("figures"))
        .sort("figures", descending=True, maintain_order=True)
    )
    return Evidence(
        figures=tuple(
            (kind, int(count)) for kind, count in sources.group_by("confidence", maintain_order=True).len().iter_rows()
        ),
        by_table=by_table,
        cost=_ordered(context.tables.get("evidence").drop_nulls("value")),
        wholly_assumed=tuple(
            by_table.filter(pl.col("assumption") == pl.col("figures"))["table"].drop_nulls().to_list()
        ),
    )


def _ordered(rows: pl.DataFrame) -> tuple[tuple[str, float], ...]:
    sums = rows.with_columns(pl.col("confidence").fill_null("assumption")).group_by("confidence", maintain_order=True)
    total = dict(sums.agg(pl.col("value").sum()).iter_rows())
    return tuple((kind, total[kind]) for kind in (*KINDS, *sorted(set(total) - set(KINDS))) if kind in total)
