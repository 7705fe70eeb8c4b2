"""Numbers as people write them: thousands and decimal signs of a locale, currencies, multipliers, units, no bids."""

from __future__ import annotations

import datetime
import re
import unicodedata
from dataclasses import dataclass
from typing import Any, Final

from teikei.tables.intake.vocabulary import vocabulary, words_for
from teikei.tables.messages import number_text, show
from teikei.tables.sheet_facts import BadCell

LOCALES: Final = ("auto", "en", "de", "ja")
_DECIMAL: Final = {"en": ".", "ja": ".", "de": ","}

NO_BID: Final = words_for("no bid") | {""}
INCLUDED: Final = words_for("included")
_CURRENCIES: Final = vocabulary("currency")
_MULTIPLIERS: Final = {word: float(value) for word, value in vocabulary("multiplier").items()}
_PIECES: Final = words_for("pieces")
_BODY: Final = re.compile(r"([+-]?)\s*(\d[\d.,]*|\.\d+)")
_GROUPED: Final = re.compile(r"\d{1,3}(?:[ '’_]\d{3})+(?![\d])")


@dataclass(frozen=True)
class Amount:
    """What a cell says. value: None where it is no number; then ``question`` says what to ask.

    currency, unit: codes and words written beside the number, empty where there are none.
    """

    value: float | None = None
    currency: str = ""
    unit: str = ""
    question: str = ""


def plain(cell: Any) -> str:
    """The text of a cell: narrow letters, single blanks, nothing invisible at the ends."""
    if cell is None:
        return ""
    if isinstance(cell, float | int) and not isinstance(cell, bool):
        return number_text(float(cell))
    if isinstance(cell, datetime.datetime):
        cell = cell.date() if cell.time() == datetime.time() else cell
    return re.sub(r"[ \t\u00a0\u3000\u202f\u2009]+", " ", unicodedata.normalize("NFKC", str(cell))).strip()


def currency_in(text: str) -> str:
    """The one currency that a text such as ``[EUR] FCA Stuttgart`` or ``Price (€)`` names; empty otherwise."""
    words = re.findall(r"[A-Za-z]+\$?|[€¥円$£元₩₹]", plain(text))
    named = {word.upper() for word in words if len(word) == 3 and word.isupper() and word in _CURRENCIES.values()}
    named |= {_CURRENCIES[word] for word in words if word in "€¥円$£元₩₹"}
    return named.pop() if len(named) == 1 else ""


def read_amount(cell: Any, locale: str = "auto") -> Amount:
    """The number of a cell.

    locale: whose thousands and decimal signs texts carry; under ``auto`` a text that means two numbers is a question.
    Percent becomes a fraction; k, 万, Mio and the like multiply.
    """
    if isinstance(cell, BadCell):
        return Amount(question=str(cell))
    if isinstance(cell, bool | datetime.date | datetime.time | datetime.timedelta):
        return Amount(question=f"found {cell}, which is no number")
    if isinstance(cell, int | float):
        return Amount(float(cell))
    text = plain(cell).replace("\u2212", "-")
    joined = _GROUPED.sub(lambda match: re.sub(r"[ '’_]", "", match[0]), text)
    match = re.fullmatch(rf"(?P<before>[^\d+\-.]*?)\s*(?P<body>{_BODY.pattern})\s*(?P<after>[^\d].*)?", joined)
    if match is None:
        return Amount(question=f"found {show(text)}, which is no number")
    before, after = _words(match["before"]), _words(match["after"] or "")
    currency, unit, factor = "", "", 1.0
    for word in (*before, *after):
        low = word.casefold()
        if low in _CURRENCIES:
            currency = _CURRENCIES[low]
        elif low in _MULTIPLIERS:
            factor *= _MULTIPLIERS[low]
        elif low == "%":
            factor, unit = factor / 100, "%"
        elif low in _PIECES:
            unit = "pieces"
        else:
            unit = f"{unit} {word}".strip()
    if before and any(word.casefold() not in _CURRENCIES for word in before):
        return Amount(question=f"found {show(text)}, which is no plain number")
    body = match["body"].replace(" ", "")
    value, question = _value(body, locale)
    if value is None:
        return Amount(None, currency, unit, f"found {show(text)}: {question}")
    scaled = float(f"{value * factor:.15g}") if factor != 1 else value
    return Amount(scaled, currency, unit)


def _words(text: str) -> list[str]:
    return re.findall(r"us\$|%|[€¥円$£元₩₹]|百万|[千万億]|[^\s%€¥円$£元₩₹千万億]+", text.strip(), re.I)


def _value(body: str, locale: str) -> tuple[float | None, str]:
    """The number that digits and signs mean, or None and what to ask."""
    sign = -1.0 if body.startswith("-") else 1.0
    digits = body.lstrip("+-")
    points, commas = digits.count("."), digits.count(",")
    if points + commas == 0:
        return sign * float(digits), ""
    if points and commas:
        decimal = "." if digits.rfind(".") > digits.rfind(",") else ","
    elif points + commas > 1:
        decimal = "," if points else "."  # one sign that stands twice parts thousands
    elif locale != "auto":
        decimal = _DECIMAL[locale]
    else:
        at = "." if points else ","
        whole, fraction = digits.split(at)
        if len(fraction) == 3 and 1 <= len(whole) <= 3 and not whole.startswith("0"):
            both = f"{number_text(float(whole + fraction))} or {number_text(float(f'{whole}.{fraction}'))}"
            sign_name = "point" if points else "comma"
            return None, f"its {sign_name} may part thousands or decimals ({both}), and teikei does not guess"
        decimal = at
    thousands = "," if decimal == "." else "."
    whole, _, fraction = digits.partition(decimal)
    groups = whole.split(thousands)
    grouped = len(groups) == 1 or (1 <= len(groups[0]) <= 3 and all(len(group) == 3 for group in groups[1:]))
    if not grouped or thousands in fraction or decimal in fraction or not "".join(groups) + fraction:
        return None, "its signs do not part thousands and decimals in one way"
    return sign * float(f"{''.join(groups) or '0'}.{fraction or '0'}"), ""
