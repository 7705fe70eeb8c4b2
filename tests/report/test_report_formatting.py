from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from teikei.report.charts import Series, dots, safe, waterfall
from teikei.report.formatting import decimals_for, in_words, listed, money_for, number, percent, points
from teikei.report.sections.schedule import moment


@pytest.mark.parametrize(
    ("value", "decimals", "text"),
    [
        (1234567.0, 0, "1,234,567"),
        (-2.35, 2, "\u22122.35"),
        (-0.0001, 2, "0.00"),
        (None, 1, "–"),
        (math.nan, 1, "–"),
        (math.inf, 1, "–"),
    ],
)
def test_numbers_are_written_as_people_read_them(value, decimals, text):
    assert number(value, decimals) == text


@pytest.mark.parametrize(
    ("values", "decimals"),
    [([2787.0, 1.0], 0), ([140.07, 9.6], 1), ([58.8], 1), ([5.6], 2), ([0.123], 3), ([0.0], 0), ([], 0)],
)
def test_a_column_gets_one_number_of_decimals_by_its_largest_value(values, decimals):
    assert decimals_for(values) == decimals


@settings(max_examples=200, derandomize=True, deadline=None)
@given(st.floats(-1e12, 1e12), st.integers(0, 4))
def test_a_written_number_reads_back_within_its_rounding(value, decimals):
    read = float(number(value, decimals).replace(",", "").replace("\u2212", "-"))
    assert abs(read - value) <= 0.5 * 10.0**-decimals * (1 + 1e-9) + 1e-9 * abs(value)


def test_millions_become_billions_only_where_there_is_one():
    assert money_for("JPY", [999.0]).full(999.0) == "999.0\u00a0million\u00a0JPY".replace("million\u00a0", "million ")
    assert money_for("EUR", [5.0, 2_500.0]).full(2_500.0) == "2.50\u00a0bn EUR"


@pytest.mark.parametrize(
    ("value", "text"),
    [(3_358_453.0, "3.36 million"), (12_345.0, "12,300"), (987.4, "987"), (12.34, "12.3"), (0.0, "0.000")],
)
def test_a_figure_in_a_sentence_has_three_digits(value, text):
    assert in_words(value) == text


def test_shares_are_per_cent_and_differences_are_points():
    assert percent(0.0463) == "4.6\u00a0%"
    assert percent(-0.01, sign=True) == "\u22121.0\u00a0%"
    assert points(0.0024) == "+0.24\u00a0points"


def test_lists_read_as_a_sentence():
    assert [listed(parts) for parts in ([], ["a"], ["a", "b"], ["a", "b", "c"])] == ["", "a", "a and b", "a, b and c"]


@pytest.mark.parametrize(
    ("text", "year"),
    [
        ("2028", 2028.0),
        ("2028-Q3", 2028.5),
        ("2028Q1", 2028.0),
        ("2028-07", 2028.5),
        ("2028-07-15", 2028.5),
        ("2028.25", 2028.25),
    ],
)
def test_moments_of_a_schedule_are_decimal_years(text, year):
    assert moment(text) == year


def test_a_task_ends_when_the_quarter_or_month_named_is_over():
    assert moment("2028-Q4", end=True) == 2029.0
    assert moment("2028-06", end=True) == 2028.5
    assert moment("2028", end=True) == 2028.0


@pytest.mark.parametrize("text", ["", None, "soon", "2028-13", "28"])
def test_a_moment_that_cannot_be_read_is_none(text):
    assert moment(text) is None


def test_a_walk_stands_on_what_came_before():
    figure = waterfall(
        [("from", 100.0, True), ("less", -30.0, False), ("more", 10.0, False), ("to", 80.0, True)], "unit"
    )
    bars = figure["data"][0]
    assert bars["base"] == [0.0, 70.0, 70.0, 0.0]
    assert bars["x"] == [100.0, 30.0, 10.0, 80.0]
    assert figure["layout"]["xaxis"]["range"][0] > 0
    assert "does not start at zero" in figure["layout"]["xaxis"]["title"]["text"]


def test_text_for_labels_carries_no_markup():
    assert safe("<a href='x'>&") == "&lt;a href='x'&gt;&amp;"


def test_a_symbol_under_another_is_larger_and_stays_visible():
    figure = dots(["P01"], [Series("alone", [1.0]), Series("together", [1.0])], "JPY")
    assert figure["data"][0]["marker"]["size"] > figure["data"][1]["marker"]["size"]
