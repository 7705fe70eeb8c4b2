"""Which passphrases are taken: long, not one that guessers try first, not made of what everybody knows of its owner.

Guessers try known passphrases and their usual dress (capitals, digits at the ends, ``@`` for ``a``), runs of the
keyboard, and names from around the account. A passphrase is refused if nothing of eight letters remains once all that
is taken away. No rule asks for digits or signs: length is what counts (OWASP ASVS 5, 6.2).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from importlib import resources
from typing import Final

from teikei.errors import StudyError

SHORTEST: Final = 12
LONGEST: Final = 200
LEAST_LEFT: Final = 5  # letters that must remain beside common words, names and runs
MOST_SAME: Final = 5  # different characters that a passphrase needs

_ROWS: Final = ("1234567890", "qwertyuiop", "qwertzuiop", "azertyuiop", "asdfghjkl", "zxcvbnm", "yxcvbnm")
_ALPHABET: Final = "abcdefghijklmnopqrstuvwxyz"
_COLUMNS: Final = "1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik9ol0p"
_ZIGZAG: Final = ("1q2w3e4r5t6y7u8i9o0p", "q1w2e3r4t5y6u7i8o9p0")
_RUNS: Final = tuple(run for one in (*_ROWS, _ALPHABET, _COLUMNS, *_ZIGZAG) for run in (one, one[::-1]))
_DRESS: Final = str.maketrans("@4301!5$7+", "aaeoiisstt")


@cache
def common_words() -> frozenset[str]:
    """Stems of the passphrases that guessers try first, in several languages; written down for this file."""
    return frozenset(resources.files("teikei.web").joinpath("common_words.txt").read_text("utf-8").split())


def refuse_weak(passphrase: str, known: Iterable[str]) -> None:
    """Raises StudyError with what to change. known: sign-in name, name, company and the like of its owner."""
    if not SHORTEST <= len(passphrase) <= LONGEST:
        raise StudyError(f"the passphrase has at least {SHORTEST} characters (and at most {LONGEST})")
    if is_weak(passphrase, known):
        raise StudyError(
            "this passphrase is easily guessed (common words, names around you, a run of keys); take your own sentence"
        )


def is_weak(passphrase: str, known: Iterable[str]) -> bool:
    """Whether too little remains of a passphrase without common words, known names and runs of keys."""
    plain = passphrase.casefold()
    if len(set(plain)) < MOST_SAME or _is_repeated(plain):
        return True
    words = {part for text in known for part in re.split(r"[\W_\d]+", text.casefold()) if len(part) >= 3}
    words |= {re.sub(r"[\W_]+", "", text.casefold()) for text in known if len(text) >= 3}
    forms = (plain, plain.translate(_DRESS), re.sub(r"[\W_\d]+$", "", plain).translate(_DRESS))
    return any(_left(form, common_words() | words | {"teikei"}) < LEAST_LEFT for form in forms)


def _is_repeated(text: str) -> bool:
    return any(len(text) % size == 0 and text == text[:size] * (len(text) // size) for size in range(1, 5)) or (
        len(text) % 2 == 0 and text[: len(text) // 2] == text[len(text) // 2 :] and len(text) < 2 * SHORTEST
    )


def _left(text: str, words: frozenset[str] | set[str]) -> int:
    """Fewest characters that cover no word, run, digit or sign."""
    best = [0] * (len(text) + 1)
    for end in range(1, len(text) + 1):
        free = 0 if not text[end - 1].isalpha() else 1
        best[end] = best[end - 1] + free
        for start in range(max(0, end - 24), end - 2):
            piece = text[start:end]
            if best[start] < best[end] and (piece in words or _is_run(piece)):
                best[end] = best[start]
    return best[-1]


def _is_run(piece: str) -> bool:
    return len(piece) >= 4 and (len(set(piece)) == 1 or any(piece in run for run in _RUNS))
