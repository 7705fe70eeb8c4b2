"""Every command and every snippet of the documentation does what its page says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs.snippets import DOCS, ROOT, Reader, blocks

PAGES = sorted([*DOCS.rglob("*.md"), ROOT / "examples" / "kit-supply" / "README.md"])


def _cases() -> list[object]:
    cases: list[object] = []
    for page in PAGES:
        text = page.read_text("utf-8")
        runs = any(block.language in ("sh", "python") or block.title for block in blocks(page))
        if not runs:
            continue
        marks = [pytest.mark.slow] if re.search(r"^---\n(?:.*\n)*?test: slow\n(?:.*\n)*?---\n", text) else []
        cases.append(pytest.param(page, id=str(page.relative_to(ROOT)), marks=marks))
    return cases


@pytest.mark.parametrize("page", _cases())
def test_a_reader_who_does_a_page_gets_what_it_says(page: Path, tmp_path: Path) -> None:
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    reader = Reader(tmp_path)
    try:
        for block in blocks(page):
            reader.do(block)
    finally:
        reader.stop()
