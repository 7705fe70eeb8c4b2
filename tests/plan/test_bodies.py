"""Bodies shared by twins against a slip of paper, against enumeration, and in laws."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest

import teikei.plan as plan
from teikei.errors import NoPlanError
from teikei.plan.decisions import Decisions
from teikei.plan.price import need, price
from teikei.plan.read import read_facts
from teikei.plan.scope import Scope
from tests.plan.small import RUNGS, rung_rows, small, two_companies
from tests.plan.test_joined_spend import WORTH, levers, value

NRE, FACE, TOOLING, K = 1_000.0, 250.0, 500.0, 0.2
SPENT = WORTH[2026]  # start in 2027: all that is spent before it falls into the base year
OWNERS = {"BA": ["Ann"], "BB": ["Bob"], "BJ": []}


def bodies(names: str = "BA BB BJ", **changes: Any) -> dict[str, list[dict[str, Any]]]:
    """Ann's and Bob's car are twins: a body of each, and one that both may use; no other module, no price."""
    mine = names.split()
    return two_companies(**{
        "classes": [{"class": "body", "k_family_nre": K}],
        "rungs": rung_rows(("body",)),
        "families": [
            {"family": f"F{name}", "class": "body", "nre": NRE, "tooling": TOOLING, "application_nre": FACE,
             "application_tooling": 0.0, "life_years": 4}
            for name in mine
        ],
        "modules": [
            {"module": name, "class": "body", "family": f"F{name}", "twin": "T", "available_to": OWNERS.get(name, [])}
            for name in mine
        ],
        "twins": [
            {"twin": "T", "programme": "A1", "generation": "G1", "role": "lead"},
            {"twin": "T", "programme": "B1", "generation": "G1"},
        ],
        "offers": [], "tiers": [], "trade": [], "suppliers": [], "sites": [], **changes,
    })  # fmt: skip


def solved(tables: dict[str, Any]) -> plan.Plans:
    study, catalogue, performance = small(tables, choices_of(tables), {"inventory_rate": 0.0})
    return plan.solve(study, catalogue, performance, gap=1e-7)


def choices_of(tables: dict[str, Any]) -> dict[str, list[dict[str, str]]]:
    """Programme -> bodies its company may use, as the catalogue makes them."""
    return {
        car["programme"]: [
            {"body": row["module"]}
            for row in tables["modules"]
            if not row["available_to"] or car["company"] in row["available_to"]
        ]
        for car in tables["programmes"]
    }


def carried(plans: plan.Plans, rung: str = "powertrain", coalition: str = "Ann+Bob") -> dict[str, str]:
    table = plans.by_key[(coalition, rung)].tables["configurations"]
    return dict(table.select("programme", "module").iter_rows())


def test_a_shared_body_costs_once_and_a_bit_more_and_every_car_its_brand_face() -> None:
    plans = solved(bodies())
    assert value(plans, "alone") == pytest.approx(2 * (NRE + FACE + TOOLING) * SPENT)
    assert value(plans, "powertrain") == pytest.approx((NRE * (1 + K) + TOOLING + 2 * FACE) * SPENT)
    assert carried(plans) == {"A1": "BJ", "B1": "BJ"}
    table = plans.by_key[("Ann+Bob", "powertrain")].tables["cost_breakdown"]
    items = dict(table.filter(pl.col("value") != 0).group_by("item").agg(pl.col("value").sum()).iter_rows())
    assert items == pytest.approx(
        {"nre_vehicle": NRE * (1 + K) * SPENT, "nre_brand": 2 * FACE * SPENT, "tooling": TOOLING * SPENT}
    )
    found = levers(plans, "powertrain")
    assert found["development"] == pytest.approx(NRE * (1 - K) * SPENT)
    assert found["tooling"] == pytest.approx(TOOLING * SPENT)
    assert found["variants"] == pytest.approx(0.0, abs=1e-9)


def test_no_common_body_saves_nothing_and_nobody_gets_anothers() -> None:
    plans = solved(bodies("BA BB"))
    assert value(plans, "powertrain") == pytest.approx(value(plans, "alone"), rel=1e-12)
    assert carried(plans) == {"A1": "BA", "B1": "BB"}


def test_the_work_of_a_car_with_a_body_is_the_bodys_and_not_the_programmes() -> None:
    work = [{"class": "top-hat", "item": "kei", "level": "programme", "skill": "external", "external_cost": 1e4}]
    assert value(solved(bodies(work=work)), "alone") == pytest.approx(value(solved(bodies()), "alone"), rel=1e-12)


@pytest.mark.parametrize(
    ("gap", "longest", "shares"), [(0.0, None, True), (4.0, 4.0, True), (5.0, None, False), (0.0, 3.0, False)]
)
def test_a_follower_shares_only_within_the_gap(gap: float, longest: float | None, shares: bool) -> None:
    tables = bodies()
    tables["generations"][1]["sop"] = "2028-01"
    tables["volumes"] = [r for r in tables["volumes"] if r["programme"] == "A1" or r["year"] >= 2028]
    tables["twins"][1] |= {"gap_quarters": gap, "longest_gap_quarters": longest}
    plans = solved(tables)
    assert (len(set(carried(plans).values())) == 1) is shares
    assert (value(plans, "powertrain") < value(plans, "alone") - 1.0) is shares


def test_a_follower_that_starts_before_its_lead_has_no_shared_body() -> None:
    tables = bodies()
    tables["generations"][0]["sop"] = "2028-01"
    tables["volumes"] = [r for r in tables["volumes"] if r["programme"] == "B1" or r["year"] >= 2028]
    plans = solved(tables)
    assert value(plans, "powertrain") == pytest.approx(value(plans, "alone"), rel=1e-12)


def test_all_versions_and_the_facelift_keep_one_body() -> None:
    """The cheaper body of each phase by itself would be another one; a change would cost nothing."""
    tables = bodies("BA B2 BB BJ")
    for row in tables["families"]:
        row |= {"nre": 0.0, "tooling": 0.0, "application_nre": 0.0}
    costs = {"BA": 700_000.0, "B2": 690_000.0, "BB": 600_000.0, "BJ": 800_000.0}
    for row in tables["modules"]:
        row["piece_cost"] = costs[row["module"]]
        row["available_to"] = ["Ann"] if row["module"] == "B2" else row["available_to"]
    tables["modules"][1]["earliest_year"] = 2029
    tables["generations"][0]["facelift_year"] = 2029
    study, catalogue, performance = small(tables, choices_of(tables), {"inventory_rate": 0.0})
    table = catalogue.table.with_columns(curve_price=study["modules"]["piece_cost"])
    plans = plan.solve(study, replace(catalogue, table=table), performance, gap=1e-7)
    used = plans.by_key[("Ann", "alone")].tables["configurations"]["module"].unique().to_list()
    assert used == ["BA"]
    paid = sum(30_000 * 700_000.0 / 1e6 * WORTH[year] for year in range(2027, 2031))
    assert value(plans, "alone", "Ann") == pytest.approx(paid)
    basis = plans.by_key[("Ann", "alone")].tables["awards"]["price_basis"].unique().to_list()
    assert basis == ["curve:piece_cost"]


@pytest.mark.parametrize("seed", range(6))
def test_against_enumeration(seed: int) -> None:
    """Three cars of two companies, bodies for one, two or all of them, random costs; every choice tried."""
    rng = np.random.default_rng(seed)
    tables = bodies("BA BB BJ BK")
    tables["programmes"].append({**tables["programmes"][1], "programme": "C1"})
    tables["versions"].append({"programme": "C1", "version": "std", "share": 1.0})
    tables["generations"].append({"programme": "C1", "generation": "G1", "sop": "2028-04", "eop_year": 2030})
    tables["volumes"] += [
        {**row, "programme": "C1"} for row in tables["volumes"] if row["programme"] == "B1" and row["year"] >= 2028
    ]
    tables["twins"].append(
        {"twin": "T", "programme": "C1", "generation": "G1", "gap_quarters": float(rng.choice([0, 5, 8]))}
    )
    for row in tables["families"]:
        row |= {"nre": float(rng.uniform(100, 900)), "tooling": float(rng.uniform(10, 400)),
                "application_nre": float(rng.uniform(10, 300))}  # fmt: skip
    tables["classes"][0] |= {
        "coordination_one_off": float(rng.uniform(0, 200)),
        "k_family_nre": float(rng.uniform(0, 0.5)),
    }
    study, catalogue, performance = small(tables, choices_of(tables), {"inventory_rate": 0.0})
    plans = plan.solve(study, catalogue, performance, gap=1e-7)
    facts = read_facts(study, catalogue, performance)
    for (coalition, rung), found in plans.by_key.items():
        scope = Scope(facts, coalition, rung, tuple(coalition.split("+")))
        best = float("inf")
        for options in itertools.product(*scope.options.values()):
            modules = dict(zip(scope.options, options, strict=True))
            bare = Decisions(modules, dict.fromkeys(scope.slots, 0), {}, ())
            awards = {(item, scope.sources(item, year)[0], year): n for (item, year), n in need(scope, bare).items()}
            try:
                best = min(best, price(scope, Decisions(modules, bare.candidate, awards, ())).value)
            except NoPlanError:
                continue
        assert found.value == pytest.approx(best, rel=1e-7), (coalition, rung)
    values = [plans.by_key[("Ann+Bob", rung)].value for rung in RUNGS]
    assert values == sorted(values, reverse=True)
