"""How a stored release is laid out on the page: designs side by side, the timeline as bars, everything else as lines.

Works on what ``release`` has passed and on nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from teikei.room.specification import fields_of

_SPAN: Final = re.compile(r"(\d{4})-Q([1-4]) to (\d{4})-Q([1-4])")
LINE_HEIGHT: Final = 22
CHART_WIDTH: Final = 900
LABEL_WIDTH: Final = 250
SHADES: Final = ("#16425b", "#5aa9c9", "#2f6f4f", "#a3c9a8", "#7a5195")


@dataclass(frozen=True)
class Bar:
    """One task: its place in the drawing (pixels), and the words for those who cannot see it."""

    x: float
    y: float
    width: float
    shade: str
    task: str
    lead: str
    span: str


@dataclass(frozen=True)
class Gantt:
    """A drawing of the timeline: rows (name, y), year marks (text, x), bars, leads with their shade, size."""

    rows: list[tuple[str, float]]
    marks: list[tuple[str, float]]
    bars: list[Bar]
    leads: list[tuple[str, str]]
    width: int
    height: int
    label: int


@dataclass(frozen=True)
class View:
    """designs: (class, modules, lines of (title, unit, values)); timeline; own requirements; the rest as lines."""

    designs: list[tuple[str, list[str], list[tuple[str, str, list[str]]]]]
    gantt: Gantt | None
    drivers: list[tuple[list[str], str]]
    prices: list[tuple[list[str], str]]
    lines: list[tuple[str, list[str], str]]


def view(content: Mapping[str, Any]) -> View:
    """The layout of one release as stored."""
    entries: list[tuple[str, list[str], str]] = [
        (str(kind), [str(part) for part in subject], str(value)) for kind, subject, value in content["entries"]
    ]
    by_class: dict[str, dict[str, dict[str, str]]] = {}
    for kind, subject, value in entries:
        if kind == "specification" and len(subject) == 3:
            by_class.setdefault(subject[0], {}).setdefault(subject[1], {})[subject[2]] = value
    tasks = [(subject, value) for kind, subject, value in entries if kind == "timeline"]
    gantt = draw(tasks)
    shown = {"specification", "drivers", "requirement_price_band"} | ({"timeline"} if gantt else set())
    return View(
        [(name, list(modules), _lines(name, modules)) for name, modules in by_class.items()],
        gantt,
        [(subject, value) for kind, subject, value in entries if kind == "drivers"],
        [(subject, value) for kind, subject, value in entries if kind == "requirement_price_band"],
        [entry for entry in entries if entry[0] not in shown],
    )


def _lines(class_name: str, modules: Mapping[str, Mapping[str, str]]) -> list[tuple[str, str, list[str]]]:
    found = []
    for field in fields_of(class_name):
        values = [own.get(field.name, "–") for own in modules.values()]
        if any(value != "–" for value in values):
            found.append((field.title, field.unit, values))
    return found


def draw(tasks: Sequence[tuple[Sequence[str], str]]) -> Gantt | None:
    """The bars of a timeline; None where no task has quarters."""
    spans: list[tuple[str, str, str, int, int, str]] = []
    for subject, text in tasks:
        found = _SPAN.fullmatch(text)
        if found and len(subject) == 3:
            start = 4 * int(found[1]) + int(found[2]) - 1
            end = 4 * int(found[3]) + int(found[4])
            spans.append((subject[0], subject[1], subject[2], start, end, text))
    if not spans:
        return None
    first = 4 * (min(span[3] for span in spans) // 4)
    last = 4 * -(-max(span[4] for span in spans) // 4)
    scale = (CHART_WIDTH - LABEL_WIDTH) / (last - first)
    begin: dict[str, int] = {}
    for name, _, _, start, _, _ in spans:
        begin[name] = min(start, begin.get(name, start))
    names = sorted(begin, key=lambda name: (" in " in name, begin[name], name))
    leads = sorted({span[2] for span in spans})
    shade = {lead: SHADES[number % len(SHADES)] for number, lead in enumerate(leads)}
    bars = [
        Bar(
            round(LABEL_WIDTH + (start - first) * scale, 1),
            24 + LINE_HEIGHT * names.index(name) + 3,
            round((end - start) * scale - 1.5, 1),
            shade[lead],
            task,
            lead,
            text,
        )
        for name, task, lead, start, end, text in spans
    ]
    marks = [(str(year), round(LABEL_WIDTH + (4 * year - first) * scale, 1)) for year in range(first // 4, last // 4)]
    rows = [(name, 24.0 + LINE_HEIGHT * number) for number, name in enumerate(names)]
    height = 30 + LINE_HEIGHT * len(names)
    return Gantt(rows, marks, bars, [(lead, shade[lead]) for lead in leads], CHART_WIDTH, height, LABEL_WIDTH)
