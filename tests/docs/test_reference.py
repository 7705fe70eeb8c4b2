"""The reference pages hold everything the code has, and the site is built without a warning and without a network."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
import typer

from teikei.cli import app
from teikei.tables.columns import all_columns
from teikei.study.types import Settings
from tests.docs.snippets import DOCS, ROOT, environment


def _tool(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, DOCS / "tools" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_table_column_and_setting_is_in_the_reference() -> None:
    page = _tool("reference").tables_page()
    sections = dict(re.findall(r"^## (\S+)\n(.*?)(?=^## |\Z)", page, re.M | re.S))
    for table, columns in all_columns().items():
        for name, column in columns.items():
            if name in ("source", "confidence", "assumed_columns", "note"):
                continue
            assert f"`{name}`" in sections[table], f"{table}.{name} is not in the reference"
            assert column.description.split("|")[0].split("<")[0][:40] in sections[table]
    assert all(f"`{name}`" in sections["study.yaml"] for name in Settings.model_fields)


def test_every_command_and_option_is_in_the_reference() -> None:
    page = _tool("reference").command_line_page()
    group = typer.main.get_command(app)
    for name, command in group.commands.items():  # type: ignore[attr-defined]
        section = page.partition(f"\n## teikei {name}\n")[2].partition("\n## ")[0]
        assert section, f"teikei {name} is not in the reference"
        for parameter in command.params:
            shown = parameter.opts[-1] if parameter.param_type_name == "option" else parameter.metavar
            assert str(shown) in section, f"{shown} of teikei {name} is not in the reference"


def test_commands_that_pages_only_mention_exist_with_their_options() -> None:
    group = typer.main.get_command(app)
    known = {name: {opt for p in command.params for opt in p.opts} for name, command in group.commands.items()}  # type: ignore[attr-defined]
    for page in [*DOCS.rglob("*.md"), ROOT / "README.md"]:
        for name, rest in re.findall(r"(?:^|[`/ ])teikei ([a-z][a-z-]+)\b([^`\n#]*)", page.read_text("utf-8"), re.M):
            if name in known:
                unknown = set(re.findall(r"--[a-z][a-z-]*", rest)) - known[name] - {"--help"}
                assert not unknown, f"{page.name}: teikei {name} has no {unknown}"


def test_commands_in_code_of_pages_exist() -> None:
    group = typer.main.get_command(app)
    for page in [*DOCS.rglob("*.md"), ROOT / "README.md"]:
        for name in re.findall(r"(?:^ {4}|`)(?:\.venv/bin/)?teikei ([a-z][a-z-]+)", page.read_text("utf-8"), re.M):
            assert name in group.commands, f"{page.name}: there is no command teikei {name}"  # type: ignore[attr-defined]


def test_rows_of_the_reference_have_the_width_of_their_table() -> None:
    for page in (_tool("reference").tables_page(), _tool("reference").command_line_page()):
        width = 0
        for line in page.splitlines():
            cells = len(re.findall(r"(?<!\\)\|", line)) if line.startswith("|") else 0
            assert not (width and cells) or cells == width, line
            width = cells


def test_links_between_pages_lead_somewhere() -> None:
    generated = {DOCS / "reference" / f"{name}.md" for name in ("tables", "command-line", "run-tables")}
    for page in DOCS.rglob("*.md"):
        for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text("utf-8")):
            if not re.match(r"[a-z]+:", target):
                found = (page.parent / target).resolve()
                assert found in generated or found.exists(), f"{page.name} links to {target}"


def test_the_site_is_built_without_a_warning_and_loads_nothing_from_elsewhere(tmp_path: Path) -> None:
    pytest.importorskip("material", reason="NOT TESTED: the documentation is not built; install the extra docs")
    site = tmp_path / "site"
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(site)]
    done = subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for page in site.rglob("*.html"):
        text = page.read_text("utf-8")
        loaded = re.findall(r'<(?:script|img|iframe)[^>]+src="(https?:)?//', text)
        loaded += re.findall(r'<link[^>]+rel="(?:stylesheet|preconnect|icon)"[^>]+href="(https?:)?//', text)
        assert not loaded, f"{page.relative_to(site)} loads something from elsewhere"


def test_functions_of_the_stages_are_as_the_first_decision_says() -> None:
    text = (DOCS / "decisions" / "0001-how-the-stages-meet.md").read_text("utf-8")
    lines = re.findall(r"^    (\w+)\.(\w+)\(([^)]*)\) -> ", text, re.M)
    assert len(lines) >= 12
    for stage, name, said in lines:
        function = getattr(importlib.import_module(f"teikei.{stage}"), name)
        real = [f"{p.name}={p.default}" if p.default is not p.empty else p.name for p in _parameters(function)]
        told = [part.strip() for part in said.split(",") if part.strip() not in ("*", "…")]
        assert [one for one in real if one in told] == told, f"{stage}.{name}: {told} are not among {real}"
        if "…" not in said:
            assert real == told, f"{stage}.{name} takes {real}"


def _parameters(function: Callable[..., object]) -> list[inspect.Parameter]:
    return list(inspect.signature(function).parameters.values())


def test_decisions_are_numbered_once_and_as_their_files() -> None:
    pages = sorted((DOCS / "decisions").glob("*.md"))
    numbers = [page.name[:4] for page in pages]
    assert len(set(numbers)) == len(numbers)
    assert all(page.read_text("utf-8").startswith(f"# {page.name[:4]} ") for page in pages)


STAGES = ("study", "modules", "simulate", "plan", "develop", "split", "market", "report", "runs", "sweep")


@pytest.mark.parametrize("stage", STAGES)
def test_every_public_name_of_a_stage_is_in_the_reference_of_python(stage: str) -> None:
    page = (DOCS / "reference" / "python.md").read_text("utf-8")
    shown = {path.rsplit(".", 1)[-1] for path in re.findall(r"^::: (\S+)", page, re.M)}
    public = set(importlib.import_module(f"teikei.{stage}").__all__) - {"QUICK", "THOROUGH"}  # two values of Effort
    home = {"Problem", "StudyError"}  # shown with the errors
    assert public - shown - home == set()


def test_every_maths_page_says_its_limits() -> None:
    for page in (DOCS / "maths").glob("*.md"):
        assert re.search(r"[Ll]imits|Not (covered|protected)", page.read_text("utf-8")), page.name


def test_texts_name_no_document_that_is_not_here() -> None:
    folders = [ROOT / name for name in ("src", "docs", "tests", "examples", "benchmarks")]
    files = [path for folder in folders for path in folder.rglob("*") if path.suffix in (".py", ".md", ".html", ".yaml")]
    for path in [*files, *ROOT.glob("*.md")]:
        text = path.read_text("utf-8")
        found = [] if path == Path(__file__) else re.findall(r"\b(?:CONTRACT\.md|MODEL\.md|DESIGN\.md|MODEL §\d)", text)
        assert not found, f"{path.relative_to(ROOT)} names {found[0]}, which the reader does not have"
