"""A finished run: its tables, where it lies, and what it says of itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl


@dataclass(frozen=True)
class Run:
    """A stored run.

    tables: name -> table (names and columns: docs/reference/run-tables.md); path: the run's folder; meta: run.json.
    """

    path: Path
    tables: Mapping[str, pl.DataFrame]
    meta: Mapping[str, Any]

    @property
    def report_path(self) -> Path:
        """The page that a planner reads."""
        return self.path / "report.html"
