"""Schedules of small studies, worked out by hand."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from teikei.develop import schedule
from teikei.develop.objects import ObjectFinder
from teikei.develop.quarters import Calendar
from teikei.errors import StudyError
from tests.develop.made import both, catalogue, plan, plans, study_of, tasks

GRAND = "Nissan+Honda"
START = Calendar("2026-Q1")


def rows(table: pl.DataFrame, **where: Any) -> list[dict[str, Any]]:
    return table.filter(*(pl.col(name) == value for name, value in where.items())).to_dicts()


def quarter(text: str) -> int:
    return Calendar("2026-Q1").of_year(int(text[:4])) + int(text[-1]) - 1


def test_the_table_has_the_promised_columns_and_all_plans() -> None:
    found = schedule(study_of(), catalogue(), both())
    assert found.table.columns == ["coalition", "rung", "task", "object", "company", "start", "end", "hours"]
    assert set(found.table.select("coalition", "rung").iter_rows()) == {
        ("Nissan", "alone"),
        ("Honda", "alone"),
        (GRAND, "powertrain"),
    }
    assert found.milestones["late_quarters"].sum() == 0
    assert found.fixes.is_empty()


def test_hours_are_those_of_the_work_table_with_the_sharing_factor() -> None:
    summary = {row["coalition"]: row for row in schedule(study_of(), catalogue(), both()).summary.to_dicts()}
    assert summary["Nissan"]["hours"] == pytest.approx(6_000 + 300 + 1_000)
    assert summary[GRAND]["hours"] == pytest.approx(6_000 * 1.2 + 2 * (300 + 1_000))
    assert summary[GRAND]["status"] == "optimal"


def test_no_quarter_uses_more_hours_than_a_company_has_and_load_adds_up() -> None:
    found = schedule(study_of({"Nissan": 1_500.0, "Honda": 1_500.0}), catalogue(), both())
    assert (found.load["hours"] <= found.load["capacity"] + 1e-6).all()
    for row in found.summary.to_dicts():
        mine = found.load.filter(pl.col("coalition") == row["coalition"])
        assert mine["hours"].sum() == pytest.approx(row["hours"])
        table = found.table.filter(pl.col("coalition") == row["coalition"])
        assert table["hours"].sum() == pytest.approx(row["hours"])


def test_tasks_follow_their_predecessors_and_end_before_production_starts() -> None:
    found = schedule(study_of(), catalogue(), both())
    for coalition in ("Nissan", GRAND):
        by_task = {row["task"]: row for row in rows(found.table, coalition=coalition, object="F")}
        for before, after in (("concept", "spec freeze"), ("spec freeze", "B samples"), ("B samples", "C samples")):
            assert quarter(by_task[before]["end"]) < quarter(by_task[after]["start"])
        assert quarter(by_task["C samples"]["end"]) < quarter("2030-Q1")


def test_a_shared_family_is_led_by_the_cheaper_company_unless_agreed_otherwise() -> None:
    free = schedule(study_of(), catalogue(), both())
    assert {row["company"] for row in rows(free.table, coalition=GRAND, object="F")} == {"Nissan"}
    agreed = schedule(study_of(), catalogue(), both(), leads={"F": "Honda"})
    assert {row["company"] for row in rows(agreed.table, coalition=GRAND, object="F")} == {"Honda"}
    cost = [rows(one.summary, coalition=GRAND)[0]["engineering_cost"] for one in (free, agreed)]
    assert cost[0] < cost[1]


def test_applications_and_cars_are_done_by_the_cars_own_company() -> None:
    found = schedule(study_of(), catalogue(), both())
    assert {row["company"] for row in rows(found.table, coalition=GRAND, object="H/G1")} == {"Honda"}
    (application,) = {row["object"] for row in rows(found.table, coalition=GRAND) if row["object"].startswith("F in H")}
    assert application == "F in H/G1 for 2030-Q3"
    mine = rows(found.table, coalition=GRAND, object=application)
    assert {row["company"] for row in mine} == {"Honda"}
    assert mine[0]["start"] == mine[1]["start"]  # two halves of a quarter
    assert sum(row["hours"] for row in mine) == pytest.approx(300.0)


def test_what_a_company_has_paid_is_developed_only_for_the_other() -> None:
    families = study_of()["families"].with_columns(sunk_for=pl.Series([["Nissan"]]))
    study = study_of().with_tables(families=families)
    summary = {row["coalition"]: row["hours"] for row in schedule(study, catalogue(), both()).summary.to_dicts()}
    assert summary["Nissan"] == pytest.approx(1_300.0)
    assert summary["Honda"] == pytest.approx(7_300.0)
    assert summary[GRAND] == pytest.approx(6_000 * 0.2 + 2 * 1_300)


def test_a_module_under_contract_needs_no_development_and_a_facelift_has_its_own_date() -> None:
    kept = plan("Nissan", "alone", [("N", "G1", "OLD", True)], phase=1)
    changed = plan("Nissan", "alone", [("N", "G1", "E1", False)], phase=2)
    both_phases = pl.concat([kept.tables["configurations"], changed.tables["configurations"]])
    finder = ObjectFinder(study_of(), catalogue(), plan_with(both_phases), Calendar("2026-Q1"))
    by_level = {one.level: one for one in finder.objects()}
    assert by_level["family"].uses == ((("N", "G1"), Calendar("2026-Q1").of_year(2032)),)
    assert by_level["application"].name == "F in N/G1 for 2032-Q1"


def test_the_same_module_before_and_after_the_facelift_comes_once() -> None:
    made = plans(plan("Nissan", "alone", [("N", "G1", "E1", False)], phase=1))
    again = plan("Nissan", "alone", [("N", "G1", "E1", False)], phase=2).tables["configurations"]
    one = made.by_key["Nissan", "alone"]
    two = pl.concat([one.tables["configurations"], again])
    finder = ObjectFinder(study_of(), catalogue(), plan_with(two), Calendar("2026-Q1"))
    assert [o.name for o in finder.objects() if o.level == "application"] == ["F in N/G1 for 2030-Q1"]


def plan_with(table: pl.DataFrame) -> Any:
    base = plan("Nissan", "alone", [("N", "G1", "E1", False)])
    return type(base)(**{**base.__dict__, "tables": {"configurations": table}})


def test_time_that_is_too_short_is_called_so_and_only_a_later_date_helps() -> None:
    found = schedule(study_of(), catalogue(), both(), first_quarter="2029-Q1")
    (honda,) = rows(found.milestones, coalition="Nissan")
    # family 5 quarters, and nothing before 2029-Q1: ready for 2030-Q2 instead of 2030-Q1
    assert (honda["due"], honda["reached"], honda["late_quarters"]) == ("2030-Q1", "2030-Q2", 1)
    assert honda["cause"] == "the tasks take longer than the time left"
    assert honda["chain"] == "F"
    assert any(
        "F can be in series from 2030-Q2 on at the earliest, the plan fits it from 2030-Q1" in n for n in found.notes
    )
    fixes = {row["fix"]: row for row in rows(found.fixes, coalition="Nissan")}
    assert fixes["hours"]["detail"].startswith("no:")
    assert fixes["lead"]["detail"].startswith("no:")
    assert "N/G1 from 2030-Q1 to 2030-Q2; 10,000 cars delayed" in fixes["date"]["detail"]
    assert fixes["date"]["break_even_per_car"] is None


def test_missing_staff_is_named_with_the_price_of_hours_and_the_margin_at_which_waiting_is_better() -> None:
    study = study_of({"Nissan": 1_000.0, "Honda": 1_000.0})
    # concept takes 1,000 h and there are 1,000: the car's 200 h a quarter no longer fit beside the family
    found = schedule(study, catalogue(), both(), first_quarter="2028-Q3")
    (late,) = rows(found.milestones, coalition="Nissan")
    assert late["late_quarters"] > 0
    assert late["cause"] == "hours of motor at Nissan"
    fixes = {row["fix"]: row for row in rows(found.fixes, coalition="Nissan")}
    assert "hours of motor at Nissan" in fixes["hours"]["detail"]
    assert fixes["hours"]["late_quarters"] == 0
    assert fixes["hours"]["cost"] > 0
    cars = 40_000.0 * late["late_quarters"] / 4
    assert fixes["date"]["break_even_per_car"] == pytest.approx(fixes["hours"]["cost"] * 1e6 / cars)


def test_a_task_larger_than_the_staff_is_stretched_and_said() -> None:
    found = schedule(study_of({"Nissan": 500.0, "Honda": 9_000.0}), catalogue(), both())
    assert any("F, concept: takes 2 quarters instead of 1" in note for note in found.notes)
    (nissan,) = rows(found.summary, coalition="Nissan")
    assert nissan["hours"] == pytest.approx(7_300.0)
    assert {row["company"] for row in rows(found.table, coalition=GRAND, object="F")} == {"Honda"}


def test_another_lead_is_a_fix_when_an_agreed_one_makes_the_date_slip() -> None:
    study = study_of({"Nissan": 2_500.0, "Honda": 1_000.0})
    found = schedule(study, catalogue(), both(), leads={"F": "Honda"}, first_quarter="2028-Q3")
    assert rows(found.summary, coalition=GRAND)[0]["late_quarters"] > 0
    fixes = {row["fix"]: row for row in rows(found.fixes, coalition=GRAND)}
    assert "F from Honda to Nissan" in fixes["lead"]["detail"]
    assert fixes["lead"]["late_quarters"] == 0


def test_a_link_holds_the_cars_validation_until_the_b_samples_are_there() -> None:
    found = schedule(study_of(link=True), catalogue(), both(), first_quarter="2028-Q3")
    samples = rows(found.table, coalition="Nissan", object="F", task="B samples")[0]
    validation = rows(found.table, coalition="Nissan", object="N/G1", task="validation")[0]
    assert quarter(validation["start"]) > quarter(samples["end"])


def test_an_alliance_go_ahead_comes_before_shared_families_only() -> None:
    go_ahead = {"task": "link_9", "scope": "link", "title": "go-ahead before any shared family", "quarters": 2.0}
    study = study_of(tasks=[*tasks(), go_ahead])
    found = schedule(study, catalogue(), both(), first_quarter="2028-Q2")
    joint = rows(found.milestones, coalition=GRAND, programme="N")[0]
    alone = rows(found.milestones, coalition="Nissan", programme="N")[0]
    assert (joint["late_quarters"], alone["late_quarters"]) == (0, 0)  # 7 quarters to 2030-Q1: 2 + 5 fit just
    later = schedule(study, catalogue(), both(), first_quarter="2028-Q3")
    assert rows(later.milestones, coalition=GRAND, programme="N")[0]["late_quarters"] == 1
    assert rows(later.milestones, coalition="Nissan", programme="N")[0]["late_quarters"] == 0


def test_a_car_that_must_have_been_begun_counts_as_under_way() -> None:
    found = schedule(study_of(), catalogue(), both(), first_quarter="2029-Q1")
    car = rows(found.table, coalition="Nissan", object="N/G1")
    assert any("N/G1 is taken to be under way" in note for note in found.notes)
    # 5 quarters of work, 4 left: one of the two quarters of the concept is behind
    assert sum(row["hours"] for row in car) == pytest.approx(1_000.0 * 4 / 5)


def test_the_decision_calendar_counts_back_from_the_start_of_production() -> None:
    found = schedule(study_of(), catalogue(), both())
    (row,) = rows(found.calendar, coalition=GRAND, object="F")
    # 2030-Q1 less 5 quarters is 2028-Q4 for the go-ahead; the freeze must be done in the quarter after
    assert (row["due"], row["go_ahead_by"], row["freeze_by"], row["missed"]) == ("2030-Q1", "2028-Q4", "2029-Q1", False)
    (late,) = rows(
        schedule(study_of(), catalogue(), both(), first_quarter="2029-Q1").calendar, coalition="Nissan", object="F"
    )
    assert late["missed"]


def test_without_tasks_there_is_a_sentence_and_no_schedule() -> None:
    found = schedule(study_of(tasks=[]), catalogue(), both())
    assert found.table.is_empty()
    assert len(found.notes) == 1
    assert found.notes[0].startswith("no schedule: the study has no tasks; every module counts as ready in time")


def test_tasks_in_a_circle_and_a_wrong_quarter_are_refused() -> None:
    circle = [
        {"task": a, "scope": "e-axle family", "title": a, "predecessors": [b], "quarters": 1.0} for a, b in ("AB", "BA")
    ]
    with pytest.raises(StudyError, match="circle"):
        schedule(study_of(tasks=circle), catalogue(), both())
    with pytest.raises(StudyError, match="write it as 2027-Q1"):
        schedule(study_of(), catalogue(), both(), first_quarter="2027Q1")


def test_the_same_study_gives_the_same_schedule() -> None:
    first, second = (schedule(study_of({"Nissan": 1_500.0}), catalogue(), both()) for _ in range(2))
    assert first.table.equals(second.table)
    assert first.summary.equals(second.summary)


def test_a_module_already_carried_is_not_developed_again_when_only_its_supplier_changes() -> None:
    existing = [{"programme": "N", "generation": "G1", "class": "e-axle", "module": "E1", "contract_end": 2035.0}]
    moved = plans(plan("Nissan", "alone", [("N", "G1", "E1", False)], developing_group="Nissan"))
    finder = ObjectFinder(study_of(existing=existing), catalogue(), moved.by_key["Nissan", "alone"], START)
    assert [one.level for one in finder.objects()] == []
    joint = plan(GRAND, "powertrain", [("N", "G1", "E1", False)], developing_group=GRAND)
    finder = ObjectFinder(study_of(existing=existing), catalogue(), joint, START)
    assert {one.level for one in finder.objects()} == {"family", "application", "programme"}


def test_what_the_plan_lets_one_bloc_develop_is_not_shared_although_the_rung_would_allow_it() -> None:
    uses = [("N", "G1", "E1", False), ("H", "G1", "E1", False)]
    joint = plan(GRAND, "powertrain", uses)
    table = joint.tables["configurations"].with_columns(developing_group=pl.Series(["Nissan", "Honda"]))
    finder = ObjectFinder(study_of(), catalogue(), plan_with(table), START)
    families = [one for one in finder.objects() if one.level == "family"]
    assert [(one.leads, one.shared, one.hours["motor"]) for one in families] == [
        (("Nissan",), False, 6_000.0),
        (("Honda",), False, 6_000.0),
    ]


def test_work_that_is_not_what_the_plan_pays_is_said() -> None:
    paid = pl.DataFrame({"item": ["nre_family", "nre_application", "tooling"], "amount": [60.0, 3.0, 99.0]})
    one = plan("Nissan", "alone", [("N", "G1", "E1", False)])
    one.tables["development"] = paid
    agrees = schedule(study_of(), catalogue(), plans(one))
    (row,) = agrees.summary.to_dicts()
    assert (row["nre_of_work"], row["nre_in_plan"]) == (pytest.approx(63.0), pytest.approx(63.0))
    assert not any("the plan pays" in note for note in agrees.notes)
    one.tables["development"] = paid.with_columns(amount=pl.col("amount") * 2)
    assert any(
        "worth 63 million, the plan pays 126" in note for note in schedule(study_of(), catalogue(), plans(one)).notes
    )


def test_hours_that_are_not_stated_are_unlimited_with_a_note() -> None:
    found = schedule(study_of(engineering=[]), catalogue(), both())
    assert found.milestones["late_quarters"].sum() == 0
    assert any("no hours of motor at Nissan are stated" in note for note in found.notes)


def test_a_car_has_the_work_of_its_own_row_before_that_of_its_segment() -> None:
    work = study_of()["work"].to_dicts()
    twin = {"class": "top-hat", "item": "H", "level": "programme", "skill": "motor", "hours": 250.0}
    finder = ObjectFinder(study_of(work=[*work, twin]), catalogue(), both().by_key["Honda", "alone"], START)
    assert [one.hours for one in finder.objects() if one.level == "programme"] == [{"motor": 250.0}]


def test_a_company_of_the_same_bloc_may_lead_a_car_that_its_own_staff_cannot_bring_in_time() -> None:
    companies = [
        {"company": "Nissan", "bloc": "B", "engineering_rate_per_hour": 9_000.0},
        {"company": "Honda", "bloc": "B", "engineering_rate_per_hour": 11_000.0},
    ]
    study = study_of({"Nissan": 190.0, "Honda": 9_000.0}, companies=companies)
    one = plan(GRAND, "alone", [("N", "G1", "E1", False)])
    found = schedule(study, catalogue(), plans(one), first_quarter="2028-Q2")
    (late,) = rows(found.milestones, programme="N")
    assert late["late_quarters"] > 0
    assert late["cause"].startswith("hours of motor at Nissan")
    fixes = {row["fix"]: row for row in found.fixes.to_dicts()}
    assert "N/G1 from Nissan to Honda" in fixes["lead"]["detail"]
    assert fixes["lead"]["late_quarters"] < late["late_quarters"]


def test_an_application_too_large_for_the_staff_takes_longer() -> None:
    found = schedule(study_of({"Nissan": 100.0, "Honda": 9_000.0}), catalogue(), both())
    assert any("F in N/G1 for 2030-Q1: takes" in note for note in found.notes)
    assert (found.load["hours"] <= found.load["capacity"] * (1 + 1e-6)).all()
