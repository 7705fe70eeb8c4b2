"""Every table that turns a split into something to negotiate: flows, stress, lamps, business case, mandate."""

from __future__ import annotations

import polars as pl

from teikei.plan.types import Plans
from teikei.split.contracts import contracts
from teikei.split.decision import business_case, mandate, quote_sheet, switching_costs
from teikei.split.law import precedents, screens
from teikei.split.stress import Reprice, stress
from teikei.split.types import Allocation
from teikei.study.types import Study


def terms(
    study: Study, plans: Plans, allocation: Allocation, *, reprice: Reprice | None = None
) -> dict[str, pl.DataFrame]:
    """Tables ``transfers``, ``contract_terms``, ``contract_notes``, ``stress``, ``screens``, ``law_precedents``,
    ``business_case``, ``mandate``, ``switching_costs`` and ``quote_sheet`` of a run; the last two for the highest rung
    that is shared.

    reprice: prices frozen plans at other volumes (``plan.reprice``), so that stress sees lost tiers.
    """
    deals = contracts(study, plans, allocation)
    tables = {
        "transfers": deals.transfers,
        "contract_terms": deals.terms,
        "contract_notes": pl.DataFrame({"text": list(deals.notes)}, schema={"text": pl.String}),
        "stress": stress(study, plans, deals, reprice=reprice),
        "screens": screens(study, plans),
        "law_precedents": precedents(),
        "business_case": business_case(study, plans, deals),
        "mandate": mandate(study, plans),
    }
    rungs = allocation.shares["rung"].unique(maintain_order=True).to_list()
    if rungs:
        tables["switching_costs"] = switching_costs(study, plans, rungs[-1])
        tables["quote_sheet"] = quote_sheet(study, plans, rungs[-1])
    return tables
