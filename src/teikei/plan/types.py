"""What the plan stage hands on: costs, awards and designs of every coalition at every rung."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import polars as pl

MISSED_TARGET: Final = "missed_target"
LATENESS: Final = "lateness"
NOT_CONTRACTED: Final = (MISSED_TARGET, LATENESS)
"""Items of a plan's value that nobody pays: what buyers lose by missed targets, and the cars that start late."""


@dataclass(frozen=True)
class Plan:
    """The plan of one coalition at one rung.

    value: present cost in million of the study's currency, re-priced exactly outside the solver; bound: proven lower
    bound; gap: value - bound in million; status: ``optimal``, ``gap`` (stopped within the gap asked for),
    ``time limit`` (not reproducible), ``not evaluated`` (the rung's classes have no data; every table empty).
    Tables: ``configurations``, ``awards``, ``cost_breakdown``,
    ``module_uses``, ``unit_costs`` (company, programme, year, units, variable_cost per car in study currency, by
    ``item``), ``development`` (family or module developed, group, year of series start, nre, tooling).
    decisions: what ``reprice`` needs to price the same designs and awards at other volumes.
    """

    coalition: str
    rung: str
    value: float
    bound: float
    gap: float
    status: str
    seconds: float
    tables: Mapping[str, pl.DataFrame]
    decisions: Mapping[str, Any]
    messages: tuple[str, ...] = ()

    @property
    def cash(self) -> float:
        """What is paid, million: the value without missed targets and lateness, which nobody pays."""
        costs = self.tables.get("cost_breakdown")
        if costs is None or costs.is_empty() or "item" not in costs.columns:
            return self.value
        apart = costs.filter(pl.col("item").is_in(NOT_CONTRACTED))["value"]
        return self.value - math.fsum(apart) if len(apart) else self.value


@dataclass(frozen=True)
class Plans:
    """All plans of a study, and what lies between them.

    by_key[(coalition, rung)]; savings: the table savings_by_lever; lever_order: the stated order;
    explanations: sentences about odd results (a union that costs more, and why).
    """

    by_key: Mapping[tuple[str, str], Plan]
    savings: pl.DataFrame
    commonality: pl.DataFrame
    lever_order: tuple[str, ...]
    explanations: tuple[str, ...] = ()

    def value(self, coalition: str, rung: str) -> float:
        """Present cost of a coalition at a rung, million."""
        return self.by_key[(coalition, rung)].value
