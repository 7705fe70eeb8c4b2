"""Fleet rules against pools worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from teikei.market import MarketInputError
from teikei.market.fleet import AT_LEAST, AT_MOST, FleetRule, clear_pools, cost_of_rule, gain_of_pooling

EUROPE = FleetRule(AT_MOST, 93.6, 95.0)  # g/km, EUR per g and car: EU cars 2025-2029
TRADED = FleetRule(AT_MOST, 93.6, 95.0, transfers=True)
# A: 1,000 cars at 120 g and 100 electric; B: 500 at 100 g and 500 electric
POOLS = {"A": ([1000, 100], [120.0, 0.0]), "B": ([500, 500], [100.0, 0.0])}
A_MISSES = 1000 * 26.4 - 100 * 93.6  # 17,040 g
B_MISSES = 500 * 6.4 - 500 * 93.6  # -43,600 g


def test_two_makers_one_over_its_target_by_hand():
    found = clear_pools(EUROPE, POOLS)
    assert found["A"].value == pytest.approx(120_000 / 1100)
    assert found["A"].missed == pytest.approx(A_MISSES)
    assert found["A"].payment == pytest.approx(95 * A_MISSES)
    assert found["A"].payment == pytest.approx(95 * (120_000 / 1100 - 93.6) * 1100)
    assert found["A"].shadow_price == 95.0
    assert (found["B"].payment, found["B"].shadow_price) == (0.0, 0.0)
    assert found["B"].missed == pytest.approx(B_MISSES)


def test_while_short_an_electric_car_is_worth_8892_and_11400_in_place_of_one_of_120_g():
    added = cost_of_rule(EUROPE, 95.0, [0.0, 120.0])
    assert -added[0] == pytest.approx(8_892.0)
    assert added[1] - added[0] == pytest.approx(11_400.0)
    before = clear_pools(EUROPE, POOLS)["A"].payment
    after = clear_pools(EUROPE, {**POOLS, "A": ([1000, 101], [120.0, 0.0])})["A"].payment
    assert before - after == pytest.approx(8_892.0)


def test_a_slack_pool_sells_only_where_the_rule_allows_and_where_somebody_is_short():
    small = {**POOLS, "B": ([500, 50], [100.0, 0.0])}  # slack 4,680 - 3,200 = 1,480 g, less than A is short of
    found = clear_pools(TRADED, small)
    assert found["B"].missed == pytest.approx(-1_480.0)
    assert found["B"].payment == pytest.approx(-95 * 1_480)
    assert found["A"].payment == pytest.approx(95 * A_MISSES)
    assert clear_pools(EUROPE, small)["B"].payment == 0.0
    flooded = clear_pools(TRADED, POOLS)  # B has more to spare than A needs: the credit is worth nothing
    assert {one.shadow_price for one in flooded.values()} == {0.0}
    assert {one.payment for one in flooded.values()} == {0.0}
    assert clear_pools(TRADED, small, sold_outside=1e6)["A"].payment == 0.0


def test_nobody_gains_from_missing_and_one_pool_pays_no_more_than_its_parts():
    rng = np.random.default_rng(4)
    for _ in range(300):
        rule = FleetRule(rng.choice([AT_MOST, AT_LEAST]), rng.uniform(20, 120), rng.uniform(0, 100), rng.random() < 0.5)
        pools = {
            name: (rng.uniform(0, 1e4, 3) * (rng.random(3) < 0.8), rng.uniform(0, 200, 3)) for name in ("A", "B", "C")
        }
        for one in clear_pools(rule, pools).values():
            if one.missed > 0:
                assert one.payment >= 0
            if one.payment < 0:
                assert rule.transfers
                assert one.missed < 0
        apart = FleetRule(rule.sense, rule.target, rule.penalty)
        assert gain_of_pooling(apart, pools, ["A", "B"]) >= -1e-6


def test_a_pool_of_two_gains_what_the_slack_of_one_saves_the_other():
    assert gain_of_pooling(EUROPE, POOLS, ["A", "B"]) == pytest.approx(95 * A_MISSES)
    half = {**POOLS, "B": ([500, 50], [100.0, 0.0])}
    assert gain_of_pooling(EUROPE, half, ["A", "B"]) == pytest.approx(95 * 1_480)
    slack = {"A": ([10], [0.0]), "B": ([10], [50.0])}
    assert gain_of_pooling(EUROPE, slack, ["A", "B"]) == 0.0


def test_a_share_of_cars_without_emissions_is_asked_for_at_least():
    """UK 2026: 33 % of cars, 12,000 GBP per car short; 1,000 cars, 200 of them electric: 130 short."""
    rule = FleetRule(AT_LEAST, 0.33, 12_000.0)
    found = clear_pools(rule, {"A": ([800, 200], [0.0, 1.0])})["A"]
    assert found.missed == pytest.approx(130.0)
    assert found.payment == pytest.approx(130 * 12_000)
    assert cost_of_rule(rule, found.shadow_price, [1.0, 0.0]) == pytest.approx([-8_040.0, 3_960.0])


def test_what_cannot_be_a_rule_or_a_pool_is_refused():
    with pytest.raises(MarketInputError, match="sense"):
        FleetRule("about", 1.0, 1.0)
    with pytest.raises(MarketInputError, match="penalty"):
        FleetRule(AT_MOST, 1.0, -1.0)
    with pytest.raises(MarketInputError, match="pool A: found negative"):
        clear_pools(EUROPE, {"A": ([-1.0], [1.0])})
    with pytest.raises(MarketInputError, match="pool A: units"):
        clear_pools(EUROPE, {"A": ([1.0, 2.0], [1.0])})
    with pytest.raises(MarketInputError, match="no pool Z"):
        gain_of_pooling(EUROPE, POOLS, ["A", "Z"])
    assert clear_pools(EUROPE, {"A": ([0.0], [1.0])})["A"].payment == 0.0
