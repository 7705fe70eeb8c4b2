"""Reads study, catalogue and performance into ``Facts``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from teikei.errors import NoPlanError
from teikei.modules.types import Catalogue
from teikei.plan.assembly import read_car_plants, read_planned
from teikei.plan.bodies import read_twins
from teikei.plan.captive import share_rule
from teikei.plan.facts import (
    ClassFact,
    Configurations,
    ContractFact,
    Facts,
    FamilyFact,
    LocalRule,
    MissedTarget,
    ModuleFact,
    OfferFact,
    Rule,
    RungRule,
    SlotFact,
    UnitsFact,
)
from teikei.plan.lead_times import read_time
from teikei.plan.read_supply import (
    read_bundles,
    read_captives,
    read_commodities,
    read_expansions,
    read_offers,
    read_plants,
    read_rebates,
    read_sites,
    read_spend,
    read_trade,
    rows_of,
)
from teikei.plan.vehicle_work import read_vehicle_work
from teikei.simulate.types import Performance
from teikei.study.cars import BODIES
from teikei.study.requirement_kinds import TARGET
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
    choices: dict[str, Configurations] = dict.fromkeys(slots, ())
    rejected: dict[str, Configurations] = {}
    missed: dict[str, dict[int, tuple[MissedTarget, ...]]] = {}
    if performance is not None:
        choices, rejected = _choices(catalogue, performance, slots)
        missed = _missed(performance, choices)
        _refuse_unserved(slots, units, choices, performance)
    volume_by_year: dict[int, float] = dict.fromkeys(study.settings.years, 0.0)
    for cars in units.values():
        for row in cars:
            volume_by_year[row.year] += row.units
    sites, site_messages = read_sites(study)
    trade, captives = read_trade(study), read_captives(study)
    ties = (share_rule(one) for one in captives if one.least_share > 0)
    rules = (*_rules(study), *ties)
    local, local_messages = _local_rules(study)
    messages += [*site_messages, *local_messages, *_mixed_prices(study, offers)]
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
        rejected=rejected,
        missed=missed,
        existing=_existing(study, catalogue, slots),
        classes=classes,
        families=_families(study),
        modules=modules,
        offers=offers,
        offers_of={module: tuple(names) for module, names in offers_of.items()},
        plants=read_plants(study),
        sites=sites,
        trade=trade,
        local_rules=local,
        rules=rules,
        rebates=read_rebates(study),
        equity={(row["company"], row["supplier"]): row["share"] for row in rows_of(study["equity"])},
        margin={row["supplier"]: row["operating_margin"] for row in rows_of(study["suppliers"])},
        activation={row["supplier"]: row["activation_cost"] for row in rows_of(study["suppliers"])},
        car_value={row["programme"]: row["car_value"] or 0.0 for row in rows_of(study["programmes"])},
        volume_by_year=volume_by_year,
        messages=tuple(messages),
        bundles=read_bundles(study, offers),
        expansions=read_expansions(study, sites),
        classes_of_slot=_classes_of_slot(catalogue, slots),
        vehicle_work=read_vehicle_work(study, _bodied(catalogue)),
        commodities=read_commodities(study),
        spend=read_spend(study),
        time=read_time(study, slots),
        captives=captives,
        twins=read_twins(study),
        car_plants=read_car_plants(study),
        plant_country={row["plant"]: row["country"] for row in rows_of(study["car_plants"])},
        planned=read_planned(
            study, _of_case(study, volumes), frozenset((s.programme, s.generation) for s in slots.values())
        ),
        logistics={(row["plant"], row["region"]): row["cost"] for row in rows_of(study["logistics"])},
        ahead=_ahead(study),
        ramp=tuple(study["ramp"].sort("years_after").select("years_after", "share").iter_rows()),
        incremental_rebates=frozenset(
            row["supplier"] for row in rows_of(study["rebates"]) if row.get("kind") == "incremental"
        ),
    )


def _slots(study: Study, catalogue: Catalogue) -> dict[str, SlotFact]:
    programmes = {row["programme"]: row for row in rows_of(study["programmes"])}
    generations = {(row["programme"], row["generation"]): row for row in rows_of(study["generations"])}
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
            start_year=_start_year(generations[(row["programme"], row["generation"])], row["phase"]),
            eop_year=generations[(row["programme"], row["generation"])]["eop_year"],
        )
        for row in rows_of(catalogue.slots)
        if programmes[row["programme"]]["in_scope"]
    }


def _start_year(generation: Mapping[str, Any], phase: int) -> int:
    return int(generation["facelift_year"]) if phase > 1 else int(generation["sop"][:4])


def _of_case(study: Study, volumes: pl.DataFrame | None) -> pl.DataFrame:
    """Volumes of the study's case, or those that replace them."""
    table = study["volumes"] if volumes is None else volumes
    return table.filter(pl.col("scenario") == study.settings.volume_scenario) if "scenario" in table.columns else table


def _ahead(study: Study) -> frozenset[tuple[str, str]]:
    """(Programme, generation) that starts in or after the base year and has nothing under contract."""
    contracted = set(study["existing"].select("programme", "generation").iter_rows())
    rows = study["generations"].select("programme", "generation", "sop").iter_rows()
    return frozenset(
        (p, g) for p, g, sop in rows if int(sop[:4]) >= study.settings.base_year and (p, g) not in contracted
    )


def _units(study: Study, slots: Mapping[str, SlotFact], volumes: pl.DataFrame) -> dict[str, tuple[UnitsFact, ...]]:
    country = {row["plant"]: row["country"] for row in rows_of(study["car_plants"])}
    volumes = _of_case(study, volumes)
    by_generation: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in rows_of(volumes):
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
) -> tuple[dict[str, Configurations], dict[str, Configurations]]:
    """Slot -> configurations that are feasible, and those that are not."""
    feasible = {(row["slot"], row["candidate"]): row["feasible"] for row in rows_of(performance.candidates)}
    configurations: dict[tuple[str, int], dict[str, str]] = {}
    for row in rows_of(catalogue.candidates):
        if row["slot"] in slots and (row["slot"], row["candidate"]) in feasible:
            configurations.setdefault((row["slot"], row["candidate"]), {})[row["position"]] = row["module"]
    found: dict[bool, dict[str, Configurations]] = {side: dict.fromkeys(slots, ()) for side in (True, False)}
    for (slot, candidate), modules in sorted(configurations.items()):
        side = found[feasible[(slot, candidate)]]
        side[slot] = (*side[slot], (candidate, modules))
    return found[True], found[False]


def _missed(
    performance: Performance, choices: Mapping[str, Configurations]
) -> dict[str, dict[int, tuple[MissedTarget, ...]]]:
    """Slot -> feasible candidate -> the targets it misses, where that costs anything."""
    feasible = {(slot, number) for slot, found in choices.items() for number, _ in found}
    result: dict[str, dict[int, tuple[MissedTarget, ...]]] = {}
    rows = performance.results.filter(pl.col("missed_cost") > 0).select(
        "slot", "candidate", "requirement", "procedure", "unit", "missed", "missed_cost"
    )
    for slot, candidate, requirement, procedure, unit, amount, cost in rows.iter_rows():
        if (slot, candidate) in feasible:
            of_slot = result.setdefault(slot, {})
            found = MissedTarget(requirement, procedure, unit, amount, cost)
            of_slot[candidate] = (*of_slot.get(candidate, ()), found)
    return result


def _refuse_unserved(
    slots: Mapping[str, SlotFact],
    units: Mapping[str, tuple[UnitsFact, ...]],
    choices: Mapping[str, Configurations],
    performance: Performance,
) -> None:
    """Names every car that no configuration serves, with the requirement that rejects most of them."""
    sentences = []
    for name, slot in slots.items():
        if not units[name] or choices[name]:
            continue
        missed = performance.results.filter((pl.col("slot") == name) & ~pl.col("allowed"))
        count = performance.candidates.filter(pl.col("slot") == name).height
        text = "it has no candidate configuration at all: no module fits its segment and positions"
        if missed.height:
            worst = (
                missed.group_by("requirement", "procedure", maintain_order=True)
                .agg(pl.len().alias("n"), pl.col("required").first(), pl.col("reached"), pl.col("unit").first(),
                     pl.col("kind").first(), (pl.col("reached") - pl.col("floor")).abs().min().alias("short"))
                .sort("n", "requirement", descending=[True, False])
                .row(0, named=True)
            )  # fmt: skip
            what = "its floor" if worst["kind"] == TARGET else "it"
            text = (
                f"{worst['requirement']} ({worst['procedure']}) of {worst['required']:g} {worst['unit']} rejects "
                f"{worst['n']} of {count} candidates; the best misses {what} by "
                f"{worst['short']:.3g} {worst['unit']}"
            )
        sentences.append(f"No configuration serves {slot.programme} {slot.generation} {slot.version}: {text}.")
    if sentences:
        raise NoPlanError("\n".join(sentences))


def _classes_of_slot(catalogue: Catalogue, slots: Mapping[str, SlotFact]) -> dict[str, frozenset[str]]:
    """Slot -> classes that its candidates carry, feasible or not."""
    found: dict[str, set[str]] = {slot: set() for slot in slots}
    for slot, class_name in catalogue.candidates.select("slot", "class").unique().iter_rows():
        if slot in found:
            found[slot].add(class_name)
    return {slot: frozenset(names) for slot, names in found.items()}


def _bodied(catalogue: Catalogue) -> frozenset[tuple[str, str]]:
    """(Programme, generation) whose candidates carry a body."""
    slots = catalogue.candidates.filter(pl.col("class").is_in(sorted(BODIES)))["slot"].unique()
    cars = catalogue.slots.filter(pl.col("slot").is_in(slots.implode())).select("programme", "generation")
    return frozenset(cars.unique().iter_rows())


def _existing(study: Study, catalogue: Catalogue, slots: Mapping[str, SlotFact]) -> dict[tuple[str, str], ContractFact]:
    country = {row["site"]: row["country"] for row in rows_of(study["sites"])}
    contracts: dict[tuple[str, str, str, str, str], ContractFact] = {}
    for row in rows_of(study["existing"]):
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
            renegotiated=row["renegotiated"],
        )
    result = {}
    found = catalogue.candidates.filter("existing").unique(["slot", "position"], keep="first", maintain_order=True)
    for row in rows_of(found):
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
    for row in rows_of(study["rungs"]):
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
        for row in rows_of(study["classes"])
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
        for row in rows_of(study["families"])
    }


def _modules(study: Study, catalogue: Catalogue, offers: Mapping[str, OfferFact]) -> dict[str, ModuleFact]:
    """Variants; engineering and tooling of one whose offers all have them in the piece price are not charged again."""
    curve = dict(zip(catalogue.table["module"], catalogue.table["curve_price"], strict=True))
    in_price = _in_price(study, offers)
    return {
        row["module"]: ModuleFact(
            name=row["module"],
            class_name=row["class"],
            family=row["family"],
            nre=0.0 if all(in_price.get(("engineering", row["module"]), [False])) else row["nre"],
            tooling=row["tooling"],
            sunk_for=frozenset(row["sunk_for"] or ()),
            available_to=frozenset(row["available_to"] or ()),
            earliest_year=row["earliest_year"] or 0,
            energy_kwh=row["gross_energy_kwh"] or 0.0,
            curve_price=curve.get(row["module"]),
            cost_given=row["piece_cost"] is not None,
            tooling_in_price=all(in_price.get(("tooling", row["module"]), [False])),
        )
        for row in rows_of(study["modules"])
    }


def _in_price(study: Study, offers: Mapping[str, OfferFact]) -> dict[tuple[str, str], list[bool]]:
    """(engineering or tooling, module) -> whether each offer that can be bought has it in the piece price."""
    found: dict[tuple[str, str], list[bool]] = {}
    for row in rows_of(study["offers"]):
        if row["offer"] in offers:
            for what in ("engineering", "tooling"):
                found.setdefault((what, row["module"]), []).append(bool(row[f"{what}_included"]))
    return found


def _mixed_prices(study: Study, offers: Mapping[str, OfferFact]) -> list[str]:
    """A sentence on variants some of whose offers have engineering or tooling in the price and some have not."""
    sentences = []
    for what in ("engineering", "tooling"):
        mixed = [
            module for (kind, module), found in _in_price(study, offers).items()
            if kind == what and any(found) and not all(found)
        ]  # fmt: skip
        if mixed:
            sentences.append(
                f"Some offers of {', '.join(mixed)} have {what} in the piece price and some have not: the variant's "
                f"{what} is charged whichever is bought; quote them alike."
            )
    return sentences


def _local_rules(study: Study) -> tuple[tuple[LocalRule, ...], list[str]]:
    rules, skipped = [], set()
    for row in rows_of(study["local_content"]):
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
    for row in rows_of(study["rules"]):
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
