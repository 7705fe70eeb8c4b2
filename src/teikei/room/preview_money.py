"""What a rival could infer about figures that reach a release through the joint saving: prices and one-off costs.

Costs of a plan are minima over choices; the slope of a minimum in one price is the quantity bought at it, whatever the
choice (envelope theorem). So the saving S = sum of stand-alone costs - joint cost moves by at most L per unit of the
figure, with L the largest quantity that could ever be bought at it, landed. Bands leave S an interval of the promised
width W, so the figure keeps an interval of W / L at least, even against a rival who knows everything else.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import polars as pl

from teikei.study import Study

MILLION: Final = 1e6
JUMPS: Final = "the saving (narrower right at a tier break)"
SAVING: Final = "the saving"


@dataclass(frozen=True, slots=True)
class Slope:
    """How far the saving (million) can move per unit of one figure."""

    table: str
    row: int
    column: str
    value: float
    most: float
    through: str = SAVING


def slopes(study: Study, owners: Mapping[str, list[str]], company: str, members: int) -> list[Slope]:
    """A bound for every own figure with which costs move; owners: member of each row by table, as row_owners says."""
    cars = _Cars(study)
    return [
        *_contracts(study, cars, owners["existing"], company),
        *_one_offs(study, cars, owners, company, members),
        *_own_offers(study, cars, owners, company),
        *_shares_and_values(study, cars, owners, company),
    ]


class _Cars:
    """Units of the study's volume case by programme and generation, and the dearest price of a set of modules."""

    def __init__(self, study: Study):
        volumes = study["volumes"].filter(pl.col("scenario") == study.settings.volume_scenario)
        self.units: dict[tuple[str, str, int], float] = {}
        columns = ("programme", "generation", "year", "units")
        for programme, generation, year, units in volumes.select(columns).iter_rows():
            key = (programme, generation, int(year))
            self.units[key] = self.units.get(key, 0.0) + float(units)
        self.total = math.fsum(self.units.values())
        self.landed = _landed_factor(study)
        self.dearest_set = _dearest_set(study, self.landed)

    def until(self, programme: str, generation: str, end: float) -> float:
        """Cars of a generation built up to a moment."""
        return math.fsum(
            units
            for (name, own, year), units in self.units.items()
            if (name, own) == (programme, generation) and year <= end
        )

    def largest_year(self, programme: str, generation: str) -> float:
        """Cars of a generation in its largest year."""
        own = [units for (name, kind, _), units in self.units.items() if (name, kind) == (programme, generation)]
        return max(own, default=0.0)

    def of(self, programme: str) -> float:
        """All cars of a programme."""
        return math.fsum(units for (name, _, _), units in self.units.items() if name == programme)


def _landed_factor(study: Study) -> float:
    """The largest factor from a price to its landed cost with warranty that any row of the tables gives."""
    weeks = _largest(study["trade"]["lead_weeks"]) + study.settings.safety_weeks
    added = _largest(study["trade"]["duty"]) + _largest(study["classes"]["warranty_share"])
    return 1.0 + added + study.settings.inventory_rate * weeks / 52.0


def _largest(column: pl.Series) -> float:
    """The largest number of a column; 0 where it holds none."""
    value = column.max()
    return float(value) if isinstance(value, int | float) else 0.0


def _price_year_money(study: Study) -> dict[str, float]:
    """Study money of the price year per unit of each currency, as the plan reads an offer."""
    columns = ("currency", "rate", "to_price_year")
    return {
        currency: float(rate) * float(factor or 1.0)
        for currency, rate, factor in study["currencies"].select(columns).iter_rows()
    }


def _dearest_set(study: Study, landed: float) -> float:
    """An upper bound of what the modules of one car can cost, study currency: two e-axles, one of each other class."""
    rate = _price_year_money(study)
    modules = {row["module"]: row for row in study["modules"].iter_rows(named=True)}
    offers = {row["offer"]: row for row in study["offers"].iter_rows(named=True)}
    dearest: dict[str, float] = {}
    for offer, price in study["tiers"].select("offer", "unit_price").iter_rows():
        row = offers.get(offer)
        if row is None or row["module"] not in modules:
            continue
        module = modules[row["module"]]
        units = float(module["gross_energy_kwh"] or 0.0) if row["price_unit"] == "kwh" else 1.0
        money = float(price) * units * rate.get(row["currency"], 1.0)
        dearest[module["class"]] = max(dearest.get(module["class"], 0.0), money)
    for class_name, price in study["existing"].select("class", "unit_price").iter_rows():
        dearest[class_name] = max(dearest.get(class_name, 0.0), float(price or 0.0))
    energy = _largest(study["modules"]["gross_energy_kwh"])
    freight = _largest(study["trade"]["freight"]) * max(energy, 1.0)
    return math.fsum((landed * price + freight) * (2.0 if name == "e-axle" else 1.0) for name, price in dearest.items())


def _contracts(study: Study, cars: _Cars, owner: list[str], company: str) -> list[Slope]:
    found = []
    for index, row in enumerate(study["existing"].iter_rows(named=True)):
        if owner[index] != company:
            continue
        units = cars.until(row["programme"], row["generation"], float(row["contract_end"]))
        yearly = cars.largest_year(row["programme"], row["generation"])
        price = float(row["unit_price"])
        found.append(Slope("existing", index, "unit_price", price, cars.landed * units / MILLION))
        found.append(
            Slope("existing", index, "contract_end", float(row["contract_end"]), cars.landed * yearly * price / MILLION)
        )
        if row["committed_units"]:
            found.append(Slope("existing", index, "committed_units", float(row["committed_units"]), price / MILLION))
        found += [
            Slope("existing", index, column, float(row[column]), 1.0)
            for column in ("cancellation_cost", "revalidation_cost")
            if row[column]
        ]
    return found


def _one_offs(study: Study, cars: _Cars, owners: Mapping[str, list[str]], company: str, members: int) -> list[Slope]:
    """Development and tooling: once per developing group, times 1 + k (n - 1) where shared; applications per car."""
    spread = dict(study["classes"].select("class", "k_family_nre").iter_rows())
    class_of = dict(study["families"].select("family", "class").iter_rows())
    generations = len({key[:2] for key in cars.units})
    found = []
    for table in ("families", "modules"):
        for index, row in enumerate(study[table].iter_rows(named=True)):
            if owners[table][index] != company:
                continue
            k = spread.get(row.get("class") or class_of.get(row["family"], ""), 0.4) or 0.0
            shared = 1.0 + float(k) * (members - 1)
            per_car = {"application_nre": float(generations), "application_tooling": float(generations)}
            most = {"nre": shared, "tooling": shared, **(per_car if table == "families" else {})}
            found += [
                Slope(table, index, column, float(row[column]), bound) for column, bound in most.items() if row[column]
            ]
    return found


def _own_offers(study: Study, cars: _Cars, owners: Mapping[str, list[str]], company: str) -> list[Slope]:
    """Offers made to this company alone: their prices count for the cars of everybody at most."""
    money = _price_year_money(study)
    energy = dict(study["modules"].select("module", "gross_energy_kwh").iter_rows())
    offers = {row["offer"]: row for row in study["offers"].iter_rows(named=True)}
    found = []
    for index, (offer, price) in enumerate(study["tiers"].select("offer", "unit_price").iter_rows()):
        row = offers.get(offer)
        if owners["tiers"][index] != company or row is None:
            continue
        units = float(energy.get(row["module"]) or 0.0) if row["price_unit"] == "kwh" else 1.0
        most = 2.0 * cars.landed * cars.total * units * money.get(row["currency"], 1.0) / MILLION
        found.append(Slope("tiers", index, "unit_price", float(price), most))
    return found


def _shares_and_values(study: Study, cars: _Cars, owners: Mapping[str, list[str]], company: str) -> list[Slope]:
    """Shares of versions move whole programmes, at most by the dearest set of modules a car; so do values of cars."""
    car = cars.dearest_set / MILLION
    found = []
    for index, (programme, share) in enumerate(study["versions"].select("programme", "share").iter_rows()):
        if owners["versions"][index] == company and share is not None and share < 1.0:
            found.append(Slope("versions", index, "share", float(share), car * cars.of(programme), JUMPS))
    penalty = _largest(study["local_content"]["penalty"])
    duties = study["trade"].filter(pl.col("part") == "car")["duty"]
    penalty += _largest(duties)
    for index, (programme, value) in enumerate(study["programmes"].select("programme", "car_value").iter_rows()):
        if owners["programmes"][index] == company and value:  # duties and penalties are a share of the car's value
            found.append(Slope("programmes", index, "car_value", float(value), penalty * cars.of(programme) / MILLION))
    return found
