"""The baseline rung of a study and of a stored run, whatever it is called."""

from __future__ import annotations

import polars as pl
import pytest

from teikei.study.rungs import stored_baseline_rung
from tests.factory import make_study

ROWS = [
    {"rung": "alone", "position": 1, "class": "pack"},
    {"rung": "単独", "position": 0, "class": "pack"},
    {"rung": "alone", "position": 1, "class": "e-axle"},
    {"rung": "単独", "position": 0, "class": "e-axle"},
]
COSTS = pl.DataFrame(
    [("A+B", "joint", 9.0), ("A+B", "solo", 11.0), ("A", "solo", 6.0), ("B", "solo", 5.0)],
    schema=["coalition", "rung", "value"],
    orient="row",
)


def test_the_baseline_is_the_rung_at_the_lowest_position_not_the_first_row_nor_a_word() -> None:
    study = make_study(rungs=ROWS)
    assert study.rung_names == ("単独", "alone")
    assert study.baseline_rung == "単独"


@pytest.mark.parametrize(
    ("tables", "meta"),
    [
        ({"rungs": pl.DataFrame({"rung": ["joint", "solo"], "position": [1, 0]})}, {"rungs": ["joint", "solo"]}),
        ({"cost_by_rung": COSTS}, {"rungs": ["solo", "joint"]}),
        ({"cost_by_rung": COSTS}, {}),
    ],
)
def test_a_stored_run_says_its_baseline(tables: dict[str, pl.DataFrame], meta: dict[str, object]) -> None:
    assert stored_baseline_rung(tables, meta) == "solo"
