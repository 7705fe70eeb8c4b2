"""Which modules to develop and share, which car gets which, whom to buy from: for every coalition at every rung."""

from teikei.plan.ladder import solve
from teikei.plan.reprice import reprice
from teikei.plan.types import Plan, Plans

__all__ = ["Plan", "Plans", "reprice", "solve"]
