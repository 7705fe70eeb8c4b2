"""Warnings about figures that are far from their like, evidence that names no source, and tables left empty."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from typing import Final

from teikei.errors import Problem
from teikei.study.draft import Draft
from teikei.tables.source import Row

OUTLIER_FACTOR: Final = 10.0
FEWEST_CARS: Final = 1_000
_FEWEST_TO_COMPARE: Final = 3


def the_study_has_companies(draft: Draft) -> Iterator[Problem]:
    """Without companies there is no study; without the other core tables there is nothing to plan."""
    core = ("companies", "classes", "rungs", "programmes", "volumes", "modules")
    empty = [table for table in core if not draft[table] and table not in draft.damaged]
    if "companies" in empty:
        yield Problem(draft.files["companies"], "the study has no company: add at least one row")
    others = [draft.files[table] for table in empty if table != "companies"]
    if others:
        words = "has no rows" if len(others) == 1 else "have no rows"
        yield Problem(
            draft.files[next(t for t in empty if t != "companies")],
            f"{', '.join(others)} {words}: there is nothing to plan yet",
            warning=True,
        )


def prices_lie_near_their_like(draft: Draft) -> Iterator[Problem]:
    """Prices of one class in the study's currency, per piece or kWh, lie within a factor of ten of their median."""
    modules = draft.by_key("modules", "module")
    rates = {name: row["rate"] for name, row in draft.by_key("currencies", "currency").items()}
    offers = draft.by_key("offers", "offer")
    groups: dict[tuple[str, str], list[tuple[float, Row, str]]] = {}
    for tier in draft["tiers"]:
        offer = offers.get(tier["offer"])
        module = modules.get(offer["module"]) if offer is not None else None
        if offer is None or module is None or not tier["unit_price"] or not rates.get(offer["currency"]):
            continue
        price = tier["unit_price"] * rates[offer["currency"]]
        size = module["peak_power_kw"] if module["class"] == "e-axle" else None
        key = (f"{module['class']}", "kW" if size else offer["price_unit"] or "piece")
        groups.setdefault(key, []).append((price / size if size else price, tier, "unit_price"))
    for (name, unit), prices in groups.items():
        yield from _outliers(prices, f"{name}, study currency per {unit}")


def masses_and_energies_lie_near_their_like(draft: Draft) -> Iterator[Problem]:
    """Ratings of modules of one class lie within a factor of ten of their median."""
    for column in ("mass_kg", "gross_energy_kwh", "peak_power_kw", "peak_torque_nm", "ac_charge_power_kw"):
        for name, rows in draft.grouped("modules", "class").items():
            unit = draft.columns["modules"][column].unit
            yield from _outliers(
                [(row[column], row, column) for row in rows if row[column]], f"{column} of {name}, {unit}"
            )


def prices_of_products_lie_near_their_like(draft: Draft) -> Iterator[Problem]:
    """Consumer prices of one country lie within a factor of ten of their median."""
    for country, rows in draft.grouped("products", "country").items():
        prices = [(row["price"], row, "price") for row in rows if row["price"]]
        yield from _outliers(prices, f"price of a car in {country}, study currency")


def volumes_count_cars(draft: Draft) -> Iterator[Problem]:
    """Volumes that would be tiny as cars are probably thousands of cars."""
    units = draft.values("volumes", "units")
    if units and 0 < max(units) < FEWEST_CARS:
        row = next(row for row in draft["volumes"] if row["units"] == max(units))
        yield row.warning(
            "units",
            f"the largest volume is {max(units):.10g} cars a year: the column counts cars, not thousands of cars",
        )


def _outliers(figures: list[tuple[float, Row, str]], words: str) -> Iterator[Problem]:
    if len(figures) < _FEWEST_TO_COMPARE:
        return
    middle = statistics.median(value for value, _, _ in figures)
    for value, row, column in figures:
        if value > OUTLIER_FACTOR * middle or value * OUTLIER_FACTOR < middle:
            times = value / middle if value > middle else middle / value
            yield row.warning(
                column,
                f"{value:.4g} ({words}) is {times:.3g} times {'above' if value > middle else 'below'} the "
                f"median {middle:.4g} of its like: check figure and unit",
            )


def reported_figures_name_a_source(draft: Draft) -> Iterator[Problem]:
    """A row that claims to be reported says by whom; said once a table."""
    for table, columns in draft.columns.items():
        if table == "sources" or "source" not in columns:
            continue
        rows = [
            row
            for row in draft[table]
            if row["confidence"] == "reported" and not row["source"] and "source" not in row.unread
        ]
        if rows:
            more = f" (and {len(rows) - 1} more rows of this table)" if len(rows) > 1 else ""
            yield rows[0].warning(
                "source",
                f"the row says reported but names no source{more}: add the key of the source, or set confidence "
                "assumption",
            )


def years_of_settings_fit(draft: Draft) -> Iterator[Problem]:
    """The year of comparison lies in the planning years."""
    settings = draft.settings
    if settings is not None and not settings.first_year <= settings.report_year <= settings.last_year:
        place = draft.setting_places.get("report_year", draft.files["study"])
        yield Problem(
            place,
            f"report_year {settings.report_year} is outside first_year {settings.first_year} to last_year "
            f"{settings.last_year}: choose a planning year",
            warning=True,
        )


CHECKS = (
    the_study_has_companies,
    prices_lie_near_their_like,
    masses_and_energies_lie_near_their_like,
    prices_of_products_lie_near_their_like,
    volumes_count_cars,
    reported_figures_name_a_source,
    years_of_settings_fit,
)
