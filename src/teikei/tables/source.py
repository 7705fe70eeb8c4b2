"""Tables as they were found, cells untyped; then rows with typed values; both with their places."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from teikei.errors import Problem


def column_letters(index: int) -> str:
    """Excel's letters of a column; 0 is A."""
    letters = ""
    index += 1
    while index:
        index, rest = divmod(index - 1, 26)
        letters = chr(ord("A") + rest) + letters
    return letters


_HEADER_WITH_UNIT: Final = re.compile(r"(?P<name>[^\[\]]+?)\s*\[(?P<unit>.*)\]")


def name_and_unit(text: str) -> tuple[str, str]:
    """Name and unit of a header cell such as ``mass_kg [kg]``; the unit is empty where none is given."""
    match = _HEADER_WITH_UNIT.fullmatch(text)
    return (match["name"], match["unit"]) if match else (text, "")


@dataclass(frozen=True)
class Layout:
    """What a folder or workbook may hold. kind: its word in messages; tables: name -> the columns that are known."""

    kind: str
    tables: Mapping[str, Collection[str]]
    has_settings: bool = False


@dataclass(frozen=True)
class RawTable:
    """One table as the file holds it. rows: (physical line or sheet row, cells); damaged: some rows could not be read.

    file: ``offers.csv``, or ``study.xlsx!offers`` for a sheet. formula_zeros: (line, position) of cells whose formula
    has the stored result 0, which is also what programs store that cannot compute.
    """

    name: str
    file: str
    header: tuple[str, ...]
    rows: Sequence[tuple[int, Sequence[Any]]]
    header_line: int = 1
    damaged: bool = False
    formula_zeros: frozenset[tuple[int, int]] = frozenset()

    @cached_property
    def positions(self) -> dict[str, int]:
        """Column name (a unit in brackets after it does not count) -> its first position in the header."""
        found: dict[str, int] = {}
        for index, text in enumerate(self.header):
            found.setdefault(text, index)
            found.setdefault(name_and_unit(text)[0], index)
        return found

    @property
    def is_sheet(self) -> bool:
        """Whether the table is a sheet of a workbook."""
        return "!" in self.file

    def place(self, line: int | None = None, column: str = "", index: int | None = None) -> str:
        """The place of a cell (by name of column, or its position in the header), of a row, or of the whole table."""
        if line is None:
            return self.file
        if index is None:
            index = self.positions.get(column)
        if self.is_sheet:
            return f"{self.file}!{'' if index is None else column_letters(index)}{line}"
        if not column and index is not None:
            name = self.header[index] if index < len(self.header) else ""
            column = name_and_unit(name)[0] or column_letters(index)
        return f"{self.file}:{line}:{column}" if column else f"{self.file}:{line}"


@dataclass(frozen=True, slots=True)
class Row:
    """A row with typed values: None where a cell is empty or could not be read (then ``unread`` names its column)."""

    table: RawTable
    line: int
    values: dict[str, Any]
    unread: frozenset[str] = frozenset()

    def __getitem__(self, column: str) -> Any:
        return self.values.get(column)

    def place(self, column: str = "") -> str:
        """Place of a cell of this row, or of the row."""
        return self.table.place(self.line, column)

    def error(self, column: str, message: str) -> Problem:
        """An error at a cell of this row."""
        return Problem(self.place(column), message)

    def warning(self, column: str, message: str) -> Problem:
        """A warning at a cell of this row."""
        return Problem(self.place(column), message, warning=True)


@dataclass(frozen=True)
class RawSettings:
    """Values by key, and the place of each; ``file`` is the place of the whole."""

    values: Mapping[str, Any]
    places: Mapping[str, str]
    file: str
