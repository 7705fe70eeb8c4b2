"""The log: every way of tampering is found, and a sealed line hides what it says."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient
from typer.testing import CliRunner

from teikei.cli import app
from teikei.errors import DamagedRunError, StudyError
from teikei.web import audit, log_watch
from teikei.web.app import create_app
from teikei.web.database import Store
from tests.web.people import PASSPHRASE, Clock, make_town


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
    assert "no line follows" in said.output
    early = CliRunner().invoke(app, ["audit-verify", str(good), "--head", str(rows[8]["hash"])])
    assert early.exit_code == 0
    assert "that of line 9; 3 lines follow" in early.output
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


@pytest.mark.parametrize("kept", range(13))
def test_any_head_that_was_kept_stays_good_while_lines_are_only_added(tmp_path: Path, kept: int) -> None:
    rows, _ = _log(tmp_path)
    head = str(rows[kept - 1]["hash"]) if kept else audit.FIRST
    text = audit.export(rows)
    assert audit.verify(text, head) == 12
    assert audit.lines_after(text, head) == 12 - kept
    with pytest.raises(DamagedRunError):  # and it finds a line changed after it, too
        audit.verify(audit.export([{**row, "actor": "x"} if row["number"] == 12 else row for row in rows]), head)


def _rewrite(folder: Path, number: int, *, cut: bool = False) -> None:
    """What somebody with the disk can do: triggers out, a line changed, all hashes after it computed anew."""
    connection = sqlite3.connect(folder / "operator.db")
    connection.row_factory = sqlite3.Row
    for name in ("audit_no_update", "audit_no_delete"):
        connection.execute(f"DROP TRIGGER {name}")
    if cut:
        connection.execute("DELETE FROM audit WHERE number >= ?", (number,))
    before = audit.FIRST
    for row in connection.execute("SELECT * FROM audit ORDER BY number").fetchall():
        entry = {**dict(row), "action": "did nothing"} if row["number"] == number else dict(row)
        digest = audit.line_digest(entry)
        before = audit.chain_hash(before, entry["number"], digest)
        values = (entry["action"], digest, before, entry["number"])
        connection.execute("UPDATE audit SET action=?, digest=?, hash=? WHERE number=?", values)
    connection.commit()
    connection.close()


@pytest.mark.parametrize("cut", [False, True])
@pytest.mark.parametrize("without", ["", log_watch.HEADS])
def test_a_log_rewritten_with_all_its_hashes_is_noticed_at_the_next_start(
    tmp_path: Path, cut: bool, without: str
) -> None:
    town = make_town(tmp_path)
    with TestClient(town.app):
        pass
    assert log_watch.examine(Store(tmp_path)) == []
    _rewrite(tmp_path, 5, cut=cut)
    if without:
        (tmp_path / without).unlink()  # the companies' folders hold heads too
    clock = Clock()
    app = create_app(tmp_path, clock=clock)
    with TestClient(app) as visitor:
        assert visitor.get("/health").json()["log"] == "damaged"
    found = " ".join(app.state.server.log_faults)
    assert "missing at its end" in found if cut else "rewritten" in found
    assert "guard" in found
    with pytest.raises(sqlite3.IntegrityError, match="only grows"), Store(tmp_path).operator() as connection:
        connection.execute("DELETE FROM audit WHERE number=3")
    with Store(tmp_path).operator(write=False) as connection:
        assert "found the log damaged" in audit.export(audit.entries(connection))


def test_comings_goings_refusals_and_looks_have_lines_that_people_can_read(tmp_path: Path) -> None:
    town = make_town(tmp_path)
    visitor = town.visitor(follow_redirects=False)
    visitor.send_form("/sign-in", {"login": "planner@aoba", "passphrase": "not the passphrase"})
    visitor.send_form("/sign-in", {"login": "correct horse battery", "passphrase": "planner@aoba"})
    visitor.get("/jobs/0123456789abcdef")
    visitor.get("/nothing/here")
    visitor.send_form("/sign-in", {"login": "planner@aoba", "passphrase": PASSPHRASE})
    assert visitor.get("/people").status_code == 403
    assert visitor.get("/studies/0123456789abcdef").status_code == 404
    visitor.send_form("/sign-out")
    lines = [json.loads(line) for line in town["operator@room"].get("/log/export").text.splitlines()][-7:]
    assert [(line["actor"], line["action"], line["object"]) for line in lines] == [
        ("aoba/planner aoba (planner@aoba)", "failed sign-in", "from testclient"),
        ("unknown name cor…", "failed sign-in", "from testclient"),  # a passphrase typed too early stays out
        ("a stranger from testclient", "asked for what is not there or not theirs", "GET /nothing/here"),
        ("aoba/planner aoba (planner@aoba)", "signed in", "from testclient"),
        ("aoba/planner aoba (planner@aoba)", "was refused", "GET /people"),
        (
            "aoba/planner aoba (planner@aoba)",
            "asked for what is not there or not theirs",
            "GET /studies/0123456789abcdef",
        ),
        ("aoba/planner aoba (planner@aoba)", "signed out", ""),
    ]
    sealed = town["planner@midori"].get("/log/export").text
    assert "planner@aoba" not in sealed.splitlines()[-1]


def test_a_stranger_cannot_fill_the_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("teikei.web.app.MOST_REFUSALS", 3)
    town = make_town(tmp_path)
    for number in range(6):
        town.visitor().get(f"/nothing/{number}")
    assert town["operator@room"].get("/log/export").text.count("GET /nothing/") == 3
