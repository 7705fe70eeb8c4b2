"""From the results of the stages to the tables of a run (names and columns: docs/reference/formats.md)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import polars as pl

from teikei.develop.types import Schedule
from teikei.market.profit_game import PROFIT_SHARES
from teikei.market.types import MarketOutcome
from teikei.modules.types import Catalogue
from teikei.plan import savings_by_programme
from teikei.plan.types import NOT_CONTRACTED, Plan, Plans
from teikei.runs.near_misses import near_misses
from teikei.simulate.types import Performance
from teikei.split.types import Allocation
from teikei.study.types import Study
from teikei.tables.columns import all_columns

COST_BY_RUNG = {
    "coalition": pl.String,
    "rung": pl.String,
    "value": pl.Float64,
    "bound": pl.Float64,
    "gap": pl.Float64,
    "status": pl.String,
}


@dataclass
class Results:
    """What the stages of one run have found so far; None where a stage was left out or has not run."""

    study: Study
    catalogue: Catalogue | None = None
    performance: Performance | None = None
    plans: Plans | None = None
    rival: pl.DataFrame | None = None
    schedule: Schedule | None = None
    what_ifs: pl.DataFrame | None = None
    allocation: Allocation | None = None
    terms: Mapping[str, pl.DataFrame] | None = None
    outcome: MarketOutcome | None = None


def collect(found: Results) -> dict[str, pl.DataFrame]:
    """Every table of a run: those of the stages that ran, and what the study itself says."""
    study = found.study
    tables = _planned(found)
    if found.performance is not None:
        tables["candidates"] = found.performance.candidates
        if found.catalogue is not None:
            tables["near_misses"] = near_misses(found.catalogue, found.performance)
    if found.schedule is not None:
        tables |= _scheduled(found.schedule)
    if found.what_ifs is not None:
        tables["schedule_what_ifs"] = found.what_ifs
    if found.allocation is not None:
        tables |= _shared(found.allocation)
    tables |= found.terms or {}
    if found.outcome is not None:
        tables |= _sold(found.outcome)
        profits = tables.pop(PROFIT_SHARES, None)
        if profits is not None and "shares" in tables:
            tables["shares"] = pl.concat([tables["shares"], profits])
    told = [
        *(() if found.plans is None else found.plans.explanations),
        *(() if found.schedule is None else found.schedule.notes),
        *(() if found.allocation is None else found.allocation.notes),
        *(() if found.outcome is None else found.outcome.messages),
    ]
    warned = [
        *map(str, study.warnings),
        *(() if found.catalogue is None else found.catalogue.warnings),
        *(() if found.performance is None else found.performance.warnings),
    ]
    return tables | {
        "programmes": study["programmes"].select(
            "programme", "company", "title", "segment", "in_scope", "status", "status_date"
        ),
        "published": study["published"],
        "rungs": study["rungs"].select(
            "rung", "position", "class", "procurement", "development_shared", "joint_plants"
        ),
        "sources": sources(study),
        "references": study["sources"],
        "explanations": _texts(told),
        "warnings": _texts(warned),
    }


def _planned(found: Results) -> dict[str, pl.DataFrame]:
    plans, study = found.plans, found.study
    if plans is None or found.catalogue is None or found.performance is None:
        return {}
    tables = {"cost_by_rung": cost_by_rung(plans)}
    for name in sorted({name for plan in plans.by_key.values() for name in plan.tables}):
        tables[name] = _labelled(plans.by_key.values(), name)
    if "configurations" not in tables:  # no coalition has a plan at any rung
        return tables
    chosen = tables["configurations"]
    tables |= {
        "savings_by_lever": plans.savings,
        "savings_by_programme": savings_by_programme(study, found.catalogue, plans),
        "commonality": plans.commonality,
        "module_designs": module_designs(found.catalogue, chosen),
        "performance": chosen_performance(found.catalogue, found.performance, chosen),
        "plant_use": plant_use(study, tables["awards"]),
        "evidence": evidence(study, tables["awards"], tables["cost_breakdown"]),
    }
    if found.rival is not None:
        tables["integrated_rival"] = found.rival
    return tables


def _scheduled(schedule: Schedule) -> dict[str, pl.DataFrame]:
    return {
        "schedule": schedule.table,
        "schedule_milestones": schedule.milestones,
        "schedule_fixes": schedule.fixes,
        "schedule_load": schedule.load,
        "schedule_summary": schedule.summary,
        "decision_calendar": schedule.calendar,
    }


def _shared(allocation: Allocation) -> dict[str, pl.DataFrame]:
    return {
        "shares": allocation.shares,
        "core": allocation.core,
        "baselines": allocation.baselines,
        "shares_of_blocs": allocation.blocs,
        "shares_by_lever": allocation.by_lever,
        "shares_by_year": allocation.by_year,
    }


def _sold(outcome: MarketOutcome) -> dict[str, pl.DataFrame]:
    return {
        "market_outcome": outcome.outcome,
        "market_summary": outcome.summary,
        "market_moments": outcome.moments,
        "market_elasticities": outcome.elasticities,
        "market_convergence": outcome.convergence,
        "market_history": outcome.history,
        "market_walk": outcome.walk,
        "market_diversion": outcome.diversion,
        "market_levers": outcome.levers,
        "market_policy_step": outcome.policy_step,
        "market_stock": outcome.stock,
        **{name: table for name, table in outcome.more.items() if table.width},
    }


def _texts(lines: Iterable[str]) -> pl.DataFrame:
    return pl.DataFrame({"text": list(dict.fromkeys(lines))}, schema={"text": pl.String})


def plant_use(study: Study, awards: pl.DataFrame) -> pl.DataFrame:
    """How full each supplier's site is with the cars of a plan: coalition, rung, site, year, quantity, capacity, unit.

    capacity is what outsiders leave free, in pieces or GWh of gross energy, the unit of the capacities table.
    """
    schema = {
        "coalition": pl.String, "rung": pl.String, "site": pl.String, "year": pl.Int64, "quantity": pl.Float64,
        "capacity": pl.Float64, "unit": pl.String,
    }  # fmt: skip
    free = study["sites"].select("site", (1.0 - pl.col("outsider_share")).alias("free_share"))
    steps = study["capacities"].select("site", "from_year", "capacity", "unit").sort("from_year")
    if awards.is_empty() or steps.is_empty():
        return pl.DataFrame(schema=schema)
    energy = study["modules"].select(pl.col("module").alias("item"), "gross_energy_kwh")
    used = (
        awards.join(steps.select("site").unique(), on="site", how="semi", maintain_order="left")
        .join(energy, on="item", how="left")
        .group_by("coalition", "rung", "site", "year", maintain_order=True)
        .agg(
            pl.col("quantity").sum().alias("pieces"),
            (pl.col("quantity") * pl.col("gross_energy_kwh") / 1e6).sum().alias("gwh"),
        )
        .sort("year")
    )
    order = {rung: at for at, rung in enumerate(study.rung_names)}
    at_year = used.join_asof(steps, left_on="year", right_on="from_year", by="site", check_sortedness=False)
    return (
        at_year.filter(pl.col("capacity").is_not_null())
        .join(free, on="site", how="left")
        .select(
            "coalition", "rung", "site", "year",
            pl.when(pl.col("unit") == "gwh").then(pl.col("gwh")).otherwise(pl.col("pieces")).alias("quantity"),
            (pl.col("capacity") * pl.col("free_share")).alias("capacity"),
            "unit",
        )
        .sort("coalition", pl.col("rung").replace_strict(order, default=len(order)), "site", "year")
    )  # fmt: skip


def cost_by_rung(plans: Plans) -> pl.DataFrame:
    """Value, bound and gap of every (coalition, rung) solved, million."""
    rows = [
        {"coalition": p.coalition, "rung": p.rung, "value": p.value, "bound": p.bound, "gap": p.gap, "status": p.status}
        for p in plans.by_key.values()
    ]
    return pl.DataFrame(rows, schema=COST_BY_RUNG, orient="row")


def _labelled(plans: Iterable[Plan], name: str) -> pl.DataFrame:
    parts = []
    for plan in plans:
        table = plan.tables.get(name)
        if table is None:
            continue
        parts.append(
            table
            if "coalition" in table.columns
            else table.select(pl.lit(plan.coalition).alias("coalition"), pl.lit(plan.rung).alias("rung"), pl.all())
        )
    return pl.concat(parts, how="diagonal_relaxed") if parts else pl.DataFrame()


def module_designs(catalogue: Catalogue, configurations: pl.DataFrame) -> pl.DataFrame:
    """The designs that each plan uses, with all their ratings."""
    used = configurations.select("coalition", "rung", "module").unique(maintain_order=True)
    ratings = catalogue.table.rename({"module": "variant"})
    return used.rename({"module": "variant"}).join(ratings, on="variant", how="left", maintain_order="left")


def chosen_performance(catalogue: Catalogue, performance: Performance, configurations: pl.DataFrame) -> pl.DataFrame:
    """Requirements against what the chosen configurations reach: coalition, rung, programme, procedure, required, …"""
    if "slot" not in configurations.columns or "candidate" not in configurations.columns:
        return pl.DataFrame()
    chosen = configurations.select("coalition", "rung", "slot", "candidate").unique(maintain_order=True)
    joined = chosen.join(performance.results, on=["slot", "candidate"], how="inner", maintain_order="left")
    slots = catalogue.slots.select("slot", "generation")
    return joined.join(slots, on="slot", how="left", maintain_order="left")


def sources(study: Study) -> pl.DataFrame:
    """Source and confidence of every figure of the study: table, row, column, source, confidence."""
    parts = []
    for name, columns in all_columns().items():
        table = study[name]
        figures = [column.name for column in columns.values() if column.kind in ("number", "integer")]
        if name == "sources" or table.is_empty() or not figures:
            continue
        keys = [
            pl.col(column.name).list.join("+") if column.kind == "list" else pl.col(column.name).cast(pl.String)
            for column in columns.values()
            if column.key
        ]
        long = (
            table.select(
                pl.lit(name).alias("table"),
                pl.concat_str([key.fill_null("") for key in keys], separator="/").alias("row"),
                pl.col("source"),
                pl.col("confidence"),
                pl.col("assumed_columns"),
                *[pl.col(figure).cast(pl.Float64) for figure in figures],
            )
            .unpivot(
                on=figures,
                index=["table", "row", "source", "confidence", "assumed_columns"],
                variable_name="column_name",
                value_name="figure",
            )
            .filter(pl.col("figure").is_not_null())
        )
        assumed = pl.col("assumed_columns").list.contains(pl.col("column_name")).fill_null(False)
        parts.append(
            long.select(
                "table",
                "row",
                pl.col("column_name").alias("column"),
                "source",
                pl.when(assumed).then(pl.lit("assumption")).otherwise(pl.col("confidence")).alias("confidence"),
            )
        )
    schema = dict.fromkeys(["table", "row", "column", "source", "confidence"], pl.String)
    return pl.concat(parts) if parts else pl.DataFrame(schema=schema)


def evidence(study: Study, awards: pl.DataFrame, cost_breakdown: pl.DataFrame) -> pl.DataFrame:
    """How much of the stand-alone cost rests on which kind of evidence: item, confidence, value (million).

    Purchases take the confidence of the offer or contract they are priced by; all other items that of the families
    table, where development, tooling and application costs stand.
    """
    alone = _stand_alone(study, cost_breakdown)
    schema = {"item": pl.String, "confidence": pl.String, "value": pl.Float64}
    if alone.is_empty():
        return pl.DataFrame(schema=schema)
    alone = alone.filter(~pl.col("item").is_in(NOT_CONTRACTED))
    totals = alone.group_by("item", maintain_order=True).agg(pl.col("value").sum())
    shares = _purchase_confidence(study, awards)
    family_shares = _shares_of(study["families"], "nre")
    rows = []
    for item, value in totals.iter_rows():
        weights = shares if item in ("purchase", "duty_freight") else family_shares
        rows += [{"item": item, "confidence": kind, "value": value * weight} for kind, weight in weights.items()]
    return pl.DataFrame(rows, schema=schema, orient="row")


def _stand_alone(study: Study, table: pl.DataFrame) -> pl.DataFrame:
    """Rows of the lowest rung, each company counted once: the table also holds coalitions side by side."""
    blocs = [study.coalition_name(members) for members in study.blocs.values()]
    return table.filter((pl.col("rung") == study.baseline_rung) & pl.col("coalition").is_in(blocs))


def _shares_of(table: pl.DataFrame, weight: str) -> dict[str, float]:
    grouped = table.group_by("confidence").agg(pl.col(weight).sum().alias("w")).sort("confidence")
    total = float(grouped["w"].sum())
    return {kind: w / total for kind, w in grouped.iter_rows()} if total > 0 else {"assumption": 1.0}


def _purchase_confidence(study: Study, awards: pl.DataFrame) -> dict[str, float]:
    alone = _stand_alone(study, awards)
    if alone.is_empty():
        return {"assumption": 1.0}
    of_offer = dict(study["offers"].select("offer", "confidence").iter_rows())
    spend: dict[str, float] = {}
    contract = study["existing"]["confidence"].mode().sort()
    contract_kind = str(contract[0]) if len(contract) else "assumption"
    for basis, value in alone.select("price_basis", "spend").iter_rows():
        kind, _, name = str(basis).partition(":")
        confidence = (
            of_offer.get(name, "assumption")
            if kind == "offer"
            else (contract_kind if kind == "contract" else "assumption")
        )
        spend[confidence] = spend.get(confidence, 0.0) + float(value)
    total = sum(spend.values())
    return {kind: value / total for kind, value in sorted(spend.items())} if total > 0 else {"assumption": 1.0}
