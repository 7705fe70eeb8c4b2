"""Reading cells of a grid with the answers of the map: what cannot be read in one way is asked for by place."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from teikei.errors import Problem
from teikei.tables.intake.amounts import Amount, plain, read_amount
from teikei.tables.intake.answers import Map
from teikei.tables.intake.grid import Grid
from teikei.tables.source import column_letters


@dataclass
class Reader:
    """What was asked (errors), what was read with care (warnings), and the map that grows with every reading."""

    map: Map
    problems: list[Problem] = field(default_factory=list)
    questions: list[str] = field(default_factory=list)  # keys of answers, ``Sheet!E4``

    def column_key(self, grid: Grid, column: int) -> str:
        """The key of a column in the map."""
        return f"{grid.title}!{column_letters(column)}"

    def settings(self, grid: Grid, column: int) -> dict[str, Any]:
        """What the map says of a column."""
        return self.map.columns.get(self.column_key(grid, column), {})

    def locale(self, grid: Grid, column: int) -> str:
        """Whose signs the numbers of a column carry."""
        return str(self.settings(grid, column).get("locale", "auto")).replace("auto", self.map.locale)

    def ask(self, grid: Grid, row: int, column: int, question: str) -> None:
        """A question at a cell; its answer goes into the map."""
        self.problems.append(Problem(grid.cell(row, column), question))
        self.questions.append(f"{grid.title}!{column_letters(column)}{row}")
        grid.use(row, [column])

    def ask_for(self, key: str, grid: Grid, question: str) -> None:
        """A question that a key of the map answers."""
        self.problems.append(Problem(grid.place, f"{question}: write {key} into import.yaml and give it with --map"))

    def note(self, grid: Grid, row: int, column: int, text: str) -> None:
        """A warning at a cell."""
        self.problems.append(Problem(grid.cell(row, column), text, warning=True))

    def amount(self, grid: Grid, row: int, column: int) -> Amount:
        """The number of a cell; its question where it is none is the caller's to ask."""
        return read_amount(grid.at(row, column), self.locale(grid, column))

    def apply_answers(self, grid: Grid) -> None:
        """Puts the answers into the grid; an answer to a cell that holds nothing is an error."""
        for key, value in self.map.answers.items():
            title, _, address = key.rpartition("!")
            if title != grid.title:
                continue
            letters = address.rstrip("0123456789")
            column = 0
            for letter in letters.upper():
                column = column * 26 + ord(letter) - 64
            row = address[len(letters) :]
            at = (int(row) if row.isdigit() else 0, column - 1)
            if at not in grid.cells:
                self.problems.append(Problem(f"import.yaml: answers, {key}", "no cell of the file has this place"))
            else:
                grid.cells[at] = value
                self.note(grid, at[0], at[1], f"read as {plain(value)}, as the map answers")
