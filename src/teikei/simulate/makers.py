"""Names of makers: which of the ways a firm is written means a maker of the calibration."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Final

_ALIASES: Final = {
    "mercedes-benz": "mercedes",
    "mercedes benz": "mercedes",
    "daimler": "mercedes",
    "vw": "volkswagen",
    "bayerische motoren werke": "bmw",
    "general": "gm",  # what is left of General Motors
    "general motors": "gm",
    "chevy": "chevrolet",
    "日産": "nissan",
    "日産自動車": "nissan",
    "ホンダ": "honda",
    "本田技研工業": "honda",
    "トヨタ": "toyota",
    "トヨタ自動車": "toyota",
    "マツダ": "mazda",
    "スバル": "subaru",
}
_LEGAL: Final = frozenset(
    {
        "ag", "se", "gmbh", "inc", "co", "corp", "corporation", "company", "ltd", "limited", "llc", "plc", "nv", "spa",
        "kk", "motor", "motors", "group", "usa", "us", "of", "america", "north", "europe", "japan", "auto",
        "automotive", "automobiles", "automobile", "cars", "car", "jidosha", "vehicles", "holding",
    }
)  # fmt: skip


def known_maker(name: str, known: Collection[str]) -> str:
    """The maker of ``known`` (small letters) that a name means: Mercedes-Benz AG, VW, Nissan Motor. Else the name."""
    plain = name.strip().lower()
    if plain in known:
        return plain
    words = re.sub(r"[.,()]", " ", plain).split()
    while words and words[-1] in _LEGAL:
        words.pop()
    short = " ".join(words)
    for candidate in (_ALIASES.get(plain, ""), short, _ALIASES.get(short, "")):
        if candidate and candidate in known:
            return candidate
    return plain
