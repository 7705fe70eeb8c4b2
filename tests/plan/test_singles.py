"""Companies taken out of their bloc: which coalitions, their exact values, and that the ladder's baseline stays."""

from __future__ import annotations

import math

import polars as pl
import pytest

import teikei.plan as plan
from teikei.plan.read import read_facts
from teikei.plan.scope import Scope
from teikei.plan.singles import coalitions_of_singles
from teikei.split import allocate
from tests.plan.small import RUNGS, small, two_companies
from tests.plan.test_against_brute_force import cheapest_by_enumeration


def bloc_of_two(**changes):  # type: ignore[no-untyped-def]
    """Ann and Bob are one bloc, Cat plans by herself."""
    base = two_companies()
    tables = {
        **base,
        "companies": [{"company": "Ann", "bloc": "AB"}, {"company": "Bob", "bloc": "AB"}, {"company": "Cat"}],
        "programmes": [*base["programmes"], {**base["programmes"][0], "programme": "C1", "company": "Cat"}],
        "versions": [*base["versions"], {"programme": "C1", "version": "std", "share": 1.0}],
        "generations": [*base["generations"], {**base["generations"][0], "programme": "C1"}],
        "volumes": [
            *base["volumes"],
            *({**row, "programme": "C1", "company": "Cat"} for row in base["volumes"] if row["programme"] == "A1"),
        ],
    }
    return {**tables, **changes}


def test_every_part_of_a_bloc_stands_alone_and_with_every_union_of_other_blocs() -> None:
    facts = read_facts(*small(bloc_of_two()))
    names = coalitions_of_singles(facts, ("Ann+Bob", "Cat"))
    assert names == [(("Ann",), ()), (("Bob",), ()), (("Ann",), ("Cat",)), (("Bob",), ("Cat",))]


def test_a_company_taken_singly_costs_what_enumeration_says_at_every_rung() -> None:
    study, catalogue, performance = small(bloc_of_two())
    plans = plan.solve(study, catalogue, performance, gap=1e-6, singles=True)
    facts = read_facts(study, catalogue, performance)
    for company in ("Ann", "Bob"):
        expected = cheapest_by_enumeration(Scope(facts, company, "alone", (company,)))
        assert [plans.value(company, rung) for rung in RUNGS] == pytest.approx([expected] * 3, rel=1e-9)
    for rung in RUNGS:
        expected = cheapest_by_enumeration(Scope(facts, "Ann+Cat", rung, ("Ann", "Cat")))
        assert plans.value("Ann+Cat", rung) == pytest.approx(expected, rel=1e-9)
    assert any("Ann, Bob taken singly cost" in sentence for sentence in plans.explanations)


def test_the_split_finds_the_owen_value_in_such_plans() -> None:
    study, catalogue, performance = small(bloc_of_two())
    plans = plan.solve(study, catalogue, performance, gap=1e-6, singles=True)
    shares = allocate(study, plans).shares.filter((pl.col("rule") == "owen") & (pl.col("rung") == "powertrain"))
    paid = shares.filter(pl.col("kind") == "cost")
    assert set(paid["company"]) == {"Ann", "Bob", "Cat"}
    assert paid["value"].sum() == pytest.approx(plans.value("Ann+Bob+Cat", "powertrain"), rel=1e-12)


def test_the_ladder_of_the_blocs_is_the_same_with_and_without_singles() -> None:
    study, catalogue, performance = small(bloc_of_two())
    without = plan.solve(study, catalogue, performance, gap=1e-6)
    with_them = plan.solve(study, catalogue, performance, gap=1e-6, singles=True)
    assert set(with_them.by_key) - set(without.by_key) == {
        (name, rung) for name in ("Ann", "Bob", "Ann+Cat", "Bob+Cat") for rung in RUNGS
    }
    for key, one in without.by_key.items():
        assert with_them.by_key[key].value == one.value
    assert with_them.savings.equals(without.savings)


def test_parts_of_a_bloc_share_what_the_bloc_is_reserved() -> None:
    """Near sells 100,000 a year: the bloc and Cat are reserved parts of it, Ann and Bob parts of the bloc's."""
    capacities = [{"site": "Near JP", "from_year": 2027, "capacity": 100_000.0, "unit": "pieces"}]
    study, catalogue, performance = small(bloc_of_two(capacities=capacities))
    plans = plan.solve(study, catalogue, performance, gap=1e-6, singles=True)
    taken = {}
    for company in ("Ann", "Bob", "Cat"):
        awards = plans.by_key[(company, "alone")].tables["awards"]
        rows = awards.filter((awards["site"] == "Near JP") & (awards["year"] == 2028))
        taken[company] = float(rows["quantity"].sum())
    assert sum(taken.values()) <= 100_000.0 + 1e-6
    assert all(math.isfinite(plans.value(name, "powertrain")) for name in ("Ann", "Ann+Cat", "Ann+Bob+Cat"))
