"""``teikei import``: a person's own file into a folder that teikei reads, with what was read as what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from teikei.errors import Problem, StudyError
from teikei.tables.columns import Column, all_columns
from teikei.tables.intake.amounts import LOCALES, plain
from teikei.tables.intake.answers import Map, read_map, tables_of_map, write_map
from teikei.tables.intake.asking import Reader
from teikei.tables.intake.bids import read_bids
from teikei.tables.intake.grid import Grid, read_grids
from teikei.tables.intake.study_sheets import read_study_sheets
from teikei.tables.messages import number_text, plain_word
from teikei.tables.read_folder import SETTINGS_FILE, Found
from teikei.tables.read_workbook import NOTES_SHEET, SETTINGS_SHEET
from teikei.tables.sheet_facts import spans
from teikei.tables.write import write_csv

KINDS: Final = ("tender", "study", "vehicles")
MAP_FILE: Final = "import.yaml"


@dataclass(frozen=True)
class Imported:
    """What an import did. problems: questions (errors) and readings (warnings); not_used: every cell left out.

    tables: name -> number of rows written.
    """

    folder: Path
    tables: Mapping[str, int]
    problems: tuple[Problem, ...]
    not_used: tuple[str, ...]


def import_file(
    path: Path,
    kind: str,
    out: Path,
    map_file: Path | None = None,
    locale: str = "auto",
    tables: Mapping[str, Mapping[str, Column]] | None = None,
) -> Imported:
    """Reads a workbook or CSV of whatever form and writes the tables and ``import.yaml`` into ``out``.

    kind: tender, study or vehicles. map_file: an import.yaml with readings and answers. locale: whose thousands and
    decimal signs texts carry (auto, en, de, ja). tables: the tables that ``vehicles`` may hold. Where anything is asked
    for, only import.yaml is written, with an empty answer for each cell, and the problems hold the questions. Raises
    StudyError where the file, the map or an option cannot be used.
    """
    if kind not in KINDS:
        raise StudyError(f"--as is {kind!r}; expected one of {', '.join(KINDS)}")
    if locale not in LOCALES:
        raise StudyError(f"--locale is {locale!r}; expected one of {', '.join(LOCALES)}")
    if not path.is_file():
        raise StudyError([Problem(str(path), "there is no such file: give one workbook or CSV file")])
    given = read_map(map_file) if map_file is not None else Map()
    if locale != "auto":
        given.locale = locale
    found = Found()
    grids = read_grids(path, found)
    if any(not problem.warning for problem in found.problems) or not grids:
        raise StudyError(found.problems or [Problem(path.name, "the file holds no cells")])
    reader = Reader(given, found.problems)
    for grid in grids:
        reader.apply_answers(grid)
        if grid.hidden:
            which = f"rows {spans(list(grid.hidden))} are" if len(grid.hidden) > 1 else f"row {grid.hidden[0]} is"
            reader.problems.append(
                Problem(grid.place, f"{which} hidden or filtered out; read like the others", warning=True)
            )
    written: dict[str, list[list[Any]]] = {}
    settings = ""
    if kind == "tender":
        written = read_bids(grids, reader)
    else:
        described = all_columns() if kind == "study" else tables or {}
        settings = _settings(grids) if kind == "study" else ""
        rest = [
            grid for grid in grids if plain_word(grid.title) not in (SETTINGS_SHEET, NOTES_SHEET) or kind != "study"
        ]
        written = read_study_sheets(rest, described, reader)
        if not written and not reader.questions:
            problem = f"no sheet holds a header of a table of {'a study' if kind == 'study' else 'vehicles'}"
            reader.problems.append(Problem(path.name, problem))
    not_used = tuple(line for grid in grids if plain_word(grid.title) != NOTES_SHEET for line in grid.unused())
    asked = any(not problem.warning for problem in reader.problems)
    _make_folder(out)
    if not asked:
        for name, lines in written.items():
            write_csv(out / f"{name}.csv", lines[0], lines[1:], number_text)
        if kind == "study":
            (out / SETTINGS_FILE).write_text(settings, "utf-8")
    counts = {} if asked else {name: len(lines) - 1 for name, lines in written.items()}
    write_map(out / MAP_FILE, kind, path.name, given, reader.questions, list(not_used), list(counts))
    return Imported(out, counts, tuple(dict.fromkeys(reader.problems)), not_used)


def _make_folder(out: Path) -> None:
    if out.exists() and not out.is_dir():
        raise StudyError([Problem(str(out), "is a file; --out names a folder")])
    if out.is_dir() and any(out.iterdir()) and not (out / MAP_FILE).is_file():
        raise StudyError([Problem(str(out), "the folder holds something else; choose a new one with --out")])
    for name in tables_of_map(out / MAP_FILE):
        (out / f"{name}.csv").unlink(missing_ok=True)
    out.mkdir(parents=True, exist_ok=True)


def _settings(grids: list[Grid]) -> str:
    """study.yaml from a sheet ``study`` with the columns setting and value."""
    import yaml

    lines = {}
    for grid in grids:
        if plain_word(grid.title) != SETTINGS_SHEET:
            continue
        for row in grid.rows:
            key = plain(grid.at(row, 0))
            value = grid.at(row, 1)
            grid.use(row, range(grid.width))
            if key and key != "setting" and value != "":
                number = int(value) if isinstance(value, float) and value.is_integer() else value
                lines[key] = (
                    [float(part) for part in value.split(";")]
                    if key == "nre_profile" and isinstance(value, str)
                    else number
                )
    return yaml.safe_dump({"format": 1, **lines}, allow_unicode=True, sort_keys=False)
