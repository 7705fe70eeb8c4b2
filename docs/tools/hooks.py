"""Hooks of the documentation build: reference pages that are made from the code, and folders in the navigation.

Nothing generated is kept in the repository, so nothing generated can be out of date.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

HERE = Path(__file__).resolve().parent


def on_config(config: Any) -> Any:
    """Put every page of a folder that the navigation names (``Maths: maths``) under its heading."""
    docs = Path(config["docs_dir"])
    config["nav"] = [_with_folder(entry, docs) for entry in config["nav"]]
    return config


def _with_folder(entry: Any, docs: Path) -> Any:
    if isinstance(entry, dict):
        for title, target in entry.items():
            if isinstance(target, str) and (docs / target).is_dir():
                return {title: sorted(f"{target}/{page.name}" for page in (docs / target).glob("*.md"))}
    return entry


def on_files(files: Files, config: Any) -> Files:
    """Add the pages that are made from columns.csv, the settings and the command line."""
    sys.path[:0] = [str(HERE), str(HERE.parents[1] / "src")]
    import reference
    import run_tables

    for name, text in (
        ("reference/tables.md", reference.tables_page()),
        ("reference/command-line.md", reference.command_line_page()),
        ("reference/run-tables.md", run_tables.page()),
    ):
        files.append(File.generated(config, name, content=text))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, **_: Any) -> str:
    """Say so on the page about the shipped study where the study has changed since its figures were made."""
    if page.file.src_uri != "shipped-study.md":
        return markdown
    import figures

    made = markdown.partition(figures.MARK)[2].partition(" ")[0]
    now = figures.fingerprint_of_study(Path(config["docs_dir"]).parent / "examples" / "nissan-honda")
    if made == now:
        return markdown
    note = f"The study has changed since these figures were made (inputs then {made or 'none'}, now {now})."
    return markdown.replace(figures.BEGIN, f"!!! warning\n    {note}\n\n{figures.BEGIN}")
