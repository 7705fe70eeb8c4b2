"""How sure are we: samples of the uncertain inputs through the whole line, from one processor to a cluster.

``sweep`` draws samples from the study's ``ranges``, computes each without a report, keeps each in a file of its own,
and tells bands, the inputs that matter, the decisions that survive and what it is worth to know an input first. A
sweep that was killed goes on where it stopped and ends with the same numbers.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from teikei.sweep.perform import Sweep, sweep
    from teikei.sweep.types import SweepStoppedError

__all__ = ["Sweep", "SweepStoppedError", "sweep"]

_HOMES = {"Sweep": "perform", "sweep": "perform", "SweepStoppedError": "types"}


def __getattr__(name: str) -> Any:
    """Load a public name when it is first used: a worker that starts needs no page and no tables."""
    from importlib import import_module

    if name in _HOMES:
        return getattr(import_module(f"teikei.sweep.{_HOMES[name]}"), name)
    raise AttributeError(f"teikei.sweep has no {name!r}")
