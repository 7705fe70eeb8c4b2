"""Every candidate configuration of a study, simulated and written as one CSV file (``teikei simulate STUDY``)."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from teikei.errors import Problem, StudyError
from teikei.modules import catalogue
from teikei.simulate.study_performance import performance
from teikei.study.types import Study
from teikei.tables.write import write_frame


def simulate_study(study: Study, out_csv: Path) -> pl.DataFrame:
    """One row per car and candidate: its modules, mass, energy, range, feasibility and the reason.

    Columns: slot, programme, generation, version, candidate, modules (all of them, joined by +), then those of
    ``Performance.candidates``. Raises StudyError where the file cannot be written.
    """
    designs = catalogue(study)
    found = performance(study, designs)
    modules = designs.candidates.group_by("slot", "candidate", maintain_order=True).agg(
        pl.col("module").str.join("+").alias("modules")
    )
    table = (
        designs.slots.select("slot", "programme", "generation", "version")
        .join(modules, on="slot", how="left", maintain_order="left")
        .join(found.candidates, on=["slot", "candidate"], how="left", maintain_order="left")
    )
    try:
        write_frame(out_csv, table)
    except OSError as error:
        raise StudyError([Problem(out_csv.name, f"cannot be written: {error.strerror or error}")]) from error
    return table
