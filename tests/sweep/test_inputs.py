"""Drivers: figures follow their distribution, move together as said, and reach the study's cells."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from scipy import stats

from teikei.errors import StudyError
from teikei.study import check, load
from teikei.sweep import design
from teikei.sweep.inputs import quantile, read_uncertainty, sampled_study, to_quantiles
from teikei.sweep.types import Entry
from tests.study.small import small_tables, write_small
from tests.sweep.tiny import kit_study

KIT = {"table": "tiers", "row": "KITA/0", "column": "unit_price", "low": 2500.0, "high": 3000.0}
NRE = {"table": "families", "row": "KB", "column": "nre", "low": 100.0, "high": 200.0}


def entry(distribution: str, low: float, mode: float, high: float) -> Entry:
    return Entry("tiers", "unit_price", "set", distribution, low, mode, high, (0,))


@pytest.mark.parametrize("p", [0.001, 0.05, 0.3, 0.5, 0.77, 0.95, 0.999])
def test_quantiles_are_those_of_scipy(p: float) -> None:
    triangular = stats.triang(c=0.2, loc=10, scale=20)
    assert quantile(entry("triangular", 10, 14, 30), p) == pytest.approx(triangular.ppf(p), rel=1e-12)
    assert quantile(entry("uniform", 10, 14, 30), p) == pytest.approx(stats.uniform(10, 20).ppf(p), rel=1e-12)
    spread = 10 / stats.norm.ppf(0.95)
    assert quantile(entry("normal", 10, 20, 30), p) == pytest.approx(stats.norm(20, spread).ppf(p), rel=1e-12)
    wide = (np.log(30) - np.log(10)) / 2 / stats.norm.ppf(0.95)
    lognormal = stats.lognorm(s=wide, scale=np.sqrt(300))
    assert quantile(entry("lognormal", 10, 20, 30), p) == pytest.approx(lognormal.ppf(p), rel=1e-12)


def test_low_and_high_of_a_normal_figure_are_its_5_and_95_percent() -> None:
    for distribution in ("normal", "lognormal"):
        assert quantile(entry(distribution, 10, 14, 30), 0.05) == pytest.approx(10)
        assert quantile(entry(distribution, 10, 14, 30), 0.95) == pytest.approx(30)


@pytest.mark.parametrize("mode", [10.0, 30.0])
def test_triangle_with_its_mode_at_an_end_stays_inside(mode: float) -> None:
    found = [quantile(entry("triangular", 10, mode, 30), p) for p in (0.0, 1e-9, 0.5, 1 - 1e-9, 1.0)]
    assert found == sorted(found)
    assert 10 <= found[0] <= found[-1] <= 30


def test_rows_of_one_table_column_and_class_move_together_and_others_do_not() -> None:
    uncertainty = read_uncertainty(kit_study())
    names = {driver.name: len(driver.entries) for driver in uncertainty.drivers if driver.name.startswith("tiers")}
    assert set(names) == {"tiers.unit_price: kit"}
    assert names["tiers.unit_price: kit"] == 8
    assert all(driver.name != "families.nre" for driver in uncertainty.drivers)


def test_named_driver_moves_rows_of_different_tables_together() -> None:
    study = kit_study([{**KIT, "driver": "kit cost"}, {**NRE, "driver": "kit cost"}])
    (driver,) = read_uncertainty(study).drivers
    assert {entry.table for entry in driver.entries} == {"tiers", "families"}
    low = sampled_study(study, read_uncertainty(study), {"kit cost": 0.0})
    assert low["families"].filter(pl.col("family") == "KB")["nre"][0] == pytest.approx(100, rel=2e-3)


def test_figures_reach_their_cells_and_no_other_cell_moves() -> None:
    study = kit_study([KIT])
    uncertainty = read_uncertainty(study)
    made = sampled_study(study, uncertainty, {"tiers.unit_price: kit": 0.3})
    changed = [
        (table, column)
        for table in study.tables
        for column in study[table].columns
        if not study[table][column].equals(made[table][column], null_equal=True)
    ]
    assert changed == [("tiers", "unit_price")]
    before, after = study["tiers"]["unit_price"], made["tiers"]["unit_price"]
    assert [study["tiers"].row(at)[:2] for at in range(len(before)) if before[at] != after[at]] == [("KITA", 0.0)]


def test_study_as_it_stands_is_the_sample_that_moves_nothing() -> None:
    study = kit_study()
    same = sampled_study(study, read_uncertainty(study), {})
    assert all(same[table].equals(study[table]) for table in study.tables)


def test_factor_moves_every_row_its_condition_names_on_top_of_figures_that_were_set() -> None:
    key = "/".join(
        str(part)
        for part in kit_study()["volumes"]
        .select("programme", "generation", "company", "plant", "region", "year", "scenario")
        .row(0)
    )
    company = kit_study()["volumes"]["company"][0]
    ranges = [
        {"table": "volumes", "row": f"company={company}", "column": "units", "low": 0.5, "high": 1.5, "mode": 1.0,
         "operation": "multiply", "driver": "factor"},
        {"table": "volumes", "row": key, "column": "units", "low": 1000.0, "high": 1000.0, "mode": 1000.0,
         "distribution": "uniform", "driver": "first row"},
        {"table": "volumes", "row": key, "column": "units", "low": 1000.0, "high": 2000.0, "mode": 1000.0,
         "distribution": "uniform", "driver": "first row"},
    ]  # fmt: skip
    study = kit_study(ranges)
    uncertainty = read_uncertainty(study)
    made = sampled_study(study, uncertainty, {"factor": 0.0, "first row": 1.0})
    before, after = study["volumes"], made["volumes"]
    assert after["units"][0] == pytest.approx(0.5 * 2000, rel=2e-3)
    own = before["company"] == company
    ratio = (after["units"] / before["units"]).to_numpy()
    assert ratio[1:][own.to_numpy()[1:]] == pytest.approx(0.5, rel=2e-3)
    assert (ratio[~own.to_numpy()] == 1.0).all()


def test_settings_move_and_a_whole_number_stays_whole() -> None:
    row = {"table": "study", "row": "discount_rate", "column": "discount_rate", "low": 0.04, "high": 0.1}
    study = kit_study([row])
    made = sampled_study(study, read_uncertainty(study), {"study.discount_rate": 0.0})
    assert made.settings.discount_rate == pytest.approx(0.04, abs=1e-4)
    integer = {"table": "offers", "row": "KITA", "column": "price_down_years", "low": 1.0, "high": 6.0}
    study = kit_study([integer])
    made = sampled_study(study, read_uncertainty(study), {"offers.price_down_years: kit": 0.37})
    assert made["offers"]["price_down_years"].dtype == pl.Int64


def test_figures_never_leave_what_their_column_may_hold() -> None:
    row = {"table": "classes", "row": "kit", "column": "k_family_nre", "low": 0.1, "high": 0.4}
    study = kit_study([{**row, "distribution": "normal"}])
    for p in (0.0, 1.0):
        value = sampled_study(study, read_uncertainty(study), {"classes.k_family_nre: kit": p})["classes"]
        assert 0 <= value.filter(pl.col("class") == "kit")["k_family_nre"][0] <= 1


@pytest.mark.parametrize(("first", "second"), [(0.9, 0.8), (0.9, -0.8), (0.5, 0.5)])
def test_drivers_of_a_group_correlate_by_the_product_of_their_correlations(first: float, second: float) -> None:
    tie = {"correlation_group": "costs"}
    study = kit_study([{**KIT, **tie, "correlation": first}, {**NRE, **tie, "correlation": second}])
    uncertainty = read_uncertainty(study)
    cube = design.points("sobol", 4096, len(uncertainty.inputs), 5, "bands")
    found = np.array([list(to_quantiles(uncertainty, point)[0].values()) for point in cube])
    normal = stats.norm.ppf(found)
    assert np.corrcoef(normal.T)[0, 1] == pytest.approx(first * second, abs=0.01)
    for column in found.T:  # each by itself stays uniform
        assert stats.kstest(column, "uniform").pvalue > 0.2


def test_scenarios_come_with_their_chances_and_are_applied_on_top() -> None:
    rows: list[dict[str, Any]] = [KIT]
    rows += [
        {"table": "scenarios", "row": name, "column": "probability", "low": chance, "high": chance}
        for name, chance in (("low", 0.25), ("dear_kit", 0.5))
    ]
    study = kit_study(rows)
    uncertainty = read_uncertainty(study)
    assert uncertainty.inputs[-1] == "scenario"
    cube = design.points("sobol", 1024, len(uncertainty.inputs), 5, "bands")
    drawn = [to_quantiles(uncertainty, point)[1] for point in cube]
    assert drawn.count("low") / 1024 == pytest.approx(0.25, abs=0.005)
    assert drawn.count("dear_kit") / 1024 == pytest.approx(0.5, abs=0.005)
    dear = sampled_study(study, uncertainty, {"tiers.unit_price: kit": 0.0}, "dear_kit")
    plain = sampled_study(study, uncertainty, {"tiers.unit_price: kit": 0.0})
    kit = pl.col("offer") == "KITA"
    dear_price, price = (made["tiers"].filter(kit)["unit_price"].to_numpy() for made in (dear, plain))
    assert price[0] == pytest.approx(2500, rel=1e-3)
    assert dear_price == pytest.approx(1.1 * price)


def test_study_without_ranges_says_what_to_do() -> None:
    with pytest.raises(StudyError, match="table ranges"):
        read_uncertainty(kit_study([]))


WRONG = {
    "mode outside": (["families", "EA_S", "nre", "3000", "5500", "9000", "", "", "", "", ""], "lies outside"),
    "negative factor": (["volumes", "*", "units", "-1", "2", "", "", "multiply", "", "", ""], "turn the sign"),
    "condition": (
        ["volumes", "company=Nobody", "units", "1", "2", "", "", "multiply", "", "", ""],
        "no row of volumes",
    ),
    "bad condition": (["volumes", "compani=Aoba", "units", "1", "2", "", "", "multiply", "", "", ""], "did you mean"),
    "a text setting": (["study", "x", "name", "1", "2", "", "", "", "", "", ""], "no single number"),
    "unknown scenario": (["scenarios", "weak", "probability", "0.1", "0.1", "", "", "", "", "", ""], "no scenario"),
    "chances": (["scenarios", "weak_yen", "probability", "1.2", "1.4", "", "", "", "", "", ""], "between 0 and 1"),
    "lognormal": (["families", "EA_S", "nre", "0", "5500", "", "lognormal", "", "", "", ""], "above 0"),
    "key": (["volumes", "*", "year", "1", "2", "", "", "multiply", "", "", ""], "part of the key"),
    "correlation": (["families", "EA_S", "nre", "3000", "5500", "", "", "", "d", "g", "1.5"], "from -1 to 1"),
}
HEADER = ["table", "row", "column", "low", "high", "mode", "distribution", "operation", "driver", "correlation_group",
          "correlation"]  # fmt: skip


@pytest.mark.parametrize(("row", "sentence"), WRONG.values(), ids=WRONG)
def test_wrong_range_is_told_with_its_place(tmp_path: Path, row: list[str], sentence: str) -> None:
    tables = small_tables()
    tables["ranges"] = [HEADER, row]
    folder = write_small(tmp_path / "study", tables)
    problems = [problem for problem in check(folder) if not problem.warning]
    assert [problem.place.split(":")[:2] for problem in problems] == [["ranges.csv", "2"]]
    assert sentence in problems[0].message
    with pytest.raises(StudyError):
        load(folder)
