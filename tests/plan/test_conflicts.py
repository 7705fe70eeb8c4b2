"""Studies without a plan: what is named is in conflict, and the change proposed is enough, and only just."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import teikei.plan as plan
from teikei.errors import NoPlanError
from teikei.plan.award import award_tender, read_tender
from tests.plan.award.make import write_tender
from tests.plan.small import small, two_companies


def conflict(tables: dict[str, Any], choices: Any = None) -> str:
    with pytest.raises(NoPlanError) as caught:
        plan.solve(*small(two_companies(**tables), choices))
    return str(caught.value)


ONLY_S = {"A1": [{"front": "S"}], "B1": [{"front": "S"}]}


def test_a_car_whose_only_module_comes_too_late_is_named() -> None:
    modules = [{**row, "earliest_year": 2029} if row["module"] == "L" else row for row in two_companies()["modules"]]
    text = conflict({"modules": modules}, {"A1": [{"front": "L"}], "B1": [{"front": "S"}]})
    assert "A1 G1 std from 2027: no module can be had for front (L)" in text
    assert "B1" not in text


def needs_more_at_a_site() -> dict[str, Any]:
    """Half of each drawing has to come from Near: 35,000 a year, where 20,000 are made and 5,000 can be added."""
    return {
        "capacities": [{"site": "Near JP", "from_year": 2027, "capacity": 20_000.0, "unit": "pieces"}],
        "expansions": [{"site": "Near JP", "from_year": 2027, "capacity": 5_000.0, "cost": 1.0}],
        "rules": [{"rule": "max_share_per_item", "scope": "*", "value": "0.5"}],
    }


def test_the_capacity_proposed_for_a_site_that_can_be_expanded_is_enough_and_only_just() -> None:
    text = conflict(needs_more_at_a_site(), ONLY_S)
    found = re.search(r"site Near JP with ([\d,.]+) pieces a year more", text)
    assert found is not None, text
    more = float(found.group(1).replace(",", ""))
    assert more == pytest.approx(10_000.0, rel=1e-3)
    for added, expected in ((more + 1.0, True), (more * 0.99, False)):
        study, catalogue, performance = small(two_companies(**needs_more_at_a_site()), ONLY_S)
        wider = {**study.tables, "capacities": study["capacities"].with_columns(pl.col("capacity") + added)}
        study = replace(study, tables=wider)
        if expected:
            assert plan.solve(study, catalogue, performance).value("Ann+Bob", "alone") > 0
        else:
            with pytest.raises(NoPlanError):
                plan.solve(study, catalogue, performance)


def test_a_change_that_ends_one_of_two_conflicts_is_not_called_a_plan() -> None:
    """Ann may not buy from Far, Bob not from Near, and neither site can make what the one left to it needs."""
    text = conflict(
        {
            "capacities": [{"site": site, "from_year": 2027, "capacity": 10_000.0, "unit": "pieces"}
                           for site in ("Near JP", "Far CN")],
            "rules": [{"rule": "exclude_supplier", "scope": "supplier:Far", "value": "Ann"},
                      {"rule": "exclude_supplier", "scope": "supplier:Near", "value": "Bob"}],
        }, ONLY_S,
    )  # fmt: skip
    assert "that gives a plan" not in text
    assert "Smallest change that ends this conflict (another one is left then)" in text


def test_in_a_tender_a_change_that_ends_one_of_two_conflicts_is_not_called_a_plan(tmp_path: Path) -> None:
    folder = write_tender(
        tmp_path, items=[("bolt", 2030, 100), ("nut", 2031, 100)], suppliers=[("A", 0), ("B", 0)],
        offers=[(s, i, t, 1.0) for s in "AB" for i, t in (("bolt", 2030), ("nut", 2031))],
        rules=[("force", "supplier=A;year=2030", 0.6), ("force", "supplier=B;year=2031", 0.6)],
        capacity=[("A", 2030, 50), ("B", 2031, 40)],
    )  # fmt: skip
    with pytest.raises(NoPlanError) as caught:
        award_tender(read_tender(folder))
    assert "ends this conflict (another one is left then): " in str(caught.value)
    assert "gives a plan" not in str(caught.value)


def test_a_contract_above_a_sites_capacity_can_be_kept_but_its_room_is_not_there_twice() -> None:
    """Ann's contract is for 30,000 at a site of 20,000. Who leaves it has 20,000, not 30,000; who keeps it, nothing."""
    contract = {
        "programme": "A1", "generation": "G1", "class": "e-axle", "company": "Ann", "module": "S", "supplier": "Near",
        "site": "Near JP", "contract_end": 2030.0, "unit_price": 60_000.0,
    }  # fmt: skip
    base = two_companies()
    tables: dict[str, Any] = {
        "capacities": [{"site": "Near JP", "from_year": 2027, "capacity": 20_000.0, "unit": "pieces"}],
        "families": [{**row, "nre": 0.0, "tooling": 0.0, "application_nre": 0.0, "application_tooling": 0.0}
                     for row in base["families"]],
        "offers": [row for row in base["offers"] if row["module"] == "S"],
        "tiers": [{"offer": "NS", "from_quantity": 0.0, "unit_price": 50_000.0},
                  {"offer": "FS", "from_quantity": 0.0, "unit_price": 100_000.0}], "trade": [],
        "modules": [{"module": "S", "class": "e-axle", "family": "FS"}], "existing": [contract],
        "generations": [{**base["generations"][0], "sop": "2024-01"}, base["generations"][1]],
    }  # fmt: skip
    kept = plan.solve(*small(two_companies(**tables), settings={"inventory_rate": 0.0}), gap=1e-7)
    worth = sum(1.05 ** -(year + 0.5 - 2026) for year in range(2027, 2031))
    assert kept.value("Ann", "alone") == pytest.approx(30_000 * 60_000 / 1e6 * worth, rel=1e-9)
    assert kept.value("Bob", "alone") == pytest.approx(40_000 * 100_000 / 1e6 * worth, rel=1e-9)
    tables["existing"] = [{**contract, "unit_price": 500_000.0}]
    left = plan.solve(*small(two_companies(**tables), settings={"inventory_rate": 0.0}), gap=1e-7)
    together = (20_000 * 50_000 + 50_000 * 100_000) / 1e6 * worth
    assert left.value("Ann+Bob", "alone") == pytest.approx(together, rel=1e-9)


def test_a_site_is_not_used_twice_by_drawings_that_have_all_diverged() -> None:
    """All units have left the common drawing after a year: they count for no tier, but still fill the site."""
    base = two_companies()
    plans = plan.solve(*small(two_companies(
        classes=[{"class": "e-axle", "k_family_nre": 0.1, "divergence_rate": 1.0}],
        capacities=[{"site": "Far CN", "from_year": 2027, "capacity": 45_000.0, "unit": "pieces"}],
        modules=[{**row, "nre": 0.0} for row in base["modules"]],
    )), gap=1e-6)  # fmt: skip
    awards = plans.by_key[("Ann+Bob", "powertrain")].tables["awards"].filter(pl.col("site") == "Far CN")
    assert awards.group_by("year").agg(pl.col("quantity").sum())["quantity"].max() <= 45_000.0 * (1 + 1e-6)
