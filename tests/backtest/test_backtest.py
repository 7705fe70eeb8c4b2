"""Backtests: measures against slips of paper, the rules of scoring, and that frozen figures stay frozen."""

from __future__ import annotations

import csv
import hashlib
import math
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from teikei.backtest import backtest, verdict
from teikei.backtest.answers import MEASURES, Planned, planned
from teikei.backtest.benchmarks import pooled_saving, samples_of, sharing_saved_share
from teikei.backtest.run import interval_score, judged, shipped_cases
from teikei.cli import app
from teikei.errors import StudyError
from teikei.study import load

MIDDLE = np.full(3, 0.5)
CONTRACT = ["case", "figure", "unit", "reported", "grade", "scored", "answer", "lower", "upper", "sign", "factor",
            "inside"]  # fmt: skip
FROZEN = "e8253d152207"


def one_value(**more: Any) -> dict[str, Any]:
    spend = {"spend": 100.0, "spend_low": 100.0, "spend_high": 100.0, "divided_by": 1, "years_after": None}
    return {"blocs": 2, **spend, **more}


@pytest.fixture(scope="module")
def engine() -> Planned:
    with shipped_cases() as folder:
        return planned(load(folder / "french-german-engine"))


@pytest.fixture(scope="module")
def van() -> Planned:
    with shipped_cases() as folder:
        return planned(load(folder / "kei-van"))


def test_pooled_saving_is_a_slip_of_paper() -> None:
    """Quantile of the factor's mode, 1 of 1.7 / 1.3, is its place: then 0.65 % alignment and 0.9935 x 0.65 % rate."""
    at_mode = np.array([1.3 / 1.7, 0.5, 0.5])
    assert pooled_saving(one_value(), at_mode) == pytest.approx(100 * (0.0065 + 0.9935 * 0.0065), rel=1e-9)
    late = one_value(years_after=2.25, years_low=2.25, years_high=2.25)
    assert pooled_saving(late, at_mode) == pytest.approx(0.565 * pooled_saving(one_value(), at_mode), rel=1e-9)
    three = pooled_saving(one_value(blocs=3), at_mode)
    assert three == pytest.approx(100 * (0.00975 + 0.99025 * 0.0065), rel=1e-6)
    assert pooled_saving(one_value(blocs=1), at_mode) == 0.0


def test_sharing_saves_what_is_common_less_extra_work() -> None:
    row = {"blocs": 3, "common_low": 0.6, "common_share": 0.6, "common_high": 0.6, "k_low": 0.25, "k": 0.25,
           "k_high": 0.25}  # fmt: skip
    assert sharing_saved_share(row, MIDDLE) == pytest.approx(30.0)  # the C platform that sets k
    assert sharing_saved_share({**row, "blocs": 2, "common_low": 1.0, "common_share": 1.0, "common_high": 1.0,
                                "k_low": 0.2, "k": 0.2, "k_high": 0.2}, MIDDLE) == pytest.approx(40.0)  # fmt: skip
    assert len(set(samples_of("sharing_saved_share", {**row, "k_high": 0.5}))) > 100


def test_development_of_the_engine_is_a_slip_of_paper(engine: Planned) -> None:
    together, alone = 320 * 1.2 + 2 * 30, 2 * (320 + 30)
    assert MEASURES["development_saved_share"](engine, "") == pytest.approx(100 * (1 - together / alone))
    tooling = 2 * 165
    expected = 100 * (1 - (together + tooling) / (alone + tooling))
    assert MEASURES["investment_saved_share"](engine, "") == pytest.approx(expected)


def test_shares_of_the_engine_add_up_and_each_unit_has_its_part(engine: Planned) -> None:
    assert math.fsum(engine.share.values()) == pytest.approx(engine.saving, rel=1e-9)
    worth = math.fsum(1.06 ** -(year + 0.5 - 2002) for year in range(2006, 2014))
    by_unit = MEASURES["saving_per_unit"](engine, "BMW")
    assert by_unit == pytest.approx(engine.share["BMW"] / (200_000 * worth) * 1e6)
    assert MEASURES["saving_a_year"](engine, "BMW") == pytest.approx(by_unit * 0.2)


def test_a_joint_car_is_late_by_its_extra_work_and_loses_those_cars(van: Planned) -> None:
    assert MEASURES["months_late"](van, "") == pytest.approx(37 * 0.25 * 2)
    from teikei.backtest.answers import lost_by_lateness

    worthless = dict.fromkeys(van.study["programmes"]["programme"], 0.0)
    assert lost_by_lateness(van, worthless) == 0.0
    dear = dict.fromkeys(worthless, 1e9)  # costs vanish beside it: 18.5 months of 20,000 cars
    lost = 20_000 * 1e3 * (1.06**-2.5 + 6.5 / 12 * 1.06**-3.5)
    assert lost_by_lateness(van, dear) == pytest.approx(lost, rel=0.01)


def test_who_would_not_launch_saves_nothing_and_has_paid_the_first_year(van: Planned) -> None:
    """Vans that bring nothing: alone nobody begins; together the first year's work of the joint van is lost."""
    cheap = van.study.with_tables(programmes=van.study["programmes"].with_columns(pl.lit(1.0).alias("car_value")))
    found = MEASURES["value_with_launch"](Planned(cheap, van.plans, van.share, van.units), "")
    family = 9_000 * 1.5 + 3 * 3_000
    assert -0.1 * family - 200 <= found < -0.05 * family
    dear = van.study.with_tables(programmes=van.study["programmes"].with_columns(pl.lit(4e6).alias("car_value")))
    rich = MEASURES["value_with_launch"](Planned(dear, van.plans, van.share, van.units), "")
    assert rich < van.saving  # all launch alone too: sharing saves, lateness costs


def test_rules_of_scoring() -> None:
    row = {"reported": 10.0, "reported_sign": "+", "use": "scored"}
    found = judged(row, [4.0, 5.0, 6.0])
    assert (found["answer"], found["sign"], found["factor"], found["inside"]) == (5.0, True, 2.0, False)
    assert judged(row, [-4.0, -5.0])["sign"] is False
    assert judged(row, [-4.0, -5.0])["factor"] == math.inf
    none = {"reported": 0.0, "reported_sign": "none", "use": "scored"}
    assert judged(none, [1.0, 2.0])["sign"] is False
    assert judged(none, [-1.0, 2.0])["sign"] is True
    assert judged(none, [-1.0, 2.0])["inside"] is True
    assert judged(row, [])["sign"] is None
    assert interval_score(0.0, 1.0, 0.5) == 1.0
    assert interval_score(0.0, 1.0, 1.5) == pytest.approx(6.0)


def test_the_table_keeps_its_columns_and_counts_only_what_was_named_beforehand(tmp_path: Path) -> None:
    out = tmp_path / "deep" / "backtest.csv"
    done = CliRunner().invoke(
        app, ["backtest", "french-german-engine", "PSA-Opel", "--samples", "2", "--out", str(out)]
    )
    assert done.exit_code == 0, done.output
    with out.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0])[: len(CONTRACT)] == CONTRACT
    assert {row["case"] for row in rows} == {"french-german-engine", "PSA-Opel"}
    assert all(row["scored"] == "yes" for row in rows)
    assert "Sign right: 2 of 2" in done.output
    again = backtest(["french-german-engine"], samples=2)
    assert again["answer"][0] == float(rows[0]["answer"])
    assert "1 of 1" in verdict(again)


def test_cases_without_an_answer_are_not_counted() -> None:
    row = {"case": "x", "figure": "y", "unit": "z", "reported": 3.0, "grade": "A", "use": "scored", "kind": "reported",
           "reported_sign": "+"}  # fmt: skip
    from teikei.backtest.run import COLUMNS

    table = pl.DataFrame([judged(row, []), judged(row, [2.0, 2.0])], schema=COLUMNS, orient="row")
    assert "Sign right: 1 of 1" in verdict(table)
    assert "Sign right: nothing to judge" in verdict(table.head(1))


def test_a_case_that_there_is_not_is_named() -> None:
    with pytest.raises(StudyError, match=r"no case .*engin.*french-german-engine"):
        backtest(["engin"])


def test_inputs_are_as_they_were_frozen() -> None:
    """Changing an input after an answer was seen is tuning: a new case may be added, a frozen one is not touched."""
    with shipped_cases() as folder:
        digest = hashlib.sha256()
        for file in sorted(folder.rglob("*.csv")) + sorted(folder.rglob("study.yaml")):
            digest.update(file.relative_to(folder).as_posix().encode() + file.read_bytes())
    assert digest.hexdigest().startswith(FROZEN)


def test_what_sets_a_default_is_not_scored_and_every_figure_has_source_and_grade() -> None:
    with shipped_cases() as folder:
        figures = pl.read_csv(folder / "figures.csv")
    scored = figures.filter(pl.col("use") == "scored")
    assert scored.height == 9
    assert set(scored["kind"]) == {"reported"}
    assert not set(scored["case"]) & {"six-speed-gearbox", "c-platform"}
    assert figures["source"].null_count() == 0
    assert set(figures["grade"]) <= {"A", "B", "C"}
