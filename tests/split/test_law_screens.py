"""Screens: computed from the study's own figures, asked for where unknown, never a clearance."""

from __future__ import annotations

from importlib import resources
from typing import Any

import polars as pl
import pytest

from teikei.plan.types import Plans
from teikei.split.law import law_table, precedents, screens
from teikei.study.types import Study
from tests.split.made_plans import BLOC, GRAND, plan, plans, three_companies, usual_plans


def product(name: str, maker: str, units: float, **more: Any) -> dict[str, Any]:
    row = {"product": name, "country": "JP", "maker": maker, "segment": "registered", "powertrain": "bev"}
    return {**row, "year": 2025, "price": 4e6, "units": units, **more}


def study_of(**tables: Any) -> Study:
    return three_companies(
        **{
            "products": [
                product("A", "Nissan", 300.0),
                product("B", "Honda", 100.0, price=8e6),
                product("C", "BYD", 600.0),
                product("D", "Toyota", 9000.0, powertrain="hybrid"),
            ],
            "programmes": [
                {"programme": "P", "company": "Nissan", "segment": "B", "body_mass_kg": 900.0, "tyre_radius_m": 0.3}
                | {"car_value": 2e6}
            ],
            "volumes": [
                {"programme": "P", "generation": "G1", "company": "Nissan", "plant": "X", "region": "EU", "year": 2030}
                | {"units": 1000.0}
            ],
            "modules": [{"module": "E1", "class": "e-axle", "family": "F"}],
            "suppliers": [{"supplier": "S"}],
            "sites": [{"site": "Fuji", "supplier": "S", "country": "JP"}],
            "capacities": [
                {"site": "Fuji", "from_year": 2028, "capacity": 4000.0, "unit": "pieces"},
                {"site": "Fuji", "from_year": 2029, "capacity": 8000.0, "unit": "pieces"},
            ],
            "car_plants": [{"plant": "X", "country": "UK"}],
            **tables,
        }
    )


def plans_with_awards(site: str = "Fuji") -> Plans:
    awards = pl.DataFrame(
        {
            "supplier": ["S"],
            "site": [site],
            "item": ["E1"],
            "year": [2030],
            "quantity": [1000.0],
            "unit_price": [150_000.0],
            "programme": ["P"],
        }
    )
    return plans(
        plan(BLOC, "alone", 900.0),
        plan("Honda", "alone", 700.0),
        plan(GRAND, "components", 1550.0, tables={"awards": awards}),
        plan(GRAND, "powertrain", 1450.0, tables={"awards": awards}),
    )


def lamps(table: pl.DataFrame, **where: Any) -> list[dict[str, Any]]:
    return table.filter(*(pl.col(name) == value for name, value in where.items())).to_dicts()


def test_combined_selling_shares_come_from_the_products_by_cars_and_by_value() -> None:
    table = screens(study_of(), plans_with_awards())
    where = {"rung": "powertrain", "screen": "joint development: selling share", "region": "JP"}
    (by_cars,) = lamps(table, **where, subject="battery-electric cars, by number")
    assert by_cars["figure"] == pytest.approx(0.4)
    assert (by_cars["threshold"], by_cars["light"], by_cars["year"]) == (0.20, "red", 2025)
    (by_value,) = lamps(table, **where, subject="battery-electric cars, by value")
    assert by_value["figure"] == pytest.approx((1.2e9 + 0.8e9) / (1.2e9 + 0.8e9 + 2.4e9))
    (all_cars,) = lamps(table, **where, subject="new cars, by number")
    assert all_cars["figure"] == pytest.approx(0.04)
    assert all_cars["light"] is None


def test_a_share_that_nobody_gave_is_asked_for_not_guessed() -> None:
    table = screens(study_of(), plans_with_awards())
    selling = lamps(table, rung="components", screen="joint purchasing: selling share", region="EU")
    buying = lamps(table, rung="components", screen="joint purchasing: buying share", region="EU")
    for row in (*selling, *buying):
        assert row["figure"] is None
        assert row["light"] == "amber"
        assert row["question"].startswith("Find the companies' combined")
    assert buying[0]["subject"] == "e-axle"


def test_a_share_that_was_given_is_used_with_its_source() -> None:
    given = pl.DataFrame(
        [
            ("EU", 2024, "selling share", "new cars", 0.03, "ACEA 2025-01"),
            ("EU", 2024, "buying share", "e-axle", 0.13, "X"),
        ],
        schema=["region", "year", "measure", "subject", "share", "source"],
        orient="row",
    )
    table = screens(study_of(), plans_with_awards(), market_shares=given)
    (selling,) = lamps(table, rung="components", screen="joint purchasing: selling share", region="EU")
    assert (selling["figure"], selling["light"]) == (0.03, None)
    assert "ACEA 2025-01" in selling["source"]
    (buying,) = lamps(table, rung="components", screen="joint purchasing: buying share", region="EU")
    assert buying["light"] == "amber"  # above 80 % of the 15 % that starts an assessment


def test_the_common_share_of_cost_is_joint_spend_over_car_value_as_a_band() -> None:
    table = screens(study_of(), plans_with_awards())
    rows = lamps(table, rung="powertrain", screen="common cost: common share of vehicle cost")
    assert [row["subject"].split(":")[0] for row in rows] == ["P", "all cars"]
    for row in rows:
        assert row["figure"] == pytest.approx(1000 * 150_000 / (1000 * 2e6))
        assert (row["light"], row["band"], row["year"]) == ("amber", "5 to 10 %", 2030)


def test_an_unknown_car_value_is_asked_for() -> None:
    study = study_of()
    blank = study["programmes"].with_columns(car_value=pl.lit(None, dtype=pl.Float64))
    table = screens(study.with_tables(programmes=blank), plans_with_awards())
    (row,) = lamps(table, rung="powertrain", screen="common cost: common share of vehicle cost")
    assert row["figure"] is None
    assert "car values" in row["question"]


def test_one_unknown_car_value_is_asked_for_and_the_others_are_computed() -> None:
    study = study_of()
    other = study["programmes"].with_columns(programme=pl.lit("Q"), car_value=pl.lit(None, dtype=pl.Float64))
    cars = study["volumes"].with_columns(programme=pl.lit("Q"))
    more = study.with_tables(
        programmes=pl.concat([study["programmes"], other]), volumes=pl.concat([study["volumes"], cars])
    )
    rows = lamps(
        screens(more, plans_with_awards()), rung="powertrain", screen="common cost: common share of vehicle cost"
    )
    assert [(row["subject"].split(":")[0], row["figure"] is None) for row in rows] == [("Q", True), ("P", False)]
    assert "car value of Q" in rows[0]["question"]


def test_dependence_is_the_joint_award_over_the_capacity_of_that_year() -> None:
    table = screens(study_of(), plans_with_awards())
    (row,) = lamps(table, rung="powertrain", screen="supplier dependence: share of a supplier's capacity")
    assert row["figure"] == pytest.approx(1000 / 8000)
    assert (row["light"], row["subject"], row["region"]) == ("red", "S, Fuji", "JP")


def test_a_site_without_capacity_is_asked_for() -> None:
    table = screens(study_of(), plans_with_awards(site="Nowhere"))
    (row,) = lamps(table, rung="powertrain", screen="supplier dependence: share of a supplier's capacity")
    assert row["figure"] is None
    assert "capacity of Nowhere" in row["question"]


def test_flags_follow_from_what_the_rung_does() -> None:
    table = screens(study_of(), plans_with_awards())
    at = {rung: set(table.filter(pl.col("rung") == rung)["screen"]) for rung in ("components", "powertrain")}
    assert {"information exchange", "buyer cartel", "superior bargaining position", "export control"} <= at[
        "components"
    ]
    assert "exclusivity and duration" not in at["components"]
    assert "exclusivity and duration" in at["powertrain"]
    assert "merger filing" not in at["powertrain"]  # no jointly owned plant at this rung


def test_a_jointly_owned_plant_lights_merger_filing() -> None:
    study = study_of()
    joint = study["rungs"].with_columns(joint_plants=pl.col("rung") == "powertrain")
    table = screens(study.with_tables(rungs=joint), plans_with_awards())
    assert len(lamps(table, rung="powertrain", screen="merger filing")) == 1
    assert len(lamps(table, rung="components", screen="merger filing")) == 0


def test_lamps_are_amber_red_or_unlit_and_nothing_says_legal() -> None:
    table = screens(study_of(), plans_with_awards())
    assert set(table["light"].drop_nulls()) <= {"amber", "red"}
    folder = resources.files("teikei").joinpath("data", "law")
    texts = [
        folder.joinpath(f"{name}.csv").read_text("utf-8").lower() for name in ("thresholds", "precedents", "flags")
    ]
    words = " ".join([*texts, *(str(row).lower() for row in table.to_dicts())])
    for forbidden in ("is legal", "lawful", "permitted", "compliant", "green", "safe harbour"):
        assert forbidden not in words


def test_every_lit_lamp_has_a_question_and_every_threshold_a_source_and_confidence() -> None:
    table = screens(study_of(), plans_with_awards())
    assert table.filter(pl.col("light").is_not_null())["question"].null_count() == 0
    for row in (*law_table("thresholds"), *law_table("precedents"), *law_table("flags")):
        assert row["source"]
        assert row["confidence"] in {"reported", "derived", "assumption"}
    assert "alone" not in set(table["rung"])


def test_sales_regions_without_a_threshold_on_file_are_said_and_britain_has_its_own() -> None:
    volumes = [
        {"programme": "N", "generation": "G1", "company": "Nissan", "plant": "X", "region": region, "year": 2030}
        | {"units": 1_000.0}
        for region in ("UK", "IN")
    ]
    table = screens(three_companies(volumes=volumes), usual_plans()).filter(pl.col("rung") == "powertrain")
    india = table.filter(pl.col("region") == "IN")
    assert india["screen"].to_list() == ["no threshold on file"]
    assert "Ask counsel" in india["question"][0]
    britain = table.filter(pl.col("region") == "UK")
    assert set(britain["screen"]) >= {"joint purchasing: selling share", "joint purchasing: buying share"}
    assert britain["figure"].null_count() == britain.height


def test_the_precedents_beside_the_bands_are_numbers_with_their_source() -> None:
    table = precedents()
    assert table["common_cost"].drop_nulls().is_between(0, 1).all()
    assert (table["source"].str.len_chars() > 0).all()
