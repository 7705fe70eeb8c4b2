"""Which modules to develop and share, which car gets which, whom to buy from: for every coalition at every rung."""

from teikei.plan.infeasible import explain_infeasible
from teikei.plan.ladder import solve, solver_options
from teikei.plan.reprice import reprice
from teikei.plan.requirement_prices import requirement_prices
from teikei.plan.types import Plan, Plans

__all__ = ["Plan", "Plans", "explain_infeasible", "reprice", "requirement_prices", "solve", "solver_options"]
