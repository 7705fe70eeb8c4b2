"""What time is worth: late starts if work or the alliance's go-ahead came earlier, or if there were more engineers.

Designs and awards stay as planned; only the schedule is made again. A plan made for the change could gain more, so that
each gain is a lower end.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any, Final

import polars as pl

from teikei.develop.timetable import Late, late_starts
from teikei.modules.types import Catalogue
from teikei.plan.lateness import cost_of_lateness
from teikei.plan.scheduled import scopes_of
from teikei.plan.types import Plans
from teikei.study.types import Study

MORE_HOURS: Final = 1.1
SCHEMA: Final[dict[str, Any]] = {
    "coalition": pl.String, "rung": pl.String, "what_if": pl.String, "late_quarters": pl.Int64,
    "late_quarters_then": pl.Int64, "gain": pl.Float64,
}  # fmt: skip


def what_ifs(study: Study, catalogue: Catalogue, plans: Plans, *, seconds: float | None = None) -> pl.DataFrame:
    """A row for every late plan of each bloc alone and of all together, and every what-if: quarters late now and then,
    and what is lost less (million, discounted).

    ``all work a quarter earlier``; ``go-ahead a quarter earlier`` (where there is one); ``a tenth more engineers``
    (where table ``engineering`` says how many there are). seconds: as for ``schedule``.
    """
    everyone = study.coalition_name(frozenset(study.companies))
    blocs = {study.coalition_name(frozenset(bloc)) for bloc in study.blocs.values()}
    told = {
        (name, rung): plan
        for (name, rung), plan in plans.by_key.items()
        if name == everyone or (name in blocs and rung == study.baseline_rung)
    }
    plans = replace(plans, by_key=told)
    now = late_starts(study, catalogue, plans, seconds=seconds)
    if not any(quarters for starts in now.values() for quarters in starts.values()):
        return pl.DataFrame(schema=SCHEMA)
    changed: dict[str, Late] = {
        "all work a quarter earlier": late_starts(study, catalogue, plans, seconds=seconds, quarters_earlier=1)
    }
    ahead = pl.col("scope").eq("link") & pl.col("title").str.contains("shared family")
    if study["tasks"].filter(ahead & (pl.col("quarters") >= 1)).height and study.settings.alliance_year is None:
        sooner = study["tasks"].with_columns(
            pl.when(ahead).then((pl.col("quarters") - 1.0).clip(0.0)).otherwise(pl.col("quarters")).alias("quarters")
        )
        changed["go-ahead a quarter earlier"] = late_starts(
            study.with_tables(tasks=sooner), catalogue, plans, seconds=seconds
        )
    if study["engineering"].height:
        more = study["engineering"].with_columns(pl.col("hours_per_quarter") * MORE_HOURS)
        changed["a tenth more engineers"] = late_starts(
            study.with_tables(engineering=more), catalogue, plans, seconds=seconds
        )
    rows = []
    scopes = scopes_of(study, catalogue, plans)
    for key, scope in scopes.items():
        if not any(now.get(key, {}).values()):
            continue
        for name, then in changed.items():
            if key not in then:
                continue
            lost = [
                math.fsum(cost_of_lateness(scope, start, late) for start, late in found[key].items() if late)
                for found in (now, then)
            ]
            rows.append(
                {
                    "coalition": key[0], "rung": key[1], "what_if": name, "late_quarters": sum(now[key].values()),
                    "late_quarters_then": sum(then[key].values()), "gain": lost[0] - lost[1],
                }
            )  # fmt: skip
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")
