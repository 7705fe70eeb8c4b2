"""What is looked at in a workbook (.xlsx, .xlsm, .ods) before it is opened: kind, unpacked size, cells, errors."""

from __future__ import annotations

import io
import re
import struct
import zipfile
import zlib
from typing import Final
from xml.etree.ElementTree import ParseError
from xml.sax import SAXException

from defusedxml import DefusedXmlException, ElementTree
from defusedxml import sax as defused_sax

from teikei.tables.messages import one_line, shorten
from teikei.tables.read_folder import Found
from teikei.tables.sheet_facts import OpenDocumentReader, SheetFacts, TooDeep, facts_of_sheet
from teikei.tables.source import column_letters

LARGEST_UNPACKED_BYTES: Final = 100_000_000
MOST_PARTS: Final = 2_000
MOST_CELLS: Final = 2_000_000
LARGEST_AREA: Final = 5_000_000

_PLACED: Final = re.compile(rb"<(?:[\w.-]+:)?(c|row)(?=[\s>/])([^>]*)")
_PLACE: Final = re.compile(rb"(?<![\w:.-])r\s*=\s*(?:\"([^\"]*)\"|'([^']*)')")
_CELL_PLACE: Final = re.compile(rb"([A-Za-z]{1,3})(\d{1,7})")
_ROW_PLACE: Final = re.compile(rb"()(\d{1,7})")
_SAVE_AGAIN: Final = "open the workbook in Excel and save it again"


def inspect_workbook(data: bytes, name: str, found: Found) -> dict[str, SheetFacts] | None:
    """Facts by sheet name, or None with a problem where the file must not be opened."""
    if reason := _explain_kind(data):
        found.error(name, reason)
        return None
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            parts = _unpack(archive, data, name, found)
            binary = archive.namelist()
    except (
        zipfile.BadZipFile,
        zlib.error,
        struct.error,
        ValueError,
        NotImplementedError,
        OSError,
        KeyError,
    ) as problem:
        found.error(
            name,
            f"the workbook is damaged ({one_line(shorten(str(problem), 100))}): open it in Excel and save it "
            "again as .xlsx",
        )
        return None
    if parts is None:
        return None
    if "xl/workbook.xml" not in parts:
        if "content.xml" in parts:
            return _inspect_open_document(parts["content.xml"], name, found)
        kind = "a workbook in the binary form (.xlsb)" if "xl/workbook.bin" in binary else "a zip archive"
        found.error(name, f"the file is {kind} but no Excel workbook (.xlsx): save it from Excel as .xlsx")
        return None
    try:
        sheets = _sheet_parts(parts)
    except (ParseError, DefusedXmlException, KeyError, UnicodeDecodeError) as problem:
        found.error(
            name,
            f"the list of sheets is damaged ({one_line(shorten(str(problem), 100))}): open the file in Excel "
            "and save it again",
        )
        return None
    facts = {}
    for title, part in sheets.items():
        xml = parts.get(part, b"")
        if not _is_of_sane_size(xml, f"{name}!{one_line(title)}", found):
            return None
        try:
            facts[title] = facts_of_sheet(xml)
        except (SAXException, DefusedXmlException, TooDeep, ValueError) as problem:
            found.error(
                f"{name}!{one_line(title)}",
                f"the sheet is damaged ({one_line(shorten(str(problem), 100))}): {_SAVE_AGAIN}",
            )
            return None
    return facts


def _inspect_open_document(xml: bytes, name: str, found: Found) -> dict[str, SheetFacts] | None:
    """Facts of the sheets of an .ods file, or None with a problem."""
    reader = OpenDocumentReader()
    try:
        defused_sax.parseString(xml, reader, forbid_dtd=True)
    except (SAXException, DefusedXmlException, TooDeep, ValueError) as problem:
        found.error(
            name,
            f"the workbook is damaged ({one_line(shorten(str(problem), 100))}): open it and save it again as .xlsx",
        )
        return None
    for title, (rows, columns) in reader.extent.items():
        place = f"{name}!{one_line(title)}"
        if reader.cells[title] > MOST_CELLS or rows * columns > LARGEST_AREA:
            found.error(place, _too_far(column_letters(columns - 1), rows))
            return None
    return reader.facts()


def _too_far(letters: str, row: int) -> str:
    return (
        f"the sheet reaches to cell {letters}{row}: delete the rows and columns far "
        "from the table (select them, Delete) and save it again"
    )


def _explain_kind(data: bytes) -> str:
    if not data:
        return "the file is empty, expected an Excel workbook (.xlsx)"
    if data.startswith(b"\xd0\xcf\x11\xe0"):
        if "EncryptedPackage".encode("utf-16-le") in data:
            return (
                "the workbook is protected by a password: remove the password in Excel (File, Info, Protect "
                "Workbook) and save it"
            )
        if any(stream.encode("utf-16-le") in data for stream in ("Workbook", "Book")):
            return "the file is an old Excel workbook (.xls): save it in Excel as .xlsx"
        return (
            "the file is protected by a password, or an old Excel workbook (.xls) under another name: remove the "
            "password (File, Info, Protect Workbook) and save it as .xlsx"
        )
    if not data.startswith(b"PK"):
        kind = "no Excel workbook (.xlsx)" + (" but text, perhaps a CSV file," if _is_text(data[:10_000]) else ",")
        return (
            f"the file is {kind} whatever its name says: save it from Excel as .xlsx, or give a folder of CSV files "
            "(.csv)"
        )
    return ""


def _is_text(data: bytes) -> bool:
    return b"\0" not in data and sum(byte < 9 or 13 < byte < 32 for byte in data) == 0


def _unpack(archive: zipfile.ZipFile, data: bytes, name: str, found: Found) -> dict[str, bytes] | None:
    """All XML parts, unpacked by ourselves so that the size is what it is, not what the archive claims."""
    entries = archive.infolist()
    if len(entries) > MOST_PARTS:
        found.error(
            name,
            f"the workbook has {len(entries):,} parts, expected at most {MOST_PARTS:,}: keep the tables only "
            "and save it again",
        )
        return None
    parts: dict[str, bytes] = {}
    left = LARGEST_UNPACKED_BYTES
    if sum(entry.file_size for entry in entries) > left:
        found.error(name, _too_large())
        return None
    for entry in entries:
        if entry.flag_bits & 1:
            found.error(name, "the archive is encrypted: save the workbook without a password")
            return None
        content = _unpack_entry(entry, data, left)
        if content is None or (left := left - len(content)) < 0:
            found.error(name, _too_large())
            return None
        if entry.filename.endswith((".xml", ".rels")):
            if b"<!DOCTYPE" in content or b"<!ENTITY" in content:
                found.error(
                    name,
                    f"the part {one_line(entry.filename)} holds a document type, which Excel never writes: save "
                    "the workbook from Excel",
                )
                return None
            parts[entry.filename.lstrip("/")] = content
    return parts


def _too_large() -> str:
    limit = LARGEST_UNPACKED_BYTES // 1_000_000
    return (
        f"the workbook unpacks to more than {limit} MB: keep the tables only (no pictures, no formatted empty rows) "
        "and save it again"
    )


def _unpack_entry(entry: zipfile.ZipInfo, data: bytes, limit: int) -> bytes | None:
    """The content of one entry, None where it exceeds ``limit`` bytes."""
    start = entry.header_offset
    name_length, extra_length = struct.unpack("<HH", data[start + 26 : start + 30])
    start += 30 + name_length + extra_length
    packed = data[start : start + entry.compress_size]
    if entry.compress_type == zipfile.ZIP_STORED:
        return packed if len(packed) <= limit else None
    if entry.compress_type != zipfile.ZIP_DEFLATED:
        raise ValueError(f"unusual compression of {entry.filename}")
    decompressor = zlib.decompressobj(-zlib.MAX_WBITS)
    content = decompressor.decompress(packed, limit + 1)
    return content if len(content) <= limit else None


def _sheet_parts(parts: dict[str, bytes]) -> dict[str, str]:
    """Sheet name -> path of its part inside the archive."""
    relations = {}
    for relation in ElementTree.fromstring(parts["xl/_rels/workbook.xml.rels"], forbid_dtd=True):
        relations[relation.get("Id")] = relation.get("Target", "")
    sheets = {}
    for element in ElementTree.fromstring(parts["xl/workbook.xml"], forbid_dtd=True).iter():
        if element.tag.rpartition("}")[2] != "sheet":
            continue
        identity = next((value for key, value in element.attrib.items() if key.rpartition("}")[2] == "id"), None)
        target = relations.get(identity, "")
        sheets[element.get("name", "")] = target.lstrip("/") if target.startswith("/") else f"xl/{target}"
    return sheets


def _column_number(letters: bytes) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + letter - 64
    return number


def _is_of_sane_size(xml: bytes, place: str, found: Found) -> bool:
    """Whether a sheet holds as many cells, and reaches as far, as a table may.

    Every reference of a row or cell is read, also where it is written as Excel never does: the reader behind takes
    memory for the whole area up to the farthest cell. What cannot be read so is refused.
    """
    cells = row = column = widest = lowest = 0
    for match in _PLACED.finditer(xml):
        attributes, is_cell = match[2], match[1] == b"c"
        at = _PLACE.search(attributes)
        if is_cell:
            cells, column = cells + 1, column + 1
        else:
            row, column = row + 1, 0
        if at is not None:
            pattern = _CELL_PLACE if is_cell else _ROW_PLACE
            where = pattern.fullmatch(at[1] if at[1] is not None else at[2])
            if where is None:
                found.error(place, f"the place of a {'cell' if is_cell else 'row'} is damaged: {_SAVE_AGAIN}")
                return False
            row = int(where[2])
            column = _column_number(where[1].upper()) if is_cell else 0
        elif attributes.count(b'"') % 2 or attributes.count(b"'") % 2:
            found.error(place, f"a cell is damaged: {_SAVE_AGAIN}")
            return False
        if is_cell:  # rows that are only formatted take nothing
            widest, lowest = max(widest, column), max(lowest, row)
    if cells > MOST_CELLS:
        found.error(
            place,
            f"the sheet holds {cells:,} cells, expected at most {MOST_CELLS:,}: delete empty formatted rows and "
            "save it again",
        )
        return False
    if widest * lowest > LARGEST_AREA:
        found.error(place, _too_far(column_letters(widest - 1), lowest))
        return False
    return True
