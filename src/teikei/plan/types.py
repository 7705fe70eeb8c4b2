"""What the plan stage hands on: costs, awards and designs of every coalition at every rung."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl


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
