"""import.yaml: what was read as what, and the answers to what was asked; a map for the next file of its kind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

from teikei.errors import Problem, StudyError
from teikei.tables.intake.amounts import LOCALES
from teikei.tables.messages import show, suggest

LARGEST_MAP_BYTES: Final = 1_000_000
KEYS: Final = (
    "format",
    "as",
    "file",
    "locale",
    "currency",
    "year",
    "rates",
    "sheets",
    "columns",
    "answers",
    "not_used",
    "tables",
)
SHEET_KEYS: Final = ("read_as", "header_row", "group_row")
COLUMN_KEYS: Final = ("header", "read_as", "supplier", "currency", "year", "locale")


@dataclass
class Map:
    """Answers and readings. sheets: title -> settings; columns: ``Sheet!E`` -> settings; answers: ``Sheet!E4`` -> it.

    locale, currency (study money), year (where the sheet names none), rates (study money per unit of each currency).
    """

    locale: str = "auto"
    currency: str = ""
    year: int | None = None
    rates: dict[str, float] = field(default_factory=dict)
    sheets: dict[str, dict[str, Any]] = field(default_factory=dict)
    columns: dict[str, dict[str, Any]] = field(default_factory=dict)
    answers: dict[str, Any] = field(default_factory=dict)


def read_map(path: Path) -> Map:
    """The map of a file. StudyError where it is no map or holds a key that is none."""
    try:
        if path.stat().st_size > LARGEST_MAP_BYTES:
            raise StudyError([Problem(path.name, f"the map has more than {LARGEST_MAP_BYTES:,} bytes")])
        document = yaml.safe_load(path.read_text("utf-8"))
    except OSError as problem:
        raise StudyError([Problem(path.name, f"cannot be read: {problem.strerror or problem}")]) from problem
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as problem:
        raise StudyError([Problem(path.name, "is not readable as YAML; teikei import writes one")]) from problem
    if not isinstance(document, dict):
        raise StudyError(
            [Problem(path.name, "expected lines of the form key: value; teikei import writes such a file")]
        )
    problems: list[Problem] = []
    _known(document, KEYS, path.name, problems)
    sheets = _nested(document, "sheets", SHEET_KEYS, path.name, problems)
    columns = _nested(document, "columns", COLUMN_KEYS, path.name, problems)
    answers = document.get("answers") or {}
    rates = document.get("rates") or {}
    locale = document.get("locale") or "auto"
    year = document.get("year")
    for place, one in (
        ("locale", locale),
        *((f"columns, {key}", one.get("locale", "auto")) for key, one in columns.items()),
    ):
        if one not in LOCALES:
            problems.append(
                Problem(f"{path.name}: {place}", f"found {show(one)}, expected one of {', '.join(LOCALES)}")
            )
    if not isinstance(answers, dict) or any(isinstance(value, dict | list) for value in answers.values()):
        problems.append(Problem(f"{path.name}: answers", "expected lines of the form 'Sheet!E4': value"))
        answers = {}
    if not isinstance(rates, dict) or any(
        isinstance(v, bool) or not isinstance(v, int | float) for v in rates.values()
    ):
        problems.append(Problem(f"{path.name}: rates", "expected lines of the form EUR: 163.2"))
        rates = {}
    if year is not None and (isinstance(year, bool) or not isinstance(year, int)):
        problems.append(Problem(f"{path.name}: year", f"found {show(year)}, expected a year such as 2028"))
        year = None
    if problems:
        raise StudyError(problems)
    given = {str(place): value for place, value in answers.items() if value is not None}
    return Map(
        locale,
        str(document.get("currency") or ""),
        year,
        {str(k): float(v) for k, v in rates.items()},
        sheets,
        columns,
        given,
    )


def _known(document: Mapping[Any, Any], keys: tuple[str, ...], place: str, problems: list[Problem]) -> None:
    problems.extend(
        Problem(f"{place}: {key}", f"the map has no such key{suggest(str(key), keys)}")
        for key in document
        if key not in keys
    )


def _nested(
    document: Mapping[str, Any], name: str, keys: tuple[str, ...], place: str, problems: list[Problem]
) -> dict[str, dict[str, Any]]:
    given = document.get(name) or {}
    if not isinstance(given, dict) or any(not isinstance(one, dict) for one in given.values()):
        problems.append(Problem(f"{place}: {name}", "expected a name with its settings below it"))
        return {}
    for title, one in given.items():
        _known(one, keys, f"{place}: {name}, {title}", problems)
    return {str(title): dict(one) for title, one in given.items()}


def tables_of_map(path: Path) -> list[str]:
    """The tables that an earlier import wrote beside its map; none where there is no such map."""
    try:
        document = yaml.safe_load(path.read_text("utf-8")) if path.stat().st_size <= LARGEST_MAP_BYTES else None
    except (OSError, yaml.YAMLError, UnicodeDecodeError, RecursionError):
        return []
    names = document.get("tables") if isinstance(document, dict) else None
    return [name for name in names or [] if isinstance(name, str) and name.replace("_", "").isalnum()]


def write_map(
    path: Path, kind: str, file: str, given: Map, questions: list[str], not_used: list[str], tables: list[str]
) -> None:
    """Writes import.yaml: the readings, the answers given, and an empty answer for each cell that was asked for."""
    answers = {**dict.fromkeys(questions), **given.answers}
    document = {
        "format": 1,
        "as": kind,
        "file": file,
        "locale": given.locale,
        "currency": given.currency or None,
        "year": given.year,
        "rates": given.rates,
        "sheets": given.sheets,
        "columns": given.columns,
        "answers": answers,
        "not_used": not_used,
        "tables": tables,
    }
    text = (
        "# What teikei import read as what. Change it and give it with --map.\n"
        "# answers: the value of a cell, for instance 120000 or no bid. read_as: not used leaves a column out.\n"
        "# locale, of all or of a column: en (1,290.50), de (1.290,50) or ja (1,290.50).\n"
    )
    path.write_text(text + yaml.safe_dump(document, allow_unicode=True, sort_keys=False, width=10_000), "utf-8")
