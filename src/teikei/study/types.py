"""The checked study: one typed table per sheet, and the settings of study.yaml."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import polars as pl
from pydantic import BaseModel, ConfigDict, Field, model_validator

from teikei.errors import Problem
from teikei.study.rungs import baseline_rung, rung_names


class Settings(BaseModel):
    """What study.yaml says. Money is in the study's currency; ``million`` means 10^6 of it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = Field(description="Version of the layout of a study")
    name: str = Field(min_length=1, description="Short name of the study, used in file names and tables")
    title: str = Field(default="", description="Title of the reports")
    label: str = Field(default="", description="What the study is and is not, printed on every report")
    currency: str = Field(default="JPY", pattern=r"^[A-Z]{3}$", description="Currency of all money; ISO code")
    price_year: int = Field(ge=1990, le=2100, description="Year whose money the figures are in")
    base_year: int = Field(ge=1990, le=2100, description="Year to which values are discounted")
    first_year: int = Field(ge=1990, le=2100, description="First planning year")
    last_year: int = Field(ge=1990, le=2100, description="Last planning year")
    discount_rate: float = Field(default=0.06, ge=0, le=0.5, description="One rate for every coalition value")
    volume_scenario: Literal["base", "low", "high"] = Field(default="base", description="Volume case to plan for")
    residual_rule: Literal["straight_line", "life_volume"] = Field(
        default="straight_line", description="How investment that outlives the horizon is credited"
    )
    nre_profile: tuple[float, ...] = Field(
        default=(0.1, 0.3, 0.4, 0.2), description="NRE spent in the years before SOP, earliest first; adds up to 1"
    )
    cost_curve: str = Field(default="epa_frm", description="Named cost curve for designs without an offer")
    inventory_rate: float = Field(default=0.07, ge=0, le=1, description="A year, on lead time + safety_weeks of value")
    safety_weeks: float = Field(default=1.0, ge=0, description="Weeks of parts kept in stock")
    engineering_rate_per_hour: float = Field(default=10_000.0, gt=0, description="One rate for coalition values")
    engineer_hours_per_year: float = Field(default=1_760.0, gt=0, description="Hours of one engineer")
    alliance_one_off: float = Field(
        default=0.0, ge=0, description="Million, once per alliance above the first pooling rung"
    )
    alliance_year: int | None = Field(
        default=None, ge=1990, le=2100, description="First year of buying together; empty = first_year"
    )
    work_begins: str | None = Field(
        default=None,
        pattern=r"^\d{4}-Q[1-4]$",
        description="Quarter (2027-Q1) from which development can be done; empty = first of base_year",
    )
    joint_organisation_a_year: float = Field(
        default=0.0,
        ge=0,
        description="Million a year of buying together, from the first pooling rung on",
    )
    lost_margin_share: float = Field(
        default=0.16,
        ge=0,
        le=1,
        description="Lost with a car not built, share of car_value (EV makers' gross margins of 2025: 0.08-0.28)",
    )
    late_buyers_kept: float = Field(
        default=0.0, ge=0, le=1, description="Share of a late car's buyers who take another car of the company"
    )
    home_market: str = Field(default="JP", description="Country whose car market is predicted")
    market_year: int = Field(default=2025, description="Year of the product table the market is calibrated on")
    report_year: int = Field(default=2030, description="Year in which unit costs, prices and sales are compared")
    incumbent_bloc_note: str = Field(default="", description="What companies of one bloc share today")

    @model_validator(mode="after")
    def _order_of_years(self) -> Settings:
        if self.first_year > self.last_year:
            raise ValueError(f"first_year {self.first_year} is after last_year {self.last_year}")
        if self.base_year > self.first_year:
            raise ValueError(f"base_year {self.base_year} is after first_year {self.first_year}")
        if abs(sum(self.nre_profile) - 1) > 1e-9:
            raise ValueError(f"nre_profile adds up to {sum(self.nre_profile)}, expected 1")
        return self

    @property
    def alliance_start(self) -> int:
        """First year of buying together."""
        return self.first_year if self.alliance_year is None else self.alliance_year

    @property
    def first_quarter(self) -> str:
        """Quarter ``YYYY-Qn`` from which development can be done."""
        return self.work_begins or f"{self.base_year}-Q1"

    @property
    def years(self) -> tuple[int, ...]:
        """The planning years, first to last."""
        return tuple(range(self.first_year, self.last_year + 1))

    def discount_factor(self, year: float) -> float:
        """Mid-year discount factor from ``year`` to the base year."""
        return float((1.0 + self.discount_rate) ** -(year + 0.5 - self.base_year))


@dataclass(frozen=True)
class Study:
    """A checked study. ``tables[name]`` has exactly the columns of columns.csv, typed, defaults filled in.

    List columns hold lists of strings; ``year`` is Int64; ``month`` is a string ``YYYY-MM``; empty optional
    numbers are null. A table that the study leaves out is present and empty. ``row_place[name][i]`` is the place
    (``offers.csv:14`` or ``study.xlsx!offers!14``) of row i, for messages.
    """

    settings: Settings
    tables: Mapping[str, pl.DataFrame]
    path: Path
    row_places: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    input_hashes: Mapping[str, str] = field(default_factory=dict)
    warnings: tuple[Problem, ...] = ()
    scenario: str | None = None

    def __getitem__(self, table: str) -> pl.DataFrame:
        return self.tables[table]

    @property
    def companies(self) -> tuple[str, ...]:
        """Company names in the order of the companies table (the order used in coalition names)."""
        return tuple(self.tables["companies"]["company"].to_list())

    @property
    def blocs(self) -> dict[str, tuple[str, ...]]:
        """Bloc name -> its companies; a company without a bloc is its own."""
        result: dict[str, tuple[str, ...]] = {}
        for company, bloc in self.tables["companies"].select("company", "bloc").iter_rows():
            result[bloc or company] = (*result.get(bloc or company, ()), company)
        return result

    @property
    def rung_names(self) -> tuple[str, ...]:
        """Rungs by position, lowest first."""
        return rung_names(self.tables["rungs"])

    @property
    def baseline_rung(self) -> str:
        """The rung at the lowest position, whatever its name: every bloc by itself; savings count from it."""
        return baseline_rung(self.tables["rungs"])

    def lacking(self, *tables: str) -> str:
        """Which of the tables have no rows, as a sentence; empty where all have some."""
        empty = [name for name in tables if self.tables[name].is_empty()]
        return f"the study has no rows in {' and '.join(empty)}" if empty else ""

    def coalition_name(self, members: tuple[str, ...] | set[str] | frozenset[str]) -> str:
        """Companies joined by ``+`` in the order of the companies table."""
        return "+".join(company for company in self.companies if company in members)

    def with_tables(self, **tables: pl.DataFrame) -> Study:
        """The same study with some tables replaced (scenarios, sweeps, tests)."""
        return replace(self, tables={**self.tables, **tables})
