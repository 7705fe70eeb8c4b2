"""The sourcing optimiser by itself: a buyer's tender in, the cheapest awards with a proven bound out.

``award`` reads a folder or workbook of items, suppliers, offers, tiers, capacities and rules, decides who supplies what
in which year, and writes awards, summary and workbook. ``scenarios`` and ``rule_prices`` answer what-if questions.
"""

from teikei.plan.award.command import award, award_tender
from teikei.plan.award.read import read_tender
from teikei.plan.award.types import Award, AwardResult, RulePrice, Tender
from teikei.plan.award.what_ifs import rule_prices, scenarios
from teikei.plan.award.write import write_files

__all__ = [
    "Award",
    "AwardResult",
    "RulePrice",
    "Tender",
    "award",
    "award_tender",
    "read_tender",
    "rule_prices",
    "scenarios",
    "write_files",
]
