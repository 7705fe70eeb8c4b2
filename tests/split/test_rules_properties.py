"""What every rule promises, on seeded random games."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from teikei.split import rules
from teikei.split.game import Vector, coalition_sizes, coalition_sums, tolerance
from teikei.split.nucleolus import prenucleolus_and_least_core
from teikei.split.rule_shares import ADDITIVE_RULES, RULES, largest_complaint, shares_of_all_rules
from teikei.split.values import shapley
from tests.split.games import game_of, random_worth

COVARIANT = tuple(rule for rule in RULES if rule != "proportional_to_standalone")
quick = settings(derandomize=True, max_examples=40, deadline=None)
sizes = st.integers(2, 6)
seeds = st.integers(0, 10_000)


def is_convex(worth: Vector) -> bool:
    """Whether joining a larger coalition always adds at least as much (v(S+i+j) - v(S+i) >= v(S+j) - v(S)).

    Shapley, L.S. (1971), Cores of convex games, Int. J. Game Theory 1:11-26: then the core holds the Shapley value.
    """
    count = len(worth).bit_length() - 1
    mask = np.arange(len(worth))
    for first in range(count):
        for second in range(first):
            low, high = 1 << second, 1 << first
            base = mask[(mask & low == 0) & (mask & high == 0)]
            if (
                worth[base | low | high] - worth[base | high] < worth[base | low] - worth[base] - tolerance(worth)
            ).any():
                return False
    return True


@quick
@given(sizes, seeds)
def test_shares_add_up_to_the_joint_value(count: int, seed: int) -> None:
    worth = random_worth(count, seed)
    for rule, share in shares_of_all_rules(worth)[0].items():
        if share is not None:
            assert share.sum() == pytest.approx(worth[-1], abs=1e-8 * max(1.0, np.abs(worth).max())), rule


@quick
@given(sizes, seeds)
def test_interchangeable_players_get_the_same(count: int, seed: int) -> None:
    worth = random_worth(count, seed)
    mask = np.arange(len(worth))
    swapped = (mask & ~3) | (mask >> 1 & 1) | (mask & 1) << 1
    worth = (worth + worth[swapped]) / 2  # players 0 and 1 are now interchangeable
    for rule, share in shares_of_all_rules(worth)[0].items():
        if share is not None:
            assert share[0] == pytest.approx(share[1], abs=1e-6 * max(1.0, np.abs(worth).max())), rule


@quick
@given(sizes, seeds)
def test_a_player_that_adds_nothing_but_its_own_gets_its_own(count: int, seed: int) -> None:
    worth = random_worth(count, seed)
    mask = np.arange(len(worth))
    worth = worth[mask & ~1] + 7.0 * (mask & 1)  # player 0 is a dummy
    shares = shares_of_all_rules(worth)[0]
    for rule in ("shapley", "prenucleolus", "tau"):
        share = shares[rule]
        if share is not None:
            assert share[0] == pytest.approx(7.0, abs=1e-6 * max(1.0, np.abs(worth).max())), rule


@quick
@given(sizes, seeds, st.floats(0.1, 20.0))
def test_scaling_and_shifting_values_scales_and_shifts_shares(count: int, seed: int, factor: float) -> None:
    worth = random_worth(count, seed)
    shift = np.random.default_rng(seed).integers(-20, 20, count).astype(float)
    before, after = shares_of_all_rules(worth)[0], shares_of_all_rules(factor * worth + coalition_sums(shift))[0]
    scale = factor * max(1.0, np.abs(worth).max()) + np.abs(shift).max()
    for rule in COVARIANT:
        left, right = before[rule], after[rule]
        assert (left is None) == (right is None), rule
        if left is not None and right is not None:
            assert right == pytest.approx(factor * left + shift, abs=1e-6 * scale), rule


@quick
@given(sizes, seeds)
def test_renaming_players_renames_shares(count: int, seed: int) -> None:
    worth = random_worth(count, seed)
    order = np.random.default_rng(seed).permutation(count)
    mask = np.arange(len(worth))
    renamed = sum((mask >> int(order[new]) & 1) << new for new in range(count))
    moved = np.empty_like(worth)
    moved[renamed] = worth
    before, after = shares_of_all_rules(worth)[0], shares_of_all_rules(moved)[0]
    for rule in RULES:
        left, right = before[rule], after[rule]
        assert (left is None) == (right is None), rule
        if left is not None and right is not None:
            assert right == pytest.approx(left[order], abs=1e-6 * max(1.0, np.abs(worth).max())), rule


@quick
@given(sizes, seeds)
def test_convex_games_have_shapley_and_nucleolus_in_the_core(count: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    worth = coalition_sums(rng.integers(0, 9, count).astype(float)) + rng.random() * coalition_sizes(count) ** 2
    worth += coalition_sums(rng.random(count)) ** 2
    assert is_convex(worth)
    result = rules(game_of(worth))
    assert result["core"]["nonempty"]
    assert result["in_core"]["shapley"]
    assert result["in_core"]["nucleolus"]
    assert result["leaves"]["shapley"] is None


@quick
@given(sizes, seeds)
def test_the_prenucleolus_is_in_the_core_exactly_when_there_is_one(count: int, seed: int) -> None:
    worth = random_worth(count, seed)
    result = rules(game_of(worth))
    assert result["in_core"]["prenucleolus"] is result["core"]["nonempty"]
    share = np.array(list(result["rules"]["prenucleolus"].values()))
    worst = (worth - coalition_sums(share))[1:-1].max()
    assert worst == pytest.approx(result["core"]["least_core_epsilon"], abs=1e-6 * max(1.0, np.abs(worth).max()))


@quick
@given(seeds)
def test_two_players_split_the_saving_equally_under_every_saving_rule(seed: int) -> None:
    rng = np.random.default_rng(seed)
    alone = rng.integers(1, 900, 2).astype(float)
    worth = np.array([0.0, alone[0], alone[1], alone.sum() + rng.integers(1, 300)])
    half = alone + (worth[3] - alone.sum()) / 2
    for rule, share in shares_of_all_rules(worth)[0].items():
        if rule != "proportional_to_standalone":
            assert share == pytest.approx(half, abs=1e-6), rule


@quick
@given(sizes, seeds, seeds)
def test_rules_called_additive_are_additive(count: int, first: int, second: int) -> None:
    one, two = random_worth(count, first), random_worth(count, second)
    parts = [shares_of_all_rules(worth)[0] for worth in (one, two, one + two)]
    for rule in ADDITIVE_RULES:
        assert parts[2][rule] == pytest.approx(parts[0][rule] + parts[1][rule], abs=1e-6), rule


def test_the_nucleolus_is_not_additive_and_is_not_called_so() -> None:
    one, two = random_worth(4, 0), random_worth(4, 7)
    parts = [shares_of_all_rules(worth)[0]["prenucleolus"] for worth in (one, two, one + two)]
    assert np.abs(parts[2] - parts[0] - parts[1]).max() > 1.0
    assert "nucleolus" not in ADDITIVE_RULES


@quick
@given(sizes, seeds)
def test_a_larger_contribution_never_lowers_the_shapley_value(count: int, seed: int) -> None:
    worth = random_worth(count, seed)
    mask = np.arange(len(worth))
    better = worth + np.where(mask & 1, np.random.default_rng(seed).random(len(worth)), 0.0)
    assert shapley(better)[0] >= shapley(worth)[0] - 1e-9


@quick
@given(sizes, seeds)
def test_the_coalition_that_leaves_gains_what_is_said(count: int, seed: int) -> None:
    worth = random_worth(count, seed)
    share = shapley(worth)
    complaint = largest_complaint(worth, share)
    excess = (worth - coalition_sums(share))[1:-1]
    if complaint is None:
        assert excess.max() <= 1e-6 * max(1.0, np.abs(worth).max())
    else:
        assert complaint[1] == pytest.approx(excess.max())
        assert worth[complaint[0]] - coalition_sums(share)[complaint[0]] == pytest.approx(complaint[1])


def test_tau_and_proportional_shares_that_are_not_defined_are_none_with_a_note() -> None:
    result = rules(game_of(np.array([0.0, 0, 0, 1, 0, 1, 1, 1])))  # majority of three: empty core
    assert result["rules"]["tau"] is None
    assert "quasi-balanced" in result["notes"]["tau"]
    assert result["rules"]["proportional_to_standalone"] is None
    assert not result["core"]["nonempty"]
    assert result["core"]["least_core_epsilon"] == pytest.approx(1 / 3)
    assert result["leaves"]["shapley"] == {"coalition": "A,B", "by": pytest.approx(1 / 3)}


def test_the_nucleolus_without_imputations_is_none_with_a_note() -> None:
    result = rules(game_of(np.array([0.0, 5.0, 5.0, 8.0])))
    assert result["rules"]["nucleolus"] is None
    assert "imputation" in result["notes"]["nucleolus"]
    assert result["rules"]["prenucleolus"] == pytest.approx({"A": 4.0, "B": 4.0})


def test_one_player_keeps_its_value() -> None:
    result = rules(game_of(np.array([0.0, 5.0])))
    assert all(share == {"A": 5.0} for share in result["rules"].values())
    assert result["core"] == {"nonempty": True, "least_core_epsilon": None}


@pytest.mark.parametrize("factor", [1e-6, 1.0, 1e9])
def test_the_least_core_does_not_depend_on_the_unit_of_money(factor: float) -> None:
    worth = random_worth(4, 0)
    found, once = (prenucleolus_and_least_core(unit * worth)[1] for unit in (factor, 1.0))
    assert found == pytest.approx(factor * float(once or 0.0), rel=1e-7)
