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

    What each reaches on every requirement (0–100, top speed, charge time …) is written beside it, as
    ``OUT-requirements.csv``.

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
        for path, frame in ((out_csv, table), (results_path(out_csv), found.results)):
            write_frame(path, frame.with_columns(pl.col(pl.Boolean).cast(pl.String)))  # true and false, as before
    except OSError as error:
        raise StudyError([Problem(out_csv.name, f"cannot be written: {error.strerror or error}")]) from error
    return table


def results_path(out_csv: Path) -> Path:
    """Where ``simulate_study`` writes what is reached on the requirements."""
    return out_csv.with_name(f"{out_csv.stem}-requirements.csv")


def without_cars(study: Study) -> str:
    """Why a study gives no car to simulate; empty where it gives some."""
    if study["volumes"].is_empty():
        return "volumes: no car has volumes, so there is nothing to simulate; give volumes.csv rows for the programmes"
    return "no car has volumes in the years of the study: nothing to simulate"
