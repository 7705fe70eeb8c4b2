"""The same car at an integrated rival's structure: own cells and drives, no supplier margin, its scale and region.

A rival is integrated where a supplier of the study is its captive (``suppliers.captive_of``). In the classes that
captive makes, the rival pays the best quote of the captive's country at its largest tier, less the supplier margin it
does not pay to itself; other parts it buys there too, margin included. Quotes are scaled to the car's module by
rating: per kWh for packs (in the chemistry the captive makes), by the study's cost curve for the rest. Nothing is
shipped or taxed: the rival builds where it buys. A part that nobody quotes there stays at the companies' own cost, and
the walk says so.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import polars as pl

from teikei.modules.types import Catalogue
from teikei.plan.facts import OfferFact
from teikei.plan.read_supply import read_offers
from teikei.plan.types import Plan, Plans
from teikei.study.types import Study

SCHEMA = {"programme": pl.String, "step": pl.String, "item": pl.String, "value": pl.Float64}

Parts = dict[str, dict[str, dict[str, tuple[float, float]]]]


def integrated_rival(
    study: Study, catalogue: Catalogue, plans: Plans, coalition: str | None = None, rung: str | None = None
) -> pl.DataFrame:
    """Cost walk per car in the report year, from the companies' cost alone to the same car at the rival's structure.

    coalition, rung: the joint plan in the middle of the walk (default: all companies at the highest rung with a plan).
    Columns: programme, step (``own alone``, ``own together`` and ``total`` are levels,
    ``alliance``, ``source`` and ``margin`` are changes), item (words), value (study currency per car, landed, real).
    Empty where no supplier of the study is a rival's captive.
    """
    captives = study["suppliers"].filter(pl.col("captive_of").is_not_null())
    plan = _middle(study, plans, coalition or study.coalition_name(study.companies), rung)
    if captives.is_empty() or plan is None:
        return pl.DataFrame(schema=SCHEMA)
    year = study.settings.report_year
    classes = dict(catalogue.table.select("module", "class").iter_rows())
    blocs = {study.coalition_name(members) for members in study.blocs.values()}
    alone = [p for (name, at), p in plans.by_key.items() if at == study.baseline_rung and name in blocs]
    before = _parts(alone, classes, year)
    after = _parts([plan], classes, year)
    book = _Quotes.read(study, catalogue, captives, year)
    rows: list[tuple[str, str, str, float]] = []
    for programme in sorted(set(before) & set(after)):
        rows += _walk(programme, before[programme], after[programme], book)
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


def _middle(study: Study, plans: Plans, coalition: str, rung: str | None) -> Plan | None:
    for name in [rung] if rung else reversed(study.rung_names):
        plan = plans.by_key.get((coalition, name))
        if plan is not None and plan.status != "not evaluated":
            return plan
    return None


def _parts(plans: Iterable[Plan], classes: Mapping[str, str], year: int) -> Parts:
    """programme -> class -> module -> (pieces per car, landed cost per car) of a year, averaged over the cars."""
    spent: dict[tuple[str, str], tuple[float, float]] = {}
    cars: dict[str, float] = {}
    for plan in plans:
        units = plan.tables["unit_costs"].filter(pl.col("year") == year)
        for programme, _, count in units.select("programme", "company", "units").unique().iter_rows():
            cars[programme] = cars.get(programme, 0.0) + count
        awards = plan.tables["awards"].filter(pl.col("year") == year)
        for row in awards.select("programme", "item", "quantity", "landed_unit_cost").iter_rows():
            programme, module, pieces, cost = row
            old = spent.get((programme, module), (0.0, 0.0))
            spent[(programme, module)] = (old[0] + pieces, old[1] + pieces * cost)
    result: Parts = {}
    for (programme, module), (pieces, cost) in sorted(spent.items()):
        by_module = result.setdefault(programme, {}).setdefault(classes[module], {})
        by_module[module] = (pieces / cars[programme], cost / cars[programme])
    return result


def _walk(
    programme: str,
    before: Mapping[str, Mapping[str, tuple[float, float]]],
    after: Mapping[str, Mapping[str, tuple[float, float]]],
    book: _Quotes,
) -> list[tuple[str, str, str, float]]:
    start = {name: math.fsum(cost for _, cost in parts.values()) for name, parts in before.items()}
    joint = {name: math.fsum(cost for _, cost in parts.values()) for name, parts in after.items()}
    rows = [(programme, "own alone", "own parts, each company alone", math.fsum(start.values()))]
    for name in sorted({*start, *joint}):
        change = joint.get(name, 0.0) - start.get(name, 0.0)
        if abs(change) > 0.5:
            rows.append((programme, "alliance", f"{name}: through the alliance", change))
    rows.append((programme, "own together", "own parts, together", math.fsum(joint.values())))
    saved_margin, unquoted = 0.0, []
    for name, parts in sorted(after.items()):
        found = [book.cost(name, module, pieces) for module, (pieces, _) in parts.items()]
        if any(one is None for one in found):
            unquoted.append(name)
            continue
        cost = math.fsum(one[0] for one in found if one is not None)
        saved_margin += math.fsum(one[1] for one in found if one is not None)
        rows.append((programme, "source", f"{name}: {book.maker}'s region and scale", cost - joint[name]))
    rows.append((programme, "margin", f"no supplier margin on {book.maker}'s own parts", -saved_margin))
    words = f"the same car at {book.maker}'s structure"
    if unquoted:
        words += f" ({', '.join(unquoted)} at own cost: not quoted there)"
    rows.append((programme, "total", words, math.fsum(value for _, step, _, value in rows[_level(rows) :])))
    return rows


def _level(rows: list[tuple[str, str, str, float]]) -> int:
    return next(index for index, (_, step, _, _) in enumerate(rows) if step == "own together")


@dataclass(frozen=True)
class _Quotes:
    """Quotes of the captive's country by class, at their largest tier in one year."""

    maker: str
    own_classes: frozenset[str]
    chemistry: frozenset[str]
    quotes: Mapping[str, tuple[OfferFact, ...]]
    margin: Mapping[str, float]
    ratings: Mapping[str, tuple[float | None, float | None, str | None]]
    year: int

    @classmethod
    def read(cls, study: Study, catalogue: Catalogue, captives: pl.DataFrame, year: int) -> _Quotes:
        """Every offer of the captive's countries, benchmarks included."""
        names = set(captives["supplier"].to_list())
        anyone = study.with_tables(
            offers=study["offers"].with_columns(pl.lit("offer").alias("status")),
            sites=study["sites"].with_columns(pl.lit(["any"]).alias("sourceable_by")),
        )
        offers = [offer for offer in read_offers(anyone).values() if year in offer.price]
        own = [offer for offer in offers if offer.supplier in names]
        countries = {offer.country for offer in own}
        ratings = {
            row["module"]: (row["gross_energy_kwh"], row["curve_price"], row["chemistry"])
            for row in catalogue.table.iter_rows(named=True)
        }
        quotes: dict[str, tuple[OfferFact, ...]] = {}
        for offer in offers:
            if offer.country in countries:
                quotes[offer.class_name] = (*quotes.get(offer.class_name, ()), offer)
        return cls(
            maker=str(captives["captive_of"][0]),
            own_classes=frozenset(offer.class_name for offer in own),
            chemistry=frozenset(ratings[o.module][2] or "" for o in own if ratings[o.module][0]),
            quotes=quotes,
            margin=dict(study["suppliers"].select("supplier", "operating_margin").iter_rows()),
            ratings=ratings,
            year=year,
        )

    def cost(self, class_name: str, module: str, pieces: float) -> tuple[float, float] | None:
        """(cost per car with the supplier's margin, margin the rival does not pay); None where nothing is quoted."""
        energy, curve, _ = self.ratings[module]
        size = energy or curve
        if not size:
            return None
        found = []
        for offer in self.quotes.get(class_name, ()):
            other_energy, other_curve, chemistry = self.ratings[offer.module]
            other = other_energy if energy else other_curve
            if other and (not energy or not self.chemistry or (chemistry or "") in self.chemistry):
                found.append((abs(math.log(size / other)), offer.price[self.year][-1] * size / other, offer))
        if not found:
            return None
        nearest = min(distance for distance, _, _ in found)
        price, offer = min(
            ((p, o) for d, p, o in found if d <= nearest + 1e-9), key=lambda pair: (pair[0], pair[1].name)
        )
        margin = self.margin.get(offer.supplier, 0.0) if class_name in self.own_classes else 0.0
        return pieces * price, pieces * price * margin
