"""Offers, tiers, sites, capacities, rebates, currencies, price paths and trade."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from teikei.errors import Problem
from teikei.study.draft import Draft
from teikei.tables.messages import number_text, show
from teikei.tables.source import Row


def offers_have_tiers(draft: Draft) -> Iterator[Problem]:
    """Each offer has a price, from the smallest quantity it may be bought in."""
    if "tiers" in draft.damaged:
        return
    tiers = draft.grouped("tiers", "offer")
    for offer, row in draft.by_key("offers", "offer").items():
        rows = tiers.get(offer, [])
        if not rows:
            if row["status"] != "benchmark":
                yield row.error(
                    "offer", f"offer {offer} has no row in {draft.files['tiers']}: add its price, from quantity 0 on"
                )
            continue
        quantities = [tier["from_quantity"] for tier in rows]
        minimum = row["minimum_quantity"]
        if None not in (*quantities, minimum) and min(quantities) > max(minimum, 0):
            lowest = rows[quantities.index(min(quantities))]
            yield lowest.error(
                "from_quantity",
                f"offer {offer} has no price below {number_text(min(quantities))}: start its tiers at 0 (or at "
                f"its minimum_quantity, {number_text(minimum)})",
            )


def tiers_fall_with_quantity(draft: Draft) -> Iterator[Problem]:
    """Thresholds rise and unit prices do not rise with them; a price is above zero."""
    for offer, rows in draft.grouped("tiers", "offer").items():
        complete = [row for row in rows if None not in (row["from_quantity"], row["unit_price"])]
        for row in complete:
            if row["unit_price"] == 0:
                yield row.error("unit_price", "found 0, expected a price above 0: give the price, or remove the tier")
        ordered = sorted(complete, key=lambda row: float(row["from_quantity"]))
        for below, above in pairwise(ordered):
            if above["unit_price"] > below["unit_price"]:
                yield above.error(
                    "unit_price",
                    f"offer {offer} costs {number_text(above['unit_price'])} from "
                    f"{number_text(above['from_quantity'])} on, "
                    f"more than {number_text(below['unit_price'])} from {number_text(below['from_quantity'])}: "
                    "a price must not rise with quantity",
                )
        if [row.line for row in ordered] != [row.line for row in complete] and len(set(map(id, ordered))) == len(
            ordered
        ):
            yield complete[0].warning(
                "from_quantity",
                f"the tiers of offer {offer} are not in rising order of from_quantity; they are read in rising order",
            )


def sites_belong_to_their_supplier(draft: Draft) -> Iterator[Problem]:
    """The site of an offer, or of a contract in force, is a site of its supplier."""
    sites = draft.by_key("sites", "site")
    suppliers = set(draft.values("suppliers", "supplier"))
    for table in ("offers", "existing"):
        for row in draft[table]:
            site = sites.get(row["site"]) if row["supplier"] in suppliers else None
            if (
                site is not None
                and None not in (row["supplier"], site["supplier"])
                and row["supplier"] != site["supplier"]
            ):
                yield row.error(
                    "site",
                    f"site {row['site']} belongs to supplier {site['supplier']}, not to {row['supplier']}: "
                    "correct one of the two",
                )


def price_units_fit_the_class(draft: Draft) -> Iterator[Problem]:
    """Prices per kWh are for classes counted in kWh."""
    modules = draft.by_key("modules", "module")
    units = {name: row["quantity_unit"] for name, row in draft.by_key("classes", "class").items()}
    for row in draft["offers"]:
        module = modules.get(row["module"])
        unit = units.get(module["class"]) if module is not None else None
        if unit is None or row["price_unit"] is None or unit == row["price_unit"]:
            continue
        message = f"found {row['price_unit']}, but class {module['class'] if module else ''} counts in {unit}"
        if unit == "piece":
            yield row.error("price_unit", f"{message}: price the offer per piece")
        else:
            yield row.warning("price_unit", f"{message}: its tiers are in GWh a year although the price is per piece")


def capacity_units_fit_the_offers(draft: Draft) -> Iterator[Problem]:
    """The capacity of a site is in GWh where its offers are for classes counted in kWh, in pieces otherwise."""
    wanted = _units_of_sites(draft)
    for row in draft["capacities"]:
        units = wanted.get(row["site"], {})
        if row["unit"] is None or not units or row["unit"] in units:
            continue
        unit, offer = next(iter(units.items()))
        yield row.error(
            "unit", f"found {row['unit']}, but offer {offer} of this site counts in {unit}: convert the capacity"
        )


def _units_of_sites(draft: Draft) -> dict[str, dict[str, str]]:
    """Site -> unit of its offers (pieces, gwh) -> the first offer in it."""
    modules = draft.by_key("modules", "module")
    classes = draft.by_key("classes", "class")
    units: dict[str, dict[str, str]] = {}
    for row in draft["offers"]:
        module = modules.get(row["module"])
        described = classes.get(module["class"]) if module is not None else None
        if described is not None and row["site"] and described["quantity_unit"]:
            unit = "gwh" if described["quantity_unit"] == "kwh" else "pieces"
            units.setdefault(row["site"], {}).setdefault(unit, row["offer"])
    return units


def capacity_covers_minimum_orders(draft: Draft) -> Iterator[Problem]:
    """What a site has left for the study's companies covers the minimum order of each of its offers."""
    capacities = draft.grouped("capacities", "site")
    sites = draft.by_key("sites", "site")
    for row in draft["offers"]:
        site = sites.get(row["site"])
        rows = [capacity for capacity in capacities.get(row["site"], []) if capacity["capacity"] is not None]
        if site is None or not rows or not row["minimum_quantity"] or row["status"] == "benchmark":
            continue
        free = max(capacity["capacity"] for capacity in rows) * (1 - (site["outsider_share"] or 0))
        if free < row["minimum_quantity"]:
            yield row.error(
                "minimum_quantity",
                f"the minimum order of {number_text(row['minimum_quantity'])} is above the {free:.6g} a year "
                f"that site {row['site']} has left: the offer can never be bought; correct one of the two",
            )


def sites_with_offers_have_capacity(draft: Draft) -> Iterator[Problem]:
    """A site without capacity rows counts as unlimited; say so."""
    if "capacities" in draft.damaged:
        return
    having = set(draft.values("capacities", "site"))
    for site, rows in draft.grouped("offers", "site").items():
        if site not in having and any(row["status"] != "benchmark" for row in rows):
            yield rows[0].warning(
                "site", f"site {site} has no row in {draft.files['capacities']}: its capacity counts as unlimited"
            )


def benchmarks_are_not_sourceable(draft: Draft) -> Iterator[Problem]:
    """An offer from a site that sells to nobody is never bought; say so."""
    closed = {site for site, row in draft.by_key("sites", "site").items() if row["sourceable_by"] == ["none"]}
    for row in draft["offers"]:
        if row["site"] in closed and row["status"] == "offer":
            yield row.warning(
                "status",
                f"site {row['site']} sells to none of the companies, so offer {row['offer']} is never bought: "
                "set status benchmark",
            )


def offer_years_are_in_order(draft: Draft) -> Iterator[Problem]:
    """An offer ends after it begins."""
    for row in draft["offers"]:
        first, last = row["first_year"], row["last_year"]
        if None not in (first, last) and first > last:
            yield row.error(
                "last_year", f"the offer ends in {last}, before it begins in {first}: correct one of the two"
            )
        if row["yearly_price_down"] and first is None and "first_year" not in row.unread:
            yield row.error("first_year", "yearly_price_down counts from first_year, which is empty: fill it in")


def rebates_rise_with_spend(draft: Draft) -> Iterator[Problem]:
    """A larger spend earns no smaller rebate."""
    for supplier, rows in draft.grouped("rebates", "supplier").items():
        ordered = sorted(
            (row for row in rows if None not in (row["spend_from"], row["rebate"])),
            key=lambda row: float(row["spend_from"]),
        )
        for below, above in pairwise(ordered):
            if above["rebate"] < below["rebate"]:
                yield above.error(
                    "rebate",
                    f"the rebate of {supplier} falls from {number_text(below['rebate'])} to "
                    f"{number_text(above['rebate'])} as spend rises: it must not fall",
                )


def equity_adds_to_at_most_one(draft: Draft) -> Iterator[Problem]:
    """The companies own no more than the whole of a supplier."""
    for supplier, rows in draft.grouped("equity", "supplier").items():
        total = sum(row["share"] or 0 for row in rows)
        if total > 1 + 1e-9:
            yield rows[-1].error(
                "share", f"the companies own {total:.6g} of {supplier}, more than the whole: correct the shares"
            )


def captives_are_owned_and_their_years_in_order(draft: Draft) -> Iterator[Problem]:
    """A captive's owner holds a share of it, its site is its own, and its ties end after they begin."""
    owned = {(row["company"], row["supplier"]): row["share"] for row in draft["equity"]}
    sites = draft.by_key("sites", "site")
    companies, suppliers = set(draft.values("companies", "company")), set(draft.values("suppliers", "supplier"))
    for row in draft["captive"]:
        owner, supplier = row["owner"], row["supplier"]
        known = owner in companies and supplier in suppliers and "equity" not in draft.damaged
        if known and not owned.get((owner, supplier), 0 if (owner, supplier) not in owned else 1):
            yield row.error(
                "owner",
                f"{owner} holds no share of {supplier} in {draft.files['equity']}, so what it loses costs {owner} "
                "nothing: give the share, or remove the row",
            )
        site = sites.get(row["site"])
        if site is not None and None not in (supplier, site["supplier"]) and site["supplier"] != supplier:
            yield row.error("site", f"site {row['site']} belongs to supplier {site['supplier']}, not to {supplier}")
        first, last = row["from_year"], row["until_year"]
        if None not in (first, last) and first > last:
            yield row.error(
                "until_year", f"the tie ends in {last}, before it begins in {first}: correct one of the two"
            )
        if row["committed"] and row["fixed_cost"] == 0:
            yield row.warning(
                "fixed_cost", f"{supplier} has units committed, but losing them costs nothing: give its fixed cost"
            )


def the_study_currency_has_rate_one(draft: Draft) -> Iterator[Problem]:
    """The study's own currency stands in the table with rate 1, where offers are quoted in it."""
    if draft.settings is None or "currencies" in draft.damaged:
        return
    own = draft.settings.currency
    row = draft.by_key("currencies", "currency").get(own)
    if row is not None and row["rate"] is not None and row["rate"] != 1:
        yield row.error(
            "rate",
            f"found {number_text(row['rate'])}, expected 1: {own} is the study's currency, and rates are {own} "
            "per unit",
        )
    for row in draft["currencies"]:
        if row["rate"] == 0:
            yield row.error("rate", "found 0, expected a rate above 0")


def price_paths_cover_the_years(draft: Draft) -> Iterator[Problem]:
    """A price path that is used has a factor for each planning year."""
    if draft.settings is None or "price_paths" in draft.damaged:
        return
    years = {path: {row["year"] for row in rows} for path, rows in draft.grouped("price_paths", "path").items()}
    used = {*draft.values("offers", "price_path"), *draft.values("plants", "price_path")}
    used |= {path for row in draft["offers"] for path in row["index_paths"] or ()}
    for path, row in draft.by_key("price_paths", "path").items():
        missing = [year for year in draft.settings.years if year not in years[path]]
        if path in used and missing and None not in years[path]:
            yield row.error(
                "year",
                f"price path {path} has no factor for {', '.join(map(str, missing))}: add rows for these "
                "planning years",
            )


def index_clauses_add_up(draft: Draft) -> Iterator[Problem]:
    """``offers.index_shares`` gives each of index_paths its share of the price, together at most the whole of it."""
    for row in draft["offers"]:
        paths, shares = row["index_paths"] or [], row["index_shares"] or []
        if len(paths) != len(shares):
            yield row.error(
                "index_shares", f"found {len(shares)} shares for {len(paths)} index_paths: give each path its share"
            )
            continue
        odd = [part for part in shares if not _is_share(part)]
        if odd:
            yield row.error("index_shares", f"found {show(odd)} in the list, expected shares of the price such as 0.3")
        elif sum(float(part) for part in shares) > 1 + 1e-9:
            total = sum(float(part) for part in shares)
            yield row.error("index_shares", f"the shares add up to {total:.6g}, more than the whole price")


def expansions_are_of_limited_sites(draft: Draft) -> Iterator[Problem]:
    """Only a site with capacity rows can be expanded."""
    if "capacities" in draft.damaged:
        return
    limited = set(draft.values("capacities", "site"))
    for row in draft["expansions"]:
        if row["site"] and row["site"] not in limited:
            yield row.error(
                "site",
                f"site {row['site']} has no row in {draft.files['capacities']}, so its capacity is unlimited and "
                "there is nothing to expand: give its capacity, or remove the row",
            )


def trade_rows_cover_the_flows(draft: Draft) -> Iterator[Problem]:
    """From each country that offers a part to each country that builds cars, duty and freight are given."""
    if "trade" in draft.damaged:
        return
    there = {key for key, _ in draft.keyed("trade", "origin", "destination", "part")}
    origins: dict[str, dict[str, Row]] = {}
    for part, country, row in _offered_parts(draft):
        origins.setdefault(part, {}).setdefault(country, row)
    plants = {row["country"] for row in _plants_with_cars(draft)}
    for part, countries in origins.items():
        missing = [
            f"{origin}-{plant}"
            for origin in countries
            for plant in sorted(plants)
            if origin != plant and (origin, plant, part) not in there
        ]
        if missing:
            shown = ", ".join(missing[:10]) + (f" and {len(missing) - 10} more" if len(missing) > 10 else "")
            yield next(iter(countries.values())).warning(
                "site", f"{draft.files['trade']} has no row for {part} on {shown}: duty and freight there are not known"
            )


def _plants_with_cars(draft: Draft) -> list[Row]:
    plants = draft.by_key("car_plants", "plant")
    return [
        plants[name]
        for name in dict.fromkeys(draft.values("volumes", "plant"))
        if name in plants and plants[name]["country"]
    ]


def _offered_parts(draft: Draft) -> Iterator[tuple[str, str, Row]]:
    """(part as the trade table names it, country of the site, offer) for every offer that may be bought."""
    modules, sites = draft.by_key("modules", "module"), draft.by_key("sites", "site")
    for row in draft["offers"]:
        module, site = modules.get(row["module"]), sites.get(row["site"])
        if module is None or site is None or not site["country"] or row["status"] == "benchmark" or not module["class"]:
            continue
        yield (module["class"] if module["class"] in ("pack", "e-axle") else "other"), site["country"], row


def ramps_of_plants_are_shares(draft: Draft) -> Iterator[Problem]:
    """``plants.ramp`` lists shares of capacity, year by year; grants do not exceed the investment."""
    for row in draft["plants"]:
        odd = [part for part in row["ramp"] or () if not _is_share(part)]
        if odd:
            yield row.error(
                "ramp", f"found {show(odd)} in the list, expected shares of capacity from 0 to 1, such as 0.5;0.9;1"
            )
        if None not in (row["grant"], row["investment"]) and row["grant"] > row["investment"]:
            yield row.error(
                "grant",
                f"the grant of {number_text(row['grant'])} is above the investment of "
                f"{number_text(row['investment'])}: correct one of the two",
            )


def _is_share(text: str) -> bool:
    try:
        return 0 <= float(text) <= 1
    except ValueError:
        return False


CHECKS = (
    offers_have_tiers,
    tiers_fall_with_quantity,
    sites_belong_to_their_supplier,
    price_units_fit_the_class,
    capacity_units_fit_the_offers,
    capacity_covers_minimum_orders,
    sites_with_offers_have_capacity,
    benchmarks_are_not_sourceable,
    offer_years_are_in_order,
    rebates_rise_with_spend,
    equity_adds_to_at_most_one,
    captives_are_owned_and_their_years_in_order,
    the_study_currency_has_rate_one,
    price_paths_cover_the_years,
    index_clauses_add_up,
    expansions_are_of_limited_sites,
    trade_rows_cover_the_flows,
    ramps_of_plants_are_shares,
)
