"""Fleet rules of a study: pools by hand, today's and the alliance's, and a study without any."""

from __future__ import annotations

import polars as pl
import pytest

from teikei.market.fleet_rules import FLEET_SCHEMA, LACKING, fleet_table
from tests.market.small_japan import GRAND, study
from tests.market.test_kept import volumes

RULE = {
    "rule": "grams", "region": "EU", "from_year": 2027, "sense": "at_most", "target": 90.0, "unit": "g/km",
    "electric_value": 0.0, "penalty": 100.0, "pools": True,
}  # fmt: skip


def cars(maker, units, value, pool="", **more):
    return {"rule": "grams", "region": "EU", "maker": maker, "units": units, "value": value, "pool": pool, **more}


def small(rules, others, *rows, **settings):
    sold = rows or (("P01", "EU", 2027, 100.0), ("P01", "EU", 2028, 300.0), ("P03", "EU", 2028, 300.0))
    known = {"first_year": 2027, "last_year": 2028, "report_year": 2028, **settings}
    return study(settings=known, volumes=volumes(*sold), fleet_rules=rules, fleet_cars=others)


def at(table, pool, year=2028):
    return table.filter((pl.col("pool") == pool) & (pl.col("year") == year)).row(0, named=True)


def test_two_makers_one_over_its_target_and_what_their_pool_saves():
    table, said = fleet_table(small([RULE], [cars("Nissan", 900.0, 130.0), cars("Honda", 100.0, 120.0)]))
    # Nissan 2028: 900 cars of 130 g and 300 electric ones: 117,000 g over 1,200 cars: 97.5 g, 9,000 g short
    own = at(table.filter(pl.col("coalition") == "alone"), "Nissan")
    assert (own["cars"], own["value"], own["target"]) == (1200.0, 97.5, 90.0)
    assert own["shadow_price"] == 100.0
    assert own["cost"] == pytest.approx(100.0 * 9_000 / 1e6)
    assert own["one_more_electric"] == pytest.approx(100.0 * 90.0)
    # Honda 2028: 100 of 120 g, 300 electric: 24,000 g below; slack earns nothing by itself
    honda = at(table.filter(pl.col("coalition") == "alone"), "Honda")
    assert (honda["value"], honda["shadow_price"], honda["cost"], honda["one_more_electric"]) == (30.0, 0.0, 0.0, 0.0)
    joint = at(table.filter(pl.col("coalition") == GRAND), GRAND)
    assert joint["cost"] == 0.0
    assert any("saves 1 million" in text for text in said)


def test_a_pool_outside_is_the_one_the_alliance_is_compared_with():
    others = [
        cars("Nissan", 900.0, 130.0, "Nissan and Far"), cars("Far", 5_000.0, 10.0, "Nissan and Far"),
        cars("Honda", 10_000.0, 120.0),
    ]  # fmt: skip
    table, said = fleet_table(small([RULE], others))
    today = table.filter(pl.col("coalition") == "alone")
    assert at(today, "Nissan and Far")["cost"] == 0.0
    assert at(today, "Nissan and Far")["note"] == "Nissan, Far"
    joint = table.filter(pl.col("coalition") == GRAND)
    assert set(joint.filter(pl.col("year") == 2028)["pool"]) == {GRAND, "Nissan and Far"}
    # Honda 2028: 10,000 x 30 - 300 x 90 = 273,000 g short; with Nissan's 9,000 more
    assert at(today, "Honda")["cost"] == pytest.approx(27.3)
    assert at(joint, GRAND)["cost"] == pytest.approx(28.2)
    assert any("costs 1 million more against today's pools" in text for text in said)


def test_years_that_count_together_are_one_fleet():
    others = [cars("Nissan", 500.0, 117.0)]
    apart, _ = fleet_table(small([RULE], others, ("P01", "EU", 2027, 100.0), ("P01", "EU", 2028, 300.0)))
    # 2027: 500 x 27 - 100 x 90 = 4,500 short; 2028: 13,500 - 27,000 = 13,500 below: together 9,000 below
    assert [row["cost"] for row in apart.filter(pl.col("coalition") == "alone").sort("year").to_dicts()] == [0.45, 0.0]
    together = {**RULE, "together_from": 2025, "together_until": 2028}
    one, _ = fleet_table(small([together], others, ("P01", "EU", 2027, 100.0), ("P01", "EU", 2028, 300.0)))
    assert one["cost"].to_list() == [0.0] * one.height
    assert one["value"][0] == pytest.approx(117.0 * 500 / 600)
    assert "paid in 2028" in one["note"][0]


def test_a_share_that_is_traded_clears_at_its_ceiling_only_where_all_are_short():
    rule = {**RULE, "sense": "at_least", "target": 0.5, "electric_value": 1.0, "pools": False, "transfers": True}
    short = [cars("Nissan", 900.0, 0.0), cars("Others", 10_000.0, 0.4)]
    table, _ = fleet_table(small([rule], short))
    nissan = at(table, "Nissan")
    assert nissan["value"] == 0.25
    assert nissan["cost"] == pytest.approx(100.0 * (0.5 - 0.25) * 1200 / 1e6)
    assert nissan["one_more_electric"] == pytest.approx(50.0)
    assert at(table, "Honda")["cost"] == pytest.approx(-100.0 * 0.5 * 300 / 1e6)  # sells what it has to spare
    assert set(table["coalition"]) == {"alone"}  # no pools: none of the alliance
    ample, _ = fleet_table(small([rule], [cars("Nissan", 900.0, 0.0), cars("Others", 10_000.0, 0.9)]))
    assert at(ample, "Nissan")["shadow_price"] == 0.0
    assert at(ample, "Nissan")["cost"] == 0.0


def test_a_rule_without_a_price_of_missing_tells_the_distance_alone():
    table, said = fleet_table(small([{**RULE, "penalty": None}], [cars("Nissan", 900.0, 130.0)]))
    own = at(table, "Nissan")
    assert own["value"] == 97.5
    assert (own["shadow_price"], own["cost"], own["one_more_electric"]) == (None, None, None)
    assert any("no price of missing is known" in text for text in said)


def test_a_study_without_rules_says_so():
    table, said = fleet_table(study())
    assert table.schema == pl.Schema(FLEET_SCHEMA)
    assert said == [LACKING]
