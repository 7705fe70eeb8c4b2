"""A signed specification becomes an input of the plan: its ratings, and which other designs stay candidates."""

from __future__ import annotations

import re
from pathlib import Path

import polars as pl
import pytest

from teikei.errors import StudyError
from teikei.room.signed import Signed, apply, ratings
from teikei.room.specification import FIELDS
from teikei.study import Study, check, load, write_folder
from teikei.web.solve import options_of
from tests.room.test_door import make_list
from tests.web.people import Town, make_town
from tests.web.test_design import RATINGS, complete
from tests.web.test_joint import LIST, files_of, start_joint, to_release
from tests.web.test_workspace import STAND_IN

EXAMPLE = Path(__file__).parents[2] / "examples" / "kit-supply"


def signed(module: str, kind: str = "e-axle", **fields: str) -> Signed:
    return Signed("d", 1, kind, {"module": module, "alternatives": "stay", **fields})


@pytest.fixture(scope="module")
def study() -> Study:
    return load(EXAMPLE)


def test_every_input_of_a_document_is_a_public_column_of_the_modules() -> None:
    from teikei.tables.columns import all_columns

    columns = all_columns()["modules"]
    inputs = {field.input for fields in FIELDS.values() for field in fields if field.input}
    assert len(inputs) >= 20
    assert inputs <= set(columns)
    private = {name for name in inputs if columns[name].visibility == "private"}
    assert private == {"mass_kg"}, private  # agreed and signed by all: it may stand in the common document


def test_signed_ratings_take_the_place_of_the_modules_row_and_of_nothing_else(study: Study, tmp_path: Path) -> None:
    changed = apply(study, [signed("ED100", peak_power_kw="120", motor_type="eesm")])
    row = changed["modules"].filter(pl.col("module") == "ED100").row(0, named=True)
    assert (row["peak_power_kw"], row["motor_type"]) == (120.0, "eesm")
    others = pl.col("module") != "ED100"
    assert changed["modules"].filter(others).equals(study["modules"].filter(others))
    for name, table in study.tables.items():
        assert name == "modules" or changed[name].equals(table), name
    write_folder(changed, tmp_path / "study")
    assert [problem for problem in check(tmp_path / "study") if not problem.warning] == []


def test_a_pack_of_whole_cells_stays_of_whole_cells() -> None:
    document = signed("PB51", "pack", series_cells="96", parallel_cells="1", usable_energy_kwh="48.5")
    assert ratings(document) == {"series_cells": 96, "parallel_cells": 1, "usable_energy_kwh": 48.5}


def test_left_out_designs_go_with_their_offers_and_what_is_in_force_stays(study: Study, tmp_path: Path) -> None:
    changed = apply(study, [signed("ED150", alternatives="left out")])
    assert changed["modules"].filter(pl.col("class") == "e-axle")["module"].to_list() == ["ED100", "ED150"]
    assert "M70" in study["offers"]["offer"].to_list()
    assert "M70" not in changed["offers"]["offer"].to_list()
    assert "M70" not in changed["tiers"]["offer"].to_list()
    write_folder(changed, tmp_path / "study")
    assert [problem for problem in check(tmp_path / "study") if not problem.warning] == []


def test_documents_that_do_not_fit_the_study_are_refused_in_words(study: Study) -> None:
    with pytest.raises(StudyError, match="does not have"):
        apply(study, [signed("PB51")])  # a pack is no e-axle
    with pytest.raises(StudyError, match="two signed"):
        apply(study, [signed("ED100"), signed("ED100")])


@pytest.mark.slow
def test_a_signed_specification_changes_the_plan(study: Study) -> None:
    """With ED70 left out Corvo's city car gets another axle, and the alliance pays more, never less."""
    from teikei import modules, plan, simulate

    found = {}
    for name, one in {"open": study, "signed": apply(study, [signed("ED150", alternatives="left out")])}.items():
        catalogue = modules.catalogue(one)
        performance = simulate.performance(one, catalogue)
        grand = one.coalition_name(set(one.companies))
        plans = plan.solve(one, catalogue, performance, rungs=["powertrain"], coalitions=[grand])
        found[name] = plans.by_key[grand, "powertrain"]
    axles = {
        name: set(one.tables["configurations"].filter(pl.col("class") == "e-axle")["module"].to_list())
        for name, one in found.items()
    }
    assert "ED70" in axles["open"]
    assert "ED70" not in axles["signed"]
    assert found["signed"].value > found["open"].value + 1.0


@pytest.mark.slow
def test_a_signed_rating_decides_which_cars_can_take_a_module(study: Study) -> None:
    from teikei import modules, simulate

    def feasible(one: Study, module: str) -> int:
        catalogue = modules.catalogue(one)
        good = simulate.performance(one, catalogue).candidates.filter("feasible").select("slot", "candidate")
        return catalogue.candidates.join(good, on=["slot", "candidate"]).filter(pl.col("module") == module).height

    weaker = {"peak_power_kw": "45", "peak_torque_nm": "100", "continuous_power_kw": "25"}
    assert feasible(apply(study, [signed("ED100", **weaker)]), "ED100") < feasible(study, "ED100")


def test_the_run_computes_what_the_list_asks_for() -> None:
    asked = options_of(make_list(), "Aoba+Midori")
    assert "schedule_seconds" not in asked  # a proof stopped by its time is not reproducible
    assert asked["requirement_prices"] == {"coalition": "Aoba+Midori", "rung": "powertrain"}
    assert options_of(LIST, "Aoba+Midori") == {}


@pytest.fixture
def town(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Town:
    monkeypatch.setenv("STAND_IN", "joint")
    monkeypatch.setenv("PYTHONPATH", f"{Path(__file__).parents[2]}:{Path(__file__).parents[2] / 'src'}")
    return make_town(tmp_path / "data", command=STAND_IN)


def test_a_specification_signed_after_the_release_goes_into_a_counted_run_for_all(town: Town, tmp_path: Path) -> None:
    files = files_of(tmp_path / "small")
    base = start_joint(town, files)
    to_release(town, base, {"aoba": files, "midori": files})
    aoba, midori, operator = town["planner@aoba"], town["planner@midori"], town["operator@room"]
    ask = {"version": "signed", "purpose": "the agreed axle"}
    assert "no specification is signed" in aoba.send_form(f"{base}/what-if", ask).text
    document = aoba.send_form(f"{base}/design", {"title": "Axle", "kind": "e-axle"}).headers["location"]
    values = complete(module="E1", **RATINGS)
    assert aoba.send_form(f"{document}/propose", {"base": "0", **values}).status_code == 303
    for person in (aoba, midori):
        assert person.send_form(f"{document}/sign", {"version": "1"}).status_code == 303
    assert aoba.send_form(f"{base}/what-if", ask).status_code == 303
    what_if = re.search(r"what-if/(\w+)/approve", midori.get(base).text)
    assert what_if is not None
    for person in (operator, midori):
        assert person.send_form(f"{base}/what-if/{what_if[1]}/approve").status_code == 303
    jobs = town.app.state.server.jobs
    jobs.drain()
    made = list(jobs.folder("room", "x").parent.parent.glob("joint/*/solve/1/study/modules.csv"))
    assert re.search(r"^E1,.*\b170\b", made[0].read_text("utf-8"), re.M)
    assert operator.send_form(f"{base}/what-if/{what_if[1]}/release").status_code == 303
    assert "What-if run 1" in aoba.get(base).text
    assert "What-if run 1" in midori.get(base).text
    log = operator.get("/log/export").text
    assert "approved a what-if run" in log


def test_what_cannot_be_a_module_is_refused_at_signing_in_the_checkers_words(town: Town, tmp_path: Path) -> None:
    base = start_joint(town, files_of(tmp_path / "small"))
    aoba = town["planner@aoba"]
    document = aoba.send_form(f"{base}/design", {"title": "Axle", "kind": "e-axle"}).headers["location"]
    values = complete(module="E1", **{**RATINGS, "gear_ratio": "900"})
    assert aoba.send_form(f"{document}/propose", {"base": "0", **values}).status_code == 303
    answer = aoba.send_form(f"{document}/sign", {"version": "1"})
    assert answer.status_code == 400
    assert "900" in answer.text


def test_a_run_that_cannot_be_put_together_tells_its_reason_to_the_operator_only(
    town: Town, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rival's cell could stand in the reason: the planner who gives the second approval must not read it."""
    from teikei.web import solve

    def fails(*_: object) -> str:
        raise StudyError("volumes.csv:7:units: 918273645546 is no number of cars")

    files = files_of(tmp_path / "small")
    base = start_joint(town, files)
    studies = to_release(town, base, {"aoba": files, "midori": files})
    form = {"version": f"{studies['aoba']}/1", "purpose": "x"}
    town["planner@aoba"].send_form(f"{base}/what-if", form)
    what_if = re.search(r"what-if/(\w+)/approve", town["planner@midori"].get(base).text)
    assert what_if is not None
    monkeypatch.setattr(solve, "start", fails)
    assert town["clean_team@room"].send_form(f"{base}/what-if/{what_if[1]}/approve").status_code == 303
    answer = town["planner@midori"].send_form(f"{base}/what-if/{what_if[1]}/approve")
    assert answer.status_code == 303
    assert "918273645546" not in town["planner@midori"].get(base).text
    said = town["operator@room"].send_form(f"{base}/what-if/{what_if[1]}/start")
    assert said.status_code == 400
    assert "918273645546" in said.text


def test_a_document_names_a_module_of_the_frame(town: Town, tmp_path: Path) -> None:
    base = start_joint(town, files_of(tmp_path / "small"))
    aoba = town["planner@aoba"]
    document = aoba.send_form(f"{base}/design", {"title": "Axle", "kind": "e-axle"}).headers["location"]
    answer = aoba.send_form(f"{document}/propose", {"base": "0", **complete(module="B1")})
    assert answer.status_code == 400
    assert "it has E1, E2" in answer.text
    assert aoba.send_form(f"{base}/design", {"title": "Hull", "kind": "hull"}).status_code == 400
