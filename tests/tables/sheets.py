"""Workbooks as other programs write them: cells of XML by hand, .ods files, and a small sound tender."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from teikei.tables.source import column_letters

Rows = Sequence[Sequence[Any]]

TENDER: dict[str, list[list[Any]]] = {
    "items": [["item", "year", "quantity"], ["housing", 2027, 90000], ["rotor", 2027, 90000]],
    "suppliers": [["supplier", "activation_cost"], ["North", 50000], ["South", 120000], ["West", 60000]],
    "offers": [
        ["supplier", "item", "year", "unit_price", "max_quantity", "min_quantity"],
        ["North", "housing", 2027, 21, "", ""],
        ["South", "housing", 2027, 20.2, 60000, ""],
        ["West", "housing", 2027, 20.9, "", ""],
        ["North", "rotor", 2027, 34.5, "", ""],
        ["South", "rotor", 2027, 35.1, "", ""],
        ["West", "rotor", 2027, 34.9, "", ""],
    ],
}


def tender(**cells: Any) -> dict[str, list[list[Any]]]:
    """The tender with some cells changed: ``offers_D3=…`` is cell D3 of the sheet offers."""
    tables = {name: [list(row) for row in rows] for name, rows in TENDER.items()}
    for place, value in cells.items():
        table, address = place.rsplit("_", 1)
        tables[table][int(address[1:]) - 1][ord(address[0]) - ord("A")] = value
    return tables


class Xml(str):
    """A cell's XML as it stands, in which {r} is its address."""


def write_xlsx(
    path: Path, sheets: Mapping[str, Rows], *, hidden_rows: Mapping[str, Sequence[int]] | None = None
) -> Path:
    """A workbook of inline strings and numbers; cells that are ``Xml`` are written as they are."""
    spread = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    packed = "http://schemas.openxmlformats.org/package/2006"
    with zipfile.ZipFile(path, "w") as archive:
        parts = "".join(
            f'<Override PartName="/xl/worksheets/sheet{n}.xml" ContentType='
            '"application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml"/>'
            for n in range(1, len(sheets) + 1)
        )
        archive.writestr(
            "[Content_Types].xml",
            f'<Types xmlns="{packed}/content-types"><Default Extension="rels" ContentType='
            '"application/vnd.openxmlformats-package.relationships+xml"/><Override PartName="/xl/workbook.xml" '
            'ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/>'
            f"{parts}</Types>",
        )
        archive.writestr(
            "_rels/.rels",
            f'<Relationships xmlns="{packed}/relationships"><Relationship Id="rId1" Type="{office}/officeDocument" '
            'Target="xl/workbook.xml"/></Relationships>',
        )
        titles = "".join(
            f'<sheet name={quoteattr(name)} sheetId="{n}" r:id="rId{n}"/>' for n, name in enumerate(sheets, start=1)
        )
        archive.writestr(
            "xl/workbook.xml", f'<workbook xmlns="{spread}" xmlns:r="{office}"><sheets>{titles}</sheets></workbook>'
        )
        links = "".join(
            f'<Relationship Id="rId{n}" Type="{office}/worksheet" Target="worksheets/sheet{n}.xml"/>'
            for n in range(1, len(sheets) + 1)
        )
        archive.writestr(
            "xl/_rels/workbook.xml.rels", f'<Relationships xmlns="{packed}/relationships">{links}</Relationships>'
        )
        for n, (name, rows) in enumerate(sheets.items(), start=1):
            hidden, off = set((hidden_rows or {}).get(name, ())), ' hidden="1"'
            lines = "".join(
                f'<row r="{number}"{off if number in hidden else ""}>'
                + "".join(_cell(f"{column_letters(index)}{number}", value) for index, value in enumerate(row))
                + "</row>"
                for number, row in enumerate(rows, start=1)
            )
            archive.writestr(
                f"xl/worksheets/sheet{n}.xml",
                f'<worksheet xmlns="{spread}"><sheetData>{lines}</sheetData></worksheet>',
            )
    return path


def _cell(address: str, value: Any) -> str:
    if value is None or value == "":
        return ""
    if isinstance(value, Xml):
        return value.replace("{r}", address)
    if isinstance(value, int | float):
        return f'<c r="{address}"><v>{value!r}</v></c>'
    return f'<c r="{address}" t="inlineStr"><is><t xml:space="preserve">{escape(str(value))}</t></is></c>'


def write_ods(path: Path, sheets: Mapping[str, Rows], hidden_rows: Mapping[str, Sequence[int]] | None = None) -> Path:
    """An OpenDocument workbook; cells that are ``Xml`` are written as they are."""
    names = (
        'xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0" '
        'xmlns:table="urn:oasis:names:tc:opendocument:xmlns:table:1.0" '
        'xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0" '
        'xmlns:calcext="urn:org:documentfoundation:names:experimental:calc:xmlns:calcext:1.0"'
    )
    tables = ""
    for name, rows in sheets.items():
        hidden, off = set((hidden_rows or {}).get(name, ())), ' table:visibility="filter"'
        lines = "".join(
            f"<table:table-row{off if number in hidden else ''}>"
            + "".join(_ods_cell(value) for value in row)
            + "</table:table-row>"
            for number, row in enumerate(rows, start=1)
        )
        tables += f"<table:table table:name={quoteattr(name)}>{lines}</table:table>"
    content = (
        f"<office:document-content {names}><office:body><office:spreadsheet>{tables}</office:spreadsheet></office:body>"
        "</office:document-content>"
    )
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        archive.writestr("content.xml", content)
        archive.writestr(
            "META-INF/manifest.xml",
            '<manifest:manifest xmlns:manifest="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0"/>',
        )
    return path


def _ods_cell(value: Any) -> str:
    if value is None or value == "":
        return "<table:table-cell/>"
    if isinstance(value, Xml):
        return str(value)
    if isinstance(value, int | float):
        return (
            f'<table:table-cell office:value-type="float" office:value="{value!r}"><text:p>{value}</text:p>'
            "</table:table-cell>"
        )
    return f'<table:table-cell office:value-type="string"><text:p>{escape(str(value))}</text:p></table:table-cell>'
