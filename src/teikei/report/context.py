"""What every section is given: the tables, what is known of the run, and the ladder; with the cuts they all need."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import polars as pl

from teikei.report.blocks import Details, stored_grid, words
from teikei.report.facts import Ladder, members, read_ladder
from teikei.report.formatting import Money, is_number, listed
from teikei.report.known import flatten
from teikei.report.reading import Tables
from teikei.report.schema import SHAPES

STORED_ROWS: Final = 60
TITLES: Final = {
    "development": "What each group develops: families, variants, applications, with their cost",
    "market_policy_step": "What the change of subsidies in the next year moves, model by model",
    "market_stock": "Plug-in cars on the road",
    "candidates": "Every configuration of every car, whether it does its job, and why not",
    "market_break_even": "How many cars a programme must sell for its margins to pay its fixed cost",
    "market_conduct": "Prices and sales if the companies compete less",
    "market_exports": "What the saving does to the programmes' cars abroad",
    "market_incidence": "Who keeps the subsidies",
    "market_parity": "Price of the companies' electric cars beside their own combustion and hybrid cars",
    "market_pass_through": "How much of a change of cost reaches the price",
    "market_regions": "EV share and the companies' sales in the other regions",
    "savings_by_programme": "The saving by lever, company, programme and year",
    "shares_of_blocs": "Shares of groups that already pool, before they are divided within",
}


@dataclass(frozen=True)
class Context:
    """Tables, meta and ladder of one run."""

    tables: Tables
    meta: Mapping[str, Any]
    ladder: Ladder

    @property
    def money(self) -> Money:
        """Unit of money in millions."""
        return self.ladder.money

    @property
    def currency(self) -> str:
        """The study's currency."""
        return self.money.currency

    @property
    def best_rung(self) -> str:
        """Name of the rung with the largest saving, or the baseline where none was evaluated."""
        return self.ladder.best.name if self.ladder.best else self.ladder.baseline

    def joint(self, name: str, rung: str | None = None) -> pl.DataFrame:
        """Rows of a table for the grand coalition at a rung (default: the one that saves most)."""
        return self.tables.get(name).filter(
            (pl.col("coalition") == self.ladder.coalition) & (pl.col("rung") == (rung or self.best_rung))
        )

    def alone(self, name: str) -> pl.DataFrame:
        """Rows of a table for the companies alone (the parts of the grand coalition at the baseline)."""
        parts = list(self.ladder.parts) or [self.ladder.coalition]
        return self.tables.get(name).filter((pl.col("rung") == self.ladder.baseline) & pl.col("coalition").is_in(parts))

    def absent(self, name: str) -> str:
        """The sentence in place of a table that has nothing to show for the joint plan."""
        if not self.tables.has(name):
            return self.tables.why_absent(name)
        answers = SHAPES[name].answers
        return (
            f"{answers[0].upper()}{answers[1:]}: not evaluated because the table “{name}” has no usable rows for "
            f"{self.ladder.coalition or 'the grand coalition'} at “{self.best_rung}”."
        )

    @cached_property
    def companies_of(self) -> dict[str, tuple[str, ...]]:
        """Programme -> the companies that bear its cost; its lead company where no cost is stored."""
        found: dict[str, set[str]] = {}
        for name in ("cost_breakdown", "unit_costs", "programmes"):
            rows = self.tables.get(name).select("programme", "company").drop_nulls().unique()
            for programme, company in rows.iter_rows():
                if name != "programmes" or programme not in found:
                    found.setdefault(programme, set()).add(company)
        order = self.ladder.companies
        return {
            programme: tuple(sorted(names, key=lambda name: (order.index(name) if name in order else 99, name)))
            for programme, names in found.items()
        }

    def programme_label(self, programme: str) -> str:
        """Programme with its companies, as rows of charts are named."""
        title = self.programme_titles.get(programme, "")
        companies = ", ".join(self.companies_of.get(programme, ()))
        return " ".join(part for part in (programme, title, f"({companies})" if companies else "") if part)

    @cached_property
    def programme_titles(self) -> dict[str, str]:
        """Programme -> name of the car, where it is stored."""
        rows = self.tables.get("programmes").select("programme", "title").drop_nulls()
        return dict(rows.iter_rows())

    @cached_property
    def bloc_of(self) -> dict[str, str]:
        """Company -> bloc that already pools today; a company of its own otherwise."""
        told = self.meta.get("blocs")
        if isinstance(told, Mapping):
            return {str(company): str(bloc) for bloc, companies in told.items() for company in companies}
        return {company: part for part in self.ladder.parts for company in members(part)}

    @property
    def basis(self) -> str:
        """What money means here, in one sentence part."""
        price_year, base_year = self.meta.get("price_year"), self.meta.get("base_year")
        parts = []
        if price_year is not None:
            parts.append(f"real money of {price_year}")
        rate = self.meta.get("discount_rate")
        if is_number(rate):
            parts.append(f"discounted at {float(rate) * 100:g} % a year" + (f" to {base_year}" if base_year else ""))
        first, last = self.meta.get("first_year"), self.meta.get("last_year")
        if first and last:
            parts.append(f"cost of {first} to {last}")
        return listed(parts)


def stored_details(context: Context, name: str) -> Details:
    """A stored table that no section reads, behind its name; the first rows, all of them in the workbook."""
    frame, title = context.tables.stored[name], TITLES.get(name, words(name))
    table = stored_grid(frame, title, context.money, where=name, limit=STORED_ROWS)
    return Details(f"{title[0].upper()}{title[1:]} ({frame.height} row{'s' if frame.height != 1 else ''})", (table,))


def other_tables(context: Context, prefix: str) -> list[Details]:
    """Stored tables of one family of names that no section reads."""
    return [
        stored_details(context, name)
        for name, frame in context.tables.stored.items()
        if name.startswith(prefix) and name not in SHAPES and frame.height and frame.width
    ]


def make_context(stored: Mapping[str, pl.DataFrame], meta: Mapping[str, Any]) -> Context:
    """The context of a run's stored tables."""
    known = flatten(meta)
    left_out = known.get("left_out")
    tables = Tables(dict(stored), left_out if isinstance(left_out, Mapping) else {})
    return Context(tables, known, read_ladder(tables, known))
