"""Every game with a known answer is reproduced."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from teikei.split import Game, read_game, split_file
from teikei.split.game import worths
from teikei.split.rule_shares import largest_complaint

GAMES = sorted((Path(__file__).parents[1] / "data" / "games").glob("*.json"))
NAMES = {"ECA_equal_nonseparable": "equal_nonseparable", "ACA_SCRB": "separable_cost_remaining_benefits"}


def solved(path: Path, tmp_path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    split_file(path, tmp_path / "out.json")
    return json.loads(path.read_text()), json.loads((tmp_path / "out.json").read_text())


def test_the_nine_games_are_there() -> None:
    assert len(GAMES) == 9


@pytest.mark.parametrize("path", GAMES, ids=lambda path: path.stem)
def test_reference_values_of_every_rule_are_reproduced(path: Path, tmp_path: Path) -> None:
    game, result = solved(path, tmp_path)
    compared = 0
    for name, expected in game["computed_reference"].items():
        if isinstance(expected, list):
            shares = list(result["rules"][NAMES.get(name, name)].values())
            assert shares == pytest.approx(expected, abs=6e-7), name
            compared += 1
    assert compared >= 1


@pytest.mark.parametrize("path", GAMES, ids=lambda path: path.stem)
def test_published_values_are_reproduced_within_their_tolerance(path: Path, tmp_path: Path) -> None:
    game, result = solved(path, tmp_path)
    for name, published in game["published"].items():
        shares = list(result["rules"][NAMES.get(name, name)].values())
        assert shares == pytest.approx(published["value"], abs=published["tol"]), name


@pytest.mark.parametrize("path", [p for p in GAMES if "birmingham" not in p.stem], ids=lambda path: path.stem)
def test_core_and_least_core_agree_with_the_reference(path: Path, tmp_path: Path) -> None:
    game, result = solved(path, tmp_path)
    reference = game["computed_reference"]
    assert result["core"]["nonempty"] is reference["core_nonempty"]
    assert result["core"]["least_core_epsilon"] == pytest.approx(reference["least_core_eps"], rel=1e-9)
    assert result["in_core"]["shapley"] is reference["shapley_in_core"]
    assert (result["leaves"]["shapley"] is None) is reference["shapley_in_core"]
    if reference["prenucleolus_is_imputation"]:
        assert result["rules"]["nucleolus"] == result["rules"]["prenucleolus"]


def test_every_share_of_the_airport_game_is_stable_but_a_share_by_weight_is_left_by_the_small(tmp_path: Path) -> None:
    _, result = solved(next(p for p in GAMES if p.stem == "airport_4"), tmp_path)
    assert result["in_core"] == dict.fromkeys(result["rules"], True)
    # 14 for A and B together, who alone would pay 11; with C 15 of 13; A alone 9 of 8: A+B gain most
    game = read_game(GAMES[0])
    assert isinstance(game, Game)
    complaint = largest_complaint(worths(game), np.array([-9.0, -5.0, -1.0, -3.0]))
    assert complaint == (0b011, pytest.approx(3.0))
