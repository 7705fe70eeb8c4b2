"""Games kept in files: read with every problem at once, solved, written (``teikei split``)."""

from __future__ import annotations

import difflib
import json
import math
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np

from teikei.errors import Problem, StudyError
from teikei.split.airport import AirportType, airport_rules
from teikei.split.game import KINDS, MAX_PLAYERS, members
from teikei.split.rule_shares import rules
from teikei.split.types import Game, Vector

FORMAT: Final = 1
SHOWN: Final = 5  # how many of many missing coalitions are named


def split_file(game_json: Path | str, out_json: Path | str) -> dict[str, Any]:
    """Read a game, share it by every rule, write the result (formats: docs/reference/formats.md) and return it.

    Raises StudyError with every problem of the file, each with its place.
    """
    source, target = Path(game_json), Path(out_json)
    game = read_game(source)
    result = rules(game) if isinstance(game, Game) else airport_rules(game)
    kind = game.kind if isinstance(game, Game) else "airport_typed"
    players = game.players if isinstance(game, Game) else [one.name for one in game]
    document = {"format": FORMAT, "kind": kind, "players": list(players), **result}
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n", "utf-8")
    except OSError as error:
        raise StudyError([Problem(str(target), f"cannot be written: {error.strerror}")]) from None
    return document


def read_game(path: Path | str) -> Game | tuple[AirportType, ...]:
    """The game of a file: a coalition table, or the types of an airport game. Raises StudyError with all problems."""
    path = Path(path)
    try:
        text = path.read_text("utf-8-sig")
    except OSError as error:
        raise StudyError([Problem(str(path), f"cannot be read: {error.strerror}")]) from None
    except UnicodeDecodeError as error:
        raise StudyError([Problem(str(path), f"is not UTF-8 text (byte {error.start}): save it as UTF-8")]) from None
    reader = _Reader(path.name, text)
    game = reader.read()
    if reader.problems:
        raise StudyError(reader.problems)
    assert game is not None  # noqa: S101  read() returns None only with a problem
    return game


class _Pairs(list[tuple[str, Any]]):
    """The members of one JSON object in order, doubled names included."""


@dataclass
class _Reader:
    name: str
    text: str
    problems: list[Problem] = field(default_factory=list)

    def complain(self, key: str, message: str, occurrence: int = 0) -> None:
        """Note a problem at ``file:line:key``; the line is that of the key's occurrence in the text."""
        leaf = json.dumps(key.rsplit("values.", 1)[-1] if key.startswith("values.") else key, ensure_ascii=False)
        found = [match.start() for match in re.finditer(re.escape(leaf) + r"\s*:", self.text)]
        at = found[min(occurrence, len(found) - 1)] if found else 0
        self.problems.append(Problem(f"{self.name}:{self.text.count(chr(10), 0, at) + 1}:{key}", message))

    def read(self) -> Game | tuple[AirportType, ...] | None:
        try:
            document = json.loads(self.text, object_pairs_hook=_Pairs)
        except json.JSONDecodeError as error:
            place = f"{self.name}:{error.lineno}:{error.colno}"
            self.problems.append(Problem(place, f"is not JSON: {error.msg}"))
            return None
        except RecursionError:
            self.problems.append(Problem(self.name, "is nested too deeply for a game"))
            return None
        if not isinstance(document, _Pairs):
            self.problems.append(Problem(f"{self.name}:1", "expected an object with players, kind and values"))
            return None
        fields: dict[str, Any] = {}
        for key, value in document:
            if key in fields:
                self.complain(key, f"{key} stands twice: keep one", occurrence=1)
            fields[key] = value
        if "format" in fields and fields["format"] != FORMAT:
            self.complain("format", f"format is {fields['format']!r}: this version reads format {FORMAT}")
        kind = fields.get("kind")
        if kind == "airport_typed":
            return self._airport(fields.get("types"))
        if "kind" not in fields:
            self.complain("kind", "is missing: expected cost, profit or airport_typed")
        elif kind not in KINDS:
            close = difflib.get_close_matches(str(kind), [*KINDS, "airport_typed"], 1)
            hint = f"; did you mean {close[0]}?" if close else ""
            self.complain("kind", f"kind is {kind!r}, expected cost, profit or airport_typed{hint}")
        players = self._players(fields.get("players"))
        values = self._values(fields.get("values"), players)
        if self.problems or players is None or values is None:
            return None
        return Game.of(players, str(kind), values)

    def _players(self, listed: Any) -> tuple[str, ...] | None:
        if not isinstance(listed, list) or isinstance(listed, _Pairs) or not listed:
            self.complain("players", "expected a list of at least one player name")
            return None
        before = len(self.problems)
        names: list[str] = []
        for item in listed:
            if isinstance(item, bool) or not isinstance(item, str | int):
                self.complain("players", f"player {item!r} is not a name: expected text")
                continue
            name = str(item).strip()
            if not name or "," in name:
                self.complain("players", f"player {name!r}: expected a name without comma (a comma separates players)")
            elif name in names:
                self.complain("players", f"player {name!r} is named twice: name each player once")
            names.append(name)
        if len(names) > MAX_PLAYERS:
            self.complain(
                "players", f"{len(names)} players: at most {MAX_PLAYERS}, or kind airport_typed for many of few types"
            )
        return tuple(names) if len(self.problems) == before else None

    def _values(self, listed: Any, players: tuple[str, ...] | None) -> Vector | None:
        if not isinstance(listed, _Pairs):
            self.complain(
                "values", 'expected an object: players joined by a comma -> number, such as {"A": 1, "A,B": 3}'
            )
            return None
        known = {name: 1 << index for index, name in enumerate(players or ())}
        table = np.full(1 << len(known), np.nan)
        table[0] = 0.0
        seen: dict[int, str] = {}
        spelled: dict[str, int] = {}
        for key, amount in listed:
            spelled[key] = spelled.get(key, -1) + 1
            number = self._number(f"values.{key}", amount, spelled[key])
            if players is None:
                continue  # which coalitions are missing cannot be known without the players
            mask = self._mask(key, known)
            if mask is None:
                continue
            if mask in seen:
                self.complain(
                    f"values.{key}",
                    f"the coalition {key!r} is given twice (before as {seen[mask]!r}): keep one value",
                    spelled[key],
                )
            seen[mask] = key
            if mask == 0 and number not in (0.0, None):
                self.complain(f"values.{key}", f"the empty coalition has value {number:g}, expected 0 or no entry")
            if mask and number is not None:
                table[mask] = number
        if players is not None:
            self._complain_of_missing(seen, players)
        return table

    def _number(self, place: str, amount: Any, occurrence: int) -> float | None:
        if isinstance(amount, bool) or not isinstance(amount, int | float):
            shown = "an object" if isinstance(amount, _Pairs) else json.dumps(amount, ensure_ascii=False)
            self.complain(place, f"{shown} is not a number", occurrence)
            return None
        try:
            number = float(amount)
        except OverflowError:
            number = math.inf
        if not math.isfinite(number):
            self.complain(place, f"{number} is not a finite number", occurrence)
            return None
        return number

    def _mask(self, key: str, known: dict[str, int]) -> int | None:
        mask, good = 0, True
        for name in [part.strip() for part in key.split(",")] if key.strip() else []:
            if name not in known:
                close = difflib.get_close_matches(name, known, 1)
                hint = f"; did you mean {close[0]!r}?" if close else ""
                self.complain(f"values.{key}", f"{name!r} is not one of the players {', '.join(known)}{hint}")
                good = False
            elif mask & known[name]:
                self.complain(f"values.{key}", f"the coalition names {name!r} twice")
                good = False
            else:
                mask |= known[name]
        return mask if good else None

    def _complain_of_missing(self, seen: dict[int, str], players: tuple[str, ...]) -> None:
        missing = (1 << len(players)) - 1 - sum(1 for mask in seen if mask)
        if not missing:
            return
        named: list[str] = []
        mask = 0
        while len(named) < min(missing, SHOWN):
            mask += 1
            if mask not in seen:
                named.append(repr(",".join(members(mask, players))))
        more = f" and {missing - len(named)} more" if missing > len(named) else ""
        self.complain(
            "values",
            f"{missing} of {(1 << len(players)) - 1} coalitions {'has' if missing == 1 else 'have'} no value: "
            f"{', '.join(named)}{more}",
        )

    def _airport(self, listed: Any) -> tuple[AirportType, ...] | None:
        if not isinstance(listed, list) or isinstance(listed, _Pairs) or not listed:
            self.complain("types", "expected a list of types, each with name, cost and movements")
            return None
        types = [self._airport_type(number, item) for number, item in enumerate(listed, 1)]
        names = [one.name for one in types if one]
        for name in sorted({name for name in names if names.count(name) > 1}):
            self.complain("types", f"type {name!r} is named twice: name each type once")
        return tuple(one for one in types if one)

    def _airport_type(self, number: int, item: Any) -> AirportType | None:
        place = f"types[{number}]"
        if not isinstance(item, _Pairs):
            self.complain(place, "expected an object with name, cost and movements")
            return None
        entry = dict(item)
        before = len(self.problems)
        name = entry.get("name")
        if not isinstance(name, str) or not name.strip():
            self.complain(place, "name is missing: expected text")
        cost_keys = [key for key in entry if "cost" in key]
        if len(cost_keys) != 1:
            self.complain(place, f"expected one cost (a key such as cost or cost_jpy), found {cost_keys or 'none'}")
        cost = self._number(f"{place}.{cost_keys[0]}", entry[cost_keys[0]], 0) if len(cost_keys) == 1 else None
        if cost is not None and cost < 0:
            self.complain(place, f"cost is {cost:g}, expected 0 or more")
        movements = entry.get("movements")
        if isinstance(movements, bool) or not isinstance(movements, int | float) or movements != int(movements):
            self.complain(place, f"movements is {movements!r}, expected a whole number")
        elif movements < 1:
            self.complain(place, f"movements is {movements}, expected 1 or more")
        if len(self.problems) > before or cost is None:
            return None
        return AirportType(str(name), cost, int(movements or 0))
