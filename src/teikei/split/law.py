"""Screens of competition law: amber and red lamps with the figure behind them, and what to take to counsel.

Advisory only. An unlit lamp says that a figure lies below a warning level, never that something is allowed.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable
from importlib import resources
from typing import Any, Final

import polars as pl

from teikei.plan.types import Plan, Plans
from teikei.split.games_of_plans import PlanValues
from teikei.study.types import Study

SCHEMA: Final = {
    "rung": pl.String,
    "screen": pl.String,
    "region": pl.String,
    "year": pl.Int64,
    "figure": pl.Float64,
    "threshold": pl.Float64,
    "light": pl.String,
    "source": pl.String,
    "subject": pl.String,
    "band": pl.String,
    "question": pl.String,
}
BANDS: Final = ((0.05, "under 5 %"), (0.10, "5 to 10 %"), (0.20, "10 to 20 %"), (float("inf"), "over 20 %"))
SHARE_COLUMNS: Final = ("region", "year", "measure", "subject", "share", "source")


def law_table(name: str) -> list[dict[str, str]]:
    """Rows of thresholds.csv, precedents.csv or flags.csv (texts as they stand)."""
    text = resources.files("teikei").joinpath("data", "law", f"{name}.csv").read_text("utf-8")
    return list(csv.DictReader(text.splitlines()))


def precedents() -> pl.DataFrame:
    """Consultation cases with figures, beside which the common share of cost is read; context, never a clearance.

    Columns: case, authority, year, selling_share, buying_share, common_cost (fractions, empty where not known),
    conditions, answer, confidence, source.
    """
    shares = dict.fromkeys(("selling_share", "buying_share", "common_cost"), pl.Float64)
    numbers: dict[str, type[pl.DataType]] = {**shares, "year": pl.Int64}
    table = pl.DataFrame(law_table("precedents"))
    return table.with_columns(
        pl.when(pl.col(name) == "").then(None).otherwise(pl.col(name)).cast(kind).alias(name)
        for name, kind in numbers.items()
    )


def screens(study: Study, plans: Plans, *, market_shares: pl.DataFrame | None = None) -> pl.DataFrame:
    """Lamps of every evaluated rung: combined shares, common share of cost, supplier dependence, and flags.

    market_shares: known combined shares of the study's companies, columns region (EU, JP, US ...), year, measure
    (``selling share`` or ``buying share``), subject (the market), share (fraction), source. Selling shares in
    countries of the products table are computed from it, by number and by value; every other share that a threshold of
    law needs is asked for (light amber, figure empty), never guessed.
    Columns: those of the table ``screens`` (docs/reference/formats.md), subject (market, supplier, class ...), band,
    question (what to find out or to take to counsel). light: ``amber``, ``red``, or empty below the warning level.
    """
    values = PlanValues(study, plans)
    thresholds = law_table("thresholds")
    known = _known_shares(study, market_shares)
    rows: list[dict[str, Any]] = []
    everyone = frozenset(company for bloc in values.blocs for company in bloc)
    for rung in study.rung_names:
        plan = values.plan(everyone, rung)
        if plan is None or rung == values.lowest:
            continue
        facts = _RungFacts(study, rung, plan)
        for threshold in thresholds:
            rows += [{"rung": rung, **row} for row in _threshold_rows(facts, threshold, known)]
        rows += [{"rung": rung, **row} for row in _regions_without(facts, thresholds)]
        rows += [{"rung": rung, **row} for row in _flag_rows(facts)]
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


class _RungFacts:
    """What a rung and its joint plan do, in the words of the screens."""

    def __init__(self, study: Study, rung: str, plan: Plan):
        self.study = study
        self.plan = plan
        order = study["classes"].select("class")  # the classes' own order, whatever the order of rows in rungs
        at_rung = study["rungs"].filter(pl.col("rung") == rung)
        table = order.join(at_rung, on="class", how="inner", maintain_order="left")
        self.pooled = table.filter(pl.col("procurement") != "none")["class"].to_list()
        self.developed = table.filter(pl.col("development_shared"))["class"].to_list()
        self.joint_plants = table.filter(pl.col("joint_plants"))["class"].to_list()
        self.class_of = dict(study["modules"].select("module", "class").iter_rows())
        self.country_of = dict(study["sites"].select("site", "country").iter_rows())
        awards = plan.tables.get("awards")
        self.awards = awards if awards is not None and not awards.is_empty() else None
        self.regions = sorted(set(study["volumes"]["region"]) | set(study["products"]["country"]))

    def applies(self, screen: str) -> bool:
        """Whether the rung does what a screen is about."""
        return {
            "joint purchasing": bool(self.pooled),
            "common cost": bool(self.pooled),
            "supplier dependence": bool(self.pooled),
            "joint development": bool(self.developed),
            "joint production": bool(self.joint_plants),
        }[screen]

    def pooled_awards(self) -> pl.DataFrame | None:
        """Awards of modules of pooled classes, with class and country of the site."""
        if self.awards is None:
            return None
        found = self.awards.with_columns(
            pl.col("item").replace_strict(self.class_of, default=None, return_dtype=pl.String).alias("class"),
            pl.col("site").replace_strict(self.country_of, default=None, return_dtype=pl.String).alias("country"),
        )
        return found.filter(pl.col("class").is_in(self.pooled))


def _lamp(figure: float, threshold: dict[str, str]) -> str | None:
    if threshold["red"] and figure > float(threshold["red"]):
        return "red"
    return "amber" if figure > float(threshold["amber"]) else None


def _row(threshold: dict[str, str], region: str, year: int | None, figure: float | None, **more: Any) -> dict[str, Any]:
    lamp = "amber" if figure is None else _lamp(figure, threshold)
    return {
        "screen": f"{threshold['screen']}: {threshold['measure']}",
        "region": region,
        "year": year,
        "figure": figure,
        "threshold": float(threshold["red"] or threshold["amber"]),
        "light": lamp,
        "source": more.pop("source", f"{threshold['instrument']} [{threshold['confidence']}: {threshold['source']}]"),
        "question": more.pop("question", threshold["counsel"] if lamp else None),
        "band": None,
        **more,
    }


def _threshold_rows(
    facts: _RungFacts, threshold: dict[str, str], known: list[dict[str, Any]]
) -> Iterable[dict[str, Any]]:
    if not facts.applies(threshold["screen"]):
        return []
    measure = threshold["measure"]
    if measure == "common share of vehicle cost":
        return _common_cost_rows(facts, threshold)
    if measure == "share of a supplier's capacity":
        return _dependence_rows(facts, threshold)
    if threshold["region"] not in facts.regions:
        return []
    rows = [
        _row(
            threshold,
            one["region"],
            one["year"],
            one["share"],
            subject=one["subject"],
            source=f"{threshold['instrument']}; share: {one['source']}",
        )
        for one in known
        if one["region"] == threshold["region"] and one["measure"] == measure
    ]
    subjects = facts.pooled if measure == "buying share" else ["new cars"]
    have = {row["subject"] for row in rows}
    asked = [subject for subject in subjects if subject not in have] if measure == "buying share" or not rows else []
    return rows + [
        _row(
            threshold,
            threshold["region"],
            None,
            None,
            subject=subject,
            question=f"Find the companies' combined {measure} of {subject} in {threshold['region']}, with source and "
            f"date",
        )
        for subject in asked
    ]


def _regions_without(facts: _RungFacts, thresholds: list[dict[str, str]]) -> list[dict[str, Any]]:
    """Sales regions of whose law no threshold is on file: said, so that a missing lamp is not read as a clearance."""
    on_file = {threshold["region"] for threshold in thresholds}
    names = [region for region in facts.regions if region not in on_file]
    if not names or not (facts.pooled or facts.developed):
        return []
    return [
        {
            "screen": "no threshold on file",
            "region": region,
            "year": None,
            "figure": None,
            "threshold": None,
            "light": "amber",
            "source": "thresholds.csv holds EU, JP, UK and US only",
            "subject": "joint purchasing and development",
            "band": None,
            "question": f"Ask counsel which shares matter in {region}: no threshold is on file for it",
        }
        for region in names
    ]


def _known_shares(study: Study, market_shares: pl.DataFrame | None) -> list[dict[str, Any]]:
    """Combined selling shares from the products table, by number and by value, and those handed in."""
    shares: list[dict[str, Any]] = []
    products = study["products"]
    electric = pl.col("powertrain") == "bev"
    for (country, year), group in products.group_by("country", "year", maintain_order=True):
        markets = {"new cars": pl.lit(True), "battery-electric cars": electric} | {
            f"battery-electric {segment} cars": electric & (pl.col("segment") == segment)
            for segment in _segments_apart(str(country), group["segment"].unique(maintain_order=True).to_list())
        }
        for subject, condition in markets.items():
            inside = group.filter(condition)
            own = pl.col("maker").is_in(list(study.companies))
            for basis, weight in (("number", pl.col("units")), ("value", pl.col("units") * pl.col("price"))):
                total, ours = inside.select(weight.sum()).item(), inside.filter(own).select(weight.sum()).item()
                if total:
                    shares.append(
                        {
                            "region": country,
                            "year": year,
                            "measure": "selling share",
                            "subject": f"{subject}, by {basis}",
                            "share": float(ours / total),
                            "source": f"products table, {inside.height} models of {year}",
                        }
                    )
    if market_shares is not None:
        shares += market_shares.select(SHARE_COLUMNS).to_dicts()
    return shares


def _segments_apart(country: str, segments: list[str]) -> list[str]:
    """Segments that are selling markets of their own: by the country's data, else each where there are several."""
    text = resources.files("teikei").joinpath("data", "market", "segments.csv").read_text("utf-8")
    known = {row["segment"]: row for row in csv.DictReader(text.splitlines()) if row["country"] == country}
    if not known:
        return segments if len(segments) > 1 else []
    return [name for name in segments if name not in known or known[name]["own_taste"] == "yes"]


def _common_cost_rows(facts: _RungFacts, threshold: dict[str, str]) -> list[dict[str, Any]]:
    """Jointly bought modules over the value of the cars they go into: every model in the report year, and all
    together."""
    pooled = "+".join(facts.pooled)
    spend = facts.pooled_awards()
    value, unknown = _value_of_cars(facts.study)
    if spend is None or not value:
        ask = "Find awards and car values: the ratio cannot be computed"
        return [_row(threshold, "all", None, None, subject=pooled, question=ask)]
    rows = [
        _row(threshold, "all", None, None, subject=name, question=f"Find the car value of {name}: its ratio is missing")
        for name in unknown
    ]
    amount = (pl.col("quantity") * pl.col("unit_price")).sum().alias("amount")
    year = facts.study.settings.report_year
    parts: list[tuple[str, float, float]] = []
    if "programme" in spend.columns:
        by_car = spend.filter(pl.col("year") == year).group_by("programme", maintain_order=True).agg(amount)
        parts += [(name, paid, value.get((name, year), 0.0)) for name, paid in by_car.sort("programme").iter_rows()]
    if not unknown:
        paid = float(spend.filter(pl.col("year") == year).select(amount).item())
        parts.append(("all cars", paid, sum(worth for (_, when), worth in value.items() if when == year)))
    for name, paid, worth in parts:
        if worth > 0:
            ratio = paid / worth
            band = next(text for limit, text in BANDS if ratio < limit)
            subject = f"{name}: joint purchases over ex-works value (of variable cost it is more)"
            rows.append(_row(threshold, "all", year, ratio, subject=subject, band=band))
    return rows


def _value_of_cars(study: Study) -> tuple[dict[tuple[str, int], float], list[str]]:
    """((programme, year) -> ex-works value of its cars, study currency; programmes whose car value is not known)."""
    programmes = study["programmes"].filter(pl.col("in_scope"))
    cars = (
        study["volumes"]
        .filter(pl.col("scenario") == study.settings.volume_scenario, pl.col("units") > 0)
        .join(programmes.select("programme", "car_value"), on="programme", how="inner")
    )
    unknown = cars.filter(pl.col("car_value").is_null())["programme"].unique(maintain_order=True).to_list()
    known = cars.filter(pl.col("car_value").is_not_null())
    total = known.group_by("programme", "year").agg((pl.col("units") * pl.col("car_value")).sum())
    return {(programme, year): worth for programme, year, worth in total.iter_rows()}, unknown


def _dependence_rows(facts: _RungFacts, threshold: dict[str, str]) -> list[dict[str, Any]]:
    """The joint award at a site over the site's whole capacity, the worst year of each site."""
    spend = facts.pooled_awards()
    if spend is None:
        return []
    energy = dict(facts.study["modules"].select("module", "gross_energy_kwh").iter_rows())
    worst: dict[str, tuple[float, int]] = {}
    supplier_of: dict[str, str] = {}
    unknown: set[str] = set()
    for (site, supplier, year), group in spend.group_by("site", "supplier", "year", maintain_order=True):
        if not site:
            continue
        supplier_of[site] = supplier
        capacity, unit = _capacity(facts.study, str(site), int(str(year)))
        if not capacity:
            unknown.add(str(site))
            continue
        pieces = group["quantity"].to_list()
        if unit == "gwh":
            pieces = [n * (energy.get(item) or 0.0) / 1e6 for n, item in zip(pieces, group["item"], strict=True)]
        ratio = sum(pieces) / capacity
        if ratio > worst.get(str(site), (-1.0, 0))[0]:
            worst[str(site)] = (ratio, int(str(year)))
    rows = [
        _row(threshold, facts.country_of.get(site, "all"), year, ratio, subject=f"{supplier_of[site]}, {site}")
        for site, (ratio, year) in worst.items()
    ]
    return rows + [
        _row(
            threshold,
            facts.country_of.get(site, "all"),
            None,
            None,
            subject=f"{supplier_of[site]}, {site}",
            question=f"Find the capacity of {site}: the supplier's dependence cannot be computed",
        )
        for site in sorted(unknown - worst.keys())
    ]


def _capacity(study: Study, site: str, year: int) -> tuple[float, str]:
    rows = study["capacities"].filter(pl.col("site") == site, pl.col("from_year") <= year).sort("from_year")
    return (float(rows["capacity"][-1]), str(rows["unit"][-1])) if rows.height else (0.0, "")


def _flag_rows(facts: _RungFacts) -> list[dict[str, Any]]:
    """Matters for counsel that a fact of the rung or its plan lights amber."""
    sites = facts.pooled_awards()
    countries = set() if sites is None else set(sites["country"].drop_nulls())
    plants = set(facts.study["car_plants"]["country"])
    lit = {
        "always": "the joint study itself",
        "procurement pooled": ", ".join(facts.pooled),
        "supplier in JP": "suppliers with sites in Japan" if "JP" in countries else "",
        "joint plant": ", ".join(facts.joint_plants),
        "module across borders": ", ".join(sorted(countries | plants)) if len(countries | plants) > 1 else "",
        "development shared": ", ".join(facts.developed),
        "vehicle shared": ", ".join(name for name in facts.developed if name == "top-hat"),
    }
    return [
        {
            "screen": flag["screen"],
            "region": "all",
            "year": None,
            "figure": None,
            "threshold": None,
            "light": "amber",
            "source": f"{flag['instrument']} [{flag['confidence']}: {flag['source']}]",
            "subject": lit[flag["when"]],
            "band": None,
            "question": flag["counsel"],
        }
        for flag in law_table("flags")
        if lit[flag["when"]]
    ]
