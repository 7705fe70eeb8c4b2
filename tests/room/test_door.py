"""The door: what passes, what never does, and that what passes does not depend on what must stay secret."""

from __future__ import annotations

import datetime as dt
import json
import math
import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from teikei.errors import NotAllowedError, StudyError
from teikei.room import ReleaseList, parse_list, release
from teikei.room.door import NOT_ON_CELLS, OUTSIDERS, REFUSED, WITHHELD, joint_saving, made_on_cells
from teikei.room.inference import Interval, Known
from teikei.room.items import band_text
from teikei.runs.types import Run
from tests.web.joint_tables import make_tables

BREAKS = (0.0, 50_000.0, 100_000.0)
ITEMS: list[dict[str, Any]] = [
    {"kind": "specification", "classes": ["e-axle"]},
    {"kind": "drivers", "classes": ["e-axle"]},
    {"kind": "timeline", "classes": ["e-axle"]},
    {"kind": "tier_index", "schedules": [{"offer": "O1", "breaks": BREAKS}]},
    {"kind": "saving_band", "edges": [0, 5000, 10000, 20000]},
    {"kind": "saving_at_least", "threshold": 5000},
    {"kind": "own_share_band", "rule": "shapley", "edges": [2500, 5000, 10000]},
    {"kind": "requirement_price_band", "edges": [5, 10]},
    {"kind": "settlement", "form": "equal", "unit_million": 2500, "not_before": "2029-04-01"},
]


def make_list(**changes: Any) -> ReleaseList:
    return ReleaseList.model_validate(
        {
            "rung": "powertrain",
            "members": {"aoba": ["Aoba"], "midori": ["Midori"]},
            "items": ITEMS,
            "smallest_interval_million": 5000,
            "smallest_interval_units": 10_000,
            "smallest_interval_requirement_million": 5,
            "known_volumes": {"P1": [0, 120_000], "P2": [0, 120_000]},
            "known_saving": [-5000, 25_000],
            "what_ifs": 3,
            **changes,
        }
    )


def make_run(aoba: tuple[float, float], midori: tuple[float, float]) -> Run:
    """A joint run whose inputs count as put into cells already."""
    programmes = [("P1", "Aoba", *aoba), ("P2", "Midori", *midori)]
    return made_on_cells(Run(Path("nowhere"), make_tables(["Aoba", "Midori"], programmes, BREAKS), {}), make_list())


def test_what_passes_equals_a_calculation_by_hand() -> None:
    # alone 30,000 x 1.0 and 50,000 x 1.2: saving 0.1 x 30,000 + 0.02 x 90,000 = 4,800; joint volume 80,000
    found = release(make_run((30_000, 1.0), (50_000, 1.2)), "aoba", make_list())
    assert [(entry.kind, *entry.subject, entry.value) for entry in found.entries] == [
        ("specification", "e-axle", "AX1", "family", "AX"),
        ("specification", "e-axle", "AX1", "motor_type", "pm"),
        ("specification", "e-axle", "AX1", "gear_ratio", "9.5"),
        ("specification", "e-axle", "AX1", "peak_duration_s", "20"),
        ("specification", "e-axle", "AX1", "peak_power_kw", "80"),
        ("drivers", "e-axle", "AX1", "P1", "range", "wltc_japan", "drives this design"),
        ("timeline", "AX", "concept", "midori", "2026-Q1 to 2026-Q3"),
        ("timeline", "AX in P1 G1", "calibration", "aoba", "2026-Q1 to 2026-Q3"),
        ("timeline", "AX1", "design", "aoba", "2026-Q1 to 2026-Q3"),
        ("tier_index", "O1", "2027", "2"),
        ("saving_band", "powertrain", "0 to 5,000"),
        ("saving_at_least", "powertrain", "5000", "no"),
        ("own_share_band", "powertrain", "shapley", "below 2,500"),
        ("requirement_price_band", "P1", "range", "wltc_japan", "20 km", "below 5"),
        ("settlement", "equal", "not before 2029-04-01"),
    ]


def test_the_settlement_opens_late_and_rounded() -> None:
    run = make_run((30_000, 1.0), (50_000, 1.2))
    on = {day: release(run, "midori", make_list(), today=dt.date(2029, month, day)) for month, day in ((3, 31), (4, 1))}
    assert on[31].entries[-1].value == "not before 2029-04-01"
    # paid 4,800 / 7 = 686. A step of 2,500 would cut the saving (known: 0 to 5,000) at 4,800 - 2 x 686 - 2,500 = 929
    assert on[1].entries[-1].value == "-2500 to 0"
    bare = make_list(items=ITEMS[-1:])
    opened = release(made_on_cells(run, bare), "midori", bare, today=dt.date(2029, 4, 1))
    assert opened.entries[-1].value == "0"  # edges at 929 and 5,929, with -5,000 to 25,000 known: wide enough


def test_a_settlement_counts_the_rounds_shown_since() -> None:
    listed = make_list(items=[ITEMS[4], ITEMS[-1]], known_saving=[-20_000, 40_000], smallest_interval_million=4000)
    first = made_on_cells(make_run((30_000, 1.0), (110_000, 1.2)), listed)  # saving 6,240, between 5,000 and 10,000
    later = made_on_cells(make_run((29_000, 1.1), (110_000, 1.2)), listed)
    day = dt.date(2029, 4, 1)
    assert joint_saving(first, listed) == pytest.approx(6240)
    value = release(first, "midori", listed, after=[later], today=day).entries[-1].value
    assert value == release(first, "midori", listed, today=day).entries[-1].value == "0 to 2500"


def test_nothing_passes_of_a_run_that_was_not_made_on_the_agreed_cells() -> None:
    """The door cannot know what another plan would tell: a run on exact figures stays in the room."""
    run = make_run((30_000, 1.0), (50_000, 1.2))
    for meta in ({}, {"cells": "other"}, {"cells": make_list(smallest_interval_units=9_000).cells_key()}):
        found = release(Run(run.path, run.tables, meta), "aoba", make_list())
        assert {entry.value for entry in found.entries} == {NOT_ON_CELLS}
    own = made_on_cells(run, make_list(), exact="aoba")
    assert release(own, "aoba", make_list()) == release(run, "aoba", make_list())
    assert {entry.value for entry in release(own, "midori", make_list()).entries} == {NOT_ON_CELLS}


def test_of_a_study_with_a_company_that_is_no_member_nothing_passes() -> None:
    three = [("P1", "Aoba", 30_000.0, 1.0), ("P2", "Midori", 50_000.0, 1.2), ("P3", "Corvo", 40_000.0, 1.1)]
    run = Run(Path("nowhere"), make_tables(["Aoba", "Midori", "Corvo"], three, BREAKS), {})
    found = release(made_on_cells(run, make_list()), "aoba", make_list())
    assert {entry.value for entry in found.entries} == {OUTSIDERS}


def test_a_list_that_declares_nothing_lets_nothing_pass_and_says_why() -> None:
    bare = make_list(known_volumes={}, known_saving=None)
    found = release(make_run((30_000, 1.0), (50_000, 1.2)), "aoba", bare)
    assert all(entry.value.startswith(REFUSED) for entry in found.entries)
    assert any("known_volumes" in why for why in bare.refusals())
    assert any("known_saving" in why for why in bare.refusals())
    assert "void" in make_list(format=1).refusals()[0]
    assert make_list().refusals() == ()


def test_tiers_are_told_as_the_price_law_counted_them() -> None:
    """Offers of a pool, or a tier of spend: what the plan paid is what is told, whatever one offer's own pieces."""
    run = make_run((30_000, 1.0), (50_000, 1.2))
    awards = run.tables["awards"].with_columns(tier_from=100_000.0, quantity=1_000.0)
    found = release(Run(run.path, {**run.tables, "awards": awards}, run.meta), "aoba", make_list())
    assert [entry.value for entry in found.entries if entry.kind == "tier_index"] == ["3"]


def test_only_members_and_only_designs_that_two_members_use() -> None:
    run = make_run((30_000, 1.0), (50_000, 1.2))
    with pytest.raises(NotAllowedError):
        release(run, "kuro", make_list())
    alone = {**run.tables, "configurations": run.tables["configurations"].head(1)}
    found = release(Run(run.path, alone, run.meta), "aoba", make_list())
    assert not [entry for entry in found.entries if entry.kind == "specification"]


def test_no_private_figure_stands_in_a_release() -> None:
    run = make_run((31_337, 1.234567), (58_271, 1.345678))
    text = release(run, "aoba", make_list()).text()
    for table in run.tables.values():
        for column in ("value", "quantity", "nre", "saving_alliance", "value_nominal", "unit_price"):
            for figure in table[column].to_list() if column in table.columns else []:
                for shape in (f"{figure:g}", f"{figure:.0f}", f"{figure:,.0f}", str(figure)):
                    assert len(shape) < 4 or shape not in text


def test_missing_tables_pass_nothing_and_raise_nothing() -> None:
    found = release(made_on_cells(Run(Path("nowhere"), {}, {}), make_list()), "aoba", make_list())
    assert {entry.value for entry in found.entries} == {"not evaluated", "not before 2029-04-01"}


def agreed(run: Run) -> tuple[Any, ...]:
    """What the list lets aoba know of midori's figures, calculated apart from the door."""
    costs = {(c, r): v for c, r, v in run.tables["cost_by_rung"].iter_rows()}
    saving = costs["Aoba", "alone"] + costs["Midori", "alone"] - costs["Aoba+Midori", "powertrain"]
    volume = float(run.tables["awards"]["quantity"].sum())
    own = float(run.tables["requirement_prices"]["saving_alliance"][0])
    return (
        sum(saving >= edge for edge in (0, 5000, 10000, 20000)),
        sum(saving / 2 >= edge for edge in (2500, 5000, 10000)),
        sum(volume >= edge for edge in BREAKS),
        sum(own >= edge for edge in (5, 10)),
    )


def interference(door: Callable[[Run], str], seeds: int) -> tuple[int, int]:
    """(pairs of runs with the same agreed release, pairs among them where the door's bytes differ)."""
    pairs = differing = 0
    for seed in range(seeds):
        draw = random.Random(seed)
        own = (draw.uniform(10_000, 60_000), draw.uniform(0.8, 2.0))
        one, two = (make_run(own, (draw.uniform(20_000, 90_000), draw.uniform(0.8, 2.0))) for _ in range(2))
        if agreed(one) == agreed(two):
            pairs += 1
            differing += door(one) != door(two)
    return pairs, differing


def test_a_change_of_the_rivals_figures_that_keeps_the_agreed_release_changes_no_byte() -> None:
    pairs, differing = interference(lambda run: release(run, "aoba", make_list()).text(), 900)
    assert pairs > 150
    assert differing == 0


def _error_text(run: Run) -> str:
    worst = max(run.tables["cost_by_rung"]["value"].to_list())
    return f"the model became infeasible near {worst:.3f}"


def _mean(run: Run) -> str:
    return f"{run.tables['cost_breakdown']['value'].mean():.0f}"


def _order(run: Run) -> str:
    return ",".join(run.tables["cost_breakdown"].sort("value")["programme"].to_list())


@pytest.mark.parametrize("leak", [_error_text, _mean, _order])
def test_planted_leaks_are_caught_by_the_same_test(leak: Callable[[Run], str]) -> None:
    _, differing = interference(lambda run: release(run, "aoba", make_list()).text() + leak(run), 300)
    assert differing > 2


PUBLIC = Interval(-5000.0, 30_000.0)
EDGES = (0.0, 5000.0, 10_000.0, 20_000.0)


def follow(values: list[float], floor: float) -> tuple[Known, list[bool]]:
    """What rounds of one band leave of the first value, and which of them are shown."""
    known, shown = Known(PUBLIC), []
    for value in values:
        edges = [edge - (value - values[0]) for edge in EDGES]
        shown.append(known.may_cut(edges, floor))
        known = known.cut(edges, values[0]) if shown[-1] else known
    return known, shown


@given(st.integers(0, 10**6))
@settings(max_examples=300, deadline=None, derandomize=True)
def test_what_ifs_never_pin_the_saving_below_the_promised_width(seed: int) -> None:
    """An attacker who knows exactly what its own changes did, and chooses them by what it has learnt so far."""
    draw = random.Random(seed)
    floor = draw.choice([500.0, 2000.0, 5000.0])
    truth = draw.uniform(PUBLIC.lower, PUBLIC.upper)
    values = [truth]
    for _ in range(6):
        known = follow(values, floor)[0].left
        assert known.lower <= truth < known.upper
        assert known.width >= floor
        aim = draw.choice(
            [(known.lower + known.upper) / 2, draw.uniform(known.lower, known.upper), known.lower + 1, known.upper - 1]
        )
        values.append(truth + draw.choice(EDGES) - aim)  # moves an edge onto the aim


@given(st.integers(0, 10**6))
@settings(max_examples=200, deadline=None, derandomize=True)
def test_a_refusal_tells_nothing(seed: int) -> None:
    """Two truths that look the same so far are refused or shown alike in the next round."""
    draw = random.Random(seed)
    floor = 2000.0
    one = draw.uniform(0, 20_000)
    moves = [0.0, *[draw.uniform(-15_000, 15_000) for _ in range(4)]]
    for count in range(1, 5):
        known, shown = follow([one + move for move in moves[:count]], floor)
        other = draw.uniform(known.left.lower, known.left.upper)
        _, shown_again = follow([other + move for move in moves[: count + 1]], floor)
        assert shown_again[:count] == shown
        assert follow([one + move for move in moves[: count + 1]], floor)[1] == shown_again


def test_without_the_rule_a_lucky_what_if_would_pin_the_saving() -> None:
    known = Known(PUBLIC).cut([0.0, 5000.0], 4990.0)
    assert not known.may_cut([4980.0], 2000.0)
    assert known.cut([4980.0], 4990.0).shown.width == 20.0


def test_a_later_round_is_withheld_where_it_would_cut_too_finely() -> None:
    first = make_run((30_000, 1.0), (50_000, 1.2))  # saving 4,800: known to lie in 0 to 5,000
    second = make_run((30_500, 1.0), (50_000, 1.2))
    found = release(second, "aoba", make_list(), history=[first])
    assert next(entry for entry in found.entries if entry.kind == "saving_band").value == WITHHELD
    same = release(first, "aoba", make_list(), history=[first])
    assert next(entry for entry in same.entries if entry.kind == "saving_band").value == "0 to 5,000"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"smallest_interval_million": 6000}, "pin the saving"),
        ({"items": [*ITEMS, {"kind": "saving_at_least", "threshold": 5100}]}, "pin the saving"),
        ({"items": [{"kind": "own_share_band", "rule": "x", "edges": [0, 2000]}]}, "pin the saving"),
        ({"items": [{"kind": "saving_band", "edges": [2, 1]}]}, "must rise"),
        ({"items": [{"kind": "raw", "table": "awards"}]}, "items"),
        ({"members": {"aoba": ["Aoba"]}}, "members"),
        ({"members": {"aoba": ["Aoba"], "midori": ["Aoba"]}}, "two members"),
        ({"members": {"aoba": ["Aoba"], "midori": [""]}}, "no company"),
        ({"known_volumes": {"P1": [5, 5]}}, "must rise"),
        ({"known_saving": [2, 1]}, "must rise"),
        ({"known_saving": [-100, 25_000]}, "pin the saving"),
        ({"what_ifs": 99}, "what_ifs"),
        ({"sales_price": 1}, "sales_price"),
    ],
)
def test_a_list_that_breaks_its_own_promise_or_names_something_else_cannot_be_signed(
    changes: dict[str, Any], said: str
) -> None:
    text = json.dumps({**make_list().model_dump(mode="json"), **changes})
    with pytest.raises(StudyError, match=said):
        parse_list(text)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"smallest_interval_requirement_million": None}, "requirement price band: its bands are 5 million wide"),
        ({"items": [{"kind": "requirement_price_band", "edges": [1.0, 1.1]}]}, "0.1 million wide"),
        ({"items": [{**ITEMS[-1], "unit_million": 0.001}]}, "settlement: a payment rounded to 0.001 million"),
        ({"items": [{**ITEMS[-1], "not_before": "2026-12-01"}]}, "has come already"),
        ({"items": [{**ITEMS[6], "rule": "proportional_to_standalone"}]}, "cannot declare"),
        ({"items": [ITEMS[6]], "members": {"aoba": ["Aoba", "Kuro"], "midori": ["Midori"]}}, "cannot declare"),
        (
            {
                "items": [{**ITEMS[6], "edges": [5000]}],
                "members": {"aoba": ["Aoba"], "midori": ["Midori"], "kuro": ["Kuro"]},
            },
            "cannot declare",
        ),
        ({"known_volumes": {}}, "tier index: the list does not declare"),
        ({"known_saving": None}, "saving at least: the list does not declare"),
    ],
)
def test_a_list_is_refused_with_every_item_that_declares_less_than_it_could_tell(
    changes: dict[str, Any], said: str
) -> None:
    listed = make_list(**changes)
    assert any(said in why for why in listed.refusals(dt.date(2027, 1, 15))), listed.refusals(dt.date(2027, 1, 15))


def test_every_kind_of_item_declares_what_it_could_tell_in_a_unit() -> None:
    kinds = {item["kind"] for item in ITEMS}
    listed = make_list()
    assert {item.kind for item in listed.items} == kinds
    for item in listed.items:
        declared = item.constrains(listed.terms)
        assert {"volumes", "prices"} <= {one.quantity for one in declared}, item.kind
        assert all(one.unit for one in declared)
    assert [(one.quantity, one.of, one.unit, one.width) for one in listed.promises()] == [
        ("volumes", "P1", "cars a year", 10_000),
        ("volumes", "P2", "cars a year", 10_000),
        ("saving", "powertrain", "million", 5000),
    ]


@pytest.mark.parametrize(
    ("value", "text"), [(-1, "below 0"), (0, "0 to 5,000"), (4999.9, "0 to 5,000"), (5000, "5,000 or more")]
)
def test_bands_hold_their_lower_edge(value: float, text: str) -> None:
    assert band_text((0, 5000), value) == text


def _bands_of(text: str) -> tuple[float, float]:
    """Ends of a band as it is printed."""
    numbers = [float(part.replace(",", "")) for part in re.findall(r"-?[\d,]+(?:\.\d+)?", text)]
    if text.startswith("below"):
        return -math.inf, numbers[0]
    return (numbers[0], math.inf) if "or more" in text else (numbers[0], numbers[1])


@given(st.integers(0, 10**6))
@settings(max_examples=150, deadline=None, derandomize=True)
def test_replaying_all_releases_with_own_data_leaves_the_saving_its_promised_width(seed: int) -> None:
    """Differencing: Aoba knows its own figures of every round, and reads the rounds' releases against each other."""
    draw = random.Random(seed)
    listed = make_list(what_ifs=4)
    midori = (draw.uniform(20_000, 90_000), draw.uniform(0.8, 2.0))
    runs = [make_run((draw.uniform(10_000, 60_000), draw.uniform(0.8, 2.0)), midori) for _ in range(4)]
    truth = joint_saving(runs[0], listed)
    low, high = saving_left(runs, listed, truth)
    assert low <= truth < high
    assert high - low >= listed.smallest_interval_million - 1e-6


def saving_left(runs: list[Run], listed: ReleaseList, truth: float) -> tuple[float, float]:
    """What all lines of all rounds leave of the first saving within the public belief."""
    low, high = -5000.0, 25_000.0
    for number, run in enumerate(runs):
        found = release(run, "aoba", listed, runs[:number])
        moved = joint_saving(run, listed) - truth  # the attacker is given what it could only guess
        for entry in found.entries:
            if entry.value == WITHHELD:
                continue
            if entry.kind in ("saving_band", "own_share_band"):
                scale = 2.0 if entry.kind == "own_share_band" else 1.0
                first, last = (scale * end - moved for end in _bands_of(entry.value))
                low, high = max(low, first), min(high, last)
            elif entry.kind == "saving_at_least":
                edge = float(entry.subject[1]) - moved
                low, high = (max(low, edge), high) if entry.value == "yes" else (low, min(high, edge))
    return low, high


def test_the_same_attack_pins_the_saving_where_every_round_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """The attack works: without the rule four rounds cut the interval below the promise for some figures."""
    monkeypatch.setattr(Known, "may_cut", lambda *_: True)
    listed, pinned = make_list(), 0
    for seed in range(60):
        draw = random.Random(seed)
        midori = (draw.uniform(20_000, 90_000), draw.uniform(0.8, 2.0))
        runs = [make_run((draw.uniform(10_000, 60_000), draw.uniform(0.8, 2.0)), midori) for _ in range(6)]
        low, high = saving_left(runs, listed, joint_saving(runs[0], listed))
        pinned += high - low < listed.smallest_interval_million
    assert pinned > 10
