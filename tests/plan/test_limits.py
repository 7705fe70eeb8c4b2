"""Contracts, facelifts, rules, capacities, plants, infeasible studies and bad input."""

from __future__ import annotations

import math
from typing import Any

import polars as pl
import pytest

import teikei.plan as plan
from teikei.errors import NoPlanError, StudyError
from teikei.plan.build import independent_positions
from teikei.plan.commonality import commonality_index, degree_of_commonality, total_constant_commonality
from tests.plan.small import make_performance, plant_study, small, two_companies


def with_contract(**changes: Any) -> dict[str, list[dict[str, Any]]]:
    """Ann's car runs on L under a contract until 2029 and has its facelift in 2029."""
    base = two_companies()
    generations = [{**row, "sop": "2024-01", "facelift_year": 2029} for row in base["generations"][:1]]
    contract = {
        "programme": "A1", "generation": "G1", "class": "e-axle", "company": "Ann", "module": "L", "supplier": "Near",
        "site": "Near JP", "contract_end": 2029.0, "unit_price": 130_000.0, "cancellation_cost": 500.0,
        "revalidation_cost": 70.0,
    }  # fmt: skip
    families = [{**row, "nre": 10.0, "tooling": 0.0} for row in base["families"]]
    tables = two_companies(generations=[*generations, base["generations"][1]], existing=[contract], families=families)
    return {**tables, **changes}


def test_a_running_car_keeps_its_module_until_another_can_be_qualified() -> None:
    classes = [{"class": "e-axle", "k_family_nre": 0.2, "switching_months": 24.0}]
    study, catalogue, performance = small(with_contract(classes=classes))
    found = plan.solve(study, catalogue, performance, gap=1e-6).by_key[("Ann", "alone")]
    rows = found.tables["configurations"].sort("phase")
    assert rows["existing"].to_list() == [True, False]
    awards = found.tables["awards"]
    assert set(awards.filter(pl.col("year") < 2029)["price_basis"]) == {"contract"}
    assert set(awards.filter(pl.col("year") < 2029)["unit_price"]) == {130_000.0}


def test_leaving_a_contract_early_pays_what_is_left_of_its_cancellation() -> None:
    """Contract to 2031 seen from 2027, left at the facelift in 2029: half of it is left."""
    tables = with_contract(classes=[{"class": "e-axle", "k_family_nre": 0.2, "switching_months": 24.0}])
    tables["existing"] = [{**tables["existing"][0], "contract_end": 2031.0, "unit_price": 500_000.0}]
    study, catalogue, performance = small(tables)
    found = plan.solve(study, catalogue, performance, gap=1e-6).by_key[("Ann", "alone")]
    switching = found.tables["cost_breakdown"].filter(pl.col("item") == "switching")
    rows = found.tables["configurations"].sort("phase")
    changed = rows["module"].to_list()[1] != "L"
    expected = (250.0 + (70.0 if changed else 0.0)) * 1.05**-2.5
    assert switching["value"].sum() == pytest.approx(expected, rel=1e-12)


def test_a_cheap_contract_is_kept_to_the_end_of_the_generation() -> None:
    tables = with_contract()
    tables["existing"] = [{**tables["existing"][0], "unit_price": 50_000.0}]
    found = plan.solve(*small(tables), gap=1e-6).by_key[("Ann", "alone")]
    assert found.tables["configurations"]["existing"].all()


def test_an_excluded_supplier_is_not_bought_from() -> None:
    rules = [{"rule": "exclude_supplier", "scope": "supplier:Far", "value": "Ann"}]
    plans = plan.solve(*small(two_companies(rules=rules)), gap=1e-6)
    assert set(plans.by_key[("Ann", "alone")].tables["awards"]["supplier"]) == {"Near"}
    assert set(plans.by_key[("Bob", "alone")].tables["awards"]["supplier"]) == {"Far"}


def test_a_share_rule_splits_every_item_between_suppliers() -> None:
    rules = [{"rule": "max_share_per_item", "scope": "*", "value": "0.7"}]
    found = plan.solve(*small(two_companies(rules=rules)), gap=1e-6).by_key[("Ann", "alone")]
    awards = found.tables["awards"]
    shares = awards.group_by("year", "supplier").agg(pl.col("quantity").sum() / 30_000.0)
    assert shares["quantity"].max() == pytest.approx(0.7, abs=1e-6)


def test_a_local_supply_rule_brings_supply_home() -> None:
    rules = [{"rule": "local_supply", "scope": "class:e-axle&country:JP", "value": "yes"}]
    found = plan.solve(*small(two_companies(rules=rules)), gap=1e-6).by_key[("Bob", "alone")]
    assert set(found.tables["awards"]["site"]) == {"Near JP"}


def test_a_minimum_number_of_suppliers_is_kept() -> None:
    rules = [{"rule": "min_suppliers_per_class", "scope": "class:e-axle", "value": "2"}]
    found = plan.solve(*small(two_companies(rules=rules)), gap=1e-6).by_key[("Ann", "alone")]
    assert set(found.tables["awards"]["supplier"]) == {"Near", "Far"}


def test_missing_local_content_costs_its_penalty_on_the_cars_sold_there() -> None:
    tables = two_companies(
        local_content=[{"origins": ["JP"], "plant_country": "JP", "region": "JP", "part": "e-axle", "from_year": 2027,
                        "minimum": 0.5, "penalty": 0.001}]
    )  # fmt: skip
    tables["programmes"] = [{**row, "car_value": 3e6} for row in tables["programmes"]]
    found = plan.solve(*small(tables), gap=1e-6).by_key[("Ann", "alone")]
    penalty = found.tables["cost_breakdown"].filter(pl.col("item") == "local_content")["value"].sum()
    discounts = sum(1.05 ** -(year + 0.5 - 2026) for year in range(2027, 2031))
    assert set(found.tables["awards"]["supplier"]) == {"Far"}
    assert penalty == pytest.approx(30_000 * 3e6 * 0.001 / 1e6 * discounts, rel=1e-9)


def test_a_plant_that_pays_is_built_and_its_output_stays_within_its_ramp() -> None:
    found = plan.solve(*plant_study(step=3.0, ramp=["0.2", "1"]), gap=1e-6).by_key[("Bob", "alone")]
    use = found.tables["plants"].sort("year")
    assert use["year"].to_list() == [2028, 2029, 2030]
    assert use["output"].to_list() == pytest.approx([0.6, 2.0, 2.0])
    assert (use["output"] <= use["capacity"] + 1e-9).all()


def test_a_study_without_enough_capacity_names_the_sites_and_the_programmes() -> None:
    capacities = [
        {"site": site, "from_year": 2027, "capacity": 20_000.0, "unit": "pieces"} for site in ("Near JP", "Far CN")
    ]
    with pytest.raises(NoPlanError) as caught:
        plan.solve(*small(two_companies(capacities=capacities)))
    text = str(caught.value)
    assert "Site Near JP has 20,000 pieces" in text
    assert "Site Far CN has 20,000 pieces" in text
    assert "Programme B1" in text or "Programme A1" in text
    # 70,000 cars a year against 2 x 20,000: 30,000 are missing wherever they are made
    assert "Smallest change that gives a plan: " in text
    assert "site Near JP with 30,000 pieces a year more (2027 to 2030" in text


def test_a_rule_that_makes_the_study_infeasible_is_named_alone() -> None:
    rules = [{"rule": "max_share_per_item", "scope": "*", "value": "0.4"}]
    with pytest.raises(NoPlanError, match="max_share_per_item") as caught:
        plan.solve(*small(two_companies(rules=rules)))
    assert "Site" not in str(caught.value)
    assert "Smallest change that gives a plan: rule max_share_per_item (*: 0.4) with 0.5" in str(caught.value)


def test_a_programme_no_configuration_serves_is_named_with_the_requirement_that_rejects_most() -> None:
    study, catalogue, _ = small()
    performance = make_performance(catalogue)
    slot = catalogue.slots["slot"][0]
    candidates = performance.candidates.with_columns((pl.col("slot") != slot).alias("feasible"))
    missed = [
        {"slot": slot, "candidate": number, "programme": "A1", "version": "std", "requirement": "range",
         "procedure": "wltc_japan", "required": 250.0, "effective": 250.0, "reached": 210.0 + number, "unit": "km",
         "margin": -40.0 + number, "passed": False, "status": "missed", "kind": "hard", "floor": 250.0,
         "allowed": False, "missed": 40.0 - number, "missed_cost": 0.0}
        for number in (0, 1)
    ]  # fmt: skip
    results = pl.DataFrame(missed, schema=performance.results.schema)
    broken = type(performance)(candidates, results)
    with pytest.raises(NoPlanError, match=r"A1 G1 std: range \(wltc_japan\) of 250 km rejects 2 of 2.*by 39 km"):
        plan.solve(study, catalogue, broken)


def test_tiers_that_rise_with_volume_are_refused_with_the_offer() -> None:
    tables = two_companies()
    tables["tiers"] = [{**row, "unit_price": row["from_quantity"] + 1.0} for row in tables["tiers"]]
    with pytest.raises(StudyError, match="NS: the tier price rises with volume") as caught:
        plan.solve(*small(tables))
    assert len(caught.value.problems) == 4


def test_unknown_rungs_and_coalitions_are_refused_by_name() -> None:
    study, catalogue, performance = small()
    with pytest.raises(StudyError, match="Rung batery is not in the rungs table"):
        plan.solve(study, catalogue, performance, rungs=("batery",))
    with pytest.raises(StudyError, match="Zoe is not a company"):
        plan.solve(study, catalogue, performance, coalitions=("Ann+Zoe",))


def test_commonality_indices_reproduce_the_test_vector() -> None:
    """3 products of 4 parts, 6 distinct parts, 12 uses: DCI 2.000, TCCI 1 - 5/11, CI 1 - 2/8."""
    parents = [3, 3, 3, 1, 1, 1]
    assert degree_of_commonality(parents) == pytest.approx(2.0)
    assert total_constant_commonality(parents) == pytest.approx(1 - 5 / 11)
    assert commonality_index(6, [4, 4, 4]) == pytest.approx(0.75)


def test_independent_positions_are_those_whose_product_is_the_feasible_set() -> None:
    rows = [
        {"a": a, "b": b, "c": c, "d": d} for a in "12" for b in "12" for c, d in (("1", "1"), ("1", "2"), ("2", "2"))
    ]
    groups = independent_positions(rows, ("a", "b", "c", "d"))
    assert sorted(groups) == [("a",), ("b",), ("c", "d")]


def test_the_price_of_a_requirement_is_what_its_relaxation_saves() -> None:
    """A1 may only carry the dear L because S misses the range by 10 km; 20 km less lets S in."""
    study, catalogue, _ = small()
    performance = make_performance(catalogue)
    slot = catalogue.slots["slot"][0]
    number = catalogue.candidates.filter((pl.col("slot") == slot) & (pl.col("module") == "S"))["candidate"][0]
    hit = (pl.col("slot") == slot) & (pl.col("candidate") == number)
    candidates = performance.candidates.with_columns((~hit).alias("feasible"))
    row = {"slot": slot, "candidate": number, "programme": "A1", "version": "std", "requirement": "range",
           "procedure": "wltc_japan", "required": 250.0, "effective": 250.0, "reached": 240.0, "unit": "km",
           "margin": -10.0, "passed": False, "status": "missed", "kind": "hard", "floor": 250.0, "allowed": False,
           "missed": 10.0, "missed_cost": 0.0}  # fmt: skip
    tight = type(performance)(candidates, pl.DataFrame([row], schema=performance.results.schema))
    plans = plan.solve(study, catalogue, tight, gap=1e-6)
    free = plan.solve(study, catalogue, performance, gap=1e-6)
    prices = plan.requirement_prices(study, catalogue, tight, plans)
    expected = plans.value("Ann+Bob", "powertrain") - free.value("Ann+Bob", "powertrain")
    assert prices.height == 1
    assert prices["saving_alliance"][0] == pytest.approx(expected, rel=1e-9)
    assert math.isfinite(prices["saving_owner"][0])
    assert expected > 0
    assert prices["saving_upper"][0] >= prices["saving_alliance"][0] - 1e-9
    curve = plan.requirement_curve(
        study, catalogue, tight, plans, programme="A1", requirement="range", steps=(20.0, 5.0, 10.0)
    )
    assert curve["step"].to_list() == [5.0, 10.0, 20.0]
    assert curve["saving_alliance"].to_list() == pytest.approx([0.0, expected, expected], rel=1e-9, abs=1e-6)
    with pytest.raises(StudyError, match="No configuration of B1 is rejected by range"):
        plan.requirement_curve(study, catalogue, tight, plans, programme="B1", requirement="range", steps=(1.0,))


def test_a_rule_costs_the_difference_of_the_plans_with_and_without_it() -> None:
    """Prices of rules in force and of one that is not, against separate runs of the planner."""
    rules = [
        {"rule": "max_share_per_item", "scope": "*", "value": "0.7"},
        {"rule": "exclude_supplier", "scope": "supplier:Far", "value": "Ann"},
    ]

    def value(chosen: list[dict[str, str]]) -> float:
        return plan.solve(*small(two_companies(rules=chosen)), gap=1e-6).value("Bob", "alone")

    study, catalogue, performance = small(two_companies(rules=rules[:1]))
    plans = plan.solve(study, catalogue, performance, gap=1e-6)
    local = ("local_supply", "class:e-axle&country:JP", "yes")
    prices = plan.rule_prices(
        study, catalogue, performance, plans, coalition="Bob", rung="alone",
        also=[local, ("max_share_per_item", "*", "0.4")],
    )  # fmt: skip
    with_both = [*rules[:1], {"rule": local[0], "scope": local[1], "value": local[2]}]
    assert prices["in_force"].to_list() == [True, False, False]
    assert prices["price"][0] == pytest.approx(value(rules[:1]) - value([]), rel=1e-7)
    assert prices["price"][0] > 0
    assert prices["status"].to_list()[1:] == ["no plan with it", "no plan with it"]
    with pytest.raises(NoPlanError):
        value(with_both)
    free_study, free_catalogue, free_performance = small()
    free = plan.solve(free_study, free_catalogue, free_performance, gap=1e-6)
    alone = plan.rule_prices(
        free_study, free_catalogue, free_performance, free, coalition="Bob", rung="alone", also=[local]
    )
    home = value([{"rule": local[0], "scope": local[1], "value": local[2]}])
    assert alone["price"][0] == pytest.approx(home - free.value("Bob", "alone"), rel=1e-7)
    assert alone["lower"][0] <= alone["price"][0] <= alone["upper"][0] + 1e-9
