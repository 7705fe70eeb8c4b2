"""The currency of a study changes no share, and what the market borrows or cannot bear is said."""

from __future__ import annotations

import warnings
from dataclasses import replace

import polars as pl
import pytest

import teikei
from teikei.errors import StudyError
from teikei.market import adoption, calibrate, predict, price_and_sell
from teikei.market.adoption import drift
from teikei.market.calibration import _second_choice
from teikei.market.demand import derive
from teikei.market.reference import ev_history, parameters
from teikei.market.scene import _required_range, scenes
from teikei.plan.types import Plan, Plans
from teikei.study.types import Study
from tests.docs.snippets import ROOT
from tests.market.small_japan import plans, study

RATE = 175.0  # JPY per EUR
DRAWS = 6
_MONEY = ("price", "price_change")
_MILLIONS = ("alliance_profit_change", "consumer_surplus_change")


def in_euro(one: Study) -> Study:
    """The study with everything the market reads in money divided by the rate."""
    money = ("target", "low", "high")
    is_money = pl.col("moment") == "range_value"
    currencies = pl.concat([one["currencies"].clear(), _currency_row(one, 1 / RATE)])
    return replace(
        one.with_tables(
            products=one["products"].with_columns(pl.col("price") / RATE),
            policy=one["policy"].with_columns(pl.col("subsidy", "purchase_tax") / RATE),
            moments=one["moments"].with_columns(
                pl.when(is_money).then(pl.col(name) / RATE).otherwise(pl.col(name)).alias(name) for name in money
            ),
            currencies=currencies,
        ),
        settings=one.settings.model_copy(update={"currency": "EUR"}),
    )


def _currency_row(one: Study, rate: float) -> pl.DataFrame:
    schema = one["currencies"].schema
    row = dict.fromkeys(schema) | {"currency": "JPY", "rate": rate, "to_price_year": 1.0}
    return pl.DataFrame([row], schema=schema)


def cheaper_together(one: Study, rate: float) -> Plans:
    """Every programme at 800,000 JPY where companies are alone, at 740,000 where all plan together."""
    by_key = {}
    joint = (one.coalition_name(set(one.companies)), one.rung_names[-1], 7.4e5)
    alone = [(one.coalition_name(members), one.rung_names[0], 8e5) for members in one.blocs.values()]
    for coalition, rung, cost in [*alone, joint]:
        rows = [
            (company, name, year, "pack", 1e4, cost / rate)
            for name, company in one["programmes"].select("programme", "company").iter_rows()
            for year in one.settings.years
        ]
        names = ["company", "programme", "year", "item", "units", "variable_cost"]
        table = pl.DataFrame(rows, schema=names, orient="row")
        by_key[coalition, rung] = Plan(coalition, rung, 1.0, 1.0, 0.0, "optimal", 0.0, {"unit_costs": table}, {})
    return Plans(by_key, pl.DataFrame(), pl.DataFrame(), ())


@pytest.fixture(scope="module")
def shipped() -> Study:
    return teikei.load(ROOT / "examples" / "nissan-honda")


@pytest.fixture(scope="module")
def both(shipped):
    """The shipped study in yen and in euro."""
    euro = in_euro(shipped)
    return (
        predict(shipped, cheaper_together(shipped, 1.0), draws=DRAWS),
        predict(euro, cheaper_together(euro, RATE), draws=DRAWS),
    )


def close(found: pl.Series, expected: pl.Series, factor: float = 1.0) -> None:
    tolerance = 1e-9 * max(float(expected.abs().max() or 0.0) / factor, 1e-9)
    assert found.to_numpy() == pytest.approx(expected.to_numpy() / factor, rel=1e-9, abs=tolerance, nan_ok=True)


def test_the_currency_of_a_study_changes_no_share(both):
    yen, euro = both
    for column in ("share", "lower", "upper", "units"):
        close(euro.outcome[column], yen.outcome[column])
    for column in ("ev_share", "ev_share_lower", "ev_share_upper", "ev_share_change", "pass_through"):
        close(euro.summary[column], yen.summary[column])
    for column in ("ev_share", "change", "change_lower"):
        close(euro.levers[column], yen.levers[column])


def test_money_in_every_table_is_in_the_currency_of_the_study(both):
    yen, euro = both
    assert yen.summary["alliance_profit_change"].max() > 1.0  # there is something to compare
    for column in _MONEY:
        close(euro.outcome[column], yen.outcome[column], RATE)
    for column in _MILLIONS:
        close(euro.summary[column], yen.summary[column], RATE)
    close(euro.walk["value"], yen.walk["value"], RATE)
    for column in ("subsidy_change", "price_change"):
        close(euro.policy_step[column], yen.policy_step[column], RATE)
    money = pl.col("moment") == "range_value"
    for column in ("target", "low", "high", "model", "lower", "upper"):
        close(euro.moments.filter(money)[column], yen.moments.filter(money)[column], RATE)
        close(euro.moments.filter(~money)[column], yen.moments.filter(~money)[column])


def test_a_study_in_other_money_says_at_which_rate_parameters_are_converted(both):
    yen, euro = both
    assert any("EUR per JPY" in message for message in euro.messages)
    assert not any("per JPY" in message for message in yen.messages)
    assert any("up by 1,714 EUR" in message for message in euro.messages)


def test_a_study_in_other_money_without_a_rate_for_yen_is_refused():
    small = study()
    euro = replace(small, settings=small.settings.model_copy(update={"currency": "EUR"}))
    bare = euro.with_tables(currencies=euro["currencies"].clear())
    with pytest.raises(StudyError, match="currencies: no rate for JPY, in which the market's parameters are stated"):
        calibrate(bare, draws=1)


def elsewhere(country: str) -> Study:
    """The small market as if it were another country's."""
    small = study()
    moved = {name: small[name].with_columns(pl.lit(country).alias("country")) for name in ("products", "policy")}
    moved["moments"] = small["moments"].with_columns(pl.lit(country).alias("country"))
    return replace(small.with_tables(**moved), settings=small.settings.model_copy(update={"home_market": country}))


def test_parameters_of_other_markets_are_named_in_the_messages():
    at_home, abroad, china = (calibrate(elsewhere(name), draws=1).messages for name in ("JP", "EU", "CN"))
    assert not any("no figure of" in message for message in at_home)
    (told,) = [message for message in abroad if "no figure of EU" in message]
    assert "charger growth (JP)" in told
    assert "word of mouth (JP and CN)" in told
    (told,) = [message for message in china if "no figure of CN" in message]
    assert "word of mouth" not in told


def test_every_parameter_that_speaks_of_a_country_in_its_source_is_marked_with_it():
    for name, one in parameters().items():
        if any(word in one.source for word in ("fast chargers of Japan", "assumed for Japan", "no Japanese series")):
            assert "JP" in one.markets, name


def test_a_country_without_history_has_the_widest_shocks_and_says_so(monkeypatch):
    known = [drift(region, 2025) for region in ev_history()["region"].unique()]
    unknown = drift("IN", 2025)
    assert not unknown.known
    assert all(one.known and one.shock < unknown.shock and one.spread < unknown.spread for one in known)
    everything = adoption.ev_history
    monkeypatch.setattr(adoption, "ev_history", lambda region: everything("nowhere" if region == "UK" else region))
    there = elsewhere("UK")
    _, messages = scenes(there, calibrate(there, draws=2))
    assert any("no history of plug-in sales of UK" in message for message in messages)
    assert not any("both from the history of UK" in message for message in messages)


def ranges(*rows: tuple[str, float]) -> Study:
    table = [
        {"programme": "P01", "requirement": "range", "procedure": procedure, "value": value, "unit": "km"}
        for procedure, value in rows
    ]
    return study(requirements=table)


def test_the_required_range_is_the_one_of_the_home_markets_procedure():
    every = ranges(("wltc_japan", 300.0), ("wltc_class3b", 250.0), ("epa_label", 200.0))
    assert [_required_range(every, "P01", country) for country in ("JP", "EU", "UK", "US")] == [300, 250, 250, 200]
    no_european = ranges(("wltc_japan", 300.0), ("epa_label", 200.0))
    assert _required_range(no_european, "P01", "EU") == 200
    assert _required_range(ranges(("midc", 400.0)), "P01", "EU") == 400
    assert _required_range(every, "P02", "EU") is None


def test_a_range_of_another_procedure_is_said():
    european = ranges(("wltc_class3b", 180.0))
    _, messages = scenes(european, calibrate(european, draws=1))
    assert "P01: no range under wltc_japan: wltc_class3b is used, 180 km" in messages
    home = ranges(("wltc_japan", 180.0))
    _, messages = scenes(home, calibrate(home, draws=1))
    assert not any("no range under" in message for message in messages)


def with_pack(product: str, kwh: float) -> Study:
    small = study()
    table = small["products"].with_columns(
        pl.when(pl.col("product") == product).then(kwh).otherwise(pl.col("battery_kwh")).alias("battery_kwh")
    )
    return small.with_tables(products=table)


def test_draws_whose_cost_does_not_bear_the_fall_of_pack_prices_are_left_out_and_said():
    # a pack that would hold most of the car's cost: the fall of a draw with dear packs exceeds what the car costs
    line, messages = scenes(heavy := with_pack("Leaf", 650.0), calibrate(heavy, draws=24))
    told = [message for message in messages if "draws left out: the cost of Leaf" in message]
    assert told
    left = int(told[0].split()[0])
    assert 0 < left <= 24
    for scene in line:
        assert (scene.demand.cost[1:] > 0).all()
        assert len(scene.demand.cost) == len(scene.scale) == len(scene.charging_elasticity)


def test_a_cost_held_above_nothing_is_never_silent():
    small = study()
    found = predict(small, plans(60_000.0), draws=2)
    assert not any("below nothing" in message for message in found.messages)
    base = price_and_sell(calibrate(small, draws=2))
    assert not base.held.any()
    absurd = predict(small, plans(5e6), draws=2)  # a saving of more than the car costs
    told = [message for message in absurd.messages if "below nothing" in message]
    assert any("battery: the cost of Sakura" in message and "do not quote" in message for message in told)


def test_second_choices_of_nobody_are_none_and_no_warning_reaches_the_user():
    found = calibrate(study(), draws=2)
    unwanted = replace(found.draws, mean=found.draws.mean - 1e4 * found.home.battery_electric)
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        share = _second_choice(unwanted, found.home, ("ice", "hybrid"))
    assert share.tolist() == [0.0, 0.0, 0.0]
    assert (_second_choice(found.draws, found.home, ("ice", "hybrid")) > 0.5).all()


def test_prices_of_a_study_in_euro_stay_near_what_is_paid_today_and_move_with_cost():
    kit = teikei.load(ROOT / "examples" / "kit-supply")
    rate = 1 / 0.0057  # JPY per EUR in its currencies table
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        found = predict(kit, cheaper_together(kit, rate), draws=16)
    today = dict(kit["products"].select("product", "price").iter_rows())
    base = found.outcome.filter(pl.col("rung") == "alone", pl.col("scenario") == "base")
    assert set(today) <= set(base["product"])
    for product, year, price in base.select("product", "year", "price").iter_rows():
        if product in today:
            assert 0.6 * today[product] < price < 1.4 * today[product], f"{product} costs {price:,.0f} in {year}"
    joint = found.outcome.filter(pl.col("rung") == kit.rung_names[-1], pl.col("scenario") == "base")
    own = joint.filter(pl.col("company").is_in(kit.companies), pl.col("powertrain") == "bev", pl.col("year") == 2030)
    saving = 60_000 / rate  # EUR a car; with VAT, about the whole of it is passed on
    assert own.height == 3
    for change in own["price_change"]:
        assert 0.6 * saving < -change < 1.4 * saving
    moments = found.moments.filter(pl.col("low").is_not_null(), pl.col("moment") != "pass_through")
    assert ((moments["model"] >= moments["low"]) & (moments["model"] <= moments["high"])).all()
    assert (found.moments["upper"] > found.moments["lower"]).sum() == found.moments.height - 1  # all but units: bands


def test_second_choices_start_from_the_units_that_are_sold(monkeypatch):
    """Removing electric cars must start from the market as it is: shares of every product as observed."""
    seen = []
    parts = _second_choice.__globals__
    monkeypatch.setitem(parts, "derive", lambda *a, **k: seen.append(derive(*a, **k)) or seen[-1])
    found = calibrate(study(), draws=2)
    seen.clear()
    _second_choice(found.draws, found.home, ("ice", "hybrid"))
    units = seen[0][0] * found.draws.buyers_total[:, None]
    for row in units:
        assert row == pytest.approx(found.home.units, rel=1e-9)
