"""Scenarios change what they name, in the order of their steps, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from teikei.errors import StudyError
from teikei.study import Study, apply_scenario, load
from tests.study.small import small_tables, write_small


@pytest.fixture
def study(tmp_path: Path) -> Study:
    return load(write_small(tmp_path / "study"))


def with_steps(tmp_path: Path, *steps: str) -> Path:
    tables = small_tables()
    tables["scenarios"] = [
        tables["scenarios"][0],
        *[f"s,{number},,{step}".split(",") for number, step in enumerate(steps, 1)],
    ]
    return write_small(tmp_path / "study", tables)


def test_multiply_changes_only_the_rows_that_meet_the_condition(study: Study) -> None:
    weak = apply_scenario(study, "weak_yen")
    assert weak["currencies"]["rate"].to_list() == [1.0, 21.5 * 1.1]
    assert weak.settings.discount_rate == 0.07
    assert weak.scenario == "weak_yen"
    assert study["currencies"]["rate"].to_list() == [1.0, 21.5]
    assert all(weak[name].equals(study[name]) for name in study.tables if name != "currencies")


def test_load_with_a_scenario_equals_load_then_apply(tmp_path: Path) -> None:
    folder = write_small(tmp_path / "study")
    direct, applied = load(folder, scenario="kei_only"), apply_scenario(load(folder), "kei_only")
    assert direct["programmes"]["in_scope"].to_list() == [True, False]
    assert direct["programmes"].equals(applied["programmes"])
    assert direct["programmes"].schema == load(folder)["programmes"].schema


def test_steps_are_made_in_the_order_of_step_not_of_rows(tmp_path: Path) -> None:
    tables = small_tables()
    tables["scenarios"] = [
        tables["scenarios"][0],
        ["s", "2", "", "families", "family=EA_S", "nre", "add", "100"],
        ["s", "1", "", "families", "family=EA_S", "nre", "multiply", "2"],
    ]
    study = load(write_small(tmp_path / "study", tables), scenario="s")
    assert study["families"]["nre"].to_list() == [8100.0, 6000.0, 3000.0, 800.0]


def test_a_condition_may_have_several_parts_of_any_type(tmp_path: Path) -> None:
    folder = with_steps(
        tmp_path,
        "volumes,programme=P1; year=2028,units,set,0",
        "rungs,class=pack;development_shared=no,procurement,set,none",
    )
    study = load(folder, scenario="s")
    assert study["volumes"]["units"].to_list() == [30000, 0, 31000, 20000, 25000, 25000]
    assert study["rungs"]["procurement"].to_list() == ["none", "none", "none", "technical", "none", "technical"]


def test_no_condition_means_every_row_and_lists_are_set_whole(tmp_path: Path) -> None:
    study = load(with_steps(tmp_path, "sites,,sourceable_by,set,Aoba;Midori", "products,,range_km,add,5"), scenario="s")
    assert study["sites"]["sourceable_by"].to_list() == [["Aoba", "Midori"]] * 2
    assert study["products"]["range_km"].to_list() == [185, None, None]
    assert study["products"].schema == load(tmp_path / "study")["products"].schema


def test_an_unknown_scenario_is_refused_with_the_closest_name(study: Study) -> None:
    with pytest.raises(StudyError, match='no scenario "weak_jen"; did you mean "weak_yen"'):
        apply_scenario(study, "weak_jen")


def test_a_study_without_scenarios_says_so(tmp_path: Path) -> None:
    folder = write_small(tmp_path / "study")
    (folder / "scenarios.csv").unlink()
    with pytest.raises(StudyError, match="the study has no scenario"):
        load(folder, scenario="base")


def test_a_change_that_breaks_another_rule_of_the_settings_is_refused_at_its_row(tmp_path: Path) -> None:
    with pytest.raises(StudyError) as caught:
        load(with_steps(tmp_path, "study,,first_year,set,2035"), scenario="s")
    assert [problem.place for problem in caught.value.problems] == ["scenarios.csv:2:value"]
    assert "is after last_year 2029" in str(caught.value)


def test_settings_can_be_multiplied(tmp_path: Path) -> None:
    assert load(with_steps(tmp_path, "study,,discount_rate,multiply,0.5"), scenario="s").settings.discount_rate == 0.03
