"""The words of the page in two languages. English stands in the code; ``japanese.csv`` gives the other.

A sentence may hold ``{names}``: the page fills them in, or, where an error has done so already, the sentence is found
again by its fixed words.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Mapping
from functools import cache
from importlib import resources

_BAND = re.compile(r"(-?[\d,.]+) to (-?[\d,.]+)|below (-?[\d,.]+)|(-?[\d,.]+) or more")


@cache
def japanese() -> Mapping[str, str]:
    """English sentence -> Japanese sentence."""
    text = resources.files("teikei.web").joinpath("japanese.csv").read_text("utf-8")
    return {row["en"]: row["ja"] for row in csv.DictReader(io.StringIO(text))}


@cache
def _patterns() -> list[tuple[re.Pattern[str], str]]:
    """Sentences with names as patterns, those with the most fixed words first."""
    named = sorted((one for one in japanese() if "{" in one), key=lambda one: -len(re.sub(r"{\w+}", "", one)))
    found = []
    for sentence in named:
        parts = re.split(r"{(\w+)}", sentence)
        pattern = "".join(f"(?P<{part}>.*)" if place % 2 else re.escape(part) for place, part in enumerate(parts))
        found.append((re.compile(pattern, re.S), japanese()[sentence]))
    return found


def in_japanese(sentence: str) -> str:
    """A sentence in Japanese, also where its names have been filled in already; itself where nothing fits."""
    found = japanese().get(sentence) or _band(sentence)
    if found is not None or len(sentence) > 500:
        return found or sentence
    for pattern, other in _patterns():
        match = pattern.fullmatch(sentence)
        if match is not None:
            return other.format(**match.groupdict())
    return sentence


def _band(text: str) -> str | None:
    """The band of a release, as ``band_text`` writes it."""
    found = _BAND.fullmatch(text)
    if found is None:
        return None
    low, high, below, above = found.groups()
    return f"{low} 以上 {high} 未満" if low else f"{below} 未満" if below else f"{above} 以上"


def translator(language: str) -> Callable[..., str]:
    """A function from an English sentence (with ``{names}``) to the sentence in ``language``."""

    def say(sentence: str, **names: object) -> str:
        if language == "ja":
            sentence = in_japanese(sentence) if not names else japanese().get(sentence, sentence)
        return sentence.format(**names) if names else sentence

    return say
