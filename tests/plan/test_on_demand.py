"""``teikei prices`` on the small shipped study."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

import teikei
from teikei.errors import StudyError
from teikei.plan.on_demand import price_study

STUDY = Path(__file__).parents[2] / "examples" / "kit-supply"


@pytest.mark.slow
def test_prices_of_the_second_study_are_written_and_lie_within_their_bounds(tmp_path: Path) -> None:
    tables = price_study(
        teikei.load(STUDY), tmp_path, rung="alone", programmes=["A1"], also=["local_supply;class:pack;1"]
    )
    rules = tables["rule_prices"]
    assert rules["in_force"].to_list() == [True, True, False]
    assert rules["rule"][2] == "local_supply (class:pack: 1)"
    assert (rules["lower"] <= rules["price"] + 1e-9).all()
    assert (rules["price"] <= rules["upper"] + 1e-6).all()
    written = pl.read_csv(tmp_path / "requirement_prices.csv")
    assert set(written["programme"]) <= {"A1"}


def test_an_unknown_programme_and_a_rule_that_cannot_be_read_are_refused_before_any_work(tmp_path: Path) -> None:
    study = teikei.load(STUDY)
    with pytest.raises(StudyError, match="no programme Z9 in this study"):
        price_study(study, tmp_path, programmes=["Z9"])
    with pytest.raises(StudyError, match="write rule;scope;value"):
        price_study(study, tmp_path, also=["local_supply"])
