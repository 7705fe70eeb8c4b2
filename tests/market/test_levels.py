"""The level of the EV share: interpolated over paths as solved, and steady where another seed draws."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from teikei.market import fit, scene
from teikei.market.adoption import spread_normal
from teikei.market.fit import calibrate
from teikei.market.levels import level_band, levels
from teikei.market.questions import band
from teikei.market.respond import price_and_sell
from teikei.market.scene import scenes, walks
from teikei.report.formatting import MISSING, two_digits
from tests.market.small_japan import study

SMALL = study(settings={"first_year": 2026, "last_year": 2029})


def baseline(draws):
    line, _ = scenes(SMALL, calibrate(SMALL, draws=draws))
    return [price_and_sell(one) for one in line]


@pytest.fixture(scope="module")
def solved():
    return baseline(12)


def test_units_between_the_nodes_are_those_of_a_market_solved_there(solved):
    sets, paths, seed = len(solved[0].units) - 1, 3, (7,)
    found = levels(solved, paths=paths, seed=seed)[-1]
    noise = spread_normal(np.random.default_rng(seed), sets * paths + 1, len(solved))
    first, last = solved[0].scene, solved[-1].scene
    walk = walks(first.home.country, first.year, noise)[-1, 1:]
    assert found.ev_share[0] == solved[-1].ev_share[0]
    for path in range(paths):
        own = slice(1 + path * sets, 1 + (path + 1) * sets)
        at = walk[path * sets : (path + 1) * sets]
        shift = np.concatenate([[0.0], (at - last.walk[1:]) / last.response[1:]])[:, None] * last.home.plug_in
        moved = replace(last, demand=replace(last.demand, mean=last.demand.mean + shift))
        told = price_and_sell(moved, start=solved[-1].equilibrium.price)
        assert found.ev_share[own] == pytest.approx(told.ev_share[1:], rel=0.02)
        assert np.abs(np.log(found.units[own] / told.units[1:])).max() < 0.05


def test_one_path_is_the_walk_that_each_draw_has_anyway(solved):
    for one, found in zip(solved, levels(solved, paths=1), strict=True):
        assert (found.units == one.units).all()
        assert level_band(found.ev_share, one.ev_share, one.ev_share)[::2] == pytest.approx(band(one.ev_share))


def test_the_band_of_a_case_moves_with_what_the_case_does():
    rng = np.random.default_rng(5)
    level, before = np.exp(rng.normal(-3, 1, 900)), np.exp(rng.normal(-3, 1, 40))
    same = level_band(level, before, before)
    assert same[::2] == pytest.approx(band(level))
    assert level_band(level, before, 1.1 * before) == pytest.approx([1.1 * value for value in same])


def test_the_ends_of_the_band_do_not_hang_on_the_walks(solved):
    ends = [band(levels(solved, paths=43, seed=(seed,))[-1].ev_share) for seed in range(5)]
    by_chance = [band(levels(solved, paths=2, seed=(seed,))[-1].ev_share) for seed in range(5)]
    assert len(levels(solved, paths=43)[-1].ev_share) > 512
    steady = np.log(np.array(ends)).std(axis=0)
    assert steady.max() < 0.08
    assert (steady < 0.5 * np.log(np.array(by_chance)).std(axis=0)).all()


@pytest.mark.slow
def test_the_upper_end_of_the_band_does_not_hang_on_the_seed(monkeypatch):
    ends = []
    for seed in range(4):
        monkeypatch.setattr(fit, "_SEED", (seed, 7))
        monkeypatch.setattr(scene, "_SEED", (seed, 8))
        ends.append(band(levels(baseline(64), paths=16, seed=(seed, 2))[-1].ev_share)[1])
    assert np.log(np.array(ends)).std() < 0.1


def test_two_digits():
    told = [two_digits(value) for value in (0.1593, 0.01253, 0.00096, 0.0995, 0.9961, 0.5, None)]
    assert told == ["16", "1.3", "0.096", "10", "100", "50", MISSING]
