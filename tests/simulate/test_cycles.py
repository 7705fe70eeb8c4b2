import numpy as np
import pytest

from teikei.errors import StudyError
from teikei.simulate.cycles import REGULATION, cycle, make_cycle


@pytest.mark.parametrize("name", REGULATION)
def test_shipped_traces_have_the_length_duration_and_speed_of_the_regulation(name):
    distance_km, duration_s, top_kmh = REGULATION[name]
    trace = cycle(name)
    assert trace.distance_m / 1000 == pytest.approx(distance_km, rel=2e-3)
    assert trace.time_s[-1] - trace.time_s[0] == pytest.approx(duration_s, abs=2)
    assert trace.speed_mps.max() * 3.6 == pytest.approx(top_kmh, abs=0.15)


def test_wltc_class3b_has_the_speed_sum_of_the_regulation():
    assert np.round(cycle("wltc_class3b").speed_mps * 3.6, 1).sum() == pytest.approx(83758.6, abs=0.05)


def test_indian_cycle_is_the_european_one_held_to_90():
    indian, european = cycle("midc"), cycle("nedc")
    same = indian.time_s <= 4 * 195 + 251  # up to the end of the second stretch at 70 km/h
    assert np.array_equal(indian.speed_mps[same], european.speed_mps[same])
    urban = european.speed_mps[: 4 * 195].reshape(4, 195)
    assert (urban == urban[0]).all()
    assert (np.abs(np.diff(european.speed_mps)) <= 1.39).all()  # steepest operation: 50 to 0 km/h in 10 s


def test_japanese_wltc_is_the_first_three_phases():
    three, four = cycle("wltc_japan"), cycle("wltc_class3b")
    n = len(three.time_s)
    assert np.abs(three.speed_mps - four.speed_mps[:n]).max() < 0.06 / 3.6
    assert three.distance_m < 0.66 * four.distance_m


@pytest.mark.parametrize(
    ("time", "speed", "words"),
    [
        ([0, 1, 1, 2], [0, 1, 1, 0], "time goes from 1 to 1"),
        ([0, 2, 1, 3], [0, 1, 1, 0], "time goes from 2 to 1"),
        ([0, 1, 30, 31], [0, 1, 1, 0], "gap of 29 s"),
        ([0, 1, 2], [0, -1, 0], "expected 0 to 120"),
        ([0, 1, 2], [0, float("nan"), 0], "expected 0 to 120"),
        ([0], [0], "at least two rows"),
    ],
)
def test_broken_traces_are_refused_with_the_row(time, speed, words):
    with pytest.raises(StudyError, match=words):
        make_cycle("mine", time, speed)


def test_unknown_cycle_lists_the_known_ones():
    with pytest.raises(StudyError, match="wltc_japan"):
        cycle("wltc")
