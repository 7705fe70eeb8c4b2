"""The market: products on sale, policy and calibration moments."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from importlib import resources
from statistics import median
from typing import Final

from teikei.errors import Problem
from teikei.study.draft import Draft
from teikei.tables.messages import number_text, show
from teikei.tables.source import Row

LARGEST_SUBSIDY_SHARE: Final = 0.6
WORLD_CARS: Final = 100e6  # a year: more than all makers of the world sell
LEAST_RANGE_KM: Final = 40.0  # of a plug-in hybrid's battery; a battery car below it is a slip
FEWEST: Final = 5  # products of a market from which on their figures say what is usual
IMPOSSIBLE_PRICE: Final = 100.0  # times the median of the market, up or down; a tenth of it is already noted
ODD_UNITS: Final = 2.0  # times all other products of the market together
IMPOSSIBLE_UNITS: Final = 50.0
PARAMETER_CURRENCY: Final = "JPY"  # of the money in data/market/parameters.csv


def the_home_market_has_products(draft: Draft) -> Iterator[Problem]:
    """The market is calibrated on all products of the home market in the market year, combustion and hybrid too."""
    if draft.settings is None or not draft["products"] or "products" in draft.damaged:
        return
    country, year = draft.settings.home_market, draft.settings.market_year
    rows = [row for row in draft["products"] if row["country"] == country and row["year"] == year]
    first = draft["products"][0]
    if not rows:
        yield first.error(
            "year",
            f"no product of {country} in {year}, the settings home_market and market_year: add the products or "
            "change the settings",
        )
        return
    if not any(row["powertrain"] in ("ice", "hybrid") for row in rows):
        yield first.warning(
            "powertrain",
            f"the products of {country} in {year} hold no ice or hybrid car: EV shares would be of the EV market only",
        )
    makers = {row["maker"] for row in rows}
    for row in draft["companies"]:
        if row["company"] and row["company"] not in makers:
            yield row.warning(
                "company",
                f"{row['company']} is the maker of no product in {draft.files['products']} ({country}, {year}): "
                "its sales there are not predicted",
            )


def the_market_can_be_stated_in_money(draft: Draft) -> Iterator[Problem]:
    """The market's parameters are in JPY, so a study in other money needs a rate; prices need the country's VAT."""
    if draft.settings is None or not draft["products"]:
        return
    currency, country = draft.settings.currency, draft.settings.home_market
    first = draft["products"][0]
    known = "currencies" in draft.damaged or PARAMETER_CURRENCY in draft.by_key("currencies", "currency")
    if currency != PARAMETER_CURRENCY and not known:
        yield first.error(
            "price",
            f"currencies: no rate for {PARAMETER_CURRENCY}, in which the market's parameters are stated: add a row "
            f"{PARAMETER_CURRENCY} with {currency} per {PARAMETER_CURRENCY}",
        )
    text = resources.files("teikei").joinpath("data", "market", "vat.csv").read_text("utf-8")
    countries = sorted(row["country"] for row in csv.DictReader(text.splitlines()))
    if country not in countries:
        yield first.error(
            "country",
            f"no VAT rate is known for {country}, the setting home_market: expected one of {', '.join(countries)}",
        )


def the_market_can_be_calibrated(draft: Draft) -> Iterator[Problem]:
    """A product of the market year has a price and sales above 0."""
    if draft.settings is None:
        return
    country, year = draft.settings.home_market, draft.settings.market_year
    for row in draft["products"]:
        if (row["country"], row["year"]) != (country, year):
            continue
        for column in ("price", "units"):
            if row[column] == 0:
                yield row.error(
                    column,
                    f"found 0, expected a number above 0: what sells has a consumer price; leave out what was not "
                    f"sold in {country} in {year}",
                )


def moments_lie_in_order(draft: Draft) -> Iterator[Problem]:
    """The interval of a moment has a low and a high end."""
    for row in draft["moments"]:
        low, high = row["low"], row["high"]
        if None not in (low, high) and not low < high:
            yield row.error("low", f"{number_text(low)} is not below high, {number_text(high)}: correct one of the two")


def products_are_sold_at_a_price(draft: Draft) -> Iterator[Problem]:
    """A product that sells has a price; a range, where it is given, is one."""
    for row in draft["products"]:
        if row["powertrain"] == "bev" and row["range_km"] is None and "range_km" not in row.unread:
            yield row.warning(
                "range_km",
                f"battery car {row['product']} has no range: it is taken for many models together, not for one",
            )
        if row["range_km"] is not None and row["range_km"] <= 0:
            yield row.error(
                "range_km",
                f"found {show(row['range_km'])} for {row['product']}, expected a range above 0: leave the cell empty "
                "where it is not known, or where the row stands for many models",
            )
        elif row["range_km"] is not None and row["powertrain"] == "bev" and row["range_km"] < LEAST_RANGE_KM:
            yield row.warning(
                "range_km", f"{show(row['range_km'])} km is the whole range of {row['product']}: check the unit"
            )
        if row["range_km"] is not None and not row["range_procedure"]:
            yield row.warning(
                "range_procedure", f"the range of {row['product']} names no procedure: add it (wltc_japan …)"
            )


def figures_of_one_market_are_of_one_size(draft: Draft) -> Iterator[Problem]:
    """Prices beside the median of their market and year, units beside all others': a slip of units is far from both."""
    markets: dict[tuple[str, int], list[Row]] = {}
    for row in draft["products"]:
        if row["country"] and row["year"] is not None:
            markets.setdefault((row["country"], row["year"]), []).append(row)
    for (country, year), rows in markets.items():
        prices = [row["price"] for row in rows if row["price"]]
        usual = median(prices) if prices else 0.0
        total = sum(row["units"] or 0.0 for row in rows)
        for row in rows:
            if row["units"] is not None and row["units"] > WORLD_CARS:
                yield row.error(
                    "units",
                    f"{number_text(row['units'])} cars of {row['product']} in {year} are more than the world buys in a "
                    "year: check the unit",
                )
                continue
            if len(rows) < FEWEST:
                continue
            if row["price"] and max(row["price"] / usual, usual / row["price"]) > IMPOSSIBLE_PRICE:
                yield row.error(
                    "price",
                    f"found {number_text(row['price'])} for {row['product']}, where half of the products of {country} "
                    f"in {year} cost {number_text(usual)} or more: no market has both, check the unit",
                )
            others = total - (row["units"] or 0.0)
            if row["units"] and others > 0 and row["units"] > ODD_UNITS * others:
                said = (
                    f"{number_text(row['units'])} of {row['product']} are {row['units'] / others:.3g} times all other "
                    f"cars of {country} in {year}: check the unit"
                )
                yield (
                    row.error("units", said) if row["units"] > IMPOSSIBLE_UNITS * others else row.warning("units", said)
                )


def later_rows_can_enter(draft: Draft) -> Iterator[Problem]:
    """Rows of other years than market_year: a later one is a launch of another maker's car; the rest is not used."""
    if draft.settings is None or "products" in draft.damaged:
        return
    country, year = draft.settings.home_market, draft.settings.market_year
    on_sale = {row["product"] for row in draft["products"] if row["country"] == country and row["year"] == year}
    if not on_sale:
        return
    entered: dict[str, int] = {}
    for row in sorted(draft["products"], key=lambda one: one["year"] or 0):
        if row["country"] != country or row["year"] is None or row["year"] == year:
            continue
        name = row["product"]
        if row["year"] < year:
            reason = f"the market is that of {year}, the setting market_year"
        elif name in on_sale:
            reason = f"{name} is on sale in {year}, and its later years are forecast"
        elif row["programme"]:
            reason = f"programme {row['programme']} enters by its start of production and its volumes"
        elif name in entered:
            reason = f"{name} enters in {entered[name]} already"
        elif not row["units"] or not row["price"]:
            reason = "a launch needs units of a full year and a price above 0"
        else:
            entered[name] = row["year"]
            continue
        yield row.warning("year", f"this row of {row['year']} is not used: {reason}")


def policy_is_for_products_on_sale(draft: Draft) -> Iterator[Problem]:
    """Subsidy and tax belong to a product of the same market, and are no larger than its price allows."""
    prices: dict[tuple[str, str], float] = {}
    for key, row in draft.keyed("products", "product", "country"):
        prices[key] = max(prices.get(key, 0.0), row["price"] or 0.0)
    products = set(draft.values("products", "product"))
    if "products" in draft.damaged:
        return
    for key, row in draft.keyed("policy", "product", "country"):
        if key not in prices:
            if key[0] in products:
                yield row.error(
                    "country",
                    f"product {key[0]} is not on sale in {key[1]} in {draft.files['products']}: correct the "
                    "country, or add the product there",
                )
            continue
        subsidy = row["subsidy"]
        if subsidy is not None and prices[key] and subsidy > LARGEST_SUBSIDY_SHARE * prices[key]:
            yield row.warning(
                "subsidy",
                f"{number_text(subsidy)} is more than {LARGEST_SUBSIDY_SHARE:.0%} of the price "
                f"{number_text(prices[key])}: check the unit",
            )


def fleet_rules_follow_one_another(draft: Draft) -> Iterator[Problem]:
    """One target for a rule, region and year; years in order; cars of a rule and region that stand in the table."""
    spans: dict[tuple[str, str], list[tuple[int, int, Row]]] = {}
    for row in draft["fleet_rules"]:
        first, last = row["from_year"], row["until_year"]
        if first is not None and last is not None and last < first:
            yield row.error("until_year", f"the target ends in {last}, before it begins in {first}: correct one")
            continue
        starts, ends = row["together_from"], row["together_until"]
        if (starts is None) != (ends is None):
            column = "together_from" if starts is None else "together_until"
            yield row.error(column, "years that count together need a first and a last one: give both, or neither")
        elif None not in (starts, ends) and ends < starts:
            yield row.error("together_until", f"{ends} is before {starts}, the first of these years: correct one")
        if first is not None and None not in (row["rule"], row["region"]):
            for begin, end, _ in spans.get((row["rule"], row["region"]), []):
                if first <= end and begin <= (last if last is not None else 9999):
                    yield row.error(
                        "from_year",
                        f"{row['rule']} has another target in {row['region']} in {max(first, begin)} already: let the "
                        "first one end before",
                    )
                    break
            spans.setdefault((row["rule"], row["region"]), []).append((first, 9999 if last is None else last, row))
    known = {rule for rule, _ in spans}
    for row in draft["fleet_cars"] if "fleet_rules" not in draft.damaged else ():
        first, last = row["from_year"], row["until_year"]
        if None not in (first, last) and last < first:
            yield row.error("until_year", f"these cars end in {last}, before they begin in {first}: correct one")
        if row["rule"] in known and row["region"] is not None and (row["rule"], row["region"]) not in spans:
            yield row.error(
                "region",
                f"{row['rule']} has no target in {row['region']} in {draft.files['fleet_rules']}: correct the region, "
                "or add the target",
            )


def moments_lie_in_their_band(draft: Draft) -> Iterator[Problem]:
    """low ≤ target ≤ high."""
    for row in draft["moments"]:
        target, low, high = row["target"], row["low"], row["high"]
        if target is None:
            continue
        if low is not None and low > target:
            yield row.error("low", f"{show(low)} is above the target {show(target)}: correct one of the two")
        if high is not None and high < target:
            yield row.error("high", f"{show(high)} is below the target {show(target)}: correct one of the two")


CHECKS = (
    the_market_can_be_calibrated,
    moments_lie_in_order,
    the_home_market_has_products,
    products_are_sold_at_a_price,
    figures_of_one_market_are_of_one_size,
    later_rows_can_enter,
    policy_is_for_products_on_sale,
    fleet_rules_follow_one_another,
    moments_lie_in_their_band,
    the_market_can_be_stated_in_money,
)
