"""Reads study, catalogue and performance into ``Facts``."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping
from typing import Any

import polars as pl

from teikei.errors import NoPlanError, Problem, StudyError
from teikei.modules.types import Catalogue
from teikei.plan.facts import (
    BundleFact,
    ClassFact,
    ContractFact,
    ExpansionFact,
    Facts,
    FamilyFact,
    LocalRule,
    ModuleFact,
    OfferFact,
    PlantFact,
    Rule,
    RungRule,
    SiteFact,
    SlotFact,
    TradeFact,
    UnitsFact,
)
from teikei.simulate.types import Performance
from teikei.study.types import Study

_OFF = {"", "0", "0.0", "no", "off", "none"}


def read_facts(
    study: Study, catalogue: Catalogue, performance: Performance | None, volumes: pl.DataFrame | None = None
) -> Facts:
    """The facts of a study for the plan.

    performance: None leaves ``choices`` empty (re-pricing needs no alternatives).
    volumes: table with the columns of ``volumes`` that replaces the study's (re-pricing); None = the study's own.
    Raises StudyError for rows that contradict each other, NoPlanError for a car no configuration can serve.
    """
    messages: list[str] = []
    slots = _slots(study, catalogue)
    units = _units(study, slots, study["volumes"] if volumes is None else volumes)
    offers = read_offers(study)
    modules = _modules(study, catalogue, offers)
    classes = _classes(study, modules, offers)
    choices: dict[str, tuple[tuple[int, Mapping[str, str]], ...]] = dict.fromkeys(slots, ())
    if performance is not None:
        choices = _choices(catalogue, performance, slots)
        _refuse_unserved(slots, units, choices, performance)
    volume_by_year: dict[int, float] = dict.fromkeys(study.settings.years, 0.0)
    for cars in units.values():
        for row in cars:
            volume_by_year[row.year] += row.units
    sites, site_messages = _sites(study)
    trade, rules = _trade(study), _rules(study)
    local, local_messages = _local_rules(study)
    messages += [*site_messages, *local_messages]
    offers_of: dict[str, list[str]] = {}
    for offer in offers.values():
        offers_of.setdefault(offer.module, []).append(offer.name)
    return Facts(
        settings=study.settings,
        companies=study.companies,
        bloc_of={company: bloc for bloc, members in study.blocs.items() for company in members},
        rungs=_rungs(study),
        rung_order=study.rung_names,
        slots=slots,
        units=units,
        choices=choices,
        existing=_existing(study, catalogue, slots),
        classes=classes,
        families=_families(study),
        modules=modules,
        offers=offers,
        offers_of={module: tuple(names) for module, names in offers_of.items()},
        plants=_plants(study),
        sites=sites,
        trade=trade,
        local_rules=local,
        rules=rules,
        rebates=_rebates(study),
        equity={(row["company"], row["supplier"]): row["share"] for row in _rows(study["equity"])},
        margin={row["supplier"]: row["operating_margin"] for row in _rows(study["suppliers"])},
        activation={row["supplier"]: row["activation_cost"] for row in _rows(study["suppliers"])},
        car_value={row["programme"]: row["car_value"] or 0.0 for row in _rows(study["programmes"])},
        volume_by_year=volume_by_year,
        messages=tuple(messages),
        bundles=_bundles(study, offers),
        expansions=_expansions(study, sites),
        incremental_rebates=frozenset(
            row["supplier"] for row in _rows(study["rebates"]) if row.get("kind") == "incremental"
        ),
    )


def _rows(table: pl.DataFrame) -> Iterable[dict[str, Any]]:
    return table.iter_rows(named=True)


def _place(study: Study, table: str, index: int, column: str) -> str:
    places = study.row_places.get(table, ())
    return f"{places[index]}:{column}" if index < len(places) else f"{table}:{index + 2}:{column}"


def _slots(study: Study, catalogue: Catalogue) -> dict[str, SlotFact]:
    programmes = {row["programme"]: row for row in _rows(study["programmes"])}
    eop = {(row["programme"], row["generation"]): row["eop_year"] for row in _rows(study["generations"])}
    return {
        row["slot"]: SlotFact(
            name=row["slot"],
            programme=row["programme"],
            generation=row["generation"],
            version=row["version"],
            phase=row["phase"],
            first_year=row["first_year"],
            last_year=row["last_year"],
            share=row["share"],
            lead=programmes[row["programme"]]["company"],
            eop_year=eop[(row["programme"], row["generation"])],
        )
        for row in _rows(catalogue.slots)
        if programmes[row["programme"]]["in_scope"]
    }


def _units(study: Study, slots: Mapping[str, SlotFact], volumes: pl.DataFrame) -> dict[str, tuple[UnitsFact, ...]]:
    country = {row["plant"]: row["country"] for row in _rows(study["car_plants"])}
    if "scenario" in volumes.columns:
        volumes = volumes.filter(pl.col("scenario") == study.settings.volume_scenario)
    by_generation: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in _rows(volumes):
        by_generation.setdefault((row["programme"], row["generation"]), []).append(row)
    result = {}
    for slot in slots.values():
        cars: dict[tuple[str, str, str, int], float] = {}
        for row in by_generation.get((slot.programme, slot.generation), ()):
            if slot.first_year <= row["year"] <= slot.last_year and row["units"] * slot.share > 0:
                key = (row["company"], country[row["plant"]], row["region"], row["year"])
                cars[key] = cars.get(key, 0.0) + row["units"] * slot.share
        result[slot.name] = tuple(UnitsFact(*key, units) for key, units in sorted(cars.items(), key=lambda i: i[0]))
    return result


def _choices(
    catalogue: Catalogue, performance: Performance, slots: Mapping[str, SlotFact]
) -> dict[str, tuple[tuple[int, Mapping[str, str]], ...]]:
    feasible = {(row["slot"], row["candidate"]) for row in _rows(performance.candidates) if row["feasible"]}
    configurations: dict[tuple[str, int], dict[str, str]] = {}
    for row in _rows(catalogue.candidates):
        if row["slot"] in slots and (row["slot"], row["candidate"]) in feasible:
            configurations.setdefault((row["slot"], row["candidate"]), {})[row["position"]] = row["module"]
    result: dict[str, list[tuple[int, Mapping[str, str]]]] = {name: [] for name in slots}
    for (slot, candidate), modules in sorted(configurations.items()):
        result[slot].append((candidate, modules))
    return {slot: tuple(found) for slot, found in result.items()}


def _refuse_unserved(
    slots: Mapping[str, SlotFact],
    units: Mapping[str, tuple[UnitsFact, ...]],
    choices: Mapping[str, tuple[tuple[int, Mapping[str, str]], ...]],
    performance: Performance,
) -> None:
    """Names every car that no configuration serves, with the requirement that rejects most of them."""
    sentences = []
    for name, slot in slots.items():
        if not units[name] or choices[name]:
            continue
        missed = performance.results.filter((pl.col("slot") == name) & ~pl.col("passed"))
        count = performance.candidates.filter(pl.col("slot") == name).height
        text = "it has no candidate configuration at all: no module fits its segment and positions"
        if missed.height:
            worst = (
                missed.group_by("requirement", "procedure", maintain_order=True)
                .agg(pl.len().alias("n"), pl.col("required").first(), pl.col("reached"), pl.col("unit").first(),
                     pl.col("margin").max())
                .sort("n", "requirement", descending=[True, False])
                .row(0, named=True)
            )  # fmt: skip
            text = (
                f"{worst['requirement']} ({worst['procedure']}) of {worst['required']:g} {worst['unit']} rejects "
                f"{worst['n']} of {count} candidates; the best misses it by {-worst['margin']:.3g} {worst['unit']}"
            )
        sentences.append(f"No configuration serves {slot.programme} {slot.generation} {slot.version}: {text}.")
    if sentences:
        raise NoPlanError("\n".join(sentences))


def _existing(study: Study, catalogue: Catalogue, slots: Mapping[str, SlotFact]) -> dict[tuple[str, str], ContractFact]:
    country = {row["site"]: row["country"] for row in _rows(study["sites"])}
    contracts: dict[tuple[str, str, str, str, str], ContractFact] = {}
    for row in _rows(study["existing"]):
        version = row["version"] or "all"
        key = (row["programme"], row["generation"], version, row["class"], row["position"])
        contracts[key] = ContractFact(
            key="/".join(key),
            programme=row["programme"],
            generation=row["generation"],
            class_name=row["class"],
            module=row["module"],
            supplier=row["supplier"] or "",
            site=row["site"] or "",
            country=country.get(row["site"] or "", ""),
            contract_end=row["contract_end"],
            unit_price=row["unit_price"],
            cancellation_cost=row["cancellation_cost"],
            revalidation_cost=row["revalidation_cost"],
        )
    result = {}
    found = catalogue.candidates.filter("existing").unique(["slot", "position"], keep="first", maintain_order=True)
    for row in _rows(found):
        slot = slots.get(row["slot"])
        if slot is None:
            continue
        axle = row["position"] if row["position"] in ("front", "rear") else "front"
        for version in (slot.version, "all"):
            contract = contracts.get((slot.programme, slot.generation, version, row["class"], axle))
            if contract is not None and contract.module == row["module"]:
                result[(slot.name, row["position"])] = contract
                break
    return result


def _rungs(study: Study) -> dict[str, dict[str, RungRule]]:
    result: dict[str, dict[str, RungRule]] = {rung: {} for rung in study.rung_names}
    for row in _rows(study["rungs"]):
        result[row["rung"]][row["class"]] = RungRule(
            row["procurement"], bool(row["development_shared"]), bool(row["joint_plants"])
        )
    return result


def _classes(study: Study, modules: Mapping[str, ModuleFact], offers: Mapping[str, OfferFact]) -> dict[str, ClassFact]:
    priced = {module.class_name for module in modules.values() if module.curve_price is not None}
    priced |= {offer.class_name for offer in offers.values()}
    return {
        row["class"]: ClassFact(
            name=row["class"],
            part=row["class"] if row["class"] in ("pack", "e-axle") else "other",
            in_kwh=row["quantity_unit"] == "kwh",
            k_bloc=row["k_family_nre"],
            k_same_bloc=row["k_family_nre_same_bloc"],
            coordination_one_off=row["coordination_one_off"],
            coordination_engineers=row["coordination_engineers"],
            divergence_rate=row["divergence_rate"],
            divergence_offset_factor=row["divergence_offset_factor"],
            switching_cost=row["switching_cost"],
            switching_months=row["switching_months"],
            warranty_share=row["warranty_share"],
            priced=row["class"] in priced,
        )
        for row in _rows(study["classes"])
    }


def _families(study: Study) -> dict[str, FamilyFact]:
    return {
        row["family"]: FamilyFact(
            name=row["family"],
            class_name=row["class"],
            nre=row["nre"],
            tooling=row["tooling"],
            application_nre=row["application_nre"],
            application_tooling=row["application_tooling"],
            sunk_for=frozenset(row["sunk_for"] or ()),
            life_years=row["life_years"],
            earliest_year=row["earliest_year"] or 0,
        )
        for row in _rows(study["families"])
    }


def _modules(study: Study, catalogue: Catalogue, offers: Mapping[str, OfferFact]) -> dict[str, ModuleFact]:
    curve = dict(zip(catalogue.table["module"], catalogue.table["curve_price"], strict=True))
    included: dict[str, list[bool]] = {}
    for row in _rows(study["offers"]):
        if row["offer"] in offers:
            included.setdefault(row["module"], []).append(bool(row["tooling_included"]))
    return {
        row["module"]: ModuleFact(
            name=row["module"],
            class_name=row["class"],
            family=row["family"],
            nre=row["nre"],
            tooling=row["tooling"],
            sunk_for=frozenset(row["sunk_for"] or ()),
            available_to=frozenset(row["available_to"] or ()),
            earliest_year=row["earliest_year"] or 0,
            energy_kwh=row["gross_energy_kwh"] or 0.0,
            curve_price=curve.get(row["module"]),
            tooling_in_price=all(included.get(row["module"], [False])),
        )
        for row in _rows(study["modules"])
    }


def read_offers(study: Study) -> dict[str, OfferFact]:
    """Offers that can be bought, with prices in study currency per piece by year and tier; raises StudyError."""
    settings = study.settings
    currency = {row["currency"]: row["rate"] * row["to_price_year"] for row in _rows(study["currencies"])}
    currency.setdefault(settings.currency, 1.0)
    modules = {row["module"]: row for row in _rows(study["modules"])}
    sites = {row["site"]: row for row in _rows(study["sites"])}
    paths = _paths(study)
    tiers: dict[str, list[tuple[float, float]]] = {}
    for row in _rows(study["tiers"].sort("offer", "from_quantity")):
        tiers.setdefault(row["offer"], []).append((row["from_quantity"], row["unit_price"]))
    result = {}
    problems = []
    for index, row in enumerate(_rows(study["offers"])):
        sources = _companies(sites[row["site"]]["sourceable_by"])
        if row["status"] == "benchmark" or sources is None:
            continue
        steps = tiers.get(row["offer"], [])
        if not steps:
            problems.append(Problem(_place(study, "offers", index, "offer"), f"{row['offer']} has no row in tiers"))
            continue
        if any(later[1] > earlier[1] for earlier, later in itertools.pairwise(steps)):
            text = f"{row['offer']}: the tier price rises with volume; expected falling all-units prices"
            problems.append(Problem(_place(study, "offers", index, "offer"), text))
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
    first: dict[str, OfferFact] = {}
    problems = []
    for index, row in enumerate(_rows(study["offers"])):
        offer = offers.get(row["offer"])
        if offer is None or not offer.tier_pool:
            continue
        place = _place(study, "offers", index, "tier_pool")
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


def _bundles(study: Study, offers: Mapping[str, OfferFact]) -> tuple[BundleFact, ...]:
    found, problems = [], []
    for index, row in enumerate(_rows(study["bundles"]) if "bundles" in study.tables else ()):
        names = tuple(name for name in row["offers"] or () if name in offers)
        suppliers = {offers[name].supplier for name in names}
        if len(names) < len(row["offers"] or ()) or len(suppliers) != 1:
            what = "names an offer that nobody can buy" if len(suppliers) == 1 else "must name offers of one supplier"
            problems.append(Problem(_place(study, "bundles", index, "offers"), f"bundle {row['bundle']} {what}"))
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
    for row in _rows(study["price_paths"]):
        paths.setdefault(row["path"], {})[row["year"]] = row["factor"]
    return paths


def _plants(study: Study) -> tuple[PlantFact, ...]:
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
        for row in _rows(study["plants"])
    )


def _sites(study: Study) -> tuple[dict[str, SiteFact], list[str]]:
    by = {row["site"]: row for row in _rows(study["sites"])}
    outsider = {site: row["outsider_share"] for site, row in by.items()}
    steps: dict[str, list[tuple[int, float, str]]] = {}
    for row in _rows(study["capacities"].sort("site", "from_year")):
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


def _expansions(study: Study, sites: Mapping[str, SiteFact]) -> tuple[ExpansionFact, ...]:
    found, problems = [], []
    for index, row in enumerate(_rows(study["expansions"]) if "expansions" in study.tables else ()):
        if row["site"] not in sites:
            text = f"the capacity of {row['site']} is unlimited, there is nothing to expand: give it rows in capacities"
            problems.append(Problem(_place(study, "expansions", index, "site"), text))
            continue
        found.append(ExpansionFact(row["site"], row["from_year"], row["capacity"], row["cost"]))
    if problems:
        raise StudyError(problems)
    return tuple(found)


def _trade(study: Study) -> dict[tuple[str, str, str], TradeFact]:
    return {
        (row["origin"], row["destination"], row["part"]): TradeFact(row["duty"], row["freight"], row["lead_weeks"])
        for row in _rows(study["trade"])
    }


def _local_rules(study: Study) -> tuple[tuple[LocalRule, ...], list[str]]:
    rules, skipped = [], set()
    for row in _rows(study["local_content"]):
        if row["part"] not in ("pack", "e-axle", "car"):
            skipped.add(f"{row['plant_country']} to {row['region']} ({row['part']})")
            continue
        rules.append(
            LocalRule(
                frozenset(row["origins"]), row["plant_country"], row["region"], row["part"], row["from_year"],
                row["minimum"], row["penalty"],
            )
        )  # fmt: skip
    named = ", ".join(sorted(skipped))
    text = f"Local-content rules on other parts than packs, e-axles and whole cars are not evaluated: {named}."
    return tuple(rules), [text] if skipped else []


def _rules(study: Study) -> tuple[Rule, ...]:
    found = []
    for row in _rows(study["rules"]):
        if str(row["value"]).strip().lower() in _OFF:
            continue
        found.append(rule_of(row["rule"], row["scope"] or "*", str(row["value"])))
    return tuple(found)


def rule_of(kind: str, where: str, value: str) -> Rule:
    """A rule from a row's rule, scope (``class:pack&country:JP``) and value."""
    scope = {"class": "", "module": "", "supplier": "", "country": ""}
    for part in where.split("&"):
        key, _, name = part.strip().partition(":")
        if key != "*" and key in scope:
            scope[key] = name.strip()
    text = f"{kind} ({where}: {value})"
    return Rule(kind, text, value.strip(), scope["class"], scope["module"], scope["supplier"], scope["country"])


def _rebates(study: Study) -> dict[str, tuple[tuple[float, float], ...]]:
    found: dict[str, list[tuple[float, float]]] = {}
    for row in _rows(study["rebates"].sort("supplier", "spend_from")):
        found.setdefault(row["supplier"], []).append((row["spend_from"], row["rebate"]))
    return {supplier: tuple(rows) for supplier, rows in found.items()}
