"""The market: products on sale, policy and calibration moments."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from importlib import resources
from typing import Final

from teikei.errors import Problem
from teikei.study.draft import Draft
from teikei.tables.messages import number_text, show

LARGEST_SUBSIDY_SHARE: Final = 0.6
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


def products_are_sold_at_a_price(draft: Draft) -> Iterator[Problem]:
    """A product that sells has a price; prices of one market year lie within a factor of ten of their median."""
    for row in draft["products"]:
        if row["price"] == 0 and row["units"]:
            yield row.error("price", "found 0, expected the consumer price: a product that sells has a price")
        if row["powertrain"] == "bev" and row["range_km"] is None and "range_km" not in row.unread:
            yield row.warning(
                "range_km",
                f"battery car {row['product']} has no range: it is taken for many models together, not for one",
            )
        if row["range_km"] is not None and not row["range_procedure"]:
            yield row.warning(
                "range_procedure", f"the range of {row['product']} names no procedure: add it (wltc_japan …)"
            )


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
    the_home_market_has_products,
    products_are_sold_at_a_price,
    policy_is_for_products_on_sale,
    moments_lie_in_their_band,
    the_market_can_be_stated_in_money,
)
