"""Incremental prices and rebates, tier pools, minimum orders, take-or-pay, bundles, index clauses.

The program's optimum is the exact price, and no plan on a grid of all designs and splits is cheaper.
"""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest

import teikei.plan as plan
from teikei.errors import StudyError
from teikei.plan.bill import tier_price
from teikei.plan.decisions import Decisions
from teikei.plan.price import need, price
from teikei.plan.read import read_facts
from teikei.plan.scope import Scope
from tests.plan.small import small, two_companies

SHORT = {"last_year": 2028}
APART = {"A1": [{"front": "S"}], "B1": [{"front": "L"}]}
CHEAP = [
    {
        "family": name,
        "class": "e-axle",
        "nre": 40.0,
        "tooling": 10.0,
        "application_nre": 5.0,
        "application_tooling": 0.0,
    }
    for name in ("FS", "FL")
]


def offers(**more: Any) -> list[dict[str, Any]]:
    """The offers of ``two_companies`` with further columns; a dict by supplier, or one value for all."""
    rows = []
    for row in two_companies()["offers"]:
        extra = {name: value.get(row["supplier"]) if isinstance(value, dict) else value for name, value in more.items()}
        rows.append({**row, **{name: value for name, value in extra.items() if value is not None}})
    return rows


def cheapest_on_a_grid(scope: Scope, fractions: tuple[float, ...]) -> float:
    """Least exact price over all drawings and over splits of every item and year between its two sources."""
    best = math.inf
    places = list(scope.options)
    for options in itertools.product(*(scope.options[place] for place in places)):
        modules = dict(zip(places, options, strict=True))
        bare = Decisions(modules, dict.fromkeys(scope.slots, 0), {}, ())
        wanted = need(scope, bare)
        for split in itertools.product(fractions, repeat=len(wanted)):
            awards = {}
            for ((item, year), pieces), part in zip(wanted.items(), split, strict=True):
                one, other = scope.sources(item, year)
                for source, share in ((one, part), (other, 1.0 - part)):
                    if share > 0:
                        awards[(item, source, year)] = pieces * share
            best = min(best, price(scope, Decisions(modules, bare.candidate, awards, ())).value)
    return best


CASES: dict[str, tuple[dict[str, Any], dict[str, Any] | None, tuple[float, ...]]] = {
    "incremental prices": ({"offers": offers(discount_kind="incremental")}, None, (0.0, 0.5, 1.0)),
    "incremental rebates": (
        {"rebates": [{"supplier": "Near", "spend_from": start, "rebate": rate, "kind": "incremental"}
                     for start, rate in ((1_000.0, 0.1), (4_000.0, 0.3))]},
        APART, (0.0, 0.5, 1.0),
    ),
    "one tier pool for two sizes": ({"offers": offers(tier_pool="line")}, APART, (0.0, 0.5, 1.0)),
    "minimum orders": ({"offers": offers(minimum_quantity={"Far": 36_000.0})}, APART, (0.0, 0.1, 0.5, 1.0)),
    "take or pay over two years": (
        {"offers": offers(take_or_pay_quantity={"Far": 66_000.0}, take_or_pay_share=0.3)}, APART, (0.0, 0.5, 0.9, 1.0)
    ),
    "local content of the whole car": (
        {"programmes": [{**row, "car_value": 3e6} for row in two_companies()["programmes"]],
         "local_content": [{"origins": ["JP"], "plant_country": "JP", "region": "JP", "part": "car", "from_year": 2027,
                            "minimum": 0.98, "penalty": 0.01}]},
        APART, (0.0, 0.5, 1 - 60 / 90, 1 - 60 / 99, 1.0),
    ),
    "bundle of two offers": (
        {"bundles": [{"bundle": "both", "offers": ["NS", "NL"], "minimum_quantity": 20_000.0, "rebate": 0.2}]},
        APART, (0.0, 0.5, 1.0),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("rung", ["alone", "components", "powertrain"])
def test_no_plan_on_the_grid_is_cheaper_and_the_program_proves_the_exact_price(name: str, rung: str) -> None:
    tables, choices, fractions = CASES[name]
    study, catalogue, performance = small(two_companies(families=CHEAP, **tables), choices, SHORT)
    plans = plan.solve(study, catalogue, performance, rungs=(rung,), gap=1e-7)
    found = plans.by_key[("Ann+Bob", rung)]
    scope = Scope(read_facts(study, catalogue, performance), "Ann+Bob", rung, ("Ann", "Bob"))
    assert found.value <= cheapest_on_a_grid(scope, fractions) * (1 + 1e-9)
    assert found.bound == pytest.approx(found.value, rel=1e-8)


@pytest.mark.parametrize("name", CASES)
def test_each_term_changes_the_plan_of_some_rung(name: str) -> None:
    tables, choices, _ = CASES[name]
    with_it = plan.solve(*small(two_companies(families=CHEAP, **tables), choices, SHORT), gap=1e-7)
    without = plan.solve(*small(two_companies(families=CHEAP), choices, SHORT), gap=1e-7)
    changes = [abs(with_it.by_key[key].value - one.value) for key, one in without.by_key.items()]
    assert max(changes) > 1.0


def test_an_incremental_price_is_the_average_of_its_parts() -> None:
    """100,000 up to 50,000 pieces, 95,000 beyond: 80,000 pieces cost 98,125 on average."""
    study, catalogue, performance = small(two_companies(offers=offers(discount_kind="incremental")))
    offer = read_facts(study, catalogue, performance).offers["NS"]
    assert tier_price(offer, 2027, 80_000.0) == (1, pytest.approx(98_125.0))
    assert tier_price(offer, 2027, 50_000.0) == (1, pytest.approx(100_000.0))
    assert tier_price(offer, 2027, 10_000.0) == (0, pytest.approx(100_000.0))


def test_an_order_below_the_minimum_pays_for_the_minimum() -> None:
    """Only Far sells: 30,000 cars a year against a minimum of 45,000 pay 15,000 pieces that are not delivered."""
    tables = two_companies(
        families=CHEAP, offers=offers(minimum_quantity=45_000.0),
        rules=[{"rule": "exclude_supplier", "scope": "supplier:Near", "value": "yes"}],
    )  # fmt: skip
    found = plan.solve(*small(tables, APART, SHORT), gap=1e-7).by_key[("Ann", "alone")]
    costs = found.tables["cost_breakdown"]
    paid = costs.filter(costs["item"] == "shortfall")["value"].sum()
    discounts = sum(1.05 ** -(year + 0.5 - 2026) for year in (2027, 2028))
    assert paid == pytest.approx(15_000 * 90_000 / 1e6 * discounts, rel=1e-12)
    assert found.bound == pytest.approx(found.value, rel=1e-8)


def test_units_not_taken_over_the_years_are_paid_at_the_end() -> None:
    tables = two_companies(
        families=CHEAP, offers=offers(take_or_pay_quantity=70_000.0, take_or_pay_share=0.4),
        rules=[{"rule": "exclude_supplier", "scope": "supplier:Near", "value": "yes"}],
    )  # fmt: skip
    plans = plan.solve(*small(tables, APART, SHORT), gap=1e-7)
    ann, bob = (plans.by_key[(name, "alone")].tables["cost_breakdown"] for name in ("Ann", "Bob"))
    owed = ann.filter(ann["item"] == "take_or_pay")
    assert owed["value"].to_list() == pytest.approx([10_000 * 90_000 * 0.4 / 1e6 * 1.05**-2.5], rel=1e-12)
    assert owed["year"].to_list() == [2028]
    assert bob.filter(bob["item"] == "take_or_pay").is_empty()


def test_foreign_parts_up_to_the_limit_of_a_whole_car_rule_cost_no_penalty() -> None:
    """2 % of 3 million may be foreign: 60,000 of the 90,000 that Far's e-axle S is worth, two cars in three."""
    tables, _, _ = CASES["local content of the whole car"]
    found = plan.solve(*small(two_companies(families=CHEAP, **tables), APART, SHORT), gap=1e-7).by_key[("Ann", "alone")]
    awards = found.tables["awards"]
    far = awards.filter((awards["supplier"] == "Far") & (awards["year"] == 2027))["quantity"].sum()
    assert far == pytest.approx(20_000, rel=1e-6)
    costs = found.tables["cost_breakdown"]
    assert costs.filter(costs["item"] == "local_content").is_empty()


ONLY_NEAR = [{"rule": "exclude_supplier", "scope": "supplier:Far", "value": "yes"}]
FIFTY = [{"site": "Near JP", "from_year": 2027, "capacity": 50_000.0, "unit": "pieces"}]
STEPS = [
    {"site": "Near JP", "from_year": 2027, "capacity": capacity, "cost": cost}
    for capacity, cost in ((8_000.0, 5.0), (12_500.0, 9.0), (40_000.0, 20.0))
]


@pytest.mark.parametrize("rung", ["alone", "components", "powertrain"])
def test_a_site_is_expanded_by_the_cheapest_steps_that_are_enough(rung: str) -> None:
    """70,000 cars a year, 50,000 free: steps of 8,000 and 12,500 for 14 million, paid in 2026."""
    tables = two_companies(families=CHEAP, rules=ONLY_NEAR)
    wide = plan.solve(*small(tables, APART, SHORT), rungs=(rung,), gap=1e-7)
    scarce = {**tables, "capacities": FIFTY, "expansions": STEPS}
    found = plan.solve(*small(scarce, APART, SHORT), rungs=(rung,), gap=1e-7)
    merged = {**scarce, "expansions": [{"site": "Near JP", "from_year": 2027, "capacity": 20_500.0, "cost": 14.0}]}
    same = plan.solve(*small(merged, APART, SHORT), rungs=(rung,), gap=1e-7)
    paid = 14.0 * 1.05**-0.5
    assert same.value("Ann+Bob", rung) == pytest.approx(wide.value("Ann+Bob", rung) + paid, rel=1e-9)
    one = found.by_key[("Ann+Bob", rung)]
    assert one.value == pytest.approx(same.value("Ann+Bob", rung), rel=1e-9)
    assert one.value * (1 - 1e-4) <= one.bound <= one.value * (1 + 1e-9)  # the baseline is not proven further


def test_expansions_are_paid_by_who_needs_them_and_values_of_blocs_add_up() -> None:
    tables = two_companies(families=CHEAP, rules=ONLY_NEAR, capacities=FIFTY)
    study, catalogue, performance = small(
        {**tables, "expansions": [{"site": "Near JP", "from_year": 2027, "capacity": 25_000.0, "cost": 14.0}]},
        APART, SHORT,
    )  # fmt: skip
    plans = plan.solve(study, catalogue, performance, gap=1e-7)
    costs = [plans.by_key[(name, "alone")].tables["cost_breakdown"] for name in ("Ann", "Bob")]
    paid = [one.filter(one["item"] == "expansion")["value"].sum() for one in costs]
    assert sorted(paid) == pytest.approx([0.0, 14.0 * 1.05**-0.5], rel=1e-12)
    together = plans.value("Ann", "alone") + plans.value("Bob", "alone")
    assert together == pytest.approx(plans.value("Ann+Bob", "alone"), rel=1e-12)
    again = plan.reprice(study, catalogue, plans.by_key[("Ann+Bob", "powertrain")], study["volumes"])
    assert again.value == pytest.approx(plans.value("Ann+Bob", "powertrain"), rel=1e-12)
    assert not any("would deliver" in message for message in again.messages)


def test_expanding_an_unlimited_site_is_refused() -> None:
    with pytest.raises(StudyError, match="capacity of Near JP is unlimited"):
        plan.solve(*small(two_companies(expansions=STEPS[:1])))


def test_part_of_a_price_follows_its_index() -> None:
    """30 % follows lithium, 10 % nickel: 2027 1 + 0.3 (1.2 - 1) + 0.1 (0.5 - 1) = 1.01."""
    paths = [
        {"path": path, "year": year, "factor": factor}
        for path, factor in (("lithium", 1.2), ("nickel", 0.5))
        for year in range(2027, 2031)
    ]
    clause = {"index_paths": ["lithium", "nickel"], "index_shares": ["0.3", "0.1"]}
    study, catalogue, performance = small(two_companies(price_paths=paths, offers=offers(**{
        name: {"Near": value} for name, value in clause.items()
    })))  # fmt: skip
    found = read_facts(study, catalogue, performance).offers
    assert found["NS"].price[2027] == pytest.approx((101_000.0, 95_950.0))
    assert found["FS"].price[2027] == pytest.approx((90_000.0, 85_500.0))


def test_levers_still_add_up_with_every_term_in_force() -> None:
    tables = {
        **CASES["incremental rebates"][0], **CASES["bundle of two offers"][0],
        "offers": offers(minimum_quantity={"Far": 36_000.0}, take_or_pay_quantity={"Near": 90_000.0}, tier_pool="line"),
    }  # fmt: skip
    plans = plan.solve(*small(two_companies(families=CHEAP, **tables), None, SHORT), gap=1e-6)
    total = plans.savings.filter(plans.savings["method"] == "shapley")["value"].sum()
    assert total == pytest.approx(plans.value("Ann+Bob", "alone") - plans.value("Ann+Bob", "powertrain"), rel=1e-7)


@pytest.mark.parametrize(
    ("tables", "expected"),
    [
        ({"bundles": [{"bundle": "b", "offers": ["NS", "FS"], "rebate": 0.1}]}, "must name offers of one supplier"),
        ({"bundles": [{"bundle": "b", "offers": ["NS", "QQ"], "rebate": 0.1}]}, "names an offer that nobody can buy"),
        ({"offers": offers(tier_pool="line", discount_kind="incremental")}, "no definite last unit"),
        (
            {"offers": offers(tier_pool="line"),
             "tiers": [*two_companies()["tiers"], {"offer": "NS", "from_quantity": 9e4, "unit_price": 1.0}]},
            "share tier pool line but their tiers start elsewhere",
        ),
    ],
    ids=["two suppliers", "unknown offer", "incremental pool", "other starts"],
)  # fmt: skip
def test_terms_that_cannot_be_read_are_refused(tables: dict[str, Any], expected: str) -> None:
    with pytest.raises(StudyError, match=expected):
        plan.solve(*small(two_companies(**tables)))
