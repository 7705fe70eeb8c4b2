"""words.csv: what columns, currencies, multipliers and months are called in English, German and Japanese."""

from __future__ import annotations

import csv
from functools import cache
from importlib import resources


@cache
def vocabulary(kind: str) -> dict[str, str]:
    """Word in small letters -> what it stands for, of one kind: column, currency, multiplier, month, word."""
    text = resources.files("teikei.tables.intake").joinpath("words.csv").read_text("utf-8")
    rows = [row for row in csv.DictReader(text.splitlines()) if row["kind"] == kind]
    return {word: row["value"] for row in rows for word in row["words"].split("|")}


def words_for(value: str) -> frozenset[str]:
    """The words that stand for one thing, such as ``no bid``."""
    return frozenset(word for word, stands_for in vocabulary("word").items() if stands_for == value)
