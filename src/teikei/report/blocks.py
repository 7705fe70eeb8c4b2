"""The pieces a report page is made of: cells, grids, charts, sentences, sections. Templates know nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import polars as pl

from teikei.report.formatting import Money, decimals_for, is_number, number, percent, plain, text_of

ROW_LIMIT: Final = 150


@dataclass(frozen=True, slots=True)
class Cell:
    """One table cell: what is shown, and the stored figure behind it.

    look names a style in report.css; note is a second line or a hint; span: columns it takes (last cell of a row);
    money: the value is in million of the study's currency.
    """

    text: str
    value: float | None = None
    look: str = ""
    note: str = ""
    span: int = 1
    money: bool = False


@dataclass(frozen=True, slots=True)
class Column:
    """Header of one column; numeric columns are right-aligned."""

    header: str
    numeric: bool = False


@dataclass(frozen=True, slots=True)
class Grid:
    """A table: the first cell of each row is its header."""

    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    note: str = ""
    kind: str = "grid"
    look: str = ""


@dataclass(frozen=True, slots=True)
class Chart:
    """A picture with the message as title, a sentence on how to read it and its numbers."""

    name: str
    title: str
    reading: str
    figure: Mapping[str, Any]
    grid: Grid
    height_px: int = 380
    kind: str = "chart"


@dataclass(frozen=True, slots=True)
class Text:
    """A sentence. look: ``note``, ``absent`` (why something is not shown), ``warning`` or ``lead``."""

    text: str
    look: str = "note"
    kind: str = "text"


@dataclass(frozen=True, slots=True)
class Details:
    """Blocks behind a summary line that the reader opens."""

    summary: str
    blocks: tuple[Any, ...]
    kind: str = "details"


Block = Grid | Chart | Text | Details


@dataclass(frozen=True, slots=True)
class Section:
    """One part of the page: the question it answers, then blocks."""

    name: str
    title: str
    question: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class Spec:
    """How one column of a frame is shown. kind: text, money, number, percent, year, plain."""

    column: str
    header: str
    kind: str = "text"
    sign: bool = False


_RULES: Final = {
    "shapley": "Shapley value",
    "tau": "tau value",
    "proportional_to_standalone": "proportional to stand-alone cost",
    "equal_nonseparable": "equal split of non-separable cost",
    "separable_cost_remaining_benefits": "separable cost, remaining benefits",
}
_ACRONYMS: Final = {name.lower(): name for name in ("AC", "DC", "WLTC", "EPA", "EV", "NRE", "JC08", "MIDC", "LFP")} | {
    "ee": "E/E"
}
_DRIVES: Final = {"bev": "battery-electric", "phev": "plug-in hybrid", "ice": "combustion", "hybrid": "hybrid"}
_REGIONS: Final = {"JP": "Japan", "CN": "China", "EU": "Europe", "UK": "Britain", "US": "United States", "IN": "India"}


def rule_name(rule: str | None) -> str:
    """A rule of sharing as people call it."""
    return _RULES.get(rule or "", words(rule or ""))


def region_name(region: str | None) -> str:
    """A sales region as people call it."""
    return _REGIONS.get(region or "", region or "")


def drive_name(powertrain: str | None) -> str:
    """A powertrain of the products table as people call it."""
    return _DRIVES.get(powertrain or "", words(powertrain or ""))


def words(name: str) -> str:
    """A stored name as words: ``commercial_scale`` is ``commercial scale``, ``dc_charge_time`` ``DC charge time``."""
    text = " ".join(_ACRONYMS.get(word, word) for word in name.replace("_", " ").split(" "))
    return text.replace(" 0 100", " 0–100 km/h").replace(" 80 120", " 80–120 km/h")


def grid(
    caption: str, headers: Sequence[str], rows: Iterable[Sequence[Cell | str]], *, note: str = "", look: str = ""
) -> Grid:
    """A grid from cells; a column is numeric when its cells carry values."""
    cells = tuple(tuple(cell if isinstance(cell, Cell) else Cell(cell) for cell in row) for row in rows)
    numeric = [any(index < len(row) and row[index].value is not None for row in cells) for index in range(len(headers))]
    columns = tuple(Column(header, flag) for header, flag in zip(headers, numeric, strict=True))
    return Grid(caption, columns, cells, note, look=look)


def frame_grid(
    frame: pl.DataFrame, caption: str, specs: Sequence[Spec], money: Money, *, limit: int = ROW_LIMIT, where: str = ""
) -> Grid:
    """A grid of a stored table; above ``limit`` rows it is cut and says where all of them are."""
    shown = frame.head(limit)
    columns = [_cells(shown[spec.column].to_list(), spec, money) for spec in specs]
    note = ""
    if frame.height > limit:
        note = f"The first {limit} of {frame.height} rows; all of them are in report.xlsx, sheet “{where}”."
    return Grid(
        caption,
        tuple(Column(spec.header, spec.kind not in ("text", "year")) for spec in specs),
        tuple(zip(*columns, strict=True)),
        note,
    )


def stored_grid(
    frame: pl.DataFrame, caption: str, money: Money, *, where: str, skip: Sequence[str] = (), limit: int = ROW_LIMIT
) -> Grid:
    """A grid of a table as it is stored, columns without any value left out; figures in the stored unit."""
    specs = [
        Spec(name, words(name), "year" if name == "year" else "plain" if frame[name].dtype.is_numeric() else "text")
        for name in frame.columns
        if name not in skip and not frame[name].is_null().all()
    ]
    return frame_grid(frame, caption, specs, money, limit=limit, where=where)


def _cells(values: list[Any], spec: Spec, money: Money) -> list[Cell]:
    if spec.kind == "text":
        return [Cell(text_of(value)) for value in values]
    if spec.kind == "year":
        return [Cell(str(int(value)) if is_number(value) else text_of(value)) for value in values]
    figures = [float(value) if is_number(value) else None for value in values]
    write: Callable[[float | None], str]
    if spec.kind == "money":
        decimals = money.decimals(figures)
        write = lambda figure: money.text(figure, decimals, sign=spec.sign)  # noqa: E731
    elif spec.kind == "percent":
        write = lambda figure: percent(figure, sign=spec.sign)  # noqa: E731
    elif spec.kind == "plain":
        write = lambda figure: text_of(None) if figure is None else plain(figure)  # noqa: E731
    else:
        places = decimals_for(figures)
        write = lambda figure: number(figure, places, sign=spec.sign)  # noqa: E731
    return [Cell(write(figure), figure) for figure in figures]
