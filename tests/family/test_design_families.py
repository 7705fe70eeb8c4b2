"""From a study to families and back into the study."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from teikei.cli import app
from teikei.errors import StudyError
from teikei.family import Choices, Families, design_families, write_families
from teikei.family.front import point
from teikei.family.handover import study_rows, with_rows
from teikei.modules import catalogue
from teikei.simulate import performance
from teikei.study import check
from teikei.study.types import Study
from tests.family.test_front import front_of, rounded
from tests.simulate.small_study import requirement, small_study

CHOICES = Choices(lengths=(0.5, 0.8), inverter_kw=(47.0, 90.0, 130.0), ratios=(9.0,))


PLANTS = [{"plant": "X", "country": "JP"}]


def study() -> Study:
    return small_study(
        car_plants=PLANTS,
        requirements=[
            requirement("P", "range", 300.0, "km", "wltc_japan"),
            requirement("P", "acceleration_0_100", 13.0, "s", "max_time"),
            requirement("P", "continuous_grade", 4.0, "percent", "continuous", speed_kmh=80.0),
            requirement("K", "acceleration_0_100", 18.0, "s", "max_time"),
            requirement("K", "kei_power_cap", 47.0, "kW"),
        ],
    )


@pytest.fixture(scope="module")
def found() -> Families:
    return design_families(study(), choices=CHOICES, most_members=3)


def test_the_front_of_a_small_line_up_is_the_enumerated_one(found: Families) -> None:
    line = found.line_up
    count = int(np.prod([len(options) for options in line.options.values()]))
    assert found.whole
    assert 50 < count < 200_000
    cars = list(line.options)
    every = [point(line, list(zip(cars, chosen, strict=True))) for chosen in product(*line.options.values())]
    every = [p for p in every if len(p.members) <= 3]
    assert rounded(list(found.points)) == front_of(every)


def test_the_plan_sees_the_members_as_they_were_designed(found: Families, tmp_path: Path) -> None:
    """With the rows in the study, catalogue and simulation give the price, mass, energy that the front rests on."""
    write_families(study(), found, tmp_path)
    again = with_rows(study(), study_rows(study(), found.points[0], found.designs, found.cars))
    known = catalogue(again)
    seen = performance(again, known)
    uses = pl.read_csv(tmp_path / "uses.csv").filter(pl.col("family") == "F01")
    assert len(uses) == 4  # three cars, one with two driven axles
    for name, option in found.points[0].choice:
        trial = found.trials[name][option.members]
        rows = known.table.filter(pl.col("module").is_in(list(set(option.members))))
        prices = dict(rows.select("module", "curve_price").iter_rows())
        assert sum(prices[member] for member in option.members) == pytest.approx(trial.price, rel=1e-9)
        programme, version = name.split("/")
        slots = known.slots.filter((pl.col("programme") == programme) & (pl.col("version") == version))
        slot = slots.sort("first_year")["slot"][-1]
        own = known.candidates.filter(pl.col("slot") == slot)
        car = next(car for car in found.cars if car.name == name)
        wanted = {**dict(zip(car.axles, option.members, strict=True)), **car.modules}
        numbers = [
            number
            for (number,), part in own.group_by("candidate")
            if dict(part.select("position", "module").iter_rows()) == wanted
        ]
        assert len(numbers) == 1
        result = seen.candidates.filter((pl.col("slot") == slot) & (pl.col("candidate") == numbers[0]))
        assert result["feasible"].to_list() == [True]
        assert result["wall_wh_per_km"][0] == pytest.approx(trial.wall_wh_per_km, rel=1e-6)


def test_every_member_carries_what_makes_it_designed(found: Families, tmp_path: Path) -> None:
    write_families(study(), found, tmp_path)
    table = pl.read_csv(tmp_path / "designs.csv")
    for column in (
        "family", "lamination_diameter_mm", "stack_length_mm", "turns_per_phase", "winding", "pole_pairs", "gear_ratio",
        "gear_torque_limit_nm", "voltage_min_v", "voltage_nominal_v", "voltage_max_v", "phase_current_peak_a",
        "phase_current_continuous_a", "inverter_switch", "peak_torque_nm", "peak_torque_duration_s",
        "continuous_torque_nm", "peak_power_at_minimum_voltage_kw", "continuous_power_at_minimum_voltage_kw",
        "max_speed_rpm", "coolant_flow_l_per_min", "coolant_inlet_c", "mass_kg", "envelope_x_mm", "envelope_y_mm",
        "envelope_z_mm", "magnet_mass_kg", "curve_price", "family_nre", "nre", "application_nre", "family_tooling",
        "tooling", "carried_over", "loss_map", "interfaces", "thirty_minute_power_kw", "pass_power_15_min_kw",
        "repeated_launches",
    ):  # fmt: skip
        assert table[column].null_count() == 0, column
    assert (table["continuous_power_kw"] <= table["thirty_minute_power_kw"] + 1e-9).all()


def test_cost_is_the_sum_of_its_parts_and_no_row_is_beaten(found: Families, tmp_path: Path) -> None:
    write_families(study(), found, tmp_path)
    table = pl.read_csv(tmp_path / "pareto.csv")
    parts = table["development_million"] + table["pieces_million"] + table["missed_targets_million"]
    np.testing.assert_allclose(table["cost_million"], parts, rtol=1e-9)
    values = table.select("cost_million", "energy_wh_per_km", "mass_kg", -pl.col("margin"), "members").to_numpy()
    for own in values:
        assert not any((other <= own).all() and (other < own - 1e-9).any() for other in values)
    assert (tmp_path / "front.svg").read_text("utf-8").count("<circle") >= len(table)


def test_more_volume_makes_pieces_dearer_and_leaves_development(found: Families) -> None:
    base = study()
    doubled = small_study(
        car_plants=PLANTS,
        requirements=base["requirements"].rows(named=True),
        volumes=[{**row, "units": 2 * row["units"]} for row in base["volumes"].iter_rows(named=True)],
    )
    more = design_families(doubled, choices=CHOICES, most_members=3)
    assert more.line_up.member_cost == found.line_up.member_cost
    for car, options in found.line_up.options.items():
        for one, other in zip(options, more.line_up.options[car], strict=True):
            assert other.cost == pytest.approx(2.0 * one.cost)
            assert other.energy == pytest.approx(one.energy)


def test_the_command_writes_a_study_that_check_accepts(tmp_path: Path) -> None:
    source = Path(__file__).parents[2] / "examples" / "kit-supply"
    out = tmp_path / "out"
    arguments = ["family", str(source), "--class", "e-axle", "--out", str(out), "--lengths", "0.8,1", "--ratios", "9.5"]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    assert "members" in done.output
    before = {(p.place, p.message) for p in check(source) if not p.warning}
    after = {(p.place, p.message) for p in check(out / "study") if not p.warning}
    assert before == after == set()
    # pasted by column name into the study's own tables
    for table in ("modules", "families", "work"):
        mine = pl.read_csv(out / f"{table}.csv", infer_schema_length=0)
        theirs = pl.read_csv(source / f"{table}.csv", infer_schema_length=0)
        assert set(theirs.columns) <= set(mine.columns)
        pl.concat([theirs, mine], how="diagonal").write_csv(out / "study" / f"{table}.csv")
    assert not [p for p in check(out / "study") if not p.warning]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--class", "pack"], "--class"),
        (["--lengths", "x"], "--lengths"),
        (["--loss-map", "nothing"], "--loss-map"),
        (["--members", "0"], "--members"),
    ],
)
def test_what_cannot_be_done_is_said(tmp_path: Path, arguments: list[str], said: str) -> None:
    source = Path(__file__).parents[2] / "examples" / "kit-supply"
    done = CliRunner().invoke(app, ["family", str(source), "--out", str(tmp_path / "o"), *arguments])
    assert done.exit_code != 0
    assert said in str(done.exception)


def test_a_car_that_no_member_serves_is_named() -> None:
    weak = Choices(lengths=(0.5,), inverter_kw=(30.0,), ratios=(9.0,))
    with pytest.raises(StudyError, match="P/std"):
        design_families(study(), choices=weak)
