"""The one decision on what a spreadsheet would run: every file that teikei writes asks here."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

GUARD: Final = "'"  # written before text that a spreadsheet would take for a formula

_STARTS: Final = frozenset("=+-@＝＋－＠﹦﹢﹣﹫")
_PLAIN_NUMBER: Final = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.A)


def is_formula(text: str) -> bool:
    """Whether a spreadsheet may run the text: it begins with = + - @ (full-width ones too), and is no plain number.

    Blanks of any width, tabs, line breaks and invisible characters before the sign do not count, for programs that open
    a CSV file drop them. A tab or line break at the very beginning counts by itself.
    """
    return _begins_like_one(text) and not _PLAIN_NUMBER.fullmatch(text)


def guarded(text: str) -> str:
    """The text for a cell that no spreadsheet runs: an apostrophe before what ``is_formula`` finds.

    ``unguarded`` gives back exactly the text, whatever it was.
    """
    quoted = text.startswith(GUARD) and _begins_like_one(text.lstrip(GUARD))
    return GUARD + text if quoted or is_formula(text) else text


def unguarded(text: str) -> str:
    """The text before ``guarded``."""
    return text[1:] if text.startswith(GUARD) and _begins_like_one(text.lstrip(GUARD)) else text


def _begins_like_one(text: str) -> bool:
    if not text:
        return False
    if text[0] in "\t\r\n":
        return True
    for character in text:
        if character in _STARTS:
            return True
        if not character.isspace() and unicodedata.category(character) not in ("Cc", "Cf", "Zs"):
            return False
    return False
