"""Reading the reference tables that ship with the package."""

from __future__ import annotations

import csv
from functools import cache
from importlib import resources


@cache
def reference_rows(folder: str, name: str) -> tuple[dict[str, str], ...]:
    """Rows of ``data/<folder>/<name>`` as text; every file is described in the SOURCES.md beside it."""
    text = resources.files("teikei").joinpath("data", folder, name).read_text("utf-8")
    return tuple(csv.DictReader(text.splitlines()))


def number(text: str) -> float:
    """A number, or 0 for an empty cell."""
    return float(text) if text else 0.0
