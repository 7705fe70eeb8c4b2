"""The table of benchmarks: every benchmark can be run, what goes wrong is said, and the page holds what was measured."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest
from benchmarks import __main__ as runner
from benchmarks.page import write_page
from benchmarks.table import PEERS, Row, Stopwatch, dump, not_installed, parse, with_package

from tests.docs.snippets import ROOT

FOLDER = ROOT / "benchmarks"
APART = ("market_oracle", "fastsim_reference")  # run in the environment of a peer, which is not this one


@pytest.fixture
def on_the_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(FOLDER))


@pytest.mark.usefixtures("on_the_path")
@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.py")), ids=lambda path: path.stem)
def test_a_benchmark_can_be_imported_and_says_what_it_measures(path: Path) -> None:
    if path.stem in APART:
        compile(path.read_text("utf-8"), path.name, "exec")
        return
    module = importlib.import_module(f"benchmarks.{path.stem}")
    assert module.__doc__


@pytest.mark.usefixtures("on_the_path")
def test_every_benchmark_of_the_table_has_rows_and_its_own_command() -> None:
    assert len(runner.present()) >= 10
    for one in runner.present():
        module = importlib.import_module(f"benchmarks.{one.name}")
        assert callable(module.table_rows), one.name
        assert callable(module.main), one.name


def test_a_benchmark_that_fails_or_does_not_end_says_so_and_the_rest_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "ROOT", tmp_path)
    package = tmp_path / "benchmarks"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "__main__.py").write_text(
        "import sys, time\n"
        "name, rows = sys.argv[sys.argv.index('--one') + 1], sys.argv[sys.argv.index('--rows') + 1]\n"
        'open(rows, \'w\').write(\'["it runs", "1 s", "2 s", true, 0.5]\\n\')\n'
        "if name == 'fails': sys.exit('no such file: peer.csv')\n"
        "if name == 'hangs': time.sleep(60)\n"
    )
    monkeypatch.delenv("PYTHONPATH", raising=False)
    chosen = [runner.Benchmark(name, "", "", limit) for name, limit in (("fails", 20), ("hangs", 1.5), ("works", 20))]
    about = {"machine": "m", "versions": "v", "date": "d", "load": "0"}
    found, failed = runner.run_all(chosen, False, about)
    assert failed
    assert [row.met for row in found["fails"]] == [True, False]
    assert found["fails"][1].measured == "ended with 1: no such file: peer.csv"
    assert found["hangs"][1].measured.startswith("stopped after")
    assert found["works"] == [Row("it runs", "1 s", "2 s", True, 0.5)]


def test_a_peer_that_is_not_installed_is_said_and_one_that_is_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PEERS, "/nowhere/python")
    assert with_package("a_package_that_nobody_wrote") is None
    assert with_package("polars") == sys.executable
    row = not_installed("beside the peer", "peer")
    assert (row.met, row.measured) == (None, "not measured")


def test_rows_are_the_same_after_they_were_written() -> None:
    rows = [Row("a | b", "1 µs", "< 2", True, 0.25), Row("c", "", "", None, 0.0), Row("d", "9", "8", False, 1.0)]
    assert parse(dump(rows)) == rows
    assert [row.verdict for row in rows] == ["yes", "–", "NO"]


def test_cpu_seconds_are_those_since_the_last_look() -> None:
    watch = Stopwatch()
    sum(range(3_000_000))
    first, second = watch.lap(), watch.lap()
    assert first > 0
    assert second < first


def test_the_page_has_every_row_and_says_on_what_it_was_measured(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    about = {"date": "2026-01-02", "machine": "2 × processor", "versions": "Python 3", "load": "0.1"}
    write_page(page, {"split": [Row("a | b", "1", "< 2", False, 0.25)]}, {"split": "games"}, about, quick=False)
    text = page.read_text("utf-8")
    assert "| a \\| b | 1 | &lt; 2 | NO | 0.2 |" in text
    assert "2 × processor" in text
    assert "`python -m benchmarks --only split`" in text


def test_the_page_of_the_documentation_has_every_benchmark() -> None:
    text = (ROOT / "docs" / "benchmarks.md").read_text("utf-8")
    missing = [one.name for one in runner.present() if f"`python -m benchmarks --only {one.name}`" not in text]
    assert not missing, f"docs/benchmarks.md is older than {missing}: python -m benchmarks --write docs/benchmarks.md"


@pytest.mark.usefixtures("on_the_path")
def test_cars_of_the_shipped_study_come_within_eight_percent_of_their_reported_range() -> None:
    accuracy = importlib.import_module("benchmarks.accuracy")
    found = {(one[0], one[1], one[2]): one[3] / one[4] - 1 for one in accuracy.label_ranges()}
    assert len(found) >= 15
    assert {key: error for key, error in found.items() if abs(error) > 0.08} == {}
