"""Flows between companies: they add up, reach the agreed share, and break as worked out by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest

from teikei.plan.types import Plan, Plans
from teikei.split import allocate
from teikei.split.contracts import FORMS, contracts, flows_of
from teikei.split.stress import stress
from teikei.study.types import Study
from tests.split.made_plans import BLOC, GRAND, plan, plans, three_companies, usual_plans

YEARS = (2027, 2028, 2029, 2030)
UNITS = {"Nissan": 100_000.0, "Honda": 50_000.0, "Mitsubishi": 10_000.0}


def study_with_cars(**settings: Any) -> Study:
    programmes = [
        {"programme": name[0], "company": name, "segment": "B", "body_mass_kg": 900.0, "tyre_radius_m": 0.3}
        for name in UNITS
    ]
    volumes = [
        {
            "programme": name[0],
            "generation": "G1",
            "company": name,
            "plant": "X",
            "region": "JP",
            "year": year,
            "scenario": scenario,
            "units": units * factor,
        }
        for name, units in UNITS.items()
        for year in YEARS
        for scenario, factor in (("base", 1.0), ("low", 0.5))
    ]
    return three_companies(programmes=programmes, volumes=volumes, settings=settings or None)


def made(study: Study, coalition: str, rung: str, purchase: dict[str, float], once: dict[str, float]) -> Plan:
    """A plan with real yearly purchases (million) and one-off development in the first year."""
    rows = []
    for company in coalition.split("+"):
        rows += [
            {
                "company": company,
                "year": y,
                "item": "purchase",
                "class": "e-axle",
                "value": purchase[company] * study.settings.discount_factor(y),
            }
            for y in YEARS
        ]
        first = study.settings.discount_factor(YEARS[0])
        rows.append(
            {
                "company": company,
                "year": YEARS[0],
                "item": "nre_family",
                "class": "e-axle",
                "value": once[company] * first,
            }
        )
        rows.append(
            {"company": company, "year": YEARS[0], "item": "nre_application", "class": "e-axle", "value": 5.0 * first}
        )
    table = pl.DataFrame(rows)
    return plan(coalition, rung, float(table["value"].sum()), tables={"cost_breakdown": table})


def usual(study: Study) -> Plans:
    bloc_costs = {"Nissan": 1000.0, "Mitsubishi": 110.0}
    return plans(
        made(study, BLOC, "alone", bloc_costs, {"Nissan": 300.0, "Mitsubishi": 30.0}),
        made(study, "Honda", "alone", {"Honda": 520.0}, {"Honda": 280.0}),
        made(
            study,
            GRAND,
            "powertrain",
            {"Nissan": 960.0, "Mitsubishi": 100.0, "Honda": 490.0},
            {"Nissan": 200.0, "Mitsubishi": 20.0, "Honda": 130.0},
        ),
    )


@pytest.fixture(scope="module")
def study() -> Study:
    return study_with_cars()


def terms_of(study: Study, form: str, **options: Any) -> dict[str, dict[str, Any]]:
    made_plans = usual(study)
    table = contracts(study, made_plans, allocate(study, made_plans), **options).terms
    return {row["company"]: row for row in table.filter(pl.col("form") == form).iter_rows(named=True)}


@pytest.mark.parametrize("form", FORMS)
def test_what_companies_bear_adds_up_to_the_joint_cost_in_every_form(study: Study, form: str) -> None:
    terms = terms_of(study, form)
    joint = usual(study).value(GRAND, "powertrain")
    assert sum(row["outcome"] for row in terms.values()) == pytest.approx(joint)
    assert sum(row["transfer"] for row in terms.values()) == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize("form", FORMS)
def test_what_an_own_supplier_loses_stays_with_its_owner_in_every_form(study: Study, form: str) -> None:
    """10 million a year of idle line of Nissan's, alone and together: it changes nobody else's terms."""
    idle = pl.DataFrame(
        [{"company": "Nissan", "year": y, "item": "captive", "class": "e-axle", "value": 10.0} for y in YEARS]
    )
    tied = {}
    for key, one in usual(study).by_key.items():
        costs = one.tables["cost_breakdown"]
        if "Nissan" in one.coalition:
            costs = pl.concat([costs, idle])
        tied[key] = plan(one.coalition, one.rung, float(costs["value"].sum()), tables={"cost_breakdown": costs})
    made_plans = plans(*tied.values())
    table = contracts(study, made_plans, allocate(study, made_plans)).terms.filter(pl.col("form") == form)
    found = dict(table.select("company", "outcome").iter_rows())
    before = {company: row["outcome"] for company, row in terms_of(study, form).items()}
    assert found["Honda"] == pytest.approx(before["Honda"])
    assert found["Nissan"] + found["Mitsubishi"] == pytest.approx(before["Nissan"] + before["Mitsubishi"] + 40.0)


def test_the_yearly_settlement_reaches_the_share_of_the_rule(study: Study) -> None:
    made_plans = usual(study)
    allocation = allocate(study, made_plans)
    shares = allocation.shares.filter(pl.col("rule") == "shapley", pl.col("kind") == "cost")
    terms = terms_of(study, "equal split")
    for company, value in shares.select("company", "value").iter_rows():
        assert terms[company]["outcome"] == pytest.approx(value)
        assert terms[company]["agreed"] == pytest.approx(value)


def test_on_joint_terms_each_bears_what_it_causes_and_repays_the_lead_for_development(study: Study) -> None:
    terms = terms_of(study, "own contract on joint terms")
    for row in terms.values():
        assert row["outcome"] == pytest.approx(row["attributed"])
    first = study.settings.discount_factor(YEARS[0])
    assert terms["Honda"]["transfer"] == pytest.approx(130.0 * first)  # applications are its own
    assert terms["Nissan"]["transfer"] == pytest.approx(-150.0 * first)  # lead: it causes most development


def test_the_price_per_kit_is_constant_and_brings_the_buyer_to_its_agreed_share(study: Study) -> None:
    terms = terms_of(study, "price per kit")
    cars = sum(UNITS["Honda"] * study.settings.discount_factor(year) for year in YEARS)
    honda = terms["Honda"]
    assert honda["outcome"] == pytest.approx(honda["agreed"])
    own = 5.0 * study.settings.discount_factor(YEARS[0])
    assert honda["price_per_car"] == pytest.approx((honda["agreed"] - own) * 1e6 / cars)
    assert terms["Nissan"]["price_per_car"] is None


@pytest.mark.parametrize("form", FORMS)
def test_payments_of_a_year_are_whole_yen_and_discount_back_to_the_terms(study: Study, form: str) -> None:
    made_plans = usual(study)
    table = contracts(study, made_plans, allocate(study, made_plans)).transfers.filter(pl.col("form") == form)
    assert table.columns == ["rung", "form", "year", "from_company", "to_company", "value_nominal"]
    assert (table["value_nominal"] > 0).all()
    yen = table["value_nominal"].to_numpy() * 1e6
    assert np.abs(yen - np.round(yen)).max() < 1e-3
    net = dict.fromkeys(UNITS, 0.0)
    for _, _, year, payer, receiver, value in table.iter_rows():
        net[payer] += value * study.settings.discount_factor(year)
        net[receiver] -= value * study.settings.discount_factor(year)
    for company, row in terms_of(study, form).items():
        assert net[company] == pytest.approx(row["transfer"], abs=1e-5)


def test_inflation_raises_money_of_the_year_and_nothing_else(study: Study) -> None:
    made_plans = usual(study)
    allocation = allocate(study, made_plans)
    flat, rising = (contracts(study, made_plans, allocation, inflation=rate) for rate in (0.0, 0.02))
    assert flat.terms.equals(rising.terms)
    ratio = (rising.transfers["value_nominal"] / flat.transfers["value_nominal"]).to_numpy()
    years = flat.transfers["year"].to_numpy()
    assert ratio == pytest.approx(1.02 ** (years - 2026), rel=1e-6)
    assert any("2.0% inflation" in note for note in rising.notes)


def test_a_breakdown_that_does_not_add_up_gives_a_note_and_no_flows(study: Study) -> None:
    base = usual(study)
    wrong = dict(base.by_key)
    grand = wrong[GRAND, "powertrain"]
    wrong[GRAND, "powertrain"] = plan(GRAND, "powertrain", grand.value + 7.0, tables=dict(grand.tables))
    made_plans = plans(*wrong.values())
    found = contracts(study, made_plans, allocate(study, made_plans))
    assert found.transfers.is_empty()
    assert any("adds up to" in note and "powertrain" in note for note in found.notes)


def stressed(study: Study, case: str, form: str, **options: Any) -> dict[str, dict[str, Any]]:
    made_plans = usual(study)
    table = stress(study, made_plans, contracts(study, made_plans, allocate(study, made_plans)), **options)
    found = table.filter(pl.col("case") == case, pl.col("form") == form)
    return {row["company"]: row for row in found.iter_rows(named=True)}


def annuity(study: Study) -> float:
    return sum(study.settings.discount_factor(year) for year in YEARS)


def test_a_partner_that_delivers_60_percent_hurts_only_itself_on_joint_terms(study: Study) -> None:
    rows = stressed(study, "Honda delivers 60%", "own contract on joint terms")
    # Honda's rebate of 30 a year shrinks to 18; the others keep theirs, since nothing is re-priced here
    assert rows["Honda"]["change"] == pytest.approx(-12.0 * annuity(study))
    assert rows["Honda"]["hurt"]
    assert rows["Nissan"]["change"] == pytest.approx(0.0, abs=1e-6)
    assert "lost tiers not seen" in rows["Nissan"]["basis"]


def test_a_partner_that_delivers_60_percent_hurts_both_under_a_yearly_settlement(study: Study) -> None:
    rows = stressed(study, "Honda delivers 60%", "equal split")
    assert rows["Honda"]["change"] == pytest.approx(-6.0 * annuity(study))
    assert rows["Nissan"]["change"] + rows["Mitsubishi"]["change"] == pytest.approx(-6.0 * annuity(study))
    assert rows["Nissan"]["hurt"]


def test_take_or_pay_moves_the_shortfall_from_the_lead_to_the_partner(study: Study) -> None:
    free = stressed(study, "Honda delivers 60%", "price per kit", take_or_pay=0.0)
    bound = stressed(study, "Honda delivers 60%", "price per kit", take_or_pay=1.0)
    assert free["Nissan"]["gain"] < bound["Nissan"]["gain"]
    assert free["Honda"]["gain"] > bound["Honda"]["gain"]
    assert free["Honda"]["gain"] + free["Nissan"]["gain"] == pytest.approx(
        bound["Honda"]["gain"] + bound["Nissan"]["gain"]
    )
    fee = terms_of(study, "price per kit")["Honda"]["fee_per_car"]
    assert fee > 0
    moved = fee * 0.4 * UNITS["Honda"] / 1e6 * annuity(study)  # parts that nobody needs are not bought
    assert free["Honda"]["gain"] - bound["Honda"]["gain"] == pytest.approx(moved)


def test_repricing_is_used_where_it_is_given(study: Study) -> None:
    def lost_tier(one: Plan, volumes: pl.DataFrame) -> Plan:
        short = volumes["units"].sum() < study["volumes"]["units"].sum() - 1
        factor = 1.1 if short and one.coalition == GRAND else 1.0
        table = one.tables["cost_breakdown"].with_columns(pl.col("value") * factor)
        return plan(one.coalition, one.rung, float(table["value"].sum()), tables={"cost_breakdown": table})

    rows = stressed(study, "Honda delivers 60%", "own contract on joint terms", reprice=lost_tier)
    planned = terms_of(study, "own contract on joint terms")
    assert rows["Nissan"]["change"] == pytest.approx(-0.1 * planned["Nissan"]["attributed"])
    assert rows["Nissan"]["hurt"]
    assert rows["Nissan"]["basis"] == "re-priced, designs and awards frozen"


def test_all_deliver_what_first_time_joint_programmes_did(study: Study) -> None:
    """Median of five: 28 %. Honda's rebate of 30 a year shrinks to 8.4, one-off items stay."""
    rows = stressed(study, "all deliver 28%", "own contract on joint terms")
    assert rows["Honda"]["change"] == pytest.approx(-0.72 * 30.0 * annuity(study))
    assert rows["Honda"]["hurt"]


def test_low_volumes_are_a_case_where_the_study_has_them_and_high_is_not(study: Study) -> None:
    assert stressed(study, "volumes low", "equal split")
    assert not stressed(study, "volumes high", "equal split")


def test_dearer_parts_raise_the_gain_from_cheaper_parts_in_proportion(study: Study) -> None:
    rows = stressed(study, "parts cost 20% more", "own contract on joint terms")
    assert rows["Honda"]["change"] == pytest.approx(0.2 * 30.0 * annuity(study))
    assert not rows["Honda"]["hurt"]


def test_an_early_leaver_that_keeps_the_design_owes_nothing_if_it_loses_cheaper_parts(study: Study) -> None:
    rows = stressed(study, "Honda leaves after 2028", "own contract on joint terms", leave_after=2028)
    late = sum(study.settings.discount_factor(year) for year in (2029, 2030))
    assert rows["Honda"]["change"] == pytest.approx(-30.0 * late)
    assert rows["Honda"]["exit_payment"] == 0.0
    assert rows["Honda"]["compensation"] == pytest.approx((40.0 + 10.0) * late)  # rebates the bloc loses with it
    again = stressed(
        study, "Honda leaves after 2028", "own contract on joint terms", leave_after=2028, keeps_design=False
    )
    spent = 280.0 * study.settings.discount_factor(2029)
    assert again["Honda"]["change"] == pytest.approx(-30.0 * late - spent)
    for stays in ("Nissan", "Mitsubishi"):  # what the leaver must spend for a design of its own is no matter of theirs
        assert again[stays]["change"] == pytest.approx(rows[stays]["change"], abs=1e-9)


def test_who_pays_back_finance_by_the_kit_gains_by_leaving_once_the_lead_has_paid(study: Study) -> None:
    rows = stressed(study, "Honda leaves after 2027", "price per kit", leave_after=2027)
    late = sum(study.settings.discount_factor(year) for year in YEARS[1:])
    price = terms_of(study, "price per kit")["Honda"]["price_per_car"]
    gain = (price * UNITS["Honda"] / 1e6 - 520.0) * late  # it buys on its own terms and pays off no development
    assert gain > 0
    assert rows["Honda"]["exit_payment"] == pytest.approx(gain)
    assert rows["Nissan"]["hurt"]


@pytest.mark.parametrize("form", FORMS)
def test_payments_between_companies_cancel_in_every_year(study: Study, form: str) -> None:
    made_plans = usual(study)
    deal = contracts(study, made_plans, allocate(study, made_plans)).deals[0]
    flows = flows_of(deal, form)
    assert flows.payments.sum(axis=0) == pytest.approx(np.zeros(len(deal.years)), abs=1e-9)
    assert flows.outcome.sum(axis=0) == pytest.approx(deal.joint.total().sum(axis=0))


def other_class(table: pl.DataFrame, company: str, amount: float) -> pl.DataFrame:
    """The breakdown with a yearly purchase of another class."""
    row = table.filter(pl.col("company") == company, pl.col("item") == "purchase")
    return pl.concat([table, row.with_columns(pl.lit("pack").alias("class"), pl.lit(amount).alias("value"))])


def with_pack(study: Study) -> Plans:
    """Every plan also buys packs for 70 million a year for Honda, outside the kit."""
    changed = []
    for one in usual(study).by_key.values():
        table = one.tables["cost_breakdown"]
        if "Honda" in one.coalition:
            table = other_class(table, "Honda", 70.0)
        changed.append(plan(one.coalition, one.rung, float(table["value"].sum()), tables={"cost_breakdown": table}))
    return plans(*changed)


def test_the_kit_holds_only_the_classes_developed_together(study: Study) -> None:
    made_plans = with_pack(study)
    found = contracts(study, made_plans, allocate(study, made_plans))
    rows = {row["company"]: row for row in found.terms.to_dicts() if row["form"] == "price per kit"}
    assert {row["kit"] for row in rows.values()} == {"e-axle"}
    assert rows["Honda"]["outcome"] == pytest.approx(rows["Honda"]["agreed"])
    cars = sum(UNITS["Honda"] * study.settings.discount_factor(year) for year in YEARS)
    itself = 5.0 * study.settings.discount_factor(YEARS[0]) + 70.0 * len(YEARS)
    assert rows["Honda"]["price_per_car"] == pytest.approx((rows["Honda"]["agreed"] - itself) * 1e6 / cars)
    # the same packs alone and together: the price per kit is the one without them
    assert rows["Honda"]["price_per_car"] == pytest.approx(terms_of(study, "price per kit")["Honda"]["price_per_car"])


def test_without_a_class_developed_together_there_is_no_price_per_kit(study: Study) -> None:
    base = usual(study)
    joint = base.by_key[GRAND, "powertrain"]
    made_plans = plans(*base.by_key.values(), plan(GRAND, "components", joint.value, tables=dict(joint.tables)))
    found = contracts(study, made_plans, allocate(study, made_plans))
    forms = found.terms.filter(pl.col("rung") == "components")["form"].unique().to_list()
    assert sorted(forms) == ["equal split", "own contract on joint terms"]
    assert "components: no price per kit, no class is developed together" in found.notes
    cases = stress(study, made_plans, found).filter(pl.col("rung") == "components")
    assert set(cases["form"]) == set(forms)


def test_the_lead_is_the_company_that_has_paid_the_kit_and_else_holds_its_suppliers(study: Study) -> None:
    uses = pl.DataFrame({"class": ["e-axle"], "module": ["E1"], "family": ["F"], "developing_group": [GRAND]})
    awards = pl.DataFrame({"supplier": ["S"], "item": ["E1"], "quantity": [10.0], "unit_price": [1e5]})
    family = {"family": "F", "class": "e-axle", "nre": 60.0, "tooling": 40.0, "application_nre": 3.0}
    module = {"module": "E1", "class": "e-axle", "family": "F"}
    held = [{"company": "Mitsubishi", "supplier": "S", "share": 0.4}]

    def lead(**tables: Any) -> str:
        base = usual(study)
        joint = base.by_key[GRAND, "powertrain"]
        more = {**joint.tables, "configurations": uses, "awards": awards}
        made_plans = plans(*base.by_key.values(), plan(GRAND, "powertrain", joint.value, tables=more))
        own = study_with_cars().with_tables(
            **{name: three_companies(**{name: rows})[name] for name, rows in tables.items()}
        )
        return contracts(own, made_plans, allocate(own, made_plans)).deals[0].lead

    families = [{**family, "application_tooling": 0.0, "sunk_for": ["Honda"]}]
    unpaid = [{**family, "application_tooling": 0.0}]
    assert lead(families=families, modules=[module], equity=held) == "Honda"
    assert lead(families=unpaid, modules=[module], equity=held) == "Mitsubishi"
    assert lead(families=unpaid, modules=[module]) == "Nissan"  # it causes most shared development


def test_contracts_may_follow_the_owen_value_where_single_companies_are_solved(study: Study) -> None:
    base = usual(study)
    grand, bloc, honda = (base.value(*key) for key in ((GRAND, "powertrain"), (BLOC, "alone"), ("Honda", "alone")))
    single = [plan("Nissan", "alone", bloc * 0.9), plan("Mitsubishi", "alone", bloc * 0.2)]
    mixed = [
        plan("Nissan+Honda", "powertrain", bloc * 0.9 + honda - 50.0),
        plan("Honda+Mitsubishi", "powertrain", bloc * 0.2 + honda - 10.0),
    ]
    made_plans = plans(*base.by_key.values(), *single, *mixed)
    allocation = allocate(study, made_plans)
    share = allocation.shares.filter(pl.col("rule") == "owen", pl.col("kind") == "cost")
    found = contracts(study, made_plans, allocation, rule="owen").terms.filter(pl.col("form") == "equal split")
    agreed = dict(found.select("company", "outcome").iter_rows())
    assert agreed == pytest.approx(dict(share.select("company", "value").iter_rows()))
    assert sum(agreed.values()) == pytest.approx(grand)
    without = contracts(study, base, allocate(study, base), rule="owen")
    assert without.terms.is_empty()
    assert any("solve the companies of each bloc singly" in note for note in without.notes)


def test_each_company_leaves_at_three_moments_unless_one_is_given(study: Study) -> None:
    made_plans = usual(study)
    table = stress(study, made_plans, contracts(study, made_plans, allocate(study, made_plans)))
    years = {case.rsplit(" ", 1)[1] for case in table["case"] if "leaves after" in case}
    assert years == {"2027", "2028", "2029"}


def test_when_one_of_three_leaves_the_others_go_on_with_their_own_joint_plan() -> None:
    companies = [{"company": name} for name in ("Nissan", "Honda", "Mitsubishi")]
    study = study_with_cars().with_tables(companies=three_companies(companies=companies)["companies"])
    nothing = dict.fromkeys(UNITS, 0.0)
    alone = {"Nissan": 1000.0, "Honda": 500.0, "Mitsubishi": 100.0}
    made_plans = plans(
        *(made(study, name, "alone", alone, nothing) for name in UNITS),
        *(
            made(study, pair, "powertrain", {name: 0.95 * cost for name, cost in alone.items()}, nothing)
            for pair in ("Nissan+Honda", "Nissan+Mitsubishi", "Honda+Mitsubishi")
        ),
        made(study, GRAND, "powertrain", {name: 0.9 * cost for name, cost in alone.items()}, nothing),
    )
    deals = contracts(study, made_plans, allocate(study, made_plans))
    table = stress(study, made_plans, deals, leave_after=2028)
    rows = {
        row["company"]: row
        for row in table.to_dicts()
        if (row["case"], row["form"]) == ("Mitsubishi leaves after 2028", "own contract on joint terms")
    }
    late = sum(study.settings.discount_factor(year) for year in (2029, 2030))
    assert rows["Mitsubishi"]["change"] == pytest.approx(-10.0 * late)  # back to its own plan
    assert rows["Nissan"]["change"] == pytest.approx(-50.0 * late)  # from 900 to 950 a year, not to 1,000
    assert rows["Mitsubishi"]["compensation"] == pytest.approx((50.0 + 25.0) * late)


def test_the_split_by_year_adds_up_to_the_split_and_follows_the_years_saving(study: Study) -> None:
    made_plans = usual(study)
    allocation = allocate(study, made_plans)
    table = allocation.by_year.filter(pl.col("rule") == "shapley")
    assert set(allocation.by_year["rule"]) == {"shapley", "equal_saving", "equal_nonseparable"}
    total = dict(table.group_by("company").agg(pl.col("value").sum()).iter_rows())
    blocs = allocation.blocs.filter(pl.col("rule") == "shapley", pl.col("kind") == "saving")
    assert total == pytest.approx(dict(blocs.select("company", "value").iter_rows()))
    later = table.filter(pl.col("company") == "Honda", pl.col("year") == 2029)["value"].item()
    assert later == pytest.approx((40.0 + 10.0 + 30.0) / 2 * study.settings.discount_factor(2029))
    assert any("add up over levers, years and rungs" in note for note in allocation.notes)


def test_a_plan_without_years_is_said_and_not_split_by_year() -> None:
    study = three_companies()
    base = usual_plans()
    allocation = allocate(study, base)
    assert allocation.by_year.is_empty()
    assert any("the saving is not shared by year" in note for note in allocation.notes)
