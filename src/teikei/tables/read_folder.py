"""A folder of CSV files into raw tables: encodings, separators, quoting, physical line numbers; nothing typed yet."""

from __future__ import annotations

import _csv
import csv
import hashlib
import io
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from teikei.errors import Problem
from teikei.tables.columns import study_layout
from teikei.tables.messages import closest, one_line, plain_word, shorten, show
from teikei.tables.source import Layout, RawTable, name_and_unit

LARGEST_FILE_BYTES: Final = 100_000_000
LARGEST_SETTINGS_BYTES: Final = 256_000
LONGEST_CELL: Final = 1_000_000
SETTINGS_FILE: Final = "study.yaml"


@dataclass
class Found:
    """What reading has gathered so far: raw tables, the text of the settings, hashes of files, problems."""

    tables: dict[str, RawTable] = field(default_factory=dict)
    damaged: set[str] = field(default_factory=set)
    hashes: dict[str, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def error(self, place: str, message: str) -> None:
        """Adds an error."""
        self.problems.append(Problem(place, message))

    def warning(self, place: str, message: str) -> None:
        """Adds a warning."""
        self.problems.append(Problem(place, message, warning=True))


def read_folder(folder: Path, found: Found, layout: Layout | None = None) -> str | None:
    """Reads every CSV table of a folder into ``found``; returns the text of study.yaml, or None.

    layout: the tables that may stand there; by default those of a study.
    """
    layout = layout or study_layout()
    names = {path.name: path for path in sorted(folder.iterdir())}
    for name, path in names.items():
        if path.suffix.casefold() == ".csv":
            _read_table_file(name, path, names, layout, found)
        elif path.suffix.casefold() in (".xlsx", ".xls", ".ods", ".tsv") and not name.startswith("~"):
            from_what = f"{SETTINGS_FILE} and its .csv files" if layout.has_settings else "its .csv files"
            found.warning(name, f"the file is ignored: a folder is read from {from_what} only")
    return _read_settings_file(folder, names, found) if layout.has_settings else None


def folded(name: str, known: Iterable[str], taken: Collection[str]) -> str | None:
    """The known name that ``name`` says in other letters (case, width, blanks), where nothing else has that name."""
    match = next((one for one in known if plain_word(one) == plain_word(name)), None)
    return None if match in taken else match


def fold_header(header: Sequence[str], table: RawTable, columns: Collection[str], found: Found) -> tuple[str, ...]:
    """The header with the names of columns as teikei spells them; a name written otherwise is a note."""
    texts = [name_and_unit(text) for text in header]
    taken = {name for name, _ in texts}
    result = list(header)
    for index, (name, unit) in enumerate(texts):
        match = None if name in columns or not name else folded(name, columns, taken)
        if match is not None:
            taken.add(match)
            result[index] = f"{match} [{unit}]" if unit else match
            found.warning(table.place(table.header_line, index=index), f"the header {show(name)} is read as {match}")
    return tuple(result)


def _read_table_file(name: str, path: Path, names: dict[str, Path], layout: Layout, found: Found) -> None:
    tables = layout.tables
    table = path.stem
    same = folded(table, tables, {Path(other).stem for other in names})
    if table not in tables and same is not None:
        found.warning(name, f"the file is read as {same}.csv")
        table = same
    elif table not in tables or path.suffix != ".csv":
        match = closest(table, tables, cutoff=0.75)
        if match is not None and f"{match}.csv" not in names:
            found.error(
                name,
                f"found a file of this name, expected {match}.csv: rename the file (or move it away if it is no "
                f"table of the {layout.kind})",
            )
            found.damaged.add(match)
        else:
            found.warning(name, f"the file is ignored: teikei has no table {show(table)}")
        return
    data = read_bytes(path, name, LARGEST_FILE_BYTES, found)
    if data is None:
        found.damaged.add(table)
        return
    found.hashes[name] = hashlib.sha256(data).hexdigest()
    text = decode(data, name, found)
    if text is None:
        found.damaged.add(table)
        return
    raw = parse_csv(table, name, text, found, tables[table])
    if raw is None or raw.damaged:
        found.damaged.add(table)
    if raw is not None:
        found.tables[table] = raw


def _read_settings_file(folder: Path, names: dict[str, Path], found: Found) -> str | None:
    path = names.get(SETTINGS_FILE)
    if path is None:
        candidates = [name for name in names if Path(name).suffix.casefold() in (".yaml", ".yml")]
        near = candidates[0] if len(candidates) == 1 else closest(SETTINGS_FILE, names)
        hint = (
            f"; found {show(near)}: rename it to {SETTINGS_FILE}"
            if near
            else ": add it (teikei new writes one to start from)"
        )
        found.error(SETTINGS_FILE, f"the file is missing in {show(folder.resolve().name or '/')}{hint}")
        return None
    data = read_bytes(path, SETTINGS_FILE, LARGEST_SETTINGS_BYTES, found)
    if data is None:
        return None
    found.hashes[SETTINGS_FILE] = hashlib.sha256(data).hexdigest()
    return decode(data, SETTINGS_FILE, found)


def read_bytes(path: Path, name: str, limit: int, found: Found) -> bytes | None:
    """The content of a regular file, or None with a problem: not a file, not readable, too large."""
    try:
        if not path.exists():
            found.error(name, "the link leads nowhere: put the file itself there")
            return None
        if not path.is_file():
            found.error(
                name,
                f"found {'a folder' if path.is_dir() else 'no regular file'}, expected a file: put the file "
                "itself there",
            )
            return None
        if path.stat().st_size > limit:
            found.error(
                name,
                f"the file has {path.stat().st_size:,} bytes, expected at most {limit:,}: remove what does not "
                "belong to the study",
            )
            return None
        with path.open("rb") as stream:
            return stream.read(limit + 1)
    except OSError as problem:
        found.error(
            name,
            f"the file cannot be read ({problem.strerror or 'no reason given'}): check its permissions and that "
            "no other program holds it",
        )
        return None


def decode(data: bytes, name: str, found: Found) -> str | None:
    """Text of a file: UTF-8 (with or without byte-order mark), Shift-JIS with a note, else None and a problem."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        found.error(
            f"{name}:1", 'the file is UTF-16 ("Unicode text"), expected UTF-8: save it as "CSV UTF-8 (comma delimited)"'
        )
        return None
    if (nul := data.find(b"\0")) >= 0:
        line = data.count(b"\n", 0, nul) + 1
        found.error(
            f"{name}:{line}",
            "found a NUL byte, expected text: the file is damaged or not a CSV file; save it again as CSV UTF-8",
        )
        return None
    try:
        text = data.decode("utf-8-sig")
        if (lost := text.find("\ufffd")) >= 0:
            place = f"{name}:{text.count(chr(10), 0, lost) + 1}"
            found.warning(place, "found the sign � for characters that an earlier save has lost: type them again")
        return text
    except UnicodeDecodeError as problem:
        line = data.count(b"\n", 0, problem.start) + 1
        byte = data[problem.start]
    japanese = _as_shift_jis(data)
    if japanese is not None:
        found.warning(
            f"{name}:{line}",
            "the file is not UTF-8; it was read as Shift-JIS (cp932): look at the Japanese text, and save it "
            "as CSV UTF-8",
        )
        return japanese
    guess = " (it may be EUC-JP)" if _is_euc_jp(data) else " (it may be Windows-1252 or Latin-1)"
    found.error(f"{name}:{line}", f"found the byte 0x{byte:02X}, which is not UTF-8{guess}: save the file as CSV UTF-8")
    return None


def _as_shift_jis(data: bytes) -> str | None:
    """The text if it reads as Japanese: kana and common kanji outweigh what accented letters turn into."""
    try:
        text = data.decode("cp932")
    except UnicodeDecodeError:
        return None
    foreign = [character for character in text if not character.isascii()]
    usual = sum(_is_usual_japanese(character) for character in foreign)
    return text if usual > 0 and usual >= 0.7 * len(foreign) else None


def _is_usual_japanese(character: str) -> bool:
    if "\u3000" <= character <= "\u30ff" or "\uff01" <= character <= "\uff60":
        return True
    code = character.encode("cp932")
    return len(code) == 2 and b"\x88\x9f" <= code <= b"\x98\x72"  # kanji of JIS level 1


def _is_euc_jp(data: bytes) -> bool:
    try:
        return any("\u3040" <= character <= "\u30ff" for character in data.decode("euc_jp"))
    except UnicodeDecodeError:
        return False


def parse_csv(table: str, name: str, text: str, found: Found, columns: Collection[str]) -> RawTable | None:
    """Rows with the physical line each begins on; None, with a problem, where there is no usable header.

    columns: those that the table may have; names written in other letters are taken for them, with a note.
    """
    first_column = next(iter(columns))
    if not text.strip():
        found.error(
            f"{name}:1:{first_column}",
            f"the file is empty, expected a header line ({first_column}, …): add it, or remove the file if the "
            "table is not used",
        )
        return None
    if _other_separator(name, text, found, columns):
        return None
    stream = io.StringIO(text, newline="")
    previous_limit = csv.field_size_limit(LONGEST_CELL)
    try:
        raw = _parse_rows(table, name, csv.reader(stream, strict=True), found)
    finally:
        csv.field_size_limit(previous_limit)
    return None if raw is None else replace(raw, header=fold_header(raw.header, raw, columns, found))


def _parse_rows(table: str, name: str, reader: _csv.Reader, found: Found) -> RawTable | None:
    header: tuple[str, ...] | None = None
    rows: list[tuple[int, list[str]]] = []
    damaged = False
    line = 1
    try:
        for cells in reader:
            if header is None:
                header = tuple(cell.strip() for cell in cells)
                if not any(header):
                    found.error(
                        f"{name}:{line}", "the line is empty, expected the header in line 1: remove the empty line"
                    )
                    return None
            elif any(cell and not cell.isspace() for cell in cells):
                rows.append((line, cells))
            line = reader.line_num + 1
    except csv.Error as problem:
        damaged = True
        found.error(f"{name}:{line}", _explain_csv_error(str(problem)))
    return None if header is None else RawTable(table, name, header, rows, damaged=damaged)


def _explain_csv_error(reason: str) -> str:
    if "unexpected end of data" in reason:
        return (
            'a cell that begins here opens a double quote (") and never closes it: close it; the lines after it '
            "were not read"
        )
    if "expected after" in reason:
        return (
            'text follows a closing double quote: write "" for a quote inside a quoted cell; the lines after it '
            "were not read"
        )
    if "field larger" in reason:
        return (
            f"a cell is longer than {LONGEST_CELL:,} characters: a double quote may be missing; the lines after it "
            "were not read"
        )
    return f"the line cannot be read as CSV ({one_line(shorten(reason))}): the lines after it were not read"


def _other_separator(name: str, text: str, found: Found, columns: Collection[str]) -> bool:
    """Reports a file whose columns are separated by tabs or semicolons."""
    header = next((line for line in text.splitlines() if line.strip()), "")
    known = {plain_word(column) for column in columns}
    by_comma = _count_known(header.split(","), known)
    for separator, word in (("\t", "tabs"), (";", "semicolons"), ("|", "bars")):
        parts = header.split(separator)
        if len(parts) > 1 and _count_known(parts, known) > by_comma:
            found.error(
                f"{name}:1",
                f'columns are separated by {word}, expected commas: save the file as "CSV UTF-8 (comma '
                'delimited)", with decimal points; the table was not read',
            )
            return True
    return False


def _count_known(parts: Iterable[str], known: Collection[str]) -> int:
    return sum(plain_word(name_and_unit(part.strip(' "'))[0]) in known for part in parts)
