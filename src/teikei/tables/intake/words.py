"""What columns are called in English, German and Japanese: header text -> what the column holds."""

from __future__ import annotations

import re
from typing import Final

from teikei.tables.intake.amounts import plain
from teikei.tables.intake.vocabulary import vocabulary, words_for

_BY_WORD: Final = vocabulary("column")
TOTALS: Final = words_for("total")
_YEAR: Final = re.compile(r"(?<!\d)(20\d{2}|19\d{2})(?!\d)(?:年度?)?")


def year_in(text: str) -> int | None:
    """The one year in a header such as ``Volume 2028`` or ``2028年度``; None for none or several."""
    years = {int(match[1]) for match in _YEAR.finditer(plain(text))}
    return years.pop() if len(years) == 1 else None


def concept_of(text: str) -> str:
    """What a column with this header holds; empty where the words are not known. Brackets and years do not count."""
    words = plain(text).casefold()
    words = re.sub(r"[\[(（【].*?[\])）】]", " ", words)
    words = _YEAR.sub(" ", words)
    words = re.sub(r"\b(?:eur|jpy|usd|cny|gbp|krw|p\.?a\.?|per year|/yr|/year)\b|[€¥円$£]", " ", words)
    words = re.sub(r"[\s_\-:.*#]+", " ", words).strip(" /")
    if words in _BY_WORD:
        return _BY_WORD[words]
    for part in re.split(r"\s*[/|\n]\s*|\s{1}(?=[^\x00-\x7f])|(?<=[^\x00-\x7f])\s", words):
        if part in _BY_WORD:
            return _BY_WORD[part]
    return ""


def is_total(text: str) -> bool:
    """Whether a row that begins so sums up others."""
    return plain(text).casefold().strip(" :*") in TOTALS
