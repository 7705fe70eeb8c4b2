"""The whole line on a small study: kept whole, the same to the last digit, and adding up."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import polars as pl
import pytest

import teikei
from teikei.errors import StudyError
from teikei.runs import Run, read

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


def test_the_same_inputs_give_the_same_numbers_to_the_last_digit_with_or_without_workers(
    finished: Run, tmp_path: Path
) -> None:
    with ThreadPoolExecutor(2) as executor:
        again = teikei.run(teikei.load(STUDY), out=tmp_path / "second", executor=executor)
    assert finished.tables.keys() == again.tables.keys()
    for name, table in finished.tables.items():
        other = again.tables[name]
        timed = [column for column in table.columns if column == "seconds"]
        assert table.drop(timed).equals(other.drop(timed)), name


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
