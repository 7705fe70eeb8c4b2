"""Small studies for tests, built from rows without any file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from teikei.study.types import Settings, Study
from teikei.tables.columns import all_columns, frame


def make_study(settings: dict[str, Any] | None = None, **tables: list[dict[str, Any]]) -> Study:
    """A study from rows; tables that are left out are empty. Nothing is checked."""
    defaults = {
        "format": 1,
        "name": "test",
        "price_year": 2026,
        "base_year": 2026,
        "first_year": 2027,
        "last_year": 2030,
    }
    return Study(
        settings=Settings(**{**defaults, **(settings or {})}),
        tables={name: frame(name, tables.get(name, [])) for name in all_columns()},
        path=Path("test"),
    )
