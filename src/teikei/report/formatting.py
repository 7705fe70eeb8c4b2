"""How numbers are written: billions from millions, a real minus, as many digits as carry a message."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final, TypeGuard

MINUS: Final = "\u2212"
NO_BREAK_SPACE: Final = "\u00a0"
MISSING: Final = "–"


def is_number(value: Any) -> TypeGuard[float]:
    """Whether the value is a finite number (booleans are not)."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def decimals_for(values: Iterable[float | None], *, most: int = 3) -> int:
    """Decimals that give the largest of the values three to four significant digits: one choice for a whole column."""
    largest = max((abs(value) for value in values if value is not None and math.isfinite(value)), default=0.0)
    if largest == 0.0:
        return 0
    digits_before_point = math.floor(math.log10(largest)) + 1
    if digits_before_point >= 4:
        return 0
    return 1 if digits_before_point >= 2 else min(most, 3 - digits_before_point)


def number(value: float | None, decimals: int | None = None, *, sign: bool = False) -> str:
    """A number with thousands separators and a real minus; a dash where there is none."""
    if value is None or not math.isfinite(value):
        return MISSING
    places = decimals_for([value]) if decimals is None else decimals
    text = f"{abs(value):,.{places}f}"
    rounds_to_zero = float(text.replace(",", "")) == 0.0
    if value < 0 and not rounds_to_zero:
        return MINUS + text
    return f"+{text}" if sign and not rounds_to_zero else text


def percent(fraction: float | None, decimals: int = 1, *, sign: bool = False) -> str:
    """A fraction as per cent: 0.046 is ``4.6 %``."""
    if fraction is None or not math.isfinite(fraction):
        return MISSING
    return f"{number(fraction * 100, decimals, sign=sign)}{NO_BREAK_SPACE}%"


def two_digits(fraction: float | None) -> str:
    """A fraction as per cent with two significant digits and no sign of per cent: 0.1593 is ``16``, 0.0125 ``1.2``.

    For the ends of a band: draws do not tell a third digit.
    """
    if fraction is None or not math.isfinite(fraction):
        return MISSING
    value = 100 * fraction
    rounded = float(f"{value:.2g}")
    return number(rounded, max(0, 1 - math.floor(math.log10(abs(rounded)))) if rounded else 0)


def points(difference: float | None, decimals: int = 2) -> str:
    """A difference of two fractions in percentage points, signed."""
    if difference is None or not math.isfinite(difference):
        return MISSING
    return f"{number(difference * 100, decimals, sign=True)}{NO_BREAK_SPACE}points"


def in_words(value: float) -> str:
    """A large figure as it is said, three digits of it: 3,358,453 is ``3.36 million``, 12,345 is ``12,300``."""
    if abs(value) >= 1e6:
        return f"{number(value / 1e6)} million"
    digits = math.floor(math.log10(abs(value))) + 1 if value else 0
    return number(round(value, 3 - digits), max(0, 3 - digits))


def text_of(value: Any) -> str:
    """Any cell as text for a reader: lists joined, booleans as yes and no, empty as a dash."""
    if value is None:
        return MISSING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return plain(value)
    if isinstance(value, int):
        return str(value)
    if isinstance(value, list | tuple):
        return "; ".join(text_of(part) for part in value) or MISSING
    return str(value)


def plain(value: float) -> str:
    """A figure of unknown kind: up to four significant digits, whole if it is whole."""
    if not math.isfinite(value):
        return MISSING
    if value == int(value) and abs(value) < 1e15:
        return number(value, 0)
    digits_before_point = math.floor(math.log10(abs(value))) + 1
    text = number(value, max(0, min(6, 4 - digits_before_point)))
    return text.rstrip("0").rstrip(".") if "." in text else text


@dataclass(frozen=True, slots=True)
class Money:
    """The unit money is shown in: tables hold millions, a planner reads billions where the study is large enough."""

    currency: str
    per_unit_millions: float

    @property
    def label(self) -> str:
        """``bn JPY`` or ``million JPY``."""
        return f"{'bn' if self.per_unit_millions == 1000.0 else 'million'} {self.currency}"

    def scaled(self, millions: float | None) -> float | None:
        """The value in the unit shown."""
        return None if millions is None or not math.isfinite(millions) else millions / self.per_unit_millions

    def text(self, millions: float | None, decimals: int | None = None, *, sign: bool = False) -> str:
        """The number alone, in the unit shown."""
        return number(self.scaled(millions), decimals, sign=sign)

    def full(self, millions: float | None, decimals: int | None = None, *, sign: bool = False) -> str:
        """The number with its unit."""
        return f"{self.text(millions, decimals, sign=sign)}{NO_BREAK_SPACE}{self.label}"

    def decimals(self, values_millions: Iterable[float | None]) -> int:
        """Decimals for a column of values in millions."""
        return decimals_for(self.scaled(value) for value in values_millions)


def money_for(currency: str, values_millions: Iterable[float | None]) -> Money:
    """Billions where the largest value reaches one billion, else millions."""
    largest = max((abs(value) for value in values_millions if value is not None and math.isfinite(value)), default=0.0)
    return Money(currency, 1000.0 if largest >= 1000.0 else 1.0)


def listed(parts: Iterable[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    words = list(parts)
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} and {words[-1]}"
