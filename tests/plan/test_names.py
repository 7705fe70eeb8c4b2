"""A name never travels inside a string: whatever an offer, plant, site or rung is called, the plan is the same."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from teikei.plan import solve
from teikei.study.types import Study
from tests.plan.small import make_catalogue, make_performance, plant_study, small, two_companies

NAMES = ("Own", "K", "Near", "Near JP", "B", "PF", "Suzuka", "JP", "alone")
STRANGE = ("@", "+", ";", "=", ",", "|", ":", "/", "&", "@2+x;y=z,w|v:u", " ")


def renamed(study: Study, new: dict[str, str]) -> Study:
    """The study with names changed wherever they stand as a whole cell."""
    return study.with_tables(
        **{
            name: table.with_columns(
                pl.col(column).replace(new) for column, kind in table.schema.items() if kind == pl.String
            )
            for name, table in study.tables.items()
        }
    )


def values(study: Study, **choices: Any) -> dict[tuple[str, str], float]:
    catalogue = make_catalogue(study, choices or None)
    plans = solve(study, catalogue, make_performance(catalogue))
    return {key: plan.value for key, plan in plans.by_key.items()}


@pytest.mark.parametrize("mark", STRANGE)
def test_a_plan_with_a_plant_is_the_same_whatever_its_names_hold(mark: str) -> None:
    study, _, _ = plant_study(investment=1.0, fixed_cost=0.0, step=10.0)
    new = {name: f"{mark}{name}{mark}x" for name in NAMES if name not in ("JP",)}
    choice = {"A1": [{"pack": "B"}], "B1": [{"pack": "B"}]}
    strange = {"A1": [{"pack": new["B"]}], "B1": [{"pack": new["B"]}]}
    expected = values(study, **choice)
    found = values(renamed(study, new), **strange)
    assert {(who, new.get(rung, rung)): value for (who, rung), value in expected.items()} == pytest.approx(found)


def test_two_pools_at_sites_whose_names_could_be_glued_alike_stay_two() -> None:
    """Pool ``b/c`` of site ``a`` and pool ``c`` of site ``a/b`` are not the same pool."""
    tables = two_companies()
    sites = {"Near JP": "a", "Far CN": "a/b"}
    pools = {"Near JP": "b/c", "Far CN": "c"}
    plain = [{**row, "tier_pool": "one" if row["site"] == "Near JP" else "two"} for row in tables["offers"]]
    glued = [{**row, "site": sites[row["site"]], "tier_pool": pools[row["site"]]} for row in tables["offers"]]
    moved = [{**row, "site": sites[row["site"]]} for row in tables["sites"]]
    first = solve(*small(two_companies(offers=plain)))
    second = solve(*small(two_companies(offers=glued, sites=moved)))
    for key, plan in first.by_key.items():
        assert second.by_key[key].value == pytest.approx(plan.value, rel=1e-9)
