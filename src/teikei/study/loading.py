"""load and check: a folder or a workbook into a Study, or every problem it has, each with its place."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from os import PathLike
from pathlib import Path
from typing import Any, Final

import polars as pl

from teikei.errors import Problem, StudyError
from teikei.study.absent import set_aside
from teikei.study.checks import all_problems
from teikei.study.draft import Draft
from teikei.study.read_settings import parse_yaml, read_settings
from teikei.study.scenarios import apply_scenario
from teikei.study.types import Study
from teikei.tables.columns import all_columns
from teikei.tables.messages import closest, one_line, shorten, show
from teikei.tables.read_folder import SETTINGS_FILE, Found, read_folder
from teikei.tables.read_tables import read_table
from teikei.tables.read_workbook import SETTINGS_SHEET, read_workbook

MOST_ROWS: Final = 100_000  # of a table
MOST_PROBLEMS: Final = 20_000  # that are told; nobody reads more, and a list of millions would fill the memory


def load(path: str | PathLike[str], scenario: str | None = None) -> Study:
    """Reads and checks a study.

    path: a folder with study.yaml and one CSV file per table (a missing file is an empty table), or an .xlsx workbook
    with sheets of the same names and the settings on the sheet ``study``. scenario: name of a set of changes of the
    table ``scenarios`` to apply. Raises StudyError with every problem of the study when there is at least one error;
    warnings are kept in ``Study.warnings``.
    """
    draft, found = _read(Path(path))
    if draft is None or draft.settings is None or any(not problem.warning for problem in found.problems):
        raise StudyError(found.problems)
    study = Study(
        settings=draft.settings,
        tables={name: _frame(name, draft) for name in draft.columns},
        path=Path(path),
        row_places={name: tuple(row.place() for row in rows) for name, rows in draft.rows.items()},
        input_hashes=found.hashes,
        warnings=tuple(found.problems),
    )
    return study if scenario is None else apply_scenario(study, scenario)


def check(path: str | PathLike[str]) -> list[Problem]:
    """Every problem of a study, errors and warnings, in the order of files and lines; empty where there is none."""
    return _read(Path(path))[1].problems


def _read(path: Path) -> tuple[Draft | None, Found]:
    """The study as far as it can be read, and every problem found on the way; nothing but problems leaves this."""
    found = Found()
    try:
        draft = _read_draft(path, found)
        if draft is not None:
            found.problems.extend(islice(all_problems(draft), MOST_PROBLEMS))
    except OSError as problem:
        reason = problem.strerror or "no reason given"
        found.error(_label(path), f"the study cannot be read ({reason}): check the path and its permissions")
        return None, found
    except Exception as bug:  # whatever a file does to us, its owner reads a sentence and no traceback
        found.error(
            _label(path),
            f"the study cannot be read ({type(bug).__name__}: {one_line(shorten(str(bug), 120))}): this is a "
            "fault of teikei, please report it with the file",
        )
        return None, found
    found.problems = _in_order(found.problems, {} if draft is None else draft.files)
    if len(found.problems) > MOST_PROBLEMS:
        errors = [problem for problem in found.problems if not problem.warning] or found.problems
        found.problems = [
            *errors[:MOST_PROBLEMS],
            Problem(_label(path), f"these are the first {MOST_PROBLEMS:,} problems; there are more: mend these first"),
        ]
    found.problems = [Problem(one_line(p.place), one_line(p.message), p.warning) for p in found.problems]
    return draft, found


def _label(path: Path) -> str:
    return one_line(shorten(path.name or str(path), 100))


def _read_draft(path: Path, found: Found) -> Draft | None:
    if path.name == SETTINGS_FILE and path.is_file():
        path = path.parent
    if not path.exists():
        near = sorted(entry.name for entry in path.parent.iterdir()) if path.parent.is_dir() else []
        hint = _closest_entry(path.name, near)
        found.error(_label(path), f"there is no such folder or workbook{hint}")
        return None
    if path.is_dir() and not (path / SETTINGS_FILE).exists():
        workbooks = [entry for entry in sorted(path.glob("*.xlsx")) if not entry.name.startswith("~")]
        if len(workbooks) == 1 and not any(path.glob("*.csv")):
            path = workbooks[0]
    if path.is_dir():
        text = read_folder(path, found)
        raw_settings = None if text is None else parse_yaml(text, SETTINGS_FILE, found)
        pattern, settings_file = "{}.csv", SETTINGS_FILE
    elif path.suffix.casefold() in (".csv", ".yaml", ".yml", ".tsv", ".json", ".txt"):
        found.error(
            _label(path), "expected a folder with study.yaml and its CSV files, or one .xlsx workbook: give the folder"
        )
        return None
    else:
        raw_settings = read_workbook(path, found)
        pattern, settings_file = f"{path.name}!{{}}", f"{path.name}!{SETTINGS_SHEET}"
    if not found.tables and raw_settings is None and found.problems:
        return None  # nothing could be read: that alone is the problem
    settings = None if raw_settings is None else read_settings(raw_settings, found)
    columns = all_columns()
    for name in [name for name, raw in found.tables.items() if len(raw.rows) > MOST_ROWS]:
        count = len(found.tables.pop(name).rows)
        found.error(pattern.format(name), f"the table has {count:,} rows, expected at most {MOST_ROWS:,}: divide it")
        found.damaged.add(name)
    rows = {
        name: read_table(found.tables[name], described, found) if name in found.tables else ()
        for name, described in columns.items()
    }
    draft = Draft(
        settings=settings,
        rows=rows,
        columns=columns,
        files={name: pattern.format(name) for name in columns} | {SETTINGS_SHEET: settings_file},
        damaged=frozenset(found.damaged),
        setting_places={} if raw_settings is None else raw_settings.places,
    )
    draft, told = set_aside(draft, found.tables)
    found.problems.extend(told)
    return draft


def _closest_entry(name: str, entries: list[str]) -> str:
    match = closest(name, entries, cutoff=0.7)
    return f"; did you mean {show(match)}?" if match else ": check the path"


def _frame(table: str, draft: Draft) -> pl.DataFrame:
    rows = draft.rows[table]
    data: dict[str, Any] = {name: [row.values[name] for row in rows] for name in draft.columns[table]}
    schema = {name: column.dtype for name, column in draft.columns[table].items()}
    return pl.DataFrame(data, schema=schema)


def _in_order(problems: list[Problem], files: Mapping[str, str]) -> list[Problem]:
    """Settings and unknown files first, then tables in the order of columns.csv, each by line; none stands twice."""
    order = {file: number for number, (table, file) in enumerate(files.items()) if table != SETTINGS_SHEET}
    return sorted(
        dict.fromkeys(problems),
        key=lambda problem: (order.get(_file_of(problem.place), -1), _line_of(problem.place)),
    )


def _file_of(place: str) -> str:
    return place.rsplit("!", 1)[0] if place.count("!") > 1 else place.split(":", 1)[0]


def _line_of(place: str) -> int:
    tail = (
        place.rsplit("!", 1)[1].lstrip("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
        if place.count("!") > 1
        else [*place.split(":"), ""][1]
    )
    return int(tail) if tail.isdigit() else 0
