"""The log: every way of tampering is found, and a sealed line hides what it says."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from teikei.cli import app
from teikei.errors import DamagedRunError, StudyError
from teikei.web import audit
from teikei.web.database import Store


def _log(folder: Path, lines: int = 12) -> tuple[list[dict[str, object]], str]:
    with Store(folder).operator() as connection:
        for number in range(lines):
            audit.append(
                connection, 1000.0 + number, f"aoba/{number}", "did", f"thing {number}", ("", "aoba")[number % 2]
            )
        return audit.entries(connection), audit.head(connection)[1]


def test_an_untouched_log_is_whole_also_where_lines_are_sealed(tmp_path: Path) -> None:
    rows, head = _log(tmp_path)
    assert audit.verify(audit.export(rows), head) == 12
    with Store(tmp_path).operator() as connection:
        sealed = audit.entries(connection, "midori")
    assert audit.verify(audit.export(sealed), head) == 12
    assert 'thing 1"' not in audit.export(sealed)
    assert 'thing 2"' in audit.export(sealed)


@given(st.data())
@settings(max_examples=60, deadline=None, derandomize=True)
def test_every_deletion_move_edit_and_truncation_is_found(data: st.DataObject) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        rows, head = _log(Path(folder), 6)
    deed = data.draw(st.sampled_from(["delete", "swap", "edit", "truncate", "repeat"]))
    place = data.draw(st.integers(0, 5))
    if deed == "delete":
        del rows[place]
    elif deed == "swap":
        other = data.draw(st.integers(0, 5).filter(lambda n: n != place))
        rows[place], rows[other] = rows[other], rows[place]
    elif deed == "edit":
        name = data.draw(st.sampled_from(sorted(rows[place])))
        rows[place] = {**rows[place], name: 7 if name in ("at", "number") else "0" * 64}
    elif deed == "truncate":
        rows = rows[:place]
    else:
        rows.insert(place, rows[place])
    with pytest.raises(DamagedRunError):
        audit.verify(audit.export(rows), head)


def test_a_log_written_anew_does_not_have_the_head_that_was_kept(tmp_path: Path) -> None:
    _, head = _log(tmp_path / "one")
    rows, _ = _log(tmp_path / "two")
    with pytest.raises(DamagedRunError, match="another head"):
        audit.verify(audit.export(rows), head)


def test_the_database_refuses_to_change_or_delete_a_line(tmp_path: Path) -> None:
    _log(tmp_path)
    for statement in ("DELETE FROM audit WHERE number=3", "UPDATE audit SET actor='x' WHERE number=3"):
        with pytest.raises(sqlite3.IntegrityError, match="only grows"), Store(tmp_path).operator() as connection:
            connection.execute(statement)


def test_the_command_says_whole_or_exits_5_without_a_traceback(tmp_path: Path) -> None:
    rows, head = _log(tmp_path)
    good, bad = tmp_path / "good.jsonl", tmp_path / "bad.jsonl"
    good.write_text(audit.export(rows), "utf-8")
    bad.write_text(audit.export([{**row, "actor": "x"} if row["number"] == 4 else row for row in rows]), "utf-8")
    said = CliRunner().invoke(app, ["audit-verify", str(good), "--head", head])
    assert said.exit_code == 0
    assert "12 lines" in said.output
    found = CliRunner().invoke(app, ["audit-verify", str(bad), "--head", head])
    assert isinstance(found.exception, DamagedRunError)
    assert "line 4" in str(found.exception)
    with pytest.raises(StudyError, match="64 hexadecimal"):
        audit.verify("", "abc")


@pytest.mark.parametrize("junk", ["null\n", "[]\n", '{"number": 1}\n', "\x00\n", json.dumps({"salt": []}) + "\n", "\n"])
def test_junk_is_tampering_and_no_fault(junk: str) -> None:
    with pytest.raises(DamagedRunError):
        audit.verify(junk, "0" * 64)


def test_a_log_without_a_line_is_whole_and_is_not_taken_for_one_with_lines() -> None:
    assert audit.verify("", audit.FIRST) == 0
    with pytest.raises(DamagedRunError, match="after 0 lines"):
        audit.verify("", "1" * 64)
