"""Pictures as plotly figures in plain data: readable in black and white, with units on the axes and bands where known.

Every builder returns ``{"data": [...], "layout": {...}}``. Text from the study is escaped, because plotly reads a small
HTML of its own (links among it) in labels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any, Final

from teikei.report.formatting import number

Figure = dict[str, Any]

INK: Final = "#1d2733"
GRID: Final = "#e3e7ec"
FONT: Final = "system-ui, -apple-system, 'Segoe UI', 'Helvetica Neue', 'Noto Sans', Arial, sans-serif"
COLOURS: Final = (
    "#16425b", "#5aa9c9", "#2f6f4f", "#a3c9a8", "#7a5195", "#c8b6dd", "#4f5d75", "#bcc4d0", "#8c6d1f", "#e0c878",
)  # fmt: skip
PATTERNS: Final = ("", "/", ".", "\\", "-", "x", "|", "+", "/", ".")
PENALTY_COLOURS: Final = ("#9b2226", "#d9822b", "#e8b86d", "#b5655a", "#6b2d0e", "#f0d9b5")
PENALTY_PATTERNS: Final = ("x", "\\", "/", "-", ".", "+")
DASHES: Final = ("solid", "dash", "dot", "dashdot", "longdash")
SYMBOLS: Final = ("circle", "square", "diamond", "triangle-up", "cross", "x")


@dataclass(frozen=True, slots=True)
class Series:
    """Named values over the categories of a chart; ``penalty`` gives it a warning colour."""

    name: str
    values: Sequence[float | None]
    lower: Sequence[float | None] | None = None
    upper: Sequence[float | None] | None = None
    penalty: bool = False


def safe(text: str) -> str:
    """Text for a plotly label: nothing in it is read as markup."""
    return escape(text, quote=False)


def _layout(**more: Any) -> Figure:
    layout: Figure = {
        "font": {"family": FONT, "size": 13, "color": INK},
        "margin": {"l": 64, "r": 16, "t": 12, "b": 48},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "hovermode": "closest",
        "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0, "traceorder": "normal"},
        "hoverlabel": {"font": {"family": FONT}},
    }
    layout.update(more)
    return layout


def _axis(title: str = "", **more: Any) -> Figure:
    axis: Figure = {
        "gridcolor": GRID,
        "zerolinecolor": "#8893a0",
        "linecolor": "#8893a0",
        "automargin": True,
        "separatethousands": True,
    }
    if title:
        axis["title"] = {"text": safe(title), "standoff": 8, "font": {"size": 13}}
    axis.update(more)
    return axis


def _category_axis(categories: Sequence[str], **more: Any) -> Figure:
    return _axis(type="category", categoryorder="array", categoryarray=[safe(name) for name in categories], **more)


def _rows_axis(categories: Sequence[str], **more: Any) -> Figure:
    """A vertical category axis whose first category stands on top."""
    return _category_axis(categories, autorange="reversed", **more)


def _marker(index: int, penalty: bool) -> Figure:
    colours, patterns = (PENALTY_COLOURS, PENALTY_PATTERNS) if penalty else (COLOURS, PATTERNS)
    colour, pattern = colours[index % len(colours)], patterns[index % len(patterns)]
    return {
        "color": colour,
        "line": {"color": INK, "width": 0.6},
        "pattern": {"shape": pattern, "fillmode": "overlay", "solidity": 0.22, "size": 7},
    }


ONE_SIDED: Final = 0.02  # of a range: with less on one side the value is the range's own end


def _errors(middle: Sequence[float | None], series: Series, direction: str) -> Figure:
    """Whiskers; none for a value at the end of its own range, where they would read as an error to one side."""
    if series.lower is None or series.upper is None:
        return {}
    plus = [None if m is None or u is None else max(u - m, 0.0) for m, u in zip(middle, series.upper, strict=True)]
    minus = [None if m is None or w is None else max(m - w, 0.0) for m, w in zip(middle, series.lower, strict=True)]
    for index, (up, down) in enumerate(zip(plus, minus, strict=True)):
        if up is not None and down is not None and min(up, down) < ONE_SIDED * max(up, down):
            plus[index] = minus[index] = None
    bars = {"type": "data", "symmetric": False, "array": plus, "arrayminus": minus, "color": INK, "thickness": 1.5}
    return {f"error_{direction}": {**bars, "width": 5}}


def stacked_bars(
    categories: Sequence[str], series: Sequence[Series], unit: str, *, net: Series | None = None, decimals: int = 1
) -> Figure:
    """Stacked bars, penalties below zero; ``net`` is a diamond with its interval on top of them."""
    names = [safe(name) for name in categories]
    data: list[Figure] = []
    counts = {True: 0, False: 0}
    for one in series:
        data.append(
            {
                "type": "bar",
                "name": safe(one.name),
                "x": names,
                "y": list(one.values),
                "marker": _marker(counts[one.penalty], one.penalty),
                "hovertemplate": f"%{{x}}: %{{y:,.{decimals}f}} {safe(unit)}",
            }
        )
        counts[one.penalty] += 1
    labels: list[Figure] = []
    if net is not None:
        data.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": safe(net.name),
                "x": names,
                "y": list(net.values),
                "marker": {"symbol": "diamond", "size": 12, "color": "#ffffff", "line": {"color": INK, "width": 2}},
                "hovertemplate": f"%{{x}}: %{{y:,.{decimals}f}} {safe(unit)}",
                "cliponaxis": False,
                **_errors(net.values, net, "y"),
            }
        )
        labels = [
            _label_above(name, [one.values[index] for one in series], net, index, decimals)
            for index, name in enumerate(names)
        ]
    return {
        "data": data,
        "layout": _layout(
            barmode="relative",
            bargap=0.45,
            annotations=labels,
            xaxis=_category_axis(categories),
            yaxis=_axis(unit, zeroline=True),
        ),
    }


def _label_above(name: str, parts: Sequence[float | None], net: Series, index: int, decimals: int) -> Figure:
    """The net figure, written above the stack and the whisker it belongs to."""
    top = sum(part for part in parts if part is not None and part > 0)
    whisker = net.upper[index] if net.upper is not None else None
    return {
        "x": name,
        "y": max(top, whisker or 0.0),
        "yanchor": "bottom",
        "yshift": 8,  # clear of the diamond where bar and whisker are no taller than it
        "showarrow": False,
        "text": f"<b>net {number(net.values[index], decimals)}</b>",
        "font": {"size": 14, "color": INK},
    }


def waterfall(
    steps: Sequence[tuple[str, float, bool]], unit: str, *, decimals: int = 1, more_is_good: bool = False
) -> Figure:
    """A walk of (name, value, whether it is a total), from top to bottom; of cost, unless more is good.

    Totals stand on zero, the rest float from one level to the next; less cost and more cost differ in colour and
    pattern. Where the walk stays far above zero the axis is cut, and says so.
    """
    names = [safe(name) for name, _, _ in steps]
    bases, tops, looks, labels, level = [], [], [], [], 0.0
    for _, value, total in steps:
        before = 0.0 if total else level
        level = value if total else level + value
        bases.append(min(before, level))
        tops.append(abs(level - before))
        good = (value >= 0) if more_is_good else (value < 0)
        looks.append((COLOURS[7], "") if total else (COLOURS[1], "/") if good else (PENALTY_COLOURS[1], "x"))
        labels.append(number(value, decimals, sign=not total))
    floating = [base for base, (_, _, total) in zip(bases, steps, strict=True) if not total]
    highest = max((base + top for base, top in zip(bases, tops, strict=True)), default=1.0)
    lowest = min(floating, default=0.0)
    start = lowest - 0.6 * (highest - lowest) if lowest > 0.5 * highest else min(0.0, lowest)
    bars = {
        "type": "bar",
        "orientation": "h",
        "y": names,
        "x": tops,
        "base": bases,
        "text": labels,
        "textposition": "outside",
        "cliponaxis": False,
        "hovertemplate": "%{y}: %{text} " + safe(unit),
        "marker": {
            "color": [colour for colour, _ in looks],
            "line": {"color": INK, "width": 0.6},
            "pattern": {  # the ground is each bar's own colour whatever bgcolor says; without it plotly warns
                "shape": [pattern for _, pattern in looks],
                "fillmode": "overlay",
                "bgcolor": "#ffffff",
                "fgcolor": INK,
                "solidity": 0.2,
                "size": 7,
            },
        },
    }
    axis = _axis(unit + (" (the axis does not start at zero)" if start > 0 else ""))
    axis["range"] = [start, highest + 0.08 * (highest - start)]
    return {
        "data": [bars],
        "layout": _layout(showlegend=False, bargap=0.25, xaxis=axis, yaxis=_rows_axis([name for name, _, _ in steps])),
    }


def dots(categories: Sequence[str], series: Sequence[Series], unit: str, *, decimals: int = 1) -> Figure:
    """One row per category, one symbol per series, whiskers where an interval is known."""
    data = []
    spread = len(series) > 1 and any(one.lower is not None for one in series)  # whiskers would lie on each other
    for index, one in enumerate(series):
        data.append(
            {
                "type": "scatter",
                "mode": "markers",
                "orientation": "h",
                "offsetgroup": str(index) if spread else "0",
                "name": safe(one.name),
                "y": [safe(name) for name in categories],
                "x": list(one.values),
                "marker": {
                    "symbol": SYMBOLS[index % len(SYMBOLS)],
                    "size": 11 if index or spread or len(series) == 1 else 16,  # seen behind a symbol that lies on it
                    "color": COLOURS[(index * 2) % len(COLOURS)] if index else "#ffffff",
                    "line": {"color": INK, "width": 1.6},
                },
                "hovertemplate": f"%{{y}}: %{{x:,.{decimals}f}} {safe(unit)}",
                **_errors(one.values, one, "x"),
            }
        )
    return {
        "data": data,
        "layout": _layout(
            scattermode="group" if spread else "overlay",
            scattergap=0.4,
            xaxis=_axis(unit, zeroline=True),
            yaxis=_rows_axis(categories),
        ),
    }


def horizontal_bars(categories: Sequence[str], series: Sequence[Series], unit: str, *, decimals: int = 1) -> Figure:
    """Grouped horizontal bars with their figures written on them."""
    data = [
        {
            "type": "bar",
            "orientation": "h",
            "name": safe(one.name),
            "y": [safe(name) for name in categories],
            "x": list(one.values),
            "marker": _marker(sum(other.penalty == one.penalty for other in series[:index]), one.penalty),
            "text": [number(value, decimals) for value in one.values],
            "textposition": "outside",
            "cliponaxis": False,
            "hovertemplate": f"%{{y}}: %{{x:,.{decimals}f}} {safe(unit)}",
        }
        for index, one in enumerate(series)
    ]
    return {
        "data": data,
        "layout": _layout(
            bargap=0.3,
            margin={"l": 64, "r": 60, "t": 12, "b": 48},
            showlegend=len(series) > 1,
            xaxis=_axis(unit, zeroline=True),
            yaxis=_rows_axis(categories),
        ),
    }


def _band(name: str, years: Sequence[int], one: Series, colour: str, *, filled: bool) -> list[Figure]:
    """The first band of a chart as a grey field, further ones as thin edges, so that all can be told apart."""
    if one.lower is None or one.upper is None:
        return []
    shared = {"type": "scatter", "mode": "lines", "name": safe(f"{name}: 10–90 % band"), "hoverinfo": "skip"}
    if filled:
        field = {"x": [*years, *reversed(years)], "y": [*one.upper, *reversed(one.lower)], "fill": "toself"}
        return [{**shared, **field, "line": {"width": 0}, "fillcolor": "rgba(120,135,150,0.22)"}]
    line = {"color": colour, "dash": "dot", "width": 1.3}
    return [
        {**shared, "x": list(years), "y": list(edge), "line": line, "legendgroup": name, "showlegend": first}
        for first, edge in ((True, one.upper), (False, one.lower))
    ]


def _year_step(series: Sequence[tuple[str, Sequence[int], Series]]) -> int:
    years = [year for _, shown, _ in series for year in shown]
    return 1 + (max(years) - min(years)) // 18 if years else 1


def lines(series: Sequence[tuple[str, Sequence[int], Series]], x_title: str, unit: str, *, decimals: int = 1) -> Figure:
    """Lines over years; where a series has lower and upper, its band is drawn under it."""
    data: list[Figure] = []
    for index, (name, years, one) in enumerate(series):
        colour = (INK, COLOURS[1], PENALTY_COLOURS[1], COLOURS[2], COLOURS[4])[index % 5]
        data += _band(name, years, one, colour, filled=not any("fill" in trace for trace in data))
        data.append(
            {
                "type": "scatter",
                "mode": "lines+markers",
                "name": safe(name),
                "x": list(years),
                "y": list(one.values),
                "line": {"color": colour, "dash": DASHES[index % len(DASHES)], "width": 2.2},
                "marker": {"symbol": SYMBOLS[index % len(SYMBOLS)], "size": 7},
                "hovertemplate": f"%{{x}}: %{{y:,.{decimals}f}} {safe(unit)}",
            }
        )
    return {
        "data": data,
        "layout": _layout(
            xaxis=_axis(x_title, dtick=_year_step(series), tickformat="d"),
            yaxis=_axis(unit, rangemode="tozero", zeroline=True),
        ),
    }


def heat(
    rows: Sequence[str],
    columns: Sequence[str],
    values: Sequence[Sequence[float | None]],
    unit: str,
    *,
    texts: Sequence[Sequence[str]] | None = None,
    full_scale: float = 100.0,
    dark_is_low: bool = False,
) -> Figure:
    """A field of labelled cells over rows and columns; values in ``unit``, shaded from 0 to full_scale.

    texts: what is written in each cell (default: the value without decimals). dark_is_low: the darker, the smaller.
    """
    labels = [safe(name).replace(" ", "<br>") for name in columns]
    written = texts or [["" if value is None else number(value, 0) for value in row] for row in values]
    shades = ["#ffffff", "#9fb6c9", "#33567a"]
    scale = list(zip((0, 0.7, 1), shades, strict=True))
    if dark_is_low:
        scale = list(zip((0, 0.3, 1), reversed(shades), strict=True))
    return {
        "data": [
            {
                "type": "heatmap",
                "x": labels,
                "y": [safe(name) for name in rows],
                "z": [list(row) for row in values],
                "text": [[safe(text) for text in row] for row in written],
                "texttemplate": "%{text}",
                "colorscale": [list(stop) for stop in scale],
                "zmin": 0,
                "zmax": full_scale,
                "xgap": 2,
                "ygap": 2,
                "showscale": False,
                "hovertemplate": f"%{{y}}, %{{x}}: %{{text}} {safe(unit)}",
            }
        ],
        "layout": _layout(
            xaxis=_axis(type="category", categoryorder="array", categoryarray=labels, showgrid=False, side="top"),
            yaxis=_rows_axis(rows, showgrid=False),
            margin={"l": 64, "r": 16, "t": 32, "b": 16},
        ),
    }


def gantt(tasks: Sequence[tuple[str, str, float, float, str]], owners: Sequence[str]) -> Figure:
    """Bars of (row, label, start, end, owner) over decimal years, one colour and pattern per owner."""
    data: list[Figure] = []
    for index, owner in enumerate(owners):
        own = [task for task in tasks if task[4] == owner]
        data.append(
            {
                "type": "bar",
                "orientation": "h",
                "name": safe(owner),
                "y": [safe(row) for row, *_ in own],
                "base": [start for _, _, start, _, _ in own],
                "x": [end - start for _, _, start, end, _ in own],
                "customdata": [[safe(label), start, end] for _, label, start, end, _ in own],
                "hovertemplate": "%{customdata[0]}: %{customdata[1]:.2f} to %{customdata[2]:.2f}",
                "marker": _marker(index * 2 + 1, False),
            }
        )
    rows = list(dict.fromkeys(row for row, *_ in tasks))
    return {
        "data": data,
        "layout": _layout(
            barmode="overlay",
            bargap=0.25,
            xaxis=_axis("year", tickformat="d", dtick=1),
            yaxis=_rows_axis(rows),
        ),
    }
