"""The one function that writes page and workbook."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from teikei.report.answer import make_answer
from teikei.report.context import make_context
from teikei.report.evidence import read_evidence
from teikei.report.page import render
from teikei.report.sections import all_sections
from teikei.report.workbook import write_workbook

PAGE = "report.html"
WORKBOOK = "report.xlsx"


def write(tables: Mapping[str, pl.DataFrame], meta: Mapping[str, Any], folder: Path) -> Path:
    """Write ``report.html`` and ``report.xlsx`` of a run into a folder and give the path of the page.

    tables: the stored tables of a run by name (CONTRACT table list; schema.py says which columns are read); money in
    million of the study's currency. Missing or empty tables are said to be so.
    meta: what is known of the run, all keys optional: ``title, label, currency, price_year, base_year, first_year,
    last_year, report_year, home_market, discount_rate, companies, blocs, rungs, programmes, lever_order, versions,
    times, solver, input_hashes, seeds, scenario, citations``; other keys are listed among the settings.
    folder: made if it is not there; the two files in it are replaced.
    Raises OSError where the folder cannot be written to.
    """
    context = make_context(tables, meta)
    evidence = read_evidence(context)
    answer = make_answer(context, evidence)
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    page = folder / PAGE
    page.write_text(render(context, answer, all_sections(context, evidence)), encoding="utf-8")
    write_workbook(context, answer, folder / WORKBOOK)
    return page
