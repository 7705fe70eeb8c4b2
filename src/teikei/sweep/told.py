"""What the page of a sweep is told from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from teikei.report.formatting import Money

MOST_ROWS = 14


@dataclass(frozen=True)
class Told:
    """Tables and record of a sweep, and the unit its money is shown in."""

    tables: Mapping[str, pl.DataFrame]
    record: Mapping[str, Any]
    money: Money

    def bands(self, kind: str, **where: str) -> pl.DataFrame:
        """Rows of the bands of one kind."""
        rows = self.tables["bands"].filter(pl.col("kind") == kind)
        for column, value in where.items():
            rows = rows.filter(pl.col(column) == value)
        return rows

    @property
    def best(self) -> str:
        """The rung with the largest mean saving; empty where no rung was planned."""
        rows = self.bands("saving").sort("mean", descending=True, maintain_order=True)
        return str(rows["rung"][0]) if rows.height else ""

    @property
    def done(self) -> int:
        """Samples behind the bands."""
        return int(self.record["counts"]["bands"]["done"])

    @property
    def noise(self) -> float:
        """Share of the variance below which a first-order index of so few samples says nothing."""
        return min(1.0, 4.0 / max(self.done, 4))
