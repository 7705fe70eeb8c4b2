"""Imports go leftwards along the line only."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import teikei

LINE = [
    "tables", "study", "modules", "simulate", "plan", "family", "develop", "split", "market", "report", "runs", "flow",
    "sweep", "backtest", "room", "web", "cli", "__main__",
]  # fmt: skip
EVERYWHERE = {"errors", "units"}
ROOT = Path(teikei.__file__).parent


def _place(module: str) -> str:
    return module.split(".")[1] if "." in module else "__init__"


def _imports(file: Path) -> list[tuple[int, str]]:
    found = []
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}:{node.lineno}: relative import"
            found.append((node.lineno, node.module or ""))
            if node.module == "teikei":
                found += [(node.lineno, f"teikei.{alias.name}") for alias in node.names]
    return found


FILES = sorted(ROOT.rglob("*.py"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.relative_to(ROOT).as_posix())
def test_imports_go_leftwards_only(file: Path) -> None:
    place = file.relative_to(ROOT).parts[0].removesuffix(".py")
    if place in {"__init__", "terminal"}:
        return
    for line, module in _imports(file):
        if not module.startswith("teikei."):
            continue
        target = _place(module)
        if target in EVERYWHERE or target == place:
            continue
        assert place not in EVERYWHERE, f"{file}:{line} {place} imports {target}"
        if place == "cli" and target == "terminal":
            continue
        if target == "__version__":
            continue
        assert target in LINE, f"{file}:{line}: {target} has no place on the line"
        assert LINE.index(target) < LINE.index(place), f"{file}:{line}: {place} may not import {target}"


def test_nothing_imports_the_command_line() -> None:
    for file in set(FILES) - {ROOT / "__main__.py"}:
        assert all(not module.startswith("teikei.cli") for _, module in _imports(file)), file


@pytest.mark.parametrize("file", sorted((ROOT / "room").glob("*.py")), ids=lambda file: file.name)
def test_the_room_knows_no_server(file: Path) -> None:
    """A lawyer's notebook can call it: no web framework, no pages, no database of a server."""
    roots = {module.split(".")[0] for _, module in _imports(file)}
    assert roots.isdisjoint({"fastapi", "starlette", "uvicorn", "jinja2", "sqlite3", "argon2", "httpx"}), file
