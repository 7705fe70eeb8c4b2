"""The whole line on a small study: kept whole, the same to the last digit, and adding up."""

from __future__ import annotations

import io
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import polars as pl
import pytest
from rich.console import Console

import teikei
from teikei.errors import StudyError
from teikei.report import headline
from teikei.room import ReleaseList, release
from teikei.room.door import joint_saving
from teikei.runs import Run, read
from teikei.runs.compare import saving_by_rung

BASELINE = "単独"  # what the lowest rung may as well be called
STUDY = Path(__file__).parent.parent / "examples" / "kit-supply"
PROMISED = {
    "cost_by_rung": "coalition rung value bound gap status",
    "cost_breakdown": "coalition rung company programme year item value",
    "savings_by_lever": "coalition rung from_rung company lever value method",
    "configurations": "coalition rung programme generation class module quantity existing",
    "module_designs": "coalition rung family variant",
    "module_uses": "coalition rung module programme axle driving_requirement margin overdesign",
    "awards": "coalition rung supplier site item year quantity unit_price spend price_basis",
    "performance": "coalition rung programme procedure required reached unit margin",
    "schedule": "coalition rung task object company start end hours",
    "shares": "rung rule company kind value lower upper",
    "transfers": "rung form year from_company to_company value_nominal",
    "screens": "rung screen region year figure threshold light source",
    "market_outcome": "coalition rung scenario year region product company price units share lower upper",
    "sources": "table row column source confidence",
}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """One run of the small study, in this process."""
    return teikei.run(teikei.load(STUDY), out=tmp_path_factory.mktemp("flow") / "first")


@pytest.mark.parametrize("table", PROMISED)
def test_run_has_the_promised_tables_and_columns(finished: Run, table: str) -> None:
    assert set(PROMISED[table].split()) <= set(finished.tables[table].columns)


@pytest.fixture(scope="module")
def renamed(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The same study again with workers, its lowest rung renamed and the rows of rungs.csv turned round."""
    study = teikei.load(STUDY)
    rungs = study["rungs"].with_columns(pl.col("rung").replace("alone", BASELINE)).reverse()
    with ThreadPoolExecutor(2) as executor:
        return teikei.run(
            study.with_tables(rungs=rungs), out=tmp_path_factory.mktemp("flow") / "second", executor=executor
        )


def test_the_same_inputs_give_the_same_numbers_to_the_last_digit_with_or_without_workers(
    finished: Run, renamed: Run
) -> None:
    assert finished.tables.keys() == renamed.tables.keys()
    for name, table in finished.tables.items():
        other = renamed.tables[name]
        words = [column for column, kind in other.schema.items() if kind == pl.String]
        other = other.with_columns(pl.col(words).str.replace_all(BASELINE, "alone", literal=True))
        if name in ("rungs", "sources"):  # these list the rows of rungs.csv in their order
            table, other = table.sort(table.columns), other.sort(table.columns)  # noqa: PLW2901
        timed = [column for column in table.columns if column == "seconds"]
        assert table.drop(timed).equals(other.drop(timed)), name


def test_the_baseline_is_the_lowest_rung_whatever_its_name_in_terminal_page_and_comparison(
    finished: Run, renamed: Run
) -> None:
    def told(run: Run) -> str:
        console = Console(width=120, file=io.StringIO(), record=True)
        console.print(headline(run.tables, run.meta))
        return console.export_text().replace(BASELINE, "alone")

    def page(run: Run) -> list[str]:
        text = re.sub(r"<script.*?</script>", "", run.report_path.read_text("utf-8"), flags=re.DOTALL)
        lines = [line.strip().replace(BASELINE, "alone") for line in re.sub(r"<[^>]+>", "\n", text).splitlines()]
        return sorted({line for line in lines if not re.search(r"\d", line)})  # figures: the tables above

    assert told(finished) == told(renamed)
    assert "not evaluated" not in told(renamed)
    assert saving_by_rung(finished) == saving_by_rung(renamed)
    assert saving_by_rung(renamed)["powertrain"] > 0
    assert page(finished) == page(renamed)


def test_a_release_counts_the_joint_saving_from_the_lowest_rung_whatever_its_name(finished: Run, renamed: Run) -> None:
    companies = finished.meta["companies"]
    asked = {"rung": "powertrain", "members": {name.lower(): [name] for name in companies}}
    agreed = ReleaseList.model_validate(
        {**asked, "items": [{"kind": "saving_band", "edges": [0, 100, 200, 300]}], "smallest_interval_million": 10}
        | {"smallest_interval_units": 1_000, "what_ifs": 1}
    )
    own = companies[0].lower()
    assert joint_saving(renamed, agreed) == joint_saving(finished, agreed) > 0
    assert release(renamed, own, agreed).text() == release(finished, own, agreed).text()


def test_stored_run_reads_back_equal(finished: Run) -> None:
    stored = read(finished.path)
    assert all(stored.tables[name].equals(table) for name, table in finished.tables.items())
    assert stored.meta["reproducible"] is True
    assert finished.report_path.stat().st_size > 100_000
    assert (finished.path / "report.xlsx").is_file()


def test_levers_add_up_to_the_difference_of_the_values(finished: Run) -> None:
    cost = {(c, r): v for c, r, v in finished.tables["cost_by_rung"].select("coalition", "rung", "value").iter_rows()}
    sums = finished.tables["savings_by_lever"].group_by("coalition", "rung", "from_rung", "method")
    for coalition, rung, before, _, total in sums.agg(pl.col("value").sum()).iter_rows():
        assert total == pytest.approx(cost[coalition, before] - cost[coalition, rung], abs=1e-6)


def test_shares_of_every_rule_add_up_to_the_saving(finished: Run) -> None:
    cost = finished.tables["cost_by_rung"]
    grand = "+".join(finished.meta["companies"])
    single = pl.col("coalition").is_in(finished.meta["companies"])
    alone = cost.filter((pl.col("rung") == "alone") & single)["value"].sum()
    savings = finished.tables["shares"].filter(pl.col("kind") == "saving").group_by("rung", "rule")
    for rung, rule, total in savings.agg(pl.col("value").sum()).iter_rows():
        joint = cost.filter((pl.col("coalition") == grand) & (pl.col("rung") == rung))["value"].item()
        assert total == pytest.approx(alone - joint, abs=1e-6), (rung, rule)


def test_cost_breakdown_adds_up_to_the_value(finished: Run) -> None:
    parts = finished.tables["cost_breakdown"].group_by("coalition", "rung").agg(pl.col("value").sum())
    for row in finished.tables["cost_by_rung"].join(parts, on=["coalition", "rung"], suffix="_parts").to_dicts():
        assert row["value_parts"] == pytest.approx(row["value"], rel=1e-9)


def test_integrated_rival_walk_ends_where_its_steps_lead(finished: Run) -> None:
    walk = finished.tables["integrated_rival"]
    for _, rows in walk.group_by("programme"):
        together = rows.filter(pl.col("step") == "own together")["value"].item()
        changes = rows.filter(pl.col("step").is_in(["source", "margin"]))["value"].sum()
        assert rows.filter(pl.col("step") == "total")["value"].item() == pytest.approx(together + changes, abs=1e-6)


def test_unknown_rung_and_scenario_are_refused_before_any_work(tmp_path: Path) -> None:
    study = teikei.load(STUDY)
    with pytest.raises(StudyError, match="no rung"):
        teikei.run(study, out=tmp_path / "x", rungs=["no-such-rung"])
    with pytest.raises(StudyError):
        teikei.run(study, out=tmp_path / "x", scenario="no-such-scenario")
    assert not (tmp_path / "x").exists()
