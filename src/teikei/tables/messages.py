"""The words of a problem: values shown safely, the closest match, problems as text and as JSON."""

from __future__ import annotations

import difflib
import json
import re
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Any, Final

from teikei.errors import Problem

SHOWN_LENGTH: Final = 60
_LISTED_CHOICES: Final = 16
_LISTED_OF_MANY: Final = 8


def show(value: object) -> str:
    """A value as it stands in a message: in quotes if text, on one line, shortened, nothing invisible."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.10g}"
    if isinstance(value, list | tuple):
        return show("; ".join(str(part) for part in value))
    if isinstance(value, str):
        return f'"{one_line(shorten(value))}"'
    return one_line(shorten(str(value)))


def shorten(text: str, length: int = SHOWN_LENGTH) -> str:
    """The text, cut with an ellipsis where it is longer than ``length`` characters."""
    return text if len(text) <= length else text[: length - 1] + "…"


def one_line(text: str) -> str:
    r"""The text with line breaks, control and direction characters written as escapes such as \n."""
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() or character == "\u3000" else character.encode("unicode_escape").decode()
        for character in text
    )


def closest(word: str, choices: Iterable[str], cutoff: float = 0.6) -> str | None:
    """The choice most like ``word`` (case and width of letters do not count), or None."""
    by_plain: dict[str, str] = {}
    for choice in choices:
        by_plain.setdefault(plain_word(choice), choice)
    plain = plain_word(shorten(word, 200))
    if plain in by_plain:
        return by_plain[plain]
    found = difflib.get_close_matches(plain, by_plain, n=1, cutoff=cutoff)
    return by_plain[found[0]] if found else None


def suggest(word: str, choices: Iterable[str]) -> str:
    """The end of a sentence about an unknown word: the closest match, or the list of what there is."""
    known = list(dict.fromkeys(choices))
    match = closest(word, known)
    if match is not None:
        return f"; did you mean {show(match)}?"
    return f"; expected {listed(known)}" if known else ""


def listed(choices: Sequence[str]) -> str:
    """Choices in one phrase; of many, the first few."""
    most = _LISTED_CHOICES if len(choices) <= _LISTED_CHOICES else _LISTED_OF_MANY
    shown = ", ".join(one_line(shorten(choice, 40)) for choice in choices[:most])
    rest = len(choices) - most
    return ("one of " if len(choices) > 1 else "") + shown + (f" … and {rest} more" if rest > 0 else "")


def number_text(value: float) -> str:
    """A number as a person would type it, with every digit it has."""
    return str(int(value)) if float(value).is_integer() and abs(value) < 1e15 else repr(float(value))


def plain_word(word: str) -> str:
    """A name as people mean it: width and case of letters, blanks, hyphens and underscores do not count."""
    return re.sub(r"[\s_\-]+", "_", unicodedata.normalize("NFKC", word).casefold().strip())


_PLACE_FOLDER: Final = re.compile(r"^(?P<file>.+?):(?P<line>\d+)(?::(?P<column>.*))?$", re.S)
_PLACE_WORKBOOK: Final = re.compile(r"^(?P<file>[^!]+)!(?P<sheet>[^!]+)(?:!(?P<cell>[^!]+))?$", re.S)


def format_problems_text(problems: Iterable[Problem]) -> str:
    """One unwrapped line per problem, ``PLACE: message``; empty text where there is none."""
    return "\n".join(one_line(str(problem)) for problem in problems)


def format_problems_json(problems: Iterable[Problem]) -> str:
    """The problems as JSON: counts, and of each the severity, place, its parts (null where there are none), message."""
    rows = [_as_json(problem) for problem in problems]
    errors = sum(row["severity"] == "error" for row in rows)
    document = {"format": 1, "errors": errors, "warnings": len(rows) - errors, "problems": rows}
    return json.dumps(document, ensure_ascii=False, indent=2)


def _as_json(problem: Problem) -> dict[str, Any]:
    parts: dict[str, Any] = {"file": one_line(problem.place), "line": None, "column": None, "sheet": None, "cell": None}
    if match := _PLACE_WORKBOOK.match(problem.place) or _PLACE_FOLDER.match(problem.place):
        parts |= {name: value if value is None else one_line(value) for name, value in match.groupdict().items()}
        if parts["line"] is not None:
            parts["line"] = int(parts["line"])
    severity = "warning" if problem.warning else "error"
    return {"severity": severity, "place": one_line(problem.place), **parts, "message": one_line(problem.message)}
