"""The words of the page in two languages. English stands in the templates; ``japanese.csv`` gives the other."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping
from functools import cache
from importlib import resources


@cache
def japanese() -> Mapping[str, str]:
    """English sentence -> Japanese sentence."""
    text = resources.files("teikei.web").joinpath("japanese.csv").read_text("utf-8")
    return {row["en"]: row["ja"] for row in csv.DictReader(io.StringIO(text))}


def translator(language: str) -> Callable[..., str]:
    """A function from an English sentence (with ``{names}``) to the sentence in ``language``."""

    def say(sentence: str, **names: object) -> str:
        found = japanese().get(sentence, sentence) if language == "ja" else sentence
        return found.format(**names) if names else found

    return say
