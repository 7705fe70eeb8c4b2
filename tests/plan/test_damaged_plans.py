"""Plans damaged on purpose are refused when they are priced, with what is wrong in the study's words."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

import teikei.plan as plan
from teikei.errors import NoPlanError
from teikei.plan.decisions import Decisions
from teikei.plan.price import price
from teikei.plan.read import read_facts
from teikei.plan.scope import Item, Scope
from teikei.plan.sources import Source, of_offer, of_plant
from tests.plan.small import plant_study, small, two_companies

Awards = dict[tuple[Item, Source, int], float]


def moved(source: Source, other: Source, share: float) -> Callable[[Awards], Awards]:
    """A share of what is bought from one source bought from another."""

    def move(awards: Awards) -> Awards:
        found: Awards = {}
        for (item, name, year), pieces in awards.items():
            away = pieces * share if name == source else 0.0
            for key, amount in (((item, name, year), pieces - away), ((item, other, year), away)):
                if amount > 0:
                    found[key] = found.get(key, 0.0) + amount
        return found

    return move


def scaled(factor: float) -> Callable[[Awards], Awards]:
    return lambda awards: {key: pieces * factor for key, pieces in awards.items()}


NEAR, FAR = of_offer("NS"), of_offer("FS")
CAPACITY = [{"site": "Far CN", "from_year": 2027, "capacity": 21_000.0, "unit": "pieces"}]
SHARE = [{"rule": "max_share_per_item", "scope": "*", "value": "0.7"}]
LOCAL = [{"rule": "local_supply", "scope": "class:e-axle&country:JP", "value": "0.3"}]
TWO = [{"rule": "min_suppliers_per_class", "scope": "class:e-axle", "value": "2"}]
EXCLUDED = [{"rule": "exclude_supplier", "scope": "supplier:Far", "value": "Ann"}]
OWN = of_plant("Own", "Ann")
NEVER = "offer:FL in 2027, which may not serve it"
DAMAGE: dict[str, tuple[dict[str, Any], Callable[[Awards], Awards], str]] = {
    "phantom units": ({}, scaled(1.01), "are 30300 pieces, the cars need 30000"),
    "capacity exceeded": ({"capacities": CAPACITY}, moved(NEAR, FAR, 1.0), "pieces are awarded to Far CN in 2027"),
    "a share above the rule": ({"rules": SHARE}, moved(NEAR, FAR, 0.5), "Far makes 25,500 of S in 2027"),
    "too little from home": ({"rules": LOCAL}, moved(NEAR, FAR, 0.5), "4,500 of 30,000 e-axle that Ann takes in JP"),
    "one supplier where two are asked for": ({"rules": TWO}, moved(NEAR, FAR, 1.0), "Ann buys e-axle from 1"),
    "a supplier that is excluded": ({"rules": EXCLUDED}, moved(NEAR, FAR, 1.0), "offer:FS in 2027, which may not"),
    "an offer for another module": ({}, moved(FAR, of_offer("FL"), 1.0), NEVER),
    "a plant nobody built": ({}, moved(FAR, OWN, 1.0), "plant:Own at Ann in 2027, which may not serve it"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_a_damaged_plan_is_refused_with_what_is_wrong(name: str) -> None:
    tables, damage, expected = DAMAGE[name]
    study, catalogue, performance = small(two_companies(**tables), {"A1": [{"front": "S"}], "B1": [{"front": "L"}]})
    found = plan.solve(study, catalogue, performance, gap=1e-6).by_key[("Ann", "alone")]
    decisions = found.decisions["decisions"]
    assert isinstance(decisions, Decisions)
    reserved = found.decisions["reserved"]
    scope = Scope(read_facts(study, catalogue, performance), "Ann", "alone", ("Ann",), reserved)
    assert price(scope, decisions).value == pytest.approx(found.value, rel=1e-12)
    with pytest.raises(NoPlanError, match=r"Awards|This plan") as caught:
        price(scope, replace(decisions, awards=damage(dict(decisions.awards))))
    assert expected in str(caught.value)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda d: replace(d, plants=()), "would deliver 1 GWh in 2028, it can 0"),
        (lambda d: replace(d, plants=(*d.plants, d.plants[0])), "is built twice"),
        (lambda d: replace(d, plants=(("Ann", "Own", 9.0, 2028),)), "with 9 GWh from 2028 on cannot be built so"),
        (lambda d: replace(d, awards=moved(of_offer("K"), OWN, 1.0)(dict(d.awards))), "would deliver 1.5 GWh"),
        (lambda d: replace(d, expansions=(("Ann", "Near JP", 2027, 5.0),)), "is not on offer, or paid twice"),
    ],
    ids=["not built", "built twice", "a size not offered", "more than it can make", "an expansion not offered"],
)  # fmt: skip
def test_plants_and_expansions_are_held_to_what_is_on_offer(
    change: Callable[[Decisions], Decisions], expected: str
) -> None:
    study, catalogue, performance = plant_study(step=1.0)  # a plant that pays, and no other source from its second year
    found = plan.solve(study, catalogue, performance, gap=1e-7).by_key[("Ann", "alone")]
    decisions = found.decisions["decisions"]
    assert isinstance(decisions, Decisions)
    assert decisions.plants == (("Ann", "Own", 1.0, 2028),)
    scope = Scope(read_facts(study, catalogue, performance), "Ann", "alone", ("Ann",))
    with pytest.raises(NoPlanError) as caught:
        price(scope, change(decisions))
    assert expected in str(caught.value)


def test_every_award_carries_the_price_of_the_tier_that_its_table_reaches() -> None:
    """From the awards table alone: pieces of a drawing group, offer and year added up, tiers looked up."""
    study, catalogue, performance = small(
        two_companies(rebates=[{"supplier": "Far", "spend_from": 4_000.0, "rebate": 0.05}])
    )
    plans = plan.solve(study, catalogue, performance, gap=1e-6)
    tiers: dict[str, list[tuple[float, float]]] = {}
    for row in study["tiers"].iter_rows(named=True):
        tiers.setdefault(f"offer:{row['offer']}", []).append((row["from_quantity"], row["unit_price"]))
    for found in plans.by_key.values():
        awards = found.tables["awards"].to_dicts()
        total: dict[tuple[Any, ...], float] = {}
        for row in awards:
            key = (row["price_basis"], row["drawing_group"], row["year"])
            total[key] = total.get(key, 0.0) + row["quantity"]
        for row in awards:
            quantity = total[(row["price_basis"], row["drawing_group"], row["year"])]
            reached = [step for step in sorted(tiers[row["price_basis"]]) if quantity >= step[0] * (1 - 1e-6)][-1]
            assert (row["tier_from"], row["unit_price"]) == pytest.approx(reached)
            paid = row["quantity"] * (row["unit_price"] - row["rebate"]) / 1e6
            assert row["spend_undiscounted"] == pytest.approx(paid, rel=1e-12)
