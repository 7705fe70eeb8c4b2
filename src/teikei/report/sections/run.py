"""How the run was made: versions, options, seeds, inputs with their hashes, citations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from teikei.report.blocks import Block, Details, Section, Text, grid, words
from teikei.report.context import Context
from teikei.report.formatting import text_of

_GROUPS: Final = (
    ("versions", "Versions"),
    ("solver", "Solver options"),
    ("seeds", "Seeds"),
    ("times", "Seconds by stage"),
    ("input_hashes", "Inputs and their SHA-256"),
)
_SHOWN_ELSEWHERE: Final = ("title", "label", "citations", *(name for name, _ in _GROUPS))


def section(context: Context) -> Section:
    """Everything needed to run it again."""
    blocks: list[Block] = []
    settings = [[words(str(key)), flat(value)] for key, value in context.meta.items() if key not in _SHOWN_ELSEWHERE]
    if settings:
        blocks.append(Details("Settings of this run", (grid("Settings", ["Setting", "Value"], settings),)))
    for name, title in _GROUPS:
        entries = context.meta.get(name)
        if isinstance(entries, Mapping) and entries:
            rows = [[str(key), flat(value)] for key, value in entries.items()]
            blocks.append(Details(title, (grid(title, ["Name", "Value"], rows, look="mono"),)))
        elif name != "seeds":  # a run has one seed, the solver's, and that is among the solver's options
            blocks.append(Text(f"{title}: not stored with this run.", "absent"))
    citations = context.meta.get("citations")
    if isinstance(citations, list | tuple) and citations:
        rows = [[str(number), flat(entry)] for number, entry in enumerate(citations, start=1)]
        blocks.append(Details("Literature used", (grid("Literature", ["No.", "Citation"], rows),)))
    return Section("run", "How this was computed", "Could somebody else get the same numbers?", tuple(blocks))


def flat(value: Any) -> str:
    """Any entry of meta on one line."""
    if isinstance(value, Mapping):
        return "; ".join(f"{key}: {flat(entry)}" for key, entry in value.items()) or "–"
    if isinstance(value, list | tuple | set | frozenset):
        return "; ".join(flat(entry) for entry in value) or "–"
    return (
        f"{value:g}"
        if isinstance(value, float)
        else text_of(value)
        if value is None or isinstance(value, bool)
        else str(value)
    )
