from __future__ import annotations

import io
import re
from dataclasses import replace

import polars as pl
import pytest
from rich.console import Console

from teikei.report import headline
from teikei.report.answer import Answer, interval_text, make_answer, told_levers
from teikei.report.context import make_context
from teikei.report.evidence import read_evidence
from tests.report.fake_tables import GRAND, RUNGS, meta, tables


def printed(stored: dict[str, pl.DataFrame], known: dict, width: int = 130) -> str:
    console = Console(width=width, file=io.StringIO(), color_system=None)
    console.print(headline(stored, known))
    return console.file.getvalue()


def cells(text: str, first: str, table: int = 0) -> list[str]:
    """Cells of the row that begins with ``first``; of the second row of that name with ``table`` 1."""
    rows = [re.split(r" {2,}", line.strip()) for line in text.splitlines()]
    return [row for row in rows if row[0] == first and len(row) > 1][table]


def test_numbers_of_the_rungs_are_the_stored_ones():
    text = printed(tables(), meta())
    costs = tables()["cost_by_rung"]
    alone = costs.filter(pl.col("rung") == "alone")["value"].sum()
    for rung in RUNGS:
        saving = alone - costs.filter((pl.col("coalition") == GRAND) & (pl.col("rung") == rung))["value"][0]
        row = cells(text, rung)
        assert row[1] == f"{saving / 1000:.1f}"
        assert row[3] == f"{saving / alone * 100:.1f} %".replace(" ", "\u00a0")
        shares = tables()["shares"].filter((pl.col("rung") == rung) & (pl.col("rule") == "shapley"))["value"].to_list()
        assert row[4:7] == [f"{share / 1000:.1f}" for share in shares]
        ev = tables()["market_summary"].filter(
            (pl.col("rung") == rung) & (pl.col("year") == 2030) & (pl.col("scenario") == "study")
        )["ev_share"][0]
        assert cells(text, rung, table=1)[1].startswith(f"{ev * 100:.1f}")


def test_nothing_is_cut_off_at_eighty_columns():
    text = printed(tables(), meta(), width=80)
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= 80
    for company in meta()["companies"]:
        assert company in next(line for line in text.splitlines() if line.strip().startswith("rung"))


def test_levers_add_up_to_the_saving_in_the_table():
    text = printed(tables(), meta())
    assert cells(text, "sum")[1:] == [cells(text, rung)[1] for rung in RUNGS]


def test_rungs_without_a_value_are_named_with_the_reason():
    assert "vehicle: Not evaluated: no vehicle is defined for joint development." in printed(tables(), meta())


@pytest.mark.parametrize("name", sorted(tables()))
def test_a_missing_table_never_stops_the_headline(name):
    stored = tables()
    del stored[name]
    assert meta()["title"] in printed(stored, meta())


def test_markup_of_the_terminal_in_names_is_printed_as_text():
    text = printed(tables(), {**meta(), "title": "[red]x[/red] [link=http://a]b[/link]", "label": "[/nothing]"})
    assert "[red]x[/red] [link=http://a]b[/link]" in text
    assert "[/nothing]" in text


def test_nothing_stored_is_said():
    assert "not evaluated because this run stored no table “cost_by_rung”" in " ".join(printed({}, {}).split())


def test_a_range_that_begins_at_the_value_is_said_as_at_most() -> None:
    context = make_context(tables(), meta())
    best = context.ladder.best
    assert best is not None
    assert best.saving is not None
    one_sided = replace(best, lower=best.saving, upper=best.saving * 1.3)
    assert interval_text(context, one_sided, 1).startswith("at most ")
    both = replace(best, lower=best.saving * 0.7, upper=best.saving * 1.3)
    assert " to " in interval_text(context, both, 1)


def test_choice_of_modules_is_one_figure_and_what_is_not_cash_is_no_lever_of_it() -> None:
    found = told_levers(
        {"development": 3.0, "access": 20.0, "overdesign": -14.0, "missed_target": 2.0, "lateness": 1.0}
    )
    assert found == {"development": 3.0, "choice_of_modules": 6.0}
    assert told_levers({"development": 3.0}) == {"development": 3.0}


def answered(stored: dict[str, pl.DataFrame]) -> Answer:
    context = make_context(stored, meta())
    return make_answer(context, read_evidence(context))


def test_nothing_is_said_to_come_from_nowhere() -> None:
    """No gains: "It comes from  bn JPY" was what this said."""
    stored = tables()
    table = stored["savings_by_lever"].with_columns(pl.lit(0.0).alias("value"))
    answer = answered({**stored, "savings_by_lever": table})
    assert answer.sentences[1] == (
        "No lever changes anything that is paid: together the companies plan what they plan alone."
    )
    losing = stored["savings_by_lever"].with_columns((-pl.col("value").abs()).alias("value"))
    answer = answered({**stored, "savings_by_lever": losing})
    assert answer.sentences[1].startswith("No lever saves money, and sharing costs ")


def test_cash_and_missed_targets_stand_apart_on_the_first_screen() -> None:
    stored = tables()
    levers = stored["savings_by_lever"]
    row = (
        levers.filter(pl.col("rung") == "battery")
        .head(1)
        .with_columns(
            pl.lit("missed_target").alias("lever"), pl.lit(1_500.0).alias("value"), pl.lit("order").alias("method")
        )
    )
    answer = answered({**stored, "savings_by_lever": pl.concat([levers, row])})
    assert "is cash" in answer.sentences[0]
    assert "miss fewer targets" in answer.sentences[0]
    assert answer.ladder is not None
    assert "of it cash" in [column.header for column in answer.ladder.columns]
