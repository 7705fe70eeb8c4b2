"""Rules against their definitions on small games, and against coopgame-py."""

from __future__ import annotations

import coopgame
import numpy as np
import pytest

from teikei.split import Game, rules
from teikei.split.airport import AirportType, airport_rules
from teikei.split.game import coalition_sums
from teikei.split.nucleolus import nucleolus, prenucleolus
from teikei.split.values import minimal_rights, shapley, singles, tau, utopia
from tests.split.games import game_of, players, random_worth, shapley_by_orders, sorted_complaints

CASES = [(count, seed) for count in (2, 3, 4, 5, 6) for seed in range(14)]


@pytest.mark.parametrize(("count", "seed"), CASES)
def test_shapley_is_the_mean_over_all_orders(count: int, seed: int) -> None:
    worth = random_worth(count, seed)
    assert shapley(worth) == pytest.approx(shapley_by_orders(worth), abs=1e-9)


@pytest.mark.parametrize(
    ("count", "seed"), CASES + [(8, seed) for seed in range(7)] + [(10, seed) for seed in range(7)]
)
def test_shapley_and_prenucleolus_agree_with_coopgame(count: int, seed: int) -> None:
    worth = random_worth(count, seed)
    other = coopgame.Game(worth[1:].tolist())
    scale = max(1.0, np.abs(worth).max())
    assert shapley(worth) == pytest.approx(np.array(coopgame.shapley(other)), abs=1e-9 * scale)
    assert prenucleolus(worth) == pytest.approx(np.array(coopgame.prenucleolus(other)["allocation"]), abs=1e-7 * scale)


@pytest.mark.parametrize(("count", "seed"), CASES)
def test_nucleolus_agrees_with_coopgame_where_imputations_exist(count: int, seed: int) -> None:
    worth = random_worth(count, seed)
    own = nucleolus(worth)
    if singles(worth).sum() > worth[-1]:
        assert own is None
        return
    assert own is not None
    other = np.array(coopgame.nucleolus(coopgame.Game(worth[1:].tolist()))["allocation"])
    assert own == pytest.approx(other, abs=1e-6 * max(1.0, np.abs(worth).max()))


@pytest.mark.parametrize(("count", "seed"), CASES)
def test_tau_agrees_with_coopgame_or_both_refuse(count: int, seed: int) -> None:
    worth = random_worth(count, seed)
    own = tau(worth)
    try:
        other = np.array(coopgame.tau_value(coopgame.Game(worth[1:].tolist())))
    except ValueError:
        other = None
    assert (own is None) == (other is None)
    if own is not None and other is not None:
        assert own == pytest.approx(other, abs=1e-8 * max(1.0, np.abs(worth).max()))


@pytest.mark.parametrize("seed", range(14))
def test_no_efficient_vector_nearby_has_smaller_sorted_complaints_than_the_prenucleolus(seed: int) -> None:
    worth = random_worth(4, seed)
    best = sorted_complaints(worth, prenucleolus(worth))
    rng = np.random.default_rng(seed)
    for scale in (1e-3, 1e-1, 1.0, 10.0):
        for _ in range(25):
            step = rng.standard_normal(4)
            other = sorted_complaints(worth, prenucleolus(worth) + scale * (step - step.mean()))
            first = np.flatnonzero(np.abs(other - best) > 1e-9)
            assert len(first) == 0 or other[first[0]] > best[first[0]]


def test_a_game_whose_prenucleolus_is_not_individually_rational_has_another_nucleolus() -> None:
    # v(12) = 4 of v(N) = 4 leaves player 3, who has 1 alone, with 1 in the nucleolus only
    worth = np.array([0.0, 0.0, 0.0, 10.0, 1.0, 0.0, 0.0, 4.0])
    pre, own = prenucleolus(worth), nucleolus(worth)
    assert own is not None
    assert pre[2] < 1.0 - 1e-6
    assert own[2] >= 1.0 - 1e-9
    assert own == pytest.approx([1.5, 1.5, 1.0])


def test_minimal_right_is_the_best_remainder_by_definition() -> None:
    worth = random_worth(4, 0)
    best = utopia(worth)
    for player in range(4):
        remainders = [
            worth[mask] - sum(best[other] for other in range(4) if other != player and mask >> other & 1)
            for mask in range(16)
            if mask >> player & 1
        ]
        assert minimal_rights(worth)[player] == pytest.approx(max(remainders))


@pytest.mark.parametrize("seed", range(12))
def test_closed_forms_of_airport_games_agree_with_the_coalition_table(seed: int) -> None:
    rng = np.random.default_rng(seed)
    types = [
        AirportType(f"type{index}", float(rng.integers(1, 40)), int(rng.integers(1, 4)))
        for index in range(1 + seed % 4)
    ]
    owner = [index for index, one in enumerate(types) for _ in range(one.movements)]
    costs = [types[index].cost for index in owner]
    table = np.array(
        [max((costs[i] for i in range(len(costs)) if m >> i & 1), default=0.0) for m in range(1 << len(costs))]
    )
    full = rules(Game.of(players(len(costs)), "cost", table))
    closed = airport_rules(types)
    for rule, shares in full["rules"].items():
        per_type = [closed["rules"][rule][types[index].name] for index in owner]
        assert list(shares.values()) == pytest.approx(per_type, abs=1e-7), rule
        assert closed["in_core"][rule] is full["in_core"][rule], rule
        if full["leaves"][rule]:
            assert closed["leaves"][rule]["by"] == pytest.approx(full["leaves"][rule]["by"], abs=1e-7)
    assert closed["core"]["nonempty"] is full["core"]["nonempty"] is True
    if full["core"]["least_core_epsilon"] is not None:
        assert closed["core"]["least_core_epsilon"] == pytest.approx(full["core"]["least_core_epsilon"], abs=1e-7)


def test_twenty_players_of_a_bankruptcy_game_get_the_talmud_rule() -> None:
    """Aumann and Maschler (1985): the nucleolus of a bankruptcy game is the Talmud rule, which has a closed form."""
    claims = np.random.default_rng(4).integers(1, 60, 20).astype(float)
    estate = 0.7 * claims.sum()
    weight = coalition_sums(claims)
    share = nucleolus(np.maximum(0.0, estate - (weight[-1] - weight)))
    assert share is not None
    low, high = 0.0, float(claims.max())
    for _ in range(200):  # more than half the claims: everyone loses min(claim / 2, level)
        level = (low + high) / 2
        lost = np.minimum(claims / 2, level).sum()
        low, high = (level, high) if lost < claims.sum() - estate else (low, level)
    assert share == pytest.approx(claims - np.minimum(claims / 2, level), abs=1e-6)


def test_cost_and_profit_of_the_same_game_mirror_each_other() -> None:
    worth = random_worth(4, 2)
    cost, profit = rules(game_of(worth, "cost")), rules(game_of(worth, "profit"))
    for rule, shares in profit["rules"].items():
        mirrored = cost["rules"][rule]
        assert shares == pytest.approx({name: -value for name, value in mirrored.items()}), rule
    assert cost["leaves"] == profit["leaves"]
    assert cost["core"] == profit["core"]
