"""Bad rows of bodies, twins and assembly plants are named with their place."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from teikei.errors import Problem
from teikei.study import check
from tests.study.small import small_tables, write_small

Tables = dict[str, list[list[str]]]


def add(tables: Tables, table: str, **cells: Any) -> None:
    """One more row of a table; columns it lacks are added."""
    rows = tables.setdefault(table, [list(cells)])
    for name in cells:
        if name not in rows[0]:
            rows[0].append(name)
            for row in rows[1:]:
                row.append("")
    rows.append([str(cells.get(name, "")) for name in rows[0]])


def set_cell(tables: Tables, table: str, row: int, **cells: Any) -> None:
    """Changes cells of a row of a table."""
    for name, cell in cells.items():
        if name not in tables[table][0]:
            tables[table][0].append(name)
            for other in tables[table][1:]:
                other.append("")
        tables[table][row][tables[table][0].index(name)] = str(cell)


def twins(tables: Tables) -> None:
    """Two twins with a body that both may carry."""
    head = tables["generations"][0]
    cars = [dict(zip(head, row, strict=True)) for row in tables["generations"][1:]]
    names = list(dict.fromkeys(car["programme"] for car in cars))
    add(tables, "classes", **{"class": "body", "title": "Body", "quantity_unit": "piece", "k_family_nre": 0.2})
    for rung, position in (("alone", 0), ("powertrain", 1)):
        shared = "yes" if position else "no"
        add(tables, "rungs", rung=rung, position=position, procurement="none", development_shared=shared,
            joint_plants="no", **{"class": "body"})  # fmt: skip
    add(tables, "families", family="TH", nre=100, tooling=10, application_nre=5, application_tooling=1,
        **{"class": "body"})  # fmt: skip
    add(tables, "modules", module="TH1", family="TH", twin="T", **{"class": "body"})
    for name, role in zip(names[:2], ("lead", "follower"), strict=True):
        car = next(car for car in cars if car["programme"] == name)
        add(tables, "twins", twin="T", programme=name, generation=car["generation"], role=role, gap_quarters=0)


def problems(tmp_path: Path, edit: Callable[[Tables], object] = lambda _: None) -> list[Problem]:
    tables = small_tables()
    twins(tables)
    edit(tables)
    return check(write_small(tmp_path, tables))


def said(found: list[Problem], place: str, *words: str) -> bool:
    return any(place in one.place and all(word in one.message for word in words) for one in found)


def test_twins_with_a_body_are_fine(tmp_path: Path) -> None:
    assert not [one for one in problems(tmp_path) if not one.warning]


def last(tables: Tables, table: str) -> int:
    return len(tables[table]) - 1


WRONG: dict[str, tuple[Callable[[Tables], object], str, tuple[str, ...]]] = {
    "twin without a body": (
        lambda t: set_cell(t, "modules", last(t, "modules"), twin="", segments="none"),
        "twins.csv:2:twin", ("no body", "T"),
    ),
    "two leads": (lambda t: set_cell(t, "twins", 2, role="lead"), "twins.csv:3:role", ("two leads",)),
    "a generation that is not there": (
        lambda t: set_cell(t, "twins", 2, generation="G9"), "twins.csv:3:generation", ("G9",),
    ),
    "two groups": (
        lambda t: add(t, "twins", **{**dict(zip(t["twins"][0], t["twins"][2], strict=True)), "twin": "U"}),
        "twins.csv:4:twin", ("group T already",),
    ),
    "gaps the wrong way": (
        lambda t: set_cell(t, "twins", 2, gap_quarters=4, longest_gap_quarters=2),
        "twins.csv:3:longest_gap_quarters", ("less than",),
    ),
    "a gap that is not kept": (
        lambda t: set_cell(t, "twins", 2, gap_quarters=39), "twins.csv:3:gap_quarters", ("shares no body",),
    ),
    "a size on an e-axle": (
        lambda t: set_cell(t, "modules", 1, length_m=3.4), "modules.csv:2:length_m", ("only a body",),
    ),
    "a plant without capacity": (
        lambda t: set_cell(t, "car_plants", 1, variable_cost=1000), "car_plants.csv:2:shift_capacity", ("no capacity",),
    ),
    "a plant of nobody": (
        lambda t: set_cell(t, "car_plants", 1, shift_capacity=1e9, fixed_cost=10), "car_plants.csv:2:company", (),
    ),
    "a plant that is too small": (
        lambda t: set_cell(t, "car_plants", 1, shift_capacity=10), "car_plants.csv:2:shift_capacity", ("can build",),
    ),
    "cars after a closure": (
        lambda t: set_cell(t, "car_plants", 1, shift_capacity=1e9, closes=2027), "car_plants.csv:2:closes", ("closed",),
    ),
    "one body without a cost": (
        lambda t: (set_cell(t, "modules", last(t, "modules"), piece_cost=500000),
                   add(t, "modules", module="TH2", family="TH", twin="T", **{"class": "body"})),
        "piece_cost", ("TH2",),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_named_with_its_place(tmp_path: Path, name: str) -> None:
    edit, place, words = WRONG[name]
    found = problems(tmp_path, edit)
    assert said(found, place, *words), [str(one) for one in found]


def test_a_body_longer_than_the_kei_limit_is_named(tmp_path: Path) -> None:
    def edit(tables: Tables) -> None:
        set_cell(tables, "modules", last(tables, "modules"), length_m=3.45)
        programme = tables["twins"][1][tables["twins"][0].index("programme")]
        add(tables, "requirements", programme=programme, version="all", requirement="kei_length",
            procedure="law", value=3400, unit="mm", kind="hard")  # fmt: skip

    found = problems(tmp_path, edit)
    assert said(found, "length_m", "3.45", "3.4", "limit"), [str(one) for one in found]
