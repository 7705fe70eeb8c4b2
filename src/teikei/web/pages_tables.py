"""Tables of a study in the page: look, edit, see what changed; the same checks and places as on the command line."""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import HTMLResponse, Response

from teikei.errors import StudyError
from teikei.web.access import WORKERS, Rule, route, workspace_of
from teikei.web.pages import caller_of, form_texts, line_of, named_study, page, see, server_of
from teikei.web.workspace import Version, add_edit, keep, read_version, study_path, version_folder

if TYPE_CHECKING:  # what reads tables is loaded when it is needed: the server starts without it
    from teikei.tables.columns import Column
    from teikei.web.tables import Sheet

router = APIRouter()
_OBJECT: Final = Rule(WORKERS, "workspace")
FIELDS_ON_A_PAGE: Final = 900  # a form carries 1,000 at most
MOST_ROWS: Final = 40
NEW_ROWS: Final = 3
_CELL: Final = re.compile(r"c(\d{1,7})_(\d{1,3})")
_NEW: Final = re.compile(r"n(\d{1,3})_(\d{1,3})")


def _read(request: Request, study: str, version: str) -> Version:
    return read_version(server_of(request).store, workspace_of(caller_of(request)), study, int(version))


def _newest(request: Request, study: str) -> tuple[int, str]:
    with server_of(request).store.company(workspace_of(caller_of(request)), write=False) as connection:
        row = connection.execute(
            "SELECT max(v.version) AS version, s.title FROM versions v JOIN studies s ON s.study = v.study "
            "WHERE v.study=?",
            (study,),
        ).fetchone()
    return int(row["version"]), str(row["title"])


@route(router, "GET", "/studies/{study}/{version}/edit", _OBJECT)
def list_tables(request: Request, study: str, version: str) -> HTMLResponse:
    """All tables of a version with their rows and problems."""
    from teikei.tables.columns import all_columns
    from teikei.web import tables

    chosen = _read(request, study, version)
    newest, title = _newest(request, study)
    sheets = tables.read_sheets(chosen.path)
    problems = {name: tables.problems_of(chosen.problems, name)[0] for name in [tables.SETTINGS, *sheets]}
    return page(
        request,
        "tables.html.j2",
        study=study,
        version=int(version),
        newest=newest,
        title=title,
        tables=[
            {
                "name": sheet.name,
                "rows": len(sheet.rows),
                "errors": sum(not problem.warning for problem in problems[sheet.name]),
                "warnings": sum(problem.warning for problem in problems[sheet.name]),
                "private": any(column.visibility == "private" for column in all_columns()[sheet.name].values()),
            }
            for sheet in sheets.values()
        ],
        settings_errors=sum(not problem.warning for problem in problems[tables.SETTINGS]),
    )


@route(router, "GET", "/studies/{study}/{version}/edit/{name}", _OBJECT)
def show_table(
    request: Request, study: str, version: str, name: str, start: int = 0, find: str = "", column: str = ""
) -> HTMLResponse:
    """One table, some rows at a time; editable where it is the newest version."""
    from teikei.tables.columns import all_columns
    from teikei.web import tables

    chosen = _read(request, study, version)
    newest, title = _newest(request, study)
    own, wrong = tables.problems_of(chosen.problems, name)
    common: dict[str, Any] = {
        "study": study,
        "version": int(version),
        "newest": newest,
        "title": title,
        "name": name,
        "problems": own[:100],
        "editable": int(version) == newest,
    }
    if name == tables.SETTINGS:
        return page(request, "settings.html.j2", text=tables.settings_text(chosen.path), **common)
    sheets = tables.read_sheets(chosen.path)
    sheet = tables.with_column(_sheet(sheets, name), column)
    wanted = find.strip().casefold()[:100]
    rows = [row for row in sheet.rows if not wanted or any(wanted in cell.casefold() for cell in row[1])]
    most = max(5, min(MOST_ROWS, FIELDS_ON_A_PAGE // max(len(sheet.header), 1) - NEW_ROWS))
    start = min(max(start, 0), max(len(rows) - 1, 0)) // most * most
    known = all_columns()[name]
    columns = [known.get(header) for header in sheet.header]
    return page(
        request,
        "table.html.j2",
        header=sheet.header,
        columns=columns,
        rows=rows[start : start + most],
        count=len(rows),
        total=len(sheet.rows),
        start=start,
        most=most,
        find=find.strip()[:100],
        added=column if column in sheet.header else "",
        missing=[one for one in known if one not in sheet.header],
        choices={index: _choices(sheets, one) for index, one in enumerate(columns)},
        wrong={f"{line}_{place}": problem.message for (line, place), problem in wrong.items()},
        new_rows=range(NEW_ROWS if start + most >= len(rows) else 0),
        damaged=sheet.damaged,
        **common,
    )


def _sheet(sheets: dict[str, Sheet], name: str) -> Sheet:
    if name not in sheets:
        raise StudyError("a study has no table of this name; choose one from the list of tables")
    return sheets[name]


def _choices(sheets: dict[str, Sheet], column: Column | None) -> list[str]:
    from teikei.web import tables

    if column is None:
        return []
    if column.kind == "boolean":
        return ["yes", "no"]
    return list(column.values) if column.values else tables.choices_of(sheets, column.references)


@route(router, "POST", "/studies/{study}/{version}/edit/{name}", _OBJECT)
def save_table(
    request: Request,
    study: str,
    version: str,
    name: str,
    form: Annotated[dict[str, str], Depends(form_texts)],
    note: Annotated[str, Form()] = "",
) -> Response:
    """Keeps the edit as a new version with every problem it has, and shows the table again."""
    from teikei.tables.read_folder import SETTINGS_FILE
    from teikei.web import tables

    server, caller = server_of(request), caller_of(request)
    workspace = workspace_of(caller)
    source = _read(request, study, version).path

    def change(folder: Path) -> None:
        if name == tables.SETTINGS:
            text = form.get("text", "").replace("\r\n", "\n")
            if text == tables.settings_text(source):
                raise StudyError("nothing was changed")
            (folder / SETTINGS_FILE).write_text(text, "utf-8")
            return
        before = tables.with_column(_sheet(tables.read_sheets(folder), name), form.get("added", ""))
        after = _edited(before, form)
        if after.rows == before.rows:
            raise StudyError("nothing was changed")
        tables.write_sheet(after, folder)

    words = note.strip() or f"edited {name}"
    made = add_edit(
        server.store,
        workspace,
        study,
        int(version),
        change,
        caller.name,
        server.clock(),
        words,
        lambda _, number: line_of(request, "edited a table", f"{name} in {named_study(study, number)}", private=True),
    )
    start = form.get("start", "0")
    return see(f"/studies/{study}/{made.version}/edit/{name}?start={start if start.isdigit() else 0}")


def _edited(sheet: Sheet, form: dict[str, str]) -> Sheet:
    from teikei.web import tables

    cells: dict[tuple[int, int], str] = {}
    new = [[""] * len(sheet.header) for _ in range(NEW_ROWS)]
    for key, text in form.items():
        if found := _CELL.fullmatch(key):
            cells[int(found[1]), int(found[2])] = text
        elif (found := _NEW.fullmatch(key)) and int(found[1]) < NEW_ROWS and int(found[2]) < len(sheet.header):
            new[int(found[1])][int(found[2])] = text
    deleted = {int(key[1:]) for key in form if re.fullmatch(r"d\d{1,7}", key)}
    return tables.edited(sheet, cells, deleted, new)


@route(router, "GET", "/studies/{study}/{version}/changes", _OBJECT)
def show_changes(request: Request, study: str, version: str) -> HTMLResponse:
    """What this version changed against the one before it, cell by cell."""
    store, workspace = server_of(request).store, workspace_of(caller_of(request))
    number = int(version)
    _, title = _newest(request, study)
    changes = [] if number == 1 else _changes(version_folder(store, workspace, study, number))
    return page(
        request,
        "changes.html.j2",
        study=study,
        version=number,
        title=title,
        changes=changes[:500],
        more=max(0, len(changes) - 500),
    )


def _changes(folder: Path) -> list[dict[str, Any]]:
    """The differences of a version to the one before it; kept beside it, since neither ever changes."""
    kept = folder / "changes.json"
    if kept.is_file():
        return list(json.loads(kept.read_text("utf-8")))
    from teikei.web.tables import differences

    before = study_path(folder.parent / str(int(folder.name) - 1))
    found = [asdict(one) for one in differences(before, study_path(folder))]
    keep(kept, json.dumps(found, ensure_ascii=False))
    return found
