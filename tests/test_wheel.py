"""The built wheel installs into an empty folder and runs."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the source tree and unpacked as an installer would."""
    target = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(target / "dist"), str(ROOT)],
        check=True,
        capture_output=True,
    )
    (wheel,) = (target / "dist").glob("teikei-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(target / "site")
    return target / "site"


def _teikei(unpacked: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    program = "import sys; from teikei.cli import main; main()"
    return subprocess.run(
        [sys.executable, "-c", program, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(unpacked)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_wheel_carries_types_data_and_the_shipped_study(unpacked: Path) -> None:
    package = unpacked / "teikei"
    assert (package / "py.typed").is_file()
    assert (package / "tables" / "columns.csv").is_file()
    assert (package / "data" / "examples" / "nissan-honda" / "study.yaml").is_file()
    assert (package / "data" / "examples" / "backtest" / "kei-van" / "study.yaml").is_file()


def test_wheel_starts_a_copy_of_the_shipped_study_and_checks_it(unpacked: Path, tmp_path: Path) -> None:
    made = _teikei(unpacked, tmp_path, "new", "mine", "--template", "nissan-honda")
    assert made.returncode == 0, made.stderr
    checked = _teikei(unpacked, tmp_path, "check", "mine")
    assert checked.returncode == 0, checked.stdout
