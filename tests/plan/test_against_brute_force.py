"""The optimum of tiny studies against the enumeration of every design, group and source."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

import teikei.plan as plan
from teikei.plan.decisions import Decisions
from teikei.plan.price import need, price
from teikei.plan.read import read_facts
from teikei.plan.scope import Scope
from tests.plan.small import RUNGS, rung_rows, small, two_companies


def cheapest_by_enumeration(scope: Scope) -> float:
    """Least exact price over all drawings per slot and all single sources per item and year.

    Without capacities a single source per drawing group and year is enough: all-units prices fall with quantity.
    """
    places = list(scope.options)
    best = float("inf")
    for options in itertools.product(*(scope.options[place] for place in places)):
        modules = dict(zip(places, options, strict=True))
        bare = Decisions(modules, dict.fromkeys(scope.slots, 0), {}, ())
        wanted = need(scope, bare)
        years = sorted({year for _, year in wanted})
        awards: dict[Any, float] = {}
        for year in years:  # years are independent: no cost of changing source in these studies
            keys = [key for key in wanted if key[1] == year]
            found = (float("inf"), None)
            for sources in itertools.product(*(scope.sources(*key) for key in keys)):
                trial = {
                    (item, source, when): wanted[(item, when)]
                    for (item, when), source in zip(keys, sources, strict=True)
                }
                cost = bill(scope, modules, trial, year)
                if cost < found[0]:
                    found = (cost, trial)
            assert found[1] is not None
            awards.update(found[1])
        best = min(best, price(scope, Decisions(modules, bare.candidate, awards, ())).value)
    return best


def bill(scope: Scope, modules: Any, trial: dict[Any, float], year: int) -> float:
    """Purchase bill of one year, million undiscounted, from the lines' all-in unit cost."""
    from teikei.plan.bill import price_lines

    lines = price_lines(scope, Decisions(modules, {}, trial, ()))
    return sum(line.cost * line.pieces for line in lines if line.year == year) / 1e6


CASES: dict[str, dict[str, Any]] = {
    "plain": {},
    "sunk": {
        "families": [
            {"family": "FS", "class": "e-axle", "nre": 2_000.0, "tooling": 500.0, "application_nre": 100.0,
             "application_tooling": 0.0, "sunk_for": ["Ann"], "life_years": 6},
            {"family": "FL", "class": "e-axle", "nre": 900.0, "tooling": 200.0, "application_nre": 10.0,
             "application_tooling": 5.0},
        ]
    },
    "coordination and divergence": {
        "classes": [
            {"class": "e-axle", "k_family_nre": 0.4, "coordination_one_off": 300.0, "coordination_engineers": 5.0,
             "divergence_rate": 0.05, "warranty_share": 0.01}
        ]
    },
    "rebates": {
        "rebates": [
            {"supplier": "Near", "spend_from": 2_500.0, "rebate": 0.12},
            {"supplier": "Near", "spend_from": 6_000.0, "rebate": 0.16},
        ]
    },
    "equity": {
        "equity": [{"company": "Bob", "supplier": "Near", "share": 0.8}],
        "suppliers": [{"supplier": "Near", "operating_margin": 0.2}, {"supplier": "Far", "operating_margin": 0.1}],
    },
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("rung", RUNGS)
def test_the_plan_is_the_cheapest_of_all_designs_and_sources(case: str, rung: str) -> None:
    study, catalogue, performance = small(two_companies(**CASES[case]))
    plans = plan.solve(study, catalogue, performance, rungs=(rung,), gap=1e-6)
    facts = read_facts(study, catalogue, performance)
    scope = Scope(facts, "Ann+Bob", rung, ("Ann", "Bob"))
    assert plans.value("Ann+Bob", rung) == pytest.approx(cheapest_by_enumeration(scope), rel=1e-9)
    assert plans.by_key[("Ann+Bob", rung)].bound <= plans.value("Ann+Bob", rung) * (1 + 1e-9)


def test_stand_alone_plans_are_the_cheapest_for_each_company() -> None:
    study, catalogue, performance = small()
    plans = plan.solve(study, catalogue, performance, gap=1e-6)
    facts = read_facts(study, catalogue, performance)
    for company in ("Ann", "Bob"):
        scope = Scope(facts, company, "alone", (company,))
        assert plans.value(company, "alone") == pytest.approx(cheapest_by_enumeration(scope), rel=1e-9)


def test_configurations_that_tie_positions_are_respected() -> None:
    """Front and rear must match: the two axles cannot be picked apart although each module is feasible somewhere."""
    tied = [{"front": "S", "rear": "L"}, {"front": "L", "rear": "S"}]
    study, catalogue, performance = small(choices={"A1": tied, "B1": [{"front": "S"}]})
    plans = plan.solve(study, catalogue, performance, gap=1e-6)
    table = plans.by_key[("Ann", "alone")].tables["configurations"]
    assert sorted(table["module"].to_list()) == ["L", "S"]


def test_rungs_of_the_ladder_have_the_rules_of_the_table() -> None:
    study, catalogue, performance = small()
    facts = read_facts(study, catalogue, performance)
    assert len(rung_rows()) == 3
    assert [facts.rungs[r]["e-axle"].development_shared for r in RUNGS] == [False, False, True]
