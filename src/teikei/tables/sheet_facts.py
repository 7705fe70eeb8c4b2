"""What a sheet's XML says that the reader behind does not hand on: error cells, unfinished formulas, hidden rows."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from xml.sax.handler import ContentHandler

from defusedxml import sax as defused_sax

DEEPEST_NESTING: Final = 64
MOST_SPANS_TOLD: Final = 12

_WORTH_A_LOOK: Final = re.compile(rb"<(?:[\w.-]+:)?f[\s/>]|\bt\s*=\s*[\"']e[\"']|\bhidden\s*=")
_PLACE: Final = re.compile(r"([A-Za-z]{1,3})(\d{1,7})")


class BadCell(str):
    """A cell that holds an error value or a formula without result; the text says which."""

    __slots__ = ()


class TooDeep(ValueError):
    """The XML is nested deeper than any program writes it."""


@dataclass(frozen=True)
class SheetFacts:
    """Facts of a sheet, by (row, column) from 0.

    bad_cells: error values and formulas without a stored result. formula_zeros: formulas whose stored result is 0,
    which is also what programs store that cannot compute. hidden_rows, hidden_columns: what Excel does not show.
    """

    bad_cells: dict[tuple[int, int], BadCell] = field(default_factory=dict)
    formula_zeros: frozenset[tuple[int, int]] = frozenset()
    hidden_rows: frozenset[int] = frozenset()
    hidden_columns: frozenset[int] = frozenset()


def error_cell(text: str) -> BadCell:
    """The cell that stands for an error value of a spreadsheet."""
    return BadCell(f"found the Excel error {text or 'value'}: mend the formula or type the value")


def unfinished_formula() -> BadCell:
    """The cell that stands for a formula that no program has computed."""
    return BadCell("found a formula without a stored result: open the file in Excel, let it compute, and save it")


def facts_of_sheet(xml: bytes) -> SheetFacts:
    """Facts of a sheet of an .xlsx file. Raises SAXException, TooDeep or ValueError where the XML is damaged."""
    if not _WORTH_A_LOOK.search(xml):
        return SheetFacts()
    reader = _SheetReader()
    defused_sax.parseString(xml, reader, forbid_dtd=True)
    return SheetFacts(
        reader.bad, frozenset(reader.zeros), frozenset(reader.hidden_rows), frozenset(reader.hidden_columns)
    )


class DepthLimit(ContentHandler):
    """A handler that refuses XML nested too deeply."""

    def __init__(self) -> None:
        super().__init__()
        self.depth = 0

    def down(self) -> None:
        """One level down."""
        self.depth += 1
        if self.depth > DEEPEST_NESTING:
            raise TooDeep("the XML is nested too deeply")

    def up(self) -> None:
        """One level up."""
        self.depth -= 1


class _SheetReader(DepthLimit):
    """Walks rows and cells; places that are not written are those after the last, as the reader behind counts them."""

    def __init__(self) -> None:
        super().__init__()
        self.row = self.column = -1
        self.kind = ""
        self.has_formula = False
        self.value: list[str] | None = None
        self.in_value = False
        self.bad: dict[tuple[int, int], BadCell] = {}
        self.zeros: set[tuple[int, int]] = set()
        self.hidden_rows: set[int] = set()
        self.hidden_columns: set[int] = set()

    def startElement(self, name: str, attrs: Any) -> None:
        """The begin of a row, cell, formula or value."""
        self.down()
        match name.rpartition(":")[2]:
            case "row":
                self.row = int(attrs["r"]) - 1 if "r" in attrs else self.row + 1
                self.column = -1
                if _is_true(attrs.get("hidden")) or _number(attrs.get("ht")) == 0:
                    self.hidden_rows.add(self.row)
            case "col":
                if _is_true(attrs.get("hidden")):
                    first, last = int(attrs.get("min", "1")), min(int(attrs.get("max", "1")), 16_384)
                    self.hidden_columns.update(range(first - 1, last))
            case "c":
                self._place(attrs.get("r"))
                self.kind, self.has_formula, self.value = attrs.get("t", "n"), False, None
            case "f":
                self.has_formula = True
            case "v":
                self.value, self.in_value = [], True

    def _place(self, address: str | None) -> None:
        match = _PLACE.fullmatch(address or "")
        if match is None:
            self.column += 1
            return
        column = 0
        for letter in match[1].upper():
            column = column * 26 + ord(letter) - 64
        self.row, self.column = int(match[2]) - 1, column - 1

    def characters(self, content: str) -> None:
        """Text of a value."""
        if self.in_value and self.value is not None:
            self.value.append(content)

    def endElement(self, name: str) -> None:
        """The end of a value or cell."""
        self.up()
        match name.rpartition(":")[2]:
            case "v":
                self.in_value = False
            case "c":
                text = "".join(self.value or ()).strip()
                at = self.row, self.column
                if self.kind == "e":
                    self.bad[at] = error_cell(text)
                elif self.has_formula and not text and self.kind == "n":
                    self.bad[at] = unfinished_formula()
                elif self.has_formula and self.kind == "n" and _number(text) == 0:
                    self.zeros.add(at)


def _is_true(text: str | None) -> bool:
    return text in ("1", "true")


def _number(text: str | None) -> float | None:
    try:
        return float(text) if text else None
    except ValueError:
        return None


class OpenDocumentReader(DepthLimit):
    """Walks content.xml of an .ods file: facts of every sheet, and how far each reaches. sheets: name -> facts."""

    def __init__(self) -> None:
        super().__init__()
        self.bad: dict[str, dict[tuple[int, int], BadCell]] = {}
        self.zeros: dict[str, set[tuple[int, int]]] = {}
        self.hidden: dict[str, set[int]] = {}
        self.extent: dict[str, tuple[int, int]] = {}
        self.cells: dict[str, int] = {}
        self.sheet = ""
        self.row = self.rows = self.column = 0
        self.cell: Mapping[str, str] | None = None
        self.text: list[str] = []

    def startElement(self, name: str, attrs: Any) -> None:
        """The begin of a sheet, row or cell."""
        self.down()
        if name == "table:table":
            self.sheet, self.row, self.rows = attrs.get("table:name", ""), 0, 0
            self.bad[self.sheet], self.zeros[self.sheet], self.hidden[self.sheet] = {}, set(), set()
            self.extent[self.sheet], self.cells[self.sheet] = (0, 0), 0
        elif name == "table:table-row":
            self.row += self.rows
            self.rows, self.column = max(1, int(attrs.get("table:number-rows-repeated", "1"))), 0
            if attrs.get("table:visibility") in ("collapse", "filter"):
                self.hidden[self.sheet].update(range(self.row, self.row + min(self.rows, 100_000)))
        elif name in ("table:table-cell", "table:covered-table-cell") and self.cell is None:
            self.cell, self.text = dict(attrs.items()), []

    def characters(self, content: str) -> None:
        """Text shown in a cell."""
        if self.cell is not None:
            self.text.append(content)

    def endElement(self, name: str) -> None:
        """The end of a cell."""
        self.up()
        if name not in ("table:table-cell", "table:covered-table-cell") or self.cell is None:
            return
        cell, shown = self.cell, "".join(self.text).strip()
        repeated = max(1, int(cell.get("table:number-columns-repeated", "1")))
        kind = cell.get("office:value-type", "")
        formula = cell.get("table:formula", "")
        is_error = cell.get("calcext:value-type") == "error" or (
            bool(formula) and kind in ("", "string") and re.fullmatch(r"#[A-Z0-9/]+[!?]?|Err:\d+", shown) is not None
        )
        if shown or kind or formula:
            down, right = self.extent[self.sheet]
            self.extent[self.sheet] = max(down, self.row + self.rows), max(right, self.column + repeated)
            self.cells[self.sheet] += self.rows * repeated
        for at in self._places(repeated) if formula or is_error else ():
            if is_error:
                self.bad[self.sheet][at] = error_cell(shown)
            elif not kind:
                self.bad[self.sheet][at] = unfinished_formula()
            elif kind != "string" and _number(cell.get("office:value")) == 0:
                self.zeros[self.sheet].add(at)
        self.column += repeated
        self.cell = None

    def _places(self, repeated: int) -> list[tuple[int, int]]:
        rows, columns = min(self.rows, 10_000), min(repeated, 1_000)
        return [(self.row + down, self.column + right) for down in range(rows) for right in range(columns)]

    def facts(self) -> dict[str, SheetFacts]:
        """Facts by sheet."""
        return {
            name: SheetFacts(bad, frozenset(self.zeros[name]), frozenset(self.hidden[name]))
            for name, bad in self.bad.items()
        }


def spans(numbers: list[int]) -> str:
    """Whole numbers in words: ``4 to 6, 9``; of many spans the first few."""
    found: list[list[int]] = []
    for number in sorted(numbers):
        if found and number == found[-1][1] + 1:
            found[-1][1] = number
        else:
            found.append([number, number])
    shown = [str(first) if first == last else f"{first} to {last}" for first, last in found[:MOST_SPANS_TOLD]]
    return ", ".join(shown) + (" …" if len(found) > MOST_SPANS_TOLD else "")
