"""Indices, bands and values of knowing against closed forms and brute force."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from teikei.sweep import design, statistics
from teikei.sweep.decided import wilson
from teikei.sweep.types import Driver, Uncertainty


def ishigami(u: np.ndarray) -> np.ndarray:
    """Ishigami and Homma 1990, a = 7, b = 0.1, on (-pi, pi)^3."""
    x = (2 * u - 1) * math.pi
    return np.sin(x[:, 0]) + 7 * np.sin(x[:, 1]) ** 2 + 0.1 * x[:, 2] ** 4 * np.sin(x[:, 0])


FIRST = (0.3139, 0.4424, 0.0)  # closed form, e.g. Saltelli et al. 2008, p. 179
TOTAL = (0.5576, 0.4424, 0.2437)


def three() -> Uncertainty:
    return Uncertainty(tuple(Driver(name, ()) for name in "abc"), (), {})


def values_of(uncertainty: Uncertainty, names: list[str], count: int) -> tuple[list[str], np.ndarray]:
    samples = design.index_samples(uncertainty, names, count, 3)
    labels = [sample.label for sample in samples]
    return labels, ishigami(np.array([[dict(sample.quantiles)[name] for name in "abc"] for sample in samples]))


def test_sobol_indices_of_ishigami_are_the_closed_form() -> None:
    labels, values = values_of(three(), ["a", "b", "c"], 4096)
    pick = {label: values[[label == other for other in labels]] for label in ("A", "B", "a", "b", "c")}
    for at, name in enumerate("abc"):
        first, total = statistics.sobol_indices(pick["A"], pick["B"], pick[name])
        assert first == pytest.approx(FIRST[at], abs=0.02)
        assert total == pytest.approx(TOTAL[at], abs=0.02)


def test_all_other_inputs_are_one_group_with_its_own_closed_form() -> None:
    labels, values = values_of(three(), ["b"], 4096)
    assert set(labels) == {"A", "B", "b", design.OTHERS}
    pick = {label: values[[label == other for other in labels]] for label in set(labels)}
    first, total = statistics.sobol_indices(pick["A"], pick["B"], pick[design.OTHERS])
    assert first == pytest.approx(1 - 0.4424, abs=0.02)  # b is additive: the rest is the rest
    assert total == pytest.approx(1 - 0.4424, abs=0.02)


def test_longer_design_holds_the_shorter_one() -> None:
    short = design.index_samples(three(), ["a", "b"], 8, 3)
    long = design.index_samples(three(), ["a", "b"], 16, 3)
    assert [one.quantiles for one in long[: len(short)]] == [one.quantiles for one in short]
    few, _ = design.band_samples(three(), "sobol", 8, 3)
    more, _ = design.band_samples(three(), "sobol", 32, 3)
    assert [one.quantiles for one in more[:8]] == [one.quantiles for one in few]


@pytest.mark.parametrize("method", design.METHODS)
def test_same_seed_gives_the_same_points_and_another_seed_others(method: str) -> None:
    one, same, other = (design.points(method, 16, 3, seed, "bands") for seed in (1, 1, 2))
    assert (one == same).all()
    assert (one != other).any()
    assert ((one > 0) & (one < 1)).all()


def test_latin_hypercube_has_one_point_in_each_slice() -> None:
    cube = design.points("lhs", 32, 4, 1, "bands")
    for column in cube.T:
        assert sorted((column * 32).astype(int)) == list(range(32))


def test_first_order_of_given_data_finds_the_closed_form_without_a_design_of_its_own() -> None:
    cube = design.points("sobol", 4096, 3, 1, "bands")
    values = ishigami(cube)
    assert statistics.first_order(statistics.basis(cube[:, 0]), values) == pytest.approx(0.3139, abs=0.02)
    assert statistics.first_order(statistics.basis(cube[:, 2]), values) == pytest.approx(0.0, abs=0.02)


def test_input_without_effect_is_near_zero_on_average_also_with_few_samples() -> None:
    dice = np.random.default_rng(0)
    found = [statistics.first_order(statistics.basis(dice.random(24)), dice.normal(size=24)) for _ in range(400)]
    assert float(np.mean(found)) == pytest.approx(0.0, abs=0.02)


def test_linear_figure_divides_its_variance_by_the_squares_of_its_weights() -> None:
    cube = design.points("sobol", 2048, 3, 1, "bands")
    values = cube @ np.array([3.0, 2.0, 1.0])
    for at, weight in enumerate((3.0, 2.0, 1.0)):
        assert statistics.first_order(statistics.basis(cube[:, at]), values) == pytest.approx(weight**2 / 14, abs=0.01)
        assert statistics.direction(cube[:, at], values) > 0


def test_scenario_as_an_input_explains_what_lies_between_its_groups() -> None:
    kinds = ["a", None, "b", None] * 50
    values = np.array([10.0, 0.0, -5.0, 0.0] * 50)
    assert statistics.first_order(statistics.indicator(kinds), values) == pytest.approx(1.0)


def test_value_of_knowing_against_its_closed_form() -> None:
    """Choose 0 or x - 1/4 with x uniform on (0, 1): knowing x is worth E max(0, x - 1/4) - 1/4 = 1/32."""
    cube = design.points("sobol", 2048, 2, 1, "bands")
    worth = np.column_stack([np.zeros(2048), cube[:, 0] - 0.25 + 0.3 * (cube[:, 1] - 0.5)])
    known = statistics.value_of_knowing(statistics.basis(cube[:, 0]), worth, 1)
    assert known == pytest.approx(1 / 32, rel=0.05)
    # the other input moves worth by 0.15 at most, below the 0.25 of the mean: knowing it changes no choice
    assert statistics.value_of_knowing(statistics.basis(cube[:, 1]), worth, 1) == pytest.approx(0.0, abs=1e-3)


def test_value_of_knowing_everything_is_the_brute_force_over_samples() -> None:
    worth = np.array([[0.0, 3.0], [0.0, -2.0], [0.0, 1.0], [0.0, -6.0]])
    assert statistics.value_of_everything(worth) == pytest.approx((3 + 0 + 1 + 0) / 4 - 0.0)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(seed=st.integers(0, 10_000), shift=st.floats(-100, 100))
def test_knowing_is_never_worth_less_than_nothing_nor_more_than_everything(seed: int, shift: float) -> None:
    dice = np.random.default_rng(seed)
    cube = dice.random((64, 2))
    worth = np.column_stack([np.zeros(64), shift + 30 * (cube[:, 0] - 0.5) + dice.normal(size=64)])
    known = statistics.value_of_knowing(statistics.basis(cube[:, 0]), worth, 1)
    assert 0 <= known <= statistics.value_of_everything(worth) + 1e-9


def test_wilson_interval_is_that_of_scipy() -> None:
    for k, n in ((0, 8), (3, 8), (64, 64), (40, 128)):
        reference = stats.binomtest(k, n).proportion_ci(0.9, method="wilson")
        assert wilson(k / n, n) == pytest.approx((reference.low, reference.high), abs=1e-12)
