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


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("max_share;*;0.5", "unknown rule 'max_share'; did you mean 'max_share_per_item'"),
        ("local_supply;class:packs;1", "the scope names nothing: no class 'packs'; did you mean 'pack'"),
        ("local_supply;clas:pack;1", "the scope 'clas:pack' is not"),
        ("max_share_per_item;*;50", "the value is 50, a share from 0 to 1 is expected"),
        ("min_suppliers_per_class;*;two", "the value 'two' is not a number"),
        ("exclude_supplier;supplier:Haitong;Alder", "no company 'Alder'"),
    ],
)
def test_a_rule_that_is_unknown_or_names_nothing_is_refused_before_any_work(
    tmp_path: Path, rule: str, expected: str
) -> None:
    with pytest.raises(StudyError) as caught:
        price_study(teikei.load(STUDY), tmp_path, also=[rule])
    assert expected in str(caught.value)
