"""Reference pages as text: the tables of a study from columns.csv, the settings, and the command line."""

from __future__ import annotations

import re
from typing import Any

from teikei.cli import app
from teikei.tables.columns import Column, all_columns
from teikei.study.read_settings import expected_setting
from teikei.study.types import Settings

COMMON = ("source", "confidence", "assumed_columns", "note")


def _cell(text: object) -> str:
    return re.sub(r"\s+", " ", str(text)).replace("|", "\\|").replace("<", "&lt;")


def tables_page() -> str:
    """Every table and column of a study, and every setting of study.yaml."""
    lines = [
        "# Tables of a study",
        "",
        "Made from `src/teikei/tables/columns.csv`, the one list that also drives the reader, the checks, `teikei new`",
        "and the web forms. A study is a folder with `study.yaml` and one CSV file per table, or one workbook with a",
        "sheet per table. Columns marked * are needed; **bold** columns together name a row; lists are joined by `;`.",
        "",
        "Every table but `sources` may also carry "
        + ", ".join(f"`{name}`" for name in COMMON)
        + ": keys of the sources table, the kind of evidence, the columns of a row that are assumptions although the",
        "row is not, and a remark.",
        "",
        "## study.yaml",
        "",
        "| setting | expected | default | what it says |",
        "|---|---|---|---|",
    ]
    for name, setting in Settings.model_fields.items():
        default = (
            "**needed**" if setting.is_required() else f"`{setting.default}`" if setting.default != "" else "empty"
        )
        lines.append(
            f"| `{name}` | {_cell(expected_setting(setting))} | {_cell(default)} | {_cell(setting.description or '')} |"
        )
    for table, columns in all_columns().items():
        own = [column for column in columns.values() if table == "sources" or column.name not in COMMON]
        lines += ["", f"## {table}", "", "| column | type | unit | default | what it says |", "|---|---|---|---|---|"]
        lines += [_column_row(column) for column in own]
    return "\n".join(lines) + "\n"


def _column_row(column: Column) -> str:
    name = f"**`{column.name}`**" if column.key else f"`{column.name}`"
    kind = " \\| ".join(column.values) if column.values else column.kind
    text = column.description
    limits = [
        f"at least {column.minimum:g}" if column.minimum is not None else "",
        f"at most {column.maximum:g}" if column.maximum is not None else "",
    ]
    more = ", ".join(filter(None, limits))
    if column.references:
        more = f"{more}; one of `{column.references}`".lstrip("; ")
    described = ". ".join(filter(None, [text, more[:1].upper() + more[1:]]))
    if column.visibility == "private":
        described += " (private)"
    marked = f"{name}{'*' if column.required else ''}"
    return f"| {marked} | {kind} | {_cell(column.unit or '')} | {_cell(column.default or '')} | {_cell(described)} |"


def command_line_page() -> str:
    """Every command with its arguments and options, as ``teikei COMMAND --help`` knows them."""
    import typer

    group: Any = typer.main.get_command(app)
    lines = [
        "# Command line",
        "",
        "Made from the commands themselves. Exit codes: 0 done, 1 a fault in teikei, 2 the input is wrong (each",
        "problem is said), 3 no plan or not converged, 4 not allowed, 5 a stored run or file is damaged or too new,",
        "130 stopped by Ctrl-C.",
        "Formats of the files: [Files and formats](formats.md).",
    ]
    for name, command in group.commands.items():
        lines += ["", f"## teikei {name}", "", command.help or "", ""]
        lines += ["| argument or option | default | what it does |", "|---|---|---|"]
        lines += [_parameter_row(parameter) for parameter in command.params]
    return "\n".join(lines) + "\n"


def _parameter_row(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        shown = parameter.metavar or parameter.name.upper()
    else:
        shown = ", ".join(parameter.opts)
    default = "" if parameter.default in (None, False) else f"`{parameter.default}`"
    told = getattr(parameter, "help", None) or ""
    return f"| `{_cell(shown)}` | {'needed' if parameter.required else _cell(default)} | {_cell(told)} |"
