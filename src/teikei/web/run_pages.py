"""The report of a run, part by part, as pieces of HTML that the page shows inside the workspace.

Written once, when the run ends, beside the run: showing one is reading one small file. Every text of the study is
escaped by the templates of the report; pictures are JSON that ``charts.js`` draws with the plotly.js of the package.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Final

from teikei.errors import DamagedRunError, StudyError

FOLDER: Final = "parts"
ANSWER: Final = "answer"


def build(run_folder: Path, target: Path) -> None:
    """Writes ``<name>.html`` for the answer and every section, and ``index.json`` with their order and titles.

    run_folder: a finished run; target: the folder to make, written beside its place and renamed.
    Raises DamagedRunError where the run cannot be read.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    from teikei.report.answer import make_answer
    from teikei.report.context import make_context
    from teikei.report.evidence import read_evidence
    from teikei.report.page import all_charts, figure_json
    from teikei.report.sections import all_sections
    from teikei.runs import read

    run = read(run_folder)
    context = make_context(run.tables, run.meta)
    evidence = read_evidence(context)
    answer = make_answer(context, evidence)
    sections = all_sections(context, evidence)
    environment = Environment(
        loader=PackageLoader("teikei.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    first = environment.from_string(_ANSWER).render(answer=answer, label=str(context.meta.get("label") or ""))
    pieces: list[tuple[str, str, str]] = [(ANSWER, "The answer", first)]
    template = environment.from_string(_SECTION)
    for section in sections:
        figures = {one.name: Markup(figure_json(one.figure)) for one in all_charts([section])}  # noqa: S704
        pieces.append((section.name, section.title, template.render(section=section, figures=figures)))
    beside = target.with_name(f".{target.name}.partial")
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir(parents=True)
    for name, _, text in pieces:
        (beside / f"{name}.html").write_text(text, "utf-8")
    (beside / "index.json").write_text(json.dumps([piece[:2] for piece in pieces], ensure_ascii=False), "utf-8")
    shutil.rmtree(target, ignore_errors=True)
    beside.rename(target)


def index(job_folder: Path) -> list[tuple[str, str]]:
    """Name and title of every part of a finished run, in reading order; built now where the run has none yet."""
    target = job_folder / FOLDER
    if not (target / "index.json").is_file():
        build(job_folder / "run", target)
    return [(str(name), str(title)) for name, title in json.loads((target / "index.json").read_text("utf-8"))]


def part(job_folder: Path, name: str) -> str:
    """The HTML of one part. Raises StudyError for a name that this run does not have."""
    if name not in [known for known, _ in index(job_folder)]:
        raise StudyError("this run has no such part; choose one from the list beside the page")
    try:
        return (job_folder / FOLDER / f"{name}.html").read_text("utf-8")
    except OSError as error:
        raise DamagedRunError("this part of the report is missing; run the study again") from error


_SECTION: Final = """\
{% from "blocks.html.j2" import block %}
<h2>{{ section.title }}</h2>
<p class="question">{{ section.question }}</p>
{% for entry in section.blocks %}
{{ block(entry, figures) }}
{% endfor %}
"""
_ANSWER: Final = """\
{% from "blocks.html.j2" import grid_table %}
<p class="label" role="note"><strong>What this study is.</strong> {{ label }} <strong>How far to trust it.</strong>
{{ answer.trust }}</p>
<div class="answer">
{% for sentence in answer.sentences %}
<p class="{{ 'verdict' if loop.first else 'why' }}">{{ sentence }}</p>
{% endfor %}
{% if answer.ladder %}
{{ grid_table(answer.ladder) }}
{% endif %}
<dl class="facts">
{% for title, sentence in answer.facts %}
<div><dt>{{ title }}</dt><dd>{{ sentence }}</dd></div>
{% endfor %}
</dl>
</div>
"""
