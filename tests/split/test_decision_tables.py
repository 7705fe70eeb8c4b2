"""Tables for the decision maker, worked out by hand."""

from __future__ import annotations

import polars as pl
import pytest

from teikei.split import allocate
from teikei.split.contracts import contracts
from teikei.split.decision import business_case, mandate, quote_sheet, switching_costs
from tests.split.made_plans import BLOC, GRAND, plan, plans, three_companies, usual_plans
from tests.split.test_contracts import YEARS, study_with_cars, usual


def test_the_business_case_adds_up_to_the_terms_and_uses_the_companys_own_rate() -> None:
    study = study_with_cars()
    rates = study["companies"].with_columns(own_discount_rate=pl.lit(0.10))
    study = study.with_tables(companies=rates)
    made = usual(study)
    deals = contracts(study, made, allocate(study, made))
    table = business_case(study, made, deals).filter(
        pl.col("company") == "Honda", pl.col("form") == "own contract on joint terms"
    )
    assert table["year"].to_list() == list(YEARS)
    assert table["saving"].to_list() == pytest.approx([30.0 + 150.0, 30.0, 30.0, 30.0])
    expected = [s * 1.1 ** -(y + 0.5 - 2026) for s, y in zip([180.0, 30.0, 30.0, 30.0], YEARS, strict=True)]
    assert table["saving_at_own_rate"].to_list() == pytest.approx(expected)
    assert table["cumulative_at_own_rate"][-1] == pytest.approx(sum(expected))
    discounted = sum(s * study.settings.discount_factor(y) for s, y in zip(table["saving"], table["year"], strict=True))
    terms = deals.terms.filter(pl.col("company") == "Honda", pl.col("form") == "own contract on joint terms")
    assert discounted == pytest.approx(terms["alone"][0] - terms["outcome"][0])


def test_the_mandate_lies_between_what_each_side_can_walk_away_from() -> None:
    study = three_companies()
    made = usual_plans(gap=10.0)
    table = mandate(study, made).filter(pl.col("rung") == "powertrain")
    rows = {row["company"]: row for row in table.to_dicts()}
    assert rows["Honda"]["baseline"] == rows["Honda"]["walk_away"] == 700.0
    assert rows["Honda"]["others_walk_away"] == pytest.approx(1450.0 - 900.0)
    assert rows["Honda"]["target"] == pytest.approx(625.0)
    assert (rows["Honda"]["target_lower"], rows["Honda"]["target_upper"]) == pytest.approx((615.0, 630.0))
    assert rows[BLOC]["others_walk_away"] == pytest.approx(750.0)


def test_switching_cost_sums_what_leaving_a_contract_costs_and_says_what_the_plan_does() -> None:
    existing = [
        {"programme": "P", "generation": "G1", "class": "e-axle", "position": position, "company": "Nissan"}
        | {"module": module, "contract_end": 2031.0, "unit_price": 1e5, "cancellation_cost": 40.0}
        | {"revalidation_cost": 6.0, "committed_units": 1000.0, "supplier": "S"}
        for position, module in (("front", "E1"), ("rear", "E2"))
    ]
    classes = [{"class": "e-axle", "quantity_unit": "piece", "k_family_nre": 0.2, "switching_cost": 4.0}]
    study = three_companies(existing=existing, classes=classes)
    uses = pl.DataFrame({"programme": ["P"], "generation": ["G1"], "module": ["E1"]})
    base = usual_plans()
    made = plans(*base.by_key.values(), plan(GRAND, "powertrain", 1450.0, tables={"configurations": uses}))
    table = switching_costs(study, made, "powertrain")
    assert table["total"].to_list() == [50.0, 50.0]
    assert dict(table.select("module", "plan_switches").iter_rows()) == {"E1": False, "E2": True}
    assert switching_costs(study, base, "powertrain")["plan_switches"].to_list() == [None, None]


def test_the_quote_sheet_shows_joint_quantities_and_neither_prices_nor_companies() -> None:
    awards = pl.DataFrame(
        {"supplier": ["S", "T", "S"], "site": ["a", "b", "a"], "item": ["E1"] * 3, "year": [2030, 2030, 2031]}
        | {"quantity": [600.0, 400.0, 900.0], "unit_price": [1.0, 1.0, 1.0]}
    )
    modules = [{"module": "E1", "class": "e-axle", "family": "F", "peak_power_kw": 110.0, "gear_ratio": 9.5}]
    base = usual_plans()
    made = plans(*base.by_key.values(), plan(GRAND, "powertrain", 1450.0, tables={"awards": awards}))
    table = quote_sheet(three_companies(modules=modules), made, "powertrain")
    assert table.rows() == [
        ("e-axle", "E1", "110 kW peak, 9.5 ratio", 2030, 1000.0),
        ("e-axle", "E1", "110 kW peak, 9.5 ratio", 2031, 900.0),
    ]
    assert quote_sheet(three_companies(), base, "powertrain").is_empty()


def test_profit_writes_one_off_spending_off_over_its_life_and_cash_does_not() -> None:
    study = study_with_cars()
    made = usual(study)
    deals = contracts(study, made, allocate(study, made))
    row = business_case(study, made, deals).filter(
        pl.col("company") == "Honda", pl.col("form") == "own contract on joint terms"
    )
    # 285 alone and 135 together in 2027 (applications of 5 in both): an eighth of the 150 saved comes in each year
    assert row["saving"].to_list() == pytest.approx([180.0, 30.0, 30.0, 30.0])
    assert row["profit_change"].to_list() == pytest.approx([30.0 + 150.0 / 8] * 4)


def test_idle_plant_costs_its_owners_the_fixed_cost_of_the_part_not_used() -> None:
    steps = [{"plant": "LFP", "step": 5.0, "class": "pack", "country": "JP", "investment": 1.0, "fixed_cost": 8.0}]
    study = study_with_cars().with_tables(plants=three_companies(plants=steps)["plants"])
    base = usual(study)
    joint = base.by_key[GRAND, "powertrain"]
    use = pl.DataFrame({"owner": [GRAND], "plant": ["LFP"], "step": [5.0], "year": [YEARS[1]], "use": [0.25]})
    made = plans(*base.by_key.values(), plan(GRAND, "powertrain", joint.value, tables={**joint.tables, "plants": use}))
    table = business_case(study, made, contracts(study, made, allocate(study, made)))
    mine = table.filter(pl.col("company") == "Honda", pl.col("form") == "equal split")
    assert mine["idle_plant_joint"].to_list() == pytest.approx([0.0, 0.75 * 8.0 / 3, 0.0, 0.0])
    assert mine["idle_plant_alone"].sum() == 0.0
