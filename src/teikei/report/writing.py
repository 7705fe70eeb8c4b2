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

    tables: the stored tables of a run by name (docs/reference/formats.md; schema.py says which columns are read);
    money in million of the study's currency. Missing or empty tables are said to be so.
    meta: what is known of the run, all keys optional: ``title, label, currency, price_year, base_year, first_year,
    last_year, report_year, home_market, discount_rate, companies, blocs, rungs, lever_order, versions,
    times, solver, input_hashes, seeds, scenario, citations``; other keys are listed among the settings.
    folder: made if it is not there; the two files in it are replaced.
    Raises OSError where the folder cannot be written to.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    page = folder / PAGE
    page.write_text(page_text(tables, meta), encoding="utf-8")
    context = make_context(tables, meta)
    write_workbook(context, make_answer(context, read_evidence(context)), folder / WORKBOOK)
    return page


def page_text(tables: Mapping[str, pl.DataFrame], meta: Mapping[str, Any]) -> str:
    """The page alone, as HTML text; arguments as for ``write``."""
    context = make_context(tables, meta)
    evidence = read_evidence(context)
    return render(context, make_answer(context, evidence), all_sections(context, evidence))
