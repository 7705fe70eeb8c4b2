"""One cell: from what stands in the file to a typed value, or a sentence that says what to type instead."""

from __future__ import annotations

import datetime
import math
import re
import unicodedata
from dataclasses import dataclass
from typing import Any, Final

from teikei.tables.columns import LIST_SEPARATOR, Column
from teikei.tables.formula_guard import unguarded
from teikei.tables.messages import listed, number_text, show, suggest
from teikei.tables.write import LONGEST_TEXT

FIRST_YEAR: Final = 1900
LAST_YEAR: Final = 2200

_BOOLEANS: Final = {"yes": True, "no": False, "true": True, "false": False, "1": True, "0": False}
NUMERIC_KINDS: Final = ("number", "integer", "year", "period")
_YEAR: Final = re.compile(r"(?:FY\s*)?(\d{4})(?:\s*(?:FY|年度?|年?会計年度))?", re.I | re.A)
_ERA_YEAR: Final = re.compile(r"令和\s*(\d{1,2}|元)\s*年度?", re.A)
_FIRST_OF_REIWA: Final = 2019
_AMBIGUOUS_POINT: Final = re.compile(r"[+-]?[1-9]\d{0,2}\.\d{3}", re.A)
CURRENCY_SIGNS: Final[dict[str, tuple[str, ...]]] = {
    "¥": ("JPY", "CNY"),
    "円": ("JPY",),
    "元": ("CNY",),
    "€": ("EUR",),
    "£": ("GBP",),
    "$": ("USD", "CAD", "AUD", "MXN", "SGD", "HKD", "TWD"),
    "₩": ("KRW",),
    "₹": ("INR",),
    "฿": ("THB",),
}
_SIGN: Final = f"([{''.join(CURRENCY_SIGNS)}]?)"
_SIGNED: Final = re.compile(rf"{_SIGN}\s*([+-]?[\d.][\d.eE]*)\s*{_SIGN}", re.A)
_NUMBER: Final = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
_THOUSANDS: Final = re.compile(r"[+-]?\d{1,3}(?:,\d{3})+")
_MONTH: Final = re.compile(r"(\d{4})-(0[1-9]|1[0-2])")
_EMPTY_WORDS: Final = frozenset(
    {"-", "–", "—", "n/a", "na", "#n/a", "none", "null", "nil", "tbd", "?", "nan", "unknown", "未定", "なし", "―", "ー"}
)


@dataclass(frozen=True, slots=True)
class Cell:
    """What a cell holds: its typed value, or an error; and a note on anything that was read with care."""

    value: Any = None
    error: str = ""
    note: str = ""
    sign: str = ""  # of a currency, left out of an amount of money


def read_cell(column: Column, raw: Any) -> Cell:
    """The typed value of a raw cell (text of a CSV, or a value of Excel), or a sentence on what is wrong with it."""
    if isinstance(raw, str):
        return _read_text(column, raw)
    if raw is None:
        return empty_cell(column)
    if isinstance(raw, bool):
        return _read_boolean(column, raw)
    if isinstance(raw, int | float):
        return _read_excel_number(column, raw)
    if isinstance(raw, datetime.date | datetime.time | datetime.timedelta):
        return _read_excel_date(column, raw)
    return Cell(error=f"found {show(raw)}, expected {expected(column)}")


def is_plain_number(text: str) -> bool:
    """Whether a text is a number that every reader takes in one way: ASCII digits, a decimal point, an exponent."""
    return text.isascii() and _NUMBER.fullmatch(text) is not None


def plain_number(text: str) -> float:
    """The number of a text by the law of cells (full-width digits too). Raises ValueError where it is none.

    For files that are no tables of columns.csv: vehicles, cycles.
    """
    plain = unicodedata.normalize("NFKC", text).strip()
    if not is_plain_number(plain) or not math.isfinite(float(plain)):
        raise ValueError(text)
    return float(plain)


def expected(column: Column) -> str:
    """What a cell of this column should hold, in words: type, unit, range, choices."""
    unit = f" in {column.unit}" if column.unit else ""
    match column.kind:
        case "number":
            return f"a number{unit}{_range_words(column)}"
        case "integer":
            return f"a whole number{unit}{_range_words(column)}"
        case "year":
            return "a year such as 2027"
        case "period":
            return "a year such as 2027, or the whole number of a period"
        case "month":
            return "a month such as 2027-04"
        case "boolean":
            return "yes or no"
        case "choice":
            return listed(column.values)
        case "list":
            return "a list separated by ;"
    return "text"


def _range_words(column: Column) -> str:
    low, high = column.minimum, column.maximum
    if low is not None and high is not None:
        return f" from {number_text(low)} to {number_text(high)}"
    if low is not None:
        return f" of at least {number_text(low)}"
    return f" of at most {number_text(high)}" if high is not None else ""


def empty_cell(column: Column) -> Cell:
    """The default of the column, or an error where a value is required."""
    if column.required and column.default == "":
        return Cell(error=f"the cell is empty, expected {expected(column)}: fill it in")
    return Cell(column.default_value())


def _read_text(column: Column, raw: str) -> Cell:
    text = raw.strip()
    if not text:
        return empty_cell(column)
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    if not text.isprintable() and (control := _control_character(text)):
        return Cell(
            error=f"found an invisible control character ({control}) in {show(text)}: delete the cell, type it again"
        )
    if len(text) > LONGEST_TEXT:
        return Cell(error=f"found {len(text)} characters, expected at most {LONGEST_TEXT}: shorten the text")
    note = ""
    if column.kind in ("text", "list"):
        text = unguarded(text)
    if not text.isascii() and (column.kind != "text" or column.key or column.references):
        plain = unicodedata.normalize("NFKC", text).strip()
        if plain != text:
            note = f"found full-width or compatibility characters in {show(text)}, read as {show(plain)}"
            text = plain
    sign, plain = _without_words(column, text)
    value, error = _typed(column, plain)
    if plain != text:
        note = f"found {show(raw.strip())}, read as {plain}"
    return Cell(value, error, "" if error else note, "" if error else sign)


def _without_words(column: Column, text: str) -> tuple[str, str]:
    """(currency sign, number) of an amount such as ¥20.2 or of a year such as 2027年度; else nothing and the text."""
    if column.kind in ("year", "period") and not text.isdigit():
        if match := _YEAR.fullmatch(text):
            return "", match[1]
        if match := _ERA_YEAR.fullmatch(text):
            return "", str(_FIRST_OF_REIWA - 1 + (1 if match[1] == "元" else int(match[1])))
    is_money = "currency" in column.unit and not column.unit.startswith("million")
    if column.kind == "number" and is_money and (match := _SIGNED.fullmatch(text)) and bool(match[1]) != bool(match[3]):
        sign = match[1] or match[3]
        if _NUMBER.fullmatch(match[2]) and not ambiguous_point(match[2]):
            return sign, match[2]
    return "", text


def ambiguous_point(text: str) -> str:
    """What to ask where a text such as 1.290 may be a decimal or thousands of another country; else nothing."""
    plain = unicodedata.normalize("NFKC", text).strip()
    if not _AMBIGUOUS_POINT.fullmatch(plain):
        return ""
    whole, decimal = plain.replace(".", ""), number_text(float(plain))
    return (
        f"found the text {show(text.strip())}: its point may stand before decimals ({decimal}) or between thousands "
        f"({whole}), and teikei does not guess: type it as a number"
    )


def _control_character(text: str) -> str:
    for character in text:
        odd = unicodedata.category(character) in ("Cc", "Cs") or character in "\ufffe\uffff"
        if odd and character not in "\n\t":
            return f"U+{ord(character):04X}"
    return ""


def _typed(column: Column, text: str) -> tuple[Any, str]:
    match column.kind:
        case "number":
            return _number(column, text)
        case "integer" | "year" | "period":
            value, error = _number(column, text)
            return (None, error) if error else _whole(column, value)
        case "boolean":
            found = _BOOLEANS.get(text.casefold())
            return found, "" if found is not None else f"found {show(text)}, expected yes or no"
        case "choice":
            if text in column.values:
                return text, ""
            return None, f"found {show(text)}, expected {expected(column)}{_did_you_mean(text, column.values)}"
        case "month":
            return (text, "") if _MONTH.fullmatch(text) else (None, _explain_month(text))
        case "list":
            return [part.strip() for part in text.split(LIST_SEPARATOR) if part.strip()], ""
    return text, ""


def _did_you_mean(text: str, choices: tuple[str, ...]) -> str:
    words = suggest(text, choices)
    return words if "did you mean" in words else ""


def _number(column: Column, text: str) -> tuple[float | None, str]:
    if not is_plain_number(text):
        return None, explain_number(column, text)
    value = float(text)
    if not math.isfinite(value):
        return None, f"found {show(text)}, which is too large to compute with; expected {expected(column)}"
    error = _outside(column, value)
    return (None, error) if error else (value, "")


def _outside(column: Column, value: float) -> str:
    if (column.minimum is not None and value < column.minimum) or (
        column.maximum is not None and value > column.maximum
    ):
        hint = ""
        if column.maximum == 1 and 1 < value <= 100:
            hint = f": a share is written as a fraction, {number_text(value / 100)} for {number_text(value)} %"
        return f"found {number_text(value)}, expected {expected(column)}{hint}"
    return ""


def _whole(column: Column, value: float | None) -> tuple[int | None, str]:
    if value is None or not float(value).is_integer():
        return None, f"found {show(value)}, expected {expected(column)}"
    if column.kind == "year" and not FIRST_YEAR <= value <= LAST_YEAR:
        return None, f"found {number_text(value)}, expected {expected(column)} ({FIRST_YEAR} to {LAST_YEAR})"
    if abs(value) > 2**53:
        return None, f"found {number_text(value)}, expected {expected(column)}: the number is too large"
    return int(value), ""


def explain_number(column: Column, text: str) -> str:
    """Why a text is no number of this column, and what to type instead. It never guesses what was meant."""
    found = f"found {show(text)}, expected {expected(column)}"
    body = text.replace("\u2212", "-").replace("−", "-")
    if body.casefold() in _EMPTY_WORDS:
        return f"{found}: " + (
            "give the figure" if column.required else "leave the cell empty where there is no figure"
        )
    if re.fullmatch(r"[+-]?(nan|inf|infinity)", body.casefold()):
        return f"{found}: leave no infinite or undefined number"
    if body != text and _NUMBER.fullmatch(body):
        return f"{found}: write the minus sign as a plain hyphen, {body}"
    comma = _explain_comma(body)
    if comma:
        return f"{found}: {comma}"
    if re.fullmatch(r"[+-]?\d[\d\s_'’]*\d(\.\d+)?", body):
        joined = re.sub(r"[\s_'’]", "", body)
        return f"{found}: write {joined} without blanks or marks between the digits"
    if match := re.fullmatch(r"([+-]?[\d.,]+)\s*[%％]", body):
        return f"{found}: {_explain_percent(column, match[1])}"
    if match := re.fullmatch(r"([+-]?[\d.,]+(?:[eE][+-]?\d+)?)\s*([^\d\s].*)", body):
        return f"{found}: {_explain_unit(column, match[1], match[2])}"
    if match := re.fullmatch(r"(\D+?)\s*([+-]?\d[\d.,]*)", body):
        return f"{found}: {_explain_unit(column, match[2], match[1])}"
    if len(re.findall(r"\.", body)) > 1 and re.fullmatch(r"[\d.]+", body):
        return f"{found}: a number has one decimal point at most and no marks between thousands"
    return found


def _explain_comma(text: str) -> str:
    if "," not in text or not re.fullmatch(r"[+-]?[\d.,]+", text):
        return ""
    if re.fullmatch(r"[+-]?\d{1,3},\d{3}", text):
        whole, decimal = text.replace(",", ""), text.replace(",", ".")
        return f"the comma may mean {whole} or {decimal}, and teikei does not guess: write one of the two"
    if _THOUSANDS.fullmatch(text.partition(".")[0]) and text.count(".") <= 1:
        return f"write {text.replace(',', '')} without commas between thousands"
    if re.fullmatch(r"[+-]?\d*,\d+", text):
        return f"decimals take a point, write {text.replace(',', '.')}"
    if re.fullmatch(r"[+-]?\d{1,3}(\.\d{3})+,\d+", text):
        return f"write {text.replace('.', '').replace(',', '.')} (decimal point, no marks between thousands)"
    return "write digits with at most one decimal point and no commas"


def _explain_percent(column: Column, number: str) -> str:
    if not _NUMBER.fullmatch(number):
        return "write a plain number without the percent sign"
    if column.unit == "" and column.maximum is None:
        return f"write {number} without the percent sign if the unit of the row is percent, else the fraction"
    return f"write the fraction {number_text(float(f'{float(number) / 100:.12g}'))} instead of {number} %"


def _explain_unit(column: Column, number: str, unit: str) -> str:
    plain = _NUMBER.fullmatch(number) is not None
    if not plain:
        return "write the plain number only, with a decimal point and without the unit"
    if column.unit and unit.strip().casefold() != column.unit.casefold():
        return (
            f"write the number only; the column is in {column.unit}, convert from {show(unit)} if that is another unit"
        )
    return f"write {number} only; the unit stands in the column's description"


def _explain_month(text: str) -> str:
    found = f"found {show(text)}, expected a month such as 2027-04"
    if match := re.fullmatch(r"(\d{4})[-/.年]\s*(\d{1,2})(?:[-/.月]\s*(\d{1,2})日?|月)?", text):
        month = int(match[2])
        if 1 <= month <= 12:
            return f"{found}: write {match[1]}-{month:02d}"
    if re.fullmatch(r"\d{4}", text):
        return f"{found}: add the month, for instance {text}-04"
    return found


def _read_boolean(column: Column, raw: bool) -> Cell:
    if column.kind == "boolean":
        return Cell(raw)
    if column.kind == "text" and not column.key and not column.references:
        return Cell("yes" if raw else "no")
    return Cell(error=f"found the Excel value {'TRUE' if raw else 'FALSE'}, expected {expected(column)}")


def _read_excel_number(column: Column, raw: float) -> Cell:
    if not math.isfinite(raw):
        return Cell(error=f"found {raw}, expected {expected(column)}")
    if column.kind == "number":
        error = _outside(column, float(raw))
        return Cell(None if error else float(raw), error)
    if column.kind in ("integer", "year", "period"):
        whole, error = _whole(column, float(raw))
        error = error or _outside(column, float(raw))
        return Cell(None if error else whole, error)
    if column.kind == "boolean" and raw in (0, 1):
        return Cell(bool(raw))
    return _read_text(column, number_text(raw))


def _read_excel_date(column: Column, raw: datetime.date | datetime.time | datetime.timedelta) -> Cell:
    if isinstance(raw, datetime.date):
        if column.kind == "month":
            return Cell(f"{raw.year:04d}-{raw.month:02d}")
        if column.kind == "text" and not column.key and not column.references:
            day = raw.date() if isinstance(raw, datetime.datetime) else raw
            return Cell(day.isoformat())
    shown = str(raw)
    return Cell(
        error=f"found the Excel date {shown}, expected {expected(column)}: Excel has turned the entry into a date; "
        "set the cell's number format to General (or Text) and type the value again"
    )
