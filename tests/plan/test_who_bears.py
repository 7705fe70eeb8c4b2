"""Who bears a cost: what companies bear adds up to the plan's cost, and each item falls on those whose cars use it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import polars as pl
import pytest

from teikei.plan import solve
from teikei.plan.decisions import Decisions
from teikei.plan.price import item_owners, owner_shares, plants_owned
from teikei.plan.read import read_facts
from teikei.plan.scope import Option, Scope
from teikei.plan.sources import of_plant
from teikei.plan.types import Plan
from tests.plan.small import plant_study, small, two_companies

GRAND = "Ann+Bob"
CARS = {("A1", "Ann"): 30_000.0, ("A1", "Bob"): 10_000.0, ("B1", "Bob"): 40_000.0}
"""Two companies of one bloc: A1 is built for both, B1 for Bob. Cars a year by programme and owner."""


def tables(cars: dict[tuple[str, str], float], **changes: Any) -> dict[str, list[dict[str, Any]]]:
    volumes = [
        {
            "programme": programme, "generation": "G1", "company": company, "plant": "Suzuka", "region": "JP",
            "year": year, "units": units,
        }
        for (programme, company), units in cars.items()
        for year in range(2027, 2031)
    ]  # fmt: skip
    companies = [{"company": "Ann", "bloc": "X"}, {"company": "Bob", "bloc": "X"}]
    return two_companies(volumes=volumes, companies=companies, **changes)


def planned(study: Any, catalogue: Any, performance: Any, rung: str) -> tuple[Plan, Scope]:
    plan = solve(study, catalogue, performance).by_key[GRAND, rung]
    return plan, Scope(read_facts(study, catalogue, performance), GRAND, rung, ("Ann", "Bob"))


def decisions_of(plan: Plan) -> Decisions:
    found = plan.decisions["decisions"]
    assert isinstance(found, Decisions)
    return found


def slip_of_paper(scope: Scope, decisions: Decisions) -> Iterator[tuple[str, str, int, str, float]]:
    """(programme, module, year, company, share) of the pieces of a drawing, counted car by car from the volumes."""
    cars: dict[tuple[str, str, int], dict[str, float]] = {}
    for (slot, _), option in decisions.modules.items():
        programme = scope.facts.slots[slot].programme
        for row in scope.facts.units[slot]:
            by = cars.setdefault((programme, option.module, row.year), {})
            by[row.company] = by.get(row.company, 0.0) + row.units
    for (programme, module, year), by in cars.items():
        for company, units in by.items():
            yield programme, module, year, company, units / sum(by.values())


def test_every_purchase_falls_on_the_owners_of_the_cars_that_carry_it() -> None:
    plan, scope = planned(*small(tables(CARS)), "alone")
    decisions = decisions_of(plan)
    table = plan.tables["cost_breakdown"]
    assert table["value"].sum() == pytest.approx(plan.value, rel=1e-12)
    expected: dict[tuple[str, str, int], float] = {}
    bought = table.filter(pl.col("item") == "purchase").group_by("programme", "year").agg(pl.col("value").sum())
    total = {(programme, year): value for programme, year, value in bought.iter_rows()}
    for programme, _, year, company, share in slip_of_paper(scope, decisions):
        expected[company, programme, year] = total[programme, year] * share
    borne = (
        table.filter(pl.col("item") == "purchase").group_by("company", "programme", "year").agg(pl.col("value").sum())
    )
    found = {(company, programme, year): value for company, programme, year, value in borne.iter_rows()}
    assert found == pytest.approx(expected, rel=1e-9)


def test_shares_of_an_item_are_those_of_the_cars_when_both_companies_build_in_one_programme() -> None:
    plan, scope = planned(*small(tables(CARS)), "alone")
    for (item, _), shares in item_owners(scope, decisions_of(plan)).items():
        wanted = {"Ann": 0.75, "Bob": 0.25} if item.programme == "A1" else {"Bob": 1.0}
        assert shares == pytest.approx(wanted, rel=1e-12)


def test_two_cars_with_one_drawing_add_up_in_the_owners_of_its_pieces() -> None:
    """Two versions of one programme carry the same drawing: the pieces of both count."""
    versions = [
        {"programme": "A1", "version": "std", "share": 0.4}, {"programme": "A1", "version": "long", "share": 0.6},
        {"programme": "B1", "version": "std", "share": 1.0},
    ]  # fmt: skip
    plan, scope = planned(*small(tables(CARS, versions=versions)), "alone")
    for (item, _), shares in item_owners(scope, decisions_of(plan)).items():
        if item.programme == "A1":
            assert shares == pytest.approx({"Ann": 0.75, "Bob": 0.25}, rel=1e-12)


def test_development_and_tooling_fall_by_cars_on_the_owners() -> None:
    plan, scope = planned(*small(tables(CARS)), "alone")
    slots = [slot for slot in scope.slots if scope.facts.slots[slot].programme == "A1"]
    assert owner_shares(scope, slots) == pytest.approx({("Ann", "A1"): 0.75, ("Bob", "A1"): 0.25}, rel=1e-12)
    table = plan.tables["cost_breakdown"].filter(
        pl.col("item").str.contains("nre|tooling") & (pl.col("programme") == "A1")
    )
    borne = dict(table.group_by("company").agg(pl.col("value").sum()).iter_rows())
    assert borne["Ann"] == pytest.approx(3.0 * borne["Bob"], rel=1e-12)
    assert borne["Ann"] > 0


def test_moving_one_car_between_owners_moves_only_its_own_lines() -> None:
    """At one price whatever the volume, a car that Bob takes over from Ann moves its own purchase and nothing else."""
    flat = [row for row in two_companies()["tiers"] if row["from_quantity"] == 0.0]
    moved = {**CARS, ("A1", "Ann"): 29_999.0, ("A1", "Bob"): 10_001.0}
    frames = []
    for cars in (CARS, moved):
        plan, _ = planned(*small(tables(cars, tiers=flat)), "alone")
        table = plan.tables["cost_breakdown"].group_by("company", "programme", "item", "year")
        frames.append({tuple(row[:4]): row[4] for row in table.agg(pl.col("value").sum()).iter_rows()})
    before, after = frames
    assert before.keys() == after.keys()
    changed = {key: after[key] - before[key] for key in before if abs(after[key] - before[key]) > 1e-12}
    assert changed
    assert {programme for _, programme, _, _ in changed} == {"A1"}
    for (company, programme, item, year), change in changed.items():
        other = "Bob" if company == "Ann" else "Ann"
        assert change == pytest.approx(-changed[other, programme, item, year], rel=1e-6)
        whole = sum(before[one, programme, item, year] for one in ("Ann", "Bob"))
        assert abs(change) == pytest.approx(abs(whole) / 40_000.0, rel=1e-6)


def test_a_plant_falls_on_those_whose_cars_take_its_packs_by_their_pieces() -> None:
    study, catalogue, performance = plant_study(investment=1.0, fixed_cost=0.0, step=10.0)
    plan = solve(study, catalogue, performance).by_key["Ann", "alone"]
    decisions = decisions_of(plan)
    scope = Scope(read_facts(study, catalogue, performance), "Ann", "alone", ("Ann",))
    assert decisions.plants
    for shares in plants_owned(scope, decisions).values():
        assert shares == pytest.approx({("Ann", "A1"): 1.0}, abs=1e-12)
    table = plan.tables["cost_breakdown"].filter(pl.col("item").is_in(["plant", "plant_fixed"]))
    assert set(table["programme"]) == {"A1"}


@pytest.mark.parametrize("rung", ["components", "powertrain"])
def test_what_two_blocs_bear_adds_up_and_each_pays_for_its_own_cars(rung: str) -> None:
    plan, _ = planned(*small(two_companies()), rung)
    table = plan.tables["cost_breakdown"]
    assert table["value"].sum() == pytest.approx(plan.value, rel=1e-12)
    bought = table.filter(pl.col("item") == "purchase").select("company", "programme").unique()
    assert set(bought.iter_rows()) == {("Ann", "A1"), ("Bob", "B1")}


def test_pieces_of_a_plant_count_by_their_amount() -> None:
    """Awards of half a piece and of one and a half: any constant beside the amounts would show."""
    study, catalogue, performance = plant_study(step=10.0)
    study = study.with_tables(
        companies=study["companies"].with_columns(bloc=pl.lit("X")),
        volumes=study["volumes"].with_columns(units=pl.Series([0.5] * 4 + [1.5] * 4)),
    )
    scope = Scope(read_facts(study, catalogue, performance), GRAND, "alone", ("Ann", "Bob"))
    items = {
        item.programme: item
        for slot in scope.slots
        for item in [scope.item(Option(slot, "pack", "B", GRAND, ""), "JP")]
    }
    modules = {(slot, "pack"): Option(slot, "pack", "B", GRAND, "") for slot in scope.slots}
    made = of_plant("Own", GRAND)
    awards = {(items["A1"], made, 2028): 0.5, (items["B1"], made, 2028): 1.5}
    decisions = Decisions(modules=modules, candidate={}, awards=awards, plants=((GRAND, "Own", 10.0, 2028),))
    assert plants_owned(scope, decisions)[GRAND, "Own"] == pytest.approx({("Ann", "A1"): 0.25, ("Bob", "B1"): 0.75})


def test_what_is_committed_and_not_taken_falls_by_what_was_taken() -> None:
    """Take-or-pay of one drawing for A1 of both companies: by pieces, three to one, and whole."""
    base = two_companies()
    offers = [{**row, "take_or_pay_quantity": 1_000_000.0} for row in base["offers"]]
    plan, _ = planned(
        *small(tables({key: CARS[key] for key in (("A1", "Ann"), ("A1", "Bob"))}, offers=offers)), "alone"
    )
    table = plan.tables["cost_breakdown"]
    assert table["value"].sum() == pytest.approx(plan.value, rel=1e-12)
    paid = dict(
        table.filter(pl.col("item") == "take_or_pay").group_by("company").agg(pl.col("value").sum()).iter_rows()
    )
    assert paid["Ann"] == pytest.approx(3.0 * paid["Bob"], rel=1e-9)
    offer = next(iter({source.name for _, source, _ in decisions_of(plan).awards}))
    price = next(row["unit_price"] for row in base["tiers"] if row["offer"] == offer and row["from_quantity"] == 0.0)
    factor = 1.05 ** -(2030 + 0.5 - 2026)
    assert sum(paid.values()) == pytest.approx((1_000_000.0 - 160_000.0) * price / 1e6 * factor, rel=1e-9)
