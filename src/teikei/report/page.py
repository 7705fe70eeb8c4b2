"""The page: sections through one template, plotly.js embedded once, nothing loaded from anywhere."""

from __future__ import annotations

import base64
import hashlib
import json
import math
from collections.abc import Iterable, Mapping
from functools import cache
from importlib import resources
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from teikei import __version__
from teikei.report.answer import Answer
from teikei.report.blocks import Block, Chart, Details, Section
from teikei.report.context import Context


def render(context: Context, answer: Answer, sections: tuple[Section, ...]) -> str:
    """The whole page as one self-contained HTML text."""
    plotly = get_plotlyjs().replace("</script", "<\\/script")
    start = _asset("start.js")
    return (
        _environment()
        .get_template("report.html.j2")
        .render(
            title=str(context.meta.get("title") or context.meta.get("name") or "Study without a title"),
            label=str(context.meta.get("label") or "This study carries no label: ask its author what it stands for."),
            scenario=str(context.meta.get("scenario") or ""),
            version=__version__,
            answer=answer,
            sections=sections,
            figures={chart.name: Markup(figure_json(chart.figure)) for chart in all_charts(sections)},  # noqa: S704
            style=Markup(_asset("report.css")),  # noqa: S704  our own file
            plotly=Markup(plotly),  # noqa: S704
            start=Markup(start),  # noqa: S704
            hashes=" ".join(f"'sha256-{_digest(text)}'" for text in (plotly, start)),
        )
    )


def figure_json(figure: Mapping[str, Any]) -> str:
    """A figure as JSON that may stand inside a script element: no character in it can end the element."""
    text = json.dumps(_finite(figure), ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def all_charts(sections: Iterable[Section]) -> list[Chart]:
    """Every chart of the page, also those behind a click."""
    found: list[Chart] = []

    def walk(blocks: Iterable[Block]) -> None:
        for block in blocks:
            if isinstance(block, Chart):
                found.append(block)
            elif isinstance(block, Details):
                walk(block.blocks)

    for section in sections:
        walk(section.blocks)
    return found


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _finite(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("teikei.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


@cache
def _asset(name: str) -> str:
    return resources.files("teikei.report").joinpath("templates", name).read_text("utf-8")


def _digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
