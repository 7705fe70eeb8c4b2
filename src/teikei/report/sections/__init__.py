"""The parts of the page, one module per question; ``all_sections`` puts them in the order a planner reads."""

from __future__ import annotations

from teikei.report.blocks import Section
from teikei.report.context import Context
from teikei.report.evidence import Evidence
from teikei.report.sections import (
    contracts,
    decision,
    glossary,
    ladder,
    law,
    market,
    requirements,
    run,
    schedule,
    sharing,
    sourcing,
    split,
    trust,
    vehicle,
)


def all_sections(context: Context, evidence: Evidence) -> tuple[Section, ...]:
    """Every section, in reading order."""
    return (
        ladder.section(context),
        sharing.section(context),
        requirements.section(context),
        sourcing.section(context),
        vehicle.section(context),
        split.section(context),
        contracts.section(context),
        market.section(context),
        law.section(context),
        schedule.section(context),
        decision.section(context),
        trust.section(context, evidence),
        run.section(context),
        glossary.section(),
    )
