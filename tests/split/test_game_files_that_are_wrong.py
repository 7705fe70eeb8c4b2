"""Wrong game files: a sentence with the place, all at once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from teikei.errors import StudyError
from teikei.split import Game, read_game, rules, split_file

GOOD: dict[str, Any] = {"players": ["A", "B"], "kind": "cost", "values": {"A": 1, "B": 2, "A,B": 2.5}}


def said(tmp_path: Path, text: str) -> list[str]:
    path = tmp_path / "game.json"
    path.write_text(text, "utf-8")
    with pytest.raises(StudyError) as caught:
        read_game(path)
    assert caught.value.exit_code == 2
    return [str(problem) for problem in caught.value.problems]


def changed(**fields: Any) -> str:
    return json.dumps({**GOOD, **fields}, indent=1)


def test_missing_coalitions_are_counted_and_named(tmp_path: Path) -> None:
    text = json.dumps({"players": ["A", "B", "C"], "kind": "cost", "values": {"A": 1, "A,B,C": 3}}, indent=1)
    (line,) = said(tmp_path, text)
    assert line == "game.json:8:values: 5 of 7 coalitions have no value: 'B', 'A,B', 'C', 'A,C', 'B,C'"


def test_a_coalition_given_twice_in_another_order_is_found_at_its_line(tmp_path: Path) -> None:
    (line,) = said(tmp_path, changed(values={"A": 1, "B": 2, "A,B": 2.5, "B,A": 2}))
    assert line.startswith("game.json:11:values.B,A: the coalition 'B,A' is given twice (before as 'A,B')")


def test_a_coalition_spelled_twice_the_same_is_found(tmp_path: Path) -> None:
    text = '{"players": ["A","B"], "kind": "cost",\n"values": {"A": 1,\n"B": 2,\n"A": 3,\n"A,B": 2}}'
    (line,) = said(tmp_path, text)
    assert line.startswith("game.json:4:values.A: the coalition 'A' is given twice")


def test_players_named_twice(tmp_path: Path) -> None:
    (line,) = said(tmp_path, changed(players=["A", "A", "B"]))
    assert "player 'A' is named twice" in line


def test_values_that_are_not_numbers(tmp_path: Path) -> None:
    lines = said(tmp_path, changed(values={"A": "1", "B": None, "A,B": True}))
    assert [line.rsplit(": ", 1)[1] for line in lines] == [
        '"1" is not a number',
        "null is not a number",
        "true is not a number",
    ]


@pytest.mark.parametrize("number", ["NaN", "Infinity", "1e999", "1" + "0" * 400])
def test_values_that_are_not_finite(tmp_path: Path, number: str) -> None:
    (line,) = said(tmp_path, f'{{"players": ["A"], "kind": "cost", "values": {{"A": {number}}}}}')
    assert "is not a finite number" in line


def test_unknown_players_get_the_closest_name(tmp_path: Path) -> None:
    text = json.dumps({"players": ["Nissan"], "kind": "cost", "values": {"Nissan": 1, "Nisan": 2}})
    (line,) = said(tmp_path, text)
    assert "'Nisan' is not one of the players Nissan; did you mean 'Nissan'?" in line


def test_a_coalition_that_names_a_player_twice(tmp_path: Path) -> None:
    (line,) = said(tmp_path, changed(values={"A": 1, "B": 2, "A,B": 2, "A,A": 2}))
    assert line.endswith("the coalition names 'A' twice")


def test_all_problems_come_at_once(tmp_path: Path) -> None:
    lines = said(tmp_path, changed(kind="costs", values={"A": "x", "C": 1}))
    assert len(lines) == 4
    assert "did you mean cost?" in lines[0]
    assert "is not a number" in lines[1]
    assert "is not one of the players" in lines[2]
    assert "2 of 3 coalitions have no value: 'B', 'A,B'" in lines[3]


def test_the_empty_coalition_must_be_worth_nothing(tmp_path: Path) -> None:
    (line,) = said(tmp_path, changed(values={"": 4, "A": 1, "B": 2, "A,B": 2}))
    assert "the empty coalition has value 4" in line


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("", "is not JSON"),
        ("{", "is not JSON"),
        ("[]", "expected an object"),
        ('{"players": []}', "at least one player"),
        ('{"players": "A", "kind": "cost", "values": {"A": 1}}', "expected a list"),
        ('{"players": ["A"], "kind": "cost"}', "expected an object: players joined by a comma"),
        ('{"players": ["A"], "kind": "cost", "values": []}', "expected an object: players joined by a comma"),
        ('{"players": ["A"], "values": {"A": 1}}', "expected cost, profit or airport_typed"),
        ('{"players": ["A,B"], "kind": "cost", "values": {}}', "without comma"),
        ('{"players": ["A"], "kind": "cost", "values": {"A": 1}, "values": {"A": 2}}', "stands twice"),
        ('{"players": ["A"], "kind": "cost", "format": 7, "values": {"A": 1}}', "reads format 1"),
        ('{"kind": "airport_typed"}', "list of types"),
        ('{"kind": "airport_typed", "types": [{"name": "a", "cost": -1, "movements": 1}]}', "expected 0 or more"),
        ('{"kind": "airport_typed", "types": [{"name": "a", "cost": 1, "movements": 1.5}]}', "whole number"),
        ('{"kind": "airport_typed", "types": [{"name": "a", "cost": 1, "movements": 0}]}', "1 or more"),
        ('{"kind": "airport_typed", "types": [{"name": "a", "movements": 2}]}', "expected one cost"),
        ('{"kind": "airport_typed", "types": [3]}', "expected an object"),
        ("[" * 100_000, "nested too deeply"),
    ],
)
def test_each_wrong_file_gets_its_sentence(tmp_path: Path, text: str, part: str) -> None:
    assert any(part in line for line in said(tmp_path, text))


def test_more_players_than_a_table_can_hold_are_refused(tmp_path: Path) -> None:
    text = json.dumps({"players": [f"p{index}" for index in range(40)], "kind": "cost", "values": {"p0": 1}})
    assert any("40 players: at most 22" in line for line in said(tmp_path, text))


def test_a_file_that_is_not_there_or_not_text(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match=r"cannot be read"):
        read_game(tmp_path / "none.json")
    (tmp_path / "bytes.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(StudyError, match="is not UTF-8"):
        read_game(tmp_path / "bytes.json")


def test_nothing_is_written_when_the_game_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "game.json").write_text("{}")
    with pytest.raises(StudyError):
        split_file(tmp_path / "game.json", tmp_path / "out.json")
    assert not (tmp_path / "out.json").exists()


def test_the_written_file_has_the_promised_fields(tmp_path: Path) -> None:
    (tmp_path / "game.json").write_text(changed())
    split_file(tmp_path / "game.json", tmp_path / "out.json")
    result = json.loads((tmp_path / "out.json").read_text())
    assert {"format", "rules", "notes", "core", "in_core", "leaves"} <= set(result)
    assert result["rules"]["shapley"] == pytest.approx({"A": 0.75, "B": 1.75})
    assert result["core"] == {"nonempty": True, "least_core_epsilon": pytest.approx(-0.25)}


def test_games_built_in_python_are_checked_too() -> None:
    with pytest.raises(StudyError, match="have no value"):
        rules(Game(("A", "B"), "cost", {frozenset("A"): 1.0, frozenset("B"): 1.0}))
    with pytest.raises(StudyError, match="does not name"):
        rules(Game(("A",), "cost", {frozenset("A"): 1.0, frozenset("Z"): 1.0}))
    with pytest.raises(StudyError, match="once"):
        rules(Game(("A", "A"), "cost", {frozenset("A"): 1.0}))
    with pytest.raises(StudyError, match="finite"):
        rules(Game(("A",), "cost", {frozenset("A"): float("nan")}))
