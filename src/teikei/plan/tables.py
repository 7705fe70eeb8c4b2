"""The tables of one plan, for the stages to the right and for those that a run keeps."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import polars as pl

from teikei.plan.assembly import built
from teikei.plan.bill import Line, flat_price
from teikei.plan.captive import captive_uses
from teikei.plan.decisions import Decisions
from teikei.plan.joined_spend import rest_of_car
from teikei.plan.lateness import late_starts, lost
from teikei.plan.money import discount, plant_capacity_gwh, present_value
from teikei.plan.origin import local_content, origin_of
from teikei.plan.price import BILL_ITEMS, JOINT_ITEMS, Priced, item_owners
from teikei.plan.scope import Item, Option, Scope
from teikei.plan.sources import CONTRACT, CURVE, OFFER, PLANT
from teikei.plan.tasks import QUARTERS
from teikei.simulate.types import Performance

SCHEMAS: Mapping[str, Mapping[str, Any]] = {
    "configurations": {
        "coalition": pl.String, "rung": pl.String, "programme": pl.String, "generation": pl.String, "class": pl.String,
        "module": pl.String, "quantity": pl.Float64, "existing": pl.Boolean, "slot": pl.String, "version": pl.String,
        "phase": pl.Int64, "position": pl.String, "family": pl.String, "developing_group": pl.String,
        "candidate": pl.Int64,
    },
    "awards": {
        "coalition": pl.String, "rung": pl.String, "supplier": pl.String, "site": pl.String, "item": pl.String,
        "year": pl.Int64, "quantity": pl.Float64, "unit_price": pl.Float64, "spend": pl.Float64,
        "price_basis": pl.String, "programme": pl.String, "generation": pl.String, "country": pl.String,
        "developing_group": pl.String, "drawing_group": pl.String, "tier_from": pl.Float64, "rebate": pl.Float64,
        "landed_unit_cost": pl.Float64, "spend_undiscounted": pl.Float64,
    },
    "cost_breakdown": {
        "coalition": pl.String, "rung": pl.String, "company": pl.String, "programme": pl.String, "year": pl.Int64,
        "item": pl.String, "class": pl.String, "value": pl.Float64,
    },
    "module_uses": {
        "coalition": pl.String, "rung": pl.String, "module": pl.String, "programme": pl.String, "axle": pl.String,
        "driving_requirement": pl.String, "margin": pl.Float64, "overdesign": pl.Float64, "slot": pl.String,
        "unit": pl.String, "procedure": pl.String,
    },
    "unit_costs": {
        "coalition": pl.String, "rung": pl.String, "company": pl.String, "programme": pl.String, "year": pl.Int64,
        "item": pl.String, "units": pl.Float64, "variable_cost": pl.Float64,
    },
    "development": {
        "coalition": pl.String, "rung": pl.String, "level": pl.String, "class": pl.String, "object": pl.String,
        "developing_group": pl.String, "start_year": pl.Int64, "item": pl.String, "value": pl.Float64,
        "amount": pl.Float64, "programmes": pl.String,
    },
    "plants": {
        "coalition": pl.String, "rung": pl.String, "owner": pl.String, "plant": pl.String, "step": pl.Float64,
        "year": pl.Int64, "capacity": pl.Float64, "output": pl.Float64, "use": pl.Float64,
    },
    "lateness": {
        "coalition": pl.String, "rung": pl.String, "programme": pl.String, "generation": pl.String,
        "quarters": pl.Int64, "lost_units": pl.Float64, "cost": pl.Float64, "due": pl.String, "margin": pl.Float64,
        "found_by": pl.String,
    },
    "assembly": {
        "coalition": pl.String, "rung": pl.String, "programme": pl.String, "generation": pl.String, "plant": pl.String,
        "year": pl.Int64, "units": pl.Float64, "capacity": pl.Float64, "company": pl.String, "planned": pl.Boolean,
    },
    "captive_use": {
        "coalition": pl.String, "rung": pl.String, "owner": pl.String, "supplier": pl.String, "site": pl.String,
        "class": pl.String, "year": pl.Int64, "committed": pl.Float64, "taken": pl.Float64, "lost": pl.Float64,
        "cost": pl.Float64,
    },
}  # fmt: skip


def empty_tables() -> dict[str, pl.DataFrame]:
    """Every table of a plan without rows (rungs that are not evaluated)."""
    return {name: pl.DataFrame(schema=dict(schema)) for name, schema in SCHEMAS.items()}


def make_tables(
    scope: Scope, decisions: Decisions, priced: Priced, performance: Performance | None
) -> dict[str, pl.DataFrame]:
    """All tables of a priced plan; module_uses is empty without a performance."""
    rows = {
        "configurations": _configurations(scope, decisions),
        "awards": _awards(scope, priced),
        "cost_breakdown": _cost_breakdown(priced),
        "module_uses": _module_uses(scope, decisions, performance),
        "unit_costs": _unit_costs(scope, decisions, priced),
        "development": _development(scope, priced),
        "plants": _plants(scope, decisions),
        "lateness": _lateness(scope, decisions),
        "assembly": _assembly(scope, decisions),
        "captive_use": _captive_use(scope, decisions),
    }
    key = {"coalition": scope.coalition, "rung": scope.rung}
    return {
        name: pl.DataFrame([{**key, **row} for row in found], schema=dict(SCHEMAS[name]), orient="row")
        for name, found in rows.items()
    }


def _configurations(scope: Scope, decisions: Decisions) -> list[dict[str, Any]]:
    facts = scope.facts
    rows = []
    for (slot_name, position), option in decisions.modules.items():
        slot, module = facts.slots[slot_name], facts.modules[option.module]
        rows.append(
            {
                "programme": slot.programme, "generation": slot.generation, "class": module.class_name,
                "module": option.module, "quantity": math.fsum(scope.demand[slot_name].values()),
                "existing": bool(option.contract), "slot": slot_name, "version": slot.version, "phase": slot.phase,
                "position": position, "family": module.family, "developing_group": option.group,
                "candidate": decisions.candidate.get(slot_name, -1),
            }
        )  # fmt: skip
    return rows


def _captive_use(scope: Scope, decisions: Decisions) -> list[dict[str, Any]]:
    """Captive suppliers year by year: pieces or GWh committed, taken and lost, and what the lost ones cost."""
    return [
        {
            "owner": use.captive.owner, "supplier": use.captive.supplier, "site": use.captive.site,
            "class": use.captive.class_name, "year": use.year, "committed": use.committed, "taken": use.taken,
            "lost": use.lost, "cost": use.cost * discount(scope.facts, use.year),
        }
        for use in captive_uses(scope, decisions)
    ]  # fmt: skip


def _assembly(scope: Scope, decisions: Decisions) -> list[dict[str, Any]]:
    """Cars by plant and year; capacity: all shifts of the plant; planned: where the study has them."""
    facts = scope.facts
    if not facts.car_plants:
        return []
    home = {(car, row.plant) for car in scope.generations for row in facts.planned.get(car, ())}
    cars: dict[tuple[str, str, str, int, str], float] = {}
    for row in built(scope, decisions):
        key = (*row.car, row.plant, row.year, row.company)
        cars[key] = cars.get(key, 0.0) + row.units
    return [
        {
            "programme": programme, "generation": generation, "plant": plant, "year": year, "units": units,
            "capacity": fact.shifts * fact.shift_capacity if (fact := facts.car_plants.get(plant)) else None,
            "company": company, "planned": ((programme, generation), plant) in home,
        }
        for (programme, generation, plant, year, company), units in sorted(cars.items())
    ]  # fmt: skip


def _award_row(scope: Scope, line: Line) -> dict[str, Any]:
    facts, supplier, site, tier_from = scope.facts, scope.supplier(line.source, line.item), "", 0.0
    if line.source.kind == OFFER:
        offer = facts.offers[line.source.name]
        site, tier_from = offer.site, offer.from_quantity[line.tier]
    elif line.source == CONTRACT:
        site = scope.contracts[line.item.contract].site
    elif line.source.kind == PLANT:
        site, supplier = line.source.name, line.source.owner
    paid = line.pieces * (line.unit_price - line.rebate - line.alignment - line.joint_rate) / 1e6
    return {
        "supplier": supplier, "site": site, "item": line.item.module, "year": line.year, "quantity": line.pieces,
        "unit_price": line.unit_price, "spend": paid * facts.settings.discount_factor(line.year),
        "price_basis": line.basis, "programme": line.item.programme, "generation": line.item.generation,
        "country": line.item.country, "developing_group": line.item.group, "drawing_group": line.pool,
        "tier_from": tier_from, "rebate": line.rebate, "landed_unit_cost": line.cost, "spend_undiscounted": paid,
    }  # fmt: skip


def _awards(scope: Scope, priced: Priced) -> list[dict[str, Any]]:
    rows = [_award_row(scope, line) for line in priced.lines]
    return sorted(rows, key=lambda r: (r["supplier"], r["site"], r["item"], r["year"], r["programme"], r["country"]))


def _cost_breakdown(priced: Priced) -> list[dict[str, Any]]:
    sums: dict[tuple[str, str, int, str, str], list[float]] = {}
    for record in priced.records:
        key = (record.company, record.programme, record.year, record.item, record.class_name)
        sums.setdefault(key, []).append(record.value)
    return [
        {"company": company, "programme": programme, "year": year, "item": item, "class": class_name,
         "value": math.fsum(values)}
        for (company, programme, year, item, class_name), values in sorted(sums.items())
    ]  # fmt: skip


def reference_cost(scope: Scope, option: Option, country: str, year: int) -> float | None:
    """Cheapest landed unit cost of a drawing at its offers' first tier (study currency); None where not priced."""
    facts, item = scope.facts, scope.item(option, country)
    module = facts.modules[item.module]
    found = []
    for source in scope.sources(item, year):
        if source.kind == OFFER:
            offer = facts.offers[source.name]
            price, origin = offer.price[year][0], offer.country
        elif source == CONTRACT or source.kind == CURVE:
            price, origin = flat_price(scope, item, source, year)
        else:
            continue
        factor, freight = facts.landed(module.class_name, origin, country, module.energy_kwh) if origin else (1.0, 0.0)
        found.append(price * factor + freight)
    return min(found) if found else None


def _module_uses(scope: Scope, decisions: Decisions, performance: Performance | None) -> list[dict[str, Any]]:
    if performance is None:
        return []
    drivers = _drivers(scope, decisions, performance)
    rows = []
    for (slot_name, position), option in decisions.modules.items():
        slot = scope.facts.slots[slot_name]
        driver = drivers.get((slot_name, position), {})
        rows.append(
            {
                "module": option.module, "programme": slot.programme, "axle": position,
                "driving_requirement": driver.get("requirement"), "margin": driver.get("margin"),
                "unit": driver.get("unit"), "procedure": driver.get("procedure"),
                "overdesign": _overdesign(scope, slot_name, position, option), "slot": slot_name,
            }
        )  # fmt: skip
    return rows


def _overdesign(scope: Scope, slot_name: str, position: str, option: Option) -> float | None:
    """Reference cost of the chosen module minus the cheapest that a configuration which meets every target puts there.

    Where none meets them all, the cheapest of any feasible configuration.
    """
    facts = scope.facts
    meets = {
        modules[position]
        for number, modules in facts.choices[slot_name]
        if position in modules and not facts.missed_per_car(slot_name, number)
    }
    country, year = next(iter(scope.demand[slot_name]))
    chosen = reference_cost(scope, option, country, year)
    others = [
        cost
        for other in scope.options[(slot_name, position)]
        if (not meets or other.module in meets) and (cost := reference_cost(scope, other, country, year)) is not None
    ]
    return max(0.0, chosen - min(others)) if chosen is not None and others else None


def _drivers(scope: Scope, decisions: Decisions, performance: Performance) -> dict[tuple[str, str], dict[str, Any]]:
    """(slot, position) -> the requirement that drives the module there, with the car's margin over it.

    A requirement drives a module where another module in its place, everything else the same, misses it; of several
    the one that the car meets with the smallest margin for its size. Nothing where every other module would do.
    """
    met: dict[str, list[dict[str, Any]]] = {}
    missed: dict[tuple[str, int], set[tuple[str, str]]] = {}
    for row in performance.results.iter_rows(named=True):
        slot, candidate = row["slot"], int(row["candidate"])
        if decisions.candidate.get(slot) == candidate and row["margin"] is not None:
            met.setdefault(slot, []).append(row)
        elif row["passed"] is False:
            missed.setdefault((slot, candidate), set()).add((row["requirement"], row["procedure"]))
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for slot, rows in met.items():
        chosen = dict(dict(scope.facts.choices[slot])[decisions.candidate[slot]])
        decides: dict[str, set[tuple[str, str]]] = {}
        missing = scope.facts.missed.get(slot, {})
        others = [
            *scope.facts.rejected.get(slot, ()),
            *(
                entry
                for entry in scope.facts.choices[slot]
                if entry[0] in missing and entry[0] != decisions.candidate[slot]
            ),
        ]
        for candidate, other in others:
            changed = [position for position, module in chosen.items() if other.get(position) != module]
            if len(changed) == 1 and other.keys() == chosen.keys():
                decides.setdefault(changed[0], set()).update(missed.get((slot, candidate), ()))
        for position, names in decides.items():
            own = [row for row in rows if (row["requirement"], row["procedure"]) in names]
            if own:
                found[(slot, position)] = min(own, key=_relative_margin)
    return found


def _relative_margin(row: dict[str, Any]) -> float:
    """Margin over a requirement for its size."""
    needed = row["effective"] if row["effective"] is not None else row["required"]
    return float(row["margin"] / (abs(needed) or 1.0))


def _unit_costs(scope: Scope, decisions: Decisions, priced: Priced) -> list[dict[str, Any]]:
    """Variable cost per car by company, programme, year and item: what reaches prices; not discounted."""
    owners = item_owners(scope, decisions)
    units: dict[tuple[str, str, int], float] = {}
    for slot_name in scope.slots:
        for row in scope.facts.units[slot_name]:
            if row.company in scope.members:
                key = (row.company, scope.facts.slots[slot_name].programme, row.year)
                units[key] = units.get(key, 0.0) + row.units
    spent: dict[tuple[str, str, int, str], list[float]] = {}
    for line in priced.lines:
        name = "plant_variable" if line.source.kind == PLANT else "purchase"
        amounts = {
            name: line.unit_price, "rebate": -line.rebate, "duty_freight": line.duty_freight,
            "warranty": line.warranty, "equity": -line.equity, "shortfall": line.shortfall,
            "alignment": -line.alignment, "joint_rate": -line.joint_rate,
        }  # fmt: skip
        for company, share in owners[(line.item, line.year)].items():
            for item, amount in amounts.items():
                if amount:
                    where = (company, line.item.programme, line.year, item)
                    spent.setdefault(where, []).append(amount * line.pieces * share)
    for (company, programme, year), amount in local_content(scope, priced.lines).items():
        spent.setdefault((company, programme, year, "local_content"), []).append(amount * 1e6)
    for one in rest_of_car(scope):  # its level is the same everywhere; what buying together takes off reaches prices
        for name, share in zip(JOINT_ITEMS, one.cut, strict=True):
            if share:
                spent.setdefault((one.company, one.programme, one.year, name), []).append(-one.spend * share * 1e6)
    rows = []
    for (company, programme, year), cars in sorted(units.items()):
        for item in (*BILL_ITEMS, *JOINT_ITEMS, "plant_variable"):
            total = math.fsum(spent.get((company, programme, year, item), ()))
            if total or item == "purchase":
                rows.append(
                    {"company": company, "programme": programme, "year": year, "item": item, "units": cars,
                     "variable_cost": total / cars}
                )  # fmt: skip
    return rows


def _development(scope: Scope, priced: Priced) -> list[dict[str, Any]]:
    facts, rows = scope.facts, []
    for charge in priced.charges:
        if charge.item not in ("nre_family", "nre_variant", "nre_application", "tooling"):
            continue
        level = "family" if charge.thing in facts.families else "module"
        if level == "family" and not charge.group:
            level = "application"
        programmes = sorted({facts.slots[slot].programme for slot in charge.slots})
        rows.append(
            {
                "level": level, "class": charge.class_name, "object": charge.thing, "developing_group": charge.group,
                "start_year": charge.start_year, "item": charge.item, "value": present_value(facts, charge.cash),
                "amount": math.fsum(amount for _, amount in charge.cash if amount > 0),
                "programmes": ";".join(programmes),
            }
        )  # fmt: skip
    return rows


def _plants(scope: Scope, decisions: Decisions) -> list[dict[str, Any]]:
    output: dict[tuple[str, str, int], float] = {}
    for (item, source, year), pieces in decisions.awards.items():
        if source.kind == PLANT:
            name, owner = source.name, source.owner
            gwh = scope.facts.modules[item.module].energy_kwh * pieces / 1e6
            output[(owner, name, year)] = output.get((owner, name, year), 0.0) + gwh
    rows = []
    for owner, name, step, opened in decisions.plants:
        plant = next(p for p in scope.plants_of(name) if p.step_gwh == step)
        for year in range(opened, scope.facts.settings.last_year + 1):
            capacity, made = plant_capacity_gwh(plant, opened, year), output.get((owner, name, year), 0.0)
            rows.append(
                {"owner": owner, "plant": name, "step": step, "year": year, "capacity": capacity, "output": made,
                 "use": made / capacity if capacity else 0.0}
            )  # fmt: skip
    return rows


def _lateness(scope: Scope, decisions: Decisions) -> list[dict[str, Any]]:
    """Every late start of a plan, priced as it stands in the value; cost is empty where the study gives no margin."""
    time, rows = scope.facts.time, []
    for start, quarters in late_starts(scope, decisions).items():
        assert time is not None  # noqa: S101 - there are late starts
        programme, generation, due = start
        due += time.origin
        cars = lost(scope, start, quarters)
        margin = time.lost_margin.get(programme)
        by_schedule = late_starts(scope, replace(decisions, scheduled={})).get(start, 0) < quarters
        rows.append(
            {
                "programme": programme, "generation": generation, "quarters": quarters,
                "lost_units": math.fsum(one.cars for one in cars),
                "cost": None if margin is None else math.fsum(one.cost for one in cars),
                "due": f"{due // QUARTERS}-Q{due % QUARTERS + 1}", "margin": margin,
                "found_by": "schedule" if by_schedule else "critical path",
            }
        )  # fmt: skip
    return rows


__all__ = ["SCHEMAS", "Item", "empty_tables", "make_tables", "origin_of", "reference_cost"]
