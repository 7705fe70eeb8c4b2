"""``teikei prices``: what rules and requirements of a study cost, outside the default run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from pathlib import Path

import polars as pl

from teikei.errors import StudyError
from teikei.modules import catalogue as make_catalogue
from teikei.plan.ladder import solve
from teikei.plan.prices_of_requirements import requirement_prices
from teikei.plan.prices_of_rules import rule_prices, rule_problems
from teikei.simulate import performance as make_performance
from teikei.study.types import Study
from teikei.tables.write import write_frame


def price_study(
    study: Study,
    out: Path,
    *,
    rung: str | None = None,
    programmes: Sequence[str] = (),
    also: Sequence[str] = (),
    executor: Executor | None = None,
    progress: Callable[[str, float], None] | None = None,
) -> dict[str, pl.DataFrame]:
    """Prices of all rules and of the requirements of ``programmes``, for all companies together at a rung.

    out: folder for rule_prices.csv and requirement_prices.csv. rung: default the last that is evaluated. also: rules
    not in force, each ``rule;scope;value``. Raises StudyError for unknown programmes and rules that cannot be read.
    """
    known = list(study["programmes"]["programme"])
    for name in programmes:
        if name not in known:
            raise StudyError(f"no programme {name} in this study; it has {', '.join(known)}")
    further = [tuple(part.strip() for part in rule.split(";")) for rule in also]
    for parts, rule in zip(further, also, strict=True):
        if len(parts) != 3:
            raise StudyError(f"'{rule}' is no rule: write rule;scope;value, such as local_supply;class:pack;1")
        if problems := rule_problems(study, *parts):
            raise StudyError("\n".join(problems))
    catalogue = make_catalogue(study)
    performance = make_performance(study, catalogue)
    rungs = [rung] if rung else None
    plans = solve(study, catalogue, performance, rungs=rungs, executor=executor, progress=progress)
    rules = [(name, scope, value) for name, scope, value in further]
    tables = {"rule_prices": rule_prices(study, catalogue, performance, plans, rung=rung, also=rules)}
    if programmes:
        tables["requirement_prices"] = requirement_prices(
            study, catalogue, performance, plans, rung=rung, programmes=programmes
        )
    out.mkdir(parents=True, exist_ok=True)
    for name, table in tables.items():
        write_frame(out / f"{name}.csv", table)
    return tables
