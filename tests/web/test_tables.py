"""Editing tables in the page: the same checks and places as the command line, versions, differences, Excel."""

from __future__ import annotations

import io
import re
import shutil
from pathlib import Path

import pytest
from python_calamine import CalamineWorkbook

from teikei.errors import StudyError
from teikei.study import check, load, new
from teikei.web import tables
from teikei.web.workspace import folder_hash
from tests.study.small import write_small
from tests.web.people import Town, make_town
from tests.web.test_workspace import STAND_IN, upload

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = write_small(tmp_path_factory.mktemp("small"))
    return {f"study/{file.name}": file.read_bytes() for file in sorted(folder.iterdir())}


@pytest.fixture
def town(tmp_path: Path) -> Town:
    return make_town(tmp_path / "data", command=STAND_IN)


def _cell(text: str, value: str) -> str:
    """Name of the first field that holds a value."""
    found = re.search(rf'name="(c\d+_\d+)" value="{re.escape(value)}"', text)
    assert found is not None
    return found[1]


def test_an_edited_cell_is_a_new_version_with_who_and_what(town: Town, small: dict[str, bytes]) -> None:
    study = upload(town, "planner@aoba", small)
    base = f"/studies/{study}/1/edit"
    text = town["planner@aoba"].get(f"{base}/programmes").text
    name = _cell(text, "780")
    answer = town["buyer@aoba"].send_form(f"{base}/programmes", {name: "790", "note": "lighter by less"})
    assert answer.status_code == 303, answer.text
    page = town["planner@aoba"].get(f"/studies/{study}").text
    assert "lighter by less" in page
    assert "buyer aoba" in page
    changes = town["planner@aoba"].get(f"/studies/{study}/2/changes").text
    assert re.search(r"P1</th><td>body_mass_kg</td><td[^>]*><del>780</del></td><td[^>]*><ins>790</ins>", changes)
    assert changes.count("<del>") == 1
    workbook = town["planner@aoba"].get(f"/studies/{study}/2/workbook").content
    rows = CalamineWorkbook.from_filelike(io.BytesIO(workbook)).get_sheet_by_name("programmes").to_python()
    column = next(index for index, title in enumerate(rows[0]) if str(title).startswith("body_mass_kg"))
    assert [row[column] for row in rows[1:] if row[0] == "P1"] == [790]


def test_the_page_says_of_an_edit_what_the_command_line_says(town: Town, small: dict[str, bytes]) -> None:
    study = upload(town, "planner@aoba", small)
    text = town["planner@aoba"].get(f"/studies/{study}/1/edit/programmes").text
    town["planner@aoba"].send_form(f"/studies/{study}/1/edit/programmes", {_cell(text, "780"): "heavy"})
    store = town.app.state.server.store
    problems = [p for p in check(store.workspace("aoba") / "studies" / study / "2" / "study") if not p.warning]
    assert [problem.place for problem in problems] == ["programmes.csv:2:body_mass_kg"]
    shown = town["planner@aoba"].get(f"/studies/{study}/2/edit/programmes").text
    assert "programmes.csv:2:body_mass_kg" in shown
    assert re.search(r'name="c2_\d+" value="heavy"[^>]*aria-invalid="true"', shown)
    assert town["planner@aoba"].send_form(f"/studies/{study}/2/run").status_code == 400
    mended = {_cell(shown, "heavy"): "800"}
    assert town["planner@aoba"].send_form(f"/studies/{study}/2/edit/programmes", mended).status_code == 303
    assert "aria-invalid" not in town["planner@aoba"].get(f"/studies/{study}/3/edit/programmes").text


def test_rows_are_added_and_deleted(town: Town, small: dict[str, bytes]) -> None:
    study = upload(town, "planner@aoba", small)
    store = town.app.state.server.store
    before = load(store.workspace("aoba") / "studies" / study / "1" / "study")["currencies"]
    form = {"d3": "1", "n0_0": "EUR", "n0_1": "160", "n0_2": "2026"}
    answer = town["planner@aoba"].send_form(f"/studies/{study}/1/edit/currencies", form)
    assert answer.status_code == 303, answer.text
    file = store.workspace("aoba") / "studies" / study / "2" / "study" / "currencies.csv"
    assert [line.split(",")[0] for line in file.read_text("utf-8").splitlines()[1:]] == ["JPY", "EUR"]
    assert before["currency"].to_list() == ["JPY", "CNY"]
    changes = town["planner@aoba"].get(f"/studies/{study}/2/changes").text
    assert "row added" in changes
    assert "row removed" in changes


def test_a_column_that_the_file_leaves_out_can_be_added(town: Town, small: dict[str, bytes]) -> None:
    study = upload(town, "planner@aoba", small)
    page = town["planner@aoba"].get(f"/studies/{study}/1/edit/currencies?column=note").text
    place = max(int(number) for number in re.findall(r'id="h(\d+)"', page))
    form = {"added": "note", f"c2_{place}": "checked"}
    assert town["planner@aoba"].send_form(f"/studies/{study}/1/edit/currencies", form).status_code == 303
    folder = town.app.state.server.store.workspace("aoba") / "studies" / study / "2" / "study"
    assert load(folder)["currencies"]["note"].to_list() == ["checked", None]


def test_nobodys_work_is_overwritten_unseen(town: Town, small: dict[str, bytes]) -> None:
    study = upload(town, "planner@aoba", small)
    base = f"/studies/{study}/1/edit/programmes"
    name = _cell(town["planner@aoba"].get(base).text, "780")
    assert town["planner@aoba"].send_form(base, {name: "790"}).status_code == 303
    answer = town["buyer@aoba"].send_form(base, {name: "800"})
    assert answer.status_code == 400
    assert "newer version" in answer.text
    assert town["planner@aoba"].send_form(f"/studies/{study}/2/edit/programmes", {name: "790"}).status_code == 400
    old = town["planner@aoba"].get(base).text
    assert 'name="c2_' not in old  # an old version is shown, not edited
    folder = town.app.state.server.store.workspace("aoba") / "studies" / study
    assert sorted(path.name for path in folder.iterdir()) == ["1", "2"]


def test_settings_are_edited_as_text_with_their_own_places(town: Town, small: dict[str, bytes]) -> None:
    study = upload(town, "planner@aoba", small)
    text = small["study/study.yaml"].decode()
    broken = text.replace("first_year: 2027", "first_year: soon")
    base = f"/studies/{study}/1/edit/study"
    assert town["planner@aoba"].send_form(base, {"text": broken}).status_code == 303
    assert re.search(r"study\.yaml:\d+:first_year", town["planner@aoba"].get(f"/studies/{study}/2/edit/study").text)


def test_a_large_table_comes_in_pages_within_what_a_form_may_carry(tmp_path: Path) -> None:
    town = make_town(tmp_path / "data", command=STAND_IN)
    files = {
        f"study/{file.name}": file.read_bytes()
        for file in (EXAMPLES / "nissan-honda").iterdir()
        if file.suffix in (".csv", ".yaml")
    }
    study = upload(town, "planner@aoba", files)
    base = f"/studies/{study}/1/edit"
    seen: set[str] = set()
    start = 0
    while True:
        page = town["planner@aoba"].get(f"{base}/volumes?start={start}").text
        lines = re.findall(r'id="r(\d+)"', page)
        assert len(re.findall(r'name="[cn]\d+_\d+"', page)) < 990
        assert seen.isdisjoint(lines)
        seen.update(lines)
        following = re.search(r'href="\?start=(\d+)&amp;find=" rel="next"', page)
        if following is None:
            break
        start = int(following[1])
    assert len(seen) == len((EXAMPLES / "nissan-honda" / "volumes.csv").read_text("utf-8").splitlines()) - 1
    found = town["planner@aoba"].get(f"{base}/offers?find=AESC").text
    assert 0 < len(re.findall(r'id="r(\d+)"', found)) < 30
    for name in tables.all_columns():
        assert town["planner@aoba"].get(f"{base}/{name}").status_code == 200


def test_a_workbook_is_edited_like_a_folder_and_keeps_every_figure(tmp_path: Path) -> None:
    file = new(tmp_path / "shipped.xlsx", template="nissan-honda", excel=True)
    tables.as_folder(Path(file), tmp_path / "study")
    before, after = load(file), load(tmp_path / "study")
    assert before.settings == after.settings
    for name, table in before.tables.items():
        assert table.equals(after.tables[name]), name
    assert tables.differences(Path(file), tmp_path / "study") == []


def test_a_file_that_cannot_be_read_whole_is_not_edited(tmp_path: Path) -> None:
    folder = write_small(tmp_path / "small")
    (folder / "volumes.csv").write_text('programme,units\nP1,"never closed\nP2,3\n', "utf-8")
    sheet = tables.read_sheets(folder)["volumes"]
    assert sheet.damaged
    with pytest.raises(StudyError, match="mend the file"):
        tables.edited(sheet, {}, set(), [])


def test_an_edit_changes_one_table_and_no_other_byte(town: Town, small: dict[str, bytes], tmp_path: Path) -> None:
    study = upload(town, "planner@aoba", small)
    base = f"/studies/{study}/1/edit/programmes"
    town["planner@aoba"].send_form(base, {_cell(town["planner@aoba"].get(base).text, "780"): "790"})
    folder = town.app.state.server.store.workspace("aoba") / "studies" / study
    one, two = folder / "1" / "study", folder / "2" / "study"
    shutil.copy(one / "programmes.csv", two / "programmes.csv")
    assert folder_hash(one) == folder_hash(two)
