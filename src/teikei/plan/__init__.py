"""Which modules to develop and share, which car gets which, whom to buy from: for every coalition at every rung.

``solve`` plans every coalition at every rung; ``reprice`` prices a plan's designs and awards at other volumes;
``integrated_rival`` sets a car beside the same car of a rival that makes its own parts. ``award`` (a package of its
own) awards a tender without any vehicles, and loads nothing of the rest.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from teikei.plan.infeasible import explain_infeasible
    from teikei.plan.ladder import lacking, solve, solver_options
    from teikei.plan.levers import savings_by_programme
    from teikei.plan.prices_of_requirements import requirement_curve, requirement_prices
    from teikei.plan.prices_of_rules import rule_prices
    from teikei.plan.reached import with_ranges_reached
    from teikei.plan.repricing import reprice
    from teikei.plan.rival import integrated_rival
    from teikei.plan.solve_part import QUICK, THOROUGH, Effort
    from teikei.plan.types import Plan, Plans

__all__ = [
    "QUICK",
    "THOROUGH",
    "Effort",
    "Plan",
    "Plans",
    "explain_infeasible",
    "integrated_rival",
    "lacking",
    "reprice",
    "requirement_curve",
    "requirement_prices",
    "rule_prices",
    "savings_by_programme",
    "solve",
    "solver_options",
    "with_ranges_reached",
]

_HOMES = {
    "QUICK": "solve_part",
    "THOROUGH": "solve_part",
    "Effort": "solve_part",
    "Plan": "types",
    "Plans": "types",
    "explain_infeasible": "infeasible",
    "integrated_rival": "rival",
    "lacking": "ladder",
    "reprice": "repricing",
    "requirement_curve": "prices_of_requirements",
    "requirement_prices": "prices_of_requirements",
    "rule_prices": "prices_of_rules",
    "savings_by_programme": "levers",
    "solve": "ladder",
    "solver_options": "ladder",
    "with_ranges_reached": "reached",
}


def __getattr__(name: str) -> Any:
    """Load a public name when it is first used: a buyer's tender needs none of the planning."""
    from importlib import import_module

    if name in _HOMES:
        found = getattr(import_module(f"teikei.plan.{_HOMES[name]}"), name)
        globals()[name] = found  # importing the module ``reprice`` has just put the module in place of the function
        return found
    raise AttributeError(f"teikei.plan has no {name!r}")
