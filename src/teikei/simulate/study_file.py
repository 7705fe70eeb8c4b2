"""Every candidate configuration of a study, simulated and written as one CSV file (``teikei simulate STUDY``)."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from teikei.errors import Problem, StudyError
from teikei.modules import catalogue
from teikei.simulate.performance import performance
from teikei.study.types import Study


def simulate_study(study: Study, out_csv: Path) -> pl.DataFrame:
    """One row per car and candidate: its modules by position, mass, energy, range, feasibility and the reason.

    Columns: slot, candidate, one column per position, then those of ``Performance.candidates``. Raises StudyError where
    the file cannot be written.
    """
    designs = catalogue(study)
    found = performance(study, designs)
    modules = designs.candidates.pivot(on="position", index=["slot", "candidate"], values="module")
    table = modules.join(found.candidates, on=["slot", "candidate"], how="left", maintain_order="left")
    try:
        table.write_csv(out_csv)
    except OSError as error:
        raise StudyError([Problem(out_csv.name, f"cannot be written: {error.strerror or error}")]) from error
    return table
