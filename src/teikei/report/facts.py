"""The few facts every page rests on: the ladder of rungs with savings, levers, shares and EV share.

Page, workbook and terminal all read these, so that they cannot say different things. Nothing is computed here but sums
and differences of stored figures.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import polars as pl

from teikei.report.formatting import Money, is_number, money_for
from teikei.report.reading import Tables
from teikei.study.rungs import stored_baseline_rung

MERGER: Final = "merger"
MAIN_RULES: Final = ("shapley", "nucleolus", "equal_saving")
LEVER_ORDER: Final = (
    "development",
    "tooling",
    "variants",
    "alignment",
    "commercial_scale",
    "technical_scale",
    "plant_use",
    "access",
    "overdesign",
    "coordination",
    "joint_organisation",
    "captive",
    "divergence",
    "switching",
    "missed_target",
    "lateness",
)
NOT_CASH: Final = ("missed_target", "lateness")
"""Levers that are part of what is saved and that nobody pays or receives."""


@dataclass(frozen=True, slots=True)
class Share:
    """What one company gets at one rung under one rule, million."""

    company: str
    value: float
    lower: float | None
    upper: float | None


@dataclass(frozen=True, slots=True)
class EvShare:
    """EV share of the home market in one year at one rung, and at the baseline; fractions.

    share: at the most likely parameters without shocks; median: half of the draws lie above it.

    change: against alone, with its own band where the run stored one (narrower than that of the level: both cases
    share their draws).
    """

    year: int
    region: str
    share: float
    lower: float | None
    upper: float | None
    alone: float | None
    change: float | None
    change_lower: float | None
    change_upper: float | None
    median: float | None = None


@dataclass(frozen=True)
class Rung:
    """One rung of the grand coalition against the companies alone. Money in million.

    saving = alone - value; lower and upper are what the solver has proven: alone's bound - value, and alone - bound.
    levers: cumulative from the baseline (stated order of counterfactuals); steps: of this rung alone. certain: whether
    the core test holds over the whole range the solver leaves open.
    """

    name: str
    status: str
    value: float | None
    bound: float | None
    saving: float | None
    lower: float | None
    upper: float | None
    share_of_alone: float | None
    previous: str | None = None
    levers: Mapping[str, float] = field(default_factory=dict)
    steps: Mapping[str, float] = field(default_factory=dict)
    steps_shapley: Mapping[str, float] = field(default_factory=dict)
    shares: tuple[Share, ...] = ()
    stable: bool | None = None
    certain: bool = True
    leaves: str | None = None
    leaves_by: float | None = None
    ev: EvShare | None = None

    @property
    def evaluated(self) -> bool:
        """Whether the plan gave a value here."""
        return self.saving is not None

    @property
    def missed(self) -> float:
        """Part of the saving that is not cash: what buyers lose less (or more, below zero) by missed targets."""
        return self.levers.get("missed_target", 0.0)

    @property
    def lateness(self) -> float:
        """Part of the saving that is no contract's: margin of cars that start late alone and do not together."""
        return self.levers.get("lateness", 0.0)

    @property
    def cash(self) -> float | None:
        """The saving without missed targets and lateness, million."""
        return None if self.saving is None else self.saving - self.missed - self.lateness

    @property
    def saving_proven(self) -> bool:
        """Whether the saving is above zero at its lower, proven end."""
        return self.lower is not None and self.lower > 0


@dataclass(frozen=True)
class Ladder:
    """The ladder of the grand coalition. Money in million; ``rule`` is the split shown first.

    baseline: name of the lowest rung, at which the companies are alone.
    """

    coalition: str
    baseline: str
    parts: tuple[str, ...]
    companies: tuple[str, ...]
    alone: float | None
    alone_bound: float | None
    rungs: tuple[Rung, ...]
    rule: str | None
    money: Money
    home_market: str
    report_year: int | None
    not_evaluated_because: str = ""

    @property
    def evaluated(self) -> tuple[Rung, ...]:
        """Rungs with a value, lowest first."""
        return tuple(rung for rung in self.rungs if rung.evaluated)

    @property
    def best(self) -> Rung | None:
        """The rung with the largest saving; None where nothing was evaluated."""
        return max(self.evaluated, key=lambda rung: rung.saving or 0.0, default=None)

    @property
    def levers(self) -> tuple[str, ...]:
        """Levers that occur, in the order the charts use."""
        found = {lever for rung in self.rungs for lever in (*rung.levers, *rung.steps_shapley)}
        return (*(lever for lever in LEVER_ORDER if lever in found), *sorted(found - set(LEVER_ORDER)))


def members(coalition: str) -> tuple[str, ...]:
    """Companies of a coalition name."""
    return tuple(part for part in coalition.split("+") if part)


def read_ladder(tables: Tables, meta: Mapping[str, Any]) -> Ladder:
    """The ladder from the stored tables; rungs without a value stay in it with their status."""
    costs = tables.get("cost_by_rung").filter(pl.col("coalition").is_not_null() & pl.col("rung").is_not_null())
    names = costs["coalition"].unique(maintain_order=True).to_list()
    grand = max(names, key=lambda name: len(members(name)), default="")
    baseline = stored_baseline_rung(tables.stored, meta)
    at_baseline = costs.filter((pl.col("rung") == baseline) & pl.col("value").is_not_null())
    parts = _parts(at_baseline, grand, meta)
    alone, alone_bound = _alone(at_baseline, grand, parts)
    reason = ""
    if costs.is_empty():
        reason = tables.why_absent("cost_by_rung")
    elif alone is None:
        reason = (
            f"Savings: not evaluated because the table “cost_by_rung” has no value at rung “{baseline}” for "
            f"the parts of {grand}."
        )
    rule = _main_rule(tables)
    order = _rung_order(costs, grand, baseline, meta)
    rungs: list[Rung] = []
    for name in order:
        previous = next((rung for rung in reversed(rungs) if rung.evaluated), None)
        row = costs.filter((pl.col("coalition") == grand) & (pl.col("rung") == name)).row(0, named=True)
        rungs.append(
            _rung(
                tables, meta, row, baseline=baseline, alone=alone, alone_bound=alone_bound, previous=previous, rule=rule
            )
        )
    saved = [rung.saving for rung in rungs if rung.saving]  # the message: 189 million of 3,490, not 0.189 bn of 3.49
    return Ladder(
        coalition=grand,
        baseline=baseline,
        parts=parts,
        companies=_companies(meta, grand),
        alone=alone,
        alone_bound=alone_bound,
        rungs=tuple(rungs),
        rule=rule,
        money=money_for(str(meta.get("currency") or "JPY"), saved or [alone, *costs["value"].to_list()]),
        home_market=_home_market(tables, meta),
        report_year=_report_year(tables, meta),
        not_evaluated_because=reason,
    )


def _parts(at_baseline: pl.DataFrame, grand: str, meta: Mapping[str, Any]) -> tuple[str, ...]:
    """The blocs with a value at the baseline rung that together make up the grand coalition.

    Where the run does not say its blocs: the largest coalitions below the grand one. (A run of companies taken singly
    also stores coalitions that cut through a bloc; they are nobody's baseline.)
    """
    stored = at_baseline["coalition"].unique().to_list()
    told = meta.get("blocs")
    blocs = [set(mine) for mine in told.values()] if isinstance(told, Mapping) else []
    known = sorted(name for name in stored if set(members(name)) in blocs)
    missing = set(members(grand))
    parts: list[str] = []
    for name in known + sorted(set(stored) - set(known), key=lambda part: (-len(members(part)), part)):
        if name != grand and set(members(name)) <= missing:
            parts.append(name)
            missing -= set(members(name))
    order = members(grand)
    return () if missing else tuple(sorted(parts, key=lambda part: order.index(members(part)[0])))


def _alone(at_baseline: pl.DataFrame, grand: str, parts: tuple[str, ...]) -> tuple[float | None, float | None]:
    """Value and bound of the companies alone, million: the sum over the parts.

    Where the run also bounds that sum at once (the grand coalition at the baseline rung, of the same value), that bound
    is the sharper one: bounds of the parts each carry the whole gap.
    """
    at_alone = at_baseline.unique("coalition")
    value, bound = _summed(at_alone.filter(pl.col("coalition").is_in(list(parts))))
    whole, whole_bound = _summed(at_alone.filter(pl.col("coalition") == grand))
    if value is None or len(parts) < 2:
        return whole, whole_bound
    if whole is None or whole_bound is None or abs(whole - value) > 1e-9 * abs(value):
        return value, bound
    return value, max(whole_bound, bound) if bound is not None else whole_bound


def _summed(rows: pl.DataFrame) -> tuple[float | None, float | None]:
    if rows.is_empty():
        return None, None
    bound = None if rows["bound"].null_count() else float(rows["bound"].sum())
    return float(rows["value"].sum()), bound


def _rung_order(costs: pl.DataFrame, grand: str, baseline: str, meta: Mapping[str, Any]) -> list[str]:
    stored = costs.filter(pl.col("coalition") == grand)["rung"].unique(maintain_order=True).to_list()
    told = [str(name) for name in meta.get("rungs") or ()]
    ordered = [name for name in told if name in stored] + [name for name in stored if name not in told]
    return [name for name in ordered if name != baseline]


def _rung(
    tables: Tables,
    meta: Mapping[str, Any],
    row: Mapping[str, Any],
    *,
    baseline: str,
    alone: float | None,
    alone_bound: float | None,
    previous: Rung | None,
    rule: str | None,
) -> Rung:
    grand, name = row["coalition"], row["rung"]
    value, bound, status = row["value"], row["bound"], row["status"] or ""
    if value is None or alone is None or status.startswith("not evaluated"):
        return Rung(name, status or "not evaluated", None, None, None, None, None, None)
    before = previous.name if previous else baseline
    steps = _steps(tables, grand, name, before, "order")
    levers = dict(previous.levers) if previous else {}
    for lever, amount in steps.items():
        levers[lever] = levers.get(lever, 0.0) + amount
    core = _stability(tables, name, rule)
    return Rung(
        name=name,
        status=status,
        value=value,
        bound=bound,
        saving=alone - value,
        lower=None if alone_bound is None else alone_bound - value,
        upper=None if bound is None else alone - bound,
        share_of_alone=(alone - value) / alone if alone else None,
        previous=before,
        levers=levers,
        steps=steps,
        steps_shapley=_steps(tables, grand, name, before, "shapley"),
        shares=_shares(tables, name, rule),
        stable=core.get("in_core"),
        certain=core.get("certain") is not False,
        leaves=core.get("leaves"),
        leaves_by=core.get("leaves_by"),
        ev=_ev_share(tables, meta, grand, name, baseline),
    )


def _steps(tables: Tables, grand: str, rung: str, before: str, method: str) -> dict[str, float]:
    """Saving of one step by lever over all companies, million."""
    rows = tables.get("savings_by_lever").filter(
        (pl.col("coalition") == grand)
        & (pl.col("rung") == rung)
        & (pl.col("from_rung") == before)
        & (pl.col("method") == method)
    )
    summed = rows.group_by("lever", maintain_order=True).agg(pl.col("value").sum())
    return {lever: value for lever, value in summed.iter_rows() if lever is not None and value is not None}


def _main_rule(tables: Tables) -> str | None:
    stored = tables.get("shares")["rule"].drop_nulls().unique(maintain_order=True).to_list()
    return next((rule for rule in (*MAIN_RULES, *stored) if rule in stored), None)


def _shares(tables: Tables, rung: str, rule: str | None) -> tuple[Share, ...]:
    rows = tables.get("shares").filter(
        (pl.col("rung") == rung) & pl.col("rule").eq(pl.lit(rule, pl.String)) & (pl.col("kind") == "saving")
    )
    return tuple(
        Share(row["company"], row["value"], row["lower"], row["upper"])
        for row in rows.iter_rows(named=True)
        if row["value"] is not None
    )


def _stability(tables: Tables, rung: str, rule: str | None) -> Mapping[str, Any]:
    """The row of the core test of the split shown; empty where there is none."""
    rows = tables.get("core").filter((pl.col("rung") == rung) & pl.col("rule").eq(pl.lit(rule, pl.String)))
    return {} if rows.is_empty() else rows.row(0, named=True)


def main_market_rows(summary: pl.DataFrame) -> pl.DataFrame:
    """Market rows without the merger, which is a contrast and never the forecast."""
    return summary.filter(pl.col("scenario").fill_null("") != MERGER)


def _home_market(tables: Tables, meta: Mapping[str, Any]) -> str:
    stored = tables.get("market_summary")["region"].drop_nulls().unique(maintain_order=True).to_list()
    told = str(meta.get("home_market") or "")
    return told if told in stored or not stored else str(stored[0])


def _report_year(tables: Tables, meta: Mapping[str, Any]) -> int | None:
    """The year asked for in the study where results hold it, else the last year stored."""
    for name in ("market_summary", "unit_costs"):
        years = tables.get(name)["year"].drop_nulls().unique().sort().to_list()
        if years:
            told = meta.get("report_year")
            return int(told) if is_number(told) and told in years else int(years[-1])
    told = meta.get("report_year")
    return int(told) if is_number(told) else None


def _ev_share(tables: Tables, meta: Mapping[str, Any], grand: str, rung: str, baseline_rung: str) -> EvShare | None:
    year, region = _report_year(tables, meta), _home_market(tables, meta)
    rows = main_market_rows(tables.get("market_summary")).filter(
        (pl.col("year").eq(pl.lit(year, pl.Int64))) & (pl.col("region") == region) & pl.col("ev_share").is_not_null()
    )
    at_rung = rows.filter((pl.col("coalition") == grand) & (pl.col("rung") == rung))
    if at_rung.is_empty() or year is None:
        return None
    baseline = rows.filter(pl.col("rung") == baseline_rung)["ev_share"]
    row = at_rung.row(0, named=True)
    alone = float(baseline[0]) if len(baseline) else None
    change = row["ev_share_change"]
    if change is None and alone is not None:
        change = row["ev_share"] - alone
    return EvShare(
        year=year,
        region=region,
        share=row["ev_share"],
        lower=row["ev_share_lower"],
        upper=row["ev_share_upper"],
        alone=alone,
        change=change,
        change_lower=row["ev_share_change_lower"],
        change_upper=row["ev_share_change_upper"],
        median=row.get("ev_share_median"),
    )


def _companies(meta: Mapping[str, Any], grand: str) -> tuple[str, ...]:
    told = tuple(str(company) for company in meta.get("companies") or ())
    inside = members(grand)
    return tuple(company for company in told if company in inside) if set(inside) <= set(told) else inside
