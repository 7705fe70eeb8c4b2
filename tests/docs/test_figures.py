"""The figures of the page about the shipped study are those of the run they are made from."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from tests.docs.snippets import DOCS, ROOT
from tests.docs.test_reference import _tool

META = {
    "study": {"name": "s", "title": "T", "currency": "EUR", "report_year": 2030, "home_market": "EU"},
    "companies": ["A", "B"],
    "rungs": ["alone", "joint", "vehicle"],
    "scenario": None,
    "versions": {"teikei": "0"},
    "input_sha256": {"study.yaml": "1", "a.csv": "2"},
    "seconds": {"Planning": 61.4},
    "reproducible": True,
}


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = tmp_path / "run"
    (folder / "tables").mkdir(parents=True)
    (folder / "run.json").write_text(json.dumps(META), "utf-8")
    tables = {
        "cost_by_rung": {
            "coalition": ["A+B", "A+B", "A+B"],
            "rung": ["alone", "joint", "vehicle"],
            "value": [100_000.0, 90_000.0, float("nan")],
            "bound": [99_000.0, 88_000.0, float("nan")],
            "gap": [1_000.0, 2_000.0, float("nan")],
            "status": ["gap", "gap", "not evaluated"],
        },
        "shares": {
            "rung": ["joint"] * 4,
            "rule": ["shapley", "shapley", "nucleolus", "shapley"],
            "company": ["A", "B", "A", "A"],
            "kind": ["saving", "saving", "saving", "cost"],
            "value": [6_000.0, 4_000.0, 1.0, 2.0],
        },
        "sources": {"confidence": ["assumption", "assumption", "reported", "derived"]},
    }
    for name, columns in tables.items():
        pl.DataFrame(columns).write_parquet(folder / "tables" / f"{name}.parquet")
    return folder


def test_figures_are_those_of_the_tables(run: Path) -> None:
    text = _tool("figures").figures(run)
    # saves 100 - 90; proven: 99 - 90 to 100 - 88
    assert "| joint | 10.00 | 9.00 to 12.00 | 10.0% | 6.00 | 4.00 | gap |" in text
    assert "| vehicle | not evaluated |" in text
    assert "Figures behind it: 4, of which 1 reported, 1 derived, 2 assumption (50% assumptions)." in text


def test_figures_replace_only_what_is_between_the_marks(run: Path) -> None:
    tool = _tool("figures")
    page = f"before\n{tool.BEGIN}\nno figures yet\n{tool.END}\nafter\n"
    made = tool.put(tool.figures(run), page)
    assert made.startswith("before\n")
    assert made.endswith("\nafter\n")
    assert "no figures yet" not in made
    assert tool.put(tool.figures(run), made) == made


def test_a_changed_input_changes_the_fingerprint_of_a_study(tmp_path: Path) -> None:
    tool = _tool("figures")
    (tmp_path / "study.yaml").write_text("format: 1\n", "utf-8")
    (tmp_path / "README.md").write_text("words", "utf-8")
    before = tool.fingerprint_of_study(tmp_path)
    (tmp_path / "README.md").write_text("other words", "utf-8")
    assert tool.fingerprint_of_study(tmp_path) == before
    (tmp_path / "offers.csv").write_text("offer\n", "utf-8")
    assert tool.fingerprint_of_study(tmp_path) != before


def test_the_page_about_the_shipped_study_has_a_place_for_its_figures() -> None:
    tool = _tool("figures")
    page = (DOCS / "shipped-study.md").read_text("utf-8")
    assert page.count(tool.BEGIN) == page.count(tool.END) == 1
    assert tool.fingerprint_of_study(ROOT / "examples" / "nissan-honda")
