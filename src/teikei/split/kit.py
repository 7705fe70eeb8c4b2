"""The kit of a joint plan: the classes it holds, what they cost each company by year, and who owns it."""

from __future__ import annotations

import polars as pl

from teikei.plan.types import Plan
from teikei.study.types import Study


def kit_classes(study: Study, plan: Plan) -> tuple[str, ...]:
    """Classes of which the joint plan uses a drawing that companies of several blocs develop together.

    Where the plan does not say who develops with whom: the classes whose development the rung shares. Empty: there is
    nothing to sell as a kit.
    """
    order = study["classes"]["class"].to_list()
    table = plan.tables.get("configurations")
    if table is None or not {"class", "developing_group"} <= set(table.columns):
        shared = study["rungs"].filter(pl.col("rung") == plan.rung, pl.col("development_shared"))["class"].to_list()
        return tuple(name for name in order if name in shared)
    joint = _joint_rows(study, table)["class"].unique().to_list()
    return tuple(name for name in order if name in joint)


def kit_owner(study: Study, plan: Plan, classes: tuple[str, ...], companies: tuple[str, ...]) -> str | None:
    """The company that owns most of the kit, or None where nobody owns any of it.

    Own is, first, what it has paid of the shared families and variants in use (``sunk_for``; NRE and tooling, in equal
    parts where several have paid), then, where nobody has paid any, its part of the suppliers that make the kit (share
    held times what the plan buys there).
    """
    paid = dict.fromkeys(companies, 0.0)
    table = plan.tables.get("configurations")
    if table is not None and {"class", "module", "family", "developing_group"} <= set(table.columns):
        shared = _joint_rows(study, table)
        for name, column in (("families", "family"), ("modules", "module")):
            used = study[name].filter(pl.col(column).is_in(shared[column].unique().to_list()))
            for owners, nre, tooling in used.select("sunk_for", "nre", "tooling").iter_rows():
                for company in owners or ():
                    if company in paid:
                        paid[company] += ((nre or 0.0) + (tooling or 0.0)) / len(owners)
    return _largest(paid) or _largest(_held(study, plan, classes, companies))


def _held(study: Study, plan: Plan, classes: tuple[str, ...], companies: tuple[str, ...]) -> dict[str, float]:
    held = dict.fromkeys(companies, 0.0)
    awards = plan.tables.get("awards")
    if awards is None or awards.is_empty():
        return held
    class_of = dict(study["modules"].select("module", "class").iter_rows())
    kit = awards.filter(
        pl.col("item").replace_strict(class_of, default=None, return_dtype=pl.String).is_in(list(classes))
    )
    spend = dict(kit.group_by("supplier").agg((pl.col("quantity") * pl.col("unit_price")).sum()).iter_rows())
    for company, supplier, share in study["equity"].select("company", "supplier", "share").iter_rows():
        if company in held:
            held[company] += (share or 0.0) * spend.get(supplier, 0.0)
    return held


def _largest(amounts: dict[str, float]) -> str | None:
    """The company with most; the one named first among equals; None where all have nothing."""
    best = max(amounts, key=lambda company: amounts[company], default=None)
    return best if best is not None and amounts[best] > 0 else None


def _joint_rows(study: Study, table: pl.DataFrame) -> pl.DataFrame:
    bloc_of = {company: name for name, bloc in study.blocs.items() for company in bloc}
    groups = {
        group: len({bloc_of.get(company, company) for company in group.split("+")}) > 1
        for group in table["developing_group"].drop_nulls().unique().to_list()
    }
    return table.filter(pl.col("developing_group").replace_strict(groups, default=False, return_dtype=pl.Boolean))
