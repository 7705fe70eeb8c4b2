"""Starts that come late: what they cost, what the plan does about them, and that nobody pays them."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest

import teikei.plan as plan
from teikei.plan.decisions import Decisions
from teikei.plan.lateness import late_starts
from teikei.plan.lead_times import lost_cars
from teikei.plan.read import read_facts
from teikei.plan.scope import Scope
from tests.plan.mixed import compare
from tests.plan.small import rung_rows, small, two_companies
from tests.plan.test_against_brute_force import cheapest_by_enumeration
from tests.plan.test_by_hand import CARS, EACH_YEAR, FREE, PRICE, QUIET, WORTH, ann, million, solved

MARGIN = 320_000.0
VALUE = 2_000_000.0  # of a car: 16 % of it is the margin


def task(name: str, scope: str, quarters: float, before: list[str] | None = None, title: str = "") -> dict[str, Any]:
    return {"task": name, "scope": scope, "title": title or name, "quarters": quarters, "predecessors": before or []}


def family_of(quarters: int) -> list[dict[str, Any]]:
    """A family takes so long; 4 quarters pass from the base year to the first start."""
    return [task("f1", "e-axle family", 2), task("f2", "e-axle family", quarters - 2, ["f1"])]


def timed(quarters: int = 7, **changes: Any) -> dict[str, Any]:
    """Ann's car with work on its family and a value of the car."""
    tables = ann(tasks=family_of(quarters), **changes)
    return {**tables, "programmes": [{**row, "car_value": VALUE} for row in tables["programmes"]]}


def ready_or_late(price: float) -> dict[str, Any]:
    """S of a new family at the usual price, or L that exists at another."""
    return timed(
        families=[
            {"family": "FS", "class": "e-axle", **FREE},
            {"family": "FL", "class": "e-axle", **FREE, "sunk_for": ["Ann"]},
        ],
        modules=[
            {"module": "S", "class": "e-axle", "family": "FS"},
            {"module": "L", "class": "e-axle", "family": "FL", "sunk_for": ["Ann"]},
        ],
        offers=[
            {"offer": f"N{name}", "supplier": "Near", "site": "Near JP", "module": name, "currency": "JPY"}
            for name in ("S", "L")
        ],
        tiers=[
            {"offer": "NS", "from_quantity": 0.0, "unit_price": PRICE},
            {"offer": "NL", "from_quantity": 0.0, "unit_price": price},
        ],
    )


def of_item(found: plan.Plan, item: str) -> float:
    costs = found.tables["cost_breakdown"]
    return float(costs.filter(pl.col("item") == item)["value"].sum())


LOST = 0.75 * CARS * MARGIN / 1e6 * WORTH[2027]  # three of the four quarters of 2027


def test_three_quarters_late_lose_three_quarters_of_the_first_year() -> None:
    found = solved(timed(7))
    assert of_item(found, "lateness") == pytest.approx(LOST, rel=1e-12)
    assert found.value == pytest.approx(million(PRICE) * EACH_YEAR + LOST, rel=1e-12)
    assert found.bound == pytest.approx(found.value, rel=1e-9)
    assert found.cash == pytest.approx(million(PRICE) * EACH_YEAR, rel=1e-12)
    assert "lateness" not in set(found.tables["unit_costs"]["item"])


def test_cars_lost_reach_into_the_second_year_and_a_start_within_a_year_has_fewer_quarters() -> None:
    generations = [{**ann()["generations"][0], "sop": "2027-07"}]  # 6 quarters from the base year, 15,000 a quarter
    found = solved(timed(9, generations=generations))
    lost = (CARS * WORTH[2027] + CARS / 4 * WORTH[2028]) * MARGIN / 1e6
    assert of_item(found, "lateness") == pytest.approx(lost, rel=1e-12)
    assert lost_cars({2027: 30.0, 2028: 40.0}, 6, 3, 4 * 2026) == {2027: 30.0, 2028: 10.0}
    assert lost_cars({2027: 30.0}, 6, 9, 4 * 2026) == {2027: 30.0}


def test_the_margin_of_a_car_is_its_own_where_given_less_the_buyers_who_stay() -> None:
    tables = timed(7)
    tables["programmes"] = [{**row, "lost_margin": 100_000.0} for row in tables["programmes"]]
    found = solved(tables, {"late_buyers_kept": 0.25})
    assert of_item(found, "lateness") == pytest.approx(LOST * 75_000.0 / MARGIN, rel=1e-12)
    assert of_item(solved(timed(7), {"lost_margin_share": 0.32}), "lateness") == pytest.approx(2 * LOST, rel=1e-12)


@pytest.mark.parametrize(("more", "module"), [(-1.0, "L"), (1.0, "S")])
def test_what_exists_is_chosen_where_lateness_costs_more(more: float, module: str) -> None:
    """L costs a little less, or a little more, than S with the cars that its wait loses."""
    found = solved(ready_or_late(PRICE + LOST / (CARS / 1e6 * EACH_YEAR) + more))
    assert found.tables["configurations"]["module"].to_list() == [module]
    assert (of_item(found, "lateness") > 0) == (module == "S")


@pytest.mark.parametrize("quarters", [3, 4])
def test_without_lateness_the_plan_is_as_without_tasks(quarters: int) -> None:
    assert solved(timed(quarters)).value == solved({**timed(quarters), "tasks": []}).value


def test_a_longer_lead_never_lowers_the_cost() -> None:
    values = [solved(ready_or_late(PRICE + 20_000.0) | {"tasks": family_of(n)}).value for n in range(3, 12)]
    assert values == sorted(values)
    assert values[0] < values[-1] == solved(ready_or_late(PRICE + 20_000.0) | {"tasks": family_of(40)}).value


def test_a_paid_family_takes_the_time_of_its_application_and_variant() -> None:
    tables = timed(7) | {"tasks": [*family_of(9), task("v", "e-axle variant", 6), task("a", "e-axle application", 5)]}
    paid = [{"family": "FS", "class": "e-axle", **FREE, "sunk_for": ["Ann"]}]
    per_quarter = LOST / 3
    into_2028 = 0.25 * CARS * MARGIN / 1e6 * WORTH[2028]
    assert of_item(solved(tables), "lateness") == pytest.approx(4 * per_quarter + into_2028)
    assert of_item(solved({**tables, "families": paid}), "lateness") == pytest.approx(2 * per_quarter)
    done = [{"module": "S", "class": "e-axle", "family": "FS", "sunk_for": ["Ann"]}]
    assert of_item(solved({**tables, "families": paid, "modules": done}), "lateness") == pytest.approx(per_quarter)


def test_the_car_waits_for_samples_of_its_module() -> None:
    """Family 5 quarters, samples after 3, then 2 quarters of the car: 5, one late; both tasks of the car are 4."""
    tasks = [
        task("f1", "e-axle family", 3, title="samples"), task("f2", "e-axle family", 1, ["f1"]),
        task("car_1", "vehicle", 2), task("car_2", "vehicle", 2, ["car_1"]),
        task("bind", "link", 0, ["f1"], "samples before car_2"),
    ]  # fmt: skip
    assert of_item(solved(timed() | {"tasks": tasks}), "lateness") == pytest.approx(LOST / 3)
    assert of_item(solved(timed() | {"tasks": tasks[:-1]}), "lateness") == 0.0


def test_a_car_under_contract_keeps_its_module_in_time_and_another_waits() -> None:
    existing = [
        {"programme": "A1", "generation": "G1", "class": "e-axle", "company": "Ann", "module": "S", "supplier": "Near",
         "site": "Near JP", "contract_end": 2035.0, "unit_price": PRICE, "cancellation_cost": 0.0}
    ]  # fmt: skip
    tables = timed(7, existing=existing, generations=[{**ann()["generations"][0], "sop": "2025-01"}])
    assert of_item(solved(tables), "lateness") == 0.0


def joint(quarters: int, go_ahead: int, **changes: Any) -> dict[str, Any]:
    """Ann and Bob with one family that takes so long, and a go-ahead before it may be shared."""
    base = two_companies()
    tasks = [*family_of(quarters), task("go", "link", go_ahead, title="go-ahead before any shared family")]
    return two_companies(
        tasks=tasks,
        programmes=[{**row, "car_value": VALUE} for row in base["programmes"]],
        families=base["families"][:1],
        modules=base["modules"][:1],
        offers=[row for row in base["offers"] if row["module"] == "S"],
        tiers=[row for row in base["tiers"] if row["offer"].endswith("S")],
        **changes,
    )


def test_joint_work_starts_with_the_alliance_so_that_sharing_can_be_too_late() -> None:
    """Own work is in time, joint work 2 quarters late: they share only while that costs less than a second family."""
    shares = {}
    for margin in (1_000.0, 3_000_000.0):
        tables = joint(4, 2)
        tables["programmes"] = [{**row, "lost_margin": margin} for row in tables["programmes"]]
        study, catalogue, performance = small(tables)
        plans = plan.solve(study, catalogue, performance, gap=1e-7)
        found = plans.by_key[("Ann+Bob", "powertrain")]
        shares[margin] = set(found.tables["configurations"]["developing_group"])
        late = plans.savings.filter((pl.col("lever") == "lateness") & (pl.col("method") == "order"))
        alone, rung = plans.value("Ann+Bob", "components"), found.value
        top = plans.savings.filter((pl.col("rung") == "powertrain") & (pl.col("method") == "order"))
        assert top["value"].sum() == pytest.approx(alone - rung)
        assert float(late["value"].sum()) == pytest.approx(-of_item(found, "lateness"))
    assert shares == {1_000.0: {"Ann+Bob"}, 3_000_000.0: {"Ann", "Bob"}}


def test_joint_work_waits_for_the_year_of_the_alliance_where_one_is_given() -> None:
    study, catalogue, performance = small(joint(4, 2), settings={"alliance_year": 2027})
    time = read_facts(study, catalogue, performance).time
    assert time is not None
    assert time.joint_from == 4


def test_work_that_begins_later_is_ready_later() -> None:
    """Begun in the third quarter of 2026 two quarters are lost of the four there were: 7 quarters are five late."""
    found = solved(timed(7), {"work_begins": "2026-Q3"})
    row = found.tables["lateness"].row(0, named=True)
    assert (row["quarters"], row["due"]) == (5, "2027-Q1")
    assert row["lost_units"] == pytest.approx(1.25 * CARS)
    assert of_item(solved(timed(4), {"work_begins": "2026-Q1"}), "lateness") == 0.0


@pytest.mark.parametrize("rung", ["alone", "powertrain"])
@pytest.mark.parametrize(("quarters", "go_ahead"), [(4, 2), (6, 1), (6, 5)])
def test_the_plan_is_the_cheapest_of_all_designs_with_their_lateness(rung: str, quarters: int, go_ahead: int) -> None:
    base = two_companies()
    tables = two_companies(
        tasks=[
            *family_of(quarters),
            task("v", "e-axle variant", 5),
            task("go", "link", go_ahead, title="shared family"),
        ],
        programmes=[{**row, "car_value": VALUE, "lost_margin": 90_000.0} for row in base["programmes"]],
        families=[base["families"][0], {**base["families"][1], "sunk_for": ["Ann"]}],
    )
    study, catalogue, performance = small(tables)
    plans = plan.solve(study, catalogue, performance, gap=1e-6)
    scope = Scope(read_facts(study, catalogue, performance), "Ann+Bob", rung, ("Ann", "Bob"))
    assert plans.value("Ann+Bob", rung) == pytest.approx(cheapest_by_enumeration(scope), rel=1e-9)


@pytest.mark.parametrize("seed", range(12))
def test_no_cheaper_plan_is_found_where_starts_are_late(seed: int) -> None:
    assert compare(seed, timed=True) == []


@pytest.mark.slow
@pytest.mark.parametrize("first", range(200, 240, 10))
def test_the_same_on_more_studies(first: int) -> None:
    assert {seed: wrong for seed in range(first, first + 10) if (wrong := compare(seed, timed=True))} == {}


def test_a_schedule_that_is_later_than_the_critical_path_is_what_counts() -> None:
    study, catalogue, performance = small(timed(7), settings=QUIET)
    found = plan.solve(study, catalogue, performance, gap=1e-7).by_key[("Ann", "alone")]
    scope = Scope(read_facts(study, catalogue, performance), "Ann", "alone", ("Ann",))
    decided = found.decisions["decisions"]
    later = Decisions(decided.modules, decided.candidate, decided.awards, scheduled={("A1", "G1", 4): 4})
    assert late_starts(scope, decided) == {("A1", "G1", 4): 3}
    assert late_starts(scope, later) == {("A1", "G1", 4): 4}


def two_classes(dearer_axle: float, dearer_charger: float) -> dict[str, Any]:
    """An e-axle S that is 3 quarters late or L in time, a charger C that is 2 late or D in time; those cost more."""
    sunk = {"S": [], "L": ["Ann"], "C": [], "D": ["Ann"]}
    class_of = {"S": "e-axle", "L": "e-axle", "C": "charger", "D": "charger"}
    prices = {"S": PRICE, "L": PRICE + dearer_axle, "C": PRICE, "D": PRICE + dearer_charger}
    tables = ann(
        classes=[{"class": name, "k_family_nre": 0.2} for name in ("e-axle", "charger")],
        rungs=rung_rows(("e-axle", "charger")),
        families=[
            {"family": f"F{name}", "class": class_of[name], **FREE, "sunk_for": paid} for name, paid in sunk.items()
        ],
        modules=[
            {"module": name, "class": class_of[name], "family": f"F{name}", "sunk_for": paid}
            for name, paid in sunk.items()
        ],
        offers=[
            {"offer": f"N{name}", "supplier": "Near", "site": "Near JP", "module": name, "currency": "JPY"}
            for name in sunk
        ],
        tiers=[{"offer": f"N{name}", "from_quantity": 0.0, "unit_price": each} for name, each in prices.items()],
        tasks=[task("f", "e-axle family", 7), task("c", "charger family", 6)],
    )
    return {**tables, "programmes": [{**row, "car_value": VALUE} for row in tables["programmes"]]}


@pytest.mark.parametrize("seed", range(12))
def test_a_start_waits_for_the_later_of_two_classes_once(seed: int) -> None:
    """Each class by itself may pay to be late or not, both together lose the quarters of the later one only."""
    rng = np.random.default_rng(seed)
    quarter = LOST / 3 / (CARS / 1e6 * EACH_YEAR)  # a piece's price that is worth a quarter
    dearer = {"S": 0.0, "L": float(rng.uniform(0, 5)) * quarter, "C": 0.0, "D": float(rng.uniform(0, 4)) * quarter}
    late = {"S": 3, "L": 0, "C": 2, "D": 0}
    cost = {
        (axle, charger): million(2 * PRICE + dearer[axle] + dearer[charger]) * EACH_YEAR
        + max(late[axle], late[charger]) * LOST / 3
        for axle in ("S", "L")
        for charger in ("C", "D")
    }
    both = [{"front": axle, "charger": charger} for axle, charger in cost]
    found = solved(two_classes(dearer["L"], dearer["D"]), choices={"A1": both})
    assert found.value == pytest.approx(min(cost.values()), rel=1e-12)
    assert found.bound == pytest.approx(found.value, rel=1e-7)
    assert found.bound <= found.value * (1 + 1e-12)
    carried = dict(found.tables["configurations"].select("class", "module").iter_rows())
    assert (carried["e-axle"], carried["charger"]) == min(cost, key=lambda pair: cost[pair])
