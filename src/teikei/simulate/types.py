"""What the simulation says of every candidate configuration."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl


@dataclass(frozen=True)
class Performance:
    """Results of all candidates.

    candidates: slot, candidate, feasible (bool), mass_kg (kerb), wall_wh_per_km, battery_wh_per_km, range_km (on the
    home cycle, named in ``cycle``), missed_trace_s, reason (text, empty if feasible). results: slot, candidate,
    programme, version, requirement, procedure, required, effective (the value enforced: the incumbent's own where the
    incumbent misses the study's), reached, unit, margin (positive = better than required, in the unit), passed (the
    value is reached), status (``ok``, ``missed``, ``set to incumbent``, ``not evaluated: …``), kind (hard, target,
    report), floor (what refuses a car: the value of a hard requirement, value + floor_offset of a target; empty for a
    report), allowed (the floor is kept), missed (how far behind the value, in the unit, 0 where it is reached),
    missed_cost (missed x value_per_unit of a target, study currency per car).
    """

    candidates: pl.DataFrame
    results: pl.DataFrame
    warnings: tuple[str, ...] = ()
