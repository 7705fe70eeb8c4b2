"""The home market as the study tells it: products on sale, what buyers pay, who sets prices, who buys."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import polars as pl

from teikei.errors import Problem, StudyError
from teikei.market.reference import parameters, segment_of, vat_rate
from teikei.market.types import Array, IntArray
from teikei.study.types import Study

MILLION = 1e6
PARAMETER_CURRENCY = "JPY"  # of the money in data/market/parameters.csv
PLUG_IN = ("bev", "phev")
RANGE_KM = 200.0  # where the value of range is stated
NOT_CONSIDERED = -60.0  # utility of a plug-in to a buyer who does not consider one: no purchase in practice


@dataclass(frozen=True)
class HomeMarket:
    """Products of one country and year. Money inside in million JPY, the money of the market's parameters.

    rate: study currency per JPY; tables and messages are in the study's ``currency``. Consumer prices with VAT.

    price, units, range_km, battery_kwh (J,), NaN where the study gives none; subsidy and tax by year: {year: (J,)},
    years between and after take the last one before. nest (J,): segment and plug-in or not. model (J,): a single
    model, not an aggregate of a maker's models (it has a range). programme: the study's programme or "".
    """

    country: str
    year: int
    vat: float
    product: tuple[str, ...]
    maker: tuple[str, ...]
    programme: tuple[str, ...]
    powertrain: tuple[str, ...]
    price: Array
    units: Array
    range_km: Array
    battery_kwh: Array
    segment: tuple[str, ...]
    subsidy: dict[int, Array]
    tax: dict[int, Array]
    messages: tuple[str, ...] = ()
    currency: str = PARAMETER_CURRENCY
    rate: float = 1.0

    @property
    def million(self) -> float:
        """Study currency in a million JPY: money of the study divided by it is money of the model."""
        return MILLION * self.rate

    @property
    def plug_in(self) -> Array:
        """1 for plug-in products (J,)."""
        return np.array([float(kind in PLUG_IN) for kind in self.powertrain])

    @property
    def battery_electric(self) -> Array:
        """1 for battery-electric products (J,)."""
        return np.array([float(kind == "bev") for kind in self.powertrain])

    @property
    def nest(self) -> IntArray:
        """Segment, combustion and hybrid or plug-in (J,)."""
        own = {name: segment_of(self.country, name).own_taste for name in dict.fromkeys(self.segment)}
        order = {name: at for at, name in enumerate(sorted(own, key=lambda name: own[name]))}
        return np.array([2 * order[name] for name in self.segment], dtype=np.int64) + self.plug_in.astype(np.int64)

    @property
    def segment_taste(self) -> Array:
        """1 for products of a segment for which buyers have a taste of its own (J,)."""
        return np.array([float(segment_of(self.country, name).own_taste) for name in self.segment])

    @property
    def model(self) -> Array:
        """1 where the row is a single model (J,)."""
        return np.asarray(~np.isnan(self.range_km), dtype=np.float64)

    def ownership(self, merged: tuple[str, ...] = (), conduct: float = 1.0) -> Array:
        """1 where two products have the same maker (J, J), ``conduct`` where two makers of ``merged`` have them.

        conduct is the weight kappa that one gives to the other's profit: 1 is a merger, 0 separate prices.
        """
        maker = np.array(self.maker)
        same = np.asarray(maker[:, None] == maker, dtype=np.float64)
        among = np.isin(maker, merged)
        return np.asarray(np.maximum(same, conduct * (among[:, None] & among)), dtype=np.float64)

    def wedge(self, year: int) -> Array:
        """Tax minus subsidy (J,) that the buyer of ``year`` pays on top of the list price."""
        return np.asarray(self._policy_of(year, self.tax) - self.subsidy_of(year), dtype=np.float64)

    def subsidy_of(self, year: int) -> Array:
        """Subsidy (J,) of ``year``: the last one known by then."""
        return self._policy_of(year, self.subsidy)

    def _policy_of(self, year: int, table: dict[int, Array]) -> Array:
        known = [at for at in sorted(table) if at <= year] or sorted(table)[:1]
        return table[known[-1]] if known else np.zeros(len(self.product))


def lacking(study: Study) -> str:
    """What a study must have for a market and does not, as a sentence; empty where nothing is missing."""
    empty = study.lacking("products")
    if empty:
        return empty
    settings = study.settings
    sold = study["products"].filter(
        (pl.col("country") == settings.home_market) & (pl.col("year") == settings.market_year)
    )
    if sold.is_empty():
        return f"products has no row of {settings.home_market} in {settings.market_year} (home_market, market_year)"
    rates = dict(study["currencies"].select("currency", "rate").iter_rows())
    if settings.currency != PARAMETER_CURRENCY and not rates.get(PARAMETER_CURRENCY):
        return f"currencies has no rate for {PARAMETER_CURRENCY}, in which the market's parameters are stated"
    return ""


def home_market(study: Study, country: str | None = None) -> HomeMarket:
    """The market of ``country`` (default: the study's home market) in ``settings.market_year``.

    Raises StudyError where there are no products, where a price or units are not above 0, or a VAT rate is missing.
    """
    country = country or study.settings.home_market
    year = study.settings.market_year
    table = study["products"]
    if table.height:
        table = table.with_row_index("row").filter((pl.col("country") == country) & (pl.col("year") == year))
    if not table.height:
        raise StudyError(
            f"products: no row for country {country} and year {year}, so no market can be computed: add its cars, or "
            "change home_market or market_year in study.yaml"
        )
    problems = []
    for row in table.iter_rows(named=True):
        for column in ("price", "units"):
            if row[column] is None or not row[column] > 0:
                place = row_place(study, row["row"])
                problems.append(Problem(f"{place}:{column}", f"found {row[column]}; expected a number above 0"))
    if problems:
        raise StudyError(problems)
    products = tuple(table["product"].to_list())
    rate = parameter_rate(study)
    subsidy, tax, messages = policy_of(study, country, products, MILLION * rate)
    number = {name: table[name].cast(pl.Float64).fill_null(np.nan).to_numpy().copy() for name in _NUMBERS}
    return HomeMarket(
        country=country,
        year=year,
        vat=vat_rate(country),
        product=products,
        maker=tuple(table["maker"].to_list()),
        programme=tuple(name or "" for name in table["programme"].to_list()),
        powertrain=tuple(table["powertrain"].to_list()),
        price=number["price"] / (MILLION * rate),
        units=number["units"],
        range_km=number["range_km"],
        battery_kwh=number["battery_kwh"],
        segment=tuple(table["segment"].to_list()),
        subsidy=subsidy,
        tax=tax,
        messages=(*messages, *_borrowed(study, country, rate)),
        currency=study.settings.currency,
        rate=rate,
    )


def row_place(study: Study, row: int) -> str:
    """Where row ``row`` of the products table stands, as the study's reader spells it."""
    places = study.row_places.get("products", ())
    return places[row] if row < len(places) else f"products:{study['products']['product'][row]}"


def parameter_rate(study: Study) -> float:
    """Study currency per JPY, in which the money of the market's parameters is stated: 1 for a study in JPY.

    The rate alone: prices and subsidies are those of the market year, so ``to_price_year`` does not enter.
    Raises StudyError where the currencies table has no rate for JPY.
    """
    if study.settings.currency == PARAMETER_CURRENCY:
        return 1.0
    rates = dict(study["currencies"].select("currency", "rate").iter_rows())
    rate = rates.get(PARAMETER_CURRENCY)
    if rate is None or not rate > 0:
        raise StudyError(
            f"currencies: no rate for {PARAMETER_CURRENCY}, in which the market's parameters are stated; "
            f"expected a row {PARAMETER_CURRENCY} with {study.settings.currency} per {PARAMETER_CURRENCY}"
        )
    return float(rate)


def _borrowed(study: Study, country: str, rate: float) -> list[str]:
    """What the reader must know of parameters stated in other money or taken from other markets."""
    found = []
    if study.settings.currency != PARAMETER_CURRENCY:
        found.append(
            f"market: parameters stated in {PARAMETER_CURRENCY} (price slope, value of range, pack price) are "
            f"converted at {rate:g} {study.settings.currency} per {PARAMETER_CURRENCY}, as the currencies table says"
        )
    other = [one for one in parameters().values() if one.markets and country not in one.markets]
    if other:
        listed = ", ".join(f"{one.name.replace('_', ' ')} ({' and '.join(one.markets)})" for one in other)
        found.append(
            f"market: no figure of {country} is known for these parameters, those of others are used: {listed}"
        )
    return found


_NUMBERS = ("price", "units", "range_km", "battery_kwh")


def policy_of(
    study: Study, country: str, products: tuple[str, ...], million: float
) -> tuple[dict[int, Array], dict[int, Array], tuple[str, ...]]:
    """Subsidy and tax (J,) by year in which the table says anything; a product keeps its last figure."""
    table = study["policy"].filter(pl.col("country") == country).sort("year", maintain_order=True)
    index = {name: j for j, name in enumerate(products)}
    subsidy, tax = np.zeros(len(products)), np.zeros(len(products))
    by_subsidy: dict[int, Array] = {}
    by_tax: dict[int, Array] = {}
    for row in table.iter_rows(named=True):
        if row["product"] not in index:
            continue
        j = index[row["product"]]
        subsidy[j], tax[j] = (row["subsidy"] or 0.0) / million, (row["purchase_tax"] or 0.0) / million
        by_subsidy[row["year"]], by_tax[row["year"]] = subsidy.copy(), tax.copy()
    if not by_subsidy:
        return by_subsidy, by_tax, (f"policy: no row for {country}: no subsidy and no purchase tax is counted",)
    last = max(by_subsidy)
    return by_subsidy, by_tax, (f"policy: after {last} the subsidies and taxes of {last} are carried on",)


@dataclass(frozen=True)
class Buyers:
    """Consumer types as standard normal nodes with weights that add up to one: Gauss-Hermite products.

    price_node, electric_node, kei_node (I,), weight (I,); considers (I,): 0 for types that do not consider plug-ins,
    whose weights add up to one among themselves.
    """

    price_node: Array
    electric_node: Array
    kei_node: Array
    weight: Array
    considers: Array


@cache
def buyers(electric_nodes: int = 15, other_nodes: int = 3) -> Buyers:
    """Buyers on a product rule: taste for electric cars needs the fine one, since a few enthusiasts buy most."""
    fine, fine_weight = np.polynomial.hermite_e.hermegauss(electric_nodes)
    rough, rough_weight = np.polynomial.hermite_e.hermegauss(other_nodes)
    fine_weight, rough_weight = fine_weight / fine_weight.sum(), rough_weight / rough_weight.sum()
    rows: list[tuple[float, ...]] = [
        (a, b, c, wa * wb * wc, 1.0)
        for a, wa in zip(rough, rough_weight, strict=True)
        for b, wb in zip(fine, fine_weight, strict=True)
        for c, wc in zip(rough, rough_weight, strict=True)
    ]
    rows += [
        (a, 0.0, c, wa * wc, 0.0)
        for a, wa in zip(rough, rough_weight, strict=True)
        for c, wc in zip(rough, rough_weight, strict=True)
    ]
    table = np.array(rows).T
    return Buyers(table[0], table[1], table[2], table[3], table[4])
