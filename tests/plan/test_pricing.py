"""Money: closed forms of development, tiers, rebates, landed cost, re-pricing."""

from __future__ import annotations

import dataclasses

import polars as pl
import pytest

import teikei.plan as plan
from teikei.errors import NoPlanError, StudyError
from teikei.plan.bill import tier_of
from teikei.plan.decisions import Decisions
from teikei.plan.money import END, nre_cash, plant_cash, present_value, tooling_cash
from teikei.plan.price import price
from teikei.plan.read import read_facts
from teikei.plan.scope import Scope
from tests.plan.small import small, two_companies


def test_nre_follows_the_profile_and_never_falls_before_the_base_year() -> None:
    facts = read_facts(*small())
    assert nre_cash(facts, 100.0, 2030, 1) == ((2026, 10.0), (2027, 30.0), (2028, 40.0), (2029, 20.0))
    assert nre_cash(facts, 100.0, 2027, 4) == ((2026, 100.0),)


def test_what_outlives_the_horizon_is_credited_straight_line() -> None:
    facts = read_facts(*small())
    cash = tooling_cash(facts, 80.0, 2029, 8)
    assert cash == ((2028, 80.0), (END, -80.0 * (1 - 2 / 8)))
    worth = 80.0 * 1.05**-2.5 - 60.0 * 1.05**-5.0
    assert present_value(facts, cash) == pytest.approx(worth, rel=1e-12)


def test_a_plant_is_paid_over_its_lead_time_and_credited_by_its_two_lives() -> None:
    plants = [
        {
            "plant": "P", "step": 5.0, "class": "e-axle", "family": "FS", "country": "JP", "investment": 90.0,
            "fixed_cost": 3.0, "variable_cost_per_kwh": 1.0, "lead_years": 3.0, "ramp": ["0.5", "1"],
            "life_years": 2.0, "building_share": 0.5, "building_life_years": 10.0, "grant": 30.0, "grant_share": 1.0,
        }
    ]  # fmt: skip
    facts = read_facts(*small(two_companies(plants=plants)))
    investment, fixed = plant_cash(facts, facts.plants[0], 2029)
    assert dict(investment) == pytest.approx({2026: 20.0, 2027: 20.0, 2028: 20.0, END: -30.0 * 0.8})
    assert fixed == ((2029, 3.0), (2030, 3.0))


def test_at_the_break_the_better_tier_holds() -> None:
    facts = read_facts(*small())
    offer = facts.offers["NS"]
    assert [tier_of(offer, q) for q in (49_999.0, 49_999.99999, 50_000.0, 1e9)] == [0, 1, 1, 1]


def test_a_stand_alone_plan_costs_what_the_hand_calculation_says() -> None:
    """Ann alone: 30,000 a year of S from Far: 90,000 x 1.03 + 3,000 landed, inventory 7 % on one week of safety."""
    study, catalogue, performance = small()
    plans = plan.solve(study, catalogue, performance, gap=1e-6)
    factor = 1.0 + 0.03 + 0.07 * 1.0 / 52.0
    unit = 90_000.0 * factor + 3_000.0
    discounts = [1.05 ** -(year + 0.5 - 2026) for year in range(2027, 2031)]
    purchase = 30_000.0 * unit / 1e6 * sum(discounts)
    development = (2_000.0 + 300.0 + 100.0 + 500.0 + 100.0 + 50.0) * 1.05**-0.5
    # the variant outlives nothing: families live 4 years, 2027 to 2030
    assert plans.value("Ann", "alone") == pytest.approx(purchase + development, rel=1e-12)


def test_shared_nre_is_paid_once_plus_k() -> None:
    study, catalogue, performance = small()
    plans = plan.solve(study, catalogue, performance, gap=1e-6)
    table = plans.by_key[("Ann+Bob", "powertrain")].tables["cost_breakdown"]
    paid = table.filter(pl.col("item") == "nre_family")["value"].sum()
    assert paid == pytest.approx(2_000.0 * 1.2 * 1.05**-0.5, rel=1e-12)


def test_repricing_at_the_studys_volumes_gives_the_plans_value() -> None:
    study, catalogue, performance = small()
    plans = plan.solve(study, catalogue, performance, gap=1e-6)
    for found in plans.by_key.values():
        again = plan.reprice(study, catalogue, found, study["volumes"])
        assert again.value == found.value
        assert again.tables["unit_costs"].equals(found.tables["unit_costs"])


def test_repricing_below_a_tier_raises_the_price_per_piece() -> None:
    study, catalogue, performance = small()
    found = plan.solve(study, catalogue, performance, gap=1e-6).by_key[("Ann+Bob", "powertrain")]
    fewer = study["volumes"].with_columns(pl.col("units") * 0.6)
    again = plan.reprice(study, catalogue, found, fewer)
    assert again.tables["awards"]["unit_price"].min() > found.tables["awards"]["unit_price"].max()
    assert again.status == "repriced"


def test_repricing_a_rung_that_was_not_evaluated_is_refused() -> None:
    study, catalogue, performance = small()
    found = plan.solve(study, catalogue, performance).by_key[("Ann", "alone")]
    empty = dataclasses.replace(found, decisions={}, status="not evaluated")
    with pytest.raises(StudyError, match="was not evaluated"):
        plan.reprice(study, catalogue, empty, study["volumes"])


def test_phantom_units_are_refused() -> None:
    study, catalogue, performance = small()
    found = plan.solve(study, catalogue, performance).by_key[("Ann", "alone")]
    decisions = found.decisions["decisions"]
    assert isinstance(decisions, Decisions)
    scope = Scope(read_facts(study, catalogue, performance), "Ann", "alone", ("Ann",))
    wrong = dataclasses.replace(decisions, awards={key: pieces + 1 for key, pieces in decisions.awards.items()})
    with pytest.raises(NoPlanError, match="the cars need 30000"):
        price(scope, wrong)


def test_unit_costs_times_units_are_the_undiscounted_bill() -> None:
    study, catalogue, performance = small(
        two_companies(rebates=[{"supplier": "Far", "spend_from": 1_000.0, "rebate": 0.05}])
    )
    found = plan.solve(study, catalogue, performance).by_key[("Ann+Bob", "components")]
    costs = found.tables["unit_costs"]
    total = (costs["units"] * costs["variable_cost"]).sum()
    awards = found.tables["awards"]
    assert total == pytest.approx((awards["quantity"] * awards["landed_unit_cost"]).sum(), rel=1e-12)
