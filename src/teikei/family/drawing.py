"""The front as a picture: cost against energy, the number of members as colour, the mass as size."""

from __future__ import annotations

from html import escape
from typing import Final

import polars as pl

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 760, 470, 84, 150, 24, 60
COLOURS: Final = ("#16425b", "#2f6f4f", "#8c6d1f", "#7a5195", "#9b2226", "#5aa9c9", "#4f5d75", "#d9822b")


def front_svg(table: pl.DataFrame, currency: str) -> str:
    """A picture (SVG) of the rows of pareto.csv; every point has a title with its figures."""
    cost, energy, mass = table["cost_million"], table["energy_wh_per_km"], table["mass_kg"]
    members = sorted(set(table["members"]))
    colour = {count: COLOURS[place % len(COLOURS)] for place, count in enumerate(members)}
    x, x_ticks = _scale(cost.to_list(), LEFT, WIDTH - RIGHT)
    y, y_ticks = _scale(energy.to_list(), HEIGHT - BOTTOM, TOP)
    lightest, heaviest = float(mass.min() or 0.0), float(mass.max() or 0.0)  # type: ignore[arg-type]
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" '
        'font-size="12" fill="#1d2733" role="img">',
        "<title>Families of e-axles: cost against energy</title>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
    ]
    parts += [
        f'<line x1="{x(tick):.1f}" x2="{x(tick):.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}" stroke="#e3e7ec"/>'
        f'<text x="{x(tick):.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{tick:,.6g}</text>'
        for tick in x_ticks
    ]
    parts += [
        f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(tick):.1f}" y2="{y(tick):.1f}" stroke="#e3e7ec"/>'
        f'<text x="{LEFT - 8}" y="{y(tick) + 4:.1f}" text-anchor="end">{tick:.6g}</text>'
        for tick in y_ticks
    ]
    for row in table.iter_rows(named=True):
        share = (row["mass_kg"] - lightest) / (heaviest - lightest) if heaviest > lightest else 0.5
        text = (
            f"{row['family']}: {row['members']} members, {row['cost_million']:,.0f} million, "
            f"{row['energy_wh_per_km']:.2f} Wh/km, {row['mass_kg']:.1f} kg, margin {100 * row['margin']:.1f} %"
        )
        parts.append(
            f'<circle cx="{x(row["cost_million"]):.1f}" cy="{y(row["energy_wh_per_km"]):.1f}" r="{4 + 6 * share:.1f}" '
            f'fill="{colour[row["members"]]}" fill-opacity="0.75" stroke="#ffffff"><title>{escape(text)}</title>'
            "</circle>"
        )
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts.append(
        f'<text x="{middle}" y="{HEIGHT - 16}" text-anchor="middle">cost of the line-up, million '
        f"{escape(currency)} (development, pieces, missed targets; present value)</text>"
        f'<text transform="translate(18 {(TOP + HEIGHT - BOTTOM) / 2}) rotate(-90)" text-anchor="middle">'
        "energy, Wh/km (mean of the cars, at the wall)</text>"
    )
    for place, count in enumerate(members):
        at = TOP + 16 + 20 * place
        parts.append(
            f'<circle cx="{WIDTH - RIGHT + 24}" cy="{at}" r="6" fill="{colour[count]}"/>'
            f'<text x="{WIDTH - RIGHT + 38}" y="{at + 4}">{count} member{"s" if count > 1 else ""}</text>'
        )
    at = TOP + 28 + 20 * len(members)
    parts.append(
        f'<text x="{WIDTH - RIGHT + 16}" y="{at}">size: e-axle mass</text>'
        f'<text x="{WIDTH - RIGHT + 16}" y="{at + 16}">{lightest:.0f} to {heaviest:.0f} kg a car</text></svg>'
    )
    return "\n".join(parts) + "\n"


class _Axis:
    def __init__(self, low: float, high: float, start: float, end: float) -> None:
        self.low, self.span, self.start, self.width = low, max(high - low, 1e-12), start, end - start

    def __call__(self, value: float) -> float:
        return self.start + (value - self.low) / self.span * self.width


def _scale(values: list[float], start: float, end: float) -> tuple[_Axis, list[float]]:
    low, high = min(values), max(values)
    room = 0.06 * (high - low) or max(abs(high) * 0.05, 1.0)
    low, high = low - room, high + room
    rough = (high - low) / 5.0
    power = 10.0 ** int(f"{rough:e}".split("e")[1])
    step = next(factor * power for factor in (1.0, 2.0, 2.5, 5.0, 10.0) if factor * power >= rough)
    first = -int(-low // step) if low > 0 else int(low // step)
    ticks = [step * number for number in range(first, first + 12) if low <= step * number <= high]
    return _Axis(low, high, start, end), ticks
