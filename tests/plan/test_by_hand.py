"""Every term of the plan by itself, against a calculation that fits on a slip of paper.

One company, one car, one part at a flat 100,000, nothing else: each test adds one term and says what it must cost.
"""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

import teikei.plan as plan
from tests.plan.small import rung_rows, small, two_companies

CARS = 30_000.0
PRICE = 100_000.0
YEARS = (2027, 2028, 2029, 2030)
WORTH = {year: 1.05 ** -(year + 0.5 - 2026) for year in range(2026, 2031)}
EACH_YEAR = sum(WORTH[year] for year in YEARS)
QUIET = {"inventory_rate": 0.0}
FREE = {"nre": 0.0, "tooling": 0.0, "application_nre": 0.0, "application_tooling": 0.0, "life_years": 4}


def ann(**changes: Any) -> dict[str, list[dict[str, Any]]]:
    """Tables of Ann's car alone with module S from Near at one price; changes: tables to replace."""
    base = two_companies()
    mine = {name: [row for row in base[name] if row["programme"] == "A1"] for name in ("programmes", "volumes")}
    return two_companies(**{
        "companies": [{"company": "Ann"}],
        "classes": [{"class": "e-axle", "k_family_nre": 0.2}],
        "programmes": mine["programmes"], "volumes": mine["volumes"],
        "versions": [{"programme": "A1", "version": "std", "share": 1.0}],
        "generations": base["generations"][:1],
        "families": [{"family": "FS", "class": "e-axle", **FREE}],
        "modules": [{"module": "S", "class": "e-axle", "family": "FS"}],
        "offers": [{"offer": "NS", "supplier": "Near", "site": "Near JP", "module": "S", "currency": "JPY"}],
        "tiers": [{"offer": "NS", "from_quantity": 0.0, "unit_price": PRICE}],
        "trade": [],
        **changes,
    })  # fmt: skip


def solved(tables: dict[str, Any], settings: dict[str, Any] | None = None, **more: Any) -> plan.Plan:
    """Ann's plan at `alone`."""
    study, catalogue, performance = small(tables, settings={**QUIET, **(settings or {})}, **more)
    return plan.solve(study, catalogue, performance, gap=1e-7).by_key[("Ann", "alone")]


def cost(tables: dict[str, Any], settings: dict[str, Any] | None = None) -> float:
    """Value of Ann's plan, million."""
    return solved(tables, settings).value


def million(unit: float) -> float:
    """A year's cars at so much each."""
    return CARS * unit / 1e6


def test_nothing_but_the_part() -> None:
    assert cost(ann()) == pytest.approx(million(PRICE) * EACH_YEAR, rel=1e-12)


def test_a_foreign_price_is_brought_to_the_price_year_and_then_converted() -> None:
    offers = [{**ann()["offers"][0], "currency": "EUR"}]
    tiers = [{"offer": "NS", "from_quantity": 0.0, "unit_price": 500.0}]
    currencies = [{"currency": "EUR", "rate": 160.0, "to_price_year": 1.1}]
    expected = million(500.0 * 1.1 * 160.0) * EACH_YEAR
    assert cost(ann(offers=offers, tiers=tiers, currencies=currencies)) == pytest.approx(expected, rel=1e-12)


def test_a_price_falls_every_year_as_long_as_agreed() -> None:
    offers = [{**ann()["offers"][0], "yearly_price_down": 0.1, "price_down_years": 2, "first_year": 2027}]
    levels = {2027: 1.0, 2028: 0.9, 2029: 0.81, 2030: 0.81}
    assert cost(ann(offers=offers)) == pytest.approx(million(PRICE) * sum(WORTH[y] * levels[y] for y in YEARS))


def test_a_price_path_moves_the_price_year_by_year() -> None:
    paths = [{"path": "cells", "year": year, "factor": 1.0 - 0.1 * at} for at, year in enumerate(YEARS)]
    offers = [{**ann()["offers"][0], "price_path": "cells"}]
    expected = million(PRICE) * sum(WORTH[y] * (1.0 - 0.1 * at) for at, y in enumerate(YEARS))
    assert cost(ann(offers=offers, price_paths=paths)) == pytest.approx(expected)


def test_duty_freight_and_stock_are_added_to_a_part_from_abroad() -> None:
    """4 % duty, 2,500 a piece, 9 weeks under way and one of safety at 5.2 % a year: 10 weeks are 1 %."""
    sites = [{"site": "Near JP", "supplier": "Near", "country": "CN"}]
    trade = [
        {"origin": "CN", "destination": "JP", "part": "e-axle", "duty": 0.04, "freight": 2_500.0, "lead_weeks": 9.0}
    ]
    landed = PRICE * (1 + 0.04 + 0.052 * 10 / 52) + 2_500.0
    found = cost(ann(sites=sites, trade=trade), {"inventory_rate": 0.052})
    assert found == pytest.approx(million(landed) * EACH_YEAR, rel=1e-12)


def test_duty_is_that_of_the_country_the_car_is_built_in() -> None:
    plants = [{"plant": "Suzuka", "country": "JP"}, {"plant": "Sunderland", "country": "UK"}]
    volumes = [
        {**row, "plant": plant, "units": CARS / 2} for row in ann()["volumes"] for plant in ("Suzuka", "Sunderland")
    ]
    trade = [{"origin": "JP", "destination": "UK", "part": "e-axle", "duty": 0.1}]
    found = cost(ann(car_plants=plants, volumes=volumes, trade=trade))
    assert found == pytest.approx(million(PRICE) * 1.05 * EACH_YEAR, rel=1e-12)


def test_warranty_is_a_share_of_the_price() -> None:
    classes = [{"class": "e-axle", "k_family_nre": 0.2, "warranty_share": 0.02}]
    assert cost(ann(classes=classes)) == pytest.approx(million(PRICE) * 1.02 * EACH_YEAR, rel=1e-12)


def test_an_owner_earns_its_part_of_the_suppliers_margin_back() -> None:
    equity = [{"company": "Ann", "supplier": "Near", "share": 0.5}]
    suppliers = [{"supplier": "Near", "operating_margin": 0.1}]
    assert cost(ann(equity=equity, suppliers=suppliers)) == pytest.approx(million(PRICE) * 0.95 * EACH_YEAR, rel=1e-12)


def test_a_supplier_is_activated_once_and_only_where_it_is_new() -> None:
    """Paid in the year before the first planning year, whatever the number of cars and years."""
    suppliers = [{"supplier": "Near", "activation_cost": 40.0}]
    plain = million(PRICE) * EACH_YEAR
    assert cost(ann(suppliers=suppliers)) == pytest.approx(plain + 40.0 * WORTH[2026], rel=1e-12)
    contract = {
        "programme": "A1", "generation": "G1", "class": "e-axle", "company": "Ann", "module": "S", "supplier": "Near",
        "site": "Near JP", "contract_end": 2029.0, "unit_price": 120_000.0,
    }  # fmt: skip
    assert cost(ann(suppliers=suppliers, existing=[contract])) == pytest.approx(plain, rel=1e-12)


def test_a_source_that_does_not_serve_the_car_today_is_qualified_once() -> None:
    """Today's Near asks 120,000; Far sells at 100,000 and costs 60 million of tests in the year before it starts."""
    contract = {
        "programme": "A1", "generation": "G1", "class": "e-axle", "company": "Ann", "module": "S", "supplier": "Far",
        "site": "Far CN", "contract_end": 2027.0, "unit_price": 120_000.0,
    }  # fmt: skip
    classes = [{"class": "e-axle", "k_family_nre": 0.2, "switching_cost": 60.0}]
    found = cost(ann(existing=[contract], classes=classes))
    assert found == pytest.approx(million(PRICE) * EACH_YEAR + 60.0 * WORTH[2026], rel=1e-12)


def test_a_rebate_on_the_years_spend_holds_from_its_start_on() -> None:
    """30,000 pieces at 100,000 are 3,000 million a year."""
    plain = million(PRICE) * EACH_YEAR
    for start, share in ((3_000.0, 0.9), (3_001.0, 1.0)):
        rebates = [{"supplier": "Near", "spend_from": start, "rebate": 0.1}]
        assert cost(ann(rebates=rebates)) == pytest.approx(plain * share, rel=1e-12)


def test_other_customers_hold_their_part_of_a_site() -> None:
    """Half of 40,000 is left for Ann, so that 10,000 of her 30,000 parts a year come from Far at 130,000."""
    tables = ann(
        sites=[{"site": "Near JP", "supplier": "Near", "country": "JP", "outsider_share": 0.5},
               {"site": "Far CN", "supplier": "Far", "country": "CN"}],
        capacities=[{"site": "Near JP", "from_year": 2027, "capacity": 40_000.0, "unit": "pieces"}],
        offers=[*ann()["offers"],
                {"offer": "FS", "supplier": "Far", "site": "Far CN", "module": "S", "currency": "JPY"}],
        tiers=[*ann()["tiers"], {"offer": "FS", "from_quantity": 0.0, "unit_price": 130_000.0}],
    )  # fmt: skip
    expected = (20_000 * 100_000 + 10_000 * 130_000) / 1e6 * EACH_YEAR
    assert cost(tables) == pytest.approx(expected, rel=1e-9)


def test_capacity_counts_from_its_year_on() -> None:
    tables = ann(
        capacities=[{"site": "Near JP", "from_year": 2027, "capacity": 10_000.0, "unit": "pieces"},
                    {"site": "Near JP", "from_year": 2029, "capacity": 50_000.0, "unit": "pieces"}],
        offers=[*ann()["offers"],
                {"offer": "FS", "supplier": "Far", "site": "Far CN", "module": "S", "currency": "JPY"}],
        tiers=[*ann()["tiers"], {"offer": "FS", "from_quantity": 0.0, "unit_price": 130_000.0}],
    )  # fmt: skip
    dear = (10_000 * 100_000 + 20_000 * 130_000) / 1e6
    expected = sum(WORTH[y] * (dear if y < 2029 else million(PRICE)) for y in YEARS)
    assert cost(tables) == pytest.approx(expected, rel=1e-9)


def test_versions_of_a_car_need_their_parts_by_their_shares() -> None:
    """A quarter of the cars has a second axle."""
    tables = ann(
        versions=[{"programme": "A1", "version": "fwd", "share": 0.75},
                  {"programme": "A1", "version": "awd", "share": 0.25}],
    )  # fmt: skip
    study, catalogue, performance = small(tables, settings=QUIET)
    rear = catalogue.candidates.filter(pl.col("slot").str.contains("awd")).with_columns(
        pl.lit("rear").alias("position")
    )
    both = type(catalogue)({}, {}, catalogue.table, catalogue.slots, pl.concat([catalogue.candidates, rear]))
    found = plan.solve(study, both, performance, gap=1e-7).by_key[("Ann", "alone")]
    assert found.value == pytest.approx(million(PRICE) * 1.25 * EACH_YEAR, rel=1e-12)


def development(**more: Any) -> list[dict[str, Any]]:
    """Family FS with costs that all fall in 2026 (series from 2027 on, life to the end of the horizon)."""
    row = {"family": "FS", "class": "e-axle", "nre": 100.0, "tooling": 30.0, "application_nre": 10.0,
           "application_tooling": 3.0, "life_years": 4}  # fmt: skip
    return [{**row, **more}]


def test_what_a_company_has_paid_costs_it_nothing_again() -> None:
    modules = [{"module": "S", "class": "e-axle", "family": "FS", "nre": 20.0, "tooling": 5.0}]
    plain = million(PRICE) * EACH_YEAR
    everything = cost(ann(families=development(), modules=modules))
    assert everything == pytest.approx(plain + (100 + 30 + 20 + 5 + 10 + 3) * WORTH[2026], rel=1e-12)
    carried = [{**modules[0], "sunk_for": ["Ann"]}]
    found = cost(ann(families=development(sunk_for=["Ann"]), modules=carried))
    assert found == pytest.approx(plain + (10 + 3) * WORTH[2026], rel=1e-12)


@pytest.mark.parametrize(("what", "column"), [("tooling", "tooling"), ("engineering", "nre")])
def test_what_the_piece_price_contains_is_not_charged_again(what: str, column: str) -> None:
    modules = [{"module": "S", "class": "e-axle", "family": "FS", column: 5.0}]
    plain = million(PRICE) * EACH_YEAR
    assert cost(ann(modules=modules)) == pytest.approx(plain + 5.0 * WORTH[2026], rel=1e-12)
    offer = ann()["offers"][0]
    assert cost(ann(modules=modules, offers=[{**offer, f"{what}_included": True}])) == pytest.approx(plain, rel=1e-12)
    far = {"offer": "FS", "supplier": "Far", "site": "Far CN", "module": "S", "currency": "JPY"}
    tiers = [*ann()["tiers"], {"offer": "FS", "from_quantity": 0.0, "unit_price": 2 * PRICE}]
    mixed = solved(ann(modules=modules, offers=[{**offer, f"{what}_included": True}, far], tiers=tiers))
    assert mixed.value == pytest.approx(plain + 5.0 * WORTH[2026], rel=1e-12)
    assert f"Some offers of S have {what} in the piece price" in " ".join(mixed.messages)


@pytest.mark.parametrize(("price", "changes"), [(70_000.0, True), (99_900.0, False)])
def test_a_facelift_changes_modules_where_that_pays_for_application_and_switching(price: float, changes: bool) -> None:
    """L can be in series from 2029 on. Changing costs L's application (40 + 6) and the class's 50 million in 2028."""
    tables = ann(
        generations=[{**ann()["generations"][0], "facelift_year": 2029}],
        classes=[{"class": "e-axle", "k_family_nre": 0.2, "switching_cost": 50.0}],
        families=[{"family": "FS", "class": "e-axle", **FREE},
                  {"family": "FL", "class": "e-axle", **FREE, "application_nre": 40.0, "application_tooling": 6.0}],
        modules=[{"module": "S", "class": "e-axle", "family": "FS"},
                 {"module": "L", "class": "e-axle", "family": "FL", "earliest_year": 2029}],
        offers=[*ann()["offers"],
                {"offer": "NL", "supplier": "Near", "site": "Near JP", "module": "L", "currency": "JPY"}],
        tiers=[*ann()["tiers"], {"offer": "NL", "from_quantity": 0.0, "unit_price": price}],
    )  # fmt: skip
    found = solved(tables)
    nre = 40.0 * (0.1 * WORTH[2026] + 0.3 * WORTH[2026] + 0.4 * WORTH[2027] + 0.2 * WORTH[2028])
    change = nre + (6.0 + 50.0) * WORTH[2028]
    first, second = sum(WORTH[y] for y in (2027, 2028)), sum(WORTH[y] for y in (2029, 2030))
    kept, changed = million(PRICE) * EACH_YEAR, million(PRICE) * first + million(price) * second + change
    assert (changed < kept) is changes
    assert found.value == pytest.approx(min(kept, changed), rel=1e-12)
    modules = found.tables["configurations"].sort("phase")["module"].to_list()
    assert modules == ["S", "L" if changes else "S"]


def test_a_residual_value_by_life_volume_charges_the_part_of_the_volume_inside() -> None:
    """Eight years of life, four in the horizon, equal volumes: half of the tooling."""
    families = [{"family": "FS", "class": "e-axle", **FREE, "tooling": 80.0, "life_years": 8}]
    found = cost(ann(families=families), {"residual_rule": "life_volume"})
    assert found == pytest.approx(million(PRICE) * EACH_YEAR + 40.0 * WORTH[2026], rel=1e-12)


def test_a_plant_costs_its_whole_fixed_cost_however_little_it_makes() -> None:
    """4 GWh are built for 1.5 GWh of packs a year: investment less the grant counted, fixed cost, cells, cases."""
    pack = ann(
        classes=[{"class": "pack", "quantity_unit": "kwh", "k_family_nre": 0.2}],
        rungs=rung_rows(("pack",)),
        families=[{"family": "PF", "class": "pack", **FREE}],
        modules=[{"module": "B", "class": "pack", "family": "PF", "gross_energy_kwh": 50.0}],
        offers=[{"offer": "K", "supplier": "Near", "site": "Near JP", "module": "B", "currency": "JPY",
                 "price_unit": "kwh", "last_year": 2027}],
        tiers=[{"offer": "K", "from_quantity": 0.0, "unit_price": 15_000.0}],
        plants=[{"plant": "Own", "step": 4.0, "class": "pack", "family": "PF", "country": "JP", "investment": 1_000.0,
                 "grant": 300.0, "grant_share": 0.5, "fixed_cost": 50.0, "variable_cost_per_kwh": 9_000.0,
                 "variable_cost_per_pack": 20_000.0, "lead_years": 2.0, "life_years": 3.0}],
    )  # fmt: skip
    found = solved(pack, choices={"A1": [{"pack": "B"}]})
    built = (1_000.0 - 150.0) / 2 * (WORTH[2026] + WORTH[2027])
    running = sum(WORTH[y] * (50.0 + million(9_000.0 * 50 + 20_000.0)) for y in YEARS[1:])
    assert found.value == pytest.approx(million(15_000.0 * 50) * WORTH[2027] + built + running, rel=1e-9)
    assert found.tables["plants"]["use"].to_list() == pytest.approx([1.5 / 4.0] * 3)


def test_a_local_content_rule_costs_the_cars_of_its_region_only() -> None:
    """A third of the cars goes to the EU: 1 % of their value of 3 million, from 2029 on."""
    volumes = [
        {**row, "region": region, "units": CARS * share}
        for row in ann()["volumes"] for region, share in (("JP", 2 / 3), ("EU", 1 / 3))
    ]  # fmt: skip
    rule = {"origins": ["EU"], "plant_country": "JP", "region": "EU", "part": "e-axle", "from_year": 2029,
            "minimum": 0.5, "penalty": 0.01}  # fmt: skip
    programmes = [{**ann()["programmes"][0], "car_value": 3e6}]
    found = cost(ann(volumes=volumes, local_content=[rule], programmes=programmes))
    missed = 10_000 * 0.01 * 3e6 / 1e6 * (WORTH[2029] + WORTH[2030])
    assert found == pytest.approx(million(PRICE) * EACH_YEAR + missed, rel=1e-12)


def both(**changes: Any) -> plan.Plans:
    """Ann (30,000 cars) and Bob (40,000), each with module S from Near; family NRE 2,000 million, k = 0.2."""
    base = two_companies()
    tables = two_companies(**{
        "families": [{"family": "FS", "class": "e-axle", **FREE, "nre": 2_000.0}],
        "modules": [{"module": "S", "class": "e-axle", "family": "FS"}],
        "offers": [{"offer": "NS", "supplier": "Near", "site": "Near JP", "module": "S", "currency": "JPY"}],
        "tiers": [{"offer": "NS", "from_quantity": 0.0, "unit_price": PRICE}],
        "trade": [], "volumes": base["volumes"], **changes,
    })  # fmt: skip
    return plan.solve(*small(tables, settings=QUIET), gap=1e-7)


def levers(plans: plan.Plans, rung: str, method: str = "order") -> dict[str, float]:
    """Lever -> saving of both companies at a rung."""
    rows = plans.savings.filter((pl.col("rung") == rung) & (pl.col("method") == method))
    return dict(rows.group_by("lever").agg(pl.col("value").sum()).iter_rows())


def test_coordination_costs_its_one_off_and_engineers_full_before_and_half_after_the_start() -> None:
    """Series from 2027, profile of four years: from 2026 on. Two engineers of 1,000 hours at 10,000 are 20 million."""
    classes = [{"class": "e-axle", "k_family_nre": 0.2, "coordination_one_off": 70.0, "coordination_engineers": 2.0}]
    base = two_companies()
    tables = {
        "families": [{"family": "FS", "class": "e-axle", **FREE, "nre": 2_000.0}],
        "modules": [{"module": "S", "class": "e-axle", "family": "FS"}],
        "offers": [{"offer": "NS", "supplier": "Near", "site": "Near JP", "module": "S", "currency": "JPY"}],
        "tiers": [{"offer": "NS", "from_quantity": 0.0, "unit_price": PRICE}], "trade": [], "classes": classes,
        "volumes": base["volumes"],
    }  # fmt: skip
    hours = {"engineer_hours_per_year": 1_000.0, "engineering_rate_per_hour": 10_000.0}
    plans = plan.solve(*small(two_companies(**tables), settings={**QUIET, **hours}), gap=1e-7)
    spent = (70.0 + 20.0) * WORTH[2026] + 10.0 * EACH_YEAR
    assert levers(plans, "powertrain")["coordination"] == pytest.approx(-spent, rel=1e-12)
    assert levers(plans, "powertrain")["development"] == pytest.approx(2_000.0 * 0.8 * WORTH[2026], rel=1e-12)
    saved = plans.value("Ann+Bob", "components") - plans.value("Ann+Bob", "powertrain")
    assert saved == pytest.approx(1_600.0 * WORTH[2026] - spent, rel=1e-12)


def test_units_that_leave_the_common_drawing_are_lost_for_its_tiers_and_pay_variant_engineering() -> None:
    """70,000 pieces, 10 % leave a year: 70,000, 63,000, 56,700, 51,030 count; the tier begins at 60,000.

    Bob's side pays 10 % of the variant's 50 million in each year after the start.
    """
    plans = both(
        classes=[{"class": "e-axle", "k_family_nre": 0.2, "divergence_rate": 0.1}],
        modules=[{"module": "S", "class": "e-axle", "family": "FS", "nre": 50.0}],
        tiers=[{"offer": "NS", "from_quantity": 0.0, "unit_price": PRICE},
               {"offer": "NS", "from_quantity": 60_000.0, "unit_price": 90_000.0}],
    )  # fmt: skip
    found = levers(plans, "powertrain")
    pooled = 70_000 * 10_000 / 1e6
    again = 0.1 * 50.0 * (WORTH[2028] + WORTH[2029] + WORTH[2030])
    assert found["technical_scale"] == pytest.approx(pooled * EACH_YEAR, rel=1e-9)
    assert found["divergence"] == pytest.approx(-pooled * (WORTH[2029] + WORTH[2030]) - again, rel=1e-9)
    assert found["variants"] == pytest.approx(50.0 * WORTH[2026], rel=1e-9)


def test_spend_of_both_reaches_a_rebate_that_neither_reaches_alone() -> None:
    """3,000 and 4,000 million a year; 5 % from 6,000 on. A saving of procurement, without sharing any design."""
    plans = both(rebates=[{"supplier": "Near", "spend_from": 6_000.0, "rebate": 0.05}])
    found = levers(plans, "components")
    assert found["commercial_scale"] == pytest.approx(7_000.0 * 0.05 * EACH_YEAR, rel=1e-12)
    assert sum(found.values()) == pytest.approx(found["commercial_scale"], rel=1e-12)


def test_the_larger_part_that_both_can_take_is_overdesign_for_the_smaller_car() -> None:
    """Bob's car needs L (110,000), Ann's would do with S (100,000): sharing L costs her 10,000 a car."""
    base = two_companies()
    families = [{"family": name, "class": "e-axle", **FREE, "nre": 3_000.0} for name in ("FS", "FL")]
    tables = two_companies(
        families=families, modules=[{"module": m, "class": "e-axle", "family": f"F{m}"} for m in ("S", "L")],
        offers=[row for row in base["offers"] if row["supplier"] == "Near"],
        tiers=[{"offer": "NS", "from_quantity": 0.0, "unit_price": PRICE},
               {"offer": "NL", "from_quantity": 0.0, "unit_price": 110_000.0}],
        trade=[],
    )  # fmt: skip
    choices = {"A1": [{"front": "S"}, {"front": "L"}], "B1": [{"front": "L"}]}
    plans = plan.solve(*small(tables, choices, QUIET), gap=1e-7)
    found = levers(plans, "powertrain")
    assert found["overdesign"] == pytest.approx(-million(10_000.0) * EACH_YEAR, rel=1e-9)
    assert found["development"] == pytest.approx(3_000.0 * 0.8 * WORTH[2026], rel=1e-9)
    mine = plans.savings.filter((pl.col("lever") == "overdesign") & (pl.col("company") == "Bob"))
    assert mine["value"].abs().max() == pytest.approx(0.0, abs=1e-9)


def test_a_site_that_sells_to_one_partner_only_is_access_for_the_other() -> None:
    """Far sells at 80,000 to Bob and to whom he buys with: Ann's 20,000 a car at the first rung that pools."""
    base = two_companies()
    plans = both(
        sites=[base["sites"][0], {**base["sites"][1], "sourceable_by": ["Bob"]}],
        offers=[{"offer": "NS", "supplier": "Near", "site": "Near JP", "module": "S", "currency": "JPY"},
                {"offer": "FS", "supplier": "Far", "site": "Far CN", "module": "S", "currency": "JPY"}],
        tiers=[{"offer": "NS", "from_quantity": 0.0, "unit_price": PRICE},
               {"offer": "FS", "from_quantity": 0.0, "unit_price": 80_000.0}],
    )  # fmt: skip
    assert levers(plans, "components")["access"] == pytest.approx(million(20_000.0) * EACH_YEAR, rel=1e-12)
    assert levers(plans, "components", "shapley")["access"] == pytest.approx(million(20_000.0) * EACH_YEAR, rel=1e-12)


@pytest.mark.parametrize("value", ["any", "all", "Ann"])
def test_a_supplier_excluded_for_all_or_for_one_sells_it_nothing(value: str) -> None:
    tables = ann(
        offers=[*ann()["offers"],
                {"offer": "FS", "supplier": "Far", "site": "Far CN", "module": "S", "currency": "JPY"}],
        tiers=[*ann()["tiers"], {"offer": "FS", "from_quantity": 0.0, "unit_price": 80_000.0}],
        rules=[{"rule": "exclude_supplier", "scope": "supplier:Far", "value": value}],
    )  # fmt: skip
    assert cost(tables) == pytest.approx(million(PRICE) * EACH_YEAR, rel=1e-12)


def test_each_who_buys_by_itself_has_its_own_second_source() -> None:
    """Alone, Ann and Bob each need two suppliers; a thousand pieces are enough to count. Together, two for both."""
    base = two_companies()
    plans = both(
        offers=[row for row in base["offers"] if row["module"] == "S"],
        tiers=[{"offer": "NS", "from_quantity": 0.0, "unit_price": PRICE},
               {"offer": "FS", "from_quantity": 0.0, "unit_price": 130_000.0}],
        rules=[{"rule": "min_suppliers_per_class", "scope": "class:e-axle", "value": "2"}],
    )  # fmt: skip
    late = 1_000 * 30_000 / 1e6 * WORTH[2030]  # as late as it can be
    free = {name: million(PRICE) / CARS * cars * EACH_YEAR + 2_000.0 * WORTH[2026] for name, cars in
            (("Ann", CARS), ("Bob", 40_000.0))}  # fmt: skip
    for name, value in free.items():
        assert plans.value(name, "alone") == pytest.approx(value + late, rel=1e-9)
    assert plans.value("Ann+Bob", "components") == pytest.approx(sum(free.values()) + late, rel=1e-9)


def test_a_rule_with_a_country_holds_for_cars_built_there_only() -> None:
    plants = [{"plant": "Suzuka", "country": "JP"}, {"plant": "Sunderland", "country": "UK"}]
    volumes = [
        {**row, "plant": plant, "units": CARS / 2} for row in ann()["volumes"] for plant in ("Suzuka", "Sunderland")
    ]
    tables = ann(
        car_plants=plants, volumes=volumes,
        offers=[*ann()["offers"],
                {"offer": "FS", "supplier": "Far", "site": "Far CN", "module": "S", "currency": "JPY"}],
        tiers=[*ann()["tiers"], {"offer": "FS", "from_quantity": 0.0, "unit_price": 130_000.0}],
        rules=[{"rule": "max_share_per_item", "scope": "country:UK", "value": "0.6"}],
    )  # fmt: skip
    dearer = 0.4 * CARS / 2 * 30_000 / 1e6
    assert cost(tables) == pytest.approx((million(PRICE) + dearer) * EACH_YEAR, rel=1e-9)
