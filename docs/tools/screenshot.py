"""Draws the first screen of a run's report: the picture in the README.

    python docs/tools/screenshot.py RUN [PICTURE]

RUN: folder of a run. PICTURE: default docs/pictures/report.png. Needs chromium (or chrome) on the path; nothing is
loaded from anywhere, because the report is one file.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PICTURE = ROOT / "docs" / "pictures" / "report.png"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
WIDTH_PX, HEIGHT_PX = 1366, 900


def draw(run: Path, picture: Path) -> None:
    """Writes the picture; raises SystemExit with a sentence where there is no browser or no report."""
    browser = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    report = (run / "report.html").resolve()
    if browser is None:
        raise SystemExit(f"No browser found; install one of: {', '.join(BROWSERS)}.")
    if not report.is_file():
        raise SystemExit(f"{report} is missing; make a run first: teikei run examples/nissan-honda --out {run}")
    picture.parent.mkdir(parents=True, exist_ok=True)
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--virtual-time-budget=6000"]
    size = f"--window-size={WIDTH_PX},{HEIGHT_PX}"
    subprocess.run(
        [browser, *options, size, f"--screenshot={picture.resolve()}", report.as_uri()], check=True, capture_output=True
    )


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        raise SystemExit(__doc__)
    draw(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) == 3 else PICTURE)
