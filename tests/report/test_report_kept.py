"""Who keeps the saving, on the first screen and in the section of the market."""

from __future__ import annotations

import polars as pl
import pytest

from teikei.market.kept import KEPT_SCHEMA
from teikei.market.profit_game import GAME_SCHEMA
from teikei.report.context import make_context
from teikei.report.sections.kept import kept_blocks, kept_sentence
from tests.report.fake_tables import GRAND, meta, tables


def rung():
    return make_context(tables(), meta()).best_rung


def keeps(cost, passed, volume, fixed):
    rows = [
        (rung(), "Nissan", "JP", "market", cost, passed, volume, 0.0, cost + passed + volume),
        (rung(), "Nissan", "*", "plan", 0.0, 0.0, 0.0, fixed, fixed),
    ]
    return pl.DataFrame(rows, schema=KEPT_SCHEMA, orient="row")


def context(kept, **more):
    return make_context(tables() | {"kept": kept} | more, meta())


def test_the_sentence_joins_what_is_saved_to_what_is_kept():
    told = kept_sentence(context(keeps(20_000.0, -15_000.0, 1_000.0, 4_000.0)))
    assert "cost falls by 24.0 bn JPY" in told.replace("\u00a0", " ")
    assert "buyers get 15.0 in prices" in told
    assert "changed sales bring +1.0" in told
    assert "the companies keep 10.0 bn JPY" in told.replace("\u00a0", " ")


def test_a_saving_that_the_markets_volumes_turn_into_a_loss_is_said_as_one():
    told = kept_sentence(context(keeps(-20_000.0, 5_000.0, -1_000.0, 4_000.0))).replace("\u00a0", " ")
    assert "cost rises by 16.0 bn JPY: buyers pay 5.0" in told
    assert "the companies lose 12.0 bn JPY" in told


def test_a_run_without_a_market_says_nothing():
    stored = tables()
    stored.pop("kept", None)
    assert kept_sentence(make_context(stored, meta())) == ""


@pytest.mark.parametrize(
    ("value", "several", "word"),
    [(-1.0, False, "earn less together"), (5.0, True, "several equilibria"), (5.0, False, "")],
)
def test_the_game_of_profits_speaks_where_it_disagrees(value, several, word):
    row = (rung(), GRAND, value, value, 0.0, value, value, 1.0, several, "nonempty")
    game = pl.DataFrame([row], schema=GAME_SCHEMA, orient="row")
    told = kept_sentence(context(keeps(20_000.0, -15_000.0, 1_000.0, 4_000.0), profit_game=game)).lower()
    assert word in told
    assert word or told.endswith("bn jpy.") or told.replace("\u00a0", " ").endswith("bn jpy.")


def test_the_joined_table_adds_up():
    known = context(keeps(20_000.0, -15_000.0, 1_000.0, 4_000.0))
    assert known.ladder.best is not None
    cash = known.ladder.best.cash
    grid = kept_blocks(known)[0]
    values = [row[1].value for row in grid.rows]
    assert values[0] == pytest.approx(cash)
    assert sum(values[:-1]) == pytest.approx(values[-1])
    assert values[-1] == pytest.approx(10_000.0)
