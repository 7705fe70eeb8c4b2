import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from teikei.errors import StudyError
from teikei.modules import catalogue
from teikei.modules.e_axles import build_e_axle, torque_limit_nm
from teikei.modules.scaling import Scaling, family_grid, scaled
from teikei.simulate import performance
from tests.simulate.small_study import small_study

ROW = {
    **small_study()["modules"].row(0, named=True),
    "peak_torque_nm": 320.0,
    "continuous_torque_nm": 150.0,
    "continuous_power_kw": 80.0,
    "gear_ratio": 9.0,
    "max_speed_rpm": 14_000.0,
}
FACTORS = st.floats(0.5, 1.0)


def axle(row):
    return build_e_axle(row, 90.0, family_size_w=160e3)[0]


def test_twice_the_length_is_twice_the_torque_at_half_the_corner_speed():
    one, two = axle(ROW), axle(scaled(ROW, "X", Scaling(length=2.0)))
    assert two.peak_torque_nm == 2 * one.peak_torque_nm
    assert two.peak_power_w == one.peak_power_w
    assert two.continuous_torque_nm == 2 * one.continuous_torque_nm
    corner = one.peak_power_w / one.peak_torque_nm
    assert torque_limit_nm(two, corner / 2) == pytest.approx(two.peak_torque_nm)
    assert torque_limit_nm(two, corner) == pytest.approx(one.peak_torque_nm)


def test_fewer_turns_at_more_current_reach_further_at_the_same_torque():
    rewound = scaled(ROW, "X", Scaling(turns=0.8, current=1.25))
    assert rewound["peak_torque_nm"] == pytest.approx(320.0)
    assert rewound["peak_power_kw"] == pytest.approx(1.25 * ROW["peak_power_kw"])


@settings(max_examples=60, deadline=None, derandomize=True)
@given(FACTORS, FACTORS, FACTORS)
def test_scaling_twice_is_scaling_by_the_product(length, turns, current):
    once = scaled(scaled(ROW, "A", Scaling(length, turns, current)), "B", Scaling(0.9, 0.8, 0.7))
    both = scaled(ROW, "B", Scaling(0.9 * length, 0.8 * turns, 0.7 * current)) if length * 0.9 >= 0.4 else once
    for column in ("peak_torque_nm", "peak_power_kw", "continuous_torque_nm"):
        assert once[column] == pytest.approx(both[column])


def test_a_member_has_the_cross_section_of_its_family():
    study = small_study(modules=[*small_study()["modules"].rows(named=True), scaled(ROW, "HALF", Scaling(length=0.5))])
    table = catalogue(study).table.filter(pl.col("class") == "e-axle")
    assert table["lamination_diameter_mm"].n_unique() == 1
    stack = dict(table.select("module", "stack_length_mm").iter_rows())
    torque = dict(table.select("module", "peak_torque_nm").iter_rows())
    assert stack["HALF"] / torque["HALF"] == pytest.approx(stack["E160"] / torque["E160"])


@pytest.mark.parametrize(
    ("by", "words"),
    [
        (Scaling(length=3.0), "length factor 3 is outside 0.4 to 2"),
        (Scaling(turns=1.0, current=1.2), "saturate it"),
        (Scaling(turns=0.0), "must be positive"),
        (Scaling(gear_ratio=30.0), "gear ratio 30 is outside 5 to 16"),
    ],
)
def test_impossible_scalings_are_refused_with_the_reason(by, words):
    with pytest.raises(StudyError, match=words):
        scaled(ROW, "X", by)


def test_only_e_axles_scale():
    with pytest.raises(StudyError, match="only an e-axle"):
        scaled(small_study()["modules"].row(4, named=True), "X", Scaling())


def test_a_grid_of_a_family_is_simulated_in_one_batch_with_the_reason_of_every_rejection():
    grid = family_grid(
        ROW, lengths=(0.5, 0.75, 1.0), turns=(0.8, 1.0), currents=(0.5, 1.0, 1.25), gear_ratios=(8.0, 11.0)
    )
    assert len({row["module"] for row in grid}) == len(grid) == 3 * 2 * 5  # turns 1 with current 1.25 saturates
    study = small_study(modules=[*small_study()["modules"].rows(named=True), *grid])
    designs = catalogue(study)
    told = []
    done = performance(study, designs, progress=lambda text, fraction: told.append(fraction))
    mine = done.candidates.filter(pl.col("slot") == "P/G1/std/1")
    assert len(mine) == 2 + len(grid)
    assert (mine["feasible"] == (mine["reason"] == "")).all()
    assert mine["feasible"].any()
    assert not mine["feasible"].all()
    assert told[-1] == 1.0
    assert told == sorted(told)
