"""The joint study holds its members alone, and what is left of a frame without the others is still a study."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from teikei.errors import StudyError
from teikei.room import ReleaseList, assemble
from teikei.room.joint_study import level, members_only, on_cells, row_owners, years_on_sale
from teikei.study import Study, check, load, write_folder

EXAMPLES = Path(__file__).parents[2] / "examples"


def listed(study: Study, members: dict[str, list[str]], **changes: object) -> ReleaseList:
    """A list that takes half to one and a half of the study's own levels as public, in two cells."""
    scenario = study.settings.volume_scenario
    levels = {
        name: level(study["volumes"], name, scenario, years_on_sale(study["volumes"], name, scenario))
        for name in study["programmes"]["programme"].to_list()
    }
    return ReleaseList.model_validate(
        {
            "rung": study.rung_names[-1],
            "members": members,
            "items": [{"kind": "saving_band", "edges": [0, 200]}],
            "smallest_interval_million": 100,
            "smallest_interval_units": min(cars for cars in levels.values() if cars) / 2.0,
            "known_volumes": {name: [0.5 * cars, 1.5 * cars] for name, cars in levels.items() if cars},
            "known_saving": [-200, 600],
            **changes,
        }
    )


@pytest.mark.parametrize(
    "outside", ["Corvo", *(pytest.param(one, marks=pytest.mark.slow) for one in ("Aldermoor", "Brevik"))]
)
def test_a_third_company_of_the_frame_is_in_no_row_of_the_joint_study(tmp_path: Path, outside: str) -> None:
    study = load(EXAMPLES / "kit-supply")
    rest = [name for name in study.companies if name != outside]
    release_list = listed(study, {name.casefold(): [name] for name in rest})
    inputs = {name.casefold(): EXAMPLES / "kit-supply" for name in rest}
    target = assemble(EXAMPLES / "kit-supply", inputs, release_list, tmp_path / "joint")
    assert [problem for problem in check(target) if not problem.warning] == []
    joint = load(target)
    assert list(joint.companies) == rest
    gone = set(study["programmes"].filter(pl.col("company") == outside)["programme"].to_list())
    for name, table in joint.tables.items():
        if name in ("products", "sources"):
            continue
        for column in set(table.columns) - {"title", "note"}:
            words = {
                word
                for cell in table[column].cast(pl.String, strict=False).to_list() if cell
                for word in str(cell).replace("+", ";").replace("/", ";").split(";")
            } if table.schema[column] == pl.String else {
                word for cell in table[column].to_list() if isinstance(cell, list) for word in cell
            }  # fmt: skip
            assert not words & (gone | {outside}), (name, column)
    assert joint["products"].height == study["products"].height  # its cars stay, as a rival's
    assert not set(joint["products"]["programme"].drop_nulls().to_list()) & gone


@pytest.mark.slow
@pytest.mark.parametrize("outside", ["Mitsubishi", "Honda"])
def test_the_shipped_study_without_one_of_its_companies_is_a_study(tmp_path: Path, outside: str) -> None:
    study = load(EXAMPLES / "nissan-honda")
    left = members_only(study, set(study.companies) - {outside})
    found = check(write_folder(left, tmp_path / "left"))
    assert [problem for problem in found if not problem.warning] == []


def test_a_programme_of_which_nothing_is_declared_does_not_enter() -> None:
    study = load(EXAMPLES / "kit-supply")
    release_list = listed(study, {name.casefold(): [name] for name in study.companies}, known_volumes={"A1": [1, 9]})
    with pytest.raises(StudyError, match="B1"):
        on_cells(study, study, release_list, "brevik")


def test_the_course_over_the_years_is_the_frames_or_the_owners() -> None:
    study = load(EXAMPLES / "kit-supply")
    early = study.with_tables(
        volumes=study["volumes"].with_columns(
            pl.when(pl.col("year") == 2027).then(pl.col("units") * 2.0).otherwise(pl.col("units")).alias("units")
        )
    )
    members = {name.casefold(): [name] for name in study.companies}
    ratios = {}
    for shape in ("frame", "own"):
        put = on_cells(early, study, listed(study, members, volume_shape=shape), "aldermoor")["volumes"]
        own = put.filter((pl.col("programme") == "A1") & (pl.col("scenario") == "base"))
        by_year = dict(own.group_by("year").agg(pl.col("units").sum()).iter_rows())
        ratios[shape] = by_year[2027] / by_year[2028]
    base = study["volumes"].filter((pl.col("programme") == "A1") & (pl.col("scenario") == "base"))
    public = dict(base.group_by("year").agg(pl.col("units").sum()).iter_rows())
    assert ratios["frame"] == pytest.approx(public[2027] / public[2028])
    assert ratios["own"] == pytest.approx(2.0 * public[2027] / public[2028])


def test_every_table_that_names_a_company_or_a_car_is_owned_row_by_row() -> None:
    """A new input table is its company's without anybody having to think of it here."""
    study = load(EXAMPLES / "nissan-honda")
    member_of = {name: name.casefold() for name in study.companies}
    for table in study.tables:
        named = {"company", "programme"} & set(study[table].columns)
        if table == "products" or not named or study[table].is_empty():
            continue
        owners = row_owners(study, table, member_of)
        if table == "car_plants":  # the plant of nobody in the study is the frame's
            owners = [one for one, company in zip(owners, study[table]["company"].to_list(), strict=True) if company]
        assert all(owners), table


def test_transport_from_a_plant_is_its_owners() -> None:
    study = load(EXAMPLES / "kit-supply")
    plants = study["car_plants"].with_columns(pl.lit(study.companies[0]).alias("company"))
    known = {
        name: [value]
        for name, value in zip(("plant", "region", "cost"), (plants["plant"][0], "EU", 100.0), strict=True)
    }
    costs = pl.concat([study["logistics"].clear(), pl.DataFrame(known)], how="diagonal_relaxed")
    changed = study.with_tables(car_plants=plants, logistics=costs)
    assert row_owners(changed, "logistics", {study.companies[0]: "first"}) == ["first"]


def test_a_captive_suppliers_row_is_its_owners() -> None:
    study = load(EXAMPLES / "nissan-honda")
    member_of = {"Nissan": "one", "Mitsubishi": "one", "Honda": "two"}
    assert study["captive"]["owner"].to_list() == ["Nissan", "Honda"]
    assert row_owners(study, "captive", member_of) == ["one", "two"]
