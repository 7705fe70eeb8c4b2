"""Reads what suppliers offer into facts: offers with their terms, sites, expansions, plants, trade, rebates."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping
from typing import Any

import polars as pl

from teikei.errors import Problem, StudyError
from teikei.plan.facts import (
    BundleFact,
    CaptiveFact,
    CommodityFact,
    ExpansionFact,
    OfferFact,
    PlantFact,
    SiteFact,
    SpendFact,
    TradeFact,
)
from teikei.study.types import Study


def rows_of(table: pl.DataFrame) -> Iterable[dict[str, Any]]:
    """Rows of a table as dicts."""
    return table.iter_rows(named=True)


def place_of(study: Study, table: str, index: int, column: str) -> str:
    """Place of a cell as the study keeps it."""
    places = study.row_places.get(table, ())
    return f"{places[index]}:{column}" if index < len(places) else f"{table}:{index + 2}:{column}"


def read_offers(study: Study) -> dict[str, OfferFact]:
    """Offers that can be bought, with prices in study currency per piece by year and tier; raises StudyError."""
    settings = study.settings
    currency = {row["currency"]: row["rate"] * row["to_price_year"] for row in rows_of(study["currencies"])}
    currency.setdefault(settings.currency, 1.0)
    modules = {row["module"]: row for row in rows_of(study["modules"])}
    sites = {row["site"]: row for row in rows_of(study["sites"])}
    paths = _paths(study)
    tiers: dict[str, list[tuple[float, float]]] = {}
    for row in rows_of(study["tiers"].sort("offer", "from_quantity")):
        tiers.setdefault(row["offer"], []).append((row["from_quantity"], row["unit_price"]))
    result = {}
    problems = []
    for index, row in enumerate(rows_of(study["offers"])):
        sources = _companies(sites[row["site"]]["sourceable_by"])
        if row["status"] == "benchmark" or sources is None:
            continue
        steps = tiers.get(row["offer"], [])
        if not steps:
            problems.append(Problem(place_of(study, "offers", index, "offer"), f"{row['offer']} has no row in tiers"))
            continue
        if any(later[1] > earlier[1] for earlier, later in itertools.pairwise(steps)):
            text = f"{row['offer']}: the tier price rises with volume; expected falling all-units prices"
            problems.append(Problem(place_of(study, "offers", index, "offer"), text))
            continue
        module = modules[row["module"]]
        first = row["first_year"] or settings.first_year
        last = row["last_year"] or settings.last_year
        per_piece = currency[row["currency"]] * (module["gross_energy_kwh"] if row["price_unit"] == "kwh" else 1.0)
        path = paths.get(row["price_path"] or "", {})
        indexed = _index_clause(row, paths)
        price = {}
        for year in settings.years:
            if first <= year <= last:
                age = min(max(year - first, 0), row["price_down_years"])
                level = per_piece * (1.0 - row["yearly_price_down"]) ** age * path.get(year, 1.0)
                level *= 1.0 + math.fsum(share * (factors.get(year, 1.0) - 1.0) for share, factors in indexed)
                price[year] = tuple(level * unit_price for _, unit_price in steps)
        result[row["offer"]] = OfferFact(
            name=row["offer"],
            supplier=row["supplier"],
            site=row["site"],
            country=sites[row["site"]]["country"],
            module=row["module"],
            class_name=module["class"],
            buyers=frozenset() if row["buyer"] in ("", "any", None) else frozenset(row["buyer"].split("+")),
            sources=sources,
            from_quantity=tuple(quantity for quantity, _ in steps),
            price=price,
            minimum_quantity=row["minimum_quantity"],
            incremental=row.get("discount_kind") == "incremental",
            tier_pool=row.get("tier_pool") or "",
            take_or_pay=row.get("take_or_pay_quantity") or 0.0,
            take_or_pay_share=1.0 if row.get("take_or_pay_share") is None else row["take_or_pay_share"],
        )
    problems += _tier_pool_problems(study, result)
    if problems:
        raise StudyError(problems)
    return result


def _index_clause(
    row: Mapping[str, Any], paths: Mapping[str, dict[int, float]]
) -> list[tuple[float, dict[int, float]]]:
    """(share of the price, factor by year) of each index that a price follows; read as far as the lists match."""
    shares = [float(part) for part in row.get("index_shares") or ()]
    return list(zip(shares, (paths.get(name, {}) for name in row.get("index_paths") or ()), strict=False))


def _tier_pool_problems(study: Study, offers: Mapping[str, OfferFact]) -> list[Problem]:
    """Offers whose quantities count together must agree on the tiers they count for."""
    first: dict[tuple[str, str], OfferFact] = {}
    problems = []
    for index, row in enumerate(rows_of(study["offers"])):
        offer = offers.get(row["offer"])
        if offer is None or not offer.tier_pool:
            continue
        place = place_of(study, "offers", index, "tier_pool")
        other = first.setdefault(offer.counts_with, offer)
        if other.from_quantity != offer.from_quantity:
            text = f"{offer.name} and {other.name} share tier pool {offer.tier_pool} but their tiers start elsewhere"
            problems.append(Problem(place, f"{text}: give both the same from_quantity"))
        elif other.class_name != offer.class_name:
            text = f"{offer.name} and {other.name} share tier pool {offer.tier_pool} but are of different classes"
            problems.append(Problem(place, text))
        elif offer.incremental:
            text = f"{offer.name}: an incremental price in a tier pool has no definite last unit; use all_units"
            problems.append(Problem(place, text))
    return problems


def read_bundles(study: Study, offers: Mapping[str, OfferFact]) -> tuple[BundleFact, ...]:
    """Bundles of offers; raises StudyError where one names offers of several suppliers or none."""
    found, problems = [], []
    for index, row in enumerate(rows_of(study["bundles"]) if "bundles" in study.tables else ()):
        names = tuple(name for name in row["offers"] or () if name in offers)
        suppliers = {offers[name].supplier for name in names}
        if len(names) < len(row["offers"] or ()) or len(suppliers) != 1:
            what = "names an offer that nobody can buy" if len(suppliers) == 1 else "must name offers of one supplier"
            problems.append(Problem(place_of(study, "bundles", index, "offers"), f"bundle {row['bundle']} {what}"))
        else:
            found.append(BundleFact(row["bundle"], names, row["minimum_quantity"] or 0.0, row["rebate"]))
    if problems:
        raise StudyError(problems)
    return tuple(found)


def _companies(cell: list[str] | None) -> frozenset[str] | None:
    """Companies of a ``sourceable_by`` cell: empty = any; None = nobody (a benchmark)."""
    names = list(cell or ["any"])
    if "none" in names:
        return None
    return frozenset() if "any" in names else frozenset(names)


def _paths(study: Study) -> dict[str, dict[int, float]]:
    paths: dict[str, dict[int, float]] = {}
    for row in rows_of(study["price_paths"]):
        paths.setdefault(row["path"], {})[row["year"]] = row["factor"]
    return paths


def read_plants(study: Study) -> tuple[PlantFact, ...]:
    """Make options, one per size, investment after the part of the grant that is counted."""
    paths = _paths(study)
    return tuple(
        PlantFact(
            name=row["plant"],
            step_gwh=row["step"],
            class_name=row["class"],
            family=row["family"],
            country=row["country"],
            investment=row["investment"] - row["grant"] * row["grant_share"],
            fixed_cost=row["fixed_cost"],
            variable_cost_per_kwh=row["variable_cost_per_kwh"],
            variable_cost_per_pack=row["variable_cost_per_pack"],
            lead_years=row["lead_years"],
            ramp=tuple(float(part) for part in row["ramp"]) or (1.0,),
            life_years=row["life_years"],
            building_share=row["building_share"],
            building_life_years=row["building_life_years"],
            path=paths.get(row["price_path"] or "", {}),
        )
        for row in rows_of(study["plants"])
    )


def read_sites(study: Study) -> tuple[dict[str, SiteFact], list[str]]:
    """Free capacity of sites by year, and a sentence on those without any row."""
    by = {row["site"]: row for row in rows_of(study["sites"])}
    outsider = {site: row["outsider_share"] for site, row in by.items()}
    steps: dict[str, list[tuple[int, float, str]]] = {}
    for row in rows_of(study["capacities"].sort("site", "from_year")):
        steps.setdefault(row["site"], []).append((row["from_year"], row["capacity"], row["unit"]))
    sites = {}
    for site, found in steps.items():
        free = {}
        for year in study.settings.years:
            reached = [capacity for from_year, capacity, _ in found if from_year <= year]
            free[year] = (reached[-1] if reached else 0.0) * (1.0 - outsider[site])
        sites[site] = SiteFact(site, found[0][2], free)
    missing = [site for site in outsider if site not in sites]
    return sites, [f"Sites without a capacity row are taken as unlimited: {', '.join(missing)}."] if missing else []


def read_expansions(study: Study, sites: Mapping[str, SiteFact]) -> tuple[ExpansionFact, ...]:
    """Steps by which sites can be expanded; raises StudyError for a site without a capacity."""
    found, problems = [], []
    for index, row in enumerate(rows_of(study["expansions"]) if "expansions" in study.tables else ()):
        if row["site"] not in sites:
            text = f"the capacity of {row['site']} is unlimited, there is nothing to expand: give it rows in capacities"
            problems.append(Problem(place_of(study, "expansions", index, "site"), text))
            continue
        found.append(ExpansionFact(row["site"], row["from_year"], row["capacity"], row["cost"]))
    if problems:
        raise StudyError(problems)
    return tuple(found)


def read_trade(study: Study) -> dict[tuple[str, str, str], TradeFact]:
    """(origin, destination, part) -> duty, freight, lead time."""
    return {
        (row["origin"], row["destination"], row["part"]): TradeFact(row["duty"], row["freight"], row["lead_weeks"])
        for row in rows_of(study["trade"])
    }


def read_rebates(study: Study) -> dict[str, tuple[tuple[float, float], ...]]:
    """Supplier -> (spend from, rebate), ascending."""
    found: dict[str, list[tuple[float, float]]] = {}
    for row in rows_of(study["rebates"].sort("supplier", "spend_from")):
        found.setdefault(row["supplier"], []).append((row["spend_from"], row["rebate"]))
    return {supplier: tuple(rows) for supplier, rows in found.items()}


def read_captives(study: Study) -> tuple[CaptiveFact, ...]:
    """Suppliers that companies own in part, and what ties them."""
    settings = study.settings
    return tuple(
        CaptiveFact(
            owner=row["owner"],
            supplier=row["supplier"],
            site=row["site"] or "",
            class_name=row["class"],
            committed=row["committed"],
            fixed_cost=row["fixed_cost"],
            least_share=row["least_share"],
            first_year=settings.first_year if row["from_year"] is None else row["from_year"],
            last_year=settings.last_year if row["until_year"] is None else row["until_year"],
        )
        for row in rows_of(study["captive"])
    )


def read_commodities(study: Study) -> tuple[CommodityFact, ...]:
    """The commodities that may be bought together."""
    return tuple(
        CommodityFact(
            name=row["commodity"],
            class_name=row["class"] or "",
            joinable_share=row["joinable_share"],
            dispersion=row["dispersion"],
            alignment_share=row["alignment_share"],
            commercial_rate=row["commercial_rate"],
            cut_limit=1.0 if row["cut_limit"] is None else row["cut_limit"],
            from_rung=row["from_rung"] or "",
            contract_years=row["contract_years"],
        )
        for row in rows_of(study["commodities"])
    )


def read_spend(study: Study) -> tuple[SpendFact, ...]:
    """What the companies spend on the rest of the car."""
    return tuple(
        SpendFact(
            company=row["company"],
            programme=row["programme"] or "",
            commodity=row["commodity"],
            per_car=row["per_car"] or 0.0,
            million_a_year=row["million_a_year"] or 0.0,
        )
        for row in rows_of(study["spend"])
    )
