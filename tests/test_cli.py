"""Commands end with the promised exit code and a sentence, never a traceback."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
STUDY = ROOT / "examples" / "nissan-honda"


def teikei(*arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run the command as a user would."""
    return subprocess.run(
        [sys.executable, "-m", "teikei", *map(str, arguments)],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src"), "COLUMNS": "60"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_help_names_every_command(tmp_path: Path) -> None:
    shown = teikei("--help", cwd=tmp_path)
    assert shown.returncode == 0
    for command in ("new", "check", "run", "simulate", "calibrate", "award", "split", "compare", "report"):
        assert f"\n  {command} " in shown.stdout


def test_shipped_study_has_no_error(tmp_path: Path) -> None:
    checked = teikei("check", STUDY, cwd=tmp_path)
    assert checked.returncode == 0, checked.stdout


def test_broken_cell_is_reported_on_one_unwrapped_line_with_its_place(tmp_path: Path) -> None:
    shutil.copytree(STUDY, tmp_path / "study")
    offers = tmp_path / "study" / "tiers.csv"
    lines = offers.read_text("utf-8").splitlines()
    column = lines[0].split(",").index("unit_price")
    cells = lines[4].split(",")
    cells[column] = "cheap"
    lines[4] = ",".join(cells)
    offers.write_text("\n".join(lines) + "\n", "utf-8")
    checked = teikei("check", tmp_path / "study", cwd=tmp_path)
    assert checked.returncode == 2
    (line,) = [line for line in checked.stdout.splitlines() if line.startswith("tiers.csv:5:unit_price:")]
    assert "cheap" in line
    machine = teikei("check", tmp_path / "study", "--format", "json", cwd=tmp_path)
    assert machine.returncode == 2
    assert json.loads(machine.stdout)
    ran = teikei("run", tmp_path / "study", cwd=tmp_path)
    assert ran.returncode == 2
    assert "tiers.csv:5:unit_price:" in ran.stderr
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ("check", "nowhere"),
        ("run", "nowhere"),
        ("run", STUDY, "--scenario", "no-such-scenario"),
        ("run", STUDY, "--rungs", "no-such-rung"),
        ("new", "x", "--template", "no-such-template"),
        ("check", STUDY, "--format", "xml"),
        ("simulate", "--out", "x.csv"),
        ("simulate", "--vehicles", "nowhere.csv", "--out", "x.csv"),
        ("calibrate", "--measured", "nowhere.csv", "--out", "x.json"),
        ("award", "nowhere", "--out", "x"),
        ("split", "nowhere.json", "--out", "x.json"),
        ("compare", "nowhere"),
        ("no-such-command",),
        ("run",),
    ],
    ids=lambda arguments: " ".join(str(a).rsplit("/", 1)[-1] for a in arguments),
)
def test_wrong_input_ends_with_a_sentence_and_exit_code_2(arguments: tuple[object, ...], tmp_path: Path) -> None:
    ended = teikei(*arguments, cwd=tmp_path)
    assert ended.returncode == 2, (ended.stdout, ended.stderr)
    assert "Traceback" not in ended.stderr + ended.stdout
    assert (ended.stderr + ended.stdout).strip()


def test_missing_run_ends_with_exit_code_5(tmp_path: Path) -> None:
    ended = teikei("report", "nowhere", cwd=tmp_path)
    assert ended.returncode == 5
    assert "run.json is missing" in ended.stderr
