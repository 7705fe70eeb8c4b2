"""Which modules to develop and share, which car gets which, whom to buy from: for every coalition at every rung.

``solve`` plans every coalition at every rung; ``reprice`` prices a plan's designs and awards at other volumes;
``integrated_rival`` sets a car beside the same car of a rival that makes its own parts. ``award`` (a package of its
own) awards a tender without any vehicles, and loads nothing of the rest.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from teikei.plan.arrays import solver_options
    from teikei.plan.ladder import solve
    from teikei.plan.reprice import reprice
    from teikei.plan.rival import integrated_rival
    from teikei.plan.types import Plan, Plans

__all__ = ["Plan", "Plans", "integrated_rival", "reprice", "solve", "solver_options"]

_HOMES = {
    "Plan": "types",
    "Plans": "types",
    "integrated_rival": "rival",
    "reprice": "reprice",
    "solve": "ladder",
    "solver_options": "arrays",
}


def __getattr__(name: str) -> Any:
    """Load a public name when it is first used: a buyer's tender needs none of the planning."""
    from importlib import import_module

    if name in _HOMES:
        return getattr(import_module(f"teikei.plan.{_HOMES[name]}"), name)
    raise AttributeError(f"teikei.plan has no {name!r}")
