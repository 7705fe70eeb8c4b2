"""Contracts, stress, schedule and the pages per company: what the page says of the tables behind them."""

from __future__ import annotations

import polars as pl

from teikei.report.answer import make_answer
from teikei.report.context import make_context
from teikei.report.evidence import read_evidence
from teikei.report.page import all_charts
from teikei.report.sections import contracts, decision, law, schedule
from teikei.report.writing import page_text
from tests.report.fake_tables import GRAND, meta, tables
from tests.report.page_reading import Page

HOSTILE = "<b>&\"'"


def terms(gain: float = 50.0) -> dict[str, pl.DataFrame]:
    rows = [
        ("battery", form, company, 1000.0, 1000.0 - amount, price)
        for form, price in (("equal split", None), ("price per kit", 640_000.0))
        for company, amount in (("Nissan" + HOSTILE, gain), ("Honda", 70.0))
    ]
    names = ["rung", "form", "company", "alone", "outcome", "price_per_car"]
    stress_rows = [
        ("battery", case, form, company, 50.0, left, exit_payment, left < 50.0)
        for form in ("equal split", "price per kit")
        for case, left, exit_payment in (("Honda delivers 60%", 20.0, 0.0), ("Honda leaves after 2030", -30.0, 12.0))
        for company in ("Nissan", "Honda")
    ]
    stress_names = ["rung", "case", "form", "company", "planned_gain", "gain", "exit_payment", "hurt"]
    return {
        "contract_terms": pl.DataFrame(rows, schema=names, orient="row"),
        "stress": pl.DataFrame(stress_rows, schema=stress_names, orient="row"),
        "contract_notes": pl.DataFrame({"text": ["the kit is pack; Nissan leads"]}),
    }


def read(stored: dict[str, pl.DataFrame]) -> Page:
    return Page(page_text({**tables(), **stored}, meta()))


def table_of(page: Page, caption: str) -> list[list[str]]:
    return next(one.rows for one in page.tables if one.caption.startswith(caption))


def test_contracts_and_stress_are_a_picture_and_a_table_each_and_hostile_names_stay_text() -> None:
    page = read(terms())
    assert page.problems == []
    assert [row[:2] for row in table_of(page, "Terms at")[1:3]] == [
        ["Nissan" + HOSTILE, "equal split"],
        ["Honda", "equal split"],
    ]
    assert "Every form leaves every company better off than alone" in page.words
    assert "The kit is pack; Nissan leads." in page.words
    names = {chart.name for chart in all_charts((contracts.section(make_context({**tables(), **terms()}, meta())),))}
    assert names == {"contract-forms", "stress-0", "stress-1"}


def test_a_form_that_leaves_somebody_worse_than_alone_is_the_title() -> None:
    words = read(terms(gain=-8.0)).words
    assert "Under “equal split” Nissan" in words
    assert "more than alone" in words


def test_stress_says_who_ends_worse_than_alone_and_what_leaving_must_cost() -> None:
    page = read(terms())
    assert "worse than alone when Honda leaves after 2030" in page.words
    rows = table_of(page, "Stress at")
    assert rows[0][:6] == ["Case", "company", "gain as planned", "gain in the case", "change", "exit payment"]
    leaving = next(row for row in rows[1:] if row[0] == "Honda leaves after 2030")
    assert leaving[5] == "0.012"  # bn


def test_without_contracts_the_page_says_what_is_missing() -> None:
    words = read({}).words
    assert "not evaluated because this run stored no table “contract_terms”" in words
    assert "not evaluated because this run stored no table “stress”" in words


def schedule_tables() -> dict[str, pl.DataFrame]:
    tasks = [
        (GRAND, "battery", "concept", "PK_LFP", "Nissan", "2027-Q1", "2027-Q2", 100.0),
        (GRAND, "battery", "validation", "PK_LFP in P01/G2 for 2028-Q3", "Honda", "2028-Q1", "2028-Q2", 50.0),
        (GRAND, "battery", "concept", "P01/G2", "Honda", "2027-Q3", "2028-Q4", 50.0),
    ]
    names = ["coalition", "rung", "task", "object", "company", "start", "end", "hours"]
    due = [
        (GRAND, "battery", "P01", "G2", "2028-Q3", "2029-Q1", 2),
        ("Honda", "alone", "P01", "G2", "2028-Q3", "2028-Q4", 1),
    ]
    due_names = ["coalition", "rung", "programme", "generation", "due", "reached", "late_quarters"]
    sums = [
        (GRAND, "battery", 100.0, 900.0, 3.0),
        ("Nissan+Mitsubishi", "alone", 80.0, 700.0, 0.0),
        ("Honda", "alone", 70.0, 400.0, 1.0),
    ]
    load = [(GRAND, "battery", "Honda", "battery", f"2028-Q{q}", 90.0, 100.0) for q in (1, 2)]
    return {
        "schedule": pl.DataFrame(tasks, schema=names, orient="row"),
        "schedule_milestones": pl.DataFrame(due, schema=due_names, orient="row"),
        "schedule_summary": pl.DataFrame(
            sums, schema=["coalition", "rung", "hours", "engineering_cost", "late_quarters"], orient="row"
        ),
        "schedule_load": pl.DataFrame(
            load, schema=["coalition", "rung", "company", "skill", "quarter", "hours", "capacity"], orient="row"
        ),
    }


def test_modules_of_a_car_share_a_row_and_a_missed_start_of_production_is_marked() -> None:
    context = make_context({**tables(), **schedule_tables()}, meta())
    (chart,) = (one for one in all_charts((schedule.section(context),)) if one.name == "schedule")
    rows = [name for bar in chart.figure["data"] if bar["type"] == "bar" for name in bar["y"]]
    assert rows == ["PK_LFP", "modules in P01/G2, 2028-Q3", "P01/G2"] or set(rows) == {
        "PK_LFP", "modules in P01/G2, 2028-Q3", "P01/G2",
    }  # fmt: skip
    (mark,) = (one for one in chart.figure["data"] if one["type"] == "scatter")
    assert (mark["name"], mark["y"], mark["x"]) == ("due, missed", ["P01/G2"], [2028.5])


def test_developing_together_stands_beside_the_sum_of_all_alone() -> None:
    rows = table_of(read(schedule_tables()), "Developing together")
    assert [row[0] for row in rows[1:]] == [f"{GRAND}, together", "Nissan+Mitsubishi", "Honda", "all, each alone"]
    assert rows[-1][2] == "150"


def test_engineers_are_shown_as_a_part_of_the_hours_of_the_year() -> None:
    assert "Fullest: battery at Honda, 45 % of the hours of 2028" in read(schedule_tables()).words


def test_a_baseline_that_cannot_be_reached_in_time_is_said_beside_the_ladder() -> None:
    sentence = schedule.late_alone(make_context({**tables(), **schedule_tables()}, meta()))
    assert "alone, P01 G2 (1) would start late" in sentence
    assert sentence in read(schedule_tables()).words
    assert schedule.late_alone(make_context(tables(), meta())) == ""


def test_starts_that_cooperation_makes_late_are_said_on_the_first_screen_beside_those_alone() -> None:
    context = make_context({**tables(), **schedule_tables()}, meta())
    sentence = schedule.late_together(context)
    assert "1 of 1 starts of production come late, 2 quarters in all against 1 alone" in sentence
    assert sentence in make_answer(context, read_evidence(context)).trust
    assert schedule.late_together(make_context(tables(), meta())) == ""


def test_a_car_without_a_row_of_its_own_has_its_due_date_in_the_row_of_its_modules() -> None:
    stored = schedule_tables()
    stored["schedule"] = stored["schedule"].filter(pl.col("object") != "P01/G2")
    context = make_context({**tables(), **stored}, meta())
    (chart,) = (one for one in all_charts((schedule.section(context),)) if one.name == "schedule")
    (mark,) = (one for one in chart.figure["data"] if one["type"] == "scatter")
    assert (mark["name"], mark["y"]) == ("due, missed", ["modules in P01/G2, 2028-Q3"])


def test_each_company_has_its_page_with_profit_and_switching_cost() -> None:
    case = tables()["business_case"].with_columns(
        profit_change=pl.col("saving") / 2, idle_plant_alone=pl.lit(0.0), idle_plant_joint=pl.lit(3.0)
    )
    switching = pl.DataFrame(
        {"programme": ["P01"], "generation": ["G1"], "company": ["Nissan"], "module": ["E1"], "total": [2.0]}
        | {"plan_switches": [True]}
    )
    page = read({"business_case": case, "switching_costs": switching})
    rows = table_of(page, "Under “equal split”")
    assert [row[0] for row in rows[1:]] == [
        "cost alone", "cost together", "saving (cash)", "change of profit", "idle plant together",
    ]  # fmt: skip
    assert table_of(page, "What leaving the contracts")[1][-1] == "yes"
    assert "Nissan: business case by year" in page.words


def test_the_decision_calendar_leaves_applications_to_the_workbook_and_counts_what_is_missed() -> None:
    rows = [
        (GRAND, "battery", "PK_LFP", "family", "P01", "G2", "2028-Q3", "2024-Q4", "2025-Q4", True),
        (GRAND, "battery", "PK_LFP in P01/G2", "application", "P01", "G2", "2028-Q3", "2027-Q2", "2027-Q3", False),
    ]
    names = [
        "coalition",
        "rung",
        "object",
        "level",
        "programme",
        "generation",
        "due",
        "go_ahead_by",
        "freeze_by",
        "missed",
    ]
    page = read({"decision_calendar": pl.DataFrame(rows, schema=names, orient="row")})
    assert "Decision calendar: 1 development, the last date of 1 has passed already" in page.words
    assert len(table_of(page, "Decision calendar")) == 2


def test_a_common_share_of_cost_shows_its_band_and_the_precedents_beside_it() -> None:
    screens = pl.DataFrame(
        {"rung": ["battery"], "screen": ["common cost"], "region": ["all"], "year": [2030], "figure": [0.31]}
        | {"threshold": [0.1], "light": ["red"], "band": ["over 20 %"], "subject": ["P01"], "question": ["ask"]}
    )
    cases = pl.DataFrame(
        {"case": ["parts pool"], "authority": ["JFTC"], "common_cost": [0.08], "answer": ["no problem"]}
    )
    page = read({"screens": screens, "law_precedents": cases})
    assert table_of(page, "Competition-law screens at “battery”")[1][4] == "31.0 % (over 20 %)"
    assert table_of(page, "Cases that the authority")[1][4] == "8 %"
    assert law.ADVICE in page.words
    assert "legal" not in page.words.lower().replace("illegal", "")


def test_sections_survive_tables_without_usable_rows() -> None:
    empty = {name: frame.clear() for name, frame in {**tables(), **terms(), **schedule_tables()}.items()}
    context = make_context(empty, meta())
    for part in (contracts, schedule, decision, law):
        assert part.section(context).blocks
