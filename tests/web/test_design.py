"""Collective design: propose, counter-propose, comment, sign; versions never change; export carries every field."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from python_calamine import CalamineWorkbook

from teikei.errors import StudyError
from teikei.room.specification import FIELDS
from teikei.web.specification import clean
from tests.web.people import Town, make_town
from tests.web.test_joint import files_of, start_joint
from tests.web.test_workspace import STAND_IN

RATINGS = {
    "peak_power_kw": "47", "continuous_power_kw": "30", "peak_power_low_kw": "40", "continuous_power_low_kw": "30",
    "peak_torque_nm": "170", "continuous_torque_nm": "80", "max_speed_rpm": "14000", "gear_ratio": "10.5",
    "voltage_min_v": "280", "voltage_nominal_v": "350", "voltage_max_v": "400", "mass_kg": "70",
}  # fmt: skip


def complete(**changes: str) -> dict[str, str]:
    plain = {"number": "10", "text": "as drawn"}
    values = {one.name: one.choices[0] if one.choices else plain[one.kind] for one in FIELDS["e-axle"]}
    values["module"] = "E1"
    return {**values, **RATINGS, **changes}


@pytest.fixture
def town(tmp_path: Path) -> Town:
    return make_town(tmp_path / "data", command=STAND_IN)


@pytest.fixture
def document(town: Town, tmp_path: Path) -> str:
    base = start_joint(town, files_of(tmp_path / "small"))
    form = {"title": "Shared axle", "kind": "e-axle"}
    return town["planner@aoba"].send_form(f"{base}/design", form).headers["location"]


def test_two_companies_agree_on_one_version(town: Town, document: str) -> None:
    aoba, midori = town["planner@aoba"], town["planner@midori"]
    assert aoba.send_form(f"{document}/propose", {"base": "0", **complete()}).status_code == 303
    assert aoba.send_form(f"{document}/sign", {"version": "1"}).status_code == 303
    counter = {"base": "1", "reason": "fits our bay", **complete(length_mm="9")}
    assert midori.send_form(f"{document}/propose", counter).status_code == 303
    assert aoba.send_form(f"{document}/propose", {"base": "1", **complete(length_mm="8")}).status_code == 400
    page = midori.get(document).text
    assert "<del>10</del>" in page
    assert "fits our bay" in page
    assert midori.send_form(f"{document}/sign", {"version": "1"}).status_code == 400  # no longer the newest
    assert midori.send_form(f"{document}/sign", {"version": "2"}).status_code == 303
    assert "signed by all" not in aoba.get(document).text  # the signature under version 1 does not count for 2
    assert aoba.send_form(f"{document}/sign", {"version": "2"}).status_code == 303
    assert "signed by all" in aoba.get(document).text


def test_an_incomplete_specification_cannot_be_signed(town: Town, document: str) -> None:
    values = complete(safety_goal="")
    assert town["planner@aoba"].send_form(f"{document}/propose", {"base": "0", **values}).status_code == 303
    answer = town["planner@aoba"].send_form(f"{document}/sign", {"version": "1"})
    assert answer.status_code == 400
    assert "Safety goal" in answer.text


def test_comments_are_read_by_all_members_and_by_nobody_else(town: Town, document: str) -> None:
    town["planner@aoba"].send_form(f"{document}/propose", {"base": "0", **complete()})
    remark = {"version": "1", "field": "turns", "text": "<script>too many</script>"}
    assert town["buyer@midori"].send_form(f"{document}/comment", remark).status_code == 303
    text = town["counsel@aoba"].get(document).text
    assert "&lt;script&gt;too many" in text
    assert town["planner@kuro"].get(document).status_code == 404
    assert town["planner@kuro"].send_form(f"{document}/comment", remark).status_code == 404


def test_the_workbook_carries_every_field_and_no_live_formula(town: Town, document: str) -> None:
    values = complete(mounts="=1+1")
    town["planner@aoba"].send_form(f"{document}/propose", {"base": "0", **values})
    content = town["planner@midori"].get(f"{document}/workbook").content
    rows = CalamineWorkbook.from_filelike(io.BytesIO(content)).get_sheet_by_name("specification").to_python()
    found = {row[0]: row[1] for row in rows}
    assert {one.title for one in FIELDS["e-axle"]} <= set(found)
    assert found["Interface: mounts"] == "=1+1"
    assert found["DC voltage, nominal"] == 350
    sheet = town["planner@midori"].get(f"{document}/sheet").text
    assert all(one.title in sheet for one in FIELDS["e-axle"])


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"turns": "many"}, "Turns"),
        ({"mass_kg": "-3"}, "Mass"),
        ({"gear_ratio": "nan"}, "Reduction"),
        ({"continuous_torque_nm": "171"}, "above Peak torque"),
        ({"voltage_min_v": "400"}, "above DC voltage, nominal"),
    ],
)
def test_what_cannot_be_right_is_refused_by_name(changes: dict[str, str], said: str) -> None:
    with pytest.raises(StudyError, match=said):
        clean("e-axle", complete(**changes))
