"""Shares at every rung of a study, between blocs and inside them."""

from __future__ import annotations

from itertools import permutations, product

import coopgame
import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from teikei.split import allocate
from teikei.split.baselines import claim_shifts
from teikei.split.game import coalition_sums
from teikei.split.intervals import cost_shares, intervals
from teikei.split.owen import coalitions_needed, owen
from teikei.split.rounding import whole_units
from teikei.split.rule_shares import ADDITIVE_RULES, RULES
from teikei.split.values import shapley
from tests.split.games import random_worth
from tests.split.made_plans import BLOC, GRAND, plan, plans, three_companies, usual_plans


def amount(table: pl.DataFrame, column: str = "value", **where: str) -> float:
    found = table.filter(*(pl.col(name) == value for name, value in where.items()))
    assert found.height == 1, (where, found)
    return float(found[column][0])


def test_two_blocs_share_the_saving_equally_and_a_bloc_by_stand_alone_cost() -> None:
    result = allocate(three_companies(), usual_plans())
    for rule in ("shapley", "nucleolus", "tau", "equal_saving", "separable_cost_remaining_benefits"):
        where = {"rung": "powertrain", "rule": rule}
        assert amount(result.blocs, **where, company=BLOC, kind="saving") == pytest.approx(75.0)
        assert amount(result.shares, **where, company="Honda", kind="cost") == pytest.approx(625.0)
        assert amount(result.shares, **where, company="Nissan", kind="cost") == pytest.approx(825.0 * 2 / 3)
        assert amount(result.shares, **where, company="Mitsubishi", kind="saving") == pytest.approx(25.0)
    assert any("stand-alone cost" in note and "Nissan 66.7%" in note for note in result.notes)


def test_companies_add_up_to_the_joint_cost_at_every_evaluated_rung_and_rule() -> None:
    result = allocate(three_companies(), usual_plans())
    sums = result.shares.group_by("rung", "rule", "kind").agg(pl.col("value").sum())
    assert set(sums["rung"]) == {"components", "powertrain"}
    joint = {("components", "cost"): 1550, ("components", "saving"): 50}
    joint |= {("powertrain", "cost"): 1450, ("powertrain", "saving"): 150}
    joint |= {(rung, "saving_cash"): value for (rung, kind), value in joint.items() if kind == "saving"}
    for rung, _, kind, value in sums.iter_rows():
        assert value == pytest.approx(joint[rung, kind])


def test_a_rung_that_was_not_evaluated_has_no_shares() -> None:
    result = allocate(three_companies(), usual_plans())
    assert "battery" not in set(result.shares["rung"]) | set(result.core["rung"])


def test_intervals_are_what_the_gaps_leave_open() -> None:
    # bloc in [890, 900], joint cost in [1430, 1450]: Honda's cost (700 + joint - bloc) / 2 in [615, 630]
    result = allocate(three_companies(), usual_plans(gap=10.0))
    for rule in ("shapley", "nucleolus", "equal_saving"):
        row = {"rung": "powertrain", "rule": rule, "company": "Honda"}
        assert amount(result.shares, **row, kind="cost") == pytest.approx(625.0)
        assert amount(result.shares, "lower", **row, kind="cost") == pytest.approx(615.0)
        assert amount(result.shares, "upper", **row, kind="cost") == pytest.approx(630.0)
        assert amount(result.shares, "lower", **row, kind="saving") == pytest.approx(70.0)
        assert amount(result.shares, "upper", **row, kind="saving") == pytest.approx(85.0)


def test_without_gaps_an_interval_is_the_value() -> None:
    shares = allocate(three_companies(), usual_plans()).shares
    assert (shares["upper"] - shares["lower"]).abs().max() == pytest.approx(0.0, abs=1e-6)


def test_a_group_that_would_leave_is_named_with_its_gain_and_the_gaps_are_considered() -> None:
    study = three_companies(companies=[{"company": name} for name in ("A", "B", "C")])
    costs = {"A": 100.0, "B": 100.0, "C": 100.0}
    alone = [plan(name, "alone", cost) for name, cost in costs.items()]
    joint = [plan("A+B", "components", 120.0, 1.0), plan("A+C", "components", 195.0), plan("B+C", "components", 195.0)]
    result = allocate(study, plans(*alone, *joint, plan("A+B+C", "components", 215.0)))
    core = result.core.filter(pl.col("rule") == "equal_saving").row(0, named=True)
    assert (core["in_core"], core["leaves"], core["certain"]) == (False, "A+B", True)  # A and B pay 143, could pay 120
    assert core["leaves_by"] == pytest.approx(2 * 215 / 3 - 120)
    assert result.core["nonempty"].all()
    assert result.core.filter(pl.col("rule") == "nucleolus")["in_core"].all()


def test_a_core_verdict_inside_the_gap_is_called_uncertain() -> None:
    study = three_companies(companies=[{"company": name} for name in ("A", "B", "C")])
    alone = [plan(name, "alone", 100.0) for name in "ABC"]
    joint = [plan(pair, "components", 190.0, 15.0) for pair in ("A+B", "A+C", "B+C")]
    result = allocate(study, plans(*alone, *joint, plan("A+B+C", "components", 270.0)))
    assert result.core["in_core"].all()  # 90 each; a pair costs 190 by plan but may cost as little as 175
    assert not result.core["certain"].any()


def test_a_rung_whose_coalitions_are_not_all_solved_is_left_out_with_a_sentence() -> None:
    study = three_companies(companies=[{"company": name} for name in ("A", "B", "C")])
    made = [plan(name, "alone", 100.0) for name in "ABC"] + [plan("A+B+C", "components", 270.0)]
    result = allocate(study, plans(*made))
    assert result.shares.is_empty()
    assert "components: no shares, the plans lack A+B, A+C, B+C: solve these coalitions as well" in result.notes


def test_a_union_that_costs_more_is_said_not_hidden() -> None:
    made = [plan(BLOC, "alone", 900.0), plan("Honda", "alone", 700.0), plan(GRAND, "components", 1620.0)]
    result = allocate(three_companies(), plans(*made))
    assert any("cost 20.0 million more than alone" in note for note in result.notes)
    assert amount(result.blocs, rung="components", rule="shapley", company="Honda", kind="saving") == pytest.approx(-10)
    assert "nucleolus" not in set(result.shares["rule"])
    assert any("components, nucleolus: not defined" in note for note in result.notes)


def test_a_bloc_whose_plan_says_nothing_of_its_companies_stays_whole() -> None:
    made = [plan(BLOC, "alone", 900.0), plan("Honda", "alone", 700.0), plan(GRAND, "components", 1500.0)]
    result = allocate(three_companies(), plans(*made))
    assert set(result.shares["company"]) == {BLOC, "Honda"}
    assert any("is shown as one" in note for note in result.notes)


def test_owen_is_added_when_single_companies_are_solved_and_sums_to_the_bloc() -> None:
    single = [plan("Nissan", "alone", 650.0), plan("Mitsubishi", "alone", 340.0)]
    pairs = [plan("Nissan+Honda", "powertrain", 1250.0), plan("Honda+Mitsubishi", "powertrain", 960.0)]
    base = usual_plans()
    result = allocate(three_companies(), plans(*base.by_key.values(), *single, *pairs))
    of_owen = result.shares.filter(pl.col("rule") == "owen", pl.col("kind") == "cost", pl.col("rung") == "powertrain")
    share = dict(of_owen.select("company", "value").iter_rows())
    assert share["Honda"] == pytest.approx(625.0)
    assert share["Nissan"] + share["Mitsubishi"] == pytest.approx(825.0)
    # orders of blocs (2) x orders inside (2): Nissan adds 650, 900-340, 1250-700, 1450-960
    assert share["Nissan"] == pytest.approx((650 + 560 + 550 + 490) / 4)
    assert any("owen: not computed" in note for note in result.notes)  # rung components lacks the pairs


@pytest.mark.parametrize("seed", range(14))
def test_owen_agrees_with_coopgame_and_with_all_orders_that_keep_blocs_together(seed: int) -> None:
    worth = random_worth(5, seed)
    blocs = [("0", "1"), ("2",), ("3", "4")]
    share = owen(blocs, lambda coalition: float(worth[sum(1 << int(name) for name in coalition)]))
    total = dict.fromkeys("01234", 0.0)
    orders = 0
    for outer in permutations(blocs):
        for inner in product(*(list(permutations(bloc)) for bloc in outer)):
            orders += 1
            mask = 0
            for name in (one for bloc in inner for one in bloc):
                total[name] += worth[mask | 1 << int(name)] - worth[mask]
                mask |= 1 << int(name)
    assert share == pytest.approx({name: value / orders for name, value in total.items()}, abs=1e-9)
    other = coopgame.owen(coopgame.Game(worth[1:].tolist()), [[0, 1], [2], [3, 4]])
    assert [share[name] for name in "01234"] == pytest.approx(list(other), abs=1e-9)


def test_owen_of_singletons_is_the_shapley_value_and_needs_few_coalitions() -> None:
    worth = random_worth(4, 0)
    share = owen([(str(i),) for i in range(4)], lambda s: float(worth[sum(1 << int(name) for name in s)]))
    assert list(share.values()) == pytest.approx(shapley(worth))
    assert coalitions_needed([("N", "M"), ("H",)]) == {
        frozenset(names) for names in ("N", "M", "NM", "H", "NH", "MH", "NMH")
    }


@pytest.mark.parametrize("seed", range(6))
def test_no_costs_inside_the_gaps_give_an_additive_share_outside_its_interval(seed: int) -> None:
    rng = np.random.default_rng(seed)
    cost = coalition_sums(rng.integers(50, 90, 3).astype(float)) ** 0.9
    bound = cost - rng.random(8) * np.where(np.arange(8) > 0, 4.0, 0.0)
    found, _ = intervals(cost, bound)
    for _ in range(40):
        true = bound + rng.random(8) * (cost - bound)
        shares = cost_shares(true)
        for rule in ADDITIVE_RULES:
            (low, high), (saved_low, saved_high) = found[rule]
            saved = true[[1, 2, 4]] - shares[rule]
            assert (shares[rule] >= low - 1e-9).all()
            assert (shares[rule] <= high + 1e-9).all()
            assert (saved >= saved_low - 1e-9).all()
            assert (saved <= saved_high + 1e-9).all()
    for rule in ADDITIVE_RULES:  # and the ends are reached: no interval is wider than it must be
        corners = [np.where([pattern >> m & 1 for m in range(8)], bound, cost) for pattern in range(256)]
        reached = np.array([cost_shares(corner)[rule] for corner in corners])
        assert reached.min(0) == pytest.approx(found[rule][0][0])
        assert reached.max(0) == pytest.approx(found[rule][0][1])


def test_for_two_a_claim_moves_half_of_itself_whatever_the_rule_that_shares_the_saving() -> None:
    result = allocate(three_companies(), usual_plans())
    for rule in RULES:
        shift = amount(result.baselines, "shift", rung="powertrain", company="Honda", rule=rule)
        # joint cost x own / sum: its slope is joint cost x rival's claim / sum squared
        assert shift == pytest.approx(0.5 if rule != "proportional_to_standalone" else 1450 * 900 / 1600**2, rel=1e-5)
    assert amount(result.baselines, "claim", rung="powertrain", company=BLOC, rule="shapley") == 900.0


def test_shifts_of_additive_rules_are_their_slopes() -> None:
    cost = -random_worth(3, 0)
    for rule in ADDITIVE_RULES:
        for player in range(3):
            moved = cost.copy()
            moved[1 << player] += 5.0
            slope = (cost_shares(moved)[rule][player] - cost_shares(cost)[rule][player]) / 5.0
            assert claim_shifts(cost)[rule][player] == pytest.approx(slope)


def test_evidence_of_a_claim_counts_the_rows_it_rests_on() -> None:
    rows = [
        {"programme": "P1", "company": "Honda", "segment": "B", "body_mass_kg": 900.0, "tyre_radius_m": 0.3},
        {"programme": "P2", "company": "Nissan", "segment": "B", "body_mass_kg": 900.0, "tyre_radius_m": 0.3},
    ]
    rows[0]["confidence"] = "reported"
    result = allocate(three_companies(programmes=rows), usual_plans())
    line = result.baselines.filter(pl.col("company") == "Honda").row(0, named=True)
    assert (line["reported"], line["derived"], line["assumption"]) == (1, 0, 0)
    line = result.baselines.filter(pl.col("company") == BLOC).row(0, named=True)
    assert (line["reported"], line["derived"], line["assumption"]) == (0, 0, 1)


def test_shares_by_lever_add_up_to_the_share_of_the_saving() -> None:
    result = allocate(three_companies(), usual_plans())
    table = result.by_lever.filter(pl.col("rung") == "powertrain", pl.col("rule") == "shapley")
    honda = dict(table.filter(pl.col("company") == "Honda").select("lever", "value").iter_rows())
    assert honda == pytest.approx({"development": 65.0, "tooling": 10.0})
    assert table["value"].sum() == pytest.approx(150.0)
    assert set(result.by_lever["rule"]) == set(ADDITIVE_RULES)


def test_levers_that_do_not_add_up_are_refused_with_a_sentence() -> None:
    base = usual_plans()
    wrong = base.savings.with_columns(pl.col("value") + 1.0)
    result = allocate(three_companies(), plans(*base.by_key.values(), savings=wrong.to_dicts()))
    assert result.by_lever.is_empty()
    assert any("savings by lever are not shared" in note for note in result.notes)


@settings(derandomize=True, max_examples=60, deadline=None)
@given(st.lists(st.floats(-1e7, 1e7), min_size=1, max_size=7))
def test_whole_yen_add_up_and_are_within_one_yen(amounts: list[float]) -> None:
    names = {f"c{i}": amount for i, amount in enumerate(amounts)}
    whole = whole_units(names)
    assert abs(sum(whole.values()) - sum(amounts) * 1e6) <= 0.5 + 1e-3
    assert all(abs(whole[name] - amount * 1e6) < 1 + 1e-3 for name, amount in names.items())


def test_the_last_yen_goes_to_the_largest_remainder_then_to_the_first_named() -> None:
    assert whole_units({"A": 1 / 3, "B": 1 / 3, "C": 1 / 3}, 100) == {"A": 34, "B": 33, "C": 33}
    assert whole_units({"A": 0.104, "B": 0.507, "C": 0.389}, 100) == {"A": 10, "B": 51, "C": 39}
    assert whole_units({"A": -0.5, "B": 0.5}, 1) == {"A": 0, "B": 0}


def test_a_claim_says_how_much_of_its_purchases_rests_on_which_kind_of_price() -> None:
    awards = pl.DataFrame(
        {"item": ["E1", "E1", "E2"], "price_basis": ["offer:O1", "curve:tum", "contract"], "spend": [30.0, 50.0, 20.0]}
        | {"programme": ["P", "P", "Q"], "generation": ["G1", "G1", "G1"]}
    )
    offers = [{"offer": "O1", "supplier": "S", "confidence": "reported"}]
    existing = [{"programme": "Q", "generation": "G1", "class": "e-axle", "module": "E2", "confidence": "derived"}]
    study = three_companies(offers=offers, existing=existing)
    base = usual_plans()
    honda = plan("Honda", "alone", 700.0, tables={**base.by_key["Honda", "alone"].tables, "awards": awards})
    table = allocate(study, plans(*base.by_key.values(), honda)).baselines
    row = table.filter(pl.col("company") == "Honda").row(0, named=True)
    assert (row["bought_reported"], row["bought_derived"], row["bought_assumption"]) == pytest.approx((0.3, 0.2, 0.5))
    assert table.filter(pl.col("company") == BLOC)["bought_reported"].null_count() == 2 * 8


def test_nothing_is_split_at_the_lowest_rung() -> None:
    base = usual_plans()
    result = allocate(three_companies(), plans(*base.by_key.values(), plan(GRAND, "alone", 1600.0)))
    for table in (result.shares, result.core, result.baselines, result.blocs):
        assert "alone" not in table["rung"].to_list()
    assert not any("0.0 million more than alone" in note for note in result.notes)
