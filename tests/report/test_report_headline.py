from __future__ import annotations

import io
import re

import polars as pl
import pytest
from rich.console import Console

from teikei.report import headline
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
