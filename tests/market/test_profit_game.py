"""The game of profits: its values are what the markets leave, its split follows the same rules."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from teikei.market import predict
from teikei.market.fit import calibrate
from teikei.market.profit_game import PROFIT_SHARES
from teikei.market.respond import price_and_sell
from teikei.market.scene import scenes
from teikei.plan.types import Plans
from tests.market.small_japan import GRAND, plan, study
from tests.market.test_kept import SMALL, planned, volumes


@pytest.fixture(scope="module")
def outcome():
    return predict(SMALL, planned(200_000.0, 3_000.0, 1_000.0), draws=2, paths=1)


def test_all_together_earn_what_the_table_of_the_kept_adds_up_to(outcome):
    game, kept = outcome.more["profit_game"], outcome.more["kept"]
    assert set(game["rung"]) == {"powertrain", "battery"}
    for rung in ("powertrain", "battery"):
        rows = game.filter(pl.col("rung") == rung)
        assert rows["coalition"].to_list() == ["Nissan+Mitsubishi", "Honda", GRAND]
        whole = rows.row(2, named=True)
        assert whole["value"] == pytest.approx(float(kept.filter(pl.col("rung") == rung)["kept"].sum()), rel=1e-9)
        assert whole["value"] == pytest.approx(whole["variable_profit"] + whole["fixed"])
        assert whole["fixed"] == pytest.approx(2_000.0)
        assert rows["value"].to_list()[:2] == [0.0, 0.0]  # alone is alone
        assert not whole["several"]
        assert whole["lower"] == pytest.approx(whole["upper"], rel=1e-9)
        assert whole["core"] == "nonempty"


def test_profit_is_split_by_the_rules_that_split_cost(outcome):
    shares = outcome.more[PROFIT_SHARES]
    assert set(shares["kind"]) == {"profit"}
    whole = outcome.more["profit_game"].filter(pl.col("coalition") == GRAND)
    for rung, value in whole.select("rung", "value").iter_rows():
        rows = shares.filter((pl.col("rung") == rung) & (pl.col("rule") == "shapley"))
        assert float(rows["value"].sum()) == pytest.approx(value)
        honda = float(rows.filter(pl.col("company") == "Honda")["value"].sum())
        assert honda == pytest.approx(value / 2)  # two players: halves


def test_dearer_cars_earn_less_although_nothing_is_saved_or_lost_in_fixed_cost():
    found = predict(SMALL, planned(-200_000.0, 1_000.0, 1_000.0), draws=2, paths=1).more["profit_game"]
    whole = found.filter(pl.col("coalition") == GRAND)
    assert (whole["variable_profit"] < 0).all()
    assert whole["fixed"].to_list() == pytest.approx([0.0, 0.0], abs=1e-9)


def three(pair: float, every: float) -> Plans:
    """Three companies apart: alone at 800,000 a car, in pairs ``pair`` less, all together ``every`` less."""
    own = {"Nissan": ("P01", "P09"), "Honda": ("P03",), "Mitsubishi": ("P02",)}
    found = {(name, "alone"): plan(name, "alone", 8e5, cars) for name, cars in own.items()}
    for pairs in (("Nissan", "Honda"), ("Nissan", "Mitsubishi"), ("Honda", "Mitsubishi")):
        name = "+".join(pairs)
        found[name, "battery"] = plan(name, "battery", 8e5 - pair, tuple(car for one in pairs for car in own[one]))
    found[GRAND, "battery"] = plan(GRAND, "battery", 8e5 - every)
    return Plans(found, pl.DataFrame(), pl.DataFrame(), ())


APART = study(
    settings={"first_year": 2027, "last_year": 2028, "report_year": 2028},
    companies=[{"company": name} for name in ("Nissan", "Honda", "Mitsubishi")],
    volumes=volumes(("P01", "JP", 2028, 60_000.0), ("P03", "JP", 2028, 4_000.0)),
)


def test_a_group_earns_what_its_members_earn_in_the_market_while_the_others_cost_what_they_cost():
    found = predict(APART, three(100_000.0, 100_000.0), draws=1, paths=1).more["profit_game"]
    value = dict(found.select("coalition", "value").iter_rows())
    assert value["Nissan"] == value["Honda"] == value["Mitsubishi"] == 0.0
    line, _ = scenes(APART, calibrate(APART, draws=1))
    for group in ("Nissan+Honda", "Nissan+Mitsubishi", "Honda+Mitsubishi", GRAND):
        members = group.split("+")
        earned = 0.0
        for scene in line:
            if scene.year < 2027:
                continue
            cheaper = {
                name: -100_000.0 for name, maker in zip(scene.home.programme, scene.home.maker, strict=True)
                if name and maker in members
            }  # fmt: skip
            own = np.isin(scene.home.maker, members)
            before, after = (price_and_sell(scene, change).profit[0, own].sum() for change in ({}, cheaper))
            earned += (after - before) * APART.settings.discount_factor(scene.year)
        assert value[group] == pytest.approx(earned, rel=1e-6)
        assert earned > 0
    # Mitsubishi's cheaper car takes more from Nissan and Honda than it earns: what is saved is not what is kept
    assert value[GRAND] < value["Nissan+Honda"]


def test_where_a_pair_saves_more_than_all_the_core_of_the_profit_is_empty():
    found = predict(APART, three(200_000.0, 20_000.0), draws=1, paths=1).more["profit_game"]
    assert found.filter(pl.col("coalition") == GRAND)["core"].to_list() == ["empty"]


def test_a_missing_group_is_said_and_costs_nothing_else():
    plans = three(1.0, 1.0)
    fewer = replace(plans, by_key={key: one for key, one in plans.by_key.items() if key[0] != "Nissan+Honda"})
    outcome = predict(APART, fewer, draws=1, paths=1)
    assert outcome.more["profit_game"].is_empty()
    assert outcome.more["kept"].height
    assert any("no game of profits" in text and "Nissan+Honda" in text for text in outcome.messages)
