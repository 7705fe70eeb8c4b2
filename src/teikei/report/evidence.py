"""How much of the result rests on assumptions: figures by kind of evidence, and cost by the evidence of its price."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import polars as pl

from teikei.report.context import Context

KINDS: Final = ("reported", "derived", "assumption")
COST_LAW: Final = "cost law, no quote"
UNTRACED: Final = "not traced"
# Where the figures behind a cost item come from; purchases are traced award by award instead.
TABLE_OF_ITEM: Final = {
    "nre_family": "families",
    "nre_application": "families",
    "nre": "families",
    "nre_variant": "modules",
    "tooling": "families",
    "plant": "plants",
    "duty_freight": "trade",
    "duty": "trade",
    "freight": "trade",
    "local_content": "local_content",
    "coordination": "classes",
    "divergence": "classes",
    "switching": "classes",
    "warranty": "classes",
    "cancellation": "existing",
    "activation": "suppliers",
}


@dataclass(frozen=True)
class Evidence:
    """figures: (kind, count); by_table: table, reported, derived, assumption, figures; cost: (kind, million) of the
    joint plan at the rung that saves most; wholly_assumed: tables in which every figure is an assumption."""

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
        """Share of the joint plan's traced and untraced cost that is priced by assumptions or by a cost law."""
        total = sum(value for _, value in self.cost)
        known = dict(self.cost)
        return (known.get("assumption", 0.0) + known.get(COST_LAW, 0.0)) / total if total > 0 else None

    @property
    def untraced_cost_share(self) -> float | None:
        """Share of the joint plan's cost whose evidence cannot be told from the stored tables."""
        total = sum(value for _, value in self.cost)
        return dict(self.cost).get(UNTRACED, 0.0) / total if total > 0 else None


def read_evidence(context: Context) -> Evidence:
    """The evidence behind the figures of a run."""
    sources = context.tables.get("sources").with_columns(pl.col("confidence").fill_null("assumption"))
    counts = dict(sources.group_by("confidence", maintain_order=True).len().iter_rows())
    kinds = [*KINDS, *sorted(set(counts) - set(KINDS))]
    by_table = (
        sources.group_by("table", maintain_order=True)
        .agg(*(pl.col("confidence").eq(kind).sum().alias(kind) for kind in KINDS), pl.len().alias("figures"))
        .sort("figures", descending=True, maintain_order=True)
    )
    wholly = by_table.filter(pl.col("assumption") == pl.col("figures"))["table"].drop_nulls().to_list()
    return Evidence(
        figures=tuple((kind, int(counts.get(kind, 0))) for kind in kinds),
        by_table=by_table,
        cost=_cost_by_evidence(context, sources),
        wholly_assumed=tuple(wholly),
    )


def _one_kind(sources: pl.DataFrame, table: str) -> str:
    """The kind of evidence of a table where all its rows share one; else not traced."""
    kinds = sources.filter(pl.col("table") == table)["confidence"].unique().to_list()
    return kinds[0] if len(kinds) == 1 else UNTRACED


def _worst(kinds: set[str]) -> str:
    return next((kind for kind in reversed(KINDS) if kind in kinds), UNTRACED)


def _offer_kinds(sources: pl.DataFrame) -> dict[str, str]:
    """Offer -> the weakest evidence among its own row and its tiers."""
    rows = sources.filter(pl.col("table").is_in(["offers", "tiers"]) & pl.col("row").is_not_null())
    found: dict[str, set[str]] = {}
    for row, kind in rows.select("row", "confidence").iter_rows():
        found.setdefault(row.split("/")[0], set()).add(kind)
    return {offer: _worst(kinds) for offer, kinds in found.items()}


def _cost_by_evidence(context: Context, sources: pl.DataFrame) -> tuple[tuple[str, float], ...]:
    offers = _offer_kinds(sources)
    total: dict[str, float] = {}
    for basis, spend in context.joint("awards").select("price_basis", "spend").iter_rows():
        scheme, _, name = (basis or "").partition(":")
        kind = UNTRACED
        if scheme == "offer":
            kind = offers.get(name, UNTRACED)
        elif scheme == "curve":
            kind = COST_LAW
        elif scheme == "contract":
            kind = _one_kind(sources, "existing")
        elif scheme == "plant":
            kind = _one_kind(sources, "plants")
        total[kind] = total.get(kind, 0.0) + (spend or 0.0)
    items = context.joint("cost_breakdown").group_by("item", maintain_order=True).agg(pl.col("value").sum())
    for item, value in items.iter_rows():
        if item == "purchase" or not value or value < 0:
            continue
        kind = _one_kind(sources, TABLE_OF_ITEM[item]) if item in TABLE_OF_ITEM else UNTRACED
        total[kind] = total.get(kind, 0.0) + value
    order = (*KINDS, COST_LAW, UNTRACED)
    return tuple((kind, total[kind]) for kind in order if total.get(kind))
